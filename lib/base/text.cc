#include "lib/base/text.h"

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "lib/base/absl_strings.h"

namespace attune {
namespace {

// Length of the well-formed UTF-8 sequence at the start of `text`; 0 when there is none.
size_t Utf8SequenceLength(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const auto continues = [&](size_t i, uint8_t low = 0x80, uint8_t high = 0xBF) {
    return i < text.size() && byte(i) >= low && byte(i) <= high;
  };
  const uint8_t lead = byte(0);
  if (lead < 0x80) return 1;
  if (lead >= 0xC2 && lead <= 0xDF) return continues(1) ? 2 : 0;
  if (lead >= 0xE0 && lead <= 0xEF) {
    const uint8_t low = lead == 0xE0 ? 0xA0 : 0x80;   // overlong
    const uint8_t high = lead == 0xED ? 0x9F : 0xBF;  // surrogates
    return continues(1, low, high) && continues(2) ? 3 : 0;
  }
  if (lead >= 0xF0 && lead <= 0xF4) {
    const uint8_t low = lead == 0xF0 ? 0x90 : 0x80;   // overlong
    const uint8_t high = lead == 0xF4 ? 0x8F : 0xBF;  // beyond U+10FFFF
    return continues(1, low, high) && continues(2) && continues(3) ? 4 : 0;
  }
  return 0;
}

bool IsControl(char c) { return static_cast<uint8_t>(c) < 0x20 || c == 0x7F; }

}  // namespace

bool IsValidUtf8(std::string_view text) {
  while (!text.empty()) {
    if (static_cast<uint8_t>(text[0]) < 0x80) {
      text.remove_prefix(1);
      continue;
    }
    const size_t length = Utf8SequenceLength(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

std::optional<std::string> IdProblem(std::string_view id, size_t max_bytes) {
  if (id.empty()) return "must not be empty";
  if (id.size() > max_bytes) {
    return absl::StrCat("has ", id.size(), " bytes; at most ", max_bytes, " are allowed");
  }
  if (std::any_of(id.begin(), id.end(), IsControl)) {
    return "must not contain control characters (NUL, newline, tab, ...)";
  }
  if (!IsValidUtf8(id)) return "must be valid UTF-8";
  return std::nullopt;
}

bool IsName(std::string_view text) {
  if (text.empty() || text.size() > kMaxNameBytes) return false;
  if (text[0] < 'a' || text[0] > 'z') return false;
  return std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  });
}

std::string Quoted(std::string_view text, size_t max_bytes) {
  std::string quoted = "\"";
  const auto is_plain = [](char c) {
    return !IsControl(c) && c != '"' && c != '\\' && static_cast<uint8_t>(c) < 0x80;
  };
  // Most values are a short word.
  if (text.size() <= max_bytes && std::all_of(text.begin(), text.end(), is_plain)) {
    return absl::StrCat(quoted, ToAbsl(text), "\"");
  }
  while (!text.empty()) {
    if (quoted.size() > max_bytes) return absl::StrCat(quoted, "...\"");
    const size_t length = Utf8SequenceLength(text);
    const char c = text[0];
    if (length == 0 || IsControl(c)) {
      absl::StrAppendFormat(&quoted, "\\x%02x", static_cast<uint8_t>(c));
    } else if (c == '"' || c == '\\') {
      quoted += {'\\', c};
    } else {
      quoted += text.substr(0, length);
    }
    text.remove_prefix(std::max<size_t>(length, 1));
  }
  return absl::StrCat(quoted, "\"");
}

std::string_view Prefix(std::string_view text, size_t max_bytes) {
  if (text.size() <= max_bytes) return text;
  size_t end = max_bytes;
  while (end > 0 && (static_cast<uint8_t>(text[end]) & 0xC0) == 0x80) --end;
  return text.substr(0, end);
}

void Shorten(std::string& text, size_t max_bytes) {
  constexpr std::string_view kCut = "...";
  if (text.size() <= max_bytes) return;
  text.resize(Prefix(text, max_bytes - kCut.size()).size());
  text += kCut;
}

size_t EditDistance(std::string_view a, std::string_view b, size_t limit) {
  const size_t difference = a.size() > b.size() ? a.size() - b.size() : b.size() - a.size();
  if (difference > limit) return limit + 1;
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    size_t smallest = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t substituted = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({substituted, row[j] + 1, row[j - 1] + 1});
      smallest = std::min(smallest, row[j]);
    }
    // Distances never shrink from row to row.
    if (smallest > limit) return limit + 1;
  }
  return std::min(row.back(), limit + 1);
}

std::string Counted(int64_t number, std::string_view noun) {
  return absl::StrCat(number, " ", ToAbsl(noun), number == 1 ? "" : "s");
}

bool EqualsIgnoringCase(std::string_view a, std::string_view b) {
  return absl::EqualsIgnoreCase(ToAbsl(a), ToAbsl(b));
}

bool IsLastPart(std::string_view text, std::string_view path) {
  const size_t dot = path.rfind('.');
  return dot != path.npos && !text.empty() && path.substr(dot + 1) == text;
}

std::string EntryPath(std::string_view map, std::string_view key) {
  std::string path(map);
  path += "[\"";
  for (const char c : key) {
    if (c == '"' || c == '\\') path += '\\';
    path += c;
  }
  return path + "\"]";
}

}  // namespace attune
