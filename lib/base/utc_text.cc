#include "lib/base/utc_text.h"

#include <chrono>

#include "absl/time/time.h"

namespace attune {
namespace {

// The years of four digits.
constexpr int64_t kFirstMs = -30'610'224'000'000;  // 1000-01-01
constexpr int64_t kLastMs = 253'402'300'799'999;   // 9999-12-31

void PutTwo(unsigned number, char* at) {
  at[0] = static_cast<char>('0' + number / 10);
  at[1] = static_cast<char>('0' + number % 10);
}

}  // namespace

void AppendUtc(int64_t unix_ms, std::string& text) {
  if (unix_ms < kFirstMs || unix_ms > kLastMs) {
    text += absl::FormatTime("%Y-%m-%dT%H:%M:%E*SZ", absl::FromUnixMillis(unix_ms),
                             absl::UTCTimeZone());
    return;
  }
  using std::chrono::milliseconds;
  const std::chrono::sys_time<milliseconds> moment{milliseconds(unix_ms)};
  const auto day = std::chrono::floor<std::chrono::days>(moment);
  const std::chrono::year_month_day date(day);
  const auto of_day = static_cast<unsigned>((moment - day).count());
  const auto year = static_cast<unsigned>(static_cast<int>(date.year()));
  char buffer[] = "0000-00-00T00:00:00.000Z";
  PutTwo(year / 100, buffer);
  PutTwo(year % 100, buffer + 2);
  PutTwo(static_cast<unsigned>(date.month()), buffer + 5);
  PutTwo(static_cast<unsigned>(date.day()), buffer + 8);
  PutTwo(of_day / 3'600'000, buffer + 11);
  PutTwo(of_day / 60'000 % 60, buffer + 14);
  PutTwo(of_day / 1000 % 60, buffer + 17);
  const unsigned ms = of_day % 1000;
  buffer[20] = static_cast<char>('0' + ms / 100);
  PutTwo(ms % 100, buffer + 21);
  // Behind the last digit that says something, or behind the seconds.
  size_t size = 23;
  while (size > 20 && buffer[size - 1] == '0') --size;
  if (size == 20) size = 19;
  buffer[size] = 'Z';
  text.append(buffer, size + 1);
}

}  // namespace attune
