// Requests that leave the channel open, and those that ask for places.

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/context/decision_request.h"

namespace attune::context {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Lt;
using ::testing::SizeIs;

class OpenRequestTest : public ::testing::Test {
 protected:
  OpenRequestTest() {
    schema_.channels = NameTable({{"app", 0}, {"email", 1}, {"phone", 2}});
    schema_.placements = NameTable({{"hero", 0}, {"inbox", 0}, {"anywhere", 0}});
    schema_.placement_channels = {ChannelSet(0b001), ChannelSet(0b010), ChannelSet().set()};
    request_.customer_id = "customer-1";
  }

  void Normalise() {
    violations_ = Violations();
    const auto find = [](std::string_view) { return -1; };
    NormaliseRequest(request_,
                     {.schema = schema_,
                      .find_treatment = find,
                      .default_max_treatments = 3,
                      .now = absl::FromUnixSeconds(1'772'323'200),
                      .max_clock_skew = absl::Minutes(5)},
                     context_, violations_);
  }
  std::vector<std::string> Fields() const {
    std::vector<std::string> fields;
    for (const auto& violation : violations_.kept()) fields.push_back(violation.field);
    return fields;
  }

  ContextSchema schema_;
  DecisionRequest request_;
  DecisionContext context_;
  Violations violations_;
};

TEST_F(OpenRequestTest, ChannelsComeInTheOrderOfTheStrategyAndOnce) {
  request_.open_channels = {"phone", "app", "phone"};
  Normalise();
  EXPECT_THAT(Fields(), IsEmpty());
  EXPECT_TRUE(context_.is_channel_open());
  EXPECT_THAT(context_.open_channels, ElementsAre(0, 2));
  EXPECT_EQ(context_.channel, 0);
  EXPECT_EQ(context_.slots(), 2u);
  EXPECT_EQ(context_.ChannelOf(1), 2);
}

TEST_F(OpenRequestTest, AStarIsEveryChannel) {
  request_.open_channels = {"*"};
  Normalise();
  EXPECT_THAT(Fields(), IsEmpty());
  EXPECT_THAT(context_.open_channels, ElementsAre(0, 1, 2));
}

TEST_F(OpenRequestTest, ANamedChannelIsTheOnlySlot) {
  request_.channel = "email";
  request_.open_channels = {"app"};
  Normalise();
  EXPECT_THAT(Fields(), ElementsAre("channel"));
  request_.open_channels.clear();
  Normalise();
  EXPECT_THAT(Fields(), IsEmpty());
  EXPECT_FALSE(context_.is_channel_open()) << "the request before is forgotten";
  EXPECT_EQ(context_.slots(), 1u);
  EXPECT_EQ(context_.ChannelOf(0), 1);
}

TEST_F(OpenRequestTest, AForgottenChannelStaysAnError) {
  Normalise();
  EXPECT_THAT(Fields(), ElementsAre("channel"));
}

TEST_F(OpenRequestTest, EveryUnknownChannelIsNamedShortly) {
  const std::string long_name(100'000, 'x');
  request_.open_channels = {"app", "fone", "*", long_name};
  Normalise();
  EXPECT_THAT(Fields(), ElementsAre("open_channels[1]", "open_channels[2]", "open_channels[3]"));
  EXPECT_THAT(violations_.kept()[0].description, HasSubstr("did you mean \"phone\"?"));
  EXPECT_THAT(violations_.kept()[1].description, HasSubstr("give it alone"));
  EXPECT_THAT(violations_.kept()[2].description, SizeIs(Lt(300u)));
  request_.open_channels.assign(65, "app");
  Normalise();
  EXPECT_THAT(Fields(), ElementsAre("open_channels"));
}

TEST_F(OpenRequestTest, PlacesKeepTheOrderOfTheRequest) {
  request_.channel = "app";
  request_.placements = {"anywhere", "hero"};
  Normalise();
  EXPECT_THAT(Fields(), IsEmpty());
  EXPECT_THAT(context_.placements, ElementsAre(2, 0));
  EXPECT_EQ(context_.max_treatments, 100) << "the places say how many";
  request_.max_treatments = 7;
  Normalise();
  EXPECT_EQ(context_.max_treatments, 7);
  request_.placements.clear();
  request_.max_treatments = 0;
  Normalise();
  EXPECT_THAT(context_.placements, IsEmpty());
  EXPECT_EQ(context_.max_treatments, 3);
}

TEST_F(OpenRequestTest, EveryWrongPlaceIsNamedShortly) {
  const std::string long_name(100'000, 'x');
  request_.channel = "app";
  request_.placements = {"hero", "heros", "hero", "inbox", long_name};
  Normalise();
  EXPECT_THAT(Fields(),
              ElementsAre("placements[1]", "placements[2]", "placements[3]", "placements[4]"));
  EXPECT_THAT(violations_.kept()[0].description, HasSubstr("did you mean \"hero\"?"));
  EXPECT_THAT(violations_.kept()[1].description, HasSubstr("once more"));
  EXPECT_THAT(violations_.kept()[2].description, HasSubstr("a place of other channels"));
  EXPECT_THAT(violations_.kept()[3].description, SizeIs(Lt(300u)));
  request_.placements.assign(17, "anywhere");
  Normalise();
  EXPECT_THAT(Fields(), ElementsAre("placements"));
}

TEST_F(OpenRequestTest, APlaceNeedsOneOfTheOpenChannels) {
  request_.open_channels = {"email", "phone"};
  request_.placements = {"inbox", "hero"};
  Normalise();
  EXPECT_THAT(Fields(), ElementsAre("placements[1]"));
}

}  // namespace
}  // namespace attune::context
