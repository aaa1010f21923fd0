/*
 * Views on a tape: layers with fused projections whose columns are taken as
 * views, against the same layers with a product for each part; what a view
 * keeps alive, in every mode.
 */
#include "tests/unit/check.h"

#include "lib/base/rng.h"
#include "lib/tensor/tape.h"

enum {
    N = 9, /* tokens */
    H = 2, /* heads */
    D = 6,
    C = H * D,
    LAYERS = 3,
    ITEMS = 3 * C * C + 2 * C * C + C * C + D, /* of a layer */
};

struct net {
    struct medvl_device *dev;
    struct medvl_tape *tape;
    struct medvl_param fused[LAYERS][3]; /* q k v; gate up; down */
    struct medvl_param part[LAYERS][5];  /* the same memory */
    struct medvl_param norm[LAYERS];
    float values[LAYERS * ITEMS], grads[LAYERS * ITEMS];
    float inp[N * C], dinp[N * C], weights[N * C], turns[2][N * D / 2];
    struct medvl_tensor cos, sin;
    int32_t cu[2];
    struct medvl_attention attention;
    struct medvl_error err;
};

static struct medvl_param rows_of(struct net *net, int layer, int first,
                                  int count)
{
    const int at = layer * ITEMS + first * C;
    struct medvl_param p = {.name = "w", .trained = true};

    p.value = medvl_tensor_2d(net->values + at, MEDVL_DTYPE_F32, count, C);
    p.grad = medvl_tensor_2d(net->grads + at, MEDVL_DTYPE_F32, count, C);
    return p;
}

static struct net *net_open(void)
{
    struct net *net = calloc(1, sizeof(*net));
    struct medvl_rng rng;

    assert_non_null(net);
    medvl_rng_init(&rng, 1, MEDVL_PURPOSE_TEST, 0);
    for (int i = 0; i < LAYERS * ITEMS; i++)
        net->values[i] = (float)(0.3 * medvl_rng_normal(&rng));
    for (int i = 0; i < N * C; i++) {
        net->inp[i] = (float)medvl_rng_normal(&rng);
        net->weights[i] = (float)medvl_rng_normal(&rng);
    }
    for (int i = 0; i < N * D / 2; i++) {
        net->turns[0][i] = cosf((float)i);
        net->turns[1][i] = sinf((float)i);
    }
    for (int i = 0; i < LAYERS; i++) {
        net->fused[i][0] = rows_of(net, i, 0, 3 * C);
        net->fused[i][1] = rows_of(net, i, 3 * C, 2 * C);
        net->fused[i][2] = rows_of(net, i, 5 * C, C);
        for (int j = 0; j < 5; j++)
            net->part[i][j] = rows_of(net, i, j * C, C);
        net->norm[i] = rows_of(net, i, 6 * C, 1);
        net->norm[i].value.rank = net->norm[i].grad.rank = 1;
        net->norm[i].value.size[0] = net->norm[i].grad.size[0] = D;
    }
    net->cos = medvl_tensor_2d(net->turns[0], MEDVL_DTYPE_F32, N, D / 2);
    net->sin = medvl_tensor_2d(net->turns[1], MEDVL_DTYPE_F32, N, D / 2);
    net->cu[1] = N;
    net->attention = (struct medvl_attention){
        .heads = H,
        .groups = H,
        .head_size = D,
        .sequences = 1,
        .cu_q = net->cu,
        .cu_k = net->cu,
        .max_q = N,
        .max_k = N,
        .scale = 0.4f,
        .causal = true,
    };
    CHECK_OK(medvl_device_open_cpu(&net->dev, NULL, MEDVL_ISA_AVX2,
                                   &net->err),
             &net->err);
    CHECK_OK(medvl_tape_open(&net->tape, net->dev, &net->err), &net->err);
    return net;
}

static void net_free(struct net *net)
{
    medvl_tape_free(net->tape);
    medvl_device_free(net->dev);
    free(net);
}

/* `count` parts of one product, or of one each. */
static void project(struct net *net, bool fused, int layer, int which,
                    int count, struct medvl_var *x, struct medvl_var **out)
{
    struct medvl_tape *t = net->tape;
    struct medvl_var *all = NULL;

    if (fused)
        all = medvl_tape_linear(t, x, &net->fused[layer][which], NULL);
    for (int i = 0; i < count; i++)
        out[i] = fused ? medvl_tape_columns(t, all, i * C, C)
                       : medvl_tape_linear(
                             t, x, &net->part[layer][3 * which + i], NULL);
}

