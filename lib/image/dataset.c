/*
 * Elements: tag, VR, length, value.  Lengths are checked against what is
 * there; nothing else of a value is believed here.
 *
 * Read next: dicom.c.
 */
#include "lib/image/dataset.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LONGEST 0xfffffffeu

static unsigned u16(const char *at)
{
    const unsigned char *b = (const unsigned char *)at;

    return b[0] | (unsigned)b[1] << 8;
}

static uint32_t u32(const char *at)
{
    return u16(at) | (uint32_t)u16(at + 2) << 16;
}

static uint64_t u64(const char *at)
{
    return u32(at) | (uint64_t)u32(at + 4) << 32;
}

/* Is `vr` among the two-letter names of `list`? */
static bool is_in(const char *vr, const char *list)
{
    for (; *list; list += 2)
        if (vr[0] == list[0] && vr[1] == list[1])
            return true;
    return false;
}

/* A length of 32 bits, after two bytes that say nothing. */
static bool is_wide(const char *vr)
{
    return is_in(vr, "OBODOFOLOVOWSQSVUCUNURUTUV");
}

bool medvl_vr_is_text(const char *vr)
{
    return is_in(vr, "AEASCSDADSDTISLOLTPNSHSTTMUCUIURUT");
}

size_t medvl_vr_bytes(const char *vr)
{
    if (is_in(vr, "USSSOW"))
        return 2;
    if (is_in(vr, "ULSLFLATOFOL"))
        return 4;
    return is_in(vr, "FDODOVSVUV") ? 8 : 1;
}

static int cut_short(struct medvl_error *err)
{
    return medvl_fail(err, MEDVL_EFORMAT, "the data set is cut short");
}

static int take(struct medvl_span *out, struct medvl_span *left, size_t head,
                uint32_t size, struct medvl_error *err)
{
    if (left->size - head < size)
        return cut_short(err);
    *out = (struct medvl_span){left->data + head, size};
    left->data += head + size;
    left->size -= head + size;
    return 1;
}

int medvl_dataset_next(struct medvl_element *out, struct medvl_span *left,
                       struct medvl_error *err)
{
    size_t head;

    if (!left->size)
        return 0;
    if (left->size < 8)
        return cut_short(err);
    out->tag = (uint32_t)u16(left->data) << 16 | u16(left->data + 2);
    memcpy(out->vr, left->data + 4, 2);
    out->vr[2] = 0;
    if (out->vr[0] < 'A' || out->vr[0] > 'Z' || out->vr[1] < 'A' ||
        out->vr[1] > 'Z')
        return medvl_fail(err, MEDVL_EFORMAT,
                          "element %08x has no VR", (unsigned)out->tag);
    head = is_wide(out->vr) ? 12 : 8;
    if (left->size < head)
        return cut_short(err);
    return take(&out->value, left, head,
                head == 12 ? u32(left->data + 8) : u16(left->data + 6), err);
}

int medvl_dataset_item(struct medvl_span *out, struct medvl_span *left,
                       struct medvl_error *err)
{
    if (!left->size)
        return 0;
    if (left->size < 8)
        return cut_short(err);
    if (((uint32_t)u16(left->data) << 16 | u16(left->data + 2)) !=
        MEDVL_DATASET_ITEM)
        return medvl_fail(err, MEDVL_EFORMAT, "a sequence without items");
    return take(out, left, 8, u32(left->data + 4), err);
}

bool medvl_dataset_find(struct medvl_element *out, struct medvl_span set,
                        uint32_t tag)
{
    while (medvl_dataset_next(out, &set, NULL) > 0)
        if (out->tag == tag)
            return true;
    return false;
}

struct medvl_span medvl_dataset_word(struct medvl_span *left)
{
    struct medvl_span word = *left;
    const char *bar =
        left->size ? memchr(left->data, '\\', left->size) : NULL;

    if (bar) {
        word.size = (size_t)(bar - left->data);
        left->data = bar + 1;
        left->size -= word.size + 1;
    } else {
        *left = (struct medvl_span){NULL, 0};
    }
    while (word.size && (word.data[0] == ' ' || word.data[0] == 0)) {
        word.data++;
        word.size--;
    }
    while (word.size && (word.data[word.size - 1] == ' ' ||
                         word.data[word.size - 1] == 0))
        word.size--;
    return word;
}

