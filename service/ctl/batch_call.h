#ifndef ATTUNE_SERVICE_CTL_BATCH_CALL_H_
#define ATTUNE_SERVICE_CTL_BATCH_CALL_H_

#include <array>
#include <cstdint>
#include <string>

#include "absl/time/time.h"
#include "attune/v1/customer_service.pb.h"
#include "google/protobuf/repeated_field.h"
#include "grpcpp/grpcpp.h"
#include "service/ctl/import_chunk.h"
#include "service/ctl/server_connection.h"

namespace attune::ctl {

// What a call answered about its rows.
struct BatchAnswer {
  int64_t received = 0;
  RowCounts counts;
  google::protobuf::RepeatedPtrField<v1::RejectedRow> rejected_rows;
};

// A method that takes a stream of rows and accounts for each of them. Immutable.
struct BatchMethod {
  std::string path;  // "/attune.v1.CustomerService/BatchUpsert"
  // What may become of a row that is not rejected: as in its answer.
  std::array<const char*, 3> accepted;
  grpc::Status (*read)(grpc::ByteBuffer& bytes, BatchAnswer& answer);
};

// CustomerService.BatchUpsert and CustomerService.BatchRecordInteractions.
BatchMethod UpsertMethod();
BatchMethod RecordInteractionsMethod();

// Sends the messages of the chunk in one call and waits for the answer: afterwards every row is
// stored and counted in chunk.counts, or refused and added to chunk.rejected. Or chunk.status says
// why it is not known what became of them; INTERNAL: the answer does not account for every row.
void SendChunk(ServerConnection& server, const BatchMethod& method, absl::Duration default_timeout,
               ImportChunk& chunk);

}  // namespace attune::ctl

#endif  // ATTUNE_SERVICE_CTL_BATCH_CALL_H_
