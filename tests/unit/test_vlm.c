/*
 * The whole model: a tiny LLaVA written by transformers, with the pixels
 * and logits it gives; its other names; a model written and read again;
 * gradients through all parts.
 */
#include "tests/unit/model.h"

#include "lib/base/json.h"
#include "lib/model/frontend.h"
#include "lib/tensor/safetensors.h"

#define TINY "tests/golden/models/llava"

enum { SIDE = 20,
       PATCH = 5,
       PATCHES = 16,
       ROW = 75,
       MOST = 32 };

struct sample {
    struct medvl_safetensors *want;
    struct medvl_frontend *frontend;
    const struct medvl_tensor *pixels, *logits;
    int32_t *ids, *from;
    int64_t count;
    int32_t places[PATCHES];
    float rows[PATCHES * ROW];
    struct medvl_grid grid;
    struct medvl_inputs inputs;
};

static void sample_open(struct sample *p, struct subject *s)
{
    struct medvl_frontend_size size;
    struct medvl_picture picture = {0};
    struct medvl_json *root = NULL;
    const struct medvl_json *id;
    int32_t prompt[MOST];
    int64_t count = 0;

    memset(p, 0, sizeof(*p));
    CHECK_OK(medvl_safetensors_open(&p->want, TINY "/expected.safetensors",
                                    &s->err),
             &s->err);
    CHECK_OK(medvl_frontend_open(&p->frontend, TINY, &s->model->config,
                                 &s->err),
             &s->err);
    p->pixels = medvl_safetensors_find(p->want, "pixels.0");
    p->logits = medvl_safetensors_find(p->want, "logits");
    CHECK_OK(medvl_picture_read(&picture, TINY "/p0.png", 1 << 20, &s->err),
             &s->err);
    CHECK_OK(medvl_frontend_size(&size, p->frontend, picture.width,
                                 picture.height, &s->err),
             &s->err);
    assert_int_equal(size.patches, PATCHES);
    assert_int_equal(size.row, ROW);
    CHECK_OK(medvl_frontend_rows(p->rows, p->frontend, &picture, &s->err),
             &s->err);
    medvl_picture_release(&picture);
    p->grid = size.grid;
    CHECK_OK(medvl_json_read(&root, TINY "/expected.json", &s->err), &s->err);
    id = medvl_json_first(medvl_json_get(root, "prompt"));
    for (; id; id = medvl_json_next(id)) {
        assert_true(count < MOST);
        prompt[count++] = (int32_t)medvl_json_number(id, -1);
    }
    medvl_json_free(root);
    CHECK_OK(medvl_vlm_expand(&p->ids, &p->from, &p->count,
                              &s->model->config, prompt, count, &p->grid, 1,
                              &s->err),
             &s->err);
    assert_int_equal(p->count, p->logits->size[0]);
    for (int64_t i = 0, k = 0; i < p->count; i++)
        if (p->ids[i] < 0)
            p->places[k++] = (int32_t)i;
    p->inputs.pictures.count = 1;
    p->inputs.pictures.grids = &p->grid;
    p->inputs.picture_tokens = size.tokens;
    p->inputs.picture_token = p->places;
    p->inputs.pictures.rows = medvl_tensor_2d(p->rows, MEDVL_DTYPE_F32,
                                              PATCHES, ROW);
    p->inputs.tokens.tokens = p->count;
    p->inputs.tokens.ids = p->ids;
}

static void sample_release(struct sample *p)
{
    medvl_free(p->ids);
    medvl_free(p->from);
    medvl_frontend_free(p->frontend);
    medvl_safetensors_free(p->want);
}

static double logits_error(struct sample *p, struct subject *s)
{
    const int64_t vocab = p->logits->size[1];
    float *got = calloc((size_t)(p->count * vocab), sizeof(*got));
    double error;

    assert_non_null(got);
    subject_logits(got, s, &p->inputs, NULL);
    error = relative_difference(got, p->logits->data, p->count * vocab);
    free(got);
    return error;
}

static void pixels_are_those_of_the_processor_of_transformers(void **state)
{
    struct subject s;
    struct sample p;
    const float *want;
    int exact = 0;

    (void)state;
    subject_open(&s, TINY, 0);
    sample_open(&p, &s);
    want = p.pixels->data;
    for (int i = 0; i < PATCHES * ROW; i++) {
        const int patch = i / ROW, c = i % ROW / (PATCH * PATCH);
        const int y = patch / 4 * PATCH + i % (PATCH * PATCH) / PATCH;
        const int x = patch % 4 * PATCH + i % PATCH;
        const float v = want[(c * SIDE + y) * SIDE + x];

        /* One step of 1/255, where the resize may round otherwise. */
        CHECK_CLOSE(p.rows[i], v, 1.001 / 255 / 0.26);
        exact += fabsf(p.rows[i] - v) < 1e-6f;
    }
    assert_true(exact >= PATCHES * ROW * 999 / 1000);
    sample_release(&p);
    subject_release(&s);
}

