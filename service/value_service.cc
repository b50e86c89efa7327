#include "service/value_service.h"

#include <cmath>
#include <cstddef>
#include <optional>
#include <string_view>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "lib/base/text.h"
#include "lib/context/value.h"
#include "lib/customer/customer_record.h"
#include "lib/policy/customer_scores.h"
#include "lib/value/profit_curve.h"
#include "service/profit_curve_message.h"
#include "service/value_conversion.h"

namespace attune::service {
namespace {

namespace pb = attune::v1;

// How many customers one look at the store reads.
constexpr size_t kRecordsPerScan = 65'536;
constexpr int kDefaultPoints = 101;
// Of a protected score a report tells of no fewer customers.
constexpr size_t kMinProtectedGroup = 10;

absl::Status NoScores() {
  return absl::FailedPreconditionError(
      "the strategy declares no scores: write what a customer is worth under `scores`");
}

}  // namespace

absl::Status ValueService::ListScores(const pb::ValueServiceListScoresRequest&,
                                      pb::ValueServiceListScoresResponse* response,
                                      Violations&) const {
  if (options_.updater == nullptr) return NoScores();
  const auto standings = options_.updater->standings();
  const auto strategy = options_.updater->strategy();
  const policy::CustomerScores& scores = strategy->engagement.scores();
  for (size_t i = 0; i < scores.scores.size(); ++i) {
    const policy::CustomerScore& score = scores.scores[i];
    pb::Score* out = response->add_scores();
    out->set_name(score.name);
    out->set_description(score.description);
    for (const value::Tier& tier : score.tiers) {
      pb::Tier* out_tier = out->add_tiers();
      out_tier->set_name(tier.name);
      out_tier->set_from_percentile(tier.from_percentile);
    }
    out->set_protected_(score.is_protected);
    // Of a score that is followed only since the last publication nothing is known yet.
    const value::RankTable* table = standings->Find(i, score.fingerprint);
    if (table == nullptr) continue;
    out->set_customers(static_cast<int64_t>(table->count()));
    out->set_complete(standings->complete);
    out->set_max_error(table->max_error());
  }
  return absl::OkStatus();
}

size_t ValueService::FindScore(const std::string& name, Violations& violations) const {
  const policy::CustomerScores& scores = options_.strategy->engagement.scores();
  if (name.empty() && scores.scores.size() == 1) return 0;
  const int index = scores.IndexOf(name);
  if (index >= 0) return static_cast<size_t>(index);
  std::vector<std::string_view> names;
  names.reserve(scores.scores.size());
  for (const policy::CustomerScore& score : scores.scores) names.push_back(score.name);
  if (name.empty()) {
    std::string all;
    for (const std::string_view known : names) {
      absl::StrAppend(&all, all.empty() ? "" : ", ", std::string(known));
    }
    violations.Add("score", absl::StrCat("is required, for the strategy declares several: ", all));
  } else {
    violations.Add("score", absl::StrCat("the strategy declares no score ", Quoted(name),
                                         DidYouMean(name, names)));
  }
  return 0;
}

absl::Status ValueService::ReadScores(size_t score, const Stopped& stopped, Scores& scores) const {
  // A model that gives a score may be another one than at the start.
  const std::shared_ptr<const strategy::Strategy> strategy = options_.updater->strategy();
  const ValueSchema& schema = strategy->features;
  policy::ScoreEvaluator evaluator(strategy->engagement.scores());
  std::vector<ValueRef> slots(static_cast<size_t>(schema.size()));
  bool too_many = false;
  const auto visit = [&](const storage::CustomerKey&, const storage::Record& record) {
    const auto state = customer::CustomerState::ParseAny(record);
    if (state.ok() && !state->known()) return;
    if (!state.ok() || !schema.Decode(state->features(), absl::MakeSpan(slots)).ok()) {
      ++scores.unreadable;
      return;
    }
    const double value = evaluator.Evaluate(slots)[score];
    if (std::isnan(value)) {
      ++scores.without;
    } else if (static_cast<int64_t>(scores.values.size()) < options_.max_report_customers) {
      scores.values.push_back(value);
    } else {
      too_many = true;
    }
  };
  std::optional<storage::CustomerKey> cursor;
  do {
    if (stopped && stopped()) return absl::CancelledError("nobody waits for the report");
    const auto next = options_.store->Scan(cursor, kRecordsPerScan, visit);
    if (!next.ok()) return next.status();
    if (too_many) {
      return absl::ResourceExhaustedError(
          absl::StrCat("there are more than ", options_.max_report_customers,
                       " customers; a report takes no more (max_report_customers)"));
    }
    cursor = *next;
  } while (cursor);
  return absl::OkStatus();
}

absl::Status ValueService::GetProfitCurve(const pb::ValueServiceGetProfitCurveRequest& request,
                                          pb::ValueServiceGetProfitCurveResponse* response,
                                          Violations& violations, const Stopped& stopped) const {
  if (options_.updater == nullptr) return NoScores();
  const size_t score = FindScore(request.score(), violations);
  const int points = request.max_points() == 0 ? kDefaultPoints : request.max_points();
  if (points < value::kMinCurvePoints || points > value::kMaxCurvePoints) {
    violations.Add("max_points", absl::StrCat("must be ", value::kMinCurvePoints, " to ",
                                              value::kMaxCurvePoints));
  }
  if (!violations.empty()) return violations.ToStatus();
  {
    MutexLock lock(mutex_);
    if (reporting_) {
      return absl::ResourceExhaustedError(
          "another report is being made; try again when it has ended");
    }
    reporting_ = true;
  }
  const absl::Cleanup done = [this] {
    MutexLock lock(mutex_);
    reporting_ = false;
  };
  Scores scores;
  if (absl::Status status = ReadScores(score, stopped, scores); !status.ok()) return status;
  const auto strategy = options_.updater->strategy();
  const policy::CustomerScore& declared = strategy->engagement.scores().scores[score];
  const size_t min_group = declared.is_protected ? kMinProtectedGroup : 1;
  if (scores.values.size() < min_group && declared.is_protected) {
    return absl::FailedPreconditionError(
        absl::StrCat("the score is protected, and fewer than ", kMinProtectedGroup,
                     " customers have it: a report would tell of single ones"));
  }
  const value::ProfitCurve curve = value::MakeProfitCurve(scores.values, points, min_group);
  if (!value::IsFinite(curve)) {
    return absl::FailedPreconditionError("the sum of the scores is too large for a number");
  }
  ToProto(curve, options_.strategy->currency, response);
  response->set_score(declared.name);
  response->set_without_score(scores.without);
  response->set_unreadable(scores.unreadable);
  ToProto(absl::ToUnixMicros(options_.clock->Now()), response->mutable_time());
  if (declared.is_protected) {
    // These are what single customers are worth.
    response->set_protected_(true);
    response->clear_highest();
    response->clear_lowest();
    response->clear_median();
  }
  return absl::OkStatus();
}

}  // namespace attune::service
