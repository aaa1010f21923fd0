/*
 * DICOM files to records.
 *
 * Files are read one after another for their headers; what a record needs
 * is kept of each, all of it already free of what identifies.  Then they
 * are sorted and written.
 *
 * Read next: series_slice.c.
 */
#include "lib/build/series.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/file.h"
#include "lib/base/hash.h"
#include "lib/base/mem.h"
#include "lib/build/series_part.h"
#include "lib/data/source.h"
#include "lib/image/deidentify.h"

#define DEPTH    64   /* folders in folders */
#define PARALLEL 1e-3 /* of directions of length 1 */
#define EVEN     0.01 /* of the distance of slices */

struct folder {
    struct medvl_file_id id;
    bool taken;
};

/* Folders that are read; none of them twice, whatever links lead there. */
struct folders {
    struct folder *slots;
    size_t count, room; /* room: 0, or a power of 2 */
};

struct reading {
    const struct medvl_series_job *job;
    struct folders folders;
    struct medvl_slice *slices;
    size_t count, room;
    int64_t passed;
    struct medvl_text json, file;
};

/* ---- reading ------------------------------------------------------------ */

/*
 * Write the file without what identifies.  Its name is made of pseudonyms
 * of the series and of what is in it, so another run writes the same.
 */
static int deidentify(struct medvl_slice *s, const struct reading *r,
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
    struct medvl_slice *s;
    int rc = medvl_grow(&r->slices, &r->room, r->count + 1, sizeof(*s), err);

    if (rc < 0)
        return rc;
    s = &r->slices[r->count];
    memset(s, 0, sizeof(*s));
    medvl_hash128_hex(s->hash, r->file.data, r->file.size);
    medvl_slice_fill(s, r->job->secret, dicom);
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
        r->job->burned(r->job->layout->arg, path,
                       s->burned == MEDVL_BURNED_YES);
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

static int set_aside(struct reading *r, int rc, struct medvl_error *err)
{
    return medvl_is_fatal(rc) ? rc
                              : r->job->layout->bad(r->job->layout->arg, err);
}

/* A file; one in a folder that is not DICOM is passed over. */
static int read_file(struct reading *r, const char *path, bool named,
                     struct medvl_error *err)
{
    int rc;

    medvl_text_clear(&r->file);
    rc = medvl_file_read_regular(&r->file, path, MEDVL_SOURCE_MAX, err);
    if (rc == MEDVL_OK && !named && !medvl_dicom_is_name(path) &&
        !medvl_dicom_is(r->file.data, r->file.size)) {
        r->passed++;
        return MEDVL_OK;
    }
    if (rc == MEDVL_OK)
        rc = read_dicom(r, path, err);
    return rc < 0 ? set_aside(r, rc, err) : rc;
}

static struct folder *find_slot(const struct folders *f,
                                struct medvl_file_id id)
{
    size_t at = medvl_hash64(&id, sizeof(id)) & (f->room - 1);

    while (f->slots[at].taken && (f->slots[at].id.device != id.device ||
                                  f->slots[at].id.number != id.number))
        at = (at + 1) & (f->room - 1);
    return &f->slots[at];
}

static int make_room(struct folders *f, struct medvl_error *err)
{
    struct folders larger = {.count = f->count,
                             .room = f->room ? 2 * f->room : 64};

    if (2 * f->count < f->room)
        return MEDVL_OK;
    larger.slots = medvl_alloc(larger.room, sizeof(*larger.slots));
    if (!larger.slots)
        return medvl_no_memory(err);
    for (size_t i = 0; i < f->room; i++)
        if (f->slots[i].taken)
            *find_slot(&larger, f->slots[i].id) = f->slots[i];
    medvl_free(f->slots);
    *f = larger;
    return MEDVL_OK;
}

/* Is it the first time that this folder is come to? */
static int enter(bool *first, struct folders *f, const char *path,
                 struct medvl_error *err)
{
    struct medvl_file_id id;
    struct folder *slot;
    int rc = medvl_file_identify(&id, path, err);

    if (rc == MEDVL_OK)
        rc = make_room(f, err);
    if (rc < 0)
        return rc;
    slot = find_slot(f, id);
    *first = !slot->taken;
    f->count += *first;
    *slot = (struct folder){id, true};
    return MEDVL_OK;
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
    bool first = false;
    int rc;

    if (out && medvl_path_same(folder, out))
        return medvl_fail(err, MEDVL_EARG,
                          "%s: is where de-identified files go: it cannot be "
                          "read too",
                          folder);
    rc = enter(&first, &r->folders, folder, err);
    if (rc == MEDVL_OK && first)
        rc = medvl_folder_list(&names, folder, err);
    if (rc < 0)
        return set_aside(r, rc, err);
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

        if (depth_of(folder) <= most)
            rc = read_folder(r, &waiting, folder, err);
        else
            rc = set_aside(r,
                           medvl_fail(err, MEDVL_EARG,
                                      "%s: over %d folders deep", folder,
                                      DEPTH),
                           err);
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

static int by_series(const struct medvl_slice *a, const struct medvl_slice *b)
{
    int order = strcmp(a->study, b->study);

    if (!order)
        order = by_number(a->series_number, b->series_number);
    return order ? order : strcmp(a->series, b->series);
}

static int by_instance(const void *left, const void *right)
{
    const struct medvl_slice *a = left, *b = right;
    int order = by_series(a, b);

    if (!order)
        order = by_number(a->instance_number, b->instance_number);
    return order ? order : strcmp(a->path, b->path);
}

static int by_position(const void *left, const void *right)
{
    const struct medvl_slice *a = left, *b = right;
    const int order = by_number(a->position, b->position);

    return order ? order : by_instance(left, right);
}

/* Do all lie parallel, each at a place of its own to be known? */
static bool is_stack(const struct medvl_slice *s, size_t count)
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
static double even_distance(const struct medvl_slice *s, size_t count)
{
    const double first = s[1].position - s[0].position;

    for (size_t i = 1; i < count; i++)
        if (!(fabs(s[i].position - s[i - 1].position - first) <=
              EVEN * first))
            return 0;
    return first;
}

static int put_series(struct reading *r, struct medvl_slice *s, size_t count,
                      struct medvl_error *err)
{
    struct medvl_slice_place at = {.stack = is_stack(s, count)};
    int rc = MEDVL_OK;

    if (at.stack) {
        qsort(s, count, sizeof(*s), by_position);
        at.distance = even_distance(s, count);
    }
    for (size_t i = 0; i < count; i++)
        for (int64_t f = 0; f < s[i].frames && rc == MEDVL_OK; f++) {
            at.frame = s[i].frames > 1 ? f : -1;
            rc = medvl_slice_put(r->job, &s[i], &at, &r->json, err);
            at.number++;
        }
    return rc;
}

/* ---- whole series ------------------------------------------------------- */

/* What all slices say; `at` is where a slice has the text. */
static const char *common(const struct medvl_slice *s, size_t count, size_t at)
{
    const char *first = (const char *)s + at;

    for (size_t i = 1; i < count; i++)
        if (strcmp((const char *)&s[i] + at, first) != 0)
            return NULL;
    return *first ? first : NULL;
}

static void describe(struct medvl_series *out, const struct medvl_slice *s,
                     size_t count)
{
    enum medvl_burned burned = MEDVL_BURNED_NO;

    out->count = count;
    out->modality = s->modality;
    for (size_t i = 0; i < count; i++) {
        if (s[i].modality != s->modality)
            out->modality = NULL;
        burned = s[i].burned > burned ? s[i].burned : burned;
    }
    out->view = common(s, count, offsetof(struct medvl_slice, view));
    out->laterality = common(s, count,
                             offsetof(struct medvl_slice, laterality));
    out->body_part = common(s, count, offsetof(struct medvl_slice, body_part));
    out->series = s->series;
    out->study = s->study[0] ? s->study : NULL;
    out->group = common(s, count, offsetof(struct medvl_slice, patient));
    out->group = out->group ? out->group : out->study;
    out->burned_in = burned == MEDVL_BURNED_YES     ? "yes"
                     : burned == MEDVL_BURNED_MAYBE ? "maybe"
                                                    : NULL;
}

static int give_series(struct reading *r, const struct medvl_slice *s,
                       size_t count,
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
    medvl_free(r.folders.slots);
    medvl_text_release(&r.json);
    medvl_text_release(&r.file);
    return rc;
}
