#ifndef ATTUNE_LIB_STRATEGY_CHECKER_BASE_H_
#define ATTUNE_LIB_STRATEGY_CHECKER_BASE_H_

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "attune/strategy/v1/strategy.pb.h"
#include "lib/base/absl_strings.h"
#include "lib/base/issue.h"
#include "lib/base/text.h"
#include "lib/strategy/yaml_document.h"

namespace attune::strategy {

// Longest sentence for people of a rule or contact policy, in bytes: explanations repeat it.
inline constexpr size_t kMaxBecauseBytes = 1024;

// Declared names of one kind with the index of their first declaration.
using NameIndex = StringViewMap<int>;

// "treatments[3]"
std::string Element(std::string_view list, int index);
// "treatments[3].cost"; the field alone when there is no owner.
std::string Field(std::string_view owner, std::string_view field);
// "a treatment", "an intent"
std::string WithArticle(std::string_view noun);

// What the checks of a strategy's parts have in common. Every problem goes to the list of issues;
// fields are named by their paths in the document. Not thread-safe.
class CheckerBase {
 protected:
  template <typename Message>
  using Repeated = google::protobuf::RepeatedPtrField<Message>;

  CheckerBase(YamlDocument& source, IssueList& issues) : source_(source), issues_(issues) {}
  ~CheckerBase() = default;

  // Names that are well-formed, unique and not too many.
  template <typename Named>
  NameIndex CheckNames(const Repeated<Named>& entries, std::string_view list, std::string_view noun,
                       int max);
  void CheckName(std::string_view owner, std::string_view name, std::string_view noun);
  // The sentence of a rule or contact policy.
  void CheckBecause(std::string_view owner, std::string_view because);
  void CheckNotEmpty(int size, std::string_view list, std::string_view noun);
  // A field of `owner` (a `noun`) that must name something that is declared.
  void CheckReference(std::string_view owner, std::string_view noun, std::string_view field,
                      std::string_view name, const NameIndex& declared);
  // A list of declared names, none of them twice.
  void CheckReferences(const std::string& path, const Repeated<std::string>& names,
                       std::string_view noun, const NameIndex& declared);
  void CheckRange(const std::string& path, std::string_view field, double value, double min,
                  double max);

  // Reports a field that is not written and says whether it is; one that could not be read is
  // neither missing nor usable.
  bool IsUsable(std::string_view owner, std::string_view noun, std::string_view field);
  bool IsUndeclared(std::string_view noun, std::string_view name, const NameIndex& declared) const;
  std::string UnknownName(std::string_view noun, std::string_view name, const NameIndex& declared);
  void Report(std::string_view path, std::string message) {
    source_.Report(path, std::move(message), issues_);
  }

  YamlDocument& source_;
  IssueList& issues_;
  // False when the strategy is so wrong that it can't be compiled even to look at its models.
  bool compilable_ = true;
};

template <typename Named>
NameIndex CheckerBase::CheckNames(const Repeated<Named>& entries, std::string_view list,
                                  std::string_view noun, int max) {
  if (entries.size() > max) {
    compilable_ = false;
    Report(list, absl::StrCat(ToAbsl(list), " has ", entries.size(), " entries; at most ", max,
                              " are allowed"));
  }
  NameIndex index;
  for (int i = 0; i < entries.size(); ++i) {
    const std::string& name = entries[i].name();
    CheckName(Element(list, i), name, noun);
    if (name.empty()) continue;
    const auto [earlier, is_new] = index.try_emplace(name, i);
    if (is_new) continue;
    const int line = source_.LineOf(Field(Element(list, earlier->second), "name"));
    Report(Field(Element(list, i), "name"),
           absl::StrCat("duplicate ", ToAbsl(noun), " ", Quoted(name), "; it is declared on line ",
                        line, " already"));
  }
  return index;
}

}  // namespace attune::strategy

#endif  // ATTUNE_LIB_STRATEGY_CHECKER_BASE_H_
