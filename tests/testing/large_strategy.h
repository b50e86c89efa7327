#ifndef ATTUNE_TESTS_TESTING_LARGE_STRATEGY_H_
#define ATTUNE_TESTS_TESTING_LARGE_STRATEGY_H_

#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "lib/context/value_codec.h"
#include "lib/strategy/strategy.h"
#include "tests/testing/strategy_builder.h"

namespace attune::testing {

inline constexpr int kLargeFeatures = 40;
inline constexpr int kLargeTreatments = 50;
inline constexpr int kLargeTerms = 40;
inline constexpr int kLargeCategories = 6;
inline constexpr int kLargeChannels = 4;
inline constexpr int kLargeIntents = 10;

// The type of the i-th feature: of 40, 20 are doubles, 8 ints, 4 bools, 4 strings, 2 timestamps and
// 2 lists.
inline strategy::v1::ValueType LargeFeatureType(int i) {
  switch (i % 20) {
    case 1:
    case 6:
    case 11:
    case 16:
      return strategy::v1::VALUE_TYPE_INT;
    case 3:
    case 13:
      return strategy::v1::VALUE_TYPE_BOOL;
    case 5:
    case 15:
      return strategy::v1::VALUE_TYPE_STRING;
    case 8:
      return strategy::v1::VALUE_TYPE_TIMESTAMP;
    case 18:
      return strategy::v1::VALUE_TYPE_STRING_LIST;
    default:
      return strategy::v1::VALUE_TYPE_DOUBLE;
  }
}

// A logistic model with one term for nearly every feature and one for the treatment.
inline strategy::v1::Model LargeModel(std::mt19937_64& random) {
  strategy::v1::Model model;
  strategy::v1::LinearModel* linear = model.mutable_linear();
  const auto weight = [&] { return static_cast<double>(random() % 1000) / 2000 - 0.25; };
  linear->set_link(strategy::v1::LINK_LOGISTIC);
  linear->set_intercept(weight());
  for (int i = 0; i + 1 < kLargeTerms; ++i) {
    strategy::v1::LinearTerm* term = linear->add_terms();
    term->set_input("customer.feature_" + std::to_string(i));
    switch (LargeFeatureType(i)) {
      case strategy::v1::VALUE_TYPE_STRING:
      case strategy::v1::VALUE_TYPE_STRING_LIST:
        for (int c = 0; c < kLargeCategories; ++c) {
          (*term->mutable_one_hot()->mutable_weights())["category_" + std::to_string(c)] = weight();
        }
        break;
      case strategy::v1::VALUE_TYPE_INT:
        for (int b = 0; b < 5; ++b) term->mutable_buckets()->add_bounds(20 * b);
        for (int b = 0; b < 6; ++b) term->mutable_buckets()->add_weights(weight());
        break;
      default:
        term->mutable_numeric()->set_weight(weight());
        term->mutable_numeric()->set_mean(50);
        term->mutable_numeric()->set_scale(29);
    }
  }
  strategy::v1::LinearTerm* term = linear->add_terms();
  term->set_input("treatment.name");
  for (int t = 0; t < kLargeTreatments; ++t) {
    (*term->mutable_one_hot()->mutable_weights())["treatment_" + std::to_string(t)] = weight();
  }
  return model;
}

// What of the large strategy is a formula.
struct LargeFormulas {
  bool models = false;  // all of them
  bool priority = false;
  bool values = false;  // of all treatments: less by 1 on all channels but the first
};

// As large as the service is meant for: 40 features, 50 treatments, `models` models of 40 terms
// each. All treatments have content on all channels; every tenth is for one intent only.
inline std::shared_ptr<strategy::Strategy> BuildLargeStrategy(StrategyBuilder& builder, int models,
                                                              const LargeFormulas& formulas = {}) {
  std::mt19937_64 random(42);
  strategy::v1::Strategy file;
  file.set_name("large");
  for (int i = 0; i < kLargeFeatures; ++i) {
    strategy::v1::Declaration* feature = file.add_features();
    feature->set_name("feature_" + std::to_string(i));
    feature->set_type(LargeFeatureType(i));
  }
  for (int i = 0; i < 4; ++i) {
    strategy::v1::Declaration* attribute = file.add_attributes();
    attribute->set_name("attribute_" + std::to_string(i));
    attribute->set_type(strategy::v1::VALUE_TYPE_DOUBLE);
  }
  for (int i = 0; i < kLargeChannels; ++i) {
    file.add_channels()->set_name("channel_" + std::to_string(i));
  }
  for (int i = 0; i < kLargeIntents; ++i) {
    file.add_intents()->set_name("intent_" + std::to_string(i));
  }
  for (const char* group : {"resolution", "care", "offer"}) file.add_groups()->set_name(group);
  std::vector<strategy::v1::Model> model_files;
  for (int i = 0; i < models; ++i) {
    file.add_models()->set_name("model_" + std::to_string(i));
    if (formulas.models) {
      file.mutable_models(i)->set_formula("(customer.feature_0 + customer.feature_2) / " +
                                          std::to_string(400 + i) +
                                          ".0 + (treatment.group == 'offer' ? 0.1 : 0.2)");
    } else {
      model_files.push_back(LargeModel(random));
    }
  }
  for (int i = 0; i < kLargeTreatments; ++i) {
    strategy::v1::Treatment* treatment = file.add_treatments();
    treatment->set_name("treatment_" + std::to_string(i));
    treatment->set_group(file.groups(i % 3).name());
    treatment->set_model("model_" + std::to_string(i % models));
    const auto value = 50 + random() % 200;
    treatment->set_value(static_cast<double>(value));
    if (formulas.values) {
      treatment->set_computed_value(std::to_string(value) +
                                    ".0 - (context.channel == 'channel_0' ? 0.0 : 1.0)");
    }
    treatment->set_cost(static_cast<double>(random() % 10));
    for (int c = 0; c < kLargeChannels; ++c) {
      auto& fields =
          *(*treatment->mutable_content())["channel_" + std::to_string(c)].mutable_fields();
      fields["title"] = "A title of usual length";
      fields["text"] = "What the customer reads or hears, a sentence or two of it.";
    }
    if (i % 10 == 9) treatment->add_intents("intent_1");
  }
  for (int i = 0; i < 6; ++i) {
    strategy::v1::ContextWeight* weight = file.mutable_arbitration()->add_context_weights();
    weight->set_group(file.groups(i % 3).name());
    weight->add_intents("intent_" + std::to_string(i));
    weight->set_percent(10 * i - 20);
  }
  if (formulas.priority) {
    file.mutable_arbitration()->set_priority(
        "propensity * context_weight * value * lever - cost + (customer.feature_4 > 50.0 ? 1.0 : "
        "0.0)");
  }
  return builder.Build(file, model_files);
}

// What a customer's record holds about all 40 features, drawn from the seed.
inline std::string LargeFeatures(const strategy::Strategy& strategy, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::map<uint32_t, OwnedValue> by_number;
  for (int slot = 0; slot < strategy.features.size(); ++slot) {
    const auto number = static_cast<int64_t>(random() % 100);
    const std::string category = "category_" + std::to_string(number % kLargeCategories);
    std::string list;
    for (int i = 0; i < 2; ++i) AppendListElement(list, category);
    OwnedValue& value = by_number[strategy.features[slot].number];
    switch (strategy.features[slot].type) {
      case ValueType::kBool:
        value = OwnedValue(ValueRef::Bool(number % 2 == 0));
        break;
      case ValueType::kInt:
        value = OwnedValue(ValueRef::Int(number));
        break;
      case ValueType::kDouble:
        value = OwnedValue(ValueRef::Double(static_cast<double>(number) + 0.25));
        break;
      case ValueType::kString:
        value = OwnedValue(ValueRef::String(category));
        break;
      case ValueType::kTimestamp:
        value = OwnedValue(ValueRef::Timestamp(1'770'000'000'000'000 + number * 86'400'000'000));
        break;
      case ValueType::kStringList:
        value = OwnedValue(ValueRef::StringList(list));
        break;
    }
  }
  std::string features;
  for (const auto& [number, value] : by_number) AppendValue(features, number, value.ref());
  return features;
}

}  // namespace attune::testing

#endif  // ATTUNE_TESTS_TESTING_LARGE_STRATEGY_H_
