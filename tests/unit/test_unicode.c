/* Classes and normal form C.  The module is lib/text/unicode.h. */
#include "lib/text/unicode.h"

#include "tests/unit/check.h"

#define FNV_START UINT64_C(0xCBF29CE484222325)

static uint64_t fnv(const void *data, size_t size, uint64_t h)
{
    const unsigned char *p = data;

    for (size_t i = 0; i < size; i++)
        h = (h ^ p[i]) * UINT64_C(0x100000001B3);
    return h;
}

/* The value that another's tables gave (tests/golden/unicode.py). */
static uint64_t golden(const char *name)
{
    struct medvl_text file = {0};
    struct medvl_error err = {0};
    uint64_t value = 0;
    char *line;

    CHECK_OK(medvl_file_read(&file, "tests/golden/unicode.txt", 4096, &err),
             &err);
    line = strstr(file.data, name);
    assert_non_null(line);
    value = strtoull(line + strlen(name), NULL, 16);
    medvl_text_release(&file);
    return value;
}

static void append(struct medvl_text *text, uint32_t rune)
{
    char bytes[4];

    assert_int_equal(medvl_text_append(text, bytes,
                                       (size_t)medvl_utf8_encode(bytes,
                                                                 rune),
                                       NULL),
                     MEDVL_OK);
}

/* The hash of a form, by its name there. */
static uint64_t golden_of(const char *what, int form)
{
    static const char *const FORMS[] = {"C", "D", "KC", "KD"};
    char name[40];

    snprintf(name, sizeof(name), "%s%s", what, FORMS[form]);
    return golden(name);
}

/* Normal form of what is in `in`, hashed on. */
static uint64_t normal_hash(int form, const struct medvl_text *in,
                            uint64_t h)
{
    static struct medvl_nfc_changes changes;
    static struct medvl_text out;
    struct medvl_error err = {0};

    CHECK_OK(medvl_unicode_normalize(&out, &changes, (enum medvl_form)form,
                                     medvl_text_span(in), &err),
             &err);
    h = changes.count > 0 ? fnv(out.data, out.size, h)
                          : fnv(in->data, in->size, h);
    if (in->size > 1000) {
        medvl_nfc_changes_release(&changes);
        medvl_text_release(&out);
    }
    return h;
}

static bool is_surrogate(uint32_t rune)
{
    return rune >= 0xD800 && rune < 0xE000;
}

static void every_character_has_the_classes_of_its_category(void **state)
{
    uint64_t h = FNV_START;

    (void)state;
    for (uint32_t rune = 0; rune < 0x110000; rune++) {
        const unsigned char bits = (unsigned char)medvl_unicode_class(rune);

        if (!is_surrogate(rune))
            h = fnv(&bits, 1, h);
    }
    assert_true(h == golden("classes"));
    assert_int_equal(medvl_unicode_class(0x110000), 0);
}

static void every_character_normalises_as_in_hugging_face(void **state)
{
    (void)state;
    for (int form = 0; form < 4; form++) {
        struct medvl_text in = {0};
        struct medvl_text all = {0};
        uint64_t h = FNV_START;

        for (uint32_t rune = 0; rune < 0x110000; rune++) {
            if (is_surrogate(rune))
                continue;
            medvl_text_clear(&in);
            append(&in, rune);
            append(&all, rune);
            h = normal_hash(form, &in, h);
        }
        assert_true(h == golden_of("alone", form));
        assert_true(normal_hash(form, &all, FNV_START) ==
                    golden_of("together", form));
        medvl_text_release(&in);
        medvl_text_release(&all);
    }
}

static void characters_between_marks_do_too(void **state)
{
    (void)state;
    for (int form = 0; form < 4; form++) {
        struct medvl_text in = {0};
        uint64_t h = FNV_START;

        for (uint32_t rune = 0; rune < 0xB000; rune++) {
            if (rune >= 0x3100 && rune < 0xA800)
                continue;
            medvl_text_clear(&in);
            append(&in, 'e');
            append(&in, 0x323);
            append(&in, rune);
            append(&in, 0x301);
            append(&in, 0x316);
            h = normal_hash(form, &in, h);
        }
        assert_true(h == golden_of("marked", form));
        medvl_text_release(&in);
    }
}

static void sets_and_lower_case_are_those_of_hugging_face(void **state)
{
    struct medvl_text text = {0};
    uint64_t sets = FNV_START;
    uint64_t lower = FNV_START;

    (void)state;
    for (uint32_t rune = 0; rune < 0x110000; rune++) {
        unsigned char bits = 0;
        uint32_t to[2];
        int count;

        if (is_surrogate(rune))
            continue;
        for (int i = 0; i < 6; i++) {
            if (medvl_unicode_is((enum medvl_rune_set)i, rune))
                bits |= (unsigned char)(1 << i);
        }
        sets = fnv(&bits, 1, sets);
        count = medvl_unicode_lower_case(to, rune);
        medvl_text_clear(&text);
        for (int i = 0; i < count; i++)
            append(&text, to[i]);
        lower = fnv(text.data, text.size, lower);
    }
    assert_true(sets == golden("sets"));
    assert_true(lower == golden("lower"));
    medvl_text_release(&text);
}

static void text_in_normal_form_is_not_copied(void **state)
{
    struct medvl_nfc_changes changes = {0};
    struct medvl_text out = {0};
    struct medvl_error err = {0};

    (void)state;
    CHECK_OK(medvl_unicode_nfc(&out, &changes,
                               medvl_span("plain, R\xC3\xB6ntgen, \xE8\x83"
                                          "\xB8\xE9\x83\xA8"),
                               &err),
             &err);
    assert_int_equal(changes.count, 0);
    assert_null(out.data);
    medvl_nfc_changes_release(&changes);
}

