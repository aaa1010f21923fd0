/*
 * What came out is looked through, and the pieces with a guarded token are
 * encoded again.  A cut may let another one appear; a piece where that
 * happens is cut at each character, so that two rounds do.
 *
 * Read next: trie.c.
 */
#include "lib/text/guard.h"

#include "lib/base/mem.h"

#define ENDS_KEPT (1 << 16) /* room that stays for the next text */

void medvl_guard_release(struct medvl_guard *guard)
{
    medvl_tokens_release(&guard->tokens);
    medvl_free(guard->first.items);
    medvl_free(guard->last.items);
    guard->first = guard->last = (struct medvl_guard_ends){0};
}

bool medvl_guard_holds(const struct medvl_guard *guard, int32_t id)
{
    return id >= guard->low && id < guard->high &&
           guard->holds(guard->self, id);
}

static int add_end(struct medvl_guard_ends *to, size_t end,
                   struct medvl_error *err)
{
    const int rc = medvl_grow(&to->items, &to->capacity, to->count + 1,
                              sizeof(*to->items), err);

    if (rc == MEDVL_OK)
        to->items[to->count++] = end;
    return rc;
}

/* End of the character at `at`. */
static size_t character_end(struct medvl_span data, size_t at)
{
    do {
        at++;
    } while (at < data.size && (data.data[at] & 0xC0) == 0x80);
    return at;
}

/* Cut [start, end) behind the first character of what spells a guarded
 * token: the ends but the last. */
static int find_cuts(struct medvl_guard *guard,
                     const struct medvl_guard_model *m,
                     struct medvl_guard_ends *cuts, struct medvl_span data,
                     size_t start, size_t end, struct medvl_error *err)
{
    struct medvl_tokens *t = &guard->tokens;
    int rc;

    medvl_tokens_clear(t);
    t->keep_ends = true;
    rc = m->encode(m->model, m->cache, t, data, start, &end, 1, 0, err);
    for (size_t i = 0; i < t->count && rc == MEDVL_OK; i++) {
        const struct medvl_span text = {data.data + start,
                                        t->ends[i] - start};
        const size_t cut = character_end(data, start);

        if (medvl_guard_holds(guard, t->ids[i]) && cut < t->ends[i] &&
            medvl_span_equal(text, m->spelling(m->model, t->ids[i])))
            rc = add_end(cuts, cut, err);
        start = t->ends[i];
    }
    return rc;
}

/* The ends of the pieces that [start, end) becomes. */
static int cut_piece(struct medvl_guard *guard,
                     const struct medvl_guard_model *m,
                     struct medvl_span data, size_t start, size_t end,
                     struct medvl_error *err)
{
    struct medvl_guard_ends *last = &guard->last;
    int rc;

    guard->first.count = 0;
    rc = find_cuts(guard, m, &guard->first, data, start, end, err);
    if (rc == MEDVL_OK)
        rc = add_end(&guard->first, end, err);
    for (size_t i = 0; i < guard->first.count && rc == MEDVL_OK; i++) {
        const size_t cut = guard->first.items[i];
        const size_t before = last->count;

        rc = find_cuts(guard, m, last, data, start, cut, err);
        if (rc == MEDVL_OK && last->count > before) {
            last->count = before;
            while (rc == MEDVL_OK && start < cut) {
                start = character_end(data, start);
                rc = add_end(last, start, err);
            }
        } else if (rc == MEDVL_OK) {
            rc = add_end(last, cut, err);
        }
        start = cut;
    }
    return rc;
}

static bool has_guarded(const struct medvl_guard *guard,
                        const struct medvl_tokens *tokens, size_t first)
{
    for (size_t i = first; i < tokens->count; i++) {
        if (medvl_guard_holds(guard, tokens->ids[i]))
            return true;
    }
    return false;
}

int medvl_guard_encode(struct medvl_guard *guard,
                       const struct medvl_guard_model *model,
                       struct medvl_tokens *out, struct medvl_span data,
                       size_t start, const size_t *ends, size_t count,
                       size_t base, struct medvl_error *err)
{
    const size_t before = out->count;
    size_t from = start;
    int rc = model->encode(model->model, model->cache, out, data, start,
                           ends, count, base, err);

    if (rc < 0 || !has_guarded(guard, out, before))
        return rc;
    out->count = before;
    guard->last.count = 0;
    for (size_t i = 0; i < count && rc == MEDVL_OK; from = ends[i++])
        rc = cut_piece(guard, model, data, from, ends[i], err);
    if (rc == MEDVL_OK)
        rc = model->encode(model->model, model->cache, out, data, start,
                           guard->last.items, guard->last.count, base, err);
    if (guard->last.capacity > ENDS_KEPT || guard->first.capacity > ENDS_KEPT)
        medvl_guard_release(guard);
    return rc;
}
