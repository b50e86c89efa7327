#ifndef ATTUNE_LIB_EXPRESSION_RULE_SET_H_
#define ATTUNE_LIB_EXPRESSION_RULE_SET_H_

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/issue.h"
#include "lib/expression/environment.h"
#include "lib/expression/explain_tree.h"
#include "lib/expression/limits.h"
#include "lib/expression/plan.h"

namespace attune::expression {

class Planner;

// Which expression of a rule set: 0, 1, 2, ... in the order in which they were added. Equal
// expressions have numbers of their own and share their work.
using RuleId = uint32_t;

// How an expression is compiled.
struct CompileOptions {
  // What it must yield; null: anything.
  const Type* result = nullptr;
  // Names and types are checked only when it is evaluated.
  bool lenient = false;
  // What fails whatever the variables hold, as duration('7d') does, is an issue; a condition (whose
  // result is to be bool) that always comes to the same is a doubtful one.
  bool check_constants = false;
  // It is evaluated for many candidates of a decision: what it comes to is remembered where it does
  // not depend on them.
  bool for_many_candidates = true;
  // Keep what Explain() (lib/expression/explanation.h) needs.
  bool explain = true;
  // Keep what FailedAt() needs, there, too: for one who wants to see where an evaluation failed.
  bool positions = false;
};

// Many expressions compiled together: equal parts of them are computed once. Immutable and
// thread-safe; an Evaluator runs it.
class RuleSet {
 public:
  size_t size() const { return rules_.size(); }
  std::string_view text(RuleId rule) const { return rules_[rule].text; }
  // For people: "bool", "list(string)".
  const std::string& type(RuleId rule) const { return rules_[rule].type; }
  // kCandidate when the result may differ among the candidates of a decision.
  Scope scope(RuleId rule) const { return rules_[rule].scope; }

  // The slots of this scope that any expression may look at, ascending: no others need a value.
  std::vector<uint32_t> UsedSlots(Scope scope) const;

  // The constants that any expression passes to a function of the host as this argument (a receiver
  // is argument 0), and those that a condition chooses among. Valid as long as the rule set.
  std::vector<Value> ConstantArguments(std::string_view function, size_t argument) const;

  // For the evaluator and for explanations.
  const Plan& plan() const { return *plan_; }
  const Limits& limits() const { return limits_; }
  uint32_t root(RuleId rule) const { return roots_[rule]; }
  uint32_t definition(int number) const { return definitions_[static_cast<size_t>(number)]; }
  const ExplainNode* explain_tree(RuleId rule) const { return TreeAt(rules_[rule].tree); }
  const ExplainNode* positions(RuleId rule) const { return TreeAt(rules_[rule].positions); }

 private:
  friend class RuleSetBuilder;
  struct Rule {
    std::string text;
    std::string type;
    Scope scope = Scope::kConstant;
    int tree = -1;       // in trees_
    int positions = -1;  // there, too
  };
  const ExplainNode* TreeAt(int index) const {
    return index < 0 ? nullptr : &trees_[static_cast<size_t>(index)];
  }

  RuleSet() = default;

  Limits limits_;
  std::shared_ptr<const Environment> environment_;
  std::deque<Rule> rules_;
  std::vector<uint32_t> roots_;        // nodes, by rule
  std::vector<uint32_t> definitions_;  // nodes, by number
  std::vector<ExplainNode> trees_;
  std::unique_ptr<const Plan> plan_;
};

// Compiles expressions into a rule set. Not thread-safe.
class RuleSetBuilder {
 public:
  // Definitions are added to the environment, which nobody else may change meanwhile.
  explicit RuleSetBuilder(std::shared_ptr<Environment> environment, const Limits& limits = {});
  ~RuleSetBuilder();

  // nullopt when something is wrong: `issues` tells what, with `name` in place of the file. What is
  // only doubtful is told there too.
  std::optional<RuleId> Add(std::string_view name, std::string_view text,
                            const CompileOptions& options, IssueList& issues);

  // As RuleSet::type. REQUIRES: Add returned this number.
  const std::string& type(RuleId rule) const { return rules_->type(rule); }

  // Makes `path` stand for an expression: computed when it is first needed, once per decision or
  // candidate. May name what was declared or defined before. False when something is wrong.
  bool Define(std::string_view path, std::string_view name, std::string_view text,
              const CompileOptions& options, IssueList& issues);

  // The rule set. REQUIRES: called once, last.
  std::unique_ptr<const RuleSet> Build();

 private:
  struct Compiled;
  std::unique_ptr<Compiled> Compile(std::string_view name, std::string_view text,
                                    const CompileOptions& options, IssueList& issues);

  std::shared_ptr<Environment> environment_;
  std::unique_ptr<RuleSet> rules_;
  std::unique_ptr<Planner> planner_;
};

// One expression as a rule set of its own; null when something is wrong.
std::unique_ptr<const RuleSet> CompileOne(std::shared_ptr<Environment> environment,
                                          std::string_view name, std::string_view text,
                                          const CompileOptions& options, IssueList& issues,
                                          const Limits& limits = {});

// The dotted names that an expression refers to, each once, without those of its loops: what must
// be defined before it. Empty when it can't be read; then Add reports why.
std::vector<std::string> NamesIn(std::string_view text, const Limits& limits = {});

}  // namespace attune::expression

#endif  // ATTUNE_LIB_EXPRESSION_RULE_SET_H_
