#include "service/options.h"

#include <iostream>

#include "CLI/CLI.hpp"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "service/version.h"

namespace attune::service {
namespace {

constexpr int kExitUsage = 2;
constexpr int kMaxPort = 65535;
constexpr absl::Duration kLongestSavePeriod = absl::Hours(1);

// A flag that takes a duration as Go and Abseil write it: 300ms, 5s, 2m.
CLI::Option* AddDuration(CLI::App& app, const std::string& flag, absl::Duration& value,
                         const std::string& help,
                         absl::Duration longest = absl::InfiniteDuration()) {
  return app
      .add_option_function<std::string>(
          flag,
          [&value, flag, longest](const std::string& text) {
            if (!absl::ParseDuration(text, &value) || value < absl::ZeroDuration()) {
              throw CLI::ValidationError(flag, "must be a duration such as 300ms, 5s or 2m");
            }
            if (value > longest) {
              throw CLI::ValidationError(
                  flag, absl::StrCat("must be at most ", absl::FormatDuration(longest)));
            }
          },
          help)
      ->type_name("DURATION")
      ->default_str(absl::FormatDuration(value));
}

// Refuses what is no address; gRPC and the metrics endpoint would take a port modulo 65536.
void CheckAddress(const std::string& flag, const std::string& address, bool may_be_ipv6) {
  if (!may_be_ipv6 && address.starts_with('[')) {
    throw CLI::ValidationError(flag,
                               "must be an IPv4 address and a port, for example "
                               "127.0.0.1:9464: the metrics endpoint has no IPv6");
  }
  const size_t colon = address.rfind(':');
  int port = -1;
  if (colon != std::string::npos && colon > 0 &&
      absl::SimpleAtoi(address.substr(colon + 1), &port) && port >= 0 && port <= kMaxPort) {
    return;
  }
  throw CLI::ValidationError(
      flag, absl::StrCat("must be HOST:PORT with a port from 0 to ", kMaxPort,
                         ", for example 127.0.0.1:7070", may_be_ipv6 ? " or [::1]:7070" : ""));
}

CLI::Option* AddAddress(CLI::App& app, const std::string& flag, std::string& value, bool is_metrics,
                        const std::string& help) {
  return app
      .add_option_function<std::string>(
          flag,
          [&value, flag, is_metrics](const std::string& text) {
            // The metrics endpoint may be left out.
            if (!is_metrics || !text.empty()) CheckAddress(flag, text, !is_metrics);
            value = text;
          },
          help)
      ->type_name("HOST:PORT")
      ->default_str(value);
}

void AddFlags(CLI::App& app, Options& options) {
  app.add_option("--strategy", options.strategy, "The strategy file (YAML)")->type_name("FILE");
  AddStoredOption(
      app,
      "Put this file into the registry as the model NAME, unless it has\none of that name "
      "already. For the first start of a strategy that\nnames it; with --validate_only "
      "it is looked at only. May be given\nmore than once",
      options.stored);
  app.add_option("--data_dir", options.data_dir,
                 "Folder of the state store; created when absent. One process at a time")
      ->type_name("DIR");
  AddAddress(app, "--listen", options.listen, /*is_metrics=*/false,
             "Address of the gRPC server; port 0: any free one");
  AddAddress(app, "--metrics_listen", options.metrics_listen, /*is_metrics=*/true,
             "Address of the Prometheus endpoint /metrics; empty: none");
  app.add_option("--threads", options.threads,
                 "Threads that decide, each with a completion queue; 0: one per two cores")
      ->check(CLI::Range(0, 256))
      ->capture_default_str();
  app.add_option("--cache_mb", options.cache_mb,
                 "Memory of the store for customers' records and blocks of files, MiB")
      ->check(CLI::Range(8, 1 << 20))
      ->capture_default_str();
  app.add_option("--log_max_mb", options.log_max_mb,
                 "How much of the log of decisions is kept, MiB. Outcomes of decisions\nthat "
                 "are gone from it are not attributed")
      ->check(CLI::Range(16, 1 << 26))
      ->capture_default_str();
  AddDuration(app, "--learner_save_period", options.learner_save_period,
              "How often what adaptive models have learned is stored; what is not is\n"
              "learned from the log anew after a crash. While the log is full, or ages\n"
              "(--log_max_age), every 10 seconds at least. 0s: nearly all the time",
              kLongestSavePeriod);
  AddDuration(app, "--log_max_age", options.log_max_age,
              "How old events of that log may become, for example 2160h for 90\ndays; 0: as old as "
              "--log_max_mb allows. Not less than the strategy's\nwindows reach back. In a replay "
              "nothing ages");
  app.add_option("--learner_max_waiting", options.learner_max_waiting,
                 "How many treatments may wait for their outcomes to be learned from,\nsome 400 "
                 "bytes of memory each. With more the newest are not learned from")
      ->check(CLI::Range(1000, 1'000'000))
      ->capture_default_str();
  AddDuration(app, "--max_clock_skew", options.max_clock_skew,
              "How far a request's time may be from the server's clock");
  AddDuration(app, "--drain_delay", options.drain_delay,
              "After SIGTERM: how long to report NOT_SERVING before refusing calls");
  AddDuration(app, "--drain_timeout", options.drain_timeout,
              "After that: how long calls in flight may take to finish");
  app.add_option(
         "--seed", options.seed,
         "Fix what is drawn at random, so that one state and one request give one answer. A "
         "store keeps the key of its ids from when it was created")
      ->check(CLI::NonNegativeNumber)
      ->type_name("NUMBER");
  app.add_flag("--replay_clock", options.replay_clock,
               "Let the times of requests drive the clock; for replays of the past");
  app.add_option("--log_level", options.log_level, "trace, debug, info, warn or error")
      ->check(CLI::IsMember({"trace", "debug", "info", "warn", "error"}))
      ->capture_default_str();
  app.add_flag("--validate_only", options.validate_only,
               "Check the strategy and the flags, print what is wrong, and exit: 0 or 1");
  AddAddress(app, "--health_check", options.health_check, /*may_be_empty=*/false,
             "Ask the server at this address whether it serves, and exit: 0 or 1");
}

}  // namespace

std::optional<int> ParseOptions(int argc, char** argv, Options& options) {
  CLI::App app(
      "attuned decides, over gRPC, how to treat a customer now.\n\n"
      "  attuned --strategy deploy/example/telecom.yaml --data_dir /var/lib/attune\n",
      "attuned");
  app.set_version_flag("--version", absl::StrCat("attuned ", kVersion));
  app.footer(
      "SIGTERM and SIGINT drain: health reports NOT_SERVING, calls in flight finish, the store "
      "closes, exit 0.\nExit: 0 done, 1 could not start or is not healthy, 2 wrong flags.");
  AddFlags(app, options);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int status = app.exit(error);
    return status == 0 ? 0 : kExitUsage;
  }
  if (options.health_check.empty() && options.strategy.empty()) {
    std::cerr << "--strategy is required; see --help\n";
    return kExitUsage;
  }
  if (options.health_check.empty() && !options.validate_only && options.data_dir.empty()) {
    std::cerr << "--data_dir is required to serve; see --help\n";
    return kExitUsage;
  }
  return std::nullopt;
}

}  // namespace attune::service
