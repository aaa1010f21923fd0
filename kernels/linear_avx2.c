/*
 * The product with few rows, or with rows that must not see each other.
 *
 * One output is: for each 1,024 of K, a chain of fused multiply-adds in
 * eight lanes, the lanes added in one fixed order; these sums added in
 * order; then the bias.  Nothing of that depends on the other rows, so
 * tiles may take any form.  Four rows of w stand against up to three of
 * inp: twelve chains hide the latency of the unit, and a weight is loaded
 * once for three rows and comes from memory once for all of them.
 */
#include "kernels/avx2.h"
#include "kernels/cpu.h"

#define KB           1024 /* part of the definition of the sum */
#define ROWS         4    /* of w in a tile */
#define COLS         3    /* rows of inp in a tile */
#define WIDE         48   /* rows of inp that stay in the second cache */
#define CONVERT_FROM 6    /* rows that pay for turning weights into f32 first */

#define INLINE static inline __attribute__((always_inline))

INLINE __m256 load_weight(const void *w, enum medvl_dtype dtype, int64_t i)
{
    if (dtype == MEDVL_DTYPE_F32)
        return _mm256_loadu_ps((const float *)w + i);
    if (dtype == MEDVL_DTYPE_BF16)
        return load_bf16((const uint16_t *)w + i);
    return load_f16((const uint16_t *)w + i);
}

/* `count` weights, 1..7, and zeros. */
INLINE __m256 load_weight_end(const void *w, enum medvl_dtype dtype,
                              int64_t i, int64_t count)
{
    uint16_t room[8] = {0};

    if (dtype == MEDVL_DTYPE_F32)
        return _mm256_maskload_ps((const float *)w + i, lanes(count));
    memcpy(room, (const uint16_t *)w + i, (size_t)count * 2);
    return load_weight(room, dtype, 0);
}

/* Lane sums of four vectors, each in the same order. */
INLINE __m128 sum4(__m256 a, __m256 b, __m256 c, __m256 d)
{
    const __m256 t = _mm256_hadd_ps(_mm256_hadd_ps(a, b),
                                    _mm256_hadd_ps(c, d));

    return _mm_add_ps(_mm256_castps256_ps128(t),
                      _mm256_extractf128_ps(t, 1));
}

/* out (rows) = s, or += s. */
INLINE void put(float *out, int rows, bool first, __m128 s)
{
    float sums[ROWS];

    _mm_storeu_ps(sums, s);
    for (int r = 0; r < rows; r++)
        out[r] = first ? sums[r] : out[r] + sums[r];
}

/*
 * Where the walk goes next, asked for meanwhile: row after row and line
 * after line, which is how memory gives most, and spread over all tiles of
 * a strip, so that their loads need not queue behind it.
 */
struct ahead {
    const char *line, *end;  /* end: of the row's part */
    int64_t step, part, row; /* bytes: a step of k, a row's part, a row */
};

struct tile {
    const void *w;    /* rows of `dtype`, ldw bytes apart */
    const float *inp; /* up to three rows */
    float *out;
    int64_t ldw, ldi, ldo;
    int64_t k;
    bool first; /* out is set, not added to */
    struct ahead ahead;
};

/* rows 1 or 4 and cols 1..3: constants. */
INLINE void tile(struct tile *t, enum medvl_dtype dtype, int rows, int cols)
{
    struct ahead ahead = t->ahead;
    __m256 sum[ROWS][COLS], x[COLS];
    int64_t k;

    for (int r = 0; r < ROWS; r++)
        for (int c = 0; c < COLS; c++)
            sum[r][c] = _mm256_setzero_ps();
    for (k = 0; k + 8 <= t->k; k += 8) {
        for (int c = 0; c < cols; c++)
            x[c] = _mm256_loadu_ps(t->inp + c * t->ldi + k);
        _mm_prefetch(ahead.line, _MM_HINT_T0);
        ahead.line += ahead.step;
        if (ahead.line >= ahead.end) {
            ahead.line += ahead.row - ahead.part;
            ahead.end += ahead.row;
        }
        for (int r = 0; r < rows; r++) {
            const __m256 w =
                load_weight((const char *)t->w + r * t->ldw, dtype, k);

            for (int c = 0; c < cols; c++)
                sum[r][c] = _mm256_fmadd_ps(w, x[c], sum[r][c]);
        }
    }
    if (k < t->k) {
        for (int c = 0; c < cols; c++)
            x[c] = _mm256_maskload_ps(t->inp + c * t->ldi + k,
                                      lanes(t->k - k));
        for (int r = 0; r < rows; r++) {
            const __m256 w = load_weight_end(
                (const char *)t->w + r * t->ldw, dtype, k, t->k - k);

            for (int c = 0; c < cols; c++)
                sum[r][c] = _mm256_fmadd_ps(w, x[c], sum[r][c]);
        }
    }
    for (int c = 0; c < cols; c++)
        put(t->out + c * t->ldo, rows, t->first,
            sum4(sum[0][c], sum[1][c], sum[2][c], sum[3][c]));
    t->ahead = ahead;
}

