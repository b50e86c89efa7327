#ifndef ATTUNE_LIB_CUSTOMER_DECISION_ID_H_
#define ATTUNE_LIB_CUSTOMER_DECISION_ID_H_

#include <array>
#include <cstdint>
#include <optional>

#include "lib/base/hash.h"
#include "lib/storage/state_store.h"

namespace attune::customer {

// Identifies a decision to whoever reports what came of it, and leads to its customer:
//
//   id    := tag(8 bytes, little-endian) sealed(16 bytes)
//   tag   := check(its upper 16 bits) number(its lower 48 bits)
//   check := 16 bits of a keyed hash of the customer's key and the number
//   sealed := the customer's key XOR a keyed 128-bit hash of the tag
//
// Who has the key of the hashes finds the customer without an index, and tells an id that was made
// here from one that was made up (but for one in 65,536). Nobody else learns anything from it, not
// even whether two decisions were made for one customer.
using DecisionId = std::array<uint8_t, 24>;

// What an id says.
struct DecisionIdParts {
  storage::CustomerKey customer{};
  // Tells the decisions of a customer apart.
  uint64_t tag = 0;

  friend bool operator==(const DecisionIdParts&, const DecisionIdParts&) = default;
};

// Makes and reads ids of decisions. Immutable, thread-safe; allocates nothing.
class DecisionIds {
 public:
  // `seed` is the server's seed: the same for as long as ids are to be read.
  explicit DecisionIds(const HashKey& seed);

  // The id of the customer's decision with this number, of which the lower 48 bits count.
  DecisionId Make(const storage::CustomerKey& customer, uint64_t number) const;

  // What the id says; nullopt: it was not made with this seed.
  std::optional<DecisionIdParts> Read(const DecisionId& id) const;

  // The tag of an id, whoever made it.
  static uint64_t TagOf(const DecisionId& id);

 private:
  uint64_t CheckOf(const storage::CustomerKey& customer, uint64_t number) const;
  // Seals the customer's key, or opens what was sealed.
  void Seal(uint64_t tag, storage::CustomerKey& key) const;

  const HashKey check_key_;
  const HashKey seal_key_;
};

}  // namespace attune::customer

#endif  // ATTUNE_LIB_CUSTOMER_DECISION_ID_H_
