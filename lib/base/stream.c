/*
 * Streams of lines and bytes.  Only this file knows zstd.
 *
 * Read next: json.h.
 */
#include "lib/base/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include "lib/base/file.h"
#include "lib/base/mem.h"

#define CHUNK ((size_t)128 << 10)
#define LEVEL 3 /* of what a writer compresses */

static bool is_zstd(const char *data, size_t size)
{
    const unsigned char *s = (const unsigned char *)data;

    if (size < 4)
        return false;
    return (s[0] == 0x28 && s[1] == 0xb5 && s[2] == 0x2f && s[3] == 0xfd) ||
           ((s[0] & 0xf0) == 0x50 && s[1] == 0x2a && s[2] == 0x4d &&
            s[3] == 0x18); /* a skippable frame */
}

/* ---- reading --------------------------------------------------------- */

struct medvl_reader {
    char *path; /* as messages name it */
    int fd;
    bool owned, regular, started, ended;
    int64_t begin, at; /* bytes of the file */
    int64_t end;       /* where to stop, -1: at its end */
    int64_t size;      /* for progress; 0 on a pipe */
    int64_t line;
    struct medvl_text rest; /* read, but not a whole line yet */
    struct medvl_error fault;

    ZSTD_DStream *zstd; /* NULL for plain bytes */
    struct medvl_text packed;
    size_t packed_at;
    bool in_frame;
};

/* Up to `size` bytes of the file; 0 at its end or the part's. */
static int read_some(struct medvl_reader *r, char *data, size_t size,
                     size_t *got, struct medvl_error *err)
{
    ssize_t n;

    *got = 0;
    if (r->end >= 0 && (int64_t)size > r->end - r->at)
        size = r->end > r->at ? (size_t)(r->end - r->at) : 0;
    if (!size)
        return MEDVL_OK;
    for (;;) {
        struct pollfd ready = {.fd = r->fd, .events = POLLIN};

        n = read(r->fd, data, size);
        if (n >= 0)
            break;
        if (errno == EAGAIN)
            poll(&ready, 1, -1);
        else if (errno != EINTR)
            return medvl_fail_system(err, r->path);
    }
    r->at += n;
    *got = (size_t)n;
    return MEDVL_OK;
}

/* Would a read return at once?  Files always do. */
static bool is_ready(const struct medvl_reader *r)
{
    struct pollfd ready = {.fd = r->fd, .events = POLLIN};

    return r->regular || r->packed_at < r->packed.size ||
           poll(&ready, 1, 0) > 0;
}

/* The first bytes say whether the stream is compressed. */
static int start(struct medvl_reader *r, struct medvl_error *err)
{
    char magic[4];
    size_t have = 0, got = 1;
    int rc;

    r->started = true;
    while (have < sizeof(magic) && got) {
        rc = read_some(r, magic + have, sizeof(magic) - have, &got, err);
        if (rc < 0)
            return rc;
        have += got;
    }
    if (!is_zstd(magic, have))
        return medvl_text_append(&r->rest, magic, have, err);
    r->zstd = ZSTD_createDStream();
    if (!r->zstd)
        return medvl_no_memory(err);
    r->in_frame = true;
    return medvl_text_append(&r->packed, magic, have, err);
}

static int refill(struct medvl_reader *r, struct medvl_error *err)
{
    size_t got;
    int rc;

    medvl_text_clear(&r->packed);
    r->packed_at = 0;
    rc = medvl_text_reserve(&r->packed, CHUNK, err);
    if (rc < 0)
        return rc;
    rc = read_some(r, r->packed.data, CHUNK, &got, err);
    if (rc == MEDVL_OK)
        r->packed.size = got;
    return rc;
}

