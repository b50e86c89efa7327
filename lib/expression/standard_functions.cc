#include <utility>

#include "lib/expression/function.h"

namespace attune::expression {
namespace {

std::string_view Trim(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  return text;
}

// "list(A), int": separated by the commas outside of parentheses.
bool ParseTypes(std::string_view text, TypePool& types, std::vector<const Type*>* parsed) {
  text = Trim(text);
  int open = 0;
  size_t begin = 0;
  for (size_t i = 0; i <= text.size() && !text.empty(); ++i) {
    if (i < text.size() && text[i] == '(') ++open;
    if (i < text.size() && text[i] == ')') --open;
    if (i < text.size() && (text[i] != ',' || open > 0)) continue;
    const Type* type = types.Parse(text.substr(begin, i - begin));
    if (type == nullptr) return false;
    parsed->push_back(type);
    begin = i + 1;
  }
  return true;
}

// "string.(int) -> string"
bool ParseOverload(std::string_view text, TypePool& types, Overload* overload) {
  const size_t arrow = text.rfind("->");
  if (arrow == std::string_view::npos) return false;
  overload->result = types.Parse(text.substr(arrow + 2));
  text = Trim(text.substr(0, arrow));
  const size_t dot = text.find('.');
  if (dot != std::string_view::npos) {
    overload->receiver = true;
    const Type* receiver = types.Parse(text.substr(0, dot));
    if (receiver == nullptr) return false;
    overload->args.push_back(receiver);
    text.remove_prefix(dot + 1);
  }
  if (overload->result == nullptr || !text.starts_with('(') || !text.ends_with(')')) return false;
  return ParseTypes(text.substr(1, text.size() - 2), types, &overload->args);
}

}  // namespace

bool ParseOverloads(std::string_view text, TypePool& types, std::vector<Overload>* overloads) {
  while (true) {
    const size_t end = text.find(';');
    Overload overload;
    if (!ParseOverload(Trim(text.substr(0, end)), types, &overload)) return false;
    overloads->push_back(std::move(overload));
    if (end == std::string_view::npos) return true;
    text.remove_prefix(end + 1);
  }
}

std::vector<BuiltinFunction> StandardFunctions() {
  std::vector<BuiltinFunction> all;
  for (const auto& table : {OperatorFunctions(), ConversionFunctions(), StringFunctions(),
                            MathFunctions(), TimeFunctions()}) {
    all.insert(all.end(), table.begin(), table.end());
  }
  return all;
}

bool KindMatches(const Value& value, const Type* type) {
  switch (type->kind) {
    case TypeKind::kDyn:
    case TypeKind::kParam:
      return true;
    case TypeKind::kNull:
      return value.kind() == Kind::kNull;
    case TypeKind::kBool:
      return value.kind() == Kind::kBool;
    case TypeKind::kInt:
      return value.kind() == Kind::kInt;
    case TypeKind::kUint:
      return value.kind() == Kind::kUint;
    case TypeKind::kDouble:
      return value.kind() == Kind::kDouble;
    case TypeKind::kString:
      return value.kind() == Kind::kString;
    case TypeKind::kBytes:
      return value.kind() == Kind::kBytes;
    case TypeKind::kTimestamp:
      return value.kind() == Kind::kTimestamp;
    case TypeKind::kDuration:
      return value.kind() == Kind::kDuration;
    case TypeKind::kType:
      return value.kind() == Kind::kType;
    case TypeKind::kList:
      return value.is_list();
    case TypeKind::kMap:
      return value.kind() == Kind::kMap;
    case TypeKind::kOpaque:
      return value.kind() == Kind::kOpaque;
  }
  return false;
}

}  // namespace attune::expression
