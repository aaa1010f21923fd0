/*
 * The table of operations: each refuses what does not fit, in a plan, and
 * says what; sizes of a plan without data.
 */
#include "tests/unit/check.h"

#include "lib/tensor/tape.h"

static struct medvl_tensor f32(int64_t rows, int64_t columns)
{
    return medvl_tensor_2d(NULL, MEDVL_DTYPE_F32, rows, columns);
}

static struct medvl_tensor vector(enum medvl_dtype type, int64_t size)
{
    return medvl_tensor_1d(NULL, type, size);
}

static struct medvl_param param(struct medvl_tensor value)
{
    struct medvl_param p = {.name = "p", .value = value};

    return p;
}

/* What each case calls: `x` is (4,6), the rest is up to it. */
typedef void call_fn(struct medvl_tape *t, struct medvl_var *x);

static void columns_past_the_end(struct medvl_tape *t, struct medvl_var *x)
{
    medvl_tape_columns(t, x, 4, 3);
}

static void reshape_items(struct medvl_tape *t, struct medvl_var *x)
{
    medvl_tape_reshape(t, x, 5, 5);
}

static void reshape_of_columns(struct medvl_tape *t, struct medvl_var *x)
{
    medvl_tape_reshape(t, medvl_tape_columns(t, x, 2, 4), 8, 2);
}

static void join_rows(struct medvl_tape *t, struct medvl_var *x)
{
    const struct medvl_tensor other = f32(5, 2);

    medvl_tape_join(t, x, medvl_tape_input(t, &other, false));
}

static void linear_width(struct medvl_tape *t, struct medvl_var *x)
{
    struct medvl_param w = param(f32(3, 7));

    medvl_tape_linear(t, x, &w, NULL);
}

static void linear_bias(struct medvl_tape *t, struct medvl_var *x)
{
    struct medvl_param w = param(f32(3, 6));
    struct medvl_param b = param(vector(MEDVL_DTYPE_F32, 4));

    medvl_tape_linear(t, x, &w, &b);
}

static void linear_type(struct medvl_tape *t, struct medvl_var *x)
{
    struct medvl_param w = param(medvl_tensor_2d(NULL, MEDVL_DTYPE_U8, 3, 6));

    medvl_tape_linear(t, x, &w, NULL);
}

static void linear_absent(struct medvl_tape *t, struct medvl_var *x)
{
    medvl_tape_linear(t, x, NULL, NULL);
}

static void rmsnorm_width(struct medvl_tape *t, struct medvl_var *x)
{
    struct medvl_param w = param(vector(MEDVL_DTYPE_BF16, 5));

    medvl_tape_rmsnorm(t, x, &w, 1e-5f);
}

static void rmsnorm_heads(struct medvl_tape *t, struct medvl_var *x)
{
    struct medvl_param w = param(vector(MEDVL_DTYPE_F32, 4));

    medvl_tape_rmsnorm_heads(t, x, &w, 4, 1e-5f);
}

static void rmsnorm_head_width(struct medvl_tape *t, struct medvl_var *x)
{
    struct medvl_param w = param(vector(MEDVL_DTYPE_F32, 6));

    medvl_tape_rmsnorm_heads(t, x, &w, 3, 1e-5f);
}

static void layernorm_bias(struct medvl_tape *t, struct medvl_var *x)
{
    struct medvl_param w = param(vector(MEDVL_DTYPE_F32, 6));
    struct medvl_param b = param(f32(6, 1));

    medvl_tape_layernorm(t, x, &w, &b, 1e-5f);
}

static void act_type(struct medvl_tape *t, struct medvl_var *x)
{
    const struct medvl_tensor half = medvl_tensor_2d(NULL, MEDVL_DTYPE_F16,
                                                     4, 6);

    (void)x;
    medvl_tape_act(t, medvl_tape_input(t, &half, false), MEDVL_ACT_GELU);
}

static void add_rows(struct medvl_tape *t, struct medvl_var *x)
{
    const struct medvl_tensor other = f32(5, 6);

    medvl_tape_add(t, x, medvl_tape_input(t, &other, false));
}

static void glu_columns(struct medvl_tape *t, struct medvl_var *x)
{
    const struct medvl_tensor other = f32(4, 7);

    medvl_tape_glu(t, x, medvl_tape_input(t, &other, false), MEDVL_ACT_SILU);
}

static void scale_width(struct medvl_tape *t, struct medvl_var *x)
{
    struct medvl_param w = param(vector(MEDVL_DTYPE_F32, 5));

    medvl_tape_scale(t, x, &w);
}

