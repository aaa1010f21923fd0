/*
 * DICOM files for tests: elements of explicit VR little endian, one after
 * another, in rising order of their tags.
 *
 *     struct medvl_text out = {0};
 *
 *     dicom_begin(&out);
 *     dicom_word(&out, 0x0008, 0x0060, "CS", "CT");
 *     ...
 *     dicom_end(&out, path);
 */
#ifndef MEDVL_TESTS_DICOM_H
#define MEDVL_TESTS_DICOM_H

#include "lib/base/text.h"
#include "tests/unit/check.h"

static inline void dicom_bytes(struct medvl_text *out, const void *data,
                               size_t size)
{
    struct medvl_error err;

    CHECK_OK(medvl_text_append(out, data, size, &err), &err);
}

/* An element; `vr` as two letters. */
static inline void dicom_element(struct medvl_text *out, unsigned group,
                                 unsigned number, const char *vr,
                                 const void *data, size_t size)
{
    const bool wide = strstr("OB OW SQ UN", vr);
    const size_t even = size + size % 2;
    unsigned char head[12] = {
        (unsigned char)group, (unsigned char)(group >> 8),
        (unsigned char)number, (unsigned char)(number >> 8),
        (unsigned char)vr[0], (unsigned char)vr[1]};

    if (wide)
        for (int i = 0; i < 4; i++)
            head[8 + i] = (unsigned char)(even >> 8 * i);
    else
        for (int i = 0; i < 2; i++)
            head[6 + i] = (unsigned char)(even >> 8 * i);
    dicom_bytes(out, head, wide ? 12 : 8);
    dicom_bytes(out, data, size);
    if (size % 2)
        dicom_bytes(out, strcmp(vr, "UI") ? " " : "\0", 1);
}

/* Text; NULL: no element. */
static inline void dicom_word(struct medvl_text *out, unsigned group,
                              unsigned number, const char *vr,
                              const char *text)
{
    if (text)
        dicom_element(out, group, number, vr, text, strlen(text));
}

static inline void dicom_small(struct medvl_text *out, unsigned group,
                               unsigned number, unsigned value)
{
    const unsigned char two[2] = {(unsigned char)value,
                                  (unsigned char)(value >> 8)};

    dicom_element(out, group, number, "US", two, 2);
}

/* An item of a sequence, which is its items one after another. */
static inline void dicom_item(struct medvl_text *sequence,
                              const struct medvl_text *item)
{
    unsigned char head[8] = {0xfe, 0xff, 0x00, 0xe0};

    for (int i = 0; i < 4; i++)
        head[4 + i] = (unsigned char)(item->size >> 8 * i);
    dicom_bytes(sequence, head, 8);
    dicom_bytes(sequence, item->data, item->size);
}

/* The preamble and the group of the transfer syntax. */
static inline void dicom_begin(struct medvl_text *out)
{
    static const char EMPTY[128];
    struct medvl_text meta = {0};
    unsigned char size[4] = {0};

    dicom_bytes(out, EMPTY, sizeof(EMPTY));
    dicom_bytes(out, "DICM", 4);
    dicom_word(&meta, 2, 0x10, "UI", "1.2.840.10008.1.2.1");
    size[0] = (unsigned char)meta.size;
    dicom_element(out, 2, 0, "UL", size, 4);
    dicom_bytes(out, meta.data, meta.size);
    medvl_text_release(&meta);
}

static inline void dicom_end(struct medvl_text *out, const char *path)
{
    struct medvl_error err;

    CHECK_OK(medvl_file_write(path, out->data, out->size, &err), &err);
    medvl_text_release(out);
}

#endif
