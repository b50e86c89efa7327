#ifndef ATTUNE_LIB_STORAGE_STATE_STORE_H_
#define ATTUNE_LIB_STORAGE_STATE_STORE_H_

#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/types/span.h"
#include "lib/base/hash.h"

namespace attune::storage {

// Where a customer's state lies: a keyed hash of the customer's id, so that neither the store's
// keys nor its files' boundaries tell an id. The key of the hash belongs to the store and never
// changes.
using CustomerKey = Hash128;

// Largest record of a customer, in bytes.
inline constexpr size_t kMaxRecordBytes = 1u << 20;
// Largest payload of an event, in bytes.
inline constexpr size_t kMaxEventBytes = 1u << 20;
// Most events of one commit.
inline constexpr size_t kMaxEventsPerCommit = 1024;
// Largest commit: its record and the payloads of its events, in bytes.
inline constexpr size_t kMaxCommitBytes = 4u << 20;

// Which state of a record somebody has seen. Opaque above the store.
struct RecordVersion {
  // Grows with every commit of the record; 0: there is no record.
  uint64_t number = 0;
  // The store's own note that makes a commit without contention cheap.
  uint64_t token = 0;
};

// A customer's record as loaded. Reuse one object for many loads: its buffer stays.
struct Record {
  bool found = false;
  RecordVersion version;
  std::string bytes;  // empty unless found
};

// What an event of the log is about. Stored: never renumber.
enum class EventType : uint8_t {
  kDecision = 1,      // payload: attune.storage.v1.DecisionEvent
  kInteractions = 2,  // payload: attune.storage.v1.InteractionsEvent
  kConsent = 3,       // payload: attune.storage.v1.ConsentEvent
  kOutcome = 4,       // payload: attune.storage.v1.OutcomeEvent
  kClock = 5,         // payload: attune.storage.v1.ClockEvent; nobody's
};

// An event to be appended to the log.
struct Event {
  EventType type = EventType::kDecision;
  std::string_view payload;
};

// An event of the log as read.
struct LogEntry {
  uint64_t position = 0;
  CustomerKey customer{};
  EventType type = EventType::kDecision;
  std::string payload;
};

// A change of one customer's state together with the events that it caused; written as a whole or
// not at all.
struct CustomerCommit {
  CustomerKey key{};
  // As loaded; {0, token of the load} when the load found nothing.
  RecordVersion expected;
  // The new record; not looked at when `keep_record` is set.
  std::string_view bytes;
  bool keep_record = false;
  absl::Span<const Event> events;
};

// What a commit did.
struct CommitReceipt {
  // The record's new version number. It is also the log position of the commit's first event; its
  // other events have the positions that follow. With `keep_record` the record keeps the version
  // that it had, and this is the position only (without events: the version that it has).
  uint64_t version = 0;
};

// How much a commit must survive before it is acknowledged.
enum class Durability {
  kProcess,  // the process being killed
  kPower,    // power loss
  // The process being killed, from the next Flush on. For who acknowledges many commits together:
  // nobody may be told of the commit before Flush has succeeded.
  kFlush,
};

// Which positions of the log are taken.
struct LogSpan {
  // Events before it have left the log by retention.
  uint64_t start = 0;
  // Every event that there is has a position before it, and every later one has this position or
  // one behind it. Where the log has lost its last events they are not counted.
  uint64_t end = 0;
};

// What the store says about itself, for metrics.
struct StoreStats {
  uint64_t customers_estimate = 0;
  uint64_t log_entries_estimate = 0;
  uint64_t log_bytes = 0;          // what TrimLog holds against its limit, estimated
  uint64_t live_bytes = 0;         // of files on disk
  uint64_t memtable_bytes = 0;     // of what is committed and not yet in the database
  uint64_t block_cache_bytes = 0;  // of records and blocks kept in memory to be read again
  uint64_t cache_hits = 0;         // records that were in memory, since start
  uint64_t cache_misses = 0;       // records that were not, since start
  uint64_t compaction_pending_bytes = 0;
  uint64_t written_bytes = 0;  // since start, with journal, checkpoints and compactions
  bool write_stopped = false;  // by back-pressure, or from an error to the next success
  uint64_t conflicts = 0;      // commits that were refused with ABORTED, since start
};

inline constexpr char kUnwrittenPayload[] = "attune.storage/unwritten";
// The error of a commit, marked: nothing was written.
inline absl::Status AsUnwritten(absl::Status status) {
  status.SetPayload(kUnwrittenPayload, absl::Cord());
  return status;
}
// Whether after this error of a commit nothing of it was written, and nothing will be there after
// the next start.
inline bool IsUnwritten(const absl::Status& status) {
  return absl::IsAborted(status) || status.GetPayload(kUnwrittenPayload).has_value();
}

// The state of all customers and the log of what happened to them. Thread-safe.
//
// Who can load a version of a record can read the events that were committed with it, unless they
// have left the log by retention or erasure.
//
// Errors of every method, besides those it names: UNAVAILABLE (can't be read or written now:
// retry), DATA_LOSS (what is stored is damaged; page somebody), RESOURCE_EXHAUSTED (disk full, size
// limits).
//
// The interface fits a store that is shared over a network as well: no call spans two customers
// atomically, and nothing above it may know which store it talks to.
class StateStore {
 public:
  virtual ~StateStore() = default;

  // Pure; the same id has the same key as long as the store lives.
  virtual CustomerKey KeyOf(std::string_view customer_id) const = 0;

