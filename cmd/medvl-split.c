/*
 * medvl-split - keep, divide, sample, shuffle and permute records.
 *
 * See man/medvl-split.1.  All the work is in lib/stage/split.c.
 */
#include "cmd/cli.h"
#include "lib/stage/split.h"

static struct medvl_split_options opt;
static struct cli_list where;

static const struct cli_option OPTIONS[] = {
    CLI_LIST('w', "where", &where, "CONDITION",
             "keep records for which FIELD=VALUE, or a Jinja expression, "
             "holds; may be repeated: all must hold"),
    CLI_TEXT(0, "parts", &opt.parts, "NAME=F,...",
             "divide into -o FOLDER/NAME.jsonl by these fractions"),
    CLI_TEXT(0, "sample", &opt.sample, "N|F",
             "draw N records (or groups), or a fraction such as 0.1"),
    CLI_FLAG(0, "shuffle", &opt.shuffle, "put records in a random order"),
    CLI_CHOICE(0, "permute", &opt.permute, "pictures|images",
               "exchange pictures, or whole images, between records"),
    CLI_TEXT(0, "by", &opt.by, "FIELD",
             "what belongs together: a patient, a study, a picture"),
    CLI_END,
};

int main(int argc, char **argv)
{
    struct cli cli = {
        .name = "medvl-split",
        .about = "Keep, divide, sample, shuffle and permute records.",
        .options = OPTIONS,
        .has = CLI_HAS_RECORDS | CLI_HAS_SEED | CLI_HAS_OUTPUT |
               CLI_HAS_PART,
    };
    int modes;

    cli_parse(&cli, argc, argv);
    opt.where = where.items;
    opt.where_count = where.count;
    opt.seed = cli.seed;
    opt.wants = &cli.wants;
    modes = (opt.parts != NULL) + (opt.sample != NULL) +
            (opt.permute != NULL);
    if (modes > 1)
        cli_misuse(&cli, "only one of --parts, --sample and --permute");
    if (opt.shuffle && (opt.parts || opt.permute))
        cli_misuse(&cli, "--shuffle goes alone or with --sample");
    if (opt.by && modes == 0)
        cli_misuse(&cli, "--by goes with --parts, --sample or --permute");
    if (modes == 0 && !opt.shuffle && !where.count)
        cli_misuse(&cli, "what to do? (--where, --parts, --sample, "
                         "--shuffle or --permute)");
    if (modes == 0 && !opt.shuffle)
        return cli_map(&cli, &medvl_split_keep, &opt);
    if (cli.part)
        cli_misuse(&cli, "--part goes with --where alone");
    if (opt.parts) {
        if (!cli.output)
            cli_misuse(&cli, "--parts needs -o FOLDER");
        opt.folder = cli.output;
        cli.output = NULL;
    }
    return cli_sink(&cli, &medvl_split_all, &opt);
}
