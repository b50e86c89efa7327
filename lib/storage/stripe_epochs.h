#ifndef ATTUNE_LIB_STORAGE_STRIPE_EPOCHS_H_
#define ATTUNE_LIB_STORAGE_STRIPE_EPOCHS_H_

#include <atomic>
#include <cstdint>
#include <cstring>
#include <memory>

#include "lib/base/hash.h"
#include "lib/storage/state_store.h"

namespace attune::storage {

// Tells whether a customer's record may have changed since it was loaded, without reading it: a
// fixed array of counters, shared by the customers whose keys fall on the same one. Note() may be
// called from any thread, the others only by the one that leads the writes.
//
// An even epoch: nothing is being written. A writer makes it odd before it writes (Begin) and even
// again, with the next number, after what it wrote can be read (End). A load notes the epoch first
// and reads then. Why a load that saw the old record can never pass for a fresh one:
//  - If it noted the epoch before End, then the epoch at the time of any later commit is larger
//  than
//    noted (or, noted between Begin and End, the note is odd and holds for nothing). So it doesn't
//    matter when exactly the write became visible between Begin and End.
//  - If it noted the epoch of End, then End's release, paired with Note's acquire, makes the write
//    visible to the read that follows, so the load saw the new record.
// The other way round a load that saw the new record may have noted the old epoch; then the commit
// reads the record's version and finds it unchanged. A failed write counts like one that happened.
class StripeEpochs {
 public:
  static constexpr size_t kStripes = 1u << 16;

  // Starts at a random number, so that what was noted in another store holds for nothing here.
  StripeEpochs() : epochs_(std::make_unique<std::atomic<uint64_t>[]>(kStripes)) {
    const HashKey random = RandomHashKey();
    uint64_t start = 0;
    std::memcpy(&start, random.data(), sizeof start);
    start = (start >> 2 | 1) << 1;  // even, neither 0 nor close to the end
    for (size_t i = 0; i < kStripes; ++i) epochs_[i].store(start, std::memory_order_relaxed);
  }

  // Keys are hashes: any bits of them will do.
  static uint32_t StripeOf(const CustomerKey& key) {
    uint16_t stripe = 0;
    std::memcpy(&stripe, key.data() + 8, sizeof stripe);
    return stripe;
  }

  // What a load notes before it reads.
  uint64_t Note(const CustomerKey& key) const {
    return epochs_[StripeOf(key)].load(std::memory_order_acquire);
  }

  // True when no record of the stripe changed since `token` was noted, nor is being changed.
  bool IsCurrent(uint32_t stripe, uint64_t token) const {
    return token % 2 == 0 && token == epochs_[stripe].load(std::memory_order_relaxed);
  }

  // Announces a write. Returns false when one was announced already.
  bool Begin(uint32_t stripe) {
    const uint64_t epoch = epochs_[stripe].load(std::memory_order_relaxed);
    if (epoch % 2 != 0) return false;
    epochs_[stripe].store(epoch + 1, std::memory_order_relaxed);
    return true;
  }

  // The write can be read, or has failed. REQUIRES: Begin returned true.
  void End(uint32_t stripe) {
    const uint64_t epoch = epochs_[stripe].load(std::memory_order_relaxed);
    epochs_[stripe].store(epoch + 1, std::memory_order_release);
  }

 private:
  const std::unique_ptr<std::atomic<uint64_t>[]> epochs_;
};

}  // namespace attune::storage

#endif  // ATTUNE_LIB_STORAGE_STRIPE_EPOCHS_H_
