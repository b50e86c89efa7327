#include "lib/context/context_schema.h"

#include <utility>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace attune::context {
namespace {

using ::testing::ElementsAre;

TEST(NameTableTest, NumbersNamesInTheirOrder) {
  const NameTable table({{"web", 4}, {"ivr", 9}});
  EXPECT_EQ(table.size(), 2);
  EXPECT_EQ(table.IndexOf("ivr"), 1);
  EXPECT_EQ(table[1].number, 9u);
  EXPECT_EQ(table.IndexOf("chat"), -1);
  EXPECT_EQ(table.IndexOf(""), -1);
  EXPECT_THAT(table.Names(), ElementsAre("web", "ivr"));
}

TEST(NameTableTest, StaysValidWhenItIsMoved) {
  NameTable table({{"web", 4}, {"ivr", 9}});
  const NameTable moved = std::move(table);
  EXPECT_EQ(moved.IndexOf("web"), 0);
}

TEST(ContextSchemaTest, NamesIntents) {
  ContextSchema schema;
  schema.intents = NameTable({{"report_outage", 0}, {"browse", 1}});
  EXPECT_EQ(schema.IntentName(kUnknownIntent), "");
  EXPECT_EQ(schema.IntentName(1), "report_outage");
  EXPECT_EQ(schema.IntentName(2), "browse");
}

}  // namespace
}  // namespace attune::context
