#include "lib/storage/batch_thread.h"

#include <thread>

#include "gtest/gtest.h"

namespace attune::storage {
namespace {

int PolicyOfThisThread() {
  int policy = -1;
  sched_param ignored{};
  EXPECT_EQ(pthread_getschedparam(pthread_self(), &policy, &ignored), 0);
  return policy;
}

TEST(BatchThreadTest, WaitsForItsTurnAndNobodyElseDoes) {
  const int policy = PolicyOfThisThread();
  if (policy != SCHED_OTHER) GTEST_SKIP() << "the tests themselves run with another priority";
  int of_thread = -1;
  std::thread thread([&] {
    RunInBackground();
    of_thread = PolicyOfThisThread();
  });
  thread.join();
  EXPECT_EQ(of_thread, SCHED_BATCH);
  EXPECT_EQ(PolicyOfThisThread(), SCHED_OTHER);
}

}  // namespace
}  // namespace attune::storage
