#include <array>
#include <charconv>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "service/ctl/customer_generator.h"
#include "service/ctl/generator_random.h"
#include "service/ctl/rejects_file.h"

namespace attune::ctl {
namespace {

constexpr double kEmptyShare = 0.03;
constexpr int kCategories = 8;

constexpr std::array<QuantilePoint, 5> kInts = {
    {{0, 0}, {0.5, 10}, {0.9, 50}, {0.99, 200}, {1, 1001}}};
constexpr std::array<QuantilePoint, 5> kDoubles = {
    {{0, 0}, {0.5, 30}, {0.9, 100}, {0.99, 1000}, {1, 10000}}};

void AppendNumber(int64_t number, std::string& out) {
  std::array<char, 24> buffer;
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), number).ptr;
  out.append(buffer.data(), end);
}

class SchemaGenerator : public CustomerGenerator {
 public:
  SchemaGenerator(const ValueSchema& features, const GeneratorOptions& options)
      : features_(features), options_(options) {
    for (int slot = 0; slot < features.size(); ++slot) {
      categories_.push_back(Categories(features[slot]));
    }
  }

  std::vector<std::string> Columns() const override {
    std::vector<std::string> columns = {"customer_id"};
    for (int slot = 0; slot < features_.size(); ++slot) columns.push_back(features_[slot].name);
    return columns;
  }

  void AppendRow(uint64_t index, std::string& out) const override {
    GeneratorRandom random(options_.seed, index);
    AppendCustomerId(index, out);
    for (int slot = 0; slot < features_.size(); ++slot) {
      out += ',';
      const bool empty = random.Chance(kEmptyShare);
      if (!empty) AppendCell(slot, random, out);
    }
    out += '\n';
  }

 private:
  // As CSV cells, or as elements of one.
  static std::vector<std::string> Categories(const ValueDeclaration& feature) {
    std::vector<std::string> categories;
    if (feature.type == ValueType::kString) {
      const std::string_view value = feature.default_value.ref().string_value();
      if (!value.empty()) categories.push_back(CsvField(value, ','));
    }
    for (int i = 1; std::ssize(categories) < kCategories; ++i) {
      categories.push_back(absl::StrCat(feature.name, "_", i));
    }
    return categories;
  }

  void AppendCell(int slot, GeneratorRandom& random, std::string& out) const {
    const auto& categories = categories_[static_cast<size_t>(slot)];
    const auto category = [&]() -> const std::string& {
      return categories[static_cast<size_t>(random.Below(kCategories))];
    };
    switch (features_[slot].type) {
      case ValueType::kBool:
        out += random.Chance(0.3) ? "true" : "false";
        break;
      case ValueType::kInt:
        AppendNumber(static_cast<int64_t>(ValueAt(kInts, random.Uniform())), out);
        break;
      case ValueType::kDouble:
        AppendHundredths(static_cast<int64_t>(ValueAt(kDoubles, random.Uniform()) * 100), out);
        break;
      case ValueType::kString:
        out += category();
        break;
      case ValueType::kTimestamp:
        AppendTime(random, out);
        break;
      case ValueType::kStringList:
        for (int64_t i = random.Below(4); i > 0; --i)
          absl::StrAppend(&out, category(), i > 1 ? ";" : "");
        break;
    }
  }

  void AppendTime(GeneratorRandom& random, std::string& out) const {
    const absl::CivilDay day = options_.as_of - (1 + random.Below(3 * 365));
    const int64_t second = random.Below(24 * 60 * 60);
    absl::StrAppendFormat(&out, "%04d-%02d-%02dT%02d:%02d:%02dZ", day.year(), day.month(),
                          day.day(), second / 3600, second / 60 % 60, second % 60);
  }

  const ValueSchema& features_;
  const GeneratorOptions options_;
  std::vector<std::vector<std::string>> categories_;
};

}  // namespace

std::unique_ptr<CustomerGenerator> MakeSchemaGenerator(const ValueSchema& features,
                                                       const GeneratorOptions& options) {
  return std::make_unique<SchemaGenerator>(features, options);
}

void AppendCustomerId(uint64_t index, std::string& out) {
  std::array<char, 24> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), index + 1).ptr;
  const auto size = static_cast<size_t>(end - digits.data());
  out += 'C';
  if (size < 7) out.append(7 - size, '0');
  out.append(digits.data(), size);
}

void AppendHundredths(int64_t units, std::string& out) {
  AppendNumber(units / 100, out);
  out += '.';
  out += static_cast<char>('0' + units / 10 % 10);
  out += static_cast<char>('0' + units % 10);
}

}  // namespace attune::ctl
