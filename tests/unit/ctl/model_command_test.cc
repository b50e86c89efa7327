#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "nlohmann/json.hpp"
#include "service/ctl/console.h"
#include "tests/testing/temp_dir.h"
#include "tests/unit/ctl/fake_attuned.h"
#include "tests/unit/trees/model_texts.h"

namespace attune::ctl {
namespace {

using ::testing::HasSubstr;
using trees::LightgbmStump;
using trees::LightgbmText;

class ModelCommandTest : public ::testing::Test {
 protected:
  std::string Write(const std::string& name, const std::string& text) const {
    std::ofstream(folder_.File(name), std::ios::binary) << text;
    return folder_.File(name);
  }
  std::string Read(const std::string& name) const {
    std::ifstream in(folder_.File(name), std::ios::binary);
    return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  }
  CtlRun Predict(const std::string& csv, std::vector<std::string> more = {}) const {
    std::vector<std::string> arguments = {"model", "predict", "--model",
                                          model_,  "--csv",   Write("rows.csv", csv)};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return RunAttunectl(arguments);
  }

  testing::TempDir folder_;
  // Looks at a: -1 up to 0.5 and where it is missing, else 1.
  std::string model_ = Write("model.txt", LightgbmText().ToString());
};

TEST_F(ModelCommandTest, PredictsEveryRowOfATable) {
  const CtlRun run = Predict("c,label,b,a\n1,x,1,0.5\n1,y,1,\"0.75\"\n1,z,1,\n, ,,NaN\n");
  EXPECT_EQ(run.status, kExitOk) << run.err;
  EXPECT_EQ(run.out, "prediction\n-1\n1\n-1\n-1\n");
}

TEST_F(ModelCommandTest, WritesNoRowsForNoRows) {
  EXPECT_EQ(Predict("a,b,c\n").out, "prediction\n");
}

TEST_F(ModelCommandTest, ABlankLineIsARowWhereThereIsOneColumn) {
  trees::XgboostText text;
  text.features = "1";
  model_ = Write("model.json", text.ToString());  // 1 below 0.5 and where it is missing, else 2
  EXPECT_EQ(Predict("\nf0\n1\n\n1\n").out, "prediction\n2\n1\n2\n");
  EXPECT_EQ(Predict("f0\r\n1\r\n\r\n\"\"\r\n1").out, "prediction\n2\n1\n1\n2\n");
  EXPECT_EQ(Predict("f0,g\n1,\n\n1,\n").out, "prediction\n2\n2\n") << "no row of two columns";
}

TEST_F(ModelCommandTest, WritesOneColumnPerClass) {
  LightgbmText text;
  text.classes = "2";
  text.objective = "objective=multiclass num_class:2\n";
  text.trees = {LightgbmStump(0, "0.5"), LightgbmStump(0, "0.5")};
  model_ = Write("model.txt", text.ToString());
  EXPECT_EQ(Predict("a,b,c\n0,0,0\n").out, "prediction_0,prediction_1\n0.5,0.5\n");
  EXPECT_EQ(Predict("a,b,c\n0,0,0\n", {"--raw"}).out, "prediction_0,prediction_1\n-1,-1\n");
}

TEST_F(ModelCommandTest, WritesNumbersThatAreReadBackTheSame) {
  LightgbmText text;
  text.objective = "objective=binary sigmoid:1\n";
  model_ = Write("model.txt", text.ToString());
  EXPECT_EQ(Predict("a,b,c\n1,0,0\n").out, "prediction\n0.7310585786300049\n");
}

TEST_F(ModelCommandTest, WritesWhatEachFeatureContributes) {
  // Three quarters went right: 0.5 is expected, and 1 or -1 comes out.
  EXPECT_EQ(Predict("c,b,a\n0,0,1\n0,0,\n", {"--contributions"}).out,
            "a,b,c,base\n0.5,0,0,0.5\n-1.5,0,0,0.5\n");
  LightgbmText text;
  text.classes = "2";
  text.objective = "objective=multiclass num_class:2\n";
  text.trees = {LightgbmStump(0, "0.5"), LightgbmStump(0, "-0.5")};
  model_ = Write("model.txt", text.ToString());
  EXPECT_EQ(Predict("a,b,c\n0,7,7\n", {"--contributions"}).out,
            "a_0,b_0,c_0,base_0,a_1,b_1,c_1,base_1\n-1.5,0,0,0.5,0.5,0,0,0.5\n");
  EXPECT_EQ(Predict("a,b,c\n0,7,7\n", {"--contributions", "--raw"}).status, kExitUsage);
}

TEST_F(ModelCommandTest, PredictsMoreRowsThanOneBatch) {
  std::string csv = "a,b,c\n";
  std::string expected = "prediction\n";
  for (int i = 0; i < 10'000; ++i) {
    csv += i % 3 == 0 ? "1,,\n" : "0,,\n";
    expected += i % 3 == 0 ? "1\n" : "-1\n";
  }
  EXPECT_EQ(Predict(csv).out, expected);
}

TEST_F(ModelCommandTest, WritesToAFile) {
  const std::string out = folder_.File("out.csv");
  EXPECT_EQ(Predict("a,b,c\n1,0,0\n", {"--out", out}).out, "1 rows predicted in " + out + "\n");
  EXPECT_EQ(Read("out.csv"), "prediction\n1\n");
  const CtlRun run = Predict("a,b,c\n1,0,0\n", {"--out", out, "--json"});
  EXPECT_EQ(nlohmann::json::parse(run.out)["rows"], 1);
  EXPECT_EQ(Predict("a,b,c\n1,0,0\n", {"--json"}).status, kExitUsage);
  EXPECT_EQ(Predict("a,b,c\n", {"--out", folder_.File("none/out.csv")}).status, kExitFailure);
}

TEST_F(ModelCommandTest, AFileIsThereOnlyWhenItIsWhole) {
  const std::string out = Write("out.csv", "of yesterday\n");
  for (const char* csv : {"a,b\n", "a,b,c\n1,0,0\n1,x,0\n"}) {
    EXPECT_EQ(Predict(csv, {"--out", out}).status, kExitFailure) << csv;
    EXPECT_EQ(Read("out.csv"), "of yesterday\n") << csv;
    EXPECT_FALSE(std::filesystem::exists(out + ".partial")) << csv;
  }
  EXPECT_EQ(Predict("a,b,c\n1,0,0\n", {"--out", out}).status, kExitOk);
  EXPECT_EQ(Read("out.csv"), "prediction\n1\n");
  EXPECT_FALSE(std::filesystem::exists(out + ".partial"));
}

TEST_F(ModelCommandTest, AFileKeepsItsLinkAndItsPermissions) {
  const std::string out = Write("out.csv", "of yesterday\n");
  constexpr auto kOwnerOnly =
      std::filesystem::perms::owner_read | std::filesystem::perms::owner_write;
  std::filesystem::permissions(out, kOwnerOnly);
  std::filesystem::create_symlink("out.csv", folder_.File("link.csv"));
  EXPECT_EQ(Predict("a,b,c\n1,0,0\n", {"--out", folder_.File("link.csv")}).status, kExitOk);
  EXPECT_TRUE(std::filesystem::is_symlink(folder_.File("link.csv")));
  EXPECT_EQ(Read("out.csv"), "prediction\n1\n");
  EXPECT_EQ(std::filesystem::status(out).permissions(), kOwnerOnly);
}

TEST_F(ModelCommandTest, WritesToADeviceAsItIs) {
  EXPECT_EQ(Predict("a,b,c\n1,0,0\n", {"--out", "/dev/null"}).status, kExitOk);
  EXPECT_TRUE(std::filesystem::is_character_file("/dev/null"));
}

TEST_F(ModelCommandTest, DoesNotOverwriteWhatItReads) {
  const std::string csv = "a,b,c\n1,0,0\n";
  const std::string model = Read("model.txt");
  CtlRun run = Predict(csv, {"--out", folder_.File("rows.csv")});
  EXPECT_EQ(run.status, kExitUsage);
  EXPECT_THAT(run.err, HasSubstr("--out is the table itself; name another file"));
  EXPECT_EQ(Read("rows.csv"), csv);
  std::filesystem::create_symlink("model.txt", folder_.File("link.txt"));
  run = Predict(csv, {"--out", folder_.File("link.txt")});
  EXPECT_EQ(run.status, kExitUsage);
  EXPECT_THAT(run.err, HasSubstr("--out is the model itself; name another file"));
  EXPECT_EQ(Read("model.txt"), model);
}

TEST_F(ModelCommandTest, ReadsStandardInput) {
  const CtlRun run =
      RunAttunectl({"model", "predict", "--model", model_, "--csv", "-"}, {.in = "a;b;c\n1;0;0\n"});
  EXPECT_EQ(run.status, kExitFailure);
  EXPECT_EQ(RunAttunectl({"model", "predict", "--model", model_, "--csv", "-", "--delimiter", ";"},
                         {.in = "a;b;c\n1;0;0\n"})
                .out,
            "prediction\n1\n");
  EXPECT_EQ(RunAttunectl({"model", "predict", "--model", "-", "--csv", "-"}).status, kExitUsage);
}

TEST_F(ModelCommandTest, FindsColumnsWhoseBlanksLightgbmReplaced) {
  LightgbmText text;
  std::string model = text.ToString();
  model.replace(model.find("a b c"), 5, "a_1 b c");
  model_ = Write("model.txt", model);
  EXPECT_EQ(Predict("a 1,b,c\n1,0,0\n").out, "prediction\n1\n");
}

TEST_F(ModelCommandTest, ReadsWhatOtherProgramsWriteForNumbers) {
  for (const char* missing : {"", "NA", "NaN", "nan", "null", "NULL"}) {
    EXPECT_EQ(Predict(absl::StrCat("a,b,c\n", missing, ",0,0\n")).out, "prediction\n-1\n")
        << missing;
  }
  for (const char* one : {"true", "True", "TRUE", " true ", "\"True\"", "+1"}) {
    EXPECT_EQ(Predict(absl::StrCat("a,b,c\n", one, ",0,0\n")).out, "prediction\n1\n") << one;
  }
  // So that a missing value and 0 differ: it goes right.
  LightgbmText text;
  text.trees = {LightgbmStump(8, "0.5")};
  model_ = Write("model.txt", text.ToString());
  for (const char* zero : {"false", "False", "FALSE", "0"}) {
    EXPECT_EQ(Predict(absl::StrCat("a,b,c\n", zero, ",0,0\n")).out, "prediction\n-1\n") << zero;
  }
  EXPECT_EQ(Predict("a,b,c\nNA,0,0\n").out, "prediction\n1\n");
  EXPECT_EQ(Predict("a,b,c\ntrUe,0,0\n").status, kExitFailure);
}

TEST_F(ModelCommandTest, SaysHowColumnsAreCalledWhereTheModelHasNoNames) {
  model_ = Write("model.json", trees::XgboostText().ToString());
  EXPECT_THAT(Predict("age,income,tenure\n").err,
              HasSubstr("no column: \"f0\", \"f1\", \"f2\"; the file of the model carries no "
                        "names: its columns must be called f0, f1, ... in their order"));
  EXPECT_EQ(Predict("f2,f1,f0\n0,0,1\n").out, "prediction\n2\n");
}

struct WrongTable {
  const char* csv;
  const char* problem;
};

TEST_F(ModelCommandTest, SaysWhatIsWrongWithTheTable) {
  const WrongTable cases[] = {
      {"", "the file has no first row with the columns' names"},
      {"a,c\n", "line 1: the model's features have no column: \"b\""},
      {"aa,b,c\n", "no column: \"a\"; did you mean \"aa\"?"},
      {"a,b,c,a\n", "line 1: 2 columns are called \"a\""},
      {"a,b,c\n1,2,3\n1,two,3\n", "line 3: column \"b\": \"two\" is no number"},
      {"a,b,c\n1,2\n", "line 2: has 2 fields; the first row has 3"},
      {"a,b,c\n1,2,\"3\n", "line 2: a quote is not closed"},
  };
  for (const WrongTable& test : cases) {
    const CtlRun run = Predict(test.csv);
    EXPECT_EQ(run.status, kExitFailure) << test.csv;
    EXPECT_THAT(run.err, HasSubstr(test.problem)) << test.csv;
    EXPECT_THAT(run.err, HasSubstr("rows.csv")) << test.csv;
  }
}

TEST_F(ModelCommandTest, SaysWhatIsWrongWithTheModel) {
  model_ = Write("model.txt", "tree\nversion=v4\n");
  for (const CtlRun& run : {Predict("a,b,c\n"), RunAttunectl({"model", "inspect", model_})}) {
    EXPECT_EQ(run.status, kExitFailure);
    EXPECT_THAT(run.err, HasSubstr("model.txt\": line 2: the file ends before its first tree"));
  }
  EXPECT_THAT(RunAttunectl({"model", "inspect", folder_.File("none")}).err, HasSubstr("none"));
  const CtlRun run = RunAttunectl({"model", "inspect", model_, "--json"});
  EXPECT_THAT(nlohmann::json::parse(run.out)["error"]["message"].get<std::string>(),
              HasSubstr("the file ends"));
}

TEST_F(ModelCommandTest, ShowsWhatAModelIs) {
  EXPECT_EQ(RunAttunectl({"model", "inspect", model_}).out,
            "library      LightGBM\n"
            "version      v4\n"
            "booster      dart\n"
            "objective    regression\n"
            "trees        1\n"
            "predictions  1 per row\n"
            "features     3\n"
            "\n"
            "Features:  a, b, c\n");
  const nlohmann::json json =
      nlohmann::json::parse(RunAttunectl({"model", "inspect", model_, "--json"}).out);
  EXPECT_EQ(json["kind"], "trees");
  EXPECT_EQ(json["trees"], 1);
  EXPECT_EQ(json["features"][0], nlohmann::json::parse(R"({"name": "a", "categorical": false})"));
}

TEST_F(ModelCommandTest, ShowsWhichTreesCount) {
  trees::XgboostText text;
  text.trees.assign(3, trees::XgboostStump(0, "0.5", true, "1", "2"));
  text.tree_info = "[0, 0, 0]";
  text.attributes = R"({"best_iteration": "1"})";
  EXPECT_THAT(RunAttunectl({"model", "inspect", Write("m.json", text.ToString())}).out,
              HasSubstr("trees        2 of 3, up to the best iteration\n"));
}

}  // namespace
}  // namespace attune::ctl
