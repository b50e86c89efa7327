// The time of a request against the clock of the server, and replays.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/integration/server_fixture.h"

namespace attune::service {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

v1::DecideRequest DecideAt(absl::Time time) {
  v1::DecideRequest request = DecideFor("ann", "app");
  *request.mutable_time() = ToProtoTime(time);
  return request;
}

class ServerTimeTest : public ServerTest {};

TEST_F(ServerTimeTest, ARequestMayBeFromTheClockByTheAllowedSkew) {
  Start();
  const absl::Duration skew = absl::Minutes(5);
  const absl::Duration tick = absl::Microseconds(1);
  const struct {
    const char* name;
    absl::Duration offset;
    bool allowed;
  } cases[] = {
      {"now", absl::ZeroDuration(), true}, {"late by the skew", -skew, true},
      {"later", -skew - tick, false},      {"early by the skew", skew, true},
      {"earlier", skew + tick, false},     {"a day off", absl::Hours(24), false},
  };
  for (const auto& c : cases) {
    const auto answer = client().Decide(DecideAt(Noon() + c.offset));
    if (c.allowed) {
      EXPECT_TRUE(answer.ok()) << c.name << ": " << answer.status.error_message();
      EXPECT_EQ(FromProtoTime(answer.response.time()), Noon() + c.offset) << c.name;
      continue;
    }
    EXPECT_EQ(answer.code(), grpc::StatusCode::INVALID_ARGUMENT) << c.name;
    EXPECT_THAT(FieldsOf(answer.status), ElementsAre("time")) << c.name;
    EXPECT_THAT(answer.status.error_message(),
                HasSubstr("further than 5m from the server's clock, which reads "
                          "2026-03-01T12:00:00"))
        << c.name;
  }
}

TEST_F(ServerTimeTest, TheSkewIsAnOption) {
  options_.max_clock_skew = absl::Seconds(1);
  Start();
  EXPECT_TRUE(client().Decide(DecideAt(Noon() + absl::Seconds(1))).ok());
  EXPECT_EQ(client().Decide(DecideAt(Noon() + absl::Milliseconds(1001))).code(),
            grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(ServerTimeTest, WithoutATimeTheClockOfTheServerCounts) {
  Start();
  clock_.Advance(absl::Hours(3));
  EXPECT_EQ(FromProtoTime(Decide("ann", "app").time()), Noon() + absl::Hours(3));
}

TEST_F(ServerTimeTest, AReplayIsDrivenByTheTimesOfItsRequests) {
  options_.replay_clock = true;
  Start();
  EXPECT_EQ(FieldsOf(client().Decide(DecideFor("ann", "app")).status),
            std::vector<std::string>{"time"})
      << "nobody has said yet what time it is";
  const absl::Time past = Noon() - absl::Hours(24 * 365 * 20);
  EXPECT_EQ(FromProtoTime(Decide(DecideAt(past)).time()), past);
  EXPECT_EQ(FromProtoTime(Decide("ann", "app").time()), past)
      << "the clock stands where it was put";
  EXPECT_EQ(FromProtoTime(Decide(DecideAt(Noon())).time()), Noon());
  EXPECT_EQ(FromProtoTime(Decide(DecideAt(past)).time()), past)
      << "a late request is decided for its own time";
  EXPECT_EQ(FromProtoTime(Decide("ann", "app").time()), Noon()) << "the clock never goes back";
  Upsert("ann", {{"plan", String("premium")}});
  EXPECT_EQ(FromProtoTime(Get("ann").update_time()), Noon()) << "writes have the clock's time too";
}

TEST_F(ServerTimeTest, AReplayHasTheDatesOfTreatmentsInItsOwnTime) {
  options_.replay_clock = true;
  Start();
  const auto before = Decide(DecideAt(Noon() - absl::Hours(24 * 30)));
  EXPECT_THAT(Ranking(before), ElementsAre("accessory", "fast_callback"));
  const auto in_march = Decide(DecideAt(Noon()));
  EXPECT_THAT(Ranking(in_march), ElementsAre("spring_sale", "accessory"));
}

TEST_F(ServerTimeTest, AReplayRefusesTimesThatNobodyLivesIn) {
  options_.replay_clock = true;
  Start();
  Decide(DecideAt(Noon()));
  for (const int64_t seconds : {int64_t{-1}, int64_t{7'258'118'401}, int64_t{253'402'300'799}}) {
    const auto answer = client().Decide(DecideAt(absl::FromUnixSeconds(seconds)));
    EXPECT_EQ(answer.code(), grpc::StatusCode::INVALID_ARGUMENT) << seconds;
    EXPECT_THAT(FieldsOf(answer.status), ElementsAre("time")) << seconds;
  }
  EXPECT_EQ(FromProtoTime(Decide("ann", "app").time()), Noon()) << "they don't move the clock";
}

}  // namespace
}  // namespace attune::service
