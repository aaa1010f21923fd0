/*
 * Findings as lines, and texts that were seen before.
 *
 * Texts are kept as 96 bits of a hash: two of a million differing texts
 * share one with a chance of 10^-17.
 *
 * Read next: check_picture.c.
 */
#include "lib/stage/check_part.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/hash.h"
#include "lib/base/mem.h"

/* ---- findings -------------------------------------------------------- */

static const char *const NAMES[MEDVL_CHECK_KINDS] = {
    [MEDVL_CHECK_NOT_A_RECORD] = "not_a_record",
    [MEDVL_CHECK_ID_MISSING] = "id_missing",
    [MEDVL_CHECK_ID_DOUBLE] = "id_double",
    [MEDVL_CHECK_IMAGES_MALFORMED] = "images_malformed",
    [MEDVL_CHECK_PICTURE_MISSING] = "picture_missing",
    [MEDVL_CHECK_PICTURE_DAMAGED] = "picture_damaged",
    [MEDVL_CHECK_SIZE_DIFFERS] = "size_differs",
    [MEDVL_CHECK_HASH_DIFFERS] = "hash_differs",
    [MEDVL_CHECK_REGION_MALFORMED] = "region_malformed",
    [MEDVL_CHECK_REGION_EMPTY] = "region_empty",
    [MEDVL_CHECK_BOX_UPSIDE_DOWN] = "box_upside_down",
    [MEDVL_CHECK_BOX_OUTSIDE] = "box_outside",
    [MEDVL_CHECK_POINT_OUTSIDE] = "point_outside",
    [MEDVL_CHECK_POLYGON_OUTSIDE] = "polygon_outside",
    [MEDVL_CHECK_MASK_SIZE] = "mask_size",
    [MEDVL_CHECK_QUESTION_MISSING] = "question_missing",
    [MEDVL_CHECK_QUESTION_EMPTY] = "question_empty",
    [MEDVL_CHECK_ANSWER_MISSING] = "answer_missing",
    [MEDVL_CHECK_ANSWER_EMPTY] = "answer_empty",
    [MEDVL_CHECK_ANSWER_NO_CHOICE] = "answer_no_choice",
    [MEDVL_CHECK_MESSAGES_MALFORMED] = "messages_malformed",
    [MEDVL_CHECK_MESSAGES_EMPTY] = "messages_empty",
    [MEDVL_CHECK_TURN_EMPTY] = "turn_empty",
    [MEDVL_CHECK_PART_WITHOUT_IMAGE] = "part_without_image",
    [MEDVL_CHECK_IMAGE_UNUSED] = "image_unused",
    [MEDVL_CHECK_ANSWERS_DIFFER] = "answers_differ",
    [MEDVL_CHECK_PICTURE_IN_TWO_SPLITS] = "picture_in_two_splits",
    [MEDVL_CHECK_GROUP_IN_TWO_SPLITS] = "group_in_two_splits",
    [MEDVL_CHECK_ANSWERS_UNBALANCED] = "answers_unbalanced",
};

const char *medvl_check_name(enum medvl_check_kind kind)
{
    return NAMES[kind];
}

/* "file:line", as UTF-8 whatever the file is called, and the id's JSON. */
static void put_record(struct medvl_json_writer *w,
                       const struct medvl_record *record)
{
    const struct medvl_span id = medvl_record_get(record, "id");
    struct medvl_error where;

    medvl_fail(&where, MEDVL_EFORMAT, "%s:%lld",
               record->path ? record->path : "input",
               (long long)record->line);
    medvl_json_put_string(w, "where", medvl_span(where.text));
    if (id.size && id.data[0] == '"')
        medvl_json_put_raw(w, "id", id);
}

int medvl_findings_add(struct medvl_findings *findings,
                       enum medvl_check_kind kind,
                       const struct medvl_record *record,
                       struct medvl_error *err, const char *detail, ...)
{
    struct medvl_json_writer w = {.out = &findings->lines};
    struct medvl_error text; /* which makes it clean UTF-8 */
    char raw[1000];
    va_list args;
    int rc;

    va_start(args, detail);
    vsnprintf(raw, sizeof(raw), detail, args);
    va_end(args);
    medvl_fail(&text, MEDVL_EFORMAT, "%s", raw);
    medvl_json_begin(&w, NULL, '{');
    medvl_json_put_string(&w, "problem", medvl_span(NAMES[kind]));
    if (record)
        put_record(&w, record);
    medvl_json_put_string(&w, "detail", medvl_span(text.text));
    medvl_json_end(&w);
    rc = medvl_json_write_end(&w, err);
    if (rc == MEDVL_OK)
        rc = medvl_text_putc(&findings->lines, '\n', err);
    findings->counts[kind]++;
    return rc;
}

int medvl_findings_move(struct medvl_findings *to,
                        struct medvl_findings *from, struct medvl_error *err)
{
    const int rc = medvl_text_append(&to->lines, from->lines.data,
                                     from->lines.size, err);

    for (int i = 0; i < MEDVL_CHECK_KINDS; i++)
        to->counts[i] += from->counts[i];
    memset(from->counts, 0, sizeof(from->counts));
    medvl_text_shrink(&from->lines);
    return rc;
}

void medvl_findings_release(struct medvl_findings *findings)
{
    medvl_text_release(&findings->lines);
}

/* ---- what was seen --------------------------------------------------- */

struct medvl_key medvl_key_hex(const char hash[33])
{
    struct medvl_key key = {{0, 0, 0}};

    for (int i = 0; i < 24; i++) {
        const int digit = hash[i] <= '9' ? hash[i] - '0' : hash[i] - 'a' + 10;

        key.part[i / 8] = key.part[i / 8] << 4 | (uint32_t)digit;
    }
    key.part[2] |= !(key.part[0] | key.part[1] | key.part[2]);
    return key;
}

