/*
 * The image side in memory: decode, window, resize, encode, on pictures made
 * by a formula.  One JSON line a measure, the best of several runs; MP are
 * those of the picture that comes in.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "lib/image/resize.h"

#define RUNS 7

enum { WIDTH = 1500,
       HEIGHT = 1800,
       SIDE = 336 };

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Waves with a little noise, about as hard to compress as a radiograph. */
static int make(struct medvl_picture *out, int channels, int depth,
                struct medvl_error *err)
{
    uint32_t noise = 1;
    int rc = medvl_picture_make(out, WIDTH, HEIGHT, channels, depth, err);

    for (int64_t y = 0; rc == MEDVL_OK && y < HEIGHT; y++)
        for (int64_t i = 0; i < WIDTH * channels; i++) {
            const double x = (double)(i / channels);
            const double v = 0.5 + 0.25 * sin(x / 97) +
                             0.2 * cos((double)y / 131 + (double)(i % 3));
            const size_t at = (size_t)(y * WIDTH * channels + i);

            noise = noise * 1664525 + 1013904223;
            if (depth == 16)
                ((uint16_t *)out->data)[at] =
                    (uint16_t)(v * 4000 + (noise >> 26));
            else
                ((uint8_t *)out->data)[at] =
                    (uint8_t)(v * 250 + (noise >> 30));
        }
    return rc;
}

static void report(const char *bench, int channels, int depth, double best)
{
    printf("{\"bench\":\"%s\",\"channels\":%d,\"depth\":%d,\"ms\":%.3f,"
           "\"mp_per_s\":%.0f}\n",
           bench, channels, depth, best * 1e3, WIDTH * HEIGHT / best / 1e6);
}

/* A window where the picture has 16 bits, then the resize. */
static int bench_resize(int channels, int depth, struct medvl_error *err)
{
    const struct medvl_window window = {
        .given = depth == 16, .a = 2000, .b = 3000};
    const uint8_t black[3] = {0};
    struct medvl_picture from = {0}, in = {0}, out = {0};
    double best = 1e9;
    int rc = make(&from, channels, depth, err);

    for (int i = 0; rc == MEDVL_OK && i < RUNS; i++) {
        double start;

        rc = medvl_picture_crop(&in, &from, 0, 0, WIDTH, HEIGHT, err);
        start = now();
        if (rc == MEDVL_OK)
            rc = medvl_picture_window(&in, &window, NULL, err);
        if (rc == MEDVL_OK)
            rc = medvl_picture_fit(&out, &in, SIDE, SIDE, MEDVL_FIT_CROP,
                                   MEDVL_FILTER_BICUBIC, black, 0, NULL, err);
        best = fmin(best, now() - start);
        medvl_picture_release(&in);
        medvl_picture_release(&out);
    }
    medvl_picture_release(&from);
    if (rc == MEDVL_OK)
        report(depth == 16 ? "window_resize" : "resize", channels, depth,
               best);
    return rc;
}

static int bench_png(int channels, struct medvl_error *err)
{
    struct medvl_picture from = {0}, back = {0};
    struct medvl_text file = {0};
    double write = 1e9, read = 1e9;
    int rc = make(&from, channels, 8, err);

    for (int i = 0; rc == MEDVL_OK && i < RUNS; i++) {
        double start = now();

        medvl_text_clear(&file);
        rc = medvl_picture_encode(&file, &from, err);
        write = fmin(write, now() - start);
        start = now();
        if (rc == MEDVL_OK)
            rc = medvl_picture_decode(&back, file.data, file.size, 0, err);
        read = fmin(read, now() - start);
        medvl_picture_release(&back);
    }
    medvl_picture_release(&from);
    medvl_text_release(&file);
    if (rc == MEDVL_OK) {
        report("png_encode", channels, 8, write);
        report("png_decode", channels, 8, read);
    }
    return rc;
}

int main(void)
{
    struct medvl_error err = {0};
    int rc = bench_resize(1, 16, &err);

    if (rc == MEDVL_OK)
        rc = bench_resize(1, 8, &err);
    if (rc == MEDVL_OK)
        rc = bench_resize(3, 8, &err);
    if (rc == MEDVL_OK)
        rc = bench_png(1, &err);
    if (rc == MEDVL_OK)
        rc = bench_png(3, &err);
    if (rc < 0)
        fprintf(stderr, "bench_image: %s\n", err.text);
    return rc < 0;
}
