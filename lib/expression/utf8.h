#ifndef ATTUNE_LIB_EXPRESSION_UTF8_H_
#define ATTUNE_LIB_EXPRESSION_UTF8_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace attune::expression {

// Strings are counted by code points. Text that is not UTF-8 (a host's mistake) is no danger here:
// each byte of it that begins no code point belongs to the one before it.

inline bool IsContinuation(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

inline size_t CodePointCount(std::string_view text) {
  size_t count = 0;
  for (const char c : text) count += IsContinuation(c) ? 0 : 1;
  return count;
}

// The byte at which the code point of this index begins; text.size() for the one past the last;
// npos for all others.
inline size_t CodePointOffset(std::string_view text, uint64_t index) {
  size_t at = 0;
  for (; index > 0; --index) {
    if (at >= text.size()) return std::string_view::npos;
    ++at;
    while (at < text.size() && IsContinuation(text[at])) ++at;
  }
  return at;
}

// Where the code point that begins at `at` ends. REQUIRES: at < text.size().
inline size_t CodePointEnd(std::string_view text, size_t at) {
  ++at;
  while (at < text.size() && IsContinuation(text[at])) ++at;
  return at;
}

// The code point that begins at `at`. REQUIRES: at < text.size() and the text is valid UTF-8.
inline uint32_t CodePointAt(std::string_view text, size_t at) {
  const auto lead = static_cast<unsigned char>(text[at]);
  if (lead < 0x80) return lead;
  uint32_t code_point = lead < 0xE0 ? lead & 0x1F : lead < 0xF0 ? lead & 0x0F : lead & 0x07;
  for (size_t i = at + 1; i < CodePointEnd(text, at); ++i) {
    code_point = code_point << 6 | (static_cast<unsigned char>(text[i]) & 0x3F);
  }
  return code_point;
}

}  // namespace attune::expression

#endif  // ATTUNE_LIB_EXPRESSION_UTF8_H_
