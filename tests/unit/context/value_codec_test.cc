#include "lib/context/value_codec.h"

#include <cmath>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "lib/base/text.h"
#include "tests/testing/mutations.h"

namespace attune {
namespace {

constexpr double kTwoTo53 = 9007199254740992.0;

struct RoundTripCase {
  const char* name;
  ValueRef value;
  size_t bytes;  // with a key of one byte
};

TEST(ValueCodecTest, EveryValueComesBackToTheBit) {
  using Limits = std::numeric_limits<double>;
  const std::string longest(kMaxStringValueBytes, 'x');
  std::string list;
  for (size_t i = 0; i < kMaxListElements; ++i) AppendListElement(list, longest);
  const RoundTripCase cases[] = {
      {"false", ValueRef::Bool(false), 1},
      {"true", ValueRef::Bool(true), 1},
      {"zero", ValueRef::Int(0), 2},
      {"minus one", ValueRef::Int(-1), 2},
      {"smallest int", ValueRef::Int(INT64_MIN), 11},
      {"largest int", ValueRef::Int(INT64_MAX), 11},
      {"whole double", ValueRef::Double(40), 2},
      {"negative whole double", ValueRef::Double(-3), 2},
      {"zero double", ValueRef::Double(0.0), 2},
      {"minus zero", ValueRef::Double(-0.0), 9},
      {"fraction", ValueRef::Double(0.1), 9},
      {"largest whole double", ValueRef::Double(kTwoTo53 - 1), 9},
      {"smallest whole double", ValueRef::Double(1 - kTwoTo53), 9},
      {"2^53", ValueRef::Double(kTwoTo53), 9},
      {"largest double", ValueRef::Double(Limits::max()), 9},
      {"smallest double", ValueRef::Double(Limits::denorm_min()), 9},
      {"infinity", ValueRef::Double(Limits::infinity()), 9},
      {"NaN", ValueRef::Double(Limits::quiet_NaN()), 9},
      {"empty string", ValueRef::String(""), 2},
      {"string with NUL", ValueRef::String(std::string_view("a\0b", 3)), 5},
      {"longest string", ValueRef::String(longest), 3 + longest.size()},
      {"timestamp", ValueRef::Timestamp(1'772'323'200'000'001), 9},
      {"year 1", ValueRef::Timestamp(-62'135'596'800'000'000), 10},
      {"empty list", ValueRef::StringList(""), 2},
      {"longest list", ValueRef::StringList(list), 4 + list.size()},
  };
  for (const RoundTripCase& c : cases) {
    std::string bytes;
    AppendValue(bytes, 1, c.value);
    EXPECT_EQ(bytes.size(), c.bytes) << c.name;
    ValueReader reader(bytes);
    ValueEntry entry;
    ASSERT_TRUE(reader.Next(entry)) << c.name;
    EXPECT_EQ(entry.number, 1u) << c.name;
    EXPECT_EQ(entry.value, c.value) << c.name;
    EXPECT_TRUE(entry.value.known()) << c.name;
    EXPECT_EQ(reader.entry_bytes(), bytes) << c.name;
    EXPECT_FALSE(reader.Next(entry)) << c.name;
    EXPECT_TRUE(reader.ok()) << c.name;
  }
}

TEST(ValueCodecTest, TheEncodingStaysWhatIsStored) {
  std::string list;
  AppendListElement(list, "x");
  std::string bytes;
  AppendValue(bytes, 1, ValueRef::Bool(false));
  AppendValue(bytes, 2, ValueRef::Bool(true));
  AppendValue(bytes, 3, ValueRef::Int(-1));
  AppendValue(bytes, 4, ValueRef::Double(0.5));
  AppendValue(bytes, 5, ValueRef::String("ab"));
  AppendValue(bytes, 6, ValueRef::Timestamp(1));
  AppendValue(bytes, 7, ValueRef::StringList(list));
  AppendValue(bytes, 300, ValueRef::Double(2));
  std::string expected = "\x08\x11\x1A\x01\x23";
  expected.append(6, '\0');
  expected += "\xE0\x3F";
  expected +=
      "\x2C\x02"
      "ab";
  expected += "\x35\x02";
  expected += "\x3E\x02\x01x";
  expected += "\xE7\x12\x04";
  EXPECT_EQ(bytes, expected);
}

TEST(ValueCodecTest, NumbersOfAnySizeComeBack) {
  for (const uint32_t number : {0u, 15u, 16u, 1u << 20, UINT32_MAX}) {
    std::string bytes;
    AppendValue(bytes, number, ValueRef::Int(5));
    ValueReader reader(bytes);
    ValueEntry entry;
    ASSERT_TRUE(reader.Next(entry)) << number;
    EXPECT_EQ(entry.number, number);
  }
}

struct MalformedCase {
  const char* name;
  std::string bytes;
};

TEST(ValueCodecTest, ReportsMalformedEntries) {
  std::string too_large_number;
  PutVarint(too_large_number, uint64_t{1} << 35);
  const MalformedCase cases[] = {
      {"key cut off", "\x80"},
      {"int without payload", "\x0A"},
      {"double cut off", "\x0B\x01\x02"},
      {"string longer than the record",
       "\x0C\x05"
       "ab"},
      {"list longer than the record",
       "\x0E\x05"
       "ab"},
      {"number above 32 bits", too_large_number},
  };
  for (const MalformedCase& c : cases) {
    ValueReader reader(c.bytes);
    ValueEntry entry;
    EXPECT_FALSE(reader.Next(entry)) << c.name;
    EXPECT_FALSE(reader.ok()) << c.name;
    EXPECT_FALSE(reader.Next(entry)) << c.name;
  }
}

TEST(ValueCodecTest, EndsQuietlyOnAnEmptyRecord) {
  ValueReader reader("");
  ValueEntry entry;
  EXPECT_FALSE(reader.Next(entry));
  EXPECT_TRUE(reader.ok());
}

TEST(ValueCodecTest, SurvivesEveryMutation) {
  std::string list;
  for (const char* element : {"one", "", "three"}) AppendListElement(list, element);
  std::string bytes;
  AppendValue(bytes, 0, ValueRef::Bool(true));
  AppendValue(bytes, 1, ValueRef::Int(INT64_MIN));
  AppendValue(bytes, 2, ValueRef::Double(0.1));
  AppendValue(bytes, 3, ValueRef::String("some text"));
  AppendValue(bytes, 40, ValueRef::Timestamp(1'772'323'200'000'001));
  AppendValue(bytes, 41, ValueRef::StringList(list));
  AppendValue(bytes, 1000, ValueRef::Double(12));
  testing::ForEachMutation(bytes, 20'000, [&](const std::string& mutated) {
    ValueReader reader(mutated);
    ValueEntry entry;
    size_t read = 0;
    while (reader.Next(entry)) {
      read += reader.entry_bytes().size();
      EXPECT_FALSE(entry.value.ToString().empty());
    }
    EXPECT_LE(read, mutated.size());
    EXPECT_EQ(reader.ok(), read == mutated.size());
  });
}

}  // namespace
}  // namespace attune
