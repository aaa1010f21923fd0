/*
 * Shapes, byte counts and number formats.
 *
 * Read next: device.c.
 */
#include "kernels/tensor.h"

#include <string.h>

#include "lib/base/mem.h"

struct medvl_tensor medvl_tensor_1d(void *data, enum medvl_dtype dtype,
                                    int64_t size0)
{
    struct medvl_tensor tensor = {
        .data = data,
        .dtype = dtype,
        .rank = 1,
        .size = {size0},
        .stride = size0,
    };

    return tensor;
}

struct medvl_tensor medvl_tensor_2d(void *data, enum medvl_dtype dtype,
                                    int64_t size0, int64_t size1)
{
    struct medvl_tensor tensor = {
        .data = data,
        .dtype = dtype,
        .rank = 2,
        .size = {size0, size1},
        .stride = size1,
    };

    return tensor;
}

int64_t medvl_tensor_columns(const struct medvl_tensor *tensor)
{
    return tensor->rank > 0 ? tensor->size[tensor->rank - 1] : 0;
}

int64_t medvl_tensor_rows(const struct medvl_tensor *tensor)
{
    int64_t rows = 1;

    for (int i = 0; i + 1 < tensor->rank; i++)
        rows *= tensor->size[i];
    return rows;
}

static const struct dtype {
    const char *name;
    int block; /* items in a block */
    int bytes; /* of a block */
} DTYPES[] = {
    [MEDVL_DTYPE_NONE] = {"none", 1, 0},
    [MEDVL_DTYPE_F32] = {"F32", 1, 4},
    [MEDVL_DTYPE_BF16] = {"BF16", 1, 2},
    [MEDVL_DTYPE_F16] = {"F16", 1, 2},
    [MEDVL_DTYPE_Q8] = {"Q8", 32, 34},
    [MEDVL_DTYPE_Q4] = {"Q4", 32, 18},
    [MEDVL_DTYPE_I32] = {"I32", 1, 4},
    [MEDVL_DTYPE_U8] = {"U8", 1, 1},
    [MEDVL_DTYPE_F8_E4M3] = {"F8_E4M3", 1, 1},
    [MEDVL_DTYPE_F8_E5M2] = {"F8_E5M2", 1, 1},
};
#define DTYPE_COUNT (sizeof(DTYPES) / sizeof(DTYPES[0]))

int medvl_tensor_bytes(size_t *out, enum medvl_dtype dtype, int rank,
                       const int64_t *size, struct medvl_error *err)
{
    const int64_t limit = (int64_t)1 << 62;
    int64_t items = 1;
    bool empty = false;

    if (dtype == MEDVL_DTYPE_NONE || (unsigned)dtype >= DTYPE_COUNT)
        return medvl_fail(err, MEDVL_EARG, "no such storage type: %d",
                          (int)dtype);
    if (rank < 1 || rank > MEDVL_TENSOR_RANK)
        return medvl_fail(err, MEDVL_EARG, "rank %d is not 1 to %d", rank,
                          MEDVL_TENSOR_RANK);
    for (int i = 0; i < rank; i++) {
        if (size[i] < 0)
            return medvl_fail(err, MEDVL_EARG, "size %lld is negative",
                              (long long)size[i]);
        empty = empty || size[i] == 0;
    }
    if (size[rank - 1] % DTYPES[dtype].block != 0)
        return medvl_fail(err, MEDVL_EARG,
                          "a row of %lld is no multiple of %d",
                          (long long)size[rank - 1], DTYPES[dtype].block);
    for (int i = 0; i < rank && !empty; i++)
        if (!medvl_int64_mul(&items, items, size[i])) {
            items = INT64_MAX;
            break;
        }
    if (!empty && (items == INT64_MAX ||
                   items / DTYPES[dtype].block >=
                       limit / DTYPES[dtype].bytes))
        return medvl_fail(err, MEDVL_EARG, "a tensor of over 2^62 bytes");
    items /= DTYPES[dtype].block;
    *out = empty ? 0 : (size_t)items * (size_t)DTYPES[dtype].bytes;
    return MEDVL_OK;
}

size_t medvl_dtype_bytes(enum medvl_dtype dtype, int64_t items)
{
    return (size_t)(items / DTYPES[dtype].block) *
           (size_t)DTYPES[dtype].bytes;
}

const char *medvl_dtype_name(enum medvl_dtype dtype)
{
    if ((unsigned)dtype >= DTYPE_COUNT)
        return "none";
    return DTYPES[dtype].name;
}

