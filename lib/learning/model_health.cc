#include "lib/learning/model_health.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "absl/strings/str_format.h"
#include "lib/learning/adaptive_model.h"
#include "lib/learning/logistic.h"
#include "lib/storage/crc32c.h"

namespace attune::learning {
namespace {

constexpr uint8_t kHealthFormat = 1;
// What stored sums may be: far beyond what responses add up to, and so far from what a double can
// hold that no product of two gets there.
constexpr double kMostSum = 1e100;
constexpr size_t kMissingBin = 0;
// Between numbers that are below all in the reference, the bins there, and those above all.
constexpr size_t kMaxEdges = ModelHealth::kNumberBins + 1;

size_t BucketOf(double propensity) {
  constexpr double kFarthest = 10;
  const double log_odds = std::log(propensity) - std::log1p(-propensity);
  const double place = (std::clamp(log_odds, -kFarthest, kFarthest) + kFarthest) / (2 * kFarthest);
  return std::min(ModelHealth::kScoreBuckets - 1,
                  static_cast<size_t>(place * static_cast<double>(ModelHealth::kScoreBuckets)));
}

size_t BinsOf(InputKind kind) {
  switch (kind) {
    case InputKind::kNumber:
      return 1 + kMaxEdges + 1;
    case InputKind::kBool:
      return 3;
    case InputKind::kCategory:
      break;
  }
  return 1 + ModelHealth::kCategoryBins;
}

// The edges between bins of numbers; none of no numbers. REQUIRES: sorted, finite.
std::vector<double> EdgesOf(const std::vector<double>& sorted) {
  std::vector<double> edges;
  if (sorted.empty()) return edges;
  edges.push_back(sorted.front());
  for (size_t part = 1; part < ModelHealth::kNumberBins; ++part) {
    const double edge = sorted[part * sorted.size() / ModelHealth::kNumberBins];
    if (edge > edges.back()) edges.push_back(edge);
  }
  // Above the last number; there is none above the largest of all.
  const double above = std::nextafter(sorted.back(), std::numeric_limits<double>::infinity());
  if (std::isfinite(above)) edges.push_back(above);
  return edges;
}

void AddSums(const std::vector<double>& from, double factor, std::vector<double>& to) {
  for (size_t i = 0; i < to.size(); ++i) to[i] += from[i] * factor;
}

void PutSums(std::string& out, const std::vector<double>& sums) {
  PutVarint(out, sums.size() - static_cast<size_t>(std::count(sums.begin(), sums.end(), 0.0)));
  size_t before = 0;
  for (size_t i = 0; i < sums.size(); ++i) {
    if (sums[i] == 0) continue;
    PutVarint(out, i - before);
    PutFixed(out, sums[i]);
    before = i;
  }
}

// False: these are no sums, or one of them is negative or beyond kMostSum.
bool ReadSums(ByteReader& reader, std::vector<double>& sums) {
  const uint64_t count = reader.Varint();
  if (count > sums.size()) return false;
  uint64_t at = 0;
  for (uint64_t i = 0; i < count; ++i) {
    const uint64_t step = reader.Varint();
    if (!reader.ok() || step >= sums.size() - at || (i > 0 && step == 0)) return false;
    at += step;
    sums[at] = reader.Fixed<double>();
    if (!(sums[at] > 0 && sums[at] <= kMostSum)) return false;
  }
  return reader.ok();
}

}  // namespace

ModelHealth::ModelHealth(std::shared_ptr<const InputLayout> layout, const HealthOptions& options)
    : layout_(std::move(layout)),
      decay_(options.half_life),
      scores_(kScoreBuckets * kSums),
      gathered_(layout_->columns()),
      numbers_(layout_->columns()) {
  first_bin_.push_back(0);
  for (const InputLayout::Input& input : layout_->inputs()) {
    first_bin_.push_back(first_bin_.back() + BinsOf(input.kind));
  }
  gathered_counts_.resize(first_bin_.back());
  recent_.resize(first_bin_.back());
}

absl::Status ModelHealth::Add(const Response& response) {
  if (!(response.propensity > 0 && response.propensity < 1)) {
    return absl::InvalidArgumentError(
        absl::StrFormat("the propensity is %g; it must be between 0 and 1", response.propensity));
  }
  if (!(response.label >= 0 && response.label <= 1)) {
    return absl::InvalidArgumentError(
        absl::StrFormat("the label is %g; it must be 0 to 1", response.label));
  }
  if (!(response.weight > 0 && response.weight <= AdaptiveModel::kMaxExampleWeight)) {
    return absl::InvalidArgumentError(
        absl::StrFormat("the weight is %g; it must be above 0 and at most %g", response.weight,
                        AdaptiveModel::kMaxExampleWeight));
  }
  const absl::Time time = TrustedTime(response.time, response.written);
  if (time == absl::InfiniteFuture()) {
    return absl::InvalidArgumentError("the time is infinite, and when it was written is not known");
  }
  if (response.inputs.size() != layout_->inputs().size()) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "there are %d inputs; the model has %d", response.inputs.size(), layout_->inputs().size()));
  }
  Multiply(decay_.AdvanceTo(time));
  const double one = decay_.WeightOf(time) / decay_.scale();
  const double stored = response.weight * one;
  ++responses_;
  positives_ += response.label;
  loss_ += stored * LogLoss(response.propensity, response.label);
  double* const bucket = &scores_[BucketOf(response.propensity) * kSums];
  bucket[kCount] += stored;
  bucket[kPropensities] += stored * response.propensity;
  bucket[kLabels] += stored * response.label;
  AddToDrift(response, one);
  return absl::OkStatus();
}

