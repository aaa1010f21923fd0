/*
 * Volumes cut into slices, with the regions of a label volume: NIfTI files,
 * and DICOM series that are stacks.
 *
 * Read next: import_choose.c.
 */
#include "lib/stage/import_volume.h"

#include <stdlib.h>
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
    const char *given = c->im->options->convention;
    const bool mirrored = given ? strcmp(given, "radiological") == 0
                                : c->series != NULL;
    int rc = MEDVL_OK;

    for (int i = 0; rc == MEDVL_OK && i < 3; i++) {
        enum medvl_axis axis = MEDVL_AXIS_AXIAL;

        if (strcmp(wanted ? wanted : "axial", "all") != 0 &&
            strcmp(wanted ? wanted : "axial", ALL[i]) != 0)
            continue;
        c->axis = ALL[i];
        rc = medvl_axis_parse(&axis, ALL[i], err);
        medvl_slicing_init(&c->slicing, &c->volume, axis);
        if (mirrored)
            medvl_slicing_mirror(&c->slicing);
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

/* An operand, and what its ids begin with. */
struct named {
    struct medvl_text name;
    const char *path;
    int number;
};

/* The file's name without what says its format, behind `depth` folders. */
static int put_name(struct named *named, int depth, struct medvl_error *err)
{
    const char *path = named->path, *at = path + strlen(path), *end = at;
    int rc = medvl_text_reserve(&named->name, (size_t)(end - path), err);

    while (at > path && at[-1] != '/')
        at--;
    if (end - at > 3 && strcmp(end - 3, ".gz") == 0)
        end -= 3;
    if (end - at > 4 && strncmp(end - 4, ".nii", 4) == 0)
        end -= 4;
    while (depth > 0 && at > path) {
        const char *stop;

        while (at > path && at[-1] == '/')
            at--;
        stop = at;
        while (at > path && at[-1] != '/')
            at--;
        depth -= !(stop - at == 1 && *at == '.');
    }
    medvl_text_clear(&named->name);
    while (rc == MEDVL_OK && at < end) { /* without "//" and "/./" */
        const char *slash = memchr(at, '/', (size_t)(end - at));
        const size_t size = (size_t)((slash ? slash : end) - at);

        if (slash && (size == 0 || (size == 1 && *at == '.'))) {
            at += size + 1;
            continue;
        }
        rc = medvl_text_append(&named->name, at, size + (slash != NULL), err);
        at += size + 1;
    }
    return rc;
}

static int one_file(struct medvl_import *im, struct named *named,
                    struct medvl_error *err)
{
    const struct medvl_import_options *o = im->options;
    const char *path = named->path;
    struct medvl_cutting c = {.im = im, .path = path, .stem = named->name};
    int rc = hash_file(c.hash, path, err);

    named->name = (struct medvl_text){0};
    if (rc == MEDVL_OK)
        rc = medvl_volume_read(&c.volume, path, o->helper, (int)o->seconds,
                               err);
    if (rc == MEDVL_OK)
        rc = cut(&c, NULL, err);
    release(&c);
    return rc;
}

static int by_name(const void *a, const void *b)
{
    const struct named *x = a, *y = b;
    const int order = strcmp(x->name.data, y->name.data);

    return order ? order : x->number - y->number;
}

static int by_number(const void *a, const void *b)
{
    const struct named *x = a, *y = b;

    return x->number - y->number;
}

/* The first of sorted names that the next one equals; or NULL. */
static const struct named *find_equal(const struct named *list, int count)
{
    for (int i = 0; i + 1 < count; i++)
        if (strcmp(list[i].name.data, list[i + 1].name.data) == 0)
            return &list[i];
    return NULL;
}

/* Files of one name take in as many folders as tell all of them apart. */
static int part_names(struct named *list, int count, struct medvl_error *err)
{
    const struct named *equal = find_equal(list, count);
    int slashes = 0, rc = MEDVL_OK;

    for (int i = 0; equal && i < count; i++) {
        int own = 0;

        for (const char *at = list[i].path; *at; at++)
            own += *at == '/';
        slashes = own > slashes ? own : slashes;
    }
    for (int depth = 1; equal && depth <= slashes; depth++) {
        for (int i = 0; rc == MEDVL_OK && i < count; i++)
            rc = put_name(&list[i], depth, err);
        if (rc < 0)
            return rc;
        qsort(list, (size_t)count, sizeof(*list), by_name);
        equal = find_equal(list, count);
    }
    if (equal)
        return medvl_fail(err, MEDVL_EARG,
                          "%s and %s: both have ids that begin with '%s': "
                          "import one of them apart, under another name",
                          equal[0].path, equal[1].path, equal->name.data);
    return MEDVL_OK;
}

static int name_files(struct named *list, int count, struct medvl_error *err)
{
    int rc = MEDVL_OK, next;

    for (int i = 0; rc == MEDVL_OK && i < count; i++)
        rc = put_name(&list[i], 0, err);
    if (rc < 0)
        return rc;
    qsort(list, (size_t)count, sizeof(*list), by_name);
    for (int i = 0; rc == MEDVL_OK && i < count; i = next) {
        next = i + 1;
        while (next < count &&
               strcmp(list[i].name.data, list[next].name.data) == 0)
            next++;
        rc = part_names(list + i, next - i, err);
    }
    qsort(list, (size_t)count, sizeof(*list), by_number);
    return rc;
}

int medvl_import_volumes(struct medvl_import *im, struct medvl_error *err)
{
    const struct medvl_import_options *o = im->options;
    const int count = o->path_count;
    struct named *list = medvl_alloc((size_t)count, sizeof(*list));
    int rc = list ? add_wants(im, err) : medvl_no_memory(err);

    for (int i = 0; list && i < count; i++)
        list[i] = (struct named){.path = o->paths[i], .number = i};
    if (rc == MEDVL_OK)
        rc = name_files(list, count, err);
    for (int i = 0; rc == MEDVL_OK && i < count; i++) {
        rc = one_file(im, &list[i], err);
        if (rc < 0 && !medvl_is_fatal(rc))
            rc = medvl_import_set_aside(im, err);
    }
    for (int i = 0; list && i < count; i++)
        medvl_text_release(&list[i].name);
    medvl_free(list);
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
