#ifndef ATTUNE_LIB_EVIDENCE_EVIDENCE_COUNTS_H_
#define ATTUNE_LIB_EVIDENCE_EVIDENCE_COUNTS_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "lib/catalog/catalog.h"
#include "lib/storage/state_store.h"

namespace attune::evidence {

// Most pairs of treatment and outcome that are counted, over all strategies that were ever used
// with a store. One strategy can have 640,000.
inline constexpr size_t kMaxCounts = 1'000'000;

// How often what has become of treatments, over all customers: a fold over the log of events, which
// knows up to where it has come. All that has a treatment is counted, whatever a strategy calls
// evidence, so that another strategy finds it. Not thread-safe.
class EvidenceCounts {
 public:
  // DATA_LOSS: these are not the bytes of counts.
  static absl::StatusOr<EvidenceCounts> Parse(std::string_view bytes);
  // Equal counts have equal bytes.
  std::string Serialize() const;

  // Counts what the event tells; what is before next_position() was counted already and is left
  // out. False: not all of it could be counted, because the event is damaged or there are
  // kMaxCounts pairs.
  bool Add(const storage::LogEntry& entry);

  // Goes on there, as if what is before it had been counted, and nothing else. So it may go back
  // only to where the log ends, when the log has lost its events from there on.
  void SkipTo(uint64_t position) { next_position_ = position; }

  // Where to go on reading the log.
  uint64_t next_position() const { return next_position_; }

  // How much evidence the treatment with this number of the NameDictionary has for its ramp.
  int64_t EvidenceFor(const catalog::Ramp& ramp, uint32_t treatment) const;

 private:
  // Number of the treatment, then 1 + number of the outcome or 0 for a decision.
  using Key = std::pair<uint32_t, uint32_t>;

  bool AddDecision(std::string_view payload);
  bool AddInteractions(std::string_view payload);
  bool AddOutcome(std::string_view payload);
  // Counts an outcome by its number. False: no outcome has it, or there are too many pairs.
  bool CountOutcome(uint32_t treatment, uint32_t outcome);
  // False: there are too many pairs.
  bool Count(const Key& key);
  int64_t CountOf(const Key& key) const;

  uint64_t next_position_ = 0;
  std::map<Key, int64_t> counts_;  // none with a count of 0
  // Memory of AddDecision.
  std::vector<uint32_t> scored_;
  std::vector<uint32_t> ranking_;
};

}  // namespace attune::evidence

#endif  // ATTUNE_LIB_EVIDENCE_EVIDENCE_COUNTS_H_
