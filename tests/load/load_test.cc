#include <algorithm>
#include <atomic>
#include <string>
#include <thread>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "attune/v1/decision_service.pb.h"
#include "attune/v1/outcome_service.pb.h"
#include "gtest/gtest.h"
#include "tests/load/bare_rocksdb.h"
#include "tests/load/echo_service.h"
#include "tests/load/latency_histogram.h"
#include "tests/load/load_client.h"
#include "tests/load/outcome_load.h"
#include "tests/load/outcome_mix.h"
#include "tests/load/request_mix.h"
#include "tests/load/series.h"
#include "tests/load/stream_codec.h"
#include "tests/testing/temp_dir.h"

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

TEST(LatencyHistogramTest, AddsAnotherOne) {
  LatencyHistogram sum, other;
  sum.Add(1000);
  other.Add(9000);
  other.Add(9000);
  sum.Add(other);
  EXPECT_EQ(sum.count(), 3u);
  EXPECT_NEAR(sum.PercentileMicros(0.3), 1, 0.02);
  EXPECT_NEAR(sum.PercentileMicros(0.5), 9, 0.2);
  EXPECT_EQ(sum.MaxMicros(), 9);
}

TEST(SeriesTest, RatiosAreThoseOfNeighbours) {
  const auto round = [](double qps) {
    LoadResult result;
    result.qps = qps;
    result.answered = 1;
    return result;
  };
  Series a, b;
  for (const double qps : {100.0, 50.0, 30.0}) a.Add(round(qps));
  for (const double qps : {200.0, 50.0, 10.0}) b.Add(round(qps));
  EXPECT_EQ(a.MedianOf(kQps), 50);
  EXPECT_EQ(MedianRatio(a, b, kQps), 1) << "of 0.5, 1 and 3";
  EXPECT_EQ(MedianRatio(a, b, kP99), 0) << "nothing was measured";
  EXPECT_EQ(a.answered, 3u);
}

TEST(OutcomeMixTest, ReportsOfEachDecisionInTurnWithIdsOfTheirOwn) {
  OutcomeMix mix({"aa", "bb"}, "accepted");
  absl::flat_hash_set<std::string> ids;
  for (int i = 0; i < 6; ++i) {
    pb::OutcomeServiceRecordOutcomeRequest request;
    ASSERT_TRUE(request.ParseFromString(mix.Next()));
    EXPECT_EQ(request.decision_id(), i % 2 == 0 ? "aa" : "bb");
    EXPECT_EQ(request.outcome(), "accepted");
    EXPECT_EQ(request.source(), pb::OUTCOME_SOURCE_CUSTOMER);
    EXPECT_TRUE(ids.insert(request.request_id()).second) << request.request_id();
  }
}

TEST(OutcomeMixTest, EverythingButRecordedIsAProblem) {
  pb::OutcomeServiceRecordOutcomeResponse response;
  response.set_status(pb::OUTCOME_STATUS_RECORDED);
  EXPECT_EQ(OutcomeProblem(response.SerializeAsString()), "");
  response.set_status(pb::OUTCOME_STATUS_UNKNOWN_DECISION);
  EXPECT_EQ(OutcomeProblem(response.SerializeAsString()), "status OUTCOME_STATUS_UNKNOWN_DECISION");
  EXPECT_NE(OutcomeProblem("\xFF"), "");
}

