#include "lib/strategy/yaml_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "attune/strategy/v1/model.pb.h"
#include "attune/strategy/v1/strategy.pb.h"
#include "lib/strategy/yaml_document.h"
#include "tests/unit/strategy/strategy_files.h"

namespace attune::strategy {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// "line:column: message" of each issue.
std::vector<std::string> Lines(const IssueList& issues) {
  std::vector<std::string> lines;
  for (const Issue& issue : issues.issues()) {
    lines.push_back(
        absl::StrCat(issue.location.line, ":", issue.location.column, ": ", issue.message));
  }
  return lines;
}

// Reads the text into the message and returns the issues.
template <typename Message>
std::vector<std::string> Read(std::string text, Message& message) {
  IssueList issues;
  const auto document = YamlDocument::Parse("f.yaml", std::move(text), issues);
  if (document != nullptr) ReadMessage(*document, message, issues);
  return Lines(issues);
}

TEST(YamlReader, ReadsEveryKindOfField) {
  v1::Strategy strategy;
  ASSERT_THAT(Read("name: a\n"
                   "description: >-\n  two\n  lines\n"
                   "features:\n"
                   "  - {name: f, type: string_list, protected: true}\n"
                   "treatments:\n"
                   "  - value: -1.5e1\n"
                   "    valid_from: 2026-03-01\n"
                   "    valid_until: \"2026-03-01T12:30:00.25+01:00\"\n"
                   "    channels: [web, 12]\n"
                   "    content:\n"
                   "      web: {text: 007, other: \"\"}\n"
                   "arbitration: {max_treatments: +7, min_priority: -2}\n",
                   strategy),
              IsEmpty());
  v1::Strategy expected;
  expected.set_name("a");
  expected.set_description("two lines");
  v1::Declaration& feature = *expected.add_features();
  feature.set_name("f");
  feature.set_type(v1::VALUE_TYPE_STRING_LIST);
  feature.set_protected_(true);
  v1::Treatment& treatment = *expected.add_treatments();
  treatment.set_value(-15);
  treatment.mutable_valid_from()->set_seconds(1'772'323'200);
  treatment.mutable_valid_until()->set_seconds(1'772'364'600);
  treatment.mutable_valid_until()->set_nanos(250'000'000);
  treatment.add_channels("web");
  treatment.add_channels("12");
  auto& fields = *(*treatment.mutable_content())["web"].mutable_fields();
  fields["text"] = "007";
  fields["other"] = "";
  expected.mutable_arbitration()->set_max_treatments(7);
  expected.mutable_arbitration()->set_min_priority(-2);
  EXPECT_EQ(strategy.DebugString(), expected.DebugString());
}

struct LiteralCase {
  std::string name;
  std::string yaml;
  std::string literal;  // as protobuf prints it, on one line
};

void PrintTo(const LiteralCase& c, std::ostream* out) { *out << c.name; }

class YamlLiteral : public ::testing::TestWithParam<LiteralCase> {};

TEST_P(YamlLiteral, IsReadByTheWayItIsWritten) {
  v1::Declaration declaration;
  ASSERT_THAT(Read("default: " + GetParam().yaml, declaration), IsEmpty());
  EXPECT_EQ(declaration.default_().ShortDebugString(), GetParam().literal);
}

const LiteralCase kLiteralCases[] = {
    {"True", "true", "bool_value: true"},
    {"False", "false", "bool_value: false"},
    {"Int", "-12", "int_value: -12"},
    {"SmallestInt", "-9223372036854775808", "int_value: -9223372036854775808"},
    {"Double", "1.0", "double_value: 1"},
    {"Exponent", "1e3", "double_value: 1000"},
    {"PointFirst", "-.5", "double_value: -0.5"},
    {"Text", "abc", "string_value: \"abc\""},
    {"Yes", "yes", "string_value: \"yes\""},
    {"Version", "1.2.3", "string_value: \"1.2.3\""},
    {"Date", "2026-03-01", "string_value: \"2026-03-01\""},
    {"LoneSign", "\"-\"", "string_value: \"-\""},
    {"QuotedNumber", "\"12\"", "string_value: \"12\""},
    {"SingleQuotedTrue", "'true'", "string_value: \"true\""},
    {"TaggedText", "!!str 12", "string_value: \"12\""},
    {"BlockText", "|\n  12\n", "string_value: \"12\\n\""},
    {"EmptyText", "\"\"", "string_value: \"\""},
    {"List", "[a, 1, \"x\"]", "list_value { values: \"a\" values: \"1\" values: \"x\" }"},
    {"EmptyList", "[]", "list_value { }"},
};

INSTANTIATE_TEST_SUITE_P(Literals, YamlLiteral, ::testing::ValuesIn(kLiteralCases),
                         [](const auto& info) { return info.param.name; });

struct MomentCase {
  std::string text;
  std::string expected;  // RFC 3339 in UTC; empty: not a moment
};

TEST(YamlReader, ParsesMoments) {
  const MomentCase cases[] = {
      {"2026-03-01", "2026-03-01T00:00:00Z"},
      {"2024-02-29", "2024-02-29T00:00:00Z"},
      {"2026-03-01T08:30:00Z", "2026-03-01T08:30:00Z"},
      {"2026-03-01T08:30:00+02:00", "2026-03-01T06:30:00Z"},
      {"2026-03-01T08:30:00.5Z", "2026-03-01T08:30:00.5Z"},
      {"0001-01-01", "0001-01-01T00:00:00Z"},
      {"9999-12-31T23:59:59Z", "9999-12-31T23:59:59Z"},
      {"0000-12-31", ""},
      {"0001-01-01T00:00:00+01:00", ""},
      {"9999-12-31T23:59:59-01:00", ""},
      {"10000-01-01", ""},
      {"2026-02-29", ""},
      {"2026-13-01", ""},
      {"2026-3-1", ""},
      {"2026-03-01 ", ""},
      {" 2026-03-01", ""},
      {"2026-03-01T08:30:00", ""},
      {"2026-03-01T25:00:00Z", ""},
      {"2026/03/01", ""},
      {"infinite-future", ""},
      {"", ""},
  };
  for (const MomentCase& c : cases) {
    const std::optional<absl::Time> moment = ParseMoment(c.text);
    const std::string text =
        moment ? absl::FormatTime("%Y-%m-%dT%H:%M:%E*SZ", *moment, absl::UTCTimeZone()) : "";
    const bool before_1000 = c.expected.starts_with("0");
    EXPECT_EQ(before_1000 ? std::string(4 - text.find('-'), '0') + text : text, c.expected)
        << c.text;
  }
}

TEST(YamlReader, ReportsBothKeysOfAOneof) {
  v1::Model model;
  EXPECT_THAT(Read("linear:\n"
                   "  terms:\n"
                   "    - input: a\n"
                   "      numeric: {weight: 1}\n"
                   "      buckets: {bounds: [1], weights: [2, 3]}\n",
                   model),
              ElementsAre("5:7: only one of \"numeric\" (line 4) and \"buckets\" may be given"));
}

TEST(YamlReader, KeepsThePlaceOfAnElementThatCantBeRead) {
  v1::BucketTerm term;
  EXPECT_THAT(Read("bounds: [1, x, 3, [4]]", term),
              ElementsAre("1:13: bounds[1] must be a number, not \"x\"",
                          "1:19: bounds[3] must be a number, not a list"));
  EXPECT_EQ(term.bounds_size(), 4);
  EXPECT_EQ(term.bounds(2), 3);
}

TEST(YamlReader, ReadsAliases) {
  v1::Treatment treatment;
  EXPECT_THAT(Read("content:\n  web: &deal {title: A deal}\n  app: *deal\n", treatment), IsEmpty());
  EXPECT_EQ(treatment.content().at("app").fields().at("title"), "A deal");
}

TEST(YamlReader, FindsAFieldByItsPath) {
  IssueList issues;
  const auto document = YamlDocument::Parse("f.yaml",
                                            "a:\n"
                                            "  - b: 1\n"
                                            "  - b: {\"x\\\"y\": 2, c.d: 3}\n",
                                            issues);
  ASSERT_NE(document, nullptr);
  EXPECT_TRUE(document->Has(""));
  EXPECT_TRUE(document->Has("a[0].b"));
  EXPECT_TRUE(document->Has("a[1].b[\"x\\\"y\"]"));
  EXPECT_TRUE(document->Has("a[1][\"b\"][\"c.d\"]"));
  EXPECT_EQ(document->LineOf("a[0].b"), 2);
  EXPECT_EQ(document->LineOf("a[1].b"), 3);
  // What is not there leads to what would enclose it.
  EXPECT_EQ(document->LineOf("a[1].x.y"), 3);
  for (const std::string path : {"b", "a.b", "a[2]", "a[-1]", "a[x]", "a[", "a[\"", "a[0].b.c",
                                 "a[0].b[0]", ".", "a..b", "a[0]]", "a[99999999999]"}) {
    EXPECT_FALSE(document->Has(path)) << path;
  }
}

TEST(YamlReader, MarksWhatAnIssueIsAbout) {
  IssueList issues;
  const auto document = YamlDocument::Parse("f.yaml", "value: x\ncost: 1\nmodel:\n", issues);
  ASSERT_NE(document, nullptr);
  v1::Treatment treatment;
  ReadMessage(*document, treatment, issues);
  EXPECT_TRUE(document->HasFlawed("value"));
  EXPECT_TRUE(document->HasUnflawed("cost"));
  EXPECT_TRUE(document->HasFlawed("model"));
  EXPECT_FALSE(document->HasFlawed("name"));
  EXPECT_FALSE(document->HasUnflawed("name"));
}

// A file of a few lines that stands for 10^9 values.
TEST(YamlReader, StopsWhereAliasesGrowTooLarge) {
  std::string yaml = "x0: &x0 {weight: 1}\nx1: &x1 [*x0, *x0, *x0, *x0, *x0, *x0, *x0, *x0, *x0]\n";
  for (int i = 2; i < 10; ++i) {
    absl::StrAppend(&yaml, "x", i, ": &x", i, " [");
    for (int j = 0; j < 9; ++j) absl::StrAppend(&yaml, "*x", i - 1, ",");
    absl::StrAppend(&yaml, "]\n");
  }
  v1::Model model;
  // Nothing of it is in the schema: nobody goes there.
  EXPECT_THAT(Read(yaml, model), ::testing::SizeIs(10));

  // Within the schema: 2,500 terms of 2,500 numbers each in a file of 100 kB.
  std::string terms = "description: &w [";
  for (int i = 0; i < 2'500; ++i) terms += "1, ";
  terms += "]\nlinear:\n  terms:\n";
  for (int i = 0; i < 2'500; ++i) terms += "    - {buckets: {bounds: *w}}\n";
  v1::Model large;
  const std::vector<std::string> issues = Read(terms, large);
  EXPECT_THAT(issues, ::testing::Contains(HasSubstr("aliases make the document too large")));
  EXPECT_THAT(issues, ::testing::SizeIs(2));  // the other one: description must be text
}

TEST(YamlReader, BoundsTheBytesThatAliasesMultiply) {
  std::string yaml = "name: &t \"" + std::string(1u << 20, 'x') + "\"\nsegments: x\n";
  yaml += "treatments:\n";
  for (int i = 0; i < 1'000; ++i) yaml += "  - {description: *t}\n";
  v1::Strategy strategy;
  EXPECT_THAT(Read(yaml, strategy),
              ::testing::Contains(HasSubstr("aliases make the document too large")));
  EXPECT_LT(strategy.ByteSizeLong(), 70u << 20);
}

TEST(YamlReader, RefusesDeepNesting) {
  v1::Model model;
  const std::string open(100'000, '[');
  EXPECT_THAT(Read(open, model), ElementsAre(HasSubstr("nested more than 32 levels deep")));
  EXPECT_THAT(Read(std::string(100'000, '{'), model),
              ElementsAre(HasSubstr("nested more than 32 levels")));
  std::string block;
  for (int i = 0; i < 1'000; ++i) block += std::string(static_cast<size_t>(i), ' ') + "a:\n";
  EXPECT_THAT(Read(block, model), ElementsAre(HasSubstr("33:33: ")));
  std::string dashes;
  for (int i = 0; i < 100'000; ++i) dashes += "- ";
  EXPECT_THAT(Read(dashes, model), ElementsAre(HasSubstr("nested more than 32 levels")));
}

TEST(YamlReader, RefusesTooManyValues) {
  v1::Model model;
  std::string yaml = "x: [";
  for (size_t i = 0; i < YamlDocument::kMaxNodes; ++i) yaml += "1,";
  EXPECT_THAT(Read(yaml + "]", model), ElementsAre(HasSubstr("the file has more than 2000000 "
                                                             "values")));
}

TEST(YamlReader, CutsLongSourceLines) {
  IssueList issues;
  const std::string filler(300, 'x');
  const auto document = YamlDocument::Parse("f.yaml", "{nmae: " + filler + ", vaule: 1}", issues);
  ASSERT_NE(document, nullptr);
  v1::Treatment treatment;
  ReadMessage(*document, treatment, issues);
  ASSERT_THAT(issues.issues(), ::testing::SizeIs(2));
  EXPECT_EQ(issues.issues()[0].source_line, "{nmae: " + filler.substr(0, 233) + "...");
  EXPECT_EQ(issues.issues()[1].location.column, 310);
  EXPECT_EQ(issues.issues()[1].source_line, "");
}

TEST(YamlReader, SaysWhereAFileIsNotText) {
  v1::Model model;
  EXPECT_THAT(Read("a: é\nb: \xC3(", model), ElementsAre("2:4: the file is not UTF-8 text"));
  EXPECT_THAT(Read("a: \xED\xA0\x80", model), ElementsAre("1:4: the file is not UTF-8 text"));
  EXPECT_THAT(Read(std::string("a\0b", 3), model),
              ElementsAre("1:2: the file holds a control character; it is not text"));
  EXPECT_THAT(Read("\xFF\xFE" + std::string("a\0", 2), model),
              ElementsAre("1:1: the file is not UTF-8 text"));
}

TEST(YamlReader, RefusesAQuoteThatIsNeverClosed) {
  const std::string message =
      "can't be read as YAML: the quotation mark that stands here is never closed";
  v1::Treatment treatment;
  EXPECT_THAT(Read("cost: 1\r\nname: \"a\r\nvalue: 1\n", treatment),
              ElementsAre("2:7: " + message));
  EXPECT_THAT(Read("name: 'a''\nvalue: 1\n", treatment), ElementsAre("1:7: " + message));
  EXPECT_THAT(Read("name: \"a\\\"\nvalue: 1\n", treatment), ElementsAre("1:7: " + message));
  EXPECT_THAT(Read("name: &x !!str \"a\nvalue: 1\n", treatment), ElementsAre("1:7: " + message));
  EXPECT_THAT(Read("name: &x \"a\\\\\"\nvalue: 1\n", treatment), IsEmpty());
  EXPECT_THAT(Read("name: 'it''s'\nvalue: 1\n", treatment), IsEmpty());
  EXPECT_EQ(treatment.name(), "it's");
}

// Whatever is in a file, reading it ends, with a message or a strategy: random damage to a good
// one.
TEST(YamlReader, SurvivesDamagedFiles) {
  const std::string_view pieces[] = {
      "[",  "]",  "{", "}",    ":",  "\n", "  ",     "- ",    "? ",      "&a ",
      "*a", "|",  ">", "\"",   "'",  "#",  "!!str ", "---\n", "...\n",   "%YAML 9\n",
      "\t", "\r", "~", "<<: ", ", ", "\\", "@",      "1e999", "\xC3\xA9"};
  std::mt19937 random(7);
  for (int i = 0; i < 500; ++i) {
    std::string text(i % 2 == 0 ? kSmallStrategy : kSmallModel);
    const uint32_t changes = 1 + random() % 4;
    for (uint32_t change = 0; change < changes; ++change) {
      const size_t at = random() % text.size();
      const size_t cut = random() % 3 == 0 ? random() % 20 : 0;
      text.replace(at, cut, pieces[random() % std::size(pieces)]);
    }
    if (i % 2 == 0) {
      LoadText(text);
    } else {
      LoadText(kSmallStrategy, text);
    }
  }
}

TEST(YamlReader, SurvivesRandomBytes) {
  std::mt19937 random(11);
  for (int i = 0; i < 2'000; ++i) {
    std::string text;
    const uint32_t size = random() % 200;
    for (uint32_t byte = 0; byte < size; ++byte) {
      text += static_cast<char>(i % 2 == 0 ? random() : 32 + random() % 95);
    }
    v1::Strategy strategy;
    Read(text, strategy);
  }
}

TEST(ParseDuration, ReadsUnitsInTheirOrderAndNothingElse) {
  const std::pair<const char*, int64_t> good[] = {{"30s", 30},       {"90m", 5'400},
                                                  {"36h", 129'600},  {"7d", 604'800},
                                                  {"2w", 1'209'600}, {"1d12h", 129'600},
                                                  {"0s", 0},         {"1w1d1h1m1s", 694'861},
                                                  {"007d", 604'800}, {"999999999s", 999'999'999}};
  for (const auto& [text, seconds] : good) EXPECT_EQ(ParseDuration(text), seconds) << text;
  for (const char* text : {"", "7", "d", "-7d", "+7d", "7 d", "7d ", " 7d", "1.5h", "1h1d", "1d1d",
                           "7D", "7days", "P7D", "1234567890s", "1e3s", "\xC2\xB5s"}) {
    EXPECT_EQ(ParseDuration(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace attune::strategy