static int unpack_some(struct medvl_reader *r, char *data, size_t size,
                       size_t *got, struct medvl_error *err)
{
    ZSTD_outBuffer out = {data, size, 0};
    int rc;

    while (!out.pos) {
        ZSTD_inBuffer in;
        size_t left;

        if (r->packed_at == r->packed.size) {
            rc = refill(r, err);
            if (rc < 0)
                return rc;
        }
        in = (ZSTD_inBuffer){r->packed.data, r->packed.size, r->packed_at};
        if (!in.size && !r->in_frame)
            break;
        left = ZSTD_decompressStream(r->zstd, &out, &in);
        if (ZSTD_isError(left))
            return medvl_fail(err, MEDVL_EFORMAT, "%s: zstd: %s", r->path,
                              ZSTD_getErrorName(left));
        if (!in.size && !out.pos)
            return medvl_fail(err, MEDVL_EFORMAT,
                              "%s: ends in the middle of a zstd frame",
                              r->path);
        r->packed_at = in.pos;
        r->in_frame = left != 0;
    }
    *got = out.pos;
    return MEDVL_OK;
}

/* Append more bytes of the stream to `block`; sets r->ended at the end. */
static int take_more(struct medvl_reader *r, struct medvl_text *block,
                     size_t want, struct medvl_error *err)
{
    const size_t size = want < CHUNK ? CHUNK : want;
    size_t got = 0;
    int rc;

    rc = medvl_text_reserve(block, size, err);
    if (rc < 0)
        return rc;
    if (r->zstd)
        rc = unpack_some(r, block->data + block->size, size, &got, err);
    else
        rc = read_some(r, block->data + block->size, size, &got, err);
    if (rc < 0)
        return rc;
    block->size += got;
    block->data[block->size] = '\0';
    r->ended = !got;
    return MEDVL_OK;
}

/*
 * Count the whole lines from *at on and move *at behind the last.  False
 * when a line, whole or not, is longer than `max`.
 */
static bool count_lines(const struct medvl_text *block, size_t *at, size_t max,
                        int64_t *lines)
{
    while (*at < block->size) {
        const char *line = block->data + *at;
        const size_t left = block->size - *at;
        const char *end = memchr(line, '\n', left);

        if ((end ? (size_t)(end - line) : left) > max)
            return false;
        if (!end)
            return true;
        *at += (size_t)(end - line) + 1;
        *lines += 1;
    }
    return true;
}

/* Read until the block has `want` bytes with a whole line, or the end. */
static int fill(struct medvl_reader *r, struct medvl_text *block,
                size_t begin, size_t want, size_t max,
                struct medvl_error *err)
{
    size_t whole = begin; /* behind the last newline */
    size_t seen = begin;  /* looked through for newlines */
    int rc;

    for (;;) {
        const size_t have = block->size - begin;
        const char *end = NULL;

        if (block->size > seen)
            end = memrchr(block->data + seen, '\n', block->size - seen);
        if (end)
            whole = (size_t)(end - block->data) + 1;
        seen = block->size;
        if (r->ended || seen - whole > max ||
            (whole > begin && (have >= want || !is_ready(r))))
            return MEDVL_OK;
        rc = take_more(r, block, have < want ? want - have : 0, err);
        if (rc < 0)
            return rc;
    }
}

/*
 * Whole lines that stand before a failure are given first; the failure,
 * kept in r->fault, is what the next call returns.
 */
static int lines(struct medvl_reader *r, struct medvl_text *block,
                 size_t want, size_t max)
{
    const size_t begin = block->size;
    size_t at = begin;
    int64_t count = 0;
    int rc = MEDVL_OK;
    bool fits;

    if (!r->started)
        rc = start(r, &r->fault);
    if (rc == MEDVL_OK)
        rc = medvl_text_append(block, r->rest.data, r->rest.size, &r->fault);
    if (rc < 0)
        return rc;
    medvl_text_clear(&r->rest);
    rc = fill(r, block, begin, want, max, &r->fault);
    fits = count_lines(block, &at, max, &count);
    if (fits && rc == MEDVL_OK && r->ended && at < block->size) {
        at = block->size; /* a last line without newline */
        count++;
    }
    if (at == begin && rc == MEDVL_OK && !fits)
        rc = medvl_fail(&r->fault, MEDVL_EFORMAT,
                        "%s:%lld: longer than %zu bytes", r->path,
                        (long long)r->line, max);
    if (rc < 0 && at == begin)
        return rc;
    rc = medvl_text_append(&r->rest, block->data + at, block->size - at,
                           &r->fault);
    if (rc < 0)
        return rc;
    block->size = at;
    block->data[at] = '\0';
    r->line += count;
    return at > begin;
}

