/*
 * medvl-generate - add a model's predictions to records.
 *
 * See man/medvl-generate.1.  All the work is in lib/run/generate.c.
 */
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd/cli.h"
#include "lib/run/generate.h"
#include "lib/text/chat.h"

static struct medvl_generate_options opt;
static struct cli_list stop;
static bool resume;

static const struct cli_option OPTIONS[] = {
    CLI_NEED('m', "model", &opt.model, "FOLDER", "the model"),
    CLI_TEXT(0, "chat", &opt.chat, "NAME",
             "a built-in layout of messages [the folder's]"),
    CLI_REAL(0, "temperature", &opt.temperature, 0, 100,
             "0 takes the likeliest token [0]"),
    CLI_INT(0, "top-k", &opt.top_k, 1, 1e9, "draw from the N likeliest"),
    CLI_REAL(0, "top-p", &opt.top_p, 0, 1, "draw from the share X"),
    CLI_REAL(0, "repetition-penalty", &opt.repetition, 0, 100,
             "above 1: less of what is there"),
    CLI_INT(0, "max-tokens", &opt.max_tokens, 0, 1e9,
            "new tokens at most [256]"),
    CLI_INT(0, "samples", &opt.samples, 1, 1e6, "answers a record [1]"),
    CLI_LIST(0, "stop", &stop, "TEXT", "end the answer before TEXT"),
    CLI_FLAG(0, "choices", &opt.choices, "score the record's choices"),
    CLI_CHOICE(0, "normalize", &opt.normalize, "tokens|bytes",
               "divide a choice's score by its length"),
    CLI_FLAG(0, "logprobs", &opt.logprobs, "add each token's log-probability"),
    CLI_PATH(0, "logits", &opt.logits, "FILE",
             "write every row of logits as safetensors"),
    CLI_FLAG(0, "resume", &resume, "go on with FILE.part of -o"),
    CLI_PATH(0, "root", &opt.root, "FOLDER", "pictures are below it"),
    CLI_RARE_INT(0, "batch", &opt.batch, 1, 4096, "prompts at once [16]"),
    CLI_END,
};

