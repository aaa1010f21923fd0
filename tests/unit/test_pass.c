/*
 * Pieces of many sequences in one pass, against each sequence by itself.
 */
#include "tests/unit/model.h"

#include "lib/model/pass.h"

#define TINY "tests/golden/models/llama" /* 71 tokens, 64 positions */

enum { PIECES = 4,
       VOCAB = 71,
       LONGEST = 40 };

/* A sequence by itself, and how many of its rows have come. */
struct sequence {
    int64_t count, come;
    int32_t ids[LONGEST];
    float want[LONGEST][VOCAB];
};

static int compare_row(void *arg, void *owner, const float *logits,
                       struct medvl_error *err)
{
    struct sequence *q = owner;

    (void)err;
    assert_true(q->come < q->count);
    CHECK_CLOSE(relative_difference(logits, q->want[q->come++], VOCAB), 0,
                1e-5);
    ++*(int64_t *)arg;
    return MEDVL_OK;
}

static void make_sequences(struct sequence *all, struct subject *s)
{
    static const int64_t counts[PIECES] = {40, 1, 17, 3};

    for (int p = 0; p < PIECES; p++) {
        all[p].count = counts[p];
        for (int i = 0; i < counts[p]; i++)
            all[p].ids[i] = (p * 31 + i * 17 + 3) % VOCAB;
        subject_text_logits(all[p].want[0], s, all[p].ids, counts[p], NULL);
    }
}

/* All but the last token of each, then the last of each. */
static void pieces_in_one_pass_are_as_if_alone(void **state)
{
    static struct sequence all[PIECES];
    struct medvl_pass *pass;
    struct subject s;
    int64_t rows = 0;

    (void)state;
    subject_open(&s, TINY, 0);
    make_sequences(all, &s);
    s.dev->row_invariant = false;
    CHECK_OK(medvl_pass_open(&pass, s.model, s.dev, &s.err), &s.err);
    CHECK_OK(medvl_pass_reserve(pass, PIECES, LONGEST, PIECES, &s.err),
             &s.err);
    for (int second = 0; second < 2; second++) {
        medvl_pass_begin(pass);
        for (int p = 0; p < PIECES; p++) {
            const int64_t first = second ? all[p].count - 1 : 0;
            const int64_t count = second ? 1 : all[p].count - 1;
            const struct medvl_piece piece = {
                .slot = PIECES - 1 - p,
                .ids = all[p].ids + first,
                .count = count,
                .wanted = p || second ? count : 5, /* the last ones */
                .owner = &all[p]};

            if (!count)
                continue;
            CHECK_OK(medvl_pass_add(pass, &piece, &s.err), &s.err);
            all[p].come += count - piece.wanted;
        }
        assert_int_equal(medvl_pass_tokens(pass), second ? PIECES : 57);
        CHECK_OK(medvl_pass_run(pass, compare_row, &rows, &s.err), &s.err);
    }
    assert_false(s.dev->row_invariant);
    assert_int_equal(rows, 5 + 16 + 2 + PIECES);
    for (int p = 0; p < PIECES; p++)
        assert_int_equal(all[p].come, all[p].count);
    medvl_pass_free(pass);
    subject_release(&s);
}

/* Takes so many rows and no more. */
static int take_row(void *arg, void *owner, const float *logits,
                    struct medvl_error *err)
{
    int64_t *left = arg;

    assert_null(owner);
    assert_true(isfinite(logits[0]));
    if (*left == 0)
        return medvl_fail(err, MEDVL_EARG, "enough");
    --*left;
    return MEDVL_OK;
}

static void a_failing_row_ends_the_run_and_a_full_slot_the_piece(void **state)
{
    int64_t left = 7;
    static const int32_t ids[LONGEST] = {1, 2, 3};
    struct medvl_piece piece = {.ids = ids, .count = LONGEST, .wanted = 10};
    struct medvl_pass *pass;
    struct subject s;

    (void)state;
    subject_open(&s, TINY, 0);
    CHECK_OK(medvl_pass_open(&pass, s.model, s.dev, &s.err), &s.err);
    CHECK_OK(medvl_pass_reserve(pass, 2, LONGEST, 1, &s.err), &s.err);
    medvl_pass_begin(pass);
    CHECK_OK(medvl_pass_add(pass, &piece, &s.err), &s.err);
    CHECK_FAILS(medvl_pass_add(pass, &piece, &s.err), MEDVL_EARG, &s.err,
                "40 tokens after 40");
    piece.slot = 1;
    CHECK_FAILS(medvl_pass_add(pass, &piece, &s.err), MEDVL_ENOMEM, &s.err,
                "page");
    CHECK_FAILS(medvl_pass_run(pass, take_row, &left, &s.err), MEDVL_EARG,
                &s.err, "enough");
    assert_int_equal(left, 0);

    /* A cache that has room stays, and what is in it. */
    CHECK_OK(medvl_pass_reserve(pass, 1, 10, 1, &s.err), &s.err);
    assert_int_equal(medvl_kvcache_length(medvl_pass_cache(pass), 0),
                     LONGEST);
    CHECK_OK(medvl_pass_reserve(pass, 2, LONGEST, 2, &s.err), &s.err);
    assert_int_equal(medvl_kvcache_length(medvl_pass_cache(pass), 0), 0);
    medvl_pass_free(pass);
    subject_release(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_in_one_pass_are_as_if_alone),
        cmocka_unit_test(a_failing_row_ends_the_run_and_a_full_slot_the_piece),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
