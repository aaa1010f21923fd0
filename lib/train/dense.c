/*
 * Every loss here is a head_logprob over few classes: the patches' labels,
 * drawn or not, and the fields' values over the mean of a picture's
 * patches.  Targets come from the record's regions by the patch centres.
 */
#include "lib/train/dense.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/image/region.h"

enum { FIELDS_MAX = 16 };

/* One head: its classes, sorted by bytes, and its matrix. */
struct head {
    char *field; /* of a field's head; NULL: label, drawn */
    struct medvl_names classes;
    double weight;
};

struct medvl_dense {
    const struct medvl_frontend *frontend;
    const struct medvl_model *model;
    struct head heads[FIELDS_MAX + 2]; /* label, drawn, fields */
    struct medvl_param params[FIELDS_MAX + 2];
    int count;
    float *block;
    size_t block_size;
};

enum { LABEL,
       DRAWN,
       FIRST_FIELD };

/* ---- classes --------------------------------------------------------- */

static int class_of(const struct head *head, const char *name)
{
    for (size_t i = 0; i < head->classes.count; i++)
        if (!strcmp(head->classes.items[i], name))
            return (int)i;
    return -1;
}

static int add_name(struct medvl_names *names, const char *name, size_t size,
                    struct medvl_error *err)
{
    const int rc = medvl_grow(&names->items, &names->capacity,
                              names->count + 1, sizeof(*names->items), err);

    if (rc < 0)
        return rc;
    names->items[names->count] = medvl_copy_string(name, size);
    if (!names->items[names->count])
        return medvl_no_memory(err);
    names->count++;
    return MEDVL_OK;
}

static int add_class(struct head *head, const char *name,
                     struct medvl_error *err)
{
    if (class_of(head, name) >= 0)
        return MEDVL_OK;
    return add_name(&head->classes, name, strlen(name), err);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The value of a field as text: strings as they are, others as JSON. */
static int field_value(struct medvl_text *out, const struct medvl_json *record,
                       const char *field, struct medvl_error *err)
{
    const struct medvl_json *value = medvl_json_get(record, field);

    medvl_text_clear(out);
    if (!value)
        return medvl_fail(err, MEDVL_EFORMAT, "\"%s\": missing", field);
    if (!medvl_json_string(value))
        return medvl_json_print(out, value, err);
    /* With its zero byte, which an empty text would not have. */
    return medvl_text_append(out, medvl_json_string(value),
                             strlen(medvl_json_string(value)) + 1, err);
}

static bool is_drawn(const struct medvl_json *region)
{
    return medvl_json_true(medvl_json_get(region, "drawn"));
}

static int collect(struct medvl_dense *d, struct medvl_span span,
                   struct medvl_error *err)
{
    const struct medvl_json *image, *region;
    struct medvl_json *record;
    struct medvl_text value = {0};
    int rc = medvl_json_parse(&record, span, err);

    if (rc < 0)
        return rc;
    image = medvl_json_first(medvl_json_get(record, "images"));
    for (; image && rc == MEDVL_OK; image = medvl_json_next(image)) {
        region = medvl_json_first(medvl_json_get(image, "regions"));
        for (; region && rc == MEDVL_OK; region = medvl_json_next(region)) {
            const char *label =
                medvl_json_string(medvl_json_get(region, "label"));

            if (label)
                rc = add_class(&d->heads[LABEL], label, err);
            if (rc == MEDVL_OK && is_drawn(region))
                rc = add_class(&d->heads[DRAWN], "drawn", err);
        }
    }
    for (int h = FIRST_FIELD; h < d->count && rc == MEDVL_OK; h++) {
        rc = field_value(&value, record, d->heads[h].field, err);
        if (rc == MEDVL_OK)
            rc = add_class(&d->heads[h], value.data, err);
    }
    medvl_text_release(&value);
    medvl_json_free(record);
    return rc;
}

/* Sorted, "none" first for labels, so the order of records is no matter. */
static int collect_all(struct medvl_dense *d, struct medvl_dataset *data,
                       struct medvl_error *err)
{
    int rc = MEDVL_OK;

