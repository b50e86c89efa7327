// Models of the registry: put, swapped while the server decides, rolled back, kept.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <csignal>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "lib/base/hash.h"
#include "lib/base/mutex.h"
#include "tests/integration/server_fixture.h"
#include "tests/integration/subprocess.h"
#include "tests/unit/trees/model_texts.h"

namespace attune::service {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

// A model that gives this propensity to everybody.
std::string Always(double propensity) {
  return absl::StrCat("linear: {link: identity, intercept: ", propensity, "}\n");
}

std::string VersionOf(const std::string& content) {
  return absl::StrCat("selling@", ContentHash(content));
}

v1::ModelHeader Header(const std::string& file = "selling.yaml") {
  v1::ModelHeader header;
  header.set_name("selling");
  header.set_file(file);
  header.set_by("ann");
  header.set_comment("a test");
  return header;
}

// The small strategy with its offers scored by a model of the registry.
std::string FollowingStrategy() {
  return Replaced(kSmallStrategy, "{name: sell, file: sell.yaml}", "{name: sell, stored: selling}");
}

class ServerModelTest : public ServerTest {
 protected:
  // Starts with a model in the registry and a strategy that follows it.
  ServerModelTest() {
    options_.threads = 4;
    Start();
    Put(Always(0.25));
    RestartWith(FollowingStrategy());
  }