static void logits_are_those_of_transformers(void **state)
{
    struct subject s;
    struct sample p;

    (void)state;
    subject_open(&s, TINY, 0);
    sample_open(&p, &s);
    assert_true(logits_error(&p, &s) <= 1e-5);
    /* The picture matters. */
    p.rows[100] += 3;
    assert_true(logits_error(&p, &s) > 1e-3);
    sample_release(&p);
    subject_release(&s);
}

/* The name that transformers keeps in memory (4.52), or writes (5). */
static void rename_as(char out[200], const char *old, int version)
{
    if (version == 5 && strncmp(old, "vision_tower.vision_model.", 26) == 0)
        snprintf(out, 200, "vision_tower.%s", old + 26);
    else if (version == 5)
        snprintf(out, 200, "%s", old);
    else if (strncmp(old, "language_model.lm_head.", 23) == 0)
        snprintf(out, 200, "%s", old + 15);
    else if (strncmp(old, "language_model.model.", 21) == 0)
        snprintf(out, 200, "model.language_model.%s", old + 21);
    else
        snprintf(out, 200, "model.%s", old);
}

/* Write the weights of TINY into a folder, under other names. */
static char *renamed(const char *name, int version)
{
    struct medvl_safetensors *from = NULL;
    struct medvl_safetensors_entry entries[100];
    struct medvl_error err = {0};
    struct medvl_text text = {0};
    char *folder = check_temp(name), *path = NULL;
    int64_t count;

    CHECK_OK(medvl_folder_make(folder, &err), &err);
    CHECK_OK(medvl_safetensors_open(&from, TINY, &err), &err);
    count = medvl_safetensors_count(from);
    assert_true(count <= 100);
    for (int64_t i = 0; i < count; i++) {
        const char *old = medvl_safetensors_name(from, i);
        char *now = malloc(200);

        assert_non_null(now);
        rename_as(now, old, version);
        entries[i].name = now;
        entries[i].tensor = *medvl_safetensors_tensor(from, i);
    }
    CHECK_OK(medvl_path_join(&path, folder, "model.safetensors", &err), &err);
    CHECK_OK(medvl_safetensors_write(path, entries, count, NULL, &err), &err);
    medvl_free(path);
    CHECK_OK(medvl_path_join(&path, folder, "config.json", &err), &err);
    CHECK_OK(medvl_file_read(&text, TINY "/config.json", 1 << 20, &err),
             &err);
    CHECK_OK(medvl_file_write(path, text.data, text.size, &err), &err);
    for (int64_t i = 0; i < count; i++)
        free((void *)(uintptr_t)entries[i].name);
    medvl_text_release(&text);
    medvl_free(path);
    medvl_safetensors_free(from);
    return folder;
}

static void names_of_newer_writers_are_read(void **state)
{
    struct subject s;
    struct sample p;

    (void)state;
    for (int version = 4; version < 6; version++) {
        char *folder = renamed("vlm-renamed", version);

        subject_open(&s, folder, 0);
        sample_open(&p, &s);
        assert_true(logits_error(&p, &s) <= 1e-5);
        sample_release(&p);
        subject_release(&s);
        CHECK_OK(medvl_path_remove(folder, NULL), &s.err);
        medvl_free(folder);
    }
}

static void what_is_written_reads_back_the_same(void **state)
{
    char *folder = check_temp("vlm-written");
    struct medvl_text a = {0}, b = {0};
    struct subject s, t;
    char *path = NULL;

    (void)state;
    subject_open(&s, TINY, MEDVL_PART_PROJECTOR);
    CHECK_OK(medvl_folder_make(folder, &s.err), &s.err);
    CHECK_OK(medvl_model_write(s.model, folder, NULL, &s.err), &s.err);
    subject_open(&t, folder, 0);
    assert_int_equal(s.model->count, t.model->count);
    for (int64_t i = 0; i < s.model->count; i++) {
        const struct medvl_tensor *x = &s.model->params[i].value;
        const struct medvl_tensor *y = &t.model->params[i].value;

        assert_string_equal(s.model->params[i].name, t.model->params[i].name);
        assert_memory_equal(x->data, y->data,
                            (size_t)(medvl_tensor_rows(x) *
                                     medvl_tensor_columns(x)) *
                                sizeof(float));
    }
    CHECK_OK(medvl_path_join(&path, folder, "config.json", &s.err), &s.err);
    CHECK_OK(medvl_file_read(&a, path, 1 << 20, &s.err), &s.err);
    CHECK_OK(medvl_file_read(&b, TINY "/config.json", 1 << 20, &s.err),
             &s.err);
    assert_string_equal(a.data, b.data);
    medvl_free(path);
    CHECK_OK(medvl_path_join(&path, folder, "preprocessor_config.json",
                             &s.err),
             &s.err);
    assert_true(medvl_file_exists(path));
    medvl_free(path);
    medvl_text_release(&a);
    medvl_text_release(&b);
    subject_release(&s);
    subject_release(&t);
    CHECK_OK(medvl_path_remove(folder, NULL), &s.err);
    medvl_free(folder);
}

