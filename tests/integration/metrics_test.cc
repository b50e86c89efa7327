// What Prometheus sees of a server after known traffic.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "tests/integration/server_fixture.h"
#include "tests/integration/subprocess.h"
#include "tests/testing/paths.h"

namespace attune::service {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

int Connect(int port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  return fd;
}

// What the server answers to GET /metrics, headers included.
std::string HttpGet(int port) {
  const int fd = Connect(port);
  std::string answer;
  const std::string request =
      "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
  if (send(fd, request.data(), request.size(), MSG_NOSIGNAL) ==
      static_cast<ssize_t>(request.size())) {
    char buffer[4096];
    for (ssize_t size; (size = recv(fd, buffer, sizeof buffer, 0)) > 0;) {
      answer.append(buffer, static_cast<size_t>(size));
    }
  }
  close(fd);
  return answer;
}

// A scrape: the text, the types of families by name, the values of series by name with labels.
struct Scrape {
  std::string text;
  std::map<std::string, std::string> types;
  std::map<std::string, double> values;

  double at(const std::string& series) const {
    const auto found = values.find(series);
    if (found == values.end()) {
      ADD_FAILURE() << "no series " << series;
      return -1;
    }
    return found->second;
  }
};

Scrape ParseScrape(const std::string& answer) {
  Scrape scrape;
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK"));
  const size_t body = answer.find("\r\n\r\n");
  if (body == std::string::npos) return scrape;
  scrape.text = answer.substr(body + 4);
  std::istringstream lines(scrape.text);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("# TYPE ")) {
      std::istringstream words(line.substr(7));
      std::string name, type;
      words >> name >> type;
      EXPECT_TRUE(scrape.types.emplace(name, type).second) << name << " twice";
    } else if (!line.starts_with("#")) {
      const size_t space = line.rfind(' ');
      double value = 0;
      EXPECT_TRUE(absl::SimpleAtod(line.substr(space + 1), &value)) << line;
      EXPECT_TRUE(scrape.values.emplace(line.substr(0, space), value).second) << line << " twice";
    }
  }
  return scrape;
}

class ServerMetricsTest : public ServerTest {
 protected:
  ServerMetricsTest() {
    options_.metrics_listen = "127.0.0.1:0";
    // A ramp, which has metrics of its own, that reaches everybody; an outcome, which has some,
    // too.
    std::string text = Replaced(kSmallStrategy, "  - name: spring_sale\n",
                                "  - name: spring_sale\n"
                                "    ramp: {from: 1, full_at: 1, outcomes: [decided]}\n");
    text = Replaced(text, "groups:\n", "outcomes: [{name: shown}]\ngroups:\n");
    WriteStrategy(dir_.path(), text);
    Start();
  }

  Scrape ScrapeNow() { return ParseScrape(HttpGet(server().metrics_port())); }
};

std::string Handled(const std::string& service, const std::string& method, const std::string& type,
                    const std::string& code) {
  return absl::StrCat("grpc_server_handled_total{grpc_service=\"attune.v1.", service,
                      "\",grpc_method=\"", method, "\",grpc_type=\"", type, "\",grpc_code=\"", code,
                      "\"}");
}

std::string OnTop(const std::string& channel, const std::string& group,
                  const std::string& treatment) {
  return absl::StrCat("attune_decisions_total{channel=\"", channel, "\",group=\"", group,
                      "\",treatment=\"", treatment, "\"}");
}

std::string Rejected(const std::string& stage, const std::string& reason,
                     const std::string& rule = "") {
  return absl::StrCat("attune_rejections_total{stage=\"", stage, "\",reason=\"", reason,
                      "\",rule=\"", rule, "\"}");
}

TEST_F(ServerMetricsTest, ServesEveryFamilyThatOthersRelyOn) {
  const Scrape scrape = ScrapeNow();
  std::ifstream golden(testing::SourcePath("tests/unit/service/metrics.golden"));
  ASSERT_TRUE(golden);
  // Known to whoever serves: counted by the transport, or by the endpoint about itself.
  std::map<std::string, std::string> expected = {
      {"attune_malformed_requests_total", "counter"},
      {"attune_handler_exceptions_total", "counter"},
      {"exposer_transferred_bytes_total", "counter"},
      {"exposer_scrapes_total", "counter"},
      {"exposer_request_latencies", "summary"},
  };
  for (std::string line; std::getline(golden, line);) {
    std::istringstream words(line);
    std::string name, type;
    words >> name >> type;
    // There is no series where the strategy has no such model, or learns nothing.
    std::string first_label, second_label;
    words >> first_label >> second_label;
    const bool of_learned_model =
        first_label == "model" && (second_label == "of" || second_label == "input");
    if (!name.starts_with("attune_remote_model_") && !name.starts_with("attune_learner_") &&
        !of_learned_model) {
      expected[name] = type;
    }
  }
  EXPECT_EQ(scrape.types, expected);
}

