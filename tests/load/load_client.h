#ifndef ATTUNE_TESTS_LOAD_LOAD_CLIENT_H_
#define ATTUNE_TESTS_LOAD_LOAD_CLIENT_H_

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tests/load/latency_histogram.h"

namespace attune::load {

// One measurement. It ends by itself: after warmup_seconds + seconds nothing is
// started any more, and what is not answered grace_seconds later is cancelled
// and counted as an error.
struct LoadOptions {
  std::string server = "127.0.0.1:7070";
  // What is called, one request and one answer each. Streams are those of decisions.
  std::string method = "/attune.v1.DecisionService/Decide";
  // Decisions in flight at most.
  int concurrency = 64;
  // Over so many connections, in turn; streams have one of their own.
  int connections = 1;
  // 0: every decision is a call of Decide. Above 0: they are messages of so
  // many DecideStreams, at most `concurrency` in flight over all of them.
  int streams = 0;
  // Decisions per second, open loop: decision i is due i / rate seconds after
  // the start, and its latency counts from then, so that a stall of the server
  // is felt by everything that was due meanwhile. 0: closed loop, the next
  // decision starts when one is answered.
  double rate = 0;
  double warmup_seconds = 1;
  double seconds = 5;  // measured
  double grace_seconds = 10;
  uint64_t max_decisions = UINT64_MAX;
  // Is given every answer, serialised, and says what is wrong with it; empty: nothing. What is
  // wrong counts as an error. Empty: nothing is looked at. Only of unary calls.
  std::function<std::string(std::string_view answer)> check;
};

struct LoadResult {
  LatencyHistogram latency;  // of the decisions that were answered in the measured time
  double qps = 0;            // of the same
  uint64_t answered = 0;     // in all, errors not counted
  uint64_t errors = 0;       // in all
  std::string first_error;
  std::string last_answer;  // the last DecideResponse, serialised; only of unary calls
};

// When decisions are due, and which of them are measured. A pure function of
// the times it is given. Not thread-safe.
class Schedule {
 public:
  using Clock = std::chrono::steady_clock;

  Schedule(const LoadOptions& options, Clock::time_point start);

  // When the next decision is due: `now` in a closed loop. Nullopt when there
  // are no more.
  std::optional<Clock::time_point> Due(Clock::time_point now) const;
  // The next decision is started.
  void Start() { ++started_; }
  // True when an answer that comes `now` is in the measured time.
  bool Measures(Clock::time_point now) const { return now >= measure_from_ && now < end_; }
  // The end of the measured time; no decision is due after it.
  Clock::time_point end() const { return end_; }

 private:
  const double rate_;
  const uint64_t max_decisions_;
  const Clock::time_point start_;
  const Clock::time_point measure_from_;
  const Clock::time_point end_;
  uint64_t started_ = 0;
};

// Where the requests of a run come from: what it returns is sent at once.
using NextRequest = std::function<const std::string&()>;

// Calls as the options say, with one serialised request after the other. Works in the calling
// thread, on connections of its own.
LoadResult RunLoad(const LoadOptions& options, const NextRequest& next_request);

// Asks for decisions as the options say; `requests` are serialised
// DecideRequests, sent round and round. Works in the calling thread, on a
// connection of its own. Requests and answers stay bytes: a client that costs
// as much as the server would be what is measured. REQUIRES: !requests.empty().
LoadResult RunLoad(const LoadOptions& options, const std::vector<std::string>& requests);

}  // namespace attune::load

#endif  // ATTUNE_TESTS_LOAD_LOAD_CLIENT_H_
