#include "lib/customer/history_writer.h"

#include <algorithm>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "lib/base/codec.h"

namespace attune::customer {
namespace {

constexpr int kMaxAttempts = 100;

uint64_t Fingerprint(const HashKey& seed, const HistoryChange& change) {
  std::string content;
  PutBytes(content, change.customer_id);
  for (const Interaction& interaction : change.interactions) {
    PutFixed(content, static_cast<uint8_t>(interaction.kind));
    PutVarint(content, interaction.outcome);
    PutVarint(content, ZigZag(interaction.time_ms));
    PutVarint(content, interaction.channel);
    PutVarint(content, interaction.treatment ? uint64_t{*interaction.treatment} + 1 : 0);
  }
  return KeyedHash64(seed, content);
}

uint64_t Fingerprint(const HashKey& seed, const ConsentChange& change) {
  std::string content;
  PutBytes(content, change.customer_id);
  PutVarint(content, change.said.purpose);
  PutVarint(content, change.said.channel ? uint64_t{*change.said.channel} + 1 : 0);
  PutVarint(content, change.said.granted ? 1 : 0);
  PutBytes(content, change.said.source);
  return KeyedHash64(seed, content);
}

}  // namespace

absl::StatusOr<HistoryResult> HistoryWriter::WriteOnce(std::string_view customer_id,
                                                       const RememberedRequest* request,
                                                       storage::Durability durability,
                                                       Fill fill) const {
  storage::CustomerCommit commit;
  commit.key = store_.KeyOf(customer_id);
  storage::Record record;
  if (absl::Status status = store_.Load(commit.key, record); !status.ok()) return status;
  const auto state = CustomerState::Parse(record, customer_id);
  if (!state.ok()) return state.status();
  RecordChange change;
  if (request != nullptr) {
    if (const auto earlier = state->FindRequest(request->hash)) {
      if (earlier->kind != request->kind || earlier->fingerprint != request->fingerprint) {
        return absl::AlreadyExistsError(
            "this request_id was used for this customer with another content; use a new one");
      }
      return HistoryResult{true, earlier->version};
    }
    change.request = *request;
  }
  const absl::StatusOr<bool> changed = fill(*state, change);
  if (!changed.ok()) return changed.status();
  if (!*changed && request == nullptr) return HistoryResult{false, record.version.number};
  std::string bytes;
  EncodeRecord(*state, customer_id, change, bytes);
  commit.expected = record.version;
  commit.bytes = bytes;
  const auto receipt = store_.Commit(commit, durability);
  if (!receipt.ok()) return receipt.status();
  return HistoryResult{*changed, receipt->version};
}

absl::StatusOr<HistoryResult> HistoryWriter::Write(std::string_view customer_id, RequestKind kind,
                                                   std::string_view request_id,
                                                   uint64_t fingerprint,
                                                   storage::Durability durability,
                                                   Fill fill) const {
  RememberedRequest request;
  request.kind = kind;
  request.hash = KeyedHash64(seed_, request_id);
  request.fingerprint = fingerprint;
  for (int attempt = 0; attempt < kMaxAttempts; ++attempt) {
    auto result = WriteOnce(customer_id, request_id.empty() ? nullptr : &request, durability, fill);
    if (!absl::IsAborted(result.status())) return result;
  }
  return absl::AbortedError("the customer is being changed by many callers at once; retry");
}

absl::StatusOr<HistoryResult> HistoryWriter::Record(const HistoryChange& change,
                                                    const HistoryBounds& bounds,
                                                    std::string_view request_id,
                                                    storage::Durability durability) const {
  std::vector<Interaction> known;
  const auto fill = [&](const CustomerState& state, RecordChange& record) -> absl::StatusOr<bool> {
    record.interactions = change.interactions;
    record.skip_known = true;
    record.bounds = bounds;
    record.now_ms = absl::ToUnixMillis(clock_.Now());
    state.ReadHistory(known);
    return !std::all_of(change.interactions.begin(), change.interactions.end(),
                        [&](const Interaction& interaction) {
                          return std::find(known.begin(), known.end(), interaction) != known.end();
                        });
  };
  return Write(change.customer_id, RequestKind::kRecordInteractions, request_id,
               Fingerprint(seed_, change), durability, fill);
}

absl::StatusOr<HistoryResult> HistoryWriter::RecordInteractions(const HistoryChange& change,
                                                                const HistoryBounds& bounds,
                                                                std::string_view request_id) const {
  return Record(change, bounds, request_id, storage::Durability::kPower);
}

std::vector<absl::StatusOr<HistoryResult>> HistoryWriter::RecordMany(
    absl::Span<const HistoryChange> changes, const HistoryBounds& bounds) const {
  std::vector<absl::StatusOr<HistoryResult>> results;
  results.reserve(changes.size());
  for (const HistoryChange& change : changes) {
    results.push_back(Record(change, bounds, "", storage::Durability::kProcess));
  }
  return results;
}

absl::StatusOr<HistoryResult> HistoryWriter::SetConsent(const ConsentChange& change,
                                                        std::string_view request_id) const {
  if (change.said.source.size() > kMaxConsentSourceBytes) {
    return absl::InvalidArgumentError("the source of a consent is too long");
  }
  std::string consents;
  const auto fill = [&](const CustomerState& state, RecordChange& record) -> absl::StatusOr<bool> {
    const absl::StatusOr<bool> changed = AddConsent(state.consents(), change.said, consents);
    record.consents = consents;
    return changed;
  };
  return Write(change.customer_id, RequestKind::kSetConsent, request_id, Fingerprint(seed_, change),
               storage::Durability::kPower, fill);
}

}  // namespace attune::customer
