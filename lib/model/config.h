/*
 * config.json of a Hugging Face model folder, read into what the model code
 * needs and kept as it was for writing.
 *
 * Read next: checkpoint.h.
 */
#ifndef MEDVL_MODEL_CONFIG_H
#define MEDVL_MODEL_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "kernels/ops.h"
#include "lib/base/text.h"

enum medvl_arch {
    MEDVL_ARCH_LLAMA, /* LlamaForCausalLM */
    MEDVL_ARCH_LLAVA, /* LlavaForConditionalGeneration */
};

#define MEDVL_EOS_MAX 8

enum medvl_rope {
    MEDVL_ROPE_PLAIN,
    MEDVL_ROPE_LINEAR, /* positions divided by the factor */
    MEDVL_ROPE_LLAMA3, /* long wavelengths divided, a ramp between */
};

struct medvl_decoder_config {
    int64_t vocab_size, hidden, intermediate, layers;
    int64_t heads, groups, head_size; /* groups: num_key_value_heads */
    int64_t max_positions;
    float norm_eps;
    float rope_theta;
    enum medvl_rope rope_kind;
    float rope_factor, rope_low, rope_high, rope_original;
    bool tied; /* lm_head is embed_tokens */
    bool attention_bias, mlp_bias;
    enum medvl_act act;
    float init_range; /* deviation of a fresh model's matrices */
};

struct medvl_vision_config {
    int64_t image_size, patch_size, hidden, intermediate, layers, heads;
    float norm_eps;
    enum medvl_act act;
    int64_t run_layers; /* of vision_feature_layer: how many to run */
    bool keep_class;    /* vision_feature_select_strategy "full" */
    float init_range;
};

struct medvl_config {
    enum medvl_arch arch;
    struct medvl_decoder_config decoder;
    struct medvl_vision_config vision; /* of LLAVA */
    enum medvl_act projector_act;
    bool projector_bias;
    int32_t image_token; /* image_token_index; -1 without */
    int32_t bos, pad;    /* -1: none */
    int32_t eos[MEDVL_EOS_MAX];
    int eos_count;
    enum medvl_dtype dtype; /* torch_dtype or dtype; f32 when absent */
    struct medvl_text json; /* the file as it was read */
};

/*
 * Parse and check.  Sizes are at least 1 and bounded (2^20; vocabulary and
 * positions 2^24; layers 1024), heads divide, an unknown architecture or
 * activation is MEDVL_EUNSUPPORTED naming it, an absent field takes the
 * value that transformers gives it.  Both the names on disk of llava-hf and
 * those of current transformers are taken.
 *
 * Reading a folder also takes end ids from its generation_config.json; a
 * folder of an unfinished run is MEDVL_EARG naming its newest checkpoint.
 */
int medvl_config_parse(struct medvl_config *config, struct medvl_span json,
                       struct medvl_error *err) MEDVL_MUST_CHECK;
int medvl_config_read(struct medvl_config *config, const char *folder,
                      struct medvl_error *err) MEDVL_MUST_CHECK;
void medvl_config_release(struct medvl_config *config);

#endif
