#ifndef ATTUNE_LIB_EXPRESSION_CALL_CONTEXT_H_
#define ATTUNE_LIB_EXPRESSION_CALL_CONTEXT_H_

#include <array>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "lib/expression/arena.h"
#include "lib/expression/limits.h"
#include "lib/expression/value.h"
#include "re2/re2.h"

namespace attune::expression {

// What a function of an expression may use while it runs: memory for its result, the limits, what
// was prepared by earlier calls. Not thread-safe: one per evaluator.
class CallContext {
 public:
  explicit CallContext(const Limits& limits) : limits_(limits), steps_left_(limits.max_steps) {}

  const Limits& limits() const { return limits_; }
  Arena& arena() { return arena_; }
  const Arena& arena() const { return arena_; }

  // What the host gave the evaluator for its own functions.
  void* host() const { return host_; }
  void set_host(void* host) { host_ = host; }

  // Takes steps off the budget of this evaluation. False when it is used up: return LimitError().
  bool Charge(int64_t steps) {
    steps_left_ -= steps;
    if (steps_left_ < 0) limit_ = ErrorCode::kCostLimit;
    return steps_left_ >= 0;
  }
  int64_t* steps_left() { return &steps_left_; }
  // True when there is room for a string of so many bytes or a list of so many elements; if not,
  // return LimitError().
  bool ChargeBytes(size_t bytes);
  bool ChargeElements(size_t elements);

  // A limit ends the evaluation: no && or || absorbs it.
  bool limit_hit() const { return limit_ != ErrorCode::kNone || steps_left_ < 0; }
  Value LimitError() const;

  // Begins another evaluation: the steps are as many as at first, memory stays as it is.
  void StartEvaluation() {
    steps_left_ = limits_.max_steps;
    limit_ = ErrorCode::kNone;
  }

  // Copies the text; LimitError() when it is too long.
  Value NewString(std::string_view text);
  Value NewBytes(std::string_view bytes);
  // A copy of the parts as the message. For messages without parts, Value::Error does.
  Value Error(ErrorCode code, std::initializer_list<std::string_view> parts);
  // "f() is not defined for (int, string)".
  Value NoOverload(std::string_view function, const Value* args, size_t count);

  // An IANA name, or an offset like +02:00 or -3:30. False when there is none of this name.
  bool FindTimeZone(std::string_view name, absl::TimeZone* zone);
  // null when the pattern is malformed. Valid until the next call.
  const RE2* FindRegex(std::string_view pattern);

 private:
  struct NamedZone {
    std::string name;
    absl::TimeZone zone;
  };
  struct NamedRegex {
    std::string pattern;
    std::unique_ptr<RE2> regex;
  };

  const Limits limits_;
  Arena arena_;
  void* host_ = nullptr;
  int64_t steps_left_;
  ErrorCode limit_ = ErrorCode::kNone;
  // The last few that were used, round robin.
  std::array<NamedZone, 4> zones_;
  size_t next_zone_ = 0;
  std::array<NamedRegex, 4> regexes_;
  size_t next_regex_ = 0;
};

// Compiles a pattern the way `matches` does. Never null; ask ok().
std::unique_ptr<RE2> CompileRegex(std::string_view pattern);

}  // namespace attune::expression

#endif  // ATTUNE_LIB_EXPRESSION_CALL_CONTEXT_H_
