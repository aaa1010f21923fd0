/*
 * Sums, dropout, averages, the AdamW step, conversions.  The kernels are
 * kernels/elementwise.c and kernels/convert.c.
 */
#include "tests/unit/ops.h"

#include "kernels/elementwise_ref.h"

static const int64_t SIZES[][2] = {
    {1, 1}, {0, 5}, {3, 7}, {1, 100003}, {1499, 67}};
#define SIZE_COUNT (sizeof(SIZES) / sizeof(*SIZES))

struct simple_case {
    struct mat *out, *a, *b, *m, *v, *grad;
    struct medvl_adamw adamw;
    bool add;
    struct medvl_tensor w;
};

static void run_add(struct medvl_device *dev, void *context)
{
    struct simple_case *c = context;

    medvl_cpu_add_forward(dev, &c->out->t, &c->a->t, &c->b->t);
}

static void run_add_in_place(struct medvl_device *dev, void *context)
{
    struct simple_case *c = context;

    medvl_cpu_add_forward(dev, &c->out->t, &c->out->t, &c->b->t);
}

static void run_lerp(struct medvl_device *dev, void *context)
{
    struct simple_case *c = context;

    medvl_cpu_lerp(dev, &c->out->t, &c->a->t, 0.25f);
}

static void run_scale(struct medvl_device *dev, void *context)
{
    struct simple_case *c = context;

    medvl_cpu_scale_forward(dev, &c->out->t, &c->a->t, &c->m->t);
}

static void run_scale_backward(struct medvl_device *dev, void *context)
{
    struct simple_case *c = context;

    medvl_cpu_scale_backward(dev, &c->out->t, NULL, &c->b->t, &c->a->t,
                             &c->m->t);
    medvl_cpu_scale_backward(dev, NULL, &c->v->t, &c->b->t, &c->a->t,
                             &c->m->t);
}

static double scale_loss(void *context)
{
    struct simple_case *c = context;
    const int64_t N = c->a->rows, C = c->a->cols;

    for (int64_t i = 0; i < N; i++)
        scale_forward(c->out->d + i * C, c->a->d + i * C, c->m->d, C);
    return inner(c->out->d, c->b->d, N * C);
}

static void columns_are_scaled_by_a_weight_of_any_type(void **state)
{
    (void)state;
    for (size_t i = 0; i < 3 * SIZE_COUNT; i++) {
        const int64_t N = SIZES[i / 3][0], C = SIZES[i / 3][1];
        uint16_t *bits = medvl_alloc((size_t)C, 2);
        struct simple_case c = {0};

        assert_non_null(bits);
        c.out = mat_new(N, C, 1);
        c.a = mat_new(N, C, 2);
        c.b = mat_new(N, C, 3);
        c.m = vec_new(C, 4);
        c.v = vec_new(C, 5);
        if (i % 3)
            mat_round(c.m, i % 3 == 1 ? MEDVL_DTYPE_BF16 : MEDVL_DTYPE_F16,
                      bits);
        scale_loss(&c);
        on_devices("scale", run_scale, &c, &c.out, 1, medvl_scale_scratch(C),
                   1e-7);
        memcpy(c.out->d, c.out->start, (size_t)(N * C) * sizeof(double));
        for (int64_t j = 0; j < N; j++)
            scale_backward(c.out->d + j * C, c.v->d, c.b->d + j * C,
                           c.a->d + j * C, c.m->d, C);
        on_devices("scale backward", run_scale_backward, &c,
                   (struct mat *[]){c.out, c.v}, 2, medvl_scale_scratch(C),
                   1e-6);
        medvl_free(bits);
        mat_release(NULL);
    }
}

static void scale_agrees_with_finite_differences(void **state)
{
    struct simple_case c = {0};
    struct mat *da = mat_new(3, 5, 6);

    (void)state;
    c.out = mat_new(3, 5, 1);
    c.a = mat_new(3, 5, 2);
    c.b = mat_new(3, 5, 3);
    c.m = vec_new(5, 4);
    c.v = vec_new(5, 5);
    memset(da->d, 0, 15 * sizeof(double));
    memset(c.v->d, 0, 5 * sizeof(double));
    for (int64_t j = 0; j < 3; j++)
        scale_backward(da->d + j * 5, c.v->d, c.b->d + j * 5, c.a->d + j * 5,
                       c.m->d, 5);
    check_gradient("scale inp", c.a->d, da->d, 15, scale_loss, &c);
    check_gradient("scale w", c.m->d, c.v->d, 5, scale_loss, &c);
}

static void run_dropout(struct medvl_device *dev, void *context)
{
    struct simple_case *c = context;

    medvl_cpu_dropout(dev, &c->out->t, &c->a->t, 0.3f, 7, 9, c->add);
}

