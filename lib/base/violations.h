#ifndef ATTUNE_LIB_BASE_VIOLATIONS_H_
#define ATTUNE_LIB_BASE_VIOLATIONS_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

namespace attune {

// Everything that is wrong with one request, field by field. Not thread-safe.
class Violations {
 public:
  struct Violation {
    std::string field;        // path in the request: `attributes["wait_s"]`
    std::string description;  // what is wrong and what would be right
  };

  // How many are kept; the others are counted only, so that a hostile request can't grow the
  // answer.
  static constexpr size_t kMaxKept = 100;

  // REQUIRES: `field` and `description` hold text from outside only as Quoted().
  void Add(std::string_view field, std::string_view description);

  // Sorts by field what was added after the first `begin` that are kept: for maps, whose order is
  // not the sender's.
  void SortFrom(size_t begin);

  bool empty() const { return count_ == 0; }
  // True when the next one is counted only: its description need not be made.
  bool full() const { return kept_.size() == kMaxKept; }
  size_t count() const { return count_; }
  const std::vector<Violation>& kept() const { return kept_; }

  // INVALID_ARGUMENT with a message that names the first violations; OK when there are none.
  absl::Status ToStatus() const;

 private:
  std::vector<Violation> kept_;
  size_t count_ = 0;
};

}  // namespace attune

#endif  // ATTUNE_LIB_BASE_VIOLATIONS_H_
