#ifndef ATTUNE_LIB_SCORING_INPUT_TABLE_H_
#define ATTUNE_LIB_SCORING_INPUT_TABLE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/types/span.h"
#include "lib/base/absl_strings.h"
#include "lib/catalog/catalog.h"
#include "lib/context/context_schema.h"
#include "lib/context/decision_context.h"
#include "lib/context/value.h"
#include "lib/context/value_schema.h"

namespace attune::scoring {

class FormulaSource;
struct LearnedModels;

// What a model may look at.
struct Input {
  enum class Source {
    kCustomer,        // customer.<feature>
    kAttribute,       // context.attributes.<attribute>
    kChannel,         // context.channel
    kIntent,          // context.intent, "" when it is not known
    kTreatmentName,   // treatment.name
    kTreatmentGroup,  // treatment.group
  };
  Source source = Source::kCustomer;
  int slot = 0;  // of a feature or an attribute
  ValueType type = ValueType::kString;

  // The same for every candidate of a decision?
  bool of_treatment() const {
    return source == Source::kTreatmentName || source == Source::kTreatmentGroup;
  }
  friend bool operator==(const Input&, const Input&) = default;
};

// The names that inputs are made of: what the strategy declares. Outlives whatever is made with it.
struct InputNames {
  const ValueSchema& features;
  const context::ContextSchema& context;
  const catalog::Catalog& catalog;

  // The input of that name. On an unknown name: nullopt, and `problem` says what would be right.
  std::optional<Input> Find(std::string_view name, std::string& problem) const;
  // The name of the input, as Find takes it.
  std::string NameOf(const Input& input) const;
  // Why the input can't have that category, for inputs whose values are declared names: channels,
  // intents, treatments, groups. Empty: it can.
  std::string CategoryProblem(const Input& input, const std::string& category) const;
};

// The inputs of one decision, encoded once for all models: numbers, and categories as small
// integers. Reused from decision to decision.
struct InputFrame {
  // The value of each numeric input; a bool is 0 or 1, a timestamp the days from it to the moment
  // of the decision, a missing value NaN.
  std::vector<double> numeric;
  // The bucket of each bucketised input: how many of its bounds are at most the number.
  std::vector<int32_t> bucket;
  // The category of each categorical input; 0: not listed by any model.
  std::vector<int32_t> category;
  // The categories of the elements of each multi-valued input.
  std::vector<std::vector<int32_t>> categories;
  // The text of each input that models see as it is; absent: not known. Points to where the values
  // are.
  std::vector<std::optional<std::string_view>> text;
  // What adaptive models had learned when the decision began; nullptr: nothing. As long as the
  // decision.
  const LearnedModels* learned = nullptr;
  // What models that are formulas ask; set while the scoring stage runs, and only where a strategy
  // has such a model.
  FormulaSource* formulas = nullptr;
};

// What a model sees of a value that is not known.
enum class WhenUnknown : uint8_t {
  kDefault,  // the declared default
  kMissing,  // NaN; of a category, the one that is not listed
};

// Which inputs the models of one strategy read, and how categories are numbered. Models add what
// they need while they are created; from then on the table is immutable and thread-safe.
class InputTable {
 public:
  // The index in InputFrame::numeric. REQUIRES: the input is bool, int, double or timestamp and not
  // of the treatment.
  int AddNumeric(const Input& input, WhenUnknown when_unknown = WhenUnknown::kDefault);
  // The index in InputFrame::bucket. Models with the same bounds for an input share it. REQUIRES:
  // as AddNumeric; the bounds increase.
  int AddBuckets(const Input& input, absl::Span<const double> bounds);
  // The index in InputFrame::category, or, for a string list, in InputFrame::categories.
  // REQUIRES: the input is a string, bool, int or string list and not of the treatment.
  int AddCategorical(const Input& input, WhenUnknown when_unknown = WhenUnknown::kDefault);
  // The number, above 0, of a category of the input that AddCategorical returned this index for.
  // `category` is text: `true`, `12`, `fiber`; false when it can't be a value of the input's type.
  bool AddCategory(const Input& input, int index, std::string_view category, int32_t& number);

  // The index in InputFrame::text. REQUIRES: the input is a string and not of the treatment.
  int AddText(const Input& input);

  // All that was added, each input once for each way in which models see it.
  std::vector<Input> Inputs() const;

  // Encodes one decision. REQUIRES: `features` has one value per declared feature.
  void Fill(const context::ContextSchema& schema, const context::DecisionContext& context,
            absl::Span<const ValueRef> features, InputFrame& frame) const;

 private:
  struct Number {
    Input input;
    WhenUnknown when_unknown = WhenUnknown::kDefault;
    friend bool operator==(const Number&, const Number&) = default;
  };
  struct Bucketing {
    Input input;
    std::vector<double> bounds;
  };
  struct Vocabulary {
    Input input;
    WhenUnknown when_unknown = WhenUnknown::kDefault;
    int32_t size = 1;  // 0 is "not listed"
    int32_t of_bool[2] = {0, 0};
    absl::flat_hash_map<int64_t, int32_t> of_int;
    StringMap<int32_t> of_string;
  };
  static int32_t Lookup(const Vocabulary& vocabulary, const ValueRef& value);

  std::vector<Number> numeric_;
  std::vector<Bucketing> bucketised_;
  std::vector<Vocabulary> categorical_;  // single-valued
  std::vector<Vocabulary> multi_valued_;
  std::vector<Input> text_;
};

}  // namespace attune::scoring

#endif  // ATTUNE_LIB_SCORING_INPUT_TABLE_H_
