/*
 * A model folder in one line: what it is, how large, and what memory it
 * takes to run and to train.
 *
 * Read next: ../../man/medvl-inspect.1.
 */
#include <stdio.h>
#include <string.h>

#include "lib/base/file.h"
#include "lib/base/json.h"
#include "lib/base/mem.h"
#include "lib/model/frontend.h"
#include "lib/model/vlm.h"
#include "lib/run/view.h"
#include "lib/tensor/safetensors.h"
#include "lib/text/chat.h"
#include "lib/text/tokenizer.h"

#define TOKENS     ((int64_t)1000) /* that a plan is made for */
#define PARTS      3
#define TYPES_MOST 32 /* more than the format has */

static const struct {
    const char *name;
    enum medvl_part part;
} NAMES[PARTS] = {{"vision", MEDVL_PART_VISION},
                  {"projector", MEDVL_PART_PROJECTOR},
                  {"decoder", MEDVL_PART_DECODER}};

/* Bytes; `over`: one is more than 64 bits hold. */
struct sums {
    bool over;
    int64_t weights, cached, activations, running, training;
};

struct seen {
    const char *folder;
    struct medvl_model *model; /* opened, or of shapes alone */
    bool weights;
    struct medvl_frontend *frontend; /* NULL: no pictures, or no processor */
    struct medvl_error unread;       /* why there is no processor */
    int64_t parameters[PARTS], total;
    int64_t bytes[PARTS]; /* as stored */
    struct sums sums;
    struct medvl_frontend_size picture;
};

static bool holds(const char *folder, const char *name)
{
    char *path = NULL;
    bool is;

    if (medvl_path_join(&path, folder, name, NULL) < 0)
        return false;
    is = medvl_file_exists(path);
    medvl_free(path);
    return is;
}

bool medvl_view_is_model(const char *path)
{
    return medvl_folder_exists(path) &&
           (holds(path, "config.json") || medvl_safetensors_in(path));
}

/* ---- sums ------------------------------------------------------------- */

/* *sum += a * b, unless it is known to be too large for 64 bits. */
static void add(struct sums *s, int64_t *sum, int64_t a, int64_t b)
{
    int64_t product;

    if (__builtin_mul_overflow(a, b, &product) ||
        __builtin_add_overflow(*sum, product, sum))
        s->over = true;
}

/* ---- opening --------------------------------------------------------- */

static void count_parameters(struct seen *s)
{
    for (int64_t i = 0; i < s->model->count; i++) {
        const struct medvl_param *p = &s->model->params[i];
        const int64_t items = medvl_tensor_rows(&p->value) *
                              medvl_tensor_columns(&p->value);
        int k = 0;

        while (NAMES[k].part != medvl_model_part(s->model, p))
            k++;
        add(&s->sums, &s->parameters[k], items, 1);
        add(&s->sums, &s->total, items, 1);
        add(&s->sums, &s->bytes[k], items,
            (int64_t)medvl_dtype_bytes(p->value.dtype, 1));
    }
}

/* A picture of the size that the tower is made for; 448 where it takes any. */
static int open_pictures(struct seen *s, struct medvl_error *err)
{
    const struct medvl_config *c = &s->model->config;
    const int64_t side = c->vision.image_size ? c->vision.image_size : 448;
    int rc;

    if (c->family == MEDVL_FAMILY_TEXT)
        return MEDVL_OK;
    rc = medvl_frontend_open(&s->frontend, s->folder, c, &s->unread);
    if (rc == MEDVL_EARG) /* a folder without a processor */
        return MEDVL_OK;
    if (rc < 0)
        return medvl_fail(err, s->unread.code, "%s", s->unread.text);
    if (rc == MEDVL_OK)
        rc = medvl_frontend_size(&s->picture, s->frontend, side, side, err);
    return rc;
}

static int seen_open(struct seen *s, struct medvl_error *err)
{
    int rc = medvl_model_look(&s->model, s->folder, err);

    s->weights = medvl_safetensors_in(s->folder);
    if (rc == MEDVL_OK) {
        count_parameters(s);
        rc = open_pictures(s, err);
    }
    return rc;
}

