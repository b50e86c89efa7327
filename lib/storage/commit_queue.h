#ifndef ATTUNE_LIB_STORAGE_COMMIT_QUEUE_H_
#define ATTUNE_LIB_STORAGE_COMMIT_QUEUE_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "lib/storage/event_tail.h"
#include "lib/storage/journal.h"
#include "lib/storage/journal_format.h"
#include "lib/storage/record_table.h"
#include "lib/storage/state_store.h"
#include "lib/storage/stripe_epochs.h"

namespace attune::storage {

// Bytes of what the commit writes: its record and the payloads of its events.
size_t BytesOf(const CustomerCommit& commit);

// The parts of a store that commits go to. All must outlive whoever holds this.
struct CommitParts {
  Journal* journal = nullptr;
  RecordTable* table = nullptr;
  EventTail* tail = nullptr;
  StripeEpochs* epochs = nullptr;
  // The version number of the record in the database; 0: there is none.
  std::function<absl::StatusOr<uint64_t>(const CustomerKey&)> stored_version;
};

// When what is committed must leave memory.
struct CommitLimits {
  // From this many bytes in memory or in the journal on, a checkpoint is asked for.
  size_t checkpoint_bytes = 0;
  uint64_t checkpoint_journal_bytes = 0;
  // Beyond this many bytes in memory those who may wait do.
  size_t patient_bytes = 0;
  // Beyond these, in memory or in the journal, commits are refused.
  size_t max_bytes = 0;
  uint64_t max_journal_bytes = 0;
  std::function<void()> request_checkpoint;
  // Why checkpoints don't get on: added to the refusal. OK: they are only slow.
  std::function<absl::Status()> checkpoint_status;
};

// The one door through which customers and events are written. Thread-safe.
//
// Callers line up. The first in the line leads: it takes those that wait behind it, checks the
// versions, writes all of it to the journal as one frame, makes it readable, and wakes the others.
// So versions are checked by one thread at a time, many callers share one write to the file, a lone
// caller pays for two turns of a mutex, and version numbers and log positions count up and become
// readable in order.
//
// Commits that are to be flushed only (Durability::kFlush) become readable at once and stay in
// front of the frame, which the next write takes to the journal: the order of the journal is the
// order in which commits became readable, whoever writes. While a write has failed nothing is added
// to them.
class CommitQueue {
 public:
  // What one frame takes at most, so that a small commit does not wait long behind large ones. A
  // single call may be larger.
  static constexpr size_t kMaxGroupBytes = 128 << 10;
  // What waits for a flush at most; what would be beyond is written at once.
  static constexpr size_t kMaxUnwrittenBytes = 128 << 10;
  static constexpr uint64_t kEverything = std::numeric_limits<uint64_t>::max();

  CommitQueue(CommitParts parts, CommitLimits limits, int64_t customers);

  // Checks and writes the commits; results[i] becomes what happened to commits[i]. Back-pressure is
  // waited out until `wait_until`; absl::InfinitePast(): not at all. With `flushed_later` the
  // commits may stay unwritten until somebody else commits, or Flush. REQUIRES: results.size() ==
  // commits.size(); sizes within the limits of the store.
  void Commit(absl::Span<const CustomerCommit> commits,
              absl::Span<absl::StatusOr<CommitReceipt>> results, absl::Time wait_until,
              bool flushed_later = false);

  // Returns when the journal has everything that can be read up to this position or version. After
  // an error it is tried again with the next write.
  absl::Status Flush(uint64_t position = kEverything);

  // Removes the customer's record. Returns whether there was one, and a number: the customer's
  // events that came before have positions below it.
  struct Removed {
    bool found = false;
    uint64_t number = 0;
  };
  absl::StatusOr<Removed> Remove(const CustomerKey& key);

  // Writes to the journal what is known to be synced, unless it tells already or there is none.
  void MarkSynced();

  // Where a checkpoint cuts: everything below `number` is in the sealed part of the tail and in the
  // segments of the journal before the one that begins with `number`. An error: what can be read
  // could not be written to the journal; nothing was cut.
  struct Cut {
    uint64_t number = 0;
    int64_t customers = 0;
  };
  absl::StatusOr<Cut> MakeCut();
  // The checkpoint for which the last cut was made has succeeded or failed. In between the queue
  // asks for no other: what is being brought into the database still counts as in memory.
  void EndCheckpoint() { checkpoint_asked_ = false; }