/* Mean log-probability of the next id over text positions; backward. */
static double loss(struct sample *p, struct subject *s, bool train,
                   bool recompute)
{
    struct medvl_tape_options options = {.mode = MEDVL_TAPE_INFER};
    int32_t positions[MOST], targets[MOST], cu[2] = {0};
    float weights[MOST];
    const struct medvl_tensor target = medvl_tensor_1d(
        targets, MEDVL_DTYPE_I32, p->count);
    const struct medvl_tensor seed = medvl_tensor_1d(
        weights, MEDVL_DTYPE_F32, p->count);
    struct medvl_decoder_run *run;
    struct medvl_var *x;
    double sum = 0;

    assert_true(p->count <= MOST);
    for (int32_t i = 0; i < p->count; i++) {
        positions[i] = i;
        targets[i] = i + 1 < p->count ? p->ids[i + 1] : -1;
        weights[i] = -1;
    }
    cu[1] = (int32_t)p->count;
    p->inputs.tokens.sequences = 1;
    p->inputs.tokens.positions = positions;
    p->inputs.tokens.cu = cu;
    p->inputs.tokens.cache = NULL;
    CHECK_OK(medvl_decoder_run_open(&run, &s->model->config.decoder,
                                    &p->inputs.tokens, &s->err),
             &s->err);
    options.mode = train ? MEDVL_TAPE_TRAIN : MEDVL_TAPE_INFER;
    options.recompute = recompute;
    medvl_tape_begin(s->tape, &options, NULL);
    x = medvl_vlm_forward(s->tape, s->model, &p->inputs, run);
    x = medvl_tape_head_logprob(s->tape, NULL, NULL, x,
                                medvl_decoder_head(s->model), NULL, &target);
    CHECK_OK(medvl_tape_check(s->tape, &s->err), &s->err);
    for (int64_t i = 0; i < p->count; i++)
        sum -= (double)((const float *)x->value.data)[i];
    if (train) {
        medvl_tape_seed(s->tape, x, &seed);
        medvl_tape_backward(s->tape);
    }
    CHECK_OK(medvl_tape_end(s->tape, &s->err), &s->err);
    medvl_decoder_run_free(run);
    return sum;
}

static void gradients_of_all_parts_agree_with_finite_differences(
    void **state)
{
    const float h = 1e-2f;
    struct subject s;
    struct sample p;
    int checked = 0;

    (void)state;
    subject_open(&s, TINY,
                 MEDVL_PART_VISION | MEDVL_PART_PROJECTOR |
                     MEDVL_PART_DECODER);
    sample_open(&p, &s);
    loss(&p, &s, true, true);
    for (int64_t i = 0; i < s.model->count; i++) {
        struct medvl_param *param = &s.model->params[i];
        float *value = param->value.data;
        const float *grad = param->grad.data;
        const int64_t items = medvl_tensor_rows(&param->value) *
                              medvl_tensor_columns(&param->value);
        const int64_t k = items / 2;
        double up, down;
        float x;

        /* The tower's last layer is past vision_feature_layer. */
        assert_int_equal(param->trained,
                         !strstr(param->name, "layers.2.") &&
                             !strstr(param->name, "post_layernorm"));
        if (!param->trained)
            continue;
        x = value[k];
        value[k] = x + h;
        up = loss(&p, &s, false, false);
        value[k] = x - h;
        down = loss(&p, &s, false, false);
        value[k] = x;
        CHECK_CLOSE(grad[k], (up - down) / (2 * (double)h),
                    2e-2 + 2e-2 * fabs((double)grad[k]));
        checked += grad[k] != 0;
    }
    assert_true(checked > 50);
    sample_release(&p);
    subject_release(&s);
}

static void a_picture_without_a_place_is_refused(void **state)
{
    const int32_t ids[] = {1, 60, 2, 60};
    const struct medvl_grid grids[] = {{.rows = 3, .columns = 1},
                                       {.rows = 1, .columns = 2}};
    const struct medvl_config config = {.vision = {.merge = 1},
                                        .image_token = 60};
    struct medvl_error err = {0};
    int32_t *out, *from;
    int64_t count;

    (void)state;
    CHECK_FAILS(medvl_vlm_expand(&out, &from, &count, &config, ids, 4, grids,
                                 1, &err),
                MEDVL_EFORMAT, &err, "1 pictures, 2 places");
    CHECK_OK(medvl_vlm_expand(&out, &from, &count, &config, ids, 4, grids, 2,
                              &err),
             &err);
    assert_int_equal(count, 7);
    assert_memory_equal(out, ((int32_t[]){1, -1, -1, -1, 2, -1, -1}),
                        sizeof(int32_t) * 7);
    assert_memory_equal(from, ((int32_t[]){0, 1, 1, 1, 2, 3, 3}),
                        sizeof(int32_t) * 7);
    medvl_free(out);
    medvl_free(from);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pixels_are_those_of_the_processor_of_transformers),
        cmocka_unit_test(logits_are_those_of_transformers),
        cmocka_unit_test(names_of_newer_writers_are_read),
        cmocka_unit_test(what_is_written_reads_back_the_same),
        cmocka_unit_test(
            gradients_of_all_parts_agree_with_finite_differences),
        cmocka_unit_test(a_picture_without_a_place_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
