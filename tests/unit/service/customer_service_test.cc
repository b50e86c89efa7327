#include "service/customer_service.h"

#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/decision/decider.h"
#include "tests/testing/fake_state_store.h"
#include "tests/testing/strategy_builder.h"

namespace attune::service {
namespace {

namespace pb = attune::v1;

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

const absl::Time kNow = absl::FromUnixSeconds(1'772'323'200);

class CustomerServiceTest : public ::testing::Test {
 protected:
  CustomerServiceTest()
      : strategy_(testing::BuildSmallStrategy(builder_)),
        service_({.strategy = strategy_,
                  .store = &store_,
                  .clock = &clock_,
                  .seed = HashKeyFromSeed(1),
                  .names = &builder_.dictionary()}) {}

  absl::Status Upsert(const std::string& text) {
    upserted_.Clear();
    violations_ = Violations();
    return service_.Upsert(testing::FromText<pb::CustomerServiceUpsertRequest>(text), &upserted_,
                           violations_);
  }
  absl::Status Get(const std::string& id) {
    got_.Clear();
    violations_ = Violations();
    pb::CustomerServiceGetRequest request;
    request.set_customer_id(id);
    return service_.Get(request, &got_, violations_);
  }
  // "plan=\"basic\" vip=true", in the order of the strategy.
  std::string Features(const std::string& id) {
    const absl::Status status = Get(id);
    if (!status.ok()) return std::string(status.message());
    std::string text;
    ListBuffers buffers;
    for (const std::string_view name : strategy_->features.Names()) {
      const auto it = got_.customer().features().find(std::string(name));
      if (it == got_.customer().features().end()) continue;
      text += (text.empty() ? "" : " ") + std::string(name) + "=" +
              ToValueRef(it->second, buffers)->ToString();
    }
    return text;
  }
  std::vector<std::string> Fields() const {
    std::vector<std::string> fields;
    for (const auto& violation : violations_.kept()) fields.push_back(violation.field);
    return fields;
  }

  testing::StrategyBuilder builder_;
  const std::shared_ptr<strategy::Strategy> strategy_;
  testing::FakeStateStore store_;
  ManualClock clock_{kNow};
  CustomerService service_;
  Violations violations_;
  pb::CustomerServiceUpsertResponse upserted_;
  pb::CustomerServiceGetResponse got_;
};

TEST_F(CustomerServiceTest, GivesBackEveryType) {
  ASSERT_TRUE(Upsert(R"(customer {
      customer_id: "a"
      features { key: "vip" value { bool_value: true } }
      features { key: "tenure_months" value { int_value: -3 } }
      features { key: "monthly_charges" value { double_value: 70.25 } }
      features { key: "plan" value { string_value: "gold" } }
      features { key: "since" value { timestamp_value { seconds: 1772323200 nanos: 1000 } } }
      features { key: "interests" value { string_list_value { values: "tv" values: "cars" } } }
      })")
                  .ok());
  EXPECT_TRUE(upserted_.created());
  EXPECT_EQ(Features("a"),
            "vip=true tenure_months=-3 monthly_charges=70.25 plan=\"gold\" "
            "since=2026-03-01T00:00:00.000001Z interests=[\"tv\", \"cars\"]");
  EXPECT_EQ(got_.customer().customer_id(), "a");
  EXPECT_EQ(got_.version(), upserted_.version());
  EXPECT_EQ(got_.update_time().seconds(), absl::ToUnixSeconds(kNow));
  EXPECT_EQ(got_.decision_count(), 0u);
}

TEST_F(CustomerServiceTest, KnowsNothingOfAnUnknownCustomer) {
  EXPECT_TRUE(absl::IsNotFound(Get("nobody")));
  EXPECT_TRUE(absl::IsInvalidArgument(Get("")));
  EXPECT_THAT(Fields(), ElementsAre("customer_id"));
}

TEST_F(CustomerServiceTest, ShowsRecentDecisions) {
  context::DecisionContext context;
  context.customer_id = "a";
  context.attributes.assign(strategy_->context.attributes.defaults().begin(),
                            strategy_->context.attributes.defaults().end());
  const decision::Decider decider(&store_, HashKeyFromSeed(1));
  decision::Decision decision;
  for (int i = 0; i < 3; ++i) {
    context.channel = i % 2;
    context.time_us = absl::ToUnixMicros(kNow) + i * 1'000'000;
    context.restricted = i == 2;  // to nothing
    ASSERT_TRUE(decider
                    .Decide(
                        *strategy_, context, {}, [](const auto&, auto, std::string*) {}, decision)
                    .ok());
  }
  ASSERT_TRUE(Get("a").ok());
  EXPECT_FALSE(got_.has_update_time());
  EXPECT_EQ(got_.decision_count(), 3u);
  ASSERT_EQ(got_.recent_decisions_size(), 2);
  EXPECT_EQ(got_.recent_decisions(0).channel(), "app");
  EXPECT_EQ(got_.recent_decisions(0).treatment_id(), "fast_callback");
  EXPECT_EQ(got_.recent_decisions(1).channel(), "ivr");
  EXPECT_EQ(got_.recent_decisions(1).time().seconds(), absl::ToUnixSeconds(kNow) + 1);
}

TEST_F(CustomerServiceTest, ATimeFromADamagedHistoryDoesNoHarm) {
  customer::RecordChange change;
  customer::Interaction decided;
  decided.time_ms = INT64_MAX;
  decided.treatment = strategy_->catalog.treatments[0].number;
  change.interactions = absl::MakeConstSpan(&decided, 1);
  std::string bytes;
  customer::EncodeRecord(customer::CustomerState(), "a", change, bytes);
  store_.SetRecord("a", bytes);
  ASSERT_TRUE(Get("a").ok());
  EXPECT_GT(got_.recent_decisions(0).time().seconds(), 0);
}

TEST_F(CustomerServiceTest, ShowsNoDecisionForWhichNothingQualified) {
  customer::RecordChange change;
  const customer::Interaction decided{.kind = customer::InteractionKind::kDecided,
                                      .time_ms = absl::ToUnixMillis(kNow),
                                      .channel = 0,
                                      .treatment = std::nullopt};
  change.interactions = absl::MakeConstSpan(&decided, 1);
  std::string bytes;
  customer::EncodeRecord(customer::CustomerState(), "a", change, bytes);
  store_.SetRecord("a", bytes);
  ASSERT_TRUE(Get("a").ok());
  EXPECT_EQ(got_.recent_decisions_size(), 0) << "records of earlier versions hold such";
  EXPECT_EQ(got_.recent_interactions_size(), 0);
}

constexpr char kKnown[] = R"(customer {
    customer_id: "a"
    features { key: "vip" value { bool_value: true } }
    features { key: "plan" value { string_value: "gold" } }
    features { key: "tenure_months" value { int_value: 5 } }
    })";

