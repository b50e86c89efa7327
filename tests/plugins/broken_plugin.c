/* Plugins with a fault each, compiled once per fault: FAULT_VERSION, FAULT_NO_SYMBOL,
 * FAULT_NO_PREDICT, FAULT_NULL, FAULT_PREDICT, FAULT_NAN, FAULT_SILENT. */

#include <math.h>
#include <stdio.h>

#include "lib/scoring/plugin/attune_model.h"

#ifndef FAULT_NO_SYMBOL

struct attune_model {
  int unused;
};

static attune_model* Create(const char* config, size_t config_bytes,
                            const char* const* feature_names, size_t columns, char* error,
                            size_t error_bytes) {
  static attune_model model;
  (void)config, (void)config_bytes, (void)feature_names, (void)columns, (void)error,
      (void)error_bytes;
  return &model;
}

#ifndef FAULT_NO_PREDICT
static int Predict(const attune_model* model, const double* features, size_t rows, size_t columns,
                   double* propensity, double* deviation, char* error, size_t error_bytes) {
  (void)model, (void)features, (void)columns, (void)deviation;
#ifdef FAULT_SILENT
  rows = 0;
#endif
  for (size_t row = 0; row < rows; ++row) propensity[row] = row == 0 ? NAN : 0.5;
#ifdef FAULT_PREDICT
  snprintf(error, error_bytes, "the table is \x01 empty");
  return 7;
#else
  (void)error, (void)error_bytes;
  return 0;
#endif
}
#endif

static void Destroy(attune_model* model) { (void)model; }

const attune_model_plugin* attune_model_plugin_get(void) {
  static const attune_model_plugin plugin = {
#ifdef FAULT_VERSION
      ATTUNE_MODEL_ABI_VERSION + 1,
#else
      ATTUNE_MODEL_ABI_VERSION,
#endif
      Create,
#ifdef FAULT_NO_PREDICT
      NULL,
#else
      Predict,
#endif
      Destroy};
#ifdef FAULT_NULL
  (void)plugin;
  return NULL;
#else
  return &plugin;
#endif
}

#else

int nothing_that_anybody_looks_for = 0;

#endif
