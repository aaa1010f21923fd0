/*
 * The loops.  All three read blocks of whole lines through `struct input`
 * and write through `struct sink_end`; what differs is who sees a record.
 *
 * A map works in rounds: read a block, cut it at line ends into chunks,
 * let the team take chunks in order, each into its own buffers, then write
 * the buffers in order.  So the bytes do not depend on the number of
 * threads.  The size of a round follows the clock (a round should take
 * some 20 to 200 ms) and what the pipe has; neither can be seen in the
 * output.
 *
 * Read next: any module of lib/stage.
 */
#include "lib/stage/loop.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/file.h"
#include "lib/base/hash.h"
#include "lib/base/mem.h"
#include "lib/base/stream.h"
#include "lib/base/text.h"

#define ROUND_FIRST  (16 << 10)  /* bytes of the first round */
#define ROUND_LEAST  (1 << 10)   /* slow records: never below */
#define ROUND_MOST   (256 << 10) /* per thread */
#define CHUNKS       8           /* per thread and round */
#define MAX_RECORD   (64 << 20)
#define WINDOW_USUAL 64
#define WINDOW_BYTES (64 << 20) /* no line more once it has these */

/* ---- messages and rejects -------------------------------------------- */

/* Append bytes as UTF-8: what is not becomes '?'. */
static int append_clean(struct medvl_text *out, struct medvl_span bytes,
                        struct medvl_error *err)
{
    while (bytes.size > 0) {
        const size_t good = medvl_utf8_valid(bytes.data, bytes.size);

        if (medvl_text_append(out, bytes.data, good, err) < 0)
            return MEDVL_ENOMEM;
        if (good == bytes.size)
            break;
        if (medvl_text_putc(out, '?', err) < 0)
            return MEDVL_ENOMEM;
        bytes.data += good + 1;
        bytes.size -= good + 1;
    }
    return MEDVL_OK;
}

static int append_base64(struct medvl_text *out, struct medvl_span bytes,
                         struct medvl_error *err)
{
    static const char digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                "abcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *b = (const unsigned char *)bytes.data;

    if (medvl_text_reserve(out, bytes.size / 3 * 4 + 4, err) < 0)
        return MEDVL_ENOMEM;
    for (size_t i = 0; i < bytes.size; i += 3) {
        const size_t left = bytes.size - i;
        const unsigned v = (unsigned)b[i] << 16 |
                           (left > 1 ? (unsigned)b[i + 1] << 8 : 0) |
                           (left > 2 ? b[i + 2] : 0);
        char *to = out->data + out->size;

        to[0] = digit[v >> 18];
        to[1] = digit[v >> 12 & 63];
        to[2] = left > 1 ? digit[v >> 6 & 63] : '=';
        to[3] = left > 2 ? digit[v & 63] : '=';
        to[4] = 0;
        out->size += 4;
    }
    return MEDVL_OK;
}

/* What a record function writes to, and what was set aside meanwhile. */
struct medvl_out {
    struct medvl_text text;    /* lines of output */
    struct medvl_text rejects; /* lines for the rejects file */
    struct medvl_text reports; /* lines for people */
    int64_t rejected;
    bool keep_going;
    bool placed;     /* the last error has its place in front */
    struct run *run; /* batch and sink: where lines go; a map: NULL */

    /* Batch and sink: the records in hand and their lines. */
    const struct medvl_record *records;
    const struct medvl_span *lines;
    int64_t count;
};

static void out_release(struct medvl_out *out)
{
    medvl_text_release(&out->text);
    medvl_text_release(&out->rejects);
    medvl_text_release(&out->reports);
}

/* Put "file:line: id: " (or "file:line: ") in front; returns err->code. */
static int place_error(struct medvl_error *err,
                       const struct medvl_record *record)
{
    struct medvl_span id = medvl_record_get(record, "id");
    const char *path = record->path ? record->path : "input";
    const long long line = (long long)record->line;

    if (id.size >= 2 && id.data[0] == '"') {
        id.data++;
        id.size -= 2;
    }
    if (!id.size)
        return medvl_context(err, "%s:%lld", path, line);
    return medvl_context(err, "%s:%lld: %.*s", path, line,
                         id.size > 100 ? 100 : (int)id.size, id.data);
}

/* {"error", "where", "record" or "raw"}, a line of the rejects file. */
static int write_reject(struct medvl_text *out,
                        const struct medvl_record *record,
                        struct medvl_span line, bool parsed,
                        const char *what, struct medvl_error *err)
{
    struct medvl_json_writer w = {.out = out};
    struct medvl_text text = {0};
    int rc;

    medvl_json_begin(&w, NULL, '{');
    rc = append_clean(&text, medvl_span(what), err);
    medvl_json_put_string(&w, "error", medvl_text_span(&text));
    medvl_text_clear(&text);
    if (rc == MEDVL_OK)
        rc = append_clean(&text, medvl_span(record->path), err);
    if (rc == MEDVL_OK)
        rc = medvl_text_printf(&text, err, ":%lld", (long long)record->line);
    medvl_json_put_string(&w, "where", medvl_text_span(&text));
    medvl_text_clear(&text);
    if (parsed) {
        medvl_json_put_raw(&w, "record", line);
    } else {
        if (rc == MEDVL_OK)
            rc = append_base64(&text, line, err);
        medvl_json_put_string(&w, "raw", medvl_text_span(&text));
    }
    medvl_json_end(&w);
    medvl_text_release(&text);
    if (rc == MEDVL_OK)
        rc = medvl_json_write_end(&w, err);
    return rc < 0 ? rc : medvl_text_putc(out, '\n', err);
}

/*
 * A record is bad, `err` says why.  With keep_going it is set aside and
 * MEDVL_OK returned, unless it is the machine that failed.
 */
