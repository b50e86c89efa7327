#include <zlib.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "service/ctl/batch_call.h"
#include "tests/testing/temp_dir.h"
#include "tests/unit/ctl/fake_attuned.h"

namespace attune::ctl {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

std::string ReadFile(const std::string& path) {
  std::ostringstream content;
  content << std::ifstream(path, std::ios::binary).rdbuf();
  return content.str();
}

class ImportCommandTest : public ::testing::Test {
 protected:
  ImportCommandTest() {
    server_.customers().Declare({{"tenure", "int"},
                                 {"monthly_charges", "double"},
                                 {"senior", "bool"},
                                 {"plan", "string"},
                                 {"joined", "timestamp"},
                                 {"tags", "string_list"}});
  }

  std::string Write(const std::string& name, const std::string& content) {
    std::ofstream(folder_.File(name), std::ios::binary) << content;
    return folder_.File(name);
  }

  CtlRun Import(std::vector<std::string> arguments, const CtlSetup& setup = {}) {
    arguments.insert(arguments.begin(), {"--server", server_.address(), "import", "customers"});
    return RunAttunectl(arguments, setup);
  }

  // The summary of an import with --json; fails the test when it does not add up.
  nlohmann::json Summary(const CtlRun& run) {
    const nlohmann::json summary = nlohmann::json::parse(run.out);
    EXPECT_EQ(summary["read"], summary["created"].get<int>() + summary["updated"].get<int>() +
                                   summary["unchanged"].get<int>() +
                                   summary["rejected"].get<int>());
    return summary;
  }

  v1::Value Value(const std::string& id, const std::string& feature) {
    v1::Value value;
    value.ParseFromString(server_.customers().customers()[id][feature]);
    return value;
  }

