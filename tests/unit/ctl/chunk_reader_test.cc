#include "service/ctl/chunk_reader.h"

#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "attune/v1/customer_service.pb.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "service/ctl/feature_rows.h"

namespace attune::ctl {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// A file with an id and two features, int and string.
class ChunkReaderTest : public ::testing::Test {
 protected:
  // `rows`: the file without its header.
  void Open(const std::string& rows, const ChunkLimits& limits = {}, const CsvOptions& csv = {}) {
    standard_input_ = std::make_unique<std::istringstream>("id,age,plan\n" + rows);
    source_ = *OpenByteSource("-", *standard_input_);
    rows_ = std::make_unique<CsvReader>(*source_, csv);
    ASSERT_TRUE(*rows_->Next());
    mapping_.column_count = 3;
    mapping_.id_column = 0;
    mapping_.columns = {{1, "age", "age", ValueType::kInt},
                        {2, "plan", "plan", ValueType::kString}};
    writer_ = std::make_unique<FeatureRows>(mapping_);
    reader_ = std::make_unique<ChunkReader>(*source_, *rows_, *writer_, limits);
  }

  ImportChunk Next(int64_t max_rows = 1'000'000) {
    ImportChunk chunk;
    const absl::Status status = reader_->Next(max_rows, chunk);
    EXPECT_TRUE(status.ok()) << status;
    EXPECT_EQ(chunk.rows_read, static_cast<int64_t>(chunk.texts.size() + chunk.rejected.size()));
    return chunk;
  }

  static std::vector<std::string> Ids(const ImportChunk& chunk) {
    std::vector<std::string> ids;
    for (const std::string& bytes : chunk.messages) {
      v1::CustomerServiceBatchUpsertRequest message;
      EXPECT_TRUE(message.ParseFromString(bytes));
      EXPECT_THAT(message.feature_names(), ElementsAre("age", "plan"));
      for (const v1::CustomerRow& row : message.rows()) ids.push_back(row.customer_id());
    }
    return ids;
  }

  static std::vector<std::string> Reasons(const ImportChunk& chunk) {
    std::vector<std::string> reasons;
    for (const RejectedText& row : chunk.rejected) {
      reasons.push_back(absl::StrCat(row.line, ": ", row.reason));
    }
    return reasons;
  }

