#include "lib/strategy/yaml_reader.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "attune/strategy/v1/scenario.pb.h"
#include "attune/strategy/v1/strategy.pb.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/duration.pb.h"
#include "google/protobuf/timestamp.pb.h"
#include "lib/base/absl_strings.h"
#include "lib/base/text.h"

namespace attune::strategy {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::EnumDescriptor;
using google::protobuf::EnumValueDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using Kind = YamlNode::Kind;
using NodeId = YamlDocument::NodeId;

// How much a document may grow by aliases.
constexpr size_t kMaxVisits = 2 * YamlDocument::kMaxNodes;
constexpr size_t kMaxExpandedBytes = 64u << 20;
// Descriptors may be recursive.
constexpr int kMaxDepth = YamlDocument::kMaxNesting;
// How the field is called that holds an expression in place of a number.
constexpr std::string_view kTwinPrefix = "computed_";

bool IsAllDigits(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), absl::ascii_isdigit);
}

bool IsWholeNumber(std::string_view text) {
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) text.remove_prefix(1);
  return IsAllDigits(text);
}

// As YAML 1.2 writes what is not a finite number.
bool IsYamlNotFinite(std::string_view text) {
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) text.remove_prefix(1);
  return absl::EqualsIgnoreCase(ToAbsl(text), ".inf") ||
         absl::EqualsIgnoreCase(ToAbsl(text), ".nan");
}

void SkipDigits(std::string_view& text) {
  while (!text.empty() && absl::ascii_isdigit(text[0])) text.remove_prefix(1);
}

// A number as YAML 1.2 writes it, with a point or an exponent or neither: `12`, `.5`, `1e-3`.
bool IsYamlNumber(std::string_view text) {
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) text.remove_prefix(1);
  std::string_view mantissa = text;
  SkipDigits(text);
  if (text.starts_with('.')) {
    text.remove_prefix(1);
    SkipDigits(text);
  }
  mantissa.remove_suffix(text.size());
  if (mantissa.find_first_of("0123456789") == mantissa.npos) return false;
  if (text.empty()) return true;
  return (text[0] == 'e' || text[0] == 'E') && IsWholeNumber(text.substr(1));
}

// "double" for VALUE_TYPE_DOUBLE of the enum ValueType; empty for the unspecified value.
std::string YamlNameOf(const EnumValueDescriptor& value) {
  if (value.number() == 0) return "";
  std::string prefix;
  for (const char c : value.type()->name()) {
    if (absl::ascii_isupper(c) && !prefix.empty()) prefix += '_';
    prefix += absl::ascii_toupper(c);
  }
  prefix += '_';
  const std::string_view name = value.name();
  return absl::AsciiStrToLower(
      ToAbsl(name.starts_with(prefix) ? name.substr(prefix.size()) : name));
}

bool IsFieldsMap(const Descriptor& type) {
  return type.field_count() == 1 && type.field(0)->is_map() && type.field(0)->name() == "fields";
}

// "value" and "cost": the fields with a twin "computed_value", which holds an expression and is
// written `value: {computed: EXPRESSION}`. nullptr: the field has none.
const FieldDescriptor* ComputedTwinOf(const FieldDescriptor& field) {
  const FieldDescriptor* twin =
      field.containing_type()->FindFieldByName(absl::StrCat(ToAbsl(kTwinPrefix), field.name()));
  return twin != nullptr && twin->cpp_type() == FieldDescriptor::CPPTYPE_STRING ? twin : nullptr;
}

// Whether the field is the twin of another one: no key is called so.
bool IsComputedTwin(const FieldDescriptor& field) {
  if (!std::string_view(field.name()).starts_with(kTwinPrefix)) return false;
  const FieldDescriptor* written =
      field.containing_type()->FindFieldByName(field.name().substr(kTwinPrefix.size()));
  return written != nullptr && ComputedTwinOf(*written) == &field;
}

// What a value is, for "must be a number, not …".
std::string Describe(const YamlNode& node) {
  switch (node.kind) {
    case Kind::kNull:
      return "empty";
    case Kind::kScalar:
      return node.quoted ? absl::StrCat("the text ", Quoted(node.text)) : Quoted(node.text);
    case Kind::kSequence:
      return "a list";
    case Kind::kMap:
      return "a map of keys";
  }
  return "";
}