  v1::ModelServicePutModelResponse Put(const std::string& content) const {
    const auto answer = client().PutModel(Header(), content);
    EXPECT_TRUE(answer.ok()) << answer.status.error_message();
    return answer.response;
  }
  // What a decision says about the model.
  std::pair<std::string, double> Decided() const {
    const v1::DecideResponse answer = Decide("ann", "app");
    for (const v1::RankedTreatment& t : answer.treatments()) {
      if (t.group() == "offer") return {t.model_version(), t.propensity()};
    }
    ADD_FAILURE() << "no offer: " << answer.ShortDebugString();
    return {};
  }
  // "selling@0123456789ab active in_use" of every version.
  std::vector<std::string> Listed() const {
    const auto answer = client().ListModels();
    EXPECT_TRUE(answer.ok()) << answer.status.error_message();
    std::vector<std::string> listed;
    for (const v1::ModelVersion& model : answer.response.models()) {
      listed.push_back(absl::StrCat(model.version(), model.active() ? " active" : "",
                                    model.in_use() ? " in_use" : ""));
    }
    return listed;
  }
};

TEST_F(ServerModelTest, APutModelDecidesAtOnce) {
  EXPECT_EQ(Decided(), std::pair(VersionOf(Always(0.25)), 0.25));
  const std::string before = Decide("ann", "app").strategy_version();
  const auto put = Put(Always(0.75));
  EXPECT_TRUE(put.changed());
  EXPECT_TRUE(put.swapped());
  EXPECT_EQ(put.model().version(), VersionOf(Always(0.75)));
  EXPECT_EQ(put.model().hash(), ContentHash(Always(0.75), 64));
  EXPECT_EQ(put.model().kind(), "linear");
  EXPECT_EQ(put.model().by(), "ann");
  EXPECT_EQ(put.model().comment(), "a test");
  EXPECT_EQ(FromProtoTime(put.model().time()), Noon());
  EXPECT_EQ(Decided(), std::pair(VersionOf(Always(0.75)), 0.75));
  EXPECT_NE(put.strategy_version(), before);
  EXPECT_EQ(Decide("ann", "app").strategy_version(), put.strategy_version());
  EXPECT_EQ(client().ListFeatures().response.strategy_version(), put.strategy_version());
  EXPECT_FALSE(Put(Always(0.75)).changed()) << "doing it again is harmless";
  EXPECT_THAT(Listed(),
              ElementsAre(VersionOf(Always(0.75)) + " active in_use", VersionOf(Always(0.25))));
}

TEST_F(ServerModelTest, TreesTellWhatEachFeatureAdded) {
  // Two trees of one split: each is expected to add 0.5, by the customers that it was trained with,
  // and adds -1 up to its threshold, else 1.
  trees::LightgbmText text;
  text.objective = "objective=binary sigmoid:1\n";
  text.trees = {trees::LightgbmStump(8, "24.5"),
                Replaced(trees::LightgbmStump(8, "30.5"), "split_feature=0", "split_feature=1")};
  const std::string content = Replaced(text.ToString(), "feature_names=a b c",
                                       "feature_names=tenure_months monthly_charges vip");
  ASSERT_TRUE(client().PutModel(Header("selling.txt"), content).ok());
  Upsert("ann", {{"tenure_months", Int(50)}, {"monthly_charges", Double(20)}});
  v1::DecideRequest request = DecideFor("ann", "app");
  request.set_explain(true);
  const v1::RankedTreatment offer = Decide(request).treatments(0);
  ASSERT_EQ(offer.group(), "offer");
  EXPECT_EQ(offer.propensity(), 0.5);
  const v1::ScoreParts& parts = offer.score_parts();
  EXPECT_EQ(parts.base(), 1);
  EXPECT_EQ(parts.score(), 0);
  EXPECT_EQ(parts.link(), "logit");
  ASSERT_EQ(parts.contributions_size(), 2) << "no tree looks at vip";
  EXPECT_EQ(parts.contributions(0).input(), "customer.monthly_charges");
  EXPECT_EQ(parts.contributions(0).value(), "20");
  EXPECT_EQ(parts.contributions(0).contribution(), -1.5);
  EXPECT_EQ(parts.contributions(1).input(), "customer.tenure_months");
  EXPECT_EQ(parts.contributions(1).value(), "50");
  EXPECT_EQ(parts.contributions(1).contribution(), 0.5);
}

// No call fails, and every answer comes as a whole from one version of the model: its name, what it
// predicts, and the strategy's version.
TEST_F(ServerModelTest, SwapsWithoutAPauseAndWithoutMixing) {
  constexpr int kThreads = 8;
  constexpr int kSwaps = 30;
  const std::map<std::string, double> propensity_of = {{VersionOf(Always(0.25)), 0.25},
                                                       {VersionOf(Always(0.75)), 0.75}};
  std::atomic<bool> done = false;
  std::atomic<int> decisions = 0;
  Mutex mutex;
  std::set<std::pair<std::string, std::string>> pairs;  // strategy and model
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      const Client own(server().port());
      for (int i = 0; !done; ++i, ++decisions) {
        const auto answer = own.Decide(DecideFor(absl::StrCat("c", t, "_", i % 7), "app"));
        if (!answer.ok()) {
          ADD_FAILURE() << answer.status.error_message();
          return;
        }
        std::set<std::string> versions;
        for (const v1::RankedTreatment& treatment : answer.response.treatments()) {
          if (treatment.group() != "offer") continue;
          versions.insert(treatment.model_version());
          const auto expected = propensity_of.find(treatment.model_version());
          ASSERT_NE(expected, propensity_of.end()) << treatment.model_version();
          EXPECT_EQ(treatment.propensity(), expected->second);
        }
        EXPECT_FALSE(answer.response.degraded());
        ASSERT_EQ(versions.size(), 1u) << answer.response.ShortDebugString();
        MutexLock lock(mutex);
        pairs.emplace(answer.response.strategy_version(), *versions.begin());
      }
    });
  }
  for (int swap = 0; swap < kSwaps; ++swap) {
    const int before = decisions;
    const std::string content = Always(swap % 2 == 0 ? 0.75 : 0.25);
    EXPECT_TRUE(Put(content).swapped());
    EXPECT_EQ(Decided().first, VersionOf(content)) << "who asks after the answer has the new one";
    while (decisions < before + kThreads && !::testing::Test::HasFailure()) {
      std::this_thread::yield();
    }
  }
  done = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(pairs.size(), 2u) << "each model version has one strategy version";
}

