/*
 * Error codes and the caller's error text.  Every fallible function of the
 * library returns one of these codes and fills the caller's struct.
 *
 * Read next: mem.h.
 */
#ifndef MEDVL_BASE_STATUS_H
#define MEDVL_BASE_STATUS_H

#include <stdbool.h>
#include <stddef.h>

#define MEDVL_VERSION "0.1.0"

#define MEDVL_MUST_CHECK        __attribute__((warn_unused_result))
#define MEDVL_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

#ifdef __cplusplus
extern "C" {
#endif

/*
 * What went wrong, by what a caller can do about it.  The rest is in the
 * text.  Readers return 1 for an item, 0 for the end and a code below zero,
 * so the end of a file is never mistaken for an error.
 */
enum medvl_status {
    MEDVL_OK = 0,
    MEDVL_ENOMEM = -1,       /* an allocation failed */
    MEDVL_EIO = -2,          /* the system refused a read */
    MEDVL_EFORMAT = -3,      /* input bytes do not follow their format */
    MEDVL_EARG = -4,         /* a value the caller passed is out of range */
    MEDVL_EDEVICE = -5,      /* the accelerator reported an error */
    MEDVL_EUNSUPPORTED = -6, /* valid, but not built in */
    MEDVL_EOUTPUT = -7,      /* the system refused what we write */
};

/* The caller's; no pointers, nothing to free; valid when zeroed. */
struct medvl_error {
    enum medvl_status code;
    char text[1000];
};

/*
 * Record what failed and return `code`, so that failing is one line:
 * `return medvl_fail(err, MEDVL_EFORMAT, "magic is %08x", magic);`
 *
 *   err   may be NULL; an error already there is replaced
 *
 * Control bytes that arguments bring into the text become '?', so hostile
 * input cannot steer a terminal.  A text over 999 bytes is cut at a
 * character and ends in "...".
 */
int medvl_fail(struct medvl_error *err, enum medvl_status code,
               const char *format, ...) MEDVL_PRINTF(3, 4);

/* MEDVL_EIO with "path: " and the system's words for errno. */
int medvl_fail_system(struct medvl_error *err, const char *path);

/*
 * The same with MEDVL_EOUTPUT, for a file or folder that was to be made,
 * written, renamed or removed.
 */
int medvl_fail_output(struct medvl_error *err, const char *path);

/*
 * Is this a failure of the machine (MEDVL_ENOMEM, MEDVL_EDEVICE,
 * MEDVL_EOUTPUT), which the next record would meet too?  It is never the
 * fault of a record and never set aside.
 */
bool medvl_is_fatal(int code);

/*
 * Put "where: " in front of the text that is there.  Callers add where,
 * they never rewrite what.  Returns err->code (MEDVL_EARG when err is NULL),
 * so `return medvl_context(err, "%s:%zu", path, line);` passes it on.
 */
int medvl_context(struct medvl_error *err,
                  const char *format, ...) MEDVL_PRINTF(2, 3);

#ifdef __cplusplus
}
#endif

#endif
