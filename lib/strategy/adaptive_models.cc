#include "lib/strategy/adaptive_models.h"

#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "lib/base/hash.h"
#include "lib/base/text.h"

namespace attune::strategy {
namespace {

constexpr int kAdaptiveHashDigits = 64;

using Mode = AdaptiveUse::Mode;

class AdaptiveChecker : public CheckerBase {
 public:
  AdaptiveChecker(const v1::Strategy& file, const NameIndex& models, YamlDocument& source,
                  IssueList& issues)
      : CheckerBase(source, issues), file_(file), models_(models) {}

  void Check(int model) {
    if (file_.models(model).has_success_rate() && !source_.Has("learning")) {
      Report(Field(Element("models", model), "success_rate"),
             "the strategy needs learning, which says what counts as a success");
    }
    if (!file_.models(model).has_adaptive()) return;
    const std::string path = Field(Element("models", model), "adaptive");
    if (!source_.Has("learning")) {
      Report(path, "the strategy needs learning, which says what an adaptive model learns from");
    }
    CheckServe(model, path);
  }

 private:
  void CheckServe(int model, const std::string& path) {
    const v1::Adaptive& adaptive = file_.models(model).adaptive();
    const std::string field = Field(path, "serve");
    const std::string& name = adaptive.serve();
    if (ModeOf(adaptive) == Mode::kOnline) {
      if (!name.empty()) {
        Report(field,
               "is for the modes shadow and logging; in mode online the model serves itself");
      }
      return;
    }
    if (name.empty()) {
      if (source_.HasFlawed(field) || source_.HasFlawed(Field(path, "mode"))) return;
      return Report(path, "a model that does not serve itself needs serve: the model that does");
    }
    const auto found = models_.find(name);
    if (found == models_.end()) {
      if (IsUndeclared("model", name, models_)) Report(field, UnknownName("model", name, models_));
    } else if (found->second == model) {
      Report(field, "a model that does not serve can't serve in its own place");
    } else if (ModeOf(file_.models(found->second).adaptive()) != Mode::kOnline) {
      Report(field, absl::StrCat("the model ", Quoted(name),
                                 " does not serve either; name one that does"));
    }
  }

  const v1::Strategy& file_;
  const NameIndex& models_;
};

// The index of the model; -1 when there is none of that name.
int IndexOf(const v1::Strategy& file, const std::string& model) {
  for (int i = 0; i < file.models_size(); ++i) {
    if (file.models(i).name() == model) return i;
  }
  return -1;
}

}  // namespace

std::string HashOfAdaptive(const v1::Adaptive& adaptive) {
  // Without maps, a message has one encoding.
  return ContentHash(adaptive.SerializeAsString(), kAdaptiveHashDigits);
}

std::string HashOfSuccessRate(const v1::SuccessRate& rate) {
  return ContentHash(rate.SerializeAsString(), kAdaptiveHashDigits);
}

Mode ModeOf(const v1::Adaptive& adaptive) {
  switch (adaptive.mode()) {
    case v1::ADAPTIVE_MODE_SHADOW:
      return Mode::kShadow;
    case v1::ADAPTIVE_MODE_LOGGING:
      return Mode::kLogging;
    default:
      return Mode::kOnline;
  }
}

void CheckAdaptiveModels(const v1::Strategy& file, const NameIndex& models, YamlDocument& source,
                         IssueList& issues) {
  AdaptiveChecker checker(file, models, source, issues);
  for (int i = 0; i < file.models_size(); ++i) checker.Check(i);
}

void AssignAdaptiveModels(const v1::Strategy& file, Strategy& strategy) {
  // By index of the model: the one that serves.
  std::vector<int> server(strategy.models.models.size());
  for (size_t i = 0; i < server.size(); ++i) server[i] = static_cast<int>(i);
  for (const AdaptiveUse& use : strategy.adaptive) {
    if (use.mode == Mode::kOnline) continue;
    server[static_cast<size_t>(use.model)] =
        IndexOf(file, file.models(use.model).adaptive().serve());
  }
  for (AdaptiveUse& use : strategy.adaptive) {
    for (const catalog::Treatment& treatment : strategy.catalog.treatments) {
      use.treatments.push_back(treatment.model == use.model ||
                               server[static_cast<size_t>(treatment.model)] == use.model);
    }
  }
  for (catalog::Treatment& treatment : strategy.catalog.treatments) {
    treatment.model = server[static_cast<size_t>(treatment.model)];
  }
}

void CheckAdaptiveSizes(const Strategy& strategy,
                        absl::FunctionRef<void(int model, std::string message)> report) {
  constexpr size_t kBytesPerWeight = 16;
  size_t bytes = 0;
  for (const AdaptiveUse& use : strategy.adaptive) {
    const auto treatments =
        static_cast<size_t>(std::count(use.treatments.begin(), use.treatments.end(), true));
    if (treatments > scoring::kMaxAdaptiveTreatments) {
      report(use.model, absl::StrCat("learns from ", treatments, " treatments; at most ",
                                     scoring::kMaxAdaptiveTreatments, " are allowed"));
    }
    const size_t effects = 1 + strategy.catalog.groups.size() + treatments;
    const size_t before = bytes;
    bytes += use.scorer->layout()->weights() * effects * kBytesPerWeight;
    if (before <= kMaxAdaptiveBytes && bytes > kMaxAdaptiveBytes) {
      report(use.model,
             absl::StrCat("with it the adaptive models take up to ", bytes >> 20, " MiB; at most ",
                          kMaxAdaptiveBytes >> 20,
                          " are allowed: name fewer inputs or crosses, or fewer treatments"));
    }
  }
}

}  // namespace attune::strategy
