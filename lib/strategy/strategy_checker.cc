#include "lib/strategy/strategy_checker.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <functional>
#include <numeric>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "lib/base/absl_strings.h"
#include "lib/base/text.h"
#include "lib/context/decision_request.h"
#include "lib/policy/formulas.h"
#include "lib/strategy/adaptive_models.h"
#include "lib/strategy/checker_base.h"
#include "lib/strategy/contact_checker.h"
#include "lib/strategy/engagement_checker.h"
#include "lib/strategy/exploration_checker.h"
#include "lib/strategy/learning_compiler.h"
#include "lib/strategy/literal.h"
#include "lib/strategy/model_file.h"
#include "lib/strategy/on_error.h"
#include "lib/strategy/outcome_terms.h"
#include "lib/strategy/placement_checker.h"
#include "lib/strategy/ramp_checker.h"

namespace attune::strategy {
namespace {

using google::protobuf::RepeatedPtrField;

// By how much a context weight or a lever may lower and raise.
constexpr double kMinPercent = -100;
constexpr double kMaxPercent = 1000;

bool HasControlCharacter(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) {
    return (static_cast<uint8_t>(c) < 0x20 && c != '\n' && c != '\t') || c == 0x7F;
  });
}

class Checker : public CheckerBase {
 public:
  Checker(const v1::Strategy& file, YamlDocument& source, IssueList& issues)
      : CheckerBase(source, issues), file_(file) {}

  bool Check();

 private:
  void CheckDeclarations(const RepeatedPtrField<v1::Declaration>& declarations,
                         std::string_view list, std::string_view noun);
  void CheckModels();
  void CheckSource(const v1::ModelReference& model, const std::string& path);
  void CheckTreatment(const v1::Treatment& treatment, const std::string& path);
  void CheckValidity(const v1::Treatment& treatment, const std::string& path);
  void CheckContent(const v1::Treatment& treatment, const std::string& path);
  void CheckFields(const v1::Content& content, const std::string& path);
  void CheckComputed(const v1::Content& content, const std::string& path);
  void CheckFieldName(const std::string& name, const std::string& path);
  // A field that is written `{computed: EXPRESSION}`, if it is.
  void CheckExpression(const std::string& expression, const std::string& path);
  void CheckPriority();
  void CheckAnswers();
  // The largest of these sizes, in bytes, must fit into one answer together with what is computed,
  // at most so many bytes. Says whether they do.
  bool CheckAnswer(const std::string& path, const std::string& what, std::vector<size_t>& sizes,
                   size_t computed);
  void CheckSituations(const v1::Treatment& treatment, const std::string& path);
  void CheckArbitration();
  void CheckLever(double lever, const std::string& path);
  void CheckContextWeight(const v1::ContextWeight& weight, const std::string& path);

  const v1::Strategy& file_;
  NameIndex groups_, models_, channels_, intents_;
};

bool Checker::Check() {
  CheckName("", file_.name(), "strategy");
  CheckNames(file_.features(), "features", "feature", kMaxFeatures);
  CheckDeclarations(file_.features(), "features", "feature");
  CheckNames(file_.attributes(), "attributes", "attribute", kMaxAttributes);
  CheckDeclarations(file_.attributes(), "attributes", "attribute");
  channels_ = CheckNames(file_.channels(), "channels", "channel", context::kMaxChannels);
  CheckNotEmpty(file_.channels_size(), "channels", "channel");
  intents_ = CheckNames(file_.intents(), "intents", "intent", context::kMaxIntents);
  groups_ = CheckNames(file_.groups(), "groups", "group", kMaxGroups);
  CheckNotEmpty(file_.groups_size(), "groups", "group");
  models_ = CheckNames(file_.models(), "models", "model", kMaxModels);
  CheckNotEmpty(file_.models_size(), "models", "model");
  CheckModels();
  const NameIndex treatments =
      CheckNames(file_.treatments(), "treatments", "treatment", catalog::kMaxTreatments);
  CheckNotEmpty(file_.treatments_size(), "treatments", "treatment");
  for (int i = 0; i < std::min(file_.treatments_size(), catalog::kMaxTreatments); ++i) {
    CheckTreatment(file_.treatments(i), Element("treatments", i));
  }
  CheckAnswers();
  CheckArbitration();
  CheckExplorations(file_, source_, issues_);
  CheckRamps(file_, source_, issues_);
  CheckOutcomeTerms(file_, source_, issues_);
  CheckLearning(file_, source_, issues_);
  if (!CheckPlacements(file_, channels_, groups_, source_, issues_)) compilable_ = false;
  CheckDeclarations(file_.treatment_attributes(), "treatment_attributes", "treatment attribute");
  StringMap<std::string> path_of_policy;
  if (!CheckContact(file_, {groups_, treatments, channels_}, source_, issues_, path_of_policy)) {
    compilable_ = false;
  }
  if (!CheckEngagement(file_, path_of_policy, source_, issues_)) compilable_ = false;
  return compilable_;
}

