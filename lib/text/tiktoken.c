/*
 * A tiktoken file gives tokens by rank and no merges: any two neighbours
 * that spell a token may join to it.  For most tokens one pair is enough,
 * those two that come out as its bytes are encoded with all merges of lower
 * rank: what happens within its bytes does not depend on what stands around
 * them, so no others ever meet to spell it.  A token that is in more pieces
 * then (Llama 3 has some, put in as whole words) gets every pair.
 *
 * Read next: tokenizer.c.
 */
#include "lib/text/tiktoken.h"

#include <string.h>

#include "lib/base/mem.h"
#include "lib/text/bpe.h"
#include "lib/text/pretokenize.h"

/* ---- JSON ---------------------------------------------------------------- */

/*
 * Text of which appending may fail; the first failure stays, and what comes
 * after it does nothing.
 */
struct writer {
    struct medvl_text *text;
    struct medvl_error *err;
    int rc;
};

static void put(struct writer *writer, const char *string)
{
    if (writer->rc == MEDVL_OK)
        writer->rc = medvl_text_puts(writer->text, string, writer->err);
}

static void put_number(struct writer *writer, int32_t number)
{
    if (writer->rc == MEDVL_OK)
        writer->rc = medvl_text_printf(writer->text, writer->err, "%d",
                                       number);
}

/* A character in a string. */
static void put_character(struct writer *writer, const char *bytes,
                          size_t size)
{
    if (*bytes == '"' || *bytes == '\\')
        put(writer, "\\");
    if (writer->rc == MEDVL_OK)
        writer->rc = medvl_text_append(writer->text, bytes, size,
                                       writer->err);
}

static void put_escaped(struct writer *writer, const char *string)
{
    for (; *string; string++)
        put_character(writer, string, 1);
}

/*
 * Bytes as tokenizer.json spells them: those that are visible as Latin-1 as
 * themselves, the others as the characters from U+0100 on.
 */
static bool is_visible(unsigned byte)
{
    return (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte != 0xAD);
}

static uint32_t spelling(unsigned byte)
{
    uint32_t rune = 256;

    if (is_visible(byte))
        return byte;
    for (unsigned i = 0; i < byte; i++)
        rune += !is_visible(i);
    return rune;
}

static void put_bytes(struct writer *writer, struct medvl_span bytes)
{
    for (size_t i = 0; i < bytes.size; i++) {
        char out[4];
        const int size = medvl_utf8_encode(
            out, spelling((unsigned char)bytes.data[i]));

        put_character(writer, out, (size_t)size);
    }
}

static void put_added(struct writer *writer, int32_t id, const char *content,
                      bool normalized, bool first)
{
    put(writer, first ? "{\"id\":" : ",\n{\"id\":");
    put_number(writer, id);
    put(writer, ",\"content\":\"");
    put_escaped(writer, content);
    put(writer, "\",\"single_word\":false,\"lstrip\":false,"
                "\"rstrip\":false,\"normalized\":");
    put(writer, normalized ? "true" : "false");
    put(writer, ",\"special\":true}");
}

static void put_head(struct writer *writer)
{
    put(writer, "{\"version\":\"1.0\",\"truncation\":null,"
                "\"padding\":null,\n\"added_tokens\":[");
}

/* ---- the families of tiktoken -------------------------------------------- */

