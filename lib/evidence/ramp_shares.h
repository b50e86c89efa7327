#ifndef ATTUNE_LIB_EVIDENCE_RAMP_SHARES_H_
#define ATTUNE_LIB_EVIDENCE_RAMP_SHARES_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "lib/base/hash.h"
#include "lib/catalog/catalog.h"
#include "lib/storage/state_store.h"

namespace attune::evidence {

// The share of the customers that a treatment reaches, 0 … 1:
// from + (1 - from) x min(1, evidence / full_at). Never shrinks while the evidence grows, and is
// exactly 1 from full_at on.
double ShareOf(const catalog::Ramp& ramp, int64_t evidence);

// Where the customer stands in the ramp of the treatment with this number of the NameDictionary: on
// [0, 1), uniform over customers and independent from treatment to treatment. The same on every
// machine and in every version, so that who was reached stays so.
double PlaceOf(const HashKey& seed, const storage::CustomerKey& customer, uint32_t treatment);

// How far each ramp of one catalog has come. Immutable, thread-safe.
class RampShares {
 public:
  // There is no ramp.
  RampShares() = default;
  // `evidence`: of each of the catalog's ramps, in their order, from 0 on.
  RampShares(const catalog::Catalog& catalog, std::vector<int64_t> evidence);

  // `ramp`: an index into Catalog::ramps.
  double share(int ramp) const { return shares_[static_cast<size_t>(ramp)]; }
  int64_t evidence(int ramp) const { return evidence_[static_cast<size_t>(ramp)]; }
  const std::vector<int64_t>& evidence() const { return evidence_; }

 private:
  std::vector<int64_t> evidence_;
  std::vector<double> shares_;
};

// Which treatments have come to one customer by their ramps. Cheap to make; takes no lock and
// allocates nothing.
class RampReach {
 public:
  // Ramps are not looked at: every treatment reaches the customer.
  RampReach() = default;
  // `shares` must outlive the object; nullptr: as above. With `place` the customer stands there in
  // every ramp, whatever the hash says.
  RampReach(const RampShares* shares, const HashKey& seed, const storage::CustomerKey& customer,
            std::optional<double> place = std::nullopt)
      : shares_(shares), seed_(seed), customer_(customer), place_(place) {}

  // REQUIRES: the shares were made for the catalog that the treatment is of.
  bool Reaches(const catalog::Treatment& treatment) const {
    if (treatment.ramp < 0 || shares_ == nullptr) return true;
    const double share = shares_->share(treatment.ramp);
    if (share >= 1) return true;
    return (place_ ? *place_ : PlaceOf(seed_, customer_, treatment.number)) < share;
  }

  // nullptr: ramps are not looked at.
  const RampShares* shares() const { return shares_; }

 private:
  const RampShares* shares_ = nullptr;
  HashKey seed_{};
  storage::CustomerKey customer_{};
  std::optional<double> place_;
};

}  // namespace attune::evidence

#endif  // ATTUNE_LIB_EVIDENCE_RAMP_SHARES_H_
