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

/* A run puts model files here in the end: it must not be over others. */
static int check_empty(const struct medvl_rundir *run,
                       struct medvl_error *err)
{
    struct medvl_names names = {0};
    int rc = medvl_folder_list(&names, run->path, err);

    for (size_t i = 0; rc == MEDVL_OK && i < names.count; i++)
        if (strcmp(names.items[i], "lock") && !ends_tmp(names.items[i]))
            rc = medvl_fail(err, MEDVL_EARG,
                            "%s: holds %s: a run needs a folder of its own",
                            run->path, names.items[i]);
    medvl_names_release(&names);
    return rc;
}

static int check_state(const struct medvl_rundir *run, bool resume,
                       struct medvl_error *err)
{
    char *path = NULL;
    int rc = join(&path, run, "options.json", err);

    if (rc < 0)
        return rc;
    if (resume && !medvl_file_exists(path))
        rc = medvl_fail(err, MEDVL_EARG, "%s: holds no run to resume",
                        run->path);
    if (!resume && medvl_file_exists(path))
        rc = medvl_fail(err, MEDVL_EARG,
                        "%s: holds a run already; go on with --resume %s, "
                        "or remove it",
                        run->path, run->path);
    medvl_free(path);
    return rc < 0 || resume ? rc : check_empty(run, err);
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

/* The step of a name "step-NNNNNN"; -1 for any other name. */
static int64_t step_of(const char *name)
{
    struct medvl_span digits = medvl_span(name);
    int64_t step;

    if (strncmp(name, "step-", 5))
        return -1;
    digits.data += 5;
    digits.size -= 5;
    if (medvl_parse_int(&step, digits, 1, INT64_MAX, NULL) < 0)
        return -1;
    return step;
}

int medvl_rundir_newest(int64_t *step, const struct medvl_rundir *run,
                        struct medvl_error *err)
{
    struct medvl_names names = {0};
    int rc = medvl_folder_list(&names, run->path, err);

    *step = 0;
    for (size_t i = 0; rc == MEDVL_OK && i < names.count; i++) {
        char *path = NULL;

        if (step_of(names.items[i]) > *step)
            *step = step_of(names.items[i]);
        if (!ends_tmp(names.items[i]))
            continue;
        rc = join(&path, run, names.items[i], err);
        if (rc == MEDVL_OK)
            rc = medvl_path_remove(path, err);
        medvl_free(path);
    }
    medvl_names_release(&names);
    return rc;
}

/* Keep the lines whose "step" is at most `step`; a torn last line goes. */
static int cut_log(struct medvl_text *out, struct medvl_span log,
                   int64_t step, struct medvl_error *err)
{
    struct medvl_json_view view = {0};
    int rc = MEDVL_OK;

    while (log.size && rc == MEDVL_OK) {
        const char *end = memchr(log.data, '\n', log.size);
        struct medvl_span line = {log.data, 0};
        int64_t at;

        if (!end)
            break;
        line.size = (size_t)(end - log.data);
        log.data = end + 1;
        log.size -= line.size + 1;
        rc = medvl_json_view_object(&view, line, err);
        if (rc == MEDVL_OK)
            rc = medvl_parse_int(&at, medvl_json_view_get(&view, "step"), 0,
                                 INT64_MAX, err);
        if (rc == MEDVL_EFORMAT || rc == MEDVL_EARG) {
            rc = MEDVL_OK; /* no line of ours */
            continue;
        }
        if (rc == MEDVL_OK && at <= step)
            rc = medvl_text_append(out, line.data, line.size + 1, err);
    }
    medvl_json_view_release(&view);
    return rc;
}

int medvl_rundir_log_open(struct medvl_rundir *run, int64_t step,
                          struct medvl_error *err)
{
    struct medvl_text old = {0}, cut = {0};
    char *path = NULL;
    int fd, rc = join(&path, run, "train.jsonl", err);

    if (rc == MEDVL_OK && medvl_file_exists(path))
        rc = medvl_file_read(&old, path, SIZE_MAX / 4, err);
    if (rc == MEDVL_OK)
        rc = cut_log(&cut, medvl_text_span(&old), step, err);
    if (rc == MEDVL_OK)
        rc = medvl_file_write(path, cut.data, cut.size, err);
    if (rc < 0)
        goto done;
    fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
    if (fd < 0)
        rc = medvl_fail(err, MEDVL_EIO, "%s: %s", path, strerror(errno));
    else
        run->log = fd + 1;
done:
    medvl_text_release(&old);
    medvl_text_release(&cut);
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
            rc = medvl_fail(err, MEDVL_EIO, "%s/train.jsonl: %s", run->path,
                            strerror(errno));
        else
            done += (size_t)n;
    }
    medvl_text_release(&text);
    return rc;
}

/* Remove the oldest checkpoints; names are sorted, but not by number. */
static int remove_old(const struct medvl_rundir *run, int64_t newest,
                      int64_t best, int64_t keep, struct medvl_error *err)
{
    struct medvl_names names = {0};
    int rc = medvl_folder_list(&names, run->path, err);

    for (size_t i = 0; rc == MEDVL_OK && i < names.count; i++) {
        const int64_t step = step_of(names.items[i]);
        int64_t newer = 0;
        char *path = NULL;

        if (step < 0 || step == newest || step == best)
            continue;
        for (size_t k = 0; k < names.count; k++)
            newer += step_of(names.items[k]) > step;
        if (newer < keep)
            continue;
        rc = join(&path, run, names.items[i], err);
        if (rc == MEDVL_OK)
            rc = medvl_path_remove(path, err);
        medvl_free(path);
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
