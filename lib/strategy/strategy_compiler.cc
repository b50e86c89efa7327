#include "lib/strategy/strategy_compiler.h"

#include <algorithm>
#include <limits>
#include <map>
#include <numeric>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "lib/base/absl_strings.h"
#include "lib/strategy/contact_compiler.h"
#include "lib/strategy/learning_compiler.h"
#include "lib/strategy/literal.h"
#include "lib/strategy/outcome_terms.h"
#include "lib/strategy/ramp_compiler.h"

namespace attune::strategy {
namespace {

using google::protobuf::RepeatedPtrField;
using storage::NameKind;

int64_t MicrosOf(const google::protobuf::Timestamp& timestamp) {
  return timestamp.seconds() * 1'000'000 + timestamp.nanos() / 1'000;
}

// Compiles one file. Not thread-safe.
class Compiler {
 public:
  Compiler(const v1::Strategy& file, NumberOfName number_of, ReportExpression report,
           const LoadScoreModel& load)
      : file_(file), number_of_(number_of), report_(report), load_(load) {}

  std::shared_ptr<Strategy> Compile();

 private:
  // Without a kind the values are never stored: their numbers are their places in the list.
  ValueSchema CompileDeclarations(const RepeatedPtrField<v1::Declaration>& declarations,
                                  std::optional<NameKind> kind);
  template <typename Named>
  context::NameTable CompileNames(const RepeatedPtrField<Named>& entries, NameKind kind);
  // The names of the placements, with where they are.
  void CompilePlaces(context::ContextSchema& context);
  // What they take: parallel to the names.
  void CompilePlacements(const context::ContextSchema& context, arbitration::Settings& settings);
  void CompilePurposes(catalog::Catalog& catalog);
  void CompileGroups(catalog::Catalog& catalog);
  void CompileTreatments(const context::ContextSchema& context, catalog::Catalog& catalog);
  catalog::Treatment CompileTreatment(const v1::Treatment& file,
                                      const context::ContextSchema& context);
  arbitration::Settings CompileArbitration(const context::ContextSchema& context,
                                           const catalog::Catalog& catalog);
  void CompileExplorations(arbitration::Settings& settings);

  int GroupOf(std::string_view name) const {
    const auto found = groups_.find(name);
    return found == groups_.end() ? 0 : found->second;
  }

  // -1 when there is none of that name.
  int PurposeOf(std::string_view name) const {
    const auto found = purposes_.find(name);
    return found == purposes_.end() ? -1 : found->second;
  }

