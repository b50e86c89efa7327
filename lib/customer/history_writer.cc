#include "lib/customer/history_writer.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "attune/storage/v1/event.pb.h"
#include "lib/base/codec.h"

namespace attune::customer {
namespace {

constexpr int kMaxAttempts = 100;
// Customers written together.
constexpr size_t kMaxGroups = 1000;

void PutTreatment(std::string& content, const Interaction& interaction) {
  PutVarint(content, interaction.treatment ? uint64_t{*interaction.treatment} + 1 : 0);
}

// A time that the writer sets is no part of it: a retry has another one.
uint64_t Fingerprint(const HashKey& seed, const HistoryChange& change) {
  std::string content;
  PutBytes(content, change.customer_id);
  for (const Interaction& interaction : change.interactions) {
    PutFixed(content, static_cast<uint8_t>(interaction.kind));
    PutVarint(content, interaction.outcome);
    PutVarint(content, ZigZag(interaction.time_ms));
    PutVarint(content, interaction.channel);
    PutTreatment(content, interaction);
  }
  return KeyedHash64(seed, content);
}

uint64_t Fingerprint(const HashKey& seed, const ConsentChange& change) {
  std::string content;
  PutBytes(content, change.customer_id);
  PutVarint(content, change.said.purpose);
  PutVarint(content, change.said.channel ? uint64_t{*change.said.channel} + 1 : 0);
  PutVarint(content, change.said.granted ? 1 : 0);
  PutVarint(content, ZigZag(change.said.time_us));
  PutBytes(content, change.said.source);
  return KeyedHash64(seed, content);
}

std::optional<RememberedRequest> RequestOf(const HashKey& seed, RequestKind kind,
                                           std::string_view request_id, uint64_t fingerprint) {
  if (request_id.empty()) return std::nullopt;
  return RememberedRequest{kind, KeyedHash64(seed, request_id), fingerprint, 0};
}

void Count(InteractionFate fate, HistoryResult& result) {
  switch (fate) {
    case InteractionFate::kRecorded:
      ++result.recorded;
      break;
    case InteractionFate::kAlreadyKnown:
      ++result.already_known;
      break;
    case InteractionFate::kTooOld:
      ++result.too_old;
      break;
  }
}

HistoryResult Counted(const std::vector<InteractionFate>& fates) {
  HistoryResult result;
  for (const InteractionFate fate : fates) Count(fate, result);
  return result;
}

}  // namespace

// A change of one record, on its way into the store.
struct HistoryWriter::Draft {
  RecordChange change;
  storage::EventType event_type = storage::EventType::kInteractions;
  std::string event;     // empty: none
  std::string consents;  // what `change` may refer to
  std::string record;

  storage::Event Event() const { return {event_type, event}; }
  // REQUIRES: `event` outlives the use of what is returned.
  storage::CustomerCommit CommitOf(const storage::CustomerKey& key,
                                   const storage::RecordVersion& expected,
                                   const storage::Event& logged) const {
    storage::CustomerCommit commit;
    commit.key = key;
    commit.expected = expected;
    commit.bytes = record;
    if (!event.empty()) commit.events = absl::MakeConstSpan(&logged, 1);
    return commit;
  }
};

struct HistoryWriter::Written {
  bool changed = false;
  uint64_t version = 0;
  // The request was carried out before: then the event that was logged, empty when there was none
  // or when the log does not hold it any more.
  bool repeated = false;
  std::string event;
};

// What RecordMany does to one customer.
struct HistoryWriter::Group {
  storage::CustomerKey key{};
  HistoryChange change;              // all of the customer's
  std::vector<size_t> changes;       // their indexes
  std::vector<size_t> change_of;     // by interaction: the index of its change
  absl::StatusOr<uint64_t> version;  // of the record, after the write
  std::vector<InteractionFate> fates;
};

namespace {

// Puts interactions into records, and remembers what became of them. Not thread-safe.
class InteractionsWrite {
 public:
  InteractionsWrite(const std::vector<Interaction>& interactions, const HistoryBounds& bounds,
                    absl::Time now)
      : interactions_(interactions), bounds_(bounds), now_(now) {
    for (Interaction& interaction : interactions_) {
      if (interaction.time_ms == kTimeOfRecording) interaction.time_ms = absl::ToUnixMillis(now);
    }
  }

