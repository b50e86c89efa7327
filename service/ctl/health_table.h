#ifndef ATTUNE_SERVICE_CTL_HEALTH_TABLE_H_
#define ATTUNE_SERVICE_CTL_HEALTH_TABLE_H_

#include <string>

#include "attune/v1/model_service.pb.h"

namespace attune::ctl {

// How well an adaptive model predicts, as tables: its own predictions beside those that decisions
// went by, their calibration, how its inputs have changed, and what became of its treatments.
std::string HealthTables(const v1::ModelServiceGetHealthResponse& health);

// What became of treatments on channels: a row for each, with the interval in which its rate lies
// with 95 % probability. Empty: "".
std::string RateTable(const google::protobuf::RepeatedPtrField<v1::TreatmentRate>& rates);

}  // namespace attune::ctl

#endif  // ATTUNE_SERVICE_CTL_HEALTH_TABLE_H_
