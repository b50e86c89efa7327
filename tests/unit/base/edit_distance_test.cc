#include <algorithm>
#include <numeric>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "gtest/gtest.h"
#include "lib/base/text.h"

namespace attune {
namespace {

// Levenshtein's distance by the book.
size_t Reference(std::string_view a, std::string_view b) {
  std::vector<std::vector<size_t>> d(a.size() + 1, std::vector<size_t>(b.size() + 1));
  for (size_t i = 0; i <= a.size(); ++i) {
    for (size_t j = 0; j <= b.size(); ++j) {
      if (i == 0 || j == 0) {
        d[i][j] = i + j;
      } else {
        d[i][j] = std::min(
            {d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      }
    }
  }
  return d[a.size()][b.size()];
}

TEST(EditDistanceTest, IsLevenshteinsUpToTheLimit) {
  std::mt19937_64 random(3);
  const auto text = [&] {
    std::string text(random() % 12, 'a');
    for (char& c : text) c = static_cast<char>('a' + random() % 3);
    return text;
  };
  for (int i = 0; i < 5'000; ++i) {
    const std::string a = text();
    const std::string b = text();
    const size_t limit = random() % 8;
    EXPECT_EQ(EditDistance(a, b, limit), std::min(Reference(a, b), limit + 1))
        << a << " " << b << " " << limit;
  }
}

struct ClosestCase {
  const char* name;
  std::string text;
  std::string expected;
};

TEST(EditDistanceTest, SuggestsOnlyWhatIsClose) {
  const std::vector<std::string> names = {"app", "ivr", "web", "contact_centre"};
  const ClosestCase cases[] = {
      {"one letter of a short name", "apq", "app"},
      {"two letters of a short name", "axx", ""},
      {"several letters of a long name", "contact_center", "contact_centre"},
      {"the first of equals", "aeb", "web"},
      {"nothing", "", ""},
      {"hostile length", std::string(100'000, 'a'), ""},
  };
  for (const ClosestCase& c : cases) EXPECT_EQ(ClosestName(c.text, names), c.expected) << c.name;
}

}  // namespace
}  // namespace attune
