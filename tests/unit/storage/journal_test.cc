#include "lib/storage/journal.h"

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/storage/journal_format.h"
#include "lib/storage/journal_reader.h"
#include "tests/testing/fault_injection_env.h"
#include "tests/testing/temp_dir.h"

namespace attune::storage {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class JournalTest : public ::testing::Test {
 protected:
  void Open(const JournalStart& start = {}) {
    journal_ = std::make_unique<Journal>(env_.env()->GetFileSystem(), dir_.path(), start);
  }

  absl::Status Append(std::string_view record, const std::vector<std::string>& payloads = {}) {
    std::vector<Event> events;
    for (const std::string& payload : payloads) events.push_back({EventType::kDecision, payload});
    std::string frame(FrameHead::kBytes, '\0');
    AppendCommit(RecordChange::kReplace, CustomerKey{1}, record, events, frame);
    return journal_->Append(static_cast<uint32_t>(std::max<size_t>(1, events.size())), frame);
  }

  // The records that a replay finds, as "number:record".
  absl::StatusOr<std::vector<std::string>> Replay(uint64_t floor = 1) {
    std::vector<std::string> records;
    absl::StatusOr<JournalStart> start = ReplayJournal(
        *env_.env()->GetFileSystem(), dir_.path(), floor, [&](const JournalCommit& commit) {
          records.push_back(std::to_string(commit.number) + ":" + std::string(commit.record));
        });
    if (!start.ok()) return start.status();
    start_ = *start;
    return records;
  }

  std::vector<std::string> Files() const {
    std::vector<std::string> files;
    for (const auto& entry : std::filesystem::directory_iterator(dir_.path())) {
      files.push_back(entry.path());
    }
    std::sort(files.begin(), files.end());
    return files;
  }

