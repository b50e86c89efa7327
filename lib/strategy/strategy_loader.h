#ifndef ATTUNE_LIB_STRATEGY_STRATEGY_LOADER_H_
#define ATTUNE_LIB_STRATEGY_STRATEGY_LOADER_H_

#include <memory>
#include <string>

#include "lib/base/issue.h"
#include "lib/storage/name_dictionary.h"
#include "lib/strategy/strategy.h"
#include "lib/strategy/strategy_sources.h"

namespace attune::strategy {

// Reads, checks and compiles the strategy file and its model files. Every problem of every file is
// added to `issues`; returns nullptr when one of them is an error. Names get their numbers from
// `dictionary`, which the caller saves before data are written with them.
std::shared_ptr<const Strategy> LoadStrategy(const std::string& path, StrategySources& sources,
                                             storage::NameDictionary& dictionary,
                                             IssueList& issues);
// The same without a registry of models.
std::shared_ptr<const Strategy> LoadStrategy(const std::string& path,
                                             storage::NameDictionary& dictionary,
                                             IssueList& issues);

}  // namespace attune::strategy

#endif  // ATTUNE_LIB_STRATEGY_STRATEGY_LOADER_H_