    for (int64_t i = 0; i < medvl_dataset_count(data) && rc == MEDVL_OK;
         i++) {
        struct medvl_dataset_item item;

        rc = medvl_dataset_read(&item, data, i, err);
        if (rc == MEDVL_OK)
            rc = collect(d, item.record, err);
        if (rc < 0)
            return medvl_dataset_context(data, i, &item, err);
    }
    for (int h = 0; h < d->count && rc == MEDVL_OK; h++) {
        struct medvl_names *c = &d->heads[h].classes;

        if (c->count)
            qsort(c->items, c->count, sizeof(*c->items), compare_names);
        if (h >= FIRST_FIELD)
            continue;
        rc = add_class(&d->heads[h], "none", err);
        for (size_t i = c->count; i > 1; i--)
            if (!strcmp(c->items[i - 1], "none")) {
                char *none = c->items[i - 1];

                c->items[i - 1] = c->items[i - 2];
                c->items[i - 2] = none;
            }
    }
    return rc;
}

/* Does the head take part: it has a weight and something to tell apart. */
static bool in_use(const struct head *head)
{
    return head->weight > 0 && head->classes.count >= 2;
}

static int check_use(const struct medvl_dense *d, struct medvl_error *err)
{
    for (int h = 0; h < d->count; h++)
        if (in_use(&d->heads[h]))
            return MEDVL_OK;
    return medvl_fail(err, MEDVL_EARG,
                      "--objective dense: the data has no labelled and no "
                      "drawn region, and no field of --classes with two "
                      "values; or their weights are 0");
}

int medvl_dense_fields(struct medvl_names *out, const char *classes,
                       struct medvl_error *err)
{
    int rc = MEDVL_OK;

    while (classes && *classes && rc == MEDVL_OK) {
        const size_t size = strcspn(classes, ",");

        if (!size || out->count == FIELDS_MAX)
            return medvl_fail(err, MEDVL_EARG,
                              "--classes takes 1 to %d names with commas "
                              "between",
                              FIELDS_MAX);
        rc = add_name(out, classes, size, err);
        classes += size + (classes[size] == ',');
    }
    return rc;
}

/* A head for each field. */
static int add_fields(struct medvl_dense *d, const char *classes,
                      double weight, struct medvl_error *err)
{
    struct medvl_names fields = {0};
    const int rc = medvl_dense_fields(&fields, classes, err);

    for (size_t f = 0; rc == MEDVL_OK && f < fields.count; f++) {
        struct head *head = &d->heads[d->count++];

        head->field = fields.items[f];
        head->weight = weight;
        fields.items[f] = NULL;
    }
    medvl_names_release(&fields);
    return rc;
}

/* ---- heads ----------------------------------------------------------- */

static int head_name(char **out, const struct head *head, int h,
                     struct medvl_error *err)
{
    struct medvl_text text = {0};
    int rc;

