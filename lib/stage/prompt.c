/*
 * Templates over records, into messages.  Templates are compiled once and
 * shared; a worker has its own variables and buffers.
 *
 * Read next: split.c.
 */
#include "lib/stage/prompt.h"

#include <string.h>

#include "lib/base/file.h"
#include "lib/base/hash.h"
#include "lib/base/mem.h"
#include "lib/text/template.h"

#define MOST_TEMPLATE ((size_t)16 << 20)

struct turn {
    struct medvl_template *question;
    struct medvl_template *answer; /* or NULL */
    struct medvl_want *answered;   /* did it ever give text? */
};

/* A field to set: --set NAME=TEMPLATE. */
struct field {
    char *name;
    struct medvl_template *value;
    struct medvl_want *given;
};

struct stage {
    struct medvl_template *system; /* or NULL */
    struct turn *turns;
    int count; /* 0: no messages */
    struct field *fields;
    int field_count;
    bool each_region;
    const char *author;
    char hash[33]; /* of all templates */
};

struct worker {
    const struct stage *stage;
    struct medvl_template_run *run;
    struct medvl_marked text; /* of one turn */
    struct medvl_text json;   /* the messages */
    struct medvl_json_view images, image, regions, region;
    struct medvl_text changed;         /* images */
    struct medvl_text drawn;           /* the region in hand */
    struct medvl_text id;              /* of the record as it came */
    struct medvl_json_member *members; /* of the record as it came */
    size_t member_capacity;
};

/* ---- opening --------------------------------------------------------- */

/* Compile a template and add it to the hash of all. */
static int compile(struct medvl_template **out, struct medvl_hash *hash,
                   struct medvl_span source, const char *what, int number,
                   struct medvl_error *err)
{
    int rc = medvl_template_compile(out, source, err);

    medvl_hash_add(hash, what, strlen(what) + 1);
    medvl_hash_add(hash, &source.size, sizeof(source.size));
    medvl_hash_add(hash, source.data, source.size);
    if (rc < 0 && number)
        medvl_context(err, "%s %d", what, number);
    else if (rc < 0)
        medvl_context(err, "%s", what);
    return rc;
}

static int open_turns(struct stage *s, struct medvl_hash *hash,
                      const struct medvl_prompt_options *o,
                      struct medvl_error *err)
{
    struct medvl_text file = {0};
    int rc = MEDVL_OK;

    if (o->file) {
        rc = medvl_file_read(&file, o->file, MOST_TEMPLATE, err);
        if (rc == MEDVL_OK) {
            rc = compile(&s->turns[0].question, hash, medvl_text_span(&file),
                         "question", 0, err);
            if (rc < 0)
                medvl_context(err, "%s", o->file);
        }
        medvl_text_release(&file);
    }
    for (int i = 0; i < o->question_count && rc == MEDVL_OK; i++)
        rc = compile(&s->turns[i].question, hash,
                     medvl_span(o->questions[i]), "question", i + 1, err);
    for (int i = 0; i < o->answer_count && rc == MEDVL_OK; i++) {
        rc = compile(&s->turns[i].answer, hash, medvl_span(o->answers[i]),
                     "answer", i + 1, err);
        if (rc == MEDVL_OK)
            rc = medvl_wants_add(&s->turns[i].answered, o->wants, err,
                                 "--answer '%s' gave text", o->answers[i]);
    }
    return rc;
}

static int open_fields(struct stage *s, struct medvl_hash *hash,
                       const struct medvl_prompt_options *o,
                       struct medvl_error *err)
{
    int rc = MEDVL_OK;

    for (int i = 0; i < o->set_count && rc == MEDVL_OK; i++) {
        const char *equal = strchr(o->set[i], '=');

        if (!equal || equal == o->set[i])
            return medvl_fail(err, MEDVL_EARG,
                              "\"%s\" is not FIELD=TEMPLATE", o->set[i]);
        s->fields[i].name =
            medvl_copy_string(o->set[i], (size_t)(equal - o->set[i]));
        if (!s->fields[i].name)
            return medvl_no_memory(err);
        rc = compile(&s->fields[i].value, hash, medvl_span(equal + 1),
                     s->fields[i].name, 0, err);
        if (rc == MEDVL_OK)
            rc = medvl_wants_add(&s->fields[i].given, o->wants, err,
                                 "--set '%s' gave text", o->set[i]);
    }
    return rc;
}