void Checker::CheckDeclarations(const RepeatedPtrField<v1::Declaration>& declarations,
                                std::string_view list, std::string_view noun) {
  for (int i = 0; i < declarations.size(); ++i) {
    const v1::Declaration& declaration = declarations[i];
    const std::string path = Element(list, i);
    if (declaration.protected_() && noun != "feature") {
      source_.ReportKey(Field(path, "protected"), "only features can be protected", issues_);
    }
    if (declaration.type() == v1::VALUE_TYPE_UNSPECIFIED) {
      IsUsable(path, noun, "type");
      continue;
    }
    const absl::StatusOr<OwnedValue> value =
        ValueOf(declaration.default_(), TypeOf(declaration.type()));
    if (value.ok()) continue;
    Report(Field(path, "default"), absl::StrCat("default ", value.status().message()));
  }
}

void Checker::CheckModels() {
  for (int i = 0; i < file_.models_size(); ++i) {
    CheckSource(file_.models(i), Element("models", i));
  }
  CheckOnErrors(file_, models_, source_, issues_);
  CheckAdaptiveModels(file_, models_, source_, issues_);
}

void Checker::CheckSource(const v1::ModelReference& model, const std::string& path) {
  const std::vector<std::string_view> sources = SourcesOf(model);
  if (sources.size() > 1) {
    Report(Field(path, sources[1]),
           absl::StrCat("a model has either ", ToAbsl(sources[0]), " or ", ToAbsl(sources[1])));
  } else if (sources.empty()) {
    // One that could not be read was reported.
    for (const std::string_view source : kModelSources) {
      if (source_.HasFlawed(Field(path, source))) return;
    }
    if (source_.Has(Field(path, "stored")) && !IsUsable(path, "model", "stored")) return;
    // An empty text is as good as none.
    if (IsUsable(path, "model", "file")) {
      Report(path,
             "a model needs a file, what is stored, a formula, a plugin, a remote server, "
             "adaptive or success_rate");
    }
  }
}

void Checker::CheckTreatment(const v1::Treatment& treatment, const std::string& path) {
  CheckReference(path, "treatment", "group", treatment.group(), groups_);
  CheckReference(path, "treatment", "model", treatment.model(), models_);
  CheckRange(path, "value", treatment.value(), 0, catalog::kMaxMoney);
  CheckRange(path, "cost", treatment.cost(), 0, catalog::kMaxMoney);
  CheckExpression(treatment.computed_value(), Field(path, "value"));
  CheckExpression(treatment.computed_cost(), Field(path, "cost"));
  CheckLever(treatment.lever(), path);
  if (treatment.must_show() && treatment.only_as_fallback()) {
    Report(Field(path, "must_show"),
           "a treatment that is used only_as_fallback can't be one that must be shown");
  }
  CheckValidity(treatment, path);
  CheckContent(treatment, path);
  CheckSituations(treatment, path);
}

void Checker::CheckValidity(const v1::Treatment& treatment, const std::string& path) {
  if (!treatment.has_valid_from() || !treatment.has_valid_until()) return;
  const std::string until = Field(path, "valid_until");
  if (!source_.HasUnflawed(until) || !source_.HasUnflawed(Field(path, "valid_from"))) return;
  const auto moment = [](const google::protobuf::Timestamp& timestamp) {
    return std::tuple(timestamp.seconds(), timestamp.nanos());
  };
  if (moment(treatment.valid_until()) > moment(treatment.valid_from())) return;
  Report(until, absl::StrCat("valid_until must be after valid_from (line ",
                             source_.LineOf(Field(path, "valid_from")),
                             "); the treatment would never be valid"));
}

