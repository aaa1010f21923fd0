/*
 * Keep, divide, sample, shuffle and permute records.
 *
 * One filter serves the map and the sink.  The sink keeps each line and a
 * few numbers; every mode is then a sort of those numbers and a walk.
 *
 * Read next: tokenize.c.
 */
#include "lib/stage/split.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/file.h"
#include "lib/base/hash.h"
#include "lib/base/mem.h"
#include "lib/base/rng.h"
#include "lib/base/stream.h"
#include "lib/base/text.h"
#include "lib/data/field.h"
#include "lib/text/template.h"

#define MOST_PARTS 64

/* ---- conditions ------------------------------------------------------ */

#define MOST_NAMES 8 /* of a condition, that are looked after */

struct condition {
    struct medvl_field path; /* FIELD=VALUE, or */
    struct medvl_span value; /* borrowed from the option */
    struct medvl_template *expression;

    /* Did it ever hold?  Was there ever a field of each name? */
    struct medvl_want *held, *had[MOST_NAMES];
    const char *names[MOST_NAMES];
    int name_count;
    struct medvl_text hint; /* where FIELD == WORD is all */
};

struct filter {
    struct condition *conditions;
    int count;
};

/* What one thread needs to judge records. */
struct judge {
    const struct filter *filter;
    struct medvl_template_run *run;
    struct medvl_json_view view;
    struct medvl_text text;
};

static void filter_release(struct filter *filter)
{
    for (int i = 0; filter->conditions && i < filter->count; i++) {
        medvl_field_release(&filter->conditions[i].path);
        medvl_template_free(filter->conditions[i].expression);
        medvl_text_release(&filter->conditions[i].hint);
    }
    medvl_free(filter->conditions);
    filter->conditions = NULL;
}

static int condition_parse(struct condition *c, const char *text,
                           struct medvl_error *err)
{
    const char *end = medvl_field_end(text);

    if (end > text && end[0] == '=' && end[1] != '=' &&
        !(*text >= '0' && *text <= '9')) {
        c->value = medvl_span(end + 1);
        return medvl_field_parse(
            &c->path, (struct medvl_span){text, (size_t)(end - text)}, err);
    }
    if (medvl_template_compile_expression(&c->expression, medvl_span(text),
                                          err) < 0)
        return medvl_context(err, "'%.100s' is no FIELD=VALUE (no space at "
                                  "the =), and as an expression",
                             text);
    return MEDVL_OK;
}

/* FIELD == WORD compares with a field WORD; a text was meant, perhaps. */
static int add_hint(struct condition *c, const char *text,
                    struct medvl_error *err)
{
    const char *end = medvl_field_end(text);
    const int field = (int)(end - text);
    const char *word = end + strspn(end, " ");

    if (word[0] != '=' || word[1] != '=')
        return MEDVL_OK;
    word += 2 + strspn(word + 2, " ");
    for (int i = 0; i < c->name_count; i++)
        if (strcmp(word, c->names[i]) == 0)
            return medvl_text_printf(&c->hint, err,
                                     "a text is --where %.*s=%s or --where "
                                     "'%.*s == \"%s\"'",
                                     field, text, word, field, text, word);
    return MEDVL_OK;
}

/* What one of the records at least should do. */
static int condition_want(struct condition *c, const char *text,
                          struct medvl_wants *wants, struct medvl_error *err)
{
    int rc = medvl_wants_add(&c->held, wants, err, "--where '%s' held", text);

    if (rc < 0 || !c->expression)
        return rc;
    c->name_count = medvl_template_compared(c->expression, c->names,
                                            MOST_NAMES);
    for (int i = 0; i < c->name_count && rc == MEDVL_OK; i++)
        rc = medvl_wants_add(&c->had[i], wants, err,
                             "--where '%s' found a field \"%s\"", text,
                             c->names[i]);
    return rc < 0 ? rc : add_hint(c, text, err);
}

