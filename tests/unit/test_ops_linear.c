/* Products.  The kernels are kernels/linear.c and kernels/gemm.c. */
#include "tests/unit/ops.h"

#include "kernels/linear_ref.h"

struct linear_case {
    int64_t N, K, M, R;
    struct mat *out, *inp, *w, *bias, *dout, *dinp, *dw, *dbias;
    struct mat *a, *b, *da, *db;
    uint8_t *rows;
    struct medvl_tensor rows_t;
    struct medvl_adapter adapter;
    int adapters;
};

static void new_case(struct linear_case *c, int64_t N, int64_t K, int64_t M,
                     int64_t R)
{
    memset(c, 0, sizeof(*c));
    c->N = N;
    c->K = K;
    c->M = M;
    c->R = R;
    c->out = mat_new(N, M, 1);
    c->inp = mat_new(N, K, 2);
    c->w = mat_new(M, K, 3);
    c->bias = vec_new(M, 4);
    c->dout = mat_new(N, M, 5);
    c->dinp = mat_new(N, K, 6);
    c->dw = mat_new(M, K, 7);
    c->dbias = vec_new(M, 8);
    if (R == 0)
        return;
    c->a = mat_new(R, K, 9);
    c->b = mat_new(M, R, 10);
    c->da = mat_new(R, K, 11);
    c->db = mat_new(M, R, 12);
    c->rows = medvl_alloc((size_t)N + 1, 1);
    assert_non_null(c->rows);
    for (int64_t i = 0; i < N; i++)
        c->rows[i] = i % 3 != 0;
    c->rows_t = medvl_tensor_1d(c->rows, MEDVL_DTYPE_U8, N);
    c->adapter = (struct medvl_adapter){
        .a = &c->a->t,
        .b = &c->b->t,
        .rows = &c->rows_t,
        .da = &c->da->t,
        .db = &c->db->t,
        .scale = 0.5f,
    };
    c->adapters = 1;
}

static void free_case(struct linear_case *c)
{
    medvl_free(c->rows);
    mat_release(NULL);
}

static void reference_forward(struct linear_case *c)
{
    linear_forward(c->out->d, c->inp->d, c->w->d, c->bias->d, c->N, c->K,
                   c->M);
    if (c->R)
        adapter_forward(c->out->d, c->inp->d, c->a->d, c->b->d, c->rows, 0.5,
                        c->N, c->K, c->M, c->R);
}

static void reference_backward(struct linear_case *c)
{
    linear_backward(c->dinp->d, c->dw->d, c->dbias->d, c->dout->d, c->inp->d,
                    c->w->d, c->N, c->K, c->M);
    if (c->R)
        adapter_backward(c->dinp->d, c->da->d, c->db->d, c->dout->d,
                         c->inp->d, c->a->d, c->b->d, c->rows, 0.5, c->N,
                         c->K, c->M, c->R);
}

static double loss(void *context)
{
    struct linear_case *c = context;

    reference_forward(c);
    return inner(c->out->d, c->dout->d, c->N * c->M);
}

static void run_forward(struct medvl_device *dev, void *context)
{
    struct linear_case *c = context;

    medvl_cpu_linear_forward(dev, &c->out->t, &c->inp->t, &c->w->t,
                             &c->bias->t, &c->adapter, c->adapters);
}

static void run_invariant(struct medvl_device *dev, void *context)
{
    dev->row_invariant = true;
    run_forward(dev, context);
    dev->row_invariant = false;
}

static void run_backward(struct medvl_device *dev, void *context)
{
    struct linear_case *c = context;

    medvl_cpu_linear_backward(dev, &c->dinp->t, &c->dw->t, &c->dbias->t,
                              &c->dout->t, &c->inp->t, &c->w->t, &c->adapter,
                              c->adapters);
}

static void clear(struct mat *m)
{
    memset(m->d, 0, (size_t)(m->rows * m->cols) * sizeof(double));
}

static void a_product_of_two_by_two_is_known(void **state)
{
    const double inp[4] = {1, 2, 3, 4}, w[4] = {5, 6, 7, 8}, b[2] = {1, 0};
    double out[4];

    (void)state;
    linear_forward(out, inp, w, b, 2, 2, 2);
    assert_true(out[0] == 18 && out[1] == 23);
    assert_true(out[2] == 40 && out[3] == 53);
}

static void backward_agrees_with_finite_differences(void **state)
{
    struct linear_case c;

    (void)state;
    new_case(&c, 4, 5, 3, 2);
    clear(c.dinp);
    clear(c.dw);
    clear(c.dbias);
    clear(c.da);
    clear(c.db);
    reference_backward(&c);
    check_gradient("inp", c.inp->d, c.dinp->d, 20, loss, &c);
    check_gradient("w", c.w->d, c.dw->d, 15, loss, &c);
    check_gradient("bias", c.bias->d, c.dbias->d, 3, loss, &c);
    check_gradient("a", c.a->d, c.da->d, 10, loss, &c);
    check_gradient("b", c.b->d, c.db->d, 6, loss, &c);
    free_case(&c);
}

