/*
 * Pieces of many sequences in one pass, against each sequence by itself.
 */
#include "tests/unit/model.h"

#include "lib/model/pass.h"

#define TINY "tests/golden/models/llama" /* 71 tokens, 64 positions */

enum { PIECES = 4,
       VOCAB = 71,
       LONGEST = 40 };

/* Rows in the order in which they came. */
struct rows {
    float logits[PIECES * LONGEST][VOCAB];
    const void *owners[PIECES * LONGEST];
    int64_t count, fail_at;
};

static int keep_row(void *arg, void *owner, const float *logits,
                    struct medvl_error *err)
{
    struct rows *r = arg;

    if (r->count == r->fail_at)
        return medvl_fail(err, MEDVL_EARG, "enough");
    memcpy(r->logits[r->count], logits, sizeof(r->logits[0]));
    r->owners[r->count++] = owner;
    return MEDVL_OK;
}

static void pieces_in_one_pass_are_as_if_alone(void **state)
{
    static const int64_t counts[PIECES] = {40, 1, 17, 3};
    static float want[PIECES][LONGEST][VOCAB];
    static struct rows got;
    int32_t ids[PIECES][LONGEST];
    struct medvl_pass *pass;
    struct subject s;
    int64_t at = 0;

    (void)state;
    subject_open(&s, TINY, 0);
    s.dev->row_invariant = true;
    for (int p = 0; p < PIECES; p++) {
        for (int i = 0; i < counts[p]; i++)
            ids[p][i] = (p * 31 + i * 17 + 3) % VOCAB;
        subject_text_logits(want[p][0], &s, ids[p], counts[p], NULL);
    }
    s.dev->row_invariant = false;
    CHECK_OK(medvl_pass_open(&pass, s.model, s.dev, &s.err), &s.err);
    CHECK_OK(medvl_pass_reserve(pass, PIECES, LONGEST, PIECES, &s.err),
             &s.err);

    /* All but the last token, then the last of each: of two passes. */
    got.fail_at = -1;
    for (int second = 0; second < 2; second++) {
        medvl_pass_begin(pass);
        for (int p = 0; p < PIECES; p++) {
            const int64_t first = second ? counts[p] - 1 : 0;
            const int64_t count = second ? 1 : counts[p] - 1;
            const struct medvl_piece piece = {.slot = PIECES - 1 - p,
                                              .ids = ids[p] + first,
                                              .count = count,
                                              .wanted = p % 2 ? 1 : count,
                                              .owner = ids[p]};

            if (count)
                CHECK_OK(medvl_pass_add(pass, &piece, &s.err), &s.err);
        }
        assert_int_equal(medvl_pass_tokens(pass), second ? PIECES : 57);
        CHECK_OK(medvl_pass_run(pass, keep_row, &got, &s.err), &s.err);
    }
    assert_false(s.dev->row_invariant);
    assert_int_equal(got.count, 39 + 16 + 1 + PIECES);
    for (int64_t i = 0; i < got.count - PIECES; i++) {
        const int p = i < 39 ? 0 : i < 55 ? 2
                                          : 3;

        at = i < 39 ? i : i < 55 ? i - 39
                                 : 1;
        assert_ptr_equal(got.owners[i], ids[p]);
        CHECK_CLOSE(relative_difference(got.logits[i], want[p][at], VOCAB), 0,
                    1e-5);
    }
    for (int p = 0; p < PIECES; p++)
        CHECK_CLOSE(relative_difference(got.logits[56 + p],
                                        want[p][counts[p] - 1], VOCAB),
                    0, 1e-5);
    medvl_pass_free(pass);
    subject_release(&s);
}

static void a_failing_row_ends_the_run_and_a_full_slot_the_piece(void **state)
{
    static struct rows rows;
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
    rows.fail_at = 7;
    CHECK_FAILS(medvl_pass_run(pass, keep_row, &rows, &s.err), MEDVL_EARG,
                &s.err, "enough");
    assert_int_equal(rows.count, 7);

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
