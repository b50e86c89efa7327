// What hostile or broken clients send: each gets a code that says what to do and, where there is
// one, the path of the field; the server goes on serving, in bounded memory.

#include <gmock/gmock.h>
#include <google/protobuf/stubs/logging.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <ostream>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tests/integration/client.h"
#include "tests/integration/server_fixture.h"
#include "tests/integration/subprocess.h"
#include "tests/testing/effort.h"
#include "tests/testing/mutations.h"
#include "tests/testing/temp_dir.h"

namespace attune::service {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::Ge;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Lt;
using ::testing::Not;
using ::testing::SizeIs;

constexpr char kDecide[] = "/attune.v1.DecisionService/Decide";
constexpr char kDecideStream[] = "/attune.v1.DecisionService/DecideStream";
constexpr char kGet[] = "/attune.v1.CustomerService/Get";
constexpr char kUpsert[] = "/attune.v1.CustomerService/Upsert";
constexpr char kErase[] = "/attune.v1.CustomerService/Erase";
constexpr char kBatchUpsert[] = "/attune.v1.CustomerService/BatchUpsert";
constexpr char kRecordOutcome[] = "/attune.v1.OutcomeService/RecordOutcome";
constexpr char kRecordOutcomes[] = "/attune.v1.OutcomeService/RecordOutcomes";

// What all of this together may add to the server's memory, at its peak: two million empty strings
// in one message of 4 MiB, the largest that is let in, take most of it. The allocator may keep a
// part for good; that it does not add up is seen from the same messages coming again and again.
constexpr int64_t kMaxGrowthBytes = int64_t{256} << 20;
// A sanitizer's shadow is not what is measured here.
constexpr bool kMemoryIsOurs = ATTUNE_SANITIZED == 0;

// Stands in hostile ids; must not turn up in a log.
constexpr char kMarker[] = "m4rk3r";

const double kNan = std::numeric_limits<double>::quiet_NaN();
const double kInfinity = std::numeric_limits<double>::infinity();

// One server process for all of it.
class BadInputTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    dir_ = new testing::TempDir;
    attuned_ = new AttunedProcess(WriteStrategy(dir_->path()), dir_->File("data"),
                                  {"--metrics_listen", "", "--log_level", "debug"});
    client_ = new Client(attuned_->port());
    ASSERT_TRUE(client_->Decide(GoodRequest()).ok());
    resident_at_first_ = attuned_->resident();
  }

  static void TearDownTestSuite() {
    const int64_t peak_growth = attuned_->peak_resident() - resident_at_first_;
    const int64_t growth = attuned_->resident() - resident_at_first_;
    std::printf("bad input: the server's memory grew by at most %.1f MiB, for good by %.1f MiB\n",
                static_cast<double>(peak_growth) / (1 << 20),
                static_cast<double>(growth) / (1 << 20));
    if (kMemoryIsOurs) {
      EXPECT_LT(peak_growth, kMaxGrowthBytes);
    }
    EXPECT_THAT(attuned_->process().output(), Not(HasSubstr(kMarker)));
    delete client_;
    delete attuned_;
    delete dir_;
  }

  void TearDown() override {
    const auto answer = client_->Decide(GoodRequest());
    EXPECT_TRUE(answer.ok()) << "the server must go on serving: " << answer.status.error_message();
    EXPECT_EQ(answer.response.treatments_size(), 2);
  }

  static v1::DecideRequest GoodRequest() {
    v1::DecideRequest request = DecideFor("ann", "ivr", "report_outage");
    (*request.mutable_attributes())["wait_s"] = Double(70);
    return request;
  }

  static const Client& client() { return *client_; }

 private:
  static inline testing::TempDir* dir_ = nullptr;
  static inline AttunedProcess* attuned_ = nullptr;
  static inline Client* client_ = nullptr;
  static inline int64_t resident_at_first_ = 0;
};

// The bytes of a message, whatever is in its strings.
std::string RawBytes(const google::protobuf::Message& message) {
  const google::protobuf::LogSilencer silencer;
  return message.SerializePartialAsString();
}

