#ifndef ATTUNE_LIB_LEARNING_FORWARD_DECAY_H_
#define ATTUNE_LIB_LEARNING_FORWARD_DECAY_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "lib/base/codec.h"

namespace attune::learning {

// The time that an event is taken to have happened at: when it says it did, but not after it was
// written. Who sends an event may have a wrong clock, and one far in the future would have all be
// forgotten; when it was written the log says. It is stored there, so a fold stays the same.
absl::Time TrustedTime(absl::Time time, absl::Time written);

// Forgetting by half-life, for sums of any number, without touching them: forward decay (Cormode,
// Shkapenyuk, Srivastava, Xu: Forward Decay, ICDE 2009). Sums are stored as they would be worth at
// a landmark in the past: what is added now is divided by scale(), and what is stored is worth
// scale() times as much now. Time is that of events, so that a fold gives the same whenever it is
// run. The clock goes as far as an event tells it to: REQUIRES that none tells a time later than
// the log knows to be true, see TrustedTime. Not thread-safe.
class ForwardDecay {
 public:
  // Zero and less: nothing is ever forgotten.
  explicit ForwardDecay(absl::Duration half_life);

  // Moves the clock on to the time of an event; one in the past leaves it where it is. Returns what
  // all stored sums are to be multiplied with: nearly always 1, else a power of two, so that no bit
  // is lost but of what is too little for a double; 0 if nothing is left.
  [[nodiscard]] double AdvanceTo(absl::Time time);

  // What a sum that is stored as 1 is worth now, above 0 and at most 1.
  double scale() const { return scale_; }
  // What an event of that time is worth now, at most 1.
  double WeightOf(absl::Time time) const;

  // The latest time of an event, to the microsecond; -infinity before there was one.
  absl::Time now() const;

  // What sums of each are to be multiplied with before they can be added.
  struct Factors {
    double mine = 1;
    double theirs = 1;
  };
  // Goes on with the later of both clocks. REQUIRES: the half-lives are equal.
  Factors Merge(const ForwardDecay& other);

  int64_t half_life_us() const { return half_life_us_; }

  // As bytes: zigzag(half-life in µs) started(1 byte) zigzag(now in µs) zigzag(landmark, in
  // half-lives).
  void Encode(std::string& out) const;
  // DATA_LOSS: these are not such bytes.
  static absl::StatusOr<ForwardDecay> Decode(ByteReader& reader);

 private:
  // Half-lives between the landmark and now: 2 to this power is far from what a double can hold.
  static constexpr int64_t kMaxHalfLives = 64;

  void UpdateScale();
  double HalfLivesBefore(int64_t time_us) const;

  int64_t half_life_us_;  // 0: nothing is forgotten
  bool started_ = false;
  int64_t now_us_ = 0;
  int64_t landmark_ = 0;  // in half-lives since 1970
  double scale_ = 1;
};

}  // namespace attune::learning

#endif  // ATTUNE_LIB_LEARNING_FORWARD_DECAY_H_
