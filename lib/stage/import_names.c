/*
 * The file of --names: lines of a number, a label and pairs.
 *
 * Read next: import_volume.c.
 */
#include <ctype.h>
#include <string.h>

#include "lib/base/file.h"
#include "lib/base/mem.h"
#include "lib/stage/import_part.h"

#define NAMES_MAX ((size_t)64 << 20)

bool medvl_import_is_key(struct medvl_span key)
{
    for (size_t i = 0; i < key.size; i++)
        if (!isalnum((unsigned char)key.data[i]) && key.data[i] != '_')
            return false;
    return key.size > 0 && !isdigit((unsigned char)*key.data);
}

/* The next word of the line, or an empty span. */
struct medvl_span medvl_import_next_word(struct medvl_span *line)
{
    struct medvl_span word;

    while (line->size && isspace((unsigned char)*line->data)) {
        line->data++;
        line->size--;
    }
    word = (struct medvl_span){line->data, 0};
    while (line->size && !isspace((unsigned char)*line->data)) {
        line->data++;
        line->size--;
        word.size++;
    }
    return word;
}

/* A region's own members, as medvl-record(5) has them. */
static bool is_taken(struct medvl_span key)
{
    static const char *const OWN[] = {"label", "box", "point", "points",
                                      "polygons", "mask", "area", "mark",
                                      "drawn", "author"};

    for (size_t i = 0; i < sizeof(OWN) / sizeof(*OWN); i++)
        if (medvl_span_is(key, OWN[i]))
            return true;
    return false;
}

/* Words "key=value" after the label; others (codes, colours) say nothing. */
static int parse_pairs(struct medvl_import_name *name, struct medvl_span line,
                       struct medvl_error *err)
{
    int rc = MEDVL_OK;

    while (rc == MEDVL_OK) {
        const struct medvl_span word = medvl_import_next_word(&line);
        const char *equal;
        struct medvl_span key, value;

        if (!word.size)
            break;
        equal = memchr(word.data, '=', word.size);
        if (!equal)
            continue;
        key = (struct medvl_span){word.data, (size_t)(equal - word.data)};
        value = (struct medvl_span){equal + 1, word.size - key.size - 1};
        if (!medvl_import_is_key(key) || is_taken(key))
            return medvl_fail(err, MEDVL_EFORMAT,
                              "'%.*s' is no key for a region",
                              (int)key.size, key.data);
        rc = medvl_text_printf(&name->pairs, err, ",\"%.*s\":",
                               (int)key.size, key.data);
        if (rc == MEDVL_OK)
            rc = medvl_json_quote(&name->pairs, value, err);
    }
    return rc;
}

static int add_name(struct medvl_import *im, struct medvl_span line,
                    struct medvl_error *err)
{
    const struct medvl_span id = medvl_import_next_word(&line);
    struct medvl_import_name name = {0};
    int rc;

    if (!id.size || *id.data == '#')
        return MEDVL_OK;
    rc = medvl_parse_int(&name.id, id, 0, INT32_MAX, err);
    name.label = medvl_import_next_word(&line);
    if (rc == MEDVL_OK && !name.label.size)
        rc = medvl_fail(err, MEDVL_EFORMAT, "no label after the number");
    for (size_t i = 0; rc == MEDVL_OK && i < im->name_count; i++)
        if (im->names[i].id == name.id)
            rc = medvl_fail(err, MEDVL_EFORMAT, "number %lld twice",
                            (long long)name.id);
    if (rc == MEDVL_OK)
        rc = parse_pairs(&name, line, err);
    if (rc == MEDVL_OK)
        rc = medvl_grow(&im->names, &im->name_capacity, im->name_count + 1,
                        sizeof(*im->names), err);
    if (rc < 0) {
        medvl_text_release(&name.pairs);
        return rc;
    }
    name.same = im->name_count;
    for (size_t i = 0; i < im->name_count; i++)
        if (medvl_span_equal(im->names[i].label, name.label) &&
            medvl_span_equal(medvl_text_span(&im->names[i].pairs),
                             medvl_text_span(&name.pairs))) {
            name.same = im->names[i].same;
            break;
        }
    im->names[im->name_count++] = name;
    return MEDVL_OK;
}

/* The lines of names_text; errors name `path`. */
int medvl_import_parse_names(struct medvl_import *im, const char *path,
                             struct medvl_error *err)
{
    const char *at = im->names_text.data, *end = at + im->names_text.size;
    int64_t line = 0;
    int rc = MEDVL_OK;

    while (rc == MEDVL_OK && at < end) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        const size_t size = (size_t)((stop ? stop : end) - at);

        line++;
        rc = add_name(im, (struct medvl_span){at, size}, err);
        if (rc < 0)
            rc = medvl_context(err, "%s:%lld", path, (long long)line);
        at += size + 1;
    }
    return rc;
}

int medvl_import_read_names(struct medvl_import *im, struct medvl_error *err)
{
    const char *path = im->options->names;
    struct medvl_text *text = &im->names_text;
    int rc;

    if (!path)
        return MEDVL_OK;
    rc = medvl_file_read(text, path, NAMES_MAX, err);
    if (rc == MEDVL_OK && text->size &&
        medvl_utf8_valid(text->data, text->size) != text->size)
        rc = medvl_fail(err, MEDVL_EFORMAT, "%s: not UTF-8", path);
    if (rc == MEDVL_OK && text->size)
        rc = medvl_import_parse_names(im, path, err);
    if (rc == MEDVL_OK && !im->name_count)
        rc = medvl_fail(err, MEDVL_EFORMAT, "%s: no names", path);
    return rc;
}
