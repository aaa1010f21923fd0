/* Log-probabilities.  The kernels are kernels/head_logprob.c. */
#include "tests/unit/ops.h"

#include "kernels/head_logprob_ref.h"

struct head_case {
    int64_t N, C, V;
    double *logits;
    int32_t *target;
    struct medvl_tensor target_t;
    struct mat *logp, *entropy, *mean, *lse, *hidden, *head, *bias;
    struct mat *dlogp, *dentropy, *dmean, *dhidden, *dhead, *dbias;
};

static void new_case(struct head_case *c, int64_t N, int64_t C, int64_t V)
{
    memset(c, 0, sizeof(*c));
    c->N = N;
    c->C = C;
    c->V = V;
    c->logits = medvl_alloc((size_t)V, sizeof(double));
    c->target = medvl_alloc((size_t)N + 1, sizeof(int32_t));
    assert_true(c->logits && c->target);
    for (int64_t i = 0; i < N; i++)
        c->target[i] = i % 3 == 1 ? -1 : (int32_t)(i * 7919 % V);
    c->target_t = medvl_tensor_1d(c->target, MEDVL_DTYPE_I32, N);
    c->logp = vec_new(N, 1);
    c->entropy = vec_new(N, 2);
    c->mean = vec_new(N, 3);
    c->lse = vec_new(N, 4);
    c->hidden = mat_new(N, C, 5);
    c->head = mat_new(V, C, 6);
    c->dlogp = vec_new(N, 7);
    c->dentropy = vec_new(N, 8);
    c->dmean = vec_new(N, 9);
    c->dhidden = mat_new(N, C, 10);
    c->dhead = mat_new(V, C, 11);
}

static void add_bias(struct head_case *c)
{
    c->bias = vec_new(c->V, 12);
    c->dbias = vec_new(c->V, 13);
}

static const struct medvl_tensor *tensor_of(const struct mat *m)
{
    return m ? &m->t : NULL;
}

static double *doubles(const struct mat *m)
{
    return m ? m->d : NULL;
}

static void free_case(struct head_case *c)
{
    medvl_free(c->logits);
    medvl_free(c->target);
    mat_release(NULL);
}

static void reference_forward(struct head_case *c)
{
    for (int64_t i = 0; i < c->N; i++) {
        double out[4] = {0};

        if (c->target[i] >= 0)
            head_logprob_forward(out, c->logits, c->hidden->d + i * c->C,
                                 c->head->d, doubles(c->bias), c->V, c->C,
                                 c->target[i]);
        c->logp->d[i] = out[0];
        c->entropy->d[i] = out[1];
        c->mean->d[i] = out[2];
        c->lse->d[i] = out[3];
    }
}

static void reference_backward(struct head_case *c, bool logp, bool entropy,
                               bool mean)
{
    for (int64_t i = 0; i < c->N; i++) {
        const double d[3] = {
            logp ? c->dlogp->d[i] : 0,
            entropy ? c->dentropy->d[i] : 0,
            mean ? c->dmean->d[i] : 0,
        };

        if (c->target[i] >= 0)
            head_logprob_backward(
                c->dhidden->d + i * c->C, c->dhead->d, doubles(c->dbias),
                c->logits, c->hidden->d + i * c->C, c->head->d,
                doubles(c->bias), c->V, c->C, c->target[i], c->lse->d[i],
                c->entropy->d[i], d);
    }
}

static double loss(void *context)
{
    struct head_case *c = context;

    reference_forward(c);
    return inner(c->logp->d, c->dlogp->d, c->N) +
           inner(c->entropy->d, c->dentropy->d, c->N) +
           inner(c->mean->d, c->dmean->d, c->N);
}

static void run_forward(struct medvl_device *dev, void *context)
{
    struct head_case *c = context;

    medvl_cpu_head_logprob_forward(dev, &c->logp->t, &c->entropy->t,
                                   &c->mean->t, &c->lse->t, &c->hidden->t,
                                   &c->head->t, tensor_of(c->bias),
                                   &c->target_t);
}

static void run_backward(struct medvl_device *dev, void *context)
{
    struct head_case *c = context;

    medvl_cpu_head_logprob_backward(
        dev, &c->dhidden->t, &c->dhead->t, c->dbias ? &c->dbias->t : NULL,
        &c->dlogp->t, &c->dentropy->t, &c->dmean->t, &c->hidden->t,
        &c->head->t, tensor_of(c->bias), &c->target_t, &c->lse->t,
        &c->entropy->t);
}

