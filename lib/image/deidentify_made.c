/*
 * What a de-identified file says that is not copied: pseudonyms, the shape
 * of the decoded pixels, and that it is de-identified.
 *
 * Read next: load.c.
 */
#include <stdio.h>
#include <string.h>

#include "lib/image/dataset.h"
#include "lib/image/deidentify.h"
#include "lib/image/deidentify_part.h"

/* Of this program, among implementations: a UUID of its own. */
#define IMPLEMENTATION "2.25.113649842710865731224905618273940512846"
#define METHOD         "medvl: PS3.15 Basic Profile, a list of what is kept"

#define LONGEST 72 /* a made text */

#define DIGITS 39 /* of 128 bits */

/* 32 hex digits to decimal. */
static void to_decimal(char out[DIGITS + 1], const char hex[33])
{
    unsigned char digits[DIGITS] = {0};
    int first = 0;

    for (int i = 0; i < 32; i++) {
        int carry = hex[i] <= '9' ? hex[i] - '0' : hex[i] - 'a' + 10;

        for (int k = DIGITS - 1; k >= 0; k--) {
            carry += digits[k] * 16;
            digits[k] = (unsigned char)(carry % 10);
            carry /= 10;
        }
    }
    while (first < DIGITS - 1 && !digits[first])
        first++;
    for (int k = first; k < DIGITS; k++)
        out[k - first] = (char)('0' + digits[k]);
    out[DIGITS - first] = 0;
}

void medvl_keep_uid(char out[MEDVL_KEEP_UID_SIZE],
                    const struct medvl_secret *secret, struct medvl_span uid)
{
    char hex[33], decimal[DIGITS + 1];

    medvl_secret_name(hex, secret, "uid", uid);
    to_decimal(decimal, hex);
    snprintf(out, MEDVL_KEEP_UID_SIZE, "2.25.%s", decimal);
}

/* ---- texts -------------------------------------------------------------- */

/* The first text of a tag, or "". */
static const char *tag_text(const struct medvl_deidentify *job,
                            const char *keyword)
{
    const struct medvl_json *tag = medvl_dicom_tag(job->dicom, -1, keyword);
    const char *text;

    if (medvl_json_type(tag) == MEDVL_JSON_ARRAY)
        tag = medvl_json_first(tag);
    text = medvl_json_string(tag);
    return text ? text : "";
}

/* Of the data set, or where it has none of the fallback. */
static void make_uid(char out[LONGEST], const struct medvl_deidentify *job,
                     uint32_t tag)
{
    struct medvl_span uid = {NULL, 0};
    struct medvl_element e;
    char other[100];

    if (medvl_dataset_find(&e, job->dicom->file.tags, tag))
        uid = medvl_dataset_word(&e.value);
    if (!uid.size) {
        snprintf(other, sizeof(other), "%08x %.64s", (unsigned)tag,
                 job->fallback ? job->fallback : "");
        uid = medvl_span(other);
    }
    medvl_keep_uid(out, job->secret, uid);
}

/* The same as in the records' "group". */
static void make_patient(char out[LONGEST],
                         const struct medvl_deidentify *job)
{
    const char *id = tag_text(job, "PatientID");

    if (*id)
        medvl_secret_name(out, job->secret, "patient", medvl_span(id));
}

/* As the decoded pixels are. */
static int make_colours(char out[LONGEST], const struct medvl_deidentify *job,
                        struct medvl_error *err)
{
    static const char *const SPACES[][2] = {
        {"MONOCHROME1", "MONOCHROME1"},
        {"MONOCHROME2", "MONOCHROME2"},
        {"PALETTE COLOR", "PALETTE COLOR"},
        {"RGB", "RGB"},
        {"YBR_FULL", "YBR_FULL"},
        {"YBR_FULL_422", "YBR_FULL"},
        {"YBR_RCT", "RGB"},
        {"YBR_ICT", "RGB"},
    };
    const char *space = tag_text(job, "PhotometricInterpretation");

