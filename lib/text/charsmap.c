/*
 * The table begins with the size of a double-array trie in bytes; the trie
 * follows in units of four, then the replacements, each ended by a zero.
 * A unit holds its label in the low byte (and bit 31), whether a key ends
 * there (bit 8), and the distance to its children, by exclusive or (from
 * bit 10, times 256 if bit 9 is set); a key's value is a place among the
 * replacements.
 *
 * Read next: sentencepiece.c.
 */
#include "lib/text/charsmap.h"

#include <string.h>

#include "lib/base/mem.h"

/* Longer graphemes go character by character. */
#define GRAPHEME_BYTES 5
#define KEY_BYTES      1024

struct medvl_charsmap {
    uint32_t *units;
    size_t count;
    struct medvl_text to;
};

static uint32_t get_u32(const char *data)
{
    const unsigned char *p = (const unsigned char *)data;

    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
           (uint32_t)p[3] << 24;
}

static int read_table(struct medvl_charsmap *map, struct medvl_span bytes,
                      struct medvl_error *err)
{
    struct medvl_span to;
    size_t size;

    if (bytes.size < 4)
        return medvl_fail(err, MEDVL_EFORMAT, "charsmap of %zu bytes",
                          bytes.size);
    size = get_u32(bytes.data);
    if (size > bytes.size - 4 || size % 4 != 0 || size == 0)
        return medvl_fail(err, MEDVL_EFORMAT,
                          "charsmap: %zu bytes that say their trie has %zu",
                          bytes.size, size);
    to = (struct medvl_span){bytes.data + 4 + size, bytes.size - 4 - size};
    if (medvl_utf8_valid(to.data, to.size) != to.size)
        return medvl_fail(err, MEDVL_EFORMAT,
                          "charsmap: replacements that are not UTF-8");
    map->count = size / 4;
    map->units = medvl_alloc(map->count, sizeof(*map->units));
    if (!map->units)
        return medvl_no_memory(err);
    for (size_t i = 0; i < map->count; i++)
        map->units[i] = get_u32(bytes.data + 4 + 4 * i);
    return medvl_text_append(&map->to, to.data, to.size, err);
}

int medvl_charsmap_new(struct medvl_charsmap **out, struct medvl_span bytes,
                       struct medvl_error *err)
{
    struct medvl_charsmap *map = medvl_alloc(1, sizeof(*map));
    int rc = MEDVL_OK;

    *out = NULL;
    if (!map)
        return medvl_no_memory(err);
    if (bytes.size > 0)
        rc = read_table(map, bytes, err);
    if (rc < 0) {
        medvl_charsmap_free(map);
        return rc;
    }
    *out = map;
    return MEDVL_OK;
}

void medvl_charsmap_free(struct medvl_charsmap *map)
{
    if (!map)
        return;
    medvl_free(map->units);
    medvl_text_release(&map->to);
    medvl_free(map);
}

static size_t children(uint32_t unit)
{
    return (size_t)(unit >> 10) << ((unit & 1U << 9) >> 6);
}

/* The replacement at `place`; false when none can begin there. */
static bool replacement(const struct medvl_charsmap *map,
                        struct medvl_span *to, size_t place)
{
    const char *data = map->to.data + place;
    const char *zero;

    if (place >= map->to.size || (*data & 0xC0) == 0x80)
        return false;
    zero = memchr(data, '\0', map->to.size - place);
    to->data = data;
    to->size = zero ? (size_t)(zero - data) : map->to.size - place;
    return true;
}

/* The first key along `text`, or with `longest` the last. */
static bool find(const struct medvl_charsmap *map, size_t *size,
                 struct medvl_span *to, struct medvl_span text, bool longest)
{
    bool found = false;
    size_t at;

    if (map->count == 0)
        return false;
    at = children(map->units[0]);
    for (size_t i = 0; i < text.size && i < KEY_BYTES; i++) {
        const unsigned char byte = (unsigned char)text.data[i];
        uint32_t unit;

        at ^= byte;
        if (byte == 0 || at >= map->count)
            break;
        unit = map->units[at];
        if ((unit & (1U << 31 | 0xFF)) != byte)
            break;
        at ^= children(unit);
        if (!(unit & 1U << 8) || at >= map->count)
            continue;
        if (replacement(map, to, map->units[at] & ~(1U << 31))) {
            *size = i + 1;
            found = true;
            if (!longest)
                break;
        }
    }
    return found;
}

