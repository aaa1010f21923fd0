/*
 * Contact sheets: see sheet.h.
 *
 * Pictures are decoded and made small by all threads, some at a time; then
 * one thread draws regions and captions in the order of the records, so
 * that labels get their colours in that order, and puts cells on the sheet.
 *
 * Read next: sheet_cell.c.
 */
#include "lib/stage/sheet.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/file.h"
#include "lib/base/mem.h"
#include "lib/stage/sheet_part.h"

#define SIDE_USUAL  256
#define SIDE_LEAST  32
#define SIDE_MOST   4096
#define ROUND_BYTES ((int64_t)64 << 20) /* of cells on their way */
#define ROUND_MOST  64

/* An entry of "images", or a record that has none. */
struct job {
    struct medvl_record *record;
    struct medvl_span image; /* its JSON; none: there is no picture */
    size_t number, count;    /* of the record's pictures, from 1 */
    struct medvl_json *tree;
    struct medvl_steps steps;
    struct medvl_sheet_cell cell;
    struct medvl_error err;
};

struct stage {
    struct medvl_image_stage image; /* the options, understood */
    struct medvl_pool *pool;
    int threads;
    struct medvl_fetch **fetches;  /* one a thread */
    struct medvl_source *source;   /* of masks */
    struct medvl_json_view list;   /* "images" of the record in hand */
    struct medvl_record *rejected; /* the record that is bad already */

    struct job *jobs;
    size_t job_count, job_room;

    struct medvl_sheet_cell *cells; /* of the sheet in hand */
    size_t cell_count, cell_room;
    struct medvl_sheet_labels labels;
    int64_t sheets; /* written, under temporary names */
    bool published;
};

/* ---- options --------------------------------------------------------- */

static bool is_png(const char *name)
{
    const size_t size = strlen(name);

    return size > 4 && strcmp(name + size - 4, ".png") == 0;
}

static int understand(struct medvl_image_stage *stage,
                      struct medvl_error *err)
{
    const struct medvl_image_options *o = &stage->options;
    int rc;

    if (o->out || o->crop || o->margin != 0 || o->augment || o->sides ||
        o->anomaly || o->copies || o->fit || o->filter || o->draft ||
        o->background || o->draw || o->shape || o->blur != 0 || o->numbers ||
        o->color || o->thick || o->boxes)
        return medvl_fail(err, MEDVL_EARG,
                          "--sheet shows pictures as they are: of the "
                          "options that change or draw, only --resize N, "
                          "--window, --rescale and --overlays go with it");
    if (!is_png(o->sheet))
        return medvl_fail(err, MEDVL_EARG, "sheet '%s': want a name in .png",
                          o->sheet);
    rc = medvl_image_parse(stage, err);
    if (rc < 0)
        return rc;
    if (!o->resize)
        stage->width = stage->height = SIDE_USUAL;
    if (stage->width != stage->height || stage->width < SIDE_LEAST ||
        stage->width > SIDE_MOST)
        return medvl_fail(err, MEDVL_EARG,
                          "resize '%s': cells of a sheet are N x N, N from "
                          "%d to %d",
                          o->resize, SIDE_LEAST, SIDE_MOST);
    stage->load.cover[0] = stage->load.cover[1] = stage->width;
    return MEDVL_OK;
}

int medvl_sheet_check(const struct medvl_image_options *options,
                      struct medvl_error *err)
{
    struct medvl_image_stage stage = {.options = *options};

    return understand(&stage, err);
}

/* ---- names ----------------------------------------------------------- */

/* "a/sheet.png", "a/sheet-2.png", ..., with `suffix`. */
static int sheet_name(struct medvl_text *out, const struct stage *s,
                      int64_t number, const char *suffix,
                      struct medvl_error *err)
{
    const char *path = s->image.options.sheet;
    const size_t stem = strlen(path) - 4; /* without ".png" */
    int rc;

    medvl_text_clear(out);
    rc = medvl_text_append(out, path, stem, err);
    if (rc == MEDVL_OK && number > 1)
        rc = medvl_text_printf(out, err, "-%lld", (long long)number);
    if (rc == MEDVL_OK)
        rc = medvl_text_printf(out, err, "%s%s", path + stem, suffix);
    return rc;
}

/* A device, a pipe or a folder is not replaced by a sheet. */
static int check_place(const struct stage *s, int64_t number,
                       struct medvl_error *err)
{
    struct medvl_text name = {0};
    int64_t size;
    int rc = sheet_name(&name, s, number, "", err);

    if (rc == MEDVL_OK &&
        (medvl_file_exists(name.data) || medvl_folder_exists(name.data)))
        rc = medvl_file_size(&size, name.data, err);
    medvl_text_release(&name);
    return rc;
}

/* ---- opening --------------------------------------------------------- */

static void job_clear(struct job *job)
{
    medvl_json_free(job->tree);
    medvl_sheet_cell_release(&job->cell);
    *job = (struct job){0};
}

