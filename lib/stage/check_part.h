/*
 * What the parts of the check share: the kinds of findings, and what is
 * remembered of all records.  Only lib/stage/check*.c include this.
 *
 * Read next: check.c.
 */
#ifndef MEDVL_STAGE_CHECK_PART_H
#define MEDVL_STAGE_CHECK_PART_H

#include "lib/base/text.h"
#include "lib/data/record.h"
#include "lib/stage/check.h"
#include "lib/stage/fetch.h"

/* ---- findings: check_count.c ----------------------------------------- */

enum medvl_check_kind {
    MEDVL_CHECK_NOT_A_RECORD,
    MEDVL_CHECK_ID_MISSING,
    MEDVL_CHECK_ID_DOUBLE,
    MEDVL_CHECK_IMAGES_MALFORMED,
    MEDVL_CHECK_PICTURE_MISSING,
    MEDVL_CHECK_PICTURE_DAMAGED,
    MEDVL_CHECK_SIZE_DIFFERS,
    MEDVL_CHECK_HASH_DIFFERS,
    MEDVL_CHECK_REGION_MALFORMED,
    MEDVL_CHECK_REGION_EMPTY,
    MEDVL_CHECK_BOX_UPSIDE_DOWN,
    MEDVL_CHECK_BOX_OUTSIDE,
    MEDVL_CHECK_POINT_OUTSIDE,
    MEDVL_CHECK_POLYGON_OUTSIDE,
    MEDVL_CHECK_MASK_SIZE,
    MEDVL_CHECK_QUESTION_MISSING,
    MEDVL_CHECK_QUESTION_EMPTY,
    MEDVL_CHECK_ANSWER_MISSING,
    MEDVL_CHECK_ANSWER_EMPTY,
    MEDVL_CHECK_ANSWER_NO_CHOICE,
    MEDVL_CHECK_MESSAGES_MALFORMED,
    MEDVL_CHECK_MESSAGES_EMPTY,
    MEDVL_CHECK_TURN_EMPTY,
    MEDVL_CHECK_PART_WITHOUT_IMAGE,
    MEDVL_CHECK_IMAGE_UNUSED,
    MEDVL_CHECK_ANSWERS_DIFFER,
    MEDVL_CHECK_PICTURE_IN_TWO_SPLITS,
    MEDVL_CHECK_GROUP_IN_TWO_SPLITS,
    MEDVL_CHECK_ANSWERS_UNBALANCED,
    MEDVL_CHECK_KINDS
};
const char *medvl_check_name(enum medvl_check_kind kind);

/* Lines of JSON, each with its newline, and how many of each kind. */
struct medvl_findings {
    struct medvl_text lines;
    int64_t counts[MEDVL_CHECK_KINDS];
};

/*
 * Findings about the regions of one picture, the turns or the unused images
 * of one record: the last says that there is more, so that no record takes
 * all memory.
 */
#define MEDVL_CHECK_MOST 1000

/* One more, of the record (NULL: of the whole). */
int medvl_findings_add(struct medvl_findings *findings,
                       enum medvl_check_kind kind,
                       const struct medvl_record *record,
                       struct medvl_error *err, const char *detail, ...)
    MEDVL_PRINTF(5, 6) MEDVL_MUST_CHECK;

/* Move all of them behind `to`'s. */
int medvl_findings_move(struct medvl_findings *to,
                        struct medvl_findings *from,
                        struct medvl_error *err) MEDVL_MUST_CHECK;
void medvl_findings_release(struct medvl_findings *findings);

/* ---- texts that were seen: check_count.c ----------------------------- */

/* The first 96 bits of a text's XXH3-128. */
struct medvl_key {
    uint32_t part[3];
};
struct medvl_key medvl_key(struct medvl_span text);
struct medvl_key medvl_key_hex(const char hash[33]); /* from the hash */

/* What is remembered of a text; what a and b are is the owner's. */
struct medvl_seen {
    struct medvl_key key;
    uint32_t a, b;
};

/* A set of them.  Valid when zeroed. */
struct medvl_seen_set {
    struct medvl_seen *slots; /* a key of zeros is free */
    size_t count, room;
};

/* The text's place, made now if need be with a and b 0; until the next. */
int medvl_seen_find(struct medvl_seen **out, struct medvl_seen_set *set,
                    struct medvl_key key,
                    struct medvl_error *err) MEDVL_MUST_CHECK;
void medvl_seen_release(struct medvl_seen_set *set);

/* How often each text came; exact for the ten that came most. */
#define MEDVL_TALLY_MOST 10
struct medvl_tally {
    struct medvl_seen_set seen; /* a: how often; b: the owner's */
    int most_count;
    struct medvl_tally_item {
        struct medvl_key key;
        struct medvl_text text;
        int64_t count;
    } most[MEDVL_TALLY_MOST];
};

