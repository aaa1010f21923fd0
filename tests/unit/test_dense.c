/*
 * lib/train/dense: which patch has which class, by hand-made regions.
 *
 * The tower's last norm is made constant, so that a head says one class for
 * every patch and picture; how often that is right counts the class.
 */
#include "tests/unit/model.h"

#include <unistd.h>

#include "lib/image/region.h"
#include "lib/train/dense.h"

#define TINY "tests/golden/models/llava"
#define NORM "vision.post_norm"

/* Pictures of 20 x 20 in 4 x 4 patches: centres at 2.5, 7.5, 12.5, 17.5. */
enum { SIDE = 20,
       PATCHES = 16,
       WIDTH = 36 };

struct scene {
    struct subject s;
    char folder[64], picture[96], data[96];
    struct medvl_frontend *frontend;
    struct medvl_loader *loader;
    struct medvl_dense *dense;
    float ones[WIDTH], zeros[WIDTH];
};

static int setup(void **state)
{
    struct scene *c = calloc(1, sizeof(*c));
    uint8_t pixels[SIDE * SIDE] = {0};
    const struct medvl_picture picture = {.width = SIDE,
                                          .height = SIDE,
                                          .channels = 1,
                                          .depth = 8,
                                          .data = pixels};

    assert_non_null(c);
    *state = c;
    snprintf(c->folder, sizeof(c->folder), "/tmp/medvl-dense-XXXXXX");
    assert_non_null(mkdtemp(c->folder));
    snprintf(c->picture, sizeof(c->picture), "%s/p.png", c->folder);
    snprintf(c->data, sizeof(c->data), "%s/data.jsonl", c->folder);
    CHECK_OK(medvl_picture_write(&picture, c->picture, NULL, &c->s.err),
             &c->s.err);
    return 0;
}

static int teardown(void **state)
{
    struct scene *c = *state;
    const int rc = medvl_path_remove(c->folder, NULL);

    medvl_dense_free(c->dense);
    medvl_loader_free(c->loader);
    medvl_frontend_free(c->frontend);
    subject_release(&c->s);
    free(c);
    return rc;
}

/* A line for each text of regions, with "plane" p0, p1, p0 ... */
static void put_records(struct scene *c, const char *const *regions)
{
    struct medvl_text text = {0};
    struct medvl_error err = {0};

    for (int i = 0; regions[i]; i++)
        CHECK_OK(medvl_text_printf(
                     &text, &err,
                     "{\"id\":\"r%d\",\"plane\":\"p%d\",\"images\":[{"
                     "\"path\":\"%s\",\"regions\":[%s]}]}\n",
                     i, i % 2, c->picture, regions[i]),
                 &err);
    CHECK_OK(medvl_file_write(c->data, text.data, text.size, &err), &err);
    medvl_text_release(&text);
}

/* Tower, data and heads; the norm's output is 1 in every channel. */
static int open_scene(struct scene *c, const char *const *regions,
                      const struct medvl_dense_options *options)
{
    const char *const data[] = {c->data};
    const struct medvl_loader_options loading = {
        .data = {.data = data, .data_count = 1, .dense = true},
        .batch_tokens = 1000,
        .accumulate = 1,
        .in_order = true};
    struct medvl_error *err = &c->s.err;

    put_records(c, regions);
    subject_open(&c->s, TINY, MEDVL_PART_VISION);
    CHECK_OK(medvl_frontend_open(&c->frontend, TINY, &c->s.model->config, err),
             err);
    CHECK_OK(medvl_loader_open(&c->loader, &loading, c->frontend, NULL, err),
             err);
    for (int i = 0; i < WIDTH; i++)
        c->ones[i] = 1;
    medvl_model_param(c->s.model, NORM ".weight")->value.data = c->zeros;
    medvl_model_param(c->s.model, NORM ".bias")->value.data = c->ones;
    return medvl_dense_open(&c->dense, options, medvl_loader_data(c->loader),
                            c->frontend, c->s.model, err);
}

