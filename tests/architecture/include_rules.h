#ifndef ATTUNE_TESTS_ARCHITECTURE_INCLUDE_RULES_H_
#define ATTUNE_TESTS_ARCHITECTURE_INCLUDE_RULES_H_

#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace attune::architecture {

// A folder of lib/ and the folders of lib/ that it may include.
struct Layer {
  std::string name;
  std::set<std::string> may_include;
};

// What lib/LAYERS says, from the bottom up, and what is wrong with it.
struct Layers {
  std::vector<Layer> layers;
  std::vector<std::string> problems;

  // The layer of that name; nullptr when there is none.
  const Layer* Find(std::string_view name) const;
};

// Reads the text of lib/LAYERS: lines `name: name …`, comments from # to the end of the line.
// A name that is used before it is declared, or declared twice, is a problem.
Layers ParseLayers(std::string_view text);

// An #include directive.
struct Include {
  int line = 0;
  std::string path;
  bool quoted = false;  // "path" rather than <path>
};

// The #include directives of a C++ file, comments and disabled lines left aside line by line.
std::vector<Include> ParseIncludes(std::string_view text);

// What the includes of a file break, one sentence each that starts `file:line:`. `file` is the path
// from the top of the tree, with slashes.
std::vector<std::string> IncludeProblems(const Layers& layers, std::string_view file,
                                         const std::vector<Include>& includes);

// The include guard that a header must have: lib/base/text.h -> ATTUNE_LIB_BASE_TEXT_H_.
std::string GuardOf(std::string_view file);

// What is wrong with the guard of a header; empty when it is right.
std::string GuardProblem(std::string_view file, std::string_view text);

}  // namespace attune::architecture

#endif  // ATTUNE_TESTS_ARCHITECTURE_INCLUDE_RULES_H_
