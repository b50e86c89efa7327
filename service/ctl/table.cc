#include "service/ctl/table.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "lib/base/text.h"

namespace attune::ctl {
namespace {

struct CodePoint {
  uint32_t value = 0;
  size_t bytes = 1;
  bool valid = false;
};

CodePoint FirstCodePoint(std::string_view text) {
  const auto lead = static_cast<uint8_t>(text[0]);
  const size_t bytes = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  if (bytes > text.size() || !IsValidUtf8(text.substr(0, bytes))) return {};
  if (bytes == 1) return {lead, 1, true};
  uint32_t value = lead & (0x7Fu >> bytes);
  for (size_t i = 1; i < bytes; ++i) {
    value = (value << 6) | (static_cast<uint8_t>(text[i]) & 0x3Fu);
  }
  return {value, bytes, true};
}

struct Range {
  uint32_t first;
  uint32_t last;
};

constexpr std::array kZeroWidth = {
    Range{0x0300, 0x036F}, Range{0x0483, 0x0489}, Range{0x0591, 0x05BD}, Range{0x0610, 0x061A},
    Range{0x064B, 0x065F}, Range{0x200B, 0x200F}, Range{0x2060, 0x2064}, Range{0x20D0, 0x20F0},
    Range{0xFE00, 0xFE0F}, Range{0xFE20, 0xFE2F}};
constexpr std::array kWide = {
    Range{0x1100, 0x115F},   Range{0x2E80, 0x303E},   Range{0x3041, 0x33FF},
    Range{0x3400, 0x4DBF},   Range{0x4E00, 0x9FFF},   Range{0xA000, 0xA4CF},
    Range{0xAC00, 0xD7A3},   Range{0xF900, 0xFAFF},   Range{0xFE30, 0xFE6F},
    Range{0xFF00, 0xFF60},   Range{0xFFE0, 0xFFE6},   Range{0x1F300, 0x1F64F},
    Range{0x1F680, 0x1F6FF}, Range{0x1F900, 0x1F9FF}, Range{0x20000, 0x3FFFD}};

template <typename Ranges>
bool IsIn(uint32_t value, const Ranges& ranges) {
  return std::any_of(ranges.begin(), ranges.end(), [value](const Range& range) {
    return value >= range.first && value <= range.last;
  });
}

// C0, DEL and C1: what a terminal might act upon.
bool IsControl(uint32_t value) { return value < 0x20 || (value >= 0x7F && value < 0xA0); }

}  // namespace

Table::Table(std::vector<Column> columns, size_t indent)
    : columns_(std::move(columns)), indent_(indent) {}

void Table::AddRow(std::vector<std::string> cells) {
  for (std::string& cell : cells) cell = TerminalSafe(cell);
  rows_.push_back(std::move(cells));
}

std::string Table::ToString() const {
  std::vector<std::string> titles;
  std::vector<size_t> widths;
  for (const Column& column : columns_) {
    titles.push_back(column.title);
    widths.push_back(DisplayWidth(column.title));
  }
  for (const auto& row : rows_) {
    for (size_t i = 0; i < widths.size(); ++i) {
      widths[i] = std::max(widths[i], DisplayWidth(row[i]));
    }
  }
  std::string text;
  const bool has_titles = std::any_of(titles.begin(), titles.end(),
                                      [](const std::string& title) { return !title.empty(); });
  if (has_titles) AppendLine(titles, widths, text);
  for (const auto& row : rows_) AppendLine(row, widths, text);
  return text;
}

void Table::AppendLine(const std::vector<std::string>& cells, const std::vector<size_t>& widths,
                       std::string& text) const {
  const size_t line = text.size();
  text.append(indent_, ' ');
  for (size_t i = 0; i < cells.size(); ++i) {
    if (i > 0) text += "  ";
    const size_t padding = widths[i] - DisplayWidth(cells[i]);
    if (columns_[i].align == Align::kRight) text.append(padding, ' ');
    text += cells[i];
    if (columns_[i].align == Align::kLeft) text.append(padding, ' ');
  }
  text.resize(std::max(line, text.find_last_not_of(' ') + 1));
  text += '\n';
}

size_t DisplayWidth(std::string_view text) {
  size_t width = 0;
  while (!text.empty()) {
    const CodePoint point = FirstCodePoint(text);
    if (!point.valid || point.value < 0x300) {
      ++width;
    } else if (!IsIn(point.value, kZeroWidth)) {
      width += IsIn(point.value, kWide) ? 2 : 1;
    }
    text.remove_prefix(point.bytes);
  }
  return width;
}

std::string TerminalSafe(std::string_view text) {
  std::string safe;
  while (!text.empty()) {
    const CodePoint point = FirstCodePoint(text);
    if (!point.valid) {
      absl::StrAppendFormat(&safe, "\\x%02x", static_cast<uint8_t>(text[0]));
    } else if (IsControl(point.value)) {
      absl::StrAppendFormat(&safe, "\\x%02x", point.value);
    } else {
      safe += text.substr(0, point.bytes);
    }
    text.remove_prefix(point.bytes);
  }
  return safe;
}

std::string WrappedList(std::string_view title, const std::vector<std::string>& names) {
  constexpr size_t kMaxColumns = 98;
  constexpr size_t kMaxNames = 40;
  if (names.empty()) return "";
  std::string text(title);
  size_t column = DisplayWidth(title);
  for (size_t i = 0; i < names.size() && i <= kMaxNames; ++i) {
    std::string word = names[i].empty() ? "\"\"" : TerminalSafe(names[i]);
    if (i == kMaxNames) word = absl::StrCat("and ", names.size() - i, " more");
    if (i + 1 < names.size() && i < kMaxNames) word += ",";
    if (column + 1 + DisplayWidth(word) > kMaxColumns) {
      text += "\n ";
      column = 1;
    }
    column += 1 + DisplayWidth(word);
    text += " " + word;
  }
  return text + "\n";
}

std::string Grouped(int64_t number) {
  std::string digits = absl::StrCat(number);
  const size_t first = digits[0] == '-' ? 1 : 0;
  for (size_t end = digits.size(); end > first + 3;) {
    end -= 3;
    digits.insert(end, 1, ',');
  }
  return digits;
}

}  // namespace attune::ctl
