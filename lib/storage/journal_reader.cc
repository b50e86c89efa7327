#include "lib/storage/journal_reader.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "lib/base/absl_strings.h"
#include "lib/storage/crc32c.h"
#include "lib/storage/rocksdb_status.h"

namespace attune::storage {
namespace {

// Where the frames of a segment stop, and why.
enum class Stop {
  kEnd,     // at the end of the file
  kTorn,    // the file ends within a frame: a write was cut short
  kDamage,  // what stands here was never written so
};

class Replay {
 public:
  Replay(rocksdb::FileSystem& file_system, const std::string& folder, uint64_t floor,
         absl::FunctionRef<void(const JournalCommit&)> visit)
      : file_system_(file_system), folder_(folder), floor_(floor), visit_(visit) {}

  absl::StatusOr<JournalStart> Run();

 private:
  struct Segment {
    uint64_t id = 0;
    std::string path;
    std::string bytes;
    std::optional<SegmentHeader> header;
  };

  absl::StatusOr<std::vector<uint64_t>> ListIds();
  // Reads at most so many bytes of it; the header, if they suffice for it.
  absl::StatusOr<Segment> ReadSegment(uint64_t id, uint64_t max_bytes = UINT64_MAX);
  // Whether nothing is missing between what was read and the segment: it goes on where the one
  // before ended, or the database holds what is between.
  bool Continues(const Segment& segment) const {
    return segment.header.has_value() &&
           (segment.header->continues == end_ || segment.header->continues <= floor_);
  }
  bool WrittenInThisBoot(const Segment& segment) const {
    return segment.header.has_value() && segment.header->boot_id == boot_id_ &&
           boot_id_ != BootId{};
  }
  // Reads one segment; `next` is the header of the one behind it. Returns whether the journal goes
  // on there.
  absl::StatusOr<bool> ReadSegmentFrames(const Segment& segment, const std::optional<Segment>& next,
                                         const std::vector<uint64_t>& later_ids);
  // Visits the frames below `limit`. `offset` becomes the place of the stop.
  absl::StatusOr<Stop> ReadFrames(const Segment& segment, uint64_t limit, size_t& offset);
  // Decides whether the journal may end here, in the middle of a segment: OK if nothing was lost
  // that had to be there.
  absl::Status CheckTornEnd(const Segment& segment, size_t offset, Stop stop,
                            const std::vector<uint64_t>& later_ids);
  // The highest mark of all frames from `offset` on, wherever they begin; nullopt: there are none.
  static std::optional<uint64_t> HighestSyncedMark(const Segment& segment, size_t offset);
  absl::Status Damaged(const Segment& segment, size_t offset, std::string_view why) const;
  void Delete(uint64_t id);

  rocksdb::FileSystem& file_system_;
  const std::string& folder_;
  const uint64_t floor_;
  const absl::FunctionRef<void(const JournalCommit&)> visit_;
  const BootId boot_id_ = CurrentBootId();

