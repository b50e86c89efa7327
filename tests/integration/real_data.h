#ifndef ATTUNE_TESTS_INTEGRATION_REAL_DATA_H_
#define ATTUNE_TESTS_INTEGRATION_REAL_DATA_H_

#include <chrono>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace attune::service {

// The folder of the data that lie outside of the repository: the one that ATTUNE_SHARED names, or
// ../shared beside the checkout; empty when there is none. Tests that need it skip then.
std::string SharedFolder();
inline constexpr char kNoSharedFolder[] =
    "the real data are not here: ATTUNE_SHARED names no folder with them, and ../shared/data is "
    "not "
    "beside the checkout";

// Visits the rows of a CSV file (plain, gzip or zstd) with the fields of these columns, in their
// order. A test failure when the file can't be read or lacks a column.
void ForEachCsvRow(const std::string& path, const std::vector<std::string>& columns,
                   const std::function<void(const std::vector<std::string_view>&)>& visit);

// A Python that has these modules, such as "numpy, xgboost": the one that ATTUNE_TRAIN_PYTHON names
// (tests/data/train/find_python finds or makes one), or python3; empty when there is none. Tests
// that need it skip then.
std::string FindPython(const std::string& modules);

class Stopwatch {
 public:
  double Seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }

 private:
  const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

}  // namespace attune::service

#endif  // ATTUNE_TESTS_INTEGRATION_REAL_DATA_H_
