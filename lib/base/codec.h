#ifndef ATTUNE_LIB_BASE_CODEC_H_
#define ATTUNE_LIB_BASE_CODEC_H_

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace attune {

// Little-endian building blocks of stored records. Varints are those of Protocol Buffers. `Out` is
// a std::string or a TextBuffer.

static_assert(std::endian::native == std::endian::little,
              "stored records are little-endian; this port needs byte swaps here");

inline constexpr size_t kMaxVarintBytes = 10;

template <typename Out>
void PutLongVarint(Out& out, uint64_t value) {
  char buffer[kMaxVarintBytes];
  size_t size = 0;
  while (value >= 0x80) {
    buffer[size++] = static_cast<char>(value | 0x80);
    value >>= 7;
  }
  buffer[size++] = static_cast<char>(value);
  out.append(buffer, size);
}
// Inline, as most have one byte, and tags are constants.
template <typename Out>
inline void PutVarint(Out& out, uint64_t value) {
  if (value < 0x80) return out.push_back(static_cast<char>(value));
  PutLongVarint(out, value);
}

// How many bytes PutVarint appends.
constexpr size_t VarintSize(uint64_t value) {
  return (static_cast<size_t>(std::bit_width(value | 1)) + 6) / 7;
}

inline uint64_t ZigZag(int64_t value) {
  return (static_cast<uint64_t>(value) << 1) ^ static_cast<uint64_t>(value >> 63);
}
inline int64_t UnZigZag(uint64_t value) {
  return static_cast<int64_t>(value >> 1) ^ -static_cast<int64_t>(value & 1);
}

template <typename Out, typename T>
void PutFixed(Out& out, T value) {
  char buffer[sizeof value];
  std::memcpy(buffer, &value, sizeof value);
  out.append(buffer, sizeof buffer);
}

template <typename Out>
void PutBytes(Out& out, std::string_view bytes) {
  PutVarint(out, bytes.size());
  out.append(bytes);
}

// Reads a record front to back. A read past the end or of a malformed varint makes the reader fail
// for good and yields zeros, so that a decoder checks ok() once, at the end. Not thread-safe.
class ByteReader {
 public:
  explicit ByteReader(std::string_view data) : cursor_(data.data()), end_(cursor_ + data.size()) {}

  bool ok() const { return ok_; }
  bool done() const { return cursor_ == end_; }
  size_t remaining() const { return static_cast<size_t>(end_ - cursor_); }
  const char* cursor() const { return cursor_; }

  uint64_t Varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64 && cursor_ != end_; shift += 7) {
      const auto byte = static_cast<uint8_t>(*cursor_++);
      value |= static_cast<uint64_t>(byte & 0x7F) << shift;
      if (byte < 0x80) return value;
    }
    return Fail();
  }

  template <typename T>
  T Fixed() {
    T value{};
    if (remaining() < sizeof value) {
      Fail();
      return value;
    }
    std::memcpy(&value, cursor_, sizeof value);
    cursor_ += sizeof value;
    return value;
  }

  // The bytes stay where they are: the view is valid as long as the record.
  std::string_view Bytes(size_t size) {
    if (remaining() < size) {
      Fail();
      return {};
    }
    std::string_view bytes(cursor_, size);
    cursor_ += size;
    return bytes;
  }
  std::string_view SizedBytes() { return Bytes(Varint()); }

 private:
  uint64_t Fail() {
    ok_ = false;
    cursor_ = end_;
    return 0;
  }

  const char* cursor_;
  const char* end_;
  bool ok_ = true;
};

}  // namespace attune

#endif  // ATTUNE_LIB_BASE_CODEC_H_
