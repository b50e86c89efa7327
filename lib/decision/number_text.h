#ifndef ATTUNE_LIB_DECISION_NUMBER_TEXT_H_
#define ATTUNE_LIB_DECISION_NUMBER_TEXT_H_

#include <string>

#include "lib/base/text_buffer.h"

namespace attune::decision {

// Numbers as explanations print them, in a fraction of the time that printf takes: a decision drops
// many treatments.

// As printf's %.4g: "17.67", "0.01799", "1.234e+05".
std::string FourDigits(double number);
// Appends the same.
void AppendFourDigits(double number, TextBuffer& text);

// With its sign: "+0.80", and "+0.0021" or "+3.1e+20" where two decimals would say nothing.
std::string Amount(double amount);

}  // namespace attune::decision

#endif  // ATTUNE_LIB_DECISION_NUMBER_TEXT_H_