/* The condition was looked at. */
static void condition_count(const struct condition *c, bool held,
                            const struct medvl_record *record)
{
    medvl_want_count(c->held, held, NULL);
    for (int i = 0; i < c->name_count; i++)
        medvl_want_count(c->had[i], medvl_record_has(record, c->names[i]),
                         c->hint.data);
}

static int filter_open(struct filter *filter,
                       const struct medvl_split_options *options,
                       struct medvl_error *err)
{
    int rc = MEDVL_OK;

    filter->count = options->where_count;
    filter->conditions = medvl_alloc((size_t)options->where_count,
                                     sizeof(*filter->conditions));
    if (!filter->conditions)
        return medvl_no_memory(err);
    for (int i = 0; i < filter->count && rc == MEDVL_OK; i++) {
        rc = condition_parse(&filter->conditions[i], options->where[i], err);
        if (rc == MEDVL_OK)
            rc = condition_want(&filter->conditions[i], options->where[i],
                                options->wants, err);
    }
    return rc;
}

static int judge_open(struct judge *judge, const struct filter *filter,
                      struct medvl_error *err)
{
    judge->filter = filter;
    for (int i = 0; i < filter->count; i++)
        if (filter->conditions[i].expression)
            return medvl_template_run_new(&judge->run, NULL, err);
    return MEDVL_OK;
}

static void judge_release(struct judge *judge)
{
    medvl_template_run_free(judge->run);
    medvl_json_view_release(&judge->view);
    medvl_text_release(&judge->text);
}

/* Does the JSON value say `want`? */
static int value_is(bool *out, struct medvl_span value,
                    struct medvl_span want, struct medvl_text *text,
                    struct medvl_error *err)
{
    const double huge = 1e300;
    double a, b;
    int rc;

    *out = medvl_span_equal(value, want);
    if (!value.size || *out)
        return MEDVL_OK;
    if (value.data[0] == '"') {
        medvl_text_clear(text);
        rc = medvl_json_unescape(text, value, err);
        *out = rc == MEDVL_OK && medvl_span_equal(medvl_text_span(text), want);
        return rc;
    }
    *out = medvl_parse_real(&a, value, -huge, huge, NULL) == MEDVL_OK &&
           medvl_parse_real(&b, want, -huge, huge, NULL) == MEDVL_OK && a == b;
    return MEDVL_OK;
}

/* Do all conditions hold? */
static int judge_record(bool *keep, struct judge *judge,
                        const struct medvl_record *record,
                        struct medvl_error *err)
{
    const struct filter *filter = judge->filter;
    struct medvl_span value;
    int rc = MEDVL_OK;

    *keep = true;
    for (int i = 0; i < filter->count && rc == MEDVL_OK && *keep; i++) {
        const struct condition *c = &filter->conditions[i];

        if (c->expression) {
            medvl_template_begin(judge->run);
            rc = medvl_template_set_members(judge->run, &record->view, true,
                                            err);
            if (rc == MEDVL_OK)
                rc = medvl_template_truth(keep, c->expression, judge->run,
                                          err);
        } else {
            rc = medvl_field_get(&value, &c->path, record, &judge->view, err);
            if (rc == MEDVL_OK)
                rc = value_is(keep, value, c->value, &judge->text, err);
        }
        if (rc == MEDVL_OK)
            condition_count(c, *keep, record);
    }
    return rc;
}

/* ---- the map --------------------------------------------------------- */

static int keep_open(void **stage, const void *options,
                     struct medvl_error *err)
{
    struct filter *filter = medvl_alloc(1, sizeof(*filter));

    *stage = filter;
    if (!filter)
        return medvl_no_memory(err);
    return filter_open(filter, options, err);
}

static int keep_worker(void **worker, void *stage, struct medvl_error *err)
{
    struct judge *judge = medvl_alloc(1, sizeof(*judge));

    *worker = judge;
    return judge ? judge_open(judge, stage, err) : medvl_no_memory(err);
}

static int keep_record(void *worker, struct medvl_record *record,
                       struct medvl_out *out, struct medvl_error *err)
{
    bool keep;
    int rc = judge_record(&keep, worker, record, err);