    if (h < FIRST_FIELD)
        rc = medvl_text_puts(
            &text, h == LABEL ? "label.weight" : "drawn.weight", err);
    else
        rc = medvl_text_printf(&text, err, "class.%s.weight", head->field);
    *out = text.data;
    return rc;
}

/* Values and gradients in one block; the heads start at zero. */
static int make_params(struct medvl_dense *d, struct medvl_error *err)
{
    const int64_t width = d->model->config.vision.hidden;
    size_t total = 0;
    float *at;

    for (int h = 0; h < d->count; h++)
        total += 2 * d->heads[h].classes.count * (size_t)width;
    d->block_size = total * sizeof(float);
    d->block = medvl_block_alloc(d->block_size);
    if (!d->block)
        return medvl_no_memory(err);
    at = d->block;
    for (int h = 0; h < d->count; h++) {
        struct medvl_param *p = &d->params[h];
        const int64_t rows = (int64_t)d->heads[h].classes.count;
        char *name;
        int rc = head_name(&name, &d->heads[h], h, err);

        p->name = name;
        if (rc < 0)
            return rc;
        p->trained = true;
        p->value = medvl_tensor_2d(at, MEDVL_DTYPE_F32, rows, width);
        at += rows * width;
        p->grad = medvl_tensor_2d(at, MEDVL_DTYPE_F32, rows, width);
        at += rows * width;
    }
    return MEDVL_OK;
}

int medvl_dense_open(struct medvl_dense **out,
                     const struct medvl_dense_options *options,
                     struct medvl_dataset *data,
                     const struct medvl_frontend *frontend,
                     const struct medvl_model *model, struct medvl_error *err)
{
    struct medvl_dense *d;
    int rc;

    *out = NULL;
    if (!frontend || model->config.vision.keep_class)
        return medvl_fail(err, MEDVL_EARG, "the dense objective needs a "
                                           "model with a vision tower whose "
                                           "class token is left out");
    d = medvl_alloc(1, sizeof(*d));
    if (!d)
        return medvl_no_memory(err);
    d->frontend = frontend;
    d->model = model;
    d->heads[LABEL].weight = options->label;
    d->heads[DRAWN].weight = options->drawn;
    d->count = FIRST_FIELD;
    rc = add_fields(d, options->classes, options->field, err);
    if (rc == MEDVL_OK)
        rc = collect_all(d, data, err);
    if (rc == MEDVL_OK)
        rc = check_use(d, err);
    if (rc == MEDVL_OK)
        rc = make_params(d, err);
    if (rc == MEDVL_OK) {
        *out = d;
        d = NULL;
    }
    medvl_dense_free(d);
    return rc;
}

void medvl_dense_free(struct medvl_dense *dense)
{
    if (!dense)
        return;
    for (int h = 0; h < dense->count; h++) {
        medvl_free(dense->heads[h].field);
        medvl_names_release(&dense->heads[h].classes);
        medvl_free((void *)(uintptr_t)dense->params[h].name);
    }
    medvl_block_free(dense->block, dense->block_size);
    medvl_free(dense);
}

struct medvl_param *medvl_dense_params(struct medvl_dense *dense,
                                       int64_t *count)
{
    *count = dense->count;
    return dense->params;
}

/* ---- targets --------------------------------------------------------- */

/* Targets of a micro-batch: a class a patch, a class a picture and field. */
struct targets {
    int32_t *patch[2]; /* label, drawn: (pictures * P) */
    int32_t *field[FIELDS_MAX];
    int32_t *cu;               /* (pictures + 1) */
    int64_t pictures, patches; /* patches of one picture */
    int64_t labelled;
};

static void release_targets(struct targets *t)
{
    medvl_free(t->patch[LABEL]);
    medvl_free(t->patch[DRAWN]);
    for (int f = 0; f < FIELDS_MAX; f++)
        medvl_free(t->field[f]);
    medvl_free(t->cu);
}

static int read_box(struct medvl_box *box, const struct medvl_json *region,
                    struct medvl_error *err)
{
    const struct medvl_json *array = medvl_json_get(region, "box");
    double v[4];

