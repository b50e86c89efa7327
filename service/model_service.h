#ifndef ATTUNE_SERVICE_MODEL_SERVICE_H_
#define ATTUNE_SERVICE_MODEL_SERVICE_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "attune/v1/model_service.pb.h"
#include "lib/base/clock.h"
#include "lib/base/violations.h"
#include "lib/registry/model_registry.h"
#include "service/active_strategy.h"
#include "service/learner.h"

namespace attune::service {

// attune.v1.ModelService without its transport: messages in, messages out. What changes something
// waits for the disk and compiles the strategy anew, what downloads reads the disk: neither must
// run on a thread that serves decisions. Thread-safe. What the methods do and answer:
// model_service.proto.
class ModelService {
 public:
  // Each upload holds its content in memory: more at the same time are refused.
  static constexpr int kMaxUploads = 2;
  // Bytes of one answer of DownloadModel.
  static constexpr size_t kDownloadBytes = 1 << 20;

  struct Options {
    ActiveStrategy* active = nullptr;                   // outlives the service
    const registry::ModelRegistry* registry = nullptr;  // outlives the service
    const Clock* clock = nullptr;                       // outlives the service
    const Learner* learner = nullptr;  // outlives the service; nullptr: nothing is learned
  };
  explicit ModelService(const Options& options) : options_(options) {}

  absl::Status ListModels(const attune::v1::ModelServiceListModelsRequest& request,
                          attune::v1::ModelServiceListModelsResponse* response,
                          Violations& violations) const;
  absl::Status GetModel(const attune::v1::ModelServiceGetModelRequest& request,
                        attune::v1::ModelServiceGetModelResponse* response,
                        Violations& violations) const;
  absl::Status DownloadModel(const attune::v1::ModelServiceDownloadModelRequest& request,
                             attune::v1::ModelServiceDownloadModelResponse* response,
                             Violations& violations) const;
  absl::Status ActivateModel(const attune::v1::ModelServiceActivateModelRequest& request,
                             attune::v1::ModelServiceActivateModelResponse* response,
                             Violations& violations) const;
  absl::Status GetHealth(const attune::v1::ModelServiceGetHealthRequest& request,
                         attune::v1::ModelServiceGetHealthResponse* response,
                         Violations& violations) const;
  absl::Status ListRates(const attune::v1::ModelServiceListRatesRequest& request,
                         attune::v1::ModelServiceListRatesResponse* response,
                         Violations& violations) const;
  absl::Status DeleteModel(const attune::v1::ModelServiceDeleteModelRequest& request,
                           attune::v1::ModelServiceDeleteModelResponse* response,
                           Violations& violations) const;

  // One PutModel stream. Not thread-safe.
  class Upload {
   public:
    // `service` must outlive the upload.
    explicit Upload(const ModelService* service);
    ~Upload();
    Upload(const Upload&) = delete;
    Upload& operator=(const Upload&) = delete;

    // Takes the next message. An error ends the stream.
    absl::Status Add(const attune::v1::ModelServicePutModelRequest& message,
                     Violations& violations);
    // Stores what has come.
    absl::Status Finish(attune::v1::ModelServicePutModelResponse* response, Violations& violations);

   private:
    absl::Status Begin(const attune::v1::ModelHeader& header, Violations& violations);

    const ModelService& service_;
    const bool has_place_;
    std::optional<attune::v1::ModelHeader> header_;
    std::string content_;
  };

 private:
  const Options options_;
  mutable std::atomic<int> uploads_{0};
};

}  // namespace attune::service

#endif  // ATTUNE_SERVICE_MODEL_SERVICE_H_
