/*
 * How a config.json says that positions turn: "rope_theta", the part of a
 * head that turns, and "rope_scaling" ("rope_parameters" of newer writers).
 *
 * Source: modeling_rope_utils.py and configuration_phi3.py of transformers
 * 4.57.
 *
 * Read next: config_vision.c.
 */
#include <math.h>
#include <string.h>

#include "lib/model/config_part.h"

#define ORIGINAL "original_max_position_embeddings"

static void require(struct medvl_config_reader *r, const char *name)
{
    if (!medvl_config_field(r, name))
        medvl_config_fail(r, MEDVL_EFORMAT, "\"%s\": missing", name);
}

static void read_llama3(struct medvl_decoder_config *d,
                        struct medvl_config_reader *r)
{
    d->rope_kind = MEDVL_ROPE_LLAMA3;
    require(r, "low_freq_factor");
    require(r, "high_freq_factor");
    require(r, ORIGINAL);
    d->rope_low = medvl_config_float(r, "low_freq_factor", 1e-3, 1e6, 0);
    d->rope_high = medvl_config_float(r, "high_freq_factor", 1e-3, 1e6, 0);
    d->rope_original = medvl_config_float(r, ORIGINAL, 1, 1e9, 0);
    if (d->rope_high <= d->rope_low)
        medvl_config_fail(r, MEDVL_EFORMAT,
                          "high_freq_factor is not above low_freq_factor");
}

static void read_dynamic(struct medvl_decoder_config *d,
                         struct medvl_config_reader *r)
{
    d->rope_kind = MEDVL_ROPE_DYNAMIC;
    d->rope_original = (float)d->max_positions;
    if (d->rotary < 4)
        medvl_config_fail(r, MEDVL_EFORMAT,
                          "dynamic rope needs two pairs of a head");
}

static double magnitude(double factor, double scale)
{
    return factor <= 1 ? 1 : 0.1 * scale * log(factor) + 1;
}

static void read_yarn(struct medvl_decoder_config *d,
                      struct medvl_config_reader *r)
{
    const double factor = (double)d->rope_factor;
    const double one = (double)medvl_config_float(r, "mscale", 0, 1e3, 0);
    const double all = (double)medvl_config_float(r, "mscale_all_dim", 0,
                                                  1e3, 0);
    double scale = magnitude(factor, 1);

    if (one > 0 && all > 0)
        scale = magnitude(factor, one) / magnitude(factor, all);
    d->rope_kind = MEDVL_ROPE_YARN;
    d->rope_original = medvl_config_float(r, ORIGINAL, 1, 1e9,
                                          (double)d->max_positions);
    d->rope_fast = medvl_config_float(r, "beta_fast", 1e-3, 1e6, 32);
    d->rope_slow = medvl_config_float(r, "beta_slow", 1e-3, 1e6, 1);
    d->rope_truncate = medvl_config_bool(r, "truncate", true);
    d->rope_scale = medvl_config_float(r, "attention_factor", 0, 1e3, scale);
    if (d->rope_theta <= 1)
        medvl_config_fail(r, MEDVL_EFORMAT,
                          "yarn needs a \"rope_theta\" above 1");
}

static void read_factors(float *out, int64_t count,
                         struct medvl_config_reader *r, const char *name)
{
    const struct medvl_json *list = medvl_config_field(r, name);
    const struct medvl_json *item = medvl_json_first(list);

    if (medvl_json_type(list) != MEDVL_JSON_ARRAY ||
        (int64_t)medvl_json_count(list) != count) {
        medvl_config_fail(r, MEDVL_EFORMAT,
                          "\"%s\": want a list of %lld numbers", name,
                          (long long)count);
        return;
    }
    for (; item; item = medvl_json_next(item)) {
        const double value = medvl_json_number(item, 0);

        if (!(value >= 1e-6 && value <= 1e6))
            medvl_config_fail(r, MEDVL_EFORMAT,
                              "\"%s\": want numbers from 1e-6 to 1e6", name);
        *out++ = (float)value;
    }
}

/* `top` is the whole config, where Phi-3 has its first length. */
static void read_longrope(struct medvl_decoder_config *d,
                          struct medvl_config_reader *r,
                          struct medvl_config_reader *top)
{
    const double first = (double)medvl_config_float(top, ORIGINAL, 2, 1e9,
                                                    4096);
    double factor, scale = 1;

    d->rope_kind = MEDVL_ROPE_LONGROPE;
    d->rope_original = medvl_config_float(r, ORIGINAL, 2, 1e9, first);
    factor = (double)d->max_positions / (double)d->rope_original;
    if (factor > 1)
        scale = sqrt(1 + log(factor) / log((double)d->rope_original));
    d->rope_scale = medvl_config_float(r, "attention_factor", 0, 1e3, scale);
    read_factors(d->rope_short, d->rotary / 2, r, "short_factor");
    read_factors(d->rope_long, d->rotary / 2, r, "long_factor");
}