/* All rows of inp against 4 rows of w, or 1, over one range of k. */
INLINE void strip(const struct product *p, struct tile *t,
                  enum medvl_dtype dtype, int rows)
{
    const float *inp = t->inp;
    float *out = t->out;
    int64_t cols;

    for (int64_t i = 0; i < p->n; i += cols) {
        cols = min_i64(COLS, p->n - i == 4 ? 2 : p->n - i);
        t->inp = inp + i * p->ldi;
        t->out = out + i * p->ldo;
        if (cols == 1)
            tile(t, dtype, rows, 1);
        else if (cols == 2)
            tile(t, dtype, rows, 2);
        else
            tile(t, dtype, rows, 3);
    }
}

INLINE void strip_of(const struct product *p, struct tile *t,
                     enum medvl_dtype dtype, int64_t rows)
{
    if (rows == ROWS)
        strip(p, t, dtype, ROWS);
    else
        strip(p, t, dtype, 1);
}

static void strip_any(const struct product *p, struct tile *t,
                      enum medvl_dtype dtype, int64_t rows)
{
    if (dtype == MEDVL_DTYPE_F32)
        strip_of(p, t, MEDVL_DTYPE_F32, rows);
    else if (dtype == MEDVL_DTYPE_BF16)
        strip_of(p, t, MEDVL_DTYPE_BF16, rows);
    else
        strip_of(p, t, MEDVL_DTYPE_F16, rows);
}

static const char *weight(const struct product *p, int64_t m, int64_t k)
{
    return (const char *)p->w +
           (m * p->ldw + k) * (p->dtype == MEDVL_DTYPE_F32 ? 4 : 2);
}

/* Rows [m, m + rows) of w from k on; `next` is where the walk goes then. */
static void walk_step(const struct product *p, int64_t m, int64_t rows,
                      int64_t k, const char *next, float *room)
{
    const int64_t size = p->dtype == MEDVL_DTYPE_F32 ? 4 : 2;
    enum medvl_dtype dtype = p->dtype;
    struct tile t = {
        .w = weight(p, m, k),
        .inp = p->inp + k,
        .out = p->out + m,
        .ldw = p->ldw * size,
        .ldi = p->ldi,
        .ldo = p->ldo,
        .k = min_i64(KB, p->k - k),
        .first = k == 0 && !p->add,
    };

    t.ahead.line = next;
    t.ahead.row = t.ldw;
    t.ahead.part = t.k * size;
    t.ahead.end = next + t.ahead.part;
    t.ahead.step = ceil_div(8 * rows * size, ceil_div(p->n, COLS));

    if (dtype != MEDVL_DTYPE_F32 && p->n >= CONVERT_FROM) {
        for (int64_t r = 0; r < rows; r++)
            convert_rows_avx2.convert(room + r * KB, MEDVL_DTYPE_F32,
                                      weight(p, m + r, k), dtype, t.k);
        t.w = room;
        t.ldw = KB * 4;
        dtype = MEDVL_DTYPE_F32;
    }
    strip_any(p, &t, dtype, rows);
}

/* Some rows of inp: whole rows of w, as they lie in memory. */
static void walk_rows(const struct product *p, float *room)
{
    int64_t rows;

    for (int64_t m = 0; m < p->m; m += rows) {
        rows = p->m - m >= ROWS ? ROWS : 1;
        for (int64_t k = 0; k == 0 || k < p->k; k += KB) {
            const bool end = k + KB >= p->k;

            walk_step(p, m, rows, k,
                      weight(p, end ? m + rows : m, end ? 0 : k + KB), room);
        }
    }
}

