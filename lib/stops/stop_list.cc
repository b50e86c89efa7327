#include "lib/stops/stop_list.h"

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "attune/storage/v1/stops.pb.h"

namespace attune::stops {
namespace {

constexpr std::string_view kBlobName = "stops";

std::vector<Change> Read(google::protobuf::RepeatedPtrField<storage::v1::Stops::Change>& stored) {
  std::vector<Change> changes;
  for (storage::v1::Stops::Change& change : stored) {
    Change& read = changes.emplace_back();
    read.number = change.number();
    read.target.kind = change.has_group() ? Target::Kind::kGroup : Target::Kind::kTreatment;
    read.target.name = change.has_group() ? change.group() : change.treatment();
    read.stopped = change.stopped();
    read.by = std::move(*change.mutable_by());
    read.because = std::move(*change.mutable_because());
    read.time_us = change.time_us();
    read.request_id = std::move(*change.mutable_request_id());
    read.without_effect = change.without_effect();
  }
  return changes;
}

void Write(const std::vector<Change>& changes,
           google::protobuf::RepeatedPtrField<storage::v1::Stops::Change>& stored) {
  for (const Change& change : changes) {
    storage::v1::Stops::Change& written = *stored.Add();
    written.set_number(change.number);
    if (change.target.kind == Target::Kind::kGroup) {
      written.set_group(change.target.name);
    } else {
      written.set_treatment(change.target.name);
    }
    written.set_stopped(change.stopped);
    written.set_by(change.by);
    written.set_because(change.because);
    written.set_time_us(change.time_us);
    written.set_request_id(change.request_id);
    written.set_without_effect(change.without_effect);
  }
}

absl::Status Save(const StopState& state, storage::StateStore& store) {
  storage::v1::Stops stops;
  Write(state.current, *stops.mutable_current());
  Write(state.changes, *stops.mutable_changes());
  return store.PutBlob(kBlobName, stops.SerializeAsString());
}

bool IsSameRequest(const Change& a, const Change& b) {
  return a.target == b.target && a.stopped == b.stopped && a.by == b.by && a.because == b.because;
}

}  // namespace

absl::StatusOr<std::unique_ptr<StopList>> StopList::Load(storage::StateStore* store,
                                                         const catalog::Catalog* catalog) {
  absl::StatusOr<std::optional<std::string>> blob = store->GetBlob(kBlobName);
  if (!blob.ok()) return blob.status();
  storage::v1::Stops stops;
  if (blob->has_value() && !stops.ParseFromString(**blob)) {
    return absl::DataLossError("the stored list of stops is damaged: it can't be parsed");
  }
  auto state = std::make_shared<StopState>();
  state->current = Read(*stops.mutable_current());
  state->changes = Read(*stops.mutable_changes());
  state->set = StopSet(state->current, *catalog);
  std::unique_ptr<StopList> list(new StopList(store, catalog));
  {
    MutexLock lock(list->mutex_);
    list->state_ = std::move(state);
  }
  return list;
}

std::shared_ptr<const StopState> StopList::state() const {
  MutexLock lock(mutex_);
  return state_;
}

absl::StatusOr<StopList::Done> StopList::Set(Change change) {
  MutexLock writing(writing_);
  const std::shared_ptr<const StopState> before = state();
  if (!change.request_id.empty()) {
    for (const Change& earlier : before->changes) {
      if (earlier.request_id != change.request_id) continue;
      if (IsSameRequest(earlier, change)) {
        return earlier.without_effect ? Done::kUnchanged : Done::kRepeated;
      }
      return absl::AlreadyExistsError(
          "this request_id was used for another change of stops; use a new one");
    }
  }
  auto after = std::make_shared<StopState>();
  after->current = before->current;
  after->changes = before->changes;
  const auto stop = std::find_if(after->current.begin(), after->current.end(),
                                 [&](const Change& c) { return c.target == change.target; });
  const bool is_stopped = stop != after->current.end();
  change.without_effect = is_stopped == change.stopped;
  const bool changes = !change.without_effect;
  // With an id it is noted all the same, so that a late retry does not undo what came after it.
  if (!changes && change.request_id.empty()) return Done::kUnchanged;
  if (changes && change.stopped && after->current.size() >= kMaxStops) {
    return absl::ResourceExhaustedError(
        absl::StrCat("there are ", kMaxStops,
                     " stops, as many as can be kept; lift those that are not needed any more"));
  }
  change.number = before->changes.empty() ? 1 : before->changes.back().number + 1;
  if (changes && is_stopped) after->current.erase(stop);
  if (changes && !is_stopped) after->current.push_back(change);
  if (after->changes.size() >= kMaxChanges) after->changes.erase(after->changes.begin());
  after->changes.push_back(std::move(change));
  after->set = StopSet(after->current, catalog_);
  if (absl::Status status = Save(*after, store_); !status.ok()) return status;
  {
    MutexLock lock(mutex_);
    state_ = std::move(after);
  }
  generation_.fetch_add(1, std::memory_order_release);
  return changes ? Done::kChanged : Done::kUnchanged;
}

}  // namespace attune::stops