static void changes_say_where_bytes_were_replaced(void **state)
{
    struct medvl_nfc_changes changes = {0};
    struct medvl_text out = {0};
    struct medvl_error err = {0};

    (void)state;
    /* e + acute, then plain, then the angstrom sign. */
    CHECK_OK(medvl_unicode_nfc(&out, &changes,
                               medvl_span("caf"
                                          "e\xCC\x81"
                                          " au \xE2\x84\xAB!"),
                               &err),
             &err);
    assert_string_equal(out.data, "caf\xC3\xA9 au \xC3\x85!");
    assert_int_equal(changes.count, 2);
    assert_int_equal(changes.items[0].from, 3);
    assert_int_equal(changes.items[0].from_size, 3);
    assert_int_equal(changes.items[0].to, 3);
    assert_int_equal(changes.items[0].to_size, 2);
    assert_int_equal(changes.items[1].from, 10);
    assert_int_equal(changes.items[1].from_size, 3);
    assert_int_equal(changes.items[1].to, 9);
    assert_int_equal(changes.items[1].to_size, 2);
    medvl_nfc_changes_release(&changes);
    medvl_text_release(&out);
}

/* Two marks in turn, a million of them: a square would take an hour. */
static void stacked_marks_take_linear_time(void **state)
{
    struct medvl_nfc_changes changes = {0};
    struct medvl_text in = {0};
    struct medvl_text out = {0};
    struct medvl_error err = {0};

    (void)state;
    append(&in, 'a');
    for (int i = 0; i < 500000; i++) {
        append(&in, 0x301);
        append(&in, 0x316);
    }
    CHECK_OK(medvl_unicode_nfc(&out, &changes, medvl_text_span(&in), &err),
             &err);
    /* The marks below go first, and the a takes the first one above. */
    assert_int_equal(out.size, 2 + 2 * 999999);
    assert_memory_equal(out.data, "\xC3\xA1\xCC\x96\xCC\x96", 6);
    assert_memory_equal(out.data + out.size - 4, "\xCC\x81\xCC\x81", 4);
    medvl_nfc_changes_release(&changes);
    medvl_text_release(&in);
    medvl_text_release(&out);
}

/* `pairs` times "x", e and its accent, then `marks` marks. */
static int normalise_many(int pairs, int marks, struct medvl_error *err)
{
    struct medvl_nfc_changes changes = {0};
    struct medvl_text in = {0};
    struct medvl_text out = {0};
    int rc;

    for (int i = 0; i < pairs; i++)
        CHECK_OK(medvl_text_puts(&in, "xe\xCC\x81", err), err);
    for (int i = 0; i < marks; i++)
        CHECK_OK(medvl_text_puts(&in, "\xCC\x81", err), err);
    rc = medvl_unicode_nfc(&out, &changes, medvl_text_span(&in), err);
    medvl_nfc_changes_release(&changes);
    medvl_text_release(&in);
    medvl_text_release(&out);
    return rc;
}

static void what_is_past_the_limits_is_refused(void **state)
{
    struct medvl_error err = {0};

    (void)state;
    CHECK_OK(normalise_many(MEDVL_NFC_CHANGES, 0, &err), &err);
    CHECK_FAILS(normalise_many(MEDVL_NFC_CHANGES + 1, 0, &err),
                MEDVL_EUNSUPPORTED, &err, "more than 4194304 places");
    CHECK_FAILS(normalise_many(1, MEDVL_NFC_SEGMENT / 2, &err),
                MEDVL_EUNSUPPORTED, &err, "has 8388611 bytes");
}

static void broken_utf8_is_an_error(void **state)
{
    struct medvl_nfc_changes changes = {0};
    struct medvl_text out = {0};
    struct medvl_error err = {0};

    (void)state;
    CHECK_FAILS(medvl_unicode_nfc(&out, &changes, medvl_span("a\xE8\x83"),
                                  &err),
                MEDVL_EFORMAT, &err, "UTF-8");
    medvl_nfc_changes_release(&changes);
    medvl_text_release(&out);
}

static int normalise(void *arg, struct medvl_error *err)
{
    struct medvl_nfc_changes changes = {0};
    struct medvl_text out = {0};
    const int rc = medvl_unicode_nfc(&out, &changes, medvl_span(arg), err);

    medvl_nfc_changes_release(&changes);
    medvl_text_release(&out);
    return rc;
}

static void no_memory_is_said(void **state)
{
    char text[] = "e\xCC\x81\xCC\x96 \xE2\x84\xAB a\xCC\x81\xCC\x96";

    (void)state;
    check_no_memory(normalise, text, 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_character_has_the_classes_of_its_category),
        cmocka_unit_test(every_character_normalises_as_in_hugging_face),
        cmocka_unit_test(characters_between_marks_do_too),
        cmocka_unit_test(sets_and_lower_case_are_those_of_hugging_face),
        cmocka_unit_test(text_in_normal_form_is_not_copied),
        cmocka_unit_test(what_is_past_the_limits_is_refused),
        cmocka_unit_test(changes_say_where_bytes_were_replaced),
        cmocka_unit_test(stacked_marks_take_linear_time),
        cmocka_unit_test(broken_utf8_is_an_error),
        cmocka_unit_test(no_memory_is_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
