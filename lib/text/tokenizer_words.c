/*
 * CLIP's tokenizers: NFC, white space as one space, small letters, then the
 * pieces of one pattern, joined with "</w>" at their ends.  And BERT's: its
 * normalizer and pre-tokenizer, then WordPiece.  No step reaches over white
 * space, so each word may go its own way: plain ASCII is cut here, for CLIP
 * to pieces with a space behind each, as wordbpe.h takes them.  All others
 * ("held") are left to the steps of tokenizer.c, which give the same ids for
 * plain ones too.
 *
 * Read next: tokenizer_open.c.
 */
#include <string.h>

#include "lib/base/mem.h"
#include "lib/text/tokenizer_parts.h"
#include "lib/text/wordbpe.h"

#define WORD_BYTES  256  /* of a longer word the steps take care */
#define BLOCK_BYTES 4096 /* encoded at once, and their pieces */
#define PIECES      1024

/* ---- whose is it? ------------------------------------------------------- */

/* The second one's first two match nothing without a "<". */
#define PATTERN                          \
    "'s|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|" \
    "[\\p{N}]|[^\\s\\p{L}\\p{N}]+"
#define LONG_PATTERN "<\\|startoftext\\|>|<\\|endoftext\\|>|" PATTERN

static bool is_type(const struct medvl_json *step, const char *type)
{
    return step && strcmp(medvl_part_type(step), type) == 0;
}

static bool is_text(const struct medvl_json *value, const char *text)
{
    const char *string = medvl_json_string(value);

    return string && strcmp(string, text) == 0;
}

