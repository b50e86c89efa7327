#include "lib/trees/model_document.h"

#include <cmath>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace attune::trees {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

DocumentValue MustParse(const std::string& text) {
  absl::StatusOr<DocumentValue> document = ParseJson(text);
  EXPECT_TRUE(document.ok()) << document.status() << "\n" << text;
  return *std::move(document);
}

TEST(ModelDocument, ReadsScalars) {
  EXPECT_EQ(*MustParse(" -1.5E2 ").number(), -150);
  EXPECT_EQ(*MustParse("1e400").number(), INFINITY);
  EXPECT_EQ(*MustParse("-Infinity").number(), -INFINITY);
  EXPECT_TRUE(std::isnan(*MustParse("NaN").number()));
  EXPECT_EQ(*MustParse(R"("a\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00")").text(),
            "a\"\\/\b\f\n\r\t\u00e9\U0001F600");
  EXPECT_EQ(MustParse("true").number(), nullptr);
}

TEST(ModelDocument, KeepsNumbersTogether) {
  EXPECT_THAT(*MustParse("[1, 2.5, true, false]").numbers(), ElementsAre(1, 2.5, 1, 0));
  EXPECT_THAT(*MustParse("[]").numbers(), IsEmpty());
  EXPECT_TRUE(std::isnan((*MustParse("[null]").numbers())[0]));
  const DocumentValue mixed = MustParse("[1, \"a\", [2]]");
  EXPECT_EQ(mixed.numbers(), nullptr);
  ASSERT_THAT(*mixed.list(), SizeIs(3));
  EXPECT_EQ(*(*mixed.list())[0].number(), 1);
}

TEST(ModelDocument, FindsMembers) {
  const DocumentValue object = MustParse(R"({"a": 1, "b": {"a": 2}, "a": 3})");
  EXPECT_EQ(*object.Find("a")->number(), 3) << "the last one counts";
  EXPECT_EQ(*object.Find("b")->Find("a")->number(), 2);
  EXPECT_EQ(object.Find("c"), nullptr);
  EXPECT_EQ(MustParse("[1]").Find("a"), nullptr);
}

TEST(ModelDocument, SaysWhatIsWrongAtWhichByte) {
  const std::pair<std::string, const char*> cases[] = {
      {"", "byte 0: the file ends"},
      {"{\"a\": 1", "byte 7: the file ends"},
      {"{\"a\" 1}", "byte 5: ':' is expected here"},
      {"{a: 1}", "byte 1: a name in quotes is expected here"},
      {"[1 2]", "byte 3: ',' or ']' is expected here"},
      {"[1,]", "byte 3: a value is expected here"},
      {"\"a", "byte 2: the file ends"},
      {"\"\\x\"", "there is no such escape"},
      {"\"\\u12g4\"", "four hexadecimal digits"},
      {"1 2", "byte 2: there is more behind the end"},
      {std::string(1000, '['), "nested deeper than 32"},
  };
  for (const auto& [text, problem] : cases) {
    const absl::StatusOr<DocumentValue> document = ParseJson(text);
    ASSERT_FALSE(document.ok()) << text;
    EXPECT_THAT(std::string(document.status().message()), HasSubstr(problem)) << text;
  }
}

// The element `count` times between begin and end.
std::string Repeated(const std::string& begin, const std::string& element, size_t count,
                     const std::string& end) {
  std::string text = begin;
  text.reserve(begin.size() + count * element.size() + end.size());
  for (size_t i = 0; i < count; ++i) text += element;
  return text + end;
}

#ifdef __OPTIMIZE__
constexpr bool kOptimized = true;
#else
constexpr bool kOptimized = false;
#endif

