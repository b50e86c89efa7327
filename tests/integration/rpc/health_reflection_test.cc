#include <string>

#include "absl/time/clock.h"
#include "google/protobuf/descriptor.pb.h"
#include "grpc/health/v1/health.pb.h"
#include "grpc/reflection/v1alpha/reflection.pb.h"
#include "gtest/gtest.h"
#include "tests/integration/rpc/test_server.h"

namespace attune::rpc {
namespace {

using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;
using grpc::reflection::v1alpha::ServerReflectionRequest;
using grpc::reflection::v1alpha::ServerReflectionResponse;
using v1::DecideRequest;
using v1::DecideResponse;

constexpr char kCheck[] = "/grpc.health.v1.Health/Check";
constexpr char kWatch[] = "/grpc.health.v1.Health/Watch";
constexpr char kReflection[] = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo";
constexpr char kDecisionService[] = "attune.v1.DecisionService";

// A stream of raw messages, one operation at a time.
class RawStream {
 public:
  RawStream(const std::shared_ptr<grpc::Channel>& channel, const std::string& method)
      : stub_(channel), call_(stub_.PrepareCall(&context_, method, &queue_)) {
    call_->StartCall(nullptr);
    Next();
  }
  void Write(const google::protobuf::Message& message) {
    const grpc::Slice slice(message.SerializeAsString());
    call_->Write(grpc::ByteBuffer(&slice, 1), nullptr);
    EXPECT_TRUE(Next());
  }
  void WritesDone() {
    call_->WritesDone(nullptr);
    EXPECT_TRUE(Next());
  }
  bool Read(google::protobuf::Message& message) {
    grpc::ByteBuffer bytes;
    call_->Read(&bytes, nullptr);
    if (!Next()) return false;
    grpc::Slice slice;
    EXPECT_TRUE(bytes.DumpToSingleSlice(&slice).ok());
    EXPECT_TRUE(message.ParseFromArray(slice.begin(), static_cast<int>(slice.size())));
    return true;
  }
  grpc::Status Finish() {
    grpc::Status status;
    call_->Finish(&status, nullptr);
    Next();
    return status;
  }

 private:
  bool Next() {
    void* tag = nullptr;
    bool ok = false;
    queue_.Next(&tag, &ok);
    return ok;
  }
  grpc::GenericStub stub_;
  grpc::ClientContext context_;
  grpc::CompletionQueue queue_;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> call_;
};

class HealthReflectionTest : public ::testing::Test {
 protected:
  void SetUp() override {
    test_server_.server().AddUnary<DecideRequest, DecideResponse>(
        kDecide,
        [](CallContext&, const DecideRequest&, ReplyOf<DecideResponse>) { return RpcStatus(); });
    test_server_.Start();
    channel_ = test_server_.NewChannel();
  }
  // The status, or the error of the call as a negative number.
  int Check(const std::string& service) {
    HealthCheckRequest request;
    request.set_service(service);
    std::string answer;
    const grpc::Status status =
        CallWithBytes(channel_, kCheck, request.SerializeAsString(), &answer);
    if (!status.ok()) return -status.error_code();
    HealthCheckResponse response;
    EXPECT_TRUE(response.ParseFromString(answer));
    return response.status();
  }
  static int ReadStatus(RawStream& stream) {
    HealthCheckResponse response;
    return stream.Read(response) ? response.status() : -1;
  }

