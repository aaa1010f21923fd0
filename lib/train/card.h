/*
 * README.md of a run's model folder: what it was trained on, as a model card
 * of the Hugging Face hub.
 *
 * Nothing in it depends on when, where or by whom the run was made: the same
 * data, base and options give the same bytes.
 *
 * Read next: snapshot.h.
 */
#ifndef MEDVL_TRAIN_CARD_H
#define MEDVL_TRAIN_CARD_H

#include "lib/train/session.h"

/*
 * Append the card of a run that begins: base model, a hash of the options
 * (those that name paths left out), the hash of each data set, and how many
 * records each source and licence has.  The base folder's own card, when
 * medvl wrote it, follows: training in stages loses no source.
 */
int medvl_card_write(struct medvl_text *out,
                     const struct medvl_session *session,
                     struct medvl_error *err) MEDVL_MUST_CHECK;

#endif