std::string Marked(size_t size) { return kMarker + std::string(size, 'x'); }

// --- one field of a decision ---

struct BadDecide {
  std::string name;
  std::function<void(v1::DecideRequest&)> change;
  std::vector<std::string> fields;  // none: the message as a whole can't be read
};

void PrintTo(const BadDecide& c, std::ostream* out) { *out << c.name; }

class BadDecideTest : public BadInputTest, public ::testing::WithParamInterface<BadDecide> {};

TEST_P(BadDecideTest, IsRefusedByItsField) {
  v1::DecideRequest request = GoodRequest();
  GetParam().change(request);
  const grpc::Status status = client().CallWithBytes(kDecide, RawBytes(request));
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << status.error_message();
  EXPECT_EQ(FieldsOf(status), GetParam().fields);
  EXPECT_THAT(status.error_message(), Not(HasSubstr(kMarker)));
  EXPECT_THAT(status.error_message(), SizeIs(Lt(1000u)));
  if (GetParam().fields.empty()) {
    EXPECT_THAT(status.error_message(), HasSubstr("not a well-formed attune.v1.DecideRequest"));
  }
}

TEST_P(BadDecideTest, EndsAStreamOnlyWhenNothingOfItCanBeRead) {
  const google::protobuf::LogSilencer silencer;
  int sent = 0;
  std::map<std::string, v1::DecideStreamResponse> answers;
  const grpc::Status status = client().DecideStream(
      [&](v1::DecideStreamRequest& message) {
        message.set_correlation_id(absl::StrCat(sent));
        *message.mutable_decide() = GoodRequest();
        if (sent == 1) GetParam().change(*message.mutable_decide());
        return sent++ < 3;
      },
      [&](const v1::DecideStreamResponse& r) { answers[r.correlation_id()] = r; });
  EXPECT_TRUE(answers["0"].has_decide());
  if (GetParam().fields.empty()) {
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    return;
  }
  EXPECT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(answers["1"].error().code(), static_cast<int>(grpc::StatusCode::INVALID_ARGUMENT));
  EXPECT_TRUE(answers["2"].has_decide());
}

void SetTime(v1::DecideRequest& request, int64_t seconds, int32_t nanos) {
  request.mutable_time()->set_seconds(seconds);
  request.mutable_time()->set_nanos(nanos);
}

void SetAttribute(v1::DecideRequest& request, const std::string& name, const v1::Value& value) {
  (*request.mutable_attributes())[name] = value;
}

