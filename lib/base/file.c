/*
 * Files and folders over POSIX calls.  What is written under a temporary
 * name is synced before it is renamed, and the folder after.
 *
 * Read next: secret.c.
 */
#include "lib/base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/mem.h"

static char *with_tail(const char *path, const char *tail)
{
    struct medvl_text text = {0};

    if (medvl_text_puts(&text, path, NULL) < 0 ||
        medvl_text_puts(&text, tail, NULL) < 0) {
        medvl_text_release(&text);
        return NULL;
    }
    return text.data;
}

/* ---- whole files ----------------------------------------------------- */

static int read_all(struct medvl_text *out, int fd, size_t hint,
                    const char *path, size_t max, struct medvl_error *err)
{
    const size_t start = out->size;
    size_t want = hint + 1; /* one more, so the end shows at once */
    ssize_t got;
    int rc;

    do {
        rc = medvl_text_reserve(out, want, err);
        if (rc < 0)
            return rc;
        do
            got = read(fd, out->data + out->size, want);
        while (got < 0 && errno == EINTR);
        if (got < 0)
            return medvl_fail_system(err, path);
        out->size += (size_t)got;
        if (out->size - start > max)
            return medvl_fail(err, MEDVL_EARG, "%s: more than %zu bytes",
                              path, max);
        want = 65536;
    } while (got > 0);
    out->data[out->size] = '\0';
    return MEDVL_OK;
}

static int not_regular(struct medvl_error *err, const char *path)
{
    return medvl_fail(err, MEDVL_EIO, "%s: not a regular file", path);
}

/* A descriptor, or below 0; never waits for the other end of a pipe. */
static int open_regular(struct stat *st, const char *path,
                        struct medvl_error *err)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    int rc = MEDVL_OK;

    if (fd < 0) /* ENXIO: a socket */
        return errno == ENXIO ? not_regular(err, path)
                              : medvl_fail_system(err, path);
    if (fstat(fd, st) < 0)
        rc = medvl_fail_system(err, path);
    else if (!S_ISREG(st->st_mode))
        rc = not_regular(err, path);
    if (rc == MEDVL_OK)
        return fd;
    close(fd);
    return rc;
}

/* Read `fd`, which is closed. */
static int read_open(struct medvl_text *out, int fd, const struct stat *st,
                     const char *path, size_t max, struct medvl_error *err)
{
    const size_t hint = S_ISREG(st->st_mode) ? (size_t)st->st_size : 0;
    const size_t start = out->size;
    int rc;

    if (hint > max)
        rc = medvl_fail(err, MEDVL_EARG, "%s: %zu bytes, at most %zu taken",
                        path, hint, max);
    else
        rc = read_all(out, fd, hint, path, max, err);
    close(fd);
    if (rc < 0 && out->data) {
        out->size = start;
        out->data[start] = '\0';
    }
    return rc;
}

int medvl_file_read(struct medvl_text *out, const char *path, size_t max,
                    struct medvl_error *err)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;

    if (fd < 0)
        return medvl_fail_system(err, path);
    if (fstat(fd, &st) < 0)
        st.st_mode = 0;
    return read_open(out, fd, &st, path, max, err);
}

int medvl_file_read_regular(struct medvl_text *out, const char *path,
                            size_t max, struct medvl_error *err)
{
    struct stat st;
    const int fd = open_regular(&st, path, err);

    return fd < 0 ? fd : read_open(out, fd, &st, path, max, err);
}

static int write_all(int fd, const char *data, size_t size, const char *path,
                     struct medvl_error *err)
{
    while (size) {
        const ssize_t put = write(fd, data, size);

        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return medvl_fail_output(err, path);
        data += put;
        size -= (size_t)put;
    }
    return MEDVL_OK;
}

/* A folder that cannot be synced (EINVAL on some systems) is no failure. */
static int sync_folder_of(const char *path, struct medvl_error *err)
{
    const char *slash = strrchr(path, '/');
    int fd, rc = MEDVL_OK;
    char *folder;

    if (slash)
        folder = medvl_copy_string(path, (size_t)(slash - path) + 1);
    else
        folder = medvl_copy_string(".", 1);
    if (!folder)
        return medvl_no_memory(err);
    fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || (fsync(fd) < 0 && errno != EINVAL))
        rc = medvl_fail_output(err, folder);
    if (fd >= 0)
        close(fd);
    medvl_free(folder);
    return rc;
}

/* Is it there and not a regular file: a device, a pipe? */
static bool is_special(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && !S_ISREG(st.st_mode);
}

static int write_to(const char *path, const void *data, size_t size,
                    bool special, struct medvl_error *err)
{
    int fd, rc;

    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0)
        return medvl_fail_output(err, path);
    rc = write_all(fd, data, size, path, err);
    if (rc == MEDVL_OK && !special && fsync(fd) < 0)
        rc = medvl_fail_output(err, path);
    if (close(fd) < 0 && rc == MEDVL_OK)
        rc = medvl_fail_output(err, path);
    return rc;
}

