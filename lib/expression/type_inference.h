#ifndef ATTUNE_LIB_EXPRESSION_TYPE_INFERENCE_H_
#define ATTUNE_LIB_EXPRESSION_TYPE_INFERENCE_H_

#include <vector>

#include "lib/expression/type.h"

namespace attune::expression {

// What type parameters stand for, found out while an expression is checked. Not thread-safe.
class TypeInference {
 public:
  explicit TypeInference(TypePool& types) : types_(types) {}

  // A parameter that nothing is known about.
  const Type* NewParam();
  // `type` with its parameters (A, B, ...) replaced by new ones, the same ones for one call of
  // StartInstance.
  void StartInstance() { instance_.clear(); }
  const Type* Instantiate(const Type* type);

  // True when a value of type `from` may stand where `to` is wanted; then remembers what the
  // parameters in them must be. Otherwise nothing changes.
  bool Assign(const Type* to, const Type* from);
  // The same for lists of types, all or nothing. REQUIRES: equal sizes.
  bool AssignAll(const std::vector<const Type*>& to, const std::vector<const Type*>& from);

  // The type of what may be either: the more general one, or dyn. `a` may be null.
  const Type* Join(const Type* a, const Type* b);

  // The type with everything known put in.
  const Type* Resolve(const Type* type) { return Substitute(type, false); }
  // The same; parameters of which nothing is known become dyn.
  const Type* Finalise(const Type* type) { return Substitute(type, true); }
  // What a parameter at the top stands for; other types as they are.
  const Type* Follow(const Type* type) const;

 private:
  struct Change {
    uint32_t param;
    const Type* before;
  };

  bool Unify(const Type* a, const Type* b);
  // Whether parameter `param` may stand for `type`. `*known`: it stood for something already.
  bool Bind(const Type* type, const Type* param, bool* known);
  bool Occurs(const Type* param, const Type* type) const;
  void Set(const Type* param, const Type* type);
  void Undo(size_t changes);
  const Type* Substitute(const Type* type, bool unknown_to_dyn);

  TypePool& types_;
  std::vector<const Type*> bindings_;  // by number of the parameter minus kFirstParam; may be null
  std::vector<Change> changes_;
  std::vector<std::pair<uint32_t, const Type*>> instance_;
};

}  // namespace attune::expression

#endif  // ATTUNE_LIB_EXPRESSION_TYPE_INFERENCE_H_
