// Parses, checks and evaluates any text; compares with the evaluator that walks the tree. The first
// byte chooses between checked and lenient, the rest is the expression.

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <string>

#include "lib/base/codec.h"
#include "lib/expression/checker.h"
#include "lib/expression/evaluator.h"
#include "lib/expression/explanation.h"
#include "lib/expression/parser.h"
#include "tests/testing/expression_tree_evaluator.h"

namespace attune::expression {
namespace {

struct World {
  std::shared_ptr<Environment> environment = std::make_shared<Environment>();
  std::map<std::string, Value> values;
  std::vector<Value> slots;
  std::string tags;

  World() {
    for (const char* tag : {"a", "bc", ""}) PutBytes(tags, tag);
    Add("i", "int", Value::Int(-3));
    Add("u", "uint", Value::Uint(7));
    Add("d", "double", Value::Double(2.5));
    Add("s", "string", Value::String("Tacocat\xC3\xA9"));
    Add("b", "bool", Value::Bool(true));
    Add("y", "bytes", Value::Bytes("\xFF\x01"));
    Add("l", "list(string)", Value::EncodedList(tags));
    Add("t", "timestamp", Value::Timestamp(1'700'000'000, 5));
    Add("x.y", "dyn", Value::Null());
    Add("x.absent", "int", Value::Int(1).Absent());
    Add("x.missing", "int", Value());
  }
  void Add(const char* path, const char* type, const Value& value) {
    const Type* parsed = environment->types().Parse(type);
    environment->AddVariable(path, parsed, Scope::kDecision, static_cast<uint32_t>(slots.size()))
        .IgnoreError();
    slots.push_back(value);
    values[path] = value;
  }
};

bool Same(const Value& a, const Value& b) {
  if (a.is_error() || b.is_error()) return a.is_error() == b.is_error();
  if (a.kind() == Kind::kDouble && b.kind() == Kind::kDouble && std::isnan(a.double_value())) {
    return std::isnan(b.double_value());
  }
  return ToString(a, 100'000) == ToString(b, 100'000);
}

bool IsLimit(const Value& value) {
  return value.is_error() && (value.error_code() == ErrorCode::kCostLimit ||
                              value.error_code() == ErrorCode::kSizeLimit);
}

void RunOne(std::string_view text, bool lenient) {
  World world;
  Limits limits;
  limits.max_source_bytes = 2000;
  limits.max_steps = 20'000;
  limits.max_string_bytes = 10'000;
  limits.max_elements = 2000;
  limits.max_arena_bytes = 1'000'000;
  IssueList issues;
  CompileOptions options;
  options.lenient = lenient;
  const auto rules = CompileOne(world.environment, "fuzz", text, options, issues, limits);
  if (rules == nullptr) {
    issues.ToString();
    return;
  }
  Evaluator evaluator(*rules);
  evaluator.StartDecision(world.slots.data());
  const Value got = evaluator.Evaluate(0);
  std::string described;
  Findings findings;
  Explain(evaluator, 0, findings);
  const auto append_seen = [&](size_t seen, TextBuffer& out) {
    out += ToString(findings.seen[seen].value);
  };
  for (const Finding& finding : findings.parts) {
    {
      TextBuffer buffer(described);
      AppendDescription(findings, finding, /*hides=*/false, append_seen, buffer);
    }
    if (finding.comparison != nullptr) {
      AppendCondition(*finding.comparison, finding.needed, described);
    }
  }

  IssueReporter reporter("fuzz", text, issues);
  const std::unique_ptr<Ast> ast = Parse(text, limits, reporter);
  Check(*ast, *world.environment, limits, {nullptr, lenient}, reporter);
  TreeEvaluator tree(world.values, limits);
  const Value expected = tree.Evaluate(*ast->root);
  // The two count steps differently.
  if (IsLimit(got) || IsLimit(expected) || Same(got, expected)) return;
  std::fprintf(stderr, "expression: %.*s\nevaluator: %s\ntree:      %s\n",
               static_cast<int>(text.size()), text.data(), ToString(got).c_str(),
               ToString(expected).c_str());
  std::abort();
}

}  // namespace
}  // namespace attune::expression

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  attune::expression::RunOne(text, data[0] % 2 == 1);
  return 0;
}
