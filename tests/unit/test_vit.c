/*
 * The tower: pictures do not see each other, the class token is kept when
 * asked for, and no layers is the embedding.  Its values are checked by
 * test_vlm.c.
 */
#include "tests/unit/model.h"

#include "lib/model/vit.h"

#define TINY "tests/golden/models/llava"

enum { PATCHES = 16,
       ROW = 75,
       C = 36 };

/* Features of the pictures; the rows of `out`. */
static int64_t run(float *out, struct subject *s, float *rows,
                   int64_t pictures)
{
    const struct medvl_tape_options options = {.mode = MEDVL_TAPE_INFER};
    static const struct medvl_grid GRIDS[2] = {{.rows = 4, .columns = 4},
                                               {.rows = 4, .columns = 4}};
    const struct medvl_pictures in = {
        pictures,
        medvl_tensor_2d(rows, MEDVL_DTYPE_F32, pictures * PATCHES, ROW),
        GRIDS};
    struct medvl_var *x;
    int64_t count;

    medvl_tape_begin(s->tape, &options, NULL);
    x = medvl_vit_forward(s->tape, s->model, &in);
    CHECK_OK(medvl_tape_check(s->tape, &s->err), &s->err);
    count = x->value.size[0];
    assert_int_equal(x->value.size[1], C);
    memcpy(out, x->value.data, (size_t)(count * C) * sizeof(*out));
    CHECK_OK(medvl_tape_end(s->tape, &s->err), &s->err);
    return count;
}

static void fill(float *rows)
{
    for (int i = 0; i < 2 * PATCHES * ROW; i++)
        rows[i] = sinf((float)i * 0.37f);
}

static void pictures_do_not_see_each_other(void **state)
{
    static float rows[2 * PATCHES * ROW], both[2 * PATCHES * C];
    static float one[PATCHES * C];
    struct subject s;

    (void)state;
    fill(rows);
    subject_open(&s, TINY, 0);
    assert_int_equal(run(both, &s, rows, 2), 2 * PATCHES);
    assert_int_equal(run(one, &s, rows + PATCHES * ROW, 1), PATCHES);
    assert_memory_equal(both + PATCHES * C, one, sizeof(one));
    subject_release(&s);
}

static void the_class_token_is_kept_when_asked_for(void **state)
{
    static float rows[2 * PATCHES * ROW], with[2 * (PATCHES + 1) * C];
    static float without[2 * PATCHES * C];
    struct subject s;

    (void)state;
    fill(rows);
    subject_open(&s, TINY, 0);
    run(without, &s, rows, 2);
    s.model->config.vision.keep_class = true;
    assert_int_equal(run(with, &s, rows, 2), 2 * (PATCHES + 1));
    for (int i = 0; i < 2; i++)
        assert_memory_equal(with + (i * (PATCHES + 1) + 1) * C,
                            without + i * PATCHES * C,
                            PATCHES * C * sizeof(float));
    subject_release(&s);
}

static void no_layers_is_the_normalized_embedding(void **state)
{
    static float rows[2 * PATCHES * ROW], out[2 * PATCHES * C];
    struct subject s;
    const float *w, *b;
    double sum = 0;

    (void)state;
    fill(rows);
    subject_open(&s, TINY, 0);
    s.model->config.vision.run_layers = 0;
    run(out, &s, rows, 2);
    w = medvl_model_param(s.model,
                          "vision.pre_norm.weight")
            ->value.data;
    b = medvl_model_param(s.model,
                          "vision.pre_norm.bias")
            ->value.data;
    for (int c = 0; c < C; c++)
        sum += (double)((out[c] - b[c]) / w[c]);
    CHECK_CLOSE(sum / C, 0, 1e-5);
    subject_release(&s);
}

static void rows_of_another_count_are_refused(void **state)
{
    const struct medvl_tape_options options = {.mode = MEDVL_TAPE_PLAN};
    const struct medvl_grid grid = {.rows = 4, .columns = 4};
    const struct medvl_pictures in = {
        1, medvl_tensor_2d(NULL, MEDVL_DTYPE_F32, 17, ROW), &grid};
    struct subject s;

    (void)state;
    subject_open(&s, TINY, 0);
    medvl_tape_begin(s.tape, &options, NULL);
    medvl_vit_forward(s.tape, s.model, &in);
    CHECK_FAILS(medvl_tape_end(s.tape, &s.err), MEDVL_EARG, &s.err,
                "17 patch rows for 1 views of 16");
    subject_release(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pictures_do_not_see_each_other),
        cmocka_unit_test(the_class_token_is_kept_when_asked_for),
        cmocka_unit_test(no_layers_is_the_normalized_embedding),
        cmocka_unit_test(rows_of_another_count_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
