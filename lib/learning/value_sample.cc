#include "lib/learning/value_sample.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "absl/status/status.h"

namespace attune::learning {
namespace {

// The finaliser of SplitMix64 (Steele, Lea, Flood 2014): one to one, so different ids have
// different hashes. Stored: never change it.
uint64_t MixedId(uint64_t id) {
  uint64_t mixed = id + 0x9E3779B97F4A7C15;
  mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9;
  mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EB;
  return mixed ^ (mixed >> 31);
}

// All ways of being missing are one, and so are both zeros, so that equal samples have equal bytes.
double Normalised(double number) {
  if (!std::isfinite(number)) return std::numeric_limits<double>::quiet_NaN();
  return number == 0 ? 0.0 : number;
}

}  // namespace

void ValueSample::Add(uint64_t id, absl::Span<const double> numbers) {
  AddHashed(MixedId(id), numbers.data());
}

void ValueSample::AddHashed(uint64_t hash, const double* numbers) {
  const bool full = rows_.size() == kRows;
  if (full && hash >= rows_.front().first) return;
  // An id that comes again is the same example.
  const auto is_same = [hash](const auto& row) { return row.first == hash; };
  if (std::any_of(rows_.begin(), rows_.end(), is_same)) return;
  size_t place = rows_.size();
  if (full) {
    place = rows_.front().second;
    std::pop_heap(rows_.begin(), rows_.end());
    rows_.pop_back();
  } else {
    numbers_.resize(numbers_.size() + columns_);
  }
  std::transform(numbers, numbers + columns_,
                 numbers_.begin() + static_cast<ptrdiff_t>(place * columns_), Normalised);
  rows_.emplace_back(hash, place);
  std::push_heap(rows_.begin(), rows_.end());
}

void ValueSample::Merge(const ValueSample& other) {
  for (const auto& [hash, place] : other.rows_) {
    AddHashed(hash, other.numbers_.data() + place * columns_);
  }
}

std::vector<double> ValueSample::Sorted(size_t column) const {
  std::vector<double> sorted;
  sorted.reserve(rows_.size());
  for (size_t at = column; at < numbers_.size(); at += columns_) {
    if (!std::isnan(numbers_[at])) sorted.push_back(numbers_[at]);
  }
  std::sort(sorted.begin(), sorted.end());
  return sorted;
}

std::vector<std::pair<uint64_t, size_t>> ValueSample::SortedRows() const {
  std::vector<std::pair<uint64_t, size_t>> sorted = rows_;
  std::sort(sorted.begin(), sorted.end());
  return sorted;
}

void ValueSample::Encode(std::string& out) const {
  PutVarint(out, rows_.size());
  for (const auto& [hash, place] : SortedRows()) {
    PutFixed(out, hash);
    for (size_t column = 0; column < columns_; ++column) {
      PutFixed(out, numbers_[place * columns_ + column]);
    }
  }
}

absl::StatusOr<ValueSample> ValueSample::Decode(ByteReader& reader, size_t columns) {
  const absl::Status damaged = absl::DataLossError("a stored sample of numbers is malformed");
  ValueSample sample(columns);
  const uint64_t rows = reader.Varint();
  if (!reader.ok() || rows > kRows) return damaged;
  if (reader.remaining() / sizeof(uint64_t) < rows * (1 + columns)) return damaged;
  uint64_t before = 0;
  for (size_t row = 0; row < rows; ++row) {
    const auto hash = reader.Fixed<uint64_t>();
    if (row > 0 && hash <= before) return damaged;
    before = hash;
    sample.rows_.emplace_back(hash, row);
    for (size_t column = 0; column < columns; ++column) {
      const auto number = reader.Fixed<double>();
      if (std::isinf(number)) return damaged;
      sample.numbers_.push_back(Normalised(number));
    }
  }
  if (!reader.ok()) return damaged;
  std::make_heap(sample.rows_.begin(), sample.rows_.end());
  return sample;
}

}  // namespace attune::learning
