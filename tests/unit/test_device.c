/* Opening a device, scratch, the table.  The module is kernels/device.h. */
#include "tests/unit/check.h"

#include "kernels/ops.h"

static void the_cpu_opens_by_name(void **state)
{
    struct medvl_device *dev;
    struct medvl_error err = {0};

    (void)state;
    CHECK_OK(medvl_device_open(&dev, "cpu", NULL, &err), &err);
    assert_string_equal(dev->name, "cpu");
    assert_ptr_equal(dev->ops, &medvl_cpu_ops);
    assert_false(dev->row_invariant);
    CHECK_OK(medvl_device_sync(dev, &err), &err);
    medvl_device_free(dev);
    medvl_device_free(NULL);
}

static void other_names_are_refused(void **state)
{
    struct medvl_device *dev;
    struct medvl_error err = {0};

    (void)state;
    CHECK_FAILS(medvl_device_open(&dev, "abacus", NULL, &err), MEDVL_EARG,
                &err, "no such device: abacus");
    assert_null(dev);
    err = (struct medvl_error){0};
    if (medvl_device_open(&dev, "cuda", NULL, &err) < 0) {
        assert_int_equal(err.code, MEDVL_EUNSUPPORTED);
        assert_non_null(strstr(err.text, "libmedvl-cuda.so"));
        assert_null(dev);
    } else {
        medvl_device_free(dev);
    }
}

static void a_lower_instruction_set_can_be_asked_for(void **state)
{
    struct medvl_device *dev;
    struct medvl_error err = {0};

    (void)state;
    CHECK_OK(medvl_device_open_cpu(&dev, NULL, MEDVL_ISA_PLAIN, &err), &err);
    assert_int_equal(dev->isa, MEDVL_ISA_PLAIN);
    medvl_device_free(dev);
}

static void every_operation_is_in_the_table(void **state)
{
    (void)state;
#define HAS(name) assert_true(medvl_cpu_ops.name == medvl_cpu_##name);
    MEDVL_OPS(HAS)
#undef HAS
}

static void scratch_grows_and_is_aligned(void **state)
{
    struct medvl_device *dev;
    struct medvl_error err = {0};
    void *first;

    (void)state;
    CHECK_OK(medvl_device_open_cpu(&dev, NULL, MEDVL_ISA_AVX2, &err), &err);
    CHECK_OK(medvl_device_reserve(dev, 100, &err), &err);
    assert_true(dev->scratch_size >= 100);
    assert_int_equal((uintptr_t)dev->scratch % 64, 0);
    first = dev->scratch;
    CHECK_OK(medvl_device_reserve(dev, 50, &err), &err);
    assert_ptr_equal(dev->scratch, first);
    CHECK_OK(medvl_device_reserve(dev, 1 << 20, &err), &err);
    assert_true(dev->scratch_size >= 1 << 20);
    CHECK_FAILS(medvl_device_reserve(dev, SIZE_MAX - 4096, &err),
                MEDVL_ENOMEM, &err, "memory");
    CHECK_OK(medvl_device_reserve(dev, 100, &err), &err);
    medvl_device_free(dev);
}

static int open_and_reserve(void *arg, struct medvl_error *err)
{
    struct medvl_device *dev;
    int rc;

    (void)arg;
    rc = medvl_device_open_cpu(&dev, NULL, MEDVL_ISA_AVX2, err);
    if (rc < 0)
        return rc;
    rc = medvl_device_reserve(dev, 1000, err);
    medvl_device_free(dev);
    return rc;
}

static void no_memory_leaves_nothing_behind(void **state)
{
    (void)state;
    check_no_memory(open_and_reserve, NULL, 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_cpu_opens_by_name),
        cmocka_unit_test(other_names_are_refused),
        cmocka_unit_test(a_lower_instruction_set_can_be_asked_for),
        cmocka_unit_test(every_operation_is_in_the_table),
        cmocka_unit_test(scratch_grows_and_is_aligned),
        cmocka_unit_test(no_memory_leaves_nothing_behind),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
