#include "lib/storage/checkpointer.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "lib/storage/batch_thread.h"
#include "lib/storage/rocksdb_format.h"
#include "lib/storage/rocksdb_status.h"
#include "rocksdb/sst_file_writer.h"

namespace attune::storage {
namespace {

// After a failure: each further one waits twice as long.
constexpr absl::Duration kMinRetryAfter = absl::Seconds(1);
constexpr absl::Duration kMaxRetryAfter = absl::Seconds(30);

// Files of records that wait to be merged. More would make every read of the database slower.
constexpr uint64_t kMaxWaitingFiles = 24;
constexpr absl::Duration kMaxWait = absl::Seconds(5);
constexpr absl::Duration kPause = absl::Milliseconds(5);

constexpr size_t kBatchBytes = 1 << 20;

// The database takes the file over instead of copying it.
rocksdb::IngestExternalFileOptions IngestOptions() {
  rocksdb::IngestExternalFileOptions options;
  options.move_files = true;
  options.write_global_seqno = false;
  options.verify_file_checksum = false;
  return options;
}

}  // namespace

Checkpointer::Checkpointer(CheckpointParts parts, CheckpointFiles files)
    : parts_(parts),
      files_(std::move(files)),
      syncer_([this] { return CheckpointOnce(); }),
      pacer_([this] { return InAHurry(); }),
      thread_([this] { Loop(); }) {}

void Checkpointer::Stop() {
  if (!thread_.joinable()) return;
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
    wake_.Signal();
  }
  thread_.join();
}

void Checkpointer::Request() {
  if (requested_.load(std::memory_order_relaxed) || requested_.exchange(true)) return;
  absl::MutexLock lock(&mutex_);
  wake_.Signal();
}

absl::Status Checkpointer::Checkpoint() {
  ++waiting_;
  absl::Status status = syncer_.Sync();
  --waiting_;
  return status;
}

absl::Status Checkpointer::last_status() const {
  absl::MutexLock lock(&mutex_);
  return last_status_;
}

void Checkpointer::Loop() {
  RunInBackground();
  absl::Duration retry_after = kMinRetryAfter;
  while (!stopping_) {
    {
      absl::MutexLock lock(&mutex_);
      while (!requested_ && !stopping_) wake_.Wait(&mutex_);
    }
    if (stopping_) return;
    // Before: what is asked for while this one runs may not be in it.
    requested_ = false;
    const absl::Status status = syncer_.Sync();
    if (status.ok()) {
      retry_after = kMinRetryAfter;
      continue;
    }
    // Requested until it is tried again, so that nobody else wakes this thread before.
    requested_ = true;
    absl::MutexLock lock(&mutex_);
    if (!stopping_) wake_.WaitWithTimeout(&mutex_, retry_after);
    retry_after = std::min(2 * retry_after, kMaxRetryAfter);
  }
}

absl::Status Checkpointer::CheckpointOnce() {
  absl::Status status = Run();
  parts_.queue->EndCheckpoint();
  absl::MutexLock lock(&mutex_);
  last_status_ = status;
  return status;
}

absl::Status Checkpointer::Run() {
  const absl::StatusOr<CommitQueue::Cut> made = parts_.queue->MakeCut();
  if (!made.ok()) return made.status();
  const CommitQueue::Cut cut = *made;
  const auto did = [this](size_t bytes) { pacer_.Did(bytes); };
  const RecordTable::DirtyRecords dirty = parts_.table->CollectDirty(did);
  const EventChunks chunks = parts_.tail->ChunksBelow(cut.number);
  const std::string floor = EncodeFloor({cut.number, cut.customers});
  const Content content = {dirty, chunks, floor};

  // Records are collected as they are now. What was written to them behind the cut must not be in
  // the database while its events could still be lost with the journal. What lies before the cut
  // may be impossible to sync; then it is safe only when it is in the database. Some of what was
  // collected may not be in the journal yet.
  absl::Status status = parts_.queue->Flush();
  if (!status.ok()) return status;
  status = parts_.journal->Sync();
  const bool journal_synced = status.ok();
  if (!journal_synced) status = parts_.journal->SyncFrom(cut.number);
  if (status.ok()) status = Write(content, journal_synced);
  if (!status.ok()) {
    // A database that has stopped after an error may go on when the error is gone.
    if (parts_.health->had_error()) parts_.db->Resume().PermitUncheckedError();
    return status;
  }
  parts_.table->MarkClean(dirty.records, did);
  parts_.tail->DropBelow(cut.number);
  parts_.journal->DropBelow(cut.number);
  return absl::OkStatus();
}

rocksdb::Status Checkpointer::ForEachRecord(const Content& content, Put put, Delete remove) {
  rocksdb::Status status;
  std::string value;
  for (const RecordTable::Dirty& record : content.records.records) {
    if (!status.ok()) break;
    if (record.removed) {
      status = remove(KeySlice(record.key));
      continue;
    }
    value.assign(reinterpret_cast<const char*>(&record.version), sizeof record.version);
    value.append(content.records.bytes, record.offset, record.size);
    status = put(KeySlice(record.key), value);
    pacer_.Did(value.size());
  }
  return status;
}

