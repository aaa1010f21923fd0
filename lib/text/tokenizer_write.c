/*
 * Making a tokenizer.json: one that is there with more added tokens, and a
 * new one from texts.
 *
 * Read next: template.h.
 */
#include <string.h>

#include "lib/base/file.h"
#include "lib/base/json.h"
#include "lib/base/mem.h"
#include "lib/text/tokenizer_parts.h"

/* ---- more added tokens ------------------------------------------------- */

/* An entry of "added_tokens": as it stands, or new. */
struct entry {
    int64_t id;
    struct medvl_span json; /* of a new one: NULL */
    const struct medvl_added_token *token;
};

struct extension {
    struct medvl_tokenizer *tok;
    struct medvl_json_view root, list;
    struct entry *entries;
    size_t count;
};

/* The entries that the file has, with their ids. */
static int read_entries(struct extension *e, size_t more,
                        struct medvl_error *err)
{
    struct medvl_span span = medvl_json_view_get(&e->root, "added_tokens");
    int rc;

    if (!span.data || medvl_span_is(span, "null"))
        span = medvl_span("[]");
    rc = medvl_json_view_array(&e->list, span, err);
    if (rc < 0)
        return rc;
    e->entries = medvl_alloc(e->list.count + more, sizeof(*e->entries));
    if (!e->entries)
        return medvl_no_memory(err);
    for (size_t i = 0; i < e->list.count && rc == MEDVL_OK; i++) {
        struct entry *entry = &e->entries[e->count++];
        struct medvl_json *tree = NULL;

        entry->json = e->list.members[i].value;
        rc = medvl_json_parse(&tree, entry->json, err);
        if (rc == MEDVL_OK)
            rc = medvl_json_get_int(&entry->id, tree, "id", 0,
                                    MEDVL_BPE_IDS - 1, err);
        medvl_json_free(tree);
    }
    return rc;
}

/* Put the new token where its id belongs. */
static void insert_entry(struct extension *e,
                         const struct medvl_added_token *token, int64_t id)
{
    size_t at = e->count++;

    while (at > 0 && e->entries[at - 1].id > id) {
        e->entries[at] = e->entries[at - 1];
        at--;
    }
    e->entries[at] = (struct entry){id, {NULL, 0}, token};
}

static int add_entries(struct extension *e,
                       const struct medvl_added_token *tokens, size_t count,
                       struct medvl_error *err)
{
    int64_t next = medvl_tokenizer_size(e->tok);

    for (size_t i = 0; i < count; i++) {
        const struct medvl_span content = medvl_span(tokens[i].content);
        int64_t id = medvl_tokenizer_id(e->tok, content);
        const bool added = id >= 0 &&
                           medvl_tokenizer_is_added(e->tok, (int32_t)id);
        bool twice = false;

        if (content.size == 0 || content.size > ADDED_BYTES)
            return medvl_fail(err, MEDVL_EARG, "an added token of %zu bytes",
                              content.size);
        for (size_t k = 0; k < i; k++)
            twice = twice ||
                    strcmp(tokens[k].content, tokens[i].content) == 0;
        if (twice || added)
            continue;
        if (medvl_model_spelled(&e->tok->model, content) < 0)
            id = next++;
        if (id >= MEDVL_BPE_IDS)
            return medvl_fail(err, MEDVL_EARG, "no id is left");
        insert_entry(e, &tokens[i], id);
    }
    return MEDVL_OK;
}

static int write_entries(struct extension *e, struct medvl_text *out,
                         struct medvl_error *err)
{
    struct medvl_json_writer w = {.out = out};

    medvl_json_begin(&w, NULL, '[');
    for (size_t i = 0; i < e->count; i++) {
        const struct entry *entry = &e->entries[i];

        if (!entry->token) {
            medvl_json_put_raw(&w, NULL, entry->json);
            continue;
        }
        medvl_json_begin(&w, NULL, '{');
        medvl_json_put_int(&w, "id", entry->id);
        medvl_json_put_string(&w, "content",
                              medvl_span(entry->token->content));
        medvl_json_put_bool(&w, "single_word", false);
        medvl_json_put_bool(&w, "lstrip", false);
        medvl_json_put_bool(&w, "rstrip", false);
        medvl_json_put_bool(&w, "normalized", false);
        medvl_json_put_bool(&w, "special", entry->token->special);
        medvl_json_end(&w);
    }
    medvl_json_end(&w);
    return medvl_json_write_end(&w, err);
}

