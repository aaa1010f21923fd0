/*
 * medvl-merge - checkpoints to a checkpoint; a fresh model.
 *
 * See man/medvl-merge.1.  All the work is in lib/run/merge.c and
 * merge_convert.c.
 */
#include <signal.h>
#include <stdio.h>

#include "cmd/cli.h"
#include "lib/run/merge.h"

static struct medvl_merge_options opt;
static volatile sig_atomic_t stop;

static const struct cli_option OPTIONS[] = {
    CLI_PATH('m', "model", &opt.model, "FOLDER",
             "write this model in the type --dtype"),
    CLI_PATH(0, "init", &opt.init, "FILE",
             "make a fresh model of this config.json"),
    CLI_CHOICE(0, "dtype", &opt.dtype, "bf16|f16|f32",
               "type of the weights [--init: the config's]"),
    CLI_PATH(0, "tokenizer", &opt.tokenizer, "FILE",
             "tokenizer.json of the model"),
    CLI_CHOICE(0, "chat", &opt.chat, "llama3|chatml|vicuna",
               "layout of conversations"),
    CLI_PATH(0, "preprocessor", &opt.preprocessor, "FILE",
             "preprocessor_config.json [CLIP's for the tower's size]"),
    CLI_NEED('o', "output", &opt.output, "FOLDER", "the folder to make"),
    CLI_END,
};

static void on_signal(int number)
{
    stop = number;
}

/* Signals that were ignored, as nohup does, stay so. */
static void catch_signals(void)
{
    static const int NUMBERS[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM,
                                  SIGUSR1, SIGUSR2, SIGXCPU};

    for (size_t i = 0; i < sizeof(NUMBERS) / sizeof(*NUMBERS); i++)
        if (signal(NUMBERS[i], on_signal) == SIG_IGN)
            signal(NUMBERS[i], SIG_IGN);
}

static int wrote(void *arg, int64_t done, int64_t total,
                 struct medvl_error *err)
{
    char text[100];

    if (stop)
        return medvl_fail(err, MEDVL_EOUTPUT,
                          "stopped by a signal; %s is not made", opt.output);
    snprintf(text, sizeof(text), "%.2f of %.2f GB written",
             (double)done / 1e9, (double)total / 1e9);
    cli_progress(arg, text);
    return MEDVL_OK;
}

int main(int argc, char **argv)
{
    struct cli cli = {
        .name = "medvl-merge",
        .about = "Make a model folder: in another type, or fresh.",
        .options = OPTIONS,
        .has = CLI_HAS_SEED,
    };
    struct medvl_error err = {0};
    int rc;

    cli_parse(&cli, argc, argv);
    if (cli.argc > 0)
        cli_misuse(&cli, "%s: there is nothing to merge", cli.argv[0]);
    if (!opt.model == !opt.init)
        cli_misuse(&cli, "give -m FOLDER or --init FILE");
    if (opt.model && !opt.dtype)
        cli_misuse(&cli, "-m goes with --dtype bf16|f16|f32");
    if (opt.model && (opt.tokenizer || opt.chat || opt.preprocessor))
        cli_misuse(&cli, "--tokenizer, --chat and --preprocessor go with "
                         "--init; -m keeps what its folder has");
    if (opt.tokenizer && !opt.chat)
        cli_misuse(&cli, "--tokenizer goes with --chat llama3|chatml|vicuna");
    if (opt.chat && !opt.tokenizer)
        cli_misuse(&cli, "--chat goes with --tokenizer FILE (medvl-tokenize "
                         "--train makes one)");
    opt.seed = (uint64_t)cli.seed;
    opt.wrote = wrote;
    opt.arg = &cli;
    catch_signals();
    rc = opt.model ? medvl_merge_convert(&opt, &err)
                   : medvl_merge_init(&opt, &err);
    rc = cli_finish(&cli, rc, &err);
    if (stop && rc) { /* for the shell that waits: ended by the signal */
        signal(stop, SIG_DFL);
        raise(stop);
    }
    return rc;
}
