// A strategy whose model is on a server of the Open Inference Protocol, in a process of its own,
// that answers, is slow, fails, gives nonsense or vanishes.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "service/inference/inference_client.h"
#include "service/inference/remote_connections.h"
#include "tests/integration/server_fixture.h"
#include "tests/integration/subprocess.h"

namespace attune::service {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// What the model of remote.yaml is asked of: treatments are told apart.
constexpr char kRemoteStrategy[] = R"yaml(name: remote
features:
  - {name: score, type: double, default: 0.9}
channels: [{name: app}]
groups: [{name: offer}, {name: care}]
models:
  - name: churn
    remote:
      endpoints: ["127.0.0.1:PORT"]
      model: churn
      inputs:
        - {feature: score, input: customer.score}
        - {feature: care, input: treatment.group, equals: care}
      deadline_ms: DEADLINE
      breaker: {failures: 3, open_ms: OPEN}
      SETTINGS
    on_error: ON_ERROR
  - {name: half, file: half.yaml}
treatments:
  - {name: plan, group: offer, model: churn, value: 10, content: {app: {text: A plan.}}}
  - {name: call, group: care, model: churn, value: 5, content: {app: {text: A call.}}}
)yaml";

// A server of models on a port that it prints.
class InferenceServerProcess {
 public:
  explicit InferenceServerProcess(const std::vector<std::string>& arguments = {})
      : process_([&] {
          std::vector<std::string> all = {OwnProgram("attune_inference_server"), "--columns", "2"};
          all.insert(all.end(), arguments.begin(), arguments.end());
          return all;
        }()) {
    const std::string line = "inference server on port ";
    if (!process_.WaitForOutput(line) || !process_.WaitForOutput(".\n")) {
      ADD_FAILURE() << "the server does not serve: " << process_.output();
      return;
    }
    const std::string output = process_.output();
    port_ = std::atoi(output.c_str() + output.find(line) + line.size());
  }

  int port() const { return port_; }
  Subprocess& process() { return process_; }

 private:
  Subprocess process_;
  int port_ = 0;
};

class RemoteModelServerTest : public ServerTest {
 protected:
  void StartWith(int port, const std::string& on_error, const std::string& settings = "") {
    std::string text = kRemoteStrategy;
    text = Replaced(text, "PORT", absl::StrCat(port));
    text = Replaced(text, "DEADLINE", absl::StrCat(deadline_ms_));
    text = Replaced(text, "OPEN", absl::StrCat(open_ms_));
    text = Replaced(text, "ON_ERROR", on_error);
    text = Replaced(text, "      SETTINGS\n", settings.empty() ? "" : "      " + settings + "\n");
    RestartWith(text);
    Upsert("ann", {{"score", Double(0.25)}});
  }
  v1::DecideResponse Explained() {
    v1::DecideRequest request = DecideFor("ann", "app");
    request.set_explain(true);
    return Decide(request);
  }
  double ScrapeValue(const std::string& name, const std::string& label_value) {
    for (const prometheus::MetricFamily& family : server().metrics().Collect()) {
      if (family.name != name) continue;
      for (const prometheus::ClientMetric& metric : family.metric) {
        for (const auto& label : metric.label) {
          if (label.value != label_value) continue;
          return metric.counter.value + metric.gauge.value;
        }
      }
    }
    ADD_FAILURE() << "no series of " << name << " with " << label_value;
    return -1;
  }
  double Requests(const std::string& result) {
    return ScrapeValue("attune_remote_model_requests_total", result);
  }

  // Long enough for a machine that does something else, unless a test is about it.
  int deadline_ms_ = 10'000;
  int open_ms_ = 3'600'000;
};

TEST_F(RemoteModelServerTest, DecidesByWhatTheServerAnswers) {
  const InferenceServerProcess models;
  StartWith(models.port(), "{skip: {}}");
  const v1::DecideResponse response = Explained();
  EXPECT_THAT(Ranking(response), ElementsAre("plan", "call"));
  EXPECT_EQ(response.treatments(0).propensity(), 0.25);
  EXPECT_THAT(response.treatments(0).reasons(), ElementsAre("remote model churn answered 0.25"));
  EXPECT_THAT(response.treatments(0).model_version(), HasSubstr("churn@"));
  EXPECT_FALSE(response.degraded());
  EXPECT_EQ(Requests("ok"), 1);

  v1::DecideRequest dry = DecideFor("ann", "app");
  dry.set_dry_run(true);
  EXPECT_EQ(Decide(dry).treatments(0).propensity(), 0.25);
  EXPECT_EQ(Requests("ok"), 2) << "one call for both treatments";
}

