#include "service/ctl/interaction_rows.h"

#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/wire_format_lite.h"
#include "lib/base/text.h"
#include "service/ctl/column_mapping.h"
#include "service/ctl/value_text.h"

namespace attune::ctl {
namespace {

using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedOutputStream;
using Request = v1::CustomerServiceBatchRecordInteractionsRequest;

constexpr uint32_t kRowTag = GOOGLE_PROTOBUF_WIRE_FORMAT_MAKE_TAG(
    Request::kRowsFieldNumber, WireFormatLite::WIRETYPE_LENGTH_DELIMITED);
// A tag, and a length.
constexpr size_t kMaxHeaderBytes = 20;

}  // namespace

absl::StatusOr<InteractionRows> InteractionRows::Create(absl::Span<const std::string> header,
                                                        const InteractionColumns& columns) {
  InteractionRows rows;
  std::vector<std::string> problems;
  const auto find = [&](const std::string& column, std::string_view option) -> size_t {
    const absl::StatusOr<size_t> found = FindColumn(header, column, option);
    if (found.ok()) return *found;
    problems.emplace_back(found.status().message());
    return 0;
  };
  const auto name = [&](const NameSource& source, std::string_view option) {
    Name found;
    if (source.column.empty()) {
      found.value = source.value;
      return found;
    }
    found.column = find(source.column, option);
    found.label = source.column;
    return found;
  };
  rows.column_count_ = header.size();
  rows.customer_ = find(columns.customer, "--customer");
  rows.time_ = find(columns.time, "--time");
  rows.time_label_ = columns.time;
  rows.treatment_ = name(columns.treatment, "--treatment");
  rows.treatment_.may_be_empty = true;  // the strategy tells for which outcomes
  rows.channel_ = name(columns.channel, "--channel");
  rows.outcome_ = name(columns.outcome, "--outcome");
  if (!problems.empty()) return absl::InvalidArgumentError(absl::StrJoin(problems, "\n"));
  return rows;
}

std::string InteractionRows::ReadName(const Name& name, const CsvRow& row, std::string* out) {
  if (!name.column) {
    *out = name.value;
    return "";
  }
  const std::string_view text = row.fields[*name.column];
  if (text.empty() && name.may_be_empty) {
    out->clear();
    return "";
  }
  if (const auto problem = IdProblem(text, kMaxNameBytes)) {
    return absl::StrCat("column ", Quoted(name.label), " ", *problem);
  }
  *out = text;
  return "";
}

std::string InteractionRows::Read(const CsvRow& row) {
  row_.Clear();
  row_.set_customer_id(std::string(row.fields[customer_]));
  v1::Interaction& interaction = *row_.mutable_interaction();
  v1::Value time;
  if (absl::Status status = ReadValue(ValueType::kTimestamp, row.fields[time_], time);
      !status.ok()) {
    return absl::StrCat("column ", Quoted(time_label_), ": ", status.message());
  }
  *interaction.mutable_time() = time.timestamp_value();
  for (const auto& [name, out] : {std::pair(&treatment_, interaction.mutable_treatment_id()),
                                  std::pair(&channel_, interaction.mutable_channel()),
                                  std::pair(&outcome_, interaction.mutable_outcome())}) {
    std::string problem = ReadName(*name, row, out);
    if (!problem.empty()) return problem;
  }
  return "";
}

size_t InteractionRows::row_bytes() const {
  const size_t size = row_.ByteSizeLong();
  return 1 + CodedOutputStream::VarintSize64(size) + size;
}

void InteractionRows::FinishRow() {
  uint8_t header[kMaxHeaderBytes];
  uint8_t* end = CodedOutputStream::WriteTagToArray(kRowTag, header);
  end = CodedOutputStream::WriteVarint64ToArray(row_.ByteSizeLong(), end);
  message_.append(reinterpret_cast<const char*>(header), static_cast<size_t>(end - header));
  row_.AppendToString(&message_);
  ++rows_;
}

std::string InteractionRows::TakeMessage() {
  rows_ = 0;
  return std::exchange(message_, {});
}

}  // namespace attune::ctl