TEST_F(ServerModelTest, ADamagedOrUnfitModelChangesNothing) {
  const auto before = Decided();
  const auto refused = [&](const v1::ModelHeader& header, const std::string& content) {
    const auto answer = client().PutModel(header, content);
    EXPECT_EQ(answer.code(), grpc::StatusCode::INVALID_ARGUMENT) << answer.status.error_message();
    EXPECT_EQ(Decided(), before);
    EXPECT_THAT(Listed(), ElementsAre(before.first + " active in_use"));
    const auto problems = ProblemsOf(answer.status);
    return problems.empty() ? std::string()
                            : absl::StrCat(problems[0].field, ": ", problems[0].description);
  };
  EXPECT_THAT(refused(Header(), "linear: {link: identity, intercept: x}\n"),
              HasSubstr("selling.yaml:1:37: "));
  EXPECT_THAT(refused(Header(),
                      "linear: {link: identity, terms: [{input: customer.plna, numeric: "
                      "{weight: 1}}]}\n"),
              AllOf(HasSubstr("selling.yaml:1:"), HasSubstr("\"plna\"")));
  EXPECT_THAT(refused(Header("selling.json"), "{\"learner\": {}}"), HasSubstr("selling.json: "));
  EXPECT_THAT(refused(Header("selling.json"), std::string(1000, '\0')),
              HasSubstr("selling.json: "));
  v1::ModelHeader damaged = Header();
  damaged.set_hash(std::string(64, '0'));
  EXPECT_THAT(refused(damaged, Always(0.5)), HasSubstr("hash: is not that of the content"));
  v1::ModelHeader nameless = Header();
  nameless.set_name("No Name");
  EXPECT_THAT(refused(nameless, Always(0.5)), HasSubstr("name: is \"No Name\""));
}

TEST_F(ServerModelTest, AStreamThatBreaksOffIsNoModel) {
  const auto send = [&](int64_t size, const std::vector<std::string>& pieces, bool header) {
    grpc::ClientContext context;
    SetDeadline(context);
    v1::ModelServicePutModelResponse response;
    const auto stream = client().models().PutModel(&context, &response);
    v1::ModelServicePutModelRequest message;
    if (header) {
      *message.mutable_header() = Header();
      message.mutable_header()->set_size_bytes(size);
      stream->Write(message);
    }
    for (const std::string& piece : pieces) {
      message.set_content(piece);
      stream->Write(message);
    }
    stream->WritesDone();
    return stream->Finish();
  };
  EXPECT_THAT(FieldsOf(send(100, {Always(0.5)}, true)), ElementsAre("content"));
  EXPECT_THAT(FieldsOf(send(3, {Always(0.5)}, true)), ElementsAre("content"));
  EXPECT_THAT(FieldsOf(send(0, {Always(0.5)}, false)), ElementsAre("piece"));
  EXPECT_THAT(FieldsOf(send(0, {}, false)), ElementsAre("piece"));
  EXPECT_THAT(FieldsOf(send(0, {}, true)), ElementsAre("size_bytes"));
  EXPECT_THAT(FieldsOf(send(int64_t{17} << 20, {}, true)), ElementsAre("size_bytes"));
  EXPECT_THAT(Listed(), ElementsAre(VersionOf(Always(0.25)) + " active in_use"));
}

