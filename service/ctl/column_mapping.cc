#include "service/ctl/column_mapping.h"

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <map>
#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "lib/base/text.h"
#include "service/ctl/value_text.h"

namespace attune::ctl {
namespace {

// Names that are listed in one message at most.
constexpr size_t kMaxListed = 40;

bool IsUpper(char c) { return c >= 'A' && c <= 'Z'; }
bool IsLower(char c) { return c >= 'a' && c <= 'z'; }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }

std::string WithoutUnderscores(std::string name) {
  name.erase(std::remove(name.begin(), name.end(), '_'), name.end());
  return name;
}

// Also sees what was meant when only the style of the name is another.
std::string DidYouMeanInAnyStyle(std::string_view text, const std::vector<std::string>& names) {
  std::string meant = DidYouMean(text, names);
  for (size_t i = 0; i < names.size() && meant.empty(); ++i) {
    const std::vector<std::string> snake = {LowerSnake(names[i])};
    const bool close = !ClosestName(LowerSnake(text), snake).empty();
    if (close) meant = DidYouMean(names[i], absl::MakeConstSpan(&names[i], 1));
  }
  return meant;
}

std::string Listed(const std::vector<std::string>& names) {
  std::vector<std::string> quoted;
  for (const std::string& name : names) {
    if (quoted.size() == kMaxListed) break;
    quoted.push_back(Quoted(name));
  }
  std::string text = absl::StrJoin(quoted, ", ");
  if (names.size() > kMaxListed) absl::StrAppend(&text, ", ... (", names.size(), " in all)");
  return text;
}

// Finds names that people write in many ways among names that are as they are.
class NameFinder {
 public:
  enum class Result { kFound, kNone, kSeveral };

  explicit NameFinder(std::vector<std::string> names) : names_(std::move(names)) {
    for (size_t i = 0; i < names_.size(); ++i) {
      exact_[names_[i]].push_back(i);
      const std::string snake = LowerSnake(names_[i]);
      snake_[snake].push_back(i);
      bare_[WithoutUnderscores(snake)].push_back(i);
    }
  }

  // The closest form of the name that is there at all decides.
  Result Find(std::string_view name, size_t& index) const {
    const std::string snake = LowerSnake(name);
    for (const auto& [forms, key] :
         {std::pair(&exact_, std::string(name)), std::pair(&snake_, snake),
          std::pair(&bare_, WithoutUnderscores(snake))}) {
      const auto found = forms->find(key);
      if (found == forms->end()) continue;
      if (found->second.size() > 1) return Result::kSeveral;
      index = found->second.front();
      return Result::kFound;
    }
    return Result::kNone;
  }

  const std::vector<std::string>& names() const { return names_; }

 private:
  using Forms = std::map<std::string, std::vector<size_t>>;

  const std::vector<std::string> names_;
  Forms exact_;
  Forms snake_;
  Forms bare_;
};

std::vector<std::string> NamesOf(absl::Span<const v1::Feature> features) {
  std::vector<std::string> names;
  for (const v1::Feature& feature : features) names.push_back(feature.name());
  return names;
}

// Collects the mapping and every problem on the way.
class Mapper {
 public:
  Mapper(absl::Span<const std::string> header, absl::Span<const v1::Feature> features)
      : features_(features),
        columns_({header.begin(), header.end()}),
        feature_names_(NamesOf(features)),
        feature_of_column_(header.size()),
        ignored_(header.size()),
        is_id_(header.size()) {}

  absl::StatusOr<ColumnMapping> Run(const MappingRequest& request) {
    ColumnMapping mapping;
    mapping.column_count = columns_.names().size();
    if (request.id_column.empty()) {
      problems_.push_back("the id column is not named; use --id COLUMN");
    } else if (const std::optional<size_t> column = Column(request.id_column, "--id")) {
      mapping.id_column = *column;
      ignored_[*column] = is_id_[*column] = true;
    }
    for (const std::string& name : request.ignore) {
      if (const std::optional<size_t> column = Column(name, "--ignore")) ignored_[*column] = true;
    }
    for (const auto& [column, feature] : request.map) MapExplicitly(column, feature);
    MapByName();
    Collect(mapping);
    if (problems_.empty() && mapping.columns.empty()) {
      problems_.push_back(
          absl::StrCat("no column has the name of a feature; map them with --map ",
                       "COLUMN=FEATURE. Features: ", Listed(feature_names_.names())));
    }
    if (!problems_.empty()) return absl::InvalidArgumentError(absl::StrJoin(problems_, "\n"));
    return mapping;
  }

