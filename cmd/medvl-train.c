/*
 * medvl-train - train a model folder on shards or records.
 *
 * See man/medvl-train.1.  All the work is in lib/train/trainer.c.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "cmd/cli.h"
#include "lib/train/trainer.h"

static struct medvl_train_options opt;
static struct cli_list data, eval;
static const char *resume;
static volatile sig_atomic_t stop;

#define TEXT(n, f, w, h)         CLI_TEXT(0, n, &opt.f, w, h)
#define INT(n, f, a, b, h)       CLI_INT(0, n, &opt.f, a, b, h)
#define REAL(n, f, a, b, h)      CLI_REAL(0, n, &opt.f, a, b, h)
#define RARE_INT(n, f, a, b, h)  CLI_RARE_INT(0, n, &opt.f, a, b, h)
#define RARE_REAL(n, f, a, b, h) CLI_RARE_REAL(0, n, &opt.f, a, b, h)

static const struct cli_option OPTIONS[] = {
    CLI_PATH('m', "model", &opt.model, "FOLDER", "model to start from"),
    CLI_LIST(0, "data", &data, "PATH", "shards or records; PATH=WEIGHT"),
    CLI_PATH('o', "output", &opt.output, "RUN", "run folder to make"),
    CLI_PATH(0, "resume", &resume, "RUN", "go on with a run instead"),
    CLI_LIST(0, "eval", &eval, "PATH", "held-out shards or records"),
    CLI_PATH(0, "root", &opt.root, "FOLDER", "pictures are below it"),
    TEXT("train", train, "PARTS", "vision=2e-4,projector,decoder: rates"),
    REAL("lr", rate, 0, 1e3, "learning rate [1e-4]"),
    INT("warmup", warmup, 0, 1e12, "steps of rising rate"),
    INT("epochs", epochs, 1, 1e9, "times over the data [1]"),
    INT("steps", steps, 1, 1e12, "stop after N steps"),
    INT("batch-tokens", batch_tokens, 1, 1e9, "of a micro-batch [4096]"),
    INT("accumulate", accumulate, 1, 1e6, "micro-batches a step [1]"),
    REAL("dropout", dropout, 0, 0.99, "dropout rate [0]"),
    REAL("label-smoothing", smoothing, 0, 0.99, "spread evenly [0]"),
    REAL("ema", average, 0, 0.999999, "decay of the weight average"),
    TEXT("balance", balance, "FIELD", "each value of it weighs the same"),
    CLI_CHOICE(0, "objective", &opt.objective, "language|dense",
               "what is learned [language]"),
    TEXT("classes", classes, "FIELDS", "dense: fields to classify"),
    TEXT("best", best, "METRIC", "keep it: eval_loss, eval_accuracy"),
    CLI_FLAG(0, "dry-run", &opt.dry_run, "print what a run would need"),
    RARE_REAL("lr-floor", floor, 0, 1, "rate at the end, as a share [0]"),
    RARE_INT("max-tokens", max_tokens, 1, 1e9, "longest record"),
    RARE_REAL("weight-decay", decay, 0, 10, "of matrices [0]"),
    RARE_REAL("beta1", beta1, 0, 0.999999, "AdamW [0.9]"),
    RARE_REAL("beta2", beta2, 0, 0.999999, "AdamW [0.999]"),
    RARE_REAL("epsilon", eps, 1e-30, 1, "AdamW [1e-8]"),
    RARE_REAL("clip", clip, -1, 1e9, "largest norm; -1: none [1]"),
    RARE_REAL("dense-label", dense_label, -1, 1e3, "weight of labels [1]"),
    RARE_REAL("dense-drawn", dense_drawn, -1, 1e3, "of what is drawn [1]"),
    RARE_REAL("dense-class", dense_field, -1, 1e3, "of --classes [1]"),
    CLI_RARE_FLAG(0, "recompute", &opt.recompute, "less memory, more work"),
    RARE_INT("save-every", save_every, 1, 1e12, "steps [an epoch]"),
    RARE_INT("eval-every", eval_every, 1, 1e12, "steps [an epoch]"),
    RARE_INT("keep", keep, 1, 1e9, "checkpoints kept [2]"),
    RARE_INT("samples", samples, -1, 1e6, "answers logged; -1: none [4]"),
    CLI_END,
};

static time_t now(void)
{
    struct timespec t = {0};

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec;
}

/*
 * The first asks the run to end in order; a second ends it at once.  What
 * comes at the same time is no second one: timeout(1) and others send it to
 * the process and to its group.  Whoever reads the log may have ended by it.
 */
static void on_signal(int number)
{
    static volatile sig_atomic_t began;
    static const char TEXT[] =
        "\nmedvl-train: ends after this step and saves; "
        "a second signal ends it at once\n";
    const size_t skip = !isatty(STDERR_FILENO); /* where no ^C stands */
    const int kept = errno;
    ssize_t said;

    if (stop && now() - began > 1) {
        signal(number, SIG_DFL);
        raise(number);
    } else if (!stop) {
        began = (sig_atomic_t)now();
        signal(SIGPIPE, SIG_IGN);
        said = write(STDERR_FILENO, TEXT + skip, sizeof(TEXT) - 1 - skip);
        (void)said; /* nobody may be there to tell */
    }
    stop = number;
    errno = kept;
}

/* Signals that were ignored, as of a job in the background, stay so. */
static void catch_signals(void)
{
    static const int NUMBERS[] = {SIGINT, SIGTERM};

    for (size_t i = 0; i < sizeof(NUMBERS) / sizeof(*NUMBERS); i++)
        if (signal(NUMBERS[i], on_signal) == SIG_IGN)
            signal(NUMBERS[i], SIG_IGN);
}

static int log_line(void *arg, struct medvl_span line,
                    struct medvl_error *err)
{
    (void)arg;
    fwrite(line.data, 1, line.size, stdout);
    putchar('\n');
    if (fflush(stdout) == 0 && !ferror(stdout))
        return MEDVL_OK;
    /* run/train.jsonl has the line */
    if (stop && errno == EPIPE && freopen("/dev/null", "w", stdout))
        return MEDVL_OK;
    return medvl_fail_output(err, "stdout");
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
    struct cli cli = {.name = "medvl-train",
                      .about = "Train a model folder on shards or records.",
                      .options = OPTIONS,
                      .has = CLI_HAS_SEED | CLI_HAS_DEVICE | CLI_HAS_CONFIG};
    struct medvl_error err = {0};
    int rc;

    medvl_train_options_init(&opt);
    cli_parse(&cli, argc, argv);
    opt.data = data.items;
    opt.data_count = data.count;
    opt.eval = eval.items;
    opt.eval_count = eval.count;
    opt.seed = cli.seed;
    if (resume || cli.device)
        opt.device = cli.device;
    opt.pool = cli_pool(&cli);
    opt.log = log_line;
    opt.progress = show_progress;
    opt.note = show_note;
    opt.arg = &cli;
    opt.stop = &stop;
    rc = resume ? medvl_train_options_check_resume(&opt, &err)
                : medvl_train_options_check(&opt, &err);
    if (rc < 0)
        cli_misuse(&cli, "%s", err.text);
    if (!opt.dry_run)
        catch_signals();
    rc = resume ? medvl_train_resume(resume, &opt, &err)
                : medvl_train(&opt, &err);
    return cli_finish(&cli, rc, &err);
}
