/*
 * A model's name from its path, and what it is from its content.
 *
 * Read next: generate.c.
 */
#include "lib/run/generate_author.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/hash.h"

/* ---- its name -------------------------------------------------------- */

/* Cut the last part off the path; "" where there is none. */
static struct medvl_span cut_part(struct medvl_span *path)
{
    struct medvl_span part;
    size_t from;

    while (path->size && path->data[path->size - 1] == '/')
        path->size--;
    from = path->size;
    while (from && path->data[from - 1] != '/')
        from--;
    part = (struct medvl_span){path->data + from, path->size - from};
    path->size = from;
    return part;
}

static bool begins(struct medvl_span part, const char *with)
{
    const size_t size = strlen(with);

    return part.size > size && !memcmp(part.data, with, size);
}

static bool is_step(struct medvl_span part)
{
    return begins(part, "step-") &&
           strspn(part.data + 5, "0123456789") == part.size - 5;
}

/* models--ORG--NAME as ORG/NAME */
static void put_repository(char *out, size_t room, struct medvl_span part)
{
    const char *in = part.data + strlen("models--");
    const char *end = part.data + part.size;
    size_t n = 0;

    while (in < end && n + 1 < room) {
        const bool slash = end - in > 1 && in[0] == '-' && in[1] == '-';

        out[n++] = slash ? '/' : *in;
        in += slash ? 2 : 1;
    }
    out[n] = '\0';
}

static void put_name(char *out, size_t room, const char *path)
{
    struct medvl_span left = medvl_span(path);
    const struct medvl_span last = cut_part(&left);
    const struct medvl_span second = cut_part(&left);
    const struct medvl_span third = cut_part(&left);
    const int most = (int)(room / 2) - 2;
    const int last_size = last.size < (size_t)most ? (int)last.size : most;

    if (medvl_span_is(second, "snapshots") && begins(third, "models--")) {
        put_repository(out, room / 2, third);
        snprintf(out + strlen(out), room - strlen(out), "@%.*s", last_size,
                 last.data);
    } else if (is_step(last) && second.size) {
        snprintf(out, room, "%.*s/%.*s",
                 second.size < (size_t)most ? (int)second.size : most,
                 second.data, last_size, last.data);
    } else {
        snprintf(out, room, "%.*s",
                 last.size < room ? (int)last.size : (int)room - 1,
                 last.data);
    }
}

/* Names of files are any bytes; those of records are text. */
static void make_text(char *name)
{
    const size_t size = strlen(name);

    for (size_t at = 0; at < size; at++) {
        at += medvl_utf8_valid(name + at, size - at);
        if (at < size)
            name[at] = '?';
    }
}

/* ---- its options ----------------------------------------------------- */

static int hash_options(char out[33], const struct medvl_generate_options *o,
                        struct medvl_error *err)
{
    const double numbers[] = {o->temperature, (double)o->top_k, o->top_p,
                              o->repetition, (double)o->max_tokens,
                              (double)o->samples, o->choices, o->logprobs,
                              (double)o->seed};
    struct medvl_hash *hash;
    int rc = medvl_hash_new(&hash, err);

    if (rc < 0)
        return rc;
    medvl_hash_add(hash, numbers, sizeof(numbers));
    if (o->normalize)
        medvl_hash_add(hash, o->normalize, strlen(o->normalize) + 1);
    if (o->chat) {
        medvl_hash_add(hash, "chat", 5);
        medvl_hash_add(hash, o->chat, strlen(o->chat) + 1);
    }
    for (int64_t i = 0; i < o->stop_count; i++)
        medvl_hash_add(hash, o->stop[i], strlen(o->stop[i]) + 1);
    medvl_hash_hex(out, hash);
    medvl_hash_free(hash);
    return MEDVL_OK;
}

int medvl_author_of(struct medvl_author *out,
                    const struct medvl_generate_options *options,
                    const struct medvl_model *model, struct medvl_error *err)
{
    char *real = realpath(options->model, NULL);
    int rc;

    put_name(out->name, sizeof(out->name), real ? real : options->model);
    make_text(out->name);
    free(real);
    rc = hash_options(out->options, options, err);
    return rc < 0 ? rc : medvl_model_hash(out->model, model, err);
}

/* ---- in a record ----------------------------------------------------- */

int medvl_author_sign(const struct medvl_author *author,
                      struct medvl_record *record, const char *field,
                      struct medvl_error *err)
{
    return medvl_record_said(record, field, author->name, author->model,
                             "medvl-generate", author->options, err);
}

/* Does the entry's member say so?  A number or so is no text: EFORMAT. */
static int compare(const struct medvl_json_view *entry, const char *member,
                   const char *want, const char *what,
                   struct medvl_error *err)
{
    struct medvl_text text = {0};
    int rc = medvl_json_unescape(&text, medvl_json_view_get(entry, member),
                                 err);

    if (rc == MEDVL_OK && !medvl_span_is(medvl_text_span(&text), want))
        rc = medvl_fail(err, MEDVL_EARG, "%s", what);
    medvl_text_release(&text);
    return rc;
}

static int check_entry(struct medvl_author *author,
                       const struct medvl_json_view *entry,
                       struct medvl_error *err)
{
    const struct medvl_span said = medvl_json_view_get(entry, "author");
    struct medvl_text name = {0};
    char what[900];
    int rc = medvl_json_unescape(&name, said, err);

    if (rc == MEDVL_OK) {
        snprintf(what, sizeof(what),
                 "another model said this (%.200s; this run's is %s, by its "
                 "content): it cannot go on with it",
                 name.data ? name.data : "", author->name);
        rc = compare(entry, "model", author->model, what, err);
    }
    if (rc == MEDVL_OK)
        rc = compare(entry, "options", author->options,
                     "the options or the seed differ from this run's, which "
                     "cannot go on with it",
                     err);
    if (rc == MEDVL_OK)
        snprintf(author->name, sizeof(author->name), "%s",
                 name.data ? name.data : "");
    make_text(author->name); /* it may be cut */
    medvl_text_release(&name);
    return rc;
}

int medvl_author_check(struct medvl_author *author,
                       const struct medvl_record *done, const char *field,
                       struct medvl_error *err)
{
    const struct medvl_span provenance = medvl_record_get(done, "provenance");
    struct medvl_json_view view = {0}, entry = {0};
    int rc = provenance.size
                 ? medvl_json_view_object(&view, provenance, err)
                 : medvl_fail(err, MEDVL_EFORMAT, "missing");

    if (rc == MEDVL_OK)
        rc = medvl_json_view_object(&entry, medvl_json_view_get(&view, field),
                                    err);
    if (rc == MEDVL_OK)
        rc = check_entry(author, &entry, err);
    medvl_json_view_release(&entry);
    medvl_json_view_release(&view);
    return rc == MEDVL_EFORMAT ? medvl_context(err, "\"provenance\"") : rc;
}
