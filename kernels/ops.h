/*
 * Every operation: what it computes, shapes, storage types, source.
 *
 * Conventions, stated once.  Arguments: device, outputs, inputs, scalars.
 * Kernels allocate nothing, print nothing and cannot fail; a bad shape is a
 * caller's bug that the plan has caught (assert).  Activations (out) are
 * overwritten; gradients (d...) are f32 and ADDED to; a NULL gradient
 * pointer means not wanted.  Letters: N tokens of all sequences end to end,
 * C channels, K inputs and M outputs of a product, H heads, G key/value
 * heads, D head size, V vocabulary, S sequences.  Work is cut where shapes
 * say, never by the number of threads: results are the same for any team.
 *
 * Storage: activations and gradients f32; weights as listed at each op;
 * index arrays i32.  What an op does not list, the plan refuses.
 *
 * Each op NAME has NAME_ref.h (the specification: plain loops over `real`,
 * compiled as float for machines without a fast variant and as double for
 * the gradient tests), NAME.c (dispatch over rows and threads) and
 * NAME_avx2.c.  medvl_OP_scratch says how many bytes of dev->scratch a call
 * needs; an op without one needs none.
 *
 * Read next: norm.c, then linear.c, then attention.c.
 */
#ifndef MEDVL_KERNELS_OPS_H
#define MEDVL_KERNELS_OPS_H

#include "kernels/device.h"

/* ---- linear ---------------------------------------------------------- */

/*
 * Low-rank additions to a product: out += scale * (inp a^T) b^T on the rows
 * where `rows` is not 0.  Gradients NULL: frozen.
 */
struct medvl_adapter {
    const struct medvl_tensor *a;    /* (R,K) f32 */
    const struct medvl_tensor *b;    /* (M,R) f32 */
    const struct medvl_tensor *rows; /* (N) u8, or NULL for every row */
    struct medvl_tensor *da, *db;
    float scale;
};

/*
 * out (N,M) = inp (N,K) w (M,K)^T + bias (M), then the adapters.
 *
 * w f32, bf16, f16; bias f32, bf16, f16 or NULL.  With dev->row_invariant a
 * row's bits do not depend on N.
 */
typedef void medvl_linear_forward_fn(
    struct medvl_device *dev,
    struct medvl_tensor *out,
    const struct medvl_tensor *inp, const struct medvl_tensor *w,
    const struct medvl_tensor *bias,
    const struct medvl_adapter *adapters, int adapter_count);

/* dinp (N,K) dw (M,K) dbias (M) += from dout (N,M). */
typedef void medvl_linear_backward_fn(
    struct medvl_device *dev,
    struct medvl_tensor *dinp, struct medvl_tensor *dw,
    struct medvl_tensor *dbias,
    const struct medvl_tensor *dout,
    const struct medvl_tensor *inp, const struct medvl_tensor *w,
    const struct medvl_adapter *adapters, int adapter_count);
size_t medvl_linear_scratch(int64_t N, int64_t K, int64_t M,
                            enum medvl_dtype w, int64_t adapter_rank);

/* ---- norm ------------------------------------------------------------ */

/*
 * Root-mean-square normalization over channels, then scale.
 *
 *   out (N,C)  rrms (N)  <-  inp (N,C)  w (C)
 *   out = inp * rrms * w,   rrms = 1 / sqrt(mean(inp^2) + eps)
 *
 * rrms is kept for the backward pass; NULL when no gradient is wanted.
 * w f32, bf16, f16.  With w (D), C = H*D: each head's D values by
 * themselves, rrms (N,H), and the scratch is that of (N*H,D).
 *
 * Source: Zhang and Sennrich 2019, "Root Mean Square Layer Normalization";
 * by head as in Hugging Face's Qwen3.
 */
typedef void medvl_rmsnorm_forward_fn(
    struct medvl_device *dev,
    struct medvl_tensor *out, struct medvl_tensor *rrms,
    const struct medvl_tensor *inp, const struct medvl_tensor *w, float eps);
