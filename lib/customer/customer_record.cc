#include "lib/customer/customer_record.h"

#include <algorithm>

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
  interaction.time_ms = Plus(previous_ms, UnZigZag(reader.Varint()));
  interaction.channel = static_cast<uint32_t>(reader.Varint());
  const uint64_t treatment = reader.Varint();
  if (treatment > 0) interaction.treatment = static_cast<uint32_t>(treatment - 1);
  if (!reader.ok()) return std::nullopt;
  return interaction;
}

void PutInteraction(std::string& out, const Interaction& interaction, int64_t previous_ms) {
  PutFixed(out, static_cast<uint8_t>(interaction.kind));
  PutVarint(out, ZigZag(Minus(interaction.time_ms, previous_ms)));
  PutVarint(out, interaction.channel);
  PutVarint(out, interaction.treatment ? uint64_t{*interaction.treatment} + 1 : 0);
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

}  // namespace

absl::StatusOr<CustomerState> CustomerState::Parse(const storage::Record& record,
                                                   std::string_view id) {
  CustomerState state;
  if (!record.found) return state;
  ByteReader reader(record.bytes);
  const auto format = reader.Fixed<uint8_t>();
  if (reader.ok() && format != kRecordFormat) {
    return absl::DataLossError(
        "the customer's record has a format that this version does not know; it was written by a "
        "newer one");
  }
  state.found_ = true;
  state.version_ = record.version.number;
  state.features_time_us_ = static_cast<int64_t>(reader.Varint());
  state.decision_count_ = reader.Varint();
  const std::string_view stored_id = reader.SizedBytes();
  state.features_ = reader.SizedBytes();
  state.requests_ = reader.SizedBytes();
  state.history_count_ = reader.Varint();
  state.history_base_ms_ = UnZigZag(reader.Varint());
  state.history_last_ms_ = UnZigZag(reader.Varint());
  if (!reader.ok()) return Malformed();
  state.history_ = reader.Bytes(reader.remaining());
  if (state.history_count_ > state.history_.size() / kMinInteractionBytes) return Malformed();
  if (stored_id != id) {
    return absl::DataLossError("the record found under the customer's key is another customer's");
  }
  return state;
}

std::vector<Interaction> CustomerState::History() const {
  std::vector<Interaction> history;
  history.reserve(history_count_);
  ByteReader reader(history_);
  int64_t previous_ms = history_base_ms_;
  for (uint64_t i = 0; i < history_count_; ++i) {
    const std::optional<Interaction> interaction = ReadInteraction(reader, previous_ms);
    if (!interaction) break;
    previous_ms = interaction->time_ms;
    history.push_back(*interaction);
  }
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

void EncodeRecord(const CustomerState& before, std::string_view id, const RecordChange& change,
                  std::string& record) {
  record.clear();
  PutFixed(record, kRecordFormat);
  PutVarint(record, static_cast<uint64_t>(change.features ? change.features_time_us
                                                          : before.features_time_us_));
  const bool decided = change.interaction && change.interaction->kind == InteractionKind::kDecided;
  PutVarint(record, before.decision_count_ + (decided ? 1 : 0));
  PutBytes(record, id);
  PutBytes(record, change.features.value_or(before.features_));

  // Requests: what was written without a version has the one that the record was loaded with; one
  // that is carried out again stands for its last time only.
  RememberedRequest requests[kMaxRememberedRequests];
  size_t request_count = 0;
  ByteReader reader(before.requests_);
  while (!reader.done()) {
    std::optional<RememberedRequest> request = ReadRequest(reader);
    if (!request) break;
    if (change.request && request->hash == change.request->hash) continue;
    if (request->version == 0) request->version = before.version_;
    if (request_count == kMaxRememberedRequests) {
      std::copy(requests + 1, requests + kMaxRememberedRequests, requests);
      --request_count;
    }
    requests[request_count++] = *request;
  }
  size_t first = 0;
  if (change.request && request_count == kMaxRememberedRequests) first = 1;
  size_t requests_bytes = change.request ? EncodedSize(0) : 0;
  for (size_t i = first; i < request_count; ++i) {
    requests_bytes += EncodedSize(requests[i].version);
  }
  PutVarint(record, requests_bytes);
  for (size_t i = first; i < request_count; ++i) PutRequest(record, requests[i]);
  if (change.request) {
    RememberedRequest request = *change.request;
    request.version = 0;
    PutRequest(record, request);
  }

  uint64_t count = before.history_count_;
  int64_t base_ms = before.history_base_ms_;
  std::string_view kept = before.history_;
  if (!change.interaction) {
    PutVarint(record, count);
    PutVarint(record, ZigZag(base_ms));
    PutVarint(record, ZigZag(before.history_last_ms_));
    record.append(kept);
    return;
  }
  while (count >= kMaxRememberedInteractions) {
    ByteReader oldest(kept);
    const std::optional<Interaction> dropped = ReadInteraction(oldest, base_ms);
    if (!dropped) {
      // Damaged: what can't be read can't be counted down either.
      count = 0;
      kept = {};
      break;
    }
    base_ms = dropped->time_ms;
    kept = oldest.Bytes(oldest.remaining());
    --count;
  }
  if (count == 0) base_ms = change.interaction->time_ms;
  PutVarint(record, count + 1);
  PutVarint(record, ZigZag(base_ms));
  PutVarint(record, ZigZag(change.interaction->time_ms));
  record.append(kept);
  PutInteraction(record, *change.interaction, count == 0 ? base_ms : before.history_last_ms_);
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
