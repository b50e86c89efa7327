// attune_load: asks a server for decisions and measures how long they take.

#include <cstdint>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/str_format.h"
#include "tests/load/load_client.h"

namespace {

namespace pb = attune::v1;
using attune::load::LoadOptions;
using attune::load::LoadResult;

// How many different requests are prepared; they are sent round and round.
constexpr int kPreparedRequests = 50'000;

// Whom to ask about: the ids that `attunectl generate customers` makes.
struct Population {
  int customers = 100'000;
  std::string channel = "web";
  std::string intent;
  uint64_t seed = 1;
};

// splitmix64 (Steele, Lea, Flood 2014): the same customers on every machine.
uint64_t NextRandom(uint64_t& state) {
  uint64_t z = state += 0x9E3779B97F4A7C15ull;
  z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9ull;
  z = (z ^ z >> 27) * 0x94D049BB133111EBull;
  return z ^ z >> 31;
}

std::vector<pb::DecideRequest> Prepare(const Population& population) {
  std::vector<pb::DecideRequest> requests(kPreparedRequests);
  uint64_t state = population.seed;
  for (pb::DecideRequest& request : requests) {
    const auto customer =
        1 + static_cast<int>(NextRandom(state) % static_cast<uint64_t>(population.customers));
    request.set_customer_id(absl::StrFormat("C%07d", customer));
    request.set_channel(population.channel);
    request.set_intent(population.intent);
  }
  return requests;
}

void Print(const LoadOptions& options, const LoadResult& result, bool json) {
  const double qps =
      result.seconds > 0 ? static_cast<double>(result.latency.count()) / result.seconds : 0;
  const char* format =
      json ? "{\"concurrency\": %d, \"calls\": %d, \"errors\": %d, \"qps\": %.0f, \"p50_us\": %.0f, "
             "\"p90_us\": %.0f, \"p99_us\": %.0f, \"p999_us\": %.0f, \"max_us\": %.0f}\n"
           : "concurrency=%d calls=%d errors=%d qps=%.0f p50_us=%.0f p90_us=%.0f p99_us=%.0f "
             "p999_us=%.0f max_us=%.0f\n";
  const auto text = absl::ParsedFormat<'d', 'd', 'd', 'f', 'f', 'f', 'f', 'f', 'f'>::New(format);
  std::cout << absl::StrFormat(*text, options.concurrency, result.latency.count(), result.errors,
                               qps, result.latency.PercentileMicros(0.5),
                               result.latency.PercentileMicros(0.9),
                               result.latency.PercentileMicros(0.99),
                               result.latency.PercentileMicros(0.999), result.latency.MaxMicros());
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("attune_load asks a server for decisions and measures how long they take.",
               "attune_load");
  LoadOptions options;
  Population population;
  std::string mode = "unary";
  std::string save_answer;
  bool json = false;
  app.add_option("--server", options.server, "Address of the server")->capture_default_str();
  app.add_option("--mode", mode, "unary: a call per decision; stream: messages of one stream")
      ->check(CLI::IsMember({"unary", "stream"}))
      ->capture_default_str();
  app.add_option("--concurrency", options.concurrency, "Decisions in flight at most")
      ->check(CLI::Range(1, 10'000))
      ->capture_default_str();
  app.add_option("--rate", options.rate,
                 "Decisions per second, open loop: latency counts from the intended start; "
                 "0: closed loop, the next one starts when one ends")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  app.add_option("--seconds", options.seconds, "Time that is measured")
      ->check(CLI::Range(0.01, 3600.0))
      ->capture_default_str();
  app.add_option("--warmup", options.warmup_seconds, "Seconds before that")
      ->check(CLI::Range(0.0, 600.0))
      ->capture_default_str();
  app.add_option("--max_calls", options.max_calls, "Stop after so many")->capture_default_str();
  app.add_option("--customers", population.customers, "Ids are drawn from 1 to this number")
      ->check(CLI::Range(1, 100'000'000))
      ->capture_default_str();
  app.add_option("--channel", population.channel, "Channel of every request")
      ->capture_default_str();
  app.add_option("--intent", population.intent, "Intent of every request");
  app.add_option("--seed", population.seed, "Of the draw of customers")->capture_default_str();
  app.add_option("--save_answer", save_answer, "Write the last answer to this file, serialised");
  app.add_flag("--json", json, "Print JSON");
  CLI11_PARSE(app, argc, argv);

  const std::vector<pb::DecideRequest> requests = Prepare(population);
  const LoadResult result = mode == "unary" ? attune::load::RunUnary(options, requests)
                                            : attune::load::RunStream(options, requests);
  Print(options, result, json);
  if (!save_answer.empty()) {
    std::ofstream(save_answer, std::ios::binary) << result.last_answer;
  }
  if (result.errors > 0) {
    std::cerr << result.errors << " errors; the first: " << result.first_error << "\n";
    return 1;
  }
  return result.latency.count() > 0 ? 0 : 1;
}
