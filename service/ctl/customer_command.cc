#include "service/ctl/customer_command.h"

#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "google/protobuf/util/time_util.h"
#include "lib/base/absl_strings.h"
#include "lib/base/text.h"
#include "service/ctl/history_command.h"
#include "service/ctl/json.h"
#include "service/ctl/table.h"
#include "service/ctl/value_text.h"

namespace attune::ctl {
namespace {

using google::protobuf::util::TimeUtil;

constexpr char kGetFooter[] =
    R"(Exit status: 0 found, 1 not known or another failure, 2 wrong usage.

Examples:
  attunectl customer get C0000001
  attunectl customer get C0000001 --json

)";

constexpr char kPutFooter[] = R"(Values are read by the declared type of the feature:
  bool         true false yes no t f y n 1 0
  int          34
  double       56.95
  string       as it is
  timestamp    2026-03-01T10:00:00+01:00, or 2026-03-01 for midnight UTC
  string_list  a;b

Exit status: 0 written (also when nothing had to change), 1 failure, 2 wrong usage.

Examples:
  attunectl customer put C0000001 --feature monthly_charges=56.95 --feature plan=home_250
  attunectl customer put C0000001 --remove contract_end

)";

constexpr char kEraseFooter[] =
    R"(Exit status: 0 erased or nothing was held, 1 failure or not confirmed, 2 wrong usage.

Examples:
  attunectl customer erase C0000001
  attunectl customer erase C0000001 --yes

)";

struct PutFlags {
  std::string id;
  std::vector<std::string> features;
  std::vector<std::string> removed;
  bool replace = false;
  std::string request_id;
};

void PrintConsents(std::ostream& out, const v1::CustomerServiceGetResponse& response) {
  if (response.consents().empty()) return;
  out << "\nWhat the customer said about being contacted:\n";
  Table consents({{"purpose", Table::Align::kLeft},
                  {"channel", Table::Align::kLeft},
                  {"consent", Table::Align::kLeft},
                  {"time", Table::Align::kLeft},
                  {"source", Table::Align::kLeft}});
  for (const v1::Consent& consent : response.consents()) {
    consents.AddRow({consent.purpose(), consent.channel().empty() ? "(all)" : consent.channel(),
                     consent.granted() ? "granted" : "withdrawn",
                     TimeUtil::ToString(consent.time()), consent.source()});
  }
  out << consents.ToString();
}

void PrintCustomer(std::ostream& out, const v1::CustomerServiceGetResponse& response) {
  const v1::Customer& customer = response.customer();
  out << "Customer " << TerminalSafe(customer.customer_id()) << ", version " << response.version();
  if (response.has_update_time()) {
    out << ", features written " << TimeUtil::ToString(response.update_time());
  }
  out << "\n\n";
  const std::map<std::string, v1::Value> sorted(customer.features().begin(),
                                                customer.features().end());
  Table features({{"feature", Table::Align::kLeft}, {"value", Table::Align::kLeft}});
  for (const auto& [name, value] : sorted) features.AddRow({name, ValueToText(value)});
  out << (features.size() > 0 ? features.ToString() : "No feature is known.\n");
  out << "\nDecisions: " << Grouped(static_cast<int64_t>(response.decision_count()));
  out << "\n";
  PrintConsents(out, response);
  if (response.recent_interactions().empty()) return;
  out << "\nWhat happened last:\n";
  Table interactions({{"time", Table::Align::kLeft},
                      {"channel", Table::Align::kLeft},
                      {"treatment", Table::Align::kLeft},
                      {"outcome", Table::Align::kLeft}});
  for (const v1::Interaction& interaction : response.recent_interactions()) {
    interactions.AddRow({TimeUtil::ToString(interaction.time()), interaction.channel(),
                         interaction.treatment_id().empty() ? "(none)" : interaction.treatment_id(),
                         interaction.outcome()});
  }
  out << interactions.ToString();
}

int Get(const Invocation& invocation, const std::string& id) {
  ServerConnection server(invocation.options);
  v1::CustomerServiceGetRequest request;
  request.set_customer_id(id);
  v1::CustomerServiceGetResponse response;
  const auto context = server.NewContext();
  const grpc::Status status = server.customers().Get(context.get(), request, &response);
  if (!status.ok()) return ReportCallError(invocation.console, invocation.options, status);
  if (invocation.options.json) {
    WriteJson(invocation.console.out, response);
  } else {
    PrintCustomer(invocation.console.out, response);
  }
  return kExitOk;
}

