/*
 * Contact sheets: lines of text, cells, and cells on a page.
 */
#include "tests/unit/check.h"

#include "lib/stage/sheet.h"
#include "lib/stage/sheet_part.h"

static struct medvl_error err;

static const uint8_t BLACK[3];

/* The lines of a caption are these. */
static void lines_are(const struct medvl_sheet_cell *cell,
                      const char *const *want, int count)
{
    assert_int_equal(cell->lines, count);
    assert_int_equal(cell->run_count, count);
    for (int i = 0; i < count; i++) {
        const struct medvl_sheet_run *run = &cell->runs[i];

        assert_int_equal(run->line, i);
        assert_int_equal(run->size, strlen(want[i]));
        assert_memory_equal(cell->text.data + run->from, want[i], run->size);
    }
}

/* 48 pixels are 8 characters. */
static void wrap(struct medvl_sheet_cell *cell, const char *text, int most)
{
    CHECK_OK(medvl_sheet_text(cell, medvl_span(text), BLACK, most, 48, &err),
             &err);
}

static void text_is_wrapped_at_spaces(void **state)
{
    static const char *const WANT[] = {"is this", "right?", "abcdefgh",
                                       "ijk lm"};
    struct medvl_sheet_cell cell = {0};

    (void)state;
    wrap(&cell, " is\n\tthis right? ", 3);
    wrap(&cell, "abcdefghijk lm", 3);
    wrap(&cell, " \n", 3);
    lines_are(&cell, WANT, 4);
    medvl_sheet_cell_release(&cell);
}

static void text_that_is_too_long_is_cut_with_dots(void **state)
{
    static const char *const WANT[] = {"one two", "three...", "\xc3\xa9\xc3"
                                                              "\xa9...",
                                       "12345678"};
    struct medvl_sheet_cell cell = {0};

    (void)state;
    wrap(&cell, "one two three four", 2);
    CHECK_OK(medvl_sheet_text(&cell, medvl_span("\xc3\xa9\xc3\xa9\xc3\xa9"
                                                "\xc3\xa9\xc3\xa9\xc3\xa9"),
                              BLACK, 1, 30, &err),
             &err);
    wrap(&cell, "12345678", 1);
    lines_are(&cell, WANT, 4);
    medvl_sheet_cell_release(&cell);
}

static void load(struct medvl_loaded *loaded, int64_t width, int64_t height)
{
    memset(loaded, 0, sizeof(*loaded));
    CHECK_OK(medvl_picture_make(&loaded->picture, width, height, 1, 8, &err),
             &err);
    loaded->file.width = width;
    loaded->file.height = height;
    loaded->file.shrink = 1;
}

static void a_picture_fills_its_cell_and_keeps_its_aspect(void **state)
{
    static const int64_t CASES[][4] = {{10, 10, 256, 256},
                                       {640, 480, 256, 192},
                                       {3, 3000, 1, 256},
                                       {9000, 1, 256, 1}};

    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(*CASES); i++) {
        struct medvl_sheet_cell cell = {0};
        struct medvl_loaded loaded;
        struct medvl_steps steps;

        load(&loaded, CASES[i][0], CASES[i][1]);
        CHECK_OK(medvl_sheet_fit(&cell, &steps, &loaded, 256, &err), &err);
        assert_int_equal(cell.picture.width, CASES[i][2]);
        assert_int_equal(cell.picture.height, CASES[i][3]);
        assert_int_equal(cell.picture.channels, 3);
        medvl_picture_release(&loaded.picture);
        medvl_sheet_cell_release(&cell);
    }
}

/* Columns of red pixels, from the first to the last. */
static void red_span(int64_t *from, int64_t *to,
                     const struct medvl_picture *picture)
{
    const uint8_t *at = picture->data;

    *from = picture->width;
    *to = -1;
    for (int64_t i = 0; i < picture->width * picture->height; i++)
        if (at[3 * i] > at[3 * i + 1] + 100) {
            const int64_t x = i % picture->width;

            *from = x < *from ? x : *from;
            *to = x > *to ? x : *to;
        }
}

