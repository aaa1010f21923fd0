/* Texts and where their bytes came from: lib/text/rewrite.h. */
#include "lib/text/rewrite.h"

#include "tests/unit/check.h"

/* Replace text[from, to) by `with`. */
static void replace(struct medvl_rewrite *r, size_t from, size_t to,
                    const char *with)
{
    struct medvl_error err = {0};

    CHECK_OK(medvl_rewrite_start(r, &err), &err);
    CHECK_OK(medvl_rewrite_keep(r, 0, from, &err), &err);
    CHECK_OK(medvl_rewrite_put(r, medvl_span(with), from, to, &err), &err);
    CHECK_OK(medvl_rewrite_keep(r, to, r->text.size, &err), &err);
    medvl_rewrite_done(r);
}

static void an_untouched_text_is_not_copied(void **state)
{
    const struct medvl_span text = medvl_span("a\xC3\xA9");
    struct medvl_rewrite r = {0};

    (void)state;
    medvl_rewrite_begin(&r, text);
    assert_ptr_equal(r.text.data, text.data);
    assert_int_equal(medvl_rewrite_end(&r, 2), 2); /* within a character */
    assert_int_equal(medvl_rewrite_origin(&r, 2).start, 1);
    assert_int_equal(medvl_rewrite_origin(&r, 2).end, 3);
    medvl_rewrite_release(&r);
}

static void origins_go_through_every_step(void **state)
{
    struct medvl_rewrite r = {0};

    (void)state;
    medvl_rewrite_begin(&r, medvl_span("abcdef"));
    replace(&r, 1, 3, "XYZ"); /* aXYZdef */
    replace(&r, 3, 5, "-");   /* aXY-ef: of Z and d */
    replace(&r, 0, 0, "__");  /* __aXY-ef */
    assert_true(medvl_span_is(r.text, "__aXY-ef"));
    assert_int_equal(medvl_rewrite_origin(&r, 4).start, 1);
    assert_int_equal(medvl_rewrite_origin(&r, 5).start, 1);
    assert_int_equal(medvl_rewrite_origin(&r, 5).end, 4);
    assert_int_equal(medvl_rewrite_end(&r, 2), 0);
    assert_int_equal(medvl_rewrite_end(&r, 3), 1);
    assert_int_equal(medvl_rewrite_end(&r, 6), 4);
    assert_int_equal(medvl_rewrite_end(&r, 8), 6);
    medvl_rewrite_release(&r);
}

/* What is put before a text ends where the text begins, as it came. */
static void what_is_put_first_ends_behind_what_is_gone(void **state)
{
    struct medvl_rewrite r = {0};

    (void)state;
    medvl_rewrite_begin(&r, medvl_span("  abc"));
    replace(&r, 0, 2, "");
    replace(&r, 0, 0, "_");
    assert_true(medvl_span_is(r.text, "_abc"));
    assert_int_equal(medvl_rewrite_origin(&r, 0).start, 2);
    assert_int_equal(medvl_rewrite_end(&r, 1), 2);
    assert_int_equal(medvl_rewrite_end(&r, 2), 3);
    medvl_rewrite_release(&r);
}

static void parts_know_their_place_in_the_whole(void **state)
{
    struct medvl_rewrite whole = {0};
    struct medvl_rewrite part = {0};

    (void)state;
    medvl_rewrite_begin(&whole, medvl_span("abcdef"));
    medvl_rewrite_begin_part(&part, &whole, 2, 5); /* cde */
    assert_int_equal(medvl_rewrite_end(&part, 2), 4);
    replace(&part, 0, 0, "_"); /* _cde */
    assert_int_equal(medvl_rewrite_origin(&part, 0).start, 2);
    assert_int_equal(medvl_rewrite_end(&part, 1), 2);
    assert_int_equal(medvl_rewrite_end(&part, 4), 5);
    replace(&whole, 0, 2, "X"); /* Xcdef */
    medvl_rewrite_begin_part(&part, &whole, 1, 4);
    replace(&part, 1, 2, "DD"); /* cDDe */
    assert_int_equal(medvl_rewrite_origin(&part, 2).start, 3);
    assert_int_equal(medvl_rewrite_end(&part, 4), 5);
    medvl_rewrite_release(&part);
    medvl_rewrite_release(&whole);
}

static void a_text_that_grows_without_end_is_an_error(void **state)
{
    char *large = medvl_alloc(MEDVL_REWRITE_BYTES, 1);
    struct medvl_rewrite r = {0};
    struct medvl_error err = {0};
    const struct medvl_span span = {large, MEDVL_REWRITE_BYTES};

    (void)state;
    medvl_rewrite_begin(&r, medvl_span("ab"));
    CHECK_OK(medvl_rewrite_start(&r, &err), &err);
    CHECK_OK(medvl_rewrite_keep(&r, 0, 1, &err), &err);
    CHECK_FAILS(medvl_rewrite_put(&r, span, 1, 2, &err), MEDVL_EUNSUPPORTED,
                &err, "longer");
    medvl_rewrite_release(&r);
    medvl_free(large);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_untouched_text_is_not_copied),
        cmocka_unit_test(origins_go_through_every_step),
        cmocka_unit_test(what_is_put_first_ends_behind_what_is_gone),
        cmocka_unit_test(parts_know_their_place_in_the_whole),
        cmocka_unit_test(a_text_that_grows_without_end_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
