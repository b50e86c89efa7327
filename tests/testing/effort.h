#ifndef ATTUNE_TESTS_TESTING_EFFORT_H_
#define ATTUNE_TESTS_TESTING_EFFORT_H_

namespace attune::testing {

// Whether what is tested is optimised code. Where it is not, it is mostly instrumented, too, and
// takes 20 to 100 times as long.
inline constexpr bool kOptimized = ATTUNE_OPTIMIZED != 0;

// How many random cases a test tries of the `count` that it tries on optimised code.
constexpr int Effort(int count) { return kOptimized ? count : (count + 9) / 10; }

}  // namespace attune::testing

#endif  // ATTUNE_TESTS_TESTING_EFFORT_H_