struct MaskCase {
  const char* name;
  std::string features;
  std::string mask;
  std::string expected;
};

TEST_F(CustomerServiceTest, WritesWhatTheMaskNames) {
  const std::string plan = R"(features { key: "plan" value { string_value: "new" } })";
  const std::string months = R"(features { key: "tenure_months" value { int_value: 9 } })";
  const std::string no_vip = R"(features { key: "vip" value {} })";
  const MaskCase cases[] = {
      {"no mask writes what is given", plan, "", "vip=true tenure_months=5 plan=\"new\""},
      {"no mask removes what has no kind", no_vip, "", "tenure_months=5 plan=\"gold\""},
      {"a mask leaves aside what it does not name", plan + months,
       "update_mask { paths: 'features.plan' }", "vip=true tenure_months=5 plan=\"new\""},
      {"a mask removes what it names and what is not given", plan,
       "update_mask { paths: 'features.plan' paths: 'features.vip' }",
       "tenure_months=5 plan=\"new\""},
      {"a mask that names a feature twice", plan,
       "update_mask { paths: 'features.vip' paths: 'features.vip' }",
       "tenure_months=5 plan=\"gold\""},
      {"features replaces all", plan, "update_mask { paths: 'features' }", "plan=\"new\""},
      {"star replaces all", no_vip + months, "update_mask { paths: '*' }", "tenure_months=9"},
      {"star among others replaces all", plan + months,
       "update_mask { paths: 'features.plan' paths: '*' }", "tenure_months=9 plan=\"new\""},
      {"an empty mask is none", plan, "update_mask {}", "vip=true tenure_months=5 plan=\"new\""},
  };
  for (const MaskCase& c : cases) {
    store_.SetRecord("a", std::nullopt);
    ASSERT_TRUE(Upsert(kKnown).ok());
    ASSERT_TRUE(Upsert("customer { customer_id: 'a' " + c.features + "} " + c.mask).ok()) << c.name;
    EXPECT_FALSE(upserted_.created()) << c.name;
    EXPECT_EQ(Features("a"), c.expected) << c.name;
  }
}

