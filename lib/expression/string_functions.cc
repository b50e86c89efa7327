#include <algorithm>
#include <cstring>
#include <limits>
#include <optional>
#include <string>

#include "lib/expression/function.h"
#include "lib/expression/utf8.h"

namespace attune::expression {
namespace {

constexpr size_t kNotFound = std::string_view::npos;

Value IndexOutOfRange() { return Value::Error(ErrorCode::kIndexOutOfRange, "index out of range"); }

// True when the first arguments have these kinds and there are no more.
bool Takes(const Value* args, size_t count, std::initializer_list<Kind> kinds) {
  if (count != kinds.size()) return false;
  for (const Kind kind : kinds) {
    if ((args++)->kind() != kind) return false;
  }
  return true;
}

bool TakesStrings(const Value* args, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    if (args[i].kind() != Kind::kString) return false;
  }
  return true;
}

Value Contains(CallContext& context, const Value* args, size_t count) {
  if (!TakesStrings(args, count)) return context.NoOverload("contains", args, count);
  const std::string_view text = args[0].text();
  const std::string_view wanted = args[1].text();
  if (!context.Charge(static_cast<int64_t>(text.size() / 16))) return context.LimitError();
  if (wanted.empty()) return Value::Bool(true);
  // memmem is linear where find is quadratic at worst.
  return Value::Bool(text.size() >= wanted.size() &&
                     memmem(text.data(), text.size(), wanted.data(), wanted.size()) != nullptr);
}

Value StartsWith(CallContext& context, const Value* args, size_t count) {
  if (!TakesStrings(args, count)) return context.NoOverload("startsWith", args, count);
  return Value::Bool(args[0].text().starts_with(args[1].text()));
}

Value EndsWith(CallContext& context, const Value* args, size_t count) {
  if (!TakesStrings(args, count)) return context.NoOverload("endsWith", args, count);
  return Value::Bool(args[0].text().ends_with(args[1].text()));
}

Value Matches(CallContext& context, const Value* args, size_t count) {
  if (!TakesStrings(args, count)) return context.NoOverload("matches", args, count);
  const std::string_view text = args[0].text();
  const std::string_view pattern = args[1].text();
  const auto cost = static_cast<int64_t>((text.size() / 16 + 1) * (pattern.size() / 16 + 1));
  if (!context.Charge(cost)) return context.LimitError();
  const RE2* regex = context.FindRegex(pattern);
  if (regex == nullptr) {
    return context.Error(ErrorCode::kInvalidArgument, {"malformed regular expression: ", pattern});
  }
  return Value::Bool(RE2::PartialMatch(re2::StringPiece(text.data(), text.size()), *regex));
}

Value CharAt(CallContext& context, const Value* args, size_t count) {
  if (!Takes(args, count, {Kind::kString, Kind::kInt})) {
    return context.NoOverload("charAt", args, count);
  }
  const std::string_view text = args[0].text();
  if (args[1].int_value() < 0) return IndexOutOfRange();
  const size_t at = CodePointOffset(text, args[1].uint_value());
  if (at == kNotFound) return IndexOutOfRange();
  if (at == text.size()) return Value::String("");
  return Value::String(text.substr(at, CodePointEnd(text, at) - at));
}

// Where `wanted` first is at or after the byte `begin`, which is the code point `from`, in code
// points; -1: nowhere.
int64_t FirstIndex(std::string_view text, std::string_view wanted, size_t begin, int64_t from) {
  if (wanted.empty()) return from;
  const void* found =
      memmem(text.data() + begin, text.size() - begin, wanted.data(), wanted.size());
  if (found == nullptr) return -1;
  const auto at = static_cast<size_t>(static_cast<const char*>(found) - text.data());
  return static_cast<int64_t>(CodePointCount(text.substr(0, at)));
}

// Where `wanted` last is at or before the code point `from` of `size`.
int64_t LastIndex(CallContext& context, std::string_view text, std::string_view wanted,
                  int64_t from, int64_t size) {
  if (wanted.empty()) return std::min(from, size);
  if (from >= size || wanted.size() > text.size()) return -1;
  size_t at = CodePointOffset(text, static_cast<uint64_t>(from));
  at = std::min(at, text.size() - wanted.size());
  // One step per place and compared byte: the search is quadratic at worst.
  for (;; --at) {
    if (!context.Charge(1 + static_cast<int64_t>(wanted.size() / 16))) return -1;
    if (text.compare(at, wanted.size(), wanted) == 0) {
      return static_cast<int64_t>(CodePointCount(text.substr(0, at)));
    }
    if (at == 0) return -1;
  }
}

Value IndexOf(CallContext& context, const Value* args, size_t count) {
  const bool with_offset = Takes(args, count, {Kind::kString, Kind::kString, Kind::kInt});
  if (!with_offset && !Takes(args, count, {Kind::kString, Kind::kString})) {
    return context.NoOverload("indexOf", args, count);
  }
  const int64_t from = with_offset ? args[2].int_value() : 0;
  if (from < 0) return IndexOutOfRange();
  if (!context.Charge(static_cast<int64_t>(args[0].text().size() / 16)))
    return context.LimitError();
  const size_t begin = CodePointOffset(args[0].text(), static_cast<uint64_t>(from));
  if (begin == kNotFound) return IndexOutOfRange();
  return Value::Int(FirstIndex(args[0].text(), args[1].text(), begin, from));
}

Value LastIndexOf(CallContext& context, const Value* args, size_t count) {
  const bool with_offset = Takes(args, count, {Kind::kString, Kind::kString, Kind::kInt});
  if (!with_offset && !Takes(args, count, {Kind::kString, Kind::kString})) {
    return context.NoOverload("lastIndexOf", args, count);
  }
  const std::string_view text = args[0].text();
  const auto size = static_cast<int64_t>(CodePointCount(text));
  int64_t from = with_offset ? args[2].int_value() : size - 1;
  if (with_offset && (from < 0 || from > size)) return IndexOutOfRange();
  if (!with_offset && args[1].text().empty()) ++from;
  if (from < 0) return Value::Int(-1);
  const int64_t found = LastIndex(context, text, args[1].text(), from, size);
  return context.limit_hit() ? context.LimitError() : Value::Int(found);
}

// The text with every ASCII letter between `first` and `last` in its other case.
Value FlipCase(CallContext& context, std::string_view text, char first, char last) {
  if (!context.ChargeBytes(text.size())) return context.LimitError();
  char* flipped = context.arena().Allocate<char>(text.size());
  std::transform(text.begin(), text.end(), flipped,
                 [&](char c) { return c >= first && c <= last ? static_cast<char>(c ^ 0x20) : c; });
  return Value::String({flipped, text.size()});
}

Value LowerAscii(CallContext& context, const Value* args, size_t count) {
  if (!TakesStrings(args, count)) return context.NoOverload("lowerAscii", args, count);
  return FlipCase(context, args[0].text(), 'A', 'Z');
}

Value UpperAscii(CallContext& context, const Value* args, size_t count) {
  if (!TakesStrings(args, count)) return context.NoOverload("upperAscii", args, count);
  return FlipCase(context, args[0].text(), 'a', 'z');
}

// Puts a string together piece by piece, within the limit. Not for hot paths: it is a std::string.
class StringBuilder {
 public:
  explicit StringBuilder(CallContext& context) : context_(context) {}
  // False when the string is too long: Finish() returns the error.
  bool Append(std::string_view piece) {
    if (text_.size() + piece.size() > context_.limits().max_string_bytes) {
      context_.ChargeBytes(text_.size() + piece.size());
      return false;
    }
    text_.append(piece);
    return context_.Charge(1);
  }
  Value Finish() {
    return context_.limit_hit() ? context_.LimitError() : context_.NewString(text_);
  }

