/*
 * What options name in the records: counts, by many threads.
 *
 * Read next: import.c.
 */
#include "lib/stage/want.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/mem.h"

struct medvl_want {
    struct medvl_want *next;
    atomic_llong asked, had;
    bool tally;
    pthread_mutex_t lock; /* of why */
    char said[300], why[300];
};

static int add(struct medvl_want **out, struct medvl_wants *wants,
               bool tally, struct medvl_error *err, const char *said,
               va_list args)
{
    struct medvl_want **end;

    *out = NULL;
    if (!wants)
        return MEDVL_OK;
    *out = medvl_alloc(1, sizeof(**out));
    if (!*out)
        return medvl_no_memory(err);
    pthread_mutex_init(&(*out)->lock, NULL);
    (*out)->tally = tally;
    vsnprintf((*out)->said, sizeof((*out)->said), said, args);
    for (end = &wants->first; *end;)
        end = &(*end)->next;
    *end = *out;
    return MEDVL_OK;
}

int medvl_wants_add(struct medvl_want **out, struct medvl_wants *wants,
                    struct medvl_error *err, const char *said, ...)
{
    va_list args;
    int rc;

    va_start(args, said);
    rc = add(out, wants, false, err, said, args);
    va_end(args);
    return rc;
}

int medvl_wants_add_tally(struct medvl_want **out, struct medvl_wants *wants,
                          struct medvl_error *err, const char *said, ...)
{
    va_list args;
    int rc;

    va_start(args, said);
    rc = add(out, wants, true, err, said, args);
    va_end(args);
    return rc;
}

void medvl_want_count(struct medvl_want *want, bool had, const char *why)
{
    if (!want)
        return;
    atomic_fetch_add_explicit(&want->asked, 1, memory_order_relaxed);
    if (had)
        atomic_fetch_add_explicit(&want->had, 1, memory_order_relaxed);
    if (!why || atomic_load_explicit(&want->had, memory_order_relaxed))
        return;
    pthread_mutex_lock(&want->lock);
    if (!want->why[0] || strcmp(why, want->why) < 0)
        snprintf(want->why, sizeof(want->why), "%s", why);
    pthread_mutex_unlock(&want->lock);
}

void medvl_wants_unmet(const struct medvl_wants *wants,
                       void (*say)(void *arg, const char *text), void *arg)
{
    for (struct medvl_want *w = wants->first; w; w = w->next) {
        const long long asked = atomic_load(&w->asked);
        const long long had = atomic_load(&w->had);
        char text[700];

        if (!asked || (had > 0) != w->tally)
            continue;
        if (w->tally)
            snprintf(text, sizeof(text), "%lld of %lld %s", had, asked,
                     w->said);
        else
            snprintf(text, sizeof(text), "%s in none of %lld %s%s%s%s",
                     w->said, asked, wants->noun ? wants->noun : "record",
                     asked == 1 ? "" : "s", w->why[0] ? ": " : "", w->why);
        say(arg, text);
    }
}

void medvl_wants_release(struct medvl_wants *wants)
{
    while (wants->first) {
        struct medvl_want *next = wants->first->next;

        pthread_mutex_destroy(&wants->first->lock);
        medvl_free(wants->first);
        wants->first = next;
    }
}
