#include "lib/customer/customer_record.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <utility>

#include "absl/status/status.h"
#include "lib/base/codec.h"
#include "lib/context/value_codec.h"

namespace attune::customer {
namespace {

// Smallest encodings, to reject counts that can't be true before anything is reserved for them.
constexpr size_t kMinInteractionBytes = 4;

absl::Status Malformed() { return absl::DataLossError("the customer's record is malformed"); }

// Sums and differences that wrap around: in a damaged record any number may stand.
int64_t Plus(int64_t a, int64_t b) {
  return static_cast<int64_t>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
}
int64_t Minus(int64_t a, int64_t b) {
  return static_cast<int64_t>(static_cast<uint64_t>(a) - static_cast<uint64_t>(b));
}

std::optional<Interaction> ReadInteraction(ByteReader& reader, int64_t previous_ms) {
  Interaction interaction;
  interaction.kind = static_cast<InteractionKind>(reader.Fixed<uint8_t>());
  if (interaction.kind == InteractionKind::kOutcome) {
    interaction.outcome = static_cast<uint32_t>(reader.Varint());
  } else if (interaction.kind != InteractionKind::kDecided) {
    return std::nullopt;
  }
  interaction.time_ms = Plus(previous_ms, UnZigZag(reader.Varint()));
  interaction.channel = static_cast<uint32_t>(reader.Varint());
  const uint64_t treatment = reader.Varint();
  if (treatment > 0) interaction.treatment = static_cast<uint32_t>(treatment - 1);
  if (!reader.ok()) return std::nullopt;
  return interaction;
}

void PutInteraction(std::string& out, const Interaction& interaction, int64_t previous_ms) {
  PutFixed(out, static_cast<uint8_t>(interaction.kind));
  if (interaction.kind == InteractionKind::kOutcome) PutVarint(out, interaction.outcome);
  PutVarint(out, ZigZag(Minus(interaction.time_ms, previous_ms)));
  PutVarint(out, interaction.channel);
  PutVarint(out, interaction.treatment ? uint64_t{*interaction.treatment} + 1 : 0);
}

bool IsEarlier(const Interaction& a, const Interaction& b) { return a.time_ms < b.time_ms; }

// What is remembered is not complete up to this time any more.
void Raise(std::optional<int64_t>& dropped_until_ms, int64_t time_ms) {
  dropped_until_ms = std::max({time_ms, dropped_until_ms.value_or(0), int64_t{0}});
}

// Is the same among those at the end of the history that have its time? REQUIRES: none is later.
bool IsAmongLatest(const Interaction& interaction, const std::vector<Interaction>& history) {
  for (auto latest = history.rbegin();
       latest != history.rend() && latest->time_ms == interaction.time_ms; ++latest) {
    if (*latest == interaction) return true;
  }
  return false;
}

std::optional<RememberedRequest> ReadRequest(ByteReader& reader) {
  RememberedRequest request;
  request.kind = static_cast<RequestKind>(reader.Fixed<uint8_t>());
  request.hash = reader.Fixed<uint64_t>();
  request.fingerprint = reader.Fixed<uint64_t>();
  request.version = reader.Varint();
  if (!reader.ok()) return std::nullopt;
  return request;
}

// How many bytes PutRequest appends for a request with this version.
size_t EncodedSize(uint64_t version) { return 1 + 8 + 8 + VarintSize(version); }

void PutRequest(std::string& out, const RememberedRequest& request) {
  PutFixed(out, static_cast<uint8_t>(request.kind));
  PutFixed(out, request.hash);
  PutFixed(out, request.fingerprint);
  PutVarint(out, request.version);
}

// A decision's bytes up to the size of its outcomes, and where among them the version stands.
constexpr size_t kDecisionHeadBytes = 8 + 8 + 8 + 2;
constexpr size_t kVersionOffset = 8;
// What stands below the treatment that was shown.
constexpr int kStatusBits = 4;
constexpr uint64_t kStatusMask = (uint64_t{1} << kStatusBits) - 1;
// Largest outcome: two hashes, a 32-bit number plus 1 with the status, the distance of two times.
constexpr size_t kMaxOutcomeBytes = 8 + 8 + 6 + kMaxVarintBytes;
static_assert(kMaxRememberedOutcomes * kMaxOutcomeBytes <= UINT16_MAX);

// A decision as stored.
struct StoredDecision {
  RememberedDecision decision;  // its version as it stands there
  std::string_view outcomes;
};

std::optional<StoredDecision> ReadDecision(ByteReader& reader) {
  StoredDecision stored;
  stored.decision.tag = reader.Fixed<uint64_t>();
  stored.decision.version = reader.Fixed<uint64_t>();
  stored.decision.time_us = reader.Fixed<int64_t>();
  stored.outcomes = reader.Bytes(reader.Fixed<uint16_t>());
  if (!reader.ok()) return std::nullopt;
  return stored;
}

void PutDecision(std::string& out, const RememberedDecision& decision, size_t outcomes_bytes) {
  PutFixed(out, decision.tag);
  PutFixed(out, decision.version);
  PutFixed(out, decision.time_us);
  PutFixed(out, static_cast<uint16_t>(outcomes_bytes));
}

std::optional<RememberedOutcome> ReadOutcome(ByteReader& reader,
                                             const RememberedDecision& decision) {
  RememberedOutcome outcome;
  outcome.tag = decision.tag;
  outcome.hash = reader.Fixed<uint64_t>();
  outcome.fingerprint = reader.Fixed<uint64_t>();
  const uint64_t shown_and_status = reader.Varint();
  outcome.status = static_cast<uint8_t>(shown_and_status & kStatusMask);
  if (const uint64_t shown = shown_and_status >> kStatusBits; shown > 0) {
    outcome.shown = static_cast<uint32_t>(shown - 1);
    outcome.shown_us = Plus(decision.time_us, UnZigZag(reader.Varint()));
  }
  if (!reader.ok()) return std::nullopt;
  return outcome;
}

void PutOutcome(std::string& out, const RememberedOutcome& outcome,
                const RememberedDecision& decision) {
  PutFixed(out, outcome.hash);
  PutFixed(out, outcome.fingerprint);
  const uint64_t shown = outcome.shown ? uint64_t{*outcome.shown} + 1 : 0;
  PutVarint(out, shown << kStatusBits | (outcome.status & kStatusMask));
  if (outcome.shown) PutVarint(out, ZigZag(Minus(outcome.shown_us, decision.time_us)));
}

// The outcomes of a stored decision, appended.
void ReadOutcomes(const StoredDecision& stored, std::vector<RememberedOutcome>& outcomes) {
  ByteReader reader(stored.outcomes);
  while (!reader.done()) {
    const std::optional<RememberedOutcome> outcome = ReadOutcome(reader, stored.decision);
    if (!outcome) return;
    outcomes.push_back(*outcome);
  }
}

}  // namespace

absl::StatusOr<CustomerState> CustomerState::Parse(const storage::Record& record,
                                                   std::string_view id) {
  std::string_view stored_id;
  absl::StatusOr<CustomerState> state = ParseRecord(record, stored_id);
  if (state.ok() && state->found() && stored_id != id) {
    return absl::DataLossError("the record found under the customer's key is another customer's");
  }
  return state;
}

absl::StatusOr<CustomerState> CustomerState::ParseAny(const storage::Record& record) {
  std::string_view stored_id;
  return ParseRecord(record, stored_id);
}

absl::StatusOr<CustomerState> CustomerState::ParseRecord(const storage::Record& record,
                                                         std::string_view& stored_id) {
  CustomerState state;
  if (!record.found) return state;
  ByteReader reader(record.bytes);
  const auto format = reader.Fixed<uint8_t>();
  if (reader.ok() && (format == 0 || format > kRecordFormat)) {
    return absl::DataLossError(
        "the customer's record has a format that this version does not know; it was written by a "
        "newer one");
  }
  state.found_ = true;
  state.version_ = record.version.number;
  state.features_time_us_ = static_cast<int64_t>(reader.Varint());
  state.decision_count_ = reader.Varint();
  stored_id = reader.SizedBytes();
  state.id_ = stored_id;
  state.features_ = reader.SizedBytes();
  state.requests_ = reader.SizedBytes();
  uint64_t dropped = 0;
  if (format > 1) {
    state.consents_ = reader.SizedBytes();
    if (format > 2) state.decisions_ = reader.SizedBytes();
    dropped = reader.Varint();
  }
  state.history_count_ = reader.Varint();
  state.history_base_ms_ = UnZigZag(reader.Varint());
  state.history_last_ms_ = UnZigZag(reader.Varint());
  if (!reader.ok()) return Malformed();
  state.history_ = reader.Bytes(reader.remaining());
  if (dropped > 0) state.dropped_until_ms_ = static_cast<int64_t>(dropped - 1);
  // Format 1 did not say so, but it counted decisions, and its base is the last that was dropped.
  if (format == 1 && state.decision_count_ > state.history_count_) {
    state.dropped_until_ms_ = state.history_base_ms_;
  }
  if (state.history_count_ > state.history_.size() / kMinInteractionBytes) return Malformed();
  return state;
}

bool CustomerState::ReadHistory(std::vector<Interaction>& history) const {
  history.clear();
  ByteReader reader(history_);
  int64_t previous_ms = history_base_ms_;
  bool ordered = true;
  for (uint64_t i = 0; i < history_count_; ++i) {
    const std::optional<Interaction> interaction = ReadInteraction(reader, previous_ms);
    if (!interaction) break;
    ordered &= i == 0 || interaction->time_ms >= previous_ms;
    previous_ms = interaction->time_ms;
    history.push_back(*interaction);
  }
  if (!ordered) std::stable_sort(history.begin(), history.end(), IsEarlier);
  return history.size() == history_count_;
}

std::vector<Interaction> CustomerState::History() const {
  std::vector<Interaction> history;
  ReadHistory(history);
  return history;
}

std::optional<RememberedRequest> CustomerState::FindRequest(uint64_t hash) const {
  ByteReader reader(requests_);
  while (!reader.done()) {
    std::optional<RememberedRequest> request = ReadRequest(reader);
    if (!request) return std::nullopt;
    if (request->hash != hash) continue;
    if (request->version == 0) request->version = version_;
    return request;
  }
  return std::nullopt;
}

std::vector<RememberedDecision> CustomerState::Decisions() const {
  std::vector<RememberedDecision> decisions;
  ByteReader reader(decisions_);
  while (!reader.done()) {
    const std::optional<StoredDecision> stored = ReadDecision(reader);
    if (!stored) break;
    decisions.push_back(stored->decision);
    if (decisions.back().version == 0) decisions.back().version = version_;
  }
  return decisions;
}

std::vector<RememberedOutcome> CustomerState::Outcomes() const {
  std::vector<RememberedOutcome> outcomes;
  ByteReader reader(decisions_);
  while (!reader.done()) {
    const std::optional<StoredDecision> stored = ReadDecision(reader);
    if (!stored) break;
    ReadOutcomes(*stored, outcomes);
  }
  return outcomes;
}

// Writes one record. Not thread-safe.
class RecordEncoder {
 public:
  RecordEncoder(const CustomerState& before, const RecordChange& change, std::string& record)
      : before_(before), change_(change), record_(record) {}

