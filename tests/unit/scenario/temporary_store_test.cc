#include "lib/scenario/temporary_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "tests/testing/temp_dir.h"

namespace attune::scenario {
namespace {

// Sets $TMPDIR for the test.
class TemporaryFolderVariable {
 public:
  explicit TemporaryFolderVariable(const std::string& path) {
    const char* before = std::getenv("TMPDIR");
    if (before != nullptr) before_ = before;
    setenv("TMPDIR", path.c_str(), 1);
  }
  ~TemporaryFolderVariable() {
    if (before_.empty()) {
      unsetenv("TMPDIR");
    } else {
      setenv("TMPDIR", before_.c_str(), 1);
    }
  }

 private:
  std::string before_;
};

TEST(TemporaryStore, LeavesNothingBehind) {
  const testing::TempDir folder;
  const TemporaryFolderVariable variable(folder.path());
  {
    const auto store = TemporaryStore::Open();
    ASSERT_TRUE(store.ok()) << store.status();
    EXPECT_FALSE(std::filesystem::is_empty(folder.path()));
    storage::Record record;
    EXPECT_TRUE((*store)->get()->Load((*store)->get()->KeyOf("anybody"), record).ok());
    EXPECT_FALSE(record.found);
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST(TemporaryStore, SaysWhatToDoWithoutAFolder) {
  const testing::TempDir folder;
  const TemporaryFolderVariable variable(folder.path() + "/absent");
  const auto store = TemporaryStore::Open();
  EXPECT_EQ(store.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(store.status().message()), ::testing::HasSubstr("set TMPDIR"));
}

}  // namespace
}  // namespace attune::scenario
