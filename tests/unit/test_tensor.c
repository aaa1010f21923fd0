/* Views, byte counts, number formats.  The module is kernels/tensor.h. */
#include "tests/unit/check.h"

#include "kernels/tensor.h"

static void bytes_are_counted_past_two_to_the_31(void **state)
{
    static const struct {
        enum medvl_dtype dtype;
        int rank;
        int64_t size[4];
        size_t bytes;
    } CASES[] = {
        {MEDVL_DTYPE_F32, 1, {7}, 28},
        {MEDVL_DTYPE_F32, 2, {128256, 16384}, (size_t)128256 * 16384 * 4},
        {MEDVL_DTYPE_BF16, 3, {65536, 65536, 4}, (size_t)1 << 35},
        {MEDVL_DTYPE_U8, 4, {1 << 15, 1 << 15, 1 << 15, 8}, (size_t)1 << 48},
        {MEDVL_DTYPE_U8, 1, {((int64_t)1 << 62) - 1}, ((size_t)1 << 62) - 1},
        {MEDVL_DTYPE_Q8, 2, {3, 64}, 3 * 2 * 34},
        {MEDVL_DTYPE_Q4, 2, {3, 64}, 3 * 2 * 18},
        {MEDVL_DTYPE_Q8, 2, {(int64_t)1 << 31, 32}, ((size_t)1 << 31) * 34},
        {MEDVL_DTYPE_I32, 2, {0, (int64_t)1 << 62}, 0},
        {MEDVL_DTYPE_I32, 3, {INT64_MAX, INT64_MAX, 0}, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(*CASES); i++) {
        struct medvl_error err = {0};
        size_t bytes = 1;

        CHECK_OK(medvl_tensor_bytes(&bytes, CASES[i].dtype, CASES[i].rank,
                                    CASES[i].size, &err),
                 &err);
        assert_true(bytes == CASES[i].bytes);
    }
}

static void impossible_sizes_are_refused(void **state)
{
    static const struct {
        enum medvl_dtype dtype;
        int rank;
        int64_t size[4];
        const char *says;
    } CASES[] = {
        {MEDVL_DTYPE_NONE, 1, {1}, "storage type"},
        {(enum medvl_dtype)99, 1, {1}, "storage type"},
        {(enum medvl_dtype) - 1, 1, {1}, "storage type"},
        {MEDVL_DTYPE_F32, 0, {1}, "rank 0"},
        {MEDVL_DTYPE_F32, 6, {1, 1, 1, 1}, "rank 6"},
        {MEDVL_DTYPE_F32, 2, {3, -1}, "-1 is negative"},
        {MEDVL_DTYPE_F32, 2, {0, -1}, "-1 is negative"},
        {MEDVL_DTYPE_Q8, 2, {3, 33}, "no multiple of 32"},
        {MEDVL_DTYPE_F32, 1, {(int64_t)1 << 60}, "2^62"},
        {MEDVL_DTYPE_U8, 1, {(int64_t)1 << 62}, "2^62"},
        {MEDVL_DTYPE_U8, 2, {(int64_t)1 << 31, (int64_t)1 << 31}, "2^62"},
        {MEDVL_DTYPE_F32, 2, {(int64_t)1 << 40, (int64_t)1 << 40}, "2^62"},
        {MEDVL_DTYPE_F32, 4, {INT64_MAX, INT64_MAX, 3, 5}, "2^62"},
        {MEDVL_DTYPE_Q4, 2, {(int64_t)1 << 58, 64}, "2^62"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(*CASES); i++) {
        struct medvl_error err = {0};
        size_t bytes = 77;

        CHECK_FAILS(medvl_tensor_bytes(&bytes, CASES[i].dtype, CASES[i].rank,
                                       CASES[i].size, &err),
                    MEDVL_EARG, &err, CASES[i].says);
        assert_int_equal(bytes, 77);
    }
}

static void a_view_knows_its_rows_and_columns(void **state)
{
    struct medvl_tensor t = medvl_tensor_2d(NULL, MEDVL_DTYPE_F32, 3, 5);

    (void)state;
    assert_int_equal(medvl_tensor_rows(&t), 3);
    assert_int_equal(medvl_tensor_columns(&t), 5);
    assert_int_equal(t.stride, 5);
    t = medvl_tensor_1d(NULL, MEDVL_DTYPE_I32, 9);
    assert_int_equal(medvl_tensor_rows(&t), 1);
    assert_int_equal(medvl_tensor_columns(&t), 9);
    t = (struct medvl_tensor){.rank = 4, .size = {1 << 20, 1 << 20, 2, 3}};
    assert_true(medvl_tensor_rows(&t) == (int64_t)1 << 41);
    assert_true(medvl_dtype_bytes(MEDVL_DTYPE_F32, (int64_t)1 << 40) ==
                (size_t)1 << 42);
    assert_string_equal(medvl_dtype_name(MEDVL_DTYPE_BF16), "BF16");
    assert_string_equal(medvl_dtype_name((enum medvl_dtype)99), "none");
}

/* Values by the definition: (-1)^s 2^(e - bias) 1.m, and without a leading
 * one where e is 0. */
static void eight_bit_floats_are_what_their_bits_say(void **state)
{
    (void)state;
    for (int bits = 0; bits < 256; bits++) {
        const int sign = bits & 0x80 ? -1 : 1;
        const int e4 = bits >> 3 & 15, m3 = bits & 7;
        const int e5 = bits >> 2 & 31, m2 = bits & 3;
        const double x = e4 ? ldexp(8 + m3, e4 - 10) : ldexp(m3, -9);
        const double y = e5 ? ldexp(4 + m2, e5 - 17) : ldexp(m2, -16);
        const float a = medvl_f8_e4m3_to_float((uint8_t)bits);
        const float b = medvl_f8_e5m2_to_float((uint8_t)bits);

        if (e4 == 15 && m3 == 7)
            assert_true(isnan(a));
        else
            assert_true(a == (float)(sign * x));
        if (e5 == 31)
            assert_true(m2 ? isnan(b) : isinf(b) && (b < 0) == (sign < 0));
        else
            assert_true(b == (float)(sign * y));
    }
    assert_true(signbit(medvl_f8_e4m3_to_float(0x80)) != 0);
}

/* Half-way cases go to the even neighbour. */
static void floats_round_to_the_nearest_even(void **state)
{
    static const struct {
        float value;
        uint16_t bf16, f16;
    } CASES[] = {
        {0.0f, 0x0000, 0x0000},
        {-0.0f, 0x8000, 0x8000},
        {1.0f, 0x3f80, 0x3c00},
        {1.00390625f, 0x3f80, 0x3c04},    /* half of a bf16 step: even */
        {1.01171875f, 0x3f82, 0x3c0c},    /* three halves: up to even */
        {1.00048828125f, 0x3f80, 0x3c00}, /* half of an f16 step */
        {1.00146484375f, 0x3f80, 0x3c02},
        {65504.0f, 0x4780, 0x7bff},
        {65519.996f, 0x4780, 0x7bff},
        {65520.0f, 0x4780, 0x7c00},
        {-1e30f, 0xf14a, 0xfc00},
        {INFINITY, 0x7f80, 0x7c00},
        {3.4028235e38f, 0x7f80, 0x7c00},
        {6.103515625e-5f, 0x3880, 0x0400}, /* least normal f16 */
        {6.0975552e-5f, 0x3880, 0x03ff},
        {5.9604645e-8f, 0x3380, 0x0001}, /* least subnormal */
        {2.9802322e-8f, 0x3300, 0x0000}, /* its half: even, 0 */
        {2.9802326e-8f, 0x3300, 0x0001},
        {8.940697e-8f, 0x33c0, 0x0002}, /* one and a half of it */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(*CASES); i++) {
        assert_int_equal(medvl_bf16_from_float(CASES[i].value),
                         CASES[i].bf16);
        assert_int_equal(medvl_f16_from_float(CASES[i].value), CASES[i].f16);
    }
    assert_true(isnan(medvl_bf16_to_float(medvl_bf16_from_float(NAN))));
    assert_true(isnan(medvl_f16_to_float(medvl_f16_from_float(NAN))));
}

static void every_half_comes_back(void **state)
{
    (void)state;
    for (int i = 0; i < 65536; i++) {
        const uint16_t bits = (uint16_t)i;
        const float f = medvl_f16_to_float(bits);
        const float b = medvl_bf16_to_float(bits);

        if (!isnan(f))
            assert_int_equal(medvl_f16_from_float(f), bits);
        if (!isnan(b))
            assert_int_equal(medvl_bf16_from_float(b), bits);
        if ((bits & 0x7c00) != 0x7c00) /* by its definition */
            assert_true(f == (bits & 0x8000 ? -1 : 1) *
                                 (bits & 0x7c00
                                      ? ldexp(1024 + (bits & 0x3ff),
                                              (bits >> 10 & 31) - 25)
                                      : ldexp(bits & 0x3ff, -24)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_are_counted_past_two_to_the_31),
        cmocka_unit_test(impossible_sizes_are_refused),
        cmocka_unit_test(a_view_knows_its_rows_and_columns),
        cmocka_unit_test(eight_bit_floats_are_what_their_bits_say),
        cmocka_unit_test(floats_round_to_the_nearest_even),
        cmocka_unit_test(every_half_comes_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