void ModelHealth::Multiply(double factor) {
  if (factor == 1) return;
  loss_ *= factor;
  for (double& sum : scores_) sum *= factor;
  for (double& sum : recent_) sum *= factor;
}

// Drift.

void ModelHealth::AddToDrift(const Response& response, double stored) {
  for (size_t i = 0; i < layout_->inputs().size(); ++i) {
    const InputLayout::Input& input = layout_->inputs()[i];
    const InputValue& value = response.inputs[i];
    const bool is_number = input.kind == InputKind::kNumber;
    if (is_number) numbers_[input.column] = value.number();
    if (reference_.has_value()) {
      recent_[is_number ? NumberBin(i, value.number()) : DiscreteBin(i, value)] += stored;
    } else if (!is_number) {
      gathered_counts_[DiscreteBin(i, value)] += 1;
    }
  }
  if (reference_.has_value()) return;
  gathered_.Add(response.id, numbers_);
  if (responses_ >= kReference) SetReference();
}

size_t ModelHealth::DiscreteBin(size_t input, const InputValue& value) const {
  const size_t first = first_bin_[input];
  if (layout_->inputs()[input].kind == InputKind::kCategory) {
    if (!value.has_text()) return first + kMissingBin;
    return first + 1 + HashOfCategory(value.text()) % kCategoryBins;
  }
  if (std::isnan(value.number())) return first + kMissingBin;
  return first + (value.number() != 0 ? 2 : 1);
}

size_t ModelHealth::NumberBin(size_t input, double number) const {
  if (!std::isfinite(number)) return first_bin_[input] + kMissingBin;  // as in the sample
  const std::vector<double>& edges = reference_->edges[layout_->inputs()[input].column];
  const auto above = std::upper_bound(edges.begin(), edges.end(), number);
  return first_bin_[input] + 1 + static_cast<size_t>(above - edges.begin());
}

void ModelHealth::SetReference() {
  reference_.emplace();
  reference_->edges.resize(layout_->columns());
  reference_->counts = std::move(gathered_counts_);
  for (size_t i = 0; i < layout_->inputs().size(); ++i) {
    const InputLayout::Input& input = layout_->inputs()[i];
    if (input.kind != InputKind::kNumber) continue;
    const std::vector<double> sorted = gathered_.Sorted(input.column);
    reference_->edges[input.column] = EdgesOf(sorted);
    for (const double number : sorted) reference_->counts[NumberBin(i, number)] += 1;
    reference_->counts[first_bin_[i] + kMissingBin] +=
        static_cast<double>(gathered_.rows() - sorted.size());
  }
  gathered_counts_.assign(first_bin_.back(), 0.0);
  gathered_ = ValueSample(layout_->columns());
}

