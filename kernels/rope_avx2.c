/*
 * rope_ref.h, vectorised by the compiler.
 */
#include "kernels/avx2.h" /* first: its e^x becomes that of _ref.h */

#include "kernels/cpu.h"
#include "kernels/rope_ref.h"

const struct rope_rows rope_rows_avx2 = {rope_forward, rope_backward};
