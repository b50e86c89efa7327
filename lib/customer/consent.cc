#include "lib/customer/consent.h"

#include <algorithm>

#include "absl/status/status.h"

namespace attune::customer {
namespace {

absl::Status Malformed() { return absl::DataLossError("the customer's consents are malformed"); }

void PutConsent(std::string& out, const Consent& consent) {
  PutVarint(out, consent.purpose);
  PutVarint(out, consent.channel ? uint64_t{*consent.channel} + 1 : 0);
  PutFixed(out, static_cast<uint8_t>(consent.granted ? 1 : 0));
  PutVarint(out, ZigZag(consent.time_us));
  PutBytes(out, consent.source);
}

// Are both about one purpose, and on a channel that they share?
bool Meet(const Consent& a, const Consent& b) {
  return a.purpose == b.purpose && (a.channel == b.channel || !a.channel || !b.channel);
}

}  // namespace

bool ConsentReader::Next(Consent& consent) {
  if (!ok() || reader_.done()) return false;
  const uint64_t purpose = reader_.Varint();
  const uint64_t channel = reader_.Varint();
  const auto granted = reader_.Fixed<uint8_t>();
  consent.time_us = UnZigZag(reader_.Varint());
  consent.source = reader_.SizedBytes();
  ok_ = reader_.ok() && purpose <= UINT32_MAX && channel <= uint64_t{UINT32_MAX} + 1 &&
        granted <= 1 && consent.source.size() <= kMaxConsentSourceBytes;
  if (!ok_) return false;
  consent.purpose = static_cast<uint32_t>(purpose);
  consent.channel.reset();
  if (channel > 0) consent.channel = static_cast<uint32_t>(channel - 1);
  consent.granted = granted == 1;
  return true;
}

absl::StatusOr<std::optional<Consent>> FindConsent(std::string_view consents, uint32_t purpose,
                                                   uint32_t channel) {
  std::optional<Consent> found;
  ConsentReader reader(consents);
  Consent consent;
  while (reader.Next(consent)) {
    if (consent.purpose != purpose) continue;
    if (consent.channel ? *consent.channel == channel : !found) found = consent;
  }
  if (!reader.ok()) return Malformed();
  return found;
}

int64_t LatestTime(std::string_view consents, const Consent& said) {
  int64_t latest_us = 0;
  ConsentReader reader(consents);
  Consent consent;
  while (reader.Next(consent)) {
    if (Meet(consent, said)) latest_us = std::max(latest_us, consent.time_us);
  }
  return reader.ok() ? latest_us : 0;
}

absl::StatusOr<bool> AddConsent(std::string_view consents, const Consent& said,
                                std::string& result) {
  result.clear();
  size_t count = 1;
  ConsentReader reader(consents);
  Consent consent;
  bool is_late = false;
  bool is_known = false;
  while (reader.Next(consent)) {
    const bool same_channel = consent.channel == said.channel;
    const bool meets = Meet(consent, said);
    is_known |= consent == said;
    // Something newer about all channels, or about this very one.
    is_late |= meets && consent.time_us > said.time_us && (same_channel || !consent.channel);
    const bool is_replaced =
        meets && consent.time_us <= said.time_us && (same_channel || !said.channel);
    if (is_replaced) continue;
    PutConsent(result, consent);
    ++count;
  }
  if (!reader.ok()) return Malformed();
  if (is_late || is_known) {
    result = consents;
    return false;
  }
  if (count > kMaxConsents) {
    return absl::ResourceExhaustedError(
        "the customer has as many consents as can be kept; say it for all channels of a purpose");
  }
  PutConsent(result, said);
  return true;
}

}  // namespace attune::customer