typedef void medvl_rmsnorm_backward_fn(
    struct medvl_device *dev,
    struct medvl_tensor *dinp, struct medvl_tensor *dw,
    const struct medvl_tensor *dout, const struct medvl_tensor *inp,
    const struct medvl_tensor *w, const struct medvl_tensor *rrms);

/*
 * Layer normalization: out = (inp - mean) * rstd * w + b,
 * rstd = 1 / sqrt(var + eps) with the biased variance.  moments (N,2) holds
 * mean and rstd; NULL when no gradient is wanted.  w, b f32, bf16, f16.
 *
 * Source: Ba, Kiros and Hinton 2016, "Layer Normalization".
 */
typedef void medvl_layernorm_forward_fn(
    struct medvl_device *dev,
    struct medvl_tensor *out, struct medvl_tensor *moments,
    const struct medvl_tensor *inp, const struct medvl_tensor *w,
    const struct medvl_tensor *b, float eps);
typedef void medvl_layernorm_backward_fn(
    struct medvl_device *dev,
    struct medvl_tensor *dinp, struct medvl_tensor *dw,
    struct medvl_tensor *db,
    const struct medvl_tensor *dout, const struct medvl_tensor *inp,
    const struct medvl_tensor *w, const struct medvl_tensor *moments);
size_t medvl_norm_scratch(int64_t N, int64_t C); /* sums of dw by block */

/* ---- act: element by element ----------------------------------------- */

enum medvl_act {
    MEDVL_ACT_GELU,       /* x Phi(x), with erf */
    MEDVL_ACT_GELU_TANH,  /* its tanh form */
    MEDVL_ACT_QUICK_GELU, /* x sigmoid(1.702 x) */
    MEDVL_ACT_SILU,       /* x sigmoid(x) */
};

/* out (N,C) = act(inp (N,C)). */
typedef void medvl_act_forward_fn(
    struct medvl_device *dev,
    struct medvl_tensor *out, const struct medvl_tensor *inp,
    enum medvl_act act);
typedef void medvl_act_backward_fn(
    struct medvl_device *dev,
    struct medvl_tensor *dinp,
    const struct medvl_tensor *dout, const struct medvl_tensor *inp,
    enum medvl_act act);

/*
 * out (N,C) = act(gate (N,C)) * up (N,C): the gated unit of Llama with silu.
 *
 * Source: Shazeer 2020, "GLU Variants Improve Transformer".
 */
typedef void medvl_glu_forward_fn(
    struct medvl_device *dev,
    struct medvl_tensor *out,
    const struct medvl_tensor *gate, const struct medvl_tensor *up,
    enum medvl_act act);
typedef void medvl_glu_backward_fn(
    struct medvl_device *dev,
    struct medvl_tensor *dgate, struct medvl_tensor *dup,
    const struct medvl_tensor *dout,
    const struct medvl_tensor *gate, const struct medvl_tensor *up,
    enum medvl_act act);

/* out = a + b; out may be a or b. */
typedef void medvl_add_forward_fn(
    struct medvl_device *dev,
    struct medvl_tensor *out,
    const struct medvl_tensor *a, const struct medvl_tensor *b);

/*
 * out (N,C) = inp (N,C) * w (C): every column by its own factor.  w f32,
 * bf16, f16.
 *
 * Source: LayerScale of Touvron et al. 2021, "Going Deeper with Image
 * Transformers".
 */
typedef void medvl_scale_forward_fn(
    struct medvl_device *dev,
    struct medvl_tensor *out,
    const struct medvl_tensor *inp, const struct medvl_tensor *w);
typedef void medvl_scale_backward_fn(
    struct medvl_device *dev,
    struct medvl_tensor *dinp, struct medvl_tensor *dw,
    const struct medvl_tensor *dout,
    const struct medvl_tensor *inp, const struct medvl_tensor *w);
size_t medvl_scale_scratch(int64_t C);