static void mix_weights(struct medvl_tape *t, struct medvl_var *x)
{
    const struct medvl_tensor index =
        medvl_tensor_2d(NULL, MEDVL_DTYPE_I32, 3, 2);
    const struct medvl_tensor weight = f32(3, 4);

    medvl_tape_mix_rows(t, x, &index, &weight);
}

static void gather_index(struct medvl_tape *t, struct medvl_var *x)
{
    const struct medvl_tensor index = vector(MEDVL_DTYPE_F32, 3);

    medvl_tape_gather_rows(t, x, &index);
}

static void scatter_count(struct medvl_tape *t, struct medvl_var *x)
{
    const struct medvl_tensor rows = f32(2, 6);
    const struct medvl_tensor index = vector(MEDVL_DTYPE_I32, 3);

    medvl_tape_scatter_rows(t, x, medvl_tape_input(t, &rows, false), &index);
}

static void mean_of_none(struct medvl_tape *t, struct medvl_var *x)
{
    const struct medvl_tensor cu = vector(MEDVL_DTYPE_I32, 1);

    medvl_tape_mean_rows(t, x, &cu);
}

static void rope_heads(struct medvl_tape *t, struct medvl_var *x)
{
    const struct medvl_tensor table = f32(4, 2);

    medvl_tape_rope(t, x, &table, &table, 4);
}

static void rope_table(struct medvl_tape *t, struct medvl_var *x)
{
    const struct medvl_tensor table = f32(4, 2);

    medvl_tape_rope(t, x, &table, &table, 2);
}

static const struct medvl_attention GROUPS = {.heads = 3, .groups = 2};
static const struct medvl_attention HEADS = {
    .heads = 2,
    .groups = 1,
    .head_size = 4,
    .sequences = 1,
    .max_q = 4,
    .max_k = 4,
};
static const struct medvl_attention WIDE = {
    .heads = 1,
    .groups = 1,
    .head_size = MEDVL_HEAD_SIZE_MAX + 1,
    .sequences = 1,
    .max_q = 4,
    .max_k = 4,
};
static const int32_t CU[] = {0, 3};
static const struct medvl_attention COUNT = {
    .heads = 2,
    .groups = 2,
    .head_size = 3,
    .sequences = 1,
    .max_q = 4,
    .max_k = 4,
    .cu_q = CU,
    .cu_k = CU,
};

static void attention_groups(struct medvl_tape *t, struct medvl_var *x)
{
    medvl_tape_attention(t, x, x, x, &GROUPS);
}

static void attention_heads(struct medvl_tape *t, struct medvl_var *x)
{
    medvl_tape_attention(t, x, x, x, &HEADS);
}

static void attention_wide(struct medvl_tape *t, struct medvl_var *x)
{
    const struct medvl_tensor wide = f32(4, MEDVL_HEAD_SIZE_MAX + 1);
    struct medvl_var *y = medvl_tape_input(t, &wide, false);

    (void)x;
    medvl_tape_attention(t, y, y, y, &WIDE);
}

static void attention_count(struct medvl_tape *t, struct medvl_var *x)
{
    medvl_tape_attention(t, x, x, x, &COUNT);
}

static void store_width(struct medvl_tape *t, struct medvl_var *x)
{
    const struct medvl_tensor cache = f32(64, 5);
    const struct medvl_tensor index = vector(MEDVL_DTYPE_I32, 4);

    medvl_tape_store_rows(t, &cache, x, &index);
}

static void head_targets(struct medvl_tape *t, struct medvl_var *x)
{
    struct medvl_param head = param(f32(9, 6));
    const struct medvl_tensor target = vector(MEDVL_DTYPE_I32, 5);

    medvl_tape_head_logprob(t, NULL, NULL, x, &head, NULL, &target);
}

static void head_bias(struct medvl_tape *t, struct medvl_var *x)
{
    struct medvl_param head = param(f32(9, 6));
    struct medvl_param bias = param(vector(MEDVL_DTYPE_F32, 6));
    const struct medvl_tensor target = vector(MEDVL_DTYPE_I32, 4);

    medvl_tape_head_logprob(t, NULL, NULL, x, &head, &bias, &target);
}

static void input_size(struct medvl_tape *t, struct medvl_var *x)
{
    const struct medvl_tensor huge = f32((int64_t)1 << 40, (int64_t)1 << 40);

    (void)x;
    medvl_tape_input(t, &huge, false);
}

