#ifndef ATTUNE_LIB_LEARNING_INPUT_LAYOUT_H_
#define ATTUNE_LIB_LEARNING_INPUT_LAYOUT_H_

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace attune::learning {

// The stable hash of a category.
uint64_t HashOfCategory(std::string_view text);

enum class InputKind : uint8_t {
  kNumber = 0,    // any number; NaN: missing
  kBool = 1,      // 0 or 1; NaN: missing
  kCategory = 2,  // text
};

// What a model looks at.
struct InputSpec {
  std::string name;
  InputKind kind = InputKind::kNumber;
};

// Two inputs of which every pair of values has a weight of its own.
struct CrossSpec {
  std::string first;
  std::string second;
};

// How many weights inputs have. More of them learn finer, and slower. May not change while a model
// goes on learning.
struct InputLimits {
  // Most knots of a number, 2 to 64: see InputEncoder.
  uint32_t knots = 12;
  // Weights of a category and of a cross, 2 to 65536: values are hashed into them, and those that
  // meet share one. Of n values and s weights about n^2 / 2s pairs meet.
  uint32_t category_weights = 256;
  uint32_t cross_weights = 1024;
};

// One value of an input. A missing value is a value as well: it has a weight of its own.
class InputValue {
 public:
  static InputValue Missing() { return {}; }
  static InputValue Number(double number) { return InputValue(number, {}, false); }
  static InputValue Bool(bool value) { return InputValue(value ? 1.0 : 0.0, {}, false); }
  // The text must live as long as this value.
  static InputValue Category(std::string_view text) { return InputValue(kNone, text, true); }

  // NaN where there is none.
  double number() const { return number_; }
  bool has_text() const { return has_text_; }
  std::string_view text() const { return text_; }

 private:
  static constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
  InputValue() = default;
  InputValue(double number, std::string_view text, bool has_text)
      : number_(number), text_(text), has_text_(has_text) {}

  double number_ = kNone;
  std::string_view text_;
  bool has_text_ = false;
};

// Which weights an effect has, and which of them stand for what. Immutable, thread-safe.
//
// Weight 0 is the intercept. Behind it every input has a range of weights: its first stands for a
// missing value; a number has one for each knot, a bool two, a category and a cross those that
// their values are hashed into.
class InputLayout {
 public:
  static constexpr size_t kMaxInputs = 256;
  static constexpr size_t kMaxCrosses = 64;
  static constexpr uint32_t kIntercept = 0;

  struct Input {
    std::string name;
    InputKind kind = InputKind::kNumber;
    uint32_t first = 0;    // weight
    uint32_t weights = 0;  // with that of a missing value
    uint32_t column = 0;   // of a number: which one it is among numbers
  };
  struct Cross {
    uint32_t first_input = 0;
    uint32_t second_input = 0;
    uint32_t first = 0;
    uint32_t weights = 0;
  };

  // INVALID_ARGUMENT with all that is wrong: too many, no or the same name twice, a limit out of
  // its range, a cross of what is no input, of an input with itself, or the same cross twice.
  static absl::StatusOr<std::shared_ptr<const InputLayout>> Create(
      const std::vector<InputSpec>& inputs, const std::vector<CrossSpec>& crosses,
      const InputLimits& limits);

  const std::vector<Input>& inputs() const { return inputs_; }
  const std::vector<Cross>& crosses() const { return crosses_; }
  // Of numbers.
  size_t columns() const { return columns_; }
  // Of one effect.
  uint32_t weights() const { return weights_; }
  // The most weights that one situation has a part in.
  size_t max_active() const { return 1 + inputs_.size() + columns_ + crosses_.size(); }
  // Tells layouts apart: equal ones have equal fingerprints, in every version.
  uint64_t fingerprint() const { return fingerprint_; }

 private:
  InputLayout() = default;

  std::vector<Input> inputs_;
  std::vector<Cross> crosses_;
  size_t columns_ = 0;
  uint32_t weights_ = 1;
  uint64_t fingerprint_ = 0;
};

// Values as a model sees them: the weights that have a part in the log-odds, and by how much.
// Memory that is reused: nothing is allocated once it has the size of its layout.
struct EncodedInputs {
  struct Active {
    uint32_t weight = 0;
    double part = 1;  // above 0, at most 1
  };
  std::vector<Active> active;

  // Memory of InputEncoder.
  std::vector<uint64_t> keys;
};

// Turns values into weights. Immutable, thread-safe.
//
// A number stands between two knots, and both have a part that is the larger the nearer it is: so
// the log-odds are a line with a bend at every knot (a first-order spline). Below the first knot
// and above the last the line is level, so that no number, however large, has more than those had.
// The knots are quantiles of the numbers seen, or all of them where there are few. (Steps instead
// of lines, that is bins, have about the same log-loss; but where they end the log-odds jump.)
class InputEncoder {
 public:
  // Without knots: numbers are looked at from when they are known. REQUIRES: layout is not null.
  explicit InputEncoder(std::shared_ptr<const InputLayout> layout);
  // With these knots by column, ascending, none twice, at most those of the layout.
  InputEncoder(std::shared_ptr<const InputLayout> layout, std::vector<std::vector<double>> knots);

  // The knots for these numbers, ascending: all of them where there are at most `most` different
  // ones, else the middles of `most` parts with as many numbers each. REQUIRES: sorted, finite.
  static std::vector<double> KnotsOf(absl::Span<const double> sorted, size_t most);

  // A text where a number is expected, and a number where a text is, is missing; so is a number
  // that is NaN; an infinite one is beyond the last knot. REQUIRES: one value per input of the
  // layout.
  void Encode(absl::Span<const InputValue> values, EncodedInputs& out) const;

  const InputLayout& layout() const { return *layout_; }
  const std::vector<std::vector<double>>& knots() const { return knots_; }

 private:
  void EncodeNumber(const InputLayout::Input& input, double number, EncodedInputs& out) const;

  std::shared_ptr<const InputLayout> layout_;
  std::vector<std::vector<double>> knots_;  // by column
};

// Where a number lies among knots: `part` of it at knot `at`, the rest at the one behind.
struct KnotPosition {
  size_t at = 0;
  double part = 1;
};
// REQUIRES: there are knots, ascending; the number is no NaN.
KnotPosition PositionAmong(absl::Span<const double> knots, double number);

// For old knots, to which new ones what was learned there goes, and what share of it. The shares of
// one old knot add up to 1, so that nothing is lost and nothing is counted twice: new knots on
// which it has a part share in proportion to it; where there is none, the two new ones that it lies
// between do.
struct KnotShare {
  size_t from = 0;
  size_t to = 0;
  double share = 0;
};
// REQUIRES: both have knots, ascending.
std::vector<KnotShare> MoveKnots(absl::Span<const double> from, absl::Span<const double> to);

}  // namespace attune::learning

#endif  // ATTUNE_LIB_LEARNING_INPUT_LAYOUT_H_
