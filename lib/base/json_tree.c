/*
 * Trees of cJSON nodes: see json.h.
 *
 * Only this file knows cJSON.  A tree is parsed after the strict scan has
 * passed, and after what cJSON would bend (\u0000, lone surrogates, numbers
 * that a double cannot hold or that are longer than its buffer) was refused
 * or rewritten; so when cJSON_Parse fails, memory was out.
 *
 * Read next: json_ints.c.
 */
#include <cjson/cJSON.h>
#include <float.h>
#include <math.h>
#include <string.h>

#include "lib/base/file.h"
#include "lib/base/json.h"
#include "lib/base/json_scan.h"
#include "lib/base/json_string.h"
#include "lib/base/mem.h"

#define LONGEST_NUMBER 60 /* cJSON's buffer holds 63 bytes */

/* ---- parsing --------------------------------------------------------- */

static void *tree_alloc(size_t size)
{
    return medvl_alloc(1, size);
}

/* cJSON's hooks are one for the process: set before main, never changed. */
__attribute__((constructor)) static void install_hooks(void)
{
    cJSON_Hooks hooks = {tree_alloc, medvl_free};

    cJSON_InitHooks(&hooks);
}

/* A number (form checked): a double must hold it and cJSON's buffer too. */
static int fit_number(char *number, size_t size, struct medvl_error *err)
{
    const struct medvl_span span = {number, size};
    char shortest[32];
    double value;
    int length;

    if (size <= LONGEST_NUMBER && !memchr(number, 'e', size) &&
        !memchr(number, 'E', size))
        return MEDVL_OK;
    if (medvl_parse_real(&value, span, -DBL_MAX, DBL_MAX, err) < 0)
        return medvl_fail(err, MEDVL_EFORMAT,
                          "number %.*s is beyond what a double holds",
                          size > 40 ? 40 : (int)size, number);
    if (size <= LONGEST_NUMBER)
        return MEDVL_OK;
    length = medvl_format_double(shortest, value);
    memcpy(number, shortest, (size_t)length);
    memset(number + length, ' ', size - (size_t)length);
    return MEDVL_OK;
}

/* At the opening quote of a string (form checked); moves past it. */
static int fit_string(const char **at, const char *end,
                      struct medvl_error *err)
{
    const char *p = *at + 1;

    while (*p != '"')
        if (*p != '\\')
            p++;
        else if (medvl_json_escape_check(&p, end, err) < 0)
            return MEDVL_EFORMAT;
    *at = p + 1;
    return MEDVL_OK;
}

/* Make JSON that the scan passed fit for cJSON, in place, or refuse it. */
static int fit(struct medvl_text *text, struct medvl_error *err)
{
    const char *p = text->data;
    const char *const end = p + text->size;
    size_t values = 1;

    while (p < end) {
        values += *p == ',' || *p == '[' || *p == '{';
        if (values > MEDVL_JSON_VALUES)
            return medvl_fail(err, MEDVL_EFORMAT,
                              "more than %d values to hold at once",
                              MEDVL_JSON_VALUES);
        if (*p == '"') {
            if (fit_string(&p, end, err) < 0)
                return MEDVL_EFORMAT;
        } else if (*p == '-' || medvl_json_digit(*p)) {
            const size_t size = strspn(p, "0123456789+-.eE");

            if (fit_number(text->data + (p - text->data), size, err) < 0)
                return MEDVL_EFORMAT;
            p += size;
        } else {
            p++;
        }
    }
    return MEDVL_OK;
}

int medvl_json_parse(struct medvl_json **out, struct medvl_span span,
                     struct medvl_error *err)
{
    struct medvl_text text = {0};
    int rc;

    *out = NULL;
    rc = medvl_json_check(span, err);
    if (rc == MEDVL_OK)
        rc = medvl_text_append(&text, span.data, span.size, err);
    if (rc == MEDVL_OK)
        rc = fit(&text, err);
    if (rc == MEDVL_OK) {
        *out = (struct medvl_json *)cJSON_Parse(text.data);
        if (!*out)
            rc = medvl_no_memory(err);
    }
    medvl_text_release(&text);
    return rc;
}

int medvl_json_read(struct medvl_json **out, const char *path,
                    struct medvl_error *err)
{
    struct medvl_text text = {0};
    int rc;

