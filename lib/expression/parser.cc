#include "lib/expression/parser.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "lib/base/text.h"
#include "lib/expression/lexer.h"
#include "lib/expression/literal.h"
#include "lib/expression/macros.h"

namespace attune::expression {
namespace {

// After so many, the others would hardly be of interest.
constexpr size_t kMaxIssues = 20;

constexpr std::string_view kReservedWords[] = {
    "as",  "break", "const",   "continue", "else", "for",  "function", "if",       "import",
    "let", "loop",  "package", "return",   "var",  "void", "while",    "namespace"};

struct BinaryOperator {
  TokenKind token;
  std::string_view function;
  int precedence;  // the higher one binds first
};

constexpr int kLowestPrecedence = 1;
constexpr BinaryOperator kBinaryOperators[] = {
    {TokenKind::kOr, op::kOr, 1},           {TokenKind::kAnd, op::kAnd, 2},
    {TokenKind::kEqual, op::kEqual, 3},     {TokenKind::kNotEqual, op::kNotEqual, 3},
    {TokenKind::kLess, op::kLess, 3},       {TokenKind::kLessEqual, op::kLessEqual, 3},
    {TokenKind::kGreater, op::kGreater, 3}, {TokenKind::kGreaterEqual, op::kGreaterEqual, 3},
    {TokenKind::kIn, op::kIn, 3},           {TokenKind::kPlus, op::kAdd, 4},
    {TokenKind::kMinus, op::kSubtract, 4},  {TokenKind::kStar, op::kMultiply, 5},
    {TokenKind::kSlash, op::kDivide, 5},    {TokenKind::kPercent, op::kModulo, 5},
};

const BinaryOperator* FindBinaryOperator(TokenKind kind) {
  for (const BinaryOperator& candidate : kBinaryOperators) {
    if (candidate.token == kind) return &candidate;
  }
  return nullptr;
}

bool IsReserved(std::string_view word) {
  return std::find(std::begin(kReservedWords), std::end(kReservedWords), word) !=
         std::end(kReservedWords);
}

// Recursive descent, operators by precedence climbing. Every way down passes Enter, which bounds
// the stack; every node passes Finish, which bounds the depth and the size of the tree.
class Parser {
 public:
  Parser(std::vector<Token> tokens, const Limits& limits, IssueReporter& reporter, Ast& ast)
      : tokens_(std::move(tokens)), limits_(limits), reporter_(reporter), ast_(ast) {}

  void Run() {
    ast_.root = Expression();
    if (!gave_up_ && Current().kind != TokenKind::kEnd) {
      Unexpected("an operator or the end of the expression");
    }
  }

 private:
  // Counts how deep the parser is. ok() is false when it must not go on.
  class Enter {
   public:
    explicit Enter(Parser& parser) : parser_(parser) {
      if (++parser_.depth_ > parser_.limits_.max_depth)
        parser_.TooDeep(parser_.Current().range.begin);
    }
    ~Enter() { --parser_.depth_; }
    bool ok() const { return !parser_.gave_up_; }

   private:
    Parser& parser_;
  };

  const Token& Current() const { return tokens_[at_]; }
  const Token& Take() { return tokens_[at_ + 1 < tokens_.size() ? at_++ : at_]; }
  bool TakeIf(TokenKind kind) {
    if (Current().kind != kind) return false;
    Take();
    return true;
  }

  void Report(uint32_t offset, std::string message) {
    if (gave_up_) return;
    reporter_.Report(offset, std::move(message));
    if (reporter_.reported() >= kMaxIssues) GiveUp();
  }
  void GiveUp() {
    gave_up_ = true;
    at_ = tokens_.size() - 1;
  }
  void TooDeep(uint32_t offset) {
    Report(offset, "nested too deeply: more than " + std::to_string(limits_.max_depth) + " levels");
    GiveUp();
  }
  Expr* Unexpected(std::string_view wanted) {
    Report(Current().range.begin,
           "expected " + std::string(wanted) + ", found " + DescribeToken(Current()));
    return Invalid();
  }
  Expr* Invalid() { return New(Expr::Kind::kInvalid, Current().range.begin); }

