/*
 * The lists are gone through beside the data set, which has its elements in
 * the same order: what stands between two lines of a list is passed over.
 *
 * Read next: deidentify_table.c.
 */
#include "lib/image/deidentify.h"

#include <math.h>
#include <string.h>

#include "lib/base/hash.h"
#include "lib/base/mem.h"
#include "lib/base/stream.h"
#include "lib/image/dataset.h"
#include "lib/image/deidentify_part.h"

#define PREAMBLE 128
#define SHORT    0xfffe /* bytes of a value that is text */
#define PIXELS   0xfffffffell

/* ---- one element -------------------------------------------------------- */

/* The element as the list wants it: of its VR, of one that is unknown, or
 * a table as bytes. */
static bool is_of_kind(struct medvl_element *e, const struct medvl_keep *keep)
{
    if (strcmp(e->vr, "UN") == 0 ||
        (strcmp(e->vr, "OB") == 0 && memcmp(keep->vr, "OW", 2) == 0))
        memcpy(e->vr, keep->vr, 2);
    return memcmp(e->vr, keep->vr, 2) == 0 ||
           (keep->vr[2] && memcmp(e->vr, keep->vr + 2, 2) == 0);
}

/* Of 16 characters at most, none of which spells anything. */
static bool is_numeral(struct medvl_span word)
{
    static const char USED[] = "0123456789+-.eE";

    for (size_t i = 0; i < word.size; i++)
        if (!memchr(USED, word.data[i], sizeof(USED) - 1))
            return false;
    return word.size <= 16 && isfinite(medvl_word_number(word));
}

static bool is_within(double value, const struct medvl_keep *keep)
{
    return value == 0 ||
           (fabs(value) >= 1e-9 && fabs(value) <= keep->limit);
}

/* Fractions get the precision of a float: 29 of their bits become 0. */
static int put_binary(struct medvl_text *out, const struct medvl_keep *keep,
                      const struct medvl_element *e, struct medvl_error *err)
{
    const size_t count = e->value.size / medvl_vr_bytes(e->vr);
    double rounded;

    if (e->value.size % medvl_vr_bytes(e->vr) || count > (size_t)keep->most)
        return MEDVL_OK;
    for (size_t i = 0; i < count; i++)
        if (!is_within(medvl_element_number(e, i), keep))
            return MEDVL_OK;
    if (strcmp(e->vr, "FD") != 0)
        return medvl_dataset_put(out, e->tag, e->vr, e->value, err);
    rounded = (float)medvl_element_number(e, 0);
    return medvl_dataset_put(
        out, e->tag, e->vr,
        (struct medvl_span){(const char *)&rounded, sizeof(rounded)}, err);
}

static int put_numbers(struct medvl_text *out, const struct medvl_keep *keep,
                       const struct medvl_element *e, struct medvl_error *err)
{
    struct medvl_span left = e->value;
    int count = 0;

    if (!medvl_vr_is_text(e->vr))
        return put_binary(out, keep, e, err);
    while (left.data) {
        const struct medvl_span word = medvl_dataset_word(&left);

        if (++count > keep->most || !is_numeral(word) ||
            !is_within(medvl_word_number(word), keep))
            return MEDVL_OK;
    }
    return e->value.size > SHORT
               ? MEDVL_OK
               : medvl_dataset_put(out, e->tag, e->vr, e->value, err);
}

static int put_codes(struct medvl_text *out, const struct medvl_keep *keep,
                     const struct medvl_element *e, struct medvl_error *err)
{
    struct medvl_span left = e->value;
    char text[200]; /* 8 codes of 16 bytes */
    size_t size = 0;

    for (int i = 0; i < keep->most && left.data; i++) {
        const struct medvl_span word = medvl_dataset_word(&left);

        if (i)
            text[size++] = '\\';
        if (!medvl_dicom_is_code(word))
            continue;
        memcpy(text + size, word.data, word.size);
        size += word.size;
    }
    return medvl_dataset_put(out, e->tag, e->vr,
                             (struct medvl_span){text, size}, err);
}

/* Tags of groups of the standard that lists of tags have to do with. */
static int put_pointers(struct medvl_text *out, const struct medvl_keep *keep,
                        const struct medvl_element *e,
                        struct medvl_error *err)
{
    const unsigned char *at = (const unsigned char *)e->value.data;

    if (e->value.size % 4 || e->value.size / 4 > (size_t)keep->most)
        return MEDVL_OK;
    for (size_t i = 0; i < e->value.size; i += 4)
        if (at[i] % 2 || at[i] > 0x54 || at[i + 1])
            return MEDVL_OK;
    return medvl_dataset_put(out, e->tag, "AT", e->value, err);
}

/* ---- a data set --------------------------------------------------------- */

static int put_set(struct medvl_text *out, const struct medvl_deidentify *job,
                   struct medvl_span set, const struct medvl_keep *list,
                   size_t count, struct medvl_error *err);

