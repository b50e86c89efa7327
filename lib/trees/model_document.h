#ifndef ATTUNE_LIB_TREES_MODEL_DOCUMENT_H_
#define ATTUNE_LIB_TREES_MODEL_DOCUMENT_H_

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"

namespace attune::trees {

// How deep arrays and objects of a document may lie in each other.
inline constexpr int kMaxDocumentDepth = 32;
// So many values every document may have, not counting the elements of arrays that hold only
// numbers.
inline constexpr size_t kFewDocumentValues = 4'000'000;
// Of a larger document one for so many bytes: a model of many small trees has one for some twenty.
inline constexpr size_t kBytesPerDocumentValue = 8;
// Most values of a document of that size.
constexpr size_t MaxDocumentValues(size_t bytes) {
  return std::max(kFewDocumentValues, bytes / kBytesPerDocumentValue);
}

// A value of a JSON or UBJSON document. Arrays that hold nothing but numbers are one piece of
// memory: they are what a model file consists of. Immutable, thread-safe.
//
// These readers are our own, because XGBoost writes NaN and Infinity, which the packaged JSON
// reader refuses, and because that one's UBJSON reader recurses without bound and believes counts.
class DocumentValue {
 public:
  using List = std::vector<DocumentValue>;
  // In the order of the file; of members with the same name the last one counts.
  using Object = std::vector<std::pair<std::string, DocumentValue>>;
  using Numbers = std::vector<double>;
  struct Null {};
  using Variant = std::variant<Null, bool, double, std::string, Numbers, List, Object>;

  DocumentValue() = default;
  explicit DocumentValue(double number) : value_(number) {}
  explicit DocumentValue(Variant value) : value_(std::move(value)) {}

  // Each returns nullptr when the value is of another kind.
  const double* number() const { return std::get_if<double>(&value_); }
  const std::string* text() const { return std::get_if<std::string>(&value_); }
  // true, false and null (as NaN) count as numbers inside of arrays. An empty array is one of
  // numbers.
  const Numbers* numbers() const { return std::get_if<Numbers>(&value_); }
  const List* list() const { return std::get_if<List>(&value_); }
  const Object* object() const { return std::get_if<Object>(&value_); }

  // The member of that name; nullptr when there is none or the value is no object.
  const DocumentValue* Find(std::string_view name) const;

 private:
  Variant value_;
};

// Reads JSON, and NaN, Infinity and -Infinity as numbers. INVALID_ARGUMENT says what is wrong at
// which byte. Memory is bounded by the limits above and 8 bytes for each number of the text.
absl::StatusOr<DocumentValue> ParseJson(std::string_view text);

// Reads UBJSON, with typed and counted arrays and objects. Otherwise as ParseJson.
absl::StatusOr<DocumentValue> ParseUbjson(std::string_view bytes);

}  // namespace attune::trees

#endif  // ATTUNE_LIB_TREES_MODEL_DOCUMENT_H_
