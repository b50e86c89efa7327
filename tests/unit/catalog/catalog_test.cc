#include "lib/catalog/catalog.h"

#include "gtest/gtest.h"

namespace attune::catalog {
namespace {

TEST(CatalogTest, FindsTreatmentsByName) {
  Catalog catalog;
  catalog.treatments.resize(2);
  catalog.index = {{"upgrade", 0}, {"credit", 1}};
  EXPECT_EQ(catalog.Find("credit"), 1);
  EXPECT_EQ(catalog.Find("credits"), -1);
  EXPECT_EQ(catalog.Find(""), -1);
}

}  // namespace
}  // namespace attune::catalog
