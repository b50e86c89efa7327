#include "tests/load/request_mix.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "attune/v1/decision_service.pb.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"

namespace attune::load {
namespace {

// splitmix64 (Steele, Lea, Flood 2014).
uint64_t NextRandom(uint64_t& state) {
  uint64_t z = state += 0x9E3779B97F4A7C15ull;
  z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9ull;
  z = (z ^ z >> 27) * 0x94D049BB133111EBull;
  return z ^ z >> 31;
}

const std::string& Draw(const std::vector<std::string>& from, uint64_t& state) {
  return from[NextRandom(state) % from.size()];
}

// Maps in the order of their keys: the usual way has another order in every process.
std::string SerializeDeterministically(const attune::v1::DecideRequest& request) {
  std::string bytes;
  {
    google::protobuf::io::StringOutputStream stream(&bytes);
    google::protobuf::io::CodedOutputStream coded(&stream);
    coded.SetSerializationDeterministic(true);
    request.SerializeToCodedStream(&coded);
  }  // only now are the bytes complete
  return bytes;
}

}  // namespace

std::optional<std::vector<std::string>> MakeRequests(const RequestMixOptions& options) {
  attune::v1::DecideRequest request;
  for (const std::string& attribute : options.attributes) {
    const size_t equals = attribute.find('=');
    if (equals == 0 || equals == std::string::npos) return std::nullopt;
    attune::v1::Value& value = (*request.mutable_attributes())[attribute.substr(0, equals)];
    const std::string text = attribute.substr(equals + 1);
    double number = 0;
    if (absl::SimpleAtod(text, &number)) {
      value.set_double_value(number);
    } else {
      value.set_string_value(text);
    }
  }
  request.set_dry_run(options.dry_run);
  request.set_explain(options.explain);
  std::vector<std::string> requests;
  requests.reserve(static_cast<size_t>(options.count));
  uint64_t state = options.seed;
  for (int i = 0; i < options.count; ++i) {
    const auto customer =
        1 + static_cast<int>(NextRandom(state) % static_cast<uint64_t>(options.customers));
    request.set_customer_id(absl::StrFormat("C%07d", customer));
    request.set_channel(Draw(options.channels, state));
    if (!options.intents.empty()) request.set_intent(Draw(options.intents, state));
    requests.push_back(SerializeDeterministically(request));
  }
  return requests;
}

}  // namespace attune::load
