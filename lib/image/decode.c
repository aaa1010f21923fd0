/*
 * The helper's other end.  Its answers are not trusted: sizes are checked
 * here again before anything is allocated for them.
 *
 * Read next: dicom.c.
 */
#include "lib/image/decode.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/file.h"
#include "lib/base/mem.h"
#include "lib/image/picture.h"

extern char **environ;

#define TAGS_MOST   ((uint64_t)64 << 20)
#define FRAMES_MOST (1 << 20)
#define PIECE       ((size_t)1 << 20) /* of one read or write */

struct medvl_decoder {
    struct medvl_text program;
    int seconds;
    pid_t pid; /* 0: none */
    int socket;
    int64_t end_ms; /* when this answer is given up */
    int64_t frames; /* of the open file */
    size_t bytes;
    struct medvl_text tags;
};

size_t medvl_voxel_bytes(enum medvl_voxel type)
{
    switch (type) {
    case MEDVL_VOXEL_U8:
    case MEDVL_VOXEL_I8: return 1;
    case MEDVL_VOXEL_U16:
    case MEDVL_VOXEL_I16: return 2;
    case MEDVL_VOXEL_U32:
    case MEDVL_VOXEL_I32:
    case MEDVL_VOXEL_F32: return 4;
    case MEDVL_VOXEL_F64: return 8;
    }
    return 0;
}

double medvl_voxel_value(const void *data, enum medvl_voxel type, size_t at)
{
    switch (type) {
    case MEDVL_VOXEL_U8: return ((const uint8_t *)data)[at];
    case MEDVL_VOXEL_I8: return ((const int8_t *)data)[at];
    case MEDVL_VOXEL_U16: return ((const uint16_t *)data)[at];
    case MEDVL_VOXEL_I16: return ((const int16_t *)data)[at];
    case MEDVL_VOXEL_U32: return ((const uint32_t *)data)[at];
    case MEDVL_VOXEL_I32: return ((const int32_t *)data)[at];
    case MEDVL_VOXEL_F32: return (double)((const float *)data)[at];
    case MEDVL_VOXEL_F64: return ((const double *)data)[at];
    }
    return 0;
}

/* ---- the process ------------------------------------------------------ */

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

int medvl_decoder_open(struct medvl_decoder **out, const char *program,
                       int seconds, struct medvl_error *err)
{
    struct medvl_decoder *d = medvl_alloc(1, sizeof(*d));
    int rc;

    *out = NULL;
    if (!d)
        return medvl_no_memory(err);
    d->seconds = seconds ? seconds : 120;
    rc = program ? medvl_text_puts(&d->program, program, err)
                 : find_helper(&d->program, err);
    if (rc < 0)
        medvl_decoder_free(d);
    else
        *out = d;
    return rc;
}

