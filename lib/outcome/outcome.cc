#include "lib/outcome/outcome.h"

#include <algorithm>

namespace attune::outcome {

std::string_view SourceName(Source source) {
  switch (source) {
    case Source::kCustomer:
      return "customer";
    case Source::kEmployee:
      return "employee";
    case Source::kSystem:
      return "system";
  }
  return "";
}

std::string_view StatusName(Status status) {
  switch (status) {
    case Status::kRecorded:
      return "recorded";
    case Status::kAlreadyRecorded:
      return "already_recorded";
    case Status::kEarly:
      return "early";
    case Status::kBeforeDecision:
      return "before_decision";
    case Status::kLate:
      return "late";
    case Status::kNotOffered:
      return "not_offered";
    case Status::kUnknownDecision:
      return "unknown_decision";
    case Status::kCustomerErased:
      return "customer_erased";
    case Status::kOtherContent:
      return "other_content";
    case Status::kTooMany:
      return "too_many";
    case Status::kUnknownId:
      return "unknown_id";
    case Status::kFailed:
      return "failed";
  }
  return "";
}

Status StatusOf(const Offer& offer, const catalog::OutcomeTerms& terms, int64_t time_us) {
  if (time_us < offer.decided_us - kMaxEarlyUs) return Status::kBeforeDecision;
  if (!offer.ranked) return Status::kNotOffered;
  int64_t begin_us = offer.decided_us;
  if (!terms.showing && offer.shown_us) begin_us = std::max(begin_us, *offer.shown_us);
  if (time_us > begin_us + terms.window_us) return Status::kLate;
  if (time_us < offer.decided_us) return Status::kEarly;
  return Status::kRecorded;
}

int64_t AttributedTime(const Offer& offer, Status status, int64_t time_us) {
  return status == Status::kEarly ? offer.decided_us : time_us;
}

bool EntersHistory(Status status) {
  switch (status) {
    case Status::kRecorded:
    case Status::kEarly:
    case Status::kLate:
    case Status::kNotOffered:
      return true;
    case Status::kAlreadyRecorded:
    case Status::kBeforeDecision:
    case Status::kUnknownDecision:
    case Status::kCustomerErased:
    case Status::kOtherContent:
    case Status::kTooMany:
    case Status::kUnknownId:
    case Status::kFailed:
      return false;
  }
  return false;
}

}  // namespace attune::outcome
