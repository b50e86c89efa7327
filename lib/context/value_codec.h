#ifndef ATTUNE_LIB_CONTEXT_VALUE_CODEC_H_
#define ATTUNE_LIB_CONTEXT_VALUE_CODEC_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "lib/base/codec.h"
#include "lib/context/value.h"

namespace attune {

// How values are stored, in customers' records and in events:
//
//   values := entry*                      in ascending order of their numbers, no number twice
//   entry  := varint(number << 3 | tag) payload
//
//   tag  value        payload
//   0    false        -
//   1    true         -
//   2    int          varint(zigzag)
//   3    double       8 bytes, IEEE 754, little-endian
//   4    string       varint(size) bytes
//   5    timestamp    varint(zigzag(microseconds since 1970))
//   6    string list  varint(size) (varint(size) bytes)*
//   7    whole double varint(zigzag): a double without a fraction, |x| < 2^53, not -0
//
// Tags are never renumbered. Numbers are those of the store's NameDictionary; a decoder skips the
// numbers it does not know, so a schema change rewrites nothing.

// Appends one entry. REQUIRES: the value's strings fit the limits of base/text.h.
void AppendValue(std::string& out, uint32_t number, const ValueRef& value);

// One entry as read.
struct ValueEntry {
  uint32_t number = 0;
  ValueRef value;  // points into the record
};

// Reads entries one after another. Never reads past the end; a malformed entry ends the walk with
// ok() == false.
class ValueReader {
 public:
  explicit ValueReader(std::string_view values) : reader_(values) {}

  // False at the end or on a malformed entry.
  bool Next(ValueEntry& entry);
  bool ok() const { return ok_; }
  // The bytes of the entry that Next gave last.
  std::string_view entry_bytes() const { return entry_bytes_; }

 private:
  ByteReader reader_;
  std::string_view entry_bytes_;
  bool ok_ = true;
};

}  // namespace attune

#endif  // ATTUNE_LIB_CONTEXT_VALUE_CODEC_H_
