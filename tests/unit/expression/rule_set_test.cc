#include "lib/expression/rule_set.h"

#include <memory>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "lib/base/codec.h"
#include "lib/expression/evaluator.h"

namespace attune::expression {
namespace {

// What a host has: a history behind an opaque receiver, and counters of how often it was asked.
struct Host {
  int history_calls = 0;
  int lazy_calls = 0;
  int shows = 3;
};

Value CountOutcomes(CallContext& context, const void* data, const Value* args, size_t) {
  auto* host = static_cast<Host*>(context.host());
  ++host->history_calls;
  EXPECT_EQ(data, nullptr);
  EXPECT_EQ(args[0].object(), host);
  return Value::Int(args[1].text() == "shown" ? host->shows : 0);
}

Value LocalHour(CallContext& context, const void* data) {
  ++static_cast<Host*>(context.host())->lazy_calls;
  return Value::Int(*static_cast<const int*>(data));
}

class RuleSetTest : public ::testing::Test {
 protected:
  RuleSetTest() {
    const auto add = [&](std::string_view path, std::string_view type, Scope scope, uint32_t slot) {
      EXPECT_TRUE(
          environment_->AddVariable(path, environment_->types().Parse(type), scope, slot).ok());
    };
    add("customer.plan", "string", Scope::kDecision, 0);
    add("customer.incidents", "int", Scope::kDecision, 1);
    add("customer.tags", "list(string)", Scope::kDecision, 2);
    add("history", "history", Scope::kDecision, 3);
    add("customer.vip", "bool", Scope::kDecision, 4);
    add("treatment.margin", "double", Scope::kCandidate, 0);
    EXPECT_TRUE(environment_
                    ->AddLazyVariable("context.hour", SimpleType(TypeKind::kInt), Scope::kDecision,
                                      LocalHour, &hour_)
                    .ok());
    EXPECT_TRUE(environment_
                    ->AddFunction("count", "history.(string) -> int", Scope::kDecision,
                                  CountOutcomes, nullptr)
                    .ok());
    for (const char* tag : {"fibre", "family"}) PutBytes(tags_, tag);
    decision_ = {Value::String("gold"), Value::Int(2), Value::EncodedList(tags_),
                 Value::Opaque(&host_, 0), Value::Bool(true)};
    candidate_ = {Value::Double(5.5)};
  }

  RuleId Add(std::string_view text) {
    IssueList issues;
    const std::optional<RuleId> rule = builder_.Add("rule", text, {}, issues);
    EXPECT_TRUE(rule.has_value()) << issues.ToString();
    return rule.value_or(0);
  }

  // Ends the building.
  Evaluator& Evaluate() {
    rules_ = builder_.Build();
    evaluator_ = std::make_unique<Evaluator>(*rules_);
    evaluator_->set_host(&host_);
    evaluator_->StartDecision(decision_.data());
    evaluator_->StartCandidate(candidate_.data());
    return *evaluator_;
  }

