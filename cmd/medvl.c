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

    out[got > 0 ? got : 0] = 0;
    slash = strrchr(out, '/');
    if (slash)
        slash[1] = 0;
    return slash != NULL;
}

/* medvl- and small letters: a name that a shell takes as it is. */
static int is_command(const struct dirent *entry)
{
    const char *name = entry->d_name;

    return strncmp(name, "medvl-", 6) == 0 && name[6] &&
           !name[6 + strspn(name + 6, "abcdefghijklmnopqrstuvwxyz")];
}

/* The name, and what its --help says between the usage and the options. */
static void print_about(const char *command)
{
    char line[300];
    FILE *help;

    snprintf(line, sizeof(line), "./%s --help", command);
    printf("%-9s", command + 6);
    help = popen(line, "r");
    for (int i = 0; help && fgets(line, sizeof(line), help) &&
                    line[0] != '\n';
         i++) {
        line[strcspn(line, "\n")] = 0;
        if (i > 0)
            printf(" %s", line);
    }
    putchar('\n');
    if (help)
        pclose(help);
}

static int list_commands(struct cli *cli)
{
    char folder[PATH_MAX];
    struct dirent **names = NULL;
    struct medvl_error err = {0};
    int count = -1;

    if (own_folder(folder, sizeof(folder)) && chdir(folder) == 0)
        count = scandir(".", &names, is_command, alphasort);
    if (count < 0)
        return cli_finish(cli, medvl_fail_system(&err, "the commands"), &err);
    for (int i = 0; i < count; i++) {
        print_about(names[i]->d_name);
        free(names[i]);
    }
    free(names);
    puts("\nThe options of one: medvl help NAME.  The manual: man 7 medvl");
    return cli_finish(cli, MEDVL_OK, &err);
}

/* Become medvl-NAME; its name must not leave this folder. */
static int run_command(struct cli *cli, char **argv)
{
    char path[PATH_MAX + 300], name[256];

    if (!own_folder(path, PATH_MAX))
        path[0] = 0;
    snprintf(name, sizeof(name), "medvl-%s", argv[0]);
    snprintf(path + strlen(path), sizeof(path) - strlen(path), "%s", name);
    if (strchr(name, '/') || access(path, X_OK) < 0)
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
    if (strcmp(cli.argv[0], "help") != 0)
        return run_command(&cli, cli.argv);
    if (cli.argc == 1)
        return list_commands(&cli);
    cli.argv[0] = cli.argv[1];
    cli.argv[1] = (char[]){"--help"};
    return run_command(&cli, cli.argv);
}
