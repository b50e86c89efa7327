#ifndef ATTUNE_LIB_STRATEGY_YAML_DOCUMENT_H_
#define ATTUNE_LIB_STRATEGY_YAML_DOCUMENT_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/types/span.h"
#include "lib/base/absl_strings.h"
#include "lib/base/issue.h"
#include "lib/strategy/source_file.h"

namespace attune::strategy {

// A value of a YAML document.
struct YamlNode {
  enum class Kind : uint8_t { kNull, kScalar, kSequence, kMap };
  Kind kind = Kind::kNull;
  bool quoted = false;  // a scalar in quotes, in block style or with the tag !!str: always text
  bool flawed = false;  // an issue was reported about it
  SourceFile::Position position;
  // In YamlDocument's list of children; the children of a map are key, value, key, value, …
  uint32_t first_child = 0;
  uint32_t child_count = 0;
  std::string text;  // of a scalar
};

// A YAML file as a tree that remembers where everything stands. Immutable but for the marks of
// flawed nodes and an index; not thread-safe.
//
// Fields are named by paths as in `treatments[3].content["ivr"]`: a name is the key of a map, a
// number the index in a list; `content.ivr` is the same as `content["ivr"]`.
class YamlDocument {
 public:
  // What bounds the work and the memory that a file may cost.
  static constexpr size_t kMaxNodes = 2'000'000;
  static constexpr int kMaxNesting = 32;

  using NodeId = uint32_t;

  // Parses a file with one YAML document. `path` is how messages call it. What is wrong with the
  // text (not UTF-8, not YAML, empty, several documents, nested too deep, …) is added to `issues`;
  // then nullptr.
  static std::unique_ptr<YamlDocument> Parse(std::string path, std::string text, IssueList& issues);

  NodeId root() const { return root_; }
  const YamlNode& node(NodeId id) const { return nodes_[id]; }
  // An aliased node has several parents: the tree can be larger than the file.
  absl::Span<const NodeId> children(NodeId id) const {
    return absl::MakeConstSpan(children_).subspan(nodes_[id].first_child, nodes_[id].child_count);
  }

  // Is something written for this field?
  bool Has(std::string_view path) const;
  // Is it, and was an issue reported about it? Was none?
  bool HasFlawed(std::string_view path) const;
  bool HasUnflawed(std::string_view path) const;
  // The line of the field's value; of what encloses it when the field is absent.
  int LineOf(std::string_view path) const;

  // Adds an error about the node and marks it as flawed.
  void Report(NodeId node, std::string message, IssueList& issues);
  // Adds an error about the value of a map's entry, where its key stands.
  void ReportAtKey(NodeId key, NodeId value, std::string message, IssueList& issues);
  // Adds an error about the field's value and marks it as flawed; about what encloses it when the
  // field is absent.
  void Report(std::string_view path, std::string message, IssueList& issues);
  // The same, about the byte of a text that the field holds, where the file has it: lines may be
  // folded there and quotes escaped. Where an escape hides it: the beginning of the value. A
  // warning does not mark the field.
  void ReportWithin(std::string_view path, size_t offset, Issue::Severity severity,
                    std::string message, IssueList& issues);
  // The same as Report, about the key of a map instead of its value.
  void ReportKey(std::string_view path, std::string message, IssueList& issues);
  void Warn(std::string_view path, std::string message, IssueList& issues) const;

 private:
  class Builder;
  // What a path leads to.
  struct Target {
    NodeId key = 0;  // of the map's entry; the value itself where there is no key
    NodeId value = 0;
    bool found = false;  // else: the last one on the way
  };

  YamlDocument(std::string path, std::string text) : file_(std::move(path), std::move(text)) {}
  bool Load(IssueList& issues);
  Target Find(std::string_view path) const;
  // Follows one step of a path, which it takes off; false when it leads nowhere.
  bool Step(std::string_view& path, Target& target) const;
  bool EnterMap(std::string_view key, Target& target) const;
  SourceFile::Position PositionWithin(const YamlNode& scalar, size_t offset) const;
  void AddIssue(Issue::Severity severity, NodeId node, std::string message,
                IssueList& issues) const;

  SourceFile file_;
  NodeId root_ = 0;
  std::vector<YamlNode> nodes_;
  std::vector<NodeId> children_;
  // Made when a path first leads through a map: the position of the key among the map's children.
  mutable absl::flat_hash_map<NodeId, StringViewMap<uint32_t>> map_index_;
};

}  // namespace attune::strategy

#endif  // ATTUNE_LIB_STRATEGY_YAML_DOCUMENT_H_
