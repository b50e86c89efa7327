#include "tests/load/stream_codec.h"

#include <cstring>

#include "grpcpp/support/slice.h"
#include "lib/base/codec.h"

namespace attune::load {
namespace {

// Keys of Protocol Buffers: field number x 8 + 2, for length-delimited fields.
constexpr uint64_t kCorrelationId = 1 * 8 + 2;
constexpr uint64_t kDecide = 2 * 8 + 2;
constexpr uint64_t kError = 3 * 8 + 2;

}  // namespace

grpc::ByteBuffer EncodeStreamRequest(uint32_t slot, std::string_view decide_request) {
  std::string head;
  PutVarint(head, kCorrelationId);
  // Eight digits and never a zero byte: ids must be printable.
  char digits[9];
  for (int i = 0; i < 8; ++i) digits[i] = "0123456789abcdef"[slot >> (28 - 4 * i) & 15];
  PutBytes(head, std::string_view(digits, 8));
  PutVarint(head, kDecide);
  PutVarint(head, decide_request.size());
  grpc::Slice slice(head.size() + decide_request.size());
  auto* bytes = const_cast<uint8_t*>(slice.begin());
  std::memcpy(bytes, head.data(), head.size());
  std::memcpy(bytes + head.size(), decide_request.data(), decide_request.size());
  return grpc::ByteBuffer(&slice, 1);
}

void AppendStreamResponse(std::string_view correlation_id, std::string_view decide_response,
                          std::string& out) {
  PutVarint(out, kCorrelationId);
  PutBytes(out, correlation_id);
  PutVarint(out, kDecide);
  PutBytes(out, decide_response);
}

std::optional<StreamAnswer> DecodeStreamAnswer(const grpc::ByteBuffer& bytes) {
  grpc::Slice slice;
  if (!bytes.TrySingleSlice(&slice).ok() && !bytes.DumpToSingleSlice(&slice).ok()) {
    return std::nullopt;
  }
  ByteReader reader({reinterpret_cast<const char*>(slice.begin()), slice.size()});
  StreamAnswer answer;
  bool has_slot = false;
  while (reader.ok() && !reader.done()) {
    const uint64_t key = reader.Varint();
    const std::string_view value = reader.SizedBytes();
    if (key == kError) answer.has_error = true;
    if (key != kCorrelationId || value.size() != 8) continue;
    has_slot = true;
    for (const char c : value) {
      const int digit = c >= 'a' ? c - 'a' + 10 : c - '0';
      if (digit < 0 || digit > 15) return std::nullopt;
      answer.slot = answer.slot << 4 | static_cast<uint32_t>(digit);
    }
  }
  if (!reader.ok() || !has_slot) return std::nullopt;
  return answer;
}

}  // namespace attune::load
