#include "service/told_time.h"

namespace attune::service {

absl::Time ToldTime::GoneOn(const Reading& from, std::chrono::steady_clock::time_point steady) {
  return from.wall + absl::FromChrono(steady - from.steady);
}

absl::Time ToldTime::At(absl::Time wall, std::chrono::steady_clock::time_point steady) {
  const Reading reading{wall, steady};
  if (!believed_ || Agree(wall, GoneOn(*believed_, steady))) {
    believed_ = reading;
    jumped_.reset();
    return wall;
  }
  if (!jumped_ || !Agree(wall, GoneOn(*jumped_, steady))) jumped_ = reading;
  if (absl::FromChrono(steady - jumped_->steady) < kAgreement) return GoneOn(*believed_, steady);
  believed_ = reading;
  jumped_.reset();
  return wall;
}

}  // namespace attune::service