/* Many: WIDE of them at a time, and a range of k so that they stay near. */
static void walk_wide(const struct product *p, float *room)
{
    for (int64_t i = 0; i < p->n; i += WIDE) {
        struct product part = *p;
        int64_t rows;

        part.n = min_i64(WIDE, p->n - i);
        part.inp += i * p->ldi;
        part.out += i * p->ldo;
        for (int64_t k = 0; k == 0 || k < p->k; k += KB)
            for (int64_t m = 0; m < p->m; m += rows) {
                rows = p->m - m >= ROWS ? ROWS : 1;
                walk_step(&part, m, rows, k, weight(p, m + rows, k), room);
            }
    }
}

/*
 * One to three rows of inp, a constant: memory is the limit.  It gives most
 * to two rows of w at a time and a loop that does nothing else.
 */
INLINE void pair(const struct product *p, enum medvl_dtype dtype, int cols,
                 int64_t m, int64_t first, int64_t last)
{
    const int64_t size = dtype == MEDVL_DTYPE_F32 ? 4 : 2;
    const int64_t row = p->ldw * size, half = (last - first) / 16 * 8;
    const char *w = weight(p, m, first);
    const char *next = last == p->k ? weight(p, m + 2, 0)
                                    : w + (last - first) * size;
    const float *inp = p->inp + first;
    __m256 sum[2][COLS];
    int64_t k = 0;

    for (int c = 0; c < cols; c++)
        sum[0][c] = sum[1][c] = _mm256_setzero_ps();
    for (int part = 0; part < 2; part++) {
        const int64_t stop = part ? last - first : half;

        for (; k + 8 <= stop; k += 8) {
            const __m256 a = load_weight(w, dtype, k);
            const __m256 b = load_weight(w + row, dtype, k);

            _mm_prefetch(next + 2 * k * size, _MM_HINT_T0);
            for (int c = 0; c < cols; c++) {
                const __m256 x = _mm256_loadu_ps(inp + c * p->ldi + k);

                sum[0][c] = _mm256_fmadd_ps(a, x, sum[0][c]);
                sum[1][c] = _mm256_fmadd_ps(b, x, sum[1][c]);
            }
        }
        next += row - 2 * half * size;
    }
    for (int c = 0; c < cols; c++) {
        const int64_t left = last - first - k;

        if (left > 0) {
            const __m256 x =
                _mm256_maskload_ps(inp + c * p->ldi + k, lanes(left));

            for (int r = 0; r < 2; r++)
                sum[r][c] = _mm256_fmadd_ps(
                    load_weight_end(w + r * row, dtype, k, left), x,
                    sum[r][c]);
        }
        put(p->out + c * p->ldo + m, 2, first == 0 && !p->add,
            sum4(sum[0][c], sum[1][c], sum[0][c], sum[1][c]));
    }
}

INLINE void walk_pairs(const struct product *p, enum medvl_dtype dtype,
                       int cols)
{
    for (int64_t m = 0; m + 2 <= p->m; m += 2)
        for (int64_t k = 0; k == 0 || k < p->k; k += KB)
            pair(p, dtype, cols, m, k, min_i64(p->k, k + KB));
}

INLINE void walk_pairs_of(const struct product *p, enum medvl_dtype dtype)
{
    if (p->n == 1)
        walk_pairs(p, dtype, 1);
    else if (p->n == 2)
        walk_pairs(p, dtype, 2);
    else
        walk_pairs(p, dtype, 3);
}

static void walk_few(const struct product *p, float *room)
{
    struct product last = *p;

    if (p->dtype == MEDVL_DTYPE_F32)
        walk_pairs_of(p, MEDVL_DTYPE_F32);
    else if (p->dtype == MEDVL_DTYPE_BF16)
        walk_pairs_of(p, MEDVL_DTYPE_BF16);
    else
        walk_pairs_of(p, MEDVL_DTYPE_F16);
    last.m = p->m % 2;
    last.w = weight(p, p->m - last.m, 0);
    last.out += p->m - last.m;
    walk_rows(&last, room);
}

static void product_avx2(const struct product *p, float *scratch)
{
    if (p->n <= 0)
        return;
    if (p->n <= COLS)
        walk_few(p, scratch);
    else if (p->n <= WIDE)
        walk_rows(p, scratch);
    else
        walk_wide(p, scratch);
    for (int64_t i = 0; p->bias && i < p->n; i++)
        for (int64_t m = 0; m < p->m; m++)
            p->out[i * p->ldo + m] += p->bias[m];
}

const struct linear_rows linear_rows_avx2 = {product_avx2};