TEST_F(ServerModelTest, ARollbackAndRestartsBringBackWhatRan) {
  const std::string first = Decide("ann", "app").strategy_version();
  const auto put = Put(Always(0.75));
  Restart();
  EXPECT_EQ(Decide("ann", "app").strategy_version(), put.strategy_version());
  const auto back = client().ActivateModel("selling", ContentHash(Always(0.25)));
  ASSERT_TRUE(back.ok()) << back.status.error_message();
  EXPECT_TRUE(back.response.swapped());
  EXPECT_EQ(back.response.strategy_version(), first);
  EXPECT_EQ(Decided(), std::pair(VersionOf(Always(0.25)), 0.25));
  Restart();
  EXPECT_EQ(Decide("ann", "app").strategy_version(), first);
  EXPECT_EQ(client().ActivateModel("selling", "000000000000").code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_THAT(client().ActivateModel("seling", "000000000000").status.error_message(),
              HasSubstr("did you mean \"selling\"?"));
}

TEST_F(ServerModelTest, AStrategyThatComesBackGetsTheModelsItRanWith) {
  const std::string first = Decide("ann", "app").strategy_version();
  RestartWith(Replaced(FollowingStrategy(), "value: 40", "value: 41"));
  Put(Always(0.75));
  RestartWith(FollowingStrategy());
  EXPECT_EQ(Decide("ann", "app").strategy_version(), first);
  EXPECT_EQ(Decided(), std::pair(VersionOf(Always(0.25)), 0.25));
}

TEST_F(ServerModelTest, LargeContentComesInPieces) {
  // A comment is content as well.
  const std::string content = Always(0.75) + "# " + std::string(3'000'000, 'x') + "\n";
  const auto answer = client().PutModel(Header(), content, 700'001);
  ASSERT_TRUE(answer.ok()) << answer.status.error_message();
  EXPECT_EQ(answer.response.model().size_bytes(), std::ssize(content));
  std::string downloaded;
  v1::ModelServiceDownloadModelRequest request;
  request.set_name("selling");
  v1::ModelServiceDownloadModelResponse response;
  do {
    request.set_offset(std::ssize(downloaded));
    grpc::ClientContext context;
    SetDeadline(context);
    ASSERT_TRUE(client().models().DownloadModel(&context, request, &response).ok());
    downloaded += response.content();
  } while (!response.content().empty());
  EXPECT_EQ(downloaded, content);
}

TEST_F(ServerModelTest, AttunectlStoresShowsAndRollsBack) {
  const std::string address = absl::StrCat("127.0.0.1:", server().port());
  const auto run = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {OwnProgram("attunectl"), "model"});
    arguments.insert(arguments.end(), {"--server", address});
    return RunProgram(arguments);
  };
  WriteFile(dir_.File("new.yaml"), Always(0.75));
  const RunResult put = run({"put", "selling", dir_.File("new.yaml"), "--comment", "October"});
  EXPECT_EQ(put.status, 0) << put.output;
  EXPECT_THAT(put.output, AllOf(HasSubstr(VersionOf(Always(0.75)) + ": stored, linear"),
                                HasSubstr("The strategy decides with it from now on: small@")));
  EXPECT_EQ(Decided().second, 0.75);
  const RunResult list = run({"list"});
  EXPECT_THAT(list.output, AllOf(HasSubstr("version "), HasSubstr("October"),
                                 HasSubstr(VersionOf(Always(0.25)))));
  const RunResult inspect = run({"inspect", "selling"});
  EXPECT_THAT(inspect.output, AllOf(HasSubstr("October"), HasSubstr("intercept: 0.75")));
  const RunResult back = run({"activate", VersionOf(Always(0.25))});
  EXPECT_EQ(back.status, 0) << back.output;
  EXPECT_EQ(Decided().second, 0.25);
  const RunResult in_use = run({"delete", VersionOf(Always(0.25))});
  EXPECT_EQ(in_use.status, 1);
  EXPECT_THAT(in_use.output, HasSubstr("the strategy that decides uses selling@"));
  EXPECT_EQ(run({"delete", VersionOf(Always(0.75))}).status, 0);
  const RunResult no_hash = run({"delete", "selling@"});
  EXPECT_EQ(no_hash.status, 2) << "not all versions";
  EXPECT_THAT(no_hash.output, HasSubstr("write NAME@HASH"));
  EXPECT_THAT(run({"list", "--json"}).output, Not(HasSubstr("October")));
  WriteFile(dir_.File("bad.yaml"), "linear: {lnik: identity}\n");
  const RunResult bad = run({"put", "selling", dir_.File("bad.yaml")});
  EXPECT_EQ(bad.status, 1);
  EXPECT_THAT(bad.output, AllOf(HasSubstr("bad.yaml:1:10: "), HasSubstr("did you mean \"link\"?")));
  const RunResult unknown = run({"inspect", "seling"});
  EXPECT_EQ(unknown.status, 1);
  EXPECT_THAT(unknown.output, AllOf(HasSubstr("did you mean \"selling\"?"),
                                    HasSubstr("There is no file \"seling\" either")));
}

