// Random contact policies and histories, decided by the service's one pass and by a naive recount;
// and the moment from which a treatment is allowed again is exact.
#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/policy/contact_fixture.h"

namespace attune::policy {
namespace {

constexpr const char* kTreatments[] = {"plan", "phone", "alarm", "gift", "withdrawn"};
constexpr const char* kChannels[] = {"app", "mail", "ivr"};

std::string GroupOf(const std::string& treatment) {
  if (treatment == "withdrawn") return "";
  return treatment == "gift" ? "care" : "offer";
}

// A policy as a test writes it.
struct Rule {
  std::string kind;   // cap, suppression, min_gap, exclusion
  std::string owner;  // "", "offer" or "plan"
  std::vector<std::string> outcomes;
  int limit = 1;
  int64_t window_s = 0;
  int64_t silence_s = 0;
  std::string per;      // treatment, group, all
  std::string channel;  // empty: all
  bool one_way = false;
};

std::string TextOf(const Rule& rule, int number) {
  std::string text = "contact { name: 'p" + std::to_string(number) + "' " + rule.kind + " { ";
  for (const std::string& outcome : rule.outcomes) text += "outcomes: '" + outcome + "' ";
  const std::string window = "{ seconds: " + std::to_string(rule.window_s) + " } ";
  const std::string scope = rule.per == "treatment" ? "SCOPE_TREATMENT "
                            : rule.per == "group"   ? "SCOPE_GROUP "
                                                    : "SCOPE_ALL ";
  if (rule.kind == "cap") text += "at_most: " + std::to_string(rule.limit) + " per: " + scope;
  if (rule.kind == "min_gap") text += "gap " + window + "per: " + scope;
  if (rule.kind == "suppression") {
    text += "after: " + std::to_string(rule.limit) + " of: " + scope;
    text += "for { seconds: " + std::to_string(rule.silence_s) + " } ";
  }
  if (rule.kind == "exclusion") {
    text += std::string("groups: 'care' ") + (rule.one_way ? "one_way: true " : "");
  }
  if (rule.kind != "min_gap") text += "window " + window;
  if (!rule.channel.empty()) text += "channels: '" + rule.channel + "' ";
  return text + "} }\n";
}

bool StandsOn(const Rule& rule, const std::string& treatment) {
  return rule.owner.empty() ? !GroupOf(treatment).empty()
                            : treatment == rule.owner || GroupOf(treatment) == rule.owner;
}

// Does the treatment have to pass the rule?
bool Binds(const Rule& rule, const std::string& treatment) {
  const bool exempt = treatment == "alarm" && rule.owner != "alarm" && rule.kind != "suppression";
  if (exempt) return false;
  if (StandsOn(rule, treatment)) return true;
  return rule.kind == "exclusion" && !rule.one_way && GroupOf(treatment) == "care";
}

// Does what happened with `past` count for `treatment`?
bool Counts(const Rule& rule, const Past& past, const std::string& treatment) {
  if (past.treatment.empty() ||
      std::find(rule.outcomes.begin(), rule.outcomes.end(), past.what) == rule.outcomes.end()) {
    return false;
  }
  if (!rule.channel.empty() && past.channel != rule.channel) return false;
  if (rule.kind == "exclusion") {
    return StandsOn(rule, treatment) ? GroupOf(past.treatment) == "care"
                                     : StandsOn(rule, past.treatment);
  }
  if (rule.per == "treatment") return past.treatment == treatment;
  if (rule.per == "group") return GroupOf(past.treatment) == GroupOf(treatment);
  return true;
}

// The rule, straight from its definition.
bool Blocks(const Rule& rule, const std::vector<Past>& history, const std::string& treatment,
            const std::string& channel, int64_t now) {
  if (!Binds(rule, treatment)) return false;
  if (!rule.channel.empty() && rule.channel != channel) return false;
  std::vector<int64_t> times;
  for (const Past& past : history) {
    if (Counts(rule, past, treatment)) times.push_back(past.at);
  }
  const auto within = [&](int64_t moment, int64_t window_s) {
    int count = 0;
    for (const int64_t time : times) count += time > moment - window_s * 1000 && time <= moment;
    return count;
  };
  if (rule.kind != "suppression") {
    // What lies in the future counts.
    return within(now, rule.window_s) +
               std::count_if(times.begin(), times.end(), [&](int64_t t) { return t > now; }) >=
           rule.limit;
  }
  for (const int64_t last : times) {
    if (within(last, rule.window_s) >= rule.limit && now < last + rule.silence_s * 1000) {
      return true;
    }
  }
  return false;
}

class World {
 public:
  explicit World(std::mt19937_64& random) : random_(random) {
    for (int i = 1 + Below(4); i > 0; --i) rules_.push_back(RandomRule());
    ContactTexts texts;
    for (size_t i = 0; i < rules_.size(); ++i) {
      std::string& text = rules_[i].owner.empty()      ? texts.strategy
                          : rules_[i].owner == "offer" ? texts.offer
                                                       : texts.plan;
      text += TextOf(rules_[i], static_cast<int>(i));
    }
    for (int i = Below(30); i > 0; --i) history_.push_back(RandomPast());
    world_.emplace(texts);
    world_->Happened(history_);
  }

