/*
 * Colours: palettes, RGB, and YCbCr, to RGB of 8 bits.
 *
 * Read next: dicom_overlay.c.
 */
#include "lib/image/dicom_part.h"

#include <string.h>

/* One of the colours of all pixels. */
static void look_up(uint8_t *to, const struct medvl_dicom_table *table,
                    const struct medvl_dicom *d, const void *data,
                    size_t count)
{
    const struct medvl_dicom_bits b = medvl_dicom_bits(d);

    for (size_t i = 0; i < count; i++) {
        const double v =
            medvl_dicom_stored(&b, medvl_voxel_value(data, d->file.type, i));

        to[i * 3] = (uint8_t)(medvl_dicom_table_at(table, v) >>
                              (table->bits - 8));
    }
}

int medvl_dicom_palette(struct medvl_picture *out,
                        const struct medvl_dicom *d, const void *data,
                        struct medvl_error *err)
{
    static const char *const NAMES[3][3] = {
        {"RedPaletteColorLookupTableDescriptor",
         "RedPaletteColorLookupTableData",
         "SegmentedRedPaletteColorLookupTableData"},
        {"GreenPaletteColorLookupTableDescriptor",
         "GreenPaletteColorLookupTableData",
         "SegmentedGreenPaletteColorLookupTableData"},
        {"BluePaletteColorLookupTableDescriptor",
         "BluePaletteColorLookupTableData",
         "SegmentedBluePaletteColorLookupTableData"},
    };
    const size_t count = (size_t)(out->width * out->height);
    int rc = MEDVL_OK;

    for (int c = 0; c < 3 && rc == MEDVL_OK; c++) {
        struct medvl_dicom_table table = {0};
        const struct medvl_json *segments =
            medvl_json_get(d->tags, NAMES[c][2]);

        rc = (segments ? medvl_dicom_table_expand : medvl_dicom_table_read)(
            &table, medvl_json_get(d->tags, NAMES[c][0]),
            segments ? segments : medvl_json_get(d->tags, NAMES[c][1]), err);
        if (rc < 0)
            medvl_context(err, "%s", NAMES[c][0]);
        else
            look_up((uint8_t *)out->data + c, &table, d, data, count);
        medvl_dicom_table_release(&table);
    }
    return rc;
}

static uint8_t clamp_byte(double v)
{
    return v < 0 ? 0 : v > 255 ? 255
                               : (uint8_t)(v + 0.5);
}

/* Full-range YCbCr of JPEG, in place. */
static void ybr_to_rgb(uint8_t *pixel, size_t count)
{
    for (size_t i = 0; i < count; i++, pixel += 3) {
        const double y = pixel[0], b = pixel[1] - 128.0, r = pixel[2] - 128.0;

        pixel[0] = clamp_byte(y + 1.402 * r);
        pixel[1] = clamp_byte(y - 0.344136 * b - 0.714136 * r);
        pixel[2] = clamp_byte(y + 1.772 * b);
    }
}

int medvl_dicom_colour(struct medvl_picture *out,
                       const struct medvl_dicom *d, const void *data,
                       struct medvl_error *err)
{
    const size_t count = (size_t)(out->width * out->height);
    const char *space = medvl_json_string(
        medvl_dicom_tag(d, -1, "PhotometricInterpretation"));
    uint8_t *to = out->data;
    const struct medvl_dicom_bits b = medvl_dicom_bits(d);

    if (!space || d->file.size[0] != 3 ||
        (strcmp(space, "RGB") != 0 && strncmp(space, "YBR_", 4) != 0) ||
        strcmp(space, "YBR_PARTIAL_420") == 0 ||
        strcmp(space, "YBR_PARTIAL_422") == 0)
        return medvl_fail(err, MEDVL_EUNSUPPORTED,
                          "colour space %s of %d samples",
                          space ? space : "without a name",
                          (int)d->file.size[0]);
    if (!b.bits)
        return medvl_fail(err, MEDVL_EUNSUPPORTED, "colours as fractions");
    for (size_t i = 0; i < count * 3; i++) {
        const double v =
            medvl_dicom_stored(&b, medvl_voxel_value(data, d->file.type, i));

        to[i] = b.bits > 8   ? (uint8_t)((int64_t)v >> (b.bits - 8))
                : b.bits < 8 ? (uint8_t)(v * 255 / ((1 << b.bits) - 1) + 0.5)
                             : (uint8_t)v;
    }
    /* JPEG 2000 undoes its own transformations. */
    if (strncmp(space, "YBR_FULL", 8) == 0)
        ybr_to_rgb(to, count);
    return MEDVL_OK;
}
