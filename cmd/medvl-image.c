/*
 * medvl-image - work on the pictures of records.
 *
 * See man/medvl-image.1.  All the work is in lib/stage/image.c and
 * lib/stage/sheet.c.
 */
#include <malloc.h>

#include "cmd/cli.h"
#include "lib/stage/image.h"
#include "lib/stage/sheet.h"

static struct medvl_image_options opt;

static const struct cli_option OPTIONS[] = {
    CLI_PATH('O', "out", &opt.out, "folder", "write the pictures here"),
    CLI_PATH(0, "sheet", &opt.sheet, "file.png",
             "or show them all side by side, with what is said of them"),
    CLI_TEXT(0, "resize", &opt.resize, "N|WxH", "make pictures this size"),
    CLI_CHOICE(0, "fit", &opt.fit, "pad|crop|stretch",
               "how to keep the aspect [pad]"),
    CLI_TEXT(0, "background", &opt.background, "colour",
             "R,G,B, a name or mean, behind pictures [black]"),
    CLI_TEXT(0, "window", &opt.window, "C,W|pLO,pHI|file|name",
             "values of grey that become 0..255"),
    CLI_RARE_FLAG(0, "overlays", &opt.overlays,
                  "burn in the overlays of DICOM"),
    CLI_RARE_TEXT(0, "rescale", &opt.rescale, "S,I",
                  "values of wide grey mean S * value + I (1,-32768)"),
    CLI_TEXT(0, "crop", &opt.crop, "box|field",
             "cut out X0,Y0,X1,Y1, or the region whose field is true"),
    CLI_RARE_REAL(0, "margin", &opt.margin, 0, 100,
                  "around a cropped region, of its longer side [0]"),
    CLI_TEXT(0, "draw", &opt.draw, "field",
             "draw regions whose field is true (all: every one)"),
    CLI_RARE_TEXT(0, "colour", &opt.color, "colour", "to draw with [red]"),
    CLI_CHOICE(0, "shape", &opt.shape, "box|outline|blur",
               "what to draw, or keep sharp [box]"),
    CLI_RARE_REAL(0, "blur", &opt.blur, 0, 1,
                  "its deviation, of the picture's shorter side [0.03]"),
    CLI_FLAG(0, "numbers", &opt.numbers,
             "number what is drawn, and set \"mark\""),
    CLI_RARE_FLAG(0, "boxes", &opt.boxes,
                  "give regions with a mask or polygons a box and area"),
    CLI_RARE_CHOICE(0, "coordinates", &opt.scale, "pixel|1|100|999",
                    "scale of the regions that come in [pixel]"),
    CLI_RARE_INT(0, "thick", &opt.thick, 1, 1000, "pixels of a frame [1]"),
    CLI_TEXT(0, "augment", &opt.augment, "NAME=REACH,...",
             "change at random: hflip, vflip, shift, scale, rotate, blur, "
             "contrast, brightness, gamma, noise"),
    CLI_RARE_CHOICE(0, "sides", &opt.sides, "leave|swap",
                    "text with left or right: picture not flipped, or words "
                    "swapped [leave]"),
    CLI_TEXT(0, "anomaly", &opt.anomaly, "KIND,...[:SHARE]",
             "put one on: cutpaste, gaussian, source, sink"),
    CLI_INT(0, "copies", &opt.copies, 1, 1000000,
            "augmented records for each [1]"),
    CLI_RARE_CHOICE(0, "filter", &opt.filter, "bicubic|bilinear",
                    "of resizing [bicubic]"),
    CLI_RARE_FLAG(0, "draft", &opt.draft,
                  "let JPEG shrink while decoding: faster, other pixels"),
    CLI_RARE_TEXT(0, "root", &opt.root, "folder",
                  "paths in records are below it"),
    CLI_RARE_INT(0, "max-pixels", &opt.pixels, 1, 4294836225,
                 "in one picture [67108864]"),
    CLI_END,
};

int main(int argc, char **argv)
{
    struct cli cli = {
        .name = "medvl-image",
        .about = "Resize, crop, draw on and augment the pictures of records.",
        .operands = "[FILE ...]",
        .options = OPTIONS,
        .has = CLI_HAS_SEED | CLI_HAS_RECORDS | CLI_HAS_PART |
               CLI_HAS_OUTPUT,
    };
    struct medvl_error err = {0};

    cli_parse(&cli, argc, argv);
    /* A picture's memory is kept for the next: its pages are not cheap. */
    mallopt(M_MMAP_THRESHOLD, 32 << 20);
    mallopt(M_TRIM_THRESHOLD, 256 << 20);
    opt.seed = (uint64_t)cli.seed;
    opt.wants = &cli.wants;
    opt.hash = cli_options_hash(&cli);
    if ((opt.sheet ? medvl_sheet_check : medvl_image_check)(&opt, &err) < 0)
        cli_misuse(&cli, "%s", err.text);
    if (opt.sheet && cli.output)
        cli_misuse(&cli, "--sheet writes no records: -o does not go with it");
    if (opt.sheet)
        return cli_batch(&cli, &medvl_sheet_batch, &opt);
    return cli_map(&cli, &medvl_image_map, &opt);
}
