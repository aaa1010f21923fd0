/*
 * "model" of a tokenizer.json.  Its large lists, vocabulary and merges, are
 * walked byte by byte and never become a tree.
 *
 * A byte-level BPE whose tokens are all spelled in bytes, behind splits that
 * pretokenize.h knows, goes the fast way; any other BPE is read as one over
 * characters.
 *
 * Read next: tokenizer_words.c.
 */
#include <math.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/text/tokenizer_parts.h"

#define TOKEN_BYTES (1 << 20)

/* ---- walking checked JSON ---------------------------------------------- */

/* A place in JSON that has been checked. */
struct cursor {
    const char *at, *end;
};

static void skip_space(struct cursor *cursor)
{
    while (cursor->at < cursor->end &&
           (*cursor->at == ' ' || *cursor->at == '\n' ||
            *cursor->at == '\r' || *cursor->at == '\t'))
        cursor->at++;
}

static bool take(struct cursor *cursor, char byte)
{
    skip_space(cursor);
    if (cursor->at >= cursor->end || *cursor->at != byte)
        return false;
    cursor->at++;
    return true;
}

static bool take_string(struct cursor *cursor, struct medvl_span *quoted)
{
    const char *at;

    skip_space(cursor);
    at = cursor->at;
    if (at >= cursor->end || *at != '"')
        return false;
    for (at++; at < cursor->end && *at != '"'; at++)
        at += *at == '\\';
    if (at >= cursor->end)
        return false;
    *quoted = (struct medvl_span){cursor->at,
                                  (size_t)(at + 1 - cursor->at)};
    cursor->at = at + 1;
    return true;
}

/* A number or word: the bytes up to a comma, bracket or space. */
static struct medvl_span take_scalar(struct cursor *cursor)
{
    struct medvl_span span;

    skip_space(cursor);
    span.data = cursor->at;
    while (cursor->at < cursor->end && !strchr(",]} \n\r\t", *cursor->at))
        cursor->at++;
    span.size = (size_t)(cursor->at - span.data);
    return span;
}

/* ---- reading ----------------------------------------------------------- */

/* What reading needs beside the tokenizer. */
struct reading {
    struct medvl_tokenizer *tok;
    struct medvl_json_view model;
    struct medvl_text name; /* a string without its escapes */
    struct medvl_text other;
    struct medvl_text left, right;
};

/* A token that is no bytes, in a file that may be byte-level: not an error. */
#define NOT_BYTES 1

/* The bytes of a quoted string as JSON has it; a plain one is not copied. */
static int read_string(struct medvl_text *scratch, struct medvl_span *out,
                       struct medvl_span quoted, struct medvl_error *err)
{
    int rc;

    *out = (struct medvl_span){quoted.data + 1, quoted.size - 2};
    if (!memchr(out->data, '\\', out->size))
        return MEDVL_OK;
    medvl_text_clear(scratch);
    rc = medvl_json_unescape(scratch, quoted, err);
    *out = medvl_text_span(scratch);
    if (!out->data)
        out->data = "";
    return rc;
}

/* A member of the model as text; empty when it is null or not there. */
static int member_text(struct reading *r, struct medvl_text *out,
                       const char *name, struct medvl_error *err)
{
    const struct medvl_span span = medvl_json_view_get(&r->model, name);
    struct medvl_span text;
    int rc;

    medvl_text_clear(out);
    if (!span.data || medvl_span_is(span, "null"))
        return MEDVL_OK;
    if (span.size < 2 || span.data[0] != '"')
        return medvl_fail(err, MEDVL_EFORMAT, "\"%s\" is no text", name);
    rc = read_string(&r->name, &text, span, err);
    return rc < 0 ? rc : medvl_text_append(out, text.data, text.size, err);
}

static bool member_true(const struct reading *r, const char *name)
{
    return medvl_span_is(medvl_json_view_get(&r->model, name), "true");
}

static bool member_set(const struct reading *r, const char *name)
{
    const struct medvl_span span = medvl_json_view_get(&r->model, name);

    return span.data && !medvl_span_is(span, "null") &&
           !medvl_span_is(span, "\"\"") && !medvl_span_is(span, "0") &&
           !medvl_span_is(span, "0.0");
}

