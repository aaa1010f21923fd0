/*
 * What the files of merge share, and nobody else sees.
 *
 * Read next: merge.c.
 */
#ifndef MEDVL_RUN_MERGE_PART_H
#define MEDVL_RUN_MERGE_PART_H

#include "kernels/tensor.h"
#include "lib/run/merge.h"

/* "bf16", "f16" or "f32"; MEDVL_EARG for another word. */
int merge_dtype(enum medvl_dtype *out, const char *name,
                struct medvl_error *err) MEDVL_MUST_CHECK;

/* MEDVL_EARG when `output` is there already. */
int merge_check(const char *output, struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * Make a folder of this process's own, OUTPUT.tmp-NUMBER, whose name goes to
 * `folder`.
 */
int merge_begin(char **folder, const char *output,
                struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * Give the folder its name, or remove it when rc is an error; returns rc,
 * or what fails here.  `folder` is freed; NULL where none was made.
 * MEDVL_EARG when somebody else has made `output` meanwhile.
 */
int merge_end(char *folder, const char *output, int rc,
              struct medvl_error *err) MEDVL_MUST_CHECK;

#endif
