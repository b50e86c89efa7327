#include "service/ctl/history_command.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "service/ctl/json.h"
#include "service/ctl/table.h"
#include "service/ctl/value_text.h"

namespace attune::ctl {
namespace {

constexpr char kConsentFooter[] =
    R"(What is said holds from the next decision on, also for fallbacks. What is said about
all channels replaces what was said about single ones before.

Exit status: 0 written (also when nothing had to change), 1 failure, 2 wrong usage.

Examples:
  attunectl customer consent C0000001 --purpose marketing --withdraw --source "agent 4711"
  attunectl customer consent C0000001 --purpose marketing --channel web --grant \
      --source "web form" --time 2026-03-01T10:00:00+01:00

)";

constexpr char kRecordFooter[] =
    R"(Contact policies count it on every channel from the next decision on. With --time,
recording the same again changes nothing.

Exit status: 0 recorded (also when it was known), 1 failure, 2 wrong usage.

Examples:
  attunectl customer record C0000001 --treatment plan_upgrade --channel ivr --outcome shown
  attunectl customer record C0000001 --treatment plan_upgrade --channel web \
      --outcome rejected --time 2026-03-01T10:00:00+01:00

)";

struct ConsentFlags {
  v1::CustomerServiceSetConsentRequest request;
  bool grant = false;
  bool withdraw = false;
  std::string time;
};

struct RecordFlags {
  v1::CustomerServiceRecordInteractionsRequest request;
  v1::Interaction interaction;
  std::string time;
};

// Reads what was given as --time into the message; leaves it alone when nothing was.
template <typename Message>
absl::Status ReadTime(const std::string& text, Message& message) {
  if (text.empty()) return absl::OkStatus();
  v1::Value time;
  if (absl::Status status = ReadValue(ValueType::kTimestamp, text, time); !status.ok()) {
    return absl::InvalidArgumentError(absl::StrCat("--time: ", status.message()));
  }
  *message.mutable_time() = time.timestamp_value();
  return absl::OkStatus();
}

int Consent(const Invocation& invocation, ConsentFlags& flags) {
  flags.request.set_granted(flags.grant);
  if (absl::Status status = ReadTime(flags.time, flags.request); !status.ok()) {
    return ReportError(invocation.console, invocation.options, std::string(status.message()));
  }
  ServerConnection server(invocation.options);
  v1::CustomerServiceSetConsentResponse response;
  const auto context = server.NewContext();
  const grpc::Status status =
      server.customers().SetConsent(context.get(), flags.request, &response);
  if (!status.ok()) return ReportCallError(invocation.console, invocation.options, status);
  if (invocation.options.json) {
    WriteJson(invocation.console.out, response);
    return kExitOk;
  }
  const std::string& channel = flags.request.channel();
  invocation.console.out << "Customer " << TerminalSafe(flags.request.customer_id()) << ": "
                         << TerminalSafe(flags.request.purpose()) << " on "
                         << (channel.empty() ? "all channels" : TerminalSafe(channel))
                         << (flags.grant ? " granted" : " withdrawn")
                         << (response.changed() ? ""
                                                : "; nothing changed: it was known already, "
                                                  "or something newer was said before")
                         << "; version " << response.version() << "\n";
  return kExitOk;
}

int Record(const Invocation& invocation, RecordFlags& flags) {
  if (absl::Status status = ReadTime(flags.time, flags.interaction); !status.ok()) {
    return ReportError(invocation.console, invocation.options, std::string(status.message()));
  }
  *flags.request.add_interactions() = flags.interaction;
  ServerConnection server(invocation.options);
  v1::CustomerServiceRecordInteractionsResponse response;
  const auto context = server.NewContext();
  const grpc::Status status =
      server.customers().RecordInteractions(context.get(), flags.request, &response);
  if (!status.ok()) return ReportCallError(invocation.console, invocation.options, status);
  if (invocation.options.json) {
    WriteJson(invocation.console.out, response);
    return kExitOk;
  }
  std::string what = "recorded";
  if (response.already_known() > 0) what = "known already, nothing recorded";
  if (response.too_old() > 0) what = "older than what is kept, nothing recorded";
  invocation.console.out << "Customer " << TerminalSafe(flags.request.customer_id()) << ": " << what
                         << "; version " << response.version() << "\n";
  return kExitOk;
}

