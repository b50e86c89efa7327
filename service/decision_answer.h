#ifndef ATTUNE_SERVICE_DECISION_ANSWER_H_
#define ATTUNE_SERVICE_DECISION_ANSWER_H_

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "attune/v1/decision_service.pb.h"
#include "google/protobuf/message_lite.h"
#include "lib/context/decision_context.h"
#include "lib/decision/decider.h"
#include "lib/strategy/strategy.h"

namespace attune::service {

// So long are the explanations of rejected treatments in one answer, about: those after it come
// with stage, reason and rule only. With the names of as many treatments as a strategy may have,
// that stays within the 4 MiB that clients of gRPC take unless told otherwise.
inline constexpr size_t kMaxExplanationBytes = 3u << 19;

// The answer's message. `explain` adds why each treatment stands where it does.
// REQUIRES: the decision was made for `context` with `strategy`.
void FillResponse(const strategy::Strategy& strategy, const context::DecisionContext& context,
                  const decision::Decision& decision, bool explain,
                  attune::v1::DecideResponse* response);

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
  explicit AnswerEncoder(const strategy::Strategy& strategy);

  // Appends the message that FillResponse makes when nothing is to be explained.
  // REQUIRES: the decision was made for `context` with the strategy.
  void Append(const context::DecisionContext& context, const decision::Decision& decision,
              std::string& bytes) const;

 private:
  // A RejectedCount: what comes before the count, and what after it.
  struct EncodedCount {
    std::string before;
    std::string after;
  };

  size_t treatments_ = 0;
  std::string strategy_version_;  // as a field
  // By channel x treatment: the field up to the numbers of the decision; empty where the channel
  // can't carry the treatment.
  std::vector<std::string> ranked_;
  // By number of the cause: the message but for the count.
  std::vector<EncodedCount> rejected_;
};

}  // namespace attune::service

#endif  // ATTUNE_SERVICE_DECISION_ANSWER_H_
