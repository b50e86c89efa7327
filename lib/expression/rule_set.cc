#include "lib/expression/rule_set.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "lib/base/absl_strings.h"
#include "lib/base/text.h"
#include "lib/expression/checker.h"
#include "lib/expression/explain_builder.h"
#include "lib/expression/parser.h"
#include "lib/expression/planner.h"

namespace attune::expression {

std::vector<uint32_t> RuleSet::UsedSlots(Scope scope) const {
  std::vector<uint32_t> slots;
  for (const Node& node : plan_->nodes) {
    if (ReadsSlot(node) && node.scope == scope) slots.push_back(node.slot);
  }
  std::sort(slots.begin(), slots.end());
  slots.erase(std::unique(slots.begin(), slots.end()), slots.end());
  return slots;
}

std::vector<Value> RuleSet::ConstantArguments(std::string_view function, size_t argument) const {
  std::vector<uint32_t> open;
  for (const Node& call : plan_->nodes) {
    if (call.op != Op::kHostCall || call.function->name != function) continue;
    if (argument < call.child_count) open.push_back(call.first_child + argument);
  }
  std::vector<Value> constants;
  std::vector<bool> seen(plan_->nodes.size(), false);
  while (!open.empty()) {
    const uint32_t index = open.back();
    open.pop_back();
    if (seen[index]) continue;
    seen[index] = true;
    const Node& node = plan_->nodes[index];
    if (node.op == Op::kConstant) constants.push_back(node.constant);
    if (node.op == Op::kMemo) open.push_back(node.first_child);
    if (node.op == Op::kConditional) {
      open.insert(open.end(), {node.first_child + 1, node.first_child + 2});
    }
  }
  return constants;
}

struct RuleSetBuilder::Compiled {
  std::unique_ptr<Ast> ast;
  uint32_t node = 0;
};

RuleSetBuilder::RuleSetBuilder(std::shared_ptr<Environment> environment, const Limits& limits)
    : environment_(std::move(environment)),
      rules_(new RuleSet),
      planner_(std::make_unique<Planner>(limits)) {
  rules_->limits_ = limits;
}

RuleSetBuilder::~RuleSetBuilder() = default;

std::unique_ptr<RuleSetBuilder::Compiled> RuleSetBuilder::Compile(std::string_view name,
                                                                  std::string_view text,
                                                                  const CompileOptions& options,
                                                                  IssueList& issues) {
  IssueReporter reporter(name, text, issues);
  auto compiled = std::make_unique<Compiled>();
  compiled->ast = Parse(text, rules_->limits_, reporter);
  if (compiled->ast == nullptr) return nullptr;
  // Also when it could not all be read: what is wrong with the rest is of interest too.
  Check(*compiled->ast, *environment_, rules_->limits_, {options.result, options.lenient},
        reporter);
  if (reporter.reported() > 0) return nullptr;
  compiled->node = planner_->Add(*compiled->ast->root, options.check_constants);
  for (const Planner::Problem& problem : planner_->problems()) {
    if (problem.severity == Issue::Severity::kError) {
      reporter.Report(problem.at, problem.message);
    } else {
      reporter.Warn(problem.at, problem.message);
    }
  }
  if (reporter.reported() > 0) return nullptr;
  const Node& root = planner_->node(compiled->node);
  const bool is_condition = options.result != nullptr && options.result->kind == TypeKind::kBool;
  if (options.check_constants && is_condition && root.scope == Scope::kConstant) {
    // Loops over constants are not computed here.
    const std::string always = root.op == Op::kConstant ? ToString(root.constant) : "the same";
    reporter.Warn(compiled->ast->root->range.begin,
                  absl::StrCat("always ", always, ", whatever the values are"));
  }
  return compiled;
}

std::optional<RuleId> RuleSetBuilder::Add(std::string_view name, std::string_view text,
                                          const CompileOptions& options, IssueList& issues) {
  RuleSet::Rule& rule = rules_->rules_.emplace_back();
  rule.text = std::string(text);
  // The rule's own copy: what was found in it refers to the text.
  const std::unique_ptr<Compiled> compiled = Compile(name, rule.text, options, issues);
  if (compiled == nullptr) {
    rules_->rules_.pop_back();
    return std::nullopt;
  }
  rule.type = ToString(compiled->ast->root->type);
  rule.scope = planner_->node(compiled->node).scope;
  rules_->roots_.push_back(compiled->node);
  if (options.for_many_candidates) planner_->Repeat(compiled->node);
  if (options.explain) {
    rule.tree = static_cast<int>(rules_->trees_.size());
    rules_->trees_.push_back(planner_->Explain(*compiled->ast->root));
    DescribeLeaves(rules_->trees_.back(), rule.text);
  }
  if (options.positions) {
    rule.positions = static_cast<int>(rules_->trees_.size());
    rules_->trees_.push_back(planner_->Positions(*compiled->ast->root));
  }
  return static_cast<RuleId>(rules_->rules_.size() - 1);
}

bool RuleSetBuilder::Define(std::string_view path, std::string_view name, std::string_view text,
                            const CompileOptions& options, IssueList& issues) {
  const std::unique_ptr<Compiled> compiled = Compile(name, text, options, issues);
  if (compiled == nullptr) return false;
  // The type must outlive the tree that it was found in.
  const Type* type = environment_->types().Parse(ToString(compiled->ast->root->type));
  if (type == nullptr) type = SimpleType(TypeKind::kDyn);  // nested beyond all measure
  const absl::Status added = environment_->AddDefinition(
      path, type, std::max(planner_->node(compiled->node).scope, Scope::kDecision),
      static_cast<int>(rules_->definitions_.size()));
  if (!added.ok()) {
    IssueReporter(name, text, issues).Report(0, std::string(added.message()));
    return false;
  }
  rules_->definitions_.push_back(planner_->Define(compiled->node));
  return true;
}

std::unique_ptr<const RuleSet> RuleSetBuilder::Build() {
  rules_->plan_ = planner_->Build(rules_->roots_, rules_->definitions_, rules_->trees_);
  rules_->environment_ = std::move(environment_);
  return std::move(rules_);
}

std::unique_ptr<const RuleSet> CompileOne(std::shared_ptr<Environment> environment,
                                          std::string_view name, std::string_view text,
                                          const CompileOptions& options, IssueList& issues,
                                          const Limits& limits) {
  RuleSetBuilder builder(std::move(environment), limits);
  if (!builder.Add(name, text, options, issues).has_value()) return nullptr;
  return builder.Build();
}

namespace {

class NameCollector {
 public:
  void Visit(const Expr& expr) {
    if (expr.kind == Expr::Kind::kIdent || expr.kind == Expr::Kind::kSelect) {
      std::string path;
      if (Path(expr, &path)) return Found(std::move(path));
    }
    if (expr.operand != nullptr) Visit(*expr.operand);
    for (const Expr* argument : expr.args) Visit(*argument);
    const size_t outer = locals_.size();
    if (expr.kind == Expr::Kind::kLoop) {
      locals_.insert(locals_.end(), expr.variables.begin(), expr.variables.end());
    }
    if (expr.filter != nullptr) Visit(*expr.filter);
    if (expr.body != nullptr) Visit(*expr.body);
    locals_.resize(outer);
  }

  std::vector<std::string> Take() { return std::move(names_); }

 private:
  static bool Path(const Expr& expr, std::string* path) {
    if (expr.kind == Expr::Kind::kIdent) {
      *path = std::string(expr.name);
      return true;
    }
    if (expr.kind != Expr::Kind::kSelect || !Path(*expr.operand, path)) return false;
    path->append(".").append(expr.name);
    return true;
  }

  void Found(std::string path) {
    const std::string_view first = std::string_view(path).substr(0, path.find('.'));
    if (std::find(locals_.begin(), locals_.end(), first) != locals_.end()) return;
    if (std::find(names_.begin(), names_.end(), path) == names_.end()) {
      names_.push_back(std::move(path));
    }
  }

  std::vector<std::string> names_;
  std::vector<std::string_view> locals_;
};

}  // namespace

std::vector<std::string> NamesIn(std::string_view text, const Limits& limits) {
  IssueList issues;
  IssueReporter reporter("", text, issues);
  const std::unique_ptr<Ast> ast = Parse(text, limits, reporter);
  if (ast == nullptr || reporter.reported() > 0) return {};
  NameCollector collector;
  collector.Visit(*ast->root);
  return collector.Take();
}

}  // namespace attune::expression
