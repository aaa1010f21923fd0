/*
 * The numbers of a fresh model: each parameter from (seed, INIT, hash of its
 * name), in the order of the file.
 *
 * Read next: checkpoint_write.c.
 */
#include "lib/model/checkpoint_part.h"

#include <math.h>
#include <string.h>

#include "lib/base/hash.h"
#include "lib/base/mem.h"

#define PIECE 4096

/*
 * Half of the channels for the row, half for the column; in each half sines
 * and then cosines of rising wavelengths.  A class token's row is zero.
 */
static float place(const struct medvl_vision_config *v, int64_t item)
{
    const int64_t side = v->image_size / v->patch_size;
    const int64_t quarter = v->hidden / 4, channel = item % v->hidden;
    const int64_t p = item / v->hidden - v->class_token;
    const int64_t at = p < 0 || quarter == 0 ? 4 : channel / quarter;
    double angle;

    if (at >= 4)
        return 0;
    angle = (double)(at < 2 ? p / side : p % side) *
            pow(10000, -(double)(channel % quarter) / (double)quarter);
    return (float)(at % 2 ? cos(angle) : sin(angle));
}

void model_fresh(struct fresh_numbers *fresh, int64_t i, int64_t first,
                 int64_t count, float *out)
{
    const struct medvl_model *m = fresh->model;
    const struct medvl_param_spec *spec = model_spec(m, i);
    const struct medvl_vision_config *v = &m->config.vision;
    const double range = spec->part == MEDVL_PART_VISION
                             ? (double)v->init_range
                             : (double)m->config.decoder.init_range;

    if (first == 0)
        medvl_rng_init(&fresh->rng, fresh->seed, MEDVL_PURPOSE_INIT,
                       medvl_hash64(spec->name, strlen(spec->name)));
    for (int64_t k = 0; k < count; k++)
        switch (spec->init) {
        case MEDVL_INIT_NORMAL:
            out[k] = (float)(range * medvl_rng_normal(&fresh->rng));
            break;
        case MEDVL_INIT_ONE: out[k] = 1; break;
        case MEDVL_INIT_ZERO: out[k] = 0; break;
        case MEDVL_INIT_PLACES: out[k] = place(v, first + k); break;
        }
}

/* The whole parameter; a transposed one's numbers come column by column. */
static void fill(struct fresh_numbers *fresh, int64_t i)
{
    const struct medvl_tensor *value = &fresh->model->params[i].value;
    const int64_t count = (int64_t)model_items(value);
    const int64_t rows = value->size[0], columns = value->size[1];
    float piece[PIECE], *out = value->data;

    if (!model_spec(fresh->model, i)->transposed) {
        model_fresh(fresh, i, 0, count, out);
        return;
    }
    for (int64_t at = 0; at < count; at += PIECE) {
        const int64_t n = count - at < PIECE ? count - at : PIECE;

        model_fresh(fresh, i, at, n, piece);
        for (int64_t k = 0; k < n; k++)
            out[(at + k) % rows * columns + (at + k) / rows] = piece[k];
    }
}

int medvl_model_new(struct medvl_model **out, struct medvl_config *config,
                    uint64_t seed, struct medvl_error *err)
{
    struct medvl_model *m;
    struct state *s;
    size_t size = 0, at = 0;
    struct fresh_numbers fresh = {.seed = seed};
    int rc = model_make(&m, config, err);

    *out = NULL;
    if (rc < 0)
        return rc;
    fresh.model = m;
    s = model_state(m);
    for (int64_t i = 0; rc == MEDVL_OK && i < m->count; i++) {
        m->params[i].value = s->list.specs[i].value;
        m->params[i].value.dtype = MEDVL_DTYPE_F32;
        s->held[i].stored = m->config.dtype;
        if (!medvl_size_add(&size, size, model_f32_size(&m->params[i].value)))
            rc = medvl_fail(err, MEDVL_ENOMEM, "the model is too large");
    }
    if (rc == MEDVL_OK)
        rc = model_block(&s->values, &s->values_size, size, "weights", err);
    for (int64_t i = 0; rc == MEDVL_OK && i < m->count; i++) {
        m->params[i].value.data = (char *)s->values + at;
        fill(&fresh, i);
        at += model_f32_size(&m->params[i].value);
    }
    if (rc < 0) {
        medvl_model_free(m);
        return rc;
    }
    *out = m;
    return MEDVL_OK;
}
