#include "lib/outcome/outcome_writer.h"

#include <algorithm>
#include <array>
#include <bit>
#include <map>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/time/time.h"
#include "attune/storage/v1/event.pb.h"
#include "lib/base/codec.h"
#include "lib/outcome/decision_offer.h"

namespace attune::outcome {
namespace {

using customer::CustomerState;
using customer::RememberedDecision;
using customer::RememberedOutcome;

constexpr int kMaxAttempts = 100;
static_assert(kMaxReports <= storage::kMaxEventsPerCommit);

// A record has 4 bits for them.
static_assert(kStatuses < 16);

// Under whose key the log has the outcomes of customers who were erased: nobody's.
constexpr storage::CustomerKey kNobody{};

// What a hash is of, so that an id is never taken for what has none.
enum class Identity : uint8_t { kRequest = 1, kMoment = 2, kOnce = 3 };

void PutOptional(std::string& content, const std::optional<uint32_t>& number) {
  PutVarint(content, number ? uint64_t{*number} + 1 : 0);
}

// Of what makes the report this outcome and no other. `treatment` is the one that it is about;
// absent: the one on top, whichever that is.
uint64_t HashOf(const HashKey& seed, const Report& report,
                const std::optional<uint32_t>& treatment) {
  std::string content;
  if (!report.request_id.empty()) {
    PutFixed(content, Identity::kRequest);
    content.append(report.request_id);
    return KeyedHash64(seed, content);
  }
  PutFixed(content, report.once ? Identity::kOnce : Identity::kMoment);
  PutFixed(content, report.decision.tag);
  PutOptional(content, treatment);
  PutVarint(content, report.outcome);
  if (!report.once) PutVarint(content, ZigZag(report.time_us.value_or(0)));
  return KeyedHash64(seed, content);
}

// Of everything that is reported. A time that the writer sets is no part of it: a retry has another
// one. What happens once is the same whoever reports it, and how.
uint64_t FingerprintOf(const HashKey& seed, const Report& report,
                       const std::optional<uint32_t>& treatment) {
  std::string content;
  PutFixed(content, report.decision.tag);
  PutOptional(content, treatment);
  PutVarint(content, report.outcome);
  if (report.once) return KeyedHash64(seed, content);
  PutVarint(content, report.value ? 1 : 0);
  PutFixed(content, std::bit_cast<uint64_t>(report.value.value_or(0)));
  PutVarint(content, report.time_us ? 1 : 0);
  PutFixed(content, report.time_us.value_or(0));
  PutFixed(content, report.source);
  PutOptional(content, report.channel);
  PutBytes(content, report.reason);
  return KeyedHash64(seed, content);
}

// What is logged of every outcome, also where nothing may lead to the person.
storage::v1::OutcomeEvent EventOf(const Report& report, Status status, int64_t now_us) {
  storage::v1::OutcomeEvent event;
  if (report.treatment) event.set_treatment_plus_one(*report.treatment + 1);
  if (report.channel) event.set_channel_plus_one(*report.channel + 1);
  event.set_outcome(report.outcome);
  if (report.value) event.set_value(*report.value);
  event.set_time_us(report.time_us.value_or(now_us));
  event.set_source(static_cast<uint32_t>(report.source));
  event.set_status(static_cast<uint32_t>(status));
  event.set_recorded_time_us(now_us);
  event.set_not_in_history(true);
  return event;
}

std::string_view BytesOf(const customer::DecisionId& id) {
  return {reinterpret_cast<const char*>(id.data()), id.size()};
}

// What a decision offered, as far as the log knows.
struct LoadedOffer {
  std::optional<DecisionOffer> offer;  // absent: its event has left the log, or is damaged
  absl::Status damage;                 // DATA_LOSS: then it is damaged
};

absl::StatusOr<LoadedOffer> LoadOffer(const storage::StateStore& store,
                                      const customer::DecisionId& id, uint64_t position) {
  LoadedOffer loaded;
  auto entry = store.ReadLogAt(position);
  if (absl::IsDataLoss(entry.status())) {
    loaded.damage = entry.status();
    return loaded;
  }
  if (!entry.ok()) return entry.status();
  if (!*entry) return loaded;
  if ((*entry)->type == storage::EventType::kDecision) {
    loaded.offer = ReadDecisionOffer((*entry)->payload);
  }
  if (!loaded.offer || loaded.offer->decision_id != BytesOf(id)) {
    loaded.offer.reset();
    loaded.damage = absl::DataLossError("the event of a decision is malformed or another's");
  }
  return loaded;
}

const RememberedDecision* FindDecision(const std::vector<RememberedDecision>& decisions,
                                       uint64_t tag) {
  const auto found =
      std::find_if(decisions.begin(), decisions.end(),
                   [&](const RememberedDecision& decision) { return decision.tag == tag; });
  return found == decisions.end() ? nullptr : &*found;
}

// What the reports about one customer do to the record and the log. Not thread-safe.
class Draft {
 public:
  // `state` must outlive the draft.
  Draft(const storage::StateStore& store, const HashKey& seed, const RecentReports& recent,
        const CustomerState& state, int64_t now_us)
      : store_(store),
        seed_(seed),
        recent_(recent),
        state_(state),
        now_us_(now_us),
        decisions_(state.Decisions()),
        outcomes_(state.Outcomes()),
        known_before_(outcomes_.size()) {}

