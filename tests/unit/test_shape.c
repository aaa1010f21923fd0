/*
 * Shapes that follow a picture: transform then measure equals measure then
 * transform, to the pixel rule of medvl-record(5), for random shapes under
 * random steps.
 */
#include "tests/unit/check.h"

#include "lib/base/rng.h"
#include "lib/image/resize.h"
#include "lib/image/shape.h"

#define CASES 300

static struct medvl_error err;
static struct medvl_rng rng;

static int64_t lot(int64_t low, int64_t high)
{
    return low + (int64_t)(medvl_rng_unit(&rng) * (double)(high - low + 1));
}

static int setup(void **state)
{
    (void)state;
    medvl_rng_init(&rng, 11, MEDVL_PURPOSE_AUGMENT, 0);
    return 0;
}

/* ---- steps ------------------------------------------------------------- */

static struct medvl_steps begin(int64_t width, int64_t height)
{
    return (struct medvl_steps){.width = width, .height = height};
}

/* The size after the steps so far. */
static void size_of(const struct medvl_steps *s, int64_t *w, int64_t *h)
{
    *w = s->count ? s->at[s->count - 1].width : s->width;
    *h = s->count ? s->at[s->count - 1].height : s->height;
}

/* A crop where (x, y) is inside, a pad where it is negative. */
static void cut(struct medvl_steps *s, int64_t x, int64_t y, int64_t w,
                int64_t h)
{
    const struct medvl_affine map = {{1, 0, (double)-x, 0, 1, (double)-y}};

    medvl_steps_add(s, &map, w, h);
}

static void flip(struct medvl_steps *s, bool across, bool down)
{
    int64_t w, h;

    size_of(s, &w, &h);
    const struct medvl_affine map = {{across ? -1 : 1, 0,
                                      across ? (double)w : 0, 0,
                                      down ? -1 : 1, down ? (double)h : 0}};

    medvl_steps_add(s, &map, w, h);
}

static void scale(struct medvl_steps *s, int64_t width, int64_t height)
{
    int64_t w, h;

    size_of(s, &w, &h);
    const struct medvl_affine map = {{(double)width / (double)w, 0, 0, 0,
                                      (double)height / (double)h, 0}};

    medvl_steps_add(s, &map, width, height);
}

static void turn(struct medvl_steps *s, double angle)
{
    int64_t w, h;

    size_of(s, &w, &h);
    const double c = cos(angle), n = sin(angle);
    const double x = (double)w / 2, y = (double)h / 2;
    const struct medvl_affine map = {
        {c, -n, x - c * x + n * y, n, c, y - n * x - c * y}};

    medvl_steps_add(s, &map, w, h);
}

/* Whole pixels move, none is lost: pads and flips. */
static void whole_step(struct medvl_steps *s)
{
    int64_t w, h;

    size_of(s, &w, &h);
    if (lot(0, 1))
        flip(s, lot(0, 1), lot(0, 1));
    else
        cut(s, lot(-9, 0), lot(-9, 0), w + lot(9, 18), h + lot(9, 18));
}

/* A crop that may cut the shape. */
static void crop_step(struct medvl_steps *s)
{
    int64_t w, h;

    size_of(s, &w, &h);
    const int64_t x = lot(0, w - 1), y = lot(0, h - 1);

    cut(s, x, y, lot(1, w - x), lot(1, h - y));
}

/* ---- shapes ------------------------------------------------------------ */

static void make_mask(struct medvl_mask *m, int64_t w, int64_t h,
                      int64_t block)
{
    const double share = medvl_rng_unit(&rng) * 0.4;

    CHECK_OK(medvl_mask_make(m, w, h, &err), &err);
    for (int64_t y = 0; y < h; y += block)
        for (int64_t x = 0; x < w; x += block)
            if (medvl_rng_unit(&rng) < share || (x == 0 && y == h / 2))
                for (int64_t v = y; v < y + block && v < h; v++)
                    for (int64_t u = x; u < x + block && u < w; u++)
                        m->data[v * w + u] = 1;
    m->data[h / 2 * w + w / 2] = 1;
}

