/*
 * Flips and the words of a record: which flips its text allows, and swapping
 * left and right in it.
 *
 * Every string counts, and every name of a member, but those that name
 * things.  They are found as the JSON stands, so that what is not swapped
 * keeps its bytes.
 *
 * Read next: ../data/record.c.
 */
#include "lib/stage/image_part.h"

#include <string.h>

#include "lib/text/side.h"

#define BOTH (MEDVL_SIDE_ACROSS | MEDVL_SIDE_DOWN)

/* Members of a record that say nothing of the picture. */
static const char *const APART[] = {
    "id", "source", "license", "split", "group", "provenance", "series",
    "study"};

/* Members whose strings are swapped; side words elsewhere are stuck. */
static const char *const SWAPPED[] = {
    "images", "messages", "question", "answer", "choices", "caption", "text",
    "prompt", "view", "laterality", "body_part"};

/* Members at any depth whose strings are no text. */
static const char *const NAMES[] = {"path", "data", "shard", "hash",
                                    "counts", "mask", "author",
                                    "orientation"};

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static bool is_one(struct medvl_span name, const char *const *list,
                   size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (medvl_span_is(name, list[i]))
            return true;
    return false;
}

/* The strings of a JSON value, one after the other. */
struct strings {
    struct medvl_span json;
    size_t at;
    struct medvl_span name;   /* the last that was passed */
    struct medvl_span string; /* with its quotes */
    bool is_name;
    bool is_text; /* no name, nor the value of one of NAMES */
};

static bool next_string(struct strings *s)
{
    const char *data = s->json.data, *quote;
    const size_t size = s->json.size;
    const size_t before = s->at;
    size_t at, from;

    quote = memchr(data + s->at, '"', size - s->at);
    if (!quote)
        return false;
    from = (size_t)(quote - data);
    for (at = from + 1; data[at] != '"'; at++)
        at += data[at] == '\\';
    s->string = (struct medvl_span){data + from, at + 1 - from};
    for (at++; at < size && strchr(" \t\r\n", data[at]);)
        at++;
    s->at = at;
    s->is_name = at < size && data[at] == ':';
    s->is_text = !s->is_name;
    if (s->is_name)
        s->name = (struct medvl_span){data + from + 1, s->string.size - 2};
    else if (s->name.data && strspn(data + before, ": \t\r\n") >= from - before)
        s->is_text = !is_one(s->name, NAMES, COUNT(NAMES));
    return true;
}

/* Add the sides of a member's value to *all. */
static int add_sides(struct medvl_sides *all, struct medvl_span json,
                     bool swapped, struct medvl_text *buffer,
                     struct medvl_error *err)
{
    struct strings s = {.json = json};

    while (next_string(&s)) {
        struct medvl_sides one = {BOTH, BOTH}; /* what cannot be held */
        int rc;

        if (!s.is_name && !s.is_text)
            continue;
        medvl_text_clear(buffer);
        rc = medvl_json_unescape(buffer, s.string, err);
        if (rc == MEDVL_ENOMEM)
            return rc;
        if (rc == MEDVL_OK)
            one = medvl_side_find(medvl_text_span(buffer));
        all->words |= one.words;
        all->stuck |= s.is_name || !swapped ? one.words : one.stuck;
    }
    return MEDVL_OK;
}

/*
 * What stands in the way of flips.  An answer that is the letter of a
 * choice is none: only a choice called L or R is, which is a name.  Ids of
 * a text that was tokenized cannot be swapped with it.
 */
static int find_sides(struct medvl_image_worker *worker,
                      const struct medvl_record *record,
                      struct medvl_error *err)
{
    const struct medvl_json_view *view = &record->view;
    int rc = MEDVL_OK;

    worker->sides = (struct medvl_sides){0};
    for (size_t i = 0; rc == MEDVL_OK && i < view->count; i++) {
        const struct medvl_span name = view->members[i].name;

        if (!is_one(name, APART, COUNT(APART)))
            rc = add_sides(&worker->sides, view->members[i].value,
                           is_one(name, SWAPPED, COUNT(SWAPPED)),
                           &worker->buffer, err);
    }
    if (medvl_record_has(record, "tokens"))
        worker->sides.stuck = worker->sides.words;
    worker->knows_sides = true;
    return rc;
}

