#ifndef ATTUNE_LIB_STORAGE_JOURNAL_H_
#define ATTUNE_LIB_STORAGE_JOURNAL_H_

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "lib/storage/group_syncer.h"
#include "lib/storage/journal_format.h"
#include "rocksdb/file_system.h"

namespace attune::storage {

// A segment that an earlier life of the store left behind.
struct RecoveredSegment {
  uint64_t id = 0;
  uint64_t end = 0;  // the number behind its last one
  uint64_t bytes = 0;
};

// What a journal is made to go on from.
struct JournalStart {
  std::vector<RecoveredSegment> segments;
  uint64_t next_id = 1;      // of the next segment
  uint64_t next_number = 1;  // of the next commit
  uint64_t continues = 1;    // where the recovered segments end; <= next_number
};

// Writes what is committed to files before it is acknowledged; see journal_format.h. What is
// written survives the end of the process; what is synced survives power loss.
//
// A failed write leaves nothing behind that a recovery would take for a commit, and the next write
// starts a new file: so writing goes on by itself when there is space again. After a failed sync
// nobody knows what is on the disk: syncs fail until the database holds what they were for.
//
// Append, AppendMark, Rotate and next_number are for the one that leads the writes; the others are
// thread-safe.
class Journal {
 public:
  // Bytes of a segment.
  static constexpr uint64_t kMaxSegmentBytes = 64u << 20;

  Journal(std::shared_ptr<rocksdb::FileSystem> file_system, std::string folder,
          const JournalStart& start);

  // The number of the next commit.
  uint64_t next_number() const { return next_number_; }

  // Writes a frame: FrameHead::kBytes of room for the head, then the commits, which take the next
  // `count` numbers.
  absl::Status Append(uint32_t count, std::string& frame);

  // Whether no frame tells yet what the last sync has brought to the disk. Thread-safe.
  bool needs_mark() const { return marked_ < synced_; }
  // Writes a frame that tells, if there is a segment to write it to. Best effort.
  void AppendMark();

  // What is appended from now on goes to a new segment. Returns the number that it starts with.
  uint64_t Rotate();

  // Returns when everything appended before the call survives power loss.
  absl::Status Sync() { return all_.Sync(); }

  // The same for what has `number` or a higher one.
  absl::Status SyncFrom(uint64_t number);

  // Deletes the segments below `number`: the database holds what they did, durably.
  void DropBelow(uint64_t number);

  // Of all segments.
  uint64_t bytes() const { return bytes_.load(std::memory_order_relaxed); }
  // Since start.
  uint64_t appended_bytes() const { return appended_bytes_.load(std::memory_order_relaxed); }
  // Whether the last frame could not be written. Thread-safe.
  bool write_failed() const { return write_failed_.load(std::memory_order_relaxed); }
  // Whether a sync failed and what it was for is not in the database yet.
  bool sync_failed() const;

 private:
  struct Segment {
    uint64_t id = 0;
    uint64_t end = 0;
    uint64_t synced_end = 0;
    uint64_t bytes = 0;
    bool failed = false;  // a sync of it failed, or nobody knows whether it was synced
    bool sealed = false;  // nothing is appended any more
    // Open as long as something may be appended to it or has to be synced; nullptr otherwise.
    std::shared_ptr<rocksdb::FSWritableFile> file;
  };

  absl::Status OpenSegment();
  absl::Status WriteFrame(uint32_t count, std::string& frame);
  void SealActive();
  absl::Status SyncSegments(uint64_t from);
  // Closes the files that nothing is appended to and that need no sync, or can have none any more.
  void CloseFiles() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Notes what is known to survive power loss: everything up to the first segment that isn't.
  void UpdateSynced() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::shared_ptr<rocksdb::FileSystem> file_system_;
  const std::string folder_;
  const BootId boot_id_;
  GroupSyncer all_;

  // Of the leader.
  uint64_t next_id_;
  uint64_t next_number_;
  uint64_t continues_;
  rocksdb::FSWritableFile* active_ = nullptr;  // of segments_.back(); nullptr: to be opened
  uint64_t active_bytes_ = 0;

  std::atomic<uint64_t> bytes_{0};
  std::atomic<uint64_t> appended_bytes_{0};
  std::atomic<uint64_t> synced_;
  std::atomic<uint64_t> marked_{0};        // the highest that a frame carries
  std::atomic<bool> leave_active_{false};  // set by a failed sync
  std::atomic<bool> write_failed_{false};

  absl::Mutex sync_mutex_;  // one sync at a time; taken before mutex_
  mutable absl::Mutex mutex_;
  std::deque<Segment> segments_ ABSL_GUARDED_BY(mutex_);
  bool folder_changed_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace attune::storage

#endif  // ATTUNE_LIB_STORAGE_JOURNAL_H_