static void make_block(struct medvl_mask *m, int64_t w, int64_t h)
{
    const int64_t x = lot(0, w - 1), y = lot(0, h - 1);
    const int64_t x1 = lot(x + 1, w), y1 = lot(y + 1, h);

    CHECK_OK(medvl_mask_make(m, w, h, &err), &err);
    for (int64_t v = y; v < y1; v++)
        for (int64_t u = x; u < x1; u++)
            m->data[v * w + u] = 1;
}

static void copy_mask(struct medvl_mask *to, const struct medvl_mask *from)
{
    CHECK_OK(medvl_mask_make(to, from->width, from->height, &err), &err);
    memcpy(to->data, from->data, (size_t)(from->width * from->height));
}

/* Places of odd 64ths: exact in a double, and no centre is on a line. */
static void make_polygons(struct medvl_polygons *p, int64_t w, int64_t h)
{
    for (int64_t n = lot(1, 2); n > 0; n--) {
        for (int64_t k = lot(3, 7); k > 0; k--)
            CHECK_OK(medvl_places_add(&p->places,
                                      (double)(2 * lot(0, 32 * w - 1) + 1) /
                                          64,
                                      (double)(2 * lot(0, 32 * h - 1) + 1) /
                                          64,
                                      &err),
                     &err);
        CHECK_OK(medvl_polygons_end(p, &err), &err);
    }
}

static void copy_polygons(struct medvl_polygons *to,
                          const struct medvl_polygons *from)
{
    size_t start = 0;

    for (size_t i = 0; i < from->count; i++) {
        for (; start < from->ends[i]; start++)
            CHECK_OK(medvl_places_add(&to->places,
                                      from->places.xy[2 * start],
                                      from->places.xy[2 * start + 1], &err),
                     &err);
        CHECK_OK(medvl_polygons_end(to, &err), &err);
    }
}

/* Move a mask; what it holds becomes what it is. */
static int move_mask(struct medvl_mask *mask, const struct medvl_steps *s)
{
    struct medvl_shape shape = {.mask = *mask};
    const int left = medvl_shape_move(&shape, s, &err);

    CHECK_OK(left, &err);
    *mask = shape.mask;
    return left;
}

static int move_box(struct medvl_box *box, const struct medvl_steps *s)
{
    struct medvl_shape shape = {.has_box = true, .box = *box};
    const int left = medvl_shape_move(&shape, s, &err);

    *box = shape.box;
    return left;
}

static void same_box(const struct medvl_box *a, const struct medvl_box *b,
                     double most)
{
    CHECK_CLOSE(a->x0, b->x0, most);
    CHECK_CLOSE(a->y0, b->y0, most);
    CHECK_CLOSE(a->x1, b->x1, most);
    CHECK_CLOSE(a->y1, b->y1, most);
}

static void is_inside(const struct medvl_box *a, const struct medvl_box *b,
                      double most)
{
    assert_true(a->x0 >= b->x0 - most && a->y0 >= b->y0 - most);
    assert_true(a->x1 <= b->x1 + most && a->y1 <= b->y1 + most);
}

/* ---- boxes of masks ---------------------------------------------------- */

static void pads_and_flips_keep_the_masks_box_exactly(void **state)
{
    (void)state;
    for (int n = 0; n < CASES; n++) {
        struct medvl_steps s = begin(lot(1, 20), lot(1, 20));
        struct medvl_mask mask = {0};
        struct medvl_box moved, box;
        int64_t area;

        make_mask(&mask, s.width, s.height, 1);
        area = medvl_mask_area(&mask);
        assert_true(medvl_mask_box(&moved, &mask));
        for (int64_t k = lot(1, MEDVL_STEPS); k > 0; k--)
            whole_step(&s);
        assert_int_equal(move_box(&moved, &s), 1);
        assert_int_equal(move_mask(&mask, &s), 1);
        assert_true(medvl_mask_box(&box, &mask));
        same_box(&box, &moved, 0);
        assert_int_equal(medvl_mask_area(&mask), area);
        medvl_mask_release(&mask);
    }
}