  static std::string ReadFile(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  static void WriteFile(const std::string& path, std::string_view bytes) {
    std::ofstream file(path, std::ios::binary | std::ios::trunc);
    file << bytes;
  }
  // As if the system had been started anew since the segment was begun.
  static void Reboot(const std::string& path) {
    std::string bytes = ReadFile(path);
    SegmentHeader header = *DecodeSegmentHeader(bytes);
    header.boot_id = {1, 2, 3};
    WriteFile(path, EncodeSegmentHeader(header) + bytes.substr(SegmentHeader::kBytes));
  }

  const testing::TempDir dir_;
  testing::FaultInjectionEnv env_;
  std::unique_ptr<Journal> journal_;
  JournalStart start_;
};

TEST_F(JournalTest, ReplaysWhatWasAppended) {
  Open();
  EXPECT_TRUE(Append("a").ok());
  EXPECT_TRUE(Append("b", {"e1", "e2", "e3"}).ok());
  EXPECT_EQ(journal_->Rotate(), 5u);
  EXPECT_TRUE(Append("c").ok());
  EXPECT_EQ(Files().size(), 2u);
  EXPECT_THAT(*Replay(), ElementsAre("1:a", "2:b", "5:c"));
  EXPECT_EQ(start_.next_number, 6u);
  EXPECT_EQ(start_.segments.size(), 2u);

  start_.next_number = 100;
  Open(start_);
  EXPECT_TRUE(Append("d").ok());
  EXPECT_THAT(*Replay(), ElementsAre("1:a", "2:b", "5:c", "100:d"));
  EXPECT_EQ(start_.next_number, 101u);
}

// Room that is asked for ahead must not be seen as something that was written, and is given back.
TEST_F(JournalTest, AFileHasTheSizeOfWhatWasWritten) {
  constexpr uint64_t kMuchLessThanTheRoom = 1 << 20;
  const auto bytes_on_disk = [](const std::string& path) {
    struct stat status = {};
    EXPECT_EQ(stat(path.c_str(), &status), 0);
    return static_cast<uint64_t>(status.st_blocks) * 512;
  };
  Open();
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(Append("a").ok());
    EXPECT_EQ(std::filesystem::file_size(Files()[0]), journal_->bytes()) << i;
  }
  ASSERT_TRUE(journal_->Sync().ok());
  journal_->Rotate();
  EXPECT_EQ(std::filesystem::file_size(Files()[0]), journal_->bytes());
  EXPECT_LT(bytes_on_disk(Files()[0]), kMuchLessThanTheRoom) << "closed, as it is synced";
  EXPECT_THAT(*Replay(), ElementsAre("1:a", "2:a", "3:a"));
}

TEST_F(JournalTest, IsEmptyAtFirst) {
  EXPECT_THAT(*Replay(), IsEmpty());
  EXPECT_EQ(start_.next_number, 1u);
  EXPECT_THAT(*Replay(77), IsEmpty());
  EXPECT_EQ(start_.next_number, 77u);
}

TEST_F(JournalTest, ReplaysAndKeepsNothingBelowTheFloor) {
  Open();
  ASSERT_TRUE(Append("a").ok());
  const uint64_t cut = journal_->Rotate();
  ASSERT_TRUE(Append("b").ok());
  EXPECT_THAT(*Replay(cut), ElementsAre("2:b"));
  EXPECT_EQ(Files().size(), 1u);
  EXPECT_THAT(*Replay(cut), ElementsAre("2:b"));
  EXPECT_THAT(*Replay(3), IsEmpty());
  EXPECT_THAT(Files(), IsEmpty());
}

TEST_F(JournalTest, DropsSegments) {
  Open();
  ASSERT_TRUE(Append("a").ok());
  ASSERT_TRUE(Append("b").ok());
  const uint64_t cut = journal_->Rotate();
  ASSERT_TRUE(Append("c").ok());
  journal_->DropBelow(cut);
  EXPECT_EQ(Files().size(), 1u);
  EXPECT_THAT(*Replay(cut), ElementsAre("3:c"));
  const absl::Status status = Replay(1).status();
  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
  journal_->DropBelow(journal_->Rotate());
  EXPECT_THAT(Files(), IsEmpty());
  EXPECT_EQ(journal_->bytes(), 0u);
}

TEST_F(JournalTest, CutsOffWhatTheEndOfTheProcessHasTorn) {
  Open();
  ASSERT_TRUE(Append("a").ok());
  ASSERT_TRUE(Append("b").ok());
  const std::string path = Files()[0];
  const std::string whole = ReadFile(path);
  const size_t frame = (whole.size() - SegmentHeader::kBytes) / 2;
  for (size_t cut = 1; cut <= frame; ++cut) {
    WriteFile(path, whole.substr(0, whole.size() - cut));
    absl::StatusOr<std::vector<std::string>> records = Replay();
    ASSERT_TRUE(records.ok()) << records.status();
    EXPECT_THAT(*records, ElementsAre("1:a"));
    EXPECT_EQ(start_.next_number, 2u);
  }
  // The next life goes on behind the torn end, in a new file.
  WriteFile(path, whole.substr(0, whole.size() - 1));
  ASSERT_TRUE(Replay().ok());
  Open(start_);
  ASSERT_TRUE(Append("c").ok());
  EXPECT_THAT(*Replay(), ElementsAre("1:a", "2:c"));
}

TEST_F(JournalTest, NoticesEveryFlippedByteWhileTheSystemRuns) {
  Open();
  for (const char* record : {"a", "b", "c"}) ASSERT_TRUE(Append(record, {"event"}).ok());
  const std::string path = Files()[0];
  const std::string whole = ReadFile(path);
  for (size_t i = 0; i < whole.size(); ++i) {
    std::string flipped = whole;
    flipped[i] = static_cast<char>(flipped[i] ^ 0x10);
    WriteFile(path, flipped);
    const absl::Status status = Replay().status();
    ASSERT_TRUE(absl::IsDataLoss(status)) << i << ": " << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(path));
  }
}

TEST_F(JournalTest, CutsOffWhatThePowerHasTakenUnlessItWasSynced) {
  Open();
  ASSERT_TRUE(Append("a").ok());
  ASSERT_TRUE(journal_->Sync().ok());
  ASSERT_TRUE(Append("b").ok());
  ASSERT_TRUE(Append("c").ok());
  const std::string path = Files()[0];
  Reboot(path);
  const std::string whole = ReadFile(path);
  const size_t frame = (whole.size() - SegmentHeader::kBytes) / 3;
  const auto with_hole_at = [&](size_t index) {
    std::string holed = whole;
    std::fill_n(holed.begin() + static_cast<std::ptrdiff_t>(SegmentHeader::kBytes + index * frame),
                frame, '\0');
    return holed;
  };
  // "b" was not synced; "c" has come to the disk before it.
  WriteFile(path, with_hole_at(1));
  EXPECT_THAT(*Replay(), ElementsAre("1:a"));
  EXPECT_EQ(start_.next_number, 2u);
  // "a" was synced, and what comes later says so.
  WriteFile(path, with_hole_at(0));
  const absl::Status status = Replay().status();
  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("at least 1 "));
}

