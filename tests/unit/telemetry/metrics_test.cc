#include "lib/telemetry/metrics.h"

#include <limits>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "prometheus/text_serializer.h"

namespace attune::telemetry {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string Scrape(const Registry& registry) {
  return prometheus::TextSerializer().Serialize(registry.Collect());
}

TEST(HistogramTest, BoundsAre125PerDecadeFromAMicrosecondToTenSeconds) {
  const std::vector<int64_t>& bounds = Histogram::Bounds();
  EXPECT_EQ(bounds.size(), 22u);
  EXPECT_EQ(bounds.front(), 1'000);
  EXPECT_EQ(bounds[1], 2'000);
  EXPECT_EQ(bounds[2], 5'000);
  EXPECT_EQ(bounds[3], 10'000);
  EXPECT_EQ(bounds.back(), 10'000'000'000);
  EXPECT_TRUE(std::is_sorted(bounds.begin(), bounds.end()));
}

TEST(HistogramTest, BucketsAreCumulativeAndIncludeTheirBound) {
  Histogram histogram;
  histogram.ObserveNanos(0);
  histogram.ObserveNanos(1'000);
  histogram.ObserveNanos(1'001);
  histogram.ObserveNanos(2'000);
  histogram.ObserveNanos(10'000'000'001);
  const prometheus::ClientMetric::Histogram collected = histogram.Collect().histogram;
  ASSERT_EQ(collected.bucket.size(), Histogram::Bounds().size());
  EXPECT_EQ(collected.bucket[0].upper_bound, 1e-6);
  EXPECT_EQ(collected.bucket[0].cumulative_count, 2u);
  EXPECT_EQ(collected.bucket[1].cumulative_count, 4u);
  EXPECT_EQ(collected.bucket[2].cumulative_count, 4u);
  EXPECT_EQ(collected.bucket.back().upper_bound, 10.0);
  EXPECT_EQ(collected.bucket.back().cumulative_count, 4u);
  EXPECT_EQ(collected.sample_count, 5u);
  EXPECT_DOUBLE_EQ(collected.sample_sum, 10.000004002);
}

TEST(RegistryTest, WritesTheTextFormatOfPrometheus) {
  Registry registry;
  registry.AddCounter("calls_total", "Calls.", {{"method", "Decide"}})->Increment(3);
  registry.AddCounter("calls_total", "Calls.", {{"method", "Get"}});
  registry.AddGauge("size_bytes", "Size.", [] { return 1.5; });
  registry.AddHistogram("wait_seconds", "Waiting.")->ObserveNanos(20'000'000'000);
  const std::string text = Scrape(registry);
  EXPECT_THAT(text, HasSubstr("# HELP calls_total Calls.\n# TYPE calls_total counter\n"
                              "calls_total{method=\"Decide\"} 3\n"
                              "calls_total{method=\"Get\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("# TYPE size_bytes gauge\nsize_bytes 1.5\n"));
  EXPECT_THAT(text, HasSubstr("# TYPE wait_seconds histogram\nwait_seconds_count 1\n"
                              "wait_seconds_sum 20\n"));
  EXPECT_THAT(text, HasSubstr("wait_seconds_bucket{le=\"10\"} 0\n"
                              "wait_seconds_bucket{le=\"+Inf\"} 1\n"));
}

TEST(RegistryTest, ReturnsTheMetricThatIsThere) {
  Registry registry;
  Counter* const first = registry.AddCounter("a_total", "A.", {{"x", "1"}});
  EXPECT_EQ(registry.AddCounter("a_total", "A.", {{"x", "1"}}), first);
  EXPECT_NE(registry.AddCounter("a_total", "A.", {{"x", "2"}}), first);
  Histogram* const histogram = registry.AddHistogram("h_seconds", "H.");
  EXPECT_EQ(registry.AddHistogram("h_seconds", "H."), histogram);
  for (int i = 0; i < 1000; ++i) registry.AddCounter("b_total", "B.", {{"i", std::to_string(i)}});
  EXPECT_EQ(registry.AddCounter("a_total", "A.", {{"x", "1"}}), first);
  first->Increment();
  EXPECT_EQ(first->value(), 1u);
}

TEST(RegistryTest, TellsLabelsApartThatLookAlikeWhenJoined) {
  Registry registry;
  EXPECT_NE(registry.AddCounter("a_total", "A.", {{"x", "1y"}, {"y", ""}}),
            registry.AddCounter("a_total", "A.", {{"x", "1"}, {"y", "y"}}));
}

TEST(RegistryTest, RefreshesOncePerScrapeBeforeAnythingIsRead) {
  Registry registry;
  int snapshots = 0;
  registry.AddGauge("first", "F.", [&] { return snapshots; });
  registry.AddCounterFunction("second_total", "S.", [&] { return 10.0 * snapshots; });
  registry.BeforeScrape([&] { ++snapshots; });
  EXPECT_THAT(Scrape(registry), HasSubstr("first 1\n"));
  const std::string text = Scrape(registry);
  EXPECT_THAT(text, HasSubstr("first 2\n"));
  EXPECT_THAT(text, HasSubstr("second_total 20\n"));
}

TEST(RegistryTest, LosesNoCountOfManyThreadsWhileItIsScraped) {
  Registry registry;
  Counter* const counter = registry.AddCounter("a_total", "A.");
  Histogram* const histogram = registry.AddHistogram("h_seconds", "H.");
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&] {
      for (int i = 0; i < 10'000; ++i) {
        counter->Increment();
        histogram->ObserveNanos(i);
      }
    });
  }
  for (int i = 0; i < 20; ++i) Scrape(registry);
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(counter->value(), 40'000u);
  EXPECT_EQ(histogram->Collect().histogram.sample_count, 40'000u);
}

TEST(ProcessMetricsTest, TellsAboutThisProcess) {
  Registry registry;
  AddProcessMetrics(registry);
  std::vector<std::string> names;
  for (const prometheus::MetricFamily& family : registry.Collect()) {
    names.push_back(family.name);
    ASSERT_EQ(family.metric.size(), 1u);
    const prometheus::ClientMetric& metric = family.metric[0];
    EXPECT_GT(metric.gauge.value + metric.counter.value, 0) << family.name;
  }
  EXPECT_THAT(names,
              ElementsAre("process_cpu_seconds_total", "process_resident_memory_bytes",
                          "process_open_fds", "process_max_fds", "process_start_time_seconds"));
}

}  // namespace
}  // namespace attune::telemetry