    if (rc == MEDVL_OK && keep)
        rc = medvl_out_write(out, record, err);
    return rc;
}

static void keep_worker_free(void *worker)
{
    judge_release(worker);
    medvl_free(worker);
}

static void keep_free(void *stage)
{
    filter_release(stage);
    medvl_free(stage);
}

const struct medvl_map medvl_split_keep = {
    .open = keep_open,
    .worker = keep_worker,
    .record = keep_record,
    .worker_free = keep_worker_free,
    .free = keep_free,
};

/* ---- the sink: taking records in ------------------------------------- */

struct item {
    size_t line, line_size; /* in the store's bytes */
    size_t key, key_size;   /* what belongs together has one key */
    uint64_t order;         /* hash of (seed, key) */
    uint64_t own;           /* hash of (seed, id) */
    int64_t pictures;       /* permute: how many */
    const char *path;
    int64_t number; /* line in the file */
    bool chosen;
    size_t other; /* part, or the item whose pictures it gets */
};

struct part {
    char *name;
    double end; /* its fraction and those before it, added up */
    int64_t count;
    struct medvl_writer *writer;
};

struct split {
    const struct medvl_split_options *options;
    struct filter filter;
    struct judge judge;
    struct medvl_field by;
    struct medvl_want *pictures; /* permute: is there any? */
    struct medvl_text bytes;     /* lines and keys */
    struct item *items;
    size_t count, capacity;
    struct item **sorted;
    struct part parts[MOST_PARTS];
    int part_count;
    int64_t amount; /* sample: groups, or 0 for a fraction */
    double fraction;
    struct medvl_text text;
};

static int add_part(struct split *s, const char *text, size_t size,
                    struct medvl_error *err)
{
    const char *equals = memchr(text, '=', size);
    const size_t name = equals ? (size_t)(equals - text) : 0;
    struct medvl_span value = {text + name + 1, size - name - 1};
    struct part *part = &s->parts[s->part_count];
    double fraction;

    if (!name || medvl_parse_real(&fraction, value, 1e-9, 1, NULL) < 0)
        return medvl_fail(err, MEDVL_EARG,
                          "part '%.*s' is not NAME=FRACTION, as in "
                          "train=0.8",
                          size > 100 ? 100 : (int)size, text);
    for (size_t i = 0; i < name; i++)
        if (!medvl_field_byte(text[i]))
            return medvl_fail(err, MEDVL_EARG,
                              "a part's name has letters, digits, _ and -");
    if (s->part_count == MOST_PARTS)
        return medvl_fail(err, MEDVL_EARG, "more than %d parts", MOST_PARTS);
    part->name = medvl_copy_string(text, name);
    if (!part->name)
        return medvl_no_memory(err);
    part->end = fraction;
    for (int i = 0; i < s->part_count; i++)
        if (strcmp(s->parts[i].name, part->name) == 0) {
            medvl_fail(err, MEDVL_EARG, "part '%s' is there twice",
                       part->name);
            medvl_free(part->name);
            return MEDVL_EARG;
        }
    if (s->part_count > 0)
        part->end += part[-1].end;
    s->part_count++;
    return MEDVL_OK;
}

static int read_parts(struct split *s, const char *text,
                      struct medvl_error *err)
{
    double all;
    int rc = MEDVL_OK;

    while (rc == MEDVL_OK) {
        const size_t size = strcspn(text, ",");

        rc = add_part(s, text, size, err);
        text += size;
        if (*text != ',')
            break;
        text++;
    }
    if (rc < 0)
        return rc;
    all = s->parts[s->part_count - 1].end;
    if (all < 1 - 1e-6 || all > 1 + 1e-6)
        return medvl_fail(err, MEDVL_EARG,
                          "the fractions of the parts add up to %g, not 1",
                          all);
    s->parts[s->part_count - 1].end = 2; /* nothing falls behind the last */
    return MEDVL_OK;
}

