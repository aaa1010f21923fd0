/*
 * What a DICOM file says, as a record may know it.
 *
 * Read next: series_record.c.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "lib/build/series_part.h"

/* ---- words -------------------------------------------------------------- */

static const char *modality_name(const char *code)
{
    static const char *const NAMES[][2] = {
        {"CT", "CT"},
        {"MR", "MRI"},
        {"CR", "X-ray"},
        {"DX", "X-ray"},
        {"RG", "X-ray"},
        {"IO", "dental X-ray"},
        {"PX", "dental X-ray"},
        {"MG", "mammography"},
        {"US", "ultrasound"},
        {"IVUS", "intravascular ultrasound"},
        {"PT", "PET"},
        {"NM", "nuclear medicine"},
        {"XA", "angiography"},
        {"RF", "fluoroscopy"},
        {"OP", "ophthalmic photography"},
        {"OPT", "optical coherence tomography"},
        {"OCT", "optical coherence tomography"},
        {"ES", "endoscopy"},
        {"SM", "microscopy"},
        {"GM", "microscopy"},
        {"XC", "photography"},
        {"ECG", "electrocardiography"},
    };

    for (size_t i = 0; code && i < sizeof(NAMES) / sizeof(*NAMES); i++)
        if (strcmp(code, NAMES[i][0]) == 0)
            return NAMES[i][1];
    return NULL;
}

static const char *side_name(const char *code)
{
    return !code                    ? ""
           : strcmp(code, "L") == 0 ? "left"
           : strcmp(code, "R") == 0 ? "right"
           : strcmp(code, "B") == 0 ? "both"
           : strcmp(code, "U") == 0 ? "unpaired"
                                    : "";
}

static void lower(char out[17], const char *code)
{
    size_t i;

    for (i = 0; code[i]; i++)
        out[i] = code[i] == '_'                     ? ' '
                 : code[i] >= 'A' && code[i] <= 'Z' ? (char)(code[i] + 32)
                                                    : code[i];
    out[i] = 0;
}

/* ---- a file's tags ------------------------------------------------------ */

static const char *text_of(const struct medvl_dicom *dicom,
                           const char *keyword)
{
    const struct medvl_json *tag = medvl_dicom_tag(dicom, 0, keyword);

    if (medvl_json_type(tag) == MEDVL_JSON_ARRAY)
        tag = medvl_json_first(tag);
    return medvl_json_string(tag);
}

/* `count` finite numbers of a tag; false when it has others. */
static bool numbers_of(double *out, const struct medvl_dicom *dicom,
                       const char *keyword, size_t count)
{
    const struct medvl_json *tag = medvl_dicom_tag(dicom, 0, keyword);
    const bool many = medvl_json_type(tag) == MEDVL_JSON_ARRAY;

    if (!tag || (count > 1 && (!many || medvl_json_count(tag) != count)))
        return false;
    for (size_t i = 0; i < count; i++) {
        out[i] = medvl_json_number(many ? medvl_json_at(tag, i) : tag, NAN);
        if (!isfinite(out[i]))
            return false;
    }
    return true;
}

static double number_of(const struct medvl_dicom *dicom, const char *keyword)
{
    double value;

    return numbers_of(&value, dicom, keyword, 1) ? value : NAN;
}

/* The letter of the axis that a direction of DICOM is closest to. */
static char letter_of(const double v[3])
{
    int most = 0;

    for (int i = 1; i < 3; i++)
        if (fabs(v[i]) > fabs(v[most]))
            most = i;
    return v[most] < 0 ? "RAF"[most] : "LPH"[most];
}

static void find_place(struct medvl_slice *s, const struct medvl_dicom *dicom)
{
    static const char *const PLANES[] = {"sagittal", "coronal", "axial"};
    double o[6], at[3];
    int most = 0;

    s->position = NAN;
    if (!numbers_of(o, dicom, "ImageOrientationPatient", 6))
        return;
    for (int i = 0; i < 3; i++) {
        const int j = (i + 1) % 3, k = (i + 2) % 3;

        s->normal[i] = o[j] * o[3 + k] - o[k] * o[3 + j];
        if (fabs(s->normal[i]) > fabs(s->normal[most]))
            most = i;
    }
    s->orientation[0] = letter_of(o);
    s->orientation[1] = letter_of(o + 3);
    /* Of photographs and radiographs a plane says nothing. */
    if (fabs(s->normal[most]) > 0.5 &&
        (!s->modality || strstr(s->modality, "X-ray") == NULL))
        s->plane = PLANES[most];
    if (numbers_of(at, dicom, "ImagePositionPatient", 3))
        s->position = at[0] * s->normal[0] + at[1] * s->normal[1] +
                      at[2] * s->normal[2];
}