 private:
  CallContext& context_;
  std::string text_;
};

// An empty `old` stands before every code point and at the end.
Value ReplaceText(CallContext& context, std::string_view text, std::string_view old,
                  std::string_view replacement, int64_t times) {
  StringBuilder builder(context);
  size_t at = 0;
  for (; times > 0; --times) {
    const size_t found = old.empty() ? at : text.find(old, at);
    if (found == kNotFound) break;
    if (!builder.Append(text.substr(at, found - at)) || !builder.Append(replacement)) break;
    at = found + old.size();
    if (!old.empty()) continue;
    if (at == text.size()) return builder.Finish();
    const size_t end = CodePointEnd(text, at);
    if (!builder.Append(text.substr(at, end - at))) break;
    at = end;
  }
  if (!context.limit_hit()) builder.Append(text.substr(at));
  return builder.Finish();
}

Value Replace(CallContext& context, const Value* args, size_t count) {
  int64_t times = std::numeric_limits<int64_t>::max();
  if (Takes(args, count, {Kind::kString, Kind::kString, Kind::kString, Kind::kInt})) {
    if (args[3].int_value() >= 0) times = args[3].int_value();
  } else if (!Takes(args, count, {Kind::kString, Kind::kString, Kind::kString})) {
    return context.NoOverload("replace", args, count);
  }
  return ReplaceText(context, args[0].text(), args[1].text(), args[2].text(), times);
}

// Calls `piece` with up to `most` pieces between separators; the last one is the rest.
template <typename Piece>
void SplitText(std::string_view text, std::string_view separator, int64_t most, Piece piece) {
  size_t at = 0;
  while (--most > 0) {
    size_t end = kNotFound;
    if (!separator.empty()) {
      end = text.find(separator, at);
      if (end == kNotFound) break;
    } else {
      if (at >= text.size() || CodePointEnd(text, at) == text.size()) break;
      end = CodePointEnd(text, at);
    }
    piece(text.substr(at, end - at));
    at = end + separator.size();
  }
  if (separator.empty() && text.empty()) return;
  piece(text.substr(at));
}

Value Split(CallContext& context, const Value* args, size_t count) {
  int64_t most = std::numeric_limits<int64_t>::max();
  if (Takes(args, count, {Kind::kString, Kind::kString, Kind::kInt})) {
    if (args[2].int_value() >= 0) most = args[2].int_value();
  } else if (!Takes(args, count, {Kind::kString, Kind::kString})) {
    return context.NoOverload("split", args, count);
  }
  if (most == 0) return Value::List(nullptr, 0);
  if (!context.Charge(static_cast<int64_t>(args[0].text().size() / 16)))
    return context.LimitError();
  size_t pieces = 0;
  SplitText(args[0].text(), args[1].text(), most, [&](std::string_view) { ++pieces; });
  if (!context.ChargeElements(pieces)) return context.LimitError();
  Value* items = context.arena().Allocate<Value>(pieces);
  size_t filled = 0;
  SplitText(args[0].text(), args[1].text(), most,
            [&](std::string_view piece) { items[filled++] = Value::String(piece); });
  return Value::List(items, filled);
}

Value Join(CallContext& context, const Value* args, size_t count) {
  const bool separated = count == 2 && args[1].kind() == Kind::kString;
  if (!args[0].is_list() || (count == 2 && !separated))
    return context.NoOverload("join", args, count);
  StringBuilder builder(context);
  ListReader reader(args[0]);
  Value element;
  for (bool first = true; reader.Next(&element); first = false) {
    if (element.kind() != Kind::kString) return context.NoOverload("join: an element", &element, 1);
    if (!first && separated && !builder.Append(args[1].text())) break;
    if (!builder.Append(element.text())) break;
  }
  return builder.Finish();
}

Value Substring(CallContext& context, const Value* args, size_t count) {
  const bool with_end = Takes(args, count, {Kind::kString, Kind::kInt, Kind::kInt});
  if (!with_end && !Takes(args, count, {Kind::kString, Kind::kInt})) {
    return context.NoOverload("substring", args, count);
  }
  const std::string_view text = args[0].text();
  if (args[1].int_value() < 0) return IndexOutOfRange();
  const size_t begin = CodePointOffset(text, args[1].uint_value());
  if (begin == kNotFound) return IndexOutOfRange();
  if (!with_end) return Value::String(text.substr(begin));
  if (args[2].int_value() < args[1].int_value()) {
    return Value::Error(ErrorCode::kIndexOutOfRange, "substring(): the end is before the start");
  }
  const size_t end = CodePointOffset(text, args[2].uint_value());
  if (end == kNotFound) return IndexOutOfRange();
  return Value::String(text.substr(begin, end - begin));
}

bool IsSpace(uint32_t c) {
  return (c >= 9 && c <= 13) || c == ' ' || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
         c == 0x3000;
}

Value Trim(CallContext& context, const Value* args, size_t count) {
  if (!TakesStrings(args, count)) return context.NoOverload("trim", args, count);
  std::string_view text = args[0].text();
  while (!text.empty() && IsSpace(CodePointAt(text, 0))) text.remove_prefix(CodePointEnd(text, 0));
  while (!text.empty()) {
    size_t last = text.size() - 1;
    while (last > 0 && IsContinuation(text[last])) --last;
    if (!IsSpace(CodePointAt(text, last))) break;
    text = text.substr(0, last);
  }
  return Value::String(text);
}

Value Reverse(CallContext& context, const Value* args, size_t count) {
  if (!TakesStrings(args, count)) return context.NoOverload("reverse", args, count);
  const std::string_view text = args[0].text();
  if (!context.ChargeBytes(text.size())) return context.LimitError();
  char* reversed = context.arena().Allocate<char>(text.size());
  char* to = reversed + text.size();
  for (size_t at = 0; at < text.size();) {
    const size_t end = CodePointEnd(text, at);
    to -= end - at;
    std::memcpy(to, text.data() + at, end - at);
    at = end;
  }
  return Value::String({reversed, text.size()});
}

Value Quote(CallContext& context, const Value* args, size_t count) {
  if (!TakesStrings(args, count)) return context.NoOverload("strings.quote", args, count);
  const std::string_view text = args[0].text();
  if (!context.ChargeBytes(2 * text.size() + 2)) return context.LimitError();
  constexpr std::string_view kEscaped = "\a\b\f\n\r\t\v\\\"";
  constexpr std::string_view kNames = "abfnrtv\\\"";
  char* quoted = context.arena().Allocate<char>(2 * text.size() + 2);
  size_t size = 0;
  quoted[size++] = '"';
  for (const char c : text) {
    const size_t escape = kEscaped.find(c);
    if (escape != kNotFound) quoted[size++] = '\\';
    quoted[size++] = escape != kNotFound ? kNames[escape] : c;
  }
  quoted[size++] = '"';
  return Value::String({quoted, size});
}

}  // namespace