static bool is_space(unsigned char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool has_space(struct medvl_span span)
{
    for (size_t i = 0; i < span.size; i++) {
        if (is_space((unsigned char)span.data[i]))
            return true;
    }
    return false;
}

/* The steps behind those that replace strings, which hold their words. */
static bool is_clip_normalizer(const struct medvl_json *tree,
                               struct words *words)
{
    const struct medvl_json *step = medvl_json_first(
        medvl_json_get(tree, "normalizers"));
    const char *string;

    if (!is_type(tree, "Sequence"))
        return false;
    for (; is_type(step, "Replace"); step = medvl_json_next(step)) {
        string = medvl_json_string(medvl_json_get(
            medvl_json_get(step, "pattern"), "String"));
        if (!string || !*string || has_space(medvl_span(string)))
            return false;
        words->held[(unsigned char)*string] = true;
    }
    if (!is_type(step, "NFC"))
        return false;
    step = medvl_json_next(step);
    if (!is_type(step, "Replace") ||
        !is_text(medvl_json_get(medvl_json_get(step, "pattern"), "Regex"),
                 "\\s+") ||
        !is_text(medvl_json_get(step, "content"), " "))
        return false;
    step = medvl_json_next(step);
    return is_type(step, "Lowercase") && !medvl_json_next(step);
}

static bool is_clip_pre_tokenizer(const struct medvl_json *tree,
                                  struct words *words)
{
    const struct medvl_json *step = medvl_json_first(
        medvl_json_get(tree, "pretokenizers"));
    const struct medvl_json *regex = medvl_json_get(
        medvl_json_get(step, "pattern"), "Regex");

    if (!is_type(tree, "Sequence") || !is_type(step, "Split") ||
        medvl_json_get(medvl_json_get(step, "pattern"), "String") ||
        !is_text(medvl_json_get(step, "behavior"), "Removed") ||
        !medvl_json_true(medvl_json_get(step, "invert")))
        return false;
    if (is_text(regex, LONG_PATTERN))
        words->held['<'] = true;
    else if (!is_text(regex, PATTERN))
        return false;
    /* GPT-2's pattern, which may follow, cuts none of these pieces. */
    step = medvl_json_next(step);
    return is_type(step, "ByteLevel") && !medvl_json_next(step) &&
           !medvl_json_true(medvl_json_get(step, "add_prefix_space"));
}

/*
 * Control characters, which BERT's normalizer may take out of a word, hold
 * it; all else of ASCII changes its case at the most.
 */
static bool is_bert(const struct medvl_json *normalizer,
                    const struct medvl_json *pre, struct words *words)
{
    for (int i = 0; i < 128; i++)
        words->held[i] = (i < ' ' && i != '\t' && i != '\n' && i != '\r') ||
                         i == 0x7F;
    words->keeps_case = !medvl_json_true(medvl_json_get(normalizer,
                                                        "lowercase"));
    return is_type(normalizer, "BertNormalizer") &&
           is_type(pre, "BertPreTokenizer");
}

int medvl_words_read(struct medvl_tokenizer *tok,
                     const struct medvl_json_view *root,
                     struct medvl_error *err)
{
    struct medvl_json *normalizer = NULL;
    struct medvl_json *pre = NULL;
    int rc = MEDVL_OK;

    tok->words = (struct words){0};
    if (!tok->model.wordpiece &&
        (!tok->model.charbpe || !medvl_charbpe_words(tok->model.charbpe)))
        return MEDVL_OK;
    rc = medvl_tokenizer_part(&normalizer, root, "normalizer", PART_BYTES,
                              err);
    if (rc == MEDVL_OK)
        rc = medvl_tokenizer_part(&pre, root, "pre_tokenizer", PART_BYTES,
                                  err);
    if (rc == MEDVL_OK && tok->model.wordpiece)
        tok->words.known = is_bert(normalizer, pre, &tok->words);
    else if (rc == MEDVL_OK)
        tok->words.known = is_clip_normalizer(normalizer, &tok->words) &&
                           is_clip_pre_tokenizer(pre, &tok->words);
    medvl_json_free(normalizer);
    medvl_json_free(pre);
    return rc;
}

/* ---- a worker's memory -------------------------------------------------- */

enum kind { SIGN,
            LETTER,
            ALONE, /* each a piece */
            SPACE,
            HELD };

struct medvl_words_cutter {
    const struct medvl_wordpiece *wordpiece; /* BERT's, or NULL */
    const struct medvl_bpe *bpe;             /* CLIP's */
    struct medvl_bpe_cache *cache;
    unsigned char kinds[256];
    unsigned char cases[256]; /* small letters, if so */
    char block[BLOCK_BYTES];
    size_t used, count;
    size_t starts[PIECES]; /* in the text */
    size_t ends[PIECES];   /* in the block, behind its space */
};

static unsigned char small(unsigned char c)
{
    return c >= 'A' && c <= 'Z' ? (unsigned char)(c + 32) : c;
}

static void set_kinds(struct medvl_words_cutter *cutter,
                      const struct words *words)
{
    for (int i = 0; i < 256; i++) {
        const unsigned char c = small((unsigned char)i);
        enum kind kind = SIGN;

        if (c >= 'a' && c <= 'z')
            kind = LETTER;
        else if (c >= '0' && c <= '9')
            kind = cutter->wordpiece ? LETTER : ALONE;
        else if (is_space(c))
            kind = SPACE;
        else if (cutter->wordpiece)
            kind = ALONE;
        cutter->cases[i] = words->keeps_case ? (unsigned char)i : c;
        cutter->kinds[i] = i >= 128 || words->held[i] ? HELD : kind;
    }
}

/*
 * Words that may hold a token which is looked for behind normalisation;
 * false: one of them takes white space with it.
 */
static bool hold_added(struct medvl_words_cutter *cutter,
                       const struct matcher *m)
{
    for (size_t i = 0; i < m->count; i++) {
        const struct added *added = m->sorted[i];

        if (added->lstrip || added->rstrip || has_space(added->match))
            return false;
        for (int c = 0; c < 128; c++) {
            if (cutter->cases[c] == (unsigned char)added->match.data[0])
                cutter->kinds[c] = HELD;
        }
    }
    return true;
}

int medvl_words_cutter_new(struct medvl_words_cutter **out,
                           const struct medvl_tokenizer *tok,
                           struct medvl_error *err)
{
    struct medvl_words_cutter *cutter;
    int rc;

    *out = NULL;
    if (!tok->words.known)
        return MEDVL_OK;
    cutter = medvl_alloc(1, sizeof(*cutter));
    if (!cutter)
        return medvl_no_memory(err);
    cutter->wordpiece = tok->model.wordpiece;
    if (!cutter->wordpiece)
        cutter->bpe = medvl_charbpe_words(tok->model.charbpe);
    set_kinds(cutter, &tok->words);
    if (!hold_added(cutter, &tok->matchers[1])) {
        medvl_free(cutter);
        return MEDVL_OK;
    }
    rc = cutter->bpe ? medvl_bpe_cache_new(&cutter->cache, err) : MEDVL_OK;
    if (rc < 0) {
        medvl_free(cutter);
        return rc;
    }
    *out = cutter;
    return MEDVL_OK;
}

void medvl_words_cutter_free(struct medvl_words_cutter *cutter)
{
    if (!cutter)
        return;
    medvl_bpe_cache_free(cutter->cache);
    medvl_free(cutter);
}

/* ---- words -------------------------------------------------------------- */

/* End of the word at `at`; is it one for the steps? */
static size_t word_end(const struct medvl_words_cutter *cutter,
                       struct medvl_span text, size_t at, bool *held)
{
    const unsigned char *p = (const unsigned char *)text.data;
    const size_t start = at;
    unsigned char most = 0;

    for (; at < text.size && cutter->kinds[p[at]] != SPACE; at++)
        most = cutter->kinds[p[at]] > most ? cutter->kinds[p[at]] : most;
    *held = most == HELD || at - start > WORD_BYTES;
    return at;
}

static size_t space_end(const struct medvl_words_cutter *cutter,
                        struct medvl_span text, size_t at)
{
    const unsigned char *p = (const unsigned char *)text.data;

    while (at < text.size && cutter->kinds[p[at]] == SPACE)
        at++;
    return at;
}

/* 's 't 're 've 'm 'll 'd: their size, or 0. */
static size_t contraction(const unsigned char *p, size_t size)
{
    const unsigned char a = size > 1 ? small(p[1]) : 0;
    const unsigned char b = size > 2 ? small(p[2]) : 0;

    if (a == 's' || a == 't' || a == 'm' || a == 'd')
        return 2;
    if (((a == 'r' || a == 'v') && b == 'e') || (a == 'l' && b == 'l'))
        return 3;
    return 0;
}

static size_t piece_size(const struct medvl_words_cutter *cutter,
                         const unsigned char *p, size_t size)
{
    const unsigned char kind = cutter->kinds[p[0]];
    size_t at = p[0] == '\'' && kind == SIGN ? contraction(p, size) : 0;

    if (at > 0)
        return at;
    at = 1;
    if (kind == ALONE)
        return at;
    while (at < size && cutter->kinds[p[at]] == kind)
        at++;
    return at;
}

/* The pieces of a word [at, end), for which there is room. */
static void cut_word(struct medvl_words_cutter *cutter,
                     struct medvl_span text, size_t at, size_t end)
{
    const unsigned char *p = (const unsigned char *)text.data;

    while (at < end) {
        const size_t size = piece_size(cutter, p + at, end - at);
        char *to = cutter->block + cutter->used;

        for (size_t i = 0; i < size; i++)
            to[i] = (char)cutter->cases[p[at + i]];
        cutter->used += size;
        if (cutter->bpe)
            cutter->block[cutter->used++] = ' ';
        cutter->starts[cutter->count] = at;
        cutter->ends[cutter->count++] = cutter->used;
        at += size;
    }
}

/* Ends in the block become ends in the text. */
static void move_ends(const struct medvl_words_cutter *cutter,
                      struct medvl_tokens *out, size_t first, size_t base)
{
    size_t piece = 0;
    size_t start = 0; /* of the piece in the block */

    for (size_t i = first; i < out->count; i++) {
        size_t size;

        while (cutter->ends[piece] < out->ends[i])
            start = cutter->ends[piece++];
        size = out->ends[i] - start;
        /* Without the space. */
        size -= cutter->bpe && out->ends[i] == cutter->ends[piece];
        out->ends[i] = base + cutter->starts[piece] + size;
    }
}

static int encode_block(struct medvl_words_cutter *cutter,
                        struct medvl_tokens *out, size_t base,
                        struct medvl_error *err)
{
    const struct medvl_span block = {cutter->block, cutter->used};
    const size_t first = out->count;
    int rc;

    if (cutter->bpe)
        rc = medvl_bpe_encode(cutter->bpe, cutter->cache, out, block, 0,
                              cutter->ends, cutter->count, 0, err);
    else
        rc = medvl_wordpiece_encode(cutter->wordpiece, out, block, 0,
                                    cutter->ends, cutter->count, 0, err);
    if (rc == MEDVL_OK && out->keep_ends)
        move_ends(cutter, out, first, base);
    cutter->used = cutter->count = 0;
    return rc;
}

int medvl_words_encode(struct medvl_words_cutter *cutter,
                       struct medvl_tokens *out, struct medvl_span text,
                       size_t *at, size_t base, struct medvl_error *err)
{
    int rc = MEDVL_OK;

    cutter->used = cutter->count = 0;
    while (rc == MEDVL_OK) {
        bool held;
        size_t end, size;

        *at = space_end(cutter, text, *at);
        end = word_end(cutter, text, *at, &held);
        size = end - *at;
        if (size == 0 || held)
            break;
        if (cutter->used + 2 * size > BLOCK_BYTES ||
            cutter->count + size > PIECES)
            rc = encode_block(cutter, out, base, err);
        cut_word(cutter, text, *at, end);
        *at = end;
    }
    return rc == MEDVL_OK ? encode_block(cutter, out, base, err) : rc;
}

size_t medvl_words_held_end(const struct medvl_words_cutter *cutter,
                            struct medvl_span text, size_t at)
{
    size_t end = at;
    bool held = true;

    while (held && at < text.size) {
        at = word_end(cutter, text, at, &held);
        if (held)
            end = at;
        at = space_end(cutter, text, at);
    }
    return end;
}
