#include "service/value_updater.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <string_view>
#include <utility>

#include "lib/base/codec.h"
#include "lib/customer/customer_record.h"
#include "spdlog/spdlog.h"

namespace attune::service {
namespace {

using storage::CustomerKey;

constexpr std::string_view kBlobName = "value/sketches";
constexpr uint8_t kBlobFormat = 1;

// How often what decisions look at is made anew at most, and how often it is stored.
constexpr auto kPublishPeriod = std::chrono::seconds(1);
constexpr auto kSavePeriod = std::chrono::seconds(60);
// Between two chunks of customers, so that decisions have the processor.
constexpr auto kScanPause = std::chrono::milliseconds(5);
// How long notes wait for company, unless there are many.
constexpr auto kNotePause = std::chrono::milliseconds(200);
constexpr size_t kManyNoteBytes = 1 << 20;
// In percent: a sketch that may be more wrong is made anew.
constexpr double kMaxError = 1;

}  // namespace

ValueUpdater::ValueUpdater(const Options& options)
    : options_(options),
      scores_(options.strategy->engagement.scores()),
      evaluator_(scores_),
      slots_(static_cast<size_t>(options.strategy->features.size())),
      sketches_(scores_.scores.size()) {
  Load();
  Publish();
}

ValueUpdater::~ValueUpdater() { Stop(); }

void ValueUpdater::Start() {
  thread_ = std::thread([this] { Run(); });
}

void ValueUpdater::Stop() {
  {
    MutexLock lock(mutex_);
    if (stopping_) return;
    stopping_ = true;
  }
  work_.NotifyAll();
  if (thread_.joinable()) thread_.join();
  const Work work = TakeWork();
  Apply(work.notes);
  SaveAndLog(/*closed=*/rebuild_ == nullptr && !work.lost);
}

void ValueUpdater::Run() {
  auto next_publication = std::chrono::steady_clock::now();
  auto next_save = next_publication + kSavePeriod;
  while (true) {
    const auto now = std::chrono::steady_clock::now();
    const bool publish = now >= next_publication;
    if (publish) next_publication = now + kPublishPeriod;
    const bool more = Step(publish);
    if (unsaved_ && now >= next_save) {
      SaveAndLog(/*closed=*/false);
      next_save = now + kSavePeriod;
    }
    MutexLock lock(mutex_);
    if (stopping_) return;
    if (more) {
      work_.WaitFor(mutex_, kScanPause);
    } else if (queue_.bytes() < kManyNoteBytes) {
      work_.WaitFor(mutex_, kNotePause);
    }
    if (stopping_) return;
  }
}

bool ValueUpdater::Step(bool publish) {
  const Work work = TakeWork();
  Apply(work.notes);
  bool more = false;
  const bool inexact = rebuild_ == nullptr &&
                       std::any_of(sketches_.begin(), sketches_.end(), [](const auto& sketch) {
                         return sketch.max_error() > kMaxError;
                       });
  if (work.lost || inexact) {
    StartRebuild();
    more = true;
  } else if (rebuild_ != nullptr) {
    if (rebuild_->chunk_open && work.chunk_told) FinishChunk();
    if (rebuild_ != nullptr) more = rebuild_->chunk_open || ReadChunk();
  }
  if (publish && changed_) Publish();
  return more;
}

void ValueUpdater::StartRebuild() {
  rebuild_ = std::make_unique<Rebuild>();
  rebuild_->sketches.resize(sketches_.size());
  rebuilds_.fetch_add(1, std::memory_order_relaxed);
  changed_ = true;
  spdlog::info("scores: reading all customers");
}

bool ValueUpdater::ReadChunk() {
  Rebuild& rebuild = *rebuild_;
  rebuild.chunk_after = rebuild.cursor;
  rebuild.chunk.clear();
  const auto visit = [&](const CustomerKey& key, const storage::Record& record) {
    rebuild.chunk[key] = record.version.number;
    rebuild.cursor = key;
    const auto state = customer::CustomerState::ParseAny(record);
    if (state.ok() && state->known()) AddTo(rebuild.sketches, state->features());
  };
  const auto next = options_.store->Scan(rebuild.cursor, options_.scan_records, visit);
  if (!next.ok()) {
    if (!scan_failed_) {
      spdlog::error("scores: the customers can't be read: {}",
                    std::string(next.status().message()));
    }
    scan_failed_ = true;
    // What was added of this chunk can't be told from the rest.
    rebuild_ = std::make_unique<Rebuild>();
    rebuild_->sketches.resize(sketches_.size());
    return false;
  }
  scan_failed_ = false;
  rebuild.at_end = !next->has_value();
  if (*next) rebuild.cursor = **next;
  rebuild.chunk_open = true;
  changed_ = true;
  // Writes that begin from now on tell changes that are newer than what was read. The chunk stays
  // open until the others have ended: nobody is left then in the phase that comes after this one.
  MutexLock lock(mutex_);
  rebuild.chunk_phase = phase_;
  phase_ = 1 - phase_;
  return true;
}

void ValueUpdater::FinishChunk() {
  rebuild_->chunk_open = false;
  rebuild_->chunk.clear();
  if (!rebuild_->at_end) return;
  sketches_ = std::move(rebuild_->sketches);
  rebuild_ = nullptr;
  changed_ = true;
  unsaved_ = true;
  spdlog::info("scores: all customers were read; {} have the score {}", sketches_.front().count(),
               scores_.scores.front().name);
}

ValueUpdater::Work ValueUpdater::TakeWork() {
  Work work;
  MutexLock lock(mutex_);
  std::swap(work.notes, queue_);
  work.lost = std::exchange(lost_, false);
  if (rebuild_ != nullptr && rebuild_->chunk_open) {
    work.chunk_told = writing_[static_cast<size_t>(rebuild_->chunk_phase)] == 0;
  }
  return work;
}

bool ValueUpdater::ConcernsRebuild(const Note& note) {
  Rebuild& rebuild = *rebuild_;
  if (!rebuild.at_end && (!rebuild.cursor || note.key > *rebuild.cursor)) return false;
  if (!rebuild.chunk_open) return true;
  if (rebuild.chunk_after && note.key <= *rebuild.chunk_after) return true;
  const auto read = rebuild.chunk.find(note.key);
  if (note.erased) {
    if (read == rebuild.chunk.end()) return false;
    rebuild.chunk.erase(read);
    return true;
  }
  if (read == rebuild.chunk.end()) {
    rebuild.chunk[note.key] = note.version;
    return true;
  }
  if (note.version <= read->second) return false;
  read->second = note.version;
  return true;
}

void ValueUpdater::Apply(const Notes& notes) {
  std::string_view features = notes.features;
  for (const Note& note : notes.notes) {
    const std::string_view before = features.substr(0, note.before_bytes);
    const std::string_view after = features.substr(note.before_bytes, note.after_bytes);
    features.remove_prefix(note.before_bytes + note.after_bytes);
    const auto apply = [&](std::vector<value::QuantileSketch>& sketches) {
      if (note.was_known) RemoveFrom(sketches, before);
      if (!note.erased) AddTo(sketches, after);
    };
    apply(sketches_);
    if (rebuild_ != nullptr && ConcernsRebuild(note)) apply(rebuild_->sketches);
    changed_ = true;
    unsaved_ = true;
  }
}

absl::Span<const double> ValueUpdater::ScoresOf(std::string_view features) {
  const ValueSchema& schema = options_.strategy->features;
  if (!schema.Decode(features, absl::MakeSpan(slots_)).ok()) return {};
  return evaluator_.Evaluate(slots_);
}

void ValueUpdater::AddTo(std::vector<value::QuantileSketch>& sketches, std::string_view features) {
  const absl::Span<const double> scores = ScoresOf(features);
  for (size_t i = 0; i < scores.size(); ++i) {
    if (!std::isnan(scores[i])) sketches[i].Add(scores[i]);
  }
}

void ValueUpdater::RemoveFrom(std::vector<value::QuantileSketch>& sketches,
                              std::string_view features) {
  const absl::Span<const double> scores = ScoresOf(features);
  for (size_t i = 0; i < scores.size(); ++i) {
    if (!std::isnan(scores[i])) sketches[i].Remove(scores[i]);
  }
}

const std::vector<value::QuantileSketch>& ValueUpdater::Served() const {
  // What was stored before a crash says more than a part of the customers, until that part is the
  // larger one.
  if (rebuild_ == nullptr) return sketches_;
  const bool rebuilt_says_more = rebuild_->sketches.front().count() > sketches_.front().count();
  return rebuilt_says_more ? rebuild_->sketches : sketches_;
}

void ValueUpdater::Publish() {
  auto standings = std::make_shared<value::Standings>();
  for (const value::QuantileSketch& sketch : Served()) {
    standings->scores.push_back(sketch.MakeTable());
  }
  standings->complete = rebuild_ == nullptr;
  changed_ = false;
  std::shared_ptr<const value::Standings> published = std::move(standings);
  {
    MutexLock lock(mutex_);
    standings_.swap(published);
  }
  generation_.fetch_add(1, std::memory_order_release);
}

std::shared_ptr<const value::Standings> ValueUpdater::standings() const {
  MutexLock lock(mutex_);
  return standings_;
}

int ValueUpdater::WriteBegins() {
  MutexLock lock(mutex_);
  ++writing_[static_cast<size_t>(phase_)];
  return phase_;
}

void ValueUpdater::WriteEnds(int begun) {
  MutexLock lock(mutex_);
  --writing_[static_cast<size_t>(begun)];
}

void ValueUpdater::FeaturesChanged(const customer::ProfileNotice& notice) {
  const size_t bytes = sizeof(Note) + notice.before.size() + notice.after.size();
  MutexLock lock(mutex_);
  if (lost_) return;  // all customers will be read anyway
  const size_t waiting = queue_.bytes();
  if (waiting + bytes > options_.max_queue_bytes) {
    lost_ = true;
    return;
  }
  queue_.notes.push_back({.key = notice.key,
                          .version = notice.version,
                          .was_known = notice.was_known,
                          .erased = notice.erased,
                          .before_bytes = notice.before.size(),
                          .after_bytes = notice.after.size()});
  queue_.features += notice.before;
  queue_.features += notice.after;
  if (waiting < kManyNoteBytes && waiting + bytes >= kManyNoteBytes) work_.NotifyOne();
}

void ValueUpdater::ChangeUncertain() {
  MutexLock lock(mutex_);
  lost_ = true;
}

void ValueUpdater::Load() {
  const auto load = [&]() -> bool {
    const auto blob = options_.store->GetBlob(kBlobName);
    if (!blob.ok()) {
      spdlog::error("scores: what is stored can't be read: {}",
                    std::string(blob.status().message()));
    }
    if (!blob.ok() || !*blob) return false;
    ByteReader reader(**blob);
    if (reader.Fixed<uint8_t>() != kBlobFormat) return false;
    const bool closed = reader.Fixed<uint8_t>() != 0;
    if (reader.SizedBytes() != scores_.fingerprint) return false;
    if (reader.Varint() != scores_.scores.size()) return false;
    std::vector<value::QuantileSketch> sketches;
    for (const policy::CustomerScore& score : scores_.scores) {
      if (reader.SizedBytes() != score.name) return false;
      auto sketch = value::QuantileSketch::Decode(reader.SizedBytes());
      if (!sketch.ok()) return false;
      sketches.push_back(*std::move(sketch));
    }
    if (!reader.ok() || !reader.done()) return false;
    sketches_ = std::move(sketches);
    return closed;
  };
  // From now on what is stored may lag behind the customers, and says so.
  if (!load() || !Save(/*closed=*/false).ok()) StartRebuild();
}

absl::Status ValueUpdater::Save(bool closed) {
  std::string bytes;
  bytes.push_back(static_cast<char>(kBlobFormat));
  bytes.push_back(closed ? 1 : 0);
  PutBytes(bytes, scores_.fingerprint);
  PutVarint(bytes, scores_.scores.size());
  const std::vector<value::QuantileSketch>& sketches = Served();
  for (size_t i = 0; i < sketches.size(); ++i) {
    PutBytes(bytes, scores_.scores[i].name);
    PutBytes(bytes, sketches[i].Encode());
  }
  return options_.store->PutBlob(kBlobName, bytes);
}

void ValueUpdater::SaveAndLog(bool closed) {
  unsaved_ = false;
  if (const absl::Status status = Save(closed); !status.ok()) {
    spdlog::error("scores: they can't be stored: {}", std::string(status.message()));
  }
}

void ForgetStoredScores(storage::StateStore& store) {
  const auto blob = store.GetBlob(kBlobName);
  absl::Status status = blob.status();
  if (status.ok() && blob->has_value()) status = store.DeleteBlob(kBlobName);
  if (!status.ok()) {
    spdlog::error("scores: what is stored can't be removed: {}", std::string(status.message()));
  }
}

void AddValueMetrics(telemetry::Registry& registry, const ValueUpdater* updater) {
  registry.AddGauge(
      "attune_value_sketch_complete",
      "1 when every customer is in the sketches of the scores, or there are no "
      "scores; 0 while the customers are being read.",
      [updater] { return updater == nullptr || updater->standings()->complete ? 1.0 : 0.0; });
  registry.AddGauge("attune_value_sketch_customers", "Customers in the sketch of the first score.",
                    [updater] {
                      if (updater == nullptr) return 0.0;
                      return static_cast<double>(updater->standings()->scores.front().count());
                    });
  registry.AddCounterFunction(
      "attune_value_sketch_rebuilds_total",
      "How often all customers were read, or began to be, to make the sketches anew.",
      [updater] { return updater == nullptr ? 0.0 : static_cast<double>(updater->rebuilds()); });
}

}  // namespace attune::service
