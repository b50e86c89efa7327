#include "lib/scenario/scenario_loader.h"

#include <algorithm>
#include <filesystem>
#include <string_view>
#include <tuple>
#include <vector>

#include "absl/strings/str_cat.h"
#include "attune/strategy/v1/scenario.pb.h"
#include "lib/base/absl_strings.h"
#include "lib/base/text.h"
#include "lib/base/violations.h"
#include "lib/catalog/outcome_terms.h"
#include "lib/context/decision_request.h"
#include "lib/scenario/situation.h"
#include "lib/strategy/checker_base.h"
#include "lib/strategy/literal.h"
#include "lib/strategy/source_file.h"
#include "lib/strategy/strategy_loader.h"
#include "lib/strategy/yaml_document.h"
#include "lib/strategy/yaml_reader.h"

namespace attune::scenario {
namespace {

using google::protobuf::Map;
using strategy::Element;
using strategy::Field;
using strategy::Strategy;
namespace v1 = strategy::v1;

// Who stops something in a case.
constexpr std::string_view kStoppedBy = "scenario";

absl::Time ToTime(const google::protobuf::Timestamp& time) {
  return absl::FromUnixSeconds(time.seconds()) + absl::Nanoseconds(time.nanos());
}

// A case as the first step of its customer's story.
v1::ScenarioStep FirstStep(const v1::ScenarioCase& source) {
  v1::ScenarioStep step;
  *step.mutable_customer() = source.customer();
  *step.mutable_consents() = source.consents();
  *step.mutable_history() = source.history();
  *step.mutable_stops() = source.stops();
  if (source.has_ramps()) *step.mutable_ramps() = source.ramps();
  if (source.has_at()) *step.mutable_at() = source.at();
  step.set_channel(source.channel());
  *step.mutable_open_channels() = source.open_channels();
  if (source.has_intent()) step.set_intent(source.intent());
  *step.mutable_attributes() = source.attributes();
  *step.mutable_treatment_ids() = source.treatment_ids();
  if (source.has_max_treatments()) step.set_max_treatments(source.max_treatments());
  *step.mutable_placements() = source.placements();
  if (source.has_expect()) *step.mutable_expect() = source.expect();
  return step;
}

// Checks the cases of a file against its strategy and compiles them. Not thread-safe.
class Compiler : public strategy::CheckerBase {
 public:
  Compiler(const v1::ScenarioFile& file, const Strategy& strategy, strategy::YamlDocument& source,
           IssueList& issues)
      : CheckerBase(source, issues), file_(file), strategy_(strategy) {}

  std::vector<Case> Compile();

 private:
  // What a step goes on from: what the file says of all cases, or the step before.
  struct Before {
    bool is_step = false;
    std::optional<absl::Time> at;  // always set when it is a step
    Situation situation;
    RampState ramps;
  };

  void CheckFile();
  Case CompileCase(const v1::ScenarioCase& source, const std::string& path);
  Step CompileStep(const v1::ScenarioStep& source, const std::string& path, const Before& before);
  absl::Time CompileTime(const v1::ScenarioStep& source, const std::string& path,
                         const Before& before);
  Situation CompileSituation(const v1::ScenarioStep& source, const std::string& path,
                             const Situation& before);
  void CheckSituation(const Step& step, const std::string& path);
  void AddFeatures(const Map<std::string, v1::Literal>& values, const std::string& path,
                   Step& step);
  void AddConsent(const v1::ScenarioConsent& source, const std::string& path, Step& step);
  void AddInteraction(const v1::ScenarioInteraction& source, const std::string& path, Step& step);
  void AddStop(const v1::ScenarioStop& source, const std::string& path, Step& step);
  RampState CompileRamps(const v1::ScenarioRamps& source, const std::string& path,
                         const RampState& before);
  Expectation CompileExpectation(const v1::Expectation& source, const std::string& path);
  void AddChances(const v1::Expectation& source, const std::string& path, Expectation& expect);
  void AddContent(const v1::Expectation& source, const std::string& path, Expectation& expect);
  // By treatment: names of channels or placements.
  std::vector<ExpectedSpot> CompileSpots(const Map<std::string, std::string>& source,
                                         std::string_view noun, const context::NameTable& known,
                                         const std::string& path);
  ExpectedOpportunity CompileOpportunity(const v1::ExpectedOpportunity& source,
                                         const std::string& path);
  ExpectedRejection CompileRejection(const v1::ExpectedRejection& source, const std::string& path);
  std::optional<candidates::Reason> CompileReason(const std::string& name, const std::string& path);