  // Customers who have a record.
  int64_t customers() const { return customers_.load(std::memory_order_relaxed); }
  // Commits that were refused with ABORTED.
  uint64_t conflicts() const { return conflicts_.load(std::memory_order_relaxed); }
  // Whether commits come faster than checkpoints take them over.
  bool behind() const { return BytesInMemory() >= 2 * limits_.checkpoint_bytes; }
  // Whether commits are refused, for want of memory or because the journal is too long.
  bool full() const { return BytesInMemory() >= limits_.max_bytes || journal_full(); }

 private:
  // A caller in the line: with commits, or with something to do while nobody else writes.
  struct Pending {
    absl::Span<const CustomerCommit> commits;
    absl::Span<absl::StatusOr<CommitReceipt>> results;
    const absl::FunctionRef<absl::Status()>* alone = nullptr;
    bool flushed_later = false;
    size_t bytes = 0;

    absl::Status status;      // of `alone` and of the write
    bool done = false;        // guarded by mutex_
    Pending* next = nullptr;  // guarded by mutex_
    absl::CondVar turn;
  };
  // A change that is in the frame and not yet readable.
  struct Staged {
    RecordChange change;
    CustomerKey key;
    uint64_t number;
    std::string_view record;
    absl::Span<const Event> events;
  };

  size_t BytesInMemory() const { return parts_.table->dirty_bytes() + parts_.tail->bytes(); }
  bool journal_full() const { return parts_.journal->bytes() >= limits_.max_journal_bytes; }
  void WaitForRoom(absl::Time until) const;
  absl::Status Refusal() const;

  absl::Status RunAlone(absl::FunctionRef<absl::Status()> alone);
  // Lines up, leads or follows; returns when it is done.
  void Enter(Pending& pending);
  // The last of those behind `first` who fit into one frame with it.
  Pending* LastOfGroup(Pending* first) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // The following are called by the leader only.
  void WriteGroup(Pending* first, Pending* last);
  void StageAll(Pending& pending);
  absl::StatusOr<CommitReceipt> StageCommit(const CustomerCommit& commit);
  void Stage(RecordChange change, const CustomerKey& key, std::string_view record,
             absl::Span<const Event> events);
  // Whether what the group has staged may stay unwritten.
  bool MayStayUnwritten(const Pending* first, const Pending* last) const;
  // Writes the frame: what was left unwritten, then what is staged. OK if there is neither.
  absl::Status WriteFrame();
  void MakeReadable();
  // The version number of the record, with what is staged; 0: there is none.
  absl::StatusOr<uint64_t> CurrentVersion(const CustomerKey& key) const;

  const CommitParts parts_;
  const CommitLimits limits_;
  std::atomic<int64_t> customers_;
  std::atomic<uint64_t> conflicts_{0};
  std::atomic<bool> checkpoint_asked_{false};  // or one is under way
  std::atomic<bool> marking_{false};
  // Numbers of what is readable and stands at the front of the frame, not yet in the journal.
  // Changed by the leader.
  std::atomic<uint64_t> unwritten_{0};
  // While there are any: what lies before it is written.
  std::atomic<uint64_t> first_unwritten_{0};

  absl::Mutex mutex_;
  Pending* head_ ABSL_GUARDED_BY(mutex_) = nullptr;
  Pending* tail_ ABSL_GUARDED_BY(mutex_) = nullptr;

  // Of the leader, kept to be reused; handed on from leader to leader under mutex_.
  std::string frame_;
  size_t unwritten_bytes_ = 0;  // of the frame behind its head
  bool write_failed_ = false;   // the last one did
  std::vector<Staged> staged_;
  std::vector<uint32_t> begun_stripes_;
  uint64_t next_number_ = 0;  // of the next commit that is staged
};

}  // namespace attune::storage

#endif  // ATTUNE_LIB_STORAGE_COMMIT_QUEUE_H_
