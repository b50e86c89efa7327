#ifndef ATTUNE_TESTS_UNIT_POLICY_CONTACT_FIXTURE_H_
#define ATTUNE_TESTS_UNIT_POLICY_CONTACT_FIXTURE_H_

#include <cstdint>
#include <memory>
#include <numeric>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "lib/customer/customer_record.h"
#include "lib/policy/contact_explanation.h"
#include "lib/policy/policy.h"
#include "tests/testing/strategy_builder.h"

namespace attune::policy {

inline constexpr int64_t kSecond = 1'000;
inline constexpr int64_t kMinute = 60 * kSecond;
inline constexpr int64_t kHour = 60 * kMinute;
inline constexpr int64_t kDay = 24 * kHour;
// 2026-03-01T00:00:00Z, a Sunday.
inline constexpr int64_t kNow = 1'772'323'200'000;

// Where contact policies are written in the small strategy.
struct ContactTexts {
  std::string strategy = {};
  std::string offer = {};  // the group
  std::string plan = {};   // the treatment
  std::string history = {};
};

// plan and phone are offers, alarm is a transactional one, gift is care; channels app, mail, ivr.
inline std::string ContactStrategy(const ContactTexts& texts) {
  std::string text = R"pb(
    name: "contact"
    features { name: "zone" type: VALUE_TYPE_STRING }
    channels { name: "app" }
    channels { name: "mail" }
    channels { name: "ivr" }
    models { name: "m" file: "m.yaml" }
    outcomes { name: "shown" }
    outcomes { name: "rejected" }
    purposes { name: "marketing" consent: CONSENT_OPT_IN }
    purposes { name: "service" consent: CONSENT_OPT_OUT }
    groups { name: "care" }
  )pb";
  text += "groups { name: \"offer\" " + texts.offer + "}\n" + texts.strategy;
  text += "history { time_zone_feature: \"zone\" default_time_zone: \"Europe/Berlin\" " +
          texts.history + "}\n";
  const auto treatment = [&](const std::string& name, const std::string& group,
                             const std::string& more) {
    text += "treatments { name: \"" + name + "\" group: \"" + group + "\" model: \"m\" " + more;
    for (const char* channel : {"app", "mail", "ivr"}) {
      text += std::string(" content { key: \"") + channel + "\" value { } }";
    }
    text += "}\n";
  };
  treatment("plan", "offer", texts.plan);
  treatment("phone", "offer", "");
  treatment("alarm", "offer", "transactional: true");
  treatment("gift", "care", "");
  return text;
}

// What happened, by name; the time relative to kNow in milliseconds.
struct Past {
  std::string what;  // "decided", or an outcome
  std::string treatment;
  int64_t at = 0;
  std::string channel = "app";
};

// One strategy, one customer, one moment.
class ContactWorld {
 public:
  explicit ContactWorld(const ContactTexts& texts)
      : strategy_(
            builder_.BuildFromText(ContactStrategy(texts), {"linear { link: LINK_LOGISTIC }"})) {
    context_.attributes.clear();
    features_.assign(1, ValueRef::String(""));
  }

  customer::Interaction ToInteraction(const Past& past) {
    using Kind = storage::NameKind;
    customer::Interaction interaction;
    interaction.time_ms = kNow + past.at;
    interaction.channel = *builder_.dictionary().Intern(Kind::kChannel, past.channel);
    if (!past.treatment.empty()) {
      interaction.treatment = *builder_.dictionary().Intern(Kind::kTreatment, past.treatment);
    }
    if (past.what != "decided") {
      interaction.kind = customer::InteractionKind::kOutcome;
      interaction.outcome = *builder_.dictionary().Intern(Kind::kOutcome, past.what);
    }
    return interaction;
  }

  // Adds to the history, within the strategy's bounds; the write is made at kNow.
  void Happened(const std::vector<Past>& pasts) {
    std::vector<customer::Interaction> interactions;
    for (const Past& past : pasts) interactions.push_back(ToInteraction(past));
    customer::RecordChange change;
    change.interactions = interactions;
    change.bounds = strategy_->history;
    change.now_ms = kNow;
    Write(change);
  }
  void Write(const customer::RecordChange& change) {
    std::string bytes;
    customer::EncodeRecord(State(), "c", change, bytes);
    record_.found = true;
    record_.bytes = bytes;
  }
  customer::CustomerState State() const {
    return customer::CustomerState::Parse(record_, "c").value();
  }
  void LiveIn(std::string_view zone) { features_[0] = ValueRef::String(zone); }