// Walks a document along a descriptor. `label` names a value in messages: its key, `name[3]` for
// an element of a list.
class Reader {
 public:
  Reader(YamlDocument& document, IssueList& issues) : document_(document), issues_(issues) {}

  void ReadMessage(NodeId id, const std::string& label, Message& message);

 private:
  void ReadKeys(NodeId id, Message& message);
  void ReadField(NodeId key, NodeId value, const FieldDescriptor& field, Message& message);
  void ReadList(NodeId id, const std::string& label, const FieldDescriptor& field,
                Message& message);
  void ReadMap(NodeId id, const std::string& label, const FieldDescriptor& field, Message& message);
  void ReadValue(NodeId id, const std::string& label, const FieldDescriptor& field,
                 Message& message);
  void ReadLiteral(NodeId id, const std::string& label, v1::Literal& literal);
  void ReadContent(NodeId id, const std::string& label, v1::Content& content);
  // The expression of `{computed: EXPRESSION}`, which stands in place of `plain`: "a text".
  std::optional<std::string> ReadComputed(NodeId id, const std::string& label,
                                          std::string_view plain);
  void ReadTimestamp(NodeId id, const std::string& label, google::protobuf::Timestamp& timestamp);
  void ReadDuration(NodeId id, const std::string& label, google::protobuf::Duration& duration);

  std::optional<bool> ReadBool(NodeId id, const std::string& label);
  template <typename Int>
  std::optional<Int> ReadInt(NodeId id, const std::string& label);
  std::optional<double> ReadDouble(NodeId id, const std::string& label);
  std::optional<std::string> ReadString(NodeId id, const std::string& label);
  std::optional<int> ReadEnum(NodeId id, const std::string& label, const EnumDescriptor& type);

  const YamlNode& node(NodeId id) const { return document_.node(id); }
  bool IsPlainScalar(NodeId id) const { return node(id).kind == Kind::kScalar && !node(id).quoted; }
  void Fail(NodeId id, std::string message) { document_.Report(id, std::move(message), issues_); }
  // "… must be `what`, not …".
  void FailAs(NodeId id, const std::string& label, std::string_view what) {
    Fail(id, absl::StrCat(label, " must be ", ToAbsl(what), ", not ", Describe(node(id))));
  }
  void FailUnknown(NodeId key, const Descriptor& type);
  // Counts a value that is about to be read; false when the document has grown too large.
  bool Visit(NodeId id);
  // Is the key usable, and is it the first of its name?
  bool CheckKey(NodeId key, StringViewMap<NodeId>& seen);

  YamlDocument& document_;
  IssueList& issues_;
  size_t visits_ = 0;
  size_t bytes_ = 0;
  int depth_ = 0;
  bool stopped_ = false;
};

bool Reader::Visit(NodeId id) {
  bytes_ += node(id).text.size();
  if (!stopped_ && (++visits_ > kMaxVisits || bytes_ > kMaxExpandedBytes)) {
    stopped_ = true;
    Fail(id, "aliases make the document too large; it is not read further");
  }
  return !stopped_;
}

bool Reader::CheckKey(NodeId key, StringViewMap<NodeId>& seen) {
  if (!Visit(key)) return false;
  if (node(key).kind != Kind::kScalar) {
    Fail(key, absl::StrCat("a key must be text, not ", Describe(node(key)),
                           node(key).kind == Kind::kNull ? "; put null in quotes" : ""));
    return false;
  }
  const auto [earlier, is_new] = seen.try_emplace(node(key).text, key);
  if (is_new) return true;
  Fail(key, absl::StrCat("duplicate key ", Quoted(node(key).text), "; it stands on line ",
                         node(earlier->second).position.line, " already"));
  return false;
}

