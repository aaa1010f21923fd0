/*
 * Every family of models against what its reference implementation gave.
 *
 * Each folder of tests/golden/models with an expected.json is a family of
 * its own here: a new one is a folder and nothing else.  What is in it says
 * tests/golden/reference.py.  Checked: what the pictures become, the ids
 * and positions, logits, greedy ids, a copy in bfloat16, and one step of
 * AdamW written back as a folder.
 */
#include "tests/unit/model.h"

#include "lib/base/json.h"
#include "lib/model/frontend.h"
#include "lib/model/generator.h"
#include "lib/model/pass.h"
#include "lib/model/rope.h"
#include "lib/tensor/safetensors.h"
#include "lib/train/optim.h"

#define MODELS "tests/golden/models"

enum { ALL = MEDVL_PART_VISION | MEDVL_PART_PROJECTOR | MEDVL_PART_DECODER,
       PICTURES = 8 };

/* ---- a family, open -------------------------------------------------- */

struct ids {
    int32_t *data;
    int64_t count;
};

struct sample {
    const char *folder;
    struct subject s;
    struct medvl_json *json;
    struct medvl_safetensors *want;
    struct medvl_frontend *frontend; /* NULL: a model without pictures */
    struct ids prompt, expanded, greedy;

    struct medvl_picture pictures[PICTURES];
    struct medvl_frontend_size sizes[PICTURES];
    struct medvl_grid grids[PICTURES];
    int64_t picture_count;
    float *rows; /* of all pictures */
    int64_t row_count;
    int32_t *places; /* of the picture tokens */
    int64_t place_count;
};

static char *inside(const char *folder, const char *name)
{
    char *path = NULL;

    assert_int_equal(medvl_path_join(&path, folder, name, NULL), MEDVL_OK);
    return path;
}

static struct ids read_ids(const struct medvl_json *array)
{
    struct ids out = {0};

    assert_int_equal(medvl_json_type(array), MEDVL_JSON_ARRAY);
    out.data = calloc(medvl_json_count(array) + 1, sizeof(*out.data));
    assert_non_null(out.data);
    for (array = medvl_json_first(array); array;
         array = medvl_json_next(array))
        out.data[out.count++] = (int32_t)medvl_json_number(array, -2);
    return out;
}

static void read_pictures(struct sample *p, struct medvl_error *err)
{
    const struct medvl_json *name = medvl_json_get(p->json, "pictures");
    int64_t at = 0, width = 0;

    name = medvl_json_first(name);
    if (name)
        CHECK_OK(medvl_frontend_open(&p->frontend, p->folder,
                                     &p->s.model->config, err),
                 err);
    for (; name; name = medvl_json_next(name)) {
        char *path = inside(p->folder, medvl_json_string(name));
        struct medvl_picture *picture = &p->pictures[p->picture_count];
        struct medvl_frontend_size *size = &p->sizes[p->picture_count];

        assert_true(p->picture_count < PICTURES);
        CHECK_OK(medvl_picture_read(picture, path, 1 << 24, err), err);
        CHECK_OK(medvl_picture_to_rgb(picture, err), err);
        CHECK_OK(medvl_frontend_size(size, p->frontend, picture->width,
                                     picture->height, err),
                 err);
        p->grids[p->picture_count++] = size->grid;
        p->row_count += size->patches;
        width = size->row;
        medvl_free(path);
    }
    p->rows = calloc((size_t)(p->row_count * width) + 1, sizeof(*p->rows));
    assert_non_null(p->rows);
    for (int64_t i = 0; i < p->picture_count; i++) {
        CHECK_OK(medvl_frontend_rows(p->rows + at, p->frontend,
                                     &p->pictures[i], err),
                 err);
        at += p->sizes[i].patches * width;
    }
}

static void sample_open(struct sample *p, const char *folder,
                        const char *weights, int train)
{
    char *path;

    memset(p, 0, sizeof(*p));
    p->folder = folder;
    subject_open(&p->s, weights ? weights : folder, train);
    path = inside(folder, "expected.json");
    CHECK_OK(medvl_json_read(&p->json, path, &p->s.err), &p->s.err);
    medvl_free(path);
    path = inside(folder, "expected.safetensors");
    CHECK_OK(medvl_safetensors_open(&p->want, path, &p->s.err), &p->s.err);
    medvl_free(path);
    p->prompt = read_ids(medvl_json_get(p->json, "prompt"));
    p->expanded = read_ids(medvl_json_get(p->json, "expanded"));
    p->greedy = read_ids(medvl_json_get(p->json, "greedy"));
    read_pictures(p, &p->s.err);
    p->places = calloc((size_t)p->expanded.count, sizeof(*p->places));
    assert_non_null(p->places);
    for (int64_t i = 0; i < p->expanded.count; i++)
        if (p->expanded.data[i] < 0)
            p->places[p->place_count++] = (int32_t)i;
}