const BadDecide kBadIds[] = {
    {"IdEmpty", [](auto& r) { r.clear_customer_id(); }, {"customer_id"}},
    {"IdOf257Bytes", [](auto& r) { r.set_customer_id(std::string(257, 'x')); }, {"customer_id"}},
    {"IdOf100kB", [](auto& r) { r.set_customer_id(Marked(100'000)); }, {"customer_id"}},
    {"IdWithNul", [](auto& r) { r.set_customer_id(std::string("a\0b", 3)); }, {"customer_id"}},
    {"IdWithNewline", [](auto& r) { r.set_customer_id("a\nm4rk3r"); }, {"customer_id"}},
    {"IdWithEscape", [](auto& r) { r.set_customer_id("\x1B[31mm4rk3r"); }, {"customer_id"}},
    {"IdNotUtf8", [](auto& r) { r.set_customer_id("a\xC3\x28"); }, {}},
    {"IdWithOverlongUtf8", [](auto& r) { r.set_customer_id("\xC0\x80"); }, {}},
    {"IdWithSurrogate", [](auto& r) { r.set_customer_id("\xED\xA0\x80"); }, {}},
    {"RequestIdOf129Bytes",
     [](auto& r) { r.set_request_id(std::string(129, 'x')); },
     {"request_id"}},
    {"RequestIdOf100kB", [](auto& r) { r.set_request_id(Marked(100'000)); }, {"request_id"}},
    {"RequestIdWithNewline", [](auto& r) { r.set_request_id("a\nm4rk3r"); }, {"request_id"}},
    {"RequestIdNotUtf8", [](auto& r) { r.set_request_id("\xFF"); }, {}},
};
INSTANTIATE_TEST_SUITE_P(Ids, BadDecideTest, ::testing::ValuesIn(kBadIds),
                         [](const auto& info) { return info.param.name; });

const BadDecide kBadContexts[] = {
    {"ChannelMissing", [](auto& r) { r.clear_channel(); }, {"channel"}},
    {"ChannelUnknown", [](auto& r) { r.set_channel("fax"); }, {"channel"}},
    {"ChannelOf100kB", [](auto& r) { r.set_channel(std::string(100'000, 'a')); }, {"channel"}},
    {"ChannelWithControlCharacters", [](auto& r) { r.set_channel("\r\n\x1B[2J"); }, {"channel"}},
    {"ChannelNotUtf8", [](auto& r) { r.set_channel("\x80"); }, {}},
    {"IntentUnknown", [](auto& r) { r.set_intent("dance"); }, {"intent"}},
    {"IntentOf100kB", [](auto& r) { r.set_intent(std::string(100'000, 'b')); }, {"intent"}},
    {"TimeInYear1", [](auto& r) { SetTime(r, -62'135'596'800, 0); }, {"time"}},
    {"TimeInYear9999", [](auto& r) { SetTime(r, 253'402'300'799, 999'999'999); }, {"time"}},
    {"TimeBeforeAll",
     [](auto& r) { SetTime(r, std::numeric_limits<int64_t>::min(), 0); },
     {"time"}},
    {"TimeAfterAll",
     [](auto& r) { SetTime(r, std::numeric_limits<int64_t>::max(), 999'999'999); },
     {"time"}},
    {"MaxTreatmentsNegative", [](auto& r) { r.set_max_treatments(-1); }, {"max_treatments"}},
    {"MaxTreatmentsTooMany", [](auto& r) { r.set_max_treatments(101); }, {"max_treatments"}},
    {"MaxTreatmentsLargest",
     [](auto& r) { r.set_max_treatments(std::numeric_limits<int32_t>::max()); },
     {"max_treatments"}},
    {"MaxTreatmentsSmallest",
     [](auto& r) { r.set_max_treatments(std::numeric_limits<int32_t>::min()); },
     {"max_treatments"}},
    {"TreatmentUnknown",
     [](auto& r) {
       r.add_treatment_ids("upgrade");
       r.add_treatment_ids("");
       r.add_treatment_ids("upgrate");
     },
     {"treatment_ids[1]", "treatment_ids[2]"}},
    {"TreatmentsTooMany",
     [](auto& r) {
       for (int i = 0; i < 100'000; ++i) r.add_treatment_ids("upgrade");
     },
     {"treatment_ids"}},
};
INSTANTIATE_TEST_SUITE_P(Contexts, BadDecideTest, ::testing::ValuesIn(kBadContexts),
                         [](const auto& info) { return info.param.name; });

const BadDecide kBadChannelsAndPlaces[] = {
    {"NamedAndOpen", [](auto& r) { r.add_open_channels("app"); }, {"channel"}},
    {"OpenUnknown",
     [](auto& r) {
       r.clear_channel();
       r.add_open_channels("app");
       r.add_open_channels("*");
       r.add_open_channels("");
       r.add_open_channels("\r\n\x1B[2J");
     },
     {"open_channels[1]", "open_channels[2]", "open_channels[3]"}},
    {"OpenOf100kB",
     [](auto& r) {
       r.clear_channel();
       for (int i = 0; i < 3; ++i) r.add_open_channels(std::string(100'000, 'a'));
     },
     {"open_channels[0]", "open_channels[1]", "open_channels[2]"}},
    {"OpenTooMany",
     [](auto& r) {
       r.clear_channel();
       for (int i = 0; i < 100'000; ++i) r.add_open_channels("app");
     },
     {"open_channels"}},
    {"OpenNotUtf8",
     [](auto& r) {
       r.clear_channel();
       r.add_open_channels("\x80");
     },
     {}},
    {"PlacementUnknown", [](auto& r) { r.add_placements("hero"); }, {"placements[0]"}},
    {"PlacementOf100kB",
     [](auto& r) { r.add_placements(std::string(100'000, 'a')); },
     {"placements[0]"}},
    {"PlacementWithControlCharacters",
     [](auto& r) { r.add_placements("\r\n\x1B[2J"); },
     {"placements[0]"}},
    {"PlacementsTooMany",
     [](auto& r) {
       for (int i = 0; i < 100'000; ++i) r.add_placements("hero");
     },
     {"placements"}},
    {"PlacementNotUtf8", [](auto& r) { r.add_placements("\xC3\x28"); }, {}},
};
INSTANTIATE_TEST_SUITE_P(ChannelsAndPlaces, BadDecideTest,
                         ::testing::ValuesIn(kBadChannelsAndPlaces),
                         [](const auto& info) { return info.param.name; });

const BadDecide kBadAttributes[] = {
    {"TenThousand",
     [](auto& r) {
       for (int i = 0; i < 10'000; ++i) SetAttribute(r, absl::StrCat("a", i), Int(i));
     },
     {"attributes"}},
    {"Unknown", [](auto& r) { SetAttribute(r, "wait", Int(1)); }, {"attributes[\"wait\"]"}},
    {"NameWithNewline",
     [](auto& r) { SetAttribute(r, "a\nb", Int(1)); },
     {"attributes[\"a\\x0ab\"]"}},
    {"NameNotUtf8", [](auto& r) { SetAttribute(r, "\xFE", Int(1)); }, {}},
    {"WithoutValue", [](auto& r) { SetAttribute(r, "topic", {}); }, {"attributes[\"topic\"]"}},
    {"OfAnotherType", [](auto& r) { SetAttribute(r, "topic", Int(1)); }, {"attributes[\"topic\"]"}},
    {"Nan", [](auto& r) { SetAttribute(r, "wait_s", Double(kNan)); }, {"attributes[\"wait_s\"]"}},
    {"Infinite",
     [](auto& r) { SetAttribute(r, "wait_s", Double(kInfinity)); },
     {"attributes[\"wait_s\"]"}},
    {"MinusInfinite",
     [](auto& r) { SetAttribute(r, "wait_s", Double(-kInfinity)); },
     {"attributes[\"wait_s\"]"}},
    {"TextOf1025Bytes",
     [](auto& r) { SetAttribute(r, "topic", String(std::string(1025, 'x'))); },
     {"attributes[\"topic\"]"}},
    {"TextOf100kB",
     [](auto& r) { SetAttribute(r, "topic", String(Marked(100'000))); },
     {"attributes[\"topic\"]"}},
    {"TextNotUtf8", [](auto& r) { SetAttribute(r, "topic", String("\xC3\x28")); }, {}},
    {"ListOf65",
     [](auto& r) { SetAttribute(r, "tags", List(std::vector<std::string>(65, "x"))); },
     {"attributes[\"tags\"]"}},
    {"ListOf100000",
     [](auto& r) { SetAttribute(r, "tags", List(std::vector<std::string>(100'000, ""))); },
     {"attributes[\"tags\"]"}},
    {"ListWithALongText",
     [](auto& r) {
       SetAttribute(r, "tags", List({"a", std::string(1025, 'x')}));
     },
     {"attributes[\"tags\"]"}},
    {"TimestampBeforeYear1",
     [](auto& r) { SetAttribute(r, "called_at", Timestamp(-62'135'596'801, 0)); },
     {"attributes[\"called_at\"]"}},
    {"TimestampInYear10000",
     [](auto& r) { SetAttribute(r, "called_at", Timestamp(253'402'300'800, 0)); },
     {"attributes[\"called_at\"]"}},
    {"TimestampAfterAll",
     [](auto& r) {
       SetAttribute(r, "called_at", Timestamp(std::numeric_limits<int64_t>::max(), 0));
     },
     {"attributes[\"called_at\"]"}},
    {"TimestampWithNegativeNanos",
     [](auto& r) { SetAttribute(r, "called_at", Timestamp(0, -1)); },
     {"attributes[\"called_at\"]"}},
    {"TimestampWithTooManyNanos",
     [](auto& r) { SetAttribute(r, "called_at", Timestamp(0, 1'000'000'000)); },
     {"attributes[\"called_at\"]"}},
};
INSTANTIATE_TEST_SUITE_P(Attributes, BadDecideTest, ::testing::ValuesIn(kBadAttributes),
                         [](const auto& info) { return info.param.name; });

TEST_F(BadInputTest, NanosOutOfRangeAreRefused) {
  for (const int32_t nanos : {-1, 1'000'000'000, std::numeric_limits<int32_t>::max(),
                              std::numeric_limits<int32_t>::min()}) {
    v1::DecideRequest request = GoodRequest();
    *request.mutable_time() = ToProtoTime(absl::Now());
    request.mutable_time()->set_nanos(nanos);
    const auto answer = client().Decide(request);
    EXPECT_EQ(answer.code(), grpc::StatusCode::INVALID_ARGUMENT) << nanos;
    EXPECT_THAT(FieldsOf(answer.status), ::testing::Each("time")) << nanos;
    EXPECT_THAT(answer.status.error_message(), HasSubstr("nanos")) << nanos;
  }
}

TEST_F(BadInputTest, EveryViolationIsListedAtOnce) {
  v1::DecideRequest request = DecideFor("a\nb", "fax", "dance");
  SetTime(request, 0, 0);
  SetAttribute(request, "wait_s", Double(kNan));
  SetAttribute(request, "nothing", {});
  request.set_max_treatments(-1);
  request.add_treatment_ids("none");
  request.set_request_id(std::string(200, 'x'));
  const auto answer = client().Decide(request);
  EXPECT_EQ(answer.code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(FieldsOf(answer.status),
              ::testing::UnorderedElementsAre("attributes[\"nothing\"]", "customer_id", "channel",
                                              "intent", "time", "attributes[\"wait_s\"]",
                                              "max_treatments", "treatment_ids[0]", "request_id"));
}

TEST_F(BadInputTest, WhatIsUnusualAndAllowedIsAnswered) {
  v1::DecideRequest request = GoodRequest();
  request.set_customer_id(std::string(256, 'x'));
  request.set_request_id(std::string(128, 'y'));
  request.set_max_treatments(100);
  SetAttribute(request, "wait_s", Double(std::numeric_limits<double>::max()));
  SetAttribute(request, "topic", String(std::string(1024, 'z')));
  SetAttribute(request, "tags", List(std::vector<std::string>(64, std::string(1024, 'w'))));
  SetAttribute(request, "called_at", Timestamp(253'402'300'799, 999'999'999));
  for (int i = 0; i < 1000; ++i) request.add_treatment_ids("accessory");
  const auto answer = client().Decide(request);
  EXPECT_TRUE(answer.ok()) << answer.status.error_message();
  const auto again = client().Decide(request);
  EXPECT_EQ(Bytes(again.response), Bytes(answer.response));
}

// --- writes ---

TEST_F(BadInputTest, BadWritesAreRefusedByTheirField) {
  const struct {
    const char* name;
    v1::CustomerServiceUpsertRequest request;
    std::vector<std::string> fields;
  } cases[] = {
      {"empty id", UpsertOf(""), {"customer.customer_id"}},
      {"id of 100 kB", UpsertOf(Marked(100'000)), {"customer.customer_id"}},
      {"id with newline", UpsertOf("a\nb"), {"customer.customer_id"}},
      {"id not UTF-8", UpsertOf("\xFF"), {}},
      {"NaN",
       UpsertOf("a", {{"monthly_charges", Double(kNan)}}),
       {"customer.features[\"monthly_charges\"]"}},
      {"infinite",
       UpsertOf("a", {{"income", Double(-kInfinity)}}),
       {"customer.features[\"income\"]"}},
      {"unknown feature", UpsertOf("a", {{"x", Int(1)}}), {"customer.features[\"x\"]"}},
      {"another type", UpsertOf("a", {{"vip", Int(1)}}), {"customer.features[\"vip\"]"}},
      {"long text",
       UpsertOf("a", {{"plan", String(Marked(100'000))}}),
       {"customer.features[\"plan\"]"}},
      {"long list",
       UpsertOf("a", {{"interests", List(std::vector<std::string>(65, ""))}}),
       {"customer.features[\"interests\"]"}},
      {"year 10000",
       UpsertOf("a", {{"since", Timestamp(253'402'300'800, 0)}}),
       {"customer.features[\"since\"]"}},
      {"nanos", UpsertOf("a", {{"since", Timestamp(0, -1)}}), {"customer.features[\"since\"]"}},
  };
  for (const auto& c : cases) {
    const grpc::Status status = client().CallWithBytes(kUpsert, RawBytes(c.request));
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << c.name;
    EXPECT_EQ(FieldsOf(status), c.fields) << c.name;
    EXPECT_THAT(status.error_message(), Not(HasSubstr(kMarker))) << c.name;
  }
  EXPECT_EQ(client().Get("a").code(), grpc::StatusCode::NOT_FOUND) << "nothing was written";
}

TEST_F(BadInputTest, BadIdsAreRefusedByEveryMethod) {
  for (const std::string& id :
       {std::string(), Marked(100'000), std::string("a\0b", 3), std::string("a\nb")}) {
    EXPECT_THAT(FieldsOf(client().Get(id).status), ElementsAre("customer_id"));
    EXPECT_THAT(FieldsOf(client().Erase(id).status), ElementsAre("customer_id"));
  }
}

TEST_F(BadInputTest, ManyUnknownFeaturesAreAllCountedAndSomeListed) {
  v1::CustomerServiceUpsertRequest request = UpsertOf("a");
  for (int i = 0; i < 10'000; ++i) {
    (*request.mutable_customer()->mutable_features())[absl::StrCat("feature_", i)] = Int(i);
    request.mutable_update_mask()->add_paths(absl::StrCat("features.other_", i));
  }
  const auto answer = client().Upsert(request);
  EXPECT_EQ(answer.code(), grpc::StatusCode::INVALID_ARGUMENT) << answer.status.error_message();
  EXPECT_THAT(answer.status.error_message(), HasSubstr("20000 violations"));
  EXPECT_THAT(FieldsOf(answer.status), SizeIs(AllOf(Ge(10u), Lt(101u))));
}

// --- batches ---

TEST_F(BadInputTest, BadBatchesEndWithTheirField) {
  v1::CustomerServiceBatchUpsertRequest too_many;
  too_many.add_feature_names("plan");
  for (int i = 0; i < 100'000; ++i) too_many.add_rows()->set_customer_id("c");
  v1::CustomerServiceBatchUpsertRequest many_names;
  for (int i = 0; i < 100'000; ++i) many_names.add_feature_names("plan");
  const struct {
    const char* name;
    v1::CustomerServiceBatchUpsertRequest message;
    std::string first_field;
  } cases[] = {
      {"no feature names", RowsOf({}, {{"batch", {Int(1)}}}), "feature_names"},
      {"unknown feature", RowsOf({"plan", "paln"}, {{"batch", {String("a"), String("b")}}}),
       "feature_names[1]"},
      {"feature named twice", RowsOf({"plan", "plan"}, {{"batch", {String("a"), String("b")}}}),
       "feature_names[1]"},
      {"100,000 rows in one message", too_many, "rows"},
      {"100,000 feature names", many_names, "feature_names[1]"},
  };
  for (const auto& c : cases) {
    const auto answer = client().BatchUpsert({c.message});
    EXPECT_EQ(answer.code(), grpc::StatusCode::INVALID_ARGUMENT)
        << c.name << ": " << answer.status.error_message();
    const auto fields = FieldsOf(answer.status);
    ASSERT_THAT(fields, Not(IsEmpty())) << c.name;
    EXPECT_EQ(fields[0], c.first_field) << c.name;
  }
  EXPECT_EQ(client().Get("batch").code(), grpc::StatusCode::NOT_FOUND);
}

TEST_F(BadInputTest, BadRowsAreListedAndTheOthersWritten) {
  const std::string long_id = Marked(100'000);
  const auto answer = client().BatchUpsert(
      {RowsOf({"monthly_charges", "plan"}, {{"row 0", {Double(1), String("a")}},
                                            {"", {Double(1), String("a")}},
                                            {long_id, {Double(1), String("a")}},
                                            {std::string("a\0b", 3), {Double(1), String("a")}},
                                            {"row 4", {Double(1)}},
                                            {"row 5", {Double(1), String("a"), Int(1)}},
                                            {"row 6", {Double(kNan), String("a")}},
                                            {"row 7", {String("1"), String("a")}},
                                            {"row 8", {Double(1), String(std::string(1025, 'x'))}},
                                            {"row 9", {Int(1), v1::Value()}}})});
  ASSERT_TRUE(answer.ok()) << answer.status.error_message();
  EXPECT_EQ(answer.response.received(), 10);
  EXPECT_EQ(answer.response.created(), 2);
  EXPECT_EQ(answer.response.rejected(), 8);
  ASSERT_THAT(answer.response.rejected_rows(), SizeIs(8));
  for (int i = 0; i < 8; ++i) {
    EXPECT_EQ(answer.response.rejected_rows(i).row_index(), i + 1);
    EXPECT_THAT(answer.response.rejected_rows(i).reason(), Not(HasSubstr(kMarker)));
  }
}

TEST_F(BadInputTest, TheFirst10000BadRowsAreListedAndAllCounted) {
  v1::CustomerServiceBatchUpsertRequest message;
  message.add_feature_names("plan");
  for (int i = 0; i < 10'000; ++i) message.add_rows();
  const auto answer = client().BatchUpsert({message, message, message});
  ASSERT_TRUE(answer.ok()) << answer.status.error_message();
  EXPECT_EQ(answer.response.received(), 30'000);
  EXPECT_EQ(answer.response.rejected(), 30'000);
  EXPECT_THAT(answer.response.rejected_rows(), SizeIs(10'000));
}

// --- bytes ---

TEST_F(BadInputTest, MessagesAboveTheLimitAreRefused) {
  v1::DecideRequest decide = GoodRequest();
  decide.set_customer_id(Marked(10'000'000));
  EXPECT_EQ(client().Decide(decide).code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(client().Upsert(UpsertOf(Marked(10'000'000))).code(),
            grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(client()
                .BatchUpsert({RowsOf({"plan"}, {{"a", {String(std::string(10'000'000, 'x'))}}})})
                .code(),
            grpc::StatusCode::RESOURCE_EXHAUSTED);
  const grpc::Status status = client().DecideStream(
      [first = true, &decide](v1::DecideStreamRequest& message) mutable {
        *message.mutable_decide() = decide;
        return std::exchange(first, false);
      },
      [](const v1::DecideStreamResponse&) { ADD_FAILURE() << "an answer"; });
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
}

// As many parts as fit in the largest message that is let in: what costs most memory per byte.
TEST_F(BadInputTest, MessagesOfMillionsOfTinyPartsAreRefusedInBoundedMemory) {
  constexpr size_t kLimit = size_t{4} << 20;
  const std::string good = RawBytes(GoodRequest());
  const auto filled = [&](const std::function<std::string(int)>& part) {
    std::string bytes = good;
    for (int i = 0;; ++i) {
      const std::string next = part(i);
      if (bytes.size() + next.size() > kLimit) return bytes;
      bytes += next;
    }
  };
  const auto attribute = [](int i) {
    const std::string name = absl::StrCat(absl::Hex(i));
    const std::string entry = absl::StrCat("\x0A", std::string(1, static_cast<char>(name.size())),
                                           name, std::string("\x12\x00", 2));
    return absl::StrCat("\x2A", std::string(1, static_cast<char>(entry.size())), entry);
  };
  const struct {
    const char* name;
    std::string bytes;
  } cases[] = {
      {"treatment ids", filled([](int) { return std::string("\x3A\x00", 2); })},
      {"attributes", filled(attribute)},
  };
  // Memory that is not given back shows after some rounds, where it is measured.
  constexpr int kRounds = testing::kOptimized ? 10 : 1;
  for (int round = 0; round < kRounds; ++round) {
    for (const auto& c : cases) {
      const grpc::Status status = client().CallWithBytes(kDecide, c.bytes);
      EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT)
          << c.name << ": " << status.error_message();
    }
  }
}

TEST_F(BadInputTest, ATruncatedMessageIsRefused) {
  const std::string bytes = RawBytes(GoodRequest());
  const grpc::Status status = client().CallWithBytes(kDecide, bytes.substr(0, bytes.size() - 1));
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("not a well-formed attune.v1.DecideRequest"));
}

TEST_F(BadInputTest, MutatedMessagesAreAnsweredOrRefused) {
  std::map<int, int> codes;
  testing::ForEachMutation(RawBytes(GoodRequest()), 1000, [&](const std::string& bytes) {
    ++codes[client().CallWithBytes(kDecide, bytes).error_code()];
  });
  for (const auto& [code, count] : codes) {
    EXPECT_TRUE(code == grpc::StatusCode::OK || code == grpc::StatusCode::INVALID_ARGUMENT)
        << count << " calls ended with code " << code;
  }
  EXPECT_GT(codes[grpc::StatusCode::INVALID_ARGUMENT], testing::Effort(1000));
}

TEST_F(BadInputTest, RandomBytesAreRefused) {
  constexpr int kMessages = 10'000;
  std::mt19937_64 generator(20260301);
  const char* const methods[] = {kDecide, kGet, kUpsert, kErase, kRecordOutcome};
  for (int i = 0; i < kMessages; ++i) {
    std::string bytes(1 + generator() % 200, '\0');
    for (char& byte : bytes) byte = static_cast<char>(generator());
    const grpc::Status status = client().CallWithBytes(methods[i % 5], bytes);
    ASSERT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT)
        << i << ": " << status.error_message();
  }
}

TEST_F(BadInputTest, RandomBytesEndAStream) {
  for (const char* method : {kDecideStream, kBatchUpsert, kRecordOutcomes}) {
    // A unary call and a stream of one message look alike on the wire.
    const grpc::Status status = client().CallWithBytes(method, "\xFF\xFF\xFF\xFF");
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << method;
  }
}

TEST_F(BadInputTest, UnknownFieldsAreSkippedAndDeepNestingIsRefused) {
  const std::string good = RawBytes(GoodRequest());
  const auto nested = [&](size_t depth) {
    // Field 15 as a group in a group …
    return good + std::string(depth, '\x7B') + std::string(depth, '\x7C');
  };
  EXPECT_TRUE(client().CallWithBytes(kDecide, nested(50)).ok()) << "a newer client's fields";
  for (const size_t depth : {size_t{1000}, size_t{100'000}, size_t{2'000'000}}) {
    EXPECT_EQ(client().CallWithBytes(kDecide, nested(depth)).error_code(),
              grpc::StatusCode::INVALID_ARGUMENT)
        << depth;
  }
  // … and as a message in a message, which nobody has to look into.
  std::string inner;
  for (int i = 0; i < 10'000; ++i) {
    std::string length;
    for (size_t rest = inner.size();; rest >>= 7) {
      length += static_cast<char>(rest < 128 ? rest : (rest & 127) | 128);
      if (rest < 128) break;
    }
    inner = absl::StrCat("\x7A", length, inner);
  }
  EXPECT_TRUE(client().CallWithBytes(kDecide, good + inner).ok());
}

TEST_F(BadInputTest, ACorrelationIdThatCantBeTrustedEndsTheStream) {
  for (const std::string& id : {Marked(100'000), std::string("a\nb"), std::string("a\0b", 3)}) {
    const grpc::Status status = client().DecideStream(
        [&, first = true](v1::DecideStreamRequest& message) mutable {
          message.set_correlation_id(id);
          *message.mutable_decide() = GoodRequest();
          return std::exchange(first, false);
        },
        [](const v1::DecideStreamResponse&) { ADD_FAILURE() << "an answer"; });
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    EXPECT_THAT(FieldsOf(status), ElementsAre("correlation_id"));
  }
}

}  // namespace
}  // namespace attune::service