int medvl_tokenizer_extend(const char *from, const char *to,
                           const struct medvl_added_token *tokens,
                           size_t count, struct medvl_error *err)
{
    struct extension e = {0};
    struct medvl_mapping file = {0};
    struct medvl_text list = {0};
    struct medvl_text out = {0};
    int rc = medvl_tokenizer_open(&e.tok, from, err);

    if (rc == MEDVL_OK)
        rc = medvl_mapping_open(&file, from, err);
    if (rc == MEDVL_OK)
        rc = medvl_json_view_object(
            &e.root,
            (struct medvl_span){(const char *)file.data, file.size}, err);
    if (rc == MEDVL_OK)
        rc = read_entries(&e, count, err);
    if (rc == MEDVL_OK)
        rc = add_entries(&e, tokens, count, err);
    if (rc == MEDVL_OK)
        rc = write_entries(&e, &list, err);
    if (rc == MEDVL_OK)
        rc = medvl_json_view_set(&e.root, "added_tokens",
                                 medvl_text_span(&list), err);
    if (rc == MEDVL_OK)
        rc = medvl_json_view_write(&out, &e.root, err);
    if (rc == MEDVL_OK)
        rc = medvl_file_write(to, out.data, out.size, err);
    medvl_tokenizer_free(e.tok);
    medvl_json_view_release(&e.root);
    medvl_json_view_release(&e.list);
    medvl_free(e.entries);
    medvl_mapping_release(&file);
    medvl_text_release(&list);
    medvl_text_release(&out);
    return rc;
}

/* ---- a new one --------------------------------------------------------- */

struct medvl_tokenizer_trainer {
    const char *regex;
    struct medvl_pretokenizer *pre;
    struct medvl_splitter *splitter;
    struct medvl_bpe_trainer *words;
};

int medvl_tokenizer_trainer_new(struct medvl_tokenizer_trainer **out,
                                const char *pattern, struct medvl_error *err)
{
    struct medvl_tokenizer_trainer *t;
    const char *regex = medvl_pretokenizer_pattern(pattern);
    int rc;

    *out = NULL;
    if (!regex)
        return medvl_fail(err, MEDVL_EARG, "no pattern \"%s\"", pattern);
    t = medvl_alloc(1, sizeof(*t));
    if (!t)
        return medvl_no_memory(err);
    t->regex = regex;
    rc = medvl_pretokenizer_new(&t->pre, err);
    if (rc == MEDVL_OK)
        rc = medvl_pretokenizer_add_regex(t->pre, medvl_span(regex), err);
    if (rc == MEDVL_OK)
        rc = medvl_splitter_new(&t->splitter, t->pre, err);
    if (rc == MEDVL_OK)
        rc = medvl_bpe_trainer_new(&t->words, err);
    if (rc < 0) {
        medvl_tokenizer_trainer_free(t);
        return rc;
    }
    *out = t;
    return MEDVL_OK;
}

void medvl_tokenizer_trainer_free(struct medvl_tokenizer_trainer *trainer)
{
    if (!trainer)
        return;
    medvl_splitter_free(trainer->splitter);
    medvl_pretokenizer_free(trainer->pre);
    medvl_bpe_trainer_free(trainer->words);
    medvl_free(trainer);
}

int medvl_tokenizer_trainer_add(struct medvl_tokenizer_trainer *trainer,
                                struct medvl_span text,
                                struct medvl_error *err)
{
    const size_t valid = medvl_utf8_valid(text.data, text.size);
    size_t start = 0;
    size_t ends[256];

