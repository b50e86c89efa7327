// The next best channel, and several places in one call, over gRPC.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "tests/integration/server_fixture.h"

namespace attune::service {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// Who nothing is known of has on the app spring_sale 0.3775 x 40 - 1 = 14.1, accessory 10.3,
// fast_callback 0.1192 x 100 - 5 = 6.9; on the ivr accessory 0.3775 x 30 x 2 - 1 = 21.6, and no
// spring_sale.
constexpr char kOffersOnTheIvr[] = R"yaml(placements:
  - {name: hero, groups: [offer]}
  - {name: side, max_treatments: 2}
  - {name: prompt, channels: [ivr]}
arbitration:
  max_per_group: 2
  context_weights:
    - {group: offer, channels: [ivr], percent: 100}
)yaml";

class ChannelsTest : public ServerTest {
 protected:
  // Starts with another end of the strategy, from `arbitration` on.
  void StartWith(std::string_view end) {
    const std::string_view text = kSmallStrategy;
    WriteStrategy(dir_.path(),
                  std::string(text.substr(0, text.find("arbitration:"))) + std::string(end));
    Start();
  }
  static v1::DecideRequest OpenRequest(const std::vector<std::string>& channels = {"*"}) {
    v1::DecideRequest request = DecideFor("ann", "");
    for (const std::string& channel : channels) request.add_open_channels(channel);
    return request;
  }
};

TEST_F(ChannelsTest, RanksOverAllChannelsAndSaysWhich) {
  StartWith(kOffersOnTheIvr);
  const auto response = Decide(OpenRequest());
  ASSERT_THAT(Ranking(response), ElementsAre("accessory", "spring_sale", "fast_callback"));
  EXPECT_EQ(response.treatments(0).channel(), "ivr");
  EXPECT_EQ(response.treatments(0).content().at("prompt"), "cable");
  EXPECT_DOUBLE_EQ(response.treatments(0).context_weight(), 2);
  EXPECT_EQ(response.treatments(1).channel(), "app");
  EXPECT_EQ(response.treatments(1).content().at("text"), "Spring is here.");
  EXPECT_FALSE(response.has_earliest());
  const auto held = Get("ann");
  ASSERT_THAT(held.recent_decisions(), SizeIs(1));
  EXPECT_EQ(held.recent_decisions(0).channel(), "ivr");
  EXPECT_EQ(held.recent_decisions(0).treatment_id(), "accessory");
}

TEST_F(ChannelsTest, OnlyTheChannelsOfTheRequestAreOpen) {
  StartWith(kOffersOnTheIvr);
  const auto on_app = Decide(OpenRequest({"app"}));
  EXPECT_THAT(Ranking(on_app), ElementsAre("spring_sale", "accessory", "fast_callback"));
  for (const auto& treatment : on_app.treatments()) EXPECT_EQ(treatment.channel(), "app");
  EXPECT_EQ(Ranking(on_app), Ranking(Decide("bob", "app")));
  EXPECT_EQ(Decide("bob", "ivr").treatments(0).channel(), "ivr") << "a named channel is told, too";
}

TEST_F(ChannelsTest, AChannelWithoutConsentIsNotChosen) {
  const std::string text =
      Replaced(kSmallStrategy, "  - {name: offer}\n", "  - {name: offer, purpose: marketing}\n");
  WriteStrategy(dir_.path(), text.substr(0, text.find("arbitration:")) +
                                 "purposes: [{name: marketing, consent: opt_in}]\n" +
                                 kOffersOnTheIvr);
  Start();
  v1::CustomerServiceSetConsentRequest consent;
  consent.set_customer_id("ann");
  consent.set_purpose("marketing");
  consent.set_channel("app");
  consent.set_granted(true);
  consent.set_source("test");
  ASSERT_TRUE(client().SetConsent(consent).ok());
  const auto response = Decide(OpenRequest());
  ASSERT_THAT(Ranking(response), ElementsAre("spring_sale", "accessory", "fast_callback"));
  EXPECT_EQ(response.treatments(1).channel(), "app");
}

TEST_F(ChannelsTest, TellsTheEarliestTimeWhenQuietHoursForbidNow) {
  StartWith(R"yaml(contact:
  - {name: calls, quiet_hours: {from: "00:00", until: "13:30", channels: [ivr]}}
  - {name: messages, quiet_hours: {from: "00:00", until: "15:00", channels: [app]}}
)yaml");
  const auto response = Decide(OpenRequest());
  EXPECT_THAT(Ranking(response), IsEmpty());
  EXPECT_EQ(response.earliest().treatment_id(), "fast_callback");
  EXPECT_EQ(response.earliest().channel(), "ivr");
  EXPECT_EQ(FromProtoTime(response.earliest().time()), Noon() + absl::Minutes(90));
  v1::DecideRequest request = OpenRequest();
  request.set_explain(true);
  const v1::DecideResponse explained = Decide(request);
  for (const auto& rejected : explained.rejected_treatments()) {
    if (rejected.treatment_id() == "accessory") {
      EXPECT_EQ(rejected.channel(), "ivr");
      EXPECT_EQ(rejected.rule(), "calls");
      EXPECT_EQ(FromProtoTime(rejected.allowed_from()), Noon() + absl::Minutes(90));
    }
    if (rejected.treatment_id() == "spring_sale") {
      EXPECT_EQ(rejected.channel(), "app");
      EXPECT_EQ(FromProtoTime(rejected.allowed_from()), Noon() + absl::Hours(3));
    }
  }
  EXPECT_FALSE(Decide("ann", "app").has_earliest()) << "the channel was named";
}

