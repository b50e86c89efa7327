#ifndef ATTUNE_LIB_STORAGE_RECORD_TABLE_H_
#define ATTUNE_LIB_STORAGE_RECORD_TABLE_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "absl/synchronization/mutex.h"
#include "lib/storage/state_store.h"
#include "lib/storage/stripe_epochs.h"

namespace attune::storage {

// Customers' records in memory: those that are newer than the database's (dirty), which must stay,
// and as many of the others as there is room for, those that were used lately. Thread-safe.
class RecordTable {
 public:
  // Beyond `capacity_bytes` only dirty records are kept.
  explicit RecordTable(size_t capacity_bytes);
  ~RecordTable();
  RecordTable(const RecordTable&) = delete;
  RecordTable& operator=(const RecordTable&) = delete;

  enum class Lookup {
    kFound,
    kRemoved,  // there is none; the database may have one that is older
    kUnknown,  // ask the database
  };
  // `bytes` is changed only for kFound.
  Lookup Get(const CustomerKey& key, uint64_t& version, std::string& bytes);
  // The same without the record; does not count as use.
  Lookup GetVersion(const CustomerKey& key, uint64_t& version) const;

  // A record that is newer than the database's. REQUIRES: the caller leads the writes.
  void Put(const CustomerKey& key, uint64_t version, std::string_view bytes);
  void Remove(const CustomerKey& key, uint64_t version);

  // Keeps what was read from the database after `token` was noted, unless something was written
  // since, or the record is here already.
  void Cache(const CustomerKey& key, uint64_t version, std::string_view bytes,
             const StripeEpochs& epochs, uint64_t token);

  // A dirty record, or the removal of one.
  struct Dirty {
    CustomerKey key;
    uint64_t version;
    size_t offset;  // of its bytes in DirtyRecords::bytes
    uint32_t size;
    bool removed;
  };
  struct DirtyRecords {
    std::vector<Dirty> records;  // sorted by key
    std::string bytes;
  };
  // Called after each bit of a long piece of work, with its bytes and no mutex held.
  using Did = absl::FunctionRef<void(size_t bytes)>;

  // Everything that is dirty, as it is now.
  DirtyRecords CollectDirty(Did did) const;
  // The keys of what is dirty, removals too, after `after`; absent: all. Sorted.
  std::vector<CustomerKey> DirtyKeys(const std::optional<CustomerKey>& after) const;
  // The database has these: they are dirty no more, unless they changed since.
  void MarkClean(const std::vector<Dirty>& records, Did did);

  struct Stats {
    size_t bytes = 0;
    size_t dirty_bytes = 0;
    uint64_t hits = 0;
    uint64_t misses = 0;
  };
  Stats stats() const;
  size_t dirty_bytes() const { return dirty_bytes_.load(std::memory_order_relaxed); }

 private:
  static constexpr size_t kShards = 256;

  struct Entry;
  struct KeyHash {
    // Keys are hashes already.
    size_t operator()(const CustomerKey& key) const {
      size_t hash;
      static_assert(sizeof hash <= std::tuple_size_v<CustomerKey>);
      std::memcpy(&hash, key.data(), sizeof hash);
      return hash;
    }
  };
  struct alignas(64) Shard {
    mutable absl::Mutex mutex;
    absl::flat_hash_map<CustomerKey, Entry*, KeyHash> entries ABSL_GUARDED_BY(mutex);
    // All entries, the dirty ones first. The others are a circle: the hand goes round to find those
    // that were not used since it last came by.
    std::vector<Entry*> circle ABSL_GUARDED_BY(mutex);
    size_t dirty ABSL_GUARDED_BY(mutex) = 0;  // how many
    size_t hand ABSL_GUARDED_BY(mutex) = 0;
    size_t bytes ABSL_GUARDED_BY(mutex) = 0;
    uint64_t hits ABSL_GUARDED_BY(mutex) = 0;
    uint64_t misses ABSL_GUARDED_BY(mutex) = 0;
  };

  Shard& ShardOf(const CustomerKey& key) { return shards_[key[10]]; }
  const Shard& ShardOf(const CustomerKey& key) const { return shards_[key[10]]; }

  void Write(const CustomerKey& key, uint64_t version, std::string_view bytes, bool removed);
  // The entry for the key with room for `size` bytes, new or resized.
  Entry* Prepare(Shard& shard, const CustomerKey& key, size_t size)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(shard.mutex);
  void SetDirty(Shard& shard, Entry* entry, bool dirty) ABSL_EXCLUSIVE_LOCKS_REQUIRED(shard.mutex);
  static void Place(Shard& shard, Entry* entry, size_t place)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(shard.mutex);
  // Lets clean entries go while there are too many bytes.
  void MakeRoom(Shard& shard) ABSL_EXCLUSIVE_LOCKS_REQUIRED(shard.mutex);

  const size_t shard_capacity_bytes_;
  std::atomic<size_t> dirty_bytes_{0};
  std::array<Shard, kShards> shards_;
};

}  // namespace attune::storage

#endif  // ATTUNE_LIB_STORAGE_RECORD_TABLE_H_
