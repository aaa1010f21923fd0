/*
 * The writer of JSON: see json.h.
 *
 * Read next: pool.h.
 */
#include <math.h>

#include "lib/base/json.h"

#define WRITER_DEPTH 62

/* The comma and the name in front of a value; false once w has failed. */
static bool put_start(struct medvl_json_writer *w, const char *name)
{
    const uint64_t bit = (uint64_t)1 << w->depth;
    int rc = MEDVL_OK;

    if (w->err.code != MEDVL_OK)
        return false;
    if (w->started & bit) {
        if (w->depth == 0)
            rc = medvl_fail(&w->err, MEDVL_EARG, "two outermost values");
        else
            rc = medvl_text_putc(w->out, ',', &w->err);
    }
    w->started |= bit;
    if (rc == MEDVL_OK && !name != !(w->object & bit))
        rc = medvl_fail(&w->err, MEDVL_EARG,
                        name ? "name \"%s\" outside an object"
                             : "%sa value in an object without a name",
                        name ? name : "");
    if (rc == MEDVL_OK && name) {
        rc = medvl_json_quote(w->out, medvl_span(name), &w->err);
        if (rc == MEDVL_OK)
            rc = medvl_text_putc(w->out, ':', &w->err);
    }
    return rc == MEDVL_OK;
}

/* Append; a failure stays in w->err by itself. */
static void put_span(struct medvl_json_writer *w, const char *data,
                     size_t size)
{
    if (medvl_text_append(w->out, data, size, &w->err) < 0)
        return;
}

void medvl_json_begin(struct medvl_json_writer *w, const char *name,
                      char open)
{
    if (!put_start(w, name))
        return;
    if (w->depth == WRITER_DEPTH) {
        medvl_fail(&w->err, MEDVL_EARG, "nested too deep to write");
        return;
    }
    put_span(w, &open, 1);
    w->depth++;
    w->started &= ~((uint64_t)1 << w->depth);
    if (open == '{')
        w->object |= (uint64_t)1 << w->depth;
    else
        w->object &= ~((uint64_t)1 << w->depth);
}

void medvl_json_end(struct medvl_json_writer *w)
{
    if (w->err.code != MEDVL_OK)
        return;
    if (w->depth == 0) {
        medvl_fail(&w->err, MEDVL_EARG, "an end without a begin");
        return;
    }
    put_span(w, w->object >> w->depth & 1 ? "}" : "]", 1);
    w->depth--;
}

void medvl_json_put_string(struct medvl_json_writer *w, const char *name,
                           struct medvl_span value)
{
    if (put_start(w, name) && medvl_json_quote(w->out, value, &w->err) < 0)
        medvl_context(&w->err, "\"%s\"", name ? name : "");
}

void medvl_json_put_number(struct medvl_json_writer *w, const char *name,
                           double value)
{
    char digits[32];

    if (!isfinite(value))
        medvl_json_put_null(w, name);
    else if (put_start(w, name))
        put_span(w, digits, (size_t)medvl_format_double(digits, value));
}

void medvl_json_put_int(struct medvl_json_writer *w, const char *name,
                        int64_t value)
{
    if (put_start(w, name) &&
        medvl_text_printf(w->out, &w->err, "%lld", (long long)value) < 0)
        return;
}

void medvl_json_put_bool(struct medvl_json_writer *w, const char *name,
                         bool value)
{
    if (put_start(w, name))
        put_span(w, value ? "true" : "false", value ? 4 : 5);
}

void medvl_json_put_null(struct medvl_json_writer *w, const char *name)
{
    if (put_start(w, name))
        put_span(w, "null", 4);
}

void medvl_json_put_raw(struct medvl_json_writer *w, const char *name,
                        struct medvl_span json)
{
    if (put_start(w, name))
        put_span(w, json.data, json.size);
}

int medvl_json_write_end(struct medvl_json_writer *w,
                         struct medvl_error *err)
{
    if (w->err.code == MEDVL_OK && w->depth > 0)
        medvl_fail(&w->err, MEDVL_EARG, "a begin without an end");
    if (w->err.code != MEDVL_OK && err)
        *err = w->err;
    return w->err.code;
}