void AddConsent(CLI::App& customer, Commands& commands) {
  CLI::App* consent =
      customer.add_subcommand("consent", "Write down what a customer said about being contacted.");
  auto flags = std::make_shared<ConsentFlags>();
  v1::CustomerServiceSetConsentRequest& request = flags->request;
  consent->add_option("CUSTOMER_ID", *request.mutable_customer_id(), "Who said it.")->required();
  consent
      ->add_option("--purpose", *request.mutable_purpose(), "What for: a purpose of the strategy.")
      ->required()
      ->type_name("PURPOSE");
  consent
      ->add_option("--channel", *request.mutable_channel(),
                   "Where: a channel of the strategy. Default: all channels.")
      ->type_name("CHANNEL");
  CLI::Option* grant = consent->add_flag("--grant", flags->grant, "The customer said yes.");
  consent->add_flag("--withdraw", flags->withdraw, "The customer said no.")->excludes(grant);
  consent
      ->add_option("--source", *request.mutable_source(),
                   "Where it was said, or who took it down. At most 64 bytes.")
      ->required()
      ->type_name("TEXT");
  consent->add_option("--time", flags->time, "When it was said, RFC 3339. Default: now.")
      ->type_name("TIME");
  consent
      ->add_option("--request_id", *request.mutable_request_id(),
                   "Makes a retry safe. At most 128 bytes.")
      ->type_name("ID");
  consent->callback([flags] {
    if (!flags->grant && !flags->withdraw) throw CLI::RequiredError("--grant or --withdraw");
  });
  consent->footer(absl::StrCat(kConsentFooter, kGlobalOptionsNote));
  commands.Add(consent,
               [flags](const Invocation& invocation) { return Consent(invocation, *flags); });
}

void AddRecord(CLI::App& customer, Commands& commands) {
  CLI::App* record = customer.add_subcommand(
      "record", "Record what became of a treatment, or happened without one.");
  auto flags = std::make_shared<RecordFlags>();
  v1::Interaction& interaction = flags->interaction;
  record->add_option("CUSTOMER_ID", *flags->request.mutable_customer_id(), "With whom it happened.")
      ->required();
  record
      ->add_option("--treatment", *interaction.mutable_treatment_id(),
                   "What was done: a treatment of the strategy, or of an\nearlier one. Required, "
                   "but for outcomes that are declared\nwithout_treatment: a purchase.")
      ->type_name("TREATMENT");
  record
      ->add_option("--channel", *interaction.mutable_channel(),
                   "Where: a channel of the strategy, or of an earlier one.")
      ->required()
      ->type_name("CHANNEL");
  record
      ->add_option("--outcome", *interaction.mutable_outcome(),
                   "What became of it: an outcome of the strategy.")
      ->required()
      ->type_name("OUTCOME");
  record->add_option("--time", flags->time, "When, RFC 3339. Default: now.")->type_name("TIME");
  record
      ->add_option("--request_id", *flags->request.mutable_request_id(),
                   "Makes a retry safe. At most 128 bytes.")
      ->type_name("ID");
  record->footer(absl::StrCat(kRecordFooter, kGlobalOptionsNote));
  commands.Add(record,
               [flags](const Invocation& invocation) { return Record(invocation, *flags); });
}

}  // namespace

void AddHistoryCommands(CLI::App& customer, Commands& commands) {
  AddConsent(customer, commands);
  AddRecord(customer, commands);
}

}  // namespace attune::ctl