/* medvl_spelled_bytes in place of what `out` held. */
static int bytes_of(struct medvl_text *out, struct medvl_span name,
                    struct medvl_error *err)
{
    medvl_text_clear(out);
    return medvl_spelled_bytes(out, name, err);
}

/* ---- vocabularies that are objects -------------------------------------- */

/* A byte-level token; what stands among the added ones too may be none. */
static int add_bytes(struct reading *r, int32_t id, struct medvl_span name,
                     struct medvl_error *err)
{
    const struct added *added;
    const int rc = bytes_of(&r->left, name, err);

    if (rc < 0)
        return rc;
    if (rc > 0 && name.size > 0)
        return medvl_bpe_add_token(r->tok->model.bpe, id,
                                   medvl_text_span(&r->left), err);
    added = medvl_tokenizer_added(r->tok, id);
    return added && medvl_span_equal(added->content, name) ? MEDVL_OK
                                                           : NOT_BYTES;
}

static int add_token(struct reading *r, struct medvl_span quoted,
                     struct medvl_span number, struct medvl_error *err)
{
    struct model *model = &r->tok->model;
    struct medvl_span name;
    int64_t id;
    int rc = read_string(&r->name, &name, quoted, err);

    if (rc < 0)
        return rc;
    if (medvl_parse_int(&id, number, 0, MEDVL_BPE_IDS - 1, NULL) < 0)
        return medvl_fail(err, MEDVL_EFORMAT, "%.*s is no id",
                          (int)(number.size < 40 ? number.size : 40),
                          number.data);
    if (name.size > TOKEN_BYTES)
        return medvl_fail(err, MEDVL_EUNSUPPORTED, "a token of %zu bytes",
                          name.size);
    if (model->bpe)
        return add_bytes(r, (int32_t)id, name, err);
    if (model->charbpe)
        return medvl_charbpe_add_token(model->charbpe, (int32_t)id, name,
                                       err);
    return medvl_wordpiece_add_token(model->wordpiece, (int32_t)id, name,
                                     err);
}

static int read_vocab(struct reading *r, struct medvl_error *err)
{
    const struct medvl_span span = medvl_json_view_get(&r->model, "vocab");
    struct cursor cursor = {span.data, span.data + span.size};
    int rc = MEDVL_OK;

    if (!span.data)
        return medvl_fail(err, MEDVL_EFORMAT, "model without vocab");
    if (!take(&cursor, '{'))
        return medvl_fail(err, MEDVL_EFORMAT, "\"vocab\" is no object");
    if (take(&cursor, '}'))
        return MEDVL_OK;
    do {
        struct medvl_span quoted;

        if (!take_string(&cursor, &quoted) || !take(&cursor, ':'))
            return medvl_fail(err, MEDVL_EFORMAT, "\"vocab\" is damaged");
        rc = add_token(r, quoted, take_scalar(&cursor), err);
        if (rc != MEDVL_OK)
            return rc < 0 ? medvl_context(err, "\"vocab\"") : rc;
    } while (take(&cursor, ','));
    return MEDVL_OK;
}

/* ---- merges ------------------------------------------------------------- */

static int add_merge(struct reading *r, struct medvl_span left,
                     struct medvl_span right, struct medvl_error *err)
{
    int rc;

    if (r->tok->model.charbpe)
        return medvl_charbpe_add_merge(r->tok->model.charbpe, left, right,
                                       err);
    rc = bytes_of(&r->left, left, err);
    if (rc > 0 && left.size > 0)
        rc = bytes_of(&r->right, right, err);
    if (rc < 0)
        return rc;
    if (rc == 0 || left.size == 0 || right.size == 0)
        return medvl_fail(err, MEDVL_EFORMAT,
                          "a merge is not spelled in bytes");
    return medvl_bpe_add_merge(r->tok->model.bpe, medvl_text_span(&r->left),
                               medvl_text_span(&r->right), err);
}

/* "left right", or ["left", "right"]. */
static int read_merge(struct reading *r, struct cursor *cursor,
                      struct medvl_error *err)
{
    struct medvl_span quoted, other, left;
    struct medvl_span right = {0};
    const bool pair = take(cursor, '[');
    int rc;

