#include "service/ctl/issue_json.h"

namespace attune::ctl {

Json IssuesJson(const IssueList& issues) {
  Json json = Json::array();
  for (const Issue& issue : issues.issues()) {
    json.push_back({{"severity", issue.severity == Issue::Severity::kError ? "error" : "warning"},
                    {"file", issue.location.file},
                    {"line", issue.location.line},
                    {"column", issue.location.column},
                    {"message", issue.message},
                    {"source_line", issue.source_line}});
  }
  return json;
}

}  // namespace attune::ctl
