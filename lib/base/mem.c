/*
 * Memory over the C library's allocator, with checked products and the
 * hook that lets tests make one allocation fail.
 *
 * Read next: text.c.
 */
#include "lib/base/mem.h"

#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#define HUGE_PAGE ((size_t)2 << 20)
#define HUGE_FROM ((size_t)4 << 20)
#define LINE      ((size_t)64)

/* The one mutable state of the library: off (-1) except in tests. */
static atomic_long fail_after = -1;
static atomic_bool failed;

static bool must_fail(void)
{
    if (atomic_load_explicit(&fail_after, memory_order_relaxed) < 0)
        return false;
    if (atomic_fetch_sub(&fail_after, 1) != 0)
        return false;
    atomic_store(&failed, true);
    return true;
}

void medvl_mem_fail_after(long n)
{
    atomic_store(&failed, false);
    atomic_store(&fail_after, n < 0 ? -1 : n);
}

bool medvl_mem_failed(void)
{
    return atomic_load(&failed);
}

bool medvl_size_mul(size_t *out, size_t a, size_t b)
{
    size_t product;

    if (__builtin_mul_overflow(a, b, &product))
        return false;
    *out = product;
    return true;
}

bool medvl_size_add(size_t *out, size_t a, size_t b)
{
    size_t sum;

    if (__builtin_add_overflow(a, b, &sum))
        return false;
    *out = sum;
    return true;
}

bool medvl_int64_mul(int64_t *out, int64_t a, int64_t b)
{
    int64_t product;

    if (__builtin_mul_overflow(a, b, &product))
        return false;
    *out = product;
    return true;
}

void *medvl_alloc(size_t count, size_t size)
{
    size_t bytes;

    if (!medvl_size_mul(&bytes, count, size) || must_fail())
        return NULL;
    return calloc(1, bytes ? bytes : 1);
}

void *medvl_resize(void *old, size_t count, size_t size)
{
    size_t bytes;

    if (!medvl_size_mul(&bytes, count, size) || must_fail())
        return NULL;
    return realloc(old, bytes ? bytes : 1);
}

void medvl_free(void *pointer)
{
    free(pointer);
}

/*
 * A large block is mapped: its pages are zero without being touched.  Under
 * the address sanitizer it comes from the allocator all the same, so that
 * its ends are guarded and a lost block is reported.
 */
static bool mapped(size_t size)
{
#ifdef __SANITIZE_ADDRESS__
    (void)size;
    return false;
#else
    return size >= HUGE_FROM;
#endif
}

static size_t whole_pages(size_t size)
{
    return (size + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1);
}

static void *map_block(size_t size)
{
    const size_t bytes = whole_pages(size);
    unsigned char *base, *block;

    base = mmap(NULL, bytes + HUGE_PAGE, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED)
        return NULL;
    block = (unsigned char *)whole_pages((size_t)base);
    if (block > base)
        munmap(base, (size_t)(block - base));
    munmap(block + bytes, HUGE_PAGE - (size_t)(block - base));
    madvise(block, bytes, MADV_HUGEPAGE);
    return block;
}

void *medvl_block_alloc(size_t size)
{
    void *block;

    if (size > SIZE_MAX / 2 || must_fail())
        return NULL;
    if (mapped(size))
        return map_block(size);
    if (posix_memalign(&block, size >= HUGE_FROM ? HUGE_PAGE : LINE,
                       size ? size : 1))
        return NULL;
    memset(block, 0, size);
    return block;
}

void medvl_block_free(void *block, size_t size)
{
    if (block && mapped(size))
        munmap(block, whole_pages(size));
    else
        free(block);
}

int medvl_grow(void *items, size_t *capacity, size_t need, size_t size,
               struct medvl_error *err)
{
    size_t room = *capacity < 8 ? 8 : *capacity;
    void *pointer, *grown;

    if (need <= *capacity)
        return MEDVL_OK;
    if (*capacity >= 8 && !medvl_size_mul(&room, *capacity, 2))
        room = need;
    if (room < need)
        room = need;
    memcpy(&pointer, items, sizeof(pointer));
    grown = medvl_resize(pointer, room, size);
    if (!grown)
        return medvl_no_memory(err);
    memcpy(items, &grown, sizeof(grown));
    *capacity = room;
    return MEDVL_OK;
}

char *medvl_copy_string(const char *data, size_t size)
{
    char *copy;

    if (size == SIZE_MAX)
        return NULL;
    copy = medvl_alloc(size + 1, 1);
    if (copy && size)
        memcpy(copy, data, size);
    return copy;
}

int medvl_no_memory(struct medvl_error *err)
{
    return medvl_fail(err, MEDVL_ENOMEM, "out of memory");
}

/* ---- what the kernel says ---------------------------------------------- */

/* The start of a file of the system's as a string; empty when there is
 * none. */
static void read_small(char *out, size_t size, const char *path)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = -1;

    if (fd >= 0) {
        got = read(fd, out, size - 1);
        close(fd);
    }
    out[got > 0 ? got : 0] = '\0';
}

/* The number of kilobytes behind a name, in bytes; 0 when it is absent. */
static size_t kilobytes(const char *text, const char *name)
{
    const char *line = strstr(text, name);

    return line ? (size_t)strtoull(line + strlen(name), NULL, 10) * 1024 : 0;
}

/*
 * VmHWM, because getrusage's figure starts at what the process had before
 * exec; getrusage where there is no /proc.
 */
size_t medvl_mem_peak(void)
{
    char text[4096];
    struct rusage usage;
    size_t peak;

    read_small(text, sizeof(text), "/proc/self/status");
    peak = kilobytes(text, "VmHWM:");
    if (peak || getrusage(RUSAGE_SELF, &usage) < 0)
        return peak;
    return (size_t)usage.ru_maxrss * 1024;
}

/* The least limit of a control group and of all above it. */
static size_t least_limit(const char *folder, char *group, const char *name,
                          size_t least)
{
    char path[PATH_MAX], text[64];

    for (;;) {
        char *slash = strrchr(group, '/');

        snprintf(path, sizeof(path), "%s%s/%s", folder, group, name);
        read_small(text, sizeof(text), path);
        if (*text >= '0' && *text <= '9') { /* else "max", or nothing */
            const size_t limit = (size_t)strtoull(text, NULL, 10);

            least = limit < least ? limit : least;
        }
        if (!slash)
            return least;
        *slash = '\0';
    }
}

/* Lines "0::/group" (version 2) and "4:memory:/group" (version 1). */
static size_t group_limit(size_t least)
{
    char text[4096];
    char *line, *end;

    read_small(text, sizeof(text), "/proc/self/cgroup");
    for (line = text; *line; line = end) {
        char *group;

        end = line + strcspn(line, "\n");
        if (*end)
            *end++ = '\0';
        group = strstr(line, ":memory:");
        if (group)
            least = least_limit("/sys/fs/cgroup/memory", group + 8,
                                "memory.limit_in_bytes", least);
        else if (!strncmp(line, "0::", 3))
            least = least_limit("/sys/fs/cgroup", line + 3, "memory.max",
                                least);
    }
    return least;
}

size_t medvl_mem_available(void)
{
    char text[4096];

    read_small(text, sizeof(text), "/proc/meminfo");
    return group_limit(kilobytes(text, "MemAvailable:"));
}
