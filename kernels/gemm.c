/*
 * Large f32 products: OpenBLAS, one thread a call, tiles cut over the team.
 *
 * The cut follows from the shape alone.  Tiles of about 512 x 768 are where
 * packing inside a call costs little and two threads still share evenly.
 *
 * Read next: linear.c.
 */
#include <cblas.h>

#include "kernels/cpu.h"

#define TILE_N   512
#define TILE_M   768
#define TILES    4   /* at least, while tiles stay over LEAST items */
#define LEAST    128 /* of a side that is still halved */
#define MULTIPLE 16  /* sides of tiles, in items */

void cpu_gemm_start(void)
{
    openblas_set_num_threads(1);
}

struct tiles {
    const struct gemm *gemm;
    int64_t n, m, across; /* side of a tile; tiles along m */
};

static void gemm_tile(void *arg, int64_t index, int thread)
{
    const struct tiles *t = arg;
    const struct gemm *g = t->gemm;
    const int64_t i = index / t->across * t->n, j = index % t->across * t->m;
    const int64_t n = min_i64(t->n, g->n - i), m = min_i64(t->m, g->m - j);
    const bool a_t = g->form == GEMM_TN, b_t = g->form == GEMM_NT;

    (void)thread;
    cblas_sgemm(CblasRowMajor, a_t ? CblasTrans : CblasNoTrans,
                b_t ? CblasTrans : CblasNoTrans,
                (blasint)n, (blasint)m, (blasint)g->k, g->alpha,
                g->a + (a_t ? i : i * g->lda), (blasint)g->lda,
                g->b + (b_t ? j * g->ldb : j), (blasint)g->ldb, g->beta,
                g->c + i * g->ldc + j, (blasint)g->ldc);
    for (int64_t r = i; g->bias && r < i + n; r++)
        for (int64_t c = j; c < j + m; c++)
            g->c[r * g->ldc + c] += g->bias[c];
}

static int64_t side(int64_t whole, int64_t parts)
{
    return ceil_div(ceil_div(whole, parts), MULTIPLE) * MULTIPLE;
}

void cpu_gemm(struct medvl_device *dev, const struct gemm *gemm)
{
    int64_t down = ceil_div(gemm->n, TILE_N);
    int64_t across = ceil_div(gemm->m, TILE_M);
    struct tiles t = {.gemm = gemm};

    if (gemm->n <= 0 || gemm->m <= 0)
        return;
    while (down * across < TILES) {
        const int64_t n = gemm->n / down, m = gemm->m / across;

        if (max_i64(n, m) < 2 * LEAST || n * m * gemm->k < 1 << 18)
            break;
        if (n >= m)
            down *= 2;
        else
            across *= 2;
    }
    t.n = side(gemm->n, down);
    t.m = side(gemm->m, across);
    t.across = ceil_div(gemm->m, t.m);
    medvl_pool_run(dev->pool, ceil_div(gemm->n, t.n) * t.across, gemm_tile,
                   &t);
}
