// The harness must see what goes wrong: a check that finds everything in every store proves
// nothing.

#include "tests/integration/crash/store_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "google/protobuf/util/time_util.h"
#include "lib/base/issue.h"
#include "lib/storage/name_dictionary.h"
#include "lib/storage/rocksdb_store.h"
#include "lib/strategy/strategy_loader.h"
#include "service/learner_state.h"
#include "tests/integration/client.h"
#include "tests/integration/crash/crash_strategy.h"
#include "tests/integration/subprocess.h"
#include "tests/testing/temp_dir.h"

namespace attune::crash {
namespace {

using google::protobuf::util::TimeUtil;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// A store in which ann was decided for once, saw what was on top, and accepted it.
class CrashStoreCheckTest : public ::testing::Test {
 protected:
  CrashStoreCheckTest() {
    std::ofstream(strategy_, std::ios::binary) << CrashStrategy(1);
    service::AttunedProcess attuned(strategy_, data_dir_, {"--metrics_listen", ""});
    const service::Client client(attuned.port());
    const auto decision = client.Decide(service::DecideFor("ann", "app")).response;
    decision_ = {.id = decision.decision_id(),
                 .time_ms = TimeUtil::TimestampToMilliseconds(decision.time()),
                 .treatment = decision.treatments(0).treatment_id(),
                 .is_offer = decision.treatments(0).group() == kOfferGroup};
    const int64_t now_ms = absl::ToUnixMillis(absl::Now()) + 1;
    Record(client, "shown", now_ms);
    Record(client, "accepted", now_ms + 1);
    WaitUntilLearned(client);
    attuned.process().Signal(SIGTERM);
    EXPECT_EQ(attuned.process().Wait(), 0);
  }

  void Record(const service::Client& client, const char* outcome, int64_t time_ms) {
    outcomes_.push_back({decision_.id, decision_.treatment, outcome, time_ms, decision_.is_offer});
    v1::OutcomeServiceRecordOutcomeRequest request;
    request.set_decision_id(decision_.id);
    request.set_outcome(outcome);
    request.set_source(v1::OUTCOME_SOURCE_CUSTOMER);
    *request.mutable_time() = TimeUtil::MillisecondsToTimestamp(time_ms);
    const auto answer = client.RecordOutcome(request);
    ASSERT_TRUE(answer.ok()) << answer.status.error_message();
  }
  static void WaitUntilLearned(const service::Client& client) {
    v1::ModelServiceGetHealthRequest request;
    request.set_name(kModelName);
    v1::ModelServiceGetHealthResponse health;
    const absl::Time give_up = absl::Now() + absl::Seconds(30);
    while (health.examples() == 0 && absl::Now() < give_up) {
      grpc::ClientContext context;
      service::SetDeadline(context);
      ASSERT_TRUE(client.models().GetHealth(&context, request, &health).ok());
      std::this_thread::yield();
    }
    ASSERT_EQ(health.examples(), 1);
  }
  // What was acknowledged.
  void TellAll(Ledger& ledger) const {
    ledger.AddDecision("ann", decision_);
    for (const KnownOutcome& outcome : outcomes_) ledger.AddOutcome("ann", outcome);
  }
  StoreFindings Check(const Ledger& ledger) {
    const auto findings = CheckStore(data_dir_, strategy_, ledger, problems_);
    EXPECT_TRUE(findings.ok()) << findings.status();
    return findings.ok() ? *findings : StoreFindings();
  }

  const attune::testing::TempDir dir_;
  const std::string strategy_ = dir_.File("strategy.yaml");
  const std::string data_dir_ = dir_.File("data");
  KnownDecision decision_;
  std::vector<KnownOutcome> outcomes_;
  Problems problems_;
};

TEST_F(CrashStoreCheckTest, FindsWhatIsThere) {
  Ledger ledger(1);
  TellAll(ledger);
  const StoreFindings findings = Check(ledger);
  EXPECT_TRUE(findings.Passed());
  EXPECT_THAT(problems_.kept(), IsEmpty());
  EXPECT_EQ(findings.log_events, 3u);
  EXPECT_EQ(findings.treatments_learned, 1u);
}

TEST_F(CrashStoreCheckTest, SeesWhatIsLost) {
  Ledger ledger(1);
  TellAll(ledger);
  KnownDecision lost = decision_;
  lost.id[0] = lost.id[0] == '0' ? '1' : '0';
  lost.time_ms += 1;
  ledger.AddDecision("ann", lost);
  ledger.AddOutcome("bob", {lost.id, lost.treatment, "rejected", lost.time_ms, false});
  const StoreFindings findings = Check(ledger);
  EXPECT_FALSE(findings.Passed());
  EXPECT_EQ(findings.decisions_lost, 1u);
  EXPECT_EQ(findings.outcomes_lost, 1u);
  EXPECT_EQ(findings.history_lost, 2u);
}

TEST_F(CrashStoreCheckTest, SeesWhatNobodyAcknowledged) {
  const StoreFindings findings = Check(Ledger(1));
  EXPECT_FALSE(findings.Passed());
  EXPECT_EQ(findings.decisions_unknown, 1u);
  EXPECT_EQ(findings.outcomes_unknown, 2u);
}

TEST_F(CrashStoreCheckTest, SeesAnotherAnswerThanWasLogged) {
  Ledger ledger(1);
  decision_.treatment = "nothing_like_it";
  TellAll(ledger);
  EXPECT_EQ(Check(ledger).decisions_different, 1u);
}

TEST_F(CrashStoreCheckTest, SeesThatSomethingElseWasLearned) {
  const std::string blob = std::string("learner/") + kStrategyName;
  {
    storage::RocksDbOptions options;
    options.path = data_dir_;
    const auto store = storage::OpenRocksDbStore(options);
    ASSERT_TRUE(store.ok()) << store.status();
    auto names = storage::NameDictionary::Load(**store);
    ASSERT_TRUE(names.ok()) << names.status();
    IssueList issues;
    const auto strategy = strategy::LoadStrategy(strategy_, *names, issues);
    ASSERT_NE(strategy, nullptr) << issues.ToString();
    std::vector<std::string> notes;
    const auto stored =
        service::LearnerState::Parse((*store)->GetBlob(blob).value().value(), strategy, notes);
    ASSERT_TRUE(stored.ok()) << stored.status();
    // One that claims to have read everything, and has learned nothing.
    service::LearnerState idle(strategy);
    idle.SkipTo(stored->attribution().next_position());
    ASSERT_TRUE((*store)->PutBlob(blob, idle.Serialize()).ok());
  }
  Ledger ledger(1);
  TellAll(ledger);
  const StoreFindings findings = Check(ledger);
  EXPECT_FALSE(findings.Passed());
  EXPECT_EQ(findings.models_different, 1u);
  EXPECT_THAT(problems_.kept().at(0), HasSubstr("model response (0 examples instead of 1)"));
}

}  // namespace
}  // namespace attune::crash