/*
 * out = inp * keep / (1 - rate), keep drawn at (seed, DROPOUT, item,
 * element): the same numbers in the backward pass, where it ADDS to out
 * when `add`.  rate in [0, 1).
 */
typedef void medvl_dropout_fn(
    struct medvl_device *dev,
    struct medvl_tensor *out, const struct medvl_tensor *inp,
    float rate, uint64_t seed, uint64_t item, bool add);

/* ---- rows ------------------------------------------------------------ */

/*
 * out (N,C) = table (V,C) at index (N); index -1 gives a row of zeros.
 * table f32, bf16, f16.  Backward: dtable[index] += dout, rows in order.
 */
typedef void medvl_gather_rows_forward_fn(
    struct medvl_device *dev,
    struct medvl_tensor *out,
    const struct medvl_tensor *table, const struct medvl_tensor *index);
typedef void medvl_gather_rows_backward_fn(
    struct medvl_device *dev,
    struct medvl_tensor *dtable,
    const struct medvl_tensor *dout, const struct medvl_tensor *index);

/*
 * out (N,C): row n is the sum over t of weight[n,t] times the row
 * index[n,t] of table (V,C); index (N,T), weight (N,T) f32; -1 adds nothing.
 * table f32, bf16, f16.  Backward: dtable[index[n,t]] += weight dout[n], in
 * order of n and t; the weights have no gradient.
 *
 * A resampled table: DINOv2's positions on another grid.
 */
typedef void medvl_mix_rows_forward_fn(
    struct medvl_device *dev,
    struct medvl_tensor *out,
    const struct medvl_tensor *table, const struct medvl_tensor *index,
    const struct medvl_tensor *weight);
typedef void medvl_mix_rows_backward_fn(
    struct medvl_device *dev,
    struct medvl_tensor *dtable,
    const struct medvl_tensor *dout, const struct medvl_tensor *index,
    const struct medvl_tensor *weight);

/*
 * out (N,C) = base (N,C) with row index[i] replaced by rows[i] (R,C); no
 * index twice; -1 skips.  out may be base.  base NULL: only those rows are
 * written, the others stay.  Backward: dbase += dout but for the replaced
 * rows, drows[i] += dout[index[i]].
 */
typedef void medvl_scatter_rows_forward_fn(
    struct medvl_device *dev,
    struct medvl_tensor *out, const struct medvl_tensor *base,
    const struct medvl_tensor *rows, const struct medvl_tensor *index);
typedef void medvl_scatter_rows_backward_fn(
    struct medvl_device *dev,
    struct medvl_tensor *dbase, struct medvl_tensor *drows,
    const struct medvl_tensor *dout, const struct medvl_tensor *index);
size_t medvl_scatter_rows_scratch(int64_t N);

/* out (S,C) = mean of inp's rows cu[s]..cu[s+1]-1; cu (S+1), none empty. */
typedef void medvl_mean_rows_forward_fn(
    struct medvl_device *dev,
    struct medvl_tensor *out,
    const struct medvl_tensor *inp, const struct medvl_tensor *cu);
typedef void medvl_mean_rows_backward_fn(
    struct medvl_device *dev,
    struct medvl_tensor *dinp,
    const struct medvl_tensor *dout, const struct medvl_tensor *cu);

/* ---- rope ------------------------------------------------------------ */

/*
 * Rotary positions, half-split: of each head's D values the first R are
 * turned in pairs (i, i + R/2) by the token's angle i.
 *
 *   out (N,H*D)  <-  inp (N,H*D)  cos (N,R/2)  sin (N,R/2)
 *
 * out may be inp.  Backward turns dout back and adds it to dinp.
 *
 * Source: Su et al. 2021, "RoFormer"; pairing as in Hugging Face's Llama.
 */
typedef void medvl_rope_forward_fn(
    struct medvl_device *dev,
    struct medvl_tensor *out, const struct medvl_tensor *inp,
    const struct medvl_tensor *cos, const struct medvl_tensor *sin,
    int64_t head_size);
