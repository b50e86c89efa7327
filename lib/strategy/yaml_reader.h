#ifndef ATTUNE_LIB_STRATEGY_YAML_READER_H_
#define ATTUNE_LIB_STRATEGY_YAML_READER_H_

#include <cstdint>
#include <optional>
#include <string_view>

#include "absl/time/time.h"
#include "google/protobuf/message.h"
#include "lib/base/issue.h"
#include "lib/strategy/yaml_document.h"

namespace attune::strategy {

// Reads the document into `message`, along the message's descriptor:
//
//   a field              a key of its name; other keys are errors, and so is one that comes twice
//   repeated, map        a list, a map; a key twice is an error
//   bool                 true or false
//   int32, int64, …      a whole number in the type's range
//   double, float        a finite number
//   string               any scalar, as it is written; text that must not pass for a number, true,
//                        false or null in the eyes of other tools is put in quotes
//   enum                 the value in lower case without the prefix of the enum's name
//   Timestamp            RFC 3339, or a date: midnight UTC
//   Duration             7d, 36h, 1d12h: see ParseDuration
//   oneof                at most one of its keys
//   a message whose only field is a map named `fields`          that map
//   attune.strategy.v1.Content                                  a map; a field that is computed is
//                                                               {computed: EXPRESSION}
//   attune.strategy.v1.Treatment, value and cost                a number, or {computed: EXPRESSION}
//   attune.strategy.v1.Literal                                  a scalar or a list of scalars
//   attune.strategy.v1.ExpectedRejection                        its map, or its reason as a scalar
//
// What can't be read is added to `issues`, everything at once, and is left out of the message; its
// node is marked as flawed in the document.
void ReadMessage(YamlDocument& document, google::protobuf::Message& message, IssueList& issues);

// The seconds of a duration as weeks, days, hours, minutes and seconds, each at most once and in
// this order: "7d", "36h", "1d12h", "0s". nullopt when it is none, or one of more than 9 digits.
std::optional<int64_t> ParseDuration(std::string_view text);

// The moment that `2026-03-01` (midnight UTC) or `2026-03-01T12:00:00+01:00` names, from year 1 to
// 9999; nullopt when the text is neither.
std::optional<absl::Time> ParseMoment(std::string_view text);

}  // namespace attune::strategy

#endif  // ATTUNE_LIB_STRATEGY_YAML_READER_H_