static void seen_release(struct seen *s)
{
    medvl_frontend_free(s->frontend);
    medvl_model_free(s->model);
}

/* ---- plans ------------------------------------------------------------ */

/* A picture, if the model takes any, and text up to TOKENS after it. */
struct batch {
    struct medvl_inputs inputs;
    int32_t *ids, *positions, *places;
    int32_t cu[2];
};

static void batch_release(struct batch *b)
{
    medvl_free(b->ids);
    medvl_free(b->positions);
    medvl_free(b->places);
}

static int batch_make(struct batch *b, const struct seen *s,
                      struct medvl_error *err)
{
    const struct medvl_config *c = &s->model->config;
    const struct medvl_frontend_size *p = &s->picture;
    const int64_t limit = c->decoder.max_positions;
    const int64_t text = TOKENS < limit ? TOKENS : limit;
    const int64_t n = p->tokens + (text > p->tokens ? text - p->tokens : 1);
    const size_t axes = (size_t)medvl_config_axes(c);

    b->ids = medvl_alloc((size_t)n, sizeof(*b->ids));
    b->positions = medvl_alloc((size_t)n * axes, sizeof(*b->positions));
    b->places = medvl_alloc((size_t)n, sizeof(*b->places));
    if (!b->ids || !b->positions || !b->places)
        return medvl_no_memory(err);
    for (int64_t i = 0; i < p->tokens; i++) {
        b->ids[i] = -1;
        b->places[i] = (int32_t)i;
    }
    medvl_grid_positions(b->positions, c, b->ids, n, &p->grid, 0);
    b->cu[1] = (int32_t)n;
    b->inputs.tokens.tokens = n;
    b->inputs.tokens.sequences = 1;
    b->inputs.tokens.ids = b->ids;
    b->inputs.tokens.positions = b->positions;
    b->inputs.tokens.cu = b->cu;
    b->inputs.picture_token = b->places;
    b->inputs.picture_tokens = p->tokens;
    if (p->tokens) {
        b->inputs.pictures.count = 1;
        b->inputs.pictures.grids = &p->grid;
        b->inputs.pictures.rows =
            medvl_tensor_2d(NULL, MEDVL_DTYPE_F32, p->patches, p->row);
    }
    return MEDVL_OK;
}

/* Bytes of what a run over the batch has in memory beside the weights. */
static int plan(int64_t *bytes, const struct seen *s, const struct batch *b,
                struct medvl_error *err)
{
    const struct medvl_tape_options options = {.mode = MEDVL_TAPE_PLAN};
    struct medvl_decoder_run *run = NULL;
    struct medvl_device *dev = NULL;
    struct medvl_tape *tape = NULL;
    struct medvl_var *hidden;
    int rc = medvl_device_open(&dev, "cpu", NULL, err);

    if (rc == MEDVL_OK)
        rc = medvl_tape_open(&tape, dev, err);
    if (rc == MEDVL_OK)
        rc = medvl_decoder_run_open(&run, &s->model->config.decoder,
                                    &b->inputs.tokens, err);
    if (rc == MEDVL_OK) {
        medvl_tape_begin(tape, &options, NULL);
        hidden = medvl_vlm_forward(tape, s->model, &b->inputs, run);
        (void)hidden;
        rc = medvl_tape_end(tape, err);
    }
    if (rc == MEDVL_OK)
        *bytes = (int64_t)(medvl_tape_plan(tape)->arena +
                           medvl_tape_plan(tape)->scratch);
    medvl_decoder_run_free(run);
    medvl_tape_free(tape);
    medvl_device_free(dev);
    return rc;
}

/* ---- the line ---------------------------------------------------------- */