/* Sheets of a run that failed. */
static void remove_sheets(const struct stage *s)
{
    struct medvl_text name = {0};

    for (int64_t i = 1; i <= s->sheets; i++)
        if (sheet_name(&name, s, i, ".tmp", NULL) == MEDVL_OK)
            (void)remove(name.data);
    medvl_text_release(&name);
}

static void stage_free(void *at)
{
    struct stage *s = at;

    if (!s)
        return;
    if (!s->published)
        remove_sheets(s);
    for (int i = 0; s->fetches && i < s->threads; i++)
        medvl_fetch_free(s->fetches[i]);
    medvl_free(s->fetches);
    medvl_source_free(s->source);
    medvl_json_view_release(&s->list);
    for (size_t i = 0; s->jobs && i < s->job_room; i++)
        job_clear(&s->jobs[i]);
    medvl_free(s->jobs);
    for (size_t i = 0; i < s->cell_count; i++)
        medvl_sheet_cell_release(&s->cells[i]);
    medvl_free(s->cells);
    medvl_intern_release(&s->labels.names);
    medvl_free(s);
}

static size_t round_of(int64_t side)
{
    const int64_t jobs = ROUND_BYTES / (3 * side * side);

    return (size_t)(jobs > ROUND_MOST ? ROUND_MOST : jobs > 1 ? jobs
                                                              : 1);
}

static int stage_open(void **out, const void *options,
                      struct medvl_pool *pool, struct medvl_error *err)
{
    struct stage *s = medvl_alloc(1, sizeof(*s));
    struct medvl_fetch_options fetch = {.show = true};
    int rc;

    *out = s;
    if (!s)
        return medvl_no_memory(err);
    s->image.options = *(const struct medvl_image_options *)options;
    s->pool = pool;
    s->threads = pool ? medvl_pool_threads(pool) : 1;
    rc = understand(&s->image, err);
    if (rc < 0)
        return rc;
    rc = check_place(s, 1, err);
    if (rc < 0)
        return rc;
    s->job_room = round_of(s->image.width);
    s->cell_room = medvl_sheet_room(s->image.width);
    s->jobs = medvl_alloc(s->job_room, sizeof(*s->jobs));
    s->cells = medvl_alloc(s->cell_room, sizeof(*s->cells));
    s->fetches = medvl_alloc((size_t)s->threads, sizeof(void *));
    if (!s->jobs || !s->cells || !s->fetches)
        return medvl_no_memory(err);
    fetch.root = s->image.options.root;
    fetch.load = s->image.load;
    rc = medvl_source_open(&s->source, fetch.root, 0, err);
    for (int i = 0; rc == MEDVL_OK && i < s->threads; i++)
        rc = medvl_fetch_open(&s->fetches[i], &fetch, err);
    if (rc == MEDVL_OK)
        rc = medvl_wants_add(&s->image.pictures, s->image.options.wants, err,
                             "found a picture");
    return rc;
}

/* ---- sheets ---------------------------------------------------------- */

static int write_sheet(struct stage *s, struct medvl_error *err)
{
    struct medvl_picture page = {0};
    struct medvl_text file = {0}, name = {0};
    int rc = medvl_sheet_page(&page, s->cells, s->cell_count, s->image.width,
                              err);

    if (rc == MEDVL_OK)
        rc = medvl_picture_encode(&file, &page, err);
    if (rc == MEDVL_OK)
        rc = check_place(s, s->sheets + 1, err);
    if (rc == MEDVL_OK)
        rc = sheet_name(&name, s, ++s->sheets, ".tmp", err);
    if (rc == MEDVL_OK)
        rc = medvl_file_write(name.data, file.data, file.size, err);
    for (size_t i = 0; i < s->cell_count; i++)
        medvl_sheet_cell_release(&s->cells[i]);
    s->cell_count = 0;
    medvl_picture_release(&page);
    medvl_text_release(&file);
    medvl_text_release(&name);
    return rc;
}

static int put_cell(struct stage *s, struct medvl_sheet_cell *cell,
                    struct medvl_error *err)
{
    int rc = MEDVL_OK;

    if (s->cell_count == s->cell_room)
        rc = write_sheet(s, err);
    if (rc < 0)
        return rc;
    s->cells[s->cell_count++] = *cell;
    *cell = (struct medvl_sheet_cell){0};
    return MEDVL_OK;
}

/* ---- cells ----------------------------------------------------------- */

static void fetch_task(void *arg, int64_t index, int thread)
{
    struct stage *s = arg;
    struct job *job = &s->jobs[index];
    struct medvl_fetched fetched = {0};
    int rc;

    if (!job->image.data)
        return;
    rc = medvl_json_parse(&job->tree, job->image, &job->err);
    if (rc == MEDVL_OK)
        rc = medvl_fetch_picture(&fetched, s->fetches[thread], job->tree,
                                 &job->err);
    if (rc == MEDVL_OK)
        (void)!medvl_sheet_fit(&job->cell, &job->steps, &fetched.loaded,
                               s->image.width, &job->err);
    medvl_picture_release(&fetched.loaded.picture);
}

