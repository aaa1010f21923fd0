/*
 * The CPU device, and opening of plugins by name.
 *
 * Read next: cpu.h.
 */
#include "kernels/device.h"

#include <string.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "kernels/cpu.h"
#include "lib/base/mem.h"

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

int medvl_device_open(struct medvl_device **out, const char *name,
                      struct medvl_pool *pool, struct medvl_error *err)
{
    *out = NULL;
    if (strcmp(name, "cpu") == 0)
        return medvl_device_open_cpu(out, pool, MEDVL_ISA_AVX2, err);
    if (strcmp(name, "cuda") == 0)
        return medvl_fail(err, MEDVL_EUNSUPPORTED,
                          "device cuda: this build has no libmedvl-cuda.so");
    return medvl_fail(err, MEDVL_EARG, "no such device: %s", name);
}

int medvl_device_reserve(struct medvl_device *dev, size_t size,
                         struct medvl_error *err)
{
    if (size <= dev->scratch_size)
        return MEDVL_OK;
    medvl_block_free(dev->scratch, dev->scratch_size); /* never both */
    dev->scratch_size = 0;
    dev->scratch = medvl_block_alloc(size);
    if (!dev->scratch)
        return medvl_no_memory(err);
    dev->scratch_size = size;
    return MEDVL_OK;
}

int medvl_device_sync(struct medvl_device *dev, struct medvl_error *err)
{
    (void)dev; /* CPU kernels are done when they return and cannot fail */
    (void)err;
    return MEDVL_OK;
}

void medvl_device_free(struct medvl_device *dev)
{
    struct cpu_state *state;

    if (!dev)
        return;
    state = dev->state;
    if (state)
        medvl_block_free(state->threads, state->size);
    medvl_free(state);
    medvl_block_free(dev->scratch, dev->scratch_size);
    medvl_free(dev);
}

void *cpu_thread_scratch(const struct medvl_device *dev, int thread)
{
    const struct cpu_state *state = dev->state;

    return state->threads + (size_t)thread * CPU_THREAD_BYTES;
}
