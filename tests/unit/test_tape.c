/*
 * The tape, on a small network that uses most operations: a table, layers
 * with norm, product, activation, dropout and sum, a splice, a head.
 */
#include "tests/unit/check.h"

#include "lib/base/rng.h"
#include "lib/tensor/tape.h"

enum {
    N = 7,  /* tokens */
    C = 12, /* channels */
    V = 11, /* vocabulary */
    LAYERS = 6,
    T = 3,     /* rows mixed for each token */
    LAYER = 5, /* parameters of a layer */
    FIRST = 4, /* parameter of the first */
    PARAMS = FIRST + LAYER * LAYERS,
    ITEMS = 2 * V * C + C + V + LAYERS * (2 * C * C + 3 * C),
};

struct net {
    struct medvl_device *dev;
    struct medvl_tape *tape;
    struct medvl_param params[PARAMS];
    char names[PARAMS][32];
    float values[ITEMS], grads[ITEMS];
    int32_t ids[N], targets[N], places[2], mixed[N * T];
    float shares[N * T];
    struct medvl_tensor id_tensor, target_tensor, place_tensor;
    struct medvl_tensor mixed_tensor, share_tensor;
    struct medvl_tensor logp_weight, entropy_weight;
    float weights[2][N];
    int count, used;
    struct medvl_error err;
};

static void add_param(struct net *net, const char *name, int layer, int rows,
                      int columns)
{
    struct medvl_param *p = &net->params[net->count];

    snprintf(net->names[net->count], 32, "%s.%d", name, layer);
    p->name = net->names[net->count++];
    p->value = rows ? medvl_tensor_2d(net->values + net->used,
                                      MEDVL_DTYPE_F32, rows, columns)
                    : medvl_tensor_1d(net->values + net->used,
                                      MEDVL_DTYPE_F32, columns);
    p->grad = p->value;
    p->grad.data = net->grads + net->used;
    p->trained = true;
    net->used += (rows ? rows : 1) * columns;
}

static struct net *net_open(void)
{
    struct net *net = calloc(1, sizeof(*net));
    struct medvl_rng rng;

    assert_non_null(net);
    add_param(net, "table", 0, V, C);
    add_param(net, "last", 0, 0, C);
    add_param(net, "head", 0, V, C);
    add_param(net, "head bias", 0, 0, V);
    for (int i = 0; i < LAYERS; i++) {
        add_param(net, "norm", i, 0, C);
        add_param(net, "up", i, C, C);
        add_param(net, "bias", i, 0, C);
        add_param(net, "down", i, C, C);
        add_param(net, "scale", i, 0, C);
    }
    assert_int_equal(net->used, ITEMS);
    medvl_rng_init(&rng, 1, MEDVL_PURPOSE_TEST, 0);
    for (int i = 0; i < ITEMS; i++)
        net->values[i] = (float)(0.4 * medvl_rng_normal(&rng));
    for (int i = 0; i < N; i++) {
        net->ids[i] = (int32_t)medvl_rng_below(&rng, V);
        net->targets[i] = i == 2 ? -1 : (int32_t)medvl_rng_below(&rng, V);
        net->weights[0][i] = (float)medvl_rng_normal(&rng);
        net->weights[1][i] = (float)medvl_rng_normal(&rng);
    }
    for (int i = 0; i < N * T; i++) {
        net->mixed[i] = (int32_t)medvl_rng_below(&rng, V + 1) - 1;
        net->shares[i] = (float)medvl_rng_normal(&rng);
    }
    net->mixed_tensor = medvl_tensor_2d(net->mixed, MEDVL_DTYPE_I32, N, T);
    net->share_tensor = medvl_tensor_2d(net->shares, MEDVL_DTYPE_F32, N, T);
    net->places[0] = 4;
    net->places[1] = 1;
    net->id_tensor = medvl_tensor_1d(net->ids, MEDVL_DTYPE_I32, N);
    net->target_tensor = medvl_tensor_1d(net->targets, MEDVL_DTYPE_I32, N);
    net->place_tensor = medvl_tensor_1d(net->places, MEDVL_DTYPE_I32, 2);
    net->logp_weight = medvl_tensor_1d(net->weights[0], MEDVL_DTYPE_F32, N);
    net->entropy_weight = medvl_tensor_1d(net->weights[1], MEDVL_DTYPE_F32,
                                          N);
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

static struct medvl_var *layer(struct net *net, int i, struct medvl_var *x)
{
    struct medvl_param *p = &net->params[FIRST + LAYER * i];
    struct medvl_tape *t = net->tape;
    struct medvl_var *y, *z, *before = x;

