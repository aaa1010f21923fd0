/* Normalization.  The kernels are kernels/norm.c. */
#include "tests/unit/ops.h"

#include "kernels/norm_ref.h"

#define EPS 1e-5

struct norm_case {
    bool layer;
    int64_t N, C;
    struct mat *out, *saved, *inp, *w, *b, *dout, *dinp, *dw, *db;
};

static struct norm_case *new_case(struct norm_case *c, bool layer, int64_t N,
                                  int64_t C)
{
    c->layer = layer;
    c->N = N;
    c->C = C;
    c->out = mat_new(N, C, 1);
    c->saved = layer ? mat_new(N, 2, 2) : vec_new(N, 2);
    c->inp = mat_new(N, C, 3);
    c->w = vec_new(C, 4);
    c->b = vec_new(C, 5);
    c->dout = mat_new(N, C, 6);
    c->dinp = mat_new(N, C, 7);
    c->dw = vec_new(C, 8);
    c->db = vec_new(C, 9);
    return c;
}

static void reference_forward(struct norm_case *c)
{
    for (int64_t i = 0; i < c->N; i++)
        if (c->layer)
            layernorm_forward(c->out->d + i * c->C, c->saved->d + 2 * i,
                              c->inp->d + i * c->C, c->w->d, c->b->d, c->C,
                              EPS);
        else
            rmsnorm_forward(c->out->d + i * c->C, c->saved->d + i,
                            c->inp->d + i * c->C, c->w->d, c->C, EPS);
}

static void reference_backward(struct norm_case *c)
{
    for (int64_t i = 0; i < c->N; i++)
        if (c->layer)
            layernorm_backward(c->dinp->d + i * c->C, c->dw->d, c->db->d,
                               c->dout->d + i * c->C, c->inp->d + i * c->C,
                               c->w->d, c->saved->d + 2 * i, c->C);
        else
            rmsnorm_backward(c->dinp->d + i * c->C, c->dw->d,
                             c->dout->d + i * c->C, c->inp->d + i * c->C,
                             c->w->d, c->saved->d[i], c->C);
}

static double loss(void *context)
{
    struct norm_case *c = context;

    reference_forward(c);
    return inner(c->out->d, c->dout->d, c->N * c->C);
}

static void a_row_of_three_and_four_is_known(void **state)
{
    const double inp[2] = {3, 4}, one[2] = {1, 1}, zero[2] = {0, 0};
    double out[2], rrms, moments[2];

    (void)state;
    rmsnorm_forward(out, &rrms, inp, one, 2, 0);
    assert_true(fabs(out[0] - 3 / sqrt(12.5)) < 1e-15);
    assert_true(fabs(rrms - 1 / sqrt(12.5)) < 1e-15);
    layernorm_forward(out, moments, inp, one, zero, 2, 0);
    assert_true(fabs(out[0] + 1) < 1e-15 && fabs(out[1] - 1) < 1e-15);
    assert_true(fabs(moments[0] - 3.5) < 1e-15);
    assert_true(fabs(moments[1] - 2) < 1e-15);
}

static void backward_agrees_with_finite_differences(void **state)
{
    (void)state;
    for (int layer = 0; layer < 2; layer++) {
        struct norm_case c;

        new_case(&c, layer, 3, 7);
        memset(c.dinp->d, 0, 21 * sizeof(double));
        memset(c.dw->d, 0, 7 * sizeof(double));
        memset(c.db->d, 0, 7 * sizeof(double));
        reference_forward(&c);
        reference_backward(&c);
        check_gradient("inp", c.inp->d, c.dinp->d, 21, loss, &c);
        check_gradient("w", c.w->d, c.dw->d, 7, loss, &c);
        if (layer)
            check_gradient("b", c.b->d, c.db->d, 7, loss, &c);
        mat_release(NULL);
    }
}

static void run_forward(struct medvl_device *dev, void *context)
{
    struct norm_case *c = context;

    if (c->layer)
        medvl_cpu_layernorm_forward(dev, &c->out->t, &c->saved->t,
                                    &c->inp->t, &c->w->t, &c->b->t, EPS);
    else
        medvl_cpu_rmsnorm_forward(dev, &c->out->t, &c->saved->t, &c->inp->t,
                                  &c->w->t, EPS);
}

