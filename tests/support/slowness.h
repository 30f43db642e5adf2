// How much slower a sanitizer's build is, for tests to make up for.
#ifndef NEARCALL_TESTS_SUPPORT_SLOWNESS_H_
#define NEARCALL_TESTS_SUPPORT_SLOWNESS_H_

namespace nearcall::internal {

/// Long tests divide their rounds by it, watchdogs multiply their patience.
#if defined(NEARCALL_SANITIZE_thread) || defined(NEARCALL_SANITIZE_address)
inline constexpr int kSanitizerSlowness = 5;
#else
inline constexpr int kSanitizerSlowness = 1;
#endif

}  // namespace nearcall::internal

#endif  // NEARCALL_TESTS_SUPPORT_SLOWNESS_H_
