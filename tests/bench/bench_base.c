/*
 * The floor: how fast text is checked, lines are read, a team is called.
 * One JSON line a measure, the best of several runs.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/mem.h"
#include "lib/base/pool.h"
#include "lib/base/stream.h"

#define SIZE ((size_t)64 << 20)
#define RUNS 5

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* A block full of `piece`, as often as it fits whole. */
static size_t fill(char *block, const char *piece)
{
    const size_t size = strlen(piece);
    size_t at;

    for (at = 0; at + size <= SIZE; at += size)
        memcpy(block + at, piece, size);
    return at;
}

static int bench_utf8(char *block, const char *name, const char *piece)
{
    const size_t size = fill(block, piece);
    double best = 1e9;
    int i;

    for (i = 0; i < RUNS; i++) {
        const double start = now();

        if (medvl_utf8_valid(block, size) != size)
            return -1;
        best = best < now() - start ? best : now() - start;
    }
    printf("{\"bench\":\"utf8_valid\",\"text\":\"%s\",\"gb_per_s\":%.2f}\n",
           name, (double)size / best / 1e9);
    return 0;
}

static int read_lines(const char *path, struct medvl_text *text,
                      struct medvl_error *err)
{
    struct medvl_reader *reader;
    int rc;

    rc = medvl_reader_open(&reader, path, 0, 0, err);
    if (rc < 0)
        return rc;
    do {
        medvl_text_clear(text);
        rc = medvl_reader_lines(reader, text, 1 << 20, 1 << 20, err);
    } while (rc > 0);
    medvl_reader_free(reader);
    return rc;
}

static int bench_lines(char *block, const char *path, struct medvl_error *err)
{
    const size_t size = fill(block, "{\"id\":\"a\",\"text\":\"a line\"}\n");
    struct medvl_text text = {0};
    struct medvl_writer *writer;
    double best = 1e9;
    int i, rc;

    rc = medvl_writer_open(&writer, path, ".tmp", false, err);
    if (rc < 0)
        return rc;
    rc = medvl_writer_put(writer, block, size, err);
    if (rc < 0) {
        medvl_writer_free(writer);
        return rc;
    }
    rc = medvl_writer_close(writer, err);
    for (i = 0; i < RUNS && rc == MEDVL_OK; i++) {
        const double start = now();

        rc = read_lines(path, &text, err);
        best = best < now() - start ? best : now() - start;
    }
    medvl_text_release(&text);
    remove(path);
    printf("{\"bench\":\"reader_lines\",\"zstd\":%s,\"gb_per_s\":%.2f}\n",
           strstr(path, ".zst") ? "true" : "false",
           (double)size / best / 1e9);
    return rc;
}

static void nothing(void *arg, int64_t index, int thread)
{
    (void)arg;
    (void)index;
    (void)thread;
}

static int bench_pool(struct medvl_error *err)
{
    const int calls = 100000;
    struct medvl_pool *pool;
    double start;
    int i, rc;

    rc = medvl_pool_open(&pool, 0, err);
    if (rc < 0)
        return rc;
    start = now();
    for (i = 0; i < calls; i++)
        medvl_pool_run(pool, 2, nothing, NULL);
    printf("{\"bench\":\"pool_run\",\"threads\":%d,\"us_per_call\":%.2f}\n",
           medvl_pool_threads(pool), (now() - start) / calls * 1e6);
    medvl_pool_free(pool);
    return MEDVL_OK;
}

int main(void)
{
    struct medvl_error err = {0};
    char path[64], *block = medvl_block_alloc(SIZE);
    int rc = -1;

    if (!block)
        return 1;
    if (bench_utf8(block, "ascii", "plain text of a report, ") == 0 &&
        bench_utf8(block, "french", "r\xc3\xa9sum\xc3\xa9 d\xc3\xa9j\xc3\xa0 "
                                    "vu, ") == 0 &&
        bench_utf8(block, "chinese", "\xe8\x82\xba\xe9\x83\xa8") == 0)
        rc = MEDVL_OK;
    snprintf(path, sizeof(path), "%s/bench-%ld.zst", P_tmpdir, (long)getpid());
    if (rc == MEDVL_OK)
        rc = bench_lines(block, path, &err);
    path[strlen(path) - 4] = '\0';
    if (rc == MEDVL_OK)
        rc = bench_lines(block, path, &err);
    if (rc == MEDVL_OK)
        rc = bench_pool(&err);
    medvl_block_free(block, SIZE);
    if (rc < 0)
        fprintf(stderr, "bench_base: %s\n", err.text);
    return rc < 0;
}
