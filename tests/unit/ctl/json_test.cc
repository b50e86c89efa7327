#include "service/ctl/json.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <sstream>
#include <string>

#include "attune/v1/customer_service.pb.h"

namespace attune::ctl {
namespace {

TEST(WriteJson, WritesMessagesAsItWritesObjects) {
  v1::CustomerServiceGetResponse response;
  response.set_version(7);
  response.mutable_update_time()->set_seconds(1'772'323'200);
  auto& features = *response.mutable_customer()->mutable_features();
  features["plan"].set_string_value("5");
  features["share"].set_double_value(0.25);
  features["tenure"].set_int_value(34);
  std::ostringstream out;
  WriteJson(out, response);
  EXPECT_EQ(out.str(), Json::parse(out.str()).dump(2) + "\n") << "one style of indentation";
  const Json json = Json::parse(out.str());
  EXPECT_EQ(json["version"], 7);
  EXPECT_EQ(json["decision_count"], 0);
  EXPECT_EQ(json["update_time"], "2026-03-01T00:00:00Z");
  EXPECT_EQ(json["customer"]["features"]["plan"]["string_value"], "5");
  EXPECT_EQ(json["customer"]["features"]["share"]["double_value"], 0.25);
  EXPECT_EQ(json["customer"]["features"]["tenure"]["int_value"], 34);
}

// No reader may round an integer without a word.
TEST(WriteJson, WritesIntegersThatADoubleCannotHoldAsStrings) {
  constexpr int64_t kExact = int64_t{1} << 53;
  const auto written = [](int64_t number) {
    v1::Value value;
    value.set_int_value(number);
    std::ostringstream out;
    WriteJson(out, value);
    return Json::parse(out.str())["int_value"];
  };
  EXPECT_EQ(written(kExact), kExact);
  EXPECT_EQ(written(-kExact), -kExact);
  EXPECT_EQ(written(kExact + 1), std::to_string(kExact + 1));
  EXPECT_EQ(written(std::numeric_limits<int64_t>::min()), "-9223372036854775808");
}

}  // namespace
}  // namespace attune::ctl
