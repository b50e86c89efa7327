#include "lib/decision/number_text.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace attune::decision {
namespace {

// A number times a power of ten, rounded, as a whole number. False when the rounding error of the
// product could decide which one it is. REQUIRES: `number` is not negative, the result below 10^9.
bool RoundExactly(double number, double power_of_ten, uint32_t* rounded) {
  // What the product is off by is far less.
  constexpr double kMargin = 1e-5;
  const double product = number * power_of_ten;
  const auto whole = static_cast<int32_t>(product);
  const double rest = product - whole;
  if (std::fabs(rest - 0.5) < kMargin) return false;
  *rounded = static_cast<uint32_t>(whole) + (rest > 0.5 ? 1 : 0);
  return true;
}

// Writes the digits of a whole number with a point before the last `places` ones, from the back;
// returns where they begin.
char* WriteDigits(uint32_t number, size_t places, char* end) {
  for (; places > 0; --places) {
    *--end = static_cast<char>('0' + number % 10);
    number /= 10;
    if (places == 1) *--end = '.';
  }
  do {
    *--end = static_cast<char>('0' + number % 10);
    number /= 10;
  } while (number > 0);
  return end;
}

template <typename... Format>
std::string Print(double number, Format... format) {
  std::array<char, 400> buffer;  // the largest double has 309 digits
  const auto printed =
      std::to_chars(buffer.data(), buffer.data() + buffer.size(), number, format...);
  return {buffer.data(), printed.ptr};
}

// Calls `use` with the text of FourDigits.
template <typename Use>
auto WithFourDigits(double number, Use use) {
  const double size = std::fabs(number);
  if (size == 0) return use(std::signbit(number) ? "-0" : "0");
  // So many places behind the point make four digits of what is below the bound.
  constexpr std::array<double, 8> kPowers = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7};
  constexpr std::array<double, 7> kBounds = {1e3, 1e2, 1e1, 1e0, 1e-1, 1e-2, 1e-3};
  size_t places = 0;
  for (const double bound : kBounds) places += size < bound ? 1 : 0;
  const bool is_plain = size >= 1e-4 && size < 9999;
  uint32_t digits = 0;
  if (!is_plain || !RoundExactly(size, kPowers[places], &digits)) {
    return use(std::string_view(Print(number, std::chars_format::general, 4)));
  }
  std::array<char, 16> buffer;
  char* const end = buffer.data() + buffer.size();
  char* begin = WriteDigits(digits, places, end);
  if (number < 0) *--begin = '-';
  const char* shown = end;
  if (places > 0) {
    while (shown[-1] == '0') --shown;
    if (shown[-1] == '.') --shown;
  }
  return use(std::string_view(begin, static_cast<size_t>(shown - begin)));
}

}  // namespace

std::string FourDigits(double number) {
  return WithFourDigits(number, [](std::string_view text) { return std::string(text); });
}

void AppendFourDigits(double number, TextBuffer& text) {
  WithFourDigits(number, [&](std::string_view digits) { text += digits; });
}

std::string Amount(double amount) {
  const double size = std::fabs(amount);
  const char sign = std::signbit(amount) ? '-' : '+';
  if (size < 0.01 || !(size < 1e6)) return sign + Print(size, std::chars_format::general, 2);
  uint32_t hundredths = 0;
  if (!RoundExactly(size, 100, &hundredths)) {
    return sign + Print(size, std::chars_format::fixed, 2);
  }
  std::array<char, 16> buffer;
  char* const end = buffer.data() + buffer.size();
  char* begin = WriteDigits(hundredths, 2, end);
  *--begin = sign;
  return {begin, end};
}

}  // namespace attune::decision