  std::unique_ptr<std::istringstream> standard_input_;
  std::unique_ptr<ByteSource> source_;
  std::unique_ptr<CsvReader> rows_;
  ColumnMapping mapping_;
  std::unique_ptr<FeatureRows> writer_;
  std::unique_ptr<ChunkReader> reader_;
};

TEST_F(ChunkReaderTest, ConvertsRows) {
  Open("C1,34,fiber\nC2,,\nC3, 5 ,\"a,b\"\n");
  const ImportChunk chunk = Next();
  ASSERT_THAT(chunk.messages, SizeIs(1));
  v1::CustomerServiceBatchUpsertRequest message;
  ASSERT_TRUE(message.ParseFromString(chunk.messages[0]));
  ASSERT_EQ(message.rows_size(), 3);
  EXPECT_EQ(message.rows(0).values(0).int_value(), 34);
  EXPECT_EQ(message.rows(0).values(1).string_value(), "fiber");
  EXPECT_EQ(message.rows(1).values(0).kind_case(), v1::Value::KIND_NOT_SET) << "not known";
  EXPECT_EQ(message.rows(1).values(1).kind_case(), v1::Value::KIND_NOT_SET) << "not known";
  EXPECT_EQ(message.rows(2).values(0).int_value(), 5);
  EXPECT_EQ(message.rows(2).values(1).string_value(), "a,b");
  EXPECT_EQ(chunk.texts[2].text, "C3, 5 ,\"a,b\"");
  EXPECT_EQ(chunk.texts[2].line, 4);
  EXPECT_EQ(chunk.last_line, 4);
  EXPECT_EQ(Next().rows_read, 0);
}

struct RejectCase {
  const char* name;
  std::string row;
  std::string reason;
};

TEST_F(ChunkReaderTest, RejectsARowWithItsReasonAndGoesOn) {
  const RejectCase cases[] = {
      {"TooFewFields", "C2,3", "3: has 2 fields where the header has 3"},
      {"TooManyFields", "C2,3,x,y", "3: has 4 fields where the header has 3"},
      {"WrongType", "C2,old,x", "3: column \"age\": \"old\" is not an int; write a whole number"},
      {"EmptyId", ",3,x", "3: the customer id must not be empty"},
      {"OneField", "C2", "3: has 1 field where the header has 3"},
      {"IdWithBlank", " C2,3,x", "3: the customer id \" C2\" has a blank at an end; remove it"},
      {"IdWithBlankBehind", "C2 ,3,x", "has a blank at an end"},
      {"IdWithTab", "C\t2,3,x", "3: the customer id must not contain control characters"},
      {"IdWithNul", std::string("C\0002,3,x", 8), "3: the customer id must not contain control"},
      {"IdNotUtf8", "C\xFF,3,x", "3: the customer id must be valid UTF-8"},
      {"IdTooLong", std::string(257, 'C') + ",3,x",
       "3: the customer id has 257 bytes; at most 256"},
      {"TextNotUtf8", "C2,3,\xFF", "3: column \"plan\": \"\\xff\" is not valid UTF-8"},
      {"TextWithNul", std::string("C2,3,a\0b", 8), "3: column \"plan\": contains a NUL byte"},
      {"TextTooLong", "C2,3," + std::string(1025, 'x'), "3: column \"plan\": has 1025 bytes"},
      {"TextAfterQuote", "C2,\"3\"4,x",
       "3: malformed quotes: text follows the quote that closes field 2"},
      {"LineTooLong", "C2,3," + std::string(3000, 'x'),
       "3: the line is too long: 3005 bytes; only its start is kept here"},
  };
  CsvOptions csv;
  csv.max_row_bytes = 2000;
  for (const RejectCase& test : cases) {
    Open("C1,1,a\n" + test.row + "\nC9,9,z\n", {}, csv);
    const ImportChunk chunk = Next();
    EXPECT_THAT(Ids(chunk), ElementsAre("C1", "C9")) << test.name;
    ASSERT_THAT(chunk.rejected, SizeIs(1)) << test.name;
    EXPECT_THAT(Reasons(chunk), ElementsAre(HasSubstr(test.reason))) << test.name;
    if (test.row.size() < 2000) {
      EXPECT_EQ(chunk.rejected[0].text, test.row) << test.name;
    }
  }
}

TEST_F(ChunkReaderTest, RejectsOnlyTheLineWhoseQuoteIsNotClosed) {
  Open("C1,1,\"a\nC2,2,b\n");
  const ImportChunk chunk = Next();
  EXPECT_THAT(Reasons(chunk),
              ElementsAre("2: malformed quotes: the quote that opens field 3 is not closed (a row "
                          "has at most 1 MiB)"));
  EXPECT_THAT(Ids(chunk), ElementsAre("C2"));
  EXPECT_EQ(chunk.rejected[0].text, "C1,1,\"a");
  EXPECT_FALSE(chunk.rejected[0].well_formed);
}

TEST_F(ChunkReaderTest, EndsChunksAndMessagesAtTheirLimits) {
  std::string rows;
  for (int i = 0; i < 25; ++i) absl::StrAppend(&rows, "C", i, ",1,a\n");
  ChunkLimits limits;
  limits.max_rows = 10;
  limits.max_message_rows = 4;
  Open(rows, limits);
  ImportChunk chunk = Next();
  EXPECT_EQ(chunk.rows_read, 10);
  EXPECT_THAT(chunk.messages, SizeIs(3));
  EXPECT_EQ(chunk.number, 0);
  chunk = Next(7);
  EXPECT_EQ(chunk.rows_read, 7) << "the caller's limit";
  EXPECT_EQ(chunk.number, 1);
  chunk = Next();
  EXPECT_EQ(chunk.rows_read, 8) << "the rest";
  EXPECT_EQ(Ids(chunk).back(), "C24");
  EXPECT_EQ(Next().rows_read, 0);
}

TEST_F(ChunkReaderTest, KeepsMessagesBelowTheirLimitOfBytes) {
  std::string rows;
  for (int i = 0; i < 100; ++i) absl::StrAppend(&rows, "C", i, ",1,", std::string(100, 'x'), "\n");
  ChunkLimits limits;
  limits.max_message_bytes = 1000;
  Open(rows, limits);
  const ImportChunk chunk = Next();
  EXPECT_THAT(Ids(chunk), SizeIs(100));
  for (const std::string& message : chunk.messages) {
    EXPECT_LE(message.size(), 1000u);
    if (&message != &chunk.messages.back()) {
      EXPECT_GT(message.size(), 800u);
    }
  }
}

TEST_F(ChunkReaderTest, RejectsARowThatFitsIntoNoMessage) {
  ChunkLimits limits;
  limits.max_message_bytes = 200;
  Open("C1,1,a\nC2,2," + std::string(200, 'x') + "\nC3,3,c\n", limits);
  const ImportChunk chunk = Next();
  EXPECT_THAT(Ids(chunk), ElementsAre("C1", "C3"));
  EXPECT_THAT(Reasons(chunk), ElementsAre(HasSubstr("bytes in a message; at most")));
}

TEST_F(ChunkReaderTest, BoundsTheTextOfAChunk) {
  std::string rows;
  for (int i = 0; i < 100; ++i) absl::StrAppend(&rows, std::string(1000, 'x'), "\n");  // all bad
  for (int i = 0; i < 100; ++i) absl::StrAppend(&rows, "C", i, ",1,", std::string(1000, 'x'), "\n");
  ChunkLimits limits;
  limits.max_text_bytes = 10'000;
  Open(rows, limits);
  int64_t sum = 0;
  while (true) {
    const ImportChunk chunk = Next();
    if (chunk.rows_read == 0) break;
    EXPECT_LE(chunk.rows_read, 10);
    sum += chunk.rows_read;
  }
  EXPECT_EQ(sum, 200);
}

TEST_F(ChunkReaderTest, TellsWhichChunkMustBeAnsweredBefore) {
  ChunkLimits limits;
  limits.max_rows = 2;
  Open("A,1,\nB,1,\nC,1,\nD,1,\nB,2,\nE,1,\nF,1,\nF,2,\nB,3,\nA,2,\n", limits);
  EXPECT_EQ(Next().after, -1);  // A B
  EXPECT_EQ(Next().after, -1);  // C D
  EXPECT_EQ(Next().after, 0);   // B again
  EXPECT_EQ(Next().after, -1);  // F twice in the same chunk
  EXPECT_EQ(Next().after, 2);   // B was last in the third, A in the first
}

TEST(RecentCustomers, RemembersAtLeastWhatItPromises) {
  RecentCustomers recent;
  for (size_t i = 0; i < 3 * RecentCustomers::kRemembered; ++i) {
    ASSERT_EQ(recent.Replace(absl::StrCat(i), static_cast<int64_t>(i)), -1);
    if (i < RecentCustomers::kRemembered) continue;
    // Asked for and thereby refreshed; it was last seen so many rows ago.
    const size_t old = i - RecentCustomers::kRemembered / 2;
    if (i % 1000 == 0) {
      ASSERT_EQ(recent.Replace(absl::StrCat(old), 1), static_cast<int64_t>(old));
      ASSERT_EQ(recent.Replace(absl::StrCat(old), static_cast<int64_t>(old)), 1);
    }
  }
}

}  // namespace
}  // namespace attune::ctl
