#ifndef ATTUNE_LIB_STORAGE_CRC32C_H_
#define ATTUNE_LIB_STORAGE_CRC32C_H_

#include <cstdint>
#include <string_view>

namespace attune::storage {

// CRC-32C (Castagnoli) as of RFC 3720: the same on every machine.
uint32_t Crc32c(std::string_view data);

}  // namespace attune::storage

#endif  // ATTUNE_LIB_STORAGE_CRC32C_H_