  JournalStart start_;
  uint64_t end_ = 0;     // the number behind the last frame
  uint64_t synced_ = 0;  // the highest mark of the frames that were read
};

absl::StatusOr<JournalStart> Replay::Run() {
  absl::StatusOr<std::vector<uint64_t>> listed = ListIds();
  if (!listed.ok()) return listed.status();
  const std::vector<uint64_t>& ids = *listed;
  if (!ids.empty()) start_.next_id = ids.back() + 1;
  for (size_t i = 0; i < ids.size(); ++i) {
    absl::StatusOr<Segment> segment = ReadSegment(ids[i]);
    if (!segment.ok()) return segment.status();
    std::optional<Segment> next;
    if (i + 1 < ids.size()) {
      absl::StatusOr<Segment> read = ReadSegment(ids[i + 1], SegmentHeader::kBytes);
      if (!read.ok()) return read.status();
      next = *std::move(read);
    }
    const std::vector<uint64_t> later_ids(ids.begin() + static_cast<std::ptrdiff_t>(i) + 1,
                                          ids.end());
    absl::StatusOr<bool> goes_on = ReadSegmentFrames(*segment, next, later_ids);
    if (!goes_on.ok()) return goes_on.status();
    if (segment->header.has_value() && end_ > floor_) {
      start_.segments.push_back({segment->id, end_, segment->bytes.size()});
    } else {
      Delete(segment->id);
    }
    if (!*goes_on) {
      for (const uint64_t id : later_ids) Delete(id);
      break;
    }
  }
  start_.continues = std::max(end_, floor_);
  start_.next_number = start_.continues;
  return std::move(start_);
}

absl::StatusOr<bool> Replay::ReadSegmentFrames(const Segment& segment,
                                               const std::optional<Segment>& next,
                                               const std::vector<uint64_t>& later_ids) {
  size_t offset = 0;
  Stop stop = Stop::kTorn;
  if (segment.header.has_value()) {
    if (!Continues(segment)) {
      return Damaged(segment, 0, absl::StrCat("it does not go on at number ", end_));
    }
    end_ = segment.header->first;
    const bool limited = next.has_value() && next->header.has_value();
    absl::StatusOr<Stop> stopped =
        ReadFrames(segment, limited ? next->header->continues : UINT64_MAX, offset);
    if (!stopped.ok()) return stopped.status();
    stop = *stopped;
  }
  // A write that failed leaves a torn end and is followed by a new segment.
  if (next.has_value() && Continues(*next)) return true;
  // A segment without a header is judged when its turn comes.
  if (stop == Stop::kEnd && (!next.has_value() || !next->header.has_value())) return true;
  absl::Status status = CheckTornEnd(segment, offset, stop, later_ids);
  if (!status.ok()) return status;
  return false;
}

absl::StatusOr<std::vector<uint64_t>> Replay::ListIds() {
  std::vector<std::string> names;
  const rocksdb::IOStatus status =
      file_system_.GetChildren(folder_, rocksdb::IOOptions(), &names, nullptr);
  if (!status.ok()) return ToAbslStatus(status, "list the journal");
  std::vector<uint64_t> ids;
  for (const std::string& name : names) {
    const std::optional<uint64_t> id = ParseSegmentFileName(name);
    if (id.has_value()) ids.push_back(*id);
  }
  std::sort(ids.begin(), ids.end());
  return ids;
}

absl::StatusOr<Replay::Segment> Replay::ReadSegment(uint64_t id, uint64_t max_bytes) {
  Segment segment;
  segment.id = id;
  segment.path = folder_ + "/" + SegmentFileName(id);
  uint64_t size = 0;
  std::unique_ptr<rocksdb::FSSequentialFile> file;
  rocksdb::IOStatus status =
      file_system_.GetFileSize(segment.path, rocksdb::IOOptions(), &size, nullptr);
  if (status.ok()) {
    status = file_system_.NewSequentialFile(segment.path, rocksdb::FileOptions(), &file, nullptr);
  }
  size = std::min(size, max_bytes);
  size_t read = 0;
  segment.bytes.resize(size);
  while (status.ok() && read < size) {
    rocksdb::Slice piece;
    status =
        file->Read(size - read, rocksdb::IOOptions(), &piece, segment.bytes.data() + read, nullptr);
    if (!status.ok() || piece.empty()) break;
    if (piece.data() != segment.bytes.data() + read) {
      std::copy_n(piece.data(), piece.size(), segment.bytes.data() + read);
    }
    read += piece.size();
  }
  if (!status.ok()) return ToAbslStatus(status, "read the journal");
  segment.bytes.resize(read);
  if (read >= SegmentHeader::kBytes) segment.header = DecodeSegmentHeader(segment.bytes);
  return segment;
}

absl::StatusOr<Stop> Replay::ReadFrames(const Segment& segment, uint64_t limit, size_t& offset) {
  const std::string_view bytes = segment.bytes;
  for (offset = SegmentHeader::kBytes; offset < bytes.size();) {
    const std::string_view rest = bytes.substr(offset);
    if (rest.size() < FrameHead::kBytes) return Stop::kTorn;
    const std::optional<FrameHead> head = DecodeFrameHead(rest);
    if (!head.has_value()) return Stop::kDamage;
    // A write that failed and is in the file all the same.
    if (head->number >= limit) return Stop::kEnd;
    if (head->number != end_) return Stop::kDamage;
    if (rest.size() - FrameHead::kBytes < head->body_size) return Stop::kTorn;
    const std::string_view body = rest.substr(FrameHead::kBytes, head->body_size);
    if (Crc32c(body) != head->body_crc) return Stop::kDamage;
    if (head->number >= floor_ && !ForEachCommit(body, head->number, visit_)) {
      return Damaged(segment, offset, "its content can't be read");
    }
    end_ += head->count;
    synced_ = std::max(synced_, head->synced);
    offset += FrameHead::kBytes + body.size();
  }
  return Stop::kEnd;
}

absl::Status Replay::CheckTornEnd(const Segment& segment, size_t offset, Stop stop,
                                  const std::vector<uint64_t>& later_ids) {
  if (!segment.header.has_value()) {
    // A header is not written alone: torn with nothing behind it, or damaged.
    if (HighestSyncedMark(segment, 0).has_value()) {
      return Damaged(segment, 0, "its header is not what was written");
    }
  } else if (WrittenInThisBoot(segment)) {
    if (stop == Stop::kDamage) return Damaged(segment, offset, "it is not what was written");
    if (!later_ids.empty()) {
      return Damaged(segment, offset, absl::StrCat("it ends too early, at number ", end_));
    }
  }
  uint64_t synced = std::max(synced_, HighestSyncedMark(segment, offset).value_or(0));
  for (const uint64_t id : later_ids) {
    absl::StatusOr<Segment> later = ReadSegment(id);
    if (!later.ok()) return later.status();
    if (!segment.header.has_value() && WrittenInThisBoot(*later)) {
      return Damaged(segment, 0, "its header is not what was written");
    }
    synced = std::max(synced, HighestSyncedMark(*later, 0).value_or(0));
  }
  if (synced <= std::max(end_, floor_)) return absl::OkStatus();
  return Damaged(segment, offset,
                 absl::StrCat("at least ", synced - end_, " events or records that had been ",
                              "brought to the disk are not readable"));
}

std::optional<uint64_t> Replay::HighestSyncedMark(const Segment& segment, size_t offset) {
  const std::string_view bytes = segment.bytes;
  std::optional<uint64_t> synced;
  while (offset + FrameHead::kBytes <= bytes.size()) {
    const std::optional<FrameHead> head = DecodeFrameHead(bytes.substr(offset));
    if (head.has_value()) synced = std::max(synced.value_or(0), head->synced);
    offset += head.has_value() ? FrameHead::kBytes + head->body_size : 1;
  }
  return synced;
}

absl::Status Replay::Damaged(const Segment& segment, size_t offset, std::string_view why) const {
  return absl::DataLossError(absl::StrCat(
      "the journal is damaged in ", segment.path, " at byte ", offset, ": ", ToAbsl(why),
      ". Restore the store from a backup; or, to go on without what is in this file and in those ",
      "with higher numbers, move them away"));
}

void Replay::Delete(uint64_t id) {
  file_system_.DeleteFile(folder_ + "/" + SegmentFileName(id), rocksdb::IOOptions(), nullptr)
      .PermitUncheckedError();
}

}  // namespace

absl::StatusOr<JournalStart> ReplayJournal(rocksdb::FileSystem& file_system,
                                           const std::string& folder, uint64_t floor,
                                           absl::FunctionRef<void(const JournalCommit&)> visit) {
  return Replay(file_system, folder, floor, visit).Run();
}

}  // namespace attune::storage
