#include "service/ctl/progress.h"

#include <sstream>
#include <string>

#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "lib/base/clock.h"

namespace attune::ctl {
namespace {

struct FormatCase {
  const char* name;
  ProgressState state;
  const char* text;
};

TEST(FormatProgress, LeavesOutWhatIsNotKnown) {
  const FormatCase cases[] = {
      {"Start", {0, 0, {}, {}, absl::ZeroDuration()}, "0 rows"},
      {"TooEarlyForARate",
       {500, 1'000'000, 10'000'000, {}, absl::Milliseconds(50)},
       "500 rows  1.0 of 10.0 MB  10%"},
      {"File",
       {1'234'000, 312'400'000, 745'000'000, {}, absl::Seconds(12)},
       "1,234,000 rows  102,833 rows/s  312.4 of 745.0 MB  41%  17s left"},
      {"Pipe", {1000, 2'500'000, {}, {}, absl::Seconds(2)}, "1,000 rows  500 rows/s  2.5 MB"},
      {"BytesAlone", {0, 2'500'000, 5'000'000, {}, absl::ZeroDuration()}, "2.5 of 5.0 MB  50%"},
      {"KnownRows", {250, 0, {}, 1000, absl::Seconds(1)}, "250 rows  250 rows/s  25%  3s left"},
      {"RowsOfAFile",
       {250, 1'000'000, {}, 1000, absl::Seconds(1)},
       "250 rows  250 rows/s  1.0 MB  25%  3s left"},
      {"Minutes", {10, 0, {}, 1000, absl::Seconds(1)}, "10 rows  10 rows/s  1%  1m 39s left"},
      {"Hours", {1, 0, {}, 7261, absl::Seconds(1)}, "1 rows  1 rows/s  0%  2h 01m left"},
      {"Done", {1000, 0, {}, 1000, absl::Seconds(1)}, "1,000 rows  1,000 rows/s  100%  0s left"},
      {"FileThatGrew",
       {10, 20, 10, {}, absl::Seconds(1)},
       "10 rows  10 rows/s  0.0 of 0.0 MB  100%  0s left"},
  };
  for (const FormatCase& test : cases)
    EXPECT_EQ(FormatProgress(test.state), test.text) << test.name;
}

class ProgressLineTest : public ::testing::Test {
 protected:
  std::istringstream in_;
  std::ostringstream out_;
  std::ostringstream err_;
  ManualClock clock_{absl::FromUnixSeconds(1'000'000)};
};

TEST_F(ProgressLineTest, IsSilentWithoutATerminal) {
  const Console console{in_, out_, err_};
  {
    ProgressLine line(console, clock_);
    clock_.Advance(absl::Seconds(1));
    line.Show({});
  }
  EXPECT_EQ(err_.str(), "");
}

TEST_F(ProgressLineTest, IsWrittenOverAndWipedInTheEnd) {
  const Console console{in_, out_, err_, false, true};
  {
    ProgressLine line(console, clock_);
    ProgressState state;
    state.rows = 1000;
    line.Show(state);
    EXPECT_EQ(err_.str(), "") << "too early";
    clock_.Advance(absl::Seconds(1));
    line.Show(state);
    EXPECT_EQ(err_.str(), "\r1,000 rows  1,000 rows/s");
    clock_.Advance(absl::Milliseconds(100));
    line.Show(state);
    EXPECT_EQ(err_.str(), "\r1,000 rows  1,000 rows/s") << "too often";
    err_.str("");
    clock_.Advance(absl::Milliseconds(900));
    line.Show(state);
    EXPECT_EQ(err_.str(), "\r1,000 rows  500 rows/s  ") << "covers the longer line before";
    err_.str("");
  }
  EXPECT_EQ(err_.str(), "\r" + std::string(22, ' ') + "\r");
  EXPECT_EQ(out_.str(), "");
}

}  // namespace
}  // namespace attune::ctl
