#include <x265.h>

/* The library decorates this name with its build number by a macro, which Swift cannot follow. */
static inline x265_encoder *cx265_encoder_open(x265_param *parameters) {
  return x265_encoder_open(parameters);
}