  const v1::Strategy& file_;
  NumberOfName number_of_;
  ReportExpression report_;
  const LoadScoreModel& load_;
  StringViewMap<int> purposes_;
  StringViewMap<int> groups_;
  std::vector<int> purpose_of_group_;
  std::vector<double> lever_of_group_;  // percent
  StringViewMap<int> models_;
};

std::shared_ptr<Strategy> Compiler::Compile() {
  auto strategy = std::make_shared<Strategy>();
  strategy->name = file_.name();
  strategy->currency = file_.currency();
  strategy->features = CompileDeclarations(file_.features(), NameKind::kFeature);
  strategy->context.attributes = CompileDeclarations(file_.attributes(), NameKind::kAttribute);
  strategy->context.channels = CompileNames(file_.channels(), NameKind::kChannel);
  strategy->context.intents = CompileNames(file_.intents(), NameKind::kIntent);
  CompilePlaces(strategy->context);
  for (int i = 0; i < file_.models_size(); ++i) models_.try_emplace(file_.models(i).name(), i);
  strategy->outcomes = CompileNames(file_.outcomes(), NameKind::kOutcome);
  for (const v1::Outcome& outcome : file_.outcomes()) {
    strategy->outcome_without_treatment.push_back(outcome.without_treatment());
  }
  CompileOutcomeTerms(file_, *strategy);
  CompilePurposes(strategy->catalog);
  CompileGroups(strategy->catalog);
  CompileTreatments(strategy->context, strategy->catalog);
  strategy->arbitration = CompileArbitration(strategy->context, strategy->catalog);
  strategy->attribution = CompileLearning(file_, *strategy, report_);
  CompileRamps(file_, *strategy);
  strategy->contact = CompileContact(file_, *strategy);
  strategy->treatment_attributes = CompileDeclarations(file_.treatment_attributes(), std::nullopt);
  strategy->engagement = CompileEngagement(file_, *strategy, report_, load_);
  strategy->history = CompileHistory(
      file_.history(),
      std::max(strategy->contact.longest_horizon_ms(), strategy->engagement.longest_window_ms()));
  return strategy;
}

ValueSchema Compiler::CompileDeclarations(const RepeatedPtrField<v1::Declaration>& declarations,
                                          std::optional<NameKind> kind) {
  std::vector<ValueDeclaration> compiled;
  absl::flat_hash_set<std::string> seen;
  for (const v1::Declaration& file : declarations) {
    if (!seen.insert(file.name()).second) continue;
    ValueDeclaration& declaration = compiled.emplace_back();
    declaration.name = file.name();
    declaration.type = TypeOf(file.type());
    absl::StatusOr<OwnedValue> value = ValueOf(file.default_(), declaration.type);
    if (!value.ok()) value = ValueOf(v1::Literal(), declaration.type);
    ValueRef reference = value->ref();
    reference.set_known(false);
    declaration.default_value = OwnedValue(reference);
    declaration.description = file.description();
    declaration.is_protected = file.protected_();
    declaration.number =
        kind ? number_of_(*kind, file.name()) : static_cast<uint32_t>(compiled.size() - 1);
  }
  return ValueSchema(std::move(compiled));
}

template <typename Named>
context::NameTable Compiler::CompileNames(const RepeatedPtrField<Named>& entries, NameKind kind) {
  std::vector<context::NamedEntry> compiled;
  absl::flat_hash_set<std::string> seen;
  for (const Named& entry : entries) {
    if (!seen.insert(entry.name()).second) continue;
    compiled.push_back({entry.name(), number_of_(kind, entry.name())});
  }
  return context::NameTable(std::move(compiled));
}

void Compiler::CompilePurposes(catalog::Catalog& catalog) {
  for (const v1::Purpose& purpose : file_.purposes()) {
    const int index = static_cast<int>(catalog.purposes.size());
    if (!purposes_.try_emplace(purpose.name(), index).second) continue;
    catalog.purposes.push_back({purpose.name(), number_of_(NameKind::kPurpose, purpose.name()),
                                purpose.consent() == v1::CONSENT_OPT_OUT});
  }
}

void Compiler::CompileGroups(catalog::Catalog& catalog) {
  for (const v1::Group& group : file_.groups()) {
    const int index = static_cast<int>(catalog.groups.size());
    if (!groups_.try_emplace(group.name(), index).second) continue;
    purpose_of_group_.push_back(PurposeOf(group.purpose()));
    lever_of_group_.push_back(group.lever());
    catalog.groups.push_back({group.name(), number_of_(NameKind::kGroup, group.name())});
  }
}

// The channels of that name, or all when there are no names.
context::ChannelSet ChannelsOf(const RepeatedPtrField<std::string>& names,
                               const context::ContextSchema& context) {
  context::ChannelSet set;
  if (names.empty()) return set.set();
  for (const std::string& name : names) {
    const int index = context.channels.IndexOf(name);
    if (index >= 0) set.set(static_cast<size_t>(index));
  }
  return set;
}

// The intents of that name; all, and the unknown one, when there are no names.
context::IntentSet IntentsOf(const RepeatedPtrField<std::string>& names,
                             const context::ContextSchema& context) {
  context::IntentSet set;
  if (names.empty()) return set.set();
  for (const std::string& name : names) {
    const int index = context.intents.IndexOf(name);
    if (index >= 0) set.set(static_cast<size_t>(index) + 1);
  }
  return set;
}

void Compiler::CompilePlaces(context::ContextSchema& context) {
  std::vector<context::NamedEntry> names;
  absl::flat_hash_set<std::string> seen;
  for (const v1::Placement& placement : file_.placements()) {
    if (!seen.insert(placement.name()).second) continue;
    names.push_back({placement.name(), 0});
    context.placement_channels.push_back(ChannelsOf(placement.channels(), context));
  }
  context.placements = context::NameTable(std::move(names));
}

void Compiler::CompilePlacements(const context::ContextSchema& context,
                                 arbitration::Settings& settings) {
  settings.placements.resize(static_cast<size_t>(context.placements.size()));
  for (const v1::Placement& file : file_.placements()) {
    const auto index = static_cast<size_t>(context.placements.IndexOf(file.name()));
    arbitration::Placement& placement = settings.placements[index];
    placement.channels = context.placement_channels[index];
    if (file.groups().empty()) placement.groups.set();
    for (const std::string& group : file.groups()) {
      placement.groups.set(static_cast<size_t>(GroupOf(group)));
    }
    if (file.has_max_treatments()) placement.max_treatments = file.max_treatments();
  }
}

catalog::Treatment Compiler::CompileTreatment(const v1::Treatment& file,
                                              const context::ContextSchema& context) {
  catalog::Treatment treatment;
  treatment.name = file.name();
  treatment.number = number_of_(NameKind::kTreatment, file.name());
  treatment.group = GroupOf(file.group());
  const auto model = models_.find(file.model());
  treatment.model = model == models_.end() ? 0 : model->second;
  treatment.purpose = file.purpose().empty()
                          ? purpose_of_group_[static_cast<size_t>(treatment.group)]
                          : PurposeOf(file.purpose());
  treatment.transactional = file.transactional();
  treatment.only_as_fallback = file.only_as_fallback();
  treatment.must_show = file.must_show();
  treatment.explored = !file.no_exploration();
  const double group_lever = lever_of_group_[static_cast<size_t>(treatment.group)];
  treatment.lever = std::max(0.0, 1.0 + (group_lever + file.lever()) / 100.0);
  treatment.value = file.value();
  treatment.cost = file.cost();
  if (file.has_valid_from()) treatment.valid_from_us = MicrosOf(file.valid_from());
  if (file.has_valid_until()) treatment.valid_until_us = MicrosOf(file.valid_until());
  treatment.content.resize(static_cast<size_t>(context.channels.size()));
  context::ChannelSet with_content;
  for (const auto& [channel, content] : file.content()) {
    const int index = context.channels.IndexOf(channel);
    if (index < 0) continue;
    const std::map<std::string, std::string> sorted(content.fields().begin(),
                                                    content.fields().end());
    treatment.content[static_cast<size_t>(index)].emplace(sorted.begin(), sorted.end());
    with_content.set(static_cast<size_t>(index));
  }
  treatment.channels = ChannelsOf(file.channels(), context) & with_content;
  treatment.intents = IntentsOf(file.intents(), context);
  return treatment;
}

void Compiler::CompileTreatments(const context::ContextSchema& context, catalog::Catalog& catalog) {
  catalog.treatments.reserve(static_cast<size_t>(file_.treatments_size()));
  for (const v1::Treatment& treatment : file_.treatments()) {
    const int index = static_cast<int>(catalog.treatments.size());
    if (!catalog.index.try_emplace(treatment.name(), index).second) continue;
    catalog.treatments.push_back(CompileTreatment(treatment, context));
  }
  std::vector<size_t> by_name(catalog.treatments.size());
  std::iota(by_name.begin(), by_name.end(), size_t{0});
  std::sort(by_name.begin(), by_name.end(), [&](size_t a, size_t b) {
    return catalog.treatments[a].name < catalog.treatments[b].name;
  });
  for (size_t rank = 0; rank < by_name.size(); ++rank) {
    catalog.treatments[by_name[rank]].name_rank = static_cast<int>(rank);
  }
}

// REQUIRES: it is a factor, as CheckStrategy has seen.
arbitration::Factor FactorOf(v1::Factor factor) {
  switch (factor) {
    case v1::FACTOR_CONTEXT_WEIGHT:
      return arbitration::Factor::kContextWeight;
    case v1::FACTOR_VALUE:
      return arbitration::Factor::kValue;
    case v1::FACTOR_LEVER:
      return arbitration::Factor::kLever;
    default:
      return arbitration::Factor::kPropensity;
  }
}

arbitration::Settings Compiler::CompileArbitration(const context::ContextSchema& context,
                                                   const catalog::Catalog& catalog) {
  const v1::Arbitration& file = file_.arbitration();
  arbitration::Settings settings;
  if (file.has_max_treatments()) settings.max_treatments = file.max_treatments();
  if (file.has_max_per_group()) settings.max_per_group = file.max_per_group();
  if (file.has_min_propensity()) settings.min_propensity = file.min_propensity();
  if (file.has_min_priority()) settings.min_priority = file.min_priority();
  for (const v1::ContextWeight& weight : file.context_weights()) {
    settings.context_weights.push_back({GroupOf(weight.group()),
                                        ChannelsOf(weight.channels(), context),
                                        IntentsOf(weight.intents(), context), weight.percent()});
  }
  for (const v1::Fallback& fallback : file_.fallbacks()) {
    const int treatment = catalog.Find(fallback.treatment());
    if (treatment < 0) continue;
    settings.fallbacks.push_back({treatment, ChannelsOf(fallback.channels(), context)});
  }
  for (const int factor : file.without()) {
    settings.without.set(static_cast<size_t>(FactorOf(static_cast<v1::Factor>(factor))));
  }
  CompileExplorations(settings);
  CompilePlacements(context, settings);
  return settings;
}

arbitration::Exploration ExplorationOf(const v1::Exploration& file) {
  using Method = arbitration::Exploration::Method;
  arbitration::Exploration exploration;
  exploration.floor = file.floor();
  switch (file.method_case()) {
    case v1::Exploration::kEpsilonGreedy:
      exploration.method = Method::kEpsilonGreedy;
      exploration.epsilon = file.epsilon_greedy().epsilon();
      break;
    case v1::Exploration::kSoftmax:
      exploration.method = Method::kSoftmax;
      exploration.temperature = file.softmax().temperature();
      break;
    case v1::Exploration::kSquareCb:
      exploration.method = Method::kSquareCb;
      exploration.gamma = file.square_cb().gamma();
      break;
    case v1::Exploration::kThompsonSampling:
      exploration.method = Method::kThompson;
      exploration.evidence = file.thompson_sampling().evidence();
      break;
    case v1::Exploration::kNone:
    case v1::Exploration::METHOD_NOT_SET:
      break;
  }
  return exploration;
}

void Compiler::CompileExplorations(arbitration::Settings& settings) {
  settings.explorations.push_back(ExplorationOf(file_.arbitration().exploration()));
  settings.exploration_of_group.assign(groups_.size(), 0);
  for (const v1::Group& group : file_.groups()) {
    if (!group.has_exploration()) continue;
    settings.exploration_of_group[static_cast<size_t>(GroupOf(group.name()))] =
        static_cast<int>(settings.explorations.size());
    settings.explorations.push_back(ExplorationOf(group.exploration()));
  }
  const bool explores = std::any_of(
      settings.explorations.begin(), settings.explorations.end(), [](const auto& exploration) {
        return exploration.method != arbitration::Exploration::Method::kNone;
      });
  if (explores) return;
  // Decisions needn't look.
  settings.explorations.clear();
  settings.exploration_of_group.clear();
}

}  // namespace

std::shared_ptr<Strategy> CompileStrategy(const v1::Strategy& file, NumberOfName number_of,
                                          ReportExpression report, const LoadScoreModel& load) {
  return Compiler(file, number_of, report, load).Compile();
}

}  // namespace attune::strategy
