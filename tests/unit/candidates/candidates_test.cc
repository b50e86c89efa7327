#include "lib/candidates/candidates.h"

#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace attune::candidates {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class SelectCandidatesTest : public ::testing::Test {
 protected:
  // A treatment with content on the channels 0 and 2, valid at any time.
  catalog::Treatment& Add() {
    catalog::Treatment& treatment = catalog_.treatments.emplace_back();
    treatment.content = {catalog::Content{{"text", "t"}}, std::nullopt, catalog::Content{}};
    return treatment;
  }
  // "kept: 0 2; rejected: 1 not_yet_valid"
  std::string Selected() {
    SelectCandidates(catalog_, stops_, context_, result_, reach_);
    ReasonsOnAnyChannel reasons = {Reason::kStopped};  // to be overwritten
    FindReasonsOnAnyChannel(catalog_, stops_, context_, reach_, reasons);
    CandidateSet on_channel;
    SelectCandidatesOn(catalog_, context_.channel, reasons, on_channel);
    EXPECT_EQ(TextOf(on_channel), TextOf(result_)) << "for one channel of several";
    return TextOf(result_);
  }
  static std::string TextOf(const CandidateSet& set) {
    std::string text = "kept:";
    for (const int kept : set.kept) text += " " + std::to_string(kept);
    text += "; rejected:";
    for (const Rejection& rejection : set.rejected) {
      text += " " + std::to_string(rejection.treatment) + " " +
              std::string(ReasonName(rejection.reason));
    }
    return text;
  }

  catalog::Catalog catalog_;
  stops::StopSet stops_;
  evidence::RampReach reach_;
  context::DecisionContext context_;
  CandidateSet result_;
};

TEST_F(SelectCandidatesTest, KeepsNothingOfAnEmptyCatalog) {
  EXPECT_EQ(Selected(), "kept:; rejected:");
}

TEST_F(SelectCandidatesTest, DropsWhatTheChannelCanNotCarry) {
  Add();
  Add().content[0].reset();
  context_.channel = 0;
  EXPECT_EQ(Selected(), "kept: 0; rejected: 1 no_content_for_channel");
  context_.channel = 1;
  EXPECT_EQ(Selected(), "kept:; rejected: 0 no_content_for_channel 1 no_content_for_channel");
  // Content without fields is content.
  context_.channel = 2;
  EXPECT_EQ(Selected(), "kept: 0 1; rejected:");
}

struct ValidityCase {
  const char* name;
  int64_t time_us;
  std::string expected;
};