/* "100" is an amount, "0.1" (with a point) a fraction. */
static int read_sample(struct split *s, const char *text,
                       struct medvl_error *err)
{
    const struct medvl_span span = medvl_span(text);
    int rc;

    if (strpbrk(text, ".eE"))
        rc = medvl_parse_real(&s->fraction, span, 1e-12, 1, NULL);
    else
        rc = medvl_parse_int(&s->amount, span, 1, INT64_MAX, NULL);
    if (rc < 0)
        return medvl_fail(err, MEDVL_EARG,
                          "sample '%s' is no number from 1 and no fraction "
                          "such as 0.1",
                          text);
    return MEDVL_OK;
}

static int all_open(void **stage, const void *options,
                    struct medvl_pool *pool, struct medvl_error *err)
{
    const struct medvl_split_options *o = options;
    struct split *s = medvl_alloc(1, sizeof(*s));
    const char *by = o->by ? o->by : o->permute ? "group"
                                                : "id";
    int rc;

    (void)pool;
    *stage = s;
    if (!s)
        return medvl_no_memory(err);
    s->options = o;
    rc = filter_open(&s->filter, o, err);
    if (rc == MEDVL_OK)
        rc = judge_open(&s->judge, &s->filter, err);
    if (rc == MEDVL_OK)
        rc = medvl_field_parse(&s->by, medvl_span(by), err);
    if (rc == MEDVL_OK && o->parts)
        rc = read_parts(s, o->parts, err);
    if (rc == MEDVL_OK && o->parts && !o->folder)
        rc = medvl_fail(err, MEDVL_EARG, "parts need a folder");
    if (rc == MEDVL_OK && o->sample)
        rc = read_sample(s, o->sample, err);
    if (rc == MEDVL_OK && o->permute && strcmp(o->permute, "images") != 0 &&
        strcmp(o->permute, "pictures") != 0)
        rc = medvl_fail(err, MEDVL_EARG,
                        "permute pictures or images, not '%s'", o->permute);
    if (rc == MEDVL_OK && o->permute)
        rc = medvl_wants_add(&s->pictures, o->wants, err,
                             "--permute found pictures");
    return rc;
}

static uint64_t draw(const struct split *s, const char *data, size_t size)
{
    struct medvl_rng rng;

    medvl_rng_init(&rng, (uint64_t)s->options->seed, MEDVL_PURPOSE_SPLIT,
                   medvl_hash64(data, size));
    return medvl_rng_u64(&rng);
}

/* Append what the record is grouped by.  `id` is its id. */
static int append_key(struct split *s, const struct medvl_record *record,
                      struct medvl_span id, struct medvl_error *err)
{
    const char *name = s->by.steps[0].name;
    struct medvl_span value;
    int rc;

    rc = medvl_field_get(&value, &s->by, record, &s->judge.view, err);
    if (rc < 0)
        return rc;
    if (!value.size && !s->options->by) { /* a group of its own */
        rc = medvl_text_putc(&s->bytes, 0, err);
        return rc < 0 ? rc
                      : medvl_text_append(&s->bytes, id.data, id.size, err);
    }
    if (!value.size || medvl_span_is(value, "null"))
        return medvl_fail(err, MEDVL_EFORMAT,
                          "\"%s\": missing, but --by names it", name);
    if (value.data[0] == '{' || value.data[0] == '[')
        return medvl_fail(err, MEDVL_EFORMAT,
                          "\"%s\": no string or number to group by", name);
    if (value.data[0] != '"')
        return medvl_text_append(&s->bytes, value.data, value.size, err);
    rc = medvl_json_unescape(&s->bytes, value, err);
    return rc == MEDVL_EFORMAT ? medvl_context(err, "\"%s\"", name) : rc;
}

static int count_pictures(struct split *s, int64_t *out,
                          const struct medvl_record *record,
                          struct medvl_error *err)
{
    const struct medvl_span images = medvl_record_get(record, "images");

