#ifndef ATTUNE_LIB_CUSTOMER_CONSENT_H_
#define ATTUNE_LIB_CUSTOMER_CONSENT_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "lib/base/codec.h"

namespace attune::customer {

// What a customer said about being contacted, as the consent section of the record:
//
//   consents := consent*                 no purpose and channel twice
//   consent  := varint(purpose) varint(1 + channel; 0: all channels) granted(1 byte, 0 or 1)
//               zigzag(time_us) varint(size) source
//
// Purposes and channels are numbers of the store's NameDictionary.

// Most entries of one customer, and the longest source in bytes.
inline constexpr size_t kMaxConsents = 256;
inline constexpr size_t kMaxConsentSourceBytes = 64;

// One thing that a customer said.
struct Consent {
  uint32_t purpose = 0;
  std::optional<uint32_t> channel;  // absent: all channels
  bool granted = false;
  int64_t time_us = 0;      // when it was said, Unix microseconds
  std::string_view source;  // where: "web form", "agent"; at most kMaxConsentSourceBytes

  friend bool operator==(const Consent&, const Consent&) = default;
};

// Reads entries one after another. Never reads past the end; a malformed entry ends the walk with
// ok() == false.
class ConsentReader {
 public:
  explicit ConsentReader(std::string_view consents) : reader_(consents) {}

  // False at the end or on a malformed entry.
  bool Next(Consent& consent);
  bool ok() const { return reader_.ok() && ok_; }

 private:
  ByteReader reader_;
  bool ok_ = true;
};

// What holds for a purpose on a channel: what was said about this channel; else about all channels;
// nullopt when nothing was said. DATA_LOSS: `consents` is malformed.
absl::StatusOr<std::optional<Consent>> FindConsent(std::string_view consents, uint32_t purpose,
                                                   uint32_t channel);

// The latest time of what was said about the same purpose on the same channel or on all of them;
// or, when `said` is about all channels, on any. 0: nothing was, or `consents` is malformed.
int64_t LatestTime(std::string_view consents, const Consent& said);

// Lays one more thing that the customer said over `consents`. What is said about all channels
// replaces what was said about single ones. What is known already, and what was said earlier than
// something that it would replace, or that replaced it, changes nothing: then false, and `result`
// is `consents`.
// REQUIRES: the source is not too long; `result` is not what `consents` or `said` point into.
// DATA_LOSS: `consents` is malformed. RESOURCE_EXHAUSTED: kMaxConsents reached.
absl::StatusOr<bool> AddConsent(std::string_view consents, const Consent& said,
                                std::string& result);

}  // namespace attune::customer

#endif  // ATTUNE_LIB_CUSTOMER_CONSENT_H_
