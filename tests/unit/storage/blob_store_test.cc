#include "lib/storage/blob_store.h"

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/fault_injection_env.h"
#include "tests/unit/storage/store_fixture.h"

namespace attune::storage {
namespace {

using ::testing::HasSubstr;

using BlobStoreTest = StoreFixture;

TEST_F(BlobStoreTest, ReadsTheLastWrite) {
  absl::StatusOr<std::optional<std::string>> blob = store_->GetBlob("strategy");
  ASSERT_TRUE(blob.ok()) << blob.status();
  EXPECT_FALSE(blob->has_value());
  ASSERT_TRUE(store_->PutBlob("strategy", "one").ok());
  ASSERT_TRUE(store_->PutBlob("other", "x").ok());
  ASSERT_TRUE(store_->PutBlob("strategy", "two").ok());
  EXPECT_EQ(*store_->GetBlob("strategy"), "two");
  EXPECT_EQ(*store_->GetBlob("other"), "x");
  EXPECT_FALSE(store_->GetBlob("strat")->has_value());
  Reopen();
  EXPECT_EQ(*store_->GetBlob("strategy"), "two");
}

TEST_F(BlobStoreTest, KeepsEmptyAndLargeBlobs) {
  std::string large(5'000'000, 'x');
  for (size_t i = 0; i < large.size(); i += 1000) large[i] = static_cast<char>(i / 1000);
  ASSERT_TRUE(store_->PutBlob("large", large).ok());
  ASSERT_TRUE(store_->PutBlob("empty", "").ok());
  EXPECT_EQ(*store_->GetBlob("large"), large);
  EXPECT_EQ(*store_->GetBlob("empty"), "");
  Reopen();
  EXPECT_EQ(*store_->GetBlob("large"), large);
  EXPECT_EQ(*store_->GetBlob("empty"), "");
  ASSERT_TRUE(store_->PutBlob("large", "small").ok());
  EXPECT_EQ(*store_->GetBlob("large"), "small");
}

TEST_F(BlobStoreTest, ReadsParts) {
  std::string large(400'000, 'x');
  for (size_t i = 0; i < large.size(); ++i) large[i] = static_cast<char>(i * 31 / 7);
  ASSERT_TRUE(store_->PutBlob("large", large).ok());
  for (const size_t size : {size_t{1}, size_t{100'000}, size_t{131'072}, size_t{1'000'000}}) {
    for (const size_t offset : {size_t{0}, size_t{131'071}, size_t{131'072}, size_t{399'999}}) {
      EXPECT_EQ(*store_->GetBlobPart("large", offset, size), large.substr(offset, size))
          << offset << " " << size;
    }
  }
  EXPECT_EQ(*store_->GetBlobPart("large", large.size(), 10), "");
  EXPECT_EQ(*store_->GetBlobPart("large", ~uint64_t{0}, 10), "");
  EXPECT_FALSE(store_->GetBlobPart("other", 0, 10)->has_value());
}

TEST_F(BlobStoreTest, RemovesBlobsForGood) {
  ASSERT_TRUE(store_->PutBlob("model", std::string(300'000, 'a')).ok());
  ASSERT_TRUE(store_->PutBlob("other", "x").ok());
  ASSERT_TRUE(store_->DeleteBlob("model").ok());
  EXPECT_TRUE(store_->DeleteBlob("model").ok()) << "it is gone already";
  EXPECT_FALSE(store_->GetBlob("model")->has_value());
  Reopen();
  EXPECT_FALSE(store_->GetBlob("model")->has_value());
  EXPECT_EQ(*store_->GetBlob("other"), "x");
  ASSERT_TRUE(store_->PutBlob("model", "anew").ok());
  EXPECT_EQ(*store_->GetBlob("model"), "anew");
}

TEST_F(BlobStoreTest, RefusesNamesAndBlobsThatAreTooLarge) {
  EXPECT_TRUE(absl::IsInvalidArgument(store_->PutBlob("", "x")));
  EXPECT_TRUE(absl::IsInvalidArgument(store_->PutBlob(std::string(257, 'n'), "x")));
  EXPECT_TRUE(store_->PutBlob(std::string(256, 'n'), "x").ok());
  const absl::Status status =
      store_->PutBlob("huge", std::string(BlobStore::kMaxBlobBytes + 1, 'x'));
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("max_blob_bytes"));
}

TEST_F(BlobStoreTest, ShowsAReaderOneWholeBlobWhileOthersWrite) {
  std::atomic<bool> stop{false};
  ASSERT_TRUE(store_->PutBlob("model", std::string(300'000, 'a')).ok());
  std::thread reader([&] {
    while (!stop) {
      absl::StatusOr<std::optional<std::string>> blob = store_->GetBlob("model");
      ASSERT_TRUE(blob.ok() && blob->has_value()) << blob.status();
      ASSERT_EQ(**blob, std::string(300'000, (*blob)->at(0)));
    }
  });
  std::vector<std::thread> writers;
  for (char c : {'b', 'c'}) {
    writers.emplace_back([&, c] {
      for (int i = 0; i < 20; ++i) {
        ASSERT_TRUE(store_->PutBlob("model", std::string(300'000, c)).ok());
      }
    });
  }
  for (std::thread& writer : writers) writer.join();
  stop = true;
  reader.join();
}

TEST_F(BlobStoreTest, KeepsTheEarlierBlobWhenAWriteFails) {
  Close();
  testing::FaultInjectionEnv faults;
  options_.env = faults.env();
  Open();
  ASSERT_TRUE(store_->PutBlob("model", "earlier").ok());
  faults.file_system().FailAppends(testing::FaultInjectionFileSystem::Fault::kIoError);
  EXPECT_FALSE(store_->PutBlob("model", std::string(1'000'000, 'x')).ok());
  EXPECT_EQ(*store_->GetBlob("model"), "earlier");
  faults.file_system().FailAppends(testing::FaultInjectionFileSystem::Fault::kNone);
  Reopen();
  EXPECT_EQ(*store_->GetBlob("model"), "earlier");
  Close();
}

}  // namespace
}  // namespace attune::storage
