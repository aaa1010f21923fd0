/* Overlap of words, against LLaVA-Med's own code and by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/file.h"
#include "lib/eval/answer.h"
#include "lib/eval/textmetric.h"

static struct medvl_error err;

#define MUST(call)                    \
    do {                              \
        if ((call) < 0)               \
            fail_msg("%s", err.text); \
    } while (0)

static struct medvl_overlap compare(const char *prediction,
                                    const char *reference)
{
    struct medvl_text p = {0}, r = {0};
    struct medvl_overlap overlap;

    MUST(medvl_answer_normalize(&p, medvl_span(prediction), MEDVL_ANSWER_VQA,
                                &err));
    MUST(medvl_answer_normalize(&r, medvl_span(reference), MEDVL_ANSWER_VQA,
                                &err));
    MUST(medvl_overlap(&overlap, medvl_text_span(&p), medvl_text_span(&r),
                       &err));
    medvl_text_release(&p);
    medvl_text_release(&r);
    return overlap;
}

static void assert_near(double a, double b)
{
    if (!(fabs(a - b) < 1e-8))
        fail_msg("%.9f is not %.9f", a, b);
}

static void llava_meds_measures_are_its_own(void **state)
{
    struct medvl_text file = {0};
    char *line, *end;
    int count = 0;

    (void)state;
    MUST(medvl_file_read(&file, "tests/golden/overlap.txt", 1 << 20, &err));
    for (line = file.data; *line; line = end + 1, count++) {
        struct medvl_overlap got;
        char *field[6];

        end = strchr(line, '\n');
        *end = 0;
        field[0] = line;
        for (int i = 1; i < 6; i++) {
            field[i] = strchr(field[i - 1], '\t');
            *field[i]++ = 0;
        }
        got = compare(field[0], field[1]);
        assert_near(got.llava_match, strtod(field[2], NULL));
        assert_near(got.llava_f1, strtod(field[3], NULL));
        assert_near(got.llava_precision, strtod(field[4], NULL));
        assert_near(got.llava_recall, strtod(field[5], NULL));
    }
    assert_int_equal(count, 14);
    medvl_text_release(&file);
}

static void multisets_count_a_repeated_word_once(void **state)
{
    struct medvl_overlap o;

    (void)state;
    o = compare("lung lung", "left lung");
    assert_near(o.f1, 0.5);
    o = compare("a b c b", "b b d"); /* "a" is an article */
    assert_near(o.precision, 2.0 / 3);
    assert_near(o.recall, 2.0 / 3);
    o = compare("left lung", "lung left");
    assert_near(o.f1, 1);
    o = compare("", "");
    assert_near(o.f1, 0);
    o = compare("right", "left");
    assert_near(o.f1, 0);
    o = compare("left", "leftmost");
    assert_near(o.f1, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(llava_meds_measures_are_its_own),
        cmocka_unit_test(multisets_count_a_repeated_word_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