TEST(BareRocksDbTest, WritesDurablyFromManyThreads) {
  const testing::TempDir dir;
  BareRocksDbOptions options;
  options.folder = dir.path() + "/bare";
  options.threads = 4;
  auto bare = BareRocksDb::Open(options);
  ASSERT_TRUE(bare.ok()) << bare.status();
  LoadOptions load;
  load.warmup_seconds = 0.05;
  load.seconds = 0.2;
  for (int round = 0; round < 2; ++round) {
    const LoadResult result = (*bare)->Run(load);
    EXPECT_EQ(result.errors, 0u) << result.first_error;
    EXPECT_GT(result.latency.count(), 0u);
    EXPECT_GE(result.answered, result.latency.count());
    EXPECT_EQ(result.qps, static_cast<double>(result.latency.count()) / 0.2);
  }
  EXPECT_FALSE(BareRocksDb::Open(options).ok()) << "the folder is taken";
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

// A server that decides, and takes outcomes unless it is told not to.
class OutcomeLoadTest : public LoadTest {
 protected:
  OutcomeLoadTest() {
    outcome_options_.decisions = 40;
    outcome_options_.connections = 4;
    answer_.add_treatments()->set_treatment_id("fiber");
    AddEcho(answer_, server_);
    server_
        .AddUnary<pb::OutcomeServiceRecordOutcomeRequest, pb::OutcomeServiceRecordOutcomeResponse>(
            kRecordOutcome, [this](rpc::CallContext&, const auto& request, auto reply) {
              const bool known = request.decision_id() == answer_.decision_id();
              reply.message().set_status(known ? status_.load()
                                               : pb::OUTCOME_STATUS_UNKNOWN_DECISION);
              return rpc::RpcStatus();
            });
  }

  std::atomic<pb::OutcomeStatus> status_ = pb::OUTCOME_STATUS_RECORDED;
  OutcomeLoadOptions outcome_options_;
  rpc::RpcServer server_{rpc::RpcServerOptions()};
};

TEST_F(OutcomeLoadTest, ReportsOutcomesOfTheDecisionsThatItAskedFor) {
  Serve(server_);
  const auto figures = MeasureOutcomes(options_, outcome_options_, 2, requests_);
  ASSERT_TRUE(figures.ok()) << figures.status();
  EXPECT_EQ(figures->outcomes.rounds.size(), 2u);
  EXPECT_GT(figures->outcomes.answered, 0u);
  EXPECT_EQ(figures->outcomes.errors, 0u) << figures->outcomes.first_error;
  EXPECT_TRUE(figures->bare.rounds.empty());
}

TEST_F(OutcomeLoadTest, ReportsAtARate) {
  Serve(server_);
  outcome_options_.rate = 200;
  const auto figures = MeasureOutcomes(options_, outcome_options_, 1, requests_);
  ASSERT_TRUE(figures.ok()) << figures.status();
  EXPECT_LE(figures->outcomes.answered, 70u) << "200 per second for 0.35 s";
}

TEST_F(OutcomeLoadTest, WhatIsNotRecordedIsAnError) {
  Serve(server_);
  status_ = pb::OUTCOME_STATUS_LATE;
  const auto figures = MeasureOutcomes(options_, outcome_options_, 1, requests_);
  ASSERT_TRUE(figures.ok()) << figures.status();
  EXPECT_EQ(figures->outcomes.answered, 0u);
  EXPECT_EQ(figures->outcomes.first_error, "status OUTCOME_STATUS_LATE");
}

TEST_F(OutcomeLoadTest, AJournalThatDoesNotGrowIsNotTheServers) {
  Serve(server_);
  const testing::TempDir dir;
  outcome_options_.bare_rocksdb = dir.path() + "/bare";
  outcome_options_.journal = dir.path();
  EXPECT_FALSE(MeasureOutcomes(options_, outcome_options_, 1, requests_).ok());
  outcome_options_.journal = dir.path() + "/nowhere";
  EXPECT_FALSE(MeasureOutcomes(options_, outcome_options_, 1, requests_).ok());
}

TEST_F(OutcomeLoadTest, DecisionsThatRankNothingHaveNoOutcomes) {
  answer_.clear_treatments();
  rpc::RpcServer server({});
  AddEcho(answer_, server);
  Serve(server);
  EXPECT_FALSE(MeasureOutcomes(options_, outcome_options_, 1, requests_).ok());
}

TEST_F(OutcomeLoadTest, ComparesDecisionsWithAndWithoutOutcomes) {
  Serve(server_);
  const auto figures = MeasureLearning(options_, outcome_options_, 2, requests_);
  ASSERT_TRUE(figures.ok()) << figures.status();
  for (const Series* series : {&figures->quiet, &figures->learning, &figures->outcomes}) {
    EXPECT_EQ(series->rounds.size(), 2u);
    EXPECT_GT(series->answered, 0u);
    EXPECT_EQ(series->errors, 0u) << series->first_error;
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
