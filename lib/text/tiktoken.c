/*
 * A tiktoken file gives tokens by rank and no merges: any two neighbours
 * that spell a token may join to it.  For most tokens one pair is enough,
 * those two that come out as its bytes are encoded with all merges of lower
 * rank: what happens within its bytes does not depend on what stands around
 * them, so no others ever meet to spell it.  A token that is in more pieces
 * then (Llama 3 has some, put in as whole words) gets every pair.
 *
 * Read next: tiktoken_clip.c.
 */
#include "lib/text/tiktoken.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/text/bpe.h"
#include "lib/text/pretokenize.h"
#include "lib/text/tiktoken_part.h"

/* ---- the families of tiktoken -------------------------------------------- */

struct family {
    const char *what;
    size_t ranks;
    const char *pattern; /* of pretokenize.h */
    bool nfc;
    const char *post_processor;
    const char *const *specials;
    size_t special_count;
    const char *numbered; /* specials beyond: this, a number and "|>" */
    int first_number, numbered_count;
};

static const char *const LLAMA3[] = {
    "<|begin_of_text|>",
    "<|end_of_text|>",
    "<|reserved_special_token_0|>",
    "<|reserved_special_token_1|>",
    "<|reserved_special_token_2|>",
    "<|reserved_special_token_3|>",
    "<|start_header_id|>",
    "<|end_header_id|>",
    "<|reserved_special_token_4|>",
    "<|eot_id|>",
};

static const char *const QWEN[] = {"<|endoftext|>", "<|im_start|>",
                                   "<|im_end|>"};

static const char LLAMA3_BEGIN[] =
    "{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":"
    "{\"id\":\"<|begin_of_text|>\",\"type_id\":0}},{\"Sequence\":"
    "{\"id\":\"A\",\"type_id\":0}}],\"pair\":[{\"Sequence\":{\"id\":"
    "\"A\",\"type_id\":0}},{\"Sequence\":{\"id\":\"B\",\"type_id\":1}}],"
    "\"special_tokens\":{\"<|begin_of_text|>\":{\"id\":"
    "\"<|begin_of_text|>\",\"ids\":[128000],\"tokens\":"
    "[\"<|begin_of_text|>\"]}}}";

static const struct family FAMILIES[] = {
    {"Llama 3", 128000, "llama3", false, LLAMA3_BEGIN, LLAMA3, 10,
     "<|reserved_special_token_", 5, 246},
    {"Qwen", 151643, "qwen2", true, "null", QWEN, 3, "<|extra_", 0, 205},
};

/* ---- reading ------------------------------------------------------------- */

/* The tokens of the file by rank, in one block of bytes. */
struct ranks {
    struct medvl_text blob;
    struct medvl_span *tokens; /* offsets until all are there */
    size_t capacity, count;
};

