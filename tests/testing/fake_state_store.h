#ifndef ATTUNE_TESTS_TESTING_FAKE_STATE_STORE_H_
#define ATTUNE_TESTS_TESTING_FAKE_STATE_STORE_H_

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "lib/base/hash.h"
#include "lib/base/mutex.h"
#include "lib/storage/state_store.h"

namespace attune::testing {

// A StateStore in memory that fails and conflicts on demand. Thread-safe.
class FakeStateStore : public storage::StateStore {
 public:
  // What goes wrong from now on; an OK status: nothing.
  struct Faults {
    absl::Status load = absl::OkStatus();
    absl::Status commit = absl::OkStatus();
    absl::Status read_log = absl::OkStatus();
    absl::Status flush = absl::OkStatus();
    absl::Status sync = absl::OkStatus();
    absl::Status read_blob = absl::OkStatus();
    // So many further blobs are written or removed, then all fail as if the process had been
    // killed; absent: none fails.
    std::optional<int> blob_writes = std::nullopt;
    // So many further commits are refused with ABORTED, as if somebody else had been faster.
    int conflicts = 0;
  };
  void SetFaults(Faults faults) {
    MutexLock lock(mutex_);
    faults_ = std::move(faults);
  }
  // Called before each commit, also one that it makes itself, when nothing is locked: to change
  // what the committer has read. Set it before threads are started.
  void BeforeCommit(std::function<void()> hook) { before_commit_ = std::move(hook); }

  // A record as if somebody had written these bytes; none: as if it had been removed.
  void SetRecord(std::string_view id, std::optional<std::string> bytes) {
    MutexLock lock(mutex_);
    Slot& slot = slots_[KeyOf(id)];
    slot.bytes = std::move(bytes);
    slot.version = slot.bytes ? ++sequence_ : 0;
  }
  storage::Record RecordOf(std::string_view id) const {
    MutexLock lock(mutex_);
    return Read(KeyOf(id));
  }
  std::vector<storage::LogEntry> Log() const {
    MutexLock lock(mutex_);
    std::vector<storage::LogEntry> entries;
    for (const auto& [position, entry] : log_) entries.push_back(entry);
    return entries;
  }
  int commits() const {
    MutexLock lock(mutex_);
    return commits_;
  }
  // The log loses its events from this position on, which are given to other ones then.
  void LoseLogFrom(uint64_t position) {
    MutexLock lock(mutex_);
    log_.erase(log_.lower_bound(position), log_.end());
    log_end_ = position;
    sequence_ = position;
  }
  // Calls of Commit and CommitMany, whatever became of them.
  int writes() const {
    MutexLock lock(mutex_);
    return writes_;
  }
  int flushes() const {
    MutexLock lock(mutex_);
    return flushes_;
  }
  int syncs() const {
    MutexLock lock(mutex_);
    return syncs_;
  }
  // What the last commit was to survive.
  storage::Durability last_durability() const {
    MutexLock lock(mutex_);
    return last_durability_;
  }

  // The names of all blobs.
  std::vector<std::string> BlobNames() const {
    MutexLock lock(mutex_);
    std::vector<std::string> names;
    for (const auto& [name, bytes] : blobs_) names.push_back(name);
    return names;
  }
  // The bytes of a blob, to be damaged.
  void ChangeBlob(std::string_view name, const std::function<void(std::string&)>& change) {
    MutexLock lock(mutex_);
    change(blobs_.find(name)->second);
  }

  storage::CustomerKey KeyOf(std::string_view customer_id) const override {
    return KeyedHash128(key_, customer_id);
  }

  absl::Status Load(const storage::CustomerKey& key, storage::Record& record) const override {
    MutexLock lock(mutex_);
    if (!faults_.load.ok()) return faults_.load;
    record = Read(key);
    return absl::OkStatus();
  }

  absl::Status LoadMany(absl::Span<const storage::CustomerKey> keys,
                        absl::Span<storage::Record> records) const override {
    for (size_t i = 0; i < keys.size(); ++i) {
      if (absl::Status status = Load(keys[i], records[i]); !status.ok()) return status;
    }
    return absl::OkStatus();
  }