static void put_decoder(struct medvl_json_writer *w,
                        const struct medvl_decoder_config *d)
{
    medvl_json_begin(w, "decoder", '{');
    medvl_json_put_int(w, "layers", d->layers);
    medvl_json_put_int(w, "hidden", d->hidden);
    medvl_json_put_int(w, "intermediate", d->intermediate);
    medvl_json_put_int(w, "heads", d->heads);
    medvl_json_put_int(w, "key_value_heads", d->groups);
    medvl_json_put_int(w, "vocabulary", d->vocab_size);
    medvl_json_put_int(w, "context", d->max_positions);
    if (d->window)
        medvl_json_put_int(w, "window", d->window);
    medvl_json_put_bool(w, "tied", d->tied);
    medvl_json_end(w);
}

static int put_vision(struct medvl_json_writer *w, const struct seen *s,
                      struct medvl_error *err)
{
    static const char *const TOWERS[] = {
        [MEDVL_TOWER_CLIP] = "clip",
        [MEDVL_TOWER_SIGLIP] = "siglip",
        [MEDVL_TOWER_DINOV2] = "dinov2",
        [MEDVL_TOWER_QWEN2_VL] = "qwen2_vl",
        [MEDVL_TOWER_QWEN2_5_VL] = "qwen2_5_vl",
    };
    const struct medvl_config *c = &s->model->config;
    const struct medvl_vision_config *v = &c->vision;

    char *folder = NULL;
    int rc;

    if (c->family == MEDVL_FAMILY_TEXT)
        return MEDVL_OK;
    rc = medvl_config_tower(&folder, c, s->folder, err);
    medvl_json_begin(w, "vision", '{');
    medvl_json_put_string(w, "tower", medvl_span(TOWERS[v->tower]));
    medvl_json_put_int(w, "layers", v->layers);
    medvl_json_put_int(w, "layers_run", v->run_layers);
    medvl_json_put_int(w, "hidden", v->hidden);
    medvl_json_put_int(w, "heads", v->heads);
    medvl_json_put_int(w, "patch_size", v->patch_size);
    if (v->image_size)
        medvl_json_put_int(w, "image_size", v->image_size);
    if (folder)
        medvl_json_put_string(w, "folder", medvl_span(folder));
    medvl_json_end(w);
    medvl_free(folder);
    return rc;
}

/* Tokens of pictures of some sizes, or why they are not known. */
static int put_tokens(struct medvl_json_writer *w, const struct seen *s,
                      struct medvl_error *err)
{
    static const int64_t SIZES[][2] = {
        {224, 224}, {336, 336}, {512, 512}, {1024, 768}, {2048, 2048}};
    struct medvl_frontend_size size;
    int rc = MEDVL_OK;

    if (s->model->config.family == MEDVL_FAMILY_TEXT)
        return MEDVL_OK;
    if (!s->frontend) {
        medvl_json_put_string(w, "picture_tokens",
                              medvl_span(s->unread.text));
        return MEDVL_OK;
    }
    medvl_json_begin(w, "picture_tokens", '{');
    for (size_t i = 0; i < sizeof(SIZES) / sizeof(*SIZES); i++) {
        char name[32];

        rc = medvl_frontend_size(&size, s->frontend, SIZES[i][0], SIZES[i][1],
                                 err);
        if (rc < 0)
            return rc;
        snprintf(name, sizeof(name), "%lldx%lld", (long long)SIZES[i][0],
                 (long long)SIZES[i][1]);
        medvl_json_put_int(w, name, size.tokens);
    }
    medvl_json_end(w);
    return rc;
}

static int count_sums(struct seen *s, int64_t activations,
                      struct medvl_error *err)
{
    const struct medvl_decoder_config *d = &s->model->config.decoder;
    struct sums *t = &s->sums;
    const int64_t keys = d->groups * d->head_size;

    for (int k = 0; k < PARTS; k++) {
        add(t, &t->weights, s->bytes[k], 1);
        add(t, &t->training, s->parameters[k], 16);
    }
    add(t, &t->cached, keys, TOKENS * 2 * d->layers * (int64_t)sizeof(float));
    t->activations = activations;
    add(t, &t->running, t->weights, 1);
    add(t, &t->running, t->cached, 1);
    add(t, &t->running, activations, 1);
    if (t->over)
        return medvl_fail(err, MEDVL_EARG,
                          "%s: a model of more bytes than can be counted",
                          s->folder);
    return MEDVL_OK;
}