  void CheckAt(int64_t now) {
    for (const char* channel : kChannels) {
      world_->Apply(now, channel);
      for (const std::string treatment : {"plan", "phone", "alarm", "gift"}) {
        bool expected = false;
        for (const Rule& rule : rules_) expected |= Blocks(rule, history_, treatment, channel, now);
        ASSERT_EQ(world_->RejectionOf(treatment) != nullptr, expected)
            << treatment << " on " << channel << " at " << now;
        rejected_ += expected;
      }
    }
    CheckAllowedFrom(now, "plan");
    CheckAllowedFrom(now, "gift");
  }

  int rejected() const { return rejected_; }

 private:
  int Below(int limit) { return static_cast<int>(random_() % static_cast<uint64_t>(limit)); }

  Rule RandomRule() {
    static constexpr const char* kKinds[] = {"cap", "suppression", "min_gap", "exclusion"};
    Rule rule;
    rule.kind = kKinds[Below(4)];
    rule.owner = (const char*[]){"", "offer", "plan"}[Below(3)];
    if (rule.kind == "exclusion" && rule.owner.empty()) rule.owner = "offer";
    for (const char* outcome : {"decided", "shown", "rejected"}) {
      if (Below(2)) rule.outcomes.push_back(outcome);
    }
    if (rule.outcomes.empty()) rule.outcomes.push_back("shown");
    if (rule.kind == "cap" || rule.kind == "suppression") rule.limit = 1 + Below(4);
    rule.window_s = 1 + Below(40);
    if (rule.kind == "suppression") rule.silence_s = 1 + Below(40);
    rule.per =
        (const char*[]){"treatment", "group", "all"}[Below(rule.kind == "suppression" ? 2 : 3)];
    if ((rule.kind == "cap" || rule.kind == "min_gap") && Below(3) == 0) {
      rule.channel = kChannels[Below(3)];
    }
    rule.one_way = Below(2) == 1;
    return rule;
  }

  Past RandomPast() {
    Past past;
    past.what = (const char*[]){"decided", "shown", "rejected"}[Below(3)];
    past.treatment = kTreatments[Below(5)];
    if (past.what == "decided" && Below(8) == 0) past.treatment = "";
    // Mostly whole seconds, so that times meet the ends of windows.
    past.at = -1000 * Below(80) + (Below(4) == 0 ? Below(1000) : 0) + (Below(10) == 0 ? 20'000 : 0);
    past.channel = kChannels[Below(3)];
    return past;
  }

  void CheckAllowedFrom(int64_t now, const std::string& treatment) {
    world_->Apply(now);
    const std::optional<int64_t> from = world_->AllowedFromOf(treatment);
    const bool rejected = world_->RejectionOf(treatment) != nullptr;
    ASSERT_TRUE(from.has_value());
    ASSERT_EQ(*from > now, rejected);
    if (!rejected) return;
    EXPECT_NE(world_->Reason(treatment, *from - 1), "");
    EXPECT_EQ(world_->Reason(treatment, *from), "");
    EXPECT_NE(world_->Reason(treatment, now + static_cast<int64_t>(
                                                  random_() % static_cast<uint64_t>(*from - now))),
              "");
  }

  std::mt19937_64& random_;
  std::vector<Rule> rules_;
  std::vector<Past> history_;
  std::optional<ContactWorld> world_;
  int rejected_ = 0;
};

TEST(ContactPropertyTest, AgreesWithANaiveRecount) {
  std::mt19937_64 random(20260301);
  int rejected = 0;
  for (int round = 0; round < 100; ++round) {
    World world(random);
    for (int moment = 0; moment < 16; ++moment) {
      world.CheckAt(static_cast<int64_t>(random() % 40) * 1000 - (random() % 2 ? 0 : 1));
      if (::testing::Test::HasFailure()) return;
    }
    rejected += world.rejected();
  }
  EXPECT_GT(rejected, 1000);
}

}  // namespace
}  // namespace attune::policy
