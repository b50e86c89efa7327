#ifndef ATTUNE_SERVICE_CTL_CUSTOMER_GENERATOR_H_
#define ATTUNE_SERVICE_CTL_CUSTOMER_GENERATOR_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/civil_time.h"
#include "lib/context/value_schema.h"

namespace attune::ctl {

// What generated customers depend on, besides their number.
struct GeneratorOptions {
  uint64_t seed = 7;
  // The day on which the customers are as they are; times lie around it.
  absl::CivilDay as_of{2026, 11, 1};
};

// Invents customers as rows of a CSV file. The same options give the same rows on every platform,
// whatever their number and order. Immutable, thread-safe.
class CustomerGenerator {
 public:
  virtual ~CustomerGenerator() = default;

  // The columns, of which the first is "customer_id"; the others are features.
  virtual std::vector<std::string> Columns() const = 0;

  // Appends the row of customer `index` (0 is the first, C0000001), with its line feed.
  virtual void AppendRow(uint64_t index, std::string& out) const = 0;
};

// Customers of the telecom operator in deploy/example/telecom.yaml. What belongs together is drawn
// together: the charges follow from the plan and the lines, incidents from the access technology,
// complaints from incidents, satisfaction and the risk to leave from all of these.
std::unique_ptr<CustomerGenerator> MakeTelecomGenerator(const GeneratorOptions& options);

// Customers with the features of any strategy, drawn by type only: bool 30 % true; int 0 to 1000,
// most of them small; double 0 to 10000 with two decimals, most of them below 100; string and
// string_list the default or one of eight values named after the feature; timestamp within the
// three years before `as_of`. 3 % of the cells are empty. `features` must outlive the generator.
std::unique_ptr<CustomerGenerator> MakeSchemaGenerator(const ValueSchema& features,
                                                       const GeneratorOptions& options);

// Appends the id of customer `index`: C0000001 for 0.
void AppendCustomerId(uint64_t index, std::string& out);

// Appends units / 100 with two decimals.
void AppendHundredths(int64_t units, std::string& out);

}  // namespace attune::ctl

#endif  // ATTUNE_SERVICE_CTL_CUSTOMER_GENERATOR_H_