    if (medvl_json_count(array) != 4)
        return medvl_fail(err, MEDVL_EFORMAT,
                          "a region's \"box\" is not [x0, y0, x1, y1]");
    for (int i = 0; i < 4; i++) {
        v[i] = medvl_json_number(medvl_json_at(array, (size_t)i), NAN);
        if (isnan(v[i]))
            return medvl_fail(err, MEDVL_EFORMAT,
                              "a region's \"box\" holds no number");
    }
    box->x0 = v[0];
    box->y0 = v[1];
    box->x1 = v[2];
    box->y1 = v[3];
    return MEDVL_OK;
}

/* Region as an area: its mask, or its box where it has none. */
struct area {
    struct medvl_box box;
    struct medvl_mask mask;
    double size;
};

static int read_area(struct area *area, const struct medvl_json *region,
                     int64_t width, int64_t height, struct medvl_error *err)
{
    const struct medvl_json *mask = medvl_json_get(region, "mask");
    const char *counts = medvl_json_string(medvl_json_get(mask, "counts"));
    int rc;

    memset(area, 0, sizeof(*area));
    if (!mask || is_drawn(region) || medvl_json_get(region, "box")) {
        rc = read_box(&area->box, region, err);
        if (rc < 0)
            return rc;
    }
    area->size = (area->box.x1 - area->box.x0) *
                 (area->box.y1 - area->box.y0);
    if (!mask)
        return MEDVL_OK;
    if (!counts)
        return medvl_fail(err, MEDVL_EFORMAT,
                          "a region's \"mask\" has no \"counts\" string");
    rc = medvl_mask_decode(&area->mask, medvl_span(counts), width, height,
                           err);
    if (rc == MEDVL_OK)
        area->size = (double)medvl_mask_area(&area->mask);
    return rc;
}

static bool covers(const struct area *area, float x, float y)
{
    const int64_t column = (int64_t)floorf(x), row = (int64_t)floorf(y);

    if (!area->mask.data)
        return x >= area->box.x0 && x < area->box.x1 && y >= area->box.y0 &&
               y < area->box.y1;
    return column >= 0 && row >= 0 && column < area->mask.width &&
           row < area->mask.height &&
           area->mask.data[row * area->mask.width + column];
}

/* One picture's patches while its regions are gone through. */
struct patches {
    const float *centres; /* (P, 2) */
    double *smallest;     /* (P): area of the region that holds the patch */
    int32_t *label, *drawn;
    int64_t count;
};

static int mark_region(const struct medvl_dense *d, struct patches *p,
                       const struct medvl_json *region, int64_t width,
                       int64_t height, struct medvl_error *err)
{
    const char *label = medvl_json_string(medvl_json_get(region, "label"));
    const bool drawn = is_drawn(region);
    const int class = label ? class_of(&d->heads[LABEL], label) : -1;
    struct area area;
    int rc = MEDVL_OK;

    if (label && class < 0)
        return medvl_fail(err, MEDVL_EFORMAT,
                          "label \"%s\" is not in the training data", label);
    if (!label && !drawn)
        return MEDVL_OK;
    rc = read_area(&area, region, width, height, err);
    for (int64_t i = 0; i < p->count && rc == MEDVL_OK; i++) {
        const float x = p->centres[2 * i], y = p->centres[2 * i + 1];

        if (drawn && x >= area.box.x0 && x < area.box.x1 &&
            y >= area.box.y0 && y < area.box.y1)
            p->drawn[i] = 1;
        if (label && area.size < p->smallest[i] && covers(&area, x, y)) {
            p->smallest[i] = area.size;
            p->label[i] = class;
        }
    }
    medvl_mask_release(&area.mask);
    return rc;
}

static int mark_picture(const struct medvl_dense *d, struct targets *t,
                        const struct medvl_json *image, int64_t number,
                        const int32_t size[2], struct medvl_error *err)
{
    const struct medvl_json *first =
        medvl_json_first(medvl_json_get(image, "regions"));
    const int64_t n = t->patches;
    float *centres = medvl_alloc((size_t)n, 2 * sizeof(*centres));
    double *smallest = medvl_alloc((size_t)n, sizeof(*smallest));
    struct patches p = {centres, smallest, t->patch[LABEL] + number * n,
                        t->patch[DRAWN] + number * n, n};
    bool labelled = false;
    int rc = centres && smallest ? MEDVL_OK : medvl_no_memory(err);

    if (rc == MEDVL_OK)
        rc = medvl_frontend_centres(centres, d->frontend, size[0], size[1],
                                    err);
    for (int64_t i = 0; i < n && rc == MEDVL_OK; i++)
        smallest[i] = INFINITY;
    for (const struct medvl_json *r = first; r && rc == MEDVL_OK;
         r = medvl_json_next(r)) {
        labelled |= medvl_json_string(medvl_json_get(r, "label")) != NULL;
        rc = mark_region(d, &p, r, size[0], size[1], err);
    }
    for (int64_t i = 0; i < n && !labelled && rc == MEDVL_OK; i++)
        p.label[i] = -1;
    t->labelled += labelled;
    medvl_free(centres);
    medvl_free(smallest);
    return rc;
}

static int mark_fields(const struct medvl_dense *d, struct targets *t,
                       const struct medvl_json *record,
                       const struct medvl_sample *sample,
                       struct medvl_error *err)
{
    struct medvl_text value = {0};
    int rc = MEDVL_OK;