void Checker::CheckContent(const v1::Treatment& treatment, const std::string& path) {
  const std::string content_path = Field(path, "content");
  if (treatment.content().empty()) {
    if (!IsUsable(path, "treatment", "content")) return;
    Report(content_path, "content needs at least one channel; the treatment can't be shown");
  }
  for (const auto& [channel, content] : treatment.content()) {
    CheckComputed(content, EntryPath(content_path, channel));
    if (IsUndeclared("channel", channel, channels_)) {
      source_.ReportKey(EntryPath(content_path, channel),
                        UnknownName("channel", channel, channels_), issues_);
    }
    CheckFields(content, EntryPath(content_path, channel));
  }
}

void Checker::CheckFields(const v1::Content& content, const std::string& path) {
  if (const int fields = content.fields_size() + content.computed_size();
      fields > kMaxContentFields) {
    Report(path,
           absl::StrCat("a content may have at most ", kMaxContentFields, " fields, not ", fields));
  }
  for (const auto& [name, value] : content.fields()) {
    CheckFieldName(name, path);
    if (value.size() > kMaxContentValueBytes) {
      Report(EntryPath(path, name), absl::StrCat("the text has ", value.size(), " bytes; at most ",
                                                 kMaxContentValueBytes, " are allowed"));
    } else if (HasControlCharacter(value)) {
      Report(EntryPath(path, name), "the text must not contain control characters");
    }
  }
}

void Checker::CheckFieldName(const std::string& name, const std::string& path) {
  if (IsName(name)) return;
  source_.ReportKey(EntryPath(path, name),
                    absl::StrCat("the name of the field ", Quoted(name),
                                 " must be lower_snake: a letter a-z, then letters, digits and"
                                 " underscores, at most ",
                                 kMaxNameBytes, " bytes"),
                    issues_);
}

void Checker::CheckComputed(const v1::Content& content, const std::string& path) {
  for (const auto& [name, expression] : content.computed()) {
    CheckFieldName(name, path);
    CheckExpression(expression, EntryPath(path, name));
  }
}

void Checker::CheckExpression(const std::string& expression, const std::string& path) {
  const std::string field = Field(path, "computed");
  if (expression.empty() && source_.HasUnflawed(field)) {
    Report(field, "computed needs an expression");
  }
}

// An answer may hold as many treatments as a request can ask for, whatever the strategy's default.
void Checker::CheckAnswers() {
  StringMap<std::vector<size_t>> sizes_on_channel;
  StringMap<size_t> computed_on_channel;  // bytes, at most
  std::vector<size_t> largest_sizes;      // by treatment
  size_t computed_on_any = 0;
  for (const v1::Treatment& treatment : file_.treatments()) {
    size_t& largest = largest_sizes.emplace_back(0);
    size_t largest_computed = 0;
    for (const auto& [channel, content] : treatment.content()) {
      size_t size = 0;
      for (const auto& [name, value] : content.fields()) size += name.size() + value.size();
      for (const auto& [name, expression] : content.computed()) size += name.size();
      sizes_on_channel[channel].push_back(size);
      largest = std::max(largest, size);
      const size_t computed =
          static_cast<size_t>(content.computed_size()) * policy::kMaxComputedBytes;
      computed_on_channel[channel] += computed;
      largest_computed = std::max(largest_computed, computed);
    }
    computed_on_any += largest_computed;
  }
  bool fits = true;
  for (auto& [channel, sizes] : sizes_on_channel) {
    const auto found = channels_.find(channel);
    if (found == channels_.end()) continue;
    fits &= CheckAnswer(Element("channels", found->second),
                        absl::StrCat("contents on the channel ", Quoted(channel)), sizes,
                        computed_on_channel[channel]);
  }
  // A request may leave the channel open.
  if (fits) {
    CheckAnswer("channels", "contents of treatments, on any channel,", largest_sizes,
                computed_on_any);
  }
}

bool Checker::CheckAnswer(const std::string& path, const std::string& what,
                          std::vector<size_t>& sizes, size_t computed) {
  const size_t ranked = std::min<size_t>(sizes.size(), context::kMaxWantedTreatments);
  const auto end = sizes.begin() + static_cast<ptrdiff_t>(ranked);
  std::partial_sort(sizes.begin(), end, sizes.end(), std::greater<>());
  const size_t bytes = std::accumulate(sizes.begin(), end, size_t{0}) +
                       std::min(computed, policy::kMaxComputedBytesInAll);
  if (bytes <= kMaxAnswerContentBytes) return true;
  Report(path, absl::StrCat("the ", ranked, " largest ", what, " have ", bytes,
                            " bytes together; at most ", kMaxAnswerContentBytes,
                            " are allowed, for they may be in one answer; shorten them, or give "
                            "the address of what is long"));
  return false;
}

