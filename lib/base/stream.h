/*
 * Streams of bytes and lines, plain or zstd (known by the first bytes on
 * reading, by ".zst" on writing), and zstd over one block.
 *
 * Read next: json.h.
 */
#ifndef MEDVL_BASE_STREAM_H
#define MEDVL_BASE_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/text.h"

struct medvl_reader;

/*
 * Open `path` for reading; "-" is standard input.
 *
 *   part, parts   read the part-th (from 1) of `parts` byte ranges, moved
 *                 to line starts; 0, 0 reads all.  MEDVL_EARG on a pipe
 *                 or on zstd.
 */
int medvl_reader_open(struct medvl_reader **out, const char *path,
                      int part, int parts,
                      struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * Read whole lines: append to `block` one line or more, about `want` bytes
 * in all, each with its newline (the last line of a file may lack it).
 * Returns 1, or 0 at the end with nothing appended, or an error; a zstd
 * stream that stops short is MEDVL_EFORMAT.
 *
 *   max   bytes in one line; a longer one is MEDVL_EFORMAT naming the line
 */
int medvl_reader_lines(struct medvl_reader *reader, struct medvl_text *block,
                       size_t want, size_t max,
                       struct medvl_error *err) MEDVL_MUST_CHECK;

/* Number, from 1, of the next line.  With a part: counted in the file. */
int64_t medvl_reader_line(const struct medvl_reader *reader);

/* Bytes of the file consumed and in all (0 when unknown), for progress. */
void medvl_reader_progress(const struct medvl_reader *reader,
                           int64_t *done, int64_t *total);
const char *medvl_reader_path(const struct medvl_reader *reader);
void medvl_reader_free(struct medvl_reader *reader);

struct medvl_writer;

/*
 * Open for writing.  "-" is standard output.  Else bytes go to a file of
 * the name `path` + `suffix` and medvl_writer_close renames it to `path`.
 *
 *   suffix   ".tmp" or ".part"; an old file of that name is replaced, or
 *            continued at its end when `append`
 */
int medvl_writer_open(struct medvl_writer **out, const char *path,
                      const char *suffix, bool append,
                      struct medvl_error *err) MEDVL_MUST_CHECK;
int medvl_writer_put(struct medvl_writer *writer, const void *data,
                     size_t size, struct medvl_error *err) MEDVL_MUST_CHECK;
int medvl_writer_flush(struct medvl_writer *writer,
                       struct medvl_error *err) MEDVL_MUST_CHECK;

/* All bytes are out, also those that a compressor keeps: what may fail for
 * want of room has been done.  Nothing can be put after that. */
int medvl_writer_end(struct medvl_writer *writer,
                     struct medvl_error *err) MEDVL_MUST_CHECK;

/* End, sync, rename, free.  The writer is gone whatever is returned. */
int medvl_writer_close(struct medvl_writer *writer,
                       struct medvl_error *err) MEDVL_MUST_CHECK;

/* Free without finishing: a ".tmp" is removed, a ".part" is kept. */
void medvl_writer_free(struct medvl_writer *writer);

/* zstd over one block; `out` is appended to.  Level 1..19. */
int medvl_zstd_compress(struct medvl_text *out, const void *data, size_t size,
                        int level, struct medvl_error *err) MEDVL_MUST_CHECK;

/* MEDVL_EFORMAT when damaged or when it unpacks to more than `max`. */
int medvl_zstd_decompress(struct medvl_text *out, const void *data,
                          size_t size, size_t max,
                          struct medvl_error *err) MEDVL_MUST_CHECK;

#endif
