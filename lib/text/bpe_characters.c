/*
 * Characters on the byte-level encoder: the merges that make them, and the
 * spelling of what is left over.
 *
 * Read next: bpe_train.c.
 */
#include "lib/text/bpe.h"

#define VISIBLE_SPACE "\xE2\x96\x81"

int medvl_bpe_add_other(struct medvl_bpe *bpe, int32_t *next,
                        struct medvl_span bytes, struct medvl_error *err)
{
    if (medvl_bpe_id(bpe, bytes) >= 0)
        return MEDVL_OK;
    return medvl_bpe_add_token(bpe, (*next)++, bytes, err);
}

int medvl_bpe_add_characters(struct medvl_bpe *bpe, int32_t *next,
                             struct medvl_span text, struct medvl_error *err)
{
    int rc = MEDVL_OK;

    for (size_t at = 0; at < text.size && rc == MEDVL_OK;) {
        uint32_t rune;
        const size_t size = (size_t)medvl_utf8_decode(&rune, text.data + at,
                                                      text.size - at);

        if (size == 0)
            return medvl_fail(err, MEDVL_EFORMAT, "not UTF-8");
        for (size_t i = 1; i < size && rc == MEDVL_OK; i++) {
            const struct medvl_span left = {text.data + at, i};
            const struct medvl_span right = {text.data + at + i, 1};

            rc = medvl_bpe_add_other(
                bpe, next, (struct medvl_span){left.data, i + 1}, err);
            if (rc == MEDVL_OK)
                rc = medvl_bpe_add_ranked(bpe, 0, left, right, err);
        }
        at += size;
    }
    return rc;
}

/* What a token is spelled with. */
static struct medvl_span spelling(const struct medvl_bpe *bpe, int32_t id,
                                  bool space)
{
    const struct medvl_span bytes = medvl_bpe_bytes(bpe, id);

    return space && *bytes.data == ' ' ? medvl_span(VISIBLE_SPACE) : bytes;
}

/* Spell `bytes` before place `to`; they end, in the text, at `end`. */
static void spell(struct medvl_tokens *out, size_t to,
                  struct medvl_span spelled, const int32_t bytes[256],
                  bool space, size_t end)
{
    const bool together = space && *spelled.data == *VISIBLE_SPACE &&
                          medvl_span_is(spelled, VISIBLE_SPACE);

    for (size_t i = 1; i <= spelled.size; i++) {
        const char byte = spelled.data[spelled.size - i];

        out->ids[to - i] = bytes[(unsigned char)byte];
        if (out->keep_ends)
            out->ends[to - i] = together ? end : end - (i - 1);
    }
}

int medvl_bpe_spell(const struct medvl_bpe *bpe, struct medvl_tokens *out,
                    size_t first, int32_t size, const int32_t bytes[256],
                    bool space, struct medvl_error *err)
{
    size_t more = 0;
    size_t to;
    int rc;

    for (size_t i = first; i < out->count; i++) {
        if (out->ids[i] >= size)
            more += spelling(bpe, out->ids[i], space).size - 1;
    }
    rc = medvl_tokens_reserve(out, more, err);
    if (rc < 0)
        return rc;
    to = out->count + more;
    for (size_t i = out->count; i-- > first;) {
        const int32_t id = out->ids[i];
        const size_t end = out->keep_ends ? out->ends[i] : 0;

        if (id >= size) {
            const struct medvl_span spelled = spelling(bpe, id, space);

            spell(out, to, spelled, bytes, space, end);
            to -= spelled.size;
        } else {
            out->ids[--to] = id;
            if (out->keep_ends)
                out->ends[to] = end;
        }
    }
    out->count += more;
    return MEDVL_OK;
}
