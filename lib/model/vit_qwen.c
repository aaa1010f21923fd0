/*
 * The towers of Qwen2-VL and Qwen2.5-VL: pictures of any size, positions by
 * turning queries and keys, half of the angles by row and half by column.
 * Qwen2.5-VL's patches attend within windows in most layers, and stand in
 * the order of their windows from the first layer to the last.  I pictures,
 * N patches of all of them, C channels, D a head.
 *
 * Source: Wang et al. 2024, "Qwen2-VL"; Bai et al. 2025, "Qwen2.5-VL";
 * structure as transformers' Qwen2VL and Qwen2_5_VL.
 *
 * Read next: projector.c.
 */
#include "lib/model/vit_part.h"

#include <math.h>
#include <string.h>

#define THETA 10000.0

/*
 * Where patches stand and what sees what.  Made on the tape, so it lives as
 * long as the tape's run.
 */
struct order {
    int64_t count;  /* N */
    int64_t half;   /* D/2: angles of a patch */
    int32_t *from;  /* (N) the row that stands at each place ... */
    int32_t *back;  /* (N) ... and the place of each row */
    int32_t *whole; /* (I+1) places where pictures begin */
    int32_t *parts; /* (windows+1) places where windows begin */
    float *turn;    /* (D/4) the frequencies */
    float *cosines; /* (N, D/2) */
    float *sines;   /* (N, D/2) */

    /* Within a picture, within a window. */
    struct medvl_attention *wide, *near;
};

/* ---- order ----------------------------------------------------------- */

/* Row `row` of the rows, the patch at (y, x), stands next. */
static void place_patch(struct order *o, int64_t row, int64_t y, int64_t x)
{
    const int64_t n = o->count++, half = o->half;

    o->from[n] = (int32_t)row;
    o->back[row] = (int32_t)n;
    for (int64_t i = 0; i < half; i++) {
        const float at = (float)(i < half / 2 ? y : x);
        const float angle = at * o->turn[i % (half / 2)];

        o->cosines[n * half + i] = cosf(angle);
        o->sines[n * half + i] = sinf(angle);
    }
}

/* A window of `side` merged patches a side with its corner at (y0, x0), cut
 * off at the picture's edges; its picture begins at row `first`. */
static void place_window(struct order *o, const struct medvl_grid *grid,
                         int64_t merge, int64_t first, int64_t y0,
                         int64_t x0, int64_t side)
{
    const int64_t down = grid->rows / merge, across = grid->columns / merge;
    const int64_t y1 = down - y0 < side ? down : y0 + side;
    const int64_t x1 = across - x0 < side ? across : x0 + side;

    for (int64_t y = y0; y < y1; y++)
        for (int64_t x = x0; x < x1; x++)
            for (int64_t i = 0; i < merge * merge; i++)
                place_patch(o,
                            first + (y * across + x) * merge * merge + i,
                            y * merge + i / merge, x * merge + i % merge);
}

/* All patches in order.  Returns how many windows there are. */
static int64_t place_all(struct order *o, const struct medvl_vision_config *v,
                         const struct medvl_pictures *pictures)
{
    const int64_t window = v->window / v->merge / v->patch_size;
    int64_t windows = 0;

    for (int64_t i = 0; i < pictures->count; i++) {
        const struct medvl_grid *grid = &pictures->grids[i];
        const int64_t down = grid->rows / v->merge, first = o->count;
        const int64_t across = grid->columns / v->merge;
        const int64_t whole = down > across ? down : across;
        const int64_t side = v->window ? window : whole;

        for (int64_t y = 0; y < down; y += side)
            for (int64_t x = 0; x < across; x += side) {
                place_window(o, grid, v->merge, first, y, x, side);
                o->parts[++windows] = (int32_t)o->count;
            }
        o->whole[i + 1] = (int32_t)o->count;
    }
    return windows;
}

static struct medvl_attention *
make_attention(struct medvl_tape *tape, const struct medvl_vision_config *v,
               const int32_t *cu, int64_t sequences)
{
    struct medvl_attention *a = medvl_tape_memory(tape, sizeof(*a));

    if (!a)
        return NULL;
    a->heads = a->groups = v->heads;
    a->head_size = v->hidden / v->heads;
    a->sequences = sequences;
    a->cu_q = a->cu_k = cu;
    a->scale = 1 / sqrtf((float)a->head_size);
    for (int64_t s = 0; s < sequences; s++)
        if (a->max_q < cu[s + 1] - cu[s])
            a->max_q = cu[s + 1] - cu[s];
    a->max_k = a->max_q;
    return a;
}

/* Do the pictures' sizes fit the rows and the merging? */
static void check_grids(struct medvl_tape *tape, int64_t merge,
                        const struct medvl_pictures *pictures)
{
    int64_t left = pictures->rows.size[0];

    for (int64_t i = 0; i < pictures->count; i++) {
        const struct medvl_grid *grid = &pictures->grids[i];

        if (grid->rows % merge || grid->columns % merge || grid->rows < 1 ||
            grid->columns < 1 || grid->rows > left / grid->columns)
            return medvl_tape_fail(tape, MEDVL_EARG,
                                   "picture %lld of %lld x %lld patches",
                                   (long long)i, (long long)grid->rows,
                                   (long long)grid->columns);
        left -= grid->rows * grid->columns;
    }
    if (left)
        medvl_tape_fail(tape, MEDVL_EARG,
                        "%lld patch rows more than the pictures have",
                        (long long)left);
}

