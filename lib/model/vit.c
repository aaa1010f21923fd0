/*
 * Vision towers of one shape: patches, perhaps behind a class token and
 * registers, positions added, then layers of full attention within each
 * view.  N rows of all views together, C channels.
 *
 * Read next: vit_qwen.c.
 */
#include "lib/model/vit.h"

#include <math.h>
#include <string.h>

#include "lib/model/vit_part.h"

/* ---- where everything stands ----------------------------------------- */

/*
 * Index arrays of one forward run.  They live as long as the tape's run, so
 * the tape owns them: they are made on it (medvl_tape_memory).
 */
struct places {
    int64_t views, rows, patches; /* of all views: V, N, P */
    int64_t front;                /* rows of a view before its patches */
    int32_t *zeros;               /* (V) the class token's row, each view */
    int32_t *class_at;            /* (V) where it goes */
    int32_t *marks;               /* (V*R) rows of the registers */
    int32_t *mark_at;             /* (V*R) where they go */
    int32_t *patch_at;            /* (P) where the patches go */
    int32_t *kept;                /* (N-V) all but the class tokens */
    int32_t *cu;                  /* (V+1) where views begin */

    /* Row i's position: the sum of `taps` rows of the table; without
     * weights there is one. */
    int64_t taps;
    int32_t *position; /* (N, taps) */
    float *weight;     /* (N, taps) or NULL */
    struct medvl_attention *attention;
};

static int32_t *ints(struct medvl_tape *tape, int64_t count)
{
    return medvl_tape_memory(tape, (size_t)count * sizeof(int32_t) + 1);
}

static struct medvl_tensor indices(int32_t *data, int64_t size)
{
    return medvl_tensor_1d(data, MEDVL_DTYPE_I32, size);
}

static int64_t side_of(const struct medvl_vision_config *v)
{
    return v->image_size / v->patch_size;
}

static bool same_grid(const struct medvl_vision_config *v,
                      const struct medvl_grid *grid)
{
    return grid->rows == side_of(v) && grid->columns == side_of(v);
}

/* Counts rows and taps; fails where a picture does not fit the tower. */
static bool count_places(struct places *p, struct medvl_tape *tape,
                         const struct medvl_vision_config *v,
                         const struct medvl_pictures *pictures)
{
    const int64_t side = side_of(v);
    bool mixed = false;

    p->front = v->class_token + v->registers;
    p->taps = 1;
    for (int64_t i = 0; i < pictures->count; i++) {
        const struct medvl_grid *grid = &pictures->grids[i];
        const int64_t taps =
            medvl_vit_taps(side, grid->rows, v->antialias) *
            medvl_vit_taps(side, grid->columns, v->antialias);

        p->views += medvl_grid_views(grid);
        p->patches += medvl_grid_views(grid) * grid->rows * grid->columns;
        if (same_grid(v, grid))
            continue;
        if (!v->interpolate)
            medvl_tape_fail(tape, MEDVL_EARG,
                            "a view of %lldx%lld patches, want %lldx%lld",
                            (long long)grid->columns, (long long)grid->rows,
                            (long long)side, (long long)side);
        mixed = true;
        p->taps = taps > p->taps ? taps : p->taps;
    }
    p->rows = p->views * p->front + p->patches;
    if (pictures->rows.size[0] != p->patches)
        medvl_tape_fail(tape, MEDVL_EARG,
                        "%lld patch rows for %lld views of %lld",
                        (long long)pictures->rows.size[0],
                        (long long)p->views, (long long)p->patches);
    return mixed;
}

/* NULL in any of them: the tape has failed. */
static bool take_places(struct places *p, struct medvl_tape *tape,
                        const struct medvl_vision_config *v, bool mixed)
{
    p->zeros = ints(tape, p->views);
    p->class_at = ints(tape, p->views);
    p->marks = ints(tape, p->views * v->registers);
    p->mark_at = ints(tape, p->views * v->registers);
    p->patch_at = ints(tape, p->patches);
    p->kept = ints(tape, p->rows);
    p->cu = ints(tape, p->views + 1);
    p->position = ints(tape, p->rows * p->taps);
    if (mixed)
        p->weight = medvl_tape_memory(tape, (size_t)(p->rows * p->taps) *
                                                sizeof(float));
    p->attention = medvl_tape_memory(tape, sizeof(*p->attention));
    return p->zeros && p->class_at && p->marks && p->mark_at &&
           p->patch_at && p->kept && p->cu && p->position &&
           (p->weight || !mixed) && p->attention;
}