  // False when the record stays as it is. `event` stays empty when nothing was recorded.
  bool Fill(const CustomerState& state, RecordChange& change, std::string& event) {
    change.interactions = interactions_;
    change.skip_known = true;
    change.bounds = bounds_;
    change.now_ms = absl::ToUnixMillis(now_);
    HistoryMerge merge = MergeHistory(state, change);
    fates_ = std::move(merge.fates);
    const bool records =
        std::find(fates_.begin(), fates_.end(), InteractionFate::kRecorded) != fates_.end();
    // A request that recorded nothing is answered alike when it is repeated.
    if (records || change.request) event = EventBytes(change.request);
    return records || merge.dropped_until_ms != state.dropped_until_ms();
  }

  std::vector<InteractionFate>& fates() { return fates_; }

 private:
  std::string EventBytes(const std::optional<RememberedRequest>& request) const {
    storage::v1::InteractionsEvent event;
    for (size_t i = 0; i < interactions_.size(); ++i) {
      if (fates_[i] != InteractionFate::kRecorded) continue;
      const Interaction& interaction = interactions_[i];
      auto* logged = event.add_interactions();
      logged->set_time_ms(interaction.time_ms);
      logged->set_channel(interaction.channel);
      if (interaction.treatment) logged->set_treatment_plus_one(*interaction.treatment + 1);
      logged->set_outcome(interaction.outcome);
      logged->set_decided(interaction.kind == InteractionKind::kDecided);
    }
    const HistoryResult counts = Counted(fates_);
    event.set_already_known(counts.already_known);
    event.set_too_old(counts.too_old);
    event.set_recorded_time_us(absl::ToUnixMicros(now_));
    if (request) event.set_request_hash(request->hash);
    return event.SerializeAsString();
  }

