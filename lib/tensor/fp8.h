/*
 * Eight-bit weights of a checkpoint and their scales, as bf16.
 *
 * "NAME.weight" of type F8_E4M3 or F8_E5M2 may have "NAME.weight_scale" or
 * "NAME.weight_scale_inv" beside it: in both conventions the weight is the
 * eight-bit value times the scale.  A scale is one number for the tensor,
 * one a row, or one for each block of rows and columns.
 *
 * What is rounded: a value without a scale, or with one that is a power of
 * two, is a bf16 exactly.  Else the product, which is exact in f32 up to its
 * 24 bits, is rounded once, to the nearest bf16.
 *
 * Read next: arena.h.
 */
#ifndef MEDVL_TENSOR_FP8_H
#define MEDVL_TENSOR_FP8_H

#include "lib/tensor/safetensors.h"

#define MEDVL_FP8_BLOCK 128 /* where config.json says no other */

struct medvl_fp8 {
    const struct medvl_tensor *weight, *scale; /* scale NULL: none */
    int64_t rows, columns;                     /* that one scale is for */
    int64_t across;                            /* scales in a row of them */
};

bool medvl_fp8_is(const struct medvl_tensor *tensor);

/*
 * Is `name` in the file a scale, of a weight or of the values that it
 * meets ("NAME.input_scale"), beside an eight-bit "NAME.weight"?
 */
bool medvl_fp8_is_scale(const struct medvl_safetensors *file,
                        const char *name);

/*
 * The eight-bit tensor `name` and its scale.  MEDVL_EFORMAT when the scale
 * has neither one item, nor one a row, nor one a block of `block` rows and
 * columns (quantization_config.weight_block_size).
 */
int medvl_fp8_find(struct medvl_fp8 *out,
                   const struct medvl_safetensors *file, const char *name,
                   const int64_t block[2],
                   struct medvl_error *err) MEDVL_MUST_CHECK;

/* Items [first, first + count) as bf16. */
void medvl_fp8_read(const struct medvl_fp8 *fp8, int64_t first,
                    int64_t count, uint16_t *out);

#endif
