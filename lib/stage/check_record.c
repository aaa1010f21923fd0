/*
 * What a record shows beside those that came before it.
 *
 * Read next: check_text.c.
 */
#include "lib/stage/check_part.h"

#include <string.h>

#include "lib/base/mem.h"

#define CLOSED_LEAST 10  /* closed questions that balance is asked of */
#define CLOSED_SHARE 0.8 /* that one answer may have of them */

void medvl_check_release(struct medvl_check_all *s)
{
    medvl_findings_release(&s->findings);
    medvl_text_release(&s->buffer);
    medvl_text_release(&s->pictures);
    medvl_text_release(&s->asked);
    medvl_text_release(&s->top);
    medvl_free(s->starts);
    medvl_seen_release(&s->ids);
    medvl_seen_release(&s->contents);
    medvl_seen_release(&s->groups);
    medvl_seen_release(&s->questions);
    medvl_tally_release(&s->answers);
    medvl_tally_release(&s->types);
    medvl_tally_release(&s->splits);
}

/* ---- what came before ------------------------------------------------ */

int medvl_check_begin(struct medvl_check_all *s,
                      const struct medvl_record *record,
                      struct medvl_error *err)
{
    const size_t n = s->start_count;

    if (!n || s->starts[n - 1].path != record->path) {
        if (medvl_grow(&s->starts, &s->start_room, n + 1, sizeof(*s->starts),
                       err) < 0)
            return MEDVL_ENOMEM;
        s->starts[s->start_count++] =
            (struct medvl_check_start){record->path, record->line,
                                       s->records + 1};
    }
    s->records++;
    return MEDVL_OK;
}

/* "file:line" of a record's number, into `where`. */
static const char *place_of(struct medvl_error *where,
                            const struct medvl_check_all *s, uint32_t record)
{
    const struct medvl_check_start *start = &s->starts[s->start_count - 1];

    while (start > s->starts && start->first > record)
        start--;
    medvl_fail(where, MEDVL_EFORMAT, "%s:%lld",
               start->path ? start->path : "input",
               (long long)(start->line + record - start->first));
    return where->text;
}

/* Words for one split. */
static struct medvl_span split_of(struct medvl_span name)
{
    return medvl_span_is(name, "val") || medvl_span_is(name, "validation")
               ? medvl_span("dev")
               : name;
}

/* The split's bit: of those after the 31st, one for all. */
static int split_bit(uint32_t *bit, struct medvl_check_all *s,
                     const struct medvl_record *record,
                     struct medvl_error *err)
{
    struct medvl_key key;
    int n = 0, rc;

    *bit = 0;
    medvl_text_clear(&s->buffer);
    rc = medvl_check_plain(&s->buffer, record, "split", err);
    if (rc < 0 || !s->buffer.size)
        return rc;
    rc = medvl_tally_add(NULL, &s->splits, medvl_text_span(&s->buffer), err);
    key = medvl_key(split_of(medvl_text_span(&s->buffer)));
    while (n < s->split_count &&
           memcmp(&s->split_keys[n], &key, sizeof(key)) != 0)
        n++;
    if (n == s->split_count && n < MEDVL_CHECK_SPLITS)
        s->split_keys[s->split_count++] = key;
    *bit = (uint32_t)1 << n;
    return rc;
}

/* A finding where what is seen was in another split before. */
static int check_split(struct medvl_check_all *s, struct medvl_seen_set *set,
                       struct medvl_key key, uint32_t bit,
                       enum medvl_check_kind kind, const char *what,
                       const struct medvl_record *record,
                       struct medvl_error *err)
{
    struct medvl_error where;
    struct medvl_seen *seen;
    bool other;
    int rc = medvl_seen_find(&seen, set, key, err);

    if (rc < 0)
        return rc;
    other = bit && seen->b && !(seen->b & bit);
    if (bit && !seen->b)
        seen->a = s->records; /* the first with a split */
    seen->b |= bit;
    if (!other)
        return MEDVL_OK;
    return medvl_findings_add(&s->findings, kind, record, err,
                              "%s is in another split at %s", what,
                              place_of(&where, s, seen->a));
}

static int check_id(struct medvl_check_all *s,
                    const struct medvl_record *record,
                    struct medvl_error *err)
{
    struct medvl_error where;
    struct medvl_error own = {0};
    struct medvl_seen *seen;
    int rc;

    medvl_text_clear(&s->buffer);
    rc = medvl_record_id(&s->buffer, record, &own);
    if (medvl_is_fatal(rc))
        return medvl_no_memory(err);
    if (rc < 0)
        return medvl_findings_add(&s->findings, MEDVL_CHECK_ID_MISSING,
                                  record, err, "%s", own.text);
    rc = medvl_seen_find(&seen, &s->ids,
                         medvl_key(medvl_text_span(&s->buffer)), err);
    if (rc < 0)
        return rc;
    if (seen->a)
        return medvl_findings_add(&s->findings, MEDVL_CHECK_ID_DOUBLE,
                                  record, err, "first at %s",
                                  place_of(&where, s, seen->a));
    seen->a = s->records;
    return MEDVL_OK;
}

/*
 * The same pictures, regions drawn and question with another answer before?
 * s->asked has the keys of the first two, of all pictures but those that
 * could not be read.
 */