TEST_F(JournalTest, NoticesDamageInWhatWasSyncedLast) {
  Open();
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(Append("record").ok());
  ASSERT_TRUE(journal_->Sync().ok());
  EXPECT_TRUE(journal_->needs_mark());
  journal_->AppendMark();
  // Once.
  const std::string path = Files()[0];
  const std::string whole = ReadFile(path);
  EXPECT_FALSE(journal_->needs_mark());
  ASSERT_TRUE(journal_->Sync().ok());
  journal_->AppendMark();
  EXPECT_EQ(ReadFile(path), whole);
  EXPECT_EQ(Replay()->size(), 5u);
  EXPECT_EQ(start_.next_number, 6u);

  Reboot(path);
  const std::string rebooted = ReadFile(path);
  for (size_t i = SegmentHeader::kBytes; i < whole.size() - FrameHead::kBytes; ++i) {
    std::string flipped = rebooted;
    flipped[i] = static_cast<char>(flipped[i] ^ 0x10);
    WriteFile(path, flipped);
    ASSERT_TRUE(absl::IsDataLoss(Replay().status())) << i;
  }
  WriteFile(path, rebooted);
  EXPECT_EQ(Replay()->size(), 5u);
}

TEST_F(JournalTest, GoesOnBehindAMark) {
  Open();
  ASSERT_TRUE(Append("a").ok());
  ASSERT_TRUE(journal_->Sync().ok());
  journal_->AppendMark();
  ASSERT_TRUE(Append("b").ok());
  ASSERT_TRUE(journal_->Sync().ok());
  journal_->AppendMark();
  journal_->Rotate();
  // A segment is not opened for a mark alone.
  ASSERT_TRUE(Append("c").ok());
  journal_->Rotate();
  ASSERT_TRUE(journal_->Sync().ok());
  journal_->AppendMark();
  EXPECT_EQ(Files().size(), 2u);
  EXPECT_THAT(*Replay(), ElementsAre("1:a", "2:b", "3:c"));
  // A mark that is written in part is none.
  Open(start_);
  ASSERT_TRUE(Append("d").ok());
  journal_->DropBelow(4);
  ASSERT_TRUE(journal_->Sync().ok());
  env_.file_system().TearNextAppend(10);
  journal_->AppendMark();
  ASSERT_TRUE(Append("e").ok());
  EXPECT_THAT(*Replay(4), ElementsAre("4:d", "5:e"));
}

TEST_F(JournalTest, DropsLaterSegmentsThatThePowerHasCutOff) {
  Open();
  ASSERT_TRUE(Append("a").ok());
  ASSERT_TRUE(Append("b").ok());
  journal_->Rotate();
  ASSERT_TRUE(Append("c").ok());
  const std::string path = Files()[0];
  Reboot(path);
  std::string bytes = ReadFile(path);
  WriteFile(path, bytes.substr(0, bytes.size() - 1));
  EXPECT_THAT(*Replay(), ElementsAre("1:a"));
  EXPECT_EQ(Files().size(), 1u);
  // While the system runs no file loses its end.
  bytes.replace(0, SegmentHeader::kBytes,
                EncodeSegmentHeader({.first = 1, .continues = 1, .boot_id = CurrentBootId()}));
  WriteFile(path, bytes.substr(0, bytes.size() - 1));
  WriteFile(dir_.File(SegmentFileName(9)),
            EncodeSegmentHeader({.first = 3, .continues = 3, .boot_id = CurrentBootId()}));
  EXPECT_TRUE(absl::IsDataLoss(Replay().status()));
}

// A checkpoint syncs what lies behind its cut, and the power fails: the segment before ends where
// it was last synced, between two frames.
TEST_F(JournalTest, CutsOffASegmentThatThePowerHasEndedBetweenTwoFrames) {
  Open();
  ASSERT_TRUE(Append("a").ok());
  ASSERT_TRUE(journal_->Sync().ok());
  const auto synced_size = std::filesystem::file_size(Files()[0]);
  ASSERT_TRUE(Append("b").ok());
  const uint64_t cut = journal_->Rotate();
  ASSERT_TRUE(Append("c").ok());
  ASSERT_TRUE(journal_->SyncFrom(cut).ok());
  for (const std::string& path : Files()) Reboot(path);
  std::filesystem::resize_file(Files()[0], synced_size);
  EXPECT_THAT(*Replay(), ElementsAre("1:a"));
  EXPECT_EQ(start_.next_number, 2u);
  EXPECT_EQ(Files().size(), 1u);
}

TEST_F(JournalTest, DropsNewSegmentsThatThePowerHasEmptied) {
  Open();
  for (const char* record : {"a", "b", "c"}) {
    ASSERT_TRUE(Append(record).ok());
    journal_->Rotate();
  }
  const std::vector<std::string> paths = Files();
  const std::string last = ReadFile(paths[2]);
  WriteFile(paths[1], "");
  // While the system runs no file loses its content.
  EXPECT_TRUE(absl::IsDataLoss(Replay().status()));
  WriteFile(paths[2], "");
  Reboot(paths[0]);
  EXPECT_THAT(*Replay(), ElementsAre("1:a"));
  EXPECT_EQ(Files().size(), 1u);
  // One of two came to the disk, never synced.
  WriteFile(paths[1], "");
  WriteFile(paths[2], last);
  Reboot(paths[2]);
  EXPECT_THAT(*Replay(), ElementsAre("1:a"));
  EXPECT_EQ(Files().size(), 1u);
}

