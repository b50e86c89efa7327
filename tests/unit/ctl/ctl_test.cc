#include "service/ctl/ctl.h"

#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "gtest/gtest.h"
#include "lib/base/issue.h"
#include "lib/storage/name_dictionary.h"
#include "lib/strategy/strategy_loader.h"
#include "nlohmann/json.hpp"
#include "service/ctl/command.h"
#include "service/ctl/table.h"
#include "service/ctl/value_text.h"
#include "tests/testing/paths.h"
#include "tests/testing/temp_dir.h"
#include "tests/unit/ctl/fake_attuned.h"

namespace attune::ctl {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

const std::vector<std::vector<std::string>> kCommands = {
    {},
    {"decide"},
    {"customer"},
    {"customer", "get"},
    {"customer", "put"},
    {"customer", "erase"},
    {"import"},
    {"import", "customers"},
    {"strategy"},
    {"strategy", "check"},
    {"strategy", "test"},
    {"expr"},
    {"model"},
    {"model", "inspect"},
    {"model", "predict"},
    {"outcome"},
    {"outcome", "record"},
    {"outcome", "activate"},
    {"generate"},
    {"generate", "customers"},
};

TEST(Ctl, EveryCommandExplainsItself) {
  for (std::vector<std::string> command : kCommands) {
    const std::string name = command.empty() ? "attunectl" : command.back();
    command.push_back("--help");
    const CtlRun run = RunAttunectl(command);
    EXPECT_EQ(run.status, kExitOk) << name;
    EXPECT_EQ(run.err, "") << name;
    EXPECT_THAT(run.out, HasSubstr("Usage: attunectl")) << name;
    for (const std::string& line : std::vector<std::string>(absl::StrSplit(run.out, '\n'))) {
      EXPECT_LE(DisplayWidth(line), 100u) << line;
    }
  }
}

TEST(Ctl, EveryCommandThatRunsHasExamplesAndExitStatuses) {
  for (const std::vector<std::string>& command :
       std::vector<std::vector<std::string>>{{},
                                             {"decide"},
                                             {"customer", "get"},
                                             {"customer", "put"},
                                             {"customer", "erase"},
                                             {"import", "customers"},
                                             {"strategy", "check"},
                                             {"strategy", "test"},
                                             {"expr"},
                                             {"outcome", "record"},
                                             {"outcome", "activate"},
                                             {"generate", "customers"}}) {
    std::vector<std::string> arguments = command;
    arguments.push_back("--help");
    const CtlRun run = RunAttunectl(arguments);
    EXPECT_THAT(run.out, HasSubstr("Examples:\n  attunectl ")) << run.out;
    EXPECT_THAT(run.out, HasSubstr("Exit status: ")) << run.out;
  }
}

// A command that only holds others has no examples, least of all those of the whole program.
TEST(Ctl, CommandsOfCommandsPointToThem) {
  for (const char* command : {"customer", "import", "outcome", "strategy", "generate"}) {
    const CtlRun run = RunAttunectl({command, "--help"});
    EXPECT_THAT(run.out, HasSubstr("Each of these commands has a --help")) << command;
    EXPECT_THAT(run.out, Not(HasSubstr("Examples:"))) << command;
  }
}

TEST(Ctl, DecideNeedsItsCustomerOnce) {
  const CtlRun run = RunAttunectl({"decide", "--help"});
  EXPECT_THAT(run.out, Not(HasSubstr("CUSTOMER_ID TEXT REQUIRED")));
  EXPECT_THAT(run.out, HasSubstr("Whom to decide for. Required, here or with --customer."));
}

// The words of each example of attunectl in the help of the command.
std::vector<std::vector<std::string>> ExamplesOf(std::vector<std::string> command) {
  command.push_back("--help");
  const std::string help = absl::StrReplaceAll(RunAttunectl(command).out, {{"\\\n", " "}});
  std::vector<std::vector<std::string>> examples;
  for (const std::string& line : std::vector<std::string>(absl::StrSplit(help, '\n'))) {
    const size_t start = line.starts_with("  ") ? line.find("attunectl ") : std::string::npos;
    if (start == std::string::npos) continue;
    examples.push_back(absl::StrSplit(line.substr(start), ' ', absl::SkipEmpty()));
  }
  return examples;
}

// What is wrong with an option's value as an example for the strategy; empty: nothing.
std::string ExampleProblem(const strategy::Strategy& strategy, const std::string& option,
                           const std::string& text) {
  const auto value_problem = [&](const ValueSchema& schema) -> std::string {
    const auto [name, value_text] = SplitNameValue(text);
    const int slot = schema.SlotOf(name);
    if (slot < 0) return "is not declared";
    v1::Value value;
    if (!ReadValue(schema[slot].type, value_text, value).ok()) return "has another type";
    const bool is_text = schema[slot].type == ValueType::kString;
    return is_text && !absl::StrContains(schema[slot].description, value_text) ? "is unheard of"
                                                                               : "";
  };
  const auto known = [](bool is_known) { return is_known ? "" : "is not declared"; };
  if (option == "--channel") return known(strategy.context.channels.IndexOf(text) >= 0);
  if (option == "--open_channel") return known(strategy.context.channels.IndexOf(text) >= 0);
  if (option == "--placement") return known(strategy.context.placements.IndexOf(text) >= 0);
  if (option == "--intent") return known(strategy.context.intents.IndexOf(text) >= 0);
  if (option == "--only") return known(strategy.catalog.Find(text) >= 0);
  if (option == "--remove") return known(strategy.features.SlotOf(text) >= 0);
  if (option == "--map") return known(strategy.features.SlotOf(SplitNameValue(text).second) >= 0);
  if (option == "--attribute") return value_problem(strategy.context.attributes);
  if (option == "--feature") return value_problem(strategy.features);
  return "";
}

// Examples are pasted: they fit the strategy that is shipped.
TEST(Ctl, ExamplesUseNamesOfTheShippedStrategy) {
  storage::NameDictionary dictionary;
  IssueList issues;
  const auto strategy = strategy::LoadStrategy(testing::SourcePath("deploy/example/telecom.yaml"),
                                               dictionary, issues);
  ASSERT_NE(strategy, nullptr) << issues.ToString();
  std::map<std::string, int> used;
  for (const std::vector<std::string>& command : kCommands) {
    for (const std::vector<std::string>& words : ExamplesOf(command)) {
      for (size_t i = 0; i + 1 < words.size(); ++i) {
        EXPECT_EQ(ExampleProblem(*strategy, words[i], words[i + 1]), "")
            << absl::StrJoin(words, " ") << ": " << words[i + 1];
        ++used[words[i]];
      }
    }
  }
  for (const char* option :
       {"--channel", "--intent", "--only", "--remove", "--map", "--attribute", "--feature"}) {
    EXPECT_GT(used[option], 0) << option;
  }
}

struct UsageCase {
  const char* name;
  std::vector<std::string> arguments;
  const char* message;
};

TEST(Ctl, RefusesAWrongCommandLineAndSuggestsARightOne) {
  const UsageCase cases[] = {
      {"NoCommand", {}, "A subcommand is required"},
      {"UnknownCommand", {"decied"}, "Not understood: \"decied\". Did you mean decide?"},
      {"NothingLikeIt", {"xyzzy"}, "Not understood: \"xyzzy\".\n"},
      {"UnknownSubcommand", {"customer", "gett"}, "Did you mean get?"},
      {"UnknownOption",
       {"decide", "C1", "--channel", "web", "--explian"},
       "There is no option \"--explian\". Did you mean --explain?"},
      {"UnknownOptionWithValue", {"decide", "C1", "--chanel=web"}, "Did you mean --channel?"},
      {"UnknownOptionForAMissingOne",
       {"decide", "C1", "--chanel", "web"},
       "Did you mean --channel?"},
      {"UnknownGlobalOption", {"customer", "get", "C1", "--jason"}, "Did you mean --json?"},
      {"DashesForUnderscores",
       {"decide", "C1", "--channel", "web", "--dry-run"},
       "Did you mean --dry_run?"},
      {"MissingOption", {"decide", "C1"}, "--channel is required"},
      {"MissingArgument", {"customer", "get"}, "CUSTOMER_ID is required"},
      {"MissingCustomer", {"decide", "--channel", "web"}, "CUSTOMER_ID is required"},
      {"NamedAndOpen", {"decide", "C1", "--channel", "web", "--any_channel"}, "excludes"},
      {"AnyAndSome", {"decide", "C1", "--open_channel", "web", "--any_channel"}, "excludes"},
      {"CustomerTwice", {"decide", "C1", "--customer", "C2", "--channel", "web"}, "excludes"},
      {"BadTimeout", {"--timeout", "5", "customer", "get", "C1"}, "must be a duration such as"},
      {"NegativeTimeout", {"--timeout=-5s", "customer", "get", "C1"}, "must be a duration such as"},
      {"MaxTooLarge", {"decide", "C1", "--channel", "web", "--max", "101"}, "--max"},
      {"AttributeWithoutValue",
       {"decide", "C1", "--channel", "web", "--attribute", "x"},
       "must be NAME=VALUE"},
      {"AttributeWithoutName",
       {"decide", "C1", "--channel", "web", "--attribute", "=x"},
       "must be NAME=VALUE"},
      {"AttributeTwice",
       {"decide", "C1", "--channel", "web", "--attribute", "a=1", "--attribute", "a=2"},
       "--attribute a is given twice"},
      {"AttributeOpenQuote",
       {"decide", "C1", "--channel", "web", "--attribute", "a=\"x"},
       "--attribute a: "},
      {"BadTime", {"decide", "C1", "--channel", "web", "--time", "now"}, "--time: \"now\""},
      {"RemoveAndReplace", {"customer", "put", "C1", "--remove", "a", "--replace"}, "excludes"},
      {"BadDelimiter",
       {"import", "customers", "--csv", "x", "--id", "x", "--delimiter", "ab"},
       "must be one character"},
      {"QuoteAsDelimiter",
       {"import", "customers", "--csv", "x", "--id", "x", "--delimiter", "\""},
       "must be one character"},
      {"LimitZero",
       {"import", "customers", "--csv", "x", "--id", "x", "--limit", "0"},
       "--limit: must be a number of rows from 1 on\n"},
      {"BadDay", {"generate", "customers", "--as_of", "tomorrow"}, "must be a date such as"},
      {"LateDay", {"generate", "customers", "--as_of", "9999-12-31"}, "from 1980 to 2180"},
      {"CountZero", {"generate", "customers", "--count", "0"}, "--count"},
      {"JsonAmongCustomers", {"generate", "customers", "--json"}, "--json needs --out FILE"},
  };
  for (const UsageCase& test : cases) {
    const CtlRun run = RunAttunectl(test.arguments);
    EXPECT_EQ(run.status, kExitUsage) << test.name;
    EXPECT_THAT(run.err, HasSubstr(test.message)) << test.name;
    EXPECT_EQ(run.out, "") << test.name;
  }
}

TEST(Ctl, PrintsJsonOfAWrongCommandLine) {
  const CtlRun run = RunAttunectl({"--json", "decide", "C1"});
  EXPECT_EQ(run.status, kExitUsage);
  const auto error = nlohmann::json::parse(run.out)["error"];
  EXPECT_EQ(error["code"], "USAGE");
  EXPECT_EQ(error["message"], "--channel is required");
}

TEST(Ctl, TellsItsVersion) {
  const CtlRun run = RunAttunectl({"--version"});
  EXPECT_EQ(run.status, kExitOk);
  EXPECT_THAT(run.out, ::testing::StartsWith("attunectl "));
}

TEST(Ctl, SaysWhatToDoWhenThereIsNoServer) {
  // Port 1 is never open here.
  const CtlRun run = RunAttunectl({"customer", "get", "C1", "--server", "127.0.0.1:1"});
  EXPECT_EQ(run.status, kExitFailure);
  EXPECT_THAT(run.err, HasSubstr("error: UNAVAILABLE"));
  EXPECT_THAT(run.err, HasSubstr("Is attuned running and reachable at \"127.0.0.1:1\"?"));
  EXPECT_EQ(run.out, "");
}

class CtlServerTest : public ::testing::Test {
 protected:
  CtlServerTest() {
    server_.customers().Declare({{"tenure", "int"}, {"plan", "string"}, {"tags", "string_list"}});
  }

