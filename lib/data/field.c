/*
 * Fields by path: see field.h.
 *
 * Read next: shard_mds.c.
 */
#include "lib/data/field.h"

#include <string.h>

bool medvl_field_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9') || c == '_' || c == '-';
}

static int bad_path(const char *path, struct medvl_error *err)
{
    return medvl_fail(err, MEDVL_EARG,
                      "\"%s\" is no field such as kind or images[0].slice",
                      path);
}

/* "[12]": the index; *at moves past the bracket. */
static bool parse_index(size_t *out, char **at)
{
    char *c = *at + 1;
    size_t index = 0;

    if (!(*c >= '0' && *c <= '9'))
        return false;
    for (; *c >= '0' && *c <= '9' && index < 1000000000; c++)
        index = index * 10 + (size_t)(*c - '0');
    if (*c != ']')
        return false;
    **at = 0; /* ends the name before it */
    *at = c + 1;
    *out = index;
    return true;
}

int medvl_field_parse(struct medvl_field *field, struct medvl_span path,
                      struct medvl_error *err)
{
    char *at;
    int rc = medvl_text_append(&field->name, path.data, path.size, err);

    if (rc == MEDVL_OK)
        rc = medvl_text_append(&field->text, path.data, path.size, err);
    if (rc < 0)
        return rc;
    if (!path.size)
        return bad_path("", err);
    at = field->text.data;
    while (*at) {
        struct medvl_field_step step = {0};

        if (field->count == MEDVL_FIELD_STEPS)
            return medvl_fail(err, MEDVL_EARG, "\"%s\" goes too deep",
                              field->name.data);
        if (*at == '[' && field->count) {
            if (!parse_index(&step.index, &at) ||
                (*at && *at != '[' && *at != '.'))
                return bad_path(field->name.data, err);
        } else {
            if (field->count && *at == '.')
                *at++ = 0;
            step.name = at;
            while (medvl_field_byte(*at))
                at++;
            if (at == step.name || (*at && *at != '.' && *at != '['))
                return bad_path(field->name.data, err);
        }
        field->steps[field->count++] = step;
    }
    return MEDVL_OK;
}

void medvl_field_release(struct medvl_field *field)
{
    medvl_text_release(&field->name);
    medvl_text_release(&field->text);
    field->count = 0;
}

const char *medvl_field_end(const char *text)
{
    const char *p = text;

    while (medvl_field_byte(*p)) {
        while (medvl_field_byte(*p))
            p++;
        while (*p == '[') {
            const char *q = p + 1;

            while (*q >= '0' && *q <= '9')
                q++;
            if (q == p + 1 || *q != ']')
                return text;
            p = q + 1;
        }
        if (*p != '.')
            return p;
        p++;
    }
    return text;
}

int medvl_fields_parse(struct medvl_fields *fields, const char *list,
                       struct medvl_error *err)
{
    int rc = MEDVL_OK;

    while (list && rc == MEDVL_OK) {
        const char *comma = strchr(list, ',');
        const size_t size = comma ? (size_t)(comma - list) : strlen(list);

        if (fields->count == MEDVL_FIELD_PATHS)
            return medvl_fail(err, MEDVL_EARG, "more than %d fields",
                              MEDVL_FIELD_PATHS);
        rc = medvl_field_parse(&fields->items[fields->count++],
                               (struct medvl_span){list, size}, err);
        list = comma ? comma + 1 : NULL;
    }
    return rc;
}

void medvl_fields_release(struct medvl_fields *fields)
{
    for (int i = 0; i < fields->count; i++)
        medvl_field_release(&fields->items[i]);
    medvl_json_view_release(&fields->view);
    memset(fields, 0, sizeof(*fields));
}

int medvl_field_get(struct medvl_span *out, const struct medvl_field *field,
                    const struct medvl_record *record,
                    struct medvl_json_view *view, struct medvl_error *err)
{
    struct medvl_span at = medvl_record_get(record, field->steps[0].name);
    int rc;

    for (int i = 1; i < field->count && at.size; i++) {
        const struct medvl_field_step *step = &field->steps[i];

        if (at.data[0] != (step->name ? '{' : '['))
            at = (struct medvl_span){0};
        else if (step->name) {
            rc = medvl_json_view_object(view, at, err);
            if (rc < 0)
                return medvl_context(err, "\"%s\"", field->name.data);
            at = medvl_json_view_get(view, step->name);
        } else {
            rc = medvl_json_view_array(view, at, err);
            if (rc < 0)
                return medvl_context(err, "\"%s\"", field->name.data);
            at = step->index < view->count ? view->members[step->index].value
                                           : (struct medvl_span){0};
        }
    }
    *out = at;
    return MEDVL_OK;
}

int medvl_fields_get(struct medvl_span *out, struct medvl_fields *fields,
                     int n, const struct medvl_record *record,
                     struct medvl_error *err)
{
    return medvl_field_get(out, &fields->items[n], record, &fields->view, err);
}

int medvl_fields_write(struct medvl_text *out, struct medvl_fields *fields,
                       const struct medvl_record *record,
                       struct medvl_error *err)
{
    struct medvl_json_writer w = {.out = out};
    struct medvl_span value;
    int rc;

    medvl_json_begin(&w, NULL, '{');
    for (int i = 0; i < fields->count; i++) {
        rc = medvl_fields_get(&value, fields, i, record, err);
        if (rc < 0)
            return rc;
        if (value.size)
            medvl_json_put_raw(&w, fields->items[i].name.data, value);
        else
            medvl_json_put_null(&w, fields->items[i].name.data);
    }
    medvl_json_end(&w);
    return medvl_json_write_end(&w, err);
}
