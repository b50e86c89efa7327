#include "tests/architecture/include_rules.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace attune::architecture {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

Layers SomeLayers() {
  return ParseLayers(
      "# comment\n"
      "base:\n"
      "storage: base\n"
      "telemetry: base  # and nothing else\n"
      "decision: base storage\n");
}

TEST(LayersTest, ReadsTheFoldersFromTheBottomUp) {
  const Layers layers = SomeLayers();
  EXPECT_THAT(layers.problems, IsEmpty());
  ASSERT_THAT(layers.layers, SizeIs(4));
  EXPECT_EQ(layers.layers[0].name, "base");
  EXPECT_THAT(layers.layers[0].may_include, IsEmpty());
  EXPECT_THAT(layers.layers[2].may_include, ElementsAre("base"));
  EXPECT_THAT(layers.Find("decision")->may_include, ElementsAre("base", "storage"));
  EXPECT_EQ(layers.Find("scoring"), nullptr);
}

TEST(LayersTest, RefusesAUseAboveTheDeclaration) {
  EXPECT_THAT(ParseLayers("base: storage\nstorage: base\n").problems,
              ElementsAre("lib/LAYERS:1: storage is not declared above its use in base"));
  EXPECT_THAT(ParseLayers("base: base\n").problems,
              ElementsAre("lib/LAYERS:1: base is not declared above its use in base"));
}

TEST(LayersTest, RefusesASecondDeclarationAndALineWithoutColon) {
  EXPECT_THAT(ParseLayers("base:\n\nbase:\nstorage\n").problems,
              ElementsAre("lib/LAYERS:3: base is declared twice",
                          "lib/LAYERS:4: a line reads `folder: folder …`"));
}

TEST(IncludesTest, FindsThemWithTheirLines) {
  const std::vector<Include> includes = ParseIncludes(
      "#include <vector>\n"
      "// #include \"in/a/comment.h\"\n"
      "  #  include \"lib/base/text.h\"  // why\n"
      "const char* text = \"#include <no>\";\n");
  ASSERT_THAT(includes, SizeIs(2));
  EXPECT_EQ(includes[0].path, "vector");
  EXPECT_FALSE(includes[0].quoted);
  EXPECT_EQ(includes[1].path, "lib/base/text.h");
  EXPECT_TRUE(includes[1].quoted);
  EXPECT_EQ(includes[1].line, 3);
}

struct IncludeCase {
  const char* name;
  std::string file;
  std::string include;
  std::string problem;  // empty: allowed
};

TEST(IncludeRulesTest, DetectsWhatBreaksThem) {
  const IncludeCase cases[] = {
      {"own folder", "lib/base/hash.cc", "\"lib/base/text.h\"", ""},
      {"declared layer", "lib/decision/a.cc", "\"lib/storage/b.h\"", ""},
      {"upwards", "lib/base/a.cc", "\"lib/storage/b.h\"", "does not let base include storage"},
      {"sideways", "lib/decision/a.cc", "\"lib/telemetry/b.h\"",
       "does not let decision include telemetry"},
      {"undeclared folder", "lib/common/a.h", "\"lib/base/b.h\"",
       "does not declare the folder common"},
      {"a library includes the service", "lib/decision/a.cc", "\"service/server.h\"",
       "does not belong here"},
      {"a library includes a test", "lib/decision/a.cc", "\"tests/unit/fake.h\"",
       "does not belong here"},
      {"the service includes a test", "service/main.cc", "\"tests/unit/fake.h\"",
       "does not belong here"},
      {"rocksdb in storage", "lib/storage/a.cc", "\"rocksdb/db.h\"", ""},
      {"rocksdb elsewhere", "lib/decision/a.cc", "<rocksdb/db.h>", "does not belong here"},
      {"rocksdb in the service", "service/server.cc", "\"rocksdb/db.h\"", "does not belong here"},
      {"rocksdb in a test", "tests/unit/storage/a_test.cc", "\"rocksdb/db.h\"", ""},
      {"prometheus in telemetry", "lib/telemetry/a.h", "<prometheus/counter.h>", ""},
      {"prometheus in the service", "service/metrics.cc", "<prometheus/counter.h>", ""},
      {"prometheus elsewhere", "lib/storage/a.h", "<prometheus/counter.h>", "does not belong here"},
      {"grpc in the service", "service/server.cc", "<grpcpp/grpcpp.h>", ""},
      {"grpc in a library", "lib/telemetry/a.cc", "<grpcpp/grpcpp.h>", "does not belong here"},
      {"the API in the service", "service/a.cc", "\"attune/v1/value.pb.h\"", ""},
      {"the API in a library", "lib/decision/a.cc", "\"attune/v1/value.pb.h\"",
       "does not belong here"},
      {"strategy protos in a library", "lib/decision/a.cc", "\"attune/strategy/v1/strategy.pb.h\"",
       ""},
      {"stored protos in the service", "service/a.cc", "\"attune/storage/v1/event.pb.h\"",
       "does not belong here"},
      {"a sibling without its folder", "lib/base/hash.cc", "\"text.h\"", "from the top"},
      {"a relative path", "lib/base/hash.cc", "\"../base/text.h\"", "from the top"},
      {"our own as a system header", "lib/base/hash.cc", "<lib/base/text.h>", "with quotes"},
  };
  const Layers layers = SomeLayers();
  for (const IncludeCase& c : cases) {
    const std::vector<std::string> problems =
        IncludeProblems(layers, c.file, ParseIncludes("\n#include " + c.include + "\n"));
    if (c.problem.empty()) {
      EXPECT_THAT(problems, IsEmpty()) << c.name;
    } else {
      EXPECT_THAT(problems, ElementsAre(HasSubstr(c.problem))) << c.name;
      EXPECT_THAT(problems, ElementsAre(HasSubstr(c.file + ":2: "))) << c.name;
    }
  }
}

TEST(GuardTest, FollowsThePath) {
  EXPECT_EQ(GuardOf("lib/base/text.h"), "ATTUNE_LIB_BASE_TEXT_H_");
  const std::string right =
      "#ifndef ATTUNE_LIB_A_B_H_\n#define ATTUNE_LIB_A_B_H_\n\n#endif  // ATTUNE_LIB_A_B_H_\n";
  EXPECT_EQ(GuardProblem("lib/a/b.h", right), "");
  EXPECT_THAT(GuardProblem("lib/a/c.h", right), HasSubstr("ATTUNE_LIB_A_C_H_"));
  EXPECT_THAT(GuardProblem("lib/a/b.h", "#pragma once\n"), HasSubstr("wants the guard"));
  EXPECT_THAT(GuardProblem("lib/a/b.h", right + "int x;\n"), HasSubstr("wants to end with"));
}

}  // namespace
}  // namespace attune::architecture