static void a_region_is_drawn_where_it_lies_and_listed(void **state)
{
    static const struct {
        const char *shape;
        int from, to;
    } CASES[] = {
        {"\"box\":[100,300,200,500]", 50, 99},
        {"\"polygons\":[[100,300,200,300,200,500,100,500]]", 50, 99},
        {"\"box\":[0,0,9,9],\"mask\":{\"size\":[512,512],"
         "\"counts\":\"PPPPPP\"}",
         -1, -1},
        {"\"point\":[100.5,300.5]", 48, 52},
        {"\"points\":[[100.5,300.5],[200.5,300.5]]", 48, 102},
    };
    struct medvl_image_stage stage = {.width = 256};
    struct medvl_loaded loaded;

    (void)state;
    load(&loaded, 512, 512);
    for (size_t i = 0; i < sizeof(CASES) / sizeof(*CASES); i++) {
        struct medvl_sheet_labels labels = {0};
        struct medvl_sheet_cell cell = {0};
        struct medvl_steps steps;
        struct medvl_json *image;
        char text[300];
        int64_t from, to;

        snprintf(text, sizeof(text),
                 "{\"regions\":[{\"label\":\"\",%s}]}", CASES[i].shape);
        CHECK_OK(medvl_sheet_fit(&cell, &steps, &loaded, 256, &err), &err);
        CHECK_OK(medvl_json_parse(&image, medvl_span(text), &err), &err);
        if (CASES[i].from < 0) {
            CHECK_FAILS(medvl_sheet_regions(&cell, &labels, image, &steps,
                                            &stage, NULL, &err),
                        MEDVL_EFORMAT, &err, "region 1: \"mask\"");
        } else {
            CHECK_OK(medvl_sheet_regions(&cell, &labels, image, &steps,
                                         &stage, NULL, &err),
                     &err);
            red_span(&from, &to, &cell.picture);
            assert_int_equal(from, CASES[i].from);
            assert_int_equal(to, CASES[i].to);
            assert_int_equal(cell.lines, 1);
            assert_non_null(cell.runs[0].mark);
        }
        medvl_json_free(image);
        medvl_intern_release(&labels.names);
        medvl_sheet_cell_release(&cell);
    }
    medvl_picture_release(&loaded.picture);
}

static void a_caption_says_which_what_and_what_is_right(void **state)
{
    static const char *const WANT[] = {"2/3 r1", "Which?", "-> A: brain",
                                       "predicted: B: liver"};
    static const char LINE[] =
        "{\"id\":\"r1\",\"question\":\"Which?\",\"answer\":\"A\","
        "\"prediction\":\"B\",\"choices\":{\"A\":\"brain\","
        "\"B\":\"liver\"}}";
    struct medvl_record record = {0};
    struct medvl_sheet_cell cell = {0};

    (void)state;
    CHECK_OK(medvl_record_parse(&record, medvl_span(LINE), &err), &err);
    CHECK_OK(medvl_sheet_caption(&cell, &record, 2, 3, 256, &err), &err);
    lines_are(&cell, WANT, 4);
    medvl_sheet_cell_release(&cell);
    medvl_record_release(&record);
}

/* The pixel in the middle of the only cell of a page. */
static void middle_is(const struct medvl_sheet_cell *cell, bool red)
{
    struct medvl_picture page = {0};
    const uint8_t *at;

    CHECK_OK(medvl_sheet_page(&page, cell, 1, 64, &err), &err);
    at = (uint8_t *)page.data + 3 * ((14 + 32) * page.width + 14 + 32);
    assert_int_equal(at[0] > at[1] + 100, red);
    medvl_picture_release(&page);
}

static void a_failure_is_a_red_cross_and_its_text(void **state)
{
    struct medvl_sheet_cell cell = {0};

    (void)state;
    middle_is(&cell, false);
    CHECK_OK(medvl_sheet_failure(&cell, "why", 64, &err), &err);
    middle_is(&cell, true);
    assert_int_equal(cell.lines, 1);
    medvl_sheet_cell_release(&cell);
}

static void one_label_has_one_colour_on_all_pictures(void **state)
{
    static const char *const IMAGES[] = {
        "{\"regions\":[{\"label\":\"a\",\"box\":[0,0,9,9]},"
        "{\"label\":\"b\",\"box\":[0,0,9,9]}]}",
        "{\"regions\":[{\"label\":\"b\",\"box\":[0,0,9,9]},"
        "{\"label\":\"b\",\"box\":[0,0,9,9]}]}"};
    struct medvl_image_stage stage = {.width = 256};
    struct medvl_sheet_labels labels = {0};
    struct medvl_sheet_cell cells[2] = {0};
    struct medvl_loaded loaded;
    struct medvl_steps steps;

    (void)state;
    load(&loaded, 9, 9);
    for (int i = 0; i < 2; i++) {
        struct medvl_json *image;

        CHECK_OK(medvl_sheet_fit(&cells[i], &steps, &loaded, 256, &err),
                 &err);
        CHECK_OK(medvl_json_parse(&image, medvl_span(IMAGES[i]), &err), &err);
        CHECK_OK(medvl_sheet_regions(&cells[i], &labels, image, &steps,
                                     &stage, NULL, &err),
                 &err);
        medvl_json_free(image);
    }
    assert_int_equal(cells[0].run_count, 2);
    assert_int_equal(cells[1].run_count, 1);
    assert_ptr_not_equal(cells[0].runs[0].mark, cells[0].runs[1].mark);
    assert_ptr_equal(cells[0].runs[1].mark, cells[1].runs[0].mark);
    assert_int_equal(cells[1].runs[0].size, 3); /* "b 2" */
    medvl_sheet_cell_release(&cells[0]);
    medvl_sheet_cell_release(&cells[1]);
    medvl_intern_release(&labels.names);
    medvl_picture_release(&loaded.picture);
}

