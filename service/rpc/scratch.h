#ifndef ATTUNE_SERVICE_RPC_SCRATCH_H_
#define ATTUNE_SERVICE_RPC_SCRATCH_H_

#include <string>
#include <vector>

#include "google/protobuf/arena.h"

namespace attune::rpc {

// Memory that one thread works in, request after request: the messages of a call live on the arena,
// so that parsing and answering allocate nothing as long as both fit in its first block. A thread
// works on one request at a time, so one of these per thread is enough, and it stays in the cache.
class Scratch {
 public:
  Scratch() : block_(kBlockBytes), arena_(block_.data(), block_.size()) {}
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  google::protobuf::Arena& arena() { return arena_; }
  std::string& bytes() { return bytes_; }

  // After every request. Gives back what did not fit in the first block.
  void Reset() {
    arena_.Reset();
    if (bytes_.capacity() > kBlockBytes) std::string().swap(bytes_);
  }

 private:
  static constexpr size_t kBlockBytes = 64 * 1024;
  std::vector<char> block_;
  google::protobuf::Arena arena_;
  std::string bytes_;
};

}  // namespace attune::rpc

#endif  // ATTUNE_SERVICE_RPC_SCRATCH_H_