  absl::StatusOr<std::optional<storage::CustomerKey>> Scan(
      const std::optional<storage::CustomerKey>& after, size_t max_records,
      const VisitRecord& visit) const override {
    std::vector<std::pair<storage::CustomerKey, storage::Record>> found;
    bool more = false;
    {
      MutexLock lock(mutex_);
      if (!faults_.load.ok()) return faults_.load;
      for (auto slot = after ? slots_.upper_bound(*after) : slots_.begin(); slot != slots_.end();
           ++slot) {
        if (!slot->second.bytes) continue;
        more = found.size() == max_records;
        if (more) break;
        found.emplace_back(slot->first, Read(slot->first));
      }
    }
    for (const auto& [key, record] : found) visit(key, record);
    if (!more) return std::nullopt;
    return found.back().first;
  }

  absl::StatusOr<storage::CommitReceipt> Commit(const storage::CustomerCommit& commit,
                                                storage::Durability durability) override {
    if (before_commit_) before_commit_();
    MutexLock lock(mutex_);
    ++writes_;
    return CommitLocked(commit, durability);
  }

  std::vector<absl::StatusOr<storage::CommitReceipt>> CommitMany(
      absl::Span<const storage::CustomerCommit> commits, storage::Durability durability) override {
    if (before_commit_) before_commit_();
    MutexLock lock(mutex_);
    ++writes_;
    std::vector<absl::StatusOr<storage::CommitReceipt>> receipts;
    for (const storage::CustomerCommit& commit : commits) {
      receipts.push_back(CommitLocked(commit, durability));
    }
    return receipts;
  }

  absl::Status Flush(uint64_t /*position*/) override {
    MutexLock lock(mutex_);
    ++flushes_;
    return faults_.flush;
  }

  absl::Status Sync() override {
    MutexLock lock(mutex_);
    ++syncs_;
    return faults_.sync;
  }

  absl::StatusOr<Erased> Erase(const storage::CustomerKey& key) override {
    MutexLock lock(mutex_);
    if (!faults_.commit.ok()) return faults_.commit;
    Erased erased;
    const auto slot = slots_.find(key);
    erased.record = slot != slots_.end() && slot->second.bytes.has_value();
    if (slot != slots_.end()) slots_.erase(slot);
    erased.events = static_cast<int64_t>(
        std::erase_if(log_, [&](const auto& entry) { return entry.second.customer == key; }));
    return erased;
  }

  absl::Status ReadLog(uint64_t from,
                       const std::function<bool(const storage::LogEntry&)>& visit) const override {
    MutexLock lock(mutex_);
    if (!faults_.read_log.ok()) return faults_.read_log;
    if (from != 0 && from < log_start_) return absl::OutOfRangeError("has left the log");
    for (auto entry = log_.lower_bound(from); entry != log_.end(); ++entry) {
      if (!visit(entry->second)) break;
    }
    return absl::OkStatus();
  }

  absl::StatusOr<std::optional<storage::LogEntry>> ReadLogAt(uint64_t position) const override {
    MutexLock lock(mutex_);
    if (!faults_.read_log.ok()) return faults_.read_log;
    const auto entry = log_.find(position);
    if (entry == log_.end()) return std::nullopt;
    return entry->second;
  }

  storage::LogSpan SpanOfLog() const override {
    MutexLock lock(mutex_);
    return {log_start_, log_end_};
  }

  absl::Status TrimLogBefore(uint64_t position) override {
    MutexLock lock(mutex_);
    log_start_ = std::max(log_start_, std::min(position, log_end_));
    log_.erase(log_.begin(), log_.lower_bound(log_start_));
    return absl::OkStatus();
  }

  // Drops all events, whatever their size, unless everything may stay.
  absl::Status TrimLog(uint64_t max_bytes) override {
    MutexLock lock(mutex_);
    if (max_bytes == 0) log_.clear();
    return absl::OkStatus();
  }

