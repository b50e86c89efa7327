#include "lib/strategy/yaml_document.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <istream>
#include <streambuf>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "lib/base/absl_strings.h"
#include "lib/base/text.h"

namespace attune::strategy {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
constexpr std::string_view kStringTag = "tag:yaml.org,2002:str";
constexpr std::string_view kBlanks = " \t\r\n";
constexpr size_t kMaxCharacterBytes = 4;

// A stream over text that stays where it is.
class TextStream : private std::streambuf, public std::istream {
 public:
  explicit TextStream(std::string_view text) : std::istream(this) {
    char* begin = const_cast<char*>(text.data());  // setg's type; nothing writes to it
    setg(begin, begin, begin + text.size());
  }
};

bool IsForbiddenControl(char c) {
  return (static_cast<uint8_t>(c) < 0x20 && c != '\n' && c != '\t' && c != '\r') || c == 0x7F;
}

bool ConsumePrefix(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

// What to do about messages of yaml-cpp that tell only its author.
std::string_view HintFor(std::string_view message) {
  if (message == YAML::ErrorMsg::UNKNOWN_TOKEN || message == YAML::ErrorMsg::MAP_VALUE) {
    return "; put text that holds one of : ? , [ ] { } # in quotes, or mend the indentation";
  }
  if (message == YAML::ErrorMsg::END_OF_MAP || message == YAML::ErrorMsg::END_OF_SEQ ||
      message == YAML::ErrorMsg::BLOCK_ENTRY || message == YAML::ErrorMsg::MAP_KEY) {
    return "; the indentation may be wrong here or above";
  }
  return "";
}

// Is there a tab among the blanks that the line begins with?
bool IsIndentedWithTabs(std::string_view line) {
  const size_t after_spaces = line.find_first_not_of(' ');
  return after_spaces != std::string_view::npos && line[after_spaces] == '\t';
}

// Where the text of a scalar begins that stands at `at`: behind its anchor or tag, its quotation
// mark, or the line that begins a block.
size_t StartOfScalar(std::string_view file, size_t at) {
  while (at < file.size() && (file[at] == '&' || file[at] == '!')) {
    at = file.find_first_not_of(kBlanks, file.find_first_of(kBlanks, at));
  }
  if (at >= file.size()) return file.size();
  if (file[at] == '"' || file[at] == '\'') return at + 1;
  if (file[at] != '|' && file[at] != '>') return at;
  return std::min(file.find('\n', at), file.size());
}

// Where the first byte stands that is not part of a UTF-8 character.
size_t FirstInvalidByte(std::string_view text) {
  size_t offset = 0;
  while (offset < text.size()) {
    size_t size = 1;
    while (size <= kMaxCharacterBytes && !IsValidUtf8(text.substr(offset, size))) ++size;
    if (size > kMaxCharacterBytes) return offset;
    offset += size;
  }
  return offset;
}

}  // namespace

// Builds the tree from yaml-cpp's events. Ends the parse, by an exception of yaml-cpp's own kind,
// as soon as a bound is reached.
class YamlDocument::Builder : public YAML::EventHandler {
 public:
  explicit Builder(YamlDocument& document) : document_(document) {}

