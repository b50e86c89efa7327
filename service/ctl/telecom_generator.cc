#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <string_view>

#include "absl/strings/str_format.h"
#include "absl/types/span.h"
#include "service/ctl/customer_generator.h"
#include "service/ctl/generator_random.h"

namespace attune::ctl {
namespace {

constexpr std::array<QuantilePoint, 6> kAges = {
    {{0, 18}, {0.15, 26}, {0.4, 38}, {0.7, 55}, {0.95, 76}, {1, 95}}};
constexpr std::array<QuantilePoint, 7> kTenureMonths = {
    {{0, 0}, {0.1, 4}, {0.25, 12}, {0.5, 30}, {0.75, 66}, {0.95, 140}, {1, 260}}};
constexpr std::array<QuantilePoint, 5> kPhoneAges = {
    {{0, 0}, {0.3, 12}, {0.6, 25}, {0.9, 46}, {1, 84}}};
constexpr std::array<QuantilePoint, 5> kArrears = {
    {{0, 4}, {0.5, 38}, {0.8, 90}, {0.95, 210}, {1, 600}}};
// Mobile data of a month as a share of what people of one kind use on average.
constexpr std::array<QuantilePoint, 6> kUsage = {
    {{0, 0}, {0.1, 0.15}, {0.5, 0.75}, {0.8, 1.5}, {0.97, 3.4}, {1, 9}}};

constexpr std::array<WeightedName, 6> kLanguages = {
    {{"en", 74}, {"es", 9}, {"fr", 6}, {"de", 5}, {"pl", 3}, {"tr", 3}}};
constexpr std::array<WeightedName, 4> kMobilePlans = {
    {{"mobile_s", 30}, {"mobile_m", 40}, {"mobile_l", 20}, {"mobile_unlimited", 10}}};
constexpr std::array<WeightedName, 3> kFiberPlans = {
    {{"home_50", 10}, {"home_250", 55}, {"home_1000", 35}}};
constexpr std::array<WeightedName, 3> kCablePlans = {
    {{"home_50", 30}, {"home_250", 60}, {"home_1000", 10}}};
constexpr std::array<WeightedName, 2> kDslPlans = {{{"home_50", 75}, {"home_250", 25}}};

// A plan, its price in cents a month, and the mobile data in it.
struct Plan {
  std::string_view name;
  int64_t price;
  int64_t allowance_gb;
};
constexpr std::array<Plan, 7> kPlans = {{{"mobile_s", 1299, 5},
                                         {"mobile_m", 2199, 20},
                                         {"mobile_l", 3299, 50},
                                         {"mobile_unlimited", 4999, 1000},
                                         {"home_50", 3499, 5},
                                         {"home_250", 4499, 20},
                                         {"home_1000", 5999, 20}}};

constexpr int64_t kSecondProductCents = 2499;
constexpr int64_t kFurtherLineCents = 1199;

// One customer; the names are those of the features. Amounts are in cents, data in units of 0.1 GB.
struct Person {
  int64_t age = 0;
  int64_t tenure_months = 0;
  bool family = false, gamer = false, home_office = false;
  bool traveller = false, student = false, business = false;
  int64_t household_lines = 1;
  std::string_view access_technology = "none";
  bool fiber_available = false;
  const Plan* plan = nullptr;
  int64_t data_usage_dgb = 0;
  int64_t monthly_charges = 0;
  std::optional<int64_t> contract_days_left;  // absent: can be ended any month
  int64_t device_age_months = 0;
  int64_t roaming_days = 0;
  int64_t app_logins = 0;
  int64_t incidents = 0, open_incidents = 0, complaints = 0, contacts = 0;
  std::optional<int64_t> nps;  // absent: never answered
  int64_t credits = 0;
  bool autopay = true;
  int64_t arrears = 0;
  int64_t churn_risk_permyriad = 0;
  std::string_view language;
  bool age_known = true;
};

// x / (1 + |x|) moved and stretched to 0 ... 1: shaped like the logistic function, but exact.
double Squashed(double x) { return 0.5 + 0.5 * x / (1 + (x < 0 ? -x : x)); }

int64_t Rounded(double x) { return static_cast<int64_t>(x < 0 ? x - 0.5 : x + 0.5); }

void DrawHousehold(GeneratorRandom& random, Person& person) {
  person.age = static_cast<int64_t>(ValueAt(kAges, random.Uniform()));
  const bool middle_aged = person.age >= 28 && person.age <= 58;
  person.student = person.age <= 28 && random.Chance(0.35);
  person.family = random.Chance(middle_aged ? 0.45 : 0.08);
  person.business = person.age >= 25 && person.age <= 66 && random.Chance(0.08);
  person.gamer = random.Chance(person.age < 35 ? 0.28 : 0.05);
  person.home_office = person.age >= 23 && person.age <= 66 && random.Chance(0.22);
  person.traveller = random.Chance(person.business ? 0.3 : 0.12);
  person.household_lines = 1;
  if (person.family) person.household_lines += 1 + random.Below(4);
  if (person.business) person.household_lines += random.Below(3);
  if (!person.family && random.Chance(0.2)) ++person.household_lines;
  person.language = Pick(random, kLanguages);
  person.age_known = random.Chance(0.95);
}

void DrawContract(GeneratorRandom& random, Person& person) {
  const auto oldest_contract = (person.age - 17) * 12;
  person.tenure_months =
      std::min(static_cast<int64_t>(ValueAt(kTenureMonths, random.Uniform())), oldest_contract);
  const double kind = random.Uniform();
  if (person.tenure_months < 24) {
    // Still in the first minimum term, unless the plan has none.
    if (kind < 0.85)
      person.contract_days_left = (24 - person.tenure_months) * 30 - random.Below(30);
  } else if (kind < 0.55) {
    person.contract_days_left = random.Below(730);  // renewed
  } else if (kind < 0.85) {
    person.contract_days_left = -1 - random.Below(900);  // ran out
  }
  const bool renewed = person.contract_days_left.value_or(-1) > 365;
  const double phone_age = ValueAt(kPhoneAges, random.Uniform());
  person.device_age_months = static_cast<int64_t>(renewed ? phone_age / 3 : phone_age);
}

void DrawProducts(GeneratorRandom& random, Person& person) {
  const bool has_home = random.Chance(person.family ? 0.7 : person.student ? 0.2 : 0.45);
  person.fiber_available = random.Chance(0.45);
  absl::Span<const WeightedName> home_plans;
  if (has_home && person.fiber_available && random.Chance(0.55)) {
    person.access_technology = "fiber";
    home_plans = kFiberPlans;
  } else if (has_home && random.Chance(0.35)) {
    person.access_technology = "cable";
    home_plans = kCablePlans;
  } else if (has_home) {
    person.access_technology = "dsl";
    home_plans = kDslPlans;
  }
  const bool home_is_main = has_home && random.Chance(0.6);
  const std::string_view plan =
      home_is_main ? Pick(random, home_plans) : Pick(random, kMobilePlans);
  for (const Plan& candidate : kPlans) {
    if (candidate.name == plan) person.plan = &candidate;
  }
  // Prices have risen: who came long ago pays less for the same.
  const int64_t loyalty = 100 * std::min<int64_t>(person.tenure_months / 24, 5);
  person.monthly_charges = person.plan->price - loyalty +
                           (person.household_lines - 1) * kFurtherLineCents +
                           (has_home ? kSecondProductCents : 0) + random.Below(400);
}

void DrawUsage(GeneratorRandom& random, Person& person) {
  double average = person.age < 30 ? 26 : person.age < 50 ? 15 : person.age < 65 ? 7 : 3;
  if (person.gamer) average *= 1.4;
  if (person.plan->allowance_gb >= 50) average *= 2;
  double usage = average * ValueAt(kUsage, random.Uniform());
  // Beyond the allowance it is slow: hardly anybody goes on for long.
  const auto allowance = static_cast<double>(person.plan->allowance_gb);
  if (usage > allowance) usage = allowance * random.Between(0.9, 1.12);
  person.data_usage_dgb = Rounded(usage * 10);
  const double abroad = person.traveller ? 0.75 : 0.18;
  if (random.Chance(abroad)) {
    person.roaming_days = 1 + random.Below(person.traveller ? 30 : 14);
    person.monthly_charges += 40 * random.Below(person.roaming_days + 1);
  }
  const double logins = person.age < 40 ? 7 : person.age < 60 ? 3.5 : 1.2;
  person.app_logins = std::min<int64_t>(random.Count(logins * random.Between(0.2, 2)), 30);
}

void DrawTroubles(GeneratorRandom& random, Person& person) {
  double mean = person.access_technology == "dsl"     ? 0.55
                : person.access_technology == "cable" ? 0.4
                : person.access_technology == "fiber" ? 0.2
                                                      : 0.12;
  // Few lines have most of the trouble.
  if (random.Chance(0.06)) mean = mean * 4 + 1.5;
  person.incidents = random.Count(mean);
  for (int64_t i = 0; i < person.incidents; ++i) person.open_incidents += random.Chance(0.22);
  person.complaints = std::min<int64_t>(
      random.Count(0.05 + 0.3 * static_cast<double>(person.incidents)), person.incidents + 2);
  person.contacts = random.Count(0.25 + 0.4 * static_cast<double>(person.incidents) +
                                 0.5 * static_cast<double>(person.complaints));
  if (person.complaints > 0 && random.Chance(0.35)) {
    person.credits = 500 * (1 + random.Below(std::min<int64_t>(person.complaints + 1, 4)));
  }
}

void DrawMoney(GeneratorRandom& random, Person& person) {
  person.autopay = random.Chance(person.age > 70 ? 0.6 : 0.78);
  double late = person.autopay ? 0.02 : 0.15;
  if (person.student) late *= 1.6;
  if (random.Chance(late)) {
    person.arrears = Rounded(100 * ValueAt(kArrears, random.Uniform()));
  }
}

void DrawSentiment(GeneratorRandom& random, Person& person) {
  const int64_t credits_in_hundreds = person.credits / 100;
  const double pain = 0.7 * static_cast<double>(person.incidents) +
                      1.3 * static_cast<double>(person.complaints) -
                      0.02 * static_cast<double>(credits_in_hundreds);
  const double loyalty = static_cast<double>(std::min<int64_t>(person.tenure_months, 120)) / 120;
  const double nps = 7.6 + loyalty - pain + 1.6 * random.Normal();
  if (random.Chance(0.82)) person.nps = std::clamp<int64_t>(Rounded(nps), 0, 10);
  const bool free_to_go = person.contract_days_left.value_or(-1) < 60;
  const double risk = -3.4 + 1.6 * free_to_go + 0.8 * pain - 1.2 * loyalty -
                      0.3 * static_cast<double>(person.household_lines - 1) +
                      1.2 * (person.arrears > 0) + 0.8 * random.Normal();
  person.churn_risk_permyriad = Rounded(10000 * Squashed(risk));
}

Person DrawPerson(uint64_t seed, uint64_t index) {
  GeneratorRandom random(seed, index);
  Person person;
  DrawHousehold(random, person);
  DrawContract(random, person);
  DrawProducts(random, person);
  DrawUsage(random, person);
  DrawTroubles(random, person);
  DrawMoney(random, person);
  DrawSentiment(random, person);
  return person;
}

// Appends the cells of one row.
class RowWriter {
 public:
  explicit RowWriter(std::string& out) : out_(out) {}

