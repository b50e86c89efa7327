#ifndef ATTUNE_LIB_BASE_PROTO_WIRE_H_
#define ATTUNE_LIB_BASE_PROTO_WIRE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "lib/base/codec.h"

namespace attune {

// Fields in the wire format of Protocol Buffers, for messages that are written without being made.
// proto3 leaves out zeros and empty strings of fields that aren't optional; that is the caller's
// business.
enum class WireType : uint32_t { kVarint = 0, kFixed64 = 1, kSized = 2, kFixed32 = 5 };

template <typename Out>
inline void PutTag(Out& out, int field, WireType type) {
  PutVarint(out, static_cast<uint32_t>(field) << 3 | static_cast<uint32_t>(type));
}

template <typename Out>
void PutVarintField(Out& out, int field, uint64_t value) {
  PutTag(out, field, WireType::kVarint);
  PutVarint(out, value);
}

// double, fixed64 or sfixed64.
template <typename Out, typename T>
void PutFixed64Field(Out& out, int field, T value) {
  static_assert(sizeof value == 8);
  PutTag(out, field, WireType::kFixed64);
  PutFixed(out, value);
}

// float, fixed32 or sfixed32.
template <typename Out, typename T>
void PutFixed32Field(Out& out, int field, T value) {
  static_assert(sizeof value == 4);
  PutTag(out, field, WireType::kFixed32);
  PutFixed(out, value);
}

// string, bytes, a message or a packed field.
template <typename Out>
void PutSizedField(Out& out, int field, std::string_view content) {
  PutTag(out, field, WireType::kSized);
  PutBytes(out, content);
}

// Such a field whose size is known only when its content was written: begin it, append the content,
// end it. `size_bytes` is what the varint of the size is expected to take.
struct OpenField {
  size_t begin = 0;  // of the content
  size_t size_bytes = 1;
};
template <typename Out>
inline OpenField BeginSizedField(Out& out, int field, size_t size_bytes = 1) {
  PutTag(out, field, WireType::kSized);
  for (size_t i = 0; i < size_bytes; ++i) out.push_back('\0');
  return {out.size(), size_bytes};
}
// Makes what was expected to be the size of the size what it is.
template <typename Out>
void ResizeSize(Out& out, const OpenField& open, size_t size_bytes) {
  const size_t at = open.begin - open.size_bytes;
  if (size_bytes > open.size_bytes) out.insert(at, size_bytes - open.size_bytes, '\0');
  if (size_bytes < open.size_bytes) out.erase(at, open.size_bytes - size_bytes);
}
template <typename Out>
inline void EndSizedField(Out& out, const OpenField& open) {
  uint64_t rest = out.size() - open.begin;
  const size_t size_bytes = VarintSize(rest);
  if (size_bytes != open.size_bytes) ResizeSize(out, open, size_bytes);
  size_t at = open.begin - open.size_bytes;
  for (; rest >= 0x80; rest >>= 7) out[at++] = static_cast<char>(rest | 0x80);
  out[at] = static_cast<char>(rest);
}

}  // namespace attune

#endif  // ATTUNE_LIB_BASE_PROTO_WIRE_H_
