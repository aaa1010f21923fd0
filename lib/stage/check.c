/*
 * Looking over records: see check.h.
 *
 * The entries of "images" go through in rounds: pictures are decoded by all
 * threads, one that a round has twice once; then all threads compare entries
 * with their pictures; then findings are written, and records that ended
 * are looked at as a whole, in order.
 *
 * Read next: check_count.c.
 */
#include "lib/stage/check.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/stage/check_part.h"

#define ROUND 256       /* entries and ends of records in a round */
#define CACHE (1 << 16) /* pictures that are remembered */

struct stage {
    struct medvl_check_options options;
    struct medvl_pool *pool;
    int threads;
    struct medvl_fetch **fetches; /* one a thread */
    struct medvl_source **sources;

    struct medvl_check_job *jobs; /* ROUND of them */
    size_t job_count;
    struct medvl_check_picture *cache;
    struct medvl_json_view list; /* "images" of the record in hand */
    struct medvl_text buffer;
    struct medvl_check_all all;
};

/* ---- opening --------------------------------------------------------- */

static void stage_free(void *at)
{
    struct stage *s = at;

    for (int i = 0; s && i < s->threads; i++) {
        medvl_fetch_free(s->fetches ? s->fetches[i] : NULL);
        medvl_source_free(s->sources ? s->sources[i] : NULL);
    }
    if (!s)
        return;
    medvl_free(s->fetches);
    medvl_free(s->sources);
    for (size_t i = 0; s->jobs && i < ROUND; i++) {
        medvl_findings_release(&s->jobs[i].findings);
        medvl_free(s->jobs[i].why);
    }
    medvl_free(s->jobs);
    medvl_free(s->cache);
    medvl_json_view_release(&s->list);
    medvl_text_release(&s->buffer);
    medvl_check_release(&s->all);
    medvl_free(s);
}

static int stage_open(void **out, const void *options,
                      struct medvl_pool *pool, struct medvl_error *err)
{
    struct stage *s = medvl_alloc(1, sizeof(*s));
    struct medvl_fetch_options fetch = {.show = true};
    int rc = MEDVL_OK;

    *out = s;
    if (!s)
        return medvl_no_memory(err);
    s->options = *(const struct medvl_check_options *)options;
    s->pool = pool;
    s->threads = pool ? medvl_pool_threads(pool) : 1;
    s->fetches = medvl_alloc((size_t)s->threads, sizeof(void *));
    s->sources = medvl_alloc((size_t)s->threads, sizeof(void *));
    s->jobs = medvl_alloc(ROUND, sizeof(*s->jobs));
    s->cache = medvl_alloc(CACHE, sizeof(*s->cache));
    if (!s->fetches || !s->sources || !s->jobs || !s->cache)
        return medvl_no_memory(err);
    fetch.root = s->options.root;
    fetch.load.pixels = s->options.pixels;
    for (int i = 0; rc == MEDVL_OK && i < s->threads; i++) {
        rc = medvl_fetch_open(&s->fetches[i], &fetch, err);
        if (rc == MEDVL_OK)
            rc = medvl_source_open(&s->sources[i], fetch.root, 0, err);
    }
    return rc;
}

/* ---- rounds ---------------------------------------------------------- */

static void decode_task(void *arg, int64_t index, int thread)
{
    struct stage *s = arg;
    struct medvl_check_job *job = &s->jobs[index];

    if (job->image.data && !job->known && job->same == (size_t)index)
        medvl_check_decode(job, s->fetches[thread]);
}

static void compare_task(void *arg, int64_t index, int thread)
{
    struct stage *s = arg;
    struct medvl_check_job *job = &s->jobs[index];

    if (job->image.data && !s->jobs[job->same].rc)
        medvl_check_compare(job, &s->jobs[job->same], s->sources[thread]);
}

/* Findings out, one line each. */
static int put_findings(struct stage *s, struct medvl_out *out,
                        struct medvl_error *err)
{
    struct medvl_span lines = medvl_text_span(&s->all.findings.lines);
    int rc = MEDVL_OK;

