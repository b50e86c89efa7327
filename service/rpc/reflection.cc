#include "service/rpc/reflection.h"

#include <set>

#include "google/protobuf/descriptor.pb.h"

namespace attune::rpc {
namespace {

namespace protobuf = google::protobuf;
using grpc::reflection::v1alpha::ExtensionRequest;
using grpc::reflection::v1alpha::ServerReflectionRequest;
using grpc::reflection::v1alpha::ServerReflectionResponse;

void AddError(absl::StatusCode code, const char* message, ServerReflectionResponse& response) {
  response.mutable_error_response()->set_error_code(static_cast<int>(code));
  response.mutable_error_response()->set_error_message(message);
}

void AddFile(const protobuf::FileDescriptor& file, std::set<const protobuf::FileDescriptor*>& added,
             ServerReflectionResponse& response) {
  if (!added.insert(&file).second) return;
  protobuf::FileDescriptorProto proto;
  file.CopyTo(&proto);
  response.mutable_file_descriptor_response()->add_file_descriptor_proto(proto.SerializeAsString());
  for (int i = 0; i < file.dependency_count(); ++i) AddFile(*file.dependency(i), added, response);
}

void AddFileOrError(const protobuf::FileDescriptor* file, ServerReflectionResponse& response) {
  if (file == nullptr) {
    AddError(absl::StatusCode::kNotFound, "the server does not know it", response);
    return;
  }
  std::set<const protobuf::FileDescriptor*> added;
  AddFile(*file, added, response);
}

const protobuf::FileDescriptor* FindFileOfExtension(const protobuf::DescriptorPool& pool,
                                                    const ExtensionRequest& request) {
  const protobuf::Descriptor* type = pool.FindMessageTypeByName(request.containing_type());
  if (type == nullptr) return nullptr;
  const protobuf::FieldDescriptor* field =
      pool.FindExtensionByNumber(type, request.extension_number());
  return field == nullptr ? nullptr : field->file();
}

void AddExtensionNumbers(const protobuf::DescriptorPool& pool, const std::string& type_name,
                         ServerReflectionResponse& response) {
  const protobuf::Descriptor* type = pool.FindMessageTypeByName(type_name);
  if (type == nullptr) {
    AddError(absl::StatusCode::kNotFound, "the server does not know it", response);
    return;
  }
  std::vector<const protobuf::FieldDescriptor*> extensions;
  pool.FindAllExtensions(type, &extensions);
  auto& answer = *response.mutable_all_extension_numbers_response();
  answer.set_base_type_name(type_name);
  for (const protobuf::FieldDescriptor* field : extensions)
    answer.add_extension_number(field->number());
}

}  // namespace

void AnswerReflection(const protobuf::DescriptorPool& pool,
                      const std::vector<std::string>& services,
                      const ServerReflectionRequest& request, ServerReflectionResponse& response) {
  response.set_valid_host(request.host());
  *response.mutable_original_request() = request;
  switch (request.message_request_case()) {
    case ServerReflectionRequest::kFileByFilename:
      AddFileOrError(pool.FindFileByName(request.file_by_filename()), response);
      break;
    case ServerReflectionRequest::kFileContainingSymbol:
      AddFileOrError(pool.FindFileContainingSymbol(request.file_containing_symbol()), response);
      break;
    case ServerReflectionRequest::kFileContainingExtension:
      AddFileOrError(FindFileOfExtension(pool, request.file_containing_extension()), response);
      break;
    case ServerReflectionRequest::kAllExtensionNumbersOfType:
      AddExtensionNumbers(pool, request.all_extension_numbers_of_type(), response);
      break;
    case ServerReflectionRequest::kListServices:
      for (const std::string& service : services) {
        response.mutable_list_services_response()->add_service()->set_name(service);
      }
      break;
    default:
      AddError(absl::StatusCode::kInvalidArgument, "no question is set", response);
  }
}

}  // namespace attune::rpc
