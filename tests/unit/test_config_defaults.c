/*
 * What an absent field of config.json means, a null one, and which of two
 * that contradict each other counts: each field against the configuration
 * objects of transformers (tests/golden/config_defaults.py).
 */
#include "tests/unit/check.h"

#include "lib/base/json.h"
#include "lib/model/config.h"
#include "lib/model/rope.h"

#define GOLDEN "tests/golden/config_defaults.jsonl"

enum kind {
    INT,
    ID, /* int32_t */
    FLOAT,
    BOOL,
    ACT
};

#define FIELD(kind, member)                                  \
    {                                                        \
#member, kind, offsetof(struct medvl_config, member) \
    }
#define OF(kind, member)                                             \
    {                                                                \
#member, kind, offsetof(struct medvl_config, decoder.member) \
    }

/* Names in the golden file are those of the structures, "decoder" unsaid. */
static const struct {
    const char *name;
    enum kind kind;
    size_t at;
} FIELDS[] = {
    OF(INT, vocab_size),
    OF(INT, hidden),
    OF(INT, intermediate),
    OF(INT, layers),
    OF(INT, heads),
    OF(INT, groups),
    OF(INT, head_size),
    OF(INT, max_positions),
    OF(INT, rotary),
    OF(FLOAT, norm_eps),
    OF(FLOAT, rope_theta),
    OF(FLOAT, rope_scale),
    OF(FLOAT, init_range),
    OF(ACT, act),
    OF(BOOL, tied),
    OF(BOOL, qkv_bias),
    OF(BOOL, out_bias),
    OF(BOOL, mlp_bias),
    OF(BOOL, scale_by_layer),
    FIELD(ID, bos),
    FIELD(ID, pad),
    FIELD(ID, image_token),
    FIELD(ID, video_token),
    FIELD(ACT, projector_act),
    FIELD(BOOL, projector_bias),
    FIELD(INT, vision.hidden),
    FIELD(INT, vision.intermediate),
    FIELD(INT, vision.layers),
    FIELD(INT, vision.heads),
    FIELD(INT, vision.image_size),
    FIELD(INT, vision.patch_size),
    FIELD(INT, vision.registers),
    FIELD(INT, vision.temporal),
    FIELD(INT, vision.merge),
    FIELD(INT, vision.window),
    FIELD(FLOAT, vision.norm_eps),
    FIELD(FLOAT, vision.init_range),
    FIELD(ACT, vision.act),
    FIELD(BOOL, vision.gated),
    FIELD(BOOL, vision.qkv_bias),
    FIELD(BOOL, vision.mask_token),
    FIELD(BOOL, vision.pooling_head),
    FIELD(BOOL, vision.keep_class),
};

#define FIELD_COUNT (sizeof(FIELDS) / sizeof(*FIELDS))

static const char *const ACTS[] = {
    [MEDVL_ACT_GELU] = "gelu",
    [MEDVL_ACT_GELU_TANH] = "gelu_tanh",
    [MEDVL_ACT_QUICK_GELU] = "quick_gelu",
    [MEDVL_ACT_SILU] = "silu",
};

static const char *const ROPES[] = {
    [MEDVL_ROPE_NONE] = "none",
    [MEDVL_ROPE_PLAIN] = "default",
    [MEDVL_ROPE_LINEAR] = "linear",
    [MEDVL_ROPE_DYNAMIC] = "dynamic",
    [MEDVL_ROPE_LLAMA3] = "llama3",
    [MEDVL_ROPE_YARN] = "yarn",
    [MEDVL_ROPE_LONGROPE] = "longrope",
};

static double number(const struct medvl_json *value)
{
    return medvl_json_number(value, NAN);
}

/* ---- fields of one value --------------------------------------------- */

static bool same(const void *got, enum kind kind,
                 const struct medvl_json *want)
{
    switch (kind) {
    case INT:
        return (double)*(const int64_t *)got == number(want);
    case ID:
        return (double)*(const int32_t *)got == number(want);
    case FLOAT:
        return fabs((double)*(const float *)got - number(want)) <=
               2e-7 * fabs(number(want));
    case BOOL:
        return *(const bool *)got == medvl_json_true(want);
    default:
        return strcmp(ACTS[*(const enum medvl_act *)got],
                      medvl_json_string(want)) == 0;
    }
}

/* Is the field one of FIELDS?  Then *right tells whether it is as wanted. */
static bool find(bool *right, const struct medvl_config *c,
                 const struct medvl_json *want)
{
    for (size_t i = 0; i < FIELD_COUNT; i++)
        if (strcmp(FIELDS[i].name, medvl_json_name(want)) == 0) {
            *right = same((const char *)c + FIELDS[i].at, FIELDS[i].kind,
                          want);
            return true;
        }
    return false;
}

/* ---- lists ----------------------------------------------------------- */

static bool same_windows(const struct medvl_decoder_config *d,
                         const struct medvl_json *want)
{
    const struct medvl_json *run = medvl_json_first(want);
    int64_t layer = 0;

    for (; run; run = medvl_json_next(run)) {
        const int64_t count = (int64_t)number(medvl_json_at(run, 0));

        for (int64_t i = 0; i < count; i++, layer++)
            if ((double)(d->windowed[layer] ? d->window : 0) !=
                number(medvl_json_at(run, 1)))
                return false;
    }
    return layer == d->layers;
}