struct ViolationCase {
  const char* name;
  std::string request;
  std::string field;
  std::string description;  // a part of it
};

TEST_F(CustomerServiceTest, NamesTheFieldAndWhatIsWrong) {
  const auto feature = [](const std::string& name, const std::string& value) {
    return "customer { customer_id: 'a' features { key: '" + name + "' value {" + value + "} } }";
  };
  const ViolationCase cases[] = {
      {"no customer", "", "customer.customer_id", "must not be empty"},
      {"id with a tab", "customer { customer_id: '\\t' }", "customer.customer_id", "control"},
      {"unknown feature", feature("plam", "int_value: 1"), "customer.features[\"plam\"]",
       "declares no feature \"plam\"; did you mean \"plan\"?"},
      {"wrong type", feature("plan", "int_value: 1"), "customer.features[\"plan\"]",
       "must be of type string, not int"},
      {"NaN", feature("income", "double_value: nan"), "customer.features[\"income\"]",
       "must be finite"},
      {"nanos out of range", feature("since", "timestamp_value { nanos: -1 }"),
       "customer.features[\"since\"]", "years 1 and 9999"},
      {"long string", feature("plan", "string_value: '" + std::string(1'025, 'x') + "'"),
       "customer.features[\"plan\"]", "has 1025 bytes"},
      {"mask of an unknown feature",
       "customer { customer_id: 'a' } update_mask { paths: '*' paths: 'features.plam' }",
       "update_mask.paths[1]", "did you mean \"plan\"?"},
      {"mask of something else",
       "customer { customer_id: 'a' } update_mask { paths: 'customer_id' }", "update_mask.paths[0]",
       "must be features.<name>, features or *"},
      {"long request id",
       "customer { customer_id: 'a' } request_id: '" + std::string(129, 'x') + "'", "request_id",
       "at most 128"},
  };
  for (const ViolationCase& c : cases) {
    EXPECT_TRUE(absl::IsInvalidArgument(Upsert(c.request))) << c.name;
    ASSERT_THAT(Fields(), ElementsAre(c.field)) << c.name;
    EXPECT_THAT(violations_.kept()[0].description, HasSubstr(c.description)) << c.name;
  }
  EXPECT_EQ(store_.writes(), 0);
}

TEST_F(CustomerServiceTest, BoundsTheWorkForAHostileRequest) {
  pb::CustomerServiceUpsertRequest request;
  request.mutable_customer()->set_customer_id("a");
  // Each of these names would be compared with every declared one, were it not for the bound.
  for (int i = 0; i < 100'000; ++i) {
    const std::string name = std::string(60, 'x') + std::to_string(i);
    (*request.mutable_customer()->mutable_features())[name].set_int_value(1);
    request.mutable_update_mask()->add_paths("features." + name);
  }
  const absl::Status status = service_.Upsert(request, &upserted_, violations_);
  EXPECT_TRUE(absl::IsInvalidArgument(status));
  EXPECT_EQ(violations_.kept().size(), Violations::kMaxKept);
  EXPECT_EQ(violations_.count(), 200'000u);
}

TEST_F(CustomerServiceTest, AnswersARepeatedUpsertAlike) {
  ASSERT_TRUE(Upsert(std::string(kKnown) + "request_id: 'request-1'").ok());
  const uint64_t version = upserted_.version();
  EXPECT_TRUE(upserted_.created());
  ASSERT_TRUE(Upsert(std::string(kKnown) + "request_id: 'request-1'").ok());
  EXPECT_TRUE(upserted_.created());
  EXPECT_EQ(upserted_.version(), version);
  EXPECT_TRUE(
      absl::IsAlreadyExists(Upsert("customer { customer_id: 'a' } request_id: 'request-1'")));
}

TEST_F(CustomerServiceTest, ErasesEverything) {
  ASSERT_TRUE(Upsert(kKnown).ok());
  pb::CustomerServiceEraseRequest request;
  pb::CustomerServiceEraseResponse response;
  EXPECT_TRUE(absl::IsInvalidArgument(service_.Erase(request, &response, violations_)));
  request.set_customer_id("a");
  violations_ = Violations();
  ASSERT_TRUE(service_.Erase(request, &response, violations_).ok());
  EXPECT_TRUE(response.erased());
  EXPECT_EQ(response.erased_events(), 0);
  EXPECT_TRUE(absl::IsNotFound(Get("a")));
  response.Clear();
  ASSERT_TRUE(service_.Erase(request, &response, violations_).ok());
  EXPECT_FALSE(response.erased());
}

TEST_F(CustomerServiceTest, HandsOnTheErrorsOfTheStore) {
  store_.SetFaults({.load = absl::UnavailableError("down")});
  EXPECT_TRUE(absl::IsUnavailable(Get("a")));
  EXPECT_TRUE(absl::IsUnavailable(Upsert(kKnown)));
  store_.SetFaults({});
  store_.SetRecord("a", "\x01 damaged");
  EXPECT_TRUE(absl::IsDataLoss(Get("a")));
}

class ListFeaturesTest : public CustomerServiceTest {
 protected:
  absl::Status List(int page_size, const std::string& token) {
    pb::CustomerServiceListFeaturesRequest request;
    request.set_page_size(page_size);
    request.set_page_token(token);
    page_.Clear();
    violations_ = Violations();
    return service_.ListFeatures(request, &page_, violations_);
  }
  pb::CustomerServiceListFeaturesResponse page_;
};

TEST_F(ListFeaturesTest, ListsDeclarationsInTheirOrder) {
  ASSERT_TRUE(List(0, "").ok());
  ASSERT_EQ(page_.features_size(), 7);
  EXPECT_EQ(page_.next_page_token(), "");
  EXPECT_EQ(page_.strategy_version(), "small@0123456789ab");
  const pb::Feature& charges = page_.features(2);
  EXPECT_EQ(charges.name(), "monthly_charges");
  EXPECT_EQ(charges.type(), "double");
  EXPECT_EQ(charges.default_value().double_value(), 20);
  EXPECT_EQ(charges.description(), "What the customer pays per month.");
  EXPECT_FALSE(charges.protected_());
  EXPECT_TRUE(page_.features(6).protected_());
}

TEST_F(ListFeaturesTest, PagesGiveEveryFeatureOnce) {
  for (const int size : {1, 2, 3, 7, 8, INT32_MAX}) {
    std::vector<std::string> names;
    std::string token;
    do {
      ASSERT_TRUE(List(size, token).ok());
      EXPECT_LE(page_.features_size(), size);
      for (const pb::Feature& feature : page_.features()) names.push_back(feature.name());
      token = page_.next_page_token();
    } while (!token.empty());
    EXPECT_THAT(names, ElementsAre("vip", "tenure_months", "monthly_charges", "plan", "since",
                                   "interests", "income"));
  }
}

TEST_F(ListFeaturesTest, RefusesWhatIsNoPage) {
  for (const char* token : {"x", "-1", "8", "99999999999999999999"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(List(0, token))) << token;
    EXPECT_THAT(Fields(), ElementsAre("page_token")) << token;
  }
  EXPECT_TRUE(absl::IsInvalidArgument(List(-1, "")));
  EXPECT_THAT(Fields(), ElementsAre("page_size"));
}

class BatchTest : public CustomerServiceTest {
 protected:
  absl::Status Add(const std::string& text) {
    violations_ = Violations();
    return batch_.Add(testing::FromText<pb::CustomerServiceBatchUpsertRequest>(text), violations_);
  }
  // "received 3: 1 created, 1 updated, 0 unchanged, 1 rejected"
  std::string Finish() {
    result_.Clear();
    const absl::Status status = batch_.Finish(&result_);
    if (!status.ok()) return std::string(status.message());
    EXPECT_EQ(result_.received(),
              result_.created() + result_.updated() + result_.unchanged() + result_.rejected());
    return absl::StrCat("received ", result_.received(), ": ", result_.created(), " created, ",
                        result_.updated(), " updated, ", result_.unchanged(), " unchanged, ",
                        result_.rejected(), " rejected");
  }

  CustomerService::Batch batch_{&service_};
  pb::CustomerServiceBatchUpsertResponse result_;
};

TEST_F(BatchTest, WritesRowsUnderTheirColumns) {
  ASSERT_TRUE(Add(R"(
      feature_names: [ "income", "plan", "vip" ]
      rows {
        customer_id: "a"
        values { double_value: 10.5 } values { string_value: "x" } values { bool_value: true }
      }
      rows {
        customer_id: "b" values { int_value: 3 } values {} values {}
      })")
                  .ok());
  EXPECT_EQ(Finish(), "received 2: 2 created, 0 updated, 0 unchanged, 0 rejected");
  EXPECT_EQ(store_.syncs(), 1);
  EXPECT_EQ(Features("a"), "vip=true plan=\"x\" income=10.5");
  EXPECT_EQ(Features("b"), "income=3");
}

TEST_F(BatchTest, AnEmptyValueLeavesTheFeatureAsItIs) {
  ASSERT_TRUE(Upsert(kKnown).ok());
  ASSERT_TRUE(Add(R"(
      feature_names: [ "plan", "tenure_months" ]
      rows { customer_id: "a" values {} values { int_value: 6 } })")
                  .ok());
  EXPECT_EQ(Features("a"), "vip=true tenure_months=6 plan=\"gold\"");
}

TEST_F(BatchTest, LaterMessagesKeepTheColumnsOrNameNewOnes) {
  ASSERT_TRUE(Add(R"(feature_names: "plan"
                     rows { customer_id: "a" values { string_value: "1" } })")
                  .ok());
  ASSERT_TRUE(Add(R"(rows { customer_id: "a" values { string_value: "2" } })").ok());
  ASSERT_TRUE(Add(R"(feature_names: "vip"
                     rows { customer_id: "a" values { bool_value: true } })")
                  .ok());
  EXPECT_EQ(Finish(), "received 3: 1 created, 2 updated, 0 unchanged, 0 rejected");
  EXPECT_EQ(Features("a"), "vip=true plan=\"2\"");
}

TEST_F(BatchTest, RunningItAgainChangesNothing) {
  const char* message = R"(
      feature_names: "plan"
      rows { customer_id: "a" values { string_value: "1" } }
      rows { customer_id: "b" values { string_value: "2" } })";
  ASSERT_TRUE(Add(message).ok());
  const uint64_t version = store_.RecordOf("a").version.number;
  ASSERT_TRUE(Add(message).ok());
  EXPECT_EQ(Finish(), "received 4: 2 created, 0 updated, 2 unchanged, 0 rejected");
  EXPECT_EQ(store_.RecordOf("a").version.number, version);
}

TEST_F(BatchTest, RefusesBadRowsAndWritesTheOthers) {
  ASSERT_TRUE(Add(R"(
      feature_names: [ "plan", "income" ]
      rows { customer_id: "a" values { string_value: "1" } values { double_value: 1 } })")
                  .ok());
  ASSERT_TRUE(Add(R"(
      rows { customer_id: "" values { string_value: "1" } values {} }
      rows { customer_id: "b" values { string_value: "1" } }
      rows { customer_id: "c" values { int_value: 1 } values {} }
      rows { customer_id: "d" values {} values { double_value: inf } }
      rows { customer_id: "e" values { string_value: "5" } values {} })")
                  .ok());
  EXPECT_EQ(Finish(), "received 6: 2 created, 0 updated, 0 unchanged, 4 rejected");
  std::vector<std::string> rows;
  for (const pb::RejectedRow& row : result_.rejected_rows()) {
    rows.push_back(absl::StrCat(row.row_index(), " ", row.reason()));
  }
  EXPECT_THAT(
      rows, ElementsAre("1 customer_id must not be empty", "2 has 1 values; 2 features were named",
                        "3 plan must be of type string, not int",
                        "4 income must be finite, not NaN or infinite"));
  EXPECT_EQ(Features("e"), "plan=\"5\"");
  EXPECT_TRUE(absl::IsNotFound(Get("c")));
}

TEST_F(BatchTest, RefusesColumnsThatCanNotBe) {
  EXPECT_TRUE(absl::IsInvalidArgument(Add("rows { customer_id: 'a' }")));
  EXPECT_THAT(Fields(), ElementsAre("feature_names"));
  EXPECT_TRUE(absl::IsInvalidArgument(
      Add("feature_names: [ 'plan', 'plam', 'plan' ] rows { customer_id: 'a' }")));
  EXPECT_THAT(Fields(), ElementsAre("feature_names[1]", "feature_names[2]"));
  EXPECT_EQ(store_.writes(), 0);
}

TEST_F(BatchTest, RefusesAMessageWithTooManyRows) {
  pb::CustomerServiceBatchUpsertRequest message;
  message.add_feature_names("plan");
  for (int i = 0; i <= kMaxRowsPerMessage; ++i) message.add_rows();
  EXPECT_TRUE(absl::IsInvalidArgument(batch_.Add(message, violations_)));
  EXPECT_THAT(Fields(), ElementsAre("rows"));
}

TEST_F(BatchTest, ListsABoundedNumberOfRefusedRows) {
  pb::CustomerServiceBatchUpsertRequest message;
  message.add_feature_names("plan");
  for (int i = 0; i < kMaxRowsPerMessage; ++i) message.add_rows();
  ASSERT_TRUE(batch_.Add(message, violations_).ok());
  ASSERT_TRUE(batch_.Add(message, violations_).ok());
  EXPECT_EQ(Finish(), "received 20000: 0 created, 0 updated, 0 unchanged, 20000 rejected");
  EXPECT_EQ(result_.rejected_rows_size(), kMaxListedRejectedRows);
}

TEST_F(BatchTest, AStoreThatIsDownEndsTheStream) {
  const char* message = R"(feature_names: "plan"
                           rows { customer_id: "a" values { string_value: "1" } })";
  store_.SetFaults({.commit = absl::UnavailableError("down")});
  EXPECT_TRUE(absl::IsUnavailable(Add(message)));
  store_.SetFaults({.commit = absl::ResourceExhaustedError("disk full")});
  EXPECT_TRUE(absl::IsResourceExhausted(Add(message)));
  store_.SetFaults({.sync = absl::UnavailableError("the disk is gone")});
  ASSERT_TRUE(Add(message).ok());
  EXPECT_EQ(Finish(), "the disk is gone");
}

TEST_F(BatchTest, ADamagedCustomerIsARefusedRow) {
  store_.SetRecord("a", "\x01 damaged");
  ASSERT_TRUE(Add(R"(
      feature_names: "plan"
      rows { customer_id: "a" values { string_value: "1" } }
      rows { customer_id: "b" values { string_value: "1" } })")
                  .ok());
  EXPECT_EQ(Finish(), "received 2: 1 created, 0 updated, 0 unchanged, 1 rejected");
  EXPECT_EQ(result_.rejected_rows(0).row_index(), 0);
}

TEST_F(BatchTest, ChangesOfOneCustomerInOneMessageFollowEachOther) {
  ASSERT_TRUE(Add(R"(
      feature_names: [ "plan", "vip" ]
      rows { customer_id: "a" values { string_value: "1" } values {} }
      rows { customer_id: "a" values {} values { bool_value: true } }
      rows { customer_id: "a" values { string_value: "2" } values {} })")
                  .ok());
  EXPECT_EQ(Finish(), "received 3: 1 created, 2 updated, 0 unchanged, 0 rejected");
  EXPECT_EQ(Features("a"), "vip=true plan=\"2\"");
}

}  // namespace
}  // namespace attune::service
