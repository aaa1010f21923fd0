/*
 * Rows taken, placed, averaged, and turned by position.  The kernels are
 * kernels/rows.c and kernels/rope.c.
 */
#include "tests/unit/ops.h"

#include "kernels/rope_ref.h"
#include "kernels/rows_ref.h"

struct rows_case {
    int64_t N, C, V, R;
    int32_t *index;
    struct medvl_tensor index_t;
    struct mat *out, *dout, *table, *dtable; /* table: (V,C), base, inp */
    struct mat *rows, *drows, *weight;       /* weight: (N,R) */
    bool base;
};

static int32_t *indices(struct rows_case *c, int64_t count)
{
    c->index = medvl_alloc((size_t)count + 1, sizeof(int32_t));
    assert_non_null(c->index);
    c->index_t = medvl_tensor_1d(c->index, MEDVL_DTYPE_I32, count);
    return c->index;
}

static void free_case(struct rows_case *c)
{
    medvl_free(c->index);
    mat_release(NULL);
}

static void run_gather(struct medvl_device *dev, void *context)
{
    struct rows_case *c = context;

    medvl_cpu_gather_rows_forward(dev, &c->out->t, &c->table->t,
                                  &c->index_t);
}

static void run_gather_backward(struct medvl_device *dev, void *context)
{
    struct rows_case *c = context;

    medvl_cpu_gather_rows_backward(dev, &c->dtable->t, &c->dout->t,
                                   &c->index_t);
    medvl_cpu_gather_rows_backward(dev, NULL, &c->dout->t, &c->index_t);
}

static void gathered_rows_are_the_table_s(void **state)
{
    static const int64_t SIZES[][3] = {
        {1, 1, 1},
        {0, 3, 2},
        {401, 131, 7},
        {53, 257, 97},
    };

    (void)state;
    for (int i = 0; i < 12; i++) {
        const int64_t N = SIZES[i / 3][0], C = SIZES[i / 3][1];
        const int64_t V = SIZES[i / 3][2];
        uint16_t *bits = medvl_alloc((size_t)(V * C), 2);
        struct rows_case c = {.N = N, .C = C, .V = V};

        assert_non_null(bits);
        indices(&c, N);
        for (int64_t j = 0; j < N; j++)
            c.index[j] = j % 5 == 3 ? -1 : (int32_t)(j * 31 % V);
        c.out = mat_new(N, C, 1);
        c.table = mat_new(V, C, 2);
        c.dout = mat_new(N, C, 3);
        c.dtable = mat_new(V, C, 4);
        if (i % 3)
            mat_round(c.table,
                      i % 3 == 1 ? MEDVL_DTYPE_BF16 : MEDVL_DTYPE_F16, bits);
        gather_rows_forward(c.out->d, c.table->d, c.index, N, C);
        on_devices("gather", run_gather, &c, &c.out, 1, 0, 0);
        gather_rows_backward(c.dtable->d, c.dout->d, c.index, N, C, C, C);
        on_devices("gather backward", run_gather_backward, &c, &c.dtable, 1,
                   0, 1e-6);
        medvl_free(bits);
        free_case(&c);
    }
}

static void run_mix(struct medvl_device *dev, void *context)
{
    struct rows_case *c = context;

    medvl_cpu_mix_rows_forward(dev, &c->out->t, &c->table->t, &c->index_t,
                               &c->weight->t);
}

static void run_mix_backward(struct medvl_device *dev, void *context)
{
    struct rows_case *c = context;

    medvl_cpu_mix_rows_backward(dev, &c->dtable->t, &c->dout->t,
                                &c->index_t, &c->weight->t);
    medvl_cpu_mix_rows_backward(dev, NULL, &c->dout->t, &c->index_t,
                                &c->weight->t);
}

static double mix_loss(void *context)
{
    struct rows_case *c = context;

    mix_rows_forward(c->out->d, c->table->d, c->index, c->weight->d, c->N,
                     c->R, c->C);
    return inner(c->out->d, c->dout->d, c->N * c->C);
}

