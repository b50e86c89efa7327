#ifndef ATTUNE_LIB_CONTEXT_DECISION_REQUEST_H_
#define ATTUNE_LIB_CONTEXT_DECISION_REQUEST_H_

#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/time/time.h"
#include "lib/base/violations.h"
#include "lib/context/context_schema.h"
#include "lib/context/decision_context.h"
#include "lib/context/value.h"

namespace attune::context {

// Most attributes, restricting treatments and wanted treatments of one request.
inline constexpr size_t kMaxAttributes = 256;
inline constexpr size_t kMaxRestriction = 1000;
inline constexpr int kMaxWantedTreatments = 100;
// Most placements of one request.
inline constexpr size_t kMaxWantedPlacements = 16;
// Stands in DecisionRequest::open_channels for all channels of the strategy.
inline constexpr std::string_view kEveryChannel = "*";
// The moments that a decision may be made for, also in a replay: 1970 to 2200.
inline constexpr int64_t kMinTimeUs = 0;
inline constexpr int64_t kMaxTimeUs = 7'258'118'400LL * 1'000'000;

// True for the moments that a decision may be made for.
bool IsDecidable(absl::Time time);

// What a caller asks for, as it came: nothing in it is trusted. Views point into the caller's
// message.
struct DecisionRequest {
  std::string_view customer_id;
  std::string_view channel;
  std::string_view intent;         // empty: not known
  std::optional<absl::Time> time;  // absent: the server's clock
  std::vector<std::pair<std::string_view, ValueRef>> attributes;
  int max_treatments = 0;  // 0: the strategy's own number
  std::vector<std::string_view> treatment_ids;
  std::string_view request_id;
  std::vector<std::string_view> open_channels;  // or kEveryChannel alone; then `channel` is empty
  std::vector<std::string_view> placements;

  void Clear();
};

// What a request is checked against.
struct RequestRules {
  const ContextSchema& schema;
  // The index of the treatment of that name; -1 when there is none.
  absl::FunctionRef<int(std::string_view)> find_treatment;
  int default_max_treatments = 1;
  absl::Time now;
  // How far the request's time may be from `now`; infinite in a replay.
  absl::Duration max_clock_skew;
};

// Checks the request and lays it out for the stages. Everything that is wrong is added to
// `violations`; `context` is good only when nothing was. Its capacity is reused.
void NormaliseRequest(const DecisionRequest& request, const RequestRules& rules,
                      DecisionContext& context, Violations& violations);

// What is wrong with a value from outside (not finite, too long, not UTF-8, a time out of range),
// as a sentence; nullopt when nothing is.
std::optional<std::string> ValueProblem(const ValueRef& value);

}  // namespace attune::context

#endif  // ATTUNE_LIB_CONTEXT_DECISION_REQUEST_H_
