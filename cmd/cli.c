/*
 * The command line, messages, progress and exit codes of all commands.
 *
 * The table of a command and the shared rows become one list of rows; the
 * parser, --config, --help and the options hash all walk that list.
 *
 * Read next: any medvl-NAME.c.
 */
#include "cmd/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/hash.h"
#include "lib/base/json.h"
#include "lib/base/mem.h"
#include "lib/base/stream.h"
#include "lib/base/text.h"

enum { EXIT_DONE,
       EXIT_FAILED,
       EXIT_MISUSE,
       EXIT_INCOMPLETE };

#define MOST_SHARED 16

struct cli_state {
    struct cli_option *rows; /* the command's, then the shared ones */
    bool *given;
    int count, own;       /* rows in all; the command's */
    struct option *longs; /* for getopt_long, and the letters */
    char *shorts;
    struct medvl_json *settings; /* of --config */
    struct medvl_pool *pool;
    char hash[33];
    int64_t start, shown; /* milliseconds; of the last progress */
    bool line;            /* a progress line stands on the terminal */
};

/* ---- messages -------------------------------------------------------- */

static void clear_line(struct cli *cli)
{
    struct cli_state *state = cli->state;

    if (state && state->line) {
        fputs("\r\033[K", stderr);
        state->line = false;
    }
}

static void say(struct cli *cli, const char *kind, const char *text)
{
    struct medvl_error clean = {0};

    medvl_fail(&clean, MEDVL_EARG, "%s", text); /* no control bytes */
    clear_line(cli);
    fprintf(stderr, "%s: %s%s\n", cli->name, kind, clean.text);
}

void cli_warn(struct cli *cli, const char *format, ...)
{
    char text[1000];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    say(cli, "warning: ", text);
}

static void put_all(const char *data, size_t size)
{
    while (size > 0) {
        const ssize_t put = write(STDOUT_FILENO, data, size);

        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return; /* the exit code has to say it */
        data += put;
        size -= (size_t)put;
    }
}

/* The last line on stdout of a command that failed. */
static void put_failed(const char *name, const char *text)
{
    struct medvl_text all = {0};
    struct medvl_json_writer w = {.out = &all};
    char said[1200];
    size_t valid;

    if (isatty(STDOUT_FILENO))
        return;
    snprintf(said, sizeof(said), "%s: %s", name, text);
    for (;;) {
        valid = medvl_utf8_valid(said, strlen(said));
        if (!said[valid])
            break;
        said[valid] = '?';
    }
    /* Standard output broke, perhaps within a line. */
    if (strncmp(text, "stdout: ", 8) == 0)
        put_all("\n", 1);
    medvl_json_begin(&w, NULL, '{');
    medvl_json_put_string(&w, "medvl_failed", medvl_span(said));
    medvl_json_end(&w);
    if (medvl_json_write_end(&w, NULL) == MEDVL_OK) {
        put_all(all.data, all.size);
        put_all("\n", 1);
    }
    medvl_text_release(&all);
}

static void free_state(struct cli *cli)
{
    struct cli_state *state = cli->state;

    medvl_wants_release(&cli->wants);
    if (!state)
        return;
    medvl_pool_free(state->pool);
    medvl_json_free(state->settings);
    medvl_free(state->longs);
    medvl_free(state->shorts);
    medvl_free(state->rows);
    medvl_free(state->given);
    medvl_free(state);
    cli->state = NULL;
}

static void give_up(struct cli *cli, int code, const char *text)
{
    say(cli, "", text);
    if (code == EXIT_MISUSE)
        fprintf(stderr, "Try '%s --help'.\n", cli->name);
    fflush(stdout);
    put_failed(cli->name, text);
    free_state(cli);
    exit(code);
}

void cli_misuse(struct cli *cli, const char *format, ...)
{
    char text[1000];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    give_up(cli, EXIT_MISUSE, text);
    abort(); /* not reached */
}

static void *must(struct cli *cli, void *memory)
{
    if (!memory)
        give_up(cli, EXIT_FAILED, "out of memory");
    return memory;
}

