/*
 * DICOM files to records.
 *
 * Files are read one after another for their headers; what a record needs
 * is kept of each, all of it already free of what identifies.  Then they
 * are sorted and written.
 *
 * Read next: ../stage/loop.c.
 */
#include "lib/build/series.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/file.h"
#include "lib/base/hash.h"
#include "lib/base/mem.h"
#include "lib/data/source.h"
#include "lib/image/deidentify.h"

#define DEPTH    64   /* folders in folders */
#define PARALLEL 1e-3 /* of directions of length 1 */
#define EVEN     0.01 /* of the distance of slices */

enum burned {
    BURNED_NO,
    BURNED_MAYBE,
    BURNED_YES,
};

/* What a record needs to know of a file. */
struct slice {
    char *path;
    char patient[33], study[33], series[33], hash[33];
    int64_t frames, width, height;
    double series_number, instance_number;
    double normal[3], position; /* position NAN: not known */
    double spacing[2];
    const char *modality, *plane;
    char view[17], laterality[17], body_part[17];
    enum burned burned;
};

struct reading {
    const struct medvl_series_job *job;
    struct slice *slices;
    size_t count, room;
    int64_t passed;
    struct medvl_text json, file;
};

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

static void find_place(struct slice *s, const struct medvl_dicom *dicom)
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
    /* Of photographs and radiographs a plane says nothing. */
    if (fabs(s->normal[most]) > 0.5 &&
        (!s->modality || strstr(s->modality, "X-ray") == NULL))
        s->plane = PLANES[most];
    if (numbers_of(at, dicom, "ImagePositionPatient", 3))
        s->position = at[0] * s->normal[0] + at[1] * s->normal[1] +
                      at[2] * s->normal[2];
}

static void find_words(struct slice *s, const struct medvl_dicom *dicom)
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

static void find_burned(struct slice *s, const struct medvl_dicom *dicom)
{
    const char *says = text_of(dicom, "BurnedInAnnotation");
    const char *kind = text_of(dicom, "SOPClassUID");
    const char *code = text_of(dicom, "Modality");

    if (says && strcmp(says, "YES") == 0)
        s->burned = BURNED_YES;
    else if (says && strcmp(says, "NO") == 0)
        s->burned = BURNED_NO;
    else if ((kind && strncmp(kind, "1.2.840.10008.5.1.4.1.1.7", 25) == 0) ||
             (code && (strcmp(code, "US") == 0 || strcmp(code, "SC") == 0 ||
                       strcmp(code, "OT") == 0)))
        s->burned = BURNED_MAYBE;
}

/* A pseudonym, or nothing where the file does not say. */
static void find_name(char out[33], const struct reading *r,
                      const struct medvl_dicom *dicom, const char *purpose,
                      const char *keyword)
{
    const char *text = text_of(dicom, keyword);

    out[0] = 0;
    if (text && *text)
        medvl_secret_name(out, r->job->secret, purpose, medvl_span(text));
}

static void fill(struct slice *s, const struct reading *r,
                 const struct medvl_dicom *dicom)
{
    find_name(s->patient, r, dicom, "patient", "PatientID");
    find_name(s->study, r, dicom, "study", "StudyInstanceUID");
    find_name(s->series, r, dicom, "series", "SeriesInstanceUID");
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
        medvl_secret_name(s->series, r->job->secret, "file",
                          medvl_span(s->hash));
}

/* ---- reading ------------------------------------------------------------ */

/*
 * Write the file without what identifies.  Its name is made of pseudonyms
 * of the series and of what is in it, so another run writes the same.
 */
static int deidentify(struct slice *s, const struct reading *r,
                      const struct medvl_dicom *dicom,
                      struct medvl_error *err)
{
    const struct medvl_deidentify job = {.dicom = dicom,
                                         .decoder = r->job->decoder,
                                         .secret = r->job->secret,
                                         .fallback = s->hash};
    char file[33], name[40];
    int rc;

    medvl_secret_name(file, r->job->secret, "file", medvl_span(s->hash));
    snprintf(name, sizeof(name), "%.12s-%.20s.dcm", s->series, file);
    rc = medvl_path_join(&s->path, r->job->deidentify, name, err);
    if (rc == MEDVL_OK)
        rc = medvl_deidentify_write(s->hash, s->path, &job, err);
    if (rc < 0)
        medvl_free(s->path);
    return rc;
}