// The declared feature; INVALID_ARGUMENT, with what was probably meant, when there is none.
absl::StatusOr<const v1::Feature*> FindFeature(const std::vector<v1::Feature>& declared,
                                               const std::string& name) {
  std::vector<std::string> names;
  for (const v1::Feature& feature : declared) {
    if (feature.name() == name) return &feature;
    names.push_back(feature.name());
  }
  return absl::InvalidArgumentError(
      absl::StrCat("the strategy declares no feature ", Quoted(name), DidYouMean(name, names)));
}

absl::Status AddFeature(const std::vector<v1::Feature>& declared, const std::string& text,
                        v1::CustomerServiceUpsertRequest& request) {
  const auto [name, value_text] = SplitNameValue(text);
  const absl::StatusOr<const v1::Feature*> feature = FindFeature(declared, name);
  if (!feature.ok()) return feature.status();
  const std::optional<ValueType> type = TypeFromName((*feature)->type());
  if (!type.has_value()) {
    return absl::InvalidArgumentError(absl::StrCat("feature ", Quoted(name), " has the type ",
                                                   Quoted((*feature)->type()),
                                                   ", which this attunectl does not know"));
  }
  if (*type != ValueType::kString && *type != ValueType::kStringList && value_text.empty()) {
    return absl::InvalidArgumentError(absl::StrCat("--feature ", name,
                                                   ": the value is empty; to forget what is known "
                                                   "use --remove ",
                                                   name));
  }
  v1::Value value;
  if (absl::Status status = ReadValue(*type, value_text, value); !status.ok()) {
    return absl::InvalidArgumentError(absl::StrCat("--feature ", name, ": ", status.message()));
  }
  const bool is_new = request.mutable_customer()->mutable_features()->insert({name, value}).second;
  if (!is_new) {
    return absl::InvalidArgumentError(absl::StrCat("--feature ", name, " is given twice"));
  }
  return absl::OkStatus();
}

// Every problem is added to `problems`.
void FillMask(const std::vector<v1::Feature>& declared, const PutFlags& flags,
              v1::CustomerServiceUpsertRequest& request, std::vector<std::string>& problems) {
  if (flags.replace) {
    request.mutable_update_mask()->add_paths("features");
    return;
  }
  if (flags.removed.empty()) return;
  for (const std::string& name : flags.removed) {
    const absl::StatusOr<const v1::Feature*> feature = FindFeature(declared, name);
    if (!feature.ok()) {
      problems.emplace_back(feature.status().message());
    } else if (request.customer().features().contains(name)) {
      problems.push_back(absl::StrCat(Quoted(name), " is named by both --feature and --remove"));
    }
    request.mutable_update_mask()->add_paths(absl::StrCat("features.", name));
  }
  for (const auto& [name, value] : request.customer().features()) {
    request.mutable_update_mask()->add_paths(absl::StrCat("features.", name));
  }
}

int Put(const Invocation& invocation, const PutFlags& flags) {
  ServerConnection server(invocation.options);
  std::vector<v1::Feature> declared;
  std::string strategy_version;
  grpc::Status status = server.ListFeatures(declared, strategy_version);
  if (!status.ok()) return ReportCallError(invocation.console, invocation.options, status);
  v1::CustomerServiceUpsertRequest request;
  request.mutable_customer()->set_customer_id(flags.id);
  request.set_request_id(flags.request_id);
  std::vector<std::string> problems;
  for (const std::string& text : flags.features) {
    const absl::Status added = AddFeature(declared, text, request);
    if (!added.ok()) problems.emplace_back(added.message());
  }
  FillMask(declared, flags, request, problems);
  if (!problems.empty()) {
    return ReportError(invocation.console, invocation.options, absl::StrJoin(problems, "\n"));
  }
  v1::CustomerServiceUpsertResponse response;
  const auto context = server.NewContext();
  status = server.customers().Upsert(context.get(), request, &response);
  if (!status.ok()) return ReportCallError(invocation.console, invocation.options, status);
  if (invocation.options.json) {
    WriteJson(invocation.console.out, response);
  } else {
    invocation.console.out << "Customer " << TerminalSafe(flags.id) << " "
                           << (response.created() ? "created" : "written") << ", version "
                           << response.version() << "\n";
  }
  return kExitOk;
}