/* The child is gone after this, whatever it was doing. */
static void stop(struct medvl_decoder *d)
{
    if (d->pid) {
        close(d->socket);
        kill(d->pid, SIGKILL);
        while (waitpid(d->pid, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    d->pid = 0;
    d->frames = 0;
}

void medvl_decoder_free(struct medvl_decoder *decoder)
{
    if (!decoder)
        return;
    stop(decoder);
    medvl_text_release(&decoder->program);
    medvl_text_release(&decoder->tags);
    medvl_free(decoder);
}

static int spawn(struct medvl_decoder *d, int socket)
{
    char *const argv[] = {(char *)"medvl-decode", (char *)"serve", NULL};
    posix_spawn_file_actions_t files;
    int problem = posix_spawn_file_actions_init(&files);

    if (problem)
        return problem;
    problem = posix_spawn_file_actions_adddup2(&files, socket, 0);
    if (!problem)
        problem = posix_spawn_file_actions_adddup2(&files, socket, 1);
    if (!problem)
        problem = posix_spawn_file_actions_addopen(&files, 2, "/dev/null",
                                                   O_WRONLY, 0);
    if (!problem)
        problem = posix_spawn(&d->pid, d->program.data, &files, NULL, argv,
                              environ);
    posix_spawn_file_actions_destroy(&files);
    return problem;
}

static int start(struct medvl_decoder *d, struct medvl_error *err)
{
    int ends[2], problem;

    if (d->pid)
        return MEDVL_OK;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
        return medvl_fail(err, MEDVL_EIO, "socketpair: %s", strerror(errno));
    problem = spawn(d, ends[1]);
    close(ends[1]);
    d->socket = ends[0];
    if (problem) {
        d->pid = 0;
        close(ends[0]);
        return medvl_fail(err, MEDVL_EIO, "%s: %s", d->program.data,
                          strerror(problem));
    }
    return MEDVL_OK;
}

static int64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Move exactly `size` bytes one way before the time is over. */
static int move(struct medvl_decoder *d, char *at, size_t size, bool sending,
                struct medvl_error *err)
{
    while (size) {
        struct pollfd ready = {d->socket, sending ? POLLOUT : POLLIN, 0};
        const size_t piece = size < PIECE ? size : PIECE;
        const int64_t left = d->end_ms - now_ms();
        ssize_t n;

        if (left <= 0)
            return medvl_fail(err, MEDVL_EIO, "decoding took too long");
        n = poll(&ready, 1, left > 1000000 ? 1000000 : (int)left);
        if (n == 0)
            continue;
        if (n > 0 && sending)
            n = send(d->socket, at, piece, MSG_NOSIGNAL | MSG_DONTWAIT);
        else if (n > 0)
            n = recv(d->socket, at, piece, MSG_DONTWAIT);
        if (n < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (n <= 0)
            return medvl_fail(err, MEDVL_EIO,
                              "the decoder stopped before the end");
        at += n;
        size -= (size_t)n;
    }
    return MEDVL_OK;
}

/* ---- questions and answers -------------------------------------------- */

static int receive_error(struct medvl_decoder *d,
                         const struct medvl_decode_answer *a,
                         struct medvl_error *err)
{
    char text[sizeof(err->text)] = "";
    int rc;

    if (a->bytes < 1 || a->bytes >= sizeof(text))
        return medvl_fail(err, MEDVL_EIO, "the decoder answers nonsense");
    rc = move(d, text, a->bytes, false, err);
    if (rc < 0)
        return rc;
    if (strlen(text) != a->bytes)
        return medvl_fail(err, MEDVL_EIO, "the decoder answers nonsense");
    switch (a->status) {
    case MEDVL_EFORMAT:
    case MEDVL_EARG:
    case MEDVL_EUNSUPPORTED:
        return medvl_fail(err, (enum medvl_status)a->status, "%s", text);
    case MEDVL_ENOMEM: /* its own limit, not the machine's */
        return medvl_fail(err, MEDVL_EARG,
                          "takes more memory than the decoder may have");
    default: return medvl_fail(err, MEDVL_EIO, "%s", text);
    }
}

/*
 * Ask and read the answer's header.  `*broken` is set where the helper must
 * go; an answer that says no is none of its faults.
 */
static int ask(struct medvl_decode_answer *answer, bool *broken,
               struct medvl_decoder *d, struct medvl_decode_question *question,
               const char *bytes, struct medvl_error *err)
{
    int rc;

    *broken = true;
    question->magic = MEDVL_DECODE_MAGIC;
    d->end_ms = now_ms() + (int64_t)d->seconds * 1000;
    rc = start(d, err);
    if (rc == MEDVL_OK)
        rc = move(d, (char *)question, sizeof(*question), true, err);
    if (rc == MEDVL_OK)
        rc = move(d, (char *)(uintptr_t)bytes, question->bytes, true, err);
    if (rc == MEDVL_OK)
        rc = move(d, (char *)answer, sizeof(*answer), false, err);
    if (rc == MEDVL_OK && answer->magic != MEDVL_DECODE_MAGIC)
        rc = medvl_fail(err, MEDVL_EIO, "the decoder answers nonsense");
    if (rc == MEDVL_OK && answer->status < 0) {
        rc = receive_error(d, answer, err);
        *broken = err->code == MEDVL_EIO;
    } else {
        *broken = rc < 0;
    }
    return rc;
}

static bool is_sound(const struct medvl_decode_answer *a)
{
    int64_t all;

    if (a->frames < 0 || a->frames > FRAMES_MOST || a->bytes > TAGS_MOST)
        return false;
    if (a->frames == 0)
        return true;
    if (a->type < MEDVL_VOXEL_U8 || a->type > MEDVL_VOXEL_F64)
        return false;
    all = (int64_t)medvl_voxel_bytes((enum medvl_voxel)a->type);
    for (int i = 0; i < 3; i++) {
        if (a->size[i] < 1 || a->size[i] > MEDVL_PICTURE_SIDE)
            return false;
        all *= a->size[i];
    }
    return all <= MEDVL_DECODE_BYTES && a->orientation >= 0 &&
           a->orientation <= 8;
}

/* What the answer says of a frame. */
static void fill(struct medvl_decoded *out, struct medvl_decoder *d,
                 const struct medvl_decode_answer *a)
{
    out->type = (enum medvl_voxel)a->type;
    out->bytes = a->frames ? medvl_voxel_bytes(out->type) : 0;
    for (int i = 0; i < 3; i++) {
        out->size[i] = a->size[i];
        out->bytes *= (size_t)a->size[i];
    }
    out->orientation = a->orientation ? a->orientation : 1;
    out->inverse = a->inverse != 0;
    d->bytes = out->bytes;
}

static int open_file(struct medvl_decoded *out, struct medvl_decoder *d,
                     struct medvl_decode_question *question,
                     const char *bytes, struct medvl_error *err)
{
    struct medvl_decode_answer a = {0};
    bool broken;
    int rc;

    *out = (struct medvl_decoded){0};
    d->frames = 0;
    medvl_text_clear(&d->tags);
    rc = ask(&a, &broken, d, question, bytes, err);
    if (rc == MEDVL_OK && !is_sound(&a)) {
        broken = true;
        rc = medvl_fail(err, MEDVL_EIO, "the decoder answers nonsense");
    }
    if (rc == MEDVL_OK)
        rc = medvl_text_reserve(&d->tags, a.bytes, err);
    if (rc == MEDVL_OK) {
        rc = move(d, d->tags.data, a.bytes, false, err);
        broken = rc < 0;
    }
    if (broken)
        stop(d);
    if (rc < 0)
        return rc;
    d->tags.size = a.bytes;
    out->frames = d->frames = a.frames;
    fill(out, d, &a);
    memcpy(out->spacing, a.spacing, sizeof(out->spacing));
    memcpy(out->affine, a.affine, sizeof(out->affine));
    out->slope = a.slope;
    out->offset = a.offset;
    out->tags = medvl_text_span(&d->tags);
    return MEDVL_OK;
}

int medvl_decoder_file(struct medvl_decoded *out,
                       struct medvl_decoder *decoder,
                       enum medvl_format format, const char *path,
                       struct medvl_error *err)
{
    struct medvl_decode_question question = {
        .ask = MEDVL_DECODE_FILE,
        .format = format,
        .bytes = strlen(path),
    };
    int64_t size;
    int rc = medvl_file_size(&size, path, err); /* its errors are better */

    if (rc < 0)
        return rc;
    rc = open_file(out, decoder, &question, path, err);
    return rc < 0 ? medvl_context(err, "%s", path) : rc;
}

int medvl_decoder_bytes(struct medvl_decoded *out,
                        struct medvl_decoder *decoder,
                        enum medvl_format format, struct medvl_span bytes,
                        struct medvl_error *err)
{
    struct medvl_decode_question question = {
        .ask = MEDVL_DECODE_CONTENTS,
        .format = format,
        .bytes = bytes.size,
    };

    return open_file(out, decoder, &question, bytes.data, err);
}

static int check_index(const struct medvl_decoder *decoder, int64_t index,
                       struct medvl_error *err)
{
    if (index >= 0 && index < decoder->frames)
        return MEDVL_OK;
    return medvl_fail(err, MEDVL_EARG, "frame %lld of %lld",
                      (long long)index + 1, (long long)decoder->frames);
}

int medvl_decoder_turn(struct medvl_decoded *out,
                       struct medvl_decoder *decoder, int64_t index,
                       struct medvl_error *err)
{
    struct medvl_decode_question question = {
        .ask = MEDVL_DECODE_TURN,
        .index = index,
    };
    struct medvl_decode_answer a = {0};
    bool broken;
    int rc = check_index(decoder, index, err);

    if (rc < 0)
        return rc;
    rc = ask(&a, &broken, decoder, &question, NULL, err);
    if (rc == MEDVL_OK &&
        (!is_sound(&a) || a.frames != decoder->frames || a.bytes)) {
        broken = true;
        rc = medvl_fail(err, MEDVL_EIO, "the decoder answers nonsense");
    }
    if (broken)
        stop(decoder);
    if (rc < 0)
        decoder->frames = 0;
    else
        fill(out, decoder, &a);
    return rc;
}

int medvl_decoder_frame(void *out, struct medvl_decoder *decoder,
                        int64_t index, struct medvl_error *err)
{
    struct medvl_decode_question question = {
        .ask = MEDVL_DECODE_FRAME,
        .index = index,
    };
    struct medvl_decode_answer a = {0};
    bool broken;
    int rc;

    rc = check_index(decoder, index, err);
    if (rc < 0)
        return rc;
    rc = ask(&a, &broken, decoder, &question, NULL, err);
    if (rc == MEDVL_OK && a.bytes != decoder->bytes)
        rc = medvl_fail(err, MEDVL_EIO, "the decoder answers nonsense");
    if (rc == MEDVL_OK)
        rc = move(decoder, out, a.bytes, false, err);
    if (broken || (rc < 0 && err->code == MEDVL_EIO))
        stop(decoder);
    return rc;
}
