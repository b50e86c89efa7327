#include "lib/strategy/score_models.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"
#include "lib/base/codec.h"
#include "lib/base/hash.h"
#include "lib/context/decision_context.h"

namespace attune::strategy {
namespace {

constexpr int kScoreModelHashDigits = 64;

// Asks the models of one set. Not thread-safe.
class Predictor final : public policy::ScorePredictor {
 public:
  Predictor(const context::ContextSchema& schema,
            std::vector<std::shared_ptr<const ScoreModel>> models)
      : schema_(schema), models_(std::move(models)), frames_(models_.size()) {}

  double Predict(int score, absl::Span<const ValueRef> features) override {
    const auto index = static_cast<size_t>(score);
    const ScoreModel& model = *models_[index];
    scoring::InputFrame& frame = frames_[index];
    // None of its inputs is of a context, or depends on when it is asked.
    model.inputs.Fill(schema_, no_context_, features, frame);
    scratch_.failure_text.clear();
    return model.model->PredictValue(frame, scratch_);
  }

 private:
  const context::ContextSchema& schema_;
  const std::vector<std::shared_ptr<const ScoreModel>> models_;
  const context::DecisionContext no_context_ = {};
  std::vector<scoring::InputFrame> frames_;  // by score
  scoring::ModelScratch scratch_;
};

}  // namespace

std::string ForeignInputOf(const ScoreModel& model, const scoring::InputNames& names) {
  if (model.model->LooksAtTreatment()) return "the treatment";
  for (const scoring::Input& input : model.inputs.Inputs()) {
    if (input.source != scoring::Input::Source::kCustomer) return names.NameOf(input);
    if (input.type == ValueType::kTimestamp) {
      return absl::StrCat("the time that has passed since ", names.NameOf(input));
    }
  }
  return "";
}

std::string HashOfScoreModel(const v1::ModelReference& reference, const std::string& content_hash) {
  v1::ModelReference settings = reference;
  settings.clear_name();
  settings.clear_description();
  settings.clear_on_error();
  // Where it lies; the content is what counts.
  settings.clear_file();
  settings.clear_stored();
  if (settings.has_plugin()) settings.mutable_plugin()->clear_file();
  std::string bytes;
  {
    // Maps have no order of their own.
    google::protobuf::io::StringOutputStream stream(&bytes);
    google::protobuf::io::CodedOutputStream coded(&stream);
    coded.SetSerializationDeterministic(true);
    settings.SerializeToCodedStream(&coded);
  }
  PutBytes(bytes, content_hash);
  return ContentHash(bytes, kScoreModelHashDigits);
}

void ScoreModelSet::Add(size_t score, ScoreModel model) {
  if (models_.size() <= score) models_.resize(score + 1);
  models_[score] = std::make_shared<const ScoreModel>(std::move(model));
}

std::unique_ptr<policy::ScorePredictor> ScoreModelSet::MakePredictor() const {
  return std::make_unique<Predictor>(schema_, models_);
}

}  // namespace attune::strategy