/* Of a sum that count_sums has found to fit. */
static void put_parts(struct medvl_json_writer *w, const char *name,
                      const int64_t parts[PARTS], int64_t factor)
{
    int64_t sum = 0;

    medvl_json_begin(w, name, '{');
    for (int i = 0; i < PARTS; i++) {
        if (parts[i])
            medvl_json_put_int(w, NAMES[i].name, factor * parts[i]);
        sum += factor * parts[i];
    }
    medvl_json_put_int(w, "total", sum);
    medvl_json_end(w);
}

static void put_running(struct medvl_json_writer *w, const struct sums *t)
{
    medvl_json_begin(w, "memory_to_run", '{');
    medvl_json_put_int(w, "weights", t->weights);
    medvl_json_put_int(w, "keys_values_per_1000_tokens", t->cached);
    medvl_json_put_int(w, "activations", t->activations);
    medvl_json_put_int(w, "total", t->running);
    medvl_json_end(w);
}

/* Of every parameter a value, a gradient and two moments, four bytes each. */
static void put_training(struct medvl_json_writer *w, const struct seen *s)
{
    medvl_json_begin(w, "memory_to_train", '{');
    put_parts(w, "weights", s->parameters, 4);
    put_parts(w, "gradients", s->parameters, 4);
    put_parts(w, "optimizer", s->parameters, 8);
    medvl_json_put_int(w, "total", s->sums.training);
    medvl_json_end(w);
}

struct types {
    const char *names[TYPES_MOST];
    int64_t items[TYPES_MOST];
    int64_t files, bytes;
};

/* How many values the files of a folder have of each type. */
static int add_types(struct types *types, const char *folder,
                     struct medvl_error *err)
{
    struct medvl_safetensors *file = NULL;
    int64_t bytes;
    int rc = medvl_safetensors_open(&file, folder, err);

    for (int64_t i = 0; rc == MEDVL_OK && i < medvl_safetensors_count(file);
         i++) {
        const struct medvl_tensor *t = medvl_safetensors_tensor(file, i);
        const char *type = medvl_safetensors_type(file, i);
        int k = 0;

        while (k < TYPES_MOST - 1 && types->names[k] &&
               strcmp(types->names[k], type) != 0)
            k++;
        types->names[k] = type;
        types->items[k] += medvl_tensor_rows(t) * medvl_tensor_columns(t);
    }
    if (rc == MEDVL_OK) {
        types->files += medvl_safetensors_files(file, &bytes);
        types->bytes += bytes;
    }
    medvl_safetensors_free(file);
    return rc;
}

/* Of a config without weights all values are of one type. */
static int put_files(struct medvl_json_writer *w, const struct seen *s,
                     struct medvl_error *err)
{
    const char *tower = medvl_model_tower(s->model);
    struct types types = {.names = {NULL}};
    int rc = MEDVL_OK;

    medvl_json_put_bool(w, "weights", s->weights);
    if (s->weights)
        rc = add_types(&types, s->folder, err);
    if (s->weights && tower && rc == MEDVL_OK)
        rc = add_types(&types, tower, err);
    if (rc < 0)
        return rc;
    medvl_json_begin(w, "dtype", '{');
    if (!s->weights)
        medvl_json_put_int(w, medvl_dtype_name(s->model->config.dtype),
                           s->total);
    for (int k = 0; k < TYPES_MOST && types.names[k]; k++)
        medvl_json_put_int(w, types.names[k], types.items[k]);
    medvl_json_end(w);
    if (s->weights) {
        medvl_json_put_int(w, "files", types.files);
        medvl_json_put_int(w, "bytes", types.bytes);
    }
    return MEDVL_OK;
}

