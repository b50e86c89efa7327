#ifndef ATTUNE_SERVICE_CTL_CTL_H_
#define ATTUNE_SERVICE_CTL_CTL_H_

#include <string>
#include <vector>

#include "service/ctl/console.h"

namespace attune::ctl {

// Runs attunectl with the arguments (without the name of the program). Returns its exit status.
int RunCtl(const std::vector<std::string>& arguments, Console& console);

}  // namespace attune::ctl

#endif  // ATTUNE_SERVICE_CTL_CTL_H_
