/*
 * Layouts of data sets: small files made here, and the real ones.
 */
#include "tests/unit/check.h"

#include "lib/build/layout.h"
#include "lib/image/picture.h"

static struct medvl_error err;

struct seen {
    struct medvl_text all; /* records, one a line */
    char human[100];       /* of the last one */
    int count, bad;
};

static int put(void *arg, struct medvl_span json, const char *human,
               struct medvl_error *e)
{
    struct seen *seen = arg;

    seen->count++;
    snprintf(seen->human, sizeof(seen->human), "%s", human);
    CHECK_OK(medvl_json_check(json, e), e);
    CHECK_OK(medvl_text_append(&seen->all, json.data, json.size, e), e);
    CHECK_OK(medvl_text_putc(&seen->all, '\n', e), e);
    return MEDVL_OK;
}

static int bad(void *arg, struct medvl_error *e)
{
    ((struct seen *)arg)->bad++;
    return e->code;
}

static int read_layout(struct seen *seen, const char *layout,
                       const char *path, const char *out)
{
    struct medvl_layout_job job = {
        .path = path, .out = out, .put = put, .bad = bad, .arg = seen};

    medvl_text_release(&seen->all);
    *seen = (struct seen){0};
    return medvl_layout_find(layout)->read(&job, &err);
}

static void make_file(const char *path, const char *text, size_t size)
{
    CHECK_OK(medvl_file_write(path, text, size, &err), &err);
}

static void make_picture(const char *path)
{
    struct medvl_picture p = {0};

    CHECK_OK(medvl_picture_make(&p, 4, 3, 1, 8, &err), &err);
    CHECK_OK(medvl_picture_write(&p, path, NULL, &err), &err);
    medvl_picture_release(&p);
}

static bool holds(const struct seen *seen, const char *part)
{
    return strstr(seen->all.data, part) != NULL;
}

static void the_original_vqa_rad_array_is_read(void **state)
{
    static const char TEXT[] =
        "[{\"qid\":1,\"phrase_type\":\"test_freeform\",\"image_name\":"
        "\"synpic1.png\",\"image_organ\":\"HEAD\",\"question\":\" Size? \","
        "\"question_type\":\"SIZE\",\"answer\":4,\"answer_type\":\"OPEN \"},"
        "{\"qid\":\"2\",\"phrase_type\":\"para\",\"image_name\":"
        "\"synpic1.png\",\"question\":\"Is it?\",\"answer\":\"Yes\","
        "\"answer_type\":\"CLOSED\"}]";
    char *folder = check_temp("rad"), *path = check_temp("rad/p.json");
    char *images = check_temp("rad/VQA_RAD Image Folder");
    char *image = check_temp("rad/VQA_RAD Image Folder/synpic1.png");
    struct seen seen = {0};

    (void)state;
    CHECK_OK(medvl_folder_make(images, &err), &err);
    make_file(path, TEXT, sizeof(TEXT) - 1);
    make_picture(image);
    CHECK_OK(read_layout(&seen, "vqa-rad", path, NULL), &err);
    assert_int_equal(seen.count, 2);
    assert_string_equal(seen.human, "question answer");
    assert_true(holds(&seen, "\"id\":\"vqa_rad:1\""));
    assert_true(holds(&seen, "\"id\":\"vqa_rad:2\""));
    assert_true(holds(&seen, "\"question\":\"Size?\",\"answer\":\"4\","
                             "\"answer_type\":\"OPEN\""));
    assert_true(holds(&seen, "\"split\":\"test\",\"group\":\"synpic1\""));
    assert_true(holds(&seen, "\"split\":\"train\""));
    assert_true(holds(&seen, "\"width\":4,\"height\":3"));
    assert_true(holds(&seen, "\"body_part\":\"HEAD\""));
    CHECK_OK(medvl_path_remove(image, &err), &err);
    CHECK_FAILS(read_layout(&seen, "vqa-rad", path, NULL), MEDVL_EIO, &err,
                "p.json: element 1");
    assert_int_equal(seen.bad, 1);
    CHECK_OK(medvl_path_remove(folder, &err), &err);
    medvl_text_release(&seen.all);
    medvl_free(folder);
    medvl_free(path);
    medvl_free(images);
    medvl_free(image);
}

/* An npy file of uint8: version 1, its header padded to 64 bytes. */
static void make_npy(const char *path, const char *shape, size_t bytes)
{
    char text[400];
    int size = snprintf(text, sizeof(text),
                        "%cNUMPY%c%cv%c{'descr': '|u1', 'fortran_order': "
                        "False, 'shape': %s, }",
                        0x93, 1, 0, 0, shape);

    while ((size + 1) % 64)
        text[size++] = ' ';
    text[size++] = '\n';
    text[8] = (char)(size - 10);
    for (size_t i = 0; i < bytes; i++)
        text[size++] = (char)(i & 1);
    make_file(path, text, (size_t)size);
}

