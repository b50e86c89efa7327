#include "lib/decision/number_text.h"

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace attune::decision {
namespace {

std::string Printf(const char* format, double number) {
  char buffer[400];
  std::snprintf(buffer, sizeof buffer, format, number);
  return buffer;
}
void AppendTo(std::string& text, double number) {
  TextBuffer buffer(text);
  AppendFourDigits(number, buffer);
}
std::string PrintfAmount(double amount) {
  const double size = std::fabs(amount);
  return Printf(size >= 0.01 && size < 1e6 ? "%+.2f" : "%+.2g", amount);
}

// Where a shorter way to print might go wrong: at bounds, at ties, beside them.
std::vector<double> Edges() {
  std::vector<double> edges = {0.0,
                               -0.0,
                               1,
                               9999,
                               9999.5,
                               10'000,
                               123'456,
                               1e6,
                               1e22,
                               5e-324,
                               std::numeric_limits<double>::max()};
  for (int exponent = -8; exponent <= 8; ++exponent) {
    for (const double digits : {1.0, 9.9994, 9.9995, 9.99949, 9.9996, 1.0005, 1.2345, 2.5, 0.125}) {
      edges.push_back(digits * std::pow(10.0, exponent));
    }
  }
  for (int i = 0; i < 4000; ++i) edges.push_back(i / 32.0);    // ties, exactly
  for (int i = 0; i < 4000; ++i) edges.push_back(i / 2000.0);  // ties, nearly
  std::vector<double> all;
  for (const double edge : edges) {
    for (const double sign : {1.0, -1.0}) {
      all.push_back(sign * edge);
      all.push_back(sign * std::nextafter(edge, 1e300));
      all.push_back(sign * std::nextafter(edge, -1e300));
    }
  }
  return all;
}

TEST(NumberTextTest, IsWhatPrintfPrints) {
  for (const double number : Edges()) {
    ASSERT_EQ(FourDigits(number), Printf("%.4g", number)) << Printf("%.17g", number);
    std::string text = "at ";
    AppendTo(text, number);
    ASSERT_EQ(text, "at " + Printf("%.4g", number));
    ASSERT_EQ(Amount(number), PrintfAmount(number)) << Printf("%.17g", number);
  }
}

TEST(NumberTextTest, IsWhatPrintfPrintsOfRandomNumbers) {
  std::mt19937_64 random(7);
  std::uniform_real_distribution<double> exponent(-6, 8);
  std::uniform_real_distribution<double> digits(-10, 10);
  for (int i = 0; i < 100'000; ++i) {
    const double number = digits(random) * std::pow(10.0, exponent(random));
    ASSERT_EQ(FourDigits(number), Printf("%.4g", number)) << Printf("%.17g", number);
    ASSERT_EQ(Amount(number), PrintfAmount(number)) << Printf("%.17g", number);
    const auto any = std::bit_cast<double>(uint64_t{random()});
    if (std::isfinite(any)) {
      ASSERT_EQ(FourDigits(any), Printf("%.4g", any)) << Printf("%.17g", any);
    }
  }
}

TEST(NumberTextTest, ShowsWhatNoNumberIs) {
  EXPECT_EQ(FourDigits(std::numeric_limits<double>::infinity()), "inf");
  EXPECT_EQ(FourDigits(-std::numeric_limits<double>::infinity()), "-inf");
  EXPECT_EQ(FourDigits(std::nan("")), "nan");
}

}  // namespace
}  // namespace attune::decision
