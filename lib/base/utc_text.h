#ifndef ATTUNE_LIB_BASE_UTC_TEXT_H_
#define ATTUNE_LIB_BASE_UTC_TEXT_H_

#include <cstdint>
#include <string>

namespace attune {

// Appends a moment, given in Unix milliseconds, as RFC 3339 in UTC with as many digits of the
// second as it takes: "2026-03-08T10:00:00Z", "2026-03-08T10:00:00.25Z". As absl::FormatTime does,
// in a fraction of its time.
void AppendUtc(int64_t unix_ms, std::string& text);

}  // namespace attune

#endif  // ATTUNE_LIB_BASE_UTC_TEXT_H_