void Checker::CheckSituations(const v1::Treatment& treatment, const std::string& path) {
  const std::string channels = Field(path, "channels");
  CheckReferences(channels, treatment.channels(), "channel", channels_);
  CheckReferences(Field(path, "intents"), treatment.intents(), "intent", intents_);
  for (int i = 0; i < treatment.channels_size(); ++i) {
    const std::string& channel = treatment.channels(i);
    if (!channels_.contains(channel) || treatment.content().contains(channel)) continue;
    if (!source_.HasUnflawed(Element(channels, i)) || treatment.content().empty()) continue;
    Report(Element(channels, i),
           absl::StrCat("channel ", Quoted(channel),
                        " has no content in this treatment; add it or leave the channel out"));
  }
}

void Checker::CheckArbitration() {
  const v1::Arbitration& arbitration = file_.arbitration();
  const std::string path = "arbitration";
  if (arbitration.has_max_treatments()) {
    CheckRange(path, "max_treatments", arbitration.max_treatments(), 1, arbitration::kMaxRanked);
  }
  if (arbitration.has_max_per_group()) {
    CheckRange(path, "max_per_group", arbitration.max_per_group(), 1, arbitration::kMaxRanked);
  }
  CheckRange(path, "min_propensity", arbitration.min_propensity(), 0, 1);
  for (int i = 0; i < file_.groups_size(); ++i) {
    CheckLever(file_.groups(i).lever(), Element("groups", i));
  }
  CheckPriority();
  const std::string weights = Field(path, "context_weights");
  if (arbitration.context_weights_size() > arbitration::kMaxContextWeights) {
    compilable_ = false;
    Report(weights,
           absl::StrCat("context_weights has ", arbitration.context_weights_size(),
                        " entries; at most ", arbitration::kMaxContextWeights, " are allowed"));
    return;
  }
  for (int i = 0; i < arbitration.context_weights_size(); ++i) {
    CheckContextWeight(arbitration.context_weights(i), Element(weights, i));
  }
}

void Checker::CheckPriority() {
  const v1::Arbitration& arbitration = file_.arbitration();
  const std::string path = "arbitration.priority";
  if (arbitration.priority().empty()) {
    if (source_.HasUnflawed(path)) Report(path, "priority needs a formula");
    return;
  }
  if (arbitration.without().empty()) return;
  Report("arbitration.without",
         absl::StrCat("with a formula of the priority (line ", source_.LineOf(path),
                      ") no factor is switched off; leave it out of the formula"));
}

// Answers tell the lever as a factor, so that it is easily written as one.
void Checker::CheckLever(double lever, const std::string& path) {
  constexpr double kLargestLikelyFactor = 5;
  CheckRange(path, "lever", lever, kMinPercent, kMaxPercent);
  std::string instead;
  if (lever > 0 && lever < kLargestLikelyFactor) {
    instead = absl::StrCat(" raises by ", lever, " %; to multiply by ", lever, " write ",
                           (lever - 1) * 100);
  } else if (lever < 0 && lever >= -1) {
    instead = absl::StrCat(" lowers by ", -lever, " %; to lower by ", -lever * 100, " % write ",
                           lever * 100);
  }
  if (instead.empty()) return;
  source_.Warn(Field(path, "lever"), absl::StrCat("lever is in percent: ", lever, instead),
               issues_);
}

void Checker::CheckContextWeight(const v1::ContextWeight& weight, const std::string& path) {
  CheckReference(path, "context weight", "group", weight.group(), groups_);
  CheckReferences(Field(path, "channels"), weight.channels(), "channel", channels_);
  CheckReferences(Field(path, "intents"), weight.intents(), "intent", intents_);
  CheckRange(path, "percent", weight.percent(), kMinPercent, kMaxPercent);
}

