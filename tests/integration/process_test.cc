// attuned as operators run it: flags, exit statuses, signals.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/integration/client.h"
#include "tests/integration/server_fixture.h"
#include "tests/integration/subprocess.h"
#include "tests/testing/temp_dir.h"

namespace attune::service {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class AttunedTest : public ::testing::Test {
 protected:
  AttunedTest() : strategy_(WriteStrategy(dir_.path())), data_dir_(dir_.File("data")) {}

  std::unique_ptr<AttunedProcess> StartAttuned() const {
    return std::make_unique<AttunedProcess>(strategy_, data_dir_,
                                            std::vector<std::string>{"--metrics_listen", ""});
  }

  testing::TempDir dir_;
  const std::string strategy_;
  const std::string data_dir_;
};

TEST_F(AttunedTest, DrainsOnASignalAndExitsWithZero) {
  for (const int signal : {SIGTERM, SIGINT}) {
    const auto attuned = StartAttuned();
    const Client client(attuned->port());
    EXPECT_TRUE(client.Decide(DecideFor("ann", "app")).ok());
    attuned->process().Signal(signal);
    EXPECT_EQ(attuned->process().Wait(), 0) << attuned->process().output();
    EXPECT_THAT(attuned->process().output(), HasSubstr("drained"));
  }
  const auto attuned = StartAttuned();
  const Client client(attuned->port());
  EXPECT_EQ(client.Get("ann").response.decision_count(), 2u);
}

TEST_F(AttunedTest, AKilledProcessLosesNothingThatWasAcknowledged) {
  constexpr int kThreads = 4;
  constexpr int kCallsBeforeTheKill = 100;
  std::atomic<int> calls = 0;
  std::vector<int> decided(kThreads, 0);
  std::vector<int> written(kThreads, 0);
  {
    const auto attuned = StartAttuned();
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&, t] {
        const auto i = static_cast<size_t>(t);
        const Client client(attuned->port());
        const std::string id = absl::StrCat("customer ", t);
        for (int n = 1;; ++n, ++calls) {
          if (!client.Decide(DecideFor(id, "app")).ok()) return;
          decided[i] = n;
          if (!client.Upsert(UpsertOf(id, {{"tenure_months", Int(n)}})).ok()) return;
          written[i] = n;
        }
      });
    }
    while (calls < kCallsBeforeTheKill) std::this_thread::yield();
    attuned->process().Signal(SIGKILL);
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(attuned->process().Wait(), 128 + SIGKILL);
  }
  const auto attuned = StartAttuned();
  const Client client(attuned->port());
  int acknowledged = 0;
  int lost = 0;
  for (size_t t = 0; t < kThreads; ++t) {
    const auto held = client.Get(absl::StrCat("customer ", t));
    ASSERT_TRUE(held.ok()) << held.status.error_message();
    // The call that the kill cut off may have been carried out, unacknowledged.
    const auto count = static_cast<int>(held.response.decision_count());
    EXPECT_GE(count, decided[t]);
    EXPECT_LE(count, decided[t] + 1);
    const auto value = held.response.customer().features().at("tenure_months").int_value();
    EXPECT_GE(value, written[t]);
    EXPECT_LE(value, written[t] + 1);
    acknowledged += decided[t] + written[t];
    lost += std::max(0, decided[t] - count) + std::max(0, written[t] - static_cast<int>(value));
  }
  std::printf("kill -9: acknowledged=%d lost=%d\n", acknowledged, lost);
}

TEST_F(AttunedTest, EndsWithAMessageWhenItCantStart) {
  WriteStrategy(dir_.path(), Replaced(kSmallStrategy, "cost: 5", "csot: 5"));
  const RunResult result =
      RunProgram({OwnProgram("attuned"), "--strategy", strategy_, "--data_dir", data_dir_});
  EXPECT_EQ(result.status, 1);
  EXPECT_THAT(result.output, AllOf(HasSubstr("attuned can't start"),
                                   HasSubstr(strategy_ + ":33:5: error: unknown key \"csot\"")));
}

TEST_F(AttunedTest, EndsWhenAnotherProcessHasTheData) {
  const auto attuned = StartAttuned();
  const RunResult result = RunProgram({OwnProgram("attuned"), "--strategy", strategy_, "--data_dir",
                                       data_dir_, "--listen", "127.0.0.1:0"});
  EXPECT_EQ(result.status, 1);
  EXPECT_THAT(result.output, AllOf(HasSubstr(data_dir_), HasSubstr("another process")));
}

TEST_F(AttunedTest, ValidatesWithoutServing) {
  const std::vector<std::string> validate = {OwnProgram("attuned"), "--validate_only", "--strategy",
                                             strategy_};
  const RunResult good = RunProgram(validate);
  EXPECT_EQ(good.status, 0);
  EXPECT_THAT(good.output, HasSubstr(" is valid: 5 treatments, 7 features, 2 models"));
  WriteStrategy(dir_.path(), Replaced(kSmallStrategy, "cost: 5", "csot: 5"));
  const RunResult bad = RunProgram(validate);
  EXPECT_EQ(bad.status, 1);
  EXPECT_THAT(bad.output, HasSubstr(strategy_ + ":33:5: error: unknown key \"csot\""));
}

TEST_F(AttunedTest, ChecksTheHealthOfAServer) {
  const auto attuned = StartAttuned();
  const std::string address = absl::StrCat("127.0.0.1:", attuned->port());
  EXPECT_EQ(RunProgram({OwnProgram("attuned"), "--health_check", address}).status, 0);
  attuned->process().Signal(SIGTERM);
  EXPECT_EQ(attuned->process().Wait(), 0);
  const RunResult gone = RunProgram({OwnProgram("attuned"), "--health_check", address});
  EXPECT_EQ(gone.status, 1);
  EXPECT_THAT(gone.output, HasSubstr(address));
}

TEST_F(AttunedTest, RefusesWrongFlags) {
  const struct {
    const char* name;
    std::vector<std::string> flags;
    const char* message;
  } cases[] = {
      {"no strategy", {}, "--strategy is required"},
      {"no data folder", {"--strategy", strategy_}, "--data_dir is required"},
      {"unknown flag", {"--strategy", strategy_, "--data_dirr", data_dir_}, "--data_dirr"},
      {"no duration",
       {"--strategy", strategy_, "--data_dir", data_dir_, "--drain_timeout", "soon"},
       "must be a duration such as"},
      {"log level", {"--strategy", strategy_, "--log_level", "loud"}, "--log_level"},
  };
  for (const auto& c : cases) {
    std::vector<std::string> command = {OwnProgram("attuned")};
    command.insert(command.end(), c.flags.begin(), c.flags.end());
    const RunResult result = RunProgram(command);
    EXPECT_EQ(result.status, 2) << c.name;
    EXPECT_THAT(result.output, HasSubstr(c.message)) << c.name;
  }
}

}  // namespace
}  // namespace attune::service
