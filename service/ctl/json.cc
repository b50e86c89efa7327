#include "service/ctl/json.h"

#include <cstdint>
#include <memory>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"
#include "google/protobuf/util/json_util.h"
#include "google/protobuf/util/type_resolver_util.h"

namespace attune::ctl {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;

constexpr char kTypePrefix[] = "type.googleapis.com";
// Up to here every integer is a double, which is what most readers make of a number.
constexpr int64_t kMaxExactInteger = int64_t{1} << 53;

void UseNumbers(const Descriptor& type, Json& object);

// Turns integers that were written as strings into numbers, in one value of the field.
void UseNumbers(const FieldDescriptor& field, Json& value) {
  const bool is_wide = field.cpp_type() == FieldDescriptor::CPPTYPE_INT64 ||
                       field.cpp_type() == FieldDescriptor::CPPTYPE_UINT64;
  int64_t number = 0;
  if (is_wide && value.is_string() &&
      absl::SimpleAtoi(value.get_ref<const std::string&>(), &number) &&
      number >= -kMaxExactInteger && number <= kMaxExactInteger) {
    value = number;
  } else if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE && value.is_object()) {
    UseNumbers(*field.message_type(), value);
  }
}

void UseNumbers(const Descriptor& type, Json& object) {
  for (auto& entry : object.items()) {
    const FieldDescriptor* field = type.FindFieldByName(entry.key());
    if (field == nullptr) continue;
    if (!field->is_repeated()) {
      UseNumbers(*field, entry.value());
      continue;
    }
    const FieldDescriptor& element = field->is_map() ? *field->message_type()->map_value() : *field;
    for (Json& value : entry.value()) UseNumbers(element, value);
  }
}

}  // namespace

void WriteJson(std::ostream& out, const Json& json) {
  out << json.dump(2, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace) << "\n";
}

void WriteJson(std::ostream& out, const google::protobuf::Message& message) {
  // MessageToJsonString() would do, were it not for the random order of its maps.
  std::string binary;
  {
    google::protobuf::io::StringOutputStream stream(&binary);
    google::protobuf::io::CodedOutputStream coded(&stream);
    coded.SetSerializationDeterministic(true);
    message.SerializeToCodedStream(&coded);
  }
  google::protobuf::util::JsonPrintOptions options;
  options.always_print_primitive_fields = true;
  options.preserve_proto_field_names = true;
  const std::unique_ptr<google::protobuf::util::TypeResolver> types(
      google::protobuf::util::NewTypeResolverForDescriptorPool(
          kTypePrefix, message.GetDescriptor()->file()->pool()));
  std::string json;
  const auto status = google::protobuf::util::BinaryToJsonString(
      types.get(), absl::StrCat(kTypePrefix, "/", message.GetDescriptor()->full_name()), binary,
      &json, options);
  if (!status.ok()) {
    WriteJson(out, Json{{"error", {{"code", "LOCAL"}, {"message", status.ToString()}}}});
    return;
  }
  Json object = Json::parse(json);
  UseNumbers(*message.GetDescriptor(), object);
  WriteJson(out, object);
}

}  // namespace attune::ctl
