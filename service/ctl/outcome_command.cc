#include "service/ctl/outcome_command.h"

#include <map>
#include <memory>
#include <optional>
#include <ostream>
#include <string>

#include "absl/strings/str_cat.h"
#include "service/ctl/json.h"
#include "service/ctl/table.h"
#include "service/ctl/value_text.h"

namespace attune::ctl {
namespace {

constexpr char kRecordOutcomeFooter[] =
    R"(The decision's id is in its answer (attunectl decide). What is recorded stands in the
customer's history, and contact policies count it on every channel from the next
decision on. With the same --request_id, or the same --time, recording again changes
nothing.

Exit status: 0 answered (also when it is late, or of no remembered decision: the answer
says so), 1 failure, 2 wrong usage.

Examples:
  attunectl outcome record --decision ID --outcome accepted --source customer --request_id r1
  attunectl outcome record --decision ID --treatment plan_upgrade --outcome rejected \
      --source employee --reason "has this plan already" --time 2026-03-01T10:00:00+01:00

)";

constexpr char kActivateFooter[] =
    R"(Records the outcome that the strategy declares as the showing, with the time of now
unless another is given.

Exit status: 0 answered, 1 failure, 2 wrong usage.

Examples:
  attunectl outcome activate --decision ID
  attunectl outcome activate --decision ID --treatment plan_upgrade --treatment unlimited_data

)";

struct OutcomeFlags {
  v1::OutcomeServiceRecordOutcomeRequest request;
  std::optional<double> value;
  std::string time;
};

struct ActivateFlags {
  v1::OutcomeServiceActivateRequest request;
  std::vector<std::string> treatments;
  std::string time;
};

// What a status says, for people.
std::string StatusText(v1::OutcomeStatus status) {
  switch (status) {
    case v1::OUTCOME_STATUS_RECORDED:
      return "recorded";
    case v1::OUTCOME_STATUS_ALREADY_RECORDED:
      return "was recorded before";
    case v1::OUTCOME_STATUS_EARLY:
      return "recorded, as of the decision's time: it lies just before";
    case v1::OUTCOME_STATUS_BEFORE_DECISION:
      return "not attributed: it lies before its decision";
    case v1::OUTCOME_STATUS_LATE:
      return "recorded and not attributed: it lies after its window";
    case v1::OUTCOME_STATUS_NOT_OFFERED:
      return "recorded and not attributed: the decision did not offer the treatment";
    case v1::OUTCOME_STATUS_UNKNOWN_DECISION:
      return "not attributed: the decision is not remembered, or has left the log (--log_max_mb)";
    case v1::OUTCOME_STATUS_CUSTOMER_ERASED:
      return "not attributed: nothing is held about the decision's customer";
    default:
      // Of a newer server.
      return absl::StrCat("status ", static_cast<int>(status));
  }
}

void PrintOutcome(const v1::OutcomeServiceRecordOutcomeResponse& response, std::ostream& out) {
  const std::string& treatment = response.treatment_id();
  out << (treatment.empty() ? "No treatment" : TerminalSafe(treatment)) << ": "
      << StatusText(response.status());
  if (response.first_status() != v1::OUTCOME_STATUS_UNSPECIFIED &&
      response.first_status() != v1::OUTCOME_STATUS_RECORDED) {
    out << " (" << StatusText(response.first_status()) << ")";
  }
  out << "\n";
}

// Puts --time into the request, if it is given.
template <typename Flags>
absl::Status ReadTime(Flags& flags) {
  if (flags.time.empty()) return absl::OkStatus();
  v1::Value time;
  if (absl::Status status = ReadValue(ValueType::kTimestamp, flags.time, time); !status.ok()) {
    return absl::InvalidArgumentError(absl::StrCat("--time: ", status.message()));
  }
  *flags.request.mutable_time() = time.timestamp_value();
  return absl::OkStatus();
}

// Reads --source into the request.
template <typename Flags>
void SetSource(const std::string& text, Flags& flags) {
  static const std::map<std::string, v1::OutcomeSource> kSources = {
      {"customer", v1::OUTCOME_SOURCE_CUSTOMER},
      {"employee", v1::OUTCOME_SOURCE_EMPLOYEE},
      {"system", v1::OUTCOME_SOURCE_SYSTEM}};
  const auto source = kSources.find(text);
  if (source == kSources.end()) {
    throw CLI::ValidationError("--source", "must be customer, employee or system");
  }
  flags.request.set_source(source->second);
}

int RecordOutcome(const Invocation& invocation, OutcomeFlags& flags) {
  if (flags.value) flags.request.set_value(*flags.value);
  if (absl::Status status = ReadTime(flags); !status.ok()) {
    return ReportError(invocation.console, invocation.options, std::string(status.message()));
  }
  ServerConnection server(invocation.options);
  v1::OutcomeServiceRecordOutcomeResponse response;
  const auto context = server.NewContext();
  const grpc::Status status =
      server.outcomes().RecordOutcome(context.get(), flags.request, &response);
  if (!status.ok()) return ReportCallError(invocation.console, invocation.options, status);
  if (invocation.options.json) {
    WriteJson(invocation.console.out, response);
  } else {
    PrintOutcome(response, invocation.console.out);
  }
  return kExitOk;
}