  bool has_document() const { return documents_ > 0; }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (++documents_ > 1) Fail(mark, "a second document starts here; a file holds one");
  }
  void OnDocumentEnd() override {
    if (!pending_.empty()) document_.root_ = pending_.front();
  }
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    YamlNode& node = Add(YamlNode::Kind::kNull, mark, "", anchor);
    node.position = PositionOfNull(mark);
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const NodeId target = anchors_[anchor];
    const auto is_target = [&](const Open& open) { return open.node == target; };
    if (std::any_of(open_.begin(), open_.end(), is_target)) {
      Fail(mark, "an alias can't stand inside the value that it stands for");
    }
    pending_.push_back(target);
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    YamlNode& node = Add(YamlNode::Kind::kScalar, mark, tag, anchor);
    if (tag != "?") CheckQuotes(mark);
    node.quoted = tag == "!" || tag == kStringTag;
    node.text = value;
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    Enter(YamlNode::Kind::kSequence, mark, tag, anchor);
  }
  void OnSequenceEnd() override { Leave(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    Enter(YamlNode::Kind::kMap, mark, tag, anchor);
  }
  void OnMapEnd() override { Leave(); }

 private:
  // A list or map whose end has not been seen.
  struct Open {
    NodeId node;
    size_t first_pending;
  };

  [[noreturn]] static void Fail(const YAML::Mark& mark, const std::string& message) {
    throw YAML::ParserException(mark, message);
  }
  static SourceFile::Position At(const YAML::Mark& mark) {
    return {mark.line + 1, mark.column + 1};
  }

  YamlNode& Add(YamlNode::Kind kind, const YAML::Mark& mark, std::string_view tag,
                YAML::anchor_t anchor) {
    if (document_.nodes_.size() >= kMaxNodes) {
      Fail(mark, absl::StrCat("the file has more than ", kMaxNodes, " values"));
    }
    if (!tag.empty() && tag != "?" && tag != "!" && tag != kStringTag) {
      Fail(mark, absl::StrCat("tags such as ", Quoted(tag), " aren't supported"));
    }
    const auto id = static_cast<NodeId>(document_.nodes_.size());
    YamlNode& node = document_.nodes_.emplace_back();
    node.kind = kind;
    node.position = At(mark);
    pending_.push_back(id);
    if (anchor != YAML::NullAnchor) anchors_[anchor] = id;
    return node;
  }

  void Enter(YamlNode::Kind kind, const YAML::Mark& mark, const std::string& tag,
             YAML::anchor_t anchor) {
    if (open_.size() >= kMaxNesting) {
      Fail(mark, absl::StrCat("values are nested more than ", kMaxNesting, " levels deep"));
    }
    Add(kind, mark, tag, anchor);
    open_.push_back({pending_.back(), pending_.size()});
  }

  void Leave() {
    const auto begin = pending_.begin() + static_cast<ptrdiff_t>(open_.back().first_pending);
    YamlNode& node = document_.nodes_[open_.back().node];
    node.first_child = static_cast<uint32_t>(document_.children_.size());
    node.child_count = static_cast<uint32_t>(pending_.end() - begin);
    document_.children_.insert(document_.children_.end(), begin, pending_.end());
    pending_.erase(begin, pending_.end());
    open_.pop_back();
  }

  // yaml-cpp lets the end of the file close a quote, so that a forgotten quotation mark would
  // swallow the rest of the file without a word.
  void CheckQuotes(const YAML::Mark& mark) const {
    const std::string& text = document_.file_.text();
    auto at = static_cast<size_t>(std::max(mark.pos, 0));
    while (at < text.size() && (text[at] == '&' || text[at] == '!')) {  // an anchor or a tag
      at = text.find_first_not_of(kBlanks, text.find_first_of(kBlanks, at));
    }
    if (at >= text.size() || (text[at] != '"' && text[at] != '\'')) return;
    const char quote = text[at];
    for (++at; at < text.size(); ++at) {
      const bool escaped = quote == '"' ? text[at] == '\\' : text.compare(at, 2, "''") == 0;
      if (!escaped && text[at] == quote) return;
      if (escaped) ++at;
    }
    Fail(mark, "the quotation mark that stands here is never closed");
  }

  // yaml-cpp gives the position of whatever follows a value that isn't there; what precedes it is
  // where a reader looks.
  SourceFile::Position PositionOfNull(const YAML::Mark& mark) const {
    const std::string& text = document_.file_.text();
    auto offset = std::min(static_cast<size_t>(std::max(mark.pos, 0)), text.size());
    if (offset < text.size() &&
        std::string_view("~nN").find(text[offset]) != std::string_view::npos)
      return At(mark);
    offset = text.find_last_not_of(kBlanks, offset == 0 ? 0 : offset - 1);
    return document_.file_.PositionOf(offset == std::string::npos ? 0 : offset);
  }

  YamlDocument& document_;
  int documents_ = 0;
  std::vector<NodeId> pending_;  // complete, to be children of what is open
  std::vector<Open> open_;
  absl::flat_hash_map<YAML::anchor_t, NodeId> anchors_;
};

