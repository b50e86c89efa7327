#include "lib/storage/name_dictionary.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "attune/storage/v1/names.pb.h"
#include "lib/base/text.h"

namespace attune::storage {
namespace {

constexpr std::string_view kBlobName = "name_dictionary";

// As stored: never rename.
constexpr std::array<std::string_view, kNameKinds> kKindNames = {
    "feature", "attribute", "channel", "intent", "group", "treatment", "outcome", "purpose"};

std::optional<size_t> KindIndex(std::string_view kind) {
  const auto found = std::find(kKindNames.begin(), kKindNames.end(), kind);
  if (found == kKindNames.end()) return std::nullopt;
  return static_cast<size_t>(found - kKindNames.begin());
}

absl::Status Damaged(std::string_view why) {
  return absl::DataLossError(
      absl::StrCat("the stored dictionary of names is damaged: ", ToAbsl(why)));
}

}  // namespace

absl::StatusOr<NameDictionary> NameDictionary::Load(const StateStore& store) {
  absl::StatusOr<std::optional<std::string>> blob = store.GetBlob(kBlobName);
  if (!blob.ok()) return blob.status();
  NameDictionary dictionary;
  if (!blob->has_value()) return dictionary;
  v1::NameDictionary stored;
  if (!stored.ParseFromString(**blob)) return Damaged("it can't be parsed");
  for (v1::NameDictionary::Namespace& names : *stored.mutable_namespaces()) {
    const std::optional<size_t> kind = KindIndex(names.kind());
    // To go on without these names would lose them with the next Save.
    if (!kind.has_value()) {
      return absl::FailedPreconditionError(absl::StrCat("the store has names of the kind ",
                                                        Quoted(names.kind()),
                                                        ": it was written by a later version"));
    }
    for (std::string& name : *names.mutable_names()) {
      const size_t number = dictionary.namespaces_[*kind].names.size();
      absl::StatusOr<uint32_t> given =
          dictionary.Intern(static_cast<NameKind>(*kind), std::move(name));
      if (!given.ok()) return Damaged("it has too many names");
      if (*given != number) return Damaged("a name occurs twice");
    }
  }
  dictionary.changed_ = false;
  return dictionary;
}

absl::Status NameDictionary::Save(StateStore& store) {
  if (!changed_) return absl::OkStatus();
  v1::NameDictionary stored;
  for (size_t kind = 0; kind < namespaces_.size(); ++kind) {
    v1::NameDictionary::Namespace& names = *stored.add_namespaces();
    names.set_kind(std::string(kKindNames[kind]));
    names.mutable_names()->Assign(namespaces_[kind].names.begin(), namespaces_[kind].names.end());
  }
  absl::Status written = store.PutBlob(kBlobName, stored.SerializeAsString());
  if (written.ok()) changed_ = false;
  return written;
}

absl::StatusOr<uint32_t> NameDictionary::Intern(NameKind kind, std::string_view name) {
  Namespace& space = namespaces_[static_cast<size_t>(kind)];
  const auto known = space.numbers.find(name);
  if (known != space.numbers.end()) return known->second;
  if (space.names.size() >= kMaxNames) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "the store has ", kMaxNames, " names of the kind ",
        ToAbsl(kKindNames[static_cast<size_t>(kind)]), ", which is the most it can have"));
  }
  const auto number = static_cast<uint32_t>(space.names.size());
  space.names.emplace_back(name);
  space.numbers.emplace(name, number);
  changed_ = true;
  return number;
}

std::optional<uint32_t> NameDictionary::Find(NameKind kind, std::string_view name) const {
  const Namespace& space = namespaces_[static_cast<size_t>(kind)];
  const auto known = space.numbers.find(name);
  if (known == space.numbers.end()) return std::nullopt;
  return known->second;
}

std::string_view NameDictionary::NameOf(NameKind kind, uint32_t number) const {
  const std::vector<std::string>& names = Names(kind);
  return number < names.size() ? std::string_view(names[number]) : std::string_view();
}

const std::vector<std::string>& NameDictionary::Names(NameKind kind) const {
  return namespaces_[static_cast<size_t>(kind)].names;
}

}  // namespace attune::storage