    *out = 0;
    if (!images.size)
        return MEDVL_OK;
    if (medvl_json_view_array(&s->judge.view, images, err) < 0)
        return medvl_context(err, "\"images\"");
    *out = (int64_t)s->judge.view.count;
    return MEDVL_OK;
}

static int take_record(struct split *s, const struct medvl_record *record,
                       struct medvl_error *err)
{
    struct item item = {.path = record->path, .number = record->line};
    int rc;

    medvl_text_clear(&s->text);
    rc = medvl_record_id(&s->text, record, err);
    if (rc < 0)
        return rc;
    if (s->options->permute)
        rc = count_pictures(s, &item.pictures, record, err);
    medvl_want_count(s->pictures, item.pictures > 0, NULL);
    item.own = draw(s, s->text.data, s->text.size);
    item.key = s->bytes.size;
    if (rc == MEDVL_OK)
        rc = append_key(s, record, medvl_text_span(&s->text), err);
    item.key_size = s->bytes.size - item.key;
    item.line = s->bytes.size;
    if (rc == MEDVL_OK)
        rc = medvl_record_write(&s->bytes, record, err);
    if (rc == MEDVL_OK)
        rc = medvl_grow(&s->items, &s->capacity, s->count + 1,
                        sizeof(*s->items), err);
    if (rc < 0) {
        s->bytes.size = item.key;
        return rc;
    }
    item.line_size = s->bytes.size - item.line - 1; /* no newline */
    item.order = draw(s, s->bytes.data + item.key, item.key_size);
    s->items[s->count++] = item;
    return MEDVL_OK;
}

static int all_record(void *stage, struct medvl_record *record,
                      struct medvl_out *out, struct medvl_error *err)
{
    struct split *s = stage;
    bool keep;
    int rc = judge_record(&keep, &s->judge, record, err);

    if (rc == MEDVL_OK && keep)
        rc = take_record(s, record, err);
    return rc < 0 ? medvl_out_reject(out, record, err) : MEDVL_OK;
}

/* ---- the sink: order ------------------------------------------------- */

static int by_bytes(const char *a, size_t a_size, const char *b, size_t b_size)
{
    const int c = memcmp(a, b, a_size < b_size ? a_size : b_size);

    return c ? c : (a_size > b_size) - (a_size < b_size);
}

/* By pictures, then groups in the order of their hashes, then records. */
static int compare_groups(const void *a, const void *b, void *bytes)
{
    const struct item *x = *(struct item *const *)a;
    const struct item *y = *(struct item *const *)b;
    const char *base = bytes;
    int c;

    if (x->pictures != y->pictures)
        return x->pictures < y->pictures ? -1 : 1;
    if (x->order != y->order)
        return x->order < y->order ? -1 : 1;
    c = by_bytes(base + x->key, x->key_size, base + y->key, y->key_size);
    if (c != 0)
        return c;
    if (x->own != y->own)
        return x->own < y->own ? -1 : 1;
    return (x > y) - (x < y);
}

static int compare_own(const void *a, const void *b)
{
    const struct item *x = *(struct item *const *)a;
    const struct item *y = *(struct item *const *)b;

    if (x->own != y->own)
        return x->own < y->own ? -1 : 1;
    return (x > y) - (x < y);
}

static bool same_group(const struct split *s, const struct item *a,
                       const struct item *b)
{
    return a->key_size == b->key_size &&
           memcmp(s->bytes.data + a->key, s->bytes.data + b->key,
                  a->key_size) == 0;
}

static int sort_items(struct split *s, struct medvl_error *err)
{
    s->sorted = medvl_alloc(s->count, sizeof(struct item *));
    if (!s->sorted)
        return medvl_no_memory(err);
    for (size_t i = 0; i < s->count; i++)
        s->sorted[i] = &s->items[i];
    qsort_r(s->sorted, s->count, sizeof(struct item *), compare_groups,
            s->bytes.data);
    return MEDVL_OK;
}

