/* precompiled_charsmap.  The module is lib/text/charsmap.h. */
#include "lib/text/charsmap.h"

#include "lib/base/rng.h"
#include "tests/unit/vocabulary.h"

static struct medvl_span charsmap_of(struct medvl_text *file)
{
    struct medvl_error err = {0};

    CHECK_OK(medvl_file_read(file, VOCABULARY "charsmap.bin", 1 << 20, &err),
             &err);
    return medvl_text_span(file);
}

static struct medvl_charsmap *open_file(const char *path)
{
    struct medvl_charsmap *map = NULL;
    struct medvl_text file = {0};
    struct medvl_error err = {0};

    CHECK_OK(medvl_file_read(&file, path, 1 << 20, &err), &err);
    CHECK_OK(medvl_charsmap_new(&map, medvl_text_span(&file), &err), &err);
    medvl_text_release(&file);
    return map;
}

static struct medvl_charsmap *open_map(void)
{
    return open_file(VOCABULARY "charsmap.bin");
}

struct user {
    struct medvl_charsmap *map;
    struct medvl_text out;
    struct medvl_nfc_changes changes;
};

/* The text, with what changed put in, is what came out. */
static void check_changes(const struct user *user, struct medvl_span text)
{
    size_t from = 0;
    size_t to = 0;

    for (size_t i = 0; i < user->changes.count; i++) {
        const struct medvl_nfc_change *change = &user->changes.items[i];

        assert_int_equal(change->from - from, change->to - to);
        assert_memory_equal(text.data + from, user->out.data + to,
                            change->from - from);
        from = change->from + change->from_size;
        to = change->to + change->to_size;
    }
    assert_int_equal(text.size - from, user->out.size - to);
}

static void check_line(void *arg, const struct medvl_json *line)
{
    struct user *user = arg;
    const struct medvl_span text = medvl_span(
        vocabulary_string(line, "text"));
    const char *want = vocabulary_string(line, "normal");
    struct medvl_error err = {0};

    CHECK_OK(medvl_charsmap_normalize(user->map, &user->out, &user->changes,
                                      text, &err),
             &err);
    if (user->changes.count == 0) {
        assert_true(medvl_span_is(text, want));
        return;
    }
    if (!medvl_span_is(medvl_text_span(&user->out), want))
        fail_msg("<%s> became <%s>, not <%s>", text.data, user->out.data,
                 want);
    check_changes(user, text);
}

static void texts_become_what_hugging_face_makes_of_them(void **state)
{
    struct user user = {.map = open_map()};

    (void)state;
    assert_int_equal(vocabulary_lines(VOCABULARY "charsmap.jsonl",
                                      check_line, &user),
                     300);
    medvl_text_release(&user.out);
    medvl_nfc_changes_release(&user.changes);
    medvl_charsmap_free(user.map);
}

static void both_ends_of_a_line_are_replaced_together(void **state)
{
    struct user user = {.map = open_file(VOCABULARY "charsmap_returns.bin")};

    (void)state;
    assert_int_equal(vocabulary_lines(VOCABULARY "charsmap_returns.jsonl",
                                      check_line, &user),
                     7);
    medvl_text_release(&user.out);
    medvl_nfc_changes_release(&user.changes);
    medvl_charsmap_free(user.map);
}

static void the_longest_and_the_shortest_key_are_found(void **state)
{
    struct medvl_charsmap *map = open_map();
    struct medvl_span to;
    size_t size = 0;

    (void)state;
    assert_true(medvl_charsmap_longest(map, &size, &to,
                                       medvl_span("e\xCC\x81x")));
    assert_int_equal(size, 3);
    assert_true(medvl_span_is(to, "\xC3\xA9"));
    assert_true(medvl_charsmap_shortest(map, &size, &to, medvl_span("A")));
    assert_true(medvl_span_is(to, "a"));
    assert_true(medvl_charsmap_longest(map, &size, &to,
                                       medvl_span("\xE2\x80\x8B")));
    assert_int_equal(to.size, 0);
    assert_false(medvl_charsmap_longest(map, &size, &to, medvl_span("e")));
    assert_false(medvl_charsmap_longest(map, &size, &to, medvl_span("")));
    medvl_charsmap_free(map);
}

