#include "lib/base/hash.h"

#include <sodium.h>

#include <algorithm>
#include <cstring>

#include "absl/strings/escaping.h"

namespace attune {
namespace {

const unsigned char* Bytes(std::string_view data) {
  return reinterpret_cast<const unsigned char*>(data.data());
}

}  // namespace

Hash128 KeyedHash128(const HashKey& key, std::string_view data) {
  static_assert(crypto_shorthash_siphashx24_BYTES == 16);
  Hash128 hash;
  crypto_shorthash_siphashx24(hash.data(), Bytes(data), data.size(), key.data());
  return hash;
}

uint64_t KeyedHash64(const HashKey& key, std::string_view data) {
  static_assert(crypto_shorthash_siphash24_BYTES == 8);
  uint8_t bytes[8];
  crypto_shorthash_siphash24(bytes, Bytes(data), data.size(), key.data());
  uint64_t hash = 0;
  for (int i = 7; i >= 0; --i) hash = hash << 8 | bytes[i];
  return hash;
}

std::string ContentHash(std::string_view content, int hex_digits) {
  uint8_t digest[32];
  crypto_generichash(digest, sizeof digest, Bytes(content), content.size(), nullptr, 0);
  const std::string hex =
      absl::BytesToHexString({reinterpret_cast<const char*>(digest), sizeof digest});
  return hex.substr(0, static_cast<size_t>(std::clamp(hex_digits, 1, 64)));
}

HashKey RandomHashKey() {
  HashKey key;
  randombytes_buf(key.data(), key.size());
  return key;
}

HashKey HashKeyFromSeed(uint64_t seed) {
  HashKey key{};
  uint8_t bytes[8];
  for (int i = 0; i < 8; ++i) bytes[i] = static_cast<uint8_t>(seed >> (8 * i));
  crypto_generichash(key.data(), key.size(), bytes, sizeof bytes, nullptr, 0);
  return key;
}

}  // namespace attune
