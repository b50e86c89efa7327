#ifndef ATTUNE_TESTS_TESTING_STRATEGY_BUILDER_H_
#define ATTUNE_TESTS_TESTING_STRATEGY_BUILDER_H_

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "attune/strategy/v1/model.pb.h"
#include "attune/strategy/v1/strategy.pb.h"
#include "google/protobuf/text_format.h"
#include "lib/base/absl_strings.h"
#include "lib/scoring/model_factory.h"
#include "lib/storage/name_dictionary.h"
#include "lib/strategy/formula_compiler.h"
#include "lib/strategy/score_models.h"
#include "lib/strategy/strategy.h"
#include "lib/strategy/strategy_compiler.h"

namespace attune::testing {

// The message of a text in protobuf's text format; ends the test program when it can't be parsed.
template <typename Message>
Message FromText(const std::string& text) {
  Message message;
  if (!google::protobuf::TextFormat::ParseFromString(text, &message)) {
    std::fprintf(stderr, "not a %s:\n%s\n", message.GetTypeName().c_str(), text.c_str());
    std::abort();
  }
  return message;
}

// Compiles strategies for tests, without YAML and without files: `file` as it would be read, the
// models in the order of file.models(), without those that are formulas. Names keep their numbers
// from one strategy to the next, as in a store. What is wrong with a strategy or a model ends the
// test program. Not thread-safe.
class StrategyBuilder {
 public:
  std::shared_ptr<strategy::Strategy> Build(const strategy::v1::Strategy& file,
                                            const std::vector<strategy::v1::Model>& models) {
    std::shared_ptr<strategy::Strategy> strategy = strategy::CompileStrategy(
        file,
        [this](storage::NameKind kind, std::string_view name) -> uint32_t {
          return *dictionary_.Intern(kind, name);
        },
        [](const std::string& path, size_t offset, Issue::Severity severity,
           const std::string& message) {
          if (severity == Issue::Severity::kWarning) return;
          std::fprintf(stderr, "%s at %zu: %s\n", path.c_str(), offset, message.c_str());
          std::abort();
        },
        [&](int index, const scoring::InputNames& names) {
          return ScoreModelOf(file, models, index, names);
        });
    strategy->version = strategy->name + "@0123456789ab";
    const scoring::InputNames names{strategy->features, strategy->context, strategy->catalog};
    auto model = models.begin();
    for (int i = 0; i < file.models_size(); ++i) {
      const std::string& name = file.models(i).name();
      if (!file.models(i).formula().empty()) {
        strategy->models.models.push_back(*strategy::MakeFormulaModel(file, i, *strategy));
        continue;
      }
      if (model == models.end()) break;
      strategy->models.models.push_back(
          {name, name + "@ba9876543210",
           scoring::CreateModel(*model++, names, strategy->models.inputs,
                                [&](std::string_view path, const std::string& message) {
                                  std::fprintf(stderr, "%s: %s: %s\n", name.c_str(),
                                               std::string(path).c_str(), message.c_str());
                                  std::abort();
                                })});
    }
    return strategy;
  }

  std::shared_ptr<strategy::Strategy> BuildFromText(const std::string& file,
                                                    const std::vector<std::string>& models) {
    std::vector<strategy::v1::Model> parsed;
    for (const std::string& model : models) parsed.push_back(FromText<strategy::v1::Model>(model));
    return Build(FromText<strategy::v1::Strategy>(file), parsed);
  }

  // The model with this index of the file, to give a score.
  static std::optional<strategy::ScoreModel> ScoreModelOf(
      const strategy::v1::Strategy& file, const std::vector<strategy::v1::Model>& models, int index,
      const scoring::InputNames& names) {
    size_t place = 0;
    for (int i = 0; i < index; ++i) place += file.models(i).formula().empty() ? 1 : 0;
    if (place >= models.size()) return std::nullopt;
    strategy::ScoreModel loaded;
    loaded.hash = models[place].SerializeAsString();
    loaded.model = scoring::CreateModel(
        models[place], names, loaded.inputs, [](std::string_view path, const std::string& message) {
          std::fprintf(stderr, "%s: %s\n", std::string(path).c_str(), message.c_str());
          std::abort();
        });
    return loaded;
  }

  const storage::NameDictionary& dictionary() const { return dictionary_; }
  storage::NameDictionary& dictionary() { return dictionary_; }