/* As deep as the lists are, whatever the file holds. */
static int put_items(struct medvl_text *out,
                     const struct medvl_deidentify *job,
                     const struct medvl_keep *keep,
                     const struct medvl_element *e, struct medvl_error *err)
{
    const size_t start = out->size;
    struct medvl_span left = e->value, item;
    int rc;

    while ((rc = medvl_dataset_item(&item, &left, err)) > 0) {
        const size_t at = out->size;

        if (keep->what == MEDVL_KEEP_TABLE && !medvl_keep_is_grey(item))
            return MEDVL_OK;
        rc = put_set(out, job, item, keep->items, keep->count, err);
        if (rc == MEDVL_OK)
            rc = medvl_dataset_wrap(out, at, MEDVL_DATASET_ITEM, NULL, err);
        if (rc < 0)
            return rc;
        if (keep->what == MEDVL_KEEP_TABLE)
            break;
    }
    if (rc < 0 || out->size == start)
        return rc;
    return medvl_dataset_wrap(out, start, e->tag, "SQ", err);
}

/* An element that the file has; what is not as it should be is dropped. */
static int put_kept(struct medvl_text *out,
                    const struct medvl_deidentify *job,
                    const struct medvl_keep *keep,
                    struct medvl_element *e, struct medvl_error *err)
{
    struct medvl_span empty = {NULL, 0};
    char uid[MEDVL_KEEP_UID_SIZE];

    if (keep->what == MEDVL_KEEP_EMPTIED)
        return medvl_dataset_put(out, e->tag, keep->vr, empty, err);
    if (!is_of_kind(e, keep) || !e->value.size)
        return MEDVL_OK;
    switch (keep->what) {
    case MEDVL_KEEP_NUMBER:
    case MEDVL_KEEP_NEEDED: return put_numbers(out, keep, e, err);
    case MEDVL_KEEP_CODE: return put_codes(out, keep, e, err);
    case MEDVL_KEEP_PALETTE:
        if (!medvl_keep_wants_palettes(job->dicom))
            return MEDVL_OK;
        return medvl_dataset_put(out, e->tag, e->vr, e->value, err);
    case MEDVL_KEEP_WORDS:
        return medvl_dataset_put(out, e->tag, "OW", e->value, err);
    case MEDVL_KEEP_POINTER: return put_pointers(out, keep, e, err);
    case MEDVL_KEEP_TABLE:
    case MEDVL_KEEP_ITEMS: return put_items(out, job, keep, e, err);
    case MEDVL_KEEP_UID:
        medvl_keep_uid(uid, job->secret, medvl_dataset_word(&e->value));
        return medvl_dataset_put(out, e->tag, "UI", medvl_span(uid), err);
    default: return MEDVL_OK;
    }
}

/* The picture would mean something else without it. */
static int put_needed(struct medvl_text *out,
                      const struct medvl_deidentify *job,
                      const struct medvl_keep *keep, struct medvl_element *e,
                      struct medvl_error *err)
{
    const size_t at = out->size;
    const int rc = put_kept(out, job, keep, e, err);

    if (rc < 0 || keep->what != MEDVL_KEEP_NEEDED || !e->value.size ||
        out->size > at)
        return rc;
    return medvl_fail(err, MEDVL_EUNSUPPORTED,
                      "(%04x,%04x) is no number that is kept: not "
                      "de-identified",
                      (unsigned)(e->tag >> 16), (unsigned)(e->tag & 0xffff));
}

static int put_set(struct medvl_text *out, const struct medvl_deidentify *job,
                   struct medvl_span set, const struct medvl_keep *list,
                   size_t count, struct medvl_error *err)
{
    const struct medvl_span empty = {NULL, 0};
    struct medvl_span left = set;
    struct medvl_element e = {0};
    int more = medvl_dataset_next(&e, &left, err), rc = MEDVL_OK;

    for (size_t i = 0; i < count && rc == MEDVL_OK; i++) {
        while (more > 0 && e.tag < list[i].tag)
            more = medvl_dataset_next(&e, &left, err);
        if (more < 0)
            return more;
        if (list[i].what == MEDVL_KEEP_MADE)
            rc = medvl_keep_make(out, job, &list[i], err);
        else if (list[i].what == MEDVL_KEEP_EMPTY)
            rc = medvl_dataset_put(out, list[i].tag, list[i].vr, empty, err);
        else if (more > 0 && e.tag == list[i].tag)
            rc = put_needed(out, job, &list[i], &e, err);
    }
    return rc;
}

/* ---- a file ------------------------------------------------------------- */

/* The head of the pixels' element. */
static int put_pixels_head(struct medvl_text *out,
                           const struct medvl_decoded *file,
                           struct medvl_error *err)
{
    const int64_t size = file->frames * (int64_t)file->bytes;

