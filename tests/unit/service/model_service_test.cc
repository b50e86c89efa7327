#include "service/model_service.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/base/hash.h"
#include "tests/testing/fake_state_store.h"
#include "tests/unit/trees/model_texts.h"

namespace attune::service {
namespace {

namespace pb = attune::v1;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

class ModelServiceTest : public ::testing::Test {
 protected:
  ModelServiceTest()
      : registry_(registry::ModelRegistry::Load(&store_).value()),
        service_({.active = nullptr, .registry = registry_.get(), .clock = &clock_}) {}

  void Put(const std::string& name, const std::string& content, const std::string& kind) {
    registry::ModelVersion version;
    version.name = name;
    version.hash = ContentHash(content, 64);
    version.file = name + (kind == "trees" ? ".json" : ".yaml");
    version.kind = kind;
    version.bytes = content.size();
    ASSERT_TRUE(registry_->Put(version, content, {true, std::nullopt}).ok());
  }
  static pb::ModelServicePutModelRequest Header() {
    pb::ModelServicePutModelRequest message;
    message.mutable_header()->set_name("churn");
    message.mutable_header()->set_file("churn.json");
    message.mutable_header()->set_size_bytes(10);
    return message;
  }

  testing::FakeStateStore store_;
  ManualClock clock_{absl::FromUnixSeconds(1'772'323'200)};
  std::unique_ptr<registry::ModelRegistry> registry_;
  ModelService service_;
};

TEST_F(ModelServiceTest, ListsPageByPageNewestFirst) {
  for (int i = 0; i < 5; ++i) Put("churn", absl::StrCat("version ", i), "linear");
  Put("a_first", "x", "linear");
  std::vector<std::string> listed;
  pb::ModelServiceListModelsRequest request;
  request.set_page_size(2);
  int pages = 0;
  do {
    pb::ModelServiceListModelsResponse response;
    Violations violations;
    ASSERT_TRUE(service_.ListModels(request, &response, violations).ok());
    EXPECT_EQ(response.total_size(), 6);
    EXPECT_EQ(response.total_bytes(), 46);
    for (const pb::ModelVersion& model : response.models()) {
      listed.push_back(model.version() + (model.active() ? " active" : ""));
    }
    request.set_page_token(response.next_page_token());
    ++pages;
  } while (!request.page_token().empty());
  EXPECT_EQ(pages, 3);
  const auto version = [](const std::string& content) { return "churn@" + ContentHash(content); };
  EXPECT_THAT(listed,
              ElementsAre("a_first@" + ContentHash("x") + " active",
                          version("version 4") + " active", version("version 3"),
                          version("version 2"), version("version 1"), version("version 0")));
  request.set_page_token("nonsense");
  request.set_page_size(-1);
  pb::ModelServiceListModelsResponse response;
  Violations violations;
  EXPECT_FALSE(service_.ListModels(request, &response, violations).ok());
  EXPECT_EQ(violations.count(), 2u);
}

TEST_F(ModelServiceTest, TellsWhatIsInAModelOfTrees) {
  Put("churn", trees::XgboostText().ToString(), "trees");
  pb::ModelServiceGetModelRequest request;
  request.set_name("churn");
  pb::ModelServiceGetModelResponse response;
  Violations violations;
  const absl::Status status = service_.GetModel(request, &response, violations);
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(response.model().kind(), "trees");
  EXPECT_EQ(response.trees().library(), "XGBoost");
  EXPECT_EQ(response.trees().predictions(), 1);
  ASSERT_THAT(response.trees().features(), SizeIs(3));
  EXPECT_EQ(response.trees().features(0).name(), "f0");
}

TEST_F(ModelServiceTest, ADamagedModelIsDataLoss) {
  Put("churn", "linear: {}", "linear");
  store_.ChangeBlob("model/1", [](std::string& bytes) { bytes[0] = 'L'; });
  pb::ModelServiceGetModelRequest request;
  request.set_name("churn");
  pb::ModelServiceGetModelResponse response;
  Violations violations;
  EXPECT_TRUE(absl::IsDataLoss(service_.GetModel(request, &response, violations)));
}

TEST_F(ModelServiceTest, TakesFewUploadsAtATime) {
  Violations violations;
  auto first = std::make_unique<ModelService::Upload>(&service_);
  auto second = std::make_unique<ModelService::Upload>(&service_);
  EXPECT_TRUE(first->Add(Header(), violations).ok());
  EXPECT_TRUE(second->Add(Header(), violations).ok());
  {
    ModelService::Upload third(&service_);
    EXPECT_TRUE(absl::IsResourceExhausted(third.Add(Header(), violations)));
  }
  first.reset();
  ModelService::Upload third(&service_);
  EXPECT_TRUE(third.Add(Header(), violations).ok());
}

TEST_F(ModelServiceTest, RefusesHeadersThatAreWrong) {
  struct Case {
    const char* field;
    void (*change)(pb::ModelHeader&);
  };
  const Case cases[] = {
      {"name", [](pb::ModelHeader& header) { header.set_name("Churn"); }},
      {"file", [](pb::ModelHeader& header) { header.clear_file(); }},
      {"size_bytes", [](pb::ModelHeader& header) { header.set_size_bytes(0); }},
      {"size_bytes", [](pb::ModelHeader& header) { header.set_size_bytes((256 << 20) + 1); }},
      {"hash", [](pb::ModelHeader& header) { header.set_hash("abc"); }},
      {"by", [](pb::ModelHeader& header) { header.set_by(std::string(65, 'x')); }},
      {"comment", [](pb::ModelHeader& header) { header.set_comment("a\nb"); }},
  };
  for (const Case& c : cases) {
    pb::ModelServicePutModelRequest message = Header();
    c.change(*message.mutable_header());
    Violations violations;
    EXPECT_TRUE(absl::IsInvalidArgument(ModelService::Upload(&service_).Add(message, violations)));
    ASSERT_EQ(violations.count(), 1u) << c.field;
    EXPECT_EQ(violations.kept()[0].field, c.field);
  }
}

TEST_F(ModelServiceTest, RequestsNameAModel) {
  Violations violations;
  pb::ModelServiceActivateModelRequest request;
  request.set_name("churn");
  pb::ModelServiceActivateModelResponse response;
  EXPECT_FALSE(service_.ActivateModel(request, &response, violations).ok());
  ASSERT_EQ(violations.count(), 1u);
  EXPECT_EQ(violations.kept()[0].field, "hash");
  EXPECT_THAT(violations.kept()[0].description, HasSubstr("at least the first 12 digits"));
}

}  // namespace
}  // namespace attune::service
