#ifndef ATTUNE_SERVICE_VERSION_H_
#define ATTUNE_SERVICE_VERSION_H_

namespace attune::service {

// The version of the programs, as in CMakeLists.txt: "1.2.3".
extern const char kVersion[];

}  // namespace attune::service

#endif  // ATTUNE_SERVICE_VERSION_H_