static void crops_keep_the_box_of_what_they_leave(void **state)
{
    (void)state;
    for (int n = 0; n < CASES; n++) {
        struct medvl_steps s = begin(lot(1, 20), lot(1, 20));
        struct medvl_mask mask = {0}, block = {0};
        struct medvl_box moved, box;

        make_mask(&mask, s.width, s.height, 1);
        make_block(&block, s.width, s.height);
        for (int64_t k = lot(1, 4); k > 0; k--) {
            crop_step(&s);
            whole_step(&s);
        }
        assert_true(medvl_mask_box(&moved, &block));
        assert_int_equal(move_box(&moved, &s), move_mask(&block, &s));
        if (medvl_mask_box(&box, &block))
            same_box(&box, &moved, 0);
        assert_true(medvl_mask_box(&moved, &mask));
        if (move_mask(&mask, &s)) {
            assert_int_equal(move_box(&moved, &s), 1);
            assert_true(medvl_mask_box(&box, &mask));
            is_inside(&box, &moved, 0);
        }
        medvl_mask_release(&mask);
        medvl_mask_release(&block);
    }
}

static void resizing_keeps_each_side_within_half_a_pixel(void **state)
{
    (void)state;
    for (int n = 0; n < CASES; n++) {
        const int64_t block = lot(1, 4);
        struct medvl_steps s = begin(block * lot(1, 9), block * lot(1, 9));
        struct medvl_mask mask = {0};
        struct medvl_box moved, box;

        /* parts of `block` pixels, shrunk to no less than one */
        CHECK_OK(medvl_mask_make(&mask, s.width, s.height, &err), &err);
        for (int64_t k = lot(1, 6); k > 0; k--) {
            const int64_t x = lot(0, s.width - block);
            const int64_t y = lot(0, s.height - block);

            for (int64_t i = 0; i < block * block; i++)
                mask.data[(y + i / block) * s.width + x + i % block] = 1;
        }
        flip(&s, lot(0, 1), lot(0, 1));
        scale(&s, lot(s.width / block, 50), lot(s.height / block, 50));
        whole_step(&s);
        assert_true(medvl_mask_box(&moved, &mask));
        assert_int_equal(move_box(&moved, &s), 1);
        assert_int_equal(move_mask(&mask, &s), 1);
        assert_true(medvl_mask_box(&box, &mask));
        same_box(&box, &moved, 0.5 + 1e-6);
        medvl_mask_release(&mask);
    }
}

static void thin_parts_may_go_but_nothing_grows(void **state)
{
    (void)state;
    for (int n = 0; n < CASES; n++) {
        struct medvl_steps s = begin(lot(1, 40), lot(1, 40));
        struct medvl_mask mask = {0};
        struct medvl_box moved, box;

        make_mask(&mask, s.width, s.height, 1);
        crop_step(&s);
        scale(&s, lot(1, 40), lot(1, 40));
        assert_true(medvl_mask_box(&moved, &mask));
        if (move_mask(&mask, &s)) {
            assert_int_equal(move_box(&moved, &s), 1);
            assert_true(medvl_mask_box(&box, &mask));
            /* the pixel kept of a mask that fell between centres may reach
               as far as one pixel beyond its middle */
            is_inside(&box, &moved,
                      medvl_mask_area(&mask) > 1 ? 0.5 + 1e-6 : 1);
        }
        medvl_mask_release(&mask);
    }
}

static void a_mask_that_is_inside_is_never_lost(void **state)
{
    int kept = 0;

    (void)state;
    for (int n = 0; n < CASES; n++) {
        struct medvl_steps s = begin(lot(8, 60), lot(8, 60));
        struct medvl_mask mask = {0};
        const int64_t x = lot(0, s.width - 1), y = lot(0, s.height - 1);
        double m[2];

        CHECK_OK(medvl_mask_make(&mask, s.width, s.height, &err), &err);
        mask.data[y * s.width + x] = 1;
        scale(&s, lot(1, 8), lot(1, 8));
        assert_int_equal(move_mask(&mask, &s), 1);
        assert_true(medvl_mask_area(&mask) >= 1);
        m[0] = ((double)x + 0.5) * s.at[0].map.m[0];
        m[1] = ((double)y + 0.5) * s.at[0].map.m[4];
        if (medvl_mask_area(&mask) == 1) {
            assert_int_equal(
                mask.data[(int64_t)(m[1] + 1e-9) * mask.width +
                          (int64_t)(m[0] + 1e-9)],
                1);
            kept++;
        }
        medvl_mask_release(&mask);
    }
    assert_true(kept > CASES / 2);
}

