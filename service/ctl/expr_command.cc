#include "service/ctl/expr_command.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/time.h"
#include "lib/base/absl_strings.h"
#include "lib/base/issue.h"
#include "lib/base/text.h"
#include "lib/expression/cel_text.h"
#include "lib/expression/evaluator.h"
#include "lib/expression/explanation.h"
#include "lib/expression/number_text.h"
#include "lib/expression/rule_set.h"
#include "lib/expression/source.h"
#include "lib/policy/engagement_rules.h"
#include "lib/policy/formulas.h"
#include "lib/storage/name_dictionary.h"
#include "lib/strategy/engagement_compiler.h"
#include "lib/strategy/strategy_loader.h"
#include "lib/strategy/yaml_reader.h"
#include "service/ctl/issue_json.h"
#include "service/ctl/json.h"
#include "service/ctl/table.h"
#include "service/stored_files.h"

namespace attune::ctl {
namespace {

using expression::Environment;
using expression::Kind;
using expression::Type;
using expression::Value;

// A result that is longer as text is not printed.
constexpr size_t kMaxPrintedBytes = 1 << 20;

constexpr char kExprFooter[] =
    R"(EXPR is an expression in CEL, the language of a strategy's rules; lib/expression/README.md
says what of it there is. The result is printed as an expression that yields it.

VALUE is an expression that names nothing: 30, 5.5, true, "gold", ["a", "b"],
duration("36h"). A date or a time such as 2026-03-01T10:00:00Z is a timestamp. What is no
expression and has neither quotes nor brackets is a string: gold, mobile_m.

With --check nothing is evaluated: the type is printed. With --strategy the expression
sees what rules of that strategy see: customer.<feature>, context.channel, history.all;
with --priority also what its formula of the priority sees: propensity, context_weight,
value, lever and cost.

Exit status: 0 it worked, 1 the expression is wrong or can't be evaluated (with --json the
code is WRONG_EXPRESSION or EVALUATION_FAILED), or the strategy has errors, 2 wrong usage.

Examples:
  attunectl expr 'customer.age >= 18 && customer.plan != "mobile_s"' \
      --var customer.age=30 --var customer.plan=mobile_m
  attunectl expr 'now - duration("36h")' --var now=2026-03-01T10:00:00Z
  attunectl expr --var x=1 -- '-x + 1'
  attunectl expr --check 'customer.nps > 8 && has(customer.tenure_months)' \
      --strategy deploy/example/telecom.yaml
  attunectl expr --check --priority 'propensity * value - 2.0 * cost' \
      --strategy deploy/example/telecom.yaml

)";

struct ExprFlags {
  std::string text;
  std::vector<std::string> variables;
  bool check = false;
  bool priority = false;
  std::string strategy;
  std::vector<service::StoredFile> stored;
};

// "customer.age": names with dots between them.
bool IsPath(std::string_view text) {
  for (const absl::string_view name : absl::StrSplit(ToAbsl(text), '.')) {
    const bool is_name = !name.empty() && !absl::ascii_isdigit(name[0]) &&
                         std::all_of(name.begin(), name.end(),
                                     [](char c) { return absl::ascii_isalnum(c) || c == '_'; });
    if (!is_name) return false;
  }
  return true;
}

// Text without what only an expression would have.
bool IsBareText(std::string_view text) { return text.find_first_of("\"'()[]{}") == text.npos; }

// Integers beyond 2^53 are strings: readers would round them.
template <typename Integer>
Json IntegerJson(Integer number) {
  constexpr int64_t kMaxExact = int64_t{1} << 53;
  const bool is_exact =
      std::cmp_less_equal(number, kMaxExact) && std::cmp_greater_equal(number, -kMaxExact);
  return is_exact ? Json(number) : Json(absl::StrCat(number));
}

// The value in the words of JSON; what they lack is text.
Json ValueJson(const Value& value) {
  switch (value.kind()) {
    case Kind::kNull:
      return nullptr;
    case Kind::kBool:
      return value.bool_value();
    case Kind::kInt:
      return IntegerJson(value.int_value());
    case Kind::kUint:
      return IntegerJson(value.uint_value());
    case Kind::kDouble:
      if (!std::isfinite(value.double_value())) {
        return expression::DoubleToText(value.double_value());
      }
      return value.double_value();
    case Kind::kBytes:
      return absl::Base64Escape(ToAbsl(value.text()));
    case Kind::kTimestamp:
      return expression::TimestampToText(value);
    case Kind::kDuration:
      return expression::DurationToText(value);
    case Kind::kList:
    case Kind::kEncodedList: {
      Json list = Json::array();
      expression::ListReader reader(value);
      Value element;
      while (reader.Next(&element)) list.push_back(ValueJson(element));
      return list;
    }
    case Kind::kMap: {
      Json object = Json::object();
      for (uint32_t i = 0; i < value.map()->size; ++i) {
        const Value& key = value.map()->entries[i].key;
        const std::string name =
            key.kind() == Kind::kString ? std::string(key.text()) : expression::ToCel(key);
        object[name] = ValueJson(value.map()->entries[i].value);
      }
      return object;
    }
    default:
      return std::string(value.text());
  }
}

