#include "service/ctl/chunk_pipeline.h"

#include <atomic>
#include <memory>
#include <random>
#include <thread>
#include <vector>

#include "gtest/gtest.h"

namespace attune::ctl {
namespace {

std::unique_ptr<ImportChunk> Chunk(int64_t number, int64_t after = -1) {
  auto chunk = std::make_unique<ImportChunk>();
  chunk->number = number;
  chunk->after = after;
  return chunk;
}

TEST(ChunkPipeline, GivesAnswersInTheOrderOfTheFile) {
  ChunkPipeline pipeline(3);
  for (int64_t i = 0; i < 3; ++i) ASSERT_TRUE(pipeline.AddRead(Chunk(i)));
  pipeline.FinishReading();
  auto first = pipeline.TakeRead();
  auto second = pipeline.TakeRead();
  auto third = pipeline.TakeRead();
  EXPECT_EQ(pipeline.TakeRead(), nullptr);
  pipeline.AddAnswered(std::move(third));
  pipeline.AddAnswered(std::move(first));
  pipeline.AddAnswered(std::move(second));
  for (int64_t i = 0; i < 3; ++i) EXPECT_EQ(pipeline.TakeAnswered()->number, i);
  EXPECT_EQ(pipeline.TakeAnswered(), nullptr);
}

TEST(ChunkPipeline, HoldsAChunkBackUntilTheOneBeforeIsAnswered) {
  ChunkPipeline pipeline(3);
  ASSERT_TRUE(pipeline.AddRead(Chunk(0)));
  ASSERT_TRUE(pipeline.AddRead(Chunk(1)));
  ASSERT_TRUE(pipeline.AddRead(Chunk(2, /*after=*/0)));
  auto first = pipeline.TakeRead();
  auto second = pipeline.TakeRead();
  std::atomic<bool> answered = false;
  std::thread sender([&] {
    const auto third = pipeline.TakeRead();
    EXPECT_TRUE(answered.load());
    EXPECT_EQ(third->number, 2);
  });
  pipeline.AddAnswered(std::move(second));
  answered = true;
  pipeline.AddAnswered(std::move(first));
  sender.join();
}

TEST(ChunkPipeline, StopReleasesEverybody) {
  ChunkPipeline pipeline(1);
  ASSERT_TRUE(pipeline.AddRead(Chunk(0)));
  const auto taken = pipeline.TakeRead();
  std::thread reader([&] { EXPECT_FALSE(pipeline.AddRead(Chunk(1))); });
  std::thread sender([&] { EXPECT_EQ(pipeline.TakeRead(), nullptr); });
  std::thread counter([&] { EXPECT_EQ(pipeline.TakeAnswered(), nullptr); });
  pipeline.Stop();
  reader.join();
  sender.join();
  counter.join();
}

TEST(ChunkPipeline, CarriesManyChunksWithManySenders) {
  constexpr int64_t kChunks = 2000;
  constexpr size_t kCapacity = 7;
  ChunkPipeline pipeline(kCapacity);
  std::atomic<int64_t> in_flight = 0;
  std::thread reader([&] {
    std::mt19937 random(4);
    for (int64_t i = 0; i < kChunks; ++i) {
      const int64_t after = i - 1 - static_cast<int64_t>(random() % 10);
      ASSERT_TRUE(pipeline.AddRead(Chunk(i, std::max<int64_t>(after, -1))));
      EXPECT_LE(++in_flight, static_cast<int64_t>(kCapacity) + 1);
    }
    pipeline.FinishReading();
  });
  std::vector<std::atomic<bool>> answered(kChunks);
  std::vector<std::thread> senders;
  for (int i = 0; i < 3; ++i) {
    senders.emplace_back([&] {
      while (auto chunk = pipeline.TakeRead()) {
        if (chunk->after >= 0) {
          EXPECT_TRUE(answered[static_cast<size_t>(chunk->after)].load());
        }
        answered[static_cast<size_t>(chunk->number)] = true;
        pipeline.AddAnswered(std::move(chunk));
      }
    });
  }
  for (int64_t i = 0; i < kChunks; ++i) {
    const auto chunk = pipeline.TakeAnswered();
    ASSERT_NE(chunk, nullptr);
    EXPECT_EQ(chunk->number, i);
    --in_flight;
  }
  EXPECT_EQ(pipeline.TakeAnswered(), nullptr);
  reader.join();
  for (std::thread& sender : senders) sender.join();
}

}  // namespace
}  // namespace attune::ctl
