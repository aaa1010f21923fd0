/*
 * Attention in blocks of 64 keys, aligned to their place in the sequence.
 *
 * A block's scores, weights and sums live in the thread's scratch.  Every
 * score is one chain of multiply-adds over D, every output one chain over
 * the keys in order; a hidden key has the weight 0 and leaves a chain as it
 * was.  So a row's bits do not depend on which rows share its block.
 *
 * All five products are of one form: a (n,k) b (k,m) with b's rows dense
 * and of a multiple of eight, in tiles of up to 6 x 16.
 *
 * Read next: head_logprob.c.
 */
#include "kernels/avx2.h" /* first: its e^x becomes that of _ref.h */

#include "kernels/attention_ref.h"
#include "kernels/cpu.h"

#define BLOCK 64 /* keys, and rows of queries */
#define TILE  6  /* rows of a tile */

#define INLINE static inline __attribute__((always_inline))

struct operand {
    const float *at;
    int64_t row, column; /* items between neighbours */
};

/* c (rows, 8 vecs) (+)= a b over k.  rows 1..6 and vecs 1..2 constants. */
INLINE void tile(int rows, int vecs, float *c, int64_t ldc,
                 struct operand a, const float *b, int64_t ldb, int64_t k,
                 bool add)
{
    __m256 sum[TILE][2];

    for (int r = 0; r < rows; r++)
        for (int v = 0; v < vecs; v++)
            sum[r][v] = add ? _mm256_loadu_ps(c + r * ldc + 8 * v)
                            : _mm256_setzero_ps();
    for (int64_t i = 0; i < k; i++) {
        __m256 x[2];

        for (int v = 0; v < vecs; v++)
            x[v] = _mm256_loadu_ps(b + i * ldb + 8 * v);
        for (int r = 0; r < rows; r++) {
            const __m256 y =
                _mm256_broadcast_ss(a.at + r * a.row + i * a.column);

            for (int v = 0; v < vecs; v++)
                sum[r][v] = _mm256_fmadd_ps(y, x[v], sum[r][v]);
        }
    }
    for (int r = 0; r < rows; r++)
        for (int v = 0; v < vecs; v++)
            _mm256_storeu_ps(c + r * ldc + 8 * v, sum[r][v]);
}

#define TILE_CASE(rows)                               \
    case rows:                                        \
        for (; m >= 16; m -= 16, c += 16, b += 16)    \
            tile(rows, 2, c, ldc, a, b, ldb, k, add); \
        if (m > 0)                                    \
            tile(rows, 1, c, ldc, a, b, ldb, k, add); \
        break

/* Up to six rows of c, all m columns (a multiple of 8). */
static void rows_of(int64_t rows, int64_t m, float *c, int64_t ldc,
                    struct operand a, const float *b, int64_t ldb, int64_t k,
                    bool add)
{
    switch (rows) {
        TILE_CASE(1);
        TILE_CASE(2);
        TILE_CASE(3);
        TILE_CASE(4);
        TILE_CASE(5);
        TILE_CASE(6);
    }
}

/* ---- what a task works with ------------------------------------------ */

/* Rows are (query, head) pairs; panels have rows of `width` >= D floats. */
struct work {
    const struct attention_args *args;
    int64_t s, g, rows, keys, width;
    int64_t base, count; /* the block's first key, and how many it has */
    float *q, *out;      /* panels (BLOCK, width) */
    float *key, *value;
    float *key_t, *value_t; /* (width, BLOCK) */
    float *score, *slope;   /* (BLOCK, BLOCK) */
    float *dout, *dkey, *dvalue;
    float most[BLOCK], sum[BLOCK];
    int64_t first[BLOCK], last[BLOCK]; /* keys that a row sees */
    int64_t from[BLOCK], to[BLOCK];    /* of these, in the block */
};

static int64_t round_up(int64_t value, int64_t multiple)
{
    return (value + multiple - 1) / multiple * multiple;
}

static float *take(float **scratch, int64_t items)
{
    float *p = *scratch;

    *scratch += items;
    return p;
}