int medvl_reader_lines(struct medvl_reader *reader, struct medvl_text *block,
                       size_t want, size_t max, struct medvl_error *err)
{
    const size_t begin = block->size;
    int rc = reader->fault.code;

    if (rc == MEDVL_OK)
        rc = lines(reader, block, want, max);
    if (rc >= 0)
        return rc;
    block->size = begin;
    if (block->data)
        block->data[begin] = '\0';
    if (err)
        *err = reader->fault;
    return rc;
}

int64_t medvl_reader_line(const struct medvl_reader *reader)
{
    return reader->line;
}

void medvl_reader_progress(const struct medvl_reader *reader,
                           int64_t *done, int64_t *total)
{
    *done = reader->at - reader->begin;
    *total = reader->end >= 0 ? reader->end : reader->size;
    if (*total)
        *total -= reader->begin;
}

const char *medvl_reader_path(const struct medvl_reader *reader)
{
    return reader->path;
}

void medvl_reader_free(struct medvl_reader *reader)
{
    if (!reader)
        return;
    ZSTD_freeDStream(reader->zstd);
    medvl_text_release(&reader->packed);
    medvl_text_release(&reader->rest);
    if (reader->owned && reader->fd >= 0)
        close(reader->fd);
    medvl_free(reader->path);
    medvl_free(reader);
}

/* ---- parts ----------------------------------------------------------- */

/*
 * Go through the bytes [from, to) of the file up to behind the
 * `stop`-th newline; counts those passed and says where it stopped.
 */
static int scan(const struct medvl_reader *r, int64_t from, int64_t to,
                int64_t stop, int64_t *passed, int64_t *at,
                struct medvl_error *err)
{
    char *data = medvl_alloc(CHUNK, 1);
    int rc = MEDVL_OK;

    if (!data)
        return medvl_no_memory(err);
    *passed = 0;
    for (*at = from; *at < to && *passed < stop && rc == MEDVL_OK;) {
        const int64_t left = to - *at;
        const ssize_t got = pread(
            r->fd, data, left < (int64_t)CHUNK ? (size_t)left : CHUNK, *at);
        const char *s = data, *end = data + (got > 0 ? got : 0);

        if (got == 0)
            rc = medvl_fail(err, MEDVL_EIO, "%s: has become shorter", r->path);
        else if (got < 0 && errno != EINTR)
            rc = medvl_fail_system(err, r->path);
        while (s < end && *passed < stop) {
            const char *newline = memchr(s, '\n', (size_t)(end - s));

            *passed += newline != NULL;
            s = newline ? newline + 1 : end;
        }
        *at += s - data;
    }
    medvl_free(data);
    return rc;
}

/* The first line start at or after byte `offset`. */
static int line_start(const struct medvl_reader *r, int64_t offset,
                      int64_t size, int64_t *out, struct medvl_error *err)
{
    int64_t passed;

    *out = offset;
    if (offset == 0 || offset >= size)
        return MEDVL_OK;
    return scan(r, offset - 1, size, 1, &passed, out, err);
}

static int64_t share(int64_t size, int part, int parts)
{
    return size / parts * part + size % parts * part / parts;
}

static int choose_part(struct medvl_reader *r, int part, int parts,
                       struct medvl_error *err)
{
    const int64_t size = r->size;
    int64_t passed, at;
    int rc;