/*
 * A layer gives its sum and, a view where fused, its keys: the next one
 * adds them, after the scope that made them is gone.
 */
static void layer(struct net *net, bool fused, int i, struct medvl_var **x,
                  struct medvl_var **keys)
{
    struct medvl_tape *t = net->tape;
    struct medvl_var *q[3], *gate[2], *y, *before = *x, *old = *keys;

    medvl_tape_enter(t, "layers.%d", i);
    project(net, fused, i, 0, 3, *x, q);
    *keys = q[1];
    if (old)
        q[2] = medvl_tape_add(t, old, q[2]);
    q[0] = medvl_tape_rmsnorm_heads(t, q[0], &net->norm[i], D, 1e-5f);
    y = medvl_tape_attention(
        t, medvl_tape_rope(t, q[0], &net->cos, &net->sin, D),
        medvl_tape_rope(t, q[1], &net->cos, &net->sin, D), q[2],
        &net->attention);
    y = medvl_tape_add(t, q[0], y);
    /* Apart and together again is no change. */
    if (fused)
        y = medvl_tape_join(t, medvl_tape_columns(t, y, 0, 5),
                            medvl_tape_columns(t, y, 5, C - 5));
    project(net, fused, i, 1, 2, y, gate);
    y = medvl_tape_glu(t, gate[0], gate[1], MEDVL_ACT_SILU);
    y = medvl_tape_reshape(t, y, N * H, D);
    y = medvl_tape_add(t, medvl_tape_act(t, y, MEDVL_ACT_GELU), y);
    y = medvl_tape_reshape(t, y, N, C);
    y = medvl_tape_linear(t, y, &net->fused[i][2], NULL);
    *x = medvl_tape_add(t, *x, y);
    medvl_tape_leave(t, (struct medvl_var *[]){*x, *keys}, 2);
    medvl_tape_drop(t, before);
    if (old)
        medvl_tape_drop(t, old);
}

static double run(struct net *net, bool fused,
                  const struct medvl_tape_options *options, int layers)
{
    const struct medvl_tensor inp =
        medvl_tensor_2d(net->inp, MEDVL_DTYPE_F32, N, C);
    const struct medvl_tensor seed =
        medvl_tensor_2d(net->weights, MEDVL_DTYPE_F32, N, C);
    struct medvl_tape *t = net->tape;
    struct medvl_var *x, *first, *keys = NULL;
    double loss = 0;

    memset(net->grads, 0, sizeof(net->grads));
    medvl_tape_begin(t, options, NULL);
    first = x = medvl_tape_input(t, &inp, true);
    for (int i = 0; i < layers; i++)
        layer(net, fused, i, &x, &keys);
    if (medvl_tape_check(t, &net->err) == MEDVL_OK && x->value.data)
        for (int i = 0; i < N * C; i++)
            loss += (double)net->weights[i] *
                    (double)((const float *)x->value.data)[i];
    if (medvl_tape_trains(t)) {
        medvl_tape_seed(t, x, &seed);
        medvl_tape_backward(t);
        if (medvl_tape_check(t, &net->err) == MEDVL_OK && first->grad.data)
            memcpy(net->dinp, first->grad.data, sizeof(net->dinp));
    }
    if (medvl_tape_end(t, &net->err) < 0)
        return NAN;
    return loss;
}

static const struct medvl_tape_options TRAIN = {.mode = MEDVL_TAPE_TRAIN};
static const struct medvl_tape_options INFER = {.mode = MEDVL_TAPE_INFER};

static void check_near(const float *a, const float *b, int count)
{
    double most = 0;

    for (int i = 0; i < count; i++)
        most = fmax(most, fabs((double)b[i]));
    assert_true(most > 0);
    for (int i = 0; i < count; i++)
        CHECK_CLOSE(a[i], b[i], 1e-6 * (1 + most));
}

static void fused_projections_are_their_parts(void **state)
{
    struct net *net = net_open();
    struct medvl_tape_options options = TRAIN;
    float *grads = malloc(sizeof(net->grads)), dinp[N * C];
    double loss;

    (void)state;
    assert_non_null(grads);
    loss = run(net, false, &TRAIN, LAYERS);
    memcpy(grads, net->grads, sizeof(net->grads));
    memcpy(dinp, net->dinp, sizeof(dinp));
    CHECK_CLOSE(run(net, true, &INFER, LAYERS), loss, 1e-4 * fabs(loss));
    for (int recompute = 0; recompute < 2; recompute++) {
        options.recompute = recompute;
        CHECK_CLOSE(run(net, true, &options, LAYERS), loss,
                    1e-4 * fabs(loss));
        for (int i = 0; i < LAYERS; i++)
            check_near(net->grads + i * ITEMS, grads + i * ITEMS, ITEMS);
        check_near(net->dinp, dinp, N * C);
    }
    free(grads);
    net_free(net);
}

