#ifndef ATTUNE_LIB_SCORING_MODEL_FACTORY_H_
#define ATTUNE_LIB_SCORING_MODEL_FACTORY_H_

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "attune/strategy/v1/model.pb.h"
#include "lib/scoring/model.h"

namespace attune::scoring {

// Hears what is wrong with a model file. `path` names the field as the message does, with indexes:
// "linear.terms[3].one_hot.weights"; a map entry as weights["fiber"].
using ReportIssue = std::function<void(std::string_view path, std::string message)>;

// Creates the model of a file, whatever its kind. Every problem is reported; nullptr when there was
// one. The model adds its inputs to `inputs`.
std::unique_ptr<const Model> CreateModel(const attune::strategy::v1::Model& file,
                                         const InputNames& names, InputTable& inputs,
                                         const ReportIssue& report);

}  // namespace attune::scoring

#endif  // ATTUNE_LIB_SCORING_MODEL_FACTORY_H_
