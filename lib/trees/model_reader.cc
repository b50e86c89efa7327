#include "lib/trees/model_reader.h"

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "lib/base/absl_strings.h"
#include "lib/trees/lightgbm_reader.h"
#include "lib/trees/model_document.h"
#include "lib/trees/xgboost_reader.h"

namespace attune::trees {
namespace {

constexpr std::string_view kBlanks = " \t\r\n";

// Behind its first brace JSON has a quote, UBJSON the type of a length. A list is no model in
// either.
bool IsJson(std::string_view bytes) {
  if (bytes.front() == '[') return true;
  const size_t second = bytes.find_first_not_of(kBlanks, 1);
  return second == std::string_view::npos || bytes[second] == '"' || bytes[second] == '}';
}

// The first bytes without blanks: what a file begins with, however it is written.
std::string BeginningOf(std::string_view bytes) {
  constexpr size_t kBytes = 1000;
  std::string beginning(bytes.substr(0, kBytes));
  std::erase_if(beginning, [](char c) { return kBlanks.find(c) != std::string_view::npos; });
  return beginning;
}

// What the file is, when it is a dump for people or for other programs. Not read: a dump doesn't
// tell everything that a prediction needs.
std::string_view DumpProblem(std::string_view bytes) {
  const std::string beginning = BeginningOf(bytes);
  if (beginning.starts_with(R"({"name":"tree")")) {
    return "this is what LightGBM's dump_model() gives; save the model with its save_model() "
           "instead";
  }
  const bool is_list_of_trees = beginning.starts_with("[{\"nodeid\":");
  if (is_list_of_trees || beginning.starts_with("booster[")) {
    return "this is a dump of XGBoost's trees; save the model with its save_model() instead, as "
           ".json or .ubj";
  }
  return "";
}

absl::StatusOr<ParsedModel> ReadDocument(std::string_view bytes) {
  const absl::StatusOr<DocumentValue> document =
      IsJson(bytes) ? ParseJson(bytes) : ParseUbjson(bytes);
  if (!document.ok()) return document.status();
  if (document->Find("learner") == nullptr) {
    return absl::InvalidArgumentError(
        "learner: is missing; this is JSON, but no model of XGBoost as its save_model() writes it");
  }
  return ReadXgboost(*document);
}

absl::StatusOr<ParsedModel> Parse(std::string_view bytes) {
  if (bytes.starts_with("\xEF\xBB\xBF")) bytes.remove_prefix(3);
  const size_t first = bytes.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return absl::InvalidArgumentError("the file is empty");
  bytes.remove_prefix(first);
  if (const std::string_view problem = DumpProblem(bytes); !problem.empty()) {
    return absl::InvalidArgumentError(ToAbsl(problem));
  }
  if (bytes.front() == '{' || bytes.front() == '[') return ReadDocument(bytes);
  if (bytes.starts_with("tree\n") || bytes.starts_with("tree\r\n")) return ReadLightgbm(bytes);
  if (bytes.starts_with("binf") || bytes.starts_with("bs64")) {
    return absl::UnimplementedError(
        "this is XGBoost's old binary format; load the model in XGBoost and save it as .json or "
        ".ubj");
  }
  if (bytes.front() == '\x80') {
    return absl::UnimplementedError(
        "this looks like a Python pickle; save the model with its save_model() instead");
  }
  return absl::InvalidArgumentError(
      "this is neither a model of XGBoost (JSON or UBJSON) nor one of LightGBM (text that begins "
      "with the line \"tree\")");
}

}  // namespace

absl::StatusOr<TreeEnsemble> ReadModel(std::string_view bytes) {
  if (bytes.size() > kMaxModelBytes) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the file has ", bytes.size(), " bytes; at most ", kMaxModelBytes, " are supported"));
  }
  absl::StatusOr<ParsedModel> model = Parse(bytes);
  if (!model.ok()) return model.status();
  return TreeEnsemble::Create(*std::move(model));
}

}  // namespace attune::trees
