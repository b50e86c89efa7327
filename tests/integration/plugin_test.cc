// A strategy whose model is a shared library.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "absl/strings/str_cat.h"
#include "tests/integration/server_fixture.h"
#include "tests/integration/subprocess.h"
#include "tests/testing/paths.h"

namespace attune::service {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr char kPluginStrategy[] = R"yaml(name: own
features:
  - {name: tenure, type: int}
channels: [{name: app}]
groups: [{name: offer}]
models:
  - name: own
    plugin: {file: PLUGIN, config: "0.5", inputs: [{feature: tenure, input: customer.tenure}]}
treatments:
  - {name: plan, group: offer, model: own, value: 10, content: {app: {text: A plan.}}}
)yaml";

class PluginServerTest : public ServerTest {
 protected:
  // The strategy with this plugin beside it.
  std::string Write(const std::string& plugin) {
    std::filesystem::copy_file(testing::BuildPath("plugins/" + plugin), dir_.path() + "/" + plugin,
                               std::filesystem::copy_options::overwrite_existing);
    return WriteStrategy(dir_.path(), Replaced(kPluginStrategy, "PLUGIN", plugin));
  }
};

TEST_F(PluginServerTest, DecidesByThePlugin) {
  Write("example_plugin.so");
  Start();
  Upsert("ann", {{"tenure", Int(2)}});
  v1::DecideRequest request = DecideFor("ann", "app");
  request.set_explain(true);
  const v1::DecideResponse response = Decide(request);
  ASSERT_EQ(response.treatments_size(), 1);
  // 1 / (1 + exp(-1)), from a table.
  EXPECT_NEAR(response.treatments(0).propensity(), 0.7310585786300049, 1e-12);
  EXPECT_THAT(response.treatments(0).reasons(), ElementsAre("plugin own answered 0.7311"));
}

TEST_F(PluginServerTest, AnotherVersionOfTheInterfaceEndsTheStart) {
  const std::string path = Write("plugin_of_another_version.so");
  const RunResult check =
      RunProgram({OwnProgram("attuned"), "--validate_only", "--strategy", path});
  EXPECT_NE(check.status, 0);
  EXPECT_THAT(check.output, HasSubstr(absl::StrCat(path, ":8:20: error: the plugin ")));
  EXPECT_THAT(check.output, HasSubstr("made for version 2 of the interface of plugins"));
}

TEST_F(PluginServerTest, AFailureOfThePluginDropsItsTreatments) {
  Write("plugin_that_fails.so");
  Start();
  v1::DecideRequest request = DecideFor("ann", "app");
  request.set_explain(true);
  const v1::DecideResponse response = Decide(request);
  EXPECT_THAT(Rejections(response), ElementsAre("plan: scoring/model_failed"));
  EXPECT_THAT(response.degraded_reasons(), ElementsAre("model_failed"));
}

}  // namespace
}  // namespace attune::service