static int64_t milliseconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Is it time for progress again? */
static bool progress_due(struct cli *cli)
{
    struct cli_state *state = cli->state;
    const int64_t now = milliseconds();
    const int64_t pause = isatty(STDERR_FILENO) ? 100 : 60000;

    if (cli->quiet || now - state->shown < pause)
        return false;
    state->shown = now;
    return true;
}

static void progress_show(struct cli *cli, const char *text)
{
    struct cli_state *state = cli->state;

    if (isatty(STDERR_FILENO)) {
        fprintf(stderr, "\r%s: %s\033[K", cli->name, text);
        state->line = true;
    } else {
        fprintf(stderr, "%s: %s\n", cli->name, text);
    }
}

void cli_progress(struct cli *cli, const char *text)
{
    if (progress_due(cli))
        progress_show(cli, text);
}

static void loop_progress(void *arg, int64_t done, int64_t total,
                          int64_t records)
{
    struct cli *cli = arg;
    struct cli_state *state = cli->state;
    char text[200];
    int64_t left;

    if (!progress_due(cli))
        return;
    left = done > 0 && total > done
               ? (int64_t)((double)(state->shown - state->start) / 1000 *
                           (double)(total - done) / (double)done)
               : 0;
    if (total > 0 && done > 0)
        snprintf(text, sizeof(text), "%lld records, %.0f %%, %lld:%02lld left",
                 (long long)records, 100.0 * (double)done / (double)total,
                 (long long)left / 60, (long long)left % 60);
    else
        snprintf(text, sizeof(text), "%lld records, %.1f MB",
                 (long long)records, (double)done / 1e6);
    progress_show(cli, text);
}

static void loop_report(void *arg, const char *text)
{
    say(arg, "", text);
}

/* ---- the rows -------------------------------------------------------- */

static const struct cli_option *row_named(const struct cli_state *state,
                                          const char *name)
{
    for (int i = 0; i < state->count; i++)
        if (strcmp(state->rows[i].name, name) == 0)
            return &state->rows[i];
    return NULL;
}

/* A shared row, unless the command has one of the same name. */
static void add_shared(struct cli_state *state, struct cli_option row)
{
    if (!row_named(state, row.name))
        state->rows[state->count++] = row;
}

static void add_record_rows(struct cli *cli)
{
    struct cli_state *state = cli->state;
    const struct cli_option keep = CLI_FLAG(
        'k', "keep-going", &cli->keep_going,
        "set bad records aside and go on; exit 3 then");
    struct cli_option rejects = CLI_PATH(
        0, "rejects", &cli->rejects, "FILE",
        "with -k: write what is set aside to FILE");
    const struct cli_option most = CLI_RARE_INT(
        0, "max-record", &cli->max_record, 1, (double)((int64_t)1 << 40),
        "longest record; takes 2 to 50 times its bytes [64 MiB]");

    rejects.rare = true;
    add_shared(state, keep);
    add_shared(state, rejects);
    add_shared(state, most);
}

static void add_shared_rows(struct cli *cli)
{
    struct cli_state *state = cli->state;
    const struct cli_option
        output = CLI_PATH('o', "output", &cli->output, "FILE",
                          "write to FILE, whole or not at all [stdout]"),
        seed = CLI_INT(0, "seed", &cli->seed, 0, 9007199254740992.0,
                       "random numbers follow from N [0]"),
        device = CLI_CHOICE(0, "device", &cli->device, "cpu|cuda",
                            "where models run [cpu]"),
        part = CLI_RARE_TEXT(0, "part", &cli->part, "I/N",
                             "take the I-th of N parts of each file"),
        threads = CLI_RARE_INT('j', "threads", &cli->threads, 1, 4096,
                               "threads [processors there are]"),
        quiet = CLI_RARE_FLAG('q', "quiet", &cli->quiet, "no progress"),
        version = CLI_RARE_FLAG('V', "version", NULL, "print the version");
    struct cli_option
        config = CLI_PATH(0, "config", &cli->config, "FILE",
                          "options by long name, as JSON"),
        help = CLI_FLAG('h', "help", NULL, "this; --help=all for all options");

    config.rare = true;
    help.words = "[=all]";
    if (cli->has & CLI_HAS_OUTPUT)
        add_shared(state, output);
    if (cli->has & CLI_HAS_SEED)
        add_shared(state, seed);
    if (cli->has & CLI_HAS_DEVICE)
        add_shared(state, device);
    if (cli->has & CLI_HAS_RECORDS)
        add_record_rows(cli);
    if (cli->has & CLI_HAS_PART)
        add_shared(state, part);
    if (cli->has & CLI_HAS_CONFIG)
        add_shared(state, config);
    add_shared(state, threads);
    add_shared(state, quiet);
    add_shared(state, version);
    add_shared(state, help);
}

