#include "lib/context/decision_request.h"

#include <cmath>
#include <deque>
#include <functional>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/base/text.h"

namespace attune::context {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const absl::Time kNow = absl::FromUnixSeconds(1'772'323'200);  // 2026-03-01

ValueDeclaration Declare(const char* name, const ValueRef& default_value) {
  static uint32_t number = 0;
  ValueDeclaration declaration;
  declaration.name = name;
  declaration.type = default_value.type();
  ValueRef value = default_value;
  value.set_known(false);
  declaration.default_value = OwnedValue(value);
  declaration.number = number++;
  return declaration;
}

class NormaliseRequestTest : public ::testing::Test {
 protected:
  NormaliseRequestTest() {
    schema_.channels = NameTable({{"app", 0}, {"ivr", 1}, {"contact_centre", 2}});
    schema_.intents = NameTable({{"report_outage", 0}, {"browse_plans", 1}});
    schema_.attributes = ValueSchema(
        {Declare("wait_s", ValueRef::Double(0)), Declare("topic", ValueRef::String("none")),
         Declare("attempts", ValueRef::Int(1)), Declare("tags", ValueRef::StringList("")),
         Declare("since", ValueRef::Timestamp(0)), Declare("urgent", ValueRef::Bool(false))});
    request_.customer_id = "customer-1";
    request_.channel = "ivr";
  }

  void Normalise(absl::Duration skew = absl::Minutes(5)) {
    violations_ = Violations();
    const auto find = [](std::string_view name) {
      const std::vector<std::string_view> names = {"zero", "one", "two", "three"};
      const auto it = std::find(names.begin(), names.end(), name);
      return it == names.end() ? -1 : static_cast<int>(it - names.begin());
    };
    NormaliseRequest(request_,
                     {.schema = schema_,
                      .find_treatment = find,
                      .default_max_treatments = 3,
                      .now = kNow,
                      .max_clock_skew = skew},
                     context_, violations_);
  }

  std::vector<std::string> Fields() const {
    std::vector<std::string> fields;
    for (const auto& violation : violations_.kept()) fields.push_back(violation.field);
    return fields;
  }

  ContextSchema schema_;
  DecisionRequest request_;
  DecisionContext context_;
  Violations violations_;
};

TEST_F(NormaliseRequestTest, LaysOutAMinimalRequestWithDefaults) {
  Normalise();
  EXPECT_THAT(Fields(), IsEmpty());
  EXPECT_EQ(context_.customer_id, "customer-1");
  EXPECT_EQ(context_.channel, 1);
  EXPECT_EQ(context_.intent, kUnknownIntent);
  EXPECT_EQ(context_.time_us, absl::ToUnixMicros(kNow));
  EXPECT_EQ(context_.max_treatments, 3);
  EXPECT_FALSE(context_.restricted);
  ASSERT_EQ(context_.attributes.size(), 6u);
  EXPECT_EQ(context_.attributes[1], ValueRef::String("none"));
  EXPECT_FALSE(context_.attributes[1].known());
}

TEST_F(NormaliseRequestTest, LaysOutAFullRequest) {
  request_.intent = "browse_plans";
  request_.time = kNow - absl::Microseconds(7);
  request_.attributes = {{"topic", ValueRef::String("bill")}, {"wait_s", ValueRef::Int(90)}};
  request_.max_treatments = 100;
  request_.treatment_ids = {"three", "one", "three"};
  request_.request_id = std::string_view("call-7");
  Normalise();
  EXPECT_THAT(Fields(), IsEmpty());
  EXPECT_EQ(context_.intent, 2);
  EXPECT_EQ(context_.time_us, absl::ToUnixMicros(kNow) - 7);
  EXPECT_EQ(context_.attributes[0], ValueRef::Double(90));
  EXPECT_TRUE(context_.attributes[0].known());
  EXPECT_EQ(context_.attributes[1], ValueRef::String("bill"));
  EXPECT_EQ(context_.max_treatments, 100);
  EXPECT_TRUE(context_.restricted);
  EXPECT_THAT(context_.restricted_to, ElementsAre(1, 3));
}

TEST_F(NormaliseRequestTest, ForgetsTheRequestBefore) {
  request_.attributes = {{"wait_s", ValueRef::Double(90)}};
  request_.treatment_ids = {"one"};
  request_.intent = "browse_plans";
  Normalise();
  request_.Clear();
  request_.customer_id = "customer-2";
  request_.channel = "app";
  Normalise();
  EXPECT_THAT(Fields(), IsEmpty());
  EXPECT_EQ(context_.attributes[0], ValueRef::Double(0));
  EXPECT_FALSE(context_.restricted);
  EXPECT_THAT(context_.restricted_to, IsEmpty());
  EXPECT_EQ(context_.intent, kUnknownIntent);
}

struct ViolationCase {
  const char* name;
  std::function<void(DecisionRequest&)> spoil;
  std::string field;
  std::string description;  // a part of it
};

TEST_F(NormaliseRequestTest, NamesTheFieldAndWhatIsWrong) {
  static const std::string long_text(kMaxStringValueBytes + 1, 'x');
  static const std::string long_id(100'000, 'x');
  std::string list;
  for (size_t i = 0; i <= kMaxListElements; ++i) AppendListElement(list, "x");
  std::string bad_list;
  AppendListElement(bad_list, "\xFF");
  const auto attribute = [](const char* name, const ValueRef& value) {
    return [name, value](DecisionRequest& r) { r.attributes = {{name, value}}; };
  };
  using Limits = std::numeric_limits<double>;
  const ViolationCase cases[] = {
      {"no id", [](auto& r) { r.customer_id = ""; }, "customer_id", "must not be empty"},
      {"100 kB id", [](auto& r) { r.customer_id = long_id; }, "customer_id", "100000 bytes"},
      {"id with NUL", [](auto& r) { r.customer_id = std::string_view("a\0b", 3); }, "customer_id",
       "control characters"},
      {"id with newline", [](auto& r) { r.customer_id = "a\n"; }, "customer_id",
       "control characters"},
      {"id that isn't UTF-8", [](auto& r) { r.customer_id = "\xFF"; }, "customer_id", "UTF-8"},
      {"no channel", [](auto& r) { r.channel = ""; }, "channel", "is required"},
      {"unknown channel", [](auto& r) { r.channel = "contact_center"; }, "channel",
       "is \"contact_center\", which is no channel of the strategy; did you mean "
       "\"contact_centre\"?"},
      {"channel like no other", [](auto& r) { r.channel = "smoke_signals"; }, "channel",
       "which is no channel of the strategy"},
      {"100 kB channel", [](auto& r) { r.channel = long_id; }, "channel", "..."},
      {"unknown intent", [](auto& r) { r.intent = "brows_plans"; }, "intent",
       "did you mean \"browse_plans\"?"},
      {"year 1", [](auto& r) { r.time = absl::FromUnixSeconds(-62'135'596'800); }, "time",
       "between 1970 and 2200"},
      {"year 9999", [](auto& r) { r.time = absl::FromUnixSeconds(253'402'300'799); }, "time",
       "between 1970 and 2200"},
      {"infinite time", [](auto& r) { r.time = absl::InfiniteFuture(); }, "time",
       "between 1970 and 2200"},
      {"an hour ahead", [](auto& r) { r.time = kNow + absl::Hours(1); }, "time",
       "further than 5m from the server's clock, which reads 2026-03-01T00:00:00+00:00"},
      {"unknown attribute", attribute("wait_sec", ValueRef::Int(1)), "attributes[\"wait_sec\"]",
       "did you mean \"wait_s\"?"},
      {"hostile attribute name", attribute("a\"\n", ValueRef::Int(1)), "attributes[\"a\\\"\\x0a\"]",
       "no attribute"},
      {"wrong type", attribute("attempts", ValueRef::Double(1)), "attributes[\"attempts\"]",
       "must be of type int, not double"},
      {"NaN", attribute("wait_s", ValueRef::Double(Limits::quiet_NaN())), "attributes[\"wait_s\"]",
       "must be finite"},
      {"infinity", attribute("wait_s", ValueRef::Double(-Limits::infinity())),
       "attributes[\"wait_s\"]", "must be finite"},
      {"long string", attribute("topic", ValueRef::String(long_text)), "attributes[\"topic\"]",
       "has 1025 bytes; at most 1024"},
      {"string that isn't UTF-8", attribute("topic", ValueRef::String("\xC3")),
       "attributes[\"topic\"]", "UTF-8"},
      {"long list", attribute("tags", ValueRef::StringList(list)), "attributes[\"tags\"]",
       "has 65 elements; at most 64"},
      {"list element that isn't UTF-8", attribute("tags", ValueRef::StringList(bad_list)),
       "attributes[\"tags\"]", "UTF-8"},
      {"timestamp beyond 9999", attribute("since", ValueRef::Timestamp(INT64_MAX)),
       "attributes[\"since\"]", "between the years 1 and 9999"},
      {"negative number of treatments", [](auto& r) { r.max_treatments = -1; }, "max_treatments",
       "is -1; must be 1 to 100"},
      {"too many treatments", [](auto& r) { r.max_treatments = 101; }, "max_treatments",
       "is 101; must be 1 to 100"},
      {"unknown treatment",
       [](auto& r) {
         r.treatment_ids = {"one", "five"};
       },
       "treatment_ids[1]", "is \"five\", which is no treatment"},
      {"long request id", [](auto& r) { r.request_id = long_id; }, "request_id",
       "at most 128 are allowed"},
  };
  for (const ViolationCase& c : cases) {
    request_.Clear();
    request_.customer_id = "customer-1";
    request_.channel = "ivr";
    c.spoil(request_);
    Normalise();
    ASSERT_THAT(Fields(), ElementsAre(c.field)) << c.name;
    EXPECT_THAT(violations_.kept()[0].description, HasSubstr(c.description)) << c.name;
    EXPECT_LT(violations_.kept()[0].description.size(), 300u) << c.name;
  }
}

TEST_F(NormaliseRequestTest, ListsEverythingThatIsWrong) {
  request_.customer_id = "";
  request_.channel = "fax";
  request_.intent = "nap";
  request_.time = absl::InfinitePast();
  request_.attributes = {{"wait_s", ValueRef::Bool(true)}, {"colour", ValueRef::Int(1)}};
  request_.max_treatments = 1000;
  request_.treatment_ids = {"five", "six"};
  request_.request_id = "\n";
  Normalise();
  EXPECT_THAT(Fields(),
              ElementsAre("customer_id", "channel", "intent", "time", "attributes[\"colour\"]",
                          "attributes[\"wait_s\"]", "max_treatments", "treatment_ids[0]",
                          "treatment_ids[1]", "request_id"));
}

TEST_F(NormaliseRequestTest, RefusesTenThousandAttributesInOneLine) {
  std::deque<std::string> names;
  for (int i = 0; i < 10'000; ++i) {
    request_.attributes.emplace_back(names.emplace_back("name_" + std::to_string(i)),
                                     ValueRef::Int(i));
  }
  Normalise();
  ASSERT_THAT(Fields(), ElementsAre("attributes"));
  EXPECT_EQ(violations_.kept()[0].description, "has 10000 entries; at most 256 are allowed");
}

TEST_F(NormaliseRequestTest, RefusesALongRestrictionInOneLine) {
  request_.treatment_ids.assign(kMaxRestriction, "one");
  Normalise();
  EXPECT_THAT(Fields(), IsEmpty());
  EXPECT_THAT(context_.restricted_to, ElementsAre(1));
  request_.treatment_ids.push_back("one");
  Normalise();
  EXPECT_THAT(Fields(), ElementsAre("treatment_ids"));
}

struct SkewCase {
  const char* name;
  absl::Duration offset;
  bool accepted;
};

TEST_F(NormaliseRequestTest, AllowsExactlyTheSkew) {
  const SkewCase cases[] = {
      {"now", absl::ZeroDuration(), true},
      {"at the limit ahead", absl::Minutes(5), true},
      {"at the limit behind", -absl::Minutes(5), true},
      {"over the limit ahead", absl::Minutes(5) + absl::Microseconds(1), false},
      {"over the limit behind", -absl::Minutes(5) - absl::Microseconds(1), false},
  };
  for (const SkewCase& c : cases) {
    request_.time = kNow + c.offset;
    Normalise();
    EXPECT_EQ(violations_.empty(), c.accepted) << c.name;
  }
}

struct DecidableCase {
  const char* name;
  absl::Time time;
  bool accepted;
};

TEST_F(NormaliseRequestTest, DecidesFrom1970To2200InAReplay) {
  const absl::Time last = absl::FromUnixMicros(kMaxTimeUs);
  EXPECT_EQ(last, absl::FromCivil(absl::CivilDay(2200, 1, 1), absl::UTCTimeZone()));
  const DecidableCase cases[] = {
      {"1970", absl::UnixEpoch(), true},
      {"just before 1970", absl::UnixEpoch() - absl::Nanoseconds(1), false},
      {"2200", last, true},
      {"just after 2200 began", last + absl::Nanoseconds(1), false},
  };
  for (const DecidableCase& c : cases) {
    request_.time = c.time;
    Normalise(absl::InfiniteDuration());
    EXPECT_EQ(violations_.empty(), c.accepted) << c.name;
    EXPECT_EQ(IsDecidable(c.time), c.accepted) << c.name;
  }
}

TEST(ValueProblemTest, AcceptsWhatIsWithinTheLimits) {
  const std::string longest(kMaxStringValueBytes, 'x');
  std::string list;
  for (size_t i = 0; i < kMaxListElements; ++i) AppendListElement(list, longest);
  for (const ValueRef& value :
       {ValueRef::Bool(true), ValueRef::Int(INT64_MIN),
        ValueRef::Double(std::numeric_limits<double>::max()), ValueRef::String(longest),
        ValueRef::StringList(list), ValueRef::Timestamp(-62'135'596'800'000'000),
        ValueRef::Timestamp(253'402'300'799'999'999)}) {
    EXPECT_EQ(ValueProblem(value), std::nullopt) << value.ToString();
  }
}

TEST(ValueProblemTest, RefusesTimesJustOutsideOfTheYears) {
  EXPECT_TRUE(ValueProblem(ValueRef::Timestamp(-62'135'596'800'000'001)));
  EXPECT_TRUE(ValueProblem(ValueRef::Timestamp(253'402'300'800'000'000)));
}

}  // namespace
}  // namespace attune::context
