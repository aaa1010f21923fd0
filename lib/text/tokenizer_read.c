/*
 * Opening a tokenizer.json.  The file is mapped and scanned once; its two
 * large lists, vocabulary and merges, are then walked byte by byte and
 * never become a tree.  The small parts do.
 *
 * Read next: tokenizer_write.c.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/base/file.h"
#include "lib/base/json.h"
#include "lib/base/mem.h"
#include "lib/text/tokenizer_parts.h"
#include "lib/text/unicode.h"

/* Parts of these sizes become trees, of up to 40 times the size. */
#define PART_BYTES  (1 << 20)
#define ADDED_PART  (4 << 20)
#define RUNES       0x144 /* one above the largest spelling of a byte */
#define TOKEN_BYTES (1 << 20)

/* ---- walking checked JSON ---------------------------------------------- */

static void skip_space(struct medvl_cursor *cursor)
{
    while (cursor->at < cursor->end &&
           (*cursor->at == ' ' || *cursor->at == '\n' ||
            *cursor->at == '\r' || *cursor->at == '\t'))
        cursor->at++;
}

bool medvl_cursor_take(struct medvl_cursor *cursor, char byte)
{
    skip_space(cursor);
    if (cursor->at >= cursor->end || *cursor->at != byte)
        return false;
    cursor->at++;
    return true;
}

bool medvl_cursor_string(struct medvl_cursor *cursor,
                         struct medvl_span *quoted)
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
struct medvl_span medvl_cursor_scalar(struct medvl_cursor *cursor)
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

uint32_t medvl_byte_rune(unsigned char byte)
{
    if ((byte >= 33 && byte <= 126) || (byte >= 161 && byte != 173))
        return byte;
    if (byte <= 32)
        return 256u + byte;
    if (byte <= 160)
        return 256u + 33 + (byte - 127u);
    return 0x143;
}

bool medvl_is_spelled_alike(struct medvl_span bytes)
{
    for (size_t i = 0; i < bytes.size; i++) {
        if (bytes.data[i] <= ' ' || bytes.data[i] > '~')
            return false;
    }
    return true;
}

/* What reading needs beside the tokenizer. */
struct reading {
    struct medvl_tokenizer *tok;
    struct medvl_text name; /* a string without its escapes */
    struct medvl_text left, right;
    int16_t bytes[RUNES]; /* the byte that a character spells, or -1 */
};

static int part_tree(struct medvl_json **out,
                     const struct medvl_json_view *view, const char *name,
                     size_t most, struct medvl_error *err)
{
    const struct medvl_span span = medvl_json_view_get(view, name);
    int rc;

    *out = NULL;
    if (!span.data)
        return MEDVL_OK;
    if (span.size > most)
        return medvl_fail(err, MEDVL_EUNSUPPORTED,
                          "\"%s\" has more than %zu bytes", name, most);
    rc = medvl_json_parse(out, span, err);
    return rc < 0 ? medvl_context(err, "\"%s\"", name) : rc;
}

static bool is_null(const struct medvl_json *value)
{
    return medvl_json_type(value) <= MEDVL_JSON_NULL;
}

static const char *type_of(const struct medvl_json *value)
{
    const char *type = medvl_json_string(medvl_json_get(value, "type"));

    return type ? type : "(no type)";
}

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
    return rc;
}

/*
 * Append the bytes that a token's spelling stands for.  1; 0 with nothing
 * appended when a character spells no byte; or an error.
 */
static int append_spelled(const struct reading *r, struct medvl_text *out,
                          struct medvl_span name, struct medvl_error *err)
{
    const size_t before = out->size;
    int rc = medvl_text_reserve(out, name.size, err);

    if (rc < 0)
        return rc;
    for (size_t at = 0; at < name.size;) {
        uint32_t rune = RUNES;
        const int size = medvl_utf8_decode(&rune, name.data + at,
                                           name.size - at);

        if (size == 0 || rune >= RUNES || r->bytes[rune] < 0) {
            out->size = before;
            return 0;
        }
        out->data[out->size++] = (char)r->bytes[rune];
        at += (size_t)size;
    }
    return 1;
}

/* ---- added tokens ------------------------------------------------------ */

static int by_id(const void *a, const void *b)
{
    const struct added *x = a;
    const struct added *y = b;

    return (x->id > y->id) - (x->id < y->id);
}

