// Counts what a program takes from the heap and maps, by functions in the
// allocator's place. Link nearcall_malloc_counter; not with sanitizers, which
// have allocators of their own.
#ifndef NEARCALL_TESTS_SUPPORT_MALLOC_COUNTER_H_
#define NEARCALL_TESTS_SUPPORT_MALLOC_COUNTER_H_

#include <cstdint>

namespace nearcall::internal {

/// Calls of malloc, calloc, realloc, the aligned forms and mmap so far, by all
/// threads.
int64_t AllocationsSoFar();

}  // namespace nearcall::internal

#endif  // NEARCALL_TESTS_SUPPORT_MALLOC_COUNTER_H_
