#include "lib/evidence/evidence_fold.h"

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lib/storage/log_damage.h"

namespace attune::evidence {
namespace {

constexpr std::string_view kBlobName = "evidence";
// Stands for the oldest event that the log has.
constexpr uint64_t kStartOfLog = 0;

std::vector<int64_t> EvidenceOf(const catalog::Catalog& catalog, const EvidenceCounts& counts) {
  std::vector<int64_t> evidence;
  evidence.reserve(catalog.ramps.size());
  for (const catalog::Ramp& ramp : catalog.ramps) {
    const auto treatment = static_cast<size_t>(ramp.treatment);
    evidence.push_back(counts.EvidenceFor(ramp, catalog.treatments[treatment].number));
  }
  return evidence;
}

}  // namespace

absl::StatusOr<std::unique_ptr<EvidenceFold>> EvidenceFold::Load(storage::StateStore* store,
                                                                 const catalog::Catalog* catalog) {
  const absl::StatusOr<std::optional<std::string>> blob = store->GetBlob(kBlobName);
  if (!blob.ok() && !absl::IsDataLoss(blob.status())) return blob.status();
  std::unique_ptr<EvidenceFold> fold(new EvidenceFold(store, catalog));
  EvidenceCounts counts;
  fold->was_damaged_ = !blob.ok();
  if (blob.ok() && blob->has_value()) {
    absl::StatusOr<EvidenceCounts> stored = EvidenceCounts::Parse(**blob);
    fold->was_damaged_ = !stored.ok();
    if (stored.ok()) counts = *std::move(stored);
  }
  {
    MutexLock lock(fold->mutex_);
    fold->shares_ = std::make_shared<const RampShares>(*catalog, EvidenceOf(*catalog, counts));
  }
  {
    MutexLock stepping(fold->stepping_);
    fold->saved_position_ = counts.next_position();
    const uint64_t end = store->SpanOfLog().end;
    fold->lost_end_ = counts.next_position() > end;
    if (fold->lost_end_) counts.SkipTo(end);
    fold->counts_ = std::move(counts);
  }
  return fold;
}

std::shared_ptr<const RampShares> EvidenceFold::shares() const {
  MutexLock lock(mutex_);
  return shares_;
}

absl::StatusOr<bool> EvidenceFold::Step() {
  MutexLock stepping(stepping_);
  const uint64_t before = counts_.next_position();
  absl::StatusOr<bool> more = ReadOn(counts_.next_position(), counts_);
  if (absl::IsOutOfRange(more.status())) {
    gaps_.fetch_add(1, std::memory_order_relaxed);
    more = ReadOn(kStartOfLog, counts_);
  }
  if (!more.ok()) failures_.fetch_add(1, std::memory_order_relaxed);
  if (absl::IsDataLoss(more.status())) more = SkipDamage(more.status(), counts_);
  // What came before an error counts, too.
  if (counts_.next_position() != before) Publish(counts_);
  return more;
}

absl::StatusOr<bool> EvidenceFold::ReadOn(uint64_t from, EvidenceCounts& counts) {
  int read = 0;
  size_t bytes = 0;
  bool more = false;
  const absl::Status status = store_.ReadLog(from, [&](const storage::LogEntry& entry) {
    if (!counts.Add(entry)) uncounted_.fetch_add(1, std::memory_order_relaxed);
    bytes += entry.payload.size();
    more = ++read >= kMaxEventsPerStep || bytes >= kMaxBytesPerStep;
    return !more;
  });
  events_.fetch_add(static_cast<uint64_t>(read), std::memory_order_relaxed);
  if (!status.ok()) return status;
  return more;
}

absl::StatusOr<bool> EvidenceFold::SkipDamage(const absl::Status& problem, EvidenceCounts& counts) {
  const absl::StatusOr<uint64_t> readable =
      storage::FindReadable(store_, counts.next_position(), problem);
  if (!readable.ok()) return readable.status();
  uncounted_.fetch_add(1, std::memory_order_relaxed);
  counts.SkipTo(*readable);
  return true;
}

void EvidenceFold::Publish(const EvidenceCounts& counts) {
  std::vector<int64_t> evidence = EvidenceOf(catalog_, counts);
  if (shares()->evidence() == evidence) return;
  auto next = std::make_shared<const RampShares>(catalog_, std::move(evidence));
  {
    MutexLock lock(mutex_);
    shares_ = std::move(next);
  }
  generation_.fetch_add(1, std::memory_order_release);
}

absl::Status EvidenceFold::Save() {
  MutexLock stepping(stepping_);
  if (counts_.next_position() == saved_position_) return absl::OkStatus();
  absl::Status status = SaveCounts();
  if (!status.ok()) failures_.fetch_add(1, std::memory_order_relaxed);
  return status;
}

absl::Status EvidenceFold::SaveCounts() {
  // First the events: those that power loss takes would stay counted, and others would come to
  // their positions and be taken for them.
  if (absl::Status status = store_.Sync(); !status.ok()) return status;
  if (absl::Status status = store_.PutBlob(kBlobName, counts_.Serialize()); !status.ok()) {
    return status;
  }
  saved_position_ = counts_.next_position();
  return absl::OkStatus();
}

absl::Status CountAll(EvidenceFold& fold) {
  absl::StatusOr<bool> more = true;
  while (more.ok() && *more) more = fold.Step();
  return more.status();
}

}  // namespace attune::evidence
