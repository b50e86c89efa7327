#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/civil_time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/base/hash.h"
#include "lib/base/issue.h"
#include "lib/context/value_schema.h"
#include "lib/storage/name_dictionary.h"
#include "lib/strategy/strategy_loader.h"
#include "service/ctl/customer_generator.h"
#include "service/ctl/generator_random.h"
#include "service/ctl/value_text.h"
#include "tests/testing/paths.h"

namespace attune::ctl {
namespace {

std::string Rows(const CustomerGenerator& generator, uint64_t first, uint64_t count) {
  std::string rows;
  for (uint64_t index = first; index < first + count; ++index) generator.AppendRow(index, rows);
  return rows;
}

// The rows as cells; no cell of these generators needs quotes.
std::vector<std::vector<std::string>> Cells(const std::string& rows) {
  std::vector<std::vector<std::string>> cells;
  std::istringstream lines(rows);
  std::string line;
  while (std::getline(lines, line)) cells.push_back(absl::StrSplit(line, ','));
  return cells;
}

ValueSchema AllTypes() {
  std::vector<ValueDeclaration> declarations;
  for (const ValueType type : {ValueType::kBool, ValueType::kInt, ValueType::kDouble,
                               ValueType::kString, ValueType::kTimestamp, ValueType::kStringList}) {
    ValueDeclaration declaration;
    declaration.name = absl::StrCat("a_", static_cast<int>(type));
    declaration.type = type;
    declaration.number = static_cast<uint32_t>(declarations.size());
    if (type == ValueType::kString)
      declaration.default_value = OwnedValue(ValueRef::String("x, y"));
    declarations.push_back(std::move(declaration));
  }
  return ValueSchema(std::move(declarations));
}

// These hashes must not change: measurements and the quickstart speak of these customers.
TEST(TelecomGenerator, GivesTheSameCustomersEverywhere) {
  const auto generator = MakeTelecomGenerator({});
  EXPECT_EQ(
      Rows(*generator, 0, 1),
      "C0000001,0,70.67,mobile_m,2028-10-01,family,5,none,false,1.10,20,0,24,4,0,0,0,0,8,0.00,"
      "0.0887,false,fr,0.00,55\n");
  EXPECT_EQ(ContentHash(Rows(*generator, 0, 1000)), "58249017b3c4");
}

TEST(SchemaGenerator, GivesTheSameCustomersEverywhere) {
  const ValueSchema schema = AllTypes();
  const auto generator = MakeSchemaGenerator(schema, {});
  EXPECT_EQ(ContentHash(Rows(*generator, 0, 1000)), "daf6ab44971d");
}

TEST(TelecomGenerator, ACustomerDependsOnNothingButSeedAndNumber) {
  const auto generator = MakeTelecomGenerator({});
  const std::string all = Rows(*generator, 0, 20);
  EXPECT_EQ(all, Rows(*generator, 0, 5) + Rows(*generator, 5, 15));
  GeneratorOptions other;
  other.seed = 8;
  EXPECT_NE(all, Rows(*MakeTelecomGenerator(other), 0, 20));
}

TEST(TelecomGenerator, MovesContractsWithTheDay) {
  GeneratorOptions later;
  later.as_of = GeneratorOptions().as_of + 10;
  const auto now = Cells(Rows(*MakeTelecomGenerator({}), 0, 50));
  const auto then = Cells(Rows(*MakeTelecomGenerator(later), 0, 50));
  for (size_t i = 0; i < now.size(); ++i) {
    absl::CivilDay day;
    if (now[i][4].empty()) continue;
    ASSERT_TRUE(absl::ParseCivilTime(now[i][4], &day));
    EXPECT_EQ(then[i][4], absl::FormatCivilTime(day + 10));
  }
}

TEST(TelecomGenerator, FitsTheStrategyThatIsShipped) {
  storage::NameDictionary dictionary;
  IssueList issues;
  const auto strategy = strategy::LoadStrategy(testing::SourcePath("deploy/example/telecom.yaml"),
                                               dictionary, issues);
  ASSERT_NE(strategy, nullptr) << issues.ToString();
  const auto generator = MakeTelecomGenerator({});
  const std::vector<std::string> columns = generator->Columns();
  std::vector<std::string> features;
  for (const std::string_view name : strategy->features.Names()) features.emplace_back(name);
  EXPECT_THAT(std::vector<std::string>(columns.begin() + 1, columns.end()),
              ::testing::UnorderedElementsAreArray(features))
      << "the generator and deploy/example/telecom.yaml must declare the same features";
  for (const auto& row : Cells(Rows(*generator, 0, 2000))) {
    ASSERT_EQ(row.size(), columns.size());
    for (size_t i = 1; i < row.size(); ++i) {
      const ValueType type = strategy->features[strategy->features.SlotOf(columns[i])].type;
      v1::Value value;
      if (IsEmptyText(type, row[i])) continue;
      EXPECT_TRUE(ReadValue(type, row[i], value).ok()) << columns[i] << " = " << row[i];
    }
  }
}

TEST(SchemaGenerator, FitsItsFeatures) {
  const ValueSchema schema = AllTypes();
  const auto generator = MakeSchemaGenerator(schema, {});
  std::string text = Rows(*generator, 0, 2000);
  size_t empty = 0;
  size_t defaults = 0;
  for (size_t at = 0; (at = text.find("\"x, y\"", at)) != std::string::npos; ++defaults) {
    text.replace(at, 6, "default");
  }
  EXPECT_GT(defaults, 100u);
  for (const auto& row : Cells(text)) {
    ASSERT_EQ(row.size(), 7u);
    for (int slot = 0; slot < schema.size(); ++slot) {
      const std::string& cell = row[static_cast<size_t>(slot) + 1];
      v1::Value value;
      if (cell.empty()) ++empty;
      if (cell.empty()) continue;
      EXPECT_TRUE(ReadValue(schema[slot].type, cell, value).ok()) << slot << " = " << cell;
    }
  }
  EXPECT_GT(empty, 100u);
}

// What belongs together is drawn together.
TEST(TelecomGenerator, DrawsWhatBelongsTogether) {
  const auto generator = MakeTelecomGenerator({});
  const std::vector<std::string> columns = generator->Columns();
  const auto column = [&columns](const char* name) {
    return static_cast<size_t>(std::find(columns.begin(), columns.end(), name) - columns.begin());
  };
  struct Mean {
    double sum = 0;
    int count = 0;
    void Add(double value) {
      sum += value;
      ++count;
    }
    double value() const { return sum / count; }
  };
  std::map<bool, Mean> nps_by_complaint;
  std::map<bool, Mean> risk_by_complaint;
  std::map<std::string, Mean> incidents_by_access;
  std::map<std::string, Mean> charges_by_plan;
  std::map<std::string, int> groups;
  for (const auto& row : Cells(Rows(*generator, 0, 20'000))) {
    const auto number = [&](const char* name) { return std::stod(row[column(name)]); };
    const bool complained = number("complaints_90d") > 0;
    if (!row[column("nps")].empty()) nps_by_complaint[complained].Add(number("nps"));
    risk_by_complaint[complained].Add(number("churn_risk"));
    incidents_by_access[row[column("access_technology")]].Add(number("incidents_90d"));
    charges_by_plan[row[column("plan")]].Add(number("monthly_charges"));
    EXPECT_LE(number("open_incidents"), number("incidents_90d"));
    EXPECT_GT(number("monthly_charges"), 0);
    EXPECT_GT(number("churn_risk"), 0);
    EXPECT_LT(number("churn_risk"), 1);
    if (row[column("access_technology")] == "fiber") {
      EXPECT_EQ(row[column("fiber_available")], "true");
    }
    if (row[column("access_technology")] == "none") {
      EXPECT_EQ(row[column("plan")].substr(0, 6), "mobile");
    }
  }
  EXPECT_GT(nps_by_complaint[false].value(), nps_by_complaint[true].value() + 1);
  EXPECT_LT(risk_by_complaint[false].value() * 1.5, risk_by_complaint[true].value());
  EXPECT_GT(incidents_by_access["dsl"].value(), incidents_by_access["fiber"].value() * 1.5);
  EXPECT_GT(charges_by_plan["mobile_unlimited"].value(), charges_by_plan["mobile_s"].value() + 20);
}

TEST(GeneratorRandom, DrawsWhatItPromises) {
  GeneratorRandom random(1, 2);
  double uniform = 0;
  double normal = 0;
  double squares = 0;
  double counts = 0;
  constexpr int kDraws = 100'000;
  for (int i = 0; i < kDraws; ++i) {
    const double u = random.Uniform();
    ASSERT_GE(u, 0);
    ASSERT_LT(u, 1);
    uniform += u;
    const double n = random.Normal();
    normal += n;
    squares += n * n;
    counts += static_cast<double>(random.Count(1.5));
    const int64_t below = random.Below(3);
    ASSERT_GE(below, 0);
    ASSERT_LT(below, 3);
  }
  EXPECT_NEAR(uniform / kDraws, 0.5, 0.01);
  EXPECT_NEAR(normal / kDraws, 0, 0.02);
  EXPECT_NEAR(squares / kDraws, 1, 0.03);
  EXPECT_NEAR(counts / kDraws, 1.5, 0.03);
}

TEST(GeneratorRandom, FindsValuesBetweenThePoints) {
  const std::vector<QuantilePoint> points = {{0, 10}, {0.5, 20}, {1, 100}};
  EXPECT_EQ(ValueAt(points, 0), 10);
  EXPECT_EQ(ValueAt(points, 0.25), 15);
  EXPECT_EQ(ValueAt(points, 0.5), 20);
  EXPECT_EQ(ValueAt(points, 0.75), 60);
  EXPECT_EQ(ValueAt(points, 1), 100);
}

TEST(GeneratorRandom, PicksByWeight) {
  GeneratorRandom random(1, 2);
  const std::vector<WeightedName> names = {{"often", 9}, {"never", 0}, {"rarely", 1}};
  std::map<std::string_view, int> picked;
  for (int i = 0; i < 10'000; ++i) ++picked[Pick(random, names)];
  EXPECT_EQ(picked["never"], 0);
  EXPECT_NEAR(picked["rarely"], 1000, 150);
}

TEST(CustomerGenerator, WritesNumbersForCsv) {
  std::string text;
  AppendCustomerId(0, text);
  text += ' ';
  AppendCustomerId(9'999'999, text);
  text += ' ';
  AppendHundredths(5, text);
  text += ' ';
  AppendHundredths(123456, text);
  EXPECT_EQ(text, "C0000001 C10000000 0.05 1234.56");
}

}  // namespace
}  // namespace attune::ctl
