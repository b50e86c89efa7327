#include "lib/telemetry/metrics.h"

#include <algorithm>

namespace attune::telemetry {
namespace {

constexpr double kNanosPerSecond = 1e9;

std::vector<prometheus::ClientMetric::Label> ToPrometheus(const Labels& labels) {
  std::vector<prometheus::ClientMetric::Label> converted;
  converted.reserve(labels.size());
  for (const auto& [name, value] : labels) converted.push_back({name, value});
  return converted;
}

// A key that tells label combinations apart: NUL occurs in neither names nor values.
std::string Joined(const Labels& labels) {
  std::string key;
  for (const auto& [name, value] : labels) (key += name + '\0') += value + '\0';
  return key;
}

}  // namespace

const std::vector<int64_t>& Histogram::Bounds() {
  static const auto* const bounds = [] {
    auto* values = new std::vector<int64_t>;
    for (int64_t decade = 1'000; decade <= 1'000'000'000; decade *= 10) {
      for (const int64_t step : {1, 2, 5}) values->push_back(decade * step);
    }
    values->push_back(10'000'000'000);
    return values;
  }();
  return *bounds;
}

Histogram::Histogram() : buckets_(Bounds().size() + 1) {}

void Histogram::ObserveNanos(int64_t nanos) {
  const std::vector<int64_t>& bounds = Bounds();
  const auto bucket = std::lower_bound(bounds.begin(), bounds.end(), nanos) - bounds.begin();
  buckets_[static_cast<size_t>(bucket)].fetch_add(1, std::memory_order_relaxed);
  sum_nanos_.fetch_add(nanos, std::memory_order_relaxed);
}

prometheus::ClientMetric Histogram::Collect() const {
  prometheus::ClientMetric metric;
  uint64_t cumulative = 0;
  for (size_t i = 0; i < Bounds().size(); ++i) {
    cumulative += buckets_[i].load(std::memory_order_relaxed);
    metric.histogram.bucket.push_back(
        {cumulative, static_cast<double>(Bounds()[i]) / kNanosPerSecond});
  }
  // The format's last bucket, le="+Inf", is written from sample_count.
  metric.histogram.sample_count = cumulative + buckets_.back().load(std::memory_order_relaxed);
  metric.histogram.sample_sum =
      static_cast<double>(sum_nanos_.load(std::memory_order_relaxed)) / kNanosPerSecond;
  return metric;
}

Registry::Family& Registry::FindFamily(const std::string& name, const std::string& help,
                                       prometheus::MetricType type) {
  auto family = std::find_if(families_.begin(), families_.end(),
                             [&](const Family& f) { return f.name == name; });
  if (family == families_.end()) {
    family = families_.emplace(families_.end());
    family->name = name;
    family->help = help;
    family->type = type;
  }
  return *family;
}

Registry::Metric& Registry::Find(const std::string& name, const std::string& help,
                                 prometheus::MetricType type, const Labels& labels) {
  Family& family = FindFamily(name, help, type);
  Metric*& metric = family.by_labels[Joined(labels)];
  if (metric == nullptr) {
    metric = &family.metrics.emplace_back();
    metric->labels = labels;
  }
  return *metric;
}

Counter* Registry::AddCounter(const std::string& name, const std::string& help,
                              const Labels& labels) {
  MutexLock lock(mutex_);
  Metric& metric = Find(name, help, prometheus::MetricType::Counter, labels);
  if (!metric.counter) metric.counter = std::make_unique<Counter>();
  return metric.counter.get();
}

Histogram* Registry::AddHistogram(const std::string& name, const std::string& help,
                                  const Labels& labels) {
  MutexLock lock(mutex_);
  Metric& metric = Find(name, help, prometheus::MetricType::Histogram, labels);
  if (!metric.histogram) metric.histogram = std::make_unique<Histogram>();
  return metric.histogram.get();
}

void Registry::AddGauge(const std::string& name, const std::string& help,
                        std::function<double()> read, const Labels& labels) {
  MutexLock lock(mutex_);
  Find(name, help, prometheus::MetricType::Gauge, labels).read = std::move(read);
}

void Registry::AddInfo(const std::string& name, const std::string& help,
                       std::function<std::vector<Labels>()> read) {
  MutexLock lock(mutex_);
  FindFamily(name, help, prometheus::MetricType::Gauge).read_labels = std::move(read);
}

void Registry::AddCounterFunction(const std::string& name, const std::string& help,
                                  std::function<double()> read, const Labels& labels) {
  MutexLock lock(mutex_);
  Find(name, help, prometheus::MetricType::Counter, labels).read = std::move(read);
}

void Registry::BeforeScrape(std::function<void()> refresh) {
  MutexLock lock(mutex_);
  refresh_.push_back(std::move(refresh));
}

std::vector<prometheus::MetricFamily> Registry::Collect() const {
  MutexLock lock(mutex_);
  for (const auto& refresh : refresh_) refresh();
  std::vector<prometheus::MetricFamily> collected;
  collected.reserve(families_.size());
  for (const Family& family : families_) {
    prometheus::MetricFamily& out = collected.emplace_back();
    out.name = family.name;
    out.help = family.help;
    out.type = family.type;
    if (family.read_labels) {
      for (const Labels& labels : family.read_labels()) {
        prometheus::ClientMetric& info = out.metric.emplace_back();
        info.label = ToPrometheus(labels);
        info.gauge.value = 1;
      }
    }
    for (const Metric& metric : family.metrics) {
      prometheus::ClientMetric value =
          metric.histogram ? metric.histogram->Collect() : prometheus::ClientMetric();
      value.label = ToPrometheus(metric.labels);
      const double number = metric.counter ? static_cast<double>(metric.counter->value())
                            : metric.read  ? metric.read()
                                           : 0.0;
      if (family.type == prometheus::MetricType::Counter) value.counter.value = number;
      if (family.type == prometheus::MetricType::Gauge) value.gauge.value = number;
      out.metric.push_back(std::move(value));
    }
  }
  return collected;
}

}  // namespace attune::telemetry
