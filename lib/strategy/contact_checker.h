#ifndef ATTUNE_LIB_STRATEGY_CONTACT_CHECKER_H_
#define ATTUNE_LIB_STRATEGY_CONTACT_CHECKER_H_

#include <string>

#include "attune/strategy/v1/strategy.pb.h"
#include "lib/base/absl_strings.h"
#include "lib/base/issue.h"
#include "lib/strategy/checker_base.h"
#include "lib/strategy/yaml_document.h"

namespace attune::strategy {

// Most purposes and fallbacks of one strategy.
inline constexpr int kMaxPurposes = 64;
inline constexpr int kMaxFallbacks = 64;
// Most interactions that may be kept of one customer.
inline constexpr int kMaxInteractions = 4096;

// What else the strategy declares.
struct ContactNames {
  const NameIndex& groups;
  const NameIndex& treatments;
  const NameIndex& channels;
};

// The part of CheckStrategy that looks at outcomes, purposes, the history, contact policies and
// fallbacks. Warns of windows that the history is too short for. Adds the names of the contact
// policies to `path_of_name`, with their paths.
bool CheckContact(const v1::Strategy& file, const ContactNames& names, YamlDocument& source,
                  IssueList& issues, StringMap<std::string>& path_of_name);

}  // namespace attune::strategy

#endif  // ATTUNE_LIB_STRATEGY_CONTACT_CHECKER_H_
