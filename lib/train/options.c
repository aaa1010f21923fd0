/*
 * One table of rows: what stands in options.json, and where in the struct.
 */
#include "lib/train/options.h"

#include <stddef.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/train/dense.h"

void medvl_train_options_init(struct medvl_train_options *options)
{
    const struct medvl_train_options defaults = {
        .rate = 1e-4,
        .epochs = 1,
        .batch_tokens = 4096,
        .accumulate = 1,
        .beta1 = 0.9,
        .beta2 = 0.999,
        .eps = 1e-8,
        .clip = 1,
        .objective = "language",
        .dense_label = 1,
        .dense_drawn = 1,
        .dense_field = 1,
        .keep = 2,
        .samples = 4,
        .device = "cpu"};

    *options = defaults;
}

enum kind { TEXT,
            INT,
            LIMIT, /* INT, or 0 for "not given", which is not written */
            REAL,
            FLAG,
            LIST };

static const struct row {
    const char *name;
    enum kind kind;
    size_t offset, count; /* in the struct; a list's count */
    double low, high;     /* of numbers */
} ROWS[] = {
#define AT(field) offsetof(struct medvl_train_options, field)
    {"model", TEXT, AT(model), 0, 0, 0},
    {"data", LIST, AT(data), AT(data_count), 0, 0},
    {"eval", LIST, AT(eval), AT(eval_count), 0, 0},
    {"root", TEXT, AT(root), 0, 0, 0},
    {"train", TEXT, AT(train), 0, 0, 0},
    {"lr", REAL, AT(rate), 0, 0, 1e3},
    {"lr-floor", REAL, AT(floor), 0, 0, 1},
    {"warmup", INT, AT(warmup), 0, 0, 1e12},
    {"epochs", INT, AT(epochs), 0, 1, 1e9},
    {"steps", LIMIT, AT(steps), 0, 0, 1e12},
    {"batch-tokens", INT, AT(batch_tokens), 0, 1, 1e9},
    {"accumulate", INT, AT(accumulate), 0, 1, 1e6},
    {"max-tokens", LIMIT, AT(max_tokens), 0, 0, 1e9},
    {"weight-decay", REAL, AT(decay), 0, 0, 10},
    {"beta1", REAL, AT(beta1), 0, 0, 0.999999},
    {"beta2", REAL, AT(beta2), 0, 0, 0.999999},
    {"epsilon", REAL, AT(eps), 0, 1e-30, 1},
    {"clip", REAL, AT(clip), 0, -1, 1e9},
    {"label-smoothing", REAL, AT(smoothing), 0, 0, 0.99},
    {"dropout", REAL, AT(dropout), 0, 0, 0.99},
    {"ema", REAL, AT(average), 0, 0, 0.999999},
    {"balance", TEXT, AT(balance), 0, 0, 0},
    {"objective", TEXT, AT(objective), 0, 0, 0},
    {"classes", TEXT, AT(classes), 0, 0, 0},
    {"dense-label", REAL, AT(dense_label), 0, -1, 1e3},
    {"dense-drawn", REAL, AT(dense_drawn), 0, -1, 1e3},
    {"dense-class", REAL, AT(dense_field), 0, -1, 1e3},
    {"recompute", FLAG, AT(recompute), 0, 0, 0},
    {"save-every", LIMIT, AT(save_every), 0, 0, 1e12},
    {"eval-every", LIMIT, AT(eval_every), 0, 0, 1e12},
    {"keep", INT, AT(keep), 0, 1, 1e9},
    {"samples", INT, AT(samples), 0, -1, 1e6},
    {"best", TEXT, AT(best), 0, 0, 0},
    {"seed", INT, AT(seed), 0, 0, 9007199254740992.0},
    {"device", TEXT, AT(device), 0, 0, 0},
#undef AT
};
enum { ROW_COUNT = sizeof(ROWS) / sizeof(ROWS[0]) };

/* ---- checking -------------------------------------------------------- */

