#include "lib/strategy/checker_base.h"

#include <algorithm>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "lib/base/text.h"

namespace attune::strategy {

std::string Element(std::string_view list, int index) {
  return absl::StrCat(ToAbsl(list), "[", index, "]");
}

std::string Field(std::string_view owner, std::string_view field) {
  return owner.empty() ? std::string(field) : absl::StrCat(ToAbsl(owner), ".", ToAbsl(field));
}

std::string WithArticle(std::string_view noun) {
  const bool vowel = std::string_view("aeiou").find(noun[0]) != noun.npos;
  return absl::StrCat(vowel ? "an " : "a ", ToAbsl(noun));
}

bool CheckerBase::IsUsable(std::string_view owner, std::string_view noun, std::string_view field) {
  const std::string path = Field(owner, field);
  if (source_.HasUnflawed(path)) return true;
  if (!source_.Has(path) && !source_.HasFlawed(owner)) {
    Report(path, absl::StrCat(WithArticle(noun), " needs the key \"", ToAbsl(field), "\""));
  }
  return false;
}

void CheckerBase::CheckName(std::string_view owner, std::string_view name, std::string_view noun) {
  if (IsName(name) || !IsUsable(owner, noun, "name")) return;
  Report(Field(owner, "name"), absl::StrCat("the name ", Quoted(name),
                                            " must be lower_snake: a letter a-z, then letters,"
                                            " digits and underscores, at most ",
                                            kMaxNameBytes, " bytes"));
}

void CheckerBase::CheckBecause(std::string_view owner, std::string_view because) {
  if (because.size() <= kMaxBecauseBytes) return;
  Report(Field(owner, "because"), absl::StrCat("because has ", because.size(), " bytes; at most ",
                                               kMaxBecauseBytes, " are allowed"));
}

void CheckerBase::CheckNotEmpty(int size, std::string_view list, std::string_view noun) {
  if (size > 0) return;
  compilable_ = false;
  if (source_.HasFlawed(list)) return;
  Report(list, absl::StrCat("a strategy needs at least one ", ToAbsl(noun), " under \"",
                            ToAbsl(list), "\""));
}

bool CheckerBase::IsUndeclared(std::string_view noun, std::string_view name,
                               const NameIndex& declared) const {
  if (declared.contains(name)) return false;
  // When not one declaration could be read, that is the issue. Intents may be absent.
  return !declared.empty() || (noun == "intent" && !source_.HasFlawed("intents"));
}

std::string CheckerBase::UnknownName(std::string_view noun, std::string_view name,
                                     const NameIndex& declared) {
  std::string message = absl::StrCat("unknown ", ToAbsl(noun), " ", Quoted(name));
  // Issues beyond the kept ones are only counted: not worth a search.
  if (issues_.errors() >= IssueList::kMaxKept) return message;
  std::vector<std::string_view> names;
  for (const auto& [known, index] : declared) names.push_back(known);
  // The order of a hash table must not decide among equals.
  std::sort(names.begin(), names.end());
  return message + Suggestion(name, names);
}

void CheckerBase::CheckReference(std::string_view owner, std::string_view noun,
                                 std::string_view field, std::string_view name,
                                 const NameIndex& declared) {
  if (declared.contains(name) || !IsUsable(owner, noun, field)) return;
  if (!IsUndeclared(field, name, declared)) return;
  Report(Field(owner, field), UnknownName(field, name, declared));
}

void CheckerBase::CheckReferences(const std::string& path, const Repeated<std::string>& names,
                                  std::string_view noun, const NameIndex& declared) {
  absl::flat_hash_set<std::string> seen;
  for (int i = 0; i < names.size(); ++i) {
    const std::string& name = names[i];
    const bool is_new = seen.insert(name).second;
    if (is_new && !IsUndeclared(noun, name, declared)) continue;
    const std::string element = Element(path, i);
    if (!source_.HasUnflawed(element)) continue;
    Report(element, is_new ? UnknownName(noun, name, declared)
                           : absl::StrCat(ToAbsl(noun), " ", Quoted(name), " is listed twice"));
  }
}

void CheckerBase::CheckRange(const std::string& path, std::string_view field, double value,
                             double min, double max) {
  if (value >= min && value <= max) return;
  Report(Field(path, field),
         absl::StrCat(ToAbsl(field), " must be between ", min, " and ", max, ", not ", value));
}

}  // namespace attune::strategy
