#include "service/ctl/health_table.h"

#include <string>

#include "gtest/gtest.h"
#include "tests/testing/strategy_builder.h"

namespace attune::ctl {
namespace {

TEST(HealthTables, TellWhatIsKnown) {
  const auto health = testing::FromText<v1::ModelServiceGetHealthResponse>(R"pb(
    name: "acceptance"
    version: "acceptance@0123456789ab"
    mode: "online"
    examples: 1200
    own {
      responses: 1200
      positives: 300
      last_update { seconds: 1772323200 }
      recent: 1000
      log_loss: 0.51234
      constant_log_loss: 0.5623
      auc: 0.7
      calibration { responses: 500 expected: 0.2 observed: 0.25 }
      calibration {}
    }
    served { responses: 1200 positives: 300 recent: 1000 log_loss: 0.6 constant_log_loss: 0.5623 }
    drift { input: "customer.plan" index: 0.3 }
    drift { input: "customer.age" }
    rates {
      treatment_id: "gift"
      channel: "web"
      shown: 1200
      positives: 300
      rate: 0.25
      low: 0.2263
      high: 0.2753
      mean_reward: 1.5
    }
    lag { seconds: 2 nanos: 500000000 }
    lag_positions: 1234
    waiting: 12345
  )pb");
  EXPECT_EQ(HealthTables(health),
            "adaptive model acceptance@0123456789ab, online: 1,200 responses learned, 12,345 "
            "treatments wait for outcomes\n"
            "It is 2.5 s behind the log, at most 1,234 events.\n"
            "\n"
            "                                own  served\n"
            "responses                     1,200   1,200\n"
            "positives                       300     300\n"
            "log-loss                     0.5123  0.6000\n"
            "of a constant                0.5623  0.5623\n"
            "AUC                          0.7000       -\n"
            "last update    2026-03-01T00:00:00Z       -\n"
            "\n"
            "Calibration\n"
            "responses  predicted    came\n"
            "      500     0.2000  0.2500\n"
            "\n"
            "input             PSI\n"
            "customer.plan  0.3000  much\n"
            "customer.age        -\n"
            "\n"
            "treatment  channel  shown  good    rate    from      to  reward\n"
            "gift       web      1,200   300  0.2500  0.2263  0.2753    1.50\n");
}

TEST(HealthTables, HaveTheTenBinsOfTheCalibration) {
  v1::ModelServiceGetHealthResponse health;
  for (int i = 1; i <= 10; ++i) {
    v1::CalibrationBin* bin = health.mutable_own()->add_calibration();
    bin->set_responses(1000 + i);
    bin->set_expected(i / 16.0);
    bin->set_observed(i / 32.0);
  }
  const std::string text = HealthTables(health);
  EXPECT_NE(text.find("Calibration\n"
                      "responses  predicted    came\n"
                      "     1001     0.0625  0.0312\n"
                      "     1002     0.1250  0.0625\n"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("     1010     0.6250  0.3125\n"), std::string::npos) << text;
}

TEST(RateTable, HasNothingOfNothing) { EXPECT_EQ(RateTable({}), ""); }

TEST(HealthTables, ALoggingModelHasNoPredictionsOfItsOwn) {
  v1::ModelServiceGetHealthResponse health;
  health.set_version("m@0123456789ab");
  health.set_mode("logging");
  health.mutable_served()->set_responses(7);
  const std::string text = HealthTables(health);
  EXPECT_EQ(text.find("own"), std::string::npos);
  EXPECT_NE(text.find("responses"), std::string::npos);
}

}  // namespace
}  // namespace attune::ctl