int medvl_file_write(const char *path, const void *data, size_t size,
                     struct medvl_error *err)
{
    char *temp;
    int rc;

    if (is_special(path))
        return write_to(path, data, size, true, err);
    temp = with_tail(path, ".tmp");
    if (!temp)
        return medvl_no_memory(err);
    rc = write_to(temp, data, size, false, err);
    if (rc == MEDVL_OK && rename(temp, path) < 0)
        rc = medvl_fail_output(err, path);
    if (rc == MEDVL_OK)
        rc = sync_folder_of(path, err);
    else
        unlink(temp);
    medvl_free(temp);
    return rc;
}

static int copy_bytes(int to, int from, const char *target,
                      const char *source, struct medvl_error *err)
{
    char piece[65536];
    ssize_t got;
    int rc = MEDVL_OK;

    do {
        do
            got = read(from, piece, sizeof(piece));
        while (got < 0 && errno == EINTR);
        if (got < 0)
            return medvl_fail_system(err, source);
        rc = write_all(to, piece, (size_t)got, target, err);
    } while (rc == MEDVL_OK && got > 0);
    if (rc == MEDVL_OK && fsync(to) < 0)
        rc = medvl_fail_output(err, target);
    return rc;
}

int medvl_file_copy(const char *to, const char *from, struct medvl_error *err)
{
    char *temp = with_tail(to, ".tmp");
    int in = -1, out = -1, rc = MEDVL_OK;
    struct stat st;

    if (!temp)
        return medvl_no_memory(err);
    in = open_regular(&st, from, err);
    if (in < 0) {
        rc = in;
    } else {
        out = open(temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
        rc = out < 0 ? medvl_fail_output(err, temp)
                     : copy_bytes(out, in, temp, from, err);
    }
    if (in >= 0)
        close(in);
    if (out >= 0 && close(out) < 0 && rc == MEDVL_OK)
        rc = medvl_fail_output(err, temp);
    if (rc == MEDVL_OK && rename(temp, to) < 0)
        rc = medvl_fail_output(err, to);
    if (rc == MEDVL_OK)
        rc = sync_folder_of(to, err);
    else if (out >= 0)
        unlink(temp);
    medvl_free(temp);
    return rc;
}

int medvl_mapping_open(struct medvl_mapping *map, const char *path,
                       struct medvl_error *err)
{
    struct stat st;
    void *data = NULL;
    int fd, rc = MEDVL_OK;

    *map = (struct medvl_mapping){0};
    fd = open_regular(&st, path, err);
    if (fd < 0)
        return fd;
    if (st.st_size) {
        data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (data == MAP_FAILED)
            rc = medvl_fail_system(err, path);
    }
    close(fd);
    if (rc == MEDVL_OK && data) {
        map->data = data;
        map->size = (size_t)st.st_size;
    }
    return rc;
}

void medvl_mapping_release(struct medvl_mapping *map)
{
    if (map->data)
        munmap((void *)map->data, map->size);
    *map = (struct medvl_mapping){0};
}

/* ---- names ----------------------------------------------------------- */

const char *medvl_file_pointer(const void *data, size_t size)
{
    static const char MARK[] = "version https://git-lfs.github.com/";

    if (size < sizeof(MARK) - 1 || memcmp(data, MARK, sizeof(MARK) - 1) != 0)
        return NULL;
    return "is what Git LFS put in place of the file; run \"git lfs pull\" "
           "in its folder";
}

bool medvl_file_exists(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && !S_ISDIR(st.st_mode);
}

bool medvl_folder_exists(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static bool is_same(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* Stat the folder that `path` stands in; false when there is none. */
static bool stat_folder_of(struct stat *st, const char *path,
                           const char **name)
{
    const char *slash = strrchr(path, '/');
    const size_t size = slash ? (size_t)(slash - path) + 1 : 0;
    char folder[PATH_MAX] = "."; /* the system takes no longer one */

    *name = path + size;
    if (size >= sizeof(folder))
        return false;
    if (size) {
        memcpy(folder, path, size);
        folder[size] = '\0';
    }
    return stat(folder, st) == 0;
}

bool medvl_path_same(const char *a, const char *b)
{
    struct stat one, other;
    const char *a_name, *b_name;

    if (stat(a, &one) == 0 && stat(b, &other) == 0 && is_same(&one, &other))
        return !S_ISCHR(one.st_mode);
    return stat_folder_of(&one, a, &a_name) &&
           stat_folder_of(&other, b, &b_name) && is_same(&one, &other) &&
           strcmp(a_name, b_name) == 0;
}

int medvl_file_identify(struct medvl_file_id *out, const char *path,
                        struct medvl_error *err)
{
    struct stat st;

    if (stat(path, &st) < 0)
        return medvl_fail_system(err, path);
    *out = (struct medvl_file_id){st.st_dev, st.st_ino};
    return MEDVL_OK;
}

int medvl_file_size(int64_t *out, const char *path, struct medvl_error *err)
{
    struct stat st;

    if (stat(path, &st) < 0)
        return medvl_fail_system(err, path);
    if (!S_ISREG(st.st_mode))
        return not_regular(err, path);
    *out = st.st_size;
    return MEDVL_OK;
}

int medvl_folder_make(const char *path, struct medvl_error *err)
{
    char *copy, *at;
    int rc = MEDVL_OK;

    copy = medvl_copy_string(path, strlen(path));
    if (!copy)
        return medvl_no_memory(err);
    for (at = copy; *at && rc == MEDVL_OK;) {
        char kept;

        at += strspn(at, "/");
        at += strcspn(at, "/");
        kept = *at;
        *at = '\0';
        if (mkdir(copy, 0777) < 0 && !medvl_folder_exists(copy))
            rc = medvl_fail_output(err, copy);
        *at = kept;
    }
    medvl_free(copy);
    return rc;
}

/* Make the folders that the last name of `path` stands in. */
static int make_parents(const char *path, size_t size,
                        struct medvl_error *err)
{
    char *parents;
    int rc;

    while (size && path[size - 1] != '/')
        size--;
    if (!size)
        return MEDVL_OK;
    parents = medvl_copy_string(path, size);
    if (!parents)
        return medvl_no_memory(err);
    rc = medvl_folder_make(parents, err);
    medvl_free(parents);
    return rc;
}

int medvl_folder_make_own(char **out, const char *path, const char *tail,
                          struct medvl_error *err)
{
    size_t size = strlen(path);
    int rc;

    *out = NULL;
    while (size > 1 && path[size - 1] == '/')
        size--;
    rc = make_parents(path, size, err);
    /* The process's number, then the next ones: mkdir says which is free. */
    for (long number = getpid(); rc == MEDVL_OK; number++) {
        struct medvl_text name = {0};

        rc = medvl_text_printf(&name, err, "%.*s%s-%ld", (int)size, path,
                               tail, number);
        if (rc == MEDVL_OK && mkdir(name.data, 0777) == 0) {
            *out = name.data;
            return MEDVL_OK;
        }
        if (rc == MEDVL_OK && errno != EEXIST)
            rc = medvl_fail_output(err, name.data);
        medvl_text_release(&name);
    }
    return rc;
}

int medvl_path_remove(const char *path, struct medvl_error *err)
{
    char *const roots[] = {(char *)path, NULL};
    FTSENT *entry;
    FTS *walk;
    int rc = MEDVL_OK;

    walk = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    if (!walk)
        return medvl_fail_output(err, path);
    while (rc == MEDVL_OK && (errno = 0, entry = fts_read(walk))) {
        int failed = 0;

        if (entry->fts_info == FTS_D)
            continue;
        if (entry->fts_info == FTS_DP)
            failed = rmdir(entry->fts_path);
        else if (entry->fts_info == FTS_DNR || entry->fts_info == FTS_ERR)
            errno = entry->fts_errno, failed = -1;
        else
            failed = unlink(entry->fts_path);
        if (failed < 0 && errno != ENOENT)
            rc = medvl_fail_output(err, entry->fts_path);
    }
    if (rc == MEDVL_OK && errno)
        rc = medvl_fail_output(err, path);
    fts_close(walk);
    return rc;
}

static int sync_path(const char *path, struct medvl_error *err)
{
    int fd, rc = MEDVL_OK;

    fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return medvl_fail_output(err, path);
    if (fsync(fd) < 0 && errno != EINVAL)
        rc = medvl_fail_output(err, path);
    close(fd);
    return rc;
}

int medvl_path_publish(const char *from, const char *to,
                       struct medvl_error *err)
{
    char *const roots[] = {(char *)from, NULL};
    FTSENT *entry;
    FTS *walk;
    int rc = MEDVL_OK;

    walk = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    if (!walk)
        return medvl_fail_output(err, from);
    while (rc == MEDVL_OK && (errno = 0, entry = fts_read(walk))) {
        if (entry->fts_info == FTS_F || entry->fts_info == FTS_DP)
            rc = sync_path(entry->fts_path, err);
        else if (entry->fts_errno && entry->fts_info != FTS_D)
            errno = entry->fts_errno,
            rc = medvl_fail_output(err, entry->fts_path);
    }
    if (rc == MEDVL_OK && errno)
        rc = medvl_fail_output(err, from);
    fts_close(walk);
    if (rc == MEDVL_OK && rename(from, to) < 0)
        rc = medvl_fail_output(err, to);
    if (rc == MEDVL_OK)
        rc = sync_folder_of(to, err);
    return rc;
}

int medvl_link_replace(const char *target, const char *path,
                       struct medvl_error *err)
{
    char *temp = with_tail(path, ".tmp");
    int rc = MEDVL_OK;

    if (!temp)
        return medvl_no_memory(err);
    unlink(temp);
    if (symlink(target, temp) < 0)
        rc = medvl_fail_output(err, temp);
    else if (rename(temp, path) < 0)
        rc = medvl_fail_output(err, path);
    if (rc == MEDVL_OK)
        rc = sync_folder_of(path, err);
    else
        unlink(temp);
    medvl_free(temp);
    return rc;
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int add_name(struct medvl_names *names, const char *name,
                    struct medvl_error *err)
{
    char *copy;
    int rc;

    rc = medvl_grow(&names->items, &names->capacity, names->count + 1,
                    sizeof(*names->items), err);
    if (rc < 0)
        return rc;
    copy = medvl_copy_string(name, strlen(name));
    if (!copy)
        return medvl_no_memory(err);
    names->items[names->count++] = copy;
    return MEDVL_OK;
}

int medvl_folder_list(struct medvl_names *names, const char *path,
                      struct medvl_error *err)
{
    struct dirent *entry;
    int rc = MEDVL_OK;
    DIR *dir;

    *names = (struct medvl_names){0};
    dir = opendir(path);
    if (!dir)
        return medvl_fail_system(err, path);
    while (rc == MEDVL_OK && (errno = 0, entry = readdir(dir)))
        if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
            rc = add_name(names, entry->d_name, err);
    if (rc == MEDVL_OK && errno)
        rc = medvl_fail_system(err, path);
    closedir(dir);
    if (rc < 0)
        medvl_names_release(names);
    else if (names->count)
        qsort(names->items, names->count, sizeof(*names->items), by_bytes);
    return rc;
}

void medvl_names_release(struct medvl_names *names)
{
    size_t i;

    for (i = 0; i < names->count; i++)
        medvl_free(names->items[i]);
    medvl_free(names->items);
    *names = (struct medvl_names){0};
}

/* Those directly in it. */
static int find_below(char **out, const char *folder, const char *name,
                      struct medvl_error *err)
{
    struct medvl_names names = {0};
    int rc = medvl_folder_list(&names, folder, err);

    if (rc == MEDVL_EIO)
        return MEDVL_OK;
    for (size_t i = 0; i < names.count && rc == MEDVL_OK && !*out; i++) {
        char *below = NULL, *path = NULL;

        rc = medvl_path_join(&below, folder, names.items[i], err);
        if (rc == MEDVL_OK)
            rc = medvl_path_join(&path, below, name, err);
        if (rc == MEDVL_OK && medvl_file_exists(path)) {
            *out = below;
            below = NULL;
        }
        medvl_free(below);
        medvl_free(path);
    }
    medvl_names_release(&names);
    return rc;
}

int medvl_folder_below(char **out, const char *folder, const char *name,
                       struct medvl_error *err)
{
    char *hub = NULL;
    int rc;

    *out = NULL;
    rc = find_below(out, folder, name, err);
    if (rc == MEDVL_OK && !*out)
        rc = medvl_path_join(&hub, folder, "snapshots", err);
    if (hub)
        rc = find_below(out, hub, name, err);
    medvl_free(hub);
    return rc;
}

int medvl_path_join(char **out, const char *folder, const char *name,
                    struct medvl_error *err)
{
    const size_t size = strlen(folder);
    const bool alone = !size || name[0] == '/';
    struct medvl_text text = {0};
    int rc = MEDVL_OK;

    *out = NULL;
    if (!alone)
        rc = medvl_text_puts(&text, folder, err);
    if (rc == MEDVL_OK && !alone && folder[size - 1] != '/')
        rc = medvl_text_putc(&text, '/', err);
    if (rc == MEDVL_OK)
        rc = medvl_text_puts(&text, name, err);
    if (rc < 0)
        medvl_text_release(&text);
    else
        *out = text.data;
    return rc;
}

/* ---- locks ----------------------------------------------------------- */

int medvl_lock_take(struct medvl_lock *lock, const char *path,
                    struct medvl_error *err)
{
    int fd, rc;

    lock->fd = 0;
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0)
        return medvl_fail_output(err, path);
    if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        rc = errno == EWOULDBLOCK
                 ? medvl_fail(err, MEDVL_EARG,
                              "%s: another process holds this lock", path)
                 : medvl_fail_output(err, path);
        close(fd);
        return rc;
    }
    lock->fd = fd + 1;
    return MEDVL_OK;
}

void medvl_lock_release(struct medvl_lock *lock)
{
    if (lock->fd)
        close(lock->fd - 1);
    lock->fd = 0;
}
