/*
 * A view of an array: what every kernel sees.  It owns nothing.
 *
 * The last dimension is dense; a row is `size[rank - 1]` items, and rows
 * are `stride` items apart, so a column range of a wider array is a tensor
 * too.  Dimension letters are in README.md.
 *
 * Read next: device.h.
 */
#ifndef MEDVL_KERNELS_TENSOR_H
#define MEDVL_KERNELS_TENSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/status.h"

#define MEDVL_TENSOR_RANK 5 /* (C,3,2,p,p): Qwen2-VL's patches */

enum medvl_dtype {
    MEDVL_DTYPE_NONE = 0,
    MEDVL_DTYPE_F32,
    MEDVL_DTYPE_BF16,
    MEDVL_DTYPE_F16,
    MEDVL_DTYPE_Q8, /* blocks of 32: f16 scale, 32 int8; no kernel */
    MEDVL_DTYPE_Q4, /* blocks of 32: f16 scale, 16 bytes; no kernel */
    MEDVL_DTYPE_I32,
    MEDVL_DTYPE_U8,
    MEDVL_DTYPE_F8_E4M3, /* converted from alone: a file's type */
    MEDVL_DTYPE_F8_E5M2,
};

struct medvl_tensor {
    void *data; /* NULL in a plan, and for a gradient that nobody wants */
    enum medvl_dtype dtype;
    int rank;                        /* 1..5 */
    int64_t size[MEDVL_TENSOR_RANK]; /* outermost first */
    int64_t stride;                  /* items from row to row */
};

/* A dense tensor of rank 1, 2 or the given sizes. */
struct medvl_tensor medvl_tensor_1d(void *data, enum medvl_dtype dtype,
                                    int64_t size0);
struct medvl_tensor medvl_tensor_2d(void *data, enum medvl_dtype dtype,
                                    int64_t size0, int64_t size1);

/* Items in a row, and rows: the product of the outer sizes. */
int64_t medvl_tensor_columns(const struct medvl_tensor *tensor);
int64_t medvl_tensor_rows(const struct medvl_tensor *tensor);

/*
 * Bytes of a dense tensor of this type and these sizes.  MEDVL_EARG when a
 * size is negative, the rank is not 1..5, a quantised row is no multiple of
 * 32 or the product passes 2^62.  The one place where bytes are counted.
 */
int medvl_tensor_bytes(size_t *out, enum medvl_dtype dtype, int rank,
                       const int64_t *size,
                       struct medvl_error *err) MEDVL_MUST_CHECK;

/* Bytes of `items` in a row (items a multiple of the block size). */
size_t medvl_dtype_bytes(enum medvl_dtype dtype, int64_t items);
const char *medvl_dtype_name(enum medvl_dtype dtype); /* "F32", ... */

/* Round to nearest even; what every kernel and file reader uses. */
uint16_t medvl_bf16_from_float(float value);
float medvl_bf16_to_float(uint16_t bits);
uint16_t medvl_f16_from_float(float value);
float medvl_f16_to_float(uint16_t bits);

/*
 * The eight-bit floats of Micikevicius et al. 2022, "FP8 Formats for Deep
 * Learning": E4M3 has no infinity, and NaN where all seven bits are set;
 * E5M2 is the upper half of an f16.  Exact, in f16 and bf16 too.
 */
float medvl_f8_e4m3_to_float(uint8_t bits);
float medvl_f8_e5m2_to_float(uint8_t bits);

/* Item i of an unquantised float tensor's data, which may be misaligned. */
float medvl_float_at(const void *data, enum medvl_dtype dtype, int64_t i);
bool medvl_dtype_is_float(enum medvl_dtype dtype); /* 8 to 32 bits */

#endif
