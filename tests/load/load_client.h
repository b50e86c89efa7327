#ifndef ATTUNE_TESTS_LOAD_LOAD_CLIENT_H_
#define ATTUNE_TESTS_LOAD_LOAD_CLIENT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "attune/v1/decision_service.pb.h"
#include "tests/load/latency_histogram.h"

namespace attune::load {

struct LoadOptions {
  std::string server = "127.0.0.1:7070";
  int concurrency = 64;     // calls, or messages of the stream, in flight at most
  double rate = 0;          // per second; 0: closed loop, the next call starts when one ends
  double seconds = 5;       // measured
  double warmup_seconds = 1;
  uint64_t max_calls = 100'000'000;
};

struct LoadResult {
  LatencyHistogram latency;  // of the measured calls, from the intended start of each
  uint64_t errors = 0;
  std::string first_error;
  double seconds = 0;        // measured
  std::string last_answer;   // serialised
};

// Calls Decide with the requests, round and round. One thread.
LoadResult RunUnary(const LoadOptions& options,
                    const std::vector<attune::v1::DecideRequest>& requests);

// Sends the requests as messages of one DecideStream. One thread.
LoadResult RunStream(const LoadOptions& options,
                     const std::vector<attune::v1::DecideRequest>& requests);

}  // namespace attune::load

#endif  // ATTUNE_TESTS_LOAD_LOAD_CLIENT_H_