    if (lines.size) {
        lines.size--; /* the last newline, which the loop writes */
        rc = medvl_out_line(out, lines, err);
    }
    medvl_text_shrink(&s->all.findings.lines);
    return rc;
}

/* What job `index` found; the record's end brings what the whole shows. */
static int finish_job(struct stage *s, size_t index, struct medvl_error *err)
{
    struct medvl_check_job *job = &s->jobs[index];
    const struct medvl_check_job *first = &s->jobs[job->same];
    int rc;

    if (!job->image.data) {
        rc = medvl_findings_move(&s->all.findings, &job->findings, err);
        return rc < 0 ? rc
                      : medvl_check_record(&s->all, job->record, job->number,
                                           err);
    }
    if (first->rc < 0)
        return medvl_fail(err, first->rc, "%s",
                          first->why ? first->why->text : "out of memory");
    if (job->rc < 0)
        return medvl_fail(err, job->rc, "out of memory");
    s->all.images++;
    rc = medvl_findings_move(&s->all.findings, &job->findings, err);
    if (rc < 0 || first->code < 0)
        return rc;
    s->cache[first->picture.entry.part[0] % CACHE] = first->picture;
    rc = medvl_text_append(&s->all.pictures, &first->picture.content,
                           sizeof(first->picture.content), err);
    return rc < 0 || !job->clear
               ? rc
               : medvl_text_append(&s->all.asked, &job->asked,
                                   sizeof(job->asked), err);
}

static int run_round(struct stage *s, struct medvl_out *out,
                     struct medvl_error *err)
{
    const int64_t count = (int64_t)s->job_count;
    int rc = MEDVL_OK;

    medvl_pool_run(s->pool, count, decode_task, s);
    medvl_pool_run(s->pool, count, compare_task, s);
    for (size_t i = 0; rc == MEDVL_OK && i < s->job_count; i++)
        rc = finish_job(s, i, err);
    s->job_count = 0;
    return rc == MEDVL_OK ? put_findings(s, out, err) : rc;
}

/* The next job of a round, cleaned but for the memory of its findings. */
static int next_job(struct medvl_check_job **out, struct stage *s,
                    const struct medvl_record *record,
                    struct medvl_out *output, struct medvl_error *err)
{
    struct medvl_check_job *job;
    struct medvl_findings findings;

    if (s->job_count == ROUND) {
        const int rc = run_round(s, output, err);

        if (rc < 0)
            return rc;
    }
    job = &s->jobs[s->job_count];
    findings = job->findings;
    medvl_free(job->why);
    *job = (struct medvl_check_job){
        .record = record, .same = s->job_count++, .findings = findings};
    *out = job;
    return MEDVL_OK;
}

/* Is the picture known, or on its way in this round? */
static void find_same(struct stage *s, struct medvl_check_job *job,
                      struct medvl_key entry)
{
    const struct medvl_check_picture *old =
        &s->cache[entry.part[0] % CACHE];
    const size_t size = sizeof(entry);

    job->picture.entry = entry;
    if (old->good && memcmp(&old->entry, &entry, size) == 0) {
        job->picture = *old;
        job->known = true;
        return;
    }
    for (size_t i = 0; i < job->same; i++)
        if (s->jobs[i].image.data && s->jobs[i].same == i &&
            memcmp(&s->jobs[i].picture.entry, &entry, size) == 0) {
            job->same = i;
            return;
        }
}

static int add_image(struct stage *s, const struct medvl_record *record,
                     size_t number, struct medvl_out *out,
                     struct medvl_error *err)
{
    const struct medvl_span image = s->list.members[number - 1].value;
    struct medvl_check_job *job;
    struct medvl_error own = {0};
    int rc = next_job(&job, s, record, out, err);

    if (rc < 0)
        return rc;
    job->image = image;
    job->number = number;
    rc = medvl_check_entry(&s->buffer, image, &own);
    if (medvl_is_fatal(rc))
        return medvl_no_memory(err);
    find_same(s, job, medvl_key(medvl_text_span(&s->buffer)));
    return MEDVL_OK;
}