static void work_init(struct work *w, const struct attention_args *args,
                      int64_t s, int64_t g, void *scratch, bool backward)
{
    float *p = scratch;
    int64_t panel;

    w->args = args;
    w->s = s;
    w->g = g;
    w->keys = args->at->cu_k[s + 1] - args->at->cu_k[s];
    w->width = round_up(args->at->head_size, 8);
    panel = BLOCK * w->width;
    w->q = take(&p, panel);
    w->out = take(&p, panel);
    w->key = take(&p, panel);
    w->value = take(&p, panel);
    w->key_t = take(&p, panel);
    w->score = take(&p, BLOCK * BLOCK);
    if (!backward)
        return;
    w->value_t = take(&p, panel);
    w->slope = take(&p, BLOCK * BLOCK);
    w->dout = take(&p, panel);
    w->dkey = take(&p, panel);
    w->dvalue = take(&p, panel);
}

static void copy_row(float *out, const float *inp, int64_t D, int64_t width,
                     float scale)
{
    const __m256 by = _mm256_set1_ps(scale);
    int64_t d;

    for (d = 0; d + 8 <= D; d += 8)
        _mm256_storeu_ps(out + d, _mm256_mul_ps(_mm256_loadu_ps(inp + d), by));
    for (; d < D; d++)
        out[d] = inp[d] * scale;
    for (; d < width; d++)
        out[d] = 0;
}

/* The block's keys or values as a panel, wherever and however they stand. */
static void load_block(const struct work *w, float *panel, const void *data,
                       int64_t stride)
{
    const struct attention_args *a = w->args;
    const int64_t D = a->at->head_size;

    for (int64_t j = 0; j < w->count; j++) {
        const int64_t row = attention_row(a->at, w->s, w->base + j);
        const int64_t item = row * stride + w->g * D;
        float *out = panel + j * w->width;

        if (!a->bf16) {
            copy_row(out, (const float *)data + item, D, w->width, 1);
            continue;
        }
        convert_rows_avx2.convert(out, MEDVL_DTYPE_F32,
                                  (const uint16_t *)data + item,
                                  MEDVL_DTYPE_BF16, D);
        for (int64_t d = D; d < w->width; d++)
            out[d] = 0;
    }
    for (int64_t j = w->count; j < round_up(w->count, 16); j++)
        memset(panel + j * w->width, 0, (size_t)w->width * sizeof(float));
}

/* out (8 columns of BLOCK) = inp (8 rows of width), turned. */
static void transpose8(float *out, const float *inp, int64_t width)
{
    __m256 r[8], t[8];

    for (int i = 0; i < 8; i++)
        r[i] = _mm256_loadu_ps(inp + i * width);
    for (int i = 0; i < 8; i += 2) {
        t[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
        t[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
    }
    for (int i = 0; i < 8; i += 4) {
        r[i] = _mm256_shuffle_ps(t[i], t[i + 2], 0x44);
        r[i + 1] = _mm256_shuffle_ps(t[i], t[i + 2], 0xee);
        r[i + 2] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0x44);
        r[i + 3] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0xee);
    }
    for (int i = 0; i < 4; i++) {
        _mm256_storeu_ps(out + i * BLOCK,
                         _mm256_permute2f128_ps(r[i], r[i + 4], 0x20));
        _mm256_storeu_ps(out + (i + 4) * BLOCK,
                         _mm256_permute2f128_ps(r[i], r[i + 4], 0x31));
    }
}

/* out (width, BLOCK) = panel turned, for the block's keys. */
static void transpose(const struct work *w, float *out, const float *panel)
{
    for (int64_t j = 0; j < round_up(w->count, 16); j += 8)
        for (int64_t d = 0; d < w->width; d += 8)
            transpose8(out + d * BLOCK + j, panel + j * w->width + d,
                       w->width);
}

/* Which of the block's keys each row sees; false: none sees any. */
static bool set_ranges(struct work *w)
{
    bool any = false;

    for (int64_t r = 0; r < w->rows; r++) {
        w->from[r] = max_i64(w->first[r] - w->base, 0);
        w->to[r] = min_i64(w->last[r] - w->base, w->count);
        if (w->to[r] <= w->from[r])
            w->from[r] = w->to[r] = 0;
        any = any || w->to[r] > 0;
    }
    return any;
}

/* Last key that rows [r, r + n) see, and the first row that sees key j. */
static int64_t last_seen(const struct work *w, int64_t r, int64_t n)
{
    int64_t last = 0;

    for (int64_t i = r; i < r + n; i++)
        last = max_i64(last, w->to[i]);
    return last;
}

