#include "lib/base/codec.h"

#include <cstdint>
#include <limits>
#include <string>

#include "gtest/gtest.h"

namespace attune {
namespace {

TEST(CodecTest, VarintsComeBack) {
  const uint64_t values[] = {0,         1,          127,           128,
                             16'383,    16'384,     UINT32_MAX,    uint64_t{1} << 35,
                             INT64_MAX, UINT64_MAX, UINT64_MAX - 1};
  std::string bytes;
  for (const uint64_t value : values) PutVarint(bytes, value);
  ByteReader reader(bytes);
  for (const uint64_t value : values) EXPECT_EQ(reader.Varint(), value);
  EXPECT_TRUE(reader.ok());
  EXPECT_TRUE(reader.done());
}

TEST(CodecTest, VarintsAreThoseOfProtocolBuffers) {
  std::string bytes;
  PutVarint(bytes, 300);
  EXPECT_EQ(bytes, "\xAC\x02");
  bytes.clear();
  PutVarint(bytes, UINT64_MAX);
  EXPECT_EQ(bytes, std::string(9, '\xFF') + '\x01');
  EXPECT_EQ(bytes.size(), kMaxVarintBytes);
}

TEST(CodecTest, ZigZagKeepsSmallNumbersSmallAndComesBack) {
  EXPECT_EQ(ZigZag(0), 0u);
  EXPECT_EQ(ZigZag(-1), 1u);
  EXPECT_EQ(ZigZag(1), 2u);
  for (const int64_t value : {int64_t{0}, int64_t{-1}, int64_t{1}, INT64_MIN, INT64_MAX}) {
    EXPECT_EQ(UnZigZag(ZigZag(value)), value);
  }
}

TEST(CodecTest, FixedNumbersAreLittleEndian) {
  std::string bytes;
  PutFixed(bytes, uint32_t{0x01020304});
  EXPECT_EQ(bytes, "\x04\x03\x02\x01");
  ByteReader reader(bytes);
  EXPECT_EQ(reader.Fixed<uint32_t>(), 0x01020304u);
}

TEST(CodecTest, SizedBytesComeBackAsViewsOfTheRecord) {
  std::string record;
  PutBytes(record, "");
  PutBytes(record, std::string(200, 'x'));
  ByteReader reader(record);
  EXPECT_EQ(reader.SizedBytes(), "");
  const std::string_view view = reader.SizedBytes();
  EXPECT_EQ(view, std::string(200, 'x'));
  EXPECT_EQ(view.data(), record.data() + 3);
  EXPECT_TRUE(reader.done());
}

TEST(CodecTest, FailsForGoodOnceItReadPastTheEnd) {
  const std::string record = "\x05\x01";
  ByteReader reader(record);
  EXPECT_EQ(reader.SizedBytes(), "");
  EXPECT_FALSE(reader.ok());
  EXPECT_TRUE(reader.done());
  EXPECT_EQ(reader.remaining(), 0u);
  EXPECT_EQ(reader.Varint(), 0u);
  EXPECT_EQ(reader.Fixed<double>(), 0.0);
  EXPECT_EQ(reader.Bytes(0), "");
  EXPECT_FALSE(reader.ok());
}

struct MalformedCase {
  const char* name;
  std::string record;
};

TEST(CodecTest, RefusesMalformedVarints) {
  const MalformedCase cases[] = {
      {"empty", ""},
      {"cut off", "\x80"},
      {"eleven bytes", std::string(10, '\xFF') + '\x01'},
  };
  for (const MalformedCase& c : cases) {
    ByteReader reader(c.record);
    EXPECT_EQ(reader.Varint(), 0u) << c.name;
    EXPECT_FALSE(reader.ok()) << c.name;
  }
}

TEST(CodecTest, RefusesASizeThatWrapsAround) {
  std::string record;
  PutVarint(record, UINT64_MAX);
  record += "abc";
  ByteReader reader(record);
  EXPECT_EQ(reader.SizedBytes(), "");
  EXPECT_FALSE(reader.ok());
}

}  // namespace
}  // namespace attune