    if (!take_string(cursor, &quoted) ||
        (pair && (!take(cursor, ',') || !take_string(cursor, &other) ||
                  !take(cursor, ']'))))
        return medvl_fail(err, MEDVL_EFORMAT, "a merge is no pair");
    rc = read_string(&r->name, &left, quoted, err);
    if (rc < 0)
        return rc;
    if (pair) {
        rc = read_string(&r->other, &right, other, err);
        if (rc < 0)
            return rc;
    } else {
        const char *space = memchr(left.data, ' ', left.size);

        if (left.size >= 8 && memcmp(left.data, "#version", 8) == 0)
            return MEDVL_OK;
        if (!space)
            return medvl_fail(err, MEDVL_EFORMAT, "a merge has no space");
        right.data = space + 1;
        right.size = left.size - (size_t)(right.data - left.data);
        left.size = (size_t)(space - left.data);
    }
    return add_merge(r, left, right, err);
}

static int read_merges(struct reading *r, struct medvl_error *err)
{
    const struct medvl_span span = medvl_json_view_get(&r->model, "merges");
    struct cursor cursor = {span.data, span.data + span.size};

    if (!span.data)
        return medvl_fail(err, MEDVL_EFORMAT, "model without merges");
    if (!take(&cursor, '['))
        return medvl_fail(err, MEDVL_EFORMAT, "\"merges\" is no array");
    if (take(&cursor, ']'))
        return MEDVL_OK;
    do {
        const int rc = read_merge(r, &cursor, err);

        if (rc < 0)
            return medvl_context(err, "\"merges\"");
    } while (take(&cursor, ','));
    if (!take(&cursor, ']'))
        return medvl_fail(err, MEDVL_EFORMAT, "\"merges\": not all pairs");
    return MEDVL_OK;
}

/* ---- BPE ---------------------------------------------------------------- */

/* Real files have about 20 bytes an entry; the tables grow if fewer. */
static size_t about(const struct reading *r, const char *name)
{
    return medvl_json_view_get(&r->model, name).size / 20;
}

static bool has_all_bytes(const struct medvl_bpe *bpe)
{
    for (int byte = 0; byte < 256; byte++) {
        const char c = (char)byte;

        if (medvl_bpe_id(bpe, (struct medvl_span){&c, 1}) < 0)
            return false;
    }
    return true;
}

/* A byte-level BPE, or NOT_BYTES. */
static int read_byte_bpe(struct reading *r, struct medvl_error *err)
{
    struct model *model = &r->tok->model;
    int rc = medvl_bpe_new(&model->bpe, about(r, "vocab"),
                           about(r, "merges"),
                           member_true(r, "ignore_merges"), err);

    if (rc == MEDVL_OK)
        rc = read_vocab(r, err);
    if (rc == MEDVL_OK && !has_all_bytes(model->bpe) &&
        (member_true(r, "byte_fallback") || member_set(r, "unk_token")))
        rc = NOT_BYTES;
    if (rc == MEDVL_OK)
        rc = read_merges(r, err);
    if (rc == NOT_BYTES)
        medvl_model_release(model);
    return rc;
}

static int read_char_bpe(struct reading *r, struct medvl_error *err)
{
    struct medvl_charbpe_options options = {
        .fuse_unk = member_true(r, "fuse_unk"),
        .byte_fallback = member_true(r, "byte_fallback"),
        .whole_words = member_true(r, "ignore_merges"),
    };
    struct medvl_text unk = {0};
    int rc = medvl_charbpe_new(&r->tok->model.charbpe, about(r, "vocab"),
                               about(r, "merges"), err);

    if (rc == MEDVL_OK)
        rc = read_vocab(r, err);
    if (rc == MEDVL_OK)
        rc = member_text(r, &unk, "unk_token", err);
    if (rc == MEDVL_OK)
        rc = member_text(r, &r->left, "continuing_subword_prefix", err);
    if (rc == MEDVL_OK)
        rc = member_text(r, &r->right, "end_of_word_suffix", err);
    options.unk = medvl_text_span(&unk);
    options.prefix = medvl_text_span(&r->left);
    options.suffix = medvl_text_span(&r->right);
    if (rc == MEDVL_OK)
        rc = medvl_charbpe_set(r->tok->model.charbpe, &options, err);
    medvl_text_release(&unk);
    return rc == MEDVL_OK ? read_merges(r, err) : rc;
}

