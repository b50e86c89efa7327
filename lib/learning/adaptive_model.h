#ifndef ATTUNE_LIB_LEARNING_ADAPTIVE_MODEL_H_
#define ATTUNE_LIB_LEARNING_ADAPTIVE_MODEL_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "lib/base/codec.h"
#include "lib/learning/adaptive_snapshot.h"
#include "lib/learning/forward_decay.h"
#include "lib/learning/input_layout.h"
#include "lib/learning/logistic.h"
#include "lib/learning/value_sample.h"

// The state of an adaptive model as bytes:
//
//   state   := format(1 byte, 1) fingerprint of the layout(8 bytes) decay sample
//              varint(examples) knots* effect(of all)
//              varint(groups) (varint(group) effect)*          by ascending group
//              varint(treatments) treatment*                  ascending
//              CRC-32C of all before(4 bytes)
//   treatment := varint(treatment) varint(group) zigzag(time of the group in µs) varint(examples)
//              evidence(8 bytes) effect
//   knots   := varint(knots) knot(8 bytes)*                    per number, ascending
//   effect  := varint(weights) (varint(weight - the one before) precision(8 bytes)
//              shift(8 bytes))*                                those that learned something
//   decay   := as of ForwardDecay::Encode
//   sample  := as of ValueSample::Encode
//
// Numbers of 8 bytes are little-endian.

namespace attune::learning {

// How far weights are expected from 0 before anything was learned: the variances of their normal
// distributions, in log-odds squared, 1e-9 to 1000. Small ones learn slowly and are right where an
// effect has little to do with what it stands for.
struct PriorVariances {
  double all = 0;        // what is common to all treatments
  double group = 0;      // by how much a group differs from that
  double treatment = 0;  // by how much a treatment differs from its group
};

struct AdaptiveOptions {
  PriorVariances intercept{2, 0.5, 0.5};
  PriorVariances weight{0.06, 0.02, 0.02};
  // The propensity before anything was learned, above 0 and below 1: exactly that without inputs.
  // Each input brings it a little nearer to 0.5, for the weights of the inputs are uncertain as
  // well.
  double prior = 0.5;
  // After which time what was learned counts half; zero: it is never forgotten. Event time.
  absl::Duration half_life = absl::Hours(24 * 90);
  // One treatment more takes the place of one that is nearly forgotten (kForgottenEvidence); where
  // there is none, its examples are refused.
  uint32_t max_treatments = 1000;
  // Groups are never let go: examples of one more are refused.
  uint32_t max_groups = 100;
};

// One thing that happened to a treatment that was shown.
struct Example {
  // Names it among all examples of all replicas.
  uint64_t id = 0;
  // When it happened, says who sent it; what is later than `written` counts as that.
  absl::Time time;
  uint32_t treatment = 0;
  // That the treatment was in. It is the one that the treatment is predicted with from now on,
  // unless there was an example of a later time before.
  uint32_t group = 0;
  // How good it was: 0 to 1.
  double label = 0;
  // How often it counts (as an importance weight), above 0.
  double weight = 1;
  absl::Span<const InputValue> inputs;
  // When the log wrote it, by a clock that is trusted; without it `time` is.
  absl::Time written = absl::InfiniteFuture();
};

// Logistic regression that learns from one example after the other, for many treatments at once.
// The log-odds of a treatment are a sum over the weights that have a part in the situation, and
// each weight is the sum of three effects: of all treatments, of the group, of the treatment. All
// start from normal distributions around 0 (the intercept of all around what makes it the prior),
// so a treatment that nothing is known of does as its group does, and a group as all do. Not
// thread-safe: AdaptiveSnapshot is what others read.
//
// Each weight is kept as an independent normal distribution in natural parameters: the precision
// (1 / variance) and the shift (precision x mean) that examples have added to those of the prior.
// An example is learned by assumed-density filtering (Opper: A Bayesian Approach to On-line
// Learning, 1998; with a probit in place of the logistic function it is adPredictor: Graepel,
// Quiñonero Candela, Borchert, Herbrich, ICML 2010): Laplace's approximation of what it says of the
// log-odds (SurpriseOf), passed on to each weight in proportion to its part and its variance. With
// v the variance and m the mean of a weight, x its part, V = sum of x^2 v, and slope and curvature
// c of the example:
//
//   precision += d x^2 c / (1 + c (V - x^2 v))        mean := m + v x slope
//
// The approximation: that weights depend on each other through what they were learned from together
// is forgotten. Alone that understates what is known of their sum, so that recent examples move it
// too much; d = 1 + kOverlap (n - 1), for the n parts of the situation, makes up for it as the
// design effect of samples in clusters does (Kish: Survey Sampling, 1965). It was chosen on two
// sets of real data, in the order they came and shuffled: 0.02 to 0.1 differ by less than 1 % of
// log-loss. And the curvature of the logistic function is near 0 where one label only is seen, so
// what contradicts it then is learned fast.
//
// What examples add is additive. So forgetting multiplies it (towards the prior), and replicas are
// merged by summing it. All is deterministic to the bit: the same examples in the same order, with
// the same options, give the same bytes, whatever snapshots were taken and wherever it was stored
// and read in between; on one kind of processor with one C library, as the last bit of exp is
// theirs.
//
// Memory: 16 bytes per weight and effect, with 1 + groups + treatments effects of layout.weights()
// weights each; kMaxWeights of them in all.
class AdaptiveModel {
 public:
  static constexpr size_t kMaxWeights = size_t{1} << 24;
  static constexpr double kMaxExampleWeight = 1000;
  // The least is as good as none, and its precision far from what a double can hold.
  static constexpr double kMinVariance = 1e-9;
  static constexpr double kMaxVariance = 1000;
  // Knots are set from the sample when so many examples were learned, and anew each time there are
  // twice as many; what was learned is moved (MoveKnots). Until then numbers have no part.
  static constexpr uint64_t kFirstKnots = 64;
  // A treatment may be let go for another when its examples, decayed, count less than so many of
  // weight 1: then it is predicted nearly as its group is. What it taught its group and all stays.
  static constexpr double kForgottenEvidence = 1;
  // By how much the inputs tell the same, on average: 0 would be nothing.
  static constexpr double kOverlap = 0.06;

