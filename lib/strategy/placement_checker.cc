#include "lib/strategy/placement_checker.h"

#include <algorithm>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "lib/context/context_schema.h"

namespace attune::strategy {
namespace {

constexpr std::string_view kPlacements = "placements";

class PlacementChecker : public CheckerBase {
 public:
  PlacementChecker(YamlDocument& source, IssueList& issues) : CheckerBase(source, issues) {}

  bool Check(const v1::Strategy& file, const NameIndex& channels, const NameIndex& groups) {
    CheckNames(file.placements(), kPlacements, "placement", context::kMaxPlacements);
    for (int i = 0; i < std::min(file.placements_size(), context::kMaxPlacements); ++i) {
      const v1::Placement& placement = file.placements(i);
      const std::string path = Element(kPlacements, i);
      CheckReferences(Field(path, "channels"), placement.channels(), "channel", channels);
      CheckReferences(Field(path, "groups"), placement.groups(), "group", groups);
      if (placement.has_max_treatments()) {
        CheckRange(path, "max_treatments", placement.max_treatments(), 1, arbitration::kMaxRanked);
      }
    }
    return compilable_;
  }
};

}  // namespace

bool CheckPlacements(const v1::Strategy& file, const NameIndex& channels, const NameIndex& groups,
                     YamlDocument& source, IssueList& issues) {
  return PlacementChecker(source, issues).Check(file, channels, groups);
}

void WarnOfEmptyPlacements(const v1::Strategy& file, const Strategy& strategy,
                           const YamlDocument& source, IssueList& issues) {
  const auto& treatments = strategy.catalog.treatments;
  for (int i = 0; i < file.placements_size(); ++i) {
    const arbitration::Placement& placement =
        strategy.arbitration.placements[static_cast<size_t>(i)];
    const bool is_of_use =
        std::any_of(treatments.begin(), treatments.end(), [&](const catalog::Treatment& treatment) {
          return placement.groups[static_cast<size_t>(treatment.group)] &&
                 (placement.channels & treatment.channels).any();
        });
    if (is_of_use) continue;
    source.Warn(Element(kPlacements, i),
                absl::StrCat("the placement \"", file.placements(i).name(),
                             "\" never shows anything: no treatment of its groups can be used on "
                             "its channels"),
                issues);
  }
}

}  // namespace attune::strategy
