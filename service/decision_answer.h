#ifndef ATTUNE_SERVICE_DECISION_ANSWER_H_
#define ATTUNE_SERVICE_DECISION_ANSWER_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "attune/v1/decision_service.pb.h"
#include "google/protobuf/message_lite.h"
#include "lib/context/decision_context.h"
#include "lib/decision/decider.h"
#include "lib/decision/score_explanation.h"
#include "lib/strategy/strategy.h"

namespace attune::service {

// So long are the explanations of rejected treatments in one answer, about: those after it come
// with stage, reason and rule only, and those that would make the whole answer longer than
// kMaxAnswerBytes do not come at all. Clients of gRPC take 4 MiB unless told otherwise. What an
// answer has without being explained is not cut.
inline constexpr size_t kMaxExplanationBytes = 3u << 19;
inline constexpr size_t kMaxAnswerBytes = 7u << 19;

// Why a decision is degraded, as answers name it.
struct DegradationName {
  uint32_t bit;
  const char* name;
};
inline constexpr DegradationName kDegradations[] = {
    {decision::kCustomerUnavailable, "customer_unavailable"},
    {decision::kCustomerDamaged, "customer_damaged"},
    {decision::kNotRemembered, "not_remembered"},
    {decision::kScoreNotFinite, "score_not_finite"},
    {decision::kModelFailed, "model_failed"},
};

// Marks an answer in bytes: its explanation is not all there.
void AppendExplanationIncomplete(std::string* bytes);

// One message, one sequence of bytes, in every process: maps in the order of their keys.
void SerializeStably(const google::protobuf::MessageLite& message, std::string* bytes);

// Appends the DecideStreamResponse with this answer, which is a DecideResponse as bytes.
void AppendStreamResponse(std::string_view correlation_id, std::string_view answer,
                          std::string* bytes);

// Writes answers as bytes without making the message. What is the same in every answer (a
// treatment's name, its content on a channel, its value and cost, ...) is encoded once per
// strategy, so that an answer costs a few copies. The same decision gives the same bytes.
// Immutable, thread-safe.
class AnswerEncoder {
 public:
  // `strategy` must outlive the encoder.
  explicit AnswerEncoder(const strategy::Strategy& strategy);

  // Appends a DecideResponse. `explain` adds why each treatment stands where it does.
  // REQUIRES: the decision was made for `context` with the strategy.
  void Append(const context::DecisionContext& context, const decision::Decision& decision,
              bool explain, std::string& bytes) const;

 private:
  // What is the same whenever a treatment is dropped for this cause.
  struct EncodedCause {
    // Of a RejectedCount: what comes before the count, and what after it.
    std::string before;
    std::string after;
    // Of a RejectedTreatment: stage and reason, and the rule with the sentence about it.
    std::string reason;
    std::string rule;
  };

  // `rank` is an index into the ranking. `explain` appends what explains the treatment, if that is
  // asked for.
  void AppendRanked(const context::DecisionContext& context, const decision::Decision& decision,
                    size_t rank,
                    absl::FunctionRef<void(const arbitration::RankedTreatment&)> explain,
                    std::string& bytes) const;
  void AppendCounts(const decision::RejectionCounts& counts, std::string& bytes) const;
  // What each place of the request shows.
  void AppendPlacements(const context::DecisionContext& context, const decision::Decision& decision,
                        std::string& bytes) const;
  void AppendEarliest(const context::DecisionContext& context,
                      const decision::Opportunity& earliest, std::string& bytes) const;
  // Each treatment that is not in the ranking, in the order of the strategy.
  void AppendRejected(const context::DecisionContext& context, const decision::Decision& decision,
                      std::string& bytes) const;

  const strategy::Strategy& strategy_;
  const size_t treatments_;
  std::string strategy_version_;  // as a field
  // By channel x treatment: what is the same in each RankedTreatment; empty where the channel can't
  // carry the treatment.
  std::vector<std::string> ranked_;
  // By treatment: how each RejectedTreatment begins.
  std::vector<std::string> rejected_;
  std::vector<EncodedCause> causes_;  // by number of the cause
  const decision::ExplainedModels explained_models_;
};

}  // namespace attune::service

#endif  // ATTUNE_SERVICE_DECISION_ANSWER_H_
