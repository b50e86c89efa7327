#include "lib/trees/link.h"

#include <set>
#include <string>

#include "gtest/gtest.h"

namespace attune::trees {
namespace {

TEST(LinkNameTest, EveryLinkHasANameOfItsOwn) {
  std::set<std::string> names;
  constexpr int kLinks = static_cast<int>(Link::kRising) + 1;
  for (int link = 0; link < kLinks; ++link) {
    names.emplace(LinkName(static_cast<Link>(link)));
  }
  EXPECT_EQ(names.size(), static_cast<size_t>(kLinks));
  EXPECT_EQ(names.count(""), 0u);
  EXPECT_EQ(LinkName(Link::kSigmoid), "logit");
  EXPECT_EQ(LinkName(Link::kIdentity), "identity");
}

}  // namespace
}  // namespace attune::trees