void Reader::ReadMessage(NodeId id, const std::string& label, Message& message) {
  const Descriptor& type = *message.GetDescriptor();
  if (type.full_name() == v1::Literal::descriptor()->full_name()) {
    return ReadLiteral(id, label, static_cast<v1::Literal&>(message));
  }
  if (type.full_name() == google::protobuf::Timestamp::descriptor()->full_name()) {
    return ReadTimestamp(id, label, static_cast<google::protobuf::Timestamp&>(message));
  }
  if (type.full_name() == google::protobuf::Duration::descriptor()->full_name()) {
    return ReadDuration(id, label, static_cast<google::protobuf::Duration&>(message));
  }
  if (node(id).kind == Kind::kScalar &&
      type.full_name() == v1::ExpectedRejection::descriptor()->full_name()) {
    if (std::optional<std::string> reason = ReadString(id, label)) {
      static_cast<v1::ExpectedRejection&>(message).set_reason(*std::move(reason));
    }
    return;
  }
  if (type.full_name() == v1::Content::descriptor()->full_name()) {
    return ReadContent(id, label, static_cast<v1::Content&>(message));
  }
  if (IsFieldsMap(type)) return ReadMap(id, label, *type.field(0), message);
  if (node(id).kind != Kind::kMap) return FailAs(id, label, "a map of keys and values");
  if (depth_ >= kMaxDepth) return Fail(id, absl::StrCat(label, " is nested too deep"));
  ++depth_;
  ReadKeys(id, message);
  --depth_;
}

void Reader::ReadKeys(NodeId id, Message& message) {
  const Descriptor& type = *message.GetDescriptor();
  StringViewMap<NodeId> seen;
  absl::flat_hash_map<const void*, NodeId> oneofs;
  const absl::Span<const NodeId> entries = document_.children(id);
  for (size_t i = 0; i + 1 < entries.size() && !stopped_; i += 2) {
    const NodeId key = entries[i];
    if (!CheckKey(key, seen)) continue;
    const std::string& name = node(key).text;
    const FieldDescriptor* field = type.FindFieldByName(name);
    if (field == nullptr || IsComputedTwin(*field)) {
      FailUnknown(key, type);
      continue;
    }
    if (const auto* oneof = field->real_containing_oneof(); oneof != nullptr) {
      const auto [other, is_first] = oneofs.try_emplace(oneof, key);
      if (!is_first) {
        Fail(key,
             absl::StrCat("only one of \"", node(other->second).text, "\" (line ",
                          node(other->second).position.line, ") and \"", name, "\" may be given"));
        continue;
      }
    }
    ReadField(key, entries[i + 1], *field, message);
  }
}

void Reader::FailUnknown(NodeId key, const Descriptor& type) {
  const std::string& name = node(key).text;
  if (name == "<<") return Fail(key, "merge keys (<<) aren't supported; write the keys out");
  if (const FieldDescriptor* twin = type.FindFieldByName(name); twin != nullptr) {
    return Fail(key, absl::StrCat("unknown key ", Quoted(name), "; write \"",
                                  name.substr(kTwinPrefix.size()), ": {computed: EXPRESSION}\""));
  }
  std::vector<std::string> known;
  known.reserve(static_cast<size_t>(type.field_count()));
  for (int i = 0; i < type.field_count(); ++i) {
    if (!IsComputedTwin(*type.field(i))) known.push_back(type.field(i)->name());
  }
  Fail(key, absl::StrCat("unknown key ", Quoted(name), Suggestion(name, known)));
}

void Reader::ReadField(NodeId key, NodeId value, const FieldDescriptor& field, Message& message) {
  const std::string& label = field.name();
  if (!Visit(value)) return;
  if (node(value).kind == Kind::kNull) {
    return document_.ReportAtKey(
        key, value, absl::StrCat(label, " has no value; give one or leave the key out"), issues_);
  }
  if (field.is_map()) return ReadMap(value, label, field, message);
  if (field.is_repeated()) return ReadList(value, label, field, message);
  const bool is_map = node(value).kind == Kind::kMap;
  if (const FieldDescriptor* twin = is_map ? ComputedTwinOf(field) : nullptr; twin != nullptr) {
    std::optional<std::string> expression = ReadComputed(value, label, "a number");
    if (expression) message.GetReflection()->SetString(&message, twin, *std::move(expression));
    return;
  }
  ReadValue(value, label, field, message);
}

void Reader::ReadList(NodeId id, const std::string& label, const FieldDescriptor& field,
                      Message& message) {
  if (node(id).kind != Kind::kSequence) return FailAs(id, label, "a list");
  const absl::Span<const NodeId> elements = document_.children(id);
  for (size_t i = 0; i < elements.size() && !stopped_; ++i) {
    if (!Visit(elements[i])) return;
    ReadValue(elements[i], absl::StrCat(label, "[", i, "]"), field, message);
  }
}

