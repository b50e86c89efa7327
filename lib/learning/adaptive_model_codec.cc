#include <cmath>
#include <limits>
#include <optional>
#include <utility>

#include "lib/base/codec.h"
#include "lib/learning/adaptive_model.h"
#include "lib/storage/crc32c.h"

namespace attune::learning {
namespace {

constexpr uint8_t kFormat = 1;
// Far beyond what examples add up to, and so far from what a double can hold that no sum, product
// or quotient of such numbers gets there.
constexpr double kMostLearned = 1e100;

absl::Status Damaged() { return absl::DataLossError("the stored state of a model is damaged"); }

void PutEffect(std::string& out, const std::vector<double>& precision,
               const std::vector<double>& shift) {
  const auto learned = [&](size_t i) { return precision[i] != 0 || shift[i] != 0; };
  size_t count = 0;
  for (size_t i = 0; i < precision.size(); ++i) count += learned(i) ? 1 : 0;
  PutVarint(out, count);
  size_t before = 0;
  for (size_t i = 0; i < precision.size(); ++i) {
    if (!learned(i)) continue;
    PutVarint(out, i - before);
    PutFixed(out, precision[i]);
    PutFixed(out, shift[i]);
    before = i;
  }
}

// False: these are no bytes of an effect.
bool ReadEffect(ByteReader& reader, std::vector<double>& precision, std::vector<double>& shift) {
  const uint64_t count = reader.Varint();
  if (count > precision.size()) return false;
  uint64_t at = 0;
  for (uint64_t i = 0; i < count; ++i) {
    const uint64_t step = reader.Varint();
    if (!reader.ok() || step >= precision.size() - at || (i > 0 && step == 0)) return false;
    at += step;
    precision[at] = reader.Fixed<double>();
    shift[at] = reader.Fixed<double>();
    if (!(precision[at] >= 0 && precision[at] <= kMostLearned) ||
        !(std::abs(shift[at]) <= kMostLearned)) {
      return false;
    }
  }
  return reader.ok();
}

std::optional<std::vector<double>> ReadKnots(ByteReader& reader, size_t most) {
  const uint64_t count = reader.Varint();
  if (count > most) return std::nullopt;
  std::vector<double> knots;
  for (uint64_t i = 0; i < count; ++i) {
    const auto knot = reader.Fixed<double>();
    if (!std::isfinite(knot) || (i > 0 && knot <= knots.back())) return std::nullopt;
    knots.push_back(knot);
  }
  return knots;
}

}  // namespace

uint64_t AdaptiveModel::KindOf(std::string_view bytes) {
  ByteReader reader(bytes);
  reader.Fixed<uint8_t>();  // the format
  const uint64_t fingerprint = reader.Fixed<uint64_t>();
  const uint64_t half_life = reader.Varint();
  std::string kind;
  PutFixed(kind, fingerprint);
  PutVarint(kind, half_life);
  return HashOfCategory(kind);
}

std::string AdaptiveModel::Serialize() const {
  std::string out;
  PutFixed(out, kFormat);
  PutFixed(out, layout_->fingerprint());
  decay_.Encode(out);
  sample_.Encode(out);
  PutVarint(out, examples_);
  for (const std::vector<double>& knots : encoder_->knots()) {
    PutVarint(out, knots.size());
    for (const double knot : knots) PutFixed(out, knot);
  }
  PutEffect(out, all_.precision, all_.shift);
  PutVarint(out, groups_.size());
  for (const auto& [group, effect] : groups_) {
    PutVarint(out, group);
    PutEffect(out, effect.precision, effect.shift);
  }
  PutVarint(out, treatments_.size());
  for (const auto& [number, treatment] : treatments_) {
    PutVarint(out, number);
    PutVarint(out, treatment.group);
    PutVarint(out, ZigZag(treatment.group_time_us));
    PutVarint(out, treatment.examples);
    PutFixed(out, treatment.evidence);
    PutEffect(out, treatment.effect.precision, treatment.effect.shift);
  }
  PutFixed(out, storage::Crc32c(out));
  return out;
}

absl::StatusOr<AdaptiveModel> AdaptiveModel::Parse(std::string_view bytes,
                                                   std::shared_ptr<const InputLayout> layout,
                                                   const AdaptiveOptions& options) {
  absl::StatusOr<AdaptiveModel> model = Create(std::move(layout), options);
  if (!model.ok()) return model;
  if (bytes.size() < sizeof(uint32_t)) return Damaged();
  const std::string_view body = bytes.substr(0, bytes.size() - sizeof(uint32_t));
  ByteReader checksum(bytes.substr(body.size()));
  if (checksum.Fixed<uint32_t>() != storage::Crc32c(body)) return Damaged();
  ByteReader reader(body);
  if (reader.Fixed<uint8_t>() != kFormat) {
    return absl::DataLossError("the stored state of a model has an unknown format");
  }
  if (reader.Fixed<uint64_t>() != model->layout_->fingerprint()) {
    return absl::FailedPreconditionError("the stored state is of a model with other inputs");
  }
  absl::StatusOr<ForwardDecay> decay = ForwardDecay::Decode(reader);
  if (!decay.ok()) return Damaged();
  if (decay->half_life_us() != model->decay_.half_life_us()) {
    return absl::FailedPreconditionError("the stored state is of a model with another half-life");
  }
  model->decay_ = *decay;
  absl::StatusOr<ValueSample> sample = ValueSample::Decode(reader, model->layout_->columns());
  if (!sample.ok()) return Damaged();
  model->sample_ = *std::move(sample);
  model->examples_ = reader.Varint();
  if (absl::Status status = model->ParseEffects(reader); !status.ok()) return status;
  return reader.ok() && reader.done() ? std::move(model) : Damaged();
}

absl::Status AdaptiveModel::ParseEffects(ByteReader& reader) {
  std::vector<std::vector<double>> knots(layout_->columns());
  for (const InputLayout::Input& input : layout_->inputs()) {
    if (input.kind != InputKind::kNumber) continue;
    std::optional<std::vector<double>> read = ReadKnots(reader, input.weights - 1);
    if (!read.has_value()) return Damaged();
    knots[input.column] = *std::move(read);
  }
  encoder_ = std::make_shared<const InputEncoder>(layout_, std::move(knots));
  if (!ReadEffect(reader, all_.precision, all_.shift)) return Damaged();
  // Numbers ascend; -1 stands for none before the first.
  int64_t before = -1;
  const auto ascends = [&before](uint64_t number) {
    if (number > std::numeric_limits<uint32_t>::max()) return false;
    return std::exchange(before, static_cast<int64_t>(number)) < static_cast<int64_t>(number);
  };
  const uint64_t groups = reader.Varint();
  if (groups > options_.max_groups) {
    return absl::ResourceExhaustedError("the stored state has more groups than max_groups");
  }
  for (uint64_t i = 0; i < groups; ++i) {
    const uint64_t group = reader.Varint();
    if (!reader.ok() || !ascends(group)) return Damaged();
    Effect& effect = groups_[static_cast<uint32_t>(group)] = NewEffect();
    if (!ReadEffect(reader, effect.precision, effect.shift)) return Damaged();
  }
  const uint64_t treatments = reader.Varint();
  if (treatments > options_.max_treatments) {
    return absl::ResourceExhaustedError("the stored state has more treatments than max_treatments");
  }
  before = -1;
  for (uint64_t i = 0; i < treatments; ++i) {
    const uint64_t number = reader.Varint();
    const uint64_t group = reader.Varint();
    const int64_t group_time_us = UnZigZag(reader.Varint());
    const uint64_t examples = reader.Varint();
    const auto evidence = reader.Fixed<double>();
    if (!reader.ok() || !ascends(number) || group > std::numeric_limits<uint32_t>::max() ||
        !groups_.contains(static_cast<uint32_t>(group)) ||
        !(evidence >= 0 && evidence <= kMostLearned)) {
      return Damaged();
    }
    Treatment& treatment = treatments_[static_cast<uint32_t>(number)];
    treatment = {static_cast<uint32_t>(group), group_time_us, examples, evidence, NewEffect()};
    if (!ReadEffect(reader, treatment.effect.precision, treatment.effect.shift)) return Damaged();
  }
  return absl::OkStatus();
}

}  // namespace attune::learning