static int set_aside(struct medvl_out *out, const struct medvl_record *record,
                     struct medvl_span line, bool parsed,
                     struct medvl_error *err)
{
    struct medvl_error why;
    int rc;

    if (err->code == MEDVL_OK) /* a stage's mistake; never lose a record */
        medvl_fail(err, MEDVL_EARG, "failed without saying why");
    why = *err;
    place_error(err, record);
    if (!out->keep_going || medvl_is_fatal(err->code)) {
        out->placed = true;
        return err->code;
    }
    rc = medvl_text_printf(&out->reports, err, "%s\n", err->text);
    if (rc == MEDVL_OK)
        rc = write_reject(&out->rejects, record, line, parsed, why.text, err);
    if (rc < 0)
        return rc;
    out->rejected++;
    memset(err, 0, sizeof(*err));
    return MEDVL_OK;
}

/* ---- reading --------------------------------------------------------- */

struct input {
    const char *const *files;
    int file_count, next;
    int part, parts;
    size_t max;
    struct medvl_reader *reader;
    const char *path;   /* of the block, for messages */
    int64_t line;       /* of the block's first line */
    int64_t done, size; /* bytes of finished files; of all, 0 unknown */
};

static const char *const STDIN_ONLY[] = {"-"};

static void input_init(struct input *in,
                       const struct medvl_loop_options *loop)
{
    memset(in, 0, sizeof(*in));
    in->files = loop->file_count > 0 ? loop->files : STDIN_ONLY;
    in->file_count = loop->file_count > 0 ? loop->file_count : 1;
    in->part = loop->part;
    in->parts = loop->parts;
    in->max = (size_t)(loop->max_record > 0 ? loop->max_record : MAX_RECORD);
    for (int i = 0; i < in->file_count; i++) {
        struct medvl_error ignored = {0};
        int64_t size;

        if (strcmp(in->files[i], "-") == 0 ||
            medvl_file_size(&size, in->files[i], &ignored) < 0) {
            in->size = 0;
            break;
        }
        in->size += size / (in->parts > 0 ? in->parts : 1);
    }
}

static void input_release(struct input *in)
{
    medvl_reader_free(in->reader);
    in->reader = NULL;
}

/* The next lines, of one file, into `block`: 1, 0 at the end, or an error. */
static int input_block(struct input *in, struct medvl_text *block,
                       size_t want, struct medvl_error *err)
{
    int64_t done, total;
    int rc;

    medvl_text_clear(block);
    for (;;) {
        if (!in->reader) {
            if (in->next == in->file_count)
                return 0;
            in->path = in->files[in->next++];
            rc = medvl_reader_open(&in->reader, in->path, in->part,
                                   in->parts, err);
            if (rc < 0)
                return rc;
            if (strcmp(in->path, "-") == 0)
                in->path = "stdin";
        }
        in->line = medvl_reader_line(in->reader);
        rc = medvl_reader_lines(in->reader, block, want, in->max, err);
        if (rc != 0)
            return rc;
        medvl_reader_progress(in->reader, &done, &total);
        in->done += done;
        input_release(in);
    }
}

/* Take the first line, without its newline, off `lines`. */
static struct medvl_span take_line(struct medvl_span *lines)
{
    const char *newline = memchr(lines->data, '\n', lines->size);
    struct medvl_span line = *lines;
    size_t used = lines->size;

    if (newline) {
        line.size = (size_t)(newline - lines->data);
        used = line.size + 1;
    }
    lines->data += used;
    lines->size -= used;
    return line;
}

static bool is_blank(struct medvl_span line)
{
    return line.size == 0 || (line.size == 1 && line.data[0] == '\r');
}

/*
 * Parse a line.  *parsed says whether it is a record; an error otherwise
 * is the line's fault.  A line {"medvl_failed": ...} is a record whose
 * error must not be set aside: *failed is set.
 */
static int parse_line(struct medvl_record *record, struct medvl_span line,
                      bool *failed, struct medvl_error *err)
{
    struct medvl_text said = {0};
    struct medvl_error ignored = {0};

    *failed = false;
    record->view.count = 0;
    if (is_blank(line))
        return medvl_fail(err, MEDVL_EFORMAT, "empty line");
    if (medvl_record_parse(record, line, err) < 0)
        return err->code;
    if (record->view.count != 1 || !medvl_record_has(record, "medvl_failed"))
        return MEDVL_OK;
    *failed = true;
    if (medvl_record_read_text(&said, record, "medvl_failed", &ignored) < 0)
        medvl_text_clear(&said);
    medvl_fail(err, MEDVL_EFORMAT, "an earlier command failed: %s",
               said.size ? said.data : "it does not say how");
    medvl_text_release(&said);
    return place_error(err, record);
}

/* ---- writing --------------------------------------------------------- */

/* One run of any loop. */
struct run {
    const struct medvl_loop_options *loop;
    struct input in;
    struct medvl_writer *writer, *rejects;
    struct medvl_loop_count count;
};

/* Is `name`, with its temporary tail, the file `other`? */
static int is_temporary_of(bool *is, const char *name, const char *tail,
                           const char *other, struct medvl_error *err)
{
    struct medvl_text text = {0};
    const int rc = medvl_text_printf(&text, err, "%s%s", name, tail);

    *is = rc == MEDVL_OK && medvl_path_same(text.data, other);
    medvl_text_release(&text);
    return rc;
}

static bool is_stdout(const struct medvl_loop_file *file)
{
    return strcmp(file->path, "-") == 0;
}

int medvl_loop_files_apart(const struct medvl_loop_file *a,
                           const struct medvl_loop_file *b,
                           struct medvl_error *err)
{
    bool same, named;
    int rc = MEDVL_OK;

