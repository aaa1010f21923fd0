/*
 * Qwen2-VL's and Qwen2.5-VL's towers beside what test_families.c compares:
 * a picture's features are its own, sizes that lie are refused, and names
 * as other writers have them are read and written.
 */
#include "tests/unit/model.h"

#include "lib/tensor/safetensors.h"

static const char *const FOLDERS[] = {"tests/golden/models/qwen2_vl",
                                      "tests/golden/models/qwen2_5_vl"};

enum { ROW = 3 * 2 * 4 * 4 };

/* Windows of 2 x 2 merged patches, whole and cut. */
static const struct medvl_grid GRIDS[] = {
    {.rows = 10, .columns = 6},
    {.rows = 2, .columns = 2},
    {.rows = 4, .columns = 14},
};

static int64_t patches_of(const struct medvl_grid *grids, int64_t count)
{
    int64_t patches = 0;

    for (int64_t i = 0; i < count; i++)
        patches += grids[i].rows * grids[i].columns;
    return patches;
}

static float *make_rows(int64_t patches)
{
    float *rows = calloc((size_t)(patches * ROW), sizeof(*rows));

    assert_non_null(rows);
    for (int64_t i = 0; i < patches * ROW; i++)
        rows[i] = (float)(i * 2654435761 % 1000003) / 500000 - 1;
    return rows;
}

/* What the tokens get, (tokens, hidden); the test's memory. */
static int encode(float **out, struct subject *s, float *rows,
                  const struct medvl_grid *grids, int64_t count)
{
    const struct medvl_tape_options options = {.mode = MEDVL_TAPE_INFER};
    const int64_t patches = patches_of(grids, count);
    const struct medvl_pictures pictures = {
        count, medvl_tensor_2d(rows, MEDVL_DTYPE_F32, patches, ROW), grids};
    const size_t size = (size_t)(patches / 4 *
                                 s->model->config.decoder.hidden);
    struct medvl_var *x;
    int rc;

    *out = calloc(size, sizeof(**out));
    assert_non_null(*out);
    medvl_tape_begin(s->tape, &options, NULL);
    x = medvl_vlm_encode(s->tape, s->model, &pictures);
    rc = medvl_tape_check(s->tape, &s->err);
    if (rc == MEDVL_OK) {
        assert_int_equal(x->value.size[0], patches / 4);
        memcpy(*out, x->value.data, size * sizeof(**out));
    }
    (void)!medvl_tape_end(s->tape, NULL);
    return rc;
}

static void features_are_the_same_alone_and_among_others(void **state)
{
    (void)state;
    for (int f = 0; f < 2; f++) {
        const int64_t all = patches_of(GRIDS, 3);
        float *rows = make_rows(all), *among, *alone;
        struct subject s;
        int64_t at = 0;

        subject_open(&s, FOLDERS[f], 0);
        CHECK_OK(encode(&among, &s, rows, GRIDS, 3), &s.err);
        for (int i = 0; i < 3; i++) {
            const int64_t hidden = s.model->config.decoder.hidden;
            const int64_t n = patches_of(&GRIDS[i], 1);

            CHECK_OK(encode(&alone, &s, rows + at * ROW, &GRIDS[i], 1),
                     &s.err);
            assert_memory_equal(alone, among + at / 4 * hidden,
                                (size_t)(n / 4 * hidden) * sizeof(*alone));
            free(alone);
            at += n;
        }
        free(among);
        free(rows);
        subject_release(&s);
    }
}

static void sizes_that_lie_are_refused(void **state)
{
    static const struct medvl_grid LIES[][2] = {
        {{.rows = 3, .columns = 4}, {.rows = 2, .columns = 2}},
        {{.rows = 0, .columns = 4}, {.rows = 2, .columns = 8}},
        {{.rows = -2, .columns = -4}, {.rows = 2, .columns = 4}},
        {{.rows = 4, .columns = 4}, {.rows = 2, .columns = 2}},
        {{.rows = 2, .columns = 4}, {.rows = 2, .columns = 2}},
    };
    float *rows = make_rows(20), *out;
    struct subject s;

    (void)state;
    subject_open(&s, FOLDERS[1], 0);
    for (size_t i = 0; i < sizeof(LIES) / sizeof(*LIES); i++) {
        const struct medvl_tape_options options = {
            .mode = MEDVL_TAPE_INFER};
        /* The last two are right but for a row too few, too many. */
        const struct medvl_pictures pictures = {
            2,
            medvl_tensor_2d(rows, MEDVL_DTYPE_F32,
                            patches_of(LIES[i], 2) - (i == 3) + (i == 4),
                            ROW),
            LIES[i]};

        medvl_tape_begin(s.tape, &options, NULL);
        medvl_vlm_encode(s.tape, s.model, &pictures);
        CHECK_FAILS(medvl_tape_end(s.tape, &s.err), MEDVL_EARG, &s.err,
                    "picture");
    }
    CHECK_OK(encode(&out, &s, rows, GRIDS + 1, 1), &s.err);
    free(out);
    free(rows);
    subject_release(&s);
}

