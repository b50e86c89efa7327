#ifndef ATTUNE_LIB_STRATEGY_STRATEGY_CHECKER_H_
#define ATTUNE_LIB_STRATEGY_STRATEGY_CHECKER_H_

#include "attune/strategy/v1/strategy.pb.h"
#include "lib/base/issue.h"
#include "lib/strategy/strategy.h"
#include "lib/strategy/yaml_document.h"

namespace attune::strategy {

// Most features, attributes, groups and models of one strategy (strategy.proto); those of channels,
// intents, treatments and context weights stand with what they bound.
inline constexpr int kMaxFeatures = 1000;
inline constexpr int kMaxAttributes = 256;
inline constexpr int kMaxGroups = static_cast<int>(arbitration::kMaxGroups);
inline constexpr int kMaxModels = 1000;
// Most fields of a content, and the longest value of one in bytes.
inline constexpr int kMaxContentFields = 32;
inline constexpr size_t kMaxContentValueBytes = 4096;
// Most bytes of content that the largest answer on a channel may hold, so that every answer fits
// into what is remembered of a request with an id (storage::kMaxEventBytes).
inline constexpr size_t kMaxAnswerContentBytes = 768u << 10;

// Checks what `source` was read into: that what is required is there, names are well-formed and
// unique, what is referred to is declared, values are in range and every treatment can be reached.
// Every problem is added to `issues`; a field that could not be read is not reported again. The
// contents of model files are not looked at. False when the strategy is so wrong that it can't be
// compiled even to check its models against it.
bool CheckStrategy(const v1::Strategy& file, YamlDocument& source, IssueList& issues);

// Warns of what a correct strategy declares in vain: models, groups and channels without
// treatments, intents that no treatment is for, treatments without a value, context weights that
// can't have an effect.
void WarnOfTheUnused(const v1::Strategy& file, const Strategy& strategy, const YamlDocument& source,
                     IssueList& issues);

}  // namespace attune::strategy

#endif  // ATTUNE_LIB_STRATEGY_STRATEGY_CHECKER_H_