static void make_rows(struct cli *cli)
{
    struct cli_state *state = must(cli, medvl_alloc(1, sizeof(*state)));
    const struct cli_option *own = cli->options;
    size_t room;

    while (own && own[state->own].name)
        state->own++;
    room = (size_t)state->own + MOST_SHARED;
    state->rows = must(cli, medvl_alloc(room, sizeof(*state->rows)));
    state->given = must(cli, medvl_alloc(room, sizeof(*state->given)));
    for (int i = 0; i < state->own; i++)
        state->rows[i] = own[i];
    state->count = state->own;
    state->start = state->shown = milliseconds();
    cli->state = state;
    add_shared_rows(cli);
}

/* ---- help ------------------------------------------------------------ */

#define HELP_COLUMN 26
#define HELP_WIDTH  79

/* Bytes of the word at `text`; one that is wider than `room` ends earlier,
 * behind a comma or bar. */
static int word_size(const char *text, int room)
{
    int size = (int)strcspn(text, " ");

    if (size > room) {
        size = room;
        while (size > 1 && !strchr(",|", text[size - 1]))
            size--;
        if (size == 1)
            size = room;
    }
    return size;
}

/* Words from column `at` on, wrapped. */
static void print_wrapped(const char *text, int at, int column)
{
    bool space = false;

    while (*text) {
        const int size = word_size(text, HELP_WIDTH - column);

        if (at > column && at + space + size > HELP_WIDTH) {
            printf("\n%*s", column, "");
            at = column;
            space = false;
        }
        printf("%s%.*s", space ? " " : "", size, text);
        at += space + size;
        text += size;
        space = *text == ' ';
        text += strspn(text, " ");
    }
    putchar('\n');
}

static void print_row(const struct cli_option *row)
{
    char left[100];
    int size;

    if (row->letter)
        size = snprintf(left, sizeof(left), "  -%c, --%s", row->letter,
                        row->name);
    else
        size = snprintf(left, sizeof(left), "      --%s", row->name);
    if (row->words && row->words[0] && size < (int)sizeof(left))
        size += snprintf(left + size, sizeof(left) - (size_t)size, "%s%s",
                         row->words[0] == '[' ? "" : " ", row->words);
    if (size >= (int)sizeof(left))
        size = (int)sizeof(left) - 1;
    fputs(left, stdout);
    if (size > HELP_COLUMN - 2) {
        putchar('\n');
        size = 0;
    }
    printf("%*s", HELP_COLUMN - size, "");
    print_wrapped(row->help, HELP_COLUMN, HELP_COLUMN);
}

static void finish_stdout(struct cli *cli)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return;
    give_up(cli, EXIT_FAILED, "stdout: cannot be written");
}

static void print_help(struct cli *cli, bool all)
{
    const struct cli_state *state = cli->state;
    const char *operands = cli->operands;
    bool hidden = false;

    if (!operands)
        operands = cli->has & CLI_HAS_RECORDS ? "[FILE ...]" : "";
    printf("Usage: %s [OPTION ...]%s%s\n", cli->name, *operands ? " " : "",
           operands);
    print_wrapped(cli->about, 0, 0);
    putchar('\n');
    for (int i = 0; i < state->count; i++) {
        if (all || !state->rows[i].rare)
            print_row(&state->rows[i]);
        else
            hidden = true;
    }
    printf("\n%sThe manual: man %s\n",
           hidden ? "All options: --help=all.  " : "", cli->name);
    finish_stdout(cli);
    free_state(cli);
    exit(EXIT_DONE);
}