void Reader::ReadMap(NodeId id, const std::string& label, const FieldDescriptor& field,
                     Message& message) {
  if (node(id).kind != Kind::kMap) return FailAs(id, label, "a map of keys and values");
  const FieldDescriptor& key_field = *field.message_type()->map_key();
  const FieldDescriptor& value_field = *field.message_type()->map_value();
  StringViewMap<NodeId> seen;
  const absl::Span<const NodeId> entries = document_.children(id);
  for (size_t i = 0; i + 1 < entries.size() && !stopped_; i += 2) {
    const NodeId key = entries[i];
    const NodeId value = entries[i + 1];
    if (!CheckKey(key, seen) || !Visit(value)) continue;
    const std::string entry_label = absl::StrCat(label, "[", Quoted(node(key).text), "]");
    if (node(value).kind == Kind::kNull) {
      document_.ReportAtKey(key, value, absl::StrCat(entry_label, " has no value"), issues_);
      continue;
    }
    Message* entry = message.GetReflection()->AddMessage(&message, &field);
    ReadValue(key, "a key", key_field, *entry);
    ReadValue(value, entry_label, value_field, *entry);
  }
}

void Reader::ReadValue(NodeId id, const std::string& label, const FieldDescriptor& field,
                       Message& message) {
  const google::protobuf::Reflection& access = *message.GetReflection();
  // Sets or adds what was read. An element that could not be read keeps its place in the list.
  const auto store = [&](auto value, auto set, auto add) {
    if (!value && !field.is_repeated()) return;
    if (!value) value.emplace();
    (access.*(field.is_repeated() ? add : set))(&message, &field, *std::move(value));
  };
  using R = google::protobuf::Reflection;
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_BOOL:
      return store(ReadBool(id, label), &R::SetBool, &R::AddBool);
    case FieldDescriptor::CPPTYPE_INT32:
      return store(ReadInt<int32_t>(id, label), &R::SetInt32, &R::AddInt32);
    case FieldDescriptor::CPPTYPE_INT64:
      return store(ReadInt<int64_t>(id, label), &R::SetInt64, &R::AddInt64);
    case FieldDescriptor::CPPTYPE_UINT32:
      return store(ReadInt<uint32_t>(id, label), &R::SetUInt32, &R::AddUInt32);
    case FieldDescriptor::CPPTYPE_UINT64:
      return store(ReadInt<uint64_t>(id, label), &R::SetUInt64, &R::AddUInt64);
    case FieldDescriptor::CPPTYPE_FLOAT:
      return store(ReadDouble(id, label), &R::SetFloat, &R::AddFloat);
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return store(ReadDouble(id, label), &R::SetDouble, &R::AddDouble);
    case FieldDescriptor::CPPTYPE_STRING:
      return store(ReadString(id, label), &R::SetString, &R::AddString);
    case FieldDescriptor::CPPTYPE_ENUM:
      return store(ReadEnum(id, label, *field.enum_type()), &R::SetEnumValue, &R::AddEnumValue);
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return ReadMessage(id, label,
                         field.is_repeated() ? *access.AddMessage(&message, &field)
                                             : *access.MutableMessage(&message, &field));
  }
}

std::optional<bool> Reader::ReadBool(NodeId id, const std::string& label) {
  if (IsPlainScalar(id)) {
    if (node(id).text == "true") return true;
    if (node(id).text == "false") return false;
  }
  FailAs(id, label, "true or false");
  return std::nullopt;
}

template <typename Int>
std::optional<Int> Reader::ReadInt(NodeId id, const std::string& label) {
  if (!IsPlainScalar(id) || !IsWholeNumber(node(id).text)) {
    FailAs(id, label, "a whole number");
    return std::nullopt;
  }
  Int value = 0;
  if (absl::SimpleAtoi(node(id).text, &value)) return value;
  using Limits = std::numeric_limits<Int>;
  FailAs(id, label, absl::StrCat("between ", Limits::min(), " and ", Limits::max()));
  return std::nullopt;
}

