/*
 * medvl-train - train a model folder on shards or records.
 *
 * See man/medvl-train.1.  All the work is in lib/train/trainer.c.
 */
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "cmd/cli.h"
#include "lib/base/stream.h"
#include "lib/train/trainer.h"

static struct medvl_train_options opt;
static struct cli_list data, eval;
static const char *resume;
static volatile sig_atomic_t stop;
static struct medvl_writer *out;

static const struct cli_option OPTIONS[] = {
    CLI_PATH('m', "model", &opt.model, "FOLDER", "model to start from"),
    CLI_LIST(0, "data", &data, "PATH", "shards or records; PATH=WEIGHT"),
    CLI_PATH('o', "output", &opt.output, "RUN", "run folder to make"),
    CLI_PATH(0, "resume", &resume, "RUN", "go on with a run instead"),
    CLI_LIST(0, "eval", &eval, "PATH", "held-out shards or records"),
    CLI_TEXT(0, "train", &opt.train, "PARTS",
             "vision=2e-4,projector,decoder: with rates"),
    CLI_REAL(0, "lr", &opt.rate, 0, 1e3, "learning rate [1e-4]"),
    CLI_INT(0, "warmup", &opt.warmup, 0, 1e12, "steps of rising rate"),
    CLI_INT(0, "epochs", &opt.epochs, 1, 1e9, "times over the data [1]"),
    CLI_INT(0, "steps", &opt.steps, 1, 1e12, "stop after N steps"),
    CLI_INT(0, "batch-tokens", &opt.batch_tokens, 1, 1e9,
            "tokens of a micro-batch [4096]"),
    CLI_INT(0, "accumulate", &opt.accumulate, 1, 1e6,
            "micro-batches a step [1]"),
    CLI_REAL(0, "dropout", &opt.dropout, 0, 0.99, "dropout rate [0]"),
    CLI_REAL(0, "label-smoothing", &opt.smoothing, 0, 0.99,
             "share of the target spread evenly [0]"),
    CLI_REAL(0, "ema", &opt.average, 0, 0.999999,
             "decay of the weight average"),
    CLI_TEXT(0, "balance", &opt.balance, "FIELD",
             "each value of FIELD weighs the same"),
    CLI_CHOICE(0, "objective", &opt.objective, "language|dense",
               "what is learned [language]"),
    CLI_TEXT(0, "classes", &opt.classes, "FIELDS",
             "dense: record fields to classify"),
    CLI_TEXT(0, "best", &opt.best, "METRIC",
             "keep the best: eval_loss, eval_accuracy"),
    CLI_FLAG(0, "dry-run", &opt.dry_run, "print what a run would need"),
    CLI_RARE_REAL(0, "lr-floor", &opt.floor, 0, 1,
                  "rate at the end, as a share [0]"),
    CLI_RARE_INT(0, "max-tokens", &opt.max_tokens, 1, 1e9,
                 "longest record [the model's positions]"),
    CLI_RARE_REAL(0, "weight-decay", &opt.decay, 0, 10, "of matrices [0]"),
    CLI_RARE_REAL(0, "beta1", &opt.beta1, 0, 0.999999, "AdamW [0.9]"),
    CLI_RARE_REAL(0, "beta2", &opt.beta2, 0, 0.999999, "AdamW [0.999]"),
    CLI_RARE_REAL(0, "epsilon", &opt.eps, 0, 1, "AdamW [1e-8]"),
    CLI_RARE_REAL(0, "clip", &opt.clip, -1, 1e9,
                  "largest gradient norm; -1: none [1]"),
    CLI_RARE_REAL(0, "dense-label", &opt.dense_label, -1, 1e3,
                  "weight of patch labels; -1: none [1]"),
    CLI_RARE_REAL(0, "dense-drawn", &opt.dense_drawn, -1, 1e3,
                  "weight of the drawn region; -1: none [1]"),
    CLI_RARE_REAL(0, "dense-class", &opt.dense_field, -1, 1e3,
                  "weight of --classes; -1: none [1]"),
    CLI_RARE_FLAG(0, "recompute", &opt.recompute,
                  "less memory, more work"),
    CLI_RARE_INT(0, "save-every", &opt.save_every, 1, 1e12,
                 "steps between checkpoints [an epoch]"),
    CLI_RARE_INT(0, "eval-every", &opt.eval_every, 1, 1e12,
                 "steps between evaluations [an epoch]"),
    CLI_RARE_INT(0, "keep", &opt.keep, 1, 1e9, "checkpoints kept [2]"),
    CLI_RARE_INT(0, "samples", &opt.samples, -1, 1e6,
                 "sample answers an evaluation; -1: none [4]"),
    CLI_END,
};

static void on_signal(int signal)
{
    (void)signal;
    stop = 1;
}

static int log_line(void *arg, struct medvl_span line,
                    struct medvl_error *err)
{
    int rc = medvl_writer_put(out, line.data, line.size, err);

    (void)arg;
    if (rc == MEDVL_OK)
        rc = medvl_writer_put(out, "\n", 1, err);
    return rc < 0 ? rc : medvl_writer_flush(out, err);
}

static void show_progress(void *arg, const char *text)
{
    cli_progress(arg, text);
}

static void show_note(void *arg, const char *text)
{
    cli_warn(arg, "%s", text);
}

int main(int argc, char **argv)
{
    struct cli cli = {
        .name = "medvl-train",
        .about = "Train a model folder on shards or records.",
        .operands = "",
        .options = OPTIONS,
        .has = CLI_HAS_SEED | CLI_HAS_DEVICE | CLI_HAS_CONFIG,
    };
    struct medvl_error err = {0};
    int rc;

    cli_parse(&cli, argc, argv);
    if (cli.argc)
        cli_misuse(&cli, "%s: no operands are taken (--data?)", cli.argv[0]);
    if (!resume && (!opt.model || !data.count ||
                    (!opt.output && !opt.dry_run)))
        cli_misuse(&cli, "a run needs --model, --data and --output, or "
                         "--resume RUN");
    opt.data = data.items;
    opt.data_count = data.count;
    opt.eval = eval.items;
    opt.eval_count = eval.count;
    opt.seed = cli.seed;
    opt.device = cli.device;
    opt.pool = cli_pool(&cli);
    opt.log = log_line;
    opt.progress = show_progress;
    opt.note = show_note;
    opt.arg = &cli;
    opt.stop = &stop;
    signal(SIGTERM, on_signal);
    rc = medvl_writer_open(&out, "-", "", false, &err);
    if (rc == MEDVL_OK)
        rc = resume ? medvl_train_resume(resume, &opt, &err)
                    : medvl_train(&opt, &err);
    if (rc >= 0 && medvl_writer_close(out, &err) < 0)
        rc = err.code;
    return cli_finish(&cli, rc, &err);
}
