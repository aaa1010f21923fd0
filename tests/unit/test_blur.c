/*
 * Gaussian blur: against the sum in double precision, at edges, and that
 * what is even stays so.
 */
#include "tests/unit/check.h"

#include "lib/base/rng.h"
#include "lib/image/blur.h"

static struct medvl_error err;

static struct medvl_picture noise(int64_t width, int64_t height, int channels)
{
    struct medvl_picture out = {0};
    struct medvl_rng rng;

    medvl_rng_init(&rng, 3, MEDVL_PURPOSE_TEST, (uint64_t)(width * height));
    CHECK_OK(medvl_picture_make(&out, width, height, channels, 8, &err),
             &err);
    for (size_t i = 0; i < medvl_picture_bytes(&out); i++)
        ((uint8_t *)out.data)[i] = (uint8_t)medvl_rng_u32(&rng);
    return out;
}

static int64_t inside(int64_t v, int64_t size)
{
    return v < 0 ? 0 : v < size ? v
                                : size - 1;
}

/* The double sum around one sample. */
static double exact(const struct medvl_picture *p, int64_t x, int64_t y,
                    int c, double sigma)
{
    const int64_t radius = (int64_t)ceil(3 * sigma);
    const uint8_t *data = p->data;
    double sum = 0, weights = 0;

    for (int64_t v = -radius; v <= radius; v++)
        for (int64_t u = -radius; u <= radius; u++) {
            const double w =
                exp(-0.5 * (double)(u * u + v * v) / (sigma * sigma));
            const int64_t at = inside(y + v, p->height) * p->width +
                               inside(x + u, p->width);

            sum += w * data[at * p->channels + c];
            weights += w;
        }
    return sum / weights;
}

static void it_is_the_gaussian_sum_within_one(void **state)
{
    static const struct {
        int64_t width, height;
        int channels;
        double sigma;
    } CASES[] = {
        {1, 1, 1, 1},
        {1, 9, 3, 2},
        {150, 1, 3, 1.5},
        {70, 11, 1, 0.4},
        {23, 65, 3, 3},
        {40, 31, 3, 12},
        {5, 4, 1, 50},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(*CASES); i++) {
        const double sigma = CASES[i].sigma;
        struct medvl_picture in = noise(CASES[i].width, CASES[i].height,
                                        CASES[i].channels);
        struct medvl_picture out = noise(CASES[i].width, CASES[i].height,
                                         CASES[i].channels);

        CHECK_OK(medvl_picture_blur(&out, sigma, &err), &err);
        for (int64_t y = 0; y < in.height; y += 3)
            for (int64_t x = 0; x < in.width; x++)
                for (int c = 0; c < in.channels; c++)
                    CHECK_CLOSE(((uint8_t *)out.data)[(y * in.width + x) *
                                                          in.channels +
                                                      c],
                                exact(&in, x, y, c, sigma), 1.1);
        medvl_picture_release(&in);
        medvl_picture_release(&out);
    }
}

static void an_even_picture_stays_as_it_is(void **state)
{
    static const double SIGMA[] = {0, 0.01, 0.3, 1, 7.7, 60, 200};

    (void)state;
    for (size_t i = 0; i < sizeof(SIGMA) / sizeof(*SIGMA); i++)
        for (int level = 0; level < 256; level += 51) {
            struct medvl_picture p = noise(9, 70, 3);
            const size_t size = medvl_picture_bytes(&p);

            memset(p.data, level, size);
            CHECK_OK(medvl_picture_blur(&p, SIGMA[i], &err), &err);
            for (size_t k = 0; k < size; k++)
                assert_int_equal(((uint8_t *)p.data)[k], level);
            medvl_picture_release(&p);
        }
}

static void what_it_cannot_do_is_refused(void **state)
{
    struct medvl_picture p = {0};

    (void)state;
    CHECK_OK(medvl_picture_make(&p, 4, 4, 1, 8, &err), &err);
    CHECK_FAILS(medvl_picture_blur(&p, -1, &err), MEDVL_EARG, &err, "blur");
    CHECK_FAILS(medvl_picture_blur(&p, 201, &err), MEDVL_EARG, &err, "blur");
    CHECK_FAILS(medvl_picture_blur(&p, (double)NAN, &err), MEDVL_EARG, &err,
                "blur");
    medvl_picture_release(&p);
    CHECK_OK(medvl_picture_make(&p, 4, 4, 1, 16, &err), &err);
    CHECK_FAILS(medvl_picture_blur(&p, 1, &err), MEDVL_EARG, &err, "window");
    medvl_picture_release(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_the_gaussian_sum_within_one),
        cmocka_unit_test(an_even_picture_stays_as_it_is),
        cmocka_unit_test(what_it_cannot_do_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