/*
 * What is wrong with a record is said once; with keep_going the cell shows
 * it and the run goes on.
 */
static int show_failure(struct stage *s, struct job *job,
                        struct medvl_out *out, struct medvl_error *err)
{
    const struct medvl_error why = job->err;
    int rc = MEDVL_OK;

    if (job->count > 1)
        medvl_context(&job->err, "image %zu", job->number);
    *err = job->err;
    if (s->rejected != job->record)
        rc = medvl_out_reject(out, job->record, err);
    if (rc < 0)
        return rc;
    s->rejected = job->record;
    return medvl_sheet_failure(&job->cell, why.text, s->image.width, err);
}

static int finish_job(struct stage *s, struct job *job,
                      struct medvl_out *out, struct medvl_error *err)
{
    int rc = medvl_sheet_caption(&job->cell, job->record, job->number,
                                 job->count, s->image.width, &job->err);

    if (rc == MEDVL_OK && job->err.code == MEDVL_OK && job->image.data)
        rc = medvl_sheet_regions(&job->cell, &s->labels, job->tree,
                                 &job->steps, &s->image, s->source,
                                 &job->err);
    rc = MEDVL_OK;
    if (job->err.code != MEDVL_OK)
        rc = show_failure(s, job, out, err);
    if (rc == MEDVL_OK)
        rc = put_cell(s, &job->cell, err);
    return rc;
}

static int run_round(struct stage *s, struct medvl_out *out,
                     struct medvl_error *err)
{
    int rc = MEDVL_OK;

    medvl_pool_run(s->pool, (int64_t)s->job_count, fetch_task, s);
    for (size_t i = 0; i < s->job_count; i++) {
        if (rc == MEDVL_OK)
            rc = finish_job(s, &s->jobs[i], out, err);
        job_clear(&s->jobs[i]);
    }
    s->job_count = 0;
    return rc;
}

static int add_job(struct stage *s, struct medvl_record *record,
                   struct medvl_span image, size_t number, size_t count,
                   struct medvl_out *out, struct medvl_error *err)
{
    const int rc = s->job_count == s->job_room ? run_round(s, out, err)
                                               : MEDVL_OK;

    if (rc == MEDVL_OK)
        s->jobs[s->job_count++] = (struct job){.record = record,
                                               .image = image,
                                               .number = number,
                                               .count = count};
    return rc;
}

static int add_record(struct stage *s, struct medvl_record *record,
                      struct medvl_out *out, struct medvl_error *err)
{
    const struct medvl_span images = medvl_record_get(record, "images");
    const struct medvl_span none = {0};
    struct medvl_error own = {0};
    int rc = MEDVL_OK;

    s->list.count = 0;
    if (images.data && !medvl_span_is(images, "null"))
        rc = medvl_json_view_array(&s->list, images, &own);
    medvl_want_count(s->image.pictures, rc == MEDVL_OK && s->list.count,
                     NULL);
    if (rc < 0 || !s->list.count) {
        rc = add_job(s, record, none, 0, 0, out, err);
        if (rc == MEDVL_OK)
            s->jobs[s->job_count - 1].err = own;
        return rc;
    }
    for (size_t i = 0; rc == MEDVL_OK && i < s->list.count; i++)
        rc = add_job(s, record, s->list.members[i].value, i + 1,
                     s->list.count, out, err);
    return rc;
}

/* ---- the loop's functions -------------------------------------------- */

static int make_cells(void *at, struct medvl_record *records, int64_t count,
                      struct medvl_out *out, struct medvl_error *err)
{
    struct stage *s = at;
    int rc = MEDVL_OK;

    s->rejected = NULL;
    for (int64_t i = 0; rc == MEDVL_OK && i < count; i++)
        rc = add_record(s, &records[i], out, err);
    return rc == MEDVL_OK ? run_round(s, out, err) : rc;
}

static int finish(void *at, struct medvl_out *out, struct medvl_error *err)
{
    struct stage *s = at;

    (void)out;
    if (!s->cell_count) /* a full sheet waits for the next cell */
        return medvl_fail(err, MEDVL_EARG,
                          "no record to show, so there is no sheet");
    return write_sheet(s, err);
}

static int publish(void *at, struct medvl_error *err)
{
    struct stage *s = at;
    struct medvl_text from = {0}, to = {0};
    int rc = MEDVL_OK;

    for (int64_t i = 1; rc == MEDVL_OK && i <= s->sheets; i++) {
        rc = sheet_name(&from, s, i, ".tmp", err);
        if (rc == MEDVL_OK)
            rc = sheet_name(&to, s, i, "", err);
        if (rc == MEDVL_OK)
            rc = medvl_path_publish(from.data, to.data, err);
    }
    s->published = rc == MEDVL_OK;
    medvl_text_release(&from);
    medvl_text_release(&to);
    return rc;
}

const struct medvl_batch medvl_sheet_batch = {
    .open = stage_open,
    .records = make_cells,
    .finish = finish,
    .publish = publish,
    .free = stage_free,
};