// What the treatments of each group and model can be used for.
struct Reach {
  explicit Reach(const Strategy& strategy)
      : model_used(strategy.models.models.size()),
        intents(strategy.catalog.groups.size(), std::vector<context::IntentSet>(static_cast<size_t>(
                                                    strategy.context.channels.size()))) {
    for (const catalog::Treatment& treatment : strategy.catalog.treatments) {
      model_used[static_cast<size_t>(treatment.model)] = true;
      for (size_t channel = 0; channel < treatment.content.size(); ++channel) {
        if (!treatment.channels[channel]) continue;
        intents[static_cast<size_t>(treatment.group)][channel] |= treatment.intents;
        channels.set(channel);
      }
      any_intent |= treatment.intents;
    }
    for (const scoring::NamedModel& model : strategy.models.models) {
      const int fallback = model.on_error.fallback;
      if (fallback >= 0) model_used[static_cast<size_t>(fallback)] = true;
    }
    for (const AdaptiveUse& use : strategy.adaptive) {
      const auto& named = use.treatments;
      if (std::find(named.begin(), named.end(), true) == named.end()) continue;
      model_used[static_cast<size_t>(use.model)] = true;
    }
  }

  // Is there a treatment of the group for one of the channels and one of the intents?
  bool Meets(const arbitration::ContextWeight& weight) const {
    const auto& by_channel = intents[static_cast<size_t>(weight.group)];
    for (size_t channel = 0; channel < by_channel.size(); ++channel) {
      if (weight.channels[channel] && (by_channel[channel] & weight.intents).any()) return true;
    }
    return false;
  }
  bool Meets(size_t group) const {
    const auto& by_channel = intents[group];
    return std::any_of(by_channel.begin(), by_channel.end(),
                       [](const context::IntentSet& set) { return set.any(); });
  }

  std::vector<bool> model_used;
  std::vector<std::vector<context::IntentSet>> intents;  // by group, then channel
  context::ChannelSet channels;
  context::IntentSet any_intent;
};

}  // namespace

bool CheckStrategy(const v1::Strategy& file, YamlDocument& source, IssueList& issues) {
  return Checker(file, source, issues).Check();
}

void WarnOfTheUnused(const v1::Strategy& file, const Strategy& strategy, const YamlDocument& source,
                     IssueList& issues) {
  Reach reach(strategy);
  for (const v1::Score& score : file.scores()) {
    for (int i = 0; i < file.models_size(); ++i) {
      if (file.models(i).name() == score.model()) reach.model_used[static_cast<size_t>(i)] = true;
    }
  }
  const auto warn = [&](std::string_view list, int index, std::string message) {
    source.Warn(Element(list, index), std::move(message), issues);
  };
  for (int i = 0; i < file.models_size(); ++i) {
    if (reach.model_used[static_cast<size_t>(i)]) continue;
    warn("models", i, absl::StrCat("no treatment uses the model \"", file.models(i).name(), "\""));
  }
  for (int i = 0; i < file.groups_size(); ++i) {
    if (reach.Meets(static_cast<size_t>(i))) continue;
    warn("groups", i,
         absl::StrCat("no treatment belongs to the group \"", file.groups(i).name(), "\""));
  }
  for (int i = 0; i < file.channels_size(); ++i) {
    if (reach.channels[static_cast<size_t>(i)]) continue;
    warn("channels", i,
         absl::StrCat("no treatment can be used on the channel \"", file.channels(i).name(), "\""));
  }
  for (int i = 0; i < file.intents_size(); ++i) {
    if (reach.any_intent[static_cast<size_t>(i) + 1]) continue;
    warn("intents", i,
         absl::StrCat("no treatment is for the intent \"", file.intents(i).name(), "\""));
  }
  // A formula of the priority need not multiply by the value.
  const bool needs_values = file.arbitration().priority().empty();
  for (int i = 0; needs_values && i < file.treatments_size(); ++i) {
    const v1::Treatment& treatment = file.treatments(i);
    if (treatment.value() != 0 || source.Has(Field(Element("treatments", i), "value"))) continue;
    warn("treatments", i,
         absl::StrCat("the treatment \"", treatment.name(),
                      "\" has no value, so its priority is never above 0; write what its good "
                      "outcome is worth, such as \"value: 10\""));
  }
  WarnOfEmptyPlacements(file, strategy, source, issues);
  for (int i = 0; i < file.arbitration().context_weights_size(); ++i) {
    const arbitration::ContextWeight& weight =
        strategy.arbitration.context_weights[static_cast<size_t>(i)];
    const std::string_view list = "arbitration.context_weights";
    if (weight.percent == 0) {
      warn(list, i, "a context weight of 0 percent has no effect");
    } else if (!reach.Meets(weight)) {
      warn(list, i,
           absl::StrCat("no treatment of the group \"",
                        file.arbitration().context_weights(i).group(),
                        "\" can be used on these channels with these intents"));
    }
  }
}

}  // namespace attune::strategy