static void medmnist_arrays_become_pictures_and_choices(void **state)
{
    char *folder = check_temp("pneumoniamnist");
    char *x = check_temp("pneumoniamnist/val_images.npy");
    char *y = check_temp("pneumoniamnist/val_labels.npy");
    char *out = check_temp("px");
    struct medvl_names names = {0};
    struct seen seen = {0};

    (void)state;
    CHECK_OK(medvl_folder_make(folder, &err), &err);
    CHECK_OK(medvl_folder_make(out, &err), &err);
    CHECK_FAILS(read_layout(&seen, "medmnist", folder, out), MEDVL_EIO, &err,
                "no train_images.npy");
    make_npy(x, "(2, 3, 4)", 24);
    make_npy(y, "(2, 1)", 2);
    CHECK_OK(read_layout(&seen, "medmnist", folder, out), &err);
    assert_int_equal(seen.count, 2);
    assert_string_equal(seen.human, "answer");
    assert_true(holds(&seen, "\"id\":\"pneumoniamnist:val:0\""));
    assert_true(holds(&seen, "\"answer\":\"normal\",\"choices\":{\"A\":"
                             "\"normal\",\"B\":\"pneumonia\"}"));
    assert_true(holds(&seen, "\"answer\":\"pneumonia\""));
    assert_true(holds(&seen, "\"width\":4,\"height\":3"));
    assert_true(holds(&seen, "\"split\":\"val\""));
    CHECK_OK(medvl_folder_list(&names, out, &err), &err);
    assert_int_equal(names.count, 2);
    medvl_names_release(&names);

    make_npy(y, "(3, 1)", 3);
    CHECK_FAILS(read_layout(&seen, "medmnist", folder, out), MEDVL_EFORMAT,
                &err, "2 images, 3 labels");
    make_npy(y, "(2, 2)", 4);
    CHECK_FAILS(read_layout(&seen, "medmnist", folder, out),
                MEDVL_EUNSUPPORTED, &err, "labels");
    make_npy(x, "(24,)", 24);
    CHECK_FAILS(read_layout(&seen, "medmnist", folder, out), MEDVL_EFORMAT,
                &err, "images are not");
    CHECK_OK(medvl_path_remove(folder, &err), &err);
    CHECK_OK(medvl_path_remove(out, &err), &err);
    medvl_text_release(&seen.all);
    medvl_free(folder);
    medvl_free(x);
    medvl_free(y);
    medvl_free(out);
}

static void a_set_without_known_names_says_so(void **state)
{
    struct seen seen = {0};

    (void)state;
    CHECK_FAILS(read_layout(&seen, "medmnist", "x/unheardmnist/", "px"),
                MEDVL_EARG, &err, "unheardmnist: label names");
}

static int parse_npy(const char *text, size_t size)
{
    struct medvl_npy npy;
    char *copy = malloc(size ? size : 1);
    int rc;

    assert_non_null(copy);
    memcpy(copy, text, size);
    rc = medvl_npy_parse(&npy, (struct medvl_span){copy, size}, &err);
    free(copy);
    return rc;
}

static void npy_headers_that_lie_are_errors(void **state)
{
    char *path = check_temp("a.npy");
    struct medvl_text good = {0};

    (void)state;
    make_npy(path, "(2, 3, 4)", 24);
    CHECK_OK(medvl_file_read(&good, path, 1000, &err), &err);
    CHECK_OK(parse_npy(good.data, good.size), &err);
    for (size_t size = 0; size < good.size; size++)
        assert_true(parse_npy(good.data, size) < 0);
    for (size_t i = 0; i < good.size - 24; i++)
        for (int bit = 0; bit < 8; bit++) {
            good.data[i] ^= (char)(1 << bit);
            (void)parse_npy(good.data, good.size);
            good.data[i] ^= (char)(1 << bit);
        }
    medvl_text_clear(&good);
    make_npy(path, "(1099511627776, 1099511627776, 4)", 24);
    CHECK_OK(medvl_file_read(&good, path, 1000, &err), &err);
    CHECK_FAILS(parse_npy(good.data, good.size), MEDVL_EFORMAT, &err,
                "shape");
    medvl_text_clear(&good);
    make_npy(path, "(2, 3, 5)", 24);
    CHECK_OK(medvl_file_read(&good, path, 1000, &err), &err);
    CHECK_FAILS(parse_npy(good.data, good.size), MEDVL_EFORMAT, &err,
                "24 bytes of values, the shape has 30");
    medvl_text_release(&good);
    CHECK_OK(medvl_path_remove(path, &err), &err);
    medvl_free(path);
}

static void the_real_sets_are_read_whole(void **state)
{
    static const struct {
        const char *layout, *path;
        int count;
    } SETS[] = {{"vqa-rad", "images/vqa_rad/test.jsonl", 681},
                {"bccd", "images/bccd/test.jsonl", 36},
                {"captions", "images/cxr_ccby/captions.jsonl", 8},
                {"images", "images/histology", 4},
                {"images", "images/cxr_hannover/png", 24}};
    struct seen seen = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(SETS) / sizeof(*SETS); i++) {
        char *path = check_data(SETS[i].path);

        CHECK_OK(read_layout(&seen, SETS[i].layout, path, NULL), &err);
        assert_int_equal(seen.count, SETS[i].count);
        medvl_free(path);
    }
    medvl_text_release(&seen.all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_original_vqa_rad_array_is_read),
        cmocka_unit_test(medmnist_arrays_become_pictures_and_choices),
        cmocka_unit_test(a_set_without_known_names_says_so),
        cmocka_unit_test(npy_headers_that_lie_are_errors),
        cmocka_unit_test(the_real_sets_are_read_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
