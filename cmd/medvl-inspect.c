/*
 * medvl-inspect - what files and models hold and what is wrong with records.
 *
 * See man/medvl-inspect.1.  All the work is in lib/stage/inspect.c,
 * lib/stage/check.c, lib/run/view.c and its parts.
 */
#include <unistd.h>

#include "cmd/cli.h"
#include "lib/base/file.h"
#include "lib/base/stream.h"
#include "lib/run/view.h"
#include "lib/stage/check.h"
#include "lib/stage/inspect.h"

static struct medvl_view_batches packed;
static bool tensors, values, check;
static int64_t problems;
static struct medvl_check_options checked = {.problems = &problems};
static const struct cli_option OPTIONS[] = {
    CLI_FLAG(0, "check", &check,
             "operands are records: print what is wrong with them"),
    CLI_PATH(0, "root", &checked.root, "folder",
             "with --check: paths in records are below it"),
    CLI_FLAG(0, "tensors", &tensors, "a model folder: a line a tensor"),
    CLI_FLAG(0, "values", &values, "tensors: least, largest and mean value"),
    CLI_INT(0, "batch", &packed.batches, 1, 1e9,
            "the first N batches that training would see, as text"),
    CLI_PATH('m', "model", &packed.model, "FOLDER",
             "with --batch: the model that would learn"),
    CLI_INT(0, "batch-tokens", &packed.batch_tokens, 1, 1e9,
            "with --batch: tokens of one [4096]"),
    CLI_END,
};

static bool is_file(const char *path)
{
    return medvl_file_exists(path) && !medvl_folder_exists(path);
}

static int print_tensors(const char *path, medvl_inspect_put *put, void *arg,
                         struct medvl_error *err)
{
    return medvl_view_tensors(path, values, put, arg, err);
}

static int put_line(void *arg, struct medvl_span json,
                    struct medvl_error *err)
{
    const int rc = medvl_writer_put(arg, json.data, json.size, err);

    return rc < 0 ? rc : medvl_writer_put(arg, "\n", 1, err);
}

/* A table on a terminal. */
static int put_model(void *arg, struct medvl_span json,
                     struct medvl_error *err)
{
    struct medvl_text table = {0};
    int rc;

    if (!isatty(STDOUT_FILENO))
        return put_line(arg, json, err);
    rc = medvl_view_table(&table, json, err);
    if (rc == MEDVL_OK)
        rc = medvl_writer_put(arg, table.data, table.size, err);
    medvl_text_release(&table);
    return rc;
}

static int print_model(const char *path, medvl_inspect_put *put, void *arg,
                       struct medvl_error *err)
{
    (void)put;
    return medvl_view_model(path, put_model, arg, err);
}

/* A file of tensors; a folder when its tensors are asked for. */
static bool wants_tensors(const char *path)
{
    return medvl_folder_exists(path) ? tensors || values
                                     : medvl_view_is_tensors(path);
}

/* What can be looked into; the first whose test holds prints the operand. */
static const struct kind {
    bool (*is)(const char *path);
    int (*print)(const char *path, medvl_inspect_put *put, void *arg,
                 struct medvl_error *err);
} KINDS[] = {
    {medvl_inspect_is_shards, medvl_inspect_shards},
    {wants_tensors, print_tensors},
    {medvl_view_is_model, print_model},
    {medvl_view_is_tokenizer, medvl_view_tokenizer},
    {medvl_inspect_is_dicom, medvl_inspect_dicom},
    {medvl_view_is_other, medvl_view_other},
    {is_file, medvl_inspect_picture},
};

static int print(struct medvl_writer *out, const char *path,
                 struct medvl_error *err)
{
    for (size_t i = 0; i < sizeof(KINDS) / sizeof(*KINDS); i++)
        if (KINDS[i].is(path))
            return KINDS[i].print(path, put_line, out, err);
    if (!medvl_folder_exists(path))
        return medvl_fail(err, MEDVL_EARG,
                          "%s: no such file or folder; nothing is fetched "
                          "by name",
                          path);
    if (print_model(path, put_line, out, err) < 0)
        return medvl_context(err, "%s: no folder of shards; as a model",
                             path);
    return MEDVL_OK;
}

static void check_use(struct cli *cli)
{
    if (check ? packed.batches || values || tensors : checked.root != NULL)
        cli_misuse(cli, "--check goes with --root alone");
    if (!cli->argc && !check)
        cli_misuse(cli, "what to look into?");
    if (!packed.batches != !packed.model)
        cli_misuse(cli, "--batch and -m go together");
    if (packed.batch_tokens && !packed.batches)
        cli_misuse(cli, "--batch-tokens goes with --batch");
}

int main(int argc, char **argv)
{
    struct cli cli = {
        .name = "medvl-inspect",
        .about = "Print what files and models hold, or what is wrong.",
        .operands = "PATH ...",
        .options = OPTIONS,
        .has = CLI_HAS_SEED,
    };
    struct medvl_writer *out = NULL;
    struct medvl_error err = {0};
    int rc;

    cli_parse(&cli, argc, argv);
    check_use(&cli);
    if (check) { /* findings make the status 1 */
        rc = cli_batch(&cli, &medvl_check_batch, &checked);
        return rc == 0 && problems ? 1 : rc;
    }
    packed.data = (const char *const *)cli.argv;
    packed.data_count = cli.argc;
    packed.seed = cli.seed;
    rc = medvl_writer_open(&out, "-", "", false, &err);
    if (rc == MEDVL_OK && packed.batches)
        rc = medvl_view_packed(&packed, put_line, out, &err);
    for (int i = 0; !packed.batches && i < cli.argc && rc == MEDVL_OK; i++)
        rc = print(out, cli.argv[i], &err);
    if (rc == MEDVL_OK)
        rc = medvl_writer_close(out, &err);
    else if (out) /* whole lines that came before the failure */
        (void)!medvl_writer_close(out, NULL);
    return cli_finish(&cli, rc, &err);
}
