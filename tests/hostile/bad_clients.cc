#include "tests/call/services.h"
#include "tests/hostile/bad_frames.h"
#include "tests/wire/raw_peer.h"

namespace nearcall::test {
namespace {

using namespace internal::wire;  // NOLINT: flags and types, all over the table
using S = std::string;
using Frames = std::vector<S>;

constexpr uint32_t kHuge = 0xffffffff;

S F(Type type, uint8_t flags, uint16_t code, uint64_t call,
    const S& body = "") {
  return RawFrame(type, flags, code, call, body).substr(sizeof(uint32_t));
}
S Path(const S& method) {
  return PathField("/nearcall.test.TestService/" + method);
}
const S kPlain(1, '\0');  // The buffering byte.
const S kHi = "\x12\x02hi";

/// OPEN of call 1: flags, and what follows the buffering byte and the path.
S Echo(uint8_t flags, const S& rest = "", uint64_t id = 1) {
  return F(Type::kOpen, kOpenPath | flags, 1, id, kPlain + Path("Echo") + rest);
}
S Whole(uint64_t id = 1) { return Echo(kMessage | kEnd, kHi, id); }
S Metadata(const S& field) {
  return Echo(kMetadata | kMessage | kEnd, field + kHi);
}
/// A stream that echoes, as call 1.
S Bidi(uint8_t flags = 0, const S& rest = "") {
  return F(Type::kOpen, kOpenPath | flags, 9, 1, kPlain + Path("Bidi") + rest);
}
/// A stream whose handler reads nothing until the call ends.
S Stuck() {
  Plan plan;
  plan.set_gate("hostile");
  plan.set_wait(true);
  return Bidi(kMetadata,
              BlockField(MetadataEntry("plan-bin", plan.SerializeAsString())));
}
S Data(uint8_t flags, const S& body = "", uint64_t id = 1) {
  return F(Type::kData, flags, 0, id, body);
}
Frames Many(size_t count, const S& frame, Frames first = {}) {
  first.insert(first.end(), count, frame);
  return first;
}
Frames RefusedOpens(int count) {
  Frames frames;
  for (int i = 0; i < count; ++i) {
    frames.push_back(F(Type::kOpen, kOpenPath, kNoAlias,
                       static_cast<uint64_t>(2 * i + 1),
                       kPlain + PathField("/no/" + S(800, 'x'))));
  }
  return frames;
}
S Open(uint8_t flags, uint16_t alias, uint64_t id, const S& body) {
  return F(Type::kOpen, flags, alias, id, body);
}

void AddMalformed(std::vector<BadClient>* rows) {
  const auto add = [rows](const char* name, Frames frames) {
    rows->push_back({name, std::move(frames), Outcome::kClosed});
  };
  add("one_byte", {S(1, '\2')});
  add("short_header", {S(11, '\2')});
  add("hello_again", {F(Type::kHello, 0, 0, 0)});
  add("unknown_critical", {F(Type{200}, kCritical, 0, 0)});
  add("type_0_critical", {F(Type{0}, kCritical, 0, 0)});
  add("status_from_client", {F(Type::kStatus, 0, 0, 1)});
  add("status_of_own_call", {Stuck(), F(Type::kStatus, 0, 0, 1)});
  add("headers_from_client", {Stuck(), F(Type::kHeaders, 0, 0, 1)});
  add("open_id_0", {Whole(0)});
  add("open_even_id", {Whole(2)});
  add("open_id_again", {Whole(1), Whole(1)});
  add("open_id_back", {Whole(5), Whole(3)});
  add("open_last_id_then_less", {Whole(~0ull), Whole(3)});
  add("alias_0", {Open(kOpenPath, 0, 1, kPlain + Path("Echo"))});
  add("alias_undefined", {Open(kMessage, 7, 1, kPlain + kHi)});
  add("alias_1025", {Open(kOpenPath, 1025, 1, kPlain + Path("Echo"))});
  add("alias_65534", {Open(kOpenPath, 65534, 1, kPlain + Path("Echo"))});
  add("alias_skipped",
      {Open(kOpenPath | kMessage | kEnd, 9, 1, kPlain + Path("Echo") + kHi),
       Open(kMessage | kEnd, 8, 3, kPlain + kHi)});
  add("one_time_alias_without_path", {Open(kMessage, kNoAlias, 1, kPlain)});
  add("open_empty", {Open(0, 1, 1, "")});
  add("open_without_its_timeout",
      {Open(kOpenTimeout, 1, 1, kPlain + "1234567")});
  add("path_beyond_frame", {Open(kOpenPath, 1, 1, kPlain + "\xff\xff/a")});
  add("path_length_cut", {Open(kOpenPath, 1, 1, kPlain + "\1")});
  add("path_empty", {Open(kOpenPath, 1, 1, kPlain + PathField(""))});
  add("path_1025", {Open(kOpenPath, 1, 1, kPlain + PathField(S(1025, 'a')))});
  add("metadata_beyond_frame", {Metadata(Bytes(kHuge))});
  add("metadata_length_cut", {Echo(kMetadata, "\1\2")});
  add("metadata_8193",
      {Metadata(BlockField(MetadataEntry("k", S(8192 - 6, 'v'))))});
  S entries;
  for (int i = 0; i < 65; ++i) entries += MetadataEntry("k", "v");
  add("metadata_65_entries", {Metadata(BlockField(entries))});
  add("metadata_key_beyond",
      {Metadata(BlockField(Bytes(uint16_t{9}) + Bytes(uint32_t{0}) + "key"))});
  add("metadata_value_beyond",
      {Metadata(BlockField(Bytes(uint16_t{1}) + Bytes(kHuge) + "kv"))});
  add("metadata_key_empty", {Metadata(BlockField(MetadataEntry("", "v")))});
  add("metadata_stray",
      {Metadata(BlockField(MetadataEntry("k", "v") + "abc"))});
  add("bytes_but_no_message", {Echo(0, kHi)});
  add("more_of_no_message", {Echo(kMore)});
  add("message_size_cut", {Echo(kMessage | kMore, "\1\2\3")});
  add("chunk_as_large_as_message",
      {Echo(kMessage | kMore, Bytes(uint32_t{4}) + kHi)});
  add("chunk_larger_than_message",
      {Echo(kMessage | kMore, Bytes(uint32_t{0}) + kHi)});
  add("data_of_no_call", {Data(kMessage, kHi, 99)});
  add("data_of_call_0", {Data(kMessage, kHi, 0)});
  add("data_of_even_call", {Whole(5), Data(kMessage, kHi, 2)});
  add("part_of_no_call", {Data(0, kHi, 99)});
  add("reset_of_no_call", {F(Type::kReset, 0, 1, 99)});
  add("credit_of_no_call", {F(Type::kCredit, 0, 0, 99, Bytes(1u))});
  add("credit_short", {Stuck(), F(Type::kCredit, 0, 0, 1, "abc")});
  add("credit_long", {Stuck(), F(Type::kCredit, 0, 0, 1, "abcde")});
  add("credit_overflow", {Stuck(), F(Type::kCredit, 0, 0, 1, Bytes(kHuge))});
  add("credit_overflow_slowly",
      Many(3, F(Type::kCredit, 0, 0, 1, Bytes(0x3fffffffu)), {Stuck()}));
  add("part_of_no_message", {Bidi(), Data(0, kHi)});
  add("more_of_nothing", {Bidi(), Data(kMore)});
  add("data_of_nothing", {Bidi(), Data(0)});
  add("message_in_message",
      {Bidi(), Data(kMessage | kMore, Bytes(9u) + kHi), Data(kMessage, kHi)});
  add("half_close_in_message",
      {Bidi(), Data(kMessage | kMore, Bytes(9u) + kHi), Data(kEnd)});
  add("part_beyond_message",
      {Bidi(), Data(kMessage | kMore, Bytes(6u) + kHi), Data(0, "abc")});
  add("message_ends_early",
      {Bidi(), Data(kMessage | kMore, Bytes(9u) + kHi), Data(0, "abc")});
  add("message_does_not_end",
      {Bidi(), Data(kMessage | kMore, Bytes(6u) + kHi), Data(kMore, "ab")});
  add("data_size_cut", {Bidi(), Data(kMessage | kMore, "ab")});
  add("data_chunk_beyond_message",
      {Bidi(), Data(kMessage | kMore, Bytes(2u) + kHi)});
  add("message_after_end", {Stuck(), Data(kEnd), Data(kMessage, kHi)});
  add("end_after_end", {Stuck(), Data(kEnd), Data(kEnd)});
  add("messages_beyond_credit",
      Many(3, Data(kMessage, S(30'000, 'x')), {Stuck()}));
  add("empty_messages_beyond_credit", Many(2049, Data(kMessage), {Stuck()}));
  add("parts_beyond_credit",
      Many(3, Data(kMore, S(30'000, 'x')),
           {Stuck(), Data(kMessage | kMore, Bytes(2'000'000u) + "x")}));
  add("pings_and_never_reads", Many(100'000, F(Type::kPing, 0, 0, 1)));
  add("refused_opens_and_never_reads", RefusedOpens(20'000));
}

void AddAnswered(std::vector<BadClient>* rows) {
  const auto add = [rows](const char* name, Frames frames, StatusCode code) {
    rows->push_back({name, std::move(frames), Outcome::kAnswered, code});
  };
  const auto named = [](const S& path) {
    return Frames{Open(kOpenPath | kMessage | kEnd, 1, 1,
                       kPlain + PathField(path) + kHi)};
  };
  add("path_unknown", named("/a.B/C"), UNIMPLEMENTED);
  add("path_without_slash", named("x"), UNIMPLEMENTED);
  add("path_not_utf8", named("/\xff\xfe\xc0/\x80"), UNIMPLEMENTED);
  add("path_with_nul", named(S("/a\0b/c", 6)), UNIMPLEMENTED);
  add("path_longest", named("/" + S(1023, 'a')), UNIMPLEMENTED);
  // Its client gave it up long ago: no handler runs.
  add("timeout_0",
      {Open(kOpenPath | kOpenTimeout | kMessage | kEnd, 1, 1,
            kPlain + Bytes(uint64_t{0}) + Path("Echo") + kHi)},
      DEADLINE_EXCEEDED);
  add("timeout_longest",
      {Open(kOpenPath | kOpenTimeout | kMessage | kEnd, 1, 1,
            kPlain + Bytes(~uint64_t{0}) + Path("Echo") + kHi)},
      OK);
  add("message_unparsable", {Echo(kMessage | kEnd, "\x12\x7f")}, INTERNAL);
  add("message_unparsable_in_stream", {Bidi(), Data(kMessage, "\x12\x7f")},
      INTERNAL);
  add("no_message", {Echo(kEnd)}, INTERNAL);
  add("too_large", {Echo(kMessage | kMore, Bytes(kHuge) + kHi)},
      RESOURCE_EXHAUSTED);
  add("too_large_in_stream",
      {Bidi(), Data(kMessage | kMore, Bytes(kHuge) + kHi)}, RESOURCE_EXHAUSTED);
  add("metadata_keys_of_any_bytes",
      {Metadata(BlockField(MetadataEntry(S("\0\xff:K", 4), "\1\n")))}, OK);
  add("buffering_of_all_bits",
      {Open(kOpenPath | kMessage | kEnd, 1, 1, "\xff" + Path("Echo") + kHi)},
      OK);
  add("reserved_flag", {Echo(kAttachments | kMessage | kEnd, kHi)}, OK);
  add("alias_defined_again",
      {Echo(kMessage | kEnd, kHi),
       Open(kOpenPath | kMessage | kEnd, 1, 3, kPlain + Path("Info"))},
      OK);
}

void AddHarmless(std::vector<BadClient>* rows) {
  const auto add = [rows](const char* name, Frames frames) {
    rows->push_back({name, std::move(frames), Outcome::kAlive});
  };
  add("unknown_type", {F(Type{200}, 0xfb, 0xffff, ~0ull, S(300, 'x'))});
  add("type_0", {F(Type{0}, 0xfb, 0, 0)});
  add("goaway_from_client", {F(Type::kGoaway, 0xff, 77, 99, "bye")});
  add("pong_of_no_ping", {F(Type::kPong, 0xfb, 1, 99, "x")});
  add("ping_of_all_flags", {F(Type::kPing, 0xff, 9, 1, "x")});
  add("cut_message", {Echo(kMessage | kMore, Bytes(9u) + kHi)});
  add("end_before_the_rest", {Echo(kMessage | kMore | kEnd, Bytes(9u) + kHi)});
  add("reset_code_0", {Stuck(), F(Type::kReset, 0, 0, 1)});
  add("reset_code_65535", {Stuck(), F(Type::kReset, 0xff, 65535, 1, S(9, 0))});
  add("reset_twice",
      {Stuck(), F(Type::kReset, 0, 1, 1), F(Type::kReset, 0, 1, 1)});
  add("late_data", {Stuck(), F(Type::kReset, 0, 1, 1), Data(kMessage, kHi),
                    Data(kMore, kHi), Data(kEnd)});
  add("late_credit", {Stuck(), F(Type::kReset, 0, 1, 1),
                      F(Type::kCredit, 0, 0, 1, Bytes(kHuge))});
  rows->push_back({"two_messages_for_a_unary_call",
                   {Echo(0), Data(kMessage, kHi), Data(kMessage, kHi)},
                   Outcome::kEither});
  rows->push_back({"message_behind_a_unary_call",
                   {Whole(), Data(kMessage, kHi)},
                   Outcome::kEither});
}

}  // namespace

std::vector<BadClient> BadClients() {
  std::vector<BadClient> rows;
  AddMalformed(&rows);
  AddAnswered(&rows);
  AddHarmless(&rows);
  return rows;
}

}  // namespace nearcall::test
