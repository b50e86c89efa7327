#ifndef ATTUNE_SERVICE_HEALTH_CHECK_H_
#define ATTUNE_SERVICE_HEALTH_CHECK_H_

#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace attune::service {

// Asks the server at `address`, over a new connection, whether it serves (gRPC health checking
// protocol, overall health). OK: it does. UNAVAILABLE: it does not, or can't be reached.
absl::Status CheckHealth(const std::string& address, absl::Duration timeout);

}  // namespace attune::service

#endif  // ATTUNE_SERVICE_HEALTH_CHECK_H_