/* ---- Unigram, WordPiece, WordLevel -------------------------------------- */

/*
 * A score as Hugging Face reads it (serde_json): up to 64 bits of digits,
 * multiplied or divided by a power of ten.  It may be off by the last bit,
 * and that decides between ways to cut a run of spaces.
 */
static int read_score(double *out, struct medvl_span number,
                      struct medvl_error *err)
{
    uint64_t digits = 0;
    double exponent = 0;
    bool fraction = false;
    bool full = false;
    int64_t given = 0;
    size_t at = 0;
    const int rc = medvl_parse_real(out, number, -1e300, 1e300, err);

    if (rc < 0)
        return rc;
    for (; at < number.size && (number.data[at] | 0x20) != 'e'; at++) {
        const unsigned digit = (unsigned)number.data[at] - '0';

        fraction = fraction || number.data[at] == '.';
        if (digit > 9)
            continue;
        full = full || digits > (UINT64_MAX - digit) / 10;
        if (!full)
            digits = digits * 10 + digit;
        exponent += full && !fraction ? 1 : 0;
        exponent -= !full && fraction ? 1 : 0;
    }
    if (at < number.size) {
        const bool plus = number.data[at + 1] == '+';
        const struct medvl_span rest = {number.data + at + 1 + plus,
                                        number.size - at - 1 - plus};

        if (medvl_parse_int(&given, rest, -400, 400, NULL) < 0)
            return MEDVL_OK;
    }
    exponent += (double)given;
    if (fabs(exponent) > 300)
        return MEDVL_OK;
    *out = exponent < 0 ? (double)digits / pow(10, -exponent)
                        : (double)digits * pow(10, exponent);
    if (number.data[0] == '-')
        *out = -*out;
    return MEDVL_OK;
}

/* ["token", score] */
static int read_scored(struct reading *r, struct cursor *cursor,
                       struct medvl_error *err)
{
    struct medvl_span quoted, name, number;
    double score;
    int rc;

    if (!take(cursor, '[') || !take_string(cursor, &quoted) ||
        !take(cursor, ','))
        return medvl_fail(err, MEDVL_EFORMAT, "a token has no score");
    number = take_scalar(cursor);
    if (read_score(&score, number, NULL) < 0 ||
        !take(cursor, ']'))
        return medvl_fail(err, MEDVL_EFORMAT, "%.*s is no score",
                          (int)(number.size < 40 ? number.size : 40),
                          number.data);
    rc = read_string(&r->name, &name, quoted, err);
    if (rc == MEDVL_OK && name.size > TOKEN_BYTES)
        rc = medvl_fail(err, MEDVL_EUNSUPPORTED, "a token of %zu bytes",
                        name.size);
    return rc == MEDVL_OK ? medvl_unigram_add_token(r->tok->model.unigram,
                                                    name, score, err)
                          : rc;
}

static int read_scores(struct reading *r, struct medvl_error *err)
{
    const struct medvl_span span = medvl_json_view_get(&r->model, "vocab");
    struct cursor cursor = {span.data, span.data + span.size};

    if (!span.data || !take(&cursor, '['))
        return medvl_fail(err, MEDVL_EFORMAT, "\"vocab\" is no array");
    if (take(&cursor, ']'))
        return MEDVL_OK;
    do {
        const int rc = read_scored(r, &cursor, err);

        if (rc < 0)
            return medvl_context(err, "\"vocab\"");
    } while (take(&cursor, ','));
    return MEDVL_OK;
}

static int read_unigram(struct reading *r, struct medvl_error *err)
{
    const struct medvl_span unk = medvl_json_view_get(&r->model, "unk_id");
    struct medvl_unigram_options options = {
        .unk = -1, .byte_fallback = member_true(r, "byte_fallback")};
    int64_t id = -1;
    int rc;

    if (unk.data && !medvl_span_is(unk, "null")) {
        rc = medvl_parse_int(&id, unk, 0, MEDVL_BPE_IDS - 1, err);
        if (rc < 0)
            return medvl_context(err, "\"unk_id\"");
    }
    options.unk = (int32_t)id;
    rc = medvl_unigram_new(&r->tok->model.unigram, err);
    if (rc == MEDVL_OK)
        rc = read_scores(r, err);
    if (rc == MEDVL_OK)
        rc = medvl_unigram_finish(r->tok->model.unigram, &options, err);
    return rc;
}