    *out = NULL;
    rc = medvl_file_read(&text, path, MEDVL_JSON_FILE, err);
    if (rc == MEDVL_OK) {
        const char *advice = medvl_file_pointer(text.data, text.size);

        rc = advice ? medvl_fail(err, MEDVL_EUNSUPPORTED, "%s", advice)
                    : medvl_json_parse(out, medvl_text_span(&text), err);
        if (rc < 0)
            medvl_context(err, "%s", path);
    }
    medvl_text_release(&text);
    return rc;
}

void medvl_json_free(struct medvl_json *root)
{
    cJSON_Delete((cJSON *)root);
}

/* ---- looking --------------------------------------------------------- */

static const cJSON *node(const struct medvl_json *value)
{
    return (const cJSON *)value;
}

static const struct medvl_json *value_of(const cJSON *item)
{
    return (const struct medvl_json *)item;
}

enum medvl_json_type medvl_json_type(const struct medvl_json *value)
{
    if (!value)
        return MEDVL_JSON_NONE;
    switch (node(value)->type & 0xff) {
    case cJSON_False:
    case cJSON_True: return MEDVL_JSON_BOOL;
    case cJSON_Number: return MEDVL_JSON_NUMBER;
    case cJSON_String: return MEDVL_JSON_STRING;
    case cJSON_Array: return MEDVL_JSON_ARRAY;
    case cJSON_Object: return MEDVL_JSON_OBJECT;
    default: return MEDVL_JSON_NULL;
    }
}

const struct medvl_json *medvl_json_get(const struct medvl_json *object,
                                        const char *name)
{
    const cJSON *item;

    if (medvl_json_type(object) != MEDVL_JSON_OBJECT)
        return NULL;
    item = node(object)->child;
    while (item && strcmp(item->string, name) != 0)
        item = item->next;
    return value_of(item);
}

const struct medvl_json *medvl_json_at(const struct medvl_json *array,
                                       size_t index)
{
    const struct medvl_json *item = NULL;

    if (medvl_json_type(array) == MEDVL_JSON_ARRAY)
        item = medvl_json_first(array);
    while (item && index-- > 0)
        item = medvl_json_next(item);
    return item;
}

const struct medvl_json *medvl_json_first(const struct medvl_json *value)
{
    return value ? value_of(node(value)->child) : NULL;
}

const struct medvl_json *medvl_json_next(const struct medvl_json *value)
{
    return value ? value_of(node(value)->next) : NULL;
}

const char *medvl_json_name(const struct medvl_json *member)
{
    return member ? node(member)->string : NULL;
}

size_t medvl_json_count(const struct medvl_json *value)
{
    const struct medvl_json *item = medvl_json_first(value);
    size_t count = 0;

    for (; item; item = medvl_json_next(item))
        count++;
    return count;
}

const char *medvl_json_string(const struct medvl_json *value)
{
    if (medvl_json_type(value) != MEDVL_JSON_STRING)
        return NULL;
    return node(value)->valuestring;
}

bool medvl_json_true(const struct medvl_json *value)
{
    return value && (node(value)->type & 0xff) == cJSON_True;
}

double medvl_json_number(const struct medvl_json *value, double otherwise)
{
    if (medvl_json_type(value) != MEDVL_JSON_NUMBER)
        return otherwise;
    return node(value)->valuedouble;
}

/* ---- members that must be there -------------------------------------- */

static int get_typed(const struct medvl_json **out,
                     const struct medvl_json *object, const char *name,
                     enum medvl_json_type type, const char *what,
                     struct medvl_error *err)
{
    *out = medvl_json_get(object, name);
    if (!*out)
        return medvl_fail(err, MEDVL_EFORMAT, "\"%s\": missing", name);
    if (medvl_json_type(*out) != type)
        return medvl_fail(err, MEDVL_EFORMAT, "\"%s\": not %s", name, what);
    return MEDVL_OK;
}

int medvl_json_get_string(const char **out, const struct medvl_json *object,
                          const char *name, struct medvl_error *err)
{
    const struct medvl_json *value;

    *out = NULL;
    if (get_typed(&value, object, name, MEDVL_JSON_STRING, "a string", err) < 0)
        return MEDVL_EFORMAT;
    *out = medvl_json_string(value);
    return MEDVL_OK;
}