  const int hour_ = 14;
  Host host_;
  std::string tags_;
  std::vector<Value> decision_;
  std::vector<Value> candidate_;
  std::shared_ptr<Environment> environment_ = std::make_shared<Environment>();
  RuleSetBuilder builder_{environment_};
  std::unique_ptr<const RuleSet> rules_;
  std::unique_ptr<Evaluator> evaluator_;
};

TEST_F(RuleSetTest, ReadsVariablesOfBothScopes) {
  const RuleId plan = Add("customer.plan == 'gold' && customer.incidents < 3");
  const RuleId margin = Add("treatment.margin > 5.0");
  const RuleId vip = Add("customer.vip");
  const RuleId value = Add("customer.plan + '!'");
  Evaluator& evaluator = Evaluate();
  EXPECT_EQ(evaluator.Test(plan), Verdict::kTrue);
  EXPECT_EQ(evaluator.Test(margin), Verdict::kTrue);
  EXPECT_EQ(evaluator.Test(vip), Verdict::kTrue);
  EXPECT_EQ(ToString(evaluator.Evaluate(value)), "\"gold!\"");
  EXPECT_EQ(rules_->scope(plan), Scope::kDecision);
  EXPECT_EQ(rules_->scope(margin), Scope::kCandidate);
  EXPECT_EQ(rules_->type(value), "string");
  EXPECT_EQ(rules_->size(), 4u);
}

TEST_F(RuleSetTest, EveryFusedComparison) {
  struct Case {
    const char* expr;
    bool expected;
  };
  const Case cases[] = {
      {"customer.incidents == 2", true},
      {"customer.incidents != 2", false},
      {"customer.incidents < 3", true},
      {"customer.incidents <= 1", false},
      {"customer.incidents > 1", true},
      {"customer.incidents >= 3", false},
      {"2 == customer.incidents", true},
      {"1 > customer.incidents", false},
      {"1 >= customer.incidents", false},
      {"3 < customer.incidents", false},
      {"2 <= customer.incidents", true},
      {"treatment.margin == 5.5", true},
      {"treatment.margin != 5.5", false},
      {"treatment.margin < 5.5", false},
      {"treatment.margin <= 5.5", true},
      {"treatment.margin > 5.0", true},
      {"treatment.margin >= 6.0", false},
      {"treatment.margin > 5", true},
      {"customer.plan == 'gold'", true},
      {"customer.plan != 'gold'", false},
      {"customer.plan < 'h'", true},
      {"customer.plan in ['gold', 'silver']", true},
      {"!(customer.plan in ['silver'])", true},
      {"'fibre' in customer.tags", true},
      {"'x' in customer.tags", false},
      {"customer.tags[1] == 'family'", true},
      {"size(customer.tags) == 2", true},
      {"customer.tags == ['fibre', 'family']", true},
      {"customer.tags + ['x'] == ['fibre', 'family', 'x']", true},
      {"customer.plan in ['a','b','c','d','e','f','g','gold']", true},
      {"customer.incidents in [10,11,12,13,14,15,16,2]", true},
      {"customer.plan.matches('^g.*d$')", true},
  };
  std::vector<RuleId> rules;
  for (const Case& c : cases) rules.push_back(Add(c.expr));
  Evaluator& evaluator = Evaluate();
  for (size_t i = 0; i < rules.size(); ++i) {
    EXPECT_EQ(evaluator.Test(rules[i]), cases[i].expected ? Verdict::kTrue : Verdict::kFalse)
        << cases[i].expr;
  }
}

TEST_F(RuleSetTest, AMissingValueIsAnErrorAndAnAbsentOneHasItsDefault) {
  const RuleId compare = Add("customer.incidents < 3");
  const RuleId known = Add("has(customer.incidents)");
  const RuleId real = Add("treatment.margin > 1.0");
  const RuleId text = Add("customer.plan == 'x'");
  const RuleId matches = Add("customer.plan.matches('x')");
  Evaluator& evaluator = Evaluate();
  EXPECT_EQ(evaluator.Test(known), Verdict::kTrue);
  decision_[1] = Value::Int(0).Absent();
  evaluator.StartDecision(decision_.data());
  EXPECT_EQ(evaluator.Test(known), Verdict::kFalse);
  EXPECT_EQ(evaluator.Test(compare), Verdict::kTrue);
  decision_[1] = decision_[0] = candidate_[0] = Value();
  evaluator.StartDecision(decision_.data());
  evaluator.StartCandidate(candidate_.data());
  EXPECT_EQ(evaluator.Test(known), Verdict::kFalse);
  for (const RuleId rule : {compare, real, text, matches}) {
    EXPECT_EQ(evaluator.Test(rule), Verdict::kError);
    EXPECT_EQ(evaluator.error().error_code(), ErrorCode::kMissingValue);
  }
  // A value of another type than was declared is an error, not a crash.
  decision_[0] = Value::Int(1);
  evaluator.StartDecision(decision_.data());
  EXPECT_EQ(evaluator.Test(text), Verdict::kFalse);
  EXPECT_EQ(evaluator.Test(matches), Verdict::kError);
  EXPECT_EQ(evaluator.error().error_code(), ErrorCode::kNoOverload);
}

TEST_F(RuleSetTest, SharedPartsAreComputedOncePerDecision) {
  const RuleId a = Add("history.count('shown') < 4 && treatment.margin > 1.0");
  const RuleId b = Add("treatment.margin > 2.0 && history.count('shown') < 4");
  const RuleId c = Add("history.count('shown') < 4");
  Evaluator& evaluator = Evaluate();
  for (int candidate = 0; candidate < 10; ++candidate) {
    evaluator.StartCandidate(candidate_.data());
    for (const RuleId rule : {a, b, c}) EXPECT_EQ(evaluator.Test(rule), Verdict::kTrue);
  }
  EXPECT_EQ(host_.history_calls, 1);
  host_.shows = 9;
  evaluator.StartDecision(decision_.data());
  evaluator.StartCandidate(candidate_.data());
  for (const RuleId rule : {a, b, c}) EXPECT_EQ(evaluator.Test(rule), Verdict::kFalse);
  EXPECT_EQ(host_.history_calls, 2);
}

TEST_F(RuleSetTest, CandidatesAreToldApart) {
  const std::string shared = "(treatment.margin > 5.0 || treatment.margin < -5.0)";
  const RuleId a = Add(shared + " && customer.vip");
  const RuleId b = Add(shared + " && customer.incidents == 2");
  Evaluator& evaluator = Evaluate();
  const Value low = Value::Double(1);
  const Value high = Value::Double(9);
  for (const Value* candidate : {&low, &high, &low}) {
    evaluator.StartCandidate(candidate);
    const Verdict expected = candidate == &high ? Verdict::kTrue : Verdict::kFalse;
    EXPECT_EQ(evaluator.Test(a), expected);
    EXPECT_EQ(evaluator.Test(b), expected);
  }
}

TEST_F(RuleSetTest, LazyVariablesAreAskedOnceAndOnlyWhenNeeded) {
  const RuleId unneeded = Add("customer.incidents > 100 && context.hour > 3");
  const RuleId needed = Add("context.hour > 3 && context.hour < 20 && has(context.hour)");
  Evaluator& evaluator = Evaluate();
  EXPECT_EQ(evaluator.Test(unneeded), Verdict::kFalse);
  EXPECT_EQ(host_.lazy_calls, 0);
  EXPECT_EQ(evaluator.Test(needed), Verdict::kTrue);
  EXPECT_EQ(evaluator.Test(needed), Verdict::kTrue);
  EXPECT_EQ(host_.lazy_calls, 1);
}

TEST_F(RuleSetTest, DefinitionsStandForTheirExpressions) {
  IssueList issues;
  ASSERT_TRUE(builder_.Define("derived.busy", "f", "history.count('shown') > 2", {}, issues));
  ASSERT_TRUE(builder_.Define("derived.net", "f", "treatment.margin - 1.0", {}, issues));
  EXPECT_FALSE(builder_.Define("derived.net", "f", "1", {}, issues));
  EXPECT_FALSE(builder_.Define("derived.other", "f", "1 +", {}, issues));
  const RuleId busy = Add("derived.busy && treatment.margin > 1.0");
  const RuleId net = Add("derived.net == 4.5 && derived.busy && has(derived.net)");
  Evaluator& evaluator = Evaluate();
  for (int i = 0; i < 5; ++i) {
    evaluator.StartCandidate(candidate_.data());
    EXPECT_EQ(evaluator.Test(busy), Verdict::kTrue);
    EXPECT_EQ(evaluator.Test(net), Verdict::kTrue);
  }
  EXPECT_EQ(host_.history_calls, 1);
  EXPECT_EQ(rules_->scope(busy), Scope::kCandidate);
}

TEST_F(RuleSetTest, HostFunctionsAreCalledOnlyWithTheirTypes) {
  CompileOptions lenient;
  lenient.lenient = true;
  IssueList issues;
  const RuleId wrong = *builder_.Add("rule", "history.count(dyn(1)) == 0", lenient, issues);
  Evaluator& evaluator = Evaluate();
  EXPECT_EQ(evaluator.Test(wrong), Verdict::kError);
  EXPECT_EQ(host_.history_calls, 0);
}

TEST_F(RuleSetTest, FailedExpressionsLeaveNoTrace) {
  IssueList issues;
  EXPECT_FALSE(builder_.Add("rule", "customer.plan ==", {}, issues).has_value());
  EXPECT_FALSE(builder_.Add("rule", "customer.nope", {}, issues).has_value());
  EXPECT_EQ(issues.errors(), 2u);
  EXPECT_EQ(Add("customer.vip"), 0u);
  EXPECT_EQ(Evaluate().Test(0), Verdict::kTrue);
}

}  // namespace
}  // namespace attune::expression