    for (int h = FIRST_FIELD; h < d->count && rc == MEDVL_OK; h++) {
        int class;

        rc = field_value(&value, record, d->heads[h].field, err);
        if (rc < 0)
            break;
        class = class_of(&d->heads[h], value.data);
        if (class < 0)
            rc = medvl_fail(err, MEDVL_EFORMAT,
                            "\"%s\": \"%s\" is not in the training data",
                            d->heads[h].field, value.data);
        for (int64_t i = 0; i < sample->picture_count; i++)
            t->field[h - FIRST_FIELD][sample->first_picture + i] = class;
    }
    medvl_text_release(&value);
    return rc;
}

static int mark_sample(const struct medvl_dense *d, struct targets *t,
                       const struct medvl_sample *sample,
                       struct medvl_error *err)
{
    const struct medvl_json *image;
    struct medvl_json *record;
    int64_t i = 0;
    int rc = medvl_json_parse(&record, sample->record, err);

    if (rc < 0)
        return rc;
    image = medvl_json_first(medvl_json_get(record, "images"));
    for (; image && rc == MEDVL_OK; image = medvl_json_next(image), i++)
        rc = mark_picture(d, t, image, sample->first_picture + i,
                          sample->sizes + 2 * i, err);
    if (rc == MEDVL_OK)
        rc = mark_fields(d, t, record, sample, err);
    medvl_json_free(record);
    if (rc < 0)
        medvl_context(err, "record %s", sample->id);
    return rc;
}

static int make_targets(struct targets *t, const struct medvl_dense *d,
                        const struct medvl_microbatch *micro,
                        struct medvl_error *err)
{
    const size_t pictures = (size_t)micro->batch.pictures;
    size_t rows;
    int rc = MEDVL_OK;