    for (size_t i = 0; i < sizeof(SPACES) / sizeof(*SPACES); i++)
        if (strcmp(space, SPACES[i][0]) == 0) {
            snprintf(out, LONGEST, "%s", SPACES[i][1]);
            return MEDVL_OK;
        }
    return medvl_fail(err, MEDVL_EUNSUPPORTED,
                      "a colour space that is not known");
}

/* The method of a syntax that loses, or NULL. */
static const char *lossy(const struct medvl_deidentify *job)
{
    static const char *const SYNTAXES[][2] = {
        {"50", "ISO_10918_1"},
        {"51", "ISO_10918_1"},
        {"53", "ISO_10918_1"},
        {"55", "ISO_10918_1"},
        {"81", "ISO_14495_1"},
        {"91", "ISO_15444_1"},
        {"93", "ISO_15444_2"},
    };
    static const char ROOT[] = "1.2.840.10008.1.2.4.";
    const char *syntax = tag_text(job, "TransferSyntaxUID");

    if (strncmp(syntax, ROOT, strlen(ROOT)) != 0)
        return NULL;
    for (size_t i = 0; i < sizeof(SYNTAXES) / sizeof(*SYNTAXES); i++)
        if (strcmp(syntax + strlen(ROOT), SYNTAXES[i][0]) == 0)
            return SYNTAXES[i][1];
    return NULL;
}

/* Once lossy, always lossy.  JPEG 2000 may say that it lost nothing. */
static bool is_lossy(const struct medvl_deidentify *job)
{
    const char *says = tag_text(job, "LossyImageCompression");
    const char *method = lossy(job);

    return strcmp(says, "01") == 0 ||
           (method && !(strncmp(method, "ISO_15444", 9) == 0 &&
                        strcmp(says, "00") == 0));
}

/* What the file says, if that is a word of the standard. */
static void make_method(char out[LONGEST], const struct medvl_deidentify *job)
{
    const char *method = lossy(job);
    struct medvl_span word = medvl_span(method ? method : "");
    struct medvl_element e;

    if (!is_lossy(job))
        return;
    if (medvl_dataset_find(&e, job->dicom->file.tags, 0x00282114)) {
        const struct medvl_span own = medvl_dataset_word(&e.value);

        if (own.size && medvl_dicom_is_code(own))
            word = own;
    }
    snprintf(out, LONGEST, "%.*s", (int)word.size, word.data);
}

static void make_frames(char out[LONGEST], const struct medvl_deidentify *job)
{
    const int64_t frames = job->dicom->file.frames;

    if (frames > 1 || medvl_dicom_tag(job->dicom, -1, "NumberOfFrames"))
        snprintf(out, LONGEST, "%lld", (long long)frames);
}

/* "" where there is nothing to say. */
static int make_text(char out[LONGEST], const struct medvl_deidentify *job,
                     uint32_t tag, struct medvl_error *err)
{
    const char *fixed = "";

    switch (tag) {
    case 0x00080018:
    case 0x0020000d:
    case 0x0020000e: make_uid(out, job, tag); return MEDVL_OK;
    case 0x00080016: fixed = tag_text(job, "SOPClassUID"); break;
    case 0x00100010:
    case 0x00100020: make_patient(out, job); return MEDVL_OK;
    case 0x00120062: fixed = "YES"; break;
    case 0x00120063: fixed = METHOD; break;
    case 0x00280004: return make_colours(out, job, err);
    case 0x00280008: make_frames(out, job); return MEDVL_OK;
    case 0x00280303: fixed = "REMOVED"; break;
    case 0x00282110:
        fixed = is_lossy(job) ? "01" : tag_text(job, "LossyImageCompression");
        break;
    case 0x00282114: make_method(out, job); return MEDVL_OK;
    default: break;
    }
    snprintf(out, LONGEST, "%s", fixed);
    return MEDVL_OK;
}

/* ---- numbers ------------------------------------------------------------ */

