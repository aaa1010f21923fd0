/*
 * The pre-tokenizers of tokenizer.json, all of them: steps that cut a text
 * into pieces, leave parts out, and rewrite.  The few that byte-level BPE
 * needs are in pretokenize.h, and faster.
 *
 * The pieces are those of Hugging Face's tokenizers 0.22.
 *
 * Read next: wordbpe.h.
 */
#ifndef MEDVL_TEXT_CUTTER_H
#define MEDVL_TEXT_CUTTER_H

#include "lib/text/normalize.h"

struct medvl_cutter; /* read-only, shared between threads */

/*
 * Make the steps of "pre_tokenizer" in a tokenizer.json; NULL or null: none,
 * and a text is one piece.  Errors are those of medvl_normalizer_new.
 */
int medvl_cutter_new(struct medvl_cutter **out,
                     const struct medvl_json *json,
                     struct medvl_error *err) MEDVL_MUST_CHECK;
void medvl_cutter_free(struct medvl_cutter *cutter);

/*
 * Pieces of a text, none empty: bytes from starts[i] to ends[i], with what
 * is left out between.  Valid when zeroed.
 */
struct medvl_pieces {
    size_t *starts, *ends;
    size_t count;
    size_t capacity, ends_capacity;

    /* The next step's, and what a step found. */
    struct {
        size_t *starts, *ends;
        size_t count;
        size_t capacity, ends_capacity;
    } next;
    struct medvl_segment {
        size_t start, end;
        bool match;
    } * segments;
    size_t segment_count, segment_capacity;
};
void medvl_pieces_release(struct medvl_pieces *pieces);
void medvl_pieces_shrink(struct medvl_pieces *pieces);

/*
 * Cut the text of `r`, which may be rewritten.
 *
 *   first   the text begins where the whole text does
 */
int medvl_cutter_run(const struct medvl_cutter *cutter,
                     struct medvl_regex_scratch *scratch,
                     struct medvl_rewrite *r, struct medvl_pieces *pieces,
                     bool first, struct medvl_error *err) MEDVL_MUST_CHECK;

#endif