static int64_t first_row(const struct work *w, int64_t j)
{
    int64_t r = 0;

    while (r < w->rows && w->to[r] <= j)
        r++;
    return r;
}

/* c (rows, BLOCK) = a (rows, width) b, as far as rows see. */
static void scores(const struct work *w, float *c, const float *a,
                   const float *b)
{
    for (int64_t r = 0; r < w->rows; r += TILE) {
        const int64_t n = min_i64(TILE, w->rows - r);
        const struct operand operand = {a + r * w->width, w->width, 1};

        rows_of(n, round_up(last_seen(w, r, n), 8), c + r * BLOCK, BLOCK,
                operand, b, BLOCK, w->args->at->head_size, false);
    }
}

/* c (rows, width) (+)= a (rows, BLOCK) b (BLOCK, width). */
static void weighted(const struct work *w, float *c, const float *a,
                     const float *b, bool add)
{
    for (int64_t r = 0; r < w->rows; r += TILE) {
        const int64_t n = min_i64(TILE, w->rows - r);
        const struct operand operand = {a + r * BLOCK, BLOCK, 1};

        rows_of(n, w->width, c + r * w->width, w->width, operand, b,
                w->width, last_seen(w, r, n), add);
    }
}

/* c (BLOCK, width) += a (rows, BLOCK)^T b (rows, width). */
static void weighted_back(const struct work *w, float *c, const float *a,
                          const float *b)
{
    for (int64_t j = 0; j < w->count; j += TILE) {
        const int64_t n = min_i64(TILE, w->count - j);
        const int64_t r = first_row(w, j);
        const struct operand operand = {a + r * BLOCK + j, 1, BLOCK};

        rows_of(n, w->width, c + j * w->width, w->width, operand,
                b + r * w->width, w->width, w->rows - r, true);
    }
}

