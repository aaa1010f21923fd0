/*
 * Boxes in answers, and how well two boxes agree.
 *
 * Read next: stats.h.
 */
#ifndef MEDVL_EVAL_GROUNDING_H
#define MEDVL_EVAL_GROUNDING_H

#include <stdbool.h>

#include "lib/base/text.h"
#include "lib/image/region.h"

/*
 * The first "[x0,y0,x1,y1]" in `text`: four decimal numbers, spaces allowed
 * between them.  False, *out unchanged, when there is none.
 */
bool medvl_box_parse(struct medvl_box *out, struct medvl_span text);

/* Are all four numbers in [0, scale], with x0 <= x1 and y0 <= y1? */
bool medvl_box_within(const struct medvl_box *box, double scale);

/*
 * Area of the intersection over area of the union, 0..1, edges as
 * coordinates (no pixel is added).  Boxes without area agree (1) when they
 * are equal and else not at all (0).
 */
double medvl_box_iou(const struct medvl_box *a, const struct medvl_box *b);

#endif
