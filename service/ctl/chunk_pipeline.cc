#include "service/ctl/chunk_pipeline.h"

#include <utility>

namespace attune::ctl {

bool ChunkPipeline::AddRead(std::unique_ptr<ImportChunk> chunk) {
  MutexLock lock(mutex_);
  while (!stopped_ && read_count_ - taken_count_ >= static_cast<int64_t>(capacity_)) {
    changed_.Wait(mutex_);
  }
  if (stopped_) return false;
  ++read_count_;
  read_.push_back(std::move(chunk));
  changed_.NotifyAll();
  return true;
}

void ChunkPipeline::FinishReading() {
  MutexLock lock(mutex_);
  reading_finished_ = true;
  changed_.NotifyAll();
}

std::unique_ptr<ImportChunk> ChunkPipeline::TakeRead() {
  MutexLock lock(mutex_);
  while (!stopped_ && read_.empty() && !reading_finished_) changed_.Wait(mutex_);
  if (stopped_ || read_.empty()) return nullptr;
  std::unique_ptr<ImportChunk> chunk = std::move(read_.front());
  read_.pop_front();
  // Earlier chunks were taken earlier, so whoever sends them does not wait for this thread.
  while (!stopped_ && !IsAnswered(chunk->after)) changed_.Wait(mutex_);
  if (stopped_) return nullptr;
  return chunk;
}

void ChunkPipeline::AddAnswered(std::unique_ptr<ImportChunk> chunk) {
  MutexLock lock(mutex_);
  const int64_t number = chunk->number;
  answered_.emplace(number, std::move(chunk));
  changed_.NotifyAll();
}

std::unique_ptr<ImportChunk> ChunkPipeline::TakeAnswered() {
  MutexLock lock(mutex_);
  while (true) {
    if (stopped_) return nullptr;
    if (!answered_.empty() && answered_.begin()->first == taken_count_) break;
    if (reading_finished_ && taken_count_ == read_count_) return nullptr;
    changed_.Wait(mutex_);
  }
  std::unique_ptr<ImportChunk> chunk = std::move(answered_.begin()->second);
  answered_.erase(answered_.begin());
  ++taken_count_;
  changed_.NotifyAll();
  return chunk;
}

void ChunkPipeline::Stop() {
  MutexLock lock(mutex_);
  stopped_ = true;
  changed_.NotifyAll();
}

bool ChunkPipeline::IsAnswered(int64_t number) const {
  return number < taken_count_ || answered_.contains(number);
}

}  // namespace attune::ctl
