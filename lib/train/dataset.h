/*
 * The records that a run learns from: shard folders and JSON Lines behind
 * one numbering, each record measured and checked once at open.
 *
 * Read next: order.h.
 */
#ifndef MEDVL_TRAIN_DATASET_H
#define MEDVL_TRAIN_DATASET_H

#include "lib/base/json.h"
#include "lib/model/frontend.h"
#include "lib/train/origin.h"

struct medvl_dataset;

/* Bytes of a window, unless told otherwise: see order.h. */
#define MEDVL_DATASET_WINDOW ((size_t)1 << 30)

struct medvl_dataset_options {
    /* "PATH" or "PATH=WEIGHT": a shard folder, or a JSON Lines file. */
    const char *const *data;
    int64_t data_count;
    const char *root; /* pictures of JSON Lines are below it; NULL: here */
    bool dense;       /* records need pictures; tokens are not read */
    int64_t limit;    /* tokens (dense: patches) of one record */
    /* Tokens that the model has room for; 0: any.  Dense: not looked at. */
    int64_t positions;
    const struct medvl_config *config; /* the model's; borrowed */

    /* Weight records by the inverse frequency of this field's values, so
     * that every value weighs the same in all; or NULL. */
    const char *balance;

    /* Bytes of a window; 0: MEDVL_DATASET_WINDOW.  Each shard folder keeps
     * so many bytes of unpacked shards, and a quarter more for where one
     * window passes into the next. */
    size_t window;
};

/* What is kept of each record. */
struct medvl_dataset_entry {
    int64_t set, index; /* which data, which record in it */
    int64_t length;     /* tokens after expansion; patches when dense */
    int64_t learned;    /* tokens that are predicted; 0 when dense */
    float weight;       /* of its learned tokens: the balance */
    int32_t chunk;
    double repeat; /* the set's WEIGHT */
};

/* A record as read; stays until the next read of the data set. */
struct medvl_dataset_item {
    struct medvl_span record; /* JSON without tokens and loss_mask */
    struct medvl_span images; /* of a shard: the column; else {NULL} */
    const int32_t *tokens;    /* count of them; none when dense */
    const uint8_t *mask;
    size_t count;
    size_t bytes; /* of a shard: what it takes there; else 0 */
};

/*
 * Records that are read together: a shard; or a whole JSON Lines file, whose
 * lines are in memory and take nothing.
 */
struct medvl_dataset_chunk {
    int64_t set;
    size_t bytes; /* unpacked */
};

/*
 * Split "PATH=WEIGHT": the weight, from 0 to 1e6, and how many bytes are the
 * path.  A path that is there as it stands, or has no "=", has weight 1.
 */
int medvl_dataset_weight(double *weight, size_t *path_size, const char *data,
                         struct medvl_error *err) MEDVL_MUST_CHECK;

/* The frontend is borrowed; NULL when the model reads no pictures. */
int medvl_dataset_open(struct medvl_dataset **out,
                       const struct medvl_dataset_options *options,
                       const struct medvl_frontend *frontend,
                       struct medvl_error *err) MEDVL_MUST_CHECK;
void medvl_dataset_free(struct medvl_dataset *data);

int64_t medvl_dataset_count(const struct medvl_dataset *data);
const struct medvl_dataset_entry *
medvl_dataset_entry(const struct medvl_dataset *data, int64_t record);

/* In the order of their records; borrowed. */
const struct medvl_dataset_chunk *
medvl_dataset_chunks(int64_t *count, const struct medvl_dataset *data);
size_t medvl_dataset_window(const struct medvl_dataset *data); /* bytes */

/* XXH3-128 of contents and weights, as hex; no path enters it. */
const char *medvl_dataset_hash(const struct medvl_dataset *data);

/* One of `data` as it was named: a folder of shards, or JSON Lines. */
struct medvl_dataset_set {
    bool shards;
    double weight;
    int64_t records;
    char hash[33]; /* of the shards' index, or of the lines */
};

/* False when there is no i-th. */
bool medvl_dataset_set(struct medvl_dataset_set *out,
                       const struct medvl_dataset *data, int64_t i);

/* Of all records; borrowed. */
const struct medvl_origins *
medvl_dataset_origins(const struct medvl_dataset *data);

int medvl_dataset_read(struct medvl_dataset_item *item,
                       struct medvl_dataset *data, int64_t record,
                       struct medvl_error *err) MEDVL_MUST_CHECK;

/* A picture of a record: its file's bytes come from _picture_bytes. */
struct medvl_dataset_picture {
    const struct medvl_dataset_item *item;
    const struct medvl_json *image; /* its entry in "images" */
    int64_t number;                 /* from 0 */
    int64_t width, height;          /* as the record says, else the file */
};

/* Call `each` for every picture; returns their number, or an error. */
int64_t medvl_dataset_pictures(
    struct medvl_dataset *data, const struct medvl_dataset_item *item,
    int (*each)(void *arg, const struct medvl_dataset_picture *picture,
                struct medvl_error *err),
    void *arg, struct medvl_error *err) MEDVL_MUST_CHECK;

/* Borrowed until the next read. */
int medvl_dataset_picture_bytes(struct medvl_span *out,
                                struct medvl_dataset *data,
                                const struct medvl_dataset_picture *picture,
                                struct medvl_error *err) MEDVL_MUST_CHECK;

/* Put "PATH: record 12 ID: " in front of an error; returns its code. */
int medvl_dataset_context(const struct medvl_dataset *data, int64_t record,
                          const struct medvl_dataset_item *item,
                          struct medvl_error *err);

#endif