static void sums_and_averages_agree_with_the_reference(void **state)
{
    (void)state;
    for (size_t i = 0; i < SIZE_COUNT; i++) {
        const int64_t N = SIZES[i][0], C = SIZES[i][1];
        struct simple_case c;

        c.out = mat_new(N, C, 1);
        c.a = mat_new(N, C, 2);
        c.b = mat_new(N, C, 3);
        add(c.out->d, c.a->d, c.b->d, N * C);
        on_devices("add", run_add, &c, &c.out, 1, 0, 1e-7);
        add(c.out->d, c.out->start, c.b->d, N * C);
        on_devices("add in place", run_add_in_place, &c, &c.out, 1, 0, 1e-7);
        memcpy(c.out->d, c.out->start, (size_t)(N * C) * sizeof(double));
        lerp(c.out->d, c.a->d, 0.25, N * C);
        on_devices("lerp", run_lerp, &c, &c.out, 1, 0, 1e-7);
        mat_release(NULL);
    }
}

static void dropout_keeps_what_its_numbers_say(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2 * SIZE_COUNT; i++) {
        const int64_t N = SIZES[i / 2][0], C = SIZES[i / 2][1];
        struct simple_case c = {.add = i % 2};
        struct medvl_rng rng;

        c.out = mat_new(N, C, 1);
        c.a = mat_new(N, C, 2);
        medvl_rng_init(&rng, 7, MEDVL_PURPOSE_DROPOUT, 9);
        for (int64_t j = 0; j < N * C; j++) {
            const bool kept = medvl_rng_u32(&rng) >= 0.3f * 4294967296.0;

            c.out->d[j] = (c.add ? c.out->d[j] : 0) +
                          (kept ? c.a->d[j] / (1 - 0.3f) : 0);
        }
        on_devices("dropout", run_dropout, &c, &c.out, 1, 0, 2e-7);
        mat_release(NULL);
    }
}

static void dropout_of_rate_zero_changes_nothing(void **state)
{
    struct mat *a = mat_new(5, 7, 1), *out = mat_new(5, 7, 2);

    (void)state;
    medvl_cpu_dropout(devices[1][0], &out->t, &a->t, 0, 1, 2, false);
    assert_memory_equal(out->f, a->f, 7 * sizeof(float));
}

static void sums_of_squares_and_finiteness(void **state)
{
    (void)state;
    for (size_t i = 0; i < SIZE_COUNT; i++) {
        const int64_t N = SIZES[i][0], C = SIZES[i][1];
        struct mat *a = mat_new(N, C, 1);
        const double want = inner(a->d, a->d, N * C);

        for (int isa = 0; isa < 2; isa++) {
            const double one = medvl_cpu_sum_squares(devices[isa][0], &a->t);
            const double two = medvl_cpu_sum_squares(devices[isa][1], &a->t);

            assert_true(one == two);
            CHECK_CLOSE(one, want, 1e-12 * (1 + want));
            assert_true(medvl_cpu_finite(devices[isa][1], &a->t));
            if (N * C == 0)
                continue;
            a->f[(N - 1) * (C + PAD) + C - 1] = -INFINITY;
            assert_false(medvl_cpu_finite(devices[isa][1], &a->t));
            a->f[(N - 1) * (C + PAD) + C - 1] = NAN;
            assert_false(medvl_cpu_finite(devices[isa][0], &a->t));
            mat_rewind(a);
        }
        mat_release(NULL);
    }
}

static void run_adamw(struct medvl_device *dev, void *context)
{
    struct simple_case *c = context;

    medvl_cpu_adamw(dev, c->w.data ? &c->w : &c->out->t, &c->out->t,
                    &c->m->t, &c->v->t, &c->grad->t, &c->adamw);
}

static void a_first_adamw_step_is_known(void **state)
{
    const struct medvl_adamw adamw = {
        .rate = 0.5f,
        .beta1 = 0.5f,
        .beta2 = 0.75f,
        .decay = 0.25f,
        .bias1 = 0.5f,
        .bias2 = 0.25f,
        .grad_scale = 2,
    };
    double w = 8, m = 0, v = 0;
    const double grad = -3;

    (void)state;
    adamw_step(&w, &m, &v, &grad, &adamw, 1);
    CHECK_CLOSE(w, 8 - 0.5 * 0.25 * 8 + 0.5, 1e-15);
    CHECK_CLOSE(m, -3, 1e-15);
    CHECK_CLOSE(v, 9, 1e-15);
}

