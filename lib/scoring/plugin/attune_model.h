#ifndef ATTUNE_LIB_SCORING_PLUGIN_ATTUNE_MODEL_H_
#define ATTUNE_LIB_SCORING_PLUGIN_ATTUNE_MODEL_H_

/* The interface between Attune and a model in a shared library, in plain C: a library may be
 * written in whatever language makes such functions. This header is all that it needs.
 *
 * The library exports one function, ATTUNE_MODEL_SYMBOL. The server loads the library when it loads
 * a strategy that names it, creates one model for each place that names it, and asks the models in
 * every decision. A library is code that runs in the server: a crash of it is a crash of the
 * server, and the time that it takes is time that the caller waits. No exception may leave its
 * functions.
 *
 * tests/plugins/example_plugin.c is a whole one. */

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The version of this interface. A server loads libraries of its own version only. It changes when
 * the meaning or the layout of anything here changes. */
#define ATTUNE_MODEL_ABI_VERSION 1u

/* The name of the function that a library exports. */
#define ATTUNE_MODEL_SYMBOL "attune_model_plugin_get"

#if defined(__GNUC__)
#define ATTUNE_MODEL_EXPORT __attribute__((visibility("default")))
#else
#define ATTUNE_MODEL_EXPORT
#endif

/* A model; what is in it is the library's business. */
typedef struct attune_model attune_model;

/* What a library can do. Every pointer is required. The struct and what it points to must stay as
 * they are while the library is loaded. */
typedef struct attune_model_plugin {
  /* ATTUNE_MODEL_ABI_VERSION. The first member in every version of this interface. */
  uint32_t abi_version;

  /* Makes a model. `config` is what the strategy says, `config_bytes` long and followed by a NUL;
   * it may be empty. `feature_names` are the names of the `columns` columns that predict will get.
   * All of that is valid during the call only. NULL: it can't be made; then `error` has a sentence
   * that says why, in UTF-8 and ended by a NUL, at most `error_bytes` long with it. Called on one
   * thread at a time, when a strategy is loaded or checked; not called again for the same config
   * and names while the model is in use: models of strategies that agree in these share it. */
  attune_model* (*create)(const char* config, size_t config_bytes, const char* const* feature_names,
                          size_t columns, char* error, size_t error_bytes);

  /* Predicts for `rows` treatments. `features` has `columns` numbers for each, row after row; NaN
   * is a missing value. Writes one number per row to `propensity`: the probability of the good
   * outcome, 0 to 1; NaN, which is there at first, when there is none for this row. `deviation`,
   * unless it is NULL, has one place per row for the standard deviation of the propensity; all of
   * them are negative at first, which means that it is not known. Returns 0, or any other number
   * when it failed: then `error` is as in create, for the log, and the numbers are not looked at.
   *
   * Called from many threads at once for one model: it must not change the model without a lock of
   * its own, should not wait for anything, and should allocate nothing. */
  int (*predict)(const attune_model* model, const double* features, size_t rows, size_t columns,
                 double* propensity, double* deviation, char* error, size_t error_bytes);

  /* Frees a model, once nobody predicts with it any more. On any thread. */
  void (*destroy)(attune_model* model);
} attune_model_plugin;

/* What ATTUNE_MODEL_SYMBOL names; never returns NULL. May be called more than once. */
ATTUNE_MODEL_EXPORT const attune_model_plugin* attune_model_plugin_get(void);

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif  // ATTUNE_LIB_SCORING_PLUGIN_ATTUNE_MODEL_H_
