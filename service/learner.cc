#include "service/learner.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "lib/storage/log_damage.h"
#include "spdlog/spdlog.h"

namespace attune::service {
namespace {

using Steady = std::chrono::steady_clock;

constexpr std::string_view kBlobPrefix = "learner/";
// Stands for the oldest event that the log has.
constexpr uint64_t kOldestEvent = 0;

// Logs the first of a series of failures and the end of the series.
void LogSeries(const char* what, const absl::Status& status, bool& is_failing) {
  if (!status.ok() && !is_failing) spdlog::error("{}: {}", what, std::string(status.message()));
  if (status.ok() && is_failing) spdlog::info("{}: works again", what);
  is_failing = !status.ok();
}

// As Attribution::ReadAt: who is not there was erased, or has left the log.
absl::StatusOr<std::optional<storage::LogEntry>> ReadEvent(const storage::StateStore& store,
                                                           uint64_t position) {
  absl::StatusOr<std::optional<storage::LogEntry>> entry = store.ReadLogAt(position);
  if (!entry.ok() || entry->has_value()) return entry;
  const absl::Status status =
      store.ReadLog(position, [](const storage::LogEntry&) { return false; });
  if (absl::IsOutOfRange(status)) return status;
  return entry;
}

// Counts who waits for the lock that is taken next, and has it.
class Asking {
 public:
  explicit Asking(std::atomic<int>& count) : count_(count) { count_.fetch_add(1); }
  ~Asking() { count_.fetch_sub(1); }
  Asking(const Asking&) = delete;
  Asking& operator=(const Asking&) = delete;

