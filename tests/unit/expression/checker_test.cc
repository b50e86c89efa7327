#include <memory>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "lib/expression/rule_set.h"

namespace attune::expression {
namespace {

std::shared_ptr<Environment> Declared() {
  auto environment = std::make_shared<Environment>();
  uint32_t slot = 0;
  const auto add = [&](std::string_view path, std::string_view type) {
    const Type* parsed = environment->types().Parse(type);
    EXPECT_TRUE(environment->AddVariable(path, parsed, Scope::kDecision, slot++).ok());
  };
  add("customer.plan", "string");
  add("customer.open_incidents", "int");
  add("customer.tags", "list(string)");
  add("customer.score", "double");
  add("any", "dyn");
  add("names", "map(string, int)");
  add("now", "timestamp");
  return environment;
}

struct CheckCase {
  const char* name;
  std::string expr;
  std::string expected;  // the type, or the issues
};

std::string TypeOrIssues(const std::string& expr, const CompileOptions& options = {}) {
  IssueList issues;
  const auto rules = CompileOne(Declared(), "rule", expr, options, issues);
  return rules != nullptr ? rules->type(0) : issues.ToString();
}

TEST(CheckerTest, FindsTheType) {
  const CheckCase cases[] = {
      {"literal", "1u", "uint"},
      {"null", "null", "null"},
      {"bytes", "b'a'", "bytes"},
      {"type value", "type(1)", "type"},
      {"type name", "google.protobuf.Timestamp", "type"},
      {"variable", "customer.plan", "string"},
      {"list", "[1, 2]", "list(int)"},
      {"mixed list", "[1, 'a']", "list(dyn)"},
      {"empty list", "[]", "list(dyn)"},
      {"lists in lists", "[[], [1]]", "list(list(int))"},
      {"empty lists in lists", "[[], [[]], [[[]]], [[[[]]]]]", "list(list(list(list(list(dyn)))))"},
      {"map", "{'a': 1.5}", "map(string, double)"},
      {"map of mixed values", "{'a': 1.5, 'b': 1}", "map(string, dyn)"},
      {"empty map", "{}", "map(dyn, dyn)"},
      {"index", "customer.tags[0]", "string"},
      {"map index", "names['a']", "int"},
      {"map field", "names.a", "int"},
      {"field of an empty list's element", "([].map(x, x))[0].foo", "dyn"},
      {"dyn field", "any.a.b", "dyn"},
      {"presence", "has(names.a) && has(any.b) && has(customer.plan)", "bool"},
      {"sum", "1 + 2", "int"},
      {"dyn sum", "any + 1", "int"},
      {"time", "now - now", "duration"},
      {"loop", "customer.tags.map(t, size(t))", "list(int)"},
      {"filter", "customer.tags.filter(t, t != '')", "list(string)"},
      {"keys", "names.filter(k, k != '')", "list(string)"},
      {"transformMap", "names.transformMap(k, v, v > 1)", "map(string, bool)"},
      {"quantifier over dyn", "any.exists(x, x)", "bool"},
      {"bind", "cel.bind(x, 1.5, x + x)", "double"},
      {"conditional", "true ? 1 : 2", "int"},
      {"null and time", "[now, null][0]", "timestamp"},
      {"greatest", "math.greatest(1, 2)", "int"},
      {"greatest of mixed", "math.greatest(1, 2.0)", "dyn"},
      {"greatest of a list", "math.greatest([1.5, 2.5])", "double"},
      {"cross-type order", "customer.open_incidents < 2.5", "bool"},
      {"global name", ".customer.plan", "string"},
      {"loop variable hides a name", "[1].map(any, any)", "list(int)"},
  };
  for (const CheckCase& c : cases) EXPECT_EQ(TypeOrIssues(c.expr), c.expected) << c.name;
}

TEST(CheckerTest, ReportsEveryIssueWithItsPlace) {
  EXPECT_EQ(TypeOrIssues("customer.plna == 'gold' &&\n  customer.open_incidents < 'a' &&\n"
                         "  'é'.size() + noow > custmer.tags.size()"),
            "rule:1:1: error: unknown name \"customer.plna\"; did you mean \"customer.plan\"?\n"
            "    customer.plna == 'gold' &&\n"
            "    ^\n"
            "rule:2:27: error: \"<\" is not defined for (int, string)\n"
            "      customer.open_incidents < 'a' &&\n"
            "                              ^\n"
            "rule:3:16: error: unknown name \"noow\"; did you mean \"now\"?\n"
            "      'é'.size() + noow > custmer.tags.size()\n"
            "                   ^\n"
            "rule:3:23: error: unknown name \"custmer.tags\"; did you mean \"customer.tags\"?\n"
            "      'é'.size() + noow > custmer.tags.size()\n"
            "                          ^\n");
}

struct MessageCase {
  const char* name;
  std::string expr;
  std::string message;  // part of the issues
};

TEST(CheckerTest, SaysWhatIsWrong) {
  const MessageCase cases[] = {
      {"function", "customer.plan.startWith('g')",
       "unknown function \"startWith\"; did you mean \"startsWith\"?"},
      {"namespace", "math.gratest(1)",
       "unknown function \"math.gratest\"; did you mean \"math.greatest\"?"},
      {"form", "customer.plan.startsWith(1)",
       "\"startsWith\" is not defined for string.(int); it takes string.(string)"},
      {"operator", "1 + 'a'", "\"+\" is not defined for (int, string)"},
      {"equality", "1 == 'a'", "\"==\" is not defined for (int, string)"},
      {"in", "1 in customer.tags", "\"in\" is not defined for (int, list(string))"},
      {"logic", "customer.plan && true", "&& wants bool, but this is string"},
      {"condition", "1 ? 2 : 3", "\"?:\" is not defined for (int, int, int)"},
      {"index", "customer.tags['a']", "\"[]\" is not defined for (list(string), string)"},
      {"range", "customer.plan.all(x, true)", "goes over a list or a map, not over string"},
      {"predicate", "customer.tags.all(x, 1)", "this must be of type bool, but is int"},
      {"filter", "customer.tags.map(x, 1, x)", "this must be of type bool, but is int"},
      {"field", "customer.open_incidents.foo", "a value of type int has no field \"foo\""},
      {"fields of a map", "{1: 1}.a", "a map with keys of type int has no fields"},
      {"macro", "customer.tags.all(x)", "\"all\" is not used with 1 arguments"},
      {"numbers", "math.least('a')", "math.least wants numbers, but this is string"},
      {"no numbers", "math.least()", "math.least wants at least one number"},
      {"has", "has(customer)", "has() asks for a field"},
      {"variable of a loop", "[1].all(1, true)", "a plain name of a variable is expected"},
      {"variable of bind", "cel.bind(1, 2, 3)", "a plain name of a variable is expected"},
      {"same variables", "[1].all(x, x, true)", "need different names"},
      {"within", "customer['age'] > 3",
       "\"customer\" is no value by itself; name one within, as \"customer."},
      {"another case", "customer.tags == [] || True", "did you mean \"true\"?"},
      {"another namespace", "abs(3) > 2", "did you mean \"math.abs\"?"},
      {"loop variable", "customer.tags.all(tag, tg == '')", "did you mean \"tag\"?"},
  };
  for (const MessageCase& c : cases) {
    EXPECT_NE(TypeOrIssues(c.expr).find(c.message), std::string::npos)
        << c.name << ": " << TypeOrIssues(c.expr);
  }
}

TEST(CheckerTest, ChecksTheResult) {
  CompileOptions options;
  options.result = SimpleType(TypeKind::kBool);
  EXPECT_EQ(TypeOrIssues("customer.plan == ''", options), "bool");
  EXPECT_EQ(TypeOrIssues("any", options), "dyn");
  EXPECT_EQ(TypeOrIssues("customer.plan", options),
            "rule:1:1: error: this must be of type bool, but is string\n"
            "    customer.plan\n    ^\n");
}

TEST(TypeTest, ReadsWhatItPrints) {
  TypePool types;
  for (const char* text :
       {"int", "list(string)", "map(string, list(dyn))", "A", "history", "null"}) {
    const Type* type = types.Parse(text);
    ASSERT_NE(type, nullptr) << text;
    EXPECT_EQ(ToString(type), text);
  }
  for (const char* text : {"", "list", "list(", "list(int", "map(int)", "int)", "1", "list()"}) {
    EXPECT_EQ(types.Parse(text), nullptr) << text;
  }
}

TEST(EnvironmentTest, TheTableOfFunctionsCanBeRead) {
  for (const BuiltinFunction& builtin : StandardFunctions()) {
    TypePool types;
    std::vector<Overload> overloads;
    EXPECT_TRUE(ParseOverloads(builtin.overloads, types, &overloads)) << builtin.name;
    EXPECT_NE(builtin.body, nullptr) << builtin.name;
  }
}

TEST(EnvironmentTest, RefusesWhatIsDeclaredAlready) {
  Environment environment;
  const Type* type = SimpleType(TypeKind::kInt);
  EXPECT_TRUE(environment.AddVariable("a", type, Scope::kDecision, 0).ok());
  EXPECT_EQ(environment.AddVariable("a", type, Scope::kDecision, 1).code(),
            absl::StatusCode::kAlreadyExists);
  const HostBody body = [](CallContext&, const void*, const Value*, size_t) {
    return Value::Int(1);
  };
  EXPECT_EQ(environment.AddFunction("size", "() -> int", Scope::kDecision, body, nullptr).code(),
            absl::StatusCode::kAlreadyExists);
  for (const char* malformed : {"int", "(int)", "(int -> int", "(li st) -> int", "list.( -> int"}) {
    EXPECT_EQ(environment.AddFunction("f", malformed, Scope::kDecision, body, nullptr).code(),
              absl::StatusCode::kInvalidArgument)
        << malformed;
  }
}

TEST(NamesInTest, ListsWhatIsNotALoopsOwn) {
  EXPECT_EQ(NamesIn("a.b > 1 && c.all(x, x.y == d) && a.b < 3"),
            (std::vector<std::string>{"a.b", "c", "d"}));
  EXPECT_TRUE(NamesIn("a &").empty());
}

}  // namespace
}  // namespace attune::expression
