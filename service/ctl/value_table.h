#ifndef ATTUNE_SERVICE_CTL_VALUE_TABLE_H_
#define ATTUNE_SERVICE_CTL_VALUE_TABLE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "service/ctl/byte_source.h"

namespace attune::ctl {

// Most customers of one table: a report holds 8 bytes for each, and their ids where rows are
// summed.
inline constexpr int64_t kMaxTableCustomers = 20'000'000;

// Which columns of a CSV table tell what customers are worth.
struct ValueColumns {
  std::string value;
  // Whose value it is: the values of one customer are added up. Empty: each row is a customer.
  std::string id;
  char delimiter = ',';
};

// What a table says.
struct ValueTable {
  std::vector<double> values;  // of the customers who have one
  int64_t without_value = 0;   // customers whose cells are all empty
};

// Reads a CSV table whose first row has the columns' names, in UTF-8. A cell is a finite number or
// empty; an id is never empty. A blank line is a row where there is only one column.
// INVALID_ARGUMENT names line and column of what is wrong; RESOURCE_EXHAUSTED: too many customers.
absl::StatusOr<ValueTable> ReadValueTable(ByteSource& source, const ValueColumns& columns);

}  // namespace attune::ctl

#endif  // ATTUNE_SERVICE_CTL_VALUE_TABLE_H_
