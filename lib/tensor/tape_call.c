/*
 * The calls that models make: each a record with inputs and attributes.
 *
 * Read next: tape_op_part.h.
 */
#include "lib/tensor/tape_part.h"

struct medvl_var *medvl_tape_columns(struct medvl_tape *tape,
                                     struct medvl_var *var, int64_t first,
                                     int64_t count)
{
    struct medvl_tape_record r = {.op = &medvl_tape_op_columns};

    r.in[0] = tape_node_of(var);
    r.first = first;
    r.columns = count;
    return tape_emit(tape, &r);
}

struct medvl_var *medvl_tape_reshape(struct medvl_tape *tape,
                                     struct medvl_var *var, int64_t rows,
                                     int64_t columns)
{
    struct medvl_tape_record r = {.op = &medvl_tape_op_reshape};

    r.in[0] = tape_node_of(var);
    r.rows = rows;
    r.columns = columns;
    return tape_emit(tape, &r);
}

struct medvl_var *medvl_tape_join(struct medvl_tape *tape,
                                  struct medvl_var *a, struct medvl_var *b)
{
    struct medvl_tape_record r = {.op = &medvl_tape_op_join};

    r.in[0] = tape_node_of(a);
    r.in[1] = tape_node_of(b);
    return tape_emit(tape, &r);
}

struct medvl_var *medvl_tape_linear(struct medvl_tape *tape,
                                    struct medvl_var *inp,
                                    struct medvl_param *w,
                                    struct medvl_param *bias)
{
    struct medvl_tape_record r = {.op = &medvl_tape_op_linear};

    r.in[0] = tape_node_of(inp);
    r.in[1] = tape_node_of(medvl_tape_param(tape, w));
    if (bias)
        r.in[2] = tape_node_of(medvl_tape_param(tape, bias));
    return tape_emit(tape, &r);
}

struct medvl_var *medvl_tape_rmsnorm(struct medvl_tape *tape,
                                     struct medvl_var *inp,
                                     struct medvl_param *w, float eps)
{
    struct medvl_tape_record r = {.op = &medvl_tape_op_rmsnorm, .eps = eps};

    r.in[0] = tape_node_of(inp);
    r.in[1] = tape_node_of(medvl_tape_param(tape, w));
    return tape_emit(tape, &r);
}

struct medvl_var *medvl_tape_rmsnorm_heads(struct medvl_tape *tape,
                                           struct medvl_var *inp,
                                           struct medvl_param *w,
                                           int64_t head_size, float eps)
{
    struct medvl_tape_record r = {.op = &medvl_tape_op_rmsnorm, .eps = eps};

    r.in[0] = tape_node_of(inp);
    r.in[1] = tape_node_of(medvl_tape_param(tape, w));
    r.head_size = head_size > 0 ? head_size : -1;
    return tape_emit(tape, &r);
}

struct medvl_var *medvl_tape_layernorm(struct medvl_tape *tape,
                                       struct medvl_var *inp,
                                       struct medvl_param *w,
                                       struct medvl_param *b, float eps)
{
    struct medvl_tape_record r = {.op = &medvl_tape_op_layernorm, .eps = eps};

    r.in[0] = tape_node_of(inp);
    r.in[1] = tape_node_of(medvl_tape_param(tape, w));
    r.in[2] = tape_node_of(medvl_tape_param(tape, b));
    return tape_emit(tape, &r);
}

struct medvl_var *medvl_tape_act(struct medvl_tape *tape,
                                 struct medvl_var *inp, enum medvl_act act)
{
    struct medvl_tape_record r = {.op = &medvl_tape_op_act, .act = act};

    r.in[0] = tape_node_of(inp);
    return tape_emit(tape, &r);
}

struct medvl_var *medvl_tape_glu(struct medvl_tape *tape,
                                 struct medvl_var *gate,
                                 struct medvl_var *up, enum medvl_act act)
{
    struct medvl_tape_record r = {.op = &medvl_tape_op_glu, .act = act};

    r.in[0] = tape_node_of(gate);
    r.in[1] = tape_node_of(up);
    return tape_emit(tape, &r);
}

struct medvl_var *medvl_tape_add(struct medvl_tape *tape,
                                 struct medvl_var *a, struct medvl_var *b)
{
    struct medvl_tape_record r = {.op = &medvl_tape_op_add};

    r.in[0] = tape_node_of(a);
    r.in[1] = tape_node_of(b);
    return tape_emit(tape, &r);
}

struct medvl_var *medvl_tape_scale(struct medvl_tape *tape,
                                   struct medvl_var *inp,
                                   struct medvl_param *w)
{
    struct medvl_tape_record r = {.op = &medvl_tape_op_scale};

