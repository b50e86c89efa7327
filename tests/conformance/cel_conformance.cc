// Runs a file of conformance cases: cel_conformance --file F. Prints `N passed, N failed` and every
// failure; exit status 1 when there is one, 2 when the file can't be read.

#include <iostream>
#include <string>

#include "tests/conformance/cases.h"

int main(int argc, char** argv) {
  std::string file;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument == "--file" && i + 1 < argc) {
      file = argv[++i];
    } else if (argument.starts_with("--file=")) {
      file = argument.substr(7);
    } else {
      file.clear();
      break;
    }
  }
  if (file.empty()) {
    std::cerr << "Usage: cel_conformance --file CASES.jsonl\n";
    return 2;
  }
  std::string problem;
  const auto result = attune::expression::RunConformanceFile(file, &problem);
  if (!result.has_value()) {
    std::cerr << problem << "\n";
    return 2;
  }
  for (const auto& failure : result->failures) {
    std::cout << "FAILED " << failure.name << "\n  expr:     " << failure.expr
              << "\n  expected: " << failure.expected << "\n  got:      " << failure.got << "\n";
  }
  std::cout << result->passed << " passed, " << result->failures.size() << " failed\n";
  return result->failures.empty() ? 0 : 1;
}