  // Reads the customer's record; "not there" is `found == false`, no error.
  virtual absl::Status Load(const CustomerKey& key, Record& record) const = 0;

  // Load for many at once. REQUIRES: keys.size() == records.size().
  virtual absl::Status LoadMany(absl::Span<const CustomerKey> keys,
                                absl::Span<Record> records) const = 0;

  // Calls `visit` for the records whose keys come after `after` (absent: from the first one on), in
  // order of their keys, at most `max_records` of them, and returns the key after which to go on;
  // nullopt: there are no more. Each record is as it was at some moment during the call, so that
  // what was committed before the call is seen. Its version can't be committed against. May take
  // long, and holds nobody up meanwhile. REQUIRES: max_records > 0.
  using VisitRecord = std::function<void(const CustomerKey&, const Record&)>;
  virtual absl::StatusOr<std::optional<CustomerKey>> Scan(const std::optional<CustomerKey>& after,
                                                          size_t max_records,
                                                          const VisitRecord& visit) const = 0;

  // Writes the record and appends the events if the customer's version is still `expected`.
  // ABORTED: it is not; load again and decide again. With kPower the call may take as long as a
  // disk write, or half a minute while the disk is behind, and must not be made from a thread that
  // serves decisions.
  //
  // After ABORTED, when a size is beyond its limit, or when the store took no commits, nothing was
  // written: IsUnwritten tells. Any other error leaves open whether the commit happened: after a
  // failed sync it can be read and survives the process being killed; after a failed write it can't
  // be read now but may be there after the next start. So load again before you retry, and give
  // what is retried an id that tells.
  virtual absl::StatusOr<CommitReceipt> Commit(const CustomerCommit& commit,
                                               Durability durability) = 0;

  // Commit for many customers with few writes, in order; the result has one element per commit, and
  // errors mean what they mean for Commit. Sizes and versions are checked for each on its own; what
  // is written together, about a hundred commits, also fails together, while what was written
  // before or is written after may succeed. A failed sync fails all of them. Waits, for half a
  // minute in all, while the disk is behind, whatever the durability.
  // REQUIRES: no customer occurs twice.
  virtual std::vector<absl::StatusOr<CommitReceipt>> CommitMany(
      absl::Span<const CustomerCommit> commits, Durability durability) = 0;

  // Returns when everything that was committed before the call, with a version up to `position`,
  // survives the process being killed, commits with kFlush by whatever thread too. Costs next to
  // nothing when there is none of them; otherwise one write for all. After an error they can be
  // read, and count, but may be lost with the process: they are written together with the next
  // commit, Flush or Sync that succeeds, before everything that is committed later. While that is
  // so, commits with kFlush are written at once, and fail as those with kProcess do.
  absl::Status Flush() { return Flush(std::numeric_limits<uint64_t>::max()); }
  virtual absl::Status Flush(uint64_t position) = 0;

  // Returns when everything that was committed before the call survives power loss.
  virtual absl::Status Sync() = 0;

  // Removes the customer's record and every event of the customer, and returns when that survives
  // power loss. Returns the number of events removed and whether there was a record. May take
  // seconds: it reads the whole log. From then on nobody can read them here; the store's files are
  // rid of their bytes later, when they are written anew, in a time that the store's options tell
  // and only while it is open and written to. Backups and file system snapshots keep what they
  // have.
  struct Erased {
    bool record = false;
    int64_t events = 0;
  };
  virtual absl::StatusOr<Erased> Erase(const CustomerKey& key) = 0;

  // Calls `visit` for the events from position `from` on, in order of their positions (which grow
  // but have gaps), until it returns false or there are no more. OUT_OF_RANGE: events after `from`
  // have left the log by retention; the message says from where it can be read.
  virtual absl::Status ReadLog(uint64_t from,
                               const std::function<bool(const LogEntry&)>& visit) const = 0;

  // The event at this position, or nullopt when the log does not hold it (any more).
  virtual absl::StatusOr<std::optional<LogEntry>> ReadLogAt(uint64_t position) const = 0;

  // Where the log begins and ends. Takes no lock and reads nothing.
  virtual LogSpan SpanOfLog() const = 0;

  // Drops the oldest events until the log's estimated size is at most `max_bytes`.
  virtual absl::Status TrimLog(uint64_t max_bytes) = 0;

  // Drops the events before this position. OK: none of them can be read any more.
  virtual absl::Status TrimLogBefore(uint64_t position) = 0;

  // Named blobs: strategies, models, dictionaries. Reads see the last write; writes survive power
  // loss when they return. Names are at most 256 bytes, blobs at most 256 MiB.
  virtual absl::StatusOr<std::optional<std::string>> GetBlob(std::string_view name) const = 0;
  virtual absl::Status PutBlob(std::string_view name, std::string_view bytes) = 0;
  // At most `max_bytes` of the blob from `offset` on, fewer at its end; nullopt when there is none
  // of that name. For blobs that are too large for one message; one that is written in between may
  // give parts that don't belong together.
  virtual absl::StatusOr<std::optional<std::string>> GetBlobPart(std::string_view name,
                                                                 uint64_t offset,
                                                                 size_t max_bytes) const = 0;
  // Removes the blob, if it is there; survives power loss when it returns.
  virtual absl::Status DeleteBlob(std::string_view name) = 0;

  virtual StoreStats Stats() const = 0;
};

}  // namespace attune::storage

#endif  // ATTUNE_LIB_STORAGE_STATE_STORE_H_
