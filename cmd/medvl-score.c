/*
 * medvl-score - metrics with intervals, and image-free predictions.
 *
 * See man/medvl-score.1.  The work is in lib/stage/score.h and
 * lib/stage/baseline.h.
 */
#include <stdlib.h>
#include <string.h>

#include "cmd/cli.h"
#include "lib/stage/baseline.h"
#include "lib/stage/score.h"

static struct medvl_score_options opt;
static const char *predict, *from;
static bool table;

static const struct cli_option OPTIONS[] = {
    CLI_TEXT('m', "metrics", &opt.metrics, "NAME,...",
             "what to measure [exact,f1]"),
    CLI_TEXT('b', "by", &opt.by, "FIELD,...", "and for each value of these"),
    CLI_CHOICE('n', "normalize", &opt.normalize, "vqa|mumc|lower|none",
               "how answers are made comparable [vqa]"),
    CLI_TEXT(0, "positive", &opt.positive, "TEXT", "the choice of auc"),
    CLI_PATH(0, "reference", &opt.reference, "FILE",
             "records with the answers, by id"),
    CLI_PATH(0, "per-record", &opt.per_record, "FILE",
             "write the records with their scores"),
    CLI_FLAG(0, "table", &table, "operands are NAME=FILE: compare them"),
    CLI_CHOICE(0, "predict", &predict, "commonest|median-box",
               "add a prediction that needs no image"),
    CLI_PATH(0, "from", &from, "FILE", "what --predict learns from"),
    CLI_RARE_TEXT(0, "group", &opt.group, "FIELD",
                  "what is resampled together [group]"),
    CLI_RARE_INT(0, "resamples", &opt.resamples, -1, 1000000,
                 "of the bootstrap, -1 for none [1000]"),
    CLI_RARE_REAL(0, "box-scale", &opt.box_scale, 1e-6, 1e9,
                  "largest coordinate of a box [99]"),
    CLI_END,
};

static void warn(void *arg, const char *text)
{
    cli_warn(arg, "%s", text);
}

static int add_baseline(struct cli *cli)
{
    const struct medvl_baseline_options baseline = {
        .predict = predict,
        .from = from,
        .by = opt.by,
        .warn = warn,
        .arg = cli,
    };

    return cli_map(cli, &medvl_baseline_map, &baseline);
}

/* Operands NAME=FILE, cut at the first '='. */
static int print_table(struct cli *cli)
{
    const char **names = calloc((size_t)cli->argc + 1, 2 * sizeof(*names));
    const char **files = names ? names + cli->argc : NULL;
    struct medvl_error err = {0};
    struct medvl_text text = {0};
    int rc;

    for (int i = 0; names && i < cli->argc; i++) {
        char *equal = strchr(cli->argv[i], '=');

        if (!equal)
            cli_misuse(cli, "--table: want NAME=FILE, not %s", cli->argv[i]);
        *equal = 0;
        names[i] = cli->argv[i];
        files[i] = equal + 1;
    }
    rc = names ? medvl_score_table(&text, names, files, cli->argc, &opt, &err)
               : medvl_fail(&err, MEDVL_ENOMEM, "out of memory");
    rc = cli_finish_text(cli, rc, &text, &err);
    medvl_text_release(&text);
    free(names);
    return rc;
}

/* What measures says nothing of a prediction that is made. */
static void check_predict(struct cli *cli)
{
    const struct {
        const char *name;
        bool given;
    } rows[] = {
        {"metrics", opt.metrics != NULL},
        {"normalize", opt.normalize != NULL},
        {"positive", opt.positive != NULL},
        {"reference", opt.reference != NULL},
        {"per-record", opt.per_record != NULL},
        {"table", table},
        {"group", opt.group != NULL},
        {"resamples", opt.resamples != 0},
        {"box-scale", opt.box_scale != 0},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        if (rows[i].given)
            cli_misuse(cli, "--%s does not go with --predict", rows[i].name);
}

static void check_files(struct cli *cli)
{
    const struct medvl_loop_file scored = {"records of --per-record",
                                           opt.per_record, ".tmp"};
    const struct medvl_loop_file output = {
        "output", cli->output ? cli->output : "-", ".tmp"};
    const struct medvl_loop_file rejects = {"rejects", cli->rejects, ".tmp"};
    struct medvl_error err = {0};

    if (medvl_loop_files_apart(&output, &scored, &err) < 0 ||
        medvl_loop_files_apart(&rejects, &scored, &err) < 0)
        cli_misuse(cli, "%s", err.text);
}

int main(int argc, char **argv)
{
    struct cli cli = {
        .name = "medvl-score",
        .about = "Score predictions, with intervals.",
        .operands = "[FILE ...]",
        .options = OPTIONS,
        .has = CLI_HAS_RECORDS | CLI_HAS_SEED | CLI_HAS_OUTPUT,
    };

    cli_parse(&cli, argc, argv);
    opt.seed = cli.seed;
    opt.wants = &cli.wants;
    opt.warn = warn;
    opt.arg = &cli;
    if (from && !predict)
        cli_misuse(&cli, "--from goes with --predict");
    if (predict)
        check_predict(&cli);
    if (predict && !from)
        cli_misuse(&cli, "--predict: what to learn from? (--from FILE)");
    if (predict)
        return add_baseline(&cli);
    if (table && !cli.argc)
        cli_misuse(&cli, "--table: which files? (NAME=FILE ...)");
    if (table && opt.per_record)
        cli_misuse(&cli, "--per-record: not with --table");
    check_files(&cli);
    if (table)
        return print_table(&cli);
    return cli_sink(&cli, &medvl_score_sink, &opt);
}