TEST_F(RemoteModelServerTest, UnderstandsEveryFormOfAnAnswer) {
  const std::vector<std::vector<std::string>> forms = {
      {"--double"}, {"--raw"}, {"--raw", "--double"}, {"--outputs", "2"}};
  for (const std::vector<std::string>& form : forms) {
    const InferenceServerProcess models(form);
    StartWith(models.port(), "{skip: {}}",
              form[0] == "--outputs" ? "deviation_output: 1" : "output_tensor: propensity");
    const v1::DecideResponse response = Explained();
    ASSERT_EQ(response.treatments_size(), 2) << form[0];
    EXPECT_EQ(response.treatments(1).propensity(), 0.25) << form[0];
  }
}

TEST_F(RemoteModelServerTest, AnswersDecideStreams) {
  const InferenceServerProcess models;
  StartWith(models.port(), "{skip: {}}");
  int sent = 0;
  int answered = 0;
  const grpc::Status status = client().DecideStream(
      [&](v1::DecideStreamRequest& request) {
        *request.mutable_decide() = DecideFor("ann", "app");
        return sent++ < 20;
      },
      [&](const v1::DecideStreamResponse& response) {
        ++answered;
        EXPECT_EQ(response.decide().treatments(0).propensity(), 0.25);
      });
  EXPECT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(answered, 20);
}

TEST_F(RemoteModelServerTest, ASlowServerGivesTheDefault) {
  const InferenceServerProcess models({"--delay_ms", "600000"});
  deadline_ms_ = 40;
  StartWith(models.port(), "{default_propensity: 0.05}");
  const v1::DecideResponse response = Explained();
  ASSERT_EQ(response.treatments_size(), 2);
  EXPECT_EQ(response.treatments(0).propensity(), 0.05);
  ASSERT_EQ(response.treatments(0).reasons_size(), 1);
  EXPECT_THAT(
      response.treatments(0).reasons(0),
      ::testing::MatchesRegex("on_error: default propensity 0.05, since the model "
                              "churn@[0-9a-f]+ did not answer within 40 ms, or within what the "
                              "caller's deadline left"));
  EXPECT_THAT(response.degraded_reasons(), ElementsAre("model_failed"));
  EXPECT_EQ(Requests("timeout"), 1);
  EXPECT_EQ(ScrapeValue("attune_model_errors_total", "default_propensity"), 1);
}

TEST_F(RemoteModelServerTest, TheCallerGetsAnAnswerInTime) {
  const InferenceServerProcess models({"--delay_ms", "600000"});
  StartWith(models.port(), "{default_propensity: 0.05}");
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(2)));
  v1::DecideResponse response;
  const grpc::Status status =
      client().decisions().Decide(&context, DecideFor("ann", "app"), &response);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(response.treatments(0).propensity(), 0.05);
  EXPECT_EQ(Requests("timeout"), 1);
}

TEST_F(RemoteModelServerTest, AFailingServerIsLeftAlone) {
  const InferenceServerProcess models({"--fail_code", "13"});
  StartWith(models.port(), "{fallback: half}");
  for (int i = 0; i < 5; ++i) {
    const v1::DecideResponse response = Explained();
    ASSERT_EQ(response.treatments_size(), 2);
    EXPECT_EQ(response.treatments(0).propensity(), 0.5);
    EXPECT_THAT(response.treatments(0).model_version(), HasSubstr("half@"));
    EXPECT_THAT(response.treatments(0).reasons(0),
                HasSubstr(i < 3 ? "answered with an error" : "failed too often lately"));
  }
  EXPECT_EQ(Requests("refused"), 3);
  EXPECT_EQ(Requests("breaker_open"), 2);
  EXPECT_EQ(ScrapeValue("attune_remote_model_breaker_state", "churn"), 2);
}

TEST_F(RemoteModelServerTest, AnAnswerThatDoesNotFitIsNone) {
  const InferenceServerProcess models({"--missing_rows", "1"});
  StartWith(models.port(), "{skip: {}}");
  const v1::DecideResponse response = Explained();
  EXPECT_THAT(Ranking(response), IsEmpty());
  EXPECT_THAT(Rejections(response),
              ElementsAre("plan: scoring/model_failed", "call: scoring/model_failed"));
  EXPECT_THAT(response.rejected_treatments(0).detail(), HasSubstr("does not fit the request"));
  EXPECT_EQ(Requests("bad_answer"), 1);
}

