/*
 * lib/train/optim: AdamW's steps against its formulas in double.
 */
#include "tests/unit/check.h"

#include <unistd.h>

#include "lib/train/optim.h"

enum { ROWS = 3,
       COLUMNS = 7,
       MATRIX = ROWS * COLUMNS,
       VECTOR = 5 };

/* A matrix and a vector to train, and what they should be. */
struct subject {
    struct medvl_device *dev;
    struct medvl_optim *optim;
    struct medvl_param params[2];
    float value[2][MATRIX], grad[2][MATRIX];
    double want[2][MATRIX], m[2][MATRIX], v[2][MATRIX], average[2][MATRIX];
    int64_t step;
};

static const double RATES[2] = {1e-2, 3e-3};
static const int COUNTS[2] = {MATRIX, VECTOR};

static void start(struct subject *s,
                  const struct medvl_optim_options *options)
{
    struct medvl_error err = {0};
    struct medvl_optim_item items[2];

    memset(s, 0, sizeof(*s));
    CHECK_OK(medvl_device_open_cpu(&s->dev, NULL, MEDVL_ISA_AVX2, &err), &err);
    s->params[0].name = "matrix";
    s->params[0].value =
        medvl_tensor_2d(s->value[0], MEDVL_DTYPE_F32, ROWS, COLUMNS);
    s->params[0].grad =
        medvl_tensor_2d(s->grad[0], MEDVL_DTYPE_F32, ROWS, COLUMNS);
    s->params[1].name = "vector";
    s->params[1].value =
        medvl_tensor_1d(s->value[1], MEDVL_DTYPE_F32, VECTOR);
    s->params[1].grad = medvl_tensor_1d(s->grad[1], MEDVL_DTYPE_F32, VECTOR);
    for (int p = 0; p < 2; p++) {
        items[p].param = &s->params[p];
        items[p].rate = RATES[p];
        items[p].decay = p == 0;
        for (int i = 0; i < COUNTS[p]; i++) {
            s->value[p][i] = 0.1f * (float)(i - 2) + (float)p;
            s->want[p][i] = s->average[p][i] = s->value[p][i];
        }
    }
    CHECK_OK(medvl_optim_open(&s->optim, s->dev, items, 2, options, &err),
             &err);
}

static void stop(struct subject *s)
{
    medvl_optim_free(s->optim);
    medvl_device_free(s->dev);
}

static void put_gradients(struct subject *s, float scale)
{
    for (int p = 0; p < 2; p++)
        for (int i = 0; i < COUNTS[p]; i++)
            s->grad[p][i] = scale * sinf((float)(i + 3 * p + s->step));
}

static double norm_of(const struct subject *s)
{
    double sum = 0;

    for (int p = 0; p < 2; p++)
        for (int i = 0; i < COUNTS[p]; i++)
            sum += (double)s->grad[p][i] * (double)s->grad[p][i];
    return sqrt(sum);
}

/* Loshchilov and Hutter 2019, algorithm 2, and the average. */
static void expect_step(struct subject *s,
                        const struct medvl_optim_options *o, double scale,
                        double grad_scale)
{
    const double t = (double)++s->step;
    const double slow = fmin(o->average, (1 + t) / (10 + t));

    for (int p = 0; p < 2; p++)
        for (int i = 0; i < COUNTS[p]; i++) {
            const double g = (double)s->grad[p][i] * grad_scale;
            const double rate = scale * RATES[p];
            const double decay = p == 0 ? (double)o->decay : 0;
            double *w = &s->want[p][i], *m = &s->m[p][i], *v = &s->v[p][i];

            *m = o->beta1 * *m + (1 - o->beta1) * g;
            *v = o->beta2 * *v + (1 - o->beta2) * g * g;
            *w -= rate * (*m / (1 - pow(o->beta1, t)) /
                              (sqrt(*v / (1 - pow(o->beta2, t))) + o->eps) +
                          decay * *w);
            s->average[p][i] += (1 - slow) * (*w - s->average[p][i]);
        }
}

static void check_values(const struct subject *s,
                         const double want[2][MATRIX])
{
    for (int p = 0; p < 2; p++)
        for (int i = 0; i < COUNTS[p]; i++)
            CHECK_CLOSE(((const float *)s->params[p].value.data)[i],
                        want[p][i], 2e-6);
}

static const struct medvl_optim_options ADAMW = {
    .beta1 = 0.9f,
    .beta2 = 0.95f,
    .eps = 1e-6f,
    .decay = 0.1f,
    .average = 0.6f};

