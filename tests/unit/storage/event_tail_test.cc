#include "lib/storage/event_tail.h"

#include <string>
#include <thread>
#include <vector>

#include "gtest/gtest.h"

namespace attune::storage {
namespace {

std::vector<uint64_t> Positions(const EventChunks& chunks) {
  std::vector<uint64_t> positions;
  for (const auto& chunk : chunks) {
    chunk->ForEach([&](const TailEvent& event) {
      positions.push_back(event.position);
      return true;
    });
  }
  return positions;
}

TEST(EventTailTest, HandsOutAndDropsWhatIsSealed) {
  EventTail tail;
  const CustomerKey key{1};
  tail.Append(5, key, {EventType::kDecision, "five"});
  tail.Append(9, key, {EventType::kDecision, ""});
  tail.Seal();
  tail.Append(12, key, {EventType::kDecision, "twelve"});
  EXPECT_EQ(tail.events(), 3u);
  EXPECT_EQ(Positions(tail.ChunksFrom(0)), (std::vector<uint64_t>{5, 9, 12}));
  EXPECT_EQ(Positions(tail.ChunksFrom(9)), (std::vector<uint64_t>{5, 9, 12}));
  EXPECT_EQ(Positions(tail.ChunksFrom(12)), (std::vector<uint64_t>{12}));

  const EventChunks sealed = tail.ChunksBelow(12);
  EXPECT_EQ(Positions(sealed), (std::vector<uint64_t>{5, 9}));
  tail.DropBelow(12);
  EXPECT_EQ(Positions(tail.ChunksFrom(0)), (std::vector<uint64_t>{12}));
  // Who holds them still reads them.
  EXPECT_EQ(Positions(sealed), (std::vector<uint64_t>{5, 9}));

  tail.Seal();
  tail.DropBelow(13);
  EXPECT_EQ(tail.bytes(), 0u);
  EXPECT_TRUE(tail.ChunksFrom(0).empty());
}

TEST(EventTailTest, KeepsEventsOfEverySize) {
  EventTail tail;
  const CustomerKey key{7};
  std::vector<std::string> payloads;
  for (size_t size : {0u, 1u, 100'000u, 200'000u, 1'000'000u, 3u}) {
    payloads.emplace_back(size, 'p');
  }
  for (size_t i = 0; i < payloads.size(); ++i) {
    tail.Append(i, key, {EventType::kDecision, payloads[i]});
  }
  size_t i = 0;
  for (const auto& chunk : tail.ChunksFrom(0)) {
    chunk->ForEach([&](const TailEvent& event) {
      EXPECT_EQ(event.customer, key);
      EXPECT_EQ(event.payload, payloads[i++]);
      return true;
    });
  }
  EXPECT_EQ(i, payloads.size());
}

TEST(EventTailTest, IsReadWhileItGrows) {
  constexpr uint64_t kEvents = 20'000;
  EventTail tail;
  std::thread writer([&] {
    const std::string payload(100, 'p');
    for (uint64_t i = 0; i < kEvents; ++i) tail.Append(i, {}, {EventType::kDecision, payload});
  });
  uint64_t read = 0;
  while (read < kEvents) {
    const std::vector<uint64_t> positions = Positions(tail.ChunksFrom(0));
    ASSERT_GE(positions.size(), read);
    for (uint64_t i = 0; i < positions.size(); ++i) ASSERT_EQ(positions[i], i);
    read = positions.size();
  }
  writer.join();
}

}  // namespace
}  // namespace attune::storage