static void mixed_rows_are_sums_of_the_table_s(void **state)
{
    static const int64_t SIZES[][4] = {
        {1, 1, 1, 1},
        {0, 3, 2, 4},
        {6, 3, 4, 5},
        {201, 131, 7, 16},
        {3, 9001, 5, 3},
    };

    (void)state;
    for (int i = 0; i < 15; i++) {
        const int64_t *s = SIZES[i / 3], N = s[0], C = s[1], V = s[2];
        uint16_t *bits = medvl_alloc((size_t)(V * C), 2);
        struct rows_case c = {.N = N, .C = C, .V = V, .R = s[3]};

        assert_non_null(bits);
        indices(&c, N * c.R);
        c.index_t = medvl_tensor_2d(c.index, MEDVL_DTYPE_I32, N, c.R);
        for (int64_t j = 0; j < N * c.R; j++)
            c.index[j] = j % 5 == 3 ? -1 : (int32_t)(j * 31 % V);
        c.out = mat_new(N, C, 1);
        c.table = mat_new(V, C, 2);
        c.dout = mat_new(N, C, 3);
        c.dtable = mat_new(V, C, 4);
        c.weight = mat_new(N, c.R, 5);
        if (i % 3)
            mat_round(c.table,
                      i % 3 == 1 ? MEDVL_DTYPE_BF16 : MEDVL_DTYPE_F16, bits);
        mix_loss(&c);
        on_devices("mix", run_mix, &c, &c.out, 1, 0, 1e-6);
        mix_rows_backward(c.dtable->d, c.dout->d, c.index, c.weight->d, N,
                          c.R, C, C, C, c.R);
        on_devices("mix backward", run_mix_backward, &c, &c.dtable, 1, 0,
                   2e-6);
        for (int64_t j = 0; j < V * C; j++)
            c.dtable->d[j] -= c.dtable->start[j];
        if (i < 9)
            check_gradient("mix", c.table->d, c.dtable->d, V * C, mix_loss,
                           &c);
        medvl_free(bits);
        free_case(&c);
    }
}

static void run_scatter(struct medvl_device *dev, void *context)
{
    struct rows_case *c = context;

    medvl_cpu_scatter_rows_forward(dev, &c->out->t,
                                   c->base ? &c->table->t : NULL,
                                   &c->rows->t, &c->index_t);
}

static void run_scatter_backward(struct medvl_device *dev, void *context)
{
    struct rows_case *c = context;

    medvl_cpu_scatter_rows_backward(dev, &c->dtable->t, NULL, &c->dout->t,
                                    &c->index_t);
    medvl_cpu_scatter_rows_backward(dev, NULL, &c->drows->t, &c->dout->t,
                                    &c->index_t);
}

static void placed_rows_replace_those_of_the_base(void **state)
{
    static const int64_t SIZES[][3] = {
        {1, 1, 1},
        {9, 3, 0},
        {401, 131, 57},
        {53, 257, 53},
    };

    (void)state;
    for (int i = 0; i < 8; i++) {
        const int64_t N = SIZES[i / 2][0], C = SIZES[i / 2][1];
        const int64_t R = SIZES[i / 2][2];
        struct rows_case c = {.N = N, .C = C, .R = R, .base = i % 2};
        uint8_t taken[401];

        indices(&c, R);
        for (int64_t j = 0; j < R; j++)
            c.index[j] = j % 5 == 3 ? -1 : (int32_t)(N - 1 - j);
        c.out = mat_new(N, C, 1);
        c.table = mat_new(N, C, 2);
        c.rows = mat_new(R, C, 3);
        c.dout = mat_new(N, C, 4);
        c.dtable = mat_new(N, C, 5);
        c.drows = mat_new(R, C, 6);
        scatter_rows_forward(c.out->d, c.base ? c.table->d : NULL, c.rows->d,
                             c.index, N, R, C);
        on_devices("scatter", run_scatter, &c, &c.out, 1, 0, 0);
        scatter_rows_backward(c.dtable->d, c.drows->d, c.dout->d, c.index,
                              taken, N, R, C);
        on_devices("scatter backward", run_scatter_backward, &c,
                   (struct mat *[]){c.dtable, c.drows}, 2,
                   medvl_scatter_rows_scratch(N), 1e-7);
        free_case(&c);
    }
}

static void run_mean(struct medvl_device *dev, void *context)
{
    struct rows_case *c = context;

    medvl_cpu_mean_rows_forward(dev, &c->out->t, &c->table->t, &c->index_t);
}

static void run_mean_backward(struct medvl_device *dev, void *context)
{
    struct rows_case *c = context;

    medvl_cpu_mean_rows_backward(dev, &c->dtable->t, &c->dout->t,
                                 &c->index_t);
}

static double mean_loss(void *context)
{
    struct rows_case *c = context;

    for (int64_t s = 0; s < c->R; s++)
        mean_rows_forward(c->out->d + s * c->C,
                          c->table->d + c->index[s] * c->C,
                          c->index[s + 1] - c->index[s], c->C, c->C);
    return inner(c->out->d, c->dout->d, c->R * c->C);
}

