#include "service/ctl/registry_command.h"

#include <algorithm>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/util/time_util.h"
#include "lib/base/clock.h"
#include "lib/base/hash.h"
#include "service/ctl/json.h"
#include "service/ctl/model_source.h"
#include "service/ctl/progress.h"
#include "service/ctl/table.h"

namespace attune::ctl {
namespace {

using google::protobuf::util::TimeUtil;

constexpr size_t kPieceBytes = 1 << 20;
// A large model is sent, checked against the strategy and written to the disk.
constexpr absl::Duration kPutTimeout = absl::Minutes(5);

constexpr char kModelPutFooter[] =
    R"(The file is what XGBoost saved as .json or .ubj or LightGBM as text, or a model in YAML
(.yaml, .yml); .gz is unpacked. It becomes a new version NAME@HASH, and the active one:
a strategy that names the model with "stored: NAME" decides with it from the next decision
on, without a restart. A file that is damaged or does not fit the strategy is refused, and
nothing changes.

Exit status: 0 it is stored and, where the strategy uses it, decides; 1 it was refused;
2 wrong usage.

Examples:
  attunectl model put churn churn.json --by ann --comment "trained on October"
  attunectl model put churn churn.json --store_only
  attunectl model activate churn@0123456789ab

)";

constexpr char kModelListFooter[] =
    R"(Newest first. The active version is the one that "stored: NAME" means; in use is what the
strategy that decides now was made of.

Examples:
  attunectl model list
  attunectl model list churn --json

)";

constexpr char kModelActivateFooter[] =
    R"(The version must be stored: attunectl model list shows them. It decides from the next
decision on. A strategy that names another version itself ("stored: NAME@HASH") stays with
that.

Exit status: 0 it is active; 1 it was refused, and nothing has changed; 2 wrong usage.

Examples:
  attunectl model activate churn@0123456789ab

)";

constexpr char kModelDeleteFooter[] =
    R"(Removes a version, or, without @HASH, the model with all its versions. What the strategy
that decides now uses can't be removed.

Examples:
  attunectl model delete churn@0123456789ab
  attunectl model delete churn

)";

std::string SizeText(int64_t bytes) {
  return absl::StrCat(Grouped(bytes), bytes == 1 ? " byte" : " bytes");
}

// Splits NAME@HASH.
template <typename Request>
void SetModel(const std::string& text, Request& request) {
  const size_t at = text.find('@');
  request.set_name(text.substr(0, at));
  if (at != std::string::npos) request.set_hash(text.substr(at + 1));
}

struct PutModelFlags {
  v1::ModelHeader header;
  std::string path;
};

grpc::Status Send(const Invocation& invocation, ServerConnection& server,
                  const v1::ModelHeader& header, const std::string& bytes,
                  v1::ModelServicePutModelResponse& response) {
  const SystemClock clock;
  ProgressLine line(invocation.console, clock);
  const auto context = server.NewContext(kPutTimeout);
  const auto writer = server.models().PutModel(context.get(), &response);
  v1::ModelServicePutModelRequest message;
  *message.mutable_header() = header;
  bool open = writer->Write(message);
  for (size_t sent = 0; open && sent < bytes.size(); sent += kPieceBytes) {
    message.set_content(bytes.substr(sent, kPieceBytes));
    open = writer->Write(message);
    ProgressState state;
    state.bytes = static_cast<int64_t>(std::min(bytes.size(), sent + kPieceBytes));
    state.total_bytes = std::ssize(bytes);
    line.Show(state);
  }
  if (open) writer->WritesDone();
  return writer->Finish();
}

// What an answer says about what decides.
template <typename Response>
std::string Outcome(const Response& response) {
  if (response.swapped()) {
    return absl::StrCat("The strategy decides with it from now on: ",
                        TerminalSafe(response.strategy_version()), "\n");
  }
  if (response.model().in_use()) return "The strategy decides with it.\n";
  return response.model().active() ? "The strategy does not use the active version of this model.\n"
                                   : "It is stored only; activate it with attunectl model "
                                     "activate.\n";
}