static void sample_release(struct sample *p)
{
    for (int64_t i = 0; i < p->picture_count; i++)
        medvl_picture_release(&p->pictures[i]);
    free(p->prompt.data);
    free(p->expanded.data);
    free(p->greedy.data);
    free(p->rows);
    free(p->places);
    medvl_frontend_free(p->frontend);
    medvl_safetensors_free(p->want);
    medvl_json_free(p->json);
    subject_release(&p->s);
}

static struct medvl_pictures all_pictures(const struct sample *p)
{
    return (struct medvl_pictures){
        p->picture_count,
        medvl_tensor_2d(p->rows, MEDVL_DTYPE_F32, p->row_count,
                        p->sizes[0].row),
        p->grids};
}

static const struct medvl_tensor *find(const struct sample *p,
                                       const char *name)
{
    const struct medvl_tensor *t = medvl_safetensors_find(p->want, name);

    if (!t)
        fail_msg("%s: no \"%s\"", p->folder, name);
    return t;
}

static int64_t items_of(const struct medvl_tensor *t)
{
    return medvl_tensor_rows(t) * medvl_tensor_columns(t);
}

/* ---- pictures and ids ------------------------------------------------ */

/* Value (c, y, x) of patch k in views (T,3,H,W) of patches p by p. */
static float pixel_at(const struct medvl_tensor *views, int64_t side,
                      int64_t patch, int64_t k)
{
    const int rank = views->rank;
    const int64_t height = views->size[rank - 2], width = views->size[rank - 1];
    const int64_t across = width / side, down = height / side;
    const int64_t view = patch / (across * down);
    const int64_t top = patch / across % down * side;
    const int64_t left = patch % across * side;
    const int64_t c = k / (side * side);
    const int64_t y = top + k / side % side, x = left + k % side;

    return ((const float *)
                views->data)[((view * 3 + c) * height + y) * width + x];
}

/* What is left over at the edges of a view is in no patch. */
static int64_t patches_of(const struct medvl_tensor *views, int64_t side)
{
    const int64_t *size = views->size + views->rank - 3;

    return items_of(views) / (size[0] * size[1] * size[2]) *
           (size[1] / side) * (size[2] / side);
}

static void check_pixels(const struct sample *p, int64_t picture,
                         const float *rows)
{
    const struct medvl_frontend_size *size = &p->sizes[picture];
    const int64_t side = p->s.model->config.vision.patch_size;
    const struct medvl_tensor *want;
    char name[32];

    snprintf(name, sizeof(name), "pixels.%d", (int)picture);
    want = find(p, name);
    assert_int_equal(want->rank == 2 ? want->size[0]
                                     : patches_of(want, side),
                     size->patches);
    for (int64_t i = 0; i < size->patches; i++)
        for (int64_t k = 0; k < size->row; k++) {
            const float got = rows[i * size->row + k];
            const float expect =
                want->rank == 2
                    ? ((const float *)want->data)[i * size->row + k]
                    : pixel_at(want, side, i, k);

            if (!(fabsf(got - expect) <= 1e-6f))
                fail_msg("%s: picture %d, patch %d, value %d: %.9g, not "
                         "%.9g",
                         p->folder, (int)picture, (int)i, (int)k,
                         (double)got, (double)expect);
        }
}

/* One row of numbers for each axis. */
static void check_positions(const struct sample *p)
{
    const struct medvl_config *config = &p->s.model->config;
    const struct medvl_json *rows = medvl_json_get(p->json, "positions");
    const int64_t axes = medvl_config_axes(config);
    const int64_t count = p->expanded.count;
    int32_t *got = calloc((size_t)(count * axes), sizeof(*got));

    assert_non_null(got);
    assert_int_equal(medvl_json_count(rows), axes);
    medvl_grid_positions(got, config, p->expanded.data, count, p->grids, 0);
    for (int64_t a = 0; a < axes; a++) {
        struct ids want = read_ids(medvl_json_at(rows, (size_t)a));

        assert_int_equal(want.count, count);
        for (int64_t i = 0; i < count; i++)
            if (got[i * axes + a] != want.data[i])
                fail_msg("%s: position %d of token %d is %d, not %d",
                         p->folder, (int)a, (int)i,
                         (int)got[i * axes + a], (int)want.data[i]);
        free(want.data);
    }
    free(got);
}

