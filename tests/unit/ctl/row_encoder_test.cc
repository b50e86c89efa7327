#include "service/ctl/row_encoder.h"

#include <limits>
#include <random>
#include <string>
#include <vector>

#include "attune/v1/customer_service.pb.h"
#include "google/protobuf/util/message_differencer.h"
#include "gtest/gtest.h"

namespace attune::ctl {
namespace {

using Request = v1::CustomerServiceBatchUpsertRequest;

// What the encoder is told, told to the generated code.
void AddTo(v1::CustomerRow& row, const ValueRef& value) {
  v1::Value& message = *row.add_values();
  switch (value.type()) {
    case ValueType::kBool:
      message.set_bool_value(value.bool_value());
      break;
    case ValueType::kInt:
      message.set_int_value(value.int_value());
      break;
    case ValueType::kDouble:
      message.set_double_value(value.double_value());
      break;
    case ValueType::kString:
      message.set_string_value(std::string(value.string_value()));
      break;
    case ValueType::kTimestamp: {
      // Euclidean: nanos count forward.
      int64_t seconds = value.timestamp_us() / 1'000'000;
      int64_t micros = value.timestamp_us() % 1'000'000;
      if (micros < 0) {
        micros += 1'000'000;
        --seconds;
      }
      message.mutable_timestamp_value()->set_seconds(seconds);
      message.mutable_timestamp_value()->set_nanos(static_cast<int32_t>(micros * 1000));
      break;
    }
    case ValueType::kStringList:
      message.mutable_string_list_value();
      value.ForEachElement([&](std::string_view element) {
        message.mutable_string_list_value()->add_values(std::string(element));
      });
      break;
  }
}

std::string EncodedList(const std::vector<std::string>& elements) {
  std::string encoded;
  for (const std::string& element : elements) AppendListElement(encoded, element);
  return encoded;
}

void ExpectSame(const Request& expected, const std::string& bytes) {
  Request parsed;
  ASSERT_TRUE(parsed.ParseFromString(bytes));
  EXPECT_TRUE(google::protobuf::util::MessageDifferencer::Equals(parsed, expected))
      << parsed.ShortDebugString() << "\nexpected\n"
      << expected.ShortDebugString();
  // Byte by byte what the generated code writes: nothing is written that a strict reader minds.
  EXPECT_EQ(bytes, expected.SerializeAsString());
}

TEST(RowEncoder, WritesWhatTheGeneratedCodeWrites) {
  const std::string small_list = EncodedList({"a", "", "longer"});
  const std::string large_list = EncodedList(std::vector<std::string>(64, std::string(1024, 'x')));
  const std::string long_text(1024, 'y');
  const std::vector<ValueRef> values = {
      ValueRef::Bool(true),
      ValueRef::Bool(false),
      ValueRef::Int(0),
      ValueRef::Int(300),
      ValueRef::Int(-1),
      ValueRef::Int(std::numeric_limits<int64_t>::min()),
      ValueRef::Int(std::numeric_limits<int64_t>::max()),
      ValueRef::Double(0),
      ValueRef::Double(-56.95),
      ValueRef::Double(std::numeric_limits<double>::denorm_min()),
      ValueRef::String(""),
      ValueRef::String("text"),
      ValueRef::String(long_text),
      ValueRef::Timestamp(0),
      ValueRef::Timestamp(1'772'323'200'000'000),
      ValueRef::Timestamp(1'772'323'200'000'001),
      ValueRef::Timestamp(-1),
      ValueRef::Timestamp(-62'135'596'800'000'000),
      ValueRef::Timestamp(253'402'300'799'999'999),
      ValueRef::StringList(""),
      ValueRef::StringList(small_list),
      ValueRef::StringList(large_list),
  };
  Request expected;
  std::vector<std::string> names;
  for (size_t i = 0; i <= values.size(); ++i) names.push_back("feature_" + std::to_string(i));
  for (const std::string& name : names) expected.add_feature_names(name);
  RowEncoder encoder(names);
  for (const char* id : {"C1", "a much longer customer id than the other one"}) {
    v1::CustomerRow& row = *expected.add_rows();
    row.set_customer_id(id);
    encoder.StartRow(id);
    for (const ValueRef& value : values) {
      encoder.AddValue(value);
      AddTo(row, value);
    }
    encoder.SkipValue();
    row.add_values();
    const size_t before = encoder.message_bytes();
    const size_t announced = encoder.row_bytes();
    encoder.FinishRow();
    const size_t names_bytes = before == 0 ? encoder.header_bytes() : 0;
    EXPECT_EQ(encoder.message_bytes() - before - names_bytes, announced);
  }
  EXPECT_EQ(encoder.rows(), 2u);
  ExpectSame(expected, encoder.TakeMessage());
  EXPECT_EQ(encoder.rows(), 0u);
}

TEST(RowEncoder, ForgetsARowThatWasNotFinished) {
  RowEncoder encoder({"a"});
  encoder.StartRow("forgotten");
  encoder.AddValue(ValueRef::Int(1));
  encoder.StartRow("kept");
  encoder.SkipValue();
  encoder.FinishRow();
  Request expected;
  expected.add_feature_names("a");
  expected.add_rows()->set_customer_id("kept");
  expected.mutable_rows(0)->add_values();
  ExpectSame(expected, encoder.TakeMessage());
}

TEST(RowEncoder, BeginsEveryMessageWithTheNames) {
  RowEncoder encoder({"a"});
  for (const char* id : {"one", "two"}) {
    encoder.StartRow(id);
    encoder.AddValue(ValueRef::Bool(true));
    encoder.FinishRow();
    Request expected;
    expected.add_feature_names("a");
    expected.add_rows()->set_customer_id(id);
    expected.mutable_rows(0)->add_values()->set_bool_value(true);
    ExpectSame(expected, encoder.TakeMessage());
  }
}

TEST(RowEncoder, WritesAnyInt) {
  std::mt19937_64 random(3);
  for (int i = 0; i < 1000; ++i) {
    const auto number = static_cast<int64_t>(random() >> (random() % 64));
    RowEncoder encoder({"a", "b"});
    encoder.StartRow("id");
    encoder.AddValue(ValueRef::Int(number));
    encoder.AddValue(ValueRef::Timestamp(number % 100'000'000'000'000'000));
    encoder.FinishRow();
    Request expected;
    expected.add_feature_names("a");
    expected.add_feature_names("b");
    v1::CustomerRow& row = *expected.add_rows();
    row.set_customer_id("id");
    AddTo(row, ValueRef::Int(number));
    AddTo(row, ValueRef::Timestamp(number % 100'000'000'000'000'000));
    ExpectSame(expected, encoder.TakeMessage());
  }
}

}  // namespace
}  // namespace attune::ctl
