#ifndef ATTUNE_LIB_STORAGE_JOURNAL_FORMAT_H_
#define ATTUNE_LIB_STORAGE_JOURNAL_FORMAT_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "lib/storage/state_store.h"

// The journal's files: what was committed and is not yet in the database. Private to lib/storage.
//
//   segment  := header frame*             a file "<id>.journal"; segments follow by id
//   header   := magic(8) fixed64(first) fixed64(continues) boot_id(16) fixed32(crc)
//   frame    := fixed32(body size) fixed32(count) fixed64(number) fixed64(synced)
//               fixed32(crc of body) fixed32(crc of the frame's head up to here) body
//   body     := commit*
//   commit   := change(1) key(16) fixed32(record size) fixed32(events) record event*
//   event    := type(1) fixed32(size) payload
//
// Numbers count up through all segments: a frame takes `count` of them from `number` on, each
// commit in it one, or as many as it has events. A commit's number is the version of its record and
// the position of its first event. `first` is the number of a segment's first frame; `continues` is
// the number at which the segment before ended: a start after a crash leaves a gap between the two,
// so that no number is ever given twice. `synced`: everything below was known to survive power loss
// when the frame was written. A frame that takes no numbers carries only this mark: it is written
// once after a sync, so that the mark does not wait for the next commit. `boot_id` is that of the
// running system: while it is the same, what was written can't have been lost by the disk. Fixed
// integers are little-endian, crc is CRC-32C.
namespace attune::storage {

// What a commit does to the record. Stored: never renumber.
enum class RecordChange : uint8_t {
  kCreate = 1,
  kReplace = 2,
  kKeep = 3,    // events only
  kRemove = 4,  // there was one
};

using BootId = std::array<char, 16>;

struct SegmentHeader {
  static constexpr size_t kBytes = 44;

  uint64_t first = 0;
  uint64_t continues = 0;
  BootId boot_id{};
};
std::string EncodeSegmentHeader(const SegmentHeader& header);
// nullopt: malformed. REQUIRES: bytes.size() >= SegmentHeader::kBytes.
std::optional<SegmentHeader> DecodeSegmentHeader(std::string_view bytes);

struct FrameHead {
  static constexpr size_t kBytes = 32;

  uint32_t body_size = 0;
  uint32_t count = 0;
  uint64_t number = 0;
  uint64_t synced = 0;
  uint32_t body_crc = 0;
};
// Writes the head over the first FrameHead::kBytes of the frame; computes its checksums.
void FinishFrame(uint32_t count, uint64_t number, uint64_t synced, std::string& frame);
// nullopt: malformed. REQUIRES: bytes.size() >= FrameHead::kBytes.
std::optional<FrameHead> DecodeFrameHead(std::string_view bytes);

// A commit as it stands in a body; points into it.
struct JournalCommit {
  RecordChange change = RecordChange::kKeep;
  CustomerKey key{};
  uint64_t number = 0;
  std::string_view record;
  uint32_t events = 0;
  std::string_view event_bytes;  // event*

  // How many numbers the commit takes.
  uint64_t Numbers() const { return events > 1 ? events : 1; }
};

// Appends a commit to a frame. `events` may be empty.
void AppendCommit(RecordChange change, const CustomerKey& key, std::string_view record,
                  absl::Span<const Event> events, std::string& frame);

// Calls `visit` with each commit of the body. False: malformed.
bool ForEachCommit(std::string_view body, uint64_t number,
                   absl::FunctionRef<void(const JournalCommit&)> visit);

// Calls `visit` with each event of a commit and its position. False: malformed.
bool ForEachEvent(const JournalCommit& commit,
                  absl::FunctionRef<void(uint64_t position, const Event&)> visit);

// "0000000000000042.journal"; ids sort like their names.
std::string SegmentFileName(uint64_t id);
std::optional<uint64_t> ParseSegmentFileName(std::string_view name);

// Of the running system; zeros when it does not tell.
BootId CurrentBootId();

}  // namespace attune::storage

#endif  // ATTUNE_LIB_STORAGE_JOURNAL_FORMAT_H_
