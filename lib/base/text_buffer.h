#ifndef ATTUNE_LIB_BASE_TEXT_BUFFER_H_
#define ATTUNE_LIB_BASE_TEXT_BUFFER_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace attune {

// Appends to a string what comes in many short pieces, in a fraction of the time that the string
// takes: pieces are copied in place, without a call. Members are named as the string's, so that one
// function can write to both. The string is as it should be once the buffer is gone; until then
// nobody else may look at it. Not thread-safe.
class TextBuffer {
 public:
  // `out` must outlive the buffer.
  explicit TextBuffer(std::string& out)
      : out_(out), cursor_(out.data() + out.size()), end_(cursor_) {}
  TextBuffer(const TextBuffer&) = delete;
  TextBuffer& operator=(const TextBuffer&) = delete;
  ~TextBuffer() { out_.resize(size()); }

  // Of the string with all that was appended.
  size_t size() const { return static_cast<size_t>(cursor_ - out_.data()); }
  char& operator[](size_t at) { return out_.data()[at]; }
  // What stands from `begin` on; valid until the next change.
  std::string_view From(size_t begin) const { return {out_.data() + begin, size() - begin}; }

  void push_back(char c) {
    MakeRoom(1);
    *cursor_++ = c;
  }
  void append(const char* text, size_t bytes) {
    MakeRoom(bytes);
    Copy(text, bytes, cursor_);
    cursor_ += bytes;
  }
  void append(std::string_view text) { append(text.data(), text.size()); }
  TextBuffer& operator+=(std::string_view text) {
    append(text);
    return *this;
  }
  TextBuffer& operator+=(char c) {
    push_back(c);
    return *this;
  }

  // Cuts off what stands behind. REQUIRES: bytes <= size().
  void resize(size_t bytes) { cursor_ = out_.data() + bytes; }
  // Moves what stands from `at` on `bytes` back, and puts `c` in between; or that much forward,
  // over what stood there.
  void insert(size_t at, size_t bytes, char c);
  void erase(size_t at, size_t bytes);

 private:
  void MakeRoom(size_t bytes) {
    if (static_cast<size_t>(end_ - cursor_) < bytes) Grow(bytes);
  }
  void Grow(size_t bytes);

  // Two moves of one size that may overlap, as most texts are short.
  template <typename Word>
  static void CopyEnds(const char* from, size_t bytes, char* to) {
    Word first;
    Word last;
    std::memcpy(&first, from, sizeof first);
    std::memcpy(&last, from + bytes - sizeof last, sizeof last);
    std::memcpy(to, &first, sizeof first);
    std::memcpy(to + bytes - sizeof last, &last, sizeof last);
  }
  static void Copy(const char* from, size_t bytes, char* to) {
    struct Word16 {
      uint64_t words[2];
    };
    if (bytes > 32) {
      std::memcpy(to, from, bytes);
    } else if (bytes >= 16) {
      CopyEnds<Word16>(from, bytes, to);
    } else if (bytes >= 8) {
      CopyEnds<uint64_t>(from, bytes, to);
    } else if (bytes >= 4) {
      CopyEnds<uint32_t>(from, bytes, to);
    } else if (bytes >= 2) {
      CopyEnds<uint16_t>(from, bytes, to);
    } else if (bytes == 1) {
      *to = *from;
    }
  }

  std::string& out_;
  char* cursor_;  // within the string, whose size is up to `end_`
  char* end_;
};

}  // namespace attune

#endif  // ATTUNE_LIB_BASE_TEXT_BUFFER_H_
