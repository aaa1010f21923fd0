/*
 * medvl-decode - the helper that reads file formats which are parsed by
 * libraries we do not want inside the other commands.
 *
 * Started by the library (lib/image/decode.h), it answers questions on its
 * standard input until that ends.  It limits its own memory, and for each
 * question its time, so a hostile file ends this process and nothing else.
 *
 * Read next: decode.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "cmd/decode.h"
#include "lib/base/mem.h"
#include "lib/base/status.h"

#define SPACE_LIMIT  ((rlim_t)2 << 30)   /* with what is mapped */
#define MEMORY_LIMIT ((rlim_t)464 << 20) /* of its own */
#define TIME_LIMIT   600                 /* seconds of the processor */
#define CONTENTS     ((uint64_t)1 << 30)

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define LIMIT_MEMORY 0
#else
#define LIMIT_MEMORY 1
#endif

static const struct decode_reader *const READERS[] = {
    [MEDVL_FORMAT_NIFTI] = &decode_nifti,
    [MEDVL_FORMAT_DICOM] = &decode_dicom,
    [MEDVL_FORMAT_TIFF] = &decode_tiff,
    [MEDVL_FORMAT_WEBP] = &decode_webp,
    [MEDVL_FORMAT_BMP] = &decode_bmp,
};

struct server {
    const struct decode_reader *reader; /* of the open file */
    void *file;
    struct medvl_decode_answer shape; /* of the frame turned to */
    int64_t at;                       /* which it is */
    void *frame;                      /* to be sent, then freed */
    struct medvl_text tags, contents;
};

static void set_limits(void)
{
    const struct rlimit space = {SPACE_LIMIT, SPACE_LIMIT};
    const struct rlimit memory = {MEMORY_LIMIT, MEMORY_LIMIT};
    const struct rlimit none = {0, 0};

    if (LIMIT_MEMORY) {
        (void)setrlimit(RLIMIT_AS, &space);
        (void)setrlimit(RLIMIT_DATA, &memory);
    }
    (void)setrlimit(RLIMIT_CORE, &none);
    (void)setrlimit(RLIMIT_FSIZE, &none);
}

/* TIME_LIMIT more than was used until now. */
static void set_time(void)
{
    struct rlimit time = {0, RLIM_INFINITY};
    struct rusage used;

    if (getrusage(RUSAGE_SELF, &used) != 0)
        return;
    time.rlim_cur = (rlim_t)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
                    TIME_LIMIT;
    (void)setrlimit(RLIMIT_CPU, &time);
}

static bool put(const void *data, size_t size)
{
    return !size || fwrite(data, 1, size, stdout) == size;
}

static bool answer(const struct medvl_decode_answer *a, const void *bytes)
{
    return put(a, sizeof(*a)) && put(bytes, a->bytes) &&
           fflush(stdout) == 0;
}

static bool answer_error(const struct medvl_error *err)
{
    const struct medvl_decode_answer a = {
        .magic = MEDVL_DECODE_MAGIC,
        .status = err->code,
        .bytes = strlen(err->text),
    };

    return answer(&a, err->text);
}

static void close_file(struct server *s)
{
    if (s->file)
        s->reader->close(s->file);
    s->file = NULL;
    s->shape = (struct medvl_decode_answer){.magic = MEDVL_DECODE_MAGIC};
    s->at = 0;
}

static size_t frame_bytes(const struct medvl_decode_answer *a)
{
    return medvl_voxel_bytes((enum medvl_voxel)a->type) *
           (size_t)(a->size[0] * a->size[1] * a->size[2]);
}

static int open_file(struct server *s, struct medvl_decode_answer *a,
                     const struct medvl_decode_question *q,
                     struct medvl_error *err)
{
    const bool named = q->ask == MEDVL_DECODE_FILE;
    int rc;