/* `seen`, where not NULL, is the text's place, as above. */
int medvl_tally_add(struct medvl_seen **seen, struct medvl_tally *tally,
                    struct medvl_span text,
                    struct medvl_error *err) MEDVL_MUST_CHECK;

/* Put {text: count}, most first, and NAME_distinct. */
void medvl_tally_put(struct medvl_json_writer *w, const char *name,
                     struct medvl_tally *tally);
void medvl_tally_release(struct medvl_tally *tally);

/* ---- pictures and regions: check_picture.c --------------------------- */

/* What is known of a picture's file.  Valid when zeroed. */
struct medvl_check_picture {
    struct medvl_key entry; /* of the members that say where it is */
    bool good;
    int64_t width, height;
    char hash[33];
    struct medvl_key content; /* of the bytes and the frame */
};

/* An entry of "images" on its way; threads work on different ones. */
struct medvl_check_job {
    const struct medvl_record *record;
    struct medvl_span image; /* its JSON; none: the record's end */
    size_t number;           /* of the picture in its record, from 1 */
    size_t same;             /* job that decodes the same picture, or own */
    bool known;              /* `picture` was filled from the cache */
    struct medvl_check_picture picture;
    struct medvl_key asked;  /* of its contents and the regions drawn */
    bool clear;              /* `asked` is known */
    int code;                /* of fetching */
    struct medvl_error *why; /* or NULL; owned */
    int rc;                  /* of the work itself */
    struct medvl_findings findings;
};

/* Those members of an entry that say where its picture is, as an object. */
int medvl_check_entry(struct medvl_text *out, struct medvl_span image,
                      struct medvl_error *err) MEDVL_MUST_CHECK;

/* Fill job->picture, or job->code and why. */
void medvl_check_decode(struct medvl_check_job *job,
                        struct medvl_fetch *fetch);

/* Compare what the entry says with `first`, who decoded it; findings. */
void medvl_check_compare(struct medvl_check_job *job,
                         const struct medvl_check_job *first,
                         struct medvl_source *source);

/* ---- texts: check_text.c --------------------------------------------- */

/* Questions, answers, choices, messages: what one record alone shows. */
int medvl_check_texts(struct medvl_findings *findings,
                      const struct medvl_record *record, size_t images,
                      struct medvl_error *err) MEDVL_MUST_CHECK;

/* ---- texts as they are compared: check_plain.c ------------------------ */

/* Is there nothing in it that is seen? */
bool medvl_check_blank(const char *text);

/*
 * Append a text member as it is compared: without space around it, in lower
 * case; of an array the first.  Nothing where there is no such text.
 */
int medvl_check_plain(struct medvl_text *out,
                      const struct medvl_record *record, const char *name,
                      struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * Append what the record asks, its choices with it, and what it answers, a
 * letter as the text of its choice; without a question the turns of the
 * messages.
 */
int medvl_check_asked(struct medvl_text *asked, struct medvl_text *answer,
                      const struct medvl_record *record,
                      struct medvl_error *err) MEDVL_MUST_CHECK;

/* ---- all records: check_record.c ------------------------------------- */

#define MEDVL_CHECK_SPLITS 31 /* those after share one number */

/* What is remembered.  Valid when zeroed. */
struct medvl_check_all {
    struct medvl_findings findings;

    /* Where each file began, in records from the first on. */
    struct medvl_check_start {
        const char *path;
        int64_t line; /* of its first record */
        uint32_t first;
    } * starts;
    size_t start_count, start_room;
    uint32_t records;
    int64_t images, closed;

    /* a: the record where it was first; b: what it was there. */
    struct medvl_seen_set ids;
    struct medvl_seen_set contents;  /* of pictures; b: splits, a bit each */
    struct medvl_seen_set groups;    /* b: the same */
    struct medvl_seen_set questions; /* b: the answer */

    struct medvl_tally answers; /* b: of closed questions */
    struct medvl_tally types, splits;
    struct medvl_text top; /* answer of most closed questions */
    int64_t top_count;
    struct medvl_key split_keys[MEDVL_CHECK_SPLITS];
    int split_count;

    struct medvl_text pictures; /* keys of the record in hand */
    struct medvl_text asked;    /* the same with the regions drawn */
    struct medvl_text buffer;
};
void medvl_check_release(struct medvl_check_all *all);

/* A line has come: the next number is its. */
int medvl_check_begin(struct medvl_check_all *all,
                      const struct medvl_record *record,
                      struct medvl_error *err) MEDVL_MUST_CHECK;

/* A record whose pictures went by, as a whole and beside those before. */
int medvl_check_record(struct medvl_check_all *all,
                       const struct medvl_record *record, size_t images,
                       struct medvl_error *err) MEDVL_MUST_CHECK;

/* All records went by. */
int medvl_check_balance(struct medvl_check_all *all,
                        struct medvl_error *err) MEDVL_MUST_CHECK;

#endif
