#include "tests/integration/subprocess.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "tests/testing/paths.h"

extern char** environ;

namespace attune::service {
namespace {

constexpr std::chrono::seconds kPatience(60);

}  // namespace

Subprocess::Subprocess(const std::vector<std::string>& arguments) {
  int ends[2] = {-1, -1};
  if (pipe2(ends, O_CLOEXEC) != 0) std::abort();
  pipe_ = ends[0];
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDERR_FILENO);
  std::vector<char*> argv;
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  const int error = posix_spawnp(&pid_, argv[0], &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  if (error != 0) {
    ADD_FAILURE() << "can't start " << arguments[0] << ": error " << error;
    pid_ = -1;
    ended_ = true;
    status_ = 127;
  }
  reader_ = std::thread(&Subprocess::ReadOutput, this);
}

Subprocess::~Subprocess() {
  if (!ended_) {
    Signal(SIGKILL);
    Wait();
  }
  reader_.join();
  close(pipe_);
}

void Subprocess::ReadOutput() {
  char buffer[4096];
  for (;;) {
    const ssize_t size = read(pipe_, buffer, sizeof buffer);
    if (size < 0 && errno == EINTR) continue;
    MutexLock lock(mutex_);
    if (size > 0) output_.append(buffer, static_cast<size_t>(size));
    if (size <= 0) output_ended_ = true;
    changed_.NotifyAll();
    if (size <= 0) return;
  }
}

std::string Subprocess::output() const {
  MutexLock lock(mutex_);
  return output_;
}

bool Subprocess::WaitForOutput(const std::string& text) {
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  MutexLock lock(mutex_);
  while (output_.find(text) == std::string::npos) {
    const auto left = deadline - std::chrono::steady_clock::now();
    if (output_ended_ || left.count() <= 0) return false;
    changed_.WaitFor(mutex_, left);
  }
  return true;
}

void Subprocess::Signal(int signal) const {
  if (!ended_) kill(pid_, signal);
}

int Subprocess::Wait() {
  if (ended_) return status_;
  {
    // The output ends with the process.
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    MutexLock lock(mutex_);
    while (!output_ended_) {
      const auto left = deadline - std::chrono::steady_clock::now();
      if (left.count() <= 0) break;
      changed_.WaitFor(mutex_, left);
    }
    if (!output_ended_) {
      ADD_FAILURE() << "the program did not end; it wrote:\n" << output_;
      kill(pid_, SIGKILL);
    }
  }
  int status = 0;
  while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  ended_ = true;
  status_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return status_;
}

RunResult RunProgram(const std::vector<std::string>& arguments) {
  Subprocess process(arguments);
  RunResult result;
  result.status = process.Wait();
  result.output = process.output();
  return result;
}

std::string OwnProgram(const std::string& name) { return testing::ProgramPath(name); }

AttunedProcess::AttunedProcess(const std::string& strategy, const std::string& data_dir,
                               const std::vector<std::string>& arguments)
    : process_([&] {
        std::vector<std::string> all = {OwnProgram("attuned"), "--strategy", strategy,
                                        "--data_dir",          data_dir,     "--listen",
                                        "127.0.0.1:0",         "--cache_mb", "8"};
        all.insert(all.end(), arguments.begin(), arguments.end());
        return all;
      }()) {
  const std::string line = "serving gRPC on port ";
  if (!process_.WaitForOutput(line)) {
    ADD_FAILURE() << "attuned does not serve; it wrote:\n" << process_.output();
    return;
  }
  process_.WaitForOutput("metrics ");  // the end of the same line
  const std::string output = process_.output();
  port_ = std::atoi(output.c_str() + output.find(line) + line.size());
}

int64_t AttunedProcess::FromStatus(const std::string& key) const {
  std::ifstream status(absl::StrCat("/proc/", process_.pid(), "/status"));
  for (std::string word; status >> word;) {
    int64_t kib = 0;
    if (word == key && status >> kib) return kib * 1024;
  }
  ADD_FAILURE() << "no " << key << " of process " << process_.pid();
  return 0;
}

}  // namespace attune::service
