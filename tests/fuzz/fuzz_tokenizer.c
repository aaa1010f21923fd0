/*
 * A tokenizer.json of strangers: opened, and if it opens, used on a text
 * with every kind of character; what is decoded is UTF-8.  Then on a
 * long text of one thing, which a fuzzer finds slow if time is its square.
 *
 * Read next: driver.c.
 */
#include <stdlib.h>

#include "lib/text/tokenizer.h"

static const char TEXT[] =
    "The left <s> lung's 12345 mm\tcafe\xCC\x81 \xE8\x83\xB8\xE9\x83\xA8"
    "</s> <image> word\r\n\n  \xF0\x9F\x91\x8D 'LL\xC2\xA0 x--- ";

/* A long text of one of these again and again, by the file's size. */
static const char *const UNITS[] = {"a", " ", "<s>", "\xE4\xB8\xAD", "##"};

#define LONG ((size_t)32 << 10)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The text is cut at a whole unit, so it stays UTF-8. */
static void encode_long(struct medvl_encoder *encoder,
                        struct medvl_tokens *tokens, size_t which)
{
    const struct medvl_span unit = medvl_span(
        UNITS[which % (sizeof(UNITS) / sizeof(UNITS[0]))]);
    struct medvl_text text = {0};
    struct medvl_error err = {0};
    int rc = MEDVL_OK;

    while (text.size < LONG && rc == MEDVL_OK)
        rc = medvl_text_append(&text, unit.data, unit.size, &err);
    medvl_tokens_clear(tokens);
    if (rc == MEDVL_OK &&
        medvl_encoder_encode(encoder, tokens, medvl_text_span(&text), NULL, 0,
                             MEDVL_ENCODE_SPECIAL, &err) < 0 &&
        !err.text[0])
        abort();
    medvl_text_release(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct medvl_span json = {(const char *)data, size};
    struct medvl_tokenizer *tok = NULL;
    struct medvl_encoder *encoder = NULL;
    struct medvl_tokens tokens = {.keep_ends = true};
    struct medvl_text out = {0};
    struct medvl_error err = {0};

    if (medvl_tokenizer_new(&tok, json, &err) < 0) {
        if (tok || !err.text[0])
            abort();
        return 0;
    }
    if (medvl_encoder_new(&encoder, tok, &err) == MEDVL_OK &&
        medvl_encoder_encode(encoder, &tokens, medvl_span(TEXT), NULL, 0,
                             MEDVL_ENCODE_SPECIAL, &err) == MEDVL_OK) {
        for (size_t i = 0; i < tokens.count; i++) {
            if (tokens.ends[i] > sizeof(TEXT) - 1)
                abort();
        }
        if (medvl_tokenizer_decode(tok, &out, tokens.ids, tokens.count, 0,
                                   &err) == MEDVL_OK &&
            medvl_utf8_valid(out.data, out.size) != out.size)
            abort();
    }
    if (encoder)
        encode_long(encoder, &tokens, size);
    medvl_text_release(&out);
    medvl_tokens_release(&tokens);
    medvl_encoder_free(encoder);
    medvl_tokenizer_free(tok);
    return 0;
}
