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

void FollowedSketch::Add(double value) {
  const auto owed = owed_.empty() ? owed_.end() : owed_.find(value);
  if (owed == owed_.end()) {
    sketch_.Add(value);
    return;
  }
  --owed_count_;
  if (--owed->second == 0) owed_.erase(owed);
}

void FollowedSketch::Remove(double value) {
  if (sketch_.Remove(value)) return;
  if (owed_count_ == kMaxOwed) {
    overdrawn_ = true;
    return;
  }
  ++owed_[value];
  ++owed_count_;
}

ValueUpdater::ValueUpdater(const Options& options)
    : options_(options),
      followed_(options.strategy),
      evaluator_(std::make_unique<policy::ScoreEvaluator>(scores())),
      slots_(static_cast<size_t>(options.strategy->features.size())),
      sketches_(scores().scores.size()),
      strategy_(options.strategy) {
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
  Work work = TakeWork();
  if (work.strategy != nullptr) Switch(std::move(work.strategy));
  Apply(work.notes);
  const bool owes = std::any_of(sketches_.begin(), sketches_.end(), [](const auto& sketch) {
    return sketch.owed() > 0 || sketch.overdrawn();
  });
  SaveAndLog(/*closed=*/rebuild_ == nullptr && !notes_lost_ && !work.lost && !owes);
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
  Work work = TakeWork();
  if (work.strategy != nullptr) Switch(std::move(work.strategy));
  Apply(work.notes);
  if (work.lost && !notes_lost_) {
    notes_lost_ = true;
    changed_ = true;
  }
  bool more = false;
  if (rebuild_ != nullptr) {
    // What was lost meanwhile waits for the next one: this one may end.
    more = ContinueRebuild(work.others_told);
  } else if ((notes_lost_ || IsOff()) && options_.clock->Now() >= next_rebuild_) {
    StartRebuild();
    more = true;
  }
  if (publish && changed_) Publish();
  return more;
}

bool ValueUpdater::IsOff() const {
  return std::any_of(sketches_.begin(), sketches_.end(), [](const auto& followed) {
    return followed.overdrawn() || followed.sketch().max_error() > kMaxError;
  });
}

void ValueUpdater::Switch(std::shared_ptr<const strategy::Strategy> strategy) {
  const std::vector<policy::CustomerScore> before = scores().scores;
  evaluator_ = nullptr;
  followed_ = std::move(strategy);
  evaluator_ = std::make_unique<policy::ScoreEvaluator>(scores());
  bool is_same = scores().scores.size() == before.size();
  sketches_.resize(scores().scores.size());
  if (rebuild_ != nullptr) rebuild_->sketches.resize(sketches_.size());
  for (size_t i = 0; i < sketches_.size(); ++i) {
    if (i < before.size() && scores().scores[i].fingerprint == before[i].fingerprint) continue;
    is_same = false;
    // What the sketches know of is another score.
    sketches_[i] = FollowedSketch();
    if (rebuild_ != nullptr) rebuild_->sketches[i] = FollowedSketch();
    spdlog::info("scores: another model gives the score {}", scores().scores[i].name);
  }
  if (is_same) return;
  changed_ = true;
  unsaved_ = true;
  if (rebuild_ == nullptr) {
    StartRebuild();
  } else {
    // To begin anew at once might never come to an end. Those who are left are read by this one.
    notes_lost_ = true;
  }
}

void ValueUpdater::StartRebuild() {
  rebuild_ = std::make_unique<Rebuild>();
  rebuild_->sketches.resize(sketches_.size());
  rebuilds_.fetch_add(1, std::memory_order_relaxed);
  next_rebuild_ = options_.clock->Now() + kRebuildPeriod;
  changed_ = true;
  spdlog::info("scores: reading all customers{}",
               std::exchange(notes_lost_, false) ? ", for changes were not told" : "");
}

