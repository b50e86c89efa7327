#ifndef ATTUNE_SERVICE_CTL_BYTE_SOURCE_H_
#define ATTUNE_SERVICE_CTL_BYTE_SOURCE_H_

#include <cstddef>
#include <cstdint>
#include <istream>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"

namespace attune::ctl {

// Bytes that are read once, front to back. Not thread-safe.
class ByteSource {
 public:
  virtual ~ByteSource() = default;

  // Fills up to `size` bytes of `buffer` and returns how many; 0 at the end. An error is final.
  virtual absl::StatusOr<size_t> Read(char* buffer, size_t size) = 0;

  // How many bytes of the file were taken so far; of a compressed file, compressed bytes.
  virtual int64_t position() const = 0;

  // What position() will be at the end; nullopt when that can't be known, as for a pipe.
  virtual std::optional<int64_t> size() const = 0;
};

// The file at `path`, or `standard_input` when the path is "-"; the stream must outlive the source.
// A file whose name ends in ".gz" is decompressed while it is read. NOT_FOUND, PERMISSION_DENIED or
// another error with the path in its message when it can't be opened.
absl::StatusOr<std::unique_ptr<ByteSource>> OpenByteSource(const std::string& path,
                                                           std::istream& standard_input);

}  // namespace attune::ctl

#endif  // ATTUNE_SERVICE_CTL_BYTE_SOURCE_H_
