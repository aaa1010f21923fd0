/*
 * Contact sheets: the pictures of records side by side in PNG files, with
 * their regions drawn and what is asked and said of them below, because
 * people look before they train.  medvl-image --sheet is its command.
 *
 * Read next: prompt.h.
 */
#ifndef MEDVL_STAGE_SHEET_H
#define MEDVL_STAGE_SHEET_H

#include "lib/stage/image.h"

/*
 * Are the options right for a sheet: "sheet" is a name in ".png" and nothing
 * changes pictures?  MEDVL_EARG or MEDVL_EFORMAT says what is not.
 */
int medvl_sheet_check(const struct medvl_image_options *options,
                      struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * The batch's functions; options are struct medvl_image_options, of which
 * sheet, root, window, rescale, overlays, resize, scale and pixels count.
 *
 * Writes no records.  Each picture is a cell of its own, a record without
 * one has an empty cell.  A sheet that is full is followed by another,
 * "sheet-2.png" after "sheet.png"; all get their names when the run has
 * ended well.  In memory are the cells of one sheet and the pictures in
 * hand.  The same records give the same bytes.
 *
 * No record at all is MEDVL_EARG, a sheet's place that holds anything but a
 * regular file MEDVL_EIO.
 *
 * A picture or region that cannot be read makes its record bad; where bad
 * records are set aside, its cell shows a red cross and the error.
 */
extern const struct medvl_batch medvl_sheet_batch;

#endif
