/*
 * Comparing answers: the normalisations that VQA scorers use, by name, and
 * which of several choices a reply means.
 *
 * Read next: textmetric.h.
 */
#ifndef MEDVL_EVAL_ANSWER_H
#define MEDVL_EVAL_ANSWER_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/json.h"

/*
 *   vqa    LLaVA-Med's normalize_word, in this order: each of
 *          ; / [ ] " { } ( ) = + \ _ - > < @ ` , ? ! is deleted where the
 *          text has it beside a space, or has a comma between digits
 *          anywhere, else becomes a space; the first 32 full stops not
 *          before a digit are deleted; lower case; none, zero .. ten become
 *          digits; a, an, the are dropped; contractions get their
 *          apostrophe (dont, don't); commas are deleted
 *   mumc   MUMC's: lower case; , . ' ! ? " ( ) * # : ; ~ are deleted;
 *          "x ray" and "x-ray" become xray, " - " becomes "-"; then
 *          punctuation, digits and articles as above
 *   lower  lower case, white space as one space
 *   none   the bytes as they are
 *
 * Source: LLaVA-Med, llava/eval/eval_metrics/glossary.py; MUMC as
 * retrained in longle0702/med-v2qa, whose published scores it reproduces.
 */
enum medvl_answer_norm {
    MEDVL_ANSWER_VQA,
    MEDVL_ANSWER_MUMC,
    MEDVL_ANSWER_LOWER,
    MEDVL_ANSWER_NONE,
};

/* By name; MEDVL_EARG for one that is not above. */
int medvl_answer_norm_parse(enum medvl_answer_norm *out, const char *name,
                            struct medvl_error *err) MEDVL_MUST_CHECK;

/* Append the normal form of `text` (UTF-8) to `out`. */
int medvl_answer_normalize(struct medvl_text *out, struct medvl_span text,
                           enum medvl_answer_norm norm,
                           struct medvl_error *err) MEDVL_MUST_CHECK;

/* ---- choices --------------------------------------------------------- */

#define MEDVL_CHOICES_MAX 1000

/* A record's "choices", letter -> text.  Valid when zeroed; reused. */
struct medvl_choices {
    struct medvl_choice {
        struct medvl_text letter;
        struct medvl_text text;
        struct medvl_text normal; /* the text, normalised */
    } * items;
    size_t count; /* in use */
    size_t made;  /* initialised */
    size_t capacity;
    enum medvl_answer_norm norm;
    struct medvl_text scratch;
};

/*
 * Take the choices of `object`.  MEDVL_EFORMAT when it is no object of
 * strings, is empty or has more than MEDVL_CHOICES_MAX, has an empty
 * letter, or two letters that differ in case alone.
 */
int medvl_choices_read(struct medvl_choices *choices,
                       const struct medvl_json *object,
                       enum medvl_answer_norm norm,
                       struct medvl_error *err) MEDVL_MUST_CHECK;
void medvl_choices_release(struct medvl_choices *choices);

/*
 * Which choice `reply` means: the first rule that finds exactly one wins,
 * and a rule that finds several passes on.  *out is its number in the
 * object's order, or -1.
 *
 *   1. the whole reply is a letter, in any case, but for the characters
 *      space ( ) [ ] * . : , around it
 *   2. the whole reply is a choice's text, both normalised
 *   3. it begins with a letter, in its own case, before one of ) . : or ,
 *      or between ( ), [ ] or **
 *   4. the last "answer is", "answer:" or "option" (any case) is followed
 *      by a letter in its own case
 *   5. letters that stand alone, in their own case; "A" and "I" before a
 *      space and a small letter are words
 *   6. choices whose normalised text stands in the normalised reply as
 *      whole words; one that stands inside another that is found does not
 *      count
 */
int medvl_choices_find(int64_t *out, struct medvl_choices *choices,
                       struct medvl_span reply,
                       struct medvl_error *err) MEDVL_MUST_CHECK;

#endif
