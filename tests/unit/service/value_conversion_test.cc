#include "service/value_conversion.h"

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/context/decision_request.h"
#include "tests/testing/strategy_builder.h"

namespace attune::service {
namespace {

using attune::v1::Value;

struct RoundTripCase {
  const char* name;
  const char* message;
  std::string printed;
};

TEST(ValueConversionTest, EveryKindComesBack) {
  const RoundTripCase cases[] = {
      {"bool", "bool_value: true", "true"},
      {"false", "bool_value: false", "false"},
      {"int", "int_value: -9223372036854775808", "-9223372036854775808"},
      {"double", "double_value: 0.1", "0.1"},
      {"string", "string_value: 'text'", "\"text\""},
      {"empty string", "string_value: ''", "\"\""},
      {"timestamp", "timestamp_value { seconds: 1772323200 nanos: 5000 }",
       "2026-03-01T00:00:00.000005Z"},
      {"before 1970", "timestamp_value { seconds: -1 nanos: 999999000 }",
       "1969-12-31T23:59:59.999999Z"},
      {"epoch", "timestamp_value {}", "1970-01-01T00:00:00Z"},
      {"list", "string_list_value { values: 'a' values: '' values: 'b' }", "[\"a\", \"\", \"b\"]"},
      {"empty list", "string_list_value {}", "[]"},
  };
  for (const RoundTripCase& c : cases) {
    const Value message = testing::FromText<Value>(c.message);
    ListBuffers buffers;
    const std::optional<ValueRef> value = ToValueRef(message, buffers);
    ASSERT_TRUE(value) << c.name;
    EXPECT_TRUE(value->known()) << c.name;
    EXPECT_EQ(value->ToString(), c.printed) << c.name;
    Value back;
    ToProto(*value, &back);
    EXPECT_EQ(back.SerializeAsString(), message.SerializeAsString()) << c.name;
  }
}

TEST(ValueConversionTest, AValueWithoutKindIsNone) {
  ListBuffers buffers;
  EXPECT_EQ(ToValueRef(Value(), buffers), std::nullopt);
}

TEST(ValueConversionTest, ListsStayValidWhileOthersFollow) {
  ListBuffers buffers;
  std::vector<ValueRef> values;
  for (int i = 0; i < 100; ++i) {
    Value message;
    message.mutable_string_list_value()->add_values(std::to_string(i));
    values.push_back(*ToValueRef(message, buffers));
  }
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(values[static_cast<size_t>(i)].ToString(), "[\"" + std::to_string(i) + "\"]");
  }
}

struct TimestampCase {
  const char* name;
  const char* message;
};

TEST(ValueConversionTest, ATimestampThatCanNotBeIsRefusedLater) {
  const TimestampCase cases[] = {
      {"negative nanos", "timestamp_value { seconds: 5 nanos: -1 }"},
      {"a second of nanos", "timestamp_value { seconds: 5 nanos: 1000000000 }"},
      {"beyond 9999", "timestamp_value { seconds: 253402300800 }"},
      {"before 1", "timestamp_value { seconds: -62135596801 nanos: 999999999 }"},
      {"the largest number", "timestamp_value { seconds: 9223372036854775807 nanos: 999999999 }"},
      {"the smallest number", "timestamp_value { seconds: -9223372036854775808 }"},
  };
  for (const TimestampCase& c : cases) {
    ListBuffers buffers;
    const auto value = ToValueRef(testing::FromText<Value>(c.message), buffers);
    ASSERT_TRUE(value) << c.name;
    EXPECT_TRUE(context::ValueProblem(*value)) << c.name;
  }
}

TEST(ValueConversionTest, CutsNanosecondsDownwards) {
  google::protobuf::Timestamp timestamp;
  timestamp.set_seconds(-1);
  timestamp.set_nanos(999'999'999);
  EXPECT_EQ(ToUnixMicros(timestamp), -1);
  timestamp.set_seconds(0);
  timestamp.set_nanos(1'999);
  EXPECT_EQ(ToUnixMicros(timestamp), 1);
}

TEST(ValueConversionTest, TimesOutOfRangeKeepTheirSide) {
  google::protobuf::Timestamp timestamp;
  timestamp.set_seconds(INT64_MAX);
  timestamp.set_nanos(999'999'999);
  EXPECT_GT(ToTime(timestamp), absl::FromUnixMicros(context::kMaxTimeUs));
  EXPECT_EQ(ToUnixMicros(timestamp), INT64_MAX);
  timestamp.set_seconds(INT64_MIN);
  EXPECT_LT(ToTime(timestamp), absl::UnixEpoch());
  EXPECT_EQ(ToUnixMicros(timestamp), INT64_MIN);
}

TEST(ValueConversionTest, WritesTimesBefore1970WithPositiveNanos) {
  google::protobuf::Timestamp timestamp;
  ToProto(-1, &timestamp);
  EXPECT_EQ(timestamp.seconds(), -1);
  EXPECT_EQ(timestamp.nanos(), 999'999'000);
  ToProto(-1'000'000, &timestamp);
  EXPECT_EQ(timestamp.seconds(), -1);
  EXPECT_EQ(timestamp.nanos(), 0);
}

}  // namespace
}  // namespace attune::service
