/*
 * Added tokens: what a text is cut at before, and after, it is normalised.
 * The tokens of a level are sorted, and looked for byte by byte in the range
 * that still agrees.
 *
 * Read next: tokenizer_read.c.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/base/hash.h"
#include "lib/base/mem.h"
#include "lib/text/tokenizer_parts.h"
#include "lib/text/unicode.h"

/* ---- the list ----------------------------------------------------------- */

const struct added *medvl_tokenizer_added(const struct medvl_tokenizer *tok,
                                          int32_t id)
{
    size_t low = 0;
    size_t high = tok->added_count;

    while (low < high) {
        const size_t middle = low + (high - low) / 2;

        if (tok->added[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    if (low < tok->added_count && tok->added[low].id == id)
        return &tok->added[low];
    return NULL;
}

static int by_id(const void *a, const void *b)
{
    const struct added *x = a;
    const struct added *y = b;

    return (x->id > y->id) - (x->id < y->id);
}

static int by_match(const void *a, const void *b)
{
    const struct added *const *p = a;
    const struct added *const *q = b;
    const struct medvl_span x = (*p)->match;
    const struct medvl_span y = (*q)->match;
    const size_t least = x.size < y.size ? x.size : y.size;
    const int order = memcmp(x.data, y.data, least);

    if (order != 0)
        return order;
    if (x.size != y.size)
        return x.size > y.size ? 1 : -1;
    return ((*p)->order > (*q)->order) - ((*p)->order < (*q)->order);
}

int medvl_added_add(struct medvl_tokenizer *tok, const struct added *added,
                    struct medvl_error *err)
{
    struct added *to;
    char *copy;
    int rc;

    if (added->content.size == 0 || added->content.size > ADDED_BYTES)
        return medvl_fail(err, MEDVL_EUNSUPPORTED,
                          "an added token of %zu bytes",
                          added->content.size);
    rc = medvl_grow(&tok->added, &tok->added_capacity, tok->added_count + 1,
                    sizeof(*tok->added), err);
    if (rc < 0)
        return rc;
    copy = medvl_copy_string(added->content.data, added->content.size);
    if (!copy)
        return medvl_no_memory(err);
    to = &tok->added[tok->added_count];
    *to = *added;
    to->content = (struct medvl_span){copy, added->content.size};
    to->match = to->content;
    to->order = tok->added_count++;
    return MEDVL_OK;
}

static void release_one(struct added *added)
{
    if (added->match.data != added->content.data)
        medvl_free((void *)added->match.data);
    medvl_free((void *)added->content.data);
}

void medvl_added_release(struct medvl_tokenizer *tok)
{
    for (size_t i = 0; i < tok->added_count; i++)
        release_one(&tok->added[i]);
    medvl_free(tok->added);
    medvl_free(tok->matchers[0].sorted);
    medvl_free(tok->matchers[1].sorted);
}

/* What a token that is looked for in normalised text is there. */
static int normalize_one(const struct medvl_tokenizer *tok,
                         struct added *added,
                         struct medvl_regex_scratch *scratch,
                         struct medvl_rewrite *r, struct medvl_error *err)
{
    char *copy;
    int rc;

    medvl_rewrite_begin(r, added->content);
    rc = medvl_normalizer_run(tok->normalizer, scratch, r, err);
    if (rc < 0 || !r->moved)
        return rc;
    if (r->text.size == 0 || r->text.size > ADDED_BYTES)
        return medvl_fail(err, MEDVL_EUNSUPPORTED,
                          "added token \"%s\", which is %zu bytes when "
                          "normalised",
                          added->content.data, r->text.size);
    copy = medvl_copy_string(r->text.data, r->text.size);
    if (!copy)
        return medvl_no_memory(err);
    added->match = (struct medvl_span){copy, r->text.size};
    return MEDVL_OK;
}

static int normalize_all(struct medvl_tokenizer *tok,
                         struct medvl_error *err)
{
    struct medvl_regex_scratch *scratch = NULL;
    struct medvl_rewrite r = {0};
    int rc = MEDVL_OK;

    if (!tok->normalizer || medvl_normalizer_is_empty(tok->normalizer))
        return MEDVL_OK;
    rc = medvl_regex_scratch_new(&scratch, err);
    for (size_t i = 0; i < tok->added_count && rc == MEDVL_OK; i++) {
        if (tok->added[i].normalized)
            rc = normalize_one(tok, &tok->added[i], scratch, &r, err);
    }
    medvl_regex_scratch_free(scratch);
    medvl_rewrite_release(&r);
    return rc;
}

/* Sort the tokens of one kind by what is looked for. */
static int make_matcher(struct medvl_tokenizer *tok, struct matcher *m,
                        bool normalized, struct medvl_error *err)
{
    size_t count = 0;

    medvl_free(m->sorted);
    *m = (struct matcher){.only = -1};
    m->sorted = medvl_alloc(tok->added_count, sizeof(struct added *));
    if (!m->sorted)
        return medvl_no_memory(err);
    for (size_t i = 0; i < tok->added_count; i++) {
        if (tok->added[i].normalized == normalized)
            m->sorted[m->count++] = &tok->added[i];
    }
    qsort(m->sorted, m->count, sizeof(struct added *), by_match);
    for (size_t i = 0; i < m->count; i++) {
        const struct added *added = m->sorted[i];
        const unsigned char c = (unsigned char)added->match.data[0];

        if (count > 0 && m->sorted[count - 1]->id != added->id &&
            medvl_span_equal(m->sorted[count - 1]->content, added->content))
            return medvl_fail(err, MEDVL_EFORMAT,
                              "added tokens %d and %d are the same",
                              m->sorted[count - 1]->id, added->id);
        m->only = i == 0 || m->only == c ? c : -2;
        m->first[c] = true;
        if (count == 0 || !medvl_span_equal(m->sorted[count - 1]->match,
                                            added->match))
            m->sorted[count++] = added;
    }
    m->count = count;
    return MEDVL_OK;
}

/* By id, which the search for one needs. */
int medvl_added_index(struct medvl_tokenizer *tok, struct medvl_error *err)
{
    if (tok->added_count > 0)
        qsort(tok->added, tok->added_count, sizeof(*tok->added), by_id);
    for (size_t i = 0; i < tok->added_count; i++) {
        if (i > 0 && tok->added[i - 1].id == tok->added[i].id)
            return medvl_fail(err, MEDVL_EFORMAT,
                              "two added tokens have id %d",
                              tok->added[i].id);
        if (tok->added[i].id >= tok->size)
            tok->size = tok->added[i].id + 1;
    }
    return MEDVL_OK;
}

/* Added tokens by their contents. */
struct table {
    const struct medvl_tokenizer *tok;
    size_t *slots; /* place + 1; 0: free */
    size_t size;   /* a power of two above all that are to come */
};

/* The slot of these contents, or the free one for them. */
static size_t *slot_of(const struct table *table, struct medvl_span content)
{
    const size_t mask = table->size - 1;
    size_t i = medvl_hash64(content.data, content.size) & mask;

    while (table->slots[i] &&
           !medvl_span_equal(table->tok->added[table->slots[i] - 1].content,
                             content))
        i = (i + 1) & mask;
    return &table->slots[i];
}

static int make_table(struct table *table, const struct medvl_tokenizer *tok,
                      size_t more, struct medvl_error *err)
{
    *table = (struct table){.tok = tok, .size = 16};
    while (table->size < 2 * (tok->added_count + more))
        table->size *= 2;
    table->slots = medvl_alloc(table->size, sizeof(*table->slots));
    if (!table->slots)
        return medvl_no_memory(err);
    for (size_t i = 0; i < tok->added_count; i++) {
        size_t *slot = slot_of(table, tok->added[i].content);

        if (!*slot)
            *slot = i + 1;
    }
    return MEDVL_OK;
}

/* What is said beside of one that is there. */
static void change_one(struct added *added, const struct added *extra,
                       bool replace)
{
    added->named = added->named || extra->named;
    if (replace && extra->named) {
        added->special = true;
    } else if (replace) {
        added->special = extra->special;
        added->lstrip = extra->lstrip;
        added->rstrip = extra->rstrip;
        added->single_word = extra->single_word;
        added->normalized = extra->normalized;
    }
}

static int add_one(struct medvl_tokenizer *tok, struct added added,
                   bool replace, struct medvl_error *err)
{
    int rc;

    if (added.id < 0 || replace)
        added.id = medvl_model_spelled(&tok->model, added.content);
    if (added.id < 0)
        added.id = tok->size;
    if (added.id >= MEDVL_BPE_IDS)
        return medvl_fail(err, MEDVL_EFORMAT, "no id is left");
    rc = medvl_added_add(tok, &added, err);
    if (rc == MEDVL_OK && added.id >= tok->size)
        tok->size = added.id + 1;
    return rc;
}

int medvl_added_extras(struct medvl_tokenizer *tok,
                       const struct extras *extras, struct medvl_error *err)
{
    struct table table;
    int rc = make_table(&table, tok, extras->count, err);

    for (size_t i = 0; i < extras->count && rc == MEDVL_OK; i++) {
        const struct added *extra = &extras->items[i];
        size_t *slot = slot_of(&table, extra->content);

        if (*slot) {
            change_one(&tok->added[*slot - 1], extra, extras->replace);
            continue;
        }
        rc = add_one(tok, *extra, extras->replace, err);
        if (rc == MEDVL_OK)
            *slot = tok->added_count;
    }
    medvl_free(table.slots);
    return rc;
}

int medvl_added_finish(struct medvl_tokenizer *tok, struct medvl_error *err)
{
    int rc;

    /* Special ones are found first, then in the order of the file. */
    for (size_t i = 0; i < tok->added_count; i++) {
        if (!tok->added[i].special)
            tok->added[i].order += tok->added_count;
    }
    rc = normalize_all(tok, err);
    if (rc == MEDVL_OK)
        rc = medvl_added_index(tok, err);
    if (rc == MEDVL_OK)
        rc = make_matcher(tok, &tok->matchers[0], false, err);
    if (rc == MEDVL_OK)
        rc = make_matcher(tok, &tok->matchers[1], true, err);
    return rc;
}

/* ---- the search --------------------------------------------------------- */

/* Did no byte of [start, end) come from the record?  `start` only rises. */
static bool may_be_added(struct runs *runs, int level, size_t start,
                         size_t end)
{
    struct run_cursor *cursor = &runs->cursors[level];
    const struct medvl_run *items = runs->items;
    size_t at, run_end;

    if (!items)
        return true;
    while (cursor->at < runs->count &&
           cursor->start + items[cursor->at].size <= start) {
        cursor->start += items[cursor->at].size;
        cursor->at++;
    }
    run_end = cursor->start;
    for (at = cursor->at; at < runs->count && run_end < end; at++) {
        run_end += items[at].size;
        if (items[at].from_record && items[at].size > 0)
            return false;
    }
    return true;
}

bool medvl_added_is_guarded(const struct medvl_tokenizer *tok,
                            int32_t placeholder, const struct added *added)
{
    return added->special || added->id == placeholder ||
           added->id == tok->begin || added->id == tok->end ||
           added->id == tok->pad;
}

/* May this token be recognised as [at, end) of the part's text? */
static bool may_stand(const struct medvl_tokenizer *tok, struct runs *runs,
                      const struct part *part, const struct added *added,
                      size_t at, size_t end)
{
    const struct medvl_rewrite *r = part->rewrite;

    if (!medvl_added_is_guarded(tok, runs->placeholder, added))
        return true;
    if (!r->moved)
        return may_be_added(runs, part->level, part->base + at,
                            part->base + end);
    return may_be_added(runs, part->level,
                        part->base + medvl_rewrite_origin(r, at).start,
                        part->base + medvl_rewrite_end(r, end));
}

/* White space is one thing here, a word another (\s, \w).  The slow
 * LlamaTokenizer makes a space of U+2581 before, when it is not legacy. */
static bool is_space_at(const struct medvl_tokenizer *tok,
                        struct medvl_span text, size_t at, size_t *size)
{
    uint32_t rune = 0;

    *size = (size_t)medvl_utf8_decode(&rune, text.data + at, text.size - at);
    return *size > 0 && (medvl_unicode_is_space(rune) ||
                         (tok->prefix_once && rune == 0x2581));
}

/* Start of the character that ends at `at` (above 0). */
static size_t character_before(struct medvl_span text, size_t at)
{
    do {
        at--;
    } while (at > 0 && (text.data[at] & 0xC0) == 0x80);
    return at;
}

static bool is_word_at(struct medvl_span text, size_t at)
{
    uint32_t rune = 0;

    return medvl_utf8_decode(&rune, text.data + at, text.size - at) > 0 &&
           medvl_unicode_is(MEDVL_SET_WORD, rune);
}

/* Of sorted[low, high), the first whose byte at `depth` is at least `c`. */
static size_t bound(const struct matcher *m, size_t low, size_t high,
                    size_t depth, int c)
{
    while (low < high) {
        const size_t middle = low + (high - low) / 2;

        if ((unsigned char)m->sorted[middle]->match.data[depth] < c)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The longest token at `at` that may stand there, or NULL. */
static const struct added *longest_at(const struct medvl_tokenizer *tok,
                                      struct runs *runs,
                                      const struct part *part, size_t at)
{
    const struct matcher *m = &tok->matchers[part->level];
    const struct medvl_span text = part->rewrite->text;
    const struct added *found = NULL;
    size_t low = 0;
    size_t high = m->count;

    /* All of sorted[low, high) begin with the `depth` bytes at `at`. */
    for (size_t depth = 0; at + depth < text.size; depth++) {
        const unsigned char c = (unsigned char)text.data[at + depth];

        while (low < high && m->sorted[low]->match.size <= depth)
            low++;
        low = bound(m, low, high, depth, c);
        high = bound(m, low, high, depth, c + 1);
        if (low >= high)
            break;
        if (m->sorted[low]->match.size == depth + 1 &&
            may_stand(tok, runs, part, m->sorted[low], at, at + depth + 1))
            found = m->sorted[low];
    }
    return found;
}

/* Where a token may begin, from `at` on, or the end. */
static size_t next_candidate(const struct matcher *m, struct medvl_span text,
                             size_t at)
{
    if (m->only >= 0) {
        const char *found = memchr(text.data + at, m->only, text.size - at);

        return found ? (size_t)(found - text.data) : text.size;
    }
    while (at < text.size && !m->first[(unsigned char)text.data[at]])
        at++;
    return at;
}

bool medvl_added_find(const struct medvl_tokenizer *tok, struct runs *runs,
                      const struct part *part, struct match *match)
{
    const struct medvl_span text = part->rewrite->text;
    const struct matcher *m = &tok->matchers[part->level];
    const size_t from = match->end;
    size_t at = match->next;
    size_t size;

    if (m->count == 0)
        return false;
    for (;;) {
        const struct added *added;
        size_t end;

        at = next_candidate(m, text, at);
        if (at >= text.size)
            return false;
        added = longest_at(tok, runs, part, at);
        if (!added) {
            at++;
            continue;
        }
        end = at + added->match.size;
        if (added->single_word &&
            ((at > 0 && is_word_at(text, character_before(text, at))) ||
             (end < text.size && is_word_at(text, end)))) {
            at = end;
            continue;
        }
        *match = (struct match){added, at, end, end};
        if (added->rstrip && end < from) /* within space that was taken */
            match->end = from;
        while (added->lstrip && match->start > from &&
               is_space_at(tok, text, character_before(text, match->start),
                           &size))
            match->start -= size;
        while (added->rstrip && match->end < text.size &&
               is_space_at(tok, text, match->end, &size))
            match->end += size;
        /* Within the space that the one before has taken. */
        if (match->start < from)
            match->start = from;
        if (match->end < match->start)
            match->end = match->start;
        if (match->end > match->start || !added->lstrip)
            return true;
        at = end;
    }
}
