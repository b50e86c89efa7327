#include "lib/scoring/remote_scorer.h"

#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace attune::scoring {
namespace {

// Answers as the test says.
class ScriptedTransport : public RemoteTransport {
 public:
  using Script = std::function<RemoteAnswer(absl::Time deadline, const Predictions& predictions)>;
  explicit ScriptedTransport(Script* script) : script_(*script) {}

  RemoteAnswer Ask(absl::Span<const double>, absl::Time deadline,
                   const Predictions& predictions) override {
    return script_(deadline, predictions);
  }

 private:
  Script& script_;
};

class RemoteScorerTest : public ::testing::Test {
 protected:
  static RemoteSettings Settings() {
    RemoteSettings settings;
    settings.columns = 1;
    settings.deadline = absl::Milliseconds(20);
    settings.max_concurrent = 2;
    settings.breaker = {.failures = 2, .open_for = absl::Seconds(1)};
    return settings;
  }
  ModelFailure Ask(absl::Time deadline = absl::InfiniteFuture()) {
    return scorer_.Ask(row_, deadline, {absl::MakeSpan(propensity_), absl::MakeSpan(deviation_)})
        .failure;
  }
  void AnswerWith(ModelFailure failure) {
    script_ = [failure](absl::Time, const Predictions&) -> RemoteAnswer { return {failure, ""}; };
  }

  const std::vector<double> row_ = {1};
  std::vector<double> propensity_ = {0};
  std::vector<double> deviation_ = {kUnknownDeviation};
  ManualClock clock_{absl::FromUnixSeconds(1'000)};
  ScriptedTransport::Script script_;
  RemoteScorer scorer_{Settings(), std::make_unique<ScriptedTransport>(&script_), &clock_};
};

TEST_F(RemoteScorerTest, PassesOnTheAnswer) {
  script_ = [](absl::Time, const Predictions& predictions) -> RemoteAnswer {
    predictions.propensity[0] = 0.25;
    predictions.deviation[0] = 0.125;
    return {};
  };
  EXPECT_EQ(Ask(), ModelFailure::kNone);
  EXPECT_EQ(propensity_[0], 0.25);
  EXPECT_EQ(deviation_[0], 0.125);
  EXPECT_EQ(scorer_.count(ModelFailure::kNone), 1u);
}

TEST_F(RemoteScorerTest, WaitsNoLongerThanTheStrategyOrTheCallerSays) {
  absl::Time seen;
  script_ = [&](absl::Time deadline, const Predictions&) -> RemoteAnswer {
    seen = deadline;
    return {};
  };
  const absl::Time now = clock_.Now();
  Ask();
  EXPECT_EQ(seen, now + absl::Milliseconds(20));
  Ask(now + absl::Milliseconds(8));
  EXPECT_EQ(seen, now + absl::Milliseconds(6)) << "the rest is for the decision";
  Ask(now + absl::Seconds(5));
  EXPECT_EQ(seen, now + absl::Milliseconds(20));
}

TEST_F(RemoteScorerTest, AsksNothingWhenNoTimeIsLeft) {
  script_ = [](absl::Time, const Predictions&) -> RemoteAnswer {
    ADD_FAILURE() << "it was asked";
    return {};
  };
  EXPECT_EQ(Ask(clock_.Now()), ModelFailure::kNoTime);
  EXPECT_EQ(scorer_.count(ModelFailure::kNoTime), 1u);
  EXPECT_EQ(Ask(absl::InfinitePast()), ModelFailure::kNotAsked);
  EXPECT_EQ(scorer_.count(ModelFailure::kNotAsked), 0u);
}

TEST_F(RemoteScorerTest, HasNoMoreCallsUnderWayThanAllowed) {
  std::vector<ModelFailure> inner;
  script_ = [&](absl::Time, const Predictions&) -> RemoteAnswer {
    // Each call makes another one while it is under way.
    inner.push_back(Ask());
    return {};
  };
  EXPECT_EQ(Ask(), ModelFailure::kNone);
  EXPECT_THAT(inner, ::testing::ElementsAre(ModelFailure::kBusy, ModelFailure::kNone));
  EXPECT_EQ(scorer_.count(ModelFailure::kBusy), 1u);
  script_ = [](absl::Time, const Predictions&) -> RemoteAnswer { return {}; };
  EXPECT_EQ(Ask(), ModelFailure::kNone) << "places are given back";
}

TEST_F(RemoteScorerTest, LeavesAServerAloneThatFails) {
  AnswerWith(ModelFailure::kUnavailable);
  EXPECT_EQ(Ask(), ModelFailure::kUnavailable);
  EXPECT_EQ(Ask(), ModelFailure::kUnavailable);
  EXPECT_EQ(scorer_.breaker_state(), CircuitBreaker::State::kOpen);
  AnswerWith(ModelFailure::kNone);
  EXPECT_EQ(Ask(), ModelFailure::kBreakerOpen);
  EXPECT_EQ(scorer_.count(ModelFailure::kBreakerOpen), 1u);
  clock_.Advance(absl::Seconds(1));
  EXPECT_EQ(Ask(), ModelFailure::kNone);
  EXPECT_EQ(scorer_.breaker_state(), CircuitBreaker::State::kClosed);
}

TEST_F(RemoteScorerTest, CallersInAHurryTellLessAboutTheServer) {
  AnswerWith(ModelFailure::kTimeout);
  // Four times the breaker's two failures.
  for (int i = 0; i < 8; ++i) {
    EXPECT_EQ(scorer_.breaker_state(), CircuitBreaker::State::kClosed) << i;
    EXPECT_EQ(Ask(clock_.Now() + absl::Milliseconds(1)), ModelFailure::kTimeout);
  }
  EXPECT_EQ(scorer_.breaker_state(), CircuitBreaker::State::kOpen);
}

}  // namespace
}  // namespace attune::scoring
