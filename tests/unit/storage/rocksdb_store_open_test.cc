// What a store says about a folder that is not as it left it.

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/storage/rocksdb_store.h"
#include "rocksdb/db.h"
#include "tests/unit/storage/store_fixture.h"

namespace attune::storage {
namespace {

using ::testing::HasSubstr;

using RocksDbStoreOpenTest = StoreFixture;

std::vector<std::string> FilesWith(const std::string& folder, const std::string& extension) {
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() == extension) files.push_back(entry.path());
  }
  return files;
}

void FlipBytes(const std::string& path, size_t offset, size_t count) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  std::string bytes(count, '\0');
  file.seekg(static_cast<std::streamoff>(offset));
  file.read(bytes.data(), static_cast<std::streamsize>(count));
  for (char& c : bytes) c = static_cast<char>(c ^ 0x55);
  file.seekp(static_cast<std::streamoff>(offset));
  file.write(bytes.data(), static_cast<std::streamsize>(count));
  ASSERT_TRUE(file.good()) << path;
}

TEST_F(RocksDbStoreOpenTest, ReportsADamagedRecordAndItsFile) {
  const std::string record(1000, 'r');
  for (int i = 0; i < 20; ++i) Put("customer" + std::to_string(i), record);
  Close();
  // A reopened store has brought the log of writes into files.
  Reopen();
  Close();
  const std::vector<std::string> files = FilesWith(options_.path, ".sst");
  ASSERT_FALSE(files.empty());
  for (const std::string& file : files) FlipBytes(file, 10, 20);
  absl::StatusOr<std::unique_ptr<StateStore>> opened = OpenRocksDbStore(options_);
  absl::Status status = opened.status();
  if (opened.ok()) {
    Record loaded;
    for (int i = 0; i < 20 && status.ok(); ++i) {
      status = (*opened)->Load((*opened)->KeyOf("customer" + std::to_string(i)), loaded);
      EXPECT_FALSE(status.ok() && loaded.found && loaded.bytes != record);
    }
  }
  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr(".sst"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("backup"));
}

TEST_F(RocksDbStoreOpenTest, ReportsADamagedManifest) {
  Put("anna", "record");
  Close();
  for (const auto& entry : std::filesystem::directory_iterator(options_.path)) {
    if (entry.path().filename().string().starts_with("MANIFEST")) {
      FlipBytes(entry.path(), 20, 20);
    }
  }
  const absl::Status status = OpenRocksDbStore(options_).status();
  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr(options_.path));
}

TEST_F(RocksDbStoreOpenTest, SaysWhatToDoWhenAFileIsMissing) {
  Put("anna", "record");
  Close();
  for (const auto& entry : std::filesystem::directory_iterator(options_.path)) {
    if (entry.path().filename().string().starts_with("MANIFEST")) {
      std::filesystem::remove(entry.path());
      break;
    }
  }
  const absl::Status status = OpenRocksDbStore(options_).status();
  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("restore the folder from a backup"));
}

TEST_F(RocksDbStoreOpenTest, RefusesALaterFormat) {
  Close();
  {
    rocksdb::DB* db = nullptr;
    std::vector<rocksdb::ColumnFamilyHandle*> handles;
    const rocksdb::Status opened = rocksdb::DB::Open(
        rocksdb::DBOptions(), options_.path,
        {{"default", {}}, {"customers", {}}, {"log", {}}, {"blobs", {}}}, &handles, &db);
    ASSERT_TRUE(opened.ok()) << opened.ToString();
    ASSERT_TRUE(db->Put({}, "format", std::string("\x02\0\0\0", 4)).ok());
    for (rocksdb::ColumnFamilyHandle* handle : handles) db->DestroyColumnFamilyHandle(handle);
    delete db;
  }
  const absl::Status status = OpenRocksDbStore(options_).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("format 2"));
}

TEST_F(RocksDbStoreOpenTest, TellsThatTheLogEndsBeforeItDidWhenTheJournalWasMovedAway) {
  const uint64_t position = Put("anna", "record", {"first", "second"}).version;
  ASSERT_TRUE(store_->PutBlob("reader", "has read both").ok());
  // As a crash leaves it, and then somebody.
  RocksDbOptions left = options_;
  left.path = dir_.File("left");
  std::filesystem::copy(options_.path, left.path, std::filesystem::copy_options::recursive);
  std::filesystem::remove_all(left.path + "/journal");
  absl::StatusOr<std::unique_ptr<StateStore>> opened = OpenRocksDbStore(left);
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_EQ(*(*opened)->GetBlob("reader"), "has read both");
  EXPECT_LE((*opened)->SpanOfLog().end, position);
  EXPECT_GE(store_->SpanOfLog().end, position + 2);
  Reopen();
  EXPECT_GE(store_->SpanOfLog().end, position + 2);
}

TEST_F(RocksDbStoreOpenTest, ADamagedBlobCanBeWrittenAnew) {
  ASSERT_TRUE(store_->PutBlob("evidence", "counts").ok());
  Close();
  {
    rocksdb::DB* db = nullptr;
    std::vector<rocksdb::ColumnFamilyHandle*> handles;
    const rocksdb::Status opened = rocksdb::DB::Open(
        rocksdb::DBOptions(), options_.path,
        {{"default", {}}, {"customers", {}}, {"log", {}}, {"blobs", {}}}, &handles, &db);
    ASSERT_TRUE(opened.ok()) << opened.ToString();
    // The bytes of blobs, see rocksdb_format.h; their headers stay.
    ASSERT_TRUE(db->DeleteRange({}, handles[3], "c", "d").ok());
    for (rocksdb::ColumnFamilyHandle* handle : handles) db->DestroyColumnFamilyHandle(handle);
    delete db;
  }
  Open();
  EXPECT_TRUE(absl::IsDataLoss(store_->GetBlob("evidence").status()));
  ASSERT_TRUE(store_->PutBlob("evidence", "counted anew").ok());
  EXPECT_EQ(*store_->GetBlob("evidence"), "counted anew");
  Reopen();
  EXPECT_EQ(*store_->GetBlob("evidence"), "counted anew");
}

TEST_F(RocksDbStoreOpenTest, RefusesADatabaseOfSomebodyElse) {
  rocksdb::Options options;
  options.create_if_missing = true;
  rocksdb::DB* db = nullptr;
  ASSERT_TRUE(rocksdb::DB::Open(options, dir_.File("other"), &db).ok());
  ASSERT_TRUE(db->Put({}, "key", "value").ok());
  delete db;
  RocksDbOptions other = options_;
  other.path = dir_.File("other");
  absl::Status status = OpenRocksDbStore(other).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;

  ASSERT_TRUE(rocksdb::DB::Open(options, dir_.File("families"), &db).ok());
  rocksdb::ColumnFamilyHandle* family = nullptr;
  ASSERT_TRUE(db->CreateColumnFamily({}, "counters", &family).ok());
  db->DestroyColumnFamilyHandle(family);
  delete db;
  other.path = dir_.File("families");
  status = OpenRocksDbStore(other).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("counters"));
}

TEST_F(RocksDbStoreOpenTest, SaysWhichFolderItCanNotCreate) {
  RocksDbOptions impossible = options_;
  std::ofstream(dir_.File("file")) << "in the way";
  impossible.path = dir_.File("file") + "/store";
  const absl::Status status = OpenRocksDbStore(impossible).status();
  EXPECT_FALSE(status.ok());
  EXPECT_THAT(std::string(status.message()), HasSubstr(impossible.path));
}

}  // namespace
}  // namespace attune::storage
