/*
 * Words for sides in any text: what can be swapped is the text again when
 * swapped twice, and stays UTF-8.
 *
 * Read next: driver.c.
 */
#include <stdlib.h>

#include "lib/text/side.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct medvl_span text = {(const char *)data, size};
    const bool valid = medvl_utf8_valid(text.data, size) == size;
    const struct medvl_sides sides = medvl_side_find(text);
    struct medvl_error err = {0};

    if (sides.stuck & ~sides.words)
        abort();
    for (unsigned flips = 1; flips < 4; flips++) {
        struct medvl_text out = {0}, back = {0};
        const int rc = medvl_side_swap(&out, text, flips, &err);

        if (sides.stuck & flips) {
            if (rc != MEDVL_EUNSUPPORTED || out.size)
                abort();
            continue;
        }
        if (rc < 0 ||
            medvl_side_swap(&back, medvl_text_span(&out), flips, &err) < 0 ||
            !medvl_span_equal(medvl_text_span(&back), text))
            abort();
        if (valid && medvl_utf8_valid(out.data, out.size) != out.size)
            abort();
        if (!(sides.words & flips) &&
            !medvl_span_equal(medvl_text_span(&out), text))
            abort();
        medvl_text_release(&out);
        medvl_text_release(&back);
    }
    return 0;
}
