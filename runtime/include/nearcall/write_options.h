#ifndef NEARCALL_WRITE_OPTIONS_H_
#define NEARCALL_WRITE_OPTIONS_H_

#include <cstdint>

/// gRPC's flag bits.
#define NEARCALL_WRITE_BUFFER_HINT (0x00000001u)
#define NEARCALL_WRITE_NO_COMPRESS (0x00000002u)
#define NEARCALL_WRITE_THROUGH (0x00000004u)

namespace nearcall {

/// Per-message options, as in gRPC. Nothing is compressed on a local link, so
/// no_compression changes nothing.
class WriteOptions {
 public:
  WriteOptions() = default;

  WriteOptions& Clear() { return *this = WriteOptions(); }
  uint32_t flags() const { return flags_; }

  WriteOptions& set_no_compression() { return Set(NEARCALL_WRITE_NO_COMPRESS); }
  WriteOptions& clear_no_compression() {
    return Unset(NEARCALL_WRITE_NO_COMPRESS);
  }
  bool get_no_compression() const { return Has(NEARCALL_WRITE_NO_COMPRESS); }

  /// The message may wait for later ones before the peer is woken.
  WriteOptions& set_buffer_hint() { return Set(NEARCALL_WRITE_BUFFER_HINT); }
  WriteOptions& clear_buffer_hint() {
    return Unset(NEARCALL_WRITE_BUFFER_HINT);
  }
  bool get_buffer_hint() const { return Has(NEARCALL_WRITE_BUFFER_HINT); }
  WriteOptions& set_corked() { return set_buffer_hint(); }
  WriteOptions& clear_corked() { return clear_buffer_hint(); }
  bool is_corked() const { return get_buffer_hint(); }

  /// The half-close (client) or the status (server) travels with the message.
  WriteOptions& set_last_message() {
    last_message_ = true;
    return *this;
  }
  WriteOptions& clear_last_message() {
    last_message_ = false;
    return *this;
  }
  bool is_last_message() const { return last_message_; }

  WriteOptions& set_write_through() { return Set(NEARCALL_WRITE_THROUGH); }
  WriteOptions& clear_write_through() { return Unset(NEARCALL_WRITE_THROUGH); }
  bool is_write_through() const { return Has(NEARCALL_WRITE_THROUGH); }

 private:
  WriteOptions& Set(uint32_t bit) {
    flags_ |= bit;
    return *this;
  }
  WriteOptions& Unset(uint32_t bit) {
    flags_ &= ~bit;
    return *this;
  }
  bool Has(uint32_t bit) const { return (flags_ & bit) != 0; }

  uint32_t flags_ = 0;
  bool last_message_ = false;
};

}  // namespace nearcall

#endif  // NEARCALL_WRITE_OPTIONS_H_
