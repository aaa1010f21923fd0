/*
 * The model card of a run: what it says, that it depends on nothing else,
 * and that no source's name can become markup.
 */
#include "tests/unit/session.h"

#include "lib/train/card.h"

static struct medvl_text card_of(struct scene *c,
                                 const struct medvl_train_options *options)
{
    struct medvl_text out = {0};

    scene_open(c, options);
    CHECK_OK(medvl_card_write(&out, &c->s, &c->err), &c->err);
    return out;
}

static void write_data(struct scene *c, const char *lines)
{
    CHECK_OK(medvl_file_write(c->data, lines, strlen(lines), &c->err),
             &c->err);
}

static void sources_and_licences_are_counted(void **state)
{
    struct scene *c = *state;
    const struct medvl_train_options o = scene_options(c);
    struct medvl_text card;

    write_data(c, "{\"id\":\"a\",\"tokens\":[1,2],\"source\":\"s1\","
                  "\"license\":\"CC-BY-4.0\"}\n"
                  "{\"id\":\"b\",\"tokens\":[1,3],\"source\":\"s1\","
                  "\"license\":\"CC-BY-4.0\"}\n"
                  "{\"id\":\"c\",\"tokens\":[1,4],\"source\":\"s2\"}\n");
    card = card_of(c, &o);
    assert_true(strncmp(card.data, "---\n", 4) == 0);
    assert_non_null(strstr(card.data, "| s1 | CC-BY-4.0 | 2 |"));
    assert_non_null(strstr(card.data, "| s2 |"));
    assert_null(strstr(card.data, c->folder));
    medvl_text_release(&card);
}

static void other_data_or_options_give_another_card(void **state)
{
    struct scene *c = *state;
    struct medvl_train_options o = scene_options(c);
    struct medvl_text first, again, other;

    first = card_of(c, &o);
    again = card_of(c, &o);
    assert_int_equal(first.size, again.size);
    assert_memory_equal(first.data, again.data, first.size);
    o.rate = 2e-2;
    other = card_of(c, &o);
    assert_true(first.size != other.size ||
                memcmp(first.data, other.data, first.size) != 0);
    medvl_text_release(&other);
    o.rate = 1e-2;
    write_data(c, "{\"id\":\"a\",\"tokens\":[1,2,3]}\n");
    other = card_of(c, &o);
    assert_true(first.size != other.size ||
                memcmp(first.data, other.data, first.size) != 0);
    medvl_text_release(&first);
    medvl_text_release(&again);
    medvl_text_release(&other);
}

static void a_name_is_no_markup(void **state)
{
    struct scene *c = *state;
    const struct medvl_train_options o = scene_options(c);
    struct medvl_text card;

    write_data(c, "{\"id\":\"a\",\"tokens\":[1,2],\"source\":"
                  "\"x | y\\n---\\n<b>\"}\n");
    card = card_of(c, &o);
    assert_null(strstr(card.data, "<b>"));
    assert_null(strstr(card.data, "x | y"));
    medvl_text_release(&card);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(sources_and_licences_are_counted,
                                        scene_setup, scene_teardown),
        cmocka_unit_test_setup_teardown(
            other_data_or_options_give_another_card, scene_setup,
            scene_teardown),
        cmocka_unit_test_setup_teardown(a_name_is_no_markup, scene_setup,
                                        scene_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