static void find_words(struct medvl_slice *s, const struct medvl_dicom *dicom)
{
    const char *view = text_of(dicom, "ViewPosition");
    const char *part = text_of(dicom, "BodyPartExamined");
    const char *side = text_of(dicom, "ImageLaterality");

    s->modality = modality_name(text_of(dicom, "Modality"));
    if (!side)
        side = text_of(dicom, "FrameLaterality");
    if (!side)
        side = text_of(dicom, "Laterality");
    snprintf(s->laterality, sizeof(s->laterality), "%s", side_name(side));
    if (view && medvl_dicom_is_code(medvl_span(view)))
        snprintf(s->view, sizeof(s->view), "%s", view);
    if (part && medvl_dicom_is_code(medvl_span(part)))
        lower(s->body_part, part);
}

/*
 * Is it of a kind in which machines write: ultrasound, what was captured
 * from a screen, scanned, or taken with a camera?
 */
static bool is_written_on(const struct medvl_dicom *dicom)
{
    static const char STORAGE[] = "1.2.840.10008.5.1.4.1.1.";
    static const char *const CLASSES[] = {"3", "6", "7", "77"};
    static const char *const CODES[] = {
        "US", "IVUS", "BDUS", "CD", "DD", "EC", "SC", "OT", "HC", "ES", "LP",
        "CP", "CS", "XC", "GM", "SM", "DMS", "OP", "FA", "FS"};
    const char *kind = text_of(dicom, "SOPClassUID");
    const char *code = text_of(dicom, "Modality");
    size_t size;

    for (size_t i = 0; code && i < sizeof(CODES) / sizeof(*CODES); i++)
        if (strcmp(code, CODES[i]) == 0)
            return true;
    if (!kind || strncmp(kind, STORAGE, sizeof(STORAGE) - 1) != 0)
        return false;
    kind += sizeof(STORAGE) - 1;
    size = strcspn(kind, ".");
    for (size_t i = 0; i < sizeof(CLASSES) / sizeof(*CLASSES); i++)
        if (strlen(CLASSES[i]) == size && memcmp(kind, CLASSES[i], size) == 0)
            return true;
    return false;
}

static void find_burned(struct medvl_slice *s, const struct medvl_dicom *dicom)
{
    const struct medvl_json *tag = medvl_dicom_tag(dicom, 0,
                                                   "BurnedInAnnotation");
    const char *says = medvl_json_string(tag);

    if (says && strcmp(says, "YES") == 0)
        s->burned = MEDVL_BURNED_YES;
    else if (says && strcmp(says, "NO") == 0)
        s->burned = MEDVL_BURNED_NO;
    else if ((tag && (!says || *says)) || is_written_on(dicom))
        s->burned = MEDVL_BURNED_MAYBE;
}

/* A pseudonym, or nothing where the file does not say. */
static void find_name(char out[33], const struct medvl_secret *secret,
                      const struct medvl_dicom *dicom, const char *purpose,
                      const char *keyword)
{
    const char *text = text_of(dicom, keyword);

    out[0] = 0;
    if (text && *text)
        medvl_secret_name(out, secret, purpose, medvl_span(text));
}

void medvl_slice_fill(struct medvl_slice *s,
                      const struct medvl_secret *secret,
                      const struct medvl_dicom *dicom)
{
    find_name(s->patient, secret, dicom, "patient", "PatientID");
    find_name(s->study, secret, dicom, "study", "StudyInstanceUID");
    find_name(s->series, secret, dicom, "series", "SeriesInstanceUID");
    s->frames = dicom->file.frames;
    s->width = dicom->file.size[1];
    s->height = dicom->file.size[2];
    s->series_number = number_of(dicom, "SeriesNumber");
    s->instance_number = number_of(dicom, "InstanceNumber");
    find_words(s, dicom);
    find_place(s, dicom);
    find_burned(s, dicom);
    if (!numbers_of(s->spacing, dicom, "PixelSpacing", 2) &&
        !numbers_of(s->spacing, dicom, "ImagerPixelSpacing", 2))
        s->spacing[0] = 0;
    if (!s->series[0]) /* alone, by what is in it */
        medvl_secret_name(s->series, secret, "file",
                          medvl_span(s->hash));
}