static void pictures_and_ids(void **state)
{
    struct sample p;
    int64_t count, at = 0;
    int32_t *ids, *from;

    sample_open(&p, *state, NULL, 0);
    for (int64_t i = 0; i < p.picture_count; i++) {
        check_pixels(&p, i, p.rows + at);
        at += p.sizes[i].patches * p.sizes[i].row;
    }
    CHECK_OK(medvl_vlm_expand(&ids, &from, &count, &p.s.model->config,
                              p.prompt.data, p.prompt.count, p.grids,
                              p.picture_count, &p.s.err),
             &p.s.err);
    assert_int_equal(count, p.expanded.count);
    assert_memory_equal(ids, p.expanded.data, (size_t)count * sizeof(*ids));
    check_positions(&p);
    medvl_free(ids);
    medvl_free(from);
    sample_release(&p);
}

/* ---- logits ---------------------------------------------------------- */

/* The tensor, and as much memory for what is to be compared. */
static const struct medvl_tensor *want_logits(const struct sample *p,
                                              float **got)
{
    const struct medvl_tensor *want = find(p, "logits");

    assert_int_equal(want->size[0], p->expanded.count);
    assert_int_equal(want->size[1], p->s.model->config.decoder.vocab_size);
    *got = calloc((size_t)items_of(want), sizeof(**got));
    assert_non_null(*got);
    return want;
}

static double logits_error(struct sample *p)
{
    const int64_t count = p->expanded.count;
    const struct medvl_tensor *want;
    struct medvl_inputs inputs = {0};
    double error;
    float *got;

    want = want_logits(p, &got);
    inputs.tokens.tokens = count;
    inputs.tokens.ids = p->expanded.data;
    inputs.pictures = all_pictures(p);
    inputs.picture_token = p->places;
    inputs.picture_tokens = p->place_count;
    subject_logits(got, &p->s, &inputs, NULL);
    error = relative_difference(got, want->data, items_of(want));
    free(got);
    return error;
}

static void logits(void **state)
{
    struct sample p;

    sample_open(&p, *state, NULL, 0);
    CHECK_CLOSE(logits_error(&p), 0, 1e-4);
    sample_release(&p);
}

struct sheet {
    float *at;
    int64_t vocab;
};

static int keep_row(void *arg, void *owner, const float *row,
                    struct medvl_error *err)
{
    struct sheet *sheet = arg;

    (void)owner;
    (void)err;
    memcpy(sheet->at, row, (size_t)sheet->vocab * sizeof(*row));
    sheet->at += sheet->vocab;
    return MEDVL_OK;
}

/* The prompt in two pieces, the second behind what is in the pages. */
static void logits_of_a_prompt_in_two_pieces(void **state)
{
    const struct medvl_tensor *want;
    struct medvl_pass *pass;
    struct sample p;
    struct sheet sheet;
    int64_t first;
    float *got;

    sample_open(&p, *state, NULL, 0);
    first = p.place_count ? p.places[p.place_count - 1] + 1
                          : p.expanded.count * 2 / 3;
    if (medvl_rope_stage(&p.s.model->config.decoder, first) !=
        medvl_rope_stage(&p.s.model->config.decoder, p.expanded.count))
        first = p.expanded.count;
    want = want_logits(&p, &got);
    sheet = (struct sheet){got, want->size[1]};
    CHECK_OK(medvl_pass_open(&pass, p.s.model, p.s.dev, &p.s.err), &p.s.err);
    CHECK_OK(medvl_pass_reserve(
                 pass, 2, p.expanded.count,
                 medvl_kvcache_pages_for(p.expanded.count), &p.s.err),
             &p.s.err);
    for (int64_t at = 0; at < p.expanded.count; at = first,
                 first = p.expanded.count) {
        const struct medvl_piece piece = {
            .slot = 1,
            .ids = p.expanded.data + at,
            .count = first - at,
            .pictures = at ? (struct medvl_pictures){0} : all_pictures(&p),
            .wanted = first - at};

        medvl_pass_begin(pass);
        CHECK_OK(medvl_pass_add(pass, &piece, &p.s.err), &p.s.err);
        CHECK_OK(medvl_pass_run(pass, keep_row, &sheet, &p.s.err),
                 &p.s.err);
    }
    assert_ptr_equal(sheet.at, got + items_of(want));
    CHECK_CLOSE(relative_difference(got, want->data, items_of(want)), 0,
                1e-4);
    free(got);
    medvl_pass_free(pass);
    sample_release(&p);
}

