#ifndef ATTUNE_SERVICE_CTL_TABLE_H_
#define ATTUNE_SERVICE_CTL_TABLE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace attune::ctl {

// Rows of text in aligned columns, for a terminal. Not thread-safe.
class Table {
 public:
  enum class Align { kLeft, kRight };
  struct Column {
    std::string title;
    Align align = Align::kLeft;
  };

  // `indent`: blanks before each line.
  explicit Table(std::vector<Column> columns, size_t indent = 0);

  // REQUIRES: as many cells as columns. Control characters in a cell are shown as \xNN.
  void AddRow(std::vector<std::string> cells);

  size_t size() const { return rows_.size(); }

  // Titles and rows, one per line, two blanks between columns, none at the end of a line. Without
  // the titles when all of them are empty.
  std::string ToString() const;

 private:
  void AppendLine(const std::vector<std::string>& cells, const std::vector<size_t>& widths,
                  std::string& text) const;

  const std::vector<Column> columns_;
  const size_t indent_;
  std::vector<std::vector<std::string>> rows_;
};

// How many columns of a terminal the text takes: combining characters none, East Asian wide ones
// and emoji two. Bytes that aren't UTF-8 take one each.
size_t DisplayWidth(std::string_view text);

// The text with control characters and bytes that aren't UTF-8 as \xNN.
std::string TerminalSafe(std::string_view text);

// The title and the names, separated by commas, on lines of at most 98 columns of which all but the
// first are indented. Of many names the first 40 and how many there are more; empty without names.
std::string WrappedList(std::string_view title, const std::vector<std::string>& names);

// 1234567 as "1,234,567".
std::string Grouped(int64_t number);

}  // namespace attune::ctl

#endif  // ATTUNE_SERVICE_CTL_TABLE_H_
