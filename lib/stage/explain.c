/*
 * The table of --explain.  A piece is the token's own bytes, with what a
 * terminal would not show, or would obey, spelled out.
 *
 * Read next: tokenize.c.
 */
#include "lib/stage/explain.h"

#include <stdio.h>

#include "lib/text/unicode.h"

#define OPEN_BOX "\xE2\x90\xA3"

/* Is there something to see, that leaves the rest of the line alone? */
static bool is_shown(uint32_t rune)
{
    if (rune < 0x20 || (rune >= 0x7F && rune < 0xA0) || rune == 0xAD ||
        rune == 0xFEFF)
        return false;
    /* Joiners and marks of direction, which reorder what follows. */
    if ((rune >= 0x200B && rune <= 0x200F) ||
        (rune >= 0x2028 && rune <= 0x202E) ||
        (rune >= 0x2060 && rune <= 0x206F) || rune >= 0xE0000)
        return false;
    return rune == ' ' || !(medvl_unicode_class(rune) & MEDVL_RUNE_SPACE);
}

static int put_rune(struct medvl_text *out, uint32_t rune, const char *bytes,
                    size_t size, struct medvl_error *err)
{
    switch (rune) {
    case ' ': return medvl_text_puts(out, OPEN_BOX, err);
    case '\\': return medvl_text_puts(out, "\\\\", err);
    case '\n': return medvl_text_puts(out, "\\n", err);
    case '\r': return medvl_text_puts(out, "\\r", err);
    case '\t': return medvl_text_puts(out, "\\t", err);
    default: break;
    }
    if (!is_shown(rune))
        return medvl_text_printf(out, err, "\\u%04x", rune);
    return medvl_text_append(out, bytes, size, err);
}

static int put_piece(struct medvl_text *out, struct medvl_span piece,
                     struct medvl_error *err)
{
    int rc = MEDVL_OK;

    for (size_t at = 0; at < piece.size && rc == MEDVL_OK;) {
        uint32_t rune = 0;
        const int size = medvl_utf8_decode(&rune, piece.data + at,
                                           piece.size - at);

        if (size == 0)
            rc = medvl_text_printf(out, err, "\\x%02x",
                                   (unsigned char)piece.data[at]);
        else
            rc = put_rune(out, rune, piece.data + at, (size_t)size, err);
        at += size ? (size_t)size : 1;
    }
    return rc;
}

static int put_row(struct medvl_text *out, const struct medvl_tokenizer *tok,
                   int32_t id, bool picture, size_t start, size_t end,
                   bool learned, struct medvl_error *err)
{
    char range[50];
    int rc;

    snprintf(range, sizeof(range), "%zu-%zu", start, end);
    rc = medvl_text_printf(out, err, "\n%8d %11s %c", id, range,
                           learned ? '*' : ' ');
    if (rc == MEDVL_OK && picture)
        return medvl_text_puts(out, "<image>  picture", err);
    if (rc == MEDVL_OK)
        rc = put_piece(out, medvl_tokenizer_bytes(tok, id), err);
    if (rc == MEDVL_OK && medvl_tokenizer_is_special(tok, id))
        rc = medvl_text_puts(out, "  special", err);
    else if (rc == MEDVL_OK && medvl_tokenizer_is_added(tok, id))
        rc = medvl_text_puts(out, "  added", err);
    return rc;
}

static int put_head(struct medvl_text *out, size_t count,
                    struct medvl_span id, const uint8_t *mask,
                    struct medvl_error *err)
{
    size_t learned = 0;
    int rc = MEDVL_OK;

    for (size_t i = 0; i < count && mask; i++)
        learned += mask[i] != 0;
    if (id.data) {
        rc = put_piece(out, id, err);
        if (rc == MEDVL_OK)
            rc = medvl_text_puts(out, ": ", err);
    }
    if (rc == MEDVL_OK)
        rc = medvl_text_printf(out, err, "%zu token%s", count,
                               count == 1 ? "" : "s");
    if (rc == MEDVL_OK && mask)
        rc = medvl_text_printf(out, err, ", %zu learned (*)", learned);
    if (rc == MEDVL_OK)
        rc = medvl_text_printf(out, err, "\n%8s %11s  piece", "id", "bytes");
    return rc;
}

int medvl_explain_tokens(struct medvl_text *out,
                         const struct medvl_tokenizer *tok,
                         const struct medvl_tokens *tokens, int32_t image,
                         struct medvl_span id, const uint8_t *mask,
                         struct medvl_error *err)
{
    size_t start = 0;
    int rc = put_head(out, tokens->count, id, mask, err);

    for (size_t i = 0; i < tokens->count && rc == MEDVL_OK; i++) {
        const int32_t token = tokens->ids[i];

        rc = put_row(out, tok, token, token == image && image >= 0, start,
                     tokens->ends[i], mask && mask[i], err);
        start = tokens->ends[i];
    }
    return rc;
}
