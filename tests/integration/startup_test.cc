// A server starts on what it was told, or says why it does not and leaves nothing behind.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "tests/integration/server_fixture.h"
#include "tests/integration/subprocess.h"

namespace attune::service {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class ServerStartTest : public ServerTest {
 protected:
  // Tries to start and returns why that failed.
  absl::Status Refusal(const Options& options) {
    auto server = Server::Start(options, &clock_);
    if (server.ok()) {
      ADD_FAILURE() << "it started";
      return absl::OkStatus();
    }
    return server.status();
  }
};

TEST_F(ServerStartTest, NamesEveryMistakeOfTheStrategyWithItsPlace) {
  std::string broken = Replaced(kSmallStrategy, "cost: 5", "csot: 5");
  broken = Replaced(broken, "name: vip, type: bool", "name: vip, type: boolean");
  WriteStrategy(dir_.path(), broken);
  const absl::Status status = Refusal(options_);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("the strategy has 2 errors:"),
                    HasSubstr("strategy.yaml:4:23: error: type must be one of bool, int"),
                    HasSubstr("strategy.yaml:33:5: error: unknown key \"csot\"; did you mean "
                              "\"cost\"?"),
                    HasSubstr("csot: 5\n")));
}

TEST_F(ServerStartTest, NamesTheMistakeOfAModelWithItsPlace) {
  WriteFile(dir_.File("sell.yaml"), "linear:\n  link: logistic\n  intercpt: 3\n");
  const absl::Status status = Refusal(options_);
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("sell.yaml:3:3: error: unknown key \"intercpt\""));
}

TEST_F(ServerStartTest, StartsOnceTheStrategyIsMended) {
  WriteStrategy(dir_.path(), "name: [");
  EXPECT_FALSE(Refusal(options_).ok());
  WriteStrategy(dir_.path());
  Start();
  EXPECT_TRUE(client().Decide(DecideFor("ann", "app")).ok());
}

// Can a socket of this machine have the address ::1?
bool HasIPv6() {
  const int fd = socket(AF_INET6, SOCK_STREAM, 0);
  if (fd < 0) return false;
  sockaddr_in6 address = {};
  address.sin6_family = AF_INET6;
  address.sin6_addr = in6addr_loopback;
  const bool bound = bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
  close(fd);
  return bound;
}

TEST_F(ServerStartTest, ServesOnIPv6) {
  if (!HasIPv6()) GTEST_SKIP() << "this machine has no IPv6";
  options_.listen = "[::1]:0";
  Start();
  const std::string address = absl::StrCat("[::1]:", server().port());
  const RunResult health = RunProgram({OwnProgram("attuned"), "--health_check", address});
  EXPECT_EQ(health.status, 0) << health.output;
  const RunResult decided = RunProgram(
      {OwnProgram("attunectl"), "--server", address, "decide", "ann", "--channel", "app"});
  EXPECT_EQ(decided.status, 0) << decided.output;
  EXPECT_THAT(decided.output, HasSubstr("Decision "));
}

TEST_F(ServerStartTest, ABrokenStrategyHarmsNothingThatIsStored) {
  Start();
  Upsert("ann", {{"plan", String("premium")}});
  const std::string before = Bytes(Get("ann"));
  Stop();
  WriteStrategy(dir_.path(), "name: [");
  EXPECT_FALSE(Refusal(options_).ok());
  WriteStrategy(dir_.path());
  Start();
  EXPECT_EQ(Bytes(Get("ann")), before);
}

TEST_F(ServerStartTest, NamesAStrategyThatIsNotThere) {
  options_.strategy = dir_.File("nowhere.yaml");
  EXPECT_THAT(std::string(Refusal(options_).message()), HasSubstr("nowhere.yaml"));
}

TEST_F(ServerStartTest, RefusesADataFolderThatAnotherServerUses) {
  Start();
  const absl::Status status = Refusal(options_);
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr(options_.data_dir), HasSubstr("another process")));
  EXPECT_TRUE(client().Decide(DecideFor("ann", "app")).ok()) << "the first one goes on";
  Stop();
  Start();
  EXPECT_EQ(Get("ann").decision_count(), 1u);
}

TEST_F(ServerStartTest, RefusesADataFolderThatIsNone) {
  WriteFile(dir_.File("file"), "");
  options_.data_dir = dir_.File("file");
  EXPECT_THAT(std::string(Refusal(options_).message()), HasSubstr(options_.data_dir));
}

TEST_F(ServerStartTest, RefusesAPortThatIsTaken) {
  Start();
  Options second = options_;
  second.data_dir += "_second";
  second.listen = absl::StrCat("127.0.0.1:", server().port());
  const absl::Status status = Refusal(second);
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()), HasSubstr(second.listen));
  EXPECT_TRUE(client().Decide(DecideFor("ann", "app")).ok()) << "and steals no calls";
  second.listen = "127.0.0.1:0";
  EXPECT_TRUE(Server::Start(second, &clock_).ok()) << "the second data folder is free again";
}

TEST_F(ServerStartTest, RefusesAMetricsPortThatIsTaken) {
  Start();
  Options second = options_;
  second.data_dir += "_second";
  second.metrics_listen = absl::StrCat("127.0.0.1:", server().port());
  const absl::Status status = Refusal(second);
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr(second.metrics_listen), HasSubstr("--metrics_listen")));
  second.metrics_listen = "";
  EXPECT_TRUE(Server::Start(second, &clock_).ok()) << "the second data folder is free again";
}

TEST_F(ServerStartTest, RefusesAnAddressThatIsNone) {
  options_.listen = "no such address";
  EXPECT_EQ(Refusal(options_).code(), absl::StatusCode::kUnavailable);
}

TEST_F(ServerStartTest, ServesWithoutAMetricsEndpoint) {
  options_.metrics_listen = "";
  Start();
  EXPECT_EQ(server().metrics_port(), 0);
  EXPECT_TRUE(client().Decide(DecideFor("ann", "app")).ok());
}

}  // namespace
}  // namespace attune::service
