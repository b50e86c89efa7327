#ifndef ATTUNE_TESTS_TESTING_MUTATIONS_H_
#define ATTUNE_TESTS_TESTING_MUTATIONS_H_

#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <string_view>

#include "tests/testing/effort.h"

namespace attune::testing {

// Calls `visit(const std::string&)` with every prefix of the bytes, with every single bit flipped,
// and with `random` copies in which several bytes were changed, removed or inserted. Each copy
// fills its memory exactly, so that AddressSanitizer sees a read past the end. Where the code is
// not optimised every kStride-th of these does.
template <typename Visitor>
void ForEachMutation(std::string_view bytes, int random, Visitor visit) {
  constexpr size_t kStride = kOptimized ? 1 : 3;  // odd, so that every bit of some byte is flipped
  for (size_t bit = 0; bit < bytes.size() * 8; bit += kStride) {
    std::string mutated(bytes);
    mutated[bit / 8] = static_cast<char>(mutated[bit / 8] ^ (1 << (bit % 8)));
    visit(mutated);
  }
  for (size_t size = 0; size < bytes.size(); size += kStride) {
    visit(std::string(bytes.substr(0, size)));
  }
  std::mt19937_64 generator(20261121);
  const auto below = [&](size_t limit) { return static_cast<size_t>(generator() % limit); };
  for (int i = 0; i < random / static_cast<int>(kStride); ++i) {
    std::string mutated(bytes);
    for (size_t changes = 1 + below(4); changes > 0 && !mutated.empty(); --changes) {
      const size_t at = below(mutated.size());
      switch (below(4)) {
        case 0:
          mutated[at] = static_cast<char>(generator());
          break;
        case 1:
          // What varints don't like.
          mutated[at] = static_cast<char>(0xFF);
          break;
        case 2:
          mutated.erase(at, 1 + below(8));
          break;
        default:
          mutated.insert(at, 1 + below(12), static_cast<char>(generator()));
      }
    }
    visit(std::string(mutated.data(), mutated.size()));
  }
}

}  // namespace attune::testing

#endif  // ATTUNE_TESTS_TESTING_MUTATIONS_H_