static int by_match(const void *a, const void *b)
{
    const struct medvl_span x = (*(const struct added *const *)a)->match;
    const struct medvl_span y = (*(const struct added *const *)b)->match;
    const size_t least = x.size < y.size ? x.size : y.size;
    const int order = memcmp(x.data, y.data, least);

    if (order != 0)
        return order;
    return (x.size > y.size) - (x.size < y.size);
}

static int read_added_one(struct reading *r, struct added *added,
                          const struct medvl_json *value,
                          struct medvl_error *err)
{
    const char *content;
    int64_t id;
    int rc = medvl_json_get_string(&content, value, "content", err);

    if (rc == MEDVL_OK)
        rc = medvl_json_get_int(&id, value, "id", 0, MEDVL_BPE_IDS - 1, err);
    if (rc < 0)
        return rc;
    const size_t size = strlen(content);

    if (size == 0 || size > ADDED_BYTES)
        return medvl_fail(err, MEDVL_EUNSUPPORTED,
                          "an added token of %zu bytes", size);
    const char *copy = medvl_copy_string(content, size);

    if (!copy)
        return medvl_no_memory(err);
    added->content = (struct medvl_span){copy, size};
    added->match = added->content;
    added->id = (int32_t)id;
    added->special = medvl_json_true(medvl_json_get(value, "special"));
    added->lstrip = medvl_json_true(medvl_json_get(value, "lstrip"));
    added->rstrip = medvl_json_true(medvl_json_get(value, "rstrip"));
    added->single_word =
        medvl_json_true(medvl_json_get(value, "single_word"));
    added->normalized =
        medvl_json_true(medvl_json_get(value, "normalized"));
    r->tok->added_count++;
    if (added->normalized && r->tok->nfc) {
        struct medvl_nfc_changes changes = {0};

        medvl_text_clear(&r->name);
        rc = medvl_unicode_nfc(&r->name, &changes, added->content, err);
        if (rc == MEDVL_OK && changes.count > 0) {
            copy = medvl_copy_string(r->name.data, r->name.size);
            if (copy)
                added->match = (struct medvl_span){copy, r->name.size};
            else
                rc = medvl_no_memory(err);
        }
        medvl_nfc_changes_release(&changes);
    }
    return rc;
}

/* Sort the tokens of one kind by what is looked for. */
static int make_matcher(struct medvl_tokenizer *tok, struct matcher *m,
                        bool normalized, struct medvl_error *err)
{
    m->sorted = medvl_alloc(tok->added_count, sizeof(struct added *));
    if (!m->sorted)
        return medvl_no_memory(err);
    m->only = -1;
    for (size_t i = 0; i < tok->added_count; i++) {
        if (tok->added[i].normalized == normalized)
            m->sorted[m->count++] = &tok->added[i];
    }
    qsort(m->sorted, m->count, sizeof(struct added *), by_match);
    for (size_t i = 0; i < m->count; i++) {
        const unsigned char c = (unsigned char)m->sorted[i]->match.data[0];

        m->only = i == 0 || m->only == c ? c : -2;
        m->first[c] = true;
        if (i > 0 && by_match(&m->sorted[i - 1], &m->sorted[i]) == 0)
            return medvl_fail(err, MEDVL_EFORMAT,
                              "added tokens %d and %d are the same",
                              m->sorted[i - 1]->id, m->sorted[i]->id);
    }
    return MEDVL_OK;
}

static int read_added(struct reading *r, const struct medvl_json_view *root,
                      struct medvl_error *err)
{
    struct medvl_tokenizer *tok = r->tok;
    struct medvl_json *list = NULL;
    int rc = part_tree(&list, root, "added_tokens", ADDED_PART, err);

    if (rc < 0)
        return rc;
    tok->added = medvl_alloc(medvl_json_count(list), sizeof(*tok->added));
    if (!tok->added)
        rc = medvl_no_memory(err);
    for (const struct medvl_json *value = medvl_json_first(list);
         value && rc == MEDVL_OK; value = medvl_json_next(value)) {
        rc = read_added_one(r, &tok->added[tok->added_count], value, err);
        if (rc < 0)
            rc = medvl_context(err, "\"added_tokens\"");
    }
    medvl_json_free(list);
    if (rc < 0)
        return rc;
    qsort(tok->added, tok->added_count, sizeof(*tok->added), by_id);
    for (size_t i = 0; i < tok->added_count; i++) {
        if (i > 0 && tok->added[i - 1].id == tok->added[i].id)
            return medvl_fail(err, MEDVL_EFORMAT,
                              "two added tokens have id %d",
                              tok->added[i].id);
        if (tok->added[i].id >= tok->size)
            tok->size = tok->added[i].id + 1;
    }
    rc = make_matcher(tok, &tok->matchers[0], false, err);
    if (rc == MEDVL_OK)
        rc = make_matcher(tok, &tok->matchers[1], true, err);
    return rc;
}

