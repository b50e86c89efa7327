#include "lib/base/time_zones.h"

#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace attune {
namespace {

TEST(TimeZonesTest, FindsZonesByTheirNames) {
  const TimeZones zones;
  for (const char* name : {"UTC", "Europe/Berlin", "America/New_York", "Australia/Sydney",
                           "America/Argentina/Buenos_Aires", "Etc/GMT+5"}) {
    const absl::TimeZone* zone = zones.Find(name);
    ASSERT_NE(zone, nullptr) << name;
    EXPECT_EQ(zone->name(), name);
    EXPECT_EQ(zones.Find(name), zone);
  }
  EXPECT_GT(zones.Names().size(), 300u);
}

TEST(TimeZonesTest, NothingElseIsAZone) {
  const TimeZones zones;
  for (const char* name : {"", "Europe", "europe/berlin", "Europe/Berlin ", "Europe/Atlantis",
                           "/etc/passwd", "../../etc/passwd", "posix/Europe/Berlin", "zone.tab",
                           "localtime", "file:/dev/zero", "Factory"}) {
    EXPECT_EQ(zones.Find(name), nullptr) << name;
  }
}

TEST(TimeZonesTest, ManyThreadsGetTheSameZone) {
  const TimeZones zones;
  std::vector<const absl::TimeZone*> found(16);
  std::vector<std::thread> threads;
  for (const absl::TimeZone*& zone : found) {
    threads.emplace_back([&zones, &zone] { zone = zones.Find("Asia/Tokyo"); });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_NE(found[0], nullptr);
  EXPECT_THAT(found, ::testing::Each(found[0]));
}

}  // namespace
}  // namespace attune