static int keep_slice(struct reading *r, const char *path,
                      const struct medvl_dicom *dicom,
                      struct medvl_error *err)
{
    struct slice *s;
    int rc = medvl_grow(&r->slices, &r->room, r->count + 1, sizeof(*s), err);

    if (rc < 0)
        return rc;
    s = &r->slices[r->count];
    memset(s, 0, sizeof(*s));
    medvl_hash128_hex(s->hash, r->file.data, r->file.size);
    fill(s, r, dicom);
    if (r->job->deidentify)
        rc = deidentify(s, r, dicom, err);
    else
        s->path = medvl_copy_string(path, strlen(path));
    if (rc < 0)
        return rc;
    if (!s->path)
        return medvl_no_memory(err);
    r->count++;
    if (s->burned && r->job->burned)
        r->job->burned(r->job->layout->arg, path, s->burned == BURNED_YES);
    return MEDVL_OK;
}

static int read_dicom(struct reading *r, const char *path,
                      struct medvl_error *err)
{
    struct medvl_dicom dicom = {0};
    int rc = medvl_dicom_bytes(&dicom, r->job->decoder,
                               medvl_text_span(&r->file), err);

    if (rc == MEDVL_OK && !dicom.file.frames)
        rc = medvl_fail(err, MEDVL_EUNSUPPORTED, "no picture in it");
    if (rc == MEDVL_OK)
        rc = keep_slice(r, path, &dicom, err);
    if (rc < 0 && !medvl_is_fatal(rc))
        medvl_context(err, "%s", path);
    medvl_dicom_release(&dicom);
    return rc;
}

/* A file; one in a folder that is not DICOM is passed over. */
static int read_file(struct reading *r, const char *path, bool named,
                     struct medvl_error *err)
{
    int rc;

    medvl_text_clear(&r->file);
    rc = medvl_file_read(&r->file, path, MEDVL_SOURCE_MAX, err);
    if (rc == MEDVL_OK && !named && !medvl_dicom_is_name(path) &&
        !medvl_dicom_is(r->file.data, r->file.size)) {
        r->passed++;
        return MEDVL_OK;
    }
    if (rc == MEDVL_OK)
        rc = read_dicom(r, path, err);
    if (rc < 0 && !medvl_is_fatal(rc))
        rc = r->job->layout->bad(r->job->layout->arg, err);
    return rc;
}

/* Folders that wait, the next one last. */
struct waiting {
    char **paths;
    size_t count, room;
};

static int push(struct waiting *w, char *path, struct medvl_error *err)
{
    int rc = path ? medvl_grow(&w->paths, &w->room, w->count + 1,
                               sizeof(*w->paths), err)
                  : medvl_no_memory(err);

    if (rc == MEDVL_OK)
        w->paths[w->count++] = path;
    else
        medvl_free(path);
    return rc;
}

/* Files of a folder now, its folders later. */
static int read_folder(struct reading *r, struct waiting *waiting,
                       const char *folder, struct medvl_error *err)
{
    const char *out = r->job->deidentify;
    struct medvl_names names = {0};
    int rc = out && medvl_path_same(folder, out)
                 ? medvl_fail(err, MEDVL_EARG,
                              "%s: is where de-identified files go: it "
                              "cannot be read too",
                              folder)
                 : medvl_folder_list(&names, folder, err);

    for (size_t i = 0; i < names.count && rc == MEDVL_OK; i++) {
        char *path = NULL;

        rc = medvl_path_join(&path, folder, names.items[i], err);
        if (rc == MEDVL_OK && medvl_folder_exists(path)) {
            rc = push(waiting, path, err);
            continue;
        }
        if (rc == MEDVL_OK)
            rc = read_file(r, path, false, err);
        medvl_free(path);
    }
    medvl_names_release(&names);
    return rc;
}

static size_t depth_of(const char *path)
{
    size_t depth = 0;

    for (; *path; path++)
        depth += *path == '/';
    return depth;
}