static void print_version(struct cli *cli)
{
    printf("%s (medvl) %s\nfeatures: zstd\n", cli->name, MEDVL_VERSION);
    finish_stdout(cli);
    free_state(cli);
    exit(EXIT_DONE);
}

/* ---- values ---------------------------------------------------------- */

static int64_t limit(double value)
{
    if (value >= 9223372036854775807.0)
        return INT64_MAX;
    return value <= -9223372036854775808.0 ? INT64_MIN : (int64_t)value;
}

static bool is_word(const char *words, const char *text)
{
    const size_t size = strlen(text);

    while (*words) {
        const size_t word = strcspn(words, "|");

        if (word == size && memcmp(words, text, size) == 0)
            return true;
        words += word + (words[word] == '|');
    }
    return false;
}

static void add_item(struct cli *cli, struct cli_list *list, const char *text)
{
    list->items = must(cli, medvl_resize(list->items, (size_t)list->count + 1,
                                         sizeof(*list->items)));
    list->items[list->count++] = text;
}

/* Put the text of a value where the row says, or exit 2. */
static void set_row(struct cli *cli, const struct cli_option *row,
                    const char *text)
{
    const bool free_range = row->low == 0 && row->high == 0;
    struct medvl_error err = {0};
    int rc = MEDVL_OK;

    switch (row->type) {
    case CLI_TYPE_FLAG: *(bool *)row->value = true; break;
    case CLI_TYPE_TEXT:
    case CLI_TYPE_PATH: *(const char **)row->value = text; break;
    case CLI_TYPE_LIST: add_item(cli, row->value, text); break;
    case CLI_TYPE_INT:
        rc = medvl_parse_int(row->value, medvl_span(text),
                             free_range ? INT64_MIN : limit(row->low),
                             free_range ? INT64_MAX : limit(row->high), &err);
        break;
    case CLI_TYPE_REAL:
        rc = medvl_parse_real(row->value, medvl_span(text),
                              free_range ? -1e300 : row->low,
                              free_range ? 1e300 : row->high, &err);
        break;
    case CLI_TYPE_CHOICE:
        if (!is_word(row->words, text))
            rc = medvl_fail(&err, MEDVL_EARG, "'%s' is not one of %s", text,
                            row->words);
        *(const char **)row->value = text;
        break;
    }
    if (rc < 0)
        cli_misuse(cli, "--%s: %s", row->name, err.text);
}

/* ---- --config -------------------------------------------------------- */

static void config_value(struct cli *cli, const struct cli_option *row,
                         const struct medvl_json *value)
{
    const enum medvl_json_type type = medvl_json_type(value);
    struct medvl_text text = {0};
    const char *string = medvl_json_string(value);
    char *copy;

    if (row->type == CLI_TYPE_FLAG) {
        if (type != MEDVL_JSON_BOOL)
            cli_misuse(cli, "%s: \"%s\": not true or false", cli->config,
                       row->name);
        *(bool *)row->value = medvl_json_true(value);
        return;
    }
    if (type == MEDVL_JSON_NUMBER &&
        (row->type == CLI_TYPE_INT || row->type == CLI_TYPE_REAL)) {
        if (medvl_json_print(&text, value, NULL) < 0)
            must(cli, NULL);
        set_row(cli, row, text.data);
        medvl_text_release(&text);
        return;
    }
    if (!string || row->type == CLI_TYPE_INT || row->type == CLI_TYPE_REAL)
        cli_misuse(cli, "%s: \"%s\": wrong kind of value", cli->config,
                   row->name);
    copy = must(cli, medvl_copy_string(string, strlen(string)));
    set_row(cli, row, copy);
}