bool HasUnknownName(const IssueList& issues) {
  return std::any_of(issues.issues().begin(), issues.issues().end(),
                     [](const Issue& issue) { return issue.message.starts_with("unknown name"); });
}

// 2026-13-01, and whatever follows.
bool LooksLikeADate(std::string_view text) {
  constexpr std::string_view kPattern = "0000-0";
  return text.size() > kPattern.size() && text.find('-', kPattern.size()) <= kPattern.size() + 1 &&
         std::equal(kPattern.begin(), kPattern.end(), text.begin(), [](char pattern, char c) {
           return pattern == '0' ? c >= '0' && c <= '9' : c == pattern;
         });
}

// One use of the command. Not thread-safe.
class Expr {
 public:
  Expr(const Invocation& invocation, const ExprFlags& flags)
      : invocation_(invocation), flags_(flags), environment_(std::make_shared<Environment>()) {}

  int Run();

 private:
  // What is wrong with the command line, told; else nullopt.
  std::optional<int> DeclareVariables();
  // The value of a variable as it was written; nullopt when it is none: then `issues` tells why.
  std::optional<Value> ReadValue(const std::string& name, const std::string& text,
                                 std::string& type, IssueList& issues);
  bool DeclareStrategy();
  int Compile();
  int Evaluate(const expression::RuleSet& rules);
  int ReportFailed(expression::Evaluator& evaluator, const Value& error) const;
  int ReportWrong(const IssueList& issues, const char* code, int status) const;

  const Invocation& invocation_;
  const ExprFlags& flags_;
  std::shared_ptr<Environment> environment_;
  std::shared_ptr<const strategy::Strategy> strategy_;  // outlives what is compiled with it
  expression::Limits limits_;
  expression::Arena arena_;  // of the variables' values
  std::vector<Value> values_;
};

int Expr::Run() {
  if (!flags_.strategy.empty()) return DeclareStrategy() ? Compile() : kExitFailure;
  if (const std::optional<int> status = DeclareVariables()) return *status;
  return Compile();
}

bool Expr::DeclareStrategy() {
  storage::NameDictionary dictionary;
  IssueList issues;
  strategy::StrategySources sources = service::SourcesWith(flags_.stored);
  strategy_ = strategy::LoadStrategy(flags_.strategy, sources, dictionary, issues);
  if (strategy_ == nullptr) {
    ReportWrong(issues, "WRONG_STRATEGY", kExitFailure);
    return false;
  }
  environment_ = strategy::MakeEnvironment(*strategy_);
  if (flags_.priority) policy::DeclarePriorityTerms(*environment_);
  limits_ = policy::kExpressionLimits;
  return true;
}

std::optional<Value> Expr::ReadValue(const std::string& name, const std::string& text,
                                     std::string& type, IssueList& issues) {
  if (const std::optional<absl::Time> moment = strategy::ParseMoment(text)) {
    type = "timestamp";
    return Value::TimestampMicros(absl::ToUnixMicros(*moment));
  }
  // As an expression it would be a difference.
  if (LooksLikeADate(text)) {
    issues.Add({Issue::Severity::kError,
                {absl::StrCat("--var ", name), 0, 0},
                absl::StrCat(Quoted(text),
                             " is no time: write 2026-03-01 or "
                             "2026-03-01T10:00:00+01:00; a text that looks so needs quotes"),
                ""});
    return std::nullopt;
  }
  const auto rules =
      expression::CompileOne(std::make_shared<Environment>(), absl::StrCat("--var ", name), text,
                             expression::CompileOptions(), issues);
  if (rules == nullptr) {
    type = "string";
    if (!IsBareText(text)) return std::nullopt;
    return Value::String(arena_.Copy(text));
  }
  expression::Evaluator evaluator(*rules);
  evaluator.StartDecision(nullptr);
  const Value value = evaluator.Evaluate(0);
  if (value.is_error()) {
    issues.Add({Issue::Severity::kError,
                {absl::StrCat("--var ", name), 0, 0},
                std::string(value.error_message()),
                ""});
    return std::nullopt;
  }
  type = rules->type(0);
  return expression::DeepCopy(value, arena_);
}

