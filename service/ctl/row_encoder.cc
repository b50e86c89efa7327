#include "service/ctl/row_encoder.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <utility>

#include "attune/v1/customer_service.pb.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/timestamp.pb.h"
#include "google/protobuf/wire_format_lite.h"

namespace attune::ctl {
namespace {

using google::protobuf::Timestamp;
using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedOutputStream;
using UpsertRequest = v1::CustomerServiceBatchUpsertRequest;

constexpr size_t kInitialRowBytes = 4096;
// A tag, and the length of something.
constexpr size_t kMaxFieldHeaderBytes = 2 * 10;
constexpr size_t kMaxNumberBytes = 64;

constexpr uint32_t DelimitedTag(int field) {
  return GOOGLE_PROTOBUF_WIRE_FORMAT_MAKE_TAG(field, WireFormatLite::WIRETYPE_LENGTH_DELIMITED);
}
constexpr uint32_t VarintTag(int field) {
  return GOOGLE_PROTOBUF_WIRE_FORMAT_MAKE_TAG(field, WireFormatLite::WIRETYPE_VARINT);
}
constexpr uint32_t Fixed64Tag(int field) {
  return GOOGLE_PROTOBUF_WIRE_FORMAT_MAKE_TAG(field, WireFormatLite::WIRETYPE_FIXED64);
}
// So that the size of a value's tag is known below.
static_assert(DelimitedTag(v1::Value::kStringListValueFieldNumber) < 0x80);

uint8_t* PutDelimited(uint32_t tag, std::string_view bytes, uint8_t* out) {
  out = CodedOutputStream::WriteTagToArray(tag, out);
  out = CodedOutputStream::WriteVarint32ToArray(static_cast<uint32_t>(bytes.size()), out);
  if (!bytes.empty()) std::memcpy(out, bytes.data(), bytes.size());
  return out + bytes.size();
}

size_t DelimitedSize(size_t bytes) {
  return 1 + CodedOutputStream::VarintSize32(static_cast<uint32_t>(bytes)) + bytes;
}

// A Value that holds a number, without its length.
uint8_t* PutNumber(const ValueRef& value, uint8_t* out) {
  switch (value.type()) {
    case ValueType::kBool:
      out = CodedOutputStream::WriteTagToArray(VarintTag(v1::Value::kBoolValueFieldNumber), out);
      *out++ = value.bool_value() ? 1 : 0;
      return out;
    case ValueType::kInt:
      out = CodedOutputStream::WriteTagToArray(VarintTag(v1::Value::kIntValueFieldNumber), out);
      return CodedOutputStream::WriteVarint64ToArray(static_cast<uint64_t>(value.int_value()), out);
    case ValueType::kDouble:
      out = CodedOutputStream::WriteTagToArray(Fixed64Tag(v1::Value::kDoubleValueFieldNumber), out);
      return WireFormatLite::WriteDoubleNoTagToArray(value.double_value(), out);
    default:
      return out;
  }
}

// A google.protobuf.Timestamp. Its nanoseconds count forward from the second, also before 1970.
uint8_t* PutTimestamp(int64_t unix_us, uint8_t* out) {
  int64_t seconds = unix_us / 1'000'000;
  int64_t micros = unix_us % 1'000'000;
  if (micros < 0) {
    micros += 1'000'000;
    --seconds;
  }
  if (seconds != 0) {
    out = CodedOutputStream::WriteTagToArray(VarintTag(Timestamp::kSecondsFieldNumber), out);
    out = CodedOutputStream::WriteVarint64ToArray(static_cast<uint64_t>(seconds), out);
  }
  if (micros == 0) return out;
  out = CodedOutputStream::WriteTagToArray(VarintTag(Timestamp::kNanosFieldNumber), out);
  return CodedOutputStream::WriteVarint64ToArray(static_cast<uint64_t>(micros) * 1000, out);
}

}  // namespace

RowEncoder::RowEncoder(const std::vector<std::string>& feature_names)
    : row_(new uint8_t[kInitialRowBytes]), row_capacity_(kInitialRowBytes), cursor_(row_.get()) {
  UpsertRequest names;
  for (const std::string& name : feature_names) names.add_feature_names(name);
  header_ = names.SerializeAsString();
}

void RowEncoder::StartRow(std::string_view customer_id) {
  cursor_ = row_.get();
  Reserve(kMaxFieldHeaderBytes + customer_id.size());
  cursor_ =
      PutDelimited(DelimitedTag(v1::CustomerRow::kCustomerIdFieldNumber), customer_id, cursor_);
}

void RowEncoder::AddValue(const ValueRef& value) {
  constexpr uint32_t kTag = DelimitedTag(v1::CustomerRow::kValuesFieldNumber);
  if (value.type() == ValueType::kString) {
    const std::string_view text = value.string_value();
    Reserve(2 * kMaxFieldHeaderBytes + text.size());
    cursor_ = CodedOutputStream::WriteTagToArray(kTag, cursor_);
    cursor_ = CodedOutputStream::WriteVarint32ToArray(
        static_cast<uint32_t>(DelimitedSize(text.size())), cursor_);
    cursor_ = PutDelimited(DelimitedTag(v1::Value::kStringValueFieldNumber), text, cursor_);
    return;
  }
  if (value.type() == ValueType::kStringList) {
    size_t list_bytes = 0;
    value.ForEachElement(
        [&](std::string_view element) { list_bytes += DelimitedSize(element.size()); });
    Reserve(2 * kMaxFieldHeaderBytes + list_bytes);
    cursor_ = CodedOutputStream::WriteTagToArray(kTag, cursor_);
    cursor_ = CodedOutputStream::WriteVarint32ToArray(
        static_cast<uint32_t>(DelimitedSize(list_bytes)), cursor_);
    cursor_ = CodedOutputStream::WriteTagToArray(
        DelimitedTag(v1::Value::kStringListValueFieldNumber), cursor_);
    cursor_ = CodedOutputStream::WriteVarint32ToArray(static_cast<uint32_t>(list_bytes), cursor_);
    value.ForEachElement([&](std::string_view element) {
      cursor_ = PutDelimited(DelimitedTag(v1::StringList::kValuesFieldNumber), element, cursor_);
    });
    return;
  }
  // A number is shorter than 128 bytes: its length takes one byte, filled in afterwards.
  Reserve(kMaxNumberBytes);
  cursor_ = CodedOutputStream::WriteTagToArray(kTag, cursor_);
  uint8_t* length = cursor_++;
  if (value.type() == ValueType::kTimestamp) {
    cursor_ = CodedOutputStream::WriteTagToArray(
        DelimitedTag(v1::Value::kTimestampValueFieldNumber), cursor_);
    uint8_t* inner_length = cursor_++;
    cursor_ = PutTimestamp(value.timestamp_us(), cursor_);
    *inner_length = static_cast<uint8_t>(cursor_ - inner_length - 1);
  } else {
    cursor_ = PutNumber(value, cursor_);
  }
  *length = static_cast<uint8_t>(cursor_ - length - 1);
}

void RowEncoder::SkipValue() {
  Reserve(kMaxFieldHeaderBytes);
  cursor_ = PutDelimited(DelimitedTag(v1::CustomerRow::kValuesFieldNumber), "", cursor_);
}

size_t RowEncoder::row_bytes() const {
  return DelimitedSize(static_cast<size_t>(cursor_ - row_.get()));
}

void RowEncoder::FinishRow() {
  if (message_.empty()) message_ = header_;
  uint8_t header[kMaxFieldHeaderBytes];
  const auto size = static_cast<size_t>(cursor_ - row_.get());
  uint8_t* end =
      CodedOutputStream::WriteTagToArray(DelimitedTag(UpsertRequest::kRowsFieldNumber), header);
  end = CodedOutputStream::WriteVarint32ToArray(static_cast<uint32_t>(size), end);
  message_.append(reinterpret_cast<const char*>(header), static_cast<size_t>(end - header));
  message_.append(reinterpret_cast<const char*>(row_.get()), size);
  ++rows_;
}

std::string RowEncoder::TakeMessage() {
  rows_ = 0;
  return std::exchange(message_, {});
}

void RowEncoder::Reserve(size_t bytes) {
  const auto used = static_cast<size_t>(cursor_ - row_.get());
  if (row_capacity_ - used >= bytes) return;
  const size_t capacity = std::max(2 * row_capacity_, used + bytes);
  std::unique_ptr<uint8_t[]> larger(new uint8_t[capacity]);
  std::memcpy(larger.get(), row_.get(), used);
  row_ = std::move(larger);
  row_capacity_ = capacity;
  cursor_ = row_.get() + used;
}

}  // namespace attune::ctl
