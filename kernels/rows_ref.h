/*
 * Rows taken, placed and averaged: the specification.  The kernels move
 * rows with these loops too, over a range of columns (C of them, rows ld
 * apart); there is nothing for AVX2 to add to what a compiler makes of them.
 *
 * Read next: rows.c.
 */
#ifndef MEDVL_KERNELS_ROWS_REF_H
#define MEDVL_KERNELS_ROWS_REF_H

#include "kernels/real.h"

static inline void add_row(real *out, const real *inp, int64_t C)
{
    for (int64_t c = 0; c < C; c++)
        out[c] += inp[c];
}

static inline void gather_rows_forward(real *out, const real *table,
                                       const int32_t *index, int64_t N,
                                       int64_t C)
{
    for (int64_t i = 0; i < N; i++)
        for (int64_t c = 0; c < C; c++)
            out[i * C + c] = index[i] < 0 ? 0 : table[index[i] * C + c];
}

/* Row by row in order, whatever rows share an index. */
static inline void gather_rows_backward(real *dtable, const real *dout,
                                        const int32_t *index, int64_t N,
                                        int64_t C, int64_t ldt, int64_t ldo)
{
    for (int64_t i = 0; i < N; i++)
        if (index[i] >= 0)
            add_row(dtable + index[i] * ldt, dout + i * ldo, C);
}

static inline void add_scaled(real *out, const real *inp, real weight,
                              int64_t C)
{
    for (int64_t c = 0; c < C; c++)
        out[c] += weight * inp[c];
}

static inline void mix_rows_forward(real *out, const real *table,
                                    const int32_t *index,
                                    const real *weight, int64_t N,
                                    int64_t T, int64_t C)
{
    for (int64_t i = 0; i < N * C; i++)
        out[i] = 0;
    for (int64_t i = 0; i < N * T; i++)
        if (index[i] >= 0)
            add_scaled(out + i / T * C, table + index[i] * C, weight[i], C);
}

/* Row by row in order, whatever rows share an index. */
static inline void mix_rows_backward(real *dtable, const real *dout,
                                     const int32_t *index,
                                     const real *weight, int64_t N,
                                     int64_t T, int64_t C, int64_t ldt,
                                     int64_t ldo, int64_t ldw)
{
    for (int64_t i = 0; i < N; i++)
        for (int64_t t = 0; t < T; t++)
            if (index[i * T + t] >= 0)
                add_scaled(dtable + index[i * T + t] * ldt, dout + i * ldo,
                           weight[i * ldw + t], C);
}

static inline void scatter_rows_forward(real *out, const real *base,
                                        const real *rows,
                                        const int32_t *index, int64_t N,
                                        int64_t R, int64_t C)
{
    for (int64_t i = 0; base && i < N * C; i++)
        out[i] = base[i];
    for (int64_t i = 0; i < R; i++)
        for (int64_t c = 0; index[i] >= 0 && c < C; c++)
            out[index[i] * C + c] = rows[i * C + c];
}

/* taken (N) is room for flags. */
static inline void scatter_rows_backward(real *dbase, real *drows,
                                         const real *dout,
                                         const int32_t *index,
                                         uint8_t *taken, int64_t N,
                                         int64_t R, int64_t C)
{
    for (int64_t i = 0; i < N; i++)
        taken[i] = 0;
    for (int64_t i = 0; i < R; i++) {
        if (index[i] < 0)
            continue;
        taken[index[i]] = 1;
        if (drows)
            add_row(drows + i * C, dout + index[i] * C, C);
    }
    for (int64_t i = 0; dbase && i < N; i++)
        if (!taken[i])
            add_row(dbase + i * C, dout + i * C, C);
}

/* One sequence of `count` rows. */
static inline void mean_rows_forward(real *out, const real *inp,
                                     int64_t count, int64_t C, int64_t ldi)
{
    for (int64_t c = 0; c < C; c++)
        out[c] = 0;
    for (int64_t i = 0; i < count; i++)
        add_row(out, inp + i * ldi, C);
    for (int64_t c = 0; c < C; c++)
        out[c] /= (real)count;
}

static inline void mean_rows_backward(real *dinp, const real *dout,
                                      int64_t count, int64_t C, int64_t ldi)
{
    for (int64_t i = 0; i < count; i++)
        for (int64_t c = 0; c < C; c++)
            dinp[i * ldi + c] += dout[c] / (real)count;
}

#endif