    memset(t, 0, sizeof(*t));
    t->pictures = micro->batch.pictures;
    rows = (size_t)medvl_tensor_rows(&micro->batch.rows);
    t->patches = (int64_t)(rows / pictures);
    t->patch[LABEL] = medvl_alloc(rows, sizeof(int32_t));
    t->patch[DRAWN] = medvl_alloc(rows, sizeof(int32_t));
    t->cu = medvl_alloc(pictures + 1, sizeof(int32_t));
    if (!t->patch[LABEL] || !t->patch[DRAWN] || !t->cu)
        return medvl_no_memory(err);
    for (int f = 0; f < d->count - FIRST_FIELD; f++) {
        t->field[f] = medvl_alloc(pictures, sizeof(int32_t));
        if (!t->field[f])
            return medvl_no_memory(err);
    }
    for (size_t p = 0; p <= pictures; p++)
        t->cu[p] = (int32_t)(p * (size_t)t->patches);
    for (int64_t s = 0; s < micro->sample_count && rc == MEDVL_OK; s++)
        rc = mark_sample(d, t, &micro->samples[s], err);
    return rc;
}

/* ---- the run --------------------------------------------------------- */

/* A head at work: its rows on the tape, their targets. */
struct work {
    struct medvl_var *inp, *logp;
    struct medvl_tensor target;
    int64_t rows;
    double each; /* what one row counts in a picture's loss */
};

static double loss_of(const struct work *w)
{
    const float *logp = w->logp->value.data;
    const int32_t *target = w->target.data;
    double sum = 0;

    for (int64_t i = 0; i < w->rows; i++)
        if (target[i] >= 0)
            sum -= logp[i] * w->each;
    return sum;
}

static int seed(struct medvl_tape *tape, const struct work *w, double weight,
                double share, struct medvl_error *err)
{
    float *d = medvl_alloc((size_t)w->rows, sizeof(*d));
    struct medvl_tensor t = medvl_tensor_1d(d, MEDVL_DTYPE_F32, w->rows);

    if (!d)
        return medvl_no_memory(err);
    for (int64_t i = 0; i < w->rows; i++)
        if (((const int32_t *)w->target.data)[i] >= 0)
            d[i] = (float)(-w->each * weight / share);
    medvl_tape_seed(tape, w->logp, &t);
    medvl_free(d);
    return MEDVL_OK;
}

/* Rows whose likeliest class is the target; `skip` is not counted. */
static int count_right(int64_t *rows, int64_t *right, struct medvl_tape *tape,
                       const struct work *w, struct medvl_param *head,
                       int skip, struct medvl_error *err)
{
    const int64_t classes = head->value.size[0];
    const int32_t *target = w->target.data;
    struct medvl_var *logits = medvl_tape_linear(tape, w->inp, head, NULL);
    const int rc = medvl_tape_check(tape, err);

    for (int64_t i = 0; rc == MEDVL_OK && i < w->rows; i++) {
        const float *row = (const float *)logits->value.data + i * classes;
        int64_t best = 0;

        if (target[i] < 0 || target[i] == skip)
            continue;
        for (int64_t c = 1; c < classes; c++)
            if (row[c] > row[best])
                best = c;
        ++*rows;
        *right += best == target[i];
    }
    return rc;
}

/* The tower's output after post_layernorm: what the heads read. */
static struct medvl_var *tower(struct medvl_dense *d, struct medvl_tape *tape,
                               const struct medvl_microbatch *micro)
{
    const struct medvl_model *m = d->model;
    const char *const norm = "vision_tower.vision_model.post_layernorm";
    struct medvl_var *out = medvl_vit_forward(tape, m, &micro->batch.rows,
                                              micro->batch.pictures);

    return medvl_tape_layernorm(tape, out,
                                medvl_model_param(m, "%s.weight", norm),
                                medvl_model_param(m, "%s.bias", norm),
                                m->config.vision.norm_eps);
}

static void put_heads(struct work *work, struct medvl_dense *d,
                      struct medvl_tape *tape, const struct targets *t,
                      struct medvl_var *features)
{
    const struct medvl_tensor cu =
        medvl_tensor_1d(t->cu, MEDVL_DTYPE_I32, t->pictures + 1);
    struct medvl_var *pooled = NULL;

    for (int h = 0; h < d->count; h++) {
        struct work *w = &work[h];
        const bool patch = h < FIRST_FIELD;

        memset(w, 0, sizeof(*w));
        if (!in_use(&d->heads[h]))
            continue;
        if (!patch && !pooled)
            pooled = medvl_tape_mean_rows(tape, features, &cu);
        w->inp = patch ? features : pooled;
        w->rows = patch ? t->pictures * t->patches : t->pictures;
        w->each = patch ? 1.0 / (double)t->patches : 1;
        w->target = medvl_tensor_1d(patch ? t->patch[h]
                                          : t->field[h - FIRST_FIELD],
                                    MEDVL_DTYPE_I32, w->rows);
        w->logp = medvl_tape_head_logprob(tape, NULL, NULL, w->inp,
                                          &d->params[h], &w->target);
    }
}

static int read_losses(struct medvl_dense_result *sum,
                       const struct medvl_dense *d, const struct work *work,
                       const struct targets *t, struct medvl_error *err)
{
    double loss = 0;

    for (int h = 0; h < d->count; h++) {
        double *to = h == LABEL   ? &sum->label
                     : h == DRAWN ? &sum->drawn
                                  : &sum->field;
        double one;

        if (!work[h].logp)
            continue;
        one = loss_of(&work[h]);
        *to += one;
        loss += one * d->heads[h].weight;
    }
    sum->loss += loss;
    sum->pictures += t->pictures;
    sum->labelled += t->labelled;
    if (!isfinite(loss))
        return medvl_fail(err, MEDVL_EFORMAT, "the loss is not finite");
    return MEDVL_OK;
}

static int count_all(struct medvl_dense_result *sum, struct medvl_dense *d,
                     struct medvl_tape *tape, const struct work *work,
                     struct medvl_error *err)
{
    int rc = MEDVL_OK;

