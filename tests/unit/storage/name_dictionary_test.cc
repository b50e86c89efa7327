#include "lib/storage/name_dictionary.h"

#include <string>

#include "attune/storage/v1/names.pb.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/storage/store_fixture.h"

namespace attune::storage {
namespace {

using ::testing::ElementsAre;

using NameDictionaryTest = StoreFixture;

TEST_F(NameDictionaryTest, IsEmptyInANewStore) {
  absl::StatusOr<NameDictionary> dictionary = NameDictionary::Load(*store_);
  ASSERT_TRUE(dictionary.ok()) << dictionary.status();
  EXPECT_TRUE(dictionary->Names(NameKind::kFeature).empty());
  EXPECT_EQ(dictionary->NameOf(NameKind::kFeature, 0), "");
}

TEST_F(NameDictionaryTest, GivesEveryNameOneNumberForGood) {
  NameDictionary dictionary = *NameDictionary::Load(*store_);
  EXPECT_EQ(*dictionary.Intern(NameKind::kFeature, "age"), 0u);
  EXPECT_EQ(*dictionary.Intern(NameKind::kFeature, "tenure"), 1u);
  EXPECT_EQ(*dictionary.Intern(NameKind::kFeature, "age"), 0u);
  EXPECT_EQ(*dictionary.Intern(NameKind::kTreatment, "tenure"), 0u);
  ASSERT_TRUE(dictionary.Save(*store_).ok());

  Reopen();
  absl::StatusOr<NameDictionary> loaded = NameDictionary::Load(*store_);
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_THAT(loaded->Names(NameKind::kFeature), ElementsAre("age", "tenure"));
  EXPECT_EQ(loaded->NameOf(NameKind::kFeature, 1), "tenure");
  EXPECT_EQ(loaded->NameOf(NameKind::kTreatment, 0), "tenure");
  EXPECT_EQ(loaded->Find(NameKind::kFeature, "tenure"), 1u);
  EXPECT_EQ(loaded->Find(NameKind::kTreatment, "age"), std::nullopt) << "of another kind";
  EXPECT_EQ(*loaded->Intern(NameKind::kFeature, "new"), 2u);
  EXPECT_EQ(*loaded->Intern(NameKind::kFeature, "tenure"), 1u);
}

TEST_F(NameDictionaryTest, IsWrittenOnlyWhenItChanged) {
  NameDictionary dictionary = *NameDictionary::Load(*store_);
  ASSERT_TRUE(dictionary.Save(*store_).ok());
  EXPECT_FALSE(store_->GetBlob("name_dictionary")->has_value());
  ASSERT_TRUE(dictionary.Intern(NameKind::kGroup, "care").ok());
  ASSERT_TRUE(dictionary.Save(*store_).ok());
  ASSERT_TRUE(store_->PutBlob("name_dictionary", "").ok());
  ASSERT_TRUE(dictionary.Save(*store_).ok());
  EXPECT_EQ(*store_->GetBlob("name_dictionary"), "");
}

TEST_F(NameDictionaryTest, ReportsWhatItCanNotRead) {
  ASSERT_TRUE(store_->PutBlob("name_dictionary", "\xFF\xFF garbage").ok());
  EXPECT_TRUE(absl::IsDataLoss(NameDictionary::Load(*store_).status()));

  v1::NameDictionary twice;
  v1::NameDictionary::Namespace& names = *twice.add_namespaces();
  names.set_kind("feature");
  names.add_names("age");
  names.add_names("age");
  ASSERT_TRUE(store_->PutBlob("name_dictionary", twice.SerializeAsString()).ok());
  EXPECT_TRUE(absl::IsDataLoss(NameDictionary::Load(*store_).status()));

  v1::NameDictionary later;
  later.add_namespaces()->set_kind("audience");
  ASSERT_TRUE(store_->PutBlob("name_dictionary", later.SerializeAsString()).ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(NameDictionary::Load(*store_).status()));
}

}  // namespace
}  // namespace attune::storage
