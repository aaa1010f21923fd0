/*
 * The table of the CPU's operations, and how their work is cut.
 *
 * Read next: norm.c.
 */
#include "kernels/ops.h"

#include "kernels/cpu.h"

#define OP(name) .name = medvl_cpu_##name,
const struct medvl_ops medvl_cpu_ops = {MEDVL_OPS(OP)};

#define PIECE_ITEMS 32768

struct cut cut_matrix(int64_t rows, int64_t columns)
{
    struct cut cut = {.rows = rows, .columns = columns};

    if (columns > PIECE_ITEMS) {
        cut.row_step = 1;
        cut.step = PIECE_ITEMS;
    } else {
        cut.row_step = PIECE_ITEMS / max_i64(columns, 1);
        cut.step = max_i64(columns, 1);
    }
    cut.across = ceil_div(columns, cut.step);
    return cut;
}

int64_t cut_count(const struct cut *cut)
{
    return ceil_div(cut->rows, cut->row_step) * cut->across;
}

struct piece cut_piece(const struct cut *cut, int64_t index)
{
    struct piece piece;

    piece.row = index / cut->across * cut->row_step;
    piece.rows = min_i64(cut->row_step, cut->rows - piece.row);
    piece.column = index % cut->across * cut->step;
    piece.columns = min_i64(cut->step, cut->columns - piece.column);
    return piece;
}