int medvl_json_get_int(int64_t *out, const struct medvl_json *object,
                       const char *name, int64_t low, int64_t high,
                       struct medvl_error *err)
{
    const double exact = 9007199254740992; /* 2^53 */
    const struct medvl_json *value;
    double v;

    if (get_typed(&value, object, name, MEDVL_JSON_NUMBER, "a number", err) < 0)
        return MEDVL_EFORMAT;
    v = node(value)->valuedouble;
    if (fabs(v) > exact || floor(v) != v)
        return medvl_fail(err, MEDVL_EFORMAT, "\"%s\": %.17g is no integer",
                          name, v);
    if ((int64_t)v < low || (int64_t)v > high)
        return medvl_fail(err, MEDVL_EFORMAT,
                          "\"%s\": %.0f is not in %lld to %lld", name, v,
                          (long long)low, (long long)high);
    *out = (int64_t)v;
    return MEDVL_OK;
}

int medvl_json_get_number(double *out, const struct medvl_json *object,
                          const char *name, double low, double high,
                          struct medvl_error *err)
{
    const struct medvl_json *value;
    double v;

    if (get_typed(&value, object, name, MEDVL_JSON_NUMBER, "a number", err) < 0)
        return MEDVL_EFORMAT;
    v = node(value)->valuedouble;
    if (!(v >= low && v <= high))
        return medvl_fail(err, MEDVL_EFORMAT,
                          "\"%s\": %g is not in %g to %g", name, v, low, high);
    *out = v;
    return MEDVL_OK;
}

/* ---- printing -------------------------------------------------------- */

/* A scalar, or what opens an object or array. */
static int print_start(struct medvl_text *out, const cJSON *item,
                       struct medvl_error *err)
{
    char digits[32];

    switch (item->type & 0xff) {
    case cJSON_False: return medvl_text_puts(out, "false", err);
    case cJSON_True: return medvl_text_puts(out, "true", err);
    case cJSON_Number:
        return medvl_text_append(
            out, digits,
            (size_t)medvl_format_double(digits, item->valuedouble), err);
    case cJSON_String:
        return medvl_json_quote(out, medvl_span(item->valuestring), err);
    case cJSON_Array: return medvl_text_putc(out, '[', err);
    case cJSON_Object: return medvl_text_putc(out, '{', err);
    default: return medvl_text_puts(out, "null", err);
    }
}

static int print_name(struct medvl_text *out, const cJSON *parent,
                      const cJSON *item, struct medvl_error *err)
{
    int rc;

    if (parent->child != item && medvl_text_putc(out, ',', err) < 0)
        return MEDVL_ENOMEM;
    if ((parent->type & 0xff) != cJSON_Object)
        return MEDVL_OK;
    rc = medvl_json_quote(out, medvl_span(item->string), err);
    return rc < 0 ? rc : medvl_text_putc(out, ':', err);
}

static bool is_container(const cJSON *item)
{
    return (item->type & (cJSON_Array | cJSON_Object)) != 0;
}

int medvl_json_print(struct medvl_text *out, const struct medvl_json *value,
                     struct medvl_error *err)
{
    const cJSON *open[MEDVL_JSON_DEPTH];
    const cJSON *item = node(value);
    int depth = 0, rc = MEDVL_OK;

    if (!item)
        return medvl_fail(err, MEDVL_EARG, "no value to print");
    for (;;) {
        if (depth > 0)
            rc = print_name(out, open[depth - 1], item, err);
        if (rc == MEDVL_OK)
            rc = print_start(out, item, err);
        if (rc < 0)
            return rc;
        if (is_container(item) && item->child) {
            if (depth == MEDVL_JSON_DEPTH)
                return medvl_fail(err, MEDVL_EARG, "nested too deep");
            open[depth++] = item;
            item = item->child;
            continue;
        }
        if (is_container(item))
            rc = medvl_text_putc(
                out, (item->type & cJSON_Array) ? ']' : '}', err);
        while (rc == MEDVL_OK && depth > 0 && !item->next) {
            item = open[--depth];
            rc = medvl_text_putc(
                out, (item->type & cJSON_Array) ? ']' : '}', err);
        }
        if (rc < 0 || depth == 0)
            return rc;
        item = item->next;
    }
}
