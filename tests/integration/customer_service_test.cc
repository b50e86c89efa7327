// Reading and writing what is known about customers.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/integration/server_fixture.h"

namespace attune::service {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class ServerCustomerTest : public ServerTest {
 protected:
  ServerCustomerTest() { Start(); }

  // "name=value" of every feature that is held, by name.
  std::vector<std::string> Held(const std::string& customer_id) const {
    const auto response = Get(customer_id);
    const auto& features = response.customer().features();
    std::vector<std::string> held;
    for (const auto& [name, value] : features) {
      held.push_back(absl::StrCat(name, "=", value.ShortDebugString()));
    }
    std::sort(held.begin(), held.end());
    return held;
  }
};

TEST_F(ServerCustomerTest, KeepsValuesOfEveryTypeAsTheyAre) {
  const absl::Time since = absl::FromUnixMicros(-62'135'596'800'000'000);  // year 1
  const std::vector<std::pair<std::string, v1::Value>> features = {
      {"vip", Bool(true)},
      {"tenure_months", Int(std::numeric_limits<int64_t>::min())},
      {"monthly_charges", Double(-0.1)},
      {"plan", String("größer \"und\" schöner \xF0\x9F\x98\x80")},
      {"since", Timestamp(since)},
      {"interests", List({"", "tv", "tv"})},
      {"income", Double(1e300)},
  };
  const auto written = Upsert("ann", features);
  EXPECT_TRUE(written.created());
  const auto held = Get("ann");
  EXPECT_EQ(held.version(), written.version());
  EXPECT_EQ(held.customer().customer_id(), "ann");
  EXPECT_EQ(FromProtoTime(held.update_time()), Noon());
  EXPECT_EQ(held.decision_count(), 0u);
  EXPECT_THAT(held.customer().features(), SizeIs(features.size()));
  for (const auto& [name, value] : features) {
    EXPECT_EQ(Bytes(held.customer().features().at(name)), Bytes(value)) << name;
  }
}

TEST_F(ServerCustomerTest, AnIntIsHeldAsADoubleWhereOneIsDeclared) {
  Upsert("ann", {{"monthly_charges", Int(30)}});
  EXPECT_THAT(Held("ann"), ElementsAre("monthly_charges=double_value: 30"));
}

TEST_F(ServerCustomerTest, IdsAreTakenAsTheyAre) {
  for (const std::string& id :
       {std::string(" "), std::string("Ann"), std::string("ann"),
        std::string("\xC3\xA4\xF0\x9F\x98\x80/..\\'\";--"), std::string(256, 'x')}) {
    EXPECT_TRUE(Upsert(id, {{"plan", String(id)}}).created()) << id;
    EXPECT_EQ(Get(id).customer().features().at("plan").string_value(), id);
  }
}

TEST_F(ServerCustomerTest, NothingIsHeldAboutAnUnknownCustomer) {
  const auto answer = client().Get("nobody");
  EXPECT_EQ(answer.code(), grpc::StatusCode::NOT_FOUND);
}

TEST_F(ServerCustomerTest, ACustomerWithoutFeaturesIsKnown) {
  EXPECT_TRUE(Upsert("ann").created());
  EXPECT_FALSE(Upsert("ann").created());
  EXPECT_THAT(Held("ann"), IsEmpty());
  EXPECT_FALSE(Decide("ann", "app").unknown_customer());
}

TEST_F(ServerCustomerTest, WritingTheSameAgainChangesNothing) {
  const auto first = Upsert("ann", {{"plan", String("premium")}});
  clock_.Advance(absl::Hours(1));
  const auto again = Upsert("ann", {{"plan", String("premium")}});
  EXPECT_EQ(again.version(), first.version());
  EXPECT_FALSE(again.created());
  EXPECT_EQ(FromProtoTime(Get("ann").update_time()), Noon());
}

TEST_F(ServerCustomerTest, AMaskSaysWhatIsWritten) {
  const auto plan = std::pair("plan", String("new"));
  const auto charges = std::pair("monthly_charges", Double(9));
  const struct {
    const char* name;
    std::vector<std::pair<std::string, v1::Value>> given;
    std::vector<std::string> mask;  // {"-"}: none
    std::vector<std::string> held;
  } cases[] = {
      {"no mask writes what is given",
       {plan},
       {"-"},
       {"plan=string_value: \"new\"", "vip=bool_value: true"}},
      {"no mask removes what has no kind", {{"vip", {}}}, {"-"}, {"plan=string_value: \"old\""}},
      {"an empty mask is none", {plan}, {}, {"plan=string_value: \"new\"", "vip=bool_value: true"}},
      {"only what is named is written",
       {plan, charges},
       {"features.plan"},
       {"plan=string_value: \"new\"", "vip=bool_value: true"}},
      {"what is named and not given is removed",
       {plan},
       {"features.plan", "features.vip"},
       {"plan=string_value: \"new\""}},
      {"features replaces all", {charges}, {"features"}, {"monthly_charges=double_value: 9"}},
      {"a star replaces all", {plan}, {"*"}, {"plan=string_value: \"new\""}},
      {"a star and a name replace all",
       {plan},
       {"features.vip", "*"},
       {"plan=string_value: \"new\""}},
      {"a star and nothing empties", {}, {"*"}, {}},
  };
  for (const auto& c : cases) {
    auto reset = UpsertOf("ann", {{"plan", String("old")}, {"vip", Bool(true)}});
    reset.mutable_update_mask()->add_paths("*");
    ASSERT_TRUE(client().Upsert(reset).ok());
    auto request = UpsertOf("ann", c.given);
    if (c.mask != std::vector<std::string>{"-"}) {
      request.mutable_update_mask();
      for (const std::string& path : c.mask) request.mutable_update_mask()->add_paths(path);
    }
    const auto answer = client().Upsert(request);
    EXPECT_TRUE(answer.ok()) << c.name << ": " << answer.status.error_message();
    EXPECT_EQ(Held("ann"), c.held) << c.name;
  }
}

TEST_F(ServerCustomerTest, ListsEveryViolationOfAWrite) {
  auto request = UpsertOf("", {{"plan", Int(3)}, {"incmoe", Double(1)}});
  request.mutable_update_mask()->add_paths("customer_id");
  request.mutable_update_mask()->add_paths("features.plna");
  request.set_request_id("a\nb");
  const auto answer = client().Upsert(request);
  EXPECT_EQ(answer.code(), grpc::StatusCode::INVALID_ARGUMENT);
  std::vector<std::string> problems;
  for (const FieldProblem& p : ProblemsOf(answer.status)) {
    problems.push_back(absl::StrCat(p.field, " ", p.description));
  }
  EXPECT_THAT(
      problems,
      ::testing::UnorderedElementsAre(
          "customer.customer_id must not be empty",
          "request_id must not contain control characters (NUL, newline, tab, ...)",
          "customer.features[\"plan\"] must be of type string, not int",
          "customer.features[\"incmoe\"] the strategy declares no feature \"incmoe\"; did you mean "
          "\"income\"?",
          "update_mask.paths[0] is \"customer_id\"; must be features.<name>, features or *",
          "update_mask.paths[1] the strategy declares no feature \"plna\"; did you mean "
          "\"plan\"?"));
}

TEST_F(ServerCustomerTest, ABatchWritesTheGoodRowsAndListsTheBadOnes) {
  const auto messages = std::vector{
      RowsOf({"plan", "tenure_months"}, {{"c0", {String("basic"), Int(1)}},
                                         {"", {String("basic"), Int(1)}},
                                         {"c2", {String("basic")}},
                                         {"c3", {Int(1), Int(1)}},
                                         {"c4", {v1::Value(), Int(4)}}}),
      RowsOf({}, {{"c5", {String("premium"), Int(5)}}, {"c\n6", {String("basic"), Int(6)}}}),
      RowsOf({"monthly_charges"},
             {{"c0", {Double(70)}}, {"c8", {Double(std::numeric_limits<double>::quiet_NaN())}}}),
  };
  const auto first = client().BatchUpsert(messages);
  ASSERT_TRUE(first.ok()) << first.status.error_message();
  EXPECT_EQ(first.response.received(), 9);
  EXPECT_EQ(first.response.created(), 3);
  EXPECT_EQ(first.response.updated(), 1);
  EXPECT_EQ(first.response.unchanged(), 0);
  EXPECT_EQ(first.response.rejected(), 5);
  std::vector<std::string> rejected;
  for (const v1::RejectedRow& row : first.response.rejected_rows()) {
    rejected.push_back(absl::StrCat(row.row_index(), ": ", row.reason()));
  }
  EXPECT_THAT(
      rejected,
      ElementsAre("1: customer_id must not be empty", "2: has 1 values; 2 features were named",
                  "3: plan must be of type string, not int",
                  "6: customer_id must not contain control characters (NUL, newline, tab, "
                  "...)",
                  "8: monthly_charges must be finite, not NaN or infinite"));
  EXPECT_THAT(Held("c0"),
              ElementsAre("monthly_charges=double_value: 70", "plan=string_value: \"basic\"",
                          "tenure_months=int_value: 1"));
  EXPECT_THAT(Held("c4"), ElementsAre("tenure_months=int_value: 4"));
  EXPECT_THAT(Held("c5"),
              ElementsAre("plan=string_value: \"premium\"", "tenure_months=int_value: 5"));
  EXPECT_EQ(client().Get("c8").code(), grpc::StatusCode::NOT_FOUND);

  const auto version = Get("c0").version();
  const auto second = client().BatchUpsert(messages);
  ASSERT_TRUE(second.ok());
  EXPECT_EQ(second.response.received(), 9);
  EXPECT_EQ(second.response.unchanged(), 4);
  EXPECT_EQ(second.response.rejected(), 5);
  EXPECT_EQ(Get("c0").version(), version);
}

TEST_F(ServerCustomerTest, OfTwoRowsForOneCustomerTheLaterWins) {
  const auto answer = client().BatchUpsert(
      {RowsOf({"tenure_months"},
              {{"ann", {Int(1)}}, {"bob", {Int(1)}}, {"ann", {Int(2)}}, {"ann", {Int(2)}}})});
  ASSERT_TRUE(answer.ok());
  EXPECT_EQ(answer.response.created(), 2);
  EXPECT_EQ(answer.response.updated(), 1);
  EXPECT_EQ(answer.response.unchanged(), 1);
  EXPECT_THAT(Held("ann"), ElementsAre("tenure_months=int_value: 2"));
}

TEST_F(ServerCustomerTest, ABatchOfThousandsOverManyMessages) {
  std::vector<v1::CustomerServiceBatchUpsertRequest> messages;
  for (int m = 0; m < 20; ++m) {
    std::vector<std::pair<std::string, std::vector<v1::Value>>> rows;
    for (int i = 0; i < 1000; ++i) {
      rows.push_back({absl::StrCat("c", m * 1000 + i), {Int(i), Double(m)}});
    }
    messages.push_back(RowsOf({"tenure_months", "monthly_charges"}, rows));
  }
  const auto answer = client().BatchUpsert(messages);
  ASSERT_TRUE(answer.ok());
  EXPECT_EQ(answer.response.received(), 20'000);
  EXPECT_EQ(answer.response.created(), 20'000);
  EXPECT_THAT(Held("c19999"),
              ElementsAre("monthly_charges=double_value: 19", "tenure_months=int_value: 999"));
  EXPECT_FALSE(Decide("c12345", "app").unknown_customer());
}

TEST_F(ServerCustomerTest, AnEmptyBatchIsNoError) {
  const auto answer = client().BatchUpsert({});
  ASSERT_TRUE(answer.ok());
  EXPECT_EQ(answer.response.received(), 0);
}

TEST_F(ServerCustomerTest, ErasesTheRecordAndTheLoggedDecisions) {
  Upsert("ann", {{"plan", String("premium")}});
  v1::DecideRequest with_id = DecideFor("ann", "app");
  with_id.set_request_id("r");
  const auto before = Decide(with_id);
  for (int i = 0; i < 4; ++i) Decide("ann", "ivr");
  Decide("bob", "ivr");
  const auto erased = client().Erase("ann");
  ASSERT_TRUE(erased.ok());
  EXPECT_TRUE(erased.response.erased());
  EXPECT_EQ(erased.response.erased_events(), 5);
  EXPECT_EQ(client().Get("ann").code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(Get("bob").decision_count(), 1u) << "others stay";

  const auto again = client().Erase("ann");
  ASSERT_TRUE(again.ok()) << "erasing somebody unknown is no error";
  EXPECT_FALSE(again.response.erased());
  EXPECT_EQ(again.response.erased_events(), 0);

  Restart();
  EXPECT_EQ(client().Get("ann").code(), grpc::StatusCode::NOT_FOUND);
  const auto after = Decide(with_id);
  EXPECT_TRUE(after.unknown_customer());
  EXPECT_NE(Ranking(after), Ranking(before)) << "the earlier answer is gone as well";
  EXPECT_EQ(Get("ann").decision_count(), 1u);
}

TEST_F(ServerCustomerTest, ListsFeaturesPageByPage) {
  std::vector<std::string> names;
  std::string token;
  int pages = 0;
  do {
    const auto page = client().ListFeatures(3, token);
    ASSERT_TRUE(page.ok());
    EXPECT_LE(page.response.features_size(), 3);
    for (const v1::Feature& feature : page.response.features()) names.push_back(feature.name());
    EXPECT_EQ(page.response.strategy_version(), Decide("ann", "app").strategy_version());
    token = page.response.next_page_token();
  } while (++pages < 10 && !token.empty());
  EXPECT_EQ(pages, 3);
  EXPECT_THAT(names, ElementsAre("vip", "tenure_months", "monthly_charges", "plan", "since",
                                 "interests", "income"));
  const auto all = client().ListFeatures();
  ASSERT_THAT(all.response.features(), SizeIs(7));
  EXPECT_EQ(all.response.next_page_token(), "");
  EXPECT_EQ(all.response.features(2).ShortDebugString(),
            "name: \"monthly_charges\" type: \"double\" default_value { double_value: 20 } "
            "description: \"What the customer pays.\"");
  EXPECT_EQ(all.response.features(6).type(), "double");
  EXPECT_TRUE(all.response.features(6).protected_());
  EXPECT_TRUE(all.response.features(5).default_value().has_string_list_value());
}

TEST_F(ServerCustomerTest, RefusesPagesThatAreNone) {
  for (const char* token : {"x", "-1", "8", "99999999999999999999"}) {
    const auto answer = client().ListFeatures(0, token);
    EXPECT_EQ(answer.code(), grpc::StatusCode::INVALID_ARGUMENT) << token;
    EXPECT_THAT(FieldsOf(answer.status), ElementsAre("page_token")) << token;
  }
  const auto answer = client().ListFeatures(-1);
  EXPECT_THAT(FieldsOf(answer.status), ElementsAre("page_size"));
}

}  // namespace
}  // namespace attune::service