static void areas_grow_as_the_picture_does(void **state)
{
    (void)state;
    for (int n = 0; n < CASES; n++) {
        struct medvl_steps s = begin(lot(1, 20), lot(1, 20)), t;
        const int64_t kx = lot(1, 4), ky = lot(1, 4);
        struct medvl_mask mask = {0}, block = {0};
        struct medvl_box b;
        double w, h;
        int64_t area;

        make_mask(&mask, s.width, s.height, 1);
        make_block(&block, s.width, s.height);
        t = s;
        area = medvl_mask_area(&mask);
        scale(&s, s.width * kx, s.height * ky);
        assert_int_equal(move_mask(&mask, &s), 1);
        assert_int_equal(medvl_mask_area(&mask), area * kx * ky);
        scale(&t, lot(1, 50), lot(1, 50));
        assert_true(medvl_mask_box(&b, &block));
        w = (b.x1 - b.x0) * t.at[0].map.m[0];
        h = (b.y1 - b.y0) * t.at[0].map.m[4];
        assert_int_equal(move_mask(&block, &t), 1);
        area = medvl_mask_area(&block);
        assert_true((double)area < (w + 1) * (h + 1) + 1e-6);
        assert_true((double)area > fmax(w - 1, 0) * fmax(h - 1, 0) - 1e-6);
        medvl_mask_release(&mask);
        medvl_mask_release(&block);
    }
}

/* ---- steps that undo each other ---------------------------------------- */

static void flips_are_their_own_reverse(void **state)
{
    (void)state;
    for (int n = 0; n < CASES; n++) {
        struct medvl_steps s = begin(lot(1, 30), lot(1, 30)), once;
        const bool across = lot(0, 1), down = lot(0, 1);
        struct medvl_shape a = {.has_box = true, .has_point = true};
        struct medvl_mask before = {0};
        struct medvl_polygons lines = {0};
        int64_t x = lot(0, s.width), y = lot(0, s.height);

        a.point[0] = (double)x;
        a.point[1] = (double)y;
        make_mask(&a.mask, s.width, s.height, 1);
        copy_mask(&before, &a.mask);
        make_polygons(&a.polygons, s.width, s.height);
        copy_polygons(&lines, &a.polygons);
        flip(&s, across, down);
        once = s;
        assert_int_equal(medvl_shape_move(&a, &once, &err), 1);
        for (int64_t i = 0; i < s.width * s.height; i++) {
            const int64_t u = i % s.width, v = i / s.width;

            assert_int_equal(a.mask.data[i],
                             before.data[(down ? s.height - 1 - v : v) *
                                             s.width +
                                         (across ? s.width - 1 - u : u)]);
        }
        assert_int_equal(medvl_shape_move(&a, &once, &err), 1);
        assert_memory_equal(a.mask.data, before.data,
                            (size_t)(s.width * s.height));
        assert_int_equal(a.polygons.places.count, lines.places.count);
        assert_memory_equal(a.polygons.places.xy, lines.places.xy,
                            lines.places.count * 2 * sizeof(double));
        assert_true(a.point[0] == (double)x && a.point[1] == (double)y);
        medvl_mask_release(&before);
        medvl_polygons_release(&lines);
        medvl_shape_release(&a);
    }
}

static void what_a_crop_cuts_off_does_not_come_back(void **state)
{
    (void)state;
    for (int n = 0; n < CASES; n++) {
        struct medvl_steps s = begin(lot(2, 20), lot(2, 20));
        struct medvl_mask mask = {0}, before = {0};
        struct medvl_box box = {0, 0, (double)s.width, (double)s.height};
        const int64_t x = lot(0, s.width - 1), y = lot(0, s.height - 1);
        const int64_t w = lot(1, s.width - x), h = lot(1, s.height - y);

        make_mask(&mask, s.width, s.height, 1);
        copy_mask(&before, &mask);
        cut(&s, x, y, w, h);
        cut(&s, -x, -y, s.width, s.height);
        assert_false(medvl_steps_still(&s));
        (void)move_mask(&mask, &s);
        for (int64_t i = 0; i < s.width * s.height; i++) {
            const int64_t u = i % s.width, v = i / s.width;
            const bool in = u >= x && v >= y && u < x + w && v < y + h;

            assert_int_equal(mask.data[i], in ? before.data[i] : 0);
        }
        assert_int_equal(move_box(&box, &s), 1);
        same_box(&box,
                 &(struct medvl_box){(double)x, (double)y, (double)(x + w),
                                     (double)(y + h)},
                 0);
        medvl_mask_release(&mask);
        medvl_mask_release(&before);
    }
}