/* ---- the model --------------------------------------------------------- */

/* One entry of the vocabulary. */
static int read_token(struct reading *r, struct medvl_span quoted,
                      struct medvl_span number, struct medvl_error *err)
{
    struct medvl_span name;
    const struct added *added;
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
    medvl_text_clear(&r->left);
    rc = append_spelled(r, &r->left, name, err);
    if (rc < 0)
        return rc;
    if (rc > 0)
        return medvl_bpe_add_token(r->tok->bpe, (int32_t)id,
                                   medvl_text_span(&r->left), err);
    /* Spelled in no bytes: an added token that stands here too. */
    added = medvl_tokenizer_added(r->tok, (int32_t)id);
    if (!added || !medvl_span_equal(added->content, name))
        return medvl_fail(err, MEDVL_EUNSUPPORTED,
                          "token %d is not spelled in bytes: no byte-level "
                          "vocabulary",
                          (int)id);
    return MEDVL_OK;
}

static int read_vocab(struct reading *r, struct medvl_span span,
                      struct medvl_error *err)
{
    struct medvl_cursor cursor = {span.data, span.data + span.size};
    int rc = MEDVL_OK;

    if (!medvl_cursor_take(&cursor, '{'))
        return medvl_fail(err, MEDVL_EFORMAT, "\"vocab\" is no object");
    if (medvl_cursor_take(&cursor, '}'))
        return MEDVL_OK;
    do {
        struct medvl_span quoted;

        if (!medvl_cursor_string(&cursor, &quoted) ||
            !medvl_cursor_take(&cursor, ':'))
            return medvl_fail(err, MEDVL_EFORMAT, "\"vocab\" is damaged");
        rc = read_token(r, quoted, medvl_cursor_scalar(&cursor), err);
        if (rc < 0)
            return medvl_context(err, "\"vocab\"");
    } while (medvl_cursor_take(&cursor, ','));
    return MEDVL_OK;
}

/* "left right", or ["left", "right"]. */
static int read_merge(struct reading *r, struct medvl_cursor *cursor,
                      struct medvl_error *err)
{
    struct medvl_span quoted, other, left;
    struct medvl_span right = {0};
    const bool pair = medvl_cursor_take(cursor, '[');
    int rc;

    if (!medvl_cursor_string(cursor, &quoted) ||
        (pair && (!medvl_cursor_take(cursor, ',') ||
                  !medvl_cursor_string(cursor, &other) ||
                  !medvl_cursor_take(cursor, ']'))))
        return medvl_fail(err, MEDVL_EFORMAT, "a merge is no pair");
    rc = read_string(&r->name, &left, quoted, err);
    if (rc < 0)
        return rc;
    medvl_text_clear(&r->left);
    medvl_text_clear(&r->right);
    if (pair) {
        rc = append_spelled(r, &r->left, left, err);
        if (rc > 0)
            rc = read_string(&r->name, &right, other, err);
    } else {
        const char *space = memchr(left.data, ' ', left.size);

        if (!space)
            return medvl_fail(err, MEDVL_EFORMAT, "a merge has no space");
        right.data = space + 1;
        right.size = left.size - (size_t)(right.data - left.data);
        left.size = (size_t)(space - left.data);
        rc = append_spelled(r, &r->left, left, err);
    }
    if (rc >= 0 && r->left.size > 0)
        rc = append_spelled(r, &r->right, right, err);
    if (rc < 0)
        return rc;
    if (r->left.size == 0 || r->right.size == 0)
        return medvl_fail(err, MEDVL_EFORMAT,
                          "a merge is not spelled in bytes");
    return medvl_bpe_add_merge(r->tok->bpe, medvl_text_span(&r->left),
                               medvl_text_span(&r->right), err);
}

static int read_merges(struct reading *r, struct medvl_span span,
                       struct medvl_error *err)
{
    struct medvl_cursor cursor = {span.data, span.data + span.size};

