#ifndef ATTUNE_TESTS_TESTING_DECISION_MESSAGE_H_
#define ATTUNE_TESTS_TESTING_DECISION_MESSAGE_H_

#include "attune/v1/decision_service.pb.h"
#include "lib/context/decision_context.h"
#include "lib/decision/decider.h"
#include "lib/strategy/strategy.h"

namespace attune::testing {

// The answer's message, put together field by field: what service::AnswerEncoder writes as bytes
// is compared with it. REQUIRES: the decision was made for `context` with `strategy`.
void FillResponse(const strategy::Strategy& strategy, const context::DecisionContext& context,
                  const decision::Decision& decision, bool explain,
                  attune::v1::DecideResponse* response);

}  // namespace attune::testing

#endif  // ATTUNE_TESTS_TESTING_DECISION_MESSAGE_H_