  // An error: the log can't be read now; nothing is added.
  absl::StatusOr<Result> Add(const Report& report) {
    if (!state_.found()) return AddUnknown(report, Status::kCustomerErased);
    const RememberedDecision* decision = FindDecision(decisions_, report.decision.tag);
    if (decision == nullptr) return AddUnknown(report, Status::kUnknownDecision);
    const absl::StatusOr<const LoadedOffer*> offer = OfferOf(report, decision->version);
    if (!offer.ok()) return offer.status();
    Result result = AddKnown(report, *decision, (*offer)->offer);
    result.damage = (*offer)->damage;
    return result;
  }

  // To be called once, after the last report: finds out what is new to the history. Then the events
  // are ready, and `change` says what becomes of the record.
  void Finish(const customer::HistoryBounds& bounds, customer::RecordChange& change) {
    change.interactions = interactions_;
    change.skip_known = true;
    change.bounds = bounds;
    change.now_ms = now_us_ / 1000;
    change.outcomes = absl::MakeConstSpan(outcomes_).subspan(known_before_);
    if (interactions_.size() == 1 && IsNewest(interactions_.front(), bounds)) {
      events_[event_of_interaction_.front()].clear_not_in_history();
      change.skip_known = false;
    } else if (!interactions_.empty()) {
      const customer::HistoryMerge merge = customer::MergeHistory(state_, change);
      for (size_t i = 0; i < interactions_.size(); ++i) {
        if (merge.fates[i] != customer::InteractionFate::kRecorded) continue;
        events_[event_of_interaction_[i]].clear_not_in_history();
      }
      // One that is new needn't be looked for again: it is put behind the others as a decision is.
      change.skip_known =
          interactions_.size() > 1 || merge.fates.front() != customer::InteractionFate::kRecorded;
    }
    for (const storage::v1::OutcomeEvent& event : events_) {
      payloads_.push_back(event.SerializeAsString());
    }
  }

  bool changes_record() const { return outcomes_.size() > known_before_; }
  const std::vector<std::string>& payloads() const { return payloads_; }
  // What is in the log only: recent once it is written.
  absl::flat_hash_set<RecentReports::Key>& log_only() { return log_only_; }

 private:
  Result AddUnknown(const Report& report, Status status) {
    Result result;
    result.status = status;
    result.treatment = report.treatment;
    const RememberedOutcome named = NameOf(report, report.treatment);
    const RecentReports::Key key = {named.hash, named.fingerprint, status};
    if (recent_.Contains(key) || !log_only_.insert(key).second) return result;
    storage::v1::OutcomeEvent& event = events_.emplace_back(EventOf(report, status, now_us_));
    if (status != Status::kCustomerErased) AddPerson(report, named, event);
    return result;
  }

