/*
 * The run folder.  Everything in it appears by rename; what a killed run
 * leaves behind ends in ".tmp" and is removed by the next.
 */
#include "lib/train/rundir.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/json.h"
#include "lib/base/mem.h"

static int join(char **out, const struct medvl_rundir *run, const char *name,
                struct medvl_error *err)
{
    return medvl_path_join(out, run->path, name, err);
}

static bool ends_tmp(const char *name)
{
    const size_t size = strlen(name);

    return size > 4 && !strcmp(name + size - 4, ".tmp");
}

/* The step of "step-NNNNNN", `size` bytes; -1 for any other name. */
static int64_t step_in(const char *name, size_t size)
{
    int64_t step;

    if (size <= 5 || strncmp(name, "step-", 5))
        return -1;
    if (medvl_parse_int(&step, (struct medvl_span){name + 5, size - 5}, 1,
                        INT64_MAX, NULL) < 0)
        return -1;
    return step;
}

static int64_t step_of(const char *name)
{
    return step_in(name, strlen(name));
}

/*
 * Is it what a killed run leaves: step-N.tmp, latest.tmp, or a file under
 * its temporary name?  Another folder is not ours to remove.
 */
static int is_remains(bool *out, const struct medvl_rundir *run,
                      const char *name, struct medvl_error *err)
{
    char *path = NULL;
    int rc;

    *out = false;
    if (!ends_tmp(name))
        return MEDVL_OK;
    rc = join(&path, run, name, err);
    if (rc == MEDVL_OK)
        *out = !medvl_folder_exists(path) || !strcmp(name, "latest.tmp") ||
               step_in(name, strlen(name) - 4) > 0;
    medvl_free(path);
    return rc;
}

static int remove_name(const struct medvl_rundir *run, const char *name,
                       struct medvl_error *err)
{
    char *path = NULL;
    int rc = join(&path, run, name, err);

    if (rc == MEDVL_OK)
        rc = medvl_path_remove(path, err);
    medvl_free(path);
    return rc;
}

/* ---- the folder ------------------------------------------------------ */

/* Does the log hold a step, if only one that is half written? */
static int has_steps(bool *out, const struct medvl_rundir *run,
                     struct medvl_error *err)
{
    char *path = NULL;
    int64_t size = 0;
    int rc = join(&path, run, "train.jsonl", err);

    if (rc == MEDVL_OK && medvl_file_exists(path))
        rc = medvl_file_size(&size, path, err);
    *out = size > 0;
    medvl_free(path);
    return rc;
}

/* What a run that was ended before its first step leaves behind. */
static bool is_left_over(const char *name)
{
    static const char *const NAMES[] = {"lock", "options.json",
                                        "train.jsonl"};

    for (size_t i = 0; i < sizeof(NAMES) / sizeof(NAMES[0]); i++)
        if (!strcmp(name, NAMES[i]))
            return true;
    return ends_tmp(name);
}

/*
 * May a run begin here?  It puts model files here in the end, so it must
 * not be over others; over a run only when that has not made a step.
 */
static int check_new(const struct medvl_rundir *run, bool has_options,
                     struct medvl_error *err)
{
    struct medvl_names names = {0};
    const char *other = NULL;
    bool steps = false;
    int rc = medvl_folder_list(&names, run->path, err);

    if (rc == MEDVL_OK)
        rc = has_steps(&steps, run, err);
    for (size_t i = 0; rc == MEDVL_OK && i < names.count; i++) {
        const char *name = names.items[i];

        if (!is_left_over(name) ||
            (!has_options && !strcmp(name, "train.jsonl")))
            other = name;
    }
    if (rc == MEDVL_OK && has_options && (steps || other))
        rc = medvl_fail(err, MEDVL_EARG,
                        "%s: holds a run already; go on with --resume %s, "
                        "or remove it",
                        run->path, run->path);
    else if (rc == MEDVL_OK && other)
        rc = medvl_fail(err, MEDVL_EARG,
                        "%s: holds %s: a run needs a folder of its own",
                        run->path, other);
    medvl_names_release(&names);
    return rc;
}

static int check_state(const struct medvl_rundir *run, bool resume,
                       struct medvl_error *err)
{
    char *path = NULL;
    bool has_options;
    int rc = join(&path, run, "options.json", err);

    if (rc < 0)
        return rc;
    has_options = medvl_file_exists(path);
    if (!resume)
        rc = check_new(run, has_options, err);
    else if (!has_options)
        rc = medvl_fail(err, MEDVL_EARG, "%s: holds no run to resume",
                        run->path);
    medvl_free(path);
    return rc;
}

int medvl_rundir_open(struct medvl_rundir *run, const char *path, bool resume,
                      struct medvl_error *err)
{
    char *lock = NULL;
    int rc = MEDVL_OK;