/* Behind the last of the group that starts at `from`. */
static size_t group_end(const struct split *s, size_t from)
{
    const struct item *first = s->sorted[from];
    size_t to = from + 1;

    while (to < s->count && s->sorted[to]->pictures == first->pictures &&
           same_group(s, first, s->sorted[to]))
        to++;
    return to;
}

/* ---- the sink: giving records out ------------------------------------ */

static struct medvl_span item_line(const struct split *s,
                                   const struct item *item)
{
    const struct medvl_span line = {s->bytes.data + item->line,
                                    item->line_size};

    return line;
}

static int item_record(struct medvl_record *record, const struct split *s,
                       const struct item *item, struct medvl_error *err)
{
    record->path = item->path;
    record->line = item->number;
    return medvl_record_parse(record, item_line(s, item), err);
}

static int choose_parts(struct split *s, struct medvl_error *err)
{
    size_t to;

    for (size_t from = 0; from < s->count; from = to) {
        int at = 0;

        to = group_end(s, from);
        const double middle =
            ((double)from + (double)to) / 2 / (double)s->count;

        while (middle >= s->parts[at].end)
            at++;
        for (size_t i = from; i < to; i++)
            s->sorted[i]->other = (size_t)at;
        s->parts[at].count += (int64_t)(to - from);
    }
    if (s->count == 0)
        return medvl_fail(err, MEDVL_EARG, "no records to divide");
    for (int i = 0; i < s->part_count; i++)
        if (s->parts[i].count == 0)
            return medvl_fail(err, MEDVL_EARG,
                              "part '%s' would be empty: %zu records in "
                              "groups this large do not reach it",
                              s->parts[i].name, s->count);
    return MEDVL_OK;
}

static int open_parts(struct split *s, struct medvl_error *err)
{
    int rc = medvl_folder_make(s->options->folder, err);

    for (int i = 0; i < s->part_count && rc == MEDVL_OK; i++) {
        char *path;

        medvl_text_clear(&s->text);
        rc = medvl_text_printf(&s->text, err, "%s.jsonl", s->parts[i].name);
        if (rc == MEDVL_OK)
            rc = medvl_path_join(&path, s->options->folder, s->text.data,
                                 err);
        if (rc < 0)
            break;
        rc = medvl_writer_open(&s->parts[i].writer, path, ".tmp", false, err);
        medvl_free(path);
    }
    return rc;
}

static int write_parts(struct split *s, struct medvl_error *err)
{
    struct medvl_record record = {0};
    int rc;

    rc = sort_items(s, err);
    if (rc == MEDVL_OK)
        rc = choose_parts(s, err);
    if (rc == MEDVL_OK)
        rc = open_parts(s, err);
    for (size_t i = 0; i < s->count && rc == MEDVL_OK; i++) {
        const struct part *part = &s->parts[s->items[i].other];

        medvl_text_clear(&s->text);
        rc = item_record(&record, s, &s->items[i], err);
        if (rc == MEDVL_OK)
            rc = medvl_record_set_text(&record, "split",
                                       medvl_span(part->name), err);
        if (rc == MEDVL_OK)
            rc = medvl_record_write(&s->text, &record, err);
        if (rc == MEDVL_OK)
            rc = medvl_writer_put(part->writer, s->text.data, s->text.size,
                                  err);
    }
    for (int i = 0; i < s->part_count && rc == MEDVL_OK; i++)
        rc = medvl_writer_end(s->parts[i].writer, err);
    medvl_record_release(&record);
    return rc;
}

/* Mark the items of the groups that come first. */
static int choose_sample(struct split *s, struct medvl_error *err)
{
    int64_t groups = 0, want = s->amount;
    size_t to;

    for (size_t from = 0; from < s->count; from = group_end(s, from))
        groups++;
    if (want == 0) {
        want = (int64_t)(s->fraction * (double)groups + 0.5);
        want += want == 0 && groups > 0;
    }
    if (want > groups)
        return medvl_fail(err, MEDVL_EARG,
                          "a sample of %lld was asked for and there are %lld",
                          (long long)want, (long long)groups);
    for (size_t from = 0; want > 0; from = to, want--) {
        to = group_end(s, from);
        for (size_t i = from; i < to; i++)
            s->sorted[i]->chosen = true;
    }
    return MEDVL_OK;
}

