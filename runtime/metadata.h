// Walking a metadata block that came from a peer.
#ifndef NEARCALL_RUNTIME_METADATA_H_
#define NEARCALL_RUNTIME_METADATA_H_

#include <nearcall/impl/metadata.h>

#include <string_view>

namespace nearcall::internal {

/// Whether a block is well formed and within the limits. Everything else here
/// and in the contexts relies on it.
bool CheckMetadata(std::string_view block);

/// Calls visit(key, value) for each entry of a checked block.
template <typename Visit>
void ForEachMetadata(std::string_view block, Visit visit) {
  while (!block.empty()) {
    uint16_t key_size;
    uint32_t value_size;
    std::memcpy(&key_size, block.data(), 2);
    std::memcpy(&value_size, block.data() + 2, 4);
    visit(block.substr(6, key_size), block.substr(6 + key_size, value_size));
    block.remove_prefix(6 + size_t{key_size} + value_size);
  }
}

}  // namespace nearcall::internal

#endif  // NEARCALL_RUNTIME_METADATA_H_
