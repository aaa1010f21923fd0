/*
 * Volumes from the helper, and slices of them.
 *
 * The helper's answer is not trusted: sizes are checked here again before
 * anything is allocated for them.
 *
 * Read next: resize.c.
 */
#include "lib/image/volume.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/file.h"
#include "lib/base/mem.h"

extern char **environ;

size_t medvl_voxel_bytes(enum medvl_voxel type)
{
    switch (type) {
    case MEDVL_VOXEL_U8: return 1;
    case MEDVL_VOXEL_I16:
    case MEDVL_VOXEL_U16: return 2;
    case MEDVL_VOXEL_I32:
    case MEDVL_VOXEL_F32: return 4;
    }
    return 0;
}

void medvl_volume_release(struct medvl_volume *volume)
{
    medvl_free(volume->data);
    *volume = (struct medvl_volume){0};
}

/* ---- the helper --------------------------------------------------------- */

struct helper {
    pid_t pid;
    int fd;         /* its standard output */
    int64_t end_ms; /* when it is stopped */
};

static int64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Where the build has it, as seen from this program; else installed. */
static int find_helper(struct medvl_text *out, struct medvl_error *err)
{
    char exe[4096];
    const ssize_t size = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
    char *slash;
    int rc;

    exe[size > 0 ? size : 0] = 0;
    slash = strrchr(exe, '/');
    if (slash)
        *slash = 0;
    rc = medvl_text_printf(out, err, "%s/../libexec/medvl-decode", exe);
    if (rc < 0 || access(out->data, X_OK) == 0)
        return rc;
    medvl_text_clear(out);
    rc = medvl_text_puts(out, MEDVL_LIBEXECDIR "/medvl-decode", err);
    if (rc < 0 || access(out->data, X_OK) == 0)
        return rc;
    return medvl_fail(err, MEDVL_EIO,
                      "the helper medvl-decode is neither in %s/../libexec "
                      "nor in " MEDVL_LIBEXECDIR,
                      exe);
}

static int start_helper(struct helper *helper, const char *program,
                        const char *path, struct medvl_error *err)
{
    char *const argv[] = {(char *)"medvl-decode", (char *)"nifti",
                          (char *)path, NULL};
    posix_spawn_file_actions_t files;
    int ends[2], problem;

    if (pipe2(ends, O_CLOEXEC) != 0)
        return medvl_fail(err, MEDVL_EIO, "pipe: %s", strerror(errno));
    problem = posix_spawn_file_actions_init(&files);
    if (!problem) {
        problem = posix_spawn_file_actions_adddup2(&files, ends[1], 1);
        if (!problem)
            problem = posix_spawn_file_actions_addopen(&files, 0, "/dev/null",
                                                       O_RDONLY, 0);
        if (!problem)
            problem = posix_spawn_file_actions_addopen(&files, 2, "/dev/null",
                                                       O_WRONLY, 0);
        if (!problem)
            problem = posix_spawn(&helper->pid, program, &files, NULL, argv,
                                  environ);
        posix_spawn_file_actions_destroy(&files);
    }
    close(ends[1]);
    helper->fd = ends[0];
    if (problem) {
        close(ends[0]);
        return medvl_fail(err, MEDVL_EIO, "%s: %s", program,
                          strerror(problem));
    }
    return MEDVL_OK;
}

/* Exactly `size` bytes, or MEDVL_EIO. */
static int read_helper(struct helper *helper, void *out, size_t size,
                       struct medvl_error *err)
{
    char *at = out;

    while (size) {
        struct pollfd ready = {.fd = helper->fd, .events = POLLIN};
        const int64_t left = helper->end_ms - now_ms();
        ssize_t n;

        if (left <= 0)
            return medvl_fail(err, MEDVL_EIO, "decoding took too long");
        n = poll(&ready, 1, left > 1000000 ? 1000000 : (int)left);
        if (n > 0)
            n = read(helper->fd, at, size < 1 << 20 ? size : 1 << 20);
        else if (n == 0)
            continue;
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return medvl_fail(err, MEDVL_EIO,
                              "the decoder stopped before the end");
        at += n;
        size -= (size_t)n;
    }
    return MEDVL_OK;
}

