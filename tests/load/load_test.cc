#include <algorithm>
#include <atomic>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "attune/v1/decision_service.pb.h"
#include "gtest/gtest.h"
#include "tests/load/echo_service.h"
#include "tests/load/latency_histogram.h"
#include "tests/load/load_client.h"
#include "tests/load/request_mix.h"
#include "tests/load/stream_codec.h"

namespace attune::load {
namespace {

namespace pb = attune::v1;
using std::chrono::milliseconds;

TEST(LatencyHistogramTest, PercentilesAreOffByLessThanTwoPercent) {
  LatencyHistogram histogram;
  std::vector<int64_t> nanos;
  uint64_t state = 7;
  for (int i = 0; i < 100'000; ++i) {
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    nanos.push_back(static_cast<int64_t>((state >> 33) % 1'000'000) * static_cast<int64_t>(i % 97));
    histogram.Add(nanos.back());
  }
  std::sort(nanos.begin(), nanos.end());
  for (const double fraction : {0.1, 0.5, 0.9, 0.99, 0.999}) {
    const auto index = static_cast<size_t>(fraction * static_cast<double>(nanos.size())) - 1;
    const double exact = static_cast<double>(nanos[index]) / 1e3;
    EXPECT_NEAR(histogram.PercentileMicros(fraction), exact, exact * 0.02) << fraction;
  }
  EXPECT_EQ(histogram.MaxMicros(), static_cast<double>(nanos.back()) / 1e3);
  EXPECT_EQ(histogram.PercentileMicros(1), histogram.MaxMicros());
  EXPECT_EQ(LatencyHistogram().PercentileMicros(0.5), 0);
}

TEST(ScheduleTest, AClosedLoopIsDueNow) {
  LoadOptions options;
  options.warmup_seconds = 1;
  options.seconds = 2;
  options.max_decisions = 3;
  const Schedule::Clock::time_point start{};
  Schedule schedule(options, start);
  EXPECT_EQ(schedule.Due(start + milliseconds(17)), start + milliseconds(17));
  EXPECT_FALSE(schedule.Measures(start + milliseconds(999)));
  EXPECT_TRUE(schedule.Measures(start + milliseconds(1000)));
  EXPECT_FALSE(schedule.Measures(start + milliseconds(3000)));
  EXPECT_EQ(schedule.Due(start + milliseconds(3000)), std::nullopt) << "the time is over";
  for (int i = 0; i < 3; ++i) schedule.Start();
  EXPECT_EQ(schedule.Due(start), std::nullopt) << "there were enough";
}

TEST(ScheduleTest, AnOpenLoopIsDueAtItsRateWhateverTheServerDoes) {
  LoadOptions options;
  options.warmup_seconds = 0;
  options.seconds = 1;
  options.rate = 100;
  const Schedule::Clock::time_point start{};
  Schedule schedule(options, start);
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(schedule.Due(start + milliseconds(500)), start + milliseconds(10 * i));
    schedule.Start();
  }
  EXPECT_EQ(schedule.Due(start), std::nullopt);
}

TEST(RequestMixTest, DrawsTheSameRequestsEveryTime) {
  RequestMixOptions options;
  options.count = 100;
  options.customers = 5;
  options.channels = {"web", "ivr"};
  options.attributes = {"wait_s=2.5", "page=plans"};
  const auto requests = MakeRequests(options);
  ASSERT_EQ(requests->size(), 100u);
  EXPECT_EQ(MakeRequests(options), requests);
  for (const std::string& bytes : *requests) {
    pb::DecideRequest request;
    ASSERT_TRUE(request.ParseFromString(bytes));
    EXPECT_GE(request.customer_id(), "C0000001");
    EXPECT_LE(request.customer_id(), "C0000005");
    EXPECT_EQ(request.attributes().at("wait_s").double_value(), 2.5);
    EXPECT_EQ(request.attributes().at("page").string_value(), "plans");
    EXPECT_EQ(request.intent(), "");
  }
  options.attributes = {"wait_s"};
  EXPECT_EQ(MakeRequests(options), std::nullopt);
}

TEST(StreamCodecTest, SpeaksProtocolBuffers) {
  const grpc::ByteBuffer bytes = EncodeStreamRequest(0xABC, "\x0A\x01x");
  grpc::Slice slice;
  ASSERT_TRUE(bytes.DumpToSingleSlice(&slice).ok());
  pb::DecideStreamRequest request;
  ASSERT_TRUE(request.ParseFromArray(slice.begin(), static_cast<int>(slice.size())));
  EXPECT_EQ(request.correlation_id(), "00000abc");
  EXPECT_EQ(request.decide().customer_id(), "x");

  const auto decode = [](const pb::DecideStreamResponse& response) {
    const grpc::Slice encoded(response.SerializeAsString());
    return DecodeStreamAnswer(grpc::ByteBuffer(&encoded, 1));
  };
  pb::DecideStreamResponse response;
  EXPECT_FALSE(decode(response)) << "no id";
  response.set_correlation_id("00000abc");
  response.mutable_decide()->set_decision_id("d");
  ASSERT_TRUE(decode(response));
  EXPECT_EQ(decode(response)->slot, 0xABCu);
  EXPECT_FALSE(decode(response)->has_error);
  response.mutable_error()->set_code(3);
  EXPECT_TRUE(decode(response)->has_error);
  response.set_correlation_id("another!");
  EXPECT_FALSE(decode(response));

  std::string appended;
  AppendStreamResponse("00000abc", "\x0A\x01y", appended);
  ASSERT_TRUE(response.ParseFromString(appended));
  EXPECT_EQ(response.decide().decision_id(), "y");
}

class LoadTest : public ::testing::Test {
 protected:
  LoadTest() {
    answer_.set_decision_id("0123456789abcdef0123456789abcdef");
    RequestMixOptions mix;
    mix.count = 100;
    requests_ = *MakeRequests(mix);
    options_.warmup_seconds = 0.05;
    options_.seconds = 0.3;
    options_.concurrency = 8;
  }
  void Serve(rpc::RpcServer& server) {
    const absl::StatusOr<int> port = server.Start();
    ASSERT_TRUE(port.ok()) << port.status();
    options_.server = absl::StrCat("127.0.0.1:", *port);
  }

