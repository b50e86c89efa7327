#include "service/metrics.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "attune/storage/v1/event.pb.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/base/clock.h"
#include "lib/scoring/remote_scorer.h"
#include "prometheus/text_serializer.h"
#include "service/learner.h"
#include "service/learner_metrics.h"
#include "service/log_retention.h"
#include "service/outcome_metrics.h"
#include "service/value_updater.h"
#include "tests/testing/fake_state_store.h"
#include "tests/testing/paths.h"
#include "tests/testing/strategy_builder.h"
#include "tests/unit/strategy/strategy_files.h"

namespace attune::service {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

std::string TypeName(prometheus::MetricType type) {
  switch (type) {
    case prometheus::MetricType::Counter:
      return "counter";
    case prometheus::MetricType::Gauge:
      return "gauge";
    case prometheus::MetricType::Histogram:
      return "histogram";
    default:
      return "other";
  }
}

class MetricsTest : public ::testing::Test {
 protected:
  MetricsTest() : strategy_(testing::BuildSmallStrategy(builder_)) {}

  void AddAll() {
    decision_metrics_ = std::make_unique<DecisionMetrics>(registry_, *strategy_);
    strategy_->outcomes = context::NameTable({{"shown", 7}, {"accepted", 8}});
    outcome_metrics_ = std::make_unique<OutcomeMetrics>(registry_, *strategy_);
    rpc_metrics_ = std::make_unique<RpcMetrics>(
        registry_, std::vector<std::pair<std::string, std::string>>{
                       {"/attune.v1.DecisionService/Decide", "unary"},
                       {"/attune.v1.DecisionService/DecideStream", "bidi_stream"}});
    AddStoreMetrics(registry_, &store_);
    AddLogMetrics(registry_, &retention_, &system_clock_);
    stops_ = stops::StopList::Load(&store_, &strategy_->catalog).value();
    AddStopMetrics(registry_, stops_.get());
    catalog::Ramp& ramp = strategy_->catalog.ramps.emplace_back();
    ramp.treatment = strategy_->catalog.Find("upgrade");
    ramp.from = 0.5;
    ramp.full_at = 4;
    ramp.counts_decided = true;
    evidence_ = evidence::EvidenceFold::Load(&store_, &strategy_->catalog).value();
    AddRampMetrics(registry_, strategy_->catalog, evidence_.get());
    AddValueMetrics(registry_, nullptr);
    strategy_->model_origins.push_back({.name = "solve",
                                        .version = "solve@ba9876543210",
                                        .kind = "linear",
                                        .hash = "ba9876543210",
                                        .stored = ""});
    AddInfoMetrics(registry_, [this] { return strategy_; });
    models_ = registry::ModelRegistry::Load(&store_).value();
    model_metrics_ = std::make_unique<ModelMetrics>(registry_, models_.get());
    AddRemoteModelMetrics(registry_, "remote",
                          std::make_shared<scoring::RemoteScorer>(scoring::RemoteSettings{},
                                                                  nullptr, &system_clock_));
    AddLearning();
    telemetry::AddProcessMetrics(registry_);
  }
  // Of a strategy with an adaptive model, which the small one has not.
  void AddLearning() {
    const std::string text =
        strategy::Replaced(strategy::kSmallStrategy, "file: taste.yaml",
                           "adaptive: {inputs: [customer.age]}") +
        "outcomes: [{name: accepted, window: 1d}]\n"
        "learning: {reward: 'outcome.accepted.seen ? treatment.value : 0.0'}\n";
    learner_ = Learner::Load({.strategy = strategy::LoadText(text).strategy,
                              .store = &store_,
                              .clock = &system_clock_,
                              .writes_clock_events = false})
                   .value();
    AddLearnerMetrics(registry_, learner_.get());
  }
  std::string Scrape() const { return prometheus::TextSerializer().Serialize(registry_.Collect()); }

