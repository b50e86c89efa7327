#include "lib/trees/model_reader.h"

#include <cctype>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "lib/trees/lightgbm_reader.h"
#include "lib/trees/model_document.h"
#include "lib/trees/xgboost_reader.h"

namespace attune::trees {
namespace {

constexpr std::string_view kBlanks = " \t\r\n";

// Behind its first brace JSON has a quote, UBJSON the type of a length.
bool IsJson(std::string_view bytes) {
  const size_t second = bytes.find_first_not_of(kBlanks, 1);
  return second == std::string_view::npos || bytes[second] == '"' || bytes[second] == '}';
}

absl::StatusOr<ParsedModel> ReadDocument(std::string_view bytes) {
  const absl::StatusOr<DocumentValue> document =
      IsJson(bytes) ? ParseJson(bytes) : ParseUbjson(bytes);
  if (!document.ok()) return document.status();
  return ReadXgboost(*document);
}

absl::StatusOr<ParsedModel> Parse(std::string_view bytes) {
  if (bytes.starts_with("\xEF\xBB\xBF")) bytes.remove_prefix(3);
  const size_t first = bytes.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return absl::InvalidArgumentError("the file is empty");
  if (bytes[first] == '{') return ReadDocument(bytes.substr(first));
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