static int digit_of(char c)
{
    static const char DIGITS[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *found = c ? strchr(DIGITS, c) : NULL;

    return found ? (int)(found - DIGITS) : -1;
}

/* Append what base64 spells; false if it spells nothing. */
static bool decode_base64(struct medvl_text *out, struct medvl_span text,
                          struct medvl_error *err, int *rc)
{
    size_t padding = 0;

    if (text.size == 0 || text.size % 4 != 0)
        return false;
    while (padding < 2 && text.data[text.size - 1 - padding] == '=')
        padding++;
    for (size_t i = 0; i < text.size; i += 4) {
        const bool last = i + 4 == text.size;
        uint32_t bits = 0;
        char bytes[3];

        for (size_t j = 0; j < 4; j++) {
            const bool pad = last && j >= 4 - padding;
            const int digit = pad ? 0 : digit_of(text.data[i + j]);

            if (digit < 0)
                return false;
            bits = bits << 6 | (uint32_t)digit;
        }
        for (int j = 0; j < 3; j++)
            bytes[j] = (char)(bits >> (16 - 8 * j));
        *rc = medvl_text_append(out, bytes, 3 - (last ? padding : 0), err);
        if (*rc < 0)
            return true;
    }
    return true;
}

static int read_line(struct ranks *ranks, struct medvl_span line,
                     struct medvl_error *err)
{
    const char *space = memchr(line.data, ' ', line.size);
    const size_t start = ranks->blob.size;
    const size_t number = ranks->count + 1;
    struct medvl_span rest = {0};
    int64_t rank;
    int rc = MEDVL_OK;

    if (space)
        rest = (struct medvl_span){
            space + 1, line.size - (size_t)(space + 1 - line.data)};
    if (!space ||
        medvl_parse_int(&rank, rest, 0, MEDVL_BPE_IDS, NULL) < 0 ||
        !decode_base64(&ranks->blob,
                       (struct medvl_span){line.data,
                                           (size_t)(space - line.data)},
                       err, &rc))
        return medvl_fail(err, MEDVL_EFORMAT,
                          "line %zu is no token in base64 and its rank",
                          number);
    if (rc < 0)
        return rc;
    if ((size_t)rank != ranks->count)
        return medvl_fail(err, MEDVL_EFORMAT,
                          "line %zu has rank %d: ranks count from 0",
                          number, (int)rank);
    rc = medvl_grow(&ranks->tokens, &ranks->capacity, ranks->count + 1,
                    sizeof(*ranks->tokens), err);
    if (rc == MEDVL_OK)
        ranks->tokens[ranks->count++].size = ranks->blob.size - start;
    return rc;
}

static int read_ranks(struct ranks *ranks, struct medvl_span file,
                      struct medvl_error *err)
{
    struct medvl_span line;
    const char *at;

    while (medvl_vocab_line(&file, &line)) {
        const int rc = line.size ? read_line(ranks, line, err) : MEDVL_OK;

        if (rc < 0)
            return rc;
    }
    at = ranks->blob.data;
    for (size_t i = 0; i < ranks->count; i++) {
        ranks->tokens[i].data = at;
        at += ranks->tokens[i].size;
    }
    return MEDVL_OK;
}

/* ---- merges -------------------------------------------------------------- */

static int add_tokens(struct medvl_bpe *bpe, const struct ranks *ranks,
                      struct medvl_error *err)
{
    int rc = MEDVL_OK;

    for (size_t i = 0; i < ranks->count && rc == MEDVL_OK; i++)
        rc = medvl_bpe_add_token(bpe, (int32_t)i, ranks->tokens[i], err);
    return rc;
}

/* The merges under way. */
struct merging {
    struct medvl_vocab_writer *writer;
    struct medvl_bpe *bpe;
    struct medvl_bpe_cache *cache;
    struct medvl_tokens parts;
};

static int write_merge(struct merging *merging, struct medvl_span left,
                       struct medvl_span right, struct medvl_error *err)
{
    medvl_vocab_add_bytes(merging->writer, left);
    medvl_vocab_add(merging->writer, medvl_span(" "));
    medvl_vocab_add_bytes(merging->writer, right);
    medvl_vocab_put_merge(merging->writer);
    return medvl_bpe_add_merge(merging->bpe, left, right, err);
}

/* The merge of a token, or all that could give it. */
static int write_merges(struct merging *merging, struct medvl_span token,
                        struct medvl_error *err)
{
    const struct medvl_bpe *bpe = merging->bpe;
    struct medvl_tokens *parts = &merging->parts;
    int rc;

    medvl_tokens_clear(parts);
    rc = medvl_bpe_encode(bpe, merging->cache, parts, token, 0, &token.size,
                          1, 0, err);
    if (rc == MEDVL_OK && parts->count == 2)
        return write_merge(merging, medvl_bpe_bytes(bpe, parts->ids[0]),
                           medvl_bpe_bytes(bpe, parts->ids[1]), err);
    for (size_t i = 1; i < token.size && rc == MEDVL_OK; i++) {
        const struct medvl_span left = {token.data, i};
        const struct medvl_span right = {token.data + i, token.size - i};

        if (medvl_bpe_id(bpe, left) >= 0 && medvl_bpe_id(bpe, right) >= 0)
            rc = write_merge(merging, left, right, err);
    }
    return rc;
}

static int write_model(struct medvl_vocab_writer *writer,
                       const struct ranks *ranks,
                       struct medvl_error *err)
{
    struct merging merging = {.writer = writer};
    int rc = medvl_bpe_new(&merging.bpe, ranks->count, ranks->count * 2,
                           false, err);

    medvl_vocab_begin_model(writer, "null", "\"\"", true);
    for (size_t i = 0; i < ranks->count; i++) {
        medvl_vocab_add_bytes(writer, ranks->tokens[i]);
        medvl_vocab_put_token(writer, (int32_t)i);
    }
    medvl_vocab_begin_merges(writer);
    if (rc == MEDVL_OK)
        rc = medvl_bpe_cache_new(&merging.cache, err);
    if (rc == MEDVL_OK)
        rc = add_tokens(merging.bpe, ranks, err);
    for (size_t i = 0; i < ranks->count && rc == MEDVL_OK; i++) {
        if (ranks->tokens[i].size > 1)
            rc = write_merges(&merging, ranks->tokens[i], err);
    }
    medvl_tokens_release(&merging.parts);
    medvl_bpe_cache_free(merging.cache);
    medvl_bpe_free(merging.bpe);
    return rc;
}

/* ---- a tiktoken file ----------------------------------------------------- */

static void write_specials(struct medvl_vocab_writer *writer,
                           const struct family *family)
{
    int32_t id = (int32_t)family->ranks;

    for (size_t i = 0; i < family->special_count; i++)
        medvl_vocab_put_added(writer, id++, family->specials[i], false);
    for (int i = 0; i < family->numbered_count; i++) {
        char name[64];

        snprintf(name, sizeof(name), "%s%d|>", family->numbered,
                 family->first_number + i);
        medvl_vocab_put_added(writer, id++, name, false);
    }
    medvl_json_end(&writer->json);
}

static void write_pre_tokenizer(struct medvl_vocab_writer *writer,
                                const char *pattern)
{
    struct medvl_json_writer *json = &writer->json;

    medvl_json_begin(json, "pre_tokenizer", '{');
    medvl_vocab_put_raw(writer, "type", "\"Sequence\"");
    medvl_json_begin(json, "pretokenizers", '[');
    medvl_json_begin(json, NULL, '{');
    medvl_vocab_put_raw(writer, "type", "\"Split\"");
    medvl_json_begin(json, "pattern", '{');
    medvl_json_put_string(json, "Regex",
                          medvl_span(medvl_pretokenizer_pattern(pattern)));
    medvl_json_end(json);
    medvl_vocab_put_raw(writer, "behavior", "\"Isolated\"");
    medvl_json_put_bool(json, "invert", false);
    medvl_json_end(json);
    medvl_vocab_put_raw(writer, NULL,
                        "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,"
                        "\"trim_offsets\":true,\"use_regex\":false}");
    medvl_json_end(json);
    medvl_json_end(json);
}

bool medvl_is_tiktoken(struct medvl_span file)
{
    struct medvl_span line;
    struct ranks ranks = {0};
    struct medvl_error err;
    int rc = MEDVL_EFORMAT;

    if (medvl_vocab_line(&file, &line) && line.size < 4096)
        rc = read_line(&ranks, line, &err);
    medvl_text_release(&ranks.blob);
    medvl_free(ranks.tokens);
    return rc == MEDVL_OK;
}

static int find_family(const struct family **out, size_t ranks,
                       struct medvl_error *err)
{
    for (size_t i = 0; i < sizeof(FAMILIES) / sizeof(*FAMILIES); i++) {
        *out = &FAMILIES[i];
        if ((*out)->ranks == ranks)
            return MEDVL_OK;
    }
    return medvl_fail(err, MEDVL_EUNSUPPORTED,
                      "a tiktoken file of %zu ranks: neither Llama 3's "
                      "(128000) nor Qwen's (151643), so its pattern and "
                      "special tokens are not known",
                      ranks);
}

int medvl_tiktoken_to_json(struct medvl_text *json, struct medvl_span file,
                           struct medvl_error *err)
{
    struct medvl_vocab_writer writer = {.json.out = json};
    struct ranks ranks = {0};
    const struct family *family = NULL;
    const size_t before = json->size;
    int rc = read_ranks(&ranks, file, err);

    if (rc == MEDVL_OK)
        rc = find_family(&family, ranks.count, err);
    if (rc == MEDVL_OK) {
        medvl_vocab_begin(&writer);
        write_specials(&writer, family);
        medvl_vocab_put_raw(&writer, "normalizer",
                            family->nfc ? "{\"type\":\"NFC\"}" : "null");
        write_pre_tokenizer(&writer, family->pattern);
        medvl_vocab_put_raw(&writer, "post_processor", family->post_processor);
        rc = write_model(&writer, &ranks, err);
    }
    medvl_text_release(&ranks.blob);
    medvl_free(ranks.tokens);
    return medvl_vocab_end(&writer, before, rc, err);
}