    if (!a->path || !b->path)
        return MEDVL_OK;
    named = !is_stdout(a) && !is_stdout(b);
    same = (is_stdout(a) && is_stdout(b)) ||
           medvl_path_same(is_stdout(a) ? "/dev/stdout" : a->path,
                           is_stdout(b) ? "/dev/stdout" : b->path);
    if (!same && named)
        rc = is_temporary_of(&same, a->path, a->suffix, b->path, err);
    if (rc == MEDVL_OK && !same && named)
        rc = is_temporary_of(&same, b->path, b->suffix, a->path, err);
    if (rc == MEDVL_OK && same)
        rc = medvl_fail(err, MEDVL_EARG,
                        "the %s (%s) and the %s (%s) would be one file",
                        a->what, is_stdout(a) ? "stdout" : a->path, b->what,
                        is_stdout(b) ? "stdout" : b->path);
    return rc;
}

int medvl_loop_apart(const char *output, const char *suffix,
                     const char *rejects, struct medvl_error *err)
{
    const struct medvl_loop_file files[2] = {
        {"output", output ? output : "-", suffix},
        {"rejects", rejects, ".tmp"},
    };

    return medvl_loop_files_apart(&files[0], &files[1], err);
}

static int run_open(struct run *run, const struct medvl_loop_options *loop,
                    const char *suffix, struct medvl_error *err)
{
    int rc;

    run->loop = loop;
    input_init(&run->in, loop);
    rc = medvl_loop_apart(loop->output, suffix, loop->rejects, err);
    if (rc == MEDVL_OK)
        rc = medvl_writer_open(&run->writer,
                               loop->output ? loop->output : "-", suffix,
                               loop->resume, err);
    if (rc == MEDVL_OK && loop->rejects)
        rc = medvl_writer_open(&run->rejects, loop->rejects, ".tmp", false,
                               err);
    return rc;
}

/* Hand on what `out` holds, and empty it. */
static int run_emit(struct run *run, struct medvl_out *out,
                    struct medvl_error *err)
{
    int rc = MEDVL_OK;

    if (out->text.size > 0)
        rc = medvl_writer_put(run->writer, out->text.data, out->text.size,
                              err);
    if (rc == MEDVL_OK && run->rejects && out->rejects.size > 0)
        rc = medvl_writer_put(run->rejects, out->rejects.data,
                              out->rejects.size, err);
    if (run->loop->report) {
        struct medvl_span lines = medvl_text_span(&out->reports);

        while (lines.size > 0) {
            const struct medvl_span line = take_line(&lines);

            out->reports.data[line.data + line.size - out->reports.data] = 0;
            run->loop->report(run->loop->arg, line.data);
        }
    }
    run->count.rejected += out->rejected;
    out->rejected = 0;
    medvl_text_shrink(&out->text);
    medvl_text_shrink(&out->rejects);
    medvl_text_shrink(&out->reports);
    return rc;
}

static void run_progress(struct run *run)
{
    int64_t done = 0, total = 0;

    if (!run->loop->progress)
        return;
    if (run->in.reader)
        medvl_reader_progress(run->in.reader, &done, &total);
    run->loop->progress(run->loop->arg, run->in.done + done, run->in.size,
                        run->count.read);
}

/* All records and rejects are written; what is left is their names. */
static int run_end(struct run *run, struct medvl_error *err)
{
    int rc = MEDVL_OK;

    if (run->rejects)
        rc = medvl_writer_end(run->rejects, err);
    return rc < 0 ? rc : medvl_writer_end(run->writer, err);
}

/*
 * Finish: with success, publish; else leave whole lines on standard output
 * and no file.
 */
static int run_close(struct run *run, int rc, struct medvl_loop_count *count,
                     struct medvl_error *err)
{
    struct medvl_error ignored = {0};

    if (rc == MEDVL_OK)
        rc = run_end(run, err);
    if (rc == MEDVL_OK && run->rejects) {
        rc = medvl_writer_close(run->rejects, err);
        run->rejects = NULL;
    }
    if (rc == MEDVL_OK) {
        rc = medvl_writer_close(run->writer, err);
        run->writer = NULL;
    } else if (run->writer) {
        const int first = rc; /* the first error is the one to tell */

        rc = medvl_writer_flush(run->writer, &ignored);
        rc = first;
    }
    medvl_writer_free(run->rejects);
    medvl_writer_free(run->writer);
    input_release(&run->in);
    if (count)
        *count = run->count;
    if (rc == MEDVL_OK && run->count.rejected > 0)
        return MEDVL_LOOP_INCOMPLETE;
    return rc;
}

static int out_spill(struct medvl_out *out, struct medvl_error *err)
{
    if (out->run && out->text.size >= ROUND_MOST)
        return run_emit(out->run, out, err);
    return MEDVL_OK;
}

int medvl_out_write(struct medvl_out *out, const struct medvl_record *record,
                    struct medvl_error *err)
{
    if (medvl_record_write(&out->text, record, err) < 0)
        return err ? err->code : MEDVL_ENOMEM;
    return out_spill(out, err);
}

int medvl_out_line(struct medvl_out *out, struct medvl_span json,
                   struct medvl_error *err)
{
    if (medvl_text_append(&out->text, json.data, json.size, err) < 0 ||
        medvl_text_putc(&out->text, '\n', err) < 0)
        return MEDVL_ENOMEM;
    return out_spill(out, err);
}

int medvl_out_reject(struct medvl_out *out, const struct medvl_record *record,
                     struct medvl_error *err)
{
    struct medvl_text text = {0};
    struct medvl_span line;
    int rc = MEDVL_OK;

    if (!out->run) /* a map: the loop does it when the function returns */
        return err->code;
    for (int64_t i = 0; i < out->count; i++)
        if (record == &out->records[i])
            return set_aside(out, record, out->lines[i], true, err);

