#ifndef ATTUNE_SERVICE_VERSION_H_
#define ATTUNE_SERVICE_VERSION_H_

namespace attune::service {

// The version of the programs, as in CMakeLists.txt.
inline constexpr char kVersion[] = ATTUNE_VERSION;

}  // namespace attune::service

#endif  // ATTUNE_SERVICE_VERSION_H_
