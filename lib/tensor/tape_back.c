/*
 * The way back: gradients seeded, segments replayed, records walked.
 *
 * Read next: tape_call.c.
 */
#include "lib/tensor/tape_part.h"

void medvl_tape_seed(struct medvl_tape *tape, struct medvl_var *var,
                     const struct medvl_tensor *grad)
{
    struct medvl_tape_node *node = tape_node_of(var);
    size_t want, have = 0;

    if (tape_failed(tape) || !var->wants_grad)
        return;
    want = tape_bytes_of(&var->value);
    if (grad->dtype != MEDVL_DTYPE_F32 ||
        medvl_tensor_bytes(&have, grad->dtype, grad->rank, grad->size,
                           NULL) < 0 ||
        have != want) {
        medvl_tape_fail(tape, MEDVL_EARG,
                        "a gradient of %zu bytes for a variable of %zu",
                        have, want);
        return;
    }
    if (tape_take_grad(tape, node) < 0)
        return tape_add_place(tape, NULL);
    if (tape->options.mode != MEDVL_TAPE_PLAN)
        tape->dev->ops->add_forward(tape->dev, &var->grad, &var->grad, grad);
}

static bool has_grad(const struct medvl_tape_record *r)
{
    for (int i = 0; i < MEDVL_TAPE_OUT; i++)
        if (r->out[i] && r->out[i]->has_grad)
            return true;
    return false;
}

/*
 * Run again what backward of the segment will read: from the last record
 * to the first, a record is needed when one of its outputs is saved, or is
 * read by a needed one.
 */
static void replay(struct medvl_tape *tape, const struct tape_segment *seg)
{
    for (size_t i = seg->last; i-- > seg->first;) {
        const struct medvl_tape_record *r = &tape->records[i];
        bool needed = false;

        for (int j = 0; j < MEDVL_TAPE_OUT; j++)
            needed = needed || (r->out[j] && (r->out[j]->saved > 0 ||
                                              r->out[j]->needed));
        for (int j = 0; j < MEDVL_TAPE_OUT; j++)
            if (r->out[j])
                r->out[j]->needed = needed;
        for (int j = 0; needed && j < MEDVL_TAPE_IN; j++)
            if (r->in[j])
                r->in[j]->needed = true;
    }
    for (size_t i = seg->first; i < seg->last && !tape_failed(tape); i++) {
        const struct medvl_tape_record *r = &tape->records[i];

        if (r->out[0] && r->out[0]->needed)
            tape_run_forward(tape, r);
    }
    for (size_t i = seg->first; i < seg->last; i++) {
        const struct medvl_tape_record *r = &tape->records[i];

        for (int j = 0; j < MEDVL_TAPE_IN; j++)
            if (r->in[j])
                r->in[j]->needed = false;
        for (int j = 0; j < MEDVL_TAPE_OUT; j++)
            if (r->out[j]) {
                r->out[j]->needed = false;
                tape_give_if_unused(tape, r->out[j]);
            }
    }
}

/* What owns the memory that a variable's gradient lies in. */
static const struct medvl_tape_node *root(const struct medvl_tape_node *node)
{
    while (node && node->parent)
        node = node->parent;
    return node;
}

/* May output 0's gradient become input 0's, which has none yet? */
static bool may_hand_over(const struct medvl_tape_record *r)
{
    const struct medvl_tape_node *to = r->in[0];

    return r->op->passes && to->var.wants_grad && !to->has_grad &&
           !to->parent && to != root(r->in[1]);
}

static void hand_over(struct medvl_tape_record *r)
{
    struct medvl_tape_node *from = r->out[0], *to = r->in[0];

    to->var.grad = from->var.grad;
    to->grad_at = from->grad_at;
    to->has_grad = true;
    from->has_grad = false;
    from->var.grad.data = NULL;
}

static void run_backward(struct medvl_tape *tape,
                         struct medvl_tape_record *r)
{
    struct medvl_tensor *d[MEDVL_TAPE_IN] = {NULL};
    const bool over = may_hand_over(r);
    int products = 0;

    if (r->op->view)
        return;
    for (int i = over ? 1 : 0; i < MEDVL_TAPE_IN; i++)
        if (r->in[i] && r->in[i]->var.wants_grad) {
            if (tape_take_grad(tape, r->in[i]) < 0)
                return tape_add_place(tape, r);
            d[i] = &r->in[i]->var.grad;
            products += i < 2;
        }
    if (!tape_reserve_scratch(tape, r, true))
        return tape_add_place(tape, r);
    tape->now.flops += r->op->flops ? products * r->op->flops(r) : 0;
    tape->now.ops++;
    if (tape->options.mode != MEDVL_TAPE_PLAN)
        r->op->backward(tape->dev, r, d);
    if (over)
        hand_over(r);
    for (int i = 0; i < MEDVL_TAPE_IN; i++)
        if (d[i])
            tape_check_finite(tape, r, d[i], "a gradient");
}

void medvl_tape_backward(struct medvl_tape *tape)
{
    struct tape_segment *seg = NULL;

    if (!tape_failed(tape) && !tape->trains)
        medvl_tape_fail(tape, MEDVL_EARG, "backward without records");
    for (size_t i = tape->record_count; i-- > 0 && !tape_failed(tape);) {
        struct medvl_tape_record *r = &tape->records[i];

        if (!seg && tape->segment_count > 0 &&
            tape->segments[tape->segment_count - 1].last == i + 1) {
            seg = &tape->segments[--tape->segment_count];
            replay(tape, seg);
        }
        if (!tape_failed(tape) && r->wanted && has_grad(r))
            run_backward(tape, r);
        for (int j = 0; j < MEDVL_TAPE_OUT; j++)
            if (r->out[j])
                tape_give_grad(tape, r->out[j]);
        tape_count_saved(tape, r, -1);
        if (seg && seg->first == i) {
            tape_count_inputs(tape, seg, -1);
            seg = NULL;
        }
    }
    tape->record_count = 0;
}
