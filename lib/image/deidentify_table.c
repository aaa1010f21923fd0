/*
 * Lookup tables hold any bytes there are, so these are looked at: a table
 * that is kept is one that a picture has and text hardly can be.
 *
 * Tables of grey only rise or only fall.  Palettes go up and down, but
 * smoothly where their bytes happen to be letters.
 *
 * Read next: deidentify_made.c.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/image/dataset.h"
#include "lib/image/deidentify_part.h"

#define DESCRIPTOR 0x00283002
#define DATA       0x00283006

struct table {
    const unsigned char *data;
    size_t count; /* items */
    size_t bytes; /* of an item */
};

static bool is_of(const struct medvl_element *e, const char *vrs)
{
    const char *at = strstr(vrs, e->vr);

    return at && (at - vrs) % 3 == 0;
}

/* It has as many items, of a byte or two, as its descriptor says. */
static bool find_table(struct table *out, struct medvl_span set,
                       uint32_t descriptor, uint32_t data)
{
    struct medvl_element e;

    if (!medvl_dataset_find(&e, set, descriptor) || e.value.size != 6 ||
        !is_of(&e, "US SS UN"))
        return false;
    memcpy(e.vr, "US", 3);
    out->count = (size_t)medvl_element_number(&e, 0);
    out->count = out->count ? out->count : 65536;
    if (!medvl_dataset_find(&e, set, data) || !is_of(&e, "OW US OB UN"))
        return false;
    out->data = (const unsigned char *)e.value.data;
    out->bytes = e.value.size / 2 == out->count ? 2 : 1;
    return e.value.size == (out->count * out->bytes + 1) / 2 * 2 &&
           (e.value.size == out->count * out->bytes ||
            !out->data[out->count]);
}

bool medvl_keep_is_grey(struct medvl_span set)
{
    struct table t;
    bool up = false, down = false;

    if (!find_table(&t, set, DESCRIPTOR, DATA))
        return false;
    for (size_t i = 1; i < t.count; i++) {
        const unsigned char *at = t.data + i * t.bytes;
        const int a = at[-(int)t.bytes] + (t.bytes > 1 ? at[-1] << 8 : 0);
        const int b = at[0] + (t.bytes > 1 ? at[1] << 8 : 0);

        up |= b > a;
        down |= b < a;
    }
    return !(up && down);
}

/* ---- palettes ----------------------------------------------------------- */

enum { NO_TEXT,
       DIGIT,
       SMALL,
       CAPITAL,
       ANY };

static int kind_of(unsigned char c)
{
    if (c == ' ' || c == '^')
        return ANY;
    return c >= '0' && c <= '9'   ? DIGIT
           : c >= 'a' && c <= 'z' ? SMALL
           : c >= 'A' && c <= 'Z' ? CAPITAL
                                  : NO_TEXT;
}

/* Every `step`th of the bytes: "DOE^", "Karl", "1945". */
static bool are_letters(const unsigned char *at, size_t count, size_t step)
{
    int kind = kind_of(*at);

    for (size_t i = 1; i < count && kind; i++) {
        const int next = kind_of(at[i * step]);

        if (kind == ANY || (i == 1 && kind == CAPITAL && next == SMALL))
            kind = next;
        else if (next != ANY && next != kind)
            return false;
    }
    return kind != NO_TEXT;
}

/* Neither rising nor falling nor smooth. */
static bool are_jumping(const unsigned char *at, size_t count, size_t step)
{
    bool up = false, down = false, far = false;

    for (size_t i = 1; i < count; i++) {
        const int by = at[i * step] - at[(i - 1) * step];

        up |= by > 0;
        down |= by < 0;
        far |= abs(by) > 4;
    }
    return up && down && far;
}

static bool is_text(const unsigned char *at, size_t count, size_t step)
{
    return are_letters(at, count, step) && are_jumping(at, count, step);
}

/* Four letters, the lower bytes of words whose upper ones stand still, or
 * the upper ones; or six letters of three words. */
static bool words_spell(const unsigned char *at, bool four)
{
    const bool still =
        four && at[1] == at[3] && at[1] == at[5] && at[1] == at[7];
    const bool twice = at[0] == at[1] && at[2] == at[3] && at[4] == at[5];

    return (still && is_text(at, 4, 2)) ||
           (four && is_text(at + 1, 4, 2)) ||
           (!twice && is_text(at + 1, 3, 2) && are_letters(at, 3, 2));
}

static bool spells(const struct table *t)
{
    const unsigned char *at = t->data;

    for (size_t i = 0; i + 2 < t->count; i++, at += t->bytes) {
        const bool four = i + 3 < t->count;

        if (t->bytes == 1 ? four && is_text(at, 4, 1) : words_spell(at, four))
            return true;
    }
    return false;
}

bool medvl_keep_wants_palettes(const struct medvl_dicom *dicom)
{
    const char *space = medvl_json_string(
        medvl_dicom_tag(dicom, -1, "PhotometricInterpretation"));

    return space && strcmp(space, "PALETTE COLOR") == 0;
}

static int check_palettes(struct medvl_span set, struct medvl_error *err)
{
    struct medvl_element e;
    struct table t;

    for (uint32_t i = 1; i <= 3; i++) {
        if (medvl_dataset_find(&e, set, 0x00281220 + i))
            return medvl_fail(err, MEDVL_EUNSUPPORTED,
                              "a segmented palette: not de-identified");
        if (!find_table(&t, set, 0x00281100 + i, 0x00281200 + i))
            return medvl_fail(err, MEDVL_EFORMAT,
                              "a palette is missing or damaged: not "
                              "de-identified");
        if (spells(&t))
            return medvl_fail(err, MEDVL_EUNSUPPORTED,
                              "a palette may hold text: not de-identified");
    }
    return MEDVL_OK;
}

int medvl_keep_check_tables(const struct medvl_dicom *dicom,
                            struct medvl_error *err)
{
    const struct medvl_span set = dicom->file.tags;
    struct medvl_element e;
    struct medvl_span item;

    if (medvl_dataset_find(&e, set, 0x00283000) &&
        medvl_dataset_item(&item, &e.value, NULL) > 0 &&
        !medvl_keep_is_grey(item))
        return medvl_fail(err, MEDVL_EUNSUPPORTED,
                          "a modality table that neither rises nor falls "
                          "throughout, or is damaged: not de-identified");
    return medvl_keep_wants_palettes(dicom) ? check_palettes(set, err)
                                            : MEDVL_OK;
}
