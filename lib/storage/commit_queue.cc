#include "lib/storage/commit_queue.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace attune::storage {
namespace {

// How often those who wait look whether there is room.
constexpr absl::Duration kPause = absl::Milliseconds(2);

// Memory that the frame may keep between writes.
constexpr size_t kMaxKeptFrameBytes = 4 << 20;

}  // namespace

size_t BytesOf(const CustomerCommit& commit) {
  size_t bytes = commit.keep_record ? 0 : commit.bytes.size();
  for (const Event& event : commit.events) bytes += event.payload.size();
  return bytes;
}

CommitQueue::CommitQueue(CommitParts parts, CommitLimits limits, int64_t customers)
    : parts_(std::move(parts)), limits_(std::move(limits)), customers_(customers) {}

void CommitQueue::Commit(absl::Span<const CustomerCommit> commits,
                         absl::Span<absl::StatusOr<CommitReceipt>> results, absl::Time wait_until,
                         bool flushed_later) {
  Pending pending;
  pending.commits = commits;
  pending.results = results;
  pending.flushed_later = flushed_later;
  for (const CustomerCommit& commit : commits) pending.bytes += BytesOf(commit);
  WaitForRoom(wait_until);
  Enter(pending);
}

absl::Status CommitQueue::Flush(uint64_t position) {
  if (unwritten_.load(std::memory_order_acquire) == 0) return absl::OkStatus();
  if (position < first_unwritten_.load(std::memory_order_acquire)) return absl::OkStatus();
  return RunAlone([&] { return WriteFrame(); });
}

