#ifndef ATTUNE_TESTS_CONFORMANCE_CASES_H_
#define ATTUNE_TESTS_CONFORMANCE_CASES_H_

#include <optional>
#include <string>
#include <vector>

namespace attune::expression {

// How a file of conformance cases came out.
struct ConformanceResult {
  struct Failure {
    std::string name;  // file/section/case
    std::string expr;
    std::string expected;
    std::string got;
  };
  int passed = 0;
  std::vector<Failure> failures;
};

// Runs every case of a file: one JSON object per line, with the keys file, section, name, expr,
// declarations, bindings, disable_check, check_only, expect. nullopt and a line in `problem` when
// the file can't be read.
std::optional<ConformanceResult> RunConformanceFile(const std::string& path, std::string* problem);

}  // namespace attune::expression

#endif  // ATTUNE_TESTS_CONFORMANCE_CASES_H_
