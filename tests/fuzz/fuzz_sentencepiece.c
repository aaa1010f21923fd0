/*
 * A tokenizer.model of strangers: opened, and if it opens, used on a text
 * with every kind of character.  Ids are the model's, ends rise.
 *
 * Read next: driver.c.
 */
#include <stdlib.h>

#include "lib/text/sentencepiece.h"

static const char TEXT[] =
    "  The left <s> lung's 12345 mm\tcafe\xCC\x81 \xE8\x83\xB8\xE9\x83\xA8"
    "\xE2\x96\x81</s> <image> ray\r\n\n  \xF0\x9F\x91\x8D \xEF\xAC\x81"
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa  ";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void encode(const struct medvl_sentencepiece *model, bool keep_ends)
{
    const int32_t count = medvl_sentencepiece_info(model)->size;
    struct medvl_sentencepiece_encoder *encoder = NULL;
    struct medvl_tokens tokens = {.keep_ends = keep_ends};
    struct medvl_error err = {0};

    if (medvl_sentencepiece_encoder_new(&encoder, model, &err) == MEDVL_OK &&
        medvl_sentencepiece_encode(encoder, NULL, &tokens, medvl_span(TEXT),
                                   0, 0, &err) == MEDVL_OK) {
        for (size_t i = 0; i < tokens.count; i++) {
            if (tokens.ids[i] < 0 || tokens.ids[i] >= count ||
                !medvl_sentencepiece_bytes(model, tokens.ids[i]).data)
                abort();
            if (keep_ends && (tokens.ends[i] > sizeof(TEXT) - 1 ||
                              (i && tokens.ends[i] < tokens.ends[i - 1])))
                abort();
        }
    }
    medvl_tokens_release(&tokens);
    medvl_sentencepiece_encoder_free(encoder);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct medvl_span file = {(const char *)data, size};
    struct medvl_sentencepiece *model = NULL;
    struct medvl_error err = {0};

    if (medvl_sentencepiece_new(&model, file, &err) < 0) {
        if (model || !err.text[0])
            abort();
        return 0;
    }
    encode(model, true);
    encode(model, false);
    medvl_sentencepiece_free(model);
    return 0;
}