rocksdb::Status Checkpointer::ForEachEvent(const Content& content, Put put) {
  rocksdb::Status status;
  std::string value;
  for (const auto& chunk : content.events) {
    chunk->ForEach([&](const TailEvent& event) {
      const std::array<char, 8> key = LogKey(event.position);
      EncodeEvent(event.type, event.customer, event.payload, value);
      status = put(rocksdb::Slice(key.data(), key.size()), value);
      pacer_.Did(value.size());
      return status.ok();
    });
    if (!status.ok()) break;
  }
  return status;
}

absl::Status Checkpointer::Write(const Content& content, bool journal_synced) {
  if (!parts_.health->had_error()) {
    std::vector<rocksdb::IngestExternalFileArg> files;
    absl::Status status = WaitForCompactions();
    if (status.ok()) status = WriteFiles(content, files);
    // Looked at once more as late as can be: see DatabaseHealth.
    const bool can_add = status.ok() && !parts_.health->had_error();
    if (can_add) {
      status = ToAbslStatus(parts_.db->IngestExternalFiles(files), "add a checkpoint's files");
      if (status.ok()) return status;
    }
    DeleteFiles(files);
    if (!status.ok()) return status;
  }
  return WriteBatches(content, /*in_pieces=*/journal_synced);
}

void Checkpointer::DeleteFiles(const std::vector<rocksdb::IngestExternalFileArg>& files) {
  for (const rocksdb::IngestExternalFileArg& file : files) {
    files_.meta.env->DeleteFile(file.external_files[0]).PermitUncheckedError();
  }
}

absl::Status Checkpointer::WriteFiles(const Content& content,
                                      std::vector<rocksdb::IngestExternalFileArg>& files) {
  const auto write = [&](rocksdb::ColumnFamilyHandle* family, const rocksdb::Options& options,
                         absl::FunctionRef<rocksdb::Status(rocksdb::SstFileWriter&)> fill) {
    rocksdb::IngestExternalFileArg file;
    file.column_family = family;
    file.external_files = {absl::StrCat(files_.folder, "/", ++file_number_, ".sst")};
    file.options = IngestOptions();
    files.push_back(file);
    // The pages stay in the operating system's cache: the file is read next.
    rocksdb::SstFileWriter writer(rocksdb::EnvOptions(options), options, family,
                                  /*invalidate_page_cache=*/false);
    rocksdb::Status status = writer.Open(file.external_files[0]);
    if (status.ok()) status = fill(writer);
    if (status.ok()) status = writer.Finish();
    written_bytes_.fetch_add(writer.FileSize(), std::memory_order_relaxed);
    return ToAbslStatus(status, "write a file of a checkpoint");
  };
  absl::Status status = write(parts_.families.meta, files_.meta, [&](auto& writer) {
    return writer.Put(ToSlice(kFloorKey), content.floor);
  });
  if (status.ok() && !content.records.records.empty()) {
    status = write(parts_.families.customers, files_.customers, [&](auto& writer) {
      return ForEachRecord(
          content, [&](const auto& key, const auto& value) { return writer.Put(key, value); },
          [&](const auto& key) { return writer.Delete(key); });
    });
  }
  if (status.ok() && !content.events.empty()) {
    status = write(parts_.families.log, files_.log, [&](auto& writer) {
      return ForEachEvent(
          content, [&](const auto& key, const auto& value) { return writer.Put(key, value); });
    });
  }
  return status;
}

absl::Status Checkpointer::WriteBatches(const Content& content, bool in_pieces) {
  rocksdb::WriteBatch batch;
  const auto write = [&] {
    const rocksdb::Status status = parts_.db->Write(Durably(), &batch);
    batch.Clear();
    return status;
  };
  const auto written_if_large = [&](const rocksdb::Status& status) {
    return status.ok() && in_pieces && batch.GetDataSize() >= kBatchBytes ? write() : status;
  };
  const auto put_into = [&](rocksdb::ColumnFamilyHandle* family) {
    return [&, family](const rocksdb::Slice& key, const rocksdb::Slice& value) {
      return written_if_large(batch.Put(family, key, value));
    };
  };
  const ColumnFamilies& families = parts_.families;
  // Events before the records that point to them, the floor last.
  rocksdb::Status status = ForEachEvent(content, put_into(families.log));
  if (status.ok()) {
    status = ForEachRecord(content, put_into(families.customers), [&](const rocksdb::Slice& key) {
      return written_if_large(batch.Delete(families.customers, key));
    });
  }
  if (status.ok()) status = batch.Put(families.meta, ToSlice(kFloorKey), content.floor);
  if (status.ok()) status = write();
  return ToAbslStatus(status, "write a checkpoint");
}

absl::Status Checkpointer::WaitForCompactions() const {
  for (absl::Duration waited; waited < kMaxWait; waited += kPause) {
    std::string files;
    uint64_t count = 0;
    if (!parts_.db->GetProperty(parts_.families.customers,
                                rocksdb::DB::Properties::kNumFilesAtLevelPrefix + "0", &files) ||
        !absl::SimpleAtoi(files, &count) || count < kMaxWaitingFiles) {
      return absl::OkStatus();
    }
    absl::SleepFor(kPause);
  }
  return absl::UnavailableError("the database is behind with merging its files");
}

}  // namespace attune::storage