/* ---- positions of one view ------------------------------------------- */

/* The table's rows for each place of a line of patches. */
struct line {
    int64_t taps;
    int32_t *index;
    float *weight;
};

static bool make_line(struct line *line, struct medvl_tape *tape,
                      const struct medvl_vision_config *v, int64_t places)
{
    line->taps = medvl_vit_taps(side_of(v), places, v->antialias);
    line->index = ints(tape, places * line->taps);
    line->weight = medvl_tape_memory(
        tape, (size_t)(places * line->taps) * sizeof(float));
    if (!line->index || !line->weight)
        return false;
    medvl_vit_resample(line->index, line->weight, side_of(v), places,
                       v->antialias);
    return true;
}

/* Patch (y, x), row `row` of all: every row of the line down with every one
 * of the line across. */
static void mix_position(struct places *p, const struct medvl_vision_config *v,
                         const struct line *down, const struct line *across,
                         int64_t row, int64_t y, int64_t x)
{
    int32_t *index = p->position + row * p->taps;
    float *weight = p->weight + row * p->taps;

    for (int64_t i = y * down->taps; i < (y + 1) * down->taps; i++)
        for (int64_t j = x * across->taps; j < (x + 1) * across->taps; j++) {
            const bool none = down->index[i] < 0 || across->index[j] < 0;

            *index++ = none ? -1
                            : (int32_t)(v->class_token +
                                        down->index[i] * side_of(v) +
                                        across->index[j]);
            *weight++ = down->weight[i] * across->weight[j];
        }
}

/* One row of the table, or none (-1). */
static void set_position(struct places *p, int64_t row, int32_t index)
{
    p->position[row * p->taps] = index;
    if (!p->weight)
        return;
    p->weight[row * p->taps] = 1;
    for (int64_t t = 1; t < p->taps; t++)
        p->position[row * p->taps + t] = -1;
}

static bool place_positions(struct places *p, struct medvl_tape *tape,
                            const struct medvl_vision_config *v,
                            const struct medvl_grid *grid, int64_t row)
{
    const int64_t patches = grid->rows * grid->columns;
    struct line down, across;

    for (int64_t i = 0; i < p->front + patches; i++)
        set_position(p, row + i,
                     (int32_t)(i < p->front ? (v->class_token && i == 0) - 1
                                            : i - v->registers));
    if (same_grid(v, grid))
        return true;
    if (!make_line(&down, tape, v, grid->rows) ||
        !make_line(&across, tape, v, grid->columns))
        return false;
    for (int64_t i = 0; i < patches; i++)
        mix_position(p, v, &down, &across, row + p->front + i,
                     i / grid->columns, i % grid->columns);
    return true;
}

/* ---- all views ------------------------------------------------------- */

static void place_view(struct places *p, const struct medvl_vision_config *v,
                       int64_t view, int64_t row, int64_t patch,
                       int64_t patches)
{
    const int64_t R = v->registers;

    p->class_at[view] = (int32_t)row;
    for (int64_t i = 0; i < R; i++) {
        p->marks[view * R + i] = (int32_t)i;
        p->mark_at[view * R + i] = (int32_t)(row + v->class_token + i);
    }
    for (int64_t i = 0; i < patches; i++)
        p->patch_at[patch + i] = (int32_t)(row + p->front + i);
    for (int64_t i = 1; i < p->front + patches; i++)
        p->kept[row - view + i - 1] = (int32_t)(row + i);
    p->cu[view + 1] = (int32_t)(row + p->front + patches);
    if (p->attention->max_q < p->front + patches)
        p->attention->max_q = p->front + patches;
}

