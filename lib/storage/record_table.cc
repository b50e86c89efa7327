#include "lib/storage/record_table.h"

#include <algorithm>
#include <cstring>
#include <new>

namespace attune::storage {
namespace {

// Sizes are rounded up to this, so that records that grow a little stay where they are.
constexpr size_t kSizeStep = 64;
// What an entry costs besides: its place in the map and in the circle, and the allocator's own.
constexpr size_t kOverheadBytes = 56;
// How many entries are looked at to find one that can go.
constexpr int kMaxLooks = 16;

}  // namespace

// The bytes of the record stand behind the entry.
struct RecordTable::Entry {
  CustomerKey key;
  uint64_t version;
  uint32_t size;
  uint32_t capacity;
  uint32_t place;  // in the circle
  bool dirty;
  bool removed;
  bool used;

  char* bytes() { return reinterpret_cast<char*>(this + 1); }
  size_t memory() const { return sizeof(Entry) + capacity + kOverheadBytes; }

  static Entry* New(const CustomerKey& key, size_t size) {
    const size_t memory = (sizeof(Entry) + size + kSizeStep - 1) / kSizeStep * kSizeStep;
    Entry* const entry = new (::operator new(memory)) Entry{};
    entry->key = key;
    entry->capacity = static_cast<uint32_t>(memory - sizeof(Entry));
    return entry;
  }
  static void Delete(Entry* entry) { ::operator delete(entry); }
};

RecordTable::RecordTable(size_t capacity_bytes) : shard_capacity_bytes_(capacity_bytes / kShards) {}

RecordTable::~RecordTable() {
  for (Shard& shard : shards_) {
    absl::MutexLock lock(&shard.mutex);
    for (Entry* entry : shard.circle) Entry::Delete(entry);
  }
}

RecordTable::Lookup RecordTable::Get(const CustomerKey& key, uint64_t& version,
                                     std::string& bytes) {
  Shard& shard = ShardOf(key);
  absl::MutexLock lock(&shard.mutex);
  const auto found = shard.entries.find(key);
  if (found == shard.entries.end()) {
    ++shard.misses;
    return Lookup::kUnknown;
  }
  ++shard.hits;
  Entry& entry = *found->second;
  entry.used = true;
  if (entry.removed) return Lookup::kRemoved;
  version = entry.version;
  bytes.assign(entry.bytes(), entry.size);
  return Lookup::kFound;
}

RecordTable::Lookup RecordTable::GetVersion(const CustomerKey& key, uint64_t& version) const {
  const Shard& shard = ShardOf(key);
  absl::MutexLock lock(&shard.mutex);
  const auto found = shard.entries.find(key);
  if (found == shard.entries.end()) return Lookup::kUnknown;
  if (found->second->removed) return Lookup::kRemoved;
  version = found->second->version;
  return Lookup::kFound;
}

void RecordTable::Put(const CustomerKey& key, uint64_t version, std::string_view bytes) {
  Write(key, version, bytes, /*removed=*/false);
}

void RecordTable::Remove(const CustomerKey& key, uint64_t version) {
  Write(key, version, "", /*removed=*/true);
}

void RecordTable::Write(const CustomerKey& key, uint64_t version, std::string_view bytes,
                        bool removed) {
  Shard& shard = ShardOf(key);
  absl::MutexLock lock(&shard.mutex);
  Entry* const entry = Prepare(shard, key, bytes.size());
  SetDirty(shard, entry, true);
  entry->version = version;
  entry->size = static_cast<uint32_t>(bytes.size());
  entry->removed = removed;
  std::copy(bytes.begin(), bytes.end(), entry->bytes());
  MakeRoom(shard);
}

void RecordTable::Cache(const CustomerKey& key, uint64_t version, std::string_view bytes,
                        const StripeEpochs& epochs, uint64_t token) {
  Shard& shard = ShardOf(key);
  absl::MutexLock lock(&shard.mutex);
  // A writer announces itself before it takes the shard's mutex to write here: so either it is
  // seen now, or it overwrites what is put here now.
  if (!epochs.IsCurrent(StripeEpochs::StripeOf(key), token)) return;
  if (shard.entries.contains(key)) return;
  Entry* const entry = Prepare(shard, key, bytes.size());
  entry->version = version;
  entry->size = static_cast<uint32_t>(bytes.size());
  std::copy(bytes.begin(), bytes.end(), entry->bytes());
  MakeRoom(shard);
}

RecordTable::Entry* RecordTable::Prepare(Shard& shard, const CustomerKey& key, size_t size) {
  Entry*& slot = shard.entries[key];
  if (slot != nullptr && slot->capacity >= size) return slot;
  Entry* const entry = Entry::New(key, size);
  if (slot != nullptr) {
    SetDirty(shard, slot, false);
    Place(shard, entry, slot->place);
    entry->used = slot->used;
    shard.bytes -= slot->memory();
    Entry::Delete(slot);
  } else {
    shard.circle.push_back(nullptr);
    Place(shard, entry, shard.circle.size() - 1);
  }
  shard.bytes += entry->memory();
  slot = entry;
  return entry;
}

void RecordTable::Place(Shard& shard, Entry* entry, size_t place) {
  shard.circle[place] = entry;
  entry->place = static_cast<uint32_t>(place);
}

void RecordTable::SetDirty(Shard& shard, Entry* entry, bool dirty) {
  if (entry->dirty == dirty) return;
  entry->dirty = dirty;
  if (dirty) {
    dirty_bytes_.fetch_add(entry->memory(), std::memory_order_relaxed);
  } else {
    dirty_bytes_.fetch_sub(entry->memory(), std::memory_order_relaxed);
    --shard.dirty;
  }
  // Changes places with the first that is clean, or the last that is dirty.
  Entry* const other = shard.circle[shard.dirty];
  Place(shard, other, entry->place);
  Place(shard, entry, shard.dirty);
  if (dirty) ++shard.dirty;
}

void RecordTable::MakeRoom(Shard& shard) {
  for (int looks = 0; shard.bytes > shard_capacity_bytes_ && looks < kMaxLooks; ++looks) {
    if (shard.dirty == shard.circle.size()) return;
    if (shard.hand < shard.dirty || shard.hand >= shard.circle.size()) shard.hand = shard.dirty;
    Entry* const entry = shard.circle[shard.hand];
    if (entry->used) {
      entry->used = false;
      ++shard.hand;
      continue;
    }
    Place(shard, shard.circle.back(), shard.hand);
    shard.circle.pop_back();
    shard.bytes -= entry->memory();
    shard.entries.erase(entry->key);
    Entry::Delete(entry);
  }
}

RecordTable::DirtyRecords RecordTable::CollectDirty(Did did) const {
  DirtyRecords dirty;
  dirty.bytes.reserve(dirty_bytes());
  for (const Shard& shard : shards_) {
    const size_t before = dirty.bytes.size();
    {
      absl::MutexLock lock(&shard.mutex);
      for (size_t i = 0; i < shard.dirty; ++i) {
        Entry* const entry = shard.circle[i];
        dirty.records.push_back(
            {entry->key, entry->version, dirty.bytes.size(), entry->size, entry->removed});
        dirty.bytes.append(entry->bytes(), entry->size);
      }
    }
    did(dirty.bytes.size() - before);
  }
  std::sort(dirty.records.begin(), dirty.records.end(),
            [](const Dirty& a, const Dirty& b) { return a.key < b.key; });
  return dirty;
}

std::vector<CustomerKey> RecordTable::DirtyKeys(const std::optional<CustomerKey>& after) const {
  std::vector<CustomerKey> keys;
  for (const Shard& shard : shards_) {
    absl::MutexLock lock(&shard.mutex);
    for (size_t i = 0; i < shard.dirty; ++i) {
      const Entry& entry = *shard.circle[i];
      if (!after || entry.key > *after) keys.push_back(entry.key);
    }
  }
  std::sort(keys.begin(), keys.end());
  return keys;
}

void RecordTable::MarkClean(const std::vector<Dirty>& records, Did did) {
  for (const Dirty& record : records) {
    did(record.size);
    Shard& shard = ShardOf(record.key);
    absl::MutexLock lock(&shard.mutex);
    const auto found = shard.entries.find(record.key);
    if (found == shard.entries.end()) continue;
    if (found->second->version != record.version) continue;
    SetDirty(shard, found->second, false);
    MakeRoom(shard);
  }
}

RecordTable::Stats RecordTable::stats() const {
  Stats stats;
  stats.dirty_bytes = dirty_bytes();
  for (const Shard& shard : shards_) {
    absl::MutexLock lock(&shard.mutex);
    stats.bytes += shard.bytes;
    stats.hits += shard.hits;
    stats.misses += shard.misses;
  }
  return stats;
}

}  // namespace attune::storage