    if (!medvl_cursor_take(&cursor, '['))
        return medvl_fail(err, MEDVL_EFORMAT, "\"merges\" is no array");
    if (medvl_cursor_take(&cursor, ']'))
        return MEDVL_OK;
    do {
        const int rc = read_merge(r, &cursor, err);

        if (rc < 0)
            return medvl_context(err, "\"merges\"");
    } while (medvl_cursor_take(&cursor, ','));
    if (!medvl_cursor_take(&cursor, ']'))
        return medvl_fail(err, MEDVL_EFORMAT, "\"merges\": not all pairs");
    return MEDVL_OK;
}

static bool is_false(struct medvl_span span)
{
    return !span.data || medvl_span_is(span, "null") ||
           medvl_span_is(span, "false") || medvl_span_is(span, "\"\"") ||
           medvl_span_is(span, "0") || medvl_span_is(span, "0.0");
}

/* Settings of the model that would change ids. */
static int check_model(const struct medvl_json_view *model,
                       struct medvl_error *err)
{
    static const char *const OFF[] = {"dropout", "continuing_subword_prefix",
                                      "end_of_word_suffix"};
    const struct medvl_span type = medvl_json_view_get(model, "type");

    if (type.data && !medvl_span_is(type, "\"BPE\""))
        return medvl_fail(err, MEDVL_EUNSUPPORTED,
                          "model %.*s: only byte-level \"BPE\" is read",
                          (int)(type.size < 40 ? type.size : 40), type.data);
    for (size_t i = 0; i < sizeof(OFF) / sizeof(OFF[0]); i++) {
        if (!is_false(medvl_json_view_get(model, OFF[i])))
            return medvl_fail(err, MEDVL_EUNSUPPORTED, "model with %s",
                              OFF[i]);
    }
    return MEDVL_OK;
}

/*
 * byte_fallback and unk_token are for what has no token.  Where every byte
 * has one they say nothing.
 */
static int check_bytes(const struct medvl_tokenizer *tok,
                       const struct medvl_json_view *model,
                       struct medvl_error *err)
{
    static const char *const NAMES[] = {"byte_fallback", "unk_token"};

    for (int byte = 0; byte < 256; byte++) {
        const char c = (char)byte;

        if (medvl_bpe_id(tok->bpe, (struct medvl_span){&c, 1}) >= 0)
            continue;
        for (size_t i = 0; i < sizeof(NAMES) / sizeof(NAMES[0]); i++) {
            if (!is_false(medvl_json_view_get(model, NAMES[i])))
                return medvl_fail(err, MEDVL_EUNSUPPORTED,
                                  "model with %s, and no token for byte "
                                  "0x%02x",
                                  NAMES[i], (unsigned)byte);
        }
    }
    return MEDVL_OK;
}

/* An added token that the vocabulary has too must have the same id there. */
static int check_added(const struct medvl_tokenizer *tok,
                       struct medvl_error *err)
{
    for (size_t i = 0; i < tok->added_count; i++) {
        const struct added *added = &tok->added[i];
        const struct medvl_span there = medvl_bpe_bytes(tok->bpe, added->id);
        const int32_t id = medvl_bpe_id(tok->bpe, added->content);

        if ((there.data && !medvl_span_equal(there, added->content)) ||
            (id >= 0 && id != added->id &&
             medvl_is_spelled_alike(added->content)))
            return medvl_fail(err, MEDVL_EFORMAT,
                              "added token %d \"%s\" has another id than "
                              "in the vocabulary",
                              added->id, added->content.data);
    }
    return MEDVL_OK;
}

static int read_model(struct reading *r, const struct medvl_json_view *root,
                      struct medvl_error *err)
{
    const struct medvl_span span = medvl_json_view_get(root, "model");
    struct medvl_tokenizer *tok = r->tok;
    struct medvl_json_view model = {0};
    struct medvl_span vocab, merges;
    int rc;

