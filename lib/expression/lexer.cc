#include "lib/expression/lexer.h"

#include "lib/base/text.h"

namespace attune::expression {
namespace {

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsHexDigit(char c) { return IsDigit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }
bool IsIdentifierStart(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
bool IsIdentifierPart(char c) { return IsIdentifierStart(c) || IsDigit(c); }

struct Symbol {
  std::string_view text;
  TokenKind kind;
};

// Two characters before one.
constexpr Symbol kSymbols[] = {
    {"==", TokenKind::kEqual},        {"!=", TokenKind::kNotEqual},  {"<=", TokenKind::kLessEqual},
    {">=", TokenKind::kGreaterEqual}, {"&&", TokenKind::kAnd},       {"||", TokenKind::kOr},
    {"<", TokenKind::kLess},          {">", TokenKind::kGreater},    {"+", TokenKind::kPlus},
    {"-", TokenKind::kMinus},         {"*", TokenKind::kStar},       {"/", TokenKind::kSlash},
    {"%", TokenKind::kPercent},       {"!", TokenKind::kNot},        {"?", TokenKind::kQuestion},
    {":", TokenKind::kColon},         {",", TokenKind::kComma},      {".", TokenKind::kDot},
    {"(", TokenKind::kLeftParen},     {")", TokenKind::kRightParen}, {"[", TokenKind::kLeftBracket},
    {"]", TokenKind::kRightBracket},  {"{", TokenKind::kLeftBrace},  {"}", TokenKind::kRightBrace},
};

class Lexer {
 public:
  Lexer(std::string_view source, IssueReporter& reporter) : source_(source), reporter_(reporter) {}

  std::vector<Token> Run() {
    std::vector<Token> tokens;
    while (true) {
      SkipSpaceAndComments();
      if (at_ == source_.size()) break;
      const size_t begin = at_;
      const TokenKind kind = Next();
      if (kind != TokenKind::kEnd) tokens.push_back(MakeToken(kind, begin));
    }
    tokens.push_back(MakeToken(TokenKind::kEnd, at_));
    return tokens;
  }

 private:
  Token MakeToken(TokenKind kind, size_t begin) const {
    return {kind,
            {static_cast<uint32_t>(begin), static_cast<uint32_t>(at_)},
            source_.substr(begin, at_ - begin)};
  }

  char Peek(size_t ahead = 0) const {
    return at_ + ahead < source_.size() ? source_[at_ + ahead] : '\0';
  }

  void SkipSpaceAndComments() {
    while (at_ < source_.size()) {
      const char c = source_[at_];
      if (c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f') {
        ++at_;
      } else if (c == '/' && Peek(1) == '/') {
        at_ = std::min(source_.find('\n', at_), source_.size());
      } else {
        return;
      }
    }
  }

  // One token; kEnd when what stands here is none (reported).
  TokenKind Next() {
    const char c = Peek();
    if (const size_t prefix = StringPrefix(); prefix != kNoString) return String(prefix);
    if (IsIdentifierStart(c)) return Identifier();
    if (IsDigit(c) || (c == '.' && IsDigit(Peek(1)))) return Number();
    if (c == '`') return QuotedIdentifier();
    for (const Symbol& symbol : kSymbols) {
      if (source_.substr(at_).starts_with(symbol.text)) {
        at_ += symbol.text.size();
        return symbol.kind;
      }
    }
    return UnexpectedCharacter();
  }

  TokenKind UnexpectedCharacter() {
    const size_t begin = at_++;
    while (at_ < source_.size() && (static_cast<unsigned char>(source_[at_]) & 0xC0) == 0x80) ++at_;
    const std::string_view character = source_.substr(begin, at_ - begin);
    std::string hint;
    if (character == "=") hint = "; to compare, write \"==\"";
    if (character == "&" || character == "|") {
      hint = "; write \"" + std::string(character) + std::string(character) + "\"";
    }
    reporter_.Report(static_cast<uint32_t>(begin),
                     "unexpected character " + Quoted(character) + hint);
    return TokenKind::kEnd;
  }

  TokenKind Identifier() {
    const size_t begin = at_;
    while (IsIdentifierPart(Peek())) ++at_;
    const std::string_view word = source_.substr(begin, at_ - begin);
    if (word == "true") return TokenKind::kTrue;
    if (word == "false") return TokenKind::kFalse;
    if (word == "null") return TokenKind::kNull;
    if (word == "in") return TokenKind::kIn;
    return TokenKind::kIdentifier;
  }

  TokenKind QuotedIdentifier() {
    const size_t begin = at_++;
    while (at_ < source_.size() && source_[at_] != '`') {
      const char c = source_[at_];
      if (!IsIdentifierPart(c) && c != '.' && c != '-' && c != '/' && c != ' ') break;
      ++at_;
    }
    if (Peek() != '`') {
      reporter_.Report(static_cast<uint32_t>(begin),
                       "a name in ` quotes may hold letters, digits and _ . - / and must end in `");
      return TokenKind::kEnd;
    }
    ++at_;
    return TokenKind::kQuotedIdentifier;
  }

  TokenKind Number() {
    if (Peek() == '0' && (Peek(1) == 'x' || Peek(1) == 'X') && IsHexDigit(Peek(2))) {
      at_ += 2;
      while (IsHexDigit(Peek())) ++at_;
      return IntSuffix();
    }
    while (IsDigit(Peek())) ++at_;
    bool real = false;
    if (Peek() == '.' && IsDigit(Peek(1))) {
      real = true;
      ++at_;
      while (IsDigit(Peek())) ++at_;
    }
    if (Peek() == 'e' || Peek() == 'E') {
      const size_t sign = Peek(1) == '+' || Peek(1) == '-' ? 1 : 0;
      if (IsDigit(Peek(1 + sign))) {
        real = true;
        at_ += 1 + sign;
        while (IsDigit(Peek())) ++at_;
      }
    }
    return real ? TokenKind::kDouble : IntSuffix();
  }

  TokenKind IntSuffix() {
    if (Peek() != 'u' && Peek() != 'U') return TokenKind::kInt;
    ++at_;
    return TokenKind::kUint;
  }

  static constexpr size_t kNoString = ~size_t{0};

  // How many letters of r and b stand before a quote here; kNoString when this is no string.
  size_t StringPrefix() const {
    for (size_t prefix = 0; prefix <= 2; ++prefix) {
      const char c = Peek(prefix);
      if (c == '"' || c == '\'') return prefix;
      const bool raw = c == 'r' || c == 'R';
      const bool bytes = c == 'b' || c == 'B';
      if (!raw && !bytes) return kNoString;
      // Each letter once.
      if (prefix == 1 && raw == (Peek(0) == 'r' || Peek(0) == 'R')) return kNoString;
    }
    return kNoString;
  }

  TokenKind String(size_t prefix) {
    const size_t begin = at_;
    bool raw = false;
    bool bytes = false;
    for (size_t i = 0; i < prefix; ++i) {
      (Peek(i) == 'r' || Peek(i) == 'R' ? raw : bytes) = true;
    }
    at_ += prefix;
    const char quote = Peek();
    const bool triple = Peek(1) == quote && Peek(2) == quote;
    at_ += triple ? 3 : 1;
    while (at_ < source_.size()) {
      const char c = source_[at_];
      if (c == '\\' && !raw && at_ + 1 < source_.size()) {
        at_ += 2;
        continue;
      }
      if (!triple && (c == '\n' || c == '\r')) break;
      if (c == quote && (!triple || (Peek(1) == quote && Peek(2) == quote))) {
        at_ += triple ? 3 : 1;
        return bytes ? TokenKind::kBytes : TokenKind::kString;
      }
      ++at_;
    }
    reporter_.Report(static_cast<uint32_t>(begin), "this string has no end");
    return TokenKind::kEnd;
  }

  const std::string_view source_;
  IssueReporter& reporter_;
  size_t at_ = 0;
};

}  // namespace

std::vector<Token> Tokenize(std::string_view source, IssueReporter& reporter) {
  return Lexer(source, reporter).Run();
}

std::string DescribeToken(const Token& token) {
  switch (token.kind) {
    case TokenKind::kEnd:
      return "the end of the expression";
    case TokenKind::kString:
      return "a string";
    case TokenKind::kBytes:
      return "bytes";
    default:
      return Quoted(token.text);
  }
}

}  // namespace attune::expression