std::unique_ptr<YamlDocument> YamlDocument::Parse(std::string path, std::string text,
                                                  IssueList& issues) {
  if (text.starts_with(kByteOrderMark)) text.erase(0, kByteOrderMark.size());
  std::unique_ptr<YamlDocument> document(new YamlDocument(std::move(path), std::move(text)));
  return document->Load(issues) ? std::move(document) : nullptr;
}

bool YamlDocument::Load(IssueList& issues) {
  const auto fail = [&](SourceFile::Position position, std::string message) {
    issues.Add(file_.MakeIssue(Issue::Severity::kError, position, std::move(message)));
    return false;
  };
  const std::string& text = file_.text();
  if (!IsValidUtf8(text)) {
    return fail(file_.PositionOf(FirstInvalidByte(text)), "the file is not UTF-8 text");
  }
  const auto control = std::find_if(text.begin(), text.end(), IsForbiddenControl);
  if (control != text.end()) {
    return fail(file_.PositionOf(static_cast<size_t>(control - text.begin())),
                "the file holds a control character; it is not text");
  }
  Builder builder(*this);
  try {
    TextStream stream(text);
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(builder)) {
    }
  } catch (const YAML::Exception& error) {
    SourceFile::Position position;
    if (!error.mark.is_null()) position = {error.mark.line + 1, error.mark.column + 1};
    // What is missing at the end of the file is missing behind the last thing that stands there.
    while (position.line > 1 && file_.Line(position.line).empty()) {
      --position.line;
      position.byte = static_cast<int>(file_.Line(position.line).size()) + 1;
    }
    const std::string_view hint = IsIndentedWithTabs(file_.Line(position.line))
                                      ? "; indent with spaces, not tabs"
                                      : HintFor(error.msg);
    return fail(position, absl::StrCat("can't be read as YAML: ", error.msg, ToAbsl(hint)));
  } catch (const std::exception& error) {
    return fail({}, absl::StrCat("can't be read as YAML: ", error.what()));
  }
  if (!builder.has_document()) return fail({}, "the file is empty");
  return true;
}

bool YamlDocument::EnterMap(std::string_view key, Target& target) const {
  const NodeId map = target.value;
  const absl::Span<const NodeId> entries = children(map);
  const auto [index, is_new] = map_index_.try_emplace(map);
  if (is_new) {
    for (uint32_t i = 0; i + 1 < entries.size(); i += 2) {
      const YamlNode& name = nodes_[entries[i]];
      if (name.kind == YamlNode::Kind::kScalar) index->second.try_emplace(name.text, i);
    }
  }
  const auto entry = index->second.find(key);
  if (entry == index->second.end()) return false;
  target.key = entries[entry->second];
  target.value = entries[entry->second + 1];
  return true;
}

bool YamlDocument::Step(std::string_view& path, Target& target) const {
  const YamlNode& node = nodes_[target.value];
  if (ConsumePrefix(path, "[\"")) {
    std::string key;
    while (!path.empty() && path[0] != '"') {
      if (path[0] == '\\' && path.size() > 1) path.remove_prefix(1);
      key += path[0];
      path.remove_prefix(1);
    }
    return ConsumePrefix(path, "\"]") && node.kind == YamlNode::Kind::kMap && EnterMap(key, target);
  }
  if (ConsumePrefix(path, "[")) {
    const size_t end = path.find(']');
    uint32_t index = 0;
    if (end == path.npos || !absl::SimpleAtoi(ToAbsl(path.substr(0, end)), &index)) return false;
    path.remove_prefix(end + 1);
    if (node.kind != YamlNode::Kind::kSequence || index >= node.child_count) return false;
    target.key = target.value = children(target.value)[index];
    return true;
  }
  ConsumePrefix(path, ".");
  const std::string_view name = path.substr(0, path.find_first_of(".["));
  path.remove_prefix(name.size());
  return !name.empty() && node.kind == YamlNode::Kind::kMap && EnterMap(name, target);
}