    if (size > PIXELS - 1)
        return medvl_fail(err, MEDVL_EUNSUPPORTED,
                          "%lld frames of %zu bytes are more than a DICOM "
                          "file holds uncompressed",
                          (long long)file->frames, file->bytes);
    if (file->type == MEDVL_VOXEL_F32)
        return medvl_dataset_head(out, 0x7fe00008, "OF", (size_t)size, err);
    if (file->type == MEDVL_VOXEL_F64)
        return medvl_dataset_head(out, 0x7fe00009, "OD", (size_t)size, err);
    return medvl_dataset_head(out, 0x7fe00010,
                              medvl_voxel_bytes(file->type) == 1 ? "OB"
                                                                 : "OW",
                              (size_t)(size + size % 2), err);
}

int medvl_deidentify_header(struct medvl_text *out,
                            const struct medvl_deidentify *job,
                            struct medvl_error *err)
{
    int rc = medvl_keep_check_tables(job->dicom, err);

    if (rc == MEDVL_OK)
        rc = medvl_text_reserve(out, PREAMBLE + 4, err);
    if (rc < 0)
        return rc;
    memset(out->data + out->size, 0, PREAMBLE);
    out->size += PREAMBLE;
    rc = medvl_text_puts(out, "DICM", err);
    if (rc == MEDVL_OK)
        rc = medvl_keep_make_meta(out, job, err);
    if (rc == MEDVL_OK)
        rc = put_set(out, job, job->dicom->file.tags, medvl_keep_all,
                     medvl_keep_count, err);
    return rc < 0 ? rc : put_pixels_head(out, &job->dicom->file, err);
}

static uint32_t item(const char *at, size_t bytes)
{
    uint32_t value = 0;

    memcpy(&value, at, bytes);
    return value;
}

/*
 * Nothing is left in the bits that are no part of a value: they become
 * copies of the sign, or 0.  Where all are 0 they stay, sign or not.
 */
static void clean(char *data, const struct medvl_dicom *dicom)
{
    const struct medvl_dicom_bits b = medvl_dicom_bits(dicom);
    const size_t bytes = medvl_voxel_bytes(dicom->file.type);
    const size_t size = dicom->file.bytes;
    const int end = b.shift + b.bits;
    const uint32_t above = end < 32 ? ~0u << end : 0;
    const uint32_t kept = ~above & ~0u << b.shift;
    uint32_t beside = 0;

    if (!b.bits)
        return;
    for (size_t i = 0; i < size; i += bytes)
        beside |= item(data + i, bytes) & ~kept;
    for (size_t i = 0; beside && i < size; i += bytes) {
        uint32_t value = item(data + i, bytes) & kept;

        if (b.sign && value >> (end - 1))
            value |= above;
        memcpy(data + i, &value, bytes);
    }
}

struct output {
    struct medvl_writer *writer;
    struct medvl_hash *hash;
};

static int put(struct output *o, const void *data, size_t size,
               struct medvl_error *err)
{
    medvl_hash_add(o->hash, data, size);
    return medvl_writer_put(o->writer, data, size, err);
}

static int put_frames(struct output *o, const struct medvl_deidentify *job,
                      struct medvl_error *err)
{
    const struct medvl_decoded *file = &job->dicom->file;
    char *frame = medvl_alloc(file->bytes, 1);
    int rc = frame ? MEDVL_OK : medvl_no_memory(err);

    for (int64_t i = 0; i < file->frames && rc == MEDVL_OK; i++) {
        rc = medvl_decoder_frame(frame, job->decoder, i, err);
        if (rc < 0)
            break;
        clean(frame, job->dicom);
        rc = put(o, frame, file->bytes, err);
    }
    if (rc == MEDVL_OK && file->bytes % 2 && file->frames % 2)
        rc = put(o, "", 1, err);
    medvl_free(frame);
    return rc;
}

int medvl_deidentify_write(char hash[33], const char *path,
                           const struct medvl_deidentify *job,
                           struct medvl_error *err)
{
    struct medvl_text header = {0};
    struct output o = {0};
    int rc = medvl_deidentify_header(&header, job, err);

    if (rc == MEDVL_OK)
        rc = medvl_hash_new(&o.hash, err);
    if (rc == MEDVL_OK)
        rc = medvl_writer_open(&o.writer, path, ".tmp", false, err);
    if (rc == MEDVL_OK)
        rc = put(&o, header.data, header.size, err);
    if (rc == MEDVL_OK)
        rc = put_frames(&o, job, err);
    if (rc == MEDVL_OK) {
        medvl_hash_hex(hash, o.hash);
        rc = medvl_writer_close(o.writer, err);
        o.writer = NULL;
    }
    medvl_writer_free(o.writer);
    medvl_hash_free(o.hash);
    medvl_text_release(&header);
    return rc;
}