static struct medvl_dense_result evaluate(struct scene *c)
{
    const struct medvl_tape_options options = {.mode = MEDVL_TAPE_INFER};
    struct medvl_dense_result sum = {0};
    struct medvl_error *err = &c->s.err;
    struct medvl_step step;

    CHECK_OK(medvl_loader_read(&step, c->loader, 0, 0, err), err);
    medvl_tape_begin(c->s.tape, &options, NULL);
    CHECK_OK(medvl_dense_run(&sum, c->dense, c->s.tape, step.micro, 1, err),
             err);
    CHECK_OK(medvl_tape_end(c->s.tape, err), err);
    return sum;
}

/* Head `h` (label, drawn, fields) says `class` everywhere. */
static void say(struct scene *c, int h, int class, float strength)
{
    int64_t count;
    struct medvl_param *p = &medvl_dense_params(c->dense, &count)[h];

    assert_true(h < count && class < p->value.size[0]);
    memset(p->value.data, 0,
           (size_t)(p->value.size[0] * WIDTH) * sizeof(float));
    ((float *)p->value.data)[class * WIDTH] = strength;
    p->version++;
}

static int64_t patches_of(struct scene *c, int class)
{
    say(c, 0, class, 5);
    return evaluate(c).patches_right;
}

static const struct medvl_dense_options ALL = {
    .label = 1, .drawn = 1, .field = 1, .classes = "plane"};

static void a_patch_has_the_smallest_region_over_its_centre(void **state)
{
    /* b: the left half; c inside it: the upper left quarter; a: a box that
     * holds no centre; the right half is none. */
    static const char *const regions[] = {
        "{\"label\":\"b\",\"box\":[0,0,10,20]},"
        "{\"label\":\"c\",\"box\":[0,0,10,10]},"
        "{\"label\":\"a\",\"box\":[3,3,7,7]}",
        NULL};
    struct scene *c = *state;

    CHECK_OK(open_scene(c, regions, &ALL), &c->s.err);
    assert_int_equal(patches_of(c, 1), 0); /* a */
    assert_int_equal(patches_of(c, 2), 4); /* b less c */
    assert_int_equal(patches_of(c, 3), 4); /* c */
    assert_int_equal(evaluate(c).patches, 8);
    assert_int_equal(evaluate(c).labelled, 1);
}

static void a_mask_counts_in_place_of_its_box(void **state)
{
    struct medvl_text counts = {0}, region = {0};
    struct medvl_mask mask = {0};
    struct medvl_error err = {0};
    const char *regions[2] = {0};
    struct scene *c = *state;

    /* The first row of patches and one more, in a box of everything. */
    CHECK_OK(medvl_mask_make(&mask, SIDE, SIDE, &err), &err);
    memset(mask.data, 1, 5 * SIDE);
    mask.data[7 * SIDE + 2] = 1; /* the centre of the patch below */
    CHECK_OK(medvl_mask_encode(&counts, &mask, &err), &err);
    CHECK_OK(medvl_text_puts(&region,
                             "{\"label\":\"a\",\"box\":[0,0,20,20],\"mask\":"
                             "{\"size\":[20,20],\"counts\":",
                             &err),
             &err);
    CHECK_OK(medvl_json_quote(&region, medvl_text_span(&counts), &err), &err);
    CHECK_OK(medvl_text_puts(&region, "}}", &err), &err);
    regions[0] = region.data;
    CHECK_OK(open_scene(c, regions, &ALL), &c->s.err);
    assert_int_equal(patches_of(c, 1), 5);
    medvl_mask_release(&mask);
    medvl_text_release(&counts);
    medvl_text_release(&region);
}

