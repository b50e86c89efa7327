#ifndef ATTUNE_SERVICE_CTL_JSON_H_
#define ATTUNE_SERVICE_CTL_JSON_H_

#include <ostream>

#include "google/protobuf/message.h"
#include "nlohmann/json.hpp"

namespace attune::ctl {

// An object keeps its keys in the order in which they were added.
using Json = nlohmann::ordered_json;

// Writes the value over several lines, indented by two. Bytes that aren't UTF-8 become U+FFFD.
void WriteJson(std::ostream& out, const Json& json);

// Writes a message in the same way: the JSON form of Protocol Buffers, but with the field names of
// the .proto file, with fields that have their default value, and with integers of 64 bits as
// numbers where a double holds them exactly (up to 2^53), else as strings. Maps are sorted: the
// same message is the same text.
void WriteJson(std::ostream& out, const google::protobuf::Message& message);

}  // namespace attune::ctl

#endif  // ATTUNE_SERVICE_CTL_JSON_H_
