#include "lib/storage/journal.h"

#include <algorithm>
#include <utility>

#include "lib/storage/rocksdb_status.h"
#include "rocksdb/slice.h"

namespace attune::storage {
namespace {

constexpr std::string_view kWriting = "write to the journal";
constexpr std::string_view kSyncing = "bring the journal to the disk";

// Room that a file asks the disk for at a time. A write into room that it has waits for nobody, one
// that needs room waits for a sync that is under way: the file system is noting what room there is
// (ext4: 4 ms instead of 0.04 ms for one write of a hundred). The file's size is what was written
// all the same, and what is left is given back when it is closed.
constexpr size_t kRoomBytes = 4u << 20;

absl::Status SyncFailedBefore() {
  return absl::UnavailableError(
      "a sync of the journal failed; syncs succeed again when what it was for is in the database");
}

}  // namespace

Journal::Journal(std::shared_ptr<rocksdb::FileSystem> file_system, std::string folder,
                 const JournalStart& start)
    : file_system_(std::move(file_system)),
      folder_(std::move(folder)),
      boot_id_(CurrentBootId()),
      all_([this] { return SyncSegments(0); }),
      next_id_(start.next_id),
      next_number_(start.next_number),
      continues_(start.continues),
      synced_(0) {
  for (const RecoveredSegment& recovered : start.segments) {
    // Whether the life that wrote it has synced it, nobody knows.
    segments_.push_back({.id = recovered.id,
                         .end = recovered.end,
                         .synced_end = 0,
                         .bytes = recovered.bytes,
                         .failed = true,
                         .sealed = true,
                         .file = nullptr});
    bytes_ += recovered.bytes;
  }
}

absl::Status Journal::Append(uint32_t count, std::string& frame) {
  absl::Status status = WriteFrame(count, frame);
  write_failed_.store(!status.ok(), std::memory_order_relaxed);
  return status;
}

absl::Status Journal::WriteFrame(uint32_t count, std::string& frame) {
  if (active_bytes_ >= kMaxSegmentBytes || leave_active_.exchange(false)) SealActive();
  if (active_ == nullptr) {
    absl::Status opened = OpenSegment();
    if (!opened.ok()) return opened;
  }
  const uint64_t synced = synced_.load(std::memory_order_relaxed);
  FinishFrame(count, next_number_, synced, frame);
  active_->PrepareWrite(active_bytes_, frame.size(), rocksdb::IOOptions(), nullptr);
  const rocksdb::IOStatus written = active_->Append(frame, rocksdb::IOOptions(), nullptr);
  if (!written.ok()) {
    // Part of the frame may be in the file: nothing may follow it there.
    SealActive();
    return ToAbslStatus(written, kWriting);
  }
  marked_ = synced;
  next_number_ += count;
  continues_ = next_number_;
  active_bytes_ += frame.size();
  bytes_.fetch_add(frame.size(), std::memory_order_relaxed);
  appended_bytes_.fetch_add(frame.size(), std::memory_order_relaxed);
  absl::MutexLock lock(&mutex_);
  segments_.back().end = next_number_;
  segments_.back().bytes += frame.size();
  return absl::OkStatus();
}

void Journal::AppendMark() {
  if (active_ == nullptr || leave_active_ || !needs_mark()) return;
  std::string frame(FrameHead::kBytes, '\0');
  // If it fails, the next frame carries the mark, in a new segment.
  Append(0, frame).IgnoreError();
}

uint64_t Journal::Rotate() {
  SealActive();
  return next_number_;
}

void Journal::SealActive() {
  if (active_ == nullptr) return;
  active_ = nullptr;
  absl::MutexLock lock(&mutex_);
  segments_.back().sealed = true;
  CloseFiles();
}

void Journal::CloseFiles() {
  for (Segment& segment : segments_) {
    if (!segment.sealed) continue;
    if (segment.failed || segment.synced_end >= segment.end) segment.file = nullptr;
  }
}

absl::Status Journal::OpenSegment() {
  const uint64_t id = next_id_++;
  const std::string path = folder_ + "/" + SegmentFileName(id);
  std::unique_ptr<rocksdb::FSWritableFile> file;
  rocksdb::IOStatus status =
      file_system_->NewWritableFile(path, rocksdb::FileOptions(), &file, nullptr);
  if (!status.ok()) return ToAbslStatus(status, "create a file of the journal");
  file->SetPreallocationBlockSize(kRoomBytes);
  const std::string header =
      EncodeSegmentHeader({.first = next_number_, .continues = continues_, .boot_id = boot_id_});
  status = file->Append(header, rocksdb::IOOptions(), nullptr);
  if (!status.ok()) {
    file.reset();
    file_system_->DeleteFile(path, rocksdb::IOOptions(), nullptr).PermitUncheckedError();
    return ToAbslStatus(status, kWriting);
  }
  continues_ = next_number_;  // a next segment goes on where this one begins
  active_ = file.get();
  active_bytes_ = header.size();
  bytes_.fetch_add(header.size(), std::memory_order_relaxed);
  absl::MutexLock lock(&mutex_);
  segments_.push_back({.id = id,
                       .end = next_number_,
                       .synced_end = 0,
                       .bytes = header.size(),
                       .failed = false,
                       .sealed = false,
                       .file = std::move(file)});
  folder_changed_ = true;
  return absl::OkStatus();
}

absl::Status Journal::SyncFrom(uint64_t number) { return SyncSegments(number); }

absl::Status Journal::SyncSegments(uint64_t from) {
  struct Unsynced {
    uint64_t id;
    uint64_t end;
    std::shared_ptr<rocksdb::FSWritableFile> file;
  };
  absl::MutexLock one_at_a_time(&sync_mutex_);
  std::vector<Unsynced> unsynced;
  bool folder_changed = false;
  bool failed_before = false;
  {
    absl::MutexLock lock(&mutex_);
    for (const Segment& segment : segments_) {
      if (segment.end <= from || segment.end <= segment.synced_end) continue;
      // The others are synced all the same: nothing else would close their files.
      failed_before |= segment.failed;
      if (segment.failed) continue;
      unsynced.push_back({segment.id, segment.end, segment.file});
    }
    folder_changed = std::exchange(folder_changed_, false);
  }

  rocksdb::IOStatus status;
  if (folder_changed) {
    std::unique_ptr<rocksdb::FSDirectory> folder;
    status = file_system_->NewDirectory(folder_, rocksdb::IOOptions(), &folder, nullptr);
    if (status.ok()) status = folder->Fsync(rocksdb::IOOptions(), nullptr);
  }
  size_t synced = 0;
  while (status.ok() && synced < unsynced.size()) {
    status = unsynced[synced].file->Sync(rocksdb::IOOptions(), nullptr);
    if (status.ok()) ++synced;
  }

  absl::MutexLock lock(&mutex_);
  if (!status.ok() && folder_changed) folder_changed_ = true;
  for (Segment& segment : segments_) {
    for (size_t i = 0; i < unsynced.size(); ++i) {
      if (segment.id != unsynced[i].id) continue;
      if (i < synced) {
        segment.synced_end = std::max(segment.synced_end, unsynced[i].end);
      } else {
        segment.failed = true;
        leave_active_ = true;
      }
    }
  }
  CloseFiles();
  UpdateSynced();
  if (status.ok() && failed_before) return SyncFailedBefore();
  return ToAbslStatus(status, kSyncing);
}

void Journal::DropBelow(uint64_t number) {
  std::vector<uint64_t> ids;
  {
    absl::MutexLock lock(&mutex_);
    while (!segments_.empty() && segments_.front().sealed && segments_.front().end <= number) {
      ids.push_back(segments_.front().id);
      bytes_.fetch_sub(segments_.front().bytes, std::memory_order_relaxed);
      segments_.pop_front();
    }
    UpdateSynced();
    if (segments_.empty() && synced_ < number) synced_ = number;
  }
  // What can't be deleted now is deleted when the store is opened: it lies below the floor.
  for (const uint64_t id : ids) {
    file_system_->DeleteFile(folder_ + "/" + SegmentFileName(id), rocksdb::IOOptions(), nullptr)
        .PermitUncheckedError();
  }
}

void Journal::UpdateSynced() {
  uint64_t synced = synced_;
  for (const Segment& segment : segments_) {
    if (segment.failed) break;
    synced = std::max(synced, segment.synced_end);
    if (segment.synced_end < segment.end) break;
  }
  synced_ = synced;
}

bool Journal::sync_failed() const {
  absl::MutexLock lock(&mutex_);
  return std::any_of(segments_.begin(), segments_.end(),
                     [](const Segment& segment) { return segment.failed; });
}

}  // namespace attune::storage
