#include "service/ctl/row_importer.h"

#include <algorithm>
#include <limits>
#include <memory>
#include <thread>
#include <utility>

namespace attune::ctl {
namespace {

// Two keep both cores of a small server busy, the third works while one waits for the disk.
constexpr int kSenders = 3;
// One more than the senders in each direction.
constexpr size_t kMaxChunks = 3 * kSenders;
// No customer that is still on its way may be forgotten.
static_assert(kMaxChunks * ChunkLimits().max_rows < RecentCustomers::kRemembered);

constexpr size_t kExamples = 5;

}  // namespace

RowImporter::RowImporter(ServerConnection& server, const BatchMethod& method, RejectsFile& rejects,
                         const Options& options, Progress progress)
    : server_(server),
      method_(method),
      rejects_(rejects),
      options_(options),
      progress_(std::move(progress)),
      pipeline_(kMaxChunks) {}

ImportResult RowImporter::Run(ChunkReader& reader) {
  absl::Status read_status;
  std::vector<std::thread> threads;
  threads.emplace_back([&] { Read(reader, read_status); });
  for (int i = 0; i < kSenders; ++i) threads.emplace_back([this] { Send(); });
  while (const std::unique_ptr<ImportChunk> chunk = pipeline_.TakeAnswered()) {
    if (!Count(*chunk)) break;
  }
  pipeline_.Stop();
  for (std::thread& thread : threads) thread.join();
  if (result_.local_status.ok()) result_.local_status = read_status;
  return std::move(result_);
}

void RowImporter::Read(ChunkReader& reader, absl::Status& status) {
  int64_t left = options_.max_rows.value_or(std::numeric_limits<int64_t>::max());
  while (left > 0 && status.ok()) {
    auto chunk = std::make_unique<ImportChunk>();
    status = reader.Next(left, *chunk);
    if (chunk->rows_read == 0) break;
    left -= chunk->rows_read;
    // What was read before an error counts.
    if (!pipeline_.AddRead(std::move(chunk))) break;
  }
  pipeline_.FinishReading();
}

void RowImporter::Send() {
  while (std::unique_ptr<ImportChunk> chunk = pipeline_.TakeRead()) {
    if (chunk->texts.size() > 0 && !options_.dry_run) {
      SendChunk(server_, method_, options_.call_timeout, *chunk);
    }
    pipeline_.AddAnswered(std::move(chunk));
  }
}

bool RowImporter::Count(ImportChunk& chunk) {
  if (!chunk.status.ok()) {
    result_.call_status = chunk.status;
    return false;
  }
  if (!WriteRejected(chunk)) return false;
  result_.read += chunk.rows_read;
  result_.valid += static_cast<int64_t>(chunk.texts.size());
  for (size_t i = 0; i < result_.counts.accepted.size(); ++i) {
    result_.counts.accepted[i] += chunk.counts.accepted[i];
  }
  result_.counts.rejected += static_cast<int64_t>(chunk.rejected.size());
  result_.answered_to_line = chunk.last_line;
  progress_(result_.read, chunk.position);
  return true;
}

bool RowImporter::WriteRejected(ImportChunk& chunk) {
  std::stable_sort(chunk.rejected.begin(), chunk.rejected.end(),
                   [](const RejectedText& a, const RejectedText& b) { return a.line < b.line; });
  for (RejectedText& row : chunk.rejected) {
    result_.local_status = rejects_.Add(row);
    if (!result_.local_status.ok()) return false;
    if (result_.examples.size() >= kExamples) continue;
    row.text.clear();
    result_.examples.push_back(row);
  }
  result_.local_status = rejects_.Flush();
  return result_.local_status.ok();
}

}  // namespace attune::ctl