static int write_order(struct split *s, struct medvl_out *out,
                       struct medvl_error *err)
{
    int rc = sort_items(s, err);

    if (rc == MEDVL_OK && s->options->sample)
        rc = choose_sample(s, err);
    for (size_t i = 0; i < s->count && rc == MEDVL_OK; i++) {
        s->items[i].chosen |= !s->options->sample;
        s->sorted[i] = &s->items[i];
    }
    if (rc == MEDVL_OK && s->options->shuffle)
        qsort(s->sorted, s->count, sizeof(struct item *), compare_own);
    for (size_t i = 0; i < s->count && rc == MEDVL_OK; i++)
        if (s->sorted[i]->chosen)
            rc = medvl_out_line(out, item_line(s, s->sorted[i]), err);
    return rc;
}

/* ---- permuting ------------------------------------------------------- */

/*
 * Give each of the `count` items at `items` (sorted by group) the pictures
 * of another.  A shift by the size of the largest group leaves no group
 * where no group has more than half, and as few within one as can be where
 * one has; then pairs are exchanged at random where both stay as good.
 */
static void pair_items(const struct split *s, struct item **items,
                       size_t count, size_t largest)
{
    const size_t shift = largest < count ? largest : 1;
    struct medvl_rng rng;

    medvl_rng_init(&rng, (uint64_t)s->options->seed, MEDVL_PURPOSE_PERMUTE,
                   (uint64_t)items[0]->pictures);
    for (size_t i = 0; i < count; i++)
        items[i]->other = (size_t)(items[(i + shift) % count] - s->items);
    for (size_t i = 0; i < 4 * count; i++) {
        struct item *a = items[i % count];
        struct item *b = items[medvl_rng_below(&rng, count)];
        const size_t swap = a->other;

        if (same_group(s, a, &s->items[b->other]) ||
            same_group(s, b, &s->items[a->other]))
            continue;
        a->other = b->other;
        b->other = swap;
    }
}

static int pair_all(struct split *s, struct medvl_error *err)
{
    size_t to;

    if (sort_items(s, err) < 0)
        return MEDVL_ENOMEM;
    for (size_t from = 0; from < s->count; from = to) {
        size_t largest = 0, end;

        for (to = from; to < s->count && s->sorted[to]->pictures ==
                                             s->sorted[from]->pictures;
             to = end) {
            end = group_end(s, to);
            if (end - to > largest)
                largest = end - to;
        }
        pair_items(s, s->sorted + from, to - from, largest);
    }
    return MEDVL_OK;
}

/* One image: the picture of `other`, all else of `own`, appended. */
static int write_image(struct medvl_text *out, struct medvl_span own,
                       struct medvl_span other, struct medvl_error *err)
{
    static const char *const PICTURE[] = {"path", "shard", "index", "data",
                                          "frame", "width", "height", "hash"};
    struct medvl_json_view to = {0}, from = {0};
    int rc;

    rc = medvl_json_view_object(&to, own, err);
    if (rc == MEDVL_OK)
        rc = medvl_json_view_object(&from, other, err);
    if (rc == MEDVL_EFORMAT)
        medvl_context(err, "\"images\"");
    for (size_t i = 0; i < 8 && rc == MEDVL_OK; i++) {
        const struct medvl_span value = medvl_json_view_get(&from, PICTURE[i]);

        if (value.size)
            rc = medvl_json_view_set(&to, PICTURE[i], value, err);
        else
            medvl_json_view_remove(&to, PICTURE[i]);
    }
    if (rc == MEDVL_OK)
        rc = medvl_json_view_write(out, &to, err);
    medvl_json_view_release(&to);
    medvl_json_view_release(&from);
    return rc;
}

