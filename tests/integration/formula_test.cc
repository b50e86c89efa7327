// Formulas of a strategy, over gRPC: as models, as the priority, as content.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/integration/server_fixture.h"

namespace attune::service {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

// The small strategy: `sell` is a formula, there is one of the priority, and the queue of the
// callback and the text of the accessory are computed.
std::string FormulaStrategy() {
  std::string text =
      Replaced(kSmallStrategy, "{name: sell, file: sell.yaml}",
               "{name: sell, formula: \"double(10 / customer.tenure_months) / 10.0\"}");
  text = Replaced(text, "ivr: {queue: fast}",
                  "ivr: {queue: {computed: \"customer.plan == 'premium' ? 'vip' : 'fast'\"}}");
  text = Replaced(text, "app: {text: A new cable.}",
                  "app: {text: A new cable., euros: {computed: 100.0 / customer.monthly_charges}}");
  return Replaced(
      text, "  max_treatments: 2",
      "  max_treatments: 2\n"
      "  priority: \"propensity * value - cost + (treatment.group == 'offer' ? 1000.0 : "
      "0.0)\"");
}

class ServerFormulaTest : public ServerTest {
 protected:
  ServerFormulaTest() {
    WriteStrategy(dir_.path(), FormulaStrategy());
    Start();
  }

  v1::DecideResponse ExplainedOnApp(const std::string& customer) const {
    v1::DecideRequest request = DecideFor(customer, "app");
    request.set_explain(true);
    return Decide(request);
  }
  static std::string DetailOf(const v1::DecideResponse& response, const std::string& treatment) {
    for (const v1::RejectedTreatment& rejected : response.rejected_treatments()) {
      if (rejected.treatment_id() == treatment) return rejected.detail();
    }
    return "not rejected";
  }
};

TEST_F(ServerFormulaTest, RanksByFormulasAndSaysWhatTheyLookedAt) {
  Upsert("ann", {{"tenure_months", Int(2)}, {"monthly_charges", Double(40)}});
  const v1::DecideResponse response = ExplainedOnApp("ann");
  ASSERT_THAT(Ranking(response), ElementsAre("spring_sale", "accessory"));
  const v1::RankedTreatment& sale = response.treatments(0);
  EXPECT_DOUBLE_EQ(sale.propensity(), 0.5);  // 10 / 2 / 10
  EXPECT_DOUBLE_EQ(sale.priority(), 0.5 * 40 - 1 + 1000);
  EXPECT_THAT(sale.model_version(), HasSubstr("sell@"));
  EXPECT_THAT(sale.reasons(), ElementsAre("customer.tenure_months = 2"));
  EXPECT_EQ(sale.ranks().by_priority(), 1);
  // Without values the two are the same to the formula, and ties are broken by name.
  EXPECT_EQ(sale.ranks().without_value(), 2);
  EXPECT_EQ(response.treatments(1).ranks().without_value(), 1);
}

TEST_F(ServerFormulaTest, AnswersWithWhatIsWrittenAndWhatIsComputed) {
  Upsert("ann", {{"tenure_months", Int(2)}, {"monthly_charges", Double(40)}});
  const v1::DecideResponse on_app = Decide("ann", "app");
  ASSERT_EQ(on_app.treatments_size(), 2);
  EXPECT_EQ(on_app.treatments(1).content().at("text"), "A new cable.");
  EXPECT_EQ(on_app.treatments(1).content().at("euros"), "2.5");
  const auto queue = [&] {
    v1::DecideRequest request = DecideFor("ann", "ivr");
    request.add_treatment_ids("fast_callback");
    return Decide(request).treatments(0).content().at("queue");
  };
  EXPECT_EQ(queue(), "fast");
  Upsert("ann", {{"plan", String("premium")}});
  EXPECT_EQ(queue(), "vip");
}

TEST_F(ServerFormulaTest, DropsAndCountsWhatCanNotBeEvaluated) {
  Upsert("ann", {{"tenure_months", Int(0)}});
  v1::DecideResponse response = ExplainedOnApp("ann");
  EXPECT_FALSE(response.degraded());
  EXPECT_THAT(Counts(response), Contains("scoring/score_error=2"));
  EXPECT_THAT(DetailOf(response, "accessory"),
              HasSubstr("can't be evaluated: division by zero; customer.tenure_months = 0"));

  Upsert("bob", {{"tenure_months", Int(2)}, {"monthly_charges", Double(0)}});
  response = ExplainedOnApp("bob");
  EXPECT_THAT(Ranking(response), Not(Contains("accessory")));
  EXPECT_EQ(response.treatments_size(), 2) << "the next one moves up";
  EXPECT_THAT(Counts(response), Contains("arbitration/content_error=1"));
  EXPECT_THAT(DetailOf(response, "accessory"), HasSubstr("the content \"euros\" comes to "));
}

TEST_F(ServerFormulaTest, AnswersWithTheValueAndTheCostThatWereComputed) {
  Stop();
  WriteStrategy(dir_.path(),
                Replaced(kSmallStrategy, "    value: 30\n    cost: 1\n",
                         "    value: {computed: 1000.0 / double(customer.tenure_months)}\n"
                         "    cost: {computed: customer.monthly_charges / 10.0}\n"));
  Start();
  Upsert("ann", {{"tenure_months", Int(8)}, {"monthly_charges", Double(40)}});
  v1::DecideRequest request = DecideFor("ann", "app");
  request.set_explain(true);
  request.add_treatment_ids("accessory");
  const v1::DecideResponse response = Decide(request);
  ASSERT_EQ(response.treatments_size(), 1);
  const v1::RankedTreatment& accessory = response.treatments(0);
  EXPECT_EQ(accessory.value(), 125);
  EXPECT_EQ(accessory.cost(), 4);
  EXPECT_DOUBLE_EQ(accessory.priority(), accessory.propensity() * 125 - 4);
  EXPECT_THAT(accessory.reasons(), Contains("value 125 is 1000.0 / double(customer.tenure_months); "
                                            "customer.tenure_months = 8"));
  EXPECT_THAT(accessory.reasons(),
              Contains("cost 4 is customer.monthly_charges / 10.0; customer.monthly_charges = 40"));

  Upsert("bob", {{"tenure_months", Int(-1)}});
  const v1::DecideResponse refused = ExplainedOnApp("bob");
  EXPECT_FALSE(refused.degraded());
  EXPECT_THAT(Counts(refused), Contains("arbitration/value_error=1"));
  EXPECT_THAT(DetailOf(refused, "accessory"), HasSubstr(" comes to -1000; "));
}

TEST_F(ServerFormulaTest, ARetryGetsWhatWasComputedThen) {
  Upsert("ann", {{"tenure_months", Int(2)}, {"monthly_charges", Double(40)}});
  v1::DecideRequest request = DecideFor("ann", "app");
  request.set_request_id("r-1");
  ASSERT_EQ(Decide(request).treatments(1).content().at("euros"), "2.5");
  Upsert("ann", {{"monthly_charges", Double(50)}});
  EXPECT_EQ(Decide(request).treatments(1).content().at("euros"), "2.5");
  request.set_request_id("r-2");
  EXPECT_EQ(Decide(request).treatments(1).content().at("euros"), "2");
}

}  // namespace
}  // namespace attune::service
