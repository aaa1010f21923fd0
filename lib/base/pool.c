/*
 * A team of threads that work off the indices of one job at a time.
 *
 * `state` is one word: how many helpers are inside the job, whether it is
 * open, and its number.  A helper joins by adding one to the word of an
 * open job, in one step, so the job's fields cannot change under it; the
 * caller closes the job when the indices are out and returns when nobody is
 * inside.  A helper that wakes too late finds the job closed and has held
 * up nobody.  Sleeping, on both sides, is behind a mutex; whoever changes
 * the word looks afterwards whether somebody sleeps.
 *
 * Read next: lib/data/record.h.
 */
#include "lib/base/pool.h"

#include <assert.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#ifdef __SSE2__
#include <xmmintrin.h>
#endif

#include "lib/base/mem.h"

#define INSIDE ((uint64_t)0xffff)
#define OPEN   ((uint64_t)0x10000)
#define NUMBER ((uint64_t)0x20000) /* one job more */

#define SPIN_NS     20000 /* about what a wake-up costs */
#define MOST        4096
#define MOST_BYTES  16384 /* of /proc/self/cgroup */
#define CGROUP_ROOT "/sys/fs/cgroup"

struct helper {
    struct medvl_pool *pool;
    pthread_t thread;
    int number;
};

struct medvl_pool {
    int threads, started;
    long spin_ns;
    struct helper *helpers;

    _Atomic uint64_t state;
    void (*task)(void *arg, int64_t index, int thread);
    void *arg;
    int64_t count;
    _Atomic int64_t next;

    pthread_mutex_t mutex;
    pthread_cond_t wake, done;
    _Atomic int sleeping;
    atomic_bool waiting, stop;
};

/* ---- how many ------------------------------------------------------------ */

static int affinity(void)
{
    size_t most = 1024;
    int count = 0;

    for (; most <= ((size_t)1 << 20) && !count; most *= 2) {
        cpu_set_t *set = CPU_ALLOC(most);
        const size_t size = CPU_ALLOC_SIZE(most);

        if (!set)
            return 1;
        if (sched_getaffinity(0, size, set) == 0)
            count = CPU_COUNT_S(size, set);
        CPU_FREE(set);
    }
    return count ? count : 1;
}

/* A small file of the system's as a string; false when it cannot be. */
static bool read_small(char *out, size_t size, const char *path)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got;

    if (fd < 0)
        return false;
    got = read(fd, out, size - 1);
    close(fd);
    out[got > 0 ? got : 0] = '\0';
    return got > 0;
}

/* "QUOTA PERIOD" in one file, or each in its own; "max" is no quota. */
static bool read_quota(const char *folder, const char *group,
                       const char *quota_name, const char *period_name,
                       double *processors)
{
    char path[PATH_MAX], text[128] = "";
    double quota, period;
    size_t size;

    snprintf(path, sizeof(path), "%s%s/%s", folder, group, quota_name);
    if (!read_small(text, sizeof(text) / 2, path))
        return false;
    if (period_name) {
        snprintf(path, sizeof(path), "%s%s/%s", folder, group, period_name);
        size = strlen(text);
        if (!read_small(text + size, sizeof(text) - size, path))
            return false;
    }
    if (sscanf(text, "%lf %lf", &quota, &period) != 2 || quota <= 0 ||
        period <= 0)
        return false;
    *processors = quota / period;
    return true;
}

/* The least quota of a group and all groups above it; 0 for none. */
static double least_quota(const char *folder, char *group, const char *quota,
                          const char *period)
{
    double least = 0, one;
    char *slash;

    for (;;) {
        if (read_quota(folder, group, quota, period, &one) &&
            (least == 0 || one < least))
            least = one;
        slash = strrchr(group, '/');
        if (!slash)
            return least;
        *slash = '\0';
    }
}

/*
 * A line of /proc/self/cgroup: "0::/group" (version 2) or
 * "4:cpu,cpuacct:/group" (version 1).
 */
static double line_quota(char *line)
{
    char *names = strchr(line, ':');
    char *group = names ? strchr(names + 1, ':') : NULL;
    char padded[256];

    if (!group)
        return 0;
    *group++ = '\0';
    names++;
    if (!*names)
        return least_quota(CGROUP_ROOT, group, "cpu.max", NULL);
    snprintf(padded, sizeof(padded), ",%s,", names);
    if (!strstr(padded, ",cpu,"))
        return 0;
    return least_quota(CGROUP_ROOT "/cpu", group, "cpu.cfs_quota_us",
                       "cpu.cfs_period_us");
}

