#include "lib/base/violations.h"

#include <algorithm>
#include <cstddef>

#include "absl/strings/str_cat.h"

namespace attune {

void Violations::Add(std::string_view field, std::string_view description) {
  ++count_;
  if (kept_.size() < kMaxKept) kept_.push_back({std::string(field), std::string(description)});
}

void Violations::SortFrom(size_t begin) {
  std::stable_sort(kept_.begin() + static_cast<ptrdiff_t>(begin), kept_.end(),
                   [](const Violation& a, const Violation& b) { return a.field < b.field; });
}

absl::Status Violations::ToStatus() const {
  if (empty()) return absl::OkStatus();
  constexpr size_t kInMessage = 3;
  std::string message = absl::StrCat(count_, count_ == 1 ? " violation" : " violations");
  const size_t shown = std::min(kept_.size(), kInMessage);
  for (size_t i = 0; i < shown; ++i) {
    absl::StrAppend(&message, i == 0 ? ": " : "; ", kept_[i].field, " ", kept_[i].description);
  }
  if (count_ > shown) absl::StrAppend(&message, "; ...");
  return absl::InvalidArgumentError(message);
}

}  // namespace attune
