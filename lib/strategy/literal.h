#ifndef ATTUNE_LIB_STRATEGY_LITERAL_H_
#define ATTUNE_LIB_STRATEGY_LITERAL_H_

#include "absl/status/statusor.h"
#include "attune/strategy/v1/strategy.pb.h"
#include "lib/context/value.h"

namespace attune::strategy {

// The type as the service knows it. REQUIRES: the type is specified.
ValueType TypeOf(v1::ValueType type);

// The literal as a value of the type; a literal that is not set is the type's zero. A whole number
// can be a double, and text that names a moment a timestamp. INVALID_ARGUMENT with a message that
// can follow the word `default`, when it is no value of the type or too large for one.
absl::StatusOr<OwnedValue> ValueOf(const v1::Literal& literal, ValueType type);

}  // namespace attune::strategy

#endif  // ATTUNE_LIB_STRATEGY_LITERAL_H_