// A strategy that follows a model can be started with a registry in which it is not yet.
class ServerFirstModelTest : public ServerModelTest {
 protected:
  ServerFirstModelTest() {
    Stop();
    options_.data_dir = dir_.File("new_store");
    options_.stored = {{"selling", dir_.File("first.yaml")}};
    WriteFile(dir_.File("first.yaml"), Always(0.5));
  }
};

TEST_F(ServerFirstModelTest, ComesWithTheStart) {
  Start();
  EXPECT_EQ(Decided(), std::pair(VersionOf(Always(0.5)), 0.5));
  EXPECT_THAT(Listed(), ElementsAre(VersionOf(Always(0.5)) + " active in_use"));
  Put(Always(0.75));
  Restart();
  EXPECT_EQ(Decided().second, 0.75) << "the flag may stay: what was put since is not undone";
}

TEST_F(ServerFirstModelTest, MustBeAModel) {
  const auto complaint = [&](const std::string& content) {
    WriteFile(dir_.File("first.yaml"), content);
    const auto server = Server::Start(options_, &clock_);
    EXPECT_FALSE(server.ok());
    return std::string(server.status().message());
  };
  EXPECT_THAT(complaint("linear: {lnik: identity}\n"),
              AllOf(HasSubstr("--stored selling="), HasSubstr("first.yaml:1:10: "),
                    HasSubstr("did you mean \"link\"?")));
  options_.stored[0].path = dir_.File("none.yaml");
  EXPECT_THAT(complaint(""), HasSubstr("none.yaml: "));
}

TEST_F(ServerFirstModelTest, IsCheckedWithoutAServer) {
  const auto validate = [&](const std::vector<std::string>& more) {
    std::vector<std::string> arguments = {OwnProgram("attuned"), "--validate_only", "--strategy",
                                          options_.strategy};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return RunProgram(arguments);
  };
  const RunResult without = validate({});
  EXPECT_EQ(without.status, 1);
  EXPECT_THAT(without.output, HasSubstr("--stored selling=FILE"));
  const RunResult with = validate({"--stored", "selling=" + dir_.File("first.yaml")});
  EXPECT_EQ(with.status, 0) << with.output;
}

// A process that is killed while models are put starts again with the last one that was
// acknowledged, or with the one that the kill cut off.
TEST_F(ServerModelTest, AKilledProcessKeepsTheModelThatDecided) {
  Stop();
  std::string last = Always(0.25);
  for (int round = 0; round < 3; ++round) {
    std::string sent = last;
    {
      AttunedProcess attuned(options_.strategy, options_.data_dir);
      std::atomic<int> puts = 0;
      std::atomic<bool> refused = false;
      std::thread putter([&] {
        const Client own(attuned.port());
        for (int i = 0;; ++i) {
          sent = Always(0.3 + 0.0007 * ((round * 37 + i) % 900));
          if (!own.PutModel(Header(), sent).ok()) {
            refused = true;
            return;
          }
          last = sent;
          ++puts;
        }
      });
      while (puts < 5 + round && !refused) std::this_thread::yield();
      EXPECT_FALSE(refused) << "before the process was killed";
      attuned.process().Signal(SIGKILL);
      putter.join();
      attuned.process().Wait();
    }
    Start();
    EXPECT_THAT(Decided().first, ::testing::AnyOf(VersionOf(last), VersionOf(sent)));
    if (Decided().first == VersionOf(sent)) last = sent;
    Stop();
  }
}

}  // namespace
}  // namespace attune::service
