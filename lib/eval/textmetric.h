/*
 * Overlap of words between a prediction and a reference.
 *
 * Read next: grounding.h.
 */
#ifndef MEDVL_EVAL_TEXTMETRIC_H
#define MEDVL_EVAL_TEXTMETRIC_H

#include "lib/base/text.h"

/*
 * All 0..1, all 0 when either side has no word.  With p(w) and r(w) the
 * counts of word w:
 */
struct medvl_overlap {
    /* Multisets, as SQuAD: shared = sum of min(p(w), r(w)). */
    double precision, recall, f1;

    /*
     * LLaVA-Med's: true positives are all p(w) of shared words, false ones
     * p(w) of the others, misses r(w) of words the prediction lacks.  Its
     * paper's score of open questions is this recall.  `match` is what it
     * prints as exact match: distinct words of the reference that the
     * prediction has, over all words of the prediction.
     */
    double llava_precision, llava_recall, llava_f1, llava_match;
};

/*
 * Compare words split at white space.  Normalise both texts first.
 *
 * Source: Rajpurkar et al. 2016 (SQuAD); LLaVA-Med,
 * llava/eval/eval_metrics/evaluate_metrics.py.
 */
int medvl_overlap(struct medvl_overlap *out, struct medvl_span prediction,
                  struct medvl_span reference,
                  struct medvl_error *err) MEDVL_MUST_CHECK;

#endif
