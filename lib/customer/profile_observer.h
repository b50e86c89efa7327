#ifndef ATTUNE_LIB_CUSTOMER_PROFILE_OBSERVER_H_
#define ATTUNE_LIB_CUSTOMER_PROFILE_OBSERVER_H_

#include <cstdint>
#include <string_view>

#include "lib/storage/state_store.h"

namespace attune::customer {

// What became of the features of one customer. Points into what the writer holds.
struct ProfileNotice {
  storage::CustomerKey key{};
  // The record's new version number; of an erased one the last that was read.
  uint64_t version = 0;
  bool was_known = false;
  bool erased = false;      // nothing is held any more; `after` says nothing
  std::string_view before;  // in the encoding of value_codec.h
  std::string_view after;
};

// Somebody who follows all writes of features. Called by many threads at once, on the way of each
// write: must be quick and wait for nobody.
class ProfileObserver {
 public:
  virtual ~ProfileObserver() = default;

  // Surround each write with its notices, so that one who reads the store itself can tell when all
  // that was written before has been told. What WriteBegins returns goes to WriteEnds.
  virtual int WriteBegins() = 0;
  virtual void WriteEnds(int begun) = 0;
  // The change is in the store.
  virtual void FeaturesChanged(const ProfileNotice& notice) = 0;
  // A change may be in the store of which nobody can tell more.
  virtual void ChangeUncertain() = 0;
};

// One write, from its construction to its end. `observer` may be null: then nobody follows.
class ObservedWrite {
 public:
  explicit ObservedWrite(ProfileObserver* observer)
      : observer_(observer), begun_(observer == nullptr ? 0 : observer->WriteBegins()) {}
  ~ObservedWrite() {
    if (observer_ != nullptr) observer_->WriteEnds(begun_);
  }
  ObservedWrite(const ObservedWrite&) = delete;
  ObservedWrite& operator=(const ObservedWrite&) = delete;

  void Changed(const ProfileNotice& notice) const {
    if (observer_ != nullptr) observer_->FeaturesChanged(notice);
  }
  void Uncertain() const {
    if (observer_ != nullptr) observer_->ChangeUncertain();
  }

 private:
  ProfileObserver* const observer_;
  const int begun_;
};

}  // namespace attune::customer

#endif  // ATTUNE_LIB_CUSTOMER_PROFILE_OBSERVER_H_
