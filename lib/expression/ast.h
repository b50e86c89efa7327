#ifndef ATTUNE_LIB_EXPRESSION_AST_H_
#define ATTUNE_LIB_EXPRESSION_AST_H_

#include <array>
#include <cstdint>
#include <deque>
#include <string_view>
#include <vector>

#include "lib/expression/arena.h"
#include "lib/expression/source.h"
#include "lib/expression/type.h"
#include "lib/expression/value.h"

namespace attune::expression {

struct Function;
struct Variable;

// What a macro turns into: a loop over a list or a map, or a name for a value.
enum class Loop : uint8_t {
  kAll,
  kExists,
  kExistsOne,
  kMap,           // a list of `body` of every element (that passes `filter`)
  kFilter,        // a list of the elements for which `body` is true
  kTransformMap,  // a map of the same keys to `body`
  kBind,          // `body`, in which the variable stands for `operand`
};

// One node of the syntax tree.
struct Expr {
  enum class Kind : uint8_t {
    kInvalid,  // what could not be read; reported already
    kLiteral,  // literal
    kIdent,    // name, leading_dot
    kSelect,   // operand.name; or has(operand.name)
    kCall,     // name(args), or operand.name(args)
    kList,     // args
    kMap,      // args: key, value, key, value, ...
    kLoop,     // operand, variables, filter, body
  };

  Kind kind = Kind::kInvalid;
  bool leading_dot = false;     // `.name`: not one of a comprehension's variables
  bool has = false;             // has(operand.name)
  bool index_variable = false;  // of a loop with two variables
  Loop loop = Loop::kAll;
  uint16_t depth = 1;     // of the tree below
  uint32_t at = 0;        // where an issue of this node points to: the operator, the name
  SourceRange range;      // all of it
  std::string_view name;  // an identifier, a field or a function ("_+_" for an operator)
  Value literal;
  Expr* operand = nullptr;
  std::vector<Expr*> args;
  std::array<std::string_view, 2> variables;  // of a loop; the second one often empty
  Expr* filter = nullptr;
  Expr* body = nullptr;

  // From here on what the checker found.
  const Type* type = nullptr;
  const Variable* variable =
      nullptr;  // an identifier or a selection that names a declared variable
  const Function* function = nullptr;  // null: there is none of this name
  int local = -1;                      // an identifier: number of the loop's variable
  int first_local = -1;                // a loop: number of its first variable
  bool global_call = false;            // the operand was the function's namespace: `math.abs(x)`
  bool type_name = false;              // an identifier that names a type: `int`
};

// A syntax tree with everything it points to, except for the text of the expression. Immutable once
// checked. Not thread-safe before.
class Ast {
 public:
  Expr* New(Expr::Kind kind) {
    Expr& expr = nodes_.emplace_back();
    expr.kind = kind;
    return &expr;
  }
  size_t size() const { return nodes_.size(); }
  Arena& arena() { return arena_; }
  TypePool& types() { return types_; }

  Expr* root = nullptr;

 private:
  std::deque<Expr> nodes_;
  Arena arena_{512};
  TypePool types_;
};

// The operators as functions.
namespace op {
inline constexpr std::string_view kConditional = "_?_:_";
inline constexpr std::string_view kAnd = "_&&_";
inline constexpr std::string_view kOr = "_||_";
inline constexpr std::string_view kNot = "!_";
inline constexpr std::string_view kNegate = "-_";
inline constexpr std::string_view kEqual = "_==_";
inline constexpr std::string_view kNotEqual = "_!=_";
inline constexpr std::string_view kLess = "_<_";
inline constexpr std::string_view kLessEqual = "_<=_";
inline constexpr std::string_view kGreater = "_>_";
inline constexpr std::string_view kGreaterEqual = "_>=_";
inline constexpr std::string_view kIn = "_in_";
inline constexpr std::string_view kAdd = "_+_";
inline constexpr std::string_view kSubtract = "_-_";
inline constexpr std::string_view kMultiply = "_*_";
inline constexpr std::string_view kDivide = "_/_";
inline constexpr std::string_view kModulo = "_%_";
inline constexpr std::string_view kIndex = "_[_]";
}  // namespace op

}  // namespace attune::expression

#endif  // ATTUNE_LIB_EXPRESSION_AST_H_