/* The folder written again, all in bfloat16. */
static char *narrowed(const char *folder)
{
    char *out = check_temp("narrowed");
    struct medvl_model *model;
    struct medvl_error err = {0};

    CHECK_OK(medvl_model_open(&model, folder, 0, &err), &err);
    CHECK_OK(medvl_folder_make(out, &err), &err);
    CHECK_OK(medvl_model_write_as(model, out, MEDVL_DTYPE_BF16, NULL, &err),
             &err);
    medvl_model_free(model);
    return out;
}

static void logits_of_a_copy_in_bf16(void **state)
{
    char *copy = narrowed(*state);
    struct sample p;
    double error;

    sample_open(&p, *state, copy, 0);
    assert_int_equal(p.s.model->params[0].value.dtype, MEDVL_DTYPE_BF16);
    error = logits_error(&p);
    CHECK_CLOSE(error, 0, 2e-2);
    assert_true(error > 1e-5);
    sample_release(&p);
    CHECK_OK(medvl_path_remove(copy, NULL), &p.s.err);
    medvl_free(copy);
}

/* ---- greedy ids ------------------------------------------------------ */

static void check_greedy(const struct sample *p, const int32_t *got,
                         int64_t count)
{
    assert_int_equal(count, p->greedy.count);
    for (int64_t i = 0; i < count; i++)
        if (got[i] != p->greedy.data[i])
            fail_msg("%s: new token %d is %d, not %d", p->folder, (int)i,
                     (int)got[i], (int)p->greedy.data[i]);
}

/* The generator, with a neighbour that ends sooner. */
static void greedy_ids(void **state)
{
    struct medvl_generator_options options = {.slots = 2};
    struct medvl_generator *generator;
    struct medvl_completion done[2];
    struct medvl_prompt prompts[2] = {{.seed = 0}};
    struct sample p;

    sample_open(&p, *state, NULL, 0);
    p.s.model->config.eos_count = 0;
    options.longest = p.expanded.count + p.greedy.count;
    prompts[0].ids = p.expanded.data;
    prompts[0].count = p.expanded.count;
    prompts[0].pictures = all_pictures(&p);
    prompts[0].max_tokens = p.greedy.count;
    prompts[1].ids = p.greedy.data;
    prompts[1].count = 3;
    prompts[1].max_tokens = 5;
    CHECK_OK(medvl_generator_open(&generator, p.s.model, p.s.dev, &options,
                                  &p.s.err),
             &p.s.err);
    CHECK_OK(medvl_generate(done, generator, prompts, 2, &p.s.err),
             &p.s.err);
    check_greedy(&p, done[0].tokens, done[0].count);
    medvl_completion_release(&done[0]);
    medvl_completion_release(&done[1]);
    medvl_generator_free(generator);
    sample_release(&p);
}

/* ---- one step -------------------------------------------------------- */

struct lesson {
    int32_t *ids, *positions, *targets;
    float *weights;
    int64_t count;
    struct medvl_inputs inputs;
    int32_t cu[2];
};