/* The record's images with the other's pictures, into s->text. */
static int exchange(struct split *s, struct medvl_span own,
                    struct medvl_span other, struct medvl_error *err)
{
    struct medvl_json_view to = {0}, from = {0};
    int rc;

    medvl_text_clear(&s->text);
    rc = medvl_text_putc(&s->text, '[', err);
    if (rc == MEDVL_OK)
        rc = medvl_json_view_array(&to, own, err);
    if (rc == MEDVL_OK)
        rc = medvl_json_view_array(&from, other, err);
    for (size_t i = 0; i < to.count && rc == MEDVL_OK; i++) {
        if (i > 0)
            rc = medvl_text_putc(&s->text, ',', err);
        if (rc == MEDVL_OK)
            rc = write_image(&s->text, to.members[i].value,
                             from.members[i].value, err);
    }
    if (rc == MEDVL_OK)
        rc = medvl_text_putc(&s->text, ']', err);
    medvl_json_view_release(&to);
    medvl_json_view_release(&from);
    return rc;
}

static int write_permuted(struct split *s, struct medvl_record *record,
                          struct medvl_record *donor, const struct item *item,
                          struct medvl_out *out, struct medvl_error *err)
{
    const struct item *other = &s->items[item->other];
    struct medvl_span own, images;
    int rc;

    if (item->pictures == 0)
        return medvl_out_line(out, item_line(s, item), err);
    rc = item_record(record, s, item, err);
    if (rc == MEDVL_OK)
        rc = item_record(donor, s, other, err);
    if (rc < 0)
        return rc;
    own = medvl_record_get(record, "images");
    images = medvl_record_get(donor, "images");
    if (other == item)
        rc = medvl_fail(err, MEDVL_EFORMAT,
                        "\"images\": no other record has %lld of them",
                        (long long)item->pictures);
    else if (strcmp(s->options->permute, "pictures") == 0) {
        rc = exchange(s, own, images, err);
        images = medvl_text_span(&s->text);
    }
    if (rc == MEDVL_EFORMAT)
        return medvl_out_reject(out, record, err);
    if (rc == MEDVL_OK)
        rc = medvl_record_set(record, "images", images, err);
    return rc < 0 ? rc : medvl_out_write(out, record, err);
}

static int permute(struct split *s, struct medvl_out *out,
                   struct medvl_error *err)
{
    struct medvl_record record = {0}, donor = {0};
    int rc = pair_all(s, err);

    for (size_t i = 0; i < s->count && rc == MEDVL_OK; i++)
        rc = write_permuted(s, &record, &donor, &s->items[i], out, err);
    medvl_record_release(&record);
    medvl_record_release(&donor);
    return rc;
}

static int all_finish(void *stage, struct medvl_out *out,
                      struct medvl_error *err)
{
    struct split *s = stage;

    if (s->options->parts)
        return write_parts(s, err);
    if (s->count == 0)
        return MEDVL_OK;
    if (s->options->permute)
        return permute(s, out, err);
    return write_order(s, out, err);
}

static int all_publish(void *stage, struct medvl_error *err)
{
    struct split *s = stage;
    int rc = MEDVL_OK;

    for (int i = 0; i < s->part_count && rc == MEDVL_OK; i++)
        if (s->parts[i].writer) {
            rc = medvl_writer_close(s->parts[i].writer, err);
            s->parts[i].writer = NULL;
        }
    return rc;
}

static void all_free(void *stage)
{
    struct split *s = stage;

    judge_release(&s->judge);
    filter_release(&s->filter);
    medvl_field_release(&s->by);
    for (int i = 0; i < s->part_count; i++) {
        medvl_writer_free(s->parts[i].writer);
        medvl_free(s->parts[i].name);
    }
    medvl_free(s->items);
    medvl_free(s->sorted);
    medvl_text_release(&s->bytes);
    medvl_text_release(&s->text);
    medvl_free(s);
}

const struct medvl_sink medvl_split_all = {
    .open = all_open,
    .record = all_record,
    .finish = all_finish,
    .publish = all_publish,
    .free = all_free,
    .need_id = true,
};