int ActivateTreatments(const Invocation& invocation, ActivateFlags& flags) {
  if (absl::Status status = ReadTime(flags); !status.ok()) {
    return ReportError(invocation.console, invocation.options, std::string(status.message()));
  }
  for (const std::string& treatment : flags.treatments) flags.request.add_treatment_ids(treatment);
  ServerConnection server(invocation.options);
  v1::OutcomeServiceActivateResponse response;
  const auto context = server.NewContext();
  const grpc::Status status = server.outcomes().Activate(context.get(), flags.request, &response);
  if (!status.ok()) return ReportCallError(invocation.console, invocation.options, status);
  if (invocation.options.json) {
    WriteJson(invocation.console.out, response);
    return kExitOk;
  }
  for (const auto& showing : response.showings()) PrintOutcome(showing, invocation.console.out);
  return kExitOk;
}

void AddRecordOutcome(CLI::App& outcome, Commands& commands) {
  CLI::App* record = outcome.add_subcommand("record", "Record what became of a decision.");
  auto flags = std::make_shared<OutcomeFlags>();
  v1::OutcomeServiceRecordOutcomeRequest& request = flags->request;
  record->add_option("--decision", *request.mutable_decision_id(), "The decision's id.")
      ->required()
      ->type_name("ID");
  record
      ->add_option("--treatment", *request.mutable_treatment_id(),
                   "Of which treatment. Default: the one on top of the ranking.")
      ->type_name("TREATMENT");
  record
      ->add_option("--outcome", *request.mutable_outcome(),
                   "What became of it: an outcome of the strategy.")
      ->required()
      ->type_name("OUTCOME");
  record
      ->add_option_function<std::string>(
          "--source", [flags](const std::string& text) { SetSource(text, *flags); },
          "Who says so: customer, employee or system.")
      ->required()
      ->type_name("SOURCE");
  record
      ->add_option("--value", flags->value,
                   "The value of an outcome that carries one, such as a score.")
      ->type_name("NUMBER");
  record->add_option("--time", flags->time, "When, RFC 3339. Default: now.")->type_name("TIME");
  record
      ->add_option("--channel", *request.mutable_channel(),
                   "Where: a channel of the strategy. Default: that of the decision.")
      ->type_name("CHANNEL");
  record->add_option("--reason", *request.mutable_reason(), "Why, in words. At most 256 bytes.")
      ->type_name("TEXT");
  record
      ->add_option("--request_id", *request.mutable_request_id(),
                   "Makes a retry safe. Required without --time. At most 128 bytes.")
      ->type_name("ID");
  record->footer(absl::StrCat(kRecordOutcomeFooter, kGlobalOptionsNote));
  commands.Add(record,
               [flags](const Invocation& invocation) { return RecordOutcome(invocation, *flags); });
}

void AddActivateTreatments(CLI::App& outcome, Commands& commands) {
  CLI::App* activate =
      outcome.add_subcommand("activate", "Say that treatments of a decision are shown just now.");
  auto flags = std::make_shared<ActivateFlags>();
  activate->add_option("--decision", *flags->request.mutable_decision_id(), "The decision's id.")
      ->required()
      ->type_name("ID");
  activate
      ->add_option("--treatment", flags->treatments,
                   "A treatment that is shown. Give it once for each.\nDefault: the one on top of "
                   "the ranking.")
      ->type_name("TREATMENT")
      ->allow_extra_args(false);
  activate
      ->add_option("--channel", *flags->request.mutable_channel(),
                   "Where: a channel of the strategy. Default: that of the decision.")
      ->type_name("CHANNEL");
  activate
      ->add_option_function<std::string>(
          "--source", [flags](const std::string& text) { SetSource(text, *flags); },
          "Who says so: customer, employee or system. Default: system.")
      ->type_name("SOURCE");
  activate->add_option("--time", flags->time, "When, RFC 3339. Default: now.")->type_name("TIME");
  activate->footer(absl::StrCat(kActivateFooter, kGlobalOptionsNote));
  commands.Add(activate, [flags](const Invocation& invocation) {
    return ActivateTreatments(invocation, *flags);
  });
}

}  // namespace

void AddOutcomeCommand(CLI::App& program, Commands& commands) {
  CLI::App* outcome = program.add_subcommand("outcome", "Record what became of decisions.");
  outcome->require_subcommand(1);
  outcome->footer(kGroupFooter);
  AddRecordOutcome(*outcome, commands);
  AddActivateTreatments(*outcome, commands);
}

}  // namespace attune::ctl
