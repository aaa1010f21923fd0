/* Attention.  The kernels are kernels/attention.c. */
#include "tests/unit/ops.h"

#include "kernels/attention_ref.h"

#define SEQUENCES 5

struct attention_case {
    struct medvl_attention at;
    int32_t cu_q[SEQUENCES + 1], cu_k[SEQUENCES + 1];
    int64_t Nq, Nk;
    uint8_t *mask;
    int32_t *pages;
    struct mat *out, *lse, *q, *k, *v, *dout, *dq, *dk, *dv;
};

struct shape {
    int64_t H, G, D;
    int64_t queries[SEQUENCES], keys[SEQUENCES];
    bool causal;
    int64_t window;
    bool mask;
};

static void new_case(struct attention_case *c, const struct shape *s)
{
    const int64_t H = s->H, G = s->G, D = s->D;

    memset(c, 0, sizeof(*c));
    c->at.heads = H;
    c->at.groups = G;
    c->at.head_size = D;
    c->at.sequences = SEQUENCES;
    c->at.causal = s->causal;
    c->at.window = s->window;
    c->at.scale = (float)(1 / sqrt((double)D));
    c->at.cu_q = c->cu_q;
    c->at.cu_k = c->cu_k;
    for (int i = 0; i < SEQUENCES; i++) {
        c->cu_q[i + 1] = c->cu_q[i] + (int32_t)s->queries[i];
        c->cu_k[i + 1] = c->cu_k[i] + (int32_t)s->keys[i];
        c->at.max_q = s->queries[i] > c->at.max_q ? s->queries[i] : c->at.max_q;
        c->at.max_k = s->keys[i] > c->at.max_k ? s->keys[i] : c->at.max_k;
    }
    c->Nq = c->cu_q[SEQUENCES];
    c->Nk = c->cu_k[SEQUENCES];
    c->mask = medvl_alloc((size_t)c->Nk + 1, 1);
    assert_non_null(c->mask);
    for (int64_t j = 0; j < c->Nk; j++) /* the second sequence sees none */
        c->mask[j] = (j < c->cu_k[1] || j >= c->cu_k[2]) && j * j % 7 != 2;
    c->at.key_mask = s->mask ? c->mask : NULL;
    c->out = mat_new(c->Nq, H * D, 1);
    c->lse = mat_new(c->Nq, H, 2);
    c->q = mat_new(c->Nq, H * D, 3);
    c->k = mat_new(c->Nk, G * D, 4);
    c->v = mat_new(c->Nk, G * D, 5);
    c->dout = mat_new(c->Nq, H * D, 6);
    c->dq = mat_new(c->Nq, H * D, 7);
    c->dk = mat_new(c->Nk, G * D, 8);
    c->dv = mat_new(c->Nk, G * D, 9);
}

static void free_case(struct attention_case *c)
{
    medvl_free(c->mask);
    medvl_free(c->pages);
    mat_release(NULL);
}

static void reference_forward(struct attention_case *c)
{
    const int64_t H = c->at.heads, G = c->at.groups, D = c->at.head_size;

    for (int64_t s = 0; s < SEQUENCES; s++)
        for (int64_t i = c->cu_q[s]; i < c->cu_q[s + 1]; i++)
            for (int64_t h = 0; h < H; h++)
                attention_forward(c->out->d + i * H * D + h * D,
                                  c->lse->d + i * H + h,
                                  c->q->d + i * H * D + h * D,
                                  c->k->d + h / (H / G) * D,
                                  c->v->d + h / (H / G) * D, false, G * D,
                                  G * D, &c->at, s, i - c->cu_q[s]);
}

static void reference_backward(struct attention_case *c)
{
    const int64_t H = c->at.heads, G = c->at.groups, D = c->at.head_size;

    for (int64_t s = 0; s < SEQUENCES; s++)
        for (int64_t i = c->cu_q[s]; i < c->cu_q[s + 1]; i++)
            for (int64_t h = 0; h < H; h++) {
                const int64_t q = i * H * D + h * D, g = h / (H / G) * D;

                attention_backward(c->dq->d + q, c->dk->d + g, c->dv->d + g,
                                   c->dout->d + q, c->out->d + q,
                                   c->lse->d[i * H + h], c->q->d + q,
                                   c->k->d + g, c->v->d + g, G * D, G * D,
                                   G * D, G * D, &c->at, s, i - c->cu_q[s]);
            }
}

static double loss(void *context)
{
    struct attention_case *c = context;

    reference_forward(c);
    return inner(c->out->d, c->dout->d, c->out->rows * c->out->cols);
}

static void run_forward(struct medvl_device *dev, void *context)
{
    struct attention_case *c = context;

    medvl_cpu_attention_forward(dev, &c->out->t, &c->lse->t, &c->q->t,
                                &c->k->t, &c->v->t, &c->at);
}

static void run_backward(struct medvl_device *dev, void *context)
{
    struct attention_case *c = context;

    medvl_cpu_attention_backward(dev, &c->dq->t, &c->dk->t, &c->dv->t,
                                 &c->dout->t, &c->out->t, &c->lse->t,
                                 &c->q->t, &c->k->t, &c->v->t, &c->at);
}

