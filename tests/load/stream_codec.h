#ifndef ATTUNE_TESTS_LOAD_STREAM_CODEC_H_
#define ATTUNE_TESTS_LOAD_STREAM_CODEC_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "grpcpp/support/byte_buffer.h"

namespace attune::load {

// A DecideStreamRequest around a serialised DecideRequest. The correlation id
// tells the slot.
grpc::ByteBuffer EncodeStreamRequest(uint32_t slot, std::string_view decide_request);

// A DecideStreamResponse around a serialised DecideResponse, appended to `out`.
void AppendStreamResponse(std::string_view correlation_id, std::string_view decide_response,
                          std::string& out);

// What the load generator wants to know of a DecideStreamResponse.
struct StreamAnswer {
  uint32_t slot = 0;
  bool has_error = false;
};

// Nullopt for bytes that aren't one, or whose correlation id was not made by
// EncodeStreamRequest.
std::optional<StreamAnswer> DecodeStreamAnswer(const grpc::ByteBuffer& bytes);

}  // namespace attune::load

#endif  // ATTUNE_TESTS_LOAD_STREAM_CODEC_H_