    /* A copy of a record, from an earlier window. */
    rc = medvl_json_view_write(&text, &record->view, err);
    line = medvl_text_span(&text);
    if (rc == MEDVL_OK)
        rc = set_aside(out, record, line, true, err);
    medvl_text_release(&text);
    return rc;
}

/* A block and what is left of it. */
struct lines {
    struct medvl_text block;
    struct medvl_span left;
    int64_t line; /* number of the next */
};

/* Read a block when the last one is used up: 1, 0 at the end, or an error. */
static int more_lines(struct run *run, struct lines *lines, size_t want,
                      struct medvl_error *err)
{
    int rc = 1;

    if (lines->left.size > 0)
        return 1;
    rc = input_block(&run->in, &lines->block, want, err);
    if (rc > 0) {
        lines->left = medvl_text_span(&lines->block);
        lines->line = run->in.line;
    }
    return rc;
}

/* ---- map ------------------------------------------------------------- */

struct chunk {
    struct medvl_span lines;
    int64_t line; /* number of its first */
    struct medvl_out out;
    int64_t read;
    int rc;
    struct medvl_error err;
};

struct worker {
    void *state;
    bool made;
    struct medvl_record record;
};

struct map_run {
    const struct medvl_map *map;
    void *stage;
    struct run run;
    struct worker *workers; /* one a thread */
    int threads;
    pthread_mutex_t making; /* workers are made one at a time */
    struct chunk *chunks;
    size_t count, capacity; /* chunks in this round; ever made */
    atomic_llong stop;      /* chunks after this one are not wanted */
};

static void free_worker(struct map_run *m, struct worker *worker)
{
    if (worker->state && m->map->worker && m->map->worker_free)
        m->map->worker_free(worker->state);
    worker->state = NULL;
}

static int make_worker(struct map_run *m, struct worker *worker,
                       struct medvl_error *err)
{
    int rc = MEDVL_OK;

    if (worker->made)
        return MEDVL_OK;
    worker->state = m->stage;
    if (m->map->worker) {
        worker->state = NULL;
        pthread_mutex_lock(&m->making);
        rc = m->map->worker(&worker->state, m->stage, err);
        pthread_mutex_unlock(&m->making);
    }
    worker->made = rc == MEDVL_OK;
    if (rc < 0)
        free_worker(m, worker);
    return rc;
}

/* One line: its output, or it is set aside, or the chunk's error. */
static int map_line(struct map_run *m, struct worker *worker,
                    struct chunk *chunk, struct medvl_span line)
{
    const size_t before = chunk->out.text.size;
    struct medvl_record *record = &worker->record;
    bool parsed, failed;
    int rc;

    rc = parse_line(record, line, &failed, &chunk->err);
    if (failed)
        return rc;
    parsed = rc == MEDVL_OK;
    if (parsed)
        rc = m->map->record(worker->state, record, &chunk->out, &chunk->err);
    if (rc < 0) {
        chunk->out.text.size = before;
        rc = set_aside(&chunk->out, record, line, parsed, &chunk->err);
    }
    return rc;
}

static void map_chunk(void *arg, int64_t index, int thread)
{
    struct map_run *m = arg;
    struct worker *worker = &m->workers[thread];
    struct chunk *chunk = &m->chunks[index];
    struct medvl_span lines = chunk->lines;
    long long stop;

    if (index > atomic_load(&m->stop))
        return;
    chunk->rc = make_worker(m, worker, &chunk->err);
    worker->record.path = m->run.in.path;
    worker->record.line = chunk->line;
    while (chunk->rc == MEDVL_OK && lines.size > 0) {
        chunk->rc = map_line(m, worker, chunk, take_line(&lines));
        worker->record.line++;
        chunk->read++;
    }
    if (chunk->rc == MEDVL_OK)
        return;
    stop = atomic_load(&m->stop);
    while (index < stop &&
           !atomic_compare_exchange_weak(&m->stop, &stop, index))
        continue;
}

static int add_chunk(struct map_run *m, struct medvl_span lines,
                     int64_t line, struct medvl_error *err)
{
    const size_t old = m->capacity;
    struct chunk *chunk;

    if (m->count == old) {
        if (medvl_grow(&m->chunks, &m->capacity, old + 1, sizeof(*chunk),
                       err) < 0)
            return MEDVL_ENOMEM;
        memset(m->chunks + old, 0, (m->capacity - old) * sizeof(*chunk));
    }
    chunk = &m->chunks[m->count++];
    chunk->lines = lines;
    chunk->line = line;
    chunk->read = 0;
    chunk->rc = MEDVL_OK;
    chunk->out.keep_going = m->run.loop->keep_going;
    memset(&chunk->err, 0, sizeof(chunk->err));
    return MEDVL_OK;
}

/*
 * Take about `want` bytes off the block and cut them at line ends into
 * chunks of `size` bytes or a line more.
 */
static int cut_chunks(struct map_run *m, struct lines *lines, size_t want,
                      size_t size, struct medvl_error *err)
{
    size_t taken = 0;

    m->count = 0;
    while (lines->left.size > 0 && taken < want) {
        struct medvl_span chunk = lines->left, rest = lines->left;
        const int64_t first = lines->line;

        if (size >= rest.size) { /* the last: nobody asks for its count */
            rest.size = 0;
        } else {
            while (rest.size > 0 && chunk.size - rest.size < size) {
                take_line(&rest);
                lines->line++;
            }
        }
        chunk.size -= rest.size;
        taken += chunk.size;
        lines->left = rest;
        if (add_chunk(m, chunk, first, err) < 0)
            return MEDVL_ENOMEM;
    }
    return MEDVL_OK;
}

/* About `want` bytes through the team, and what they gave onwards. */
static int map_round(struct map_run *m, struct lines *lines, size_t want,
                     struct medvl_error *err)
{
    const int shares = m->threads > 1 ? m->threads * CHUNKS : 1;
    int rc;

