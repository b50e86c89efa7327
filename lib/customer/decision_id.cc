#include "lib/customer/decision_id.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <string_view>

namespace attune::customer {
namespace {

constexpr int kNumberBits = 48;
constexpr uint64_t kNumberMask = (uint64_t{1} << kNumberBits) - 1;

}  // namespace

DecisionIds::DecisionIds(const HashKey& seed)
    : check_key_(KeyedHash128(seed, "attune: check of decision ids")),
      seal_key_(KeyedHash128(seed, "attune: seal of decision ids")) {}

DecisionId DecisionIds::Make(const storage::CustomerKey& customer, uint64_t number) const {
  number &= kNumberMask;
  const uint64_t tag = CheckOf(customer, number) << kNumberBits | number;
  storage::CustomerKey sealed = customer;
  Seal(tag, sealed);
  DecisionId id;
  std::memcpy(id.data(), &tag, sizeof tag);
  std::copy(sealed.begin(), sealed.end(), id.begin() + sizeof tag);
  return id;
}

std::optional<DecisionIdParts> DecisionIds::Read(const DecisionId& id) const {
  DecisionIdParts parts;
  parts.tag = TagOf(id);
  std::copy(id.begin() + sizeof parts.tag, id.end(), parts.customer.begin());
  Seal(parts.tag, parts.customer);
  if (parts.tag >> kNumberBits != CheckOf(parts.customer, parts.tag & kNumberMask)) {
    return std::nullopt;
  }
  return parts;
}

uint64_t DecisionIds::TagOf(const DecisionId& id) {
  uint64_t tag = 0;
  std::memcpy(&tag, id.data(), sizeof tag);
  return tag;
}

uint64_t DecisionIds::CheckOf(const storage::CustomerKey& customer, uint64_t number) const {
  std::array<char, sizeof customer + sizeof number> input;
  std::memcpy(input.data(), customer.data(), sizeof customer);
  std::memcpy(input.data() + sizeof customer, &number, sizeof number);
  return KeyedHash64(check_key_, {input.data(), input.size()}) >> kNumberBits;
}

void DecisionIds::Seal(uint64_t tag, storage::CustomerKey& key) const {
  char input[sizeof tag];
  std::memcpy(input, &tag, sizeof tag);
  const Hash128 pad = KeyedHash128(seal_key_, {input, sizeof input});
  for (size_t i = 0; i < key.size(); ++i) key[i] ^= pad[i];
}

}  // namespace attune::customer