  const PolicyResult& Apply(int64_t at, std::string_view channel = "app") {
    return Apply(State(), at, channel);
  }
  const PolicyResult& Apply(const customer::CustomerState& state, int64_t at,
                            std::string_view channel = "app") {
    context_.time_us = (kNow + at) * 1000;
    context_.channel = strategy_->context.channels.IndexOf(channel);
    std::vector<int> candidates(strategy_->catalog.treatments.size());
    std::iota(candidates.begin(), candidates.end(), 0);
    ApplyPolicies({strategy_->catalog, strategy_->engagement, strategy_->contact,
                   strategy_->context, context_, state, features_},
                  candidates, result_);
    ExpectTheSameOfASharedHistory(state, candidates);
    return result_;
  }
  // What the policies say is the same where channels share the history.
  void ExpectTheSameOfASharedHistory(const customer::CustomerState& state,
                                     const std::vector<int>& candidates) {
    shared_.Reset(strategy_->contact, context_, state);
    ApplyPolicies({strategy_->catalog, strategy_->engagement, strategy_->contact,
                   strategy_->context, context_, state, features_, nullptr, &shared_},
                  candidates, of_shared_);
    EXPECT_EQ(of_shared_.kept, result_.kept);
    ASSERT_EQ(of_shared_.rejected.size(), result_.rejected.size());
    for (size_t i = 0; i < result_.rejected.size(); ++i) {
      const candidates::Rejection& rejection = result_.rejected[i];
      EXPECT_EQ(of_shared_.rejected[i].reason, rejection.reason);
      EXPECT_EQ(of_shared_.rejected[i].contact_policy, rejection.contact_policy);
      if (rejection.contact_policy < 0) continue;
      EXPECT_EQ(AllowedFrom(strategy_->contact, of_shared_.contact, rejection.treatment),
                AllowedFrom(strategy_->contact, result_.contact, rejection.treatment));
    }
    EXPECT_EQ(of_shared_.history_incomplete, result_.history_incomplete);
  }
  const candidates::Rejection* RejectionOf(std::string_view treatment) const {
    for (const candidates::Rejection& rejection : result_.rejected) {
      if (rejection.treatment == strategy_->catalog.Find(treatment)) return &rejection;
    }
    return nullptr;
  }
  // The reason's name; empty when the treatment was kept.
  std::string Reason(std::string_view treatment, int64_t at, std::string_view channel = "app") {
    Apply(at, channel);
    const candidates::Rejection* rejection = RejectionOf(treatment);
    return rejection == nullptr ? "" : std::string(candidates::ReasonName(rejection->reason));
  }
  // Of the last Apply, relative to kNow.
  std::optional<int64_t> AllowedFromOf(std::string_view treatment) const {
    const auto from =
        AllowedFrom(strategy_->contact, result_.contact, strategy_->catalog.Find(treatment));
    if (!from) return std::nullopt;
    return *from - kNow;
  }
  std::string SentenceOf(std::string_view treatment) const {
    const candidates::Rejection* rejection = RejectionOf(treatment);
    if (rejection == nullptr) return "";
    std::string sentence;
    AppendContactSentence(strategy_->contact, strategy_->catalog, result_.contact,
                          ExplainContact(strategy_->contact, result_.contact, *rejection),
                          sentence);
    return sentence;
  }

  testing::StrategyBuilder builder_;
  const std::shared_ptr<strategy::Strategy> strategy_;
  storage::Record record_;
  context::DecisionContext context_;
  std::vector<ValueRef> features_;
  PolicyResult result_;
  SharedHistory shared_;
  PolicyResult of_shared_;
};

}  // namespace attune::policy

#endif  // ATTUNE_TESTS_UNIT_POLICY_CONTACT_FIXTURE_H_