    rc = cut_chunks(m, lines, want, want / (size_t)shares + 1, err);
    if (rc < 0)
        return rc;
    atomic_store(&m->stop, (long long)m->count);
    medvl_pool_run(m->run.loop->pool, (int64_t)m->count, map_chunk, m);
    for (size_t i = 0; i < m->count; i++) {
        struct chunk *chunk = &m->chunks[i];

        m->run.count.read += chunk->read;
        rc = run_emit(&m->run, &chunk->out, err);
        if (rc == MEDVL_OK && chunk->rc < 0) {
            rc = chunk->rc;
            if (err)
                *err = chunk->err;
        }
        if (rc < 0)
            return rc;
    }
    run_progress(&m->run);
    return medvl_writer_flush(m->run.writer, err);
}

static int64_t milliseconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int map_all(struct map_run *m, struct medvl_error *err)
{
    const size_t most = (size_t)ROUND_MOST * (size_t)m->threads;
    struct lines lines = {0};
    size_t want = ROUND_FIRST;
    int rc;

    for (;;) {
        int64_t took;

        rc = more_lines(&m->run, &lines, want, err);
        if (rc <= 0)
            break;
        took = milliseconds();
        rc = map_round(m, &lines, want, err);
        if (rc < 0)
            break;
        took = milliseconds() - took;
        if (took < 20 && want < most)
            want *= 2;
        if (took > 200 && want > ROUND_LEAST)
            want /= 2;
    }
    medvl_text_release(&lines.block);
    return rc;
}

static void map_release(struct map_run *m)
{
    for (int i = 0; m->workers && i < m->threads; i++) {
        free_worker(m, &m->workers[i]);
        medvl_record_release(&m->workers[i].record);
    }
    medvl_free(m->workers);
    for (size_t i = 0; i < m->capacity; i++)
        out_release(&m->chunks[i].out);
    medvl_free(m->chunks);
    pthread_mutex_destroy(&m->making);
}

int medvl_loop_map(const struct medvl_map *map, const void *options,
                   const struct medvl_loop_options *loop,
                   struct medvl_loop_count *count, struct medvl_error *err)
{
    struct map_run m = {.map = map,
                        .stage = map->open ? NULL : (void *)options};
    struct medvl_error own = {0};
    int rc = MEDVL_OK;

    pthread_mutex_init(&m.making, NULL);
    m.threads = loop->pool ? medvl_pool_threads(loop->pool) : 1;
    m.workers = medvl_alloc((size_t)m.threads, sizeof(*m.workers));
    if (!m.workers)
        rc = medvl_no_memory(&own);
    if (rc == MEDVL_OK && map->open)
        rc = map->open(&m.stage, options, &own);
    if (rc == MEDVL_OK)
        rc = run_open(&m.run, loop, ".tmp", &own);
    if (rc == MEDVL_OK)
        rc = map_all(&m, &own);
    rc = run_close(&m.run, rc, count, &own);
    map_release(&m);
    if (map->open && map->free && m.stage)
        map->free(m.stage);
    if (rc < 0 && err)
        *err = own;
    return rc;
}

/* ---- ids --------------------------------------------------------------- */

/* Ids as 128-bit hashes, and how often each; a key of zeros is free. */
struct id_slot {
    uint64_t key[2];
    int64_t count;
};

struct id_set {
    struct id_slot *slots;
    size_t count, room; /* room is a power of two */
};

static struct id_slot *id_slot(const struct id_set *set, const uint64_t key[2])
{
    size_t at = key[0] & (set->room - 1);
    struct id_slot *slot = &set->slots[at];

    while ((slot->key[0] | slot->key[1]) &&
           (slot->key[0] != key[0] || slot->key[1] != key[1])) {
        at = (at + 1) & (set->room - 1);
        slot = &set->slots[at];
    }
    return slot;
}

static int id_grow(struct id_set *set, struct medvl_error *err)
{
    struct id_set big = {.count = set->count};

    big.room = set->room ? set->room * 2 : 1024;
    big.slots = medvl_alloc(big.room, sizeof(*big.slots));
    if (!big.slots)
        return medvl_no_memory(err);
    for (size_t i = 0; i < set->room; i++)
        if (set->slots[i].key[0] | set->slots[i].key[1])
            *id_slot(&big, set->slots[i].key) = set->slots[i];
    medvl_free(set->slots);
    *set = big;
    return MEDVL_OK;
}

/* The record's place in the set; `id` is scratch. */
static int id_find(struct id_slot **out, struct id_set *set,
                   const struct medvl_record *record, struct medvl_text *id,
                   struct medvl_error *err)
{
    uint64_t key[2] = {0, 0};
    char hex[33];
    int rc;

    medvl_text_clear(id);
    rc = medvl_record_id(id, record, err);
    if (rc == MEDVL_OK && set->count >= set->room / 2)
        rc = id_grow(set, err);
    if (rc < 0)
        return rc;
    medvl_hash128_hex(hex, id->data, id->size);
    for (int i = 0; i < 32; i++) {
        const int digit = hex[i] <= '9' ? hex[i] - '0' : hex[i] - 'a' + 10;

        key[i / 16] = key[i / 16] << 4 | (uint64_t)digit;
    }
    *out = id_slot(set, key);
    if (!((*out)->key[0] | (*out)->key[1])) {
        memcpy((*out)->key, key, sizeof(key));
        set->count++;
    }
    return MEDVL_OK;
}

/* ---- going on after a run that was cut short --------------------------- */

/* The records that FILE.part holds and the input has yet to show. */
struct done {
    const struct medvl_batch *batch;
    void *stage;
    struct id_set ids;
    struct medvl_text id; /* scratch */
    int64_t left;
};

