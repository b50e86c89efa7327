#include "service/ctl/csv_reader.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <ostream>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "service/ctl/byte_source.h"

namespace attune::ctl {
namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;

// Gives the text in pieces of a fixed size, so that every row is cut somewhere.
class TextSource : public ByteSource {
 public:
  TextSource(std::string text, size_t piece) : text_(std::move(text)), piece_(piece) {}

  absl::StatusOr<size_t> Read(char* buffer, size_t size) override {
    const size_t count = std::min({size, piece_, text_.size() - position_});
    std::copy_n(text_.data() + position_, count, buffer);
    position_ += count;
    return count;
  }
  int64_t position() const override { return static_cast<int64_t>(position_); }
  std::optional<int64_t> size() const override { return std::ssize(text_); }

 private:
  const std::string text_;
  const size_t piece_;
  size_t position_ = 0;
};

struct Row {
  int64_t line = 0;
  std::vector<std::string> fields = {};
  CsvProblem problem = CsvProblem::kNone;
  int64_t last_line = 0;  // 0: the same as line
  std::optional<std::string> text = std::nullopt;

  bool operator==(const Row& other) const {
    const auto last = [](const Row& row) { return row.last_line == 0 ? row.line : row.last_line; };
    return line == other.line && fields == other.fields && problem == other.problem &&
           last(*this) == last(other) &&
           (!text.has_value() || !other.text.has_value() || text == other.text);
  }
};

std::ostream& operator<<(std::ostream& out, const Row& row) {
  out << "line " << row.line << "-" << row.last_line << " problem " << static_cast<int>(row.problem)
      << " fields";
  for (const std::string& field : row.fields) out << " [" << field << "]";
  return out << " text [" << row.text.value_or("(any)") << "]";
}

std::vector<Row> ReadAll(std::string text, size_t piece, CsvOptions options = {}) {
  TextSource source(std::move(text), piece);
  CsvReader reader(source, options);
  std::vector<Row> rows;
  while (true) {
    const absl::StatusOr<bool> found = reader.Next();
    EXPECT_TRUE(found.ok()) << found.status();
    if (!found.ok() || !*found) return rows;
    const CsvRow& row = reader.row();
    Row copy{row.line, {}, row.problem, row.last_line, std::string(row.text)};
    if (row.problem == CsvProblem::kNone) {
      copy.fields.assign(row.fields.begin(), row.fields.end());
      EXPECT_EQ(row.field_count, row.fields.size());
    }
    rows.push_back(std::move(copy));
  }
}

struct Case {
  const char* name;
  std::string text;
  std::vector<Row> rows;
  CsvOptions options = {};
};

CsvOptions Delimiter(char delimiter) {
  CsvOptions options;
  options.delimiter = delimiter;
  return options;
}

CsvOptions RowBytes(size_t bytes) {
  CsvOptions options;
  options.max_row_bytes = bytes;
  return options;
}

CsvOptions KeepBlankLines() {
  CsvOptions options;
  options.keep_blank_lines = true;
  return options;
}

std::vector<Case> Cases() {
  return {
      {"Empty", "", {}},
      {"OneRow", "a,b\n", {{1, {"a", "b"}}}},
      {"NoLineEndAtTheEnd", "a,b\nc,d", {{1, {"a", "b"}}, {2, {"c", "d"}}}},
      {"CarriageReturnLineFeed", "a,b\r\nc,d\r\n", {{1, {"a", "b"}}, {2, {"c", "d"}}}},
      {"CarriageReturnAtTheVeryEnd", "a,b\r", {{1, {"a", "b"}}}},
      {"CarriageReturnInAField", "a\rx,b\n", {{1, {"a\rx", "b"}}}},
      {"EmptyFields", ",,\n", {{1, {"", "", ""}}}},
      {"LastFieldEmptyAtTheEnd", "a,", {{1, {"a", ""}}}},
      {"BlankLinesAreSkippedAndCounted", "\n\r\na\n\n\nb\n", {{3, {"a"}}, {6, {"b"}}}},
      {"BlankLinesAreKept",
       "\na\n\n\r\nb\n\n",
       {{1, {""}}, {2, {"a"}}, {3, {""}}, {4, {""}}, {5, {"b"}}, {6, {""}}},
       KeepBlankLines()},
      {"NothingIsNoBlankLine", "", {}, KeepBlankLines()},
      {"BlanksAreNoBlankLine", " \n", {{1, {" "}}}},
      {"Quoted", "\"a\",\"b,c\"\n", {{1, {"a", "b,c"}}}},
      {"QuotedEmpty", "\"\"\n\"\",x\n", {{1, {""}}, {2, {"", "x"}}}},
      {"DoubledQuotes", "\"a \"\"b\"\" c\",\"\"\"\"\n", {{1, {"a \"b\" c", "\""}}}},
      {"QuotedLineEnds",
       "a,\"x\ny\r\nz\",b\nnext,1,2\n",
       {{1, {"a", "x\ny\r\nz", "b"}, CsvProblem::kNone, 3, "a,\"x\ny\r\nz\",b"},
        {4, {"next", "1", "2"}}}},
      {"QuotedLastFieldWithCarriageReturn",
       "a,\"b\"\r\nc,\"d\"\r",
       {{1, {"a", "b"}}, {2, {"c", "d"}}}},
      {"QuoteInAPlainField", "5\" pipe,a\"b\"\n", {{1, {"5\" pipe", "a\"b\""}}}},
      {"BlankBeforeAQuoteIsPlain", " \"a\",b\n", {{1, {" \"a\"", "b"}}}},
      {"TextAfterQuoteCostsTheLine",
       "a,\"b\"c,d\ne,f,g\n",
       {{1, {}, CsvProblem::kTextAfterQuote, 0, "a,\"b\"c,d"}, {2, {"e", "f", "g"}}}},
      {"TextAfterQuoteWithCarriageReturn",
       "\"b\"c\r\ne\r\n",
       {{1, {}, CsvProblem::kTextAfterQuote, 0, "\"b\"c"}, {2, {"e"}}}},
      {"TextAfterQuoteAtTheEnd", "\"b\"c", {{1, {}, CsvProblem::kTextAfterQuote, 0, "\"b\"c"}}},
      {"TextAfterQuoteAndCarriageReturn",
       "\"b\"\rc\nd\n",
       {{1, {}, CsvProblem::kTextAfterQuote, 0, "\"b\"\rc"}, {2, {"d"}}}},
      {"TextAfterQuoteOfSeveralLines",
       "\"a\nb\"c,\"\nd\n",
       {{1, {}, CsvProblem::kUnterminatedQuote, 0, "\"a"},
        {2, {}, CsvProblem::kUnterminatedQuote, 0, "b\"c,\""},
        {3, {"d"}}}},
      {"TheQuoteOfALaterRowDoesNotCloseOne",
       "a,\"b\r\nc,d\r\n\"e\",\"f\"\r\ng,h\r\n",
       {{1, {}, CsvProblem::kUnterminatedQuote, 0, "a,\"b"},
        {2, {"c", "d"}},
        {3, {"e", "f"}},
        {4, {"g", "h"}}}},
      {"UnterminatedQuoteAtTheEnd",
       "a,b\nc,\"d\ne,f\n",
       {{1, {"a", "b"}}, {2, {}, CsvProblem::kUnterminatedQuote, 0, "c,\"d"}, {3, {"e", "f"}}}},
      {"OnlyAQuote", "\"", {{1, {}, CsvProblem::kUnterminatedQuote, 0, "\""}}},
      {"QuoteThatEndsInADoubledOne",
       "\"a\"\"",
       {{1, {}, CsvProblem::kUnterminatedQuote, 0, "\"a\"\""}}},
      {"ByteOrderMark",
       "\xEF\xBB\xBF"
       "a,b\n",
       {{1, {"a", "b"}, CsvProblem::kNone, 0, "a,b"}}},
      {"OnlyAByteOrderMark", "\xEF\xBB\xBF", {}},
      {"ByteOrderMarkBeforeAQuote", "\xEF\xBB\xBF\"a\"\n", {{1, {"a"}}}},
      {"NulBytes", std::string("a\0b,c\n", 6), {{1, {std::string("a\0b", 3), "c"}}}},
      {"NotUtf8", "\xFFz,\xC3\n", {{1, {"\xFFz", "\xC3"}}}},
      {"Semicolons", "a;b,c\n", {{1, {"a", "b,c"}}}, Delimiter(';')},
      {"Tabs", "a\t\"b\tc\"\n", {{1, {"a", "b\tc"}}}, Delimiter('\t')},
      {"RowOfExactlyTheLimit", "12345678\nx\n", {{1, {"12345678"}}, {2, {"x"}}}, RowBytes(8)},
      {"RowOfExactlyTheLimitWithCarriageReturn",
       "12345678\r\nx\n",
       {{1, {"12345678"}}, {2, {"x"}}},
       RowBytes(8)},
      {"RowOfExactlyTheLimitAtTheEnd", "12345678", {{1, {"12345678"}}}, RowBytes(8)},
      {"TooLongLine",
       "a\n123456789\nx\n",
       {{1, {"a"}}, {2, {}, CsvProblem::kTooLong}, {3, {"x"}}},
       RowBytes(8)},
      {"TooLongLineAtTheEnd", "123456789", {{1, {}, CsvProblem::kTooLong}}, RowBytes(8)},
      {"TooLongQuotedLine",
       "\"23456789\"\nx\n",
       {{1, {}, CsvProblem::kTooLong}, {2, {"x"}}},
       RowBytes(8)},
      {"TooLongTextAfterQuote",
       "\"a\"456789\nx\n",
       {{1, {}, CsvProblem::kTooLong}, {2, {"x"}}},
       RowBytes(8)},
      {"UnclosedQuoteCostsItsLine",
       "a,\"b\nc,d\ne,f\ng,h\n",
       {{1, {}, CsvProblem::kUnterminatedQuote, 0, "a,\"b"},
        {2, {"c", "d"}},
        {3, {"e", "f"}},
        {4, {"g", "h"}}},
       RowBytes(10)},
      {"TooLongRowOfSeveralLinesIsReadLineByLine",
       "\"a\nb\nc\n\",x\ny,z\n",
       {{1, {}, CsvProblem::kUnterminatedQuote, 0, "\"a"},
        {2, {"b"}},
        {3, {"c"}},
        {4, {}, CsvProblem::kUnterminatedQuote, 0, "\",x"},
        {5, {"y", "z"}}},
       RowBytes(8)},
      {"UnclosedQuoteAndTooLongAtTheEnd",
       "\"a\nbcdefghij",
       {{1, {}, CsvProblem::kUnterminatedQuote, 0, "\"a"},
        {2, {}, CsvProblem::kTooLong, 0, "bcdefghi"}},
       RowBytes(8)},
  };
}

class CsvReaderCases : public ::testing::TestWithParam<Case> {};

TEST_P(CsvReaderCases, ReadsTheRows) {
  // Wherever the text is cut into pieces, the rows are the same.
  for (const size_t piece : {size_t{1}, size_t{2}, size_t{3}, size_t{7}, size_t{1} << 20}) {
    EXPECT_EQ(ReadAll(GetParam().text, piece, GetParam().options), GetParam().rows)
        << "in pieces of " << piece;
  }
}

INSTANTIATE_TEST_SUITE_P(All, CsvReaderCases, ::testing::ValuesIn(Cases()),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(CsvReader, RefusesUtf16) {
  for (const std::string_view mark : {"\xFF\xFE", "\xFE\xFF"}) {
    TextSource source(std::string(mark) + "a", 100);
    CsvReader reader(source, {});
    EXPECT_TRUE(absl::IsInvalidArgument(reader.Next().status()));
  }
}

TEST(CsvReader, CountsFieldsBeyondTheLimitWithoutKeepingThem) {
  CsvOptions options;
  options.max_fields = 3;
  TextSource source("1,2,3,4,\"5\"\n", 100);
  CsvReader reader(source, options);
  ASSERT_TRUE(*reader.Next());
  EXPECT_THAT(reader.row().fields, ElementsAre("1", "2", "3"));
  EXPECT_EQ(reader.row().field_count, 5u);
}

TEST(CsvReader, CountsTheFieldsBeforeAQuoteThatIsNotClosed) {
  for (const auto& [line, count] : std::vector<std::pair<std::string, size_t>>{
           {"\"a", 0},
           {"a,\"b", 1},
           {"a\"\",\"b,c\",\"\"\"\",,\"d,\"\"", 4},
       }) {
    TextSource source(line + "\nx\n", 100);
    CsvReader reader(source, {});
    ASSERT_TRUE(*reader.Next());
    EXPECT_EQ(reader.row().problem, CsvProblem::kUnterminatedQuote) << line;
    EXPECT_EQ(reader.row().field_count, count) << line;
  }
}

TEST(CsvReader, KeepsTheStartOfALongLineAndItsSize) {
  CsvOptions options;
  options.max_row_bytes = 2000;
  const std::string line(100'000, 'x');
  TextSource source("a\n" + line + "\nb\n", 777);
  CsvReader reader(source, options);
  ASSERT_TRUE(*reader.Next());
  ASSERT_TRUE(*reader.Next());
  EXPECT_EQ(reader.row().problem, CsvProblem::kTooLong);
  EXPECT_EQ(reader.row().bytes, 100'000);
  EXPECT_EQ(reader.row().text, line.substr(0, CsvReader::kExcerptBytes));
  ASSERT_TRUE(*reader.Next());
  EXPECT_EQ(reader.row().line, 3);
}

// Gives the same byte again and again.
class EndlessSource : public ByteSource {
 public:
  explicit EndlessSource(int64_t bytes) : left_(bytes) {}
  absl::StatusOr<size_t> Read(char* buffer, size_t size) override {
    const size_t count = std::min(size, static_cast<size_t>(left_));
    std::fill_n(buffer, count, 'x');
    left_ -= static_cast<int64_t>(count);
    largest_read_ = std::max(largest_read_, count);
    return count;
  }
  int64_t position() const override { return 0; }
  std::optional<int64_t> size() const override { return std::nullopt; }
  size_t largest_read() const { return largest_read_; }

 private:
  int64_t left_;
  size_t largest_read_ = 0;
};

TEST(CsvReader, ReadsALineOfAGigabyteInPieces) {
  constexpr int64_t kGigabyte = 1'000'000'000;
  EndlessSource source(kGigabyte);
  CsvReader reader(source, {});
  ASSERT_TRUE(*reader.Next());
  EXPECT_EQ(reader.row().problem, CsvProblem::kTooLong);
  EXPECT_EQ(reader.row().bytes, kGigabyte);
  EXPECT_LE(source.largest_read(), 1u << 20);
  EXPECT_FALSE(*reader.Next());
}

TEST(CsvReader, GivesTheErrorOfItsSource) {
  class BrokenSource : public EndlessSource {
   public:
    BrokenSource() : EndlessSource(0) {}
    absl::StatusOr<size_t> Read(char*, size_t) override { return absl::DataLossError("broken"); }
  } source;
  CsvReader reader(source, {});
  EXPECT_TRUE(absl::IsDataLoss(reader.Next().status()));
}

// What a row costs to write by the book is what the reader gives back.
TEST(CsvReader, ReadsBackWhatIsQuotedByTheBook) {
  std::mt19937 random(1);
  const std::string_view alphabet = "ab,\"\n\r; \xC3\xA4";
  for (int round = 0; round < 300; ++round) {
    std::vector<std::vector<std::string>> rows(1 + random() % 5);
    std::string text;
    for (auto& row : rows) {
      row.resize(2 + random() % 4);
      for (size_t i = 0; i < row.size(); ++i) {
        for (size_t size = random() % 6; size > 0; --size)
          row[i] += alphabet[random() % alphabet.size()];
        std::string quoted = "\"";
        for (const char c : row[i]) quoted += c == '"' ? "\"\"" : std::string(1, c);
        text += (i > 0 ? "," : "") + quoted + "\"";
      }
      text += random() % 2 == 0 ? "\n" : "\r\n";
    }
    const std::vector<Row> read = ReadAll(text, 1 + random() % 9);
    ASSERT_THAT(read, SizeIs(rows.size())) << text;
    for (size_t i = 0; i < rows.size(); ++i) EXPECT_EQ(read[i].fields, rows[i]) << text;
  }
}

// Whatever the bytes are: all of them are in some row or between rows, lines rise, and where the
// text is cut does not matter.
TEST(CsvReader, GivesTheSameRowsOfNonsenseHoweverItIsCut) {
  std::mt19937 random(2);
  const std::string_view alphabet = "a,\"\n\r";
  for (int round = 0; round < 500; ++round) {
    std::string text;
    for (size_t size = random() % 60; size > 0; --size)
      text += alphabet[random() % alphabet.size()];
    CsvOptions options;
    options.max_row_bytes = 4 + random() % 20;
    const std::vector<Row> whole = ReadAll(text, 1000, options);
    EXPECT_EQ(ReadAll(text, 1, options), whole) << ::testing::PrintToString(text);
    EXPECT_EQ(ReadAll(text, 3, options), whole) << ::testing::PrintToString(text);
    int64_t line = 0;
    for (const Row& row : whole) {
      EXPECT_GT(row.line, line) << ::testing::PrintToString(text);
      line = row.last_line;
    }
  }
}

}  // namespace
}  // namespace attune::ctl
