#include "service/ctl/interaction_rows.h"

#include <string>
#include <vector>

#include "attune/v1/customer_service.pb.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace attune::ctl {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

const std::vector<std::string> kHeader = {"customer_id", "sent at", "offer", "event"};

InteractionColumns Columns() {
  InteractionColumns columns;
  columns.customer = "customer_id";
  columns.time = "sent_at";
  columns.treatment.column = "offer";
  columns.channel.value = "email";
  columns.outcome.column = "event";
  return columns;
}

CsvRow RowOf(const std::vector<std::string>& fields) {
  CsvRow row;
  row.fields.assign(fields.begin(), fields.end());
  row.field_count = fields.size();
  return row;
}

TEST(InteractionRows, WritesRowsAsMessages) {
  absl::StatusOr<InteractionRows> rows = InteractionRows::Create(kHeader, Columns());
  ASSERT_TRUE(rows.ok()) << rows.status();
  EXPECT_EQ(rows->column_count(), 4u);
  EXPECT_EQ(rows->id_column(), 0u);
  const std::vector<std::vector<std::string>> fields = {
      {"C1", "2026-03-01T01:00:00+01:00", "bogo", "shown"},
      {"C2", "2026-03-02", "info", "rejected"}};
  size_t bytes = 0;
  for (const std::vector<std::string>& f : fields) {
    ASSERT_EQ(rows->Read(RowOf(f)), "");
    bytes += rows->row_bytes();
    rows->FinishRow();
  }
  EXPECT_EQ(rows->rows(), 2u);
  EXPECT_EQ(rows->message_bytes(), bytes);
  v1::CustomerServiceBatchRecordInteractionsRequest message;
  ASSERT_TRUE(message.ParseFromString(rows->TakeMessage()));
  ASSERT_EQ(message.rows_size(), 2);
  EXPECT_EQ(message.rows(0).ShortDebugString(),
            "customer_id: \"C1\" interaction { time { seconds: 1772323200 } channel: \"email\" "
            "treatment_id: \"bogo\" outcome: \"shown\" }");
  EXPECT_EQ(message.rows(1).interaction().outcome(), "rejected");
  EXPECT_EQ(rows->rows(), 0u);
}

TEST(InteractionRows, LeavesItToTheServerWhetherATreatmentIsNeeded) {
  absl::StatusOr<InteractionRows> rows = InteractionRows::Create(kHeader, Columns());
  ASSERT_TRUE(rows.ok());
  EXPECT_EQ(rows->Read(RowOf({"C1", "2026-03-02", "", "purchased"})), "");
  rows->FinishRow();
  EXPECT_EQ(rows->rows(), 1u);
}

TEST(InteractionRows, TellsWhatIsWrongWithARow) {
  absl::StatusOr<InteractionRows> rows = InteractionRows::Create(kHeader, Columns());
  ASSERT_TRUE(rows.ok());
  EXPECT_THAT(rows->Read(RowOf({"C1", "soon", "bogo", "shown"})),
              HasSubstr("column \"sent_at\": "));
  EXPECT_EQ(rows->Read(RowOf({"C1", "2026-03-02", "bogo", ""})),
            "column \"event\" must not be empty");
  EXPECT_EQ(rows->Read(RowOf({"C1", "2026-03-02", "bogo", "a\tb"})).substr(0, 14),
            "column \"event\"");
  // A row that was read in part leaves nothing behind.
  EXPECT_EQ(rows->Read(RowOf({"C1", "2026-03-02", "bogo", "shown"})), "");
  rows->FinishRow();
  EXPECT_EQ(rows->rows(), 1u);
}

TEST(InteractionRows, ListsEveryColumnThatIsNotThere) {
  InteractionColumns columns = Columns();
  columns.time = "sent_add";
  columns.outcome.column = "evnt";
  const absl::StatusOr<InteractionRows> rows = InteractionRows::Create(kHeader, columns);
  EXPECT_THAT(std::string(rows.status().message()),
              AllOf(HasSubstr("--time: there is no column \"sent_add\""),
                    HasSubstr("--outcome: there is no column \"evnt\"; did you mean \"event\"?")));
}

}  // namespace
}  // namespace attune::ctl
