/*
 * The order in which an epoch goes over the records: by chance over all of
 * them where they fit in memory, else window by window.
 *
 * A data set's chunks (shards; the lines of a file are one) are permuted
 * and fill windows one after another, each up to medvl_dataset_window.  A data
 * set is gone through window after window, its records by chance within
 * each.  Several data sets are mixed evenly: a window takes the part of the
 * epoch that its records are of its data set.  So each shard is unpacked
 * once an epoch by whoever keeps one window of each data set.
 *
 * Read next: loader.h.
 */
#ifndef MEDVL_TRAIN_ORDER_H
#define MEDVL_TRAIN_ORDER_H

#include "lib/train/dataset.h"

/* A list of records, each as often as the epoch has it; zeroed is empty. */
struct medvl_order {
    int64_t *records;
    size_t count, room;
};

/*
 * List the records of an epoch as they stand in the data, each as often as
 * its set's WEIGHT says: floor(WEIGHT) times, and once more with the
 * chance that is left, drawn by (seed, MIX, epoch).
 */
int medvl_order_list(struct medvl_order *order,
                     const struct medvl_dataset *data, uint64_t seed,
                     int64_t epoch, struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * Put such a list into the order of (seed, SHUFFLE, epoch): one permutation
 * of all, in which the records of data sets larger than the window are then
 * moved to their windows.  A function of data, seed and epoch alone.
 */
int medvl_order_shuffle(struct medvl_order *order,
                        const struct medvl_dataset *data, uint64_t seed,
                        int64_t epoch,
                        struct medvl_error *err) MEDVL_MUST_CHECK;

void medvl_order_release(struct medvl_order *order);

#endif
