/*
 * The number type of the _ref.h loops: float in the kernels, double in the
 * gradient tests (REAL_DOUBLE).
 *
 * Read next: norm_ref.h.
 */
#ifndef MEDVL_KERNELS_REAL_H
#define MEDVL_KERNELS_REAL_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

#include "kernels/ops.h"

#ifdef REAL_DOUBLE
#define real      double
#define real_exp  exp
#define real_log  log
#define real_sqrt sqrt
#define real_erf  erf
#else
#define real      float
#define real_log  logf
#define real_sqrt sqrtf
#ifdef MEDVL_KERNELS_AVX2_H /* avx2.h has versions that vectorise */
#define real_exp exp_avx2
#define real_erf erf_avx2
#else
#define real_exp expf
#define real_erf erff
#endif
#endif

#endif
