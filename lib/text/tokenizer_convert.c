/*
 * Vocabularies of files that are not a tokenizer.json, turned into one:
 * vocab.json with merges.txt (GPT-2, RoBERTa, CLIP, Qwen2) and vocab.txt
 * (BERT).  Such files leave out how a text is split; that follows from
 * "tokenizer_class" and the vocabulary itself.
 *
 * Read next: tokenizer_write.c.
 */
#include <string.h>

#include "lib/base/mem.h"
#include "lib/text/tokenizer_parts.h"

/* JSON of the parts, as the makers of these models have them. */
struct family {
    const char *normalizer, *pre_tokenizer, *decoder;
    const char *begin, *end;     /* around a text, or NULL */
    const char *suffix, *unk;    /* of the model, or NULL */
    const char *const *specials; /* that stand in the vocabulary */
};

#define BYTE_LEVEL(prefix, regex)                          \
    "{\"type\":\"ByteLevel\",\"add_prefix_space\":" prefix \
    ",\"trim_offsets\":true,\"use_regex\":" regex "}"
#define SPLIT(pattern, behavior, invert)                    \
    "{\"type\":\"Split\",\"pattern\":{\"Regex\":\"" pattern \
    "\"},\"behavior\":\"" behavior "\",\"invert\":" invert "}"
#define SEQUENCE(a, b) \
    "{\"type\":\"Sequence\",\"pretokenizers\":[" a "," b "]}"

static const char *const END_OF_TEXT[] = {"<|endoftext|>", NULL};
static const char *const CLIP_SPECIALS[] = {"<|startoftext|>",
                                            "<|endoftext|>", NULL};
static const char *const ROBERTA_SPECIALS[] = {"<s>", "<pad>", "</s>",
                                               "<unk>", "<mask>", NULL};
static const char *const BERT_SPECIALS[] = {"[PAD]", "[UNK]", "[CLS]",
                                            "[SEP]", "[MASK]", NULL};

static const struct family GPT2 = {
    .normalizer = "null",
    .pre_tokenizer = BYTE_LEVEL("false", "true"),
    .decoder = BYTE_LEVEL("false", "true"),
    .specials = END_OF_TEXT,
};
static const struct family GPT2_PREFIXED = {
    .normalizer = "null",
    .pre_tokenizer = BYTE_LEVEL("true", "true"),
    .decoder = BYTE_LEVEL("true", "true"),
    .specials = END_OF_TEXT,
};
static const struct family ROBERTA = {
    .normalizer = "null",
    .pre_tokenizer = BYTE_LEVEL("false", "true"),
    .decoder = BYTE_LEVEL("false", "true"),
    .begin = "<s>",
    .end = "</s>",
    .specials = ROBERTA_SPECIALS,
};
static const struct family QWEN2 = {
    .normalizer = "{\"type\":\"NFC\"}",
    .pre_tokenizer = SEQUENCE(
        SPLIT("(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\\\r\\\\n\\\\p{L}\\\\p{N}]?"
              "\\\\p{L}+|\\\\p{N}| ?[^\\\\s\\\\p{L}\\\\p{N}]+[\\\\r\\\\n]*"
              "|\\\\s*[\\\\r\\\\n]+|\\\\s+(?!\\\\S)|\\\\s+",
              "Isolated", "false"),
        BYTE_LEVEL("false", "false")),
    .decoder = BYTE_LEVEL("false", "false"),
    .specials = END_OF_TEXT,
};
static const struct family CLIP = {
    .normalizer = "{\"type\":\"Sequence\",\"normalizers\":[{\"type\":"
                  "\"NFC\"},{\"type\":\"Replace\",\"pattern\":{\"Regex\":"
                  "\"\\\\s+\"},\"content\":\" \"},{\"type\":"
                  "\"Lowercase\"}]}",
    .pre_tokenizer = SEQUENCE(
        SPLIT("'s|'t|'re|'ve|'m|'ll|'d|[\\\\p{L}]+|[\\\\p{N}]"
              "|[^\\\\s\\\\p{L}\\\\p{N}]+",
              "Removed", "true"),
        BYTE_LEVEL("false", "true")),
    .decoder = "{\"type\":\"Sequence\",\"decoders\":[{\"type\":"
               "\"ByteLevel\",\"add_prefix_space\":false},{\"type\":"
               "\"BPEDecoder\",\"suffix\":\"</w>\"}]}",
    .begin = "<|startoftext|>",
    .end = "<|endoftext|>",
    .suffix = "</w>",
    .unk = "<|endoftext|>",
    .specials = CLIP_SPECIALS,
};

/* ---- the vocabulary ----------------------------------------------------- */

/* The id of a token in {"token": id}, or -1. */
static int64_t id_of(const struct medvl_json_view *vocab, const char *token)
{
    const struct medvl_span span = medvl_json_view_get(vocab, token);
    int64_t id = -1;

    if (!span.data ||
        medvl_parse_int(&id, span, 0, MEDVL_BPE_IDS - 1, NULL) < 0)
        return -1;
    return id;
}

