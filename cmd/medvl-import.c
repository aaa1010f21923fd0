/*
 * medvl-import - data sets, pictures and volumes become records.
 *
 * See man/medvl-import.1.  All the work is in lib/stage/import.c.
 */
#include "cmd/cli.h"
#include "lib/stage/import.h"

static struct medvl_import_options opt;
static struct cli_list set;

static const struct cli_option OPTIONS[] = {
    CLI_PATH('O', "out", &opt.out, "folder", "write made pictures here"),
    CLI_PATH(0, "names", &opt.names, "file",
             "lines: number label [key=value ...]"),
    CLI_PATH(0, "labels", &opt.labels, "file",
             "label volume of the same patient: regions"),
    CLI_CHOICE(0, "axis", &opt.axis, "axial|coronal|sagittal|all",
               "slices of a volume [axial]"),
    CLI_RARE_CHOICE(0, "convention", &opt.convention,
                    "neurological|radiological",
                    "patient's left on the left or right [NIfTI, DICOM]"),
    CLI_TEXT(0, "window", &opt.window, "C,W|pLO,pHI",
             "values of a volume that become 0..255"),
    CLI_REAL(0, "canvas", &opt.canvas, 0.001, 1e6,
             "mm of a square around the volume's content"),
    CLI_REAL(0, "resample", &opt.resample, 1e-6, 1e6,
             "mm of cubes along the patient's axes"),
    CLI_TEXT(0, "slices", &opt.slices, "A-B[:STEP]|N|...",
             "only these slices, N equal steps, largest, labelled"),
    CLI_REAL(0, "content", &opt.content, 0, 1,
             "least share of a slice that is not zero [0]"),
    CLI_INT(0, "min-area", &opt.area, 1, 4294836225,
            "least pixels of a region [1]"),
    CLI_LIST(0, "set", &set, "key=value", "a text field for every record"),
    CLI_TEXT(0, "split", &opt.split, "name", "\"split\" of every record"),
    CLI_TEXT(0, "source", &opt.source, "name", "\"source\" of every record"),
    CLI_TEXT(0, "license", &opt.license, "name",
             "\"license\" of every record"),
    CLI_TEXT(0, "group", &opt.group, "name", "\"group\" of every record"),
    CLI_TEXT(0, "modality", &opt.modality, "name", "of a volume's slices"),
    CLI_TEXT(0, "body-part", &opt.body_part, "name", "of a volume's slices"),
    CLI_PATH(0, "key", &opt.key, "file",
             "dicom: key of the patients' pseudonyms"),
    CLI_TEXT(0, "ask", &opt.ask, "names",
             "dicom: questions about modality,plane,view,..."),
    CLI_FLAG(0, "deidentify", &opt.deidentify,
             "dicom: write files without what identifies into --out"),
    CLI_RARE_TEXT(0, "images", &opt.images, "folder",
                  "where the set's pictures are"),
    CLI_RARE_TEXT(0, "author", &opt.author, "name",
                  "who made the labels [human]"),
    CLI_RARE_TEXT(0, "root", &opt.root, "folder",
                  "paths in records are below it"),
    CLI_RARE_TEXT(0, "helper", &opt.helper, "file", "medvl-decode"),
    CLI_RARE_INT(0, "timeout", &opt.seconds, 1, 86400,
                 "seconds for reading a volume [120]"),
    CLI_END,
};

static void report(void *arg, const char *text)
{
    cli_warn(arg, "%s", text);
}

int main(int argc, char **argv)
{
    struct cli cli = {
        .name = "medvl-import",
        .about = "Turn data sets, pictures and volumes into records.",
        .operands = "LAYOUT PATH ...",
        .options = OPTIONS,
        .has = CLI_HAS_RECORDS | CLI_HAS_OUTPUT,
    };
    struct medvl_error err = {0};

    cli_parse(&cli, argc, argv);
    if (cli.argc < 2)
        cli_misuse(&cli, "want a layout and what to read");
    opt.layout = cli.argv[0];
    opt.paths = (const char *const *)cli.argv + 1;
    opt.path_count = cli.argc - 1;
    opt.set = set.items;
    opt.set_count = set.count;
    opt.output = cli.output;
    opt.keep_going = cli.keep_going;
    opt.rejects = cli.rejects;
    opt.hash = cli_options_hash(&cli);
    opt.report = report;
    opt.arg = &cli;
    if (opt.resample > 0 || opt.labels)
        opt.pool = cli_pool(&cli);
    opt.wants = &cli.wants;
    cli.wants.noun = "volume";
    if (medvl_import_check(&opt, &err) < 0)
        cli_misuse(&cli, "%s", err.text);
    return cli_finish(&cli, medvl_import(&opt, &err), &err);
}
