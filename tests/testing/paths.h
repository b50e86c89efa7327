#ifndef ATTUNE_TESTS_TESTING_PATHS_H_
#define ATTUNE_TESTS_TESTING_PATHS_H_

#include <string>
#include <string_view>

namespace attune::testing {

// Where things lie. In one file, so that no other differs from checkout to checkout and ccache
// finds in a fresh clone what was compiled elsewhere.

// Of this checkout: SourcePath("deploy/example/telecom.yaml").
std::string SourcePath(std::string_view path);
// Of the build folder of this preset.
std::string BuildPath(std::string_view path);
// A program of this build: ProgramPath("attuned").
std::string ProgramPath(std::string_view name);

}  // namespace attune::testing

#endif  // ATTUNE_TESTS_TESTING_PATHS_H_