/* The members of FILE.json, or of its "options" (a run's options.json). */
static void read_config(struct cli *cli)
{
    struct cli_state *state = cli->state;
    const struct medvl_json *member, *item, *options;
    struct medvl_error err = {0};

    if (medvl_json_read(&state->settings, cli->config, &err) < 0)
        cli_misuse(cli, "%s", err.text);
    if (medvl_json_type(state->settings) != MEDVL_JSON_OBJECT)
        cli_misuse(cli, "%s: not a JSON object", cli->config);
    options = medvl_json_get(state->settings, "options");
    if (medvl_json_type(options) != MEDVL_JSON_OBJECT)
        options = state->settings;
    for (member = medvl_json_first(options); member;
         member = medvl_json_next(member)) {
        const char *name = medvl_json_name(member);
        const struct cli_option *row = row_named(state, name);

        if (!row || !row->value || row->value == &cli->config)
            cli_misuse(cli, "%s: \"%s\": no such option", cli->config, name);
        if (state->given[row - state->rows])
            continue; /* the command line wins */
        state->given[row - state->rows] = true;
        if (row->type == CLI_TYPE_LIST &&
            medvl_json_type(member) == MEDVL_JSON_ARRAY)
            for (item = medvl_json_first(member); item;
                 item = medvl_json_next(item))
                config_value(cli, row, item);
        else
            config_value(cli, row, member);
    }
    medvl_json_free(state->settings);
    state->settings = NULL;
}

/* ---- parsing --------------------------------------------------------- */

#define LONG_BASE 256 /* getopt's value of row 0's long name */

static void make_getopt(struct cli *cli, struct option *longs, char *shorts)
{
    const struct cli_state *state = cli->state;

    if (cli->stop)
        *shorts++ = '+';
    *shorts++ = ':'; /* a missing value is told apart */
    for (int i = 0; i < state->count; i++) {
        const struct cli_option *row = &state->rows[i];
        const bool flag = row->type == CLI_TYPE_FLAG;

        longs[i].name = row->name;
        longs[i].has_arg = flag ? no_argument : required_argument;
        longs[i].val = LONG_BASE + i;
        if (strcmp(row->name, "help") == 0)
            longs[i].has_arg = optional_argument;
        if (row->letter) {
            *shorts++ = row->letter;
            if (!flag)
                *shorts++ = ':';
        }
    }
    *shorts = 0;
}

static int row_of(const struct cli_state *state, int code)
{
    if (code >= LONG_BASE)
        return code - LONG_BASE;
    for (int i = 0; i < state->count; i++)
        if (state->rows[i].letter == code)
            return i;
    return -1;
}

static void take_option(struct cli *cli, int code, char **argv)
{
    struct cli_state *state = cli->state;
    const int i = row_of(state, code);
    const struct cli_option *row = i < 0 ? NULL : &state->rows[i];

    if (code == ':')
        cli_misuse(cli, "option '%s' needs a value", argv[optind - 1]);
    if (!row && optopt >= LONG_BASE)
        cli_misuse(cli, "option '%s' takes no value", argv[optind - 1]);
    if (!row && optopt)
        cli_misuse(cli, "unknown option '-%c'", optopt);
    if (!row)
        cli_misuse(cli, "unknown option '%s'", argv[optind - 1]);
    if (strcmp(row->name, "help") == 0) {
        if (optarg && strcmp(optarg, "all") != 0)
            cli_misuse(cli, "--help or --help=all, not --help=%s", optarg);
        print_help(cli, optarg != NULL);
    }
    if (strcmp(row->name, "version") == 0)
        print_version(cli);
    set_row(cli, row, optarg);
    state->given[i] = true;
}

/* A closed 0, 1 or 2 would be taken by the next file that is opened. */
static void hold_descriptors(void)
{
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0 &&
            open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY) < 0)
            exit(EXIT_FAILED);
}

static void check_rows(struct cli *cli)
{
    const struct cli_state *state = cli->state;

    for (int i = 0; i < state->count; i++)
        if (state->rows[i].required && !state->given[i])
            cli_misuse(cli, "option --%s is needed", state->rows[i].name);
    if (cli->rejects && !cli->keep_going)
        cli_misuse(cli, "--rejects needs -k (--keep-going)");
    if (cli->argc > 0 && !(cli->has & CLI_HAS_RECORDS) && !cli->operands)
        cli_misuse(cli, "unexpected operand '%s'", cli->argv[0]);
}