/* What stands behind the last newline was being written. */
static int cut_torn_line(const char *path, struct medvl_error *err)
{
    struct medvl_mapping map;
    const unsigned char *end = NULL;
    size_t size, whole = 0;
    int rc = medvl_mapping_open(&map, path, err);

    if (rc < 0)
        return rc;
    size = map.size;
    if (size)
        end = memrchr(map.data, '\n', size);
    if (end)
        whole = (size_t)(end - map.data) + 1;
    medvl_mapping_release(&map);
    if (whole < size && truncate(path, (off_t)whole) < 0)
        return medvl_fail_output(err, path);
    return MEDVL_OK;
}

static int keep_done(void *arg, struct medvl_record *record,
                     struct medvl_error *err)
{
    struct done *done = arg;
    struct id_slot *slot;
    const int rc = id_find(&slot, &done->ids, record, &done->id, err);

    if (rc < 0)
        return medvl_context(err, "what is done is known by its id");
    slot->count++;
    done->left++;
    return done->batch->resume
               ? done->batch->resume(done->stage, record, err)
               : MEDVL_OK;
}

static bool is_zst(const char *path)
{
    const size_t size = strlen(path);

    return size > 4 && !strcmp(path + size - 4, ".zst");
}

int medvl_loop_left(struct medvl_text *out, const char *output,
                    struct medvl_error *err)
{
    struct medvl_error ignored = {0};
    int64_t size = 0;
    int rc;

    medvl_text_clear(out);
    if (!output || !strcmp(output, "-"))
        return 0;
    rc = medvl_text_printf(out, err, "%s.part", output);
    if (rc < 0)
        return rc;
    return medvl_file_size(&size, out->data, &ignored) == MEDVL_OK &&
           size > 0;
}

/* What a run left is not written over: hours may stand in it. */
static int refuse_left(const struct medvl_batch *batch,
                       const struct medvl_loop_options *loop,
                       struct medvl_error *err)
{
    struct medvl_text part = {0};
    int rc = MEDVL_OK;

    if (batch->keeps_part && !loop->resume)
        rc = medvl_loop_left(&part, loop->output, err);
    if (rc > 0)
        rc = medvl_fail(err, MEDVL_EARG,
                        "%s is there, from a run that did not end: %sremove "
                        "it to begin anew",
                        part.data,
                        is_zst(loop->output)
                            ? ""
                            : "go on with it by --resume, or ");
    medvl_text_release(&part);
    return rc;
}

static int done_open(struct done *done, void *stage,
                     const struct medvl_batch *batch,
                     const struct medvl_loop_options *loop,
                     struct medvl_error *err)
{
    const char *output = loop->output;
    struct medvl_text part = {0};
    int rc;

    done->batch = batch;
    done->stage = stage;
    if (!loop->resume)
        return MEDVL_OK;
    if (!batch->keeps_part || !output || !strcmp(output, "-"))
        return medvl_fail(err, MEDVL_EARG,
                          "only what goes to a file can be gone on with");
    if (is_zst(output))
        return medvl_fail(err, MEDVL_EARG,
                          "%s: a zstd stream that was cut short cannot be "
                          "gone on with",
                          output);
    rc = medvl_text_printf(&part, err, "%s.part", output);
    if (rc == MEDVL_OK && medvl_file_exists(part.data)) {
        rc = cut_torn_line(part.data, err);
        if (rc == MEDVL_OK)
            rc = medvl_loop_each(part.data, loop->max_record, keep_done, done,
                                 err);
    }
    medvl_text_release(&part);
    return rc;
}

/* Is the record among them?  Each is found as often as it was written. */
static int done_take(bool *is, struct done *done,
                     const struct medvl_record *record,
                     struct medvl_error *err)
{
    struct id_slot *slot;
    int rc;

    *is = false;
    if (!done->left)
        return MEDVL_OK;
    rc = id_find(&slot, &done->ids, record, &done->id, err);
    if (rc < 0) {
        medvl_context(err, "what is done is known by its id");
        return place_error(err, record);
    }
    *is = slot->count > 0;
    if (*is) {
        slot->count--;
        done->left--;
    }
    return MEDVL_OK;
}

static void done_release(struct done *done)
{
    medvl_free(done->ids.slots);
    medvl_text_release(&done->id);
}

/* ---- batch and sink -------------------------------------------------- */

/*
 * The next line, which stays until the call after: 1, 0 at the end, or an
 * error.  Fills the record's path and line.
 */
static int next_line(struct run *run, struct lines *lines,
                     struct medvl_span *line, const char **path,
                     int64_t *number, struct medvl_error *err)
{
    int rc;

    rc = more_lines(run, lines, ROUND_MOST, err);
    if (rc <= 0)
        return rc;
    *line = take_line(&lines->left);
    *path = run->in.path;
    *number = lines->line++;
    run->count.read++;
    return 1;
}

/* A window: lines copied together, and a record each. */
struct window {
    struct medvl_text bytes;
    struct medvl_span *lines; /* while filling, data is NULL + offset */
    struct medvl_record *records;
    size_t count, lines_room, records_room;
};

static int window_room(struct window *w, struct medvl_error *err)
{
    const size_t old = w->records_room;

    if (w->count == w->lines_room &&
        medvl_grow(&w->lines, &w->lines_room, w->count + 1,
                   sizeof(*w->lines), err) < 0)
        return MEDVL_ENOMEM;
    if (w->count < old)
        return MEDVL_OK;
    if (medvl_grow(&w->records, &w->records_room, w->count + 1,
                   sizeof(*w->records), err) < 0)
        return MEDVL_ENOMEM;
    memset(w->records + old, 0,
           (w->records_room - old) * sizeof(*w->records));
    return MEDVL_OK;
}

/*
 * Take up to `want` lines, fewer where they are long: 1 when there may be
 * more, 0 at the end, or an error; what was taken before that is in the
 * window all the same.
 */
