#ifndef NEARCALL_STUB_OPTIONS_H_
#define NEARCALL_STUB_OPTIONS_H_

namespace nearcall {

/// Options of one stub, as in gRPC.
class StubOptions {
 public:
  StubOptions() = default;
  explicit StubOptions(const char* suffix_for_stats)
      : suffix_for_stats_(suffix_for_stats) {}

  void set_suffix_for_stats(const char* suffix) { suffix_for_stats_ = suffix; }
  /// What interceptors see as the method's statistics suffix; null: none.
  const char* suffix_for_stats() const { return suffix_for_stats_; }

 private:
  const char* suffix_for_stats_ = nullptr;
};

}  // namespace nearcall

#endif  // NEARCALL_STUB_OPTIONS_H_
