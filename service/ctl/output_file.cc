#include "service/ctl/output_file.h"

#include <cerrno>
#include <filesystem>
#include <system_error>

namespace attune::ctl {
namespace {

absl::Status WriteError(int error) {
  return absl::ErrnoToStatus(error == 0 ? EIO : error, "can't write");
}

}  // namespace

OutputFile::OutputFile(const std::string& path) : path_(path), written_(path) {
  std::error_code error;
  const std::filesystem::file_status status = std::filesystem::status(path, error);
  if (std::filesystem::exists(status) && !std::filesystem::is_regular_file(status)) return;
  if (std::filesystem::exists(status)) {
    const std::filesystem::path target = std::filesystem::canonical(path, error);
    if (!error) path_ = target.string();
  }
  written_ = path_ + ".partial";
}

OutputFile::~OutputFile() {
  file_.close();
  if (!is_partial_) return;
  std::error_code ignored;
  std::filesystem::remove(written_, ignored);
}

absl::Status OutputFile::Open() {
  errno = 0;
  file_.open(written_, std::ios::binary | std::ios::trunc);
  if (!file_) return WriteError(errno);
  is_partial_ = written_ != path_;
  return absl::OkStatus();
}

absl::Status OutputFile::Commit() {
  errno = 0;
  file_.close();
  if (!file_) return WriteError(errno);
  if (!is_partial_) return absl::OkStatus();
  std::error_code error;
  const std::filesystem::file_status replaced = std::filesystem::status(path_, error);
  if (std::filesystem::exists(replaced)) {
    std::filesystem::permissions(written_, replaced.permissions(), error);
    if (error) return WriteError(error.value());
  }
  std::filesystem::rename(written_, path_, error);
  if (error) return WriteError(error.value());
  is_partial_ = false;
  return absl::OkStatus();
}

}  // namespace attune::ctl
