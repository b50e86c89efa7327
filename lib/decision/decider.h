#ifndef ATTUNE_LIB_DECISION_DECIDER_H_
#define ATTUNE_LIB_DECISION_DECIDER_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "lib/base/hash.h"
#include "lib/context/decision_context.h"
#include "lib/customer/customer_record.h"
#include "lib/customer/decision_id.h"
#include "lib/decision/decision_pipeline.h"
#include "lib/decision/shadow_predictions.h"
#include "lib/evidence/ramp_shares.h"
#include "lib/scoring/learned_models.h"
#include "lib/storage/state_store.h"
#include "lib/strategy/strategy.h"
#include "lib/value/standings.h"

namespace attune::decision {

// Identifies a decision and leads to its customer (lib/customer/decision_id.h). Depends on the
// seed, the customer, the time, the customer's earlier decisions and the request_id only.
using DecisionId = customer::DecisionId;

// In what way a decision is not as good as it should be. Bits; stored: never renumber.
enum Degradation : uint32_t {
  kCustomerUnavailable = 1,  // the record could not be read; declared defaults were used
  // The decision could not be committed. What contact policies count at decision isn't offered, and
  // nothing is explored.
  kNotRemembered = 2,
  kScoreNotFinite = 4,   // a model failed; its treatments were dropped
  kCustomerDamaged = 8,  // the record is there and unreadable; declared defaults were used
  kModelFailed = 16,     // a model gave no usable score; what its on_error says was done
};

struct DecideOptions {
  bool dry_run = false;
  // What of the strategy is stopped; nullptr: nothing. Must outlive the use of the decision.
  const stops::StopSet* stops = nullptr;
  // How far the strategy's ramps have come; nullptr: every treatment reaches everybody. Must
  // outlive the use of the decision.
  const evidence::RampShares* ramps = nullptr;
  // Puts the customer there in every ramp, on [0, 1), whatever the hash says. For tests of
  // strategies.
  std::optional<double> ramp_place;
  // The customer base by each score; nullptr: nobody is known. Must outlive the use of the
  // decision.
  const value::Standings* standings = nullptr;
  // What the strategy's adaptive models have learned; nullptr: nothing. Must outlive the use of the
  // decision.
  const scoring::LearnedModels* learned = nullptr;
  // Empty: none.
  std::string_view request_id;
  // Whether the request named its time itself and wants an explanation: part of what makes two
  // requests with one id the same.
  bool time_given = false;
  bool explain = false;
  // What the decision survives when Decide returns. With kFlush the caller must call
  // StateStore::Flush before anybody learns of the decision, and decides anew with kProcess when
  // that fails.
  storage::Durability durability = storage::Durability::kProcess;
  // Puts the greedy choice on top, whatever exploration would draw; its chances are told as they
  // are. For tests of strategies.
  bool greedy = false;
};

// One decision and all memory that making it takes. Reuse it for many decisions. Not thread-safe.
struct Decision {
  // The result.
  DecisionId id{};
  uint32_t degradation = 0;  // bits of Degradation
  bool unknown_customer = false;
  const stops::StopSet* stops = nullptr;  // what was stopped
  evidence::RampReach reach;              // which ramps had come to the customer
  const value::Standings* standings = nullptr;
  const scoring::LearnedModels* learned = nullptr;
  PipelineResult result;
  // What adaptive models in mode shadow say of what is ranked; empty unless the decision was to be
  // remembered, for only its event tells.
  std::vector<ShadowPrediction> shadows;
  std::vector<ValueRef> features;  // as served, one per declared feature; point into `record`
  StageTimes times;
  uint64_t conflicts = 0;  // commits that had to be made again
  // Why the decision is degraded, when it was the store: for the log.
  absl::Status store_status;
  // What the caller encoded as the answer to a request with an id; empty when there is none, or
  // when the decision was degraded after that.
  std::string answer;
  // Set when the request_id was answered before: the answer as kept then, and nothing else is set.
  bool answered_before = false;
  std::string stored_answer;

  // Memory.
  storage::Record record;
  std::string new_record;
  std::string event_bytes;
  std::string scratch;
  ShadowScratch shadow_scratch;
};

// What an encoded answer has in it.
enum class AnswerForm {
  kAsAsked,
  kWithoutExplanation,  // though one was asked for
};

// Makes decisions: reads the customer, runs the pipeline, commits the decision with the customer's
// record, and does so again when somebody else changed the customer in between. Thread-safe.
class Decider {
 public:
  // `store` must outlive the decider. With one seed, one state and one request there is one answer.
  Decider(storage::StateStore* store, const HashKey& seed)
      : store_(*store), seed_(seed), ids_(seed) {}

  // Writes the answer to the caller, to be stored with the decision, when the request has an id.
  // Called for a second time, without the explanation, when the answer with it is longer than an
  // event of the store may be: then a retry gets that one.
  using EncodeAnswer = absl::FunctionRef<void(const Decision&, AnswerForm, std::string*)>;

  // Decides for `context`, which was normalised against `strategy`. A store that can't be read or
  // written makes a degraded decision, not an error. ALREADY_EXISTS: the request_id was used for
  // another request. ABORTED: the customer was changed by others too often in a row; retry.
  absl::Status Decide(const strategy::Strategy& strategy, const context::DecisionContext& context,
                      const DecideOptions& options, EncodeAnswer encode_answer,
                      Decision& decision) const;

 private:
  struct Request;

  absl::Status DecideOnce(const strategy::Strategy& strategy,
                          const context::DecisionContext& context, const DecideOptions& options,
                          const Request& request, EncodeAnswer encode_answer, StageTimer& timer,
                          Decision& decision) const;
  // Sets `answered_before` when there is an earlier answer. ALREADY_EXISTS: to another request.
  // Other errors: there is one, but it can't be read now.
  absl::Status FindEarlierAnswer(const customer::CustomerState& state, const Request& request,
                                 Decision& decision) const;
  // Decides for a customer to whose record nothing can be written: what would have to be counted,
  // so that no cap is exceeded, isn't offered, and nothing is explored.
  void DecideUnremembered(const strategy::Strategy& strategy,
                          const context::DecisionContext& context,
                          const customer::CustomerState& state, StageTimer& timer,
                          Decision& decision) const;
  // Encodes the decision's event, with the answer if the request has an id.
  static void MakeEvent(const strategy::Strategy& strategy, const context::DecisionContext& context,
                        const customer::CustomerState& state, const DecideOptions& options,
                        const Request& request, EncodeAnswer encode_answer, Decision& decision);
  absl::Status Commit(const strategy::Strategy& strategy, const context::DecisionContext& context,
                      const customer::CustomerState& state, const Request& request,
                      storage::Durability durability, Decision& decision) const;

  storage::StateStore& store_;
  const HashKey seed_;
  const customer::DecisionIds ids_;
};

}  // namespace attune::decision

#endif  // ATTUNE_LIB_DECISION_DECIDER_H_