static double cgroup_quota(void)
{
    char text[MOST_BYTES];
    double least = 0;
    char *line, *end;

    if (!read_small(text, sizeof(text), "/proc/self/cgroup"))
        return 0;
    for (line = text; *line; line = end) {
        double one;

        end = line + strcspn(line, "\n");
        if (*end)
            *end++ = '\0';
        one = line_quota(line);
        if (one > 0 && (least == 0 || one < least))
            least = one;
    }
    return least;
}

int medvl_pool_processors(void)
{
    const int most = affinity();
    const double quota = cgroup_quota();
    int whole;

    if (quota <= 0 || quota >= most)
        return most;
    whole = (int)quota;
    return whole + (whole < quota); /* a part of one is used as one */
}

/* ---- the job --------------------------------------------------------- */

static void flush_denormals(void)
{
#if defined(__SSE2__)
    _mm_setcsr(_mm_getcsr() | 0x8040); /* results and operands */
#elif defined(__aarch64__)
    uint64_t control;

    __asm__ volatile("mrs %0, fpcr"
                     : "=r"(control));
    __asm__ volatile("msr fpcr, %0"
                     :
                     : "r"(control | (uint64_t)1 << 24));
#endif
}

static int64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void relax(void)
{
#ifdef __SSE2__
    _mm_pause();
#endif
}

/* Look at `ready` again and again for a short time. */
static bool spin(struct medvl_pool *pool, uint64_t number,
                 bool (*ready)(struct medvl_pool *pool, uint64_t number))
{
    int64_t end = 0;
    int i;

    for (;;) {
        for (i = 0; i < 32; i++) {
            if (ready(pool, number))
                return true;
            relax();
        }
        if (!end)
            end = now_ns() + pool->spin_ns;
        else if (now_ns() >= end)
            return false;
    }
}

static void work(struct medvl_pool *pool, int thread)
{
    const int64_t count = pool->count;
    int64_t index;

    for (;;) {
        index = atomic_fetch_add_explicit(&pool->next, 1,
                                          memory_order_relaxed);
        if (index >= count)
            return;
        pool->task(pool->arg, index, thread);
    }
}

/* A job that is open and is not `number`, or the end. */
static bool has_job(struct medvl_pool *pool, uint64_t number)
{
    const uint64_t state = atomic_load(&pool->state);

    return atomic_load(&pool->stop) ||
           ((state & OPEN) && state / NUMBER != number);
}

static bool is_empty(struct medvl_pool *pool, uint64_t number)
{
    (void)number;
    return !(atomic_load(&pool->state) & INSIDE);
}

static void wait_for_job(struct medvl_pool *pool, uint64_t number)
{
    if (spin(pool, number, has_job))
        return;
    pthread_mutex_lock(&pool->mutex);
    atomic_fetch_add(&pool->sleeping, 1);
    while (!has_job(pool, number))
        pthread_cond_wait(&pool->wake, &pool->mutex);
    atomic_fetch_sub(&pool->sleeping, 1);
    pthread_mutex_unlock(&pool->mutex);
}

/* Step into the open job, if it still is; sets *number. */
static bool join_job(struct medvl_pool *pool, uint64_t *number)
{
    uint64_t state = atomic_load(&pool->state);

    while (state & OPEN)
        if (atomic_compare_exchange_weak(&pool->state, &state, state + 1)) {
            *number = state / NUMBER;
            return true;
        }
    return false;
}

static void leave_job(struct medvl_pool *pool)
{
    const uint64_t before = atomic_fetch_sub(&pool->state, 1);

    if ((before & INSIDE) == 1 && atomic_load(&pool->waiting)) {
        pthread_mutex_lock(&pool->mutex);
        pthread_cond_signal(&pool->done);
        pthread_mutex_unlock(&pool->mutex);
    }
}

static void *help(void *arg)
{
    const struct helper *helper = arg;
    struct medvl_pool *pool = helper->pool;
    uint64_t number = 0;

    flush_denormals();
    for (;;) {
        wait_for_job(pool, number);
        if (atomic_load(&pool->stop))
            return NULL;
        if (!join_job(pool, &number))
            continue;
        work(pool, helper->number);
        leave_job(pool);
    }
}

