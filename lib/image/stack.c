/*
 * A series is read twice: for where its slices lie, and, when that is a
 * stack, for their values.
 *
 * Read next: stack_place.c.
 */
#include "lib/image/stack.h"

#include <math.h>
#include <stdlib.h>

#include "lib/base/mem.h"
#include "lib/image/stack_part.h"

static void choose_type(struct medvl_volume *out, struct medvl_stacking *r)
{
    const struct medvl_slot *p = r->parts;
    double low, high;

    r->plain = !r->table && !r->mixed;
    for (size_t i = 1; i < r->part_count; i++)
        r->plain &= p[i].slope == p->slope && p[i].offset == p->offset;
    out->type = r->type;
    out->slope = 1;
    out->inverse = r->inverse;
    if (!r->plain) {
        const bool wide =
            medvl_voxel_bytes(r->type) > 2 && r->type != MEDVL_VOXEL_F32;

        out->type = wide ? MEDVL_VOXEL_F64 : MEDVL_VOXEL_F32;
        return;
    }
    /* Fewer bits than a byte are no greys of 0 to 255. */
    if (r->type == MEDVL_VOXEL_U8 && r->bits < 8)
        out->type = MEDVL_VOXEL_U16;
    out->slope = p->slope;
    out->offset = p->offset;
    out->padded = !isnan(r->padding);
    medvl_voxel_range(&low, &high, out->type);
    if (out->padded)
        out->padding = fmin(fmax(r->padding, low), high);
}

static void put_value(void *data, enum medvl_voxel type, size_t at, double v)
{
    switch (type) {
    case MEDVL_VOXEL_U8: ((uint8_t *)data)[at] = (uint8_t)v; break;
    case MEDVL_VOXEL_I8: ((int8_t *)data)[at] = (int8_t)v; break;
    case MEDVL_VOXEL_U16: ((uint16_t *)data)[at] = (uint16_t)v; break;
    case MEDVL_VOXEL_I16: ((int16_t *)data)[at] = (int16_t)v; break;
    case MEDVL_VOXEL_U32: ((uint32_t *)data)[at] = (uint32_t)v; break;
    case MEDVL_VOXEL_I32: ((int32_t *)data)[at] = (int32_t)v; break;
    case MEDVL_VOXEL_F32: ((float *)data)[at] = (float)v; break;
    case MEDVL_VOXEL_F64: ((double *)data)[at] = v; break;
    }
}

/* The slice that values go to. */
struct target {
    struct medvl_volume *volume;
    const struct medvl_stacking *reading;
    const struct medvl_slot *part;
    bool whole; /* numbers of [low, high]: the file may have changed */
    double low, high;
};

static void put_pixel(void *arg, size_t pixel, double v)
{
    const struct target *t = arg;
    const struct medvl_stacking *r = t->reading;
    const size_t pixels = (size_t)(r->width * r->height);

    if (!r->plain && !r->table)
        v = v * t->part->slope + t->part->offset;
    if (isnan(v) && t->volume->padded)
        v = t->volume->padding;
    if (t->whole)
        v = !(v > t->low) ? t->low : v < t->high ? v
                                                 : t->high;
    put_value(t->volume->data, t->volume->type,
              t->part->slot * pixels + pixel, v);
}

/* The slices of one file, which stand one after another from `p` on. */
static int read_values(struct medvl_volume *out,
                       const struct medvl_stacking *r,
                       const struct medvl_slot *p,
                       const struct medvl_slot *end,
                       struct medvl_error *err)
{
    struct target target = {.volume = out, .reading = r, .part = p};
    const size_t file = p->file;
    struct medvl_dicom dicom;
    int rc = medvl_dicom_file(&dicom, r->decoder, r->paths[file], err);

    if (rc < 0) {
        medvl_dicom_release(&dicom);
        return rc;
    }
    if (dicom.file.size[0] != 1 || dicom.file.size[1] != r->width ||
        dicom.file.size[2] != r->height || dicom.file.type != r->type)
        rc = medvl_fail(err, MEDVL_EIO, "changed while it was read");
    target.whole =
        out->type != MEDVL_VOXEL_F32 && out->type != MEDVL_VOXEL_F64;
    medvl_voxel_range(&target.low, &target.high, out->type);
    for (; target.part < end && target.part->file == file && rc == MEDVL_OK;
         target.part++)
        rc = medvl_dicom_values(&dicom, r->decoder, target.part->frame,
                                put_pixel, &target, err);
    medvl_dicom_release(&dicom);
    return rc < 0 ? medvl_context(err, "%s", r->paths[file]) : rc;
}

static int by_file(const void *left, const void *right)
{
    const struct medvl_slot *a = left, *b = right;

    if (a->file != b->file)
        return a->file < b->file ? -1 : 1;
    return (a->frame > b->frame) - (a->frame < b->frame);
}

static int read_stack(struct medvl_volume *out, struct medvl_stacking *r,
                      struct medvl_error *err)
{
    const struct medvl_slot *end = r->parts + r->part_count;
    const int64_t voxels = r->width * r->height * (int64_t)r->part_count;
    int rc = MEDVL_OK;

    choose_type(out, r);
    if (voxels > MEDVL_VOLUME_VOXELS ||
        voxels * (int64_t)medvl_voxel_bytes(out->type) > MEDVL_VOLUME_BYTES)
        return medvl_fail(err, MEDVL_EARG,
                          "the series of %s: %lld x %lld x %zu voxels: over "
                          "the limit of 2^28 voxels or 384 MiB",
                          r->paths[0], (long long)r->width,
                          (long long)r->height, r->part_count);
    for (size_t i = 0; i < r->part_count; i++)
        r->parts[i].slot = i;
    qsort(r->parts, r->part_count, sizeof(*r->parts), by_file);
    out->data = medvl_alloc((size_t)voxels, medvl_voxel_bytes(out->type));
    if (!out->data)
        return medvl_no_memory(err);
    for (const struct medvl_slot *p = r->parts; p < end && rc == MEDVL_OK;) {
        const struct medvl_slot *next = p;

        while (next < end && next->file == p->file)
            next++;
        rc = read_values(out, r, p, next, err);
        p = next;
    }
    return rc;
}

/* The window that all slices have. */
static void common_window(struct medvl_stack *out,
                          const struct medvl_stacking *r)
{
    const struct medvl_slot *p = r->parts;

    out->low = p->low;
    out->high = p->high;
    if (isnan(p->low) || isnan(p->high))
        out->no_window = "the files have no window, or none that is linear";
    for (size_t i = 1; i < r->part_count && !out->no_window; i++)
        if (p[i].low != p->low || p[i].high != p->high)
            out->no_window = "the slices have different windows";
}

int medvl_stack_read(struct medvl_stack *out, struct medvl_decoder *decoder,
                     const char *const *paths, size_t count,
                     struct medvl_error *err)
{
    struct medvl_stacking r = {.decoder = decoder, .paths = paths};
    int rc = MEDVL_OK;

    *out = (struct medvl_stack){0};
    for (size_t i = 0; i < count && rc == MEDVL_OK; i++)
        rc = medvl_stack_places(&r, i, err);
    if (rc == MEDVL_OK)
        rc = medvl_stack_order(&out->volume, &r, err);
    if (rc == MEDVL_OK)
        common_window(out, &r);
    if (rc == MEDVL_OK)
        rc = read_stack(&out->volume, &r, err);
    medvl_free(r.parts);
    if (rc < 0)
        medvl_stack_release(out);
    return rc;
}

void medvl_stack_release(struct medvl_stack *stack)
{
    medvl_volume_release(&stack->volume);
}