static void a_full_sheet_is_near_4_to_3_and_can_be_opened(void **state)
{
    static const int64_t SIDES[] = {32, 100, 256, 300, 512, 1000, 2000};

    (void)state;
    for (size_t i = 0; i < sizeof(SIDES) / sizeof(*SIDES); i++) {
        const size_t count = medvl_sheet_room(SIDES[i]);
        struct medvl_sheet_cell *cells = calloc(count, sizeof(*cells));
        struct medvl_picture page = {0};

        CHECK_OK(medvl_sheet_page(&page, cells, count, SIDES[i], &err), &err);
        assert_in_range(page.width, 100, 4096);
        assert_in_range(page.height, 100, 4096);
        if (count > 6)
            assert_in_range(100 * page.width / page.height, 95, 175);
        medvl_picture_release(&page);
        free(cells);
    }
    assert_int_equal(medvl_sheet_room(4096), 1);
}

static const char RECORDS[] =
    "{\"id\":\"a\",\"question\":\"q\",\"answer\":\"A\",\"choices\":"
    "{\"A\":\"y\"},\"images\":[{\"path\":"
    "\"tests/golden/pictures/rgb.png\",\"regions\":[{\"label\":\"l\","
    "\"box\":[0,0,9,9]},{\"polygons\":[[0,0,9,0,9,9]]}]}]}\n"
    "{\"id\":\"b\",\"messages\":[{\"role\":\"user\",\"content\":"
    "\"a long question\"}],\"prediction\":\"p\",\"images\":[{\"path\":"
    "\"tests/golden/pictures/grey16.png\"},{\"path\":"
    "\"tests/golden/pictures/rgb.png\"}]}\n{}\n";

static int make_sheet(void *arg, struct medvl_error *why)
{
    const char *const *paths = arg;
    const struct medvl_image_options options = {.sheet = paths[1],
                                                .resize = "32"};
    const struct medvl_loop_options loop = {
        .files = paths, .file_count = 1, .output = "/dev/null"};

    return medvl_loop_batch(&medvl_sheet_batch, &options, &loop, NULL, why);
}

static void want_of_memory_fails_and_leaves_no_sheet(void **state)
{
    char *in = check_temp("sheet.jsonl"), *out = check_temp("sheet.png");
    char *tmp = check_temp("sheet.png.tmp");
    const char *paths[] = {in, out};

    (void)state;
    CHECK_OK(medvl_file_write(in, RECORDS, sizeof(RECORDS) - 1, &err), &err);
    medvl_mem_fail_after(100);
    CHECK_FAILS(make_sheet(paths, &err), MEDVL_ENOMEM, &err, "memory");
    medvl_mem_fail_after(-1);
    assert_false(medvl_file_exists(out));
    check_no_memory(make_sheet, paths, 5000);
    assert_true(medvl_file_exists(out));
    assert_false(medvl_file_exists(tmp));
    medvl_free(in);
    medvl_free(out);
    medvl_free(tmp);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_wrapped_at_spaces),
        cmocka_unit_test(text_that_is_too_long_is_cut_with_dots),
        cmocka_unit_test(a_picture_fills_its_cell_and_keeps_its_aspect),
        cmocka_unit_test(a_region_is_drawn_where_it_lies_and_listed),
        cmocka_unit_test(a_caption_says_which_what_and_what_is_right),
        cmocka_unit_test(a_failure_is_a_red_cross_and_its_text),
        cmocka_unit_test(one_label_has_one_colour_on_all_pictures),
        cmocka_unit_test(a_full_sheet_is_near_4_to_3_and_can_be_opened),
        cmocka_unit_test(want_of_memory_fails_and_leaves_no_sheet),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