TEST_F(SelectCandidatesTest, IsValidFromInclusiveUntilExclusive) {
  catalog::Treatment& treatment = Add();
  treatment.valid_from_us = 1'000;
  treatment.valid_until_us = 2'000;
  const ValidityCase cases[] = {
      {"just before", 999, "kept:; rejected: 0 not_yet_valid"},
      {"at the start", 1'000, "kept: 0; rejected:"},
      {"the last moment", 1'999, "kept: 0; rejected:"},
      {"at the end", 2'000, "kept:; rejected: 0 no_longer_valid"},
  };
  for (const ValidityCase& c : cases) {
    context_.time_us = c.time_us;
    EXPECT_EQ(Selected(), c.expected) << c.name;
  }
}

TEST_F(SelectCandidatesTest, IsAlwaysValidWithoutDates) {
  Add();
  for (const int64_t time : {int64_t{0}, int64_t{7'258'118'400'000'000}}) {
    context_.time_us = time;
    EXPECT_EQ(Selected(), "kept: 0; rejected:");
  }
}

TEST_F(SelectCandidatesTest, KeepsOnlyWhatTheRequestAsksFor) {
  for (int i = 0; i < 4; ++i) Add();
  catalog_.treatments[3].content[0].reset();
  context_.restricted = true;
  context_.restricted_to = {1, 3};
  EXPECT_EQ(Selected(),
            "kept: 1; rejected: 0 not_requested 2 not_requested 3 no_content_for_channel");
  context_.restricted_to = {};
  EXPECT_THAT(Selected(), ::testing::StartsWith("kept:; rejected: 0 not_requested"));
  context_.restricted = false;
  context_.restricted_to = {1};
  EXPECT_EQ(Selected(), "kept: 0 1 2; rejected: 3 no_content_for_channel");
}

TEST(RejectionTest, EveryReasonHasAUniqueNameAndAStage) {
  std::vector<std::string_view> names;
  for (const Reason reason : kAllReasons) {
    EXPECT_LT(static_cast<int>(reason), kReasonLimit);
    EXPECT_NE(ReasonName(reason), "unknown");
    EXPECT_THAT(ReasonStage(reason),
                ::testing::AnyOf("candidates", "policy", "scoring", "arbitration"));
    EXPECT_EQ(std::count(names.begin(), names.end(), ReasonName(reason)), 0);
    names.push_back(ReasonName(reason));
  }
  // Every value that is a reason is listed.
  for (int value = 0; value < 256; ++value) {
    const auto reason = static_cast<Reason>(value);
    const bool listed = std::count(std::begin(kAllReasons), std::end(kAllReasons), reason) > 0;
    EXPECT_EQ(ReasonName(reason) != "unknown", listed) << value;
    EXPECT_EQ(ReasonStage(reason) != "unknown", listed) << value;
  }
}

TEST(RejectionTest, StoredNumbersStay) {
  std::vector<int> numbers;
  for (const Reason reason : kAllReasons) numbers.push_back(static_cast<int>(reason));
  EXPECT_THAT(numbers, ElementsAre(1, 2, 3, 4, 5, 6, 10, 11, 12, 40, 41, 42, 43, 13, 14, 15, 16, 17,
                                   18, 19, 20, 21, 22, 30, 37, 35, 31, 39, 32, 33, 34, 36));
}

TEST_F(SelectCandidatesTest, DropsWhatIsStopped) {
  for (const char* name : {"a", "b", "c", "d"}) {
    catalog::Treatment& treatment = Add();
    treatment.name = name;
    treatment.group = name[0] < 'c' ? 0 : 1;
    catalog_.index[name] = name[0] - 'a';
  }
  catalog_.treatments[2].content[0].reset();
  catalog_.groups = {{"early", 0}, {"late", 1}};
  stops::Change treatment;
  treatment.target = {stops::Target::Kind::kTreatment, "a"};
  stops::Change group;
  group.target = {stops::Target::Kind::kGroup, "late"};
  stops::Change unknown;
  unknown.target = {stops::Target::Kind::kTreatment, "gone"};
  stops_ = stops::StopSet({unknown, treatment, group}, catalog_);
  EXPECT_EQ(stops_.size(), 2);
  EXPECT_EQ(Selected(), "kept: 1; rejected: 0 stopped 2 stopped 3 stopped");
  context_.restricted = true;
  context_.restricted_to = {3};
  EXPECT_EQ(Selected(),
            "kept:; rejected: 0 not_requested 1 not_requested 2 not_requested 3 stopped");
}

TEST_F(SelectCandidatesTest, DropsWhatHasNotReachedTheCustomer) {
  Add();
  Add().ramp = 0;
  Add().ramp = 1;
  Add().ramp = 1;
  catalog_.treatments[3].content[0].reset();
  catalog_.ramps.resize(2);
  for (catalog::Ramp& ramp : catalog_.ramps) ramp.full_at = 100;
  EXPECT_EQ(Selected(), "kept: 0 1 2; rejected: 3 no_content_for_channel") << "not looked at";
  const evidence::RampShares shares(catalog_, {50, 30});
  reach_ = evidence::RampReach(&shares, HashKey{}, {}, 0.4);
  EXPECT_EQ(Selected(), "kept: 0 1; rejected: 2 not_reached_yet 3 no_content_for_channel");
  reach_ = evidence::RampReach(&shares, HashKey{}, {}, 0.5);
  EXPECT_EQ(Selected(),
            "kept: 0; rejected: 1 not_reached_yet 2 not_reached_yet 3 no_content_for_channel");
}

// Of several reasons the first is told, on a channel with content and on one without.
TEST_F(SelectCandidatesTest, TellsTheFirstOfSeveralReasons) {
  catalog_.ramps.resize(1);
  catalog_.ramps[0].full_at = 100;
  for (int i = 0; i < 16; ++i) {
    catalog::Treatment& treatment = Add();
    if ((i & 1) != 0) treatment.valid_until_us = 10;
    if ((i & 2) != 0) treatment.ramp = 0;
    if ((i & 4) != 0) treatment.content[0].reset();
    if ((i & 8) != 0) context_.restricted_to.push_back(i);
  }
  context_.restricted = true;
  context_.time_us = 10;
  const evidence::RampShares shares(catalog_, {0});
  reach_ = evidence::RampReach(&shares, HashKey{}, {}, 0.5);
  std::string expected = "kept: 8; rejected:";
  for (int i = 0; i < 8; ++i) expected += " " + std::to_string(i) + " not_requested";
  expected += " 9 no_longer_valid 10 not_reached_yet 11 no_longer_valid";
  for (int i = 12; i < 16; ++i) expected += " " + std::to_string(i) + " no_content_for_channel";
  EXPECT_EQ(Selected(), expected);
  context_.channel = 2;
  EXPECT_EQ(Selected().substr(0, 13), "kept: 8 12; r");
}

}  // namespace
}  // namespace attune::candidates
