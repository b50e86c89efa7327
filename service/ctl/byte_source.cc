#include "service/ctl/byte_source.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "lib/base/text.h"

namespace attune::ctl {
namespace {

constexpr unsigned kGzipBufferBytes = 256 << 10;

class StreamSource : public ByteSource {
 public:
  explicit StreamSource(std::istream& stream) : stream_(stream) {}

  absl::StatusOr<size_t> Read(char* buffer, size_t size) override {
    stream_.read(buffer, static_cast<std::streamsize>(size));
    if (stream_.bad()) return absl::DataLossError("standard input can't be read");
    const auto count = static_cast<size_t>(stream_.gcount());
    position_ += static_cast<int64_t>(count);
    return count;
  }
  int64_t position() const override { return position_; }
  std::optional<int64_t> size() const override { return std::nullopt; }

 private:
  std::istream& stream_;
  int64_t position_ = 0;
};

class FileSource : public ByteSource {
 public:
  FileSource(int fd, std::string path, std::optional<int64_t> size)
      : fd_(fd), path_(std::move(path)), size_(size) {}
  ~FileSource() override { close(fd_); }

  absl::StatusOr<size_t> Read(char* buffer, size_t size) override {
    ssize_t count;
    do {
      count = read(fd_, buffer, size);
    } while (count < 0 && errno == EINTR);
    if (count < 0) return absl::ErrnoToStatus(errno, absl::StrCat(Quoted(path_), " can't be read"));
    position_ += count;
    return static_cast<size_t>(count);
  }
  int64_t position() const override { return position_; }
  std::optional<int64_t> size() const override { return size_; }

 private:
  const int fd_;
  const std::string path_;
  const std::optional<int64_t> size_;
  int64_t position_ = 0;
};

class GzipSource : public ByteSource {
 public:
  GzipSource(gzFile file, std::string path, std::optional<int64_t> size)
      : file_(file), path_(std::move(path)), size_(size) {}
  ~GzipSource() override { gzclose_r(file_); }

  absl::StatusOr<size_t> Read(char* buffer, size_t size) override {
    const auto wanted = static_cast<unsigned>(std::min<size_t>(size, INT_MAX));
    const int count = gzread(file_, buffer, wanted);
    // A file that was cut off shows as a short read with Z_BUF_ERROR, not as a negative count.
    int code = Z_OK;
    const char* message = gzerror(file_, &code);
    if (count < 0 || (count == 0 && code != Z_OK && code != Z_STREAM_END)) {
      return absl::DataLossError(absl::StrCat(
          Quoted(path_), " can't be decompressed: ",
          code == Z_BUF_ERROR ? "it ends in the middle of the compressed data" : message));
    }
    return static_cast<size_t>(count);
  }
  int64_t position() const override { return gzoffset(file_); }
  std::optional<int64_t> size() const override { return size_; }

 private:
  gzFile file_;
  const std::string path_;
  const std::optional<int64_t> size_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<ByteSource>> OpenByteSource(const std::string& path,
                                                           std::istream& standard_input) {
  if (path == "-") return std::make_unique<StreamSource>(standard_input);
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return absl::ErrnoToStatus(errno, absl::StrCat(Quoted(path), " can't be opened"));
  struct stat info {};
  std::optional<int64_t> size;
  if (fstat(fd, &info) == 0) {
    if (S_ISDIR(info.st_mode)) {
      close(fd);
      return absl::FailedPreconditionError(absl::StrCat(Quoted(path), " is a directory"));
    }
    if (S_ISREG(info.st_mode)) size = info.st_size;
  }
  if (!absl::EndsWith(path, ".gz")) return std::make_unique<FileSource>(fd, path, size);
  gzFile file = gzdopen(fd, "rb");
  if (file == nullptr) {
    close(fd);
    return absl::ResourceExhaustedError(absl::StrCat(Quoted(path), " can't be decompressed"));
  }
  gzbuffer(file, kGzipBufferBytes);
  return std::make_unique<GzipSource>(file, path, size);
}

}  // namespace attune::ctl