YamlDocument::Target YamlDocument::Find(std::string_view path) const {
  Target target{root_, root_, true};
  while (target.found && !path.empty()) target.found = Step(path, target);
  return target;
}

bool YamlDocument::Has(std::string_view path) const { return Find(path).found; }

bool YamlDocument::HasFlawed(std::string_view path) const {
  const Target target = Find(path);
  return target.found && nodes_[target.value].flawed;
}

bool YamlDocument::HasUnflawed(std::string_view path) const {
  const Target target = Find(path);
  return target.found && !nodes_[target.value].flawed;
}

int YamlDocument::LineOf(std::string_view path) const {
  return nodes_[Find(path).value].position.line;
}

void YamlDocument::AddIssue(Issue::Severity severity, NodeId node, std::string message,
                            IssueList& issues) const {
  issues.Add(file_.MakeIssue(severity, nodes_[node].position, std::move(message)));
}

void YamlDocument::Report(NodeId node, std::string message, IssueList& issues) {
  nodes_[node].flawed = true;
  AddIssue(Issue::Severity::kError, node, std::move(message), issues);
}

void YamlDocument::ReportAtKey(NodeId key, NodeId value, std::string message, IssueList& issues) {
  nodes_[value].flawed = true;
  AddIssue(Issue::Severity::kError, key, std::move(message), issues);
}

void YamlDocument::Report(std::string_view path, std::string message, IssueList& issues) {
  const Target target = Find(path);
  // A field that is absent says nothing against what encloses it.
  if (target.found) nodes_[target.value].flawed = true;
  AddIssue(Issue::Severity::kError, target.value, std::move(message), issues);
}

void YamlDocument::ReportWithin(std::string_view path, size_t offset, Issue::Severity severity,
                                std::string message, IssueList& issues) {
  const Target target = Find(path);
  YamlNode& node = nodes_[target.value];
  node.flawed |= severity == Issue::Severity::kError;
  issues.Add(file_.MakeIssue(severity, PositionWithin(node, offset), std::move(message)));
}

// Walks along the text and the file at once; blanks and line ends may differ in number.
SourceFile::Position YamlDocument::PositionWithin(const YamlNode& scalar, size_t offset) const {
  const std::string& file = file_.text();
  const std::string& text = scalar.text;
  const auto is_blank = [](char c) { return kBlanks.find(c) != kBlanks.npos; };
  size_t at = StartOfScalar(file, file_.OffsetOf(scalar.position));
  const char quote = at > 0 ? file[at - 1] : ' ';
  for (size_t i = 0; i < std::min(offset, text.size());) {
    if (is_blank(text[i])) {
      while (i < text.size() && is_blank(text[i])) ++i;
      while (at < file.size() && is_blank(file[at])) ++at;
      continue;
    }
    while (at < file.size() && is_blank(file[at])) ++at;  // the indentation of the first line
    if (quote == '\'' && text[i] == '\'') ++at;           // written twice
    if (quote == '"' && (text[i] == '"' || text[i] == '\\')) ++at;  // after a backslash
    if (at >= file.size() || file[at] != text[i]) return scalar.position;
    ++i;
    ++at;
  }
  if (offset < text.size()) {
    while (at < file.size() && is_blank(file[at])) ++at;
  }
  return file_.PositionOf(std::min(at, file.size()));
}

void YamlDocument::ReportKey(std::string_view path, std::string message, IssueList& issues) {
  const Target target = Find(path);
  nodes_[target.key].flawed = true;
  AddIssue(Issue::Severity::kError, target.key, std::move(message), issues);
}

void YamlDocument::Warn(std::string_view path, std::string message, IssueList& issues) const {
  AddIssue(Issue::Severity::kWarning, Find(path).value, std::move(message), issues);
}

}  // namespace attune::strategy