  attune::testing::TempDir folder_;
  FakeAttuned server_;
};

TEST_F(ImportCommandTest, ImportsEveryTypeAndCanBeRepeated) {
  const std::string file = Write("a.csv",
                                 "customerID,tenure,MonthlyCharges,Senior,plan,joined,tags,Churn\n"
                                 "C1,34,56.95,Yes,fiber,2026-03-01,a;b,No\n"
                                 "C2,,,,,,,\n");
  CtlRun run = Import({"--csv", file, "--id", "customerID"});
  EXPECT_EQ(run.status, kExitOk) << run.err;
  EXPECT_THAT(run.out, HasSubstr("6 features of fake@0123456789ab"));
  EXPECT_THAT(run.out, HasSubstr("read       2"));
  EXPECT_THAT(run.out, HasSubstr("created    2"));
  EXPECT_THAT(run.out, HasSubstr("ignored: Churn\n"));
  EXPECT_EQ(run.err, "");
  EXPECT_EQ(Value("C1", "tenure").int_value(), 34);
  EXPECT_EQ(Value("C1", "monthly_charges").double_value(), 56.95);
  EXPECT_TRUE(Value("C1", "senior").bool_value());
  EXPECT_EQ(Value("C1", "plan").string_value(), "fiber");
  EXPECT_EQ(Value("C1", "joined").timestamp_value().seconds(), 1772323200);
  EXPECT_THAT(Value("C1", "tags").string_list_value().values(), ElementsAre("a", "b"));
  EXPECT_THAT(server_.customers().customers()["C2"], IsEmpty());

  run = Import({"--csv", file, "--id", "customerID", "--json"});
  EXPECT_EQ(run.status, kExitOk);
  const nlohmann::json summary = Summary(run);
  EXPECT_EQ(summary["unchanged"], 2);
  EXPECT_EQ(summary["complete"], true);
  EXPECT_EQ(summary["rejects_file"], nullptr);
  EXPECT_THAT(summary["ignored_columns"], ElementsAre("Churn"));
  EXPECT_THAT(summary["columns"], SizeIs(6));
  EXPECT_FALSE(std::filesystem::exists(file + ".rejects.csv"));
}

TEST_F(ImportCommandTest, LosesNothing) {
  server_.customers().Refuse("C5");
  const std::string file = Write("a.csv",
                                 "\xEF\xBB\xBFid,tenure,plan\r\n"
                                 "C1,1,\"a, b\"\r\n"
                                 "C2,old,x\r\n"
                                 "C3,3\r\n"
                                 "\r\n"
                                 "C4,4,\"two\r\nlines\"\r\n"
                                 "C5,5,\"is, refused\"\r\n"
                                 ",6,x\r\n"
                                 "C7,\"7\"7,x\r\n"
                                 "C1,8,again\r\n"
                                 "C9,9,\"open\r\n"
                                 "C10,10,x\r\n");
  CtlRun run = Import({"--csv", file, "--id", "id", "--json"});
  EXPECT_EQ(run.status, kExitRowsRejected) << run.err;
  nlohmann::json summary = Summary(run);
  EXPECT_EQ(summary["read"], 10);
  EXPECT_EQ(summary["created"], 3);
  EXPECT_EQ(summary["updated"], 1);
  EXPECT_EQ(summary["rejected"], 6);
  EXPECT_EQ(summary["answered_to_line"], 13);
  const std::string rejects = file + ".rejects.csv";
  EXPECT_EQ(summary["rejects_file"], rejects);
  EXPECT_EQ(Value("C1", "plan").string_value(), "again") << "the later row wins";
  EXPECT_EQ(Value("C4", "plan").string_value(), "two\r\nlines");
  EXPECT_EQ(
      ReadFile(rejects),
      "rejected_line,rejected_reason,id,tenure,plan\n"
      "3,\"column \"\"tenure\"\": \"\"old\"\" is not an int; write a whole number of at most 64 "
      "bits such as 34\",C2,old,x\n"
      "4,has 2 fields where the header has 3,C3,3\n"
      "8,\"refused, \"\"C5\"\"\",C5,5,\"is, refused\"\n"
      "9,the customer id must not be empty,,6,x\n"
      "10,malformed quotes: text follows the quote that closes field 2,\"C7,\"\"7\"\"7,x\"\n"
      "12,malformed quotes: the quote that opens field 3 is not closed (a row has at most 1 "
      "MiB),\"C9,9,\"\"open\"\n");
  EXPECT_THAT(run.err, HasSubstr("rejected: line 3: column \"tenure\""));
  EXPECT_THAT(run.err, HasSubstr("rejected: 1 more, see"));

  // What was rejected comes out the same when the rejects file itself is imported.
  run = Import({"--csv", rejects, "--id", "id", "--json"});
  EXPECT_EQ(run.status, kExitRowsRejected);
  summary = Summary(run);
  EXPECT_EQ(summary["read"], 6);
  EXPECT_EQ(summary["rejected"], 6);

  // And once it is mended it can be imported like any other file.
  Write("a.csv.rejects.csv",
        "rejected_line,rejected_reason,id,tenure,plan\n3,\"was, bad\",C2,2,x\n");
  run = Import({"--csv", rejects, "--id", "id", "--json"});
  EXPECT_EQ(run.status, kExitOk);
  EXPECT_EQ(Summary(run)["created"], 1);
  EXPECT_THAT(run.err, HasSubstr(".rejects.csv.rejects.csv is from an earlier import"));
}

TEST_F(ImportCommandTest, SplitsLargeFilesIntoCallsAndLetsTheLaterRowWin) {
  std::string text = "id,tenure\n";
  constexpr int kRows = 60'000;
  for (int i = 0; i < kRows; ++i) absl::StrAppend(&text, "C", i % 20'000, ",", i, "\n");
  const CtlRun run = Import({"--csv", Write("a.csv", text), "--id", "id", "--json"});
  EXPECT_EQ(run.status, kExitOk) << run.err;
  const nlohmann::json summary = Summary(run);
  EXPECT_EQ(summary["created"], 20'000);
  EXPECT_EQ(summary["updated"], 40'000);
  EXPECT_EQ(server_.customers().calls(), kRows / 5'000);
  EXPECT_LE(server_.customers().largest_message(), 240 << 10);
  for (const auto& [id, features] : server_.customers().customers()) {
    v1::Value value;
    value.ParseFromString(features.at("tenure"));
    EXPECT_EQ(value.int_value(), 40'000 + std::stoi(id.substr(1)));
  }
}

TEST_F(ImportCommandTest, NamesEveryRowThatTheServerRefuses) {
  std::string text = "id,tenure\n";
  for (int i = 0; i < 12'000; ++i) absl::StrAppend(&text, i % 2 == 0 ? "BAD" : "C", ",", i, "\n");
  server_.customers().Refuse("BAD");
  const std::string file = Write("a.csv", text);
  const CtlRun run = Import({"--csv", file, "--id", "id", "--json"});
  EXPECT_EQ(run.status, kExitRowsRejected);
  EXPECT_EQ(Summary(run)["rejected"], 6'000);
  std::istringstream rejects(ReadFile(file + ".rejects.csv"));
  std::string line;
  std::getline(rejects, line);
  for (int i = 0; i < 12'000; i += 2) {
    ASSERT_TRUE(std::getline(rejects, line));
    ASSERT_EQ(line, absl::StrCat(i + 2, ",\"refused, \"\"BAD\"\"\",BAD,", i));
  }
  EXPECT_FALSE(std::getline(rejects, line));
}

TEST_F(ImportCommandTest, ReadsStandardInputAndCompressedFiles) {
  const std::string text = "id;tenure\nC1;1\nC2;2\n";
  CtlSetup setup;
  setup.in = text;
  CtlRun run = Import({"--csv", "-", "--id", "id", "--delimiter", ";", "--json"}, setup);
  EXPECT_EQ(run.status, kExitOk) << run.err;
  EXPECT_EQ(Summary(run)["created"], 2);
  const std::string path = folder_.File("a.csv.gz");
  gzFile file = gzopen(path.c_str(), "wb");
  gzwrite(file, text.data(), static_cast<unsigned>(text.size()));
  gzclose(file);
  run = Import({"--csv", path, "--id", "id", "--delimiter", ";", "--json"});
  EXPECT_EQ(run.status, kExitOk) << run.err;
  EXPECT_EQ(Summary(run)["unchanged"], 2);
}

TEST_F(ImportCommandTest, MapsByHandAndByFile) {
  const std::string file = Write("a.csv", "Kunde,Monate,Tarif,plan\nC1,34,x,y\n");
  const std::string map = Write("map", "Monate=tenure\nTarif=plan\n");
  CtlRun run = Import({"--csv", file, "--id", "Kunde", "--map_file", map, "--json"});
  EXPECT_EQ(run.status, kExitOk) << run.err;
  EXPECT_EQ(Value("C1", "tenure").int_value(), 34);
  EXPECT_EQ(Value("C1", "plan").string_value(), "x");
  EXPECT_THAT(Summary(run)["ignored_columns"], ElementsAre("plan"));
  run = Import({"--csv", file, "--id", "Kunde", "--map", "Monate=tenure", "--map", "Tarif=tags"});
  EXPECT_EQ(run.status, kExitOk) << run.err;
  EXPECT_EQ(Value("C1", "plan").string_value(), "y");
}

TEST_F(ImportCommandTest, ImportsNothingWhenTheMappingIsWrong) {
  const std::string file = Write("a.csv", "id,tenure\nC1,34\n");
  const CtlRun run = Import({"--csv", file, "--id", "id", "--map", "tenur=plan", "--json"});
  EXPECT_EQ(run.status, kExitFailure);
  EXPECT_THAT(run.err, HasSubstr("there is no column \"tenur\"; did you mean \"tenure\"?"));
  EXPECT_THAT(nlohmann::json::parse(run.out)["error"]["message"].get<std::string>(),
              HasSubstr("tenur"));
  EXPECT_EQ(server_.customers().rows(), 0);
}

TEST_F(ImportCommandTest, CountsOneFeatureAsOne) {
  const std::string file = Write("a.csv", "id,tenure,other\nC1,1,x\n");
  const CtlRun run = Import({"--csv", file, "--id", "id"});
  EXPECT_THAT(run.out, HasSubstr("customers, with 1 feature of fake@"));
  EXPECT_THAT(run.out, HasSubstr("columns that are no feature, ignored: other\n"));
}

TEST_F(ImportCommandTest, StopsAtTheLimit) {
  const std::string file = Write("a.csv", "id,tenure\nC1,1\nC2,2\nC3,x\n");
  const CtlRun run = Import({"--csv", file, "--id", "id", "--limit", "2", "--json"});
  EXPECT_EQ(run.status, kExitOk) << run.err;
  EXPECT_EQ(Summary(run)["read"], 2);
}

TEST_F(ImportCommandTest, DryRunChecksAndSendsNothing) {
  const std::string file = Write("a.csv", "id,tenure\nC1,1\nC2,x\n");
  const CtlRun run = Import({"--csv", file, "--id", "id", "--dry_run", "--json"});
  EXPECT_EQ(run.status, kExitRowsRejected);
  const nlohmann::json summary = nlohmann::json::parse(run.out);
  EXPECT_EQ(summary["read"], 2);
  EXPECT_EQ(summary["valid"], 1);
  EXPECT_EQ(summary["rejected"], 1);
  EXPECT_EQ(server_.customers().calls(), 0);
  EXPECT_TRUE(std::filesystem::exists(file + ".rejects.csv"));
}

TEST_F(ImportCommandTest, SaysHowFarItCameWhenTheServerFails) {
  std::string text = "id,tenure\n";
  for (int i = 0; i < 40'000; ++i) absl::StrAppend(&text, "C", i, ",", i, "\n");
  const std::string file = Write("a.csv", text);
  server_.customers().FailFromRow(22'000, {grpc::StatusCode::UNAVAILABLE, "the disk is full"});
  CtlRun run = Import({"--csv", file, "--id", "id"});
  EXPECT_EQ(run.status, kExitFailure);
  EXPECT_THAT(run.err, HasSubstr("error: UNAVAILABLE: the disk is full"));
  EXPECT_THAT(run.err, HasSubstr("The import is not complete"));
  EXPECT_THAT(run.err, HasSubstr("Importing the same file again is harmless"));

  run = Import({"--csv", file, "--id", "id", "--json"});
  EXPECT_EQ(run.status, kExitFailure);
  const nlohmann::json summary = Summary(run);
  EXPECT_EQ(summary["complete"], false);
  EXPECT_EQ(summary["error"]["code"], "UNAVAILABLE");
}

TEST_F(ImportCommandTest, DoesNotBelieveAnAnswerThatDoesNotAddUp) {
  server_.customers().Miscount();
  const CtlRun run = Import({"--csv", Write("a.csv", "id,tenure\nC1,1\n"), "--id", "id"});
  EXPECT_EQ(run.status, kExitFailure);
  EXPECT_THAT(run.err, HasSubstr("INTERNAL: the server's answer accounts for"));
}

TEST_F(ImportCommandTest, ImportsWhatCameBeforeADamagedPart) {
  std::string text = "id,tenure\n";
  for (int64_t i = 0; i < 100'000; ++i) {
    absl::StrAppend(&text, "C", i, ",", i * 7919 % 10007, "\n");
  }
  const std::string path = folder_.File("a.csv.gz");
  gzFile file = gzopen(path.c_str(), "wb");
  gzwrite(file, text.data(), static_cast<unsigned>(text.size()));
  gzclose(file);
  std::filesystem::resize_file(path, std::filesystem::file_size(path) / 2);
  const CtlRun run = Import({"--csv", path, "--id", "id", "--json"});
  EXPECT_EQ(run.status, kExitFailure);
  EXPECT_THAT(run.err, HasSubstr("it ends in the middle of the compressed data"));
  EXPECT_THAT(run.err, HasSubstr("everything up to line"));
  const nlohmann::json summary = Summary(run);
  EXPECT_GT(summary["created"], 20'000);
  EXPECT_EQ(summary["complete"], false);
  EXPECT_EQ(static_cast<int64_t>(server_.customers().customers().size()), summary["created"]);
}

TEST_F(ImportCommandTest, FailsWhenARejectedRowCannotBeKept) {
  const std::string file = Write("a.csv", "id,tenure\nC1,1\nC2,x\n");
  CtlRun run = Import({"--csv", file, "--id", "id", "--rejects", "/nowhere/r.csv"});
  EXPECT_EQ(run.status, kExitFailure);
  EXPECT_THAT(run.err, HasSubstr("the rejects file \"/nowhere/r.csv\" can't be written"));
  run = Import({"--csv", file, "--id", "id", "--rejects", file});
  EXPECT_EQ(run.status, kExitFailure);
  EXPECT_THAT(run.err, HasSubstr("--rejects names the imported file itself"));
  EXPECT_EQ(ReadFile(file), "id,tenure\nC1,1\nC2,x\n");
}

TEST_F(ImportCommandTest, ShowsProgressToATerminalOnly) {
  const std::string file = Write("a.csv", "id,tenure\nC1,1\n");
  CtlSetup setup;
  setup.err_is_terminal = true;
  const CtlRun run = Import({"--csv", file, "--id", "id"}, setup);
  EXPECT_EQ(run.status, kExitOk);
  EXPECT_THAT(run.out, Not(HasSubstr("\r"))) << "progress is for stderr";
}

struct BadFile {
  const char* name;
  std::string content;
  const char* message;
};

TEST_F(ImportCommandTest, SaysWhatIsWrongWithAFile) {
  const BadFile cases[] = {
      {"empty", "", "the file is empty; it needs a header"},
      {"only_mark", "\xEF\xBB\xBF\n", "the file is empty"},
      {"no_id", "kunde,tenure\nC1,1\n", "--id: there is no column \"id\""},
      {"semicolons", "id;tenure\nC1;1\n", "try --delimiter ';'"},
      {"utf16", std::string("\xFF\xFEi\0d\0", 6), "the file is UTF-16"},
      {"utf16_without_mark", std::string("i\0d\0,\0t\0\n\0", 10), "the header contains NUL bytes"},
      {"mac", "id,tenure\rC1,1\rC2,2\r", "the lines end with CR only"},
      {"open_quote", "id,\"tenure\nC1,1\n", "the quotes of the header are malformed"},
      {"long_header", std::string(2'000'000, 'x') + "\nC1\n", "the header is longer than 1048576"},
      {"many_columns", "id" + std::string(5000, ',') + "\n",
       "the header has 5001 columns; at most 4096"},
      {"gzip", "\x1F\x8B\x08 and so on", "the file is compressed by gzip"},
      {"one_column_twice", "id,tenure,tenure\nC1,1,1\n", "give them different names in the header"},
      {"two_ids", "id,id,tenure\nC1,C1,1\n", "several columns are called \"id\""},
      {"nothing", "id,x\nC1,1\n", "no column has the name of a feature"},
  };
  for (const BadFile& test : cases) {
    const CtlRun run = Import({"--csv", Write(test.name, test.content), "--id", "id"});
    EXPECT_EQ(run.status, kExitFailure) << test.name;
    EXPECT_THAT(run.err, HasSubstr(test.message)) << test.name;
    EXPECT_EQ(run.out, "") << test.name;
  }
  EXPECT_EQ(server_.customers().rows(), 0);
  const CtlRun run = Import({"--csv", folder_.File("missing"), "--id", "id"});
  EXPECT_EQ(run.status, kExitFailure);
  EXPECT_THAT(run.err, HasSubstr("can't be opened"));
}

// The quote takes no good row along: not those of the next MiB, and not those behind.
TEST_F(ImportCommandTest, AnUnclosedQuoteCostsOneRow) {
  constexpr int kGood = 20'000;
  const std::string plan(60, 'x');
  std::string text = "id,tenure,plan\nC,\"1,x\n";
  for (int i = 0; i < kGood; ++i) absl::StrAppend(&text, "C", i, ",", i, ",", plan, "\n");
  ASSERT_GT(text.size(), CsvOptions().max_row_bytes + 100'000);
  const CtlRun run = Import({"--csv", Write("a.csv", text), "--id", "id", "--json"});
  EXPECT_EQ(run.status, kExitRowsRejected);
  const nlohmann::json summary = Summary(run);
  EXPECT_EQ(summary["read"], kGood + 1);
  EXPECT_EQ(summary["created"], kGood);
  EXPECT_EQ(summary["rejected"], 1);
  EXPECT_EQ(summary["answered_to_line"], kGood + 2);
  EXPECT_THAT(run.err, HasSubstr("rejected: line 2: malformed quotes: the quote that opens field "
                                 "2 is not closed"));
}

TEST_F(ImportCommandTest, SurvivesAHugeLineAmongGoodRows) {
  const std::string file =
      Write("a.csv", "id,tenure\nC1,1\nC2," + std::string(30'000'000, '1') + "\nC3,3\n");
  const CtlRun run = Import({"--csv", file, "--id", "id", "--json"});
  EXPECT_EQ(run.status, kExitRowsRejected);
  const nlohmann::json summary = Summary(run);
  EXPECT_EQ(summary["created"], 2);
  EXPECT_EQ(summary["rejected"], 1);
  EXPECT_THAT(run.err, HasSubstr("line 3: the line is too long: 30000003 bytes"));
  EXPECT_LT(std::filesystem::file_size(file + ".rejects.csv"), 2000u);
}

}  // namespace
}  // namespace attune::ctl
