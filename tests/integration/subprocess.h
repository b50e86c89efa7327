#ifndef ATTUNE_TESTS_INTEGRATION_SUBPROCESS_H_
#define ATTUNE_TESTS_INTEGRATION_SUBPROCESS_H_

#include <sys/types.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "lib/base/mutex.h"

namespace attune::service {

// A program that was started, with everything it writes. Its end kills it. Waits fail the test and
// kill the program when they take longer than a minute. Not thread-safe.
class Subprocess {
 public:
  // The first argument is the program. Standard input is empty; standard output and standard error
  // go to output().
  explicit Subprocess(const std::vector<std::string>& arguments);
  ~Subprocess();
  Subprocess(const Subprocess&) = delete;
  Subprocess& operator=(const Subprocess&) = delete;

  pid_t pid() const { return pid_; }

  // Everything that was written so far.
  std::string output() const;

  // Returns when the output holds the text, true, or has come to its end without it, false.
  bool WaitForOutput(const std::string& text);

  void Signal(int signal) const;

  // Waits for the end. The exit status, or 128 + the signal that ended it.
  int Wait();

 private:
  void ReadOutput();

  pid_t pid_ = -1;
  int pipe_ = -1;
  bool ended_ = false;
  int status_ = 0;
  mutable Mutex mutex_;
  CondVar changed_;
  std::string output_ ABSL_GUARDED_BY(mutex_);
  bool output_ended_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread reader_;
};

// Runs a program to its end.
struct RunResult {
  int status = 0;
  std::string output;
};
RunResult RunProgram(const std::vector<std::string>& arguments);

// The path of one of our own programs, for example "attuned".
std::string OwnProgram(const std::string& name);

// attuned as a process of its own on free ports, serving.
class AttunedProcess {
 public:
  // With `arguments` besides --strategy, --data_dir and --listen. Fails the test when it does not
  // serve.
  AttunedProcess(const std::string& strategy, const std::string& data_dir,
                 const std::vector<std::string>& arguments = {});

  int port() const { return port_; }
  Subprocess& process() { return process_; }

  // Resident memory in bytes: now, and the most there ever was.
  int64_t resident() const { return FromStatus("VmRSS:"); }
  int64_t peak_resident() const { return FromStatus("VmHWM:"); }

 private:
  int64_t FromStatus(const std::string& key) const;

  Subprocess process_;
  int port_ = 0;
};

}  // namespace attune::service

#endif  // ATTUNE_TESTS_INTEGRATION_SUBPROCESS_H_
