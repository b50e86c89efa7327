#include "lib/evidence/event_time.h"

#include <string_view>

#include "attune/storage/v1/event.pb.h"

namespace attune::evidence {
namespace {

template <typename Message>
bool ParseLogged(std::string_view payload, Message& message) {
  return payload.size() <= storage::kMaxEventBytes &&
         message.ParseFromArray(payload.data(), static_cast<int>(payload.size()));
}

}  // namespace

std::optional<absl::Time> TimeOfEvent(const storage::LogEntry& entry) {
  const auto recorded = [&](auto message) -> std::optional<absl::Time> {
    if (!ParseLogged(entry.payload, message)) return std::nullopt;
    return absl::FromUnixMicros(message.recorded_time_us());
  };
  const auto told = [&](auto message) -> std::optional<absl::Time> {
    if (!ParseLogged(entry.payload, message)) return std::nullopt;
    return absl::FromUnixMicros(message.time_us());
  };
  switch (entry.type) {
    case storage::EventType::kDecision:
      return told(storage::v1::DecisionEvent());
    case storage::EventType::kInteractions:
      return recorded(storage::v1::InteractionsEvent());
    case storage::EventType::kConsent:
      return recorded(storage::v1::ConsentEvent());
    case storage::EventType::kOutcome:
      return recorded(storage::v1::OutcomeEvent());
    case storage::EventType::kClock:
      return told(storage::v1::ClockEvent());
  }
  return std::nullopt;
}

}  // namespace attune::evidence