static int read_wordpiece(struct reading *r, bool whole,
                          struct medvl_error *err)
{
    const struct medvl_span most = medvl_json_view_get(
        &r->model, "max_input_chars_per_word");
    struct medvl_wordpiece_options options = {.max_characters = 100,
                                              .whole = whole};
    int64_t count;
    int rc = medvl_wordpiece_new(&r->tok->model.wordpiece, err);

    if (rc == MEDVL_OK && !whole && most.data) {
        rc = medvl_parse_int(&count, most, 0, INT64_MAX, err);
        if (rc < 0)
            return medvl_context(err, "\"max_input_chars_per_word\"");
        options.max_characters = (size_t)count;
    }
    if (rc == MEDVL_OK)
        rc = read_vocab(r, err);
    if (rc == MEDVL_OK)
        rc = member_text(r, &r->left, "unk_token", err);
    if (rc == MEDVL_OK && !whole)
        rc = member_text(r, &r->right, "continuing_subword_prefix", err);
    options.unk = medvl_text_span(&r->left);
    options.prefix = medvl_text_span(&r->right);
    if (whole)
        options.prefix = (struct medvl_span){"", 0};
    if (rc == MEDVL_OK)
        rc = medvl_wordpiece_finish(r->tok->model.wordpiece, &options, err);
    return rc;
}

/* ---- splits that byte-level BPE knows ----------------------------------- */

/* A Split that cuts out matches, by a pattern that never is empty. */
static bool add_split(struct medvl_pretokenizer *pre,
                      const struct medvl_json *step)
{
    const struct medvl_json *pattern = medvl_json_get(step, "pattern");
    const char *regex = medvl_json_string(medvl_json_get(pattern, "Regex"));
    const char *behavior = medvl_json_string(medvl_json_get(step,
                                                            "behavior"));

    if (!regex || !behavior ||
        medvl_pretokenizer_add_regex(pre, medvl_span(regex), NULL) < 0)
        return false;
    /* Removing the gaps of a pattern that leaves none changes nothing. */
    return strcmp(behavior, "Isolated") == 0 ||
           (strcmp(behavior, "Removed") == 0 &&
            medvl_json_true(medvl_json_get(step, "invert")) &&
            medvl_pretokenizer_covers(pre));
}

static bool is_type(const struct medvl_json *step, const char *type)
{
    return strcmp(medvl_part_type(step), type) == 0;
}

/* Splits, then ByteLevel: taken into tok->pre, else tok->pre is NULL. */
static int try_byte_level(struct medvl_tokenizer *tok,
                          const struct medvl_json *tree,
                          struct medvl_error *err)
{
    const bool sequence = is_type(tree, "Sequence");
    const struct medvl_json *step = tree;
    struct medvl_pretokenizer *pre = NULL;
    const struct medvl_json *use_regex;
    bool prefix = false;
    bool known = true;
    int rc = medvl_pretokenizer_new(&pre, err);

    if (rc < 0)
        return rc;
    if (sequence)
        step = medvl_json_first(medvl_json_get(tree, "pretokenizers"));
    for (; known && step && is_type(step, "Split");
         step = sequence ? medvl_json_next(step) : NULL)
        known = add_split(pre, step);
    known = known && step && is_type(step, "ByteLevel") &&
            (!sequence || !medvl_json_next(step));
    if (known) {
        prefix = medvl_json_true(medvl_json_get(step, "add_prefix_space"));
        known = !prefix || !sequence ||
                step == medvl_json_first(medvl_json_get(tree,
                                                        "pretokenizers"));
        use_regex = medvl_json_get(step, "use_regex");
        if (!use_regex || medvl_json_true(use_regex))
            known = known && medvl_pretokenizer_add_regex(
                                 pre,
                                 medvl_span(medvl_pretokenizer_pattern(
                                     "gpt2")),
                                 NULL) == MEDVL_OK;
    }
    if (known) {
        tok->pre = pre;
        tok->prefix_space = prefix;
        return MEDVL_OK;
    }
    medvl_pretokenizer_free(pre);
    return MEDVL_OK;
}

/* ---- the whole ---------------------------------------------------------- */

