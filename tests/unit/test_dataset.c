/* DICOM data sets as bytes: what is written reads back, damage does not. */
#include "lib/base/text.h"
#include "lib/image/dataset.h"
#include "tests/unit/check.h"

static struct medvl_error err;

static void put(struct medvl_text *out, uint32_t tag, const char *vr,
                const char *text)
{
    CHECK_OK(medvl_dataset_put(out, tag, vr, medvl_span(text), &err), &err);
}

/* A number of each kind, and a sequence of two items. */
static void example(struct medvl_text *out)
{
    size_t item, sequence;

    put(out, 0x00080060, "CS", "CT");
    put(out, 0x00280010, "US", "\x10\xff");
    put(out, 0x00280106, "SS", "\x10\xff");
    sequence = out->size;
    for (int i = 0; i < 2; i++) {
        item = out->size;
        put(out, 0x00281050, "DS", i ? "40.5\\ -1e2 \\x" : "7");
        CHECK_OK(medvl_dataset_wrap(out, item, MEDVL_DATASET_ITEM, NULL,
                                    &err),
                 &err);
    }
    CHECK_OK(medvl_dataset_wrap(out, sequence, 0x52009229, "SQ", &err), &err);
    put(out, 0x7fe00010, "OW", "abc");
}

static void what_is_written_reads_back(void **state)
{
    struct medvl_text out = {0};
    struct medvl_element e;
    struct medvl_span set, item;

    (void)state;
    example(&out);
    set = medvl_text_span(&out);
    assert_true(medvl_dataset_find(&e, set, 0x00280010));
    CHECK_CLOSE(medvl_element_number(&e, 0), 0xff10, 0);
    assert_true(isnan(medvl_element_number(&e, 1)));
    assert_true(medvl_dataset_find(&e, set, 0x00280106));
    CHECK_CLOSE(medvl_element_number(&e, 0), -240, 0);
    assert_true(medvl_dataset_find(&e, set, 0x7fe00010));
    assert_int_equal(e.value.size, 4);
    assert_false(medvl_dataset_find(&e, set, 0x00281050));
    assert_true(medvl_dataset_find(&e, set, 0x52009229));
    assert_int_equal(medvl_dataset_item(&item, &e.value, &err), 1);
    assert_int_equal(medvl_dataset_item(&item, &e.value, &err), 1);
    assert_int_equal(medvl_dataset_item(&set, &e.value, &err), 0);
    assert_true(medvl_dataset_find(&e, item, 0x00281050));
    CHECK_CLOSE(medvl_element_number(&e, 0), 40.5, 0);
    CHECK_CLOSE(medvl_element_number(&e, 1), -100, 0);
    assert_true(isnan(medvl_element_number(&e, 2)));
    assert_true(isnan(medvl_element_number(&e, 3)));
    medvl_text_release(&out);
}

static void a_set_cut_anywhere_ends_in_an_error_or_between_elements(
    void **state)
{
    struct medvl_text out = {0};
    size_t ends = 0, cuts = 0;

    (void)state;
    example(&out);
    for (size_t size = 0; size <= out.size; size++) {
        char *copy = medvl_alloc(size + 1, 1); /* so that ASan sees its end */
        struct medvl_span left = {copy, size};
        struct medvl_element e;
        int rc;

        assert_non_null(copy);
        memcpy(copy, out.data, size);
        while ((rc = medvl_dataset_next(&e, &left, &err)) > 0)
            ;
        ends += rc == 0;
        cuts += rc == MEDVL_EFORMAT;
        medvl_free(copy);
    }
    assert_int_equal(ends, 6);
    assert_int_equal(ends + cuts, out.size + 1);
    medvl_text_release(&out);
}

static void what_has_no_place_in_a_set_is_refused(void **state)
{
    struct medvl_text out = {0};
    struct medvl_span set = {"\x08\0\x60\0ct\2\0CT", 10};
    struct medvl_element e;

    (void)state;
    CHECK_FAILS(medvl_dataset_next(&e, &set, &err), MEDVL_EFORMAT, &err,
                "00080060");
    set = (struct medvl_span){"\x08\0\x60\0CS\2\0CT", 10};
    CHECK_FAILS(medvl_dataset_item(&set, &set, &err), MEDVL_EFORMAT, &err,
                "items");
    CHECK_FAILS(medvl_dataset_head(&out, 0x00100010, "PN", 65536, &err),
                MEDVL_EARG, &err, "00100010");
    medvl_text_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_reads_back),
        cmocka_unit_test(
            a_set_cut_anywhere_ends_in_an_error_or_between_elements),
        cmocka_unit_test(what_has_no_place_in_a_set_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
