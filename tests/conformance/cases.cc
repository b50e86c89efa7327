#include "tests/conformance/cases.h"

#include <cmath>
#include <fstream>
#include <memory>
#include <utility>

#include "absl/strings/escaping.h"
#include "lib/base/absl_strings.h"
#include "lib/expression/evaluator.h"
#include "lib/expression/number_text.h"
#include "nlohmann/json.hpp"

namespace attune::expression {
namespace {

using nlohmann::json;

// --- types and values of the file's form ---

std::string TypeText(const json& type) {
  if (type.is_string()) return type.get<std::string>();
  if (type.contains("list")) return "list(" + TypeText(type["list"]) + ")";
  if (type.contains("map")) {
    return "map(" + TypeText(type["map"][0]) + ", " + TypeText(type["map"][1]) + ")";
  }
  return type.dump();
}

double ParseFileDouble(const std::string& text) {
  if (text == "nan") return std::nan("");
  return ParseDouble(text).value_or(std::nan(""));
}

Value FileValue(const json& value, Arena& arena);

Value FileList(const json& list, Arena& arena) {
  Value* items = arena.Allocate<Value>(list.size());
  for (size_t i = 0; i < list.size(); ++i) items[i] = FileValue(list[i], arena);
  return Value::List(items, list.size());
}

Value FileMap(const json& map, Arena& arena) {
  MapBuilder builder(arena, map.size());
  for (const json& entry : map) {
    builder.Add(FileValue(entry[0], arena), FileValue(entry[1], arena));
  }
  return builder.Build();
}

Value FileValue(const json& value, Arena& arena) {
  const std::string kind = value.begin().key();
  const json& content = value.begin().value();
  if (kind == "null") return Value::Null();
  if (kind == "bool") return Value::Bool(content.get<bool>());
  if (kind == "list") return FileList(content, arena);
  if (kind == "map") return FileMap(content, arena);
  const auto text = content.get<std::string>();
  if (kind == "int") return Value::Int(ParseInt(text).value_or(0));
  if (kind == "uint") return Value::Uint(ParseUint(text).value_or(0));
  if (kind == "double") return Value::Double(ParseFileDouble(text));
  if (kind == "string") return Value::String(arena.Copy(text));
  if (kind == "bytes") {
    std::string bytes;
    absl::Base64Unescape(text, &bytes);
    return Value::Bytes(arena.Copy(bytes));
  }
  if (kind == "timestamp") return ParseTimestamp(text).value_or(Value());
  if (kind == "duration") return ParseDuration(text).value_or(Value());
  if (kind == "type") return Value::Type(arena.Copy(text));
  return Value();
}

// Equal in type and value; any NaN is any NaN, entries of maps in any order.
bool Matches(const Value& expected, const Value& got) {
  if (expected.is_list() && got.is_list()) {
    if (ListSize(expected) != ListSize(got)) return false;
    for (size_t i = 0; i < ListSize(expected); ++i) {
      const auto index = static_cast<int64_t>(i);
      if (!Matches(*ListElement(expected, index), *ListElement(got, index))) return false;
    }
    return true;
  }
  if (expected.kind() != got.kind()) return false;
  if (expected.kind() == Kind::kDouble) {
    return expected.double_value() == got.double_value() ||
           (std::isnan(expected.double_value()) && std::isnan(got.double_value()));
  }
  if (expected.kind() != Kind::kMap) return Equals(expected, got);
  if (expected.map()->size != got.map()->size) return false;
  for (uint32_t i = 0; i < expected.map()->size; ++i) {
    const MapData::Entry& entry = expected.map()->entries[i];
    const Value* other = got.map()->Find(entry.key);
    if (other == nullptr || !Matches(entry.value, *other)) return false;
  }
  return true;
}

// --- one case ---

class Case {
 public:
  explicit Case(const json& source) : source_(source) {}

  std::string name() const {
    return source_["file"].get<std::string>() + "/" + source_["section"].get<std::string>() + "/" +
           source_["name"].get<std::string>();
  }
  std::string expr() const { return source_["expr"].get<std::string>(); }
  std::string expected() const { return source_["expect"].dump(); }

  // What came out when that is wrong; nullopt when the case passes.
  std::optional<std::string> Run() {
    Declare();
    CompileOptions options;
    options.lenient = source_.value("disable_check", false);
    IssueList issues;
    const std::unique_ptr<const RuleSet> rules =
        CompileOne(environment_, "expr", expr(), options, issues);
    const json& expect = source_["expect"];
    if (rules == nullptr) {
      if (expect.contains("error")) return std::nullopt;
      return issues.ToString();
    }
    if (expect.contains("type") && rules->type(0) != TypeText(expect["type"])) {
      return "type " + rules->type(0);
    }
    if (source_.value("check_only", false)) {
      if (expect.contains("error")) return "no error";
      return std::nullopt;
    }
    return Evaluate(*rules);
  }

 private:
  void Declare() {
    if (source_.contains("declarations")) {
      for (const auto& [name, type] : source_["declarations"].items()) {
        const Type* parsed = environment_->types().Parse(TypeText(type));
        Add(name, parsed);
      }
    }
    if (!source_.contains("bindings")) return;
    for (const auto& [name, value] : source_["bindings"].items()) {
      const Variable* variable = environment_->FindVariable(name);
      if (variable == nullptr) variable = Add(name, SimpleType(TypeKind::kDyn));
      slots_[variable->slot] = FileValue(value, arena_);
    }
  }

  const Variable* Add(const std::string& name, const Type* type) {
    environment_->AddVariable(name, type, Scope::kDecision, static_cast<uint32_t>(slots_.size()))
        .IgnoreError();
    slots_.push_back(Value::Error(ErrorCode::kUnknownName, "not bound"));
    return environment_->FindVariable(name);
  }

  std::optional<std::string> Evaluate(const RuleSet& rules) {
    Evaluator evaluator(rules);
    evaluator.StartDecision(slots_.data());
    const Value got = evaluator.Evaluate(0);
    const json& expect = source_["expect"];
    if (expect.contains("error")) {
      if (got.is_error()) return std::nullopt;
    } else if (!expect.contains("value") || Matches(FileValue(expect["value"], arena_), got)) {
      return std::nullopt;
    }
    return std::string(TypeName(got)) + " " + ToString(got, 2000);
  }

  const json& source_;
  std::shared_ptr<Environment> environment_ = std::make_shared<Environment>();
  std::vector<Value> slots_;
  Arena arena_;
};

}  // namespace

std::optional<ConformanceResult> RunConformanceFile(const std::string& path, std::string* problem) {
  std::ifstream in(path);
  if (!in) {
    *problem = path + " can't be read";
    return std::nullopt;
  }
  ConformanceResult result;
  std::string line;
  for (int number = 1; std::getline(in, line); ++number) {
    if (line.empty()) continue;
    const json source = json::parse(line, nullptr, false);
    if (source.is_discarded() || !source.is_object()) {
      *problem = path + ":" + std::to_string(number) + " is no JSON object";
      return std::nullopt;
    }
    Case one(source);
    if (const std::optional<std::string> got = one.Run()) {
      result.failures.push_back({one.name(), one.expr(), one.expected(), *got});
    } else {
      ++result.passed;
    }
  }
  return result;
}

}  // namespace attune::expression