  std::vector<Interaction> interactions_;
  const HistoryBounds bounds_;
  const absl::Time now_;
  std::vector<InteractionFate> fates_;
};

std::string EventBytes(const Consent& said, absl::Time now,
                       const std::optional<RememberedRequest>& request) {
  storage::v1::ConsentEvent event;
  event.set_purpose(said.purpose);
  if (said.channel) event.set_channel_plus_one(*said.channel + 1);
  event.set_granted(said.granted);
  event.set_said_time_us(said.time_us);
  event.set_source(std::string(said.source));
  event.set_recorded_time_us(absl::ToUnixMicros(now));
  if (request) event.set_request_hash(request->hash);
  return event.SerializeAsString();
}

}  // namespace

absl::StatusOr<HistoryWriter::Written> HistoryWriter::Write(std::string_view customer_id,
                                                            const RememberedRequest* request,
                                                            storage::Durability durability,
                                                            Fill fill) const {
  for (int attempt = 0; attempt < kMaxAttempts; ++attempt) {
    auto written = WriteOnce(customer_id, request, durability, fill);
    if (!absl::IsAborted(written.status())) return written;
  }
  return absl::AbortedError("the customer is being changed by many callers at once; retry");
}

absl::StatusOr<HistoryWriter::Written> HistoryWriter::WriteOnce(std::string_view customer_id,
                                                                const RememberedRequest* request,
                                                                storage::Durability durability,
                                                                Fill fill) const {
  const storage::CustomerKey key = store_.KeyOf(customer_id);
  storage::Record record;
  if (absl::Status status = store_.Load(key, record); !status.ok()) return status;
  const auto state = CustomerState::Parse(record, customer_id);
  if (!state.ok()) return state.status();
  Draft draft;
  if (request != nullptr) {
    if (const auto earlier = state->FindRequest(request->hash)) {
      return Settled(Earlier(*earlier, *request), durability);
    }
    draft.change.request = *request;
  }
  const absl::StatusOr<bool> changed = fill(*state, draft);
  if (!changed.ok()) return changed.status();
  if (!*changed && request == nullptr) {
    return Settled(Written{false, record.version.number, false, ""}, durability);
  }
  EncodeRecord(*state, customer_id, draft.change, draft.record);
  const storage::Event event = draft.Event();
  const auto receipt = store_.Commit(draft.CommitOf(key, record.version, event), durability);
  if (!receipt.ok()) return receipt.status();
  return Written{*changed, receipt->version, false, ""};
}

absl::StatusOr<HistoryWriter::Written> HistoryWriter::Earlier(
    const RememberedRequest& earlier, const RememberedRequest& request) const {
  if (earlier.kind != request.kind || earlier.fingerprint != request.fingerprint) {
    return absl::AlreadyExistsError(
        "this request_id was used for this customer with another content; use a new one");
  }
  auto entry = store_.ReadLogAt(earlier.version);
  if (!entry.ok()) return entry.status();
  Written written{true, earlier.version, true, ""};
  if (*entry) written.event = std::move((*entry)->payload);
  return written;
}

absl::StatusOr<HistoryWriter::Written> HistoryWriter::Settled(
    absl::StatusOr<Written> written, storage::Durability durability) const {
  // What was read may be somebody else's commit that is not on disk yet, or one whose sync failed.
  if (written.ok() && durability == storage::Durability::kPower) {
    if (absl::Status status = store_.Sync(); !status.ok()) return status;
  }
  return written;
}

absl::StatusOr<HistoryResult> HistoryWriter::RecordInteractions(const HistoryChange& change,
                                                                const HistoryBounds& bounds,
                                                                std::string_view request_id) const {
  const auto request =
      RequestOf(seed_, RequestKind::kRecordInteractions, request_id, Fingerprint(seed_, change));
  InteractionsWrite write(change.interactions, bounds, clock_.Now());
  const auto written =
      Write(change.customer_id, request ? &*request : nullptr, storage::Durability::kPower,
            [&](const CustomerState& state, Draft& draft) -> absl::StatusOr<bool> {
              return write.Fill(state, draft.change, draft.event);
            });
  if (!written.ok()) return written.status();
  HistoryResult result = Counted(write.fates());
  if (written->repeated) {
    storage::v1::InteractionsEvent event;
    if (written->event.empty() || !event.ParseFromString(written->event)) {
      event.set_already_known(static_cast<int64_t>(change.interactions.size()));
    }
    result.recorded = event.interactions_size();
    result.already_known = event.already_known();
    result.too_old = event.too_old();
  }
  result.version = written->version;
  return result;
}

std::vector<absl::StatusOr<HistoryResult>> HistoryWriter::RecordMany(
    absl::Span<const HistoryChange> changes, const HistoryBounds& bounds) const {
  std::vector<Group> groups;
  absl::flat_hash_map<storage::CustomerKey, size_t> group_of;
  for (size_t i = 0; i < changes.size(); ++i) {
    const storage::CustomerKey key = store_.KeyOf(changes[i].customer_id);
    const auto [entry, is_new] = group_of.try_emplace(key, groups.size());
    if (is_new) {
      groups.emplace_back().key = key;
      groups.back().change.customer_id = changes[i].customer_id;
    }
    Group& group = groups[entry->second];
    group.changes.push_back(i);
    for (const Interaction& interaction : changes[i].interactions) {
      group.change.interactions.push_back(interaction);
      group.change_of.push_back(i);
    }
  }
  const absl::Span<Group> all = absl::MakeSpan(groups);
  for (size_t start = 0; start < all.size(); start += kMaxGroups) {
    RecordGroups(all.subspan(start, kMaxGroups), bounds);
  }
  std::vector<absl::StatusOr<HistoryResult>> results(changes.size(), HistoryResult());
  for (const Group& group : groups) {
    for (const size_t i : group.changes) {
      if (group.version.ok()) {
        results[i]->version = *group.version;
      } else {
        results[i] = group.version.status();
      }
    }
    if (!group.version.ok()) continue;
    for (size_t n = 0; n < group.change_of.size(); ++n) {
      Count(group.fates[n], *results[group.change_of[n]]);
    }
  }
  return results;
}

void HistoryWriter::RecordGroups(absl::Span<Group> groups, const HistoryBounds& bounds) const {
  std::vector<storage::CustomerKey> keys;
  for (const Group& group : groups) keys.push_back(group.key);
  std::vector<storage::Record> records(groups.size());
  if (absl::Status status = store_.LoadMany(keys, absl::MakeSpan(records)); !status.ok()) {
    for (Group& group : groups) group.version = status;
    return;
  }
  const absl::Time now = clock_.Now();
  std::vector<Draft> drafts(groups.size());
  std::vector<storage::Event> events(groups.size());
  std::vector<storage::CustomerCommit> commits;
  std::vector<size_t> group_of;  // by commit
  for (size_t i = 0; i < groups.size(); ++i) {
    Group& group = groups[i];
    const auto state = CustomerState::Parse(records[i], group.change.customer_id);
    group.version = records[i].version.number;
    if (!state.ok()) {
      group.version = state.status();
      continue;
    }
    InteractionsWrite write(group.change.interactions, bounds, now);
    const bool changed = write.Fill(*state, drafts[i].change, drafts[i].event);
    if (changed) {
      EncodeRecord(*state, group.change.customer_id, drafts[i].change, drafts[i].record);
      events[i] = drafts[i].Event();
      commits.push_back(drafts[i].CommitOf(group.key, records[i].version, events[i]));
      group_of.push_back(i);
    }
    group.fates = std::move(write.fates());
  }
  const auto receipts = store_.CommitMany(commits, storage::Durability::kProcess);
  for (size_t c = 0; c < commits.size(); ++c) {
    Group& group = groups[group_of[c]];
    if (receipts[c].ok()) {
      group.version = receipts[c]->version;
      continue;
    }
    group.version = receipts[c].status();
    if (!absl::IsAborted(receipts[c].status())) continue;
    InteractionsWrite write(group.change.interactions, bounds, now);
    const auto written =
        Write(group.change.customer_id, nullptr, storage::Durability::kProcess,
              [&](const CustomerState& state, Draft& draft) -> absl::StatusOr<bool> {
                return write.Fill(state, draft.change, draft.event);
              });
    if (written.ok()) {
      group.version = written->version;
    } else {
      group.version = written.status();
    }
    group.fates = std::move(write.fates());
  }
}

absl::StatusOr<ConsentResult> HistoryWriter::SetConsent(const ConsentChange& change,
                                                        std::string_view request_id) const {
  if (change.said.source.size() > kMaxConsentSourceBytes) {
    return absl::InvalidArgumentError("the source of a consent is too long");
  }
  const auto request =
      RequestOf(seed_, RequestKind::kSetConsent, request_id, Fingerprint(seed_, change));
  const absl::Time now = clock_.Now();
  Consent said = change.said;
  const auto written = Write(
      change.customer_id, request ? &*request : nullptr, storage::Durability::kPower,
      [&](const CustomerState& state, Draft& draft) -> absl::StatusOr<bool> {
        if (change.said.time_us == kTimeOfRecording) {
          // What is said now comes after whatever was said, by clocks that are fast as well.
          const int64_t now_us = absl::ToUnixMicros(now);
          const int64_t latest_us = LatestTime(state.consents(), said);
          said.time_us = latest_us > now_us ? latest_us + 1 : now_us;
        }
        const absl::StatusOr<bool> changed = AddConsent(state.consents(), said, draft.consents);
        if (!changed.ok()) return changed.status();
        draft.change.consents = draft.consents;
        draft.event_type = storage::EventType::kConsent;
        if (*changed) draft.event = EventBytes(said, now, draft.change.request);
        return changed;
      });
  if (!written.ok()) return written.status();
  return ConsentResult{written->repeated ? !written->event.empty() : written->changed,
                       written->version};
}

}  // namespace attune::customer
