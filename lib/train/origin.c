/*
 * Sources and licences, counted: see origin.h.
 *
 * Read next: dataset.h.
 */
#include "lib/train/origin.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/json.h"
#include "lib/base/mem.h"

/* Append a member's text; what is no string is its JSON, null nothing. */
static int add_member(struct medvl_text *key,
                      const struct medvl_json_view *view, const char *name,
                      struct medvl_error *err)
{
    const struct medvl_span value = medvl_json_view_get(view, name);

    if (!value.data || medvl_span_is(value, "null"))
        return MEDVL_OK;
    if (value.data[0] == '"')
        return medvl_json_unescape(key, value, err);
    return medvl_text_append(key, value.data, value.size, err);
}

int medvl_origins_add(struct medvl_origins *origins, struct medvl_span record,
                      struct medvl_error *err)
{
    struct medvl_json_view view = {0};
    struct medvl_text key = {0};
    const int64_t before = origins->keys.count;
    int64_t number = 0;
    int rc = medvl_json_view_object(&view, record, err);

    if (rc == MEDVL_OK)
        rc = add_member(&key, &view, "source", err);
    if (rc == MEDVL_OK)
        rc = medvl_text_putc(&key, '\0', err);
    if (rc == MEDVL_OK)
        rc = add_member(&key, &view, "license", err);
    if (rc == MEDVL_OK)
        rc = medvl_grow(&origins->counts, &origins->room,
                        (size_t)before + 1, sizeof(*origins->counts), err);
    if (rc == MEDVL_OK)
        rc = medvl_intern_add(&number, &origins->keys, medvl_text_span(&key),
                              err);
    if (rc == MEDVL_OK && number == before)
        origins->counts[number] = 0;
    if (rc == MEDVL_OK)
        origins->counts[number]++;
    medvl_json_view_release(&view);
    medvl_text_release(&key);
    return rc;
}

static int compare(const void *a, const void *b)
{
    const struct medvl_origin *x = a, *y = b;
    const struct medvl_span *s[2] = {&x->source, &x->license};
    const struct medvl_span *t[2] = {&y->source, &y->license};

    for (int i = 0; i < 2; i++) {
        const size_t size =
            s[i]->size < t[i]->size ? s[i]->size : t[i]->size;
        const int order = size ? memcmp(s[i]->data, t[i]->data, size) : 0;

        if (order)
            return order;
        if (s[i]->size != t[i]->size)
            return s[i]->size < t[i]->size ? -1 : 1;
    }
    return 0;
}

int medvl_origins_list(struct medvl_origin **out,
                       const struct medvl_origins *origins,
                       struct medvl_error *err)
{
    const int64_t count = origins->keys.count;
    struct medvl_origin *list = medvl_alloc((size_t)count, sizeof(*list));

    *out = list;
    if (!list)
        return medvl_no_memory(err);
    for (int64_t i = 0; i < count; i++) {
        const struct medvl_span key = medvl_intern_text(&origins->keys, i);
        const char *zero = memchr(key.data, '\0', key.size);

        list[i].source.data = key.data;
        list[i].source.size = (size_t)(zero - key.data);
        list[i].license.data = zero + 1;
        list[i].license.size = key.size - list[i].source.size - 1;
        list[i].records = origins->counts[i];
    }
    if (count)
        qsort(list, (size_t)count, sizeof(*list), compare);
    return MEDVL_OK;
}

void medvl_origins_release(struct medvl_origins *origins)
{
    medvl_intern_release(&origins->keys);
    medvl_free(origins->counts);
    memset(origins, 0, sizeof(*origins));
}