    if (work[LABEL].logp)
        rc = count_right(&sum->patches, &sum->patches_right, tape,
                         &work[LABEL], &d->params[LABEL], 0, err);
    for (int h = FIRST_FIELD; h < d->count && rc == MEDVL_OK; h++)
        if (work[h].logp)
            rc = count_right(&sum->fields, &sum->fields_right, tape, &work[h],
                             &d->params[h], -1, err);
    return rc;
}

int medvl_dense_run(struct medvl_dense_result *sum,
                    struct medvl_dense *dense, struct medvl_tape *tape,
                    const struct medvl_microbatch *micro, double share,
                    struct medvl_error *err)
{
    struct work work[FIELDS_MAX + 2];
    struct targets targets;
    int rc = make_targets(&targets, dense, micro, err);

    if (rc < 0)
        goto done;
    put_heads(work, dense, tape, &targets, tower(dense, tape, micro));
    rc = medvl_tape_check(tape, err);
    if (rc == MEDVL_OK && medvl_tape_mode(tape) != MEDVL_TAPE_PLAN)
        rc = read_losses(sum, dense, work, &targets, err);
    if (rc == MEDVL_OK && medvl_tape_mode(tape) == MEDVL_TAPE_INFER)
        rc = count_all(sum, dense, tape, work, err);
    if (rc < 0 || !medvl_tape_trains(tape))
        goto done;
    for (int h = 0; h < dense->count && rc == MEDVL_OK; h++)
        if (work[h].logp)
            rc = seed(tape, &work[h], dense->heads[h].weight, share, err);
    if (rc == MEDVL_OK) {
        medvl_tape_backward(tape);
        rc = medvl_tape_check(tape, err);
    }
done:
    release_targets(&targets);
    return rc;
}

/* ---- files ----------------------------------------------------------- */

/* {"label": ["none", ...], "drawn": [...], "plane": [...]} */
static int classes_json(struct medvl_text *out, const struct medvl_dense *d,
                        struct medvl_error *err)
{
    struct medvl_json_writer w = {.out = out};

    medvl_json_begin(&w, NULL, '{');
    for (int h = 0; h < d->count; h++) {
        medvl_json_begin(&w, d->params[h].name, '[');
        for (size_t i = 0; i < d->heads[h].classes.count; i++)
            medvl_json_put_string(&w, NULL,
                                  medvl_span(d->heads[h].classes.items[i]));
        medvl_json_end(&w);
    }
    medvl_json_end(&w);
    return medvl_json_write_end(&w, err);
}

int medvl_dense_write(const struct medvl_dense *dense, const char *path,
                      struct medvl_error *err)
{
    struct medvl_safetensors_entry entries[FIELDS_MAX + 2];
    struct medvl_text classes = {0};
    int rc = classes_json(&classes, dense, err);

    for (int h = 0; h < dense->count; h++) {
        entries[h].name = dense->params[h].name;
        entries[h].tensor = dense->params[h].value;
    }
    if (rc == MEDVL_OK) {
        const char *const metadata[] = {"classes", classes.data, NULL};

        rc = medvl_safetensors_write(path, entries, dense->count, metadata,
                                     err);
    }
    medvl_text_release(&classes);
    return rc;
}