    run->path = medvl_copy_string(path, strlen(path));
    if (!run->path)
        return medvl_no_memory(err);
    if (!resume)
        rc = medvl_folder_make(path, err);
    else if (!medvl_folder_exists(path))
        rc = medvl_fail(err, MEDVL_EARG, "%s: no such run", path);
    /* First so as to put no lock into others' folders, then for certain. */
    if (rc == MEDVL_OK)
        rc = check_state(run, resume, err);
    if (rc == MEDVL_OK)
        rc = join(&lock, run, "lock", err);
    if (rc == MEDVL_OK)
        rc = medvl_lock_take(&run->lock, lock, err);
    if (rc == MEDVL_OK)
        rc = check_state(run, resume, err);
    medvl_free(lock);
    if (rc < 0)
        medvl_rundir_release(run);
    return rc;
}

void medvl_rundir_release(struct medvl_rundir *run)
{
    if (run->log)
        close(run->log - 1);
    medvl_lock_release(&run->lock);
    medvl_free(run->path);
    memset(run, 0, sizeof(*run));
}

int medvl_rundir_step_path(char **out, const struct medvl_rundir *run,
                           int64_t step, const char *suffix,
                           struct medvl_error *err)
{
    struct medvl_text text = {0};
    int rc = medvl_text_printf(&text, err, "%s/step-%06lld%s", run->path,
                               (long long)step, suffix);

    *out = text.data;
    return rc;
}

int medvl_rundir_newest(int64_t *step, const struct medvl_rundir *run,
                        struct medvl_error *err)
{
    struct medvl_names names = {0};
    int rc = medvl_folder_list(&names, run->path, err);
    bool remains;

    *step = 0;
    for (size_t i = 0; rc == MEDVL_OK && i < names.count; i++) {
        if (step_of(names.items[i]) > *step)
            *step = step_of(names.items[i]);
        rc = is_remains(&remains, run, names.items[i], err);
        if (rc == MEDVL_OK && remains)
            rc = remove_name(run, names.items[i], err);
    }
    medvl_names_release(&names);
    return rc;
}

/* ---- the log --------------------------------------------------------- */

/* The step of a line, which must come after step `last`. */
static int line_step(int64_t *step, struct medvl_json_view *view,
                     struct medvl_span line, int64_t last,
                     struct medvl_error *err)
{
    int rc;

    if (line.size > MEDVL_RUNDIR_LINE)
        return medvl_fail(err, MEDVL_EFORMAT, "%zu bytes, at most %zu",
                          line.size, MEDVL_RUNDIR_LINE);
    rc = medvl_json_view_object(view, line, err);
    if (rc < 0)
        return rc;
    if (medvl_parse_int(step, medvl_json_view_get(view, "step"), last + 1,
                        INT64_MAX, NULL) < 0)
        return medvl_fail(err, MEDVL_EFORMAT,
                          "no \"step\", or none above %lld",
                          (long long)last);
    return MEDVL_OK;
}

/* Bytes of the lines up to `step`; one cut short at the end is no line. */
static int measure_log(size_t *keep, struct medvl_span log, int64_t step,
                       const char *path, struct medvl_error *err)
{
    struct medvl_json_view view = {0};
    int64_t at = 0, number = 1;
    int rc = MEDVL_OK;

    for (*keep = 0; *keep < log.size; number++) {
        const char *start = log.data + *keep;
        const char *end = memchr(start, '\n', log.size - *keep);

        if (!end)
            break;
        rc = line_step(&at, &view,
                       (struct medvl_span){start, (size_t)(end - start)}, at,
                       err);
        if (rc == MEDVL_EFORMAT)
            medvl_context(err, "%s:%lld: no line of this run", path,
                          (long long)number);
        if (rc < 0 || at > step)
            break;
        *keep += (size_t)(end - start) + 1;
    }
    medvl_json_view_release(&view);
    return rc;
}

/* Open for appending, with the first `keep` bytes alone. */
static int open_cut(struct medvl_rundir *run, const char *path, size_t keep,
                    struct medvl_error *err)
{
    const int fd =
        open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);

    if (fd >= 0 && ftruncate(fd, (off_t)keep) == 0 && fsync(fd) == 0) {
        run->log = fd + 1;
        return MEDVL_OK;
    }
    medvl_fail_output(err, path);
    if (fd >= 0)
        close(fd);
    return MEDVL_EOUTPUT;
}

int medvl_rundir_log_open(struct medvl_rundir *run, int64_t step,
                          struct medvl_error *err)
{
    struct medvl_mapping map = {0};
    char *path = NULL;
    size_t keep = 0;
    int rc = join(&path, run, "train.jsonl", err);