  pb::DecideResponse answer_;
  std::vector<std::string> requests_;
  LoadOptions options_;
};

TEST_F(LoadTest, MeasuresCallsAndStreamsInBothLoops) {
  rpc::RpcServer server({});
  AddEcho(answer_, server);
  Serve(server);
  for (const double rate : {0.0, 500.0}) {
    for (const int streams : {0, 1, 3, 8}) {
      options_.rate = rate;
      options_.streams = streams;
      const LoadResult result = RunLoad(options_, requests_);
      EXPECT_EQ(result.errors, 0u) << result.first_error;
      EXPECT_GT(result.latency.count(), 0u);
      EXPECT_GE(result.answered, result.latency.count());
      if (rate > 0) {
        EXPECT_LE(result.answered, 175u) << "500 per second for 0.35 s";
      }
      if (streams == 0) {
        EXPECT_EQ(result.last_answer, answer_.SerializeAsString());
      }
    }
  }
}

TEST_F(LoadTest, StopsAfterAsManyDecisionsAsAllowed) {
  rpc::RpcServer server({});
  AddEcho(answer_, server);
  Serve(server);
  for (const int streams : {0, 2}) {
    options_.streams = streams;
    options_.max_decisions = 20;
    EXPECT_EQ(RunLoad(options_, requests_).answered, 20u);
  }
}

// The server stands still once for a tenth of the measured time. With a closed
// loop of one, that is one slow call among thousands; who had to wait for it in
// an open loop is a tenth of all.
TEST_F(LoadTest, AnOpenLoopDoesNotHideAStall) {
  constexpr milliseconds kStall(200);
  std::atomic<bool> stall = false;
  rpc::RpcServer server({});
  server.AddUnary<pb::DecideRequest, pb::DecideResponse>(
      "/attune.v1.DecisionService/Decide",
      [&](rpc::CallContext&, const pb::DecideRequest&, rpc::ReplyOf<pb::DecideResponse>) {
        if (stall.exchange(false)) std::this_thread::sleep_for(kStall);
        return rpc::RpcStatus();
      });
  Serve(server);
  options_.warmup_seconds = 0;
  options_.seconds = 2;
  options_.rate = 500;
  options_.concurrency = 1;
  stall = true;
  const LoadResult open = RunLoad(options_, requests_);
  EXPECT_GT(open.latency.PercentileMicros(0.96), 50'000)
      << "5 % waited longer than a quarter of it";
}

TEST_F(LoadTest, CountsErrorsAndEndsInTime) {
  rpc::RpcServer server({});  // knows neither method
  Serve(server);
  for (const int streams : {0, 2}) {
    options_.streams = streams;
    options_.max_decisions = 50;
    const LoadResult result = RunLoad(options_, requests_);
    EXPECT_EQ(result.answered, 0u);
    EXPECT_GT(result.errors, 0u);
    EXPECT_NE(result.first_error.find("code 12"), std::string::npos) << result.first_error;
  }
}

TEST_F(LoadTest, GivesUpOnAServerThatDoesNotAnswer) {
  std::atomic<bool> release = false;
  rpc::RpcServer server({});
  server.AddBlockingUnary<pb::DecideRequest, pb::DecideResponse>(
      "/attune.v1.DecisionService/Decide",
      [&](rpc::CallContext& context, const pb::DecideRequest&, rpc::ReplyOf<pb::DecideResponse>) {
        while (!release && !context.cancelled()) std::this_thread::sleep_for(milliseconds(1));
        return rpc::RpcStatus();
      });
  Serve(server);
  options_.grace_seconds = 0.1;
  const LoadResult result = RunLoad(options_, requests_);
  EXPECT_EQ(result.answered, 0u);
  EXPECT_EQ(result.errors, 8u);
  EXPECT_NE(result.first_error.find("code 1:"), std::string::npos) << result.first_error;
  release = true;
}

}  // namespace
}  // namespace attune::load
