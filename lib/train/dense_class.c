/*
 * The classes of the dense objective's heads, from the training data.
 *
 * Read next: dense_target.c.
 */
#include "lib/train/dense_class.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/json.h"
#include "lib/base/mem.h"
#include "lib/train/dense.h"

int medvl_dense_class(const struct medvl_dense_head *head, const char *name)
{
    for (size_t i = 0; i < head->classes.count; i++)
        if (!strcmp(head->classes.items[i], name))
            return (int)i;
    return -1;
}

static int add_name(struct medvl_names *names, const char *name, size_t size,
                    struct medvl_error *err)
{
    const int rc = medvl_grow(&names->items, &names->capacity,
                              names->count + 1, sizeof(*names->items), err);

    if (rc < 0)
        return rc;
    names->items[names->count] = medvl_copy_string(name, size);
    if (!names->items[names->count])
        return medvl_no_memory(err);
    names->count++;
    return MEDVL_OK;
}

static int add_class(struct medvl_dense_head *head, const char *name,
                     struct medvl_error *err)
{
    if (medvl_dense_class(head, name) >= 0)
        return MEDVL_OK;
    return add_name(&head->classes, name, strlen(name), err);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

int medvl_dense_value(struct medvl_text *out, const struct medvl_json *record,
                      const char *field, struct medvl_error *err)
{
    const struct medvl_json *value = medvl_json_get(record, field);

    medvl_text_clear(out);
    if (!value)
        return medvl_fail(err, MEDVL_EFORMAT, "\"%s\": missing", field);
    if (!medvl_json_string(value))
        return medvl_json_print(out, value, err);
    /* With its zero byte, which an empty text would not have. */
    return medvl_text_append(out, medvl_json_string(value),
                             strlen(medvl_json_string(value)) + 1, err);
}

bool medvl_dense_drawn(const struct medvl_json *region)
{
    return medvl_json_true(medvl_json_get(region, "drawn"));
}

static int collect(struct medvl_dense_heads *heads, struct medvl_span span,
                   struct medvl_error *err)
{
    const struct medvl_json *image, *region;
    struct medvl_json *record;
    struct medvl_text value = {0};
    int rc = medvl_json_parse(&record, span, err);

    if (rc < 0)
        return rc;
    image = medvl_json_first(medvl_json_get(record, "images"));
    for (; image && rc == MEDVL_OK; image = medvl_json_next(image)) {
        region = medvl_json_first(medvl_json_get(image, "regions"));
        for (; region && rc == MEDVL_OK; region = medvl_json_next(region)) {
            const char *label =
                medvl_json_string(medvl_json_get(region, "label"));

            if (label)
                rc = add_class(&heads->items[MEDVL_DENSE_LABEL], label, err);
            if (rc == MEDVL_OK && medvl_dense_drawn(region))
                rc = add_class(&heads->items[MEDVL_DENSE_DRAWN], "drawn", err);
        }
    }
    for (int h = MEDVL_DENSE_FIRST; h < heads->count && rc == MEDVL_OK; h++) {
        rc = medvl_dense_value(&value, record, heads->items[h].field, err);
        if (rc == MEDVL_OK)
            rc = add_class(&heads->items[h], value.data, err);
    }
    medvl_text_release(&value);
    medvl_json_free(record);
    return rc;
}

int medvl_dense_collect(struct medvl_dense_heads *heads,
                        struct medvl_dataset *data,
                        struct medvl_error *err)
{
    int rc = MEDVL_OK;

    for (int64_t i = 0; i < medvl_dataset_count(data) && rc == MEDVL_OK;
         i++) {
        struct medvl_dataset_item item;

        rc = medvl_dataset_read(&item, data, i, err);
        if (rc == MEDVL_OK)
            rc = collect(heads, item.record, err);
        if (rc < 0)
            return medvl_dataset_context(data, i, &item, err);
    }
    for (int h = 0; h < heads->count && rc == MEDVL_OK; h++) {
        struct medvl_names *c = &heads->items[h].classes;

        if (c->count)
            qsort(c->items, c->count, sizeof(*c->items), compare_names);
        if (h >= MEDVL_DENSE_FIRST)
            continue;
        rc = add_class(&heads->items[h], "none", err);
        for (size_t i = c->count; i > 1; i--)
            if (!strcmp(c->items[i - 1], "none")) {
                char *none = c->items[i - 1];

                c->items[i - 1] = c->items[i - 2];
                c->items[i - 2] = none;
            }
    }
    return rc;
}

int medvl_dense_fields(struct medvl_names *out, const char *classes,
                       struct medvl_error *err)
{
    int rc = MEDVL_OK;

    while (classes && *classes && rc == MEDVL_OK) {
        const size_t size = strcspn(classes, ",");

        if (!size || out->count == MEDVL_DENSE_FIELDS)
            return medvl_fail(err, MEDVL_EARG,
                              "--classes takes 1 to %d names with commas "
                              "between",
                              MEDVL_DENSE_FIELDS);
        rc = add_name(out, classes, size, err);
        classes += size + (classes[size] == ',');
    }
    return rc;
}

int medvl_dense_add_fields(struct medvl_dense_heads *heads, const char *classes,
                           double weight, struct medvl_error *err)
{
    struct medvl_names fields = {0};
    const int rc = medvl_dense_fields(&fields, classes, err);

    for (size_t f = 0; rc == MEDVL_OK && f < fields.count; f++) {
        struct medvl_dense_head *head = &heads->items[heads->count++];

        head->field = fields.items[f];
        head->weight = weight;
        fields.items[f] = NULL;
    }
    medvl_names_release(&fields);
    return rc;
}

void medvl_dense_heads_release(struct medvl_dense_heads *heads)
{
    for (int h = 0; h < heads->count; h++) {
        medvl_free(heads->items[h].field);
        medvl_names_release(&heads->items[h].classes);
    }
}
