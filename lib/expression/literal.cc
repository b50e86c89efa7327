#include "lib/expression/literal.h"

#include <charconv>
#include <limits>

#include "lib/base/text.h"
#include "lib/expression/number_text.h"

namespace attune::expression {
namespace {

int DigitValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return 99;
}

class StringDecoder {
 public:
  StringDecoder(std::string_view body, bool bytes) : body_(body), bytes_(bytes) {}

  DecodedString Run() {
    while (at_ < body_.size() && result_.problem.empty()) {
      if (body_[at_] != '\\') {
        Plain();
      } else {
        Escape();
      }
    }
    return std::move(result_);
  }

 private:
  void Plain() {
    const size_t end = std::min(body_.find('\\', at_), body_.size());
    result_.bytes.append(body_.substr(at_, end - at_));
    at_ = end;
  }

  void Fail(std::string problem) {
    result_.problem = std::move(problem);
    result_.problem_offset = at_;
  }

  void Escape() {
    const char c = at_ + 1 < body_.size() ? body_[at_ + 1] : '\0';
    constexpr std::string_view kNames = "abfnrtv\\?\"'`";
    constexpr std::string_view kMeanings = "\a\b\f\n\r\t\v\\?\"'`";
    if (const size_t simple = kNames.find(c); simple != std::string_view::npos) {
      result_.bytes += kMeanings[simple];
      at_ += 2;
      return;
    }
    switch (c) {
      case 'x':
      case 'X':
        return Number(2, 2, 16, false);
      case 'u':
        return Number(2, 4, 16, true);
      case 'U':
        return Number(2, 8, 16, true);
      case '0':
      case '1':
      case '2':
      case '3':
        return Number(1, 3, 8, false);
      default:
        Fail("unknown escape " + Quoted(body_.substr(at_, 2)));
    }
  }

  // An escape of `digits` digits, `skip` bytes from here.
  void Number(size_t skip, size_t digits, int base, bool unicode) {
    if (unicode && bytes_) return Fail("bytes have no unicode escapes; write them as UTF-8");
    uint32_t number = 0;
    for (size_t i = 0; i < digits; ++i) {
      const size_t at = at_ + skip + i;
      const int digit = at < body_.size() ? DigitValue(body_[at]) : 99;
      if (digit >= base) {
        return Fail("this escape wants " + std::to_string(digits) +
                    (base == 8 ? " octal digits" : " hexadecimal digits"));
      }
      number = number * base + digit;
    }
    if (bytes_) {
      result_.bytes += static_cast<char>(number);
    } else if (IsCodePoint(number)) {
      AppendUtf8(result_.bytes, number);
    } else {
      return Fail("this escape is no unicode code point");
    }
    at_ += skip + digits;
  }

  const std::string_view body_;
  const bool bytes_;
  size_t at_ = 0;
  DecodedString result_;
};

DecodedNumber DecodeInt(uint64_t magnitude, bool negative) {
  constexpr auto kMax = static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
  if (magnitude > kMax + (negative ? 1 : 0)) return {Value::Int(0), false};
  return {Value::Int(static_cast<int64_t>(negative ? 0 - magnitude : magnitude))};
}

}  // namespace

bool IsCodePoint(uint32_t number) {
  return number <= 0x10FFFF && (number < 0xD800 || number > 0xDFFF);
}

void AppendUtf8(std::string& out, uint32_t code_point) {
  const auto append = [&](uint32_t byte) { out += static_cast<char>(byte); };
  if (code_point < 0x80) {
    append(code_point);
  } else if (code_point < 0x800) {
    append(0xC0 | code_point >> 6);
    append(0x80 | (code_point & 0x3F));
  } else if (code_point < 0x10000) {
    append(0xE0 | code_point >> 12);
    append(0x80 | (code_point >> 6 & 0x3F));
    append(0x80 | (code_point & 0x3F));
  } else {
    append(0xF0 | code_point >> 18);
    append(0x80 | (code_point >> 12 & 0x3F));
    append(0x80 | (code_point >> 6 & 0x3F));
    append(0x80 | (code_point & 0x3F));
  }
}

DecodedString DecodeString(const Token& token) {
  std::string_view text = token.text;
  bool raw = false;
  size_t prefix = 0;
  while (text.front() != '"' && text.front() != '\'') {
    raw = raw || text.front() == 'r' || text.front() == 'R';
    text.remove_prefix(1);
    ++prefix;
  }
  const bool triple = text.size() >= 6 && text[1] == text[0] && text[2] == text[0];
  const size_t quotes = triple ? 3 : 1;
  const std::string_view body = text.substr(quotes, text.size() - 2 * quotes);
  if (raw) return {std::string(body), "", 0};
  DecodedString decoded = StringDecoder(body, token.kind == TokenKind::kBytes).Run();
  decoded.problem_offset += prefix + quotes;
  return decoded;
}

DecodedNumber DecodeNumber(const Token& token, bool negative) {
  std::string_view text = token.text;
  if (token.kind == TokenKind::kDouble) {
    const std::optional<double> number = ParseDouble(text);
    return {Value::Double(negative ? -number.value_or(0) : number.value_or(0)), number.has_value()};
  }
  if (token.kind == TokenKind::kUint) text.remove_suffix(1);
  const bool hex = text.starts_with("0x") || text.starts_with("0X");
  if (hex) text.remove_prefix(2);
  uint64_t magnitude = 0;
  const auto result =
      std::from_chars(text.data(), text.data() + text.size(), magnitude, hex ? 16 : 10);
  if (result.ec != std::errc()) return {Value::Int(0), false};
  if (token.kind == TokenKind::kUint) return {Value::Uint(magnitude)};
  return DecodeInt(magnitude, negative);
}

}  // namespace attune::expression
