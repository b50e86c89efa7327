#include "lib/storage/pacer.h"

#include <gtest/gtest.h>

namespace attune::storage {
namespace {

TEST(PacerTest, LooksForAPauseAfterEachPiece) {
  int looks = 0;
  Pacer pacer([&looks] { return ++looks > 0; });  // always in a hurry: the test waits for nothing
  pacer.Did(Pacer::kPieceBytes - 1);
  EXPECT_EQ(looks, 0);
  pacer.Did(1);
  EXPECT_EQ(looks, 1);
  pacer.Did(Pacer::kPieceBytes - 1);
  EXPECT_EQ(looks, 1);
  pacer.Did(10 * Pacer::kPieceBytes);
  EXPECT_EQ(looks, 2);
}

}  // namespace
}  // namespace attune::storage
