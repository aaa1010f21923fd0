/*
 * The CPU device, the table of its operations, and how their work is cut.
 *
 * Read next: norm.c.
 */
#include "kernels/cpu.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "lib/base/mem.h"

#define OP(name) .name = medvl_cpu_##name,
const struct medvl_ops medvl_cpu_ops = {MEDVL_OPS(OP)};

/* ---- the device ---------------------------------------------------- */

/* Behind dev->state: a block of scratch for each thread. */
struct cpu_state {
    char *threads;
    size_t size;
};

/* F16C is asked for by hand: clang 14 has no name for it. */
static enum medvl_isa best_isa(void)
{
#if defined(__x86_64__)
    unsigned a, b, c, d;

    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
        __get_cpuid(1, &a, &b, &c, &d) && (c & bit_F16C))
        return MEDVL_ISA_AVX2;
#endif
    return MEDVL_ISA_PLAIN;
}

static void free_cpu(struct medvl_device *dev)
{
    struct cpu_state *state = dev->state;

    medvl_block_free(state->threads, state->size);
    medvl_free(state);
    medvl_block_free(dev->scratch, dev->scratch_size);
    medvl_free(dev);
}

int medvl_device_open_cpu(struct medvl_device **out, struct medvl_pool *pool,
                          enum medvl_isa isa, struct medvl_error *err)
{
    const int threads = pool ? medvl_pool_threads(pool) : 1;
    struct medvl_device *dev;
    struct cpu_state *state;

    *out = NULL;
    dev = medvl_alloc(1, sizeof(*dev));
    state = medvl_alloc(1, sizeof(*state));
    if (!dev || !state)
        goto fail;
    dev->name = "cpu";
    dev->ops = &medvl_cpu_ops;
    dev->pool = pool;
    dev->isa = best_isa() < isa ? best_isa() : isa;
    dev->state = state;
    dev->free = free_cpu;
    state->size = (size_t)threads * CPU_THREAD_BYTES;
    state->threads = medvl_block_alloc(state->size);
    if (!state->threads)
        goto fail;
    cpu_gemm_start();
    *out = dev;
    return MEDVL_OK;
fail:
    medvl_free(state);
    medvl_free(dev);
    return medvl_no_memory(err);
}

void *cpu_thread_scratch(const struct medvl_device *dev, int thread)
{
    const struct cpu_state *state = dev->state;

    return state->threads + (size_t)thread * CPU_THREAD_BYTES;
}

/* ---- cutting ------------------------------------------------------- */

#define PIECE_ITEMS 32768

struct cut cut_matrix(int64_t rows, int64_t columns)
{
    struct cut cut = {.rows = rows, .columns = columns};

    if (columns > PIECE_ITEMS) {
        cut.row_step = 1;
        cut.step = PIECE_ITEMS;
    } else {
        cut.row_step = PIECE_ITEMS / max_i64(columns, 1);
        cut.step = max_i64(columns, 1);
    }
    cut.across = ceil_div(columns, cut.step);
    return cut;
}

int64_t cut_count(const struct cut *cut)
{
    return ceil_div(cut->rows, cut->row_step) * cut->across;
}

struct piece cut_piece(const struct cut *cut, int64_t index)
{
    struct piece piece;

    piece.row = index / cut->across * cut->row_step;
    piece.rows = min_i64(cut->row_step, cut->rows - piece.row);
    piece.column = index % cut->across * cut->step;
    piece.columns = min_i64(cut->step, cut->columns - piece.column);
    return piece;
}