absl::StatusOr<CommitQueue::Removed> CommitQueue::Remove(const CustomerKey& key) {
  Removed removed;
  const absl::Status status = RunAlone([&] {
    absl::StatusOr<uint64_t> version = CurrentVersion(key);
    // A record too damaged to have a version can be removed all the same.
    if (!version.ok() && !absl::IsDataLoss(version.status())) return version.status();
    removed.found = !version.ok() || *version != 0;
    if (removed.found) Stage(RecordChange::kRemove, key, "", {});
    removed.number = next_number_;
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return removed;
}

void CommitQueue::MarkSynced() {
  if (!parts_.journal->needs_mark() || marking_.exchange(true)) return;
  RunAlone([&] {
    parts_.journal->AppendMark();
    return absl::OkStatus();
  }).IgnoreError();
  marking_ = false;
}

absl::StatusOr<CommitQueue::Cut> CommitQueue::MakeCut() {
  Cut cut;
  const absl::Status status = RunAlone([&] {
    // A checkpoint brings into the database what can be read, so the journal must have it.
    absl::Status written = WriteFrame();
    if (!written.ok()) return written;
    cut = {.number = parts_.journal->Rotate(), .customers = customers_};
    parts_.tail->Seal();
    checkpoint_asked_ = true;
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return cut;
}

absl::Status CommitQueue::RunAlone(absl::FunctionRef<absl::Status()> alone) {
  Pending pending;
  pending.alone = &alone;
  Enter(pending);
  return pending.status;
}

void CommitQueue::WaitForRoom(absl::Time until) const {
  if (until == absl::InfinitePast()) return;
  while ((BytesInMemory() >= limits_.patient_bytes || journal_full()) && absl::Now() < until) {
    absl::SleepFor(kPause);
  }
}

absl::Status CommitQueue::Refusal() const {
  const absl::Status why = limits_.checkpoint_status();
  if (journal_full()) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "can't commit: the journal has ", parts_.journal->bytes(), " bytes; at most ",
        limits_.max_journal_bytes, " are allowed while it can't be brought into the database",
        why.ok() ? "" : ": ", why.message()));
  }
  if (why.ok()) {
    return absl::UnavailableError(
        "can't commit: the disk is behind with what was committed; retry later");
  }
  return absl::Status(
      why.code(), absl::StrCat("can't commit: memory is full of what could not be brought into ",
                               "the database: ", why.message()));
}

void CommitQueue::Enter(Pending& pending) {
  absl::MutexLock lock(&mutex_);
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
  // Who is done may be gone as soon as the mutex is free, not before.
  for (Pending* member = &pending; member != last;) {
    member = member->next;
    member->done = true;
    member->turn.Signal();
  }
}

CommitQueue::Pending* CommitQueue::LastOfGroup(Pending* first) {
  Pending* last = first;
  if (first->alone != nullptr) return last;
  size_t bytes = first->bytes;
  while (last->next != nullptr && last->next->alone == nullptr) {
    bytes += last->next->bytes;
    if (bytes > kMaxGroupBytes) break;
    last = last->next;
  }
  return last;
}

void CommitQueue::WriteGroup(Pending* first, Pending* last) {
  frame_.resize(FrameHead::kBytes + unwritten_bytes_);
  staged_.clear();
  begun_stripes_.clear();
  next_number_ = parts_.journal->next_number() + unwritten_;
  absl::Status status =
      first->alone == nullptr && full() ? AsUnwritten(Refusal()) : absl::OkStatus();
  if (status.ok()) {
    for (Pending* member = first;; member = member->next) {
      StageAll(*member);
      if (member == last) break;
    }
    if (MayStayUnwritten(first, last)) {
      // Before it is readable: who has read it must not be told that there is nothing to flush.
      unwritten_bytes_ = frame_.size() - FrameHead::kBytes;
      first_unwritten_.store(parts_.journal->next_number(), std::memory_order_release);
      unwritten_.store(next_number_ - parts_.journal->next_number(), std::memory_order_release);
    } else if (first->alone == nullptr || !staged_.empty()) {
      status = WriteFrame();
    }
    if (status.ok()) MakeReadable();
    for (const uint32_t stripe : begun_stripes_) parts_.epochs->End(stripe);
  }
  if (!status.ok()) {
    for (Pending* member = first;; member = member->next) {
      if (member->status.ok()) member->status = status;
      for (absl::StatusOr<CommitReceipt>& result : member->results) {
        if (result.ok()) result = status;
      }
      if (member == last) break;
    }
  }
  if (frame_.capacity() > kMaxKeptFrameBytes && unwritten_bytes_ == 0) frame_ = std::string();
  if (BytesInMemory() >= limits_.checkpoint_bytes ||
      parts_.journal->bytes() >= limits_.checkpoint_journal_bytes) {
    if (!checkpoint_asked_.exchange(true)) limits_.request_checkpoint();
  }
}

void CommitQueue::StageAll(Pending& pending) {
  if (pending.alone != nullptr) {
    pending.status = (*pending.alone)();
    return;
  }
  for (size_t i = 0; i < pending.commits.size(); ++i) {
    pending.results[i] = StageCommit(pending.commits[i]);
  }
}

absl::StatusOr<CommitReceipt> CommitQueue::StageCommit(const CustomerCommit& commit) {
  if (!parts_.epochs->IsCurrent(StripeEpochs::StripeOf(commit.key), commit.expected.token)) {
    absl::StatusOr<uint64_t> version = CurrentVersion(commit.key);
    if (!version.ok()) return AsUnwritten(version.status());
    if (*version != commit.expected.number) {
      conflicts_.fetch_add(1, std::memory_order_relaxed);
      return absl::AbortedError(
          "the customer's record was changed since it was loaded; load it again and retry");
    }
  }
  if (commit.keep_record && commit.events.empty()) {
    return CommitReceipt{.version = commit.expected.number};
  }
  const CommitReceipt receipt = {.version = next_number_};
  if (commit.keep_record) {
    Stage(RecordChange::kKeep, commit.key, "", commit.events);
  } else {
    Stage(commit.expected.number == 0 ? RecordChange::kCreate : RecordChange::kReplace, commit.key,
          commit.bytes, commit.events);
  }
  return receipt;
}

void CommitQueue::Stage(RecordChange change, const CustomerKey& key, std::string_view record,
                        absl::Span<const Event> events) {
  AppendCommit(change, key, record, events, frame_);
  staged_.push_back({change, key, next_number_, record, events});
  next_number_ += std::max<size_t>(events.size(), 1);
  if (change == RecordChange::kKeep) return;
  const uint32_t stripe = StripeEpochs::StripeOf(key);
  if (parts_.epochs->Begin(stripe)) begun_stripes_.push_back(stripe);
}

bool CommitQueue::MayStayUnwritten(const Pending* first, const Pending* last) const {
  if (write_failed_ || frame_.size() > FrameHead::kBytes + kMaxUnwrittenBytes) return false;
  for (const Pending* member = first;; member = member->next) {
    if (!member->flushed_later) return false;
    if (member == last) return true;
  }
}

absl::Status CommitQueue::WriteFrame() {
  const uint64_t count = next_number_ - parts_.journal->next_number();
  if (count == 0) return absl::OkStatus();
  const absl::Status status = parts_.journal->Append(static_cast<uint32_t>(count), frame_);
  write_failed_ = !status.ok();
  if (status.ok()) {
    unwritten_bytes_ = 0;
    unwritten_.store(0, std::memory_order_release);
  }
  return status;
}

void CommitQueue::MakeReadable() {
  int64_t customers = customers_.load(std::memory_order_relaxed);
  for (const Staged& staged : staged_) {
    // Events before the record: who can load a version can read its events, as StateStore promises.
    for (size_t i = 0; i < staged.events.size(); ++i) {
      parts_.tail->Append(staged.number + i, staged.key, staged.events[i]);
    }
    if (staged.change == RecordChange::kRemove) {
      --customers;
      parts_.table->Remove(staged.key, staged.number);
    } else if (staged.change != RecordChange::kKeep) {
      if (staged.change == RecordChange::kCreate) ++customers;
      parts_.table->Put(staged.key, staged.number, staged.record);
    }
  }
  customers_.store(customers, std::memory_order_relaxed);
}

absl::StatusOr<uint64_t> CommitQueue::CurrentVersion(const CustomerKey& key) const {
  for (auto staged = staged_.rbegin(); staged != staged_.rend(); ++staged) {
    if (staged->key != key || staged->change == RecordChange::kKeep) continue;
    return staged->change == RecordChange::kRemove ? 0 : staged->number;
  }
  uint64_t version = 0;
  switch (parts_.table->GetVersion(key, version)) {
    case RecordTable::Lookup::kFound:
      return version;
    case RecordTable::Lookup::kRemoved:
      return 0;
    case RecordTable::Lookup::kUnknown:
      return parts_.stored_version(key);
  }
  return 0;
}

}  // namespace attune::storage
