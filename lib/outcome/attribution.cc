#include "lib/outcome/attribution.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <tuple>
#include <utility>

#include "absl/types/span.h"
#include "attune/storage/v1/event.pb.h"
#include "lib/customer/customer_record.h"
#include "lib/outcome/decision_offer.h"
#include "lib/storage/crc32c.h"

namespace attune::outcome {
namespace {

constexpr uint8_t kStateFormat = 1;
constexpr uint8_t kShownFlag = 1;
constexpr uint8_t kClosedFlag = 2;

// Beyond, either way, no clock tells a time, and sums with windows would leave the range.
constexpr int64_t kMaxTimeUs = int64_t{1} << 60;

bool IsTime(int64_t time_us) { return time_us >= -kMaxTimeUs && time_us <= kMaxTimeUs; }

absl::Status DamagedState() {
  return absl::DataLossError("the stored state of the attribution of outcomes is damaged");
}

template <typename Message>
bool ParseEvent(std::string_view payload, Message& message) {
  return payload.size() <= storage::kMaxEventBytes &&
         message.ParseFromArray(payload.data(), static_cast<int>(payload.size()));
}

// When an event that is parsed as this message was recorded; nullopt: it is damaged.
template <typename Message>
std::optional<int64_t> RecordedTime(std::string_view payload, Message& message) {
  if (!ParseEvent(payload, message) || !IsTime(message.recorded_time_us())) return std::nullopt;
  return message.recorded_time_us();
}

// In the order in which they are stored: more come behind.
template <typename Counts, typename Visit>
void ForEachCount(Counts& counts, Visit visit) {
  visit(counts.learned);
  visit(counts.never_shown);
  visit(counts.erased);
  visit(counts.damaged);
  visit(counts.formula_failed);
  visit(counts.unknown_treatment);
  visit(counts.no_room);
  visit(counts.attributed);
  visit(counts.after_settled);
  visit(counts.not_on_top);
  visit(counts.without_treatment);
  visit(counts.too_many);
  visit(counts.unknown_outcome);
  for (auto& count : counts.by_status) visit(count);
  visit(counts.left_the_log);
}

// Where a decision's event has a treatment.
struct Place {
  int rank = 0;
  int scored = 0;  // index into what runs parallel to DecisionEvent.scored
  uint32_t channel = 0;
};

// nullopt: it was not ranked, or the event is malformed.
std::optional<Place> PlaceIn(const storage::v1::DecisionEvent& event, uint32_t treatment) {
  for (int rank = 0; rank < event.ranking_size(); ++rank) {
    if (event.ranking(rank) >= static_cast<uint32_t>(event.scored_size())) return std::nullopt;
    const auto scored = static_cast<int>(event.ranking(rank));
    if (event.scored(scored) != treatment) continue;
    if (event.open_channels().empty()) return Place{rank, scored, event.channel()};
    // The channel was left open: each treatment has its own.
    if (scored >= event.scored_channel_size()) return std::nullopt;
    const uint32_t slot = event.scored_channel(scored);
    if (slot >= static_cast<uint32_t>(event.open_channels_size())) return std::nullopt;
    return Place{rank, scored, event.open_channels(static_cast<int>(slot))};
  }
  return std::nullopt;
}

// The element of what runs parallel to DecisionEvent.scored; `absent` where it is left out.
template <typename List, typename T>
T ElementOr(const List& list, int index, T absent) {
  return index < list.size() ? static_cast<T>(list.Get(index)) : absent;
}

double SelectionProbability(const storage::v1::DecisionEvent& event, int scored) {
  const int count = std::min(event.selectable_size(), event.selection_probability_size());
  for (int i = 0; i < count; ++i) {
    if (event.selectable(i) == static_cast<uint32_t>(scored)) return event.selection_probability(i);
  }
  return 0;
}

std::string_view ModelVersion(const storage::v1::DecisionEvent& event, int scored) {
  if (scored >= event.model_size()) return {};
  const uint32_t model = event.model(scored);
  if (model >= static_cast<uint32_t>(event.model_versions_size())) return {};
  return event.model_versions(static_cast<int>(model));
}

}  // namespace

bool Attribution::KeptOutcome::operator<(const KeptOutcome& other) const {
  return std::tie(time_us, outcome, source, value) <
         std::tie(other.time_us, other.outcome, other.source, other.value);
}

Attribution::Attribution(std::shared_ptr<const AttributionTerms> terms,
                         const AttributionLimits& limits)
    : terms_(std::move(terms)),
      limits_(limits),
      evaluator_(std::make_unique<RewardEvaluator>(terms_->reward)) {}

std::string Attribution::Serialize() const {
  std::string out;
  PutFixed(out, kStateFormat);
  PutFixed(out, next_position_);
  PutFixed(out, now_us_);
  PutFixed(out, latest_us_);
  PutFixed(out, settled_up_to_);
  PutFixed(out, given_up_to_);
  uint64_t numbers = 0;
  ForEachCount(counts_, [&](uint64_t) { ++numbers; });
  PutVarint(out, numbers);
  ForEachCount(counts_, [&](uint64_t count) { PutVarint(out, count); });
  PutVarint(out, open_.size());
  uint64_t before = 0;
  for (const auto& [key, waiting] : open_) {
    PutVarint(out, key.first - before);
    before = key.first;
    PutVarint(out, key.second);
    PutFixed(out, waiting.decided_us);
    PutFixed(out, static_cast<uint8_t>((waiting.shown_us ? kShownFlag : 0) |
                                       (waiting.closed ? kClosedFlag : 0)));
    if (waiting.shown_us) PutFixed(out, *waiting.shown_us);
    PutVarint(out, waiting.outcomes.size());
    for (const KeptOutcome& kept : waiting.outcomes) {
      PutVarint(out, kept.outcome);
      PutFixed(out, kept.source);
      PutFixed(out, kept.time_us);
      PutFixed(out, static_cast<uint8_t>(kept.value ? 1 : 0));
      if (kept.value) PutFixed(out, *kept.value);
    }
  }
  PutFixed(out, storage::Crc32c(out));
  return out;
}

absl::StatusOr<Attribution> Attribution::Parse(std::string_view bytes,
                                               std::shared_ptr<const AttributionTerms> terms,
                                               const AttributionLimits& limits) {
  if (bytes.size() < sizeof(uint32_t)) return DamagedState();
  const std::string_view body = bytes.substr(0, bytes.size() - sizeof(uint32_t));
  ByteReader checksum(bytes.substr(body.size()));
  if (checksum.Fixed<uint32_t>() != storage::Crc32c(body)) return DamagedState();
  ByteReader reader(body);
  if (reader.Fixed<uint8_t>() != kStateFormat) {
    return absl::DataLossError(
        "the stored state of the attribution of outcomes has an unknown format");
  }
  Attribution attribution(std::move(terms), limits);
  attribution.next_position_ = reader.Fixed<uint64_t>();
  attribution.now_us_ = reader.Fixed<int64_t>();
  attribution.latest_us_ = reader.Fixed<int64_t>();
  attribution.settled_up_to_ = reader.Fixed<uint64_t>();
  attribution.given_up_to_ = reader.Fixed<uint64_t>();
  if (!IsTime(attribution.now_us_) || !IsTime(attribution.latest_us_)) return DamagedState();
  // An older version may have stored fewer.
  uint64_t numbers = reader.Varint();
  ForEachCount(attribution.counts_, [&](uint64_t& count) {
    if (numbers == 0) return;
    count = reader.Varint();
    --numbers;
  });
  if (numbers != 0 || !attribution.ParseTreatments(reader)) return DamagedState();
  return attribution;
}

bool Attribution::ParseTreatments(ByteReader& reader) {
  const auto number = [&reader](uint32_t& out) {
    const uint64_t value = reader.Varint();
    out = static_cast<uint32_t>(value);
    return value <= std::numeric_limits<uint32_t>::max();
  };
  const auto time = [&reader](int64_t& out) {
    out = reader.Fixed<int64_t>();
    return IsTime(out);
  };
  const uint64_t treatments = reader.Varint();
  Key key;
  for (uint64_t i = 0; i < treatments && reader.ok(); ++i) {
    const Key before = key;
    key.first += reader.Varint();
    if (!number(key.second) || key.first < before.first || (i > 0 && key <= before)) return false;
    Waiting waiting;
    if (!time(waiting.decided_us)) return false;
    const auto flags = reader.Fixed<uint8_t>();
    if (flags > (kShownFlag | kClosedFlag)) return false;
    if ((flags & kShownFlag) != 0 && !time(waiting.shown_us.emplace())) return false;
    waiting.closed = (flags & kClosedFlag) != 0;
    const uint64_t outcomes = reader.Varint();
    if (outcomes > customer::kMaxRememberedOutcomes) return false;
    for (uint64_t j = 0; j < outcomes; ++j) {
      KeptOutcome kept;
      if (!number(kept.outcome)) return false;
      const auto source = reader.Fixed<uint8_t>();
      if (source < 1 || source > kSources || !time(kept.time_us)) return false;
      kept.source = static_cast<Source>(source);
      const auto has_value = reader.Fixed<uint8_t>();
      if (has_value > 1) return false;
      if (has_value == 1) kept.value = reader.Fixed<double>();
      if (!std::isfinite(kept.value.value_or(0))) return false;
      if (!waiting.outcomes.empty() && kept < waiting.outcomes.back()) return false;
      waiting.outcomes.push_back(kept);
    }
    if (!reader.ok()) return false;
    Insert(key, std::move(waiting));
  }
  return reader.ok() && reader.done();
}

absl::Status Attribution::Add(const storage::LogEntry& entry, ReadAt read, Learn learn) {
  // What a call before left over.
  size_t budget = limits_.settled_per_call;
  absl::StatusOr<bool> settled = SettleFinished(budget, read, learn);
  if (!settled.ok() || !*settled) return settled.status();
  MakeRoom();
  if (entry.position < next_position_) return absl::OkStatus();

  std::optional<int64_t> time_us;
  bool damaged = false;
  storage::v1::OutcomeEvent outcome;
  const auto recorded = [&](auto& message) {
    time_us = RecordedTime(entry.payload, message);
    damaged = !time_us;
  };
  switch (entry.type) {
    case storage::EventType::kDecision:
      break;  // has no time but that which was decided for
    case storage::EventType::kInteractions: {
      storage::v1::InteractionsEvent event;
      recorded(event);
      break;
    }
    case storage::EventType::kConsent: {
      storage::v1::ConsentEvent event;
      recorded(event);
      break;
    }
    case storage::EventType::kOutcome:
      recorded(outcome);
      break;
    case storage::EventType::kClock: {
      storage::v1::ClockEvent event;
      damaged = !ParseEvent(entry.payload, event) || !IsTime(event.time_us());
      if (!damaged) time_us = event.time_us();
      break;
    }
  }
  if (time_us) {
    settled = SettleEnded(*time_us, budget, read, learn);
    if (!settled.ok() || !*settled) return settled.status();
    SetNow(*time_us);
  }
  next_position_ = entry.position + 1;
  if (damaged) {
    ++counts_.damaged;
  } else if (entry.type == storage::EventType::kDecision) {
    TakeDecision(entry);
  } else if (entry.type == storage::EventType::kOutcome) {
    TakeOutcome(outcome);
  }
  settled = SettleFinished(budget, read, learn);
  if (settled.ok() && *settled) MakeRoom();
  return settled.status();
}

void Attribution::FallBackTo(uint64_t position) {
  while (!open_.empty() && open_.rbegin()->first.first >= position) {
    const auto last = std::prev(open_.end());
    if (!last->second.closed) ++counts_.left_the_log;
    Erase(last);
  }
  next_position_ = position;
  // Decisions that come to these positions are none of those that settled.
  const uint64_t last_position = position == 0 ? 0 : position - 1;
  settled_up_to_ = std::min(settled_up_to_, last_position);
  given_up_to_ = std::min(given_up_to_, last_position);
}

void Attribution::SetNow(int64_t now_us) {
  now_us_ = now_us;
  if (now_us < latest_us_ - kClosingDelayUs) {
    given_up_to_ = std::max(given_up_to_, settled_up_to_);
    latest_us_ = now_us;
  }
  latest_us_ = std::max(latest_us_, now_us);
}

void Attribution::TakeDecision(const storage::LogEntry& entry) {
  // With a showing, decisions are heard of by their outcomes: most have none.
  if (terms_->has_showing) return;
  const std::optional<DecisionOffer> offer = ReadDecisionOffer(entry.payload);
  if (!offer || !IsTime(offer->time_us)) {
    ++counts_.damaged;
    return;
  }
  if (offer->ranking.empty()) return;
  Waiting waiting;
  waiting.decided_us = offer->time_us;
  waiting.shown_us = offer->time_us;
  Insert({entry.position, offer->ranking.front().treatment}, std::move(waiting));
}

void Attribution::TakeOutcome(const storage::v1::OutcomeEvent& event) {
  const auto status = event.status() <= kStatuses ? static_cast<Status>(event.status()) : Status{};
  const auto declared = terms_->outcome_index.find(event.outcome());
  const bool is_known = declared != terms_->outcome_index.end();
  const bool is_showing =
      is_known && terms_->outcomes[static_cast<size_t>(declared->second)].showing;
  // One that is late by the time of the decision may be in time by that of a showing nobody has
  // told of yet.
  const bool may_be_in_time =
      status == Status::kLate && terms_->has_showing && !is_showing && !event.has_shown_time_us();
  if (status != Status::kRecorded && status != Status::kEarly && !may_be_in_time) {
    ++counts_.by_status[static_cast<size_t>(status)];
    return;
  }
  if (event.treatment_plus_one() == 0) {
    ++counts_.without_treatment;
    return;
  }
  if (!is_known) {
    ++counts_.unknown_outcome;
    return;
  }
  KeptOutcome kept;
  kept.time_us = status == Status::kEarly ? event.decision_time_us() : event.time_us();
  kept.outcome = event.outcome();
  kept.source = static_cast<Source>(event.source());
  if (event.has_value()) kept.value = event.value();
  if (event.decision_position() == 0 || event.source() < 1 || event.source() > kSources ||
      !IsTime(kept.time_us) || !IsTime(event.decision_time_us()) || !std::isfinite(event.value())) {
    ++counts_.damaged;
    return;
  }

  const Key key(event.decision_position(), event.treatment_plus_one() - 1);
  Waiting fresh;
  fresh.decided_us = event.decision_time_us();
  if (is_showing) fresh.shown_us = kept.time_us;
  const bool was_shown_before =
      event.has_shown_time_us() && (!is_showing || event.shown_time_us() < kept.time_us);
  const auto treatment = FindOrOpen(key, fresh, was_shown_before);
  if (treatment == open_.end()) return;
  Waiting& waiting = treatment->second;
  if (waiting.outcomes.size() >= customer::kMaxRememberedOutcomes) {
    ++counts_.too_many;
    return;
  }
  waiting.outcomes.insert(std::upper_bound(waiting.outcomes.begin(), waiting.outcomes.end(), kept),
                          kept);
  ++open_outcomes_;
  if (is_showing && kept.time_us < waiting.shown_us.value_or(kMaxTimeUs + 1)) {
    by_deadline_.erase({DeadlineOf(waiting), key});
    waiting.shown_us = kept.time_us;
    by_deadline_.emplace(DeadlineOf(waiting), key);
  }
  if (IsFinished(waiting)) finished_.insert(key);
}

Attribution::OpenTreatments::iterator Attribution::FindOrOpen(const Key& key, const Waiting& fresh,
                                                              bool was_shown_before) {
  const auto found = open_.find(key);
  if (found != open_.end() && !found->second.closed) return found;
  const auto has_ended = [&] {
    Waiting shown = fresh;
    if (!terms_->has_showing) shown.shown_us = fresh.decided_us;
    return now_us_ > DeadlineOf(shown);
  };
  // Who was told before that it was shown had it open then.
  if (found != open_.end() || key.first <= given_up_to_ || has_ended() ||
      (terms_->has_showing && was_shown_before)) {
    ++counts_.after_settled;
    return open_.end();
  }
  if (!terms_->has_showing) {
    ++counts_.not_on_top;
    return open_.end();
  }
  Insert(key, fresh);
  return open_.find(key);
}

int64_t Attribution::DeadlineOf(const Waiting& waiting) const {
  const int64_t shown_us =
      waiting.shown_us.value_or(waiting.decided_us + terms_->showing_window_us);
  return shown_us + terms_->longest_window_us;
}

Status Attribution::StatusAtEnd(const Waiting& waiting, const catalog::OutcomeTerms& terms,
                                const KeptOutcome& kept) const {
  return StatusOf({waiting.decided_us, /*ranked=*/true, waiting.shown_us}, terms, kept.time_us);
}

bool Attribution::IsFinished(const Waiting& waiting) const {
  if (!waiting.shown_us || waiting.closed) return false;
  return std::any_of(
      waiting.outcomes.begin(), waiting.outcomes.end(), [&](const KeptOutcome& kept) {
        const auto declared = terms_->outcome_index.find(kept.outcome);
        if (declared == terms_->outcome_index.end()) return false;
        const auto& terms = terms_->outcomes[static_cast<size_t>(declared->second)];
        return terms.is_final && StatusAtEnd(waiting, terms, kept) == Status::kRecorded;
      });
}

std::vector<OutcomeTally> Attribution::Tally(const Waiting& waiting,
                                             std::bitset<kSources>& sources) {
  std::vector<OutcomeTally> tallies(terms_->outcomes.size());
  for (const KeptOutcome& kept : waiting.outcomes) {
    const auto declared = terms_->outcome_index.find(kept.outcome);
    if (declared == terms_->outcome_index.end()) {
      ++counts_.unknown_outcome;
      continue;
    }
    const auto index = static_cast<size_t>(declared->second);
    const Status status = StatusAtEnd(waiting, terms_->outcomes[index], kept);
    if (status != Status::kRecorded) {
      ++counts_.by_status[static_cast<size_t>(status)];
      continue;
    }
    ++counts_.attributed;
    sources.set(static_cast<size_t>(kept.source) - 1);
    OutcomeTally& tally = tallies[index];
    // By clocks that differ it may seem to have happened before it was shown.
    const int64_t after_us = std::max<int64_t>(kept.time_us - *waiting.shown_us, 0);
    if (tally.count == 0) tally.first_after_us = after_us;
    tally.last_after_us = after_us;
    tally.value = kept.value.value_or(tally.value);
    ++tally.count;
  }
  return tallies;
}

absl::StatusOr<bool> Attribution::SettleEnded(int64_t now_us, size_t& budget, ReadAt read,
                                              Learn learn) {
  while (!by_deadline_.empty() && by_deadline_.begin()->first + kClosingDelayUs < now_us) {
    if (budget == 0) return false;
    --budget;
    const auto [deadline_us, key] = *by_deadline_.begin();
    const auto treatment = open_.find(key);
    absl::Status status = Settle(key, treatment->second, deadline_us, read, learn);
    if (!status.ok()) return status;
    Erase(treatment);
  }
  return true;
}

absl::StatusOr<bool> Attribution::SettleFinished(size_t& budget, ReadAt read, Learn learn) {
  while (!finished_.empty()) {
    if (budget == 0) return false;
    --budget;
    const Key key = *finished_.begin();
    Waiting& waiting = open_.find(key)->second;
    // What was recorded by a clock that is ahead is no reason to be taken for newer than it can be.
    const int64_t settled_us = std::min(now_us_, DeadlineOf(waiting));
    if (absl::Status status = Settle(key, waiting, settled_us, read, learn); !status.ok()) {
      return status;
    }
    finished_.erase(finished_.begin());
    open_outcomes_ -= waiting.outcomes.size();
    waiting.outcomes.clear();
    waiting.closed = true;
  }
  return true;
}

void Attribution::MakeRoom() {
  while (open_.size() > limits_.open_treatments || open_outcomes_ > limits_.open_outcomes) {
    // One that was decided by a clock that was ahead would keep its room for as long.
    const auto& [deadline_us, last] = *by_deadline_.rbegin();
    const bool is_ahead = deadline_us > now_us_ + terms_->showing_window_us +
                                            terms_->longest_window_us + kClosingDelayUs;
    const auto victim = is_ahead ? open_.find(last) : std::prev(open_.end());
    if (!victim->second.closed) ++counts_.no_room;
    // What is told of it, or of decisions before it that nobody was told of yet, comes too late.
    given_up_to_ = std::max(given_up_to_, victim->first.first);
    settled_up_to_ = std::max(settled_up_to_, victim->first.first);
    Erase(victim);
  }
}

absl::Status Attribution::Settle(const Key& key, const Waiting& waiting, int64_t settled_us,
                                 ReadAt read, Learn learn) {
  if (waiting.closed) return absl::OkStatus();
  if (!waiting.shown_us) {
    ++counts_.never_shown;
  } else {
    const absl::StatusOr<std::optional<storage::LogEntry>> entry = read(key.first);
    if (absl::IsOutOfRange(entry.status())) {
      ++counts_.left_the_log;
    } else if (absl::IsDataLoss(entry.status())) {
      ++counts_.damaged;
    } else if (!entry.ok()) {
      return entry.status();
    } else if (!entry->has_value()) {
      ++counts_.erased;
    } else if ((*entry)->type != storage::EventType::kDecision) {
      ++counts_.damaged;
    } else {
      LearnFrom(key, waiting, settled_us, (*entry)->payload, learn);
    }
  }
  settled_up_to_ = std::max(settled_up_to_, key.first);
  return absl::OkStatus();
}

void Attribution::LearnFrom(const Key& key, const Waiting& waiting, int64_t settled_us,
                            const std::string& event, Learn learn) {
  const auto treatment = terms_->treatments.find(key.second);
  if (treatment == terms_->treatments.end()) {
    ++counts_.unknown_treatment;
    return;
  }
  storage::v1::DecisionEvent decision;
  std::optional<Place> place;
  if (ParseEvent(event, decision)) place = PlaceIn(decision, key.second);
  if (!place) {
    ++counts_.damaged;
    return;
  }
  AttributedOutcome outcome;
  outcome.decision_position = key.first;
  outcome.treatment = key.second;
  outcome.group = treatment->second.group;
  outcome.channel = place->channel;
  if (decision.intent_plus_one() > 0) outcome.intent = decision.intent_plus_one() - 1;
  outcome.decided_us = waiting.decided_us;
  outcome.shown_us = *waiting.shown_us;
  outcome.settled_us = settled_us;
  outcome.value = ElementOr(decision.value(), place->scored, treatment->second.value);
  outcome.cost = ElementOr(decision.cost(), place->scored, treatment->second.cost);
  outcome.propensity = ElementOr(decision.propensity(), place->scored, 0.0);
  outcome.selection_probability = SelectionProbability(decision, place->scored);
  outcome.rank = place->rank;
  outcome.attributes = decision.attributes();
  outcome.features = decision.features();
  outcome.model_version = ModelVersion(decision, place->scored);

  const std::vector<OutcomeTally> tallies = Tally(waiting, outcome.sources);
  RewardInput input;
  input.treatment = treatment->second.name;
  input.group = treatment->second.group_name;
  if (const auto channel = terms_->channels.find(place->channel);
      channel != terms_->channels.end()) {
    input.channel = channel->second;
  }
  input.value = outcome.value;
  input.cost = outcome.cost;
  input.outcomes = tallies;
  const std::optional<RewardResult> result = evaluator_->Evaluate(input);
  if (!result) {
    ++counts_.formula_failed;
    formula_error_ = evaluator_->error();
    return;
  }
  outcome.reward = result->reward;
  outcome.good = result->good;
  ++counts_.learned;
  learn(outcome);
}

void Attribution::Insert(const Key& key, Waiting waiting) {
  by_deadline_.emplace(DeadlineOf(waiting), key);
  open_outcomes_ += waiting.outcomes.size();
  if (IsFinished(waiting)) finished_.insert(key);
  open_.emplace(key, std::move(waiting));
}

void Attribution::Erase(OpenTreatments::iterator treatment) {
  by_deadline_.erase({DeadlineOf(treatment->second), treatment->first});
  open_outcomes_ -= treatment->second.outcomes.size();
  finished_.erase(treatment->first);
  open_.erase(treatment);
}

absl::Status AppendClockEvent(storage::StateStore& store, int64_t now_us) {
  // Nobody's key has events and never a record.
  constexpr storage::CustomerKey kNobodysKey{};
  storage::Record record;
  if (absl::Status status = store.Load(kNobodysKey, record); !status.ok()) return status;
  storage::v1::ClockEvent event;
  event.set_time_us(now_us);
  const std::string payload = event.SerializeAsString();
  const storage::Event logged{storage::EventType::kClock, payload};
  storage::CustomerCommit commit;
  commit.key = kNobodysKey;
  commit.expected = record.version;
  commit.keep_record = true;
  commit.events = absl::MakeConstSpan(&logged, 1);
  return store.Commit(commit, storage::Durability::kProcess).status();
}

}  // namespace attune::outcome