    if (!span.data)
        return medvl_fail(err, MEDVL_EFORMAT, "no \"model\"");
    rc = medvl_json_view_object(&model, span, err);
    if (rc == MEDVL_OK)
        rc = check_model(&model, err);
    if (rc < 0)
        goto done;
    vocab = medvl_json_view_get(&model, "vocab");
    merges = medvl_json_view_get(&model, "merges");
    if (!vocab.data || !merges.data) {
        rc = medvl_fail(err, MEDVL_EFORMAT, "model without %s",
                        vocab.data ? "merges" : "vocab");
        goto done;
    }
    /* Real files have about 20 bytes an entry; the tables grow if fewer. */
    rc = medvl_bpe_new(
        &tok->bpe, vocab.size / 20, merges.size / 20,
        medvl_span_is(medvl_json_view_get(&model, "ignore_merges"), "true"),
        err);
    if (rc == MEDVL_OK)
        rc = read_vocab(r, vocab, err);
    if (rc == MEDVL_OK)
        rc = read_merges(r, merges, err);
    if (rc == MEDVL_OK)
        rc = check_bytes(tok, &model, err);
    if (rc == MEDVL_OK)
        rc = check_added(tok, err);
    if (rc == MEDVL_OK && medvl_bpe_size(tok->bpe) > tok->size)
        tok->size = medvl_bpe_size(tok->bpe);
done:
    medvl_json_view_release(&model);
    return rc;
}

/* ---- the other parts --------------------------------------------------- */

static int read_normalizer(struct medvl_tokenizer *tok,
                           const struct medvl_json_view *root,
                           struct medvl_error *err)
{
    struct medvl_json *tree = NULL;
    const struct medvl_json *step;
    bool sequence;
    int rc = part_tree(&tree, root, "normalizer", PART_BYTES, err);

    if (rc < 0 || is_null(tree))
        goto done;
    sequence = strcmp(type_of(tree), "Sequence") == 0;
    step = sequence ? medvl_json_first(medvl_json_get(tree, "normalizers"))
                    : tree;
    while (step) {
        if (strcmp(type_of(step), "NFC") != 0) {
            rc = medvl_fail(err, MEDVL_EUNSUPPORTED, "normalizer \"%s\"",
                            type_of(step));
            break;
        }
        tok->nfc = true;
        step = sequence ? medvl_json_next(step) : NULL;
    }
done:
    medvl_json_free(tree);
    return rc;
}

/* A Split: by a regular expression, or by a string as it is. */
static int read_split(struct medvl_tokenizer *tok,
                      const struct medvl_json *step, struct medvl_error *err)
{
    const struct medvl_json *pattern = medvl_json_get(step, "pattern");
    const char *regex = medvl_json_string(medvl_json_get(pattern, "Regex"));
    const char *string = medvl_json_string(medvl_json_get(pattern, "String"));
    const char *behavior = medvl_json_string(medvl_json_get(step,
                                                            "behavior"));
    struct medvl_text quoted = {0};
    int rc = MEDVL_OK;

    if (!behavior || (!regex && !string))
        return medvl_fail(err, MEDVL_EFORMAT, "Split without a pattern");
    if (string && (!string[0] || strstr(string, "\\E")))
        return medvl_fail(err, MEDVL_EUNSUPPORTED, "Split by \"%s\"", string);
    if (string)
        rc = medvl_text_printf(&quoted, err, "\\Q%s\\E", string);
    if (rc == MEDVL_OK)
        rc = medvl_pretokenizer_add_regex(
            tok->pre, string ? medvl_text_span(&quoted) : medvl_span(regex),
            err);
    medvl_text_release(&quoted);
    if (rc < 0 || strcmp(behavior, "Isolated") == 0)
        return rc;
    /* Removing the gaps of a pattern that leaves none changes nothing. */
    if (strcmp(behavior, "Removed") == 0 &&
        medvl_json_true(medvl_json_get(step, "invert")) &&
        medvl_pretokenizer_covers(tok->pre))
        return rc;
    return medvl_fail(err, MEDVL_EUNSUPPORTED, "Split with behavior \"%s\"",
                      behavior);
}

static int read_step(struct medvl_tokenizer *tok,
                     const struct medvl_json *step, bool *byte_level,
                     struct medvl_error *err)
{
    const char *type = type_of(step);
    const struct medvl_json *value;

    if (*byte_level)
        return medvl_fail(err, MEDVL_EUNSUPPORTED, "%s behind ByteLevel",
                          type);
    if (strcmp(type, "Split") == 0)
        return read_split(tok, step, err);
    if (strcmp(type, "Digits") == 0)
        return medvl_pretokenizer_add_regex(
            tok->pre,
            medvl_span(medvl_json_true(medvl_json_get(step,
                                                      "individual_digits"))
                           ? "\\p{N}"
                           : "\\p{N}+"),
            err);
    if (strcmp(type, "ByteLevel") != 0)
        return medvl_fail(err, MEDVL_EUNSUPPORTED, "\"%s\"", type);
    *byte_level = true;
    if (medvl_json_true(medvl_json_get(step, "add_prefix_space")))
        return medvl_fail(err, MEDVL_EUNSUPPORTED, "add_prefix_space");
    value = medvl_json_get(step, "use_regex");
    if (value && !medvl_json_true(value))
        return MEDVL_OK;
    return medvl_pretokenizer_add_regex(
        tok->pre, medvl_span(medvl_pretokenizer_pattern("gpt2")), err);
}