/* The kind of vocabulary that tokenizer.json says, or null. */
static int put_tokenizer(struct medvl_json_writer *w, const struct seen *s,
                         struct medvl_error *err)
{
    struct medvl_json *root = NULL;
    char *path = NULL;
    const char *kind = NULL, *chat = NULL;
    int rc = medvl_tokenizer_find(&path, s->folder, err);

    if (rc == MEDVL_OK && path) {
        kind = strrchr(path, '/') + 1;
        if (strcmp(kind, "tokenizer.json") == 0) {
            rc = medvl_json_read(&root, path, err);
            kind = medvl_json_string(
                medvl_json_get(medvl_json_get(root, "model"), "type"));
            kind = kind ? kind : "BPE";
        }
    }
    if (rc == MEDVL_OK && kind)
        medvl_json_put_string(w, "tokenizer", medvl_span(kind));
    else if (rc == MEDVL_OK)
        medvl_json_put_null(w, "tokenizer");
    medvl_json_free(root);
    medvl_free(path);
    if (rc == MEDVL_OK)
        rc = medvl_chat_source(&chat, s->folder, err);
    if (chat)
        medvl_json_put_string(w, "chat_template", medvl_span(chat));
    else
        medvl_json_put_null(w, "chat_template");
    return rc;
}

static void put_model(struct medvl_json_writer *w, const struct seen *s)
{
    static const char *const FAMILIES[] = {
        [MEDVL_FAMILY_TEXT] = "text",
        [MEDVL_FAMILY_LLAVA] = "llava",
        [MEDVL_FAMILY_LLAVA_NEXT] = "llava_next",
        [MEDVL_FAMILY_QWEN2_VL] = "qwen2_vl",
        [MEDVL_FAMILY_QWEN2_5_VL] = "qwen2_5_vl",
    };
    const struct medvl_config *c = &s->model->config;
    struct medvl_json *root = NULL;
    const struct medvl_json *name;

    medvl_json_put_string(w, "path", medvl_span(s->folder));
    medvl_json_put_string(w, "family", medvl_span(FAMILIES[c->family]));
    if (medvl_json_parse(&root, medvl_text_span(&c->json), NULL) < 0)
        return;
    name = medvl_json_first(medvl_json_get(root, "architectures"));
    if (!medvl_json_string(name))
        name = medvl_json_get(root, "model_type");
    if (medvl_json_string(name))
        medvl_json_put_string(w, "architecture",
                              medvl_span(medvl_json_string(name)));
    medvl_json_free(root);
}

static int put_line(struct medvl_json_writer *w, const struct seen *s,
                    struct medvl_error *err)
{
    int rc;

    medvl_json_begin(w, NULL, '{');
    put_model(w, s);
    put_parts(w, "parameters", s->parameters, 1);
    put_decoder(w, &s->model->config.decoder);
    rc = put_vision(w, s, err);
    if (rc == MEDVL_OK)
        rc = put_tokens(w, s, err);
    put_running(w, &s->sums);
    put_training(w, s);
    if (rc == MEDVL_OK)
        rc = put_tokenizer(w, s, err);
    if (rc == MEDVL_OK)
        rc = put_files(w, s, err);
    medvl_json_end(w);
    return rc < 0 ? rc : medvl_json_write_end(w, err);
}

int medvl_view_model(const char *path, medvl_inspect_put *put, void *arg,
                     struct medvl_error *err)
{
    struct seen s = {.folder = path};
    struct batch b = {0};
    struct medvl_text line = {0};
    struct medvl_json_writer w = {.out = &line};
    int64_t activations = 0;
    int rc = seen_open(&s, err);

    if (rc == MEDVL_OK)
        rc = batch_make(&b, &s, err);
    if (rc == MEDVL_OK)
        rc = plan(&activations, &s, &b, err);
    if (rc == MEDVL_OK)
        rc = count_sums(&s, activations, err);
    if (rc == MEDVL_OK)
        rc = put_line(&w, &s, err);
    if (rc == MEDVL_OK)
        rc = put(arg, medvl_text_span(&line), err);
    batch_release(&b);
    seen_release(&s);
    medvl_text_release(&line);
    return rc;
}
