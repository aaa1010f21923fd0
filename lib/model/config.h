/*
 * config.json of a Hugging Face model folder, read into what the model code
 * needs and kept as it was for writing.
 *
 * Read next: grid.h.
 */
#ifndef MEDVL_MODEL_CONFIG_H
#define MEDVL_MODEL_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "kernels/ops.h"
#include "lib/base/json.h"
#include "lib/base/text.h"

/* What of the model is there beside a decoder, and how pictures come in. */
enum medvl_family {
    MEDVL_FAMILY_TEXT,       /* a decoder alone */
    MEDVL_FAMILY_LLAVA,      /* one view a picture, a projector */
    MEDVL_FAMILY_LLAVA_NEXT, /* a base view, then a grid of tiles */
    MEDVL_FAMILY_QWEN2_VL,   /* native resolution, positions in three axes */
    MEDVL_FAMILY_QWEN2_5_VL, /* the same, with windows in the tower */
};

/* Whose names the tensors of the file have: params.h. */
enum medvl_naming {
    MEDVL_NAMING_TEXT,     /* "model.layers..." */
    MEDVL_NAMING_LLAVA,    /* llava-hf: "language_model.model.layers..." */
    MEDVL_NAMING_ORIGINAL, /* LLaVA's own: "model.mm_projector.0.weight" */
    MEDVL_NAMING_QWEN_VL,  /* "model.layers...", "visual.blocks..." */
};

/* The dialect of the decoder's names below its root. */
enum medvl_dialect {
    MEDVL_DIALECT_LLAMA,
    MEDVL_DIALECT_PHI,
    MEDVL_DIALECT_GPT2,
};

#define MEDVL_EOS_MAX       8
#define MEDVL_LAYERS_MAX    1024
#define MEDVL_ROTARY_MAX    512 /* values of a head that are turned */
#define MEDVL_FEATURES_MAX  8
#define MEDVL_PINPOINTS_MAX 256

enum medvl_norm {
    MEDVL_NORM_RMS,
    MEDVL_NORM_LAYER, /* with a bias */
};

enum medvl_rope {
    MEDVL_ROPE_NONE,
    MEDVL_ROPE_PLAIN,
    MEDVL_ROPE_LINEAR,   /* positions divided by the factor */
    MEDVL_ROPE_DYNAMIC,  /* theta grows past the original length */
    MEDVL_ROPE_LLAMA3,   /* long wavelengths divided, a ramp between */
    MEDVL_ROPE_YARN,     /* a ramp between divided and kept, by turns */
    MEDVL_ROPE_LONGROPE, /* a factor for each pair, short or long */
};

/*
 * One decoder for all brands: each field is a difference between them.
 * Shapes and order of the blocks are decoder.c's to say.
 */
struct medvl_decoder_config {
    enum medvl_dialect dialect;
    int64_t vocab_size, hidden, intermediate, layers;
    int64_t heads, groups, head_size; /* groups: num_key_value_heads */
    int64_t max_positions;

    enum medvl_norm norm;
    float norm_eps;
    bool qk_norm; /* RMS norm of each head of q and k, before rope */

    bool fused_qkv; /* one matrix: q, k, v rows one after another */
    bool qkv_bias, out_bias;
    bool parallel;          /* attention and MLP read the same norm */
    bool learned_positions; /* a table added to the embeddings */

    bool gated;         /* act(gate) * up, else act(fc1) */
    bool fused_gate_up; /* one matrix: gate rows, then up rows */
    bool mlp_bias;
    enum medvl_act act;

    bool tied; /* lm_head is embed_tokens */

    bool has_padding; /* an id whose embedding does not learn: a row of */
    int32_t padding;  /* nn.Embedding's padding_idx */

    bool head_bias;
    bool transposed; /* matrices of the layers are stored (K,M) */

    int64_t window;                  /* keys that a query sees; 0: all */
    bool windowed[MEDVL_LAYERS_MAX]; /* in which layers */
    bool scale_by_layer;             /* scores / (layer + 1) */

    enum medvl_rope rope_kind;
    int64_t rotary; /* first values of a head that are turned */
    float rope_theta;
    float rope_factor, rope_low, rope_high, rope_original;
    float rope_fast, rope_slow;             /* beta_fast, beta_slow of yarn */
    bool rope_truncate;                     /* yarn: whole numbers of pairs */
    float rope_scale;                       /* of cos and sin */
    float rope_short[MEDVL_ROTARY_MAX / 2]; /* of longrope */
    float rope_long[MEDVL_ROTARY_MAX / 2];
    int64_t mrope[3]; /* pairs turned by each of three axes; 0: one axis */

