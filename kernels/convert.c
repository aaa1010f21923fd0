/*
 * Between storage types: the plain rows, the op, and weights as floats.
 *
 * Read next: convert_avx2.c, then gemm.c.
 */
#include <string.h>

#include "kernels/cpu.h"

static float load_item(const void *inp, enum medvl_dtype from, int64_t i)
{
    if (from == MEDVL_DTYPE_F32)
        return ((const float *)inp)[i];
    if (from == MEDVL_DTYPE_BF16)
        return medvl_bf16_to_float(((const uint16_t *)inp)[i]);
    if (from == MEDVL_DTYPE_F16)
        return medvl_f16_to_float(((const uint16_t *)inp)[i]);
    if (from == MEDVL_DTYPE_F8_E4M3)
        return medvl_f8_e4m3_to_float(((const uint8_t *)inp)[i]);
    assert(from == MEDVL_DTYPE_F8_E5M2);
    return medvl_f8_e5m2_to_float(((const uint8_t *)inp)[i]);
}

static void convert_plain(void *out, enum medvl_dtype to, const void *inp,
                          enum medvl_dtype from, int64_t count)
{
    if (to == from) {
        memcpy(out, inp, medvl_dtype_bytes(to, count));
        return;
    }
    for (int64_t i = 0; i < count; i++) {
        const float value = load_item(inp, from, i);

        if (to == MEDVL_DTYPE_F32)
            ((float *)out)[i] = value;
        else if (to == MEDVL_DTYPE_BF16)
            ((uint16_t *)out)[i] = medvl_bf16_from_float(value);
        else
            ((uint16_t *)out)[i] = medvl_f16_from_float(value);
    }
}

const struct convert_rows convert_rows_plain = {convert_plain};

struct convert_args {
    const struct convert_rows *rows;
    struct cut cut;
    struct medvl_tensor *out;
    const struct medvl_tensor *inp;
};

static void convert_task(void *arg, int64_t index, int thread)
{
    const struct convert_args *a = arg;
    const struct piece p = cut_piece(&a->cut, index);

    (void)thread;
    for (int64_t r = p.row; r < p.row + p.rows; r++)
        a->rows->convert(item_at(a->out, r, p.column), a->out->dtype,
                         item_at(a->inp, r, p.column), a->inp->dtype,
                         p.columns);
}

void medvl_cpu_convert(struct medvl_device *dev, struct medvl_tensor *out,
                       const struct medvl_tensor *inp)
{
    struct convert_args args = {
        .rows = CPU_ROWS(dev, convert),
        .cut = cut_matrix(medvl_tensor_rows(out), medvl_tensor_columns(out)),
        .out = out,
        .inp = inp,
    };

    medvl_pool_run(dev->pool, cut_count(&args.cut), convert_task, &args);
}

const float *cpu_as_f32(const struct medvl_device *dev, float *room,
                        const struct medvl_tensor *tensor)
{
    const struct convert_rows *rows = CPU_ROWS(dev, convert);

    if (!tensor)
        return NULL;
    if (tensor->dtype == MEDVL_DTYPE_F32)
        return tensor->data;
    rows->convert(room, MEDVL_DTYPE_F32, tensor->data, tensor->dtype,
                  medvl_tensor_columns(tensor));
    return room;
}