typedef void medvl_rope_backward_fn(
    struct medvl_device *dev,
    struct medvl_tensor *dinp, const struct medvl_tensor *dout,
    const struct medvl_tensor *cos, const struct medvl_tensor *sin,
    int64_t head_size);

/* ---- attention ------------------------------------------------------- */

#define MEDVL_HEAD_SIZE_MAX 512

/*
 * Which query sees which key.  Query i of sequence s (from 0) stands at
 * key position i + (keys - queries) of that sequence.  Causal: it sees keys
 * up to there.  window W > 0: only the last W of those.
 */
struct medvl_attention {
    int64_t heads, groups; /* H a multiple of G */
    int64_t head_size;     /* at most MEDVL_HEAD_SIZE_MAX */
    int64_t sequences;
    const int32_t *cu_q;     /* (S+1): rows of q, end to end */
    const int32_t *cu_k;     /* (S+1): keys, counted end to end */
    const uint8_t *key_mask; /* (cu_k[S]): 0 hides a key; or NULL */
    int64_t max_q, max_k;    /* longest sequence, for the scratch */
    int64_t window;
    float scale; /* 1 / sqrt(D) for the usual */
    bool causal;

    /*
     * Keys in pages: key j of sequence s is row
     * pages[s * pages_each + j / page] * page + j % page of k and v.
     * NULL: keys stand end to end as cu_k says.
     */
    const int32_t *pages;
    int64_t pages_each, page;
};

/*
 * out (Nq,H*D) = softmax(scale q k^T) v by head, without storing scores;
 * head h reads key head h / (H/G).  lse (Nq,H) gets the log of each row's
 * sum of exponentials; NULL when not wanted.  A query that sees no key
 * gives zeros and -inf.  k, v (Nk,G*D) f32 or bf16.
 *
 * A row's bits depend on its own query and keys alone.
 *
 * Source: Dao et al. 2022, "FlashAttention" (the streaming softmax of
 * Milakov and Gimelshein 2018).
 */
typedef void medvl_attention_forward_fn(
    struct medvl_device *dev,
    struct medvl_tensor *out, struct medvl_tensor *lse,
    const struct medvl_tensor *q, const struct medvl_tensor *k,
    const struct medvl_tensor *v, const struct medvl_attention *attention);

/* Dense f32 keys only. */
typedef void medvl_attention_backward_fn(
    struct medvl_device *dev,
    struct medvl_tensor *dq, struct medvl_tensor *dk, struct medvl_tensor *dv,
    const struct medvl_tensor *dout, const struct medvl_tensor *out,
    const struct medvl_tensor *lse,
    const struct medvl_tensor *q, const struct medvl_tensor *k,
    const struct medvl_tensor *v, const struct medvl_attention *attention);
size_t medvl_attention_scratch(const struct medvl_attention *attention,
                               int64_t Nq, bool backward);

/* ---- head_logprob ---------------------------------------------------- */

/*
 * Log-probabilities of targets under softmax(hidden head^T + bias), by
 * chunks of rows, never storing (N,V).
 *
 *   logp (N)       log p(target);  0 where the target is -1
 *   entropy (N)    of the distribution, natural log; NULL: not wanted
 *   mean_logp (N)  mean over the vocabulary of log p; NULL: not wanted
 *   lse (N)        kept for the backward pass; never NULL
 *   hidden (N,C), head (V,C) f32 bf16 f16, target (N) i32
 *   bias (V)       f32 bf16 f16; NULL: none
 *
 * Cross entropy with smoothing e is -(1-e) logp - e mean_logp.  Rows with
 * target -1 cost nothing and give 0 everywhere.
 */
typedef void medvl_head_logprob_forward_fn(
    struct medvl_device *dev,
    struct medvl_tensor *logp, struct medvl_tensor *entropy,
    struct medvl_tensor *mean_logp, struct medvl_tensor *lse,
    const struct medvl_tensor *hidden, const struct medvl_tensor *head,
    const struct medvl_tensor *bias, const struct medvl_tensor *target);