TEST_F(ChannelsTest, FillsPlacesWithoutDuplicates) {
  StartWith(kOffersOnTheIvr);
  v1::DecideRequest request = DecideFor("ann", "app");
  request.add_placements("hero");
  request.add_placements("side");
  const auto response = Decide(request);
  EXPECT_THAT(Ranking(response), ElementsAre("spring_sale", "accessory", "fast_callback"));
  ASSERT_THAT(response.placements(), SizeIs(2));
  EXPECT_EQ(response.placements(0).placement(), "hero");
  EXPECT_THAT(response.placements(0).treatment_ids(), ElementsAre("spring_sale"));
  EXPECT_EQ(response.placements(1).placement(), "side");
  EXPECT_THAT(response.placements(1).treatment_ids(), ElementsAre("accessory", "fast_callback"));
  EXPECT_THAT(Decide("ann", "app").placements(), IsEmpty());
}

TEST_F(ChannelsTest, APlaceThatTakesMoreMakesRoom) {
  StartWith(kOffersOnTheIvr);
  v1::DecideRequest request = DecideFor("ann", "app");
  request.add_placements("side");
  request.add_placements("hero");
  const auto response = Decide(request);
  EXPECT_THAT(Ranking(response), ElementsAre("spring_sale", "accessory", "fast_callback"));
  ASSERT_THAT(response.placements(), SizeIs(2));
  EXPECT_THAT(response.placements(0).treatment_ids(), ElementsAre("spring_sale", "fast_callback"));
  EXPECT_THAT(response.placements(1).treatment_ids(), ElementsAre("accessory"));
}

TEST_F(ChannelsTest, APlaceThatNothingIsLeftForIsEmpty) {
  StartWith(kOffersOnTheIvr);
  v1::DecideRequest request = DecideFor("ann", "app");
  request.add_placements("side");
  request.add_placements("hero");
  request.add_treatment_ids("spring_sale");
  const auto response = Decide(request);
  ASSERT_THAT(response.placements(), SizeIs(2));
  EXPECT_THAT(response.placements(0).treatment_ids(), ElementsAre("spring_sale"));
  EXPECT_EQ(response.placements(1).placement(), "hero");
  EXPECT_THAT(response.placements(1).treatment_ids(), IsEmpty());
}

TEST_F(ChannelsTest, AnOpenChannelIsOneThatHasAPlace) {
  StartWith(kOffersOnTheIvr);
  v1::DecideRequest request = OpenRequest();
  request.add_placements("prompt");
  const auto response = Decide(request);
  ASSERT_THAT(Ranking(response), ElementsAre("accessory"));
  EXPECT_EQ(response.treatments(0).channel(), "ivr");
  EXPECT_THAT(Counts(response),
              ElementsAre("policy/intent_not_applicable=1", "arbitration/no_placement=1",
                          "arbitration/outranked=2"));
}

// Both are worth most on the ivr, accessory 21.6 and fast_callback 0.1192 x 100 x 2 - 5 = 18.8.
constexpr char kEverythingOnTheIvr[] = R"yaml(placements:
  - {name: prompt, channels: [ivr]}
  - {name: banner, channels: [app]}
arbitration:
  context_weights:
    - {group: offer, channels: [ivr], percent: 100}
    - {group: resolution, channels: [ivr], percent: 100}
)yaml";

TEST_F(ChannelsTest, WhatFindsNoRoomOnItsBestChannelIsShownOnTheNext) {
  StartWith(kEverythingOnTheIvr);
  v1::DecideRequest request = OpenRequest();
  request.add_placements("prompt");
  request.add_placements("banner");
  request.add_treatment_ids("accessory");
  request.add_treatment_ids("fast_callback");
  const auto response = Decide(request);
  ASSERT_THAT(Ranking(response), ElementsAre("accessory", "fast_callback"));
  EXPECT_EQ(response.treatments(0).channel(), "ivr");
  EXPECT_EQ(response.treatments(1).channel(), "app");
  EXPECT_EQ(response.treatments(1).content().at("text"), "We call you back.");
  EXPECT_NEAR(response.treatments(1).priority(), 6.92, 0.01);
  ASSERT_THAT(response.placements(), SizeIs(2));
  EXPECT_THAT(response.placements(0).treatment_ids(), ElementsAre("accessory"));
  EXPECT_THAT(response.placements(1).treatment_ids(), ElementsAre("fast_callback"));
  request.clear_placements();
  const auto anywhere = Decide(request);
  EXPECT_EQ(anywhere.treatments(1).channel(), "ivr");
}

TEST_F(ChannelsTest, ARepeatedRequestGetsTheSameChannelsAndPlaces) {
  StartWith(kOffersOnTheIvr);
  v1::DecideRequest request = OpenRequest();
  request.add_placements("side");
  request.set_request_id("r1");
  const auto first = Decide(request);
  EXPECT_EQ(Bytes(Decide(request)), Bytes(first));
  request.set_placements(0, "hero");
  EXPECT_EQ(client().Decide(request).code(), grpc::StatusCode::ALREADY_EXISTS);
}

}  // namespace
}  // namespace attune::service
