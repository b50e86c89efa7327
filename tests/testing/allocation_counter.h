#ifndef ATTUNE_TESTS_TESTING_ALLOCATION_COUNTER_H_
#define ATTUNE_TESTS_TESTING_ALLOCATION_COUNTER_H_

#include <cstdint>

namespace attune::testing {

// How often this thread has called operator new, in whatever form. A program that asks must be
// linked with allocation_counter.cc, which replaces the operators.
uint64_t AllocationsOfThisThread();

}  // namespace attune::testing

#endif  // ATTUNE_TESTS_TESTING_ALLOCATION_COUNTER_H_