bool ValueUpdater::ContinueRebuild(bool others_told) {
  // Whoever is in the other phase began before the last chunk was read, and may still tell what
  // that has: the chunk stays open until they have ended, and no other one is read.
  if (!others_told) return true;
  if (rebuild_->chunk_open) FinishChunk();
  if (rebuild_ == nullptr || options_.clock->Now() < next_read_) return false;
  return ReadChunk();
}

bool ValueUpdater::ReadChunk() {
  Rebuild& rebuild = *rebuild_;
  rebuild.chunk_after = rebuild.cursor;
  rebuild.chunk.clear();
  // Nothing of a chunk counts until all of it was read. The scores of one customer after the other:
  std::vector<double> read;
  uint64_t unreadable = 0;
  const auto visit = [&](const CustomerKey& key, const storage::Record& record) {
    rebuild.chunk[key] = record.version.number;
    const auto state = customer::CustomerState::ParseAny(record);
    if (state.ok() && !state->known()) return;
    const auto scores = state.ok() ? ScoresOf(state->features()) : absl::Span<const double>();
    if (scores.empty()) ++unreadable;
    read.insert(read.end(), scores.begin(), scores.end());
  };
  const auto next = options_.store->Scan(rebuild.cursor, options_.scan_records, visit);
  if (!next.ok()) {
    rebuild.chunk.clear();
    WaitAfter(next.status());
    return false;
  }
  if (std::exchange(retry_, absl::ZeroDuration()) > absl::ZeroDuration()) {
    spdlog::info("scores: the customers can be read again");
  }
  for (size_t i = 0; i < read.size(); ++i) {
    if (!std::isnan(read[i])) rebuild.sketches[i % rebuild.sketches.size()].Add(read[i]);
  }
  rebuild.unreadable += unreadable;
  rebuild.at_end = !next->has_value();
  if (*next) rebuild.cursor = **next;
  rebuild.chunk_open = true;
  changed_ = true;
  // Writes that begin from now on tell changes that are newer than what was read. Nobody is left in
  // the phase in which they begin: see ContinueRebuild.
  MutexLock lock(mutex_);
  phase_ = 1 - phase_;
  return true;
}

void ValueUpdater::WaitAfter(const absl::Status& failure) {
  if (retry_ == absl::ZeroDuration()) {
    spdlog::error("scores: the customers can't be read: {}", std::string(failure.message()));
    retry_ = kFirstRetry;
  } else {
    retry_ = std::min(2 * retry_, kLastRetry);
  }
  next_read_ = options_.clock->Now() + retry_;
}

void ValueUpdater::FinishChunk() {
  rebuild_->chunk_open = false;
  rebuild_->chunk.clear();
  if (!rebuild_->at_end) return;
  const uint64_t unreadable = rebuild_->unreadable;
  unreadable_.store(unreadable, std::memory_order_relaxed);
  sketches_ = std::move(rebuild_->sketches);
  rebuild_ = nullptr;
  changed_ = true;
  unsaved_ = true;
  spdlog::info("scores: all customers were read; {} have the score {}",
               sketches_.front().sketch().count(), scores().scores.front().name);
  if (unreadable > 0) {
    spdlog::error("scores: {} customers are left out, for their records can't be read", unreadable);
  }
}

ValueUpdater::Work ValueUpdater::TakeWork() {
  Work work;
  MutexLock lock(mutex_);
  std::swap(work.notes, queue_);
  work.lost = std::exchange(lost_, false);
  work.others_told = writing_[static_cast<size_t>(1 - phase_)] == 0;
  if (strategy_ != followed_) work.strategy = strategy_;
  return work;
}

void ValueUpdater::Follow(std::shared_ptr<const strategy::Strategy> strategy) {
  MutexLock lock(mutex_);
  strategy_ = std::move(strategy);
}

std::shared_ptr<const strategy::Strategy> ValueUpdater::strategy() const {
  MutexLock lock(mutex_);
  return strategy_;
}

