/*
 * Longest matches along a trie.  The tokens within a word stand in it with
 * their prefix, so such a match begins at the node behind the prefix.
 *
 * Read next: charsmap.c.
 */
#include "lib/text/wordpiece.h"

#include <string.h>

#include "lib/base/mem.h"
#include "lib/text/trie.h"

struct token {
    uint32_t offset, size;
    int32_t id;
};

struct medvl_wordpiece {
    struct medvl_text blob;
    struct token *tokens; /* in the order they came */
    size_t count, tokens_capacity;
    int32_t *by_id; /* index plus one; 0: no such id */
    size_t size, by_id_capacity;
    struct medvl_trie *trie; /* to indices */
    size_t max_characters;
    bool whole;
    bool has_inner;
    uint32_t inner; /* the node behind the prefix */
    int32_t unk;
};

int medvl_wordpiece_new(struct medvl_wordpiece **out,
                        struct medvl_error *err)
{
    *out = medvl_alloc(1, sizeof(**out));
    return *out ? MEDVL_OK : medvl_no_memory(err);
}

void medvl_wordpiece_free(struct medvl_wordpiece *wordpiece)
{
    if (!wordpiece)
        return;
    medvl_text_release(&wordpiece->blob);
    medvl_free(wordpiece->tokens);
    medvl_free(wordpiece->by_id);
    medvl_trie_free(wordpiece->trie);
    medvl_free(wordpiece);
}

/* Make ids below `size` possible. */
static int grow_ids(struct medvl_wordpiece *wordpiece, size_t size,
                    struct medvl_error *err)
{
    int rc;

    if (size <= wordpiece->size)
        return MEDVL_OK;
    rc = medvl_grow(&wordpiece->by_id, &wordpiece->by_id_capacity, size,
                    sizeof(*wordpiece->by_id), err);
    if (rc < 0)
        return rc;
    memset(wordpiece->by_id + wordpiece->size, 0,
           (size - wordpiece->size) * sizeof(*wordpiece->by_id));
    wordpiece->size = size;
    return MEDVL_OK;
}

int medvl_wordpiece_add_token(struct medvl_wordpiece *wordpiece, int32_t id,
                              struct medvl_span bytes,
                              struct medvl_error *err)
{
    const size_t at = wordpiece->count;
    const size_t offset = wordpiece->blob.size;
    int rc;

    if (id < 0 || id >= MEDVL_BPE_IDS ||
        bytes.size > (size_t)INT32_MAX - offset)
        return medvl_fail(err, MEDVL_EFORMAT,
                          "token id %d is out of range, or too large", id);
    rc = grow_ids(wordpiece, (size_t)id + 1, err);
    if (rc < 0)
        return rc;
    if (wordpiece->by_id[id])
        return medvl_fail(err, MEDVL_EFORMAT, "id %d is given twice", id);
    rc = medvl_grow(&wordpiece->tokens, &wordpiece->tokens_capacity, at + 1,
                    sizeof(*wordpiece->tokens), err);
    if (rc == MEDVL_OK)
        rc = medvl_text_append(&wordpiece->blob, bytes.data, bytes.size,
                               err);
    if (rc < 0)
        return rc;
    wordpiece->tokens[at] = (struct token){(uint32_t)offset,
                                           (uint32_t)bytes.size, id};
    wordpiece->by_id[id] = (int32_t)at + 1;
    wordpiece->count++;
    return MEDVL_OK;
}

static struct medvl_span token_bytes(const struct medvl_wordpiece *wordpiece,
                                     size_t at)
{
    const struct token *token = &wordpiece->tokens[at];
    struct medvl_span bytes = {"", token->size};

    if (token->size > 0)
        bytes.data = wordpiece->blob.data + token->offset;
    return bytes;
}

/* Whole words are looked up once, parts from every place in a word. */
static int check_sizes(const struct medvl_wordpiece *wordpiece,
                       struct medvl_error *err)
{
    for (size_t i = 0; i < wordpiece->count; i++) {
        if (wordpiece->tokens[i].size > MEDVL_WORDPIECE_BYTES)
            return medvl_fail(err, MEDVL_EUNSUPPORTED,
                              "token %d is of %u bytes; at most %d are "
                              "matched",
                              wordpiece->tokens[i].id,
                              wordpiece->tokens[i].size,
                              MEDVL_WORDPIECE_BYTES);
    }
    return MEDVL_OK;
}

int medvl_wordpiece_finish(struct medvl_wordpiece *wordpiece,
                           const struct medvl_wordpiece_options *options,
                           struct medvl_error *err)
{
    struct medvl_span *keys;
    int rc = options->whole ? MEDVL_OK : check_sizes(wordpiece, err);

    if (rc < 0)
        return rc;
    keys = medvl_alloc(wordpiece->count, sizeof(*keys));
    if (!keys)
        return medvl_no_memory(err);
    for (size_t i = 0; i < wordpiece->count; i++)
        keys[i] = token_bytes(wordpiece, i);
    rc = medvl_trie_new(&wordpiece->trie, keys, wordpiece->count, err);
    medvl_free(keys);
    if (rc < 0)
        return rc;
    wordpiece->max_characters = options->max_characters;
    wordpiece->whole = options->whole;
    wordpiece->unk = medvl_wordpiece_id(wordpiece, options->unk);
    wordpiece->inner = MEDVL_TRIE_ROOT;
    wordpiece->has_inner = true;
    for (size_t i = 0; i < options->prefix.size; i++) {
        if (medvl_trie_step(wordpiece->trie, &wordpiece->inner,
                            (unsigned char)options->prefix.data[i]) == -2) {
            wordpiece->has_inner = false;
            break;
        }
    }
    return MEDVL_OK;
}