static void pictures_without_labels_take_no_part_in_them(void **state)
{
    static const char *const regions[] = {
        "", "{\"label\":\"a\",\"box\":[0,0,20,10]}",
        "{\"drawn\":true,\"box\":[0,0,5,5]}", NULL};
    struct scene *c = *state;
    struct medvl_dense_result sum;

    CHECK_OK(open_scene(c, regions, &ALL), &c->s.err);
    sum = evaluate(c);
    assert_int_equal(sum.pictures, 3);
    assert_int_equal(sum.labelled, 1);
    assert_int_equal(sum.patches, 8);
    CHECK_CLOSE(sum.label, log(2), 1e-6); /* of one picture, not three */
    CHECK_CLOSE(sum.drawn, 3 * log(2), 1e-6);
    CHECK_CLOSE(sum.field, 3 * log(2), 1e-6);
    CHECK_CLOSE(sum.loss, 7 * log(2), 1e-5);
    say(c, 2, 0, 5); /* "p0": two of three */
    sum = evaluate(c);
    assert_int_equal(sum.fields, 3);
    assert_int_equal(sum.fields_right, 2);
}

static void drawn_patches_are_those_inside_its_box(void **state)
{
    static const char *const regions[] = {
        "{\"label\":\"a\",\"drawn\":true,\"box\":[5,5,20,15]}", NULL};
    struct scene *c = *state;
    double inside, outside;

    CHECK_OK(open_scene(c, regions, &ALL), &c->s.err);
    say(c, 1, 1, 3); /* logits 0 and 3 everywhere */
    inside = log(1 + exp(-3.0));
    outside = inside + 3;
    CHECK_CLOSE(evaluate(c).drawn, (6 * inside + 10 * outside) / PATCHES,
                1e-5);
}

static void regions_that_mean_nothing_are_errors(void **state)
{
    static const char *const plain[] = {"", "{\"point\":[1,1]}", NULL};
    struct medvl_dense_options options = {.label = 1, .drawn = 1};
    struct scene *c = *state;

    CHECK_FAILS(open_scene(c, plain, &options), MEDVL_EARG, &c->s.err,
                "no labelled");
    options.classes = "size";
    CHECK_FAILS(medvl_dense_open(&c->dense, &options,
                                 medvl_loader_data(c->loader), c->frontend,
                                 c->s.model, &c->s.err),
                MEDVL_EFORMAT, &c->s.err, "\"size\": missing");
    options.classes = "a,,b";
    CHECK_FAILS(medvl_dense_open(&c->dense, &options,
                                 medvl_loader_data(c->loader), c->frontend,
                                 c->s.model, &c->s.err),
                MEDVL_EARG, &c->s.err, "--classes");
}

static void models_with_more_than_patches_are_refused(void **state)
{
    static const char *const boxed[] = {
        "{\"label\":\"a\",\"box\":[0,0,9,9]}", NULL};
    struct medvl_dense_options options = {.label = 1};
    struct scene *c = *state;
    struct medvl_dense *none;

    CHECK_OK(open_scene(c, boxed, &options), &c->s.err);
    c->s.model->config.family = MEDVL_FAMILY_QWEN2_VL;
    CHECK_FAILS(medvl_dense_open(&none, &options,
                                 medvl_loader_data(c->loader), c->frontend,
                                 c->s.model, &c->s.err),
                MEDVL_EARG, &c->s.err, "one view");
    c->s.model->config.family = MEDVL_FAMILY_LLAVA;
    c->s.model->config.vision.registers = 4;
    CHECK_FAILS(medvl_dense_open(&none, &options,
                                 medvl_loader_data(c->loader), c->frontend,
                                 c->s.model, &c->s.err),
                MEDVL_EARG, &c->s.err, "patches alone");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_patch_has_the_smallest_region_over_its_centre),
        TEST(a_mask_counts_in_place_of_its_box),
        TEST(pictures_without_labels_take_no_part_in_them),
        TEST(drawn_patches_are_those_inside_its_box),
        TEST(regions_that_mean_nothing_are_errors),
        TEST(models_with_more_than_patches_are_refused),
    };
#undef TEST

    return cmocka_run_group_tests(tests, NULL, NULL);
}