static void steps_are_those_of_the_formulas(void **state)
{
    struct medvl_error err = {0};
    struct subject s;

    (void)state;
    start(&s, &ADAMW);
    for (int k = 0; k < 20; k++) {
        const double scale = 1 - 0.03 * k;
        const uint64_t version = s.params[0].version;
        double norm, want;

        put_gradients(&s, 2);
        expect_step(&s, &ADAMW, scale, 1);
        want = norm_of(&s);
        CHECK_OK(medvl_optim_step(&norm, s.optim, scale, &err), &err);
        CHECK_CLOSE(norm, want, 1e-6);
        check_values(&s, s.want);
        assert_true(s.params[0].version > version);
        assert_true(norm_of(&s) == 0);
    }
    medvl_optim_swap(s.optim);
    check_values(&s, s.average);
    medvl_optim_swap(s.optim);
    check_values(&s, s.want);
    stop(&s);
}

static void a_large_gradient_is_cut_to_the_norm_a_small_one_is_not(
    void **state)
{
    struct medvl_optim_options options = ADAMW;
    struct medvl_error err = {0};
    struct subject s;
    double norm;

    (void)state;
    options.clip = 0.5f;
    start(&s, &options);
    for (int k = 0; k < 6; k++) {
        double want;

        put_gradients(&s, k % 2 ? 0.01f : 5);
        want = norm_of(&s);
        assert_true(k % 2 ? want < 0.5 : want > 0.5);
        expect_step(&s, &options, 1, k % 2 ? 1 : 0.5 / want);
        CHECK_OK(medvl_optim_step(&norm, s.optim, 1, &err), &err);
        CHECK_CLOSE(norm, want, 1e-5);
        check_values(&s, s.want);
    }
    stop(&s);
}

static void a_gradient_that_is_not_finite_changes_nothing(void **state)
{
    struct medvl_error err = {0};
    struct subject s;
    double norm;

    (void)state;
    start(&s, &ADAMW);
    put_gradients(&s, 1);
    s.grad[1][3] = INFINITY;
    CHECK_FAILS(medvl_optim_step(&norm, s.optim, 1, &err), MEDVL_EFORMAT,
                &err, "the gradient of vector");
    s.grad[1][3] = NAN;
    CHECK_FAILS(medvl_optim_step(&norm, s.optim, 1, &err), MEDVL_EFORMAT,
                &err, "vector");
    check_values(&s, s.want);
    stop(&s);
}

static void run_steps(struct subject *s, int from, int to)
{
    struct medvl_error err = {0};
    double norm;

    for (s->step = from; s->step < to; s->step++) {
        put_gradients(s, 1);
        CHECK_OK(medvl_optim_step(&norm, s->optim, 1, &err), &err);
    }
}

static void a_state_that_was_written_goes_on_bit_for_bit(void **state)
{
    struct medvl_error err = {0};
    struct medvl_safetensors_entry *entries;
    struct medvl_safetensors *file;
    struct subject whole, again;
    char path[] = "/tmp/medvl-optim-XXXXXX";
    const int fd = mkstemp(path);
    int64_t count;

    (void)state;
    assert_true(fd >= 0);
    close(fd);
    start(&whole, &ADAMW);
    run_steps(&whole, 0, 4);
    count = medvl_optim_state(&entries, whole.optim);
    assert_int_equal(count, 8);
    CHECK_OK(medvl_safetensors_write(path, entries, count, NULL, &err), &err);
    run_steps(&whole, 4, 9);

    start(&again, &ADAMW);
    CHECK_OK(medvl_safetensors_open(&file, path, &err), &err);
    CHECK_OK(medvl_optim_restore(again.optim, file, 4, &err), &err);
    run_steps(&again, 4, 9);
    assert_memory_equal(whole.value, again.value, sizeof(whole.value));
    medvl_optim_swap(whole.optim);
    medvl_optim_swap(again.optim);
    assert_memory_equal(whole.params[0].value.data,
                        again.params[0].value.data, MATRIX * sizeof(float));
    medvl_safetensors_free(file);
    stop(&again);
    stop(&whole);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_are_those_of_the_formulas),
        cmocka_unit_test(
            a_large_gradient_is_cut_to_the_norm_a_small_one_is_not),
        cmocka_unit_test(a_gradient_that_is_not_finite_changes_nothing),
        cmocka_unit_test(a_state_that_was_written_goes_on_bit_for_bit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