/* What shapes a generated answer says nothing of a choice. */
static void check_choices(struct cli *cli)
{
    const struct {
        const char *name;
        bool given;
    } rows[] = {
        {"temperature", opt.temperature >= 0},
        {"top-k", opt.top_k != 0},
        {"top-p", opt.top_p >= 0},
        {"repetition-penalty", opt.repetition >= 0},
        {"max-tokens", opt.max_tokens >= 0},
        {"samples", opt.samples != 0},
        {"stop", stop.count != 0},
        {"logprobs", opt.logprobs},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        if (opt.choices && rows[i].given)
            cli_misuse(cli, "--%s does not go with --choices", rows[i].name);
}

/* Without a temperature all answers are the same, and the likeliest. */
static void check_sampling(struct cli *cli)
{
    const struct {
        const char *name;
        bool given;
    } rows[] = {
        {"top-k", opt.top_k != 0},
        {"top-p", opt.top_p >= 0},
        {"samples", opt.samples > 1},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        if (opt.temperature < 0 && rows[i].given)
            cli_misuse(cli,
                       "--%s goes with --temperature, without which the "
                       "likeliest token is taken",
                       rows[i].name);
}

static void check_files(struct cli *cli)
{
    const struct medvl_loop_file logits = {"logits", opt.logits, ".tmp"};
    const struct medvl_loop_file output = {
        "output", cli->output ? cli->output : "-", ".part"};
    const struct medvl_loop_file rejects = {"rejects", cli->rejects, ".tmp"};
    struct medvl_error err = {0};

    if (medvl_loop_files_apart(&output, &logits, &err) < 0 ||
        medvl_loop_files_apart(&rejects, &logits, &err) < 0)
        cli_misuse(cli, "%s", err.text);
}

/* ---- a run that ends before its end ---------------------------------- */

/* For the handler, which may call next to nothing. */
static struct {
    char path[PATH_MAX];
    char said[PATH_MAX + 200];
    off_t before; /* bytes, when the run began */
} left;

static off_t left_size(void)
{
    struct stat st;

    return left.path[0] && stat(left.path, &st) == 0 ? st.st_size : 0;
}

static void say_left(void)
{
    ssize_t put;

    if (left_size() == 0)
        return;
    do
        put = write(STDERR_FILENO, left.said, strlen(left.said));
    while (put < 0 && errno == EINTR);
}

static void on_signal(int number)
{
    say_left();
    raise(number); /* ends the process when the handler returns */
}

/* One that was ignored, as nohup does, stays so. */
static void catch_signal(int number)
{
    const struct sigaction action = {.sa_handler = on_signal,
                                     .sa_flags = (int)SA_RESETHAND};
    struct sigaction before;

    if (sigaction(number, NULL, &before) == 0 &&
        before.sa_handler != SIG_IGN)
        sigaction(number, &action, NULL);
}

/* What was done is not lost, and how to go on is said when it is time. */
static void prepare_left(const struct cli *cli)
{
    struct medvl_error text = {0};
    struct medvl_text part = {0};
    const bool zst = cli->output && strlen(cli->output) > 4 &&
                     !strcmp(cli->output + strlen(cli->output) - 4, ".zst");

    if (medvl_loop_left(&part, cli->output, &text) >= 0 && part.size &&
        part.size < sizeof(left.path)) {
        memcpy(left.path, part.data, part.size + 1);
        medvl_fail(&text, MEDVL_EARG, "%s has what was done%s", part.data,
                   zst ? "" : ": the same command with --resume goes on");
        snprintf(left.said, sizeof(left.said), "%s%s: %s\n",
                 isatty(STDERR_FILENO) ? "\r\033[K" : "", cli->name,
                 text.text);
        left.before = left_size();
        catch_signal(SIGINT);
        catch_signal(SIGTERM);
    }
    medvl_text_release(&part);
}

static void show_progress(void *arg, const char *text)
{
    cli_progress(arg, text);
}

int main(int argc, char **argv)
{
    struct cli cli = {
        .name = "medvl-generate",
        .about = "Add a model's predictions to records.",
        .operands = "[FILE ...]",
        .options = OPTIONS,
        .has = CLI_HAS_RECORDS | CLI_HAS_SEED | CLI_HAS_DEVICE |
               CLI_HAS_PART | CLI_HAS_OUTPUT,
    };

    int code;

    /* Below 0: not given. */
    opt.max_tokens = -1;
    opt.temperature = opt.top_p = opt.repetition = -1;
    cli_parse(&cli, argc, argv);
    check_choices(&cli);
    check_sampling(&cli);
    if (opt.chat && !medvl_chat_layout(opt.chat))
        cli_misuse(&cli, "--chat is one of " MEDVL_CHAT_LAYOUTS);
    opt.max_tokens = opt.max_tokens < 0 ? 256 : opt.max_tokens;
    opt.temperature = fmax(opt.temperature, 0);
    opt.top_p = fmax(opt.top_p, 0);
    opt.repetition = fmax(opt.repetition, 0);
    if (opt.normalize && !opt.choices)
        cli_misuse(&cli, "--normalize goes with --choices");
    if (opt.logits && (opt.choices || opt.samples > 1))
        cli_misuse(&cli, "--logits goes with one answer a record");
    if (resume && (!cli.output || !strcmp(cli.output, "-")))
        cli_misuse(&cli, "--resume goes with -o FILE");
    if (resume && opt.logits)
        cli_misuse(&cli, "--resume does not go with --logits");
    check_files(&cli);
    cli.resume = resume;
    opt.stop = stop.items;
    opt.stop_count = stop.count;
    opt.device = cli.device;
    opt.seed = cli.seed;
    opt.wants = &cli.wants;
    opt.progress = show_progress;
    opt.arg = &cli;
    prepare_left(&cli);
    code = cli_batch(&cli, &medvl_generate_batch, &opt);
    if (left_size() > left.before)
        say_left();
    return code;
}
