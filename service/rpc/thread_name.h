#ifndef ATTUNE_SERVICE_RPC_THREAD_NAME_H_
#define ATTUNE_SERVICE_RPC_THREAD_NAME_H_

#include <pthread.h>

#include <string>

namespace attune::rpc {

// Names the calling thread, for top, gdb and profiles. Cut to the 15 bytes that the kernel keeps.
inline void SetThreadName(const std::string& name) {
  pthread_setname_np(pthread_self(), name.substr(0, 15).c_str());
}

}  // namespace attune::rpc

#endif  // ATTUNE_SERVICE_RPC_THREAD_NAME_H_
