/*
 * Fields of a part, and the walk over a Sequence's parts.
 *
 * Read next: spell.h.
 */
#include "lib/text/part.h"

#include <string.h>

#include "lib/base/mem.h"

#define DEPTH 64 /* Sequences within each other */

const char *medvl_part_type(const struct medvl_json *part)
{
    const char *type = medvl_json_string(medvl_json_get(part, "type"));

    return type ? type : "(no type)";
}

int medvl_parts_read(const struct medvl_json *json, const char *list,
                     medvl_part_fn *read, void *self,
                     struct medvl_error *err)
{
    const struct medvl_json *stack[DEPTH];
    int depth = 0;
    int rc = MEDVL_OK;

    if (medvl_json_type(json) > MEDVL_JSON_NULL)
        stack[depth++] = json;
    while (depth > 0 && rc == MEDVL_OK) {
        const struct medvl_json *part = stack[--depth];
        const struct medvl_json *next = medvl_json_next(part);

        if (next && part != json)
            stack[depth++] = next;
        if (strcmp(medvl_part_type(part), "Sequence") != 0) {
            rc = read(self, part, err);
            continue;
        }
        part = medvl_json_first(medvl_json_get(part, list));
        if (part && depth == DEPTH)
            rc = medvl_fail(err, MEDVL_EUNSUPPORTED, "too deep a Sequence");
        else if (part)
            stack[depth++] = part;
    }
    return rc;
}

int medvl_pattern_read(struct medvl_regex **out,
                       const struct medvl_json *pattern,
                       struct medvl_error *err)
{
    const char *string = medvl_json_string(medvl_json_get(pattern,
                                                          "String"));
    const char *regex = medvl_json_string(medvl_json_get(pattern, "Regex"));

    if (string)
        return medvl_regex_new_literal(out, medvl_span(string), err);
    if (regex)
        return medvl_regex_new(out, medvl_span(regex), err);
    return medvl_fail(err, MEDVL_EFORMAT,
                      "\"pattern\" is no String and no Regex");
}

int medvl_part_text(char **out, const struct medvl_json *part,
                    const char *name, struct medvl_error *err)
{
    const char *text;
    const int rc = medvl_json_get_string(&text, part, name, err);

    if (rc < 0)
        return rc;
    *out = medvl_copy_string(text, strlen(text));
    return *out ? MEDVL_OK : medvl_no_memory(err);
}

int medvl_part_character(uint32_t *out, const struct medvl_json *part,
                         const char *name, struct medvl_error *err)
{
    const char *text;
    const int rc = medvl_json_get_string(&text, part, name, err);
    const size_t size = rc == MEDVL_OK ? strlen(text) : 0;

    if (rc < 0)
        return rc;
    if (size == 0 || (size_t)medvl_utf8_decode(out, text, size) != size)
        return medvl_fail(err, MEDVL_EFORMAT, "\"%s\" is not one character",
                          name);
    return MEDVL_OK;
}

bool medvl_part_flag(const struct medvl_json *part, const char *name)
{
    return medvl_json_true(medvl_json_get(part, name));
}