// Asks whether the customer shall really be erased.
bool Confirmed(Console& console, const std::string& id) {
  if (!console.in_is_terminal) {
    console.err << "error: erasing can't be undone: confirm with --yes\n";
    return false;
  }
  console.err << "Erase everything about customer " << TerminalSafe(id)
              << ", including everything that was logged? This can't be undone. [y/N] "
              << std::flush;
  std::string answer;
  std::getline(console.in, answer);
  if (answer == "y" || answer == "Y" || answer == "yes") return true;
  console.err << "Nothing was erased.\n";
  return false;
}

int Erase(const Invocation& invocation, const std::string& id, bool yes) {
  if (!yes && !Confirmed(invocation.console, id)) return kExitFailure;
  ServerConnection server(invocation.options);
  v1::CustomerServiceEraseRequest request;
  request.set_customer_id(id);
  v1::CustomerServiceEraseResponse response;
  const auto context = server.NewContext();
  const grpc::Status status = server.customers().Erase(context.get(), request, &response);
  if (!status.ok()) return ReportCallError(invocation.console, invocation.options, status);
  if (invocation.options.json) {
    WriteJson(invocation.console.out, response);
  } else if (response.erased()) {
    invocation.console.out << "Customer " << TerminalSafe(id) << " erased, with "
                           << Grouped(response.erased_events()) << " entries of the log\n";
  } else {
    invocation.console.out << "Nothing was held about customer " << TerminalSafe(id) << "\n";
  }
  return kExitOk;
}

void AddGet(CLI::App& customer, Commands& commands) {
  CLI::App* get = customer.add_subcommand("get", "Show what is held about a customer.");
  auto id = std::make_shared<std::string>();
  get->add_option("CUSTOMER_ID", *id, "Whom to read.")->required();
  get->footer(absl::StrCat(kGetFooter, kGlobalOptionsNote));
  commands.Add(get, [id](const Invocation& invocation) { return Get(invocation, *id); });
}

void AddPut(CLI::App& customer, Commands& commands) {
  CLI::App* put = customer.add_subcommand("put", "Create a customer or change features.");
  auto flags = std::make_shared<PutFlags>();
  put->add_option("CUSTOMER_ID", flags->id, "Whom to write.")->required();
  put->add_option(
         "--feature", flags->features,
         "The value of a feature. Give it once for each. Features\nthat aren't named stay.")
      ->type_name("NAME=VALUE")
      ->allow_extra_args(false)
      ->check(NameValueProblem);
  CLI::Option* remove =
      put->add_option("--remove", flags->removed,
                      "Forget the value of a feature: decisions use its declared\ndefault again. "
                      "Give it once for each.")
          ->type_name("NAME")
          ->allow_extra_args(false);
  put->add_flag("--replace", flags->replace, "Forget the values of all features that aren't named.")
      ->excludes(remove);
  put->add_option("--request_id", flags->request_id, "Makes a retry safe. At most 128 bytes.")
      ->type_name("ID");
  put->footer(absl::StrCat(kPutFooter, kGlobalOptionsNote));
  commands.Add(put, [flags](const Invocation& invocation) { return Put(invocation, *flags); });
}

void AddErase(CLI::App& customer, Commands& commands) {
  CLI::App* erase =
      customer.add_subcommand("erase", "Erase everything that is held about a customer, for good.");
  auto id = std::make_shared<std::string>();
  auto yes = std::make_shared<bool>(false);
  erase->add_option("CUSTOMER_ID", *id, "Whom to erase.")->required();
  erase->add_flag("--yes", *yes, "Don't ask. Needed when nobody can be asked.");
  erase->footer(absl::StrCat(kEraseFooter, kGlobalOptionsNote));
  commands.Add(erase,
               [id, yes](const Invocation& invocation) { return Erase(invocation, *id, *yes); });
}

}  // namespace

void AddCustomerCommand(CLI::App& program, Commands& commands) {
  CLI::App* customer = program.add_subcommand("customer", "Read, write or erase one customer.");
  customer->require_subcommand(1);
  customer->footer(kGroupFooter);
  AddGet(*customer, commands);
  AddPut(*customer, commands);
  AddHistoryCommands(*customer, commands);
  AddErase(*customer, commands);
}

}  // namespace attune::ctl
