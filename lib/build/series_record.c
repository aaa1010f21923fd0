/*
 * The records of one picture of a series.
 *
 * Read next: ../stage/loop.c.
 */
#include <stdio.h>
#include <string.h>

#include "lib/build/series_part.h"

/* ---- records ------------------------------------------------------------ */

static void put_text(struct medvl_json_writer *w, const char *name,
                     const char *value)
{
    if (value && *value)
        medvl_json_put_string(w, name, medvl_span(value));
}

static void put_image(struct medvl_json_writer *w, const char *root,
                      const struct medvl_slice *s,
                      const struct medvl_slice_place *at)
{
    medvl_json_begin(w, "images", '[');
    medvl_json_begin(w, NULL, '{');
    put_text(w, "path", medvl_layout_below(s->path, root));
    if (at->frame >= 0)
        medvl_json_put_int(w, "frame", at->frame);
    medvl_json_put_int(w, "width", s->width);
    medvl_json_put_int(w, "height", s->height);
    put_text(w, "modality", s->modality);
    put_text(w, "body_part", s->body_part);
    if (at->stack) {
        medvl_json_put_int(w, "slice", at->number);
        put_text(w, "axis", s->plane);
        medvl_json_put_number(w, "position", s->position);
    }
    put_text(w, "orientation", s->orientation);
    if (s->spacing[0] > 0) {
        medvl_json_begin(w, "spacing", '[');
        medvl_json_put_number(w, NULL, s->spacing[1]);
        medvl_json_put_number(w, NULL, s->spacing[0]);
        if (at->distance > 0)
            medvl_json_put_number(w, NULL, at->distance);
        medvl_json_end(w);
    }
    if (s->burned)
        put_text(w, "burned_in",
                 s->burned == MEDVL_BURNED_YES ? "yes" : "maybe");
    put_text(w, "hash", s->hash);
    medvl_json_end(w);
    medvl_json_end(w);
}

/* The fields that can be asked for, and how one asks. */
static const struct asked {
    const char *name, *question;
} ASKED[] = {
    {"modality", "What is the imaging modality?"},
    {"plane", "In which plane is this image?"},
    {"view", "Which view does this image show?"},
    {"laterality", "Which side of the body is shown?"},
    {"body_part", "Which part of the body is shown?"},
};
#define ASKED_COUNT (sizeof(ASKED) / sizeof(*ASKED))

static const char *asked_value(const struct medvl_slice *s, size_t i)
{
    const char *const values[ASKED_COUNT] = {
        s->modality, s->plane, s->view, s->laterality, s->body_part};

    return values[i] && *values[i] ? values[i] : NULL;
}

/* Is `name` in the list "a,b,c"? */
static bool is_listed(const char *list, const char *name)
{
    const size_t size = strlen(name);

    for (;;) {
        const size_t word = strcspn(list, ",");

        if (word == size && strncmp(list, name, size) == 0)
            return true;
        if (!list[word])
            return false;
        list += word + 1;
    }
}

int medvl_series_check_ask(const char *ask, struct medvl_error *err)
{
    while (*ask) {
        const size_t word = strcspn(ask, ",");
        bool known = false;

        for (size_t i = 0; i < ASKED_COUNT; i++)
            known |= strlen(ASKED[i].name) == word &&
                     strncmp(ASKED[i].name, ask, word) == 0;
        if (!known)
            return medvl_fail(err, MEDVL_EARG,
                              "ask '%.*s': want " MEDVL_SERIES_ASK,
                              (int)word, ask);
        ask += word + (ask[word] == ',');
    }
    return MEDVL_OK;
}

/* A record, of question `asked` where it is not below 0. */
static int put_record(const struct medvl_series_job *job,
                      const struct medvl_slice *s,
                      const struct medvl_slice_place *at, int asked,
                      struct medvl_text *json, struct medvl_error *err)
{
    const struct medvl_layout_job *layout = job->layout;
    struct medvl_json_writer w = {.out = json};
    char id[80];
    int rc;

    snprintf(id, sizeof(id), "%.12s:%06lld%s%s", s->series,
             (long long)at->number, asked < 0 ? "" : "?",
             asked < 0 ? "" : ASKED[asked].name);
    medvl_text_clear(json);
    medvl_json_begin(&w, NULL, '{');
    put_text(&w, "id", id);
    put_image(&w, layout->root, s, at);
    if (asked >= 0) {
        put_text(&w, "question", ASKED[asked].question);
        put_text(&w, "answer", asked_value(s, (size_t)asked));
        put_text(&w, "answer_type", "OPEN");
        put_text(&w, "question_type", ASKED[asked].name);
    }
    for (size_t i = 0; i < ASKED_COUNT; i++)
        put_text(&w, ASKED[i].name, asked_value(s, i));
    put_text(&w, "series", s->series);
    put_text(&w, "study", s->study);
    put_text(&w, "source", layout->source ? layout->source : "dicom");
    put_text(&w, "license", layout->license);
    put_text(&w, "split", layout->split);
    put_text(&w, "group", s->patient[0] ? s->patient : s->study);
    medvl_json_end(&w);
    rc = medvl_json_write_end(&w, err);
    return rc < 0 ? rc
                  : layout->put(layout->arg, medvl_text_span(json),
                                "question answer", err);
}

int medvl_slice_put(const struct medvl_series_job *job,
                    const struct medvl_slice *s,
                    const struct medvl_slice_place *at,
                    struct medvl_text *json, struct medvl_error *err)
{
    const char *ask = job->ask;
    int rc = MEDVL_OK;

    if (!ask)
        return put_record(job, s, at, -1, json, err);
    for (size_t i = 0; i < ASKED_COUNT && rc == MEDVL_OK; i++)
        if (asked_value(s, i) && is_listed(ask, ASKED[i].name))
            rc = put_record(job, s, at, (int)i, json, err);
    return rc;
}