 private:
  storage::NameDictionary dictionary_;
};

// A strategy as small as one can be that has something of everything: two channels, two intents,
// three groups, features of every type (income is protected), four treatments of which `upgrade`
// has no content on the ivr and is for browsing only.
inline constexpr char kSmallStrategy[] = R"pb(
  name: "small"
  currency: "EUR"
  features { name: "vip" type: VALUE_TYPE_BOOL }
  features {
    name: "tenure_months"
    type: VALUE_TYPE_INT
    default { int_value: 12 }
  }
  features {
    name: "monthly_charges"
    type: VALUE_TYPE_DOUBLE
    default { double_value: 20 }
    description: "What the customer pays per month."
  }
  features {
    name: "plan"
    type: VALUE_TYPE_STRING
    default { string_value: "basic" }
  }
  features { name: "since" type: VALUE_TYPE_TIMESTAMP }
  features { name: "interests" type: VALUE_TYPE_STRING_LIST }
  features { name: "income" type: VALUE_TYPE_DOUBLE protected: true }
  attributes { name: "wait_s" type: VALUE_TYPE_DOUBLE }
  attributes {
    name: "topic"
    type: VALUE_TYPE_STRING
    default { string_value: "none" }
  }
  channels { name: "app" }
  channels { name: "ivr" }
  intents { name: "report_outage" }
  intents { name: "browse_plans" }
  groups { name: "resolution" }
  groups { name: "care" }
  groups { name: "offer" }
  models { name: "solve" file: "solve.yaml" }
  models { name: "sell" file: "sell.yaml" }
  treatments {
    name: "fast_callback"
    group: "resolution"
    value: 100
    cost: 5
    model: "solve"
    content {
      key: "app"
      value { fields { key: "text" value: "We call you back." } }
    }
    content {
      key: "ivr"
      value { fields { key: "queue" value: "fast" } }
    }
  }
  treatments {
    name: "goodwill_credit"
    group: "care"
    value: 60
    cost: 10
    model: "solve"
    content {
      key: "app"
      value {
        fields { key: "title" value: "Sorry" }
        fields { key: "text" value: "10 EUR back." }
      }
    }
    content {
      key: "ivr"
      value { fields { key: "prompt" value: "credit" } }
    }
  }
  treatments {
    name: "upgrade"
    group: "offer"
    value: 200
    cost: 1
    model: "sell"
    content {
      key: "app"
      value { fields { key: "text" value: "More for less." } }
    }
    intents: "browse_plans"
  }
  treatments {
    name: "accessory"
    group: "offer"
    value: 30
    cost: 1
    model: "sell"
    content {
      key: "app"
      value { fields { key: "text" value: "A new cable?" } }
    }
    content {
      key: "ivr"
      value { fields { key: "prompt" value: "cable" } }
    }
  }
  arbitration {
    max_treatments: 2
    context_weights { group: "resolution" intents: "report_outage" percent: 50 }
  }
)pb";

inline constexpr char kSolveModel[] = R"pb(
  linear {
    link: LINK_LOGISTIC
    intercept: 2.5
    terms {
      input: "customer.monthly_charges"
      numeric { weight: 0.25 mean: 20 scale: 10 }
    }
    terms {
      input: "customer.income"
      numeric { weight: 1.5 mean: 1000 scale: 1000 }
    }
    terms {
      input: "context.attributes.wait_s"
      buckets { bounds: 60 weights: 0 weights: 0.75 }
    }
    terms {
      input: "treatment.group"
      one_hot { weights { key: "care" value: -0.5 } }
    }
  }
)pb";

inline constexpr char kSellModel[] = R"pb(
  linear {
    link: LINK_LOGISTIC
    intercept: -1
    terms {
      input: "customer.plan"
      one_hot {
        weights { key: "basic" value: 0.5 }
        weights { key: "premium" value: -2 }
        other: -1
      }
    }
    terms {
      input: "customer.vip"
      numeric { weight: 0.3 }
    }
    terms {
      input: "context.intent"
      one_hot { weights { key: "browse_plans" value: 1 } }
    }
  }
)pb";

inline std::shared_ptr<strategy::Strategy> BuildSmallStrategy(StrategyBuilder& builder) {
  return builder.BuildFromText(kSmallStrategy, {kSolveModel, kSellModel});
}

}  // namespace attune::testing

#endif  // ATTUNE_TESTS_TESTING_STRATEGY_BUILDER_H_
