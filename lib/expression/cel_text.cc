#include "lib/expression/cel_text.h"

#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "lib/base/absl_strings.h"
#include "lib/expression/number_text.h"

namespace attune::expression {
namespace {

// In quotes. What is no text for people, and in bytes all but ASCII, is escaped.
std::string InQuotes(std::string_view text, bool is_bytes) {
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<uint8_t>(c);
    if (c == '"' || c == '\\') {
      out.append({'\\', c});
    } else if (c == '\n') {
      out += "\\n";
    } else if (byte < 0x20 || byte == 0x7F || (is_bytes && byte >= 0x80)) {
      absl::StrAppendFormat(&out, "\\x%02x", byte);
    } else {
      out += c;
    }
  }
  return out + '"';
}

std::string DoubleToCel(double number) {
  std::string text = DoubleToText(number);
  if (!std::isfinite(number)) return absl::StrCat("double(\"", text, "\")");
  // Without a point it would be an int.
  if (text.find_first_of(".e") == text.npos) text += ".0";
  return text;
}

std::string ListToCel(const Value& list) {
  std::string out = "[";
  ListReader reader(list);
  Value element;
  for (bool first = true; reader.Next(&element); first = false) {
    absl::StrAppend(&out, first ? "" : ", ", ToCel(element));
  }
  return out + "]";
}

std::string MapToCel(const MapData& map) {
  std::string out = "{";
  for (uint32_t i = 0; i < map.size; ++i) {
    const MapData::Entry& entry = map.entries[i];
    absl::StrAppend(&out, i == 0 ? "" : ", ", ToCel(entry.key), ": ", ToCel(entry.value));
  }
  return out + "}";
}

// Takes from `left` what the value needs as text, about; false when that is not enough.
bool TakeBytes(const Value& value, size_t& left) {
  const auto take = [&](size_t bytes) {
    if (bytes > left) return false;
    left -= bytes;
    return true;
  };
  switch (value.kind()) {
    case Kind::kString:
    case Kind::kBytes:
      return take(value.text().size() + 2);
    case Kind::kList:
    case Kind::kEncodedList: {
      ListReader reader(value);
      Value element;
      while (reader.Next(&element)) {
        if (!take(2) || !TakeBytes(element, left)) return false;
      }
      return take(2);
    }
    case Kind::kMap: {
      const MapData& map = *value.map();
      for (uint32_t i = 0; i < map.size; ++i) {
        const MapData::Entry& entry = map.entries[i];
        if (!take(4) || !TakeBytes(entry.key, left) || !TakeBytes(entry.value, left)) return false;
      }
      return take(2);
    }
    default:
      return take(1);
  }
}

}  // namespace

bool FitsCel(const Value& value, size_t max_bytes) { return TakeBytes(value, max_bytes); }

std::string ToCel(const Value& value) {
  switch (value.kind()) {
    case Kind::kNull:
      return "null";
    case Kind::kBool:
      return value.bool_value() ? "true" : "false";
    case Kind::kInt:
      return absl::StrCat(value.int_value());
    case Kind::kUint:
      return absl::StrCat(value.uint_value(), "u");
    case Kind::kDouble:
      return DoubleToCel(value.double_value());
    case Kind::kString:
      return InQuotes(value.text(), /*is_bytes=*/false);
    case Kind::kBytes:
      return "b" + InQuotes(value.text(), /*is_bytes=*/true);
    case Kind::kTimestamp:
      return absl::StrCat("timestamp(\"", TimestampToText(value), "\")");
    case Kind::kDuration:
      return absl::StrCat("duration(\"", DurationToText(value), "\")");
    case Kind::kList:
    case Kind::kEncodedList:
      return ListToCel(value);
    case Kind::kMap:
      return MapToCel(*value.map());
    case Kind::kType:
      return std::string(value.text());
    case Kind::kError:
    case Kind::kOpaque:
      break;
  }
  return "";
}

}  // namespace attune::expression
