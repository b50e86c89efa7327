#include <memory>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "lib/expression/evaluator.h"

namespace attune::expression {
namespace {

struct EvaluationCase {
  const char* name;
  std::string expr;
  std::string expected;  // as ToString prints it; "error: ..." is the beginning of the message
};

// The value as text. Lenient: what does not type-check fails when it is evaluated.
std::string Evaluate(const std::string& expr) {
  CompileOptions options;
  options.lenient = true;
  IssueList issues;
  const auto rules = CompileOne(std::make_shared<Environment>(), "expr", expr, options, issues);
  if (rules == nullptr) return issues.ToString();
  Evaluator evaluator(*rules);
  evaluator.StartDecision(nullptr);
  return ToString(evaluator.Evaluate(0), 1000);
}

void RunCases(const std::vector<EvaluationCase>& cases) {
  for (const EvaluationCase& c : cases) {
    const std::string got = Evaluate(c.expr);
    if (c.expected.starts_with("error: ")) {
      EXPECT_TRUE(got.starts_with(c.expected)) << c.name << ": " << c.expr << " is " << got;
    } else {
      EXPECT_EQ(got, c.expected) << c.name << ": " << c.expr;
    }
  }
}

TEST(EvaluationTest, Literals) {
  RunCases({{"hex", "0x1F + -0x10", "15"},
            {"least int", "-9223372036854775808", "-9223372036854775808"},
            {"uint", "0xFFu", "255u"},
            {"double without a whole part", ".5 + 1e-1", "0.6"},
            {"escapes", R"('\x41\101\u00e9\U0001F600' == 'AA\u00e9😀')", "true"},
            {"raw", R"(size(r'\n'))", "2"},
            {"triple quotes", "'''a'b\n''' == 'a\\'b\\n'", "true"},
            {"bytes", R"(size(b'\xff\u0041'))",
             "expr:1:12: error: bytes have no unicode escapes; "
             "write them as UTF-8\n    size(b'\\xff\\u0041')\n"
             "               ^\n"},
            {"bytes of UTF-8", "size(b'é')", "2"},
            {"comment", "1 // one\n+ 1", "2"},
            {"trailing comma", "[1, 2,].size() + {1: 1,}.size()", "3"},
            {"quoted field", "{'a-b': 1}.`a-b`", "1"}});
}

TEST(EvaluationTest, Arithmetic) {
  RunCases({{"overflow", "9223372036854775807 + 1", "error: overflow"},
            {"underflow", "-9223372036854775808 - 1", "error: overflow"},
            {"product", "5000000000 * 5000000000", "error: overflow"},
            {"uint difference", "1u - 2u", "error: overflow"},
            {"uint sum", "18446744073709551615u + 1u", "error: overflow"},
            {"uint product", "18446744073709551615u * 2u", "error: overflow"},
            {"negation", "-(-9223372036854775808)", "error: overflow"},
            {"quotient", "-9223372036854775808 / -1", "error: overflow"},
            {"remainder", "-9223372036854775808 % -1", "error: overflow"},
            {"truncates", "-7 / 2", "-3"},
            {"sign of the dividend", "-7 % 2", "-1"},
            {"zero", "1 / 0", "error: division by zero"},
            {"uint zero", "1u % 0u", "error: division by zero"},
            {"double zero", "1.0 / 0.0", "+Inf"},
            {"double", "2.0 * 1.5 - 0.5", "2.5"},
            {"double negation", "-(1.5)", "-1.5"},
            {"mixed types", "1 + 1.0", "error: + is not defined for (int, double)"},
            {"no remainder of doubles", "dyn(1.0) % 2.0", "error: % is not defined"},
            {"minus a string", "-dyn('a')", "error: - is not defined for (string)"},
            {"precedence", "1 + 2 * 3 - 4 / 2", "5"},
            {"list sum", "[1] + [2, 3]", "[1, 2, 3]"},
            {"bytes sum", "b'a' + b'b'", "b\"ab\""},
            {"bool sum", "true + true", "error: + is not defined"},
            {"bool difference", "true - true", "error: - is not defined"},
            {"bool product", "true * true", "error: * is not defined"}});
}

TEST(EvaluationTest, Comparisons) {
  RunCases({{"int and double", "dyn(1) == 1.0", "true"},
            {"int and uint", "dyn(-1) < 1u", "true"},
            {"uint and int", "2u > dyn(-1)", "true"},
            {"uint and double", "dyn(2u) >= 2.5", "false"},
            {"past the range", "dyn(18446744073709551615u) < 1e30", "true"},
            {"negative double", "dyn(1u) > -1.0", "true"},
            {"different kinds", "dyn(1) == 'a'", "false"},
            {"no order of kinds", "dyn(1) < 'a'", "error: < is not defined for (int, string)"},
            {"no order of lists", "dyn([1]) < [2]", "error: < is not defined for (list, list)"},
            {"nan", "0.0 / 0.0 == 0.0 / 0.0", "false"},
            {"nan differs", "0.0 / 0.0 != 1.0", "true"},
            {"nan has no order", "0.0 / 0.0 < 1.0", "false"},
            {"strings", "'a' < 'b' && 'b' >= 'ab'", "true"},
            {"bytes", "b'a' <= b'a'", "true"},
            {"bools", "false < true", "true"},
            {"nested", "[1, {'a': [2]}] == [1.0, {'a': [2u]}]", "true"},
            {"lists of different length", "[1] == [1, 2] || [1, 2] == [1]", "false"},
            {"maps", "{1: 2} == {1u: 2.0} && {1: 2} != {2: 2} && {} != {1: 1}", "true"},
            {"null", "null == null && dyn(null) != 1", "true"},
            {"types", "type(1) == int && type(int) == type", "true"}});
}

TEST(EvaluationTest, LogicAbsorbsErrors) {
  RunCases({{"false wins", "1 / 0 > 0 && false", "false"},
            {"true wins", "1 / 0 > 0 || true", "true"},
            {"and fails", "true && 1 / 0 > 0 && true", "error: division"},
            {"or fails", "false || 1 / 0 > 0 || false", "error: division"},
            {"the first error", "1 / 0 > 0 && [1][2] == 1", "error: division"},
            {"no bool", "'x' && true", "error: a condition must be a bool, not string"},
            {"not", "!dyn(1)", "error: a condition must be a bool, not int"},
            {"conditional", "false ? 1 / 0 : 2", "2"},
            {"condition fails", "1 / 0 > 0 ? 1 : 2", "error: division"},
            {"one true", "true || dyn(1)", "true"},
            {"single remains", "true && dyn('x')", "error: a condition"}});
}

TEST(EvaluationTest, Aggregates) {
  RunCases({{"index", "[1, 2][1]", "2"},
            {"whole double", "[1, 2][dyn(1.0)]", "2"},
            {"fraction", "[1, 2][dyn(0.5)]", "error: an index must be a whole number"},
            {"out of range", "[1][1]", "error: index out of range"},
            {"negative", "[1][-1]", "error: index out of range"},
            {"huge uint", "[1][dyn(18446744073709551615u)]", "error: index out of range"},
            {"string index", "[1][dyn('a')]", "error: _[_] is not defined for (list, string)"},
            {"map", "{'a': 1, true: 2, 3: 4}[true]", "2"},
            {"number keys", "{1: 'a'}[1.0] + {2u: 'b'}[dyn(2)]", "\"ab\""},
            {"no key", "{'a': 1}.b", "error: no such key: b"},
            {"no number key", "{1: 1}[2]", "error: no such key"},
            {"no possible key", "{1: 1}[dyn([])]", "error: _[_] is not defined"},
            {"duplicate", "{'a': 1, 'a': 2}", "error: the key is in the map already"},
            {"duplicate number", "{1: 1, 1u: 2}", "error: the key is in the map already"},
            {"double key", "{1.5: 1}", "error: a key must be"},
            {"in", "2 in [1, 2] && !(3 in [1, 2]) && 'a' in {'a': 1}", "true"},
            {"in an int", "1 in dyn(1)", "error: in is not defined"},
            {"long set", "5 in [1, 2, 3, 4, 5, 6, 7, 8] && !('x' in ['a','b','c','d','e','f','g'])",
             "true"},
            {"long set, other type", "dyn(5.0) in [1, 2, 3, 4, 5, 6, 7, 8]", "true"},
            {"has", "has({'a': 1}.a) && !has({'a': 1}.b)", "true"},
            {"has of an int", "has(dyn(1).b)", "error: a value of type int has no field b"},
            {"field of an int", "dyn(1).b", "error: a value of type int has no field b"},
            {"large map",
             "{1:1,2:2,3:3,4:4,5:5,6:6,7:7,8:8,9:9,10:10}[dyn(9.0)] + "
             "{'a':1,'b':2,'c':3,'d':4,'e':5,'f':6,'g':7,'h':8,'i':9,'j':10}.j",
             "19"},
            {"sizes", "size([1, 2]) + size({1: 1}) + size('é') + size(b'é')", "6"},
            {"size of an int", "size(dyn(1))", "error: size is not defined for (int)"}});
}

TEST(EvaluationTest, Loops) {
  RunCases(
      {{"all", "[1, 2].all(x, x > 0)", "true"},
       {"all absorbs", "[0, 2].all(x, 4 / x > 100)", "false"},
       {"all fails", "[0, 2].all(x, 4 / x > 1)", "error: division"},
       {"exists", "[0, 2].exists(x, 4 / x == 2)", "true"},
       {"exists_one", "[1, 2, 2].exists_one(x, x == 2)", "false"},
       {"existsOne", "[1, 2].existsOne(i, x, x == 2 && i == 1)", "true"},
       {"exists_one fails", "[0, 1].exists_one(x, 1 / x == 1)", "error: division"},
       {"map", "[1, 2].map(x, x * 2)", "[2, 4]"},
       {"map with filter", "[1, 2].map(x, x > 1, x * 2)", "[4]"},
       {"filter", "[1, 2, 3].filter(x, x != 2)", "[1, 3]"},
       {"filter fails", "[0].filter(x, 1 / x > 1)", "error: division"},
       {"filter by no bool", "[0].filter(x, dyn(1))", "error: a condition"},
       {"keys", "{'a': 1}.map(k, k)", "[\"a\"]"},
       {"entries", "{'a': 1}.all(k, v, k == 'a' && v == 1)", "true"},
       {"transformList", "[5, 6].transformList(i, v, i > 0, i + v)", "[7]"},
       {"transformMap", "{'a': 1, 'b': 2}.transformMap(k, v, v > 1, k + 'x')", "{\"b\": \"bx\"}"},
       {"transformMap of a list", "['a'].transformMap(i, v, v)", "{0: \"a\"}"},
       {"transformMap fails", "{'a': 0}.transformMap(k, v, 1 / v)", "error: division"},
       {"transformMap filter fails", "{'a': 0}.transformMap(k, v, 1 / v > 0, v)",
        "error: division"},
       {"nested", "[[1, 2], [3]].map(x, x.map(y, y + x[0]))", "[[2, 3], [6]]"},
       {"shadowed", "[1].map(x, [x + 1].map(x, x * 10))", "[[20]]"},
       {"over an int", "dyn(1).all(x, true)", "error: a comprehension is not defined for (int)"},
       {"map over an int", "dyn(1).map(x, x)", "error: a comprehension is not defined"},
       {"over an error", "[1 / 0].all(x, true)", "error: division"},
       {"map over an error", "[1 / 0].map(x, true)", "error: division"},
       {"bind", "cel.bind(x, 2, x * x)", "4"},
       {"an error that is not used", "cel.bind(x, 1 / 0, true)", "true"}});
}

TEST(EvaluationTest, Conversions) {
  RunCases({{"int of double", "int(-1.9)", "-1"},
            {"int of large", "int(1e99)", "error: out of range"},
            {"int of nan", "int(0.0 / 0.0)", "error: out of range"},
            {"int of uint", "int(18446744073709551615u)", "error: out of range"},
            {"int of text", "int('-5')", "-5"},
            {"int of no number", "int('5x')", "error: int(): can't be read: 5x"},
            {"int of a bool", "int(dyn(true))", "error: int is not defined for (bool)"},
            {"uint of negative", "uint(-1)", "error: out of range"},
            {"uint of double", "uint(1e30)", "error: out of range"},
            {"uint of text", "uint('7') + uint(1.5) + uint(1) + uint(1u)", "10u"},
            {"uint of no number", "uint('-1')", "error: uint()"},
            {"uint of a bool", "uint(dyn(true))", "error: uint is not defined"},
            {"double", "double('1e3') + double(1) + double(2u) + double(1.0)", "1004"},
            {"double of no number", "double('')", "error: double()"},
            {"infinity", "double('-Infinity')", "-Inf"},
            {"double of a bool", "double(dyn(true))", "error: double is not defined"},
            {"bool", "bool('true') && bool('t') && !bool('0') && bool(true)", "true"},
            {"bool of other text", "bool('yes')", "error: bool()"},
            {"bool of an int", "bool(dyn(1))", "error: bool is not defined"},
            {"string", "string(1) + string(2u) + string(1.5) + string(true) + string('s')",
             "\"121.5trues\""},
            {"string of bytes", "string(b'\\xff')", "error: string(): the bytes"},
            {"string of time", "string(timestamp('2024-02-29T01:02:03.5Z'))",
             "\"2024-02-29T01:02:03.5Z\""},
            {"string of duration", "string(duration('-1.5s'))", "\"-1.5s\""},
            {"string of a list", "string(dyn([]))", "error: string is not defined"},
            {"bytes", "bytes('a') + bytes(b'b')", "b\"ab\""},
            {"bytes of an int", "bytes(dyn(1))", "error: bytes is not defined"},
            {"whole double", "string(1000000.0) + string(1e300) + string(-0.0)",
             "\"10000001e+300-0\""}});
}

TEST(EvaluationTest, Times) {
  RunCases(
      {{"offset", "timestamp('2024-01-01T00:00:00+01:00')", "2023-12-31T23:00:00Z"},
       {"seconds", "timestamp(0)", "1970-01-01T00:00:00Z"},
       {"no date", "timestamp('2023-02-29T00:00:00Z')", "error: timestamp()"},
       {"no time", "timestamp('2023-02-28')", "error: timestamp()"},
       {"no zone", "timestamp('2023-02-28T00:00:00')", "error: timestamp()"},
       {"bad offset", "timestamp('2023-02-28T00:00:00+25:00')", "error: timestamp()"},
       {"bad fraction", "timestamp('2023-02-28T00:00:00.Z')", "error: timestamp()"},
       {"range", "timestamp('9999-12-31T23:59:59Z') + duration('1s')", "error: overflow"},
       {"range of seconds", "timestamp(253402300800)", "error: out of range"},
       {"of a bool", "timestamp(dyn(true))", "error: timestamp is not defined"},
       {"difference", "timestamp(10) - timestamp(4)", "6s"},
       {"minus duration", "timestamp(10) - duration('1m')", "1969-12-31T23:59:10Z"},
       {"plus", "duration('1h') + timestamp(0)", "1970-01-01T01:00:00Z"},
       {"nanos", "duration('1s') - duration('1ns')", "0.999999999s"},
       {"nanos below zero", "duration('-1s') + duration('1ns')", "-0.999999999s"},
       {"units", "duration('1h2m3s4ms5us6ns')", "3723.004005006s"},
       {"long duration", "duration('300000000000s')", "error: out of range"},
       {"no unit", "duration('1')", "error: duration()"},
       {"no number", "duration('s')", "error: duration()"},
       {"of an int", "duration(dyn(1))", "error: duration is not defined"},
       {"fields",
        "[timestamp('2024-03-05T06:07:08.009Z')].map(t, [t.getFullYear(), t.getMonth(), "
        "t.getDayOfYear(), t.getDayOfMonth(), t.getDate(), t.getDayOfWeek(), t.getHours(), "
        "t.getMinutes(), t.getSeconds(), t.getMilliseconds()])",
        "[[2024, 2, 64, 4, 5, 2, 6, 7, 8, 9]]"},
       {"zone", "timestamp('2024-07-01T22:00:00Z').getHours('Europe/Berlin')", "0"},
       {"fixed zone", "timestamp('2024-07-01T22:00:00Z').getDate('+02:00')", "2"},
       {"fixed zone west", "timestamp(0).getHours('-3:30')", "20"},
       {"same zone again",
        "timestamp(0).getHours('Asia/Tokyo') + "
        "timestamp(0).getMinutes('Asia/Tokyo')",
        "9"},
       {"not the host's zone", "timestamp(0).getHours('localtime')", "error: unknown time zone"},
       {"no zone of a library", "timestamp(0).getHours('libc:UTC')", "error: unknown time zone"},
       {"no zone of this name", "timestamp(0).getHours('Nowhere')", "error: unknown time zone"},
       {"no path", "timestamp(0).getHours('../etc/passwd')", "error: unknown time zone"},
       {"no offset", "timestamp(0).getHours('1x:00')", "error: unknown time zone"},
       {"zone of other type", "timestamp(0).getHours(dyn(1))", "error: a time's field"},
       {"of a duration",
        "duration('90m').getHours() + duration('90m').getMinutes() + "
        "duration('2s').getSeconds() + duration('1.5s').getMilliseconds()",
        "593"},
       {"year of a duration", "dyn(duration('1s')).getFullYear()", "error: a time's field"}});
}

TEST(EvaluationTest, Strings) {
  RunCases(
      {{"search", "'abc'.contains('bc') && 'abc'.startsWith('a') && 'abc'.endsWith('c')", "true"},
       {"search nothing", "'abc'.contains('')", "true"},
       {"search an int", "'a'.contains(dyn(1)) || 'a'.startsWith(dyn(1))", "error: contains"},
       {"endsWith an int", "'a'.endsWith(dyn(1))", "error: endsWith"},
       {"regex", "'abc'.matches('^a.c$') && !matches('abd', '^a.c$')", "true"},
       {"regex from a value", "['b+'].all(p, 'abb'.matches(p))", "true"},
       {"bad regex", "'a'.matches('(')", "error: malformed regular expression"},
       {"bad regex from a value", "['('].all(p, 'a'.matches(p))", "error: malformed regular"},
       {"regex of an int", "dyn(1).matches('a')", "error: matches"},
       {"charAt", "'aé😀'.charAt(2) + 'a'.charAt(1)", "\"😀\""},
       {"charAt far", "'a'.charAt(2)", "error: index out of range"},
       {"charAt negative", "'a'.charAt(-1)", "error: index out of range"},
       {"indexOf",
        "['éaa'.indexOf('a'), 'éaa'.indexOf('a', 2), 'a'.indexOf('b'), "
        "'ab'.indexOf(''), 'ab'.indexOf('', 2), 'ab'.indexOf('a', 2)]",
        "[1, 2, -1, 0, 2, -1]"},
       {"indexOf negative", "'a'.indexOf('a', -1)", "error: index"},
       {"indexOf behind the end", "'ab'.indexOf('', 3)", "error: index"},
       {"lastIndexOf",
        "['éaa'.lastIndexOf('a'), 'éaa'.lastIndexOf('a', 1), "
        "'a'.lastIndexOf('b'), 'ab'.lastIndexOf(''), ''.lastIndexOf('a'), "
        "'ab'.lastIndexOf('', 1), 'a'.lastIndexOf('abc'), 'a'.lastIndexOf('a', 1)]",
        "[2, 1, -1, 2, -1, 1, -1, -1]"},
       {"lastIndexOf behind the end", "'a'.lastIndexOf('a', 2)", "error: index"},
       {"lastIndexOf negative", "'a'.lastIndexOf('a', -1)", "error: index"},
       {"case", "'aÉB'.lowerAscii() + 'aéb'.upperAscii()", "\"aÉbAéB\""},
       {"replace",
        "['aaa'.replace('a', 'b'), 'aaa'.replace('a', 'b', 2), "
        "'ab'.replace('', '-'), 'ab'.replace('', '-', 2), 'a'.replace('a', '', 0), "
        "'aa'.replace('a', 'b', -1)]",
        "[\"bbb\", \"bba\", \"-a-b-\", \"-a-b\", \"a\", \"bb\"]"},
       {"split",
        "['a,b,c'.split(','), 'a,b,c'.split(',', 2), 'aé'.split(''), "
        "'a'.split(',', 0), ''.split(','), ''.split(''), 'abc'.split('', 2)]",
        "[[\"a\", \"b\", \"c\"], [\"a\", \"b,c\"], [\"a\", \"é\"], [], [\"\"], [], [\"a\", "
        "\"bc\"]]"},
       {"join", "['a', 'b'].join('-') + ['a', 'b'].join() + [].join('x')", "\"a-bab\""},
       {"join ints", "dyn([1]).join()", "error: join: an element"},
       {"join with an int", "['a'].join(dyn(1))", "error: join is not defined"},
       {"substring", "'aéb'.substring(1) + 'aéb'.substring(0, 2)", "\"ébaé\""},
       {"substring far", "'a'.substring(2)", "error: index"},
       {"substring end far", "'a'.substring(0, 2)", "error: index"},
       {"substring backward", "'ab'.substring(1, 0)", "error: substring()"},
       {"substring negative", "'ab'.substring(-1)", "error: index"},
       {"trim", "'\\u2003 a b\\n\\u00a0'.trim()", "\"a b\""},
       {"trim all", "'  '.trim()", "\"\""},
       {"reverse", "'aé😀'.reverse()", "\"😀éa\""},
       {"quote", "strings.quote('a\"\\n') == '\"a\\\\\"\\\\n\"'", "true"},
       {"wrong types", "dyn(1).trim()", "error: trim is not defined for (int)"},
       {"too many arguments", "'a'.trim(1)", "error: trim is not defined for so many"}});
}

TEST(EvaluationTest, Format) {
  RunCases(
      {{"all verbs", "'%s %d %.2f %e %b %o %x %X %%'.format(['a', 1, 2.5, 100.0, 5, 8, 255, 255])",
        "\"a 1 2.50 1.000000e+02 101 10 ff FF %\""},
       {"containers", "'%s %s'.format([[1, 'a', null], {'b': 1.5, 'a': true}])",
        "\"[1, a, null] {a: true, b: 1.5}\""},
       {"times", "'%s %s'.format([timestamp(0), duration('1.5s')])",
        "\"1970-01-01T00:00:00Z 1.5s\""},
       {"types and bytes", "'%s %s %s'.format([int, b'x', 3u])", "\"int x 3\""},
       {"bytes that are no text", "'%s'.format([b'\\xf0abc\\x8c\\xf0xyz\\xc3\\xa4'])",
        "\"\uFFFDabc\uFFFDxyz\u00E4\""},
       {"hex of text", "'%x %X'.format(['az', b'\\xab'])", "\"617a AB\""},
       {"negative", "'%x %b'.format([-255, true])", "\"-ff 1\""},
       {"not finite", "'%f %d %s'.format([1.0 / 0.0, 0.0 / 0.0, -1.0 / 0.0])",
        "\"Infinity NaN -Infinity\""},
       {"numbers as reals", "'%.1f %.1e'.format([1, 2u])", "\"1.0 2.0e+00\""},
       {"too few", "'%s'.format([])", "error: format(): fewer"},
       {"no verb", "'%y'.format([1])", "error: format(): there is no verb %y"},
       {"cut off", "'%'.format([1])", "error: format(): the format ends"},
       {"no digits", "'%.f'.format([1])", "error: format(): a precision needs"},
       {"long precision", "'%.999f'.format([1])", "error: format(): a precision is"},
       {"wrong types", "'%d'.format(['a'])",
        "error: format(): %d is not for values of type string"},
       {"wrong hex", "'%x'.format([1.5])", "error: format(): %x"},
       {"wrong octal", "'%o'.format([true])", "error: format(): %o"},
       {"wrong real", "'%f'.format(['a'])", "error: format(): %f"},
       {"no list", "'%s'.format(dyn(1))", "error: format is not defined"}});
}

TEST(EvaluationTest, Math) {
  RunCases(
      {{"greatest",
        "[math.greatest(1, 2.5, 3u), math.greatest([1, 5]), math.least(-1.5), "
        "math.least(2, 1)]",
        "[3u, 5, -1.5, 1]"},
       {"of nothing", "math.greatest([])", "error: math.greatest of an empty list"},
       {"of text", "math.least(dyn('a'))", "error: math.least is not defined"},
       {"without arguments", "math.least()", "error: math.least is not defined for so many"},
       {"rounding",
        "[math.ceil(1.2), math.floor(-1.2), math.round(2.5), math.round(-2.5), "
        "math.trunc(-1.9)]",
        "[2, -2, 3, -3, -1]"},
       {"rounding ints", "math.ceil(dyn(1))", "error: math: rounding"},
       {"tests", "math.isNaN(0.0 / 0.0) && math.isInf(1.0 / 0.0) && math.isFinite(1.0)", "true"},
       {"tests of ints", "math.isNaN(dyn(1))", "error: math: a test"},
       {"abs", "[math.abs(-1), math.abs(-1.5), math.abs(1u)]", "[1, 1.5, 1u]"},
       {"abs of the least", "math.abs(-9223372036854775808)", "error: math.abs"},
       {"abs of text", "math.abs(dyn('a'))", "error: math.abs is not defined"},
       {"sign", "[math.sign(-3), math.sign(0.0), math.sign(3u), math.sign(0.0 / 0.0)]",
        "[-1, 0, 1u, NaN]"},
       {"sign of text", "math.sign(dyn('a'))", "error: math.sign"},
       {"sqrt", "[math.sqrt(4), math.sqrt(4u), math.sqrt(2.25), math.sqrt(-1.0)]",
        "[2, 2, 1.5, NaN]"},
       {"sqrt of text", "math.sqrt(dyn('a'))", "error: math.sqrt"},
       {"bits", "[math.bitAnd(6, 3), math.bitOr(6, 3), math.bitXor(6, 3), math.bitNot(0)]",
        "[2, 7, 5, -1]"},
       {"bits of mixed types", "math.bitAnd(1, dyn(1u))", "error: math: a bit operation"},
       {"bitNot of text", "math.bitNot(dyn('a'))", "error: math.bitNot"},
       {"shifts",
        "[math.bitShiftLeft(1, 3), math.bitShiftLeft(1, 64), "
        "math.bitShiftRight(-1, 63)]",
        "[8, 0, 1]"},
       {"negative shift", "math.bitShiftLeft(1, -1)", "error: a shift by a negative"},
       {"shift by a uint", "math.bitShiftLeft(1, dyn(1u))", "error: math: a shift"}});
}

TEST(EvaluationTest, UnknownNamesFailWhenTheyAreNeeded) {
  RunCases({{"name", "a", "error: unknown name: a"},
            {"field", "a.b.c", "error: unknown name: a"},
            {"function", "f(1)", "error: unknown function: f"},
            {"method", "a.f() || true", "true"},
            {"form", "size()", "error: size is not defined for so many arguments"}});
}

}  // namespace
}  // namespace attune::expression
