#ifndef ATTUNE_SERVICE_LEARNER_STATE_H_
#define ATTUNE_SERVICE_LEARNER_STATE_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "lib/context/decision_context.h"
#include "lib/context/value.h"
#include "lib/learning/adaptive_model.h"
#include "lib/learning/model_health.h"
#include "lib/learning/success_rates.h"
#include "lib/outcome/attribution.h"
#include "lib/scoring/input_table.h"
#include "lib/storage/state_store.h"
#include "lib/strategy/strategy.h"

// The state of a learner as bytes:
//
//   state := format(1 byte, 1) bytes(Attribution) bytes(SuccessRates)
//            varint(models) (bytes(key) bytes(model))*         by ascending key
//            CRC-32C of all before(4 bytes)
//   model := bytes(AdaptiveModel) bytes(ModelHealth of its own predictions)
//            bytes(ModelHealth of those that decisions went by)
//   bytes := varint(size) bytes
//   key   := name of a model of the strategy [0x00 kind(8 bytes)]   with the kind of its inputs,
//            crosses and half-life: of one that was learned with others than the strategy has

namespace attune::service {

// What a learner knows: a deterministic fold over the event log, which knows up to where it has
// come. The same events give the same bytes, wherever the state was stored and read in between. Not
// thread-safe.
class LearnerState {
 public:
  // Most models that are kept though the strategy does not have them (any more), or has them with
  // other inputs, and their bytes; beyond that the first of them by key are forgotten.
  static constexpr size_t kMaxParkedModels = 16;
  static constexpr size_t kMaxParkedBytes = 16 << 20;
  // A good outcome counts as a success from here on, where the strategy gives parts of one.
  static constexpr double kSuccess = 0.5;
  // Predictions that were served count as not nearer to 0 and 1 than this.
  static constexpr double kMostCertain = 1e-9;
  // One example moves the clock by which a model forgets at most so far on: one that a clock which
  // was ahead dates into the future makes it forget hardly anything, hundreds of them do. After a
  // longer pause the next examples move it on.
  static constexpr absl::Duration kMaxClockStep = absl::Hours(24);

  // An adaptive model of the strategy, with how good it is.
  struct Model {
    const strategy::AdaptiveUse* use = nullptr;
    std::string name;
    learning::AdaptiveModel learned;
    // Of what it predicted before it learned; nothing in mode logging.
    learning::ModelHealth health;
    // Of what decisions went by, without inputs; in mode online that is what it predicted when the
    // decision was made, in others what the model that serves did.
    learning::ModelHealth served;
  };

  // What could not be learned, since the object was made.
  struct Unlearned {
    uint64_t undeclared = 0;  // the treatment or the channel is not in the strategy
    uint64_t damaged = 0;     // the features or attributes as served can't be read
    uint64_t refused = 0;  // a model or the success rates have no room, or the reward is too large
  };

  // One that has read nothing. REQUIRES: the strategy has an attribution.
  explicit LearnerState(std::shared_ptr<const strategy::Strategy> strategy,
                        const outcome::AttributionLimits& limits = {});

  // Goes on from where Serialize was called, with this strategy, which may be another one than
  // then. A model whose inputs, crosses or half-life are others begins anew, or goes on from where
  // it was when it had them last; `notes` says so, in a line for each. DATA_LOSS: these are not
  // such bytes, or damaged. REQUIRES: as the constructor.
  static absl::StatusOr<LearnerState> Parse(std::string_view bytes,
                                            std::shared_ptr<const strategy::Strategy> strategy,
                                            std::vector<std::string>& notes,
                                            const outcome::AttributionLimits& limits = {});
  // Equal states have equal bytes.
  std::string Serialize() const;

  // As Attribution::Add, and learns from what settled.
  absl::Status Add(const storage::LogEntry& entry, outcome::Attribution::ReadAt read);
  // As Attribution::SkipTo.
  void SkipTo(uint64_t position) { attribution_.SkipTo(position); }
  // As Attribution::FallBackTo.
  void FallBackTo(uint64_t position) { attribution_.FallBackTo(position); }

  const outcome::Attribution& attribution() const { return attribution_; }
  const std::vector<Model>& models() const { return models_; }
  const learning::SuccessRates& rates() const { return rates_; }
  const Unlearned& unlearned() const { return unlearned_; }

 private:
  void MakeModels();
  void Learn(const outcome::AttributedOutcome& outcome);
  // Sets what the decision saw. False: what is stored of it can't be read, or is not declared.
  bool ReadSituation(const outcome::AttributedOutcome& outcome);
  void LearnBy(Model& model, int treatment, const outcome::AttributedOutcome& outcome);
  void CountRefused(const absl::Status& status) { unlearned_.refused += status.ok() ? 0 : 1; }
  absl::Status ParseModel(std::string_view key, std::string_view bytes,
                          std::vector<std::string>& notes);
  void ForgetParked(std::vector<std::string>& notes);

  std::shared_ptr<const strategy::Strategy> strategy_;
  // By number of the NameDictionary: the index in the strategy.
  absl::flat_hash_map<uint32_t, int> treatments_;
  absl::flat_hash_map<uint32_t, int> channels_;
  absl::flat_hash_map<uint32_t, int> intents_;

  outcome::Attribution attribution_;
  learning::SuccessRates rates_;
  std::vector<Model> models_;                  // in the order of the strategy
  std::map<std::string, std::string> parked_;  // by key: as stored
  Unlearned unlearned_;

  // Memory of Learn.
  std::vector<ValueRef> features_;
  context::DecisionContext situation_;
  scoring::InputFrame frame_;
  std::vector<learning::InputValue> values_;
};

}  // namespace attune::service

#endif  // ATTUNE_SERVICE_LEARNER_STATE_H_