    r.in[0] = tape_node_of(inp);
    r.in[1] = tape_node_of(medvl_tape_param(tape, w));
    return tape_emit(tape, &r);
}

struct medvl_var *medvl_tape_dropout(struct medvl_tape *tape,
                                     struct medvl_var *inp)
{
    struct medvl_tape_record r = {.op = &medvl_tape_op_dropout};

    if (!tape->trains || tape->options.dropout <= 0)
        return inp;
    r.in[0] = tape_node_of(inp);
    r.rate = tape->options.dropout;
    r.seed = tape->options.seed;
    r.item = tape->options.step << 16 | (tape->sites++ & 0xffff);
    return tape_emit(tape, &r);
}

struct medvl_var *medvl_tape_gather_rows(struct medvl_tape *tape,
                                         struct medvl_var *table,
                                         const struct medvl_tensor *index)
{
    struct medvl_tape_record r = {.op = &medvl_tape_op_gather_rows};

    r.in[0] = tape_node_of(table);
    r.index = *index;
    return tape_emit(tape, &r);
}

struct medvl_var *medvl_tape_mix_rows(struct medvl_tape *tape,
                                      struct medvl_var *table,
                                      const struct medvl_tensor *index,
                                      const struct medvl_tensor *weight)
{
    struct medvl_tape_record r = {.op = &medvl_tape_op_mix_rows};

    r.in[0] = tape_node_of(table);
    r.index = *index;
    r.weight = *weight;
    return tape_emit(tape, &r);
}

struct medvl_var *medvl_tape_scatter_rows(struct medvl_tape *tape,
                                          struct medvl_var *base,
                                          struct medvl_var *rows,
                                          const struct medvl_tensor *index)
{
    struct medvl_tape_record r = {.op = &medvl_tape_op_scatter_rows};

    r.in[0] = tape_node_of(base);
    r.in[1] = tape_node_of(rows);
    r.index = *index;
    return tape_emit(tape, &r);
}

struct medvl_var *medvl_tape_mean_rows(struct medvl_tape *tape,
                                       struct medvl_var *inp,
                                       const struct medvl_tensor *cu)
{
    struct medvl_tape_record r = {.op = &medvl_tape_op_mean_rows};

    r.in[0] = tape_node_of(inp);
    r.index = *cu;
    return tape_emit(tape, &r);
}

struct medvl_var *medvl_tape_rope(struct medvl_tape *tape,
                                  struct medvl_var *inp,
                                  const struct medvl_tensor *cos,
                                  const struct medvl_tensor *sin,
                                  int64_t head_size)
{
    struct medvl_tape_record r = {.op = &medvl_tape_op_rope};

    r.in[0] = tape_node_of(inp);
    r.cos = *cos;
    r.sin = *sin;
    r.head_size = head_size;
    return tape_emit(tape, &r);
}

struct medvl_var *medvl_tape_attention(
    struct medvl_tape *tape,
    struct medvl_var *q, struct medvl_var *k, struct medvl_var *v,
    const struct medvl_attention *attention)
{
    struct medvl_tape_record r = {.op = &medvl_tape_op_attention};

    r.in[0] = tape_node_of(q);
    r.in[1] = tape_node_of(k);
    r.in[2] = tape_node_of(v);
    r.attention = attention;
    return tape_emit(tape, &r);
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
    r.in[0] = tape_node_of(rows);
    r.cos = *out;
    r.index = *index;
    tape_emit(tape, &r);
}

struct medvl_var *medvl_tape_head_logprob(
    struct medvl_tape *tape,
    struct medvl_var **entropy, struct medvl_var **mean_logp,
    struct medvl_var *hidden, struct medvl_param *head,
    struct medvl_param *bias, const struct medvl_tensor *target)
{
    struct medvl_tape_record r = {.op = &medvl_tape_op_head_logprob};
    struct medvl_var *logp;

    r.in[0] = tape_node_of(hidden);
    r.in[1] = tape_node_of(medvl_tape_param(tape, head));
    if (bias)
        r.in[2] = tape_node_of(medvl_tape_param(tape, bias));
    r.index = *target;
    r.asked[0] = r.asked[3] = true;
    r.asked[1] = entropy;
    r.asked[2] = mean_logp;
    logp = tape_emit(tape, &r);
    if (entropy)
        *entropy = tape_failed(tape) ? &tape->nowhere.var : &r.out[1]->var;
    if (mean_logp)
        *mean_logp = tape_failed(tape) ? &tape->nowhere.var : &r.out[2]->var;
    return logp;
}