TEST_F(ServerMetricsTest, CountsCallsByMethodAndCode) {
  Upsert("ann");
  Get("ann");
  client().Get("nobody");
  client().Erase("nobody");
  for (int i = 0; i < 3; ++i) Decide("ann", "app");
  client().Decide(DecideFor("ann", "fax"));
  client().CallWithBytes("/attune.v1.DecisionService/Decide", "\xFF");
  client().BatchUpsert({RowsOf({"vip"}, {{"bob", {Bool(true)}}})});
  client().BatchUpsert({RowsOf({}, {{"bob", {Bool(true)}}})});
  v1::DecideRequest with_id = DecideFor("ann", "app");
  with_id.set_request_id("r");
  client().Decide(with_id);
  with_id.set_channel("ivr");
  client().Decide(with_id);
  int sent = 0;
  client().DecideStream(
      [&](v1::DecideStreamRequest& message) {
        *message.mutable_decide() = DecideFor("ann", "app");
        return sent++ < 5;
      },
      [](const v1::DecideStreamResponse&) {});
  const Scrape scrape = ScrapeNow();
  const struct {
    const char* service;
    const char* method;
    const char* type;
    const char* code;
    double count;
  } cases[] = {
      {"DecisionService", "Decide", "unary", "OK", 4},
      {"DecisionService", "Decide", "unary", "InvalidArgument", 2},
      {"DecisionService", "Decide", "unary", "AlreadyExists", 1},
      {"DecisionService", "Decide", "unary", "Internal", 0},
      {"DecisionService", "DecideStream", "bidi_stream", "OK", 1},
      {"CustomerService", "Upsert", "unary", "OK", 1},
      {"CustomerService", "Get", "unary", "OK", 1},
      {"CustomerService", "Get", "unary", "NotFound", 1},
      {"CustomerService", "Erase", "unary", "OK", 1},
      {"CustomerService", "BatchUpsert", "client_stream", "OK", 1},
      {"CustomerService", "BatchUpsert", "client_stream", "InvalidArgument", 1},
  };
  for (const auto& c : cases) {
    const std::string series = Handled(c.service, c.method, c.type, c.code);
    EXPECT_EQ(scrape.at(series), c.count) << series;
  }
  const std::string decide =
      "{grpc_service=\"attune.v1.DecisionService\",grpc_method=\"Decide\",grpc_type=\"unary\"";
  EXPECT_EQ(scrape.at(absl::StrCat("grpc_server_started_total", decide, "}")), 7);
  EXPECT_EQ(scrape.at(absl::StrCat("grpc_server_handling_seconds_count", decide, "}")), 7);
  EXPECT_EQ(scrape.at(absl::StrCat("grpc_server_handling_seconds_bucket", decide, ",le=\"+Inf\"}")),
            7);
  EXPECT_GT(scrape.at(absl::StrCat("grpc_server_handling_seconds_sum", decide, "}")), 0);
  EXPECT_EQ(scrape.at("attune_malformed_requests_total"), 1);
  EXPECT_EQ(scrape.at("attune_handler_exceptions_total"), 0);
}

TEST_F(ServerMetricsTest, CountsDecisionsByWhatIsOnTop) {
  Upsert("ann", {{"plan", String("premium")}});
  for (int i = 0; i < 3; ++i) Decide("nobody", "app");  // spring_sale
  for (int i = 0; i < 2; ++i) Decide("ann", "ivr");     // fast_callback
  v1::DecideRequest empty = DecideFor("ann", "ivr");
  empty.add_treatment_ids("upgrade");
  Decide(empty);
  v1::DecideRequest peek = DecideFor("ann", "ivr", "report_outage");
  peek.set_dry_run(true);
  Decide(peek);
  v1::DecideRequest with_id = DecideFor("ann", "ivr");
  with_id.set_request_id("r");
  for (int i = 0; i < 4; ++i) Decide(with_id);  // one decision, answered four times
  const Scrape scrape = ScrapeNow();
  EXPECT_EQ(scrape.at(OnTop("app", "offer", "spring_sale")), 3);
  EXPECT_EQ(scrape.at(OnTop("ivr", "resolution", "fast_callback")), 3) << "peeks don't count";
  EXPECT_EQ(scrape.at(OnTop("ivr", "none", "none")), 1);
  EXPECT_EQ(scrape.at(OnTop("app", "none", "none")), 0);
  double total = 0;
  for (const auto& [series, value] : scrape.values) {
    if (series.starts_with("attune_decisions_total{")) total += value;
  }
  EXPECT_EQ(total, 7);
  EXPECT_EQ(scrape.values.count(OnTop("ivr", "offer", "upgrade")), 0u)
      << "the ivr can't carry an upgrade";
  EXPECT_EQ(scrape.at("attune_dry_run_decisions_total"), 1);
  EXPECT_EQ(scrape.at("attune_repeated_requests_total"), 3);
  EXPECT_EQ(scrape.at("attune_unknown_customer_decisions_total"), 3);
  for (const char* reason : {"customer_unavailable", "customer_damaged", "not_remembered",
                             "score_not_finite", "model_failed"}) {
    EXPECT_EQ(scrape.at(absl::StrCat("attune_degraded_decisions_total{reason=\"", reason, "\"}")),
              0);
  }
  for (const char* stage :
       {"context", "customer", "candidates", "policy", "scoring", "arbitration", "decision"}) {
    EXPECT_EQ(scrape.at(absl::StrCat("attune_stage_duration_seconds_count{stage=\"", stage, "\"}")),
              7);
  }
}