std::optional<double> Reader::ReadDouble(NodeId id, const std::string& label) {
  double value = 0;
  const bool is_number = IsPlainScalar(id) && (IsYamlNotFinite(node(id).text) ||
                                               absl::SimpleAtod(node(id).text, &value));
  if (!is_number) {
    FailAs(id, label, "a number");
    return std::nullopt;
  }
  if (std::isfinite(value) && !IsYamlNotFinite(node(id).text)) return value;
  FailAs(id, label, "a finite number");
  return std::nullopt;
}

std::optional<std::string> Reader::ReadString(NodeId id, const std::string& label) {
  if (node(id).kind != Kind::kScalar) {
    FailAs(id, label, "text");
    return std::nullopt;
  }
  // An escape in double quotes can make what the file itself may not hold.
  if (IsValidUtf8(node(id).text)) return node(id).text;
  Fail(id, absl::StrCat(label, " must be UTF-8"));
  return std::nullopt;
}

std::optional<int> Reader::ReadEnum(NodeId id, const std::string& label,
                                    const EnumDescriptor& type) {
  std::vector<std::string> names;
  for (int i = 0; i < type.value_count(); ++i) {
    std::string name = YamlNameOf(*type.value(i));
    if (name.empty()) continue;
    if (node(id).kind == Kind::kScalar && node(id).text == name) return type.value(i)->number();
    names.push_back(std::move(name));
  }
  Fail(id, absl::StrCat(label, " must be one of ", absl::StrJoin(names, ", "), ", not ",
                        Describe(node(id)), DidYouMean(node(id).text, names)));
  return std::nullopt;
}

