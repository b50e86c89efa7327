#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <system_error>

#include "lib/telemetry/metrics.h"

namespace attune::telemetry {
namespace {

double CpuSeconds() {
  rusage usage{};
  if (getrusage(RUSAGE_SELF, &usage) != 0) return 0;
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

double ResidentBytes() {
  std::ifstream statm("/proc/self/statm");
  double total_pages = 0;
  double resident_pages = 0;
  statm >> total_pages >> resident_pages;
  return resident_pages * static_cast<double>(sysconf(_SC_PAGESIZE));
}

double OpenFds() {
  std::error_code error;
  std::filesystem::directory_iterator fds("/proc/self/fd", error);
  if (error) return 0;
  // One of them is the iterator's own.
  return static_cast<double>(std::distance(begin(fds), end(fds))) - 1;
}

double MaxFds() {
  rlimit limit{};
  return getrlimit(RLIMIT_NOFILE, &limit) == 0 ? static_cast<double>(limit.rlim_cur) : 0;
}

// Start of the process in seconds since 1970: boot time plus the 22nd field of /proc/self/stat.
double StartTime() {
  std::ifstream stat("/proc/self/stat");
  std::string text((std::istreambuf_iterator<char>(stat)), std::istreambuf_iterator<char>());
  const size_t after_name = text.rfind(')');  // the name may hold spaces and brackets itself
  if (after_name == std::string::npos) return 0;
  std::istringstream fields(text.substr(after_name + 1));
  std::string field;
  for (int i = 3; i <= 22; ++i) fields >> field;
  const double ticks = std::strtod(field.c_str(), nullptr);
  std::ifstream system("/proc/stat");
  double boot = 0;
  for (std::string line; std::getline(system, line);) {
    if (std::sscanf(line.c_str(), "btime %lf", &boot) == 1) break;
  }
  return boot + ticks / static_cast<double>(sysconf(_SC_CLK_TCK));
}

}  // namespace

void AddProcessMetrics(Registry& registry) {
  registry.AddCounterFunction("process_cpu_seconds_total",
                              "User and system CPU time spent, in seconds.", CpuSeconds);
  registry.AddGauge("process_resident_memory_bytes", "Resident memory, in bytes.", ResidentBytes);
  registry.AddGauge("process_open_fds", "Open file descriptors.", OpenFds);
  registry.AddGauge("process_max_fds", "Most file descriptors that may be open.", MaxFds);
  const double start_time = StartTime();
  registry.AddGauge("process_start_time_seconds",
                    "When the process started, in seconds since 1970.",
                    [start_time] { return start_time; });
}

}  // namespace attune::telemetry
