#ifndef ATTUNE_LIB_STRATEGY_SUGGESTION_H_
#define ATTUNE_LIB_STRATEGY_SUGGESTION_H_

#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "lib/base/text.h"

namespace attune::strategy {

// What to say after `unknown … "text"`: `; did you mean "…"?`, or what there is when nothing is
// close and the choice is small, or nothing. REQUIRES: `known` holds strings.
template <typename Range>
std::string Suggestion(std::string_view text, const Range& known) {
  // Longer lists don't help who reads them.
  constexpr size_t kMaxListed = 12;
  std::string meant = DidYouMean(text, known);
  if (!meant.empty()) return meant;
  if (known.size() == 0 || known.size() > kMaxListed) return "";
  const auto append = [](std::string* out, std::string_view name) { out->append(name); };
  return absl::StrCat("; known are: ", absl::StrJoin(known, ", ", append));
}

}  // namespace attune::strategy

#endif  // ATTUNE_LIB_STRATEGY_SUGGESTION_H_