static int check_range(const struct row *row,
                       const struct medvl_train_options *o,
                       struct medvl_error *err)
{
    const char *at = (const char *)o + row->offset;
    double value;

    if (row->kind == INT || row->kind == LIMIT)
        value = (double)*(const int64_t *)(const void *)at;
    else if (row->kind == REAL)
        value = *(const double *)(const void *)at;
    else
        return MEDVL_OK;
    if (value >= row->low && value <= row->high)
        return MEDVL_OK;
    return medvl_fail(err, MEDVL_EARG, "--%s: %g is not from %g to %g",
                      row->name, value, row->low, row->high);
}

static bool is_dense(const struct medvl_train_options *o)
{
    return !strcmp(o->objective, "dense");
}

static int check_dense(const struct medvl_train_options *o,
                       struct medvl_error *err)
{
    struct medvl_names fields = {0};
    int rc;

    if (o->balance || o->smoothing > 0)
        return medvl_fail(err, MEDVL_EARG,
                          "--%s is of the language objective, not of dense",
                          o->balance ? "balance" : "label-smoothing");
    rc = medvl_dense_fields(&fields, o->classes, err);
    medvl_names_release(&fields);
    return rc;
}

static int check_objective(const struct medvl_train_options *o,
                           struct medvl_error *err)
{
    if (is_dense(o))
        return check_dense(o, err);
    if (strcmp(o->objective, "language"))
        return medvl_fail(err, MEDVL_EARG,
                          "--objective is language or dense, not \"%s\"",
                          o->objective);
    if (o->classes)
        return medvl_fail(err, MEDVL_EARG,
                          "--classes needs --objective dense");
    return MEDVL_OK;
}

static int check_best(const struct medvl_train_options *o,
                      struct medvl_error *err)
{
    if (o->best && strcmp(o->best, "eval_loss") &&
        strcmp(o->best, "eval_accuracy"))
        return medvl_fail(err, MEDVL_EARG,
                          "--best is eval_loss or eval_accuracy, not \"%s\"",
                          o->best);
    if (o->best && !o->eval_count)
        return medvl_fail(err, MEDVL_EARG, "--best needs --eval");
    return MEDVL_OK;
}

static int check_data(const char *name, const char *const *data,
                      int64_t count, struct medvl_error *err)
{
    for (int64_t i = 0; i < count; i++) {
        double weight;
        size_t size;
        const int rc = medvl_dataset_weight(&weight, &size, data[i], err);

        if (rc < 0)
            return medvl_context(err, "--%s", name);
    }
    return MEDVL_OK;
}

int medvl_train_options_check(const struct medvl_train_options *options,
                              struct medvl_error *err)
{
    const struct medvl_train_options *o = options;
    double rates[MEDVL_TRAIN_PARTS];
    int mask, rc = MEDVL_OK;

    if (!o->model || !o->data_count || (!o->output && !o->dry_run))
        return medvl_fail(err, MEDVL_EARG,
                          "a run needs --model, --data and --output, or "
                          "--resume RUN");
    for (int i = 0; i < ROW_COUNT && rc == MEDVL_OK; i++)
        rc = check_range(&ROWS[i], o, err);
    if (rc == MEDVL_OK)
        rc = check_data("data", o->data, o->data_count, err);
    if (rc == MEDVL_OK)
        rc = check_data("eval", o->eval, o->eval_count, err);
    if (rc == MEDVL_OK)
        rc = check_objective(o, err);
    if (rc == MEDVL_OK)
        rc = medvl_train_options_parts(&mask, rates, o, err);
    return rc < 0 ? rc : check_best(o, err);
}

