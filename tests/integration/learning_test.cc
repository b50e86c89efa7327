// The loop closed over gRPC: decide, show, report, and the next decision has learned from it.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "prometheus/text_serializer.h"
#include "service/ctl/ctl.h"
#include "tests/integration/server_fixture.h"

namespace attune::service {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::SizeIs;

// The small strategy whose offers are predicted by a model that learns.
std::string LearningStrategy(const std::string& adaptive) {
  std::string text = Replaced(kSmallStrategy, "file: sell.yaml", "adaptive: " + adaptive);
  return Replaced(text, "models:\n", R"yaml(outcomes:
  - {name: shown, showing: true, window: 1d}
  - {name: accepted, window: 2d, final: true}
  - {name: rejected, window: 2d, final: true}
learning:
  reward: "outcome.accepted.seen ? treatment.value - treatment.cost : -treatment.cost"
models:
)yaml");
}

constexpr char kAcceptance[] = "{inputs: [customer.plan, context.channel], prior: 0.1}";

class ServerLearningTest : public ServerTest {
 protected:
  ServerLearningTest() {
    WriteStrategy(dir_.path(), LearningStrategy(kAcceptance));
    Start();
  }

  static v1::DecideRequest RequestFor(const std::string& customer, const std::string& treatment) {
    v1::DecideRequest request = DecideFor(customer, "app");
    request.add_treatment_ids(treatment);
    return request;
  }
  // What the model says of the treatment now.
  double PropensityOf(const std::string& treatment) const {
    v1::DecideRequest request = RequestFor("somebody", treatment);
    request.set_dry_run(true);
    const v1::DecideResponse answer = Decide(request);
    EXPECT_THAT(answer.treatments(), SizeIs(1));
    return answer.treatments_size() == 0 ? -1 : answer.treatments(0).propensity();
  }
  // Somebody is shown the treatment, and this becomes of it.
  void Show(const std::string& treatment, const std::string& outcome) {
    const v1::DecideResponse decision =
        Decide(RequestFor(absl::StrCat("customer ", ++customers_), treatment));
    v1::OutcomeServiceActivateRequest activate;
    activate.set_decision_id(decision.decision_id());
    const auto shown = client().Activate(activate);
    ASSERT_TRUE(shown.ok()) << shown.status.error_message();
    v1::OutcomeServiceRecordOutcomeRequest request;
    request.set_decision_id(decision.decision_id());
    request.set_treatment_id(treatment);
    request.set_outcome(outcome);
    request.set_source(v1::OUTCOME_SOURCE_CUSTOMER);
    request.set_request_id(absl::StrCat("outcome ", customers_));
    for (int retry = 0; retry < 2; ++retry) {
      const auto answer = client().RecordOutcome(request);
      ASSERT_TRUE(answer.ok()) << answer.status.error_message();
    }
  }
  void Learn() {
    const absl::Status status = server().LearnFromOutcomes();
    ASSERT_TRUE(status.ok()) << status;
  }
  v1::ModelServiceGetHealthResponse HealthOf(const std::string& model) const {
    v1::ModelServiceGetHealthRequest request;
    request.set_name(model);
    v1::ModelServiceGetHealthResponse health;
    grpc::ClientContext context;
    const grpc::Status status = client().models().GetHealth(&context, request, &health);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return health;
  }

