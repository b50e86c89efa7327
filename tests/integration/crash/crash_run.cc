#include "tests/integration/crash/crash_run.h"

#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <memory>
#include <random>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "google/protobuf/util/time_util.h"
#include "tests/integration/client.h"
#include "tests/integration/crash/crash_strategy.h"
#include "tests/integration/crash/ledger.h"
#include "tests/integration/crash/target.h"
#include "tests/integration/crash/traffic.h"
#include "tests/integration/subprocess.h"

namespace attune::crash {
namespace {

using service::AttunedProcess;
using service::Client;
using Steady = std::chrono::steady_clock;

// How long attuned serves until it is killed: anything up to that.
constexpr std::chrono::milliseconds kLongestLife(1'200);
// One kill in so many is followed by one of a process that starts, after anything up to that.
constexpr int kStartupKillEvery = 6;
constexpr std::chrono::milliseconds kLongestStart(150);
// One kill in so many strikes a process that was told to drain, after anything up to that.
constexpr int kDrainKillEvery = 8;
constexpr std::chrono::milliseconds kLongestDrain(100);
// Before one kill in so many the clients rest so long that the learner tells the log the time.
constexpr int kRestEvery = 60;
constexpr std::chrono::milliseconds kRest(12'000);
// Customers compared after each start.
constexpr uint64_t kSample = 10;
constexpr std::chrono::seconds kTellPeriod(5);
// As often as that, what was learned is stored: some kills strike in the middle of it.
constexpr char kSavePeriod[] = "40ms";
// The learner looks for events ten times a second: after this it has seen the last ones, ...
constexpr std::chrono::milliseconds kLearnerPause(500);
// ... and so long it may take to learn from them.
constexpr std::chrono::seconds kLearnerPatience(60);
// The most that Get tells of a history.
constexpr int kListedInteractions = 64;
constexpr int kKilled = 128 + SIGKILL;
// How much of what a process wrote is told when it ends by itself.
constexpr size_t kToldOutput = 4'000;

double MillisecondsSince(Steady::time_point start) {
  return std::chrono::duration<double, std::milli>(Steady::now() - start).count();
}

std::string Tail(const std::string& text) {
  return text.size() <= kToldOutput ? text : text.substr(text.size() - kToldOutput);
}

// One run.
class Crashes {
 public:
  Crashes(const CrashOptions& options, const std::function<void(const CrashProgress&)>& tell)
      : options_(options),
        tell_(tell),
        strategy_(options.folder + "/strategy.yaml"),
        data_dir_(options.folder + "/data"),
        ledger_(options.clients),
        random_(options.seed) {
    traffic_.ledger = &ledger_;
    traffic_.target = &target_;
    traffic_.problems = &problems_;
    traffic_.clients = options.clients;
    traffic_.calls_per_second = options.calls_per_second;
  }

  CrashReport Run();

 private:
  std::chrono::duration<double, std::milli> DrawUpTo(std::chrono::milliseconds longest) {
    return std::uniform_real_distribution<double>(0, 1)(random_) *
           std::chrono::duration<double, std::milli>(longest);
  }
  // True once in so many times.
  bool OneIn(int times) { return std::uniform_int_distribution<int>(1, times)(random_) == times; }
  bool IsOver() const;
  void Tell();

  // Each returns whether the run can go on; if not, why is a problem.
  bool Start();
  bool KillAndRestart();
  bool Kill();
  // Starts a process and kills it before it serves, or a moment later.
  bool KillWhileStarting();
  bool CatchUp();
  bool Drain();

  void SampleCustomers();
  // Compares a customer with what was acknowledged, which `in_flight` calls may be ahead of. How
  // many profile writes are lost.
  uint64_t CheckCustomer(const std::string& customer, const KnownCustomer& known,
                         uint64_t in_flight);
  void CheckAllCustomers();
  void Finish();

  const CrashOptions& options_;
  const std::function<void(const CrashProgress&)>& tell_;
  const std::string strategy_;
  const std::string data_dir_;
  Ledger ledger_;
  Target target_;
  Problems problems_;
  Traffic traffic_;
  std::mt19937_64 random_;
  const Steady::time_point start_ = Steady::now();
  Steady::time_point next_tell_ = start_;
  std::unique_ptr<AttunedProcess> attuned_;
  std::shared_ptr<const Client> client_;  // of attuned_
  std::vector<double> reopen_ms_;
  CrashReport report_;
};

bool Crashes::IsOver() const {
  const double limit_ms = absl::ToDoubleMilliseconds(options_.limit);
  return report_.kills >= options_.kills || (limit_ms > 0 && MillisecondsSince(start_) >= limit_ms);
}

void Crashes::Tell() {
  if (Steady::now() < next_tell_) return;
  next_tell_ = Steady::now() + kTellPeriod;
  tell_({.kills = report_.kills,
         .seconds = MillisecondsSince(start_) / 1000,
         .outcomes = ledger_.outcomes(),
         .problems = problems_.count()});
}

bool Crashes::Start() {
  const Steady::time_point start = Steady::now();
  attuned_ = std::make_unique<AttunedProcess>(
      strategy_, data_dir_,
      std::vector<std::string>{"--metrics_listen", "", "--learner_save_period", kSavePeriod});
  if (attuned_->port() == 0) {
    problems_.Add(absl::StrCat("attuned does not serve after ", report_.kills,
                               " kills; it wrote:\n", Tail(attuned_->process().output())));
    return false;
  }
  reopen_ms_.push_back(MillisecondsSince(start));
  client_ = std::make_shared<const Client>(attuned_->port());
  return true;
}

bool Crashes::Kill() {
  const bool is_draining = OneIn(kDrainKillEvery);
  if (is_draining) {
    attuned_->process().Signal(SIGTERM);
    std::this_thread::sleep_for(DrawUpTo(kLongestDrain));
  }
  attuned_->process().Signal(SIGKILL);
  target_.Withdraw();
  const int status = attuned_->process().Wait();
  report_.drain_kills += is_draining && status == kKilled ? 1 : 0;
  // It may have drained before it was killed.
  if (status == kKilled || (is_draining && status == 0)) return true;
  problems_.Add(absl::StrCat("attuned ended by itself with status ", status, "; it wrote:\n",
                             Tail(attuned_->process().output())));
  return false;
}

bool Crashes::KillWhileStarting() {
  service::Subprocess process({service::OwnProgram("attuned"), "--strategy", strategy_,
                               "--data_dir", data_dir_, "--listen", "127.0.0.1:0",
                               "--metrics_listen", "", "--cache_mb", "8"});
  std::this_thread::sleep_for(DrawUpTo(kLongestStart));
  process.Signal(SIGKILL);
  const int status = process.Wait();
  ++report_.startup_kills;
  if (status == kKilled) return true;
  problems_.Add(absl::StrCat("attuned could not start after ", report_.kills, " kills; it wrote:\n",
                             Tail(process.output())));
  return false;
}

bool Crashes::KillAndRestart() {
  if ((report_.kills + 1) % kRestEvery == 0) {
    traffic_.resting = true;
    std::this_thread::sleep_for(kRest);
  }
  std::this_thread::sleep_for(DrawUpTo(kLongestLife));
  if (!Kill()) return false;
  ++report_.kills;
  traffic_.resting = false;
  if (OneIn(kStartupKillEvery) && !KillWhileStarting()) return false;
  if (!Start()) return false;
  SampleCustomers();
  traffic_.first_customer += kNewCustomersPerKill;
  target_.Publish(client_);
  return true;
}

void Crashes::SampleCustomers() {
  const uint64_t first = traffic_.first_customer;
  std::uniform_int_distribution<uint64_t> draw(first, first + kActiveCustomers - 1);
  for (uint64_t i = 0; i < kSample; ++i) {
    const std::string customer = absl::StrCat("customer ", draw(random_));
    // Nobody else calls meanwhile: who was cut off waits for a server.
    CheckCustomer(customer, ledger_.Of(customer), options_.clients);
    ++report_.sampled;
  }
}

uint64_t Crashes::CheckCustomer(const std::string& customer, const KnownCustomer& known,
                                uint64_t in_flight) {
  const auto held = client_->Get(customer);
  const bool is_known =
      !known.decisions.empty() ||
      std::any_of(known.marks.begin(), known.marks.end(), [](int64_t mark) { return mark > 0; });
  if (!held.ok()) {
    // Only who was never heard of may be unknown.
    if (is_known || held.code() != grpc::StatusCode::NOT_FOUND) {
      problems_.Add(absl::StrCat(customer, " can't be read: ", held.status.error_message()));
    }
    return 0;
  }
  const uint64_t decisions = held.response.decision_count();
  if (decisions < known.decisions.size() || decisions > known.decisions.size() + in_flight) {
    problems_.Add(absl::StrCat(customer, " has ", decisions, " decisions, and ",
                               known.decisions.size(), " were acknowledged"));
  }
  uint64_t lost = 0;
  for (size_t i = 0; i < known.marks.size(); ++i) {
    const auto& features = held.response.customer().features();
    const auto found = features.find(MarkOf(i));
    const int64_t mark = found == features.end() ? 0 : found->second.int_value();
    // The call that was cut off may have been carried out.
    if (mark == known.marks[i] || (in_flight > 0 && mark > known.marks[i])) continue;
    ++lost;
    problems_.Add(absl::StrCat(customer, ": client ", i, " has written mark ", known.marks[i],
                               ", and there is ", mark));
  }
  const auto& interactions = held.response.recent_interactions();
  // Below that the answer may leave things out.
  int64_t complete_after_ms = -1;
  if (interactions.size() >= kListedInteractions) {
    complete_after_ms =
        google::protobuf::util::TimeUtil::TimestampToMilliseconds(interactions[0].time());
  }
  for (const KnownOutcome& outcome : known.outcomes) {
    if (outcome.time_ms <= complete_after_ms) continue;
    const auto count = std::count_if(
        interactions.begin(), interactions.end(), [&](const v1::Interaction& interaction) {
          return interaction.outcome() == outcome.outcome &&
                 interaction.treatment_id() == outcome.treatment &&
                 google::protobuf::util::TimeUtil::TimestampToMilliseconds(interaction.time()) ==
                     outcome.time_ms;
        });
    if (count == 1) continue;
    problems_.Add(absl::StrCat(KeyOf(outcome), " was acknowledged, and ", customer, " has it ",
                               count, " times after kill ", report_.kills));
  }
  return lost;
}

void Crashes::CheckAllCustomers() {
  ledger_.Visit([&](const std::string& customer, const KnownCustomer& known) {
    ++report_.customers;
    report_.profiles_lost += CheckCustomer(customer, known, 0);
  });
}

bool Crashes::CatchUp() {
  std::this_thread::sleep_for(kLearnerPause);
  const Steady::time_point deadline = Steady::now() + kLearnerPatience;
  v1::ModelServiceGetHealthRequest request;
  request.set_name(kModelName);
  while (Steady::now() < deadline) {
    grpc::ClientContext context;
    service::SetDeadline(context);
    v1::ModelServiceGetHealthResponse health;
    const grpc::Status status = client_->models().GetHealth(&context, request, &health);
    if (!status.ok()) {
      problems_.Add(absl::StrCat("GetHealth: ", status.error_message()));
      return false;
    }
    if (health.lag().seconds() == 0 && health.lag().nanos() == 0) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  problems_.Add("the learner does not catch up");
  return false;
}

bool Crashes::Drain() {
  attuned_->process().Signal(SIGTERM);
  const int status = attuned_->process().Wait();
  if (status == 0) return true;
  problems_.Add(absl::StrCat("attuned drained with status ", status, "; it wrote:\n",
                             Tail(attuned_->process().output())));
  return false;
}

void Crashes::Finish() {
  CheckAllCustomers();
  if (!CatchUp() || !Drain()) return;
  const auto findings = CheckStore(data_dir_, strategy_, ledger_, problems_);
  if (findings.ok()) {
    report_.store = *findings;
  } else {
    problems_.Add(absl::StrCat("the store: ", findings.status().ToString()));
  }
}

CrashReport Crashes::Run() {
  std::ofstream(strategy_, std::ios::binary) << CrashStrategy(options_.clients);
  std::vector<std::thread> clients;
  bool goes_on = Start();
  if (goes_on) target_.Publish(client_);
  for (size_t i = 0; goes_on && i < options_.clients; ++i) {
    clients.emplace_back([this, i] { TrafficClient(&traffic_, i, options_.seed + 1 + i).Run(); });
  }
  while (goes_on && !IsOver()) {
    Tell();
    goes_on = KillAndRestart();
  }
  traffic_.stopping = true;
  // With a server the clients finish what they began; else nothing can be acknowledged any more.
  if (!goes_on) target_.GiveUp();
  for (std::thread& client : clients) client.join();
  if (goes_on) Finish();

  report_.seconds = MillisecondsSince(start_) / 1000;
  report_.decisions = ledger_.decisions();
  report_.outcomes = ledger_.outcomes();
  report_.profile_writes = ledger_.marks();
  report_.caps_reached = traffic_.caps_reached;
  report_.retries = traffic_.retries;
  report_.repeats = traffic_.repeats;
  std::sort(reopen_ms_.begin(), reopen_ms_.end());
  if (!reopen_ms_.empty()) {
    report_.reopen_p50_ms = reopen_ms_[reopen_ms_.size() / 2];
    report_.reopen_max_ms = reopen_ms_.back();
  }
  // A process that did not do what it was told in time is noted there.
  if (::testing::UnitTest::GetInstance()->Failed()) problems_.Add("a process hung; see above");
  report_.problem_count = problems_.count();
  report_.problems = problems_.kept();
  return std::move(report_);
}

}  // namespace

bool CrashReport::Passed() const {
  return problem_count == 0 && kills > 0 && outcomes > 0 && store.Passed();
}

CrashReport RunCrashes(const CrashOptions& options,
                       const std::function<void(const CrashProgress&)>& tell) {
  return Crashes(options, tell).Run();
}

}  // namespace attune::crash
