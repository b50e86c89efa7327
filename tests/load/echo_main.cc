// attune_echo: answers every Decide the same way, on the engine that attuned
// uses. What Decide is compared with.

#include <signal.h>

#include <fstream>
#include <iostream>
#include <string>

#include "CLI/CLI.hpp"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "tests/load/echo_service.h"

int main(int argc, char** argv) {
  // As attuned does.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  CLI::App app(
      "attune_echo gives every Decide, and every message of a "
      "DecideStream, the same answer: the\n"
      "request is parsed and the answer serialised, nothing is done "
      "in between.",
      "attune_echo");
  std::string answer_file;
  attune::rpc::RpcServerOptions options;
  options.listen_address = "127.0.0.1:7071";
  app.add_option("--listen", options.listen_address, "Address")->capture_default_str();
  app.add_option("--threads", options.completion_queues, "As of attuned")->capture_default_str();
  app.add_option("--answer", answer_file,
                 "File with a serialised DecideResponse, from attune_load "
                 "--save_answer")
      ->required();
  CLI11_PARSE(app, argc, argv);

  attune::v1::DecideResponse answer;
  std::ifstream file(answer_file, std::ios::binary);
  if (!file || !answer.ParseFromIstream(&file) || answer.ByteSizeLong() == 0) {
    std::cerr << "attune_echo: " << answer_file << " does not hold a DecideResponse\n";
    return 1;
  }
  // Before any thread starts: all of them must leave the signals to sigwait.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);

  attune::rpc::RpcServer server(options);
  attune::load::AddEcho(answer, server);
  const absl::StatusOr<int> port = server.Start();
  if (!port.ok()) {
    std::cerr << "attune_echo: " << port.status().message() << "\n";
    return 1;
  }
  int signal = 0;
  sigwait(&signals, &signal);
  server.Drain(absl::Now() + absl::Seconds(1));
  return 0;
}
