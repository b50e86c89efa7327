#ifndef ATTUNE_LIB_STORAGE_ROCKSDB_FORMAT_H_
#define ATTUNE_LIB_STORAGE_ROCKSDB_FORMAT_H_

#include <array>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

#include "lib/storage/state_store.h"
#include "rocksdb/slice.h"

// What lies where in the database. Private to lib/storage.
//
//   default: the store itself
//     "format"     fixed32: kFormatVersion
//     "id_key"     16 bytes: key of the hash of customer ids
//     "floor"      fixed64 number, fixed64 customers: what has a lower number is in the database;
//                  what has this or a higher one may be in the journal only. Customers who had a
//                  record then.
//     "closed"     "1": the journal is empty and no number from the floor on was given out; "0"
//     "log_start"  fixed64: every event at a lower position was dropped
//   customers: records
//     customer key, 16 bytes: fixed64 version number, record
//   log: events
//     position, 8 bytes, most significant first: type byte, customer key, payload
//   blobs: strategies, models, dictionaries
//     'h', name: fixed64 generation, fixed32 chunks, fixed64 bytes
//     'c', generation, 8 bytes, index, 4 bytes, most significant first: bytes of the blob
//
// Fixed integers are little-endian. Version numbers and positions are given by the journal, where
// everything is first that is committed; see journal_format.h.
namespace attune::storage {

inline constexpr uint32_t kFormatVersion = 1;

inline constexpr std::string_view kFormatKey = "format";
inline constexpr std::string_view kIdKeyKey = "id_key";
inline constexpr std::string_view kFloorKey = "floor";
inline constexpr std::string_view kClosedKey = "closed";
inline constexpr std::string_view kLogStartKey = "log_start";

inline rocksdb::Slice ToSlice(std::string_view bytes) { return {bytes.data(), bytes.size()}; }
inline std::string_view ToView(const rocksdb::Slice& slice) { return {slice.data(), slice.size()}; }

inline rocksdb::Slice KeySlice(const CustomerKey& key) {
  return {reinterpret_cast<const char*>(key.data()), key.size()};
}

template <typename T>
T DecodeFixed(const char* bytes) {
  T value;
  std::memcpy(&value, bytes, sizeof value);
  return value;
}

template <typename T>
std::array<char, sizeof(T)> EncodeBigEndian(T value) {
  std::array<char, sizeof(T)> bytes;
  for (size_t i = sizeof(T); i-- > 0; value >>= 8) bytes[i] = static_cast<char>(value & 0xFF);
  return bytes;
}

template <typename T>
T DecodeBigEndian(const char* bytes) {
  T value = 0;
  for (size_t i = 0; i < sizeof(T); ++i) value = value << 8 | static_cast<uint8_t>(bytes[i]);
  return value;
}

// The store itself.

struct Floor {
  uint64_t number = 1;
  int64_t customers = 0;
};
std::string EncodeFloor(const Floor& floor);
std::optional<Floor> DecodeFloor(std::string_view value);

// Customers.

inline constexpr size_t kRecordHeaderBytes = sizeof(uint64_t);

// The version number of a stored record; nullopt when the value is too short to be one.
inline std::optional<uint64_t> StoredVersion(std::string_view value) {
  if (value.size() < kRecordHeaderBytes) return std::nullopt;
  return DecodeFixed<uint64_t>(value.data());
}

// The log.

inline constexpr size_t kEventHeaderBytes = 1 + std::tuple_size_v<CustomerKey>;

inline std::array<char, 8> LogKey(uint64_t position) { return EncodeBigEndian(position); }

// `value` is overwritten.
void EncodeEvent(EventType type, const CustomerKey& customer, std::string_view payload,
                 std::string& value);

// False: the value is too short to be an event.
bool DecodeEvent(std::string_view value, LogEntry& entry);

// Whether the event is one of the customer's. REQUIRES: value.size() >= kEventHeaderBytes.
inline bool IsEventOf(std::string_view value, const CustomerKey& key) {
  return std::memcmp(value.data() + 1, key.data(), key.size()) == 0;
}

}  // namespace attune::storage

#endif  // ATTUNE_LIB_STORAGE_ROCKSDB_FORMAT_H_