    if (part < 1 || parts < part)
        return medvl_fail(err, MEDVL_EARG, "part %d of %d: not in 1..%d",
                          part, parts, parts);
    if (!r->regular)
        return medvl_fail(err, MEDVL_EARG,
                          "%s: a part can be taken of a file only", r->path);
    rc = start(r, err);
    if (rc < 0)
        return rc;
    if (r->zstd)
        return medvl_fail(err, MEDVL_EARG,
                          "%s: a part of a zstd file cannot be taken",
                          r->path);
    rc = line_start(r, share(size, part - 1, parts), size, &r->begin, err);
    if (rc == MEDVL_OK)
        rc = line_start(r, share(size, part, parts), size, &r->end, err);
    if (rc == MEDVL_OK)
        rc = scan(r, 0, r->begin, INT64_MAX, &passed, &at, err);
    if (rc < 0)
        return rc;
    r->line += passed;
    medvl_text_clear(&r->rest);
    r->at = r->begin;
    if (lseek(r->fd, r->begin, SEEK_SET) < 0)
        return medvl_fail_system(err, r->path);
    return MEDVL_OK;
}

static int open_file(struct medvl_reader *r, const char *path,
                     struct medvl_error *err)
{
    const bool input = !strcmp(path, "-");
    struct stat st;

    path = input ? "stdin" : path;
    r->path = medvl_copy_string(path, strlen(path));
    if (!r->path)
        return medvl_no_memory(err);
    r->owned = !input;
    r->fd = input ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (r->fd < 0 || fstat(r->fd, &st) < 0)
        return medvl_fail_system(err, path);
    if (S_ISDIR(st.st_mode))
        return medvl_fail(err, MEDVL_EIO, "%s: is a folder", path);
    r->regular = S_ISREG(st.st_mode);
    if (r->regular) {
        r->size = st.st_size;
        r->begin = r->at = lseek(r->fd, 0, SEEK_CUR); /* stdin: where it is */
    }
    return MEDVL_OK;
}

int medvl_reader_open(struct medvl_reader **out, const char *path,
                      int part, int parts, struct medvl_error *err)
{
    struct medvl_reader *r;
    int rc;

    *out = NULL;
    r = medvl_alloc(1, sizeof(*r));
    if (!r)
        return medvl_no_memory(err);
    r->fd = -1;
    r->end = -1;
    r->line = 1;
    rc = open_file(r, path, err);
    if (rc == MEDVL_OK && (part || parts))
        rc = choose_part(r, part, parts, err);
    if (rc < 0)
        medvl_reader_free(r);
    else
        *out = r;
    return rc;
}

/* ---- writing --------------------------------------------------------- */

struct medvl_writer {
    char *path, *temp; /* temp is NULL where nothing is renamed */
    int fd;
    bool owned, keep, ready, ended;
    ZSTD_CStream *zstd;
    struct medvl_text buffer; /* at most CHUNK */
    struct medvl_text packed; /* room for a compressed piece */
};

static int write_out(struct medvl_writer *w, const char *data, size_t size,
                     struct medvl_error *err)
{
    while (size) {
        struct pollfd ready = {.fd = w->fd, .events = POLLOUT};
        const ssize_t put = write(w->fd, data, size);

        if (put < 0 && errno == EAGAIN)
            poll(&ready, 1, -1);
        else if (put < 0 && errno != EINTR)
            return medvl_fail_output(err, w->path);
        if (put > 0) {
            data += put;
            size -= (size_t)put;
        }
    }
    return MEDVL_OK;
}

/* Compress the buffer; `end` closes the frame. */
static int pack(struct medvl_writer *w, bool end, struct medvl_error *err)
{
    ZSTD_inBuffer in = {w->buffer.data, w->buffer.size, 0};
    size_t left;
    int rc;

    do {
        ZSTD_outBuffer out = {w->packed.data, w->packed.capacity, 0};

        left = ZSTD_compressStream2(w->zstd, &out, &in,
                                    end ? ZSTD_e_end : ZSTD_e_continue);
        if (ZSTD_isError(left))
            return medvl_fail(err, MEDVL_EOUTPUT, "%s: zstd: %s", w->path,
                              ZSTD_getErrorName(left));
        rc = write_out(w, w->packed.data, out.pos, err);
        if (rc < 0)
            return rc;
    } while (end ? left != 0 : in.pos < in.size);
    medvl_text_clear(&w->buffer);
    return MEDVL_OK;
}

