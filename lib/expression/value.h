#ifndef ATTUNE_LIB_EXPRESSION_VALUE_H_
#define ATTUNE_LIB_EXPRESSION_VALUE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>

#include "lib/expression/arena.h"

namespace attune::expression {

// What went wrong in an evaluation.
enum class ErrorCode : uint8_t {
  kNone = 0,
  kUnknownName,      // an identifier or a function that nobody declared or bound
  kNoOverload,       // an operator or a function is not defined for values of these types
  kNoSuchKey,        // a map has no such key
  kIndexOutOfRange,  // of a list or a string
  kDivisionByZero,   // also the remainder
  kOverflow,         // a number, a timestamp or a duration left its range
  kInvalidArgument,  // text that can't be converted, a bad regular expression or format
  kDuplicateKey,     // of a map under construction
  kMissingValue,     // a declared value that has neither a value nor a default
  kCostLimit,        // Limits::max_steps
  kSizeLimit,        // Limits::max_string_bytes, max_elements or max_arena_bytes
};

// "unknown_name", "no_overload", ...: a label for metrics.
std::string_view ErrorCodeName(ErrorCode code);

enum class Kind : uint8_t {
  kError,
  kNull,
  kBool,
  kInt,
  kUint,
  kDouble,
  kString,
  kBytes,
  kTimestamp,
  kDuration,
  kList,         // of values
  kEncodedList,  // of strings, as records hold it; the same type as kList to an expression
  kMap,
  kType,
  kOpaque,  // something of the host's, seen only by the host's functions
};

struct MapData;

// A value of an expression, by reference: text, lists and maps point into somebody else's memory
// (a record, a program's constants, an evaluation's arena), which must outlive it. An error is a
// value as well. 16 bytes, trivially copyable.
class Value {
 public:
  // A missing value: an error.
  Value() : Value(Error(ErrorCode::kMissingValue, "no value")) {}

  // `message` must live as long as the value: a literal or text in an arena.
  static Value Error(ErrorCode code, std::string_view message) {
    Value value(Kind::kError, message.data(), message.size());
    value.detail_ = static_cast<uint8_t>(code);
    return value;
  }
  static Value Null() { return Value(Kind::kNull, int64_t{0}); }
  static Value Bool(bool value) { return Value(Kind::kBool, static_cast<int64_t>(value)); }
  static Value Int(int64_t value) { return Value(Kind::kInt, value); }
  static Value Uint(uint64_t value) { return Value(Kind::kUint, static_cast<int64_t>(value)); }
  static Value Double(double number) {
    Value value(Kind::kDouble, int64_t{0});
    value.payload_.real = number;
    return value;
  }
  static Value String(std::string_view text) {
    return Value(Kind::kString, text.data(), text.size());
  }
  static Value Bytes(std::string_view bytes) {
    return Value(Kind::kBytes, bytes.data(), bytes.size());
  }
  // REQUIRES: 0 <= nanos < 1e9 for timestamps; for durations nanos has the sign of the seconds.
  static Value Timestamp(int64_t unix_seconds, int32_t nanos) {
    return Value(Kind::kTimestamp, unix_seconds, nanos);
  }
  static Value TimestampMicros(int64_t unix_micros) {
    int64_t seconds = unix_micros / 1'000'000;
    int64_t micros = unix_micros % 1'000'000;
    if (micros < 0) {
      --seconds;
      micros += 1'000'000;
    }
    return Timestamp(seconds, static_cast<int32_t>(micros * 1000));
  }
  static Value Duration(int64_t seconds, int32_t nanos) {
    return Value(Kind::kDuration, seconds, nanos);
  }
  static Value List(const Value* items, size_t count) { return Value(Kind::kList, items, count); }
  // `encoded`: for each string a varint of its size, then its bytes.
  static Value EncodedList(std::string_view encoded) {
    return Value(Kind::kEncodedList, encoded.data(), encoded.size());
  }
  static Value Map(const MapData* map) { return Value(Kind::kMap, map, 0); }
  // `name` must live as long as the value.
  static Value Type(std::string_view name) { return Value(Kind::kType, name.data(), name.size()); }
  // `tag` tells the host's opaque types apart.
  static Value Opaque(const void* object, uint32_t tag) {
    return Value(Kind::kOpaque, object, tag);
  }

  Kind kind() const { return kind_; }
  bool is_error() const { return kind_ == Kind::kError; }
  bool is_true() const { return kind_ == Kind::kBool && payload_.number != 0; }
  bool is_list() const { return kind_ == Kind::kList || kind_ == Kind::kEncodedList; }
  bool is_number() const {
    return kind_ == Kind::kInt || kind_ == Kind::kUint || kind_ == Kind::kDouble;
  }
  // False for a declared default that stands in for a value that is not known: has() asks for it.
  bool present() const { return present_; }
  Value Absent() const {
    Value value = *this;
    value.present_ = false;
    return value;
  }

