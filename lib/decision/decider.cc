#include "lib/decision/decider.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

#include "attune/storage/v1/event.pb.h"
#include "lib/base/codec.h"
#include "lib/context/value_codec.h"
#include "lib/decision/decision_event.h"

namespace attune::decision {
namespace {

// Somebody always wins a conflict, so a loser rarely loses twice; this bounds the unlucky ones.
constexpr int kMaxAttempts = 100;

// Tells the customer's decisions apart.
uint64_t NumberOf(const HashKey& seed, const storage::CustomerKey& key, int64_t time_us,
                  uint64_t decision_count, uint64_t request_hash) {
  std::array<char, sizeof key + 3 * sizeof(uint64_t)> input;
  char* out = input.data();
  const auto append = [&out](const void* bytes, size_t size) {
    std::memcpy(out, bytes, size);
    out += size;
  };
  append(key.data(), key.size());
  append(&time_us, sizeof time_us);
  append(&decision_count, sizeof decision_count);
  append(&request_hash, sizeof request_hash);
  return KeyedHash64(seed, {input.data(), input.size()});
}

const stops::StopSet& NothingStopped() {
  static const stops::StopSet kNothing;
  return kNothing;
}

// What two requests with one request_id must have in common, as a hash.
uint64_t Fingerprint(const HashKey& seed, const strategy::Strategy& strategy,
                     const context::DecisionContext& context, const DecideOptions& options) {
  std::string content;
  if (context.is_channel_open() || !context.placements.empty()) {
    PutVarint(content, 0);  // no customer_id has this size
    PutVarint(content, context.open_channels.size());
    for (const int channel : context.open_channels) {
      PutVarint(content, strategy.context.channels[channel].number);
    }
    PutVarint(content, context.placements.size());
    for (const int placement : context.placements) {
      PutBytes(content, strategy.context.placements[placement].name);
    }
  }
  PutBytes(content, context.customer_id);
  PutVarint(content, strategy.context.channels[context.channel].number);
  PutBytes(content, strategy.context.IntentName(context.intent));
  PutVarint(content, options.time_given ? static_cast<uint64_t>(context.time_us) + 1 : 0);
  PutVarint(content, options.explain ? 1 : 0);
  PutVarint(content, static_cast<uint64_t>(context.max_treatments));
  PutVarint(content, context.restricted ? context.restricted_to.size() + 1 : 0);
  for (const int treatment : context.restricted_to) {
    PutVarint(content, strategy.catalog.treatments[static_cast<size_t>(treatment)].number);
  }
  for (int slot = 0; slot < strategy.context.attributes.size(); ++slot) {
    const ValueRef& value = context.attributes[static_cast<size_t>(slot)];
    if (value.known()) AppendValue(content, strategy.context.attributes[slot].number, value);
  }
  return KeyedHash64(seed, content);
}

// Runs the pipeline for a decision that can't be remembered. Nothing is explored: the chances would
// be in no event, so nobody could learn from what came of it.
void RunCertainly(const strategy::Strategy& strategy, const context::DecisionContext& context,
                  const customer::CustomerState& state, StageTimer& timer, Decision& decision) {
  RunPipeline(strategy, *decision.stops, context, state, decision.features, std::nullopt, timer,
              decision.result, decision.reach, decision.standings, decision.learned);
  decision.result.arbitration.MakeCertain();
}

// Notes in what way the scores are not as good as they should be.
void NoteFailures(const scoring::ScoredCandidates& scored, uint32_t& degradation) {
  if (scored.failed.empty()) return;
  const auto is_dropped = [](const candidates::Rejection& rejection) {
    return rejection.reason == candidates::Reason::kScoreNotFinite;
  };
  if (std::any_of(scored.rejected.begin(), scored.rejected.end(), is_dropped)) {
    degradation |= kScoreNotFinite;
  }
  const auto is_handled = [&](const scoring::ScoredCandidate& candidate) {
    return candidate.source != scoring::ScoredCandidate::Source::kModel;
  };
  const auto has_failed = [](const candidates::Rejection& rejection) {
    return rejection.reason == candidates::Reason::kModelFailed;
  };
  if (std::any_of(scored.scored.begin(), scored.scored.end(), is_handled) ||
      std::any_of(scored.rejected.begin(), scored.rejected.end(), has_failed)) {
    degradation |= kModelFailed;
  }
}

// Where exploration's draw falls; none when it is not looked at.
std::optional<double> DrawFor(const strategy::Strategy& strategy, const DecideOptions& options,
                              const DecisionId& id) {
  if (options.greedy || !strategy.arbitration.explores()) return std::nullopt;
  return arbitration::DrawOf(id);
}

}  // namespace

// What of a request makes its retry recognisable.
struct Decider::Request {
  storage::CustomerKey key{};
  bool has_id = false;
  uint64_t hash = 0;
  uint64_t fingerprint = 0;
};

absl::Status Decider::Decide(const strategy::Strategy& strategy,
                             const context::DecisionContext& context, const DecideOptions& options,
                             EncodeAnswer encode_answer, Decision& decision) const {
  decision.times = {};
  decision.conflicts = 0;
  decision.result.failed_before.clear();
  decision.stops = options.stops == nullptr ? &NothingStopped() : options.stops;
  decision.standings = options.standings;
  decision.learned = options.learned;
  StageTimer timer(decision.times);
  Request request;
  request.key = store_.KeyOf(context.customer_id);
  decision.reach = evidence::RampReach(options.ramps, seed_, request.key, options.ramp_place);
  if (!options.request_id.empty() && !options.dry_run) {
    request.has_id = true;
    request.hash = KeyedHash64(seed_, options.request_id);
    request.fingerprint = Fingerprint(seed_, strategy, context, options);
  }
  for (int attempt = 0;; ++attempt) {
    const absl::Status status =
        DecideOnce(strategy, context, options, request, encode_answer, timer, decision);
    if (!absl::IsAborted(status)) return status;
    if (attempt + 1 == kMaxAttempts) {
      return absl::AbortedError("the customer is being changed by many callers at once; retry");
    }
    ++decision.conflicts;
  }
}

absl::Status Decider::DecideOnce(const strategy::Strategy& strategy,
                                 const context::DecisionContext& context,
                                 const DecideOptions& options, const Request& request,
                                 EncodeAnswer encode_answer, StageTimer& timer,
                                 Decision& decision) const {
  decision.degradation = 0;
  decision.answered_before = false;
  decision.answer.clear();
  decision.shadows.clear();
  customer::CustomerState state;
  decision.features.resize(static_cast<size_t>(strategy.features.size()));
  const auto read = [&]() -> absl::Status {
    if (absl::Status status = store_.Load(request.key, decision.record); !status.ok()) {
      return status;
    }
    auto parsed = customer::CustomerState::Parse(decision.record, context.customer_id);
    if (!parsed.ok()) return parsed.status();
    state = *parsed;
    return strategy.features.Decode(state.features(), absl::MakeSpan(decision.features));
  };
  decision.store_status = read();
  const bool readable = decision.store_status.ok();
  if (!readable) {
    state = customer::CustomerState::Unavailable();
    std::copy(strategy.features.defaults().begin(), strategy.features.defaults().end(),
              decision.features.begin());
    decision.degradation |=
        absl::IsDataLoss(decision.store_status) ? kCustomerDamaged : kCustomerUnavailable;
  }
  decision.unknown_customer = readable && !state.known();
  bool can_remember = readable;
  if (request.has_id) {
    const absl::Status status = FindEarlierAnswer(state, request, decision);
    if (absl::IsAlreadyExists(status) || decision.answered_before) return status;
    // It was answered before, but how can't be read now: a second decision must not be remembered.
    if (!status.ok()) {
      can_remember = false;
      decision.store_status.Update(status);
    }
  }
  decision.id = ids_.Make(request.key, NumberOf(seed_, request.key, context.time_us,
                                                state.decision_count(), request.hash));
  const std::optional<double> draw = DrawFor(strategy, options, decision.id);
  timer.Finish(Stage::kCustomer);

  if (can_remember) {
    RunPipeline(strategy, *decision.stops, context, state, decision.features, draw, timer,
                decision.result, decision.reach, decision.standings, decision.learned);
  } else {
    RunCertainly(strategy, context, state, timer, decision);
  }
  NoteFailures(decision.result.scored, decision.degradation);
  if (options.dry_run) return absl::OkStatus();
  if (!can_remember) {
    DecideUnremembered(strategy, context, state, timer, decision);
    return absl::OkStatus();
  }
  PredictShadows(strategy, decision.result, decision.shadow_scratch, decision.shadows);
  MakeEvent(strategy, context, state, options, request, encode_answer, decision);
  absl::Status status = Commit(strategy, context, state, request, options.durability, decision);
  timer.Finish(Stage::kDecision);
  if (absl::IsAborted(status)) return status;
  if (!status.ok()) {
    decision.answer.clear();  // it says that the decision is remembered
    decision.store_status.Update(status);
    DecideUnremembered(strategy, context, state, timer, decision);
  }
  return absl::OkStatus();
}

void Decider::DecideUnremembered(const strategy::Strategy& strategy,
                                 const context::DecisionContext& context,
                                 const customer::CustomerState& state, StageTimer& timer,
                                 Decision& decision) const {
  decision.degradation |= kNotRemembered;
  const bool counts = strategy.contact.counts_decided() || !strategy.engagement.empty();
  if ((counts && state.available()) || decision.result.arbitration.explored()) {
    RunCertainly(strategy, context, state.AsReadOnly(), timer, decision);
  } else {
    decision.result.arbitration.MakeCertain();
  }
}

absl::Status Decider::FindEarlierAnswer(const customer::CustomerState& state,
                                        const Request& request, Decision& decision) const {
  const std::optional<customer::RememberedRequest> earlier = state.FindRequest(request.hash);
  if (!earlier) return absl::OkStatus();
  if (earlier->kind != customer::RequestKind::kDecide ||
      earlier->fingerprint != request.fingerprint) {
    return absl::AlreadyExistsError(
        "this request_id was used for this customer with another content; use a new one");
  }
  // Whoever made the decision may not have flushed it yet.
  absl::Status flushed = store_.Flush(earlier->version);
  if (!flushed.ok()) return flushed;
  auto entry = store_.ReadLogAt(earlier->version);
  if (!entry.ok()) return entry.status();
  // An answer that has left the log can't be given again: the decision is made anew.
  attune::storage::v1::DecisionEvent event;
  if (!*entry || !event.ParseFromString((*entry)->payload) ||
      event.request_hash() != request.hash) {
    return absl::OkStatus();
  }
  decision.answered_before = true;
  decision.stored_answer = std::move(*event.mutable_answer());
  return absl::OkStatus();
}

void Decider::MakeEvent(const strategy::Strategy& strategy, const context::DecisionContext& context,
                        const customer::CustomerState& state, const DecideOptions& options,
                        const Request& request, EncodeAnswer encode_answer, Decision& decision) {
  const auto encode = [&](std::string_view answer) {
    EventRequest event_request;
    if (request.has_id) event_request = {request.hash, request.fingerprint, answer};
    EncodeEvent(strategy, context, state, decision, event_request, decision.scratch,
                decision.event_bytes);
  };
  if (request.has_id) encode_answer(decision, AnswerForm::kAsAsked, &decision.answer);
  encode(decision.answer);
  if (!request.has_id || !options.explain) return;
  if (decision.event_bytes.size() <= storage::kMaxEventBytes) return;
  std::string unexplained;
  encode_answer(decision, AnswerForm::kWithoutExplanation, &unexplained);
  encode(unexplained);
}

absl::Status Decider::Commit(const strategy::Strategy& strategy,
                             const context::DecisionContext& context,
                             const customer::CustomerState& state, const Request& request,
                             storage::Durability durability, Decision& decision) const {
  const PipelineResult& result = decision.result;
  customer::RecordChange change;
  customer::Interaction decided{
      .kind = customer::InteractionKind::kDecided,
      .time_ms = context.time_us / 1000,
      .channel = strategy.context.channels[result.ChannelOf(context)].number,
      .treatment = std::nullopt,
  };
  if (!result.arbitration.ranked.empty()) {
    const auto top = static_cast<size_t>(result.arbitration.ranked.front().treatment);
    decided.treatment = strategy.catalog.treatments[top].number;
    // Nobody counts what offered nothing: it must not push out what is counted.
    change.interactions = absl::MakeConstSpan(&decided, 1);
  }
  change.decisions = 1;
  change.bounds = strategy.history;
  change.now_ms = decided.time_ms;
  if (strategy.outcomes.size() > 0) {
    change.decision = customer::RememberedDecision{
        .tag = customer::DecisionIds::TagOf(decision.id), .version = 0, .time_us = context.time_us};
    change.decisions_since_us = context.time_us - strategy.decisions_kept_us;
    // Nor must it push out a decision of which there is something to tell.
    change.decision_takes_free_room = !decided.treatment;
  }
  if (request.has_id) {
    change.request = customer::RememberedRequest{
        .kind = customer::RequestKind::kDecide,
        .hash = request.hash,
        .fingerprint = request.fingerprint,
        .version = 0,
    };
  }
  customer::EncodeRecord(state, context.customer_id, change, decision.new_record);
  const storage::Event event{storage::EventType::kDecision, decision.event_bytes};
  storage::CustomerCommit commit;
  commit.key = request.key;
  commit.expected = decision.record.version;
  commit.bytes = decision.new_record;
  commit.events = absl::MakeConstSpan(&event, 1);
  return store_.Commit(commit, durability).status();
}

}  // namespace attune::decision
