#include "lib/base/proto_wire.h"

#include <string>

#include "gtest/gtest.h"

namespace attune {
namespace {

TEST(ProtoWireTest, AFieldWhoseSizeIsKnownLastIsLikeAnyOther) {
  for (const size_t size : {0u, 1u, 127u, 128u, 300u, 16'383u, 16'384u, 70'000u}) {
    for (const size_t expected : {1u, 2u, 3u, 4u}) {
      const std::string content(size, 'x');
      std::string known = "before";
      PutSizedField(known, 13, content);
      known += "after";
      std::string open = "before";
      const OpenField field = BeginSizedField(open, 13, expected);
      open += content;
      EndSizedField(open, field);
      open += "after";
      EXPECT_EQ(open, known) << size << " " << expected;
    }
  }
}

TEST(ProtoWireTest, OpenFieldsNest) {
  std::string inner;
  PutSizedField(inner, 2, std::string(200, 'y'));
  std::string known;
  PutSizedField(known, 1, inner + "tail");
  std::string open;
  const OpenField outer = BeginSizedField(open, 1);
  const OpenField nested = BeginSizedField(open, 2);
  open += std::string(200, 'y');
  EndSizedField(open, nested);
  open += "tail";
  EndSizedField(open, outer);
  EXPECT_EQ(open, known);
}

}  // namespace
}  // namespace attune
