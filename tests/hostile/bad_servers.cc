#include "tests/hostile/bad_frames.h"
#include "tests/wire/raw_peer.h"

namespace nearcall::test {
namespace {

using namespace internal::wire;  // NOLINT: flags and types, all over the table
using S = std::string;

S F(Type type, uint8_t flags, uint16_t code, uint64_t call,
    const S& body = "") {
  return RawFrame(type, flags, code, call, body).substr(sizeof(uint32_t));
}
S Reply(uint8_t flags, const S& body, uint16_t code = 0) {
  return F(Type::kStatus, flags, code, 1, body);
}
S Block(size_t value) { return BlockField(MetadataEntry("k", S(value, 'v'))); }

}  // namespace

std::vector<BadServer> BadServers() {
  const S huge = Bytes(0xffffffffu);
  return {
      {"short_frame", {S(3, '\5')}, UNAVAILABLE},
      {"hello_again", {F(Type::kHello, 0, 0, 0)}, UNAVAILABLE},
      {"unknown_critical", {F(Type{200}, kCritical, 0, 0)}, UNAVAILABLE},
      {"open_from_server", {F(Type::kOpen, 0, 1, 2, "\0")}, UNAVAILABLE},
      {"reply_to_no_call", {F(Type::kStatus, 0, 0, 99)}, UNAVAILABLE},
      {"reply_to_call_0", {F(Type::kStatus, 0, 0, 0)}, UNAVAILABLE},
      {"reply_to_even_call", {F(Type::kStatus, 0, 0, 2)}, UNAVAILABLE},
      {"headers_of_no_call", {F(Type::kHeaders, 0, 0, 99)}, UNAVAILABLE},
      {"headers_twice",
       {F(Type::kHeaders, 0, 0, 1), F(Type::kHeaders, 0, 0, 1)},
       UNAVAILABLE},
      {"headers_malformed", {F(Type::kHeaders, 0, 0, 1, "abc")}, UNAVAILABLE},
      {"headers_with_more",
       {F(Type::kHeaders, 0, 0, 1, Block(1) + "x")},
       UNAVAILABLE},
      {"data_of_no_call", {F(Type::kData, kMessage, 0, 99)}, UNAVAILABLE},
      {"part_of_no_message", {F(Type::kData, 0, 0, 1, "abc")}, UNAVAILABLE},
      {"data_beyond_credit",
       {F(Type::kData, kMessage, 0, 1, S(60'000, 'x')),
        F(Type::kData, kMessage, 0, 1, S(60'000, 'x'))},
       UNAVAILABLE},
      {"status_in_message",
       {F(Type::kData, kMessage | kMore, 0, 1, Bytes(9u) + "abc"),
        Reply(0, "")},
       UNAVAILABLE},
      {"status_with_more", {Reply(kMessage | kMore, "abc")}, UNAVAILABLE},
      {"status_bytes_but_no_message", {Reply(0, "abc")}, UNAVAILABLE},
      {"status_text_beyond", {Reply(kStatusText, huge, 5)}, UNAVAILABLE},
      {"status_details_cut",
       {Reply(kStatusText, Bytes(1u) + "t" + Bytes(9u) + "d", 5)},
       UNAVAILABLE},
      {"status_metadata_beyond", {Reply(kMetadata, huge)}, UNAVAILABLE},
      {"status_metadata_too_large",
       {Reply(kMetadata, Block(9000))},
       UNAVAILABLE},
      {"status_initial_cut", {Reply(kStatusInitial, "ab")}, UNAVAILABLE},
      {"credit_overflow", {F(Type::kCredit, 0, 0, 1, huge)}, UNAVAILABLE},
      {"credit_short", {F(Type::kCredit, 0, 0, 1, "a")}, UNAVAILABLE},
      {"goaway_nothing_accepted", {F(Type::kGoaway, 0, 14, 0)}, UNAVAILABLE},
      {"status_of_unknown_code", {Reply(0, "", 777)}, UNKNOWN},
      {"reset_code_0", {F(Type::kReset, 0, 0, 1)}, UNKNOWN},
      {"reset_code_65535", {F(Type::kReset, 0, 65535, 1)}, UNKNOWN},
      {"reply_unparsable", {Reply(kMessage, "\x12\x7f")}, INTERNAL},
      {"ok_without_a_reply", {Reply(0, "")}, INTERNAL},
      {"reply_too_large",
       {F(Type::kData, kMessage | kMore, 0, 1, huge + "abc")},
       RESOURCE_EXHAUSTED},
      {"unknown_type_then_reply",
       {F(Type{99}, 0xfb, 1, 2, "x"), Reply(kMessage, "")},
       OK},
      {"goaway_then_reply",
       {F(Type::kGoaway, 0, 14, ~0ull), Reply(kMessage, "")},
       OK},
      {"empty_data_then_status",
       {F(Type::kData, kMessage, 0, 1), Reply(0, "")},
       OK},
  };
}

}  // namespace nearcall::test