int32_t medvl_wordpiece_size(const struct medvl_wordpiece *wordpiece)
{
    return (int32_t)wordpiece->size;
}

struct medvl_span
medvl_wordpiece_bytes(const struct medvl_wordpiece *wordpiece, int32_t id)
{
    if (id < 0 || (size_t)id >= wordpiece->size || !wordpiece->by_id[id])
        return (struct medvl_span){0};
    return token_bytes(wordpiece, (size_t)wordpiece->by_id[id] - 1);
}

int32_t medvl_wordpiece_id(const struct medvl_wordpiece *wordpiece,
                           struct medvl_span bytes)
{
    uint32_t node = MEDVL_TRIE_ROOT;
    int32_t at = -1;

    for (size_t i = 0; i < bytes.size; i++) {
        at = medvl_trie_step(wordpiece->trie, &node,
                             (unsigned char)bytes.data[i]);
        if (at == -2)
            return -1;
    }
    return at < 0 ? -1 : wordpiece->tokens[at].id;
}

/*
 * The index of the longest token from `node` on that [start, end) begins
 * with; -1: none.  *next is where it ends.
 */
static int32_t longest(const struct medvl_wordpiece *wordpiece,
                       uint32_t node, size_t *next, const char *data,
                       size_t start, size_t end)
{
    int32_t best = -1;

    for (size_t i = start; i < end; i++) {
        const int32_t at = medvl_trie_step(wordpiece->trie, &node,
                                           (unsigned char)data[i]);

        if (at == -2)
            break;
        /* A token of other bytes may end within a character. */
        if (at >= 0 && (i + 1 == end || (data[i + 1] & 0xC0) != 0x80)) {
            best = at;
            *next = i + 1;
        }
    }
    return best;
}

static bool is_too_long(const struct medvl_wordpiece *wordpiece,
                        struct medvl_span word)
{
    size_t characters = 0;

    for (size_t i = 0; i < word.size; i++)
        characters += (word.data[i] & 0xC0) != 0x80;
    return characters > wordpiece->max_characters;
}

/* Append the tokens of a word; false, with some there, if it is unknown. */
static int cut_word(const struct medvl_wordpiece *wordpiece,
                    struct medvl_tokens *out, struct medvl_span word,
                    size_t base, bool *known, struct medvl_error *err)
{
    uint32_t node = MEDVL_TRIE_ROOT;
    size_t next = 0;

    *known = false;
    for (size_t at = 0; at < word.size; at = next) {
        int32_t found;
        int rc;

        if (at > 0 && !wordpiece->has_inner)
            return MEDVL_OK;
        found = longest(wordpiece, node, &next, word.data, at, word.size);
        if (found < 0)
            return MEDVL_OK;
        rc = medvl_tokens_add(out, wordpiece->tokens[found].id, base + next,
                              err);
        if (rc < 0)
            return rc;
        node = wordpiece->inner;
    }
    *known = true;
    return MEDVL_OK;
}

static int encode_word(const struct medvl_wordpiece *wordpiece,
                       struct medvl_tokens *out, struct medvl_span word,
                       size_t base, struct medvl_error *err)
{
    const size_t before = out->count;
    bool known = false;
    int rc = MEDVL_OK;

    if (wordpiece->whole) {
        const int32_t id = medvl_wordpiece_id(wordpiece, word);

        known = id >= 0;
        if (known)
            rc = medvl_tokens_add(out, id, base + word.size, err);
    } else if (!is_too_long(wordpiece, word)) {
        rc = cut_word(wordpiece, out, word, base, &known, err);
    }
    if (rc < 0 || known)
        return rc;
    out->count = before;
    if (wordpiece->unk < 0)
        return medvl_fail(err, MEDVL_EFORMAT,
                          "\"%.*s\" is not in the vocabulary, nor is the "
                          "unknown token",
                          (int)(word.size < 64 ? word.size : 64), word.data);
    return medvl_tokens_add(out, wordpiece->unk, base + word.size, err);
}

int medvl_wordpiece_encode(const struct medvl_wordpiece *wordpiece,
                           struct medvl_tokens *out, struct medvl_span data,
                           size_t start, const size_t *ends, size_t count,
                           size_t base, struct medvl_error *err)
{
    const size_t before = out->count;

    for (size_t i = 0; i < count; start = ends[i++]) {
        const struct medvl_span word = {data.data + start, ends[i] - start};
        int rc = word.size ? encode_word(wordpiece, out, word, base + start,
                                         err)
                           : MEDVL_OK;

        if (rc == MEDVL_OK && out->count > MEDVL_BPE_TOKENS)
            rc = medvl_fail(err, MEDVL_EUNSUPPORTED, "more than %d tokens",
                            MEDVL_BPE_TOKENS);
        if (rc < 0) {
            out->count = before;
            return rc;
        }
    }
    return MEDVL_OK;
}
