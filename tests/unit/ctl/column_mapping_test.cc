#include "service/ctl/column_mapping.h"

#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/temp_dir.h"

namespace attune::ctl {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

struct SnakeCase {
  const char* name;
  const char* snake;
};

TEST(LowerSnake, TurnsAnyStyleIntoOurs) {
  const SnakeCase cases[] = {
      {"monthly_charges", "monthly_charges"},
      {"MonthlyCharges", "monthly_charges"},
      {"monthlyCharges", "monthly_charges"},
      {"Monthly charges", "monthly_charges"},
      {"monthly-charges", "monthly_charges"},
      {" Monthly  Charges (EUR) ", "monthly_charges_eur"},
      {"MONTHLY_CHARGES", "monthly_charges"},
      {"customerID", "customer_id"},
      {"StreamingTV", "streaming_tv"},
      {"HTTPServerName", "http_server_name"},
      {"emp.var.rate", "emp_var_rate"},
      {"euribor3m", "euribor3m"},
      {"last90Days", "last90_days"},
      {"tenure", "tenure"},
      {"__x__", "x"},
      {"", ""},
      {"---", ""},
  };
  for (const SnakeCase& test : cases) EXPECT_EQ(LowerSnake(test.name), test.snake) << test.name;
}

struct MapCase {
  const char* name;
  std::vector<std::string> header;
  MappingRequest request;
  std::vector<std::pair<std::string, std::string>> mapped;  // column, feature
  std::vector<std::string> unmapped;
  std::vector<std::string> missing;
  std::vector<std::string> problems;  // parts of the message; empty: there is none
};

std::vector<MapCase> MapCases() {
  const std::vector<std::string> telco = {"customerID", "tenure", "MonthlyCharges", "Churn"};
  return {
      {"ByName",
       telco,
       {"customerID", {}, {}},
       {{"tenure", "tenure"}, {"MonthlyCharges", "monthly_charges"}},
       {"Churn"},
       {"plan"},
       {}},
      {"IdInAnotherStyle",
       telco,
       {"customer_id", {}, {}},
       {{"tenure", "tenure"}, {"MonthlyCharges", "monthly_charges"}},
       {"Churn"},
       {"plan"},
       {}},
      {"WithoutUnderscores",
       {"id", "MONTHLYCHARGES"},
       {"id", {}, {}},
       {{"MONTHLYCHARGES", "monthly_charges"}},
       {},
       {"tenure", "plan"},
       {}},
      {"ByHand",
       telco,
       {"customerID", {{"Churn", "plan"}}, {}},
       {{"tenure", "tenure"}, {"MonthlyCharges", "monthly_charges"}, {"Churn", "plan"}},
       {},
       {},
       {}},
      {"HandBeatsName",
       telco,
       {"customerID", {{"Churn", "tenure"}}, {}},
       {{"MonthlyCharges", "monthly_charges"}, {"Churn", "tenure"}},
       {"tenure"},
       {"plan"},
       {}},
      {"Ignored",
       telco,
       {"customerID", {}, {"tenure", "churn"}},
       {{"MonthlyCharges", "monthly_charges"}},
       {},
       {"tenure", "plan"},
       {}},
      {"IdAsAFeatureToo",
       telco,
       {"customerID", {{"customerID", "plan"}}, {}},
       {{"customerID", "plan"}, {"tenure", "tenure"}, {"MonthlyCharges", "monthly_charges"}},
       {"Churn"},
       {},
       {}},
      {"DuplicateColumnsThatNobodyNeeds",
       {"id", "tenure", "x", "x", "", ""},
       {"id", {}, {}},
       {{"tenure", "tenure"}},
       {"x", "x", "", ""},
       {"monthly_charges", "plan"},
       {}},
      {"NoIdColumn",
       telco,
       {"costumerID", {}, {}},
       {},
       {},
       {},
       {"--id: there is no column \"costumerID\"; did you mean \"customerID\"?"}},
      {"NoIdColumnAndNothingLikeIt",
       telco,
       {"row", {}, {}},
       {},
       {},
       {},
       {"--id: there is no column \"row\". Columns: \"customerID\", \"tenure\""}},
      {"OtherDelimiter", {"id;tenure;plan"}, {"id", {}, {}}, {}, {}, {}, {"try --delimiter ';'"}},
      {"OtherDelimiterTab",
       {"id\ttenure\tplan"},
       {"id", {}, {}},
       {},
       {},
       {},
       {"try --delimiter tab"}},
      {"UnknownColumn",
       telco,
       {"customerID", {{"tenur", "plan"}}, {}},
       {},
       {},
       {},
       {"--map: there is no column \"tenur\"; did you mean \"tenure\"?"}},
      {"UnknownFeature",
       telco,
       {"customerID", {{"Churn", "plam"}}, {}},
       {},
       {},
       {},
       {"--map: the strategy declares no feature \"plam\"; did you mean \"plan\"?"}},
      {"UnknownIgnored",
       telco,
       {"customerID", {}, {"Chun"}},
       {},
       {},
       {},
       {"--ignore: there is no column \"Chun\"; did you mean \"Churn\"?"}},
      {"AllProblemsAtOnce",
       telco,
       {"x", {{"y", "z"}}, {"w"}},
       {},
       {},
       {},
       {"--id: there is no column \"x\"", "--ignore: there is no column \"w\"",
        "--map: there is no column \"y\"", "--map: the strategy declares no feature \"z\""}},
      {"MappedTwice",
       telco,
       {"customerID", {{"Churn", "plan"}, {"Churn", "tenure"}}, {}},
       {},
       {},
       {},
       {"column \"Churn\" is mapped twice"}},
      {"TwoColumnsToOneFeature",
       telco,
       {"customerID", {{"Churn", "plan"}, {"tenure", "plan"}}, {}},
       {},
       {},
       {},
       {"two columns, \"Churn\" and \"tenure\", are mapped to feature \"plan\""}},
      {"MappedAndIgnored",
       telco,
       {"customerID", {{"Churn", "plan"}}, {"Churn"}},
       {},
       {},
       {},
       {"column \"Churn\" is named by both --map and --ignore"}},
      {"DuplicateColumnsOfOneFeature",
       {"id", "tenure", "Tenure"},
       {"id", {}, {}},
       {},
       {},
       {},
       {"columns \"tenure\" and \"Tenure\" both have the name of feature \"tenure\""}},
      {"DuplicateColumnsOneIgnored",
       {"id", "Tenure", "TENURE"},
       {"id", {}, {"TENURE"}},
       {{"Tenure", "tenure"}},
       {},
       {"monthly_charges", "plan"},
       {}},
      {"DuplicateIdColumns",
       {"id", "id", "tenure"},
       {"id", {}, {}},
       {},
       {},
       {},
       {"--id: several columns are called \"id\""}},
      {"NothingToImport",
       {"id", "x"},
       {"id", {}, {}},
       {},
       {},
       {},
       {"no column has the name of a feature", "\"tenure\", \"monthly_charges\", \"plan\""}},
      {"HostileNames",
       {"id", std::string("a\0\n\xFF", 4)},
       {"x", {}, {}},
       {},
       {},
       {},
       {"\"a\\x00\\x0a\\xff\""}},
  };
}

class MapColumnsCases : public ::testing::TestWithParam<MapCase> {};

TEST_P(MapColumnsCases, MapsOrSaysWhyNot) {
  std::vector<v1::Feature> features(3);
  features[0].set_name("tenure");
  features[0].set_type("int");
  features[1].set_name("monthly_charges");
  features[1].set_type("double");
  features[2].set_name("plan");
  features[2].set_type("string");
  const MapCase& test = GetParam();
  const absl::StatusOr<ColumnMapping> mapping = MapColumns(test.header, features, test.request);
  if (!test.problems.empty()) {
    ASSERT_TRUE(absl::IsInvalidArgument(mapping.status()));
    for (const std::string& problem : test.problems) {
      EXPECT_THAT(std::string(mapping.status().message()), HasSubstr(problem));
    }
    return;
  }
  ASSERT_TRUE(mapping.ok()) << mapping.status();
  std::vector<std::pair<std::string, std::string>> mapped;
  for (const MappedColumn& column : mapping->columns) {
    EXPECT_EQ(test.header[column.column], column.column_name);
    mapped.emplace_back(column.column_name, column.feature);
  }
  EXPECT_EQ(mapped, test.mapped);
  EXPECT_EQ(mapping->unmapped_columns, test.unmapped);
  EXPECT_EQ(mapping->features_not_in_file, test.missing);
  EXPECT_EQ(mapping->column_count, test.header.size());
  EXPECT_EQ(LowerSnake(test.header[mapping->id_column]), LowerSnake(test.request.id_column));
}

INSTANTIATE_TEST_SUITE_P(All, MapColumnsCases, ::testing::ValuesIn(MapCases()),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(ColumnMapping, RefusesAFeatureOfATypeThatItDoesNotKnow) {
  std::vector<v1::Feature> features(1);
  features[0].set_name("shape");
  features[0].set_type("polygon");
  const std::vector<std::string> header = {"id", "shape"};
  const auto mapping = MapColumns(header, features, {"id", {}, {}});
  EXPECT_THAT(std::string(mapping.status().message()), HasSubstr("\"polygon\""));
}

TEST(ReadMapEntry, SplitsAtTheLastEqualsSign) {
  EXPECT_THAT(*ReadMapEntry("a=b"), Pair("a", "b"));
  EXPECT_THAT(*ReadMapEntry("a=b=c"), Pair("a=b", "c"));
  for (const char* text : {"", "a", "=", "a=", "=b"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(ReadMapEntry(text).status())) << text;
  }
}

TEST(ReadMapFile, SkipsCommentsAndBlankLines) {
  attune::testing::TempDir folder;
  std::ofstream(folder.File("map")) << "# what maps to what\n\n  Churn = left \r\na b=c\n";
  EXPECT_THAT(*ReadMapFile(folder.File("map")),
              ElementsAre(Pair("Churn", "left"), Pair("a b", "c")));
}

TEST(ReadMapFile, NamesTheLineThatIsWrong) {
  attune::testing::TempDir folder;
  std::ofstream(folder.File("map")) << "a=b\nnonsense\n";
  const auto entries = ReadMapFile(folder.File("map"));
  EXPECT_THAT(std::string(entries.status().message()),
              HasSubstr("map:2: \"nonsense\" must be COLUMN=FEATURE"));
  EXPECT_TRUE(absl::IsNotFound(ReadMapFile(folder.File("missing")).status()));
}

}  // namespace
}  // namespace attune::ctl
