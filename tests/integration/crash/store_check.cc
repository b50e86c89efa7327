#include "tests/integration/crash/store_check.h"

#include <algorithm>
#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "attune/storage/v1/event.pb.h"
#include "lib/base/issue.h"
#include "lib/customer/customer_record.h"
#include "lib/storage/name_dictionary.h"
#include "lib/storage/rocksdb_store.h"
#include "lib/storage/state_store.h"
#include "lib/strategy/strategy_loader.h"
#include "service/learner_state.h"
#include "tests/integration/crash/crash_strategy.h"

namespace attune::crash {
namespace {

using storage::NameKind;

constexpr uint64_t kCacheBytes = 16u << 20;
constexpr size_t kEventsPerRead = 2'000;

// A decision as the log has it.
struct LoggedDecision {
  uint64_t count = 0;
  int64_t time_ms = 0;
  std::string treatment;  // on top; empty: nothing was ranked
};

// What the log has, by what names it.
struct Logged {
  absl::flat_hash_map<std::string, LoggedDecision> decisions;
  absl::flat_hash_map<std::string, uint64_t> outcomes;
};

std::string HexOf(const std::string& bytes) { return absl::BytesToHexString(bytes); }

// Whoever is called may read the log: it is not being read meanwhile.
absl::Status ReadWholeLog(const storage::StateStore& store,
                          absl::FunctionRef<absl::Status(const storage::LogEntry&)> visit) {
  uint64_t from = 0;
  for (;;) {
    std::vector<storage::LogEntry> entries;
    absl::Status status = store.ReadLog(from, [&](const storage::LogEntry& entry) {
      entries.push_back(entry);
      return entries.size() < kEventsPerRead;
    });
    if (!status.ok()) return status;
    for (const storage::LogEntry& entry : entries) {
      if (absl::Status visited = visit(entry); !visited.ok()) return visited;
    }
    if (entries.size() < kEventsPerRead) return absl::OkStatus();
    from = entries.back().position + 1;
  }
}

// One comparison of a store with a ledger.
class StoreCheck {
 public:
  StoreCheck(const storage::StateStore& store, const storage::NameDictionary& names,
             const Ledger& ledger, Problems& problems)
      : store_(store), names_(names), ledger_(ledger), problems_(problems) {}

  absl::Status CompareLearned(const std::shared_ptr<const strategy::Strategy>& strategy);
  absl::Status CompareCustomers();

  const StoreFindings& findings() const { return findings_; }

 private:
  absl::Status Note(const storage::LogEntry& entry);
  absl::Status NoteDecision(const storage::LogEntry& entry);
  absl::Status NoteOutcome(const storage::LogEntry& entry);
  void TellDifferences(const service::LearnerState& stored, const service::LearnerState& folded);
  void CompareLog(const std::string& customer, const KnownCustomer& known);
  absl::Status CompareHistory(const std::string& customer, const KnownCustomer& known);
  // Counts what is not there once, and tells.
  void ExpectOnce(const std::string& what, uint64_t count, uint64_t& lost, uint64_t& twice);
  std::string NameOf(NameKind kind, uint32_t number) const {
    return std::string(names_.NameOf(kind, number));
  }