static int read_below(struct reading *r, const char *root,
                      struct medvl_error *err)
{
    const size_t most = depth_of(root) + DEPTH;
    struct waiting waiting = {0};
    int rc = push(&waiting, medvl_copy_string(root, strlen(root)), err);

    while (waiting.count && rc == MEDVL_OK) {
        char *folder = waiting.paths[--waiting.count];

        rc = depth_of(folder) > most
                 ? medvl_fail(err, MEDVL_EARG, "%s: over %d folders deep",
                              folder, DEPTH)
                 : read_folder(r, &waiting, folder, err);
        medvl_free(folder);
    }
    while (waiting.count)
        medvl_free(waiting.paths[--waiting.count]);
    medvl_free(waiting.paths);
    return rc;
}

/* ---- order -------------------------------------------------------------- */

static int by_number(double a, double b)
{
    if (isnan(a) || isnan(b))
        return isnan(a) - isnan(b);
    return (a > b) - (a < b);
}

static int by_series(const struct slice *a, const struct slice *b)
{
    int order = strcmp(a->study, b->study);

    if (!order)
        order = by_number(a->series_number, b->series_number);
    return order ? order : strcmp(a->series, b->series);
}

static int by_instance(const void *left, const void *right)
{
    const struct slice *a = left, *b = right;
    int order = by_series(a, b);

    if (!order)
        order = by_number(a->instance_number, b->instance_number);
    return order ? order : strcmp(a->path, b->path);
}

static int by_position(const void *left, const void *right)
{
    const struct slice *a = left, *b = right;
    const int order = by_number(a->position, b->position);

    return order ? order : by_instance(left, right);
}

/* Do all lie parallel, each at a place of its own to be known? */
static bool is_stack(const struct slice *s, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (isnan(s[i].position) || s[i].frames > 1)
            return false;
        for (int k = 0; k < 3; k++)
            if (fabs(s[i].normal[k] - s[0].normal[k]) > PARALLEL)
                return false;
    }
    return count > 1;
}

/* The distance of slices where it is the same between all; else 0. */
static double even_distance(const struct slice *s, size_t count)
{
    const double first = s[1].position - s[0].position;

    for (size_t i = 1; i < count; i++)
        if (!(fabs(s[i].position - s[i - 1].position - first) <=
              EVEN * first))
            return 0;
    return first;
}

/* ---- records ------------------------------------------------------------ */

static void put_text(struct medvl_json_writer *w, const char *name,
                     const char *value)
{
    if (value && *value)
        medvl_json_put_string(w, name, medvl_span(value));
}

/* Where a picture stands. */
struct place {
    int64_t number;  /* in the series, from 0 */
    int64_t frame;   /* -1: the file has one */
    bool stack;      /* slices one behind the other */
    double distance; /* of them, or 0 */
};

static void put_image(struct medvl_json_writer *w, const struct reading *r,
                      const struct slice *s, const struct place *at)
{
    medvl_json_begin(w, "images", '[');
    medvl_json_begin(w, NULL, '{');
    put_text(w, "path", medvl_layout_below(s->path, r->job->layout->root));
    if (at->frame >= 0)
        medvl_json_put_int(w, "frame", at->frame);
    medvl_json_put_int(w, "width", s->width);
    medvl_json_put_int(w, "height", s->height);
    put_text(w, "modality", s->modality);
    put_text(w, "body_part", s->body_part);
    if (at->stack) {
        medvl_json_put_int(w, "slice", at->number);
        put_text(w, "axis", s->plane);
        medvl_json_put_number(w, "position", s->position);
    }
    if (s->spacing[0] > 0) {
        medvl_json_begin(w, "spacing", '[');
        medvl_json_put_number(w, NULL, s->spacing[1]);
        medvl_json_put_number(w, NULL, s->spacing[0]);
        if (at->distance > 0)
            medvl_json_put_number(w, NULL, at->distance);
        medvl_json_end(w);
    }
    if (s->burned)
        put_text(w, "burned_in", s->burned == BURNED_YES ? "yes" : "maybe");
    put_text(w, "hash", s->hash);
    medvl_json_end(w);
    medvl_json_end(w);
}

