#include "service/score_parts_writer.h"

#include "attune/v1/decision_service.pb.h"
#include "lib/base/proto_wire.h"
#include "lib/base/text_buffer.h"

namespace attune::service {
namespace {

namespace pb = attune::v1;

// What the size of the parts of a score takes, most of the time.
constexpr size_t kPartsSizeBytes = 2;

void PutContribution(TextBuffer& bytes, const decision::ShownPart& part) {
  const OpenField open = BeginSizedField(bytes, pb::ScoreParts::kContributionsFieldNumber);
  PutSizedField(bytes, pb::Contribution::kInputFieldNumber, part.input);
  if (!part.value.empty()) PutSizedField(bytes, pb::Contribution::kValueFieldNumber, part.value);
  PutFixed64Field(bytes, pb::Contribution::kContributionFieldNumber, part.contribution);
  EndSizedField(bytes, open);
}

}  // namespace

void ScorePartsWriter::Append(const arbitration::RankedTreatment& ranked, std::string& out) {
  using Pb = pb::ScoreParts;
  if (!is_complete_) return;
  const scoring::ScoreParts* const parts = scores_.PartsOf(ranked);
  if (parts == nullptr) return;
  if (bytes_ > kMaxScorePartsBytes) {
    is_complete_ = false;
    return;
  }
  TextBuffer bytes(out);
  const size_t start = bytes.size();
  const OpenField open =
      BeginSizedField(bytes, pb::RankedTreatment::kScorePartsFieldNumber, kPartsSizeBytes);
  PutFixed64Field(bytes, Pb::kBaseFieldNumber, parts->base);
  PutFixed64Field(bytes, Pb::kScoreFieldNumber, parts->score);
  PutSizedField(bytes, Pb::kLinkFieldNumber, parts->link);
  scores_.ForEachPart(ranked, *parts,
                      [&](const decision::ShownPart& part) { PutContribution(bytes, part); });
  EndSizedField(bytes, open);
  bytes_ += bytes.size() - start;
}

}  // namespace attune::service