  // REQUIRES: of each, the kind in its name.
  ErrorCode error_code() const { return static_cast<ErrorCode>(detail_); }
  std::string_view error_message() const { return text(); }
  bool bool_value() const { return payload_.number != 0; }
  int64_t int_value() const { return payload_.number; }
  uint64_t uint_value() const { return static_cast<uint64_t>(payload_.number); }
  double double_value() const { return payload_.real; }
  int64_t seconds() const { return payload_.number; }                // timestamp, duration
  int32_t nanos() const { return static_cast<int32_t>(size_); }      // timestamp, duration
  std::string_view text() const { return {payload_.bytes, size_}; }  // string, bytes, type, error
  std::string_view encoded() const { return {payload_.bytes, size_}; }
  const Value* items() const { return static_cast<const Value*>(payload_.object); }  // list
  uint32_t size() const { return size_; }                                            // list
  const MapData* map() const { return static_cast<const MapData*>(payload_.object); }
  const void* object() const { return payload_.object; }
  uint32_t opaque_tag() const { return size_; }

 private:
  union Payload {
    int64_t number;
    double real;
    const char* bytes;
    const void* object;
  };
  Value(Kind kind, int64_t number, int32_t nanos = 0)
      : payload_{.number = number}, size_(static_cast<uint32_t>(nanos)), kind_(kind) {}
  Value(Kind kind, const char* bytes, size_t size)
      : payload_{.bytes = bytes}, size_(static_cast<uint32_t>(size)), kind_(kind) {}
  Value(Kind kind, const void* object, size_t size)
      : payload_{.object = object}, size_(static_cast<uint32_t>(size)), kind_(kind) {}

  Payload payload_;
  uint32_t size_;
  Kind kind_;
  bool present_ = true;
  uint8_t detail_ = 0;  // of an error, its code
};
static_assert(sizeof(Value) == 16 && std::is_trivially_copyable_v<Value>);

// The entries of a map in the order of their making; keys differ (MapBuilder checks it).
struct MapData {
  struct Entry {
    Value key;
    Value value;
  };
  uint32_t size;
  uint32_t index_mask;  // 0: no index, look through the entries
  const Entry* entries;
  const uint32_t* index;  // open addressing by HashKey; position + 1, or 0

  // The value of the key, numbers of different types by their value; null when there is none.
  const Value* Find(const Value& key) const;
};

// Puts a map together in an arena. Not thread-safe.
class MapBuilder {
 public:
  // REQUIRES: at most `capacity` calls of Add.
  MapBuilder(Arena& arena, size_t capacity);
  // An error when the key may not be a key or is there already; nullopt otherwise.
  std::optional<Value> Add(const Value& key, const Value& value);
  Value Build() const { return Value::Map(data_); }

 private:
  MapData* data_;
  MapData::Entry* entries_;
  uint32_t* index_ = nullptr;
};

// Elements of a list of either form, front to back. REQUIRES: list.is_list().
class ListReader {
 public:
  explicit ListReader(const Value& list);
  bool Next(Value* element);

 private:
  const Value* items_ = nullptr;
  const Value* items_end_ = nullptr;
  const char* cursor_ = nullptr;
  const char* end_ = nullptr;
};

// REQUIRES: list.is_list(). O(n) for an encoded list.
size_t ListSize(const Value& list);
// nullopt when `index` is out of range. O(index) for an encoded list.
std::optional<Value> ListElement(const Value& list, int64_t index);

// Equal as `==` sees it: numbers by value whatever their types, other kinds never equal to each
// other. REQUIRES: neither is an error. Each element that is compared takes one of `*steps`; when
// they run out (below 0) the answer is false and means nothing.
bool Equals(const Value& a, const Value& b, int64_t* steps = nullptr);
// The same value of the same type, doubles by bits: what makes two constants one.
bool Identical(const Value& a, const Value& b);
// Equal for what is Identical.
uint64_t HashOf(const Value& value);

enum class Ordering : int8_t {
  kLess = -1,
  kEqual = 0,
  kGreater = 1,
  kUnordered = 2,
  kUndefined = 3
};
// How `a` compares with `b`; kUnordered when one is NaN, kUndefined when values of these types
// don't compare.
Ordering Compare(const Value& a, const Value& b);
// Numbers only, and faster.
Ordering CompareNumbers(const Value& a, const Value& b);

// "int", "google.protobuf.Timestamp", ...: what type() returns and messages print.
std::string_view TypeName(const Value& value);

// As people read it: true, 12, 12u, 3.5, "text", timestamp("2026-..."), ["a", "b"]. Cut off at
// about `max_bytes`.
inline constexpr size_t kMaxTextBytes = 200;
std::string ToString(const Value& value, size_t max_bytes = kMaxTextBytes);
// Appends the same.
void AppendText(const Value& value, std::string& out);

// Copies the value and everything it points to.
Value DeepCopy(const Value& value, Arena& arena);

}  // namespace attune::expression

#endif  // ATTUNE_LIB_EXPRESSION_VALUE_H_
