#include "lib/trees/model_document.h"

#include <bit>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <optional>
#include <system_error>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "lib/base/absl_strings.h"

namespace attune::trees {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

// A value as an element of an array of numbers; nullopt when it can't be one.
std::optional<double> AsElement(const DocumentValue::Variant& value) {
  if (const double* number = std::get_if<double>(&value)) return *number;
  if (const bool* flag = std::get_if<bool>(&value)) return *flag ? 1 : 0;
  if (std::holds_alternative<DocumentValue::Null>(value)) return kNaN;
  return std::nullopt;
}

// Collects the elements of an array: as numbers as long as all of them are some. Not thread-safe.
class ArrayBuilder {
 public:
  // How many values more there are when `value` is added: none as long as all are numbers; the
  // first other one makes values of those before it, too.
  size_t ValuesOf(const DocumentValue::Variant& value) const {
    if (is_list_) return 1;
    return AsElement(value) ? 0 : numbers_.size() + 1;
  }
  void Add(DocumentValue::Variant value) {
    if (!is_list_) {
      if (const std::optional<double> number = AsElement(value)) {
        numbers_.push_back(*number);
        return;
      }
      is_list_ = true;
      list_.reserve(numbers_.size() + 1);
      for (const double number : numbers_) list_.emplace_back(number);
      numbers_ = DocumentValue::Numbers();
    }
    list_.emplace_back(std::move(value));
  }
  size_t size() const { return is_list_ ? list_.size() : numbers_.size(); }
  DocumentValue::Variant Take() {
    if (is_list_) return std::move(list_);
    return std::move(numbers_);
  }

 private:
  bool is_list_ = false;
  DocumentValue::Numbers numbers_;
  DocumentValue::List list_;
};

// What both readers share: the place in the text, the limits and the first problem. Not
// thread-safe.
class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

 protected:
  // Remembers the first problem. Returns false, for callers to hand on.
  bool Fail(std::string_view message) {
    if (problem_.empty()) problem_ = absl::StrCat("byte ", at_, ": ", ToAbsl(message));
    return false;
  }
  bool failed() const { return !problem_.empty(); }
  absl::Status status() const {
    return failed() ? absl::InvalidArgumentError(problem_) : absl::OkStatus();
  }

  bool at_end() const { return at_ == text_.size(); }
  size_t left() const { return text_.size() - at_; }
  // The next byte; 0 at the end.
  char Peek() const { return at_end() ? '\0' : text_[at_]; }
  bool FailAtEnd() { return Fail("the file ends in the middle of a value"); }

  // Members of objects and elements of lists are counted, each once.
  bool CountValues(size_t count) {
    values_ += count;
    const size_t most = MaxDocumentValues(text_.size());
    return values_ <= most || Fail(absl::StrCat("more than ", most, " values"));
  }
  bool Enter() {
    if (++depth_ <= kMaxDocumentDepth) return true;
    return Fail(absl::StrCat("nested deeper than ", kMaxDocumentDepth));
  }
  void Leave() { --depth_; }

  std::string_view text_;
  size_t at_ = 0;

 private:
  std::string problem_;
  size_t values_ = 0;
  int depth_ = 0;
};

