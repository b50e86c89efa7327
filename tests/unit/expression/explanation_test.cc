#include "lib/expression/explanation.h"

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace attune::expression {
namespace {

struct ExplainCase {
  const char* name;
  std::string expr;
  std::string expected;  // "text: description" per finding
};

bool IsHidden(const SeenValue& seen) { return seen.variable->path == "customer.score"; }

std::string ExplainRule(const std::string& expr) {
  auto environment = std::make_shared<Environment>();
  const auto add = [&](std::string_view path, std::string_view type, uint32_t slot) {
    environment->AddVariable(path, environment->types().Parse(type), Scope::kDecision, slot)
        .IgnoreError();
  };
  add("customer.open_incidents", "int", 0);
  add("customer.plan", "string", 1);
  add("customer.score", "double", 2);
  add("customer.vip", "bool", 3);
  add("customer.tags", "list(string)", 4);
  const LazyBody hour = [](CallContext&, const void*) { return Value::Int(14); };
  environment->AddLazyVariable("hour", SimpleType(TypeKind::kInt), Scope::kDecision, hour, nullptr)
      .IgnoreError();
  RuleSetBuilder builder(environment);
  IssueList issues;
  builder.Define("busy", "f", "customer.open_incidents > 1", {}, issues);
  const auto rule = builder.Add("rule", expr, {}, issues);
  if (!rule.has_value()) return issues.ToString();
  const auto rules = builder.Build();
  const Value slots[] = {Value::Int(2), Value::String("gold").Absent(), Value::Double(0.5),
                         Value::Bool(false), Value::EncodedList("\x01x")};
  Evaluator evaluator(*rules);
  evaluator.StartDecision(slots);
  Findings findings;
  Explain(evaluator, *rule, findings);
  const auto append_seen = [&](size_t seen, TextBuffer& out) {
    const SeenValue& value = findings.seen[seen];
    out += IsHidden(value) ? std::string(" is hidden") : " = " + ToString(value.value);
    if (!value.value.present()) out += " (not known)";
  };
  std::string text;
  for (const Finding& finding : findings.parts) {
    const auto seen = findings.SeenBy(finding);
    text.append(finding.part->text).append(": ");
    {
      TextBuffer buffer(text);
      AppendDescription(findings, finding, std::any_of(seen.begin(), seen.end(), IsHidden),
                        append_seen, buffer);
    }
    text += "\n";
    if (finding.result.is_error()) text += ToString(finding.result) + "\n";
  }
  return text;
}

TEST(ExpressionExplanationTest, FindsWhatDecided) {
  const ExplainCase cases[] = {
      {"true", "customer.open_incidents == 2", ""},
      {"comparison", "customer.open_incidents == 0",
       "customer.open_incidents == 0: customer.open_incidents = 2, needed 0\n"},
      {"two variables", "customer.open_incidents > hour",
       "customer.open_incidents > hour: customer.open_incidents = 2, hour = 14, needed "
       "customer.open_incidents > 14\n"},
      {"two variables, negated", "!(customer.open_incidents <= hour)",
       "!(customer.open_incidents <= hour): customer.open_incidents = 2, hour = 14, needed "
       "customer.open_incidents > 14\n"},
      {"two computed", "customer.open_incidents * 2 >= hour + 1",
       "customer.open_incidents * 2 >= hour + 1: customer.open_incidents = 2, hour = 14, "
       "customer.open_incidents * 2 = 4, needed customer.open_incidents * 2 >= 15\n"},
      {"in a variable", "customer.plan in customer.tags",
       "customer.plan in customer.tags: customer.plan = \"gold\" (not known), customer.tags = "
       "[\"x\"], needed customer.plan one of [\"x\"]\n"},
      {"equal to a variable", "'g' + customer.plan == customer.plan",
       "'g' + customer.plan == customer.plan: customer.plan = \"gold\" (not known), 'g' + "
       "customer.plan = \"ggold\", needed 'g' + customer.plan == \"gold\"\n"},
      {"what is constant is not measured", "cel.bind(x, 5, x * 2) < customer.open_incidents",
       "cel.bind(x, 5, x * 2) < customer.open_incidents: customer.open_incidents = 2, needed "
       "customer.open_incidents > 10\n"},
      {"a constant in something computed", "'y' in customer.tags.map(t, t + '1')",
       "'y' in customer.tags.map(t, t + '1'): customer.tags = [\"x\"], "
       "customer.tags.map(t, t + '1') = [\"x1\"], needed to contain \"y\"\n"},
      {"the other side fails", "customer.open_incidents > 1 / (hour - 14)",
       "customer.open_incidents > 1 / (hour - 14): customer.open_incidents = 2, hour = 14\n"
       "error: division by zero\n"},
      {"the other side is hidden", "customer.open_incidents > int(customer.score * 10.0)",
       "customer.open_incidents > int(customer.score * 10.0): customer.open_incidents = 2, "
       "customer.score is hidden\n"},
      {"first false part", "hour > 3 && customer.open_incidents < 2 && customer.vip",
       "customer.open_incidents < 2: customer.open_incidents = 2, needed < 2\n"},
      {"constant first", "2 > customer.open_incidents",
       "2 > customer.open_incidents: customer.open_incidents = 2, needed < 2\n"},
      {"all parts of an or", "customer.vip || customer.open_incidents > 5",
       "customer.vip: customer.vip = false, needed true\n"
       "customer.open_incidents > 5: customer.open_incidents = 2, needed > 5\n"},
      {"or within and", "true && (customer.vip || hour > 20)",
       "customer.vip: customer.vip = false, needed true\n"
       "hour > 20: hour = 14, needed > 20\n"},
      {"absent", "customer.plan != 'gold'",
       "customer.plan != 'gold': customer.plan = \"gold\" (not known), needed not \"gold\"\n"},
      {"presence", "has(customer.plan)",
       "has(customer.plan): customer.plan = \"gold\" (not known), needed to be known\n"},
      {"negation", "!(customer.open_incidents >= 2)",
       "!(customer.open_incidents >= 2): customer.open_incidents = 2, needed < 2\n"},
      {"one of", "customer.plan in ['a', 'b']",
       "customer.plan in ['a', 'b']: customer.plan = \"gold\" (not known), needed one of [\"a\", "
       "\"b\"]\n"},
      {"contains", "'y' in customer.tags",
       "'y' in customer.tags: customer.tags = [\"x\"], needed to contain \"y\"\n"},
      {"hidden", "customer.score > 0.9 && true",
       "customer.score > 0.9: customer.score is hidden\n"},
      {"several variables", "customer.score * 2.0 > double(customer.open_incidents)",
       "customer.score * 2.0 > double(customer.open_incidents): customer.score is hidden, "
       "customer.open_incidents = 2\n"},
      {"computed", "size(customer.tags) * 2 >= 4",
       "size(customer.tags) * 2 >= 4: customer.tags = [\"x\"], size(customer.tags) * 2 = 2, needed "
       ">= 4\n"},
      {"computed from what is hidden", "customer.score * 2.0 > 3.0",
       "customer.score * 2.0 > 3.0: customer.score is hidden\n"},
      {"loop", "customer.tags.exists(t, t == customer.plan)",
       "customer.tags.exists(t, t == customer.plan): customer.tags = [\"x\"], customer.plan = "
       "\"gold\" (not known)\n"},
      {"conditional", "customer.vip ? true : customer.open_incidents < 1",
       "customer.open_incidents < 1: customer.open_incidents = 2, needed < 1\n"},
      {"definition", "!busy", "!busy: busy = true, needed false\n"},
      {"error", "1 / (customer.open_incidents - 2) > 0 && hour > 1",
       "1 / (customer.open_incidents - 2) > 0: customer.open_incidents = 2\n"
       "error: division by zero\n"},
      {"false goes before an error", "1 / (customer.open_incidents - 2) > 0 && customer.vip",
       "customer.vip: customer.vip = false, needed true\n"},
      {"error of a condition", "1 / (customer.open_incidents - 2) > 0 ? true : false",
       "1 / (customer.open_incidents - 2) > 0: customer.open_incidents = 2\n"
       "error: division by zero\n"},
  };
  for (const ExplainCase& c : cases) EXPECT_EQ(ExplainRule(c.expr), c.expected) << c.name;
}

TEST(ExpressionExplanationTest, NeedsWhatWasKept) {
  CompileOptions options;
  options.explain = false;
  IssueList issues;
  const auto rules = CompileOne(std::make_shared<Environment>(), "r", "false", options, issues);
  Evaluator evaluator(*rules);
  Findings findings;
  Explain(evaluator, 0, findings);
  EXPECT_TRUE(findings.parts.empty());
}

}  // namespace
}  // namespace attune::expression
