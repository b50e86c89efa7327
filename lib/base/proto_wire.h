#ifndef ATTUNE_LIB_BASE_PROTO_WIRE_H_
#define ATTUNE_LIB_BASE_PROTO_WIRE_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "lib/base/codec.h"

namespace attune {

// Fields in the wire format of Protocol Buffers, for messages that are written without being made.
// proto3 leaves out zeros and empty strings of fields that aren't optional; that is the caller's
// business.
enum class WireType : uint32_t { kVarint = 0, kFixed64 = 1, kSized = 2 };

inline void PutTag(std::string& out, int field, WireType type) {
  PutVarint(out, static_cast<uint32_t>(field) << 3 | static_cast<uint32_t>(type));
}

inline void PutVarintField(std::string& out, int field, uint64_t value) {
  PutTag(out, field, WireType::kVarint);
  PutVarint(out, value);
}

// double, fixed64 or sfixed64.
template <typename T>
void PutFixed64Field(std::string& out, int field, T value) {
  static_assert(sizeof value == 8);
  PutTag(out, field, WireType::kFixed64);
  PutFixed(out, value);
}

// string, bytes, a message or a packed field.
inline void PutSizedField(std::string& out, int field, std::string_view content) {
  PutTag(out, field, WireType::kSized);
  PutBytes(out, content);
}

}  // namespace attune

#endif  // ATTUNE_LIB_BASE_PROTO_WIRE_H_
