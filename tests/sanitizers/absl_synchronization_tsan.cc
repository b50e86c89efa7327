// Makes absl::Mutex, absl::CondVar and absl::Notification known to ThreadSanitizer.
//
// The packaged Abseil is not instrumented, so ThreadSanitizer doesn't see that its locks order
// anything, and would report every member that one of them guards. In the tsan preset the linker
// hands the calls of our own code to the functions below (--wrap, see CMakeLists.txt), which call
// the real ones and tell ThreadSanitizer what is acquired and released. No other preset links this.
//
// Conditions (Await, LockWhen) are polled here: Abseil would evaluate them in whichever thread
// unlocks, out of ThreadSanitizer's sight.

#include <sanitizer/tsan_interface.h>

#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

// The names are those of the packaged Abseil, whose inline namespace is debian3.
#define ATTUNE_REAL(symbol) __asm__("__real_" symbol)
#define ATTUNE_WRAP(symbol) __asm__("__wrap_" symbol)

namespace attune::sanitizers {

#define ATTUNE_WRAP_LOCK(Name, symbol)               \
  void Real##Name(absl::Mutex*) ATTUNE_REAL(symbol); \
  void Name(absl::Mutex*) ATTUNE_WRAP(symbol);       \
  void Name(absl::Mutex* mutex) {                    \
    Real##Name(mutex);                               \
    __tsan_acquire(mutex);                           \
  }
#define ATTUNE_WRAP_TRY_LOCK(Name, symbol)           \
  bool Real##Name(absl::Mutex*) ATTUNE_REAL(symbol); \
  bool Name(absl::Mutex*) ATTUNE_WRAP(symbol);       \
  bool Name(absl::Mutex* mutex) {                    \
    const bool locked = Real##Name(mutex);           \
    if (locked) __tsan_acquire(mutex);               \
    return locked;                                   \
  }
#define ATTUNE_WRAP_UNLOCK(Name, symbol)             \
  void Real##Name(absl::Mutex*) ATTUNE_REAL(symbol); \
  void Name(absl::Mutex*) ATTUNE_WRAP(symbol);       \
  void Name(absl::Mutex* mutex) {                    \
    __tsan_release(mutex);                           \
    Real##Name(mutex);                               \
  }

ATTUNE_WRAP_LOCK(Lock, "_ZN4absl7debian35Mutex4LockEv")
ATTUNE_WRAP_LOCK(ReaderLock, "_ZN4absl7debian35Mutex10ReaderLockEv")
ATTUNE_WRAP_TRY_LOCK(TryLock, "_ZN4absl7debian35Mutex7TryLockEv")
ATTUNE_WRAP_TRY_LOCK(ReaderTryLock, "_ZN4absl7debian35Mutex13ReaderTryLockEv")
ATTUNE_WRAP_UNLOCK(Unlock, "_ZN4absl7debian35Mutex6UnlockEv")
ATTUNE_WRAP_UNLOCK(ReaderUnlock, "_ZN4absl7debian35Mutex12ReaderUnlockEv")

// The waits of CondVar: the mutex is released and taken again.
void RealWait(absl::CondVar*, absl::Mutex*)
    ATTUNE_REAL("_ZN4absl7debian37CondVar4WaitEPNS0_5MutexE");
void Wait(absl::CondVar*, absl::Mutex*) ATTUNE_WRAP("_ZN4absl7debian37CondVar4WaitEPNS0_5MutexE");
void Wait(absl::CondVar* changed, absl::Mutex* mutex) {
  __tsan_release(mutex);
  RealWait(changed, mutex);
  __tsan_acquire(mutex);
}

bool RealWaitWithTimeout(absl::CondVar*, absl::Mutex*, absl::Duration)
    ATTUNE_REAL("_ZN4absl7debian37CondVar15WaitWithTimeoutEPNS0_5MutexENS0_8DurationE");
bool WaitWithTimeout(absl::CondVar*, absl::Mutex*, absl::Duration)
    ATTUNE_WRAP("_ZN4absl7debian37CondVar15WaitWithTimeoutEPNS0_5MutexENS0_8DurationE");
bool WaitWithTimeout(absl::CondVar* changed, absl::Mutex* mutex, absl::Duration timeout) {
  __tsan_release(mutex);
  const bool timed_out = RealWaitWithTimeout(changed, mutex, timeout);
  __tsan_acquire(mutex);
  return timed_out;
}

bool RealWaitWithDeadline(absl::CondVar*, absl::Mutex*, absl::Time)
    ATTUNE_REAL("_ZN4absl7debian37CondVar16WaitWithDeadlineEPNS0_5MutexENS0_4TimeE");
bool WaitWithDeadline(absl::CondVar*, absl::Mutex*, absl::Time)
    ATTUNE_WRAP("_ZN4absl7debian37CondVar16WaitWithDeadlineEPNS0_5MutexENS0_4TimeE");
bool WaitWithDeadline(absl::CondVar* changed, absl::Mutex* mutex, absl::Time deadline) {
  __tsan_release(mutex);
  const bool timed_out = RealWaitWithDeadline(changed, mutex, deadline);
  __tsan_acquire(mutex);
  return timed_out;
}

// Polls until the condition holds or the deadline has passed; returns whether it holds.
// REQUIRES: the mutex is held.
bool Poll(absl::Mutex* mutex, const absl::Condition& condition, absl::Time deadline) {
  while (!condition.Eval()) {
    if (absl::Now() >= deadline) return false;
    Unlock(mutex);
    absl::SleepFor(absl::Milliseconds(1));
    Lock(mutex);
  }
  return true;
}

void Await(absl::Mutex*, const absl::Condition&)
    ATTUNE_WRAP("_ZN4absl7debian35Mutex5AwaitERKNS0_9ConditionE");
void Await(absl::Mutex* mutex, const absl::Condition& condition) {
  Poll(mutex, condition, absl::InfiniteFuture());
}

bool AwaitWithTimeout(absl::Mutex*, const absl::Condition&, absl::Duration)
    ATTUNE_WRAP("_ZN4absl7debian35Mutex16AwaitWithTimeoutERKNS0_9ConditionENS0_8DurationE");
bool AwaitWithTimeout(absl::Mutex* mutex, const absl::Condition& condition,
                      absl::Duration timeout) {
  return Poll(mutex, condition, absl::Now() + timeout);
}

bool AwaitWithDeadline(absl::Mutex*, const absl::Condition&, absl::Time)
    ATTUNE_WRAP("_ZN4absl7debian35Mutex17AwaitWithDeadlineERKNS0_9ConditionENS0_4TimeE");
bool AwaitWithDeadline(absl::Mutex* mutex, const absl::Condition& condition, absl::Time deadline) {
  return Poll(mutex, condition, deadline);
}

void LockWhen(absl::Mutex*, const absl::Condition&)
    ATTUNE_WRAP("_ZN4absl7debian35Mutex8LockWhenERKNS0_9ConditionE");
void LockWhen(absl::Mutex* mutex, const absl::Condition& condition) {
  Lock(mutex);
  Poll(mutex, condition, absl::InfiniteFuture());
}

bool LockWhenWithTimeout(absl::Mutex*, const absl::Condition&, absl::Duration)
    ATTUNE_WRAP("_ZN4absl7debian35Mutex19LockWhenWithTimeoutERKNS0_9ConditionENS0_8DurationE");
bool LockWhenWithTimeout(absl::Mutex* mutex, const absl::Condition& condition,
                         absl::Duration timeout) {
  Lock(mutex);
  return Poll(mutex, condition, absl::Now() + timeout);
}

void RealNotify(absl::Notification*) ATTUNE_REAL("_ZN4absl7debian312Notification6NotifyEv");
void Notify(absl::Notification*) ATTUNE_WRAP("_ZN4absl7debian312Notification6NotifyEv");
void Notify(absl::Notification* notification) {
  __tsan_release(notification);
  RealNotify(notification);
}

void RealWaitForNotification(absl::Notification*)
    ATTUNE_REAL("_ZNK4absl7debian312Notification19WaitForNotificationEv");
void WaitForNotification(absl::Notification*)
    ATTUNE_WRAP("_ZNK4absl7debian312Notification19WaitForNotificationEv");
void WaitForNotification(absl::Notification* notification) {
  RealWaitForNotification(notification);
  __tsan_acquire(notification);
}

bool RealWaitForNotificationWithTimeout(absl::Notification*, absl::Duration)
    ATTUNE_REAL("_ZNK4absl7debian312Notification30WaitForNotificationWithTimeoutENS0_8DurationE");
bool WaitForNotificationWithTimeout(absl::Notification*, absl::Duration)
    ATTUNE_WRAP("_ZNK4absl7debian312Notification30WaitForNotificationWithTimeoutENS0_8DurationE");
bool WaitForNotificationWithTimeout(absl::Notification* notification, absl::Duration timeout) {
  const bool notified = RealWaitForNotificationWithTimeout(notification, timeout);
  if (notified) __tsan_acquire(notification);
  return notified;
}

}  // namespace attune::sanitizers