/* The fields that can be asked for, and how one asks. */
static const struct asked {
    const char *name, *question;
} ASKED[] = {
    {"modality", "What is the imaging modality?"},
    {"plane", "In which plane is this image?"},
    {"view", "Which view does this image show?"},
    {"laterality", "Which side of the body is shown?"},
    {"body_part", "Which part of the body is shown?"},
};
#define ASKED_COUNT (sizeof(ASKED) / sizeof(*ASKED))

static const char *asked_value(const struct slice *s, size_t i)
{
    const char *const values[ASKED_COUNT] = {
        s->modality, s->plane, s->view, s->laterality, s->body_part};

    return values[i] && *values[i] ? values[i] : NULL;
}

/* Is `name` in the list "a,b,c"? */
static bool is_listed(const char *list, const char *name)
{
    const size_t size = strlen(name);

    for (;;) {
        const size_t word = strcspn(list, ",");

        if (word == size && strncmp(list, name, size) == 0)
            return true;
        if (!list[word])
            return false;
        list += word + 1;
    }
}

int medvl_series_check_ask(const char *ask, struct medvl_error *err)
{
    while (*ask) {
        const size_t word = strcspn(ask, ",");
        bool known = false;

        for (size_t i = 0; i < ASKED_COUNT; i++)
            known |= strlen(ASKED[i].name) == word &&
                     strncmp(ASKED[i].name, ask, word) == 0;
        if (!known)
            return medvl_fail(err, MEDVL_EARG,
                              "ask '%.*s': want " MEDVL_SERIES_ASK,
                              (int)word, ask);
        ask += word + (ask[word] == ',');
    }
    return MEDVL_OK;
}

/* A record, of question `asked` where it is not below 0. */
static int put_record(struct reading *r, const struct slice *s,
                      const struct place *at, int asked,
                      struct medvl_error *err)
{
    const struct medvl_layout_job *layout = r->job->layout;
    struct medvl_json_writer w = {.out = &r->json};
    char id[80];
    int rc;

    snprintf(id, sizeof(id), "%.12s:%06lld%s%s", s->series,
             (long long)at->number, asked < 0 ? "" : "?",
             asked < 0 ? "" : ASKED[asked].name);
    medvl_text_clear(&r->json);
    medvl_json_begin(&w, NULL, '{');
    put_text(&w, "id", id);
    put_image(&w, r, s, at);
    if (asked >= 0) {
        put_text(&w, "question", ASKED[asked].question);
        put_text(&w, "answer", asked_value(s, (size_t)asked));
        put_text(&w, "answer_type", "OPEN");
        put_text(&w, "question_type", ASKED[asked].name);
    }
    for (size_t i = 0; i < ASKED_COUNT; i++)
        put_text(&w, ASKED[i].name, asked_value(s, i));
    put_text(&w, "series", s->series);
    put_text(&w, "study", s->study);
    put_text(&w, "source", layout->source ? layout->source : "dicom");
    put_text(&w, "license", layout->license);
    put_text(&w, "split", layout->split);
    put_text(&w, "group", s->patient[0] ? s->patient : s->study);
    medvl_json_end(&w);
    rc = medvl_json_write_end(&w, err);
    return rc < 0 ? rc
                  : layout->put(layout->arg, medvl_text_span(&r->json),
                                "question answer", err);
}

static int put_picture(struct reading *r, const struct slice *s,
                       const struct place *at, struct medvl_error *err)
{
    const char *ask = r->job->ask;
    int rc = MEDVL_OK;

    if (!ask)
        return put_record(r, s, at, -1, err);
    for (size_t i = 0; i < ASKED_COUNT && rc == MEDVL_OK; i++)
        if (asked_value(s, i) && is_listed(ask, ASKED[i].name))
            rc = put_record(r, s, at, (int)i, err);
    return rc;
}

static int put_series(struct reading *r, struct slice *s, size_t count,
                      struct medvl_error *err)
{
    struct place at = {.stack = is_stack(s, count)};
    int rc = MEDVL_OK;