/*
 * Of two names in "rope_scaling" the older counts, as an edited "type" beside
 * the "rope_type" that a writer added does; Mistral's newer one counts, and
 * that of "rope_parameters".  Phi-3's first writers said "su" or "yarn" for
 * longrope; Qwen2-VL says "mrope" for plain.
 */
static const char *kind_of(struct medvl_config_reader *r, const char *type)
{
    const char *old = medvl_config_string(r, "type", NULL);
    const char *kind = medvl_config_string(r, "rope_type", old);

    if (old && strcmp(type, "mistral") != 0 &&
        strcmp(r->place, "rope_scaling") == 0)
        kind = old;
    if (!kind && medvl_config_field(r, "factor"))
        require(r, "rope_type");
    if (!kind)
        return "default";
    if (strcmp(type, "phi3") == 0 &&
        (strcmp(kind, "su") == 0 || strcmp(kind, "yarn") == 0))
        return "longrope";
    if (strcmp(type, "qwen2_vl") == 0 && strcmp(kind, "mrope") == 0)
        return "default";
    return kind;
}

static void read_scaling(struct medvl_decoder_config *d,
                         struct medvl_config_reader *r,
                         struct medvl_config_reader *top, const char *type)
{
    const char *kind = kind_of(r, type);

    d->rope_factor = medvl_config_float(r, "factor", 1e-3, 1e6, 1);
    if (strcmp(kind, "linear") == 0)
        d->rope_kind = MEDVL_ROPE_LINEAR;
    else if (strcmp(kind, "dynamic") == 0)
        read_dynamic(d, r);
    else if (strcmp(kind, "llama3") == 0)
        read_llama3(d, r);
    else if (strcmp(kind, "yarn") == 0)
        read_yarn(d, r);
    else if (strcmp(kind, "longrope") == 0 && strcmp(type, "phi3") == 0)
        read_longrope(d, r, top);
    else if (strcmp(kind, "default") != 0)
        medvl_config_fail(r, MEDVL_EUNSUPPORTED,
                          "\"rope_type\": \"%s\" is not built in; "
                          "default, linear, dynamic, llama3, yarn and, of "
                          "Phi-3, longrope are",
                          kind);
    if (d->rope_kind != MEDVL_ROPE_PLAIN &&
        d->rope_kind != MEDVL_ROPE_LONGROPE)
        require(r, "factor");
}

static void read_rotary(struct medvl_decoder_config *d,
                        struct medvl_config_reader *r, double part)
{
    d->rotary = (int64_t)((double)d->head_size * part);
    if (d->rotary < 2 || d->rotary % 2 || d->rotary > MEDVL_ROTARY_MAX)
        medvl_config_fail(r, MEDVL_EFORMAT,
                          "rope turns %lld values of a head: odd, below 2 "
                          "or above %d",
                          (long long)d->rotary, MEDVL_ROTARY_MAX);
}

static double read_part(struct medvl_config_reader *r, double otherwise)
{
    double value = otherwise;

    if (r->rc == MEDVL_OK && medvl_config_field(r, "partial_rotary_factor"))
        r->rc = medvl_json_get_number(&value, r->object,
                                      "partial_rotary_factor", 0, 1, r->err);
    return value;
}

void medvl_config_read_rope(struct medvl_decoder_config *d,
                            struct medvl_config_reader *r, const char *type,
                            double part, double theta)
{
    struct medvl_config_reader scaling = {.err = r->err};

    d->rope_kind = MEDVL_ROPE_PLAIN;
    d->rope_factor = d->rope_scale = 1;
    scaling.place = "rope_parameters";
    scaling.object = medvl_config_object(r, scaling.place, true);
    if (!scaling.object) {
        scaling.place = "rope_scaling";
        scaling.object = medvl_config_object(r, scaling.place, true);
    }
    d->rope_theta = medvl_config_float(r, "rope_theta", 1, 1e12, theta);
    part = read_part(r, part);
    if (r->rc < 0)
        return;
    if (scaling.object) {
        part = read_part(&scaling, part);
        d->rope_theta = medvl_config_float(&scaling, "rope_theta", 1, 1e12,
                                           (double)d->rope_theta);
    }
    r->rc = scaling.rc;
    read_rotary(d, r, part);
    if (scaling.object && r->rc == MEDVL_OK) {
        read_scaling(d, &scaling, r, type);
        if (r->rc == MEDVL_OK)
            r->rc = scaling.rc;
    }
}