  void Int(int64_t number) {
    std::array<char, 24> buffer;
    const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), number).ptr;
    out_ += ',';
    out_.append(buffer.data(), end);
  }
  void OptionalInt(std::optional<int64_t> number) {
    if (number.has_value()) {
      Int(*number);
    } else {
      out_ += ',';
    }
  }
  void Hundredths(int64_t units) {
    out_ += ',';
    AppendHundredths(units, out_);
  }
  void Text(std::string_view text) {
    out_ += ',';
    out_ += text;
  }
  void Bool(bool flag) { Text(flag ? "true" : "false"); }
  void Date(absl::CivilDay day) {
    absl::StrAppendFormat(&out_, ",%04d-%02d-%02d", day.year(), day.month(), day.day());
  }
  void Permyriad(int64_t units) { absl::StrAppendFormat(&out_, ",0.%04d", units); }

 private:
  std::string& out_;
};

std::string SegmentsOf(const Person& person) {
  std::string segments;
  for (const auto& [belongs, name] :
       {std::pair(person.family, "family"), std::pair(person.gamer, "gamer"),
        std::pair(person.home_office, "home_office"), std::pair(person.traveller, "traveller"),
        std::pair(person.student, "student"), std::pair(person.business, "business")}) {
    if (!belongs) continue;
    if (!segments.empty()) segments += ';';
    segments += name;
  }
  return segments;
}