TEST_F(JournalTest, ReportsAMissingSegment) {
  Open();
  for (const char* record : {"a", "b", "c"}) {
    ASSERT_TRUE(Append(record).ok());
    journal_->Rotate();
  }
  std::filesystem::remove(Files()[1]);
  const absl::Status status = Replay().status();
  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("number 2"));
}

TEST_F(JournalTest, GoesOnInANewFileAfterAFailedWrite) {
  Open();
  ASSERT_TRUE(Append("a").ok());
  env_.file_system().FailAppends(testing::FaultInjectionFileSystem::Fault::kNoSpace);
  EXPECT_TRUE(absl::IsResourceExhausted(Append("lost")));
  EXPECT_TRUE(absl::IsResourceExhausted(Append("lost")));
  env_.file_system().FailAppends(testing::FaultInjectionFileSystem::Fault::kNone);
  ASSERT_TRUE(Append("b").ok());
  EXPECT_THAT(*Replay(), ElementsAre("1:a", "2:b"));
}

TEST_F(JournalTest, TakesNoPartOfAFailedWriteForACommit) {
  Open();
  ASSERT_TRUE(Append("a").ok());
  const size_t header = SegmentHeader::kBytes;
  const size_t frame = ReadFile(Files()[0]).size() - header;
  for (size_t written = 0; written <= frame; ++written) {
    env_.file_system().TearNextAppend(written);
    EXPECT_FALSE(Append("x").ok());
    ASSERT_TRUE(Append("b").ok());
    absl::StatusOr<std::vector<std::string>> records = Replay();
    ASSERT_TRUE(records.ok()) << written << ": " << records.status();
    EXPECT_EQ(records->back(), std::to_string(written + 2) + ":b");
    EXPECT_EQ(records->size(), written + 2);
  }
}

// The first segment of a life begins behind a gap; its header is written, its first frame fails.
TEST_F(JournalTest, GoesOnAfterAFailedFirstWriteBehindACrash) {
  Open();
  ASSERT_TRUE(Append("a").ok());
  ASSERT_TRUE(Replay().ok());
  start_.next_number = 100;
  Open(start_);
  env_.file_system().TearNextAppend(0, /*after=*/1);
  EXPECT_FALSE(Append("lost").ok());
  ASSERT_TRUE(Append("b").ok());
  absl::StatusOr<std::vector<std::string>> records = Replay();
  ASSERT_TRUE(records.ok()) << records.status();
  EXPECT_THAT(*records, ElementsAre("1:a", "100:b"));
}

TEST_F(JournalTest, SyncsAgainWhenTheDatabaseHasWhatCouldNotBeSynced) {
  Open();
  ASSERT_TRUE(Append("a").ok());
  ASSERT_TRUE(journal_->Sync().ok());
  ASSERT_TRUE(Append("b").ok());
  env_.file_system().FailSyncs(testing::FaultInjectionFileSystem::Fault::kIoError);
  EXPECT_FALSE(journal_->Sync().ok());
  env_.file_system().FailSyncs(testing::FaultInjectionFileSystem::Fault::kNone);
  EXPECT_TRUE(journal_->sync_failed());
  ASSERT_TRUE(Append("c").ok());
  EXPECT_FALSE(journal_->Sync().ok());
  const uint64_t cut = journal_->Rotate();
  ASSERT_TRUE(Append("d").ok());
  EXPECT_TRUE(journal_->SyncFrom(cut).ok());
  EXPECT_FALSE(journal_->Sync().ok());
  journal_->DropBelow(cut);
  EXPECT_FALSE(journal_->sync_failed());
  EXPECT_TRUE(journal_->Sync().ok());
  EXPECT_THAT(*Replay(cut), ElementsAre("4:d"));
}

TEST_F(JournalTest, SyncsWhatAnEarlierLifeLeftOnlyThroughTheDatabase) {
  Open();
  ASSERT_TRUE(Append("a").ok());
  ASSERT_TRUE(Replay().ok());
  Open(start_);
  EXPECT_FALSE(journal_->Sync().ok());
  journal_->DropBelow(2);
  EXPECT_TRUE(journal_->Sync().ok());
  EXPECT_THAT(Files(), IsEmpty());
}

}  // namespace
}  // namespace attune::storage
