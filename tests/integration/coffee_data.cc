#include "tests/integration/coffee_data.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <string_view>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/civil_time.h"
#include "lib/base/absl_strings.h"
#include "tests/integration/real_data.h"

namespace attune::service {

absl::Time CoffeeTime(int hours) {
  return absl::FromCivil(absl::CivilDay(2018, 7, 26), absl::UTCTimeZone()) + absl::Hours(hours);
}

std::map<std::string, CoffeeOffer> ReadCoffeeOffers(const std::string& folder) {
  const std::vector<std::string> channels = {"web", "email", "mobile", "social"};
  std::vector<std::string> columns = {"offer_id", "offer_type", "difficulty", "duration_days"};
  const size_t first_channel = columns.size();
  columns.insert(columns.end(), channels.begin(), channels.end());
  std::map<std::string, CoffeeOffer> offers;
  ForEachCsvRow(folder + "/portfolio.csv", columns, [&](const auto& row) {
    CoffeeOffer& offer = offers[std::string(row[0])];
    offer.treatment =
        absl::StrCat(ToAbsl(row[1]), "_", ToAbsl(row[2]), "_in_", ToAbsl(row[3]), "_days");
    offer.group = std::string(row[1]);
    EXPECT_TRUE(absl::SimpleAtoi(ToAbsl(row[2]), &offer.difficulty)) << row[2];
    EXPECT_TRUE(absl::SimpleAtoi(ToAbsl(row[3]), &offer.days)) << row[3];
    for (size_t c = 0; c < channels.size(); ++c) {
      if (row[first_channel + c] == "1") offer.channels.push_back(channels[c]);
    }
  });
  EXPECT_EQ(offers.size(), 10u);
  return offers;
}

const std::string& CoffeeChannel(const CoffeeOffer& offer, size_t member, int hours) {
  return offer.channels[(member + static_cast<size_t>(hours) / 24) % offer.channels.size()];
}

}  // namespace attune::service
