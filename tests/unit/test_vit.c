/*
 * The tower: pictures do not see each other, the class token is kept when
 * asked for, and no layers is the embedding; positions on another grid.
 * Its values are checked by test_vlm.c and test_families.c.
 */
#include "tests/unit/model.h"

#include "lib/model/vit.h"
#include "lib/model/vit_part.h"

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
    s.model->config.vision.features[0] = 0;
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

static void check_refused(int64_t rows, struct medvl_grid grid,
                          const char *says)
{
    const struct medvl_tape_options options = {.mode = MEDVL_TAPE_PLAN};
    const struct medvl_pictures in = {
        1, medvl_tensor_2d(NULL, MEDVL_DTYPE_F32, rows, ROW), &grid};
    struct subject s;

    subject_open(&s, TINY, 0);
    medvl_tape_begin(s.tape, &options, NULL);
    medvl_vit_forward(s.tape, s.model, &in);
    CHECK_FAILS(medvl_tape_end(s.tape, &s.err), MEDVL_EARG, &s.err, says);
    subject_release(&s);
}

static void what_the_tower_has_no_places_for_is_refused(void **state)
{
    (void)state;
    check_refused(17, (struct medvl_grid){.rows = 4, .columns = 4},
                  "17 patch rows for 1 views of 16");
    check_refused(16, (struct medvl_grid){.rows = 2, .columns = 8},
                  "a view of 8x2 patches, want 4x4");
}

/* Two sizes that are not the table's, and one that is. */
static void pictures_of_every_size_do_not_see_each_other(void **state)
{
    static const struct medvl_grid GRIDS[] = {{.rows = 3, .columns = 7},
                                              {.rows = 5, .columns = 5},
                                              {.rows = 6, .columns = 2}};
    enum { ALL = 21 + 25 + 12,
           CHANNELS = 16 };
    static float rows[ALL * ROW], both[ALL * CHANNELS];
    const struct medvl_tape_options options = {.mode = MEDVL_TAPE_INFER};
    struct subject s;
    int64_t at = 0;

    (void)state;
    for (int i = 0; i < ALL * ROW; i++)
        rows[i] = sinf((float)i * 0.37f);
    subject_open(&s, "tests/golden/models/llava_dino", 0);
    for (int i = -1; i < 3; i++) {
        const struct medvl_grid *grid = &GRIDS[i < 0 ? 0 : i];
        const int64_t count = i < 0 ? ALL : grid->rows * grid->columns;
        const struct medvl_pictures in = {
            i < 0 ? 3 : 1,
            medvl_tensor_2d(rows + at * ROW, MEDVL_DTYPE_F32, count, ROW),
            grid};
        struct medvl_var *x;

        medvl_tape_begin(s.tape, &options, NULL);
        x = medvl_vit_forward(s.tape, s.model, &in);
        CHECK_OK(medvl_tape_check(s.tape, &s.err), &s.err);
        assert_int_equal(x->value.size[0], count);
        assert_int_equal(x->value.size[1], CHANNELS);
        if (i < 0)
            memcpy(both, x->value.data, sizeof(both));
        else
            for (int64_t k = 0; k < count * CHANNELS; k++)
                CHECK_CLOSE(((const float *)x->value.data)[k],
                            both[at * CHANNELS + k], 1e-5);
        at += i < 0 ? 0 : count;
        CHECK_OK(medvl_tape_end(s.tape, &s.err), &s.err);
    }
    subject_release(&s);
}

/* A constant stays; a line is a line, but near the ends; the same size is
 * the same values. */
static void resampling_keeps_what_is_straight(void **state)
{
    int32_t index[40 * 60];
    float weight[40 * 60];

    (void)state;
    for (int64_t to = 1; to <= 40; to++)
        for (int wide = 0; wide < 2; wide++) {
            const int64_t from = 13, taps = medvl_vit_taps(from, to, wide);

            assert_true(to * taps <= 40 * 60);
            medvl_vit_resample(index, weight, from, to, wide);
            for (int64_t i = 0; i < to; i++) {
                const double at = ((double)i + 0.5) * 13 / (double)to - 0.5;
                const bool inner = at >= 2 && at <= 10;
                double sum = 0, line = 0;

                for (int64_t k = i * taps; k < (i + 1) * taps; k++) {
                    assert_in_range(index[k] + 1, 0, 13);
                    sum += (double)weight[k];
                    line += (double)weight[k] * index[k];
                    if (to == from && index[k] == i)
                        assert_true(weight[k] == 1 || weight[k] == 0);
                }
                CHECK_CLOSE(sum, 1, 1e-5);
                if (inner && to >= from)
                    CHECK_CLOSE(line, at, 0.1);
                if (to == from)
                    CHECK_CLOSE(line, (double)i, 0);
            }
        }
}

/* By torch's interpolate, "bicubic" with antialias; torch 2.6. */
static void resampling_gives_the_weights_of_torch(void **state)
{
    static const double UP[6][4] = {
        {1.0657893, -0.0657893, 0, 0},
        {0.5294118, 0.5294118, -0.0588235, 0},
        {-0.0578705, 0.9375001, 0.1319446, -0.0115742},
        {-0.0115740, 0.1319443, 0.9375, -0.0578703},
        {0, -0.0588235, 0.5294118, 0.5294118},
        {0, 0, -0.0657896, 1.0657896},
    };
    static const double DOWN[4][6] = {
        {0.6553399, 0.3932039, -0.0404531, -0.0080908, 0, 0},
        {-0.0382849, 0.3721287, 0.6202145, 0.0872894, -0.0413476, 0},
        {0, -0.0413476, 0.0872894, 0.6202145, 0.3721287, -0.0382849},
        {0, 0, -0.0080908, -0.0404531, 0.3932040, 0.6553400},
    };

    (void)state;
    for (int up = 0; up < 2; up++) {
        const int64_t from = up ? 4 : 6, to = up ? 6 : 4;
        const int64_t taps = medvl_vit_taps(from, to, true);
        int32_t index[60];
        float weight[60];

        assert_true(to * taps <= 60);
        medvl_vit_resample(index, weight, from, to, true);
        for (int64_t i = 0; i < to; i++) {
            double got[6] = {0};

            for (int64_t k = i * taps; k < (i + 1) * taps; k++)
                if (index[k] >= 0)
                    got[index[k]] += (double)weight[k];
            for (int64_t k = 0; k < from; k++)
                CHECK_CLOSE(got[k], up ? UP[i][k] : DOWN[i][k], 1e-6);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pictures_do_not_see_each_other),
        cmocka_unit_test(the_class_token_is_kept_when_asked_for),
        cmocka_unit_test(no_layers_is_the_normalized_embedding),
        cmocka_unit_test(what_the_tower_has_no_places_for_is_refused),
        cmocka_unit_test(pictures_of_every_size_do_not_see_each_other),
        cmocka_unit_test(resampling_keeps_what_is_straight),
        cmocka_unit_test(resampling_gives_the_weights_of_torch),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
