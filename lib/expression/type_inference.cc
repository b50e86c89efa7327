#include "lib/expression/type_inference.h"

#include <utility>

namespace attune::expression {
namespace {

// The numbers below are those of signatures.
constexpr uint32_t kFirstParam = 26;

bool IsNullable(TypeKind kind) {
  return kind == TypeKind::kTimestamp || kind == TypeKind::kDuration || kind == TypeKind::kOpaque ||
         kind == TypeKind::kNull;
}

bool IsOpen(const Type* type) {
  return type->kind == TypeKind::kDyn || type->kind == TypeKind::kParam;
}

bool EqualOrMoreGeneral(const Type* a, const Type* b) {
  if (IsOpen(a)) return true;
  if (IsOpen(b)) return false;
  if (b->kind == TypeKind::kNull && IsNullable(a->kind)) return true;
  if (a->kind != b->kind) return false;
  switch (a->kind) {
    case TypeKind::kList:
      return EqualOrMoreGeneral(a->first, b->first);
    case TypeKind::kMap:
      return EqualOrMoreGeneral(a->first, b->first) && EqualOrMoreGeneral(a->second, b->second);
    case TypeKind::kOpaque:
      return a->name == b->name;
    default:
      return true;
  }
}

const Type* MoreGeneral(const Type* a, const Type* b) { return EqualOrMoreGeneral(a, b) ? a : b; }

}  // namespace

const Type* TypeInference::NewParam() {
  bindings_.push_back(nullptr);
  return types_.Param(kFirstParam + static_cast<uint32_t>(bindings_.size()) - 1);
}

const Type* TypeInference::Instantiate(const Type* type) {
  switch (type->kind) {
    case TypeKind::kParam:
      for (const auto& [number, param] : instance_) {
        if (number == type->param) return param;
      }
      return instance_.emplace_back(type->param, NewParam()).second;
    case TypeKind::kList: {
      const Type* element = Instantiate(type->first);
      return element == type->first ? type : types_.List(element);
    }
    case TypeKind::kMap: {
      const Type* key = Instantiate(type->first);
      const Type* value = Instantiate(type->second);
      return key == type->first && value == type->second ? type : types_.Map(key, value);
    }
    default:
      return type;
  }
}

const Type* TypeInference::Follow(const Type* type) const {
  while (type->kind == TypeKind::kParam && bindings_[type->param - kFirstParam] != nullptr) {
    type = bindings_[type->param - kFirstParam];
  }
  return type;
}

void TypeInference::Set(const Type* param, const Type* type) {
  const Type*& binding = bindings_[param->param - kFirstParam];
  changes_.push_back({param->param, binding});
  binding = type;
}

void TypeInference::Undo(size_t changes) {
  while (changes_.size() > changes) {
    bindings_[changes_.back().param - kFirstParam] = changes_.back().before;
    changes_.pop_back();
  }
}

bool TypeInference::Occurs(const Type* param, const Type* type) const {
  if (SameType(param, type)) return true;
  switch (type->kind) {
    case TypeKind::kParam: {
      const Type* binding = bindings_[type->param - kFirstParam];
      return binding != nullptr && Occurs(param, binding);
    }
    case TypeKind::kList:
      return Occurs(param, type->first);
    case TypeKind::kMap:
      return Occurs(param, type->first) || Occurs(param, type->second);
    default:
      return false;
  }
}

bool TypeInference::Bind(const Type* type, const Type* param, bool* known) {
  *known = true;
  if (SameType(type, param)) return true;
  const Type* binding = bindings_[param->param - kFirstParam];
  if (binding == nullptr) {
    *known = false;
    if (Occurs(param, type)) return false;
    Set(param, type);
    return true;
  }
  if (SameType(type, binding)) return true;
  if (!Unify(type, binding)) return false;
  const Type* general = MoreGeneral(type, binding);
  if (general != binding && !Occurs(param, general)) Set(param, general);
  return true;
}

bool TypeInference::Unify(const Type* a, const Type* b) {
  bool known = false;
  if (b->kind == TypeKind::kParam) {
    if (Bind(a, b, &known)) return true;
    if (known) return false;
  }
  if (a->kind == TypeKind::kParam) return Bind(b, a, &known);
  if (a->kind == TypeKind::kDyn || b->kind == TypeKind::kDyn) return true;
  if (a->kind == TypeKind::kNull) return IsNullable(b->kind);
  if (b->kind == TypeKind::kNull) return IsNullable(a->kind);
  if (a->kind != b->kind) return false;
  switch (a->kind) {
    case TypeKind::kList:
      return Unify(a->first, b->first);
    case TypeKind::kMap:
      return Unify(a->first, b->first) && Unify(a->second, b->second);
    case TypeKind::kOpaque:
      return a->name == b->name;
    default:
      return true;
  }
}

bool TypeInference::Assign(const Type* to, const Type* from) {
  const size_t before = changes_.size();
  if (Unify(to, from)) return true;
  Undo(before);
  return false;
}

bool TypeInference::AssignAll(const std::vector<const Type*>& to,
                              const std::vector<const Type*>& from) {
  const size_t before = changes_.size();
  for (size_t i = 0; i < to.size(); ++i) {
    if (!Unify(to[i], from[i])) {
      Undo(before);
      return false;
    }
  }
  return true;
}

const Type* TypeInference::Join(const Type* a, const Type* b) {
  if (a == nullptr) return b;
  if (Assign(a, b)) return MoreGeneral(a, b);
  return SimpleType(TypeKind::kDyn);
}

const Type* TypeInference::Substitute(const Type* type, bool unknown_to_dyn) {
  type = Follow(type);
  switch (type->kind) {
    case TypeKind::kParam:
      return unknown_to_dyn ? SimpleType(TypeKind::kDyn) : type;
    case TypeKind::kList: {
      const Type* element = Substitute(type->first, unknown_to_dyn);
      return element == type->first ? type : types_.List(element);
    }
    case TypeKind::kMap: {
      const Type* key = Substitute(type->first, unknown_to_dyn);
      const Type* value = Substitute(type->second, unknown_to_dyn);
      return key == type->first && value == type->second ? type : types_.Map(key, value);
    }
    default:
      return type;
  }
}

}  // namespace attune::expression
