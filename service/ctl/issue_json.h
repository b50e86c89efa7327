#ifndef ATTUNE_SERVICE_CTL_ISSUE_JSON_H_
#define ATTUNE_SERVICE_CTL_ISSUE_JSON_H_

#include "lib/base/issue.h"
#include "service/ctl/json.h"

namespace attune::ctl {

// The kept issues as an array of objects: severity, file, line, column, message, source_line.
Json IssuesJson(const IssueList& issues);

}  // namespace attune::ctl

#endif  // ATTUNE_SERVICE_CTL_ISSUE_JSON_H_