TEST_F(ServerMetricsTest, ConnectionsThatSayNothingDelayNoScrape) {
  std::vector<int> silent;
  for (int i = 0; i < 3; ++i) {
    const int fd = Connect(server().metrics_port());
    const std::string half = i == 0 ? "" : "GET /metrics HTTP/1.1\r\nHost";
    ASSERT_EQ(send(fd, half.data(), half.size(), MSG_NOSIGNAL), static_cast<ssize_t>(half.size()));
    silent.push_back(fd);
  }
  EXPECT_THAT(HttpGet(server().metrics_port()), StartsWith("HTTP/1.1 200 OK"));
  for (const int fd : silent) {
    char byte = 0;
    EXPECT_EQ(recv(fd, &byte, 1, MSG_DONTWAIT), -1) << "answered only when this one was given up";
    close(fd);
  }
}

TEST_F(ServerMetricsTest, CountsRejectionsByReason) {
  Decide("ann", "app");  // upgrade: intent; fast_callback, goodwill_credit: outranked
  Decide("ann", "ivr", "browse_plans");  // upgrade, spring_sale: no content; goodwill_credit
  v1::DecideRequest one = DecideFor("ann", "app");
  one.add_treatment_ids("accessory");
  Decide(one);  // four not requested
  const Scrape scrape = ScrapeNow();
  EXPECT_EQ(scrape.at(Rejected("candidates", "not_requested")), 4);
  EXPECT_EQ(scrape.at(Rejected("candidates", "no_content_for_channel")), 2);
  EXPECT_EQ(scrape.at(Rejected("policy", "intent_not_applicable")), 1);
  EXPECT_EQ(scrape.at(Rejected("arbitration", "outranked")), 3);
  EXPECT_EQ(scrape.at(Rejected("arbitration", "group_limit_reached")), 0);
  EXPECT_EQ(scrape.at(Rejected("scoring", "score_not_finite")), 0);
}

TEST_F(ServerMetricsTest, TellsAboutTheStoreAndTheProcess) {
  for (int i = 0; i < 20; ++i) Decide(absl::StrCat("c", i), "app");
  const Scrape scrape = ScrapeNow();
  EXPECT_GT(scrape.at("attune_store_customers"), 0);
  EXPECT_GT(scrape.at("attune_store_log_entries"), 0);
  EXPECT_GT(scrape.at("attune_store_written_bytes_total"), 0);
  EXPECT_EQ(scrape.at("attune_store_write_stopped"), 0);
  EXPECT_GT(scrape.at("process_resident_memory_bytes"), 1e6);
  EXPECT_GT(scrape.at("process_open_fds"), 3);
  EXPECT_EQ(scrape.at(absl::StrCat("attune_strategy_info{strategy=\"small\",version=\"",
                                   Decide("ann", "app").strategy_version(), "\"}")),
            1);
}

TEST_F(ServerMetricsTest, HoldsNoIdOfACustomer) {
  Upsert("m4rk3r-customer");
  v1::DecideRequest request = DecideFor("m4rk3r-customer", "app");
  request.set_request_id("m4rk3r-request");
  Decide(request);
  client().Decide(DecideFor("m4rk3r-customer", "m4rk3r-channel"));
  EXPECT_THAT(ScrapeNow().text, ::testing::Not(HasSubstr("m4rk3r")));
}

TEST_F(ServerMetricsTest, PromtoolFindsNothingToSay) {
  if (std::system("command -v promtool >/dev/null 2>&1") != 0) {
    GTEST_SKIP() << "promtool is not installed (Debian package prometheus)";
  }
  Decide("ann", "app");
  const std::string path = dir_.File("scrape.txt");
  WriteFile(path, ScrapeNow().text);
  const RunResult result = RunProgram({"sh", "-c", "promtool check metrics < " + path});
  EXPECT_EQ(result.status, 0) << result.output;
  EXPECT_EQ(result.output, "");
}

}  // namespace
}  // namespace attune::service