    float init_range; /* deviation of a fresh model's matrices */
};

enum medvl_tower {
    MEDVL_TOWER_CLIP,
    MEDVL_TOWER_SIGLIP,
    MEDVL_TOWER_DINOV2,
    MEDVL_TOWER_QWEN2_VL,
    MEDVL_TOWER_QWEN2_5_VL,
};

struct medvl_vision_config {
    enum medvl_tower tower; /* of the names, and of Qwen's own forward */
    int64_t image_size, patch_size, hidden, intermediate, layers, heads;
    enum medvl_norm norm;
    float norm_eps;
    enum medvl_act act;
    bool class_token, patch_bias, pre_norm, layer_scale, qkv_bias;
    bool last_norm;    /* of the last layer's features too (SigLIP) */
    bool gated;        /* act(gate) * up */
    bool fused_gated;  /* gate and up rows in one matrix (DINOv2) */
    bool interpolate;  /* positions to the picture's grid, bicubic ... */
    bool antialias;    /* ... as wide as the table is coarsened */
    int64_t registers; /* learned rows behind the class token (DINOv2) */

    /* In the file, no part of the features. */
    bool mask_token, pooling_head;

    int64_t temporal;             /* pictures in a patch (Qwen: 2), else 1 */
    int64_t merge;                /* side of what becomes one token, else 1 */
    int64_t window;               /* pixels a side; 0: each picture whole */
    bool whole[MEDVL_LAYERS_MAX]; /* layers that see the whole picture */

    /*
     * Hidden states that are the features, side by side: how many layers
     * each has run.  run_layers is the largest.
     */
    int64_t features[MEDVL_FEATURES_MAX];
    int feature_count;
    int64_t run_layers;
    bool keep_class; /* the class token is a feature too */
    float init_range;
};

/* How the features of a picture with tiles become tokens. */
enum medvl_merge {
    MEDVL_MERGE_FLAT,         /* view by view */
    MEDVL_MERGE_SPATIAL,      /* the tiles' rows in one grid */
    MEDVL_MERGE_SPATIAL_UNPAD /* without padding, a newline to each row */
};

struct medvl_config {
    enum medvl_family family;
    enum medvl_naming naming;
    struct medvl_decoder_config decoder;
    struct medvl_vision_config vision; /* unless TEXT */

    int64_t projector_layers; /* linear maps, activations between */
    enum medvl_act projector_act;
    bool projector_bias;
    enum medvl_merge merge;

    /* The grid of tiles is shrunk to the tokens of so many views where it has
     * more ("anyres_max_9"); 0: it is not. */
    int64_t max_views;
    int32_t pinpoints[MEDVL_PINPOINTS_MAX][2]; /* width, height: pixels of
                                                  the grids of tiles */
    int pinpoint_count;
    bool pad_square; /* LLaVA's own folders: "image_aspect_ratio" is "pad" */

    int32_t image_token; /* of one picture, in tokens; -1 without.  LLaVA's
                            own folders have none: decoder.vocab_size */
    int32_t video_token; /* refused; -1 without */
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
 * value that transformers gives it.  Both the names on disk of the hub and
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

/*
 * What a config.json of this class, or of this "model_type" where `name` is
 * NULL, describes; false where it is not built in.
 */
bool medvl_config_kind(enum medvl_family *family, enum medvl_naming *naming,
                       const char *name, const char *type);

/*
 * Where the tower of a folder with LLaVA's own names is described: what
 * "mm_vision_tower" names below the folder, as a path or by its last part;
 * else what it names elsewhere; else beside the folder by its last part.
 * What lies below is a tower that was written with the folder, whatever is
 * at the path that it came from.  *out is NULL where there is no such folder,
 * or for other namings; the caller's memory.
 */
int medvl_config_tower(char **out, const struct medvl_config *config,
                       const char *folder,
                       struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * The path below another folder with this config.json where that tower, of
 * `folder`, is found before all else; NULL where none is named.
 */
int medvl_config_tower_place(char **out, const struct medvl_config *config,
                             const char *folder,
                             struct medvl_error *err) MEDVL_MUST_CHECK;

/* The error that there is no such folder, for a config.json of these. */
int medvl_config_no_tower(const struct medvl_json *root,
                          struct medvl_error *err) MEDVL_MUST_CHECK;

/* The value of "dtype" for a type of weights, quotes and all. */
const char *medvl_config_dtype_json(enum medvl_dtype dtype);

/* Numbers that say where a token stands: 3 with mrope, else 1. */
int64_t medvl_config_axes(const struct medvl_config *config);

#endif
