/*
 * Variables of a tape: nodes, where values and gradients lie, views.
 *
 * Read next: tape_back.c.
 */
#include "lib/tensor/tape_part.h"

#include <assert.h>
#include <string.h>

#include "lib/base/mem.h"

#define CHUNK 256 /* nodes allocated together: their addresses stay */

struct medvl_tape_node *tape_new_node(struct medvl_tape *tape)
{
    struct medvl_tape_node *node;

    if (tape->node_count == tape->chunk_count * CHUNK) {
        if (medvl_grow(&tape->chunks, &tape->chunk_capacity,
                       tape->chunk_count + 1, sizeof(*tape->chunks),
                       &tape->err) < 0)
            return NULL;
        node = medvl_alloc(CHUNK, sizeof(*node));
        if (!node) {
            medvl_no_memory(&tape->err);
            return NULL;
        }
        tape->chunks[tape->chunk_count++] = node;
    }
    node = &tape->chunks[tape->node_count / CHUNK][tape->node_count % CHUNK];
    memset(node, 0, sizeof(*node));
    node->record = -1;
    node->var.index = (int64_t)tape->node_count++;
    return node;
}

size_t tape_bytes_of(const struct medvl_tensor *t)
{
    size_t size = 0;

    if (medvl_tensor_bytes(&size, t->dtype, t->rank, t->size, NULL) < 0)
        assert(!"sizes were checked when the variable was made");
    return size > 0 ? size : 1;
}

/* A view that goes may have been the last reason to keep its parent. */
void tape_give_if_unused(struct medvl_tape *tape,
                         struct medvl_tape_node *node)
{
    while (node && node->has_value && !node->outside && !node->held &&
           node->views == 0 && (node->saved == 0 || node->dropped)) {
        if (node->parent)
            node->parent->views--;
        else
            medvl_arena_give(&tape->arena, node->offset,
                             tape_bytes_of(&node->var.value));
        node->has_value = false;
        node->var.value.data = NULL;
        node = node->parent;
    }
}

/* Item `first` of a tensor; NULL stays NULL. */
static void *item_of(const struct medvl_tensor *t, int64_t first)
{
    return t->data ? (char *)t->data + medvl_dtype_bytes(t->dtype, first)
                   : NULL;
}

int tape_take_value(struct medvl_tape *tape, struct medvl_tape_node *node)
{
    struct medvl_tape_node *parent = node->parent;
    int rc;

    node->dropped = false;
    if (node->has_value)
        return MEDVL_OK;
    if (parent) {
        node->var.value.data = item_of(&parent->var.value, node->first);
        node->has_value = true;
        node->outside = parent->outside;
        parent->views += !parent->outside;
        return MEDVL_OK;
    }
    rc = medvl_arena_take(&node->offset, &node->var.value.data, &tape->arena,
                          tape_bytes_of(&node->var.value), &tape->err);
    node->has_value = rc == MEDVL_OK;
    return rc;
}

/* It lies in the parent's, whose rows are dense; so a view of the same rows
 * takes its stride. */
static int take_grad_of_view(struct medvl_tape *tape,
                             struct medvl_tape_node *node)
{
    struct medvl_tensor *grad = &node->var.grad;
    const struct medvl_tensor *whole = &node->parent->var.grad;
    int rc = tape_take_grad(tape, node->parent);

    if (rc < 0)
        return rc;
    if (medvl_tensor_rows(grad) == medvl_tensor_rows(whole))
        grad->stride = whole->stride;
    grad->data = item_of(whole, node->first);
    node->has_grad = true;
    return MEDVL_OK;
}

/* Memory for the gradient, zeroed, when nothing was added to it so far. */
int tape_take_grad(struct medvl_tape *tape, struct medvl_tape_node *node)
{
    struct medvl_tensor *grad = &node->var.grad;
    size_t size;
    int rc;

    if (node->has_grad)
        return MEDVL_OK;
    *grad = node->var.value;
    grad->dtype = MEDVL_DTYPE_F32;
    grad->stride = medvl_tensor_columns(grad);
    if (node->parent)
        return take_grad_of_view(tape, node);
    size = tape_bytes_of(grad);
    rc = medvl_arena_take(&node->grad_at, &grad->data, &tape->arena, size,
                          &tape->err);
    if (rc < 0)
        return rc;
    node->has_grad = true;
    if (grad->data)
        memset(grad->data, 0, size);
    return MEDVL_OK;
}

void tape_give_grad(struct medvl_tape *tape, struct medvl_tape_node *node)
{
    if (!node->has_grad || node->grad_outside)
        return;
    if (!node->parent)
        medvl_arena_give(&tape->arena, node->grad_at,
                         tape_bytes_of(&node->var.grad));
    node->has_grad = false;
    node->var.grad.data = NULL;
}

int tape_hold(struct medvl_tape *tape, struct medvl_tape_node *node)
{
    int rc = medvl_grow(&tape->held, &tape->held_capacity,
                        tape->held_count + 1, sizeof(*tape->held),
                        &tape->err);

    if (rc < 0)
        return rc;
    tape->held[tape->held_count++] = node;
    node->held = true;
    return MEDVL_OK;
}

struct medvl_var *medvl_tape_input(struct medvl_tape *tape,
                                   const struct medvl_tensor *value,
                                   bool wants_grad)
{
    struct medvl_tape_node *node;
    size_t size;

    if (tape_failed(tape))
        return &tape->nowhere.var;
    if (medvl_tensor_bytes(&size, value->dtype, value->rank, value->size,
                           &tape->err) < 0) {
        tape_add_place(tape, NULL);
        return &tape->nowhere.var;
    }
    node = tape_new_node(tape);
    if (!node)
        return &tape->nowhere.var;
    node->var.value = *value;
    node->var.wants_grad = wants_grad && tape->trains;
    node->outside = node->has_value = true;
    return &node->var;
}

struct medvl_var *medvl_tape_param(struct medvl_tape *tape,
                                   struct medvl_param *param)
{
    struct medvl_var *var;
    struct medvl_tape_node *node;

    if (tape_failed(tape))
        return &tape->nowhere.var;
    if (!param) {
        medvl_tape_fail(tape, MEDVL_EARG, "the model lacks a parameter");
        return &tape->nowhere.var;
    }
    var = medvl_tape_input(tape, &param->value, param->trained);
    if (tape_failed(tape))
        return var;
    node = tape_node_of(var);
    node->param = param;
    if (!var->wants_grad)
        return var;
    if (!param->grad.data && tape->options.mode != MEDVL_TAPE_PLAN)
        medvl_tape_fail(tape, MEDVL_EARG, "%s has no memory for a gradient",
                        param->name);
    var->grad = param->grad;
    node->grad_outside = node->has_grad = true;
    return var;
}

void *medvl_tape_memory(struct medvl_tape *tape, size_t size)
{
    void *data;

    if (tape_failed(tape) ||
        medvl_grow(&tape->memory, &tape->memory_capacity,
                   tape->memory_count + 1, sizeof(*tape->memory),
                   &tape->err) < 0)
        return NULL;
    data = medvl_alloc(size, 1);
    if (data)
        tape->memory[tape->memory_count++] = data;
    else
        medvl_no_memory(&tape->err);
    return data;
}
