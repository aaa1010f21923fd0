/*
 * A picture into a file, whole or not at all.
 *
 * Read next: resize.c.
 */
#include "lib/image/picture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/base/file.h"
#include "lib/base/hash.h"

static int write_all(const char *path, const struct medvl_text *bytes,
                     struct medvl_error *err)
{
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    size_t done = 0;
    int problem = 0;

    if (fd < 0)
        return medvl_fail_output(err, path);
    while (done < bytes->size && !problem) {
        const ssize_t n = write(fd, bytes->data + done, bytes->size - done);

        if (n > 0)
            done += (size_t)n;
        else if (n == 0 || errno != EINTR)
            problem = n == 0 ? ENOSPC : errno;
    }
    if (close(fd) != 0 && !problem)
        problem = errno;
    if (problem)
        return medvl_fail(err, MEDVL_EOUTPUT, "%s: %s", path,
                          strerror(problem));
    return MEDVL_OK;
}

/* Does the file hold exactly these bytes already? */
static bool holds(const char *path, const struct medvl_text *bytes)
{
    struct medvl_mapping map = {0};
    const bool same = medvl_mapping_open(&map, path, NULL) == MEDVL_OK &&
                      map.size == bytes->size &&
                      memcmp(map.data, bytes->data, map.size) == 0;

    medvl_mapping_release(&map);
    return same;
}

int medvl_picture_write(const struct medvl_picture *picture, const char *path,
                        char hash[33], struct medvl_error *err)
{
    struct medvl_text bytes = {0}, name = {0};
    int rc = medvl_picture_encode(&bytes, picture, err);

    if (rc < 0)
        goto done;
    if (hash)
        medvl_hash128_hex(hash, bytes.data, bytes.size);
    if (holds(path, &bytes))
        goto done;
    /* Two threads, or two processes, may be writing the same picture. */
    rc = medvl_text_printf(&name, err, "%s.tmp-%ld", path,
                           syscall(SYS_gettid));
    if (rc < 0)
        goto done;
    rc = write_all(name.data, &bytes, err);
    if (rc == MEDVL_OK && rename(name.data, path) != 0)
        rc = medvl_fail_output(err, path);
    if (rc < 0)
        (void)unlink(name.data);
done:
    medvl_text_release(&bytes);
    medvl_text_release(&name);
    return rc;
}
