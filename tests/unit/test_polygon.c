/*
 * Polygons: filled as matplotlib does (tests/golden/polygons.txt), cut as
 * the picture is, and with hostile ones.
 */
#include "tests/unit/check.h"

#include "lib/base/rng.h"
#include "lib/image/polygon.h"

static struct medvl_error err;

/* "x,y,x,y;x,y,..." */
static void parse(struct medvl_polygons *out, const char *text)
{
    char *end;

    *out = (struct medvl_polygons){0};
    while (*text) {
        const double x = strtod(text, &end), y = strtod(end + 1, &end);

        CHECK_OK(medvl_places_add(&out->places, x, y, &err), &err);
        if (*end != ',')
            CHECK_OK(medvl_polygons_end(out, &err), &err);
        text = *end ? end + 1 : end;
    }
}

static void pixels_are_those_whose_centres_matplotlib_finds(void **state)
{
    FILE *golden = fopen("tests/golden/polygons.txt", "r");
    char bits[1000], text[4000];
    int cases = 0;
    long w, h;

    (void)state;
    assert_non_null(golden);
    while (fscanf(golden, "%ld %ld %3999s %999s", &w, &h, text, bits) == 4) {
        struct medvl_polygons polygons;
        struct medvl_mask mask = {0};

        parse(&polygons, text);
        for (int cut = 0; cut < 2; cut++) {
            CHECK_OK(medvl_mask_make(&mask, w, h, &err), &err);
            CHECK_OK(medvl_polygons_fill(&mask, &polygons, &err), &err);
            for (long i = 0; i < w * h; i++)
                if (mask.data[i] != (bits[i] == '1'))
                    fail_msg("case %d, cut %d: pixel %ld, %ld", cases, cut,
                             i % w, i / w);
            medvl_mask_release(&mask);
            /* what is cut off has no pixels */
            CHECK_OK(medvl_polygons_clip(&polygons, w, h, &err), &err);
        }
        medvl_polygons_release(&polygons);
        cases++;
    }
    fclose(golden);
    assert_int_equal(cases, 60);
}

/* The mask as text. */
static const char *show(const char *polygons, int64_t w, int64_t h)
{
    static char text[200];
    struct medvl_polygons p;
    struct medvl_mask mask = {0};
    char *out = text;

    parse(&p, polygons);
    CHECK_OK(medvl_mask_make(&mask, w, h, &err), &err);
    CHECK_OK(medvl_polygons_fill(&mask, &p, &err), &err);
    for (int64_t i = 0; i < w * h; i++) {
        *out++ = mask.data[i] ? '#' : '.';
        if (i % w == w - 1)
            *out++ = '\n';
    }
    *out = 0;
    medvl_mask_release(&mask);
    medvl_polygons_release(&p);
    return text;
}

static void a_centre_on_the_line_is_the_right_or_lower_neighbours(void **state)
{
    (void)state;
    assert_string_equal(show("1,1,3,1,3,2,1,2", 4, 3), "....\n.##.\n....\n");
    /* from centre to centre */
    assert_string_equal(show("0.5,0.5,2.5,0.5,2.5,1.5,0.5,1.5", 4, 3),
                        "##..\n....\n....\n");
    /* the other way round is the same */
    assert_string_equal(show("0.5,1.5,2.5,1.5,2.5,0.5,0.5,0.5", 4, 3),
                        "##..\n....\n....\n");
    /* two that share a slanting line share no pixel and leave none out */
    assert_string_equal(show("0,0,4,4,0,4", 4, 4), "....\n#...\n##..\n###.\n");
    assert_string_equal(show("0,0,4,0,4,4", 4, 4), "####\n.###\n..##\n...#\n");
}

