/*
 * What every command shares: the option table, help, the three loops run
 * from main, messages, exit codes.  Only cmd/ talks to people.
 *
 * Exit codes: 0 all done; 1 failed; 2 bad command line; 3 ended in order
 * but not complete.  A command that ends with 1 or 2 writes
 * {"medvl_failed": "..."} as its last line on stdout (not on a terminal).
 */
#ifndef MEDVL_CMD_CLI_H
#define MEDVL_CMD_CLI_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/stage/loop.h"
#include "lib/stage/want.h"

enum cli_type {
    CLI_TYPE_FLAG,   /* bool */
    CLI_TYPE_TEXT,   /* const char * */
    CLI_TYPE_PATH,   /* const char * */
    CLI_TYPE_INT,    /* int64_t, in [low, high] */
    CLI_TYPE_REAL,   /* double, in [low, high] */
    CLI_TYPE_CHOICE, /* const char *, one of the words of `words` */
    CLI_TYPE_LIST,   /* struct cli_list: may be repeated */
};

/* A repeated option's values in the order given. */
struct cli_list {
    const char **items;
    int count;
};

struct cli_option {
    char letter;      /* 0: none */
    const char *name; /* long name */
    enum cli_type type;
    void *value;
    double low, high;
    const char *words; /* of a choice: "a|b|c"; else the value's name */
    const char *help;
    bool rare;     /* shown by --help=all only */
    bool required; /* missing is exit 2 */
};

#define CLI_FLAG(l, n, v, h)                      \
    {                                             \
        l, n, CLI_TYPE_FLAG, v, 0, 0, "", h, 0, 0 \
    }
#define CLI_TEXT(l, n, v, w, h)                  \
    {                                            \
        l, n, CLI_TYPE_TEXT, v, 0, 0, w, h, 0, 0 \
    }
#define CLI_PATH(l, n, v, w, h)                  \
    {                                            \
        l, n, CLI_TYPE_PATH, v, 0, 0, w, h, 0, 0 \
    }
#define CLI_NEED(l, n, v, w, h)                  \
    {                                            \
        l, n, CLI_TYPE_PATH, v, 0, 0, w, h, 0, 1 \
    }
#define CLI_INT(l, n, v, a, b, h)                 \
    {                                             \
        l, n, CLI_TYPE_INT, v, a, b, "N", h, 0, 0 \
    }
#define CLI_REAL(l, n, v, a, b, h)                 \
    {                                              \
        l, n, CLI_TYPE_REAL, v, a, b, "X", h, 0, 0 \
    }
#define CLI_CHOICE(l, n, v, w, h)                  \
    {                                              \
        l, n, CLI_TYPE_CHOICE, v, 0, 0, w, h, 0, 0 \
    }
#define CLI_LIST(l, n, v, w, h)                  \
    {                                            \
        l, n, CLI_TYPE_LIST, v, 0, 0, w, h, 0, 0 \
    }
/* The same rows, shown by --help=all only. */
#define CLI_RARE_FLAG(l, n, v, h)                 \
    {                                             \
        l, n, CLI_TYPE_FLAG, v, 0, 0, "", h, 1, 0 \
    }
#define CLI_RARE_TEXT(l, n, v, w, h)             \
    {                                            \
        l, n, CLI_TYPE_TEXT, v, 0, 0, w, h, 1, 0 \
    }
#define CLI_RARE_INT(l, n, v, a, b, h)            \
    {                                             \
        l, n, CLI_TYPE_INT, v, a, b, "N", h, 1, 0 \
    }
#define CLI_RARE_REAL(l, n, v, a, b, h)            \
    {                                              \
        l, n, CLI_TYPE_REAL, v, a, b, "X", h, 1, 0 \
    }
#define CLI_RARE_CHOICE(l, n, v, w, h)             \
    {                                              \
        l, n, CLI_TYPE_CHOICE, v, 0, 0, w, h, 1, 0 \
    }
#define CLI_END                                  \
    {                                            \
        0, 0, CLI_TYPE_FLAG, 0, 0, 0, 0, 0, 0, 0 \
    }

/* Which of the shared options a command has. */
#define CLI_HAS_SEED    1  /* --seed */
#define CLI_HAS_DEVICE  2  /* --device cpu|cuda */
#define CLI_HAS_CONFIG  4  /* --config FILE.json: options by long name */
#define CLI_HAS_RECORDS 8  /* -k --rejects --max-record, operands are files */
#define CLI_HAS_PART    16 /* --part i/n: map and batch commands */
#define CLI_HAS_OUTPUT  32 /* -o FILE as the loop's output */

struct cli {
    const char *name;     /* "medvl-split" */
    const char *about;    /* one sentence */
    const char *operands; /* in the usage line: "[FILE ...]" */
    const struct cli_option *options;
    int has;   /* CLI_HAS_* */
    bool stop; /* options end at the first operand, which is a command */

    /* Filled by cli_parse. */
    int64_t seed;
    const char *device;
    const char *config;
    bool quiet, keep_going;
    int64_t threads, max_record;
    const char *rejects, *part, *output;
    bool resume;              /* of cli_batch's loop; the command sets it */
    struct medvl_wants wants; /* for the stage: unmet ones are warned of */
    int argc;                 /* operands */
    char **argv;              /* operands */
    void *state;              /* cli.c's own */
};

/*
 * Parse the command line into the table's values.  Exits: 0 after --help
 * and --version, 2 with a hint on misuse.  -h -V -q -j are always there.
 * Values that were not given are left as the command initialised them.
 */
void cli_parse(struct cli *cli, int argc, char **argv);

/* Run the loop over the operands and return main's exit code. */
int cli_map(struct cli *cli, const struct medvl_map *map,
            const void *options);
int cli_batch(struct cli *cli, const struct medvl_batch *batch,
              const void *options);
int cli_sink(struct cli *cli, const struct medvl_sink *sink,
             const void *options);

/* For commands that are no loop: finish with what a lib call returned
 * (MEDVL_OK, above 0 for incomplete, or an error); gives the exit code. */
int cli_finish(struct cli *cli, int rc, const struct medvl_error *err);

/* The same where the result is `text`, which goes to -o or stdout. */
int cli_finish_text(struct cli *cli, int rc, const struct medvl_text *text,
                    struct medvl_error *err);

/* Wrong use found after parsing: message, hint, exit 2. */
void cli_misuse(struct cli *cli, const char *format, ...)
    __attribute__((format(printf, 2, 3), noreturn));

void cli_warn(struct cli *cli, const char *format, ...) MEDVL_PRINTF(2, 3);

/*
 * One line of progress on stderr: on a terminal rewritten at most 10 times
 * a second; else one line a minute; never with -q.
 */
void cli_progress(struct cli *cli, const char *text);

/* The command's team of threads (-j), opened at first use. */
struct medvl_pool *cli_pool(struct cli *cli);

/* Hash (32 hex digits) of the given options but -j, -q, -o, --part and
 * paths: what provenance and picture names take. */
const char *cli_options_hash(struct cli *cli);

#endif
