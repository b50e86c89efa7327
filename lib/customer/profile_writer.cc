#include "lib/customer/profile_writer.h"

#include <array>
#include <optional>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "lib/context/value_codec.h"

namespace attune::customer {
namespace {

constexpr int kMaxAttempts = 100;
// Customers written together.
constexpr size_t kMaxGroup = 1000;

uint64_t Fingerprint(const HashKey& seed, const ProfileChange& change) {
  std::string content;
  PutBytes(content, change.customer_id);
  PutVarint(content, change.replace ? 1 : 0);
  for (const FeatureEdit& edit : change.edits) {
    PutVarint(content, edit.value ? 1 : 0);
    if (edit.value) {
      AppendValue(content, edit.number, *edit.value);
    } else {
      PutVarint(content, edit.number);
    }
  }
  return KeyedHash64(seed, content);
}

// The features after the change.
absl::Status NewFeatures(const CustomerState& state, const ProfileChange& change,
                         std::string& features) {
  return EditFeatures(change.replace ? std::string_view() : state.features(), change.edits,
                      features);
}

// Unix microseconds; never 0, which stands for features that were never written.
int64_t TimeOfWriting(const Clock& clock) {
  const int64_t now_us = absl::ToUnixMicros(clock.Now());
  return now_us == 0 ? 1 : now_us;
}

// Nothing to write: the features were written before and stay what they are.
bool IsUnchanged(const CustomerState& state, std::string_view features) {
  return state.known() && state.features() == features;
}

}  // namespace

// A change on its way into the store; one per customer of a group.
struct ProfileWriter::Attempt {
  std::string features;
  std::string record;
  bool created = false;
  std::string_view before;  // the features, in the record that was loaded
};

absl::StatusOr<ProfileResult> ProfileWriter::Upsert(const ProfileChange& change,
                                                    std::string_view request_id) const {
  for (int attempt = 0; attempt < kMaxAttempts; ++attempt) {
    auto result = UpsertOnce(change, request_id, storage::Durability::kPower);
    if (!absl::IsAborted(result.status())) return result;
  }
  return absl::AbortedError("the customer is being changed by many callers at once; retry");
}

absl::StatusOr<ProfileResult> ProfileWriter::UpsertOnce(const ProfileChange& change,
                                                        std::string_view request_id,
                                                        storage::Durability durability) const {
  const storage::CustomerKey key = store_.KeyOf(change.customer_id);
  storage::Record record;
  if (absl::Status status = store_.Load(key, record); !status.ok()) return status;
  auto state = CustomerState::Parse(record, change.customer_id);
  if (!state.ok()) return state.status();

  RecordChange record_change;
  if (!request_id.empty()) {
    RememberedRequest request;
    request.kind = state->known() ? RequestKind::kUpsert : RequestKind::kCreate;
    request.hash = KeyedHash64(seed_, request_id);
    request.fingerprint = Fingerprint(seed_, change);
    if (const auto earlier = state->FindRequest(request.hash)) {
      if ((earlier->kind != RequestKind::kUpsert && earlier->kind != RequestKind::kCreate) ||
          earlier->fingerprint != request.fingerprint) {
        return absl::AlreadyExistsError(
            "this request_id was used for this customer with another content; use a new one");
      }
      return Settled({earlier->kind == RequestKind::kCreate ? ProfileResult::Kind::kCreated
                                                            : ProfileResult::Kind::kUpdated,
                      earlier->version},
                     durability);
    }
    record_change.request = request;
  }
  Attempt attempt;
  if (absl::Status status = NewFeatures(*state, change, attempt.features); !status.ok()) {
    return status;
  }
  if (IsUnchanged(*state, attempt.features) && request_id.empty()) {
    return Settled({ProfileResult::Kind::kUnchanged, record.version.number}, durability);
  }
  record_change.features = attempt.features;
  record_change.features_time_us = TimeOfWriting(clock_);
  EncodeRecord(*state, change.customer_id, record_change, attempt.record);
  storage::CustomerCommit commit;
  commit.key = key;
  commit.expected = record.version;
  commit.bytes = attempt.record;
  const ObservedWrite write(observer_);
  auto receipt = store_.Commit(commit, durability);
  if (!receipt.ok()) {
    if (!storage::IsUnwritten(receipt.status())) write.Uncertain();
    return receipt.status();
  }
  write.Changed({.key = key,
                 .version = receipt->version,
                 .was_known = state->known(),
                 .erased = false,
                 .before = state->features(),
                 .after = attempt.features});
  return ProfileResult{
      state->known() ? ProfileResult::Kind::kUpdated : ProfileResult::Kind::kCreated,
      receipt->version};
}

absl::StatusOr<ProfileResult> ProfileWriter::Settled(const ProfileResult& result,
                                                     storage::Durability durability) const {
  // What was read may be somebody else's commit that is not on disk yet, or one whose sync failed.
  if (durability == storage::Durability::kPower) {
    if (absl::Status status = store_.Sync(); !status.ok()) return status;
  }
  return result;
}

std::vector<absl::StatusOr<ProfileResult>> ProfileWriter::UpsertMany(
    absl::Span<const ProfileChange> changes) const {
  std::vector<absl::StatusOr<ProfileResult>> results(changes.size());
  std::vector<storage::CustomerKey> keys;
  absl::flat_hash_set<storage::CustomerKey> in_group;
  size_t start = 0;
  const auto flush = [&](size_t end) {
    UpsertDistinct(changes.subspan(start, end - start), keys,
                   absl::MakeSpan(results).subspan(start, end - start));
    keys.clear();
    in_group.clear();
    start = end;
  };
  for (size_t i = 0; i < changes.size(); ++i) {
    const storage::CustomerKey key = store_.KeyOf(changes[i].customer_id);
    // A second change of one customer must see the first: it starts a new group.
    if (keys.size() == kMaxGroup || in_group.contains(key)) flush(i);
    keys.push_back(key);
    in_group.insert(key);
  }
  flush(changes.size());
  return results;
}

void ProfileWriter::UpsertDistinct(absl::Span<const ProfileChange> changes,
                                   absl::Span<const storage::CustomerKey> keys,
                                   absl::Span<absl::StatusOr<ProfileResult>> results) const {
  if (changes.empty()) return;
  std::vector<storage::Record> records(changes.size());
  if (absl::Status status = store_.LoadMany(keys, absl::MakeSpan(records)); !status.ok()) {
    for (auto& result : results) result = status;
    return;
  }
  const int64_t now_us = TimeOfWriting(clock_);
  std::vector<Attempt> attempts(changes.size());
  std::vector<storage::CustomerCommit> commits;
  std::vector<size_t> commit_of;  // index of the change that each commit belongs to
  for (size_t i = 0; i < changes.size(); ++i) {
    auto state = CustomerState::Parse(records[i], changes[i].customer_id);
    absl::Status status = state.status();
    if (status.ok()) status = NewFeatures(*state, changes[i], attempts[i].features);
    if (!status.ok()) {
      results[i] = status;
      continue;
    }
    if (IsUnchanged(*state, attempts[i].features)) {
      results[i] = ProfileResult{ProfileResult::Kind::kUnchanged, records[i].version.number};
      continue;
    }
    attempts[i].created = !state->known();
    attempts[i].before = state->features();
    RecordChange record_change;
    record_change.features = attempts[i].features;
    record_change.features_time_us = now_us;
    EncodeRecord(*state, changes[i].customer_id, record_change, attempts[i].record);
    storage::CustomerCommit& commit = commits.emplace_back();
    commit.key = keys[i];
    commit.expected = records[i].version;
    commit.bytes = attempts[i].record;
    commit_of.push_back(i);
  }
  const ObservedWrite write(observer_);
  auto receipts = store_.CommitMany(commits, storage::Durability::kProcess);
  for (size_t c = 0; c < commits.size(); ++c) {
    const size_t i = commit_of[c];
    if (receipts[c].ok()) {
      write.Changed({.key = keys[i],
                     .version = receipts[c]->version,
                     .was_known = !attempts[i].created,
                     .erased = false,
                     .before = attempts[i].before,
                     .after = attempts[i].features});
      results[i] = ProfileResult{
          attempts[i].created ? ProfileResult::Kind::kCreated : ProfileResult::Kind::kUpdated,
          receipts[c]->version};
      continue;
    }
    results[i] = receipts[c].status();
    if (!storage::IsUnwritten(results[i].status())) write.Uncertain();
    for (int attempt = 0; attempt < kMaxAttempts && absl::IsAborted(results[i].status());
         ++attempt) {
      results[i] = UpsertOnce(changes[i], "", storage::Durability::kProcess);
    }
  }
}

}  // namespace attune::customer
