/*
 * medvl-shard - records with tokens to shards that hold all they need.
 *
 * See man/medvl-shard.1.  All the work is in lib/stage/shard.c.
 */
#include <stdio.h>

#include "cmd/cli.h"
#include "lib/base/stream.h"
#include "lib/stage/shard.h"

static struct medvl_shard_options opt;
static bool check;

static const struct cli_option OPTIONS[] = {
    CLI_PATH('o', "output", &opt.output, "FOLDER", "the folder to make"),
    CLI_FLAG(0, "check", &check, "check the folders named instead"),
    CLI_FLAG(0, "overwrite", &opt.overwrite, "replace a folder of shards"),
    CLI_PATH(0, "root", &opt.root, "FOLDER", "pictures are below it"),
    CLI_FLAG(0, "shuffle", &opt.shuffle, "put records in a random order"),
    CLI_RARE_INT(0, "size-limit", &opt.size_limit, 1, 1 << 28,
                 "bytes of a shard, unpacked [67108864]"),
    CLI_RARE_INT(0, "level", &opt.level, 1, 19, "zstd level [3]"),
    CLI_RARE_FLAG(0, "plain", &opt.plain, "do not compress"),
    CLI_END,
};

static int check_folder(struct medvl_writer *out, const char *folder,
                        struct medvl_error *err)
{
    struct medvl_shard_summary summary;
    struct medvl_text line = {0};
    int rc = medvl_shard_check(&summary, folder, err);

    if (rc == MEDVL_OK)
        rc = medvl_shard_print(&line, folder, &summary, err);
    if (rc == MEDVL_OK)
        rc = medvl_text_putc(&line, '\n', err);
    if (rc == MEDVL_OK)
        rc = medvl_writer_put(out, line.data, line.size, err);
    medvl_text_release(&line);
    return rc;
}

static int check_folders(struct cli *cli)
{
    struct medvl_writer *out = NULL;
    struct medvl_error err = {0};
    int rc = medvl_writer_open(&out, "-", "", false, &err);

    for (int i = 0; i < cli->argc && rc == MEDVL_OK; i++)
        rc = check_folder(out, cli->argv[i], &err);
    if (rc == MEDVL_OK)
        rc = medvl_writer_close(out, &err);
    else if (out) /* what was found whole is printed before the failure */
        (void)!medvl_writer_close(out, NULL);
    return cli_finish(cli, rc, &err);
}

int main(int argc, char **argv)
{
    struct cli cli = {
        .name = "medvl-shard",
        .about = "Store records, tokens and pictures as MDS shards.",
        .operands = "[FILE ...]",
        .options = OPTIONS,
        .has = CLI_HAS_RECORDS | CLI_HAS_SEED,
    };

    cli_parse(&cli, argc, argv);
    opt.seed = cli.seed;
    if (check && opt.output)
        cli_misuse(&cli, "--check makes no folder: leave out --output");
    if (check && !cli.argc)
        cli_misuse(&cli, "--check: which folder?");
    if (check)
        return check_folders(&cli);
    if (!opt.output)
        cli_misuse(&cli, "which folder to make? (-o FOLDER)");
    return cli_sink(&cli, &medvl_shard_sink, &opt);
}