double ModelHealth::DriftOf(size_t input) const {
  constexpr double kAdded = 0.5;
  const size_t first = first_bin_[input];
  const size_t end = first_bin_[input + 1];
  const auto bins = static_cast<double>(end - first);
  double before = kAdded * bins;
  double now = kAdded * bins;
  for (size_t bin = first; bin < end; ++bin) {
    before += reference_->counts[bin];
    now += recent_[bin] * decay_.scale();
  }
  double index = 0;
  double used = 0;
  for (size_t bin = first; bin < end; ++bin) {
    const double was = (reference_->counts[bin] + kAdded) / before;
    const double is = (recent_[bin] * decay_.scale() + kAdded) / now;
    index += (is - was) * std::log(is / was);
    if (reference_->counts[bin] > 0 || recent_[bin] > 0) ++used;
  }
  // What chance makes of it, by Yurdakul; bins where nothing ever was have no part in that.
  const double by_chance = (used - 1) * (1 / before + 1 / now);
  return std::max(0.0, index - by_chance);
}

// Reports and replicas.

HealthReport ModelHealth::Report() const {
  HealthReport report;
  report.responses = responses_;
  report.positives = positives_;
  report.last_update = decay_.now();
  report.drift.resize(layout_->inputs().size());
  double count = 0;
  double labels = 0;
  double others = 0;  // in the buckets so far
  double above = 0;   // pairs in which the positive is above, ties by half
  for (size_t bucket = 0; bucket < kScoreBuckets; ++bucket) {
    const double positive = SumOf(bucket, kLabels);
    const double other = std::max(0.0, SumOf(bucket, kCount) - positive);
    above += positive * (others + other / 2);
    others += other;
    labels += positive;
    count += SumOf(bucket, kCount);
  }
  if (count > 0) {
    report.recent = count * decay_.scale();
    report.log_loss = loss_ / count;
    const double rate = std::clamp(labels / count, 0.0, 1.0);
    report.constant_log_loss = LogLoss(rate, rate);
    FillCalibration(report);
  }
  if (labels > 0 && others > 0) report.auc = above / labels / others;
  if (reference_.has_value()) {
    for (size_t i = 0; i < layout_->inputs().size(); ++i) {
      double recent = 0;
      for (size_t bin = first_bin_[i]; bin < first_bin_[i + 1]; ++bin) recent += recent_[bin];
      if (recent * decay_.scale() >= kMinRecent) report.drift[i] = DriftOf(i);
    }
  }
  return report;
}

void ModelHealth::FillCalibration(HealthReport& report) const {
  const double all = report.recent / decay_.scale();
  double before = 0;
  for (size_t bucket = 0; bucket < kScoreBuckets; ++bucket) {
    const double count = SumOf(bucket, kCount);
    if (!(count > 0)) continue;
    // A bucket goes where its middle lies.
    const double place = (before + count / 2) / all * HealthReport::kCalibrationBins;
    before += count;
    auto& bin =
        report
            .calibration[std::min(HealthReport::kCalibrationBins - 1, static_cast<size_t>(place))];
    bin.count += count;
    bin.expected += SumOf(bucket, kPropensities);
    bin.observed += SumOf(bucket, kLabels);
  }
  for (HealthReport::CalibrationBin& bin : report.calibration) {
    if (!(bin.count > 0)) continue;
    bin.expected /= bin.count;
    bin.observed /= bin.count;
    bin.count *= decay_.scale();
  }
}

ModelHealth ModelHealth::NewReplica() const {
  ModelHealth replica(layout_, {absl::Microseconds(decay_.half_life_us())});
  replica.reference_ = reference_;
  return replica;
}

absl::Status ModelHealth::Merge(const ModelHealth& other) {
  if (other.layout_->fingerprint() != layout_->fingerprint()) {
    return absl::FailedPreconditionError(
        "the health of models with different inputs can't be merged");
  }
  if (other.decay_.half_life_us() != decay_.half_life_us()) {
    return absl::FailedPreconditionError("health with different half-lives can't be merged");
  }
  if (reference_.has_value() && other.reference_.has_value() && reference_ != other.reference_) {
    return absl::FailedPreconditionError(
        "health that is compared with different responses can't be merged: start replicas with "
        "NewReplica");
  }
  const ModelHealth added = other;  // a copy, for the other may be this one
  const auto [mine, theirs] = decay_.Merge(added.decay_);
  Multiply(mine);
  responses_ += added.responses_;
  positives_ += added.positives_;
  loss_ += added.loss_ * theirs;
  AddSums(added.scores_, theirs, scores_);
  AddSums(added.recent_, theirs, recent_);
  if (reference_.has_value()) return absl::OkStatus();
  if (added.reference_.has_value()) {
    reference_ = added.reference_;
    gathered_counts_.assign(first_bin_.back(), 0.0);
    gathered_ = ValueSample(layout_->columns());
    return absl::OkStatus();
  }
  gathered_.Merge(added.gathered_);
  AddSums(added.gathered_counts_, 1, gathered_counts_);
  if (responses_ >= kReference) SetReference();
  return absl::OkStatus();
}

