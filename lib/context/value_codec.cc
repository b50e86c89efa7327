#include "lib/context/value_codec.h"

#include <bit>
#include <cmath>

namespace attune {
namespace {

// Stored: never renumber.
enum Tag : uint8_t {
  kFalse = 0,
  kTrue = 1,
  kInt = 2,
  kDouble = 3,
  kString = 4,
  kTimestamp = 5,
  kStringList = 6,
  kWholeDouble = 7,
};

constexpr double kWholeDoubleLimit = 9007199254740992.0;  // 2^53

bool IsWhole(double value) {
  return std::fabs(value) < kWholeDoubleLimit && value == std::trunc(value) &&
         !(value == 0 && std::signbit(value));
}

void PutKey(std::string& out, uint32_t number, Tag tag) {
  PutVarint(out, static_cast<uint64_t>(number) << 3 | tag);
}

}  // namespace

void AppendValue(std::string& out, uint32_t number, const ValueRef& value) {
  switch (value.type()) {
    case ValueType::kBool:
      PutKey(out, number, value.bool_value() ? kTrue : kFalse);
      return;
    case ValueType::kInt:
      PutKey(out, number, kInt);
      PutVarint(out, ZigZag(value.int_value()));
      return;
    case ValueType::kDouble:
      if (IsWhole(value.double_value())) {
        PutKey(out, number, kWholeDouble);
        PutVarint(out, ZigZag(static_cast<int64_t>(value.double_value())));
      } else {
        PutKey(out, number, kDouble);
        PutFixed(out, value.double_value());
      }
      return;
    case ValueType::kString:
      PutKey(out, number, kString);
      PutBytes(out, value.string_value());
      return;
    case ValueType::kTimestamp:
      PutKey(out, number, kTimestamp);
      PutVarint(out, ZigZag(value.timestamp_us()));
      return;
    case ValueType::kStringList:
      PutKey(out, number, kStringList);
      PutBytes(out, value.encoded_list());
      return;
  }
}

bool ValueReader::Next(ValueEntry& entry) {
  if (!ok_ || reader_.done()) return false;
  const char* start = reader_.cursor();
  const uint64_t key = reader_.Varint();
  entry.number = static_cast<uint32_t>(key >> 3);
  switch (static_cast<Tag>(key & 7)) {
    case kFalse:
      entry.value = ValueRef::Bool(false);
      break;
    case kTrue:
      entry.value = ValueRef::Bool(true);
      break;
    case kInt:
      entry.value = ValueRef::Int(UnZigZag(reader_.Varint()));
      break;
    case kDouble:
      entry.value = ValueRef::Double(reader_.Fixed<double>());
      break;
    case kString:
      entry.value = ValueRef::String(reader_.SizedBytes());
      break;
    case kTimestamp:
      entry.value = ValueRef::Timestamp(UnZigZag(reader_.Varint()));
      break;
    case kStringList:
      entry.value = ValueRef::StringList(reader_.SizedBytes());
      break;
    case kWholeDouble:
      entry.value = ValueRef::Double(static_cast<double>(UnZigZag(reader_.Varint())));
      break;
  }
  ok_ = reader_.ok() && (key >> 35) == 0;
  entry_bytes_ = {start, static_cast<size_t>(reader_.cursor() - start)};
  return ok_;
}

}  // namespace attune