/* The child is gone after this, whatever it was doing. */
static int stop_helper(struct helper *helper, int rc, struct medvl_error *err)
{
    int status = 0;

    close(helper->fd);
    if (rc < 0)
        kill(helper->pid, SIGKILL);
    while (waitpid(helper->pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (rc < 0 || (WIFEXITED(status) && WEXITSTATUS(status) == 0))
        return rc;
    return medvl_fail(err, MEDVL_EIO, "the decoder failed");
}

static bool is_sound(const struct medvl_decode_header *h)
{
    int64_t all = 1;

    if (h->magic != MEDVL_DECODE_MAGIC)
        return false;
    if (h->status < 0)
        return h->bytes < sizeof(((struct medvl_error *)0)->text);
    if (h->type < MEDVL_VOXEL_U8 || h->type > MEDVL_VOXEL_F32)
        return false;
    for (int i = 0; i < 3; i++) {
        if (h->size[i] < 1 || h->size[i] > MEDVL_PICTURE_SIDE)
            return false;
        all *= h->size[i];
    }
    return all <= MEDVL_VOLUME_VOXELS &&
           h->bytes == (uint64_t)all *
                           medvl_voxel_bytes((enum medvl_voxel)h->type);
}

static int read_answer(struct medvl_volume *out, struct helper *helper,
                       struct medvl_error *err)
{
    struct medvl_decode_header h = {0};
    int rc = read_helper(helper, &h, sizeof(h), err);

    if (rc < 0)
        return rc;
    if (!is_sound(&h))
        return medvl_fail(err, MEDVL_EIO, "the decoder answers nonsense");
    if (h.status < 0) {
        char text[sizeof(err->text)] = "";

        rc = read_helper(helper, text, h.bytes, err);
        return rc < 0 ? rc
                      : medvl_fail(err, (enum medvl_status)h.status, "%s",
                                   text);
    }
    out->data = medvl_alloc(h.bytes, 1);
    if (!out->data)
        return medvl_no_memory(err);
    memcpy(out->size, h.size, sizeof(out->size));
    memcpy(out->spacing, h.spacing, sizeof(out->spacing));
    memcpy(out->affine, h.affine, sizeof(out->affine));
    out->slope = h.slope;
    out->offset = h.offset;
    out->type = (enum medvl_voxel)h.type;
    return read_helper(helper, out->data, h.bytes, err);
}

int medvl_volume_read(struct medvl_volume *out, const char *path,
                      const char *program, int seconds,
                      struct medvl_error *err)
{
    struct medvl_text found = {0};
    struct helper helper = {0};
    int64_t size;
    int rc = medvl_file_size(&size, path, err);

    *out = (struct medvl_volume){0};
    if (rc == MEDVL_OK && !program) {
        rc = find_helper(&found, err);
        program = found.data;
    }
    if (rc == MEDVL_OK) {
        helper.end_ms = now_ms() + (int64_t)(seconds ? seconds : 120) * 1000;
        rc = start_helper(&helper, program, path, err);
        if (rc == MEDVL_OK) {
            rc = read_answer(out, &helper, err);
            rc = stop_helper(&helper, rc, err);
        }
        if (rc < 0) {
            medvl_volume_release(out);
            rc = medvl_context(err, "%s", path);
        }
    }
    medvl_text_release(&found);
    return rc;
}

/* ---- values ------------------------------------------------------------- */

static double stored(const struct medvl_volume *volume, size_t at)
{
    switch (volume->type) {
    case MEDVL_VOXEL_U8: return ((const uint8_t *)volume->data)[at];
    case MEDVL_VOXEL_I16: return ((const int16_t *)volume->data)[at];
    case MEDVL_VOXEL_U16: return ((const uint16_t *)volume->data)[at];
    case MEDVL_VOXEL_I32: return ((const int32_t *)volume->data)[at];
    case MEDVL_VOXEL_F32: return ((const float *)volume->data)[at];
    }
    return 0;
}

double medvl_volume_value(const struct medvl_volume *volume, int64_t i,
                          int64_t j, int64_t k)
{
    const size_t at = (size_t)(i + volume->size[0] *
                                       (j + volume->size[1] * k));

    return stored(volume, at) * volume->slope + volume->offset;
}

bool medvl_volume_is_grey8(const struct medvl_volume *volume)
{
    return volume->type == MEDVL_VOXEL_U8 && volume->slope == 1 &&
           volume->offset == 0;
}

static float shown(const void *from, size_t index)
{
    const struct medvl_volume *volume = from;

    return (float)(stored(volume, index) * volume->slope + volume->offset);
}

int medvl_volume_range(double *low, double *high,
                       const struct medvl_volume *volume,
                       const struct medvl_window *window,
                       struct medvl_error *err)
{
    return medvl_window_range(low, high, window, shown, volume,
                              (size_t)(volume->size[0] * volume->size[1] *
                                       volume->size[2]),
                              err);
}

bool medvl_volume_same_grid(const struct medvl_volume *a,
                            const struct medvl_volume *b)
{
    for (int i = 0; i < 3; i++)
        if (a->size[i] != b->size[i])
            return false;
    /* Eight corners; a shift of a hundredth of the smallest voxel. */
    for (int corner = 0; corner < 8; corner++)
        for (int r = 0; r < 3; r++) {
            double d = a->affine[r][3] - b->affine[r][3];

            for (int i = 0; i < 3; i++)
                if (corner & 1 << i)
                    d += (a->affine[r][i] - b->affine[r][i]) *
                         (double)a->size[i];
            if (!(fabs(d) <= 0.01 * fmin(a->spacing[0],
                                         fmin(a->spacing[1],
                                              a->spacing[2]))))
                return false;
        }
    return true;
}

/* ---- slices ------------------------------------------------------------- */

int medvl_axis_parse(enum medvl_axis *out, const char *name,
                     struct medvl_error *err)
{
    static const char *const NAMES[] = {"sagittal", "coronal", "axial"};

    for (int i = 0; i < 3; i++)
        if (strcmp(name, NAMES[i]) == 0) {
            *out = (enum medvl_axis)i;
            return MEDVL_OK;
        }
    return medvl_fail(err, MEDVL_EARG,
                      "'%s' is none of axial, coronal, sagittal", name);
}

/* Cosine between a patient's axis and a volume's, with its sign. */
static double cosine(const struct medvl_volume *volume, int patient, int axis)
{
    double norm = 0;

    for (int r = 0; r < 3; r++)
        norm += volume->affine[r][axis] * volume->affine[r][axis];
    return norm > 0 ? volume->affine[patient][axis] / sqrt(norm) : 0;
}

/* For each of the patient's axes the volume's, all different, so that the
 * sum of their cosines is the largest. */
static void match_axes(int match[3], const struct medvl_volume *volume)
{
    static const int ORDERS[6][3] = {
        {0, 1, 2},
        {0, 2, 1},
        {1, 0, 2},
        {1, 2, 0},
        {2, 0, 1},
        {2, 1, 0},
    };
    double best = -1;

    for (int o = 0; o < 6; o++) {
        double sum = 0;

        for (int p = 0; p < 3; p++)
            sum += fabs(cosine(volume, p, ORDERS[o][p]));
        if (sum > best + 1e-9) {
            best = sum;
            memcpy(match, ORDERS[o], sizeof(ORDERS[o]));
        }
    }
}

void medvl_slicing_init(struct medvl_slicing *out,
                        const struct medvl_volume *volume,
                        enum medvl_axis axis)
{
    const int across = (int)axis;
    const int column = axis == MEDVL_AXIS_SAGITTAL ? 1 : 0;
    const int row = axis == MEDVL_AXIS_AXIAL ? 1 : 2;
    int match[3];

    match_axes(match, volume);
    out->axis = match[across];
    out->column = match[column];
    out->row = match[row];
    out->axis_flip = cosine(volume, across, out->axis) < 0;
    out->column_flip = cosine(volume, column, out->column) < 0;
    out->row_flip = cosine(volume, row, out->row) > 0;
    out->count = volume->size[out->axis];
    out->width = volume->size[out->column];
    out->height = volume->size[out->row];
    out->spacing[0] = volume->spacing[out->column];
    out->spacing[1] = volume->spacing[out->row];
    out->spacing[2] = volume->spacing[out->axis];
}

static int64_t flipped(int64_t index, int64_t count, bool flip)
{
    return flip ? count - 1 - index : index;
}

double medvl_slicing_position(const struct medvl_slicing *slicing,
                              const struct medvl_volume *volume,
                              int64_t index)
{
    double at[3], sum;
    int match[3], patient = 0;

    match_axes(match, volume);
    while (match[patient] != slicing->axis)
        patient++;
    for (int i = 0; i < 3; i++)
        at[i] = (double)(volume->size[i] - 1) / 2;
    at[slicing->axis] =
        (double)flipped(index, slicing->count, slicing->axis_flip);
    sum = volume->affine[patient][3];
    for (int i = 0; i < 3; i++)
        sum += volume->affine[patient][i] * at[i];
    return sum;
}

void medvl_slice_values(float *out, const struct medvl_volume *volume,
                        const struct medvl_slicing *slicing, int64_t index)
{
    const int64_t step[3] = {1, volume->size[0],
                             volume->size[0] * volume->size[1]};
    const int64_t base =
        step[slicing->axis] *
        flipped(index, slicing->count, slicing->axis_flip);

    for (int64_t y = 0; y < slicing->height; y++) {
        const int64_t row =
            base + step[slicing->row] *
                       flipped(y, slicing->height, slicing->row_flip);

        for (int64_t x = 0; x < slicing->width; x++) {
            const int64_t at =
                row + step[slicing->column] *
                          flipped(x, slicing->width, slicing->column_flip);

            *out++ = shown(volume, (size_t)at);
        }
    }
}

bool medvl_slicing_content(int64_t low[3], int64_t high[3],
                           const struct medvl_volume *volume,
                           const struct medvl_slicing *slicing)
{
    const int axes[3] = {slicing->column, slicing->row, slicing->axis};
    const bool flips[3] = {slicing->column_flip, slicing->row_flip,
                           slicing->axis_flip};
    int64_t first[3], last[3] = {-1, -1, -1}, at[3];
    size_t i = 0;

    memcpy(first, volume->size, sizeof(first));
    for (at[2] = 0; at[2] < volume->size[2]; at[2]++)
        for (at[1] = 0; at[1] < volume->size[1]; at[1]++)
            for (at[0] = 0; at[0] < volume->size[0]; at[0]++, i++) {
                if (stored(volume, i) * volume->slope + volume->offset == 0)
                    continue;
                for (int a = 0; a < 3; a++) {
                    first[a] = at[a] < first[a] ? at[a] : first[a];
                    last[a] = at[a] > last[a] ? at[a] : last[a];
                }
            }
    for (int a = 0; a < 3; a++) {
        const int64_t size = volume->size[axes[a]];
        const int64_t f = first[axes[a]], l = last[axes[a]];

        low[a] = flips[a] ? size - 1 - l : f;
        high[a] = (flips[a] ? size - 1 - f : l) + 1;
    }
    return last[0] >= 0;
}