static int window_fill(struct window *w, struct run *run, struct lines *lines,
                       int64_t want, struct medvl_error *err)
{
    size_t at = 0;
    int rc = 1;

    w->count = 0;
    medvl_text_clear(&w->bytes);
    while (rc > 0 && (int64_t)w->count < want &&
           w->bytes.size < WINDOW_BYTES) {
        struct medvl_record *record;
        struct medvl_span line;

        rc = window_room(w, err);
        if (rc < 0)
            break;
        record = &w->records[w->count];
        rc = next_line(run, lines, &line, &record->path, &record->line, err);
        if (rc <= 0)
            break;
        if (medvl_text_append(&w->bytes, line.data, line.size, err) < 0)
            rc = MEDVL_ENOMEM;
        else
            w->lines[w->count++].size = line.size;
    }
    for (size_t i = 0; i < w->count; i++) {
        w->lines[i].data = w->bytes.data + at;
        at += w->lines[i].size;
    }
    return rc;
}

static void window_release(struct window *w)
{
    for (size_t i = 0; i < w->records_room; i++)
        medvl_record_release(&w->records[i]);
    medvl_free(w->records);
    medvl_free(w->lines);
    medvl_text_release(&w->bytes);
}

struct batch_run {
    const struct medvl_batch *batch;
    void *stage;
    struct run run;
    struct lines lines;
    struct window window;
    struct medvl_out out;
    struct done done;
};

/* Records [from, to) of the window, and what they gave, onwards. */
static int batch_call(struct batch_run *b, size_t from, size_t to,
                      struct medvl_error *err)
{
    struct medvl_error other = {0};
    int rc, sent;

    if (from == to)
        return MEDVL_OK;
    b->out.records = b->window.records + from;
    b->out.lines = b->window.lines + from;
    b->out.count = (int64_t)(to - from);
    rc = b->batch->records(b->stage, b->window.records + from,
                           b->out.count, &b->out, err);
    b->out.count = 0;
    sent = run_emit(&b->run, &b->out, &other);
    if (sent == MEDVL_OK)
        sent = medvl_writer_flush(b->run.writer, &other);
    if (rc == MEDVL_OK && sent < 0) {
        rc = sent;
        *err = other;
    }
    run_progress(&b->run);
    return rc;
}

/* Line `index` of the window is no record. */
static int bad_line(struct batch_run *b, size_t index,
                    struct medvl_error *bad)
{
    struct medvl_record *line = &b->window.records[index];
    const struct medvl_error why = *bad;

    if (!b->batch->damaged || medvl_is_fatal(bad->code))
        return set_aside(&b->out, line, b->window.lines[index], false, bad);
    line->view.count = 0;
    return b->batch->damaged(b->stage, line, &why, &b->out, bad);
}

/* The window's records; a bad line waits for those before it.  Those that
 * an earlier run did are passed over. */
static int batch_window(struct batch_run *b, struct medvl_error *err)
{
    struct window *w = &b->window;
    size_t from = 0;
    int rc;

    for (size_t i = 0; i < w->count; i++) {
        struct medvl_error bad = {0};
        bool failed, done = false;

        rc = parse_line(&w->records[i], w->lines[i], &failed, &bad);
        if (rc == MEDVL_OK) {
            rc = done_take(&done, &b->done, &w->records[i], &bad);
            failed = rc < 0;
        }
        if (rc == MEDVL_OK && !done)
            continue;
        rc = batch_call(b, from, i, err);
        if (rc < 0)
            return rc;
        rc = bad.code;
        if (rc < 0 && !failed)
            rc = bad_line(b, i, &bad);
        if (rc < 0) {
            *err = bad;
            return rc;
        }
        rc = run_emit(&b->run, &b->out, err);
        if (rc < 0)
            return rc;
        from = i + 1;
    }
    return batch_call(b, from, w->count, err);
}

static int batch_all(struct batch_run *b, struct medvl_error *err)
{
    struct medvl_error late = {0};
    int rc = 1, taken;

    while (rc > 0) {
        int64_t want = WINDOW_USUAL;

        if (b->batch->window)
            want = b->batch->window(b->stage);
        rc = window_fill(&b->window, &b->run, &b->lines, want > 0 ? want : 1,
                         &late);
        taken = batch_window(b, err);
        if (taken < 0)
            return taken;
    }
    if (rc < 0)
        *err = late;
    if (rc == MEDVL_OK && b->done.left)
        rc = medvl_fail(err, MEDVL_EFORMAT,
                        "%s.part holds %lld records that are not in the "
                        "input",
                        b->run.loop->output, (long long)b->done.left);
    if (rc == MEDVL_OK && b->batch->finish)
        rc = b->batch->finish(b->stage, &b->out, err);
    if (rc == MEDVL_OK)
        rc = run_emit(&b->run, &b->out, err);
    if (rc == MEDVL_OK && b->batch->publish) {
        rc = run_end(&b->run, err);
        if (rc == MEDVL_OK)
            rc = b->batch->publish(b->stage, err);
    }
    return rc;
}

int medvl_loop_batch(const struct medvl_batch *batch, const void *options,
                     const struct medvl_loop_options *loop,
                     struct medvl_loop_count *count, struct medvl_error *err)
{
    struct batch_run b = {.batch = batch, .stage = (void *)options};
    struct medvl_error own = {0};
    int rc;

