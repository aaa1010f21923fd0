/*
 * medvl - run a command of the toolkit, or list them.
 *
 * `medvl train ...` runs the medvl-train beside this program.  See
 * man/medvl.1.
 */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd/cli.h"

static const struct cli_option NONE[] = {CLI_END};

/* The folder of this program, with the slash, into `out`. */
static bool own_folder(char *out, size_t size)
{
    const ssize_t got = readlink("/proc/self/exe", out, size - 1);
    char *slash;

    if (got <= 0)
        return false;
    out[got] = 0;
    slash = strrchr(out, '/');
    if (!slash)
        return false;
    slash[1] = 0;
    return true;
}

static int is_command(const struct dirent *entry)
{
    return strncmp(entry->d_name, "medvl-", 6) == 0;
}

static int list_commands(struct cli *cli)
{
    char folder[PATH_MAX];
    struct dirent **names = NULL;
    struct medvl_error err = {0};
    int count;

    if (!own_folder(folder, sizeof(folder)))
        snprintf(folder, sizeof(folder), ".");
    count = scandir(folder, &names, is_command, alphasort);
    if (count < 0) {
        medvl_fail(&err, MEDVL_EIO, "%s: %s", folder, strerror(errno));
        return cli_finish(cli, err.code, &err);
    }
    for (int i = 0; i < count; i++) {
        printf("%s\n", names[i]->d_name + 6);
        free(names[i]);
    }
    free(names);
    return cli_finish(cli, MEDVL_OK, &err);
}

/* Become medvl-NAME; its name must not leave this folder. */
static int run_command(struct cli *cli, char **argv)
{
    char path[PATH_MAX + 300], name[256];

    if (strchr(argv[0], '/') || strlen(argv[0]) > 200 ||
        !own_folder(path, PATH_MAX))
        cli_misuse(cli, "'%s' is no command; see medvl help", argv[0]);
    snprintf(name, sizeof(name), "medvl-%s", argv[0]);
    snprintf(path + strlen(path), sizeof(path) - strlen(path), "%s", name);
    if (access(path, X_OK) < 0)
        cli_misuse(cli, "'%s' is no command; see medvl help", argv[0]);
    argv[0] = name;
    execv(path, argv);
    cli_misuse(cli, "%s: %s", path, strerror(errno));
}

int main(int argc, char **argv)
{
    struct cli cli = {
        .name = "medvl",
        .about = "Run a command of the toolkit: medvl train is medvl-train. "
                 "medvl help lists them.",
        .operands = "COMMAND [ARGUMENT ...]",
        .options = NONE,
        .stop = true,
    };

    cli_parse(&cli, argc, argv);
    if (cli.argc == 0)
        cli_misuse(&cli, "which command? (medvl help lists them)");
    if (strcmp(cli.argv[0], "help") == 0 && cli.argc == 1)
        return list_commands(&cli);
    if (strcmp(cli.argv[0], "help") == 0) {
        char help[] = "--help";
        char *args[] = {cli.argv[1], help, NULL};

        return run_command(&cli, args);
    }
    return run_command(&cli, cli.argv);
}
