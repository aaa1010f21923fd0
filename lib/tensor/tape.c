/*
 * The machine behind tape.h: variables, records, scopes, memory, backward.
 * What the operations are is tape_op.c.
 *
 * A value is in memory while its scope is open (held) or while records that
 * backward has yet to visit read it (saved).  With recompute, leaving an
 * innermost scope makes its records a segment: its values go although they
 * are saved, the segment's inputs from outside are saved in their stead,
 * and backward replays the records before it walks them.
 *
 * A view has no memory of its own: value and gradient lie in its parent's,
 * which stays while the view does.
 *
 * Read next: ../model/config.h.
 */
#include "lib/tensor/tape.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/base/text.h"
#include "lib/tensor/arena.h"
#include "lib/tensor/tape_op.h"

#define CHUNK 256 /* nodes allocated together: their addresses stay */

struct scope {
    size_t held;   /* of tape->held when it was entered */
    size_t record; /* of tape->records */
    size_t path;   /* length of tape->path before */
    bool inner;    /* it has a segment inside */
};

/* Records [first, last) whose values were dropped. */
struct segment {
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
    struct segment *segments;
    size_t segment_count, segment_capacity;
    struct scope *scopes;
    size_t scope_count, scope_capacity;
    struct medvl_tape_node **held; /* made in open scopes */
    size_t held_count, held_capacity;
    void **memory; /* medvl_tape_memory's */
    size_t memory_count, memory_capacity;
    struct medvl_text path; /* "decoder.layers.3" */
};

static bool failed(const struct medvl_tape *tape)
{
    return tape->err.code != MEDVL_OK;
}

/* Put scope and op in front of the failure that is there. */
static void add_place(struct medvl_tape *tape,
                      const struct medvl_tape_record *r)
{
    const char *param = NULL;

    for (int i = 0; r && i < MEDVL_TAPE_IN; i++)
        if (r->in[i] && r->in[i]->param && !param)
            param = r->in[i]->param->name;
    if (param)
        medvl_context(&tape->err, "%s %s", r->op->name, param);
    else if (r)
        medvl_context(&tape->err, "%s", r->op->name);
    if (tape->path.size > 0)
        medvl_context(&tape->err, "%s", tape->path.data);
}

void medvl_tape_fail(struct medvl_tape *tape, enum medvl_status code,
                     const char *format, ...)
{
    char text[sizeof(tape->err.text)];
    va_list args;

    if (failed(tape))
        return;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    medvl_fail(&tape->err, code, "%s", text);
    add_place(tape, NULL);
}

/* ---- variables ------------------------------------------------------- */

static struct medvl_tape_node *new_node(struct medvl_tape *tape)
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

static struct medvl_tape_node *node_of(struct medvl_var *var)
{
    return (struct medvl_tape_node *)(void *)var;
}

static size_t bytes_of(const struct medvl_tensor *t)
{
    size_t size = 0;

    if (medvl_tensor_bytes(&size, t->dtype, t->rank, t->size, NULL) < 0)
        assert(!"sizes were checked when the variable was made");
    return size > 0 ? size : 1;
}

/* A view that goes may have been the last reason to keep its parent. */
static void give_if_unused(struct medvl_tape *tape,
                           struct medvl_tape_node *node)
{
    while (node && node->has_value && !node->outside && !node->held &&
           node->views == 0 && (node->saved == 0 || node->dropped)) {
        if (node->parent)
            node->parent->views--;
        else
            medvl_arena_give(&tape->arena, node->offset,
                             bytes_of(&node->var.value));
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

static int take_value(struct medvl_tape *tape, struct medvl_tape_node *node)
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
                          bytes_of(&node->var.value), &tape->err);
    node->has_value = rc == MEDVL_OK;
    return rc;
}

static int take_grad(struct medvl_tape *tape, struct medvl_tape_node *node);

/* It lies in the parent's, whose rows are dense; so a view of the same rows
 * takes its stride. */
static int take_grad_of_view(struct medvl_tape *tape,
                             struct medvl_tape_node *node)
{
    struct medvl_tensor *grad = &node->var.grad;
    const struct medvl_tensor *whole = &node->parent->var.grad;
    int rc = take_grad(tape, node->parent);

    if (rc < 0)
        return rc;
    if (medvl_tensor_rows(grad) == medvl_tensor_rows(whole))
        grad->stride = whole->stride;
    grad->data = item_of(whole, node->first);
    node->has_grad = true;
    return MEDVL_OK;
}

