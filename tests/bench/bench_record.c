/*
 * Records: GB/s of the scan, of a view, of integers read, of a tree, and of
 * a map that copies, as JSON Lines.
 *
 *     bench_record [THREADS]
 *
 * The best of several rounds after a warm-up, over records of about 1 KB
 * and over records with 240 tokens.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/base/file.h"
#include "lib/base/mem.h"
#include "lib/stage/loop.h"

#define ROUNDS 7
#define BYTES  ((size_t)64 << 20)

struct bench {
    const char *kind; /* of record */
    struct medvl_text lines;
    struct medvl_json_view view;
    int32_t *items;
    size_t room;
    struct medvl_pool *pool;
    char *path;
    struct medvl_error err;
};

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void must(struct bench *b, int rc)
{
    if (rc >= 0)
        return;
    fprintf(stderr, "bench_record: %s\n", b->err.text);
    exit(1);
}

static int check_line(struct bench *b, struct medvl_span line)
{
    return medvl_json_check(line, &b->err);
}

static int view_line(struct bench *b, struct medvl_span line)
{
    return medvl_json_view_object(&b->view, line, &b->err);
}

static int read_tokens(struct bench *b, struct medvl_span line)
{
    size_t count = 0;
    const int rc = view_line(b, line);
    const struct medvl_span tokens = medvl_json_view_get(&b->view, "tokens");

    if (rc < 0 || !tokens.size)
        return rc;
    return medvl_json_read_ints(&b->items, &count, &b->room, tokens, 0,
                                INT32_MAX, &b->err);
}

static int parse_line(struct bench *b, struct medvl_span line)
{
    struct medvl_json *tree;
    const int rc = medvl_json_parse(&tree, line, &b->err);

    medvl_json_free(tree);
    return rc;
}

static void each_line(struct bench *b, int (*call)(struct bench *b,
                                                   struct medvl_span line))
{
    struct medvl_span line = {b->lines.data, 0};
    const char *end = b->lines.data + b->lines.size;

    while (line.data < end) {
        const char *newline = memchr(line.data, '\n',
                                     (size_t)(end - line.data));

        line.size = (size_t)(newline - line.data);
        must(b, call(b, line));
        line.data = newline + 1;
    }
}

static int copy(void *worker, struct medvl_record *record,
                struct medvl_out *out, struct medvl_error *err)
{
    (void)worker;
    return medvl_out_write(out, record, err);
}

static void map_lines(struct bench *b)
{
    const struct medvl_map map = {.record = copy};
    const struct medvl_loop_options loop = {
        .files = (const char *const *)&b->path,
        .file_count = 1,
        .pool = b->pool,
        .output = "/dev/null",
    };

    must(b, medvl_loop_map(&map, NULL, &loop, NULL, &b->err));
}

static void time_it(struct bench *b, const char *what,
                    int (*call)(struct bench *b, struct medvl_span line))
{
    double best = 1e9;

    for (int i = 0; i < ROUNDS; i++) {
        const double start = now();
        double took;

        if (call)
            each_line(b, call);
        else
            map_lines(b);
        took = now() - start;
        if (took < best)
            best = took;
    }
    printf("{\"op\":\"%s\",\"records\":\"%s\",\"threads\":%d,"
           "\"ms\":%.3f,\"gb_per_s\":%.3f}\n",
           what, b->kind, call ? 1 : medvl_pool_threads(b->pool), 1e3 * best,
           1e-9 * (double)b->lines.size / best);
}

static void make_text(struct bench *b)
{
    static const char said[] =
        "The heart is of normal size. No effusion, no pneumothorax, no "
        "consolidation; the bones are unremarkable. ";

    b->kind = "1 KB of text";
    for (int i = 0; b->lines.size < BYTES; i++)
        must(b, medvl_text_printf(
                    &b->lines, &b->err,
                    "{\"id\":\"r%d\",\"images\":[{\"path\":\"px/%d.png\","
                    "\"width\":512,\"height\":640,\"regions\":[{\"label\":"
                    "\"left lung\",\"box\":[12,20,220,400]}]}],"
                    "\"question\":\"Is there an effusion?\",\"answer\":"
                    "\"no\",\"source\":\"bench\",\"license\":\"CC0-1.0\","
                    "\"split\":\"train\",\"group\":\"p%d\",\"text\":"
                    "\"%s%s%s%s%s%s\"}\n",
                    i, i, i / 9, said, said, said, said, said, said));
}

static void make_tokens(struct bench *b)
{
    b->kind = "240 tokens";
    for (int i = 0; b->lines.size < BYTES; i++) {
        must(b, medvl_text_printf(&b->lines, &b->err,
                                  "{\"id\":\"r%d\",\"tokens\":[0", i));
        for (unsigned k = 1; k < 240; k++)
            must(b, medvl_text_printf(&b->lines, &b->err, ",%u",
                                      (k * 2654435761u + (unsigned)i) >>
                                          (17 + k % 9)));
        must(b, medvl_text_puts(&b->lines, "]}\n", &b->err));
    }
}

static void run(struct bench *b)
{
    const char *folder = getenv("TMPDIR");

    must(b, medvl_path_join(&b->path, folder ? folder : "/tmp",
                            "medvl-bench.jsonl", &b->err));
    must(b, medvl_file_write(b->path, b->lines.data, b->lines.size, &b->err));
    time_it(b, "scan", check_line);
    time_it(b, "view", view_line);
    time_it(b, "view_ints", read_tokens);
    time_it(b, "tree", parse_line);
    time_it(b, "map_copy", NULL);
    must(b, medvl_path_remove(b->path, &b->err));
    medvl_free(b->path);
    medvl_text_clear(&b->lines);
}

int main(int argc, char **argv)
{
    const long threads = argc > 1 ? strtol(argv[1], NULL, 10) : 1;
    struct bench b = {0};

    must(&b, medvl_pool_open(&b.pool, (int)threads,
                             &b.err));
    make_text(&b);
    run(&b);
    make_tokens(&b);
    run(&b);
    medvl_text_release(&b.lines);
    medvl_json_view_release(&b.view);
    medvl_free(b.items);
    medvl_pool_free(b.pool);
    return fflush(stdout) != 0;
}