static void lesson_open(struct lesson *l, const struct sample *p)
{
    const struct medvl_config *config = &p->s.model->config;
    int64_t learned = 0;

    memset(l, 0, sizeof(*l));
    l->count = p->expanded.count + p->greedy.count;
    l->ids = calloc((size_t)l->count + 1, sizeof(*l->ids));
    l->positions = calloc((size_t)(l->count * medvl_config_axes(config)),
                          sizeof(*l->positions));
    l->targets = calloc((size_t)l->count, sizeof(*l->targets));
    l->weights = calloc((size_t)l->count, sizeof(*l->weights));
    assert_true(l->ids && l->positions && l->targets && l->weights);
    memcpy(l->ids, p->expanded.data,
           (size_t)p->expanded.count * sizeof(*l->ids));
    memcpy(l->ids + p->expanded.count, p->greedy.data,
           (size_t)p->greedy.count * sizeof(*l->ids));
    l->ids[l->count] = -1;
    medvl_grid_positions(l->positions, config, l->ids, l->count, p->grids, 0);
    for (int64_t i = 0; i < l->count; i++) {
        l->targets[i] = l->ids[i + 1];
        learned += l->targets[i] >= 0;
    }
    for (int64_t i = 0; i < l->count; i++)
        l->weights[i] = -1 / (float)learned;
    l->cu[1] = (int32_t)l->count;
    l->inputs.tokens.tokens = l->count;
    l->inputs.tokens.sequences = 1;
    l->inputs.tokens.ids = l->ids;
    l->inputs.tokens.positions = l->positions;
    l->inputs.tokens.cu = l->cu;
    l->inputs.pictures = all_pictures(p);
    l->inputs.picture_token = p->places;
    l->inputs.picture_tokens = p->place_count;
}

static void lesson_release(struct lesson *l)
{
    free(l->ids);
    free(l->positions);
    free(l->targets);
    free(l->weights);
}

/* Gradients of the mean cross entropy into the parameters. */
static void learn(struct sample *p)
{
    const struct medvl_tape_options options = {.mode = MEDVL_TAPE_TRAIN,
                                               .recompute = true};
    struct subject *s = &p->s;
    struct medvl_tensor targets, weights;
    struct medvl_decoder_run *run;
    struct medvl_var *x;
    struct lesson l;

    lesson_open(&l, p);
    targets = medvl_tensor_1d(l.targets, MEDVL_DTYPE_I32, l.count);
    weights = medvl_tensor_1d(l.weights, MEDVL_DTYPE_F32, l.count);
    CHECK_OK(medvl_decoder_run_open(&run, &s->model->config.decoder,
                                    &l.inputs.tokens, &s->err),
             &s->err);
    medvl_tape_begin(s->tape, &options, NULL);
    x = medvl_vlm_forward(s->tape, s->model, &l.inputs, run);
    x = medvl_tape_head_logprob(s->tape, NULL, NULL, x,
                                medvl_decoder_head(s->model),
                                medvl_decoder_head_bias(s->model), &targets);
    medvl_tape_seed(s->tape, x, &weights);
    medvl_tape_backward(s->tape);
    CHECK_OK(medvl_tape_end(s->tape, &s->err), &s->err);
    medvl_decoder_run_free(run);
    lesson_release(&l);
}

static void update(struct sample *p)
{
    const struct medvl_optim_options options = {
        .beta1 = 0.9f, .beta2 = 0.999f, .eps = 1, .decay = 0.1f};
    struct medvl_model *model = p->s.model;
    struct medvl_optim_item *items = calloc((size_t)model->count,
                                            sizeof(*items));
    struct medvl_optim *optim;
    int64_t count = 0;
    double norm;

    assert_non_null(items);
    for (int64_t i = 0; i < model->count; i++)
        if (model->params[i].trained)
            items[count++] = (struct medvl_optim_item){
                .param = &model->params[i], .rate = 0.1, .decay = true};
    CHECK_OK(medvl_optim_open(&optim, p->s.dev, items, count, &options,
                              &p->s.err),
             &p->s.err);
    CHECK_OK(medvl_optim_step(&norm, optim, 1, &p->s.err), &p->s.err);
    medvl_optim_free(optim);
    free(items);
}

/*
 * What was written against the step's tensors: the difference as a part of
 * the largest change.  What the step does not reach stays bit for bit.
 */
static void check_step(const struct sample *p, const char *name,
                       const struct medvl_tensor *before,
                       const struct medvl_tensor *after)
{
    const int64_t items = items_of(before);
    const float *old = before->data, *now = after->data;
    const struct medvl_tensor *step;
    double change = 0, error = 0;
    char key[300];

    assert_int_equal(before->rank, after->rank);
    assert_memory_equal(before->size, after->size,
                        (size_t)before->rank * sizeof(before->size[0]));
    assert_int_equal(after->dtype, MEDVL_DTYPE_F32);
    snprintf(key, sizeof(key), "step.%s", name);
    step = medvl_safetensors_find(p->want, key);
    if (!step) {
        if (memcmp(old, now, (size_t)items * sizeof(*old)) != 0)
            fail_msg("%s: %s has changed", p->folder, name);
        return;
    }
    assert_int_equal(items_of(step), items);
    for (int64_t i = 0; i < items; i++) {
        const double want = ((const float *)step->data)[i];

        change = fmax(change, fabs(want - (double)old[i]));
        error = fmax(error, fabs(want - (double)now[i]));
        if (isnan(now[i]))
            fail_msg("%s: %s is not a number", p->folder, name);
    }
    if (!(error <= 1e-4 * change))
        fail_msg("%s: %s is off by %g of its change", p->folder, name,
                 error / change);
}