static int check_options(const struct medvl_prompt_options *o,
                         struct medvl_error *err)
{
    const int count = o->file ? 1 : o->question_count;

    if (o->file && o->question_count)
        return medvl_fail(err, MEDVL_EARG,
                          "questions, or a file with the one question");
    if (count + o->set_count < 1 && !o->each)
        return medvl_fail(err, MEDVL_EARG, "nothing to render");
    if (o->answer_count > count)
        return medvl_fail(err, MEDVL_EARG, "%d answers to %d questions",
                          o->answer_count, count);
    if (o->each && strcmp(o->each, "regions"))
        return medvl_fail(err, MEDVL_EARG, "each \"%s\"", o->each);
    return MEDVL_OK;
}

static int prompt_open(void **stage, const void *options,
                       struct medvl_error *err)
{
    const struct medvl_prompt_options *o = options;
    struct stage *s = medvl_alloc(1, sizeof(*s));
    struct medvl_hash *hash = NULL;
    int rc;

    *stage = s;
    if (!s)
        return medvl_no_memory(err);
    rc = check_options(o, err);
    if (rc < 0)
        return rc;
    s->count = o->file ? 1 : o->question_count;
    s->field_count = o->set_count;
    s->each_region = o->each != NULL;
    s->author = o->author ? o->author : "template";
    s->turns = medvl_alloc((size_t)s->count, sizeof(*s->turns));
    s->fields = medvl_alloc((size_t)s->field_count, sizeof(*s->fields));
    if (!s->turns || !s->fields)
        return medvl_no_memory(err);
    rc = medvl_hash_new(&hash, err);
    if (rc == MEDVL_OK)
        rc = open_turns(s, hash, o, err);
    if (rc == MEDVL_OK)
        rc = open_fields(s, hash, o, err);
    if (rc == MEDVL_OK && o->system)
        rc = compile(&s->system, hash, medvl_span(o->system), "system", 0,
                     err);
    if (rc == MEDVL_OK) {
        if (s->each_region)
            medvl_hash_add(hash, "regions", 8);
        medvl_hash_hex(s->hash, hash);
    }
    medvl_hash_free(hash);
    return rc;
}

static void prompt_free(void *stage)
{
    struct stage *s = stage;

    if (!s)
        return;
    for (int i = 0; s->turns && i < s->count; i++) {
        medvl_template_free(s->turns[i].question);
        medvl_template_free(s->turns[i].answer);
    }
    for (int i = 0; s->fields && i < s->field_count; i++) {
        medvl_template_free(s->fields[i].value);
        medvl_free(s->fields[i].name);
    }
    medvl_template_free(s->system);
    medvl_free(s->turns);
    medvl_free(s->fields);
    medvl_free(s);
}

static int worker_new(void **worker, void *stage, struct medvl_error *err)
{
    struct worker *w = medvl_alloc(1, sizeof(*w));

    *worker = w;
    if (!w)
        return medvl_no_memory(err);
    w->stage = stage;
    return medvl_template_run_new(&w->run, NULL, err);
}

static void worker_free(void *worker)
{
    struct worker *w = worker;

    if (!w)
        return;
    medvl_template_run_free(w->run);
    medvl_marked_release(&w->text);
    medvl_text_release(&w->json);
    medvl_json_view_release(&w->images);
    medvl_json_view_release(&w->image);
    medvl_json_view_release(&w->regions);
    medvl_json_view_release(&w->region);
    medvl_text_release(&w->changed);
    medvl_text_release(&w->drawn);
    medvl_text_release(&w->id);
    medvl_free(w->members);
    medvl_free(w);
}

/* ---- messages -------------------------------------------------------- */

/*
 * Render into w->text; 1 where there is more than space, 0 else.  Text with
 * a hole where a value is missing counts as nothing where `holes` are let
 * pass, and else is an error.
 */
static int render(struct worker *w, const struct medvl_template *template,
                  bool holes, const char *what, int number,
                  struct medvl_error *err)
{
    const char *hole;
    int rc;

