/*
 * Learning merges (Sennrich et al. 2016).  Words are counted once and kept
 * as lists of ids; pairs have counts and the words that they stand in, so a
 * merge touches only those words.  The next pair comes from a heap whose
 * entries are put right when they reach the top.
 *
 * Read next: tokenizer.c.
 */
#include <string.h>

#include "lib/base/hash.h"
#include "lib/base/mem.h"
#include "lib/text/bpe.h"

struct word {
    size_t offset; /* of its bytes, and of its ids */
    uint32_t size;
    uint32_t length; /* in ids */
    int64_t count;
};

struct pair {
    int32_t left, right;
    int64_t count;
    uint32_t *words; /* may hold one that has it no more */
    size_t word_count, word_capacity;
    bool queued; /* since its words last grew */
};

struct medvl_bpe_trainer {
    struct medvl_text blob;
    struct word *words;
    size_t word_count, word_capacity;
    uint32_t *table; /* word + 1 by hash of bytes */
    size_t table_size;
    int32_t *ids; /* of all words, where their bytes are */
    struct pair *pairs;
    size_t pair_count, pair_capacity;
    uint32_t *pair_table; /* pair + 1 by its ids */
    size_t pair_table_size;
    struct entry {
        int64_t count;
        uint32_t pair;
    } * heap;
    size_t heap_count, heap_capacity;
    struct medvl_bpe *tokens;
    struct medvl_bpe_merge *merges;
    size_t merge_count, merge_capacity;
    uint32_t *changed; /* pairs that a merge made or fed */
    size_t changed_count, changed_capacity;
};

int medvl_bpe_trainer_new(struct medvl_bpe_trainer **out,
                          struct medvl_error *err)
{
    *out = medvl_alloc(1, sizeof(**out));
    return *out ? MEDVL_OK : medvl_no_memory(err);
}

void medvl_bpe_trainer_free(struct medvl_bpe_trainer *trainer)
{
    if (!trainer)
        return;
    for (size_t i = 0; i < trainer->pair_count; i++)
        medvl_free(trainer->pairs[i].words);
    medvl_text_release(&trainer->blob);
    medvl_free(trainer->words);
    medvl_free(trainer->table);
    medvl_free(trainer->ids);
    medvl_free(trainer->pairs);
    medvl_free(trainer->pair_table);
    medvl_free(trainer->heap);
    medvl_bpe_free(trainer->tokens);
    medvl_free(trainer->merges);
    medvl_free(trainer->changed);
    medvl_free(trainer);
}

/* ---- words -------------------------------------------------------------- */

/* The word's slot, or the free one where it belongs. */
static size_t word_slot(const struct medvl_bpe_trainer *t,
                        struct medvl_span word)
{
    const size_t mask = t->table_size - 1;
    size_t i = medvl_hash64(word.data, word.size) & mask;

    for (; t->table[i]; i = (i + 1) & mask) {
        const struct word *w = &t->words[t->table[i] - 1];

        if (w->size == word.size &&
            memcmp(t->blob.data + w->offset, word.data, word.size) == 0)
            break;
    }
    return i;
}

static int words_rehash(struct medvl_bpe_trainer *t, struct medvl_error *err)
{
    const size_t size = t->table_size ? t->table_size * 2 : 1 << 12;
    uint32_t *table = medvl_alloc(size, sizeof(*table));

    if (!table)
        return medvl_no_memory(err);
    medvl_free(t->table);
    t->table = table;
    t->table_size = size;
    for (size_t i = 0; i < t->word_count; i++) {
        const struct medvl_span word = {t->blob.data + t->words[i].offset,
                                        t->words[i].size};

        table[word_slot(t, word)] = (uint32_t)i + 1;
    }
    return MEDVL_OK;
}

int medvl_bpe_trainer_add(struct medvl_bpe_trainer *trainer,
                          struct medvl_span word, struct medvl_error *err)
{
    size_t slot;
    int rc = MEDVL_OK;