  void Encode(std::string_view id) {
    record_.clear();
    PutFixed(record_, kRecordFormat);
    PutVarint(record_, static_cast<uint64_t>(change_.features ? change_.features_time_us
                                                              : before_.features_time_us_));
    PutVarint(record_, before_.decision_count_ + change_.decisions);
    PutBytes(record_, id);
    PutBytes(record_, change_.features.value_or(before_.features_));
    PutRequests();
    PutBytes(record_, change_.consents.value_or(before_.consents_));
    PutDecisions();
    if (change_.interactions.empty()) {
      PutHistoryHead(before_.history_count_, before_.history_base_ms_, before_.history_last_ms_);
      record_.append(before_.history_);
    } else if (IsNext()) {
      AppendToHistory(change_.interactions.front());
    } else {
      MergeIntoHistory();
    }
  }

 private:
  void PutRequests();
  void PutDecisions();
  // The stored decisions with the change's outcomes.
  std::string DecisionsWithOutcomes() const;
  // What of the stored decisions stays: all that can be read, less what makes room for the
  // change's. `last` is set to where the last of them stands, `adds` to whether there is room.
  std::string_view KeptDecisions(std::string_view stored, size_t& last, bool& adds) const;
  // Is there but one interaction, and is it the latest?
  bool IsNext() const {
    return change_.interactions.size() == 1 && !change_.skip_known &&
           (before_.history_count_ == 0 ||
            change_.interactions.front().time_ms >= before_.history_last_ms_);
  }
  // The way of a decision: no look at the interactions that stay.
  void AppendToHistory(const Interaction& interaction);
  void MergeIntoHistory();
  void PutHistoryHead(uint64_t count, int64_t base_ms, int64_t last_ms) {
    PutVarint(record_, dropped_until_ms_ ? static_cast<uint64_t>(*dropped_until_ms_) + 1 : 0);
    PutVarint(record_, count);
    PutVarint(record_, ZigZag(base_ms));
    PutVarint(record_, ZigZag(last_ms));
  }
  void Drop(int64_t time_ms) { Raise(dropped_until_ms_, time_ms); }
  bool IsTooOld(int64_t time_ms) const {
    return time_ms < Minus(change_.now_ms, change_.bounds.retention_ms);
  }

