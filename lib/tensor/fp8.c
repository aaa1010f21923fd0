/*
 * Eight-bit weights: see fp8.h.
 *
 * Read next: arena.h.
 */
#include "lib/tensor/fp8.h"

#include <stdio.h>
#include <string.h>

#define NAME_SIZE 512

bool medvl_fp8_is(const struct medvl_tensor *tensor)
{
    return tensor->dtype == MEDVL_DTYPE_F8_E4M3 ||
           tensor->dtype == MEDVL_DTYPE_F8_E5M2;
}

/* The tensor `name` with `end` in place of its last `cut` characters. */
static const struct medvl_tensor *
beside(const struct medvl_safetensors *file, const char *name, size_t cut,
       const char *end)
{
    const size_t size = strlen(name), tail = strlen(end);
    char other[NAME_SIZE];

    if (size < cut || size + tail >= sizeof(other))
        return NULL;
    memcpy(other, name, size - cut);
    memcpy(other + size - cut, end, tail + 1);
    return medvl_safetensors_find(file, other);
}

bool medvl_fp8_is_scale(const struct medvl_safetensors *file,
                        const char *name)
{
    static const char *const ENDS[] = {".weight_scale", ".weight_scale_inv",
                                       ".input_scale", ".activation_scale"};
    const size_t size = strlen(name);

    for (size_t i = 0; i < sizeof(ENDS) / sizeof(*ENDS); i++) {
        const size_t end = strlen(ENDS[i]);
        const struct medvl_tensor *weight;

        if (size < end || strcmp(name + size - end, ENDS[i]) != 0)
            continue;
        weight = beside(file, name, end, ".weight");
        return weight && medvl_fp8_is(weight);
    }
    return false;
}

/* What a scale of this shape is for; false when nothing fits. */
static bool fit(struct medvl_fp8 *f, const int64_t block[2])
{
    const struct medvl_tensor *s = f->scale;
    const int64_t rows = medvl_tensor_rows(f->weight);
    const int64_t columns = medvl_tensor_columns(f->weight);
    const int64_t items = medvl_tensor_rows(s) * medvl_tensor_columns(s);

    if (block[0] < 1 || block[1] < 1)
        return false;
    f->rows = rows ? rows : 1;
    f->columns = columns ? columns : 1;
    f->across = 1;
    if (items == 1)
        return true;
    f->rows = 1;
    if (items == rows && (s->rank == 1 || s->size[s->rank - 1] == 1))
        return true;
    f->rows = block[0];
    f->columns = block[1];
    f->across = (columns + block[1] - 1) / block[1];
    return s->rank == 2 && s->size[0] == (rows + block[0] - 1) / block[0] &&
           s->size[1] == f->across;
}

int medvl_fp8_find(struct medvl_fp8 *out,
                   const struct medvl_safetensors *file, const char *name,
                   const int64_t block[2], struct medvl_error *err)
{
    const struct medvl_fp8 none = {
        .weight = medvl_safetensors_find(file, name),
        .scale = beside(file, name, 0, "_scale"),
    };

    *out = none;
    if (!out->weight || !medvl_fp8_is(out->weight))
        return medvl_fail(err, MEDVL_EARG, "%s is no eight-bit tensor", name);
    if (!out->scale)
        out->scale = beside(file, name, 0, "_scale_inv");
    if (!out->scale)
        return MEDVL_OK;
    if (!medvl_dtype_is_float(out->scale->dtype))
        return medvl_fail(err, MEDVL_EUNSUPPORTED,
                          "the scale of %s is no F32, BF16 or F16", name);
    if (!fit(out, block))
        return medvl_fail(err, MEDVL_EFORMAT,
                          "the scale of %s is neither one, nor one a row, "
                          "nor one for each block of (%lld,%lld)",
                          name, (long long)block[0], (long long)block[1]);
    return MEDVL_OK;
}

void medvl_fp8_read(const struct medvl_fp8 *fp8, int64_t first,
                    int64_t count, uint16_t *out)
{
    const uint8_t *bits = (const uint8_t *)fp8->weight->data + first;
    const int64_t columns = medvl_tensor_columns(fp8->weight);
    float values[256];

    for (int i = 0; i < 256; i++) {
        const uint8_t byte = (uint8_t)i;

        values[i] = medvl_float_at(&byte, fp8->weight->dtype, 0);
    }
    for (int64_t i = 0; i < count;) {
        const int64_t row = (first + i) / columns;
        const int64_t column = (first + i) % columns;
        int64_t end = count;
        float scale = 1;

        if (fp8->scale) { /* up to the end of the block in this row */
            const int64_t next = column - column % fp8->columns +
                                 fp8->columns;

            end = i + (next < columns ? next : columns) - column;
            end = end < count ? end : count;
            scale = medvl_float_at(fp8->scale->data, fp8->scale->dtype,
                                   row / fp8->rows * fp8->across +
                                       column / fp8->columns);
        }
        for (; i < end; i++)
            out[i] = medvl_bf16_from_float(values[bits[i]] * scale);
    }
}