    if (at.stack) {
        qsort(s, count, sizeof(*s), by_position);
        at.distance = even_distance(s, count);
    }
    for (size_t i = 0; i < count; i++)
        for (int64_t f = 0; f < s[i].frames && rc == MEDVL_OK; f++) {
            at.frame = s[i].frames > 1 ? f : -1;
            rc = put_picture(r, &s[i], &at, err);
            at.number++;
        }
    return rc;
}

/* ---- whole series ------------------------------------------------------- */

/* What all slices say; `at` is where a slice has the text. */
static const char *common(const struct slice *s, size_t count, size_t at)
{
    const char *first = (const char *)s + at;

    for (size_t i = 1; i < count; i++)
        if (strcmp((const char *)&s[i] + at, first) != 0)
            return NULL;
    return *first ? first : NULL;
}

static void describe(struct medvl_series *out, const struct slice *s,
                     size_t count)
{
    enum burned burned = BURNED_NO;

    out->count = count;
    out->modality = s->modality;
    for (size_t i = 0; i < count; i++) {
        if (s[i].modality != s->modality)
            out->modality = NULL;
        burned = s[i].burned > burned ? s[i].burned : burned;
    }
    out->view = common(s, count, offsetof(struct slice, view));
    out->laterality = common(s, count, offsetof(struct slice, laterality));
    out->body_part = common(s, count, offsetof(struct slice, body_part));
    out->series = s->series;
    out->study = s->study[0] ? s->study : NULL;
    out->group = common(s, count, offsetof(struct slice, patient));
    out->group = out->group ? out->group : out->study;
    out->burned_in = burned == BURNED_YES     ? "yes"
                     : burned == BURNED_MAYBE ? "maybe"
                                              : NULL;
}

static int give_series(struct reading *r, const struct slice *s, size_t count,
                       const struct medvl_series *place,
                       struct medvl_error *err)
{
    struct medvl_series series = *place;
    struct medvl_hash *hash = NULL;
    const char **paths = medvl_alloc(count, sizeof(*paths));
    int rc = paths ? medvl_hash_new(&hash, err) : medvl_no_memory(err);

    for (size_t i = 0; i < count && rc == MEDVL_OK; i++) {
        paths[i] = s[i].path;
        medvl_hash_add(hash, s[i].hash, sizeof(s[i].hash));
    }
    if (rc == MEDVL_OK) {
        medvl_hash_hex(series.hash, hash);
        describe(&series, s, count);
        series.paths = paths;
        rc = r->job->whole(r->job->layout->arg, &series, err);
    }
    medvl_hash_free(hash);
    medvl_free(paths);
    return rc;
}

/* ---- all ---------------------------------------------------------------- */

/* One after the last slice of the series that begins there. */
static size_t series_end(const struct reading *r, size_t from)
{
    size_t end = from + 1;

    while (end < r->count &&
           by_series(&r->slices[from], &r->slices[end]) == 0)
        end++;
    return end;
}

static int put_all(struct reading *r, struct medvl_error *err)
{
    struct medvl_series place = {0};
    size_t next;
    int rc = MEDVL_OK;

    if (r->count)
        qsort(r->slices, r->count, sizeof(*r->slices), by_instance);
    for (size_t i = 0; i < r->count; i = series_end(r, i))
        place.all++;
    for (size_t i = 0; i < r->count && rc == MEDVL_OK; i = next) {
        next = series_end(r, i);
        rc = r->job->whole ? give_series(r, &r->slices[i], next - i, &place,
                                         err)
                           : put_series(r, &r->slices[i], next - i, err);
        place.number++;
    }
    return rc;
}

int medvl_series_read(int64_t *passed, const struct medvl_series_job *job,
                      struct medvl_error *err)
{
    struct reading r = {.job = job};
    int rc = MEDVL_OK;

    for (int i = 0; i < job->path_count && rc == MEDVL_OK; i++)
        rc = medvl_folder_exists(job->paths[i])
                 ? read_below(&r, job->paths[i], err)
                 : read_file(&r, job->paths[i], true, err);
    if (rc == MEDVL_OK)
        rc = put_all(&r, err);
    *passed = r.passed;
    for (size_t i = 0; i < r.count; i++)
        medvl_free(r.slices[i].path);
    medvl_free(r.slices);
    medvl_text_release(&r.json);
    medvl_text_release(&r.file);
    return rc;
}
