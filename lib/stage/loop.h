/*
 * The three loops that carry all commands over streams of records:
 *
 *   map    each record gives 0..n records; workers in parallel; output in
 *          input order, the same bytes whatever the number of workers
 *   batch  windows of records, results in order
 *   sink   every record in order, then a finish
 *
 * A command is a struct of functions below plus its options; cmd/cli.h runs
 * it from main.  Nothing is lost: a bad record stops the run with
 * "file:line: id: what", or with keep_going is reported, set aside in the
 * rejects file as {"error", "where", "record" or "raw" (base64)}, and the
 * run ends MEDVL_LOOP_INCOMPLETE.  A line {"medvl_failed": "..."} from an
 * earlier command fails the run, keep_going or not.
 *
 * Read next: any module of lib/stage.
 */
#ifndef MEDVL_STAGE_LOOP_H
#define MEDVL_STAGE_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/pool.h"
#include "lib/data/record.h"

/* What a finished run returns when records were set aside. */
#define MEDVL_LOOP_INCOMPLETE 1

struct medvl_loop_options {
    const char *const *files; /* none: standard input; "-" too */
    int file_count;
    struct medvl_pool *pool; /* NULL: one thread */
    bool keep_going;
    const char *rejects; /* file for what is set aside, or NULL */
    int part, parts;     /* 0, 0: all */
    int64_t max_record;  /* bytes; 0: 64 MiB */
    const char *output;  /* "-" or NULL: standard output */

    /*
     * Go on with OUTPUT.part, if there is one: a line that was cut short is
     * dropped, the input's records whose ids the others have are passed
     * over.  For batches that keep a part.
     */
    bool resume;

    /* Each problem that is set aside, as one line of text; may be NULL. */
    void (*report)(void *arg, const char *text);

    /* Now and then: bytes done and in all (0 unknown), records; or NULL. */
    void (*progress)(void *arg, int64_t done, int64_t total, int64_t records);
    void *arg;
};

/*
 * MEDVL_EARG, naming both, when two outputs would end up in one file: by
 * two names, through links, or because one is the other's temporary name.
 */
struct medvl_loop_file {
    const char *what;   /* "output" */
    const char *path;   /* "-": standard output; NULL: there is none */
    const char *suffix; /* of its temporary name: ".tmp" or ".part" */
};
int medvl_loop_files_apart(const struct medvl_loop_file *a,
                           const struct medvl_loop_file *b,
                           struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * The same for a loop's records and rejects.
 *
 *   output    NULL or "-": standard output
 *   suffix    of its temporary name: ".tmp" or ".part"
 *   rejects   NULL: none
 */
int medvl_loop_apart(const char *output, const char *suffix,
                     const char *rejects,
                     struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * Has a batch that keeps a part left records in OUTPUT.part?  1 when it has,
 * 0, or MEDVL_ENOMEM.  A run that does not go on with them is refused.
 *
 *   out      its name, of a run that writes to a file; else empty
 *   output   "-" or NULL: standard output
 */
int medvl_loop_left(struct medvl_text *out, const char *output,
                    struct medvl_error *err) MEDVL_MUST_CHECK;

/* Where a command puts records. */
struct medvl_out;

/* Write the record's line. */
int medvl_out_write(struct medvl_out *out, const struct medvl_record *record,
                    struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * Write one JSON line (without newline) that is no input record; or, where a
 * command writes for people, lines of text.
 */
int medvl_out_line(struct medvl_out *out, struct medvl_span json,
                   struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * Batch and sink: a record of the window is bad.  With keep_going it is set
 * aside and MEDVL_OK returned (go on without it); else returns err->code
 * with the place in front.  A map's record function just returns its error.
 */
int medvl_out_reject(struct medvl_out *out, const struct medvl_record *record,
                     struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * What the functions below get as `stage` is what open made; without open
 * it is `options`.  Any function but the main one may be NULL; a map without
 * `worker` hands `stage` to every thread.  Workers are made one at a time.
 * What open or worker has put out is freed by the loop, also where they
 * failed.
 *
 * A batch and a sink write their last records in finish.  What else they
 * leave gets its name in publish, which is called when all records and
 * rejects are written: a run that fails finishes no output.
 */
struct medvl_map {
    int (*open)(void **stage, const void *options, struct medvl_error *err);
    int (*worker)(void **worker, void *stage, struct medvl_error *err);
    int (*record)(void *worker, struct medvl_record *record,
                  struct medvl_out *out, struct medvl_error *err);
    void (*worker_free)(void *worker);
    void (*free)(void *stage);
};

struct medvl_batch {
    int (*open)(void **stage, const void *options, struct medvl_pool *pool,
                struct medvl_error *err);
    /* A record of a part that is gone on with: may it stay? */
    int (*resume)(void *stage, const struct medvl_record *done,
                  struct medvl_error *err);
    /* Records wanted a call; NULL: 64.  Fewer come where their lines reach
     * 64 MiB, so what a record gets must not hang on it. */
    int64_t (*window)(void *stage);
    int (*records)(void *stage, struct medvl_record *records, int64_t count,
                   struct medvl_out *out, struct medvl_error *err);
    /* A line that is no record, of which `line` has the place alone; NULL:
     * it is bad. */
    int (*damaged)(void *stage, const struct medvl_record *line,
                   const struct medvl_error *why, struct medvl_out *out,
                   struct medvl_error *err);
    int (*finish)(void *stage, struct medvl_out *out, struct medvl_error *err);
    int (*publish)(void *stage, struct medvl_error *err);
    void (*free)(void *stage);
    bool keeps_part; /* OUTPUT.part stays when the run fails or is killed;
                        one that is there is gone on with, or an error */
};

struct medvl_sink {
    int (*open)(void **stage, const void *options, struct medvl_pool *pool,
                struct medvl_error *err);
    int (*record)(void *stage, struct medvl_record *record,
                  struct medvl_out *out, struct medvl_error *err);
    int (*finish)(void *stage, struct medvl_out *out, struct medvl_error *err);
    int (*publish)(void *stage, struct medvl_error *err);
    void (*free)(void *stage);
    bool refuse_empty; /* a stream without records is an error */
    bool need_id;      /* every record has an id, none twice (checked) */
};

/*
 * Run a command.  Returns MEDVL_OK, MEDVL_LOOP_INCOMPLETE or an error.
 *
 *   options   handed to open
 *   count     filled with the records read and set aside; may be NULL
 */
struct medvl_loop_count {
    int64_t read, rejected;
};
int medvl_loop_map(const struct medvl_map *map, const void *options,
                   const struct medvl_loop_options *loop,
                   struct medvl_loop_count *count,
                   struct medvl_error *err) MEDVL_MUST_CHECK;
int medvl_loop_batch(const struct medvl_batch *batch, const void *options,
                     const struct medvl_loop_options *loop,
                     struct medvl_loop_count *count,
                     struct medvl_error *err) MEDVL_MUST_CHECK;
int medvl_loop_sink(const struct medvl_sink *sink, const void *options,
                    const struct medvl_loop_options *loop,
                    struct medvl_loop_count *count,
                    struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * Read records outside a loop (score's second file, split's reference,
 * the trainer's JSON Lines): calls record(arg, record) for each, in order.
 */
int medvl_loop_each(const char *path, int64_t max_record,
                    int (*record)(void *arg, struct medvl_record *record,
                                  struct medvl_error *err),
                    void *arg, struct medvl_error *err) MEDVL_MUST_CHECK;

#endif