/* Memory for the gradient, zeroed, when nothing was added to it so far. */
static int take_grad(struct medvl_tape *tape, struct medvl_tape_node *node)
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
    size = bytes_of(grad);
    rc = medvl_arena_take(&node->grad_at, &grad->data, &tape->arena, size,
                          &tape->err);
    if (rc < 0)
        return rc;
    node->has_grad = true;
    if (grad->data)
        memset(grad->data, 0, size);
    return MEDVL_OK;
}

static void give_grad(struct medvl_tape *tape, struct medvl_tape_node *node)
{
    if (!node->has_grad || node->grad_outside)
        return;
    if (!node->parent)
        medvl_arena_give(&tape->arena, node->grad_at,
                         bytes_of(&node->var.grad));
    node->has_grad = false;
    node->var.grad.data = NULL;
}

static int hold(struct medvl_tape *tape, struct medvl_tape_node *node)
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

    if (failed(tape))
        return &tape->nowhere.var;
    if (medvl_tensor_bytes(&size, value->dtype, value->rank, value->size,
                           &tape->err) < 0) {
        add_place(tape, NULL);
        return &tape->nowhere.var;
    }
    node = new_node(tape);
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

    if (failed(tape))
        return &tape->nowhere.var;
    if (!param) {
        medvl_tape_fail(tape, MEDVL_EARG, "the model lacks a parameter");
        return &tape->nowhere.var;
    }
    var = medvl_tape_input(tape, &param->value, param->trained);
    if (failed(tape))
        return var;
    node = node_of(var);
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

    if (failed(tape) ||
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

/* ---- running one op -------------------------------------------------- */

static void check_finite(struct medvl_tape *tape,
                         const struct medvl_tape_record *r,
                         const struct medvl_tensor *t, const char *what)
{
    if (failed(tape) || !tape->options.check_finite || !t->data ||
        t->dtype != MEDVL_DTYPE_F32)
        return;
    if (tape->dev->ops->finite(tape->dev, t))
        return;
    medvl_fail(&tape->err, MEDVL_EFORMAT, "%s is not finite", what);
    add_place(tape, r);
}

static bool reserve_scratch(struct medvl_tape *tape,
                            const struct medvl_tape_record *r, bool backward)
{
    size_t need = r->op->scratch ? r->op->scratch(r, backward) : 0;

    if (tape->now.scratch < need)
        tape->now.scratch = need;
    if (tape->options.mode == MEDVL_TAPE_PLAN ||
        need <= tape->dev->scratch_size)
        return true;
    return medvl_device_reserve(tape->dev, need, &tape->err) == MEDVL_OK;
}

static void run_forward(struct medvl_tape *tape,
                        const struct medvl_tape_record *r)
{
    for (int i = 0; i < MEDVL_TAPE_OUT; i++)
        if (r->out[i] && take_value(tape, r->out[i]) < 0)
            return add_place(tape, r);
    if (!reserve_scratch(tape, r, false))
        return add_place(tape, r);
    tape->now.flops += r->op->flops ? r->op->flops(r) : 0;
    tape->now.ops++;
    if (tape->options.mode == MEDVL_TAPE_PLAN)
        return;
    if (!r->op->view)
        r->op->forward(tape->dev, r);
    for (int i = 0; i < MEDVL_TAPE_OUT; i++)
        if (r->out[i] && !(r->op->aux >> i & 1))
            check_finite(tape, r, &r->out[i]->var.value, "the result");
}

/* Make the nodes of the outputs that shape() asks for. */
static int make_outputs(struct medvl_tape *tape, struct medvl_tape_record *r)
{
    struct medvl_tensor shape[MEDVL_TAPE_OUT] = {0};
    size_t size;
    int rc;

    rc = r->op->shape(shape, r, &tape->err);
    for (int i = 0; rc == MEDVL_OK && i < MEDVL_TAPE_OUT; i++) {
        const bool aux = r->op->aux >> i & 1;

        if (shape[i].rank == 0 || (aux && !r->wanted))
            continue;
        rc = medvl_tensor_bytes(&size, shape[i].dtype, shape[i].rank,
                                shape[i].size, &tape->err);
        if (rc < 0)
            break;
        r->out[i] = new_node(tape);
        rc = r->out[i] ? hold(tape, r->out[i]) : MEDVL_ENOMEM;
        if (rc < 0)
            break;
        r->out[i]->var.value = shape[i];
        r->out[i]->var.wants_grad = r->wanted && !aux;
        r->out[i]->parent = r->op->view ? r->in[0] : NULL;
        r->out[i]->first = r->first;
    }
    if (rc < 0)
        add_place(tape, r);
    return rc;
}

/* +1 or -1 to the count of each variable that backward of r reads. */
static void count_saved(struct medvl_tape *tape,
                        const struct medvl_tape_record *r, int by)
{
    unsigned in = r->op->saved_in;

    if (!r->wanted)
        return;
    if (r->op->saved_for_last && !r->in[1]->var.wants_grad)
        in &= ~1u;
    for (int i = 0; i < MEDVL_TAPE_IN; i++)
        if (r->in[i] && in >> i & 1) {
            r->in[i]->saved += by;
            give_if_unused(tape, r->in[i]);
        }
    for (int i = 0; i < MEDVL_TAPE_OUT; i++)
        if (r->out[i] && r->op->saved_out >> i & 1) {
            r->out[i]->saved += by;
            give_if_unused(tape, r->out[i]);
        }
}

static void keep_record(struct medvl_tape *tape,
                        const struct medvl_tape_record *r)
{
    const int64_t index = (int64_t)tape->record_count;

    if (medvl_grow(&tape->records, &tape->record_capacity,
                   tape->record_count + 1, sizeof(*tape->records),
                   &tape->err) < 0)
        return;
    tape->records[tape->record_count++] = *r;
    for (int i = 0; i < MEDVL_TAPE_OUT; i++)
        if (r->out[i])
            r->out[i]->record = index;
    count_saved(tape, r, 1);
}

/* Run the op; the result is its first output. */
static struct medvl_var *emit(struct medvl_tape *tape,
                              struct medvl_tape_record *r)
{
    if (failed(tape))
        return &tape->nowhere.var;
    for (int i = 0; i < MEDVL_TAPE_IN; i++)
        if (r->in[i] && r->in[i]->var.wants_grad)
            r->wanted = true;
    if (make_outputs(tape, r) < 0)
        return &tape->nowhere.var;
    run_forward(tape, r);
    /* What nobody wants is replayed when somebody in its scope wants. */
    if (!failed(tape) && tape->trains &&
        (r->wanted || (tape->options.recompute && tape->scope_count > 0)))
        keep_record(tape, r);
    return r->out[0] && !failed(tape) ? &r->out[0]->var : &tape->nowhere.var;
}

/* ---- the life of a tape ---------------------------------------------- */

int medvl_tape_open(struct medvl_tape **out, struct medvl_device *dev,
                    struct medvl_error *err)
{
    *out = medvl_alloc(1, sizeof(**out));
    if (!*out)
        return medvl_no_memory(err);
    (*out)->dev = dev;
    (*out)->nowhere.record = -1;
    return MEDVL_OK;
}

static void forget(struct medvl_tape *tape)
{
    for (size_t i = 0; i < tape->memory_count; i++)
        medvl_free(tape->memory[i]);
    tape->memory_count = 0;
    tape->node_count = 0;
    tape->record_count = 0;
    tape->segment_count = 0;
    tape->scope_count = 0;
    tape->held_count = 0;
    tape->sites = 0;
    medvl_text_clear(&tape->path);
}

void medvl_tape_free(struct medvl_tape *tape)
{
    if (!tape)
        return;
    forget(tape);
    medvl_free(tape->memory);
    for (size_t i = 0; i < tape->chunk_count; i++)
        medvl_free(tape->chunks[i]);
    medvl_free(tape->chunks);
    medvl_free(tape->records);
    medvl_free(tape->segments);
    medvl_free(tape->scopes);
    medvl_free(tape->held);
    medvl_text_release(&tape->path);
    medvl_arena_release(&tape->arena);
    medvl_free(tape);
}

void medvl_tape_begin(struct medvl_tape *tape,
                      const struct medvl_tape_options *options,
                      const struct medvl_tape_plan *plan)
{
    const bool dry = options->mode == MEDVL_TAPE_PLAN;

    forget(tape);
    memset(&tape->err, 0, sizeof(tape->err));
    memset(&tape->now, 0, sizeof(tape->now));
    tape->options = *options;
    tape->trains = options->mode == MEDVL_TAPE_TRAIN ||
                   (dry && options->train);
    if (medvl_arena_begin(&tape->arena, dry, plan ? plan->arena : 0,
                          &tape->err) < 0)
        return;
    if (!dry && plan && plan->scratch > tape->dev->scratch_size &&
        medvl_device_reserve(tape->dev, plan->scratch, &tape->err) < 0)
        return;
}

int medvl_tape_check(struct medvl_tape *tape, struct medvl_error *err)
{
    if (!failed(tape) && tape->options.mode != MEDVL_TAPE_PLAN &&
        medvl_device_sync(tape->dev, &tape->err) < 0)
        add_place(tape, NULL);
    if (failed(tape) && err)
        *err = tape->err;
    return tape->err.code;
}

int medvl_tape_end(struct medvl_tape *tape, struct medvl_error *err)
{
    const int rc = medvl_tape_check(tape, err);

    tape->now.arena = tape->arena.high;
    tape->ended = tape->now;
    forget(tape);
    memset(&tape->err, 0, sizeof(tape->err));
    return rc;
}

const struct medvl_tape_plan *medvl_tape_plan(const struct medvl_tape *tape)
{
    return &tape->ended;
}

enum medvl_tape_mode medvl_tape_mode(const struct medvl_tape *tape)
{
    return tape->options.mode;
}

bool medvl_tape_trains(const struct medvl_tape *tape)
{
    return tape->trains;
}

/* ---- scopes ---------------------------------------------------------- */

void medvl_tape_enter(struct medvl_tape *tape, const char *format, ...)
{
    struct scope *scope;
    char name[100];
    va_list args;

    if (failed(tape))
        return;
    if (medvl_grow(&tape->scopes, &tape->scope_capacity,
                   tape->scope_count + 1, sizeof(*tape->scopes),
                   &tape->err) < 0)
        return;
    va_start(args, format);
    vsnprintf(name, sizeof(name), format, args);
    va_end(args);
    scope = &tape->scopes[tape->scope_count++];
    scope->held = tape->held_count;
    scope->record = tape->record_count;
    scope->path = tape->path.size;
    scope->inner = false;
    if (medvl_text_printf(&tape->path, &tape->err, "%s%s",
                          tape->path.size ? "." : "", name) < 0)
        return;
}

/* Saves (+1) or lets go (-1) what the segment reads from outside itself. */
static void count_inputs(struct medvl_tape *tape, const struct segment *seg,
                         int by)
{
    for (size_t i = seg->first; i < seg->last; i++)
        for (int j = 0; j < MEDVL_TAPE_IN; j++) {
            struct medvl_tape_node *in = tape->records[i].in[j];

            if (!in || in->outside || in->record >= (int64_t)seg->first)
                continue;
            in->saved += by;
            give_if_unused(tape, in);
        }
}

/* Drop records since `first` when nobody wants a gradient from them. */
static bool drop_unwanted(struct medvl_tape *tape, size_t first)
{
    for (size_t i = first; i < tape->record_count; i++)
        if (tape->records[i].wanted)
            return false;
    for (size_t i = first; i < tape->record_count; i++)
        for (int j = 0; j < MEDVL_TAPE_OUT; j++)
            if (tape->records[i].out[j])
                tape->records[i].out[j]->record = -1;
    tape->record_count = first;
    return true;
}

/* Make the scope's records a segment, if it is innermost and wanted. */
static bool add_segment(struct medvl_tape *tape, const struct scope *scope)
{
    struct segment *seg;

    if (!tape->trains || !tape->options.recompute || scope->inner ||
        drop_unwanted(tape, scope->record))
        return false;
    if (medvl_grow(&tape->segments, &tape->segment_capacity,
                   tape->segment_count + 1, sizeof(*seg), &tape->err) < 0)
        return false;
    seg = &tape->segments[tape->segment_count++];
    seg->first = scope->record;
    seg->last = tape->record_count;
    count_inputs(tape, seg, 1);
    return true;
}

void medvl_tape_leave(struct medvl_tape *tape,
                      struct medvl_var *const *survivors, int count)
{
    struct scope scope;
    bool dropped;
    size_t kept;

    if (failed(tape))
        return;
    assert(tape->scope_count > 0);
    scope = tape->scopes[tape->scope_count - 1];
    dropped = add_segment(tape, &scope);
    if (failed(tape))
        return;
    tape->scope_count--;
    if (tape->scope_count > 0 && (dropped || scope.inner))
        tape->scopes[tape->scope_count - 1].inner = true;
    kept = scope.held;
    for (size_t i = scope.held; i < tape->held_count; i++) {
        struct medvl_tape_node *node = tape->held[i];
        bool survives = false;

        for (int j = 0; j < count; j++)
            survives = survives || survivors[j] == &node->var;
        if (survives) {
            tape->held[kept++] = node;
            continue;
        }
        node->held = false;
        node->dropped = dropped && node->record >= (int64_t)scope.record;
        give_if_unused(tape, node);
    }
    tape->held_count = kept;
    tape->path.size = scope.path;
    if (tape->path.data)
        tape->path.data[scope.path] = '\0';
}

void medvl_tape_drop(struct medvl_tape *tape, struct medvl_var *var)
{
    struct medvl_tape_node *node = node_of(var);

    if (failed(tape))
        return;
    node->held = false;
    give_if_unused(tape, node);
}

/* ---- ops ------------------------------------------------------------- */

struct medvl_var *medvl_tape_columns(struct medvl_tape *tape,
                                     struct medvl_var *var, int64_t first,
                                     int64_t count)
{
    struct medvl_tape_record r = {.op = &medvl_tape_op_columns};

    r.in[0] = node_of(var);
    r.first = first;
    r.columns = count;
    return emit(tape, &r);
}

struct medvl_var *medvl_tape_reshape(struct medvl_tape *tape,
                                     struct medvl_var *var, int64_t rows,
                                     int64_t columns)
{
    struct medvl_tape_record r = {.op = &medvl_tape_op_reshape};

    r.in[0] = node_of(var);
    r.rows = rows;
    r.columns = columns;
    return emit(tape, &r);
}

struct medvl_var *medvl_tape_join(struct medvl_tape *tape,
                                  struct medvl_var *a, struct medvl_var *b)
{
    struct medvl_tape_record r = {.op = &medvl_tape_op_join};

    r.in[0] = node_of(a);
    r.in[1] = node_of(b);
    return emit(tape, &r);
}

struct medvl_var *medvl_tape_linear(struct medvl_tape *tape,
                                    struct medvl_var *inp,
                                    struct medvl_param *w,
                                    struct medvl_param *bias)
{
    struct medvl_tape_record r = {.op = &medvl_tape_op_linear};

    r.in[0] = node_of(inp);
    r.in[1] = node_of(medvl_tape_param(tape, w));
    if (bias)
        r.in[2] = node_of(medvl_tape_param(tape, bias));
    return emit(tape, &r);
}

struct medvl_var *medvl_tape_rmsnorm(struct medvl_tape *tape,
                                     struct medvl_var *inp,
                                     struct medvl_param *w, float eps)
{
    struct medvl_tape_record r = {.op = &medvl_tape_op_rmsnorm, .eps = eps};

    r.in[0] = node_of(inp);
    r.in[1] = node_of(medvl_tape_param(tape, w));
    return emit(tape, &r);
}

struct medvl_var *medvl_tape_rmsnorm_heads(struct medvl_tape *tape,
                                           struct medvl_var *inp,
                                           struct medvl_param *w,
                                           int64_t head_size, float eps)
{
    struct medvl_tape_record r = {.op = &medvl_tape_op_rmsnorm, .eps = eps};

    r.in[0] = node_of(inp);
    r.in[1] = node_of(medvl_tape_param(tape, w));
    r.head_size = head_size > 0 ? head_size : -1;
    return emit(tape, &r);
}

struct medvl_var *medvl_tape_layernorm(struct medvl_tape *tape,
                                       struct medvl_var *inp,
                                       struct medvl_param *w,
                                       struct medvl_param *b, float eps)
{
    struct medvl_tape_record r = {.op = &medvl_tape_op_layernorm, .eps = eps};

    r.in[0] = node_of(inp);
    r.in[1] = node_of(medvl_tape_param(tape, w));
    r.in[2] = node_of(medvl_tape_param(tape, b));
    return emit(tape, &r);
}

struct medvl_var *medvl_tape_act(struct medvl_tape *tape,
                                 struct medvl_var *inp, enum medvl_act act)
{
    struct medvl_tape_record r = {.op = &medvl_tape_op_act, .act = act};

    r.in[0] = node_of(inp);
    return emit(tape, &r);
}

struct medvl_var *medvl_tape_glu(struct medvl_tape *tape,
                                 struct medvl_var *gate,
                                 struct medvl_var *up, enum medvl_act act)
{
    struct medvl_tape_record r = {.op = &medvl_tape_op_glu, .act = act};

    r.in[0] = node_of(gate);
    r.in[1] = node_of(up);
    return emit(tape, &r);
}

struct medvl_var *medvl_tape_add(struct medvl_tape *tape,
                                 struct medvl_var *a, struct medvl_var *b)
{
    struct medvl_tape_record r = {.op = &medvl_tape_op_add};

    r.in[0] = node_of(a);
    r.in[1] = node_of(b);
    return emit(tape, &r);
}

struct medvl_var *medvl_tape_scale(struct medvl_tape *tape,
                                   struct medvl_var *inp,
                                   struct medvl_param *w)
{
    struct medvl_tape_record r = {.op = &medvl_tape_op_scale};

    r.in[0] = node_of(inp);
    r.in[1] = node_of(medvl_tape_param(tape, w));
    return emit(tape, &r);
}

struct medvl_var *medvl_tape_dropout(struct medvl_tape *tape,
                                     struct medvl_var *inp)
{
    struct medvl_tape_record r = {.op = &medvl_tape_op_dropout};

    if (!tape->trains || tape->options.dropout <= 0)
        return inp;
    r.in[0] = node_of(inp);
    r.rate = tape->options.dropout;
    r.seed = tape->options.seed;
    r.item = tape->options.step << 16 | (tape->sites++ & 0xffff);
    return emit(tape, &r);
}

struct medvl_var *medvl_tape_gather_rows(struct medvl_tape *tape,
                                         struct medvl_var *table,
                                         const struct medvl_tensor *index)
{
    struct medvl_tape_record r = {.op = &medvl_tape_op_gather_rows};

    r.in[0] = node_of(table);
    r.index = *index;
    return emit(tape, &r);
}

struct medvl_var *medvl_tape_mix_rows(struct medvl_tape *tape,
                                      struct medvl_var *table,
                                      const struct medvl_tensor *index,
                                      const struct medvl_tensor *weight)
{
    struct medvl_tape_record r = {.op = &medvl_tape_op_mix_rows};

    r.in[0] = node_of(table);
    r.index = *index;
    r.weight = *weight;
    return emit(tape, &r);
}

struct medvl_var *medvl_tape_scatter_rows(struct medvl_tape *tape,
                                          struct medvl_var *base,
                                          struct medvl_var *rows,
                                          const struct medvl_tensor *index)
{
    struct medvl_tape_record r = {.op = &medvl_tape_op_scatter_rows};

    r.in[0] = node_of(base);
    r.in[1] = node_of(rows);
    r.index = *index;
    return emit(tape, &r);
}

struct medvl_var *medvl_tape_mean_rows(struct medvl_tape *tape,
                                       struct medvl_var *inp,
                                       const struct medvl_tensor *cu)
{
    struct medvl_tape_record r = {.op = &medvl_tape_op_mean_rows};

    r.in[0] = node_of(inp);
    r.index = *cu;
    return emit(tape, &r);
}

struct medvl_var *medvl_tape_rope(struct medvl_tape *tape,
                                  struct medvl_var *inp,
                                  const struct medvl_tensor *cos,
                                  const struct medvl_tensor *sin,
                                  int64_t head_size)
{
    struct medvl_tape_record r = {.op = &medvl_tape_op_rope};

    r.in[0] = node_of(inp);
    r.cos = *cos;
    r.sin = *sin;
    r.head_size = head_size;
    return emit(tape, &r);
}

struct medvl_var *medvl_tape_attention(
    struct medvl_tape *tape,
    struct medvl_var *q, struct medvl_var *k, struct medvl_var *v,
    const struct medvl_attention *attention)
{
    struct medvl_tape_record r = {.op = &medvl_tape_op_attention};

    r.in[0] = node_of(q);
    r.in[1] = node_of(k);
    r.in[2] = node_of(v);
    r.attention = attention;
    return emit(tape, &r);
}

void medvl_tape_store_rows(struct medvl_tape *tape,
                           const struct medvl_tensor *out,
                           struct medvl_var *rows,
                           const struct medvl_tensor *index)
{
    struct medvl_tape_record r = {.op = &medvl_tape_op_store_rows};

    if (tape->trains)
        medvl_tape_fail(tape, MEDVL_EARG,
                        "rows are stored for inference only");
    r.in[0] = node_of(rows);
    r.cos = *out;
    r.index = *index;
    emit(tape, &r);
}

struct medvl_var *medvl_tape_head_logprob(
    struct medvl_tape *tape,
    struct medvl_var **entropy, struct medvl_var **mean_logp,
    struct medvl_var *hidden, struct medvl_param *head,
    struct medvl_param *bias, const struct medvl_tensor *target)
{
    struct medvl_tape_record r = {.op = &medvl_tape_op_head_logprob};
    struct medvl_var *logp;

    r.in[0] = node_of(hidden);
    r.in[1] = node_of(medvl_tape_param(tape, head));
    if (bias)
        r.in[2] = node_of(medvl_tape_param(tape, bias));
    r.index = *target;
    r.asked[0] = r.asked[3] = true;
    r.asked[1] = entropy;
    r.asked[2] = mean_logp;
    logp = emit(tape, &r);
    if (entropy)
        *entropy = failed(tape) ? &tape->nowhere.var : &r.out[1]->var;
    if (mean_logp)
        *mean_logp = failed(tape) ? &tape->nowhere.var : &r.out[2]->var;
    return logp;
}

/* ---- backward -------------------------------------------------------- */

void medvl_tape_seed(struct medvl_tape *tape, struct medvl_var *var,
                     const struct medvl_tensor *grad)
{
    struct medvl_tape_node *node = node_of(var);
    size_t want, have = 0;

    if (failed(tape) || !var->wants_grad)
        return;
    want = bytes_of(&var->value);
    if (grad->dtype != MEDVL_DTYPE_F32 ||
        medvl_tensor_bytes(&have, grad->dtype, grad->rank, grad->size,
                           NULL) < 0 ||
        have != want) {
        medvl_tape_fail(tape, MEDVL_EARG,
                        "a gradient of %zu bytes for a variable of %zu",
                        have, want);
        return;
    }
    if (take_grad(tape, node) < 0)
        return add_place(tape, NULL);
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
static void replay(struct medvl_tape *tape, const struct segment *seg)
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
    for (size_t i = seg->first; i < seg->last && !failed(tape); i++) {
        const struct medvl_tape_record *r = &tape->records[i];

        if (r->out[0] && r->out[0]->needed)
            run_forward(tape, r);
    }
    for (size_t i = seg->first; i < seg->last; i++) {
        const struct medvl_tape_record *r = &tape->records[i];

        for (int j = 0; j < MEDVL_TAPE_IN; j++)
            if (r->in[j])
                r->in[j]->needed = false;
        for (int j = 0; j < MEDVL_TAPE_OUT; j++)
            if (r->out[j]) {
                r->out[j]->needed = false;
                give_if_unused(tape, r->out[j]);
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
            if (take_grad(tape, r->in[i]) < 0)
                return add_place(tape, r);
            d[i] = &r->in[i]->var.grad;
            products += i < 2;
        }
    if (!reserve_scratch(tape, r, true))
        return add_place(tape, r);
    tape->now.flops += r->op->flops ? products * r->op->flops(r) : 0;
    tape->now.ops++;
    if (tape->options.mode != MEDVL_TAPE_PLAN)
        r->op->backward(tape->dev, r, d);
    if (over)
        hand_over(r);
    for (int i = 0; i < MEDVL_TAPE_IN; i++)
        if (d[i])
            check_finite(tape, r, d[i], "a gradient");
}

void medvl_tape_backward(struct medvl_tape *tape)
{
    struct segment *seg = NULL;

    if (!failed(tape) && !tape->trains)
        medvl_tape_fail(tape, MEDVL_EARG, "backward without records");
    for (size_t i = tape->record_count; i-- > 0 && !failed(tape);) {
        struct medvl_tape_record *r = &tape->records[i];

        if (!seg && tape->segment_count > 0 &&
            tape->segments[tape->segment_count - 1].last == i + 1) {
            seg = &tape->segments[--tape->segment_count];
            replay(tape, seg);
        }
        if (!failed(tape) && r->wanted && has_grad(r))
            run_backward(tape, r);
        for (int j = 0; j < MEDVL_TAPE_OUT; j++)
            if (r->out[j])
                give_grad(tape, r->out[j]);
        count_saved(tape, r, -1);
        if (seg && seg->first == i) {
            count_inputs(tape, seg, -1);
            seg = NULL;
        }
    }
    tape->record_count = 0;
}
