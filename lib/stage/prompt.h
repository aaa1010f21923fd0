/*
 * Templates over records, into messages: the work of medvl-prompt(1).
 *
 * Read next: split.h.
 */
#ifndef MEDVL_STAGE_PROMPT_H
#define MEDVL_STAGE_PROMPT_H

#include "lib/stage/loop.h"
#include "lib/stage/want.h"

/* Templates (text/template.h); turns are paired in order. */
struct medvl_prompt_options {
    const char *const *questions; /* or file; none: no messages */
    int question_count;
    const char *file; /* the one question's template; or NULL */
    const char *const *answers;
    int answer_count;       /* at most as many as questions */
    const char *system;     /* NULL: no system turn */
    const char *each;       /* NULL, or "regions" */
    const char *const *set; /* "FIELD=TEMPLATE": text fields to set */
    int set_count;
    const char *author;        /* of the messages; NULL: "template" */
    struct medvl_wants *wants; /* of answers and set; or NULL */
};

/*
 * The map behind medvl-prompt; its options are the struct above.
 *
 * The record's members are the templates' variables.  "messages" is set:
 * the system turn, then for each question a user turn, the first with a
 * part for each of the record's images in front of its text, and the answer
 * as assistant turn.  What renders to nothing but space is left out: a
 * system turn, a question with its answer, the last answer.  An answer that
 * prints an undefined value is not there; a question that does is an error.
 * A record without any question, and one with an answer missing in between,
 * is bad.
 *
 * each "regions": one record for each region of the images, in order, with
 * id "ID#k", k from 1; that region, which templates see as `region`, is
 * "drawn":true, and no other is.  A record without regions is bad.
 */
extern const struct medvl_map medvl_prompt_map;

#endif
