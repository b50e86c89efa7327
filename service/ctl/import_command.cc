#include "service/ctl/import_command.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "service/ctl/column_mapping.h"
#include "service/ctl/feature_rows.h"
#include "service/ctl/import_run.h"
#include "service/ctl/interaction_rows.h"
#include "service/ctl/table.h"

namespace attune::ctl {
namespace {

constexpr char kCustomersFooter[] =
    R"(Customers that are not known are created, the others updated.

The file: RFC 4180 with a header; LF or CRLF, with or without a byte order mark, UTF-8.
Columns become features of the same name: MonthlyCharges, "Monthly charges" and
MONTHLY_CHARGES all are the feature monthly_charges. Map others with --map; columns
without a feature are listed and ignored.

Cells, by the type of the feature (an empty cell leaves the feature as it is):
  bool         true false yes no t f y n 1 0
  int          34 (also 34.0)
  double       56.95
  string       as it is
  timestamp    2026-03-01T10:00:00+01:00, or 2026-03-01 for midnight UTC
  string_list  a;b or a|b

Nothing is lost: a row that can't be imported goes to the rejects file with its line
number and the reason, the others are imported, and read = created + updated +
unchanged + rejected. A quote that is not closed costs its line, not the rows below.
Mend the rejects file and import it like any other file.
Importing a file again is harmless: what is there already stays unchanged. Rows are
stored in the order of the file: of two rows with one id, the later one wins.

Exit status: 0 every row imported, 3 some rows rejected, 1 failure, 2 wrong usage.

Examples:
  attunectl import customers --csv customers.csv --id customer_id
  attunectl import customers --csv crm.csv.gz --id customerID --map tenure=tenure_months
  zcat crm.csv.gz | attunectl import customers --csv - --id ID --delimiter ';' --dry_run

)";

constexpr char kInteractionsFooter[] =
    R"(What happened with customers, from other systems: contact policies count it.

The file: RFC 4180 with a header; LF or CRLF, with or without a byte order mark, UTF-8.
Times are RFC 3339: 2026-03-01T10:00:00+01:00, or 2026-03-01 for midnight UTC. Treatments
and channels are those of the strategy, or of an earlier one; outcomes those of the
strategy. What is the same for all rows is given with --treatment_value, --channel_value
or --outcome_value instead of a column. A treatment may be missing where the outcome is
declared without_treatment: a purchase.

Nothing is lost: a row that can't be imported goes to the rejects file with its line
number and the reason, the others are imported, and read = recorded + already known +
too old + rejected. Too old is what is older than the history that the strategy keeps.
Importing a file again is harmless: what is known is not recorded again.

Exit status: 0 every row imported, 3 some rows rejected, 1 failure, 2 wrong usage.

Examples:
  attunectl import interactions --csv sent.csv --customer customer_id --time sent_at \
      --treatment offer --channel_value web --outcome_value shown
  attunectl import interactions --csv log.csv.gz --customer id --time at --treatment offer \
      --channel channel --outcome event --dry_run

)";

struct CustomerFlags {
  ImportFlags file;
  MappingRequest mapping;
  std::vector<std::string> map_entries;
  std::string map_file;
};

struct InteractionFlags {
  ImportFlags file;
  InteractionColumns columns;
};

// Customers with their features.
class CustomerImport : public ImportKind {
 public:
  explicit CustomerImport(const CustomerFlags& flags) : flags_(flags), request_(flags.mapping) {}

  BatchMethod method() const override { return UpsertMethod(); }
  absl::Status Prepare() override;
  absl::StatusOr<RowWriter*> MapColumns(const std::vector<std::string>& header,
                                        const std::vector<v1::Feature>& features) override;
  std::string Title(const std::string& strategy_version) const override;
  std::string Remarks() const override;
  void AddToSummary(Json& summary) const override;

 private:
  const CustomerFlags& flags_;
  MappingRequest request_;
  ColumnMapping mapping_;
  std::optional<FeatureRows> rows_;
};

absl::Status CustomerImport::Prepare() {
  if (!flags_.map_file.empty()) {
    auto entries = ReadMapFile(flags_.map_file);
    if (!entries.ok()) return entries.status();
    request_.map = *std::move(entries);
  }
  for (const std::string& text : flags_.map_entries) {
    auto entry = ReadMapEntry(text);
    if (!entry.ok()) return entry.status();
    request_.map.push_back(*std::move(entry));
  }
  return absl::OkStatus();
}

absl::StatusOr<RowWriter*> CustomerImport::MapColumns(const std::vector<std::string>& header,
                                                      const std::vector<v1::Feature>& features) {
  absl::StatusOr<ColumnMapping> mapping = ctl::MapColumns(header, features, request_);
  if (!mapping.ok()) return mapping.status();
  mapping_ = *std::move(mapping);
  return &rows_.emplace(mapping_);
}

std::string CustomerImport::Title(const std::string& strategy_version) const {
  const size_t features = mapping_.columns.size();
  return absl::StrCat("customers, with ", features,
                      features == 1 ? " feature of " : " features of ",
                      TerminalSafe(strategy_version));
}

std::string CustomerImport::Remarks() const {
  return absl::StrCat(
      WrappedList("columns that are no feature, ignored:", mapping_.unmapped_columns),
      WrappedList("features that are not in the file:", mapping_.features_not_in_file));
}

