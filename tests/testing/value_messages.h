#ifndef ATTUNE_TESTS_TESTING_VALUE_MESSAGES_H_
#define ATTUNE_TESTS_TESTING_VALUE_MESSAGES_H_

#include <cstdint>
#include <string>
#include <vector>

#include "attune/v1/value.pb.h"

namespace attune::testing {

// Values as messages of the API.
inline v1::Value Bool(bool value) {
  v1::Value message;
  message.set_bool_value(value);
  return message;
}

inline v1::Value Int(int64_t value) {
  v1::Value message;
  message.set_int_value(value);
  return message;
}

inline v1::Value Double(double value) {
  v1::Value message;
  message.set_double_value(value);
  return message;
}

inline v1::Value String(const std::string& value) {
  v1::Value message;
  message.set_string_value(value);
  return message;
}

// Unix seconds; the nanoseconds may be out of their range, as a bad client's may.
inline v1::Value Timestamp(int64_t seconds, int32_t nanos = 0) {
  v1::Value message;
  message.mutable_timestamp_value()->set_seconds(seconds);
  message.mutable_timestamp_value()->set_nanos(nanos);
  return message;
}

inline v1::Value List(const std::vector<std::string>& values) {
  v1::Value message;
  message.mutable_string_list_value();
  for (const std::string& value : values) message.mutable_string_list_value()->add_values(value);
  return message;
}

}  // namespace attune::testing

#endif  // ATTUNE_TESTS_TESTING_VALUE_MESSAGES_H_
