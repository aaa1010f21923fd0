/* Activations and gated units.  The kernels are kernels/act.c. */
#include "tests/unit/ops.h"

#include "kernels/act_ref.h"

struct act_case {
    enum medvl_act act;
    int64_t count;
    struct mat *out, *inp, *up, *dout, *dinp, *dup;
};

static void new_case(struct act_case *c, int act, int64_t N, int64_t C)
{
    c->act = (enum medvl_act)act;
    c->count = N * C;
    c->out = mat_new(N, C, 1);
    c->inp = mat_new(N, C, 2);
    c->up = mat_new(N, C, 3);
    c->dout = mat_new(N, C, 4);
    c->dinp = mat_new(N, C, 5);
    c->dup = mat_new(N, C, 6);
    for (int64_t i = 0; i < c->count; i++) /* far out on both sides too */
        c->inp->start[i] = c->inp->d[i] =
            (float)(c->inp->d[i] * (i % 5 == 0 ? 20 : 2));
    mat_rewind(c->inp);
}

static double act_loss(void *context)
{
    struct act_case *c = context;

    act_forward(c->out->d, c->inp->d, c->act, c->count);
    return inner(c->out->d, c->dout->d, c->count);
}

static double glu_loss(void *context)
{
    struct act_case *c = context;

    glu_forward(c->out->d, c->inp->d, c->up->d, c->act, c->count);
    return inner(c->out->d, c->dout->d, c->count);
}

static void run_act(struct medvl_device *dev, void *context)
{
    struct act_case *c = context;

    medvl_cpu_act_forward(dev, &c->out->t, &c->inp->t, c->act);
}

static void run_act_backward(struct medvl_device *dev, void *context)
{
    struct act_case *c = context;

    medvl_cpu_act_backward(dev, NULL, &c->dout->t, &c->inp->t, c->act);
    medvl_cpu_act_backward(dev, &c->dinp->t, &c->dout->t, &c->inp->t,
                           c->act);
}

static void run_glu(struct medvl_device *dev, void *context)
{
    struct act_case *c = context;

    medvl_cpu_glu_forward(dev, &c->out->t, &c->inp->t, &c->up->t, c->act);
}

static void run_glu_backward(struct medvl_device *dev, void *context)
{
    struct act_case *c = context;

    medvl_cpu_glu_backward(dev, &c->dinp->t, NULL, &c->dout->t, &c->inp->t,
                           &c->up->t, c->act);
    medvl_cpu_glu_backward(dev, NULL, &c->dup->t, &c->dout->t, &c->inp->t,
                           &c->up->t, c->act);
}

static void values_at_one_are_known(void **state)
{
    const double one = 1;
    static const double want[4] = {
        0.841344746068543,
        0.841191990607477,
        0.845795765932184,
        0.731058578630005,
    };
    double out = 0;

    (void)state;
    for (int act = 0; act < 4; act++) {
        act_forward(&out, &one, (enum medvl_act)act, 1);
        CHECK_CLOSE(out, want[act], 1e-12);
    }
}

static void backward_agrees_with_finite_differences(void **state)
{
    (void)state;
    for (int act = 0; act < 4; act++) {
        struct act_case c;

        new_case(&c, act, 1, 31);
        memset(c.dinp->d, 0, 31 * sizeof(double));
        act_backward(c.dinp->d, c.dout->d, c.inp->d, c.act, 31);
        check_gradient("inp", c.inp->d, c.dinp->d, 31, act_loss, &c);
        memset(c.dinp->d, 0, 31 * sizeof(double));
        memset(c.dup->d, 0, 31 * sizeof(double));
        glu_backward(c.dinp->d, c.dup->d, c.dout->d, c.inp->d, c.up->d,
                     c.act, 31);
        check_gradient("gate", c.inp->d, c.dinp->d, 31, glu_loss, &c);
        check_gradient("up", c.up->d, c.dup->d, 31, glu_loss, &c);
        mat_release(NULL);
    }
}