    if (valid < text.size)
        return medvl_fail(err, MEDVL_EFORMAT, "byte %zu is not UTF-8",
                          valid + 1);
    medvl_splitter_begin(trainer->splitter, text);
    for (;;) {
        const int count = medvl_splitter_next(trainer->splitter, ends, 256,
                                              err);

        if (count <= 0)
            return count;
        for (int i = 0; i < count; i++) {
            const struct medvl_span word = {text.data + start,
                                            ends[i] - start};
            const int rc = medvl_bpe_trainer_add(trainer->words, word, err);

            if (rc < 0)
                return rc;
            start = ends[i];
        }
    }
}

/* Tokens as bytes while they are written: offsets into one text. */
struct spelled {
    struct medvl_text text;
    size_t *ends;
};

static struct medvl_span spelling(const struct spelled *s, int32_t id)
{
    const size_t start = id > 0 ? s->ends[id - 1] : 0;

    return (struct medvl_span){s->text.data + start, s->ends[id] - start};
}

/* The spelling of every token: of the 256 bytes, then of the merges. */
static int spell(struct spelled *s, const int32_t bytes[256],
                 const struct medvl_bpe_merge *merges, size_t count,
                 int32_t tokens, struct medvl_error *err)
{
    int32_t next = 256;
    int rc = MEDVL_OK;

    s->ends = medvl_alloc((size_t)tokens, sizeof(*s->ends));
    if (!s->ends)
        return medvl_no_memory(err);
    for (int32_t id = 0; id < 256 && rc == MEDVL_OK; id++) {
        char rune[4];
        int byte = 0;

        while (bytes[byte] != id)
            byte++;
        rc = medvl_text_append(
            &s->text, rune,
            (size_t)medvl_utf8_encode(
                rune, medvl_byte_rune((unsigned char)byte)),
            err);
        s->ends[id] = s->text.size;
    }
    for (size_t i = 0; i < count && rc == MEDVL_OK; i++) {
        const struct medvl_span left = spelling(s, merges[i].left);
        const struct medvl_span right = spelling(s, merges[i].right);
        const size_t offsets[2] = {(size_t)(left.data - s->text.data),
                                   (size_t)(right.data - s->text.data)};

        if (merges[i].made != next) /* one that is there already */
            continue;
        rc = medvl_text_reserve(&s->text, left.size + right.size, err);
        if (rc == MEDVL_OK)
            rc = medvl_text_append(&s->text, s->text.data + offsets[0],
                                   left.size, err);
        if (rc == MEDVL_OK)
            rc = medvl_text_append(&s->text, s->text.data + offsets[1],
                                   right.size, err);
        s->ends[next++] = s->text.size;
    }
    return rc;
}

static void put_byte_level(struct medvl_json_writer *w, const char *name,
                           bool use_regex)
{
    medvl_json_begin(w, name, '{');
    medvl_json_put_string(w, "type", medvl_span("ByteLevel"));
    medvl_json_put_bool(w, "add_prefix_space", false);
    medvl_json_put_bool(w, "trim_offsets", false);
    medvl_json_put_bool(w, "use_regex", use_regex);
    medvl_json_end(w);
}

static void put_parts(struct medvl_json_writer *w, const char *regex)
{
    const bool gpt2 = strcmp(regex, medvl_pretokenizer_pattern("gpt2")) == 0;

    medvl_json_put_string(w, "version", medvl_span("1.0"));
    medvl_json_put_null(w, "truncation");
    medvl_json_put_null(w, "padding");
    medvl_json_begin(w, "added_tokens", '[');
    medvl_json_end(w);
    medvl_json_put_null(w, "normalizer");
    if (gpt2) {
        put_byte_level(w, "pre_tokenizer", true);
    } else {
        medvl_json_begin(w, "pre_tokenizer", '{');
        medvl_json_put_string(w, "type", medvl_span("Sequence"));
        medvl_json_begin(w, "pretokenizers", '[');
        medvl_json_begin(w, NULL, '{');
        medvl_json_put_string(w, "type", medvl_span("Split"));
        medvl_json_begin(w, "pattern", '{');
        medvl_json_put_string(w, "Regex", medvl_span(regex));
        medvl_json_end(w);
        medvl_json_put_string(w, "behavior", medvl_span("Isolated"));
        medvl_json_put_bool(w, "invert", false);
        medvl_json_end(w);
        put_byte_level(w, NULL, false);
        medvl_json_end(w);
        medvl_json_end(w);
    }
    put_byte_level(w, "post_processor", true);
    put_byte_level(w, "decoder", true);
}

