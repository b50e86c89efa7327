#ifndef ATTUNE_LIB_EXPRESSION_TYPE_H_
#define ATTUNE_LIB_EXPRESSION_TYPE_H_

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>

namespace attune::expression {

enum class TypeKind : uint8_t {
  kDyn,  // anything: checked when it is evaluated
  kNull,
  kBool,
  kInt,
  kUint,
  kDouble,
  kString,
  kBytes,
  kTimestamp,
  kDuration,
  kType,    // of type values
  kList,    // first: of the elements
  kMap,     // first: of the keys; second: of the values
  kOpaque,  // the host's, by its name
  kParam,   // of a function's signature, or not known yet
};

// A type as the checker sees it. Immutable; lives in a TypePool, simple ones for ever.
struct Type {
  TypeKind kind = TypeKind::kDyn;
  uint32_t param = 0;  // number of a kParam
  const Type* first = nullptr;
  const Type* second = nullptr;
  std::string_view name = {};  // of a kOpaque
};

// The type of a kind that needs nothing else.
const Type* SimpleType(TypeKind kind);

// Makes types and keeps them. Not thread-safe.
class TypePool {
 public:
  TypePool() = default;
  TypePool(const TypePool&) = delete;
  TypePool& operator=(const TypePool&) = delete;

  const Type* List(const Type* element);
  const Type* Map(const Type* key, const Type* value);
  const Type* Param(uint32_t number);
  const Type* Opaque(std::string_view name);

  // "int", "list(string)", "map(string, dyn)", "timestamp", ...; a single capital letter is a
  // parameter, any other name an opaque type. null when malformed.
  const Type* Parse(std::string_view text);

 private:
  const Type* ParseFront(std::string_view& text, int depth);

  std::deque<Type> types_;
  std::deque<std::string> names_;
};

bool SameType(const Type* a, const Type* b);
// As TypePool::Parse reads it.
std::string ToString(const Type* type);

}  // namespace attune::expression

#endif  // ATTUNE_LIB_EXPRESSION_TYPE_H_
