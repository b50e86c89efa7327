#include <unistd.h>

#include <csignal>
#include <iostream>
#include <string>
#include <vector>

#include "google/protobuf/stubs/logging.h"
#include "service/ctl/ctl.h"

int main(int argc, char** argv) {
  std::ios::sync_with_stdio(false);
  // A closed pipe is a failed write, which the commands report, not a silent death.
  std::signal(SIGPIPE, SIG_IGN);
  // What is wrong with a text the server says in words for people.
  google::protobuf::SetLogHandler(nullptr);
  attune::ctl::Console console{std::cin, std::cout, std::cerr, isatty(STDIN_FILENO) != 0,
                               isatty(STDERR_FILENO) != 0};
  const std::vector<std::string> arguments(argv + (argc > 0 ? 1 : 0), argv + argc);
  const int status = attune::ctl::RunCtl(arguments, console);
  std::cout.flush();
  if (!std::cout && status == attune::ctl::kExitOk) {
    std::cerr << "error: standard output can't be written\n";
    return attune::ctl::kExitFailure;
  }
  return status;
}
