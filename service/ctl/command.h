#ifndef ATTUNE_SERVICE_CTL_COMMAND_H_
#define ATTUNE_SERVICE_CTL_COMMAND_H_

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "CLI/CLI.hpp"
#include "service/ctl/console.h"
#include "service/ctl/server_connection.h"

namespace attune::ctl {

// What a command is run with.
struct Invocation {
  Console& console;
  const GlobalOptions& options;
};

// What runs when a command was given; its own options are filled in by then. Returns the exit
// status of the program.
using CommandFunction = std::function<int(const Invocation&)>;

// The commands of the program. Not thread-safe.
class Commands {
 public:
  void Add(const CLI::App* command, CommandFunction run) {
    commands_.emplace_back(command, std::move(run));
  }
  // What runs for the command that the user gave; nullptr when none was given.
  const CommandFunction* Given() const {
    for (const auto& [command, run] : commands_) {
      if (command->parsed()) return &run;
    }
    return nullptr;
  }

 private:
  std::vector<std::pair<const CLI::App*, CommandFunction>> commands_;
};

// Ends every command's help.
inline constexpr char kGlobalOptionsNote[] =
    "Options for every command (--server, --timeout, --json): see attunectl --help.";

// Ends the help of a command that only holds others.
inline constexpr char kGroupFooter[] =
    "Each of these commands has a --help with examples.\n"
    "Options for every command (--server, --timeout, --json): see attunectl --help.";

// Of --stored, see service/stored_files.h.
inline constexpr char kStoredHelp[] =
    "Take this file for a model of the server's registry. May be given\nmore than once.";

// What is wrong with `text` as "name=value"; empty when it is one. A check for CLI options.
inline std::string NameValueProblem(const std::string& text) {
  return text.find('=') == std::string::npos || text[0] == '=' ? "must be NAME=VALUE" : "";
}

// "name=value" split at its first '='. REQUIRES: NameValueProblem(text) is empty.
inline std::pair<std::string, std::string> SplitNameValue(const std::string& text) {
  const size_t split = text.find('=');
  return {text.substr(0, split), text.substr(split + 1)};
}

}  // namespace attune::ctl

#endif  // ATTUNE_SERVICE_CTL_COMMAND_H_
