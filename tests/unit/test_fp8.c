/*
 * Eight-bit weights: with each form of scale, from any item on, and scales
 * that fit nothing.
 */
#include "tests/unit/check.h"

#include "lib/tensor/fp8.h"

#define ROWS    5
#define COLUMNS 7

static struct medvl_safetensors *file;
static uint8_t bits[ROWS * COLUMNS];
static float scales[ROWS * COLUMNS];

/* A file of "w.weight" and a scale of these sizes (rank 0: none). */
static void open_file(const char *name, int rank, int64_t a, int64_t b)
{
    struct medvl_safetensors_entry entries[] = {
        {"w.weight",
         medvl_tensor_2d(bits, MEDVL_DTYPE_F8_E4M3, ROWS, COLUMNS)},
        {"w.input_scale", medvl_tensor_1d(scales, MEDVL_DTYPE_F32, 1)},
        {name, rank == 1 ? medvl_tensor_1d(scales, MEDVL_DTYPE_F32, a)
                         : medvl_tensor_2d(scales, MEDVL_DTYPE_F32, a, b)},
    };
    char *path = check_temp("fp8.safetensors");
    struct medvl_error err = {0};

    for (int i = 0; i < ROWS * COLUMNS; i++) {
        bits[i] = (uint8_t)(i * 7);
        scales[i] = 0.013f * (float)(i + 1);
    }
    CHECK_OK(medvl_safetensors_write(path, entries, rank ? 3 : 2, NULL, &err),
             &err);
    CHECK_OK(medvl_safetensors_open(&file, path, &err), &err);
    CHECK_OK(medvl_path_remove(path, &err), &err);
    medvl_free(path);
}

/* Scales as the shape says: for `rows` and `columns`, `across` in a row. */
static void check_values(const int64_t block[2], int rows, int columns,
                         int across, bool scaled)
{
    struct medvl_error err = {0};
    struct medvl_fp8 fp8;
    uint16_t out[ROWS * COLUMNS];

    CHECK_OK(medvl_fp8_find(&fp8, file, "w.weight", block, &err), &err);
    for (int first = 0; first < ROWS * COLUMNS; first += 4) {
        const int count = ROWS * COLUMNS - first;

        medvl_fp8_read(&fp8, first, count, out);
        for (int i = 0; i < count; i++) {
            const int r = (first + i) / COLUMNS, c = (first + i) % COLUMNS;
            const float s =
                scaled ? scales[r / rows * across + c / columns] : 1;
            const float x = medvl_f8_e4m3_to_float(bits[first + i]);

            if (isnan(x))
                assert_true(isnan(medvl_bf16_to_float(out[i])));
            else
                assert_int_equal(out[i], medvl_bf16_from_float(x * s));
        }
    }
}

static void every_form_of_scale_is_applied(void **state)
{
    static const int64_t BLOCK[2] = {2, 3};

    (void)state;
    open_file("", 0, 0, 0);
    check_values(BLOCK, 1, 1, 1, false);
    medvl_safetensors_free(file);
    open_file("w.weight_scale", 1, 1, 0);
    check_values(BLOCK, ROWS, COLUMNS, 1, true);
    medvl_safetensors_free(file);
    open_file("w.weight_scale", 2, ROWS, 1);
    check_values(BLOCK, 1, COLUMNS, 1, true);
    medvl_safetensors_free(file);
    open_file("w.weight_scale_inv", 2, 3, 3); /* of 5 rows, 7 columns */
    check_values(BLOCK, 2, 3, 3, true);
    assert_true(medvl_fp8_is_scale(file, "w.weight_scale_inv"));
    assert_true(medvl_fp8_is_scale(file, "w.input_scale"));
    assert_false(medvl_fp8_is_scale(file, "w.weight"));
    assert_false(medvl_fp8_is_scale(file, "v.weight_scale"));
    medvl_safetensors_free(file);
}

static void a_scale_that_fits_nothing_is_refused(void **state)
{
    static const int64_t BLOCK[2] = {2, 3}, BAD[2] = {0, 3};
    struct medvl_error err = {0};
    struct medvl_fp8 fp8;

    (void)state;
    open_file("w.weight_scale", 2, 2, 3);
    CHECK_FAILS(medvl_fp8_find(&fp8, file, "w.weight", BLOCK, &err),
                MEDVL_EFORMAT, &err, "the scale of w.weight is neither one");
    medvl_safetensors_free(file);
    /* As many items as rows, but not one for each. */
    open_file("w.weight_scale", 2, 1, ROWS);
    CHECK_FAILS(medvl_fp8_find(&fp8, file, "w.weight", BLOCK, &err),
                MEDVL_EFORMAT, &err, "nor one a row");
    medvl_safetensors_free(file);
    open_file("w.weight_scale", 2, 3, 3);
    CHECK_FAILS(medvl_fp8_find(&fp8, file, "w.weight", BAD, &err),
                MEDVL_EFORMAT, &err, "(0,3)");
    CHECK_FAILS(medvl_fp8_find(&fp8, file, "w.weight_scale", BLOCK, &err),
                MEDVL_EARG, &err, "no eight-bit tensor");
    medvl_safetensors_free(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_form_of_scale_is_applied),
        cmocka_unit_test(a_scale_that_fits_nothing_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
