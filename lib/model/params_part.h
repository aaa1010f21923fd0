/*
 * Inside of params.h: adding parameters to the list.
 *
 * Read next: params.c.
 */
#ifndef MEDVL_MODEL_PARAMS_PART_H
#define MEDVL_MODEL_PARAMS_PART_H

#include "lib/model/params.h"

/* Adds parameters; the first failure stays. */
struct medvl_lister {
    struct medvl_params *params;
    enum medvl_part part;
    bool unused;
    char key[MEDVL_PARAM_NAME / 2]; /* what stands in front of both */
    char name[MEDVL_PARAM_NAME / 2];
    struct medvl_error *err;
    int rc;
};

/* What goes in front of the keys and names to come. */
void medvl_list_at(struct medvl_lister *l, const char *key,
                   const char *format, ...) MEDVL_PRINTF(3, 4);

/* rows 0: a vector; else a matrix of so many rows. */
void medvl_list_shape(struct medvl_lister *l, const char *key,
                      const char *name, enum medvl_init init, int rank,
                      const int64_t *size, int64_t rows);
void medvl_list_vector(struct medvl_lister *l, const char *key,
                       const char *name, enum medvl_init init, int64_t size);
void medvl_list_matrix(struct medvl_lister *l, const char *key,
                       const char *name, int64_t rows, int64_t columns);

/* ".weight", and ".bias" when there is one. */
void medvl_list_linear(struct medvl_lister *l, const char *key,
                       const char *name, int64_t outputs, int64_t inputs,
                       bool bias, bool transposed);
void medvl_list_norm(struct medvl_lister *l, const char *key,
                     const char *name, int64_t size, enum medvl_norm norm);

/* Root: what the naming puts in front, as "language_model.". */
void medvl_list_decoder(struct medvl_lister *l,
                        const struct medvl_decoder_config *d,
                        const char *root);
void medvl_list_vision(struct medvl_lister *l,
                       const struct medvl_vision_config *v,
                       const char *root);

#endif
