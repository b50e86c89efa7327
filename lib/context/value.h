#ifndef ATTUNE_LIB_CONTEXT_VALUE_H_
#define ATTUNE_LIB_CONTEXT_VALUE_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/codec.h"

namespace attune {

// The type of a feature or of an attribute. Stored (lib/context/value_codec.h): never renumber.
enum class ValueType : uint8_t {
  kBool = 0,
  kInt = 1,
  kDouble = 2,
  kString = 3,
  kTimestamp = 4,  // microseconds since 1970-01-01T00:00:00Z
  kStringList = 5,
};

// "bool", "int", "double", "string", "timestamp", "string_list".
std::string_view ValueTypeName(ValueType type);

// A typed value by reference: strings and lists point into somebody else's memory (a record, a
// request, a strategy's defaults), which must outlive it. 16 bytes, trivially copyable.
class ValueRef {
 public:
  ValueRef() : ValueRef(Bool(false)) {}

  static ValueRef Bool(bool value) { return ValueRef(ValueType::kBool, 0, {.number = value}); }
  static ValueRef Int(int64_t value) { return ValueRef(ValueType::kInt, 0, {.number = value}); }
  static ValueRef Double(double value) { return ValueRef(ValueType::kDouble, 0, {.real = value}); }
  static ValueRef Timestamp(int64_t unix_us) {
    return ValueRef(ValueType::kTimestamp, 0, {.number = unix_us});
  }
  static ValueRef String(std::string_view value) {
    return ValueRef(ValueType::kString, static_cast<uint32_t>(value.size()),
                    {.bytes = value.data()});
  }
  // `encoded`: for each element a varint of its size, then its bytes (AppendListElement).
  static ValueRef StringList(std::string_view encoded) {
    return ValueRef(ValueType::kStringList, static_cast<uint32_t>(encoded.size()),
                    {.bytes = encoded.data()});
  }

  ValueType type() const { return type_; }
  // False for a declared default that stands in for a value that is not known.
  bool known() const { return known_; }
  void set_known(bool known) { known_ = known; }

  // REQUIRES: of each, the type in its name.
  bool bool_value() const { return payload_.number != 0; }
  int64_t int_value() const { return payload_.number; }
  double double_value() const { return payload_.real; }
  int64_t timestamp_us() const { return payload_.number; }
  std::string_view string_value() const { return {payload_.bytes, size_}; }
  std::string_view encoded_list() const { return {payload_.bytes, size_}; }

  // Calls `visit(std::string_view)` for every element. REQUIRES: type() == kStringList.
  template <typename Visitor>
  void ForEachElement(Visitor visit) const {
    ByteReader reader(encoded_list());
    while (!reader.done()) {
      const std::string_view element = reader.SizedBytes();
      if (!reader.ok()) return;
      visit(element);
    }
  }

  // Same type and same value; doubles by bits. Whether they are known does not matter.
  friend bool operator==(const ValueRef& a, const ValueRef& b);

  // As people read it: true, 12, 3.5, "text", 2026-03-01T00:00:00Z, ["a", "b"]. Bounded in length.
  std::string ToString() const;

 private:
  union Payload {
    int64_t number;
    double real;
    const char* bytes;
  };
  ValueRef(ValueType type, uint32_t size, Payload payload)
      : payload_(payload), size_(size), type_(type) {}

  Payload payload_;
  uint32_t size_;
  ValueType type_;
  bool known_ = true;
};
static_assert(sizeof(ValueRef) == 16);

inline void AppendListElement(std::string& encoded, std::string_view element) {
  PutBytes(encoded, element);
}

// A value that owns its memory.
class OwnedValue {
 public:
  OwnedValue() = default;
  explicit OwnedValue(const ValueRef& value);
  OwnedValue(const OwnedValue& other) : OwnedValue(other.ref()) {}
  OwnedValue& operator=(const OwnedValue& other);

  // Valid as long as this object is neither changed nor destroyed.
  const ValueRef& ref() const { return ref_; }

 private:
  std::string bytes_;
  ValueRef ref_;
};

}  // namespace attune

#endif  // ATTUNE_LIB_CONTEXT_VALUE_H_