  CtlRun Run(std::vector<std::string> arguments, const CtlSetup& setup = {}) {
    arguments.insert(arguments.end(), {"--server", server_.address()});
    return RunAttunectl(arguments, setup);
  }

  FakeAttuned server_;
};

TEST_F(CtlServerTest, PrintsEveryDetailOfAnError) {
  google::rpc::BadRequest violations;
  auto* violation = violations.add_field_violations();
  violation->set_field("attributes[\"wait_s\"]");
  violation->set_description("must be an int");
  google::rpc::RetryInfo retry;
  retry.mutable_retry_delay()->set_nanos(250'000'000);
  google::rpc::ErrorInfo info;
  info.set_reason("LIMIT_SOMETHING");
  (*info.mutable_metadata())["limit"] = "10";
  google::rpc::Status rich;
  rich.add_details()->PackFrom(violations);
  rich.add_details()->PackFrom(retry);
  rich.add_details()->PackFrom(info);
  server_.decisions().FailWith(
      {grpc::StatusCode::INVALID_ARGUMENT, "1 violation \x1B[31m", rich.SerializeAsString()});
  CtlRun run = Run({"decide", "C1", "--channel", "web"});
  EXPECT_EQ(run.status, kExitFailure);
  EXPECT_EQ(run.out, "");
  EXPECT_EQ(run.err,
            "error: INVALID_ARGUMENT: 1 violation \\x1b[31m:\n"
            "  attributes[\"wait_s\"]: must be an int\n"
            "  reason: LIMIT_SOMETHING\n"
            "  limit: 10\n"
            "  retry after: 0.250s\n"
            "Mend the request and try again.\n");
  // The message repeats the violations for those who don't read the details.
  server_.decisions().FailWith({grpc::StatusCode::INVALID_ARGUMENT,
                                "1 violation: attributes[\"wait_s\"] must be an int",
                                rich.SerializeAsString()});
  EXPECT_THAT(Run({"decide", "C1", "--channel", "web"}).err,
              HasSubstr("error: INVALID_ARGUMENT: 1 violation:\n"
                        "  attributes[\"wait_s\"]: must be an int\n"));
  run = Run({"--json", "decide", "C1", "--channel", "web"});
  const nlohmann::json error = nlohmann::json::parse(run.out)["error"];
  EXPECT_EQ(error["code"], "INVALID_ARGUMENT");
  EXPECT_EQ(error["field_violations"][0]["field"], "attributes[\"wait_s\"]");
  EXPECT_EQ(error["retry_after"], "0.250s");
}

TEST_F(CtlServerTest, PrintsErrorsWithoutOrWithBrokenDetails) {
  for (const char* details : {"", "\xFF\xFF nonsense"}) {
    server_.customers().FailWith({grpc::StatusCode::DATA_LOSS, "broken", details});
    const CtlRun run = Run({"customer", "get", "C1"});
    EXPECT_EQ(run.status, kExitFailure);
    EXPECT_THAT(run.err, HasSubstr("error: DATA_LOSS: broken\nThe server's data are damaged"));
  }
}

TEST_F(CtlServerTest, HasAdviceForEveryCode) {
  for (int code = 1; code <= 16; ++code) {
    server_.customers().FailWith({static_cast<grpc::StatusCode>(code), "message"});
    const CtlRun run = Run({"customer", "get", "C1"});
    const std::vector<std::string> lines = absl::StrSplit(run.err, '\n', absl::SkipEmpty());
    EXPECT_THAT(lines, SizeIs(2)) << run.err;
  }
}

v1::DecideResponse Decision() {
  v1::DecideResponse response;
  response.set_decision_id("0123456789abcdef0123456789abcdef");
  response.set_strategy_version("telecom@1f0c9a37d2b4");
  response.mutable_time()->set_seconds(1772323200);
  v1::RankedTreatment* treatment = response.add_treatments();
  treatment->set_treatment_id("fast_track");
  treatment->set_group("resolution");
  treatment->set_propensity(0.5374);
  treatment->set_value(110);
  treatment->set_cost(0.6);
  treatment->set_context_weight(1.5);
  treatment->set_lever(1);
  treatment->set_priority(88.0759);
  treatment->add_reasons("a = 1 (+0.5)");
  treatment->add_reasons("b = 2 (-0.1)");
  v1::RejectedCount* count = response.add_rejected_counts();
  count->set_stage("policy");
  count->set_reason("not_suitable");
  count->set_rule("solve_first");
  count->set_count(2);
  v1::RejectedTreatment* rejected = response.add_rejected_treatments();
  rejected->set_treatment_id("plan_upgrade");
  rejected->set_group("offer");
  rejected->set_stage("arbitration");
  rejected->set_reason("below_min_priority");
  rejected->set_detail("priority 0.02 is below the minimum of 0.5");
  rejected->set_priority(0.02);
  treatment->mutable_ranks()->set_by_priority(1);
  return response;
}

TEST_F(CtlServerTest, DecideSendsWhatWasAskedFor) {
  const CtlRun run = Run({"decide",       "C1",
                          "--channel",    "web",
                          "--intent",     "complain",
                          "--attribute",  "wait_s=40",
                          "--attribute",  "ticket=\"5\"",
                          "--attribute",  "tags=[a,b]",
                          "--attribute",  "note=a=b",
                          "--time",       "2026-03-01T00:00:00Z",
                          "--max",        "2",
                          "--only",       "t1",
                          "--only",       "t2",
                          "--request_id", "r1",
                          "--explain",    "--dry_run"});
  ASSERT_EQ(run.status, kExitOk) << run.err;
  const v1::DecideRequest request = server_.decisions().last_request();
  EXPECT_EQ(request.customer_id(), "C1");
  EXPECT_EQ(request.channel(), "web");
  EXPECT_EQ(request.intent(), "complain");
  EXPECT_EQ(request.attributes().at("wait_s").int_value(), 40);
  EXPECT_EQ(request.attributes().at("ticket").string_value(), "5");
  EXPECT_EQ(request.attributes().at("tags").string_list_value().values_size(), 2);
  EXPECT_EQ(request.attributes().at("note").string_value(), "a=b");
  EXPECT_EQ(request.time().seconds(), 1772323200);
  EXPECT_EQ(request.max_treatments(), 2);
  EXPECT_THAT(request.treatment_ids(), ElementsAre("t1", "t2"));
  EXPECT_EQ(request.request_id(), "r1");
  EXPECT_TRUE(request.explain());
  EXPECT_TRUE(request.dry_run());
}

TEST_F(CtlServerTest, DecideAsksForNothingElse) {
  ASSERT_EQ(Run({"decide", "--customer", "C1", "--channel", "web"}).status, kExitOk);
  v1::DecideRequest expected;
  expected.set_customer_id("C1");
  expected.set_channel("web");
  EXPECT_EQ(server_.decisions().last_request().SerializeAsString(), expected.SerializeAsString());
}

TEST_F(CtlServerTest, DecideLeavesTheChannelOpenAndAsksForPlaces) {
  ASSERT_EQ(Run({"decide", "C1", "--any_channel"}).status, kExitOk);
  EXPECT_EQ(server_.decisions().last_request().channel(), "");
  EXPECT_THAT(server_.decisions().last_request().open_channels(), ElementsAre("*"));
  ASSERT_EQ(Run({"decide", "C1", "--open_channel", "web", "--open_channel", "ivr", "--placement",
                 "hero", "--placement", "strip"})
                .status,
            kExitOk);
  EXPECT_THAT(server_.decisions().last_request().open_channels(), ElementsAre("web", "ivr"));
  EXPECT_THAT(server_.decisions().last_request().placements(), ElementsAre("hero", "strip"));
}

TEST_F(CtlServerTest, DecideShowsTheChannelAndThePlace) {
  v1::DecideResponse response = Decision();
  response.mutable_treatments(0)->set_channel("ivr");
  response.add_placements()->set_placement("strip");
  v1::PlacementRanking* hero = response.add_placements();
  hero->set_placement("hero");
  hero->add_treatment_ids("fast_track");
  response.mutable_rejected_treatments(0)->set_channel("web");
  server_.decisions().AnswerWith(response);
  std::string out = Run({"decide", "C1", "--any_channel", "--explain"}).out;
  EXPECT_THAT(out, HasSubstr("rank  treatment   group       channel  place  priority"));
  EXPECT_THAT(out, HasSubstr("   1  fast_track  resolution  ivr      hero    88.0759"));
  EXPECT_THAT(out, HasSubstr("priority  channel  detail\n"));
  EXPECT_THAT(out, HasSubstr("  0.0200  web      priority 0.02 is below"));
  EXPECT_THAT(Run({"decide", "C1", "--channel", "ivr"}).out, Not(HasSubstr("channel  place")))
      << "who named the channel knows it";
}

TEST_F(CtlServerTest, DecideTellsWhatCanBeUsedFirst) {
  v1::DecideResponse response = Decision();
  response.clear_treatments();
  response.mutable_earliest()->set_treatment_id("fast_track");
  response.mutable_earliest()->set_channel("ivr");
  response.mutable_earliest()->mutable_time()->set_seconds(1772323200);
  server_.decisions().AnswerWith(response);
  EXPECT_THAT(Run({"decide", "C1", "--any_channel"}).out,
              HasSubstr("No treatment qualified.\nThe earliest is fast_track on ivr, from "
                        "2026-03-01T00:00:00Z.\n"));
  *response.mutable_treatments() = Decision().treatments();
  server_.decisions().AnswerWith(response);
  EXPECT_THAT(Run({"decide", "C1", "--any_channel"}).out,
              HasSubstr("\nThe earliest but a fallback is fast_track on ivr, from "));
}

TEST_F(CtlServerTest, DecidePrintsTheRanking) {
  server_.decisions().AnswerWith(Decision());
  CtlRun run = Run({"decide", "C1", "--channel", "web"});
  EXPECT_EQ(run.out,
            "Decision 0123456789abcdef0123456789abcdef at 2026-03-01T00:00:00Z by "
            "telecom@1f0c9a37d2b4\n"
            "\n"
            "rank  treatment   group       priority  propensity  weight   value  cost\n"
            "   1  fast_track  resolution   88.0759      0.5374    1.50  110.00  0.60\n"
            "\n"
            "Not in the ranking: 2\n"
            "  count  stage   reason        rule\n"
            "      2  policy  not_suitable  solve_first\n");
  run = Run({"decide", "C1", "--channel", "web", "--explain", "--dry_run"});
  EXPECT_THAT(run.out, HasSubstr("Dry run: nothing was remembered."));
  EXPECT_THAT(run.out, HasSubstr("0.60                a = 1 (+0.5); b = 2 (-0.1)\n"));
  EXPECT_THAT(run.out, HasSubstr("plan_upgrade  offer  arbitration  below_min_priority    0.0200  "
                                 "priority 0.02 is below the minimum of 0.5\n"));
}

TEST_F(CtlServerTest, DecideTakesScoresApart) {
  v1::DecideResponse response = Decision();
  v1::RankedTreatment& treatment = *response.mutable_treatments(0);
  treatment.set_model_version("solve@0123456789ab");
  v1::ScoreParts& parts = *treatment.mutable_score_parts();
  parts.set_base(-1.5);
  parts.set_score(0.15003);
  parts.set_link("logit");
  const auto add = [&](const char* input, const char* value, double contribution) {
    v1::Contribution* part = parts.add_contributions();
    part->set_input(input);
    part->set_value(value);
    part->set_contribution(contribution);
  };
  add("customer.open_incidents", "2", 1.75);
  add("customer.plan", "\"x\x1b\"", -0.1);
  add("(others)", "", 0.00003);
  response.add_treatments()->set_treatment_id("by_a_formula");
  server_.decisions().AnswerWith(response);
  CtlRun run = Run({"decide", "C1", "--channel", "web", "--explain"});
  EXPECT_THAT(run.out, HasSubstr("\n\n"
                                 "The score of fast_track by solve@0123456789ab:\n"
                                 "  contribution  input                    value\n"
                                 "       -1.5000  base\n"
                                 "       +1.7500  customer.open_incidents  2\n"
                                 "       -0.1000  customer.plan            \"x\\x1b\"\n"
                                 "      +3.0e-05  (others)\n"
                                 "       +0.1500  score (logit)\n"
                                 "\n"
                                 "Not in the ranking: 2\n"));
  EXPECT_THAT(run.out, Not(HasSubstr("The score of by_a_formula")));
  run = Run({"decide", "C1", "--channel", "web", "--explain", "--json"});
  EXPECT_THAT(run.out, HasSubstr("score_parts"));
}

TEST_F(CtlServerTest, DecideSaysWhatExplorationDid) {
  v1::DecideResponse response = Decision();
  response.mutable_treatments(0)->set_selection_probability(0.03);
  response.set_greedy_treatment_id("plan_upgrade");
  server_.decisions().AnswerWith(response);
  const CtlRun run = Run({"decide", "C1", "--channel", "web"});
  EXPECT_THAT(run.out, HasSubstr("by telecom@1f0c9a37d2b4\nExploration put fast_track on top; the "
                                 "greedy choice is plan_upgrade.\n\n"));
  EXPECT_THAT(run.out, HasSubstr("value  cost  chance\n"));
  EXPECT_THAT(run.out, HasSubstr("0.60  0.0300\n"));
}

TEST_F(CtlServerTest, DecideShowsWhoStandsElsewhereThanThePrioritySays) {
  v1::DecideResponse response = Decision();
  response.mutable_treatments(0)->set_selection_probability(0.03);
  response.mutable_treatments(0)->mutable_ranks()->set_by_priority(7);
  response.mutable_rejected_treatments(0)->set_selection_probability(0.97);
  server_.decisions().AnswerWith(response);
  std::string out = Run({"decide", "C1", "--channel", "web", "--explain"}).out;
  EXPECT_THAT(out, HasSubstr("rank  by priority  treatment   group       priority"));
  EXPECT_THAT(out, HasSubstr("   1            7  fast_track  resolution   88.0759"));
  EXPECT_THAT(out, HasSubstr("priority  chance  detail\n"));
  EXPECT_THAT(out, HasSubstr("  0.0200  0.9700  priority 0.02 is below"));
  // Without an explanation nobody has said where it would stand.
  response.mutable_treatments(0)->clear_ranks();
  server_.decisions().AnswerWith(response);
  EXPECT_THAT(Run({"decide", "C1", "--channel", "web"}).out, Not(HasSubstr("by priority")));
}

TEST_F(CtlServerTest, DecideShowsWhatMustBeShownAndWhatLeversDid) {
  v1::DecideResponse response = Decision();
  server_.decisions().AnswerWith(response);
  std::string out = Run({"decide", "C1", "--channel", "web"}).out;
  EXPECT_THAT(out, Not(HasSubstr("must show")));
  EXPECT_THAT(out, Not(HasSubstr("lever")));
  response.mutable_treatments(0)->set_must_show(true);
  response.mutable_treatments(0)->set_lever(0);
  server_.decisions().AnswerWith(response);
  out = Run({"decide", "C1", "--channel", "web"}).out;
  EXPECT_THAT(out, HasSubstr("rank  treatment   group       must show  priority"));
  EXPECT_THAT(out, HasSubstr("   1  fast_track  resolution  yes         88.0759"));
  EXPECT_THAT(out, HasSubstr("cost  lever\n"));
  EXPECT_THAT(out, HasSubstr("0.60   0.00\n"));
}

TEST_F(CtlServerTest, DecideSaysWhatMadeATreatmentWin) {
  v1::DecideResponse response = Decision();
  response.mutable_treatments(0)->set_lever(1.3);
  v1::PriorityRanks& ranks = *response.mutable_treatments(0)->mutable_ranks();
  ranks.set_by_priority(1);
  ranks.set_without_propensity(3);
  ranks.set_without_context_weight(1);
  ranks.set_without_value(2);
  ranks.set_without_lever(1);
  ranks.set_without_cost(1);
  server_.decisions().AnswerWith(response);
  const CtlRun run = Run({"decide", "C1", "--channel", "web", "--explain"});
  EXPECT_THAT(run.out, HasSubstr("cost  lever  rank without           reasons\n"));
  EXPECT_THAT(run.out, HasSubstr("0.60   1.30  propensity 3, value 2  a = 1 (+0.5)"));
}

TEST_F(CtlServerTest, DecideSaysWhatIsOutOfTheOrdinary) {
  v1::DecideResponse response;
  response.set_degraded(true);
  response.add_degraded_reasons("customer_unavailable");
  response.add_degraded_reasons("not_remembered");
  response.set_unknown_customer(true);
  server_.decisions().AnswerWith(response);
  const CtlRun run = Run({"decide", "C1", "--channel", "web"});
  EXPECT_EQ(run.status, kExitOk);
  EXPECT_THAT(run.out, HasSubstr("Customer C1 is not known"));
  EXPECT_THAT(run.out, HasSubstr("Degraded: customer_unavailable, not_remembered"));
  EXPECT_THAT(run.out, HasSubstr("No treatment qualified."));
}

TEST_F(CtlServerTest, DecideSaysWhenTheExplanationIsNotAllThere) {
  v1::DecideResponse response = Decision();
  response.set_explanation_incomplete(true);
  server_.decisions().AnswerWith(response);
  EXPECT_THAT(Run({"decide", "C1", "--channel", "web", "--explain"}).out,
              HasSubstr("\nThe explanation is too long: the last treatments have no detail.\n"));
  response.clear_rejected_treatments();
  server_.decisions().AnswerWith(response);
  EXPECT_THAT(Run({"decide", "C1", "--channel", "web", "--explain"}).out,
              HasSubstr("\nThe explanation was too long to be kept for a repeated request.\n"));
}

TEST_F(CtlServerTest, DecideDoesNotListWhatWasNotAskedFor) {
  v1::DecideResponse response = Decision();
  for (const char* id : {"not_asked_1", "not_asked_2"}) {
    v1::RejectedTreatment& rejected = *response.add_rejected_treatments();
    rejected.set_treatment_id(id);
    rejected.set_reason("not_requested");
  }
  server_.decisions().AnswerWith(response);
  const CtlRun run = Run({"decide", "C1", "--channel", "web", "--explain"});
  EXPECT_THAT(run.out, HasSubstr("\nLeft out by --only: 2 treatments.\n"));
  EXPECT_THAT(run.out, Not(HasSubstr("not_asked")));
}

TEST_F(CtlServerTest, DecidePrintsJsonAlone) {
  server_.decisions().AnswerWith(Decision());
  const CtlRun run = Run({"decide", "C1", "--channel", "web", "--json"});
  EXPECT_EQ(run.err, "");
  const nlohmann::json json = nlohmann::json::parse(run.out);
  EXPECT_EQ(json["decision_id"], "0123456789abcdef0123456789abcdef");
  EXPECT_EQ(json["treatments"][0]["treatment_id"], "fast_track");
  EXPECT_EQ(json["degraded"], false) << "defaults are printed";
}

TEST_F(CtlServerTest, PutReadsValuesByTheirDeclaredType) {
  const CtlRun run = Run({"customer", "put", "C1", "--feature", "tenure=34", "--feature", "plan=5",
                          "--feature", "tags=a;b"});
  ASSERT_EQ(run.status, kExitOk) << run.err;
  EXPECT_EQ(run.out, "Customer C1 created, version 8\n");
  const auto upserts = server_.customers().upserts();
  ASSERT_THAT(upserts, SizeIs(1));
  const auto& features = upserts[0].customer().features();
  EXPECT_EQ(features.at("tenure").int_value(), 34);
  EXPECT_EQ(features.at("plan").string_value(), "5");
  EXPECT_EQ(features.at("tags").string_list_value().values_size(), 2);
  EXPECT_FALSE(upserts[0].has_update_mask());
}

TEST_F(CtlServerTest, PutRemovesAndReplaces) {
  ASSERT_EQ(Run({"customer", "put", "C1", "--feature", "tenure=1", "--remove", "plan",
                 "--request_id", "r"})
                .status,
            kExitOk);
  ASSERT_EQ(Run({"customer", "put", "C1", "--feature", "tenure=1", "--replace"}).status, kExitOk);
  const auto upserts = server_.customers().upserts();
  ASSERT_THAT(upserts, SizeIs(2));
  EXPECT_THAT(upserts[0].update_mask().paths(),
              UnorderedElementsAre("features.plan", "features.tenure"));
  EXPECT_EQ(upserts[0].request_id(), "r");
  EXPECT_THAT(upserts[1].update_mask().paths(), ElementsAre("features"));
}

TEST_F(CtlServerTest, PutRefusesWhatTheStrategyDoesNotDeclare) {
  const UsageCase cases[] = {
      {"Unknown", {"--feature", "tenur=1"}, "no feature \"tenur\"; did you mean \"tenure\"?"},
      {"UnknownRemoved", {"--remove", "plam"}, "no feature \"plam\"; did you mean \"plan\"?"},
      {"WrongType", {"--feature", "tenure=long"}, "--feature tenure: \"long\" is not an int"},
      {"Empty", {"--feature", "tenure="}, "use --remove tenure"},
      {"Twice", {"--feature", "tenure=1", "--feature", "tenure=2"}, "tenure is given twice"},
      {"Both", {"--feature", "plan=1", "--remove", "plan"}, "both --feature and --remove"},
      {"All at once",
       {"--feature", "tenur=1", "--feature", "tenure=long", "--remove", "plam"},
       "did you mean \"tenure\"?\n--feature tenure: \"long\" is not an int; write a whole number "
       "of at "
       "most 64 bits such as 34\nthe strategy declares no feature \"plam\""},
  };
  for (const UsageCase& test : cases) {
    std::vector<std::string> arguments = {"customer", "put", "C1"};
    arguments.insert(arguments.end(), test.arguments.begin(), test.arguments.end());
    const CtlRun run = Run(arguments);
    EXPECT_EQ(run.status, kExitFailure) << test.name;
    EXPECT_THAT(run.err, HasSubstr(test.message)) << test.name;
  }
  EXPECT_THAT(server_.customers().upserts(), IsEmpty());
}

TEST_F(CtlServerTest, WritesDownAConsent) {
  CtlRun run = Run({"customer", "consent", "C1", "--purpose", "marketing", "--withdraw", "--source",
                    "agent 7", "--time", "2026-03-01T01:00:00+01:00"});
  EXPECT_EQ(run.status, kExitOk) << run.err;
  EXPECT_EQ(run.out, "Customer C1: marketing on all channels withdrawn; version 9\n");
  EXPECT_EQ(server_.customers().last_consent().ShortDebugString(),
            "customer_id: \"C1\" purpose: \"marketing\" granted: false source: \"agent 7\" time { "
            "seconds: 1772323200 }");
  run = Run({"customer", "consent", "C1", "--purpose", "marketing", "--channel", "email", "--grant",
             "--source", "web", "--json"});
  EXPECT_EQ(nlohmann::json::parse(run.out)["changed"], true);
  EXPECT_TRUE(server_.customers().last_consent().granted());
  EXPECT_EQ(server_.customers().last_consent().channel(), "email");
}

TEST_F(CtlServerTest, AConsentMustSayYesOrNo) {
  const std::vector<std::string> consent = {"customer", "consent",  "C1", "--purpose",
                                            "p",        "--source", "web"};
  CtlRun run = Run(consent);
  EXPECT_EQ(run.status, kExitUsage);
  EXPECT_THAT(run.err, HasSubstr("--grant or --withdraw"));
  std::vector<std::string> both = consent;
  both.insert(both.end(), {"--grant", "--withdraw"});
  EXPECT_EQ(Run(both).status, kExitUsage);
}

TEST_F(CtlServerTest, RecordsWhatBecameOfATreatment) {
  const CtlRun run = Run({"customer", "record", "C1", "--treatment", "upgrade", "--channel", "ivr",
                          "--outcome", "shown", "--request_id", "r1"});
  EXPECT_EQ(run.status, kExitOk) << run.err;
  EXPECT_EQ(run.out, "Customer C1: recorded; version 10\n");
  EXPECT_EQ(
      server_.customers().last_report().ShortDebugString(),
      "customer_id: \"C1\" interactions { channel: \"ivr\" treatment_id: \"upgrade\" outcome: "
      "\"shown\" } request_id: \"r1\"");
  const CtlRun bad = Run({"customer", "record", "C1", "--treatment", "upgrade", "--channel", "ivr",
                          "--outcome", "shown", "--time", "yesterday"});
  EXPECT_EQ(bad.status, kExitFailure);
  EXPECT_THAT(bad.err, HasSubstr("--time: "));
}

TEST_F(CtlServerTest, RecordsWhatBecameOfADecision) {
  const std::vector<std::string> record = {"outcome",   "record", "--decision", "d1",
                                           "--outcome", "csat",   "--source",   "employee"};
  std::vector<std::string> with_all = record;
  with_all.insert(with_all.end(),
                  {"--treatment", "upgrade", "--value", "-4.5", "--time", "2026-03-01T00:00:00Z",
                   "--channel", "ivr", "--reason", "too dear", "--request_id", "r1"});
  CtlRun run = Run(with_all);
  EXPECT_EQ(run.status, kExitOk) << run.err;
  EXPECT_EQ(run.out,
            "upgrade: recorded and not attributed: the decision did not offer the treatment\n");
  EXPECT_EQ(server_.outcomes().last_outcome().ShortDebugString(),
            "decision_id: \"d1\" treatment_id: \"upgrade\" outcome: \"csat\" value: -4.5 time { "
            "seconds: 1772323200 } source: OUTCOME_SOURCE_EMPLOYEE channel: \"ivr\" reason: \"too "
            "dear\" request_id: \"r1\"");
  run = Run(record);
  EXPECT_EQ(run.out,
            "No treatment: recorded and not attributed: the decision did not offer the "
            "treatment\n");
  EXPECT_FALSE(server_.outcomes().last_outcome().has_value());
  std::vector<std::string> as_json = record;
  as_json.push_back("--json");
  EXPECT_EQ(nlohmann::json::parse(Run(as_json).out)["status"], "OUTCOME_STATUS_NOT_OFFERED");
  std::vector<std::string> bad_time = record;
  bad_time.insert(bad_time.end(), {"--time", "yesterday"});
  run = Run(bad_time);
  EXPECT_EQ(run.status, kExitFailure);
  EXPECT_THAT(run.err, HasSubstr("--time: "));
  EXPECT_EQ(Run({"outcome", "record", "--decision", "d1", "--outcome", "csat"}).status, kExitUsage);
}

TEST_F(CtlServerTest, ActivatesTreatments) {
  const CtlRun run = Run({"outcome", "activate", "--decision", "d1", "--treatment", "upgrade",
                          "--treatment", "cable", "--channel", "app"});
  EXPECT_EQ(run.status, kExitOk) << run.err;
  EXPECT_EQ(run.out, "upgrade: recorded\ncable: recorded\n");
  EXPECT_EQ(server_.outcomes().last_activation().ShortDebugString(),
            "decision_id: \"d1\" treatment_ids: \"upgrade\" treatment_ids: \"cable\" channel: "
            "\"app\"");
}

TEST_F(CtlServerTest, StopsLiftsAndLists) {
  EXPECT_EQ(Run({"stop", "list"}).out, "Nothing is stopped.\n");
  EXPECT_EQ(Run({"stop", "history"}).out, "Nothing was ever stopped.\n");
  CtlRun run =
      Run({"stop", "set", "--treatment", "upgrade", "--by", "ann", "--because", "Wrong price."});
  EXPECT_EQ(run.status, kExitOk) << run.err;
  EXPECT_EQ(run.out, "treatment upgrade: stopped\n");
  run = Run({"stop", "lift", "--group", "offer", "--by", "bob", "--because", "Mended."});
  EXPECT_EQ(run.out, "group offer: was not stopped\n");
  EXPECT_FALSE(server_.strategies().last_request().stopped());
  EXPECT_TRUE(server_.strategies().last_request().has_stopped());
  EXPECT_EQ(Run({"stop", "list"}).out,
            "stopped            since                 by   in force  because\n"
            "treatment upgrade  2026-03-01T00:00:00Z  ann  yes       Wrong price.\n"
            "group offer        2026-03-01T00:00:00Z  bob  no        Mended.\n");
  EXPECT_EQ(nlohmann::json::parse(Run({"stop", "list", "--json"}).out)["stops"].size(), 2u);
  EXPECT_EQ(Run({"stop", "history", "--max", "1"}).out,
            "time                  change   of                 by   because\n"
            "2026-03-01T00:00:00Z  stopped  treatment upgrade  ann  Wrong price.\n");
}

TEST_F(CtlServerTest, ShowsHowFarRampsHaveCome) {
  EXPECT_EQ(Run({"strategy", "ramps"}).out, "No treatment has a ramp: all reach everybody.\n");
  // The fake server has ramps once something is stopped.
  Run({"stop", "set", "--treatment", "upgrade", "--by", "ann", "--because", "Wrong price."});
  const CtlRun run = Run({"strategy", "ramps"});
  EXPECT_EQ(run.status, kExitOk) << run.err;
  EXPECT_EQ(run.out,
            "treatment  reaches  evidence  everybody at  counted\n"
            "upgrade       55 %        10            20  accepted, rejected\n"
            "bundle     99.99 %       999          1000  decided\n");
  const auto json = nlohmann::json::parse(Run({"strategy", "ramps", "--json"}).out);
  ASSERT_EQ(json["ramps"].size(), 2u);
  EXPECT_EQ(json["ramps"][0]["treatment_id"], "upgrade");
  EXPECT_EQ(json["ramps"][0]["share"], 0.55);
  EXPECT_EQ(json["next_page_token"], "") << "all pages are in it";
}

TEST_F(CtlServerTest, AStopNamesWhatAndWhoAndWhy) {
  EXPECT_EQ(Run({"stop", "set", "--by", "ann", "--because", "x"}).status, kExitUsage);
  EXPECT_EQ(
      Run({"stop", "set", "--treatment", "a", "--group", "b", "--by", "ann", "--because", "x"})
          .status,
      kExitUsage);
  EXPECT_EQ(Run({"stop", "set", "--treatment", "a", "--because", "x"}).status, kExitUsage);
  EXPECT_EQ(Run({"stop", "set", "--treatment", "a", "--by", "ann"}).status, kExitUsage);
}

TEST_F(CtlServerTest, GetAndEraseACustomer) {
  CtlSetup setup;
  setup.in = "id,tenure,plan\nC1,34,fiber\n";
  ASSERT_EQ(Run({"import", "customers", "--csv", "-", "--id", "id"}, setup).status, kExitOk);
  CtlRun run = Run({"customer", "get", "C1"});
  EXPECT_EQ(run.out,
            "Customer C1, version 7\n"
            "\n"
            "feature  value\n"
            "plan     fiber\n"
            "tenure   34\n"
            "\n"
            "Decisions: 1,234\n"
            "\n"
            "What the customer said about being contacted:\n"
            "purpose    channel  consent    time                  source\n"
            "marketing  (all)    withdrawn  2026-03-01T00:00:00Z  web form\n"
            "marketing  email    granted    2026-03-01T00:00:00Z  web form\n"
            "\n"
            "What happened last:\n"
            "time                  channel  treatment   outcome\n"
            "2026-03-01T00:00:00Z  app      fast_track  decided\n"
            "2026-03-01T00:00:00Z  app      fast_track  accepted\n");
  run = Run({"customer", "get", "C1", "--json"});
  EXPECT_EQ(nlohmann::json::parse(run.out)["customer"]["features"]["tenure"]["int_value"], 34);

  run = Run({"customer", "erase", "C1"});
  EXPECT_EQ(run.status, kExitFailure) << "nobody was asked";
  EXPECT_THAT(run.err, HasSubstr("confirm with --yes"));
  CtlSetup terminal;
  terminal.in_is_terminal = true;
  terminal.in = "n\n";
  run = Run({"customer", "erase", "C1"}, terminal);
  EXPECT_EQ(run.status, kExitFailure);
  EXPECT_THAT(run.err, HasSubstr("[y/N] Nothing was erased."));
  terminal.in = "y\n";
  run = Run({"customer", "erase", "C1"}, terminal);
  EXPECT_EQ(run.status, kExitOk);
  EXPECT_EQ(run.out, "Customer C1 erased, with 3 entries of the log\n");
  run = Run({"customer", "erase", "C1", "--yes"});
  EXPECT_EQ(run.status, kExitOk);
  EXPECT_EQ(run.out, "Nothing was held about customer C1\n");
  run = Run({"customer", "get", "C1"});
  EXPECT_EQ(run.status, kExitFailure);
  EXPECT_THAT(run.err, HasSubstr("NOT_FOUND"));
}

TEST(CtlStrategy, ChecksAStrategy) {
  const std::string telecom = testing::SourcePath("deploy/example/telecom.yaml");
  CtlRun run = RunAttunectl({"strategy", "check", telecom});
  EXPECT_EQ(run.status, kExitOk) << run.err;
  EXPECT_THAT(run.out, HasSubstr(" is good:\n"));
  EXPECT_THAT(run.out, HasSubstr("treatments"));
  run = RunAttunectl({"strategy", "check", telecom, "--json"});
  const nlohmann::json json = nlohmann::json::parse(run.out);
  EXPECT_EQ(json["ok"], true);
  EXPECT_EQ(json["strategy"]["groups"], 3);
}

TEST(CtlStrategy, PrintsWhatIsWrongWithItsPlace) {
  attune::testing::TempDir folder;
  const std::string path = folder.File("bad.yaml");
  std::ofstream(path) << "nmae: x\n";
  CtlRun run = RunAttunectl({"strategy", "check", path});
  EXPECT_EQ(run.status, kExitFailure);
  EXPECT_THAT(run.out, HasSubstr("bad.yaml:1:1: error: "));
  EXPECT_THAT(run.out, Not(HasSubstr(" is good")));
  run = RunAttunectl({"strategy", "check", path, "--json"});
  EXPECT_EQ(run.status, kExitFailure);
  EXPECT_EQ(run.err, "");
  const nlohmann::json json = nlohmann::json::parse(run.out);
  EXPECT_EQ(json["ok"], false);
  EXPECT_GE(json["errors"], 1);
  EXPECT_EQ(json["issues"][0]["line"], 1);
}

TEST(CtlGenerate, WritesToStandardOutputOrAFile) {
  const CtlRun stream = RunAttunectl({"generate", "customers", "--count", "3"});
  EXPECT_EQ(stream.status, kExitOk);
  EXPECT_THAT(std::vector<std::string>(absl::StrSplit(stream.out, '\n', absl::SkipEmpty())),
              SizeIs(4));
  attune::testing::TempDir folder;
  const std::string path = folder.File("c.csv");
  CtlRun run = RunAttunectl({"generate", "customers", "--count", "3", "--out", path});
  EXPECT_EQ(run.out, absl::StrCat("3 customers with 24 features in ", path, "\n"));
  std::ostringstream content;
  content << std::ifstream(path).rdbuf();
  EXPECT_EQ(content.str(), stream.out);
  run = RunAttunectl({"generate", "customers", "--count", "3", "--out", path, "--json"});
  EXPECT_EQ(nlohmann::json::parse(run.out)["customers"], 3);
}

TEST(CtlGenerate, TakesAnyStrategy) {
  const std::string telecom = testing::SourcePath("deploy/example/telecom.yaml");
  CtlRun run = RunAttunectl({"generate", "customers", "--count", "3", "--strategy", telecom});
  EXPECT_EQ(run.status, kExitOk) << run.err;
  EXPECT_THAT(run.out, HasSubstr("customer_id,tenure_months,"));
  run = RunAttunectl({"generate", "customers", "--strategy", "/nowhere.yaml"});
  EXPECT_EQ(run.status, kExitFailure);
  EXPECT_THAT(run.err, HasSubstr("the strategy has errors"));
}

TEST(CtlGenerate, SaysWhenItCannotWrite) {
  const CtlRun run = RunAttunectl({"generate", "customers", "--out", "/nowhere/c.csv"});
  EXPECT_EQ(run.status, kExitFailure);
  EXPECT_THAT(run.err, HasSubstr("\"/nowhere/c.csv\": can't open"));
  if (std::filesystem::exists("/dev/full")) {
    const CtlRun full = RunAttunectl({"generate", "customers", "--out", "/dev/full"});
    EXPECT_EQ(full.status, kExitFailure);
    EXPECT_THAT(full.err, HasSubstr("No space left"));
  }
}

}  // namespace
}  // namespace attune::ctl
