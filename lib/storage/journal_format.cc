#include "lib/storage/journal_format.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <fstream>

#include "lib/base/codec.h"
#include "lib/storage/crc32c.h"

namespace attune::storage {
namespace {

constexpr std::string_view kMagic = "attunej1";
constexpr std::string_view kExtension = ".journal";
constexpr size_t kIdDigits = 16;

template <typename T>
void Write(T value, char*& cursor) {
  std::memcpy(cursor, &value, sizeof value);
  cursor += sizeof value;
}

}  // namespace

std::string EncodeSegmentHeader(const SegmentHeader& header) {
  std::string bytes(kMagic);
  PutFixed(bytes, header.first);
  PutFixed(bytes, header.continues);
  bytes.append(header.boot_id.data(), header.boot_id.size());
  PutFixed(bytes, Crc32c(bytes));
  return bytes;
}

std::optional<SegmentHeader> DecodeSegmentHeader(std::string_view bytes) {
  ByteReader reader(bytes.substr(0, SegmentHeader::kBytes));
  SegmentHeader header;
  const std::string_view magic = reader.Bytes(kMagic.size());
  header.first = reader.Fixed<uint64_t>();
  header.continues = reader.Fixed<uint64_t>();
  const std::string_view boot_id = reader.Bytes(header.boot_id.size());
  const auto crc = reader.Fixed<uint32_t>();
  if (!reader.ok() || magic != kMagic) return std::nullopt;
  if (crc != Crc32c(bytes.substr(0, SegmentHeader::kBytes - sizeof crc))) return std::nullopt;
  std::copy(boot_id.begin(), boot_id.end(), header.boot_id.begin());
  return header;
}

void FinishFrame(uint32_t count, uint64_t number, uint64_t synced, std::string& frame) {
  const std::string_view body = std::string_view(frame).substr(FrameHead::kBytes);
  char* cursor = frame.data();
  Write(static_cast<uint32_t>(body.size()), cursor);
  Write(count, cursor);
  Write(number, cursor);
  Write(synced, cursor);
  Write(Crc32c(body), cursor);
  Write(Crc32c(std::string_view(frame).substr(0, FrameHead::kBytes - sizeof(uint32_t))), cursor);
}

std::optional<FrameHead> DecodeFrameHead(std::string_view bytes) {
  ByteReader reader(bytes.substr(0, FrameHead::kBytes));
  FrameHead head;
  head.body_size = reader.Fixed<uint32_t>();
  head.count = reader.Fixed<uint32_t>();
  head.number = reader.Fixed<uint64_t>();
  head.synced = reader.Fixed<uint64_t>();
  head.body_crc = reader.Fixed<uint32_t>();
  const auto crc = reader.Fixed<uint32_t>();
  if (!reader.ok() || crc != Crc32c(bytes.substr(0, FrameHead::kBytes - sizeof crc))) {
    return std::nullopt;
  }
  return head;
}

void AppendCommit(RecordChange change, const CustomerKey& key, std::string_view record,
                  absl::Span<const Event> events, std::string& frame) {
  char head[1 + std::tuple_size_v<CustomerKey> + 2 * sizeof(uint32_t)];
  char* cursor = head;
  Write(change, cursor);
  Write(key, cursor);
  Write(static_cast<uint32_t>(record.size()), cursor);
  Write(static_cast<uint32_t>(events.size()), cursor);
  frame.append(head, sizeof head);
  frame.append(record);
  for (const Event& event : events) {
    char event_head[1 + sizeof(uint32_t)];
    cursor = event_head;
    Write(event.type, cursor);
    Write(static_cast<uint32_t>(event.payload.size()), cursor);
    frame.append(event_head, sizeof event_head);
    frame.append(event.payload);
  }
}

bool ForEachCommit(std::string_view body, uint64_t number,
                   absl::FunctionRef<void(const JournalCommit&)> visit) {
  ByteReader reader(body);
  while (reader.ok() && !reader.done()) {
    JournalCommit commit;
    commit.number = number;
    commit.change = static_cast<RecordChange>(reader.Fixed<uint8_t>());
    commit.key = reader.Fixed<CustomerKey>();
    const auto record_size = reader.Fixed<uint32_t>();
    commit.events = reader.Fixed<uint32_t>();
    commit.record = reader.Bytes(record_size);
    const char* const events = reader.cursor();
    for (uint32_t i = 0; i < commit.events && reader.ok(); ++i) {
      reader.Fixed<uint8_t>();
      reader.Bytes(reader.Fixed<uint32_t>());
    }
    if (!reader.ok()) return false;
    commit.event_bytes = {events, static_cast<size_t>(reader.cursor() - events)};
    visit(commit);
    number += commit.Numbers();
  }
  return reader.ok();
}

bool ForEachEvent(const JournalCommit& commit,
                  absl::FunctionRef<void(uint64_t position, const Event&)> visit) {
  ByteReader reader(commit.event_bytes);
  for (uint32_t i = 0; i < commit.events; ++i) {
    Event event;
    event.type = static_cast<EventType>(reader.Fixed<uint8_t>());
    event.payload = reader.Bytes(reader.Fixed<uint32_t>());
    if (!reader.ok()) return false;
    visit(commit.number + i, event);
  }
  return reader.done();
}

std::string SegmentFileName(uint64_t id) {
  const std::string digits = std::to_string(id);
  std::string name(kIdDigits - std::min(kIdDigits, digits.size()), '0');
  return name.append(digits).append(kExtension);
}

std::optional<uint64_t> ParseSegmentFileName(std::string_view name) {
  if (name.size() != kIdDigits + kExtension.size() || !name.ends_with(kExtension)) {
    return std::nullopt;
  }
  uint64_t id = 0;
  const char* const end = name.data() + kIdDigits;
  const auto [stopped, error] = std::from_chars(name.data(), end, id);
  if (error != std::errc() || stopped != end) return std::nullopt;
  return id;
}

BootId CurrentBootId() {
  BootId id{};
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  std::string text;
  if (!(file >> text)) return id;
  text.erase(std::remove(text.begin(), text.end(), '-'), text.end());
  for (size_t i = 0; i < id.size() && 2 * i + 2 <= text.size(); ++i) {
    uint8_t byte = 0;
    std::from_chars(text.data() + 2 * i, text.data() + 2 * i + 2, byte, 16);
    id[i] = static_cast<char>(byte);
  }
  return id;
}

}  // namespace attune::storage
