#include "lib/storage/commit_queue.h"

#include <algorithm>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "lib/storage/rocksdb_format.h"
#include "lib/storage/rocksdb_status.h"

namespace attune::storage {
namespace {

// How long those who may wait put up with back-pressure, and how they poll for its end.
constexpr absl::Duration kMaxStall = absl::Seconds(30);
constexpr absl::Duration kFirstPause = absl::Milliseconds(1);
constexpr absl::Duration kLongestPause = absl::Milliseconds(16);

// Memory that a batch may keep between writes.
constexpr size_t kMaxKeptBatchBytes = 4 << 20;

constexpr std::string_view kWriting = "write";

rocksdb::WriteOptions NeverWait() {
  rocksdb::WriteOptions options;
  options.no_slowdown = true;
  return options;
}

size_t BytesOf(absl::Span<const CustomerCommit> commits) {
  size_t bytes = 0;
  for (const CustomerCommit& commit : commits) {
    bytes += commit.bytes.size();
    for (const Event& event : commit.events) bytes += event.payload.size();
  }
  return bytes;
}

}  // namespace

CommitQueue::CommitQueue(rocksdb::DB* db, const ColumnFamilies& families, StripeEpochs* epochs)
    : db_(db), families_(families), epochs_(epochs) {}

void CommitQueue::Commit(absl::Span<const CustomerCommit> commits,
                         absl::Span<absl::StatusOr<CommitReceipt>> results, bool may_wait) {
  Pending pending;
  pending.commits = commits;
  pending.results = results;
  pending.bytes = BytesOf(commits);
  Run(pending, may_wait);
}

absl::Status CommitQueue::Write(absl::FunctionRef<absl::Status(rocksdb::WriteBatch&)> fill) {
  Pending pending;
  pending.fill = &fill;
  Run(pending, /*may_wait=*/true);
  return pending.status;
}

absl::StatusOr<CommitQueue::ErasedRecord> CommitQueue::EraseRecord(const CustomerKey& key) {
  ErasedRecord erased;
  const absl::Status status = Write([&](rocksdb::WriteBatch& batch) {
    absl::StatusOr<uint64_t> version = CurrentVersion(key);
    // A record too damaged to have a version can be erased all the same.
    if (!version.ok() && !absl::IsDataLoss(version.status())) return version.status();
    erased.found = !version.ok() || *version != 0;
    erased.number = NextNumber();
    StageRecord(key, 0);
    return ToAbslStatus(batch.Delete(families_.customers, KeySlice(key)), kWriting);
  });
  if (!status.ok()) return status;
  return erased;
}

void CommitQueue::Run(Pending& pending, bool may_wait) {
  Enter(pending);
  absl::Duration pause = kFirstPause;
  for (absl::Duration waited; pending.stalled && may_wait && waited < kMaxStall; waited += pause) {
    absl::SleepFor(pause);
    pause = std::min(2 * pause, kLongestPause);
    pending.done = false;
    Enter(pending);
  }
}

void CommitQueue::Enter(Pending& pending) {
  absl::MutexLock lock(&mutex_);
  pending.next = nullptr;
  (head_ == nullptr ? head_ : tail_->next) = &pending;
  tail_ = &pending;
  while (!pending.done && head_ != &pending) pending.turn.Wait(&mutex_);
  if (pending.done) return;

  Pending* const last = LastOfGroup(&pending);
  mutex_.Unlock();
  WriteGroup(&pending, last);
  mutex_.Lock();

  head_ = last->next;
  if (head_ == nullptr) {
    tail_ = nullptr;
  } else {
    head_->turn.Signal();
  }
  for (Pending* member = &pending;;) {
    // A member that is done may be gone as soon as the mutex is free, not before.
    Pending* const next = member->next;
    member->done = true;
    if (member != &pending) member->turn.Signal();
    if (member == last) break;
    member = next;
  }
}

CommitQueue::Pending* CommitQueue::LastOfGroup(Pending* first) {
  Pending* last = first;
  if (first->fill != nullptr) return last;
  size_t bytes = first->bytes;
  while (last->next != nullptr && last->next->fill == nullptr) {
    bytes += last->next->bytes;
    if (bytes > kMaxGroupBytes) break;
    last = last->next;
  }
  return last;
}

void CommitQueue::WriteGroup(Pending* first, Pending* last) {
  static const rocksdb::WriteOptions kNeverWait = NeverWait();

  batch_.Clear();
  staging_ = rocksdb::Status::OK();
  staged_.clear();
  begun_stripes_.clear();
  first_number_ = db_->GetLatestSequenceNumber() + 1;
  for (Pending* member = first;; member = member->next) {
    Stage(*member);
    if (member == last) break;
  }

  rocksdb::Status written = staging_;
  if (written.ok() && batch_.Count() > 0) {
    written = db_->Write(kNeverWait, &batch_);
    written_bytes_.fetch_add(batch_.GetDataSize(), std::memory_order_relaxed);
  }
  for (const uint32_t stripe : begun_stripes_) epochs_->End(stripe);

  const absl::Status status = ToAbslStatus(written, kWriting);
  for (Pending* member = first;; member = member->next) {
    member->stalled = IsStall(written);
    if (!status.ok()) {
      if (member->status.ok()) member->status = status;
      for (absl::StatusOr<CommitReceipt>& result : member->results) {
        if (result.ok()) result = status;
      }
    }
    if (member == last) break;
  }
  if (batch_.Data().capacity() > kMaxKeptBatchBytes) batch_ = rocksdb::WriteBatch();
}

void CommitQueue::Stage(Pending& pending) {
  pending.status = absl::OkStatus();
  if (pending.fill != nullptr) {
    pending.status = (*pending.fill)(batch_);
    if (!pending.status.ok()) batch_.Clear();
    return;
  }
  for (size_t i = 0; i < pending.commits.size(); ++i) {
    pending.results[i] = StageCommit(pending.commits[i]);
  }
}

absl::StatusOr<CommitReceipt> CommitQueue::StageCommit(const CustomerCommit& commit) {
  const uint32_t stripe = StripeEpochs::StripeOf(commit.key);
  if (!epochs_->IsCurrent(stripe, commit.expected.token)) {
    absl::StatusOr<uint64_t> version = CurrentVersion(commit.key);
    if (!version.ok()) return version.status();
    if (*version != commit.expected.number) {
      conflicts_.fetch_add(1, std::memory_order_relaxed);
      return absl::AbortedError(
          "the customer's record was changed since it was loaded; load it again and retry");
    }
  }

  // The numbers of the commit's own operations are enough for the record and its events.
  const uint64_t number = NextNumber();
  if (!commit.keep_record) {
    const rocksdb::Slice key = KeySlice(commit.key);
    const rocksdb::Slice value[] = {{reinterpret_cast<const char*>(&number), sizeof number},
                                    ToSlice(commit.bytes)};
    StagePut(families_.customers, key, value);
    StageRecord(commit.key, number);
  }
  uint64_t position = number;
  for (const Event& event : commit.events) {
    const std::array<char, 8> key_bytes = LogKey(position++);
    const rocksdb::Slice key(key_bytes.data(), key_bytes.size());
    const char type = static_cast<char>(event.type);
    const rocksdb::Slice value[] = {{&type, 1}, KeySlice(commit.key), ToSlice(event.payload)};
    StagePut(families_.log, key, value);
  }
  const bool wrote = !commit.keep_record || !commit.events.empty();
  return CommitReceipt{.version = wrote ? number : commit.expected.number};
}

void CommitQueue::StagePut(rocksdb::ColumnFamilyHandle* family, const rocksdb::Slice& key,
                           absl::Span<const rocksdb::Slice> value) {
  const rocksdb::Status put =
      batch_.Put(family, rocksdb::SliceParts(&key, 1),
                 rocksdb::SliceParts(value.data(), static_cast<int>(value.size())));
  if (!put.ok()) staging_ = put;
}

void CommitQueue::StageRecord(const CustomerKey& key, uint64_t version) {
  staged_.push_back({key, version});
  const uint32_t stripe = StripeEpochs::StripeOf(key);
  if (epochs_->Begin(stripe)) begun_stripes_.push_back(stripe);
}

absl::StatusOr<uint64_t> CommitQueue::CurrentVersion(const CustomerKey& key) {
  for (auto staged = staged_.rbegin(); staged != staged_.rend(); ++staged) {
    if (staged->key == key) return staged->version;
  }
  const rocksdb::Status status =
      db_->Get(rocksdb::ReadOptions(), families_.customers, KeySlice(key), &read_buffer_);
  if (status.IsNotFound()) return 0;
  if (!status.ok()) return ToAbslStatus(status, "read a record's version");
  const std::optional<uint64_t> version = StoredVersion(read_buffer_);
  if (!version.has_value()) return absl::DataLossError("a stored record is too short");
  return *version;
}

}  // namespace attune::storage