static void each_op_refuses_what_does_not_fit(void **state)
{
    static const struct {
        call_fn *call;
        const char *says;
    } CASES[] = {
        {columns_past_the_end, "columns: 3 columns from 4 on of 6"},
        {reshape_items, "reshape: (4,6) does not become (5,5)"},
        {reshape_of_columns, "reshape: rows of 4 are 6 apart"},
        {join_rows, "join: rows of 4 and 5"},
        {linear_width, "linear p: input has 6 channels, want 7"},
        {linear_bias, "linear p: bias has rank 1 and size 4, want 1 and 3"},
        {linear_type, "linear p: weight is U8"},
        {linear_absent, "lacks a parameter"},
        {rmsnorm_width, "rmsnorm p: weight has rank 1 and size 5"},
        {rmsnorm_heads, "rmsnorm p: 6 channels are no multiple of head"},
        {rmsnorm_head_width, "rmsnorm p: weight has rank 1 and size 6"},
        {layernorm_bias, "layernorm p: bias has rank 2"},
        {act_type, "act: input is F16, want F32"},
        {add_rows, "add: second input has 5 rows, want 4"},
        {glu_columns, "glu: second input has 7 channels, want 6"},
        {scale_width, "scale p: weight has rank 1 and size 5"},
        {mix_weights, "mix_rows: weight has 4 channels, want 2"},
        {gather_index, "gather_rows: index is F32, want I32"},
        {scatter_count, "scatter_rows: index has rank 1 and size 3"},
        {mean_of_none, "mean_rows: no sequences"},
        {rope_heads, "rope: 6 channels are no multiple of head size 4"},
        {rope_table, "rope: tables are (4,2) for 4 tokens of head size 2"},
        {attention_groups, "attention: 3 heads over 2 groups"},
        {attention_heads, "attention: queries has 6 channels, want 8"},
        {attention_wide, "attention: heads of size 513, at most 512"},
        {attention_count, "attention: sequences have 3 queries, want 4"},
        {store_width, "store_rows: rows has 6 channels, want 5"},
        {head_targets, "head_logprob p: index has rank 1 and size 5"},
        {head_bias, "head_logprob p: bias has rank 1 and size 6"},
        {input_size, ""},
    };
    const struct medvl_tape_options options = {.mode = MEDVL_TAPE_PLAN};
    const struct medvl_tensor shape = f32(4, 6);
    struct medvl_device *dev;
    struct medvl_tape *tape;
    struct medvl_error err = {0};

    (void)state;
    CHECK_OK(medvl_device_open_cpu(&dev, NULL, MEDVL_ISA_AVX2, &err), &err);
    CHECK_OK(medvl_tape_open(&tape, dev, &err), &err);
    for (size_t i = 0; i < sizeof(CASES) / sizeof(*CASES); i++) {
        char want[200];

        medvl_tape_begin(tape, &options, NULL);
        medvl_tape_enter(tape, "scope");
        CASES[i].call(tape, medvl_tape_input(tape, &shape, false));
        medvl_tape_leave(tape, NULL, 0);
        snprintf(want, sizeof(want), "scope: %s", CASES[i].says);
        if (medvl_tape_end(tape, &err) == MEDVL_OK)
            fail_msg("case %zu passed: %s", i, want);
        if (!strstr(err.text, CASES[i].says) ||
            strncmp(err.text, "scope: ", 7) != 0)
            fail_msg("\"%s\" is not \"%s\"", err.text, want);
    }
    medvl_tape_free(tape);
    medvl_device_free(dev);
}

/* Products and sums of a product, forward and for two gradients. */
static void the_work_of_a_product_is_counted(void **state)
{
    const struct medvl_tape_options options = {.mode = MEDVL_TAPE_PLAN,
                                               .train = true};
    const struct medvl_tensor shape = f32(4, 6), grad = f32(4, 3);
    struct medvl_param w = param(f32(3, 6));
    struct medvl_device *dev;
    struct medvl_tape *tape;
    struct medvl_var *y;
    struct medvl_error err = {0};

    (void)state;
    w.trained = true;
    CHECK_OK(medvl_device_open_cpu(&dev, NULL, MEDVL_ISA_AVX2, &err), &err);
    CHECK_OK(medvl_tape_open(&tape, dev, &err), &err);
    medvl_tape_begin(tape, &options, NULL);
    y = medvl_tape_linear(tape, medvl_tape_input(tape, &shape, true), &w,
                          NULL);
    assert_int_equal(y->value.size[0], 4);
    assert_int_equal(y->value.size[1], 3);
    medvl_tape_seed(tape, y, &grad);
    medvl_tape_backward(tape);
    CHECK_OK(medvl_tape_end(tape, &err), &err);
    CHECK_CLOSE(medvl_tape_plan(tape)->flops, 3 * 2 * 4 * 6 * 3, 0);
    assert_int_equal(medvl_tape_plan(tape)->ops, 2);
    medvl_tape_free(tape);
    medvl_device_free(dev);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_op_refuses_what_does_not_fit),
        cmocka_unit_test(the_work_of_a_product_is_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
