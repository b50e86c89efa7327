#ifndef ATTUNE_SERVICE_CTL_SCORE_TABLE_H_
#define ATTUNE_SERVICE_CTL_SCORE_TABLE_H_

#include <string>

#include "attune/v1/decision_service.pb.h"

namespace attune::ctl {

// The score of each ranked treatment taken apart, a table for each: the base, what every input
// added to it, the score. Empty where the answer tells no parts.
std::string ScoreTables(const v1::DecideResponse& response);

}  // namespace attune::ctl

#endif  // ATTUNE_SERVICE_CTL_SCORE_TABLE_H_
