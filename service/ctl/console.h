#ifndef ATTUNE_SERVICE_CTL_CONSOLE_H_
#define ATTUNE_SERVICE_CTL_CONSOLE_H_

#include <istream>
#include <ostream>

namespace attune::ctl {

// Where a command reads and writes. Results go to `out`, everything for people to `err`.
struct Console {
  std::istream& in;
  std::ostream& out;
  std::ostream& err;
  bool in_is_terminal = false;   // somebody can answer a question
  bool err_is_terminal = false;  // somebody sees progress
};

// What the program ends with. Documented in --help; scripts depend on the numbers.
enum ExitStatus : int {
  kExitOk = 0,
  kExitFailure = 1,       // the server refused, a file can't be read, a strategy has errors
  kExitUsage = 2,         // the command line is wrong; nothing was done
  kExitRowsRejected = 3,  // the import ended well, but rows were rejected
};

}  // namespace attune::ctl

#endif  // ATTUNE_SERVICE_CTL_CONSOLE_H_
