/*
 * Two texts with their origins, which change places with every step.
 *
 * Read next: normalize.c.
 */
#include "lib/text/rewrite.h"

#include <string.h>

#include "lib/base/mem.h"

#define KEPT (1 << 16) /* bytes for which the room stays */

void medvl_rewrite_begin(struct medvl_rewrite *r, struct medvl_span text)
{
    r->text = text;
    r->most = MEDVL_REWRITE_BYTES;
    if (text.size < MEDVL_REWRITE_BYTES / MEDVL_REWRITE_GROWTH)
        r->most = text.size * MEDVL_REWRITE_GROWTH;
    if (r->most < MEDVL_REWRITE_SHORT)
        r->most = MEDVL_REWRITE_SHORT;
    r->moved = false;
    r->whole = NULL;
    r->offset = 0;
}

void medvl_rewrite_begin_part(struct medvl_rewrite *r,
                              const struct medvl_rewrite *whole, size_t from,
                              size_t to)
{
    medvl_rewrite_begin(
        r, (struct medvl_span){whole->text.data + from, to - from});
    r->whole = whole;
    r->offset = from;
}

void medvl_rewrite_release(struct medvl_rewrite *r)
{
    medvl_free(r->origins);
    medvl_free(r->next_origins);
    medvl_text_release(&r->now);
    medvl_text_release(&r->next);
    medvl_text_release(&r->scratch);
    medvl_nfc_changes_release(&r->changes);
    *r = (struct medvl_rewrite){0};
}

void medvl_rewrite_shrink(struct medvl_rewrite *r)
{
    if (r->capacity > KEPT || r->next_capacity > KEPT ||
        r->scratch.capacity > KEPT || r->changes.capacity > KEPT)
        medvl_rewrite_release(r);
}

int medvl_rewrite_start(struct medvl_rewrite *r, struct medvl_error *err)
{
    if (r->text.size > MEDVL_REWRITE_BYTES)
        return medvl_fail(err, MEDVL_EUNSUPPORTED,
                          "a text of %zu bytes to normalise; at most %d are "
                          "taken",
                          r->text.size, MEDVL_REWRITE_BYTES);
    medvl_text_clear(&r->next);
    return MEDVL_OK;
}

/* Room for `more` bytes and their origins. */
static int reserve(struct medvl_rewrite *r, size_t more,
                   struct medvl_error *err)
{
    int rc;

    if (r->next.size + more > r->most)
        return medvl_fail(err, MEDVL_EUNSUPPORTED,
                          "a text that normalisation makes longer than %zu "
                          "bytes",
                          r->most);
    if (r->next.size + more < r->next.capacity &&
        r->next.size + more <= r->next_capacity)
        return MEDVL_OK;
    rc = medvl_text_reserve(&r->next, more, err);
    if (rc == MEDVL_OK)
        rc = medvl_grow(&r->next_origins, &r->next_capacity,
                        r->next.size + more, sizeof(*r->next_origins), err);
    return rc;
}

/* Append what there is room for. */
static void append(struct medvl_text *text, const char *data, size_t size)
{
    memcpy(text->data + text->size, data, size);
    text->size += size;
    text->data[text->size] = 0;
}

/* Origins of text[from, to) while nothing was rewritten: characters. */
static void first_origins(struct medvl_origin *out, const char *text,
                          size_t from, size_t to)
{
    for (size_t at = from; at < to;) {
        size_t end = at + 1;

        if ((unsigned char)text[at] < 0x80) {
            *out++ = (struct medvl_origin){(uint32_t)at, (uint32_t)end};
            at = end;
            continue;
        }
        while (end < to && (text[end] & 0xC0) == 0x80)
            end++;
        for (size_t i = at; i < end; i++)
            *out++ = (struct medvl_origin){(uint32_t)at, (uint32_t)end};
        at = end;
    }
}

int medvl_rewrite_keep(struct medvl_rewrite *r, size_t from, size_t to,
                       struct medvl_error *err)
{
    const size_t size = to - from;
    struct medvl_origin *origins;
    int rc;

    if (size == 0)
        return MEDVL_OK;
    rc = reserve(r, size, err);
    if (rc < 0)
        return rc;
    origins = r->next_origins + r->next.size;
    if (r->moved)
        memcpy(origins, r->origins + from, size * sizeof(*origins));
    else
        first_origins(origins, r->text.data, from, to);
    append(&r->next, r->text.data + from, size);
    return MEDVL_OK;
}

/* In the text that `r` began with. */
static struct medvl_origin own_origin(const struct medvl_rewrite *r,
                                      size_t at)
{
    size_t start = at;
    size_t end = at + 1;

    if (r->moved)
        return r->origins[at];
    while (start > 0 && (r->text.data[start] & 0xC0) == 0x80)
        start--;
    while (end < r->text.size && (r->text.data[end] & 0xC0) == 0x80)
        end++;
    return (struct medvl_origin){(uint32_t)start, (uint32_t)end};
}

uint32_t medvl_rewrite_own_start(const struct medvl_rewrite *r, size_t at)
{
    return own_origin(r, at).start;
}

/* Where the bytes before `at` end there. */
static uint32_t own_end(const struct medvl_rewrite *r, size_t at)
{
    return at > 0 ? own_origin(r, at - 1).end : own_origin(r, 0).start;
}

int medvl_rewrite_put(struct medvl_rewrite *r, struct medvl_span bytes,
                      size_t from, size_t to, struct medvl_error *err)
{
    struct medvl_origin origin = {0};
    int rc;

    if (bytes.size == 0)
        return MEDVL_OK;
    rc = reserve(r, bytes.size, err);
    if (rc < 0)
        return rc;
    if (r->text.size > 0) {
        const bool behind = from == r->text.size;

        origin = own_origin(r, behind ? from - 1 : from);
        origin.end = own_end(r, to);
    }
    for (size_t i = 0; i < bytes.size; i++)
        r->next_origins[r->next.size + i] = origin;
    append(&r->next, bytes.data, bytes.size);
    return MEDVL_OK;
}

void medvl_rewrite_done(struct medvl_rewrite *r)
{
    const struct medvl_text now = r->now;
    struct medvl_origin *origins = r->origins;
    const size_t capacity = r->capacity;

    r->now = r->next;
    r->next = now;
    r->origins = r->next_origins;
    r->next_origins = origins;
    r->capacity = r->next_capacity;
    r->next_capacity = capacity;
    r->moved = true;
    r->text = medvl_text_span(&r->now);
    if (!r->text.data)
        r->text.data = "";
}

struct medvl_origin medvl_rewrite_origin(const struct medvl_rewrite *r,
                                         size_t at)
{
    struct medvl_origin o = own_origin(r, at);

    for (; r->whole; r = r->whole) {
        o.start = own_origin(r->whole, r->offset + o.start).start;
        o.end = own_end(r->whole, r->offset + o.end);
    }
    return o;
}

size_t medvl_rewrite_end(const struct medvl_rewrite *r, size_t at)
{
    for (; r && !r->moved; r = r->whole)
        at += r->offset;
    if (!r)
        return at;
    if (r->text.size == 0)
        return 0;
    at = own_end(r, at);
    for (; r->whole; r = r->whole)
        at = own_end(r->whole, r->offset + at);
    return at;
}
