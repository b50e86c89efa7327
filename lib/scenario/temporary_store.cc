#include "lib/scenario/temporary_store.h"

#include <stdlib.h>

#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/status/status.h"
#include "lib/base/hash.h"
#include "lib/storage/rocksdb_store.h"

namespace attune::scenario {
namespace {

constexpr uint64_t kCacheBytes = 1u << 20;

}  // namespace

absl::StatusOr<std::unique_ptr<TemporaryStore>> TemporaryStore::Open() {
  std::error_code error;
  std::string path = (std::filesystem::temp_directory_path(error) / "attune_XXXXXX").string();
  if (error || mkdtemp(path.data()) == nullptr) {
    return absl::UnavailableError(
        "a temporary folder can't be made; set TMPDIR to a folder that can be written");
  }
  std::unique_ptr<TemporaryStore> result(new TemporaryStore(std::move(path)));
  storage::RocksDbOptions options;
  options.path = result->path_;
  options.record_cache_bytes = kCacheBytes;
  options.block_cache_bytes = kCacheBytes;
  // What comes out must not hang on where it is run.
  options.id_key = HashKeyFromSeed(0);
  auto store = storage::OpenRocksDbStore(options);
  if (!store.ok()) return store.status();
  result->store_ = *std::move(store);
  return result;
}

TemporaryStore::~TemporaryStore() {
  store_.reset();
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace attune::scenario