static void put_specials(struct medvl_json_writer *w,
                         const struct family *family,
                         const struct medvl_json_view *vocab)
{
    medvl_json_begin(w, "added_tokens", '[');
    for (size_t i = 0; family->specials && family->specials[i]; i++) {
        const char *name = family->specials[i];
        const int64_t id = id_of(vocab, name);

        if (id < 0)
            continue;
        medvl_json_begin(w, NULL, '{');
        medvl_json_put_int(w, "id", id);
        medvl_json_put_string(w, "content", medvl_span(name));
        medvl_json_put_bool(w, "lstrip", strcmp(name, "<mask>") == 0);
        medvl_json_put_bool(w, "special", true);
        medvl_json_end(w);
    }
    medvl_json_end(w);
}

static void put_pair(struct medvl_json_writer *w, const char *name,
                     const char *token, int64_t id)
{
    medvl_json_begin(w, name, '[');
    medvl_json_put_string(w, NULL, medvl_span(token));
    medvl_json_put_int(w, NULL, id);
    medvl_json_end(w);
}

static void put_around(struct medvl_json_writer *w,
                       const struct family *family,
                       const struct medvl_json_view *vocab)
{
    const int64_t begin = family->begin ? id_of(vocab, family->begin) : -1;
    const int64_t end = family->end ? id_of(vocab, family->end) : -1;

    if (begin < 0 || end < 0) {
        medvl_json_put_null(w, "post_processor");
        return;
    }
    medvl_json_begin(w, "post_processor", '{');
    medvl_json_put_string(w, "type", medvl_span("BertProcessing"));
    put_pair(w, "cls", family->begin, begin);
    put_pair(w, "sep", family->end, end);
    medvl_json_end(w);
}

static void put_parts(struct medvl_json_writer *w,
                      const struct family *family,
                      const struct medvl_json_view *vocab)
{
    put_specials(w, family, vocab);
    medvl_json_put_raw(w, "normalizer", medvl_span(family->normalizer));
    medvl_json_put_raw(w, "pre_tokenizer",
                       medvl_span(family->pre_tokenizer));
    put_around(w, family, vocab);
    medvl_json_put_raw(w, "decoder", medvl_span(family->decoder));
}

/* ---- vocab.json and merges.txt ------------------------------------------ */

static const struct family *find_family(struct medvl_span vocab,
                                        const struct medvl_json *config)
{
    const struct medvl_json *value = medvl_json_get(config,
                                                    "tokenizer_class");
    const char *name = medvl_json_string(value);

    if (memmem(vocab.data, vocab.size, "</w>\"", 5))
        return &CLIP;
    if (name && strncmp(name, "Qwen2Tokenizer", 14) == 0)
        return &QWEN2;
    if (name && (strncmp(name, "Roberta", 7) == 0 ||
                 strncmp(name, "Bart", 4) == 0 ||
                 strncmp(name, "Longformer", 10) == 0))
        return &ROBERTA;
    return medvl_json_true(medvl_json_get(config, "add_prefix_space"))
               ? &GPT2_PREFIXED
               : &GPT2;
}

/* Lines "left right" as strings; the first may be a comment. */
static int put_merges(struct medvl_json_writer *w, struct medvl_span file)
{
    medvl_json_begin(w, "merges", '[');
    for (size_t at = 0; at < file.size;) {
        const char *end = memchr(file.data + at, '\n', file.size - at);
        const size_t stop = end ? (size_t)(end - file.data) : file.size;
        struct medvl_span line = {file.data + at, stop - at};

        if (line.size > 0 && line.data[line.size - 1] == '\r')
            line.size--;
        if (line.size > 0 &&
            !(line.size >= 8 && memcmp(line.data, "#version", 8) == 0))
            medvl_json_put_string(w, NULL, line);
        at = stop + 1;
    }
    medvl_json_end(w);
    return MEDVL_OK;
}

int medvl_merges_to_json(struct medvl_text *json, struct medvl_span vocab,
                         struct medvl_span merges,
                         const struct medvl_json *config,
                         struct medvl_error *err)
{
    const struct family *family = find_family(vocab, config);
    struct medvl_json_writer w = {.out = json};
    struct medvl_json_view view = {0};
    int rc = medvl_json_view_object(&view, vocab, err);

    if (rc == MEDVL_OK &&
        medvl_utf8_valid(merges.data, merges.size) < merges.size)
        rc = medvl_fail(err, MEDVL_EFORMAT, "merges.txt is not UTF-8");
    if (rc == MEDVL_OK) {
        medvl_json_begin(&w, NULL, '{');
        put_parts(&w, family, &view);
        medvl_json_begin(&w, "model", '{');
        medvl_json_put_string(&w, "type", medvl_span("BPE"));
        if (family->suffix)
            medvl_json_put_string(&w, "end_of_word_suffix",
                                  medvl_span(family->suffix));
        if (family->unk)
            medvl_json_put_string(&w, "unk_token", medvl_span(family->unk));
        medvl_json_put_raw(&w, "vocab", vocab);
        rc = put_merges(&w, merges);
        medvl_json_end(&w);
        medvl_json_end(&w);
        rc = medvl_json_write_end(&w, err);
    }
    medvl_json_view_release(&view);
    return rc;
}

