#ifndef ATTUNE_LIB_BASE_HASH_H_
#define ATTUNE_LIB_BASE_HASH_H_

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace attune {

// A key of the keyed hash. Whoever does not know it can neither tell which id a hash belongs to nor
// construct two ids with the same hash.
using HashKey = std::array<uint8_t, 16>;

// 128 bits, as bytes.
using Hash128 = std::array<uint8_t, 16>;

// SipHash-2-4 (Aumasson, Bernstein 2012) with 128 bits of output. The same on every machine and in
// every version: hashes are stored.
Hash128 KeyedHash128(const HashKey& key, std::string_view data);

// SipHash-2-4 with 64 bits of output. Stable as well.
uint64_t KeyedHash64(const HashKey& key, std::string_view data);

// The hexadecimal digits of a whole BLAKE2b-256 hash.
inline constexpr int kFullHashDigits = 64;
// The first `hex_digits` (at most kFullHashDigits) digits of the hash of the content: names a
// version of a strategy or a model.
std::string ContentHash(std::string_view content, int hex_digits = 12);

// 16 bytes from the system's random source.
HashKey RandomHashKey();

// A key that depends on nothing but the number: for a fixed seed.
HashKey HashKeyFromSeed(uint64_t seed);

}  // namespace attune

#endif  // ATTUNE_LIB_BASE_HASH_H_
