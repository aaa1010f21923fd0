/*
 * A line of medvl_view_model as a table for people.
 *
 * Read next: ../../man/medvl-inspect.1.
 */
#include "lib/run/view.h"

#include <string.h>

#include "lib/base/json.h"

enum unit { PLAIN,
            ITEMS,
            BYTES };

/* What the numbers of a top member are. */
static enum unit unit_of(const char *name)
{
    if (strncmp(name, "memory_", 7) == 0 || strcmp(name, "bytes") == 0)
        return BYTES;
    if (strcmp(name, "parameters") == 0 || strcmp(name, "dtype") == 0)
        return ITEMS;
    return PLAIN;
}

static int add_number(struct medvl_text *out, double number, enum unit unit,
                      struct medvl_error *err)
{
    static const struct {
        double size;
        const char *items, *bytes;
    } STEPS[] = {{1e9, "billion", "GB"},
                 {1e6, "million", "MB"},
                 {1e3, "thousand", "kB"}};

    for (size_t i = 0; i < sizeof(STEPS) / sizeof(*STEPS); i++)
        if (unit != PLAIN && number >= STEPS[i].size)
            return medvl_text_printf(
                out, err, "%.2f %s", number / STEPS[i].size,
                unit == BYTES ? STEPS[i].bytes : STEPS[i].items);
    return medvl_text_printf(out, err, unit == BYTES ? "%.0f B" : "%.0f",
                             number);
}

static int add_scalar(struct medvl_text *out, const struct medvl_json *value,
                      enum unit unit, struct medvl_error *err)
{
    switch (medvl_json_type(value)) {
    case MEDVL_JSON_STRING:
        return medvl_text_puts(out, medvl_json_string(value), err);
    case MEDVL_JSON_NUMBER:
        return add_number(out, medvl_json_number(value, 0), unit, err);
    case MEDVL_JSON_BOOL:
        return medvl_text_puts(out, medvl_json_true(value) ? "yes" : "no",
                               err);
    default: return medvl_text_puts(out, "none", err);
    }
}

/* A scalar, or the members of an object: "vision 1.20 GB, total 3 GB". */
static int add_value(struct medvl_text *out, const struct medvl_json *value,
                     enum unit unit, struct medvl_error *err)
{
    const struct medvl_json *m = medvl_json_first(value);
    int rc = MEDVL_OK;

    if (medvl_json_type(value) != MEDVL_JSON_OBJECT)
        return add_scalar(out, value, unit, err);
    for (; m && rc == MEDVL_OK; m = medvl_json_next(m)) {
        rc = medvl_text_printf(out, err, "%s ", medvl_json_name(m));
        if (rc == MEDVL_OK)
            rc = add_scalar(out, m, unit, err);
        if (rc == MEDVL_OK && medvl_json_next(m))
            rc = medvl_text_puts(out, ", ", err);
    }
    return rc;
}

static int add_row(struct medvl_text *out, const char *indent,
                   const struct medvl_json *value, enum unit unit,
                   struct medvl_error *err)
{
    int rc = medvl_text_printf(out, err, "%s%-*s ", indent,
                               (int)(30 - strlen(indent)),
                               medvl_json_name(value));

    if (rc == MEDVL_OK)
        rc = add_value(out, value, unit, err);
    return rc == MEDVL_OK ? medvl_text_putc(out, '\n', err) : rc;
}

int medvl_view_table(struct medvl_text *out, struct medvl_span json,
                     struct medvl_error *err)
{
    struct medvl_json *root = NULL;
    int rc = medvl_json_parse(&root, json, err);
    const struct medvl_json *top = medvl_json_first(root), *m;

    for (; rc == MEDVL_OK && top; top = medvl_json_next(top)) {
        const char *name = medvl_json_name(top);
        const enum unit unit = unit_of(name);

        if (medvl_json_type(top) != MEDVL_JSON_OBJECT) {
            rc = add_row(out, "", top, unit, err);
            continue;
        }
        rc = medvl_text_printf(out, err, "%s\n", name);
        m = medvl_json_first(top);
        for (; m && rc == MEDVL_OK; m = medvl_json_next(m))
            rc = add_row(out, "  ", m, unit, err);
    }
    medvl_json_free(root);
    return rc;
}
