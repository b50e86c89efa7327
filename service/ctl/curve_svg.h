#ifndef ATTUNE_SERVICE_CTL_CURVE_SVG_H_
#define ATTUNE_SERVICE_CTL_CURVE_SVG_H_

#include <string>

#include "attune/v1/value_service.pb.h"

namespace attune::ctl {

// The curve as an SVG picture of 760 by 500 pixels, complete in itself: the best customers to the
// left, profit in percent of the whole, or in currency where the whole is no profit. REQUIRES: the
// curve has points.
std::string ProfitCurveSvg(const v1::ValueServiceGetProfitCurveResponse& curve);

}  // namespace attune::ctl

#endif  // ATTUNE_SERVICE_CTL_CURVE_SVG_H_
