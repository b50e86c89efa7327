#include "service/ctl/byte_source.h"

#include <zlib.h>

#include <fstream>
#include <memory>
#include <sstream>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/temp_dir.h"

namespace attune::ctl {
namespace {

std::string Text() {
  std::string text;
  for (int i = 0; i < 100'000; ++i) text += std::to_string(i) + "\n";
  return text;
}

void WriteFile(const std::string& path, const std::string& content) {
  std::ofstream(path, std::ios::binary) << content;
}

void WriteGzip(const std::string& path, const std::string& content, const char* mode = "wb") {
  gzFile file = gzopen(path.c_str(), mode);
  gzwrite(file, content.data(), static_cast<unsigned>(content.size()));
  gzclose(file);
}

std::string ReadFile(const std::string& path) {
  std::ostringstream content;
  content << std::ifstream(path, std::ios::binary).rdbuf();
  return content.str();
}

absl::StatusOr<std::string> Drain(ByteSource& source) {
  std::string text;
  std::string buffer(1000, '\0');
  while (true) {
    const absl::StatusOr<size_t> count = source.Read(buffer.data(), buffer.size());
    if (!count.ok()) return count.status();
    if (*count == 0) return text;
    text.append(buffer, 0, *count);
  }
}

class ByteSourceTest : public ::testing::Test {
 protected:
  absl::StatusOr<std::unique_ptr<ByteSource>> Open(const std::string& path) {
    return OpenByteSource(path, standard_input_);
  }

  attune::testing::TempDir folder_;
  std::istringstream standard_input_;
};

TEST_F(ByteSourceTest, ReadsAFileAndTellsHowFarItIs) {
  WriteFile(folder_.File("a.csv"), Text());
  const auto source = Open(folder_.File("a.csv"));
  ASSERT_TRUE(source.ok()) << source.status();
  EXPECT_EQ((*source)->size(), std::ssize(Text()));
  EXPECT_EQ((*source)->position(), 0);
  EXPECT_EQ(*Drain(**source), Text());
  EXPECT_EQ((*source)->position(), std::ssize(Text()));
}

TEST_F(ByteSourceTest, DecompressesWhatEndsInGz) {
  const std::string path = folder_.File("a.csv.gz");
  WriteGzip(path, Text());
  const auto source = Open(path);
  ASSERT_TRUE(source.ok()) << source.status();
  EXPECT_EQ(*Drain(**source), Text());
  EXPECT_LT(*(*source)->size(), std::ssize(Text()) / 2) << "counts compressed bytes";
  EXPECT_EQ((*source)->position(), *(*source)->size());
}

TEST_F(ByteSourceTest, DecompressesFilesThatWerePutTogether) {
  const std::string path = folder_.File("a.csv.gz");
  WriteGzip(path, "first\n");
  WriteGzip(path, "second\n", "ab");
  EXPECT_EQ(*Drain(**Open(path)), "first\nsecond\n");
}

TEST_F(ByteSourceTest, RefusesCompressedFilesThatAreCutOffOrDamaged) {
  const std::string path = folder_.File("a.csv.gz");
  WriteGzip(path, Text());
  const std::string whole = ReadFile(path);
  WriteFile(path, whole.substr(0, whole.size() / 2));
  const auto cut = Drain(**Open(path));
  EXPECT_TRUE(absl::IsDataLoss(cut.status())) << cut.status();
  EXPECT_THAT(std::string(cut.status().message()), ::testing::HasSubstr("in the middle"));
  std::string damaged = whole;
  damaged[whole.size() / 2] ^= 0x55;
  damaged[whole.size() / 2 + 1] ^= 0x55;
  WriteFile(path, damaged);
  EXPECT_TRUE(absl::IsDataLoss(Drain(**Open(path)).status()));
}

TEST_F(ByteSourceTest, ReadsStandardInput) {
  standard_input_.str("from a pipe");
  const auto source = Open("-");
  ASSERT_TRUE(source.ok());
  EXPECT_EQ((*source)->size(), std::nullopt);
  EXPECT_EQ(*Drain(**source), "from a pipe");
}

TEST_F(ByteSourceTest, SaysWhatIsWrongWithAPath) {
  const auto missing = Open(folder_.File("missing.csv"));
  EXPECT_TRUE(absl::IsNotFound(missing.status())) << missing.status();
  EXPECT_THAT(std::string(missing.status().message()), ::testing::HasSubstr("missing.csv"));
  EXPECT_TRUE(absl::IsFailedPrecondition(Open(folder_.path()).status()));
}

}  // namespace
}  // namespace attune::ctl
