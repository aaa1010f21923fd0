/*
 * What the files of merge share, and nobody else sees.
 *
 * Read next: merge.c.
 */
#ifndef MEDVL_RUN_MERGE_PART_H
#define MEDVL_RUN_MERGE_PART_H

#include "kernels/tensor.h"
#include "lib/base/text.h"
#include "lib/run/merge.h"

/* "bf16", "f16" or "f32"; MEDVL_EARG for another word. */
int merge_dtype(enum medvl_dtype *out, const char *name,
                struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * Make OUTPUT.tmp, whose name goes to `folder`.  MEDVL_EARG when `output` is
 * there already.
 */
int merge_begin(struct medvl_text *folder, const char *output,
                struct medvl_error *err) MEDVL_MUST_CHECK;

/* Give the folder its name, or remove it when rc is an error; returns rc,
 * or what fails here. */
int merge_end(struct medvl_text *folder, const char *output, int rc,
              struct medvl_error *err) MEDVL_MUST_CHECK;

#endif