static void every_device_agrees_with_the_reference(void **state)
{
    static const int64_t SIZES[][2] = {
        {1, 1},
        {0, 3},
        {3, 7},
        {1, 70001},
        {331, 523},
    };

    (void)state;
    for (int i = 0; i < 20; i++) {
        struct act_case c;

        new_case(&c, i % 4, SIZES[i / 4][0], SIZES[i / 4][1]);
        act_loss(&c);
        on_devices("act", run_act, &c, &c.out, 1, 0, 3e-7);
        act_backward(c.dinp->d, c.dout->d, c.inp->d, c.act, c.count);
        on_devices("act backward", run_act_backward, &c, &c.dinp, 1, 0,
                   1e-6);
        memcpy(c.dinp->d, c.dinp->start, (size_t)c.count * sizeof(double));
        glu_loss(&c);
        on_devices("glu", run_glu, &c, &c.out, 1, 0, 3e-7);
        glu_backward(c.dinp->d, c.dup->d, c.dout->d, c.inp->d, c.up->d,
                     c.act, c.count);
        on_devices("glu backward", run_glu_backward, &c,
                   (struct mat *[]){c.dinp, c.dup}, 2, 0, 1e-6);
        mat_release(NULL);
    }
}

/* Near every float's worth of e^x and erf, by way of sigmoid and gelu. */
static void small_and_large_arguments_keep_their_digits(void **state)
{
    struct act_case c;
    struct medvl_device *dev = devices[1][0];

    (void)state;
    new_case(&c, MEDVL_ACT_SILU, 1, 40001);
    for (int64_t i = 0; i < c.count; i++)
        c.inp->f[i] = (float)(i - 20000) * 0.005f;
    run_act(dev, &c);
    for (int64_t i = 0; i < c.count; i++) {
        const double x = c.inp->f[i], want = x / (1 + exp(-x));

        if (want < -1e-30 || want > 1e-30)
            CHECK_CLOSE(c.out->f[i] / want, 1, 4e-7);
    }
    c.act = MEDVL_ACT_GELU;
    run_act(dev, &c);
    for (int64_t i = 0; i < c.count; i++) {
        const double x = c.inp->f[i];

        CHECK_CLOSE(c.out->f[i], x / 2 * (1 + erf(x * sqrt(0.5))),
                    1e-7 * (1 + fabs(x)));
    }
    c.inp->f[0] = NAN;
    for (int act = 0; act < 4; act++) {
        c.act = (enum medvl_act)act;
        run_act(dev, &c);
        assert_true(isnan(c.out->f[0]));
    }
}

/* An element's bits must not depend on where in a vector it stands. */
static void a_place_in_the_row_does_not_matter(void **state)
{
    (void)state;
    for (int act = 0; act < 4; act++) {
        struct act_case c;
        float alone[29];

        new_case(&c, act, 1, 29);
        run_act(devices[1][0], &c);
        for (int64_t i = 0; i < 29; i++) {
            struct medvl_tensor out, inp;

            out = medvl_tensor_1d(alone + i, MEDVL_DTYPE_F32, 1);
            inp = medvl_tensor_1d(c.inp->f + i, MEDVL_DTYPE_F32, 1);
            medvl_cpu_act_forward(devices[1][0], &out, &inp, c.act);
        }
        assert_memory_equal(alone, c.out->f, sizeof(alone));
        mat_release(NULL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        OPS_TEST(values_at_one_are_known),
        OPS_TEST(backward_agrees_with_finite_differences),
        OPS_TEST(every_device_agrees_with_the_reference),
        OPS_TEST(small_and_large_arguments_keep_their_digits),
        OPS_TEST(a_place_in_the_row_does_not_matter),
    };

    return cmocka_run_group_tests(tests, ops_setup, ops_teardown);
}
