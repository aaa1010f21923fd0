/*
 * elementwise_ref.h, vectorised by the compiler.
 */
#include "kernels/avx2.h" /* first: its e^x becomes that of _ref.h */

#include "kernels/cpu.h"
#include "kernels/elementwise_ref.h"

const struct elementwise_rows elementwise_rows_avx2 = {
    add,
    lerp,
    sum_squares,
    finite_row,
    dropout,
    adamw_step,
};
