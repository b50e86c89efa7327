#include "service/ctl/rejects_file.h"

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/temp_dir.h"

namespace attune::ctl {
namespace {

std::string ReadFile(const std::string& path) {
  std::ostringstream content;
  content << std::ifstream(path, std::ios::binary).rdbuf();
  return content.str();
}

TEST(RejectsFile, IsCreatedWithTheFirstRow) {
  attune::testing::TempDir folder;
  RejectsFile file(folder.File("r.csv"), "id,age", ',');
  EXPECT_TRUE(file.Flush().ok());
  EXPECT_FALSE(file.created());
  EXPECT_FALSE(std::filesystem::exists(file.path()));
  ASSERT_TRUE(file.Add({3, 3, "the age, \"old\", is not an int", "C1,old", true}).ok());
  ASSERT_TRUE(file.Flush().ok());
  EXPECT_TRUE(file.created());
  EXPECT_EQ(ReadFile(file.path()),
            "rejected_line,rejected_reason,id,age\n"
            "3,\"the age, \"\"old\"\", is not an int\",C1,old\n");
}

TEST(RejectsFile, KeepsMalformedTextInOneQuotedField) {
  attune::testing::TempDir folder;
  RejectsFile file(folder.File("r.csv"), "id;age", ';');
  ASSERT_TRUE(file.Add({3, 4, "quotes", "C1;\"x\nC2;y", false}).ok());
  ASSERT_TRUE(file.Flush().ok());
  EXPECT_EQ(ReadFile(file.path()),
            "rejected_line;rejected_reason;id;age\n"
            "3;quotes;\"C1;\"\"x\nC2;y\"\n");
}

TEST(RejectsFile, SaysWhenItCannotBeWritten) {
  RejectsFile file("/nowhere/at/all/r.csv", "id", ',');
  const absl::Status status = file.Add({3, 3, "reason", "text", true});
  EXPECT_TRUE(absl::IsNotFound(status)) << status;
  EXPECT_THAT(std::string(status.message()), ::testing::HasSubstr("/nowhere/at/all/r.csv"));
}

TEST(CsvField, QuotesWhenItMust) {
  EXPECT_EQ(CsvField("plain text", ','), "plain text");
  EXPECT_EQ(CsvField("a,b", ','), "\"a,b\"");
  EXPECT_EQ(CsvField("a,b", ';'), "a,b");
  EXPECT_EQ(CsvField("a\nb", ';'), "\"a\nb\"");
  EXPECT_EQ(CsvField("say \"a\"", ','), "\"say \"\"a\"\"\"");
  EXPECT_EQ(CsvField("", ','), "");
}

}  // namespace
}  // namespace attune::ctl
