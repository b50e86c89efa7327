#include "lib/scoring/input_table.h"

#include <algorithm>
#include <iterator>
#include <limits>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "lib/base/text.h"

namespace attune::scoring {
namespace {

constexpr std::string_view kCustomerPrefix = "customer.";
constexpr std::string_view kAttributePrefix = "context.attributes.";
constexpr double kMicrosPerDay = 86'400.0 * 1e6;

struct FixedInput {
  std::string_view name;
  Input::Source source;
};
constexpr FixedInput kFixedInputs[] = {
    {"context.channel", Input::Source::kChannel},
    {"context.intent", Input::Source::kIntent},
    {"treatment.name", Input::Source::kTreatmentName},
    {"treatment.group", Input::Source::kTreatmentGroup},
};

std::optional<Input> FindDeclared(const ValueSchema& schema, Input::Source source,
                                  std::string_view prefix, std::string_view name,
                                  std::string& problem) {
  const int slot = schema.SlotOf(name);
  if (slot >= 0) return Input{source, slot, schema[slot].type};
  const bool feature = source == Input::Source::kCustomer;
  problem = absl::StrCat("unknown ", feature ? "feature " : "attribute ", Quoted(name));
  const std::string meant = DidYouMean(name, schema.Names(), prefix);
  problem += meant;
  if (meant.empty()) {
    absl::StrAppend(&problem, "; declare it under ", feature ? "features" : "attributes");
  }
  return std::nullopt;
}

double NumberOf(const ValueRef& value, int64_t now_us) {
  switch (value.type()) {
    case ValueType::kDouble:
      return value.double_value();
    case ValueType::kTimestamp:
      // The difference of two doubles, not of two integers: it can't overflow.
      return (static_cast<double>(now_us) - static_cast<double>(value.timestamp_us())) /
             kMicrosPerDay;
    default:
      return static_cast<double>(value.int_value());  // bool and int
  }
}

// How many bounds are at most x. Few bounds are counted without a branch: where x lies among them
// can't be predicted.
int32_t BucketOf(const std::vector<double>& bounds, double x) {
  constexpr size_t kFew = 16;
  if (bounds.size() > kFew) {
    return static_cast<int32_t>(std::upper_bound(bounds.begin(), bounds.end(), x) - bounds.begin());
  }
  int32_t bucket = 0;
  for (const double bound : bounds) bucket += bound <= x ? 1 : 0;
  return bucket;
}

}  // namespace

std::optional<Input> InputNames::Find(std::string_view name, std::string& problem) const {
  if (name.starts_with(kCustomerPrefix)) {
    return FindDeclared(features, Input::Source::kCustomer, kCustomerPrefix,
                        name.substr(kCustomerPrefix.size()), problem);
  }
  if (name.starts_with(kAttributePrefix)) {
    return FindDeclared(context.attributes, Input::Source::kAttribute, kAttributePrefix,
                        name.substr(kAttributePrefix.size()), problem);
  }
  for (const FixedInput& fixed : kFixedInputs) {
    if (fixed.name == name) return Input{fixed.source, 0, ValueType::kString};
  }
  problem = absl::StrCat("unknown input ", Quoted(name),
                         "; an input is customer.<feature>, context.attributes.<attribute>, "
                         "context.channel, context.intent, treatment.name or treatment.group");
  return std::nullopt;
}

std::string InputNames::NameOf(const Input& input) const {
  if (input.source == Input::Source::kCustomer) {
    return absl::StrCat(ToAbsl(kCustomerPrefix), features[input.slot].name);
  }
  if (input.source == Input::Source::kAttribute) {
    return absl::StrCat(ToAbsl(kAttributePrefix), context.attributes[input.slot].name);
  }
  for (const FixedInput& fixed : kFixedInputs) {
    if (fixed.source == input.source) return std::string(fixed.name);
  }
  return "";
}

std::string InputNames::CategoryProblem(const Input& input, const std::string& category) const {
  const auto unknown = [&](std::string_view kind, const auto& known) {
    return absl::StrCat("unknown ", ToAbsl(kind), " ", Quoted(category),
                        Suggestion(category, known));
  };
  const auto name_of = [](const auto& declared) { return std::string_view(declared.name); };
  const auto names_of = [&](const auto& list) {
    std::vector<std::string_view> names;
    std::transform(list.begin(), list.end(), std::back_inserter(names), name_of);
    return names;
  };
  switch (input.source) {
    case Input::Source::kChannel:
      if (context.channels.IndexOf(category) >= 0) return "";
      return unknown("channel", context.channels.Names());
    case Input::Source::kIntent:
      // The empty one is an intent that is not known.
      if (category.empty() || context.intents.IndexOf(category) >= 0) return "";
      return unknown("intent", context.intents.Names());
    case Input::Source::kTreatmentName:
      if (catalog.Find(category) >= 0) return "";
      return unknown("treatment", names_of(catalog.treatments));
    case Input::Source::kTreatmentGroup: {
      const std::vector<std::string_view> groups = names_of(catalog.groups);
      if (std::find(groups.begin(), groups.end(), category) != groups.end()) return "";
      return unknown("group", groups);
    }
    default:
      return "";
  }
}

int InputTable::AddNumeric(const Input& input, WhenUnknown when_unknown) {
  const Number number{input, when_unknown};
  for (size_t i = 0; i < numeric_.size(); ++i) {
    if (numeric_[i] == number) return static_cast<int>(i);
  }
  numeric_.push_back(number);
  return static_cast<int>(numeric_.size()) - 1;
}

int InputTable::AddBuckets(const Input& input, absl::Span<const double> bounds) {
  for (size_t i = 0; i < bucketised_.size(); ++i) {
    if (bucketised_[i].input == input && absl::MakeConstSpan(bucketised_[i].bounds) == bounds) {
      return static_cast<int>(i);
    }
  }
  bucketised_.push_back({input, {bounds.begin(), bounds.end()}});
  return static_cast<int>(bucketised_.size()) - 1;
}

int InputTable::AddCategorical(const Input& input, WhenUnknown when_unknown) {
  auto& vocabularies = input.type == ValueType::kStringList ? multi_valued_ : categorical_;
  for (size_t i = 0; i < vocabularies.size(); ++i) {
    if (vocabularies[i].input == input && vocabularies[i].when_unknown == when_unknown) {
      return static_cast<int>(i);
    }
  }
  Vocabulary& added = vocabularies.emplace_back();
  added.input = input;
  added.when_unknown = when_unknown;
  return static_cast<int>(vocabularies.size()) - 1;
}

bool InputTable::AddCategory(const Input& input, int index, std::string_view category,
                             int32_t& number) {
  auto& vocabularies = input.type == ValueType::kStringList ? multi_valued_ : categorical_;
  Vocabulary& vocabulary = vocabularies[static_cast<size_t>(index)];
  int32_t* entry = nullptr;
  if (input.type == ValueType::kBool) {
    if (category != "true" && category != "false") return false;
    entry = &vocabulary.of_bool[category == "true"];
  } else if (input.type == ValueType::kInt) {
    int64_t value = 0;
    if (!absl::SimpleAtoi(ToAbsl(category), &value)) return false;
    entry = &vocabulary.of_int[value];
  } else {
    entry = &vocabulary.of_string[std::string(category)];
  }
  if (*entry == 0) *entry = vocabulary.size++;
  number = *entry;
  return true;
}

int InputTable::AddText(const Input& input) {
  const auto known = std::find(text_.begin(), text_.end(), input);
  if (known != text_.end()) return static_cast<int>(known - text_.begin());
  text_.push_back(input);
  return static_cast<int>(text_.size()) - 1;
}

std::vector<Input> InputTable::Inputs() const {
  std::vector<Input> inputs;
  inputs.reserve(numeric_.size() + bucketised_.size() + categorical_.size() + multi_valued_.size() +
                 text_.size());
  for (const Number& number : numeric_) inputs.push_back(number.input);
  for (const Bucketing& bucketing : bucketised_) inputs.push_back(bucketing.input);
  for (const Vocabulary& vocabulary : categorical_) inputs.push_back(vocabulary.input);
  for (const Vocabulary& vocabulary : multi_valued_) inputs.push_back(vocabulary.input);
  inputs.insert(inputs.end(), text_.begin(), text_.end());
  return inputs;
}

int32_t InputTable::Lookup(const Vocabulary& vocabulary, const ValueRef& value) {
  if (!value.known() && vocabulary.when_unknown == WhenUnknown::kMissing) return 0;
  if (value.type() == ValueType::kBool) return vocabulary.of_bool[value.bool_value()];
  if (value.type() == ValueType::kInt) {
    const auto it = vocabulary.of_int.find(value.int_value());
    return it == vocabulary.of_int.end() ? 0 : it->second;
  }
  const auto it = vocabulary.of_string.find(value.string_value());
  return it == vocabulary.of_string.end() ? 0 : it->second;
}

void InputTable::Fill(const context::ContextSchema& schema, const context::DecisionContext& context,
                      absl::Span<const ValueRef> features, InputFrame& frame) const {
  const auto value_of = [&](const Input& input) {
    switch (input.source) {
      case Input::Source::kCustomer:
        return features[static_cast<size_t>(input.slot)];
      case Input::Source::kAttribute:
        return context.attributes[static_cast<size_t>(input.slot)];
      case Input::Source::kChannel:
        return ValueRef::String(schema.channels[context.channel].name);
      default:
        return ValueRef::String(schema.IntentName(context.intent));
    }
  };
  frame.numeric.resize(numeric_.size());
  for (size_t i = 0; i < numeric_.size(); ++i) {
    const ValueRef value = value_of(numeric_[i].input);
    const bool is_missing = !value.known() && numeric_[i].when_unknown == WhenUnknown::kMissing;
    frame.numeric[i] =
        is_missing ? std::numeric_limits<double>::quiet_NaN() : NumberOf(value, context.time_us);
  }
  frame.bucket.resize(bucketised_.size());
  for (size_t i = 0; i < bucketised_.size(); ++i) {
    frame.bucket[i] =
        BucketOf(bucketised_[i].bounds, NumberOf(value_of(bucketised_[i].input), context.time_us));
  }
  frame.category.resize(categorical_.size());
  for (size_t i = 0; i < categorical_.size(); ++i) {
    frame.category[i] = Lookup(categorical_[i], value_of(categorical_[i].input));
  }
  frame.categories.resize(multi_valued_.size());
  for (size_t i = 0; i < multi_valued_.size(); ++i) {
    frame.categories[i].clear();
    const ValueRef list = value_of(multi_valued_[i].input);
    if (!list.known() && multi_valued_[i].when_unknown == WhenUnknown::kMissing) continue;
    list.ForEachElement([&](std::string_view element) {
      frame.categories[i].push_back(Lookup(multi_valued_[i], ValueRef::String(element)));
    });
  }
  frame.text.resize(text_.size());
  for (size_t i = 0; i < text_.size(); ++i) {
    const ValueRef value = value_of(text_[i]);
    const bool is_no_intent =
        text_[i].source == Input::Source::kIntent && context.intent == context::kUnknownIntent;
    frame.text[i].reset();
    if (value.known() && !is_no_intent) frame.text[i] = value.string_value();
  }
}

}  // namespace attune::scoring