static int drain(struct medvl_writer *w, struct medvl_error *err)
{
    int rc;

    if (w->zstd)
        return pack(w, false, err);
    rc = write_out(w, w->buffer.data, w->buffer.size, err);
    medvl_text_clear(&w->buffer);
    return rc;
}

int medvl_writer_put(struct medvl_writer *writer, const void *data,
                     size_t size, struct medvl_error *err)
{
    const char *from = data;
    int rc = MEDVL_OK;

    while (size && rc == MEDVL_OK) {
        const size_t room = CHUNK - writer->buffer.size;
        const size_t take = size < room ? size : room;

        if (!writer->zstd && !writer->buffer.size && size >= CHUNK)
            return write_out(writer, from, size, err);
        rc = medvl_text_append(&writer->buffer, from, take, err);
        from += take;
        size -= take;
        if (rc == MEDVL_OK && writer->buffer.size == CHUNK)
            rc = drain(writer, err);
    }
    return rc;
}

/* The compressor keeps a block that is not full, so that its output does
 * not depend on when somebody flushed. */
int medvl_writer_flush(struct medvl_writer *writer, struct medvl_error *err)
{
    return writer->ended ? MEDVL_OK : drain(writer, err);
}

int medvl_writer_end(struct medvl_writer *writer, struct medvl_error *err)
{
    int rc = MEDVL_OK;

    if (!writer->ended)
        rc = writer->zstd ? pack(writer, true, err) : drain(writer, err);
    writer->ended = rc == MEDVL_OK;
    return rc;
}

static void release(struct medvl_writer *w)
{
    ZSTD_freeCStream(w->zstd);
    medvl_text_release(&w->buffer);
    medvl_text_release(&w->packed);
    medvl_free(w->path);
    medvl_free(w->temp);
    medvl_free(w);
}

int medvl_writer_close(struct medvl_writer *writer, struct medvl_error *err)
{
    int rc = medvl_writer_end(writer, err);

    if (writer->owned && close(writer->fd) < 0 && rc == MEDVL_OK)
        rc = medvl_fail_output(err, writer->path);
    if (rc == MEDVL_OK && writer->temp)
        rc = medvl_path_publish(writer->temp, writer->path, err);
    if (rc < 0 && writer->temp && !writer->keep)
        unlink(writer->temp);
    release(writer);
    return rc;
}

void medvl_writer_free(struct medvl_writer *writer)
{
    if (!writer)
        return;
    if (writer->keep && writer->ready && medvl_writer_end(writer, NULL) < 0)
        writer->ready = false; /* it kept what it could */
    if (writer->owned && writer->fd >= 0)
        close(writer->fd);
    if (writer->temp && !writer->keep && writer->fd >= 0)
        unlink(writer->temp);
    release(writer);
}

static int start_zstd(struct medvl_writer *w, struct medvl_error *err)
{
    w->zstd = ZSTD_createCStream();
    if (!w->zstd || ZSTD_isError(ZSTD_CCtx_setParameter(
                        w->zstd, ZSTD_c_compressionLevel, LEVEL)))
        return medvl_no_memory(err);
    return medvl_text_reserve(&w->packed, ZSTD_CStreamOutSize(), err);
}

static int open_output(struct medvl_writer *w, const char *suffix, bool append,
                       struct medvl_error *err)
{
    const size_t size = strlen(w->path);
    struct medvl_text temp = {0};
    struct stat st;
    const char *name;
    int rc;

    /* A device or a pipe is written to, not replaced by a file. */
    if (stat(w->path, &st) < 0 || S_ISREG(st.st_mode)) {
        rc = medvl_text_printf(&temp, err, "%s%s", w->path, suffix);
        if (rc < 0)
            return rc;
        w->temp = temp.data;
    }
    name = w->temp ? w->temp : w->path;
    w->fd = open(name,
                 O_WRONLY | O_CREAT | O_CLOEXEC |
                     (append ? O_APPEND : O_TRUNC),
                 0666);
    if (w->fd < 0)
        return medvl_fail_output(err, name);
    w->owned = true;
    if (size > 4 && !strcmp(w->path + size - 4, ".zst"))
        return start_zstd(w, err);
    return MEDVL_OK;
}

