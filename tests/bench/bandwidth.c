/*
 * How fast memory can be read: GB/s over a buffer far larger than any
 * cache, as one JSON line.
 *
 *     bandwidth [THREADS [MEGABYTES [ROUNDS]]]
 *
 * Each thread sums its own part, all start together, the median of the
 * rounds counts: what a program that reads every weight once a token can
 * reach at most.  "busy" takes processor time in place of the clock's, for
 * a machine that others use too.  Without libmedvl's kernels, so that both
 * sides of a comparison do not share a mistake.
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#define MOST_THREADS 256
#define MOST_ROUNDS  1000
#define PAGE         ((size_t)2 << 20)

typedef uint64_t vector __attribute__((vector_size(32)));

struct reader {
    const vector *from;
    size_t count; /* multiple of 8 */
    int rounds;
    pthread_barrier_t *barrier;
    uint64_t sum;
    double busy; /* processor seconds in the loop */
};

static double seconds(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void *read_part(void *arg)
{
    struct reader *r = arg;

    for (int round = 0; round < r->rounds; round++) {
        vector sum[8] = {0};

        pthread_barrier_wait(r->barrier);
        r->busy -= seconds(CLOCK_THREAD_CPUTIME_ID);
        for (size_t i = 0; i < r->count; i += 8)
            for (int k = 0; k < 8; k++)
                sum[k] += r->from[i + (size_t)k];
        for (int k = 0; k < 8; k++)
            r->sum += sum[k][0] + sum[k][1] + sum[k][2] + sum[k][3];
        r->busy += seconds(CLOCK_THREAD_CPUTIME_ID);
        pthread_barrier_wait(r->barrier);
    }
    return NULL;
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static int number(int argc, char **argv, int at, int usual, int most)
{
    const long n = at < argc ? strtol(argv[at], NULL, 10) : usual;

    if (n < 1 || n > most) {
        fprintf(stderr, "bandwidth: not in 1..%d: %s\n", most, argv[at]);
        exit(2);
    }
    return (int)n;
}

int main(int argc, char **argv)
{
    const int threads = number(argc, argv, 1, 2, MOST_THREADS);
    const int megabytes = number(argc, argv, 2, 1600, 1 << 20);
    const int rounds = number(argc, argv, 3, 9, MOST_ROUNDS);
    const size_t part = (size_t)megabytes * 1000000 / (size_t)threads /
                        (8 * sizeof(vector)) * (8 * sizeof(vector));
    const size_t size = (part * (size_t)threads + PAGE - 1) / PAGE * PAGE;
    struct reader readers[MOST_THREADS];
    pthread_t ids[MOST_THREADS];
    pthread_barrier_t barrier;
    double took[MOST_ROUNDS];
    uint64_t sum = 0;
    double busy = 0;
    char *data = aligned_alloc(PAGE, size);

    if (!data) {
        fprintf(stderr, "bandwidth: no memory\n");
        return 1;
    }
    madvise(data, size, MADV_HUGEPAGE);
    memset(data, 1, size);
    pthread_barrier_init(&barrier, NULL, (unsigned)threads + 1);
    for (int i = 0; i < threads; i++) {
        readers[i] = (struct reader){
            (const vector *)(void *)(data + part * (size_t)i),
            part / sizeof(vector), rounds, &barrier, 0, 0};
        if (pthread_create(&ids[i], NULL, read_part, &readers[i])) {
            fprintf(stderr, "bandwidth: no thread\n");
            return 1;
        }
    }
    for (int i = 0; i < rounds; i++) {
        pthread_barrier_wait(&barrier);
        took[i] = seconds(CLOCK_MONOTONIC);
        pthread_barrier_wait(&barrier);
        took[i] = seconds(CLOCK_MONOTONIC) - took[i];
    }
    for (int i = 0; i < threads; i++) {
        pthread_join(ids[i], NULL);
        sum += readers[i].sum;
        busy += readers[i].busy;
    }
    qsort(took, (size_t)rounds, sizeof(*took), by_value);
    printf("{\"bandwidth\":%.3e,\"best\":%.3e,\"busy\":%.3e,"
           "\"threads\":%d,\"bytes\":%zu,\"sum\":%llu}\n",
           (double)part * threads / took[rounds / 2],
           (double)part * threads / took[0],
           (double)part * threads * rounds / (busy / threads), threads,
           part * (size_t)threads, (unsigned long long)sum);
    free(data);
    return 0;
}
