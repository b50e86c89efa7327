#include "lib/storage/blob_store.h"

#include <algorithm>
#include <memory>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "lib/base/codec.h"
#include "lib/base/text.h"
#include "lib/storage/rocksdb_format.h"
#include "lib/storage/rocksdb_status.h"

namespace attune::storage {
namespace {

constexpr char kHeaderTag = 'h';
constexpr char kChunkTag = 'c';
constexpr size_t kChunkBytes = 128 << 10;

constexpr std::string_view kReading = "read a blob";
constexpr std::string_view kWriting = "write a blob";

std::string HeaderKey(std::string_view name) {
  std::string key(1, kHeaderTag);
  return key.append(name);
}

std::string GenerationPrefix(uint64_t generation) {
  std::string key(1, kChunkTag);
  const auto bytes = EncodeBigEndian(generation);
  key.append(bytes.data(), bytes.size());
  return key;
}

std::string ChunkKey(uint64_t generation, uint32_t index) {
  std::string key = GenerationPrefix(generation);
  const auto bytes = EncodeBigEndian(index);
  key.append(bytes.data(), bytes.size());
  return key;
}

absl::Status DamagedBlob(std::string_view name) {
  return absl::DataLossError(absl::StrCat("the stored blob ", Quoted(name), " is damaged"));
}

// A view of the database as it is now, for as long as the object lives.
class Snapshot {
 public:
  explicit Snapshot(rocksdb::DB* db) : db_(db) { options_.snapshot = db->GetSnapshot(); }
  ~Snapshot() { db_->ReleaseSnapshot(options_.snapshot); }
  Snapshot(const Snapshot&) = delete;
  Snapshot& operator=(const Snapshot&) = delete;

  const rocksdb::ReadOptions& options() const { return options_; }

