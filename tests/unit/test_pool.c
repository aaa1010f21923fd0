/* The team of threads.  The module is lib/base/pool.h. */
#include "tests/unit/check.h"

#include <float.h>
#include <sched.h>
#include <stdatomic.h>
#include <time.h>

#include "lib/base/pool.h"

#define COUNT 1000

struct job {
    int times[COUNT];     /* plain: each index is one task's */
    int thread_count[8];  /* plain: each thread's own */
    atomic_int inside[8]; /* more than one: two tasks with one number */
    atomic_int broken;
    atomic_int seen;
};

static void mark(void *arg, int64_t index, int thread)
{
    struct job *job = arg;

    if (atomic_fetch_add(&job->inside[thread], 1))
        atomic_store(&job->broken, 1);
    job->times[index]++;
    job->thread_count[thread]++;
    atomic_fetch_sub(&job->inside[thread], 1);
}

static struct medvl_pool *open_pool(int threads)
{
    struct medvl_error err = {0};
    struct medvl_pool *pool;

    CHECK_OK(medvl_pool_open(&pool, threads, &err), &err);
    return pool;
}

static void every_index_runs_once_whatever_the_team(void **state)
{
    int threads, round, i;

    (void)state;
    for (threads = 0; threads <= 8; threads++) {
        struct medvl_pool *pool = threads ? open_pool(threads) : NULL;
        struct job job = {0};
        int sum = 0;

        assert_int_equal(medvl_pool_threads(pool), threads ? threads : 1);
        for (round = 0; round < 50; round++)
            medvl_pool_run(pool, COUNT - round, mark, &job);
        medvl_pool_run(pool, 0, mark, &job);
        for (i = 0; i < COUNT; i++)
            assert_int_equal(job.times[i], i < COUNT - 49 ? 50 : COUNT - i);
        for (i = 0; i < 8; i++)
            sum += job.thread_count[i];
        assert_int_equal(sum, 50 * COUNT - 49 * 50 / 2);
        assert_false(job.broken);
        medvl_pool_free(pool);
    }
}

static void indices_are_handed_out_in_rising_order(void **state)
{
    struct medvl_pool *pool = open_pool(1);
    struct job job = {0};

    (void)state;
    medvl_pool_run(pool, COUNT, mark, &job);
    assert_int_equal(job.thread_count[0], COUNT);
    medvl_pool_free(pool);
}

/* Tasks that sleep let the helpers fall asleep and the caller wait. */
static void rest(void *arg, int64_t index, int thread)
{
    struct job *job = arg;
    const struct timespec pause = {0, 300000};

    nanosleep(&pause, NULL);
    mark(arg, index, thread);
    atomic_fetch_add(&job->seen, 1);
}

static void sleeping_threads_wake_and_nothing_is_lost(void **state)
{
    struct medvl_pool *pool = open_pool(3);
    struct job job = {0};
    int round;

    (void)state;
    for (round = 0; round < 60; round++) {
        const struct timespec pause = {0, round % 3 * 100000};

        medvl_pool_run(pool, 4, rest, &job);
        assert_int_equal(atomic_load(&job.seen), 4 * (round + 1));
        nanosleep(&pause, NULL);
    }
    /* All are asleep now; one job at least must have had help. */
    job.thread_count[1] = job.thread_count[2] = 0;
    for (round = 0; round < 20; round++) {
        const struct timespec pause = {0, 2000000};

        nanosleep(&pause, NULL);
        medvl_pool_run(pool, 8, rest, &job);
    }
    assert_true(job.thread_count[1] + job.thread_count[2] > 0);
    medvl_pool_free(pool);
}

/* Very short jobs, one after another: helpers of one must not enter the
 * next with the old task. */
static void add_ten(void *arg, int64_t index, int thread)
{
    (void)index;
    (void)thread;
    atomic_fetch_add((atomic_int *)arg, 10);
}

static void add_one(void *arg, int64_t index, int thread)
{
    (void)index;
    (void)thread;
    atomic_fetch_add((atomic_int *)arg, 1);
}

static void short_jobs_do_not_run_into_each_other(void **state)
{
    struct medvl_pool *pool = open_pool(4);
    atomic_int tens = 0, ones = 0;
    int round;

    (void)state;
    for (round = 0; round < 5000; round++) {
        medvl_pool_run(pool, 2 + round % 3, add_ten, &tens);
        medvl_pool_run(pool, 2, add_one, &ones);
        assert_int_equal(atomic_load(&ones), 2 * (round + 1));
    }
    assert_int_equal(atomic_load(&tens), 149990);
    medvl_pool_free(pool);
}

static void add_denormal(void *arg, int64_t index, int thread)
{
    volatile float tiny = FLT_MIN;

    (void)thread;
    tiny /= 4;
    ((float *)arg)[index] = tiny;
}

static void every_thread_flushes_denormals(void **state)
{
    struct medvl_pool *pool = open_pool(2);
    float results[64];
    int i;

    (void)state;
    medvl_pool_run(pool, 64, add_denormal, results);
    for (i = 0; i < 64; i++)
        assert_memory_equal(&results[i], &(float){0}, sizeof(float));
    medvl_pool_free(pool);
}

static void processors_follow_the_affinity(void **state)
{
    cpu_set_t before, one;
    int cpu = 0;

    (void)state;
    assert_true(medvl_pool_processors() >= 1);
    assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
    assert_true(medvl_pool_processors() <= CPU_COUNT(&before));
    while (!CPU_ISSET(cpu, &before))
        cpu++;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
    assert_int_equal(medvl_pool_processors(), 1);
    assert_int_equal(sched_setaffinity(0, sizeof(before), &before), 0);
}

static void a_senseless_size_is_refused(void **state)
{
    struct medvl_error err = {0};
    struct medvl_pool *pool;

    (void)state;
    CHECK_FAILS(medvl_pool_open(&pool, -1, &err), MEDVL_EARG, &err, "-1");
    CHECK_FAILS(medvl_pool_open(&pool, 5000, &err), MEDVL_EARG, &err, "4096");
    assert_null(pool);
    medvl_pool_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_index_runs_once_whatever_the_team),
        cmocka_unit_test(indices_are_handed_out_in_rising_order),
        cmocka_unit_test(sleeping_threads_wake_and_nothing_is_lost),
        cmocka_unit_test(short_jobs_do_not_run_into_each_other),
        cmocka_unit_test(every_thread_flushes_denormals),
        cmocka_unit_test(processors_follow_the_affinity),
        cmocka_unit_test(a_senseless_size_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
