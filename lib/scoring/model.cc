#include "lib/scoring/model.h"

#include <limits>

namespace attune::scoring {

double Model::PredictValue(const InputFrame& frame, ModelScratch& scratch) const {
  constexpr int kAnyTreatment = 0;
  double value = std::numeric_limits<double>::quiet_NaN();
  double deviation = kUnknownDeviation;
  const ModelFailure failure =
      PredictBatch({frame, absl::MakeConstSpan(&kAnyTreatment, 1)},
                   {absl::MakeSpan(&value, 1), absl::MakeSpan(&deviation, 1)}, scratch);
  return failure == ModelFailure::kNone ? value : std::numeric_limits<double>::quiet_NaN();
}

std::string_view ModelFailureName(ModelFailure failure) {
  switch (failure) {
    case ModelFailure::kNone:
      return "ok";
    case ModelFailure::kNotFinite:
      return "not_finite";
    case ModelFailure::kPlugin:
      return "plugin";
    case ModelFailure::kNotAsked:
      return "not_asked";
    case ModelFailure::kNoTime:
      return "no_time";
    case ModelFailure::kBusy:
      return "busy";
    case ModelFailure::kBreakerOpen:
      return "breaker_open";
    case ModelFailure::kTimeout:
      return "timeout";
    case ModelFailure::kUnavailable:
      return "unavailable";
    case ModelFailure::kRefused:
      return "refused";
    case ModelFailure::kBadAnswer:
      return "bad_answer";
  }
  return "unknown";
}

std::string Model::FailureText(ModelFailure failure) const {
  switch (failure) {
    case ModelFailure::kNotFinite:
      return "gave a score that is not finite";
    case ModelFailure::kNone:
    case ModelFailure::kPlugin:
      return "failed";
    case ModelFailure::kNotAsked:
      return "is not asked here";
    case ModelFailure::kNoTime:
      return "was not asked, for no time was left";
    case ModelFailure::kBusy:
      return "was not asked, for too many calls are under way";
    case ModelFailure::kBreakerOpen:
      return "was not asked, for it failed too often lately";
    case ModelFailure::kTimeout:
      return "did not answer in time";
    case ModelFailure::kUnavailable:
      return "can't be reached";
    case ModelFailure::kRefused:
      return "answered with an error";
    case ModelFailure::kBadAnswer:
      return "gave an answer that does not fit the request";
  }
  return "failed";
}

std::string_view OnErrorName(OnError::Action action) {
  switch (action) {
    case OnError::Action::kSkip:
      return "skip";
    case OnError::Action::kDefaultPropensity:
      return "default_propensity";
    case OnError::Action::kFallback:
      return "fallback";
  }
  return "unknown";
}

}  // namespace attune::scoring