TEST_F(RemoteModelServerTest, ComesBackAfterTheServerVanished) {
  open_ms_ = 1;
  auto vanishing =
      std::make_unique<InferenceServerProcess>(std::vector<std::string>{"--disconnect"});
  const int port = vanishing->port();
  StartWith(port, "{default_propensity: 0.05}");
  EXPECT_EQ(Explained().treatments(0).propensity(), 0.05);
  EXPECT_EQ(Requests("unavailable"), 1);
  EXPECT_EQ(vanishing->process().Wait(), 3);
  EXPECT_EQ(Explained().treatments(0).propensity(), 0.05);

  const InferenceServerProcess back({"--listen", absl::StrCat("127.0.0.1:", port)});
  const absl::Time patience = absl::Now() + absl::Seconds(60);
  while (Explained().treatments(0).propensity() != 0.25) {
    ASSERT_LT(absl::Now(), patience) << "it is not asked again";
  }
}

// What is asked of a server on this port.
scoring::RemoteSettings SettingsFor(int port) {
  scoring::RemoteSettings settings;
  settings.endpoints = {absl::StrCat("127.0.0.1:", port)};
  settings.model = "churn";
  settings.columns = 2;
  settings.input_tensor = "input-0";
  settings.deadline = absl::Milliseconds(20);
  return settings;
}

TEST(InferenceServerProblemTest, ComparesTheTensors) {
  InferenceServerProcess models;
  const absl::Duration patience = absl::Seconds(60);
  scoring::RemoteSettings settings = SettingsFor(models.port());
  EXPECT_EQ(InferenceServerProblem(settings, patience), "");
  settings.columns = 3;
  EXPECT_THAT(InferenceServerProblem(settings, patience),
              HasSubstr("takes 2 inputs, and the strategy lists 3"));
  settings = SettingsFor(models.port());
  settings.is_double = true;
  EXPECT_THAT(InferenceServerProblem(settings, patience), HasSubstr("takes \"FP32\", not FP64"));
  settings = SettingsFor(models.port());
  settings.input_tensor = "x";
  EXPECT_THAT(InferenceServerProblem(settings, patience),
              HasSubstr("has no input tensor \"x\"; its first is \"input-0\""));
  settings = SettingsFor(models.port());
  settings.output_tensor = "y";
  EXPECT_THAT(InferenceServerProblem(settings, patience), HasSubstr("has no output tensor \"y\""));
  settings = SettingsFor(models.port());
  settings.output = 1;
  EXPECT_THAT(InferenceServerProblem(settings, patience), HasSubstr("gives 1 outputs per row"));
  settings = SettingsFor(models.port());
  settings.model = "unknown";
  EXPECT_THAT(InferenceServerProblem(settings, patience), HasSubstr("there is no such model"));
}

TEST(InferenceClientTest, AsksTheNextEndpointWhereOneCantBeReached) {
  scoring::RemoteSettings settings;
  {
    const InferenceServerProcess gone;
    settings = SettingsFor(gone.port());
  }
  const InferenceServerProcess models;
  settings.endpoints.push_back(SettingsFor(models.port()).endpoints.front());
  EXPECT_EQ(InferenceServerProblem(settings, absl::Seconds(60)), "");
  const auto transport = ConnectToInferenceServer(settings);
  const std::vector<double> row = {0.25, 1};
  for (int i = 0; i < 10; ++i) {
    std::vector<double> propensity(1);
    std::vector<double> deviation(1);
    const scoring::RemoteAnswer answer =
        transport->Ask(row, absl::Now() + absl::Seconds(60),
                       {absl::MakeSpan(propensity), absl::MakeSpan(deviation)});
    ASSERT_EQ(answer.failure, scoring::ModelFailure::kNone) << answer.text;
    EXPECT_EQ(propensity[0], 0.25);
  }
}

TEST(RemoteConnectionsTest, KeepsConnectionsThatHaveTheSameSettings) {
  InferenceServerProcess models;
  const SystemClock clock;
  RemoteConnections connections(&clock);
  std::string warning;
  const auto first = connections.Connect("churn", SettingsFor(models.port()), warning);
  EXPECT_EQ(connections.Connect("churn", SettingsFor(models.port()), warning), first);
  EXPECT_EQ(connections.scorers().size(), 1u);
  scoring::RemoteSettings settings = SettingsFor(models.port());
  settings.channels = 2;
  EXPECT_NE(connections.Connect("churn", settings, warning), first);
  EXPECT_EQ(connections.scorers().size(), 1u);
}

TEST_F(RemoteModelServerTest, StartsWithoutTheServer) {
  int port = 0;
  {
    const InferenceServerProcess gone;
    port = gone.port();
  }
  StartWith(port, "{default_propensity: 0.05}");
  EXPECT_EQ(Explained().treatments(0).propensity(), 0.05);
  EXPECT_EQ(Requests("ok"), 0);
}

}  // namespace
}  // namespace attune::service
