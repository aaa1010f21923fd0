/*
 * Volumes cut into slices, with the regions of a label volume: NIfTI files,
 * and DICOM series that are stacks.
 *
 * Read next: import_choose.c.
 */
#include "lib/stage/import_volume.h"

#include <string.h>

#include "lib/base/file.h"
#include "lib/base/hash.h"
#include "lib/base/mem.h"
#include "lib/image/stack.h"

/* The greys of the volume's values; `stack` is NULL for NIfTI. */
static int find_window(struct medvl_cutting *c, const struct medvl_stack *stack,
                       struct medvl_error *err)
{
    const char *text = c->im->options->window;
    struct medvl_window window = {0};
    int rc;

    c->low = 0;
    c->high = 255;
    if (!text && medvl_volume_is_grey8(&c->volume))
        return MEDVL_OK;
    if (!text)
        return medvl_fail(err, MEDVL_EARG,
                          "%s: values of more than 8 bits need a window: "
                          "--window C,W or --window pLO,pHI",
                          c->path);
    rc = medvl_window_parse(&window, text, err);
    if (rc == MEDVL_OK && window.file && stack) {
        c->low = stack->low;
        c->high = stack->high;
        if (stack->no_window)
            rc = medvl_fail(err, MEDVL_EARG, "--window file: %s",
                            stack->no_window);
    } else if (rc == MEDVL_OK) {
        rc = medvl_volume_range(&c->low, &c->high, &c->volume, &window,
                                err);
    }
    if (rc < 0)
        medvl_context(err, "%s", c->path);
    return rc;
}

/* The volume in cubes, where --resample asks for them. */
static int straighten(struct medvl_cutting *c, struct medvl_error *err)
{
    const struct medvl_import_options *o = c->im->options;
    struct medvl_volume grid, cubes = {0};
    int rc;

    if (!(o->resample > 0))
        return MEDVL_OK;
    rc = medvl_volume_cubes(&grid, &c->volume, o->resample, err);
    if (rc == MEDVL_OK)
        rc = medvl_volume_resample(&cubes, &c->volume, &grid,
                                   MEDVL_SAMPLING_LINEAR, NULL, o->pool, err);
    if (rc < 0)
        return medvl_context(err, "%s", c->path);
    medvl_volume_release(&c->volume);
    c->volume = cubes;
    return MEDVL_OK;
}

static int cut_axes(struct medvl_cutting *c, struct medvl_error *err)
{
    static const char *const ALL[] = {"axial", "coronal", "sagittal"};
    const char *wanted = c->im->options->axis;
    int rc = MEDVL_OK;

    for (int i = 0; rc == MEDVL_OK && i < 3; i++) {
        enum medvl_axis axis = MEDVL_AXIS_AXIAL;

        if (strcmp(wanted ? wanted : "axial", "all") != 0 &&
            strcmp(wanted ? wanted : "axial", ALL[i]) != 0)
            continue;
        c->axis = ALL[i];
        rc = medvl_axis_parse(&axis, ALL[i], err);
        medvl_slicing_init(&c->slicing, &c->volume, axis);
        if (rc == MEDVL_OK)
            rc = medvl_cutting_run(c, err);
    }
    return rc;
}

/* What follows when the volume is read. */
static int cut(struct medvl_cutting *c, const struct medvl_stack *stack,
               struct medvl_error *err)
{
    int rc = medvl_choice_parse(&c->choice, c->im->options->slices, err);

    if (rc == MEDVL_OK)
        rc = medvl_labels_read(c, err);
    if (rc == MEDVL_OK)
        rc = find_window(c, stack, err);
    if (rc == MEDVL_OK)
        rc = straighten(c, err);
    if (rc == MEDVL_OK)
        rc = medvl_labels_fit(c, err);
    if (rc == MEDVL_OK)
        rc = cut_axes(c, err);
    if (rc == MEDVL_OK)
        medvl_want_count(c->im->slices, c->kept, NULL);
    if (rc == MEDVL_OK && c->kept)
        medvl_want_count(c->im->regions, c->labelled, NULL);
    return rc;
}

