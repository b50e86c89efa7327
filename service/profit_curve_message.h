#ifndef ATTUNE_SERVICE_PROFIT_CURVE_MESSAGE_H_
#define ATTUNE_SERVICE_PROFIT_CURVE_MESSAGE_H_

#include <string>

#include "attune/v1/value_service.pb.h"
#include "lib/value/profit_curve.h"

namespace attune::service {

// Puts a curve into the message that carries it, for the server and for who computes one without
// it.
inline void ToProto(const value::ProfitCurve& curve, const std::string& currency,
                    attune::v1::ValueServiceGetProfitCurveResponse* out) {
  out->set_currency(currency);
  out->set_customers(curve.customers);
  out->set_total(curve.total);
  out->set_top_customers(curve.top_customers);
  out->set_top_profit(curve.top_profit);
  out->set_losing_customers(curve.losing_customers);
  out->set_losing_profit(curve.losing_profit);
  out->set_parts_withheld(!curve.parts_told);
  out->set_highest(curve.highest);
  out->set_lowest(curve.lowest);
  out->set_median(curve.median);
  for (const value::ProfitCurve::Point& point : curve.points) {
    attune::v1::ProfitPoint* out_point = out->add_points();
    out_point->set_customers(point.customers);
    out_point->set_profit(point.profit);
  }
  out->set_sentence(value::ProfitSentence(curve, currency));
}

}  // namespace attune::service

#endif  // ATTUNE_SERVICE_PROFIT_CURVE_MESSAGE_H_
