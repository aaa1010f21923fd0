/*
 * A text that is rewritten step by step, and where each of its bytes came
 * from in the text that it was at first.
 *
 * A step reads `text`, writes the next text by keep and put, and ends with
 * medvl_rewrite_done.  As long as nothing was rewritten there are no
 * origins and no copy.
 *
 * Read next: normalize.h.
 */
#ifndef MEDVL_TEXT_REWRITE_H
#define MEDVL_TEXT_REWRITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/text/unicode.h"

/*
 * Bytes of a text that is rewritten, at 18 bytes of memory each; and how
 * many times as long, above a short text's room, it may become.
 */
#define MEDVL_REWRITE_BYTES  (64 << 20)
#define MEDVL_REWRITE_GROWTH 32
#define MEDVL_REWRITE_SHORT  (64 << 10)

/*
 * The characters [start, end) of the first text that a byte came from.
 * Starts are those of Hugging Face's alignments, which some of its steps
 * ask for; ends are those of all that a byte was made of.
 */
struct medvl_origin {
    uint32_t start, end;
};

/* Valid when zeroed; `text` is set by begin and by each step. */
struct medvl_rewrite {
    struct medvl_span text;
    size_t most;                  /* bytes that it may become */
    struct medvl_origin *origins; /* of each byte, while `moved` */
    bool moved;

    /* Of a part: the whole, and where it begins there; else NULL. */
    const struct medvl_rewrite *whole;
    size_t offset;

    /* The step's. */
    struct medvl_text now, next;
    struct medvl_origin *next_origins;
    size_t capacity, next_capacity;
    struct medvl_text scratch;
    struct medvl_nfc_changes changes;
};

/* Begin with `text`, which must stay. */
void medvl_rewrite_begin(struct medvl_rewrite *r, struct medvl_span text);

/* Begin with the bytes [from, to) of a text, which must stay as it is. */
void medvl_rewrite_begin_part(struct medvl_rewrite *r,
                              const struct medvl_rewrite *whole, size_t from,
                              size_t to);
void medvl_rewrite_release(struct medvl_rewrite *r);

/* Give back the memory of a large text. */
void medvl_rewrite_shrink(struct medvl_rewrite *r);

/* The next text begins empty. */
int medvl_rewrite_start(struct medvl_rewrite *r,
                        struct medvl_error *err) MEDVL_MUST_CHECK;

/* Append text[from, to) as it is. */
int medvl_rewrite_keep(struct medvl_rewrite *r, size_t from, size_t to,
                       struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * Append `bytes` that come of text[from, to).  An empty range is where the
 * bytes are put in.  MEDVL_EUNSUPPORTED: past MEDVL_REWRITE_BYTES, or the
 * growth above.
 */
int medvl_rewrite_put(struct medvl_rewrite *r, struct medvl_span bytes,
                      size_t from, size_t to,
                      struct medvl_error *err) MEDVL_MUST_CHECK;

/* Where byte `at` of the text began in the text that `r` began with. */
uint32_t medvl_rewrite_own_start(const struct medvl_rewrite *r, size_t at);

/* The next text becomes the text. */
void medvl_rewrite_done(struct medvl_rewrite *r);

/* Where byte `at` of the text came from; of a part: in the first whole. */
struct medvl_origin medvl_rewrite_origin(const struct medvl_rewrite *r,
                                         size_t at);

/* Where the bytes before `at` end there; exact while nothing has moved. */
size_t medvl_rewrite_end(const struct medvl_rewrite *r, size_t at);

#endif