/* An added token that the vocabulary has too must have the same id there. */
static int check_added(const struct medvl_tokenizer *tok,
                       struct medvl_error *err)
{
    for (size_t i = 0; i < tok->added_count; i++) {
        const struct added *added = &tok->added[i];
        const struct medvl_span there = medvl_model_bytes(&tok->model,
                                                          added->id);
        const int32_t id = medvl_model_spelled(&tok->model, added->content);

        if ((there.data && !medvl_span_equal(there, added->content)) ||
            (id >= 0 && id != added->id))
            return medvl_fail(err, MEDVL_EFORMAT,
                              "added token %d \"%s\" has another id than "
                              "in the vocabulary",
                              added->id, added->content.data);
    }
    return MEDVL_OK;
}

static int read_bpe(struct reading *r, const struct medvl_json *tree,
                    struct medvl_error *err)
{
    struct medvl_tokenizer *tok = r->tok;
    int rc = NOT_BYTES;

    if (member_set(r, "dropout"))
        return medvl_fail(err, MEDVL_EUNSUPPORTED, "model with dropout");
    if (!member_set(r, "continuing_subword_prefix") &&
        !member_set(r, "end_of_word_suffix")) {
        rc = try_byte_level(tok, tree, err);
        if (rc == MEDVL_OK)
            rc = tok->pre ? read_byte_bpe(r, err) : NOT_BYTES;
    }
    if (rc == NOT_BYTES) {
        medvl_pretokenizer_free(tok->pre);
        tok->pre = NULL;
        rc = read_char_bpe(r, err);
    }
    return rc;
}

/* Files of before "type": a Unigram has a list, a BPE merges. */
static const char *model_type(const struct reading *r, char type[16])
{
    const struct medvl_span span = medvl_json_view_get(&r->model, "type");

    if (!span.data) {
        if (medvl_json_view_get(&r->model, "merges").data)
            return "BPE";
        if (medvl_json_view_get(&r->model, "unk_id").data)
            return "Unigram";
        if (medvl_json_view_get(&r->model, "continuing_subword_prefix").data)
            return "WordPiece";
        return "WordLevel";
    }
    if (span.size < 2 || span.size >= 16)
        return "(no type)";
    memcpy(type, span.data + 1, span.size - 2);
    type[span.size - 2] = 0;
    return type;
}

static int read_kind(struct reading *r, const struct medvl_json *tree,
                     struct medvl_error *err)
{
    char buffer[16] = {0};
    const char *type = model_type(r, buffer);

    if (strcmp(type, "BPE") == 0)
        return read_bpe(r, tree, err);
    if (strcmp(type, "Unigram") == 0)
        return read_unigram(r, err);
    if (strcmp(type, "WordPiece") == 0)
        return read_wordpiece(r, false, err);
    if (strcmp(type, "WordLevel") == 0)
        return read_wordpiece(r, true, err);
    return medvl_fail(err, MEDVL_EUNSUPPORTED, "model \"%s\"", type);
}

int medvl_tokenizer_read_model(struct medvl_tokenizer *tok,
                               const struct medvl_json_view *root,
                               struct medvl_error *err)
{
    const struct medvl_span span = medvl_json_view_get(root, "model");
    struct reading r = {.tok = tok};
    struct medvl_json *tree = NULL;
    int rc;

    if (!span.data)
        return medvl_fail(err, MEDVL_EFORMAT, "no \"model\"");
    rc = medvl_tokenizer_part(&tree, root, "pre_tokenizer", PART_BYTES, err);
    if (rc == MEDVL_OK)
        rc = medvl_json_view_object(&r.model, span, err);
    if (rc == MEDVL_OK)
        rc = read_kind(&r, tree, err);
    if (rc == MEDVL_OK && !tok->pre)
        rc = medvl_cutter_new(&tok->cutter, tree, err);
    if (rc == MEDVL_OK)
        rc = check_added(tok, err);
    if (rc == MEDVL_OK && medvl_model_size(&tok->model) > tok->size)
        tok->size = medvl_model_size(&tok->model);
    medvl_json_free(tree);
    medvl_json_view_release(&r.model);
    medvl_text_release(&r.name);
    medvl_text_release(&r.other);
    medvl_text_release(&r.left);
    medvl_text_release(&r.right);
    return rc;
}