/* Has the option another value than if it was not given? */
static bool is_given(const struct row *row,
                     const struct medvl_train_options *o)
{
    struct medvl_train_options defaults;
    const char *at = (const char *)o + row->offset;
    const char *other = (const char *)&defaults + row->offset;
    const char *text, *usual;
    int64_t count;

    medvl_train_options_init(&defaults);
    switch (row->kind) {
    case TEXT:
        memcpy(&text, at, sizeof(text));
        memcpy(&usual, other, sizeof(usual));
        return text && (!usual || strcmp(text, usual));
    case LIST:
        memcpy(&count, (const char *)o + row->count, sizeof(count));
        return count > 0;
    case FLAG: return *at != *other;
    case INT:
    case LIMIT:
    case REAL: break;
    }
    return memcmp(at, other, 8) != 0;
}

int medvl_train_options_check_resume(
    const struct medvl_train_options *options, struct medvl_error *err)
{
    const char *name = NULL;

    for (int i = 0; i < ROW_COUNT && !name; i++)
        if (strcmp(ROWS[i].name, "device") && is_given(&ROWS[i], options))
            name = ROWS[i].name;
    if (!name && options->output)
        name = "output";
    if (!name && options->dry_run)
        name = "dry-run";
    if (!name)
        return MEDVL_OK;
    return medvl_fail(err, MEDVL_EARG,
                      "--%s: --resume takes its options from options.json",
                      name);
}

/* ---- parts ----------------------------------------------------------- */

const struct medvl_train_part medvl_train_parts[MEDVL_TRAIN_PARTS] = {
    {"vision", MEDVL_PART_VISION},
    {"projector", MEDVL_PART_PROJECTOR},
    {"decoder", MEDVL_PART_DECODER}};

/* One word of --train: "vision" or "vision=2e-4". */
static int parse_part(int *mask, double rates[MEDVL_TRAIN_PARTS],
                      struct medvl_span word, struct medvl_error *err)
{
    const char *equal = memchr(word.data, '=', word.size);
    struct medvl_span name = word, value;
    int p = 0;

    if (equal)
        name.size = (size_t)(equal - word.data);
    while (p < MEDVL_TRAIN_PARTS &&
           !medvl_span_is(name, medvl_train_parts[p].name))
        p++;
    if (p == MEDVL_TRAIN_PARTS)
        return medvl_fail(err, MEDVL_EARG,
                          "--train: \"%.*s\" is not vision, projector or "
                          "decoder",
                          (int)(name.size > 80 ? 80 : name.size), name.data);
    if (*mask & (int)medvl_train_parts[p].part)
        return medvl_fail(err, MEDVL_EARG, "--train: %s stands twice",
                          medvl_train_parts[p].name);
    *mask |= (int)medvl_train_parts[p].part;
    if (!equal)
        return MEDVL_OK;
    value.data = equal + 1;
    value.size = word.size - name.size - 1;
    if (medvl_parse_real(&rates[p], value, 0, 1e3, NULL) < 0)
        return medvl_fail(err, MEDVL_EARG,
                          "--train: rate of %s: \"%.*s\" is no number from "
                          "0 to 1000",
                          medvl_train_parts[p].name,
                          (int)(value.size > 80 ? 80 : value.size),
                          value.data);
    return MEDVL_OK;
}

int medvl_train_options_parts(int *mask, double rates[MEDVL_TRAIN_PARTS],
                              const struct medvl_train_options *options,
                              struct medvl_error *err)
{
    const char *at = options->train;
    int rc = MEDVL_OK;

    *mask = 0;
    for (int p = 0; p < MEDVL_TRAIN_PARTS; p++)
        rates[p] = options->rate;
    while (at && *at && rc == MEDVL_OK) {
        const struct medvl_span word = {at, strcspn(at, ",")};

        rc = parse_part(mask, rates, word, err);
        at += word.size + (at[word.size] == ',');
    }
    if (rc < 0)
        return rc;
    if (!*mask)
        *mask = is_dense(options)
                    ? (int)MEDVL_PART_VISION
                    : MEDVL_PART_VISION | MEDVL_PART_PROJECTOR |
                          MEDVL_PART_DECODER;
    if (is_dense(options) && *mask != (int)MEDVL_PART_VISION)
        return medvl_fail(err, MEDVL_EARG,
                          "--objective dense trains the vision part alone");
    return rc;
}