  absl::StatusOr<size_t> Find(std::string_view name, std::string_view option) {
    if (const std::optional<size_t> column = Column(name, option)) return *column;
    return absl::InvalidArgumentError(problems_.back());
  }

 private:
  std::optional<size_t> Column(std::string_view name, std::string_view option) {
    size_t index = 0;
    const NameFinder::Result result = columns_.Find(name, index);
    if (result == NameFinder::Result::kFound) return index;
    std::string problem = absl::StrCat(std::string(option), ": ");
    if (result == NameFinder::Result::kSeveral) {
      absl::StrAppend(&problem, "several columns are called ", Quoted(name),
                      "; give them different names in the header");
    } else {
      const std::string meant = DidYouMeanInAnyStyle(name, columns_.names());
      absl::StrAppend(&problem, "there is no column ", Quoted(name), meant);
      if (meant.empty()) AppendColumns(problem);
    }
    problems_.push_back(std::move(problem));
    return std::nullopt;
  }

  void AppendColumns(std::string& problem) const {
    absl::StrAppend(&problem, ". Columns: ", Listed(columns_.names()));
    if (columns_.names().size() > 1) return;
    for (const auto& [separator, option] :
         {std::pair(';', "--delimiter ';'"), std::pair('\t', "--delimiter tab"),
          std::pair('|', "--delimiter '|'"), std::pair(',', "--delimiter ,")}) {
      if (columns_.names()[0].find(separator) == std::string::npos) continue;
      absl::StrAppend(&problem, ". It looks like several columns: try ", option);
      return;
    }
  }

  void MapExplicitly(const std::string& column_name, const std::string& feature_name) {
    const std::optional<size_t> column = Column(column_name, "--map");
    size_t feature = 0;
    if (feature_names_.Find(feature_name, feature) != NameFinder::Result::kFound) {
      problems_.push_back(absl::StrCat("--map: the strategy declares no feature ",
                                       Quoted(feature_name),
                                       DidYouMeanInAnyStyle(feature_name, feature_names_.names())));
      return;
    }
    if (!column.has_value()) return;
    if (ignored_[*column] && !is_id_[*column]) {
      problems_.push_back(
          absl::StrCat("column ", Quoted(column_name), " is named by both --map and --ignore"));
    } else if (feature_of_column_[*column].has_value()) {
      problems_.push_back(absl::StrCat("--map: column ", Quoted(column_name), " is mapped twice"));
    } else if (column_of_feature_.contains(feature)) {
      problems_.push_back(absl::StrCat(
          "--map: two columns, ", Quoted(columns_.names()[column_of_feature_[feature]]), " and ",
          Quoted(column_name), ", are mapped to feature ", Quoted(feature_name)));
    } else {
      feature_of_column_[*column] = feature;
      column_of_feature_[feature] = *column;
    }
  }

  void MapByName() {
    const auto taken_by_user = column_of_feature_;
    for (size_t column = 0; column < columns_.names().size(); ++column) {
      if (ignored_[column] || feature_of_column_[column].has_value()) continue;
      const std::string& name = columns_.names()[column];
      size_t feature = 0;
      if (feature_names_.Find(name, feature) != NameFinder::Result::kFound) continue;
      if (taken_by_user.contains(feature)) continue;
      if (const auto other = column_of_feature_.find(feature); other != column_of_feature_.end()) {
        const std::string& first = columns_.names()[other->second];
        problems_.push_back(absl::StrCat("columns ", Quoted(first), " and ", Quoted(name),
                                         " both have the name of feature ",
                                         Quoted(feature_names_.names()[feature]),
                                         first == name ? "; give them different names in the header"
                                                       : "; choose one with --map or --ignore"));
        continue;
      }
      feature_of_column_[column] = feature;
      column_of_feature_[feature] = column;
    }
  }