/* "vocab" as one value: names hold what the writer's names may not. */
static int put_vocab(struct medvl_json_writer *w, const struct spelled *s,
                     int32_t tokens, struct medvl_error *err)
{
    struct medvl_text json = {0};
    int rc = medvl_text_putc(&json, '{', err);

    for (int32_t id = 0; id < tokens && rc == MEDVL_OK; id++) {
        if (id > 0)
            rc = medvl_text_putc(&json, ',', err);
        if (rc == MEDVL_OK)
            rc = medvl_json_quote(&json, spelling(s, id), err);
        if (rc == MEDVL_OK)
            rc = medvl_text_printf(&json, err, ":%d", id);
    }
    if (rc == MEDVL_OK)
        rc = medvl_text_putc(&json, '}', err);
    if (rc == MEDVL_OK)
        medvl_json_put_raw(w, "vocab", medvl_text_span(&json));
    medvl_text_release(&json);
    return rc;
}

static int put_model(struct medvl_json_writer *w, const struct spelled *s,
                     const struct medvl_bpe_merge *merges, size_t count,
                     int32_t tokens, struct medvl_error *err)
{
    int rc;

    medvl_json_begin(w, "model", '{');
    medvl_json_put_string(w, "type", medvl_span("BPE"));
    medvl_json_put_null(w, "dropout");
    medvl_json_put_null(w, "unk_token");
    medvl_json_put_null(w, "continuing_subword_prefix");
    medvl_json_put_null(w, "end_of_word_suffix");
    medvl_json_put_bool(w, "fuse_unk", false);
    medvl_json_put_bool(w, "byte_fallback", false);
    medvl_json_put_bool(w, "ignore_merges", false);
    rc = put_vocab(w, s, tokens, err);
    medvl_json_begin(w, "merges", '[');
    for (size_t i = 0; i < count; i++) {
        medvl_json_begin(w, NULL, '[');
        medvl_json_put_string(w, NULL, spelling(s, merges[i].left));
        medvl_json_put_string(w, NULL, spelling(s, merges[i].right));
        medvl_json_end(w);
    }
    medvl_json_end(w);
    medvl_json_end(w);
    return rc;
}

/* Ids of the bytes: in the order of the characters that spell them. */
static void byte_ids(int32_t bytes[256])
{
    int32_t next = 0;

    for (uint32_t rune = 0; next < 256; rune++) {
        for (int byte = 0; byte < 256; byte++) {
            if (medvl_byte_rune((unsigned char)byte) == rune)
                bytes[byte] = next++;
        }
    }
}

int medvl_tokenizer_trainer_write(struct medvl_tokenizer_trainer *trainer,
                                  const char *path, int32_t size,
                                  struct medvl_error *err)
{
    const struct medvl_bpe_merge *merges = NULL;
    struct medvl_text out = {0};
    struct medvl_json_writer w = {.out = &out};
    struct spelled s = {0};
    int32_t bytes[256];
    size_t count = 0;
    int32_t made = 0;
    int rc;

    byte_ids(bytes);
    rc = medvl_bpe_trainer_run(trainer->words, &merges, &count, &made, bytes,
                               size, err);
    if (rc == MEDVL_OK && made < size)
        rc = medvl_fail(err, MEDVL_EARG,
                        "the texts give %d entries and no more, not %d: "
                        "ask for fewer, or give more text",
                        made, size);
    if (rc == MEDVL_OK)
        rc = spell(&s, bytes, merges, count, made, err);
    if (rc < 0)
        goto done;
    medvl_json_begin(&w, NULL, '{');
    put_parts(&w, trainer->regex);
    rc = put_model(&w, &s, merges, count, made, err);
    if (rc < 0)
        goto done;
    medvl_json_end(&w);
    rc = medvl_json_write_end(&w, err);
    if (rc == MEDVL_OK)
        rc = medvl_file_write(path, out.data, out.size, err);
done:
    medvl_text_release(&s.text);
    medvl_free(s.ends);
    medvl_text_release(&out);
    return rc;
}