  absl::StatusOr<std::optional<std::string>> GetBlob(std::string_view name) const override {
    MutexLock lock(mutex_);
    if (!faults_.read_blob.ok()) return faults_.read_blob;
    const auto blob = blobs_.find(name);
    if (blob == blobs_.end()) return std::nullopt;
    return blob->second;
  }
  absl::Status PutBlob(std::string_view name, std::string_view bytes) override {
    MutexLock lock(mutex_);
    if (absl::Status status = BlobWrite(); !status.ok()) return status;
    blobs_.insert_or_assign(std::string(name), std::string(bytes));
    return absl::OkStatus();
  }
  absl::StatusOr<std::optional<std::string>> GetBlobPart(std::string_view name, uint64_t offset,
                                                         size_t max_bytes) const override {
    absl::StatusOr<std::optional<std::string>> blob = GetBlob(name);
    if (!blob.ok() || !blob->has_value()) return blob;
    if (offset >= (*blob)->size()) return std::string();
    return (*blob)->substr(offset, max_bytes);
  }
  absl::Status DeleteBlob(std::string_view name) override {
    MutexLock lock(mutex_);
    if (absl::Status status = BlobWrite(); !status.ok()) return status;
    if (const auto blob = blobs_.find(name); blob != blobs_.end()) blobs_.erase(blob);
    return absl::OkStatus();
  }

  storage::StoreStats Stats() const override {
    MutexLock lock(mutex_);
    storage::StoreStats stats;
    for (const auto& [key, slot] : slots_) stats.customers_estimate += slot.bytes.has_value();
    stats.log_entries_estimate = log_.size();
    stats.conflicts = conflicts_;
    return stats;
  }

 private:
  struct Slot {
    std::optional<std::string> bytes;
    uint64_t version = 0;
  };

  absl::Status BlobWrite() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (!faults_.blob_writes) return absl::OkStatus();
    if (*faults_.blob_writes == 0) return absl::UnavailableError("killed");
    --*faults_.blob_writes;
    return absl::OkStatus();
  }

  storage::Record Read(const storage::CustomerKey& key) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    storage::Record record;
    const auto slot = slots_.find(key);
    if (slot == slots_.end() || !slot->second.bytes) return record;
    record.found = true;
    record.version.number = slot->second.version;
    record.bytes = *slot->second.bytes;
    return record;
  }

  absl::StatusOr<storage::CommitReceipt> CommitLocked(const storage::CustomerCommit& commit,
                                                      storage::Durability durability)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (!faults_.commit.ok()) return faults_.commit;
    Slot& slot = slots_[commit.key];
    const bool refused = faults_.conflicts > 0;
    if (refused) --faults_.conflicts;
    if (refused || slot.version != commit.expected.number) {
      ++conflicts_;
      return absl::AbortedError("the record has changed");
    }
    // The numbers have gaps, as those of a real store.
    sequence_ += 3;
    storage::CommitReceipt receipt{sequence_};
    if (!commit.keep_record) {
      slot.bytes = std::string(commit.bytes);
      slot.version = sequence_;
    }
    for (const storage::Event& event : commit.events) {
      log_[sequence_] = {sequence_, commit.key, event.type, std::string(event.payload)};
      log_end_ = ++sequence_;
    }
    ++commits_;
    last_durability_ = durability;
    return receipt;
  }

  const HashKey key_ = HashKeyFromSeed(17);
  std::function<void()> before_commit_;

  mutable Mutex mutex_;
  Faults faults_ ABSL_GUARDED_BY(mutex_);
  std::map<storage::CustomerKey, Slot> slots_ ABSL_GUARDED_BY(mutex_);
  std::map<uint64_t, storage::LogEntry> log_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, std::string, std::less<>> blobs_ ABSL_GUARDED_BY(mutex_);
  uint64_t sequence_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t log_start_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t log_end_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t conflicts_ ABSL_GUARDED_BY(mutex_) = 0;
  int commits_ ABSL_GUARDED_BY(mutex_) = 0;
  int writes_ ABSL_GUARDED_BY(mutex_) = 0;
  int flushes_ ABSL_GUARDED_BY(mutex_) = 0;
  int syncs_ ABSL_GUARDED_BY(mutex_) = 0;
  storage::Durability last_durability_ ABSL_GUARDED_BY(mutex_) = storage::Durability::kProcess;
};

}  // namespace attune::testing

#endif  // ATTUNE_TESTS_TESTING_FAKE_STATE_STORE_H_