 private:
  std::atomic<int>& count_;
};

}  // namespace

Learner::Learner(const Options& options)
    : options_(options),
      blob_(std::string(kBlobPrefix) + options.strategy->name),
      state_(options.strategy, options.limits),
      learned_(std::make_shared<const scoring::LearnedModels>()) {}

absl::StatusOr<std::unique_ptr<Learner>> Learner::Load(const Options& options) {
  std::unique_ptr<Learner> learner(new Learner(options));
  const absl::StatusOr<std::optional<std::string>> blob = options.store->GetBlob(learner->blob_);
  if (!blob.ok() && !absl::IsDataLoss(blob.status())) return blob.status();
  learner->was_damaged_ = !blob.ok();
  if (blob.ok() && blob->has_value()) {
    std::vector<std::string> notes;
    absl::StatusOr<LearnerState> stored =
        LearnerState::Parse(**blob, options.strategy, notes, options.limits);
    learner->was_damaged_ = !stored.ok();
    if (stored.ok()) {
      MutexLock saving(learner->saving_);
      MutexLock stepping(learner->stepping_);
      learner->state_ = *std::move(stored);
      // What began anew is to be stored so.
      if (notes.empty()) learner->saved_position_ = learner->state_.attribution().next_position();
      learner->AcceptLostEnd();
    }
    for (const std::string& note : notes) spdlog::warn("learning: {}", note);
  }
  if (learner->was_damaged_) {
    spdlog::error(
        "learning: what was learned is damaged in the store; it is learned anew from what the log "
        "still has");
  }
  {
    MutexLock stepping(learner->stepping_);
    learner->unlearned_log_.Note(learner->state_, options.limits.open_treatments, Steady::now());
  }
  learner->Publish();
  return learner;
}

void Learner::AcceptLostEnd() {
  const outcome::Attribution& attribution = state_.attribution();
  const uint64_t learned = attribution.next_position();
  const uint64_t end = options_.store->SpanOfLog().end;
  if (learned <= end) return;
  lost_ends_.fetch_add(1, std::memory_order_relaxed);
  const size_t waiting = attribution.open();
  state_.FallBackTo(end);
  saved_position_.reset();
  spdlog::error(
      "learning: the log ends at position {}, and what was learned reaches to {}: the log has lost "
      "its last events. What was learned from them is kept; {} of {} treatments that waited for "
      "outcomes are given up, and learning goes on from where the log ends",
      end, learned, waiting - attribution.open(), waiting);
}

Learner::~Learner() { Stop().IgnoreError(); }

void Learner::Start() {
  last_save_.store(Steady::now().time_since_epoch());
  thread_ = std::thread([this] { Run(); });
  saver_ = std::thread([this] { RunSaves(); });
}

absl::Status Learner::Stop() {
  {
    MutexLock lock(thread_mutex_);
    stopping_ = true;
  }
  stopped_.NotifyAll();
  if (thread_.joinable()) thread_.join();
  if (saver_.joinable()) saver_.join();
  return Save();
}

bool Learner::WaitOrStop(Steady::duration period) {
  MutexLock lock(thread_mutex_);
  if (!stopping_ && period > Steady::duration::zero()) stopped_.WaitFor(thread_mutex_, period);
  return stopping_;
}

void Learner::Run() {
  bool is_step_failing = false;
  bool is_clock_failing = false;
  Steady::time_point next_publication = Steady::now();
  const auto pause = [this](bool more) -> Steady::duration {
    if (!more) return kPollPeriod;
    return asking_.load() > 0 ? kGiveWay : Steady::duration::zero();
  };
  for (bool more = true; !WaitOrStop(pause(more));) {
    const absl::StatusOr<bool> stepped = Step();
    more = stepped.ok() && *stepped;
    LogSeries("learning from the log", stepped.status(), is_step_failing);
    if (stepped.ok() && !more) {
      LogSeries("learning, telling the log the time", WriteClockEvent(), is_clock_failing);
    }
    if (const auto start = Steady::now(); start >= next_publication) {
      Publish();
      const Steady::duration took = Steady::now() - start;
      next_publication = start + std::max<Steady::duration>(kPublishPeriod, kPublishShare * took);
    }
  }
}

void Learner::RunSaves() {
  bool is_failing = false;
  const Steady::duration period = std::max<Steady::duration>(options_.save_period, kLeastSavePause);
  for (Steady::duration pause = period; !WaitOrStop(pause);) {
    // Others may have had it stored meanwhile.
    const Steady::duration since = Steady::now().time_since_epoch() - last_save_.load();
    if (since < period) {
      pause = period - since;
      continue;
    }
    LogSeries("storing what was learned", Save(), is_failing);
    pause = period;
  }
}

absl::StatusOr<bool> Learner::Step() {
  MutexLock stepping(stepping_);
  absl::StatusOr<bool> more = ReadOn(state_.attribution().next_position());
  if (absl::IsOutOfRange(more.status())) more = SkipGap();
  if (!more.ok()) failures_.fetch_add(1, std::memory_order_relaxed);
  if (absl::IsDataLoss(more.status())) more = SkipDamage(more.status());
  NoteFormulaError();
  unlearned_log_.Note(state_, options_.limits.open_treatments, Steady::now());
  is_behind_.store(!more.ok() || *more, std::memory_order_relaxed);
  return more;
}

absl::StatusOr<bool> Learner::ReadOn(uint64_t from) {
  // Learning reads decisions from the log: not while the log is being read.
  std::vector<storage::LogEntry> entries;
  size_t bytes = 0;
  const absl::Status status = options_.store->ReadLog(from, [&](const storage::LogEntry& entry) {
    entries.push_back(entry);
    bytes += entry.payload.size();
    return entries.size() < kMaxEventsPerStep && bytes < kMaxBytesPerStep;
  });
  const auto read_at = [this](uint64_t position) { return ReadEvent(*options_.store, position); };
  for (const storage::LogEntry& entry : entries) {
    if (absl::Status added = state_.Add(entry, read_at); !added.ok()) return added;
    if (state_.attribution().next_position() <= entry.position) {
      // More settles by it, after others had the lock. What lies before it was read, or is gone.
      state_.SkipTo(entry.position);
      return true;
    }
    events_.fetch_add(1, std::memory_order_relaxed);
  }
  if (!status.ok()) return status;
  return entries.size() >= kMaxEventsPerStep || bytes >= kMaxBytesPerStep;
}

void Learner::NoteFormulaError() {
  const std::string& error = state_.attribution().formula_error();
  if (error.empty() || formula_error_noted_) return;
  formula_error_noted_ = true;
  spdlog::warn(
      "learning: a formula failed, so a treatment was not learned from (counted in "
      "attune_learner_unlearned_total): {}",
      error);
}

absl::StatusOr<bool> Learner::SkipGap() {
  const outcome::Attribution& attribution = state_.attribution();
  const uint64_t from = attribution.next_position();
  const uint64_t start = std::max(from, options_.store->SpanOfLog().start);
  gaps_.fetch_add(1, std::memory_order_relaxed);
  missed_positions_.fetch_add(start - from, std::memory_order_relaxed);
  spdlog::error(
      "learning: events at positions {} to {} have left the log before they were learned from, so "
      "what they told is lost ({} positions in {} gaps since the start). Learning was {} behind: "
      "let the log keep more (--log_max_mb, --log_max_age)",
      from, start, missed_positions(), gaps(), absl::FormatDuration(TimeBehind()));
  // Told once, also where what is left can't be read now.
  state_.SkipTo(start);
  return ReadOn(kOldestEvent);
}

absl::StatusOr<bool> Learner::SkipDamage(const absl::Status& problem) {
  const uint64_t damaged = state_.attribution().next_position();
  const absl::StatusOr<uint64_t> readable =
      storage::FindReadable(*options_.store, damaged, problem);
  if (!readable.ok()) return readable.status();
  missed_positions_.fetch_add(*readable - damaged, std::memory_order_relaxed);
  spdlog::error(
      "learning: the log can't be read from position {} to {}, so what was told there is not "
      "learned: {}",
      damaged, *readable, std::string(problem.message()));
  state_.SkipTo(*readable);
  return true;
}

absl::Duration Learner::TimeBehind() const {
  const int64_t told_us = state_.attribution().now_us();
  if (told_us <= 0) return absl::ZeroDuration();
  return std::max(absl::ZeroDuration(), options_.clock->Now() - absl::FromUnixMicros(told_us));
}

absl::Status Learner::WriteClockEvent() {
  if (!options_.writes_clock_events) return absl::OkStatus();
  const absl::Time now = options_.clock->Now();
  {
    MutexLock stepping(stepping_);
    const bool is_believed = told_time_.At(now, Steady::now()) == now;
    if (!is_believed && is_clock_believed_) {
      clock_jumps_.fetch_add(1, std::memory_order_relaxed);
      spdlog::error(
          "learning: the clock has jumped to {}: no window is closed by it until it has gone on "
          "evenly for {}; what is recorded meanwhile has its time",
          absl::FormatTime(now, absl::UTCTimeZone()), absl::FormatDuration(ToldTime::kAgreement));
    }
    is_clock_believed_ = is_believed;
    // In doubt nothing is told: windows close later.
    if (!is_believed) return absl::OkStatus();
    const outcome::Attribution& attribution = state_.attribution();
    const absl::Time told = absl::FromUnixMicros(attribution.now_us());
    // What the log told last may be ahead, by a clock that was.
    if (attribution.open() == 0 || absl::AbsDuration(now - told) < kClockEventPeriod) {
      return absl::OkStatus();
    }
  }
  return outcome::AppendClockEvent(*options_.store, absl::ToUnixMicros(now));
}

void Learner::Publish() {
  MutexLock stepping(stepping_);
  std::erase_if(retired_, [](const auto& models) { return models.use_count() == 1; });
  auto before = learned();
  auto next = std::make_shared<scoring::LearnedModels>();
  next->models.resize(options_.strategy->models.models.size());
  bool is_changed = before->models.empty();
  for (const LearnerState::Model& model : state_.models()) {
    const auto index = static_cast<size_t>(model.use->model);
    const uint64_t examples = model.learned.examples();
    if (examples == 0) continue;
    const auto* const known = before->models.empty() ? nullptr : &before->models[index];
    if (known != nullptr && *known != nullptr && (*known)->examples() == examples) {
      next->models[index] = *known;
    } else {
      next->models[index] = model.learned.MakeSnapshot();
      is_changed = true;
    }
  }
  if (options_.strategy->uses_success_rates) {
    next->rates = before->rates;
    if (next->rates == nullptr || next->rates->showings() != state_.rates().showings()) {
      next->rates = std::make_shared<const learning::SuccessRates>(state_.rates());
      is_changed = true;
    }
  }
  if (!is_changed) return;
  next->position = state_.attribution().next_position();
  {
    MutexLock lock(mutex_);
    learned_ = std::move(next);
  }
  generation_.fetch_add(1, std::memory_order_release);
  retired_.push_back(std::move(before));
}

absl::Status Learner::Save() {
  MutexLock saving(saving_);
  std::string bytes;
  uint64_t position = 0;
  {
    const Asking asking(asking_);
    MutexLock stepping(stepping_);
    position = state_.attribution().next_position();
    if (position == saved_position_) return absl::OkStatus();
    bytes = state_.Serialize();
  }
  // First the events: those that power loss takes would stay learned, and others would come to
  // their positions and be taken for them.
  absl::Status status = options_.store->Sync();
  if (status.ok()) status = options_.store->PutBlob(blob_, bytes);
  last_save_.store(Steady::now().time_since_epoch());
  if (status.ok()) {
    saved_position_ = position;
  } else {
    save_failures_.fetch_add(1, std::memory_order_relaxed);
  }
  return status;
}

absl::Status Learner::CatchUp() {
  absl::StatusOr<bool> more = true;
  while (more.ok() && *more) more = Step();
  Publish();
  return more.status();
}

std::shared_ptr<const scoring::LearnedModels> Learner::learned() const {
  MutexLock lock(mutex_);
  return learned_;
}

LearnerReport Learner::Report() const {
  const Asking asking(asking_);
  MutexLock stepping(stepping_);
  LearnerReport report;
  for (const LearnerState::Model& model : state_.models()) {
    ModelReport& out = report.models.emplace_back();
    out.name = model.name;
    out.version = options_.strategy->models.models[static_cast<size_t>(model.use->model)].version;
    out.mode = model.use->mode;
    out.examples = model.learned.examples();
    for (const learning::InputLayout::Input& input : model.use->scorer->layout()->inputs()) {
      out.inputs.push_back(input.name);
    }
    out.health = model.health.Report();
    out.served = model.served.Report();
  }
  const outcome::Attribution& attribution = state_.attribution();
  report.position = attribution.next_position();
  if (is_behind()) {
    report.lag = TimeBehind();
    const uint64_t end = options_.store->SpanOfLog().end;
    report.lag_positions = end - std::min(end, report.position);
  }
  report.waiting = attribution.open();
  report.attribution = attribution.counts();
  report.unlearned = state_.unlearned();
  return report;
}

std::vector<RateReport> Learner::Rates() const {
  const auto& treatments = options_.strategy->catalog.treatments;
  const auto& channels = options_.strategy->context.channels;
  std::vector<RateReport> rates;
  const Asking asking(asking_);
  MutexLock stepping(stepping_);
  for (size_t i = 0; i < treatments.size(); ++i) {
    for (int c = 0; c < channels.size(); ++c) {
      const auto counts = state_.rates().Of(treatments[i].number, channels[c].number);
      if (counts.shown > 0) rates.push_back({static_cast<int>(i), c, counts});
    }
  }
  return rates;
}

}  // namespace attune::service