  int customers_ = 0;
};

TEST_F(ServerLearningTest, WhatIsAcceptedIsMoreLikelyInTheNextDecision) {
  EXPECT_NEAR(PropensityOf("accessory"), 0.1, 0.03);
  for (int i = 0; i < 20; ++i) {
    Show("accessory", "accepted");
    Show("spring_sale", "rejected");
  }
  Learn();
  EXPECT_GT(PropensityOf("accessory"), 0.4);
  EXPECT_LT(PropensityOf("spring_sale"), 0.25);

  const v1::ModelServiceGetHealthResponse health = HealthOf("sell");
  EXPECT_EQ(health.mode(), "online");
  EXPECT_EQ(health.examples(), 40) << "each outcome once, however often it was told";
  EXPECT_EQ(health.own().responses(), 40);
  EXPECT_EQ(health.own().positives(), 20);
  EXPECT_EQ(health.served().responses(), 40);
  ASSERT_THAT(health.rates(), SizeIs(2));
  EXPECT_EQ(health.rates(0).treatment_id(), "accessory");
  EXPECT_EQ(health.rates(0).shown(), 20);
  EXPECT_EQ(health.rates(0).positives(), 20);
  EXPECT_EQ(health.rates(0).mean_reward(), 29) << "30 less the cost of 1";
  EXPECT_EQ(health.rates(1).mean_reward(), -1);
}

TEST_F(ServerLearningTest, TheSameIsKnownToTheBitAfterARestart) {
  for (int i = 0; i < 100; ++i) Show("accessory", i % 3 == 0 ? "accepted" : "rejected");
  Learn();
  const double before = PropensityOf("accessory");
  const auto health = HealthOf("sell");
  Restart();
  EXPECT_EQ(PropensityOf("accessory"), before);
  EXPECT_EQ(HealthOf("sell").SerializeAsString(), health.SerializeAsString());
  Show("accessory", "accepted");
  Learn();
  EXPECT_EQ(HealthOf("sell").examples(), 101) << "nothing is learned for a second time";
}

TEST_F(ServerLearningTest, TheThreadLearnsByItself) {
  const double before = PropensityOf("accessory");
  Show("accessory", "accepted");
  const absl::Time give_up = absl::Now() + absl::Seconds(30);
  while (PropensityOf("accessory") == before && absl::Now() < give_up) std::this_thread::yield();
  EXPECT_GT(PropensityOf("accessory"), before);
}

TEST_F(ServerLearningTest, AnotherRewardOrPriorKeepsWhatWasLearnedAndOtherInputsDoNot) {
  for (int i = 0; i < 10; ++i) Show("accessory", "accepted");
  Learn();
  RestartWith(Replaced(LearningStrategy("{inputs: [customer.plan, context.channel], prior: 0.2}"),
                       ": -treatment.cost\"", ": 0.0\""));
  EXPECT_EQ(HealthOf("sell").examples(), 10);
  EXPECT_GT(PropensityOf("accessory"), 0.5);
  RestartWith(LearningStrategy("{inputs: [customer.plan]}"));
  EXPECT_EQ(HealthOf("sell").examples(), 0);
}

TEST_F(ServerLearningTest, AShadowLearnsWhileAnotherServes) {
  RestartWith(Replaced(LearningStrategy("{mode: shadow, serve: fixed}}\n  - {name: fixed, formula: "
                                        "'0.125'"),
                       "max_treatments: 2", "max_treatments: 3"));
  for (int i = 0; i < 10; ++i) Show("accessory", "accepted");
  Learn();
  EXPECT_EQ(PropensityOf("accessory"), 0.125);
  const v1::ModelServiceGetHealthResponse health = HealthOf("sell");
  EXPECT_EQ(health.mode(), "shadow");
  EXPECT_EQ(health.examples(), 10);
  EXPECT_LT(health.own().log_loss(), health.served().log_loss()) << "the shadow is better";
}

TEST_F(ServerLearningTest, ASuccessRateIsAModelPerTreatmentAndChannel) {
  RestartWith(Replaced(LearningStrategy("{}"), "adaptive: {}",
                       "success_rate: {prior: 0.5, prior_strength: 2}"));
  EXPECT_EQ(PropensityOf("accessory"), 0.5);
  for (int i = 0; i < 8; ++i) Show("accessory", i < 2 ? "accepted" : "rejected");
  Show("spring_sale", "rejected");
  Learn();
  EXPECT_DOUBLE_EQ(PropensityOf("accessory"), 0.3) << "(0.5 x 2 + 2) / (2 + 8)";
  EXPECT_DOUBLE_EQ(PropensityOf("spring_sale"), 1.0 / 3);
  v1::DecideRequest request = DecideFor("somebody", "ivr");
  request.add_treatment_ids("accessory");
  request.set_explain(true);
  const v1::DecideResponse on_ivr = Decide(request);
  ASSERT_THAT(on_ivr.treatments(), SizeIs(1));
  EXPECT_EQ(on_ivr.treatments(0).propensity(), 0.5) << "nothing was shown there";
  EXPECT_EQ(on_ivr.treatments(0).reasons(0), "success rate sell answered 0.5");
  Restart();
  EXPECT_DOUBLE_EQ(PropensityOf("accessory"), 0.3);
}

TEST_F(ServerLearningTest, ListsTheRatesOfAllTreatmentsPageByPage) {
  for (int i = 0; i < 4; ++i) Show("accessory", i == 0 ? "rejected" : "accepted");
  Show("spring_sale", "rejected");
  Learn();
  const auto list = [&](v1::ModelServiceListRatesRequest request,
                        v1::ModelServiceListRatesResponse* rates) {
    grpc::ClientContext context;
    return client().models().ListRates(&context, request, rates);
  };
  v1::ModelServiceListRatesRequest request;
  request.set_page_size(1);
  v1::ModelServiceListRatesResponse first;
  ASSERT_TRUE(list(request, &first).ok());
  ASSERT_THAT(first.rates(), SizeIs(1));
  EXPECT_EQ(first.total_size(), 2);
  EXPECT_EQ(first.rates(0).treatment_id(), "accessory");
  EXPECT_EQ(first.rates(0).channel(), "app");
  EXPECT_EQ(first.rates(0).rate(), 0.75);
  request.set_page_token(first.next_page_token());
  v1::ModelServiceListRatesResponse second;
  ASSERT_TRUE(list(request, &second).ok());
  ASSERT_THAT(second.rates(), SizeIs(1));
  EXPECT_EQ(second.rates(0).treatment_id(), "spring_sale");
  EXPECT_EQ(second.next_page_token(), "");

  request.Clear();
  request.set_treatment_id("accesory");
  request.set_channel("tv");
  request.set_page_size(-1);
  request.set_page_token("x");
  const grpc::Status wrong = list(request, &second);
  EXPECT_EQ(wrong.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(wrong.error_message(), HasSubstr("did you mean \"accessory\"?"));
}

TEST_F(ServerLearningTest, WithoutLearningThereAreNoRates) {
  RestartWith(kSmallStrategy);
  v1::ModelServiceListRatesResponse rates;
  grpc::ClientContext context;
  const grpc::Status status = client().models().ListRates(&context, {}, &rates);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_THAT(status.error_message(), HasSubstr("add learning to it"));
}

TEST_F(ServerLearningTest, AScoreIsTakenApart) {
  for (int i = 0; i < 20; ++i) Show("accessory", "accepted");
  Learn();
  v1::DecideRequest request = RequestFor("somebody", "accessory");
  request.set_explain(true);
  const v1::DecideResponse answer = Decide(request);
  ASSERT_THAT(answer.treatments(), SizeIs(1));
  const v1::ScoreParts& parts = answer.treatments(0).score_parts();
  EXPECT_EQ(parts.link(), "logit");
  double sum = parts.base();
  int inputs = 0;
  for (const v1::Contribution& part : parts.contributions()) {
    sum += part.contribution();
    if (part.input() == "(rounding)") continue;
    ++inputs;
    EXPECT_GT(part.contribution(), 0) << part.input();
  }
  EXPECT_EQ(inputs, 2);
  EXPECT_EQ(sum, parts.score()) << "to the last bit";
  EXPECT_NEAR(answer.treatments(0).propensity(), 1 / (1 + std::exp(-sum)), 1e-15);
}

TEST_F(ServerLearningTest, WhatIsProtectedIsNotTold) {
  RestartWith(LearningStrategy("{inputs: [customer.income, customer.plan]}"));
  for (int i = 0; i < 20; ++i) Show("accessory", "accepted");
  Learn();
  v1::DecideRequest request = RequestFor("somebody", "accessory");
  request.set_explain(true);
  const v1::DecideResponse answer = Decide(request);
  ASSERT_THAT(answer.treatments(), SizeIs(1));
  EXPECT_FALSE(answer.treatments(0).has_score_parts());
  EXPECT_THAT(answer.treatments(0).reasons(), Contains("customer.income = (protected)"));
}

TEST_F(ServerLearningTest, NoChangeOfRewardExplorationOrLeversResetsAModel) {
  for (int i = 0; i < 30; ++i) Show("accessory", i % 3 == 0 ? "accepted" : "rejected");
  Learn();
  const double before = PropensityOf("accessory");
  const std::string strategy = LearningStrategy(kAcceptance);
  const std::string reward = ": -treatment.cost\"";
  const std::string changed[] = {
      Replaced(strategy, reward, ": -1000.0\""),
      Replaced(strategy, reward, reward + "\n  good: \"outcome.shown.seen\""),
      Replaced(strategy, "max_treatments: 2",
               "max_treatments: 2\n  exploration: {epsilon_greedy: {epsilon: 0.1}}"),
      Replaced(strategy, "{name: offer}", "{name: offer, lever: 50}"),
      strategy,  // and back
  };
  for (const std::string& text : changed) {
    RestartWith(text);
    EXPECT_EQ(PropensityOf("accessory"), before) << text;
    EXPECT_EQ(HealthOf("sell").examples(), 30) << text;
  }
}

TEST_F(ServerLearningTest, ALiveSwapOfAnotherModelKeepsOnLearning) {
  // `solve` comes from the registry; a new version of it makes the strategy anew while this one
  // learns.
  const std::string text =
      Replaced(LearningStrategy(kAcceptance), "file: solve.yaml", "stored: solve");
  const auto always = [](double propensity) {
    return absl::StrCat("linear: {link: identity, intercept: ", propensity, "}\n");
  };
  v1::ModelHeader header;
  header.set_name("solve");
  header.set_file("solve.yaml");
  ASSERT_TRUE(client().PutModel(header, always(0.25)).ok());
  RestartWith(text);
  for (int i = 0; i < 10; ++i) Show("accessory", "accepted");
  Learn();
  const double before = PropensityOf("accessory");
  const auto put = client().PutModel(header, always(0.75));
  ASSERT_TRUE(put.ok()) << put.status.error_message();
  EXPECT_TRUE(put.response.swapped());
  EXPECT_EQ(PropensityOf("accessory"), before);
  for (int i = 0; i < 10; ++i) Show("accessory", "accepted");
  Learn();
  EXPECT_GT(PropensityOf("accessory"), before);
  EXPECT_EQ(HealthOf("sell").examples(), 20);
}

TEST_F(ServerLearningTest, AStrategyOfAnotherNameLearnsForItself) {
  for (int i = 0; i < 10; ++i) Show("accessory", "accepted");
  Learn();
  const double before = PropensityOf("accessory");
  const std::string strategy = LearningStrategy(kAcceptance);
  const std::string name = strategy.substr(0, strategy.find('\n'));
  RestartWith(Replaced(strategy, name + "\n", "name: another\n"));
  Learn();
  // It reads what the log still has, and comes to the same.
  EXPECT_EQ(HealthOf("sell").examples(), 10);
  EXPECT_EQ(PropensityOf("accessory"), before);
  Show("accessory", "rejected");
  Learn();
  RestartWith(strategy);
  Learn();
  EXPECT_EQ(HealthOf("sell").examples(), 11) << "of the log, whoever decided";
}

TEST_F(ServerLearningTest, TellsOfModelsThatAreNotThere) {
  v1::ModelServiceGetHealthRequest request;
  request.set_name("sel");
  v1::ModelServiceGetHealthResponse health;
  grpc::ClientContext context;
  const grpc::Status status = client().models().GetHealth(&context, request, &health);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_THAT(status.error_message(), HasSubstr("did you mean \"sell\"?"));
}

TEST_F(ServerLearningTest, CtlShowsHowTheModelDoes) {
  for (int i = 0; i < 4; ++i) Show("accessory", i == 0 ? "rejected" : "accepted");
  Learn();
  std::istringstream in;
  std::ostringstream out;
  std::ostringstream err;
  ctl::Console console{in, out, err};
  EXPECT_EQ(ctl::RunCtl({"model", "inspect", "sell", "--server",
                         absl::StrCat("127.0.0.1:", server().port())},
                        console),
            ctl::kExitOk)
      << err.str();
  EXPECT_THAT(out.str(), HasSubstr(", online: 4 responses learned"));
  EXPECT_THAT(out.str(), HasSubstr("customer.plan"));
  // 3 of 4: Wilson's interval, as of any calculator.
  EXPECT_THAT(out.str(), HasSubstr("0.7500  0.3006  0.9544"));
}

TEST_F(ServerLearningTest, CtlReportsTheRates) {
  for (int i = 0; i < 4; ++i) Show("accessory", i == 0 ? "rejected" : "accepted");
  Learn();
  const auto run = [&](std::vector<std::string> arguments) {
    std::istringstream in;
    std::ostringstream out;
    std::ostringstream err;
    ctl::Console console{in, out, err};
    arguments.insert(arguments.end(), {"--server", absl::StrCat("127.0.0.1:", server().port())});
    EXPECT_EQ(ctl::RunCtl(arguments, console), ctl::kExitOk) << err.str();
    return out.str();
  };
  EXPECT_THAT(run({"report", "rates"}), HasSubstr("0.7500  0.3006  0.9544   21.50"))
      << "3 x 29 less 1, of 4";
  EXPECT_EQ(run({"report", "rates", "--channel", "ivr"}),
            "Nothing that was shown is settled yet.\n");
  EXPECT_THAT(run({"report", "rates", "--treatment", "accessory", "--json"}),
              HasSubstr("\"treatment_id\": \"accessory\""));
}

TEST_F(ServerLearningTest, MetricsTellHowItGoes) {
  Show("accessory", "accepted");
  Learn();
  const std::string scrape = prometheus::TextSerializer().Serialize(server().metrics().Collect());
  EXPECT_THAT(scrape, HasSubstr("attune_model_responses_total{model=\"sell\",of=\"own\"} 1\n"));
  EXPECT_THAT(scrape, HasSubstr("attune_model_positives_total{model=\"sell\",of=\"own\"} 1\n"));
  EXPECT_THAT(scrape, HasSubstr("attune_learner_learned_treatments_total 1\n"));
  EXPECT_THAT(scrape, HasSubstr("attune_learner_gaps_total 0\n"));
}

}  // namespace
}  // namespace attune::service