/* d of any of the three may be NULL; entropy is forward's result then. */
typedef void medvl_head_logprob_backward_fn(
    struct medvl_device *dev,
    struct medvl_tensor *dhidden, struct medvl_tensor *dhead,
    struct medvl_tensor *dbias,
    const struct medvl_tensor *dlogp, const struct medvl_tensor *dentropy,
    const struct medvl_tensor *dmean_logp,
    const struct medvl_tensor *hidden, const struct medvl_tensor *head,
    const struct medvl_tensor *bias, const struct medvl_tensor *target,
    const struct medvl_tensor *lse, const struct medvl_tensor *entropy);
size_t medvl_head_logprob_scratch(int64_t N, int64_t C, int64_t V,
                                  enum medvl_dtype head);

/* ---- optim ----------------------------------------------------------- */

struct medvl_adamw {
    float rate, beta1, beta2, eps, decay;
    float bias1, bias2; /* 1 - beta^step */
    float grad_scale;   /* on the gradient first: clipping, averaging */
};

/*
 * One AdamW step on f32 `master`, then w = master in w's type (f32, bf16,
 * f16); w may be master itself.  All of one size.
 *
 * Source: Loshchilov and Hutter 2019, "Decoupled Weight Decay".
 */
typedef void medvl_adamw_fn(
    struct medvl_device *dev,
    struct medvl_tensor *w, struct medvl_tensor *master,
    struct medvl_tensor *m, struct medvl_tensor *v,
    const struct medvl_tensor *grad, const struct medvl_adamw *adamw);

/* The sum of squares, in double, pieces added in order. */
typedef double medvl_sum_squares_fn(struct medvl_device *dev,
                                    const struct medvl_tensor *inp);

/* out += weight * (inp - out): weight averaging. */
typedef void medvl_lerp_fn(struct medvl_device *dev,
                           struct medvl_tensor *out,
                           const struct medvl_tensor *inp, float weight);

/*
 * out = inp, between f32, bf16 and f16, and from the eight-bit floats; same
 * shape, strides may differ.
 */
typedef void medvl_convert_fn(struct medvl_device *dev,
                              struct medvl_tensor *out,
                              const struct medvl_tensor *inp);

/* Is every value of an f32 tensor finite? */
typedef bool medvl_finite_fn(struct medvl_device *dev,
                             const struct medvl_tensor *inp);

/* ---- the table ------------------------------------------------------- */

/* X(name): the one list of operations; the declarations follow from it. */
#define MEDVL_OPS(X)         \
    X(linear_forward)        \
    X(linear_backward)       \
    X(rmsnorm_forward)       \
    X(rmsnorm_backward)      \
    X(layernorm_forward)     \
    X(layernorm_backward)    \
    X(act_forward)           \
    X(act_backward)          \
    X(glu_forward)           \
    X(glu_backward)          \
    X(add_forward)           \
    X(scale_forward)         \
    X(scale_backward)        \
    X(dropout)               \
    X(gather_rows_forward)   \
    X(gather_rows_backward)  \
    X(mix_rows_forward)      \
    X(mix_rows_backward)     \
    X(scatter_rows_forward)  \
    X(scatter_rows_backward) \
    X(mean_rows_forward)     \
    X(mean_rows_backward)    \
    X(rope_forward)          \
    X(rope_backward)         \
    X(attention_forward)     \
    X(attention_backward)    \
    X(head_logprob_forward)  \
    X(head_logprob_backward) \
    X(adamw)                 \
    X(sum_squares)           \
    X(lerp)                  \
    X(convert)               \
    X(finite)

#define MEDVL_OP_FIELD(name) medvl_##name##_fn *name;
struct medvl_ops {
    MEDVL_OPS(MEDVL_OP_FIELD)
};
#undef MEDVL_OP_FIELD

#define MEDVL_OP_CPU(name) extern medvl_##name##_fn medvl_cpu_##name;
MEDVL_OPS(MEDVL_OP_CPU)
#undef MEDVL_OP_CPU

extern const struct medvl_ops medvl_cpu_ops;

#endif
