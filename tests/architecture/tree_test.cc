// Compares the tree as it is with what DESIGN and lib/LAYERS promise about it.

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/architecture/include_rules.h"
#include "tests/testing/paths.h"

namespace attune::architecture {
namespace {

namespace fs = std::filesystem;

using ::testing::IsEmpty;
using ::testing::UnorderedElementsAreArray;

const fs::path& Root() {
  static const fs::path* const root = new fs::path(fs::canonical(testing::SourcePath(".")));
  return *root;
}

std::string ReadFile(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  EXPECT_TRUE(in.is_open()) << path;
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

// The C++ files below the folders of our code, as paths from the top of the tree.
std::vector<std::string> SourceFiles() {
  std::vector<std::string> files;
  for (const char* top : {"lib", "service", "tests"}) {
    for (const fs::directory_entry& entry : fs::recursive_directory_iterator(Root() / top)) {
      const std::string extension = entry.path().extension().string();
      if (entry.is_regular_file() && (extension == ".h" || extension == ".cc")) {
        files.push_back(fs::relative(entry.path(), Root()).generic_string());
      }
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

Layers DeclaredLayers() { return ParseLayers(ReadFile(Root() / "lib" / "LAYERS")); }

TEST(TreeTest, LayersAreDeclaredFromTheBottomUp) {
  EXPECT_THAT(DeclaredLayers().problems, IsEmpty());
}

TEST(TreeTest, IncludesObeyTheLayersAndTheConfinements) {
  const Layers layers = DeclaredLayers();
  const std::vector<std::string> files = SourceFiles();
  ASSERT_FALSE(files.empty());
  for (const std::string& file : files) {
    for (const std::string& problem :
         IncludeProblems(layers, file, ParseIncludes(ReadFile(Root() / file)))) {
      ADD_FAILURE() << problem;
    }
  }
}

TEST(TreeTest, HeadersHaveTheGuardOfTheirPath) {
  for (const std::string& file : SourceFiles()) {
    if (file.ends_with(".h")) {
      EXPECT_EQ(GuardProblem(file, ReadFile(Root() / file)), "");
    }
  }
}

TEST(TreeTest, FoldersOfLibAreThoseThatAreDeclared) {
  std::vector<std::string> declared;
  for (const Layer& layer : DeclaredLayers().layers) declared.push_back(layer.name);
  std::vector<std::string> present;
  for (const fs::directory_entry& entry : fs::directory_iterator(Root() / "lib")) {
    if (entry.is_directory()) present.push_back(entry.path().filename().string());
  }
  EXPECT_THAT(present, UnorderedElementsAreArray(declared));
}

TEST(TreeTest, FoldersOfLibAreBuiltAndDescribed) {
  const std::string readme = ReadFile(Root() / "lib" / "README.md");
  for (const Layer& layer : DeclaredLayers().layers) {
    EXPECT_TRUE(fs::exists(Root() / "lib" / layer.name / "CMakeLists.txt")) << layer.name;
    EXPECT_TRUE(readme.find("`" + layer.name + "/`") != std::string::npos)
        << "lib/README.md does not describe `" << layer.name << "/`";
  }
}

TEST(TreeTest, TopLevelHoldsWhatTheDesignNames) {
  const std::set<std::string> allowed = {
      "CMakeLists.txt", "CMakePresets.json", "Dockerfile", "LICENSE", "README.md", "deploy", "lib",
      "proto",          "service",           "tests"};
  std::set<std::string> present;
  for (const fs::directory_entry& entry : fs::directory_iterator(Root())) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with('.') || name == "build") continue;
    EXPECT_EQ(allowed.count(name), 1) << name << " is not expected at the top level";
    present.insert(name);
  }
  EXPECT_THAT(present, UnorderedElementsAreArray(allowed));
}

}  // namespace
}  // namespace attune::architecture