static int read_pre_tokenizer(struct medvl_tokenizer *tok,
                              const struct medvl_json_view *root,
                              struct medvl_error *err)
{
    struct medvl_json *tree = NULL;
    const struct medvl_json *step;
    bool byte_level = false;
    bool sequence;
    int rc = part_tree(&tree, root, "pre_tokenizer", PART_BYTES, err);

    if (rc < 0)
        return rc;
    sequence = strcmp(type_of(tree), "Sequence") == 0;
    step = sequence ? medvl_json_first(medvl_json_get(tree, "pretokenizers"))
                    : tree;
    rc = medvl_pretokenizer_new(&tok->pre, err);
    while (step && !is_null(step) && rc == MEDVL_OK) {
        rc = read_step(tok, step, &byte_level, err);
        step = sequence ? medvl_json_next(step) : NULL;
    }
    if (rc == MEDVL_OK && !byte_level)
        rc = medvl_fail(err, MEDVL_EUNSUPPORTED, "none that is ByteLevel");
    medvl_json_free(tree);
    return rc < 0 ? medvl_context(err, "pre_tokenizer") : rc;
}

static int read_decoder(const struct medvl_json_view *root,
                        struct medvl_error *err)
{
    struct medvl_json *tree = NULL;
    int rc = part_tree(&tree, root, "decoder", PART_BYTES, err);

    if (rc == MEDVL_OK && strcmp(type_of(tree), "ByteLevel") != 0)
        rc = medvl_fail(err, MEDVL_EUNSUPPORTED, "decoder \"%s\"",
                        is_null(tree) ? "none" : type_of(tree));
    medvl_json_free(tree);
    return rc;
}

/* Ids of a TemplateProcessing's special token, by its name there. */
static int template_ids(struct medvl_tokenizer *tok, struct ids *to,
                        const struct medvl_json *template, const char *name,
                        struct medvl_error *err)
{
    const struct medvl_json *list;

    list = medvl_json_get(medvl_json_get(template, "special_tokens"), name);
    list = medvl_json_get(list, "ids");
    if (medvl_json_type(list) != MEDVL_JSON_ARRAY)
        return medvl_fail(err, MEDVL_EFORMAT,
                          "no ids for special token \"%s\"", name);
    for (list = medvl_json_first(list); list; list = medvl_json_next(list)) {
        const double id = medvl_json_number(list, -1);
        int rc;

        if (!(id >= 0 && id < tok->size) || id != (double)(int32_t)id ||
            !medvl_tokenizer_bytes(tok, (int32_t)id).data)
            return medvl_fail(err, MEDVL_EFORMAT,
                              "special token \"%s\" is no token", name);
        rc = medvl_grow(&to->items, &to->capacity, to->count + 1,
                        sizeof(*to->items), err);
        if (rc < 0)
            return rc;
        to->items[to->count++] = (int32_t)id;
    }
    return MEDVL_OK;
}

static int read_template(struct medvl_tokenizer *tok,
                         const struct medvl_json *template,
                         struct medvl_error *err)
{
    const struct medvl_json *piece;
    bool behind = false;

    piece = medvl_json_first(medvl_json_get(template, "single"));
    for (; piece; piece = medvl_json_next(piece)) {
        const struct medvl_json *special;
        const char *name;
        int rc;

        if (medvl_json_get(piece, "Sequence")) {
            if (behind)
                return medvl_fail(err, MEDVL_EUNSUPPORTED,
                                  "a template that gives the text twice");
            behind = true;
            continue;
        }
        special = medvl_json_get(piece, "SpecialToken");
        rc = medvl_json_get_string(&name, special, "id", err);
        if (rc == MEDVL_OK)
            rc = template_ids(tok, behind ? &tok->after : &tok->before,
                              template, name, err);
        if (rc < 0)
            return rc;
    }
    return MEDVL_OK;
}