std::optional<int> Expr::DeclareVariables() {
  const auto refuse = [&](const std::string& message) {
    ReportError(invocation_.console, invocation_.options, message);
    return kExitUsage;
  };
  values_.reserve(flags_.variables.size());
  for (const std::string& variable : flags_.variables) {
    const size_t split = variable.find('=');
    const std::string name = variable.substr(0, split);
    if (!IsPath(name)) {
      return refuse(
          absl::StrCat("--var ", Quoted(name), " must be a name, or names with dots between them"));
    }
    IssueList issues;
    std::string type_text;
    const std::string text = variable.substr(split + 1);
    const std::optional<Value> value = ReadValue(name, text, type_text, issues);
    if (!value) return ReportWrong(issues, "WRONG_VARIABLE", kExitUsage);
    // What an empty list holds is not known.
    const Type* type = environment_->types().Parse(type_text);
    if (type == nullptr) type = expression::SimpleType(expression::TypeKind::kDyn);
    const absl::Status added = environment_->AddVariable(name, type, expression::Scope::kDecision,
                                                         static_cast<uint32_t>(values_.size()));
    if (!added.ok()) return refuse(absl::StrCat("--var ", name, " is given twice"));
    values_.push_back(*value);
  }
  return std::nullopt;
}

int Expr::ReportWrong(const IssueList& issues, const char* code, int status) const {
  if (invocation_.options.json) {
    WriteJson(invocation_.console.out,
              Json{{"error", {{"code", code}, {"message", issues.issues().front().message}}},
                   {"issues", IssuesJson(issues)}});
  }
  invocation_.console.err << issues.ToString();
  return status;
}

int Expr::Compile() {
  IssueList issues;
  expression::CompileOptions options;
  options.check_constants = flags_.check;
  options.positions = true;
  const auto rules =
      expression::CompileOne(environment_, "expression", flags_.text, options, issues, limits_);
  issues.Sort();
  if (rules == nullptr) {
    const int status = ReportWrong(issues, "WRONG_EXPRESSION", kExitFailure);
    if (strategy_ == nullptr && flags_.variables.empty() && HasUnknownName(issues)) {
      invocation_.console.err << "Give a name its value with --var NAME=VALUE, or check against a "
                                 "strategy with --check --strategy FILE.\n";
    }
    return status;
  }
  if (!flags_.check) return Evaluate(*rules);
  invocation_.console.err << issues.ToString();  // what is doubtful
  if (invocation_.options.json) {
    WriteJson(invocation_.console.out, Json{{"type", rules->type(0)}});
  } else {
    invocation_.console.out << rules->type(0) << "\n";
  }
  return kExitOk;
}

int Expr::ReportFailed(expression::Evaluator& evaluator, const Value& error) const {
  IssueList issues;
  expression::IssueReporter reporter("expression", flags_.text, issues);
  reporter.Report(expression::FailedAt(evaluator, 0).value_or(0),
                  TerminalSafe(std::string(error.error_message())));
  return ReportWrong(issues, "EVALUATION_FAILED", kExitFailure);
}

int Expr::Evaluate(const expression::RuleSet& rules) {
  expression::Evaluator evaluator(rules);
  evaluator.StartDecision(values_.data());
  const Value value = evaluator.Evaluate(0);
  if (value.is_error()) {
    return ReportFailed(evaluator, value);
  }
  if (!expression::FitsCel(value, kMaxPrintedBytes)) {
    return ReportError(invocation_.console, invocation_.options,
                       absl::StrCat("the value is longer than ", kMaxPrintedBytes,
                                    " bytes as text; ask for its size() or for a part of it"));
  }
  if (invocation_.options.json) {
    WriteJson(invocation_.console.out, Json{{"value", ValueJson(value)}, {"type", rules.type(0)}});
  } else {
    invocation_.console.out << expression::ToCel(value) << "\n";
  }
  return kExitOk;
}

}  // namespace

void AddExprCommand(CLI::App& program, Commands& commands) {
  CLI::App* expr = program.add_subcommand("expr", "Evaluate or check a CEL expression.");
  auto flags = std::make_shared<ExprFlags>();
  expr->add_option("EXPR", flags->text, "The expression.")->required();
  CLI::Option* variable =
      expr->add_option("--var", flags->variables,
                       "A variable; NAME may have dots: customer.age=30. Give it\nonce for each.")
          ->type_name("NAME=VALUE")
          ->allow_extra_args(false)
          ->check(NameValueProblem);
  CLI::Option* check = expr->add_flag("--check", flags->check, "Print the type; evaluate nothing.");
  CLI::Option* strategy =
      expr->add_option("--strategy", flags->strategy, "Check against this strategy, YAML.")
          ->type_name("FILE")
          ->needs(check)
          ->excludes(variable);
  expr->add_flag("--priority", flags->priority,
                 "Check it as a formula of the priority, with its terms.")
      ->needs(strategy);
  service::AddStoredOption(*expr, kStoredHelp, flags->stored);
  expr->footer(absl::StrCat(kExprFooter, kGlobalOptionsNote));
  commands.Add(expr,
               [flags](const Invocation& invocation) { return Expr(invocation, *flags).Run(); });
}

}  // namespace attune::ctl
