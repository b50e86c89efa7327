// attune_inference_server: a server of the Open Inference Protocol v2 for tests. The first output
// of a row is the row's first number, the second one kDeviation. Switches make it slow, fail or
// vanish.

#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <iostream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "CLI/CLI.hpp"
#include "grpcpp/grpcpp.h"
#include "inference/grpc_service.grpc.pb.h"

namespace {

constexpr double kDeviation = 0.125;
constexpr int kVanishedStatus = 3;
// How often a slow answer looks whether anybody still waits for it.
constexpr auto kLook = std::chrono::milliseconds(1);

struct Switches {
  std::string listen = "127.0.0.1:0";
  std::string model = "churn";
  int columns = 1;
  int outputs = 1;
  bool is_double = false;   // of the output
  bool raw = false;         // the output as bytes
  int missing_rows = 0;     // rows that the answer leaves out
  int delay_ms = 0;         // before the answer
  int fail_code = 0;        // a grpc::StatusCode
  bool disconnect = false;  // the process ends in the middle of the call
};

std::vector<double> NumbersOf(const inference::ModelInferRequest::InferInputTensor& tensor) {
  const auto& floats = tensor.contents().fp32_contents();
  const auto& doubles = tensor.contents().fp64_contents();
  std::vector<double> numbers(floats.begin(), floats.end());
  numbers.insert(numbers.end(), doubles.begin(), doubles.end());
  return numbers;
}

class Service final : public inference::GRPCInferenceService::Service {
 public:
  explicit Service(const Switches& switches) : switches_(switches) {}

  grpc::Status ServerReady(grpc::ServerContext*, const inference::ServerReadyRequest*,
                           inference::ServerReadyResponse* response) override {
    response->set_ready(true);
    return grpc::Status::OK;
  }

  grpc::Status ModelReady(grpc::ServerContext*, const inference::ModelReadyRequest* request,
                          inference::ModelReadyResponse* response) override {
    response->set_ready(request->name() == switches_.model);
    return grpc::Status::OK;
  }

  grpc::Status ModelMetadata(grpc::ServerContext*, const inference::ModelMetadataRequest* request,
                             inference::ModelMetadataResponse* response) override {
    if (request->name() != switches_.model) return UnknownModel();
    response->set_name(switches_.model);
    response->set_platform("test");
    auto* input = response->add_inputs();
    input->set_name("input-0");
    input->set_datatype("FP32");
    input->add_shape(-1);
    input->add_shape(switches_.columns);
    auto* output = response->add_outputs();
    output->set_name("propensity");
    output->set_datatype(Datatype());
    output->add_shape(-1);
    output->add_shape(switches_.outputs);
    return grpc::Status::OK;
  }

  grpc::Status ModelInfer(grpc::ServerContext* context, const inference::ModelInferRequest* request,
                          inference::ModelInferResponse* response) override {
    if (switches_.disconnect) _exit(kVanishedStatus);
    const auto until =
        std::chrono::steady_clock::now() + std::chrono::milliseconds(switches_.delay_ms);
    while (std::chrono::steady_clock::now() < until && !context->IsCancelled()) {
      std::this_thread::sleep_for(kLook);
    }
    if (switches_.fail_code != 0) {
      return {static_cast<grpc::StatusCode>(switches_.fail_code), "as the switch says"};
    }
    if (request->model_name() != switches_.model) return UnknownModel();
    if (request->inputs_size() != 1 || request->inputs(0).name() != "input-0" ||
        request->inputs(0).shape_size() != 2 || request->inputs(0).shape(1) != switches_.columns) {
      return {grpc::StatusCode::INVALID_ARGUMENT,
              "one tensor input-0 of so many columns is wanted"};
    }
    const std::vector<double> numbers = NumbersOf(request->inputs(0));
    const auto columns = static_cast<size_t>(switches_.columns);
    if (numbers.size() != static_cast<size_t>(request->inputs(0).shape(0)) * columns) {
      return {grpc::StatusCode::INVALID_ARGUMENT, "the contents do not fit the shape"};
    }
    Fill(*request, numbers, *response);
    return grpc::Status::OK;
  }

 private:
  static grpc::Status UnknownModel() {
    return {grpc::StatusCode::NOT_FOUND, "there is no such model"};
  }
  const char* Datatype() const { return switches_.is_double ? "FP64" : "FP32"; }

  void Fill(const inference::ModelInferRequest& request, const std::vector<double>& numbers,
            inference::ModelInferResponse& response) const {
    response.set_model_name(request.model_name());
    response.set_model_version("1");
    auto& output = *response.add_outputs();
    output.set_name("propensity");
    output.set_datatype(Datatype());
    const int64_t rows = request.inputs(0).shape(0) - switches_.missing_rows;
    output.add_shape(rows);
    output.add_shape(switches_.outputs);
    std::string raw;
    for (int64_t row = 0; row < rows; ++row) {
      for (int i = 0; i < switches_.outputs; ++i) {
        const double first =
            numbers[static_cast<size_t>(row) * static_cast<size_t>(switches_.columns)];
        Append(i == 0 ? first : kDeviation, output, raw);
      }
    }
    if (switches_.raw) response.add_raw_output_contents(raw);
  }

  void Append(double number, inference::ModelInferResponse::InferOutputTensor& output,
              std::string& raw) const {
    const auto narrow = static_cast<float>(number);
    if (switches_.raw && switches_.is_double) {
      raw.append(reinterpret_cast<const char*>(&number), sizeof number);
    } else if (switches_.raw) {
      raw.append(reinterpret_cast<const char*>(&narrow), sizeof narrow);
    } else if (switches_.is_double) {
      output.mutable_contents()->add_fp64_contents(number);
    } else {
      output.mutable_contents()->add_fp32_contents(narrow);
    }
  }

  const Switches switches_;
};

}  // namespace

int main(int argc, char** argv) {
  Switches switches;
  CLI::App app(
      "A server of the Open Inference Protocol v2 for tests: gives back the first number.");
  app.add_option("--listen", switches.listen, "Address");
  app.add_option("--model", switches.model, "The only model");
  app.add_option("--columns", switches.columns, "Numbers in a row");
  app.add_option("--outputs", switches.outputs, "Numbers in a row of the answer");
  app.add_flag("--double", switches.is_double, "Answers are FP64");
  app.add_flag("--raw", switches.raw, "Answers are bytes");
  app.add_option("--missing_rows", switches.missing_rows, "Rows that an answer leaves out");
  app.add_option("--delay_ms", switches.delay_ms, "Waits before it answers");
  app.add_option("--fail_code", switches.fail_code, "Answers with this status code of gRPC");
  app.add_flag("--disconnect", switches.disconnect, "Ends in the middle of the first prediction");
  CLI11_PARSE(app, argc, argv);

  // Before any thread starts: all of them must leave the signals to sigwait.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  Service service(switches);
  grpc::ServerBuilder builder;
  int port = 0;
  // Or another server that still holds the port would get half of the calls.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.AddListeningPort(switches.listen, grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(&service);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr || port == 0) {
    std::cerr << "can't listen on " << switches.listen << "\n";
    return 1;
  }
  std::cout << "inference server on port " << port << "." << std::endl;
  int signal = 0;
  sigwait(&signals, &signal);
  server->Shutdown(std::chrono::system_clock::now());
  return 0;
}
