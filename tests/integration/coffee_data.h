#ifndef ATTUNE_TESTS_INTEGRATION_COFFEE_DATA_H_
#define ATTUNE_TESTS_INTEGRATION_COFFEE_DATA_H_

#include <array>
#include <map>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace attune::service {

// An offer of the coffee chain's, as portfolio.csv has it.
struct CoffeeOffer {
  std::string treatment;  // of the strategies in tests/data/starbucks: type_difficulty_in_days
  std::string group;      // its type
  std::vector<std::string> channels;
  int difficulty = 0;  // how many dollars earn the reward
  int days = 0;        // for how many days it holds
};

// Hours after the start at which the chain sent offers.
inline constexpr std::array<int, 6> kCoffeeWaves = {0, 168, 336, 408, 504, 576};

// The moment so many hours after the start.
absl::Time CoffeeTime(int hours);

// The offers by their id; `folder` is that of the data. A test failure when there are not ten.
std::map<std::string, CoffeeOffer> ReadCoffeeOffers(const std::string& folder);

// On which of the offer's channels it was sent to the member with this number: the data don't say,
// so that it is each in turn.
const std::string& CoffeeChannel(const CoffeeOffer& offer, size_t member, int hours);

}  // namespace attune::service

#endif  // ATTUNE_TESTS_INTEGRATION_COFFEE_DATA_H_
