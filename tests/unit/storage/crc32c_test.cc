#include "lib/storage/crc32c.h"

#include <string>

#include "gtest/gtest.h"

namespace attune::storage {
namespace {

// The vectors of RFC 3720, B.4, and the usual check value.
TEST(Crc32cTest, IsTheOneOfTheStandard) {
  EXPECT_EQ(Crc32c(""), 0u);
  EXPECT_EQ(Crc32c("123456789"), 0xE3069283u);
  EXPECT_EQ(Crc32c(std::string(32, '\0')), 0x8A9136AAu);
  EXPECT_EQ(Crc32c(std::string(32, '\xFF')), 0x62A8AB43u);
}

TEST(Crc32cTest, NoticesEveryFlippedBit) {
  std::string bytes = "a record of a customer, of no particular length";
  const uint32_t crc = Crc32c(bytes);
  for (size_t i = 0; i < bytes.size(); ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      bytes[i] = static_cast<char>(bytes[i] ^ (1 << bit));
      EXPECT_NE(Crc32c(bytes), crc);
      bytes[i] = static_cast<char>(bytes[i] ^ (1 << bit));
    }
  }
}

}  // namespace
}  // namespace attune::storage