/* False once something has failed. */
static bool make_order(struct order *o, struct medvl_tape *tape,
                       const struct medvl_vision_config *v,
                       const struct medvl_pictures *pictures)
{
    const size_t n = (size_t)pictures->rows.size[0];
    const size_t half = (size_t)(v->hidden / v->heads / 2);
    const size_t count = (size_t)pictures->count;
    int64_t windows;

    memset(o, 0, sizeof(*o));
    check_grids(tape, v->merge, pictures);
    o->from = medvl_tape_memory(
        tape, (3 * n + count + 2) * sizeof(*o->from));
    o->turn = medvl_tape_memory(
        tape, (half / 2 + 2 * n * half) * sizeof(*o->turn));
    if (!o->from || !o->turn)
        return false;
    o->back = o->from + n;
    o->parts = o->back + n;
    o->whole = o->parts + n + 1;
    o->cosines = o->turn + half / 2;
    o->sines = o->cosines + n * half;
    o->half = (int64_t)half;
    for (size_t i = 0; i < half / 2; i++)
        o->turn[i] = (float)pow(THETA, -(double)(2 * i) / (double)half);
    windows = place_all(o, v, pictures);
    o->wide = make_attention(tape, v, o->whole, pictures->count);
    o->near = make_attention(tape, v, o->parts, windows);
    return o->wide && o->near;
}

/* ---- layers ---------------------------------------------------------- */

static struct medvl_var *attend(struct medvl_tape *tape,
                                const struct medvl_model *model,
                                int64_t layer, const struct order *o,
                                struct medvl_var *inp)
{
    const struct medvl_vision_config *v = &model->config.vision;
    const struct medvl_tensor cosines = medvl_tensor_2d(
        o->cosines, MEDVL_DTYPE_F32, o->count, o->half);
    const struct medvl_tensor sines = medvl_tensor_2d(
        o->sines, MEDVL_DTYPE_F32, o->count, o->half);
    const int64_t size = v->hidden / v->heads;
    struct medvl_var *q, *k, *w;

    inp = medvl_vit_linear(tape, model, layer, "self_attn.qkv_proj", inp);
    q = medvl_tape_columns(tape, inp, 0, v->hidden);
    k = medvl_tape_columns(tape, inp, v->hidden, v->hidden);
    w = medvl_tape_columns(tape, inp, 2 * v->hidden, v->hidden);
    q = medvl_tape_rope(tape, q, &cosines, &sines, size);
    k = medvl_tape_rope(tape, k, &cosines, &sines, size);
    inp = medvl_tape_attention(
        tape, q, k, w, v->window && !v->whole[layer] ? o->near : o->wide);
    return medvl_vit_linear(tape, model, layer, "self_attn.o_proj", inp);
}

static struct medvl_var *layers(struct medvl_tape *tape,
                                const struct medvl_model *model,
                                const struct order *o,
                                struct medvl_var *hidden)
{
    struct medvl_var *x, *before;

    for (int64_t i = 0; i < model->config.vision.run_layers; i++) {
        before = hidden;
        medvl_tape_enter(tape, "layers.%lld", (long long)i);
        x = medvl_vit_norm(tape, model, i, "norm1", hidden);
        x = attend(tape, model, i, o, x);
        hidden = medvl_vit_add(tape, model, i, "scale1", hidden, x);
        x = medvl_vit_norm(tape, model, i, "norm2", hidden);
        x = medvl_vit_feed(tape, model, i, x);
        hidden = medvl_vit_add(tape, model, i, "scale2", hidden, x);
        medvl_tape_leave(tape, &hidden, 1);
        medvl_tape_drop(tape, before);
    }
    return hidden;
}

/* ---- the whole ------------------------------------------------------- */

/* Rows in another order. */
static struct medvl_var *reorder(struct medvl_tape *tape,
                                 const struct medvl_vision_config *v,
                                 int32_t *index, int64_t count,
                                 struct medvl_var *x)
{
    const struct medvl_tensor rows = medvl_tensor_1d(index, MEDVL_DTYPE_I32,
                                                     count);

    return v->window ? medvl_tape_gather_rows(tape, x, &rows) : x;
}

struct medvl_var *
medvl_vit_qwen_forward(struct medvl_tape *tape,
                       const struct medvl_model *model,
                       const struct medvl_pictures *pictures)
{
    const struct medvl_vision_config *v = &model->config.vision;
    const int64_t n = pictures->rows.size[0];
    struct medvl_var *x;
    struct order o;

    medvl_tape_enter(tape, "vision_tower");
    if (!make_order(&o, tape, v, pictures))
        return medvl_tape_input(tape, &pictures->rows, false);
    x = medvl_tape_linear(
        tape, medvl_tape_input(tape, &pictures->rows, false),
        medvl_model_param(model, "vision.patch_embedding.weight"), NULL);
    x = reorder(tape, v, o.from, n, x);
    x = layers(tape, model, &o, x);
    x = reorder(tape, v, o.back, n, x);
    medvl_tape_leave(tape, &x, 1);
    return x;
}