    medvl_marked_clear(&w->text);
    rc = medvl_template_render(&w->text, template, w->run, err);
    hole = medvl_template_hole(w->run);
    if (rc == MEDVL_OK && hole && holes)
        return 0;
    if (rc == MEDVL_OK && hole)
        rc = medvl_fail(err, MEDVL_EFORMAT, "%s", hole);
    if (rc < 0)
        return number ? medvl_context(err, "%s %d", what, number)
                      : medvl_context(err, "%s", what);
    for (size_t i = 0; i < w->text.text.size; i++)
        if (!strchr(" \t\n\v\f\r", w->text.text.data[i]))
            return 1;
    return 0;
}

/* A turn with w->text, behind parts for this many images. */
static void put_message(struct medvl_json_writer *json, const char *role,
                        const struct worker *w, size_t images)
{
    const struct medvl_span text = medvl_text_span(&w->text.text);

    medvl_json_begin(json, NULL, '{');
    medvl_json_put_string(json, "role", medvl_span(role));
    if (!images) {
        medvl_json_put_string(json, "content", text);
        medvl_json_end(json);
        return;
    }
    medvl_json_begin(json, "content", '[');
    while (images--) {
        medvl_json_begin(json, NULL, '{');
        medvl_json_put_string(json, "type", medvl_span("image"));
        medvl_json_end(json);
    }
    medvl_json_begin(json, NULL, '{');
    medvl_json_put_string(json, "type", medvl_span("text"));
    medvl_json_put_string(json, "text", text);
    medvl_json_end(json);
    medvl_json_end(json);
    medvl_json_end(json);
}

/* All turns; the number of questions asked, or an error. */
static int put_turns(struct worker *w, struct medvl_json_writer *json,
                     size_t images, struct medvl_error *err)
{
    const struct stage *s = w->stage;
    int asked = 0, unanswered = 0, rc;

    for (int i = 0; i < s->count; i++) {
        const struct turn *turn = &s->turns[i];

        rc = render(w, turn->question, false, "question", i + 1, err);
        if (rc < 0)
            return rc;
        if (rc == 0)
            continue;
        if (unanswered)
            return medvl_fail(err, MEDVL_EFORMAT,
                              "question %d has no answer, and question %d "
                              "follows",
                              unanswered, i + 1);
        put_message(json, "user", w, asked++ ? 0 : images);
        rc = 0;
        if (turn->answer)
            rc = render(w, turn->answer, true, "answer", i + 1, err);
        if (rc < 0)
            return rc;
        medvl_want_count(turn->answered, rc > 0,
                         medvl_template_hole(w->run));
        if (rc > 0)
            put_message(json, "assistant", w, 0);
        else
            unanswered = i + 1;
    }
    return asked;
}

/* Set "messages" from variables that are there. */
static int set_messages(struct worker *w, struct medvl_record *record,
                        size_t images, struct medvl_error *err)
{
    const struct stage *s = w->stage;
    struct medvl_json_writer json = {.out = &w->json};
    int rc;

    medvl_text_clear(&w->json);
    medvl_json_begin(&json, NULL, '[');
    rc = s->system ? render(w, s->system, false, "system", 0, err) : 0;
    if (rc > 0)
        put_message(&json, "system", w, 0);
    if (rc >= 0)
        rc = put_turns(w, &json, images, err);
    if (rc < 0)
        return rc;
    if (rc == 0)
        return medvl_fail(err, MEDVL_EFORMAT,
                          "the question renders to nothing");
    medvl_json_end(&json);
    rc = medvl_json_write_end(&json, err);
    if (rc == MEDVL_OK)
        rc = medvl_record_set(record, "messages", medvl_text_span(&w->json),
                              err);
    medvl_text_shrink(&w->json);
    medvl_text_shrink(&w->text.text); /* the next render clears the marks */
    if (rc == MEDVL_OK)
        rc = medvl_record_author(record, "messages", s->author,
                                 "medvl-prompt", s->hash, err);
    return rc;
}

/*
 * Set the fields in order; a later one sees the earlier.  As an answer, one
 * that has a hole or renders to nothing is not set.
 */
static int set_fields(struct worker *w, struct medvl_record *record,
                      struct medvl_error *err)
{
    const struct stage *s = w->stage;
    int rc = MEDVL_OK;

