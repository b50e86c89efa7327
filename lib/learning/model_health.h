#ifndef ATTUNE_LIB_LEARNING_MODEL_HEALTH_H_
#define ATTUNE_LIB_LEARNING_MODEL_HEALTH_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "lib/base/codec.h"
#include "lib/learning/forward_decay.h"
#include "lib/learning/input_layout.h"
#include "lib/learning/value_sample.h"

// The state of a model's health as bytes:
//
//   state     := format(1 byte, 1) fingerprint of the layout(8 bytes) decay varint(responses)
//                positives(8 bytes) loss(8 bytes) sums(scores) has_reference(1 byte)
//                (gathered | reference) CRC-32C of all before(4 bytes)
//   gathered  := sample sums(counts)
//   reference := edges* sums(counts) sums(recent)
//   edges     := varint(edges) edge(8 bytes)*            per number, ascending
//   sums      := varint(sums) (varint(place - the one before) sum(8 bytes))*   those not 0
//   decay     := as of ForwardDecay::Encode
//   sample    := as of ValueSample::Encode

namespace attune::learning {

// How a model does. Means are of the recent responses: one counts half after each half-life.
struct HealthReport {
  static constexpr size_t kCalibrationBins = 10;

  // Responses whose predictions lie next to each other: with few different predictions some bins
  // are empty.
  struct CalibrationBin {
    double count = 0;     // of recent responses, by weight
    double expected = 0;  // mean propensity; 0 without responses
    double observed = 0;  // mean label; 0 without responses
  };

  // Of all time, whatever they weigh.
  uint64_t responses = 0;
  double positives = 0;  // sum of the labels
  absl::Time last_update = absl::InfinitePast();

  // Of the recent responses, by their weights.
  double recent = 0;             // how many they count as: the sum of weights
  double log_loss = 0;           // mean, in nats; 0 without responses
  double constant_log_loss = 0;  // of a model that always says their rate: what a model must beat
  std::optional<double> auc;     // none without positives, or with nothing else
  std::array<CalibrationBin, kCalibrationBins> calibration;
  // Population stability index by input of the layout, beyond what it is expected to be without any
  // change: up to 0.1 little has changed, above 0.25 much (Siddiqi: Credit Risk Scorecards, 2006).
  // Without change the index of B bins is about (B - 1) (1 / responses that are compared with + 1 /
  // recent ones) (Yurdakul: Statistical Properties of Population Stability Index, 2018): with 1000
  // and 500, 0.036 for a number. That is subtracted; what is less than 0 is 0. With a half-life
  // chance makes less of it, for then more responses than they count as tell; so up to twice as
  // much is subtracted. None before there are ModelHealth::kReference responses to compare with and
  // kMinRecent recent ones.
  std::vector<std::optional<double>> drift;
};

struct HealthOptions {
  // Zero: all responses are recent. Event time.
  absl::Duration half_life = absl::Hours(24 * 7);
};

// One response: what a model said before it learned from it, and what came.
struct Response {
  uint64_t id = 0;  // as of Example, as are time and written
  absl::Time time;
  double propensity = 0;
  double label = 0;
  absl::Span<const InputValue> inputs;
  absl::Time written = absl::InfiniteFuture();
  // As of Example. It counts for all that is measured but the inputs: drift compares what came.
  double weight = 1;
};

// How good a model's predictions are, in bounded memory. Each response is predicted before it is
// learned (Dawid: Prequential Analysis, 1984), so none of it flatters the model. Not thread-safe.
//
// - AUC: the chance that a positive has a higher propensity than another, over a histogram of
//   kScoreBuckets equal parts of the log-odds from -10 to 10; those of one bucket are ties. So it
//   is off by less than half of the pairs in one bucket.
// - Calibration: the buckets, put together to ten bins with about as many responses each. Bins of
//   equal width would have nearly all responses in the first one where positives are rare.
// - Drift: the first kReference responses are what is compared with. A number has ten bins, between
//   its quantiles there, and one below and one above all that were there, so that one that never
//   changed is seen to change; a category is hashed into kCategoryBins, a bool has two; missing
//   values have a bin of their own. Half a response is added to each, so that none is empty.
class ModelHealth {
 public:
  static constexpr size_t kScoreBuckets = 256;
  static constexpr uint64_t kReference = ValueSample::kRows;
  static constexpr double kMinRecent = 500;
  static constexpr size_t kNumberBins = 10;
  static constexpr size_t kCategoryBins = 16;

  // REQUIRES: layout is not null.
  ModelHealth(std::shared_ptr<const InputLayout> layout, const HealthOptions& options);

  // INVALID_ARGUMENT, nothing counted: a propensity that is not between 0 and 1, a label that is
  // not 0 to 1, a weight that is not above 0 and at most AdaptiveModel::kMaxExampleWeight, a time
  // in the infinite future, a wrong number of inputs.
  absl::Status Add(const Response& response);

  // An empty one that compares with the same responses: so replicas start that are to be merged.
  ModelHealth NewReplica() const;

  // Adds what the other one counted. Where only one of them has responses to compare with, drift is
  // that one's. FAILED_PRECONDITION, nothing changed: the layouts or half-lives differ, or they
  // compare with different responses. REQUIRES: no response was counted by both, so neither is a
  // copy of the other or from its bytes (see NewReplica); it would count twice, which can't be
  // detected.
  absl::Status Merge(const ModelHealth& other);

  HealthReport Report() const;
  // As in the report: when the latest response settled; -infinity before there was one.
  absl::Time last_update() const { return decay_.now(); }

  std::string Serialize() const;
  // DATA_LOSS: these are not such bytes, or damaged. FAILED_PRECONDITION: of a model with other
  // inputs or another half-life.
  static absl::StatusOr<ModelHealth> Parse(std::string_view bytes,
                                           std::shared_ptr<const InputLayout> layout,
                                           const HealthOptions& options);

 private:
  // Sums of one bucket of the histogram, in units of the decay's landmark.
  enum Sum : size_t { kCount, kPropensities, kLabels, kSums };
  // What drift is measured against.
  struct Reference {
    std::vector<std::vector<double>> edges;  // by column: bin i ends below edge i
    std::vector<double> counts;              // by bin of all inputs
    bool operator==(const Reference&) const = default;
  };

  void Multiply(double factor);
  void AddToDrift(const Response& response, double stored);
  // Of a value that isn't a number, or is missing.
  size_t DiscreteBin(size_t input, const InputValue& value) const;
  size_t NumberBin(size_t input, double number) const;
  void SetReference();
  double DriftOf(size_t input) const;
  void FillCalibration(HealthReport& report) const;
  double SumOf(size_t bucket, Sum sum) const { return scores_[bucket * kSums + sum]; }
  absl::Status ParseDrift(ByteReader& reader);

  std::shared_ptr<const InputLayout> layout_;
  std::vector<size_t> first_bin_;  // of each input, and the number of all
  ForwardDecay decay_;
  uint64_t responses_ = 0;
  double positives_ = 0;
  double loss_ = 0;             // as kSums
  std::vector<double> scores_;  // of bucket b and sum s at b * kSums + s
  // Until there is a reference: numbers, and counts of all other bins.
  ValueSample gathered_;
  std::vector<double> gathered_counts_;
  std::optional<Reference> reference_;
  std::vector<double> recent_;   // by bin, as kSums
  std::vector<double> numbers_;  // memory of Add
};

}  // namespace attune::learning

#endif  // ATTUNE_LIB_LEARNING_MODEL_HEALTH_H_
