#include "service/ctl/value_text.h"

#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "google/protobuf/util/message_differencer.h"
#include "gtest/gtest.h"
#include "lib/base/text.h"
#include "tests/testing/value_messages.h"

namespace attune::ctl {
namespace {

using google::protobuf::util::MessageDifferencer;
using testing::Bool;
using testing::Double;
using testing::Int;
using testing::List;
using testing::String;
using testing::Timestamp;

struct ReadCase {
  const char* name;
  ValueType type;
  std::string text;
  std::optional<v1::Value> value;  // nullopt: refused
  std::string error;               // a part of the message
};

std::vector<ReadCase> ReadCases() {
  constexpr auto kBool = ValueType::kBool;
  constexpr auto kInt = ValueType::kInt;
  constexpr auto kDouble = ValueType::kDouble;
  constexpr auto kString = ValueType::kString;
  constexpr auto kTime = ValueType::kTimestamp;
  constexpr auto kList = ValueType::kStringList;
  constexpr int64_t kMarch = 1772323200;  // 2026-03-01T00:00:00Z
  return {
      {"True", kBool, "true", Bool(true), ""},
      {"Yes", kBool, "Yes", Bool(true), ""},
      {"T", kBool, "T", Bool(true), ""},
      {"Y", kBool, " y ", Bool(true), ""},
      {"One", kBool, "1", Bool(true), ""},
      {"False", kBool, "FALSE", Bool(false), ""},
      {"No", kBool, "no", Bool(false), ""},
      {"F", kBool, "f", Bool(false), ""},
      {"N", kBool, "N", Bool(false), ""},
      {"Zero", kBool, "0", Bool(false), ""},
      {"BoolTwo", kBool, "2", std::nullopt, "\"2\" is not a bool; write true or false"},
      {"Int", kInt, "34", Int(34), ""},
      {"IntNegative", kInt, "-34", Int(-34), ""},
      {"IntPlus", kInt, "+34", Int(34), ""},
      {"IntPlusMinus", kInt, "+-34", std::nullopt, "not an int"},
      {"IntBlanks", kInt, " 34\t", Int(34), ""},
      {"IntOfADoubleColumn", kInt, "34.000", Int(34), ""},
      {"IntWithPointOnly", kInt, "34.", std::nullopt, "not an int"},
      {"IntWithFraction", kInt, "34.5", std::nullopt, "not an int"},
      {"IntWithSeparators", kInt, "1,234", std::nullopt, "not an int"},
      {"IntHex", kInt, "0x10", std::nullopt, "not an int"},
      {"IntLargest", kInt, "9223372036854775807", Int(std::numeric_limits<int64_t>::max()), ""},
      {"IntTooLarge", kInt, "9223372036854775808", std::nullopt, "64 bits"},
      {"IntSmallest", kInt, "-9223372036854775808", Int(std::numeric_limits<int64_t>::min()), ""},
      {"IntWithNul", kInt, std::string("34\0", 3), std::nullopt, "\\x00"},
      {"IntMinus", kInt, "-", std::nullopt, "not an int"},
      {"Double", kDouble, "56.95", Double(56.95), ""},
      {"DoubleOfInt", kDouble, "56", Double(56), ""},
      {"DoubleExponent", kDouble, "-1.5e3", Double(-1500), ""},
      {"DoublePlus", kDouble, "+.5", Double(0.5), ""},
      {"DoubleNan", kDouble, "nan", std::nullopt, "finite"},
      {"DoubleInfinity", kDouble, "-inf", std::nullopt, "finite"},
      {"DoubleTooLarge", kDouble, "1e400", std::nullopt, "finite"},
      {"DoubleComma", kDouble, "56,95", std::nullopt, "\"56,95\" is not a double"},
      {"DoubleUnit", kDouble, "56.95 EUR", std::nullopt, "not a double"},
      {"String", kString, " as it is ", String(" as it is "), ""},
      {"StringUtf8", kString, "Größe", String("Größe"), ""},
      {"StringNotUtf8", kString, "a\xFF", std::nullopt, "not valid UTF-8"},
      {"StringNul", kString, std::string("a\0b", 3), std::nullopt, "NUL"},
      {"StringLongest", kString, std::string(kMaxStringValueBytes, 'x'),
       String(std::string(kMaxStringValueBytes, 'x')), ""},
      {"StringTooLong", kString, std::string(kMaxStringValueBytes + 1, 'x'), std::nullopt,
       "has 1025 bytes; at most 1024"},
      {"Date", kTime, "2026-03-01", Timestamp(kMarch), ""},
      {"Rfc3339", kTime, "2026-03-01T00:00:01Z", Timestamp(kMarch + 1), ""},
      {"Rfc3339Offset", kTime, "2026-03-01T01:00:00+01:00", Timestamp(kMarch), ""},
      {"Rfc3339Lower", kTime, "2026-03-01t00:00:00z", Timestamp(kMarch), ""},
      {"Rfc3339Blank", kTime, "2026-03-01 00:00:00Z", Timestamp(kMarch), ""},
      {"Rfc3339Fraction", kTime, "2026-03-01T00:00:00.1234567Z", Timestamp(kMarch, 123456000), ""},
      {"Rfc3339Before1970", kTime, "1969-12-31T23:59:59.5Z", Timestamp(-1, 500000000), ""},
      {"FirstYear", kTime, "0001-01-01", Timestamp(-62135596800), ""},
      {"LastYear", kTime, "9999-12-31T23:59:59Z", Timestamp(253402300799), ""},
      {"YearZero", kTime, "0000-01-01", std::nullopt, "not a timestamp"},
      {"NoTimeZone", kTime, "2026-03-01T00:00:00", std::nullopt, "has no time zone; append Z"},
      {"NoTimeZoneBlank", kTime, "2026-03-01 10:00:00.5", std::nullopt, "has no time zone"},
      {"NoSuchDay", kTime, "2026-02-30", std::nullopt, "not a timestamp"},
      {"LeapDay", kTime, "2024-02-29", Timestamp(1709164800), ""},
      {"UnixSeconds", kTime, "1772323200", std::nullopt, "write a date or RFC 3339"},
      {"AmericanDate", kTime, "03/01/2026", std::nullopt, "not a timestamp"},
      {"TimeWithText", kTime, "2026-03-01T00:00:00Zx", std::nullopt, "not a timestamp"},
      {"TimeWithNul", kTime, std::string("2026-03-01T00:00:00Z\0x", 22), std::nullopt, "timestamp"},
      {"ListSemicolons", kList, "a;b c;d", List({"a", "b c", "d"}), ""},
      {"ListBars", kList, "a|b", List({"a", "b"}), ""},
      {"ListBlanksAndEmpty", kList, " a ; ;b;", List({"a", "b"}), ""},
      {"ListOfOne", kList, "a", List({"a"}), ""},
      {"ListOnlySeparators", kList, ";", List({}), ""},
      {"ListNotUtf8", kList, "a;\xFF", std::nullopt, "not valid UTF-8"},
      {"ListTooMany", kList,
       [] {
         std::string text;
         for (size_t i = 0; i <= kMaxListElements; ++i) text += "x;";
         return text;
       }(),
       std::nullopt, "more than 64 elements"},
  };
}

class ReadValueCases : public ::testing::TestWithParam<ReadCase> {};

TEST_P(ReadValueCases, ReadsOrRefuses) {
  v1::Value value;
  const absl::Status status = ReadValue(GetParam().type, GetParam().text, value);
  if (!GetParam().value.has_value()) {
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << status << value.ShortDebugString();
    EXPECT_THAT(std::string(status.message()), ::testing::HasSubstr(GetParam().error));
    return;
  }
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_TRUE(MessageDifferencer::Equals(value, *GetParam().value)) << value.ShortDebugString();
}

INSTANTIATE_TEST_SUITE_P(All, ReadValueCases, ::testing::ValuesIn(ReadCases()),
                         [](const auto& info) { return std::string(info.param.name); });

struct InferCase {
  const char* name;
  std::string text;
  std::optional<v1::Value> value;
};

std::vector<InferCase> InferCases() {
  return {
      {"True", "true", Bool(true)},
      {"False", "false", Bool(false)},
      {"OtherCaseIsAString", "True", String("True")},
      {"Int", "34", Int(34)},
      {"Negative", "-1", Int(-1)},
      {"Double", "5.5", Double(5.5)},
      {"WholeDouble", "5.0", Double(5)},
      {"Exponent", "1e3", Double(1000)},
      {"BeyondIntIsADouble", "9223372036854775808", Double(9223372036854775808.0)},
      {"NanIsAString", "nan", String("nan")},
      {"Time", "2026-03-01T00:00:00Z", Timestamp(1772323200)},
      {"TimeWithOffset", "2026-03-01T02:00:00+02:00", Timestamp(1772323200)},
      {"TimeWithoutZone", "2026-03-01T00:00:00", String("2026-03-01T00:00:00")},
      {"DateIsAString", "2026-03-01", String("2026-03-01")},
      {"ImpossibleTime", "2026-03-41T00:00:00Z", std::nullopt},
      {"Text", "fiber", String("fiber")},
      {"Empty", "", String("")},
      {"QuotedNumber", "\"5\"", String("5")},
      {"QuotedTrue", "\"true\"", String("true")},
      {"QuotedEscapes", R"("a \"b\" \\ \n")", String("a \"b\" \\ \\n")},
      {"QuotedEmpty", "\"\"", String("")},
      {"QuoteNotClosed", "\"5", std::nullopt},
      {"TextAfterQuote", "\"5\"x", std::nullopt},
      {"List", "[a,b]", List({"a", "b"})},
      {"ListWithBlanks", "[ a , b c ]", List({"a", "b c"})},
      {"ListOfNumbersIsOfStrings", "[1,2]", List({"1", "2"})},
      {"ListQuoted", R"(["a,b", c])", List({"a,b", "c"})},
      {"EmptyList", "[]", List({})},
      {"ListEmptyElement", "[a,,b]", std::nullopt},
      {"ListQuotedEmptyElement", "[\"\"]", List({""})},
      {"ListNotClosed", "[a,b", std::nullopt},
      {"ListTrailingComma", "[a,]", std::nullopt},
      {"ListTextAfterQuote", "[\"a\"b]", std::nullopt},
      {"ListQuoteNotClosed", "[\"a]", std::nullopt},
      {"NotUtf8", "\xFF", std::nullopt},
  };
}

