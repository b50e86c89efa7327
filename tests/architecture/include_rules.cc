#include "tests/architecture/include_rules.h"

#include <algorithm>
#include <cctype>
#include <sstream>
#include <utility>

namespace attune::architecture {
namespace {

// What is confined, and where it may be included. Tests may use everything.
struct Confinement {
  std::string_view include_prefix;
  std::vector<std::string_view> allowed_under;
};

const std::vector<Confinement>& Confinements() {
  static const auto* const confinements = new std::vector<Confinement>{
      {"rocksdb/", {"lib/storage/"}},
      {"prometheus/", {"lib/telemetry/", "service/"}},
      {"yaml-cpp/", {"lib/strategy/"}},
      {"re2/", {"lib/expression/"}},
      {"grpc/", {"service/"}},
      {"grpcpp/", {"service/"}},
      {"dlfcn.h", {"lib/scoring/plugin/"}},
      {"inference/", {"service/inference/"}},
      {"attune/v1/", {"service/"}},
      {"google/rpc/", {"service/"}},
      {"attune/strategy/", {"lib/", "service/"}},
      {"attune/storage/", {"lib/"}},
      {"service/", {"service/"}},
      {"tests/", {}},
  };
  return *confinements;
}

constexpr std::string_view kBlanks = " \t\r";

template <typename... Parts>
std::string StrCat(const Parts&... parts) {
  std::ostringstream text;
  (text << ... << parts);
  return text.str();
}

bool Contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

// Removes `prefix` from the front of `text`; false when it doesn't stand there.
bool ConsumePrefix(std::string_view* text, std::string_view prefix) {
  if (!text->starts_with(prefix)) return false;
  text->remove_prefix(prefix.size());
  return true;
}

std::string_view SkipBlanks(std::string_view text) {
  const size_t start = text.find_first_not_of(kBlanks);
  return start == std::string_view::npos ? std::string_view() : text.substr(start);
}

std::vector<std::string_view> Lines(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    lines.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

std::vector<std::string> Words(std::string_view text) {
  std::istringstream in{std::string(text)};
  std::vector<std::string> words;
  for (std::string word; in >> word;) words.push_back(word);
  return words;
}

bool IsUnder(std::string_view file, const std::vector<std::string_view>& folders) {
  return std::any_of(folders.begin(), folders.end(),
                     [file](std::string_view folder) { return file.starts_with(folder); });
}

// "lib/base/text.h" -> "base"; empty for what doesn't lie in a folder of lib/.
std::string_view LayerOf(std::string_view path) {
  if (!ConsumePrefix(&path, "lib/")) return {};
  const size_t slash = path.find('/');
  return slash == std::string_view::npos ? std::string_view() : path.substr(0, slash);
}

std::string LayerProblem(const Layers& layers, std::string_view file, const Include& include) {
  const std::string_view from = LayerOf(file);
  const std::string_view to = LayerOf(include.path);
  if (from.empty() || to.empty() || from == to) return {};
  const Layer* layer = layers.Find(from);
  if (layer == nullptr) return StrCat("lib/LAYERS does not declare the folder ", from);
  if (layer->may_include.count(std::string(to)) == 0) {
    return StrCat("lib/LAYERS does not let ", from, " include ", to);
  }
  return {};
}

std::string ConfinementProblem(std::string_view file, const Include& include) {
  if (file.starts_with("tests/")) return {};
  for (const Confinement& confinement : Confinements()) {
    if (include.path.starts_with(confinement.include_prefix) &&
        !IsUnder(file, confinement.allowed_under)) {
      return StrCat(confinement.include_prefix, " does not belong here");
    }
  }
  return {};
}

std::string SpellingProblem(const Include& include) {
  if (Contains(include.path, "..")) return "a path from the top of the tree is wanted";
  if (include.quoted && !Contains(include.path, "/")) {
    return "a path from the top of the tree is wanted, or <> for a system header";
  }
  if (!include.quoted &&
      (include.path.starts_with("lib/") || include.path.starts_with("service/") ||
       include.path.starts_with("tests/"))) {
    return "our own headers are included with quotes";
  }
  return {};
}

}  // namespace

const Layer* Layers::Find(std::string_view name) const {
  const auto found = std::find_if(layers.begin(), layers.end(),
                                  [name](const Layer& layer) { return layer.name == name; });
  return found == layers.end() ? nullptr : &*found;
}

Layers ParseLayers(std::string_view text) {
  Layers result;
  int line_number = 0;
  for (std::string_view line : Lines(text)) {
    ++line_number;
    const auto problem = [&](std::string_view what) {
      result.problems.push_back(StrCat("lib/LAYERS:", line_number, ": ", what));
    };
    line = SkipBlanks(line.substr(0, line.find('#')));
    if (line.empty()) continue;
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos) {
      problem("a line reads `folder: folder …`");
      continue;
    }
    Layer layer;
    layer.name = std::string(line.substr(0, colon));
    if (result.Find(layer.name) != nullptr) problem(StrCat(layer.name, " is declared twice"));
    for (const std::string& name : Words(line.substr(colon + 1))) {
      if (result.Find(name) == nullptr) {
        problem(StrCat(name, " is not declared above its use in ", layer.name));
      }
      layer.may_include.insert(name);
    }
    result.layers.push_back(std::move(layer));
  }
  return result;
}

std::vector<Include> ParseIncludes(std::string_view text) {
  std::vector<Include> includes;
  int line_number = 0;
  for (std::string_view line : Lines(text)) {
    ++line_number;
    line = SkipBlanks(line);
    if (!ConsumePrefix(&line, "#")) continue;
    line = SkipBlanks(line);
    if (!ConsumePrefix(&line, "include")) continue;
    line = SkipBlanks(line);
    const bool quoted = line.starts_with("\"");
    if (!quoted && !line.starts_with("<")) continue;
    const size_t end = line.find(quoted ? '"' : '>', 1);
    if (end == std::string_view::npos) continue;
    includes.push_back({line_number, std::string(line.substr(1, end - 1)), quoted});
  }
  return includes;
}

std::vector<std::string> IncludeProblems(const Layers& layers, std::string_view file,
                                         const std::vector<Include>& includes) {
  std::vector<std::string> problems;
  for (const Include& include : includes) {
    for (const std::string& problem :
         {LayerProblem(layers, file, include), ConfinementProblem(file, include),
          SpellingProblem(include)}) {
      if (problem.empty()) continue;
      problems.push_back(
          StrCat(file, ":", include.line, ": includes ", include.path, ": ", problem));
    }
  }
  return problems;
}

std::string GuardOf(std::string_view file) {
  std::string guard = StrCat("ATTUNE_", file, "_");
  for (char& c : guard) {
    c = std::isalnum(static_cast<unsigned char>(c)) ? static_cast<char>(std::toupper(c)) : '_';
  }
  return guard;
}

std::string GuardProblem(std::string_view file, std::string_view text) {
  const std::string guard = GuardOf(file);
  const std::string opening = StrCat("#ifndef ", guard, "\n#define ", guard, "\n");
  const std::string closing = StrCat("\n#endif  // ", guard, "\n");
  if (!Contains(text, opening)) return StrCat(file, ": wants the guard ", guard);
  if (!text.ends_with(closing)) {
    return StrCat(file, ": wants to end with #endif  // ", guard);
  }
  return {};
}

}  // namespace attune::architecture
