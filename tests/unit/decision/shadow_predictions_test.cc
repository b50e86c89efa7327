#include "lib/decision/shadow_predictions.h"

#include <memory>
#include <string>
#include <vector>

#include "attune/storage/v1/event.pb.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/decision/decider.h"
#include "lib/scoring/adaptive_scorer.h"
#include "tests/testing/fake_state_store.h"
#include "tests/testing/strategy_builder.h"

namespace attune::decision {
namespace {

using ::testing::IsEmpty;
using ::testing::Not;

// The small strategy with an adaptive model that has learned nothing: it says 0.25.
class ShadowPredictionsTest : public ::testing::Test {
 protected:
  ShadowPredictionsTest()
      : strategy_(builder_.BuildFromText(testing::kSmallStrategy,
                                         {testing::kSolveModel, testing::kSellModel})) {
    context_.customer_id = "customer-1";
    context_.time_us = 1'772'323'200'000'000;
    context_.attributes.assign(strategy_->context.attributes.defaults().begin(),
                               strategy_->context.attributes.defaults().end());
    context_.max_treatments = 10;
  }

  // Adds the model in this mode; it learns from all treatments, or from none.
  void AddAdaptive(strategy::AdaptiveUse::Mode mode, bool of_all = true) {
    const auto reference = testing::FromText<attune::strategy::v1::ModelReference>(
        "name: 'learning' adaptive { prior: 0.25 }");
    scoring::ModelSet& models = strategy_->models;
    auto scorer = scoring::AdaptiveScorer::Create(
        reference, models.models.size(), 4,
        {strategy_->features, strategy_->context, strategy_->catalog}, models.inputs,
        [](std::string_view path, const std::string& message) {
          ADD_FAILURE() << path << ": " << message;
        });
    strategy_->adaptive.push_back(
        {.model = static_cast<int>(models.models.size()),
         .mode = mode,
         .scorer = scorer.get(),
         .treatments = std::vector<bool>(strategy_->catalog.treatments.size(), of_all)});
    models.models.push_back({"learning", "learning@0123456789ab", std::move(scorer)});
  }

  attune::storage::v1::DecisionEvent Decide(bool dry_run = false) {
    DecideOptions options;
    options.dry_run = dry_run;
    const auto answer = [](const Decision&, AnswerForm, std::string* bytes) { *bytes = "answer"; };
    const absl::Status status = Decider(&store_, HashKeyFromSeed(1))
                                    .Decide(*strategy_, context_, options, answer, decision_);
    EXPECT_TRUE(status.ok()) << status;
    attune::storage::v1::DecisionEvent event;
    if (dry_run) return event;
    EXPECT_TRUE(event.ParseFromString(store_.Log().back().payload));
    return event;
  }
  static void ExpectAShadowOfAllThatIsRanked(const attune::storage::v1::DecisionEvent& event) {
    ASSERT_THAT(event.ranking(), Not(IsEmpty()));
    std::vector<uint32_t> scored;
    for (const auto& shadow : event.shadow()) {
      scored.push_back(shadow.scored());
      EXPECT_EQ(event.model_versions(static_cast<int>(shadow.model())), "learning@0123456789ab");
      EXPECT_NEAR(shadow.propensity(), 0.25, 1e-6);
    }
    EXPECT_THAT(scored, ::testing::UnorderedElementsAreArray(event.ranking()));
  }

  testing::StrategyBuilder builder_;
  std::shared_ptr<strategy::Strategy> strategy_;
  context::DecisionContext context_;
  testing::FakeStateStore store_;
  Decision decision_;
};

TEST_F(ShadowPredictionsTest, AreInTheEventOfTheDecision) {
  AddAdaptive(strategy::AdaptiveUse::Mode::kShadow);
  const auto event = Decide();
  ExpectAShadowOfAllThatIsRanked(event);
  std::vector<float> served(event.propensity().begin(), event.propensity().end());
  EXPECT_THAT(served, Not(::testing::Contains(0.25F))) << "nothing is decided by them";
}

TEST_F(ShadowPredictionsTest, AreThoseOfTheChannelThatWasChosen) {
  AddAdaptive(strategy::AdaptiveUse::Mode::kShadow);
  context_.open_channels = {0, 1};
  ExpectAShadowOfAllThatIsRanked(Decide());
}

TEST_F(ShadowPredictionsTest, AreNotMadeWhereNobodyWouldReadThem) {
  AddAdaptive(strategy::AdaptiveUse::Mode::kShadow);
  Decide(/*dry_run=*/true);
  EXPECT_THAT(decision_.shadows, IsEmpty());
}

TEST_F(ShadowPredictionsTest, AreOfModelsInModeShadowAndOfTheirTreatmentsOnly) {
  AddAdaptive(strategy::AdaptiveUse::Mode::kOnline);
  AddAdaptive(strategy::AdaptiveUse::Mode::kLogging);
  AddAdaptive(strategy::AdaptiveUse::Mode::kShadow, /*of_all=*/false);
  EXPECT_THAT(Decide().shadow(), IsEmpty());
}

TEST_F(ShadowPredictionsTest, OfADecisionAreNotThoseOfTheOneBefore) {
  AddAdaptive(strategy::AdaptiveUse::Mode::kShadow);
  Decide();
  EXPECT_THAT(decision_.shadows, Not(IsEmpty()));
  context_.restricted = true;
  Decide();
  EXPECT_THAT(decision_.result.arbitration.ranked, IsEmpty());
  EXPECT_THAT(decision_.shadows, IsEmpty());
}

}  // namespace
}  // namespace attune::decision