/* Below 0: there is none. */
static int make_number(const struct medvl_deidentify *job, uint32_t tag)
{
    const struct medvl_decoded *file = &job->dicom->file;
    const struct medvl_dicom_bits b = medvl_dicom_bits(job->dicom);

    switch (tag) {
    case 0x00280002: return (int)file->size[0];
    case 0x00280006: return file->size[0] > 1 ? 0 : -1;
    case 0x00280010: return (int)file->size[2];
    case 0x00280011: return (int)file->size[1];
    case 0x00280100: return (int)medvl_voxel_bytes(file->type) * 8;
    case 0x00280101: return b.bits ? b.bits : -1;
    case 0x00280102: return b.bits ? b.shift + b.bits - 1 : -1;
    case 0x00280103: return b.bits ? b.sign : -1;
    default: return -1;
    }
}

/* ---- elements ----------------------------------------------------------- */

static int put_text(struct medvl_text *out, uint32_t tag, const char *vr,
                    const char *text, struct medvl_error *err)
{
    return medvl_dataset_put(out, tag, vr, medvl_span(text), err);
}

/* The code of the profile, PS3.16 CID 7050. */
static int put_profile(struct medvl_text *out, uint32_t tag,
                       struct medvl_error *err)
{
    const size_t at = out->size;
    int rc = put_text(out, 0x00080100, "SH", "113100", err);

    if (rc == MEDVL_OK)
        rc = put_text(out, 0x00080102, "SH", "DCM", err);
    if (rc == MEDVL_OK)
        rc = put_text(out, 0x00080104, "LO",
                      "Basic Application Confidentiality Profile", err);
    if (rc == MEDVL_OK)
        rc = medvl_dataset_wrap(out, at, MEDVL_DATASET_ITEM, NULL, err);
    return rc < 0 ? rc : medvl_dataset_wrap(out, at, tag, "SQ", err);
}

int medvl_keep_make(struct medvl_text *out,
                    const struct medvl_deidentify *job,
                    const struct medvl_keep *keep, struct medvl_error *err)
{
    char text[LONGEST] = "";
    int number, rc;

    if (strcmp(keep->vr, "SQ") == 0)
        return put_profile(out, keep->tag, err);
    if (strcmp(keep->vr, "US") == 0) {
        number = make_number(job, keep->tag);
        text[0] = (char)number;
        text[1] = (char)(number >> 8);
        return number < 0
                   ? MEDVL_OK
                   : medvl_dataset_put(out, keep->tag, "US",
                                       (struct medvl_span){text, 2}, err);
    }
    rc = make_text(text, job, keep->tag, err);
    if (rc < 0 || (!*text && keep->tag >> 16 == 0x0028))
        return rc;
    return put_text(out, keep->tag, keep->vr, text, err);
}

int medvl_keep_make_meta(struct medvl_text *out,
                         const struct medvl_deidentify *job,
                         struct medvl_error *err)
{
    const char *class = tag_text(job, "SOPClassUID");
    const struct medvl_span version = {"\0\1", 2};
    char uid[LONGEST] = "", size[4];
    size_t at;
    int rc;

    if (!medvl_dicom_is_class(medvl_span(class)))
        return medvl_fail(err, MEDVL_EUNSUPPORTED,
                          "not of a class of pictures that is known: not "
                          "de-identified");
    make_uid(uid, job, 0x00080018);
    rc = medvl_dataset_put(out, 0x00020000, "UL",
                           (struct medvl_span){"\0\0\0\0", 4}, err);
    at = out->size;
    if (rc == MEDVL_OK)
        rc = medvl_dataset_put(out, 0x00020001, "OB", version, err);
    if (rc == MEDVL_OK)
        rc = put_text(out, 0x00020002, "UI", class, err);
    if (rc == MEDVL_OK)
        rc = put_text(out, 0x00020003, "UI", uid, err);
    if (rc == MEDVL_OK)
        rc = put_text(out, 0x00020010, "UI", "1.2.840.10008.1.2.1", err);
    if (rc == MEDVL_OK)
        rc = put_text(out, 0x00020012, "UI", IMPLEMENTATION, err);
    if (rc == MEDVL_OK)
        rc = put_text(out, 0x00020013, "SH", "MEDVL", err);
    if (rc < 0)
        return rc;
    for (int i = 0; i < 4; i++)
        size[i] = (char)((out->size - at) >> 8 * i);
    memcpy(out->data + at - 4, size, 4);
    return MEDVL_OK;
}