static void two_equal_keys_share_the_weight(void **state)
{
    const int32_t cu_q[2] = {0, 1}, cu_k[2] = {0, 2};
    const double q[1] = {2}, k[2] = {3, 3}, v[2] = {1, 5};
    const struct medvl_attention at = {
        .heads = 1,
        .groups = 1,
        .head_size = 1,
        .sequences = 1,
        .cu_q = cu_q,
        .cu_k = cu_k,
        .scale = 1,
    };
    double out, lse;

    (void)state;
    attention_forward(&out, &lse, q, k, v, false, 1, 1, &at, 0, 0);
    CHECK_CLOSE(out, 3, 1e-15);
    CHECK_CLOSE(lse, 6 + log(2), 1e-15);
}

static void backward_agrees_with_finite_differences(void **state)
{
    static const struct shape shapes[] = {
        {4, 2, 3, {3, 0, 2, 1, 1}, {3, 2, 4, 1, 0}, true, 0, false},
        {2, 2, 5, {2, 3, 1, 1, 0}, {4, 3, 2, 1, 0}, true, 2, true},
        {3, 1, 2, {2, 1, 1, 1, 0}, {5, 1, 1, 2, 1}, false, 0, true},
    };

    (void)state;
    for (int i = 0; i < 3; i++) {
        struct attention_case c;

        new_case(&c, &shapes[i]);
        memset(c.dq->d, 0, (size_t)(c.Nq * c.q->cols) * sizeof(double));
        memset(c.dk->d, 0, (size_t)(c.Nk * c.k->cols) * sizeof(double));
        memset(c.dv->d, 0, (size_t)(c.Nk * c.k->cols) * sizeof(double));
        reference_forward(&c);
        reference_backward(&c);
        check_gradient("q", c.q->d, c.dq->d, c.Nq * c.q->cols, loss, &c);
        check_gradient("k", c.k->d, c.dk->d, c.Nk * c.k->cols, loss, &c);
        check_gradient("v", c.v->d, c.dv->d, c.Nk * c.k->cols, loss, &c);
        free_case(&c);
    }
}

static const struct shape SHAPES[] = {
    {1, 1, 1, {1, 0, 0, 0, 0}, {1, 0, 0, 0, 0}, false, 0, false},
    {2, 1, 16, {5, 1, 0, 7, 2}, {5, 9, 3, 7, 0}, false, 0, false},
    {6, 2, 20, {65, 3, 1, 0, 130}, {65, 200, 64, 5, 131}, true, 0, false},
    {4, 4, 64, {129, 64, 63, 1, 2}, {129, 64, 70, 128, 2}, true, 0, false},
    {3, 1, 72, {70, 20, 5, 3, 1}, {170, 300, 5, 3, 19}, true, 37, false},
    {2, 2, 33, {67, 65, 3, 3, 1}, {67, 129, 70, 3, 19}, true, 65, true},
    {5, 1, 8, {19, 31, 2, 1, 1}, {128, 70, 65, 1, 2}, false, 0, true},
    {70, 1, 12, {3, 1, 0, 0, 0}, {67, 5, 0, 0, 0}, true, 0, false},
};
#define SHAPE_COUNT (int)(sizeof(SHAPES) / sizeof(*SHAPES))

static void every_device_agrees_with_the_reference(void **state)
{
    (void)state;
    for (int i = 0; i < SHAPE_COUNT; i++) {
        struct attention_case c;

        new_case(&c, &SHAPES[i]);
        reference_forward(&c);
        on_devices("forward", run_forward, &c,
                   (struct mat *[]){c.out, c.lse}, 2, 0, 2e-6);
        memcpy(c.out->start, c.out->d,
               (size_t)(c.Nq * c.q->cols) * sizeof(double));
        memcpy(c.lse->start, c.lse->d,
               (size_t)(c.Nq * c.lse->cols) * sizeof(double));
        mat_rewind(c.out);
        mat_rewind(c.lse);
        reference_backward(&c);
        on_devices("backward", run_backward, &c,
                   (struct mat *[]){c.dq, c.dk, c.dv}, 3,
                   medvl_attention_scratch(&c.at, c.Nq, true), 3e-6);
        free_case(&c);
    }
}

/* The keys of SHAPES[i] moved into pages of `page` rows, last page first. */
static void to_pages(struct attention_case *c, struct mat *from,
                     struct mat *to, int64_t page)
{
    for (int64_t s = 0; s < SEQUENCES; s++)
        for (int64_t j = 0; j < c->cu_k[s + 1] - c->cu_k[s]; j++)
            memcpy(to->f + attention_row(&c->at, s, j) * (to->cols + PAD),
                   from->f + (c->cu_k[s] + j) * (from->cols + PAD),
                   (size_t)from->cols * sizeof(float));
    (void)page;
}