  testing::StrategyBuilder builder_;
  const std::shared_ptr<strategy::Strategy> strategy_;
  testing::FakeStateStore store_;
  const SystemClock system_clock_;
  LogRetention retention_{
      {.store = &store_, .clock = &system_clock_, .max_bytes = 1, .max_age = {}}};
  std::unique_ptr<stops::StopList> stops_;
  std::unique_ptr<evidence::EvidenceFold> evidence_;
  std::unique_ptr<Learner> learner_;
  std::unique_ptr<registry::ModelRegistry> models_;
  std::unique_ptr<ModelMetrics> model_metrics_;
  telemetry::Registry registry_;
  std::unique_ptr<DecisionMetrics> decision_metrics_;
  std::unique_ptr<OutcomeMetrics> outcome_metrics_;
  std::unique_ptr<RpcMetrics> rpc_metrics_;
};

// One line per family: name, type, label names. A histogram's `le` is understood.
std::vector<std::string> DescribeFamilies(const telemetry::Registry& registry) {
  std::vector<std::string> lines;
  for (const prometheus::MetricFamily& family : registry.Collect()) {
    std::string line = family.name + " " + TypeName(family.type);
    if (!family.metric.empty()) {
      for (const auto& label : family.metric.front().label) line += " " + label.name;
    }
    lines.push_back(line);
  }
  std::sort(lines.begin(), lines.end());
  return lines;
}

// Dashboards, alerts and recording rules of others hang on these names. When a change is meant:
// write what "exported now" lists into tests/unit/service/metrics.golden, and say so in the notes
// of the release.
TEST_F(MetricsTest, NamesTypesAndLabelsStayWhatOthersRelyOn) {
  AddAll();
  const std::vector<std::string> exported = DescribeFamilies(registry_);
  std::ifstream file(testing::SourcePath("tests/unit/service/metrics.golden"));
  ASSERT_TRUE(file) << "can't read tests/unit/service/metrics.golden";
  std::vector<std::string> golden;
  for (std::string line; std::getline(file, line);) golden.push_back(line);
  std::vector<std::string> gone;
  std::set_difference(golden.begin(), golden.end(), exported.begin(), exported.end(),
                      std::back_inserter(gone));
  std::vector<std::string> added;
  std::set_difference(exported.begin(), exported.end(), golden.begin(), golden.end(),
                      std::back_inserter(added));
  std::ostringstream difference;
  for (const std::string& line : gone) difference << "- " << line << "\n";
  for (const std::string& line : added) difference << "+ " << line << "\n";
  std::ostringstream all;
  for (const std::string& line : exported) all << line << "\n";
  EXPECT_EQ(exported, golden)
      << "The exported metrics differ from tests/unit/service/metrics.golden:\n"
      << difference.str() << "If that is meant, make the file hold exactly what is exported now:\n"
      << all.str();
}

TEST_F(MetricsTest, CountsOutcomesByWhoSaidSoAndHowTheyStand) {
  AddAll();
  const std::string series =
      "attune_outcomes_total{outcome=\"accepted\",source=\"employee\",status=\"late\"} ";
  EXPECT_THAT(Scrape(), HasSubstr(series + "0\n"));
  outcome_metrics_->Count(1, outcome::Source::kEmployee, outcome::Status::kLate);
  outcome_metrics_->Count(0, outcome::Source::kSystem, outcome::Status::kUnknownId);
  const std::string scrape = Scrape();
  EXPECT_THAT(scrape, HasSubstr(series + "1\n"));
  EXPECT_THAT(scrape, HasSubstr("attune_outcomes_total{outcome=\"shown\",source=\"system\","
                                "status=\"unknown_id\"} 1\n"));
  size_t families = 0;
  for (const prometheus::MetricFamily& family : registry_.Collect()) {
    if (family.name != "attune_outcomes_total") continue;
    ++families;
    EXPECT_EQ(family.metric.size(), 2u * 3 * 12) << "every combination is there from the start";
  }
  EXPECT_EQ(families, 1u);
}

TEST_F(MetricsTest, NamesFollowTheConventionsOfPrometheus) {
  AddAll();
  std::set<std::string> names;
  for (const prometheus::MetricFamily& family : registry_.Collect()) {
    EXPECT_TRUE(names.insert(family.name).second) << family.name;
    EXPECT_THAT(family.name, ::testing::MatchesRegex("[a-z][a-z0-9_]*"));
    EXPECT_THAT(family.help, ::testing::EndsWith(".")) << family.name;
    const bool total = family.name.ends_with("_total");
    EXPECT_EQ(total, family.type == prometheus::MetricType::Counter) << family.name;
    if (family.type == prometheus::MetricType::Histogram) {
      EXPECT_THAT(family.name, ::testing::EndsWith("_seconds"));
    }
    // One family, one set of labels.
    for (const prometheus::ClientMetric& metric : family.metric) {
      ASSERT_EQ(metric.label.size(), family.metric.front().label.size()) << family.name;
      for (size_t i = 0; i < metric.label.size(); ++i) {
        EXPECT_EQ(metric.label[i].name, family.metric.front().label[i].name) << family.name;
      }
    }
  }
}

TEST_F(MetricsTest, EverySeriesIsThereFromTheStart) {
  AddAll();
  const std::string scrape = Scrape();
  for (const candidates::Reason reason : candidates::kAllReasons) {
    if (decision::NamesARule(reason)) continue;
    EXPECT_THAT(scrape, HasSubstr("reason=\"" + std::string(candidates::ReasonName(reason)) +
                                  "\",rule=\"\"} 0\n"));
  }
  for (int stage = 0; stage < decision::kStages; ++stage) {
    EXPECT_THAT(scrape,
                HasSubstr("attune_stage_duration_seconds_count{stage=\"" +
                          std::string(decision::StageName(static_cast<decision::Stage>(stage))) +
                          "\"} 0\n"));
  }
}

TEST_F(MetricsTest, CountsRejectionsByRule) {
  const auto strategy = builder_.BuildFromText(
      std::string(testing::kSmallStrategy) +
          "suitability { name: 'loyal' when: 'customer.tenure_months > 90' }"
          "contact { name: 'night' quiet_hours { from: '21:00' until: '08:00' } }",
      {testing::kSolveModel, testing::kSellModel});
  DecisionMetrics metrics(registry_, *strategy);
  const std::string prefix = "attune_rejections_total{stage=\"policy\",reason=\"";
  for (const char* series : {"not_suitable\",rule=\"loyal", "rule_error\",rule=\"loyal",
                             "quiet_hours\",rule=\"night", "history_incomplete\",rule=\"night"}) {
    EXPECT_THAT(Scrape(), HasSubstr(prefix + series + "\"} 0\n"));
  }
  decision::Decision decision;
  candidates::Rejection rejection{2, candidates::Reason::kNotSuitable, -1, 0};
  decision.result.rejected_counts.Add(*strategy, rejection);
  decision.result.rejected_counts.Add(*strategy, rejection);
  rejection = {2, candidates::Reason::kQuietHours, 0};
  decision.result.rejected_counts.Add(*strategy, rejection);
  metrics.Count(context::DecisionContext(), decision);
  EXPECT_THAT(Scrape(), HasSubstr(prefix + "not_suitable\",rule=\"loyal\"} 2\n"));
  EXPECT_THAT(Scrape(), HasSubstr(prefix + "quiet_hours\",rule=\"night\"} 1\n"));
}

TEST_F(MetricsTest, CountsTheRulesOfALargeStrategyTogether) {
  std::string rules;
  for (int i = 0; i <= DecisionMetrics::kMaxRuleSeries; ++i) {
    rules += "eligibility { name: 'rule_" + std::to_string(i) + "' when: 'true' }\n";
  }
  const auto strategy = builder_.BuildFromText(std::string(testing::kSmallStrategy) + rules,
                                               {testing::kSolveModel, testing::kSellModel});
  const DecisionMetrics metrics(registry_, *strategy);
  EXPECT_THAT(Scrape(), HasSubstr("reason=\"not_eligible\",rule=\"_any\"} 0\n"));
  EXPECT_THAT(Scrape(), ::testing::Not(HasSubstr("rule=\"rule_7\"")));
}

TEST_F(MetricsTest, CountsWhatExplorationPutOnTop) {
  AddAll();
  const auto series = [](const char* channel, const char* group, int count) {
    return std::string("attune_explored_decisions_total{channel=\"") + channel + "\",group=\"" +
           group + "\"} " + std::to_string(count) + "\n";
  };
  EXPECT_THAT(Scrape(), HasSubstr(series("app", "offer", 0)));
  decision::Decision decision;
  arbitration::ArbitrationResult& result = decision.result.arbitration;
  result.ranked.emplace_back().treatment = strategy_->catalog.Find("upgrade");
  result.ranked.front().scored = 2;
  const auto count = [&](int greedy) {
    result.greedy = greedy;
    decision_metrics_->Count(context::DecisionContext(), decision);
  };
  count(2);  // the greedy choice itself
  EXPECT_THAT(Scrape(), HasSubstr(series("app", "offer", 0)));
  count(0);
  count(1);
  EXPECT_THAT(Scrape(), HasSubstr(series("app", "offer", 2)));
  EXPECT_THAT(Scrape(), HasSubstr(series("app", "care", 0)));
  EXPECT_THAT(Scrape(), HasSubstr(series("ivr", "care", 0)));
}

TEST_F(MetricsTest, CountsAnOpenChannelAsTheOneThatWasChosen) {
  AddAll();
  decision::Decision decision;
  context::DecisionContext context;
  context.open_channels = {0, 1};
  decision.result.open_channels = 2;
  decision_metrics_->Count(context, decision);
  EXPECT_THAT(Scrape(), HasSubstr("attune_decisions_total{channel=\"_open\",group=\"none\","
                                  "treatment=\"none\"} 1\n"));
  EXPECT_THAT(Scrape(), HasSubstr("attune_decisions_total{channel=\"app\",group=\"none\","
                                  "treatment=\"none\"} 0\n"));
  decision.result.scored.scored.push_back({0, 0.5, /*slot=*/1});
  decision.result.arbitration.ranked.emplace_back();
  decision.result.arbitration.greedy = 0;
  decision_metrics_->Count(context, decision);
  EXPECT_THAT(Scrape(), HasSubstr("attune_decisions_total{channel=\"ivr\",group=\"resolution\","
                                  "treatment=\"fast_callback\"} 1\n"));
}

TEST_F(MetricsTest, CountsALargeStrategyByGroup) {
  auto large = std::make_shared<strategy::Strategy>();
  std::vector<context::NamedEntry> channels;
  for (int c = 0; c < 2; ++c) channels.push_back({"channel_" + std::to_string(c), 0});
  large->context.channels = context::NameTable(std::move(channels));
  large->catalog.groups = {{"care", 0}, {"offer", 1}};
  for (size_t t = 0; t <= DecisionMetrics::kMaxTreatmentSeries / 2; ++t) {
    catalog::Treatment& treatment = large->catalog.treatments.emplace_back();
    treatment.name = "treatment_" + std::to_string(t);
    treatment.group = static_cast<int>(t % 2);
    treatment.content.resize(2, catalog::Content());
  }
  DecisionMetrics metrics(registry_, *large);
  context::DecisionContext context;
  context.channel = 1;
  decision::Decision decision;
  decision.result.arbitration.ranked.emplace_back().treatment = 3;
  metrics.Count(context, decision);
  const std::string scrape = Scrape();
  EXPECT_THAT(scrape, HasSubstr("attune_decisions_total{channel=\"channel_1\",group=\"offer\","
                                "treatment=\"_any\"} 1\n"));
  EXPECT_THAT(scrape, Not(HasSubstr("treatment_3")));
}

TEST_F(MetricsTest, CountsCallsByMethodAndCode) {
  AddAll();
  rpc_metrics_->CountStarted(0);
  rpc_metrics_->CountHandled(0, 3, 20'000);
  rpc_metrics_->CountStarted(1);
  rpc_metrics_->CountHandled(1, 0, 1'000);
  rpc_metrics_->CountStarted(-1);
  rpc_metrics_->CountHandled(-1, 12, 1'000);
  rpc_metrics_->CountHandled(77, 99, 1'000);
  rpc_metrics_->CountMalformed();
  rpc_metrics_->CountException();
  const std::string scrape = Scrape();
  const std::string decide =
      "grpc_service=\"attune.v1.DecisionService\",grpc_method=\"Decide\",grpc_type=\"unary\"";
  const std::string stream =
      "grpc_service=\"attune.v1.DecisionService\",grpc_method=\"DecideStream\","
      "grpc_type=\"bidi_stream\"";
  const std::string unknown =
      "grpc_service=\"unknown\",grpc_method=\"unknown\",grpc_type=\"unary\"";
  const auto handled = [](const std::string& labels, const std::string& code, int count) {
    return "grpc_server_handled_total{" + labels + ",grpc_code=\"" + code + "\"} " +
           std::to_string(count) + "\n";
  };
  EXPECT_THAT(scrape, HasSubstr("grpc_server_started_total{" + decide + "} 1\n"));
  EXPECT_THAT(scrape, HasSubstr(handled(decide, "InvalidArgument", 1)));
  EXPECT_THAT(scrape, HasSubstr(handled(decide, "OK", 0)));
  EXPECT_THAT(scrape, HasSubstr(handled(stream, "OK", 1)));
  EXPECT_THAT(scrape, HasSubstr(handled(unknown, "Unimplemented", 1)));
  EXPECT_THAT(scrape, HasSubstr(handled(unknown, "Unknown", 1)));
  EXPECT_THAT(scrape, HasSubstr("attune_malformed_requests_total 1\n"));
  EXPECT_THAT(scrape, HasSubstr("attune_handler_exceptions_total 1\n"));
  EXPECT_THAT(scrape, HasSubstr("grpc_server_handling_seconds_count{" + decide + "} 1\n"));
  EXPECT_THAT(scrape,
              HasSubstr("grpc_server_handling_seconds_bucket{" + decide + ",le=\"1e-05\"} 0\n"));
  EXPECT_THAT(scrape,
              HasSubstr("grpc_server_handling_seconds_bucket{" + decide + ",le=\"2e-05\"} 1\n"));
}

TEST_F(MetricsTest, ShowsWhatTheStoreSays) {
  AddAll();
  store_.SetRecord("a", "record");
  EXPECT_THAT(Scrape(), HasSubstr("attune_store_customers 1\n"));
  store_.SetRecord("b", "record");
  EXPECT_THAT(Scrape(), HasSubstr("attune_store_customers 2\n"));
}

TEST_F(MetricsTest, ShowsHowFarRampsHaveCome) {
  AddAll();
  EXPECT_THAT(Scrape(), HasSubstr("attune_treatment_ramp_share{treatment=\"upgrade\"} 0.5\n"));
  storage::v1::DecisionEvent decided;
  decided.add_scored(strategy_->catalog.treatments[2].number);
  decided.add_ranking(0);
  const std::string payload = decided.SerializeAsString();
  const std::vector<storage::Event> events = {{storage::EventType::kDecision, payload},
                                              {storage::EventType::kDecision, "\xff"}};
  storage::CustomerCommit commit;
  commit.key = store_.KeyOf("ann");
  commit.bytes = "record";
  commit.events = events;
  ASSERT_TRUE(store_.Commit(commit, storage::Durability::kPower).ok());
  ASSERT_TRUE(evidence_->Step().ok());
  const std::string scrape = Scrape();
  EXPECT_THAT(scrape, HasSubstr("attune_treatment_ramp_share{treatment=\"upgrade\"} 0.625\n"));
  EXPECT_THAT(scrape, HasSubstr("attune_treatment_ramp_evidence{treatment=\"upgrade\"} 1\n"));
  EXPECT_THAT(scrape, HasSubstr("attune_evidence_events_total 2\n"));
  EXPECT_THAT(scrape, HasSubstr("attune_evidence_uncounted_events_total 1\n"));
  EXPECT_THAT(scrape, HasSubstr("attune_evidence_gaps_total 0\n"));
}

TEST_F(MetricsTest, ShowsHowAdaptiveModelsDo) {
  AddAll();
  const std::string scrape = Scrape();
  EXPECT_THAT(scrape, HasSubstr("attune_model_responses_total{model=\"taste\",of=\"own\"} 0\n"));
  EXPECT_THAT(scrape, HasSubstr("attune_model_responses_total{model=\"taste\",of=\"served\"} 0\n"));
  EXPECT_THAT(scrape, HasSubstr("attune_model_log_loss{model=\"taste\",of=\"own\"} N"));
  EXPECT_THAT(scrape,
              HasSubstr("attune_model_input_drift{model=\"taste\",input=\"customer.age\"}"));
  EXPECT_THAT(scrape, HasSubstr("attune_learner_lag_seconds 0\n"));
  for (const char* reason : {"never_shown", "no_room", "left_the_log", "erased", "refused"}) {
    EXPECT_THAT(scrape, HasSubstr(absl::StrCat("attune_learner_unlearned_total{reason=\"", reason,
                                               "\"} 0\n")));
  }
  for (const char* result : {"attributed", "after_settled", "not_on_top", "late", "not_offered"}) {
    EXPECT_THAT(scrape, HasSubstr(absl::StrCat("attune_learner_outcomes_total{result=\"", result,
                                               "\"} 0\n")));
  }
}

TEST_F(MetricsTest, CountsWhatBecomesOfModels) {
  AddAll();
  model_metrics_->CountSwap();
  model_metrics_->CountRefusal(ModelRefusal::kUnfit);
  registry::ModelVersion version;
  version.name = "churn";
  version.hash = std::string(64, 'a');
  version.bytes = 7;
  ASSERT_TRUE(models_->Put(version, "content", {}).ok());
  const std::string scrape = Scrape();
  EXPECT_THAT(scrape, HasSubstr("attune_model_swaps_total 1\n"));
  EXPECT_THAT(scrape, HasSubstr("attune_model_refusals_total{cause=\"unfit\"} 1\n"));
  EXPECT_THAT(scrape, HasSubstr("attune_model_refusals_total{cause=\"invalid\"} 0\n"));
  EXPECT_THAT(scrape, HasSubstr("attune_model_registry_versions 1\n"));
  EXPECT_THAT(scrape, HasSubstr("attune_model_registry_bytes 7\n"));
  EXPECT_THAT(scrape, HasSubstr("attune_model_info{model=\"solve\",version=\"solve@ba9876543210\","
                                "kind=\"linear\"} 1\n"));
}

TEST_F(MetricsTest, FollowsTheStrategyThatDecides) {
  auto current = strategy_;
  AddInfoMetrics(registry_, [&] { return current; });
  EXPECT_THAT(Scrape(), HasSubstr("version=\"small@0123456789ab\"} 1\n"));
  current = testing::BuildSmallStrategy(builder_);
  current->version = "small@ffffffffffff";
  const std::string scrape = Scrape();
  EXPECT_THAT(scrape, HasSubstr("version=\"small@ffffffffffff\"} 1\n"));
  EXPECT_THAT(scrape, ::testing::Not(HasSubstr("small@0123456789ab")));
}

TEST_F(MetricsTest, NamesTheVersionsThatRun) {
  AddAll();
  const std::string scrape = Scrape();
  EXPECT_THAT(scrape, HasSubstr("attune_strategy_info{strategy=\"small\","
                                "version=\"small@0123456789ab\"} 1\n"));
  EXPECT_THAT(scrape, ::testing::ContainsRegex("attune_build_info.version=\"[0-9.]+\". 1\n"));
}

}  // namespace
}  // namespace attune::service
