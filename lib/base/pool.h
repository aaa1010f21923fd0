/*
 * The one team of threads of a process, for filters and kernels alike.
 *
 * Read next: http.h (when there), then data/record.h.
 */
#ifndef MEDVL_BASE_POOL_H
#define MEDVL_BASE_POOL_H

#include <stdint.h>

#include "lib/base/status.h"

struct medvl_pool;

/* Processors this process may use: affinity and cgroup quota; at least 1. */
int medvl_pool_processors(void);

/*
 * Start `threads` - 1 threads (the caller is the last one); 0 means
 * medvl_pool_processors.  Every thread, the caller too, flushes denormals
 * to zero from here on, so a sum does not depend on who made it.
 */
int medvl_pool_open(struct medvl_pool **out, int threads,
                    struct medvl_error *err) MEDVL_MUST_CHECK;
int medvl_pool_threads(const struct medvl_pool *pool);

/*
 * Call task(arg, index, thread) for every index in [0, count) and return
 * when all are done.  Indices are handed out in rising order; `thread` is
 * 0..threads-1 and no two tasks with one number run at once, so scratch may
 * be kept by it.  Results must not depend on `thread`.  A call costs a few
 * microseconds; idle threads spin briefly, then sleep.  pool may be NULL:
 * the caller does it all.  Not to be called from within a task.
 */
void medvl_pool_run(struct medvl_pool *pool, int64_t count,
                    void (*task)(void *arg, int64_t index, int thread),
                    void *arg);

void medvl_pool_free(struct medvl_pool *pool);

#endif
