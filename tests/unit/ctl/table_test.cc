#include "service/ctl/table.h"

#include <limits>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace attune::ctl {
namespace {

TEST(Table, AlignsColumnsAndEndsLinesWithoutBlanks) {
  Table table({{"rank", Table::Align::kRight},
               {"treatment", Table::Align::kLeft},
               {"value", Table::Align::kRight},
               {"note", Table::Align::kLeft}});
  table.AddRow({"1", "fast_track", "110.00", ""});
  table.AddRow({"10", "x", "9.5", "short"});
  EXPECT_EQ(table.ToString(),
            "rank  treatment    value  note\n"
            "   1  fast_track  110.00\n"
            "  10  x              9.5  short\n");
}

TEST(Table, IndentsAndLeavesOutEmptyTitles) {
  Table table({{"", Table::Align::kLeft}, {"", Table::Align::kRight}}, 2);
  table.AddRow({"read", "10"});
  table.AddRow({"rejected", "1"});
  EXPECT_EQ(table.ToString(), "  read      10\n  rejected   1\n");
}

TEST(Table, AlignsByDisplayWidth) {
  Table table({{"name", Table::Align::kLeft}, {"n", Table::Align::kRight}});
  table.AddRow({"Größe", "1"});
  table.AddRow({"日本", "2"});
  table.AddRow({"e\xCC\x81t\xC3\xA9", "3"});  // a combining accent
  EXPECT_EQ(table.ToString(),
            "name   n\n"
            "Größe  1\n"
            "日本   2\n"
            "e\xCC\x81t\xC3\xA9    3\n");
}

TEST(Table, ShowsControlCharactersInsteadOfSendingThem) {
  Table table({{"text", Table::Align::kLeft}});
  table.AddRow({"a\x1B[31mred\nb"});
  EXPECT_EQ(table.ToString(), "text\na\\x1b[31mred\\x0ab\n");
}

TEST(Table, OfNoRowsIsItsTitles) {
  EXPECT_EQ(Table({{"a", Table::Align::kLeft}}).ToString(), "a\n");
}

struct WidthCase {
  const char* name;
  std::string text;
  size_t width;
};

TEST(DisplayWidth, CountsColumnsOfTheTerminal) {
  const WidthCase cases[] = {
      {"Empty", "", 0},           {"Ascii", "abc", 3},
      {"Umlaut", "ä", 1},         {"Combining", "a\u0308", 1},
      {"Chinese", "日本語", 6},   {"Korean", "한국", 4},
      {"Emoji", "\U0001F600", 2}, {"ZeroWidth", "a\u200Bb", 2},
      {"Euro", "€", 1},           {"NotUtf8", "\xFF\xFE", 2},
      {"CutOff", "\xE2\x82", 2},
  };
  for (const WidthCase& test : cases) EXPECT_EQ(DisplayWidth(test.text), test.width) << test.name;
}

TEST(TerminalSafe, KeepsTextAndEscapesTheRest) {
  EXPECT_EQ(TerminalSafe("Größe 日本 \"quoted\" back\\slash"), "Größe 日本 \"quoted\" back\\slash");
  EXPECT_EQ(TerminalSafe(std::string("a\0b", 3)), "a\\x00b");
  EXPECT_EQ(TerminalSafe("\xFF\x7F\xC2\x9B"), "\\xff\\x7f\\x9b") << "0x9b is CSI in C1";
}

TEST(WrappedList, StaysWithinALine) {
  EXPECT_EQ(WrappedList("names:", {}), "");
  EXPECT_EQ(WrappedList("names:", {"a", "", "c\n"}), "names: a, \"\", c\\x0a\n");
  const std::string name(30, 'x');
  EXPECT_EQ(WrappedList("names:", {name, name, name, name}),
            "names: " + name + ", " + name + ",\n  " + name + ", " + name + "\n");
}

TEST(WrappedList, SaysHowManyItLeavesOut) {
  EXPECT_THAT(WrappedList("names:", std::vector<std::string>(40, "x")),
              ::testing::EndsWith("x, x\n"));
  EXPECT_THAT(WrappedList("names:", std::vector<std::string>(42, "x")),
              ::testing::EndsWith("x, x, and 2 more\n"));
}

TEST(Grouped, SetsThousandsApart) {
  EXPECT_EQ(Grouped(0), "0");
  EXPECT_EQ(Grouped(999), "999");
  EXPECT_EQ(Grouped(1000), "1,000");
  EXPECT_EQ(Grouped(1234567), "1,234,567");
  EXPECT_EQ(Grouped(-1234), "-1,234");
  EXPECT_EQ(Grouped(std::numeric_limits<int64_t>::min()), "-9,223,372,036,854,775,808");
}

}  // namespace
}  // namespace attune::ctl