    if (word.size == 0 || word.size > UINT32_MAX ||
        trainer->word_count >= UINT32_MAX - 1)
        return medvl_fail(err, MEDVL_EARG, "a word of %zu bytes",
                          word.size);
    if ((trainer->word_count + 1) * 2 > trainer->table_size)
        rc = words_rehash(trainer, err);
    if (rc < 0)
        return rc;
    slot = word_slot(trainer, word);
    if (trainer->table[slot]) {
        trainer->words[trainer->table[slot] - 1].count++;
        return MEDVL_OK;
    }
    rc = medvl_grow(&trainer->words, &trainer->word_capacity,
                    trainer->word_count + 1, sizeof(*trainer->words), err);
    if (rc < 0)
        return rc;
    const size_t offset = trainer->blob.size;

    rc = medvl_text_append(&trainer->blob, word.data, word.size, err);
    if (rc < 0)
        return rc;
    trainer->words[trainer->word_count] = (struct word){
        offset, (uint32_t)word.size, (uint32_t)word.size, 1};
    trainer->word_count++;
    trainer->table[slot] = (uint32_t)trainer->word_count;
    return MEDVL_OK;
}

/* ---- pairs -------------------------------------------------------------- */

static size_t pair_slot(const struct medvl_bpe_trainer *t, int32_t left,
                        int32_t right)
{
    const size_t mask = t->pair_table_size - 1;
    uint64_t key = (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
    size_t i;

    key *= UINT64_C(0x9E3779B97F4A7C15);
    for (i = (key ^ key >> 32) & mask; t->pair_table[i];
         i = (i + 1) & mask) {
        const struct pair *pair = &t->pairs[t->pair_table[i] - 1];

        if (pair->left == left && pair->right == right)
            break;
    }
    return i;
}

static int pairs_rehash(struct medvl_bpe_trainer *t, struct medvl_error *err)
{
    const size_t size = t->pair_table_size ? t->pair_table_size * 2 : 1 << 12;
    uint32_t *table = medvl_alloc(size, sizeof(*table));

    if (!table)
        return medvl_no_memory(err);
    medvl_free(t->pair_table);
    t->pair_table = table;
    t->pair_table_size = size;
    for (size_t i = 0; i < t->pair_count; i++)
        table[pair_slot(t, t->pairs[i].left, t->pairs[i].right)] =
            (uint32_t)i + 1;
    return MEDVL_OK;
}

/* Add `count` (it may be negative) to a pair that stands in `word`. */
static int pair_count(struct medvl_bpe_trainer *t, int32_t left,
                      int32_t right, uint32_t word, int64_t count,
                      struct medvl_error *err)
{
    struct pair *pair;
    size_t slot;
    int rc = MEDVL_OK;

    if ((t->pair_count + 1) * 2 > t->pair_table_size)
        rc = pairs_rehash(t, err);
    if (rc == MEDVL_OK)
        rc = medvl_grow(&t->pairs, &t->pair_capacity, t->pair_count + 1,
                        sizeof(*t->pairs), err);
    if (rc == MEDVL_OK)
        rc = medvl_grow(&t->changed, &t->changed_capacity,
                        t->changed_count + 1, sizeof(*t->changed), err);
    if (rc < 0)
        return rc;
    slot = pair_slot(t, left, right);
    if (!t->pair_table[slot]) {
        t->pairs[t->pair_count++] =
            (struct pair){.left = left, .right = right};
        t->pair_table[slot] = (uint32_t)t->pair_count;
    }
    pair = &t->pairs[t->pair_table[slot] - 1];
    pair->count += count;
    if (count < 0)
        return MEDVL_OK;
    if (!pair->queued) {
        pair->queued = true;
        t->changed[t->changed_count++] = t->pair_table[slot] - 1;
    }
    if (pair->word_count > 0 && pair->words[pair->word_count - 1] == word)
        return MEDVL_OK;
    rc = medvl_grow(&pair->words, &pair->word_capacity, pair->word_count + 1,
                    sizeof(*pair->words), err);
    if (rc == MEDVL_OK)
        pair->words[pair->word_count++] = word;
    return rc;
}

/* ---- the heap ----------------------------------------------------------- */

/* Does `a` come before `b`: larger count, then smaller ids? */
static bool before(const struct medvl_bpe_trainer *t, struct entry a,
                   struct entry b)
{
    const struct pair *x = &t->pairs[a.pair];
    const struct pair *y = &t->pairs[b.pair];

    if (a.count != b.count)
        return a.count > b.count;
    if (x->left != y->left)
        return x->left < y->left;
    return x->right < y->right;
}

static int push(struct medvl_bpe_trainer *t, uint32_t pair,
                struct medvl_error *err)
{
    const struct entry entry = {t->pairs[pair].count, pair};
    size_t i = t->heap_count;
    const int rc = medvl_grow(&t->heap, &t->heap_capacity, i + 1,
                              sizeof(*t->heap), err);

    if (rc < 0)
        return rc;
    t->heap_count++;
    while (i > 0 && before(t, entry, t->heap[(i - 1) / 2])) {
        t->heap[i] = t->heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    t->heap[i] = entry;
    return MEDVL_OK;
}

static struct entry pop(struct medvl_bpe_trainer *t)
{
    const struct entry top = t->heap[0];
    const struct entry last = t->heap[--t->heap_count];
    size_t i = 0;

    for (;;) {
        size_t child = 2 * i + 1;

        if (child >= t->heap_count)
            break;
        if (child + 1 < t->heap_count &&
            before(t, t->heap[child + 1], t->heap[child]))
            child++;
        if (!before(t, t->heap[child], last))
            break;
        t->heap[i] = t->heap[child];
        i = child;
    }
    t->heap[i] = last;
    return top;
}

/* Queue every pair that gained since the last call. */
static int push_changed(struct medvl_bpe_trainer *t, struct medvl_error *err)
{
    for (size_t i = 0; i < t->changed_count; i++) {
        struct pair *pair = &t->pairs[t->changed[i]];

        pair->queued = false;
        if (pair->count > 0) {
            const int rc = push(t, t->changed[i], err);

            if (rc < 0)
                return rc;
        }
    }
    t->changed_count = 0;
    return MEDVL_OK;
}

/* ---- training ----------------------------------------------------------- */

static int begin(struct medvl_bpe_trainer *t, const int32_t bytes[256],
                 int32_t size, struct medvl_error *err)
{
    int rc = medvl_bpe_new(&t->tokens, (size_t)size, 0, false, err);

    for (int byte = 0; byte < 256 && rc == MEDVL_OK; byte++) {
        const char c = (char)byte;

        rc = medvl_bpe_add_token(t->tokens, bytes[byte],
                                 (struct medvl_span){&c, 1}, err);
    }
    if (rc < 0)
        return rc;
    t->ids = medvl_alloc(t->blob.size, sizeof(*t->ids));
    if (!t->ids)
        return medvl_no_memory(err);
    for (size_t i = 0; i < t->blob.size; i++)
        t->ids[i] = bytes[(unsigned char)t->blob.data[i]];
    for (size_t i = 0; i < t->word_count; i++) {
        const struct word *word = &t->words[i];
        const int32_t *ids = t->ids + word->offset;

        for (uint32_t k = 0; k + 1 < word->length && rc == MEDVL_OK; k++)
            rc = pair_count(t, ids[k], ids[k + 1], (uint32_t)i, word->count,
                            err);
        if (rc < 0)
            return rc;
    }
    return push_changed(t, err);
}

/*
 * Join the pair wherever it stands in the word, counting its neighbours
 * out and the new pairs in.
 */
static int merge_word(struct medvl_bpe_trainer *t, uint32_t index,
                      const struct medvl_bpe_merge *merge,
                      struct medvl_error *err)
{
    struct word *word = &t->words[index];
    int32_t *ids = t->ids + word->offset;
    const int64_t count = word->count;
    uint32_t to = 0;
    int rc = MEDVL_OK;

    for (uint32_t from = 0; from < word->length; from++, to++) {
        if (from + 1 >= word->length || ids[from] != merge->left ||
            ids[from + 1] != merge->right) {
            ids[to] = ids[from];
            continue;
        }
        if (to > 0) {
            rc = pair_count(t, ids[to - 1], merge->left, index, -count, err);
            if (rc == MEDVL_OK)
                rc = pair_count(t, ids[to - 1], merge->made, index, count,
                                err);
        }
        if (rc == MEDVL_OK && from + 2 < word->length) {
            const int32_t next = ids[from + 2];

            rc = pair_count(t, merge->right, next, index, -count, err);
            if (rc == MEDVL_OK)
                rc = pair_count(t, merge->made, next, index, count, err);
        }
        if (rc < 0)
            return rc;
        ids[to] = merge->made;
        from++;
    }
    word->length = to;
    return MEDVL_OK;
}

/* The token of the pair's bytes; a new one unless it is there already. */
static int32_t joined_token(struct medvl_bpe_trainer *t, int32_t left,
                            int32_t right, struct medvl_error *err)
{
    const struct medvl_span a = medvl_bpe_bytes(t->tokens, left);
    const struct medvl_span b = medvl_bpe_bytes(t->tokens, right);
    struct medvl_text both = {0};
    int32_t id = 0;
    int rc = medvl_text_append(&both, a.data, a.size, err);

    if (rc == MEDVL_OK)
        rc = medvl_text_append(&both, b.data, b.size, err);
    if (rc == MEDVL_OK) {
        id = medvl_bpe_id(t->tokens, medvl_text_span(&both));
        if (id < 0) {
            id = medvl_bpe_size(t->tokens);
            rc = medvl_bpe_add_token(t->tokens, id, medvl_text_span(&both),
                                     err);
        }
    }
    medvl_text_release(&both);
    return rc < 0 ? rc : id;
}

static int learn(struct medvl_bpe_trainer *t, uint32_t index,
                 struct medvl_error *err)
{
    struct medvl_bpe_merge merge = {t->pairs[index].left,
                                    t->pairs[index].right, 0};
    uint32_t *words = t->pairs[index].words;
    const size_t count = t->pairs[index].word_count;
    int rc;

    merge.made = joined_token(t, merge.left, merge.right, err);
    if (merge.made < 0)
        return merge.made;
    rc = medvl_grow(&t->merges, &t->merge_capacity, t->merge_count + 1,
                    sizeof(*t->merges), err);
    if (rc == MEDVL_OK)
        t->merges[t->merge_count++] = merge;
    /* The pair's words are done with; it may come again with others. */
    t->pairs[index].words = NULL;
    t->pairs[index].word_count = t->pairs[index].word_capacity = 0;
    for (size_t i = 0; i < count && rc == MEDVL_OK; i++)
        rc = merge_word(t, words[i], &merge, err);
    medvl_free(words);
    return rc == MEDVL_OK ? push_changed(t, err) : rc;
}

int medvl_bpe_trainer_run(struct medvl_bpe_trainer *trainer,
                          const struct medvl_bpe_merge **merges,
                          size_t *count, int32_t *tokens,
                          const int32_t bytes[256], int32_t size,
                          struct medvl_error *err)
{
    struct medvl_bpe_trainer *t = trainer;
    int rc;

    if (size < 256 || size > MEDVL_BPE_IDS)
        return medvl_fail(err, MEDVL_EARG, "a vocabulary of %d entries",
                          size);
    rc = begin(t, bytes, size, err);
    while (rc == MEDVL_OK && medvl_bpe_size(t->tokens) < size &&
           t->heap_count > 0) {
        const struct entry top = pop(t);
        const struct pair *pair = &t->pairs[top.pair];

        if (pair->count != top.count) {
            if (pair->count > 0)
                rc = push(t, top.pair, err);
        } else if (pair->word_count > 0) {
            rc = learn(t, top.pair, err);
        }
    }
    if (rc < 0)
        return rc;
    *merges = t->merges;
    *count = t->merge_count;
    *tokens = medvl_bpe_size(t->tokens);
    return MEDVL_OK;
}