static uint32_t bits_of(float value)
{
    uint32_t bits;

    memcpy(&bits, &value, sizeof(bits));
    return bits;
}

static float float_of(uint32_t bits)
{
    float value;

    memcpy(&value, &bits, sizeof(value));
    return value;
}

uint16_t medvl_bf16_from_float(float value)
{
    const uint32_t bits = bits_of(value);

    if ((bits & 0x7fffffffu) > 0x7f800000u) /* NaN stays one, quiet */
        return (uint16_t)(bits >> 16 | 0x40u);
    return (uint16_t)((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

float medvl_bf16_to_float(uint16_t bits)
{
    return float_of((uint32_t)bits << 16);
}

uint16_t medvl_f16_from_float(float value)
{
    const uint32_t bits = bits_of(value);
    const uint32_t sign = bits >> 16 & 0x8000u;
    const uint32_t magnitude = bits & 0x7fffffffu;
    uint32_t shift, kept, rest, half;

    if (magnitude > 0x7f800000u) /* NaN: quiet, its upper bits kept */
        return (uint16_t)(sign | 0x7e00u | (magnitude >> 13 & 0x1ffu));
    if (magnitude >= 0x47800000u) /* 65536 and up */
        return (uint16_t)(sign | 0x7c00u);
    if (magnitude < 0x33000000u) /* under half of the least subnormal */
        return (uint16_t)sign;
    if (magnitude >= 0x38800000u) { /* normal: exponent 127-15 less */
        kept = magnitude - 0x38000000u;
        shift = 13;
    } else { /* subnormal: units of 2^-24 */
        kept = (magnitude & 0x7fffffu) | 0x800000u;
        shift = 126 - (magnitude >> 23);
    }
    rest = kept & ((1u << shift) - 1u);
    half = 1u << (shift - 1u);
    kept >>= shift;
    if (rest > half || (rest == half && (kept & 1u)))
        kept++; /* may carry into the exponent, which is right */
    return (uint16_t)(sign | kept);
}

float medvl_f16_to_float(uint16_t bits)
{
    const uint32_t sign = (uint32_t)(bits & 0x8000u) << 16;
    uint32_t exponent = bits >> 10 & 31u;
    uint32_t fraction = bits & 0x3ffu;

    if (exponent == 31) /* infinity; a NaN is made quiet */
        return float_of(sign | 0x7f800000u | fraction << 13 |
                        (fraction ? 0x400000u : 0u));
    if (exponent == 0) {
        if (fraction == 0)
            return float_of(sign);
        for (exponent = 1; !(fraction & 0x400u); exponent--)
            fraction <<= 1;
        fraction &= 0x3ffu;
    }
    return float_of(sign | (exponent + 112u) << 23 | fraction << 13);
}

float medvl_f8_e4m3_to_float(uint8_t bits)
{
    const uint16_t sign = (uint16_t)((bits & 0x80u) << 8);

    if ((bits & 0x7fu) == 0x7fu)
        return medvl_f16_to_float(sign | 0x7e00u);
    /* An f16 with one more bit of exponent: 2^8 too small. */
    return 256 * medvl_f16_to_float(
                     (uint16_t)(sign | (bits & 0x7fu) << 7));
}

float medvl_f8_e5m2_to_float(uint8_t bits)
{
    return medvl_f16_to_float((uint16_t)(bits << 8));
}

bool medvl_dtype_is_float(enum medvl_dtype dtype)
{
    return dtype == MEDVL_DTYPE_F32 || dtype == MEDVL_DTYPE_BF16 ||
           dtype == MEDVL_DTYPE_F16 || dtype == MEDVL_DTYPE_F8_E4M3 ||
           dtype == MEDVL_DTYPE_F8_E5M2;
}

float medvl_float_at(const void *data, enum medvl_dtype dtype, int64_t i)
{
    const char *at = (const char *)data + medvl_dtype_bytes(dtype, i);
    uint16_t half;
    float value;

    switch (dtype) {
    case MEDVL_DTYPE_F8_E4M3: return medvl_f8_e4m3_to_float((uint8_t)*at);
    case MEDVL_DTYPE_F8_E5M2: return medvl_f8_e5m2_to_float((uint8_t)*at);
    case MEDVL_DTYPE_BF16:
        memcpy(&half, at, sizeof(half));
        return medvl_bf16_to_float(half);
    case MEDVL_DTYPE_F16:
        memcpy(&half, at, sizeof(half));
        return medvl_f16_to_float(half);
    default: /* F32 */
        memcpy(&value, at, sizeof(value));
        return value;
    }
}
