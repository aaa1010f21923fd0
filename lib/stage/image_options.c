/*
 * What the options of the image preprocessor mean, and which of them do not
 * go together.
 *
 * Read next: image_geometry.c.
 */
#include <string.h>

#include "lib/image/coordinates.h"
#include "lib/stage/image_part.h"

static bool is_word(const char *given, const char *word)
{
    return given && strcmp(given, word) == 0;
}

static int parse_box(struct medvl_box *box, const char *text)
{
    double *const sides[4] = {&box->x0, &box->y0, &box->x1, &box->y1};

    for (int i = 0; i < 4; i++) {
        const size_t size = strcspn(text, ",");

        if (medvl_parse_real(sides[i], (struct medvl_span){text, size}, 0,
                             MEDVL_PICTURE_SIDE, NULL) < 0 ||
            (text[size] == ',') != (i < 3))
            return 0;
        text += size + 1;
    }
    return box->x1 > box->x0 && box->y1 > box->y0;
}

static int parse_resize(struct medvl_image_stage *stage, const char *text,
                        struct medvl_error *err)
{
    const size_t size = strcspn(text, "x");
    int rc = medvl_parse_int(&stage->width, (struct medvl_span){text, size},
                             1, MEDVL_PICTURE_SIDE, err);

    stage->height = stage->width;
    if (rc == MEDVL_OK && text[size])
        rc = medvl_parse_int(&stage->height, medvl_span(text + size + 1), 1,
                             MEDVL_PICTURE_SIDE, err);
    if (rc == MEDVL_OK &&
        stage->width * stage->height > MEDVL_PICTURE_PIXELS)
        rc = medvl_fail(err, MEDVL_EARG, "over the limit of %lld pixels",
                        (long long)MEDVL_PICTURE_PIXELS);
    if (rc < 0)
        return medvl_context(err, "resize '%s': want N or WxH", text);
    return MEDVL_OK;
}

static int parse_rescale(struct medvl_load_options *load, const char *text,
                         struct medvl_error *err)
{
    const size_t size = strcspn(text, ",");

    if (!text[size] ||
        medvl_parse_real(&load->slope, (struct medvl_span){text, size}, 1e-9,
                         1e9, NULL) < 0 ||
        medvl_parse_real(&load->intercept, medvl_span(text + size + 1), -1e12,
                         1e12, NULL) < 0)
        return medvl_fail(err, MEDVL_EARG,
                          "rescale '%s': want SLOPE,INTERCEPT, the slope "
                          "above 0",
                          text);
    return MEDVL_OK;
}

static int parse_scale(struct medvl_image_stage *stage, const char *text,
                       struct medvl_error *err)
{
    if (is_word(text, "pixel"))
        return MEDVL_OK;
    if (medvl_parse_int(&stage->scale, medvl_span(text), 1, 999, NULL) < 0 ||
        !medvl_scale_is(stage->scale))
        return medvl_fail(err, MEDVL_EARG,
                          "coordinates '%s': want pixel, 1, 100 or 999",
                          text);
    return MEDVL_OK;
}

static int parse_crop(struct medvl_image_stage *stage, const char *text,
                      struct medvl_error *err)
{
    if (!strchr(text, ','))
        return MEDVL_OK;
    if (!parse_box(&stage->crop, text))
        return medvl_fail(err, MEDVL_EARG,
                          "crop '%s': want X0,Y0,X1,Y1 or a field", text);
    stage->crop_box = true;
    return MEDVL_OK;
}

/* The texts, and numbers whose default is not 0. */
static int parse_values(struct medvl_image_stage *stage,
                        struct medvl_error *err)
{
    struct medvl_image_options *o = &stage->options;
    int rc = MEDVL_OK;

