/*
 * A tokenizer.json of strangers: opened, and if it opens, used on a text
 * with every kind of character; what is decoded is UTF-8.
 *
 * Read next: driver.c.
 */
#include <stdlib.h>

#include "lib/text/tokenizer.h"

static const char TEXT[] =
    "The left <s> lung's 12345 mm\tcafe\xCC\x81 \xE8\x83\xB8\xE9\x83\xA8"
    "</s> <image> word\r\n\n  \xF0\x9F\x91\x8D 'LL\xC2\xA0 x--- ";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

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
    medvl_text_release(&out);
    medvl_tokens_release(&tokens);
    medvl_encoder_free(encoder);
    medvl_tokenizer_free(tok);
    return 0;
}
