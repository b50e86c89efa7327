#include "lib/catalog/catalog.h"

namespace attune::catalog {

int Catalog::Find(std::string_view name) const {
  const auto it = index.find(name);
  return it == index.end() ? -1 : it->second;
}

}  // namespace attune::catalog