  Expr* New(Expr::Kind kind, uint32_t begin) {
    Expr* expr = ast_.New(kind);
    expr->range.begin = expr->range.end = begin;
    expr->at = begin;
    return expr;
  }

  // To be called when all children of a node are there.
  Expr* Finish(Expr* expr) {
    expr->range.end = std::max(expr->range.begin, at_ > 0 ? tokens_[at_ - 1].range.end : 0);
    int deepest = 0;
    const auto look = [&](const Expr* child) {
      if (child != nullptr) deepest = std::max<int>(deepest, child->depth);
    };
    look(expr->operand);
    look(expr->filter);
    look(expr->body);
    for (const Expr* argument : expr->args) look(argument);
    expr->depth = static_cast<uint16_t>(deepest + 1);
    if (deepest >= limits_.max_depth) TooDeep(expr->at);
    if (ast_.size() > limits_.max_nodes && !gave_up_) {
      Report(expr->at, "too large: more than " + std::to_string(limits_.max_nodes) + " parts");
      GiveUp();
    }
    return expr;
  }

  // condition ? yes : no
  Expr* Expression() {
    Enter enter(*this);
    if (!enter.ok()) return Invalid();
    Expr* condition = Binary(kLowestPrecedence);
    if (Current().kind != TokenKind::kQuestion) return condition;
    Expr* expr = New(Expr::Kind::kCall, condition->range.begin);
    expr->at = Take().range.begin;
    expr->name = op::kConditional;
    expr->args.push_back(condition);
    expr->args.push_back(Binary(kLowestPrecedence));
    if (!TakeIf(TokenKind::kColon)) {
      expr->args.push_back(Unexpected("\":\" of \"condition ? value : other value\""));
    } else {
      expr->args.push_back(Expression());
    }
    return Finish(expr);
  }

  Expr* Binary(int lowest) {
    Expr* left = Unary();
    const BinaryOperator* chain = nullptr;  // the && or || that `left` is a chain of
    while (!gave_up_) {
      const BinaryOperator* found = FindBinaryOperator(Current().kind);
      if (found == nullptr || found->precedence < lowest) break;
      const uint32_t at = Take().range.begin;
      Expr* right = Binary(found->precedence + 1);
      left = Combine(*found, at, left, right, chain == found);
      chain = found->token == TokenKind::kAnd || found->token == TokenKind::kOr ? found : nullptr;
    }
    return left;
  }

  // `a && b && c` becomes one node with three arguments, so that long chains aren't deep.
  Expr* Combine(const BinaryOperator& found, uint32_t at, Expr* left, Expr* right, bool in_chain) {
    if (in_chain) {
      left->args.push_back(right);
      return Finish(left);
    }
    Expr* expr = New(Expr::Kind::kCall, left->range.begin);
    expr->at = at;
    expr->name = found.function;
    expr->args = {left, right};
    return Finish(expr);
  }

  Expr* Unary() {
    const Token& token = Current();
    if (token.kind != TokenKind::kNot && token.kind != TokenKind::kMinus) return Member();
    Enter enter(*this);
    if (!enter.ok()) return Invalid();
    Take();
    const TokenKind next = Current().kind;
    if (token.kind == TokenKind::kMinus &&
        (next == TokenKind::kInt || next == TokenKind::kDouble)) {
      return Member(&token);
    }
    Expr* expr = New(Expr::Kind::kCall, token.range.begin);
    expr->name = token.kind == TokenKind::kNot ? op::kNot : op::kNegate;
    expr->args.push_back(Unary());
    return Finish(expr);
  }

