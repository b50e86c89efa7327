#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "lib/base/text.h"
#include "lib/expression/function.h"
#include "lib/expression/number_text.h"

namespace attune::expression {
namespace {

constexpr int kDefaultPrecision = 6;
constexpr int kMaxPrecision = 100;
constexpr int kMaxNesting = 300;

// A replacement character for every run of bytes that are no UTF-8, as Go's strings.ToValidUTF8.
std::string ToValidUtf8(std::string_view bytes) {
  constexpr size_t kLongestCodePoint = 4;
  std::string text;
  bool after_invalid = false;
  while (!bytes.empty()) {
    size_t size = 1;
    while (size <= kLongestCodePoint && !IsValidUtf8(bytes.substr(0, size))) ++size;
    const bool valid = size <= std::min(kLongestCodePoint, bytes.size());
    if (valid) text += bytes.substr(0, size);
    if (!valid && !after_invalid) text += "\xEF\xBF\xBD";
    after_invalid = !valid;
    bytes.remove_prefix(valid ? size : 1);
  }
  return text;
}

// Replaces the verbs of a format by the arguments. Not for hot paths: it makes std::strings.
class Formatter {
 public:
  Formatter(CallContext& context, std::string_view format, const Value& args)
      : context_(context), format_(format), args_(args) {}

  Value Run() {
    while (at_ < format_.size() && !failed_) {
      const size_t percent = std::min(format_.find('%', at_), format_.size());
      Append(format_.substr(at_, percent - at_));
      at_ = percent;
      if (at_ < format_.size()) Clause();
    }
    return failed_ ? problem_ : context_.NewString(out_);
  }

 private:
  void Fail(const Value& problem) {
    if (!failed_) problem_ = problem;
    failed_ = true;
  }
  void Fail(std::initializer_list<std::string_view> message) {
    Fail(context_.Error(ErrorCode::kInvalidArgument, message));
  }

  void Append(std::string_view text) {
    if (failed_) return;
    if (out_.size() + text.size() > context_.limits().max_string_bytes) {
      context_.ChargeBytes(out_.size() + text.size());
      return Fail(context_.LimitError());
    }
    if (!context_.Charge(1)) return Fail(context_.LimitError());
    out_.append(text);
  }

  // "%%" or "%", a precision, a verb.
  void Clause() {
    ++at_;
    if (at_ < format_.size() && format_[at_] == '%') {
      ++at_;
      return Append("%");
    }
    int precision = kDefaultPrecision;
    if (at_ < format_.size() && format_[at_] == '.') precision = Precision();
    if (failed_) return;
    if (at_ == format_.size()) return Fail({"format(): the format ends within a clause"});
    const char verb = format_[at_++];
    Value argument;
    if (!args_.Next(&argument)) return Fail({"format(): fewer arguments than clauses"});
    Verb(verb, precision, argument);
  }

  int Precision() {
    int precision = 0;
    bool digits = false;
    while (++at_ < format_.size() && format_[at_] >= '0' && format_[at_] <= '9') {
      precision = std::min(10 * precision + (format_[at_] - '0'), kMaxPrecision + 1);
      digits = true;
    }
    if (!digits) Fail({"format(): a precision needs digits"});
    if (precision > kMaxPrecision) Fail({"format(): a precision is at most 100"});
    return precision;
  }

  void Verb(char verb, int precision, const Value& argument) {
    switch (verb) {
      case 's':
        return Text(argument, 0);
      case 'd':
        return Decimal(argument);
      case 'f':
        return Real(argument, precision, "%.*f", verb);
      case 'e':
        return Real(argument, precision, "%.*e", verb);
      case 'b':
        return Digits(argument, 2, verb);
      case 'o':
        return Digits(argument, 8, verb);
      case 'x':
      case 'X':
        return Hex(argument, verb);
      default:
        return Fail({"format(): there is no verb %", std::string_view(&verb, 1)});
    }
  }

  void WrongType(char verb, const Value& argument) {
    Fail({"format(): %", std::string_view(&verb, 1), " is not for values of type ",
          TypeName(argument)});
  }

  void Decimal(const Value& argument) {
    if (!argument.is_number()) return WrongType('d', argument);
    Text(argument, 0);
  }