  // `offered`: absent when the log can't tell.
  Result AddKnown(const Report& report, const RememberedDecision& decision,
                  const std::optional<DecisionOffer>& offered) {
    std::optional<uint32_t> top;
    if (offered && !offered->ranking.empty()) top = offered->ranking.front().treatment;
    Result result;
    result.treatment = report.treatment ? report.treatment : top;
    RememberedOutcome added = NameOf(report, report.treatment);
    const RememberedOutcome same_as =
        top && result.treatment == top
            ? NameOf(report, report.treatment ? std::optional<uint32_t>() : top)
            : added;
    const Found found = Find(added, same_as);
    if (found.same != nullptr) {
      result.status = Status::kAlreadyRecorded;
      result.first_status = static_cast<Status>(found.same->status);
      // A conflict is answered as one again, and is in the log once.
      if (result.first_status == Status::kOtherContent) {
        result.status = Status::kOtherContent;
        result.first_status.reset();
      }
      return result;
    }
    if (CountOf(decision.tag) >= customer::kMaxRememberedOutcomes) {
      result.status = Status::kTooMany;
      return result;
    }

    const DecisionOffer::Ranked* ranked =
        offered && result.treatment ? offered->Find(*result.treatment) : nullptr;
    storage::v1::OutcomeEvent event = EventOf(report, Status::kRecorded, now_us_);
    AddPerson(report, added, event);
    AddDecision(report, decision, event);
    if (result.treatment) event.set_treatment_plus_one(*result.treatment + 1);
    const std::optional<uint32_t> channel = ChannelOf(report, decision, offered, ranked);
    if (channel) event.set_channel_plus_one(*channel + 1);
    const Offer offer = {decision.time_us, !offered || ranked != nullptr,
                         ShownTime(decision.tag, result.treatment)};
    if (offer.shown_us) event.set_shown_time_us(*offer.shown_us);
    // As it would be if the decision had offered the treatment, where the log can't tell.
    const Status status = StatusOf(offer, report.terms, event.time_us());
    result.status = offered ? status : Status::kUnknownDecision;
    if (found.other != nullptr) result.status = Status::kOtherContent;
    event.set_status(static_cast<uint32_t>(result.status));
    added.status = static_cast<uint8_t>(result.status);
    if (result.status == status) NoteShowing(report, offer, status, added, event);
    outcomes_.push_back(added);
    const bool may_lack_treatment = offered && report.without_treatment;
    if (found.other == nullptr && EntersHistory(status) &&
        (result.treatment || may_lack_treatment)) {
      Tell(report, result.treatment, event);
    }
    events_.push_back(std::move(event));
    return result;
  }

  // What makes the report recognisable when it is about that treatment.
  RememberedOutcome NameOf(const Report& report, const std::optional<uint32_t>& treatment) const {
    RememberedOutcome outcome;
    outcome.tag = report.decision.tag;
    outcome.hash = HashOf(seed_, report, treatment);
    outcome.fingerprint = FingerprintOf(seed_, report, treatment);
    return outcome;
  }

  // What leads to the person.
  static void AddPerson(const Report& report, const RememberedOutcome& named,
                        storage::v1::OutcomeEvent& event) {
    event.set_decision_id(std::string(BytesOf(report.id)));
    event.set_request_hash(named.hash);
    event.set_request_fingerprint(named.fingerprint);
    event.set_reason(std::string(report.reason));
  }

  // What the record knows of the decision. What happens just now happens after it, also by a clock
  // that was set back since or has not reached its time yet.
  void AddDecision(const Report& report, const RememberedDecision& decision,
                   storage::v1::OutcomeEvent& event) const {
    event.set_decision_position(decision.version);
    event.set_decision_time_us(decision.time_us);
    if (!report.time_us) event.set_time_us(std::max(now_us_, decision.time_us));
  }

  // Where it happened. When the log can't tell what was offered the history may: it has where the
  // treatment on top was.
  std::optional<uint32_t> ChannelOf(const Report& report, const RememberedDecision& decision,
                                    const std::optional<DecisionOffer>& offered,
                                    const DecisionOffer::Ranked* ranked) const {
    if (report.channel) return report.channel;
    if (offered) return ranked != nullptr ? ranked->channel : offered->channel;
    for (const customer::Interaction& interaction : state_.History()) {
      if (interaction.kind == customer::InteractionKind::kDecided &&
          interaction.time_ms == decision.time_us / 1000) {
        return interaction.channel;
      }
    }
    return std::nullopt;
  }

  // Notes the showing that the outcome tells of, if it is one in its window.
  static void NoteShowing(const Report& report, const Offer& offer, Status status,
                          RememberedOutcome& added, storage::v1::OutcomeEvent& event) {
    const bool in_place = status == Status::kRecorded || status == Status::kEarly;
    if (!report.terms.showing || !in_place || event.treatment_plus_one() == 0) return;
    const int64_t shown_us = AttributedTime(offer, status, event.time_us());
    added.shown = event.treatment_plus_one() - 1;
    added.shown_us = shown_us;
    event.set_shown_time_us(std::min(shown_us, offer.shown_us.value_or(shown_us)));
  }

  // Puts the outcome into the history, at the time that was reported.
  void Tell(const Report& report, const std::optional<uint32_t>& treatment,
            const storage::v1::OutcomeEvent& event) {
    if (event.channel_plus_one() == 0) return;
    customer::Interaction& interaction = interactions_.emplace_back();
    interaction.kind = customer::InteractionKind::kOutcome;
    interaction.time_ms = event.time_us() / 1000;
    interaction.channel = event.channel_plus_one() - 1;
    interaction.treatment = treatment;
    interaction.outcome = report.outcome;
    event_of_interaction_.push_back(events_.size());
  }

