/*
 * DICOM files, their tags, and a frame as a picture.
 *
 * Read next: dicom_tags.c.
 */
#include "lib/image/dicom.h"

#include <string.h>
#include <strings.h>

#include "lib/base/mem.h"
#include "lib/image/dicom_part.h"

#define MAGIC_AT 128

bool medvl_dicom_is(const void *data, size_t size)
{
    return size >= MAGIC_AT + 4 &&
           memcmp((const char *)data + MAGIC_AT, "DICM", 4) == 0;
}

bool medvl_dicom_is_name(const char *path)
{
    const char *dot = strrchr(path, '.');

    return dot && (strcasecmp(dot, ".dcm") == 0 ||
                   strcasecmp(dot, ".dicom") == 0);
}

static int read_tags(struct medvl_dicom *out, struct medvl_error *err)
{
    struct medvl_text json = {0};
    int rc = medvl_dicom_write_tags(&json, out->file.tags, err);

    if (rc == MEDVL_OK)
        rc = medvl_json_parse(&out->tags, medvl_text_span(&json), err);
    medvl_text_release(&json);
    return rc < 0 ? medvl_context(err, "tags") : rc;
}

int medvl_dicom_file(struct medvl_dicom *out, struct medvl_decoder *decoder,
                     const char *path, struct medvl_error *err)
{
    int rc;

    out->tags = NULL;
    rc = medvl_decoder_file(&out->file, decoder, MEDVL_FORMAT_DICOM, path,
                            err);
    return rc < 0 ? rc : read_tags(out, err);
}

int medvl_dicom_bytes(struct medvl_dicom *out, struct medvl_decoder *decoder,
                      struct medvl_span bytes, struct medvl_error *err)
{
    int rc;

    out->tags = NULL;
    rc = medvl_decoder_bytes(&out->file, decoder, MEDVL_FORMAT_DICOM, bytes,
                             err);
    return rc < 0 ? rc : read_tags(out, err);
}

void medvl_dicom_release(struct medvl_dicom *dicom)
{
    medvl_json_free(dicom->tags);
    dicom->tags = NULL;
}

/* ---- tags --------------------------------------------------------------- */

const struct medvl_json *medvl_dicom_tag(const struct medvl_dicom *dicom,
                                         int64_t frame, const char *keyword)
{
    const struct medvl_json *frames = medvl_json_get(dicom->tags, "frames");
    const struct medvl_json *found = NULL;

    if (frames && frame >= 0)
        found = medvl_json_get(medvl_json_at(frames, (size_t)frame), keyword);
    if (!found)
        found = medvl_json_get(medvl_json_get(dicom->tags, "shared"),
                               keyword);
    return found ? found : medvl_json_get(dicom->tags, keyword);
}

static bool identifies(const char *keyword)
{
    static const char *const NAMES[] = {
        "PatientID",
        "StudyInstanceUID",
        "SeriesInstanceUID",
        "SOPInstanceUID",
        "FrameOfReferenceUID",
    };

    for (size_t i = 0; i < sizeof(NAMES) / sizeof(*NAMES); i++)
        if (strcmp(keyword, NAMES[i]) == 0)
            return true;
    return false;
}

/* Of the classes only those that are known are printed as they are. */
static bool is_foreign_class(const char *keyword,
                             const struct medvl_json *value)
{
    const char *uid = medvl_json_string(value);

    return strcmp(keyword, "SOPClassUID") == 0 &&
           !(uid && medvl_dicom_is_class(medvl_span(uid)));
}

/* An age above 89 years identifies as a name does. */
static bool is_old(const char *keyword, const struct medvl_json *value)
{
    const char *age = medvl_json_string(value);

    if (strcmp(keyword, "PatientAge") != 0)
        return false;
    return age ? strchr(age, 'Y') && strcmp(age, "089Y") > 0
               : medvl_json_type(value) != MEDVL_JSON_NULL;
}