static void tiles_hold_the_whole_between_them(void **state)
{
    (void)state;
    for (int n = 0; n < CASES / 4; n++) {
        const int64_t w = lot(1, 30), h = lot(1, 30), side = lot(3, 12);
        struct medvl_box sum = {INFINITY, INFINITY, -INFINITY, -INFINITY};
        struct medvl_mask mask = {0};
        struct medvl_box whole;
        int64_t area = 0;

        make_mask(&mask, w, h, 1);
        assert_true(medvl_mask_box(&whole, &mask));
        for (int64_t y = 0; y < h; y += side)
            for (int64_t x = 0; x < w; x += side) {
                struct medvl_steps s = begin(w, h);
                struct medvl_mask part = {0};
                struct medvl_box box = whole, own;

                cut(&s, x, y, side < w - x ? side : w - x,
                    side < h - y ? side : h - y);
                copy_mask(&part, &mask);
                if (move_mask(&part, &s)) {
                    assert_int_equal(move_box(&box, &s), 1);
                    assert_true(medvl_mask_box(&own, &part));
                    is_inside(&own, &box, 0);
                    area += medvl_mask_area(&part);
                    sum.x0 = fmin(sum.x0, own.x0 + (double)x);
                    sum.y0 = fmin(sum.y0, own.y0 + (double)y);
                    sum.x1 = fmax(sum.x1, own.x1 + (double)x);
                    sum.y1 = fmax(sum.y1, own.y1 + (double)y);
                }
                medvl_mask_release(&part);
            }
        same_box(&sum, &whole, 0);
        assert_int_equal(area, medvl_mask_area(&mask));
        medvl_mask_release(&mask);
    }
}

/* ---- polygons and points ----------------------------------------------- */

static double distance(double x, double y, const double *a, const double *b)
{
    const double dx = b[0] - a[0], dy = b[1] - a[1];
    double t = ((x - a[0]) * dx + (y - a[1]) * dy) / (dx * dx + dy * dy);

    t = !(t > 0) ? 0 : t > 1 ? 1
                             : t;
    return hypot(x - a[0] - t * dx, y - a[1] - t * dy);
}

/* From a place to the nearest line of the polygons. */
static double nearest(const struct medvl_polygons *p, double x, double y)
{
    double best = INFINITY;
    size_t start = 0;

    for (size_t i = 0; i < p->count; i++) {
        const size_t count = p->ends[i] - start;
        const double *xy = p->places.xy + 2 * start;

        for (size_t k = 0; k < count; k++)
            best = fmin(best, distance(x, y, xy + 2 * k,
                                       xy + 2 * (k + 1 < count ? k + 1 : 0)));
        start = p->ends[i];
    }
    return best;
}

static void fill(struct medvl_mask *mask, const struct medvl_polygons *p,
                 int64_t w, int64_t h)
{
    CHECK_OK(medvl_mask_make(mask, w, h, &err), &err);
    CHECK_OK(medvl_polygons_fill(mask, p, &err), &err);
}