class TelecomGenerator : public CustomerGenerator {
 public:
  explicit TelecomGenerator(const GeneratorOptions& options) : options_(options) {}

  std::vector<std::string> Columns() const override {
    return {"customer_id",
            "tenure_months",
            "monthly_charges",
            "plan",
            "contract_end",
            "segments",
            "household_lines",
            "access_technology",
            "fiber_available",
            "data_usage_gb",
            "data_allowance_gb",
            "roaming_days_90d",
            "device_age_months",
            "app_logins_30d",
            "open_incidents",
            "incidents_90d",
            "complaints_90d",
            "contacts_30d",
            "nps",
            "credits_90d",
            "churn_risk",
            "autopay",
            "language",
            "payment_arrears",
            "age"};
  }

  void AppendRow(uint64_t index, std::string& out) const override {
    const Person person = DrawPerson(options_.seed, index);
    AppendCustomerId(index, out);
    RowWriter row(out);
    row.Int(person.tenure_months);
    row.Hundredths(person.monthly_charges);
    row.Text(person.plan->name);
    if (person.contract_days_left.has_value()) {
      row.Date(options_.as_of + *person.contract_days_left);
    } else {
      row.Text("");
    }
    row.Text(SegmentsOf(person));
    row.Int(person.household_lines);
    row.Text(person.access_technology);
    row.Bool(person.fiber_available);
    row.Hundredths(person.data_usage_dgb * 10);
    row.Int(person.plan->allowance_gb);
    row.Int(person.roaming_days);
    row.Int(person.device_age_months);
    row.Int(person.app_logins);
    row.Int(person.open_incidents);
    row.Int(person.incidents);
    row.Int(person.complaints);
    row.Int(person.contacts);
    row.OptionalInt(person.nps);
    row.Hundredths(person.credits);
    row.Permyriad(std::clamp<int64_t>(person.churn_risk_permyriad, 1, 9999));
    row.Bool(person.autopay);
    row.Text(person.language);
    row.Hundredths(person.arrears);
    row.OptionalInt(person.age_known ? std::optional(person.age) : std::nullopt);
    out += '\n';
  }

 private:
  const GeneratorOptions options_;
};

}  // namespace

std::unique_ptr<CustomerGenerator> MakeTelecomGenerator(const GeneratorOptions& options) {
  return std::make_unique<TelecomGenerator>(options);
}

}  // namespace attune::ctl