/* ---- writing and reading --------------------------------------------- */

static void put_list(struct medvl_json_writer *w, const struct row *row,
                     const struct medvl_train_options *o)
{
    const char *at = (const char *)o;
    const char *const *items;
    int64_t count;

    memcpy(&items, at + row->offset, sizeof(items));
    memcpy(&count, at + row->count, sizeof(count));
    medvl_json_begin(w, row->name, '[');
    for (int64_t i = 0; i < count; i++)
        medvl_json_put_string(w, NULL, medvl_span(items[i]));
    medvl_json_end(w);
}

static void put_row(struct medvl_json_writer *w, const struct row *row,
                    const struct medvl_train_options *o)
{
    const char *at = (const char *)o + row->offset;
    const char *text;
    int64_t number;
    double real;

    switch (row->kind) {
    case TEXT:
        memcpy(&text, at, sizeof(text));
        if (text)
            medvl_json_put_string(w, row->name, medvl_span(text));
        break;
    case INT:
    case LIMIT:
        memcpy(&number, at, sizeof(number));
        if (number || row->kind == INT)
            medvl_json_put_int(w, row->name, number);
        break;
    case REAL:
        memcpy(&real, at, sizeof(real));
        medvl_json_put_number(w, row->name, real);
        break;
    case FLAG:
        medvl_json_put_bool(w, row->name, *(const bool *)at);
        break;
    case LIST: put_list(w, row, o); break;
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
    void *at = (char *)&saved->options + row->offset;

    if (!value)
        return MEDVL_OK;
    switch (row->kind) {
    case TEXT: return medvl_json_get_string(at, options, row->name, err);
    case INT:
    case LIMIT:
        return medvl_json_get_int(at, options, row->name, INT64_MIN,
                                  INT64_MAX, err);
    case REAL:
        return medvl_json_get_number(at, options, row->name, -1e300, 1e300,
                                     err);
    case FLAG:
        if (medvl_json_type(value) != MEDVL_JSON_BOOL)
            return medvl_fail(err, MEDVL_EFORMAT,
                              "\"%s\" is not true or false", row->name);
        *(bool *)at = medvl_json_true(value);
        return MEDVL_OK;
    case LIST:
        if (medvl_json_type(value) != MEDVL_JSON_ARRAY)
            return medvl_fail(err, MEDVL_EFORMAT, "\"%s\" is no array",
                              row->name);
        return read_list(saved, row, value, err);
    }
    return MEDVL_OK;
}

static const struct row *row_named(const char *name)
{
    for (int i = 0; i < ROW_COUNT; i++)
        if (!strcmp(ROWS[i].name, name))
            return &ROWS[i];
    return NULL;
}

/* What this program does not know would change the run: refused. */
static int check_names(const struct medvl_json *options,
                       struct medvl_error *err)
{
    const struct medvl_json *member;

    if (medvl_json_type(options) != MEDVL_JSON_OBJECT)
        return medvl_fail(err, MEDVL_EFORMAT, "no object \"options\"");
    for (member = medvl_json_first(options); member;
         member = medvl_json_next(member))
        if (!row_named(medvl_json_name(member)))
            return medvl_fail(err, MEDVL_EFORMAT, "\"%s\": no such option",
                              medvl_json_name(member));
    return MEDVL_OK;
}

int medvl_train_saved_read(struct medvl_train_saved *saved, const char *path,
                           struct medvl_error *err)
{
    const struct medvl_json *options, *hashes;
    int rc;

    memset(saved, 0, sizeof(*saved));
    medvl_train_options_init(&saved->options);
    rc = medvl_json_read(&saved->json, path, err);
    if (rc < 0)
        return rc;
    options = medvl_json_get(saved->json, "options");
    hashes = medvl_json_get(saved->json, "hashes");
    rc = check_names(options, err);
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
