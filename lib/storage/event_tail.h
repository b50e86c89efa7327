#ifndef ATTUNE_LIB_STORAGE_EVENT_TAIL_H_
#define ATTUNE_LIB_STORAGE_EVENT_TAIL_H_

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/synchronization/mutex.h"
#include "lib/storage/state_store.h"

namespace attune::storage {

// An event in memory. Valid as long as the chunk that it is in.
struct TailEvent {
  uint64_t position = 0;
  CustomerKey customer{};
  EventType type = EventType::kDecision;
  std::string_view payload;
};

// Some events in a row, in memory. One thread appends while any number read.
class EventChunk {
 public:
  EventChunk(uint64_t first_position, size_t capacity);

  // Room that the event takes.
  static size_t BytesOf(const Event& event);

  uint64_t first_position() const { return first_position_; }
  size_t capacity() const { return capacity_; }
  uint64_t events() const { return events_.load(std::memory_order_relaxed); }

  // False: there is no room.
  bool Append(uint64_t position, const CustomerKey& customer, const Event& event);

  // Calls `visit` for the events in order until it returns false. Returns whether it never did.
  bool ForEach(absl::FunctionRef<bool(const TailEvent&)> visit) const;

 private:
  const uint64_t first_position_;
  const size_t capacity_;
  const std::unique_ptr<char[]> bytes_;
  std::atomic<size_t> size_{0};  // bytes that can be read
  std::atomic<uint64_t> events_{0};
};

using EventChunks = std::vector<std::shared_ptr<const EventChunk>>;

// The newest events of the log: those that are not in the database yet, in memory. Append and Seal
// are for the one that leads the writes; the others are thread-safe.
class EventTail {
 public:
  // REQUIRES: positions grow.
  void Append(uint64_t position, const CustomerKey& customer, const Event& event);
  // What is appended from now on goes to a new chunk. The first is small, so that sealing often
  // costs little memory; the others grow.
  void Seal();

  // The chunks with events at `from` or later, in order; the last may still grow.
  EventChunks ChunksFrom(uint64_t from) const;
  // The chunks of events below `position`. REQUIRES: Seal was called there.
  EventChunks ChunksBelow(uint64_t position) const;
  // Forgets them: they are in the database. Readers keep what they hold.
  void DropBelow(uint64_t position);

  // Behind the last event that was ever appended; 0: none was. No event can be read before this
  // tells of it.
  uint64_t end() const { return end_.load(std::memory_order_acquire); }
  // Bytes of memory.
  size_t bytes() const { return bytes_.load(std::memory_order_relaxed); }
  uint64_t events() const;

 private:
  static constexpr size_t kMinChunkBytes = 4 << 10;
  static constexpr size_t kMaxChunkBytes = 256 << 10;

  // Of the leader.
  EventChunk* open_ = nullptr;  // chunks_.back(), or nullptr
  size_t next_chunk_bytes_ = kMinChunkBytes;

  std::atomic<size_t> bytes_{0};
  std::atomic<uint64_t> end_{0};

  mutable absl::Mutex mutex_;
  std::deque<std::shared_ptr<EventChunk>> chunks_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace attune::storage

#endif  // ATTUNE_LIB_STORAGE_EVENT_TAIL_H_