// Bytes.

std::string ModelHealth::Serialize() const {
  std::string out;
  PutFixed(out, kHealthFormat);
  PutFixed(out, layout_->fingerprint());
  decay_.Encode(out);
  PutVarint(out, responses_);
  PutFixed(out, positives_);
  PutFixed(out, loss_);
  PutSums(out, scores_);
  out.push_back(reference_.has_value() ? 1 : 0);
  if (reference_.has_value()) {
    for (const std::vector<double>& edges : reference_->edges) {
      PutVarint(out, edges.size());
      for (const double edge : edges) PutFixed(out, edge);
    }
    PutSums(out, reference_->counts);
    PutSums(out, recent_);
  } else {
    gathered_.Encode(out);
    PutSums(out, gathered_counts_);
  }
  PutFixed(out, storage::Crc32c(out));
  return out;
}

absl::StatusOr<ModelHealth> ModelHealth::Parse(std::string_view bytes,
                                               std::shared_ptr<const InputLayout> layout,
                                               const HealthOptions& options) {
  const absl::Status damaged = absl::DataLossError("the stored health of a model is damaged");
  ModelHealth health(std::move(layout), options);
  if (bytes.size() < sizeof(uint32_t)) return damaged;
  const std::string_view body = bytes.substr(0, bytes.size() - sizeof(uint32_t));
  ByteReader checksum(bytes.substr(body.size()));
  if (checksum.Fixed<uint32_t>() != storage::Crc32c(body)) return damaged;
  ByteReader reader(body);
  if (reader.Fixed<uint8_t>() != kHealthFormat) return damaged;
  if (reader.Fixed<uint64_t>() != health.layout_->fingerprint()) {
    return absl::FailedPreconditionError("the stored health is of a model with other inputs");
  }
  absl::StatusOr<ForwardDecay> decay = ForwardDecay::Decode(reader);
  if (!decay.ok()) return damaged;
  if (decay->half_life_us() != health.decay_.half_life_us()) {
    return absl::FailedPreconditionError("the stored health has another half-life");
  }
  health.decay_ = *decay;
  health.responses_ = reader.Varint();
  health.positives_ = reader.Fixed<double>();
  health.loss_ = reader.Fixed<double>();
  const auto is_sum = [](double sum) { return sum >= 0 && sum <= kMostSum; };
  if (!is_sum(health.positives_) || !is_sum(health.loss_) || !ReadSums(reader, health.scores_)) {
    return damaged;
  }
  if (!health.ParseDrift(reader).ok() || !reader.ok() || !reader.done()) return damaged;
  return health;
}

absl::Status ModelHealth::ParseDrift(ByteReader& reader) {
  const absl::Status damaged = absl::DataLossError("stored drift is damaged");
  const auto has_reference = reader.Fixed<uint8_t>();
  if (has_reference > 1) return damaged;
  if (has_reference == 0) {
    absl::StatusOr<ValueSample> gathered = ValueSample::Decode(reader, layout_->columns());
    if (!gathered.ok()) return damaged;
    gathered_ = *std::move(gathered);
    return ReadSums(reader, gathered_counts_) ? absl::OkStatus() : damaged;
  }
  reference_.emplace();
  for (size_t column = 0; column < layout_->columns(); ++column) {
    const uint64_t count = reader.Varint();
    if (count > kMaxEdges) return damaged;
    std::vector<double>& edges = reference_->edges.emplace_back();
    for (uint64_t i = 0; i < count; ++i) {
      const auto edge = reader.Fixed<double>();
      if (!std::isfinite(edge) || (i > 0 && edge <= edges.back())) return damaged;
      edges.push_back(edge);
    }
  }
  reference_->counts.resize(first_bin_.back());
  if (!ReadSums(reader, reference_->counts) || !ReadSums(reader, recent_)) return damaged;
  return absl::OkStatus();
}

}  // namespace attune::learning