  // Is it new and within the bounds, whatever else is remembered?
  bool IsNewest(const customer::Interaction& interaction,
                const customer::HistoryBounds& bounds) const {
    return interaction.time_ms > state_.history_last_ms() &&
           interaction.time_ms >= now_us_ / 1000 - bounds.retention_ms;
  }

  // What is known under a report's hash, or under the one that it has by another name.
  struct Found {
    const RememberedOutcome* same = nullptr;   // with the same content
    const RememberedOutcome* other = nullptr;  // with another
  };
  Found Find(const RememberedOutcome& report, const RememberedOutcome& same_as) const {
    Found found;
    for (const RememberedOutcome& known : outcomes_) {
      if (known.hash != report.hash && known.hash != same_as.hash) continue;
      const bool is_same =
          known.fingerprint == report.fingerprint || known.fingerprint == same_as.fingerprint;
      const RememberedOutcome*& place = is_same ? found.same : found.other;
      if (place == nullptr) place = &known;
    }
    return found;
  }

  absl::StatusOr<const LoadedOffer*> OfferOf(const Report& report, uint64_t position) {
    auto found = offers_.find(report.decision.tag);
    if (found == offers_.end()) {
      auto offer = LoadOffer(store_, report.id, position);
      if (!offer.ok()) return offer.status();
      found = offers_.emplace(report.decision.tag, *std::move(offer)).first;
    }
    return &found->second;
  }

  std::optional<int64_t> ShownTime(uint64_t tag, const std::optional<uint32_t>& treatment) const {
    std::optional<int64_t> shown_us;
    for (const RememberedOutcome& outcome : outcomes_) {
      if (outcome.tag != tag || !outcome.shown || outcome.shown != treatment) continue;
      shown_us = std::min(outcome.shown_us, shown_us.value_or(outcome.shown_us));
    }
    return shown_us;
  }

  size_t CountOf(uint64_t tag) const {
    return static_cast<size_t>(
        std::count_if(outcomes_.begin(), outcomes_.end(),
                      [&](const RememberedOutcome& outcome) { return outcome.tag == tag; }));
  }

  const storage::StateStore& store_;
  const HashKey& seed_;
  const RecentReports& recent_;
  const CustomerState& state_;
  const int64_t now_us_;
  const std::vector<RememberedDecision> decisions_;
  // Those of the record, then those that were added.
  std::vector<RememberedOutcome> outcomes_;
  const size_t known_before_;
  std::map<uint64_t, LoadedOffer> offers_;  // by tag
  std::vector<customer::Interaction> interactions_;
  std::vector<size_t> event_of_interaction_;  // parallel; indexes into events_
  std::vector<storage::v1::OutcomeEvent> events_;
  std::vector<std::string> payloads_;  // of events_, once it is finished
  absl::flat_hash_set<RecentReports::Key> log_only_;
};

}  // namespace

// A commit with all that it points to.
struct OutcomeWriter::PreparedCommit {
  std::string record;
  std::vector<std::string> payloads;  // of its events; none: nothing is to be written
  std::vector<storage::Event> events;
  storage::CustomerCommit commit;
  size_t place = 0;  // among what is committed together

  void AddEvents() {
    for (const std::string& payload : payloads) {
      events.push_back({storage::EventType::kOutcome, payload});
    }
    commit.events = events;
  }
};

// What RecordMany does to one customer.
struct OutcomeWriter::Group {
  storage::CustomerKey key{};
  std::vector<size_t> reports;                  // their indexes
  std::vector<absl::StatusOr<Result>> results;  // parallel, once they are settled
  const PreparedCommit* commit = nullptr;       // nullptr: nothing is to be written
  absl::flat_hash_set<RecentReports::Key> log_only;
  bool again = false;   // somebody else was faster
  bool failed = false;  // for good

