/* Memory.  The module is lib/base/mem.h. */
#include "tests/unit/check.h"

#include <unistd.h>

static void a_product_that_overflows_gives_no_memory(void **state)
{
    size_t size = 7;
    int64_t number = 7;

    (void)state;
    assert_null(medvl_alloc(SIZE_MAX / 2, 3));
    assert_null(medvl_resize(NULL, SIZE_MAX / 2, 3));
    assert_null(medvl_block_alloc(SIZE_MAX - 100));
    assert_false(medvl_size_mul(&size, SIZE_MAX, 2));
    assert_false(medvl_size_add(&size, SIZE_MAX, 1));
    assert_false(medvl_int64_mul(&number, INT64_MIN, -1));
    assert_int_equal(size, 7);
    assert_int_equal(number, 7);
    assert_true(medvl_int64_mul(&number, -3000000000, 3));
    assert_true(number == -9000000000);
}

static void new_memory_is_zero_and_a_zero_size_is_fine(void **state)
{
    unsigned char *bytes = medvl_alloc(100, 3);
    void *nothing = medvl_alloc(0, 8);
    size_t i;

    (void)state;
    for (i = 0; i < 300; i++)
        assert_int_equal(bytes[i], 0);
    assert_non_null(nothing);
    nothing = medvl_resize(nothing, 0, 8);
    assert_non_null(nothing);
    medvl_free(nothing);
    medvl_free(bytes);
}

static void a_block_is_aligned_zero_and_usable_to_its_end(void **state)
{
    const size_t sizes[] = {0, 1, 100, 4095, (size_t)4 << 20,
                            ((size_t)5 << 20) + 12345};
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        const size_t align = sizes[i] < (size_t)4 << 20 ? 64 : 2 << 20;
        unsigned char *block = medvl_block_alloc(sizes[i]);

        assert_non_null(block);
        assert_int_equal((uintptr_t)block % align, 0);
        if (sizes[i]) {
            assert_int_equal(block[0] | block[sizes[i] - 1], 0);
            memset(block, 1, sizes[i]);
        }
        medvl_block_free(block, sizes[i]);
    }
    medvl_block_free(NULL, 0);
}

static void a_growing_array_doubles_and_keeps_its_items(void **state)
{
    struct medvl_error err = {0};
    int *items = NULL;
    size_t capacity = 0, i, moves = 0;

    (void)state;
    for (i = 0; i < 10000; i++) {
        const size_t before = capacity;

        CHECK_OK(medvl_grow(&items, &capacity, i + 1, sizeof(*items), &err),
                 &err);
        moves += capacity != before;
        items[i] = (int)i;
    }
    for (i = 0; i < 10000; i++)
        assert_int_equal(items[i], i);
    assert_true(moves < 20);
    CHECK_FAILS(medvl_grow(&items, &capacity, SIZE_MAX / 2, sizeof(*items),
                           &err),
                MEDVL_ENOMEM, &err, "memory");
    assert_int_equal(items[9999], 9999);
    medvl_free(items);
}

static void the_hook_fails_one_allocation_and_says_so(void **state)
{
    void *first, *second, *third;

    (void)state;
    medvl_mem_fail_after(1);
    first = medvl_alloc(1, 1);
    assert_false(medvl_mem_failed());
    second = medvl_alloc(1, 1);
    assert_true(medvl_mem_failed());
    third = medvl_alloc(1, 1);
    medvl_mem_fail_after(-1);
    assert_non_null(first);
    assert_null(second);
    assert_non_null(third);
    assert_false(medvl_mem_failed());
    medvl_free(first);
    medvl_free(third);
}

static void a_copied_string_ends_in_zero(void **state)
{
    char *copy = medvl_copy_string("abcdef", 3);

    (void)state;
    assert_string_equal(copy, "abc");
    medvl_free(copy);
    assert_null(medvl_copy_string("", SIZE_MAX));
}

static void the_peak_grows_with_what_is_touched(void **state)
{
    const size_t size = (size_t)64 << 20;
    const size_t before = medvl_mem_peak();
    unsigned char *block = medvl_block_alloc(size);

    (void)state;
    assert_non_null(block);
    memset(block, 1, size);
    assert_in_range(medvl_mem_peak(), before + size / 2, before + 4 * size);
    medvl_block_free(block, size);
}

static void what_is_available_is_known_and_less_than_all(void **state)
{
    const size_t pages = (size_t)sysconf(_SC_PHYS_PAGES);

    (void)state;
    assert_in_range(medvl_mem_available(), 1 << 20,
                    pages * (size_t)sysconf(_SC_PAGESIZE));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_product_that_overflows_gives_no_memory),
        cmocka_unit_test(new_memory_is_zero_and_a_zero_size_is_fine),
        cmocka_unit_test(a_block_is_aligned_zero_and_usable_to_its_end),
        cmocka_unit_test(a_growing_array_doubles_and_keeps_its_items),
        cmocka_unit_test(the_hook_fails_one_allocation_and_says_so),
        cmocka_unit_test(a_copied_string_ends_in_zero),
        cmocka_unit_test(the_peak_grows_with_what_is_touched),
        cmocka_unit_test(what_is_available_is_known_and_less_than_all),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