static void run_logp_alone(struct medvl_device *dev, void *context)
{
    struct head_case *c = context;

    medvl_cpu_head_logprob_backward(
        dev, &c->dhidden->t, NULL, NULL, &c->dlogp->t, NULL, NULL,
        &c->hidden->t, &c->head->t, NULL, &c->target_t, &c->lse->t, NULL);
    medvl_cpu_head_logprob_backward(
        dev, NULL, &c->dhead->t, NULL, &c->dlogp->t, NULL, NULL,
        &c->hidden->t, &c->head->t, NULL, &c->target_t, &c->lse->t, NULL);
}

static void equal_logits_have_the_uniform_distribution(void **state)
{
    const double logits[4] = {2, 2, 2, 2};
    double out[4];

    (void)state;
    head_forward(out, logits, 4, 1);
    CHECK_CLOSE(out[0], -log(4), 1e-15);
    CHECK_CLOSE(out[1], log(4), 1e-15);
    CHECK_CLOSE(out[2], -log(4), 1e-15);
    CHECK_CLOSE(out[3], 2 + log(4), 1e-15);
}

static void backward_agrees_with_finite_differences(void **state)
{
    struct head_case c;

    (void)state;
    new_case(&c, 4, 3, 7);
    add_bias(&c);
    memset(c.dbias->d, 0, 7 * sizeof(double));
    memset(c.dhidden->d, 0, 12 * sizeof(double));
    memset(c.dhead->d, 0, 21 * sizeof(double));
    reference_forward(&c);
    reference_backward(&c, true, true, true);
    check_gradient("hidden", c.hidden->d, c.dhidden->d, 12, loss, &c);
    check_gradient("head", c.head->d, c.dhead->d, 21, loss, &c);
    check_gradient("bias", c.bias->d, c.dbias->d, 7, loss, &c);
    free_case(&c);
}

static void keep(struct mat *m)
{
    memcpy(m->start, m->d, (size_t)(m->rows * m->cols) * sizeof(double));
    mat_rewind(m);
}

static void every_device_agrees_with_the_reference(void **state)
{
    static const int64_t SIZES[][3] = {
        {1, 1, 1},
        {0, 3, 5},
        {7, 13, 523},
        {200, 17, 1009},
        {29, 11, 5003},
        {1531, 5, 37},
    };

    (void)state;
    for (size_t i = 0; i < 2 * sizeof(SIZES) / sizeof(*SIZES); i++) {
        const int64_t *s = SIZES[i / 2];
        struct head_case c;
        size_t scratch;

        new_case(&c, s[0], s[1], s[2]);
        scratch = medvl_head_logprob_scratch(c.N, c.C, c.V, MEDVL_DTYPE_F32);
        reference_forward(&c);
        on_devices("forward", run_forward, &c,
                   (struct mat *[]){c.logp, c.entropy, c.mean, c.lse}, 4,
                   scratch, 2e-6);
        keep(c.lse);
        keep(c.entropy);
        reference_backward(&c, true, i % 2, i % 2);
        on_devices("backward", i % 2 ? run_backward : run_logp_alone, &c,
                   (struct mat *[]){c.dhidden, c.dhead}, 2, scratch, 5e-6);
        free_case(&c);
    }
}

static void the_bias_is_added_to_every_logit(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        uint16_t *bits = medvl_alloc(2503, 2);
        struct head_case c;
        size_t scratch;

        assert_non_null(bits);
        new_case(&c, i == 0 ? 2 : 31, 13, 2503);
        add_bias(&c);
        if (i > 0)
            mat_round(c.bias, i == 1 ? MEDVL_DTYPE_BF16 : MEDVL_DTYPE_F16,
                      bits);
        scratch = medvl_head_logprob_scratch(c.N, 13, 2503, MEDVL_DTYPE_F32);
        reference_forward(&c);
        for (int own = 0; own < 2; own++) {
            for (int j = 0; j < 4; j++)
                devices[j / 2][j % 2]->row_invariant = own;
            on_devices("forward", run_forward, &c,
                       (struct mat *[]){c.logp, c.entropy, c.mean, c.lse}, 4,
                       scratch, 2e-6);
        }
        for (int j = 0; j < 4; j++)
            devices[j / 2][j % 2]->row_invariant = false;
        keep(c.lse);
        keep(c.entropy);
        reference_backward(&c, true, true, true);
        on_devices("backward", run_backward, &c,
                   (struct mat *[]){c.dhidden, c.dhead, c.dbias}, 3, scratch,
                   5e-6);
        free_case(&c);
        medvl_free(bits);
    }
}

