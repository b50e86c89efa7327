// What attuned makes of its command line.

#include "service/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

namespace attune::service {
namespace {

using ::testing::HasSubstr;

// The exit status; nullopt when the process goes on. What was written to stderr goes to `errors`.
std::optional<int> Parse(std::vector<std::string> arguments, Options& options,
                         std::string& errors) {
  arguments.insert(arguments.begin(), {"attuned", "--strategy", "s.yaml", "--data_dir", "d"});
  std::vector<char*> argv;
  argv.reserve(arguments.size());
  for (std::string& argument : arguments) argv.push_back(argument.data());
  ::testing::internal::CaptureStderr();
  const std::optional<int> status =
      ParseOptions(static_cast<int>(argv.size()), argv.data(), options);
  errors = ::testing::internal::GetCapturedStderr();
  return status;
}

TEST(OptionsTest, TakesWhatIsRight) {
  Options options;
  std::string errors;
  EXPECT_EQ(Parse({"--listen", "[::1]:7070", "--metrics_listen", "", "--seed", "7",
                   "--max_clock_skew", "90s", "--learner_save_period", "50ms", "--stored",
                   "a=a.json", "--stored", "b=b=c.txt", "--learner_max_waiting", "2000"},
                  options, errors),
            std::nullopt)
      << errors;
  EXPECT_EQ(options.listen, "[::1]:7070");
  EXPECT_EQ(options.metrics_listen, "");
  EXPECT_EQ(options.seed, 7u);
  EXPECT_EQ(options.max_clock_skew, absl::Seconds(90));
  EXPECT_EQ(options.learner_save_period, absl::Milliseconds(50));
  EXPECT_EQ(options.learner_max_waiting, 2000u);
  ASSERT_EQ(options.stored.size(), 2u);
  EXPECT_EQ(options.stored[0].name, "a");
  EXPECT_EQ(options.stored[0].path, "a.json");
  EXPECT_EQ(options.stored[1].name, "b");
  EXPECT_EQ(options.stored[1].path, "b=c.txt");
}

struct WrongFlag {
  std::string flag;
  std::string value;
  std::string complaint;
};

TEST(OptionsTest, RefusesWhatIsWrongAndSaysWhatWouldBeRight) {
  const WrongFlag cases[] = {
      {"--listen", "nonsense", "must be HOST:PORT"},
      {"--listen", "127.0.0.1:99999", "a port from 0 to 65535"},
      {"--listen", ":7070", "must be HOST:PORT"},
      {"--listen", "", "must be HOST:PORT"},
      {"--metrics_listen", "localhost:-1", "a port from 0 to 65535"},
      {"--metrics_listen", "9464", "for example 127.0.0.1:7070"},
      {"--metrics_listen", "[::1]:9464", "must be an IPv4 address and a port"},
      {"--health_check", "localhost", "must be HOST:PORT"},
      {"--seed", "-1", "--seed"},
      {"--seed", "many", "--seed"},
      {"--max_clock_skew", "5", "must be a duration"},
      {"--max_clock_skew", "-5s", "must be a duration"},
      {"--learner_save_period", "soon", "must be a duration"},
      {"--learner_save_period", "61m", "must be at most 1h"},
      {"--learner_save_period", "inf", "must be at most 1h"},
      {"--cache_mb", "1", "--cache_mb"},
      {"--log_level", "loud", "--log_level"},
      {"--stored", "churn.json", "must be NAME=FILE, for example churn=churn.json"},
      {"--stored", "Churn=churn.json", "must be NAME=FILE"},
      {"--no_such_flag", "1", "--no_such_flag"},
  };
  for (const WrongFlag& c : cases) {
    Options options;
    std::string errors;
    EXPECT_EQ(Parse({c.flag, c.value}, options, errors), 2) << c.flag << " " << c.value;
    EXPECT_THAT(errors, HasSubstr(c.complaint)) << c.flag << " " << c.value;
  }
}

}  // namespace
}  // namespace attune::service