    medvl_tape_enter(t, "layers.%d", i);
    y = medvl_tape_rmsnorm(t, x, &p[0], 1e-5f);
    y = medvl_tape_linear(t, y, &p[1], &p[2]);
    z = medvl_tape_act(t, y, MEDVL_ACT_GELU);
    y = medvl_tape_glu(t, y, z, MEDVL_ACT_SILU);
    y = medvl_tape_linear(t, y, &p[3], NULL);
    y = medvl_tape_scale(t, y, &p[4]);
    y = medvl_tape_dropout(t, y);
    x = medvl_tape_add(t, x, y);
    medvl_tape_leave(t, &x, 1);
    medvl_tape_drop(t, before);
    return x;
}

/* Sum of logp and entropy with random weights; their gradients. */
static double run(struct net *net, const struct medvl_tape_options *options,
                  const struct medvl_tape_plan *plan, int layers)
{
    struct medvl_tape *t = net->tape;
    struct medvl_var *x, *rows, *logp, *entropy;
    double loss = 0;

    memset(net->grads, 0, sizeof(net->grads));
    medvl_tape_begin(t, options, plan);
    rows = medvl_tape_param(t, &net->params[0]);
    x = medvl_tape_add(
        t, medvl_tape_gather_rows(t, rows, &net->id_tensor),
        medvl_tape_mix_rows(t, rows, &net->mixed_tensor,
                            &net->share_tensor));
    rows = medvl_tape_gather_rows(t, x, &net->place_tensor);
    rows = medvl_tape_add(t, rows, rows);
    x = medvl_tape_scatter_rows(t, x, rows, &net->place_tensor);
    for (int i = 0; i < layers; i++)
        x = layer(net, i, x);
    x = medvl_tape_rmsnorm(t, x, &net->params[1], 1e-5f);
    logp = medvl_tape_head_logprob(t, &entropy, NULL, x, &net->params[2],
                                   &net->params[3], &net->target_tensor);
    if (medvl_tape_check(t, &net->err) == MEDVL_OK && logp->value.data)
        for (int i = 0; i < N; i++) {
            const float *a = logp->value.data, *b = entropy->value.data;

            loss += (double)net->weights[0][i] * (double)a[i] +
                    (double)net->weights[1][i] * (double)b[i];
        }
    if (medvl_tape_trains(t)) {
        medvl_tape_seed(t, logp, &net->logp_weight);
        medvl_tape_seed(t, entropy, &net->entropy_weight);
        medvl_tape_backward(t);
    }
    if (medvl_tape_end(t, &net->err) < 0)
        return NAN;
    return loss;
}

static const struct medvl_tape_options TRAIN = {.mode = MEDVL_TAPE_TRAIN};
static const struct medvl_tape_options INFER = {.mode = MEDVL_TAPE_INFER};

static void gradients_agree_with_finite_differences(void **state)
{
    struct net *net = net_open();
    float *grads = malloc(sizeof(net->grads));
    const float h = 1e-2f;
    struct medvl_rng rng;

    (void)state;
    assert_non_null(grads);
    run(net, &TRAIN, NULL, LAYERS);
    memcpy(grads, net->grads, sizeof(net->grads));
    medvl_rng_init(&rng, 2, MEDVL_PURPOSE_TEST, 0);
    for (int k = 0; k < 300; k++) {
        const int i = (int)medvl_rng_below(&rng, ITEMS);
        const float x = net->values[i];
        double up, down;

        net->values[i] = x + h;
        up = run(net, &INFER, NULL, LAYERS);
        net->values[i] = x - h;
        down = run(net, &INFER, NULL, LAYERS);
        net->values[i] = x;
        CHECK_CLOSE(grads[i], (up - down) / (2 * (double)h),
                    2e-3 + 5e-3 * fabs((double)grads[i]));
    }
    free(grads);
    net_free(net);
}

static void recompute_gives_the_same_bits(void **state)
{
    struct net *net = net_open();
    struct medvl_tape_options options = TRAIN;
    float *grads = malloc(sizeof(net->grads));
    size_t arena;
    double loss;

    (void)state;
    assert_non_null(grads);
    options.dropout = 0.25f;
    options.seed = 3;
    options.step = 5;
    loss = run(net, &options, NULL, LAYERS);
    memcpy(grads, net->grads, sizeof(net->grads));
    options.mode = MEDVL_TAPE_PLAN;
    options.train = true;
    run(net, &options, NULL, LAYERS);
    arena = medvl_tape_plan(net->tape)->arena;
    options.recompute = true;
    run(net, &options, NULL, LAYERS);
    assert_true(medvl_tape_plan(net->tape)->arena < arena);
    options.mode = MEDVL_TAPE_TRAIN;
    assert_true(run(net, &options, NULL, LAYERS) == loss);
    assert_memory_equal(grads, net->grads, sizeof(net->grads));
    options.step = 6;
    assert_true(run(net, &options, NULL, LAYERS) != loss);
    free(grads);
    net_free(net);
}

static void a_plan_says_what_the_run_takes(void **state)
{
    static const enum medvl_tape_mode MODES[] = {MEDVL_TAPE_INFER,
                                                 MEDVL_TAPE_TRAIN};
    struct net *net = net_open();

    (void)state;
    for (int k = 0; k < 4; k++) {
        struct medvl_tape_options options = {.mode = MEDVL_TAPE_PLAN};
        struct medvl_tape_plan plan;
        const struct medvl_tape_plan *got = medvl_tape_plan(net->tape);

        options.train = k & 1;
        options.recompute = k & 2;
        options.dropout = 0.1f;
        run(net, &options, NULL, LAYERS);
        plan = *got;
        assert_true(plan.arena > 0 && plan.flops > 0);
        options.mode = MODES[k & 1];
        run(net, &options, &plan, LAYERS);
        assert_int_equal(got->arena, plan.arena);
        assert_int_equal(got->scratch, plan.scratch);
        assert_int_equal(got->ops, plan.ops);
        assert_true(got->flops == plan.flops);
    }
    net_free(net);
}

static void inference_gives_back_memory_at_the_end_of_a_scope(void **state)
{
    struct net *net = net_open();
    const struct medvl_tape_options options = {.mode = MEDVL_TAPE_PLAN};
    size_t arena[2];

    (void)state;
    run(net, &options, NULL, 2);
    arena[0] = medvl_tape_plan(net->tape)->arena;
    run(net, &options, NULL, LAYERS);
    arena[1] = medvl_tape_plan(net->tape)->arena;
    assert_int_equal(arena[0], arena[1]);
    net_free(net);
}

static void frozen_parameters_get_no_gradient(void **state)
{
    struct net *net = net_open();
    struct medvl_tape_options options = TRAIN;
    int frozen = 0;

    (void)state;
    options.recompute = true;
    for (int i = 0; i < PARAMS; i++)
        net->params[i].trained = i == 2 || i >= FIRST + LAYER * (LAYERS - 1);
    run(net, &options, NULL, LAYERS);
    assert_int_equal(net->err.code, MEDVL_OK);
    for (int i = 0; i < PARAMS; i++) {
        const float *g = net->params[i].grad.data;

        assert_int_equal(net->params[i].trained, g[0] != 0);
        frozen += !net->params[i].trained;
    }
    assert_true(frozen > 0);
    net_free(net);
}

static void a_wrong_shape_dies_in_the_plan_by_name(void **state)
{
    struct net *net = net_open();
    const struct medvl_tape_options options = {.mode = MEDVL_TAPE_PLAN};

    (void)state;
    net->params[FIRST + LAYER * 2 + 1].value.size[1] = C + 1;
    assert_true(isnan(run(net, &options, NULL, LAYERS)));
    assert_int_equal(net->err.code, MEDVL_EARG);
    assert_string_equal(net->err.text, "layers.2: linear up.2: input has 12 "
                                       "channels, want 13");
    /* The tape is as new afterwards. */
    net->params[FIRST + LAYER * 2 + 1].value.size[1] = C;
    assert_false(isnan(run(net, &INFER, NULL, LAYERS)));
    net->params[2].value.dtype = MEDVL_DTYPE_U8;
    assert_true(isnan(run(net, &options, NULL, LAYERS)));
    assert_int_equal(net->err.code, MEDVL_EUNSUPPORTED);
    assert_non_null(strstr(net->err.text, "head.0"));
    net_free(net);
}

static void a_value_that_is_not_finite_is_named(void **state)
{
    struct net *net = net_open();
    struct medvl_tape_options options = TRAIN;
    float *down = net->params[FIRST + LAYER * 3 + 3].value.data;

    (void)state;
    options.check_finite = true;
    assert_false(isnan(run(net, &options, NULL, LAYERS)));
    down[5] = INFINITY;
    assert_true(isnan(run(net, &options, NULL, LAYERS)));
    assert_non_null(strstr(net->err.text, "layers.3: linear down.3"));
    net_free(net);
}

/*
 * Scopes whose first sums save nothing: what stands before a scope is
 * needed again only because it is replayed.
 */
static void run_sums(struct net *net, int scopes,
                     const struct medvl_tape_options *options, float dx[4])
{
    float data[4] = {1e-3f, -1e-3f, 2e-3f, 3e-3f}, ones[4] = {1, 1, 1, 1};
    const struct medvl_tensor value = medvl_tensor_2d(data, MEDVL_DTYPE_F32,
                                                      1, 4);
    const struct medvl_tensor seed = medvl_tensor_2d(ones, MEDVL_DTYPE_F32,
                                                     1, 4);
    struct medvl_tape *t = net->tape;
    struct medvl_var *x, *y, *before;

    medvl_tape_begin(t, options, NULL);
    x = medvl_tape_input(t, &value, true);
    y = medvl_tape_add(t, x, x);
    for (int i = 0; i < scopes; i++) {
        before = y;
        medvl_tape_enter(t, "sums.%d", i);
        for (int k = 0; k < 5; k++)
            y = medvl_tape_add(t, y, y);
        y = medvl_tape_act(t, y, MEDVL_ACT_GELU);
        y = medvl_tape_add(t, y, y);
        medvl_tape_leave(t, &y, 1);
        medvl_tape_drop(t, before);
    }
    medvl_tape_seed(t, y, &seed);
    medvl_tape_backward(t);
    CHECK_OK(medvl_tape_check(t, &net->err), &net->err);
    if (x->grad.data)
        memcpy(dx, x->grad.data, 4 * sizeof(*dx));
    CHECK_OK(medvl_tape_end(t, &net->err), &net->err);
}

static void a_replayed_scope_keeps_its_inputs_and_nothing_else(void **state)
{
    struct net *net = net_open();
    struct medvl_tape_options options = TRAIN;
    float kept[4] = {0}, replayed[4] = {0};
    size_t arena[3];

    (void)state;
    run_sums(net, 3, &options, kept);
    options.recompute = true;
    run_sums(net, 3, &options, replayed);
    assert_true(kept[0] != 0);
    assert_memory_equal(kept, replayed, sizeof(kept));
    options.mode = MEDVL_TAPE_PLAN;
    options.train = true;
    for (int i = 0; i < 3; i++) {
        run_sums(net, 4 + 4 * i, &options, kept);
        arena[i] = medvl_tape_plan(net->tape)->arena;
    }
    /* A scope more costs its input: one place (64 bytes, and a gap of as
     * many in debug builds). */
    assert_int_equal(arena[2] - arena[1], arena[1] - arena[0]);
    assert_true(arena[1] - arena[0] == (size_t)4 * 128 ||
                arena[1] - arena[0] == (size_t)4 * 64);
    net_free(net);
}

/* x into two sums; a part of the scope before is frozen. */
static void run_shared(struct net *net, bool recompute, float dx[4])
{
    float data[4] = {0.5f, -1, 2, 0.25f}, ones[4] = {1, 1, 1, 1};
    const struct medvl_tensor value = medvl_tensor_2d(data, MEDVL_DTYPE_F32,
                                                      1, 4);
    const struct medvl_tensor seed = medvl_tensor_2d(ones, MEDVL_DTYPE_F32,
                                                     1, 4);
    struct medvl_tape_options options = TRAIN;
    struct medvl_tape *t = net->tape;
    struct medvl_var *x, *frozen, *y;

    options.recompute = recompute;
    medvl_tape_begin(t, &options, NULL);
    x = medvl_tape_input(t, &value, true);
    medvl_tape_enter(t, "outer");
    medvl_tape_enter(t, "frozen");
    frozen = medvl_tape_act(t, medvl_tape_input(t, &value, false),
                            MEDVL_ACT_SILU);
    medvl_tape_leave(t, &frozen, 1);
    y = medvl_tape_add(t, x, frozen);
    y = medvl_tape_act(t, y, MEDVL_ACT_GELU);
    y = medvl_tape_add(t, x, y);
    medvl_tape_leave(t, &y, 1);
    medvl_tape_seed(t, y, &seed);
    medvl_tape_backward(t);
    CHECK_OK(medvl_tape_check(t, &net->err), &net->err);
    memcpy(dx, x->grad.data, 4 * sizeof(*dx));
    CHECK_OK(medvl_tape_end(t, &net->err), &net->err);
}

static double gelu_slope(double x)
{
    return (1 + erf(x / sqrt(2))) / 2 +
           x * exp(-x * x / 2) / sqrt(2 * 3.14159265358979);
}

static void a_variable_used_twice_gets_both_gradients(void **state)
{
    const double data[4] = {0.5, -1, 2, 0.25};
    struct net *net = net_open();
    float dx[4];

    (void)state;
    for (int recompute = 0; recompute < 2; recompute++) {
        run_shared(net, recompute, dx);
        for (int i = 0; i < 4; i++) {
            const double z = data[i] + data[i] / (1 + exp(-data[i]));

            CHECK_CLOSE(dx[i], 1 + gelu_slope(z), 1e-5);
        }
    }
    net_free(net);
}

static void two_sites_of_dropout_draw_their_own_numbers(void **state)
{
    struct net *net = net_open();
    struct medvl_tape_options options = TRAIN;
    float data[64];
    const struct medvl_tensor value = medvl_tensor_2d(data, MEDVL_DTYPE_F32,
                                                      1, 64);
    struct medvl_var *x, *a, *b;
    int zeros = 0;

    (void)state;
    for (int i = 0; i < 64; i++)
        data[i] = 1;
    options.dropout = 0.5f;
    medvl_tape_begin(net->tape, &options, NULL);
    x = medvl_tape_input(net->tape, &value, true);
    a = medvl_tape_dropout(net->tape, x);
    b = medvl_tape_dropout(net->tape, x);
    CHECK_OK(medvl_tape_check(net->tape, &net->err), &net->err);
    assert_memory_not_equal(a->value.data, b->value.data, sizeof(data));
    for (int i = 0; i < 64; i++)
        zeros += ((const float *)a->value.data)[i] == 0;
    assert_in_range(zeros, 16, 48);
    CHECK_OK(medvl_tape_end(net->tape, &net->err), &net->err);
    net_free(net);
}

static int run_all(void *arg, struct medvl_error *err)
{
    struct medvl_tape_options options = TRAIN;
    struct net *net = arg;

    medvl_tape_free(net->tape);
    net->tape = NULL;
    memset(&net->err, 0, sizeof(net->err));
    if (medvl_tape_open(&net->tape, net->dev, &net->err) == MEDVL_OK) {
        options.recompute = true;
        run(net, &options, NULL, LAYERS);
    }
    *err = net->err;
    return net->err.code;
}

static void a_failed_allocation_fails_the_run_alone(void **state)
{
    struct net *net = net_open();

    (void)state;
    check_no_memory(run_all, net, 500);
    net_free(net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_agree_with_finite_differences),
        cmocka_unit_test(recompute_gives_the_same_bits),
        cmocka_unit_test(a_replayed_scope_keeps_its_inputs_and_nothing_else),
        cmocka_unit_test(a_variable_used_twice_gets_both_gradients),
        cmocka_unit_test(two_sites_of_dropout_draw_their_own_numbers),
        cmocka_unit_test(a_plan_says_what_the_run_takes),
        cmocka_unit_test(inference_gives_back_memory_at_the_end_of_a_scope),
        cmocka_unit_test(frozen_parameters_get_no_gradient),
        cmocka_unit_test(a_wrong_shape_dies_in_the_plan_by_name),
        cmocka_unit_test(a_value_that_is_not_finite_is_named),
        cmocka_unit_test(a_failed_allocation_fails_the_run_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