static void polygons_filled_and_moved_are_polygons_moved_and_filled(void **st)
{
    (void)st;
    for (int n = 0; n < CASES; n++) {
        struct medvl_steps s = begin(lot(1, 25), lot(1, 25));
        struct medvl_shape shape = {0};
        struct medvl_polygons before = {0};
        struct medvl_mask first = {0}, last = {0};
        const bool scaled = n % 2;
        int64_t w, h;

        make_polygons(&shape.polygons, s.width, s.height);
        copy_polygons(&before, &shape.polygons);
        fill(&first, &before, s.width, s.height);
        whole_step(&s);
        crop_step(&s);
        if (scaled)
            scale(&s, lot(1, 40), lot(1, 40));
        whole_step(&s);
        size_of(&s, &w, &h);
        (void)move_mask(&first, &s);
        CHECK_OK(medvl_shape_move(&shape, &s, &err), &err);
        fill(&last, &shape.polygons, w, h);
        for (int64_t i = 0; i < w * h; i++) {
            const struct medvl_affine map = medvl_steps_map(&s);
            const double x = (double)(i % w) + 0.5, y = (double)(i / w) + 0.5;

            if (first.data[i] == last.data[i])
                continue;
            if (!scaled) {
                fail_msg("case %d: pixel %g, %g", n, x, y);
            } else {
                /* the old pixel that holds the place is cut by a line, or
                   it is the one pixel kept */
                const double u = (x - map.m[2]) / map.m[0];
                const double v = (y - map.m[5]) / map.m[4];

                assert_true(nearest(&before, u, v) <= sqrt(0.5) + 1e-6 ||
                            medvl_mask_area(&first) == 1);
            }
        }
        medvl_mask_release(&first);
        medvl_mask_release(&last);
        medvl_polygons_release(&before);
        medvl_shape_release(&shape);
    }
}

static void polygons_and_their_boxes_move_alike(void **state)
{
    (void)state;
    for (int n = 0; n < CASES; n++) {
        struct medvl_steps s = begin(lot(1, 25), lot(1, 25)), t = s;
        struct medvl_shape shape = {.has_box = true};
        struct medvl_box box;

        make_polygons(&shape.polygons, s.width, s.height);
        assert_true(medvl_places_box(&box, &shape.polygons.places));
        whole_step(&s);
        scale(&s, lot(1, 40), lot(1, 40));
        whole_step(&s);
        assert_int_equal(medvl_shape_move(&shape, &s, &err), 1);
        assert_int_equal(move_box(&box, &s), 1);
        same_box(&shape.box, &box, 1e-9);
        medvl_shape_release(&shape);
        /* and where a crop cuts, the box is of what is left */
        shape.has_box = true;
        make_polygons(&shape.polygons, t.width, t.height);
        assert_true(medvl_places_box(&box, &shape.polygons.places));
        crop_step(&t);
        if (medvl_shape_move(&shape, &t, &err)) {
            assert_int_equal(move_box(&box, &t), 1);
            is_inside(&shape.box, &box, 1e-9);
        }
        medvl_shape_release(&shape);
    }
}

static void points_stay_in_the_boxes_that_they_are_in(void **state)
{
    int lost = 0;

    (void)state;
    for (int n = 0; n < CASES; n++) {
        struct medvl_steps s = begin(lot(4, 25), lot(4, 25));
        struct medvl_shape shape = {.has_box = true, .has_point = true};
        const double x0 = (double)lot(0, s.width - 1);
        const double y0 = (double)lot(0, s.height - 1);
        const double x = x0 + medvl_rng_unit(&rng);
        const double y = y0 + medvl_rng_unit(&rng);
        struct medvl_box box;

        shape.box = (struct medvl_box){x0, y0, x0 + 1, y0 + 1};
        shape.point[0] = x;
        shape.point[1] = y;
        CHECK_OK(medvl_places_add(&shape.points, x, y, &err), &err);
        turn(&s, medvl_rng_unit(&rng) - 0.5);
        whole_step(&s);
        crop_step(&s);
        scale(&s, lot(1, 40), lot(1, 40));
        if (medvl_shape_move(&shape, &s, &err) && shape.has_point) {
            box = shape.box;
            assert_true(shape.point[0] >= box.x0 - 1e-9 &&
                        shape.point[0] <= box.x1 + 1e-9);
            assert_true(shape.point[1] >= box.y0 - 1e-9 &&
                        shape.point[1] <= box.y1 + 1e-9);
            assert_int_equal(shape.points.count, 1);
            assert_true(shape.points.xy[0] == shape.point[0]);
        } else {
            assert_int_equal(shape.points.count, 0);
            lost++;
        }
        medvl_shape_release(&shape);
    }
    assert_true(lost > 0 && lost < CASES);
}