  TestServer test_server_;
  std::shared_ptr<grpc::Channel> channel_;
};

TEST_F(HealthReflectionTest, ChecksTheServerAndItsServices) {
  EXPECT_EQ(Check(""), HealthCheckResponse::SERVING);
  EXPECT_EQ(Check(kDecisionService), HealthCheckResponse::SERVING);
  EXPECT_EQ(Check("no.Such"), -grpc::StatusCode::NOT_FOUND);
  test_server_.server().SetServing(kDecisionService, false);
  EXPECT_EQ(Check(""), HealthCheckResponse::SERVING);
  EXPECT_EQ(Check(kDecisionService), HealthCheckResponse::NOT_SERVING);
  test_server_.server().SetServing(kDecisionService, true);
  EXPECT_EQ(Check(kDecisionService), HealthCheckResponse::SERVING);
}

TEST_F(HealthReflectionTest, WatchersSeeEveryChangeAndTheDrain) {
  RawStream overall(channel_, kWatch), service(channel_, kWatch), unknown(channel_, kWatch);
  HealthCheckRequest request;
  overall.Write(request);
  overall.WritesDone();
  request.set_service(kDecisionService);
  service.Write(request);
  service.WritesDone();
  request.set_service("no.Such");
  unknown.Write(request);
  unknown.WritesDone();
  EXPECT_EQ(ReadStatus(overall), HealthCheckResponse::SERVING);
  EXPECT_EQ(ReadStatus(service), HealthCheckResponse::SERVING);
  EXPECT_EQ(ReadStatus(unknown), HealthCheckResponse::SERVICE_UNKNOWN);
  test_server_.server().SetServing(kDecisionService, false);
  EXPECT_EQ(ReadStatus(service), HealthCheckResponse::NOT_SERVING);
  test_server_.server().SetServing(kDecisionService, true);
  EXPECT_EQ(ReadStatus(service), HealthCheckResponse::SERVING);

  const absl::Time start = absl::Now();
  test_server_.server().Drain(start + absl::Seconds(60));
  EXPECT_LT(absl::Now() - start, absl::Seconds(20)) << "watchers must not hold up a drain";
  EXPECT_EQ(ReadStatus(overall), HealthCheckResponse::NOT_SERVING);
  EXPECT_EQ(ReadStatus(service), HealthCheckResponse::NOT_SERVING);
  for (RawStream* stream : {&overall, &service, &unknown}) {
    EXPECT_EQ(ReadStatus(*stream), -1);
    EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
  }
}

TEST_F(HealthReflectionTest, ManyWatchersComeAndGo) {
  HealthCheckRequest request;
  for (int i = 0; i < 50; ++i) {
    RawStream stream(test_server_.NewChannel(), kWatch);
    stream.Write(request);
    EXPECT_EQ(ReadStatus(stream), HealthCheckResponse::SERVING);
  }
  EXPECT_EQ(Check(""), HealthCheckResponse::SERVING);
}

TEST_F(HealthReflectionTest, ListsServices) {
  RawStream stream(channel_, kReflection);
  ServerReflectionRequest request;
  request.set_list_services("*");
  stream.Write(request);
  ServerReflectionResponse response;
  ASSERT_TRUE(stream.Read(response));
  std::vector<std::string> names;
  for (const auto& service : response.list_services_response().service()) {
    names.push_back(service.name());
  }
  EXPECT_EQ(names, (std::vector<std::string>{kDecisionService, "grpc.health.v1.Health",
                                             "grpc.reflection.v1alpha.ServerReflection"}));
  stream.WritesDone();
  EXPECT_TRUE(stream.Finish().ok());
}

TEST_F(HealthReflectionTest, DescribesServicesAndMessages) {
  RawStream stream(channel_, kReflection);
  ServerReflectionRequest request;
  for (const char* symbol : {kDecisionService, "grpc.health.v1.Health",
                             "grpc.reflection.v1alpha.ServerReflection", "attune.v1.Value"}) {
    request.set_file_containing_symbol(symbol);
    stream.Write(request);
    ServerReflectionResponse response;
    ASSERT_TRUE(stream.Read(response));
    // The files must make a complete pool, whatever their order: imports first here.
    google::protobuf::DescriptorPool pool;
    const auto& files = response.file_descriptor_response().file_descriptor_proto();
    for (int i = files.size() - 1; i >= 0; --i) {
      google::protobuf::FileDescriptorProto file;
      ASSERT_TRUE(file.ParseFromString(files[i]));
      pool.BuildFile(file);
    }
    EXPECT_NE(pool.FindFileContainingSymbol(symbol), nullptr) << symbol;
  }
  request.set_file_by_filename("attune/v1/value.proto");
  stream.Write(request);
  ServerReflectionResponse response;
  ASSERT_TRUE(stream.Read(response));
  EXPECT_EQ(response.original_request().file_by_filename(), "attune/v1/value.proto");
  EXPECT_EQ(response.file_descriptor_response().file_descriptor_proto_size(), 2);
}

TEST_F(HealthReflectionTest, QuestionsWithoutAnAnswerAreErrorsOfTheirOwn) {
  RawStream stream(channel_, kReflection);
  std::vector<ServerReflectionRequest> requests(5);
  requests[0].set_file_by_filename("no/such.proto");
  requests[1].set_file_containing_symbol("no.Such");
  requests[2].mutable_file_containing_extension()->set_containing_type("attune.v1.Value");
  requests[3].set_all_extension_numbers_of_type("no.Such");
  for (const ServerReflectionRequest& request : requests) {
    stream.Write(request);
    ServerReflectionResponse response;
    ASSERT_TRUE(stream.Read(response));
    EXPECT_NE(response.error_response().error_code(), 0) << request.DebugString();
  }
  ServerReflectionRequest request;
  request.set_all_extension_numbers_of_type("attune.v1.Value");
  stream.Write(request);
  ServerReflectionResponse response;
  ASSERT_TRUE(stream.Read(response));
  EXPECT_EQ(response.all_extension_numbers_response().base_type_name(), "attune.v1.Value");
}

}  // namespace
}  // namespace attune::rpc
