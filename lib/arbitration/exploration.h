#ifndef ATTUNE_LIB_ARBITRATION_EXPLORATION_H_
#define ATTUNE_LIB_ARBITRATION_EXPLORATION_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"

namespace attune::arbitration {

// How treatments that compete for the top of a ranking get their chances. Of n arms with the scores
// s, the best of them s*:
//
//   kNone            p = 1 for the greedy choice.
//   kEpsilonGreedy   p = epsilon / n, and 1 - epsilon more for the greedy choice.
//   kSoftmax         p ~ exp(s / temperature).
//   kSquareCb        p = 1 / (n + gamma (s* - s)); the greedy choice has the rest. Inverse gap
//                    weighting: Abe and Long 1999; Foster and Rakhlin 2020 (arXiv:2002.04926).
//   kThompson        p = P(the arm is the best) when the scores are independent normal with the
//                    arms' deviations (Thompson 1933): the integral of
//                    phi_i(x) x product of Phi_j(x) over j != i, by Gauss-Legendre quadrature.
//
// Then the floor f: p becomes the nearest point, by the sum of squares, of the simplex with
// p >= f: p' = max(f, p - t) with the one t for which they add up to 1 (the projection onto the
// simplex, Michelot 1986, with f taken off first: Wang and Carreira-Perpinan 2013,
// arXiv:1309.1541). VowpalWabbit enforces its minimum probability in the same way, but divides it
// by n first. Where f >= 1 / n, every p is 1 / n.
//
// What is defined beyond that:
// - A floor of 0 changes nothing. One arm has p = 1.
// - Equal scores: kNone and kEpsilonGreedy favour the greedy choice, whose ties the caller has
//   broken; the other methods give equals (for kThompson: of equal deviation) equal chances.
// - A score of NaN or -infinity has p = 0 whatever the floor is, as long as there is another.
//   Arms of +infinity, where there are any, compete alone and as equals. Where there are only NaN
//   and -infinity they compete as equals.
// - A deviation that is not a finite number above 1e-200 counts as 0: the score is certain, and so
//   are those of kThompson's arms that are below 1e-9 of the range in which the best score can lie.
//   Of certain arms only the highest can be the best; those that share its score share its chance.
// - kThompson's chances are right to 1e-5. They take some 2 µs for each different pair of a score
//   and a deviation among the arms that can be the best; arms that are alike in both are integrated
//   together, the product having the power of their number.
struct Exploration {
  enum class Method { kNone, kEpsilonGreedy, kSoftmax, kSquareCb, kThompson };

  Method method = Method::kNone;
  double epsilon = 0;      // of kEpsilonGreedy: 0 … 1
  double temperature = 1;  // of kSoftmax: above 0, in the unit of the scores
  double gamma = 0;        // of kSquareCb: 0 or more, per unit of the scores
  // Of kThompson: how many showings each propensity counts as having been learned from, 1 or more.
  // What deviation that makes is arbitration's to know.
  double evidence = 1;
  double floor = 0;  // 0 … 1
};

// What competes for the top.
struct Arm {
  double score = 0;      // the priority
  double deviation = 0;  // standard deviation of the score; only kThompson looks at it
};

// Memory of SelectionProbabilities, reused from call to call.
struct ExplorationScratch {
  // An arm that has a chance at all.
  struct Player {
    size_t arm = 0;
    double score = 0;
    double deviation = 0;
    double probability = 0;
  };
  std::vector<Player> players;
  // Of kThompson: uncertain players that may be the best, those that are alike side by side.
  std::vector<size_t> close;
  // Those of `close` that have one score and one deviation.
  struct Alike {
    size_t begin = 0;  // in `close`
    size_t end = 0;
    double score = 0;
    double deviation = 0;
    double probability = 0;     // of each of them
    double reverse_hazard = 0;  // phi / Phi at one point
  };
  std::vector<Alike> alike;
};

// The chance of each arm, parallel to `arms`: 0 or more, together 1 within 1e-9. `greedy` is the
// greedy choice's index; where its score is not the highest, the first of the highest is taken.
// Allocates nothing once the memory is warm. REQUIRES: there is an arm, and `greedy` is one.
void SelectionProbabilities(const Exploration& exploration, absl::Span<const Arm> arms,
                            size_t greedy, ExplorationScratch& scratch,
                            std::vector<double>& probability);

// The index that `draw`, from [0, 1), falls on when the probabilities are laid one after the other.
// One with a probability of 0 is never picked. REQUIRES: one is above 0.
size_t Pick(absl::Span<const double> probability, double draw);

// Where on [0, 1) the decision with this id draws, in steps of 2^-53: a hash of the id and of
// nothing else, so that a pick can be checked by whoever has the event. Stable: never change it.
double DrawOf(absl::Span<const uint8_t> decision_id);

}  // namespace attune::arbitration

#endif  // ATTUNE_LIB_ARBITRATION_EXPLORATION_H_
