/*
 * One table of rows: what stands in options.json, and where in the struct.
 */
#include "lib/train/options.h"

#include <stddef.h>
#include <string.h>

#include "lib/base/mem.h"

static void set_int(int64_t *value, int64_t otherwise)
{
    if (!*value)
        *value = otherwise;
}

static void set_real(double *value, double otherwise)
{
    if (*value == 0)
        *value = otherwise;
}

void medvl_train_options_default(struct medvl_train_options *options)
{
    struct medvl_train_options *o = options;

    if (!o->objective)
        o->objective = "language";
    if (!o->device)
        o->device = "cpu";
    set_int(&o->epochs, 1);
    set_int(&o->batch_tokens, 4096);
    set_int(&o->accumulate, 1);
    set_int(&o->keep, 2);
    set_int(&o->samples, 4);
    set_real(&o->rate, 1e-4);
    set_real(&o->beta1, 0.9);
    set_real(&o->beta2, 0.999);
    set_real(&o->eps, 1e-8);
    set_real(&o->clip, 1);
    set_real(&o->dense_label, 1);
    set_real(&o->dense_drawn, 1);
    set_real(&o->dense_field, 1);
}

enum kind { TEXT,
            INT,
            REAL,
            FLAG,
            LIST };

/* The rows of options.json: the command's long names. */
static const struct row {
    const char *name;
    enum kind kind;
    size_t offset, count; /* of a list: where its length is */
} ROWS[] = {
#define ROW(name, kind, field)                                     \
    {                                                              \
        name, kind, offsetof(struct medvl_train_options, field), 0 \
    }
    ROW("model", TEXT, model),
    {"data", LIST, offsetof(struct medvl_train_options, data),
     offsetof(struct medvl_train_options, data_count)},
    {"eval", LIST, offsetof(struct medvl_train_options, eval),
     offsetof(struct medvl_train_options, eval_count)},
    ROW("train", TEXT, train),
    ROW("lr", REAL, rate),
    ROW("lr-floor", REAL, floor),
    ROW("warmup", INT, warmup),
    ROW("epochs", INT, epochs),
    ROW("steps", INT, steps),
    ROW("batch-tokens", INT, batch_tokens),
    ROW("accumulate", INT, accumulate),
    ROW("max-tokens", INT, max_tokens),
    ROW("weight-decay", REAL, decay),
    ROW("beta1", REAL, beta1),
    ROW("beta2", REAL, beta2),
    ROW("epsilon", REAL, eps),
    ROW("clip", REAL, clip),
    ROW("label-smoothing", REAL, smoothing),
    ROW("dropout", REAL, dropout),
    ROW("ema", REAL, average),
    ROW("balance", TEXT, balance),
    ROW("objective", TEXT, objective),
    ROW("classes", TEXT, classes),
    ROW("dense-label", REAL, dense_label),
    ROW("dense-drawn", REAL, dense_drawn),
    ROW("dense-class", REAL, dense_field),
    ROW("recompute", FLAG, recompute),
    ROW("save-every", INT, save_every),
    ROW("eval-every", INT, eval_every),
    ROW("keep", INT, keep),
    ROW("samples", INT, samples),
    ROW("best", TEXT, best),
    ROW("seed", INT, seed),
    ROW("device", TEXT, device),
#undef ROW
};
enum { ROW_COUNT = sizeof(ROWS) / sizeof(ROWS[0]) };

static void put_row(struct medvl_json_writer *w, const struct row *row,
                    const struct medvl_train_options *o)
{
    const char *at = (const char *)o + row->offset;
    const char *text;
    const char *const *items;

    switch (row->kind) {
    case TEXT:
        memcpy(&text, at, sizeof(text));
        if (text)
            medvl_json_put_string(w, row->name, medvl_span(text));
        break;
    case INT:
        medvl_json_put_int(w, row->name, *(const int64_t *)(const void *)at);
        break;
    case REAL:
        medvl_json_put_number(w, row->name, *(const double *)(const void *)at);
        break;
    case FLAG:
        medvl_json_put_bool(w, row->name, *(const bool *)at);
        break;
    case LIST:
        memcpy(&items, at, sizeof(items));
        medvl_json_begin(w, row->name, '[');
        for (int64_t i = 0; i < *(const int64_t *)((const char *)o +
                                                   row->count);
             i++)
            medvl_json_put_string(w, NULL, medvl_span(items[i]));
        medvl_json_end(w);
        break;
    }
}