    if (rc == MEDVL_OK && medvl_file_exists(path))
        rc = medvl_mapping_open(&map, path, err);
    if (rc == MEDVL_OK)
        rc = measure_log(&keep,
                         (struct medvl_span){(const char *)map.data,
                                             map.size},
                         step, path, err);
    medvl_mapping_release(&map);
    if (rc == MEDVL_OK)
        rc = open_cut(run, path, keep, err);
    medvl_free(path);
    return rc;
}

int medvl_rundir_log(struct medvl_rundir *run, struct medvl_span line,
                     struct medvl_error *err)
{
    struct medvl_text text = {0};
    size_t done = 0;
    int rc = medvl_text_append(&text, line.data, line.size, err);

    if (rc == MEDVL_OK)
        rc = medvl_text_putc(&text, '\n', err);
    while (rc == MEDVL_OK && done < text.size) {
        const ssize_t n =
            write(run->log - 1, text.data + done, text.size - done);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            rc = medvl_fail(err, MEDVL_EOUTPUT, "%s/train.jsonl: %s",
                            run->path, strerror(errno));
        else
            done += (size_t)n;
    }
    medvl_text_release(&text);
    return rc;
}

/* ---- checkpoints ----------------------------------------------------- */

/* Remove the oldest checkpoints; names are sorted, but not by number. */
static int remove_old(const struct medvl_rundir *run, int64_t newest,
                      int64_t best, int64_t keep, struct medvl_error *err)
{
    struct medvl_names names = {0};
    int rc = medvl_folder_list(&names, run->path, err);

    for (size_t i = 0; rc == MEDVL_OK && i < names.count; i++) {
        const int64_t step = step_of(names.items[i]);
        int64_t newer = 0;

        if (step < 0 || step == newest || step == best)
            continue;
        for (size_t k = 0; k < names.count; k++)
            newer += step_of(names.items[k]) > step;
        if (newer >= keep)
            rc = remove_name(run, names.items[i], err);
    }
    medvl_names_release(&names);
    return rc;
}

int medvl_rundir_latest(char **out, const struct medvl_rundir *run,
                        int64_t step, struct medvl_error *err)
{
    char *folder = NULL;
    int rc = medvl_rundir_step_path(&folder, run, step, "", err);

    *out = NULL;
    if (rc == MEDVL_OK)
        rc = join(out, run, "latest", err);
    if (rc == MEDVL_OK)
        rc = medvl_link_replace(strrchr(folder, '/') + 1, *out, err);
    medvl_free(folder);
    return rc;
}

int medvl_rundir_publish(const struct medvl_rundir *run, int64_t step,
                         int64_t best, int64_t keep, struct medvl_error *err)
{
    char *from = NULL, *to = NULL, *latest = NULL;
    int rc = medvl_rundir_step_path(&from, run, step, ".tmp", err);

    if (rc == MEDVL_OK)
        rc = medvl_rundir_step_path(&to, run, step, "", err);
    if (rc == MEDVL_OK)
        rc = medvl_path_publish(from, to, err);
    if (rc == MEDVL_OK)
        rc = medvl_rundir_latest(&latest, run, step, err);
    if (rc == MEDVL_OK)
        rc = remove_old(run, step, best, keep, err);
    medvl_free(from);
    medvl_free(to);
    medvl_free(latest);
    return rc;
}

static int link_file(const struct medvl_rundir *run, const char *folder,
                     const char *name, struct medvl_error *err)
{
    char *target = NULL, *path = NULL;
    int rc = medvl_path_join(&target, folder, name, err);

    if (rc == MEDVL_OK)
        rc = join(&path, run, name, err);
    if (rc == MEDVL_OK)
        rc = medvl_link_replace(target, path, err);
    medvl_free(target);
    medvl_free(path);
    return rc;
}

int medvl_rundir_finish(const struct medvl_rundir *run, int64_t step,
                        struct medvl_error *err)
{
    struct medvl_names names = {0};
    char *folder = NULL;
    const char *base;
    int rc = medvl_rundir_step_path(&folder, run, step, "", err);

    if (rc == MEDVL_OK)
        rc = medvl_folder_list(&names, folder, err);
    if (rc < 0)
        goto done;
    base = strrchr(folder, '/') + 1;
    for (size_t i = 0; rc == MEDVL_OK && i < names.count; i++)
        if (strcmp(names.items[i], "trainer.safetensors") &&
            strcmp(names.items[i], "config.json"))
            rc = link_file(run, base, names.items[i], err);
    if (rc == MEDVL_OK)
        rc = link_file(run, base, "config.json", err);
done:
    medvl_names_release(&names);
    medvl_free(folder);
    return rc;
}
