/*
 * Error texts: composed once, clean of control bytes, always UTF-8.
 *
 * Read next: mem.c.
 */
#include "lib/base/status.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define ROOM sizeof(((struct medvl_error *)0)->text)

/*
 * Bytes of the printable character at `s`, 0 when it is none: a control
 * character (C0, DEL, C1) or bytes that are not UTF-8.  text.h has the full
 * decoder; it stands above this module.
 */
static size_t printable(const unsigned char *s)
{
    size_t more, i;

    if (s[0] < 0x80)
        return s[0] >= 0x20 && s[0] != 0x7f;
    if (s[0] < 0xc2 || s[0] > 0xf4)
        return 0;
    if ((s[0] == 0xc2 && s[1] < 0xa0) || (s[0] == 0xe0 && s[1] < 0xa0) ||
        (s[0] == 0xed && s[1] > 0x9f) || (s[0] == 0xf0 && s[1] < 0x90) ||
        (s[0] == 0xf4 && s[1] > 0x8f))
        return 0;
    more = s[0] < 0xe0 ? 1 : s[0] < 0xf0 ? 2
                                         : 3;
    for (i = 1; i <= more; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    return more + 1;
}

/*
 * Copy `from` to err->text with what is not printable as '?'.  A text that
 * does not fit, or was already cut, ends in "...".
 */
static void keep(struct medvl_error *err, const char *from, bool cut)
{
    size_t used = 0, mark = 0;

    while (*from) {
        const size_t length = printable((const unsigned char *)from);
        const size_t take = length ? length : 1;

        if (used + take > ROOM - 1) {
            cut = true;
            break;
        }
        if (length)
            memcpy(err->text + used, from, length);
        else
            err->text[used] = '?';
        from += take;
        used += take;
        if (used <= ROOM - 4)
            mark = used;
    }
    if (cut) {
        memcpy(err->text + mark, "...", 3);
        used = mark + 3;
    }
    err->text[used] = '\0';
}

int medvl_fail(struct medvl_error *err, enum medvl_status code,
               const char *format, ...)
{
    char text[ROOM]; /* apart: an argument may be err->text */
    va_list args;
    int length;

    if (!err)
        return code;
    va_start(args, format);
    length = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    err->code = code;
    keep(err, length < 0 ? "the message cannot be composed" : text,
         length >= (int)sizeof(text));
    return code;
}

int medvl_fail_system(struct medvl_error *err, const char *path)
{
    return medvl_fail(err, MEDVL_EIO, "%s: %s", path, strerror(errno));
}

int medvl_fail_output(struct medvl_error *err, const char *path)
{
    return medvl_fail(err, MEDVL_EOUTPUT, "%s: %s", path, strerror(errno));
}

bool medvl_is_fatal(int code)
{
    return code == MEDVL_ENOMEM || code == MEDVL_EDEVICE ||
           code == MEDVL_EOUTPUT;
}

int medvl_context(struct medvl_error *err, const char *format, ...)
{
    char text[2 * ROOM];
    va_list args;
    int length;

    if (!err)
        return MEDVL_EARG;
    va_start(args, format);
    length = vsnprintf(text, ROOM, format, args);
    va_end(args);
    if (length < 0)
        return err->code;
    if (length > (int)ROOM - 1)
        length = ROOM - 1;
    snprintf(text + length, sizeof(text) - (size_t)length, ": %s", err->text);
    keep(err, text, false);
    return err->code;
}
