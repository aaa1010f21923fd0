/*
 * Which slices of a volume: what --slices says, and what that means for a
 * volume of so many slices and its labels.
 *
 * Read next: import_slice.c.
 */
#include <math.h>
#include <string.h>

#include "lib/stage/import_volume.h"

/* A whole number, or a percentage of 0 to 100. */
static bool parse_end(double *value, bool *percent, struct medvl_span text)
{
    int64_t number;

    *percent = text.size > 1 && text.data[text.size - 1] == '%';
    if (*percent) {
        text.size--;
        return medvl_parse_real(value, text, 0, 100, NULL) == MEDVL_OK;
    }
    if (medvl_parse_int(&number, text, 0, MEDVL_PICTURE_SIDE, NULL) < 0)
        return false;
    *value = (double)number;
    return true;
}

/* FIRST-LAST, FIRST-LAST:STEP, or P% alone. */
static bool parse_range(struct medvl_choice *out, const char *text)
{
    const char *colon = strchr(text, ':');
    const size_t size = colon ? (size_t)(colon - text) : strlen(text);
    const char *dash = memchr(text, '-', size);
    struct medvl_span first = {text, size}, last;

    if (dash)
        first.size = (size_t)(dash - text);
    if (!parse_end(&out->ends[0], &out->percent[0], first))
        return false;
    out->ends[1] = out->ends[0];
    out->percent[1] = out->percent[0];
    if (!dash)
        return out->percent[0] && !colon;
    last = (struct medvl_span){dash + 1, size - first.size - 1};
    if (!parse_end(&out->ends[1], &out->percent[1], last) ||
        (out->percent[0] == out->percent[1] && out->ends[0] > out->ends[1]))
        return false;
    return !colon || medvl_parse_int(&out->step, medvl_span(colon + 1), 1,
                                     MEDVL_PICTURE_SIDE, NULL) == MEDVL_OK;
}

int medvl_choice_parse(struct medvl_choice *out, const char *text,
                       struct medvl_error *err)
{
    *out = (struct medvl_choice){.ends = {0, MEDVL_PICTURE_SIDE}, .step = 1};
    if (!text)
        return MEDVL_OK;
    if (strcmp(text, "largest") == 0) {
        out->kind = MEDVL_CHOICE_LARGEST;
        return MEDVL_OK;
    }
    if (strcmp(text, "labelled") == 0) {
        out->kind = MEDVL_CHOICE_LABELLED;
        return MEDVL_OK;
    }
    if (medvl_parse_int(&out->count, medvl_span(text), 1, MEDVL_PICTURE_SIDE,
                        NULL) == MEDVL_OK) {
        out->kind = MEDVL_CHOICE_STEPS;
        return MEDVL_OK;
    }
    if (!parse_range(out, text))
        return medvl_fail(err, MEDVL_EARG,
                          "slices '%s': want FIRST-LAST or FIRST-LAST:STEP, "
                          "numbers or percentages, or COUNT, P%%, largest, "
                          "labelled",
                          text);
    return MEDVL_OK;
}

int medvl_import_check_slices(const struct medvl_import_options *options,
                              struct medvl_error *err)
{
    struct medvl_choice choice;
    const int rc = medvl_choice_parse(&choice, options->slices, err);

    if (rc == MEDVL_OK && !options->labels &&
        (choice.kind == MEDVL_CHOICE_LARGEST ||
         choice.kind == MEDVL_CHOICE_LABELLED))
        return medvl_fail(err, MEDVL_EARG,
                          "--slices %s wants a label volume (--labels)",
                          options->slices);
    return rc;
}

/* 0 % is the first of `count` slices, 100 % the last. */
static int64_t find_end(double value, bool percent, int64_t count)
{
    if (!percent)
        return (int64_t)value;
    return (int64_t)floor(value / 100 * (double)(count - 1) + 0.5);
}

/* The first of the slices with the most labelled pixels; none: none. */
static int find_largest(struct medvl_chosen *out, struct medvl_cutting *c,
                        struct medvl_error *err)
{
    int64_t most = 0;
    int rc = MEDVL_OK;

    *out = (struct medvl_chosen){0, -1, 1};
    for (int64_t i = 0; i < c->slicing.count && rc == MEDVL_OK; i++) {
        int64_t area = 0;

        rc = medvl_labels_find(&area, c, i, err);
        if (area > most) {
            most = area;
            out->first = out->last = i;
        }
    }
    return rc;
}

int medvl_choice_make(struct medvl_chosen *out, struct medvl_cutting *c,
                      struct medvl_error *err)
{
    const struct medvl_choice *choice = &c->choice;
    const int64_t count = c->slicing.count;

    *out = (struct medvl_chosen){0, count - 1, choice->step};
    switch (choice->kind) {
    case MEDVL_CHOICE_RANGE:
        out->first = find_end(choice->ends[0], choice->percent[0], count);
        out->last = find_end(choice->ends[1], choice->percent[1], count);
        out->last = out->last < count ? out->last : count - 1;
        break;
    case MEDVL_CHOICE_STEPS:
        /* As SemiHVision: the first COUNT multiples of the step. */
        out->step = count / choice->count > 1 ? count / choice->count : 1;
        if ((choice->count - 1) * out->step < count)
            out->last = (choice->count - 1) * out->step;
        break;
    case MEDVL_CHOICE_LARGEST: return find_largest(out, c, err);
    case MEDVL_CHOICE_LABELLED: break;
    }
    return MEDVL_OK;
}
