/* An example of a plugin: a logistic model. Its config has one weight per column, separated by
 * spaces, then the standard deviation that it claims, which may be left out:
 *
 *   0.02 -0.5 0.1
 *
 * A missing value adds nothing. Everything that a plugin needs is in attune_model.h. */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/scoring/plugin/attune_model.h"

struct attune_model {
  size_t columns;
  double deviation; /* negative: not known */
  double weights[]; /* one per column */
};

static attune_model* Create(const char* config, size_t config_bytes,
                            const char* const* feature_names, size_t columns, char* error,
                            size_t error_bytes) {
  (void)config_bytes;
  attune_model* model = malloc(sizeof *model + columns * sizeof model->weights[0]);
  if (model == NULL) {
    snprintf(error, error_bytes, "out of memory");
    return NULL;
  }
  model->columns = columns;
  model->deviation = -1;
  char* end = NULL;
  for (size_t i = 0; i < columns; ++i) {
    model->weights[i] = strtod(config, &end);
    if (end == config) {
      snprintf(error, error_bytes, "the config has no weight for %s", feature_names[i]);
      free(model);
      return NULL;
    }
    config = end;
  }
  const double deviation = strtod(config, &end);
  if (end != config) model->deviation = deviation;
  return model;
}

static int Predict(const attune_model* model, const double* features, size_t rows, size_t columns,
                   double* propensity, double* deviation, char* error, size_t error_bytes) {
  if (columns != model->columns) {
    snprintf(error, error_bytes, "%zu columns in place of %zu", columns, model->columns);
    return 1;
  }
  for (size_t row = 0; row < rows; ++row) {
    double sum = 0;
    for (size_t i = 0; i < columns; ++i) {
      const double value = features[row * columns + i];
      if (!isnan(value)) sum += model->weights[i] * value;
    }
    propensity[row] = 1 / (1 + exp(-sum));
    if (deviation != NULL) deviation[row] = model->deviation;
  }
  return 0;
}

static void Destroy(attune_model* model) { free(model); }

const attune_model_plugin* attune_model_plugin_get(void) {
  static const attune_model_plugin plugin = {ATTUNE_MODEL_ABI_VERSION, Create, Predict, Destroy};
  return &plugin;
}