static bool same_frequencies(const struct medvl_decoder_config *d,
                             const struct medvl_json *want)
{
    const struct medvl_json *item = medvl_json_first(want);
    float got[MEDVL_ROTARY_MAX / 2];

    if (!item)
        return true;
    medvl_rope_frequencies(got, d, 1);
    for (int64_t i = 0; i < d->rotary / 2; i++) {
        if (!item || fabs((double)got[i] - number(item)) >
                         4e-7 * number(item))
            return false;
        item = medvl_json_next(item);
    }
    return !item;
}

static bool same_mrope(const struct medvl_decoder_config *d,
                       const struct medvl_json *want)
{
    for (size_t i = 0; i < 3; i++)
        if ((double)d->mrope[i] != number(medvl_json_at(want, i)))
            return false;
    return true;
}

static bool same_features(const struct medvl_vision_config *v,
                          const struct medvl_json *want)
{
    for (int i = 0; i < v->feature_count; i++)
        if ((double)v->features[i] != number(medvl_json_at(want, (size_t)i)))
            return false;
    return medvl_json_count(want) == (size_t)v->feature_count;
}

static bool same_whole(const struct medvl_vision_config *v,
                       const struct medvl_json *want)
{
    size_t count = 0;

    for (int64_t i = 0; i < MEDVL_LAYERS_MAX; i++)
        if (v->whole[i] &&
            number(medvl_json_at(want, count++)) != (double)i)
            return false;
    return count == medvl_json_count(want);
}

static bool same_pinpoints(const struct medvl_config *c,
                           const struct medvl_json *want)
{
    for (int i = 0; i < c->pinpoint_count; i++)
        for (size_t k = 0; k < 2; k++)
            if (number(medvl_json_at(medvl_json_at(want, (size_t)i), k)) !=
                (double)c->pinpoints[i][k])
                return false;
    return medvl_json_count(want) == (size_t)c->pinpoint_count;
}

static bool same_list(const struct medvl_config *c, const char *name,
                      const struct medvl_json *want)
{
    const struct medvl_decoder_config *d = &c->decoder;

    if (strcmp(name, "windows") == 0)
        return same_windows(d, want);
    if (strcmp(name, "frequencies") == 0)
        return same_frequencies(d, want);
    if (strcmp(name, "mrope") == 0)
        return same_mrope(d, want);
    if (strcmp(name, "vision.features") == 0)
        return same_features(&c->vision, want);
    if (strcmp(name, "vision.whole") == 0)
        return same_whole(&c->vision, want);
    if (strcmp(name, "pinpoints") == 0)
        return same_pinpoints(c, want);
    if (strcmp(name, "rope") == 0)
        return strcmp(ROPES[d->rope_kind], medvl_json_string(want)) == 0;
    if (strcmp(name, "padding") == 0)
        return (d->has_padding ? d->padding : -1) == number(want);
    if (strcmp(name, "eos") == 0)
        return (c->eos_count ? c->eos[0] : -1) == number(want);
    fail_msg("%s: nothing compares it", name);
    return false;
}

/* ---- lines ----------------------------------------------------------- */

/* Returns how many fields are not as wanted. */
static int check_line(const struct medvl_json *line)
{
    const char *json = medvl_json_string(medvl_json_get(line, "config"));
    const struct medvl_json *want;
    struct medvl_config c;
    struct medvl_error err = {0};
    int wrong = 0;

    assert_non_null(json);
    if (medvl_config_parse(&c, medvl_span(json), &err) < 0) {
        print_error("%s: %s\n", json, err.text);
        return 1;
    }
    want = medvl_json_first(medvl_json_get(line, "want"));
    assert_non_null(want);
    for (; want; want = medvl_json_next(want)) {
        const char *name = medvl_json_name(want);
        bool right;

        if (!find(&right, &c, want))
            right = same_list(&c, name, want);
        if (!right)
            print_error("%s: %s\n", json, name);
        wrong += !right;
    }
    medvl_config_release(&c);
    return wrong;
}

static void what_is_not_said_is_what_transformers_takes(void **state)
{
    struct medvl_text text = {0};
    struct medvl_error err = {0};
    int wrong = 0, count = 0;

    (void)state;
    CHECK_OK(medvl_file_read(&text, GOLDEN, 1 << 20, &err), &err);
    for (const char *at = text.data; *at;) {
        const char *end = strchr(at, '\n');
        struct medvl_json *line = NULL;

        assert_non_null(end);
        CHECK_OK(medvl_json_parse(
                     &line, (struct medvl_span){at, (size_t)(end - at)},
                     &err),
                 &err);
        wrong += check_line(line);
        count++;
        medvl_json_free(line);
        at = end + 1;
    }
    medvl_text_release(&text);
    assert_true(count > 100);
    assert_int_equal(wrong, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_said_is_what_transformers_takes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
