#include "tests/integration/server_fixture.h"

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "spdlog/spdlog.h"

namespace attune::service {
namespace {

constexpr char kSolveModel[] = R"yaml(
linear:
  link: logistic
  intercept: -0.5
  terms:
    - {input: customer.monthly_charges, numeric: {weight: 0.25, mean: 20, scale: 10}}
    - {input: customer.income, numeric: {weight: 1.5, mean: 1000, scale: 1000}}
    - {input: context.attributes.wait_s, buckets: {bounds: [60], weights: [0, 0.75]}}
    - {input: treatment.group, one_hot: {weights: {care: -0.5}}}
)yaml";

constexpr char kSellModel[] = R"yaml(
linear:
  link: logistic
  intercept: -1
  terms:
    - {input: customer.plan, one_hot: {weights: {basic: 0.5, premium: -2}, other: -1}}
    - {input: customer.vip, numeric: {weight: 0.3}}
    - {input: context.intent, one_hot: {weights: {browse_plans: 1}}}
)yaml";

constexpr char kHalfModel[] = "linear: {link: identity, intercept: 0.5}\n";

[[noreturn]] void Fail(const std::string& message) {
  std::fprintf(stderr, "%s\n", message.c_str());
  std::abort();
}

}  // namespace

const char kSmallStrategy[] = R"yaml(name: small
currency: EUR
features:
  - {name: vip, type: bool}
  - {name: tenure_months, type: int, default: 12}
  - {name: monthly_charges, type: double, default: 20, description: What the customer pays.}
  - {name: plan, type: string, default: basic}
  - {name: since, type: timestamp}
  - {name: interests, type: string_list}
  - {name: income, type: double, protected: true}
attributes:
  - {name: wait_s, type: double}
  - {name: topic, type: string, default: none}
  - {name: called_at, type: timestamp}
  - {name: tags, type: string_list}
channels:
  - {name: app}
  - {name: ivr}
intents:
  - {name: report_outage}
  - {name: browse_plans}
groups:
  - {name: resolution}
  - {name: care}
  - {name: offer}
models:
  - {name: solve, file: solve.yaml}
  - {name: sell, file: sell.yaml}
treatments:
  - name: fast_callback
    group: resolution
    value: 100
    cost: 5
    model: solve
    content:
      app: {text: We call you back.}
      ivr: {queue: fast}
  - name: goodwill_credit
    group: care
    value: 60
    cost: 10
    model: solve
    content:
      app: {title: Sorry, text: 10 EUR back.}
      ivr: {prompt: credit}
  - name: upgrade
    group: offer
    value: 200
    cost: 1
    model: sell
    intents: [browse_plans]
    content:
      app: {text: More for less.}
  - name: accessory
    group: offer
    value: 30
    cost: 1
    model: sell
    content:
      app: {text: A new cable.}
      ivr: {prompt: cable}
  - name: spring_sale
    group: offer
    value: 40
    cost: 1
    model: sell
    valid_from: 2026-03-01
    valid_until: 2026-04-01
    content:
      app: {text: Spring is here.}
arbitration:
  max_treatments: 2
  context_weights:
    - {group: resolution, intents: [report_outage], percent: 50}
)yaml";

std::vector<std::string> SmallTreatments() {
  return {"fast_callback", "goodwill_credit", "upgrade", "accessory", "spring_sale"};
}

std::string Replaced(std::string text, std::string_view from, std::string_view to) {
  const size_t at = text.find(from);
  if (at == std::string::npos || text.find(from, at + 1) != std::string::npos) {
    Fail(absl::StrCat("stands not once in the text: ", std::string(from)));
  }
  return text.replace(at, from.size(), to);
}

void WriteFile(const std::string& path, std::string_view text) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out << text;
  out.close();
  if (!out) Fail("can't write " + path);
}

std::string WriteStrategy(const std::string& folder, std::string_view text) {
  WriteFile(folder + "/solve.yaml", kSolveModel);
  WriteFile(folder + "/sell.yaml", kSellModel);
  WriteFile(folder + "/half.yaml", kHalfModel);
  WriteFile(folder + "/strategy.yaml", text);
  return folder + "/strategy.yaml";
}

Options LocalOptions(const std::string& folder) {
  Options options;
  options.strategy = WriteStrategy(folder);
  options.data_dir = folder + "/data";
  options.listen = "127.0.0.1:0";
  options.metrics_listen = "";
  options.cache_mb = 8;
  return options;
}

absl::Time Noon() { return absl::FromUnixSeconds(1'772'366'400); }

LocalServer::LocalServer(const Options& options, const Clock* clock,
                         const Server::OpenStoreWith& open) {
  spdlog::set_level(spdlog::level::warn);  // what it logs when all is well is no news here
  auto server = Server::Start(options, clock, open);
  if (!server.ok()) Fail(absl::StrCat("can't start: ", server.status().ToString()));
  server_ = *std::move(server);
  client_ = std::make_unique<Client>(server_->port());
}

v1::DecideResponse ServerTest::Decide(const v1::DecideRequest& request) const {
  const auto answer = client().Decide(request);
  EXPECT_TRUE(answer.ok()) << answer.status.error_message();
  return answer.response;
}

v1::CustomerServiceGetResponse ServerTest::Get(const std::string& customer_id) const {
  const auto answer = client().Get(customer_id);
  EXPECT_TRUE(answer.ok()) << answer.status.error_message();
  return answer.response;
}

v1::CustomerServiceUpsertResponse ServerTest::Upsert(
    const std::string& customer_id,
    const std::vector<std::pair<std::string, v1::Value>>& features) const {
  const auto answer = client().Upsert(UpsertOf(customer_id, features));
  EXPECT_TRUE(answer.ok()) << answer.status.error_message();
  return answer.response;
}

std::vector<std::string> Ranking(const v1::DecideResponse& response) {
  std::vector<std::string> names;
  for (const v1::RankedTreatment& treatment : response.treatments()) {
    names.push_back(treatment.treatment_id());
  }
  return names;
}

std::vector<std::string> Rejections(const v1::DecideResponse& response) {
  std::vector<std::string> rejections;
  for (const v1::RejectedTreatment& rejected : response.rejected_treatments()) {
    rejections.push_back(
        absl::StrCat(rejected.treatment_id(), ": ", rejected.stage(), "/", rejected.reason()));
  }
  return rejections;
}

std::vector<std::string> Counts(const v1::DecideResponse& response) {
  std::vector<std::string> counts;
  for (const v1::RejectedCount& count : response.rejected_counts()) {
    counts.push_back(absl::StrCat(count.stage(), "/", count.reason(), "=", count.count()));
  }
  return counts;
}

}  // namespace attune::service