  // INVALID_ARGUMENT with all that is wrong with the options: a variance, the prior or a limit out
  // of range, more than kMaxWeights weights. REQUIRES: layout is not null.
  static absl::StatusOr<AdaptiveModel> Create(std::shared_ptr<const InputLayout> layout,
                                              const AdaptiveOptions& options);

  // Learns the example and returns what was predicted for it before, which is what an honest
  // measure of the model (prequential) goes by. Takes about 25 ns per input and effect, and
  // allocates for a treatment or group that is new. When a treatment is new and there are
  // max_treatments, the one with the least evidence is let go, of equal ones the lowest number, if
  // it has less than kForgottenEvidence at the time of the example. When knots are set anew, about
  // 2 ms per 100 effects. INVALID_ARGUMENT, nothing learned: a label or weight that is NaN or out
  // of range, a time in the infinite future, a wrong number of inputs. RESOURCE_EXHAUSTED, nothing
  // learned: one group too many, or one treatment and none to let go.
  absl::StatusOr<Prediction> Learn(const Example& example);

  // What the model says of a treatment; of one that it doesn't know, what its group or all say. The
  // group given is for these alone: of a known one it is that of its latest example. REQUIRES: one
  // value per input.
  Prediction Predict(uint32_t treatment, uint32_t group, absl::Span<const InputValue> inputs) const;

  // Adds what the other one learned, about as if its examples had been learned here: what was
  // learned apart was not known to the other one, so the predictions of both, merged, differ a
  // little from those of one that learned all. Knots are those of both samples.
  // FAILED_PRECONDITION: the layouts or half-lives differ; RESOURCE_EXHAUSTED: together they have
  // too many treatments or groups, for none is let go here. Then nothing is changed. REQUIRES: no
  // example was learned by both; so they don't start from the same stored state, for that would
  // count twice. This can't be detected, neither that other priors were learned with, nor that
  // treatments and groups have other numbers there.
  absl::Status Merge(const AdaptiveModel& other);

  // What the model knows, for many to read. Takes time and memory for all weights: 8 bytes per
  // weight and row, about 15 ns each.
  std::shared_ptr<const AdaptiveSnapshot> MakeSnapshot() const;

