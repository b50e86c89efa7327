#include "lib/strategy/on_error.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "lib/base/text.h"

namespace attune::strategy {
namespace {

class OnErrorChecker : public CheckerBase {
 public:
  OnErrorChecker(const v1::Strategy& file, const NameIndex& models, YamlDocument& source,
                 IssueList& issues)
      : CheckerBase(source, issues), file_(file), models_(models) {}

  void Check(int model) {
    const v1::ModelReference& reference = file_.models(model);
    if (!reference.has_on_error()) return;
    const std::string path = Field(Element("models", model), "on_error");
    const v1::OnError& on_error = reference.on_error();
    switch (on_error.action_case()) {
      case v1::OnError::kSkip:
        return;
      case v1::OnError::kDefaultPropensity:
        // Not-a-number is no propensity either.
        if (!(on_error.default_propensity() >= 0 && on_error.default_propensity() <= 1)) {
          Report(Field(path, "default_propensity"),
                 absl::StrCat("default_propensity must be between 0 and 1, not ",
                              on_error.default_propensity()));
        }
        return;
      case v1::OnError::kFallback:
        return CheckFallback(model, Field(path, "fallback"));
      case v1::OnError::ACTION_NOT_SET:
        if (source_.HasFlawed(path)) return;
        Report(path, "on_error needs one of skip: {}, default_propensity and fallback");
    }
  }

 private:
  void CheckFallback(int model, const std::string& path) {
    const std::string& name = file_.models(model).on_error().fallback();
    const auto found = models_.find(name);
    if (found == models_.end()) {
      if (IsUndeclared("model", name, models_)) Report(path, UnknownName("model", name, models_));
    } else if (found->second == model) {
      Report(path, "a model can't be its own fallback");
    } else if (file_.models(found->second).on_error().has_fallback()) {
      Report(path, absl::StrCat("the model ", Quoted(name),
                                " has a fallback itself; name one that has none, so that there is "
                                "an end to it"));
    }
  }

  const v1::Strategy& file_;
  const NameIndex& models_;
};

}  // namespace

void CheckOnErrors(const v1::Strategy& file, const NameIndex& models, YamlDocument& source,
                   IssueList& issues) {
  OnErrorChecker checker(file, models, source, issues);
  for (int i = 0; i < file.models_size(); ++i) checker.Check(i);
}

scoring::OnError OnErrorOf(const v1::Strategy& file, int model) {
  const v1::OnError& on_error = file.models(model).on_error();
  scoring::OnError result;
  if (on_error.has_default_propensity()) {
    result.action = scoring::OnError::Action::kDefaultPropensity;
    result.default_propensity = on_error.default_propensity();
  } else if (on_error.has_fallback()) {
    result.action = scoring::OnError::Action::kFallback;
    for (int i = 0; i < file.models_size(); ++i) {
      if (file.models(i).name() == on_error.fallback()) result.fallback = i;
    }
  }
  return result;
}

}  // namespace attune::strategy
