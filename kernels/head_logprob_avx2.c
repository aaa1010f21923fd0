/*
 * head_logprob_ref.h, vectorised by the compiler.
 */
#include "kernels/avx2.h" /* first: its e^x becomes that of _ref.h */

#include "kernels/cpu.h"
#include "kernels/head_logprob_ref.h"

const struct head_rows head_rows_avx2 = {head_forward, head_backward};
