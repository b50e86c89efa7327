#ifndef ATTUNE_LIB_EXPRESSION_LEXER_H_
#define ATTUNE_LIB_EXPRESSION_LEXER_H_

#include <string_view>
#include <vector>

#include "lib/expression/source.h"

namespace attune::expression {

enum class TokenKind : uint8_t {
  kEnd,
  kIdentifier,        // also reserved words; the parser tells them apart
  kQuotedIdentifier,  // `content-type`, with its quotes
  kInt,
  kUint,
  kDouble,
  kString,  // as written, with prefix and quotes
  kBytes,
  kTrue,
  kFalse,
  kNull,
  kIn,
  kEqual,
  kNotEqual,
  kLess,
  kLessEqual,
  kGreater,
  kGreaterEqual,
  kAnd,
  kOr,
  kPlus,
  kMinus,
  kStar,
  kSlash,
  kPercent,
  kNot,
  kQuestion,
  kColon,
  kComma,
  kDot,
  kLeftParen,
  kRightParen,
  kLeftBracket,
  kRightBracket,
  kLeftBrace,
  kRightBrace,
};

struct Token {
  TokenKind kind = TokenKind::kEnd;
  SourceRange range;
  std::string_view text;  // in the source
};

// The tokens of an expression, the last one kEnd. What is no token is reported and skipped.
// REQUIRES: `source` is valid UTF-8 and lives as long as the tokens.
std::vector<Token> Tokenize(std::string_view source, IssueReporter& reporter);

// How a message names a token: `")"`, `a string`, `the end of the expression`.
std::string DescribeToken(const Token& token);

}  // namespace attune::expression

#endif  // ATTUNE_LIB_EXPRESSION_LEXER_H_