TEST(ModelDocument, BoundsTheNumberOfValues) {
  if (!kOptimized) GTEST_SKIP() << "millions of values take too long unoptimised";
  const std::string texts[] = {
      Repeated("[", "[],", kFewDocumentValues, "[]]"),
      Repeated("{", "\"\":1,", kFewDocumentValues, "\"\":1}"),
      // Numbers, but not only numbers: then each of them is a value.
      Repeated("[", "1,", kFewDocumentValues, "\"a\"]"),
  };
  for (const std::string& text : texts) {
    EXPECT_THAT(std::string(ParseJson(text).status().message()),
                HasSubstr("more than 4000000 values"))
        << text.substr(0, 10);
  }
  const std::string bytes = Repeated("[", "U1", kFewDocumentValues, "C1]");
  EXPECT_THAT(std::string(ParseUbjson(bytes).status().message()),
              HasSubstr("more than 4000000 values"));
}

TEST(ModelDocument, DoesNotCountNumbersAmongNumbers) {
  if (!kOptimized) GTEST_SKIP() << "millions of values take too long unoptimised";
  EXPECT_TRUE(ParseJson(Repeated("[", "1,", kFewDocumentValues, "1]")).ok());
  EXPECT_TRUE(ParseUbjson(Repeated("[", "U1", kFewDocumentValues, "U1]")).ok());
}

TEST(ModelDocument, LargerDocumentsMayHaveMoreValues) {
  if (!kOptimized) GTEST_SKIP() << "millions of values take too long unoptimised";
  // 8 bytes each.
  EXPECT_TRUE(ParseJson(Repeated("[", "[     ],", kFewDocumentValues, "[     ]]")).ok());
  EXPECT_FALSE(ParseJson(Repeated("[", "[    ],", kFewDocumentValues, "[    ]]")).ok());
}

std::string Bytes(std::initializer_list<int> bytes) {
  std::string text;
  for (const int byte : bytes) text += static_cast<char>(byte);
  return text;
}

TEST(ModelDocument, ReadsTypedArraysOfUbjson) {
  // {"a": [$d#L 2: 1.0, 2.0], "b": [$U#i 2: 1, 255], "c": [$l#U 1: -1]}
  const std::string text =
      Bytes({'{', 'i', 1, 'a', '[', '$', 'd', '#', 'L', 0, 0, 0, 0, 0, 0, 0, 2}) +
      Bytes({0x3F, 0x80, 0, 0, 0x40, 0, 0, 0}) +
      Bytes({'L', 0, 0, 0, 0, 0, 0, 0, 1, 'b', '[', '$', 'U', '#', 'i', 2, 1, 255}) +
      Bytes({'U', 1, 'c', '[', '$', 'l', '#', 'U', 1, 255, 255, 255, 255, '}'});
  const absl::StatusOr<DocumentValue> document = ParseUbjson(text);
  ASSERT_TRUE(document.ok()) << document.status();
  EXPECT_THAT(*document->Find("a")->numbers(), ElementsAre(1, 2));
  EXPECT_THAT(*document->Find("b")->numbers(), ElementsAre(1, 255));
  EXPECT_THAT(*document->Find("c")->numbers(), ElementsAre(-1));
}

TEST(ModelDocument, RefusesWrongUbjson) {
  const std::pair<std::string, const char*> cases[] = {
      {Bytes({'['}), "the file ends"},
      {Bytes({'?'}), "there is no such type"},
      {Bytes({'[', '$', 'Z', '#', 'l', 0x7F, 0, 0, 0}), "elements of this type are empty"},
      {Bytes({'[', '#', 'l', 0x7F, 0, 0, 0}), "a length of 2.13071e+09, but only 0 bytes are left"},
      {Bytes({'[', '#', 'i', -1}), "a length of -1"},
      {Bytes({'S', 'd', 0, 0, 0, 0}), "a length is expected here"},
      {Bytes({'[', '$', 'i', 1}), "a count is expected behind a type"},
      {Bytes({'T', 'T'}), "there is more behind the end"},
      {std::string(1000, '['), "nested deeper than 32"},
  };
  for (const auto& [bytes, problem] : cases) {
    const absl::StatusOr<DocumentValue> document = ParseUbjson(bytes);
    ASSERT_FALSE(document.ok()) << problem;
    EXPECT_THAT(std::string(document.status().message()), HasSubstr(problem));
  }
}

}  // namespace
}  // namespace attune::trees
