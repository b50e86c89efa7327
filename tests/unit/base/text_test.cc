#include "lib/base/text.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace attune {
namespace {

struct Utf8Case {
  const char* name;
  std::string text;
  bool valid;
};

TEST(TextTest, TellsWellFormedUtf8) {
  const Utf8Case cases[] = {
      {"empty", "", true},
      {"ascii", "abc", true},
      {"two bytes", "\xC3\xA9", true},
      {"three bytes", "\xE2\x82\xAC", true},
      {"four bytes", "\xF0\x9F\x98\x80", true},
      {"lone continuation", "\x80", false},
      {"overlong slash", "\xC0\xAF", false},
      {"overlong three bytes", "\xE0\x80\xAF", false},
      {"surrogate", "\xED\xA0\x80", false},
      {"beyond U+10FFFF", "\xF4\x90\x80\x80", false},
      {"cut off", "abc\xE2\x82", false},
      {"invalid lead", "\xFF", false},
  };
  for (const Utf8Case& c : cases) EXPECT_EQ(IsValidUtf8(c.text), c.valid) << c.name;
}

TEST(TextTest, NamesWhatIsWrongWithAnId) {
  EXPECT_EQ(IdProblem("customer-1", kMaxCustomerIdBytes), std::nullopt);
  EXPECT_EQ(IdProblem("\xC3\xA9t\xC3\xA9", kMaxCustomerIdBytes), std::nullopt);
  EXPECT_EQ(IdProblem("", 10), "must not be empty");
  EXPECT_EQ(IdProblem(std::string(100'000, 'x'), 256), "has 100000 bytes; at most 256 are allowed");
  EXPECT_NE(IdProblem(std::string("a\0b", 3), 10), std::nullopt);
  EXPECT_NE(IdProblem("a\nb", 10), std::nullopt);
  EXPECT_NE(IdProblem("a\x7F", 10), std::nullopt);
  EXPECT_EQ(IdProblem("\xFF", 10), "must be valid UTF-8");
}

TEST(TextTest, KnowsNames) {
  EXPECT_TRUE(IsName("monthly_charges2"));
  EXPECT_FALSE(IsName(""));
  EXPECT_FALSE(IsName("2x"));
  EXPECT_FALSE(IsName("Upper"));
  EXPECT_FALSE(IsName("with-dash"));
  EXPECT_FALSE(IsName(std::string(65, 'a')));
}

TEST(TextTest, QuotesHostileText) {
  EXPECT_EQ(Quoted("plain"), "\"plain\"");
  EXPECT_EQ(Quoted("a\n\"b\\"), "\"a\\x0a\\\"b\\\\\"");
  EXPECT_EQ(Quoted("\xFF"), "\"\\xff\"");
  EXPECT_LT(Quoted(std::string(100'000, 'x')).size(), 100u);
}

TEST(TextTest, ShortensBehindAWholeCharacter) {
  std::string text = "0123456789";
  Shorten(text, 10);
  EXPECT_EQ(text, "0123456789");
  Shorten(text, 9);
  EXPECT_EQ(text, "012345...");
  text = "0\u00e4\u20ac\U0001F600 and more";  // of 1, 2, 3 and 4 bytes
  Shorten(text, 12);
  EXPECT_EQ(text, "0\u00e4\u20ac...");
  text = "\u00e4\u00e4\u00e4";
  Shorten(text, 3);
  EXPECT_EQ(text, "...");
}

TEST(TextTest, SuggestsWhatDiffersInCaseOrIsWithin) {
  const std::vector<std::string> names = {"customer.age", "math.abs", "lowerAscii", "ages", "true"};
  EXPECT_EQ(ClosestName("lowerASCII", names), "lowerAscii");
  EXPECT_EQ(ClosestName("True", names), "true");
  EXPECT_EQ(ClosestName("abs", names), "math.abs");
  EXPECT_EQ(ClosestName("age", names), "customer.age");
  EXPECT_EQ(ClosestName("", names), "");
}

TEST(TextTest, SuggestsTheClosestName) {
  const std::vector<std::string> names = {"treatments", "features", "groups"};
  EXPECT_EQ(ClosestName("treatment", names), "treatments");
  EXPECT_EQ(ClosestName("fetaures", names), "features");
  EXPECT_EQ(ClosestName("currency", names), "");
}

TEST(TextTest, AsksForWhatWasProbablyMeant) {
  const std::vector<std::string> names = {"plan", "two \"words\""};
  EXPECT_EQ(DidYouMean("plam", names), "; did you mean \"plan\"?");
  EXPECT_EQ(DidYouMean("plam", names, "customer."), "; did you mean \"customer.plan\"?");
  EXPECT_EQ(DidYouMean("two words", names), "; did you mean \"two \\\"words\\\"\"?");
  EXPECT_EQ(DidYouMean("currency", names), "");
}

TEST(TextTest, ThePathOfAnEntryEscapesItsKey) {
  EXPECT_EQ(EntryPath("content", "web"), "content[\"web\"]");
  EXPECT_EQ(EntryPath("weights", "a\"b\\"), "weights[\"a\\\"b\\\\\"]");
}

}  // namespace
}  // namespace attune