std::vector<BuiltinFunction> StringFunctions() {
  return {
      {"contains", Contains, "string.(string) -> bool"},
      {"startsWith", StartsWith, "string.(string) -> bool"},
      {"endsWith", EndsWith, "string.(string) -> bool"},
      {"matches", Matches, "string.(string) -> bool; (string, string) -> bool"},
      {"charAt", CharAt, "string.(int) -> string"},
      {"indexOf", IndexOf, "string.(string) -> int; string.(string, int) -> int"},
      {"lastIndexOf", LastIndexOf, "string.(string) -> int; string.(string, int) -> int"},
      {"lowerAscii", LowerAscii, "string.() -> string"},
      {"upperAscii", UpperAscii, "string.() -> string"},
      {"replace", Replace,
       "string.(string, string) -> string; string.(string, string, int) -> string"},
      {"split", Split, "string.(string) -> list(string); string.(string, int) -> list(string)"},
      {"join", Join, "list(string).() -> string; list(string).(string) -> string"},
      {"substring", Substring, "string.(int) -> string; string.(int, int) -> string"},
      {"trim", Trim, "string.() -> string"},
      {"reverse", Reverse, "string.() -> string"},
      {"format", FormatString, "string.(list(dyn)) -> string"},
      {"strings.quote", Quote, "(string) -> string"},
  };
}

}  // namespace attune::expression
