#ifndef ATTUNE_LIB_TELEMETRY_METRICS_H_
#define ATTUNE_LIB_TELEMETRY_METRICS_H_

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "lib/base/absl_strings.h"
#include "lib/base/mutex.h"
#include "prometheus/collectable.h"
#include "prometheus/metric_family.h"

namespace attune::telemetry {

// Label names with their values.
using Labels = std::vector<std::pair<std::string, std::string>>;

// Counts events. Thread-safe; never takes a lock.
class Counter {
 public:
  void Increment(uint64_t by = 1) { value_.fetch_add(by, std::memory_order_relaxed); }
  uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

// Counts durations by size. Thread-safe; never takes a lock (prometheus-cpp's own histogram takes a
// mutex per observation). A scrape that runs at the same time may see an observation in the sum and
// not yet in its bucket.
class Histogram {
 public:
  // Upper bounds of the buckets in nanoseconds: 1, 2, 5, 10, … microseconds up to 10 seconds.
  static const std::vector<int64_t>& Bounds();

  Histogram();
  void ObserveNanos(int64_t nanos);
  prometheus::ClientMetric Collect() const;

 private:
  std::vector<std::atomic<uint64_t>> buckets_;  // one more than bounds
  std::atomic<int64_t> sum_nanos_{0};
};

// The metrics of one process, as Prometheus scrapes them. Thread-safe. Metrics are added while the
// process starts (or a strategy is loaded) and live as long as the registry; their addresses stay,
// so that the hot path resolves a label combination once.
class Registry : public prometheus::Collectable {
 public:
  // Names follow Prometheus conventions: base units, counters end in _total. Adding the same name
  // and labels again returns the metric that is there. REQUIRES: one name is used with one kind,
  // help and set of label names.
  Counter* AddCounter(const std::string& name, const std::string& help, const Labels& labels = {});
  Histogram* AddHistogram(const std::string& name, const std::string& help,
                          const Labels& labels = {});
  // The functions are called on every scrape, from the scraping thread.
  void AddGauge(const std::string& name, const std::string& help, std::function<double()> read,
                const Labels& labels = {});
  // A gauge that says something by its labels: on every scrape there is one series with the value 1
  // for each of those that the function returns.
  void AddInfo(const std::string& name, const std::string& help,
               std::function<std::vector<Labels>()> read);
  void AddCounterFunction(const std::string& name, const std::string& help,
                          std::function<double()> read, const Labels& labels = {});
  // Called once per scrape before anything is read, so that several gauges can share one snapshot.
  void BeforeScrape(std::function<void()> refresh);

  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  struct Metric {
    Labels labels;
    std::unique_ptr<Counter> counter;
    std::unique_ptr<Histogram> histogram;
    std::function<double()> read;
  };
  struct Family {
    std::string name;
    std::string help;
    prometheus::MetricType type = prometheus::MetricType::Untyped;
    std::deque<Metric> metrics;
    StringMap<Metric*> by_labels;                      // keys are the labels, joined
    std::function<std::vector<Labels>()> read_labels;  // of AddInfo
  };

  Family& FindFamily(const std::string& name, const std::string& help, prometheus::MetricType type)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Metric& Find(const std::string& name, const std::string& help, prometheus::MetricType type,
               const Labels& labels) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  mutable Mutex mutex_;
  std::deque<Family> families_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::function<void()>> refresh_ ABSL_GUARDED_BY(mutex_);
};

// Adds process_cpu_seconds_total, process_resident_memory_bytes, process_open_fds, process_max_fds
// and process_start_time_seconds, read from /proc.
void AddProcessMetrics(Registry& registry);

}  // namespace attune::telemetry

#endif  // ATTUNE_LIB_TELEMETRY_METRICS_H_