void cli_parse(struct cli *cli, int argc, char **argv)
{
    struct cli_state *state;
    size_t room;
    int code;

    hold_descriptors();
    signal(SIGPIPE, SIG_DFL);
    signal(SIGXFSZ, SIG_IGN); /* a write over the limit is an error */
    make_rows(cli);
    state = cli->state;
    room = (size_t)state->count + 1;
    state->longs = must(cli, medvl_alloc(room, sizeof(*state->longs)));
    state->shorts = must(cli, medvl_alloc(2 * room + 1, 1));
    make_getopt(cli, state->longs, state->shorts);
    opterr = 0;
    for (;;) {
        code = getopt_long(argc, argv, state->shorts, state->longs, NULL);
        if (code == -1)
            break;
        take_option(cli, code, argv);
    }
    cli->argc = argc - optind;
    cli->argv = argv + optind;
    if (cli->config)
        read_config(cli);
    check_rows(cli);
}

/* ---- running --------------------------------------------------------- */

struct medvl_pool *cli_pool(struct cli *cli)
{
    struct cli_state *state = cli->state;
    struct medvl_error err = {0};

    if (!state->pool &&
        medvl_pool_open(&state->pool, (int)cli->threads, &err) < 0)
        give_up(cli, EXIT_FAILED, err.text);
    return state->pool;
}

static void warn_unmet(void *arg, const char *text)
{
    say(arg, "warning: ", text);
}

int cli_finish(struct cli *cli, int rc, const struct medvl_error *err)
{
    struct medvl_error late = {0};
    int code = rc > 0 ? EXIT_INCOMPLETE : EXIT_DONE;

    clear_line(cli);
    if (rc >= 0 && (fflush(stdout) != 0 || ferror(stdout) ||
                    (close(STDOUT_FILENO) < 0 && errno != EBADF))) {
        rc = medvl_fail_output(&late, "stdout");
        err = &late;
    }
    if (rc < 0) {
        const char *text = err && err->text[0] ? err->text : "failed";

        say(cli, "", text);
        fflush(stdout);
        put_failed(cli->name, text);
        code = EXIT_FAILED;
    }
    if (rc >= 0)
        medvl_wants_unmet(&cli->wants, warn_unmet, cli);
    free_state(cli);
    return code;
}

int cli_finish_text(struct cli *cli, int rc, const struct medvl_text *text,
                    struct medvl_error *err)
{
    struct medvl_writer *out = NULL;

    if (rc == MEDVL_OK)
        rc = medvl_writer_open(&out, cli->output ? cli->output : "-", ".tmp",
                               false, err);
    if (rc == MEDVL_OK)
        rc = medvl_writer_put(out, text->data, text->size, err);
    if (rc == MEDVL_OK)
        rc = medvl_writer_close(out, err);
    else
        medvl_writer_free(out);
    return cli_finish(cli, rc, err);
}

/* "2/8" into the loop's part and parts. */
static void read_part(struct cli *cli, struct medvl_loop_options *loop)
{
    const char *slash = strchr(cli->part, '/');
    struct medvl_span left = medvl_span(cli->part);
    int64_t part = 0, parts = 0;

    if (slash) {
        left.size = (size_t)(slash - cli->part);
        if (medvl_parse_int(&parts, medvl_span(slash + 1), 1, 1000000,
                            NULL) < 0 ||
            medvl_parse_int(&part, left, 1, parts, NULL) < 0)
            slash = NULL;
    }
    if (!slash)
        cli_misuse(cli, "--part: '%s' is not I/N with I from 1 to N",
                   cli->part);
    loop->part = (int)part;
    loop->parts = (int)parts;
}

static struct medvl_loop_options loop_options(struct cli *cli)
{
    struct medvl_loop_options loop = {
        .files = (const char *const *)cli->argv,
        .file_count = cli->argc,
        .keep_going = cli->keep_going,
        .rejects = cli->rejects,
        .max_record = cli->max_record,
        .output = cli->output,
        .resume = cli->resume,
        .report = loop_report,
        .progress = loop_progress,
        .arg = cli,
    };

