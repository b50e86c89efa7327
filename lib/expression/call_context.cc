#include "lib/expression/call_context.h"

#include <cstring>

#include "lib/base/time_zones.h"

namespace attune::expression {
namespace {

constexpr int64_t kRegexBytes = 1 << 20;

// "+02:00", "-3:30", "02:00". False when it is no offset.
bool ParseOffset(std::string_view text, int* seconds) {
  int sign = 1;
  if (text.starts_with('+') || text.starts_with('-')) {
    sign = text.front() == '-' ? -1 : 1;
    text.remove_prefix(1);
  }
  const size_t colon = text.find(':');
  if (colon == 0 || colon > 2 || text.size() != colon + 3) return false;
  const auto number = [](std::string_view digits) {
    int value = 0;
    for (const char c : digits) {
      if (c < '0' || c > '9') return -1;
      value = value * 10 + (c - '0');
    }
    return value;
  };
  const int hours = number(text.substr(0, colon));
  const int minutes = number(text.substr(colon + 1));
  if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59) return false;
  *seconds = sign * (hours * 3600 + minutes * 60);
  return true;
}

}  // namespace

bool CallContext::ChargeBytes(size_t bytes) {
  if (bytes > limits_.max_string_bytes || arena_.used_bytes() + bytes > limits_.max_arena_bytes) {
    limit_ = ErrorCode::kSizeLimit;
    return false;
  }
  return Charge(1 + static_cast<int64_t>(bytes / 16));
}

bool CallContext::ChargeElements(size_t elements) {
  if (elements > limits_.max_elements ||
      arena_.used_bytes() + elements * 2 * sizeof(Value) > limits_.max_arena_bytes) {
    limit_ = ErrorCode::kSizeLimit;
    return false;
  }
  return Charge(1 + static_cast<int64_t>(elements));
}

Value CallContext::LimitError() const {
  if (limit_ == ErrorCode::kSizeLimit) {
    return Value::Error(limit_, "a string, a list or all values together are too large");
  }
  return Value::Error(ErrorCode::kCostLimit, "the evaluation takes too many steps");
}

Value CallContext::NewString(std::string_view text) {
  if (!ChargeBytes(text.size())) return LimitError();
  return Value::String(arena_.Copy(text));
}

Value CallContext::NewBytes(std::string_view bytes) {
  if (!ChargeBytes(bytes.size())) return LimitError();
  return Value::Bytes(arena_.Copy(bytes));
}

Value CallContext::Error(ErrorCode code, std::initializer_list<std::string_view> parts) {
  constexpr size_t kMaxPart = 100;  // values of the customer may be among them
  size_t size = 0;
  for (const std::string_view part : parts) size += std::min(part.size(), kMaxPart);
  if (arena_.used_bytes() + size > limits_.max_arena_bytes) return LimitError();
  char* message = arena_.Allocate<char>(size);
  char* end = message;
  for (const std::string_view part : parts) {
    const size_t bytes = std::min(part.size(), kMaxPart);
    if (bytes > 0) std::memcpy(end, part.data(), bytes);
    end += bytes;
  }
  return Value::Error(code, {message, size});
}

Value CallContext::NoOverload(std::string_view function, const Value* args, size_t count) {
  switch (count) {
    case 0:
      return Error(ErrorCode::kNoOverload, {function, " is not defined without arguments"});
    case 1:
      return Error(ErrorCode::kNoOverload,
                   {function, " is not defined for (", TypeName(args[0]), ")"});
    case 2:
      return Error(ErrorCode::kNoOverload, {function, " is not defined for (", TypeName(args[0]),
                                            ", ", TypeName(args[1]), ")"});
    default:
      return Error(ErrorCode::kNoOverload,
                   {function, " is not defined for (", TypeName(args[0]), ", ", TypeName(args[1]),
                    ", ", TypeName(args[2]), count > 3 ? ", ...)" : ")"});
  }
}

bool CallContext::FindTimeZone(std::string_view name, absl::TimeZone* zone) {
  for (const NamedZone& known : zones_) {
    if (!name.empty() && known.name == name) {
      *zone = known.zone;
      return true;
    }
  }
  int offset = 0;
  if (ParseOffset(name, &offset)) {
    *zone = absl::FixedTimeZone(offset);
  } else if (const absl::TimeZone* found = SystemTimeZones().Find(name)) {
    *zone = *found;
  } else {
    return false;
  }
  zones_[next_zone_] = {std::string(name), *zone};
  next_zone_ = (next_zone_ + 1) % zones_.size();
  return true;
}

const RE2* CallContext::FindRegex(std::string_view pattern) {
  for (const NamedRegex& known : regexes_) {
    if (known.regex != nullptr && known.pattern == pattern) return known.regex.get();
  }
  std::unique_ptr<RE2> regex = CompileRegex(pattern);
  if (!regex->ok()) return nullptr;
  NamedRegex& place = regexes_[next_regex_];
  next_regex_ = (next_regex_ + 1) % regexes_.size();
  place = {std::string(pattern), std::move(regex)};
  return place.regex.get();
}

std::unique_ptr<RE2> CompileRegex(std::string_view pattern) {
  RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(kRegexBytes);
  return std::make_unique<RE2>(re2::StringPiece(pattern.data(), pattern.size()), options);
}

}  // namespace attune::expression
