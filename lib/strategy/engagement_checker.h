#ifndef ATTUNE_LIB_STRATEGY_ENGAGEMENT_CHECKER_H_
#define ATTUNE_LIB_STRATEGY_ENGAGEMENT_CHECKER_H_

#include <string>

#include "attune/strategy/v1/strategy.pb.h"
#include "lib/base/absl_strings.h"
#include "lib/base/issue.h"
#include "lib/strategy/yaml_document.h"

namespace attune::strategy {

// The part of CheckStrategy that looks at rules, derived values and the treatments' attributes, but
// for the texts of expressions, which compiling checks. `path_of_name` holds the names of the
// contact policies, with their paths: no rule may have one of them.
bool CheckEngagement(const v1::Strategy& file, const StringMap<std::string>& path_of_name,
                     YamlDocument& source, IssueList& issues);

}  // namespace attune::strategy

#endif  // ATTUNE_LIB_STRATEGY_ENGAGEMENT_CHECKER_H_