  // Tells states apart that can't go on from each other: those with other inputs, crosses or
  // another half-life. `bytes`: of Serialize.
  static uint64_t KindOf(std::string_view bytes);

  // The state; equal states have equal bytes. Priors and limits are not part of it.
  std::string Serialize() const;
  // Takes memory for whatever treatments the bytes claim, learned or not: up to the limits,
  // 256 MiB at most. DATA_LOSS: these are not such bytes, or damaged. FAILED_PRECONDITION: the
  // state of a model with other inputs or another half-life. RESOURCE_EXHAUSTED: it has more
  // treatments or groups than the limits. Else as Create.
  static absl::StatusOr<AdaptiveModel> Parse(std::string_view bytes,
                                             std::shared_ptr<const InputLayout> layout,
                                             const AdaptiveOptions& options);

  // How many examples were learned, with those of merged models.
  uint64_t examples() const { return examples_; }
  // Of one treatment, since it was let go last; 0 of one that it doesn't know.
  uint64_t ExamplesOf(uint32_t treatment) const;
  size_t treatments() const { return treatments_.size(); }
  size_t groups() const { return groups_.size(); }
  // The latest time of an example; -infinity without any.
  absl::Time last_update() const { return decay_.now(); }
  const InputEncoder& encoder() const { return *encoder_; }

 private:
  // What examples have added to the priors of all weights, in units of the decay's landmark.
  struct Effect {
    std::vector<double> precision;
    std::vector<double> shift;
  };
  struct Treatment {
    uint32_t group = 0;         // of its latest example
    int64_t group_time_us = 0;  // of that example, since 1970
    uint64_t examples = 0;
    double evidence = 0;  // weights of examples, in units of the decay's landmark
    Effect effect;
  };
  // One of the effects that are summed, and the precisions of its priors.
  struct Level {
    const Effect* effect = nullptr;  // null: nothing was learned
    double intercept_precision = 0;
    double weight_precision = 0;
    double intercept_mean = 0;  // before anything was learned
  };
  using Levels = std::array<Level, 3>;
  // Of one weight of one effect, now.
  struct Belief {
    double precision = 0;
    double mean = 0;
  };

  AdaptiveModel(std::shared_ptr<const InputLayout> layout, const AdaptiveOptions& options);

  Effect NewEffect() const;
  absl::Status Check(const Example& example) const;
  // The treatment that may be let go for another at that time; the end where there is none.
  std::map<uint32_t, Treatment>::const_iterator FindForgotten(absl::Time time) const;
  void Forget(absl::Time time);
  // Multiplies all that was learned.
  void Multiply(double factor);
  static void Multiply(Effect& effect, double factor);
  Levels LevelsOf(const Effect* group, const Effect* treatment) const;
  Belief BeliefOf(const Level& level, uint32_t weight) const;
  Prediction PredictEncoded(const Levels& levels, const EncodedInputs& inputs) const;
  // Passes on to the weights of one effect what the example says of their sum, whose variance this
  // is.
  void LearnEncoded(const Level& level, const Surprise& surprise, double variance, Effect& effect);
  // Sets the knots that the sample asks for, and moves what was learned.
  void SetKnots();
  // Takes over the knots of numbers that have none here, and so nothing to move.
  void AdoptKnots(const InputEncoder& other);
  // Moves what one effect learned at the knots of one encoder to those of another.
  void MoveEffect(const InputEncoder& from, const InputEncoder& to, Effect& effect) const;
  // Reads knots and effects into a new model.
  absl::Status ParseEffects(ByteReader& reader);
  template <typename Visitor>
  void ForEachEffect(Visitor visit);

  std::shared_ptr<const InputLayout> layout_;
  AdaptiveOptions options_;
  double
      intercept_mean_;  // of all treatments, before anything was learned: what makes it the prior
  std::shared_ptr<const InputEncoder> encoder_;
  ForwardDecay decay_;
  ValueSample sample_;
  uint64_t examples_ = 0;
  Effect all_;
  std::map<uint32_t, Effect> groups_;
  std::map<uint32_t, Treatment> treatments_;
  // Memory of Learn.
  EncodedInputs encoded_;
  std::vector<double> numbers_;
};

}  // namespace attune::learning

#endif  // ATTUNE_LIB_LEARNING_ADAPTIVE_MODEL_H_