static void no_table_replaces_nothing(void **state)
{
    struct medvl_charsmap *map = NULL;
    struct medvl_error err = {0};
    struct medvl_span to;
    size_t size;

    (void)state;
    CHECK_OK(medvl_charsmap_new(&map, (struct medvl_span){0}, &err), &err);
    assert_false(medvl_charsmap_longest(map, &size, &to, medvl_span("a")));
    medvl_charsmap_free(map);
    medvl_charsmap_free(NULL);
}

static void check_refused(const char *bytes, size_t size)
{
    struct medvl_charsmap *map = NULL;
    struct medvl_error err = {0};

    CHECK_FAILS(medvl_charsmap_new(&map, (struct medvl_span){bytes, size},
                                   &err),
                MEDVL_EFORMAT, &err, "charsmap");
}

static void tables_that_lie_are_refused(void **state)
{
    (void)state;
    check_refused("\x04\0\0", 3);
    check_refused("\0\0\0\0", 4);
    check_refused("\x08\0\0\0\0\0\0\0", 8);
    check_refused("\x03\0\0\0\0\0\0", 7);
    check_refused("\xFF\xFF\xFF\xFF\0\0\0\0", 8);
    check_refused("\x04\0\0\0\0\0\0\0\xFF", 9);
}

/* Whatever the table says, what comes out is UTF-8. */
static void random_tables_are_safe(void **state)
{
    struct user user = {0};
    struct medvl_rng rng;
    struct medvl_error err = {0};

    (void)state;
    medvl_rng_init(&rng, 3, MEDVL_PURPOSE_TEST, 0);
    for (int i = 0; i < 3000; i++) {
        char bytes[4 + 256 + 8] = {0, 1};
        const char text[] = "ab\xC3\xA9\xE2\x96\x81zz";

        for (int j = 4; j < 4 + 256; j++)
            bytes[j] = (char)(medvl_rng_u32(&rng) &
                              (j % 4 == 3 ? 0x80 : j % 4 == 2 ? 0
                                                              : 255));
        memcpy(bytes + 260, "x\xC3\xA9\0yz\xC3\xA9", 8);
        CHECK_OK(medvl_charsmap_new(
                     &user.map,
                     (struct medvl_span){bytes, sizeof(bytes)}, &err),
                 &err);
        CHECK_OK(medvl_charsmap_normalize(user.map, &user.out, &user.changes,
                                          medvl_span(text), &err),
                 &err);
        if (user.changes.count > 0)
            assert_int_equal(medvl_utf8_valid(user.out.data, user.out.size),
                             user.out.size);
        medvl_charsmap_free(user.map);
    }
    medvl_text_release(&user.out);
    medvl_nfc_changes_release(&user.changes);
}

static int normalize_one(void *arg, struct medvl_error *err)
{
    struct user user = {0};
    int rc = medvl_charsmap_new(&user.map, *(struct medvl_span *)arg, err);

    if (rc == MEDVL_OK)
        rc = medvl_charsmap_normalize(user.map, &user.out, &user.changes,
                                      medvl_span("xAy"), err);
    medvl_charsmap_free(user.map);
    medvl_text_release(&user.out);
    medvl_nfc_changes_release(&user.changes);
    return rc;
}

static void no_memory_is_said(void **state)
{
    struct medvl_text file = {0};
    struct medvl_span map = charsmap_of(&file);

    (void)state;
    check_no_memory(normalize_one, &map, 100);
    medvl_text_release(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_become_what_hugging_face_makes_of_them),
        cmocka_unit_test(both_ends_of_a_line_are_replaced_together),
        cmocka_unit_test(the_longest_and_the_shortest_key_are_found),
        cmocka_unit_test(no_table_replaces_nothing),
        cmocka_unit_test(tables_that_lie_are_refused),
        cmocka_unit_test(random_tables_are_safe),
        cmocka_unit_test(no_memory_is_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