struct family {
    const char *what;
    size_t ranks;
    const char *pattern; /* of pretokenize.h */
    bool nfc, begin;     /* put the first special token in front */
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

static const struct family FAMILIES[] = {
    {"Llama 3", 128000, "llama3", false, true, LLAMA3, 10,
     "<|reserved_special_token_", 5, 246},
    {"Qwen", 151643, "qwen2", true, false, QWEN, 3, "<|extra_", 0, 205},
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

/* The next line of `file`, without its end; false behind the last. */
static bool next_line(struct medvl_span *file, struct medvl_span *line)
{
    const char *end;

    if (file->size == 0)
        return false;
    end = memchr(file->data, '\n', file->size);
    *line = (struct medvl_span){file->data, end ? (size_t)(end - file->data)
                                                : file->size};
    file->data += line->size + (end != NULL);
    file->size -= line->size + (end != NULL);
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

    while (next_line(&file, &line)) {
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
    struct writer *writer;
    struct medvl_bpe *bpe;
    struct medvl_bpe_cache *cache;
    struct medvl_tokens parts;
    bool any;
};

static int write_merge(struct merging *merging, struct medvl_span left,
                       struct medvl_span right)
{
    struct writer *writer = merging->writer;

    if (writer->rc == MEDVL_OK)
        writer->rc = medvl_bpe_add_merge(merging->bpe, left, right,
                                         writer->err);
    put(writer, merging->any ? ",\n\"" : "\"");
    put_bytes(writer, left);
    put(writer, " ");
    put_bytes(writer, right);
    put(writer, "\"");
    merging->any = true;
    return writer->rc;
}

/* The merge of a token, or all that could give it. */
static int write_merges(struct merging *merging, struct medvl_span token)
{
    const struct medvl_bpe *bpe = merging->bpe;
    struct medvl_tokens *parts = &merging->parts;
    struct writer *writer = merging->writer;
    int rc;

    medvl_tokens_clear(parts);
    rc = medvl_bpe_encode(bpe, merging->cache, parts, token, 0, &token.size,
                          1, 0, writer->err);
    if (rc == MEDVL_OK && parts->count == 2)
        return write_merge(merging, medvl_bpe_bytes(bpe, parts->ids[0]),
                           medvl_bpe_bytes(bpe, parts->ids[1]));
    for (size_t i = 1; i < token.size && rc == MEDVL_OK; i++) {
        const struct medvl_span left = {token.data, i};
        const struct medvl_span right = {token.data + i, token.size - i};

        if (medvl_bpe_id(bpe, left) >= 0 && medvl_bpe_id(bpe, right) >= 0)
            rc = write_merge(merging, left, right);
    }
    return rc;
}

static void write_vocabulary(struct writer *writer,
                             const struct ranks *ranks)
{
    put(writer, "\"model\":{\"type\":\"BPE\",\"dropout\":null,"
                "\"unk_token\":null,\"continuing_subword_prefix\":null,"
                "\"end_of_word_suffix\":null,\"fuse_unk\":false,"
                "\"byte_fallback\":false,\"ignore_merges\":true,"
                "\n\"vocab\":{");
    for (size_t i = 0; i < ranks->count; i++) {
        put(writer, i ? ",\n\"" : "\"");
        put_bytes(writer, ranks->tokens[i]);
        put(writer, "\":");
        put_number(writer, (int32_t)i);
    }
    put(writer, "},\n\"merges\":[");
}

static int write_model(struct writer *writer, const struct ranks *ranks)
{
    struct merging merging = {.writer = writer};
    int rc = medvl_bpe_new(&merging.bpe, ranks->count, ranks->count * 2,
                           false, writer->err);

    write_vocabulary(writer, ranks);
    if (rc == MEDVL_OK)
        rc = medvl_bpe_cache_new(&merging.cache, writer->err);
    if (rc == MEDVL_OK)
        rc = add_tokens(merging.bpe, ranks, writer->err);
    for (size_t i = 0; i < ranks->count && rc == MEDVL_OK; i++) {
        if (ranks->tokens[i].size > 1)
            rc = write_merges(&merging, ranks->tokens[i]);
    }
    put(writer, "]}}\n");
    medvl_tokens_release(&merging.parts);
    medvl_bpe_cache_free(merging.cache);
    medvl_bpe_free(merging.bpe);
    return rc < 0 ? rc : writer->rc;
}

/* ---- a tiktoken file ----------------------------------------------------- */

static int write_specials(struct writer *writer, const struct family *family)
{
    const int32_t first = (int32_t)family->ranks;
    int32_t id = first;

    for (size_t i = 0; i < family->special_count; i++, id++)
        put_added(writer, id, family->specials[i], false, id == first);
    for (int i = 0; i < family->numbered_count; i++, id++) {
        struct medvl_text name = {0};
        const int rc = medvl_text_printf(&name, writer->err, "%s%d|>",
                                         family->numbered,
                                         family->first_number + i);

        if (rc == MEDVL_OK)
            put_added(writer, id, name.data, false, false);
        medvl_text_release(&name);
        if (rc < 0)
            return rc;
    }
    return writer->rc;
}

/* Everything between the added tokens and the model. */
static void write_steps(struct writer *writer, const struct family *family)
{
    put(writer, "],\n\"normalizer\":");
    put(writer, family->nfc ? "{\"type\":\"NFC\"}" : "null");
    put(writer, ",\n\"pre_tokenizer\":{\"type\":\"Sequence\","
                "\"pretokenizers\":[{\"type\":\"Split\",\"pattern\":"
                "{\"Regex\":\"");
    put_escaped(writer, medvl_pretokenizer_pattern(family->pattern));
    put(writer, "\"},\"behavior\":\"Isolated\",\"invert\":false},"
                "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,"
                "\"trim_offsets\":true,\"use_regex\":false}]},\n"
                "\"post_processor\":");
    if (family->begin) {
        put(writer, "{\"type\":\"TemplateProcessing\",\"single\":["
                    "{\"SpecialToken\":{\"id\":\"");
        put(writer, family->specials[0]);
        put(writer, "\",\"type_id\":0}},{\"Sequence\":{\"id\":\"A\","
                    "\"type_id\":0}}],\"pair\":[{\"Sequence\":{\"id\":"
                    "\"A\",\"type_id\":0}},{\"Sequence\":{\"id\":\"B\","
                    "\"type_id\":1}}],\"special_tokens\":{\"");
        put(writer, family->specials[0]);
        put(writer, "\":{\"id\":\"");
        put(writer, family->specials[0]);
        put(writer, "\",\"ids\":[");
        put_number(writer, (int32_t)family->ranks);
        put(writer, "],\"tokens\":[\"");
        put(writer, family->specials[0]);
        put(writer, "\"]}}}");
    } else {
        put(writer, "null");
    }
    put(writer, ",\n\"decoder\":{\"type\":\"ByteLevel\","
                "\"add_prefix_space\":true,\"trim_offsets\":true,"
                "\"use_regex\":true},\n");
}

bool medvl_is_tiktoken(struct medvl_span file)
{
    struct medvl_span line;
    struct ranks ranks = {0};
    struct medvl_error err;
    int rc = MEDVL_EFORMAT;

    while (next_line(&file, &line)) {
        if (line.size == 0)
            continue;
        if (line.size < 4096)
            rc = read_line(&ranks, line, &err);
        break;
    }
    medvl_text_release(&ranks.blob);
    medvl_free(ranks.tokens);
    return rc == MEDVL_OK;
}

int medvl_tiktoken_to_json(struct medvl_text *json, struct medvl_span file,
                           struct medvl_error *err)
{
    struct writer writer = {json, err, MEDVL_OK};
    struct ranks ranks = {0};
    const struct family *family = NULL;
    const size_t before = json->size;
    int rc = read_ranks(&ranks, file, err);

    for (size_t i = 0; i < sizeof(FAMILIES) / sizeof(*FAMILIES); i++) {
        if (FAMILIES[i].ranks == ranks.count)
            family = &FAMILIES[i];
    }
    if (rc == MEDVL_OK && !family)
        rc = medvl_fail(err, MEDVL_EUNSUPPORTED,
                        "a tiktoken file of %zu ranks: neither Llama 3's "
                        "(128000) nor Qwen's (151643), so its pattern and "
                        "special tokens are not known",
                        ranks.count);
    if (rc == MEDVL_OK) {
        put_head(&writer);
        rc = write_specials(&writer, family);
        write_steps(&writer, family);
    }
    if (rc == MEDVL_OK)
        rc = write_model(&writer, &ranks);
    medvl_text_release(&ranks.blob);
    medvl_free(ranks.tokens);
    if (rc < 0)
        json->size = before;
    return rc;
}

/* ---- CLIP ---------------------------------------------------------------- */

#define CLIP_MERGES 48894
#define CLIP_BEGIN  (512 + CLIP_MERGES)

static const char CLIP_HEAD[] = "\"bpe_simple_vocab";

#define CLIP_REPLACE(from, to)                                     \
    "{\"type\":\"Replace\",\"pattern\":{\"String\":\"" from "\"}," \
    "\"content\":\"" to "\"},"

/* That of "&" comes last, so that nothing is undone twice in one go. */
#define CLIP_UNESCAPE              \
    CLIP_REPLACE("&lt;", "<")      \
    CLIP_REPLACE("&gt;", ">")      \
    CLIP_REPLACE("&quot;", "\\\"") \
    CLIP_REPLACE("&#39;", "'")     \
    CLIP_REPLACE("&apos;", "'")    \
    CLIP_REPLACE("&nbsp;", " ")    \
    CLIP_REPLACE("&amp;", "&")

static const char CLIP_STEPS[] =
    "],\n\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[" CLIP_UNESCAPE CLIP_UNESCAPE
    "{\"type\":\"NFC\"},{\"type\":\"Replace\",\"pattern\":{\"Regex\":"
    "\"\\\\s+\"},\"content\":\" \"},{\"type\":\"Lowercase\"}]},\n"
    "\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":["
    "{\"type\":\"Split\",\"pattern\":{\"Regex\":\"'s|'t|'re|'ve|'m|'ll|'d|"
    "[\\\\p{L}]+|[\\\\p{N}]|[^\\\\s\\\\p{L}\\\\p{N}]+\"},"
    "\"behavior\":\"Removed\",\"invert\":true},{\"type\":\"ByteLevel\","
    "\"add_prefix_space\":false,\"trim_offsets\":true,"
    "\"use_regex\":true}]},\n"
    "\"post_processor\":{\"type\":\"RobertaProcessing\",\"sep\":"
    "[\"<|endoftext|>\",49407],\"cls\":[\"<|startoftext|>\",49406],"
    "\"trim_offsets\":false,\"add_prefix_space\":false},\n"
    "\"decoder\":{\"type\":\"ByteLevel\",\"add_prefix_space\":true,"
    "\"trim_offsets\":true,\"use_regex\":true},\n"
    "\"model\":{\"type\":\"BPE\",\"dropout\":null,\"unk_token\":"
    "\"<|endoftext|>\",\"continuing_subword_prefix\":\"\","
    "\"end_of_word_suffix\":\"</w>\",\"fuse_unk\":false,"
    "\"byte_fallback\":false,\"ignore_merges\":false,\n\"vocab\":{";

bool medvl_is_clip_merges(struct medvl_span file)
{
    const size_t size = sizeof(CLIP_HEAD) - 1;

    return file.size > size && memcmp(file.data, CLIP_HEAD, size) == 0;
}

static void put_span(struct writer *writer, struct medvl_span span)
{
    for (size_t i = 0; i < span.size; i++)
        put_character(writer, span.data + i, 1);
}

/* The two of a merge; false if the line is none. */
static bool cut_merge(struct medvl_span line, struct medvl_span *left,
                      struct medvl_span *right)
{
    const char *space = memchr(line.data, ' ', line.size);

    if (!space || medvl_utf8_valid(line.data, line.size) != line.size)
        return false;
    *left = (struct medvl_span){line.data, (size_t)(space - line.data)};
    *right = (struct medvl_span){space + 1, line.size - left->size - 1};
    for (size_t i = 0; i < line.size; i++) {
        if ((unsigned char)line.data[i] < ' ')
            return false;
    }
    return left->size > 0 && right->size > 0 &&
           !memchr(right->data, ' ', right->size);
}

/* The 256 bytes, visible ones first, and again at the end of a word. */
static void write_clip_bytes(struct writer *writer)
{
    int32_t id = 0;

    for (int part = 0; part < 4; part++) {
        for (unsigned i = 0; i < 256; i++) {
            const char byte = (char)i;

            if (is_visible(i) != (part % 2 == 0))
                continue;
            put(writer, id ? ",\"" : "\"");
            put_bytes(writer, (struct medvl_span){&byte, 1});
            put(writer, part >= 2 ? "</w>\":" : "\":");
            put_number(writer, id++);
        }
    }
}

/* One pass over the merges: the tokens that they make, or they. */
static int write_clip_lines(struct writer *writer, struct medvl_span file,
                            bool tokens)
{
    struct medvl_span line = {0};
    struct medvl_span left, right;

    (void)next_line(&file, &line);
    for (int32_t i = 0; i < CLIP_MERGES && writer->rc == MEDVL_OK; i++) {
        if (!next_line(&file, &line) || !cut_merge(line, &left, &right))
            return medvl_fail(writer->err, MEDVL_EFORMAT,
                              "line %d is no merge, of %d there should be",
                              i + 2, CLIP_MERGES);
        put(writer, tokens || i ? ",\n\"" : "\"");
        put_span(writer, left);
        put(writer, tokens ? "" : " ");
        put_span(writer, right);
        put(writer, tokens ? "\":" : "\"");
        if (tokens)
            put_number(writer, 512 + i);
    }
    return writer->rc;
}

int medvl_clip_to_json(struct medvl_text *json, struct medvl_span file,
                       struct medvl_error *err)
{
    struct writer writer = {json, err, MEDVL_OK};
    const size_t before = json->size;
    int rc;

    put_head(&writer);
    put_added(&writer, CLIP_BEGIN, "<|startoftext|>", true, true);
    put_added(&writer, CLIP_BEGIN + 1, "<|endoftext|>", true, false);
    put(&writer, CLIP_STEPS);
    write_clip_bytes(&writer);
    rc = write_clip_lines(&writer, file, true);
    put(&writer, ",\n\"<|startoftext|>\":");
    put_number(&writer, CLIP_BEGIN);
    put(&writer, ",\n\"<|endoftext|>\":");
    put_number(&writer, CLIP_BEGIN + 1);
    put(&writer, "},\n\"merges\":[");
    if (rc == MEDVL_OK)
        rc = write_clip_lines(&writer, file, false);
    put(&writer, "]}}\n");
    if (rc == MEDVL_OK)
        rc = writer.rc;
    if (rc < 0)
        json->size = before;
    return rc;
}