  void Collect(ColumnMapping& mapping) {
    for (size_t column = 0; column < columns_.names().size(); ++column) {
      const std::string& name = columns_.names()[column];
      if (!feature_of_column_[column].has_value()) {
        if (!ignored_[column]) mapping.unmapped_columns.push_back(name);
        continue;
      }
      const v1::Feature& feature = features_[*feature_of_column_[column]];
      const std::optional<ValueType> type = TypeFromName(feature.type());
      if (!type.has_value()) {
        problems_.push_back(absl::StrCat("feature ", Quoted(feature.name()), " has the type ",
                                         Quoted(feature.type()),
                                         ", which this attunectl does not know: update it"));
        continue;
      }
      mapping.columns.push_back({column, name, feature.name(), *type});
    }
    for (size_t feature = 0; feature < features_.size(); ++feature) {
      if (column_of_feature_.contains(feature)) continue;
      mapping.features_not_in_file.push_back(features_[feature].name());
    }
  }

  const absl::Span<const v1::Feature> features_;
  const NameFinder columns_;
  const NameFinder feature_names_;
  std::vector<std::optional<size_t>> feature_of_column_;
  std::map<size_t, size_t> column_of_feature_;
  std::vector<bool> ignored_;  // by the user, or because it is the id
  std::vector<bool> is_id_;
  std::vector<std::string> problems_;
};

}  // namespace

std::string LowerSnake(std::string_view name) {
  std::string snake;
  for (size_t i = 0; i < name.size(); ++i) {
    const char c = name[i];
    if (!IsUpper(c) && !IsLower(c) && !IsDigit(c)) {
      if (!snake.empty() && snake.back() != '_') snake += '_';
      continue;
    }
    const char before = i > 0 ? name[i - 1] : ' ';
    const char after = i + 1 < name.size() ? name[i + 1] : ' ';
    // A word starts at aB and, after an abbreviation, at the last capital of ABc.
    const bool starts_word =
        IsUpper(c) && (IsLower(before) || IsDigit(before) || (IsUpper(before) && IsLower(after)));
    if (starts_word && !snake.empty() && snake.back() != '_') snake += '_';
    snake += absl::ascii_tolower(static_cast<unsigned char>(c));
  }
  if (!snake.empty() && snake.back() == '_') snake.pop_back();
  return snake;
}

absl::StatusOr<ColumnMapping> MapColumns(absl::Span<const std::string> header,
                                         absl::Span<const v1::Feature> features,
                                         const MappingRequest& request) {
  return Mapper(header, features).Run(request);
}

absl::StatusOr<size_t> FindColumn(absl::Span<const std::string> header, std::string_view name,
                                  std::string_view option) {
  return Mapper(header, {}).Find(name, option);
}

absl::StatusOr<std::pair<std::string, std::string>> ReadMapEntry(std::string_view text) {
  const size_t split = text.rfind('=');
  if (split == std::string_view::npos || split == 0 || split + 1 == text.size()) {
    return absl::InvalidArgumentError(absl::StrCat(Quoted(text), " must be COLUMN=FEATURE"));
  }
  return std::pair(std::string(text.substr(0, split)), std::string(text.substr(split + 1)));
}

absl::StatusOr<std::vector<std::pair<std::string, std::string>>> ReadMapFile(
    const std::string& path) {
  std::ifstream file(path);
  if (!file) return absl::ErrnoToStatus(errno, absl::StrCat(Quoted(path), " can't be opened"));
  std::vector<std::pair<std::string, std::string>> entries;
  std::string line;
  for (int number = 1; std::getline(file, line); ++number) {
    absl::StripAsciiWhitespace(&line);
    if (line.empty() || line[0] == '#') continue;
    auto entry = ReadMapEntry(line);
    if (!entry.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat(path, ":", number, ": ", entry.status().message()));
    }
    entry->first = std::string(absl::StripAsciiWhitespace(entry->first));
    entry->second = std::string(absl::StripAsciiWhitespace(entry->second));
    entries.push_back(*std::move(entry));
  }
  return entries;
}

}  // namespace attune::ctl