    o->copies = o->copies ? o->copies : 1;
    o->thick = o->thick ? o->thick : 1;
    if (o->scale)
        rc = parse_scale(stage, o->scale, err);
    if (rc == MEDVL_OK && o->window)
        rc = medvl_window_parse(&stage->load.window, o->window, err);
    if (rc == MEDVL_OK && o->rescale)
        rc = parse_rescale(&stage->load, o->rescale, err);
    if (rc == MEDVL_OK && o->augment)
        rc = medvl_augment_parse(&stage->augment, o->augment, err);
    if (rc == MEDVL_OK && o->anomaly)
        rc = medvl_anomaly_parse(&stage->anomaly, o->anomaly, err);
    if (rc == MEDVL_OK && o->resize)
        rc = parse_resize(stage, o->resize, err);
    if (rc == MEDVL_OK)
        rc = medvl_color_parse(stage->background,
                               o->background ? o->background : "black", err);
    if (rc == MEDVL_OK)
        rc = medvl_color_parse(stage->color, o->color ? o->color : "red",
                               err);
    if (rc == MEDVL_OK && o->crop)
        rc = parse_crop(stage, o->crop, err);
    return rc;
}

/* An option that would do nothing is a mistake. */
static int check_together(const struct medvl_image_stage *stage,
                          struct medvl_error *err)
{
    const struct medvl_image_options *o = &stage->options;
    const bool blurs = is_word(o->shape, "blur");
    const struct medvl_augment *a = &stage->augment;
    const bool moves = a->shift > 0 || a->scale[1] > 0 || a->rotate > 0;
    const bool flips = a->hflip > 0 || a->vflip > 0;
    const struct {
        bool wrong;
        const char *why;
    } RULES[] = {
        {!o->out && !o->sheet, "no folder for the pictures"},
        {o->copies > 1 && !stage->random,
         "copies without augmentation are all the same"},
        {o->sides && !flips, "sides are of flips: hflip or vflip"},
        {(o->shape || o->color || o->numbers || o->thick > 1) && !o->draw,
         "shape, colour, numbers and thick are of regions that are drawn"},
        {blurs && (o->color || o->thick > 1) && !o->numbers,
         "shape blur draws nothing: colour and thick are of its numbers"},
        {o->background && !moves &&
             (!o->resize || stage->fit != MEDVL_FIT_PAD),
         "a background is behind what is padded, shifted, scaled or turned"},
        {o->blur > 0 && !blurs, "blur is how much the shape blur does"},
        {o->margin > 0 && (!o->crop || stage->crop_box),
         "a margin is around a region that is cropped to"},
        {(o->fit || o->filter) && !o->resize && !o->sheet,
         "fit and filter are of resizing"},
        {o->draft && (!o->resize || o->crop || stage->random),
         "draft is for resizing alone: it needs a size, and no crop, anomaly "
         "or augmentation"},
    };

    for (size_t i = 0; i < sizeof(RULES) / sizeof(*RULES); i++)
        if (RULES[i].wrong)
            return medvl_fail(err, MEDVL_EARG, "%s", RULES[i].why);
    return MEDVL_OK;
}

int medvl_image_parse(struct medvl_image_stage *stage,
                      struct medvl_error *err)
{
    const struct medvl_image_options *o = &stage->options;
    int rc = parse_values(stage, err);

    stage->swap = is_word(o->sides, "swap");
    stage->random = o->augment || o->anomaly;
    stage->fit = is_word(o->fit, "crop")      ? MEDVL_FIT_CROP
                 : is_word(o->fit, "stretch") ? MEDVL_FIT_STRETCH
                                              : MEDVL_FIT_PAD;
    stage->filter = is_word(o->filter, "bilinear") ? MEDVL_FILTER_BILINEAR
                                                   : MEDVL_FILTER_BICUBIC;
    stage->load.pixels = o->pixels;
    stage->load.overlays = o->overlays;
    if (o->draft) {
        stage->load.cover[0] = stage->width;
        stage->load.cover[1] = stage->height;
    }
    return rc < 0 ? rc : check_together(stage, err);
}

int medvl_image_check(const struct medvl_image_options *options,
                      struct medvl_error *err)
{
    struct medvl_image_stage stage = {.options = *options};

    return medvl_image_parse(&stage, err);
}
