#ifndef ATTUNE_SERVICE_CTL_ROW_WRITER_H_
#define ATTUNE_SERVICE_CTL_ROW_WRITER_H_

#include <cstddef>
#include <string>

#include "service/ctl/csv_reader.h"

namespace attune::ctl {

// Turns rows of a CSV file into the serialised messages of one streaming call. Not thread-safe.
class RowWriter {
 public:
  virtual ~RowWriter() = default;

  // How many columns the file has, and which of them names the customer.
  virtual size_t column_count() const = 0;
  virtual size_t id_column() const = 0;
  // Whether rows of one customer must be stored in the order of the file.
  virtual bool in_order() const = 0;

  // Reads the row. Returns why it can't be imported; empty when it can, and then row_bytes() is
  // what it adds to a message. REQUIRES: the row has no problem and column_count() fields.
  virtual std::string Read(const CsvRow& row) = 0;
  virtual size_t row_bytes() const = 0;
  // Puts the row that was read behind the others of the message. One that is not finished is
  // forgotten with the next Read().
  virtual void FinishRow() = 0;

  // Rows and bytes of the message so far; the size of a message without rows.
  virtual size_t rows() const = 0;
  virtual size_t message_bytes() const = 0;
  virtual size_t header_bytes() const = 0;
  // The message; the next row begins another.
  virtual std::string TakeMessage() = 0;
};

}  // namespace attune::ctl

#endif  // ATTUNE_SERVICE_CTL_ROW_WRITER_H_