/* Backward reads what the reference saved. */
static void run_backward(struct medvl_device *dev, void *context)
{
    struct norm_case *c = context;

    if (c->layer)
        medvl_cpu_layernorm_backward(dev, &c->dinp->t, &c->dw->t, &c->db->t,
                                     &c->dout->t, &c->inp->t, &c->w->t,
                                     &c->saved->t);
    else
        medvl_cpu_rmsnorm_backward(dev, &c->dinp->t, &c->dw->t, &c->dout->t,
                                   &c->inp->t, &c->w->t, &c->saved->t);
}

static const int64_t SIZES[][2] = {
    {1, 1},
    {0, 8},
    {7, 5},
    {97, 131},
    {2113, 67},
};

static void every_device_agrees_with_the_reference(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2 * sizeof(SIZES) / sizeof(*SIZES); i++) {
        struct norm_case c;

        new_case(&c, i % 2, SIZES[i / 2][0], SIZES[i / 2][1]);
        reference_forward(&c);
        on_devices("forward", run_forward, &c,
                   (struct mat *[]){c.out, c.saved}, 2,
                   medvl_norm_scratch(c.N, c.C), 1e-6);
        memcpy(c.saved->start, c.saved->d,
               (size_t)(c.saved->rows * c.saved->cols) * sizeof(double));
        mat_rewind(c.saved);
        reference_backward(&c);
        on_devices("backward", run_backward, &c,
                   (struct mat *[]){c.dinp, c.dw, c.db}, 2 + c.layer,
                   medvl_norm_scratch(c.N, c.C), 2e-6);
        mat_release(NULL);
    }
}

/* The heads of wide rows are rows of their own, gaps between the wide. */
static void heads_of_a_row_are_normalized_alone(void **state)
{
    const int64_t N = 37, H = 3, D = 11;
    struct norm_case c = {.N = N * H, .C = D};

    (void)state;
    c.out = mat_new(N, H * D, 1);
    c.inp = mat_new(N, H * D, 3);
    c.dout = mat_new(N, H * D, 6);
    c.dinp = mat_new(N, H * D, 7);
    c.saved = vec_new(N * H, 2);
    c.w = vec_new(D, 4);
    c.dw = vec_new(D, 8);
    reference_forward(&c);
    on_devices("heads", run_forward, &c, (struct mat *[]){c.out, c.saved}, 2,
               medvl_norm_scratch(N * H, D), 1e-6);
    memcpy(c.saved->start, c.saved->d, (size_t)(N * H) * sizeof(double));
    mat_rewind(c.saved);
    reference_backward(&c);
    on_devices("heads backward", run_backward, &c,
               (struct mat *[]){c.dinp, c.dw}, 2,
               medvl_norm_scratch(N * H, D), 2e-6);
}

static void narrow_weights_and_missing_gradients_are_served(void **state)
{
    struct norm_case c;
    uint16_t w[13], b[13];
    struct medvl_device *dev = devices[1][1];

    (void)state;
    for (int type = MEDVL_DTYPE_BF16; type <= MEDVL_DTYPE_F16; type++) {
        new_case(&c, true, 5, 13);
        mat_round(c.w, (enum medvl_dtype)type, w);
        mat_round(c.b, (enum medvl_dtype)type, b);
        reference_forward(&c);
        on_devices("narrow", run_forward, &c, &c.out, 1,
                   medvl_norm_scratch(5, 13), 1e-6);
        mat_release(NULL);
    }
    new_case(&c, true, 5, 13);
    run_forward(dev, &c);
    medvl_cpu_layernorm_forward(dev, &c.out->t, NULL, &c.inp->t, &c.w->t,
                                &c.b->t, EPS);
    medvl_cpu_layernorm_backward(dev, NULL, &c.dw->t, NULL, &c.dout->t,
                                 &c.inp->t, &c.w->t, &c.saved->t);
    reference_forward(&c);
    reference_backward(&c);
    check_close("dw alone", c.dw, 2e-6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        OPS_TEST(a_row_of_three_and_four_is_known),
        OPS_TEST(backward_agrees_with_finite_differences),
        OPS_TEST(every_device_agrees_with_the_reference),
        OPS_TEST(heads_of_a_row_are_normalized_alone),
        OPS_TEST(narrow_weights_and_missing_gradients_are_served),
    };

    return cmocka_run_group_tests(tests, ops_setup, ops_teardown);
}
