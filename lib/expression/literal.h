#ifndef ATTUNE_LIB_EXPRESSION_LITERAL_H_
#define ATTUNE_LIB_EXPRESSION_LITERAL_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "lib/expression/lexer.h"
#include "lib/expression/value.h"

namespace attune::expression {

// What a string or bytes token stands for: quotes taken off, escapes resolved.
struct DecodedString {
  std::string bytes;
  std::string problem;        // empty when all is well
  size_t problem_offset = 0;  // in the token
};
// REQUIRES: token.kind is kString or kBytes.
DecodedString DecodeString(const Token& token);

// What a number token stands for, with the sign that stood before it.
struct DecodedNumber {
  Value value;
  bool in_range = true;
};
// REQUIRES: token.kind is kInt, kUint or kDouble; `negative` not with kUint.
DecodedNumber DecodeNumber(const Token& token, bool negative);

// Appends a code point as UTF-8. REQUIRES: IsCodePoint(code_point).
void AppendUtf8(std::string& out, uint32_t code_point);
// False for surrogates and what is past the last code point.
bool IsCodePoint(uint32_t number);

}  // namespace attune::expression

#endif  // ATTUNE_LIB_EXPRESSION_LITERAL_H_