    for (int i = 0; i < s->field_count && rc >= 0; i++) {
        const char *name = s->fields[i].name;

        rc = render(w, s->fields[i].value, true, name, 0, err);
        if (rc >= 0)
            medvl_want_count(s->fields[i].given, rc > 0,
                             medvl_template_hole(w->run));
        if (rc <= 0)
            continue;
        rc = medvl_record_set_text(record, name,
                                   medvl_text_span(&w->text.text), err);
        if (rc == MEDVL_OK)
            rc = medvl_record_author(record, name, s->author, "medvl-prompt",
                                     s->hash, err);
    }
    return rc < 0 ? rc : MEDVL_OK;
}

/* What is asked for; the templates see `region` where it is not empty. */
static int render_record(struct worker *w, struct medvl_record *record,
                         struct medvl_span region, size_t images,
                         struct medvl_error *err)
{
    int rc;

    medvl_template_begin(w->run);
    rc = medvl_template_set_members(w->run, &record->view, true, err);
    if (rc == MEDVL_OK && region.size)
        rc = medvl_template_set_json(w->run, "region", region, true, err);
    if (rc == MEDVL_OK && w->stage->count)
        rc = set_messages(w, record, images, err);
    return rc < 0 ? rc : set_fields(w, record, err);
}

/* ---- one record a region --------------------------------------------- */

/* Append a region, drawn or not; it is changed only where it must be. */
static int put_region(struct worker *w, struct medvl_text *out,
                      struct medvl_span region, bool drawn,
                      struct medvl_error *err)
{
    static const char NAME[] = "\"drawn\"";
    int rc;

    if (!drawn && !memmem(region.data, region.size, NAME, strlen(NAME)))
        return medvl_text_append(out, region.data, region.size, err);
    rc = medvl_json_view_object(&w->region, region, err);
    if (rc == MEDVL_OK && drawn)
        rc = medvl_json_view_set(&w->region, "drawn", medvl_span("true"),
                                 err);
    else if (rc == MEDVL_OK)
        medvl_json_view_remove(&w->region, "drawn");
    return rc < 0 ? rc : medvl_json_view_write(out, &w->region, err);
}

/* Append w->regions with number `drawn` drawn (SIZE_MAX: none of them). */
static int put_regions(struct worker *w, struct medvl_text *out, size_t drawn,
                       struct medvl_error *err)
{
    int rc = medvl_text_putc(out, '[', err);

    for (size_t i = 0; i < w->regions.count && rc == MEDVL_OK; i++) {
        const size_t from = out->size + (i > 0);

        if (i)
            rc = medvl_text_putc(out, ',', err);
        if (rc == MEDVL_OK)
            rc = put_region(w, out, w->regions.members[i].value, i == drawn,
                            err);
        if (rc < 0)
            return medvl_context(err, "region %zu", i);
        if (i != drawn)
            continue;
        medvl_text_clear(&w->drawn);
        rc = medvl_text_append(&w->drawn, out->data + from, out->size - from,
                               err);
    }
    return rc == MEDVL_OK ? medvl_text_putc(out, ']', err) : rc;
}

/* View an image and its regions; w->regions is empty where it has none. */
static int view_image(struct worker *w, size_t i, struct medvl_error *err)
{
    struct medvl_span regions;
    int rc = medvl_json_view_object(&w->image, w->images.members[i].value,
                                    err);

    if (rc < 0)
        return medvl_context(err, "image %zu", i);
    regions = medvl_json_view_get(&w->image, "regions");
    if (!regions.size)
        regions = medvl_span("[]");
    rc = medvl_json_view_array(&w->regions, regions, err);
    return rc < 0 ? medvl_context(err, "image %zu: \"regions\"", i) : rc;
}

/* Append image `i`, its regions changed. */
static int put_image(struct worker *w, struct medvl_text *out, size_t i,
                     size_t drawn, struct medvl_error *err)
{
    const char *regions;
    int rc = view_image(w, i, err);

    if (rc < 0)
        return rc;
    regions = medvl_json_view_get(&w->image, "regions").data;
    rc = medvl_text_putc(out, '{', err);
    for (size_t k = 0; k < w->image.count && rc == MEDVL_OK; k++) {
        const struct medvl_json_member *m = &w->image.members[k];

        rc = medvl_text_printf(out, err, "%s\"%.*s\":", k ? "," : "",
                               (int)m->name.size, m->name.data);
        if (rc == MEDVL_OK && m->value.data == regions)
            rc = put_regions(w, out, drawn, err);
        else if (rc == MEDVL_OK)
            rc = medvl_text_append(out, m->value.data, m->value.size, err);
    }
    return rc == MEDVL_OK ? medvl_text_putc(out, '}', err) : rc;
}

