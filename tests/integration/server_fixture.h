#ifndef ATTUNE_TESTS_INTEGRATION_SERVER_FIXTURE_H_
#define ATTUNE_TESTS_INTEGRATION_SERVER_FIXTURE_H_

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "lib/base/clock.h"
#include "service/options.h"
#include "service/server.h"
#include "tests/integration/client.h"
#include "tests/testing/temp_dir.h"

namespace attune::service {

// A strategy as small as one can be that has something of everything: values of every type (income
// is protected), two channels, two intents, three groups, a treatment that only the app can show
// (upgrade, for browsing only) and one with dates (spring_sale, March 2026).
extern const char kSmallStrategy[];
// The names of its treatments, in its order.
std::vector<std::string> SmallTreatments();

// `text` with its only occurrence of `from` replaced; ends the test program when there is none or
// more than one.
std::string Replaced(std::string text, std::string_view from, std::string_view to);

void WriteFile(const std::string& path, std::string_view text);

// Writes the strategy to `folder`/strategy.yaml and models beside it: those of the small strategy
// and half.yaml, which always gives 0.5. Returns the strategy's path.
std::string WriteStrategy(const std::string& folder, std::string_view text = kSmallStrategy);

// Options for a server on free ports with the small strategy and a data folder, both under
// `folder`.
Options LocalOptions(const std::string& folder);

// 2026-03-01 12:00 UTC, where the clocks of tests start.
absl::Time Noon();

// A server in this process and a client to it. Thread-safe but for its beginning and end.
class LocalServer {
 public:
  // Ends the test program when the server does not start. `clock` must outlive it, and what `open`
  // refers to.
  LocalServer(const Options& options, const Clock* clock, const Server::OpenStoreWith& open = {});

  Server& server() { return *server_; }
  const Client& client() const { return *client_; }

 private:
  std::unique_ptr<Server> server_;
  std::unique_ptr<Client> client_;
};

// A test with a server of its own, on the small strategy and a clock that stands at noon.
class ServerTest : public ::testing::Test {
 protected:
  ServerTest() : options_(LocalOptions(dir_.path())) {}

  void Start() { server_ = std::make_unique<LocalServer>(options_, &clock_, open_store_); }
  // Drains.
  void Stop() { server_.reset(); }
  // Drains and starts again on what was stored, with options_ as they are now.
  void Restart() {
    Stop();
    Start();
  }
  // Restarts with another strategy.
  void RestartWith(std::string_view strategy) {
    Stop();
    WriteStrategy(dir_.path(), strategy);
    Start();
  }

  const Client& client() const { return server_->client(); }
  Server& server() { return server_->server(); }

  // Decides and expects that to work.
  v1::DecideResponse Decide(const v1::DecideRequest& request) const;
  v1::DecideResponse Decide(const std::string& customer_id, const std::string& channel,
                            const std::string& intent = "") const {
    return Decide(DecideFor(customer_id, channel, intent));
  }
  // Reads and expects that to work.
  v1::CustomerServiceGetResponse Get(const std::string& customer_id) const;
  // Writes and expects that to work.
  v1::CustomerServiceUpsertResponse Upsert(
      const std::string& customer_id,
      const std::vector<std::pair<std::string, v1::Value>>& features = {}) const;

  testing::TempDir dir_;
  ManualClock clock_{Noon()};
  Options options_;
  Server::OpenStoreWith open_store_;  // empty: as attuned does
  std::unique_ptr<LocalServer> server_;
};

// The names of the ranked treatments, best first.
std::vector<std::string> Ranking(const v1::DecideResponse& response);

// "treatment: stage/reason" of every rejected treatment of an explained answer.
std::vector<std::string> Rejections(const v1::DecideResponse& response);

// The counts of an answer as "stage/reason=count".
std::vector<std::string> Counts(const v1::DecideResponse& response);

}  // namespace attune::service

#endif  // ATTUNE_TESTS_INTEGRATION_SERVER_FIXTURE_H_
