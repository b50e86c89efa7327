#include "lib/evidence/evidence_counts.h"

#include <limits>

#include "absl/status/status.h"
#include "attune/storage/v1/event.pb.h"
#include "attune/storage/v1/evidence.pb.h"
#include "lib/storage/name_dictionary.h"

namespace attune::evidence {
namespace {

constexpr uint32_t kDecided = 0;

bool ParseFrom(std::string_view bytes, google::protobuf::MessageLite& message) {
  return bytes.size() <= static_cast<size_t>(std::numeric_limits<int>::max()) &&
         message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()));
}

}  // namespace

absl::StatusOr<EvidenceCounts> EvidenceCounts::Parse(std::string_view bytes) {
  const auto damaged = [] {
    return absl::DataLossError("the stored evidence of treatments is damaged");
  };
  storage::v1::Evidence stored;
  if (!ParseFrom(bytes, stored)) return damaged();
  if (static_cast<size_t>(stored.counts_size()) > kMaxCounts) return damaged();
  EvidenceCounts counts;
  counts.next_position_ = stored.next_position();
  for (const storage::v1::Evidence::Count& count : stored.counts()) {
    const Key key(count.treatment(), count.outcome_plus_one());
    if (count.count() < 1 || !counts.counts_.try_emplace(key, count.count()).second) {
      return damaged();
    }
  }
  return counts;
}

std::string EvidenceCounts::Serialize() const {
  storage::v1::Evidence stored;
  stored.set_next_position(next_position_);
  for (const auto& [key, count] : counts_) {
    storage::v1::Evidence::Count& written = *stored.add_counts();
    written.set_treatment(key.first);
    written.set_outcome_plus_one(key.second);
    written.set_count(count);
  }
  return stored.SerializeAsString();
}

bool EvidenceCounts::Add(const storage::LogEntry& entry) {
  if (entry.position < next_position_) return true;
  next_position_ = entry.position + 1;
  switch (entry.type) {
    case storage::EventType::kDecision:
      return AddDecision(entry.payload);
    case storage::EventType::kInteractions:
      return AddInteractions(entry.payload);
    case storage::EventType::kConsent:
      break;
  }
  return true;
}

bool EvidenceCounts::AddDecision(std::string_view payload) {
  storage::v1::DecisionEvent event;
  if (!ParseFrom(payload, event)) return false;
  if (event.ranking().empty()) return true;
  const uint32_t top = event.ranking(0);
  if (top >= static_cast<uint32_t>(event.scored_size())) return false;
  return Count({event.scored(static_cast<int>(top)), kDecided});
}

bool EvidenceCounts::AddInteractions(std::string_view payload) {
  storage::v1::InteractionsEvent event;
  if (!ParseFrom(payload, event)) return false;
  bool all = true;
  for (const storage::v1::InteractionsEvent::Interaction& interaction : event.interactions()) {
    if (interaction.treatment_plus_one() == 0) continue;
    if (!interaction.decided() && interaction.outcome() >= storage::NameDictionary::kMaxNames) {
      all = false;  // no outcome has this number
      continue;
    }
    const uint32_t outcome = interaction.decided() ? kDecided : interaction.outcome() + 1;
    if (!Count({interaction.treatment_plus_one() - 1, outcome})) all = false;
  }
  return all;
}

bool EvidenceCounts::Count(const Key& key) {
  const auto known = counts_.find(key);
  if (known != counts_.end()) {
    ++known->second;
    return true;
  }
  if (counts_.size() >= kMaxCounts) return false;
  counts_.emplace(key, 1);
  return true;
}

int64_t EvidenceCounts::CountOf(const Key& key) const {
  const auto found = counts_.find(key);
  return found == counts_.end() ? 0 : found->second;
}

int64_t EvidenceCounts::EvidenceFor(const catalog::Ramp& ramp, uint32_t treatment) const {
  int64_t evidence = ramp.counts_decided ? CountOf({treatment, kDecided}) : 0;
  for (const uint32_t outcome : ramp.outcomes) {
    evidence += CountOf({treatment, outcome + 1});
  }
  return evidence;
}

}  // namespace attune::evidence