/* ---- names ----------------------------------------------------------- */

static char *inside(const char *folder, const char *name)
{
    char *path = NULL;

    assert_int_equal(medvl_path_join(&path, folder, name, NULL), MEDVL_OK);
    return path;
}

/* The name that a state_dict of newer transformers has. */
static char *newer(const char *name)
{
    const char *front = strncmp(name, "visual.", 7) == 0  ? "model."
                        : strncmp(name, "model.", 6) == 0 ? "model.language_"
                                                          : "";
    char *out = malloc(strlen(front) + strlen(name) + 1);

    assert_non_null(out);
    /* "model.layers" becomes "model.language_model.layers". */
    memcpy(out, front, strlen(front));
    memcpy(out + strlen(front), name, strlen(name) + 1);
    return out;
}

/* The folder with its tensors under newer names. */
static char *renamed(const char *folder)
{
    struct medvl_safetensors *file;
    struct medvl_safetensors_entry *entries;
    struct medvl_error err = {0};
    char *out = check_temp("renamed");
    char *to = inside(out, "config.json");
    char *from = inside(folder, "config.json");
    int64_t count;

    CHECK_OK(medvl_folder_make(out, &err), &err);
    CHECK_OK(medvl_file_copy(to, from, &err), &err);
    medvl_free(to);
    medvl_free(from);
    CHECK_OK(medvl_safetensors_open(&file, folder, &err), &err);
    count = medvl_safetensors_count(file);
    entries = calloc((size_t)count, sizeof(*entries));
    assert_non_null(entries);
    for (int64_t i = 0; i < count; i++) {
        entries[i].name = newer(medvl_safetensors_name(file, i));
        entries[i].tensor = *medvl_safetensors_tensor(file, i);
    }
    to = inside(out, "model.safetensors");
    CHECK_OK(medvl_safetensors_write(to, entries, count, NULL, &err), &err);
    for (int64_t i = 0; i < count; i++)
        free((void *)(uintptr_t)entries[i].name);
    free(entries);
    medvl_free(to);
    medvl_safetensors_free(file);
    return out;
}

static void newer_names_are_read_and_written_back(void **state)
{
    (void)state;
    for (int f = 0; f < 2; f++) {
        char *folder = renamed(FOLDERS[f]), *again = check_temp("again");
        float *rows = make_rows(60), *want, *got;
        struct medvl_safetensors *file;
        struct subject s;

        subject_open(&s, FOLDERS[f], 0);
        CHECK_OK(encode(&want, &s, rows, GRIDS, 1), &s.err);
        subject_release(&s);
        subject_open(&s, folder, 0);
        CHECK_OK(encode(&got, &s, rows, GRIDS, 1), &s.err);
        assert_memory_equal(got, want,
                            15 * 32 * sizeof(*got)); /* tokens, hidden */
        CHECK_OK(medvl_folder_make(again, &s.err), &s.err);
        CHECK_OK(medvl_model_write(s.model, again, NULL, &s.err), &s.err);
        CHECK_OK(medvl_safetensors_open(&file, again, &s.err), &s.err);
        assert_non_null(medvl_safetensors_find(
            file, "model.visual.merger.ln_q.weight"));
        assert_non_null(medvl_safetensors_find(
            file, "model.language_model.norm.weight"));
        medvl_safetensors_free(file);
        subject_release(&s);
        free(got);
        free(want);
        free(rows);
        CHECK_OK(medvl_path_remove(folder, NULL), &s.err);
        CHECK_OK(medvl_path_remove(again, NULL), &s.err);
        medvl_free(folder);
        medvl_free(again);
    }
}

static void videos_are_refused(void **state)
{
    const int32_t ids[] = {5, 92, 91, 93};
    struct subject s;
    int32_t *out, *from;
    int64_t count;

    (void)state;
    subject_open(&s, FOLDERS[0], 0);
    CHECK_FAILS(medvl_vlm_expand(&out, &from, &count, &s.model->config, ids,
                                 4, NULL, 0, &s.err),
                MEDVL_EUNSUPPORTED, &s.err, "token 2 is the place of a video");
    assert_null(out);
    subject_release(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(features_are_the_same_alone_and_among_others),
        cmocka_unit_test(sizes_that_lie_are_refused),
        cmocka_unit_test(newer_names_are_read_and_written_back),
        cmocka_unit_test(videos_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
