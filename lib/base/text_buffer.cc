#include "lib/base/text_buffer.h"

#include <algorithm>

namespace attune {

void TextBuffer::Grow(size_t bytes) {
  // Made larger in steps: what is added is filled with zeros each time.
  constexpr size_t kStep = 4096;
  const size_t used = size();
  out_.resize(used + std::max(bytes, kStep));
  cursor_ = out_.data() + used;
  end_ = out_.data() + out_.size();
}

void TextBuffer::insert(size_t at, size_t bytes, char c) {
  MakeRoom(bytes);
  char* const place = out_.data() + at;
  std::memmove(place + bytes, place, size() - at);
  std::memset(place, c, bytes);
  cursor_ += bytes;
}

void TextBuffer::erase(size_t at, size_t bytes) {
  char* const place = out_.data() + at;
  std::memmove(place, place + bytes, size() - at - bytes);
  cursor_ -= bytes;
}

}  // namespace attune
