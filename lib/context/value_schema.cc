#include "lib/context/value_schema.h"

#include <algorithm>

#include "lib/context/value_codec.h"

namespace attune {

ValueSchema::ValueSchema(std::vector<ValueDeclaration> declarations)
    : declarations_(std::move(declarations)) {
  defaults_.reserve(declarations_.size());
  for (int slot = 0; slot < size(); ++slot) {
    const ValueDeclaration& declaration = (*this)[slot];
    ValueRef value = declaration.default_value.ref();
    value.set_known(false);
    defaults_.push_back(value);
    if (slot_of_number_.size() <= declaration.number) {
      slot_of_number_.resize(declaration.number + 1, -1);
    }
    slot_of_number_[declaration.number] = slot;
    slot_of_name_.emplace(declaration.name, slot);
  }
}

int ValueSchema::SlotOf(std::string_view name) const {
  const auto it = slot_of_name_.find(name);
  return it == slot_of_name_.end() ? -1 : it->second;
}

std::vector<std::string_view> ValueSchema::Names() const {
  std::vector<std::string_view> names;
  names.reserve(declarations_.size());
  for (const ValueDeclaration& declaration : declarations_) names.push_back(declaration.name);
  return names;
}

absl::Status ValueSchema::Decode(std::string_view values, absl::Span<ValueRef> slots) const {
  std::copy(defaults_.begin(), defaults_.end(), slots.begin());
  ValueReader reader(values);
  ValueEntry entry;
  while (reader.Next(entry)) {
    const int slot = SlotOfNumber(entry.number);
    if (slot < 0) continue;
    if (ConvertTo((*this)[slot].type, entry.value)) {
      slots[static_cast<size_t>(slot)] = entry.value;
    }
  }
  if (!reader.ok()) return absl::DataLossError("stored values are malformed");
  return absl::OkStatus();
}

bool ConvertTo(ValueType declared, ValueRef& value) {
  if (value.type() == declared) return true;
  if (declared == ValueType::kDouble && value.type() == ValueType::kInt) {
    value = ValueRef::Double(static_cast<double>(value.int_value()));
    return true;
  }
  return false;
}

}  // namespace attune
