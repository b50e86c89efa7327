#ifndef ATTUNE_LIB_LEARNING_VALUE_SAMPLE_H_
#define ATTUNE_LIB_LEARNING_VALUE_SAMPLE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "lib/base/codec.h"

namespace attune::learning {

// A uniform sample of the numbers of all examples, in bounded memory: of the examples whose ids
// have the lowest hashes (a bottom-k sketch; Cohen, Kaplan: Summarizing Data Using Bottom-k
// Sketches, PODC 2007). What it holds depends on the set of examples alone, not on their order, so
// samples merge exactly. Rather than a value::QuantileSketch per input, which takes 1 MiB and the
// time of a look-up for each number: this takes kRows doubles, and most examples one comparison.
// A quantile is wrong by about 1.6 % of the examples (standard deviation). Not thread-safe.
class ValueSample {
 public:
  static constexpr size_t kRows = 1000;

  explicit ValueSample(size_t columns) : columns_(columns) {}

  // One example: its id, unique over all replicas, and one number per column; NaN: missing.
  // REQUIRES: numbers.size() is that of columns.
  void Add(uint64_t id, absl::Span<const double> numbers);

  // Adds what the other one holds. REQUIRES: it has as many columns.
  void Merge(const ValueSample& other);

  // The numbers of the column that aren't missing, ascending.
  std::vector<double> Sorted(size_t column) const;

  size_t rows() const { return rows_.size(); }

  // As bytes: varint(rows) row*, row := hash(8 bytes) number(8 bytes)*, by ascending hash.
  void Encode(std::string& out) const;
  // DATA_LOSS: these are not such bytes.
  static absl::StatusOr<ValueSample> Decode(ByteReader& reader, size_t columns);

 private:
  void AddHashed(uint64_t hash, const double* numbers);
  std::vector<std::pair<uint64_t, size_t>> SortedRows() const;

  size_t columns_;
  // Hash and place in numbers_; a heap, the highest hash on top.
  std::vector<std::pair<uint64_t, size_t>> rows_;
  std::vector<double> numbers_;  // row by row
};

}  // namespace attune::learning

#endif  // ATTUNE_LIB_LEARNING_VALUE_SAMPLE_H_
