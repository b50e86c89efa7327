#include "lib/storage/record_table.h"

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "lib/storage/stripe_epochs.h"

namespace attune::storage {
namespace {

using Lookup = RecordTable::Lookup;

void NoPause(size_t) {}

CustomerKey Key(uint64_t number) { return KeyedHash128(HashKey{}, std::to_string(number)); }

Lookup Get(RecordTable& table, const CustomerKey& key, std::string& bytes) {
  uint64_t version = 0;
  return table.Get(key, version, bytes);
}

TEST(RecordTableTest, KeepsTheLastWrite) {
  RecordTable table(1 << 20);
  std::string bytes;
  uint64_t version = 0;
  EXPECT_EQ(table.Get(Key(1), version, bytes), Lookup::kUnknown);
  table.Put(Key(1), 7, "one");
  table.Put(Key(1), 9, std::string(5000, 'x'));
  table.Put(Key(1), 11, "three");
  ASSERT_EQ(table.Get(Key(1), version, bytes), Lookup::kFound);
  EXPECT_EQ(version, 11u);
  EXPECT_EQ(bytes, "three");
  table.Remove(Key(1), 12);
  EXPECT_EQ(table.Get(Key(1), version, bytes), Lookup::kRemoved);
  EXPECT_EQ(table.GetVersion(Key(1), version), Lookup::kRemoved);
  table.Put(Key(1), 13, "");
  EXPECT_EQ(table.Get(Key(1), version, bytes), Lookup::kFound);
  EXPECT_EQ(bytes, "");
}

TEST(RecordTableTest, NeverLetsGoWhatTheDatabaseDoesNotHave) {
  RecordTable table(0);
  for (uint64_t i = 0; i < 5000; ++i) table.Put(Key(i), i + 1, std::string(i % 900, 'x'));
  std::string bytes;
  for (uint64_t i = 0; i < 5000; ++i) {
    ASSERT_EQ(Get(table, Key(i), bytes), Lookup::kFound) << i;
    ASSERT_EQ(bytes.size(), i % 900);
  }
  const RecordTable::DirtyRecords dirty = table.CollectDirty(NoPause);
  ASSERT_EQ(dirty.records.size(), 5000u);
  for (size_t i = 1; i < dirty.records.size(); ++i) {
    EXPECT_LT(dirty.records[i - 1].key, dirty.records[i].key);
  }
  EXPECT_GT(table.dirty_bytes(), 0u);
  table.MarkClean(dirty.records, NoPause);
  EXPECT_EQ(table.dirty_bytes(), 0u);
  table.Put(Key(1), 10'000, "new");
  EXPECT_EQ(table.CollectDirty(NoPause).records.size(), 1u);
}

TEST(RecordTableTest, KeepsWhatChangedDuringACheckpointDirty) {
  RecordTable table(1 << 20);
  table.Put(Key(1), 1, "one");
  table.Put(Key(2), 2, "two");
  const RecordTable::DirtyRecords dirty = table.CollectDirty(NoPause);
  table.Put(Key(2), 3, "two, changed");
  table.MarkClean(dirty.records, NoPause);
  const RecordTable::DirtyRecords left = table.CollectDirty(NoPause);
  ASSERT_EQ(left.records.size(), 1u);
  EXPECT_EQ(left.records[0].key, Key(2));
  EXPECT_EQ(left.records[0].version, 3u);
  EXPECT_EQ(left.bytes.substr(left.records[0].offset, left.records[0].size), "two, changed");
}

TEST(RecordTableTest, CollectsRemovals) {
  RecordTable table(1 << 20);
  table.Put(Key(1), 1, "one");
  table.Remove(Key(1), 2);
  const RecordTable::DirtyRecords dirty = table.CollectDirty(NoPause);
  ASSERT_EQ(dirty.records.size(), 1u);
  EXPECT_TRUE(dirty.records[0].removed);
}

TEST(RecordTableTest, CachesWithinItsCapacity) {
  RecordTable table(4 << 20);
  const StripeEpochs epochs;
  const std::string record(1000, 'x');
  for (uint64_t i = 0; i < 50'000; ++i) {
    table.Cache(Key(i), i + 1, record, epochs, epochs.Note(Key(i)));
  }
  EXPECT_LE(table.stats().bytes, 4u << 20);
  EXPECT_GT(table.stats().bytes, 3u << 20);
  EXPECT_EQ(table.dirty_bytes(), 0u);
}

TEST(RecordTableTest, KeepsWhatIsUsed) {
  RecordTable table(4 << 20);
  const StripeEpochs epochs;
  const std::string record(1000, 'x');
  std::string bytes;
  int found = 0;
  for (uint64_t i = 0; i < 50'000; ++i) {
    const uint64_t used = i % 100;
    if (Get(table, Key(used), bytes) == Lookup::kFound) {
      ++found;
    } else {
      table.Cache(Key(used), 1, record, epochs, epochs.Note(Key(used)));
    }
    table.Cache(Key(1000 + i), i + 1, record, epochs, epochs.Note(Key(1000 + i)));
  }
  EXPECT_GT(found, 49'000);
}

TEST(RecordTableTest, DoesNotCacheWhatWasReadBeforeAWrite) {
  RecordTable table(1 << 20);
  StripeEpochs epochs;
  std::string bytes;
  const uint64_t token = epochs.Note(Key(1));
  const uint32_t stripe = StripeEpochs::StripeOf(Key(1));

  // While somebody writes,
  ASSERT_TRUE(epochs.Begin(stripe));
  table.Cache(Key(1), 1, "old", epochs, token);
  EXPECT_EQ(Get(table, Key(1), bytes), Lookup::kUnknown);
  table.Cache(Key(1), 1, "old", epochs, epochs.Note(Key(1)));
  EXPECT_EQ(Get(table, Key(1), bytes), Lookup::kUnknown);
  // and after that.
  epochs.End(stripe);
  table.Cache(Key(1), 1, "old", epochs, token);
  EXPECT_EQ(Get(table, Key(1), bytes), Lookup::kUnknown);

  table.Put(Key(1), 2, "new");
  table.Cache(Key(1), 1, "old", epochs, epochs.Note(Key(1)));
  ASSERT_EQ(Get(table, Key(1), bytes), Lookup::kFound);
  EXPECT_EQ(bytes, "new");
}

TEST(RecordTableTest, TellsTheKeysOfWhatIsDirty) {
  RecordTable table(1 << 20);
  std::vector<CustomerKey> expected;
  for (uint64_t i = 0; i < 20; ++i) {
    table.Put(Key(i), 100 + i, "record");
    expected.push_back(Key(i));
  }
  table.Remove(Key(3), 200);  // the database may still have it
  std::sort(expected.begin(), expected.end());
  EXPECT_EQ(table.DirtyKeys(std::nullopt), expected);
  EXPECT_EQ(table.DirtyKeys(expected[4]),
            std::vector<CustomerKey>(expected.begin() + 5, expected.end()));
  EXPECT_TRUE(table.DirtyKeys(expected.back()).empty());
  table.MarkClean(table.CollectDirty(NoPause).records, NoPause);
  EXPECT_TRUE(table.DirtyKeys(std::nullopt).empty());
}

}  // namespace
}  // namespace attune::storage