bool medvl_charsmap_longest(const struct medvl_charsmap *map, size_t *size,
                            struct medvl_span *to, struct medvl_span text)
{
    return find(map, size, to, text, true);
}

bool medvl_charsmap_shortest(const struct medvl_charsmap *map, size_t *size,
                             struct medvl_span *to, struct medvl_span text)
{
    return find(map, size, to, text, false);
}

/* ---- the normalizer Precompiled ---------------------------------------- */

/* A normalisation under way: bytes below `copied` are done. */
struct work {
    const struct medvl_charsmap *map;
    struct medvl_text *out;
    struct medvl_nfc_changes *changes;
    struct medvl_span text;
    size_t copied;
};

/* Put `to` in the place of text[at, at + size). */
static int replace(struct work *work, size_t at, size_t size,
                   struct medvl_span to, struct medvl_error *err)
{
    struct medvl_nfc_changes *changes = work->changes;
    int rc;

    if (medvl_span_equal((struct medvl_span){work->text.data + at, size},
                         to))
        return MEDVL_OK;
    if (changes->count == 0)
        medvl_text_clear(work->out);
    rc = medvl_text_append(work->out, work->text.data + work->copied,
                           at - work->copied, err);
    if (rc == MEDVL_OK && work->out->size + to.size > UINT32_MAX)
        rc = medvl_fail(err, MEDVL_EUNSUPPORTED,
                        "a text that becomes 4 GiB");
    if (rc == MEDVL_OK)
        rc = medvl_nfc_changes_add(
            changes,
            (struct medvl_nfc_change){(uint32_t)at, (uint32_t)size,
                                      (uint32_t)work->out->size,
                                      (uint32_t)to.size},
            err);
    if (rc < 0)
        return rc;
    work->copied = at + size;
    return medvl_text_append(work->out, to.data, to.size, err);
}

static int each_character(struct work *work, size_t at, size_t end,
                          struct medvl_error *err)
{
    int rc = MEDVL_OK;

    for (size_t next; at < end && rc == MEDVL_OK; at = next) {
        struct medvl_span to;
        size_t size;

        for (next = at + 1; next < end; next++) {
            if ((work->text.data[next] & 0xC0) != 0x80)
                break;
        }
        if (medvl_charsmap_shortest(
                work->map, &size, &to,
                (struct medvl_span){work->text.data + at, next - at}))
            rc = replace(work, at, next - at, to, err);
    }
    return rc;
}

static bool is_alone(struct medvl_span text, size_t at)
{
    const unsigned char byte = (unsigned char)text.data[at];

    return byte < 0x80 && byte != '\r' &&
           (at + 1 == text.size || (unsigned char)text.data[at + 1] < 0x80);
}

int medvl_charsmap_normalize(const struct medvl_charsmap *map,
                             struct medvl_text *out,
                             struct medvl_nfc_changes *changes,
                             struct medvl_span text, struct medvl_error *err)
{
    struct work work = {map, out, changes, text, 0};
    int rc = MEDVL_OK;

    changes->count = 0;
    if (text.size > UINT32_MAX / 4)
        return medvl_fail(err, MEDVL_EUNSUPPORTED, "a text of %zu bytes",
                          text.size);
    for (size_t at = 0; at < text.size && rc == MEDVL_OK;) {
        const struct medvl_span rest = {text.data + at, text.size - at};
        const size_t end = at + (is_alone(text, at)
                                     ? 1
                                     : medvl_unicode_grapheme(rest));
        struct medvl_span to;
        size_t size;

        if (end - at <= GRAPHEME_BYTES &&
            medvl_charsmap_shortest(
                map, &size, &to,
                (struct medvl_span){rest.data, end - at}))
            rc = replace(&work, at, end - at, to, err);
        else
            rc = each_character(&work, at, end, err);
        at = end;
    }
    if (rc == MEDVL_OK && changes->count > 0)
        rc = medvl_text_append(out, text.data + work.copied,
                               text.size - work.copied, err);
    return rc;
}