static void keys_in_pages_give_the_same_bits(void **state)
{
    enum { PAGE = 16 };

    (void)state;
    for (int i = 0; i < SHAPE_COUNT; i++) {
        struct attention_case c;
        struct mat *k, *v;
        float *dense;
        size_t size;
        int64_t each, all;

        new_case(&c, &SHAPES[i]);
        each = (c.at.max_k + PAGE - 1) / PAGE;
        all = each * SEQUENCES;
        c.pages = medvl_alloc((size_t)all + 1, sizeof(int32_t));
        assert_non_null(c.pages);
        for (int64_t p = 0; p < all; p++)
            c.pages[p] = (int32_t)(all - 1 - p);
        c.at.pages_each = each;
        c.at.page = PAGE;
        size = (size_t)(c.Nq * (c.out->cols + PAD)) * sizeof(float);
        dense = medvl_alloc(1, size);
        assert_non_null(dense);
        k = mat_new(all * PAGE, c.k->cols, 20);
        v = mat_new(all * PAGE, c.k->cols, 21);
        for (int isa = 0; isa < 2; isa++) {
            c.at.pages = NULL;
            run_forward(devices[isa][1], &c);
            memcpy(dense, c.out->f, size);
            c.at.pages = c.pages;
            to_pages(&c, c.k, k, PAGE);
            to_pages(&c, c.v, v, PAGE);
            mat_rewind(c.out);
            medvl_cpu_attention_forward(devices[isa][1], &c.out->t, NULL,
                                        &c.q->t, &k->t, &v->t, &c.at);
            assert_memory_equal(dense, c.out->f, size);
        }
        medvl_free(dense);
        free_case(&c);
    }
}

static void bf16_keys_are_their_values(void **state)
{
    struct attention_case c;
    uint16_t *k, *v;

    (void)state;
    new_case(&c, &SHAPES[2]);
    k = medvl_alloc((size_t)(c.Nk * c.k->cols), 2);
    v = medvl_alloc((size_t)(c.Nk * c.k->cols), 2);
    assert_true(k && v);
    mat_round(c.k, MEDVL_DTYPE_BF16, k);
    mat_round(c.v, MEDVL_DTYPE_BF16, v);
    reference_forward(&c);
    on_devices("bf16", run_forward, &c, (struct mat *[]){c.out, c.lse}, 2, 0,
               2e-6);
    medvl_free(k);
    medvl_free(v);
    free_case(&c);
}

/*
 * Each query of a sequence asked alone, with the keys it sees, as when
 * generating: the same bits as among its neighbours.
 */
static void a_query_does_not_depend_on_its_neighbours(void **state)
{
    static const int WHICH[] = {2, 3, 4};

    (void)state;
    for (int n = 0; n < 6; n++) {
        struct medvl_device *dev = devices[n % 2][1];
        struct attention_case c;
        struct medvl_attention one;
        float alone[4 * 72];

        new_case(&c, &SHAPES[WHICH[n / 2]]);
        run_forward(dev, &c);
        one = c.at;
        one.sequences = 1;
        one.max_q = 1;
        for (int64_t s = 0; s < SEQUENCES; s++)
            for (int64_t i = c.cu_q[s]; i < c.cu_q[s + 1]; i++) {
                const int64_t here = c.cu_k[s + 1] - (c.cu_q[s + 1] - i);
                const int32_t cu_q[2] = {0, 1};
                const int32_t cu_k[2] = {0, (int32_t)(here + 1 - c.cu_k[s])};
                struct medvl_tensor out, q = c.q->t, k = c.k->t, v = c.v->t;

                out = medvl_tensor_2d(alone, MEDVL_DTYPE_F32, 1, q.size[1]);
                q.data = c.q->f + i * q.stride;
                q.size[0] = 1;
                k.data = c.k->f + c.cu_k[s] * k.stride;
                v.data = c.v->f + c.cu_k[s] * v.stride;
                one.cu_q = cu_q;
                one.cu_k = cu_k;
                one.max_k = cu_k[1];
                medvl_cpu_attention_forward(dev, &out, NULL, &q, &k, &v,
                                            &one);
                assert_memory_equal(alone, c.out->f + i * c.out->t.stride,
                                    (size_t)q.size[1] * sizeof(float));
            }
        free_case(&c);
    }
}

static void a_nan_in_a_key_is_seen(void **state)
{
    (void)state;
    for (int isa = 0; isa < 2; isa++) {
        struct attention_case c;

        new_case(&c, &SHAPES[1]);
        c.k->f[2 * (c.k->cols + PAD)] = NAN;
        run_forward(devices[isa][0], &c);
        assert_true(isnan(c.out->f[0]));
        free_case(&c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        OPS_TEST(two_equal_keys_share_the_weight),
        OPS_TEST(backward_agrees_with_finite_differences),
        OPS_TEST(every_device_agrees_with_the_reference),
        OPS_TEST(keys_in_pages_give_the_same_bits),
        OPS_TEST(bf16_keys_are_their_values),
        OPS_TEST(a_query_does_not_depend_on_its_neighbours),
        OPS_TEST(a_nan_in_a_key_is_seen),
    };

    return cmocka_run_group_tests(tests, ops_setup, ops_teardown);
}