  // `minus`: the sign of the number that comes first, or null.
  Expr* Member(const Token* minus = nullptr) {
    Expr* expr = Primary(minus);
    while (!gave_up_) {
      if (Current().kind == TokenKind::kDot) {
        expr = Selection(expr);
      } else if (Current().kind == TokenKind::kLeftBracket) {
        expr = Index(expr);
      } else {
        break;
      }
    }
    return expr;
  }

  Expr* Index(Expr* operand) {
    Expr* expr = New(Expr::Kind::kCall, operand->range.begin);
    expr->at = Take().range.begin;
    expr->name = op::kIndex;
    expr->args = {operand, Expression()};
    Close(TokenKind::kRightBracket, "\"]\"");
    return Finish(expr);
  }

  Expr* Selection(Expr* operand) {
    Take();
    const Token& token = Current();
    if (token.kind != TokenKind::kIdentifier && token.kind != TokenKind::kQuotedIdentifier) {
      return Unexpected("a name after the dot");
    }
    Take();
    Expr* expr = New(Expr::Kind::kSelect, operand->range.begin);
    expr->at = token.range.begin;
    expr->operand = operand;
    expr->name = token.text;
    if (token.kind == TokenKind::kQuotedIdentifier) {
      expr->name = token.text.substr(1, token.text.size() - 2);
    } else if (Current().kind == TokenKind::kLeftParen) {
      return Call(expr);
    }
    return Finish(expr);
  }

  // The arguments of the function that `expr` names.
  Expr* Call(Expr* expr) {
    expr->kind = Expr::Kind::kCall;
    Take();
    Elements(TokenKind::kRightParen, [&] { expr->args.push_back(Expression()); });
    Finish(expr);
    if (!gave_up_) ExpandMacro(*expr, reporter_);
    return expr;
  }

  // Elements with commas between them up to `close`; takes that too. A trailing comma is allowed in
  // lists and maps.
  template <typename Element>
  void Elements(TokenKind close, Element element) {
    while (!gave_up_ && Current().kind != close) {
      element();
      if (!TakeIf(TokenKind::kComma)) break;
      if (close == TokenKind::kRightParen && Current().kind == close) {
        Unexpected("an argument after the comma");
      }
    }
    Close(close, close == TokenKind::kRightParen     ? "\",\" or \")\""
                 : close == TokenKind::kRightBracket ? "\",\" or \"]\""
                                                     : "\",\" or \"}\"");
  }

  // Takes a closing bracket. When something else stands here, reports it and goes on behind the
  // bracket, so that what follows is still read.
  void Close(TokenKind close, std::string_view wanted) {
    if (TakeIf(close) || gave_up_) return;
    Unexpected(wanted);
    int open = 0;
    while (Current().kind != TokenKind::kEnd) {
      switch (Take().kind) {
        case TokenKind::kLeftParen:
        case TokenKind::kLeftBracket:
        case TokenKind::kLeftBrace:
          ++open;
          break;
        case TokenKind::kRightParen:
        case TokenKind::kRightBracket:
        case TokenKind::kRightBrace:
          if (open-- == 0) return;
          break;
        default:
          break;
      }
    }
  }

  Expr* Primary(const Token* minus) {
    const Token& token = Current();
    const uint32_t begin = minus != nullptr ? minus->range.begin : token.range.begin;
    switch (token.kind) {
      case TokenKind::kInt:
      case TokenKind::kUint:
      case TokenKind::kDouble:
        return Number(begin, minus != nullptr);
      case TokenKind::kString:
      case TokenKind::kBytes:
        return String();
      case TokenKind::kTrue:
        return Literal(Value::Bool(true));
      case TokenKind::kFalse:
        return Literal(Value::Bool(false));
      case TokenKind::kNull:
        return Literal(Value::Null());
      case TokenKind::kLeftParen:
        return Parenthesised();
      case TokenKind::kLeftBracket:
        return List();
      case TokenKind::kLeftBrace:
        return Map();
      case TokenKind::kDot:
      case TokenKind::kIdentifier:
        return Identifier();
      default:
        return Unexpected("a value");
    }
  }