static bool make_places(struct places *p, struct medvl_tape *tape,
                        const struct medvl_vision_config *v,
                        const struct medvl_pictures *pictures)
{
    const bool mixed = count_places(p, tape, v, pictures);
    int64_t view = 0, row = 0, patch = 0;

    if (!take_places(p, tape, v, mixed))
        return false;
    for (int64_t i = 0; i < pictures->count; i++) {
        const struct medvl_grid *grid = &pictures->grids[i];
        const int64_t patches = grid->rows * grid->columns;

        for (int64_t k = 0; k < medvl_grid_views(grid); k++) {
            place_view(p, v, view++, row, patch, patches);
            if (!place_positions(p, tape, v, grid, row))
                return false;
            row += p->front + patches;
            patch += patches;
        }
    }
    p->attention->heads = p->attention->groups = v->heads;
    p->attention->head_size = v->hidden / v->heads;
    p->attention->sequences = p->views;
    p->attention->cu_q = p->attention->cu_k = p->cu;
    p->attention->max_k = p->attention->max_q;
    p->attention->scale = 1 / sqrtf((float)p->attention->head_size);
    return true;
}

/* ---- embeddings ------------------------------------------------------ */

static struct medvl_param *param(const struct medvl_model *model,
                                 const char *name)
{
    return medvl_model_param(model, "vision.%s", name);
}

/* A table's rows in their places. */
static struct medvl_var *put(struct medvl_tape *tape,
                             const struct medvl_model *model,
                             const char *name, struct medvl_var *x,
                             int32_t *rows, int32_t *at, int64_t count)
{
    const struct medvl_tensor from = indices(rows, count);
    const struct medvl_tensor to = indices(at, count);
    struct medvl_var *table = medvl_tape_param(tape, param(model, name));

    return medvl_tape_scatter_rows(
        tape, x, medvl_tape_gather_rows(tape, table, &from), &to);
}

static struct medvl_var *positions(struct medvl_tape *tape,
                                   const struct medvl_model *model,
                                   const struct places *p)
{
    struct medvl_var *table =
        medvl_tape_param(tape, param(model, "position_embedding"));
    const struct medvl_tensor rows = indices(p->position, p->rows);
    const struct medvl_tensor taps = medvl_tensor_2d(
        p->position, MEDVL_DTYPE_I32, p->rows, p->taps);
    const struct medvl_tensor weight = medvl_tensor_2d(
        p->weight, MEDVL_DTYPE_F32, p->rows, p->taps);

    return p->weight ? medvl_tape_mix_rows(tape, table, &taps, &weight)
                     : medvl_tape_gather_rows(tape, table, &rows);
}

/* Patch rows (P, 3*p*p) -> (N, C). */
static struct medvl_var *embed(struct medvl_tape *tape,
                               const struct medvl_model *model,
                               const struct medvl_tensor *rows,
                               const struct places *p)
{
    const struct medvl_vision_config *v = &model->config.vision;
    const struct medvl_tensor patch_at = indices(p->patch_at, p->patches);
    struct medvl_var *x, *place;

    place = positions(tape, model, p);
    x = medvl_tape_linear(
        tape, medvl_tape_input(tape, rows, false),
        param(model, "patch_embedding.weight"),
        v->patch_bias ? param(model, "patch_embedding.bias") : NULL);
    /* Rows are put in by replacement: every row of the base is replaced. */
    if (p->front > 0)
        x = medvl_tape_scatter_rows(tape, place, x, &patch_at);
    if (v->class_token)
        x = put(tape, model, "class_embedding", x, p->zeros, p->class_at,
                p->views);
    if (v->registers > 0)
        x = put(tape, model, "register_tokens", x, p->marks, p->mark_at,
                p->views * v->registers);
    x = medvl_tape_add(tape, x, place);
    if (v->pre_norm)
        x = medvl_tape_layernorm(tape, x, param(model, "pre_norm.weight"),
                                 param(model, "pre_norm.bias"), v->norm_eps);
    return x;
}

/* ---- layers ---------------------------------------------------------- */