static void a_turned_mask_stays_in_the_box_around_its_box(void **state)
{
    (void)state;
    for (int n = 0; n < CASES; n++) {
        struct medvl_steps s = begin(lot(8, 40), lot(8, 40));
        struct medvl_mask mask = {0};
        struct medvl_box moved, box;

        make_block(&mask, s.width, s.height);
        turn(&s, 6.4 * medvl_rng_unit(&rng));
        assert_true(medvl_mask_box(&moved, &mask));
        if (move_mask(&mask, &s)) {
            assert_int_equal(move_box(&moved, &s), 1);
            assert_true(medvl_mask_box(&box, &mask));
            is_inside(&box, &moved, medvl_mask_area(&mask) > 1 ? 0.501 : 1);
        }
        medvl_mask_release(&mask);
    }
}

/* ---- the picture itself ------------------------------------------------ */

/* The rows and columns of a grey picture that are more white than black. */
static bool white_box(struct medvl_box *box, const struct medvl_picture *p)
{
    struct medvl_mask mask = {0};
    bool any;

    CHECK_OK(medvl_mask_make(&mask, p->width, p->height, &err), &err);
    for (int64_t i = 0; i < p->width * p->height; i++)
        mask.data[i] = ((const uint8_t *)p->data)[i] > 127;
    any = medvl_mask_box(box, &mask);
    medvl_mask_release(&mask);
    return any;
}

/*
 * A white block in a black picture, resized as a processor does: where the
 * picture shows it is where mask, box and polygon are.
 */
static void pictures_and_regions_arrive_at_the_same_place(void **state)
{
    const uint8_t black[3] = {0, 0, 0};
    int seen = 0;

    (void)state;
    for (int n = 0; n < CASES; n++) {
        struct medvl_steps s = begin(lot(8, 60), lot(8, 60));
        const int64_t w = lot(8, 60), h = lot(8, 60);
        struct medvl_shape shape = {.has_box = true};
        struct medvl_picture in = {0}, out = {0};
        struct medvl_placement at;
        struct medvl_box box, own;

        make_block(&shape.mask, s.width, s.height);
        assert_true(medvl_mask_box(&box, &shape.mask));
        CHECK_OK(medvl_picture_make(&in, s.width, s.height, 1, 8, &err),
                 &err);
        for (int64_t i = 0; i < s.width * s.height; i++)
            ((uint8_t *)in.data)[i] = shape.mask.data[i] ? 255 : 0;
        CHECK_OK(medvl_picture_fit(&out, &in, w, h, (enum medvl_fit)(n % 3),
                                   MEDVL_FILTER_BILINEAR, black, 0, &at,
                                   &err),
                 &err);
        const struct medvl_affine map = {
            {at.scale_x, 0, at.x0, 0, at.scale_y, at.y0}};

        medvl_steps_add(&s, &map, w, h);
        if (medvl_shape_move(&shape, &s, &err) && move_box(&box, &s) &&
            box.x1 - box.x0 > 2 && box.y1 - box.y0 > 2 &&
            white_box(&own, &out)) {
            same_box(&shape.box, &own, 1);
            same_box(&box, &own, 1);
            seen++;
        }
        medvl_picture_release(&in);
        medvl_picture_release(&out);
        medvl_shape_release(&shape);
    }
    assert_true(seen > CASES / 2);
}

/* ---- one by one -------------------------------------------------------- */

static void a_mask_of_another_size_is_an_error(void **state)
{
    struct medvl_steps s = begin(8, 6);
    struct medvl_shape shape = {0};
    struct medvl_mask mask = {0};

    (void)state;
    CHECK_OK(medvl_mask_make(&shape.mask, 8, 7, &err), &err);
    CHECK_OK(medvl_mask_make(&mask, 8, 6, &err), &err);
    flip(&s, true, false);
    CHECK_FAILS(medvl_shape_move(&shape, &s, &err), MEDVL_EARG, &err,
                "8 x 7 on a picture of 8 x 6");
    CHECK_FAILS(medvl_shape_fill(&mask, &shape, &err), MEDVL_EARG, &err,
                "8 x 7 on a picture of 8 x 6");
    medvl_shape_release(&shape);
    shape.has_point = true;
    CHECK_FAILS(medvl_shape_fill(&mask, &shape, &err), MEDVL_EARG, &err,
                "no inside");
    medvl_mask_release(&mask);
}