class InferValueCases : public ::testing::TestWithParam<InferCase> {};

TEST_P(InferValueCases, InfersTheType) {
  const absl::StatusOr<v1::Value> value = InferValue(GetParam().text);
  if (!GetParam().value.has_value()) {
    EXPECT_TRUE(absl::IsInvalidArgument(value.status()));
    return;
  }
  ASSERT_TRUE(value.ok()) << value.status();
  EXPECT_TRUE(MessageDifferencer::Equals(*value, *GetParam().value)) << value->ShortDebugString();
}

INSTANTIATE_TEST_SUITE_P(All, InferValueCases, ::testing::ValuesIn(InferCases()),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(ValueText, EmptyCellsAreNotKnown) {
  EXPECT_TRUE(IsEmptyText(ValueType::kDouble, ""));
  EXPECT_TRUE(IsEmptyText(ValueType::kDouble, "  "));
  EXPECT_TRUE(IsEmptyText(ValueType::kString, ""));
  EXPECT_FALSE(IsEmptyText(ValueType::kString, " ")) << "blanks are text";
  EXPECT_FALSE(IsEmptyText(ValueType::kInt, "0"));
}

TEST(ValueText, PrintsWhatItReads) {
  EXPECT_EQ(ValueToText(Bool(true)), "true");
  EXPECT_EQ(ValueToText(Int(-3)), "-3");
  EXPECT_EQ(ValueToText(Double(56.95)), "56.95");
  EXPECT_EQ(ValueToText(Double(1e300)), "1e+300");
  EXPECT_EQ(ValueToText(String("a b")), "a b");
  EXPECT_EQ(ValueToText(Timestamp(1772323200)), "2026-03-01T00:00:00Z");
  EXPECT_EQ(ValueToText(List({"a", "b"})), "a;b");
  EXPECT_EQ(ValueToText(v1::Value()), "");
}

TEST(ValueText, KnowsEveryTypeByItsName) {
  for (const char* name : {"bool", "int", "double", "string", "timestamp", "string_list"}) {
    const std::optional<ValueType> type = TypeFromName(name);
    ASSERT_TRUE(type.has_value()) << name;
    EXPECT_EQ(ValueTypeName(*type), name);
    EXPECT_FALSE(TypeSyntax(*type).empty());
  }
  EXPECT_FALSE(TypeFromName("float").has_value());
}

}  // namespace
}  // namespace attune::ctl