  Expr* Literal(const Value& value) {
    Expr* expr = New(Expr::Kind::kLiteral, Take().range.begin);
    expr->literal = value;
    return Finish(expr);
  }

  Expr* Number(uint32_t begin, bool negative) {
    const DecodedNumber decoded = DecodeNumber(Current(), negative);
    if (!decoded.in_range) {
      Report(begin, "the number " + Quoted(Current().text) + " is out of range");
    }
    Expr* expr = Literal(decoded.value);
    expr->range.begin = expr->at = begin;
    return expr;
  }

  Expr* String() {
    const Token& token = Current();
    const DecodedString decoded = DecodeString(token);
    if (!decoded.problem.empty()) {
      Report(token.range.begin + static_cast<uint32_t>(decoded.problem_offset), decoded.problem);
    }
    const std::string_view bytes = ast_.arena().Copy(decoded.bytes);
    return Literal(token.kind == TokenKind::kBytes ? Value::Bytes(bytes) : Value::String(bytes));
  }

  Expr* Parenthesised() {
    const uint32_t begin = Take().range.begin;
    Expr* expr = Expression();
    Close(TokenKind::kRightParen, "\")\"");
    expr->range.begin = begin;
    expr->range.end = std::max(expr->range.end, tokens_[at_ > 0 ? at_ - 1 : 0].range.end);
    return expr;
  }

  Expr* List() {
    Expr* expr = New(Expr::Kind::kList, Take().range.begin);
    Elements(TokenKind::kRightBracket, [&] { expr->args.push_back(Expression()); });
    return Finish(expr);
  }

  Expr* Map() {
    Expr* expr = New(Expr::Kind::kMap, Take().range.begin);
    Elements(TokenKind::kRightBrace, [&] {
      expr->args.push_back(Expression());
      if (TakeIf(TokenKind::kColon)) {
        expr->args.push_back(Expression());
      } else {
        expr->args.push_back(Unexpected("\":\" between a key and its value"));
      }
    });
    return Finish(expr);
  }

  Expr* Identifier() {
    const uint32_t begin = Current().range.begin;
    const bool leading_dot = TakeIf(TokenKind::kDot);
    const Token& token = Current();
    if (token.kind != TokenKind::kIdentifier) return Unexpected("a name after the dot");
    if (IsReserved(token.text)) {
      Report(token.range.begin, Quoted(token.text) + " is a reserved word and can't be a name");
    }
    Take();
    Expr* expr = New(Expr::Kind::kIdent, begin);
    expr->at = token.range.begin;
    expr->name = token.text;
    expr->leading_dot = leading_dot;
    if (Current().kind == TokenKind::kLeftParen) return Call(expr);
    if (Current().kind == TokenKind::kLeftBrace)
      return Unexpected("an operator (there are no messages)");
    return Finish(expr);
  }

  const std::vector<Token> tokens_;
  const Limits& limits_;
  IssueReporter& reporter_;
  Ast& ast_;
  size_t at_ = 0;
  int depth_ = 0;
  bool gave_up_ = false;
};

}  // namespace

std::unique_ptr<Ast> Parse(std::string_view text, const Limits& limits, IssueReporter& reporter) {
  if (text.size() > limits.max_source_bytes) {
    reporter.Report(0, "too long: " + std::to_string(text.size()) + " bytes, at most " +
                           std::to_string(limits.max_source_bytes) + " are allowed");
    return nullptr;
  }
  if (!IsValidUtf8(text)) {
    reporter.Report(0, "an expression must be valid UTF-8");
    return nullptr;
  }
  auto ast = std::make_unique<Ast>();
  Parser(Tokenize(text, reporter), limits, reporter, *ast).Run();
  return ast;
}

}  // namespace attune::expression