static void recompute_of_views_gives_the_same_bits(void **state)
{
    struct net *net = net_open();
    struct medvl_tape_options options = TRAIN;
    float *grads = malloc(sizeof(net->grads));

    (void)state;
    assert_non_null(grads);
    run(net, true, &options, LAYERS);
    memcpy(grads, net->grads, sizeof(net->grads));
    options.recompute = true;
    run(net, true, &options, LAYERS);
    assert_memory_equal(grads, net->grads, sizeof(net->grads));
    free(grads);
    net_free(net);
}

static void a_plan_of_views_says_what_the_run_takes(void **state)
{
    static const enum medvl_tape_mode MODES[] = {MEDVL_TAPE_INFER,
                                                 MEDVL_TAPE_TRAIN};
    struct net *net = net_open();
    const struct medvl_tape_plan *got = medvl_tape_plan(net->tape);

    (void)state;
    for (int k = 0; k < 4; k++) {
        struct medvl_tape_options options = {.mode = MEDVL_TAPE_PLAN};
        size_t arena;

        options.train = k & 1;
        options.recompute = k & 2;
        run(net, true, &options, LAYERS);
        arena = got->arena;
        options.mode = MODES[k & 1];
        run(net, true, &options, LAYERS);
        assert_int_equal(got->arena, arena);
    }
    net_free(net);
}

/* In inference three layers take no more than two: what views kept goes. */
static void what_a_view_keeps_goes_with_it(void **state)
{
    struct net *net = net_open();
    const struct medvl_tape_options options = {.mode = MEDVL_TAPE_PLAN};
    size_t arena;

    (void)state;
    run(net, true, &options, 2);
    arena = medvl_tape_plan(net->tape)->arena;
    run(net, true, &options, 3);
    assert_int_equal(medvl_tape_plan(net->tape)->arena, arena);
    net_free(net);
}

/* A parameter of another shape, and columns of a caller's matrix. */
static void views_of_parameters_and_inputs_have_gradients(void **state)
{
    struct net *net = net_open();
    struct medvl_param *w = &net->fused[0][0];
    const struct medvl_tensor value =
        medvl_tensor_2d(net->inp, MEDVL_DTYPE_F32, N, C);
    const struct medvl_tensor seed =
        medvl_tensor_2d(net->weights, MEDVL_DTYPE_F32, N, 4);
    struct medvl_tape *t = net->tape;
    struct medvl_var *x, *twice, *table, *y;
    int32_t rows[N] = {0, 2, 4, 6, 8, 1, 3, 5, 7};
    const struct medvl_tensor index =
        medvl_tensor_1d(rows, MEDVL_DTYPE_I32, N);
    const float *dx;

    (void)state;
    medvl_tape_begin(t, &TRAIN, NULL);
    x = medvl_tape_input(t, &value, true);
    twice = medvl_tape_add(t, x, medvl_tape_reshape(t, x, N, C));
    table = medvl_tape_reshape(t, medvl_tape_param(t, w), 9 * C, 4);
    y = medvl_tape_add(t, medvl_tape_gather_rows(t, table, &index),
                       medvl_tape_columns(t, twice, 5, 4));
    medvl_tape_seed(t, y, &seed);
    medvl_tape_backward(t);
    CHECK_OK(medvl_tape_check(t, &net->err), &net->err);
    dx = x->grad.data;
    for (int i = 0; i < N; i++)
        for (int c = 0; c < C; c++) {
            const bool inside = c >= 5 && c < 9;
            const float want = inside ? net->weights[i * 4 + c - 5] : 0;

            assert_true(dx[i * C + c] == 2 * want);
            if (inside)
                assert_true(net->grads[rows[i] * 4 + c - 5] == want);
        }
    CHECK_OK(medvl_tape_end(t, &net->err), &net->err);
    net_free(net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fused_projections_are_their_parts),
        cmocka_unit_test(recompute_of_views_gives_the_same_bits),
        cmocka_unit_test(a_plan_of_views_says_what_the_run_takes),
        cmocka_unit_test(what_a_view_keeps_goes_with_it),
        cmocka_unit_test(views_of_parameters_and_inputs_have_gradients),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