int medvl_writer_open(struct medvl_writer **out, const char *path,
                      const char *suffix, bool append,
                      struct medvl_error *err)
{
    const bool output = !strcmp(path, "-");
    struct medvl_writer *w;
    int rc = MEDVL_OK;

    *out = NULL;
    w = medvl_alloc(1, sizeof(*w));
    if (!w)
        return medvl_no_memory(err);
    w->keep = !strcmp(suffix, ".part");
    path = output ? "stdout" : path;
    w->fd = output ? STDOUT_FILENO : -1;
    w->path = medvl_copy_string(path, strlen(path));
    if (!w->path)
        rc = medvl_no_memory(err);
    else if (!output)
        rc = open_output(w, suffix, append, err);
    if (rc < 0) {
        medvl_writer_free(w);
        return rc;
    }
    w->ready = true;
    *out = w;
    return MEDVL_OK;
}

/* ---- one block ------------------------------------------------------- */

int medvl_zstd_compress(struct medvl_text *out, const void *data, size_t size,
                        int level, struct medvl_error *err)
{
    const size_t bound = ZSTD_compressBound(size);
    size_t packed;
    int rc;

    if (level < 1 || level > 19)
        return medvl_fail(err, MEDVL_EARG, "zstd level %d is not in 1..19",
                          level);
    rc = medvl_text_reserve(out, bound, err);
    if (rc < 0)
        return rc;
    packed = ZSTD_compress(out->data + out->size, bound, data, size, level);
    if (ZSTD_isError(packed))
        return medvl_fail(err, MEDVL_ENOMEM, "zstd: %s",
                          ZSTD_getErrorName(packed));
    out->size += packed;
    out->data[out->size] = '\0';
    return MEDVL_OK;
}

/* Frame by frame into the tail of `out`, which holds at most max + 1 more. */
static int unpack(struct medvl_text *out, ZSTD_DStream *zstd,
                  ZSTD_inBuffer *in, size_t max, struct medvl_error *err)
{
    const size_t start_at = out->size;
    unsigned long long says;
    size_t left = 1, used = 0, room;
    int rc;

    says = ZSTD_getFrameContentSize(in->src, in->size);
    room = says <= max ? (size_t)says + 1 : CHUNK;
    while (in->pos < in->size || left) {
        ZSTD_outBuffer to;
        const size_t before = in->pos;

        if (room > max + 1 - used)
            room = max + 1 - used;
        rc = medvl_text_reserve(out, room, err);
        if (rc < 0)
            return rc;
        to = (ZSTD_outBuffer){out->data + out->size, room, 0};
        left = ZSTD_decompressStream(zstd, &to, in);
        if (ZSTD_isError(left))
            return medvl_fail(err, MEDVL_EFORMAT, "zstd: %s",
                              ZSTD_getErrorName(left));
        if (left && !to.pos && in->pos == before)
            return medvl_fail(err, MEDVL_EFORMAT,
                              "zstd: ends in the middle of a frame");
        out->size += to.pos;
        used = out->size - start_at;
        if (used > max)
            return medvl_fail(err, MEDVL_EFORMAT,
                              "zstd: unpacks to more than %zu bytes", max);
        room = used < CHUNK ? CHUNK : used;
    }
    return MEDVL_OK;
}

int medvl_zstd_decompress(struct medvl_text *out, const void *data,
                          size_t size, size_t max, struct medvl_error *err)
{
    const size_t start_at = out->size;
    ZSTD_inBuffer in = {data, size, 0};
    ZSTD_DStream *zstd;
    int rc;

    zstd = ZSTD_createDStream();
    if (!zstd)
        return medvl_no_memory(err);
    if (max == SIZE_MAX)
        max--;
    rc = unpack(out, zstd, &in, max, err);
    ZSTD_freeDStream(zstd);
    if (rc < 0)
        out->size = start_at;
    if (out->data)
        out->data[out->size] = '\0';
    return rc;
}