void CustomerImport::AddToSummary(Json& summary) const {
  summary["columns"] = Json::array();
  for (const MappedColumn& column : mapping_.columns) {
    summary["columns"].push_back({{"column", column.column_name},
                                  {"feature", column.feature},
                                  {"type", std::string(ValueTypeName(column.type))}});
  }
  summary["ignored_columns"] = mapping_.unmapped_columns;
  summary["features_not_in_file"] = mapping_.features_not_in_file;
}

// What happened with customers.
class InteractionImport : public ImportKind {
 public:
  explicit InteractionImport(const InteractionFlags& flags) : flags_(flags) {}

  BatchMethod method() const override { return RecordInteractionsMethod(); }
  absl::StatusOr<RowWriter*> MapColumns(const std::vector<std::string>& header,
                                        const std::vector<v1::Feature>& /*features*/) override {
    absl::StatusOr<InteractionRows> rows = InteractionRows::Create(header, flags_.columns);
    if (!rows.ok()) return rows.status();
    return &rows_.emplace(*std::move(rows));
  }
  std::string Title(const std::string& strategy_version) const override {
    return absl::StrCat("interactions, for ", TerminalSafe(strategy_version));
  }

 private:
  const InteractionFlags& flags_;
  std::optional<InteractionRows> rows_;
};

void AddCustomerOptions(CLI::App& command, CustomerFlags& flags) {
  command.add_option("--id", flags.mapping.id_column, "The column with the customer id.")
      ->required()
      ->type_name("COLUMN");
  command
      .add_option("--map", flags.map_entries,
                  "Use the column for this feature. Give it once for each column.")
      ->type_name("COLUMN=FEATURE")
      ->allow_extra_args(false);
  command
      .add_option("--map_file", flags.map_file,
                  "A file with one COLUMN=FEATURE per line; # starts a comment.")
      ->type_name("FILE");
  command
      .add_option("--ignore", flags.mapping.ignore,
                  "Don't use the column. Give it once for each column.")
      ->type_name("COLUMN")
      ->allow_extra_args(false);
}

// A name that stands in a column or is the same for all rows.
void AddNameOptions(CLI::App& command, const std::string& name, NameSource& source) {
  CLI::Option* column =
      command.add_option("--" + name, source.column, "The column with the " + name + ".")
          ->type_name("COLUMN");
  command
      .add_option("--" + name + "_value", source.value,
                  "The " + name + " of all rows, when no column has it.")
      ->type_name("NAME")
      ->excludes(column);
}

void AddInteractionOptions(CLI::App& command, const std::shared_ptr<InteractionFlags>& flags) {
  InteractionColumns& columns = flags->columns;
  command.add_option("--customer", columns.customer, "The column with the customer id.")
      ->required()
      ->type_name("COLUMN");
  command.add_option("--time", columns.time, "The column with the time.")
      ->required()
      ->type_name("COLUMN");
  AddNameOptions(command, "treatment", columns.treatment);
  AddNameOptions(command, "channel", columns.channel);
  AddNameOptions(command, "outcome", columns.outcome);
  command.callback([flags] {
    const InteractionColumns& given = flags->columns;
    for (const auto& [name, source] :
         {std::pair("channel", &given.channel), std::pair("outcome", &given.outcome)}) {
      if (!source->column.empty() || !source->value.empty()) continue;
      throw CLI::RequiredError(absl::StrCat("--", name, " or --", name, "_value"));
    }
  });
}

constexpr char kTimeoutNote[] =
    " For import,\n--timeout is for each call of up to 5,000 rows; default: 60s.";

void AddCustomers(CLI::App& import, Commands& commands) {
  CLI::App* customers = import.add_subcommand("customers", "Import customers from a CSV file.");
  auto flags = std::make_shared<CustomerFlags>();
  AddCustomerOptions(*customers, *flags);
  AddImportOptions(*customers, flags->file);
  customers->footer(absl::StrCat(kCustomersFooter, kGlobalOptionsNote, kTimeoutNote));
  commands.Add(customers, [flags](const Invocation& invocation) {
    CustomerImport kind(*flags);
    return RunImport(invocation, flags->file, kind);
  });
}

void AddInteractions(CLI::App& import, Commands& commands) {
  CLI::App* interactions =
      import.add_subcommand("interactions", "Import what happened with customers from a CSV file.");
  auto flags = std::make_shared<InteractionFlags>();
  AddInteractionOptions(*interactions, flags);
  AddImportOptions(*interactions, flags->file);
  interactions->footer(absl::StrCat(kInteractionsFooter, kGlobalOptionsNote, kTimeoutNote));
  commands.Add(interactions, [flags](const Invocation& invocation) {
    InteractionImport kind(*flags);
    return RunImport(invocation, flags->file, kind);
  });
}

}  // namespace

void AddImportCommand(CLI::App& program, Commands& commands) {
  CLI::App* import =
      program.add_subcommand("import", "Import customers, or what happened with them.");
  import->require_subcommand(1);
  import->footer(kGroupFooter);
  AddCustomers(*import, commands);
  AddInteractions(*import, commands);
}

}  // namespace attune::ctl
