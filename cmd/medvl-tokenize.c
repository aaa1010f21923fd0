/*
 * medvl-tokenize - text and chat to token ids, and back.
 *
 * See man/medvl-tokenize.1.  All the work is in lib/stage/tokenize.c.
 */
#include "cmd/cli.h"
#include "lib/stage/tokenize.h"
#include "lib/text/chat.h"

static struct medvl_tokenize_options opt;
static struct medvl_tokenize_train_options train;

static const struct cli_option OPTIONS[] = {
    CLI_PATH('m', "model", &opt.model, "FOLDER",
             "model folder, or a tokenizer.json"),
    CLI_TEXT('f', "field", &opt.field, "name",
             "the text to read, or with --decode to set [text]"),
    CLI_FLAG(0, "special", &opt.special,
             "put the model's begin and end tokens around a text"),
    CLI_FLAG(0, "parse-special", &opt.parse_special,
             "special tokens spelled out in messages are tokens"),
    CLI_FLAG(0, "explain", &opt.explain,
             "print pieces beside ids, for people, and no records"),
    CLI_TEXT(0, "chat", &opt.chat, "name",
             "layout of messages: v1, chatml, llama3, vicuna, ... (see the "
             "manual) [the folder's template]"),
    CLI_FLAG(0, "decode", &opt.decode, "turn \"tokens\" back into text"),
    CLI_INT(0, "train", &train.size, 256, 1 << 24,
            "learn a vocabulary of N entries, write it to -o"),
    CLI_CHOICE(0, "pattern", &train.pattern, "llama3|qwen2|gpt2",
               "with --train: how words are split [llama3]"),
    CLI_END,
};

static void check_use(struct cli *cli)
{
    if (train.size > 0) {
        if (opt.model || opt.special || opt.parse_special || opt.decode ||
            opt.explain || opt.chat)
            cli_misuse(cli, "--train goes with -f, -o and --pattern alone");
        if (!cli->output)
            cli_misuse(cli, "--train needs -o FILE");
        if (cli->part)
            cli_misuse(cli, "--train reads everything: no --part");
        return;
    }
    if (!opt.model)
        cli_misuse(cli, "whose tokenizer? (-m FOLDER of a model, or -m "
                        "tokenizer.json; --train N -o FILE makes one)");
    if (train.pattern)
        cli_misuse(cli, "--pattern goes with --train");
    if (opt.chat && !medvl_chat_layout(opt.chat))
        cli_misuse(cli, "--chat is one of " MEDVL_CHAT_LAYOUTS);
    if (opt.decode && (opt.special || opt.parse_special || opt.explain ||
                       opt.chat))
        cli_misuse(cli, "--decode goes with -m and -f alone");
}

int main(int argc, char **argv)
{
    struct cli cli = {
        .name = "medvl-tokenize",
        .about = "Turn text and chat into token ids, or ids into text.",
        .operands = "[FILE ...]",
        .options = OPTIONS,
        .has = CLI_HAS_RECORDS | CLI_HAS_PART | CLI_HAS_OUTPUT,
    };

    cli_parse(&cli, argc, argv);
    check_use(&cli);
    opt.wants = &cli.wants;
    if (train.size == 0)
        return cli_map(&cli, &medvl_tokenize_map, &opt);
    /* -o is the vocabulary; there are no records to write. */
    train.output = cli.output;
    train.field = opt.field;
    cli.output = NULL;
    return cli_sink(&cli, &medvl_tokenize_train_sink, &train);
}
