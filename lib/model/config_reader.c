/*
 * Fields of a config.json, one after another.
 *
 * Read next: config_decoder.c.
 */
#include "lib/model/config_part.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Null is absent for a field, never for an object (see get_object). */
const struct medvl_json *medvl_config_field(const struct medvl_config_reader *r,
                                            const char *name)
{
    const struct medvl_json *v = medvl_json_get(r->object, name);

    return medvl_json_type(v) == MEDVL_JSON_NULL ? NULL : v;
}

static void wrap(struct medvl_config_reader *r)
{
    if (r->rc < 0 && r->place[0])
        medvl_context(r->err, "%s", r->place);
}

int64_t medvl_config_int(struct medvl_config_reader *r, const char *name,
                         int64_t low, int64_t high, int64_t otherwise)
{
    int64_t value = otherwise;

    if (r->rc < 0 || !medvl_config_field(r, name))
        return otherwise;
    r->rc = medvl_json_get_int(&value, r->object, name, low, high, r->err);
    wrap(r);
    return value;
}

float medvl_config_float(struct medvl_config_reader *r, const char *name,
                         double low, double high, double otherwise)
{
    double value = otherwise;

    if (r->rc < 0 || !medvl_config_field(r, name))
        return (float)otherwise;
    r->rc = medvl_json_get_number(&value, r->object, name, low, high,
                                  r->err);
    wrap(r);
    return (float)value;
}

const char *medvl_config_string(struct medvl_config_reader *r, const char *name,
                                const char *otherwise)
{
    const char *value = otherwise;

    if (r->rc < 0 || !medvl_config_field(r, name))
        return otherwise;
    r->rc = medvl_json_get_string(&value, r->object, name, r->err);
    wrap(r);
    return r->rc < 0 ? otherwise : value;
}

bool medvl_config_bool(struct medvl_config_reader *r, const char *name,
                       bool otherwise)
{
    const struct medvl_json *v = medvl_json_get(r->object, name);

    if (r->rc < 0 || !v)
        return otherwise;
    if (medvl_json_type(v) != MEDVL_JSON_BOOL &&
        medvl_json_type(v) != MEDVL_JSON_NULL) {
        r->rc = medvl_fail(r->err, MEDVL_EFORMAT,
                           "\"%s\": want true or false", name);
        wrap(r);
    }
    return medvl_json_true(v);
}

const struct medvl_json *medvl_config_object(struct medvl_config_reader *r,
                                             const char *name, bool or_null)
{
    const struct medvl_json *v = medvl_json_get(r->object, name);
    const bool null = medvl_json_type(v) == MEDVL_JSON_NULL;

    if (r->rc < 0 || !v || (null && or_null))
        return NULL;
    if (medvl_json_type(v) != MEDVL_JSON_OBJECT) {
        r->rc = medvl_fail(r->err, MEDVL_EFORMAT, "\"%s\": want an object",
                           name);
        wrap(r);
        return NULL;
    }
    return v;
}

void medvl_config_fail(struct medvl_config_reader *r, enum medvl_status code,
                       const char *format, ...)
{
    char text[200];
    va_list args;

    if (r->rc < 0)
        return;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    r->rc = medvl_fail(r->err, code, "%s", text);
    wrap(r);
}

void medvl_config_refuse(struct medvl_config_reader *r, const char *name,
                         const char *value)
{
    medvl_config_fail(r, MEDVL_EUNSUPPORTED,
                      "\"%s\": \"%s\" is not built in", name, value);
}

enum medvl_act medvl_config_act(struct medvl_config_reader *r, const char *name,
                                enum medvl_act otherwise)
{
    static const struct {
        const char *name;
        enum medvl_act act;
    } ACTS[] = {
        {"gelu", MEDVL_ACT_GELU},
        {"gelu_new", MEDVL_ACT_GELU_TANH},
        {"gelu_pytorch_tanh", MEDVL_ACT_GELU_TANH},
        {"quick_gelu", MEDVL_ACT_QUICK_GELU},
        {"silu", MEDVL_ACT_SILU},
        {"swish", MEDVL_ACT_SILU},
    };
    const char *value = medvl_config_string(r, name, NULL);

    for (size_t i = 0; value && i < sizeof(ACTS) / sizeof(*ACTS); i++)
        if (strcmp(value, ACTS[i].name) == 0)
            return ACTS[i].act;
    if (value)
        medvl_config_refuse(r, name, value);
    return otherwise;
}

int32_t medvl_config_id(struct medvl_config_reader *r, const char *name,
                        int32_t otherwise)
{
    if (medvl_json_type(medvl_json_get(r->object, name)) == MEDVL_JSON_NULL)
        return -1;
    return (int32_t)medvl_config_int(r, name, -1, MEDVL_VOCAB_LIMIT, otherwise);
}
