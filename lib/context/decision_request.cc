#include "lib/context/decision_request.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "absl/strings/str_cat.h"
#include "lib/base/absl_strings.h"
#include "lib/base/text.h"

namespace attune::context {
namespace {

// Years 1 to 9999, what a Timestamp can hold.
constexpr int64_t kMinTimestampUs = -62'135'596'800LL * 1'000'000;
constexpr int64_t kMaxTimestampUs = 253'402'300'800LL * 1'000'000 - 1;

template <typename Names>
std::string Unknown(std::string_view kind, std::string_view name, const Names& known) {
  return absl::StrCat("is ", Quoted(name), ", which is no ", ToAbsl(kind), " of the strategy",
                      DidYouMean(name.substr(0, kMaxNameBytes), known));
}

void CheckNamedChannel(const DecisionRequest& request, const NameTable& channels,
                       DecisionContext& context, Violations& violations) {
  context.channel = channels.IndexOf(request.channel);
  if (context.channel >= 0) return;
  violations.Add("channel",
                 request.channel.empty()
                     ? "is required: a channel of the strategy; or say which are open_channels"
                     : Unknown("channel", request.channel, channels.Names()));
}

void CheckOpenChannels(const DecisionRequest& request, const NameTable& channels,
                       DecisionContext& context, Violations& violations) {
  if (!request.channel.empty()) {
    violations.Add("channel",
                   "must be empty when there are open_channels; give the one or the other");
  }
  if (request.open_channels.size() > static_cast<size_t>(kMaxChannels)) {
    violations.Add("open_channels",
                   absl::StrCat("has ", request.open_channels.size(), " entries; at most ",
                                kMaxChannels, " are allowed"));
    return;
  }
  std::vector<int>& open = context.open_channels;
  if (request.open_channels.size() == 1 && request.open_channels[0] == kEveryChannel) {
    for (int channel = 0; channel < channels.size(); ++channel) open.push_back(channel);
    return;
  }
  for (size_t i = 0; i < request.open_channels.size(); ++i) {
    const std::string_view name = request.open_channels[i];
    const int channel = channels.IndexOf(name);
    if (channel >= 0) {
      open.push_back(channel);
    } else {
      violations.Add(absl::StrCat("open_channels[", i, "]"),
                     name == kEveryChannel
                         ? "is \"*\", which stands for all channels: give it alone"
                         : Unknown("channel", name, channels.Names()));
    }
  }
  std::sort(open.begin(), open.end());
  open.erase(std::unique(open.begin(), open.end()), open.end());
}

void CheckChannel(const DecisionRequest& request, const NameTable& channels,
                  DecisionContext& context, Violations& violations) {
  context.open_channels.clear();
  if (request.open_channels.empty()) {
    CheckNamedChannel(request, channels, context, violations);
    return;
  }
  CheckOpenChannels(request, channels, context, violations);
  context.channel = context.open_channels.empty() ? -1 : context.open_channels.front();
}

// Is the place on a channel that the decision may use? True when that is not known for an error.
bool IsReachable(const ContextSchema& schema, const DecisionContext& context, int placement) {
  if (context.channel < 0) return true;
  const ChannelSet& channels = schema.placement_channels[static_cast<size_t>(placement)];
  for (size_t slot = 0; slot < context.slots(); ++slot) {
    if (channels[static_cast<size_t>(context.ChannelOf(static_cast<int>(slot)))]) return true;
  }
  return false;
}

void CheckPlacements(const DecisionRequest& request, const ContextSchema& schema,
                     DecisionContext& context, Violations& violations) {
  context.placements.clear();
  if (request.placements.size() > kMaxWantedPlacements) {
    violations.Add("placements",
                   absl::StrCat("has ", request.placements.size(), " entries; at most ",
                                kMaxWantedPlacements, " are allowed"));
    return;
  }
  for (size_t i = 0; i < request.placements.size(); ++i) {
    const std::string_view name = request.placements[i];
    const int placement = schema.placements.IndexOf(name);
    const std::string field = absl::StrCat("placements[", i, "]");
    if (placement < 0) {
      violations.Add(field, Unknown("placement", name, schema.placements.Names()));
    } else if (std::find(context.placements.begin(), context.placements.end(), placement) !=
               context.placements.end()) {
      violations.Add(field, absl::StrCat("is ", Quoted(name), " once more; name each place once"));
    } else if (!IsReachable(schema, context, placement)) {
      violations.Add(field,
                     absl::StrCat("is ", Quoted(name),
                                  ", which is a place of other channels than the request's"));
    } else {
      context.placements.push_back(placement);
    }
  }
}

void CheckTime(const DecisionRequest& request, const RequestRules& rules, DecisionContext& context,
               Violations& violations) {
  const absl::Time time = request.time.value_or(rules.now);
  context.time_us = absl::ToUnixMicros(time);
  if (!IsDecidable(time)) {
    violations.Add("time", "must lie between 1970 and 2200");
  } else if (absl::AbsDuration(time - rules.now) > rules.max_clock_skew) {
    violations.Add(
        "time", absl::StrCat("is further than ", absl::FormatDuration(rules.max_clock_skew),
                             " from the server's clock, which reads ",
                             absl::FormatTime(absl::RFC3339_sec, rules.now, absl::UTCTimeZone())));
  }
}

void CheckAttributes(const DecisionRequest& request, const ValueSchema& schema,
                     DecisionContext& context, Violations& violations) {
  context.attributes.assign(schema.defaults().begin(), schema.defaults().end());
  if (request.attributes.size() > kMaxAttributes) {
    violations.Add("attributes",
                   absl::StrCat("has ", request.attributes.size(), " entries; at most ",
                                kMaxAttributes, " are allowed"));
    return;
  }
  const size_t first = violations.kept().size();
  for (const auto& [name, given] : request.attributes) {
    const auto field = [&, name = name] { return absl::StrCat("attributes[", Quoted(name), "]"); };
    const int slot = schema.SlotOf(name);
    if (slot < 0) {
      violations.Add(field(), violations.full() ? "" : Unknown("attribute", name, schema.Names()));
      continue;
    }
    ValueRef value = given;
    if (!ConvertTo(schema[slot].type, value)) {
      violations.Add(field(),
                     absl::StrCat("must be of type ", ToAbsl(ValueTypeName(schema[slot].type)),
                                  ", not ", ToAbsl(ValueTypeName(given.type()))));
    } else if (const std::optional<std::string> problem = ValueProblem(value)) {
      violations.Add(field(), *problem);
    } else {
      context.attributes[static_cast<size_t>(slot)] = value;
    }
  }
  violations.SortFrom(first);
}

void CheckRestriction(const DecisionRequest& request, const RequestRules& rules,
                      DecisionContext& context, Violations& violations) {
  context.restricted = !request.treatment_ids.empty();
  context.restricted_to.clear();
  if (request.treatment_ids.size() > kMaxRestriction) {
    violations.Add("treatment_ids",
                   absl::StrCat("has ", request.treatment_ids.size(), " entries; at most ",
                                kMaxRestriction, " are allowed"));
    return;
  }
  for (size_t i = 0; i < request.treatment_ids.size(); ++i) {
    const int treatment = rules.find_treatment(request.treatment_ids[i]);
    if (treatment >= 0) {
      context.restricted_to.push_back(treatment);
    } else {
      violations.Add(absl::StrCat("treatment_ids[", i, "]"),
                     absl::StrCat("is ", Quoted(request.treatment_ids[i]),
                                  ", which is no treatment of the strategy"));
    }
  }
  std::sort(context.restricted_to.begin(), context.restricted_to.end());
  context.restricted_to.erase(
      std::unique(context.restricted_to.begin(), context.restricted_to.end()),
      context.restricted_to.end());
}

}  // namespace

bool IsDecidable(absl::Time time) {
  return time >= absl::FromUnixMicros(kMinTimeUs) && time <= absl::FromUnixMicros(kMaxTimeUs);
}

void DecisionRequest::Clear() {
  customer_id = channel = intent = request_id = {};
  time.reset();
  attributes.clear();
  treatment_ids.clear();
  open_channels.clear();
  placements.clear();
  max_treatments = 0;
}

void NormaliseRequest(const DecisionRequest& request, const RequestRules& rules,
                      DecisionContext& context, Violations& violations) {
  context.customer_id = request.customer_id;
  if (const auto problem = IdProblem(request.customer_id, kMaxCustomerIdBytes)) {
    violations.Add("customer_id", *problem);
  }
  CheckChannel(request, rules.schema.channels, context, violations);
  context.intent = kUnknownIntent;
  if (!request.intent.empty()) {
    const int intent = rules.schema.intents.IndexOf(request.intent);
    if (intent < 0) {
      violations.Add("intent", Unknown("intent", request.intent, rules.schema.intents.Names()));
    }
    context.intent = intent + 1;
  }
  CheckTime(request, rules, context, violations);
  CheckAttributes(request, rules.schema.attributes, context, violations);
  if (request.max_treatments < 0 || request.max_treatments > kMaxWantedTreatments) {
    violations.Add("max_treatments",
                   absl::StrCat("is ", request.max_treatments, "; must be 1 to ",
                                kMaxWantedTreatments, ", or 0 for the strategy's own number"));
  }
  context.max_treatments = request.max_treatments > 0   ? request.max_treatments
                           : request.placements.empty() ? rules.default_max_treatments
                                                        : kMaxWantedTreatments;
  CheckPlacements(request, rules.schema, context, violations);
  CheckRestriction(request, rules, context, violations);
  if (!request.request_id.empty()) {
    if (const auto problem = IdProblem(request.request_id, kMaxRequestIdBytes)) {
      violations.Add("request_id", *problem);
    }
  }
}

std::optional<std::string> ValueProblem(const ValueRef& value) {
  const auto text_problem = [](std::string_view text) -> std::optional<std::string> {
    if (text.size() > kMaxStringValueBytes) {
      return absl::StrCat("has ", text.size(), " bytes; at most ", kMaxStringValueBytes,
                          " are allowed");
    }
    if (!IsValidUtf8(text)) return "must be valid UTF-8";
    return std::nullopt;
  };
  switch (value.type()) {
    case ValueType::kBool:
    case ValueType::kInt:
      return std::nullopt;
    case ValueType::kDouble:
      if (std::isfinite(value.double_value())) return std::nullopt;
      return "must be finite, not NaN or infinite";
    case ValueType::kTimestamp:
      if (value.timestamp_us() >= kMinTimestampUs && value.timestamp_us() <= kMaxTimestampUs) {
        return std::nullopt;
      }
      return "must lie between the years 1 and 9999";
    case ValueType::kString:
      return text_problem(value.string_value());
    case ValueType::kStringList: {
      std::optional<std::string> problem;
      size_t elements = 0;
      value.ForEachElement([&](std::string_view element) {
        ++elements;
        if (!problem) problem = text_problem(element);
      });
      if (elements > kMaxListElements) {
        return absl::StrCat("has ", elements, " elements; at most ", kMaxListElements,
                            " are allowed");
      }
      return problem;
    }
  }
  return std::nullopt;
}

}  // namespace attune::context