static bool is_bulk(const char *keyword, const struct medvl_json *value)
{
    return medvl_json_type(value) == MEDVL_JSON_OBJECT ||
           strstr(keyword, "LookupTable") || strstr(keyword, "LUTSequence") ||
           strcmp(keyword, "frames") == 0;
}

void medvl_dicom_put_tags(struct medvl_json_writer *w,
                          const struct medvl_dicom *dicom)
{
    struct medvl_text text = {0};

    for (const struct medvl_json *tag = medvl_json_first(dicom->tags); tag;
         tag = medvl_json_next(tag)) {
        const char *keyword = medvl_json_name(tag);

        if (identifies(keyword) || is_foreign_class(keyword, tag) ||
            is_old(keyword, tag))
            continue;
        medvl_text_clear(&text);
        if (is_bulk(keyword, tag))
            medvl_json_put_bool(w, keyword, true);
        else if (medvl_json_print(&text, tag, &w->err) == MEDVL_OK)
            medvl_json_put_raw(w, keyword, medvl_text_span(&text));
    }
    medvl_text_release(&text);
}

double medvl_dicom_number(const struct medvl_dicom *dicom, int64_t frame,
                          const char *keyword, double otherwise)
{
    const struct medvl_json *tag = medvl_dicom_tag(dicom, frame, keyword);

    if (medvl_json_type(tag) == MEDVL_JSON_ARRAY)
        tag = medvl_json_first(tag);
    return medvl_json_number(tag, otherwise);
}

bool medvl_dicom_says(const struct medvl_dicom *dicom, const char *keyword,
                      const char *text)
{
    const char *value =
        medvl_json_string(medvl_dicom_tag(dicom, -1, keyword));

    return value && strcmp(value, text) == 0;
}

/* ---- a frame ------------------------------------------------------------ */

bool medvl_dicom_is_colour(const struct medvl_dicom *d)
{
    return d->file.size[0] > 1 ||
           medvl_dicom_says(d, "PhotometricInterpretation", "PALETTE COLOR");
}

static int fill(struct medvl_picture *out, const struct medvl_dicom *d,
                int64_t frame, const void *data,
                const struct medvl_window *window, double used[2],
                struct medvl_error *err)
{
    if (medvl_dicom_says(d, "PhotometricInterpretation", "PALETTE COLOR"))
        return medvl_dicom_palette(out, d, data, err);
    if (d->file.size[0] > 1)
        return medvl_dicom_colour(out, d, data, err);
    return medvl_dicom_grey(out, d, frame, data, window, used, err);
}

int medvl_dicom_picture(struct medvl_picture *out,
                        const struct medvl_dicom *dicom,
                        struct medvl_decoder *decoder, int64_t frame,
                        const struct medvl_window *window, int64_t pixels,
                        double used[2], struct medvl_error *err)
{
    const int64_t width = dicom->file.size[1], height = dicom->file.size[2];
    const bool colour = medvl_dicom_is_colour(dicom);
    void *data;
    int rc;

    if (used)
        used[0] = used[1] = 0;
    if (!dicom->file.frames)
        return medvl_fail(err, MEDVL_EFORMAT, "no pixels");
    if (width * height > (pixels ? pixels : MEDVL_PICTURE_PIXELS))
        return medvl_fail(err, MEDVL_EARG,
                          "%lld x %lld: over the limit of %lld pixels",
                          (long long)width, (long long)height,
                          (long long)(pixels ? pixels
                                             : MEDVL_PICTURE_PIXELS));
    data = medvl_alloc(dicom->file.bytes, 1);
    if (!data)
        return medvl_no_memory(err);
    rc = medvl_decoder_frame(data, decoder, frame, err);
    if (rc == MEDVL_OK)
        rc = medvl_picture_make(out, width, height, colour ? 3 : 1, 8, err);
    if (rc == MEDVL_OK)
        rc = fill(out, dicom, frame, data, window, used, err);
    if (rc < 0)
        medvl_picture_release(out);
    medvl_free(data);
    return rc;
}
