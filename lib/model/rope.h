/*
 * Rotary positions: how far each pair of a head's values turns from one
 * position to the next.
 *
 * Two kinds depend on how long the text is.  Keys in a cache keep the turn
 * they were given, so what that means is said here:
 *
 *   dynamic    the tokens of a run turn by the longest position of their own
 *              sequence in that run; a prompt whole, then each new token by
 *              the length that it makes
 *   longrope   factors for short texts up to the original length, others
 *              past it; where a text grows past it, all of it runs anew
 *
 * Both are what transformers' generate does for one prompt.
 *
 * Source: modeling_rope_utils.py of transformers 4.57, in its float32
 * arithmetic; Peng et al. 2023, "YaRN"; Ding et al. 2024, "LongRoPE".
 *
 * Read next: kvcache.h.
 */
#ifndef MEDVL_MODEL_ROPE_H
#define MEDVL_MODEL_ROPE_H

#include "lib/model/config.h"

/*
 * Radians from one position to the next.
 *
 *   out     (rotary / 2)
 *   length  tokens of the text, at least 1
 */
void medvl_rope_frequencies(float *out,
                            const struct medvl_decoder_config *config,
                            int64_t length);

/*
 * A number for the frequencies of a length: the same number, the same
 * frequencies.  Texts may share the keys of a common beginning when this is
 * the same for both.
 */
int64_t medvl_rope_stage(const struct medvl_decoder_config *config,
                         int64_t length);

/* How many tokens a text may have: the model's positions, which linear and
 * dynamic stretch by their factor, as yarn does the original ones. */
int64_t medvl_rope_longest(const struct medvl_decoder_config *config);

/* Must a text of `before` tokens run anew to become one of `after`? */
bool medvl_rope_restarts(const struct medvl_decoder_config *config,
                         int64_t before, int64_t after);

#endif
