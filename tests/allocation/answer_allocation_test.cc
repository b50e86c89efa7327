// An answer that explains nothing is written without allocating.

#include <string>

#include "gtest/gtest.h"
#include "lib/decision/decider.h"
#include "service/decision_answer.h"
#include "tests/testing/allocation_counter.h"
#include "tests/testing/strategy_builder.h"

namespace attune::service {
namespace {

TEST(AnswerAllocationTest, AnAnswerThatIsNotExplainedAllocatesNothing) {
  testing::StrategyBuilder builder;
  const auto strategy = testing::BuildSmallStrategy(builder);
  context::DecisionContext context;
  context.time_us = 1'772'323'200'000'001;
  context.max_treatments = 4;
  context.attributes.assign(strategy->context.attributes.defaults().begin(),
                            strategy->context.attributes.defaults().end());
  decision::Decision decision;
  decision.features.assign(strategy->features.defaults().begin(),
                           strategy->features.defaults().end());
  decision::StageTimer timer(decision.times);
  decision::RunPipeline(*strategy, stops::StopSet(), context, customer::CustomerState(),
                        decision.features, std::nullopt, timer, decision.result);
  ASSERT_FALSE(decision.result.arbitration.ranked.empty());
  const AnswerEncoder encoder(*strategy);
  std::string bytes;
  bytes.reserve(1 << 16);
  const uint64_t before = testing::AllocationsOfThisThread();
  encoder.Append(context, decision, /*explain=*/false, bytes);
  EXPECT_EQ(testing::AllocationsOfThisThread(), before);
  const size_t plain = bytes.size();
  bytes.clear();
  encoder.Append(context, decision, /*explain=*/true, bytes);
  EXPECT_GT(testing::AllocationsOfThisThread(), before) << "parts and reasons are put together";
  EXPECT_GT(bytes.size(), plain);
}

}  // namespace
}  // namespace attune::service