void Reader::ReadTimestamp(NodeId id, const std::string& label,
                           google::protobuf::Timestamp& timestamp) {
  std::optional<absl::Time> moment;
  if (node(id).kind == Kind::kScalar) moment = ParseMoment(node(id).text);
  if (!moment) {
    return FailAs(id, label, "a date such as 2026-03-01 or a time such as 2026-03-01T08:30:00Z");
  }
  const int64_t us = absl::ToUnixMicros(*moment);
  const int64_t seconds = absl::ToUnixSeconds(*moment);
  timestamp.set_seconds(seconds);
  timestamp.set_nanos(static_cast<int32_t>((us - seconds * 1'000'000) * 1'000));
}

void Reader::ReadDuration(NodeId id, const std::string& label,
                          google::protobuf::Duration& duration) {
  std::optional<int64_t> seconds;
  if (node(id).kind == Kind::kScalar) seconds = ParseDuration(node(id).text);
  if (!seconds) return FailAs(id, label, "a duration such as 7d, 36h, 90m, 30s or 1d12h");
  duration.set_seconds(*seconds);
}

void Reader::ReadLiteral(NodeId id, const std::string& label, v1::Literal& literal) {
  const YamlNode& value = node(id);
  if (value.kind == Kind::kSequence) {
    v1::LiteralList& list = *literal.mutable_list_value();
    return ReadList(id, label, *list.GetDescriptor()->FindFieldByName("values"), list);
  }
  if (value.kind != Kind::kScalar) return FailAs(id, label, "a value or a list of values");
  if (value.quoted) {
    if (std::optional<std::string> text = ReadString(id, label)) literal.set_string_value(*text);
  } else if (value.text == "true" || value.text == "false") {
    literal.set_bool_value(value.text == "true");
  } else if (IsWholeNumber(value.text)) {
    if (const auto number = ReadInt<int64_t>(id, label)) literal.set_int_value(*number);
  } else if (IsYamlNotFinite(value.text) || IsYamlNumber(value.text)) {
    if (const auto number = ReadDouble(id, label)) literal.set_double_value(*number);
  } else {
    literal.set_string_value(value.text);
  }
}

void Reader::ReadContent(NodeId id, const std::string& label, v1::Content& content) {
  if (node(id).kind != Kind::kMap) return FailAs(id, label, "a map of keys and values");
  StringViewMap<NodeId> seen;
  const absl::Span<const NodeId> entries = document_.children(id);
  for (size_t i = 0; i + 1 < entries.size() && !stopped_; i += 2) {
    const NodeId key = entries[i];
    const NodeId value = entries[i + 1];
    if (!CheckKey(key, seen) || !Visit(value)) continue;
    const std::string entry_label = absl::StrCat(label, "[", Quoted(node(key).text), "]");
    if (node(value).kind == Kind::kNull) {
      document_.ReportAtKey(key, value, absl::StrCat(entry_label, " has no value"), issues_);
      continue;
    }
    const std::optional<std::string> name = ReadString(key, "a key");
    if (!name) continue;
    const bool is_computed = node(value).kind == Kind::kMap;
    std::optional<std::string> text =
        is_computed ? ReadComputed(value, entry_label, "a text") : ReadString(value, entry_label);
    // One that could not be read keeps its place.
    (is_computed ? *content.mutable_computed() : *content.mutable_fields())[*name] =
        std::move(text).value_or("");
  }
}

std::optional<std::string> Reader::ReadComputed(NodeId id, const std::string& label,
                                                std::string_view plain) {
  std::optional<std::string> expression;
  StringViewMap<NodeId> seen;
  const absl::Span<const NodeId> entries = document_.children(id);
  for (size_t i = 0; i + 1 < entries.size() && !stopped_; i += 2) {
    const NodeId key = entries[i];
    if (!CheckKey(key, seen) || !Visit(entries[i + 1])) continue;
    if (node(key).text != "computed") {
      Fail(key, absl::StrCat("unknown key ", Quoted(node(key).text), "; ", label, " is ",
                             ToAbsl(plain), ", or {computed: EXPRESSION}"));
    } else {
      expression = ReadString(entries[i + 1], "computed");
    }
  }
  if (entries.empty()) {
    FailAs(id, label, absl::StrCat(ToAbsl(plain), ", or {computed: EXPRESSION}"));
  }
  return expression;
}

}  // namespace

void ReadMessage(YamlDocument& document, Message& message, IssueList& issues) {
  Reader(document, issues).ReadMessage(document.root(), "the file", message);
}

std::optional<int64_t> ParseDuration(std::string_view text) {
  struct Unit {
    char name;
    int64_t seconds;
  };
  // In the order in which they may follow each other.
  constexpr Unit kUnits[] = {{'w', 604'800}, {'d', 86'400}, {'h', 3'600}, {'m', 60}, {'s', 1}};
  // Far beyond what any policy allows, and far from an overflow.
  constexpr size_t kMaxDigits = 9;
  if (text.empty()) return std::nullopt;
  int64_t sum = 0;
  const Unit* next = std::begin(kUnits);
  while (!text.empty()) {
    std::string_view digits = text;
    SkipDigits(text);
    digits.remove_suffix(text.size());
    int64_t number = 0;
    if (text.empty() || digits.size() > kMaxDigits || !absl::SimpleAtoi(ToAbsl(digits), &number)) {
      return std::nullopt;
    }
    next = std::find_if(next, std::end(kUnits), [&](const Unit& u) { return u.name == text[0]; });
    if (next == std::end(kUnits)) return std::nullopt;
    sum += number * next++->seconds;
    text.remove_prefix(1);
  }
  return sum;
}

std::optional<absl::Time> ParseMoment(std::string_view text) {
  // absl's parser also takes blanks and words such as "infinite-future".
  const auto digits = [&](size_t offset, size_t count) {
    return text.size() >= offset + count && IsAllDigits(text.substr(offset, count));
  };
  if (!digits(0, 4) || !digits(5, 2) || !digits(8, 2) || text[4] != '-' || text[7] != '-' ||
      absl::ascii_isspace(text.back())) {
    return std::nullopt;
  }
  const bool is_date = text.size() == 10;
  absl::Time time;
  std::string problem;
  if (!absl::ParseTime(is_date ? "%Y-%m-%d" : absl::RFC3339_full, ToAbsl(text), &time, &problem)) {
    return std::nullopt;
  }
  // An offset can lead out of the years 1 to 9999.
  static const absl::Time kFirst = absl::FromCivil(absl::CivilSecond(1, 1, 1), absl::UTCTimeZone());
  static const absl::Time kEnd =
      absl::FromCivil(absl::CivilSecond(10000, 1, 1), absl::UTCTimeZone());
  if (time < kFirst || time >= kEnd) return std::nullopt;
  return time;
}

}  // namespace attune::strategy
