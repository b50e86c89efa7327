#include "lib/expression/value.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <vector>

#include "lib/base/absl_strings.h"
#include "lib/base/codec.h"
#include "lib/base/text.h"
#include "lib/expression/number_text.h"

namespace attune::expression {
namespace {

constexpr size_t kSmallMap = 8;  // looked through faster than hashed

Ordering Order(auto a, auto b) {
  if (a < b) return Ordering::kLess;
  return b < a ? Ordering::kGreater : Ordering::kEqual;
}

Ordering Reverse(Ordering ordering) {
  if (ordering == Ordering::kLess) return Ordering::kGreater;
  return ordering == Ordering::kGreater ? Ordering::kLess : ordering;
}

Ordering CompareIntUint(int64_t a, uint64_t b) {
  return a < 0 ? Ordering::kLess : Order(static_cast<uint64_t>(a), b);
}

Ordering CompareDoubles(double a, double b) {
  if (std::isnan(a) || std::isnan(b)) return Ordering::kUnordered;
  return Order(a, b);
}

// Within the range of the integer, as the language wants it: both as doubles, so that large numbers
// are equal when they round to the same double.
Ordering CompareIntDouble(int64_t a, double b) {
  if (b > 0x1p63) return Ordering::kLess;
  if (b < -0x1p63) return Ordering::kGreater;
  return CompareDoubles(static_cast<double>(a), b);
}

Ordering CompareUintDouble(uint64_t a, double b) {
  if (b > 0x1p64) return Ordering::kLess;
  if (b < 0) return Ordering::kGreater;
  return CompareDoubles(static_cast<double>(a), b);
}

uint64_t Mix(uint64_t hash, uint64_t more) {
  hash = (hash ^ more) * 0x9E3779B97F4A7C15;
  return hash ^ (hash >> 32);
}

uint64_t HashText(std::string_view text) { return absl::Hash<absl::string_view>{}(ToAbsl(text)); }

// Numbers that are equal hash alike, whatever their types. Keys of maps only.
uint64_t HashKey(const Value& key) {
  switch (key.kind()) {
    case Kind::kString:
      return HashText(key.text());
    case Kind::kBool:
      return Mix(1, key.bool_value());
    default:
      return Mix(2, key.uint_value());
  }
}

// A key as it is compared: a double that is a whole number becomes that number.
std::optional<Value> NormalisedKey(const Value& key) {
  switch (key.kind()) {
    case Kind::kBool:
    case Kind::kInt:
    case Kind::kUint:
    case Kind::kString:
      return key;
    case Kind::kDouble: {
      const double number = key.double_value();
      if (number >= -0x1p63 && number < 0x1p63 && number == std::trunc(number)) {
        return Value::Int(static_cast<int64_t>(number));
      }
      if (number >= 0x1p63 && number < 0x1p64) return Value::Uint(static_cast<uint64_t>(number));
      return std::nullopt;
    }
    default:
      return std::nullopt;
  }
}

bool EqualLists(const Value& a, const Value& b, int64_t* steps) {
  ListReader left(a);
  ListReader right(b);
  Value x;
  Value y;
  while (left.Next(&x)) {
    if (steps != nullptr && --*steps < 0) return false;
    if (!right.Next(&y) || !Equals(x, y, steps)) return false;
  }
  return !right.Next(&y);
}

bool EqualMaps(const MapData& a, const MapData& b, int64_t* steps) {
  if (a.size != b.size) return false;
  for (uint32_t i = 0; i < a.size; ++i) {
    if (steps != nullptr && --*steps < 0) return false;
    const Value* other = b.Find(a.entries[i].key);
    if (other == nullptr || !Equals(a.entries[i].value, *other, steps)) return false;
  }
  return true;
}

}  // namespace

std::string_view ErrorCodeName(ErrorCode code) {
  switch (code) {
    case ErrorCode::kNone:
      return "none";
    case ErrorCode::kUnknownName:
      return "unknown_name";
    case ErrorCode::kNoOverload:
      return "no_overload";
    case ErrorCode::kNoSuchKey:
      return "no_such_key";
    case ErrorCode::kIndexOutOfRange:
      return "index_out_of_range";
    case ErrorCode::kDivisionByZero:
      return "division_by_zero";
    case ErrorCode::kOverflow:
      return "overflow";
    case ErrorCode::kInvalidArgument:
      return "invalid_argument";
    case ErrorCode::kDuplicateKey:
      return "duplicate_key";
    case ErrorCode::kMissingValue:
      return "missing_value";
    case ErrorCode::kCostLimit:
      return "cost_limit";
    case ErrorCode::kSizeLimit:
      return "size_limit";
  }
  return "unknown";
}

const Value* MapData::Find(const Value& key) const {
  const std::optional<Value> wanted = NormalisedKey(key);
  if (!wanted.has_value()) return nullptr;
  if (index_mask == 0) {
    for (uint32_t i = 0; i < size; ++i) {
      if (Equals(entries[i].key, *wanted)) return &entries[i].value;
    }
    return nullptr;
  }
  for (auto at = static_cast<uint32_t>(HashKey(*wanted));; ++at) {
    const uint32_t position = index[at & index_mask];
    if (position == 0) return nullptr;
    if (Equals(entries[position - 1].key, *wanted)) return &entries[position - 1].value;
  }
}

MapBuilder::MapBuilder(Arena& arena, size_t capacity)
    : data_(arena.Allocate<MapData>(1)), entries_(arena.Allocate<MapData::Entry>(capacity)) {
  *data_ = {0, 0, entries_, nullptr};
  if (capacity > kSmallMap) {
    const size_t slots = std::bit_ceil(2 * capacity);
    index_ = arena.Allocate<uint32_t>(slots);
    std::fill_n(index_, slots, 0);
    data_->index = index_;
    data_->index_mask = static_cast<uint32_t>(slots - 1);
  }
}

std::optional<Value> MapBuilder::Add(const Value& key, const Value& value) {
  if (key.kind() == Kind::kDouble || !NormalisedKey(key).has_value()) {
    return Value::Error(ErrorCode::kNoOverload, "a key must be a bool, an int, a uint or a string");
  }
  if (data_->Find(key) != nullptr) {
    return Value::Error(ErrorCode::kDuplicateKey, "the key is in the map already");
  }
  entries_[data_->size++] = {key, value};
  if (index_ != nullptr) {
    auto at = static_cast<uint32_t>(HashKey(key));
    while (index_[at & data_->index_mask] != 0) ++at;
    index_[at & data_->index_mask] = data_->size;
  }
  return std::nullopt;
}

ListReader::ListReader(const Value& list) {
  if (list.kind() == Kind::kList) {
    items_ = list.items();
    items_end_ = items_ + list.size();
  } else {
    cursor_ = list.encoded().data();
    end_ = cursor_ + list.encoded().size();
  }
}

bool ListReader::Next(Value* element) {
  if (items_ != items_end_) {
    *element = *items_++;
    return true;
  }
  if (cursor_ == end_) return false;
  ByteReader reader({cursor_, static_cast<size_t>(end_ - cursor_)});
  const std::string_view text = reader.SizedBytes();
  cursor_ = reader.cursor();  // the end, when the record is malformed
  if (!reader.ok()) return false;
  *element = Value::String(text);
  return true;
}

size_t ListSize(const Value& list) {
  if (list.kind() == Kind::kList) return list.size();
  ListReader reader(list);
  Value element;
  size_t size = 0;
  while (reader.Next(&element)) ++size;
  return size;
}

std::optional<Value> ListElement(const Value& list, int64_t index) {
  if (index < 0) return std::nullopt;
  if (list.kind() == Kind::kList) {
    if (index >= list.size()) return std::nullopt;
    return list.items()[index];
  }
  ListReader reader(list);
  Value element;
  while (reader.Next(&element)) {
    if (index-- == 0) return element;
  }
  return std::nullopt;
}

bool Equals(const Value& a, const Value& b, int64_t* steps) {
  if (a.is_number() && b.is_number()) return CompareNumbers(a, b) == Ordering::kEqual;
  if (a.is_list() && b.is_list()) return EqualLists(a, b, steps);
  if (a.kind() != b.kind()) return false;
  switch (a.kind()) {
    case Kind::kNull:
      return true;
    case Kind::kBool:
      return a.bool_value() == b.bool_value();
    case Kind::kString:
    case Kind::kBytes:
    case Kind::kType:
      return a.text() == b.text();
    case Kind::kTimestamp:
    case Kind::kDuration:
      return a.seconds() == b.seconds() && a.nanos() == b.nanos();
    case Kind::kMap:
      return EqualMaps(*a.map(), *b.map(), steps);
    case Kind::kOpaque:
      return a.object() == b.object() && a.opaque_tag() == b.opaque_tag();
    default:
      return false;
  }
}

bool Identical(const Value& a, const Value& b) {
  if (a.kind() != b.kind()) return false;
  switch (a.kind()) {
    case Kind::kError:
      return a.error_code() == b.error_code() && a.text() == b.text();
    case Kind::kDouble:
      return a.int_value() == b.int_value();  // the bits
    case Kind::kList:
      return a.size() == b.size() &&
             std::equal(a.items(), a.items() + a.size(), b.items(), Identical);
    case Kind::kMap:
      return a.map()->size == b.map()->size &&
             std::equal(a.map()->entries, a.map()->entries + a.map()->size, b.map()->entries,
                        [](const MapData::Entry& x, const MapData::Entry& y) {
                          return Identical(x.key, y.key) && Identical(x.value, y.value);
                        });
    case Kind::kEncodedList:
      return a.encoded() == b.encoded();
    default:
      return Equals(a, b);
  }
}

uint64_t HashOf(const Value& value) {
  uint64_t hash = Mix(0, static_cast<uint64_t>(value.kind()));
  switch (value.kind()) {
    case Kind::kError:
    case Kind::kString:
    case Kind::kBytes:
    case Kind::kType:
    case Kind::kEncodedList:
      return Mix(hash, HashText(value.text()));
    case Kind::kTimestamp:
    case Kind::kDuration:
      return Mix(Mix(hash, value.uint_value()), static_cast<uint64_t>(value.nanos()));
    case Kind::kList:
      for (uint32_t i = 0; i < value.size(); ++i) hash = Mix(hash, HashOf(value.items()[i]));
      return hash;
    case Kind::kMap:
      for (uint32_t i = 0; i < value.map()->size; ++i) {
        hash = Mix(Mix(hash, HashOf(value.map()->entries[i].key)),
                   HashOf(value.map()->entries[i].value));
      }
      return hash;
    default:
      return Mix(hash, value.uint_value());
  }
}

Ordering CompareNumbers(const Value& a, const Value& b) {
  switch (a.kind()) {
    case Kind::kInt:
      if (b.kind() == Kind::kInt) return Order(a.int_value(), b.int_value());
      if (b.kind() == Kind::kUint) return CompareIntUint(a.int_value(), b.uint_value());
      return CompareIntDouble(a.int_value(), b.double_value());
    case Kind::kUint:
      if (b.kind() == Kind::kUint) return Order(a.uint_value(), b.uint_value());
      if (b.kind() == Kind::kInt) return Reverse(CompareIntUint(b.int_value(), a.uint_value()));
      return CompareUintDouble(a.uint_value(), b.double_value());
    default:
      if (b.kind() == Kind::kDouble) return CompareDoubles(a.double_value(), b.double_value());
      if (b.kind() == Kind::kInt) return Reverse(CompareIntDouble(b.int_value(), a.double_value()));
      return Reverse(CompareUintDouble(b.uint_value(), a.double_value()));
  }
}

Ordering Compare(const Value& a, const Value& b) {
  if (a.is_number() && b.is_number()) return CompareNumbers(a, b);
  if (a.kind() != b.kind()) return Ordering::kUndefined;
  switch (a.kind()) {
    case Kind::kBool:
      return Order(a.bool_value(), b.bool_value());
    case Kind::kString:
    case Kind::kBytes:
      return Order(a.text(), b.text());
    case Kind::kTimestamp:
    case Kind::kDuration:
      if (a.seconds() != b.seconds()) return Order(a.seconds(), b.seconds());
      return Order(a.nanos(), b.nanos());
    default:
      return Ordering::kUndefined;
  }
}

std::string_view TypeName(const Value& value) {
  switch (value.kind()) {
    case Kind::kError:
      return "error";
    case Kind::kNull:
      return "null_type";
    case Kind::kBool:
      return "bool";
    case Kind::kInt:
      return "int";
    case Kind::kUint:
      return "uint";
    case Kind::kDouble:
      return "double";
    case Kind::kString:
      return "string";
    case Kind::kBytes:
      return "bytes";
    case Kind::kTimestamp:
      return "google.protobuf.Timestamp";
    case Kind::kDuration:
      return "google.protobuf.Duration";
    case Kind::kList:
    case Kind::kEncodedList:
      return "list";
    case Kind::kMap:
      return "map";
    case Kind::kType:
      return "type";
    case Kind::kOpaque:
      return "opaque";
  }
  return "unknown";
}

namespace {

void AppendText(const Value& value, size_t max_bytes, std::string& out);

void AppendList(const Value& list, size_t max_bytes, std::string& out) {
  out += '[';
  ListReader reader(list);
  Value element;
  for (bool first = true; reader.Next(&element); first = false) {
    if (!first) out += ", ";
    if (out.size() >= max_bytes) {
      out += "...";
      break;
    }
    AppendText(element, max_bytes, out);
  }
  out += ']';
}

void AppendMap(const MapData& map, size_t max_bytes, std::string& out) {
  out += '{';
  for (uint32_t i = 0; i < map.size; ++i) {
    if (i > 0) out += ", ";
    if (out.size() >= max_bytes) {
      out += "...";
      break;
    }
    AppendText(map.entries[i].key, max_bytes, out);
    out += ": ";
    AppendText(map.entries[i].value, max_bytes, out);
  }
  out += '}';
}

void AppendText(const Value& value, size_t max_bytes, std::string& out) {
  switch (value.kind()) {
    case Kind::kError:
      out.append("error: ").append(value.text().substr(0, max_bytes));
      return;
    case Kind::kNull:
      out += "null";
      return;
    case Kind::kBool:
      out += value.bool_value() ? "true" : "false";
      return;
    case Kind::kInt:
      out += std::to_string(value.int_value());
      return;
    case Kind::kUint:
      out.append(std::to_string(value.uint_value())).append("u");
      return;
    case Kind::kDouble:
      out += DoubleToText(value.double_value());
      return;
    case Kind::kString:
      out += Quoted(value.text(), max_bytes);
      return;
    case Kind::kBytes:
      out.append("b").append(Quoted(value.text(), max_bytes));
      return;
    case Kind::kTimestamp:
      out += TimestampToText(value);
      return;
    case Kind::kDuration:
      out += DurationToText(value);
      return;
    case Kind::kList:
    case Kind::kEncodedList:
      AppendList(value, max_bytes, out);
      return;
    case Kind::kMap:
      AppendMap(*value.map(), max_bytes, out);
      return;
    case Kind::kType:
      out += value.text();
      return;
    case Kind::kOpaque:
      out += "(opaque)";
      return;
  }
}

}  // namespace

std::string ToString(const Value& value, size_t max_bytes) {
  std::string out;
  AppendText(value, max_bytes, out);
  return out;
}

void AppendText(const Value& value, std::string& out) {
  // How long a list or a map gets is counted from its beginning.
  if (value.is_list() || value.kind() == Kind::kMap) {
    out += ToString(value);
  } else {
    AppendText(value, kMaxTextBytes, out);
  }
}

Value DeepCopy(const Value& value, Arena& arena) {
  Value copy = value;
  switch (value.kind()) {
    case Kind::kError:
      copy = Value::Error(value.error_code(), arena.Copy(value.text()));
      break;
    case Kind::kString:
      copy = Value::String(arena.Copy(value.text()));
      break;
    case Kind::kBytes:
      copy = Value::Bytes(arena.Copy(value.text()));
      break;
    case Kind::kType:
      copy = Value::Type(arena.Copy(value.text()));
      break;
    case Kind::kEncodedList:
      copy = Value::EncodedList(arena.Copy(value.encoded()));
      break;
    case Kind::kList: {
      Value* items = arena.Allocate<Value>(value.size());
      for (uint32_t i = 0; i < value.size(); ++i) items[i] = DeepCopy(value.items()[i], arena);
      copy = Value::List(items, value.size());
      break;
    }
    case Kind::kMap: {
      MapBuilder builder(arena, value.map()->size);
      for (uint32_t i = 0; i < value.map()->size; ++i) {
        const MapData::Entry& entry = value.map()->entries[i];
        builder.Add(DeepCopy(entry.key, arena), DeepCopy(entry.value, arena));
      }
      copy = builder.Build();
      break;
    }
    default:
      break;
  }
  return value.present() ? copy : copy.Absent();
}

}  // namespace attune::expression