static void the_mask_says_what_the_box_is_then_the_polygons(void **state)
{
    struct medvl_steps s = begin(8, 6);
    struct medvl_shape shape = {.has_box = true, .box = {1, 1, 7, 5}};
    struct medvl_box box;

    (void)state;
    assert_true(medvl_shape_box(&box, &shape));
    same_box(&box, &shape.box, 0);
    for (int i = 0; i < 3; i++)
        CHECK_OK(medvl_places_add(&shape.polygons.places, i, 2.0 * i * i / 4,
                                  &err),
                 &err);
    CHECK_OK(medvl_polygons_end(&shape.polygons, &err), &err);
    assert_true(medvl_shape_box(&box, &shape));
    same_box(&box, &(struct medvl_box){0, 0, 2, 2}, 0);
    CHECK_OK(medvl_mask_make(&shape.mask, 8, 6, &err), &err);
    shape.mask.data[8 + 3] = 1;
    cut(&s, 1, 1, 5, 5);
    assert_int_equal(medvl_shape_move(&shape, &s, &err), 1);
    same_box(&shape.box, &(struct medvl_box){2, 0, 3, 1}, 0);
    cut(&s, 0, 1, 5, 4);
    s.width = s.height = 5;
    s.at[0] = s.at[1];
    s.count = 1;
    assert_int_equal(medvl_shape_move(&shape, &s, &err), 0);
    medvl_shape_release(&shape);
}

static void a_block_at_the_edge_keeps_its_column_and_row(void **state)
{
    static const int64_t SIZES[][3] = {
        {1001, 801, 8}, {1003, 799, 4}, {7, 5, 2}, {9, 8, 8}, {64, 64, 8}};

    (void)state;
    for (size_t i = 0; i < sizeof(SIZES) / sizeof(*SIZES); i++) {
        const int64_t w = SIZES[i][0], h = SIZES[i][1], n = SIZES[i][2];
        const struct medvl_affine shrunk = {
            {1.0 / (double)n, 0, 0, 0, 1.0 / (double)n, 0}};
        struct medvl_steps s = begin(w, h);
        struct medvl_shape shape = {0};

        s.blocks = true;
        medvl_steps_add(&s, &shrunk, (w + n - 1) / n, (h + n - 1) / n);
        scale(&s, 100, 100);
        CHECK_OK(medvl_mask_make(&shape.mask, w, h, &err), &err);
        memset(shape.mask.data, 1, (size_t)(w * h));
        assert_int_equal(medvl_shape_move(&shape, &s, &err), 1);
        assert_int_equal(medvl_mask_area(&shape.mask), 10000);
        medvl_shape_release(&shape);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pads_and_flips_keep_the_masks_box_exactly),
        cmocka_unit_test(crops_keep_the_box_of_what_they_leave),
        cmocka_unit_test(resizing_keeps_each_side_within_half_a_pixel),
        cmocka_unit_test(thin_parts_may_go_but_nothing_grows),
        cmocka_unit_test(a_mask_that_is_inside_is_never_lost),
        cmocka_unit_test(areas_grow_as_the_picture_does),
        cmocka_unit_test(flips_are_their_own_reverse),
        cmocka_unit_test(what_a_crop_cuts_off_does_not_come_back),
        cmocka_unit_test(tiles_hold_the_whole_between_them),
        cmocka_unit_test(
            polygons_filled_and_moved_are_polygons_moved_and_filled),
        cmocka_unit_test(polygons_and_their_boxes_move_alike),
        cmocka_unit_test(points_stay_in_the_boxes_that_they_are_in),
        cmocka_unit_test(a_turned_mask_stays_in_the_box_around_its_box),
        cmocka_unit_test(pictures_and_regions_arrive_at_the_same_place),
        cmocka_unit_test(a_mask_of_another_size_is_an_error),
        cmocka_unit_test(the_mask_says_what_the_box_is_then_the_polygons),
        cmocka_unit_test(a_block_at_the_edge_keeps_its_column_and_row),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
