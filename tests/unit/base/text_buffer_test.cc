#include "lib/base/text_buffer.h"

#include <algorithm>
#include <random>
#include <string>

#include "gtest/gtest.h"

namespace attune {
namespace {

TEST(TextBufferTest, AppendsWhatAStringWould) {
  std::mt19937_64 random(5);
  std::string text(20'000, ' ');
  for (char& c : text) c = static_cast<char>('a' + random() % 26);
  std::string expected = "before";
  std::string got = expected;
  {
    TextBuffer buffer(got);
    for (int i = 0; i < 3000; ++i) {
      const size_t size = random() % (i % 100 == 0 ? 9000 : 70);
      const std::string piece = text.substr(random() % 10'000, size);
      switch (random() % 6) {
        case 0:
          buffer.push_back('x');
          expected.push_back('x');
          break;
        case 1:
          buffer.resize(buffer.size() - buffer.size() / 8);
          expected.erase(expected.size() - expected.size() / 8);
          break;
        case 2: {
          const size_t at = random() % (expected.size() + 1);
          buffer.insert(at, size, '-');
          expected.insert(at, size, '-');
          break;
        }
        case 3: {
          const size_t at = random() % (expected.size() + 1);
          const size_t bytes = std::min<size_t>(size, expected.size() - at);
          buffer.erase(at, bytes);
          expected.erase(at, bytes);
          break;
        }
        default:
          buffer += piece;
          expected += piece;
      }
      ASSERT_EQ(buffer.size(), expected.size());
      ASSERT_EQ(buffer.From(0), expected);
    }
    buffer[0] = 'B';
    expected[0] = 'B';
  }
  EXPECT_EQ(got, expected);
}

TEST(TextBufferTest, CopiesPiecesOfEverySize) {
  const std::string text = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.,";
  for (size_t size = 0; size <= text.size(); ++size) {
    std::string got;
    {
      TextBuffer buffer(got);
      buffer += '<';
      buffer.append(text.data(), size);
      buffer += ">";
    }
    EXPECT_EQ(got, "<" + text.substr(0, size) + ">");
  }
}

TEST(TextBufferTest, LeavesTheStringAsItIsWhenNothingIsAppended) {
  std::string text = "as it is";
  { const TextBuffer buffer(text); }
  EXPECT_EQ(text, "as it is");
}

}  // namespace
}  // namespace attune
