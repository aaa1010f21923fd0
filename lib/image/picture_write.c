/*
 * A picture as a PNG file's bytes, and into a file, whole or not at all.
 *
 * Read next: resize.c.
 */
#include "lib/image/picture_part.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <libdeflate.h>

#include "lib/base/file.h"
#include "lib/base/hash.h"
#include "lib/base/mem.h"

/* libdeflate's level: the next takes half as long again for 3 % less. */
#define PNG_LEVEL 1

static void put_number(char *at, size_t value)
{
    for (int i = 0; i < 4; i++)
        at[i] = (char)(value >> (24 - 8 * i));
}

/* Close the chunk that begins at byte `start` of the text. */
static int end_chunk(struct medvl_text *out, size_t start,
                     struct medvl_error *err)
{
    const size_t length = out->size - start - 8;
    char crc[4];

    put_number(out->data + start, length);
    put_number(crc, libdeflate_crc32(0, out->data + start + 4, 4 + length));
    return medvl_text_append(out, crc, 4, err);
}

static int put_chunk(struct medvl_text *out, const char *name,
                     const char *data, size_t length,
                     struct medvl_error *err)
{
    const size_t start = out->size;
    int rc = medvl_text_append(out, "\0\0\0\0", 4, err);

    if (rc == MEDVL_OK)
        rc = medvl_text_append(out, name, 4, err);
    if (rc == MEDVL_OK)
        rc = medvl_text_append(out, data, length, err);
    return rc < 0 ? rc : end_chunk(out, start, err);
}

static int put_header(struct medvl_text *out,
                      const struct medvl_picture *picture,
                      struct medvl_error *err)
{
    char header[13] = {0};
    int rc = medvl_text_append(out, "\x89PNG\r\n\x1a\n", 8, err);

    put_number(header, (size_t)picture->width);
    put_number(header + 4, (size_t)picture->height);
    header[8] = 8;
    header[9] = picture->channels == 1 ? 0 : 2;
    return rc < 0 ? rc : put_chunk(out, "IHDR", header, 13, err);
}

/* Each row less the row above: quick, and good enough for photographs. */
static void filter_rows(uint8_t *to, const struct medvl_picture *picture)
{
    const size_t row = medvl_picture_row(picture);
    const uint8_t *from = picture->data;

    for (int64_t y = 0; y < picture->height; y++, from += row) {
        *to++ = y ? 2 : 0;
        for (size_t i = 0; i < row; i++)
            to[i] = (uint8_t)(from[i] - (y ? from[i - row] : 0));
        to += row;
    }
}

static int put_data(struct medvl_text *out, const uint8_t *rows, size_t size,
                    struct libdeflate_compressor *deflater,
                    struct medvl_error *err)
{
    const size_t start = out->size;
    const size_t room = libdeflate_zlib_compress_bound(deflater, size);
    int rc = medvl_text_append(out, "\0\0\0\0IDAT", 8, err);

    if (rc == MEDVL_OK)
        rc = medvl_text_reserve(out, room, err);
    if (rc < 0)
        return rc;
    out->size += libdeflate_zlib_compress(deflater, rows, size,
                                          out->data + out->size, room);
    return end_chunk(out, start, err);
}

int medvl_picture_encode(struct medvl_text *out,
                         const struct medvl_picture *picture,
                         struct medvl_error *err)
{
    const size_t size = (medvl_picture_row(picture) + 1) *
                        (size_t)picture->height;
    struct libdeflate_compressor *deflater;
    uint8_t *rows;
    int rc;

    if (picture->depth != 8)
        return medvl_fail(err, MEDVL_EARG, "%d bits a sample; PNG files are "
                                           "written with 8",
                          picture->depth);
    deflater = libdeflate_alloc_compressor(PNG_LEVEL);
    rows = medvl_resize(NULL, size, 1);
    if (!deflater || !rows) {
        rc = medvl_no_memory(err);
    } else {
        filter_rows(rows, picture);
        rc = put_header(out, picture, err);
        if (rc == MEDVL_OK)
            rc = put_data(out, rows, size, deflater, err);
        if (rc == MEDVL_OK)
            rc = put_chunk(out, "IEND", "", 0, err);
    }
    libdeflate_free_compressor(deflater);
    medvl_free(rows);
    return rc;
}

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
