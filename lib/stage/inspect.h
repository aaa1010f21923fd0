/*
 * What a shard folder or a picture file holds, as JSON Lines: the part of
 * medvl-inspect(1) that needs no model.  Checkpoints are run/view.h's.
 *
 * Read next: ../../kernels/tensor.h.
 */
#ifndef MEDVL_STAGE_INSPECT_H
#define MEDVL_STAGE_INSPECT_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/text.h"

/* Takes one line of JSON, without its newline. */
typedef int medvl_inspect_put(void *arg, struct medvl_span json,
                              struct medvl_error *err);

/* Is it a folder with an index.json? */
bool medvl_inspect_is_shards(const char *path);

/*
 * The records of a shard folder in order: each as it is stored, with its
 * "tokens", "loss_mask" and, in every image, "shard" (the folder as given)
 * and "index" [sample, picture].  The lines are what medvl-shard takes.
 *
 * MEDVL_EFORMAT for shards with other columns.
 */
int medvl_inspect_shards(const char *path, medvl_inspect_put *put, void *arg,
                         struct medvl_error *err) MEDVL_MUST_CHECK;

/* Is it a file with the mark or the name (.dcm, .dicom) of DICOM? */
bool medvl_inspect_is_dicom(const char *path);

/*
 * One line for a DICOM file: "path", the tags that lib/image/dicom.h lets
 * out but those that identify, and where it has pixels "shape" [frames where
 * there are several, rows, columns, samples where there are several], "type"
 * ("int16"), and of the stored values "min", "max", "mean" and "crc32_le",
 * the CRC-32 of their little-endian bytes.
 */
int medvl_inspect_dicom(const char *path, medvl_inspect_put *put, void *arg,
                        struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * One line for a PNG, JPEG, TIFF, WebP or BMP file: "path", "width" and
 * "height" (after its orientation), "channels", "depth" (bits), "type" where
 * the samples have a sign, a fraction or 32 bits, "frames" where there are
 * several (the rest is the first one's), "bytes", "hash".  The whole file is
 * decoded, so a damaged one is an error.
 */
int medvl_inspect_picture(const char *path, medvl_inspect_put *put, void *arg,
                          struct medvl_error *err) MEDVL_MUST_CHECK;

#endif