static struct medvl_var *attend(struct medvl_tape *tape,
                                const struct medvl_model *model,
                                int64_t layer,
                                const struct medvl_attention *attention,
                                struct medvl_var *inp)
{
    struct medvl_var *q, *k, *v;

    q = medvl_vit_linear(tape, model, layer, "self_attn.q_proj", inp);
    k = medvl_vit_linear(tape, model, layer, "self_attn.k_proj", inp);
    v = medvl_vit_linear(tape, model, layer, "self_attn.v_proj", inp);
    inp = medvl_tape_attention(tape, q, k, v, attention);
    return medvl_vit_linear(tape, model, layer, "self_attn.o_proj", inp);
}

/* ---- features -------------------------------------------------------- */

static bool is_feature(const struct medvl_vision_config *v, int64_t layers)
{
    for (int i = 0; i < v->feature_count; i++)
        if (v->features[i] == layers)
            return true;
    return false;
}

/* Puts hidden among the features that are taken after so many layers. */
static void take(struct medvl_var *features[MEDVL_FEATURES_MAX],
                 struct medvl_tape *tape, const struct medvl_model *model,
                 const struct places *p, int64_t layers,
                 struct medvl_var *hidden)
{
    const struct medvl_vision_config *v = &model->config.vision;
    const struct medvl_tensor kept = indices(p->kept, p->rows - p->views);
    struct medvl_var *x = hidden;

    if (!is_feature(v, layers))
        return;
    if (v->last_norm && layers == v->layers)
        x = medvl_tape_layernorm(tape, x, param(model, "post_norm.weight"),
                                 param(model, "post_norm.bias"),
                                 v->norm_eps);
    if (v->class_token && !v->keep_class)
        x = medvl_tape_gather_rows(tape, x, &kept);
    for (int i = 0; i < v->feature_count; i++)
        if (v->features[i] == layers)
            features[i] = x;
}

static struct medvl_var *layers(struct medvl_tape *tape,
                                const struct medvl_model *model,
                                const struct places *p,
                                struct medvl_var *hidden)
{
    const struct medvl_vision_config *v = &model->config.vision;
    struct medvl_var *features[MEDVL_FEATURES_MAX] = {NULL};
    struct medvl_var *x, *before;

    take(features, tape, model, p, 0, hidden);
    for (int64_t i = 0; i < v->run_layers; i++) {
        before = hidden;
        medvl_tape_enter(tape, "layers.%lld", (long long)i);
        x = medvl_vit_norm(tape, model, i, "norm1", hidden);
        x = attend(tape, model, i, p->attention, x);
        hidden = medvl_vit_add(tape, model, i, "scale1", hidden, x);
        x = medvl_vit_norm(tape, model, i, "norm2", hidden);
        x = medvl_vit_feed(tape, model, i, x);
        hidden = medvl_vit_add(tape, model, i, "scale2", hidden, x);
        medvl_tape_leave(tape, &hidden, 1);
        if (!is_feature(v, i))
            medvl_tape_drop(tape, before);
        take(features, tape, model, p, i + 1, hidden);
    }
    x = features[0];
    for (int i = 1; i < v->feature_count; i++)
        x = medvl_tape_join(tape, x, features[i]);
    return x;
}

struct medvl_var *medvl_vit_forward(struct medvl_tape *tape,
                                    const struct medvl_model *model,
                                    const struct medvl_pictures *pictures)
{
    struct places p = {0};
    struct medvl_var *x;

    if (model->config.vision.tower >= MEDVL_TOWER_QWEN2_VL)
        return medvl_vit_qwen_forward(tape, model, pictures);
    medvl_tape_enter(tape, "vision_tower");
    if (!make_places(&p, tape, &model->config.vision, pictures))
        return medvl_tape_input(tape, &pictures->rows, false);
    medvl_tape_enter(tape, "embeddings");
    x = embed(tape, model, &pictures->rows, &p);
    medvl_tape_leave(tape, &x, 1);
    x = layers(tape, model, &p, x);
    medvl_tape_leave(tape, &x, 1);
    return x;
}