int Put(const Invocation& invocation, PutModelFlags& flags) {
  const absl::StatusOr<std::string> bytes = ReadModelFile(flags.path, invocation.console.in);
  if (!bytes.ok()) {
    return ReportError(invocation.console, invocation.options,
                       std::string(bytes.status().message()));
  }
  std::string file = std::filesystem::path(flags.path).filename().string();
  if (absl::EndsWith(file, ".gz")) file.resize(file.size() - 3);
  flags.header.set_file(file);
  flags.header.set_size_bytes(std::ssize(*bytes));
  flags.header.set_hash(ContentHash(*bytes, kFullHashDigits));
  ServerConnection server(invocation.options);
  v1::ModelServicePutModelResponse response;
  const grpc::Status status = Send(invocation, server, flags.header, *bytes, response);
  if (!status.ok()) return ReportCallError(invocation.console, invocation.options, status);
  if (invocation.options.json) {
    WriteJson(invocation.console.out, response);
    return kExitOk;
  }
  invocation.console.out << TerminalSafe(response.model().version()) << ": "
                         << (response.changed() ? "stored, " : "was stored already, ")
                         << TerminalSafe(response.model().kind()) << ", "
                         << SizeText(response.model().size_bytes()) << "\n"
                         << Outcome(response);
  return kExitOk;
}

grpc::Status ListAll(ServerConnection& server, v1::ModelServiceListModelsRequest& request,
                     v1::ModelServiceListModelsResponse& all) {
  request.set_page_size(1000);
  do {
    v1::ModelServiceListModelsResponse page;
    const auto context = server.NewContext();
    const grpc::Status status = server.models().ListModels(context.get(), request, &page);
    if (!status.ok()) return status;
    if (!page.next_page_token().empty() && page.next_page_token() == request.page_token()) {
      return {grpc::StatusCode::INTERNAL, "the server lists the same page for ever"};
    }
    request.set_page_token(page.next_page_token());
    all.MergeFrom(page);
  } while (!request.page_token().empty());
  all.clear_next_page_token();
  return grpc::Status::OK;
}

int List(const Invocation& invocation, const std::string& name) {
  ServerConnection server(invocation.options);
  v1::ModelServiceListModelsRequest request;
  request.set_name(name);
  v1::ModelServiceListModelsResponse all;
  const grpc::Status status = ListAll(server, request, all);
  if (!status.ok()) return ReportCallError(invocation.console, invocation.options, status);
  if (invocation.options.json) {
    WriteJson(invocation.console.out, all);
    return kExitOk;
  }
  if (all.models().empty()) {
    invocation.console.out << (name.empty() ? "The registry has no models.\n"
                                            : "The registry has no model of that name.\n");
    return kExitOk;
  }
  Table table({{"version", Table::Align::kLeft},
               {"active", Table::Align::kLeft},
               {"in use", Table::Align::kLeft},
               {"kind", Table::Align::kLeft},
               {"bytes", Table::Align::kRight},
               {"put", Table::Align::kLeft},
               {"by", Table::Align::kLeft},
               {"comment", Table::Align::kLeft}});
  for (const v1::ModelVersion& version : all.models()) {
    table.AddRow({version.version(), version.active() ? "yes" : "no",
                  version.in_use() ? "yes" : "no", version.kind(), Grouped(version.size_bytes()),
                  TimeUtil::ToString(version.time()), version.by(), version.comment()});
  }
  invocation.console.out << table.ToString() << SizeText(all.total_bytes()) << " in the registry\n";
  return kExitOk;
}

int Activate(const Invocation& invocation, const std::string& text) {
  v1::ModelServiceActivateModelRequest request;
  SetModel(text, request);
  ServerConnection server(invocation.options);
  v1::ModelServiceActivateModelResponse response;
  const auto context = server.NewContext(kPutTimeout);
  const grpc::Status status = server.models().ActivateModel(context.get(), request, &response);
  if (!status.ok()) return ReportCallError(invocation.console, invocation.options, status);
  if (invocation.options.json) {
    WriteJson(invocation.console.out, response);
    return kExitOk;
  }
  invocation.console.out << TerminalSafe(response.model().version())
                         << (response.changed() ? ": active\n" : ": was active already\n")
                         << Outcome(response);
  return kExitOk;
}

