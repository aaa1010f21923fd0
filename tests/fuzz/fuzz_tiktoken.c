/*
 * A tiktoken file, or CLIP's merges, of strangers.  Of merges there is a
 * fixed number, so the bytes stand in front of as many lines that are right.
 *
 * Read next: driver.c.
 */
#include <stdlib.h>

#include "lib/base/json.h"
#include "lib/text/tiktoken.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What comes out is JSON, or nothing does and the error says why. */
static void check(int rc, struct medvl_text *json, struct medvl_error *err)
{
    struct medvl_json_view view = {0};

    if (rc < 0 && (json->size > 0 || !err->text[0]))
        abort();
    if (rc == MEDVL_OK &&
        medvl_json_view_object(&view, medvl_text_span(json), err) < 0)
        abort();
    medvl_json_view_release(&view);
    medvl_text_release(json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct medvl_span file = {(const char *)data, size};
    struct medvl_text json = {0};
    struct medvl_text clip = {0};
    struct medvl_error err = {0};
    int rc = MEDVL_OK;

    (void)medvl_is_tiktoken(file);
    check(medvl_tiktoken_to_json(&json, file, &err), &json, &err);
    if (!medvl_is_clip_merges(file))
        return 0;
    rc = medvl_text_append(&clip, data, size, &err);
    for (int i = 0; i < 48894 && rc == MEDVL_OK; i++)
        rc = medvl_text_puts(&clip, "a b\n", &err);
    if (rc == MEDVL_OK)
        check(medvl_clip_to_json(&json, medvl_text_span(&clip), &err), &json,
              &err);
    medvl_text_release(&clip);
    return 0;
}
