/*
 * norm_ref.h, vectorised by the compiler.
 */
#include "kernels/avx2.h" /* first: its e^x becomes that of _ref.h */

#include "kernels/cpu.h"
#include "kernels/norm_ref.h"

const struct norm_rows norm_rows_avx2 = {
    rmsnorm_forward,
    rmsnorm_backward,
    layernorm_forward,
    layernorm_backward,
};
