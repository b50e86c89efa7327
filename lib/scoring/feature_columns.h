#ifndef ATTUNE_LIB_SCORING_FEATURE_COLUMNS_H_
#define ATTUNE_LIB_SCORING_FEATURE_COLUMNS_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "attune/strategy/v1/strategy.pb.h"
#include "google/protobuf/repeated_ptr_field.h"
#include "lib/catalog/catalog.h"
#include "lib/scoring/input_table.h"
#include "lib/scoring/model_factory.h"

namespace attune::scoring {

// Most columns of a model that the strategy lists all inputs of.
inline constexpr int kMaxListedColumns = 10'000;

// What a model that takes rows of numbers sees of a decision: which input each of its columns is.
// What is not known of a customer is a missing value, NaN. Made by FeatureColumnsBuilder; immutable
// from then on, thread-safe.
class FeatureColumns {
 public:
  size_t size() const { return columns_.size(); }
  // The input of a column that is used.
  const Input& input(size_t column) const { return columns_[column].input; }

  // Whether treatments are told apart: if not, one row stands for all of them.
  bool of_treatment() const { return !of_treatment_.empty(); }

  // Whether a column depends on the channel of the decision.
  bool of_channel() const;

  // Writes a row for each treatment, or one for all of them, and returns how many. Allocates
  // nothing once `rows` is warm. REQUIRES: there are treatments; the frame was filled by the table
  // that the columns were made with.
  size_t FillRows(const InputFrame& frame, absl::Span<const int> treatments,
                  std::vector<double>& rows) const;
  // Writes size() numbers.
  void FillRow(const InputFrame& frame, int treatment, double* row) const;

 private:
  friend class FeatureColumnsBuilder;

  // Where the value of one column comes from.
  struct Column {
    enum class Kind : uint8_t {
      kNumber,     // InputFrame::numeric
      kCode,       // of InputFrame::category, by `codes`
      kIs,         // whether InputFrame::category is `category`
      kHas,        // whether InputFrame::categories has `category`
      kTreatment,  // by treatment, in `codes`
      kUnused,     // no prediction depends on it: always missing
    };
    Kind kind = Kind::kUnused;
    Input input;
    int index = 0;
    int32_t category = 0;
    // By category; beyond its end, and of category 0: missing.
    std::vector<double> codes;
  };

  static double ValueOf(const Column& column, const InputFrame& frame, int treatment);

  std::vector<Column> columns_;
  std::vector<size_t> of_treatment_;  // columns that depend on the treatment
};

// Finds the inputs of a model's columns; a column that nothing is said of is unused. Every problem
// is reported. Not thread-safe; used once.
class FeatureColumnsBuilder {
 public:
  // All but `columns` outlives the builder.
  FeatureColumnsBuilder(size_t columns, const InputNames& names, InputTable& inputs,
                        const ReportIssue& report);

  // The column is what the strategy says; `path` is where it says so. Its feature is not looked at.
  void AddDeclared(const std::string& path, const attune::strategy::v1::TreeInput& declared,
                   size_t column);
  // Why the input is no number; empty: it is one.
  std::string TypeProblem(const Input& input) const;
  // REQUIRES: TypeProblem is empty.
  void AddNumber(const Input& input, size_t column);

  // Was a problem reported?
  bool failed() const { return failed_; }
  FeatureColumns Finish();

 private:
  using Column = FeatureColumns::Column;

  void Report(const std::string& path, std::string message);
  void AddEquals(const std::string& path, const std::string& category, Column& column);
  void AddCodes(const std::string& path, const attune::strategy::v1::TreeInput& declared,
                Column& column);
  std::string NoValue(const Input& input, const std::string& category) const;
  const std::string& CategoryOf(const Input& input, size_t treatment) const;

  const InputNames& names_;
  InputTable& inputs_;
  const ReportIssue& report_;
  FeatureColumns columns_;
  bool failed_ = false;
};

// The columns of a model that the strategy lists all inputs of, in their order. Paths of issues
// begin with `path`, the list's own. Without a column when there was a problem.
FeatureColumns ListedColumns(
    const std::string& path,
    const google::protobuf::RepeatedPtrField<attune::strategy::v1::TreeInput>& listed,
    const InputNames& names, InputTable& inputs, const ReportIssue& report);

}  // namespace attune::scoring

#endif  // ATTUNE_LIB_SCORING_FEATURE_COLUMNS_H_