/* All ones in the lanes j..j+7 that row r sees. */
static __m256 seen(const struct work *w, int64_t r, int64_t j)
{
    const uint8_t *mask = w->args->at->key_mask;
    const __m256i lane = _mm256_add_epi32(
        _mm256_set1_epi32((int)j),
        _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
    __m256i on = _mm256_andnot_si256(
        _mm256_cmpgt_epi32(_mm256_set1_epi32((int)w->from[r]), lane),
        _mm256_cmpgt_epi32(_mm256_set1_epi32((int)w->to[r]), lane));

    if (mask) {
        uint8_t bytes[8] = {0};

        memcpy(bytes, mask + w->args->at->cu_k[w->s] + w->base + j,
               (size_t)min_i64(8, w->count - j));
        on = _mm256_andnot_si256(
            _mm256_cmpeq_epi32(
                _mm256_cvtepu8_epi32(
                    _mm_loadl_epi64((const __m128i *)bytes)),
                _mm256_setzero_si256()),
            on);
    }
    return _mm256_castsi256_ps(on);
}

/* ---- forward --------------------------------------------------------- */

/* Scores of row r become weights; its sums and output move to the new top. */
static void softmax_row(struct work *w, int64_t r)
{
    const __m256 low = _mm256_set1_ps(-INFINITY);
    const int64_t end = round_up(w->to[r], 8);
    float *score = w->score + r * BLOCK, *out = w->out + r * w->width;
    const bool whole =
        w->from[r] == 0 && w->to[r] == end && !w->args->at->key_mask;
    __m256 top = low, sum = _mm256_setzero_ps();
    float most, grown;

    for (int64_t j = 0; j < end; j += 8) {
        __m256 x = _mm256_loadu_ps(score + j);

        if (!whole) {
            x = _mm256_blendv_ps(low, x, seen(w, r, j));
            _mm256_storeu_ps(score + j, x);
        }
        top = _mm256_max_ps(top, x);
    }
    most = max_ps(top);
    most = most > w->most[r] ? most : w->most[r];
    for (int64_t j = 0; j < end; j += 8) {
        const __m256 x = _mm256_loadu_ps(score + j);
        const __m256 e =
            most == -INFINITY
                ? _mm256_and_ps(x, _mm256_cmp_ps(x, x, _CMP_UNORD_Q))
                : exp_ps(_mm256_sub_ps(x, _mm256_set1_ps(most)));

        _mm256_storeu_ps(score + j, e);
        sum = _mm256_add_ps(sum, e);
    }
    for (int64_t j = end; j < round_up(w->count, 8); j += 8)
        _mm256_storeu_ps(score + j, _mm256_setzero_ps());
    grown = w->most[r] == most ? 1 : exp_avx2(w->most[r] - most);
    w->most[r] = most;
    w->sum[r] = w->sum[r] * grown + sum_ps(sum);
    for (int64_t d = 0; grown != 1 && d < w->width; d += 8)
        _mm256_storeu_ps(out + d,
                         _mm256_mul_ps(_mm256_loadu_ps(out + d),
                                       _mm256_set1_ps(grown)));
}

static void forward_block(struct work *w)
{
    const struct attention_args *a = w->args;

    if (!set_ranges(w))
        return;
    load_block(w, w->key, a->k, a->ldk);
    load_block(w, w->value, a->v, a->ldv);
    transpose(w, w->key_t, w->key);
    scores(w, w->score, w->q, w->key_t);
    for (int64_t r = 0; r < w->rows; r++)
        softmax_row(w, r);
    weighted(w, w->out, w->score, w->value, true);
}

static void forward_end(const struct work *w, int64_t first, int64_t h,
                        int64_t heads)
{
    const struct attention_args *a = w->args;
    const int64_t D = a->at->head_size;

    for (int64_t r = 0; r < w->rows; r++) {
        const int64_t row = a->at->cu_q[w->s] + first + r / heads;
        const int64_t head = h + r % heads;
        const float by = w->sum[r] == 0 ? 0 : 1 / w->sum[r];
        float *out = a->out + row * a->ldo + head * D;

        copy_row(out, w->out + r * w->width, D, D, by);
        if (a->lse)
            a->lse[row * a->ldl + head] =
                w->sum[r] == 0 ? -INFINITY : w->most[r] + logf(w->sum[r]);
    }
}

static void forward_heads(struct work *w, int64_t first, int64_t last,
                          int64_t h, int64_t heads)
{
    const struct attention_args *a = w->args;
    const int64_t D = a->at->head_size;
    int64_t begin = w->keys, end = 0;

    w->rows = (last - first) * heads;
    for (int64_t r = 0; r < w->rows; r++) {
        const int64_t i = first + r / heads, row = a->at->cu_q[w->s] + i;

        copy_row(w->q + r * w->width,
                 a->q + row * a->ldq + (h + r % heads) * D, D, w->width,
                 a->at->scale);
        attention_range(a->at, w->s, i, &w->first[r], &w->last[r]);
        begin = min_i64(begin, w->first[r]);
        end = max_i64(end, w->last[r]);
        w->most[r] = -INFINITY;
        w->sum[r] = 0;
    }
    memset(w->out, 0, (size_t)(w->rows * w->width) * sizeof(float));
    for (w->base = begin / BLOCK * BLOCK; w->base < end; w->base += BLOCK) {
        w->count = min_i64(BLOCK, end - w->base);
        forward_block(w);
    }
    forward_end(w, first, h, heads);
}

static void forward_avx2(const struct attention_args *args, int64_t s,
                         int64_t g, int64_t first, int64_t last,
                         void *scratch)
{
    const int64_t share = args->at->heads / args->at->groups;
    struct work w = {0};

    work_init(&w, args, s, g, scratch, false);
    for (int64_t h = 0; h < share; h += BLOCK)
        forward_heads(&w, first, last, g * share + h,
                      min_i64(BLOCK, share - h));
}

/* ---- backward -------------------------------------------------------- */

/* score becomes the weight p, slope becomes p (slope - delta) scale. */
static void slope_row(struct work *w, int64_t r, float lse, float delta)
{
    const __m256 scale = _mm256_set1_ps(w->args->at->scale);
    const int64_t end = round_up(w->to[r], 8);
    float *score = w->score + r * BLOCK, *slope = w->slope + r * BLOCK;

    for (int64_t j = 0; j < end; j += 8) {
        __m256 p = exp_ps(_mm256_fmsub_ps(_mm256_loadu_ps(score + j), scale,
                                          _mm256_set1_ps(lse)));
        __m256 d = _mm256_sub_ps(_mm256_loadu_ps(slope + j),
                                 _mm256_set1_ps(delta));

        d = _mm256_mul_ps(_mm256_mul_ps(p, d), scale);
        if (w->from[r] > 0 || w->to[r] < j + 8 || w->args->at->key_mask) {
            const __m256 on = seen(w, r, j);

            p = _mm256_and_ps(p, on);
            d = _mm256_and_ps(d, on);
        }
        _mm256_storeu_ps(score + j, p);
        _mm256_storeu_ps(slope + j, d);
    }
    for (int64_t j = end; j < BLOCK; j += 8) {
        _mm256_storeu_ps(score + j, _mm256_setzero_ps());
        _mm256_storeu_ps(slope + j, _mm256_setzero_ps());
    }
}

/* dst += src, D of each row. */
static void add_rows(float *dst, int64_t stride, const float *src,
                     int64_t width, int64_t rows, int64_t D)
{
    for (int64_t r = 0; r < rows; r++)
        for (int64_t d = 0; d < D; d++)
            dst[r * stride + d] += src[r * width + d];
}

/* Queries [first, first + rows) of head h against the block's keys. */
static void backward_block(struct work *w, int64_t h, int64_t first)
{
    const struct attention_args *a = w->args;
    const int64_t D = a->at->head_size, H = a->at->heads;
    const int64_t row = a->at->cu_q[w->s] + first;

    for (int64_t r = 0; r < w->rows; r++)
        attention_range(a->at, w->s, first + r, &w->first[r], &w->last[r]);
    if (!set_ranges(w))
        return;
    for (int64_t r = 0; r < w->rows; r++) {
        copy_row(w->q + r * w->width, a->q + (row + r) * a->ldq + h * D, D,
                 w->width, 1);
        copy_row(w->dout + r * w->width,
                 a->dout + (row + r) * a->lddo + h * D, D, w->width, 1);
    }
    scores(w, w->score, w->q, w->key_t);
    scores(w, w->slope, w->dout, w->value_t);
    for (int64_t r = 0; r < w->rows; r++)
        slope_row(w, r, a->saved_lse[(row + r) * a->ldl + h],
                  a->delta[(row + r) * H + h]);
    if (a->dv)
        weighted_back(w, w->dvalue, w->score, w->dout);
    if (a->dk)
        weighted_back(w, w->dkey, w->slope, w->q);
    if (a->dq) {
        weighted(w, w->out, w->slope, w->key, false);
        add_rows(a->dq + row * a->lddq + h * D, a->lddq, w->out, w->width,
                 w->rows, D);
    }
}

static void backward_avx2(const struct attention_args *args, int64_t s,
                          int64_t g, void *scratch)
{
    const struct medvl_attention *at = args->at;
    const int64_t D = at->head_size, share = at->heads / at->groups;
    const int64_t queries = at->cu_q[s + 1] - at->cu_q[s];
    struct work w = {0};

    work_init(&w, args, s, g, scratch, true);
    for (w.base = 0; w.base < w.keys; w.base += BLOCK) {
        const int64_t row = at->cu_k[s] + w.base;
        const size_t panel = (size_t)(BLOCK * w.width) * sizeof(float);

        w.count = min_i64(BLOCK, w.keys - w.base);
        load_block(&w, w.key, args->k, args->ldk);
        load_block(&w, w.value, args->v, args->ldv);
        transpose(&w, w.key_t, w.key);
        transpose(&w, w.value_t, w.value);
        memset(w.dkey, 0, panel);
        memset(w.dvalue, 0, panel);
        for (int64_t h = g * share; h < (g + 1) * share; h++)
            for (int64_t i = 0; i < queries; i += BLOCK) {
                w.rows = min_i64(BLOCK, queries - i);
                backward_block(&w, h, i);
            }
        if (args->dk)
            add_rows(args->dk + row * args->lddk + g * D, args->lddk,
                     w.dkey, w.width, w.count, D);
        if (args->dv)
            add_rows(args->dv + row * args->lddv + g * D, args->lddv,
                     w.dvalue, w.width, w.count, D);
    }
}

const struct attention_rows attention_rows_avx2 = {
    forward_avx2,
    backward_avx2,
};