/* N, K, M, adapter rank. */
static const int64_t SIZES[][4] = {
    {1, 1, 1, 0},
    {0, 5, 7, 0},
    {1, 1031, 17, 3},
    {2, 13, 5, 0},
    {3, 67, 259, 0},
    {4, 2100, 9, 2},
    {5, 64, 64, 0},
    {7, 129, 33, 0},
    {16, 71, 131, 1},
    {61, 1033, 19, 5},
    {257, 31, 263, 0},
    {131, 263, 521, 0},
};

static size_t scratch(const struct linear_case *c)
{
    return medvl_linear_scratch(c->N, c->K, c->M, c->w->t.dtype, c->R);
}

static void every_device_agrees_with_the_reference(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(SIZES) / sizeof(*SIZES); i++) {
        const int64_t *s = SIZES[i];
        struct linear_case c;

        new_case(&c, s[0], s[1], s[2], s[3]);
        reference_forward(&c);
        on_devices("forward", run_forward, &c, &c.out, 1, scratch(&c), 2e-6);
        on_devices("row by row", run_invariant, &c, &c.out, 1, scratch(&c),
                   2e-6);
        reference_backward(&c);
        on_devices("backward", run_backward, &c,
                   (struct mat *[]){c.dinp, c.dw, c.dbias, c.da, c.db},
                   c.R ? 5 : 3, scratch(&c), 2e-6);
        free_case(&c);
    }
}

static void narrow_weights_are_their_values(void **state)
{
    static const int64_t N[] = {1, 5, 23, 64};

    (void)state;
    for (int i = 0; i < 8; i++) {
        const enum medvl_dtype type =
            i % 2 ? MEDVL_DTYPE_BF16 : MEDVL_DTYPE_F16;
        uint16_t *w = medvl_alloc(1061 * 37, 2), bias[1061];
        struct linear_case c;

        assert_non_null(w);
        new_case(&c, N[i / 2], 37, 1061, 0);
        mat_round(c.w, type, w);
        mat_round(c.bias, type, bias);
        reference_forward(&c);
        on_devices("narrow", run_forward, &c, &c.out, 1, scratch(&c), 2e-6);
        on_devices("narrow, row by row", run_invariant, &c, &c.out, 1,
                   scratch(&c), 2e-6);
        reference_backward(&c);
        on_devices("narrow, backward", run_backward, &c,
                   (struct mat *[]){c.dinp, c.dw, c.dbias}, 3, scratch(&c),
                   2e-6);
        free_case(&c);
        medvl_free(w);
    }
}

/* Each row alone, and in the company of `N` others, of every storage. */
static void a_row_does_not_depend_on_its_neighbours(void **state)
{
    enum { N = 131,
           K = 1100,
           M = 53 };
    static float alone[M];
    uint16_t *bits = medvl_alloc(M * K, 2);

    (void)state;
    assert_non_null(bits);
    for (int i = 0; i < 6; i++) {
        struct medvl_device *dev = devices[i / 3][1];
        struct linear_case c;

        new_case(&c, N, K, M, 3);
        if (i % 3)
            mat_round(c.w, i % 3 == 1 ? MEDVL_DTYPE_BF16 : MEDVL_DTYPE_F16,
                      bits);
        assert_int_equal(medvl_device_reserve(dev, scratch(&c), NULL), 0);
        for (int64_t company = 1; company <= N; company += company / 3 + 1) {
            c.out->t.size[0] = c.inp->t.size[0] = company;
            run_invariant(dev, &c);
            if (company == 1)
                memcpy(alone, c.out->f, sizeof(alone));
            assert_memory_equal(alone, c.out->f, sizeof(alone));
            /* The last row too, wherever in a tile it stands. */
            memcpy(c.inp->f + (company - 1) * (K + PAD), c.inp->f,
                   K * sizeof(float));
            c.rows[company - 1] = c.rows[0];
            run_invariant(dev, &c);
            assert_memory_equal(alone, c.out->f + (company - 1) * (M + PAD),
                                sizeof(alone));
        }
        free_case(&c);
    }
    medvl_free(bits);
}

static void only_wanted_gradients_are_made(void **state)
{
    struct linear_case c;
    struct medvl_device *dev = devices[1][0];
    struct medvl_tensor nothing = {0};

    (void)state;
    new_case(&c, 9, 8, 7, 2);
    assert_int_equal(medvl_device_reserve(dev, scratch(&c), NULL), 0);
    c.adapter.da = &nothing;
    c.adapter.db = NULL;
    reference_backward(&c);
    medvl_cpu_linear_backward(dev, NULL, &c.dw->t, &nothing, &c.dout->t,
                              &c.inp->t, &c.w->t, &c.adapter, 1);
    check_close("dw alone", c.dw, 2e-6);
    medvl_cpu_linear_backward(dev, &c.dinp->t, NULL, NULL, &c.dout->t,
                              &c.inp->t, &c.w->t, &c.adapter, 1);
    check_close("dinp alone", c.dinp, 2e-6);
    free_case(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        OPS_TEST(a_product_of_two_by_two_is_known),
        OPS_TEST(backward_agrees_with_finite_differences),
        OPS_TEST(every_device_agrees_with_the_reference),
        OPS_TEST(narrow_weights_are_their_values),
        OPS_TEST(a_row_does_not_depend_on_its_neighbours),
        OPS_TEST(only_wanted_gradients_are_made),
    };

    return cmocka_run_group_tests(tests, ops_setup, ops_teardown);
}