static void narrow_heads_are_their_values(void **state)
{
    (void)state;
    for (int type = MEDVL_DTYPE_BF16; type <= MEDVL_DTYPE_F16; type++) {
        uint16_t *bits = medvl_alloc(4099 * 19, 2);
        struct head_case c;
        size_t scratch;

        assert_non_null(bits);
        new_case(&c, 23, 19, 4099);
        add_bias(&c); /* of all panels that the head is read in */
        mat_round(c.head, (enum medvl_dtype)type, bits);
        scratch = medvl_head_logprob_scratch(23, 19, 4099,
                                             (enum medvl_dtype)type);
        reference_forward(&c);
        on_devices("forward", run_forward, &c,
                   (struct mat *[]){c.logp, c.entropy, c.mean, c.lse}, 4,
                   scratch, 2e-6);
        keep(c.lse);
        keep(c.entropy);
        reference_backward(&c, true, true, true);
        on_devices("backward", run_backward, &c,
                   (struct mat *[]){c.dhidden, c.dhead, c.dbias}, 3, scratch,
                   5e-6);
        free_case(&c);
        medvl_free(bits);
    }
}

static void a_row_does_not_depend_on_its_neighbours(void **state)
{
    (void)state;
    for (int isa = 0; isa < 2; isa++) {
        struct medvl_device *dev = devices[isa][1];
        float all[61], alone[3];
        struct head_case c;
        struct medvl_tensor one[3], hidden, target;

        new_case(&c, 61, 33, 307);
        add_bias(&c);
        assert_int_equal(
            medvl_device_reserve(dev,
                                 medvl_head_logprob_scratch(
                                     61, 33, 307, MEDVL_DTYPE_F32),
                                 NULL),
            0);
        dev->row_invariant = true;
        run_forward(dev, &c);
        memcpy(all, c.logp->f, sizeof(all));
        for (int i = 0; i < 61; i++) {
            for (int j = 0; j < 3; j++)
                one[j] = medvl_tensor_1d(alone + j, MEDVL_DTYPE_F32, 1);
            hidden = c.hidden->t;
            hidden.data = c.hidden->f + i * hidden.stride;
            hidden.size[0] = 1;
            target = medvl_tensor_1d(c.target + i, MEDVL_DTYPE_I32, 1);
            medvl_cpu_head_logprob_forward(dev, &one[0], NULL, NULL, &one[1],
                                           &hidden, &c.head->t,
                                           tensor_of(c.bias), &target);
            assert_memory_equal(alone, all + i, sizeof(float));
        }
        dev->row_invariant = false;
        free_case(&c);
    }
}

static void a_nan_in_a_row_is_seen(void **state)
{
    (void)state;
    for (int isa = 0; isa < 2; isa++) {
        struct head_case c;

        new_case(&c, 3, 5, 700);
        c.hidden->f[2 * (5 + PAD)] = NAN;
        assert_int_equal(
            medvl_device_reserve(
                devices[isa][0],
                medvl_head_logprob_scratch(3, 5, 700, MEDVL_DTYPE_F32),
                NULL),
            0);
        run_forward(devices[isa][0], &c);
        assert_false(isnan(c.logp->f[0]));
        assert_true(isnan(c.logp->f[2]));
        free_case(&c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        OPS_TEST(equal_logits_have_the_uniform_distribution),
        OPS_TEST(backward_agrees_with_finite_differences),
        OPS_TEST(every_device_agrees_with_the_reference),
        OPS_TEST(the_bias_is_added_to_every_logit),
        OPS_TEST(narrow_heads_are_their_values),
        OPS_TEST(a_row_does_not_depend_on_its_neighbours),
        OPS_TEST(a_nan_in_a_row_is_seen),
    };

    return cmocka_run_group_tests(tests, ops_setup, ops_teardown);
}
