/*
 * Synthetic anomalies: what is changed and what is not, where, and that it
 * all follows from the stream.
 */
#include "tests/unit/check.h"

#include "lib/image/anomaly.h"
#include "lib/image/content.h"

static struct medvl_error err;

static struct medvl_rng stream(uint64_t item)
{
    struct medvl_rng rng;

    medvl_rng_init(&rng, 4, MEDVL_PURPOSE_TEST, item);
    return rng;
}

/* A disc with stripes on black. */
static struct medvl_picture body(int64_t width, int64_t height, int channels)
{
    struct medvl_picture out = {0};
    uint8_t *to;

    CHECK_OK(medvl_picture_make(&out, width, height, channels, 8, &err),
             &err);
    to = out.data;
    for (int64_t y = 0; y < height; y++)
        for (int64_t x = 0; x < width; x++) {
            const double u = ((double)x + 0.5) / (double)width - 0.5;
            const double v = ((double)y + 0.5) / (double)height - 0.5;

            for (int c = 0; c < channels; c++)
                *to++ = hypot(u, v) > 0.4
                            ? 0
                            : (uint8_t)(120 + 60 * sin(40 * u + 9 * v + c));
        }
    return out;
}

static void the_option_names_kinds_and_a_share(void **state)
{
    static const char *const BAD[] = {
        "", "cut", "cutpaste,", ",cutpaste", "cutpaste,cutpaste",
        "cutpaste:", "cutpaste:2", "cutpaste:-1", ":0.5", "cutpaste 0.5"};
    struct medvl_anomaly a;

    (void)state;
    CHECK_OK(medvl_anomaly_parse(&a, "cutpaste", &err), &err);
    assert_true(a.kinds == 1 && a.share == 1);
    CHECK_OK(medvl_anomaly_parse(&a, "sink,gaussian:0.25", &err), &err);
    assert_true(a.kinds == 10 && a.share == 0.25);
    assert_string_equal(medvl_anomaly_name(3), "sink");
    for (size_t i = 0; i < sizeof(BAD) / sizeof(*BAD); i++)
        if (medvl_anomaly_parse(&a, BAD[i], &err) >= 0)
            fail_msg("'%s' is taken", BAD[i]);
}

/* Of one picture: how many levels the pixels in the mask changed. */
static double check_one(const struct medvl_picture *before,
                        const struct medvl_picture *after,
                        const struct medvl_mask *mask)
{
    const uint8_t *old = before->data, *new = after->data;
    const int n = before->channels;
    int64_t inside = 0;
    double sum = 0;

    for (int64_t i = 0; i < before->width * before->height; i++)
        for (int c = 0; c < n; c++) {
            if (!mask->data[i])
                assert_int_equal(old[i * n + c], new[i * n + c]);
            else
                sum += abs(old[i * n + c] - new[i * n + c]);
            inside += mask->data[i];
        }
    return sum / (double)inside;
}

static void only_the_mask_changes_and_it_lies_on_content(void **state)
{
    int seen[MEDVL_ANOMALY_KINDS] = {0};

    (void)state;
    for (uint64_t item = 0; item < 40; item++) {
        const int channels = item % 2 ? 3 : 1;
        struct medvl_picture before = body(150, 110, channels);
        struct medvl_picture after = body(150, 110, channels);
        struct medvl_rng rng = stream(item);
        struct medvl_content *content;
        struct medvl_mask mask = {0};
        double share;
        int kind;

        CHECK_OK(medvl_content_find(&content, &before, &err), &err);
        CHECK_OK(medvl_anomaly_make(&after, &mask, &kind, 15, &rng, &err),
                 &err);
        seen[kind]++;
        assert_true(check_one(&before, &after, &mask) >= 4);
        for (int64_t i = 0; i < 150 * 110; i++)
            assert_true(!mask.data[i] || content->on[i]);
        share = (double)medvl_mask_area(&mask) /
                (content->width * content->height);
        assert_true(share > 0.005 && share < 0.2);
        medvl_free(content);
        medvl_mask_release(&mask);
        medvl_picture_release(&before);
        medvl_picture_release(&after);
    }
    for (int k = 0; k < MEDVL_ANOMALY_KINDS; k++)
        assert_true(seen[k] > 0);
}

static void the_same_stream_gives_the_same_bytes(void **state)
{
    (void)state;
    for (unsigned kind = 0; kind < MEDVL_ANOMALY_KINDS; kind++) {
        struct medvl_picture p[3];
        struct medvl_mask mask[3] = {{0}};
        int drawn;

        for (int i = 0; i < 3; i++) {
            struct medvl_rng rng = stream(i < 2 ? 7 : 8);

            p[i] = body(90, 120, 1);
            CHECK_OK(medvl_anomaly_make(&p[i], &mask[i], &drawn, 1u << kind,
                                        &rng, &err),
                     &err);
            assert_int_equal(drawn, kind);
        }
        assert_memory_equal(p[0].data, p[1].data, 90 * 120);
        assert_memory_equal(mask[0].data, mask[1].data, 90 * 120);
        assert_memory_not_equal(p[0].data, p[2].data, 90 * 120);
        for (int i = 0; i < 3; i++) {
            medvl_picture_release(&p[i]);
            medvl_mask_release(&mask[i]);
        }
    }
}

