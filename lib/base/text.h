#ifndef ATTUNE_LIB_BASE_TEXT_H_
#define ATTUNE_LIB_BASE_TEXT_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace attune {

// Longest id of a customer, in bytes.
inline constexpr size_t kMaxCustomerIdBytes = 256;
// Longest request_id and correlation_id, in bytes.
inline constexpr size_t kMaxRequestIdBytes = 128;
// Longest name that a strategy may declare, in bytes.
inline constexpr size_t kMaxNameBytes = 64;
// Longest string value of a feature or an attribute, in bytes.
inline constexpr size_t kMaxStringValueBytes = 1024;
// Most elements of a string_list value.
inline constexpr size_t kMaxListElements = 64;

// True for well-formed UTF-8 (RFC 3629: no surrogates, no overlong forms).
bool IsValidUtf8(std::string_view text);

// What is wrong with an id from outside, as a sentence without the id itself; nullopt when it is
// 1 to `max_bytes` bytes of UTF-8 without control characters.
std::optional<std::string> IdProblem(std::string_view id, size_t max_bytes);

// True for a letter a-z followed by letters a-z, digits and underscores; at most kMaxNameBytes.
bool IsName(std::string_view text);

// Text from outside, made safe to print in a message or a log: cut to `max_bytes`, control
// characters and bytes that aren't UTF-8 escaped, and quoted.
std::string Quoted(std::string_view text, size_t max_bytes = 80);

// The longest part from the beginning that has at most `max_bytes` and ends behind a whole
// character. REQUIRES: `text` is UTF-8.
std::string_view Prefix(std::string_view text, size_t max_bytes);

// Cuts text for people to at most `max_bytes`, behind a whole character; what was cut is shown by
// "..." at the end. REQUIRES: `text` is UTF-8; max_bytes >= 3.
void Shorten(std::string& text, size_t max_bytes);

// "1 day", "3 days". `noun` takes an s.
std::string Counted(int64_t number, std::string_view noun);

// The candidate that `text` was most likely meant to be: the same in other case, the one of that
// name within another ("customer.age" for "age"), or the closest by edit distance; empty when none
// is close.
template <typename Range>
std::string ClosestName(std::string_view text, const Range& candidates);

// What to add to a message that says that `text` is not known: `; did you mean "NAME"?` with the
// candidate that is close, after `prefix`; empty when none is.
template <typename Range>
std::string DidYouMean(std::string_view text, const Range& candidates,
                       std::string_view prefix = {});

// What to say after `unknown … "text"`: DidYouMean, or what there is when nothing is close, the
// first of many. REQUIRES: `known` is a container of strings.
template <typename Range>
std::string Suggestion(std::string_view text, const Range& known);

// Levenshtein's distance of two short texts, cut off at `limit`: what is farther returns limit + 1.
size_t EditDistance(std::string_view a, std::string_view b, size_t limit);

// Of ASCII.
bool EqualsIgnoringCase(std::string_view a, std::string_view b);

// Is `text` what follows the last dot of `path`?
bool IsLastPart(std::string_view text, std::string_view path);

template <typename Range>
std::string ClosestName(std::string_view text, const Range& candidates) {
  for (const auto& candidate : candidates) {
    if (EqualsIgnoringCase(text, candidate)) return std::string(candidate);
  }
  for (const auto& candidate : candidates) {
    if (IsLastPart(text, candidate)) return std::string(candidate);
  }
  const size_t limit = text.size() < 4 ? 1 : 1 + text.size() / 4;
  size_t best_distance = limit + 1;
  std::string best;
  for (const auto& candidate : candidates) {
    const size_t distance = EditDistance(text, candidate, limit);
    if (distance < best_distance) {
      best_distance = distance;
      best = std::string(candidate);
    }
  }
  return best;
}

template <typename Range>
std::string DidYouMean(std::string_view text, const Range& candidates, std::string_view prefix) {
  const std::string closest = ClosestName(text, candidates);
  if (closest.empty()) return "";
  return "; did you mean " + Quoted(std::string(prefix) + closest) + "?";
}

template <typename Range>
std::string Suggestion(std::string_view text, const Range& known) {
  constexpr size_t kMaxListed = 12;  // longer lists don't help who reads them
  std::string suggestion = DidYouMean(text, known);
  if (!suggestion.empty() || known.empty()) return suggestion;
  suggestion = "; known are: ";
  size_t listed = 0;
  for (const auto& name : known) {
    if (listed == kMaxListed) break;
    if (listed++ > 0) suggestion += ", ";
    suggestion += name;
  }
  if (listed < known.size()) suggestion += ", … (" + std::to_string(known.size()) + " in all)";
  return suggestion;
}

// The path of a map's entry, for issues: content["web"]. Quotes and backslashes of the key are
// escaped.
std::string EntryPath(std::string_view map, std::string_view key);

}  // namespace attune

#endif  // ATTUNE_LIB_BASE_TEXT_H_
