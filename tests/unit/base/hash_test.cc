#include "lib/base/hash.h"

#include <algorithm>
#include <string>

#include "absl/strings/escaping.h"
#include "gtest/gtest.h"

namespace attune {
namespace {

// The key of the test vectors of SipHash's reference implementation.
HashKey ReferenceKey() {
  HashKey key;
  for (size_t i = 0; i < key.size(); ++i) key[i] = static_cast<uint8_t>(i);
  return key;
}

std::string Hex(const Hash128& hash) {
  return absl::BytesToHexString({reinterpret_cast<const char*>(hash.data()), hash.size()});
}

TEST(HashTest, IsSipHash24) {
  std::string data;
  for (char c = 0; c < 15; ++c) data += c;
  EXPECT_EQ(KeyedHash64(ReferenceKey(), data), 0xa129ca6149be45e5u);
  EXPECT_EQ(KeyedHash64(ReferenceKey(), ""), 0x726fdb47dd0e0e31u);
  EXPECT_EQ(Hex(KeyedHash128(ReferenceKey(), "")), "a3817f04ba25a8e66df67214c7550293");
}

TEST(HashTest, DependsOnTheKey) {
  EXPECT_NE(KeyedHash64(HashKeyFromSeed(1), "id"), KeyedHash64(HashKeyFromSeed(2), "id"));
  EXPECT_NE(KeyedHash128(HashKeyFromSeed(1), "id"), KeyedHash128(HashKeyFromSeed(2), "id"));
}

TEST(HashTest, KeysFromOneSeedAreEqualAndRandomKeysAreNot) {
  EXPECT_EQ(HashKeyFromSeed(7), HashKeyFromSeed(7));
  EXPECT_NE(HashKeyFromSeed(7), HashKeyFromSeed(8));
  EXPECT_NE(RandomHashKey(), RandomHashKey());
}

TEST(HashTest, ContentHashIsTheStartOfBlake2b) {
  // b2sum -l 256 of the empty input.
  const std::string full = "0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8";
  EXPECT_EQ(ContentHash("", 64), full);
  EXPECT_EQ(ContentHash(""), full.substr(0, 12));
  EXPECT_EQ(ContentHash("", 1000), full);
  EXPECT_EQ(ContentHash("", -1).size(), 1u);
  EXPECT_NE(ContentHash("a"), ContentHash("b"));
}

}  // namespace
}  // namespace attune