/* On a ramp a pixel's level says where it comes from. */
static void a_source_spreads_and_a_sink_draws_in(void **state)
{
    (void)state;
    for (unsigned kind = 2; kind < 4; kind++)
        for (uint64_t item = 0; item < 10; item++) {
            struct medvl_picture p = {0};
            struct medvl_rng rng = stream(item);
            struct medvl_mask mask = {0};
            double u = 0, v = 0, old = 0, new = 0;
            int drawn;

            CHECK_OK(medvl_picture_make(&p, 200, 200, 1, 8, &err), &err);
            for (int i = 0; i < 200 * 200; i++)
                ((uint8_t *)p.data)[i] = (uint8_t)(i % 200);
            CHECK_OK(medvl_anomaly_make(&p, &mask, &drawn, 1u << kind, &rng,
                                        &err),
                     &err);
            for (int i = 0; i < 200 * 200; i++)
                if (mask.data[i]) {
                    const int level = ((uint8_t *)p.data)[i];

                    u += 1;
                    v += i % 200;
                    assert_true(level < 200);
                }
            v /= u; /* about the middle */
            for (int i = 0; i < 200 * 200; i++)
                if (mask.data[i]) {
                    old += fabs(i % 200 - v);
                    new += fabs(((uint8_t *)p.data)[i] - v);
                }
            assert_true(kind == 2 ? new < 0.9 * old : new > 1.1 * old);
            medvl_picture_release(&p);
            medvl_mask_release(&mask);
        }
}

static void a_gaussian_goes_one_way_and_no_further_than_said(void **state)
{
    (void)state;
    for (uint64_t item = 0; item < 20; item++) {
        struct medvl_picture before = body(100, 100, 1);
        struct medvl_picture after = body(100, 100, 1);
        struct medvl_rng rng = stream(item);
        struct medvl_mask mask = {0};
        int drawn, low = 0, high = 0;

        CHECK_OK(medvl_anomaly_make(&after, &mask, &drawn, 2, &rng, &err),
                 &err);
        for (int i = 0; i < 100 * 100; i++) {
            const int by =
                ((uint8_t *)after.data)[i] - ((uint8_t *)before.data)[i];

            low = by < low ? by : low;
            high = by > high ? by : high;
        }
        assert_true(low == 0 || high == 0);
        assert_true(low >= -154 && high <= 154);
        medvl_mask_release(&mask);
        medvl_picture_release(&before);
        medvl_picture_release(&after);
    }
}

static void what_would_not_be_seen_is_refused(void **state)
{
    struct medvl_picture p = {0}, same = {0};
    struct medvl_rng rng = stream(1);
    struct medvl_mask mask = {0};
    int kind;

    (void)state;
    CHECK_OK(medvl_picture_make(&p, 50, 50, 1, 8, &err), &err);
    CHECK_FAILS(medvl_anomaly_make(&p, &mask, &kind, 15, &rng, &err),
                MEDVL_EARG, &err, "background");
    for (int y = 10; y < 40; y++)
        memset((uint8_t *)p.data + 50 * y + 10, 99, 30);
    CHECK_OK(medvl_picture_make(&same, 50, 50, 1, 8, &err), &err);
    memcpy(same.data, p.data, 2500);
    CHECK_OK(medvl_anomaly_make(&p, &mask, &kind, 2, &rng, &err), &err);
    medvl_mask_release(&mask);
    medvl_picture_release(&p);
    medvl_picture_release(&same);
    CHECK_OK(medvl_picture_make(&p, 50, 50, 1, 8, &err), &err);
    memset(p.data, 99, 2500);
    ((uint8_t *)p.data)[1275] = 180; /* the content, and all the same */
    CHECK_FAILS(medvl_anomaly_make(&p, &mask, &kind, 4, &rng, &err),
                MEDVL_EARG, &err, "source");
    assert_int_equal(((uint8_t *)p.data)[1275], 180);
    assert_null(mask.data);
    medvl_picture_release(&p);
    CHECK_OK(medvl_picture_make(&p, 50, 50, 1, 16, &err), &err);
    CHECK_FAILS(medvl_anomaly_make(&p, &mask, &kind, 4, &rng, &err),
                MEDVL_EARG, &err, "window");
    medvl_picture_release(&p);
}

static void small_and_narrow_pictures_are_fine(void **state)
{
    static const int SIZES[][2] = {{1, 2}, {2, 2}, {1, 300}, {400, 3}};

    (void)state;
    for (size_t i = 0; i < sizeof(SIZES) / sizeof(*SIZES); i++)
        for (uint64_t item = 0; item < 20; item++) {
            struct medvl_rng rng = stream(item);
            struct medvl_picture p = {0};
            struct medvl_mask mask = {0};
            int kind;

            CHECK_OK(medvl_picture_make(&p, SIZES[i][0], SIZES[i][1], 3, 8,
                                        &err),
                     &err);
            for (size_t k = 0; k < medvl_picture_bytes(&p); k++)
                ((uint8_t *)p.data)[k] = (uint8_t)(k * 91);
            if (medvl_anomaly_make(&p, &mask, &kind, 15, &rng, &err) >= 0)
                assert_true(medvl_mask_area(&mask) >= 1);
            else
                assert_non_null(strstr(err.text, "even"));
            medvl_mask_release(&mask);
            medvl_picture_release(&p);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_option_names_kinds_and_a_share),
        cmocka_unit_test(only_the_mask_changes_and_it_lies_on_content),
        cmocka_unit_test(the_same_stream_gives_the_same_bytes),
        cmocka_unit_test(a_source_spreads_and_a_sink_draws_in),
        cmocka_unit_test(a_gaussian_goes_one_way_and_no_further_than_said),
        cmocka_unit_test(what_would_not_be_seen_is_refused),
        cmocka_unit_test(small_and_narrow_pictures_are_fine),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
