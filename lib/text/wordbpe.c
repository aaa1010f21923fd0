/*
 * Tokens and merges from their spelling to bytes.
 *
 * Read next: charbpe.c.
 */
#include "lib/text/wordbpe.h"

#include <string.h>

#include "lib/text/spell.h"

/*
 * Append the bytes that a token stands for, a space for the end of a word.
 * 0: no word comes to it.
 */
static int append_bytes(struct medvl_text *out, struct medvl_span token,
                        struct medvl_error *err)
{
    const struct medvl_span end = medvl_span(MEDVL_WORD_END);
    const size_t stem = token.size > end.size ? token.size - end.size : 0;
    const bool ends = stem > 0 &&
                      memcmp(token.data + stem, end.data, end.size) == 0;
    const size_t before = out->size;
    int rc;

    if (ends)
        token.size = stem;
    rc = medvl_spelled_bytes(out, token, err);
    if (rc < 1)
        return rc;
    if (memchr(out->data + before, ' ', out->size - before))
        return 0;
    if (ends)
        rc = medvl_text_putc(out, ' ', err);
    return rc < 0 ? rc : token.size > 0 && !medvl_span_is(token, end.data);
}

static int add_tokens(struct medvl_bpe *words, const struct medvl_bpe *vocab,
                      struct medvl_error *err)
{
    struct medvl_text bytes = {0};
    const int32_t size = medvl_bpe_size(vocab);
    int rc = MEDVL_OK;

    for (int32_t id = 0; id < size && rc >= 0; id++) {
        medvl_text_clear(&bytes);
        rc = append_bytes(&bytes, medvl_bpe_bytes(vocab, id), err);
        if (rc > 0)
            rc = medvl_bpe_add_token(words, id, medvl_text_span(&bytes),
                                     err);
    }
    medvl_text_release(&bytes);
    return rc < 0 ? rc : medvl_bpe_add_token(words, size, medvl_span(" "), err);
}

/* The last byte of a word and its end. */
static int add_ends(struct medvl_bpe *words, struct medvl_error *err)
{
    int rc = MEDVL_OK;

    for (int i = 0; i < 256 && rc == MEDVL_OK; i++) {
        const char byte = (char)i;

        if (i != ' ')
            rc = medvl_bpe_add_ranked(words, 0,
                                      (struct medvl_span){&byte, 1},
                                      medvl_span(" "), err);
    }
    return rc;
}

int medvl_wordbpe_new(struct medvl_bpe **out, const struct medvl_bpe *vocab,
                      struct medvl_error *err)
{
    const size_t size = (size_t)medvl_bpe_size(vocab);
    struct medvl_bpe *words = NULL;
    int rc;

    *out = NULL;
    rc = medvl_bpe_new(&words, size, size, false, err);
    if (rc == MEDVL_OK)
        rc = add_tokens(words, vocab, err);
    if (rc == MEDVL_OK)
        rc = add_ends(words, err);
    if (rc < 0) {
        medvl_bpe_free(words);
        return rc == MEDVL_ENOMEM ? rc : MEDVL_OK;
    }
    *out = words;
    return MEDVL_OK;
}

int medvl_wordbpe_add_merge(struct medvl_bpe *words, uint32_t rank,
                            struct medvl_span left, struct medvl_span right,
                            struct medvl_error *err)
{
    struct medvl_text bytes = {0};
    size_t middle = 0;
    int rc = append_bytes(&bytes, left, err);

    if (rc > 0) {
        middle = bytes.size;
        /* Behind the end of a word there is nothing to join. */
        rc = bytes.data[middle - 1] != ' ';
    }
    if (rc > 0)
        rc = append_bytes(&bytes, right, err);
    if (rc > 0)
        rc = medvl_bpe_add_ranked(
            words, rank, (struct medvl_span){bytes.data, middle},
            (struct medvl_span){bytes.data + middle, bytes.size - middle},
            err);
    medvl_text_release(&bytes);
    return rc < 0 ? rc : MEDVL_OK;
}
