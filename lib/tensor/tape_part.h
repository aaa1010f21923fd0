/*
 * Inside of tape.h: the tape itself, and what its files share.
 *
 * tape.c        begin and end, running an op, scopes
 * tape_var.c    variables: their memory and their gradients'
 * tape_back.c   the way back
 * tape_call.c   the calls that models make
 *
 * Read next: tape.c.
 */
#ifndef MEDVL_TENSOR_TAPE_PART_H
#define MEDVL_TENSOR_TAPE_PART_H

#include "lib/base/text.h"
#include "lib/tensor/arena.h"
#include "lib/tensor/tape.h"

struct tape_scope {
    size_t held;   /* of tape->held when it was entered */
    size_t record; /* of tape->records */
    size_t path;   /* length of tape->path before */
    bool inner;    /* it has a segment inside */
};

/* Records [first, last) whose values were dropped. */
struct tape_segment {
    size_t first, last;
};

struct medvl_tape {
    struct medvl_device *dev;
    struct medvl_tape_options options;
    bool trains;
    struct medvl_error err; /* the first failure; code 0: none */
    struct medvl_arena arena;
    struct medvl_tape_plan now, ended;
    uint64_t sites;

    struct medvl_tape_node **chunks;
    size_t chunk_count, chunk_capacity, node_count;
    struct medvl_tape_node nowhere; /* what ops return after a failure */

    struct medvl_tape_record *records;
    size_t record_count, record_capacity;
    struct tape_segment *segments;
    size_t segment_count, segment_capacity;
    struct tape_scope *scopes;
    size_t scope_count, scope_capacity;
    struct medvl_tape_node **held; /* made in open scopes */
    size_t held_count, held_capacity;
    void **memory; /* medvl_tape_memory's */
    size_t memory_count, memory_capacity;
    struct medvl_text path; /* "decoder.layers.3" */
};

static inline bool tape_failed(const struct medvl_tape *tape)
{
    return tape->err.code != MEDVL_OK;
}

static inline struct medvl_tape_node *tape_node_of(struct medvl_var *var)
{
    return (struct medvl_tape_node *)(void *)var;
}

/* Put scope and op in front of the failure that is there. */
void tape_add_place(struct medvl_tape *tape,
                    const struct medvl_tape_record *r);

/* ---- tape_var.c ------------------------------------------------------ */

/* NULL: the tape has failed. */
struct medvl_tape_node *tape_new_node(struct medvl_tape *tape);

/* Its scope is open. */
int tape_hold(struct medvl_tape *tape, struct medvl_tape_node *node);

/* Bytes of a variable's value, at least 1. */
size_t tape_bytes_of(const struct medvl_tensor *t);

/* Memory for a value; back when neither scope nor record nor view needs
 * it. */
int tape_take_value(struct medvl_tape *tape, struct medvl_tape_node *node);
void tape_give_if_unused(struct medvl_tape *tape,
                         struct medvl_tape_node *node);

/* Memory for a gradient, zeroed, when nothing was added to it so far. */
int tape_take_grad(struct medvl_tape *tape, struct medvl_tape_node *node);
void tape_give_grad(struct medvl_tape *tape, struct medvl_tape_node *node);

/* ---- tape.c ---------------------------------------------------------- */

/* Run a new op; the result is its first output. */
struct medvl_var *tape_emit(struct medvl_tape *tape,
                            struct medvl_tape_record *r);
void tape_run_forward(struct medvl_tape *tape,
                      const struct medvl_tape_record *r);
bool tape_reserve_scratch(struct medvl_tape *tape,
                          const struct medvl_tape_record *r, bool backward);
void tape_check_finite(struct medvl_tape *tape,
                       const struct medvl_tape_record *r,
                       const struct medvl_tensor *t, const char *what);

/* +1 or -1 to the count of each variable that backward of r reads. */
void tape_count_saved(struct medvl_tape *tape,
                      const struct medvl_tape_record *r, int by);

/* Saves (+1) or lets go (-1) what the segment reads from outside itself. */
void tape_count_inputs(struct medvl_tape *tape, const struct tape_segment *seg,
                       int by);

#endif