struct medvl_key medvl_key(struct medvl_span text)
{
    char hex[33];

    medvl_hash128_hex(hex, text.data ? text.data : "", text.size);
    return medvl_key_hex(hex);
}

static bool is_free(const struct medvl_seen *slot)
{
    return !(slot->key.part[0] | slot->key.part[1] | slot->key.part[2]);
}

static struct medvl_seen *find_slot(const struct medvl_seen_set *set,
                                    struct medvl_key key)
{
    size_t at = (size_t)((uint64_t)key.part[0] * set->room >> 32);

    while (!is_free(&set->slots[at]) &&
           memcmp(&set->slots[at].key, &key, sizeof(key)) != 0)
        at = at + 1 < set->room ? at + 1 : 0;
    return &set->slots[at];
}

/* By a half, and late: memory counts for more here than time. */
static int grow(struct medvl_seen_set *set, struct medvl_error *err)
{
    struct medvl_seen_set big = {.count = set->count};

    big.room = set->room ? set->room + set->room / 2 : 256;
    big.slots = medvl_alloc(big.room, sizeof(*big.slots));
    if (!big.slots)
        return medvl_no_memory(err);
    for (size_t i = 0; i < set->room; i++)
        if (!is_free(&set->slots[i]))
            *find_slot(&big, set->slots[i].key) = set->slots[i];
    medvl_free(set->slots);
    *set = big;
    return MEDVL_OK;
}

int medvl_seen_find(struct medvl_seen **out, struct medvl_seen_set *set,
                    struct medvl_key key, struct medvl_error *err)
{
    if (set->count >= set->room / 8 * 7 && grow(set, err) < 0)
        return MEDVL_ENOMEM;
    *out = find_slot(set, key);
    if (is_free(*out)) {
        (*out)->key = key;
        set->count++;
    }
    return MEDVL_OK;
}

void medvl_seen_release(struct medvl_seen_set *set)
{
    medvl_free(set->slots);
    *set = (struct medvl_seen_set){0};
}

/* ---- how often ------------------------------------------------------- */

#define TEXT_MOST 200 /* bytes of a text that are kept */

/* A text that is too long is cut, and stays different from others. */
static int keep_text(struct medvl_tally_item *item, struct medvl_span text,
                     struct medvl_error *err)
{
    size_t size = text.size;

    medvl_text_clear(&item->text);
    if (size > TEXT_MOST)
        size = medvl_utf8_valid(text.data, TEXT_MOST);
    if (medvl_text_append(&item->text, text.data, size, err) < 0)
        return MEDVL_ENOMEM;
    if (size == text.size)
        return MEDVL_OK;
    return medvl_text_printf(&item->text, err, "... #%08x", item->key.part[0]);
}

/*
 * Counts grow by one, so whoever belongs among the most does so, or takes
 * the place of the least there, at the moment when it is counted.
 */
static int place(struct medvl_tally *tally, const struct medvl_seen *seen,
                 struct medvl_span text, struct medvl_error *err)
{
    struct medvl_tally_item *items = tally->most;
    int least = 0;

    for (int i = 0; i < tally->most_count; i++) {
        if (memcmp(&items[i].key, &seen->key, sizeof(seen->key)) == 0) {
            items[i].count = seen->a;
            return MEDVL_OK;
        }
        if (items[i].count < items[least].count)
            least = i;
    }
    if (tally->most_count < MEDVL_TALLY_MOST)
        least = tally->most_count++;
    else if (items[least].count >= seen->a)
        return MEDVL_OK;
    items[least].key = seen->key;
    items[least].count = seen->a;
    return keep_text(&items[least], text, err);
}

int medvl_tally_add(struct medvl_seen **seen, struct medvl_tally *tally,
                    struct medvl_span text, struct medvl_error *err)
{
    struct medvl_seen *at;
    int rc = medvl_seen_find(&at, &tally->seen, medvl_key(text), err);

    if (rc < 0)
        return rc;
    at->a += at->a < UINT32_MAX;
    rc = place(tally, at, text, err);
    if (seen)
        *seen = at;
    return rc;
}

/* Most first; of equal ones the first in the order of bytes. */
static bool comes_before(const struct medvl_tally_item *a,
                         const struct medvl_tally_item *b)
{
    if (a->count != b->count)
        return a->count > b->count;
    return strcmp(a->text.data ? a->text.data : "",
                  b->text.data ? b->text.data : "") < 0;
}

void medvl_tally_put(struct medvl_json_writer *w, const char *name,
                     struct medvl_tally *tally)
{
    char distinct[64];

    for (int i = 1; i < tally->most_count; i++)
        for (int k = i; k > 0 && comes_before(&tally->most[k],
                                              &tally->most[k - 1]);
             k--) {
            const struct medvl_tally_item item = tally->most[k];

            tally->most[k] = tally->most[k - 1];
            tally->most[k - 1] = item;
        }
    medvl_json_begin(w, name, '{');
    for (int i = 0; i < tally->most_count; i++)
        medvl_json_put_int(w, tally->most[i].text.data,
                           tally->most[i].count);
    medvl_json_end(w);
    snprintf(distinct, sizeof(distinct), "%s_distinct", name);
    medvl_json_put_int(w, distinct, (int64_t)tally->seen.count);
}

void medvl_tally_release(struct medvl_tally *tally)
{
    medvl_seen_release(&tally->seen);
    for (int i = 0; i < MEDVL_TALLY_MOST; i++)
        medvl_text_release(&tally->most[i].text);
}
