/*
 * Keep, divide, sample, shuffle and permute records: the work of
 * medvl-split(1).
 *
 * Read next: explain.h.
 */
#ifndef MEDVL_STAGE_SPLIT_H
#define MEDVL_STAGE_SPLIT_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/stage/loop.h"
#include "lib/stage/want.h"

/*
 * Texts are NULL where not wanted.  At most one of parts, sample and
 * permute; shuffle goes with none of them or with sample.
 */
struct medvl_split_options {
    const char *const *where; /* conditions, all of which must hold */
    int where_count;
    const char *by;      /* the field that says what belongs together */
    const char *parts;   /* "train=0.8,dev=0.1,test=0.1" */
    const char *folder;  /* of the parts' files */
    const char *sample;  /* "100" or "0.1" */
    const char *permute; /* "pictures" or "images" */
    bool shuffle;
    int64_t seed;
    struct medvl_wants *wants; /* of where and permute; or NULL */
};

/*
 * A condition is FIELD=VALUE, FIELD a path such as images[0].slice, or else
 * a Jinja expression (text/template.h) over the record's members.
 *
 * FIELD=VALUE holds when the field is a string that says VALUE, a number
 * equal to it, or the word true, false or null; it does not hold where the
 * field is absent.
 *
 * medvl_split_keep is a map: passes the records for which all conditions
 * hold, as they came in.
 */
extern const struct medvl_map medvl_split_keep;

/*
 * The other modes, as a sink that holds the (kept) lines in memory.  Every
 * record needs an id.
 *
 *   parts    Groups in the order of a hash of (seed, group) fill the parts
 *            one after another, a group going where its middle falls, so
 *            sizes miss the fractions by half a group at most.  A part that
 *            would be empty is MEDVL_EARG.  Sets "split"; writes
 *            FOLDER/NAME.jsonl.
 *   sample   The groups (records without `by`) whose hashes come first, so
 *            a smaller sample is part of a larger one.  Input order.
 *   shuffle  The order of a hash of (seed, id): the input's order does not
 *            matter.
 *   permute  Exchanges pictures between records with as many pictures, by
 *            a random permutation that gives no record a picture of its own
 *            group (`by`, or "group", or the record alone) while another
 *            group has one left, and none its own.  "pictures" exchanges
 *            path, shard, index, data, frame, width, height and hash of
 *            each image; "images" the whole field.  A record that has no
 *            partner is a bad record; one without images passes.
 */
extern const struct medvl_sink medvl_split_all;

#endif
