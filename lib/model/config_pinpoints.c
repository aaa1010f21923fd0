/*
 * "image_grid_pinpoints": the sizes in pixels that a picture may be fitted
 * into before it is cut into tiles.
 *
 * Read next: grid.h.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/model/config_part.h"

#define NAME "image_grid_pinpoints"

static void add(struct medvl_config *config, struct medvl_config_reader *r,
                double width, double height)
{
    int32_t *to = config->pinpoints[config->pinpoint_count];

    if (r->rc < 0)
        return;
    if (!(width >= 1 && height >= 1 && width <= 65535 && height <= 65535)) {
        medvl_config_fail(r, MEDVL_EFORMAT,
                          "\"" NAME "\": want pairs of pixels, 1..65535");
        return;
    }
    if (config->pinpoint_count == MEDVL_PINPOINTS_MAX) {
        medvl_config_fail(r, MEDVL_EUNSUPPORTED,
                          "\"" NAME "\": more than %d sizes",
                          MEDVL_PINPOINTS_MAX);
        return;
    }
    to[0] = (int32_t)width;
    to[1] = (int32_t)height;
    config->pinpoint_count++;
}

static void read_pairs(struct medvl_config *config,
                       struct medvl_config_reader *r,
                       const struct medvl_json *list, bool wide)
{
    const struct medvl_json *pair = medvl_json_first(list);

    for (; pair && r->rc == MEDVL_OK; pair = medvl_json_next(pair)) {
        const bool two = medvl_json_type(pair) == MEDVL_JSON_ARRAY &&
                         medvl_json_count(pair) == 2;
        const double a = medvl_json_number(medvl_json_at(pair, 0), 0);
        const double b = medvl_json_number(medvl_json_at(pair, 1), 0);

        add(config, r, two ? (wide ? a : b) : 0, wide ? b : a);
    }
}

/* "(1x1),...,(6x6)": all from the first to the last, in tiles. */
static void read_range(struct medvl_config *config,
                       struct medvl_config_reader *r, const char *text)
{
    const double side = (double)config->vision.image_size;
    long first[2] = {1, 1}, last[2] = {0, 0};

    for (const char *s = strchr(text, '('); s; s = strchr(s, '(')) {
        char *end;

        last[0] = strtol(++s, &end, 10);
        last[1] = *end == 'x' ? strtol(end + 1, &end, 10) : 0;
        if (*end != ')' || last[0] < 1 || last[1] < 1 || last[0] > 1000 ||
            last[1] > 1000) {
            medvl_config_fail(r, MEDVL_EFORMAT, "\"" NAME "\": \"%.40s\"",
                              text);
            return;
        }
        if (s == strchr(text, '(') + 1)
            memcpy(first, last, sizeof(first));
    }
    for (long x = first[0]; x <= last[0] && r->rc == MEDVL_OK; x++)
        for (long y = first[1]; y <= last[1] && r->rc == MEDVL_OK; y++)
            add(config, r, (double)x * side, (double)y * side);
}

/* "[(336, 672), ...]": JSON with other brackets. */
static void read_printed(struct medvl_config *config,
                         struct medvl_config_reader *r, const char *text,
                         bool wide)
{
    struct medvl_json *list = NULL;
    struct medvl_text copy = {0};

    r->rc = medvl_text_append(&copy, text, strlen(text), r->err);
    for (size_t i = 0; r->rc == MEDVL_OK && i < copy.size; i++)
        if (copy.data[i] == '(' || copy.data[i] == ')')
            copy.data[i] = copy.data[i] == '(' ? '[' : ']';
    if (r->rc == MEDVL_OK)
        r->rc = medvl_json_parse(&list, medvl_text_span(&copy), r->err);
    if (r->rc < 0)
        medvl_context(r->err, "\"" NAME "\"");
    read_pairs(config, r, list, wide);
    medvl_json_free(list);
    medvl_text_release(&copy);
}

void medvl_config_read_pinpoints(struct medvl_config *config,
                                 struct medvl_config_reader *r, bool wide)
{
    static const int TILES[][2] = {{2, 1}, {1, 2}, {2, 2}, {1, 3}, {3, 1}};
    const struct medvl_json *v = medvl_config_field(r, NAME);
    const char *text = medvl_json_string(v);

    if (r->rc < 0)
        return;
    if (text && strchr(text, 'x'))
        read_range(config, r, text);
    else if (text)
        read_printed(config, r, text, wide);
    else if (medvl_json_type(v) == MEDVL_JSON_ARRAY)
        read_pairs(config, r, v, wide);
    else
        for (size_t i = 0; !v && !wide && i < 5; i++)
            add(config, r, TILES[i][0] * 336, TILES[i][1] * 336);
    if (config->pinpoint_count == 0)
        medvl_config_fail(r, MEDVL_EFORMAT, "\"" NAME "\": no sizes");
}
