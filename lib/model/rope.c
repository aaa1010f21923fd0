/*
 * Frequencies, rounded to float at each step where transformers rounds: a
 * turn of a millionth more is a whole radian at position 10^6.
 *
 * Read next: kvcache.c.
 */
#include "lib/model/rope.h"

#include <math.h>

#define PI 3.14159265358979323846

static float power(float theta, int64_t i, int64_t rotary)
{
    return powf(theta, (float)(2 * i) / (float)rotary);
}

/* theta so that `length` tokens turn as far as the original length did. */
static float dynamic_theta(const struct medvl_decoder_config *c,
                           int64_t length)
{
    const double rotary = (double)c->rotary;
    const float original = c->rope_original, factor = c->rope_factor;
    const float grown = factor * (float)length / original - (factor - 1);

    if ((float)length <= original)
        return c->rope_theta;
    return c->rope_theta * powf(grown, (float)(rotary / (rotary - 2)));
}

/*
 * Wavelengths above original / low are divided by the factor, those below
 * original / high stay, a ramp between.
 */
static float llama3(float w, const struct medvl_decoder_config *c)
{
    const float length = (float)(2 * PI) / w;
    const float original = c->rope_original;
    const float low = c->rope_low, high = c->rope_high;
    float ramp;

    if (length < original / high)
        return w;
    if (length > original / low)
        return w / c->rope_factor;
    ramp = (original / length - low) / (high - low);
    return (1 - ramp) * w / c->rope_factor + ramp * w;
}

/* The pair that turns `turns` times in the original length. */
static double yarn_pair(const struct medvl_decoder_config *c, double turns)
{
    const double theta = (double)c->rope_theta;

    return (double)c->rotary *
           log((double)c->rope_original / (turns * 2 * PI)) /
           (2 * log(theta));
}

/* Pairs that turn fast stay, those that turn slowly are divided. */
static float yarn(int64_t i, const struct medvl_decoder_config *c)
{
    const float p = power(c->rope_theta, i, c->rotary);
    double low = yarn_pair(c, (double)c->rope_fast);
    double high = yarn_pair(c, (double)c->rope_slow);
    float ramp;

    if (c->rope_truncate) {
        low = floor(low);
        high = ceil(high);
    }
    low = fmax(low, 0);
    high = fmin(high, (double)(c->rotary - 1));
    if (low == high)
        high += 0.001;
    ramp = ((float)i - (float)low) / (float)(high - low);
    ramp = 1 - fminf(fmaxf(ramp, 0), 1);
    return 1 / (c->rope_factor * p) * (1 - ramp) + 1 / p * ramp;
}

static bool is_long(const struct medvl_decoder_config *c, int64_t length)
{
    return c->rope_kind == MEDVL_ROPE_LONGROPE &&
           (float)length > c->rope_original;
}

void medvl_rope_frequencies(float *out,
                            const struct medvl_decoder_config *config,
                            int64_t length)
{
    const struct medvl_decoder_config *c = config;
    const float *factors = is_long(c, length) ? c->rope_long : c->rope_short;
    const float theta = c->rope_kind == MEDVL_ROPE_DYNAMIC
                            ? dynamic_theta(c, length)
                            : c->rope_theta;

    for (int64_t i = 0; i < c->rotary / 2; i++) {
        const float p = power(theta, i, c->rotary);

        out[i] = 1 / p;
        if (c->rope_kind == MEDVL_ROPE_LINEAR)
            out[i] /= c->rope_factor;
        if (c->rope_kind == MEDVL_ROPE_LLAMA3)
            out[i] = llama3(out[i], c);
        if (c->rope_kind == MEDVL_ROPE_YARN)
            out[i] = yarn(i, c);
        if (c->rope_kind == MEDVL_ROPE_LONGROPE)
            out[i] = 1 / (factors[i] * p);
    }
}

int64_t medvl_rope_stage(const struct medvl_decoder_config *config,
                         int64_t length)
{
    if (config->rope_kind == MEDVL_ROPE_DYNAMIC &&
        (float)length > config->rope_original)
        return length;
    return is_long(config, length);
}

int64_t medvl_rope_longest(const struct medvl_decoder_config *config)
{
    const enum medvl_rope kind = config->rope_kind;
    const double factor = (double)config->rope_factor;
    double longest = (double)config->max_positions;

    if (kind == MEDVL_ROPE_LINEAR || kind == MEDVL_ROPE_DYNAMIC)
        longest = fmax(longest, factor * longest);
    if (kind == MEDVL_ROPE_YARN)
        longest = fmax(longest, factor * (double)config->rope_original);
    return longest < INT32_MAX ? (int64_t)longest : INT32_MAX;
}

bool medvl_rope_restarts(const struct medvl_decoder_config *config,
                         int64_t before, int64_t after)
{
    return before > 0 && is_long(config, after) && !is_long(config, before);
}
