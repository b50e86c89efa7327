#include "tests/integration/real_data.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <iostream>

#include "service/ctl/byte_source.h"
#include "service/ctl/csv_reader.h"
#include "tests/integration/subprocess.h"
#include "tests/testing/paths.h"

namespace attune::service {

std::string SharedFolder() {
  const char* named = std::getenv("ATTUNE_SHARED");
  const std::string folder = named != nullptr ? named : testing::SourcePath("../shared");
  return std::filesystem::is_directory(folder + "/data") ? folder : "";
}

std::string FindPython(const std::string& modules) {
  std::vector<std::string> candidates;
  if (const char* named = std::getenv("ATTUNE_TRAIN_PYTHON")) candidates.emplace_back(named);
  candidates.insert(candidates.end(), {"/usr/bin/python3", "python3"});
  for (const std::string& python : candidates) {
    const RunResult result =
        RunProgram({"sh", "-c", "\"$0\" -c \"import $1\" 2>&1", python, modules});
    if (result.status == 0) return python;
  }
  return "";
}

void ForEachCsvRow(const std::string& path, const std::vector<std::string>& columns,
                   const std::function<void(const std::vector<std::string_view>&)>& visit) {
  auto source = ctl::OpenByteSource(path, std::cin);
  ASSERT_TRUE(source.ok()) << source.status();
  ctl::CsvReader rows(**source, ctl::CsvOptions());
  std::vector<size_t> places;
  std::vector<std::string_view> picked(columns.size());
  while (*rows.Next()) {
    const auto& fields = rows.row().fields;
    if (places.empty()) {
      for (const std::string& column : columns) {
        const auto found = std::find(fields.begin(), fields.end(), column);
        ASSERT_NE(found, fields.end()) << path << " has no column " << column;
        places.push_back(static_cast<size_t>(found - fields.begin()));
      }
      continue;
    }
    for (size_t i = 0; i < places.size(); ++i) picked[i] = fields[places[i]];
    visit(picked);
  }
}

}  // namespace attune::service