static int read_post_processor(struct medvl_tokenizer *tok,
                               const struct medvl_json_view *root,
                               bool *has_template, struct medvl_error *err)
{
    struct medvl_json *tree = NULL;
    const struct medvl_json *step;
    bool sequence;
    int rc = part_tree(&tree, root, "post_processor", PART_BYTES, err);

    if (rc < 0)
        return rc;
    sequence = strcmp(type_of(tree), "Sequence") == 0;
    step = sequence ? medvl_json_first(medvl_json_get(tree, "processors"))
                    : tree;
    while (step && !is_null(step) && rc == MEDVL_OK) {
        const char *type = type_of(step);

        if (strcmp(type, "TemplateProcessing") == 0 && !*has_template) {
            *has_template = true;
            rc = read_template(tok, step, err);
        } else if (strcmp(type, "ByteLevel") != 0) {
            rc = medvl_fail(err, MEDVL_EUNSUPPORTED, "\"%s\"", type);
        }
        step = sequence ? medvl_json_next(step) : NULL;
    }
    medvl_json_free(tree);
    return rc < 0 ? medvl_context(err, "post_processor") : rc;
}

/* ---- tokenizer_config.json --------------------------------------------- */

/* A token by its text, or by {"content": text}; null is none. */
static int read_named(struct medvl_tokenizer *tok, int32_t *out,
                      const struct medvl_json *config, const char *name,
                      struct medvl_error *err)
{
    const struct medvl_json *value = medvl_json_get(config, name);
    const char *text;

    *out = -1;
    if (is_null(value))
        return MEDVL_OK;
    if (medvl_json_type(value) == MEDVL_JSON_OBJECT)
        value = medvl_json_get(value, "content");
    text = medvl_json_string(value);
    if (!text)
        return medvl_fail(err, MEDVL_EFORMAT, "\"%s\" is no text", name);
    *out = medvl_tokenizer_id(tok, medvl_span(text));
    if (*out < 0)
        return medvl_fail(err, MEDVL_EFORMAT,
                          "\"%s\" is \"%s\", which is no token", name, text);
    return MEDVL_OK;
}

static int set_around(struct ids *ids, const struct medvl_json *config,
                      const char *name, int32_t id, struct medvl_error *err)
{
    int rc;

    if (!medvl_json_true(medvl_json_get(config, name)) || id < 0)
        return MEDVL_OK;
    rc = medvl_grow(&ids->items, &ids->capacity, 1, sizeof(*ids->items),
                    err);
    if (rc == MEDVL_OK) {
        ids->items[0] = id;
        ids->count = 1;
    }
    return rc;
}

static int read_config(struct medvl_tokenizer *tok, const char *path,
                       bool has_template, struct medvl_error *err)
{
    struct medvl_json *config = NULL;
    int rc = medvl_json_read(&config, path, err);

    if (rc < 0)
        return rc;
    rc = read_named(tok, &tok->begin, config, "bos_token", err);
    if (rc == MEDVL_OK)
        rc = read_named(tok, &tok->end, config, "eos_token", err);
    if (rc == MEDVL_OK)
        rc = read_named(tok, &tok->pad, config, "pad_token", err);
    if (rc == MEDVL_OK && !has_template) {
        rc = set_around(&tok->before, config, "add_bos_token", tok->begin,
                        err);
        if (rc == MEDVL_OK)
            rc = set_around(&tok->after, config, "add_eos_token", tok->end,
                            err);
    }
    medvl_json_free(config);
    return rc < 0 ? medvl_context(err, "%s", path) : rc;
}

/* A part is not built in: if the model is of another kind, that is why. */
static int name_model(const struct medvl_json_view *root,
                      struct medvl_error *err)
{
    struct medvl_json_view model = {0};
    int rc = medvl_json_view_object(
        &model, medvl_json_view_get(root, "model"), NULL);

    if (rc == MEDVL_OK)
        rc = check_model(&model, err);
    medvl_json_view_release(&model);
    return MEDVL_EUNSUPPORTED;
}

/* ---- opening ----------------------------------------------------------- */

