#ifndef ATTUNE_LIB_EVIDENCE_EVENT_TIME_H_
#define ATTUNE_LIB_EVIDENCE_EVENT_TIME_H_

#include <optional>

#include "absl/time/time.h"
#include "lib/storage/state_store.h"

namespace attune::evidence {

// When the event was recorded; of a decision the moment that was decided for, of a clock event the
// time that it tells. nullopt: it can't be read. Thread-safe.
std::optional<absl::Time> TimeOfEvent(const storage::LogEntry& entry);

}  // namespace attune::evidence

#endif  // ATTUNE_LIB_EVIDENCE_EVENT_TIME_H_
