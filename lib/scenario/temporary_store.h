#ifndef ATTUNE_LIB_SCENARIO_TEMPORARY_STORE_H_
#define ATTUNE_LIB_SCENARIO_TEMPORARY_STORE_H_

#include <memory>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "lib/storage/state_store.h"

namespace attune::scenario {

// A store of its own, empty at first, in a new folder under $TMPDIR (or /tmp) that is removed with
// it. Thread-safe as a StateStore is.
class TemporaryStore {
 public:
  // UNAVAILABLE: the folder can't be made; others are the store's.
  static absl::StatusOr<std::unique_ptr<TemporaryStore>> Open();
  ~TemporaryStore();
  TemporaryStore(const TemporaryStore&) = delete;
  TemporaryStore& operator=(const TemporaryStore&) = delete;

  storage::StateStore* get() { return store_.get(); }

 private:
  explicit TemporaryStore(std::string path) : path_(std::move(path)) {}

  const std::string path_;
  std::unique_ptr<storage::StateStore> store_;
};

}  // namespace attune::scenario

#endif  // ATTUNE_LIB_SCENARIO_TEMPORARY_STORE_H_
