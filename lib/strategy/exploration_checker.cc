#include "lib/strategy/exploration_checker.h"

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "lib/strategy/checker_base.h"

namespace attune::strategy {
namespace {

class ExplorationChecker : public CheckerBase {
 public:
  ExplorationChecker(YamlDocument& source, IssueList& issues) : CheckerBase(source, issues) {}

  void Check(const v1::Exploration& exploration, const std::string& path);

 private:
  void CheckMethod(const v1::Exploration& exploration, const std::string& path);
  // A number that the method needs.
  void CheckNumber(const std::string& path, std::string_view method, std::string_view field,
                   bool has_value, double value, double min, double max);
};

void ExplorationChecker::Check(const v1::Exploration& exploration, const std::string& path) {
  CheckMethod(exploration, path);
  if (!exploration.has_floor()) return;
  CheckRange(path, "floor", exploration.floor(), 0, 1);
  if (exploration.has_none()) {
    Report(Field(path, "floor"), "without exploration there is no floor; leave it out");
  }
}

void ExplorationChecker::CheckMethod(const v1::Exploration& exploration, const std::string& path) {
  switch (exploration.method_case()) {
    case v1::Exploration::kNone:
      return;
    case v1::Exploration::kEpsilonGreedy: {
      const v1::EpsilonGreedy& method = exploration.epsilon_greedy();
      return CheckNumber(path, "epsilon_greedy", "epsilon", method.has_epsilon(), method.epsilon(),
                         0, 1);
    }
    case v1::Exploration::kSoftmax: {
      const v1::Softmax& method = exploration.softmax();
      return CheckNumber(path, "softmax", "temperature", method.has_temperature(),
                         method.temperature(), kMinTemperature, kMaxTemperature);
    }
    case v1::Exploration::kSquareCb: {
      const v1::SquareCb& method = exploration.square_cb();
      return CheckNumber(path, "square_cb", "gamma", method.has_gamma(), method.gamma(), 0,
                         kMaxGamma);
    }
    case v1::Exploration::kThompsonSampling: {
      const v1::ThompsonSampling& method = exploration.thompson_sampling();
      return CheckNumber(path, "thompson_sampling", "evidence", method.has_evidence(),
                         method.evidence(), 1, kMaxEvidence);
    }
    case v1::Exploration::METHOD_NOT_SET:
      break;
  }
  if (!source_.HasUnflawed(path)) return;
  std::vector<std::string> keys;
  const auto& oneof = *v1::Exploration::descriptor()->FindOneofByName("method");
  keys.reserve(static_cast<size_t>(oneof.field_count()));
  for (int i = 0; i < oneof.field_count(); ++i) keys.push_back(oneof.field(i)->name());
  Report(path, absl::StrCat("an exploration needs one of the keys ", absl::StrJoin(keys, ", ")));
}

void ExplorationChecker::CheckNumber(const std::string& path, std::string_view method,
                                     std::string_view field, bool has_value, double value,
                                     double min, double max) {
  const std::string owner = Field(path, method);
  if (!has_value) {
    IsUsable(owner, method, field);
  } else {
    CheckRange(owner, field, value, min, max);
  }
}

}  // namespace

void CheckExplorations(const v1::Strategy& file, YamlDocument& source, IssueList& issues) {
  ExplorationChecker checker(source, issues);
  if (file.arbitration().has_exploration()) {
    checker.Check(file.arbitration().exploration(), "arbitration.exploration");
  }
  for (int i = 0; i < file.groups_size(); ++i) {
    if (!file.groups(i).has_exploration()) continue;
    checker.Check(file.groups(i).exploration(), Field(Element("groups", i), "exploration"));
  }
}

}  // namespace attune::strategy
