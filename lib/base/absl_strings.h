#ifndef ATTUNE_LIB_BASE_ABSL_STRINGS_H_
#define ATTUNE_LIB_BASE_ABSL_STRINGS_H_

#include <functional>
#include <string>
#include <string_view>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"

namespace attune {

// Debian builds Abseil with a string_view of its own, which does not convert from the standard one.
// Our interfaces speak std::string_view; this is the bridge to Abseil's functions.
inline absl::string_view ToAbsl(std::string_view text) { return {text.data(), text.size()}; }

// A hash map from strings that can be asked with a std::string_view without making a string.
struct StringViewHash {
  using is_transparent = void;
  size_t operator()(std::string_view text) const {
    return absl::Hash<absl::string_view>{}(ToAbsl(text));
  }
};
template <typename Value>
using StringMap = absl::flat_hash_map<std::string, Value, StringViewHash, std::equal_to<>>;
// The same with keys that somebody else keeps alive.
template <typename Value>
using StringViewMap = absl::flat_hash_map<std::string_view, Value, StringViewHash, std::equal_to<>>;

}  // namespace attune

#endif  // ATTUNE_LIB_BASE_ABSL_STRINGS_H_
