#include "service/version.h"

namespace attune::service {

const char kVersion[] = ATTUNE_VERSION;

}  // namespace attune::service
