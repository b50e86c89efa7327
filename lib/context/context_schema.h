#ifndef ATTUNE_LIB_CONTEXT_CONTEXT_SCHEMA_H_
#define ATTUNE_LIB_CONTEXT_CONTEXT_SCHEMA_H_

#include <bitset>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/absl_strings.h"
#include "lib/context/value_schema.h"

namespace attune::context {

// Most channels and intents of one strategy.
inline constexpr int kMaxChannels = 64;
inline constexpr int kMaxIntents = 1000;
// Most placements of one strategy.
inline constexpr int kMaxPlacements = 64;

// A channel, an intent or a placement that the strategy declares.
struct NamedEntry {
  std::string name;
  uint32_t number = 0;  // in the store's NameDictionary; of a placement 0
};

// Names with their indexes 0 … size() - 1, in the order of the strategy. Immutable, thread-safe.
class NameTable {
 public:
  NameTable() = default;
  // REQUIRES: names are unique.
  explicit NameTable(std::vector<NamedEntry> entries);
  NameTable(NameTable&&) = default;
  NameTable& operator=(NameTable&&) = default;

  int size() const { return static_cast<int>(entries_.size()); }
  const NamedEntry& operator[](int index) const { return entries_[static_cast<size_t>(index)]; }
  // -1 when the name is not declared.
  int IndexOf(std::string_view name) const;
  std::vector<std::string_view> Names() const;

 private:
  std::vector<NamedEntry> entries_;
  StringViewMap<int> index_;  // views into entries_
};

// An intent as an index: 0 when it is not known, else 1 + its index in ContextSchema::intents.
using IntentIndex = int;
inline constexpr IntentIndex kUnknownIntent = 0;

// Bit i: the channel with index i.
using ChannelSet = std::bitset<kMaxChannels>;
// Bit i: the intent with IntentIndex i.
using IntentSet = std::bitset<kMaxIntents + 1>;

// What a strategy declares about interactions. Immutable, thread-safe.
struct ContextSchema {
  NameTable channels;
  NameTable intents;
  ValueSchema attributes;
  NameTable placements;
  std::vector<ChannelSet> placement_channels;  // by index of the placement: where it is

  // The intent's name; empty when it is not known.
  std::string_view IntentName(IntentIndex intent) const {
    return intent == kUnknownIntent ? std::string_view() : intents[intent - 1].name;
  }
};

}  // namespace attune::context

#endif  // ATTUNE_LIB_CONTEXT_CONTEXT_SCHEMA_H_
