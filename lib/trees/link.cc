#include "lib/trees/link.h"

#include <algorithm>
#include <cmath>
#include <iterator>

namespace attune::trees {
namespace {

// XGBoost's, of src/common/math.h: the bound keeps exp() finite.
float Sigmoid(float x) { return 1.0F / (std::exp(std::min(-x, 88.7F)) + 1.0F + 1e-16F); }

void SoftmaxOfFloats(absl::Span<double> scores) {
  const auto largest = static_cast<float>(*std::max_element(scores.begin(), scores.end()));
  double sum = 0;
  for (double& score : scores) {
    const float power = std::exp(static_cast<float>(score) - largest);
    score = power;
    sum += power;
  }
  for (double& score : scores) score = static_cast<float>(score) / static_cast<float>(sum);
}

void Softmax(absl::Span<double> scores) {
  const double largest = *std::max_element(scores.begin(), scores.end());
  double sum = 0;
  for (double& score : scores) sum += score = std::exp(score - largest);
  for (double& score : scores) score /= sum;
}

// XGBoost's SoftPlus().
float Softplus(float x) { return x > 0 ? x + std::log1p(std::exp(-x)) : std::log1p(std::exp(x)); }

// Only XGBoost has it.
void Rise(absl::Span<double> scores) {
  auto score = static_cast<float>(scores[0]);
  for (size_t i = 1; i < scores.size(); ++i) {
    score += kLeastRise + Softplus(static_cast<float>(scores[i]));
    scores[i] = score;
  }
}

double ElementOfFloats(Link link, float score) {
  switch (link) {
    case Link::kSigmoid:
      return Sigmoid(score);
    case Link::kExp:
      return std::exp(score);
    case Link::kHinge:
      return score > 0 ? 1 : 0;
    default:
      return score;
  }
}

double Element(Link link, double sigmoid, double score) {
  switch (link) {
    case Link::kSigmoid:
      return 1.0 / (1.0 + std::exp(-sigmoid * score));
    case Link::kExp:
      return std::exp(score);
    case Link::kSoftplus:
      return std::log1p(std::exp(score));
    case Link::kSignedSquare:
      return score < 0 ? -(score * score) : score * score;
    default:
      return score;
  }
}

}  // namespace

void ApplyLink(Link link, Arithmetic arithmetic, double sigmoid, absl::Span<double> scores) {
  const bool is_float = arithmetic == Arithmetic::kFloat;
  switch (link) {
    case Link::kIdentity:
      return;
    case Link::kSoftmax:
      return is_float ? SoftmaxOfFloats(scores) : Softmax(scores);
    case Link::kSorted:
      std::sort(scores.begin(), scores.end());
      return;
    case Link::kRising:
      return Rise(scores);
    case Link::kArgmax:
      scores[0] = static_cast<double>(
          std::distance(scores.begin(), std::max_element(scores.begin(), scores.end())));
      return;
    default:
      for (double& score : scores) {
        score = is_float ? ElementOfFloats(link, static_cast<float>(score))
                         : Element(link, sigmoid, score);
      }
  }
}

std::string_view LinkName(Link link) {
  switch (link) {
    case Link::kIdentity:
      return "identity";
    case Link::kSigmoid:
      return "logit";
    case Link::kExp:
      return "log";
    case Link::kSoftmax:
      return "softmax";
    case Link::kArgmax:
      return "argmax";
    case Link::kHinge:
      return "hinge";
    case Link::kSoftplus:
      return "softplus";
    case Link::kSignedSquare:
      return "signed_square";
    case Link::kSorted:
      return "sorted";
    case Link::kRising:
      return "rising";
  }
  return "";
}

}  // namespace attune::trees