static int read_parts(struct medvl_tokenizer *tok, struct medvl_span file,
                      bool *has_template, struct medvl_error *err)
{
    struct medvl_json_view root = {0};
    struct reading r = {.tok = tok};
    int rc;

    memset(r.bytes, 0xFF, sizeof(r.bytes));
    for (int byte = 0; byte < 256; byte++)
        r.bytes[medvl_byte_rune((unsigned char)byte)] = (int16_t)byte;
    rc = medvl_json_view_object(&root, file, err);
    if (rc == MEDVL_OK)
        rc = read_normalizer(tok, &root, err);
    if (rc == MEDVL_OK)
        rc = read_pre_tokenizer(tok, &root, err);
    if (rc == MEDVL_OK)
        rc = read_decoder(&root, err);
    if (rc == MEDVL_EUNSUPPORTED)
        rc = name_model(&root, err);
    if (rc == MEDVL_OK)
        rc = read_added(&r, &root, err);
    if (rc == MEDVL_OK)
        rc = read_model(&r, &root, err);
    if (rc == MEDVL_OK)
        rc = read_post_processor(tok, &root, has_template, err);
    medvl_json_view_release(&root);
    medvl_text_release(&r.name);
    medvl_text_release(&r.left);
    medvl_text_release(&r.right);
    return rc;
}

/* The path of tokenizer.json, and of the configuration beside it. */
static int find_files(char **file, char **config, const char *path,
                      struct medvl_error *err)
{
    const char *slash = strrchr(path, '/');
    char *folder;
    int rc;

    if (medvl_folder_exists(path)) {
        rc = medvl_path_join(file, path, "tokenizer.json", err);
        if (rc == MEDVL_OK)
            rc = medvl_path_join(config, path, "tokenizer_config.json", err);
        return rc;
    }
    folder = medvl_copy_string(path, slash ? (size_t)(slash + 1 - path) : 0);
    if (!folder)
        return medvl_no_memory(err);
    rc = medvl_path_join(file, "", path, err);
    if (rc == MEDVL_OK)
        rc = medvl_path_join(config, folder, "tokenizer_config.json", err);
    medvl_free(folder);
    return rc;
}

static int new_tokenizer(struct medvl_tokenizer **out,
                         struct medvl_span json, bool *has_template,
                         struct medvl_error *err)
{
    struct medvl_tokenizer *tok = medvl_alloc(1, sizeof(*tok));
    int rc;

    *out = NULL;
    if (!tok)
        return medvl_no_memory(err);
    tok->begin = tok->end = tok->pad = -1;
    rc = read_parts(tok, json, has_template, err);
    if (rc < 0) {
        medvl_tokenizer_free(tok);
        return rc;
    }
    *out = tok;
    return MEDVL_OK;
}

int medvl_tokenizer_new(struct medvl_tokenizer **out, struct medvl_span json,
                        struct medvl_error *err)
{
    bool has_template = false;

    return new_tokenizer(out, json, &has_template, err);
}

int medvl_tokenizer_open(struct medvl_tokenizer **out, const char *path,
                         struct medvl_error *err)
{
    struct medvl_tokenizer *tok = NULL;
    struct medvl_mapping map = {0};
    char *file = NULL;
    char *config = NULL;
    bool has_template = false;
    int rc;

    *out = NULL;
    rc = find_files(&file, &config, path, err);
    if (rc == MEDVL_OK)
        rc = medvl_mapping_open(&map, file, err);
    if (rc < 0)
        goto done;
    rc = new_tokenizer(
        &tok, (struct medvl_span){(const char *)map.data, map.size},
        &has_template, err);
    if (rc < 0)
        rc = medvl_context(err, "%s", file);
    else if (medvl_file_exists(config))
        rc = read_config(tok, config, has_template, err);
    if (rc < 0)
        goto done;
    *out = tok;
    tok = NULL;
done:
    medvl_tokenizer_free(tok);
    medvl_mapping_release(&map);
    medvl_free(file);
    medvl_free(config);
    return rc;
}

void medvl_tokenizer_free(struct medvl_tokenizer *tok)
{
    if (!tok)
        return;
    for (size_t i = 0; i < tok->added_count; i++) {
        if (tok->added[i].match.data != tok->added[i].content.data)
            medvl_free((void *)tok->added[i].match.data);
        medvl_free((void *)tok->added[i].content.data);
    }
    medvl_free(tok->added);
    medvl_free(tok->matchers[0].sorted);
    medvl_free(tok->matchers[1].sorted);
    medvl_free(tok->before.items);
    medvl_free(tok->after.items);
    medvl_pretokenizer_free(tok->pre);
    medvl_bpe_free(tok->bpe);
    medvl_free(tok);
}