static void adamw_agrees_with_the_reference(void **state)
{
    (void)state;
    for (size_t i = 0; i < 3 * SIZE_COUNT; i++) {
        const int64_t N = SIZES[i / 3][0], C = SIZES[i / 3][1];
        uint16_t *bits = medvl_alloc((size_t)(N * C), 2);
        struct simple_case c = {
            .adamw = {1e-2f, 0.9f, 0.999f, 1e-8f, 0.1f, 0.19f, 0.002f, 0.5f},
        };

        assert_non_null(bits);
        c.out = mat_new(N, C, 1);
        c.m = mat_new(N, C, 2);
        c.v = mat_new(N, C, 3);
        c.grad = mat_new(N, C, 4);
        for (int64_t j = 0; j < N * C; j++)
            c.v->start[j] = c.v->d[j] = fabs(c.v->d[j]);
        if (i % 3)
            c.w = medvl_tensor_2d(
                bits, i % 3 == 1 ? MEDVL_DTYPE_BF16 : MEDVL_DTYPE_F16, N, C);
        adamw_step(c.out->d, c.m->d, c.v->d, c.grad->d, &c.adamw, N * C);
        on_devices("adamw", run_adamw, &c,
                   (struct mat *[]){c.out, c.m, c.v}, 3, 0, 1e-6);
        for (int64_t j = 0; c.w.data && j < N * C; j++) {
            const float w = c.out->f[j / C * (C + PAD) + j % C];

            assert_int_equal(bits[j], i % 3 == 1 ? medvl_bf16_from_float(w)
                                                 : medvl_f16_from_float(w));
        }
        medvl_free(bits);
        mat_release(NULL);
    }
}

/* All 65,536 patterns there and back, and floats between them. */
static void conversions_agree_with_the_scalar_functions(void **state)
{
    enum { COUNT = 65536 + 3 };
    uint16_t *bits = medvl_alloc(COUNT, 2), *back = medvl_alloc(COUNT, 2);
    float *values = medvl_alloc(COUNT, 4);
    struct medvl_tensor b, c, v;

    (void)state;
    assert_true(bits && back && values);
    for (int i = 0; i < COUNT; i++)
        bits[i] = (uint16_t)i;
    for (int i = 0; i < 4; i++) {
        const enum medvl_dtype type =
            i % 2 ? MEDVL_DTYPE_F16 : MEDVL_DTYPE_BF16;
        struct medvl_device *dev = devices[i / 2][1];

        b = medvl_tensor_1d(bits, type, COUNT);
        c = medvl_tensor_1d(back, type, COUNT);
        v = medvl_tensor_1d(values, MEDVL_DTYPE_F32, COUNT);
        medvl_cpu_convert(dev, &v, &b);
        for (int j = 0; j < COUNT; j++) {
            const float want = type == MEDVL_DTYPE_F16
                                   ? medvl_f16_to_float(bits[j])
                                   : medvl_bf16_to_float(bits[j]);

            assert_memory_equal(&values[j], &want, 4);
            values[j] *= 1.0001f;
        }
        medvl_cpu_convert(dev, &c, &v);
        for (int j = 0; j < COUNT; j++)
            assert_int_equal(back[j], type == MEDVL_DTYPE_F16
                                          ? medvl_f16_from_float(values[j])
                                          : medvl_bf16_from_float(values[j]));
    }
    medvl_free(bits);
    medvl_free(back);
    medvl_free(values);
}

/* Every eight-bit float is a bf16 too; both kernels give the same bits. */
static void eight_bit_floats_convert_exactly(void **state)
{
    uint8_t bits[256 + 5]; /* no multiple of a vector */
    float values[256 + 5];
    uint16_t narrow[256 + 5];
    const int64_t count = 256 + 5;

    (void)state;
    for (int i = 0; i < count; i++)
        bits[i] = (uint8_t)i;
    for (int i = 0; i < 4; i++) {
        const enum medvl_dtype type =
            i % 2 ? MEDVL_DTYPE_F8_E4M3 : MEDVL_DTYPE_F8_E5M2;
        struct medvl_device *dev = devices[i / 2][1];
        struct medvl_tensor b = medvl_tensor_1d(bits, type, count);
        struct medvl_tensor v =
            medvl_tensor_1d(values, MEDVL_DTYPE_F32, count);
        struct medvl_tensor n =
            medvl_tensor_1d(narrow, MEDVL_DTYPE_BF16, count);

        medvl_cpu_convert(dev, &v, &b);
        medvl_cpu_convert(dev, &n, &b);
        for (int j = 0; j < count; j++) {
            const float want = medvl_float_at(bits, type, j);

            assert_memory_equal(&values[j], &want, 4);
            if (!isnan(want))
                assert_true(medvl_bf16_to_float(narrow[j]) == want);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        OPS_TEST(sums_and_averages_agree_with_the_reference),
        OPS_TEST(columns_are_scaled_by_a_weight_of_any_type),
        OPS_TEST(scale_agrees_with_finite_differences),
        OPS_TEST(dropout_keeps_what_its_numbers_say),
        OPS_TEST(dropout_of_rate_zero_changes_nothing),
        OPS_TEST(sums_of_squares_and_finiteness),
        OPS_TEST(a_first_adamw_step_is_known),
        OPS_TEST(adamw_agrees_with_the_reference),
        OPS_TEST(conversions_agree_with_the_scalar_functions),
        OPS_TEST(eight_bit_floats_convert_exactly),
    };

    return cmocka_run_group_tests(tests, ops_setup, ops_teardown);
}
