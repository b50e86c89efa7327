#ifndef ATTUNE_SERVICE_CTL_UPSERT_CALL_H_
#define ATTUNE_SERVICE_CTL_UPSERT_CALL_H_

#include "absl/time/time.h"
#include "service/ctl/import_chunk.h"
#include "service/ctl/server_connection.h"

namespace attune::ctl {

// Sends the messages of the chunk in one call of CustomerService.BatchUpsert and waits for the
// answer: afterwards every row is stored and counted in chunk.counts, or refused and added to
// chunk.rejected. Or chunk.status says why it is not known what became of them; INTERNAL: the
// answer does not account for every row.
void SendChunk(ServerConnection& server, absl::Duration default_timeout, ImportChunk& chunk);

}  // namespace attune::ctl

#endif  // ATTUNE_SERVICE_CTL_UPSERT_CALL_H_