/* Tensors of a tower that lies beside; trained, it is inside as well. */
static int64_t beside(const struct medvl_model *m)
{
    int64_t count = 0;

    for (int64_t i = 0; i < m->count && medvl_model_tower(m); i++)
        count += medvl_model_part(m, &m->params[i]) == MEDVL_PART_VISION;
    return count;
}

static void one_step_written_back(void **state)
{
    char *out = check_temp("stepped");
    struct medvl_safetensors *before = NULL, *after = NULL;
    struct sample p;

    sample_open(&p, *state, NULL, ALL);
    learn(&p);
    update(&p);
    CHECK_OK(medvl_folder_make(out, &p.s.err), &p.s.err);
    CHECK_OK(medvl_model_write(p.s.model, out, NULL, &p.s.err), &p.s.err);
    CHECK_OK(medvl_safetensors_open(&before, p.folder, &p.s.err), &p.s.err);
    CHECK_OK(medvl_safetensors_open(&after, out, &p.s.err), &p.s.err);
    for (int64_t i = 0; i < medvl_safetensors_count(before); i++) {
        const char *name = medvl_safetensors_name(before, i);
        const struct medvl_tensor *t = medvl_safetensors_find(after, name);

        if (!t)
            fail_msg("%s: %s is not written back", p.folder, name);
        check_step(&p, name, medvl_safetensors_tensor(before, i), t);
    }
    assert_int_equal(medvl_safetensors_count(before) + beside(p.s.model),
                     medvl_safetensors_count(after));
    medvl_safetensors_free(before);
    medvl_safetensors_free(after);
    sample_release(&p);
    CHECK_OK(medvl_path_remove(out, NULL), &p.s.err);
    medvl_free(out);
}

/* ---- the list -------------------------------------------------------- */

static const struct {
    const char *name;
    void (*run)(void **state);
} CASES[] = {
    {"pictures, ids and positions", pictures_and_ids},
    {"logits", logits},
    {"logits of a prompt in two pieces", logits_of_a_prompt_in_two_pieces},
    {"logits of a copy in bf16", logits_of_a_copy_in_bf16},
    {"greedy ids", greedy_ids},
    {"one step, written back", one_step_written_back},
};
enum { CASE_COUNT = sizeof(CASES) / sizeof(*CASES) };

/* Add a folder's cases; memory until the end. */
static size_t add_family(struct CMUnitTest *tests, const char *name)
{
    char *folder = inside(MODELS, name);
    char *expected = inside(folder, "expected.json");
    const bool there = medvl_file_exists(expected);

    medvl_free(expected);
    for (int i = 0; there && i < CASE_COUNT; i++) {
        char *title = malloc(200);

        assert_non_null(title);
        snprintf(title, 200, "%s: %s", name, CASES[i].name);
        tests[i] = (struct CMUnitTest){.name = title,
                                       .test_func = CASES[i].run,
                                       .initial_state = folder};
    }
    if (!there)
        medvl_free(folder);
    return there ? CASE_COUNT : 0;
}

int main(void)
{
    struct medvl_names names = {0};
    struct medvl_error err = {0};
    struct CMUnitTest *tests;
    size_t count = 0;
    int rc = medvl_folder_list(&names, MODELS, &err);

    tests = calloc((size_t)names.count * CASE_COUNT + 1, sizeof(*tests));
    if (rc < 0 || !tests) {
        fprintf(stderr, "%s: %s\n", MODELS, err.text);
        return 1;
    }
    for (size_t i = 0; i < (size_t)names.count; i++)
        count += add_family(tests + count, names.items[i]);
    rc = _cmocka_run_group_tests("families", tests, count, NULL, NULL);
    for (size_t i = 0; i < count; i++) {
        if (i % CASE_COUNT == 0)
            medvl_free(tests[i].initial_state);
        free((void *)(uintptr_t)tests[i].name);
    }
    free(tests);
    medvl_names_release(&names);
    return rc;
}