  void Real(const Value& argument, int precision, const char* format, char verb) {
    double number = 0;
    switch (argument.kind()) {
      case Kind::kInt:
        number = static_cast<double>(argument.int_value());
        break;
      case Kind::kUint:
        number = static_cast<double>(argument.uint_value());
        break;
      case Kind::kDouble:
        number = argument.double_value();
        break;
      default:
        return WrongType(verb, argument);
    }
    if (!std::isfinite(number)) return Append(DoubleToFixedText(number));
    char buffer[512];  // 309 digits of the largest number and kMaxPrecision more
    const int size = std::snprintf(buffer, sizeof buffer, format, precision, number);
    Append({buffer, static_cast<size_t>(size)});
  }

  static std::string InBase(uint64_t number, unsigned base, std::string_view digits) {
    std::string text;
    do {
      text += digits[number % base];
      number /= base;
    } while (number > 0);
    std::reverse(text.begin(), text.end());
    return text;
  }

  void Digits(const Value& argument, unsigned base, char verb) {
    const std::string_view digits = verb == 'X' ? "0123456789ABCDEF" : "0123456789abcdef";
    switch (argument.kind()) {
      case Kind::kBool:
        if (verb != 'b') return WrongType(verb, argument);
        return Append(argument.bool_value() ? "1" : "0");
      case Kind::kInt: {
        const bool negative = argument.int_value() < 0;
        const uint64_t magnitude = negative ? 0 - argument.uint_value() : argument.uint_value();
        return Append((negative ? "-" : "") + InBase(magnitude, base, digits));
      }
      case Kind::kUint:
        return Append(InBase(argument.uint_value(), base, digits));
      default:
        return WrongType(verb, argument);
    }
  }

  void Hex(const Value& argument, char verb) {
    if (argument.kind() != Kind::kString && argument.kind() != Kind::kBytes) {
      return Digits(argument, 16, verb);
    }
    const std::string_view digits = verb == 'X' ? "0123456789ABCDEF" : "0123456789abcdef";
    for (const char c : argument.text()) {
      const auto byte = static_cast<unsigned char>(c);
      const char pair[] = {digits[byte >> 4], digits[byte & 15]};
      Append({pair, 2});
    }
  }

  void Text(const Value& value, int nesting) {
    if (nesting > kMaxNesting) return Fail({"format(): nested too deeply"});
    switch (value.kind()) {
      case Kind::kNull:
        return Append("null");
      case Kind::kBool:
        return Append(value.bool_value() ? "true" : "false");
      case Kind::kInt:
        return Append(std::to_string(value.int_value()));
      case Kind::kUint:
        return Append(std::to_string(value.uint_value()));
      case Kind::kDouble:
        return Append(DoubleToFixedText(value.double_value()));
      case Kind::kString:
      case Kind::kType:
        return Append(value.text());
      case Kind::kBytes:
        return Append(ToValidUtf8(value.text()));
      case Kind::kTimestamp:
        return Append(TimestampToText(value));
      case Kind::kDuration:
        return Append(DurationToText(value));
      case Kind::kList:
      case Kind::kEncodedList:
        return ListText(value, nesting);
      case Kind::kMap:
        return MapText(*value.map(), nesting);
      default:
        return WrongType('s', value);
    }
  }

  void ListText(const Value& list, int nesting) {
    Append("[");
    ListReader reader(list);
    Value element;
    for (bool first = true; !failed_ && reader.Next(&element); first = false) {
      if (!first) Append(", ");
      Text(element, nesting + 1);
    }
    Append("]");
  }

  // Entries are sorted by the text of their keys, so that equal maps print alike.
  void MapText(const MapData& map, int nesting) {
    std::vector<std::pair<std::string, const Value*>> entries;
    for (uint32_t i = 0; i < map.size && !failed_; ++i) {
      std::string saved = std::exchange(out_, "");
      Text(map.entries[i].key, nesting + 1);
      entries.emplace_back(std::exchange(out_, std::move(saved)), &map.entries[i].value);
    }
    std::stable_sort(entries.begin(), entries.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    Append("{");
    for (size_t i = 0; i < entries.size() && !failed_; ++i) {
      if (i > 0) Append(", ");
      Append(entries[i].first);
      Append(": ");
      Text(*entries[i].second, nesting + 1);
    }
    Append("}");
  }

  CallContext& context_;
  const std::string_view format_;
  ListReader args_;
  size_t at_ = 0;
  std::string out_;
  bool failed_ = false;
  Value problem_;
};

}  // namespace

Value FormatString(CallContext& context, const Value* args, size_t count) {
  if (count != 2 || args[0].kind() != Kind::kString || !args[1].is_list()) {
    return context.NoOverload("format", args, count);
  }
  return Formatter(context, args[0].text(), args[1]).Run();
}

}  // namespace attune::expression