static void wake_all(struct medvl_pool *pool)
{
    if (!atomic_load(&pool->sleeping))
        return;
    pthread_mutex_lock(&pool->mutex);
    pthread_cond_broadcast(&pool->wake);
    pthread_mutex_unlock(&pool->mutex);
}

static void wait_for_helpers(struct medvl_pool *pool)
{
    if (spin(pool, 0, is_empty))
        return;
    pthread_mutex_lock(&pool->mutex);
    atomic_store(&pool->waiting, true);
    while (!is_empty(pool, 0))
        pthread_cond_wait(&pool->done, &pool->mutex);
    atomic_store(&pool->waiting, false);
    pthread_mutex_unlock(&pool->mutex);
}

void medvl_pool_run(struct medvl_pool *pool, int64_t count,
                    void (*task)(void *arg, int64_t index, int thread),
                    void *arg)
{
    uint64_t state;
    int64_t index;

    if (!pool || pool->threads == 1 || count <= 1) {
        for (index = 0; index < count; index++)
            task(arg, index, 0);
        return;
    }
    state = atomic_load(&pool->state);
    assert(!(state & (OPEN | INSIDE))); /* from within a task */
    pool->task = task;
    pool->arg = arg;
    pool->count = count;
    atomic_store(&pool->next, 0);
    atomic_store(&pool->state, (state & ~(OPEN | INSIDE)) + NUMBER + OPEN);
    wake_all(pool);
    work(pool, 0);
    atomic_fetch_and(&pool->state, ~OPEN);
    wait_for_helpers(pool);
}

/* ---- life ------------------------------------------------------------ */

/* Signals go to the thread that made the team. */
static int start_helpers(struct medvl_pool *pool, struct medvl_error *err)
{
    sigset_t all, before;
    int rc = MEDVL_OK;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (rc == MEDVL_OK && pool->started < pool->threads - 1) {
        struct helper *helper = &pool->helpers[pool->started];
        int failed;

        helper->pool = pool;
        helper->number = pool->started + 1;
        failed = pthread_create(&helper->thread, NULL, help, helper);
        if (failed)
            rc = medvl_fail(err, MEDVL_EIO, "thread %d of %d: %s",
                            pool->started + 2, pool->threads,
                            strerror(failed));
        else
            pool->started++;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc;
}

int medvl_pool_open(struct medvl_pool **out, int threads,
                    struct medvl_error *err)
{
    const int processors = medvl_pool_processors();
    struct medvl_pool *pool;
    int rc;

    *out = NULL;
    if (threads < 0 || threads > MOST)
        return medvl_fail(err, MEDVL_EARG, "%d threads: not in 0..%d",
                          threads, MOST);
    pool = medvl_alloc(1, sizeof(*pool));
    if (!pool)
        return medvl_no_memory(err);
    pool->threads = threads ? threads : processors;
    pool->spin_ns = pool->threads <= processors ? SPIN_NS : 0;
    pool->helpers = medvl_alloc((size_t)pool->threads,
                                sizeof(*pool->helpers));
    if (!pool->helpers) {
        medvl_free(pool);
        return medvl_no_memory(err);
    }
    pthread_mutex_init(&pool->mutex, NULL);
    pthread_cond_init(&pool->wake, NULL);
    pthread_cond_init(&pool->done, NULL);
    flush_denormals();
    rc = start_helpers(pool, err);
    if (rc < 0)
        medvl_pool_free(pool);
    else
        *out = pool;
    return rc;
}

int medvl_pool_threads(const struct medvl_pool *pool)
{
    return pool ? pool->threads : 1;
}

void medvl_pool_free(struct medvl_pool *pool)
{
    int i;

    if (!pool)
        return;
    atomic_store(&pool->stop, true);
    pthread_mutex_lock(&pool->mutex);
    pthread_cond_broadcast(&pool->wake);
    pthread_mutex_unlock(&pool->mutex);
    for (i = 0; i < pool->started; i++)
        pthread_join(pool->helpers[i].thread, NULL);
    pthread_cond_destroy(&pool->wake);
    pthread_cond_destroy(&pool->done);
    pthread_mutex_destroy(&pool->mutex);
    medvl_free(pool->helpers);
    medvl_free(pool);
}