bool ValueUpdater::ConcernsRebuild(const Note& note) {
  Rebuild& rebuild = *rebuild_;
  if (!rebuild.at_end && (!rebuild.cursor || note.key > *rebuild.cursor)) return false;
  if (!rebuild.chunk_open) return true;
  if (rebuild.chunk_after && note.key <= *rebuild.chunk_after) return true;
  // What is in the chunk stays what was read, for notes of one customer come in any order.
  if (note.erased) {
    // Who was not read had gone before, and what was erased with them counts no more.
    const auto [read, is_new] = rebuild.chunk.try_emplace(note.key, note.version);
    return !is_new && note.version >= read->second;
  }
  const auto [read, is_new] = rebuild.chunk.try_emplace(note.key, 0);
  return note.version > read->second;
}

void ValueUpdater::Apply(const Notes& notes) {
  std::string_view features = notes.features;
  for (const Note& note : notes.notes) {
    const std::string_view before = features.substr(0, note.before_bytes);
    const std::string_view after = features.substr(note.before_bytes, note.after_bytes);
    features.remove_prefix(note.before_bytes + note.after_bytes);
    const auto apply = [&](std::vector<FollowedSketch>& sketches) {
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
  const ValueSchema& schema = followed_->features;
  if (!schema.Decode(features, absl::MakeSpan(slots_)).ok()) return {};
  return evaluator_->Evaluate(slots_);
}

void ValueUpdater::AddTo(std::vector<FollowedSketch>& sketches, std::string_view features) {
  const absl::Span<const double> scores = ScoresOf(features);
  for (size_t i = 0; i < scores.size(); ++i) {
    if (!std::isnan(scores[i])) sketches[i].Add(scores[i]);
  }
}

void ValueUpdater::RemoveFrom(std::vector<FollowedSketch>& sketches, std::string_view features) {
  const absl::Span<const double> scores = ScoresOf(features);
  for (size_t i = 0; i < scores.size(); ++i) {
    if (!std::isnan(scores[i])) sketches[i].Remove(scores[i]);
  }
}

const FollowedSketch& ValueUpdater::Served(size_t score) const {
  // What was stored before a crash says more than a part of the customers, until that part is the
  // larger one.
  if (rebuild_ == nullptr) return sketches_[score];
  const FollowedSketch& rebuilt = rebuild_->sketches[score];
  const bool rebuilt_says_more = rebuilt.sketch().count() > sketches_[score].sketch().count();
  return rebuilt_says_more ? rebuilt : sketches_[score];
}

void ValueUpdater::Publish() {
  auto standings = std::make_shared<value::Standings>();
  for (size_t i = 0; i < sketches_.size(); ++i) {
    standings->scores.push_back(Served(i).sketch().MakeTable());
    standings->fingerprints.push_back(scores().scores[i].fingerprint);
  }
  standings->complete = rebuild_ == nullptr && !notes_lost_;
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
    if (reader.SizedBytes() != scores().fingerprint) return false;
    if (reader.Varint() != scores().scores.size()) return false;
    std::vector<FollowedSketch> sketches;
    for (const policy::CustomerScore& score : scores().scores) {
      if (reader.SizedBytes() != score.name) return false;
      auto sketch = value::QuantileSketch::Decode(reader.SizedBytes());
      if (!sketch.ok()) return false;
      sketches.emplace_back().sketch_ = *std::move(sketch);
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
  PutBytes(bytes, scores().fingerprint);
  PutVarint(bytes, scores().scores.size());
  for (size_t i = 0; i < sketches_.size(); ++i) {
    PutBytes(bytes, scores().scores[i].name);
    PutBytes(bytes, Served(i).sketch().Encode());
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
  registry.AddGauge(
      "attune_value_sketch_unreadable_customers",
      "Customers that are in no sketch because their records could not be understood when all were "
      "read last.",
      [updater] { return updater == nullptr ? 0.0 : static_cast<double>(updater->unreadable()); });
}

}  // namespace attune::service
