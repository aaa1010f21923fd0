/*
 * The machine behind tape.h: begin and end, running an op, scopes.  The rest
 * of it is in the files that tape_part.h lists.
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
 * Read next: tape_var.c.
 */
#include "lib/tensor/tape_part.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/mem.h"

/* Put scope and op in front of the failure that is there. */
void tape_add_place(struct medvl_tape *tape,
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

    if (tape_failed(tape))
        return;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    medvl_fail(&tape->err, code, "%s", text);
    tape_add_place(tape, NULL);
}

/* ---- running one op -------------------------------------------------- */

void tape_check_finite(struct medvl_tape *tape,
                       const struct medvl_tape_record *r,
                       const struct medvl_tensor *t, const char *what)
{
    if (tape_failed(tape) || !tape->options.check_finite || !t->data ||
        t->dtype != MEDVL_DTYPE_F32)
        return;
    if (tape->dev->ops->finite(tape->dev, t))
        return;
    medvl_fail(&tape->err, MEDVL_EFORMAT, "%s is not finite", what);
    tape_add_place(tape, r);
}

bool tape_reserve_scratch(struct medvl_tape *tape,
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

void tape_run_forward(struct medvl_tape *tape,
                      const struct medvl_tape_record *r)
{
    for (int i = 0; i < MEDVL_TAPE_OUT; i++)
        if (r->out[i] && tape_take_value(tape, r->out[i]) < 0)
            return tape_add_place(tape, r);
    if (!tape_reserve_scratch(tape, r, false))
        return tape_add_place(tape, r);
    tape->now.flops += r->op->flops ? r->op->flops(r) : 0;
    tape->now.ops++;
    if (tape->options.mode == MEDVL_TAPE_PLAN)
        return;
    if (!r->op->view)
        r->op->forward(tape->dev, r);
    for (int i = 0; i < MEDVL_TAPE_OUT; i++)
        if (r->out[i] && !(r->op->aux >> i & 1))
            tape_check_finite(tape, r, &r->out[i]->var.value, "the result");
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
        r->out[i] = tape_new_node(tape);
        rc = r->out[i] ? tape_hold(tape, r->out[i]) : MEDVL_ENOMEM;
        if (rc < 0)
            break;
        r->out[i]->var.value = shape[i];
        r->out[i]->var.wants_grad = r->wanted && !aux;
        r->out[i]->parent = r->op->view ? r->in[0] : NULL;
        r->out[i]->first = r->first;
    }
    if (rc < 0)
        tape_add_place(tape, r);
    return rc;
}

/* +1 or -1 to the count of each variable that backward of r reads. */
void tape_count_saved(struct medvl_tape *tape,
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
            tape_give_if_unused(tape, r->in[i]);
        }
    for (int i = 0; i < MEDVL_TAPE_OUT; i++)
        if (r->out[i] && r->op->saved_out >> i & 1) {
            r->out[i]->saved += by;
            tape_give_if_unused(tape, r->out[i]);
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
    tape_count_saved(tape, r, 1);
}

/* Run the op; the result is its first output. */
struct medvl_var *tape_emit(struct medvl_tape *tape,
                            struct medvl_tape_record *r)
{
    if (tape_failed(tape))
        return &tape->nowhere.var;
    for (int i = 0; i < MEDVL_TAPE_IN; i++)
        if (r->in[i] && r->in[i]->var.wants_grad)
            r->wanted = true;
    if (make_outputs(tape, r) < 0)
        return &tape->nowhere.var;
    tape_run_forward(tape, r);
    /* What nobody wants is replayed when somebody in its scope wants. */
    if (!tape_failed(tape) && tape->trains &&
        (r->wanted || (tape->options.recompute && tape->scope_count > 0)))
        keep_record(tape, r);
    return r->out[0] && !tape_failed(tape) ? &r->out[0]->var
                                           : &tape->nowhere.var;
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
    if (!tape_failed(tape) && tape->options.mode != MEDVL_TAPE_PLAN &&
        medvl_device_sync(tape->dev, &tape->err) < 0)
        tape_add_place(tape, NULL);
    if (tape_failed(tape) && err)
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
    struct tape_scope *scope;
    char name[100];
    va_list args;

    if (tape_failed(tape))
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
void tape_count_inputs(struct medvl_tape *tape, const struct tape_segment *seg,
                       int by)
{
    for (size_t i = seg->first; i < seg->last; i++)
        for (int j = 0; j < MEDVL_TAPE_IN; j++) {
            struct medvl_tape_node *in = tape->records[i].in[j];

            if (!in || in->outside || in->record >= (int64_t)seg->first)
                continue;
            in->saved += by;
            tape_give_if_unused(tape, in);
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
static bool add_segment(struct medvl_tape *tape, const struct tape_scope *scope)
{
    struct tape_segment *seg;

    if (!tape->trains || !tape->options.recompute || scope->inner ||
        drop_unwanted(tape, scope->record))
        return false;
    if (medvl_grow(&tape->segments, &tape->segment_capacity,
                   tape->segment_count + 1, sizeof(*seg), &tape->err) < 0)
        return false;
    seg = &tape->segments[tape->segment_count++];
    seg->first = scope->record;
    seg->last = tape->record_count;
    tape_count_inputs(tape, seg, 1);
    return true;
}

void medvl_tape_leave(struct medvl_tape *tape,
                      struct medvl_var *const *survivors, int count)
{
    struct tape_scope scope;
    bool dropped;
    size_t kept;

    if (tape_failed(tape))
        return;
    assert(tape->scope_count > 0);
    scope = tape->scopes[tape->scope_count - 1];
    dropped = add_segment(tape, &scope);
    if (tape_failed(tape))
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
        tape_give_if_unused(tape, node);
    }
    tape->held_count = kept;
    tape->path.size = scope.path;
    if (tape->path.data)
        tape->path.data[scope.path] = '\0';
}

void medvl_tape_drop(struct medvl_tape *tape, struct medvl_var *var)
{
    struct medvl_tape_node *node = tape_node_of(var);

    if (tape_failed(tape))
        return;
    node->held = false;
    tape_give_if_unused(tape, node);
}
