#include "service/learner_state.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "lib/base/absl_strings.h"
#include "lib/base/codec.h"
#include "lib/learning/input_layout.h"
#include "lib/storage/crc32c.h"

namespace attune::service {
namespace {

using Mode = strategy::AdaptiveUse::Mode;

constexpr uint8_t kLearnerFormat = 1;
constexpr char kKeySeparator = '\0';  // no name has it

absl::Status DamagedState() {
  return absl::DataLossError("the stored state of the learner is damaged");
}

// Of what decisions went by nothing is known but the predictions.
std::shared_ptr<const learning::InputLayout> NoInputs() {
  static const std::shared_ptr<const learning::InputLayout>* const kNone =
      new std::shared_ptr<const learning::InputLayout>(
          *learning::InputLayout::Create({}, {}, learning::InputLimits()));
  return *kNone;
}

// Names an example among all: of the position of its decision and the treatment.
uint64_t ExampleId(const outcome::AttributedOutcome& outcome) {
  std::string bytes;
  PutFixed(bytes, outcome.decision_position);
  PutFixed(bytes, outcome.treatment);
  return learning::HashOfCategory(bytes);
}

std::string BytesOf(const LearnerState::Model& model) {
  std::string bytes;
  PutBytes(bytes, model.learned.Serialize());
  PutBytes(bytes, model.health.Serialize());
  PutBytes(bytes, model.served.Serialize());
  return bytes;
}

// What follows the name in the key of a model that was learned with other inputs, crosses or
// another half-life than the strategy's.
std::string KindOf(std::string_view learned) {
  const uint64_t kind = learning::AdaptiveModel::KindOf(learned);
  std::string key(1, kKeySeparator);
  PutFixed(key, kind);
  return key;
}

// To when the next example may move the clock of a model on.
absl::Time LatestAfter(absl::Time last_update) {
  return last_update == absl::InfinitePast() ? absl::InfiniteFuture()
                                             : last_update + LearnerState::kMaxClockStep;
}

template <typename Table>
void FillIndex(const Table& table, absl::flat_hash_map<uint32_t, int>& index) {
  for (int i = 0; i < table.size(); ++i) index.emplace(table[i].number, i);
}

}  // namespace

LearnerState::LearnerState(std::shared_ptr<const strategy::Strategy> strategy,
                           const outcome::AttributionLimits& limits)
    : strategy_(std::move(strategy)),
      attribution_(strategy_->attribution, limits),
      features_(static_cast<size_t>(strategy_->features.size())) {
  const auto& treatments = strategy_->catalog.treatments;
  for (size_t i = 0; i < treatments.size(); ++i) {
    treatments_.emplace(treatments[i].number, static_cast<int>(i));
  }
  FillIndex(strategy_->context.channels, channels_);
  FillIndex(strategy_->context.intents, intents_);
  situation_.attributes.resize(static_cast<size_t>(strategy_->context.attributes.size()));
  MakeModels();
}

void LearnerState::MakeModels() {
  for (const strategy::AdaptiveUse& use : strategy_->adaptive) {
    const auto& layout = use.scorer->layout();
    models_.push_back({&use, strategy_->models.models[static_cast<size_t>(use.model)].name,
                       *learning::AdaptiveModel::Create(layout, use.scorer->options()),
                       learning::ModelHealth(layout, learning::HealthOptions()),
                       learning::ModelHealth(NoInputs(), learning::HealthOptions())});
  }
}

std::string LearnerState::Serialize() const {
  std::string bytes;
  PutFixed(bytes, kLearnerFormat);
  PutBytes(bytes, attribution_.Serialize());
  PutBytes(bytes, rates_.Serialize());
  std::map<std::string, std::string> models = parked_;
  for (const Model& model : models_) models[model.name] = BytesOf(model);
  PutVarint(bytes, models.size());
  for (const auto& [name, model] : models) {
    PutBytes(bytes, name);
    PutBytes(bytes, model);
  }
  PutFixed(bytes, storage::Crc32c(bytes));
  return bytes;
}

absl::StatusOr<LearnerState> LearnerState::Parse(std::string_view bytes,
                                                 std::shared_ptr<const strategy::Strategy> strategy,
                                                 std::vector<std::string>& notes,
                                                 const outcome::AttributionLimits& limits) {
  if (bytes.size() < sizeof(uint32_t)) return DamagedState();
  const std::string_view body = bytes.substr(0, bytes.size() - sizeof(uint32_t));
  if (ByteReader(bytes.substr(body.size())).Fixed<uint32_t>() != storage::Crc32c(body)) {
    return DamagedState();
  }
  ByteReader reader(body);
  if (reader.Fixed<uint8_t>() != kLearnerFormat) return DamagedState();
  const auto terms = strategy->attribution;
  LearnerState state(std::move(strategy), limits);
  absl::StatusOr<outcome::Attribution> attribution =
      outcome::Attribution::Parse(reader.SizedBytes(), terms, limits);
  if (!attribution.ok()) return attribution.status();
  state.attribution_ = *std::move(attribution);
  absl::StatusOr<learning::SuccessRates> rates = learning::SuccessRates::Parse(reader.SizedBytes());
  if (!rates.ok()) return rates.status();
  state.rates_ = *std::move(rates);
  const uint64_t models = reader.Varint();
  for (uint64_t i = 0; i < models && reader.ok(); ++i) {
    const std::string_view name = reader.SizedBytes();
    const std::string_view model = reader.SizedBytes();
    if (!reader.ok()) return DamagedState();
    if (absl::Status status = state.ParseModel(name, model, notes); !status.ok()) return status;
  }
  if (!reader.ok() || !reader.done()) return DamagedState();
  state.ForgetParked(notes);
  return state;
}

void LearnerState::ForgetParked(std::vector<std::string>& notes) {
  size_t bytes = 0;
  for (const auto& [key, model] : parked_) bytes += model.size();
  while (parked_.size() > kMaxParkedModels || bytes > kMaxParkedBytes) {
    const auto first = parked_.begin();
    notes.push_back(
        absl::StrCat("what the model ", first->first.substr(0, first->first.find(kKeySeparator)),
                     " had learned is forgotten: the strategy does not have it so, and at most ",
                     kMaxParkedModels, " such models of ", kMaxParkedBytes >> 20, " MiB are kept"));
    bytes -= first->second.size();
    parked_.erase(first);
  }
}

absl::Status LearnerState::ParseModel(std::string_view key, std::string_view bytes,
                                      std::vector<std::string>& notes) {
  const std::string_view name = key.substr(0, key.find(kKeySeparator));
  const auto known = std::find_if(models_.begin(), models_.end(),
                                  [&](const Model& model) { return model.name == name; });
  if (known == models_.end()) {
    parked_.emplace(key, bytes);
    return absl::OkStatus();
  }
  ByteReader reader(bytes);
  const std::string_view learned = reader.SizedBytes();
  const std::string_view health = reader.SizedBytes();
  const std::string_view served = reader.SizedBytes();
  if (!reader.ok() || !reader.done()) return DamagedState();
  const auto& layout = known->use->scorer->layout();
  auto parsed = learning::AdaptiveModel::Parse(learned, layout, known->use->scorer->options());
  auto parsed_health = learning::ModelHealth::Parse(health, layout, learning::HealthOptions());
  auto parsed_served = learning::ModelHealth::Parse(served, NoInputs(), learning::HealthOptions());
  if (absl::IsDataLoss(parsed.status()) || absl::IsDataLoss(parsed_health.status()) ||
      !parsed_served.ok()) {
    return DamagedState();
  }
  const bool is_latest = key == name;
  if (is_latest) known->served = *std::move(parsed_served);
  if (!parsed.ok()) {
    // Whoever goes back to those inputs finds what it had learned.
    parked_.insert_or_assign(std::string(name) + KindOf(learned), std::string(bytes));
    if (is_latest) {
      notes.push_back(absl::StrCat("the model ", known->name,
                                   " begins anew, or where it was when it last was as it is now: ",
                                   parsed.status().message()));
    }
    return absl::OkStatus();
  }
  known->learned = *std::move(parsed);
  if (parsed_health.ok()) known->health = *std::move(parsed_health);
  return absl::OkStatus();
}

absl::Status LearnerState::Add(const storage::LogEntry& entry, outcome::Attribution::ReadAt read) {
  return attribution_.Add(entry, read,
                          [this](const outcome::AttributedOutcome& outcome) { Learn(outcome); });
}

bool LearnerState::ReadSituation(const outcome::AttributedOutcome& outcome) {
  const auto channel = channels_.find(outcome.channel);
  if (channel == channels_.end()) {
    ++unlearned_.undeclared;
    return false;
  }
  situation_.channel = channel->second;
  situation_.intent = context::kUnknownIntent;
  if (outcome.intent) {
    // An intent that is not declared any more is not known.
    const auto intent = intents_.find(*outcome.intent);
    if (intent != intents_.end()) situation_.intent = intent->second + 1;
  }
  situation_.time_us = outcome.decided_us;
  if (!strategy_->features.Decode(outcome.features, absl::MakeSpan(features_)).ok() ||
      !strategy_->context.attributes
           .Decode(outcome.attributes, absl::MakeSpan(situation_.attributes))
           .ok()) {
    ++unlearned_.damaged;
    return false;
  }
  return true;
}

void LearnerState::Learn(const outcome::AttributedOutcome& outcome) {
  CountRefused(
      rates_.Add(outcome.treatment, outcome.channel, outcome.good >= kSuccess, outcome.reward));
  const auto treatment = treatments_.find(outcome.treatment);
  if (treatment == treatments_.end()) {
    ++unlearned_.undeclared;
    return;
  }
  if (models_.empty() || !ReadSituation(outcome)) return;
  strategy_->models.inputs.Fill(strategy_->context, situation_, features_, frame_);
  for (Model& model : models_) {
    if (model.use->treatments[static_cast<size_t>(treatment->second)]) {
      LearnBy(model, treatment->second, outcome);
    }
  }
}

void LearnerState::LearnBy(Model& model, int treatment, const outcome::AttributedOutcome& outcome) {
  const uint64_t id = ExampleId(outcome);
  const absl::Time time = absl::FromUnixMicros(outcome.settled_us);
  learning::Response response;
  response.id = id;
  response.time = time;
  response.written = std::min(time, LatestAfter(model.served.last_update()));
  response.label = outcome.good;
  response.propensity = std::clamp(outcome.propensity, kMostCertain, 1 - kMostCertain);
  CountRefused(model.served.Add(response));
  if (model.use->mode == Mode::kLogging) return;

  model.use->scorer->ValuesOf(frame_, values_);
  learning::Example example;
  example.id = id;
  example.time = time;
  example.written = std::min(time, LatestAfter(model.learned.last_update()));
  example.treatment = outcome.treatment;
  const auto group =
      static_cast<size_t>(strategy_->catalog.treatments[static_cast<size_t>(treatment)].group);
  example.group = strategy_->catalog.groups[group].number;
  example.label = outcome.good;
  example.inputs = values_;
  const absl::StatusOr<learning::Prediction> before = model.learned.Learn(example);
  if (!before.ok()) return CountRefused(before.status());
  response.propensity = std::clamp(before->propensity, kMostCertain, 1 - kMostCertain);
  response.inputs = values_;
  response.written = std::min(time, LatestAfter(model.health.last_update()));
  CountRefused(model.health.Add(response));
}

}  // namespace attune::service
