/*
 * Files and folders: read whole, map, write whole or not at all.
 * Paths are bytes; errors name them.
 *
 * Read next: secret.h.
 */
#ifndef MEDVL_BASE_FILE_H
#define MEDVL_BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/text.h"

/*
 * Append the whole file to `out`.  MEDVL_EARG when it is larger than `max`
 * bytes (checked before reading; a pipe is read until max).
 */
int medvl_file_read(struct medvl_text *out, const char *path, size_t max,
                    struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * The same of a regular file alone: for names that come out of records and
 * folders.  A pipe or a device there could be waited for without an end.
 */
int medvl_file_read_regular(struct medvl_text *out, const char *path,
                            size_t max,
                            struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * Write `data` to `path`: into PATH.tmp beside it, synced, then renamed, so
 * the name holds the old bytes or the new ones and never half.
 */
int medvl_file_write(const char *path, const void *data, size_t size,
                     struct medvl_error *err) MEDVL_MUST_CHECK;

/* A file mapped for reading.  `data` is NULL for an empty file. */
struct medvl_mapping {
    const unsigned char *data;
    size_t size;
};
int medvl_mapping_open(struct medvl_mapping *map, const char *path,
                       struct medvl_error *err) MEDVL_MUST_CHECK;
void medvl_mapping_release(struct medvl_mapping *map);

/*
 * Are these the bytes that Git LFS leaves in place of a file?  Then what to
 * do, else NULL.
 */
const char *medvl_file_pointer(const void *data, size_t size);

bool medvl_file_exists(const char *path);
bool medvl_folder_exists(const char *path);

/*
 * Do two names mean one file?  They are links to one file, or the same name
 * in one folder, whether it is there or not.  A character device (a
 * terminal, /dev/null) is never the same as anything.
 */
bool medvl_path_same(const char *a, const char *b);

/* What the system calls a file or folder: one, under all its names. */
struct medvl_file_id {
    uint64_t device, number;
};
int medvl_file_identify(struct medvl_file_id *out, const char *path,
                        struct medvl_error *err) MEDVL_MUST_CHECK;

int medvl_file_size(int64_t *out, const char *path,
                    struct medvl_error *err) MEDVL_MUST_CHECK;

/* Make a folder and its parents; one that is there already is fine. */
int medvl_folder_make(const char *path,
                      struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * Make a folder that nobody else has: `path` without slashes at its end,
 * then `tail`, "-" and a number.  Parents are made.  Its name goes to `out`,
 * freed by the caller, who alone may remove it.
 */
int medvl_folder_make_own(char **out, const char *path, const char *tail,
                          struct medvl_error *err) MEDVL_MUST_CHECK;

/* Remove a file, or a folder with all below it; absent is fine. */
int medvl_path_remove(const char *path,
                      struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * Rename, then sync the parent folder.  A folder is synced file by file
 * first, so what appears under the new name is whole after a power cut.
 */
int medvl_path_publish(const char *from, const char *to,
                       struct medvl_error *err) MEDVL_MUST_CHECK;

/* Point the symbolic link `path` at `target` by rename. */
int medvl_link_replace(const char *target, const char *path,
                       struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * Copy the regular file `from` to `to`, whole or not at all, in pieces.
 */
int medvl_file_copy(const char *to, const char *from,
                    struct medvl_error *err) MEDVL_MUST_CHECK;

/* Names in a folder without "." and "..", sorted by bytes. */
struct medvl_names {
    char **items;
    size_t count;
    size_t capacity;
};
int medvl_folder_list(struct medvl_names *names, const char *path,
                      struct medvl_error *err) MEDVL_MUST_CHECK;
void medvl_names_release(struct medvl_names *names);

/*
 * The first folder in `folder`, or else in its folder "snapshots" as in a
 * hub's cache, that has a file of this name; NULL where none has, nor where
 * none can be listed.  Freed.
 */
int medvl_folder_below(char **out, const char *folder, const char *name,
                       struct medvl_error *err) MEDVL_MUST_CHECK;

/* "folder/name" (name alone if absolute or folder is empty); freed. */
int medvl_path_join(char **out, const char *folder, const char *name,
                    struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * Take the lock file `path` for this process.  MEDVL_EARG when another
 * process holds it.  The lock goes with the process.
 */
struct medvl_lock {
    int fd; /* plus 1; 0 is no lock */
};
int medvl_lock_take(struct medvl_lock *lock, const char *path,
                    struct medvl_error *err) MEDVL_MUST_CHECK;
void medvl_lock_release(struct medvl_lock *lock);

#endif
