/*
 * safetensors: an 8-byte little-endian header length, a JSON header, then
 * the bytes of the tensors.  Reading maps the file; nothing is copied.
 *
 * Source: the format's own description at
 * https://github.com/huggingface/safetensors.
 *
 * Read next: tape.h.
 */
#ifndef MEDVL_TENSOR_SAFETENSORS_H
#define MEDVL_TENSOR_SAFETENSORS_H

#include "kernels/tensor.h"
#include "lib/base/text.h"

struct medvl_safetensors; /* one file, or a folder's files by their index */

/*
 * Open a .safetensors file, or a folder: model.safetensors.index.json when
 * it is there, else model.safetensors.  Every entry is checked: known type,
 * sizes and offsets that agree, inside the file, no overlap, no gap, none
 * twice; the header at most 100 MB.  Errors name file and tensor.
 */
int medvl_safetensors_open(struct medvl_safetensors **out, const char *path,
                           struct medvl_error *err) MEDVL_MUST_CHECK;
void medvl_safetensors_free(struct medvl_safetensors *file);

int64_t medvl_safetensors_count(const struct medvl_safetensors *file);

/*
 * The i-th tensor in the order of names.  Its data points into the map and
 * may be misaligned for its type: copy with memcpy, or check.  Ranks above
 * 4 are MEDVL_EUNSUPPORTED at open; rank 0 is shown as rank 1, size 1.
 */
const char *medvl_safetensors_name(const struct medvl_safetensors *file,
                                   int64_t i);
const struct medvl_tensor *
medvl_safetensors_tensor(const struct medvl_safetensors *file, int64_t i);

/* By name; NULL when there is none. */
const struct medvl_tensor *
medvl_safetensors_find(const struct medvl_safetensors *file,
                       const char *name);

/* A "__metadata__" value, or NULL. */
const char *medvl_safetensors_metadata(const struct medvl_safetensors *file,
                                       const char *key);

/* What to write, in the caller's order; dense tensors. */
struct medvl_safetensors_entry {
    const char *name;
    struct medvl_tensor tensor;
};

/*
 * Write PATH whole or not at all: header first (names in the order given,
 * padded with spaces so data is 8-byte aligned), then the bytes.
 * MEDVL_EARG for a tensor named "__metadata__", which the format keeps.
 *
 *   metadata   pairs key, value, ..., NULL; or NULL
 */
int medvl_safetensors_write(const char *path,
                            const struct medvl_safetensors_entry *entries,
                            int64_t count, const char *const *metadata,
                            struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * Write tensors one at a time when they do not fit memory together (the
 * logits of a run): data goes to PATH.data.tmp as it comes, the header is
 * put in front at close.
 */
struct medvl_safetensors_writer;
int medvl_safetensors_writer_open(struct medvl_safetensors_writer **out,
                                  const char *path,
                                  struct medvl_error *err) MEDVL_MUST_CHECK;
int medvl_safetensors_writer_put(struct medvl_safetensors_writer *writer,
                                 const char *name,
                                 const struct medvl_tensor *tensor,
                                 struct medvl_error *err) MEDVL_MUST_CHECK;
int medvl_safetensors_writer_close(struct medvl_safetensors_writer *writer,
                                   struct medvl_error *err) MEDVL_MUST_CHECK;
void medvl_safetensors_writer_free(struct medvl_safetensors_writer *writer);

#endif