  const CustomerState& before_;
  const RecordChange& change_;
  std::string& record_;
  std::optional<int64_t> dropped_until_ms_ = before_.dropped_until_ms_;
};

// What was written without a version has the one that the record was loaded with; one that is
// carried out again stands for its last time only.
void RecordEncoder::PutRequests() {
  RememberedRequest requests[kMaxRememberedRequests];
  size_t request_count = 0;
  ByteReader reader(before_.requests_);
  while (!reader.done()) {
    std::optional<RememberedRequest> request = ReadRequest(reader);
    if (!request) break;
    if (change_.request && request->hash == change_.request->hash) continue;
    if (request->version == 0) request->version = before_.version_;
    if (request_count == kMaxRememberedRequests) {
      std::copy(requests + 1, requests + kMaxRememberedRequests, requests);
      --request_count;
    }
    requests[request_count++] = *request;
  }
  size_t first = 0;
  if (change_.request && request_count == kMaxRememberedRequests) first = 1;
  size_t requests_bytes = change_.request ? EncodedSize(0) : 0;
  for (size_t i = first; i < request_count; ++i) {
    requests_bytes += EncodedSize(requests[i].version);
  }
  PutVarint(record_, requests_bytes);
  for (size_t i = first; i < request_count; ++i) PutRequest(record_, requests[i]);
  if (change_.request) {
    RememberedRequest request = *change_.request;
    request.version = 0;
    PutRequest(record_, request);
  }
}

// Only the last can stand there without a version: whatever is written after it puts it in.
void RecordEncoder::PutDecisions() {
  std::string with_outcomes;
  std::string_view stored = before_.decisions_;
  if (!change_.outcomes.empty()) {
    with_outcomes = DecisionsWithOutcomes();
    stored = with_outcomes;
  }
  size_t last = 0;
  bool adds = false;
  const std::string_view kept = KeptDecisions(stored, last, adds);
  PutVarint(record_, kept.size() + (adds ? kDecisionHeadBytes : 0));
  const size_t begin = record_.size();
  record_.append(kept);
  if (!kept.empty()) {
    char* const version = record_.data() + begin + last + kVersionOffset;
    uint64_t stands = 0;
    std::memcpy(&stands, version, sizeof stands);
    if (stands == 0) std::memcpy(version, &before_.version_, sizeof before_.version_);
  }
  if (adds) {
    RememberedDecision decision = *change_.decision;
    decision.version = 0;
    PutDecision(record_, decision, 0);
  }
}

std::string_view RecordEncoder::KeptDecisions(std::string_view stored, size_t& last,
                                              bool& adds) const {
  size_t count = 0;
  ByteReader all(stored);
  size_t readable = 0;
  while (!all.done()) {
    if (!ReadDecision(all)) break;
    last = readable;
    readable = stored.size() - all.remaining();
    ++count;
  }
  size_t first = 0;
  if (change_.decision) {
    ByteReader reader(stored);
    for (int forgotten = 0; count > 0; --count, ++forgotten) {
      const std::optional<StoredDecision> oldest = ReadDecision(reader);
      if (!oldest) break;  // never: it was read just now
      const bool is_old =
          oldest->decision.time_us < change_.decisions_since_us && forgotten < kMaxForgottenByAge;
      const bool makes_room = count >= kMaxRememberedDecisions && !change_.decision_takes_free_room;
      if (!is_old && !makes_room) break;
      first = stored.size() - reader.remaining();
    }
  }
  adds = change_.decision && count < kMaxRememberedDecisions;
  last -= std::min(first, last);
  return stored.substr(first, readable - first);
}

std::string RecordEncoder::DecisionsWithOutcomes() const {
  struct Entry {
    RememberedDecision decision;
    std::vector<RememberedOutcome> outcomes;
    bool told = false;  // something of it is new
    bool forgotten = false;
  };
  std::vector<Entry> entries;
  size_t total = 0;
  ByteReader reader(before_.decisions_);
  while (!reader.done()) {
    const std::optional<StoredDecision> stored = ReadDecision(reader);
    if (!stored) break;
    Entry& entry = entries.emplace_back();
    entry.decision = stored->decision;
    ReadOutcomes(*stored, entry.outcomes);
    for (const RememberedOutcome& outcome : change_.outcomes) {
      if (outcome.tag != stored->decision.tag) continue;
      entry.outcomes.push_back(outcome);
      entry.told = true;
    }
    if (entry.outcomes.size() > kMaxRememberedOutcomes) {
      entry.outcomes.resize(kMaxRememberedOutcomes);
    }
    total += entry.outcomes.size();
  }
  for (const bool also_told : {false, true}) {
    for (Entry& entry : entries) {
      if (total <= kMaxOutcomesOfCustomer) break;
      // One without outcomes makes no room.
      if (entry.forgotten || entry.outcomes.empty() || (entry.told && !also_told)) continue;
      entry.forgotten = true;
      total -= entry.outcomes.size();
    }
  }
  std::string decisions;
  std::string outcomes;
  for (const Entry& entry : entries) {
    if (entry.forgotten) continue;
    outcomes.clear();
    for (const RememberedOutcome& outcome : entry.outcomes) {
      PutOutcome(outcomes, outcome, entry.decision);
    }
    PutDecision(decisions, entry.decision, outcomes.size());
    decisions.append(outcomes);
  }
  return decisions;
}

void RecordEncoder::AppendToHistory(const Interaction& interaction) {
  uint64_t count = before_.history_count_;
  int64_t base_ms = before_.history_base_ms_;
  std::string_view kept = before_.history_;
  while (count > 0) {
    ByteReader oldest(kept);
    const std::optional<Interaction> first = ReadInteraction(oldest, base_ms);
    if (!first) {
      // Damaged: what can't be read can't be counted down either.
      Drop(before_.history_last_ms_);
      count = 0;
      kept = {};
      break;
    }
    if (count < change_.bounds.max_interactions && !IsTooOld(first->time_ms)) break;
    Drop(first->time_ms);
    base_ms = first->time_ms;
    kept = oldest.Bytes(oldest.remaining());
    --count;
  }
  if (count == 0) base_ms = interaction.time_ms;
  PutHistoryHead(count + 1, base_ms, interaction.time_ms);
  record_.append(kept);
  PutInteraction(record_, interaction, count == 0 ? base_ms : before_.history_last_ms_);
}

void RecordEncoder::MergeIntoHistory() {
  const HistoryMerge merge = MergeHistory(before_, change_);
  dropped_until_ms_ = merge.dropped_until_ms;
  const std::vector<Interaction>& history = merge.history;
  int64_t previous_ms = history.empty() ? 0 : history.front().time_ms;
  PutHistoryHead(history.size(), previous_ms, history.empty() ? 0 : history.back().time_ms);
  for (const Interaction& interaction : history) {
    PutInteraction(record_, interaction, previous_ms);
    previous_ms = interaction.time_ms;
  }
}

HistoryMerge MergeHistory(const CustomerState& before, const RecordChange& change) {
  HistoryMerge merge;
  merge.dropped_until_ms = before.dropped_until_ms();
  merge.fates.assign(change.interactions.size(), InteractionFate::kRecorded);
  std::vector<Interaction> remembered;
  if (!before.ReadHistory(remembered)) Raise(merge.dropped_until_ms, before.history_last_ms());

  // Where each one comes from: an index into the change's, or kRemembered. Those of one time stay
  // in the order in which they came.
  constexpr size_t kRemembered = SIZE_MAX;
  std::vector<std::pair<Interaction, size_t>> all;
  all.reserve(remembered.size() + change.interactions.size());
  for (const Interaction& interaction : remembered) all.emplace_back(interaction, kRemembered);
  for (size_t i = 0; i < change.interactions.size(); ++i) {
    all.emplace_back(change.interactions[i], i);
  }
  const auto is_earlier = [](const auto& a, const auto& b) { return IsEarlier(a.first, b.first); };
  const auto given = all.begin() + static_cast<std::ptrdiff_t>(remembered.size());
  std::stable_sort(given, all.end(), is_earlier);
  std::inplace_merge(all.begin(), given, all.end(), is_earlier);

  std::vector<size_t> origins;
  for (const auto& [interaction, origin] : all) {
    if (origin != kRemembered && change.skip_known && IsAmongLatest(interaction, merge.history)) {
      merge.fates[origin] = InteractionFate::kAlreadyKnown;
      continue;
    }
    merge.history.push_back(interaction);
    origins.push_back(origin);
  }
  const int64_t oldest_ms = Minus(change.now_ms, change.bounds.retention_ms);
  size_t first = 0;
  while (first < merge.history.size() &&
         (merge.history.size() - first > change.bounds.max_interactions ||
          merge.history[first].time_ms < oldest_ms)) {
    Raise(merge.dropped_until_ms, merge.history[first].time_ms);
    if (origins[first] != kRemembered) merge.fates[origins[first]] = InteractionFate::kTooOld;
    ++first;
  }
  merge.history.erase(merge.history.begin(),
                      merge.history.begin() + static_cast<std::ptrdiff_t>(first));
  return merge;
}

void EncodeRecord(const CustomerState& before, std::string_view id, const RecordChange& change,
                  std::string& record) {
  RecordEncoder(before, change, record).Encode(id);
}

absl::Status EditFeatures(std::string_view features, absl::Span<const FeatureEdit> edits,
                          std::string& result) {
  result.clear();
  const auto put = [&](const FeatureEdit& edit) {
    if (edit.value) AppendValue(result, edit.number, *edit.value);
  };
  ValueReader reader(features);
  ValueEntry entry;
  auto edit = edits.begin();
  while (reader.Next(entry)) {
    while (edit != edits.end() && edit->number < entry.number) put(*edit++);
    if (edit != edits.end() && edit->number == entry.number) {
      put(*edit++);
    } else {
      result.append(reader.entry_bytes());
    }
  }
  if (!reader.ok()) return absl::DataLossError("the customer's features are malformed");
  while (edit != edits.end()) put(*edit++);
  return absl::OkStatus();
}

}  // namespace attune::customer