int medvl_train_options_write(struct medvl_text *out,
                              const struct medvl_train_options *options,
                              const char *data_hash, const char *eval_hash,
                              struct medvl_error *err)
{
    struct medvl_json_writer w = {.out = out};
    int rc;

    medvl_json_begin(&w, NULL, '{');
    medvl_json_begin(&w, "options", '{');
    for (int i = 0; i < ROW_COUNT; i++)
        put_row(&w, &ROWS[i], options);
    medvl_json_end(&w);
    medvl_json_begin(&w, "hashes", '{');
    medvl_json_put_string(&w, "data", medvl_span(data_hash));
    if (eval_hash)
        medvl_json_put_string(&w, "eval", medvl_span(eval_hash));
    medvl_json_end(&w);
    medvl_json_end(&w);
    rc = medvl_json_write_end(&w, err);
    return rc < 0 ? rc : medvl_text_putc(out, '\n', err);
}

static int read_list(struct medvl_train_saved *saved, const struct row *row,
                     const struct medvl_json *value, struct medvl_error *err)
{
    const char **items =
        medvl_alloc(medvl_json_count(value), sizeof(*items));
    char *o = (char *)&saved->options;
    int64_t count = 0;

    if (!items)
        return medvl_no_memory(err);
    saved->lists[!strcmp(row->name, "eval")] = items;
    for (value = medvl_json_first(value); value;
         value = medvl_json_next(value)) {
        items[count] = medvl_json_string(value);
        if (!items[count++])
            return medvl_fail(err, MEDVL_EFORMAT,
                              "\"%s\" has a value that is no string",
                              row->name);
    }
    memcpy(o + row->offset, &items, sizeof(items));
    memcpy(o + row->count, &count, sizeof(count));
    return MEDVL_OK;
}

static int read_row(struct medvl_train_saved *saved, const struct row *row,
                    const struct medvl_json *options,
                    struct medvl_error *err)
{
    const struct medvl_json *value = medvl_json_get(options, row->name);
    char *at = (char *)&saved->options + row->offset;
    const char *text = medvl_json_string(value);

    if (!value)
        return MEDVL_OK;
    switch (row->kind) {
    case TEXT: memcpy(at, &text, sizeof(text)); break;
    case INT:
        return medvl_json_get_int((int64_t *)(void *)at, options, row->name,
                                  INT64_MIN, INT64_MAX, err);
    case REAL:
        return medvl_json_get_number((double *)(void *)at, options, row->name,
                                     -1e300, 1e300, err);
    case FLAG: *(bool *)at = medvl_json_true(value); break;
    case LIST: return read_list(saved, row, value, err);
    }
    return MEDVL_OK;
}

int medvl_train_saved_read(struct medvl_train_saved *saved, const char *path,
                           struct medvl_error *err)
{
    const struct medvl_json *options, *hashes;
    int rc;

    memset(saved, 0, sizeof(*saved));
    rc = medvl_json_read(&saved->json, path, err);
    if (rc < 0)
        return rc;
    options = medvl_json_get(saved->json, "options");
    hashes = medvl_json_get(saved->json, "hashes");
    for (int i = 0; i < ROW_COUNT && rc == MEDVL_OK; i++)
        rc = read_row(saved, &ROWS[i], options, err);
    if (rc == MEDVL_OK)
        rc = medvl_json_get_string(&saved->data_hash, hashes, "data", err);
    saved->eval_hash = medvl_json_string(medvl_json_get(hashes, "eval"));
    if (rc < 0) {
        medvl_context(err, "%s", path);
        medvl_train_saved_release(saved);
    }
    return rc;
}

void medvl_train_saved_release(struct medvl_train_saved *saved)
{
    medvl_json_free(saved->json);
    medvl_free(saved->lists[0]);
    medvl_free(saved->lists[1]);
    memset(saved, 0, sizeof(*saved));
}