  void FailWith(const absl::Status& status) {
    failed = true;
    results.assign(reports.size(), status);
  }
};

std::vector<absl::StatusOr<Result>> OutcomeWriter::RecordMany(
    absl::Span<const Report> reports, const customer::HistoryBounds& bounds) const {
  std::vector<Group> groups;
  absl::flat_hash_map<storage::CustomerKey, size_t> group_of;
  for (size_t i = 0; i < reports.size(); ++i) {
    const storage::CustomerKey& key = reports[i].decision.customer;
    const auto [entry, is_new] = group_of.try_emplace(key, groups.size());
    if (is_new) groups.emplace_back().key = key;
    groups[entry->second].reports.push_back(i);
  }
  const int64_t now_us = absl::ToUnixMicros(clock_.Now());
  std::vector<Group*> open;
  open.reserve(groups.size());
  for (Group& group : groups) open.push_back(&group);
  for (int attempt = 0; attempt < kMaxAttempts && !open.empty(); ++attempt) {
    RecordGroups(reports, bounds, now_us, absl::MakeSpan(open));
    open.erase(
        std::remove_if(open.begin(), open.end(), [](const Group* group) { return !group->again; }),
        open.end());
  }
  for (Group* group : open) {
    group->FailWith(
        absl::AbortedError("the customer is being changed by many callers at once; retry"));
  }
  std::vector<absl::StatusOr<Result>> results(reports.size(), Result());
  for (Group& group : groups) {
    for (size_t i = 0; i < group.reports.size(); ++i) {
      results[group.reports[i]] = std::move(group.results[i]);
    }
  }
  return results;
}

void OutcomeWriter::RecordGroups(absl::Span<const Report> reports,
                                 const customer::HistoryBounds& bounds, int64_t now_us,
                                 absl::Span<Group*> groups) const {
  std::vector<storage::CustomerKey> keys;
  for (const Group* group : groups) keys.push_back(group->key);
  std::vector<storage::Record> records(keys.size());
  std::vector<absl::Status> loaded(keys.size());
  if (!store_.LoadMany(keys, absl::MakeSpan(records)).ok()) {
    // A record that can't be read fails its own customer's reports, and nobody else's.
    for (size_t i = 0; i < keys.size(); ++i) loaded[i] = store_.Load(keys[i], records[i]);
  }
  // The last one is nobody's, who has events and never a record.
  keys.push_back(kNobody);
  records.emplace_back();
  std::vector<PreparedCommit> prepared(keys.size());
  for (size_t i = 0; i < groups.size(); ++i) {
    if (loaded[i].ok()) {
      Prepare(reports, bounds, now_us, records[i], *groups[i], prepared[i], prepared.back());
    } else {
      groups[i]->again = false;
      groups[i]->commit = nullptr;
      groups[i]->FailWith(loaded[i]);
    }
  }
  std::vector<storage::CustomerCommit> commits;
  for (size_t i = 0; i < prepared.size(); ++i) {
    if (prepared[i].payloads.empty()) continue;
    prepared[i].AddEvents();
    prepared[i].commit.key = keys[i];
    prepared[i].commit.expected = records[i].version;
    prepared[i].place = commits.size();
    commits.push_back(prepared[i].commit);
  }
  std::vector<absl::StatusOr<storage::CommitReceipt>> receipts;
  if (!commits.empty()) receipts = store_.CommitMany(commits, storage::Durability::kPower);
  std::optional<absl::Status> synced;
  for (Group* group : groups) {
    if (group->failed) continue;
    absl::Status status;
    if (group->commit != nullptr) {
      status = receipts[group->commit->place].status();
    } else {
      // What was recorded before may be somebody else's commit that is not on disk yet.
      if (!synced) synced = store_.Sync();
      status = *synced;
    }
    group->again = group->commit != nullptr && absl::IsAborted(status);
    if (!status.ok() && !group->again) group->FailWith(status);
    if (!status.ok()) continue;
    for (const RecentReports::Key& key : group->log_only) recent_.Add(key);
  }
}

void OutcomeWriter::Prepare(absl::Span<const Report> reports, const customer::HistoryBounds& bounds,
                            int64_t now_us, const storage::Record& record, Group& group,
                            PreparedCommit& own, PreparedCommit& of_nobody) const {
  group.again = false;
  group.commit = nullptr;
  group.results.clear();
  group.log_only.clear();
  const auto state = CustomerState::ParseAny(record);
  if (!state.ok()) return group.FailWith(state.status());
  Draft draft(store_, seed_, recent_, *state, now_us);
  for (const size_t report : group.reports) group.results.push_back(draft.Add(reports[report]));
  customer::RecordChange change;
  draft.Finish(bounds, change);
  group.log_only = std::move(draft.log_only());
  if (draft.payloads().empty()) return;
  PreparedCommit& commit = state->found() ? own : of_nobody;
  group.commit = &commit;
  commit.payloads.insert(commit.payloads.end(), draft.payloads().begin(), draft.payloads().end());
  commit.commit.keep_record = !draft.changes_record();
  if (commit.commit.keep_record) return;
  customer::EncodeRecord(*state, state->id(), change, commit.record);
  commit.commit.bytes = commit.record;
}

}  // namespace attune::outcome
