/*
 * A line of strangers as JSON: what the ways to read it say must agree.
 *
 * Read next: driver.c.
 */
#include <stdlib.h>

#include "lib/base/json.h"
#include "lib/base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

/* A tree prints to what gives the same tree. */
static void check_tree(struct medvl_span span, bool good)
{
    struct medvl_json *tree, *again;
    struct medvl_text one = {0}, two = {0};

    if (medvl_json_parse(&tree, span, NULL) == MEDVL_OK) {
        must(good);
        must(medvl_json_print(&one, tree, NULL) == MEDVL_OK);
        must(medvl_json_parse(&again, medvl_text_span(&one), NULL) ==
             MEDVL_OK);
        must(medvl_json_print(&two, again, NULL) == MEDVL_OK);
        must(medvl_span_equal(medvl_text_span(&one), medvl_text_span(&two)));
        medvl_json_free(again);
    }
    medvl_json_free(tree);
    medvl_text_release(&one);
    medvl_text_release(&two);
}

/* A view's values are JSON; set one, and the whole is still. */
static void check_view(struct medvl_span span, bool good)
{
    struct medvl_json_view view = {0};
    struct medvl_text out = {0};

    if (medvl_json_view_object(&view, span, NULL) == MEDVL_OK) {
        must(good);
        for (size_t i = 0; i < view.count; i++)
            must(medvl_json_check(view.members[i].value, NULL) == MEDVL_OK);
        must(medvl_json_view_set(&view, "id", medvl_span("[1]"), NULL) ==
             MEDVL_OK);
        must(medvl_span_is(medvl_json_view_get(&view, "id"), "[1]"));
        must(medvl_json_view_write(&out, &view, NULL) == MEDVL_OK);
        must(medvl_json_view_object(&view, medvl_text_span(&out), NULL) ==
             MEDVL_OK);
    }
    medvl_json_view_release(&view);
    medvl_text_release(&out);
}

static void check_array(struct medvl_span span, bool good)
{
    struct medvl_json_view view = {0};
    int32_t *items = NULL;
    size_t count = 0, room = 0;
    const int rc = medvl_json_view_array(&view, span, NULL);

    must(rc != MEDVL_OK || good);
    if (medvl_json_read_ints(&items, &count, &room, span, INT32_MIN,
                             INT32_MAX, NULL) == MEDVL_OK)
        must(rc == MEDVL_OK && view.count == count);
    medvl_json_view_release(&view);
    medvl_free(items);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct medvl_span span = {(const char *)data, size};
    struct medvl_error err = {0};
    struct medvl_text text = {0}, quoted = {0}, back = {0};
    const bool good = medvl_json_check(span, &err) == MEDVL_OK;

    must(good == !err.text[0]);
    check_tree(span, good);
    check_view(span, good);
    check_array(span, good);
    if (medvl_json_unescape(&text, span, NULL) == MEDVL_OK) {
        must(good);
        must(medvl_json_quote(&quoted, medvl_text_span(&text), NULL) ==
             MEDVL_OK);
        must(medvl_json_unescape(&back, medvl_text_span(&quoted), NULL) ==
             MEDVL_OK);
        must(medvl_span_equal(medvl_text_span(&text), medvl_text_span(&back)));
    }
    medvl_text_release(&text);
    medvl_text_release(&quoted);
    medvl_text_release(&back);
    return 0;
}
