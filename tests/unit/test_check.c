/*
 * Looking over records: what is remembered of texts, and that no failing
 * allocation is taken for a finding.  Findings: tests/cli/check.bats.
 */
#include "tests/unit/check.h"

#include "lib/stage/check_part.h"

static struct medvl_error err;

static void every_kind_has_a_name_of_its_own(void **state)
{
    (void)state;
    for (int i = 0; i < MEDVL_CHECK_KINDS; i++) {
        assert_non_null(medvl_check_name(i));
        for (int k = 0; k < i; k++)
            assert_string_not_equal(medvl_check_name(i),
                                    medvl_check_name(k));
    }
}

static void a_text_that_was_seen_is_found_among_many(void **state)
{
    struct medvl_seen_set set = {0};
    struct medvl_seen *seen;
    char text[20];

    (void)state;
    for (uint32_t round = 0; round < 2; round++)
        for (uint32_t i = 1; i <= 20000; i++) {
            snprintf(text, sizeof(text), "text %u", i);
            CHECK_OK(medvl_seen_find(&seen, &set,
                                     medvl_key(medvl_span(text)), &err),
                     &err);
            assert_int_equal(seen->a, round ? i : 0);
            seen->a = i;
        }
    assert_int_equal(set.count, 20000);
    assert_in_range(set.room * sizeof(*set.slots), 20000 * 20, 20000 * 50);
    medvl_seen_release(&set);
}

/* Ten of 500 texts by skewed chance, beside a plain count of all. */
static void the_most_frequent_texts_are_exact(void **state)
{
    struct medvl_tally tally = {0};
    struct medvl_json_writer w;
    struct medvl_text out = {0};
    int64_t counts[500] = {0}, least = INT64_MAX, distinct = 0;
    uint64_t random = 1;
    char text[20];
    int above = 0;

    (void)state;
    for (int i = 0; i < 20000; i++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        const int n = (int)((random >> 40) % (1 + (random >> 33) % 500));

        counts[n]++;
        snprintf(text, sizeof(text), "t%d", n);
        CHECK_OK(medvl_tally_add(NULL, &tally, medvl_span(text), &err), &err);
    }
    assert_int_equal(tally.most_count, 10);
    for (int i = 0; i < 10; i++) {
        const int n = (int)strtol(tally.most[i].text.data + 1, NULL, 10);

        assert_int_equal(tally.most[i].count, counts[n]);
        least = counts[n] < least ? counts[n] : least;
    }
    for (int n = 0; n < 500; n++) {
        above += counts[n] > least;
        distinct += counts[n] > 0;
    }
    assert_in_range(above, 0, 9);
    assert_int_equal(tally.seen.count, distinct);
    w = (struct medvl_json_writer){.out = &out};
    medvl_json_begin(&w, NULL, '{');
    medvl_tally_put(&w, "x", &tally);
    medvl_json_end(&w);
    CHECK_OK(medvl_json_write_end(&w, &err), &err);
    for (int i = 1; i < 10; i++)
        assert_true(tally.most[i - 1].count >= tally.most[i].count);
    assert_non_null(strstr(out.data, "\"x_distinct\":"));
    medvl_text_release(&out);
    medvl_tally_release(&tally);
}

static void long_texts_are_cut_and_stay_apart(void **state)
{
    struct medvl_tally tally = {0};
    char text[2][1001] = {"", ""};

    (void)state;
    for (int i = 0; i < 2; i++) {
        memset(text[i], 'x', 1000);
        text[i][999] = (char)('0' + i);
        CHECK_OK(medvl_tally_add(NULL, &tally, medvl_span(text[i]), &err),
                 &err);
        assert_in_range(tally.most[i].text.size, 200, 220);
    }
    assert_string_not_equal(tally.most[0].text.data, tally.most[1].text.data);
    medvl_tally_release(&tally);
}

static const char RECORDS[] =
    "{\"id\":\"a\",\"split\":\"x\",\"group\":\"g\",\"question\":\"q\","
    "\"answer\":\"y\",\"choices\":{\"A\":\"y\"},\"images\":[{\"path\":"
    "\"tests/golden/pictures/rgb.png\",\"width\":1,\"regions\":[{\"box\":"
    "[0,0,1,1],\"mask\":{\"size\":[1,1],\"counts\":\"01\"}},"
    "{\"drawn\":true,\"box\":[0,0,1,1]}]}]}\n"
    "{\"id\":\"a\",\"split\":\"z\",\"group\":\"g\",\"question\":\"q\","
    "\"answer\":\"n\",\"images\":[{\"path\":\"none\"},{\"path\":"
    "\"tests/golden/pictures/rgb.png\"}]}\n"
    "no record\n"
    "{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image\"}]},"
    "{\"role\":\"assistant\",\"content\":\"a\"}],"
    "\"images\":[{\"path\":\"tests/golden/pictures/rgb.png\"}]}\n";

static struct medvl_text first; /* of the runs' outputs */

static int look_over(void *arg, struct medvl_error *why)
{
    const char *const *paths = arg;
    const struct medvl_check_options options = {0};
    const struct medvl_loop_options loop = {
        .files = paths, .file_count = 1, .output = paths[1]};
    struct medvl_text out = {0};
    int rc = medvl_loop_batch(&medvl_check_batch, &options, &loop, NULL, why);

    if (rc < 0)
        return rc;
    rc = medvl_file_read(&out, paths[1], 1 << 20, why);
    if (rc == MEDVL_OK && !first.size) {
        first = out;
        return MEDVL_OK;
    }
    if (rc == MEDVL_OK)
        assert_string_equal(out.data, first.data);
    medvl_text_release(&out);
    return rc;
}

static void want_of_memory_fails_and_is_no_finding(void **state)
{
    char *in = check_temp("check.jsonl"), *out = check_temp("check.out");
    const char *paths[] = {in, out};

    (void)state;
    CHECK_OK(medvl_file_write(in, RECORDS, sizeof(RECORDS) - 1, &err), &err);
    CHECK_OK(look_over(paths, &err), &err);
    assert_non_null(strstr(first.data, "\"id_double\":1"));
    assert_non_null(strstr(first.data, "\"picture_missing\":1"));
    check_no_memory(look_over, paths, 3000);
    medvl_text_release(&first);
    medvl_free(in);
    medvl_free(out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_has_a_name_of_its_own),
        cmocka_unit_test(a_text_that_was_seen_is_found_among_many),
        cmocka_unit_test(the_most_frequent_texts_are_exact),
        cmocka_unit_test(long_texts_are_cut_and_stay_apart),
        cmocka_unit_test(want_of_memory_fails_and_is_no_finding),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
