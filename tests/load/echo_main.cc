// attune_echo: answers Decide with the same bytes every time, on the engine that attuned uses. What
// is left is what gRPC costs, and what Decide is compared with.

#include <signal.h>

#include <fstream>
#include <iostream>
#include <iterator>
#include <string>

#include "CLI/CLI.hpp"
#include "absl/time/clock.h"
#include "attune/v1/decision_service.pb.h"
#include "service/rpc/rpc_server.h"

int main(int argc, char** argv) {
  namespace pb = attune::v1;
  CLI::App app("attune_echo answers every Decide with the same bytes.", "attune_echo");
  std::string answer_file;
  attune::rpc::RpcServerOptions options;
  options.listen_address = "127.0.0.1:7071";
  app.add_option("--listen", options.listen_address, "Address")->capture_default_str();
  app.add_option("--threads", options.completion_queues, "As of attuned")->capture_default_str();
  app.add_option("--answer", answer_file, "File with a serialised DecideResponse")->required();
  CLI11_PARSE(app, argc, argv);

  std::ifstream file(answer_file, std::ios::binary);
  const std::string answer((std::istreambuf_iterator<char>(file)),
                           std::istreambuf_iterator<char>());
  if (answer.empty()) {
    std::cerr << answer_file << " is empty or can't be read\n";
    return 1;
  }
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);

  attune::rpc::RpcServer server(options);
  server.AddUnary<pb::DecideRequest, pb::DecideResponse>(
      "/attune.v1.DecisionService/Decide",
      [&answer](attune::rpc::CallContext&, const pb::DecideRequest&,
                attune::rpc::ReplyOf<pb::DecideResponse> reply) {
        reply.bytes() = answer;
        return attune::rpc::RpcStatus();
      });
  const auto port = server.Start();
  if (!port.ok()) {
    std::cerr << std::string(port.status().message()) << "\n";
    return 1;
  }
  int signal = 0;
  sigwait(&signals, &signal);
  server.Drain(absl::Now() + absl::Seconds(1));
  return 0;
}
