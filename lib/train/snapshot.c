/*
 * trainer.safetensors: the optimiser's tensors; where the run stood as
 * metadata, numbers printed so that they read back the same.
 */
#include "lib/train/snapshot.h"

#include <stdio.h>

#include "lib/base/mem.h"

#define CARD_MOST ((size_t)64 << 20)

/* ---- writing --------------------------------------------------------- */

static int check_finite(const struct medvl_session *s,
                        struct medvl_error *err)
{
    for (int64_t i = 0; i < s->item_count; i++) {
        const struct medvl_param *param = s->items[i].param;

        if (!s->dev->ops->finite(s->dev, &param->value))
            return medvl_fail(err, MEDVL_EFORMAT,
                              "step %lld: %s is not finite; no checkpoint "
                              "is made of it",
                              (long long)s->step, param->name);
    }
    return MEDVL_OK;
}

static int write_state(struct medvl_session *s, const char *folder,
                       struct medvl_error *err)
{
    struct medvl_safetensors_entry *entries;
    const int64_t count = medvl_optim_state(&entries, s->optim);
    char numbers[4][32], best[32];
    const char *const metadata[] = {
        "step", numbers[0], "epoch", numbers[1], "position", numbers[2],
        "best_step", numbers[3], "best", best, NULL};
    const int64_t values[] = {s->step, s->epoch, s->position, s->best_step};
    char *path = NULL;
    int rc = medvl_path_join(&path, folder, "trainer.safetensors", err);

    for (int i = 0; i < 4; i++)
        snprintf(numbers[i], sizeof(numbers[i]), "%lld",
                 (long long)values[i]);
    medvl_format_double(best, s->best);
    if (rc == MEDVL_OK)
        rc = medvl_safetensors_write(path, entries, count, metadata, err);
    medvl_free(path);
    return rc;
}

static int write_heads(const struct medvl_session *s, const char *folder,
                       struct medvl_error *err)
{
    char *path = NULL;
    int rc;

    if (!s->dense)
        return MEDVL_OK;
    rc = medvl_path_join(&path, folder, "heads.safetensors", err);
    if (rc == MEDVL_OK)
        rc = medvl_dense_write(s->dense, path, err);
    medvl_free(path);
    return rc;
}

static int write_card(const struct medvl_session *s, const char *folder,
                      struct medvl_error *err)
{
    char *path = NULL;
    int rc = medvl_path_join(&path, folder, "README.md", err);

    if (rc == MEDVL_OK)
        rc = medvl_file_write(path, s->card.data, s->card.size, err);
    medvl_free(path);
    return rc;
}

static int write_folder(struct medvl_session *s, const char *folder,
                        struct medvl_error *err)
{
    int rc = medvl_path_remove(folder, err);

    if (rc == MEDVL_OK)
        rc = medvl_folder_make(folder, err);
    if (rc < 0)
        return rc;
    medvl_optim_swap(s->optim);
    rc = medvl_model_write(s->model, folder, NULL, err);
    if (rc == MEDVL_OK)
        rc = write_heads(s, folder, err);
    medvl_optim_swap(s->optim);
    if (rc == MEDVL_OK)
        rc = write_card(s, folder, err);
    if (rc == MEDVL_OK)
        rc = write_state(s, folder, err);
    return rc;
}

int medvl_snapshot_write(struct medvl_session *session,
                         const struct medvl_rundir *run,
                         struct medvl_error *err)
{
    struct medvl_session *s = session;
    char *folder = NULL;
    int rc = check_finite(s, err);

    if (rc == MEDVL_OK)
        rc = medvl_rundir_step_path(&folder, run, s->step, ".tmp", err);
    if (rc < 0)
        return rc;
    rc = write_folder(s, folder, err);
    if (rc == MEDVL_OK)
        rc = medvl_rundir_publish(run, s->step, s->best_step,
                                  s->options.keep, err);
    /* A full disk gets back what the attempt took. */
    if (rc < 0 && medvl_path_remove(folder, NULL) < 0)
        medvl_context(err, "%s is left behind", folder);
    medvl_free(folder);
    return rc;
}

/* ---- reading --------------------------------------------------------- */

static int read_int(int64_t *out, const struct medvl_safetensors *file,
                    const char *key, int64_t high, struct medvl_error *err)
{
    const char *text = medvl_safetensors_metadata(file, key);
    int rc;

    if (!text)
        return medvl_fail(err, MEDVL_EFORMAT, "\"%s\" is missing", key);
    rc = medvl_parse_int(out, medvl_span(text), 0, high, err);
    return rc < 0 ? medvl_context(err, "\"%s\"", key) : rc;
}

static int read_position(struct medvl_session *s,
                         const struct medvl_safetensors *file,
                         struct medvl_error *err)
{
    const char *best = medvl_safetensors_metadata(file, "best");
    int rc = read_int(&s->step, file, "step", s->steps, err);

    if (rc == MEDVL_OK)
        rc = read_int(&s->epoch, file, "epoch", s->options.epochs, err);
    if (rc == MEDVL_OK)
        rc = medvl_loader_steps(&s->epoch_steps, s->data, s->epoch, err);
    if (rc == MEDVL_OK)
        rc = read_int(&s->position, file, "position", s->epoch_steps, err);
    if (rc == MEDVL_OK)
        rc = read_int(&s->best_step, file, "best_step", s->step, err);
    if (rc == MEDVL_OK)
        rc = medvl_parse_real(&s->best, medvl_span(best ? best : ""), -1e300,
                              1e300, err);
    return rc == MEDVL_OK ? medvl_session_settle(s, err) : rc;
}

/* The page that the run's first process wrote: it saw the base model. */
static int read_card(struct medvl_session *s, const char *folder,
                     struct medvl_error *err)
{
    char *path = NULL;
    int rc = medvl_path_join(&path, folder, "README.md", err);

    if (rc == MEDVL_OK)
        rc = medvl_file_read_regular(&s->card, path, CARD_MOST, err);
    medvl_free(path);
    return rc;
}

int medvl_snapshot_read(struct medvl_session *session,
                        const struct medvl_rundir *run, int64_t step,
                        struct medvl_error *err)
{
    struct medvl_session *s = session;
    struct medvl_safetensors *file = NULL;
    char *folder = NULL, *path = NULL;
    int rc = medvl_rundir_step_path(&folder, run, step, "", err);

    if (rc == MEDVL_OK)
        rc = medvl_path_join(&path, folder, "trainer.safetensors", err);
    if (rc == MEDVL_OK)
        rc = medvl_safetensors_open(&file, path, err);
    if (rc == MEDVL_OK)
        rc = read_position(s, file, err);
    if (rc == MEDVL_OK && s->step != step)
        rc = medvl_fail(err, MEDVL_EFORMAT, "is of step %lld",
                        (long long)s->step);
    if (rc == MEDVL_OK)
        rc = medvl_optim_restore(s->optim, file, s->step, err);
    if (rc < 0 && path)
        medvl_context(err, "%s", path);
    if (rc == MEDVL_OK)
        rc = read_card(s, folder, err);
    medvl_safetensors_free(file);
    medvl_free(folder);
    medvl_free(path);
    return rc;
}
