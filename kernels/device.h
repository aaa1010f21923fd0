/*
 * Where kernels run: the team of threads, the instruction set, the scratch
 * block, and the table of operations.
 *
 * Read next: ops.h.
 */
#ifndef MEDVL_KERNELS_DEVICE_H
#define MEDVL_KERNELS_DEVICE_H

#include <stdbool.h>
#include <stddef.h>

#include "kernels/tensor.h"
#include "lib/base/pool.h"

enum medvl_isa {
    MEDVL_ISA_PLAIN, /* the _ref.h loops compiled as float */
    MEDVL_ISA_AVX2,  /* AVX2, FMA and F16C */
};

struct medvl_ops;

/* On other devices the same struct, with what they need behind `state`. */
struct medvl_device {
    const char *name;            /* "cpu" */
    const struct medvl_ops *ops; /* what it can do */
    struct medvl_pool *pool;     /* borrowed; NULL: one thread */
    enum medvl_isa isa;
    void *scratch; /* for the length of one call; 64-byte aligned */
    size_t scratch_size;

    /*
     * Inference: each row of a product is summed in an order that does not
     * depend on how many rows there are, so a prediction does not depend on
     * its neighbours in a batch.  Training leaves it off and is faster.
     */
    bool row_invariant;
    void *state;
    void (*free)(struct medvl_device *dev); /* medvl_device_free calls it */
};

/*
 * The CPU device.  Picks the best instruction set of this machine, or
 * `isa` when it is lower (tests).  OpenBLAS is set to one thread: the team
 * does the parallel work, cut where the shapes say.
 */
int medvl_device_open_cpu(struct medvl_device **out, struct medvl_pool *pool,
                          enum medvl_isa isa,
                          struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * Open by name: "cpu", or "cuda" through the plugin libmedvl-cuda.so
 * (beside the executable, then PLUGINDIR).  MEDVL_EUNSUPPORTED when there
 * is no such plugin or its version differs, naming both.
 */
int medvl_device_open(struct medvl_device **out, const char *name,
                      struct medvl_pool *pool,
                      struct medvl_error *err) MEDVL_MUST_CHECK;

/* Make the scratch block at least `size` bytes; contents are lost. */
int medvl_device_reserve(struct medvl_device *dev, size_t size,
                         struct medvl_error *err) MEDVL_MUST_CHECK;

/* Wait for the work and return the first failure, naming the op. */
int medvl_device_sync(struct medvl_device *dev,
                      struct medvl_error *err) MEDVL_MUST_CHECK;
void medvl_device_free(struct medvl_device *dev);

/*
 * Plugins answer `medvl_cuda_api(MEDVL_DEVICE_API)` with this; one that
 * does not speak that version gives its own, and is not opened.
 */
#define MEDVL_DEVICE_API 1
struct medvl_device_api {
    int version;
    const char *build; /* for messages */
    int (*open)(struct medvl_device **out, struct medvl_error *err);
};

#endif