/* w->changed: the images with region `j` of image `i` drawn alone. */
static int change_images(struct worker *w, size_t i, size_t j,
                         struct medvl_error *err)
{
    int rc = MEDVL_OK;

    medvl_text_clear(&w->changed);
    for (size_t k = 0; k < w->images.count && rc == MEDVL_OK; k++) {
        rc = medvl_text_putc(&w->changed, k ? ',' : '[', err);
        if (rc == MEDVL_OK)
            rc = put_image(w, &w->changed, k, k == i ? j : SIZE_MAX, err);
    }
    return rc == MEDVL_OK ? medvl_text_putc(&w->changed, ']', err) : rc;
}

/* One record: region `j` of image `i`, number `k` of all. */
static int one_region(struct worker *w, struct medvl_record *record,
                      size_t i, size_t j, size_t k, struct medvl_out *out,
                      struct medvl_error *err)
{
    const size_t size = w->id.size;
    int rc = change_images(w, i, j, err);

    if (rc == MEDVL_OK)
        rc = medvl_record_set(record, "images", medvl_text_span(&w->changed),
                              err);
    if (rc == MEDVL_OK)
        rc = medvl_text_printf(&w->id, err, "#%zu", k);
    if (rc == MEDVL_OK)
        rc = medvl_record_set_text(record, "id", medvl_text_span(&w->id),
                                   err);
    w->id.size = size;
    if (rc == MEDVL_OK)
        rc = render_record(w, record, medvl_text_span(&w->drawn),
                           w->images.count, err);
    return rc < 0 ? rc : medvl_out_write(out, record, err);
}

/*
 * The record as it came: what was set for one region is forgotten, and its
 * memory serves the next one.
 */
static void restore(const struct worker *w, struct medvl_record *record,
                    size_t count, size_t added)
{
    memcpy(record->view.members, w->members, count * sizeof(*w->members));
    record->view.count = count;
    record->view.added_count = added;
}

static int each_region(struct worker *w, struct medvl_record *record,
                       struct medvl_out *out, struct medvl_error *err)
{
    const size_t count = record->view.count, added = record->view.added_count;
    size_t k = 0, regions;
    int rc;

    medvl_text_clear(&w->id);
    rc = medvl_record_id(&w->id, record, err);
    if (rc == MEDVL_OK)
        rc = medvl_grow(&w->members, &w->member_capacity, count,
                        sizeof(*w->members), err);
    if (rc < 0)
        return rc;
    memcpy(w->members, record->view.members, count * sizeof(*w->members));
    for (size_t i = 0; i < w->images.count && rc == MEDVL_OK; i++) {
        rc = view_image(w, i, err);
        regions = w->regions.count;
        for (size_t j = 0; j < regions && rc == MEDVL_OK; j++) {
            restore(w, record, count, added);
            rc = one_region(w, record, i, j, ++k, out, err);
        }
    }
    if (rc == MEDVL_OK && k == 0)
        return medvl_fail(err, MEDVL_EFORMAT,
                          "no regions (medvl-split --where "
                          "'images[0].regions' leaves such records out)");
    return rc;
}

static int prompt_record(void *worker, struct medvl_record *record,
                         struct medvl_out *out, struct medvl_error *err)
{
    struct worker *w = worker;
    const struct medvl_span none = {NULL, 0};
    struct medvl_span images = medvl_record_get(record, "images");
    int rc;

    if (!images.size || medvl_span_is(images, "null"))
        images = medvl_span("[]");
    rc = medvl_json_view_array(&w->images, images, err);
    if (rc < 0)
        return medvl_context(err, "\"images\"");
    if (w->stage->each_region)
        return each_region(w, record, out, err);
    rc = render_record(w, record, none, w->images.count, err);
    return rc < 0 ? rc : medvl_out_write(out, record, err);
}

const struct medvl_map medvl_prompt_map = {
    .open = prompt_open,
    .worker = worker_new,
    .record = prompt_record,
    .worker_free = worker_free,
    .free = prompt_free,
};
