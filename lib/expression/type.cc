#include "lib/expression/type.h"

namespace attune::expression {
namespace {

constexpr int kMaxTypeDepth = 32;

struct NamedType {
  std::string_view name;
  Type type;
};

constexpr NamedType kSimpleTypes[] = {
    {"dyn", {TypeKind::kDyn}},
    {"null", {TypeKind::kNull}},
    {"bool", {TypeKind::kBool}},
    {"int", {TypeKind::kInt}},
    {"uint", {TypeKind::kUint}},
    {"double", {TypeKind::kDouble}},
    {"string", {TypeKind::kString}},
    {"bytes", {TypeKind::kBytes}},
    {"timestamp", {TypeKind::kTimestamp}},
    {"duration", {TypeKind::kDuration}},
    {"type", {TypeKind::kType}},
};

bool IsLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

void SkipSpace(std::string_view& text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
}

bool Take(std::string_view& text, char c) {
  SkipSpace(text);
  if (!text.starts_with(c)) return false;
  text.remove_prefix(1);
  return true;
}

}  // namespace

const Type* SimpleType(TypeKind kind) { return &kSimpleTypes[static_cast<size_t>(kind)].type; }

const Type* TypePool::List(const Type* element) {
  return &types_.emplace_back(Type{TypeKind::kList, 0, element});
}

const Type* TypePool::Map(const Type* key, const Type* value) {
  return &types_.emplace_back(Type{TypeKind::kMap, 0, key, value});
}

const Type* TypePool::Param(uint32_t number) {
  return &types_.emplace_back(Type{TypeKind::kParam, number});
}

const Type* TypePool::Opaque(std::string_view name) {
  Type type{TypeKind::kOpaque};
  type.name = names_.emplace_back(name);
  return &types_.emplace_back(type);
}

const Type* TypePool::Parse(std::string_view text) {
  const Type* type = ParseFront(text, 0);
  SkipSpace(text);
  return text.empty() ? type : nullptr;
}

const Type* TypePool::ParseFront(std::string_view& text, int depth) {
  if (depth > kMaxTypeDepth) return nullptr;
  SkipSpace(text);
  size_t size = 0;
  while (size < text.size() && IsLetter(text[size])) ++size;
  const std::string_view name = text.substr(0, size);
  if (name.empty()) return nullptr;
  text.remove_prefix(size);
  if (name == "list" || name == "map") {
    if (!Take(text, '(')) return nullptr;
    const Type* first = ParseFront(text, depth + 1);
    const Type* second = nullptr;
    if (name == "map") {
      if (!Take(text, ',')) return nullptr;
      second = ParseFront(text, depth + 1);
      if (second == nullptr) return nullptr;
    }
    if (first == nullptr || !Take(text, ')')) return nullptr;
    return name == "map" ? Map(first, second) : List(first);
  }
  for (const NamedType& simple : kSimpleTypes) {
    if (simple.name == name) return &simple.type;
  }
  if (name.size() == 1 && name[0] >= 'A' && name[0] <= 'Z') {
    return Param(static_cast<uint32_t>(name[0] - 'A'));
  }
  return Opaque(name);
}

bool SameType(const Type* a, const Type* b) {
  if (a == b) return true;
  if (a->kind != b->kind) return false;
  switch (a->kind) {
    case TypeKind::kList:
      return SameType(a->first, b->first);
    case TypeKind::kMap:
      return SameType(a->first, b->first) && SameType(a->second, b->second);
    case TypeKind::kOpaque:
      return a->name == b->name;
    case TypeKind::kParam:
      return a->param == b->param;
    default:
      return true;
  }
}

std::string ToString(const Type* type) {
  switch (type->kind) {
    case TypeKind::kList:
      return "list(" + ToString(type->first) + ")";
    case TypeKind::kMap:
      return "map(" + ToString(type->first) + ", " + ToString(type->second) + ")";
    case TypeKind::kOpaque:
      return std::string(type->name);
    case TypeKind::kParam:
      // Parameters past Z are the checker's own.
      return type->param < 26 ? std::string(1, static_cast<char>('A' + type->param)) : "?";
    default:
      return std::string(kSimpleTypes[static_cast<size_t>(type->kind)].name);
  }
}

}  // namespace attune::expression