  // The moment that a consent or an interaction names; that of the step when it names none.
  template <typename Source>
  absl::Time MomentOf(const Source& source, const Step& step) const {
    if (source.has_ago()) return step.at - absl::Seconds(source.ago().seconds());
    return source.has_at() ? ToTime(source.at()) : step.at;
  }
  // A value that a map of features or attributes holds; nullopt when it is wrong.
  std::optional<OwnedValue> CompileValue(const ValueSchema& schema, std::string_view noun,
                                         const std::string& name, const v1::Literal& literal,
                                         const std::string& path);
  // The number of what a required field names; nullopt when it is wrong.
  std::optional<uint32_t> NumberOf(const context::NameTable& table, std::string_view noun,
                                   const std::string& name, const std::string& path);
  std::optional<int> TreatmentOf(const std::string& name, const std::string& path);
  // Says that the field has a name that is not known, unless the field could not be read.
  template <typename Names>
  void ReportUnknown(std::string_view noun, const std::string& name, const Names& known,
                     const std::string& path) {
    if (!source_.HasUnflawed(path)) return;
    Report(path,
           absl::StrCat("unknown ", ToAbsl(noun), " ", Quoted(name), Suggestion(name, known)));
  }

  const v1::ScenarioFile& file_;
  const Strategy& strategy_;
};

std::vector<Case> Compiler::Compile() {
  CheckFile();
  std::vector<Case> cases;
  StringViewMap<int> lines;
  for (int i = 0; i < std::min(file_.cases_size(), kMaxCases); ++i) {
    const v1::ScenarioCase& source = file_.cases(i);
    const std::string path = Element("cases", i);
    cases.push_back(CompileCase(source, path));
    if (source.name().empty()) continue;
    const auto [earlier, is_new] = lines.try_emplace(source.name(), cases.back().line);
    if (is_new) continue;
    Report(Field(path, "name"), absl::StrCat("duplicate case ", Quoted(source.name()),
                                             "; it stands on line ", earlier->second, " already"));
  }
  return cases;
}

void Compiler::CheckFile() {
  if (!file_.channel().empty() && file_.channel() != context::kEveryChannel) {
    NumberOf(strategy_.context.channels, "channel", file_.channel(), "channel");
  }
  if (!file_.intent().empty()) {
    NumberOf(strategy_.context.intents, "intent", file_.intent(), "intent");
  }
  // Each case uses them; here they are checked also when there is none.
  Step unused;
  AddFeatures(file_.customer(), "customer", unused);
  if (file_.cases_size() > kMaxCases) {
    Report("cases", absl::StrCat("cases has ", file_.cases_size(), " entries; at most ", kMaxCases,
                                 " are allowed"));
  }
  if (file_.cases().empty() && !source_.HasFlawed("cases")) {
    Report("cases", "a file of cases needs at least one case under \"cases\"");
  }
}

Case Compiler::CompileCase(const v1::ScenarioCase& source, const std::string& path) {
  Case result;
  result.name = source.name();
  result.line = source_.LineOf(path);
  const auto name_problem = IdProblem(source.name(), kMaxCaseNameBytes);
  if (name_problem && IsUsable(path, "case", "name")) {
    Report(Field(path, "name"), absl::StrCat("the name of a case ", *name_problem));
  }
  Before before;
  if (file_.has_at()) before.at = ToTime(file_.at());
  before.situation.channel = file_.channel();
  before.situation.intent = file_.intent();
  v1::ScenarioStep first = FirstStep(source);
  // What the case says stays: inserting changes nothing that is there.
  first.mutable_customer()->insert(file_.customer().begin(), file_.customer().end());
  result.steps.push_back(CompileStep(first, path, before));
  const std::string then = Field(path, "then");
  if (source.then_size() > kMaxSteps) {
    Report(then, absl::StrCat("then has ", source.then_size(), " entries; at most ", kMaxSteps,
                              " are allowed"));
  }
  for (int i = 0; i < std::min(source.then_size(), kMaxSteps); ++i) {
    const Step& last = result.steps.back();
    before = {true, last.at, last.situation, last.ramps};
    result.steps.push_back(CompileStep(source.then(i), Element(then, i), before));
  }
  const bool decides = std::any_of(result.steps.begin(), result.steps.end(),
                                   [](const Step& step) { return step.expect.has_value(); });
  if (!decides && !source_.HasFlawed(path)) {
    Report(path, "a case needs the key \"expect\", here or in a step of \"then\"");
  }
  return result;
}

Step Compiler::CompileStep(const v1::ScenarioStep& source, const std::string& path,
                           const Before& before) {
  Step step;
  step.line = source_.LineOf(path);
  step.at = CompileTime(source, path, before);
  step.situation = CompileSituation(source, path, before.situation);
  CheckSituation(step, path);
  AddFeatures(source.customer(), Field(path, "customer"), step);
  for (int i = 0; i < source.consents_size(); ++i) {
    AddConsent(source.consents(i), Element(Field(path, "consents"), i), step);
  }
  for (int i = 0; i < source.history_size(); ++i) {
    AddInteraction(source.history(i), Element(Field(path, "history"), i), step);
  }
  for (int i = 0; i < source.stops_size(); ++i) {
    AddStop(source.stops(i), Element(Field(path, "stops"), i), step);
  }
  step.ramps = CompileRamps(source.ramps(), Field(path, "ramps"), before.ramps);
  if (source.has_expect()) {
    step.expect = CompileExpectation(source.expect(), Field(path, "expect"));
  }
  return step;
}

absl::Time Compiler::CompileTime(const v1::ScenarioStep& source, const std::string& path,
                                 const Before& before) {
  const std::string at = Field(path, "at");
  if (!source.has_at()) {
    if (before.at) return *before.at + absl::Seconds(source.after().seconds());
    if (!source_.HasFlawed(at) && !source_.HasFlawed("at")) {
      Report(at, "a case needs the key \"at\", here or at the top of the file");
    }
    return absl::UnixEpoch();
  }
  const absl::Time time = ToTime(source.at());
  if (before.is_step && time < *before.at) {
    Report(at, "a step must not lie before what it follows");
  }
  return time;
}

Situation Compiler::CompileSituation(const v1::ScenarioStep& source, const std::string& path,
                                     const Situation& before) {
  Situation situation = before;
  if (!source.channel().empty() || !source.open_channels().empty()) {
    situation.channel = source.channel();
    situation.open_channels.assign(source.open_channels().begin(), source.open_channels().end());
  }
  if (source.has_intent()) situation.intent = source.intent();
  if (!source.attributes().empty()) situation.attributes.clear();
  for (const auto& [name, literal] : source.attributes()) {
    const auto value = CompileValue(strategy_.context.attributes, "attribute", name, literal,
                                    EntryPath(Field(path, "attributes"), name));
    if (value) situation.attributes.emplace_back(name, *value);
  }
  if (!source.treatment_ids().empty()) {
    situation.treatment_ids.assign(source.treatment_ids().begin(), source.treatment_ids().end());
  }
  if (source.has_max_treatments()) situation.max_treatments = source.max_treatments();
  if (!source.placements().empty()) {
    situation.placements.assign(source.placements().begin(), source.placements().end());
  }
  return situation;
}

void Compiler::CheckSituation(const Step& step, const std::string& path) {
  context::DecisionContext unused;
  Violations violations;
  NormaliseSituation(strategy_, "customer", step.situation, step.at, unused, violations);
  for (const Violations::Violation& violation : violations.kept()) {
    const std::string name = violation.field == "time" ? "at" : violation.field;
    const std::string field = Field(path, name);
    // What was taken over from the file or from an earlier step is reported there.
    const bool is_inherited = !source_.Has(field) && source_.HasFlawed(name);
    if (is_inherited || source_.HasFlawed(field)) continue;
    const bool has_no_channel = name == "channel" && step.situation.channel.empty();
    Report(field, absl::StrCat(name, " ",
                               has_no_channel ? "is required: one of the strategy, or \"*\" for any"
                                              : violation.description));
  }
}

std::optional<OwnedValue> Compiler::CompileValue(const ValueSchema& schema, std::string_view noun,
                                                 const std::string& name,
                                                 const v1::Literal& literal,
                                                 const std::string& path) {
  const int slot = schema.SlotOf(name);
  if (slot < 0) {
    source_.ReportKey(
        path,
        absl::StrCat("unknown ", ToAbsl(noun), " ", Quoted(name), Suggestion(name, schema.Names())),
        issues_);
    return std::nullopt;
  }
  if (!source_.HasUnflawed(path)) return std::nullopt;
  absl::StatusOr<OwnedValue> value = strategy::ValueOf(literal, schema[slot].type);
  if (value.ok()) return *std::move(value);
  Report(path, absl::StrCat(name, " ", value.status().message()));
  return std::nullopt;
}

void Compiler::AddFeatures(const Map<std::string, v1::Literal>& values, const std::string& path,
                           Step& step) {
  for (const auto& [name, literal] : values) {
    const std::string entry = EntryPath(path, name);
    // What is wrong with the file's own was reported there.
    const std::string inherited = EntryPath("customer", name);
    const bool is_own = source_.Has(entry);
    const int slot = strategy_.features.SlotOf(name);
    if (!is_own && (slot < 0 || source_.HasFlawed(inherited))) continue;
    const auto value =
        CompileValue(strategy_.features, "feature", name, literal, is_own ? entry : inherited);
    if (!value) continue;
    step.features.emplace_back(strategy_.features[slot].number, *value);
  }
  std::sort(step.features.begin(), step.features.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
}

std::optional<uint32_t> Compiler::NumberOf(const context::NameTable& table, std::string_view noun,
                                           const std::string& name, const std::string& path) {
  const int index = table.IndexOf(name);
  if (index >= 0) return table[index].number;
  ReportUnknown(noun, name, table.Names(), path);
  return std::nullopt;
}

std::optional<int> Compiler::TreatmentOf(const std::string& name, const std::string& path) {
  const int index = strategy_.catalog.Find(name);
  if (index >= 0) return index;
  std::vector<std::string_view> names;
  for (const catalog::Treatment& treatment : strategy_.catalog.treatments) {
    names.push_back(treatment.name);
  }
  ReportUnknown("treatment", name, names, path);
  return std::nullopt;
}

void Compiler::AddConsent(const v1::ScenarioConsent& source, const std::string& path, Step& step) {
  SaidConsent said;
  said.granted = source.granted();
  said.time_us = absl::ToUnixMicros(MomentOf(source, step));
  const std::vector<catalog::Purpose>& purposes = strategy_.catalog.purposes;
  const auto purpose =
      std::find_if(purposes.begin(), purposes.end(),
                   [&](const catalog::Purpose& known) { return known.name == source.purpose(); });
  if (purpose != purposes.end()) {
    said.purpose = purpose->number;
  } else if (IsUsable(path, "consent", "purpose")) {
    std::vector<std::string_view> names;
    names.reserve(purposes.size());
    for (const catalog::Purpose& known : purposes) names.push_back(known.name);
    ReportUnknown("purpose", source.purpose(), names, Field(path, "purpose"));
  }
  if (!source.has_granted()) IsUsable(path, "consent", "granted");
  if (!source.channel().empty()) {
    said.channel =
        NumberOf(strategy_.context.channels, "channel", source.channel(), Field(path, "channel"));
  }
  step.consents.push_back(said);
}

void Compiler::AddInteraction(const v1::ScenarioInteraction& source, const std::string& path,
                              Step& step) {
  customer::Interaction interaction;
  interaction.time_ms = absl::ToUnixMillis(MomentOf(source, step));
  if (interaction.time_ms < 0) Report(path, "what happened must not lie before 1970");
  const int outcome = strategy_.outcomes.IndexOf(source.outcome());
  const bool has_none = source.treatment().empty() && strategy_.MayLackTreatment(outcome);
  if (!has_none && IsUsable(path, "interaction", "treatment")) {
    const auto treatment = TreatmentOf(source.treatment(), Field(path, "treatment"));
    if (treatment) {
      interaction.treatment = strategy_.catalog.treatments[static_cast<size_t>(*treatment)].number;
    }
  }
  if (source.outcome() != catalog::kDecidedName && IsUsable(path, "interaction", "outcome")) {
    std::vector<std::string_view> known = strategy_.outcomes.Names();
    known.push_back(catalog::kDecidedName);
    interaction.kind = customer::InteractionKind::kOutcome;
    if (outcome >= 0) interaction.outcome = strategy_.outcomes[outcome].number;
    if (outcome < 0) ReportUnknown("outcome", source.outcome(), known, Field(path, "outcome"));
  }
  const bool has_channel = !source.channel().empty();
  const std::vector<std::string>& open = step.situation.open_channels;
  const std::string& met_on = open.empty() ? step.situation.channel : open.front();
  const std::string& channel = has_channel ? source.channel() : met_on;
  const bool is_anywhere = !has_channel && channel == context::kEveryChannel;
  const int index = is_anywhere ? 0 : strategy_.context.channels.IndexOf(channel);
  if (index >= 0) interaction.channel = strategy_.context.channels[index].number;
  if (index < 0 && has_channel) {
    ReportUnknown("channel", channel, strategy_.context.channels.Names(), Field(path, "channel"));
  }
  step.history.push_back(interaction);
}

void Compiler::AddStop(const v1::ScenarioStop& source, const std::string& path, Step& step) {
  stops::Change stop;
  stop.stopped = !source.lifted();
  stop.by = kStoppedBy;
  stop.because = source.because();
  stop.time_us = absl::ToUnixMicros(step.at);
  switch (source.target_case()) {
    case v1::ScenarioStop::kTreatment:
      stop.target = {stops::Target::Kind::kTreatment, source.treatment()};
      TreatmentOf(source.treatment(), Field(path, "treatment"));
      break;
    case v1::ScenarioStop::kGroup: {
      stop.target = {stops::Target::Kind::kGroup, source.group()};
      if (stops::IsDeclared(stop.target, strategy_.catalog)) break;
      std::vector<std::string_view> names;
      for (const catalog::Group& group : strategy_.catalog.groups) names.push_back(group.name);
      ReportUnknown("group", source.group(), names, Field(path, "group"));
      break;
    }
    case v1::ScenarioStop::TARGET_NOT_SET:
      if (!source_.HasUnflawed(path)) break;
      Report(path, "a stop needs one of the keys treatment, group");
  }
  step.stops.push_back(std::move(stop));
}

RampState Compiler::CompileRamps(const v1::ScenarioRamps& source, const std::string& path,
                                 const RampState& before) {
  RampState ramps = before;
  ramps.evidence.resize(strategy_.catalog.ramps.size());
  for (const auto& [name, evidence] : source.evidence()) {
    const std::string entry = EntryPath(Field(path, "evidence"), name);
    if (evidence < 0) {
      Report(entry, absl::StrCat("evidence must be 0 or more, not ", evidence));
    }
    const auto treatment = TreatmentOf(name, entry);
    if (!treatment) continue;
    const int ramp = strategy_.catalog.treatments[static_cast<size_t>(*treatment)].ramp;
    if (ramp >= 0) {
      ramps.evidence[static_cast<size_t>(ramp)] = evidence;
    } else {
      source_.ReportKey(entry,
                        absl::StrCat("the treatment ", Quoted(name),
                                     " has no ramp; it reaches everybody without evidence"),
                        issues_);
    }
  }
  if (!source.has_place()) return ramps;
  ramps.place = source.place();
  if (!(ramps.place >= 0 && ramps.place < 1)) {
    Report(Field(path, "place"),
           absl::StrCat("place must be at least 0 and less than 1, not ", ramps.place));
  }
  return ramps;
}

Expectation Compiler::CompileExpectation(const v1::Expectation& source, const std::string& path) {
  Expectation expect;
  const auto treatments = [&](const auto& names, const std::string& list) {
    std::vector<int> indexes;
    for (int i = 0; i < names.size(); ++i) {
      if (const auto index = TreatmentOf(names[i], Element(list, i))) indexes.push_back(*index);
    }
    return indexes;
  };
  const std::string ranking = Field(path, "ranking");
  if (source_.Has(ranking)) expect.ranking = treatments(source.ranking(), ranking);
  expect.ranking_line = source_.LineOf(ranking);
  const std::string top = Field(path, "top");
  if (!source.top().empty()) expect.top = TreatmentOf(source.top(), top);
  expect.top_line = source_.LineOf(top);
  const std::string includes = Field(path, "includes");
  expect.includes = treatments(source.includes(), includes);
  expect.includes_line = source_.LineOf(includes);
  for (const auto& [name, rejection] : source.rejected()) {
    const std::string entry = EntryPath(Field(path, "rejected"), name);
    ExpectedRejection expected = CompileRejection(rejection, entry);
    const auto treatment = TreatmentOf(name, entry);
    if (!treatment) continue;
    expected.treatment = *treatment;
    expect.rejected.push_back(std::move(expected));
  }
  std::sort(expect.rejected.begin(), expect.rejected.end(),
            [](const ExpectedRejection& a, const ExpectedRejection& b) {
              return std::tie(a.line, a.treatment) < std::tie(b.line, b.treatment);
            });
  AddChances(source, path, expect);
  AddContent(source, path, expect);
  expect.channels = CompileSpots(source.channels(), "channel", strategy_.context.channels,
                                 Field(path, "channels"));
  expect.placements = CompileSpots(source.placements(), "placement", strategy_.context.placements,
                                   Field(path, "placements"));
  if (source.has_earliest()) {
    expect.earliest = CompileOpportunity(source.earliest(), Field(path, "earliest"));
  }
  return expect;
}

std::vector<ExpectedSpot> Compiler::CompileSpots(const Map<std::string, std::string>& source,
                                                 std::string_view noun,
                                                 const context::NameTable& known,
                                                 const std::string& path) {
  std::vector<ExpectedSpot> spots;
  for (const auto& [name, spot] : source) {
    const std::string entry = EntryPath(path, name);
    const auto treatment = TreatmentOf(name, entry);
    const int index = known.IndexOf(spot);
    if (index < 0) ReportUnknown(noun, spot, known.Names(), entry);
    if (treatment) spots.push_back({*treatment, index, source_.LineOf(entry)});
  }
  std::sort(spots.begin(), spots.end(), [](const ExpectedSpot& a, const ExpectedSpot& b) {
    return std::tie(a.line, a.treatment) < std::tie(b.line, b.treatment);
  });
  return spots;
}

ExpectedOpportunity Compiler::CompileOpportunity(const v1::ExpectedOpportunity& source,
                                                 const std::string& path) {
  ExpectedOpportunity expected;
  expected.line = source_.LineOf(path);
  if (!source.treatment().empty()) {
    expected.treatment = TreatmentOf(source.treatment(), Field(path, "treatment"));
  }
  if (!source.channel().empty()) {
    expected.channel = strategy_.context.channels.IndexOf(source.channel());
    if (*expected.channel < 0) {
      ReportUnknown("channel", source.channel(), strategy_.context.channels.Names(),
                    Field(path, "channel"));
    }
  }
  if (source.has_at()) expected.time_ms = absl::ToUnixMillis(ToTime(source.at()));
  return expected;
}

void Compiler::AddChances(const v1::Expectation& source, const std::string& path,
                          Expectation& expect) {
  for (const auto& [name, chance] : source.chances()) {
    const std::string entry = EntryPath(Field(path, "chances"), name);
    const auto treatment = TreatmentOf(name, entry);
    if (!(chance >= 0 && chance <= 1)) {
      Report(entry, absl::StrCat("a chance must be between 0 and 1, not ", chance));
    }
    if (treatment) expect.chances.push_back({*treatment, chance, source_.LineOf(entry)});
  }
  std::sort(expect.chances.begin(), expect.chances.end(),
            [](const ExpectedChance& a, const ExpectedChance& b) {
              return std::tie(a.line, a.treatment) < std::tie(b.line, b.treatment);
            });
}

void Compiler::AddContent(const v1::Expectation& source, const std::string& path,
                          Expectation& expect) {
  for (const auto& [name, content] : source.content()) {
    const std::string entry = EntryPath(Field(path, "content"), name);
    const auto treatment = TreatmentOf(name, entry);
    if (!treatment) continue;
    ExpectedContent expected{.treatment = *treatment, .fields = {}, .line = source_.LineOf(entry)};
    expected.fields.assign(content.fields().begin(), content.fields().end());
    std::sort(expected.fields.begin(), expected.fields.end());
    expect.content.push_back(std::move(expected));
  }
  std::sort(expect.content.begin(), expect.content.end(),
            [](const ExpectedContent& a, const ExpectedContent& b) {
              return std::tie(a.line, a.treatment) < std::tie(b.line, b.treatment);
            });
}

ExpectedRejection Compiler::CompileRejection(const v1::ExpectedRejection& source,
                                             const std::string& path) {
  ExpectedRejection expected;
  expected.line = source_.LineOf(path);
  expected.rule = source.rule();
  expected.detail = source.detail();
  if (source.has_allowed_from()) {
    expected.allowed_from_ms = absl::ToUnixMillis(ToTime(source.allowed_from()));
  }
  // Written as the reason alone it has no field of that name.
  const std::string reason = Field(path, "reason");
  if (!source.reason().empty()) {
    expected.reason = CompileReason(source.reason(), source_.Has(reason) ? reason : path);
  }
  std::vector<std::string_view> rules;
  rules.reserve(static_cast<size_t>(strategy_.engagement.size()) +
                static_cast<size_t>(strategy_.contact.size()));
  for (int i = 0; i < strategy_.engagement.size(); ++i) {
    rules.push_back(strategy_.engagement[i].name);
  }
  for (int i = 0; i < strategy_.contact.size(); ++i) rules.push_back(strategy_.contact[i].name);
  if (!source.rule().empty() &&
      std::find(rules.begin(), rules.end(), source.rule()) == rules.end()) {
    ReportUnknown("rule or contact policy", source.rule(), rules, Field(path, "rule"));
  }
  return expected;
}

std::optional<candidates::Reason> Compiler::CompileReason(const std::string& name,
                                                          const std::string& path) {
  std::vector<std::string_view> known;
  for (const candidates::Reason reason : candidates::kAllReasons) {
    if (candidates::ReasonName(reason) == name) return reason;
    known.push_back(candidates::ReasonName(reason));
  }
  ReportUnknown("reason", name, known, path);
  return std::nullopt;
}

// Loads one file. Not thread-safe.
class Loader {
 public:
  Loader(const std::string& path, strategy::StrategySources& sources,
         storage::NameDictionary& dictionary, IssueList& issues)
      : path_(path), sources_(sources), dictionary_(dictionary), issues_(issues) {}

  std::optional<ScenarioFile> Load();

 private:
  bool ReadCases();
  std::shared_ptr<const Strategy> ReadStrategy();

  const std::string& path_;
  strategy::StrategySources& sources_;
  storage::NameDictionary& dictionary_;
  IssueList& issues_;
  std::unique_ptr<strategy::YamlDocument> source_;
  v1::ScenarioFile file_;
};

bool Loader::ReadCases() {
  absl::StatusOr<std::string> text = strategy::ReadFile(path_, strategy::kMaxStrategyFileBytes);
  if (!text.ok()) {
    issues_.Add({Issue::Severity::kError,
                 {path_, 0, 0},
                 absl::StrCat("can't read the cases: ", text.status().message()),
                 ""});
    return false;
  }
  source_ = strategy::YamlDocument::Parse(path_, *std::move(text), issues_);
  if (source_ == nullptr) return false;
  strategy::ReadMessage(*source_, file_, issues_);
  return !source_->HasFlawed("");
}

std::shared_ptr<const Strategy> Loader::ReadStrategy() {
  if (file_.strategy().empty()) {
    if (!source_->HasFlawed("strategy")) {
      source_->Report("strategy",
                      "a file of cases needs the key \"strategy\": the file of the strategy that "
                      "they are about, relative to this file's folder",
                      issues_);
    }
    return nullptr;
  }
  namespace fs = std::filesystem;
  const fs::path path = fs::path(path_).parent_path() / file_.strategy();
  std::error_code ignored;
  if (!fs::exists(path, ignored)) {
    source_->Report("strategy",
                    absl::StrCat("there is no file ", Quoted(path.lexically_normal().string())),
                    issues_);
    return nullptr;
  }
  IssueList found;
  std::shared_ptr<const Strategy> strategy =
      strategy::LoadStrategy(path.lexically_normal().string(), sources_, dictionary_, found);
  if (strategy != nullptr) return strategy;
  source_->Report("strategy", "the strategy has errors", issues_);
  for (const Issue& issue : found.issues()) issues_.Add(issue);
  return nullptr;
}

std::optional<ScenarioFile> Loader::Load() {
  const size_t errors_before = issues_.errors();
  if (!ReadCases()) return std::nullopt;
  ScenarioFile result;
  result.path = path_;
  result.strategy = ReadStrategy();
  if (result.strategy != nullptr) {
    result.cases = Compiler(file_, *result.strategy, *source_, issues_).Compile();
  }
  if (issues_.errors() > errors_before) return std::nullopt;
  return result;
}

}  // namespace

std::optional<ScenarioFile> LoadScenarioFile(const std::string& path,
                                             strategy::StrategySources& sources,
                                             storage::NameDictionary& dictionary,
                                             IssueList& issues) {
  auto file = Loader(path, sources, dictionary, issues).Load();
  issues.Sort();
  return file;
}

std::optional<ScenarioFile> LoadScenarioFile(const std::string& path,
                                             storage::NameDictionary& dictionary,
                                             IssueList& issues) {
  strategy::StrategySources sources;
  return LoadScenarioFile(path, sources, dictionary, issues);
}

}  // namespace attune::scenario