static void insides_are_odd_in_one_polygon_and_joined_over_several(void **s)
{
    (void)s;
    /* a square in a square, as one line: a ring */
    assert_string_equal(show("0,0,4,0,4,4,0,4,0,0,1,1,3,1,3,3,1,3,1,1", 4, 4),
                        "####\n#..#\n#..#\n####\n");
    assert_string_equal(show("0,0,4,0,4,4,0,4;1,1,3,1,3,3,1,3", 4, 4),
                        "####\n####\n####\n####\n");
}

static void check_clip(const char *from, const char *want)
{
    struct medvl_polygons p, q;

    parse(&p, from);
    parse(&q, want);
    CHECK_OK(medvl_polygons_clip(&p, 10, 8, &err), &err);
    if (p.places.count != q.places.count || p.count != q.count)
        fail_msg("%s: %zu polygons of %zu places", from, p.count,
                 p.places.count);
    for (size_t i = 0; i < 2 * p.places.count; i++)
        CHECK_CLOSE(p.places.xy[i], q.places.xy[i], 1e-12);
    medvl_polygons_release(&p);
    medvl_polygons_release(&q);
}

static void polygons_are_cut_or_gone(void **state)
{
    (void)state;
    check_clip("1,1,5,1,5,5", "1,1,5,1,5,5");
    check_clip("-2,1,5,1,5,5,-2,5", "0,1,5,1,5,5,0,5");
    check_clip("20,1,25,1,25,5", "");
    check_clip("10,1,25,1,25,5", ""); /* touches */
    check_clip("-5,4,4,-5,-5,-5", "");
    check_clip("10,1,10,3,10,5,25,5", ""); /* a side on the edge */
    check_clip("-9,-9,99,-9,99,99,-9,99", "10,0,10,8,0,8,0,0");
    check_clip("1,1,2,1,2,2;20,1,25,1,25,5", "1,1,2,1,2,2");
    /* crossing lines, with as much area on the left as on the right */
    check_clip("0,0,10,8,10,0,0,8", "0,0,10,8,10,0,0,8");
}

static void two_places_are_no_polygon(void **state)
{
    struct medvl_polygons p = {0};

    (void)state;
    CHECK_OK(medvl_places_add(&p.places, 1, 1, &err), &err);
    CHECK_OK(medvl_places_add(&p.places, 2, 2, &err), &err);
    CHECK_FAILS(medvl_polygons_end(&p, &err), MEDVL_EFORMAT, &err,
                "2 places");
    medvl_polygons_release(&p);
}

/* A million lines from the top to the bottom, and then most of them gone. */
static void a_polygon_of_a_million_places_ends_in_time(void **state)
{
    struct medvl_polygons p = {0};
    struct medvl_mask mask = {0};

    (void)state;
    for (int i = 0; i < 1000000; i++)
        CHECK_OK(medvl_places_add(&p.places, i * 3e-5, i % 2 ? 1e9 : -1e9,
                                  &err),
                 &err);
    CHECK_OK(medvl_polygons_end(&p, &err), &err);
    CHECK_OK(medvl_mask_make(&mask, 30, 8000, &err), &err);
    CHECK_FAILS(medvl_polygons_fill(&mask, &p, &err), MEDVL_EARG, &err,
                "too many");
    medvl_mask_release(&mask);
    CHECK_OK(medvl_mask_make(&mask, 30, 10, &err), &err);
    CHECK_OK(medvl_polygons_fill(&mask, &p, &err), &err);
    medvl_mask_release(&mask);
    CHECK_OK(medvl_polygons_clip(&p, 30, 10, &err), &err);
    assert_true(p.places.count < 3000000);
    medvl_polygons_release(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pixels_are_those_whose_centres_matplotlib_finds),
        cmocka_unit_test(
            a_centre_on_the_line_is_the_right_or_lower_neighbours),
        cmocka_unit_test(
            insides_are_odd_in_one_polygon_and_joined_over_several),
        cmocka_unit_test(polygons_are_cut_or_gone),
        cmocka_unit_test(two_places_are_no_polygon),
        cmocka_unit_test(a_polygon_of_a_million_places_ends_in_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