double medvl_word_number(struct medvl_span word)
{
    char copy[64], *end;
    double value;

    if (!word.size || word.size >= sizeof(copy) ||
        memchr(word.data, 'x', word.size))
        return NAN;
    memcpy(copy, word.data, word.size);
    copy[word.size] = 0;
    value = strtod(copy, &end);
    return *end || !isfinite(value) ? NAN : value;
}

static double text_number(struct medvl_span text, size_t index)
{
    for (; index && text.data; index--)
        (void)medvl_dataset_word(&text);
    return text.data ? medvl_word_number(medvl_dataset_word(&text)) : NAN;
}

double medvl_element_number(const struct medvl_element *element,
                            size_t index)
{
    const size_t bytes = medvl_vr_bytes(element->vr);
    const char *vr = element->vr, *at;
    float f;
    double d;
    uint64_t bits;
    uint32_t word;

    if (medvl_vr_is_text(vr))
        return text_number(element->value, index);
    if (index >= element->value.size / bytes)
        return NAN;
    at = element->value.data + index * bytes;
    if (is_in(vr, "USOW"))
        return u16(at);
    if (is_in(vr, "SS"))
        return (int16_t)u16(at);
    if (is_in(vr, "UL"))
        return u32(at);
    if (is_in(vr, "SL"))
        return (int32_t)u32(at);
    if (is_in(vr, "FL")) {
        word = u32(at);
        memcpy(&f, &word, 4);
        return isfinite(f) ? (double)f : NAN;
    }
    if (!is_in(vr, "FD"))
        return NAN;
    bits = u64(at);
    memcpy(&d, &bits, 8);
    return isfinite(d) ? d : NAN;
}

/* ---- writing ------------------------------------------------------------ */

static size_t write_head(char head[12], uint32_t tag, const char *vr,
                         size_t size)
{
    const bool wide = !vr || is_wide(vr);

    memset(head, 0, 12);
    head[0] = (char)(tag >> 16);
    head[1] = (char)(tag >> 24);
    head[2] = (char)tag;
    head[3] = (char)(tag >> 8);
    if (vr)
        memcpy(head + 4, vr, 2);
    for (int i = 0; i < (wide ? 4 : 2); i++)
        head[(!vr ? 4 : wide ? 8
                             : 6) +
             i] = (char)(size >> 8 * i);
    return vr && wide ? 12 : 8;
}

int medvl_dataset_head(struct medvl_text *out, uint32_t tag, const char *vr,
                       size_t size, struct medvl_error *err)
{
    char head[12];

    if (size % 2 || size > (!vr || is_wide(vr) ? LONGEST : 0xfffe))
        return medvl_fail(err, MEDVL_EARG,
                          "element %08x of %zu bytes is not to be written",
                          (unsigned)tag, size);
    return medvl_text_append(out, head, write_head(head, tag, vr, size), err);
}

int medvl_dataset_put(struct medvl_text *out, uint32_t tag, const char *vr,
                      struct medvl_span value, struct medvl_error *err)
{
    const bool spaces = medvl_vr_is_text(vr) && !is_in(vr, "UI");
    int rc = medvl_dataset_head(out, tag, vr, value.size + value.size % 2,
                                err);

    if (rc == MEDVL_OK)
        rc = medvl_text_append(out, value.data, value.size, err);
    if (rc == MEDVL_OK && value.size % 2)
        rc = medvl_text_putc(out, spaces ? ' ' : 0, err);
    return rc;
}

int medvl_dataset_wrap(struct medvl_text *out, size_t at, uint32_t tag,
                       const char *vr, struct medvl_error *err)
{
    const size_t size = out->size - at;
    char head[12];
    size_t more;

    if (size > LONGEST)
        return medvl_fail(err, MEDVL_EARG, "a sequence of %zu bytes", size);
    more = write_head(head, tag, vr, size);
    if (medvl_text_reserve(out, more, err) < 0)
        return MEDVL_ENOMEM;
    memmove(out->data + at + more, out->data + at, size);
    memcpy(out->data + at, head, more);
    out->size += more;
    out->data[out->size] = 0;
    return MEDVL_OK;
}
