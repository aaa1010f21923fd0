/*
 * DICOM files for tests, element by element in Explicit VR Little Endian.
 * Include check.h before.
 */
#ifndef MEDVL_TESTS_DICOM_FILE_H
#define MEDVL_TESTS_DICOM_FILE_H

#include "lib/base/text.h"
#include "lib/image/dataset.h"

#define SYNTAX_EXPLICIT "1.2.840.10008.1.2.1"

static inline void dicom_bytes(struct medvl_text *out, uint32_t tag,
                               const char *vr, const void *data, size_t size)
{
    const struct medvl_span value = {data, size};

    assert_int_equal(medvl_dataset_put(out, tag, vr, value, NULL), MEDVL_OK);
}

static inline void dicom_text(struct medvl_text *out, uint32_t tag,
                              const char *vr, const char *text)
{
    dicom_bytes(out, tag, vr, text, strlen(text));
}

static inline void dicom_word(struct medvl_text *out, uint32_t tag,
                              const char *vr, int value)
{
    const uint16_t word = (uint16_t)value;

    dicom_bytes(out, tag, vr, &word, 2);
}

/* What stands from `at` on becomes the one item of a sequence. */
static inline void dicom_wrap(struct medvl_text *out, size_t at, uint32_t tag)
{
    assert_int_equal(medvl_dataset_wrap(out, at, MEDVL_DATASET_ITEM, NULL,
                                        NULL),
                     MEDVL_OK);
    assert_int_equal(medvl_dataset_wrap(out, at, tag, "SQ", NULL), MEDVL_OK);
}

/* 128 bytes, "DICM", and the group of the file itself with `more`. */
static inline void dicom_begin(struct medvl_text *out, const char *preamble,
                               const char *syntax,
                               const struct medvl_text *more)
{
    struct medvl_text meta = {0};
    uint32_t size;

    dicom_text(&meta, 0x00020010, "UI", syntax);
    if (more)
        assert_int_equal(medvl_text_append(&meta, more->data, more->size,
                                           NULL),
                         MEDVL_OK);
    size = (uint32_t)meta.size;
    assert_int_equal(medvl_text_reserve(out, 132, NULL), MEDVL_OK);
    memset(out->data, 0, 128);
    memcpy(out->data, preamble, strlen(preamble));
    memcpy(out->data + 128, "DICM", 4);
    out->size = 132;
    dicom_bytes(out, 0x00020000, "UL", &size, 4);
    assert_int_equal(medvl_text_append(out, meta.data, meta.size, NULL),
                     MEDVL_OK);
    medvl_text_release(&meta);
}

/* Grey of one sample, as `bits` of 8 or 16. */
static inline void dicom_shape(struct medvl_text *out, int rows, int columns,
                               const char *frames, int allocated, int stored)
{
    dicom_word(out, 0x00280002, "US", 1);
    dicom_text(out, 0x00280004, "CS", "MONOCHROME2");
    if (frames)
        dicom_text(out, 0x00280008, "IS", frames);
    dicom_word(out, 0x00280010, "US", rows);
    dicom_word(out, 0x00280011, "US", columns);
    dicom_word(out, 0x00280100, "US", allocated);
    dicom_word(out, 0x00280101, "US", stored);
    dicom_word(out, 0x00280102, "US", stored - 1);
    dicom_word(out, 0x00280103, "US", 0);
}

#endif