/* ---- vocab.txt ---------------------------------------------------------- */

/* {"token": number of its line, ...} */
static int lines_to_vocab(struct medvl_text *out, struct medvl_span file,
                          struct medvl_error *err)
{
    int rc = medvl_text_putc(out, '{', err);
    int id = 0;

    for (size_t at = 0; at < file.size && rc == MEDVL_OK; id++) {
        const char *end = memchr(file.data + at, '\n', file.size - at);
        const size_t stop = end ? (size_t)(end - file.data) : file.size;
        struct medvl_span line = {file.data + at, stop - at};

        if (line.size > 0 && line.data[line.size - 1] == '\r')
            line.size--;
        if (id > 0)
            rc = medvl_text_putc(out, ',', err);
        if (rc == MEDVL_OK)
            rc = medvl_json_quote(out, line, err);
        if (rc == MEDVL_OK)
            rc = medvl_text_printf(out, err, ":%d", id);
        at = stop + 1;
    }
    return rc == MEDVL_OK ? medvl_text_putc(out, '}', err) : rc;
}

/* A setting that is true unless the configuration says otherwise. */
static bool unless_false(const struct medvl_json *config, const char *name)
{
    const struct medvl_json *value = medvl_json_get(config, name);

    return medvl_json_type(value) != MEDVL_JSON_BOOL ||
           medvl_json_true(value);
}

static int bert_normalizer(struct medvl_text *out,
                           const struct medvl_json *config,
                           struct medvl_error *err)
{
    const struct medvl_json *accents = medvl_json_get(config,
                                                      "strip_accents");
    struct medvl_json_writer w = {.out = out};

    medvl_json_begin(&w, NULL, '{');
    medvl_json_put_string(&w, "type", medvl_span("BertNormalizer"));
    medvl_json_put_bool(&w, "clean_text", true);
    medvl_json_put_bool(&w, "handle_chinese_chars",
                        unless_false(config, "tokenize_chinese_chars"));
    if (medvl_json_type(accents) == MEDVL_JSON_BOOL)
        medvl_json_put_bool(&w, "strip_accents", medvl_json_true(accents));
    medvl_json_put_bool(&w, "lowercase",
                        unless_false(config, "do_lower_case"));
    medvl_json_end(&w);
    return medvl_json_write_end(&w, err);
}

static int put_bert(struct medvl_text *json, const struct family *family,
                    struct medvl_span vocab,
                    const struct medvl_json_view *view,
                    struct medvl_error *err)
{
    struct medvl_json_writer w = {.out = json};

    medvl_json_begin(&w, NULL, '{');
    put_parts(&w, family, view);
    medvl_json_begin(&w, "model", '{');
    medvl_json_put_string(&w, "type", medvl_span("WordPiece"));
    medvl_json_put_string(&w, "unk_token", medvl_span("[UNK]"));
    medvl_json_put_string(&w, "continuing_subword_prefix",
                          medvl_span("##"));
    medvl_json_put_raw(&w, "vocab", vocab);
    medvl_json_end(&w);
    medvl_json_end(&w);
    return medvl_json_write_end(&w, err);
}

int medvl_lines_to_json(struct medvl_text *json, struct medvl_span lines,
                        const struct medvl_json *config,
                        struct medvl_error *err)
{
    struct medvl_text vocab = {0};
    struct medvl_text normalizer = {0};
    struct medvl_json_view view = {0};
    struct family bert = {
        .pre_tokenizer = "{\"type\":\"BertPreTokenizer\"}",
        .decoder = "{\"type\":\"WordPiece\",\"prefix\":\"##\","
                   "\"cleanup\":true}",
        .begin = "[CLS]",
        .end = "[SEP]",
        .specials = BERT_SPECIALS,
    };
    int rc = MEDVL_OK;

    if (medvl_utf8_valid(lines.data, lines.size) < lines.size)
        rc = medvl_fail(err, MEDVL_EFORMAT, "it is not UTF-8");
    if (rc == MEDVL_OK)
        rc = lines_to_vocab(&vocab, lines, err);
    if (rc == MEDVL_OK)
        rc = bert_normalizer(&normalizer, config, err);
    if (rc == MEDVL_OK)
        rc = medvl_json_view_object(&view, medvl_text_span(&vocab), err);
    bert.normalizer = normalizer.data;
    if (rc == MEDVL_OK)
        rc = put_bert(json, &bert, medvl_text_span(&vocab), &view, err);
    medvl_json_view_release(&view);
    medvl_text_release(&vocab);
    medvl_text_release(&normalizer);
    return rc;
}
