#ifndef ATTUNE_LIB_CONTEXT_VALUE_SCHEMA_H_
#define ATTUNE_LIB_CONTEXT_VALUE_SCHEMA_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "lib/base/absl_strings.h"
#include "lib/context/value.h"

namespace attune {

// A feature of a customer or an attribute of an interaction, as the strategy declares it.
struct ValueDeclaration {
  std::string name;
  ValueType type = ValueType::kBool;
  OwnedValue default_value;  // has the declared type; known() is false
  std::string description;
  bool is_protected = false;
  uint32_t number = 0;  // in the store's NameDictionary
};

// Declared values in slots 0 … size() - 1, in the order of the strategy. Immutable, thread-safe.
class ValueSchema {
 public:
  ValueSchema() = default;
  // REQUIRES: names and numbers are unique.
  explicit ValueSchema(std::vector<ValueDeclaration> declarations);
  ValueSchema(ValueSchema&&) = default;
  ValueSchema& operator=(ValueSchema&&) = default;

  int size() const { return static_cast<int>(declarations_.size()); }
  const ValueDeclaration& operator[](int slot) const {
    return declarations_[static_cast<size_t>(slot)];
  }
  // The slot of the name; -1 when it is not declared.
  int SlotOf(std::string_view name) const;
  // The slot of the dictionary number; -1 when it is not declared.
  int SlotOfNumber(uint32_t number) const {
    return number < slot_of_number_.size() ? slot_of_number_[number] : -1;
  }
  std::vector<std::string_view> Names() const;

  // The declared defaults, one per slot, none of them known().
  absl::Span<const ValueRef> defaults() const { return defaults_; }

  // Lays stored values (value_codec.h) over the defaults: slots[i] becomes the stored value of slot
  // i, or its default when nothing is stored or what is stored can't be read as the declared type
  // (an int is read where a double is declared). REQUIRES: slots.size() == size(). The slots point
  // into `values` and into this schema. DATA_LOSS: the bytes are malformed.
  absl::Status Decode(std::string_view values, absl::Span<ValueRef> slots) const;

 private:
  std::vector<ValueDeclaration> declarations_;
  std::vector<ValueRef> defaults_;
  std::vector<int> slot_of_number_;
  StringViewMap<int> slot_of_name_;  // views into declarations_
};

// `value` as the declared type: itself, or an int as a double; false when it is another type.
bool ConvertTo(ValueType declared, ValueRef& value);

}  // namespace attune

#endif  // ATTUNE_LIB_CONTEXT_VALUE_SCHEMA_H_
