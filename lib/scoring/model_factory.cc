#include "lib/scoring/model_factory.h"

#include "lib/scoring/linear_model.h"

namespace attune::scoring {

std::unique_ptr<const Model> CreateModel(const attune::strategy::v1::Model& file,
                                         const InputNames& names, InputTable& inputs,
                                         const ReportIssue& report) {
  // The list of everything that is plugged in.
  switch (file.kind_case()) {
    case attune::strategy::v1::Model::kLinear:
      return LinearModel::Create(file.linear(), names, inputs, report);
    case attune::strategy::v1::Model::KIND_NOT_SET:
      report("", "a model file needs a kind; this version knows: linear");
      return nullptr;
  }
  return nullptr;
}

}  // namespace attune::scoring