 private:
  rocksdb::DB* const db_;
  rocksdb::ReadOptions options_;
};

}  // namespace

absl::Status BlobStore::Open() {
  absl::MutexLock lock(&mutex_);
  absl::flat_hash_set<uint64_t> live;
  std::vector<uint64_t> orphans;
  std::unique_ptr<rocksdb::Iterator> it(db_->NewIterator(rocksdb::ReadOptions(), families_.blobs));
  for (it->Seek(std::string(1, kHeaderTag)); it->Valid(); it->Next()) {
    const std::optional<Header> header = DecodeHeader(ToView(it->value()));
    if (!header.has_value()) return DamagedBlob(ToView(it->key()).substr(1));
    live.insert(header->generation);
    next_generation_ = std::max(next_generation_, header->generation + 1);
  }
  if (!it->status().ok()) return ToAbslStatus(it->status(), kReading);
  // From generation to generation, over the chunks of each.
  std::string next(1, kChunkTag);
  for (it->Seek(next); it->Valid() && it->key()[0] == kChunkTag; it->Seek(next)) {
    if (it->key().size() != 1 + sizeof(uint64_t) + sizeof(uint32_t)) return DamagedBlob("");
    const auto generation = DecodeBigEndian<uint64_t>(it->key().data() + 1);
    if (!live.contains(generation)) orphans.push_back(generation);
    next_generation_ = std::max(next_generation_, generation + 1);
    next = GenerationPrefix(generation + 1);
  }
  if (!it->status().ok()) return ToAbslStatus(it->status(), kReading);
  for (const uint64_t generation : orphans) DropGeneration(generation);
  return absl::OkStatus();
}

absl::StatusOr<std::optional<std::string>> BlobStore::Get(std::string_view name) const {
  const Snapshot snapshot(db_);
  absl::StatusOr<std::optional<Header>> header = ReadHeader(snapshot.options(), name);
  if (!header.ok()) return header.status();
  if (!header->has_value()) return std::nullopt;
  std::string blob;
  blob.reserve((*header)->bytes);
  rocksdb::PinnableSlice chunk;
  for (uint32_t i = 0; i < (*header)->chunks; ++i) {
    chunk.Reset();
    const rocksdb::Status status =
        db_->Get(snapshot.options(), families_.blobs, ChunkKey((*header)->generation, i), &chunk);
    if (status.IsNotFound()) return DamagedBlob(name);
    if (!status.ok()) return ToAbslStatus(status, kReading);
    blob.append(chunk.data(), chunk.size());
  }
  if (blob.size() != (*header)->bytes) return DamagedBlob(name);
  return blob;
}

absl::StatusOr<std::optional<std::string>> BlobStore::GetPart(std::string_view name,
                                                              uint64_t offset,
                                                              size_t max_bytes) const {
  const Snapshot snapshot(db_);
  absl::StatusOr<std::optional<Header>> header = ReadHeader(snapshot.options(), name);
  if (!header.ok()) return header.status();
  if (!header->has_value()) return std::nullopt;
  std::string part;
  if (offset >= (*header)->bytes) return part;
  const uint64_t end = offset + std::min<uint64_t>(max_bytes, (*header)->bytes - offset);
  rocksdb::PinnableSlice chunk;
  while (offset < end) {
    chunk.Reset();
    const auto index = static_cast<uint32_t>(offset / kChunkBytes);
    const rocksdb::Status status = db_->Get(snapshot.options(), families_.blobs,
                                            ChunkKey((*header)->generation, index), &chunk);
    if (status.IsNotFound()) return DamagedBlob(name);
    if (!status.ok()) return ToAbslStatus(status, kReading);
    const std::string_view bytes = ToView(chunk);
    const size_t skipped = offset % kChunkBytes;
    if (skipped >= bytes.size()) return DamagedBlob(name);
    part += bytes.substr(skipped, end - offset);
    offset += std::min<uint64_t>(bytes.size() - skipped, end - offset);
  }
  return part;
}

absl::Status BlobStore::Put(std::string_view name, std::string_view bytes) {
  if (name.empty() || name.size() > kMaxNameBytes) {
    return absl::InvalidArgumentError(absl::StrCat("the name of a blob has ", name.size(),
                                                   " bytes; 1 to ", kMaxNameBytes, " are allowed"));
  }
  if (bytes.size() > kMaxBlobBytes) {
    return absl::ResourceExhaustedError(absl::StrCat("blob ", Quoted(name), " has ", bytes.size(),
                                                     " bytes; at most ", kMaxBlobBytes,
                                                     " are allowed (max_blob_bytes)"));
  }
  absl::MutexLock lock(&mutex_);
  const Header header = {
      .generation = next_generation_++,
      .chunks = static_cast<uint32_t>((bytes.size() + kChunkBytes - 1) / kChunkBytes),
      .bytes = bytes.size()};
  absl::Status status = WriteChunks(bytes, header);
  if (!status.ok()) {
    DropGeneration(header.generation);
    return status;
  }
  return WriteHeader(name, header);
}

absl::Status BlobStore::WriteChunks(std::string_view bytes, const Header& header) {
  // They survive when the header does, which is written behind them to the same log.
  const rocksdb::WriteOptions with_the_header;
  for (uint32_t i = 0; i < header.chunks; ++i) {
    const std::string_view chunk = bytes.substr(i * kChunkBytes, kChunkBytes);
    const rocksdb::Status status =
        db_->Put(with_the_header, families_.blobs, ChunkKey(header.generation, i), ToSlice(chunk));
    if (!status.ok()) return ToAbslStatus(status, kWriting);
  }
  return absl::OkStatus();
}

absl::Status BlobStore::WriteHeader(std::string_view name, const Header& header) {
  absl::StatusOr<std::optional<Header>> earlier = ReadHeader(rocksdb::ReadOptions(), name);
  // What is damaged may be written anew. Chunks of it that nobody can name go at the next start.
  if (absl::IsDataLoss(earlier.status())) earlier = std::nullopt;
  if (!earlier.ok()) return earlier.status();
  std::string value;
  PutFixed(value, header.generation);
  PutFixed(value, header.chunks);
  PutFixed(value, header.bytes);
  rocksdb::WriteBatch batch;
  rocksdb::Status status = batch.Put(families_.blobs, HeaderKey(name), value);
  if (status.ok() && earlier->has_value()) {
    status = batch.DeleteRange(families_.blobs, GenerationPrefix((*earlier)->generation),
                               GenerationPrefix((*earlier)->generation + 1));
  }
  if (status.ok()) status = db_->Write(Durably(), &batch);
  return ToAbslStatus(status, kWriting);
}

absl::Status BlobStore::Delete(std::string_view name) {
  absl::MutexLock lock(&mutex_);
  absl::StatusOr<std::optional<Header>> header = ReadHeader(rocksdb::ReadOptions(), name);
  if (!header.ok()) return header.status();
  if (!header->has_value()) return absl::OkStatus();
  rocksdb::WriteBatch batch;
  rocksdb::Status status = batch.Delete(families_.blobs, HeaderKey(name));
  if (status.ok()) {
    status = batch.DeleteRange(families_.blobs, GenerationPrefix((*header)->generation),
                               GenerationPrefix((*header)->generation + 1));
  }
  if (status.ok()) status = db_->Write(Durably(), &batch);
  return ToAbslStatus(status, kWriting);
}

void BlobStore::DropGeneration(uint64_t generation) {
  // What can't be removed now is removed when the store is opened.
  db_->DeleteRange(Durably(), families_.blobs, GenerationPrefix(generation),
                   GenerationPrefix(generation + 1))
      .PermitUncheckedError();
}

absl::StatusOr<std::optional<BlobStore::Header>> BlobStore::ReadHeader(
    const rocksdb::ReadOptions& options, std::string_view name) const {
  std::string value;
  const rocksdb::Status status = db_->Get(options, families_.blobs, HeaderKey(name), &value);
  if (status.IsNotFound()) return std::nullopt;
  if (!status.ok()) return ToAbslStatus(status, kReading);
  std::optional<Header> header = DecodeHeader(value);
  if (!header.has_value()) return DamagedBlob(name);
  return header;
}

std::optional<BlobStore::Header> BlobStore::DecodeHeader(std::string_view value) {
  ByteReader reader(value);
  Header header;
  header.generation = reader.Fixed<uint64_t>();
  header.chunks = reader.Fixed<uint32_t>();
  header.bytes = reader.Fixed<uint64_t>();
  if (!reader.ok() || !reader.done() || header.bytes > kMaxBlobBytes) return std::nullopt;
  return header;
}

}  // namespace attune::storage
