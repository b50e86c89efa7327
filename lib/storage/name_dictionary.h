#ifndef ATTUNE_LIB_STORAGE_NAME_DICTIONARY_H_
#define ATTUNE_LIB_STORAGE_NAME_DICTIONARY_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "lib/base/absl_strings.h"
#include "lib/storage/state_store.h"

namespace attune::storage {

// What a name is the name of.
enum class NameKind {
  kFeature,
  kAttribute,
  kChannel,
  kIntent,
  kGroup,
  kTreatment,
  kOutcome,
  kPurpose
};
inline constexpr int kNameKinds = 8;

// Small stable numbers for the names of strategies: records and events hold numbers. A number is
// never given to another name, so stored data keep their meaning while strategies come and go.
// Not thread-safe; compiled strategies copy what they need.
class NameDictionary {
 public:
  // Most names of one kind, over all strategies that were ever used with a store.
  static constexpr uint32_t kMaxNames = 1u << 20;

  // The dictionary kept in the store; empty when there is none yet. DATA_LOSS: it can't be read.
  static absl::StatusOr<NameDictionary> Load(const StateStore& store);

  // Writes the dictionary to the store when names were added since it was loaded or saved.
  absl::Status Save(StateStore& store);

  // The number of the name, given now if it is new. RESOURCE_EXHAUSTED: kMaxNames reached.
  absl::StatusOr<uint32_t> Intern(NameKind kind, std::string_view name);

  // The number of the name; nullopt when it was never given one.
  std::optional<uint32_t> Find(NameKind kind, std::string_view name) const;

  // The name of the number; empty when the number was never given.
  std::string_view NameOf(NameKind kind, uint32_t number) const;

  // All names of the kind; the index is the number.
  const std::vector<std::string>& Names(NameKind kind) const;

 private:
  struct Namespace {
    std::vector<std::string> names;
    StringMap<uint32_t> numbers;
  };
  std::array<Namespace, kNameKinds> namespaces_;
  bool changed_ = false;
};

}  // namespace attune::storage

#endif  // ATTUNE_LIB_STORAGE_NAME_DICTIONARY_H_