    medvl_text_clear(&s->tags);
    if (q->format < 0 ||
        (size_t)q->format >= sizeof(READERS) / sizeof(*READERS))
        return medvl_fail(err, MEDVL_EARG, "no such format");
    s->reader = READERS[q->format];
    rc = s->reader->open(&s->file, &s->shape, &s->tags,
                         named ? s->contents.data : NULL, s->contents.data,
                         s->contents.size, err);
    if (rc < 0)
        close_file(s);
    *a = s->shape;
    a->bytes = s->tags.size;
    return rc;
}

static int turn_file(struct server *s, struct medvl_decode_answer *a,
                     int64_t index, struct medvl_error *err)
{
    int rc = MEDVL_OK;

    if (index < 0 || index >= s->shape.frames)
        return medvl_fail(err, MEDVL_EARG, "no such frame");
    if (s->reader->turn)
        rc = s->reader->turn(s->file, &s->shape, index, err);
    s->at = index;
    *a = s->shape;
    if (rc < 0)
        close_file(s);
    return rc;
}

static int read_frame(struct server *s, struct medvl_decode_answer *a,
                      int64_t index, struct medvl_error *err)
{
    if (index < 0 || index >= s->shape.frames ||
        (s->reader->turn && index != s->at))
        return medvl_fail(err, MEDVL_EARG, "no such frame");
    *a = s->shape;
    a->bytes = frame_bytes(a);
    s->frame = medvl_alloc(a->bytes, 1);
    if (!s->frame)
        return medvl_no_memory(err);
    return s->reader->frame(s->file, s->frame, a->bytes, index, err);
}

static bool serve_one(struct server *s, const struct medvl_decode_question *q)
{
    struct medvl_decode_answer a = {0};
    struct medvl_error err = {0};
    const void *bytes = NULL;
    bool sent;
    int rc;

    set_time();
    if (q->ask == MEDVL_DECODE_FRAME) {
        rc = read_frame(s, &a, q->index, &err);
        bytes = s->frame;
    } else if (q->ask == MEDVL_DECODE_TURN) {
        rc = turn_file(s, &a, q->index, &err);
    } else {
        rc = open_file(s, &a, q, &err);
        bytes = s->tags.data;
    }
    sent = rc < 0 ? answer_error(&err) : answer(&a, bytes);
    medvl_free(s->frame);
    s->frame = NULL;
    return sent;
}

/*
 * The next question and its bytes, a string after them: the open file
 * stands on these until another comes.
 */
static bool get(struct medvl_decode_question *q, struct server *s)
{
    struct medvl_text *contents = &s->contents;

    if (fread(q, sizeof(*q), 1, stdin) != 1 ||
        q->magic != MEDVL_DECODE_MAGIC || q->bytes > CONTENTS)
        return false;
    if (q->ask == MEDVL_DECODE_TURN || q->ask == MEDVL_DECODE_FRAME)
        return q->bytes == 0;
    close_file(s);
    medvl_text_clear(contents);
    if (medvl_text_reserve(contents, q->bytes + 1, NULL) < 0 ||
        fread(contents->data, 1, q->bytes, stdin) != q->bytes)
        return false;
    contents->size = q->bytes;
    contents->data[q->bytes] = '\0';
    return true;
}

int main(int argc, char **argv)
{
    struct medvl_decode_question question;
    struct server server = {0};

    if (argc == 2 && strcmp(argv[1], "--version") == 0)
        return puts("medvl-decode (medvl) " MEDVL_VERSION) < 0 ||
               fflush(stdout) != 0;
    if (argc != 2 || strcmp(argv[1], "serve") != 0 ||
        isatty(STDOUT_FILENO)) {
        fputs("medvl-decode: started by other commands\n", stderr);
        return 2;
    }
    set_limits();
    while (get(&question, &server) && serve_one(&server, &question))
        ;
    close_file(&server);
    medvl_text_release(&server.tags);
    medvl_text_release(&server.contents);
    return EXIT_SUCCESS;
}