static void release(struct medvl_cutting *c)
{
    medvl_volume_release(&c->volume);
    medvl_volume_release(&c->labels);
    medvl_mask_release(&c->mask);
    medvl_free(c->values);
    medvl_free(c->groups);
    medvl_free(c->placed);
    medvl_free(c->areas);
    medvl_text_release(&c->stem);
    medvl_text_release(&c->json);
    medvl_text_release(&c->name);
    medvl_text_release(&c->region);
    medvl_text_release(&c->counts_text);
}

static int add_wants(struct medvl_import *im, struct medvl_error *err)
{
    const struct medvl_import_options *o = im->options;
    int rc = medvl_wants_add(&im->slices, o->wants, err,
                             "--slices and --content kept a slice");

    if (rc == MEDVL_OK && o->labels)
        rc = medvl_wants_add(&im->regions, o->wants, err,
                             "--labels and --min-area gave a region");
    return rc;
}

/* ---- NIfTI -------------------------------------------------------------- */

static int hash_file(char hash[33], const char *path, struct medvl_error *err)
{
    struct medvl_mapping map = {0};
    const int rc = medvl_mapping_open(&map, path, err);

    if (rc == MEDVL_OK)
        medvl_hash128_hex(hash, map.data, map.size);
    medvl_mapping_release(&map);
    return rc;
}

/* The file's name without what says its format. */
static int find_stem(struct medvl_cutting *c, struct medvl_error *err)
{
    const char *slash = strrchr(c->path, '/');
    const char *name = slash ? slash + 1 : c->path;
    size_t size = strlen(name);

    if (size > 3 && strcmp(name + size - 3, ".gz") == 0)
        size -= 3;
    if (size > 4 && strncmp(name + size - 4, ".nii", 4) == 0)
        size -= 4;
    return medvl_text_append(&c->stem, name, size, err);
}

static int one_file(struct medvl_import *im, const char *path,
                    struct medvl_error *err)
{
    const struct medvl_import_options *o = im->options;
    struct medvl_cutting c = {.im = im, .path = path};
    int rc = find_stem(&c, err);

    if (rc == MEDVL_OK)
        rc = hash_file(c.hash, path, err);
    if (rc == MEDVL_OK)
        rc = medvl_volume_read(&c.volume, path, o->helper, (int)o->seconds,
                               err);
    if (rc == MEDVL_OK)
        rc = cut(&c, NULL, err);
    release(&c);
    return rc;
}

int medvl_import_volumes(struct medvl_import *im, struct medvl_error *err)
{
    const struct medvl_import_options *o = im->options;
    int rc = add_wants(im, err);

    for (int i = 0; rc == MEDVL_OK && i < o->path_count; i++) {
        rc = one_file(im, o->paths[i], err);
        if (rc < 0 && !medvl_is_fatal(rc))
            rc = medvl_import_set_aside(im, err);
    }
    return rc;
}

/* ---- DICOM -------------------------------------------------------------- */

static int one_series(struct medvl_import *im,
                      const struct medvl_series *series, const char *path,
                      struct medvl_error *err)
{
    struct medvl_cutting c = {.im = im, .series = series, .path = path};
    struct medvl_stack stack = {0};
    int rc = medvl_text_append(&c.stem, series->series, 12, err);

    memcpy(c.hash, series->hash, sizeof(c.hash));
    if (rc == MEDVL_OK)
        rc = medvl_stack_read(&stack, im->decoder, series->paths,
                              series->count, err);
    if (rc == MEDVL_OK) {
        c.volume = stack.volume;
        rc = cut(&c, &stack, err);
    }
    release(&c);
    return rc;
}

int medvl_import_series(void *arg, const struct medvl_series *series,
                        struct medvl_error *err)
{
    struct medvl_import *im = arg;
    struct medvl_text path = {0};
    int rc = series->number ? MEDVL_OK : add_wants(im, err);

    if (rc == MEDVL_OK && im->options->labels && series->all > 1)
        return medvl_fail(err, MEDVL_EARG,
                          "--labels go with one volume: the files are %zu "
                          "series",
                          series->all);
    if (rc == MEDVL_OK)
        rc = medvl_text_printf(&path, err, "series of %s", series->paths[0]);
    if (rc == MEDVL_OK)
        rc = one_series(im, series, path.data, err);
    medvl_text_release(&path);
    if (rc < 0 && !medvl_is_fatal(rc))
        rc = medvl_import_set_aside(im, err);
    return rc;
}
