#include "lib/context/context_schema.h"

#include <utility>

namespace attune::context {

NameTable::NameTable(std::vector<NamedEntry> entries) : entries_(std::move(entries)) {
  for (int i = 0; i < size(); ++i) index_.emplace((*this)[i].name, i);
}

int NameTable::IndexOf(std::string_view name) const {
  const auto it = index_.find(name);
  return it == index_.end() ? -1 : it->second;
}

std::vector<std::string_view> NameTable::Names() const {
  std::vector<std::string_view> names;
  names.reserve(entries_.size());
  for (const NamedEntry& entry : entries_) names.push_back(entry.name);
  return names;
}

}  // namespace attune::context