    b.out.run = &b.run;
    b.out.keep_going = loop->keep_going;
    if (batch->open)
        b.stage = NULL;
    rc = refuse_left(batch, loop, &own);
    if (rc == MEDVL_OK && batch->open)
        rc = batch->open(&b.stage, options, loop->pool, &own);
    if (rc == MEDVL_OK)
        rc = done_open(&b.done, b.stage, batch, loop, &own);
    if (rc == MEDVL_OK)
        rc = run_open(&b.run, loop, batch->keeps_part ? ".part" : ".tmp",
                      &own);
    if (rc == MEDVL_OK)
        rc = batch_all(&b, &own);
    rc = run_close(&b.run, rc, count, &own);
    if (batch->open && batch->free && b.stage)
        batch->free(b.stage);
    window_release(&b.window);
    medvl_text_release(&b.lines.block);
    out_release(&b.out);
    done_release(&b.done);
    if (rc < 0 && err)
        *err = own;
    return rc;
}

/* The record has an id, and none before it had the same. */
static int check_id(struct id_set *set, const struct medvl_record *record,
                    struct medvl_text *id, struct medvl_error *err)
{
    struct id_slot *slot;
    const int rc = id_find(&slot, set, record, id, err);

    if (rc < 0)
        return rc;
    if (slot->count++)
        return medvl_fail(err, MEDVL_EFORMAT,
                          "\"id\": an earlier record has it too");
    return MEDVL_OK;
}

struct sink_run {
    const struct medvl_sink *sink;
    void *stage;
    struct run run;
    struct lines lines;
    struct medvl_record record;
    struct medvl_out out;
    struct id_set ids;
    struct medvl_text id;
    int64_t taken;
};

static int sink_line(struct sink_run *k, struct medvl_span line,
                     struct medvl_error *err)
{
    struct medvl_record *record = &k->record;
    bool parsed, failed;
    int rc;

    rc = parse_line(record, line, &failed, err);
    if (failed)
        return rc;
    parsed = rc == MEDVL_OK;
    if (parsed && k->sink->need_id)
        rc = check_id(&k->ids, record, &k->id, err);
    if (rc < 0)
        return set_aside(&k->out, record, line, parsed, err);
    k->out.records = record;
    k->out.lines = &line;
    k->out.count = 1;
    k->taken++;
    rc = k->sink->record(k->stage, record, &k->out, err);
    k->out.count = 0;
    if (rc < 0 && !k->out.placed)
        place_error(err, record);
    return rc;
}

static int sink_all(struct sink_run *k, struct medvl_error *err)
{
    struct medvl_span line;
    int64_t seen = 0;
    int rc;

    for (;;) {
        rc = next_line(&k->run, &k->lines, &line, &k->record.path,
                       &k->record.line, err);
        if (rc <= 0)
            break;
        rc = sink_line(k, line, err);
        if (rc == MEDVL_OK && !k->lines.left.size)
            rc = run_emit(&k->run, &k->out, err);
        if (rc < 0)
            break;
        if (++seen % 256 == 0 || !k->lines.left.size)
            run_progress(&k->run);
    }
    if (rc == MEDVL_OK && k->sink->refuse_empty && k->taken == 0)
        rc = medvl_fail(err, MEDVL_EFORMAT, "%s: no records",
                        k->run.in.path ? k->run.in.path : "input");
    if (rc == MEDVL_OK && k->sink->finish)
        rc = k->sink->finish(k->stage, &k->out, err);
    if (rc == MEDVL_OK)
        rc = run_emit(&k->run, &k->out, err);
    if (rc == MEDVL_OK && k->sink->publish) {
        rc = run_end(&k->run, err);
        if (rc == MEDVL_OK)
            rc = k->sink->publish(k->stage, err);
    }
    return rc;
}

int medvl_loop_sink(const struct medvl_sink *sink, const void *options,
                    const struct medvl_loop_options *loop,
                    struct medvl_loop_count *count, struct medvl_error *err)
{
    struct sink_run k = {.sink = sink, .stage = (void *)options};
    struct medvl_error own = {0};
    int rc = MEDVL_OK;

    k.out.run = &k.run;
    k.out.keep_going = loop->keep_going;
    if (loop->parts > 0)
        rc = medvl_fail(&own, MEDVL_EARG,
                        "this command needs all records, not a part");
    if (rc == MEDVL_OK && sink->open) {
        k.stage = NULL;
        rc = sink->open(&k.stage, options, loop->pool, &own);
    }
    if (rc == MEDVL_OK)
        rc = run_open(&k.run, loop, ".tmp", &own);
    if (rc == MEDVL_OK)
        rc = sink_all(&k, &own);
    rc = run_close(&k.run, rc, count, &own);
    if (sink->open && sink->free && k.stage)
        sink->free(k.stage);
    medvl_record_release(&k.record);
    medvl_text_release(&k.lines.block);
    medvl_text_release(&k.id);
    medvl_free(k.ids.slots);
    out_release(&k.out);
    if (rc < 0 && err)
        *err = own;
    return rc;
}

/* ---- outside a loop -------------------------------------------------- */

int medvl_loop_each(const char *path, int64_t max_record,
                    int (*record)(void *arg, struct medvl_record *record,
                                  struct medvl_error *err),
                    void *arg, struct medvl_error *err)
{
    const struct medvl_loop_options loop = {
        .files = &path,
        .file_count = 1,
        .max_record = max_record,
    };
    struct run run = {.loop = &loop};
    struct lines lines = {0};
    struct medvl_record one = {0};
    struct medvl_error own = {0};
    struct medvl_span line;
    bool failed = false;
    int rc;

    input_init(&run.in, &loop);
    for (;;) {
        rc = next_line(&run, &lines, &line, &one.path, &one.line, &own);
        if (rc <= 0)
            break;
        rc = parse_line(&one, line, &failed, &own);
        if (rc == MEDVL_OK)
            rc = record(arg, &one, &own);
        if (rc < 0) {
            if (!failed)
                place_error(&own, &one);
            break;
        }
    }
    medvl_record_release(&one);
    medvl_text_release(&lines.block);
    input_release(&run.in);
    if (rc < 0 && err)
        *err = own;
    return rc;
}