    if (cli->part)
        read_part(cli, &loop);
    if (!cli->quiet && cli->argc == 0 && isatty(STDIN_FILENO))
        say(cli, "", "reading records from the terminal");
    loop.pool = cli_pool(cli);
    return loop;
}

static int loop_finish(struct cli *cli, int rc,
                       const struct medvl_loop_count *count,
                       const struct medvl_error *err)
{
    char text[100];

    if (rc == MEDVL_LOOP_INCOMPLETE) {
        snprintf(text, sizeof(text), "%lld of %lld records set aside",
                 (long long)count->rejected, (long long)count->read);
        say(cli, "", text);
    }
    return cli_finish(cli, rc, err);
}

int cli_map(struct cli *cli, const struct medvl_map *map, const void *options)
{
    const struct medvl_loop_options loop = loop_options(cli);
    struct medvl_loop_count count = {0};
    struct medvl_error err = {0};
    const int rc = medvl_loop_map(map, options, &loop, &count, &err);

    return loop_finish(cli, rc, &count, &err);
}

int cli_batch(struct cli *cli, const struct medvl_batch *batch,
              const void *options)
{
    const struct medvl_loop_options loop = loop_options(cli);
    struct medvl_loop_count count = {0};
    struct medvl_error err = {0};
    const int rc = medvl_loop_batch(batch, options, &loop, &count, &err);

    return loop_finish(cli, rc, &count, &err);
}

int cli_sink(struct cli *cli, const struct medvl_sink *sink,
             const void *options)
{
    const struct medvl_loop_options loop = loop_options(cli);
    struct medvl_loop_count count = {0};
    struct medvl_error err = {0};
    const int rc = medvl_loop_sink(sink, options, &loop, &count, &err);

    return loop_finish(cli, rc, &count, &err);
}

/* ---- the options hash ------------------------------------------------ */

/* Rows that do not shape a field: threads, paths, what goes where. */
static bool is_hashed(const struct cli *cli, const struct cli_option *row)
{
    return row->type != CLI_TYPE_PATH && row->value &&
           row->value != &cli->threads && row->value != &cli->quiet &&
           row->value != &cli->part && row->value != &cli->keep_going &&
           row->value != &cli->max_record;
}

static void hash_text(struct medvl_hash *hash, const char *text)
{
    medvl_hash_add(hash, text, strlen(text) + 1);
}

static void hash_row(struct medvl_hash *hash, const struct cli_option *row)
{
    const struct cli_list *list = row->value;
    char digits[32];

    hash_text(hash, row->name);
    switch (row->type) {
    case CLI_TYPE_FLAG:
        hash_text(hash, *(const bool *)row->value ? "true" : "false");
        break;
    case CLI_TYPE_INT:
        snprintf(digits, sizeof(digits), "%lld",
                 (long long)*(const int64_t *)row->value);
        hash_text(hash, digits);
        break;
    case CLI_TYPE_REAL:
        digits[medvl_format_double(digits, *(const double *)row->value)] = 0;
        hash_text(hash, digits);
        break;
    case CLI_TYPE_LIST:
        for (int i = 0; i < list->count; i++)
            hash_text(hash, list->items[i]);
        hash_text(hash, "");
        break;
    default: hash_text(hash, *(const char *const *)row->value); break;
    }
}

const char *cli_options_hash(struct cli *cli)
{
    struct cli_state *state = cli->state;
    struct medvl_error err = {0};
    struct medvl_hash *hash;

    if (state->hash[0])
        return state->hash;
    if (medvl_hash_new(&hash, &err) < 0)
        give_up(cli, EXIT_FAILED, err.text);
    hash_text(hash, cli->name);
    for (int i = 0; i < state->count; i++)
        if (state->given[i] && is_hashed(cli, &state->rows[i]))
            hash_row(hash, &state->rows[i]);
    medvl_hash_hex(state->hash, hash);
    medvl_hash_free(hash);
    return state->hash;
}
