#ifndef ATTUNE_LIB_EXPRESSION_ARENA_H_
#define ATTUNE_LIB_EXPRESSION_ARENA_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>
#include <type_traits>
#include <vector>

namespace attune::expression {

// Memory for values, given back all at once. Keeps its first block, so that an arena in use does
// not allocate as long as what it holds at a time is small. Not thread-safe.
class Arena {
 public:
  explicit Arena(size_t first_block_bytes = 4096) : first_block_bytes_(first_block_bytes) {}
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  // Memory for `count` objects, not initialised, valid until Reset(). T is never destroyed.
  template <typename T>
  T* Allocate(size_t count) {
    static_assert(std::is_trivially_destructible_v<T> && alignof(T) <= 8);
    return reinterpret_cast<T*>(AllocateBytes(count * sizeof(T)));
  }

  std::string_view Copy(std::string_view text) {
    if (text.empty()) return {};
    char* copy = Allocate<char>(text.size());
    std::memcpy(copy, text.data(), text.size());
    return {copy, text.size()};
  }

  // How much is in use.
  size_t used_bytes() const { return used_; }

  // Makes everything that was allocated invalid.
  void Reset() {
    if (used_ == 0) return;
    if (blocks_.size() > 1) blocks_.resize(1);
    position_ = 0;
    capacity_ = blocks_.empty() ? 0 : first_block_bytes_;
    used_ = 0;
  }

 private:
  char* AllocateBytes(size_t bytes) {
    bytes = bytes == 0 ? 8 : (bytes + 7) & ~size_t{7};
    if (capacity_ - position_ < bytes) AddBlock(bytes);
    char* memory = blocks_.back().get() + position_;
    position_ += bytes;
    used_ += bytes;
    return memory;
  }

  void AddBlock(size_t bytes) {
    capacity_ = first_block_bytes_ << (blocks_.size() < 10 ? blocks_.size() : 10);
    if (capacity_ < bytes) {
      // The first block has its fixed size: Reset() relies on it.
      if (blocks_.empty()) blocks_.push_back(std::make_unique<char[]>(first_block_bytes_));
      capacity_ = bytes;
    }
    blocks_.push_back(std::make_unique<char[]>(capacity_));
    position_ = 0;
  }

  const size_t first_block_bytes_;
  std::vector<std::unique_ptr<char[]>> blocks_;
  size_t capacity_ = 0;  // of the last block
  size_t position_ = 0;  // in the last block
  size_t used_ = 0;
};

}  // namespace attune::expression

#endif  // ATTUNE_LIB_EXPRESSION_ARENA_H_