static bool has(const struct medvl_record *record, const char *name)
{
    const struct medvl_span value = medvl_record_get(record, name);

    return value.data && !medvl_span_is(value, "null");
}

static int add_record(struct stage *s, const struct medvl_record *record,
                      struct medvl_out *out, struct medvl_error *err)
{
    const struct medvl_span images = medvl_record_get(record, "images");
    struct medvl_check_job *job;
    struct medvl_error own = {0};
    size_t count = 0;
    int rc = MEDVL_OK;

    if (has(record, "images")) {
        rc = medvl_json_view_array(&s->list, images, &own);
        if (medvl_is_fatal(rc))
            return medvl_no_memory(err);
        count = rc < 0 ? 0 : s->list.count;
    } else if (has(record, "image")) {
        rc = medvl_fail(&own, MEDVL_EFORMAT,
                        "not there, and \"image\" is not read; pictures are "
                        "\"images\":[{\"path\":\"a.png\"}]");
    }
    for (size_t i = 1; i <= count; i++)
        if (add_image(s, record, i, out, err) < 0)
            return err->code;
    if (next_job(&job, s, record, out, err) < 0)
        return err->code;
    job->number = count;
    return rc < 0 ? medvl_findings_add(&job->findings,
                                       MEDVL_CHECK_IMAGES_MALFORMED, record,
                                       err, "\"images\": %s", own.text)
                  : MEDVL_OK;
}

static int check_records(void *at, struct medvl_record *records,
                         int64_t count, struct medvl_out *out,
                         struct medvl_error *err)
{
    struct stage *s = at;
    int rc = MEDVL_OK;

    for (int64_t i = 0; rc == MEDVL_OK && i < count; i++)
        rc = add_record(s, &records[i], out, err);
    return rc == MEDVL_OK ? run_round(s, out, err) : rc;
}

static int bad_line(void *at, const struct medvl_record *line,
                    const struct medvl_error *why, struct medvl_out *out,
                    struct medvl_error *err)
{
    struct stage *s = at;
    int rc = medvl_check_begin(&s->all, line, err);

    if (rc == MEDVL_OK)
        rc = medvl_findings_add(&s->all.findings, MEDVL_CHECK_NOT_A_RECORD,
                                line,
                                err, "%s", why->text);
    return rc == MEDVL_OK ? put_findings(s, out, err) : rc;
}

/* ---- the end --------------------------------------------------------- */

static int finish(void *at, struct medvl_out *out, struct medvl_error *err)
{
    struct stage *s = at;
    struct medvl_json_writer w = {.out = &s->buffer};
    int64_t problems = 0;
    int rc = medvl_check_balance(&s->all, err);

    if (rc == MEDVL_OK)
        rc = put_findings(s, out, err);
    medvl_text_clear(&s->buffer);
    medvl_json_begin(&w, NULL, '{');
    medvl_json_put_int(&w, "records", s->all.records);
    medvl_json_put_int(&w, "images", s->all.images);
    medvl_json_begin(&w, "problems", '{');
    for (int i = 0; i < MEDVL_CHECK_KINDS; i++) {
        if (s->all.findings.counts[i])
            medvl_json_put_int(&w, medvl_check_name(i),
                               s->all.findings.counts[i]);
        problems += s->all.findings.counts[i];
    }
    medvl_json_end(&w);
    medvl_tally_put(&w, "answers", &s->all.answers);
    medvl_tally_put(&w, "answer_types", &s->all.types);
    medvl_tally_put(&w, "splits", &s->all.splits);
    medvl_json_put_int(&w, "groups", (int64_t)s->all.groups.count);
    medvl_json_end(&w);
    if (rc == MEDVL_OK)
        rc = medvl_json_write_end(&w, err);
    if (rc == MEDVL_OK)
        rc = medvl_out_line(out, medvl_text_span(&s->buffer), err);
    if (s->options.problems)
        *s->options.problems = problems;
    return rc;
}

const struct medvl_batch medvl_check_batch = {
    .open = stage_open,
    .records = check_records,
    .damaged = bad_line,
    .finish = finish,
    .free = stage_free,
};
