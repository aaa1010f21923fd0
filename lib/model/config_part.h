/*
 * Inside of config.h: a reader of fields that keeps the first failure, and
 * the parts of a config.json.
 *
 * Read next: config_reader.c.
 */
#ifndef MEDVL_MODEL_CONFIG_PART_H
#define MEDVL_MODEL_CONFIG_PART_H

#include "lib/base/json.h"
#include "lib/model/config.h"

#define MEDVL_SIZE_LIMIT  ((int64_t)1 << 20)
#define MEDVL_VOCAB_LIMIT ((int64_t)1 << 24)

/*
 * Reads fields one after another; the first failure stays.  `place` goes in
 * front of a field's name in errors.
 */
struct medvl_config_reader {
    const struct medvl_json *object;
    const char *place;
    struct medvl_error *err;
    int rc;
};

/*
 * A field's value, checked against bounds, or `otherwise` where it is absent
 * or null, and after a failure, when they do nothing.  A bool that is null
 * is false, as Python has it.
 */
int64_t medvl_config_int(struct medvl_config_reader *r, const char *name,
                         int64_t low, int64_t high, int64_t otherwise);
float medvl_config_float(struct medvl_config_reader *r, const char *name,
                         double low, double high, double otherwise);
const char *medvl_config_string(struct medvl_config_reader *r,
                                const char *name, const char *otherwise);
bool medvl_config_bool(struct medvl_config_reader *r, const char *name,
                       bool otherwise);
enum medvl_act medvl_config_act(struct medvl_config_reader *r,
                                const char *name, enum medvl_act otherwise);

/* -1 for none, also written so by some; null says none, too. */
int32_t medvl_config_id(struct medvl_config_reader *r, const char *name,
                        int32_t otherwise);

/* An object or NULL where there is none; null is neither, but `or_null`. */
const struct medvl_json *medvl_config_object(struct medvl_config_reader *r,
                                             const char *name, bool or_null);

/* The field's value; NULL where it is absent or null. */
const struct medvl_json *
medvl_config_field(const struct medvl_config_reader *r, const char *name);

/* Keep a failure: any, or that `name` has a value which is not built in. */
void medvl_config_fail(struct medvl_config_reader *r, enum medvl_status code,
                       const char *format, ...) MEDVL_PRINTF(3, 4);
void medvl_config_refuse(struct medvl_config_reader *r, const char *name,
                         const char *value);

/* ---- parts ----------------------------------------------------------- */

/* Is there a decoder of this "model_type"? */
bool medvl_config_is_decoder(const char *type);

/* Ids of begin, end and padding where a config.json is silent. */
void medvl_config_default_ids(struct medvl_config *config, const char *type);

/* The decoder's fields: config_decoder.c.  `type` is its "model_type". */
void medvl_config_read_decoder(struct medvl_decoder_config *d,
                               struct medvl_config_reader *r,
                               const char *type);

/*
 * Rope: config_rope.c; after the sizes.  `part` of a head turns, by `theta`,
 * where the file is silent.
 */
void medvl_config_read_rope(struct medvl_decoder_config *d,
                            struct medvl_config_reader *r, const char *type,
                            double part, double theta);

/* The tower's: config_vision.c.  r->object NULL: LLaVA 1.5's. */
void medvl_config_read_vision(struct medvl_vision_config *v,
                              struct medvl_config_reader *r);

/*
 * Which hidden state is the features: `layer` counts from the embeddings, or
 * back from the last when negative.
 */
void medvl_config_add_features(struct medvl_vision_config *v,
                               struct medvl_config_reader *r, int64_t layer);

/* What joins the two, from the top of the file: config_llava.c. */
void medvl_config_read_llava(struct medvl_config *config,
                             struct medvl_config_reader *r);

/*
 * The same for LLaVA's own folders: config_original.c.  `tower` is the
 * config.json of its tower; NULL: one that is known by its name.
 */
void medvl_config_read_original(struct medvl_config *config,
                                struct medvl_config_reader *r,
                                const struct medvl_json *tower);

/* Its folder, for a config.json read from `folder`; *out NULL: none. */
int medvl_config_find_tower(char **out, const struct medvl_json *root,
                            const char *folder,
                            struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * "image_grid_pinpoints": a list, a list as Python prints it, or a range
 * "(1x1),...,(6x6)" in tiles.  `wide`: width stands before height.
 */
void medvl_config_read_pinpoints(struct medvl_config *config,
                                 struct medvl_config_reader *r, bool wide);

/* Tower and joint of Qwen2-VL and 2.5: config_qwen_vl.c. */
void medvl_config_read_qwen_vl(struct medvl_config *config,
                               struct medvl_config_reader *top,
                               struct medvl_config_reader *text);

#endif
