#include "service/strategy_service.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "lib/base/absl_strings.h"
#include "lib/base/text.h"
#include "service/value_conversion.h"
#include "spdlog/spdlog.h"

namespace attune::service {
namespace {

namespace pb = attune::v1;
using stops::Change;
using stops::Target;

constexpr int kMaxStopsPage = 1000;
constexpr int kDefaultChanges = 100;

std::vector<std::string_view> DeclaredNames(const catalog::Catalog& catalog, Target::Kind kind) {
  std::vector<std::string_view> names;
  if (kind == Target::Kind::kGroup) {
    for (const catalog::Group& group : catalog.groups) names.push_back(group.name);
  } else {
    for (const catalog::Treatment& treatment : catalog.treatments) names.push_back(treatment.name);
  }
  return names;
}

std::string_view KindName(Target::Kind kind) {
  return kind == Target::Kind::kGroup ? "group" : "treatment";
}

template <typename Message>
void SetTarget(const Target& target, Message& message) {
  if (target.kind == Target::Kind::kGroup) {
    message.set_group(target.name);
  } else {
    message.set_treatment_id(target.name);
  }
}

void CheckText(std::string_view field, std::string_view text, size_t max_bytes,
               Violations& violations) {
  if (const auto problem = IdProblem(text, max_bytes)) violations.Add(field, *problem);
}

// A page of a list, newest first.
struct Page {
  int size = 0;
  uint64_t before = std::numeric_limits<uint64_t>::max();  // numbers below this one
};

template <typename Request>
Page ReadPage(const Request& request, int default_size, Violations& violations) {
  Page page;
  if (request.page_size() < 0) violations.Add("page_size", "must not be negative");
  page.size = std::min(request.page_size() > 0 ? request.page_size() : default_size, kMaxStopsPage);
  if (!request.page_token().empty() && !absl::SimpleAtoi(request.page_token(), &page.before)) {
    violations.Add("page_token", "must be a next_page_token from an earlier answer");
  }
  return page;
}

// Calls `add` for the changes of the page; returns the token of the next one.
std::string ForEachOn(const Page& page, const std::vector<Change>& changes,
                      absl::FunctionRef<void(const Change&)> add) {
  int added = 0;
  uint64_t last = 0;
  for (auto change = changes.rbegin(); change != changes.rend(); ++change) {
    if (change->number >= page.before) continue;
    if (added == page.size) return absl::StrCat(last);
    add(*change);
    last = change->number;
    ++added;
  }
  return "";
}

}  // namespace

Target StrategyService::ReadTarget(const pb::StrategyServiceSetStopRequest& request,
                                   Violations& violations) const {
  Target target;
  if (request.target_case() == pb::StrategyServiceSetStopRequest::TARGET_NOT_SET) {
    violations.Add("target", "is required: a treatment_id or a group");
    return target;
  }
  target.kind = request.has_group() ? Target::Kind::kGroup : Target::Kind::kTreatment;
  target.name = request.has_group() ? request.group() : request.treatment_id();
  const catalog::Catalog& catalog = options_.strategy->catalog;
  if (stops::IsDeclared(target, catalog)) return target;
  const auto state = options_.stops->state();
  const auto stop = std::find_if(state->current.begin(), state->current.end(),
                                 [&](const Change& c) { return c.target == target; });
  if (!request.stopped() && stop != state->current.end()) return target;
  violations.Add(request.has_group() ? "group" : "treatment_id",
                 absl::StrCat("is ", Quoted(target.name), ", which is no ",
                              ToAbsl(KindName(target.kind)), " of the strategy",
                              DidYouMean(std::string_view(target.name).substr(0, kMaxNameBytes),
                                         DeclaredNames(catalog, target.kind))));
  return target;
}

absl::Status StrategyService::SetStop(const pb::StrategyServiceSetStopRequest& request,
                                      pb::StrategyServiceSetStopResponse* response,
                                      Violations& violations) const {
  Change change;
  change.target = ReadTarget(request, violations);
  if (!request.has_stopped()) {
    violations.Add("stopped", "is required: true to stop, false to lift the stop");
  }
  CheckText("by", request.by(), stops::kMaxByBytes, violations);
  CheckText("because", request.because(), stops::kMaxBecauseBytes, violations);
  if (!request.request_id().empty()) {
    CheckText("request_id", request.request_id(), kMaxRequestIdBytes, violations);
  }
  if (!violations.empty()) return violations.ToStatus();
  change.stopped = request.stopped();
  change.by = request.by();
  change.because = request.because();
  change.request_id = request.request_id();
  change.time_us = absl::ToUnixMicros(options_.clock->Now());
  const auto done = options_.stops->Set(change);
  if (!done.ok()) return done.status();
  if (*done == stops::StopList::Done::kChanged) {
    spdlog::info("{} {}: {} by {}: {}", KindName(change.target.kind), change.target.name,
                 change.stopped ? "stopped" : "stop lifted", Quoted(change.by),
                 Quoted(change.because, stops::kMaxBecauseBytes));
  }
  response->set_changed(*done != stops::StopList::Done::kUnchanged);
  return absl::OkStatus();
}

absl::Status StrategyService::ListStops(const pb::StrategyServiceListStopsRequest& request,
                                        pb::StrategyServiceListStopsResponse* response,
                                        Violations& violations) const {
  const Page page = ReadPage(request, kMaxStopsPage, violations);
  if (!violations.empty()) return violations.ToStatus();
  const auto state = options_.stops->state();
  response->set_next_page_token(ForEachOn(page, state->current, [&](const Change& change) {
    pb::Stop* stop = response->add_stops();
    SetTarget(change.target, *stop);
    stop->set_by(change.by);
    stop->set_because(change.because);
    ToProto(change.time_us, stop->mutable_time());
    stop->set_in_force(stops::IsDeclared(change.target, options_.strategy->catalog));
  }));
  response->set_total_size(static_cast<int>(state->current.size()));
  return absl::OkStatus();
}

absl::Status StrategyService::ListStopChanges(
    const pb::StrategyServiceListStopChangesRequest& request,
    pb::StrategyServiceListStopChangesResponse* response, Violations& violations) const {
  const Page page = ReadPage(request, kDefaultChanges, violations);
  if (!violations.empty()) return violations.ToStatus();
  const auto state = options_.stops->state();
  response->set_next_page_token(ForEachOn(page, state->changes, [&](const Change& change) {
    pb::StopChange* listed = response->add_changes();
    SetTarget(change.target, *listed);
    listed->set_stopped(change.stopped);
    listed->set_by(change.by);
    listed->set_because(change.because);
    ToProto(change.time_us, listed->mutable_time());
  }));
  return absl::OkStatus();
}

absl::Status StrategyService::ListRamps(const pb::StrategyServiceListRampsRequest& request,
                                        pb::StrategyServiceListRampsResponse* response,
                                        Violations& violations) const {
  const Page page = ReadPage(request, kMaxStopsPage, violations);
  if (!violations.empty()) return violations.ToStatus();
  if (options_.evidence == nullptr) return absl::OkStatus();
  const catalog::Catalog& catalog = options_.strategy->catalog;
  const auto shares = options_.evidence->shares();
  // The token is the number of the first ramp on the page.
  const size_t begin = request.page_token().empty()
                           ? 0
                           : std::min(catalog.ramps.size(), static_cast<size_t>(page.before));
  const size_t end = std::min(catalog.ramps.size(), begin + static_cast<size_t>(page.size));
  for (size_t i = begin; i < end; ++i) {
    const catalog::Ramp& ramp = catalog.ramps[i];
    pb::TreatmentRamp* listed = response->add_ramps();
    listed->set_treatment_id(catalog.treatments[static_cast<size_t>(ramp.treatment)].name);
    listed->set_share(shares->share(static_cast<int>(i)));
    listed->set_evidence(shares->evidence(static_cast<int>(i)));
    listed->set_full_at(ramp.full_at);
    listed->set_from(ramp.from);
    listed->set_counted(ramp.counted);
  }
  if (end < catalog.ramps.size()) response->set_next_page_token(absl::StrCat(end));
  response->set_total_size(static_cast<int>(catalog.ramps.size()));
  return absl::OkStatus();
}

}  // namespace attune::service