int Delete(const Invocation& invocation, const std::string& text) {
  v1::ModelServiceDeleteModelRequest request;
  SetModel(text, request);
  ServerConnection server(invocation.options);
  v1::ModelServiceDeleteModelResponse response;
  const auto context = server.NewContext();
  const grpc::Status status = server.models().DeleteModel(context.get(), request, &response);
  if (!status.ok()) return ReportCallError(invocation.console, invocation.options, status);
  if (invocation.options.json) {
    WriteJson(invocation.console.out, response);
  } else {
    invocation.console.out << TerminalSafe(text) << ": deleted\n";
  }
  return kExitOk;
}

void AddPutModel(CLI::App& model, Commands& commands) {
  CLI::App* put = model.add_subcommand("put", "Store a version of a model in the server.");
  auto flags = std::make_shared<PutModelFlags>();
  put->add_option("NAME", *flags->header.mutable_name(), "What strategies call the model.")
      ->required();
  put->add_option("FILE", flags->path, "The model.")->required();
  put->add_option("--comment", *flags->header.mutable_comment(),
                  "What is to be known about it. At most 256 bytes.")
      ->type_name("TEXT");
  put->add_option("--by", *flags->header.mutable_by(), "Who puts it. At most 64 bytes.")
      ->type_name("WHO");
  put->add_flag_callback(
      "--store_only", [flags] { flags->header.set_store_only(true); },
      "Do not make it the active version yet.");
  put->footer(absl::StrCat(kModelPutFooter, kGlobalOptionsNote));
  commands.Add(put, [flags](const Invocation& invocation) { return Put(invocation, *flags); });
}

// A name without its hash would mean another thing: all versions.
std::string ModelProblem(const std::string& text) {
  const size_t at = text.find('@');
  if (at == std::string::npos) return "";
  if (at != 0 && at + 1 < text.size()) return "";
  return absl::StrCat("\"", text, "\" is not a version; write NAME@HASH");
}

// A command that takes one model.
void AddCommand(CLI::App& model, Commands& commands, const std::string& name,
                const std::string& help, const char* description, const char* footer, bool required,
                int (*run)(const Invocation&, const std::string&)) {
  CLI::App* command = model.add_subcommand(name, help);
  auto text = std::make_shared<std::string>();
  command->add_option("MODEL", *text, description)->required(required)->check(ModelProblem);
  command->footer(absl::StrCat(footer, kGlobalOptionsNote));
  commands.Add(command,
               [text, run](const Invocation& invocation) { return run(invocation, *text); });
}

}  // namespace

std::string VersionText(const v1::ModelVersion& version) {
  Table table({{"", Table::Align::kLeft}, {"", Table::Align::kLeft}});
  table.AddRow({"version", version.version()});
  table.AddRow({"hash", version.hash()});
  table.AddRow({"kind", version.kind()});
  table.AddRow({"file", version.file()});
  table.AddRow({"size", SizeText(version.size_bytes())});
  table.AddRow({"put", TimeUtil::ToString(version.time())});
  if (!version.by().empty()) table.AddRow({"by", version.by()});
  if (!version.comment().empty()) table.AddRow({"comment", version.comment()});
  table.AddRow({"active", version.active() ? "yes" : "no"});
  table.AddRow({"in use", version.in_use() ? "yes" : "no"});
  return table.ToString();
}

void AddRegistryCommands(CLI::App& model, Commands& commands) {
  AddPutModel(model, commands);
  AddCommand(model, commands, "list", "Show the models that the server has stored.",
             "NAME: only versions of this one.", kModelListFooter, false, List);
  AddCommand(model, commands, "activate", "Let a stored version decide: a rollback.", "NAME@HASH",
             kModelActivateFooter, true, Activate);
  AddCommand(model, commands, "delete", "Remove stored versions.", "NAME@HASH, or NAME.",
             kModelDeleteFooter, true, Delete);
}

}  // namespace attune::ctl
