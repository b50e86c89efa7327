#ifndef ATTUNE_TESTS_LOAD_REQUEST_MIX_H_
#define ATTUNE_TESTS_LOAD_REQUEST_MIX_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace attune::load {

// What the requests of a run are drawn from. The same options give the same
// requests on every machine.
struct RequestMixOptions {
  int count = 50'000;  // different requests; they are sent round and round
  // Customers C0000001 to this number, the ids that `attunectl generate
  // customers` makes.
  int customers = 100'000;
  std::vector<std::string> channels = {"web"};
  std::vector<std::string> intents;     // none: requests without an intent
  std::vector<std::string> attributes;  // "name=value", in every request; numbers are doubles
  bool dry_run = false;
  bool explain = false;
  uint64_t seed = 1;
};

// Serialised DecideRequests. Nullopt when an attribute is not "name=value".
std::optional<std::vector<std::string>> MakeRequests(const RequestMixOptions& options);

}  // namespace attune::load

#endif  // ATTUNE_TESTS_LOAD_REQUEST_MIX_H_