static void means_are_of_each_sequence(void **state)
{
    static const int64_t SIZES[][2] = {
        {1, 1},
        {7, 5},
        {83, 67},
    };

    (void)state;
    for (int i = 0; i < 3; i++) {
        const int64_t S = SIZES[i][0], C = SIZES[i][1];
        struct rows_case c = {.R = S, .C = C};

        indices(&c, S + 1);
        for (int64_t s = 0; s < S; s++)
            c.index[s + 1] = c.index[s] + 1 + (int32_t)(s * 7 % 11);
        c.out = mat_new(S, C, 1);
        c.dout = mat_new(S, C, 2);
        c.table = mat_new(c.index[S], C, 3);
        c.dtable = mat_new(c.index[S], C, 4);
        mean_loss(&c);
        on_devices("mean", run_mean, &c, &c.out, 1, 0, 1e-6);
        for (int64_t s = 0; s < S; s++)
            mean_rows_backward(c.dtable->d + c.index[s] * C,
                               c.dout->d + s * C,
                               c.index[s + 1] - c.index[s], C, C);
        on_devices("mean backward", run_mean_backward, &c, &c.dtable, 1, 0,
                   1e-6);
        for (int64_t j = 0; j < c.index[S] * C; j++)
            c.dtable->d[j] -= c.dtable->start[j];
        if (i < 2)
            check_gradient("mean", c.table->d, c.dtable->d, c.index[S] * C,
                           mean_loss, &c);
        free_case(&c);
    }
}

/* ---- rope ------------------------------------------------------------ */

struct rope_case {
    int64_t N, H, D, R;
    struct mat *out, *inp, *cos, *sin, *dout, *dinp;
};

static double rope_loss(void *context)
{
    struct rope_case *c = context;
    const int64_t C = c->H * c->D;

    for (int64_t i = 0; i < c->N; i++)
        rope_forward(c->out->d + i * C, c->inp->d + i * C,
                     c->cos->d + i * c->R / 2, c->sin->d + i * c->R / 2,
                     c->H, c->D, c->R);
    return inner(c->out->d, c->dout->d, c->N * C);
}

static void run_rope(struct medvl_device *dev, void *context)
{
    struct rope_case *c = context;

    medvl_cpu_rope_forward(dev, &c->out->t, &c->inp->t, &c->cos->t,
                           &c->sin->t, c->D);
}

static void run_rope_in_place(struct medvl_device *dev, void *context)
{
    struct rope_case *c = context;

    mat_rewind(c->inp);
    medvl_cpu_rope_forward(dev, &c->inp->t, &c->inp->t, &c->cos->t,
                           &c->sin->t, c->D);
    memcpy(c->out->f, c->inp->f,
           (size_t)(c->N * (c->inp->cols + PAD)) * sizeof(float));
    mat_rewind(c->inp);
}

static void run_rope_backward(struct medvl_device *dev, void *context)
{
    struct rope_case *c = context;

    medvl_cpu_rope_backward(dev, &c->dinp->t, &c->dout->t, &c->cos->t,
                            &c->sin->t, c->D);
}

static void a_quarter_turn_exchanges_the_halves(void **state)
{
    const double inp[3] = {1, 2, 3}, cos0[1] = {0}, sin1[1] = {1};
    double out[3];

    (void)state;
    rope_forward(out, inp, cos0, sin1, 1, 3, 2);
    assert_true(out[0] == -2 && out[1] == 1 && out[2] == 3);
}

static void rope_turns_and_turns_back(void **state)
{
    static const int64_t SIZES[][4] = {
        {1, 1, 2, 2},
        {0, 2, 4, 4},
        {3, 2, 7, 4},
        {257, 5, 38, 38},
    };

    (void)state;
    for (int i = 0; i < 4; i++) {
        const int64_t *s = SIZES[i], C = s[1] * s[2];
        struct rope_case c = {.N = s[0], .H = s[1], .D = s[2], .R = s[3]};

        c.out = mat_new(c.N, C, 1);
        c.inp = mat_new(c.N, C, 2);
        c.cos = mat_new(c.N, c.R / 2, 3);
        c.sin = mat_new(c.N, c.R / 2, 4);
        c.dout = mat_new(c.N, C, 5);
        c.dinp = mat_new(c.N, C, 6);
        rope_loss(&c);
        on_devices("rope", run_rope, &c, &c.out, 1, 0, 1e-6);
        on_devices("in place", run_rope_in_place, &c, &c.out, 1, 0, 1e-6);
        for (int64_t j = 0; j < c.N; j++)
            rope_backward(c.dinp->d + j * C, c.dout->d + j * C,
                          c.cos->d + j * c.R / 2, c.sin->d + j * c.R / 2,
                          c.H, c.D, c.R);
        on_devices("rope backward", run_rope_backward, &c, &c.dinp, 1, 0,
                   1e-6);
        for (int64_t j = 0; j < c.N * C; j++)
            c.dinp->d[j] -= c.dinp->start[j];
        if (i < 3)
            check_gradient("rope", c.inp->d, c.dinp->d, c.N * C, rope_loss,
                           &c);
        mat_release(NULL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        OPS_TEST(gathered_rows_are_the_table_s),
        OPS_TEST(mixed_rows_are_sums_of_the_table_s),
        OPS_TEST(placed_rows_replace_those_of_the_base),
        OPS_TEST(means_are_of_each_sequence),
        OPS_TEST(a_quarter_turn_exchanges_the_halves),
        OPS_TEST(rope_turns_and_turns_back),
    };

    return cmocka_run_group_tests(tests, ops_setup, ops_teardown);
}