  const storage::StateStore& store_;
  const storage::NameDictionary& names_;
  const Ledger& ledger_;
  Problems& problems_;
  Logged logged_;
  StoreFindings findings_;
};

absl::Status StoreCheck::NoteDecision(const storage::LogEntry& entry) {
  storage::v1::DecisionEvent event;
  if (!event.ParseFromString(entry.payload)) {
    return absl::DataLossError(absl::StrCat("no decision at position ", entry.position));
  }
  LoggedDecision& logged = logged_.decisions[HexOf(event.decision_id())];
  ++logged.count;
  logged.time_ms = event.time_us() / kUsPerMs;
  if (event.ranking_size() > 0) {
    const auto top = static_cast<int>(event.ranking(0));
    if (top >= event.scored_size()) return absl::DataLossError("a ranking beyond what was scored");
    logged.treatment = NameOf(NameKind::kTreatment, event.scored(top));
  }
  return absl::OkStatus();
}

absl::Status StoreCheck::NoteOutcome(const storage::LogEntry& entry) {
  storage::v1::OutcomeEvent event;
  if (!event.ParseFromString(entry.payload)) {
    return absl::DataLossError(absl::StrCat("no outcome at position ", entry.position));
  }
  std::string treatment;
  if (event.treatment_plus_one() > 0) {
    treatment = NameOf(NameKind::kTreatment, event.treatment_plus_one() - 1);
  }
  ++logged_.outcomes[KeyOf(HexOf(event.decision_id()), treatment,
                           names_.NameOf(NameKind::kOutcome, event.outcome()),
                           event.time_us() / kUsPerMs)];
  return absl::OkStatus();
}

absl::Status StoreCheck::Note(const storage::LogEntry& entry) {
  ++findings_.log_events;
  switch (entry.type) {
    case storage::EventType::kDecision:
      return NoteDecision(entry);
    case storage::EventType::kOutcome:
      return NoteOutcome(entry);
    case storage::EventType::kClock:
      ++findings_.clock_events;
      return absl::OkStatus();
    default:
      return absl::OkStatus();
  }
}

absl::Status StoreCheck::CompareLearned(const std::shared_ptr<const strategy::Strategy>& strategy) {
  const auto blob = store_.GetBlob(absl::StrCat("learner/", kStrategyName));
  if (!blob.ok()) return blob.status();
  if (!blob->has_value()) return absl::NotFoundError("the store has nothing that was learned");
  std::vector<std::string> notes;
  const auto stored = service::LearnerState::Parse(**blob, strategy, notes);
  if (!stored.ok()) return stored.status();
  for (const std::string& note : notes) problems_.Add(absl::StrCat("what was learned: ", note));

  const uint64_t end = stored->attribution().next_position();
  service::LearnerState folded(strategy);
  const auto read_at = [this](uint64_t position) { return store_.ReadLogAt(position); };
  absl::Status status = ReadWholeLog(store_, [&](const storage::LogEntry& entry) {
    if (entry.position < end) {
      if (absl::Status added = folded.Add(entry, read_at); !added.ok()) return added;
    } else if (entry.type == storage::EventType::kDecision ||
               entry.type == storage::EventType::kOutcome) {
      ++findings_.not_learned_from;
    }
    return Note(entry);
  });
  if (!status.ok()) return status;
  if (findings_.not_learned_from > 0) {
    problems_.Add(absl::StrCat("the learner ended before it had read ", findings_.not_learned_from,
                               " events"));
  }
  findings_.learned_bytes = (*blob)->size();
  findings_.treatments_learned = folded.attribution().counts().learned;
  findings_.treatments_waiting = folded.attribution().open();
  if (folded.Serialize() != **blob) {
    findings_.models_different = 1;
    TellDifferences(*stored, folded);
  }
  return absl::OkStatus();
}

void StoreCheck::TellDifferences(const service::LearnerState& stored,
                                 const service::LearnerState& folded) {
  std::vector<std::string> parts;
  if (stored.attribution().Serialize() != folded.attribution().Serialize()) {
    parts.push_back(absl::StrCat("attribution (learned ", stored.attribution().counts().learned,
                                 " instead of ", folded.attribution().counts().learned,
                                 ", attributed ", stored.attribution().counts().attributed,
                                 " instead of ", folded.attribution().counts().attributed, ")"));
  }
  if (stored.rates().Serialize() != folded.rates().Serialize()) parts.push_back("success rates");
  for (size_t i = 0; i < stored.models().size(); ++i) {
    const service::LearnerState::Model& a = stored.models()[i];
    const service::LearnerState::Model& b = folded.models()[i];
    if (a.learned.Serialize() != b.learned.Serialize()) {
      parts.push_back(absl::StrCat("model ", a.name, " (", a.learned.examples(),
                                   " examples instead of ", b.learned.examples(), ")"));
    }
    if (a.health.Serialize() != b.health.Serialize()) {
      parts.push_back(absl::StrCat("health of ", a.name));
    }
    if (a.served.Serialize() != b.served.Serialize()) {
      parts.push_back(absl::StrCat("served health of ", a.name));
    }
  }
  problems_.Add(absl::StrCat("what was learned differs from the fold over the log in: ",
                             parts.empty() ? "its bytes only" : absl::StrJoin(parts, ", ")));
}

void StoreCheck::ExpectOnce(const std::string& what, uint64_t count, uint64_t& lost,
                            uint64_t& twice) {
  if (count == 1) return;
  ++(count == 0 ? lost : twice);
  problems_.Add(absl::StrCat(what, ": acknowledged, and ", count, " times there"));
}

void StoreCheck::CompareLog(const std::string& customer, const KnownCustomer& known) {
  for (const KnownDecision& decision : known.decisions) {
    const auto logged = logged_.decisions.find(decision.id);
    const bool found = logged != logged_.decisions.end();
    ExpectOnce(absl::StrCat("decision ", decision.id, " of ", customer, " in the log"),
               found ? logged->second.count : 0, findings_.decisions_lost,
               findings_.decisions_twice);
    if (!found) continue;
    if (logged->second.time_ms != decision.time_ms ||
        logged->second.treatment != decision.treatment) {
      ++findings_.decisions_different;
      problems_.Add(absl::StrCat("decision ", decision.id, " of ", customer,
                                 " is another one in the log than was answered"));
    }
    logged_.decisions.erase(logged);
  }
  for (const KnownOutcome& outcome : known.outcomes) {
    const std::string key = KeyOf(outcome);
    const auto logged = logged_.outcomes.find(key);
    const bool found = logged != logged_.outcomes.end();
    ExpectOnce(absl::StrCat("outcome ", key, " of ", customer, " in the log"),
               found ? logged->second : 0, findings_.outcomes_lost, findings_.outcomes_twice);
    if (found) logged_.outcomes.erase(logged);
  }
}

absl::Status StoreCheck::CompareHistory(const std::string& customer, const KnownCustomer& known) {
  storage::Record record;
  if (absl::Status status = store_.Load(store_.KeyOf(customer), record); !status.ok()) {
    return status;
  }
  const auto state = customer::CustomerState::Parse(record, customer);
  if (!state.ok()) return state.status();
  // What was dropped to make room is no loss.
  const int64_t complete_after_ms = state->dropped_until_ms().value_or(-1);
  // By time, treatment and what became of it.
  std::map<std::string, uint64_t> held;
  const auto key = [](int64_t time_ms, std::string_view treatment, std::string_view what) {
    return KeyOf("", treatment, what, time_ms);
  };
  for (const customer::Interaction& i : state->History()) {
    const std::string treatment = i.treatment ? NameOf(NameKind::kTreatment, *i.treatment) : "";
    const bool is_outcome = i.kind == customer::InteractionKind::kOutcome;
    ++held[key(i.time_ms, treatment,
               is_outcome ? names_.NameOf(NameKind::kOutcome, i.outcome) : "decided")];
  }
  const auto expect = [&](const std::string& wanted, int64_t time_ms, uint64_t times) {
    if (time_ms <= complete_after_ms) return;
    const auto found = held.find(wanted);
    const uint64_t count = found == held.end() ? 0 : found->second;
    if (count == times) return;
    ++(count < times ? findings_.history_lost : findings_.history_twice);
    problems_.Add(absl::StrCat(wanted, " is ", count, " times in the history of ", customer,
                               ", not ", times));
  };
  for (const KnownOutcome& outcome : known.outcomes) {
    expect(key(outcome.time_ms, outcome.treatment, outcome.outcome), outcome.time_ms, 1);
  }
  // Two clients may decide alike in one millisecond.
  std::map<std::pair<std::string, int64_t>, uint64_t> decided;
  for (const KnownDecision& decision : known.decisions) {
    if (decision.treatment.empty()) continue;
    ++decided[{key(decision.time_ms, decision.treatment, "decided"), decision.time_ms}];
  }
  for (const auto& [decision, times] : decided) expect(decision.first, decision.second, times);
  return absl::OkStatus();
}

absl::Status StoreCheck::CompareCustomers() {
  absl::Status status;
  ledger_.Visit([&](const std::string& customer, const KnownCustomer& known) {
    CompareLog(customer, known);
    status.Update(CompareHistory(customer, known));
    for (const std::string& exceeded : ExceededCaps(known.decisions)) {
      ++findings_.caps_exceeded;
      problems_.Add(absl::StrCat(customer, ": ", exceeded));
    }
  });
  // What was acknowledged is taken out by now.
  findings_.decisions_unknown = logged_.decisions.size();
  findings_.outcomes_unknown = logged_.outcomes.size();
  for (const auto& [id, decision] : logged_.decisions) {
    problems_.Add(absl::StrCat("decision ", id, " is in the log and was never answered"));
  }
  for (const auto& [key, count] : logged_.outcomes) {
    problems_.Add(absl::StrCat("outcome ", key, " is in the log and was never acknowledged"));
  }
  return status;
}

}  // namespace

bool StoreFindings::Passed() const {
  return decisions_lost + decisions_twice + decisions_unknown + decisions_different +
                 outcomes_lost + outcomes_twice + outcomes_unknown + history_lost + history_twice +
                 caps_exceeded + models_different + not_learned_from ==
             0 &&
         treatments_learned > 0;
}

absl::StatusOr<StoreFindings> CheckStore(const std::string& data_dir, const std::string& strategy,
                                         const Ledger& ledger, Problems& problems) {
  storage::RocksDbOptions options;
  options.path = data_dir;
  options.record_cache_bytes = kCacheBytes;
  options.block_cache_bytes = kCacheBytes;
  auto store = storage::OpenRocksDbStore(options);
  if (!store.ok()) return store.status();
  auto names = storage::NameDictionary::Load(**store);
  if (!names.ok()) return names.status();
  IssueList issues;
  const auto loaded = strategy::LoadStrategy(strategy, *names, issues);
  if (loaded == nullptr) return absl::InternalError(issues.ToString());
  StoreCheck check(**store, *names, ledger, problems);
  if (absl::Status status = check.CompareLearned(loaded); !status.ok()) return status;
  if (absl::Status status = check.CompareCustomers(); !status.ok()) return status;
  return check.findings();
}

}  // namespace attune::crash
