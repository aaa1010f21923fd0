/*
 * The held-out data: loss, accuracy and sample answers, with the averaged
 * weights where there are any.
 *
 * Read next: snapshot.h.
 */
#ifndef MEDVL_TRAIN_EVALUATE_H
#define MEDVL_TRAIN_EVALUATE_H

#include "lib/train/session.h"

/*
 * Run over all of session->eval and write members into the open object of
 * `out`: "samples", "eval_loss", "eval_accuracy" and counts.
 *
 *   improved   this step is the best so far by --best; it is then the
 *              session's best_step
 *
 * MEDVL_EARG when --best names what the data cannot measure.
 */
int medvl_evaluate(bool *improved, struct medvl_json_writer *out,
                   struct medvl_session *session,
                   struct medvl_error *err) MEDVL_MUST_CHECK;

#endif