int medvl_image_swap(struct medvl_text *out, struct medvl_span json,
                     unsigned flips, struct medvl_error *err)
{
    struct medvl_text text = {0}, other = {0};
    struct strings s = {.json = json};
    size_t done = 0;
    int rc = MEDVL_OK;

    while (rc == MEDVL_OK && next_string(&s)) {
        if (!s.is_text)
            continue;
        medvl_text_clear(&text);
        medvl_text_clear(&other);
        rc = medvl_json_unescape(&text, s.string, err);
        if (rc == MEDVL_OK &&
            !(medvl_side_find(medvl_text_span(&text)).words & flips))
            continue;
        if (rc == MEDVL_OK)
            rc = medvl_side_swap(&other, medvl_text_span(&text), flips, err);
        if (rc == MEDVL_OK)
            rc = medvl_text_append(out, json.data + done,
                                   (size_t)(s.string.data - json.data) - done,
                                   err);
        if (rc == MEDVL_OK)
            rc = medvl_json_quote(out, medvl_text_span(&other), err);
        done = (size_t)(s.string.data - json.data) + s.string.size;
    }
    if (rc == MEDVL_OK)
        rc = medvl_text_append(out, json.data + done, json.size - done, err);
    medvl_text_release(&text);
    medvl_text_release(&other);
    return rc;
}

/* The author of the member stays; that this command set it is noted. */
static int note_author(struct medvl_record *record, const char *member,
                       const char *hash, struct medvl_error *err)
{
    const struct medvl_span all = medvl_record_get(record, "provenance");
    struct medvl_json *tree = NULL;
    const char *author;
    int rc;

    if (!all.data)
        return MEDVL_OK;
    rc = medvl_json_parse(&tree, all, err);
    if (rc < 0)
        return medvl_context(err, "\"provenance\"");
    author = medvl_json_string(
        medvl_json_get(medvl_json_get(tree, member), "author"));
    if (author)
        rc = medvl_record_author(record, member, author, "medvl-image", hash,
                                 err);
    medvl_json_free(tree);
    return rc;
}

static int swap_member(struct medvl_image_worker *worker,
                       struct medvl_record *record, const char *member,
                       unsigned flips, struct medvl_error *err)
{
    const struct medvl_span json = medvl_record_get(record, member);
    struct medvl_span swapped;
    bool same;
    int rc;

    if (!json.data)
        return MEDVL_OK;
    medvl_text_clear(&worker->buffer);
    rc = medvl_image_swap(&worker->buffer, json, flips, err);
    if (rc < 0)
        return rc;
    swapped = medvl_text_span(&worker->buffer);
    same = swapped.size == json.size &&
           memcmp(swapped.data, json.data, json.size) == 0;
    if (same)
        return MEDVL_OK;
    rc = medvl_record_set(record, member, swapped, err);
    return rc < 0 ? rc
                  : note_author(record, member,
                                worker->stage->options.hash, err);
}

static int swap_members(struct medvl_image_worker *worker,
                        struct medvl_record *record, unsigned flips,
                        struct medvl_error *err)
{
    int rc = MEDVL_OK;

    for (size_t i = 0; rc == MEDVL_OK && i < COUNT(SWAPPED); i++) {
        if (strcmp(SWAPPED[i], "images") == 0)
            continue;
        rc = swap_member(worker, record, SWAPPED[i], flips, err);
        if (rc < 0)
            rc = medvl_context(err, "\"%s\"", SWAPPED[i]);
    }
    return rc;
}

int medvl_image_flip(struct medvl_image_worker *worker,
                     struct medvl_record *record,
                     const struct medvl_rng *rng, struct medvl_error *err)
{
    const struct medvl_image_stage *stage = worker->stage;
    const struct medvl_flip drawn = medvl_augment_flip(rng, &stage->augment);
    unsigned flips = (drawn.across ? MEDVL_SIDE_ACROSS : 0) |
                     (drawn.down ? MEDVL_SIDE_DOWN : 0);
    unsigned against;
    int rc = MEDVL_OK;

    worker->flip = (struct medvl_flip){0};
    worker->swapped = 0;
    if (!flips)
        return MEDVL_OK;
    if (!worker->knows_sides)
        rc = find_sides(worker, record, err);
    if (rc < 0)
        return rc;
    against = stage->swap ? worker->sides.stuck : worker->sides.words;
    medvl_want_count(stage->left, flips & against, NULL);
    flips &= ~against;
    worker->flip.across = flips & MEDVL_SIDE_ACROSS;
    worker->flip.down = flips & MEDVL_SIDE_DOWN;
    worker->swapped = flips & worker->sides.words;
    return worker->swapped
               ? swap_members(worker, record, worker->swapped, err)
               : MEDVL_OK;
}
