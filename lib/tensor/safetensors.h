/*
 * safetensors: an 8-byte little-endian header length, a JSON header, then
 * the bytes of the tensors.  Reading maps the file; nothing is copied.
 *
 * Source: the format's own description at
 * https://github.com/huggingface/safetensors.
 *
 * Read next: fp8.h.
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
 *
 * The index must agree with its files: each is there and holds exactly the
 * tensors that the index says, and no other shard or model.safetensors lies
 * beside it.  A folder or file of pickles, GGUF or shards without an index
 * is MEDVL_EUNSUPPORTED with what to do; none of these is ever opened.
 */
int medvl_safetensors_open(struct medvl_safetensors **out, const char *path,
                           struct medvl_error *err) MEDVL_MUST_CHECK;
void medvl_safetensors_free(struct medvl_safetensors *file);

/* Has the folder a model.safetensors or its index? */
bool medvl_safetensors_in(const char *folder);

int64_t medvl_safetensors_count(const struct medvl_safetensors *file);

/*
 * The i-th tensor in the order of names.  Its data points into the map and
 * may be misaligned for its type: copy with memcpy, or check.  Ranks above
 * 5 are MEDVL_EUNSUPPORTED at open; rank 0 is shown as rank 1, size 1.
 */
const char *medvl_safetensors_name(const struct medvl_safetensors *file,
                                   int64_t i);
const struct medvl_tensor *
medvl_safetensors_tensor(const struct medvl_safetensors *file, int64_t i);

/*
 * Its type as the format names it, and its bytes: also of types that no
 * kernel takes (F64, I64, BOOL, ...), whose dtype is MEDVL_DTYPE_NONE.
 */
const char *medvl_safetensors_type(const struct medvl_safetensors *file,
                                   int64_t i);
size_t medvl_safetensors_bytes(const struct medvl_safetensors *file,
                               int64_t i);

/* How many files were opened, and (when not NULL) their bytes in all. */
int64_t medvl_safetensors_files(const struct medvl_safetensors *file,
                                int64_t *bytes);

/* By name; NULL when there is none. */
const struct medvl_tensor *
medvl_safetensors_find(const struct medvl_safetensors *file,
                       const char *name);

/*
 * What to do with a file of another format, by its name or first bytes;
 * NULL: nothing is known of it.
 */
const char *medvl_safetensors_advice(const char *path);

/*
 * A folder without weights that can be read: MEDVL_EUNSUPPORTED names what
 * is there instead and what to do, MEDVL_EIO when nothing is.
 */
int medvl_safetensors_fail_without(const char *folder,
                                   struct medvl_error *err);

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
 * Make the next items of the index-th tensor, [first, first + count), in
 * its type.  Asked for in order, without a gap.
 */
typedef int medvl_safetensors_fill(void *arg, int64_t index, int64_t first,
                                   int64_t count, void *out,
                                   struct medvl_error *err);

/*
 * Write a model's tensors into `folder` as transformers does: one
 * model.safetensors, or where that would pass `limit` bytes of data,
 * model-00001-of-0000N.safetensors and so on with their index (a tensor
 * larger than the limit has a file of its own).  Each file appears whole.
 *
 *   fill   makes the data of tensors that have none; memory is one piece
 */
#define MEDVL_SAFETENSORS_LIMIT ((size_t)5000000000)
int medvl_safetensors_write_folder(
    const char *folder, const struct medvl_safetensors_entry *entries,
    int64_t count, const char *const *metadata, size_t limit,
    medvl_safetensors_fill *fill, void *arg,
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
