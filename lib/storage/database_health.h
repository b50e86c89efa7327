#ifndef ATTUNE_LIB_STORAGE_DATABASE_HEALTH_H_
#define ATTUNE_LIB_STORAGE_DATABASE_HEALTH_H_

#include <atomic>

#include "rocksdb/listener.h"

namespace attune::storage {

// Notes whether the database has met an error in the background, ever. RocksDB 7.8.3 does not quite
// recover from that: when a disk was full, a mark stays that makes it give files that are added
// (IngestExternalFiles) the number 0, and makes Flush return before anything is flushed. Only plain
// writes can be relied on then, until the store is opened anew. Thread-safe.
class DatabaseHealth : public rocksdb::EventListener {
 public:
  void OnBackgroundError(rocksdb::BackgroundErrorReason, rocksdb::Status*) override {
    had_error_ = true;
  }

  bool had_error() const { return had_error_; }

 private:
  std::atomic<bool> had_error_{false};
};

}  // namespace attune::storage

#endif  // ATTUNE_LIB_STORAGE_DATABASE_HEALTH_H_
