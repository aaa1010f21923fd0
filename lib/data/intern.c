/*
 * Texts to numbers: a table of open addresses over one block of bytes.
 *
 * Read next: field.c.
 */
#include "lib/data/intern.h"

#include <string.h>

#include "lib/base/hash.h"
#include "lib/base/mem.h"

struct medvl_span medvl_intern_text(const struct medvl_intern *intern,
                                    int64_t number)
{
    const size_t start = number ? intern->ends[number - 1] : 0;

    return (struct medvl_span){intern->bytes.data + start,
                               intern->ends[number] - start};
}

/* Where `text` stands or would stand. */
static size_t slot_of(const struct medvl_intern *intern,
                      struct medvl_span text)
{
    const size_t mask = intern->slot_count - 1;
    size_t at = (size_t)medvl_hash64(text.data, text.size) & mask;

    while (intern->slots[at] &&
           !medvl_span_equal(
               text, medvl_intern_text(intern, intern->slots[at] - 1)))
        at = (at + 1) & mask;
    return at;
}

/* Keep at least half of the slots free. */
static int widen(struct medvl_intern *intern, struct medvl_error *err)
{
    const size_t count = intern->slot_count ? intern->slot_count * 2 : 64;
    int64_t *slots = medvl_alloc(count, sizeof(*slots));

    if (!slots)
        return medvl_no_memory(err);
    medvl_free(intern->slots);
    intern->slots = slots;
    intern->slot_count = count;
    for (int64_t i = 0; i < intern->count; i++)
        slots[slot_of(intern, medvl_intern_text(intern, i))] = i + 1;
    return MEDVL_OK;
}

int medvl_intern_add(int64_t *out, struct medvl_intern *intern,
                     struct medvl_span text, struct medvl_error *err)
{
    size_t at;
    int rc = MEDVL_OK;

    if ((size_t)intern->count + 1 > intern->slot_count / 2)
        rc = widen(intern, err);
    if (rc == MEDVL_OK)
        rc = medvl_grow(&intern->ends, &intern->room,
                        (size_t)intern->count + 1, sizeof(*intern->ends),
                        err);
    if (rc < 0)
        return rc;
    at = slot_of(intern, text);
    if (!intern->slots[at]) {
        rc = medvl_text_append(&intern->bytes, text.data, text.size, err);
        if (rc < 0)
            return rc;
        intern->ends[intern->count] = intern->bytes.size;
        intern->slots[at] = ++intern->count;
    }
    *out = intern->slots[at] - 1;
    return MEDVL_OK;
}

int64_t medvl_intern_find(const struct medvl_intern *intern,
                          struct medvl_span text)
{
    return intern->count ? intern->slots[slot_of(intern, text)] - 1 : -1;
}

void medvl_intern_release(struct medvl_intern *intern)
{
    medvl_text_release(&intern->bytes);
    medvl_free(intern->ends);
    medvl_free(intern->slots);
    memset(intern, 0, sizeof(*intern));
}
