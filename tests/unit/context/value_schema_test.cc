#include "lib/context/value_schema.h"

#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/context/value_codec.h"
#include "tests/testing/mutations.h"

namespace attune {
namespace {

using ::testing::ElementsAre;

ValueDeclaration Declare(std::string name, uint32_t number, const ValueRef& default_value) {
  ValueDeclaration declaration;
  declaration.name = std::move(name);
  declaration.type = default_value.type();
  ValueRef value = default_value;
  value.set_known(false);
  declaration.default_value = OwnedValue(value);
  declaration.number = number;
  return declaration;
}

// Numbers are those of the dictionary: in no particular order, with gaps.
ValueSchema Schema() {
  return ValueSchema({Declare("plan", 7, ValueRef::String("basic")),
                      Declare("tenure", 2, ValueRef::Int(12)),
                      Declare("charges", 30, ValueRef::Double(20))});
}

std::string Stored() {
  std::string bytes;
  AppendValue(bytes, 2, ValueRef::Int(48));
  AppendValue(bytes, 5, ValueRef::Bool(true));
  AppendValue(bytes, 7, ValueRef::String("premium"));
  AppendValue(bytes, 99, ValueRef::Int(1));
  return bytes;
}

std::vector<ValueRef> Decoded(const ValueSchema& schema, std::string_view stored) {
  std::vector<ValueRef> slots(static_cast<size_t>(schema.size()));
  EXPECT_TRUE(schema.Decode(stored, absl::MakeSpan(slots)).ok());
  return slots;
}

TEST(ValueSchemaTest, FindsSlotsByNameAndNumber) {
  const ValueSchema schema = Schema();
  EXPECT_EQ(schema.size(), 3);
  EXPECT_EQ(schema.SlotOf("tenure"), 1);
  EXPECT_EQ(schema.SlotOf("tenur"), -1);
  EXPECT_EQ(schema.SlotOf(""), -1);
  EXPECT_EQ(schema.SlotOfNumber(30), 2);
  EXPECT_EQ(schema.SlotOfNumber(3), -1);
  EXPECT_EQ(schema.SlotOfNumber(UINT32_MAX), -1);
  EXPECT_THAT(schema.Names(), ElementsAre("plan", "tenure", "charges"));
}

TEST(ValueSchemaTest, StaysValidWhenItIsMoved) {
  ValueSchema schema = Schema();
  const ValueSchema moved = std::move(schema);
  EXPECT_EQ(moved.SlotOf("plan"), 0);
  EXPECT_EQ(moved.defaults()[0], ValueRef::String("basic"));
  EXPECT_FALSE(moved.defaults()[0].known());
}

TEST(ValueSchemaTest, LaysStoredValuesOverDefaults) {
  const ValueSchema schema = Schema();
  const std::string stored = Stored();
  const std::vector<ValueRef> slots = Decoded(schema, stored);
  EXPECT_EQ(slots[0], ValueRef::String("premium"));
  EXPECT_TRUE(slots[0].known());
  EXPECT_EQ(slots[1], ValueRef::Int(48));
  EXPECT_EQ(slots[2], ValueRef::Double(20));
  EXPECT_FALSE(slots[2].known());
}

TEST(ValueSchemaTest, DecodesAnUnknownCustomerAsDefaults) {
  const ValueSchema schema = Schema();
  for (const ValueRef& value : Decoded(schema, "")) EXPECT_FALSE(value.known());
}

// A strategy that was changed reads what was stored under the one before.
TEST(ValueSchemaTest, ReadsAnAddedFeatureAsItsDefault) {
  const ValueSchema schema(
      {Declare("plan", 7, ValueRef::String("basic")), Declare("added", 8, ValueRef::Int(-1))});
  const std::string stored = Stored();
  const std::vector<ValueRef> slots = Decoded(schema, stored);
  EXPECT_EQ(slots[0], ValueRef::String("premium"));
  EXPECT_EQ(slots[1], ValueRef::Int(-1));
  EXPECT_FALSE(slots[1].known());
}

TEST(ValueSchemaTest, SkipsARemovedFeatureAndFindsItWhenItIsAddedAgain) {
  const std::string stored = Stored();
  const ValueSchema without({Declare("tenure", 2, ValueRef::Int(12))});
  EXPECT_EQ(Decoded(without, stored)[0], ValueRef::Int(48));
  const ValueSchema again = Schema();
  EXPECT_EQ(Decoded(again, stored)[0], ValueRef::String("premium"));
}

TEST(ValueSchemaTest, UsesAChangedDefaultOnlyWhereNothingIsStored) {
  const ValueSchema schema(
      {Declare("tenure", 2, ValueRef::Int(99)), Declare("charges", 30, ValueRef::Double(99))});
  const std::string stored = Stored();
  const std::vector<ValueRef> slots = Decoded(schema, stored);
  EXPECT_EQ(slots[0], ValueRef::Int(48));
  EXPECT_EQ(slots[1], ValueRef::Double(99));
}

TEST(ValueSchemaTest, ReadsAnIntWhereADoubleIsDeclaredNow) {
  const ValueSchema schema({Declare("tenure", 2, ValueRef::Double(0))});
  const std::string stored = Stored();
  EXPECT_EQ(Decoded(schema, stored)[0], ValueRef::Double(48));
}

TEST(ValueSchemaTest, TakesTheDefaultWhereTheTypeHasChanged) {
  const ValueSchema schema(
      {Declare("plan", 7, ValueRef::Int(3)), Declare("tenure", 2, ValueRef::String("long"))});
  const std::string stored = Stored();
  const std::vector<ValueRef> slots = Decoded(schema, stored);
  EXPECT_EQ(slots[0], ValueRef::Int(3));
  EXPECT_FALSE(slots[0].known());
  EXPECT_EQ(slots[1], ValueRef::String("long"));
}

TEST(ValueSchemaTest, ReportsMalformedValuesAsDataLoss) {
  const ValueSchema schema = Schema();
  std::vector<ValueRef> slots(3);
  const std::string stored = Stored();
  EXPECT_TRUE(absl::IsDataLoss(
      schema.Decode(std::string_view(stored).substr(0, stored.size() - 1), absl::MakeSpan(slots))));
}

TEST(ValueSchemaTest, SlotsHaveTheirDeclaredTypeWhateverIsStored) {
  const ValueSchema schema = Schema();
  testing::ForEachMutation(Stored(), 5'000, [&](const std::string& mutated) {
    std::vector<ValueRef> slots(3);
    (void)schema.Decode(mutated, absl::MakeSpan(slots));
    for (int slot = 0; slot < schema.size(); ++slot) {
      EXPECT_EQ(slots[static_cast<size_t>(slot)].type(), schema[slot].type);
    }
  });
}

struct ConvertCase {
  const char* name;
  ValueType declared;
  ValueRef given;
  bool converts;
};

TEST(ConvertToTest, TakesTheDeclaredTypeAndIntsAsDoubles) {
  const ConvertCase cases[] = {
      {"same type", ValueType::kString, ValueRef::String("x"), true},
      {"int as double", ValueType::kDouble, ValueRef::Int(3), true},
      {"double as int", ValueType::kInt, ValueRef::Double(3), false},
      {"bool as int", ValueType::kInt, ValueRef::Bool(true), false},
      {"int as timestamp", ValueType::kTimestamp, ValueRef::Int(3), false},
      {"string as list", ValueType::kStringList, ValueRef::String("x"), false},
  };
  for (const ConvertCase& c : cases) {
    ValueRef value = c.given;
    EXPECT_EQ(ConvertTo(c.declared, value), c.converts) << c.name;
    EXPECT_EQ(value.type(), c.converts ? c.declared : c.given.type()) << c.name;
  }
  ValueRef value = ValueRef::Int(3);
  ASSERT_TRUE(ConvertTo(ValueType::kDouble, value));
  EXPECT_EQ(value, ValueRef::Double(3));
}

}  // namespace
}  // namespace attune
