#include "lib/evidence/evidence_counts.h"

#include <limits>

#include "absl/status/status.h"
#include "attune/storage/v1/event.pb.h"
#include "attune/storage/v1/evidence.pb.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/wire_format_lite.h"
#include "lib/storage/name_dictionary.h"

namespace attune::evidence {
namespace {

using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedInputStream;

constexpr uint32_t kDecided = 0;

bool ParseFrom(std::string_view bytes, google::protobuf::MessageLite& message) {
  return bytes.size() <= static_cast<size_t>(std::numeric_limits<int>::max()) &&
         message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()));
}

bool ReadNumbers(uint32_t tag, CodedInputStream& in, std::vector<uint32_t>& out) {
  uint32_t number = 0;
  if (WireFormatLite::GetTagWireType(tag) == WireFormatLite::WIRETYPE_VARINT) {
    if (!in.ReadVarint32(&number)) return false;
    out.push_back(number);
    return true;
  }
  if (WireFormatLite::GetTagWireType(tag) != WireFormatLite::WIRETYPE_LENGTH_DELIMITED) {
    return false;
  }
  int bytes = 0;
  if (!in.ReadVarintSizeAsInt(&bytes) || bytes > in.BytesUntilLimit()) return false;
  const CodedInputStream::Limit limit = in.PushLimit(bytes);
  while (in.BytesUntilLimit() > 0) {
    if (!in.ReadVarint32(&number)) return false;
    out.push_back(number);
  }
  in.PopLimit(limit);
  return true;
}

// Features, attributes and the answer, which make most of a decision's bytes, are stepped over.
bool ReadScoredAndRanking(std::string_view payload, std::vector<uint32_t>& scored,
                          std::vector<uint32_t>& ranking) {
  using storage::v1::DecisionEvent;
  scored.clear();
  ranking.clear();
  if (payload.size() > static_cast<size_t>(std::numeric_limits<int>::max())) return false;
  const auto size = static_cast<int>(payload.size());
  CodedInputStream in(reinterpret_cast<const uint8_t*>(payload.data()), size);
  in.PushLimit(size);
  while (const uint32_t tag = in.ReadTag()) {
    bool read = false;
    switch (WireFormatLite::GetTagFieldNumber(tag)) {
      case DecisionEvent::kScoredFieldNumber:
        read = ReadNumbers(tag, in, scored);
        break;
      case DecisionEvent::kRankingFieldNumber:
        read = ReadNumbers(tag, in, ranking);
        break;
      default:
        read = WireFormatLite::SkipField(&in, tag);
    }
    if (!read) return false;
  }
  return in.ConsumedEntireMessage();
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
    case storage::EventType::kOutcome:
      return AddOutcome(entry.payload);
    case storage::EventType::kConsent:
    case storage::EventType::kClock:
      break;
  }
  return true;
}

bool EvidenceCounts::AddDecision(std::string_view payload) {
  if (!ReadScoredAndRanking(payload, scored_, ranking_)) return false;
  if (ranking_.empty()) return true;
  const uint32_t top = ranking_.front();
  if (top >= scored_.size()) return false;
  return Count({scored_[top], kDecided});
}

bool EvidenceCounts::AddInteractions(std::string_view payload) {
  storage::v1::InteractionsEvent event;
  if (!ParseFrom(payload, event)) return false;
  bool all = true;
  for (const storage::v1::InteractionsEvent::Interaction& interaction : event.interactions()) {
    if (interaction.treatment_plus_one() == 0) continue;
    const uint32_t treatment = interaction.treatment_plus_one() - 1;
    const bool counted = interaction.decided() ? Count({treatment, kDecided})
                                               : CountOutcome(treatment, interaction.outcome());
    if (!counted) all = false;
  }
  return all;
}

// As with interactions: what is in the customer's history, once.
bool EvidenceCounts::AddOutcome(std::string_view payload) {
  storage::v1::OutcomeEvent event;
  if (!ParseFrom(payload, event)) return false;
  if (event.not_in_history() || event.treatment_plus_one() == 0) return true;
  return CountOutcome(event.treatment_plus_one() - 1, event.outcome());
}

bool EvidenceCounts::CountOutcome(uint32_t treatment, uint32_t outcome) {
  return outcome < storage::NameDictionary::kMaxNames && Count({treatment, outcome + 1});
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
