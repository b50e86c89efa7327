#include "lib/storage/event_tail.h"

#include <algorithm>
#include <cstring>

namespace attune::storage {
namespace {

// What stands before each payload.
struct Head {
  uint64_t position;
  CustomerKey customer;
  EventType type;
  uint32_t size;
};

}  // namespace

EventChunk::EventChunk(uint64_t first_position, size_t capacity)
    : first_position_(first_position),
      capacity_(capacity),
      bytes_(std::make_unique_for_overwrite<char[]>(capacity)) {}

size_t EventChunk::BytesOf(const Event& event) { return sizeof(Head) + event.payload.size(); }

bool EventChunk::Append(uint64_t position, const CustomerKey& customer, const Event& event) {
  const size_t size = size_.load(std::memory_order_relaxed);
  if (capacity_ - size < BytesOf(event)) return false;
  const Head head = {position, customer, event.type, static_cast<uint32_t>(event.payload.size())};
  std::memcpy(bytes_.get() + size, &head, sizeof head);
  if (!event.payload.empty()) {
    std::memcpy(bytes_.get() + size + sizeof head, event.payload.data(), event.payload.size());
  }
  size_.store(size + BytesOf(event), std::memory_order_release);
  events_.fetch_add(1, std::memory_order_relaxed);
  return true;
}

bool EventChunk::ForEach(absl::FunctionRef<bool(const TailEvent&)> visit) const {
  const size_t size = size_.load(std::memory_order_acquire);
  for (size_t offset = 0; offset < size;) {
    Head head;
    std::memcpy(&head, bytes_.get() + offset, sizeof head);
    const TailEvent event = {
        head.position, head.customer, head.type, {bytes_.get() + offset + sizeof head, head.size}};
    if (!visit(event)) return false;
    offset += sizeof head + head.size;
  }
  return true;
}

void EventTail::Seal() {
  open_ = nullptr;
  next_chunk_bytes_ = kMinChunkBytes;
}

void EventTail::Append(uint64_t position, const CustomerKey& customer, const Event& event) {
  end_.store(position + 1, std::memory_order_release);
  if (open_ != nullptr && open_->Append(position, customer, event)) return;
  const auto chunk = std::make_shared<EventChunk>(
      position, std::max(next_chunk_bytes_, EventChunk::BytesOf(event)));
  next_chunk_bytes_ = std::min(2 * next_chunk_bytes_, kMaxChunkBytes);
  chunk->Append(position, customer, event);
  open_ = chunk.get();
  bytes_.fetch_add(chunk->capacity(), std::memory_order_relaxed);
  absl::MutexLock lock(&mutex_);
  chunks_.push_back(chunk);
}

EventChunks EventTail::ChunksFrom(uint64_t from) const {
  absl::MutexLock lock(&mutex_);
  // The last chunk that begins at `from` or before may hold it.
  auto first = std::upper_bound(
      chunks_.begin(), chunks_.end(), from,
      [](uint64_t position, const auto& chunk) { return position < chunk->first_position(); });
  if (first != chunks_.begin()) --first;
  return EventChunks(first, chunks_.end());
}

EventChunks EventTail::ChunksBelow(uint64_t position) const {
  absl::MutexLock lock(&mutex_);
  EventChunks below;
  for (const auto& chunk : chunks_) {
    if (chunk->first_position() >= position) break;
    below.push_back(chunk);
  }
  return below;
}

void EventTail::DropBelow(uint64_t position) {
  absl::MutexLock lock(&mutex_);
  while (!chunks_.empty() && chunks_.front()->first_position() < position) {
    bytes_.fetch_sub(chunks_.front()->capacity(), std::memory_order_relaxed);
    chunks_.pop_front();
  }
}

uint64_t EventTail::events() const {
  absl::MutexLock lock(&mutex_);
  uint64_t events = 0;
  for (const auto& chunk : chunks_) events += chunk->events();
  return events;
}

}  // namespace attune::storage
