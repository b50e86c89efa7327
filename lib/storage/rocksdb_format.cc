#include "lib/storage/rocksdb_format.h"

#include "lib/base/codec.h"

namespace attune::storage {

std::string EncodeFloor(const Floor& floor) {
  std::string value;
  PutFixed(value, floor.number);
  PutFixed(value, floor.customers);
  return value;
}

std::optional<Floor> DecodeFloor(std::string_view value) {
  ByteReader reader(value);
  Floor floor;
  floor.number = reader.Fixed<uint64_t>();
  floor.customers = reader.Fixed<int64_t>();
  if (!reader.ok() || !reader.done()) return std::nullopt;
  return floor;
}

void EncodeEvent(EventType type, const CustomerKey& customer, std::string_view payload,
                 std::string& value) {
  value.clear();
  PutFixed(value, type);
  PutFixed(value, customer);
  value.append(payload);
}

bool DecodeEvent(std::string_view value, LogEntry& entry) {
  if (value.size() < kEventHeaderBytes) return false;
  entry.type = static_cast<EventType>(value[0]);
  std::memcpy(entry.customer.data(), value.data() + 1, entry.customer.size());
  entry.payload.assign(value.substr(kEventHeaderBytes));
  return true;
}

}  // namespace attune::storage