void AppendUtf8(uint32_t code, std::string& text) {
  if (code < 0x80) {
    text += static_cast<char>(code);
  } else if (code < 0x800) {
    text += static_cast<char>(0xC0 | (code >> 6));
    text += static_cast<char>(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    text += static_cast<char>(0xE0 | (code >> 12));
    text += static_cast<char>(0x80 | ((code >> 6) & 0x3F));
    text += static_cast<char>(0x80 | (code & 0x3F));
  } else {
    text += static_cast<char>(0xF0 | (code >> 18));
    text += static_cast<char>(0x80 | ((code >> 12) & 0x3F));
    text += static_cast<char>(0x80 | ((code >> 6) & 0x3F));
    text += static_cast<char>(0x80 | (code & 0x3F));
  }
}

class JsonReader : private Reader {
 public:
  explicit JsonReader(std::string_view text) : Reader(text) {}

  absl::StatusOr<DocumentValue> Read() {
    DocumentValue::Variant value;
    if (!ReadValue(value)) return status();
    SkipBlanks();
    if (!at_end()) Fail("there is more behind the end of the document");
    if (failed()) return status();
    return DocumentValue(std::move(value));
  }

 private:
  void SkipBlanks() {
    while (!at_end() && std::strchr(" \t\r\n", text_[at_]) != nullptr && text_[at_] != '\0') ++at_;
  }
  bool Consume(char expected) {
    SkipBlanks();
    if (Peek() != expected || at_end()) return false;
    ++at_;
    return true;
  }
  bool ConsumeWord(std::string_view word) {
    if (!text_.substr(at_).starts_with(word)) return false;
    at_ += word.size();
    return true;
  }

  bool ReadValue(DocumentValue::Variant& value) {
    SkipBlanks();
    if (at_end()) return FailAtEnd();
    switch (Peek()) {
      case '{':
        return ReadObject(value);
      case '[':
        return ReadArray(value);
      case '"': {
        std::string text;
        if (!ReadText(text)) return false;
        value = std::move(text);
        return true;
      }
      default:
        return ReadScalar(value);
    }
  }

  bool ReadScalar(DocumentValue::Variant& value) {
    if (ConsumeWord("true")) {
      value = true;
    } else if (ConsumeWord("false")) {
      value = false;
    } else if (ConsumeWord("null")) {
      value = DocumentValue::Null();
    } else if (ConsumeWord("NaN")) {
      value = kNaN;
    } else if (ConsumeWord("Infinity")) {
      value = kInfinity;
    } else if (ConsumeWord("-Infinity")) {
      value = -kInfinity;
    } else {
      return ReadNumber(value);
    }
    return true;
  }

  bool ReadNumber(DocumentValue::Variant& value) {
    const char first = Peek();
    if (first != '-' && (first < '0' || first > '9')) return Fail("a value is expected here");
    double number = 0;
    const char* begin = text_.data() + at_;
    const auto [end, error] = std::from_chars(begin, text_.data() + text_.size(), number);
    if (end == begin) return Fail("a number is expected here");
    if (error == std::errc::result_out_of_range) {
      // Of what is too large or too small for a double only the sign and the direction are left.
      number = std::strtod(std::string(begin, end).c_str(), nullptr);
    }
    at_ += static_cast<size_t>(end - begin);
    value = number;
    return true;
  }

  bool ReadArray(DocumentValue::Variant& value) {
    if (!Enter()) return false;
    ++at_;
    ArrayBuilder array;
    if (!Consume(']')) {
      do {
        DocumentValue::Variant element;
        if (!ReadValue(element) || !CountValues(array.ValuesOf(element))) return false;
        array.Add(std::move(element));
      } while (Consume(','));
      if (!Consume(']')) return at_end() ? FailAtEnd() : Fail("',' or ']' is expected here");
    }
    Leave();
    value = array.Take();
    return true;
  }

  bool ReadObject(DocumentValue::Variant& value) {
    if (!Enter()) return false;
    ++at_;
    DocumentValue::Object object;
    if (!Consume('}')) {
      do {
        SkipBlanks();
        if (at_end()) return FailAtEnd();
        if (Peek() != '"') return Fail("a name in quotes is expected here");
        std::string name;
        if (!ReadText(name)) return false;
        if (!Consume(':')) return at_end() ? FailAtEnd() : Fail("':' is expected here");
        DocumentValue::Variant member;
        if (!CountValues(1) || !ReadValue(member)) return false;
        object.emplace_back(std::move(name), DocumentValue(std::move(member)));
      } while (Consume(','));
      if (!Consume('}')) return at_end() ? FailAtEnd() : Fail("',' or '}' is expected here");
    }
    Leave();
    value = std::move(object);
    return true;
  }

  bool ReadText(std::string& text) {
    ++at_;
    while (!at_end()) {
      const char c = text_[at_++];
      if (c == '"') return true;
      if (c != '\\') {
        text += c;
      } else if (!ReadEscape(text)) {
        return false;
      }
    }
    return FailAtEnd();
  }

  bool ReadEscape(std::string& text) {
    constexpr std::string_view kEscapes = "\"\\/bfnrt";
    constexpr std::string_view kMeanings = "\"\\/\b\f\n\r\t";
    if (at_end()) return FailAtEnd();
    const char c = text_[at_++];
    if (c == 'u') return ReadUnicodeEscape(text);
    const size_t escape = kEscapes.find(c);
    if (escape == std::string_view::npos) return Fail("there is no such escape in JSON");
    text += kMeanings[escape];
    return true;
  }

  bool ReadFourHexDigits(uint32_t& code) {
    if (left() < 4) return FailAtEnd();
    const char* begin = text_.data() + at_;
    if (std::from_chars(begin, begin + 4, code, 16).ptr != begin + 4) {
      return Fail("four hexadecimal digits are expected here");
    }
    at_ += 4;
    return true;
  }

  bool ReadUnicodeEscape(std::string& text) {
    uint32_t code = 0;
    if (!ReadFourHexDigits(code)) return false;
    if (code >= 0xD800 && code < 0xDC00 && ConsumeWord("\\u")) {
      uint32_t low = 0;
      if (!ReadFourHexDigits(low)) return false;
      code = 0x10000 + ((code - 0xD800) << 10) + ((low - 0xDC00) & 0x3FF);
    }
    AppendUtf8(code, text);
    return true;
  }
};

class UbjsonReader : private Reader {
 public:
  explicit UbjsonReader(std::string_view bytes) : Reader(bytes) {}

  absl::StatusOr<DocumentValue> Read() {
    DocumentValue::Variant value;
    char marker = 0;
    if (!ReadMarker(marker) || !ReadValue(marker, value)) return status();
    if (!at_end()) Fail("there is more behind the end of the document");
    if (failed()) return status();
    return DocumentValue(std::move(value));
  }

 private:
  // '$' and '#' in front of the elements of an array or object.
  struct Header {
    char type = 0;  // of all elements; 0: each has its own
    std::optional<size_t> count;
  };

  // The next marker that is not a no-op.
  bool ReadMarker(char& marker) {
    do {
      if (at_end()) return FailAtEnd();
      marker = text_[at_++];
    } while (marker == 'N');
    return true;
  }

  template <typename Unsigned>
  bool ReadBigEndian(Unsigned& bits) {
    if (left() < sizeof(Unsigned)) return FailAtEnd();
    bits = 0;
    for (size_t i = 0; i < sizeof(Unsigned); ++i) {
      bits = static_cast<Unsigned>((static_cast<uint64_t>(bits) << 8) |
                                   static_cast<unsigned char>(text_[at_ + i]));
    }
    at_ += sizeof(Unsigned);
    return true;
  }
  template <typename Number, typename Unsigned>
  bool ReadAs(double& number) {
    Unsigned bits = 0;
    if (!ReadBigEndian(bits)) return false;
    number = static_cast<double>(std::bit_cast<Number>(bits));
    return true;
  }

  static bool IsNumber(char marker) {
    return marker != 0 && std::strchr("iUIlLdD", marker) != nullptr;
  }
  // REQUIRES: IsNumber(marker).
  bool ReadNumber(char marker, double& number) {
    switch (marker) {
      case 'i':
        return ReadAs<int8_t, uint8_t>(number);
      case 'U':
        return ReadAs<uint8_t, uint8_t>(number);
      case 'I':
        return ReadAs<int16_t, uint16_t>(number);
      case 'l':
        return ReadAs<int32_t, uint32_t>(number);
      case 'L':
        return ReadAs<int64_t, uint64_t>(number);
      case 'd':
        return ReadAs<float, uint32_t>(number);
      default:
        return ReadAs<double, uint64_t>(number);
    }
  }

  bool ReadLength(size_t& length) {
    char marker = 0;
    if (!ReadMarker(marker)) return false;
    if (!IsNumber(marker) || marker == 'd' || marker == 'D') {
      return Fail("a length is expected here");
    }
    double number = 0;
    if (!ReadNumber(marker, number)) return false;
    // Every element takes a byte at least; but for those that have none, which we don't take.
    if (number < 0 || number > static_cast<double>(left())) {
      return Fail(absl::StrCat("a length of ", number, ", but only ", left(), " bytes are left"));
    }
    length = static_cast<size_t>(number);
    return true;
  }
  bool ReadText(std::string& text) {
    size_t length = 0;
    if (!ReadLength(length)) return false;
    text.assign(text_.substr(at_, length));
    at_ += length;
    return true;
  }

  bool ReadValue(char marker, DocumentValue::Variant& value) {
    if (IsNumber(marker)) {
      double number = 0;
      if (!ReadNumber(marker, number)) return false;
      value = number;
      return true;
    }
    switch (marker) {
      case 'T':
        value = true;
        return true;
      case 'F':
        value = false;
        return true;
      case 'Z':
        value = DocumentValue::Null();
        return true;
      case 'C':
        if (at_end()) return FailAtEnd();
        value = std::string(1, text_[at_++]);
        return true;
      case 'S': {
        std::string text;
        if (!ReadText(text)) return false;
        value = std::move(text);
        return true;
      }
      case '[':
        return ReadArray(value);
      case '{':
        return ReadObject(value);
      default:
        return Fail("there is no such type in UBJSON");
    }
  }

  bool ReadHeader(Header& header) {
    if (Peek() == '$' && !at_end()) {
      ++at_;
      if (!ReadMarker(header.type)) return false;
      if (std::strchr("TFZN", header.type) != nullptr)
        return Fail("elements of this type are empty");
      if (Peek() != '#' || at_end()) return Fail("a count is expected behind a type");
    }
    if (Peek() != '#' || at_end()) return true;
    ++at_;
    header.count.emplace();
    return ReadLength(*header.count);
  }

  // True when another element follows; sets its type. At the end the closing marker is taken.
  bool HasNext(const Header& header, size_t taken, char closing, char& marker) {
    if (header.count) {
      if (taken == *header.count) return false;
    } else {
      while (Peek() == 'N' && !at_end()) ++at_;
      if (at_end()) return FailAtEnd();
      if (Peek() == closing) {
        ++at_;
        return false;
      }
    }
    marker = header.type;
    return true;
  }

  bool ReadArray(DocumentValue::Variant& value) {
    Header header;
    if (!Enter() || !ReadHeader(header)) return false;
    ArrayBuilder array;
    char marker = 0;
    while (HasNext(header, array.size(), ']', marker)) {
      DocumentValue::Variant element;
      if (marker == 0 && !ReadMarker(marker)) return false;
      if (!ReadValue(marker, element) || !CountValues(array.ValuesOf(element))) return false;
      array.Add(std::move(element));
    }
    if (failed()) return false;
    Leave();
    value = array.Take();
    return true;
  }

  bool ReadObject(DocumentValue::Variant& value) {
    Header header;
    if (!Enter() || !ReadHeader(header)) return false;
    DocumentValue::Object object;
    char marker = 0;
    while (HasNext(header, object.size(), '}', marker)) {
      std::string name;
      DocumentValue::Variant member;
      if (!CountValues(1) || !ReadText(name)) return false;
      if (marker == 0 && !ReadMarker(marker)) return false;
      if (!ReadValue(marker, member)) return false;
      object.emplace_back(std::move(name), DocumentValue(std::move(member)));
    }
    if (failed()) return false;
    Leave();
    value = std::move(object);
    return true;
  }
};

}  // namespace

const DocumentValue* DocumentValue::Find(std::string_view name) const {
  const Object* members = object();
  if (members == nullptr) return nullptr;
  for (auto member = members->rbegin(); member != members->rend(); ++member) {
    if (member->first == name) return &member->second;
  }
  return nullptr;
}

absl::StatusOr<DocumentValue> ParseJson(std::string_view text) { return JsonReader(text).Read(); }

absl::StatusOr<DocumentValue> ParseUbjson(std::string_view bytes) {
  return UbjsonReader(bytes).Read();
}

}  // namespace attune::trees