static int check_asked(struct medvl_check_all *s,
                       const struct medvl_record *record, size_t images,
                       struct medvl_error *err)
{
    struct medvl_error where;
    struct medvl_text answer = {0};
    struct medvl_seen *seen = NULL;
    uint32_t now = 0;
    bool answered;
    int rc;

    if (!images || s->asked.size != images * sizeof(struct medvl_key))
        return MEDVL_OK;
    rc = medvl_check_asked(&s->asked, &answer, record, err);
    answered = answer.size > 0;
    if (rc == MEDVL_OK && answered) {
        now = medvl_key(medvl_text_span(&answer)).part[1];
        rc = medvl_seen_find(&seen, &s->questions,
                             medvl_key(medvl_text_span(&s->asked)), err);
    }
    medvl_text_release(&answer);
    if (rc < 0 || !answered)
        return rc;
    if (!seen->a) {
        seen->a = s->records;
        seen->b = now;
    }
    if (seen->b == now)
        return MEDVL_OK;
    return medvl_findings_add(&s->findings, MEDVL_CHECK_ANSWERS_DIFFER,
                              record, err,
                              "the same question about the same pictures has "
                              "another answer at %s",
                              place_of(&where, s, seen->a));
}

/* ---- a record as a whole --------------------------------------------- */

/* Is it a question with few possible answers? */
static int is_closed(bool *is, struct medvl_check_all *s,
                     const struct medvl_record *record,
                     struct medvl_error *err)
{
    const struct medvl_span choices = medvl_record_get(record, "choices");
    int rc;

    medvl_text_clear(&s->buffer);
    rc = medvl_check_plain(&s->buffer, record, "answer_type", err);
    *is = choices.data && !medvl_span_is(choices, "null");
    if (rc < 0 || !s->buffer.size)
        return rc;
    *is = *is || strcmp(s->buffer.data, "closed") == 0;
    return medvl_tally_add(NULL, &s->types, medvl_text_span(&s->buffer), err);
}

static int count_answer(struct medvl_check_all *s, struct medvl_span answer,
                        bool closed, struct medvl_error *err)
{
    struct medvl_seen *seen;
    int rc = medvl_tally_add(&seen, &s->answers, answer, err);

    if (rc < 0 || !closed)
        return rc;
    s->closed++;
    seen->b++;
    if (seen->b <= s->top_count)
        return MEDVL_OK;
    s->top_count = seen->b;
    medvl_text_clear(&s->top);
    return medvl_text_append(&s->top, answer.data,
                             answer.size < 200 ? answer.size : 200, err);
}

static int check_answers(struct medvl_check_all *s,
                         const struct medvl_record *record, size_t images,
                         struct medvl_error *err)
{
    struct medvl_text answer = {0};
    bool closed = false;
    int rc = is_closed(&closed, s, record, err);

    if (rc == MEDVL_OK)
        rc = medvl_check_plain(&answer, record, "answer", err);
    if (rc == MEDVL_OK && answer.size)
        rc = count_answer(s, medvl_text_span(&answer), closed, err);
    if (rc == MEDVL_OK)
        rc = check_asked(s, record, images, err);
    medvl_text_release(&answer);
    return rc;
}

static int check_group(struct medvl_check_all *s,
                       const struct medvl_record *record,
                       uint32_t bit, struct medvl_error *err)
{
    int rc;

    medvl_text_clear(&s->buffer);
    rc = medvl_check_plain(&s->buffer, record, "group", err);
    if (rc < 0 || !s->buffer.size)
        return rc;
    return check_split(s, &s->groups, medvl_key(medvl_text_span(&s->buffer)),
                       bit, MEDVL_CHECK_GROUP_IN_TWO_SPLITS, "its group",
                       record, err);
}

int medvl_check_record(struct medvl_check_all *s,
                       const struct medvl_record *record,
                       size_t images, struct medvl_error *err)
{
    const struct medvl_span keys = medvl_text_span(&s->pictures);
    const size_t size = sizeof(struct medvl_key);
    uint32_t bit = 0;
    int rc = medvl_check_begin(s, record, err);

    if (rc == MEDVL_OK)
        rc = check_id(s, record, err);
    if (rc == MEDVL_OK)
        rc = split_bit(&bit, s, record, err);
    for (size_t i = 0; rc == MEDVL_OK && i < keys.size; i += size) {
        struct medvl_key key;

        memcpy(&key, keys.data + i, size);
        rc = check_split(s, &s->contents, key, bit,
                         MEDVL_CHECK_PICTURE_IN_TWO_SPLITS, "its picture",
                         record, err);
    }
    if (rc == MEDVL_OK)
        rc = check_group(s, record, bit, err);
    if (rc == MEDVL_OK)
        rc = medvl_check_texts(&s->findings, record, images, err);
    if (rc == MEDVL_OK)
        rc = check_answers(s, record, images, err);
    medvl_text_clear(&s->pictures);
    medvl_text_clear(&s->asked);
    return rc;
}

/* ---- the whole ------------------------------------------------------- */

int medvl_check_balance(struct medvl_check_all *s, struct medvl_error *err)
{
    if (s->closed < CLOSED_LEAST ||
        (double)s->top_count <= CLOSED_SHARE * (double)s->closed)
        return MEDVL_OK;
    return medvl_findings_add(&s->findings, MEDVL_CHECK_ANSWERS_UNBALANCED,
                              NULL, err,
                              "\"%s\" answers %lld of %lld closed questions",
                              s->top.data, (long long)s->top_count,
                              (long long)s->closed);
}
