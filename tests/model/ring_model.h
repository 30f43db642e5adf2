// The ring and the bell, the real templates and wrong copies of them, under the
// same checks.
#ifndef NEARCALL_TESTS_MODEL_RING_MODEL_H_
#define NEARCALL_TESTS_MODEL_RING_MODEL_H_

#include <cstdint>
#include <string>

#include "ring_mutants.h"  // NOLINT: generated
#include "transports/ring/bell.h"
#include "transports/ring/ring.h"

namespace nearcall::model {

/// The least that has all the cases: frames of two sizes, the larger a quarter,
/// so that what was payload in one lap is a length word in the next.
inline constexpr uint32_t kCapacity = 64;
inline constexpr uint32_t kMaxFrame = 12;

#define NEARCALL_VARIANT(variant, space)                \
  struct variant {                                      \
    static constexpr const char* kName = #variant;      \
    using State = space::internal::RingState;           \
    template <class Memory>                             \
    using Writer = space::internal::RingWriter<Memory>; \
    template <class Memory>                             \
    using Reader = space::internal::RingReader<Memory>; \
    template <class Word>                               \
    using Sleeper = space::internal::Sleeper<Word>;     \
    template <class Word>                               \
    using Waker = space::internal::Waker<Word>;         \
  };

namespace variants {
NEARCALL_VARIANT(real, ::nearcall)
#define NEARCALL_MUTANT_VARIANT(name) \
  NEARCALL_VARIANT(name, ::mutants::name::nearcall)
NEARCALL_FOR_EACH_MUTANT(NEARCALL_MUTANT_VARIANT)
}  // namespace variants

}  // namespace nearcall::model

#endif  // NEARCALL_TESTS_MODEL_RING_MODEL_H_
