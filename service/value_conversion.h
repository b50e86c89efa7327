#ifndef ATTUNE_SERVICE_VALUE_CONVERSION_H_
#define ATTUNE_SERVICE_VALUE_CONVERSION_H_

#include <deque>
#include <optional>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "attune/v1/value.pb.h"
#include "google/protobuf/timestamp.pb.h"
#include "lib/context/value.h"

namespace attune::service {

// Keeps the encodings of string lists of one request alive. Addresses stay.
using ListBuffers = std::deque<std::string>;

// The value by reference into the message, or, for a list, into `buffers`; nullopt when no kind is
// set. A timestamp that can't be represented becomes one that context::ValueProblem refuses.
std::optional<ValueRef> ToValueRef(const attune::v1::Value& value, ListBuffers& buffers);

void ToProto(const ValueRef& value, attune::v1::Value* out);

// Unix microseconds, cut to the range that 64 bits can hold.
int64_t ToUnixMicros(const google::protobuf::Timestamp& timestamp);
// A point in time that keeps how far out of range a timestamp is, without overflow.
absl::Time ToTime(const google::protobuf::Timestamp& timestamp);
void ToProto(int64_t unix_us, google::protobuf::Timestamp* out);

}  // namespace attune::service

#endif  // ATTUNE_SERVICE_VALUE_CONVERSION_H_
